//! What was recorded against what came out.

use serde_json::{Map, Value, json};

use super::input::Invariant;

/// One comparison.
#[derive(Clone, Debug)]
pub struct Check {
    /// `service.property`.
    pub name: String,
    /// Whether it must hold, or only usually does.
    pub hard: bool,
    /// 1 final state, 2 order, 3 times; placement is level 1.
    pub level: u8,
    /// Whether it holds.
    pub met: bool,
    /// What was recorded.
    pub expected: Value,
    /// What came out.
    pub got: Value,
}

impl Check {
    pub(super) fn hard(name: String, level: u8, expected: Value, got: Value) -> Check {
        let (expected, got) = (normal(expected), normal(got));
        Check { name, hard: true, level, met: expected == got, expected, got }
    }
}

/// Compares a property of a placement scenario. `None` if the recording says nothing that can be checked.
pub(super) fn placement(name: &str, property: &str, invariant: &Invariant, got: Value) -> Option<Check> {
    let name = name.to_owned();
    match invariant.kind.as_str() {
        "exact" => {
            let mut expected = invariant.value.clone()?;
            if property == "api_rejected" {
                expected = expected.get("message").cloned().unwrap_or(Value::Null);
            }
            Some(Check::hard(name, 1, sorted_if_multiset(property, expected), sorted_if_multiset(property, got)))
        }
        "observed" if property == "leaf_branch_states" => {
            let expected = normal(invariant.value.clone()?);
            let seen = |branch: &String, counts: &Value| {
                let lists = expected.get(branch).and_then(Value::as_array);
                lists.is_some_and(|lists| lists.iter().any(|list| sorted(list.clone()) == sorted(counts.clone())))
            };
            let met = got.as_object()?.iter().all(|(branch, counts)| seen(branch, counts));
            Some(Check { name, hard: false, level: 1, met, expected, got })
        }
        "observed_range" => {
            let expected = invariant.value.clone()?;
            let met = expected.as_object()?.iter().all(|(node, range)| {
                let count = got.get(node).and_then(Value::as_i64).unwrap_or(0);
                let bound = |index: usize| range.get(index).and_then(Value::as_i64);
                bound(0).is_some_and(|min| min <= count) && bound(1).is_some_and(|max| count <= max)
            });
            Some(Check { name, hard: false, level: 1, met, expected, got })
        }
        "varies" => soft(name, property, 1, invariant, got),
        _ => None,
    }
}

/// A property that varied: within the range seen, or one of the values seen.
pub(super) fn soft(name: String, property: &str, level: u8, invariant: &Invariant, got: Value) -> Option<Check> {
    let got = normal(sorted_if_multiset(property, got));
    if let (Some(min), Some(max)) = (invariant.min, invariant.max) {
        let met = got.as_i64().is_some_and(|value| min <= value && value <= max);
        return Some(Check { name, hard: false, level, met, expected: json!({"min": min, "max": max}), got });
    }
    let seen: Vec<Value> = invariant
        .observed
        .as_ref()?
        .iter()
        .map(|observed| normal(sorted_if_multiset(property, observed.clone())))
        .collect();
    Some(Check { name, hard: false, level, met: seen.contains(&got), expected: json!({ "one of": seen }), got })
}

pub(super) fn sorted_if_multiset(property: &str, value: Value) -> Value {
    let multiset = ["pending_errors", "multiset"].iter().any(|part| property.contains(part));
    if multiset { sorted(value) } else { value }
}

/// A list in an order of its own, whatever order it came in.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Array(mut list) => {
            list.sort_by_cached_key(Value::to_string);
            Value::Array(list)
        }
        other => other,
    }
}

/// Zero entries of maps are the same as absent ones, and the order of keys means nothing.
pub(super) fn normal(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map
                .into_iter()
                .filter(|(_, value)| *value != json!(0))
                .map(|(key, value)| (key, normal(value)))
                .collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(Map::from_iter(entries))
        }
        Value::Array(list) => Value::Array(list.into_iter().map(normal).collect()),
        other => other,
    }
}
