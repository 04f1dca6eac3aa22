//! The event queue. It orders and keeps; it does not know what an event means.

use sched::{Span, Time};

/// Bits of a digit.
const DIGIT: u32 = 6;
/// Values of a digit.
const SLOTS: usize = 1 << DIGIT;
/// Digits of a time.
const LEVELS: usize = 64usize.div_ceil(DIGIT as usize);
/// Entries of a block.
const BLOCK: usize = 128;
/// Blocks by which the pool grows at least.
const BLOCKS_MORE: usize = 16;
/// No block.
const NONE: u32 = u32::MAX;

/// The future, in order of time; events for the same time come out in the order they went in.
///
/// A radix heap over base-64 digits. An entry lies at the level of the highest digit in which its time differs from
/// `now`, so scheduling is a push, and popping deals a slot out to lower levels a few times in an entry's life: the cost
/// does not grow with the number of pending events. It needs what a simulation gives: nothing is ever scheduled before
/// the event being handled. There is no removal: an event that lost its meaning is recognised by its owner when it
/// comes.
///
/// Slots are chains of blocks from one pool. Blocks are read and written from one end to the other, which is what makes
/// moving an entry cheap, and a queue that was once as full as it will be allocates no more.
#[derive(Clone, Debug)]
pub struct Queue<E> {
    now: u64,
    len: usize,
    /// For each level, which of its slots hold something.
    occupied: [u64; LEVELS],
    slots: Vec<Slot>,
    blocks: Vec<Block<E>>,
    /// The first unused block.
    free: u32,
    /// What is due at `now`, last first, and the block that goes on after it.
    front: Vec<Entry<E>>,
    behind: u32,
}

#[derive(Clone, Debug)]
struct Entry<E> {
    at: u64,
    event: E,
}

/// A chain of blocks, in the order in which its entries came.
#[derive(Clone, Copy, Debug)]
struct Slot {
    first: u32,
    last: u32,
    /// The time of its earliest entry.
    earliest: u64,
}

#[derive(Clone, Debug)]
struct Block<E> {
    entries: Vec<Entry<E>>,
    next: u32,
}

impl<E> Queue<E> {
    /// Nothing is pending, and it is the beginning of the run.
    pub fn new() -> Self {
        Queue {
            now: 0,
            len: 0,
            occupied: [0; LEVELS],
            slots: vec![Slot { first: NONE, last: NONE, earliest: 0 }; LEVELS * SLOTS],
            blocks: Vec::new(),
            free: NONE,
            front: Vec::with_capacity(BLOCK),
            behind: NONE,
        }
    }

    /// The time of the event that was popped last.
    pub fn now(&self) -> Time {
        Time::from_nanos(self.now)
    }

    /// When the next event is due, if any is pending.
    pub fn next_at(&self) -> Option<Time> {
        if let Some(entry) = self.front.last() {
            return Some(Time::from_nanos(entry.at));
        }
        if self.behind != NONE {
            return Some(self.now());
        }
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let slot = level * SLOTS + self.occupied[level].trailing_zeros() as usize;
        Some(Time::from_nanos(self.slots[slot].earliest))
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
        loop {
            if let Some(Entry { at, event }) = self.front.pop() {
                self.len -= 1;
                return Some((Time::from_nanos(at), event));
            }
            if self.behind != NONE {
                let block = self.behind;
                std::mem::swap(&mut self.front, &mut self.blocks[block as usize].entries);
                self.front.reverse();
                self.behind = self.release(block);
                continue;
            }
            let level = self.occupied.iter().position(|&slots| slots != 0)?;
            let slot = level * SLOTS + self.occupied[level].trailing_zeros() as usize;
            self.occupied[level] &= self.occupied[level] - 1;
            let Slot { first, last, earliest } = self.slots[slot];
            // Time moves on to the earliest entry of the slot.
            self.now = earliest;
            self.slots[slot].first = NONE;
            if level == 0 || first == last && self.blocks[first as usize].entries.len() == 1 {
                // Everything here has the same time.
                self.behind = first;
            } else {
                self.deal_out(first);
            }
        }
    }

    /// Puts an entry where it belongs as seen from `now`.
    fn deal(&mut self, entry: Entry<E>) {
        let differs = entry.at ^ self.now;
        let level = differs.checked_ilog2().map_or(0, |bit| bit / DIGIT) as usize;
        let digit = (entry.at >> (level as u32 * DIGIT)) as usize % SLOTS;
        let slot = level * SLOTS + digit;
        if self.slots[slot].first == NONE {
            let block = self.block();
            self.slots[slot] = Slot { first: block, last: block, earliest: entry.at };
            self.occupied[level] |= 1 << digit;
        } else if self.blocks[self.slots[slot].last as usize].entries.len() == BLOCK {
            let block = self.block();
            self.blocks[self.slots[slot].last as usize].next = block;
            self.slots[slot].last = block;
        }
        let slot = &mut self.slots[slot];
        slot.earliest = slot.earliest.min(entry.at);
        self.blocks[slot.last as usize].entries.push(entry);
    }

    /// Deals the entries of a chain to lower levels, in their order.
    fn deal_out(&mut self, mut block: u32) {
        while block != NONE {
            let mut entries = std::mem::take(&mut self.blocks[block as usize].entries);
            for entry in entries.drain(..) {
                self.deal(entry);
            }
            self.blocks[block as usize].entries = entries;
            block = self.release(block);
        }
    }

    /// An empty block. When there is none the pool grows by an eighth, so that it does not grow again with every record.
    fn block(&mut self) -> u32 {
        if self.free == NONE {
            for _ in 0..(self.blocks.len() / 8).max(BLOCKS_MORE) {
                self.blocks.push(Block { entries: Vec::with_capacity(BLOCK), next: self.free });
                self.free = self.blocks.len() as u32 - 1;
            }
        }
        let block = self.free;
        self.free = std::mem::replace(&mut self.blocks[block as usize].next, NONE);
        block
    }

    /// Gives an emptied block back; the answer is the one after it.
    fn release(&mut self, block: u32) -> u32 {
        let next = std::mem::replace(&mut self.blocks[block as usize].next, self.free);
        self.free = block;
        next
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
                    let next = model.first_key_value().map(|((at, _), _)| Time::from_nanos(*at));
                    prop_assert_eq!(queue.next_at(), next);
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
        assert_eq!(queue.pop().map(|entry| entry.1), Some("second"));
        assert_eq!(queue.pop().map(|entry| entry.1), Some("third"));
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
