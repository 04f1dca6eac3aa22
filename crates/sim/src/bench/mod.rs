//! What a decision and an event cost: the cases of `simctl bench`, whose parts the criterion benchmarks use too.
//!
//! Costs are CPU time per operation. Cases take turns, round after round, so that a busy moment of the machine does not
//! fall on one of them alone.

pub mod hold;
pub mod placement;

use std::time::Duration;

use cpu_time::ThreadTime;
use sched::Time;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A decision for a group of one task, in a pass over many such groups.
    Single,
    /// A decision within one group of 100,000 tasks.
    Group,
    /// An event of the hold model, handler included.
    Event,
}

impl Kind {
    /// All of them, in the order of tables.
    pub const ALL: [Kind; 3] = [Kind::Single, Kind::Group, Kind::Event];

    /// One word for columns.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Single => "single",
            Kind::Group => "group",
            Kind::Event => "event",
        }
    }

    /// What the size of a case counts.
    pub fn size_of(self) -> &'static str {
        match self {
            Kind::Single | Kind::Group => "nodes",
            Kind::Event => "pending events",
        }
    }
}

/// A measurement of another program, made elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// What was measured.
    pub kind: Kind,
    /// Nodes or pending events.
    pub size: u64,
    /// Of which program.
    pub who: &'static str,
    /// Least of several rounds, in nanoseconds of CPU time per operation.
    pub min: f64,
    /// Their median.
    pub median: f64,
}

/// Where, when and how [`REFERENCES`] were measured.
pub const REFERENCES_NOTE: &str = "recorded elsewhere on 2026-11-22, two shared vCPUs of 2.5 GHz, CPU time, least and \
     median of several rounds: SwarmKit 3e72cb64 (scheduleTaskGroup alone, without store and debounce), nexosim 1.0.0, \
     simcore 0.1.0 (the engine of DSLab)";

/// Recorded costs of SwarmKit's scheduler (`scheduleTaskGroup`, no preferences and no constraints) and of two engines.
pub const REFERENCES: &[Reference] = &[
    reference(Kind::Single, 1_000, "SwarmKit", 240e3, 577e3),
    reference(Kind::Single, 10_000, "SwarmKit", 5.2e6, 7.6e6),
    reference(Kind::Single, 100_000, "SwarmKit", 41.9e6, 59.8e6),
    reference(Kind::Group, 1_000, "SwarmKit", 7.7e3, 9.1e3),
    reference(Kind::Group, 10_000, "SwarmKit", 5.7e3, 12.4e3),
    reference(Kind::Group, 100_000, "SwarmKit", 10.2e3, 17.4e3),
    reference(Kind::Event, 1_000, "nexosim", 656.0, 891.0),
    reference(Kind::Event, 100_000, "nexosim", 2295.0, 2897.0),
    reference(Kind::Event, 1_000_000, "nexosim", 4430.0, 5018.0),
    reference(Kind::Event, 1_000, "simcore", 133.0, 191.0),
    reference(Kind::Event, 100_000, "simcore", 1186.0, 1610.0),
    reference(Kind::Event, 1_000_000, "simcore", 2477.0, 3330.0),
];

const fn reference(kind: Kind, size: u64, who: &'static str, min: f64, median: f64) -> Reference {
    Reference { kind, size, who, min, median }
}

/// Something that can be measured again and again.
pub trait Work {
    /// Does some of it, prepared beforehand: the operations and their CPU time.
    fn round(&mut self) -> (u64, Duration);
}

/// One case: what, how large, and how it went so far.
pub struct Case {
    /// What is measured.
    pub kind: Kind,
    /// Nodes or pending events.
    pub size: u64,
    work: Box<dyn Work>,
    /// Nanoseconds per operation, round by round.
    rounds: Vec<f64>,
}

impl Case {
    /// A case at its beginning. Builds its cluster or fills its queue.
    pub fn new(kind: Kind, size: u64) -> Case {
        let work: Box<dyn Work> = match kind {
            Kind::Single => Box::new(placement::Single::new(size as usize)),
            Kind::Group => Box::new(placement::Group::new(size as usize, placement::GROUP)),
            Kind::Event => Box::new(Events::new(size)),
        };
        Case { kind, size, work, rounds: Vec::new() }
    }

    /// Measures one round.
    pub fn measure(&mut self) {
        let (operations, cost) = self.work.round();
        self.rounds.push(cost.as_nanos() as f64 / operations as f64);
    }

    /// Number of rounds.
    pub fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// The least cost of a round, in nanoseconds per operation.
    pub fn min(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The median cost of a round, in nanoseconds per operation.
    pub fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// How cost grows with size: the slope of a straight line through the logarithms of `(size, cost)`. 0 is flat, 1 is
/// proportional. None with fewer than two sizes.
pub fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    let logs = points.iter().map(|(size, cost)| (libm::log(*size), libm::log(*cost)));
    let (x, y) = logs.clone().fold((0.0, 0.0), |sum, log| (sum.0 + log.0 / n, sum.1 + log.1 / n));
    let (above, below) =
        logs.fold((0.0, 0.0), |sum, log| (sum.0 + (log.0 - x) * (log.1 - y), sum.1 + (log.0 - x) * (log.0 - x)));
    (below > 0.0).then(|| above / below)
}

/// Bytes of memory that are resident for this process; none where the system does not say.
pub fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The hold model with so many pending events.
struct Events {
    engine: hold::Engine,
    until: u64,
    /// Simulated nanoseconds of a round.
    span: u64,
}

impl Events {
    const ROUND: u64 = 1_000_000;

    fn new(pending: u64) -> Events {
        let mut engine = hold::Engine::new(u32::try_from(pending).expect("fits into memory"), 1);
        // The mean gap is a second: after two of them the queue is as it will be.
        let until = 2_000_000_000;
        engine.run_until(Time::from_nanos(until));
        Events { engine, until, span: Events::ROUND * 1_000_000_000 / pending }
    }
}

impl Work for Events {
    fn round(&mut self) -> (u64, Duration) {
        let before = self.engine.holder().handled;
        self.until += self.span;
        let start = ThreadTime::now();
        self.engine.run_until(Time::from_nanos(self.until));
        (self.engine.holder().handled - before, start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_the_slope_of_the_logarithms() {
        let square: Vec<(f64, f64)> = [10.0, 100.0, 1000.0].map(|size| (size, 3.0 * size * size)).into();
        assert!((exponent(&square).unwrap() - 2.0).abs() < 1e-12);
        assert!(exponent(&[(10.0, 7.0), (1e6, 7.0)]).unwrap().abs() < 1e-12);
        assert_eq!(exponent(&[(10.0, 7.0)]), None);
    }

    #[test]
    fn a_round_does_what_it_says() {
        for (kind, size) in [(Kind::Single, 50), (Kind::Event, 1_000)] {
            let mut case = Case::new(kind, size);
            case.measure();
            case.measure();
            assert!(case.rounds() == 2 && 0.0 < case.min() && case.min() <= case.median(), "{kind:?}");
        }
        let mut group = placement::Group::new(50, 2_000);
        assert_eq!((group.round().0, group.round().0), (2_000, 2_000));
    }
}
