//! `${VARIABLE}` in the texts of a stack file, from an explicit table of variables and from nowhere else.
//!
//! `docker stack` knows `$X`, `${X}`, `:-` and `-` (default), `:?` and `?` (required) and `$$`. It has no `:+`, and a
//! default is not interpolated again. A text that changes where a number or a boolean belongs becomes one.

use std::collections::BTreeMap;

use super::scalar::quoted;
use super::yaml::{Map, Node, Place, Value};

/// Most bytes that all texts of a file may have after interpolation.
const MAX_BYTES: usize = 8 << 20;

/// A text that cannot be interpolated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Where the text stands.
    pub at: Place,
    /// Why.
    pub message: String,
}

/// The tree with every text interpolated, or every text that cannot be.
pub fn interpolate(root: &Map, variables: &BTreeMap<String, String>) -> Result<Map, Vec<Refusal>> {
    let mut walk = Walk { variables, refusals: Vec::new(), bytes: 0 };
    let mut path = Vec::new();
    let map = walk.map(root, &mut path);
    walk.refusals.sort_by_key(|refusal| refusal.at);
    if walk.refusals.is_empty() { Ok(map) } else { Err(walk.refusals) }
}

struct Walk<'a> {
    variables: &'a BTreeMap<String, String>,
    refusals: Vec<Refusal>,
    bytes: usize,
}

impl<'a> Walk<'a> {
    fn map(&mut self, map: &'a Map, path: &mut Vec<&'a str>) -> Map {
        let mut out = Map::new();
        for (key, node) in map {
            path.push(key);
            out.insert(key.clone(), self.node(node, path));
            path.pop();
        }
        out
    }

    fn node(&mut self, node: &'a Node, path: &mut Vec<&'a str>) -> Node {
        let value = match &node.value {
            Value::Text(text) if text.contains('$') => self.text(text, node.at, path),
            Value::Map(map) => Value::Map(self.map(map, path)),
            Value::List(list) => {
                path.push("[]");
                let list = list.iter().map(|item| self.node(item, path)).collect();
                path.pop();
                Value::List(list)
            }
            other => other.clone(),
        };
        node.with(value)
    }

    fn text(&mut self, text: &str, at: Place, path: &[&str]) -> Value {
        let written = path.join(".");
        let message = match substitute(text, self.variables, MAX_BYTES - self.bytes) {
            Ok(same) if same == text => return Value::Text(same),
            Ok(new) => {
                self.bytes += new.len();
                match cast(path, &new) {
                    Ok(value) => return value,
                    Err(why) => {
                        format!("error while interpolating {written}: failed to cast to expected type: {why}")
                    }
                }
            }
            Err(template) => format!(
                "invalid interpolation format for {written}: {}; you may need to escape any $ with another $",
                quoted(&template)
            ),
        };
        self.refusals.push(Refusal { at, message });
        Value::Null
    }
}

/// A text with its variables replaced; the error is the template that Docker shows.
///
/// Docker keeps only the outcome of the last variable of a text: an earlier missing one is lost when a later one is
/// found. That is kept, for the verdict is Docker's.
pub fn substitute(text: &str, variables: &BTreeMap<String, String>, most_bytes: usize) -> Result<String, String> {
    let mut out = String::new();
    let mut outcome = Ok(());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        if let Some(unescaped) = after.strip_prefix('$') {
            out.push('$');
            rest = unescaped;
            continue;
        }
        let (expression, remaining) = match after.strip_prefix('{') {
            None => {
                let end = expression_end(after);
                (&after[..end], &after[end..])
            }
            Some(braced) => {
                let end = expression_end(braced);
                match braced[end..].strip_prefix('}') {
                    Some(remaining) => (&braced[..end], remaining),
                    None => ("", after),
                }
            }
        };
        rest = remaining;
        outcome = if expression.is_empty() {
            Err(text.to_string())
        } else {
            evaluate(expression, variables).map(|value| out.push_str(value))
        };
        if out.len() > most_bytes {
            return Err("too much text".to_string());
        }
    }
    out.push_str(rest);
    outcome.map(|()| out)
}

