//! Swarm's own strategy, decision for decision up to its random ties (SwarmKit `manager/scheduler`).
//!
//! With spread preferences the nodes form a tree of label values, and the group is divided over its branches. SwarmKit
//! divides by the counts from before the pass, so that an over-full branch distorts the shares of the others: with
//! 10/0/0 tasks and 6 new ones the result is 10/6/0. That is reproduced here.

use std::collections::BTreeMap;

use super::{Board, Strategy};
use crate::id::NodeId;

/// Fewest tasks of the service first, then fewest tasks in all.
pub(super) struct Spread;

impl Strategy for Spread {
    fn place(&mut self, board: &mut Board<'_>) {
        let group = board.waiting();
        let mut tree = Branch::grow(board, group);
        tree.place(board, group);
    }
}

/// A node of the decision tree: either branches by the value of a label, or a leaf with its best nodes.
#[derive(Default)]
struct Branch {
    /// Active tasks of the service below, when the tree was built; never refreshed.
    tasks: i64,
    branches: BTreeMap<String, Branch>,
    /// Every node of a leaf at first, then the best ones that fit, best first.
    nodes: Vec<NodeId>,
    is_leaf: bool,
}

impl Branch {
    fn grow(board: &Board<'_>, group: usize) -> Branch {
        let levels = board.preferences();
        let mut root = Branch::default();
        // Nodes that cannot take a task form branches too, and their tasks count.
        for node in board.nodes() {
            let tasks = i64::from(board.rank(node).of_service);
            let mut branch = &mut root;
            for level in &levels {
                branch.tasks += tasks;
                let value = board.label(level, node);
                if !branch.branches.contains_key(value) {
                    branch.branches.insert(value.to_owned(), Branch::default());
                }
                branch = branch.branches.get_mut(value).expect("just inserted");
            }
            branch.tasks += tasks;
            branch.nodes.push(node);
        }
        root.choose_candidates(board, group);
        root
    }

    /// Keeps in each leaf only as many of the best nodes as there are tasks.
    fn choose_candidates(&mut self, board: &Board<'_>, group: usize) {
        for branch in self.branches.values_mut() {
            branch.choose_candidates(board, group);
        }
        self.is_leaf = self.branches.is_empty();
        self.nodes.retain(|node| board.fits(*node));
        if group < self.nodes.len() {
            self.nodes.select_nth_unstable_by_key(group, |node| order(board, *node));
            self.nodes.truncate(group);
        }
    }

    /// Places up to `count` tasks and says how many it placed.
    fn place(&mut self, board: &mut Board<'_>, count: usize) -> usize {
        if self.is_leaf {
            self.nodes.retain(|node| board.fits(*node));
            self.nodes.sort_by_cached_key(|node| order(board, *node));
            return fill(board, &self.nodes, count);
        }
        // Branches in the order of their ties; a full one is set to `None`.
        let mut branches: Vec<Option<&mut Branch>> = self.branches.values_mut().map(Some).collect();
        let mut order: Vec<usize> = (0..branches.len()).collect();
        order.sort_by_key(|index| board.tie(*index));
        let mut placed = 0;
        let mut in_usable_branches = self.tasks;
        let mut usable = branches.len() as i64;
        let mut progress = true;
        while placed != count && usable > 0 && progress {
            progress = false;
            let total = in_usable_branches + (count - placed) as i64;
            let (share, mut remainder) = (total / usable, total % usable);
            for index in &order {
                let Some(branch) = &mut branches[*index] else { continue };
                let tasks = branch.tasks;
                if tasks > share || (tasks == share && remainder <= 0) {
                    continue;
                }
                progress = true;
                let wanted = share - tasks + i64::from(remainder > 0);
                let got = branch.place(board, wanted as usize);
                if (got as i64) < wanted {
                    branches[*index] = None;
                    usable -= 1;
                    in_usable_branches -= tasks;
                } else if remainder > 0 {
                    remainder -= 1;
                }
                placed += got;
            }
        }
        placed
    }
}

fn order(board: &Board<'_>, node: NodeId) -> (super::super::Rank, u64) {
    (board.rank(node), board.tie_of(node))
}

/// Fills nodes that are sorted by rank: stays on a node until the next one is strictly better; after the last node goes
/// round, one task each. SwarmKit `scheduleNTasksOnNodes`.
fn fill(board: &mut Board<'_>, nodes: &[NodeId], count: usize) -> usize {
    let mut full = vec![false; nodes.len()];
    let (mut at, mut placed) = (0, 0);
    if nodes.is_empty() {
        return 0;
    }
    while board.waiting() > 0 {
        let node = nodes[at % nodes.len()];
        board.place(node);
        placed += 1;
        if placed == count {
            break;
        }
        let first_round = at + 1 < nodes.len();
        if !first_round || board.rank(nodes[at + 1]) < board.rank(node) {
            at += 1;
        }
        let start = at;
        while full[at % nodes.len()] || !board.fits(nodes[at % nodes.len()]) {
            full[at % nodes.len()] = true;
            at += 1;
            if at - start == nodes.len() {
                return placed;
            }
        }
    }
    placed
}
