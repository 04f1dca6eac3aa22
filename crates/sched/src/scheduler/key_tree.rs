//! The tournament: which of many places has the smallest key.

/// Keys by place, and above every eight of them the smallest, level by level: one level of a block is one cache line.
///
/// A change costs a line per level until nothing changes any more, a question the same; at 100,000 places there are six
/// levels, of which the upper four fit into the first-level cache.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyTree {
    len: usize,
    /// All levels, the keys first; each is padded with [`u64::MAX`] to whole blocks.
    blocks: Vec<Block>,
    /// Where each level begins.
    levels: Vec<usize>,
}

const BLOCK: usize = 8;
type Block = [u64; BLOCK];

fn least(keys: &[u64]) -> u64 {
    keys.iter().copied().fold(u64::MAX, u64::min)
}

/// Which keys of a block are not above `bound`, a bit for each. Without a branch, because nobody can guess it.
fn fitting(block: &Block, bound: u64) -> u32 {
    block.iter().rev().fold(0, |bits, key| bits << 1 | u32::from(*key <= bound))
}

impl KeyTree {
    /// Takes these keys for all that were there.
    pub(super) fn rebuild(&mut self, keys: impl ExactSizeIterator<Item = u64>) {
        self.len = keys.len();
        self.blocks.clear();
        self.levels.clear();
        self.levels.push(0);
        self.fill(keys);
        loop {
            let begin = self.levels[self.levels.len() - 1];
            let end = self.blocks.len();
            if end - begin == 1 {
                return;
            }
            self.levels.push(end);
            for block in (begin..end).step_by(BLOCK) {
                let mut above = [u64::MAX; BLOCK];
                let below = &self.blocks[block..end.min(block + BLOCK)];
                above.iter_mut().zip(below).for_each(|(above, below)| *above = least(below));
                self.blocks.push(above);
            }
        }
    }

    /// The lowest level.
    fn fill(&mut self, mut keys: impl ExactSizeIterator<Item = u64>) {
        for _ in 0..self.len.div_ceil(BLOCK).max(1) {
            self.blocks.push(std::array::from_fn(|_| keys.next().unwrap_or(u64::MAX)));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn keys(&self) -> &[u64] {
        &self.blocks.as_flattened()[..self.len]
    }

    pub(super) fn set(&mut self, place: usize, mut key: u64) {
        let mut at = place;
        for begin in &self.levels {
            let (block, step) = (at / BLOCK, at % BLOCK);
            let keys = &mut self.blocks[begin + block];
            if keys[step] == key {
                return;
            }
            keys[step] = key;
            key = least(keys);
            at = block;
        }
    }

    /// The smallest key of the places from `low` on and before `high`.
    pub(super) fn min(&self, mut low: usize, mut high: usize) -> u64 {
        if low == 0 && high == self.len {
            return self.blocks.last().map_or(u64::MAX, |top| least(top));
        }
        let mut best = u64::MAX;
        for begin in &self.levels {
            let keys = &self.blocks[*begin..].as_flattened();
            if high - low <= 2 * BLOCK {
                return best.min(least(&keys[low..high]));
            }
            let (inner_low, inner_high) = (low.next_multiple_of(BLOCK), high / BLOCK * BLOCK);
            best = best.min(least(&keys[low..inner_low])).min(least(&keys[inner_high..high]));
            (low, high) = (inner_low / BLOCK, inner_high / BLOCK);
        }
        unreachable!("the last level is one block")
    }

    /// The first place from `low` on and before `high` whose key is not above `bound`.
    pub(super) fn first(&self, bound: u64, low: usize, high: usize) -> Option<usize> {
        if low >= high {
            return None;
        }
        // From the beginning on it is the way down from the top.
        let bottom = if low == 0 { self.levels.len() - 1 } else { 0 };
        let mut at = low;
        for (level, begin) in self.levels.iter().enumerate().skip(bottom) {
            let from_here_on = u32::MAX << (at % BLOCK);
            let found = fitting(&self.blocks[begin + at / BLOCK], bound) & from_here_on;
            if found != 0 {
                let mut found = at / BLOCK * BLOCK + found.trailing_zeros() as usize;
                for begin in self.levels[..level].iter().rev() {
                    let step = fitting(&self.blocks[begin + found], bound).trailing_zeros();
                    found = found * BLOCK + step as usize;
                }
                return (found < high).then_some(found);
            }
            at = at / BLOCK + 1;
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
            let mut order = KeyTree::default();
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