/// Where a variable's name, with its operator and operand, ends; 0 if there is none.
fn expression_end(text: &str) -> usize {
    // Go folds case as Unicode does: the long s and the Kelvin sign are letters of names too.
    let is_letter = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '\u{17f}' | '\u{212a}');
    if !text.starts_with(is_letter) {
        return 0;
    }
    let name = text.find(|c: char| !is_letter(c) && !c.is_ascii_digit()).unwrap_or(text.len());
    let operator = text[name..].strip_prefix(':').unwrap_or(&text[name..]);
    if operator.starts_with(['-', '?']) {
        return name + text[name..].find('}').unwrap_or(text.len() - name);
    }
    name
}

fn evaluate<'a>(expression: &'a str, variables: &'a BTreeMap<String, String>) -> Result<&'a str, String> {
    let lookup = |name: &str| variables.get(name).map(String::as_str);
    // The order of Docker's operators: `${A?b:-c}` is `:-` with a strange name.
    if let Some((name, default)) = expression.split_once(":-") {
        return Ok(lookup(name).filter(|value| !value.is_empty()).unwrap_or(default));
    }
    if let Some((name, default)) = expression.split_once('-') {
        return Ok(lookup(name).unwrap_or(default));
    }
    let missing = |name: &str, why: &str| format!("required variable {name} is missing a value: {why}");
    if let Some((name, why)) = expression.split_once(":?") {
        return lookup(name).filter(|value| !value.is_empty()).ok_or_else(|| missing(name, why));
    }
    if let Some((name, why)) = expression.split_once('?') {
        return lookup(name).ok_or_else(|| missing(name, why));
    }
    Ok(lookup(expression).unwrap_or_default())
}

#[derive(Clone, Copy)]
enum Cast {
    Int,
    Float,
    Bool,
}

/// Where an interpolated text becomes something else; `*` is any key, `[]` any item.
const CASTS: [(&str, Cast); 29] = [
    ("services.*.configs.[].mode", Cast::Int),
    ("services.*.secrets.[].mode", Cast::Int),
    ("services.*.healthcheck.retries", Cast::Int),
    ("services.*.healthcheck.disable", Cast::Bool),
    ("services.*.deploy.replicas", Cast::Int),
    ("services.*.deploy.update_config.parallelism", Cast::Int),
    ("services.*.deploy.update_config.max_failure_ratio", Cast::Float),
    ("services.*.deploy.rollback_config.parallelism", Cast::Int),
    ("services.*.deploy.rollback_config.max_failure_ratio", Cast::Float),
    ("services.*.deploy.restart_policy.max_attempts", Cast::Int),
    ("services.*.deploy.placement.max_replicas_per_node", Cast::Int),
    ("services.*.ports.[].target", Cast::Int),
    ("services.*.ports.[].published", Cast::Int),
    ("services.*.ulimits.*", Cast::Int),
    ("services.*.ulimits.*.hard", Cast::Int),
    ("services.*.ulimits.*.soft", Cast::Int),
    ("services.*.oom_score_adj", Cast::Int),
    ("services.*.privileged", Cast::Bool),
    ("services.*.read_only", Cast::Bool),
    ("services.*.stdin_open", Cast::Bool),
    ("services.*.tty", Cast::Bool),
    ("services.*.volumes.[].read_only", Cast::Bool),
    ("services.*.volumes.[].volume.nocopy", Cast::Bool),
    ("networks.*.external", Cast::Bool),
    ("networks.*.internal", Cast::Bool),
    ("networks.*.attachable", Cast::Bool),
    ("volumes.*.external", Cast::Bool),
    ("secrets.*.external", Cast::Bool),
    ("configs.*.external", Cast::Bool),
];

