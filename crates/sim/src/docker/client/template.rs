//! Go's templates (`text/template`) as far as people use them to format lists and objects: fields, pipelines, variables, `if`,
//! `with`, `range`, comparisons, and the functions that the command line adds (docker/cli `templates`). What Go reports as an
//! error is reported here in the same form; definitions of templates are refused.

use std::collections::BTreeMap;

use sched::spec::Labels;
use serde_json::{Number, Value};

use crate::outside;

/// Parentheses and blocks within each other.
const DEEPEST: usize = 64;
/// Bytes that one execution may write.
const LONGEST: usize = 64 << 20;

/// A template.
#[derive(Debug)]
pub struct Template {
    nodes: Vec<Node>,
}

/// What a template is about.
pub struct Data<'a> {
    root: &'a Value,
    labels: Option<&'a Labels>,
    kind: &'a str,
    are_headings: bool,
}

impl<'a> Data<'a> {
    /// A row of a list: its fields are known, and others are errors.
    pub fn row(root: &'a Value, labels: &'a Labels, kind: &'a str) -> Data<'a> {
        Data { root, labels: Some(labels), kind, are_headings: false }
    }

    /// The headings of a list: functions leave them as they are.
    pub fn headings(root: &'a Value) -> Data<'a> {
        Data { root, labels: None, kind: "", are_headings: true }
    }

    /// An object of the API. What is left out of it is false to `if`, and an error where it is shown.
    pub fn object(root: &'a Value) -> Data<'a> {
        Data { root, labels: None, kind: "", are_headings: false }
    }
}

#[derive(Debug)]
enum Node {
    Text(String),
    Show(Option<Assign>, Pipeline),
    /// Conditions with what they lead to, and what else.
    If(Vec<(Option<Assign>, Pipeline, Vec<Node>)>, Vec<Node>),
    With(Option<Assign>, Pipeline, Vec<Node>, Vec<Node>),
    /// Names of the place and of the element.
    Range(Vec<String>, Pipeline, Vec<Node>, Vec<Node>),
    Break,
    Continue,
}

#[derive(Debug)]
struct Assign {
    name: String,
    declares: bool,
}

#[derive(Debug)]
struct Pipeline {
    commands: Vec<Vec<Operand>>,
}

#[derive(Debug)]
enum Operand {
    /// `.A.B`: fields of the dot, or the dot itself; with where it stands.
    Fields(Vec<String>, Place),
    /// `$x.A.B`.
    Variable(String, Vec<String>, Place),
    Literal(Value),
    Function(String),
    /// `(...)`, and fields of what comes of it.
    Inner(Pipeline, Vec<String>, Place),
}

#[derive(Clone, Debug)]
struct Place {
    line: usize,
    column: usize,
    text: String,
}

#[derive(Clone, PartialEq, Debug)]
enum Token {
    /// `.`, `.A.B`.
    Fields(Vec<String>),
    /// `$`, `$x.A`.
    Variable(String, Vec<String>),
    Word(String),
    Literal(Value),
    Open,
    /// With the fields that follow.
    Close(Vec<String>),
    Pipe,
    Comma,
    Declare,
    Set,
}

// Reading.

struct Action {
    tokens: Vec<(Token, Place)>,
    line: usize,
}

enum Piece {
    Text(String),
    Action(Action),
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Template, String> {
        let pieces = pieces(text)?;
        let mut reader = Reader { pieces: pieces.into_iter().peekable(), last_line: text.lines().count().max(1) };
        let (nodes, end) = reader.nodes(0, false)?;
        match end {
            None => Ok(Template { nodes }),
            Some((word, line)) => Err(format!("template: :{line}: unexpected {{{{{word}}}}}")),
        }
    }
}

/// Text and actions, with the blanks gone that `{{-` and `-}}` take.
fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut out: Vec<Piece> = Vec::new();
    let (mut rest, mut trims) = (text, false);
    let line_at = |rest: &str| text[..text.len() - rest.len()].matches('\n').count() + 1;
    loop {
        let Some(begin) = rest.find("{{") else {
            let tail = if trims { rest.trim_start() } else { rest };
            out.push(Piece::Text(tail.to_string()));
            return Ok(out);
        };
        let mut before = &rest[..begin];
        let line = line_at(&rest[begin..]);
        let mut inner = &rest[begin + 2..];
        if trims {
            before = before.trim_start();
        }
        if let Some(after) = inner.strip_prefix('-').filter(|after| after.starts_with([' ', '\t', '\n', '\r'])) {
            before = before.trim_end();
            inner = after;
        }
        out.push(Piece::Text(before.to_string()));
        if let Some(comment) = inner.trim_start().strip_prefix("/*") {
            let end = comment.find("*/").ok_or_else(|| format!("template: :{line}: unclosed comment"))?;
            let after = &comment[end + 2..];
            let closing = after.trim_start();
            trims = closing.starts_with("-}}");
            rest = closing
                .strip_prefix('-')
                .unwrap_or(closing)
                .strip_prefix("}}")
                .ok_or_else(|| format!("template: :{line}: comment ends before closing delimiter"))?;
            continue;
        }
        let (tokens, after, trim) = tokens(text, inner, line)?;
        (rest, trims) = (after, trim);
        out.push(Piece::Action(Action { tokens, line }));
    }
}

type Tokens<'t> = (Vec<(Token, Place)>, &'t str, bool);

/// The tokens of an action, what follows it, and whether that loses its blanks.
fn tokens<'t>(whole: &str, inner: &'t str, line: usize) -> Result<Tokens<'t>, String> {
    let mut out = Vec::new();
    let mut rest = inner;
    let failed = |why: String| format!("template: :{line}: {why}");
    loop {
        let blanks = rest.len() - rest.trim_start().len();
        let next = &rest[blanks..];
        if let Some(after) = next.strip_prefix("}}") {
            return Ok((out, after, false));
        }
        if let Some(after) = next.strip_prefix("-}}").filter(|_| blanks > 0) {
            return Ok((out, after, true));
        }
        let Some(first) = next.chars().next() else { return Err(failed("unclosed action".into())) };
        let offset = whole.len() - next.len();
        let column = whole[..offset].rsplit('\n').next().map_or(0, str::len);
        let (token, after) = token(next, first).map_err(failed)?;
        let text = next[..next.len() - after.len()].to_string();
        out.push((token, Place { line, column, text }));
        rest = after;
    }
}

