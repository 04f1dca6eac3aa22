//! Machines that lose power and get it back: by script, and by renewal processes of failure and repair.
//!
//! Failures are exogenous: they depend on the scenario and the replication, never on what runs where. The model knows
//! nothing of detection; the manager learns of a failure by the silence of the agent ([`super::heartbeat`]).

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use sched::{Span, Time};

use crate::engine::chance::{below, unit};
use crate::engine::law::Law;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::fact::{Context, NetworkFault};

/// A renewal process that takes nodes down, alone or together.
#[derive(Clone, PartialEq, Debug)]
pub struct FailurePlan {
    /// The user's name for it.
    pub name: String,
    /// The sets of nodes that fail together, each with its own process: one node each, or all nodes of a rack.
    pub units: Vec<FailureUnit>,
    /// What breaks: the network in some way; `None` is the machine's power.
    pub fault: Option<NetworkFault>,
    /// Time between a repair and the next failure of a unit.
    pub up: Law,
    /// Time to repair.
    pub repair: Law,
    /// Repairs that go on at a time, the others wait in the order of failure; `None` is without limit.
    pub crews: Option<u64>,
    /// Name of the crews; plans whose crews have the same name share them.
    pub crew: Option<String>,
    /// How every unit is found at the start.
    pub start: UnitStart,
    /// How long before a failure it is announced; then the nodes are drained.
    pub notice: Option<Span>,
    /// Whether failures come in bursts.
    pub burst: Option<Burst>,
    /// Instead of chance: for each unit, when it fails and for how long.
    pub log: Option<Vec<Vec<(Time, Span)>>>,
}

impl Default for FailurePlan {
    /// Nothing that fails, once a year, for an hour.
    fn default() -> Self {
        FailurePlan {
            name: String::new(),
            units: Vec::new(),
            fault: None,
            up: Law::Exponential { mean: Span::from_secs(365 * 86_400) },
            repair: Law::Fixed(Span::from_secs(3600)),
            crews: None,
            crew: None,
            start: UnitStart::Up,
            notice: None,
            burst: None,
            log: None,
        }
    }
}

/// How a unit is found at the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum UnitStart {
    /// It is up, and has been for some time: its first up time is what is left of one.
    #[default]
    Up,
    /// It is up, and its first up time begins.
    New,
    /// As at any moment of a process that has been going on for ever: it is broken with the share of its repairs in the time,
    /// and what is left of its repair or of its up time begins. One that is broken breaks in the first instant.
    Stationary,
}

/// A failure that draws others of its plan in.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Burst {
    /// Probability that a failure does.
    pub chance: f64,
    /// Mean number of units that fail together, at least 2.
    pub size: f64,
    /// The others fail within this time.
    pub within: Span,
}

/// Nodes that one failure takes down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailureUnit {
    /// Name of the node, or `key=value` of the label that they share.
    pub name: String,
    /// Rows of the nodes of the scenario.
    pub nodes: Vec<usize>,
}

/// The next transition of a process, unless another came before it: a notice, a failure, or the end of a repair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transition {
    process: u32,
    serial: u32,
}

/// What a transition was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureEvent {
    /// It was announced that the unit will fail.
    Noticed,
    /// The unit failed.
    Failed,
    /// The unit is repaired.
    Repaired,
}

/// A machine changed its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PowerChange {
    /// Row of the node.
    pub node: usize,
    /// Whether it has power now.
    pub up: bool,
}

/// The failures of a run.
///
/// A node is up when no cause holds it down: the causes are the script and every process whose unit it belongs to.
#[derive(Clone, Debug)]
pub struct Failures {
    plans: Arc<[FailurePlan]>,
    processes: Vec<Process>,
    /// For each plan, the rows of its processes.
    rows: Vec<Range<usize>>,
    /// For each node, how many processes hold it down.
    broken: Vec<u32>,
    /// For each node, whether the script holds it down.
    switched_off: Vec<bool>,
    /// For each plan, the row of its crews; crews are those of a plan or shared by some.
    teams: Vec<usize>,
    /// How many crews of a row are free, and the broken processes that wait for one.
    crews: Vec<(u64, VecDeque<u32>)>,
}

