//! States of policies as text: numbers, apart by blanks; lists, apart by `;`.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use crate::id::{NodeId, Row};

/// Numbers of nodes.
pub(super) fn of_nodes(nodes: &BTreeSet<NodeId>) -> String {
    join(nodes.iter().map(|node| node.index()))
}

/// What [`of_nodes`] wrote.
pub(super) fn nodes(text: &str) -> Result<BTreeSet<NodeId>, String> {
    Ok(numbers::<u32>(text)?.into_iter().map(|row| NodeId::from_index(row as usize)).collect())
}

/// Numbers with blanks between.
pub(super) fn join(numbers: impl Iterator<Item = impl Display>) -> String {
    numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
}

/// What [`join`] wrote.
pub(super) fn numbers<T: FromStr>(text: &str) -> Result<Vec<T>, String> {
    text.split_whitespace().map(|word| word.parse().map_err(|_| format!("{word:?} is not a number"))).collect()
}