fn token(next: &str, first: char) -> Result<(Token, &str), String> {
    let after = &next[first.len_utf8()..];
    Ok(match first {
        '|' => (Token::Pipe, after),
        ',' => (Token::Comma, after),
        '(' => (Token::Open, after),
        ')' => {
            let (fields, after) = fields(after);
            (Token::Close(fields), after)
        }
        ':' => match after.strip_prefix('=') {
            Some(after) => (Token::Declare, after),
            None => return Err("expected :=".into()),
        },
        '=' => (Token::Set, after),
        '.' if after.starts_with(|c: char| c.is_ascii_digit()) => numeral(next)?,
        '.' => {
            let (fields, after) = fields(next);
            if fields.is_empty() { (Token::Fields(fields), &next[1..]) } else { (Token::Fields(fields), after) }
        }
        '$' => {
            let end = after.find(|c: char| !is_letter(c)).unwrap_or(after.len());
            let (fields, rest) = fields(&after[end..]);
            (Token::Variable(after[..end].to_string(), fields), rest)
        }
        '"' => {
            let (text, after) = quoted(after)?;
            (Token::Literal(Value::String(text)), after)
        }
        '`' => {
            let (text, after) = after.split_once('`').ok_or("unterminated raw quoted string")?;
            (Token::Literal(Value::String(text.to_string())), after)
        }
        c if c.is_ascii_digit() || c == '-' || c == '+' => numeral(next)?,
        c if is_letter(c) => {
            let end = next.find(|c: char| !is_letter(c)).unwrap_or(next.len());
            let literal = match &next[..end] {
                "true" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                "nil" => Some(Value::Null),
                _ => None,
            };
            (literal.map_or_else(|| Token::Word(next[..end].to_string()), Token::Literal), &next[end..])
        }
        c => return Err(format!("unexpected {c:?} in command")),
    })
}

fn is_letter(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// `.A.B` at the beginning of a text, and the rest.
fn fields(mut text: &str) -> (Vec<String>, &str) {
    let mut out = Vec::new();
    while let Some(after) = text.strip_prefix('.').filter(|after| after.starts_with(is_letter)) {
        let end = after.find(|c: char| !is_letter(c)).unwrap_or(after.len());
        out.push(after[..end].to_string());
        text = &after[end..];
    }
    (out, text)
}

fn numeral(text: &str) -> Result<(Token, &str), String> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c))).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let whole = number.parse::<i64>().ok().map(Number::from);
    let number = whole.or_else(|| Number::from_f64(number.parse().ok()?));
    number
        .map(|number| (Token::Literal(Value::Number(number)), rest))
        .ok_or(format!("bad number syntax: {:?}", &text[..end]))
}

/// A quoted text after its first quote, and the rest.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut out = String::new();
    let mut letters = text.char_indices();
    while let Some((at, c)) = letters.next() {
        match c {
            '"' => return Ok((out, &text[at + 1..])),
            '\n' => break,
            '\\' => match letters.next().map(|(_, c)| c) {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some(c @ ('"' | '\\' | '\'')) => out.push(c),
                _ => return Err("invalid syntax in quoted string".into()),
            },
            c => out.push(c),
        }
    }
    Err("unterminated quoted string".into())
}

struct Reader {
    pieces: std::iter::Peekable<std::vec::IntoIter<Piece>>,
    last_line: usize,
}

/// The word that ended a block, with its line; `else if` keeps what comes after it.
type End = Option<(String, usize)>;