#[derive(Clone, Debug)]
struct Process {
    plan: usize,
    unit: usize,
    serial: u32,
    broken: bool,
    /// When it fails, and whether that was announced.
    fails: Time,
    noticed: bool,
    /// Whether the failure is part of a burst: then it does not begin another.
    in_burst: bool,
    /// Outages of its log so far.
    outages: usize,
    /// Whether it was broken before the start, so that its first repair is what is left of one.
    found_broken: bool,
    rng: ChaCha8Rng,
}

impl Failures {
    /// Every node is up. The chance of a unit belongs to its name and that of its plan.
    pub fn new(plans: &[FailurePlan], nodes: usize, seeds: Seeds) -> Self {
        let (mut processes, mut rows) = (Vec::new(), Vec::new());
        for (row, plan) in plans.iter().enumerate() {
            let begin = processes.len();
            processes.extend(plan.units.iter().enumerate().map(|(unit, failing)| Process {
                plan: row,
                unit,
                serial: 0,
                broken: false,
                fails: Time::ZERO,
                noticed: false,
                in_burst: false,
                outages: 0,
                found_broken: false,
                rng: seeds.stream(Stream::Failure, part(entity(&plan.name), entity(&failing.name))),
            }));
            rows.push(begin..processes.len());
        }
        // Whose crews have a name takes those of the first plan that names them.
        let same = |plan: &FailurePlan| plans.iter().position(|other| plan.crew.is_some() && other.crew == plan.crew);
        let teams = plans.iter().enumerate().map(|(row, plan)| same(plan).unwrap_or(row)).collect();
        Failures {
            plans: plans.into(),
            teams,
            processes,
            rows,
            broken: vec![0; nodes],
            switched_off: vec![false; nodes],
            crews: plans.iter().map(|plan| (plan.crews.unwrap_or(u64::MAX), VecDeque::new())).collect(),
        }
    }

    /// Schedules the first failure of every process, as its plan says that units are [found](UnitStart).
    pub fn start<E: From<Transition>>(&mut self, cx: &mut Context<E>) {
        for row in 0..self.processes.len() {
            self.schedule(cx, row, true);
        }
    }

    /// A transition is due. The nodes that changed their state are added to `changes`; the answer says what happened to its
    /// [unit](Failures::unit).
    pub fn handle<E: From<Transition>>(
        &mut self,
        cx: &mut Context<E>,
        transition: Transition,
        changes: &mut Vec<PowerChange>,
    ) -> Option<FailureEvent> {
        let process = &mut self.processes[transition.process as usize];
        if process.serial != transition.serial {
            return None;
        }
        let plans = Arc::clone(&self.plans);
        let plan = &plans[process.plan];
        let unit = &plan.units[process.unit];
        if !process.broken && !process.noticed && plan.notice.is_some() {
            process.noticed = true;
            cx.at(process.fails, transition);
            return Some(FailureEvent::Noticed);
        }
        process.broken = !process.broken;
        let broken = process.broken;
        if broken {
            self.break_down(cx, transition.process);
        } else {
            process.outages += 1;
            let row = self.teams[process.plan];
            self.crews[row].0 += 1;
            self.schedule(cx, transition.process as usize, false);
            self.repair(cx, row);
        }
        let powered: &[usize] = if plan.fault.is_none() { &unit.nodes } else { &[] };
        for &node in powered {
            let was_up = self.is_up(node);
            self.broken[node] = if broken { self.broken[node] + 1 } else { self.broken[node] - 1 };
            if was_up != self.is_up(node) {
                changes.push(PowerChange { node, up: !was_up });
            }
        }
        Some(if broken { FailureEvent::Failed } else { FailureEvent::Repaired })
    }

