//! Checks a stack file against Docker's schema and complains in Docker's words.
//!
//! The rules are a table (in `grammar`); the order and the score of complaints are those of the validator that Docker
//! uses, because which of several complaints Docker shows depends on them.

use std::collections::{BTreeMap, BTreeSet};

use super::scalar::quoted;
use super::short;
use super::units;
use super::yaml::{Map, Node, Place, Value};

/// What a value may be. Entries name the minor version of the file format since which they exist.
pub enum Rule {
    /// Anything.
    Any,
    /// Scalars of these kinds.
    Is(&'static [Kind]),
    /// A scalar of these kinds that has a form.
    Form(&'static [Kind], Form),
    /// One of these texts.
    OneText(&'static [&'static str]),
    /// A whole number, zero or more.
    NotNegative,
    /// A list.
    List {
        /// What each item may be.
        items: &'static Rule,
        /// Whether items must differ.
        unique: bool,
    },
    /// A mapping.
    Map(Keys),
    /// Exactly one of these.
    OneOf(&'static [&'static Rule]),
    /// One rule up to a version of the format, another from there on.
    Since(u32, &'static Rule, &'static Rule),
}

/// What keys a mapping may have.
pub struct Keys {
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether it may be a boolean instead.
    pub or_bool: bool,
    /// Known keys: since which version, name, rule.
    pub known: &'static [(u32, &'static str, &'static Rule)],
    /// Keys that must be there.
    pub required: &'static [&'static str],
    /// Other keys of a form, since a version.
    pub pattern: &'static [(u32, Name, &'static Rule)],
    /// Since which version any other key may be there; `None` is never.
    pub open: Option<u32>,
}

/// Forms of keys.
#[derive(Clone, Copy)]
pub enum Name {
    /// Letters, digits, `.`, `_` and `-`.
    Resource,
    /// Begins with `x-`.
    Extension,
    /// One character or more.
    Any,
    /// Lower-case letters.
    Lower,
}

impl Name {
    fn fits(self, key: &str) -> bool {
        match self {
            Name::Resource => {
                !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
            }
            Name::Extension => key.starts_with("x-"),
            Name::Any => key.chars().any(|c| c != '\n'),
            Name::Lower => !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase()),
        }
    }
}

/// Kinds of values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Bool,
    /// Nothing.
    Null,
    /// A list.
    List,
    /// A mapping.
    Map,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Text => "string",
            Kind::Number => "number",
            Kind::Integer => "integer",
            Kind::Bool => "boolean",
            Kind::Null => "null",
            Kind::List => "list",
            Kind::Map => "mapping",
        }
    }

    fn of(value: &Value) -> Kind {
        match value {
            Value::Null => Kind::Null,
            Value::Bool(_) => Kind::Bool,
            Value::Int(_) | Value::Unsigned(_) => Kind::Integer,
            Value::Float(n) if n.fract() == 0.0 => Kind::Integer,
            Value::Float(_) => Kind::Number,
            Value::Text(_) | Value::Instant(_) => Kind::Text,
            Value::List(_) => Kind::List,
            Value::Map(_) | Value::Foreign => Kind::Map,
        }
    }

    fn accepts(self, found: Kind) -> bool {
        self == found || (self == Kind::Number && found == Kind::Integer)
    }
}

/// Forms of scalars.
#[derive(Clone, Copy)]
pub enum Form {
    /// A Go duration.
    Duration,
    /// A port mapping.
    Ports,
}

/// A complaint about one place of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Complaint {
    /// Where.
    pub at: Place,
    /// What, beginning with the path.
    pub message: String,
}

/// Checks a whole file of a version (`3.<minor>`). The first complaint is the one that Docker shows.
pub fn check(root: &Map, rule: &Rule, minor: u32) -> Vec<Complaint> {
    if let Some(complaint) = unencodable(root) {
        return vec![complaint];
    }
    let mut findings = Findings::default();
    let at = root.values().map(|node| node.at).min().unwrap_or_default();
    let node = Node { value: Value::Map(root.clone()), at };
    Check { minor }.node(&node, rule, &Path::Root, &mut findings);
    findings.most_telling()
}

/// Docker turns the file into JSON first, which has neither foreign keys nor infinite numbers.
fn unencodable(map: &Map) -> Option<Complaint> {
    fn look(node: &Node) -> Option<Complaint> {
        let message = match &node.value {
            Value::Foreign => "json: unsupported type: map[interface {}]interface {}".to_string(),
            Value::Float(n) if n.is_nan() => "json: unsupported value: NaN".to_string(),
            Value::Float(n) if n.is_infinite() => {
                format!("json: unsupported value: {}Inf", if *n > 0.0 { '+' } else { '-' })
            }
            Value::Map(map) => return unencodable(map),
            Value::List(list) => return list.iter().find_map(look),
            _ => return None,
        };
        Some(Complaint { at: node.at, message })
    }
    map.values().find_map(look)
}