impl Reader {
    /// Nodes up to the end of a block or of the text.
    fn nodes(&mut self, depth: usize, in_range: bool) -> Result<(Vec<Node>, End), String> {
        if DEEPEST < depth {
            return Err("template: :1: blocks are nested too deeply".into());
        }
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let action = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(action) => action,
            };
            let line = action.line;
            let word = match action.tokens.first() {
                Some((Token::Word(word), _)) => word.clone(),
                Some(_) => String::new(),
                None => return Err(format!("template: :{line}: missing value for command")),
            };
            match word.as_str() {
                "end" => return Ok((nodes, Some((word, line)))),
                "else" => {
                    // What follows `else` is read by whoever began the block.
                    let rest = action.tokens[1..].to_vec();
                    let name = if rest.is_empty() { "else" } else { "else if" };
                    if !rest.is_empty() {
                        self.put_back(Action { tokens: rest, line });
                    }
                    return Ok((nodes, Some((name.to_string(), line))));
                }
                "if" => nodes.push(self.conditions(action, depth, in_range)?),
                "with" => {
                    let (assign, pipeline) = statement(&action.tokens[1..], line)?;
                    let (then, otherwise) = self.block(line, depth, in_range)?;
                    nodes.push(Node::With(assign, pipeline, then, otherwise));
                }
                "range" => {
                    let (names, pipeline) = loop_head(&action.tokens[1..], line)?;
                    let (then, otherwise) = self.block(line, depth, true)?;
                    nodes.push(Node::Range(names, pipeline, then, otherwise));
                }
                "break" | "continue" if in_range => {
                    nodes.push(if word == "break" { Node::Break } else { Node::Continue });
                }
                "break" | "continue" => return Err(format!("template: :{line}: {{{{{word}}}}} outside {{{{range}}}}")),
                "define" | "template" | "block" => {
                    return Err(format!("template: :{line}: {{{{{word}}}}} is not supported"));
                }
                _ => {
                    let (assign, pipeline) = statement(&action.tokens, line)?;
                    nodes.push(Node::Show(assign, pipeline));
                }
            }
        }
        Ok((nodes, None))
    }

    fn put_back(&mut self, action: Action) {
        let rest: Vec<Piece> = std::iter::once(Piece::Action(action)).chain(self.pieces.by_ref()).collect();
        self.pieces = rest.into_iter().peekable();
    }

    /// A block with what else.
    fn block(&mut self, line: usize, depth: usize, in_range: bool) -> Result<(Vec<Node>, Vec<Node>), String> {
        let (then, end) = self.nodes(depth + 1, in_range)?;
        match end {
            Some((word, _)) if word == "end" => Ok((then, Vec::new())),
            Some((word, _)) if word == "else" => {
                let (otherwise, end) = self.nodes(depth + 1, in_range)?;
                match end {
                    Some((word, _)) if word == "end" => Ok((then, otherwise)),
                    end => Err(self.unfinished(end)),
                }
            }
            Some((_, at)) => {
                Err(format!("template: :{at}: unexpected else if after {{{{with}}}} or {{{{range}}}} of line {line}"))
            }
            None => Err(self.unfinished(None)),
        }
    }

    fn conditions(&mut self, first: Action, depth: usize, in_range: bool) -> Result<Node, String> {
        let mut branches = Vec::new();
        let mut head = first;
        loop {
            let (assign, pipeline) = statement(&head.tokens[1..], head.line)?;
            let (then, end) = self.nodes(depth + 1, in_range)?;
            branches.push((assign, pipeline, then));
            match end {
                Some((word, _)) if word == "end" => return Ok(Node::If(branches, Vec::new())),
                Some((word, line)) if word == "else if" => match self.pieces.next() {
                    Some(Piece::Action(next)) if matches!(next.tokens.first(), Some((Token::Word(word), _)) if word == "if") =>
                    {
                        head = next;
                    }
                    _ => return Err(format!("template: :{line}: unexpected token in {{{{else}}}}")),
                },
                Some((_, _)) => {
                    let (otherwise, end) = self.nodes(depth + 1, in_range)?;
                    return match end {
                        Some((word, _)) if word == "end" => Ok(Node::If(branches, otherwise)),
                        end => Err(self.unfinished(end)),
                    };
                }
                None => return Err(self.unfinished(None)),
            }
        }
    }

    fn unfinished(&self, end: End) -> String {
        match end {
            Some((word, line)) => format!("template: :{line}: unexpected {{{{{word}}}}}"),
            None => format!("template: :{}: unexpected EOF", self.last_line),
        }
    }
}

/// `$x := pipeline`, `$x = pipeline` or a pipeline.
fn statement(tokens: &[(Token, Place)], line: usize) -> Result<(Option<Assign>, Pipeline), String> {
    if let [(Token::Variable(name, fields), _), (sign @ (Token::Declare | Token::Set), _), rest @ ..] = tokens
        && fields.is_empty()
    {
        let assign = Assign { name: name.clone(), declares: *sign == Token::Declare };
        return Ok((Some(assign), pipeline(rest, line)?));
    }
    Ok((None, pipeline(tokens, line)?))
}

/// `$k, $v := pipeline`, `$v := pipeline` or a pipeline.
fn loop_head(tokens: &[(Token, Place)], line: usize) -> Result<(Vec<String>, Pipeline), String> {
    if let [
        (Token::Variable(place, _), _),
        (Token::Comma, _),
        (Token::Variable(element, _), _),
        (Token::Declare, _),
        rest @ ..,
    ] = tokens
    {
        return Ok((vec![place.clone(), element.clone()], pipeline(rest, line)?));
    }
    let (assign, pipeline) = statement(tokens, line)?;
    Ok((assign.map(|assign| assign.name).into_iter().collect(), pipeline))
}