    /// Schedules the next failure of a process, or its notice.
    fn schedule<E: From<Transition>>(&mut self, cx: &mut Context<E>, row: usize, first: bool) {
        let process = &mut self.processes[row];
        let plan = &self.plans[process.plan];
        process.fails = match &plan.log {
            Some(log) => match log[process.unit].get(process.outages) {
                Some(outage) => outage.0.max(cx.now()),
                None => return,
            },
            None if first && plan.start == UnitStart::Stationary && is_found_broken(plan, &mut process.rng) => {
                process.found_broken = true;
                cx.now()
            }
            None if first && plan.start != UnitStart::New => cx.now() + plan.up.residual(&mut process.rng),
            None => cx.now() + plan.up.sample(&mut process.rng),
        };
        (process.noticed, process.in_burst) = (false, false);
        process.serial += 1;
        let notice = plan.notice.unwrap_or_default();
        let at = cx.now().max(Time::from_nanos(process.fails.as_nanos().saturating_sub(notice.as_nanos())));
        cx.at(at, Transition { process: row as u32, serial: process.serial });
    }

    /// A process is broken: it waits for a crew, and may draw others in.
    fn break_down<E: From<Transition>>(&mut self, cx: &mut Context<E>, process: u32) {
        let broken = &mut self.processes[process as usize];
        let row = broken.plan;
        let team = self.teams[row];
        self.crews[team].1.push_back(process);
        let plan = &self.plans[row];
        if let Some(burst) = &plan.burst
            && !broken.in_burst
            && unit(&mut broken.rng) < burst.chance
        {
            let mut rng = broken.rng.clone();
            // At least one more; geometric with the mean of the others.
            let stop = 1.0 / (burst.size - 1.0).max(1.0);
            let mut others = 1;
            while unit(&mut rng) >= stop {
                others += 1;
            }
            let mut intact: Vec<usize> =
                self.rows[row].clone().filter(|other| !self.processes[*other].broken).collect();
            for _ in 0..others.min(intact.len()) {
                let chosen = intact.swap_remove(below(&mut rng, intact.len() as u64) as usize);
                let after = Span::from_secs_f64(unit(&mut rng) * burst.within.as_secs_f64());
                let other = &mut self.processes[chosen];
                (other.noticed, other.in_burst) = (true, true);
                other.serial += 1;
                cx.after(after, Transition { process: chosen as u32, serial: other.serial });
            }
            self.processes[process as usize].rng = rng;
        }
        self.repair(cx, team);
    }

    /// A free crew begins with the next broken process that waits for it.
    fn repair<E: From<Transition>>(&mut self, cx: &mut Context<E>, team: usize) {
        let (free, waiting) = &mut self.crews[team];
        if *free == 0 {
            return;
        }
        let Some(next) = waiting.pop_front() else { return };
        *free -= 1;
        let process = &mut self.processes[next as usize];
        let plan = &self.plans[process.plan];
        let repair = match &plan.log {
            Some(log) => log[process.unit][process.outages].1,
            None if std::mem::take(&mut process.found_broken) => plan.repair.residual(&mut process.rng),
            None => plan.repair.sample(&mut process.rng),
        };
        process.serial += 1;
        cx.after(repair, Transition { process: next, serial: process.serial });
    }

    /// The script switches nodes off or on. Switching on does not repair what else is broken.
    pub fn switch(&mut self, nodes: &[usize], on: bool, changes: &mut Vec<PowerChange>) {
        for &node in nodes {
            let was_up = self.is_up(node);
            self.switched_off[node] = !on;
            if was_up != self.is_up(node) {
                changes.push(PowerChange { node, up: !was_up });
            }
        }
    }

    /// The rows of the plan and the unit that a process belongs to.
    pub fn rows(&self, transition: Transition) -> (u32, u32) {
        let process = &self.processes[transition.process as usize];
        (process.plan as u32, process.unit as u32)
    }

    /// The unit of a process.
    pub fn unit(&self, transition: Transition) -> &FailureUnit {
        let process = &self.processes[transition.process as usize];
        &self.plans[process.plan].units[process.unit]
    }

