//! The event queue. It orders and keeps; it does not know what an event means.

use sched::{Span, Time};

/// Bits of a digit.
const DIGIT: u32 = 6;
/// Values of a digit.
const SLOTS: usize = 1 << DIGIT;
/// Digits of a time.
const LEVELS: usize = 64usize.div_ceil(DIGIT as usize);
/// Slots that held more than this give their memory back when they are dealt out.
const KEEP: usize = 64;

/// The future, in order of time; events for the same time come out in the order they went in.
///
/// A radix heap over base-64 digits. An entry lies at the level of the highest digit in which its time differs from
/// `now`, so scheduling is a push, and popping deals a slot out to lower levels a few times in an entry's life: the cost
/// does not grow with the number of pending events. It needs what a simulation gives: nothing is ever scheduled before
/// the event being handled. There is no removal: an event that lost its meaning is recognised by its owner when it
/// comes.
#[derive(Debug)]
pub struct Queue<E> {
    now: u64,
    len: usize,
    /// For each level, which of its slots hold something.
    occupied: [u64; LEVELS],
    slots: Vec<Vec<Entry<E>>>,
    /// What is due at `now`, last first.
    front: Vec<Entry<E>>,
}

#[derive(Debug)]
struct Entry<E> {
    at: u64,
    event: E,
}

impl<E> Queue<E> {
    /// Nothing is pending, and it is the beginning of the run.
    pub fn new() -> Self {
        Queue {
            now: 0,
            len: 0,
            occupied: [0; LEVELS],
            slots: (0..LEVELS * SLOTS).map(|_| Vec::new()).collect(),
            front: Vec::new(),
        }
    }

    /// The time of the event that was popped last.
    pub fn now(&self) -> Time {
        Time::from_nanos(self.now)
    }

    /// Number of pending events.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Schedules an event. To schedule before [`Queue::now`] is a programming error.
    pub fn at(&mut self, at: Time, event: impl Into<E>) {
        let entry = Entry { at: at.as_nanos(), event: event.into() };
        assert!(self.now <= entry.at, "scheduled at {at}, but it is already {}", self.now());
        self.len += 1;
        self.deal(entry);
    }

    /// Schedules an event `span` from now.
    pub fn after(&mut self, span: Span, event: impl Into<E>) {
        self.at(self.now() + span, event);
    }

    /// The next event; from here on it is its time.
    pub fn pop(&mut self) -> Option<(Time, E)> {
        while self.front.is_empty() {
            let level = self.occupied.iter().position(|&slots| slots != 0)?;
            let slot = level * SLOTS + self.occupied[level].trailing_zeros() as usize;
            self.occupied[level] &= self.occupied[level] - 1;
            if level == 0 {
                // Everything here has the same time.
                std::mem::swap(&mut self.front, &mut self.slots[slot]);
                self.front.reverse();
                self.now = self.front[0].at;
            } else {
                self.deal_out(slot);
            }
        }
        let Entry { at, event } = self.front.pop()?;
        self.len -= 1;
        Some((Time::from_nanos(at), event))
    }

    fn deal(&mut self, entry: Entry<E>) {
        let differs = entry.at ^ self.now;
        let level = differs.checked_ilog2().map_or(0, |bit| bit / DIGIT) as usize;
        let slot = (entry.at >> (level as u32 * DIGIT)) as usize % SLOTS;
        self.slots[level * SLOTS + slot].push(entry);
        self.occupied[level] |= 1 << slot;
    }

    /// Time moves on to the earliest entry of a slot, and all its entries to lower levels, in their order.
    fn deal_out(&mut self, slot: usize) {
        let mut entries = std::mem::take(&mut self.slots[slot]);
        self.now = entries.iter().map(|entry| entry.at).min().expect("an occupied slot is not empty");
        for entry in entries.drain(..) {
            self.deal(entry);
        }
        if entries.capacity() <= KEEP {
            self.slots[slot] = entries;
        }
    }
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Queue::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// What is scheduled after an event was popped: distances, many of them equal, some at the far end of time.
    fn distance() -> impl Strategy<Value = u64> {
        prop_oneof![0..3u64, 0..100u64, Just(5_000_000_000), 0..10_000_000_000u64, 0..u64::MAX / 1000]
    }

    proptest! {
        #[test]
        fn comes_out_like_a_stable_sort(steps in prop::collection::vec((prop::collection::vec(distance(), 0..5), 0..4usize), 1..200)) {
            let mut queue = Queue::new();
            let mut model: BTreeMap<(u64, u64), u64> = BTreeMap::new();
            let mut number = 0;
            for (distances, pops) in steps {
                for distance in distances {
                    let at = queue.now() + Span::from_nanos(distance);
                    queue.at(at, number);
                    model.insert((at.as_nanos(), number), number);
                    number += 1;
                }
                for _ in 0..pops {
                    let expected = model.pop_first().map(|((at, _), event)| (Time::from_nanos(at), event));
                    prop_assert_eq!(queue.pop(), expected);
                }
                prop_assert_eq!(queue.len(), model.len());
            }
            while let Some(((at, _), event)) = model.pop_first() {
                prop_assert_eq!(queue.pop(), Some((Time::from_nanos(at), event)));
            }
            prop_assert_eq!(queue.pop(), None);
            prop_assert!(queue.is_empty());
        }
    }

    #[test]
    fn an_event_for_now_comes_after_those_that_already_waited_for_now() {
        let mut queue: Queue<&str> = Queue::new();
        queue.at(Time::from_nanos(7), "first");
        queue.at(Time::from_nanos(7), "second");
        assert_eq!(queue.pop(), Some((Time::from_nanos(7), "first")));
        queue.after(Span::ZERO, "third");
        assert_eq!(queue.pop().map(|it| it.1), Some("second"));
        assert_eq!(queue.pop().map(|it| it.1), Some("third"));
    }

    #[test]
    fn the_end_of_time_is_a_time() {
        let mut queue: Queue<u8> = Queue::new();
        queue.at(Time::MAX, 1);
        queue.at(Time::ZERO, 0);
        assert_eq!(queue.pop(), Some((Time::ZERO, 0)));
        assert_eq!(queue.pop(), Some((Time::MAX, 1)));
    }

    #[test]
    #[should_panic(expected = "scheduled at 1s, but it is already 2s")]
    fn the_past_is_closed() {
        let mut queue: Queue<u8> = Queue::new();
        queue.at(Time::ZERO + Span::from_secs(2), 0);
        queue.pop();
        queue.at(Time::ZERO + Span::from_secs(1), 0);
    }
}
