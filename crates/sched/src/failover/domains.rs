//! Failure domains: nodes with the same value of a label.

use crate::id::{NodeId, Row};

use super::View;

/// In which domain each node is. Nodes without the label are one domain.
#[derive(Clone, Debug, Default)]
pub(super) struct Domains {
    /// Empty for none: then every node is a domain of its own, or all are one.
    key: String,
    is_each: bool,
    /// By row of the node; found again when nodes join or change.
    of: Vec<u32>,
    count: usize,
}

impl Domains {
    /// By a label; without one each node by itself.
    pub(super) fn or_each(key: String) -> Domains {
        Domains { key, is_each: true, of: Vec::new(), count: 0 }
    }

    /// By a label; without one all nodes together.
    pub(super) fn or_all(key: String) -> Domains {
        Domains { key, ..Domains::default() }
    }

    /// Nodes joined or have other labels.
    pub(super) fn forget(&mut self) {
        self.of.clear();
    }

    /// Looks at the nodes, if any changed.
    pub(super) fn refresh(&mut self, view: &View<'_>) {
        let nodes = view.cluster().nodes();
        if self.of.len() == nodes.len() {
            return;
        }
        let value = |node: NodeId| nodes[node].spec.labels.get(&self.key).map_or("", String::as_str);
        let mut values: Vec<&str> = Vec::new();
        if self.key.is_empty() {
            self.count = if self.is_each { nodes.len() } else { 1 };
            self.of = nodes.ids().map(|node| if self.is_each { node.index() as u32 } else { 0 }).collect();
            return;
        }
        values.extend(nodes.ids().map(value));
        values.sort_unstable();
        values.dedup();
        self.of = nodes.ids().map(|node| values.partition_point(|other| *other < value(node)) as u32).collect();
        self.count = values.len();
    }

    /// The domain of a node, from 0. [`Domains::refresh`] was called since nodes joined.
    pub(super) fn of(&self, node: NodeId) -> usize {
        self.of[node.index()] as usize
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}