    /// What breaks in a process and the row of the process; `None` is the power of its machines.
    pub fn fault(&self, transition: Transition) -> Option<(NetworkFault, usize)> {
        let row = transition.process as usize;
        self.plans[self.processes[row].plan].fault.map(|fault| (fault, row))
    }

    /// Whether failures of a process are announced.
    pub fn announces(&self, transition: Transition) -> bool {
        self.plans[self.processes[transition.process as usize].plan].notice.is_some()
    }

    /// Whether a node has power.
    pub fn is_up(&self, node: usize) -> bool {
        self.broken[node] == 0 && !self.switched_off[node]
    }
}

/// Whether a process that has been going on for ever is in a repair (renewal theory: by the shares of the mean times).
fn is_found_broken(plan: &FailurePlan, rng: &mut ChaCha8Rng) -> bool {
    let (up, repair) = (plan.up.mean().as_secs_f64(), plan.repair.mean().as_secs_f64());
    unit(rng) * (up + repair) < repair
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit_of(name: &str, nodes: &[usize]) -> FailureUnit {
        FailureUnit { name: name.into(), nodes: nodes.to_vec() }
    }

    fn plan(name: &str, units: Vec<FailureUnit>) -> FailurePlan {
        let mean = |secs| Law::Exponential { mean: Span::from_secs(secs) };
        FailurePlan { name: name.into(), units, up: mean(3600), repair: mean(600), ..FailurePlan::default() }
    }

    /// All changes of a node until `end`.
    fn history(plans: &[FailurePlan], node: usize, end: Time) -> Vec<(Time, bool)> {
        let mut failures = Failures::new(plans, 4, Seeds::of(9, 1));
        let mut cx: Context<Transition> = Context::new();
        failures.start(&mut cx);
        let (mut changes, mut history) = (Vec::new(), Vec::new());
        while let Some((now, transition)) = cx.pop() {
            if end < now {
                break;
            }
            failures.handle(&mut cx, transition, &mut changes);
            history.extend(changes.drain(..).filter(|change| change.node == node).map(|change| (now, change.up)));
        }
        history
    }

    #[test]
    fn a_unit_fails_alike_whatever_else_fails() {
        let end = Time::ZERO + Span::from_secs(1_000_000);
        let alone = [plan("node", vec![unit_of("a", &[0])])];
        let beside = [
            plan("rack", vec![unit_of("rack=1", &[1, 2])]),
            plan("node", vec![unit_of("b", &[3]), unit_of("a", &[0])]),
        ];
        let failures = history(&alone, 0, end);
        assert!(failures.len() > 100, "{}", failures.len());
        assert_eq!(failures, history(&beside, 0, end));
    }

    #[test]
    fn up_and_down_take_turns_and_their_shares() {
        let end = 20_000_000;
        let history = history(&[plan("node", vec![unit_of("a", &[0])])], 0, Time::ZERO + Span::from_secs(end));
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
        let units = vec![unit_of("a", &[0]), unit_of("b", &[1]), unit_of("c", &[2])];
        let plans = [FailurePlan {
            up: fixed(100),
            repair: fixed(10),
            crews: Some(1),
            start: UnitStart::New,
            ..plan("node", units)
        }];
        let mut failures = Failures::new(&plans, 3, Seeds::of(1, 1));
        let mut cx: Context<Transition> = Context::new();
        failures.start(&mut cx);
        let (mut changes, mut ups) = (Vec::new(), Vec::new());
        while let Some((now, transition)) = cx.pop().filter(|next| next.0 < Time::ZERO + Span::from_secs(150)) {
            failures.handle(&mut cx, transition, &mut changes);
            ups.extend(changes.drain(..).filter(|change| change.up).map(|change| (now.as_secs_f64(), change.node)));
        }
        assert_eq!(ups, [(110.0, 0), (120.0, 1), (130.0, 2)]);
    }

    #[test]
    fn plans_share_crews_of_one_name() {
        let fixed = |secs| Law::Fixed(Span::from_secs(secs));
        let of = |name: &str, node: usize, up: u64, repair: u64| FailurePlan {
            up: fixed(up),
            repair: fixed(repair),
            crews: Some(1),
            crew: Some("hands".into()),
            start: UnitStart::New,
            ..plan(name, vec![unit_of(name, &[node])])
        };
        let told = story(&[of("slow", 0, 100, 50), of("fast", 1, 110, 1)], 2, 152);
        assert_eq!(told, ["100 Failed slow", "110 Failed fast", "150 Repaired slow", "151 Repaired fast"]);
    }

    /// Everything that happens until `end`: `100 Failed a`.
    fn story(plans: &[FailurePlan], nodes: usize, end: u64) -> Vec<String> {
        let mut failures = Failures::new(plans, nodes, Seeds::of(1, 1));
        let mut cx: Context<Transition> = Context::new();
        failures.start(&mut cx);
        let (mut changes, mut log) = (Vec::new(), Vec::new());
        while let Some((now, transition)) = cx.pop().filter(|next| next.0 <= Time::ZERO + Span::from_secs(end)) {
            if let Some(what) = failures.handle(&mut cx, transition, &mut changes) {
                let unit = failures.unit(transition);
                log.push(format!("{} {what:?} {}", now.as_secs_f64(), unit.name));
            }
        }
        log
    }

    #[test]
    fn a_log_is_replayed_and_a_reclaim_is_announced() {
        let secs = Span::from_secs;
        let at = |seconds| Time::ZERO + secs(seconds);
        let log = vec![vec![(at(10), secs(5)), (at(30), secs(1))], vec![(at(12), secs(100))]];
        let units = vec![unit_of("a", &[0]), unit_of("b", &[1])];
        let replay = [FailurePlan { log: Some(log), ..plan("log", units) }];
        let told = ["10 Failed a", "12 Failed b", "15 Repaired a", "30 Failed a", "31 Repaired a", "112 Repaired b"];
        assert_eq!(story(&replay, 2, 1000), told);
        let fixed = |seconds| Law::Fixed(secs(seconds));
        let (up, repair, notice) = (fixed(100), fixed(10), Some(secs(30)));
        let spot =
            [FailurePlan { up, repair, notice, start: UnitStart::New, ..plan("spot", vec![unit_of("a", &[0])]) }];
        assert_eq!(story(&spot, 1, 190), ["70 Noticed a", "100 Failed a", "110 Repaired a", "180 Noticed a"]);
    }

    #[test]
    fn a_unit_that_has_been_there_fails_within_what_is_left_of_an_up_time_and_a_new_one_after_a_whole() {
        let fixed = |secs| Law::Fixed(Span::from_secs(secs));
        let first = |start: UnitStart| -> Vec<f64> {
            let units = (0..1000).map(|number| unit_of(&format!("n{number}"), &[])).collect();
            let plans = [FailurePlan { up: fixed(100), repair: fixed(1000), start, ..plan("node", units) }];
            let told = story(&plans, 0, 500);
            told.iter().map(|line| line.split(' ').next().and_then(|at| at.parse().ok()).expect("a time")).collect()
        };
        assert_eq!(first(UnitStart::New), vec![100.0; 1000]);
        // Uniform up to the whole: mean 50, standard deviation 100 / sqrt(12), and that of the mean 0.9.
        let left = first(UnitStart::Up);
        assert!(left.len() == 1000 && left.iter().all(|seconds| (0.0..=100.0).contains(seconds)), "{left:?}");
        let mean = left.iter().sum::<f64>() / 1000.0;
        assert!((mean - 50.0).abs() < 3.0 && left[10] < 5.0 && 95.0 < left[989], "{mean}");
    }

    /// Three quarters of the time are repairs, so three quarters of the units are found broken, with what is left of a
    /// repair: uniform up to the whole.
    #[test]
    fn units_that_are_found_as_in_the_long_run_are_broken_as_often() {
        let fixed = |secs| Law::Fixed(Span::from_secs(secs));
        let units = (0..2000).map(|number| unit_of(&format!("n{number}"), &[])).collect();
        let start = UnitStart::Stationary;
        let plans = [FailurePlan { up: fixed(100), repair: fixed(300), start, ..plan("node", units) }];
        let told = story(&plans, 0, 299);
        let time = |line: &String| line.split(' ').next().and_then(|at| at.parse::<f64>().ok()).expect("a time");
        let found = told.iter().filter(|line| time(line) == 0.0).count();
        // 1500, standard deviation sqrt(2000 * 0.75 * 0.25) = 19.4.
        assert!((1420..=1580).contains(&found), "{found} are found broken");
        // Of those nearly all are repaired within 150 s by half, and the others fail within 100 s.
        let repaired = told.iter().filter(|line| line.contains("Repaired") && time(line) <= 150.0).count();
        assert!((repaired as f64 - found as f64 / 2.0).abs() < 80.0, "{repaired} of {found} are repaired by 150 s");
        let failed =
            told.iter().filter(|line| line.contains("Failed") && 0.0 < time(line) && time(line) <= 100.0).count();
        assert!(failed >= 2000 - found, "{failed} of {} that are up fail", 2000 - found);
    }

    #[test]
    fn a_burst_draws_others_in() {
        let units: Vec<FailureUnit> = (0..40).map(|number| unit_of(&format!("n{number}"), &[number])).collect();
        let burst = Some(Burst { chance: 1.0, size: 4.0, within: Span::from_secs(120) });
        // Repairs are short, so that a burst finds the others whole.
        let up = Law::Exponential { mean: Span::from_secs(360_000) };
        let plans = [FailurePlan { burst, up, ..plan("node", units) }];
        let log = story(&plans, 40, 100_000_000);
        let failed: Vec<f64> = log
            .iter()
            .filter(|line| line.contains("Failed"))
            .filter_map(|line| line.split(' ').next()?.parse().ok())
            .collect();
        let alone = story(&[FailurePlan { burst: None, ..plans[0].clone() }], 40, 100_000_000);
        let alone = alone.iter().filter(|line| line.contains("Failed")).count() as f64;
        // One begins it and three follow; the clocks of those that follow begin anew.
        let ratio = failed.len() as f64 / alone;
        assert!((3.8..4.2).contains(&ratio), "{ratio}");
    }

    #[test]
    fn a_node_is_up_when_no_cause_holds_it_down() {
        let plans = [plan("node", vec![unit_of("a", &[0])]), plan("rack", vec![unit_of("rack=1", &[0, 1])])];
        let mut failures = Failures::new(&plans, 2, Seeds::of(1, 1));
        let mut cx: Context<Transition> = Context::new();
        let mut changes = Vec::new();
        let down = |node| PowerChange { node, up: false };
        let up = |node| PowerChange { node, up: true };

        let transition = |process, serial| Transition { process, serial };
        failures.start(&mut cx);
        let failed = failures.handle(&mut cx, transition(0, 1), &mut changes);
        assert_eq!((failed, failures.unit(transition(0, 1))), (Some(FailureEvent::Failed), &plans[0].units[0]));
        assert_eq!(failures.handle(&mut cx, transition(0, 1), &mut changes), None, "that was the last transition");
        assert_eq!(std::mem::take(&mut changes), [down(0)]);
        failures.handle(&mut cx, transition(1, 1), &mut changes);
        assert_eq!(std::mem::take(&mut changes), [down(1)], "node 0 is down already");
        failures.switch(&[0, 1], false, &mut changes);
        failures.switch(&[0], false, &mut changes);
        let repaired = failures.handle(&mut cx, transition(0, 2), &mut changes);
        assert_eq!((repaired, failures.unit(transition(0, 2))), (Some(FailureEvent::Repaired), &plans[0].units[0]));
        failures.handle(&mut cx, transition(1, 2), &mut changes);
        assert_eq!(changes, [], "the script still holds both");
        failures.switch(&[1, 0], true, &mut changes);
        assert_eq!(changes, [up(1), up(0)]);
    }
}
