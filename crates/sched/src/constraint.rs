//! Placement constraints: `node.labels.zone == east` (SwarmKit `manager/constraint`).

use std::net::IpAddr;

use crate::spec::{Labels, NodeSpec, Role};

/// A parsed constraint.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Constraint {
    key: String,
    equal: bool,
    value: String,
}

/// Parses expressions, all of which must be right. The error is Swarm's text for the first that is not.
///
/// `==` is looked for before `!=`, so that `a!=b==c` has the invalid key `a!=b`. A key is a letter or `_` and at least
/// one more letter, digit, `-`, `_` or `.`; a value cannot be empty and has no wildcards: `*` is a character like others.
pub fn parse(expressions: &[String]) -> Result<Vec<Constraint>, String> {
    expressions.iter().map(|expression| parse_one(expression)).collect()
}

/// Parses one expression.
pub fn parse_one(expression: &str) -> Result<Constraint, String> {
    let (key, equal, value) = if let Some((key, value)) = expression.split_once("==") {
        (key, true, value)
    } else if let Some((key, value)) = expression.split_once("!=") {
        (key, false, value)
    } else {
        return Err("constraint expected one operator from ==, !=".into());
    };
    let (key, value) = (key.trim(), value.trim());
    let mut letters = key.chars();
    let starts = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    let rest = letters.as_str();
    let continues = !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !starts || !continues {
        return Err(format!("key '{key}' is invalid"));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "\t\n\u{c}\r ".contains(c) || ":-_.*()?+[]\\^$|/".contains(c);
    if value.is_empty() || !value.chars().all(allowed) {
        return Err(format!("value '{value}' is invalid"));
    }
    Ok(Constraint { key: key.into(), equal, value: value.into() })
}

/// Whether a node satisfies all of them.
pub fn all_match(constraints: &[Constraint], node: &NodeSpec) -> bool {
    constraints.iter().all(|constraint| constraint.matches(node))
}

impl Constraint {
    /// What it looks at: `node.labels.zone`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether a node satisfies it. An unknown key is never satisfied, not even by `!=`; a missing label counts as empty.
    pub fn matches(&self, node: &NodeSpec) -> bool {
        let description = node.description.as_ref();
        let is = |key: &str| self.key.eq_ignore_ascii_case(key);
        if is("node.id") {
            self.holds(&node.id)
        } else if is("node.hostname") {
            self.holds(description.map_or("", |description| &description.hostname))
        } else if is("node.ip") {
            self.holds_for_address(node.address.as_deref().unwrap_or(""))
        } else if is("node.role") {
            self.holds(match node.role {
                Role::Worker => "worker",
                Role::Manager => "manager",
            })
        } else if is("node.platform.os") {
            self.holds(description.map_or("", |description| &description.platform.os))
        } else if is("node.platform.arch") {
            self.holds(description.map_or("", |description| &description.platform.architecture))
        } else {
            label(&self.key, node).is_some_and(|value| self.holds(value))
        }
    }

    fn holds(&self, actual: &str) -> bool {
        equal_fold(actual, &self.value) == self.equal
    }

    fn holds_for_address(&self, address: &str) -> bool {
        let address = address.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        if let Ok(wanted) = self.value.parse::<IpAddr>() {
            return (address == Some(wanted.to_canonical())) == self.equal;
        }
        match parse_subnet(&self.value) {
            Some((network, bits)) => address.is_some_and(|address| contains(network, bits, address)) == self.equal,
            None => false,
        }
    }
}

/// The value of the label that a descriptor such as `node.labels.zone` names: empty if the node lacks it, `None` if it
/// does not name a label at all. The prefix ignores case, the label's own name does not.
pub(crate) fn label<'a>(descriptor: &str, node: &'a NodeSpec) -> Option<&'a str> {
    let after = |prefix: &str| {
        let (head, name) = descriptor.split_at_checked(prefix.len())?;
        (head.eq_ignore_ascii_case(prefix) && !name.is_empty()).then_some(name)
    };
    let value = |labels: &'a Labels, name: &str| labels.get(name).map_or("", String::as_str);
    if let Some(name) = after("node.labels.") {
        return Some(value(&node.labels, name));
    }
    let name = after("engine.labels.")?;
    Some(node.description.as_ref().map_or("", |description| value(&description.engine_labels, name)))
}

fn equal_fold(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    let fold = |text: &str| text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect::<String>();
    fold(a) == fold(b)
}

fn parse_subnet(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let digits = !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit());
    let bits: u8 = if digits { bits.parse().ok()? } else { return None };
    let most = if address.is_ipv4() { 32 } else { 128 };
    if bits > most {
        return None;
    }
    // A subnet of IPv4 addresses in IPv6 form holds IPv4 addresses.
    let canonical = address.to_canonical();
    Some((canonical, if canonical == address { bits } else { bits.saturating_sub(96) }))
}

fn contains(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            (network.to_bits() ^ address.to_bits()) & mask == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            (network.to_bits() ^ address.to_bits()) & mask == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_those_of_swarmkit() {
        for good in [" node == node1", "NoDe==node1", "no.de==node1", "_node==_node1", "node==[a-b]+c*(n|b)/", "ab!=c"]
        {
            assert!(parse_one(good).is_ok(), "{good}");
        }
        for bad in
            ["", " ", "nodeabc", "node ~ abc", "1node==a2", "no de== node1", "no*de==node1", "==node1", "node== "]
        {
            assert!(parse_one(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_match_whatever_their_form() {
        let node = NodeSpec { address: Some("::ffff:10.1.2.3".into()), ..NodeSpec::default() };
        for (expression, holds) in [
            ("node.ip==10.1.2.3", true),
            ("node.ip==10.1.0.0/16", true),
            ("node.ip==::ffff:10.1.0.0/112", true),
            ("node.ip!=10.1.0.0/16", false),
            ("node.ip==10.2.0.0/16", false),
            ("node.ip!=10.1.2.266", false),
            ("node.ip!=10.1.2.3/34", false),
        ] {
            assert_eq!(parse_one(expression).expect("parses").matches(&node), holds, "{expression}");
        }
    }
}
