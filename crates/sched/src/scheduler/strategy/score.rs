//! Best node first by a score, for strategies that look at every node once for a group.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Board;
use crate::id::NodeId;

/// Five failures within five minutes put a node behind all others, as in SwarmKit.
const FAILED: u32 = 5;

/// What decides between nodes: failures that matter, the score, tasks, chance. Lower first.
pub(super) type Key = (u32, u64, u32, u32);

/// Nodes in order of their keys, from which the best is taken again and again. What it holds is room to work in.
#[derive(Clone, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<(Key, NodeId)>>,
}

impl Queue {
    pub(super) fn clear(&mut self) {
        self.heap.clear();
    }

    pub(super) fn push(&mut self, board: &Board<'_>, node: NodeId, score: u64) {
        self.heap.push(Reverse((key(board, node, score), node)));
    }

    /// Takes the best node on which a task fits; those before it, on which none fits any more, are left out.
    pub(super) fn pop(&mut self, board: &mut Board<'_>) -> Option<NodeId> {
        while let Some(Reverse((_, node))) = self.heap.pop() {
            if board.fits(node) {
                return Some(node);
            }
        }
        None
    }
}

fn key(board: &Board<'_>, node: NodeId, score: u64) -> Key {
    let failures = board.failures(node);
    (if failures < FAILED { 0 } else { failures }, score, board.active(node), board.tie(node))
}

/// Gives each task to the node with the lowest score, which is asked anew for a node when that took a task.
pub(super) fn place(board: &mut Board<'_>, queue: &mut Queue, score: impl Fn(&Board<'_>, NodeId) -> u64) {
    queue.clear();
    for node in board.nodes() {
        if board.fits(node) {
            queue.push(board, node, score(board, node));
        }
    }
    while board.waiting() > 0 {
        let Some(node) = queue.pop(board) else { return };
        board.put(node);
        queue.push(board, node, score(board, node));
    }
}

/// A share from 0 to 1 in 2^32 parts; what is more than all counts as all.
pub(super) fn parts(part: i64, whole: i64) -> u64 {
    if whole <= 0 {
        return 0;
    }
    let (part, whole) = (part.clamp(0, whole) as u128, whole as u128);
    ((part << 32) / whole) as u64
}
