//! How many tasks of one kind each node has, for the few nodes that have any.

use crate::id::{NodeId, Row};

/// Numbers by node, most of them zero: one pair of node and number, or an open-addressing table of pairs, 8 bytes each.
///
/// The hash is fixed and nothing depends on the order of iteration but sums, so it is as deterministic as a sorted list.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    /// The only pair, as long as there is no table: a service of one task needs no memory of its own.
    only: (u32, u32),
    /// A power of two, at least a fifth of it free; or none at all.
    pairs: Vec<(u32, u32)>,
    len: usize,
}

const FREE: u32 = u32::MAX;

impl Default for Counts {
    fn default() -> Counts {
        Counts::none()
    }
}

impl Counts {
    /// All zero.
    pub(super) const fn none() -> Counts {
        Counts { only: (FREE, 0), pairs: Vec::new(), len: 0 }
    }

    /// Nodes with a number other than zero.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, node: NodeId) -> u32 {
        if self.len == 0 {
            return 0;
        }
        let (owner, number) = if self.pairs.is_empty() { self.only } else { self.pairs[self.find(node)] };
        if owner == node.index() as u32 { number } else { 0 }
    }

    pub(super) fn increase(&mut self, node: NodeId) {
        if self.pairs.is_empty() {
            let row = node.index() as u32;
            if self.only.0 == FREE {
                (self.only, self.len) = ((row, 1), 1);
                return;
            }
            if self.only.0 == row {
                self.only.1 += 1;
                return;
            }
        }
        if (self.len + 1) * 5 > self.pairs.len() * 4 {
            self.grow();
        }
        let at = self.find(node);
        let pair = &mut self.pairs[at];
        if pair.0 == FREE {
            *pair = (node.index() as u32, 0);
            self.len += 1;
        }
        pair.1 += 1;
    }

    pub(super) fn decrease(&mut self, node: NodeId) {
        assert!(self.len > 0, "what is counted off was counted on");
        if self.pairs.is_empty() {
            assert!(self.only.0 == node.index() as u32, "what is counted off was counted on");
            self.only.1 -= 1;
            if self.only.1 == 0 {
                *self = Counts::none();
            }
            return;
        }
        let mut hole = self.find(node);
        let pair = &mut self.pairs[hole];
        assert!(pair.0 != FREE, "what is counted off was counted on");
        pair.1 -= 1;
        if pair.1 > 0 {
            return;
        }
        self.len -= 1;
        // Entries behind the hole move up, so that no search ends too early (Knuth, volume 3, algorithm 6.4R).
        let mask = self.pairs.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let (owner, _) = self.pairs[at];
            if owner == FREE {
                break;
            }
            let home = self.home(owner);
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.pairs[hole] = self.pairs[at];
                hole = at;
            }
        }
        self.pairs[hole].0 = FREE;
    }

    /// Every node with its number, in an order without meaning.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, u32)> + '_ {
        let only = std::slice::from_ref(&self.only).iter();
        let taken = self.pairs.iter().chain(only).filter(|(node, _)| *node != FREE);
        taken.map(|(node, number)| (NodeId::from_index(*node as usize), *number))
    }

    /// Where a node is, or would be.
    fn find(&self, node: NodeId) -> usize {
        let (row, mask) = (node.index() as u32, self.pairs.len() - 1);
        let mut at = self.home(row);
        while self.pairs[at].0 != row && self.pairs[at].0 != FREE {
            at = (at + 1) & mask;
        }
        at
    }

    /// Fibonacci hashing: the high bits of the product with the golden ratio.
    fn home(&self, row: u32) -> usize {
        let bits = self.pairs.len().trailing_zeros();
        (u64::from(row).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1 >> (63 - bits)) as usize
    }

    fn grow(&mut self) {
        let pairs = vec![(FREE, 0); (self.pairs.len() * 2).max(4)];
        let only = std::mem::replace(&mut self.only, (FREE, 0));
        for (row, number) in std::mem::replace(&mut self.pairs, pairs).into_iter().chain([only]) {
            if row != FREE {
                let at = self.find(NodeId::from_index(row as usize));
                self.pairs[at] = (row, number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::RngExt;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn counts_are_those_of_a_sorted_map() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut counts, mut map) = (Counts::default(), BTreeMap::<u32, u32>::new());
        for step in 0..100_000 {
            let row = rng.random_range(0..300u32);
            let node = NodeId::from_index(row as usize);
            // The table fills, and then empties.
            if rng.random_range(0..100) < if step < 50_000 { 55 } else { 30 } {
                counts.increase(node);
                *map.entry(row).or_default() += 1;
            } else if let Some(number) = map.get_mut(&row) {
                counts.decrease(node);
                *number -= 1;
                map.retain(|_, number| *number > 0);
            }
            assert_eq!((counts.get(node), counts.len()), (map.get(&row).copied().unwrap_or(0), map.len()));
        }
        let mut all: Vec<_> = counts.iter().map(|(node, number)| (node.index() as u32, number)).collect();
        all.sort_unstable();
        assert_eq!(all, map.into_iter().collect::<Vec<_>>());
    }
}
