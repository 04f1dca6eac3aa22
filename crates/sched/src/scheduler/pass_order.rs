//! In which order a pass asks the groups that wait.
//!
//! SwarmKit ranges over a map that each pass fills anew, so that any order is as likely as any other, and a group that
//! has waited long is not served before the others. Here the order is a permutation of all services that were ever
//! created, drawn by the seed and the time of the pass. It is computed both ways, from a service to its place and back:
//! so the first of many groups is found without a look at all of them, and a restored manager finds the same.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::board::mix;
use super::layout::TieBreak;

/// What orders a group, and its number.
///
/// With [`TieBreak::LowestId`] that is the number of the creation of its oldest waiting task; with [`TieBreak::Seeded`]
/// the row of its service and the version.
pub(super) type Standing = (u64, u64, u32);

/// The place of a group in the order of one pass. No two groups have the same.
pub(super) type PassPosition = (u64, u64, u32);

/// The order of one pass.
#[derive(Clone, Copy, Default, Debug)]
pub(super) enum PassOrder {
    /// The group whose oldest task was created first comes first.
    #[default]
    Oldest,
    /// Any order, by chance.
    Shuffled {
        /// Belongs to this pass.
        key: u64,
        /// A place has so many bits, and half of them stand for a row and a column.
        half: u32,
    },
}

impl PassOrder {
    /// A service has at least this many bits, because a permutation of very few is not drawn evenly.
    const LEAST_HALF: u32 = 6;

    /// The order of a pass by the time in nanoseconds at which it begins, when `services` were created so far.
    pub(super) fn new((ties, seed): (TieBreak, u64), now: u64, services: usize) -> PassOrder {
        match ties {
            TieBreak::LowestId => PassOrder::Oldest,
            TieBreak::Seeded => {
                // Rows have 32 bits, whatever a snapshot says of their number.
                let half = (usize::BITS - services.leading_zeros()).div_ceil(2).clamp(Self::LEAST_HALF, 16);
                PassOrder::Shuffled { key: mix(seed ^ mix(now)), half }
            }
        }
    }

    /// Where a group stands in this pass.
    pub(super) fn position(self, (first, second, number): Standing) -> PassPosition {
        match self {
            PassOrder::Oldest => (first, second, number),
            PassOrder::Shuffled { key, half } => (shuffle(first, key, half), mix(key ^ second), number),
        }
    }

    /// The first group behind `last` in this pass.
    pub(super) fn next_of(self, groups: &BTreeSet<Standing>, last: Option<PassPosition>) -> Option<PassPosition> {
        let PassOrder::Shuffled { key, half } = self else {
            let after = last.map_or(Bound::Unbounded, Bound::Excluded);
            return groups.range((after, Bound::Unbounded)).next().copied();
        };
        let places = 1_u64 << (2 * half);
        let len = groups.len() as u64;
        let is_behind = |position: &PassPosition| last.is_none_or(|last| *position > last);
        if len.saturating_mul(len) <= 4 * places {
            return groups.iter().map(|group| self.position(*group)).filter(is_behind).min();
        }
        // So many that one stands near every place.
        (last.map_or(0, |last| last.0)..places).find_map(|place| {
            let row = unshuffle(place, key, half);
            let versions = groups.range((row, 0, 0)..=(row, u64::MAX, u32::MAX));
            versions.map(|group| self.position(*group)).filter(is_behind).min()
        })
    }
}

const ROUNDS: u64 = 4;

/// A permutation of the numbers of twice `half` bits: a Feistel network, which mixes one half into the other in turn
/// (Luby and Rackoff 1988: four rounds of random functions cannot be told from a random permutation).
fn shuffle(number: u64, key: u64, half: u32) -> u64 {
    let (mut left, mut right) = (number >> half, number & ((1 << half) - 1));
    for round in 0..ROUNDS {
        (left, right) = (right, left ^ scramble(right, key, round, half));
    }
    left << half | right
}

/// The number that [`shuffle`] brings to this place.
fn unshuffle(place: u64, key: u64, half: u32) -> u64 {
    let (mut left, mut right) = (place >> half, place & ((1 << half) - 1));
    for round in (0..ROUNDS).rev() {
        (left, right) = (right ^ scramble(left, key, round, half), left);
    }
    left << half | right
}

fn scramble(part: u64, key: u64, round: u64, half: u32) -> u64 {
    mix(key ^ mix(part << 2 | round)) >> (u64::BITS - half)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shuffled(now: u64, services: usize) -> PassOrder {
        PassOrder::new((TieBreak::Seeded, 7), now, services)
    }

    #[test]
    fn a_shuffled_number_comes_back() {
        for half in [6, 7, 10, 16] {
            for number in (0..1 << (2 * half)).step_by(1 + (1 << (2 * half)) / 1000) {
                assert_eq!(unshuffle(shuffle(number, 99, half), 99, half), number, "{half} bits");
            }
        }
    }

    /// All 24 orders of four groups are equally likely: chi-square with 23 degrees of freedom, 99.9 % quantile.
    #[test]
    fn each_order_of_four_groups_is_as_likely_as_any_other() {
        let mut counts = std::collections::BTreeMap::<Vec<u64>, u32>::new();
        let passes = 24_000;
        for now in 0..passes {
            let order = shuffled(now * 1_000_003, 40);
            let mut groups = [3, 4, 17, 39];
            groups.sort_by_key(|row| order.position((*row, 1, 0)));
            *counts.entry(groups.to_vec()).or_default() += 1;
        }
        let expected = passes as f64 / 24.0;
        assert_eq!(counts.len(), 24);
        let chi: f64 = counts.values().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
        assert!(chi < 49.73, "chi-square {chi}");
    }

    /// Few groups are all looked at, many are found from their places: both ways name the same.
    #[test]
    fn the_next_group_is_the_one_that_sorting_names() {
        for (services, step) in [(10, 1), (5_000, 1), (5_000, 70), (100_000, 3)] {
            let order = shuffled(services as u64, services);
            let groups: BTreeSet<Standing> =
                (0..services as u64).step_by(step).flat_map(|row| [(row, 1, 0), (row, 2, 1)]).collect();
            let mut sorted: Vec<PassPosition> = groups.iter().map(|group| order.position(*group)).collect();
            sorted.sort_unstable();
            let mut last = None;
            for expected in sorted.into_iter().take(300) {
                last = order.next_of(&groups, last);
                assert_eq!(last, Some(expected), "{services} services, each {step}th");
            }
        }
    }
}
