//! Address arithmetic: a pool is cut into subnets, and a subnet gives out addresses one after the other.

/// The free subnets of the address pool, lowest first.
#[derive(Clone, Debug)]
pub struct Pool {
    next: u64,
    end: u64,
    length: u8,
    taken: Vec<(u64, u64)>,
}

impl Pool {
    /// Cuts a pool into subnets of a prefix length; those that overlap a subnet given otherwise are left out.
    pub fn new(pool: (u32, u8), length: u8, given: impl Iterator<Item = (u32, u8)>) -> Pool {
        let (start, end) = range(pool);
        Pool { next: start, end, length, taken: given.map(range).collect() }
    }
}

impl Iterator for Pool {
    type Item = (u32, u8);

    fn next(&mut self) -> Option<(u32, u8)> {
        loop {
            let (start, end) = range((u32::try_from(self.next).ok()?, self.length));
            if self.end < end {
                return None;
            }
            self.next = end;
            if self.taken.iter().all(|&(first, last)| last <= start || end <= first) {
                return Some((start as u32, self.length));
            }
        }
    }
}

/// First address of a prefix and the one after its last.
fn range((address, length): (u32, u8)) -> (u64, u64) {
    let size = 1u64 << (32 - u32::from(length.min(32)));
    let start = u64::from(address) / size * size;
    (start, start + size)
}

/// The addresses of a network.
///
/// The first one after the network's own is the gateway's; the network and broadcast addresses are nobody's.
#[derive(Clone, Debug)]
pub struct Subnet {
    start: u32,
    size: u32,
    /// One bit per address: taken.
    taken: Vec<u64>,
    used: u32,
    peak: u32,
    /// Serial allocation goes on here.
    next: u32,
}

impl Subnet {
    /// Only the gateway has an address.
    pub fn new(address: u32, length: u8) -> Subnet {
        let (start, end) = range((address, length));
        let size = u32::try_from(end - start).unwrap_or(u32::MAX);
        let taken = vec![0; (size as usize).div_ceil(64)];
        let mut subnet = Subnet { start: start as u32, size, taken, used: 0, peak: 0, next: 1 };
        subnet.allocate();
        subnet
    }

    /// The network's own address.
    pub fn start(&self) -> u32 {
        self.start
    }

    /// Bits of the prefix.
    pub fn length(&self) -> u8 {
        32 - self.size.max(1).ilog2() as u8
    }

    /// Addresses in use, the gateway's included.
    pub fn used(&self) -> u32 {
        self.used
    }

    /// The most that were ever in use.
    pub fn peak(&self) -> u32 {
        self.peak
    }

    /// How many addresses can be given out, the gateway's included.
    fn capacity(&self) -> u32 {
        self.size.saturating_sub(2)
    }

    /// Whether no address is left.
    pub fn is_full(&self) -> bool {
        self.used == self.capacity()
    }

    /// The next free address after the last one that was given out, from the start again after the end.
    pub fn allocate(&mut self) -> Option<u32> {
        if self.is_full() {
            return None;
        }
        let (first, last) = (1, self.size - 2);
        let offset = self.free_from(self.next, last).or_else(|| self.free_from(first, last))?;
        self.taken[offset as usize / 64] |= 1 << (offset % 64);
        self.used += 1;
        self.peak = self.peak.max(self.used);
        self.next = if offset == last { first } else { offset + 1 };
        Some(self.start + offset)
    }

    /// Takes an address back that was given out.
    pub fn free(&mut self, address: u32) {
        let offset = address - self.start;
        let (word, bit) = (offset as usize / 64, 1 << (offset % 64));
        assert!(self.taken[word] & bit != 0, "an address is released once");
        self.taken[word] &= !bit;
        self.used -= 1;
    }

    /// The first free offset in `from..=last`.
    fn free_from(&self, from: u32, last: u32) -> Option<u32> {
        let mut word = from as usize / 64;
        let mut free = !*self.taken.get(word)? & (u64::MAX << (from % 64));
        while free == 0 {
            word += 1;
            free = !*self.taken.get(word)?;
        }
        let offset = word as u32 * 64 + free.trailing_zeros();
        (offset <= last).then_some(offset)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn last(address: u32) -> u32 {
        address & 0xFF
    }

    proptest! {
        #[test]
        fn addresses_are_unique_inside_and_serial(steps in prop::collection::vec((any::<bool>(), 0..64usize), 1..400), length in 26..=29u8) {
            let start = 0x0A00_0100;
            let size = 1u32 << (32 - length);
            let mut subnet = Subnet::new(start, length);
            let mut held = vec![start + 1];
            let mut previous = start + 1;
            for (take, index) in steps {
                if take {
                    let Some(address) = subnet.allocate() else {
                        prop_assert_eq!(held.len() as u32, size - 2);
                        continue;
                    };
                    // Nearest free address going up from the previous one, around the end.
                    let ring = |from: u32, distance: u32| start + 1 + (from - start - 1 + distance) % (size - 2);
                    let expected = (1..).map(|distance| ring(previous, distance)).find(|address| !held.contains(address));
                    prop_assert_eq!(Some(address), expected);
                    prop_assert!(start < address && address < start + size - 1);
                    held.push(address);
                    previous = address;
                } else if held.len() > 1 {
                    subnet.free(held.swap_remove(1 + index % (held.len() - 1)));
                }
                prop_assert_eq!(subnet.used as usize, held.len());
            }
        }
    }

    #[test]
    fn a_24_has_253_addresses_beside_the_gateway() {
        let mut subnet = Subnet::new(0x0A00_0000, 24);
        let given: Vec<u32> = std::iter::from_fn(|| subnet.allocate()).map(last).collect();
        assert_eq!(given, (2..=254).collect::<Vec<_>>());
        subnet.free(0x0A00_0000 + 77);
        assert_eq!(subnet.allocate().map(last), Some(77));
    }
}