/// The way from the root to a node.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Path::Root => f.write_str("(root)"),
            Path::Key(Path::Root, key) => f.write_str(key),
            Path::Item(Path::Root, index) => write!(f, "{index}"),
            Path::Key(parent, key) => write!(f, "{parent}.{key}"),
            Path::Item(parent, index) => write!(f, "{parent}.{index}"),
        }
    }
}

#[derive(PartialEq)]
enum Why {
    WrongType,
    OneOf,
    Other,
}

struct Finding {
    at: Place,
    path: String,
    why: Why,
    text: String,
}

/// Findings in the order of the validator, with its score: one for every check that was passed, minus one for a failed.
#[derive(Default)]
struct Findings {
    list: Vec<Finding>,
    score: i64,
}

impl Findings {
    fn add(&mut self, node: &Node, path: &Path<'_>, why: Why, text: String) {
        self.list.push(Finding { at: node.at, path: path.to_string(), why, text });
        self.score -= 2;
    }

    fn merge(&mut self, other: Findings) {
        self.list.extend(other.list);
        self.score += other.score;
    }

    /// Docker shows the finding with the longest path, the first of these, but rather a wrong type than another.
    fn most_telling(self) -> Vec<Complaint> {
        let depth = |finding: &Finding| finding.path.matches('.').count();
        let mut best = 0;
        for (index, finding) in self.list.iter().enumerate() {
            let current = &self.list[best];
            let deeper = depth(finding) > depth(current);
            let same = depth(finding) == depth(current);
            if deeper || (same && finding.why == Why::WrongType && current.why != Why::WrongType) {
                best = index;
            }
        }
        let describe = |index: usize| {
            let finding = &self.list[index];
            let text = match self.list.get(index + 1) {
                // Docker shows the text of whatever comes next, which is the best of the rules if none was met.
                Some(next) if finding.why == Why::OneOf => &next.text,
                _ => &finding.text,
            };
            Complaint { at: finding.at, message: format!("{} {text}", finding.path) }
        };
        let Some(_) = self.list.get(best) else { return Vec::new() };
        let mut complaints = vec![describe(best)];
        let mut seen = BTreeSet::from([complaints[0].message.clone()]);
        for index in (0..self.list.len()).filter(|index| self.list[*index].why != Why::OneOf) {
            let complaint = describe(index);
            if seen.insert(complaint.message.clone()) {
                complaints.push(complaint);
            }
        }
        complaints
    }
}

struct Check {
    minor: u32,
}

impl Check {
    fn node(&self, node: &Node, rule: &Rule, path: &Path<'_>, out: &mut Findings) {
        match rule {
            Rule::Any => out.score += checks(node),
            Rule::Since(minor, before, after) => {
                self.node(node, if self.minor < *minor { before } else { after }, path, out);
            }
            Rule::OneOf(rules) => {
                self.one_of(node, rules, path, out);
                out.score += checks(node);
            }
            Rule::Is(kinds) => {
                if of_kind(node, kinds, path, out) {
                    out.score += checks(node);
                }
            }
            Rule::Form(kinds, form) => {
                if of_kind(node, kinds, path, out) {
                    let (fits, name) = match form {
                        Form::Duration => (node.text().is_some_and(|text| units::duration(text).is_ok()), "duration"),
                        Form::Ports => (short::is_port(&node.value), "ports"),
                    };
                    if !fits {
                        out.add(node, path, Why::Other, format!("Does not match format '{name}'"));
                    }
                    out.score += checks(node);
                }
            }
            Rule::OneText(texts) => {
                if of_kind(node, &[Kind::Text], path, out) {
                    if !node.text().is_some_and(|text| texts.contains(&text)) {
                        let listed: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
                        let text = format!("{path} must be one of the following: {}", listed.join(", "));
                        out.add(node, path, Why::Other, text);
                    }
                    out.score += checks(node);
                }
            }
            Rule::NotNegative => {
                if of_kind(node, &[Kind::Integer], path, out) {
                    let is_negative = match node.value {
                        Value::Int(n) => n < 0,
                        Value::Float(n) => n < 0.0,
                        _ => false,
                    };
                    if is_negative {
                        out.add(node, path, Why::Other, "Must be greater than or equal to 0".to_string());
                    }
                    out.score += checks(node);
                }
            }
            Rule::List { items, unique } => {
                if of_kind(node, &[Kind::List], path, out) {
                    self.list(node, items, *unique, path, out);
                }
            }
            Rule::Map(keys) => self.map(node, keys, path, out),
        }
    }

