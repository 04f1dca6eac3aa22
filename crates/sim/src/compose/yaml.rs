//! YAML as Docker's command line reads it: text to a tree of values with their places.
//!
//! The text is read by `scan` and `parse`, with the rules of Go's `yaml.v3`; here its events become a tree. Scalars are
//! resolved as there (`yes` is text, `0440` is 288), merge keys are applied, and only the first document is read. Limits are checked while events arrive, so that no input makes a tree larger than [`MAX_NODES`].

use std::collections::BTreeMap;

use super::parse::{About, Event, Parser};
use super::scan::{Fault, Mark};

pub use super::scalar::Instant;
use super::scalar::{quoted, resolve};

/// Deepest nesting.
pub const MAX_DEPTH: usize = 1_000;
/// Most nodes of a tree, aliases unfolded.
pub const MAX_NODES: usize = 200_000;
/// Most nodes that aliases may add.
const MAX_ALIASED_NODES: usize = 50_000;
/// Most bytes of text that aliases may add.
const MAX_ALIASED_BYTES: usize = 8 << 20;
/// Most pairs of equal keys that are listed.
const MAX_DUPLICATES: usize = 16;

/// A place in a file; both numbers begin with 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// A value and where it stands.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it begins.
    pub at: Place,
}

/// A mapping from text to values, by key.
pub type Map = BTreeMap<String, Node>;

/// What a node can be.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that needs the 64th bit.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A date or a time of day on a date.
    Instant(Instant),
    /// A list.
    List(Vec<Node>),
    /// A mapping whose keys are all text.
    Map(Map),
    /// A mapping with a key that is not text, which no part of a stack file may be.
    Foreign,
}

impl Node {
    /// A node that stands where `self` stands.
    pub fn with(&self, value: Value) -> Node {
        Node { value, at: self.at }
    }

    /// The mapping, if it is one.
    pub fn map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.map()?.get(key)
    }
}

/// Why a text is no tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Where, if known.
    pub at: Option<Place>,
    /// Why, in Go's words where Go would refuse as well.
    pub message: String,
}

/// What was read.
#[derive(Clone, PartialEq, Debug)]
pub struct Document {
    /// The first document; nothing is [`Value::Null`].
    pub root: Node,
    /// Whether other documents follow, which Docker never looks at.
    pub more: bool,
}

/// Reads the first document of a text.
pub fn read(text: &str) -> Result<Document, Refusal> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Composer {
        events: Parser::new(text),
        anchors: BTreeMap::new(),
        duplicates: Vec::new(),
        failure: None,
        nodes: 0,
        aliased_nodes: 0,
        aliased_bytes: 0,
        bytes: 0,
    }
    .document()
}

struct Composer {
    events: Parser,
    /// Nodes with an anchor, by its name; `None` while the node is being read.
    anchors: BTreeMap<String, Option<Anchored>>,
    duplicates: Vec<Refusal>,
    /// The first error of meaning; an error of form further down is reported before it, as in Go.
    failure: Option<Refusal>,
    nodes: usize,
    bytes: usize,
    aliased_nodes: usize,
    aliased_bytes: usize,
}

struct Anchored {
    node: Node,
    /// Equal keys within it, which Go lists again wherever it unfolds.
    duplicates: Vec<Refusal>,
    nodes: usize,
    bytes: usize,
}

/// A key of a mapping before it is known to be text.
struct Key {
    /// As written, which is how equal keys are found.
    written: String,
    is_alias: bool,
    node: Node,
    is_merge: bool,
}

impl Composer {
    fn document(mut self) -> Result<Document, Refusal> {
        let mut root = Node { value: Value::Null, at: Place { line: 1, column: 1 } };
        loop {
            let (event, mark) = self.next()?;
            match event {
                Event::StreamEnd => return self.end(root, false),
                Event::DocumentEnd => break,
                Event::DocumentStart => {}
                event => root = self.node(event, mark, 0)?.node,
            }
        }
        // An error further down is not Docker's concern, for it stops reading here.
        let more = matches!(self.events.next(), Ok((Event::DocumentStart, _)));
        self.end(root, more)
    }

