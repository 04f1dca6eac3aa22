//! The tournament: which of many places has the smallest key.

/// Keys by place, and above every eight of them the smallest, level by level: one level of a block is one cache line.
///
/// A change costs a line per level until nothing changes any more, a question the same; at 100,000 places there are six
/// levels, of which the upper four fit into the first-level cache.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    len: usize,
    /// All levels, the keys first; each is padded with [`u64::MAX`] to whole blocks.
    keys: Vec<u64>,
    /// Where each level begins.
    levels: Vec<usize>,
}

const BLOCK: usize = 8;

fn least(block: &[u64]) -> u64 {
    block.iter().copied().fold(u64::MAX, u64::min)
}

impl Order {
    /// Takes these keys for all that were there.
    pub(super) fn rebuild(&mut self, keys: impl ExactSizeIterator<Item = u64>) {
        self.len = keys.len();
        self.keys.clear();
        self.levels.clear();
        self.levels.push(0);
        self.keys.extend(keys);
        loop {
            self.keys.resize(self.keys.len().next_multiple_of(BLOCK).max(BLOCK), u64::MAX);
            let begin = self.levels[self.levels.len() - 1];
            if self.keys.len() - begin == BLOCK {
                return;
            }
            self.levels.push(self.keys.len());
            for block in (begin..self.keys.len()).step_by(BLOCK) {
                let least = least(&self.keys[block..block + BLOCK]);
                self.keys.push(least);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn keys(&self) -> &[u64] {
        &self.keys[..self.len]
    }

    pub(super) fn set(&mut self, place: usize, key: u64) {
        let mut at = place;
        self.keys[place] = key;
        for pair in self.levels.windows(2) {
            let block = at / BLOCK;
            let begin = pair[0] + block * BLOCK;
            let least = least(&self.keys[begin..begin + BLOCK]);
            let above = &mut self.keys[pair[1] + block];
            if *above == least {
                return;
            }
            *above = least;
            at = block;
        }
    }

    /// The smallest key of the places from `low` on and before `high`.
    pub(super) fn min(&self, mut low: usize, mut high: usize) -> u64 {
        if low == 0 && high == self.len {
            return least(&self.keys[self.keys.len() - BLOCK..]);
        }
        let mut best = u64::MAX;
        for begin in &self.levels {
            if high - low <= 2 * BLOCK {
                return best.min(least(&self.keys[begin + low..begin + high]));
            }
            let (inner_low, inner_high) = (low.next_multiple_of(BLOCK), high / BLOCK * BLOCK);
            best = best.min(least(&self.keys[begin + low..begin + inner_low]));
            best = best.min(least(&self.keys[begin + inner_high..begin + high]));
            (low, high) = (inner_low / BLOCK, inner_high / BLOCK);
        }
        unreachable!("the last level is one block")
    }

    /// The first place from `low` on and before `high` whose key is not above `bound`.
    pub(super) fn first(&self, bound: u64, low: usize, high: usize) -> Option<usize> {
        if low >= high {
            return None;
        }
        let mut at = low;
        for (level, begin) in self.levels.iter().enumerate() {
            let end = (at / BLOCK + 1) * BLOCK;
            if let Some(step) = self.keys[begin + at..begin + end].iter().position(|key| *key <= bound) {
                let mut found = at + step;
                for begin in self.levels[..level].iter().rev() {
                    found *= BLOCK;
                    let block = &self.keys[begin + found..begin + found + BLOCK];
                    found += block.iter().position(|key| *key <= bound).expect("the level above says so");
                }
                return (found < high).then_some(found);
            }
            at = end / BLOCK;
            if at * BLOCK.pow(level as u32 + 1) >= high {
                return None;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn answers_are_those_of_a_search() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for len in [0, 1, 7, 8, 9, 63, 64, 65, 513, 5000] {
            let mut keys: Vec<u64> = (0..len).map(|_| rng.random_range(0..50)).collect();
            let mut order = Order::default();
            order.rebuild(keys.iter().copied());
            for _ in 0..2000 {
                let (a, b) = (rng.random_range(0..=len), rng.random_range(0..=len));
                let (low, high) = (a.min(b), a.max(b));
                let bound = rng.random_range(0..60);
                assert_eq!(order.min(low, high), keys[low..high].iter().copied().min().unwrap_or(u64::MAX));
                let first = keys[low..high].iter().position(|key| *key <= bound).map(|step| low + step);
                assert_eq!(order.first(bound, low, high), first, "{len}: {low}..{high} up to {bound}");
                if len > 0 {
                    let (place, key) = (rng.random_range(0..len), rng.random_range(0..70));
                    keys[place] = key;
                    order.set(place, key);
                }
            }
            assert_eq!(order.min(0, len), keys.iter().copied().min().unwrap_or(u64::MAX));
            assert_eq!(order.keys(), keys);
        }
    }
}
