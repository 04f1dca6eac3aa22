//! Brings a checked part of a stack file into its one form, which is what `docker stack config` prints.

use std::collections::BTreeMap;

use super::shape::{self, Part, Shape};
use super::short;
use super::units;
use super::yaml::{Map, Node, Value};

/// Reads parts and keeps what it had to complain about.
#[derive(Default)]
pub struct Reader {
    /// Errors in Docker's words, in the order of its struct.
    pub errors: Vec<String>,
    /// Warnings in Docker's words.
    pub warnings: Vec<String>,
}

impl Reader {
    /// The parts of `node` that are known and not empty.
    pub fn parts(&mut self, node: &Node, parts: &[Part], path: &str) -> Map {
        let mut out = Map::new();
        for Part(key, name, shape) in parts {
            let Some(part) = node.get(key).filter(|part| part.value != Value::Null) else { continue };
            let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
            if let Some(value) = self.part(part, shape, &path) {
                out.insert(key.to_string(), part.with(value));
            }
        }
        out
    }

    fn part(&mut self, node: &Node, shape: &Shape, path: &str) -> Option<Value> {
        match shape {
            Shape::Text => self.text(node, path).filter(|text| !text.is_empty()).map(Value::Text),
            Shape::Flag => (node.value == Value::Bool(true)).then_some(Value::Bool(true)),
            Shape::Bool => matches!(node.value, Value::Bool(_)).then(|| node.value.clone()),
            Shape::Int => Some(int(&node.value)).filter(|n| *n != 0).map(Value::Int),
            Shape::Count => self.count(node, path).filter(|n| *n != 0).map(unsigned),
            Shape::CountOrZero => self.count(node, path).map(unsigned),
            Shape::Ratio => match node.value {
                Value::Int(n) => Some(n as f32),
                Value::Float(n) => Some(n as f32),
                _ => None,
            }
            .filter(|ratio| *ratio != 0.0)
            .map(|ratio| Value::Float(f64::from(ratio))),
            Shape::Duration => self.duration(node, path).filter(|text| text != "0s").map(Value::Text),
            Shape::DurationOrZero => self.duration(node, path).map(Value::Text),
            Shape::Bytes => self.bytes(node, path).filter(|n| *n != 0).map(|n| Value::Text(n.to_string())),
            Shape::Command => self.command(node, path),
            Shape::Probe => match node.text() {
                Some(line) => Some(vec![node.with(Value::Text("CMD-SHELL".to_string())), node.with(text(line))]),
                None => return self.texts(node, path),
            }
            .map(Value::List),
            Shape::Texts => self.texts(node, path),
            Shape::Printed => self.items(node, path, |_, item, _| Some(Value::Text(print(&item.value)))),
            Shape::Pairs => some_map(pairs(node, false)),
            Shape::Environment => some_map(pairs(node, true)),
            Shape::Hosts => hosts(node),
            Shape::Ports => self.ports(node, path),
            Shape::Mounts => self.items(node, path, |reader, item, path| reader.mount(item, path)),
            Shape::References => self.items(node, path, |reader, item, path| {
                let value = match item.text() {
                    Some(_) => Map::from([("source".to_string(), item.clone())]),
                    None => reader.parts(item, shape::REFERENCE, path),
                };
                Some(Value::Map(value))
            }),
            Shape::Attachments => self.attachments(node, path),
            Shape::Ulimits => self.ulimits(node, path),
            Shape::Logging => Some(Value::Map(self.parts(node, shape::LOGGING, path))),
            Shape::Parts(parts) => some_map(self.parts(node, parts, path)),
            Shape::PartsOrEmpty(parts) => {
                if node.map().is_none() {
                    self.errors.push(format!("'{path}' expected a map, got '{}'", go_type(&node.value)));
                }
                Some(Value::Map(self.parts(node, parts, path)))
            }
            Shape::TextOrParts(parts) => {
                let node = match (node.text(), parts.first()) {
                    (Some(_), Some(Part(key, _, _))) => {
                        &node.with(Value::Map(Map::from([(key.to_string(), node.clone())])))
                    }
                    _ => node,
                };
                some_map(self.parts(node, parts, path))
            }
            Shape::List(parts) => {
                if node.list().is_none() {
                    let found = go_type(&node.value);
                    self.errors.push(format!("'{path}': source data must be an array or slice, got {found}"));
                }
                self.items(node, path, |reader, item, path| Some(Value::Map(reader.parts(item, parts, path))))
            }
            Shape::External => match &node.value {
                Value::Map(_) | Value::Bool(true) => Some(Value::Bool(true)),
                _ => None,
            },
        }
    }

