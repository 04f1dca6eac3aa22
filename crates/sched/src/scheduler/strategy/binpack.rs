//! Best fit: few nodes, well filled.

use super::{Board, Strategy};
use crate::id::{NodeId, Row};

/// Fullest node first, by the larger of its reserved shares of CPU and memory.
///
/// A node that takes a task becomes fuller still, so it stays first until it is full: one sort does for the group. Nodes
/// where the service failed five times of late come last, as with every strategy but `random`.
pub(super) struct Binpack;

impl Strategy for Binpack {
    fn place(&mut self, board: &mut Board<'_>) {
        let mut nodes: Vec<NodeId> = board.nodes().filter(|node| board.fits(*node)).collect();
        nodes.sort_by_cached_key(|node| {
            let rank = board.rank(*node);
            // Without reservations the fullest is the one with the most tasks; the lowest id is last in line.
            (rank.failures, std::cmp::Reverse((reserved_ppm(board, *node), rank.total)), node.index())
        });
        for node in nodes {
            while board.waiting() > 0 && board.fits(node) {
                board.place(node);
            }
        }
    }
}

/// The larger share of a node that is reserved, in millionths.
fn reserved_ppm(board: &Board<'_>, node: NodeId) -> i128 {
    let share = |free: i64, capacity: i64| {
        if capacity <= 0 { 0 } else { (i128::from(capacity) - i128::from(free)) * 1_000_000 / i128::from(capacity) }
    };
    let ((cpus, memory), (all_cpus, all_memory)) = (board.free(node), board.capacity(node));
    share(cpus, all_cpus).max(share(memory, all_memory))
}
