//! Runs that are stepped, read and cloned at random moments come out as those that are run through.

use std::sync::Arc;

use sched::{Span, Time};
use sim::experiment::Run;
use sim::metrics::Outcome;
use sim::scenario::Scenario;
use sim::simulation::Simulation;

use super::dice::Dice;
use super::laws::{Held, holds};

/// Moments at which a run is looked at.
const STOPS: u64 = 6;

/// Checks one run of a scenario, whose moments are those of a seed.
pub fn check(scenario: &Arc<Scenario>, run: &Run, seed: u64) -> Held {
    let begin =
        || Simulation::new(Arc::clone(scenario), &run.strategy, run.replication).expect("a strategy of the list");
    let mut through = begin();
    while through.step() {}
    let (digest, events) = (through.digest(), through.events());
    let through = through.finish();
    let same = |outcome: &Outcome, what: &str| {
        holds(same(outcome, &through), what, || format!("{outcome:?}").chars().take(500).collect())
    };

    let mut dice = Dice::new(seed);
    let mut driven = begin();
    let mut moments: Vec<u64> = (0..STOPS).map(|_| dice.count(0..=scenario.duration.as_nanos())).collect();
    moments.sort_unstable();
    for moment in moments {
        if dice.maybe() {
            driven.run_until(Time::ZERO + Span::from_nanos(moment));
        } else {
            for _ in 0..dice.count(0..=200) {
                driven.step();
            }
        }
        let before = (driven.digest(), driven.now(), driven.next_at(), driven.events());
        look(&driven);
        let after = (driven.digest(), driven.now(), driven.next_at(), driven.events());
        holds(before == after, "to look at a run changes nothing", || format!("{before:?} {after:?}"))?;
        holds(driven.next_at().is_none_or(|next| driven.now() <= next), "time does not go back", String::new)?;
        if dice.maybe() {
            // The original goes on, or the clone does.
            let clone = driven.clone();
            let other = std::mem::replace(&mut driven, clone);
            if dice.maybe() {
                same(&other.finish(), "the original of a clone ends as if there were none")?;
            }
        }
    }
    while driven.step() {}
    holds(driven.digest() == digest, "a run that is driven has the digest of one that is run through", String::new)?;
    holds(driven.events() == events, "a run that is driven has the events of one that is run through", String::new)?;
    same(&driven.finish(), "a run that is driven comes out like one that is run through")
}

/// Outcomes of equal runs are equal, but for numbers that are none.
fn same(one: &Outcome, other: &Outcome) -> bool {
    one == other || format!("{one:?}") == format!("{other:?}")
}

/// Reads all that can be read.
fn look(run: &Simulation) {
    let nodes: Vec<String> = run.nodes().map(|node| node.spec.id.clone()).collect();
    for node in &nodes {
        assert!(run.node(node).is_some_and(|found| found.spec.id == *node));
        run.tasks_on(node).iter().for_each(|task| assert!(task.node.is_some()));
        run.images(node);
    }
    let services: Vec<String> = run.services().map(|service| service.spec.name.clone()).collect();
    for service in &services {
        let view = run.service(service).expect("it was listed");
        let running = run.tasks(service).iter().filter(|task| task.state == sched::TaskState::Running).count();
        assert!(view.running <= running as u64);
    }
    assert!(!run.networks().is_empty(), "there is the ingress network");
    assert!(run.leader().is_none() || run.is_led());
}