    fn items(
        &mut self,
        node: &Node,
        path: &str,
        mut one: impl FnMut(&mut Reader, &Node, &str) -> Option<Value>,
    ) -> Option<Value> {
        let mut items = Vec::new();
        for (index, item) in node.list().unwrap_or_default().iter().enumerate() {
            if let Some(value) = one(self, item, &format!("{path}[{index}]")) {
                items.push(item.with(value));
            }
        }
        (!items.is_empty()).then_some(Value::List(items))
    }

    fn texts(&mut self, node: &Node, path: &str) -> Option<Value> {
        match &node.value {
            Value::Text(_) => Some(Value::List(vec![node.clone()])),
            Value::List(_) => self.items(node, path, |reader, item, path| reader.text(item, path).map(Value::Text)),
            other => {
                self.undecodable(path, format!("invalid type {} for string list", go_type(other)));
                None
            }
        }
    }

    fn undecodable(&mut self, path: &str, why: impl std::fmt::Display) {
        self.errors.push(format!("error decoding '{path}': {why}"));
    }

    fn text(&mut self, node: &Node, path: &str) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            other => {
                let (found, value) = (go_type(other), print(other));
                self.errors.push(format!(
                    "'{path}' expected type 'string', got unconvertible type '{found}', value: '{value}'"
                ));
                None
            }
        }
    }

    fn count(&mut self, node: &Node, path: &str) -> Option<u64> {
        let printed = match node.value {
            Value::Int(n) => match u64::try_from(n) {
                Ok(n) => return Some(n),
                Err(_) => n.to_string(),
            },
            Value::Unsigned(n) => return Some(n),
            Value::Float(n) if n < 0.0 => format!("{n:.6}"),
            // What does not fit becomes 2^63, as a conversion in Go does on this kind of processor.
            Value::Float(n) => return Some(if n < u64::MAX as f64 { n as u64 } else { 1 << 63 }),
            _ => return None,
        };
        self.errors.push(format!("cannot parse '{path}', {printed} overflows uint"));
        None
    }

    fn duration(&mut self, node: &Node, path: &str) -> Option<String> {
        match units::duration(node.text().unwrap_or_default()) {
            Ok(nanos) => Some(units::print_duration(nanos)),
            Err(why) => {
                self.undecodable(path, why);
                None
            }
        }
    }

    fn bytes(&mut self, node: &Node, path: &str) -> Option<i64> {
        match units::bytes(node.text().unwrap_or_default()) {
            Ok(bytes) => Some(bytes),
            Err(why) => {
                self.undecodable(path, why);
                None
            }
        }
    }

    fn command(&mut self, node: &Node, path: &str) -> Option<Value> {
        if !matches!(node.value, Value::Text(_) | Value::List(_)) {
            self.errors.push(format!("'{path}': source data must be an array or slice, got struct"));
            return None;
        }
        let Some(line) = node.text() else { return self.texts(node, path) };
        match short::words(line) {
            Ok(words) if words.is_empty() => None,
            Ok(words) => Some(Value::List(words.iter().map(|word| node.with(text(word))).collect())),
            Err(why) => {
                self.undecodable(path, why);
                None
            }
        }
    }

    fn ports(&mut self, node: &Node, path: &str) -> Option<Value> {
        let mut out = Vec::new();
        for (index, item) in node.list().unwrap_or_default().iter().enumerate() {
            let spec = match &item.value {
                Value::Text(spec) => spec.clone(),
                Value::Int(port) => port.to_string(),
                Value::Map(_) => {
                    let port = self.long_port(item, &format!("{path}[{index}]"));
                    out.push(item.with(Value::Map(port)));
                    continue;
                }
                other => {
                    self.undecodable(path, format!("invalid type {} for port", go_type(other)));
                    return None;
                }
            };
            match short::ports(&spec) {
                Ok((mappings, warning)) => {
                    self.warnings.extend(warning);
                    for mapping in mappings {
                        let mut port = Map::new();
                        for (key, value) in [("mode", "ingress"), ("protocol", mapping.protocol)] {
                            port.insert(key.to_string(), item.with(text(value)));
                        }
                        for (key, value) in [("target", mapping.target), ("published", mapping.published)] {
                            if value != 0 {
                                port.insert(key.to_string(), item.with(Value::Int(i64::from(value))));
                            }
                        }
                        out.push(item.with(Value::Map(port)));
                    }
                }
                Err(why) => {
                    self.undecodable(path, why);
                    return None;
                }
            }
        }
        (!out.is_empty()).then_some(Value::List(out))
    }

    fn long_port(&mut self, item: &Node, path: &str) -> Map {
        const PORT: &[Part] = &[
            Part("mode", "Mode", Shape::Text),
            Part("target", "Target", Shape::Count),
            Part("published", "Published", Shape::Count),
            Part("protocol", "Protocol", Shape::Text),
        ];
        let mut port = self.parts(item, PORT, path);
        for key in ["target", "published"] {
            // Docker keeps 32 bits.
            let kept = port.get(key).map_or(0, |node| int(&node.value) & 0xffff_ffff);
            match port.get_mut(key) {
                Some(_) if kept == 0 => _ = port.remove(key),
                Some(node) => node.value = Value::Int(kept),
                None => {}
            }
        }
        port
    }

    fn mount(&mut self, item: &Node, path: &str) -> Option<Value> {
        let Some(spec) = item.text() else { return Some(Value::Map(self.parts(item, shape::MOUNT, path))) };
        let volume = match short::volume(spec) {
            Ok(volume) => volume,
            Err(why) => {
                self.undecodable(path, why);
                return None;
            }
        };
        let kind = if volume.is_bind { "bind" } else { "volume" };
        let mut mount = Map::new();
        let mut put = |key: &str, value: Value| _ = mount.insert(key.to_string(), item.with(value));
        put("type", text(kind));
        for (key, value) in [("source", &volume.source), ("target", &volume.target)] {
            if !value.is_empty() {
                put(key, text(value));
            }
        }
        if volume.read_only {
            put("read_only", Value::Bool(true));
        }
        let option = |key: &str, value: Value| Value::Map(Map::from([(key.to_string(), item.with(value))]));
        if volume.no_copy {
            put("volume", option("nocopy", Value::Bool(true)));
        }
        if let Some(propagation) = &volume.propagation {
            put("bind", option("propagation", text(propagation)));
        }
        Some(Value::Map(mount))
    }

    fn attachments(&mut self, node: &Node, path: &str) -> Option<Value> {
        let mut out = Map::new();
        for item in node.list().unwrap_or_default() {
            if let Some(name) = item.text() {
                out.insert(name.to_string(), item.with(Value::Null));
            }
        }
        for (name, item) in node.map().into_iter().flatten() {
            let value = match item.value {
                Value::Null => Value::Null,
                _ => Value::Map(self.parts(item, shape::ATTACHMENT, &format!("{path}[{name}]"))),
            };
            out.insert(name.clone(), item.with(value));
        }
        some_map(out)
    }

    fn ulimits(&mut self, node: &Node, path: &str) -> Option<Value> {
        let mut out = Map::new();
        for (name, item) in node.map()? {
            let value = match &item.value {
                Value::Int(0) => Value::Map(Map::new()),
                Value::Int(n) => Value::Int(*n),
                Value::Map(_) => {
                    const LIMITS: &[Part] = &[Part("soft", "Soft", Shape::Int), Part("hard", "Hard", Shape::Int)];
                    Value::Map(self.parts(item, LIMITS, path))
                }
                other => {
                    self.undecodable(
                        &format!("{path}[{name}]"),
                        format!("invalid type {} for ulimits", go_type(other)),
                    );
                    continue;
                }
            };
            out.insert(name.clone(), item.with(value));
        }
        some_map(out)
    }
}

