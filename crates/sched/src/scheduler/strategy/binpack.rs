//! Best fit: few nodes, well filled.

use super::super::ranking::Candidate;
use super::{Board, Entry, Strategy};

pub(super) const ENTRY: Entry<dyn Strategy> = Entry {
    name: "binpack",
    summary: "Fullest node first, by the larger of its reserved shares of CPU and memory, until it is full",
    build: |_| Box::<Binpack>::default(),
};

/// Fullest node first, by the larger of its reserved shares of CPU and memory; without reservations, the node with the
/// most tasks.
///
/// A node that takes a task becomes fuller still, so it stays first until it is full. Nodes where the service failed five
/// times of late come last, as with every strategy but `random`.
#[derive(Clone, Default)]
pub(super) struct Binpack {
    fullest: Vec<Candidate>,
}

impl Strategy for Binpack {
    fn place(&mut self, board: &mut Board<'_>) {
        while board.waiting() > 0 {
            board.fullest(1, &mut self.fullest);
            let Some(fullest) = self.fullest.first() else { return };
            while board.waiting() > 0 && board.fits(fullest.node) {
                board.put(fullest.node);
            }
        }
    }
}