fn cast(path: &[&str], text: &str) -> Result<Value, String> {
    // A key with dots counts as several, as in Docker.
    let parts: Vec<&str> = path.iter().flat_map(|key| key.split('.')).collect();
    let matches = |pattern: &str| {
        pattern.split('.').count() == parts.len()
            && pattern.split('.').zip(&parts).all(|(wanted, part)| wanted == "*" || wanted == *part)
    };
    match CASTS.iter().find(|(pattern, _)| matches(pattern)).map(|(_, cast)| cast) {
        None => Ok(Value::Text(text.to_string())),
        Some(Cast::Int) => {
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            let syntax = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            let why = if syntax { "value out of range" } else { "invalid syntax" };
            let parsed = if syntax { text.parse().ok() } else { None };
            parsed.map(Value::Int).ok_or_else(|| format!("strconv.Atoi: parsing {}: {why}", quoted(text)))
        }
        Some(Cast::Float) => super::units::float(text).map(Value::Float),
        Some(Cast::Bool) => match text.to_lowercase().as_str() {
            "y" | "yes" | "true" | "on" => Ok(Value::Bool(true)),
            "n" | "no" | "false" | "off" => Ok(Value::Bool(false)),
            _ => Err(format!("invalid boolean: {text}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::yaml;
    use super::*;

    fn variables() -> BTreeMap<String, String> {
        [("FOO", "foo"), ("EMPTY", ""), ("NUM", "5")].map(|(k, v)| (k.to_string(), v.to_string())).into()
    }

    fn of(text: &str) -> Result<String, String> {
        substitute(text, &variables(), 1000)
    }

    #[test]
    fn every_operator_of_docker_stack() {
        let cases = [
            ("$FOO/${FOO}", "foo/foo"),
            // Without braces the operand goes on to the next brace.
            ("$FOO-${FOO}", "foo}"),
            ("${FOO} $$FOO", "foo $FOO"),
            ("${EMPTY:-d}${EMPTY-e}${NOPE-f}${NOPE:-}${NOPE}", "df"),
            ("${NOPE-x?y}", "x?y"),
            ("${NOPE:-${FOO}}", "${FOO}"),
            ("${NOPE?a:-b}", "b"),
            ("${EMPTY?}", ""),
            ("${NOPE:?x} $FOO", " foo"),
            ("a ${NOPE:-x\ny} b", "a x\ny b"),
            ("$ſoo", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(of(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_docker_stack_does_not_know_is_refused() {
        for text in ["${FOO:+x}", "${FOO+x}", "a $ b", "$1", "${FOO", "$É", "${}", "$"] {
            assert_eq!(of(text), Err(text.to_string()));
        }
        assert_eq!(of("${NOPE:?why}"), Err("required variable NOPE is missing a value: why".to_string()));
        assert_eq!(of("${EMPTY:?}"), Err("required variable EMPTY is missing a value: ".to_string()));
    }

    #[test]
    fn interpolated_texts_are_cast_where_a_number_belongs() {
        let tree = |text: &str| {
            let root = yaml::read(text).unwrap().root;
            interpolate(root.map().unwrap(), &variables())
        };
        let ok = tree("services: {a: {deploy: {replicas: $NUM, mode: $NUM}}}").unwrap();
        let deploy = ok["services"].get("a").unwrap().get("deploy").unwrap();
        assert_eq!(deploy.get("replicas").unwrap().value, Value::Int(5));
        assert_eq!(deploy.get("mode").unwrap().value, Value::Text("5".to_string()));
        let refusals = tree("services: {a: {tty: $FOO, deploy: {replicas: '${NOPE}'}}}").unwrap_err();
        let messages: Vec<_> = refusals.iter().map(|refusal| refusal.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "error while interpolating services.a.tty: failed to cast to expected type: invalid boolean: foo",
                "error while interpolating services.a.deploy.replicas: failed to cast to expected type: \
                 strconv.Atoi: parsing \"\": invalid syntax",
            ]
        );
    }

    #[test]
    fn the_result_is_bounded() {
        let big = [("X".to_string(), "x".repeat(600))].into();
        assert!(substitute("$X$X", &big, 1000).is_err());
    }
}
