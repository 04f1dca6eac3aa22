//! A scenario becomes a plan of runs, and the plan becomes outcomes.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
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
    execute_by(scenario, plan, jobs, done, &|scenario, run| {
        Simulation::new(Arc::clone(scenario), &run.strategy, run.replication)
    })
}

/// Begins a run.
pub type Begin<'a> = &'a (dyn Fn(&Arc<Scenario>, &Run) -> Result<Simulation, String> + Sync);

/// The same with runs that `begin` begins: traced, or listened to. Runs are begun replication by replication, so that all strategies
/// have about as many when the [brake](Brake) is pulled; those that are not over then are given up, and of the outcomes there
/// are those of the first replications that every strategy has.
pub fn execute_by(
    scenario: &Scenario,
    plan: &[Run],
    jobs: usize,
    done: &(dyn Fn(&Outcome) + Sync),
    begin: Begin,
) -> Vec<Outcome> {
    let scenario = Arc::new(scenario.clone());
    let sieve = Mutex::new(Sieve::default());
    let run = |at: usize| {
        let run = &plan[at];
        let mut outcome = match catch_unwind(AssertUnwindSafe(|| simulate(&scenario, run, begin))) {
            Ok(Ok(outcome)) => outcome?,
            Ok(Err(reason)) => failed(run, reason),
            Err(panic) => failed(run, format!("the simulator failed: {}", message(panic.as_ref()))),
        };
        sieve.lock().unwrap_or_else(PoisonError::into_inner).cut(&mut outcome);
        done(&outcome);
        Some((at, outcome))
    };
    let mut order: Vec<usize> = (0..plan.len()).collect();
    order.sort_by_key(|at| plan[*at].replication);
    let one_by_one = || order.iter().filter_map(|at| run(*at)).collect();
    let mut outcomes: Vec<(usize, Outcome)> = if jobs.min(plan.len()) <= 1 {
        // No thread of its own: what a large run frees then serves its report.
        one_by_one()
    } else {
        match rayon::ThreadPoolBuilder::new().num_threads(jobs.max(1)).build() {
            // One after the other is begun, in this order.
            Ok(pool) => pool.install(|| order.iter().par_bridge().filter_map(|at| run(*at)).collect()),
            // No threads to be had: one after the other.
            Err(_) => one_by_one(),
        }
    };
    outcomes.sort_by_key(|(at, _)| *at);
    let mut outcomes: Vec<Outcome> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    if outcomes.len() < plan.len() {
        let whole = whole(plan, &outcomes);
        outcomes.retain(|outcome| outcome.replication <= whole);
    }
    outcomes
}

/// The last of the first replications of which every run of the plan is there.
fn whole(plan: &[Run], outcomes: &[Outcome]) -> u32 {
    let there: BTreeSet<(&str, u32)> =
        outcomes.iter().map(|outcome| (outcome.strategy.as_str(), outcome.replication)).collect();
    let is_there = |run: &Run| there.contains(&(run.strategy.as_str(), run.replication));
    let missing = plan.iter().filter(|run| !is_there(run)).map(|run| run.replication - 1);
    missing.min().unwrap_or_else(|| plan.iter().map(|run| run.replication).max().unwrap_or(0))
}

/// Who wants that no more is run: what is done is kept, what is under way is given up.
#[derive(Debug)]
pub struct Brake(AtomicBool);

/// The brake of this process, which Ctrl-C pulls.
pub static BRAKE: Brake = Brake(AtomicBool::new(false));

impl Brake {
    /// No more is run from here on. Says whether it was pulled before.
    pub fn pull(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }

    /// Whether it was pulled.
    pub fn is_pulled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often the brake is looked at, in events.
const LOOK: u64 = 1 << 12;

/// What comes of a run; nothing, if the brake is pulled before it is over.
fn simulate(scenario: &Arc<Scenario>, run: &Run, begin: Begin) -> Result<Option<Outcome>, String> {
    if BRAKE.is_pulled() {
        return Ok(None);
    }
    let mut run = begin(scenario, run)?;
    while run.step() {
        if run.events().is_multiple_of(LOOK) && BRAKE.is_pulled() {
            return Ok(None);
        }
    }
    Ok(Some(run.finish()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_plan_that_was_stopped_the_first_replications_of_all_strategies_are_whole() {
        let run = |strategy: &str, replication| Run { strategy: strategy.into(), replication };
        let plan: Vec<Run> = ["a", "b"].iter().flat_map(|name| (1..=4).map(|number| run(name, number))).collect();
        let of = |done: &[(&str, u32)]| {
            let outcome = |(strategy, replication): &(&str, u32)| Outcome {
                strategy: strategy.to_string(),
                replication: *replication,
                ..Outcome::default()
            };
            whole(&plan, &done.iter().map(outcome).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[("a", 1), ("a", 2), ("b", 1)]), 1);
        // The third of one came before the second of the other.
        assert_eq!(of(&[("a", 1), ("b", 1), ("a", 2), ("a", 3), ("b", 3)]), 1);
        assert_eq!(of(&[("a", 1), ("b", 1), ("a", 2), ("b", 2), ("b", 4)]), 2);
    }
}
