//! Worst fit: as much room as possible stays on every node.

use super::score::{Queue, parts, place};
use super::{Board, Entry, Strategy};
use crate::id::NodeId;

pub(super) const ENTRY: Entry<dyn Strategy> = Entry {
    name: "worst-fit",
    summary: "Emptiest node first, by the larger of its reserved shares of CPU and memory",
    build: |_| Box::<WorstFit>::default(),
};

/// Emptiest node first, by the larger of its reserved shares of CPU and memory; of equals, as without reservations, the node
/// with the fewest tasks. The opposite of `binpack`: in classic bin packing it uses most bins, and leaves the largest gaps.
#[derive(Clone, Default)]
pub(super) struct WorstFit {
    queue: Queue,
}

/// The larger of the reserved shares of CPU and memory.
fn fullness(board: &Board<'_>, node: NodeId) -> u64 {
    let (free, total) = (board.free(node), board.total(node));
    let cpus = parts(total.nano_cpus.saturating_sub(free.nano_cpus), total.nano_cpus);
    cpus.max(parts(total.memory.saturating_sub(free.memory), total.memory))
}

impl Strategy for WorstFit {
    fn place(&mut self, board: &mut Board<'_>) {
        place(board, &mut self.queue, fullness);
    }
}
