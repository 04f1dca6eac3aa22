//! How slow the engines of a run are: what a repetition on the same cluster has in common, beside what every task draws.
//!
//! A run has a factor, and so has each of its machines; the times of what a machine's daemon does are multiplied by both. Each is
//! lognormal with mean 1, so that means over many runs stay what the laws of the steps say, whatever the spread. Factors
//! belong to the replication and the name of the machine: every strategy meets the same.

use crate::engine::chance::normal;
use crate::engine::rng::{Seeds, Stream, entity};

/// How much runs and machines differ: standard deviations of the natural logarithms of their factors.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct PaceModel {
    /// Of the factor that all machines of a run share.
    pub run_spread: f64,
    /// Of the factor of a machine within a run.
    pub machine_spread: f64,
}

impl PaceModel {
    /// The factor of each of the machines in a run, by their names: exactly 1 for all if nothing spreads.
    pub fn draw<'n>(&self, names: impl Iterator<Item = &'n str>, seeds: Seeds) -> Vec<f64> {
        let run = factor(self.run_spread, seeds, Stream::RunPace, 0);
        names.map(|name| run * factor(self.machine_spread, seeds, Stream::MachinePace, entity(name))).collect()
    }
}

/// Lognormal with mean 1, `spread` being the standard deviation of its natural logarithm.
pub fn factor(spread: f64, seeds: Seeds, stream: Stream, entity: u64) -> f64 {
    if spread == 0.0 {
        return 1.0;
    }
    libm::exp(spread * normal(&mut seeds.stream(stream, entity)) - spread * spread / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_spread_nothing_changes_by_a_bit() {
        let paces = PaceModel::default().draw(["a", "b"].into_iter(), Seeds::of(1, 1));
        assert_eq!(paces, [1.0, 1.0]);
    }

    #[test]
    fn factors_have_mean_one_and_the_spread_that_was_asked_for() {
        let model = PaceModel { run_spread: 0.4, machine_spread: 0.2 };
        let draws: Vec<Vec<f64>> =
            (1..=20_000).map(|run| model.draw(["a", "b"].into_iter(), Seeds::of(1, run))).collect();
        let mean = |of: &dyn Fn(&[f64]) -> f64| draws.iter().map(|run| of(run)).sum::<f64>() / draws.len() as f64;
        // The standard error of the mean is 0.0033, of the variances below 0.0021 and 0.0008.
        assert!((mean(&|run| run[0]) - 1.0).abs() < 0.012);
        let centre = -(0.4f64.powi(2) + 0.2f64.powi(2)) / 2.0;
        assert!((mean(&|run| (libm::log(run[0]) - centre).powi(2)) - 0.2).abs() < 0.008, "of a machine in any run");
        assert!((mean(&|run| libm::log(run[0] / run[1]).powi(2)) - 0.08).abs() < 0.003, "of machines within a run");
    }

    #[test]
    fn a_machine_keeps_its_factor_when_others_come() {
        let model = PaceModel { run_spread: 0.3, machine_spread: 0.3 };
        let (few, many) = (["b"].into_iter(), ["a", "b", "c"].into_iter());
        assert_eq!(model.draw(few, Seeds::of(3, 2))[0], model.draw(many, Seeds::of(3, 2))[1]);
    }
}
