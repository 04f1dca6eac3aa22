//! The templates that Swarm expands in variables, mounts and host names (Go's `text/template`, SwarmKit `template`).
//!
//! Only actions of one field, text or call are judged; conditions, loops and variables are let pass.

use std::iter::Peekable;
use std::str::CharIndices;

use super::scalar::quoted;

/// Names of functions that a template may call.
const FUNCTIONS: [&str; 20] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "join", "js", "le", "len", "lt", "ne", "not", "or", "print",
    "printf", "println", "slice", "urlquery",
];
/// Words of the language itself.
const WORDS: [&str; 13] =
    ["block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with", "true", "false"];

/// Why Swarm does not expand a text, if it does not; the words are Go's.
pub fn refusal(text: &str) -> Option<String> {
    let mut from = 0;
    while let Some(start) = text[from..].find("{{").map(|at| from + at + 2) {
        let rest = &text[start..];
        if rest.starts_with("/*") || rest.starts_with("- /*") {
            match rest.find("}}") {
                Some(end) => from = start + end + 2,
                None => return Some(at_line(text, start, "unclosed comment")),
            }
            continue;
        }
        match action(text, start) {
            Ok(end) => from = end,
            Err(why) => return Some(why),
        }
    }
    None
}

fn at_line(text: &str, at: usize, why: &str) -> String {
    format!("template: expansion:{}: {why}", 1 + text[..at].matches('\n').count())
}

/// Where an action that begins at a byte ends.
fn action(text: &str, start: usize) -> Result<usize, String> {
    let mut chars = text[start..].char_indices().peekable();
    let (mut operands, mut is_free) = (0, false);
    let mut field: Option<(usize, Vec<&str>)> = None;
    let mut unknown: Option<String> = None;
    let syntax = |at: usize, why: String| at_line(text, start + at, &why);
    while let Some((at, c)) = chars.next() {
        match c {
            '}' if text[start + at..].starts_with("}}") => {
                if operands == 0 {
                    return Err(syntax(at, "missing value for command".to_string()));
                }
                if let Some((at, fields)) = field.filter(|_| !is_free) {
                    evaluate(text, at, &fields).map_or(Ok(()), Err)?;
                }
                return unknown.map_or(Ok(start + at + 2), Err);
            }
            '.' if chars.peek().is_some_and(|(_, c)| is_letter(*c)) => {
                let name = word(text, start + at + 1, &mut chars);
                match &mut field {
                    // A field of a field.
                    Some((last, fields))
                        if text[..start + at].ends_with(fields.last().copied().unwrap_or_default()) =>
                    {
                        (*last, _) = (start + at, fields.push(name));
                    }
                    Some(found) => {
                        evaluate(text, found.0, &found.1).filter(|_| !is_free).map_or(Ok(()), Err)?;
                        field = Some((start + at, vec![name]));
                    }
                    None => field = Some((start + at, vec![name])),
                }
                operands += 1;
            }
            '"' | '`' | '\'' => {
                loop {
                    match chars.next() {
                        Some((_, '\\')) if c != '`' => _ = chars.next(),
                        Some((_, end)) if end == c => break,
                        Some((_, '\n')) | None if c != '`' => {
                            let what =
                                if c == '"' { "unterminated quoted string" } else { "unterminated character constant" };
                            return Err(syntax(at, what.to_string()));
                        }
                        None => return Err(syntax(at, "unterminated raw quoted string".to_string())),
                        Some(_) => {}
                    }
                }
                operands += 1;
            }
            '$' => {
                is_free = true;
                operands += 1;
            }
            c if is_letter(c) => {
                let name = word(text, start + at, &mut chars);
                operands += 1;
                if WORDS.contains(&name) {
                    is_free = true;
                } else if !FUNCTIONS.contains(&name) {
                    let why = syntax(at, format!("function {} not defined", quoted(name)));
                    unknown.get_or_insert(why);
                    return Err(unknown.unwrap_or_default());
                }
            }
            '.' | '0'..='9' | '+' => operands += 1,
            ' ' | '\t' | '\r' | '\n' | '|' | '(' | ')' | ',' | '-' | ':' | '=' => {}
            '}' | '{' => return Err(syntax(at, format!("unexpected {} in command", quoted(&c.to_string())))),
            other => {
                let why = format!("unrecognized character in action: U+{:04X} '{other}'", u32::from(other));
                return Err(syntax(at, why));
            }
        }
    }
    Err(syntax(text.len() - start, "unclosed action".to_string()))
}