    fn end(self, root: Node, more: bool) -> Result<Document, Refusal> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let Some(first) = self.duplicates.first() else { return Ok(Document { root, more }) };
        let lines: Vec<String> = self.duplicates.iter().map(|duplicate| duplicate.message.clone()).collect();
        Err(Refusal { at: first.at, message: format!("yaml: unmarshal errors:\n{}", lines.join("\n")) })
    }

    fn next(&mut self) -> Result<(Event, Mark), Refusal> {
        self.events.next().map_err(|Fault { problem, line, at }| {
            let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            Refusal { at, message: format!("yaml: {line}{problem}") }
        })
    }

    /// Remembers the first error of meaning.
    fn fail(&mut self, at: Place, message: impl Into<String>) {
        self.failure.get_or_insert_with(|| Refusal { at: Some(at), message: format!("yaml: {}", message.into()) });
    }

    fn count(&mut self, at: Place, bytes: usize) -> Result<(), Refusal> {
        self.nodes += 1;
        self.bytes += bytes;
        if self.nodes + self.aliased_nodes > MAX_NODES {
            return Err(Refusal { at: Some(at), message: format!("yaml: more than {MAX_NODES} values") });
        }
        Ok(())
    }

    fn node(&mut self, event: Event, mark: Mark, depth: usize) -> Result<Composed, Refusal> {
        let at = mark.place();
        if depth > MAX_DEPTH {
            return Err(Refusal { at: Some(at), message: format!("yaml: nested more than {MAX_DEPTH} deep") });
        }
        let (before_nodes, before_bytes, listed) = (self.nodes, self.bytes, self.duplicates.len());
        let (anchor, composed) = match event {
            Event::Scalar { text, is_plain, about } => {
                self.count(at, text.len())?;
                let tag = about.tag.map(short_tag);
                let is_merge = text == "<<"
                    && matches!((tag.as_deref(), is_plain), (None | Some("!"), true) | (Some("!!merge"), _));
                let value = match resolve(&text, is_plain, tag.as_deref()) {
                    Ok(value) => value,
                    Err(message) => {
                        self.fail(at, message);
                        Value::Null
                    }
                };
                (about.anchor, Composed { node: Node { value, at }, written: text, is_alias: false, is_merge })
            }
            Event::SequenceStart(about) => {
                self.open(at, &about)?;
                let list = self.list(depth)?;
                (about.anchor, Composed::plain(Node { value: Value::List(list), at }))
            }
            Event::MappingStart(about) => {
                self.open(at, &about)?;
                let value = self.mapping(depth)?;
                (about.anchor, Composed::plain(Node { value, at }))
            }
            Event::Alias(name) => return self.alias(name, at),
            other => return Err(Refusal { at: Some(at), message: format!("yaml: unexpected {other:?}") }),
        };
        if let Some(anchor) = anchor {
            let node = composed.node.clone();
            let duplicates = self.duplicates[listed.min(self.duplicates.len())..].to_vec();
            let (nodes, bytes) = (self.nodes - before_nodes, self.bytes - before_bytes);
            // An anchored node is kept twice: it counts as often.
            self.aliased_nodes += nodes;
            self.aliased_bytes += bytes;
            self.within_alias_limits(at)?;
            self.anchors.insert(anchor, Some(Anchored { node, nodes, bytes, duplicates }));
        }
        Ok(composed)
    }

    fn open(&mut self, at: Place, about: &About) -> Result<(), Refusal> {
        if let Some(anchor) = &about.anchor {
            self.anchors.insert(anchor.clone(), None);
        }
        self.count(at, 0)
    }

    fn alias(&mut self, name: String, at: Place) -> Result<Composed, Refusal> {
        let Some(anchored) = self.anchors.get(&name) else {
            return Err(Refusal { at: Some(at), message: format!("yaml: unknown anchor '{name}' referenced") });
        };
        let Some(anchored) = anchored else {
            self.fail(at, format!("anchor '{name}' value contains itself"));
            return Ok(Composed::plain(Node { value: Value::Null, at }));
        };
        let node = Node { at, ..anchored.node.clone() };
        let room = MAX_DUPLICATES.saturating_sub(self.duplicates.len());
        self.duplicates.extend(anchored.duplicates.iter().take(room).cloned());
        self.nodes += anchored.nodes;
        self.bytes += anchored.bytes;
        self.aliased_nodes += anchored.nodes;
        self.aliased_bytes += anchored.bytes;
        self.within_alias_limits(at)?;
        Ok(Composed { node, written: name, is_alias: true, is_merge: false })
    }

    fn within_alias_limits(&self, at: Place) -> Result<(), Refusal> {
        if self.aliased_nodes > MAX_ALIASED_NODES || self.aliased_bytes > MAX_ALIASED_BYTES {
            return Err(Refusal { at: Some(at), message: "yaml: document contains excessive aliasing".to_string() });
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Refusal> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(list),
                (event, mark) => list.push(self.node(event, mark, depth + 1)?.node),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Refusal> {
        let (listed, had_failed) = (self.duplicates.len(), self.failure.is_some());
        let mut entries: Vec<(Key, Composed)> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, mark) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.node(event, mark, depth + 1)?;
            if matches!(key.node.value, Value::List(_) | Value::Map(_) | Value::Foreign) {
                self.fail(key.node.at, format!("invalid map key: {}", in_go(&key.node.value)));
            }
            let Composed { node, written, is_alias, is_merge } = key;
            let (event, mark) = self.next()?;
            let before = self.duplicates.len();
            let value = self.node(event, mark, depth + 1)?;
            if is_merge {
                // Go looks at them when all else is read.
                merged.extend(self.duplicates.split_off(before.min(self.duplicates.len())));
            }
            entries.push((Key { written, is_alias, node, is_merge }, value));
        }
        self.duplicates.extend(merged);
        let duplicates = duplicates(&entries);
        if !duplicates.is_empty() {
            // Go does not look into a mapping with equal keys.
            self.duplicates.truncate(listed);
            self.duplicates.extend(duplicates);
            self.failure.take_if(|_| !had_failed);
            return Ok(Value::Map(Map::new()));
        }
        Ok(self.assemble(entries))
    }

    /// A mapping of its own entries and of those that it merges; its own win, then the earlier merged.
    fn assemble(&mut self, entries: Vec<(Key, Composed)>) -> Value {
        let mut map = Map::new();
        let mut merged = Vec::new();
        let mut is_foreign = false;
        for (key, value) in entries {
            match key.node.value {
                _ if key.is_merge => merged.push(value),
                Value::Text(text) => {
                    map.insert(text, value.node);
                }
                _ => is_foreign = true,
            }
        }
        for source in merged {
            let sources = match source.node.value {
                Value::List(list) if !source.is_alias => list,
                _ => vec![source.node],
            };
            for source in sources {
                match source.value {
                    Value::Map(from) => {
                        for (key, value) in from {
                            map.entry(key).or_insert(value);
                        }
                    }
                    Value::Foreign => is_foreign = true,
                    _ => self.fail(source.at, "map merge requires map or sequence of maps as the value"),
                }
            }
        }
        if is_foreign { Value::Foreign } else { Value::Map(map) }
    }
}