    fn one_of(&self, node: &Node, rules: &[&Rule], path: &Path<'_>, out: &mut Findings) {
        let mut best: Option<Findings> = None;
        let mut passed = 0;
        for rule in rules {
            let mut findings = Findings::default();
            self.node(node, rule, path, &mut findings);
            if findings.list.is_empty() {
                passed += 1;
            } else if passed == 0 && best.as_ref().is_none_or(|best| findings.score > best.score) {
                best = Some(findings);
            }
        }
        if passed != 1 {
            out.add(node, path, Why::OneOf, "Must validate one and only one schema (oneOf)".to_string());
            if let Some(best) = best.filter(|_| passed == 0) {
                out.merge(best);
            }
        }
    }

    fn list(&self, node: &Node, items: &Rule, unique: bool, path: &Path<'_>, out: &mut Findings) {
        let list = node.list().unwrap_or_default();
        for (index, item) in list.iter().enumerate() {
            self.node(item, items, &Path::Item(path, index), out);
        }
        if unique {
            let mut seen: BTreeMap<String, usize> = BTreeMap::new();
            for (index, item) in list.iter().enumerate() {
                if let Some(first) = seen.insert(canonical(item), index) {
                    out.add(node, path, Why::Other, format!("array items[{first},{index}] must be unique"));
                }
            }
        }
        out.score += checks(node);
    }

    fn map(&self, node: &Node, keys: &Keys, path: &Path<'_>, out: &mut Findings) {
        let kinds: &[Kind] = match (keys.nullable, keys.or_bool) {
            (true, _) => &[Kind::Map, Kind::Null],
            (_, true) => &[Kind::Bool, Kind::Map],
            _ => &[Kind::Map],
        };
        if !of_kind(node, kinds, path, out) {
            return;
        }
        out.score += checks(node);
        let Some(map) = node.map() else { return };
        for name in keys.required {
            if map.contains_key(*name) {
                out.score += 1;
            } else {
                out.add(node, path, Why::Other, format!("{name} is required"));
            }
        }
        let rule_of = |key: &str| {
            let known = keys.known.iter().find(|(since, name, _)| *since <= self.minor && *name == key);
            known.map(|(_, _, rule)| *rule)
        };
        // In the order of the file, so that of equal complaints the upper one is the first.
        let mut entries: Vec<(&String, &Node)> = map.iter().collect();
        entries.sort_by_key(|(_, node)| node.at);
        for (key, value) in &entries {
            let mut fits = rule_of(key).is_some();
            for (since, name, rule) in keys.pattern {
                if *since <= self.minor && name.fits(key) {
                    self.node(value, rule, &Path::Key(path, key), out);
                    out.score += 1;
                    fits = true;
                }
            }
            if !fits && keys.open.is_none_or(|since| self.minor < since) {
                let at = Node { value: Value::Null, at: value.at };
                out.add(&at, path, Why::Other, format!("Additional property {key} is not allowed"));
            }
        }
        for (key, value) in entries {
            if let Some(rule) = rule_of(key) {
                self.node(value, rule, &Path::Key(path, key), out);
            }
        }
    }
}

/// How many checks of the validator a value passes: three common ones, and that of its kind if there is one.
fn checks(node: &Node) -> i64 {
    match Kind::of(&node.value) {
        Kind::Bool | Kind::Null => 3,
        _ => 4,
    }
}

fn of_kind(node: &Node, kinds: &[Kind], path: &Path<'_>, out: &mut Findings) -> bool {
    let found = Kind::of(&node.value);
    let fits = kinds.iter().any(|kind| kind.accepts(found));
    if !fits {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        let text = match names.split_last() {
            Some((last, [])) => format!("must be a {last}"),
            Some((last, others)) => format!("must be a {} or {last}", others.join(", ")),
            None => String::new(),
        };
        out.add(node, path, Why::WrongType, text);
    }
    fits
}

/// One text for all equal values.
fn canonical(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Unsigned(n) => n.to_string(),
        Value::Float(n) => n.to_string(),
        Value::Text(text) => quoted(text),
        Value::Instant(instant) => quoted(&instant.json),
        Value::Foreign => "foreign".to_string(),
        Value::List(list) => format!("[{}]", list.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Map(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, node)| format!("{}:{}", quoted(key), canonical(node))).collect();
            format!("{{{}}}", entries.join(","))
        }
    }
}
