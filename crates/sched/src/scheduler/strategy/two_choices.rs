//! What a little order does for chance: the better of two.

use super::random::Random;
use super::{Entry, Strategy};

pub(super) const ENTRY: Entry<dyn Strategy> = Entry {
    name: "two-choices",
    summary: "Of two nodes that fit, drawn by chance, the one with fewer tasks",
    build: |_| Box::new(Random::of(2)),
};
