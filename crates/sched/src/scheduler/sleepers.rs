//! Groups that found no place, in the order of their turns, by what would give them one and by what they were told.
//!
//! As long as one group of a bed is refused by every node for the reasons that the bed was told, so are all others of it:
//! a pass asks one of them, and leaves the others alone. So what a change costs does not grow with the groups that wait.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::filter::Refusals;
use super::view::Scope;

/// The number of the creation of a group's oldest waiting task, and the group.
pub(super) type Turn = (u64, u32);

/// What groups have in common that sleep together: the view that refuses them, and why each node did.
pub(super) type Bed = (Scope, Refusals);

#[derive(Clone, Default, Debug)]
pub(super) struct Sleepers {
    beds: BTreeMap<Bed, BTreeSet<Turn>>,
    // During a pass:
    /// Beds that are to be asked, by the next turn in them.
    due: BTreeSet<(Turn, Bed)>,
    /// The bed that is being asked.
    asked: Option<Bed>,
    /// Beds that need not be asked again before something changes, and where the log stood when they were.
    quiet: Vec<Bed>,
    seen: u64,
}

impl Sleepers {
    pub(super) fn insert(&mut self, bed: Bed, turn: Turn) {
        self.beds.entry(bed).or_default().insert(turn);
    }

    pub(super) fn remove(&mut self, bed: &Bed, turn: Turn) {
        if let Some(turns) = self.beds.get_mut(bed) {
            turns.remove(&turn);
            if turns.is_empty() {
                self.beds.remove(bed);
            }
        }
    }

    /// A pass begins: every bed is asked.
    pub(super) fn begin(&mut self) {
        self.due.clear();
        self.quiet.clear();
        self.asked = None;
        self.due.extend(self.beds.iter().filter_map(|(bed, turns)| Some((*turns.first()?, *bed))));
    }

    /// Whom to ask next, if their turn is before that of `other`. All turns up to `last` are over; `log` is where the log
    /// of changes stands.
    pub(super) fn next_before(&mut self, other: Option<Turn>, last: Option<Turn>, log: u64) -> Option<(Bed, Turn)> {
        if self.seen != log {
            self.seen = log;
            for bed in std::mem::take(&mut self.quiet) {
                self.queue(bed, last);
            }
        }
        if let Some(bed) = self.asked.take() {
            self.queue(bed, last);
        }
        let first = *self.due.first()?;
        if other.is_some_and(|other| other < first.0) {
            return None;
        }
        self.due.remove(&first);
        self.asked = Some(first.1);
        Some((first.1, first.0))
    }

    /// Nothing changes for the bed that was asked.
    pub(super) fn let_sleep(&mut self) {
        self.quiet.extend(self.asked.take());
    }

    fn queue(&mut self, bed: Bed, last: Option<Turn>) {
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.beds.get(&bed).and_then(|turns| turns.range((after, Bound::Unbounded)).next());
        self.due.extend(next.map(|turn| (*turn, bed)));
    }
}
