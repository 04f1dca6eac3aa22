//! Random values as a scenario writes them.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::document::{Item, Table};

/// Nanoseconds of a second, and of the hundred years that a duration may last.
pub const SECOND: u64 = 1_000_000_000;
pub const CENTURY: u64 = 100 * 31_557_600 * SECOND;

/// A source of random values.
pub struct Dice {
    rng: ChaCha8Rng,
    /// Probability that a key is written that need not be.
    pub density: f64,
    /// Probability that a value is at the edge of what is allowed.
    pub edge: f64,
}

impl Dice {
    pub fn new(seed: u64) -> Dice {
        let mut dice = Dice { rng: ChaCha8Rng::seed_from_u64(seed), density: 0.0, edge: 0.0 };
        dice.density = *dice.pick(&[0.1, 0.3, 0.5]);
        dice.edge = *dice.pick(&[0.0, 0.0, 0.02, 0.15]);
        dice
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    /// Whether a key is written that need not be.
    pub fn maybe(&mut self) -> bool {
        self.chance(self.density)
    }

    pub fn is_edge(&mut self) -> bool {
        self.chance(self.edge)
    }

    pub fn count(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.rng.random_range(range)
    }

    /// A count of which the edges are tried now and then.
    pub fn amount(&mut self, range: RangeInclusive<u64>, edges: &[u64]) -> u64 {
        if self.is_edge() { *self.pick(edges) } else { self.count(range) }
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.rng.random_range(0..from.len())]
    }

    /// Some of a list, in its order, each once.
    pub fn some<T: Clone>(&mut self, from: &[T]) -> Vec<T> {
        let chosen: Vec<T> = from.iter().filter(|_| self.chance(0.5)).cloned().collect();
        if chosen.is_empty() && !from.is_empty() { vec![self.pick(from).clone()] } else { chosen }
    }

    pub fn fraction(&mut self) -> f64 {
        if self.is_edge() {
            return *self.pick(&[0.0, 1.0, 1e-300, 0.999_999_999_999]);
        }
        f64::from(self.rng.random_range(0..=1000_u32)) / 1000.0
    }

    pub fn number(&mut self, low: f64, high: f64) -> f64 {
        self.rng.random_range(low..=high)
    }

    /// A number of nanoseconds between two others, all orders of magnitude with the same chance.
    pub fn log(&mut self, low: u64, high: u64) -> u64 {
        let (low, high) = (low.max(1), high.max(low).max(1));
        let exponent = self.rng.random_range(libm::log(low as f64)..=libm::log(high as f64));
        (libm::exp(exponent) as u64).clamp(low, high)
    }

    /// Nanoseconds that may be 0 or last for ever.
    pub fn nanos(&mut self, low: u64, high: u64) -> u64 {
        if self.is_edge() {
            return *self.pick(&[0, 0, 1, 999, CENTURY]);
        }
        let nanos = self.log(low, high);
        if self.chance(0.7) { rounded(nanos) } else { nanos }
    }

    /// A duration that may be 0 or last for ever.
    pub fn span(&mut self, low: u64, high: u64) -> Item {
        let nanos = self.nanos(low, high);
        self.written(nanos)
    }

    /// A duration from something that is done over and over again: it may last for ever, but not be shorter.
    pub fn period(&mut self, low: u64, high: u64) -> Item {
        let nanos = if self.is_edge() { *self.pick(&[low, CENTURY]) } else { self.log(low, high) };
        self.written(nanos)
    }

    /// A duration in one of the ways in which it can be written.
    pub fn written(&mut self, nanos: u64) -> Item {
        let nanos = nanos.min(CENTURY);
        let whole = [("h", 3600 * SECOND), ("m", 60 * SECOND), ("s", SECOND), ("ms", 1_000_000), ("us", 1000)];
        match whole.iter().find(|unit| nanos.is_multiple_of(unit.1)) {
            Some((unit, length)) if self.chance(0.5) => format!("{}{unit}", nanos / length).into(),
            _ if self.chance(0.5) => format!("{nanos}ns").into(),
            _ => humantime::format_duration(Duration::from_nanos(nanos)).to_string().into(),
        }
    }

    /// A law of times that may be 0 or last for ever.
    pub fn law(&mut self, low: u64, high: u64) -> Item {
        self.law_of(low, high, Dice::span)
    }

