//! No order at all: the yardstick for the others.

use super::super::board::{mix, scale};
use super::{Board, Strategy};
use crate::id::{NodeId, Row};

/// Nodes that are tried by chance before all that fit are listed.
const TRIES: usize = 32;

/// Any node that fits, with equal chance: nodes are drawn until one fits, and if most do not, one is drawn of a list of
/// those that do.
pub(super) struct Random;

impl Strategy for Random {
    fn place(&mut self, board: &mut Board<'_>) {
        let mut chance = board.chance();
        let mut draw = |limit: usize| {
            chance = mix(chance);
            scale(chance, limit)
        };
        let nodes = board.nodes();
        while board.waiting() > 0 && nodes > 0 {
            let mut drawn = (0..TRIES).map(|_| NodeId::from_index(draw(nodes)));
            let node = drawn.find(|node| board.fits(*node));
            let node = node.or_else(|| {
                let all = (0..nodes).map(NodeId::from_index);
                let fitting: Vec<NodeId> = all.filter(|node| board.fits(*node)).collect();
                (!fitting.is_empty()).then(|| fitting[draw(fitting.len())])
            });
            let Some(node) = node else { return };
            board.place(node);
        }
    }
}
