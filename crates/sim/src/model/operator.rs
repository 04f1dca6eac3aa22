//! Operators: people and pipelines that scale a service, or release new versions of it, by chance.
//!
//! When they act, and what they do, does not depend on how the cluster fares. Without a leader their order is refused, and
//! they come again when they would have come anyway.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use sched::Time;

use crate::engine::chance::{below, unit};
use crate::engine::law::Law;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::fact::Context;

/// Somebody who changes a service by chance.
#[derive(Clone, PartialEq, Debug)]
pub struct OperatorPlan {
    /// The service's name.
    pub name: String,
    /// Row of the service in the scenario.
    pub service: usize,
    /// From one change to the next.
    pub every: Law,
    /// The first comes after this.
    pub from: Time,
    /// None comes after this.
    pub until: Option<Time>,
    /// What is done.
    pub habit: Habit,
}

/// What an operator does.
#[derive(Clone, PartialEq, Debug)]
pub enum Habit {
    /// Scales the service within bounds.
    Scale {
        /// Fewest replicas.
        min: u64,
        /// Most replicas.
        max: u64,
        /// Up or down by 1 to this many, each with the same chance; `None` takes any number within the bounds.
        step: Option<u64>,
    },
    /// Updates the service to the next version of its image.
    Release {
        /// Images of the versions, one after the other and then from the beginning.
        good: Vec<String>,
        /// The same of versions that do not work.
        bad: Vec<String>,
        /// Probability that a version does not work.
        chance: f64,
    },
}

/// An operator acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OperatorEvent(pub u32);

/// What an operator wants. Services are rows of the scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wish {
    /// `docker service scale`.
    Scale(usize, u64),
    /// `docker service update --image`.
    Release(usize, String),
}

/// All operators of a run.
#[derive(Clone, Debug)]
pub struct Operators {
    plans: Arc<[OperatorPlan]>,
    states: Vec<State>,
}

#[derive(Clone, Debug)]
struct State {
    times: ChaCha8Rng,
    wishes: ChaCha8Rng,
    /// Releases so far.
    count: usize,
}

impl Operators {
    /// Nobody has acted. The chance belongs to the service, and to what is done with it.
    pub fn new(plans: &[OperatorPlan], seeds: Seeds) -> Self {
        let state = |plan: &OperatorPlan| {
            let kind = u64::from(matches!(plan.habit, Habit::Release { .. }));
            let stream = |number: u64| seeds.stream(Stream::Operator, part(entity(&plan.name), 2 * number + kind));
            State { times: stream(0), wishes: stream(1), count: 0 }
        };
        Operators { plans: plans.into(), states: plans.iter().map(state).collect() }
    }

    /// Schedules the first turn of everybody.
    pub fn start<E: From<OperatorEvent>>(&mut self, cx: &mut Context<E>) {
        for row in 0..self.plans.len() {
            self.schedule(cx, row, self.plans[row].from);
        }
    }

    /// The service that a turn is about.
    pub fn service(&self, turn: OperatorEvent) -> usize {
        self.plans[turn.0 as usize].service
    }

    /// Somebody acts on a service that wants so many replicas now. Nothing is wanted that is so already.
    pub fn handle<E: From<OperatorEvent>>(
        &mut self,
        cx: &mut Context<E>,
        turn: OperatorEvent,
        replicas: u64,
    ) -> Option<Wish> {
        let row = turn.0 as usize;
        let plans = Arc::clone(&self.plans);
        let (plan, state) = (&plans[row], &mut self.states[row]);
        let mut below = |end: u64| below(&mut state.wishes, end);
        let order = match &plan.habit {
            Habit::Scale { min, max, step: None } => Some(Wish::Scale(plan.service, min + below(max - min + 1))),
            Habit::Scale { min, max, step: Some(step) } => {
                let more = below(2) == 1;
                let by = 1 + below(*step);
                let to = if more { replicas.saturating_add(by) } else { replicas.saturating_sub(by) };
                Some(Wish::Scale(plan.service, to.clamp(*min, *max)))
            }
            Habit::Release { good, bad, chance } => {
                let versions = if unit(&mut state.wishes) < *chance { bad } else { good };
                state.count += 1;
                Some(Wish::Release(plan.service, versions[(state.count - 1) % versions.len()].clone()))
            }
        };
        self.schedule(cx, row, cx.now());
        order.filter(|order| *order != Wish::Scale(plan.service, replicas))
    }

