//! Machines that lose power and get it back: by script, and by renewal processes of failure and repair.
//!
//! Failures are exogenous: they depend on the scenario and the replication, never on what runs where. The model knows
//! nothing of detection; the manager learns of a failure by the silence of the agent ([`super::heartbeat`]).

use std::collections::VecDeque;

use rand_chacha::ChaCha8Rng;

use crate::engine::Queue;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::scenario::FailurePlan;

/// The next turn of a process: a failure if its unit is whole, else the end of the repair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    process: u32,
}

/// A machine changed its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// Row of the node.
    pub node: usize,
    /// Whether it has power now.
    pub up: bool,
}

/// The failures of a run.
///
/// A node is up when no cause holds it down: the causes are the script and every process whose unit it belongs to.
#[derive(Debug)]
pub struct Failures<'a> {
    plans: &'a [FailurePlan],
    processes: Vec<Process>,
    /// For each node, how many processes hold it down.
    broken: Vec<u32>,
    /// For each node, whether the script holds it down.
    switched_off: Vec<bool>,
    /// For each plan, the crews that are free and the broken processes that wait for one.
    crews: Vec<(u64, VecDeque<u32>)>,
}

#[derive(Debug)]
struct Process {
    plan: usize,
    unit: usize,
    broken: bool,
    rng: ChaCha8Rng,
}

impl<'a> Failures<'a> {
    /// Every node is up. The chance of a unit belongs to its name and that of its plan.
    pub fn new(plans: &'a [FailurePlan], nodes: usize, seeds: Seeds) -> Self {
        let processes = plans.iter().enumerate().flat_map(|(plan, it)| {
            it.units.iter().enumerate().map(move |(unit, failing)| Process {
                plan,
                unit,
                broken: false,
                rng: seeds.stream(Stream::Failure, part(entity(&it.name), entity(&failing.name))),
            })
        });
        Failures {
            plans,
            processes: processes.collect(),
            broken: vec![0; nodes],
            switched_off: vec![false; nodes],
            crews: plans.iter().map(|it| (it.crews.unwrap_or(u64::MAX), VecDeque::new())).collect(),
        }
    }

    /// Schedules the first failure of every process. Unless its units are new, a process has been going on for ever and is
    /// found whole: the first up time is what is left of one, so that failures do not bunch at the start.
    pub fn start<E: From<Turn>>(&mut self, queue: &mut Queue<E>) {
        for (process, it) in self.processes.iter_mut().enumerate() {
            let plan = &self.plans[it.plan];
            let first = if plan.new { plan.up.sample(&mut it.rng) } else { plan.up.residual(&mut it.rng) };
            queue.after(first, Turn { process: process as u32 });
        }
    }

    /// A unit fails or is repaired. The nodes that changed their state are added to `changes`; the answer says whether
    /// this was a failure, and names the unit.
    pub fn handle<E: From<Turn>>(
        &mut self,
        queue: &mut Queue<E>,
        turn: Turn,
        changes: &mut Vec<Change>,
    ) -> (bool, &'a str) {
        let process = &mut self.processes[turn.process as usize];
        let plan = &self.plans[process.plan];
        let unit = &plan.units[process.unit];
        process.broken = !process.broken;
        let (broken, row) = (process.broken, process.plan);
        let (free, waiting) = &mut self.crews[row];
        if !broken {
            queue.after(plan.up.sample(&mut process.rng), turn);
            *free += 1;
        }
        if broken {
            waiting.push_back(turn.process);
        }
        if *free > 0
            && let Some(next) = waiting.pop_front()
        {
            *free -= 1;
            let repair = plan.repair.sample(&mut self.processes[next as usize].rng);
            queue.after(repair, Turn { process: next });
        }
        for &node in &unit.nodes {
            let was_up = self.is_up(node);
            self.broken[node] = if broken { self.broken[node] + 1 } else { self.broken[node] - 1 };
            if was_up != self.is_up(node) {
                changes.push(Change { node, up: !was_up });
            }
        }
        (broken, &unit.name)
    }

    /// The script switches nodes off or on. Switching on does not repair what else is broken.
    pub fn switch(&mut self, nodes: &[usize], on: bool, changes: &mut Vec<Change>) {
        for &node in nodes {
            let was_up = self.is_up(node);
            self.switched_off[node] = !on;
            if was_up != self.is_up(node) {
                changes.push(Change { node, up: !was_up });
            }
        }
    }

    /// Whether a node has power.
    pub fn is_up(&self, node: usize) -> bool {
        self.broken[node] == 0 && !self.switched_off[node]
    }
}

#[cfg(test)]
mod tests {
    use sched::{Span, Time};

    use super::*;
    use crate::engine::law::Law;
    use crate::scenario::FailureUnit;