fn pipeline(tokens: &[(Token, Place)], line: usize) -> Result<Pipeline, String> {
    let mut rest = tokens;
    let read = inner_pipeline(&mut rest, line, 0)?;
    match rest.first() {
        None => Ok(read),
        Some((_, place)) => Err(format!("template: :{line}: unexpected {} in operand", go_quoted(&place.text))),
    }
}

fn inner_pipeline(rest: &mut &[(Token, Place)], line: usize, depth: usize) -> Result<Pipeline, String> {
    if DEEPEST < depth {
        return Err(format!("template: :{line}: parentheses are nested too deeply"));
    }
    let mut commands = vec![Vec::new()];
    while let Some((token, place)) = rest.first() {
        let operand = match token {
            Token::Close(_) => break,
            Token::Pipe => {
                if commands.last().is_some_and(Vec::is_empty) {
                    return Err(format!("template: :{line}: missing value for command"));
                }
                commands.push(Vec::new());
                *rest = &rest[1..];
                continue;
            }
            Token::Open => {
                *rest = &rest[1..];
                let inner = inner_pipeline(rest, line, depth + 1)?;
                let Some((Token::Close(fields), _)) = rest.first() else {
                    return Err(format!("template: :{line}: unclosed left paren"));
                };
                Operand::Inner(inner, fields.clone(), place.clone())
            }
            Token::Fields(fields) => Operand::Fields(fields.clone(), place.clone()),
            Token::Variable(name, fields) => Operand::Variable(name.clone(), fields.clone(), place.clone()),
            Token::Literal(value) => Operand::Literal(value.clone()),
            Token::Word(name) if FUNCTIONS.contains(&name.as_str()) => Operand::Function(name.clone()),
            Token::Word(name) => {
                return Err(format!("template: :{line}: function {} not defined", go_quoted(name)));
            }
            Token::Comma | Token::Declare | Token::Set => {
                return Err(format!("template: :{line}: unexpected {} in operand", go_quoted(&place.text)));
            }
        };
        if let Some(command) = commands.last_mut() {
            command.push(operand);
        }
        *rest = &rest[1..];
    }
    if commands.last().is_some_and(Vec::is_empty) {
        return Err(format!("template: :{line}: missing value for command"));
    }
    Ok(Pipeline { commands })
}

const FUNCTIONS: &[&str] = &[
    "and", "eq", "ge", "gt", "index", "join", "json", "le", "len", "lower", "lt", "ne", "not", "or", "pad", "print",
    "printf", "println", "split", "title", "truncate", "upper",
];

// Executing.

enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'a> {
    data: &'a Data<'a>,
    variables: Vec<(String, Value)>,
    out: String,
}

/// What a pipeline comes to.
#[derive(Clone)]
enum Found {
    Value(Value),
    /// Nothing, since a key is left out; with the words of the error that this may be.
    Absent(String),
}

impl Template {
    /// What the template makes of data.
    pub fn execute(&self, data: &Data) -> Result<String, String> {
        let mut run = Run { data, variables: vec![(String::new(), data.root.clone())], out: String::new() };
        run.nodes(&self.nodes, data.root)?;
        Ok(run.out)
    }
}

