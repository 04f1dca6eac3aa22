//! How the nodes stand: the circle that decides between equals, and the branches of spread preferences.

use std::collections::BTreeMap;
use std::ops::Range;

use super::board::mix;
use crate::cluster::Cluster;
use crate::constraint;
use crate::id::{NodeId, Row};
use crate::spec::NodeSpec;

/// How a choice between equals is made. SwarmKit leaves it to the order of a hash map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum TieBreak {
    /// The node that joined first, the branch whose value sorts first, the group whose oldest task waits longest.
    LowestId,
    /// By chance, from the seed of the configuration: the same seed makes the same choices.
    ///
    /// All nodes that ever joined stand in a circle, in an order shuffled by the seed. Each group starts somewhere on
    /// the circle, by chance; of equal nodes it takes the first from there on. Groups that wait are asked in another order
    /// by every pass, whichever has waited longest.
    #[default]
    Seeded,
}

/// A label value of the preferences, or the root of them, or all nodes if there are no preferences.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    value: String,
    pub(super) parent: usize,
    /// Branches of the next level, in order of their values; none if this is a leaf.
    pub(super) children: Range<usize>,
    /// Places of its nodes.
    pub(super) places: Range<usize>,
}

/// An order of the nodes in which every branch of some preferences is one stretch, and every leaf in order of the circle.
#[derive(Clone, Default)]
pub(super) struct Layout {
    /// Descriptors of labels, outermost first.
    pub(super) levels: Vec<String>,
    /// Changes when the places change.
    pub(super) built: u64,
    stale: bool,
    nodes: Vec<NodeId>,
    /// By row of the node.
    places: Vec<u32>,
    branches: Vec<Branch>,
    /// By place.
    leaves: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

impl Layout {
    pub(super) fn new(levels: Vec<String>) -> Layout {
        Layout { levels, stale: true, ..Layout::default() }
    }

    pub(super) fn node_joined(&mut self) {
        self.stale = true;
    }

    /// Nodes that were removed form no branches.
    pub(super) fn node_removed(&mut self) {
        self.stale |= !self.levels.is_empty();
    }

    pub(super) fn node_updated(&mut self, node: NodeId, spec: &NodeSpec) {
        if self.stale || self.levels.is_empty() {
            return;
        }
        let Some(place) = self.place(node) else { return };
        let mut branch = &self.branches[self.leaves[place] as usize];
        for level in self.levels.iter().rev() {
            self.stale |= branch.value != value(level, spec);
            branch = &self.branches[branch.parent];
        }
    }

    /// Makes the places good again. The circle is the layout without levels.
    pub(super) fn refresh(&mut self, cluster: &Cluster, circle: Circle<'_>) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        self.built += 1;
        self.nodes.clear();
        match circle {
            Circle::Own(TieBreak::LowestId, _) => self.nodes.extend(cluster.nodes().ids()),
            Circle::Own(TieBreak::Seeded, seed) => {
                self.nodes.extend(cluster.nodes().ids());
                self.nodes.sort_by_cached_key(|node| (mix(seed ^ node.index() as u64), *node));
            }
            Circle::Other(circle) => {
                self.nodes.extend(circle.nodes.iter().filter(|node| !cluster.nodes()[**node].removed));
            }
        }
        self.grow_branches(cluster);
        self.places.clear();
        self.places.resize(cluster.nodes().len(), NOWHERE);
        for (place, node) in self.nodes.iter().enumerate() {
            self.places[node.index()] = place as u32;
        }
    }

    fn grow_branches(&mut self, cluster: &Cluster) {
        #[derive(Clone, Default)]
        struct Bud {
            children: BTreeMap<String, usize>,
            nodes: Vec<NodeId>,
        }
        let mut buds = vec![Bud::default()];
        for node in &self.nodes {
            let spec = &cluster.nodes()[*node].spec;
            let mut at = 0;
            for level in &self.levels {
                let value = value(level, spec);
                at = match buds[at].children.get(value) {
                    Some(child) => *child,
                    None => {
                        buds.push(Bud::default());
                        let child = buds.len() - 1;
                        buds[at].children.insert(value.to_owned(), child);
                        child
                    }
                };
            }
            buds[at].nodes.push(*node);
        }
        // Level by level, so that the children of a branch stand together.
        self.branches.clear();
        self.branches.push(Branch { value: String::new(), parent: 0, children: 0..0, places: 0..0 });
        let mut order = vec![0];
        let mut at = 0;
        while at < order.len() {
            let begin = order.len();
            for (value, child) in std::mem::take(&mut buds[order[at]].children) {
                self.branches.push(Branch { value, parent: at, children: 0..0, places: 0..0 });
                order.push(child);
            }
            self.branches[at].children = begin..order.len();
            at += 1;
        }
        // All branches of a level are in order, and a level's stretches tile those of the level above.
        self.nodes.clear();
        self.leaves.clear();
        for (branch, bud) in order.iter().enumerate() {
            if !self.branches[branch].children.is_empty() {
                continue;
            }
            let begin = self.nodes.len();
            self.nodes.append(&mut buds[*bud].nodes);
            self.leaves.resize(self.nodes.len(), branch as u32);
            self.branches[branch].places = begin..self.nodes.len();
        }
        for branch in (0..self.branches.len()).rev() {
            let children = self.branches[branch].children.clone();
            if !children.is_empty() {
                let begin = self.branches[children.start].places.start;
                self.branches[branch].places = begin..self.branches[children.end - 1].places.end;
            }
        }
    }

    pub(super) fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    pub(super) fn branches(&self) -> &[Branch] {
        &self.branches
    }

    pub(super) fn place(&self, node: NodeId) -> Option<usize> {
        let place = self.places[node.index()];
        (place != NOWHERE).then_some(place as usize)
    }

    /// The branches that a place belongs to, from its leaf to the root.
    pub(super) fn path(&self, place: usize) -> impl Iterator<Item = usize> + '_ {
        let leaf = self.leaves[place] as usize;
        std::iter::successors(Some(leaf), |branch| (*branch != 0).then(|| self.branches[*branch].parent))
    }
}

/// The circle: a layout's own, by a rule and a seed, or another layout's.
pub(super) enum Circle<'a> {
    Own(TieBreak, u64),
    Other(&'a Layout),
}

/// Labels over whose values a service wants to be spread. Descriptors that name no label are left out, as SwarmKit does.
pub(super) fn levels(preferences: &[String]) -> Vec<String> {
    let is_label = |descriptor: &&String| constraint::label(descriptor, &NodeSpec::default()).is_some();
    preferences.iter().filter(is_label).cloned().collect()
}

/// The value of a label on a node; empty if it lacks it.
pub(crate) fn value<'a>(level: &str, node: &'a NodeSpec) -> &'a str {
    constraint::label(level, node).unwrap_or("")
}