    fn schedule<E: From<OperatorEvent>>(&mut self, cx: &mut Context<E>, row: usize, after: Time) {
        let plan = &self.plans[row];
        let at = after + plan.every.sample(&mut self.states[row].times);
        if at < Time::MAX && plan.until.is_none_or(|until| at <= until) {
            cx.at(at, OperatorEvent(row as u32));
        }
    }
}

#[cfg(test)]
mod tests {
    use sched::Span;

    use super::*;
    use crate::engine::law::Law;

    fn plan(habit: Habit) -> OperatorPlan {
        let every = Law::Fixed(Span::from_secs(10));
        OperatorPlan { name: "web".into(), service: 0, every, from: Time::ZERO, until: None, habit }
    }

    /// What `count` turns want of a service that changes at once.
    fn orders(plan: &OperatorPlan, count: usize) -> Vec<(f64, Option<Wish>)> {
        let mut operators = Operators::new(std::slice::from_ref(plan), Seeds::of(1, 1));
        let mut cx: Context<OperatorEvent> = Context::new();
        operators.start(&mut cx);
        let mut replicas = 3;
        let mut log = Vec::new();
        while let Some((now, turn)) = cx.pop().filter(|_| log.len() < count) {
            let order = operators.handle(&mut cx, turn, replicas);
            if let Some(Wish::Scale(_, to)) = order {
                replicas = to;
            }
            log.push((now.as_secs_f64(), order));
        }
        log
    }

    /// Shares of the numbers of replicas from 1 to 5 in which a service was left.
    fn shares(step: Option<u64>) -> Vec<f64> {
        let plan = plan(Habit::Scale { min: 1, max: 5, step });
        let (mut now, mut counts) = (3, [0.0; 5]);
        for (_, order) in orders(&plan, 50_000) {
            if let Some(Wish::Scale(_, to)) = order {
                now = to;
            }
            counts[now as usize - 1] += 1.0 / 50_000.0;
        }
        counts.to_vec()
    }

    #[test]
    fn every_number_of_replicas_is_as_likely_as_the_other() {
        for share in [shares(None), shares(Some(1))].concat() {
            assert!((share - 0.2).abs() < 0.02, "{share}");
        }
        assert!(shares(Some(100))[2] < 0.1, "large steps end at the bounds");
    }

    #[test]
    fn versions_follow_one_another_and_some_are_bad() {
        let names = |kind: &str| vec![format!("{kind}-1"), format!("{kind}-2")];
        let plan = plan(Habit::Release { good: names("good"), bad: names("bad"), chance: 0.25 });
        let log = orders(&plan, 4000);
        assert_eq!([log[0].0, log[1].0], [10.0, 20.0]);
        let (mut bad, mut number) = (0, 0);
        for (_, order) in &log {
            let Some(Wish::Release(0, image)) = order else { panic!("{order:?}") };
            bad += usize::from(image.starts_with("bad"));
            assert!(image.ends_with(["1", "2"][number % 2]));
            number += 1;
        }
        assert!((900..1100).contains(&bad), "{bad}");
    }

    #[test]
    fn nobody_acts_after_the_end() {
        let until = Some(Time::ZERO + Span::from_secs(35));
        let plan = OperatorPlan { until, ..plan(Habit::Scale { min: 1, max: 9, step: None }) };
        assert_eq!(orders(&plan, 100).len(), 3);
    }
}
