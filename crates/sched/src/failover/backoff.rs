//! Tasks that end again and again: what a preset counts of them.

use std::collections::BTreeMap;

use super::state;
use crate::id::{NodeId, Row, ServiceId, Slot};
use crate::task::Task;
use crate::time::{Span, Time};

/// Ends of the tasks of slots, one after the other.
#[derive(Clone, Default, PartialEq, Debug)]
pub(super) struct Backoffs {
    ends: BTreeMap<(ServiceId, Slot), Ends>,
}

/// What is known of a slot.
#[derive(Clone, Default, PartialEq, Debug)]
struct Ends {
    /// Ends in a row.
    count: u32,
    /// When the last replacement could start.
    started: Time,
}

impl Backoffs {
    /// A task ended: how often this happened before in a row. A run of `reset` ends the row.
    pub(super) fn count(&mut self, task: &Task, now: Time, reset: Span) -> u32 {
        let ends = self.ends.entry((task.service, task.slot)).or_default();
        let started = ends.started.max(task.created);
        if reset <= now.since(started) {
            ends.count = 0;
        }
        let before = ends.count;
        ends.count = ends.count.saturating_add(1);
        before
    }

    /// The replacement of a task starts then.
    pub(super) fn starts(&mut self, task: &Task, at: Time) {
        if let Some(ends) = self.ends.get_mut(&(task.service, task.slot)) {
            ends.started = at;
        }
    }

    /// The row is over.
    pub(super) fn reset(&mut self, task: &Task) {
        if let Some(ends) = self.ends.get_mut(&(task.service, task.slot)) {
            ends.count = 0;
        }
    }

    /// A service is removed.
    pub(super) fn forget(&mut self, service: ServiceId) {
        self.ends.retain(|(other, _), _| *other != service);
    }

    pub(super) fn save(&self) -> String {
        let numbers = self.ends.iter().flat_map(|((service, slot), ends)| {
            let (kind, number) = slot_numbers(*slot);
            [service.index() as u64, kind, number, u64::from(ends.count), ends.started.as_nanos()]
        });
        state::join(numbers)
    }

    pub(super) fn load(text: &str) -> Result<Backoffs, String> {
        let numbers: Vec<u64> = state::numbers(text)?;
        let one = |numbers: &[u64]| {
            let key = (ServiceId::from_index(numbers[0] as usize), slot_of(numbers[1], numbers[2]));
            (key, Ends { count: numbers[3] as u32, started: Time::from_nanos(numbers[4]) })
        };
        Ok(Backoffs { ends: numbers.chunks_exact(5).map(one).collect() })
    }
}

fn slot_numbers(slot: Slot) -> (u64, u64) {
    match slot {
        Slot::Number(number) => (0, number.into()),
        Slot::Node(node) => (1, node.index() as u64),
        Slot::Spare(number) => (2, number.into()),
    }
}

fn slot_of(kind: u64, number: u64) -> Slot {
    match kind {
        0 => Slot::Number(number as u32),
        1 => Slot::Node(NodeId::from_index(number as usize)),
        _ => Slot::Spare(number as u32),
    }
}

/// `first` times `factor` to the power of `times`, at most `most`.
pub(super) fn grown(first: Span, factor: f64, times: u32, most: Span) -> Span {
    let seconds = first.as_secs_f64() * factor.powi(times.min(1000) as i32);
    if seconds < most.as_secs_f64() { Span::from_secs_f64(seconds) } else { most }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_limit() {
        let secs = Span::from_secs;
        assert_eq!(grown(secs(10), 2.0, 0, secs(300)), secs(10));
        assert_eq!(grown(secs(10), 2.0, 4, secs(300)), secs(160));
        assert_eq!(grown(secs(10), 2.0, 5, secs(300)), secs(300));
        assert_eq!(grown(secs(1), 1.15, u32::MAX, secs(300)), secs(300));
    }
}
