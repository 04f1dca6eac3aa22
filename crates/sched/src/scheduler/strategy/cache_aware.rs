//! Where the image is already.

use super::score::{Queue, place};
use super::{Board, Entry, Strategy};

pub(super) const ENTRY: Entry<dyn Strategy> = Entry {
    name: "cache-aware",
    summary: "Node that lacks fewest bytes of the image first, as its agent reports; then fewest tasks",
    build: |_| Box::<CacheAware>::default(),
};

/// Fewest missing bytes of the task's image first, then fewest tasks. What a node lacks is what [`crate::Event::ImageMissing`]
/// said last; a node of which nothing was said lacks everything. SwarmKit has no such report: its agents say nothing of images.
#[derive(Clone, Default)]
pub(super) struct CacheAware {
    queue: Queue,
}

impl Strategy for CacheAware {
    fn wants_images(&self) -> bool {
        true
    }

    fn place(&mut self, board: &mut Board<'_>) {
        place(board, &mut self.queue, |board, node| board.missing_bytes(node));
    }
}