/// A text as a value.
pub fn text(text: &str) -> Value {
    Value::Text(text.to_string())
}

fn some_map(map: Map) -> Option<Value> {
    (!map.is_empty()).then_some(Value::Map(map))
}

fn pairs(node: &Node, keep_null: bool) -> Map {
    let mut out = Map::new();
    let absent = || if keep_null { Value::Null } else { text("") };
    for (key, item) in node.map().into_iter().flatten() {
        let value = match &item.value {
            Value::Null => absent(),
            other => Value::Text(print(other)),
        };
        out.insert(key.clone(), item.with(value));
    }
    for item in node.list().unwrap_or_default() {
        let pair = item.text().unwrap_or_default();
        match pair.split_once('=') {
            Some((key, value)) => out.insert(key.to_string(), item.with(text(value))),
            None => out.insert(pair.to_string(), item.with(absent())),
        };
    }
    out
}

fn hosts(node: &Node) -> Option<Value> {
    let mut pairs: Vec<Node> = Vec::new();
    for (host, address) in node.map().into_iter().flatten() {
        let printed = match &address.value {
            Value::Null => continue,
            Value::Text(_) | Value::Instant(_) => print(&address.value),
            // Docker's own slip: it prints these with the verb for texts.
            other => format!("%!s({}={})", go_type(other), print(other)),
        };
        pairs.push(address.with(Value::Text(format!("{host}:{printed}"))));
    }
    for item in node.list().unwrap_or_default() {
        let written = item.text().unwrap_or_default();
        if let Some((host, address)) = written.split_once('=').or_else(|| written.split_once(':')) {
            pairs.push(item.with(Value::Text(format!("{host}:{address}"))));
        }
    }
    for pair in &mut pairs {
        let written = pair.text().unwrap_or_default();
        let (host, address) = written.split_once(':').unwrap_or((written, ""));
        let bare = address.strip_prefix('[').and_then(|bare| bare.strip_suffix(']')).filter(|bare| !bare.is_empty());
        pair.value = Value::Text(format!("{host}:{}", bare.unwrap_or(address)));
    }
    (!pairs.is_empty()).then_some(Value::List(pairs))
}

