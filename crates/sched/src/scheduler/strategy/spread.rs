//! Swarm's own strategy, decision for decision up to its random ties (SwarmKit `manager/scheduler`).
//!
//! With spread preferences the nodes form a tree of label values, and the group is divided over its branches. SwarmKit
//! divides by the counts from before the pass, so that an over-full branch distorts the shares of the others: with
//! 10/0/0 tasks and 6 new ones the result is 10/6/0. That is reproduced here.

use super::super::ranking::{Candidate, ONE_MORE};
use super::{Board, Entry, Strategy};

pub(super) const ENTRY: Entry<dyn Strategy> = Entry {
    name: "spread",
    summary: "Swarm's own: fewest tasks of the service first, then fewest tasks, over the preferred labels",
    build: |_| Box::<Spread>::default(),
};

/// Instead of the tie of a branch that has no room left.
const UNUSABLE: u64 = u64::MAX;

/// Fewest tasks of the service first, then fewest tasks in all. What it holds is room to work in.
#[derive(Clone, Default)]
pub(super) struct Spread {
    /// Tasks of the group.
    group: usize,
    /// By branch: the nodes of a leaf that are considered, once it was reached. They stay the same for the whole group.
    leaves: Vec<Option<Vec<Candidate>>>,
    /// The leaves that were reached.
    reached: Vec<usize>,
    /// Lists that are not in use.
    spare: Vec<Vec<Candidate>>,
    full: Vec<bool>,
    /// Ties of the branches of all the levels that are being divided, which have their numbers in them.
    order: Vec<u64>,
}

impl Strategy for Spread {
    fn place(&mut self, board: &mut Board<'_>) {
        self.group = board.waiting();
        if board.branches(0).is_empty() {
            let mut nodes = self.spare.pop().unwrap_or_default();
            board.some_candidates(0, self.group, self.group, &mut nodes);
            fill(board, &mut nodes, &mut self.full, self.group);
            self.spare.push(nodes);
            return;
        }
        // Nodes that cannot take a task form branches too, and their tasks count.
        let branches = board.count_branches();
        if self.leaves.len() < branches {
            self.leaves.resize_with(branches, || None);
        }
        self.divide(board, 0, self.group);
        for leaf in self.reached.drain(..) {
            self.spare.extend(self.leaves[leaf].take());
        }
    }
}

impl Spread {
    /// Places up to `count` tasks below a branch and says how many it placed.
    fn divide(&mut self, board: &mut Board<'_>, branch: usize, count: usize) -> usize {
        let below = board.branches(branch);
        if below.is_empty() {
            return self.fill_leaf(board, branch, count);
        }
        let begin = self.order.len();
        self.order.extend((0..below.len()).map(|number| board.tie_of_branch(number)));
        self.order[begin..].sort_unstable();
        // Signed, because an inner branch may take more than it was asked for.
        let (count, mut placed) = (count as i64, 0);
        let mut in_usable_branches = i64::from(*board.tasks(branch));
        let mut usable = below.len() as i64;
        let mut progress = true;
        while placed != count && usable > 0 && progress {
            progress = false;
            let total = in_usable_branches + count - placed;
            let (share, mut remainder) = (total / usable, total % usable);
            for index in begin..begin + below.len() {
                if self.order[index] == UNUSABLE {
                    continue;
                }
                let branch = below.start + self.order[index] as u32 as usize;
                let tasks = i64::from(*board.tasks(branch));
                if tasks > share || (tasks == share && remainder <= 0) {
                    continue;
                }
                progress = true;
                let wanted = share - tasks + i64::from(remainder > 0);
                let got = self.divide(board, branch, wanted as usize) as i64;
                if got < wanted {
                    self.order[index] = UNUSABLE;
                    usable -= 1;
                    in_usable_branches -= tasks;
                } else if remainder > 0 {
                    remainder -= 1;
                }
                placed += got;
            }
        }
        self.order.truncate(begin);
        placed as usize
    }

    fn fill_leaf(&mut self, board: &mut Board<'_>, branch: usize, count: usize) -> usize {
        if board.waiting() == 0 {
            return 0;
        }
        let mut nodes = match self.leaves[branch].take() {
            Some(mut nodes) => {
                nodes.retain(|node| board.fits(node.node));
                nodes.sort_unstable_by_key(|node| (node.key, node.tie));
                nodes
            }
            None => {
                let mut nodes = self.spare.pop().unwrap_or_default();
                // Nobody looks further behind than tasks are placed, until the list is sorted anew.
                board.some_candidates(branch, self.group, count + 1, &mut nodes);
                self.reached.push(branch);
                nodes
            }
        };
        let placed = fill(board, &mut nodes, &mut self.full, count);
        self.leaves[branch] = Some(nodes);
        placed
    }
}

/// Fills nodes that are sorted by rank: stays on a node until the next one is strictly better; after the last node goes
/// round, one task each. SwarmKit `scheduleNTasksOnNodes`.
fn fill(board: &mut Board<'_>, nodes: &mut [Candidate], full: &mut Vec<bool>, count: usize) -> usize {
    full.clear();
    full.resize(nodes.len(), false);
    let (mut at, mut rounds, mut placed) = (0, 0, 0);
    if nodes.is_empty() {
        return 0;
    }
    let len = nodes.len();
    let step = |at: &mut usize, rounds: &mut usize| {
        *at += 1;
        if *at == len {
            (*at, *rounds) = (0, *rounds + 1);
        }
    };
    while board.waiting() > 0 {
        if board.put(nodes[at].node) {
            nodes[at].key += ONE_MORE;
        }
        placed += 1;
        if placed == count {
            break;
        }
        if rounds > 0 || at + 1 == len || nodes[at + 1].key < nodes[at].key {
            step(&mut at, &mut rounds);
            if rounds == 0 {
                // It was found to fit, and nothing was placed on it since.
                continue;
            }
        }
        let mut tried = 0;
        while full[at] || !board.fits(nodes[at].node) {
            full[at] = true;
            step(&mut at, &mut rounds);
            tried += 1;
            if tried == len {
                return placed;
            }
        }
    }
    placed
}
