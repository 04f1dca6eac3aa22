//! Where numbers are drawn. Whoever needs chance takes a stream of [`super::rng`] and one of these functions, so that there is
//! one answer to what a draw is: it takes one number from the stream (a [normal] one two), and the same stream gives
//! the same values on every platform and in every release.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Two to the power of 53: as many equal parts as a double tells apart in every half of the unit interval.
const PARTS: f64 = (1u64 << 53) as f64;

/// A number in (0, 1): the middle of one of 2^53 equal parts, so that neither end can come.
pub fn unit(rng: &mut ChaCha8Rng) -> f64 {
    middle(rng.next_u64() >> 11)
}

/// The middle of a part. That of the last one is no double, and would be rounded up to 1.
fn middle(part: u64) -> f64 {
    ((part as f64 + 0.5) / PARTS).min(1.0 - f64::EPSILON / 2.0)
}

/// A whole number below `end`, all with the same chance to within 2^-64 * `end` (Lemire 2019, without rejection); 0 if `end`
/// is 0. Indices are drawn in this way.
pub fn below(rng: &mut ChaCha8Rng, end: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(end)) >> 64) as u64
}

/// The same by the remainder, in which elections, kills and the layers of images that nobody describes are drawn: in another
/// way the scenarios that ship would have other results. `end` is not 0. For what is new there is [`below`].
pub fn below_by_remainder(rng: &mut ChaCha8Rng, end: u64) -> u64 {
    rng.next_u64() % end
}

/// A seed for somebody else's generator.
pub fn seed(rng: &mut ChaCha8Rng) -> u64 {
    rng.next_u64()
}

/// A standard normal number (Box and Muller 1958), with `libm` so that it is the same everywhere. Takes two numbers.
pub fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (radius, angle) = (unit(rng), unit(rng));
    libm::sqrt(-2.0 * libm::log(radius)) * libm::cos(2.0 * std::f64::consts::PI * angle)
}

/// A stream that only a name decides: neither seed nor replication.
pub fn of_name(name: &str) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(hash(name.as_bytes()))
}

/// The 64-bit FNV-1a hash, of names and of files: tells them apart, no defence against malice.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rng::{Seeds, Stream};

    #[test]
    fn a_unit_is_neither_of_the_ends() {
        let (first, last) = (middle(0), middle((1 << 53) - 1));
        assert_eq!(first, 1.0 / (1u64 << 54) as f64);
        assert!(middle((1 << 53) - 2) <= last && last < 1.0);
        // What was an index out of bounds, and a logarithm of nothing.
        assert_eq!((last * 7.0) as usize, 6);
        assert!(libm::log1p(-last).is_finite() && libm::log(first).is_finite());
    }

    #[test]
    fn indices_are_below_their_end_and_alike() {
        let mut rng = Seeds::of(1, 1).stream(Stream::Kill, 0);
        let mut counts = [0u32; 7];
        (0..70_000).for_each(|_| counts[below(&mut rng, 7) as usize] += 1);
        // Standard deviation 93.
        assert!(counts.iter().all(|count| count.abs_diff(10_000) < 400), "{counts:?}");
        assert_eq!((below(&mut rng, 1), below(&mut rng, 0)), (0, 0));
        let word = rng.get_word_pos();
        below(&mut rng, u64::MAX);
        assert_eq!(rng.get_word_pos(), word + 2, "one number of 64 bits");
    }

    #[test]
    fn the_hash_is_fnv1a() {
        // Test vectors of the draft-eastlake-fnv.
        assert_eq!([hash(b""), hash(b"foobar")], [0xcbf2_9ce4_8422_2325, 0x8594_4171_f739_67e8]);
    }
}
