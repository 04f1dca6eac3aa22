//! A scenario becomes a plan of runs, and the plan becomes outcomes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use crate::metrics::{METRICS, Mark, Outcome};
use crate::report::results::Sieve;
use crate::scenario::Scenario;
use crate::simulation::Simulation;

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
/// depend on `jobs`, but for rows that no table keeps: those go as they come. A run that cannot be finished is an outcome that says so in [`Outcome::failed`]; the others go on.
pub fn execute(scenario: &Scenario, plan: &[Run], jobs: usize, done: &(dyn Fn(&Outcome) + Sync)) -> Vec<Outcome> {
    execute_by(scenario, plan, jobs, done, Simulation::new)
}

/// The same with a digest after every event, see [`Simulation::traced`].
pub fn execute_traced(
    scenario: &Scenario,
    plan: &[Run],
    jobs: usize,
    done: &(dyn Fn(&Outcome) + Sync),
) -> Vec<Outcome> {
    execute_by(scenario, plan, jobs, done, Simulation::traced)
}

/// Begins a run.
type Begin = fn(Arc<Scenario>, &str, u32) -> Result<Simulation, String>;

fn execute_by(
    scenario: &Scenario,
    plan: &[Run],
    jobs: usize,
    done: &(dyn Fn(&Outcome) + Sync),
    begin: Begin,
) -> Vec<Outcome> {
    let scenario = Arc::new(scenario.clone());
    let sieve = Mutex::new(Sieve::default());
    let run = |run: &Run| {
        let mut outcome = match catch_unwind(AssertUnwindSafe(|| simulate(&scenario, run, begin))) {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(reason)) => failed(run, reason),
            Err(panic) => failed(run, format!("the simulator failed: {}", message(panic.as_ref()))),
        };
        sieve.lock().unwrap_or_else(PoisonError::into_inner).cut(&mut outcome);
        done(&outcome);
        outcome
    };
    if jobs.min(plan.len()) <= 1 {
        // No thread of its own: what a large run frees then serves its report.
        return plan.iter().map(run).collect();
    }
    match rayon::ThreadPoolBuilder::new().num_threads(jobs.max(1)).build() {
        Ok(pool) => pool.install(|| plan.par_iter().map(run).collect()),
        // No threads to be had: one after the other.
        Err(_) => plan.iter().map(run).collect(),
    }
}

fn simulate(scenario: &Arc<Scenario>, run: &Run, begin: Begin) -> Result<Outcome, String> {
    Ok(begin(Arc::clone(scenario), &run.strategy, run.replication)?.finish())
}

fn failed(run: &Run, reason: String) -> Outcome {
    Outcome {
        strategy: run.strategy.clone(),
        replication: run.replication,
        values: vec![None; METRICS.len()],
        marks: vec![Mark { time_s: 0.0, kind: "error".into(), label: reason.clone() }],
        failed: Some(reason),
        ..Outcome::default()
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("for an unknown reason")
}
