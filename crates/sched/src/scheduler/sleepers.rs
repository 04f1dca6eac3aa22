//! Groups that found no place, by the ranking that refuses them and by its reasons.
//!
//! As long as one group of a class is refused by every node for the reasons of its class, so are all others of it:
//! a pass tries one of them, and leaves the others alone. So what a change costs does not grow with the groups that wait.

use std::collections::{BTreeMap, BTreeSet};

use super::filter::Refusals;
use super::pass_order::{PassOrder, PassPosition, Standing};
use super::ranking::Scope;

/// What groups have in common that sleep together: the ranking that refuses them, and why each node did.
pub(super) type RefusalClass = (Scope, Refusals);

#[derive(Clone, Default, Debug)]
pub(super) struct Sleepers {
    classes: BTreeMap<RefusalClass, BTreeSet<Standing>>,
    // During a pass:
    order: PassOrder,
    /// Classes that are to be asked, by the next position in them.
    due: BTreeSet<(PassPosition, RefusalClass)>,
    /// The class that is being asked.
    asked: Option<RefusalClass>,
    /// Classes that need not be asked again before something changes, and where the log stood when they were.
    quiet: Vec<RefusalClass>,
    seen: u64,
}

impl Sleepers {
    pub(super) fn insert(&mut self, class: RefusalClass, group: Standing) {
        self.classes.entry(class).or_default().insert(group);
    }

    pub(super) fn remove(&mut self, class: &RefusalClass, group: Standing) {
        if let Some(groups) = self.classes.get_mut(class) {
            groups.remove(&group);
            if groups.is_empty() {
                self.classes.remove(class);
            }
        }
    }

    /// A pass begins: every class is asked.
    pub(super) fn begin(&mut self, order: PassOrder) {
        self.order = order;
        self.due.clear();
        self.quiet.clear();
        self.asked = None;
        self.due.extend(self.classes.iter().filter_map(|(class, groups)| Some((order.next_of(groups, None)?, *class))));
    }

    /// Which group to try next, if its position is before `other`. All positions up to `last` are done; `log` is where the log
    /// of changes stands.
    pub(super) fn next_before(
        &mut self,
        other: Option<PassPosition>,
        last: Option<PassPosition>,
        log: u64,
    ) -> Option<(RefusalClass, PassPosition)> {
        if self.seen != log {
            self.seen = log;
            for class in std::mem::take(&mut self.quiet) {
                self.queue(class, last);
            }
        }
        if let Some(class) = self.asked.take() {
            self.queue(class, last);
        }
        let first = *self.due.first()?;
        if other.is_some_and(|other| other < first.0) {
            return None;
        }
        self.due.remove(&first);
        self.asked = Some(first.1);
        Some((first.1, first.0))
    }

    /// Nothing changes for the class that was asked.
    pub(super) fn let_sleep(&mut self) {
        self.quiet.extend(self.asked.take());
    }

    fn queue(&mut self, class: RefusalClass, last: Option<PassPosition>) {
        let next = self.classes.get(&class).and_then(|groups| self.order.next_of(groups, last));
        self.due.extend(next.map(|position| (position, class)));
    }
}