    fn unit(name: &str, nodes: &[usize]) -> FailureUnit {
        FailureUnit { name: name.into(), nodes: nodes.to_vec() }
    }

    fn plan(name: &str, units: Vec<FailureUnit>) -> FailurePlan {
        let mean = |secs| Law::Exponential { mean: Span::from_secs(secs) };
        FailurePlan { name: name.into(), units, up: mean(3600), repair: mean(600), crews: None, new: false }
    }

    /// All changes of a node until `end`.
    fn history(plans: &[FailurePlan], node: usize, end: Time) -> Vec<(Time, bool)> {
        let mut failures = Failures::new(plans, 4, Seeds::of(9, 1));
        let mut queue: Queue<Turn> = Queue::new();
        failures.start(&mut queue);
        let (mut changes, mut history) = (Vec::new(), Vec::new());
        while let Some((now, turn)) = queue.pop() {
            if end < now {
                break;
            }
            failures.handle(&mut queue, turn, &mut changes);
            history.extend(changes.drain(..).filter(|it| it.node == node).map(|it| (now, it.up)));
        }
        history
    }

    #[test]
    fn a_unit_fails_alike_whatever_else_fails() {
        let end = Time::ZERO + Span::from_secs(1_000_000);
        let alone = [plan("node", vec![unit("a", &[0])])];
        let beside =
            [plan("rack", vec![unit("rack=1", &[1, 2])]), plan("node", vec![unit("b", &[3]), unit("a", &[0])])];
        let failures = history(&alone, 0, end);
        assert!(failures.len() > 100, "{}", failures.len());
        assert_eq!(failures, history(&beside, 0, end));
    }

    #[test]
    fn up_and_down_take_turns_and_their_shares() {
        let end = 20_000_000;
        let history = history(&[plan("node", vec![unit("a", &[0])])], 0, Time::ZERO + Span::from_secs(end));
        let mut down = 0.0;
        for pair in history.windows(2) {
            assert_ne!(pair[0].1, pair[1].1);
            if !pair[0].1 {
                down += (pair[1].0 - pair[0].0).as_secs_f64();
            }
        }
        // Mean repair over mean cycle: 600 / 4200.
        assert!((down / end as f64 / (600.0 / 4200.0) - 1.0).abs() < 0.05, "{down}");
    }

    #[test]
    fn repairs_wait_for_a_crew_in_the_order_of_failure() {
        let fixed = |secs| Law::Fixed(Span::from_secs(secs));
        let units = vec![unit("a", &[0]), unit("b", &[1]), unit("c", &[2])];
        let plans =
            [FailurePlan { up: fixed(100), repair: fixed(10), crews: Some(1), new: true, ..plan("node", units) }];
        let mut failures = Failures::new(&plans, 3, Seeds::of(1, 1));
        let mut queue: Queue<Turn> = Queue::new();
        failures.start(&mut queue);
        let (mut changes, mut ups) = (Vec::new(), Vec::new());
        while let Some((now, turn)) = queue.pop().filter(|it| it.0 < Time::ZERO + Span::from_secs(150)) {
            failures.handle(&mut queue, turn, &mut changes);
            ups.extend(changes.drain(..).filter(|it| it.up).map(|it| (now.as_secs_f64(), it.node)));
        }
        assert_eq!(ups, [(110.0, 0), (120.0, 1), (130.0, 2)]);
    }

    #[test]
    fn a_node_is_up_when_no_cause_holds_it_down() {
        let plans = [plan("node", vec![unit("a", &[0])]), plan("rack", vec![unit("rack=1", &[0, 1])])];
        let mut failures = Failures::new(&plans, 2, Seeds::of(1, 1));
        let mut queue: Queue<Turn> = Queue::new();
        let mut changes = Vec::new();
        let down = |node| Change { node, up: false };
        let up = |node| Change { node, up: true };

        assert_eq!(failures.handle(&mut queue, Turn { process: 0 }, &mut changes), (true, "a"));
        assert_eq!(std::mem::take(&mut changes), [down(0)]);
        failures.handle(&mut queue, Turn { process: 1 }, &mut changes);
        assert_eq!(std::mem::take(&mut changes), [down(1)], "node 0 is down already");
        failures.switch(&[0, 1], false, &mut changes);
        failures.switch(&[0], false, &mut changes);
        assert_eq!(failures.handle(&mut queue, Turn { process: 0 }, &mut changes), (false, "a"));
        failures.handle(&mut queue, Turn { process: 1 }, &mut changes);
        assert_eq!(changes, [], "the script still holds both");
        failures.switch(&[1, 0], true, &mut changes);
        assert_eq!(changes, [up(1), up(0)]);
    }
}