fn is_letter(c: char) -> bool {
    c == '_' || c.is_alphanumeric() && !c.is_ascii_digit()
}

/// The word that begins at a byte, which is skipped.
fn word<'a>(text: &'a str, from: usize, chars: &mut Peekable<CharIndices<'_>>) -> &'a str {
    while chars.next_if(|(_, c)| is_letter(*c) || c.is_ascii_digit()).is_some() {}
    let end = text[from..].find(|c: char| !(is_letter(c) || c.is_ascii_digit())).unwrap_or(text.len() - from);
    &text[from..from + end]
}

/// Why a chain of fields has no value, if it has none: what a task knows of itself, its service and its node.
fn evaluate(text: &str, at: usize, fields: &[&str]) -> Option<String> {
    const SERVICE: &str = "struct { ID string; Name string; Labels map[string]string }";
    const NODE: &str = "struct { ID string; Hostname string; Platform template.Platform }";
    const TASK: &str = "struct { ID string; Name string; Slot string }";
    let missing = |field: &str, of: &str| Some(format!("can't evaluate field {field} in type {of}"));
    let why = match fields {
        ["Service" | "Node" | "Task"] => None,
        ["Service", "ID" | "Name" | "Labels"]
        | ["Node", "ID" | "Hostname" | "Platform"]
        | ["Node", "Platform", "Architecture" | "OS"]
        | ["Task", "ID" | "Name" | "Slot"] => None,
        // The check knows no label, so none is there.
        ["Service", "Labels", label, ..] => Some(format!("map has no entry for key {}", quoted(label))),
        ["Service", "ID" | "Name", field, ..]
        | ["Node", "ID" | "Hostname", field, ..]
        | ["Node", "Platform", "Architecture" | "OS", field, ..]
        | ["Task", "ID" | "Name" | "Slot", field, ..] => missing(field, "string"),
        ["Service", field, ..] => missing(field, SERVICE),
        ["Node", "Platform", field, ..] => missing(field, "template.Platform"),
        ["Node", field, ..] => missing(field, NODE),
        ["Task", field, ..] => missing(field, TASK),
        [field, ..] => missing(field, "*template.Context"),
        [] => None,
    }?;
    let line = 1 + text[..at].matches('\n').count();
    let column = text[..at].rfind('\n').map_or(at, |newline| at - newline - 1);
    let chain: String = fields.iter().map(|field| format!(".{field}")).collect();
    Some(format!("template: expansion:{line}:{column}: executing \"expansion\" at <{chain}>: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_judged_as_go_does() {
        for good in
            ["", "web", "{{.Node.Hostname}}-{{ .Task.Slot }}", "{{join \"-\" .Task.Name .Node.ID}}", "{{/* a */}}"]
        {
            assert_eq!(refusal(good), None, "{good}");
        }
        for good in ["{{if .Task.Slot}}a{{end}}", "{{index .Service.Labels \"a\"}}", "{{.Node.Platform.OS}}", "a}}b"] {
            assert_eq!(refusal(good), None, "{good}");
        }
        let cases = [
            (
                "{{.Foo}}",
                "template: expansion:1:2: executing \"expansion\" at <.Foo>: can't evaluate field Foo in type *template.Context",
            ),
            (
                "{{.Service.Labels.a}}",
                "template: expansion:1:17: executing \"expansion\" at <.Service.Labels.a>: map has no entry for key \"a\"",
            ),
            ("{{.Node.Hostname", "template: expansion:1: unclosed action"),
            ("{{foo}}", "template: expansion:1: function \"foo\" not defined"),
            ("{{}}", "template: expansion:1: missing value for command"),
        ];
        for (text, why) in cases {
            assert_eq!(refusal(text).as_deref(), Some(why), "{text}");
        }
    }
}
