//! No order at all: the yardstick for the others.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::{Board, Strategy};
use crate::id::NodeId;

/// Any node that fits, with equal chance.
pub(super) struct Random {
    rng: ChaCha8Rng,
}

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Apart from the stream that breaks ties.
        rng.set_stream(1);
        Random { rng }
    }
}

impl Strategy for Random {
    fn place(&mut self, board: &mut Board<'_>) {
        let mut nodes: Vec<NodeId> = board.nodes().filter(|node| board.fits(*node)).collect();
        while board.waiting() > 0 && !nodes.is_empty() {
            let index = self.rng.random_range(0..nodes.len());
            board.place(nodes[index]);
            if !board.fits(nodes[index]) {
                nodes.swap_remove(index);
            }
        }
    }
}
