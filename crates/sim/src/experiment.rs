//! A scenario becomes a plan of runs, and the plan becomes outcomes.

use crate::metrics::Outcome;
use crate::scenario::Scenario;

/// One run of a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// Placement strategy.
    pub strategy: String,
    /// Replication, from 1. All strategies of a replication meet the same world.
    pub replication: u32,
}

/// Every strategy with every replication, in the order of the rows of `runs.csv`.
pub fn plan(scenario: &Scenario) -> Vec<Run> {
    let runs = |strategy: &String| {
        let strategy = strategy.clone();
        (1..=scenario.replications).map(move |replication| Run { strategy: strategy.clone(), replication })
    };
    scenario.strategies.iter().flat_map(runs).collect()
}

/// Runs a plan on `jobs` threads; `done` is called after each run. The outcomes are in the order of the plan and do not
/// depend on `jobs`.
pub fn execute(scenario: &Scenario, plan: &[Run], jobs: usize, done: &(dyn Fn(&Outcome) + Sync)) -> Vec<Outcome> {
    let _ = (scenario, plan, jobs, done);
    todo!("written with the world")
}