/// A whole number, zero for what is none.
pub fn int(value: &Value) -> i64 {
    match value {
        Value::Int(n) => *n,
        Value::Unsigned(n) => *n as i64,
        Value::Float(n) => *n as i64,
        _ => 0,
    }
}

fn unsigned(n: u64) -> Value {
    i64::try_from(n).map_or(Value::Unsigned(n), Value::Int)
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Unsigned(_) => "uint64",
        Value::Float(_) => "float64",
        Value::Text(_) => "string",
        Value::Instant(_) => "time.Time",
        Value::List(_) => "[]interface {}",
        Value::Map(_) => "map[string]interface {}",
        Value::Foreign => "map[interface {}]interface {}",
    }
}

/// A value as Go's `fmt.Sprint` prints it.
pub fn print(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Unsigned(n) => n.to_string(),
        Value::Float(n) => print_float(*n),
        Value::Text(text) => text.clone(),
        Value::Instant(instant) => instant.printed.clone(),
        Value::List(list) => format!("[{}]", list.iter().map(|item| print(&item.value)).collect::<Vec<_>>().join(" ")),
        Value::Map(map) => {
            let entries: Vec<String> = map.iter().map(|(key, node)| format!("{key}:{}", print(&node.value))).collect();
            format!("map[{}]", entries.join(" "))
        }
        Value::Foreign => "map[]".to_string(),
    }
}

/// The shortest decimal that reads back, with an exponent below 10^-4 and from 10^6 on.
fn print_float(n: f64) -> String {
    if !n.is_finite() {
        return if n.is_nan() { "NaN".to_string() } else { format!("{}Inf", if n > 0.0 { '+' } else { '-' }) };
    }
    let scientific = format!("{n:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if n != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    n.to_string()
}

/// The keys that begin with `x-`, as they are.
pub fn extras(node: &Map) -> BTreeMap<String, Node> {
    node.iter().filter(|(key, _)| key.starts_with("x-")).map(|(key, node)| (key.clone(), node.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_in_go() {
        let cases = [
            (1.0, "1"),
            (1.5, "1.5"),
            (100_000.0, "100000"),
            (1e6, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (12_345_678.9, "1.23456789e+07"),
            (1e-8, "1e-08"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e100, "1e+100"),
            (-2.5e30, "-2.5e+30"),
            (0.0, "0"),
        ];
        for (number, printed) in cases {
            assert_eq!(print(&Value::Float(number)), printed);
        }
    }
}
