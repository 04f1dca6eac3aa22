//! What people expect of spread preferences: every task goes to the branch that has least of the service right now.
//!
//! Where [`super::spread`] divides a group by the counts from before the pass, this looks again after every task and
//! counts only branches that can take one. With 10/0/0 tasks and 6 new ones the result is 10/3/3, not 10/6/0. Without
//! preferences it differs in the same way: always the best node, not round robin after the first round.

use std::collections::BTreeMap;

use super::{Board, Strategy};
use crate::id::NodeId;

/// Fewest tasks of the service, branch by branch, counted anew for each task.
pub(super) struct SpreadEven;

impl Strategy for SpreadEven {
    fn place(&mut self, board: &mut Board<'_>) {
        let levels = board.preferences();
        let mut root = Branch::default();
        for node in board.nodes() {
            root.add(board, &levels, node);
        }
        while board.waiting() > 0 && root.place_one(board).is_some() {}
    }
}

#[derive(Default)]
struct Branch {
    /// Active tasks of the service below.
    tasks: u32,
    branches: BTreeMap<String, Branch>,
    nodes: Vec<NodeId>,
    /// Nothing fits below any more.
    full: bool,
}

impl Branch {
    fn add(&mut self, board: &Board<'_>, levels: &[String], node: NodeId) {
        self.tasks += board.rank(node).of_service;
        match levels.split_first() {
            None => self.nodes.push(node),
            Some((level, rest)) => {
                self.branches.entry(board.label(level, node).to_owned()).or_default().add(board, rest, node);
            }
        }
    }

    /// Places one task below, if one fits there, and says by how much the branch became fuller: a task that is to stop
    /// before it ever ran is placed, but does not count.
    fn place_one(&mut self, board: &mut Board<'_>) -> Option<u32> {
        let more = if self.branches.is_empty() { self.place_on_node(board) } else { self.place_in_branch(board) };
        self.tasks += more.unwrap_or(0);
        self.full = more.is_none();
        more
    }

    fn place_on_node(&mut self, board: &mut Board<'_>) -> Option<u32> {
        self.nodes.retain(|node| board.fits(*node));
        let best = self.nodes.iter().copied().min_by_key(|node| (board.rank(*node), board.tie_of(*node)))?;
        let before = board.rank(best).of_service;
        board.place(best);
        Some(board.rank(best).of_service - before)
    }

    fn place_in_branch(&mut self, board: &mut Board<'_>) -> Option<u32> {
        let mut open: Vec<(usize, &mut Branch)> =
            self.branches.values_mut().enumerate().filter(|(_, branch)| !branch.full).collect();
        open.sort_by_key(|(index, branch)| (branch.tasks, board.tie(*index)));
        open.into_iter().find_map(|(_, branch)| branch.place_one(board))
    }
}
