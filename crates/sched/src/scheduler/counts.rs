//! How many tasks of one kind each node has, for the few nodes that have any.

use crate::id::{NodeId, Row};

/// Numbers by node: one pair of node and number, or an open-addressing table of pairs, 8 bytes each, or, where that would
/// be no smaller, a list by row of the node.
///
/// The hash is fixed and nothing depends on the order of iteration but sums, so it is as deterministic as a sorted list.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    /// Nodes with a number other than zero.
    len: usize,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// A service of one task needs no memory of its own.
    One(u32, u32),
    /// A power of two of pairs, at least a fifth of them free.
    Table(Vec<(u32, u32)>),
    List(Vec<u32>),
}

const FREE: u32 = u32::MAX;
/// Memory of more nodes than this is given back when all are zero; less serves the next tasks.
const LARGE: usize = 64;

impl Default for Counts {
    fn default() -> Counts {
        Counts::none()
    }
}

impl Counts {
    /// All zero.
    pub(super) const fn none() -> Counts {
        Counts { len: 0, form: Form::One(FREE, 0) }
    }

    /// Nodes with a number other than zero.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, node: NodeId) -> u32 {
        let row = node.index();
        let (owner, number) = match &self.form {
            Form::One(owner, number) => (*owner, *number),
            Form::Table(pairs) => pairs[find(pairs, row as u32)],
            Form::List(numbers) => return numbers.get(row).copied().unwrap_or(0),
        };
        if owner == row as u32 { number } else { 0 }
    }

    /// One more at a node, which is one of so many.
    pub(super) fn increase(&mut self, node: NodeId, nodes: usize) {
        let row = node.index();
        match &mut self.form {
            Form::One(owner, number) if *owner == row as u32 => *number += 1,
            form @ Form::One(FREE, _) => (*form, self.len) = (Form::One(row as u32, 1), 1),
            Form::Table(pairs) if (self.len + 1) * 5 <= pairs.len() * 4 => {
                let at = find(pairs, row as u32);
                let pair = &mut pairs[at];
                if pair.0 == FREE {
                    *pair = (row as u32, 0);
                    self.len += 1;
                }
                pair.1 += 1;
            }
            Form::List(numbers) => {
                if numbers.len() <= row {
                    numbers.resize(nodes.max(row + 1), 0);
                }
                self.len += usize::from(numbers[row] == 0);
                numbers[row] += 1;
            }
            _ => {
                self.grow(nodes);
                self.increase(node, nodes);
            }
        }
    }

    pub(super) fn decrease(&mut self, node: NodeId) {
        let row = node.index() as u32;
        let left = match &mut self.form {
            Form::One(owner, number) if *owner == row => {
                *number -= 1;
                *number
            }
            Form::Table(pairs) => {
                let at = find(pairs, row);
                assert!(pairs[at].0 == row, "what is counted off was counted on");
                pairs[at].1 -= 1;
                let left = pairs[at].1;
                if left == 0 {
                    take_out(pairs, at);
                }
                left
            }
            Form::List(numbers) => {
                let number = &mut numbers[row as usize];
                *number = number.checked_sub(1).expect("what is counted off was counted on");
                *number
            }
            Form::One(..) => unreachable!("what is counted off was counted on"),
        };
        if left == 0 {
            self.len -= 1;
            let size = match &self.form {
                Form::One(..) => return *self = Counts::none(),
                Form::Table(pairs) => pairs.len(),
                Form::List(numbers) => numbers.len(),
            };
            if self.len == 0 && size > LARGE {
                *self = Counts::none();
            }
        }
    }

    /// Every node with its number, in an order without meaning.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, u32)> + '_ {
        let one = if let Form::One(owner, number) = self.form { Some((owner, number)) } else { None };
        let pairs: &[(u32, u32)] = if let Form::Table(pairs) = &self.form { pairs } else { &[] };
        let list: &[u32] = if let Form::List(numbers) = &self.form { numbers } else { &[] };
        let rows = list.iter().enumerate().filter(|(_, number)| **number > 0);
        let rows = rows.map(|(row, number)| (row as u32, *number));
        let all = one.into_iter().chain(pairs.iter().copied()).filter(|(owner, _)| *owner != FREE).chain(rows);
        all.map(|(row, number)| (NodeId::from_index(row as usize), number))
    }

    /// Makes room for one more node.
    fn grow(&mut self, nodes: usize) {
        let pairs = if let Form::Table(pairs) = &self.form { pairs.len() * 2 } else { 4 };
        let old = self.clone();
        if nodes <= pairs * 2 {
            let mut numbers = vec![0; nodes];
            for (node, number) in old.iter() {
                numbers[node.index()] = number;
            }
            self.form = Form::List(numbers);
            return;
        }
        let mut pairs = vec![(FREE, 0); pairs];
        for (node, number) in old.iter() {
            let at = find(&pairs, node.index() as u32);
            pairs[at] = (node.index() as u32, number);
        }
        self.form = Form::Table(pairs);
    }
}

/// Where a row is, or would be.
fn find(pairs: &[(u32, u32)], row: u32) -> usize {
    let mask = pairs.len() - 1;
    let mut at = home(pairs, row);
    while pairs[at].0 != row && pairs[at].0 != FREE {
        at = (at + 1) & mask;
    }
    at
}

/// Fibonacci hashing: the high bits of the product with the golden ratio.
fn home(pairs: &[(u32, u32)], row: u32) -> usize {
    let bits = pairs.len().trailing_zeros();
    (u64::from(row).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1 >> (63 - bits)) as usize
}

/// Pairs behind the hole move up, so that no search ends too early (Knuth, volume 3, algorithm 6.4R).
fn take_out(pairs: &mut [(u32, u32)], mut hole: usize) {
    let mask = pairs.len() - 1;
    let mut at = hole;
    loop {
        at = (at + 1) & mask;
        let (owner, _) = pairs[at];
        if owner == FREE {
            break;
        }
        if (at.wrapping_sub(home(pairs, owner)) & mask) >= (at.wrapping_sub(hole) & mask) {
            pairs[hole] = pairs[at];
            hole = at;
        }
    }
    pairs[hole].0 = FREE;
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
        // As a table at last, and as a list.
        for nodes in [100_000, 300] {
            counts_of(nodes);
        }
    }

    fn counts_of(nodes: usize) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut counts, mut map) = (Counts::default(), BTreeMap::<u32, u32>::new());
        for step in 0..100_000 {
            let row = rng.random_range(0..300u32);
            let node = NodeId::from_index(row as usize);
            // The table fills, and then empties.
            if rng.random_range(0..100) < if step < 50_000 { 55 } else { 30 } {
                counts.increase(node, nodes);
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