/// A node and how it was written, which matters for keys.
struct Composed {
    node: Node,
    written: String,
    is_alias: bool,
    is_merge: bool,
}

impl Composed {
    fn plain(node: Node) -> Composed {
        Composed { node, written: String::new(), is_alias: false, is_merge: false }
    }
}

fn duplicates(entries: &[(Key, Composed)]) -> Vec<Refusal> {
    let mut lines: BTreeMap<(bool, &str), Vec<Place>> = BTreeMap::new();
    for (key, _) in entries {
        lines.entry((key.is_alias, &key.written)).or_default().push(key.node.at);
    }
    let mut found = Vec::new();
    for ((_, written), places) in lines.iter().filter(|(_, places)| places.len() > 1) {
        for (index, first) in places.iter().enumerate().take(MAX_DUPLICATES) {
            for again in places[index + 1..].iter().take(MAX_DUPLICATES) {
                let message = format!(
                    "  line {}: mapping key {} already defined at line {}",
                    again.line,
                    quoted(written),
                    first.line
                );
                found.push((*first, Refusal { at: Some(*again), message }));
            }
        }
    }
    found.sort_by_key(|(first, refusal)| (*first, refusal.at));
    found.truncate(MAX_DUPLICATES);
    found.into_iter().map(|(_, refusal)| refusal).collect()
}

/// A value as Go's `%#v` prints it.
fn in_go(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_string(),
        Value::Text(text) => quoted(text),
        Value::List(list) => {
            let items: Vec<String> = list.iter().map(|item| in_go(&item.value)).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Map(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, node)| format!("{}:{}", quoted(key), in_go(&node.value))).collect();
            format!("map[string]interface {{}}{{{}}}", entries.join(", "))
        }
        Value::Foreign => "map[interface {}]interface {}{}".to_string(),
        other => super::canonical::print(other),
    }
}

/// `!!int` for YAML's own tags, the tag as it is for others.
fn short_tag(tag: String) -> String {
    tag.strip_prefix("tag:yaml.org,2002:").map(|kind| format!("!!{kind}")).unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(text: &str) -> Value {
        read(text).unwrap().root.value
    }

    fn refusal(text: &str) -> String {
        read(text).unwrap_err().message
    }

    #[test]
    fn merged_entries_give_way_to_own_and_to_earlier_ones() {
        let tree = read("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  <<: [*a, *b]\n  x: 9\n").unwrap().root;
        let c = tree.get("c").unwrap();
        let values: Vec<_> = ["x", "y", "z"].iter().map(|key| c.get(key).unwrap().value.clone()).collect();
        assert_eq!(values, [Value::Int(9), Value::Int(2), Value::Int(4)]);
        assert_eq!(refusal("a: {<<: 5}"), "yaml: map merge requires map or sequence of maps as the value");
    }

    #[test]
    fn equal_keys_are_refused_with_both_lines() {
        let message = refusal("a: 1\nb: {c: 1, c: 2}\n'a': 2\n");
        assert_eq!(message, "yaml: unmarshal errors:\n  line 3: mapping key \"a\" already defined at line 1");
    }

    #[test]
    fn aliases_must_be_defined_and_not_within_themselves() {
        assert_eq!(refusal("a: [*b, 1]"), "yaml: unknown anchor 'b' referenced");
        assert_eq!(refusal("a: &b\n  c: *b\n"), "yaml: anchor 'b' value contains itself");
    }

    #[test]
    fn only_the_first_document_is_read() {
        let document = read("a: 1\n---\nb: 2\n").unwrap();
        assert!(document.more && document.root.get("a").is_some());
        assert!(!read("a: 1\n...\n").unwrap().more);
        assert_eq!(root(""), Value::Null);
    }
}
