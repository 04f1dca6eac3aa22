//! Lays one file over another as `docker stack` does: field by field for services, whole for everything else.
//!
//! Docker merges with a library that never lets an empty value win, which shows: a delay cannot be set back to `0s`, and
//! log options are lost when only the later file has them. What is odd here is odd there.

use super::sections::Config;
use super::shape::{self, Part, Shape};
use super::yaml::{Map, Node, Value};

/// The earlier file with the later one laid over it.
pub fn merge(mut base: Config, over: Config) -> Config {
    for (name, over) in over.services {
        match base.services.get_mut(&name) {
            Some(base) => service(base, over),
            None => _ = base.services.insert(name, over),
        }
    }
    base.networks.extend(over.networks);
    base.volumes.extend(over.volumes);
    base.secrets.extend(over.secrets);
    base.configs.extend(over.configs);
    base
}

fn service(base: &mut Node, over: Node) {
    let (Value::Map(base), Value::Map(mut over)) = (&mut base.value, over.value) else { return };
    parts(base, &mut over, shape::SERVICE);
    // What is left has no shape: `x-` keys.
    for (key, node) in over {
        extra(base, key, node);
    }
}

fn parts(base: &mut Map, over: &mut Map, parts: &[Part]) {
    for Part(key, _, shape) in parts {
        let over = over.remove(*key);
        match (base.get_mut(*key), over) {
            (None, None) => {}
            (None, Some(over)) => _ = base.insert(key.to_string(), over),
            (Some(base), over) => part(base, over, shape),
        }
    }
}

fn part(base: &mut Node, over: Option<Node>, shape: &Shape) {
    // These lists are sorted and lose doubles even if the later file does not have them.
    let key = match shape {
        Shape::Ports => "published",
        Shape::Mounts => "target",
        Shape::References => "source",
        _ => "",
    };
    if !key.is_empty() {
        return by_key(base, over, key);
    }
    let Some(over) = over else { return };
    match shape {
        Shape::Texts | Shape::Printed | Shape::Probe | Shape::Hosts | Shape::List(_) => append(base, over),
        Shape::Pairs | Shape::Ulimits => union(base, over),
        Shape::Environment => environment(base, over),
        Shape::Attachments => attachments(base, over),
        Shape::Logging => logging(base, over),
        Shape::Parts(list) | Shape::PartsOrEmpty(list) | Shape::TextOrParts(list) => {
            if let (Value::Map(base), Value::Map(mut over)) = (&mut base.value, over.value) {
                parts(base, &mut over, list);
            }
        }
        // A pointer to nothing much is nothing.
        Shape::Bool if over.value == Value::Bool(false) => {}
        Shape::DurationOrZero if over.text() == Some("0s") => {}
        _ => *base = over,
    }
}

fn append(base: &mut Node, over: Node) {
    if let (Value::List(base), Value::List(over)) = (&mut base.value, over.value) {
        base.extend(over);
    }
}

fn union(base: &mut Node, over: Node) {
    if let (Value::Map(base), Value::Map(over)) = (&mut base.value, over.value) {
        base.extend(over);
    }
}

fn environment(base: &mut Node, over: Node) {
    let (Value::Map(base), Value::Map(over)) = (&mut base.value, over.value) else { return };
    for (name, value) in over {
        let is_empty = |node: &Node| node.text().is_none_or(str::is_empty);
        if !is_empty(&value) || base.get(&name).is_none_or(is_empty) {
            base.insert(name, value);
        }
    }
}

fn by_key(base: &mut Node, over: Option<Node>, key: &str) {
    let Value::List(list) = &mut base.value else { return };
    let over = match over.map(|over| over.value) {
        Some(Value::List(over)) => over,
        _ => Vec::new(),
    };
    let sort_key = |node: &Node| match node.get(key).map(|node| &node.value) {
        Some(Value::Int(n)) => (*n, String::new()),
        Some(Value::Text(text)) => (0, text.clone()),
        _ => (0, String::new()),
    };
    let kept: std::collections::BTreeMap<_, Node> =
        std::mem::take(list).into_iter().chain(over).map(|node| (sort_key(&node), node)).collect();
    list.extend(kept.into_values());
}

fn attachments(base: &mut Node, over: Node) {
    let (Value::Map(base), Value::Map(over)) = (&mut base.value, over.value) else { return };
    for (name, over) in over {
        match (base.get_mut(&name).map(|node| &mut node.value), over.value) {
            (Some(Value::Map(_)), Value::Null) => {}
            (Some(Value::Map(base)), Value::Map(mut over)) => {
                // The aliases are replaced, even by none; addresses only by others; options never.
                base.remove("aliases");
                over.remove("driver_opts");
                base.extend(over);
            }
            (_, value) => _ = base.insert(name, Node { value, at: over.at }),
        }
    }
}

fn logging(base: &mut Node, over: Node) {
    let driver = |node: &Node| node.get("driver").and_then(Node::text).unwrap_or_default().to_string();
    let (base_driver, over_driver) = (driver(base), driver(&over));
    if base_driver != over_driver && !base_driver.is_empty() && !over_driver.is_empty() {
        *base = over;
        return;
    }
    let (Value::Map(base), Value::Map(mut over)) = (&mut base.value, over.value) else { return };
    if let Some(driver) = over.remove("driver") {
        base.insert("driver".to_string(), driver);
    }
    if let (Some(base), Some(over)) = (base.get_mut("options"), over.remove("options")) {
        union(base, over);
    }
}

fn extra(base: &mut Map, key: String, over: Node) {
    match (base.get_mut(&key).map(|node| &mut node.value), over.value) {
        (Some(Value::Map(base)), Value::Map(over)) if !base.is_empty() => {
            for (key, node) in over {
                extra(base, key, node);
            }
        }
        (Some(Value::List(base)), Value::List(over)) => base.extend(over),
        (_, value) => _ = base.insert(key, Node { value, at: over.at }),
    }
}