impl Run<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, String> {
        let depth = self.variables.len();
        for node in nodes {
            if LONGEST < self.out.len() {
                return Err("the output is too long".into());
            }
            let flow = self.node(node, dot)?;
            if !matches!(flow, Flow::On) {
                self.variables.truncate(depth);
                return Ok(flow);
            }
        }
        self.variables.truncate(depth);
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, String> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Show(Some(assign), pipeline) => {
                let value = self.value(pipeline, dot)?;
                self.assign(assign, value)?;
            }
            Node::Show(None, pipeline) => {
                let value = self.value(pipeline, dot)?;
                self.out.push_str(&shown(&value));
            }
            Node::If(branches, otherwise) => {
                for (assign, pipeline, then) in branches {
                    let value = self.condition(pipeline, dot)?;
                    if let Some(assign) = assign {
                        self.assign(assign, value.clone())?;
                    }
                    if is_true(&value) {
                        return self.nodes(then, dot);
                    }
                }
                return self.nodes(otherwise, dot);
            }
            Node::With(assign, pipeline, then, otherwise) => {
                let value = self.condition(pipeline, dot)?;
                if let Some(assign) = assign {
                    self.assign(assign, value.clone())?;
                }
                return if is_true(&value) { self.nodes(then, &value) } else { self.nodes(otherwise, dot) };
            }
            Node::Range(names, pipeline, then, otherwise) => return self.range(names, pipeline, then, otherwise, dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn range(
        &mut self,
        names: &[String],
        pipeline: &Pipeline,
        then: &[Node],
        otherwise: &[Node],
        dot: &Value,
    ) -> Result<Flow, String> {
        let elements: Vec<(Value, Value)> = match self.condition(pipeline, dot)? {
            Value::Array(list) => list.into_iter().enumerate().map(|(at, value)| (Value::from(at), value)).collect(),
            Value::Object(map) => {
                let sorted: BTreeMap<String, Value> = map.into_iter().collect();
                sorted.into_iter().map(|(key, value)| (Value::String(key), value)).collect()
            }
            Value::Null => Vec::new(),
            other => return Err(format!("template: :1: range can't iterate over {}", shown(&other))),
        };
        if elements.is_empty() {
            return self.nodes(otherwise, dot);
        }
        for (place, element) in elements {
            let depth = self.variables.len();
            match names {
                [name] => self.variables.push((name.clone(), element.clone())),
                [key, name] => {
                    self.variables.push((key.clone(), place));
                    self.variables.push((name.clone(), element.clone()));
                }
                _ => {}
            }
            let flow = self.nodes(then, &element)?;
            self.variables.truncate(depth);
            if matches!(flow, Flow::Break) {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn assign(&mut self, assign: &Assign, value: Value) -> Result<(), String> {
        if assign.declares {
            self.variables.push((assign.name.clone(), value));
            return Ok(());
        }
        match self.variables.iter_mut().rev().find(|(name, _)| *name == assign.name) {
            Some((_, place)) => {
                *place = value;
                Ok(())
            }
            None => Err(format!("undefined variable: ${}", assign.name)),
        }
    }

    /// What is left out is an error.
    fn value(&self, pipeline: &Pipeline, dot: &Value) -> Result<Value, String> {
        match self.pipeline(pipeline, dot)? {
            Found::Value(value) => Ok(value),
            Found::Absent(_) if self.data.are_headings => Ok(Value::String("<no value>".into())),
            Found::Absent(why) => Err(why),
        }
    }

    /// What is left out is false.
    fn condition(&self, pipeline: &Pipeline, dot: &Value) -> Result<Value, String> {
        Ok(match self.pipeline(pipeline, dot)? {
            Found::Value(value) => value,
            Found::Absent(_) => Value::Null,
        })
    }

    fn pipeline(&self, pipeline: &Pipeline, dot: &Value) -> Result<Found, String> {
        let mut piped = None;
        for command in &pipeline.commands {
            piped = Some(self.command(command, dot, piped)?);
        }
        piped.ok_or_else(|| "template: :1: missing value for command".to_string())
    }

    fn command(&self, command: &[Operand], dot: &Value, piped: Option<Found>) -> Result<Found, String> {
        let Some((first, arguments)) = command.split_first() else { return Err("missing value for command".into()) };
        match first {
            Operand::Function(name) => {
                let mut values = Vec::new();
                for argument in arguments {
                    values.push(self.operand(argument, dot)?);
                }
                values.extend(piped);
                self.call(name, values)
            }
            Operand::Fields(fields, place)
                if fields.last().is_some_and(|name| name == "Label") && arguments.len() == 1 =>
            {
                self.label(&arguments[0], dot, place)
            }
            operand if arguments.is_empty() && piped.is_none() => self.operand(operand, dot),
            Operand::Fields(_, place) | Operand::Variable(_, _, place) | Operand::Inner(_, _, place) => {
                Err(at(place, &format!("{} has arguments but cannot be invoked as function", place.text)))
            }
            Operand::Literal(value) => {
                Err(format!("template: :1: can't give argument to non-function {}", shown(value)))
            }
        }
    }

    /// `.Label "key"`.
    fn label(&self, argument: &Operand, dot: &Value, place: &Place) -> Result<Found, String> {
        let Found::Value(Value::String(key)) = self.operand(argument, dot)? else {
            return Err(at(place, "wrong type of argument for Label; expected string"));
        };
        match self.data.labels {
            Some(labels) => Ok(Found::Value(labels.get(&key).cloned().unwrap_or_default().into())),
            None if self.data.are_headings => {
                let last = key.rsplit('.').next().unwrap_or_default();
                Ok(Found::Value(last.replace(['-', '_'], " ").into()))
            }
            None => Err(at(place, "Label has arguments but cannot be invoked as function")),
        }
    }

    fn operand(&self, operand: &Operand, dot: &Value) -> Result<Found, String> {
        match operand {
            Operand::Literal(value) => Ok(Found::Value(value.clone())),
            Operand::Fields(fields, place) => self.fields(dot, fields, place),
            Operand::Variable(name, fields, place) => {
                let found = self.variables.iter().rev().find(|(other, _)| other == name);
                let (_, value) = found.ok_or_else(|| at(place, &format!("undefined variable ${name}")))?;
                self.fields(value, fields, place)
            }
            Operand::Inner(pipeline, fields, place) => match self.pipeline(pipeline, dot)? {
                Found::Value(value) => self.fields(&value, fields, place),
                absent => Ok(absent),
            },
            Operand::Function(name) => self.call(name, Vec::new()),
        }
    }

    fn fields(&self, value: &Value, fields: &[String], place: &Place) -> Result<Found, String> {
        let mut value = value;
        for name in fields {
            value = match value {
                Value::Object(map) => match map.get(name) {
                    Some(next) => next,
                    None if self.data.labels.is_some() => {
                        return Err(at(place, &format!("can't evaluate field {name} in type {}", self.data.kind)));
                    }
                    None => {
                        return Ok(Found::Absent(at(place, &format!("map has no entry for key {}", go_quoted(name)))));
                    }
                },
                Value::Null => {
                    return Ok(Found::Absent(at(place, &format!("nil data; no entry for key {}", go_quoted(name)))));
                }
                other => return Err(at(place, &format!("can't evaluate field {name} in type {}", kind(other)))),
            };
        }
        Ok(Found::Value(value.clone()))
    }

    fn call(&self, name: &str, found: Vec<Found>) -> Result<Found, String> {
        let takes_absent = matches!(name, "and" | "or" | "not" | "len");
        let mut values = Vec::new();
        for found in found {
            match found {
                Found::Value(value) => values.push(value),
                Found::Absent(_) if self.data.are_headings => values.push("<no value>".into()),
                Found::Absent(_) if takes_absent => values.push(Value::Null),
                absent => return Ok(absent),
            }
        }
        let failed = |why: &str| format!("template: :1: error calling {name}: {why}");
        let is_left = self.data.are_headings
            && matches!(name, "json" | "split" | "join" | "title" | "lower" | "upper" | "truncate");
        if is_left {
            return Ok(Found::Value(values.into_iter().find(Value::is_string).unwrap_or_default()));
        }
        let value = match (name, values.as_slice()) {
            ("json", [value]) => Value::String(self.json(value)),
            ("lower", [text]) => text.as_str().ok_or_else(|| failed("expected string"))?.to_lowercase().into(),
            ("upper", [text]) => text.as_str().ok_or_else(|| failed("expected string"))?.to_uppercase().into(),
            ("title", [text]) => title(text.as_str().ok_or_else(|| failed("expected string"))?).into(),
            ("split", [Value::String(text), Value::String(by)]) => split(text, by),
            ("join", [list, Value::String(by)]) => join(list, by).ok_or_else(|| failed("expected slice"))?.into(),
            ("pad", [Value::String(text), before, after]) => {
                let blanks = |count: &Value| " ".repeat(count.as_u64().unwrap_or(0).min(1000) as usize);
                if text.is_empty() { "".into() } else { format!("{}{text}{}", blanks(before), blanks(after)).into() }
            }
            ("truncate", [Value::String(text), length]) => {
                text.chars().take(length.as_u64().unwrap_or(0) as usize).collect::<String>().into()
            }
            ("len", [Value::Null]) => 0.into(),
            ("len", [value]) => length(value).ok_or_else(|| failed(&format!("len of type {}", kind(value))))?.into(),
            ("not", [value]) => (!is_true(value)).into(),
            ("and" | "or", [_, ..]) => {
                let stop = name == "or";
                let found = values.iter().find(|value| is_true(value) == stop).or(values.last());
                found.cloned().unwrap_or_default()
            }
            ("eq", [first, others @ ..]) if !others.is_empty() => others.iter().any(|other| same(first, other)).into(),
            ("ne", [one, other]) => (!same(one, other)).into(),
            ("lt" | "le" | "gt" | "ge", [one, other]) => {
                let order = order(one, other).ok_or_else(|| failed("incompatible types for comparison"))?;
                match name {
                    "lt" => order.is_lt(),
                    "le" => order.is_le(),
                    "gt" => order.is_gt(),
                    _ => order.is_ge(),
                }
                .into()
            }
            ("index", [value, keys @ ..]) => index(value, keys).map_err(|why| failed(&why))?,
            ("print", values) => values.iter().map(shown).collect::<Vec<_>>().join("").into(),
            ("println", values) => format!("{}\n", values.iter().map(shown).collect::<Vec<_>>().join(" ")).into(),
            ("printf", [Value::String(format), rest @ ..]) => printf(format, rest).into(),
            _ => return Err(format!("template: :1: wrong number or types of args for {name}: got {}", values.len())),
        };
        Ok(Found::Value(value))
    }

    /// JSON on one line. The row of a list as a whole has `<`, `>` and `&` escaped, as Go does it there.
    fn json(&self, value: &Value) -> String {
        let text = harmless(&value.to_string());
        let is_row = self.data.labels.is_some() && value.is_object();
        if is_row { text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026") } else { text }
    }
}

/// Hidden characters of a JSON text, which stand in its strings, are escaped: it says the same. Line breaks stand between them.
pub(super) fn harmless(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if outside::is_hidden(c) && c != '\n' {
            let mut units = [0; 2];
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

fn at(place: &Place, why: &str) -> String {
    format!("template: :{}:{}: executing \"\" at <{}>: {why}", place.line, place.column, place.text)
}

fn go_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// As Go prints a value.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_string(),
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            let pairs = sorted.into_iter().map(|(key, value)| format!("{key}:{}", shown(value)));
            format!("map[{}]", pairs.collect::<Vec<_>>().join(" "))
        }
        value => value.to_string(),
    }
}

fn title(text: &str) -> String {
    let mut is_begin = true;
    let letter = |c: char| {
        let large = is_begin;
        is_begin = !is_letter(c);
        if large { c.to_uppercase().to_string() } else { c.to_string() }
    };
    text.chars().map(letter).collect()
}

fn split(text: &str, by: &str) -> Value {
    let parts: Vec<Value> = match by {
        "" => text.chars().map(|c| c.to_string().into()).collect(),
        by => text.split(by).map(Into::into).collect(),
    };
    Value::Array(parts)
}

fn join(list: &Value, by: &str) -> Option<String> {
    let mut parts: Vec<String> = match list {
        Value::Null => Vec::new(),
        Value::Array(list) => list.iter().map(shown).collect(),
        Value::Object(map) => map.values().map(shown).collect(),
        _ => return None,
    };
    if list.is_object() {
        parts.sort();
    }
    Some(parts.join(by))
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.len()),
        Value::Array(list) => Some(list.len()),
        Value::Object(map) => Some(map.len()),
        _ => None,
    }
}

fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

fn order(one: &Value, other: &Value) -> Option<std::cmp::Ordering> {
    match (one, other) {
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (Value::Number(one), Value::Number(other)) => one.as_f64()?.partial_cmp(&other.as_f64()?),
        _ => None,
    }
}

fn index(value: &Value, keys: &[Value]) -> Result<Value, String> {
    let mut value = value.clone();
    for key in keys {
        value = match (&value, key) {
            (Value::Object(map), Value::String(key)) => map.get(key).cloned().unwrap_or_else(|| "".into()),
            (Value::Array(list), Value::Number(at)) => {
                let at = at.as_u64().ok_or("negative index")?;
                let found = usize::try_from(at).ok().and_then(|at| list.get(at));
                found.cloned().ok_or_else(|| format!("index out of range: {at}"))?
            }
            (value, _) => return Err(format!("can't index item of type {}", kind(value))),
        };
    }
    Ok(value)
}

/// Verbs `%s`, `%v`, `%d`, `%q`, `%t`, `%f`, `%%` with `-`, `0`, width and precision.
fn printf(format: &str, values: &[Value]) -> String {
    let mut out = String::new();
    let mut rest = format;
    let mut values = values.iter();
    while let Some(begin) = rest.find('%') {
        out.push_str(&rest[..begin]);
        let spec = &rest[begin + 1..];
        let end = spec.find(|c: char| !(c.is_ascii_digit() || "-+ 0.".contains(c))).unwrap_or(spec.len());
        let Some(verb) = spec[end..].chars().next() else {
            out.push_str("%!(NOVERB)");
            return out;
        };
        rest = &spec[end + verb.len_utf8()..];
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some(value) = values.next() else {
            out.push_str(&format!("%!{verb}(MISSING)"));
            continue;
        };
        let flags = &spec[..end];
        let (wide, precise) =
            flags.split_once('.').map_or((flags, None), |(wide, precise)| (wide, precise.parse().ok()));
        let precise: Option<usize> = precise;
        let width: usize = wide.trim_start_matches(['-', '+', ' ', '0']).parse().unwrap_or(0).min(1000);
        let text = match (verb, value) {
            ('q', Value::String(text)) => go_quoted(text),
            ('f', Value::Number(number)) => {
                format!("{:.*}", precise.unwrap_or(6).min(100), number.as_f64().unwrap_or(0.0))
            }
            ('s' | 'v', value) => match precise {
                Some(places) => shown(value).chars().take(places).collect(),
                None => shown(value),
            },
            ('d', Value::Number(_)) | ('t', Value::Bool(_)) => shown(value),
            (verb, value) => format!("%!{verb}({}={})", kind(value), shown(value)),
        };
        let fill = width.saturating_sub(text.chars().count());
        match wide.contains('-') {
            true => out.push_str(&format!("{text}{}", " ".repeat(fill))),
            false => out.push_str(&format!("{}{text}", " ".repeat(fill))),
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object() -> Value {
        json!({
            "ID": "abc", "N": 3, "Off": false, "None": null, "List": ["a", "b"], "Map": {"k2": "v2", "k1": "v1"},
            "Spec": {"Name": "web", "Labels": {"com.docker.stack.namespace": "shop"}, "MaxFailureRatio": 0.25},
        })
    }

    fn made(template: &str) -> Result<String, String> {
        Template::parse(template)?.execute(&Data::object(&object()))
    }

    #[test]
    fn templates_come_to_what_go_makes_of_them() {
        let pairs = [
            ("plain", "plain"),
            ("{{.ID}}: {{.Spec.Name}}", "abc: web"),
            ("{{ .N }}{{.Off}}{{.None}}", "3false<nil>"),
            ("{{.List}} {{.Map}}", "[a b] map[k1:v1 k2:v2]"),
            (
                "{{json .List}} {{json .Spec.Name}} {{.Spec | json}}",
                "[\"a\",\"b\"] \"web\" {\"Name\":\"web\",\"Labels\":{\"com.docker.stack.namespace\":\"shop\"},\"MaxFailureRatio\":0.25}",
            ),
            ("{{if .Off}}yes{{else if eq .N 3}}three{{else}}no{{end}}", "three"),
            ("{{if .Missing}}yes{{else}}no{{end}}{{range .Missing.Too}}x{{end}}", "no"),
            ("{{if and .ID (not .Off)}}both{{end}} {{if or .Off .None}}one{{else}}none{{end}}", "both none"),
            ("{{range .List}}<{{.}}>{{end}}", "<a><b>"),
            ("{{range $i, $e := .List}}{{$i}}={{$e}};{{end}}", "0=a;1=b;"),
            ("{{range $k, $v := .Map}}{{$k}}={{$v}} {{end}}", "k1=v1 k2=v2 "),
            ("{{range .List}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"),
            ("{{range .Nothing}}x{{else}}empty{{end}}", "empty"),
            ("{{with .Spec}}{{.Name}}{{$.ID}}{{end}}", "webabc"),
            ("{{$x := .Spec.Name}}{{$x}}{{$x = \"new\"}}{{$x}}", "webnew"),
            ("{{index .Spec.Labels \"com.docker.stack.namespace\"}} {{index .List 1}}", "shop b"),
            ("{{upper .ID}}{{lower \"ABC\"}}{{title \"two words\"}}", "ABCabcTwo Words"),
            ("{{join .List \", \"}}{{join (split \"x/y\" \"/\") \"-\"}}", "a, bx-y"),
            ("{{pad .ID 1 2}}|{{truncate .ID 2}}|{{len .List}}{{len .ID}}", " abc  |ab|23"),
            (
                "{{printf \"%-5s|%5s|%d|%q|%.2f|%v%%\" .ID .ID .N .ID .Spec.MaxFailureRatio .Off}}",
                "abc  |  abc|3|\"abc\"|0.25|false%",
            ),
            ("a  {{- .ID -}}  b", "aabcb"),
            ("{{/* nothing */}}x{{- /* nor this */ -}} y", "xy"),
            ("{{`raw \"`}}{{\"a\\tb\"}}", "raw \"a\tb"),
            ("{{(index .List 0) | upper}}{{.N | printf \"%d\"}}", "A3"),
            ("{{gt .N 2}}{{le .N 2}}{{ne .ID \"x\"}}{{lt \"a\" \"b\"}}", "truefalsetruetrue"),
        ];
        for (template, expected) in pairs {
            assert_eq!(made(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_as_go_says_it() {
        let pairs = [
            ("{{.Bogus}}", "template: :1:2: executing \"\" at <.Bogus>: map has no entry for key \"Bogus\""),
            ("ab {{.ID.X}}", "template: :1:5: executing \"\" at <.ID.X>: can't evaluate field X in type string"),
            ("{{.ID", "template: :1: unclosed action"),
            ("{{}}", "template: :1: missing value for command"),
            ("{{if .ID}}x", "template: :1: unexpected EOF"),
            ("x\n{{end}}", "template: :2: unexpected {{end}}"),
            ("{{bogus .ID}}", "template: :1: function \"bogus\" not defined"),
            ("{{\"open}}", "template: :1: unterminated quoted string"),
            ("{{break}}", "template: :1: {{break}} outside {{range}}"),
            ("{{define \"x\"}}{{end}}", "template: :1: {{define}} is not supported"),
            ("{{range .ID}}{{end}}", "template: :1: range can't iterate over abc"),
            ("{{len .N}}", "template: :1: error calling len: len of type int64"),
            ("{{$y}}", "template: :1:2: executing \"\" at <$y>: undefined variable $y"),
        ];
        for (template, expected) in pairs {
            assert_eq!(made(template), Err(expected.to_string()), "{template}");
        }
    }

    #[test]
    fn no_text_panics_or_runs_away() {
        let deep = format!("{}.ID{}", "{{(".to_string() + &"(".repeat(10_000), ")".repeat(10_001) + "}}");
        let blocks = "{{if .ID}}".repeat(10_000);
        for text in [
            deep.as_str(),
            &blocks,
            "{{",
            "{{-",
            "{{- }}",
            "{{.}}{{",
            "{{|}}",
            "{{.ID|}}",
            "{{)}}",
            "{{,}}",
            "{{:=}}",
            "{{$ :=}}",
            "{{range $a, := .}}",
            "{{else}}",
            "{{if}}",
            "{{/*",
            "{{1e999}}",
            "{{+}}",
            "{{ü}}",
            "{{.ü.x}}",
            "{{printf \"%\"}}",
            "{{printf \"%9999999999s\" .ID}}",
            "{{index .List 99}}",
            "{{index .List -1}}",
            "{{else if .ID}}{{end}}",
            "{{if .ID}}{{else with}}{{end}}",
            "{{with .ID}}{{else if .N}}{{end}}",
        ] {
            let _ = made(text);
        }
        assert!(made(&deep).unwrap_err().contains("nested too deeply"));
        assert!(made(&blocks).unwrap_err().contains("nested too deeply"));
    }

    #[test]
    fn rows_know_their_fields_and_headings_stay_as_they_are() {
        let (row, labels) = (json!({"ID": "x", "Ports": "*:80->80/tcp"}), Labels::from([("a.b-c".into(), "v".into())]));
        let of_row = |text: &str| Template::parse(text)?.execute(&Data::row(&row, &labels, "*service.serviceContext"));
        assert_eq!(
            of_row("{{.Label \"a.b-c\"}} {{.Ports}} {{json .Ports}}").unwrap(),
            "v *:80->80/tcp \"*:80->80/tcp\""
        );
        assert_eq!(of_row("{{json .}}").unwrap(), "{\"ID\":\"x\",\"Ports\":\"*:80-\\u003e80/tcp\"}");
        let why = of_row("{{if .Bogus}}{{end}}").unwrap_err();
        assert!(why.ends_with("at <.Bogus>: can't evaluate field Bogus in type *service.serviceContext"), "{why}");
        let heads = json!({"ID": "ID", "Ports": "PORTS"});
        let heading = |text: &str| Template::parse(text)?.execute(&Data::headings(&heads));
        assert_eq!(
            heading("{{.ID | lower}} {{json .Ports}} {{.Label \"a.b-c\"}} {{.Bogus}}").unwrap(),
            "ID PORTS b c <no value>"
        );
    }
}
