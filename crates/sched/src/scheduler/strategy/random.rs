//! No order at all: the yardstick for the others.

use super::super::board::{mix, scale};
use super::{Board, Entry, Strategy};
use crate::id::{NodeId, Row};

pub(super) const ENTRY: Entry<dyn Strategy> =
    Entry { name: "random", summary: "Any node that fits, with equal chance", build: |_| Box::new(Random::of(1)) };

/// Nodes that are tried by chance before all that fit are listed.
const TRIES: usize = 32;

/// Of some different nodes that fit, each drawn with equal chance, the one with the fewest tasks, or the first of equals.
/// Nodes are drawn until one fits, and if most do not, one is drawn of a list of those that do.
#[derive(Clone)]
pub(super) struct Random {
    /// How many nodes are drawn for a task. Of two the fuller one is hardly ever very full (Azar et al., 1999).
    choices: usize,
    /// The nodes that were drawn for a task, kept so that no decision allocates.
    seen: Vec<NodeId>,
}

impl Random {
    pub(super) fn of(choices: usize) -> Random {
        Random { choices, seen: Vec::with_capacity(choices) }
    }
}

impl Strategy for Random {
    fn place(&mut self, board: &mut Board<'_>) {
        let mut chance = board.chance();
        let mut draw = |limit: usize| {
            chance = mix(chance);
            scale(chance, limit)
        };
        let nodes = board.nodes().len();
        while board.waiting() > 0 && nodes > 0 {
            let mut chosen: Option<NodeId> = None;
            let seen = &mut self.seen;
            seen.clear();
            for _ in 0..self.choices {
                let mut drawn = (0..TRIES).map(|_| NodeId::from_index(draw(nodes)));
                let node = drawn.find(|node| board.fits(*node) && !seen.contains(node));
                let node = node.or_else(|| {
                    let all = (0..nodes).map(NodeId::from_index);
                    let fitting: Vec<NodeId> = all.filter(|node| board.fits(*node) && !seen.contains(node)).collect();
                    (!fitting.is_empty()).then(|| fitting[draw(fitting.len())])
                });
                let Some(node) = node else { break };
                if chosen.is_none_or(|best| board.active(node) < board.active(best)) {
                    chosen = Some(node);
                }
                if self.choices > 1 {
                    seen.push(node);
                }
            }
            let Some(node) = chosen else { return };
            board.put(node);
        }
    }
}