    /// A law of times from something that is done over and over again: the mean is not below `low`.
    pub fn repeating(&mut self, low: u64, high: u64) -> Item {
        self.law_of(low, high, Dice::period)
    }

    fn law_of(&mut self, low: u64, high: u64, span: fn(&mut Dice, u64, u64) -> Item) -> Item {
        let shape = self.number(0.5, 3.0);
        let one = |key: &str, law: Table| Item::from(Table::default().with(key, law));
        match self.count(0..=9) {
            0 => span(self, low, high),
            1 => Table::default().with("fixed", span(self, low, high)).into(),
            2 => {
                let min = self.log(low, high);
                let max = if self.is_edge() { CENTURY } else { self.log(min, high.max(min)) };
                one("uniform", Table::default().with("min", self.written(min)).with("max", self.written(max)))
            }
            3 => one("exponential", Table::default().with("mean", span(self, low, high))),
            4 => {
                let sigma = if self.is_edge() { *self.pick(&[0.0, 5.0]) } else { self.number(0.0, 1.0) };
                one("lognormal", Table::default().with("median", span(self, low, high)).with("sigma", sigma))
            }
            5 => {
                let shape = if self.is_edge() { *self.pick(&[0.2, 10.0]) } else { shape };
                one("weibull", Table::default().with("shape", shape).with("mean", span(self, low, high)))
            }
            6 => {
                let stages = self.amount(1..=5, &[1, 100]);
                one("erlang", Table::default().with("stages", stages).with("mean", span(self, low, high)))
            }
            7 => {
                let shape = if self.is_edge() { *self.pick(&[1.1, 100.0]) } else { 1.1 + shape };
                // Half of the times are shorter than a sixth of the mean where the shape is least.
                let (key, low) = match low.saturating_mul(6) {
                    higher if higher <= high && self.chance(0.5) => ("mean", higher),
                    _ => ("scale", low),
                };
                one("pareto", Table::default().with("shape", shape).with(key, span(self, low, high)))
            }
            8 => {
                let values: Vec<Item> = (0..self.count(1..=4)).map(|_| span(self, low, high)).collect();
                Table::default().with("empirical", values).into()
            }
            _ => {
                let short = self.log(low, high);
                let long = if self.is_edge() { CENTURY } else { self.log(short, high.max(short)) };
                let law = Table::default().with("chance", self.fraction()).with("short", self.written(short));
                one("hyperexponential", law.with("long", self.written(long)))
            }
        }
    }

    /// A size of which every order of magnitude has the same chance.
    pub fn size(&mut self, low: u64, high: u64) -> Item {
        if self.is_edge() {
            let edges = [0, 1, 1 << 40].map(|size: u64| size.clamp(low.min(1), 1 << 40));
            return format!("{}B", self.pick(&edges)).into();
        }
        let bytes = self.log(low, high);
        match self.count(0..=3) {
            0 if low <= bytes >> 20 << 20 => format!("{}MiB", (bytes >> 20).max(1)).into(),
            1 if low <= bytes >> 10 << 10 => format!("{}K", (bytes >> 10).max(1)).into(),
            _ => format!("{bytes}B").into(),
        }
    }

    pub fn rate(&mut self) -> Item {
        if self.is_edge() {
            return (*self.pick(&["1B/s", "8bit/s", "18EB/s", "unlimited"])).into();
        }
        let amount = self.count(1..=999);
        let unit = *self.pick(&["kbit/s", "Mbit/s", "Gbit/s", "KB/s", "MB/s", "MiB/s", "GB/s"]);
        if self.chance(0.1) { "unlimited".into() } else { format!("{amount}{unit}").into() }
    }

    pub fn cpus(&mut self) -> Item {
        if self.is_edge() {
            return Item::Word((*self.pick(&["0", "0.001", "\"0.001\"", "1000000"])).into());
        }
        Item::Word((*self.pick(&["0.1", "0.25", "\"0.5\"", "1", "2", "0.333333333"])).into())
    }
}

/// As people write spans: few digits.
fn rounded(nanos: u64) -> u64 {
    let step = [SECOND, 1_000_000, 1000].into_iter().find(|step| 10 * step <= nanos).unwrap_or(1);
    nanos / step * step
}
