//! What people expect of spread preferences: every task goes to the branch that has least of the service right now.
//!
//! Where [`super::spread`] divides a group by the counts from before the pass, this looks again after every task and
//! counts only branches that can take one. With 10/0/0 tasks and 6 new ones the result is 10/3/3, not 10/6/0. Without
//! preferences it differs in the same way: always the best node, not round robin after the first round.

use super::super::ranking::Candidate;
use super::{Board, Entry, Strategy};

pub(super) const ENTRY: Entry<dyn Strategy> = Entry {
    name: "spread-even",
    summary: "What people expect of spread: each task to the branch, then the node, that has least right now",
    build: |_| Box::<SpreadEven>::default(),
};

/// Fewest tasks of the service, branch by branch, counted anew for each task. What it holds is room to work in.
#[derive(Clone, Default)]
pub(super) struct SpreadEven {
    best: Vec<Candidate>,
    /// By branch: nothing fits below any more.
    full: Vec<bool>,
    /// Branches that can take a task, with their tasks and ties, of all the levels that are being gone down.
    open: Vec<(u32, u64, usize)>,
}

impl Strategy for SpreadEven {
    fn place(&mut self, board: &mut Board<'_>) {
        let branches = if board.branches(0).is_empty() { 1 } else { board.count_branches() };
        self.full.clear();
        self.full.resize(branches, false);
        while board.waiting() > 0 && self.place_one(board, 0).is_some() {}
    }
}

impl SpreadEven {
    /// Places one task below a branch, if one fits there, and says whether the branch became fuller.
    fn place_one(&mut self, board: &mut Board<'_>, branch: usize) -> Option<bool> {
        let below = board.branches(branch);
        if below.is_empty() {
            board.candidates(branch, 1, &mut self.best);
            let fuller = self.best.first().map(|best| board.put(best.node));
            self.note(board, branch, fuller);
            return fuller;
        }
        let (begin, first) = (self.open.len(), below.start);
        for branch in below.filter(|branch| !self.full[*branch]) {
            self.open.push((*board.tasks(branch), board.tie_of_branch(branch - first), branch));
        }
        self.open[begin..].sort_unstable();
        let mut fuller = None;
        for index in begin..self.open.len() {
            fuller = self.place_one(board, self.open[index].2);
            if fuller.is_some() {
                break;
            }
        }
        self.open.truncate(begin);
        self.note(board, branch, fuller);
        fuller
    }

    fn note(&mut self, board: &mut Board<'_>, branch: usize, fuller: Option<bool>) {
        self.full[branch] = fuller.is_none();
        if fuller == Some(true) && self.full.len() > 1 {
            *board.tasks(branch) += 1;
        }
    }
}
