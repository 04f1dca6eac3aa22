//! Vector packing: a task goes where what it wants is like what is left.

use super::score::{Queue, parts, place};
use super::{Board, Entry, Strategy};
use crate::id::NodeId;

pub(super) const ENTRY: Entry<dyn Strategy> = Entry {
    name: "dominant-fit",
    summary: "The node whose free CPU and memory are most like what the task wants: largest dot product of the shares",
    build: |_| Box::<DominantFit>::default(),
};

/// The largest dot product of what a task wants and what a node has left, as shares of the node (Panigrahy et al.,
/// "Heuristics for vector bin packing", 2011; Grandl et al., "Multi-resource packing for cluster schedulers", SIGCOMM 2014).
/// What wants mostly memory goes where mostly memory is left, so that neither is stranded. Without reservations the node with
/// the fewest tasks.
#[derive(Clone, Default)]
pub(super) struct DominantFit {
    queue: Queue,
}

/// Lower is better: what the dot product lacks of the most that it can be.
fn mismatch(board: &Board<'_>, node: NodeId) -> u64 {
    let (free, total) = (board.free(node), board.total(node));
    let wants = &board.spec().task.reservations;
    // Each share is below 2^32, each product below 2^64, and so is half of their sum.
    let product = |wants, free, total| u128::from(parts(wants, total)) * u128::from(parts(free, total));
    let sum =
        product(wants.nano_cpus, free.nano_cpus, total.nano_cpus) + product(wants.memory, free.memory, total.memory);
    u64::MAX - u64::try_from(sum / 2).unwrap_or(u64::MAX)
}

impl Strategy for DominantFit {
    fn place(&mut self, board: &mut Board<'_>) {
        place(board, &mut self.queue, mismatch);
    }
}
