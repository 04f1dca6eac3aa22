//! What Nomad does with the allocations of a service job, as a model of its published behaviour.
//!
//! Sources: `scheduler/reconciler` (lost allocations, disconnects), `nomad/structs/structs.go` (`DefaultMigrateStrategy`,
//! `DefaultServiceJobRestartPolicy`, `DefaultServiceJobReschedulePolicy`), `api/tasks.go` (`NewDefaultDisconnectStrategy`),
//! `nomad/drainer`. Detection is the heartbeat law (`nomad/heartbeat.go`), not this policy.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::backoff::{Backoffs, grown};
use super::parameters::{Kind, Parameter, Value};
use super::{
    Action, Actions, Cause, Decision, Failover, Interests, Loss, News, NodeChange, Order, PolicyEntry, PolicyKind,
    Replacement, ServiceChange, View, state,
};
use crate::id::{NodeId, Row, ServiceId, Slot, TaskId};
use crate::scheduler::mix;
use crate::task::{DesiredState, Task};
use crate::time::{Span, Time};
use crate::work::{self, Work};

const RECONCILE: &[&str] = &["best_score", "keep_original", "keep_replacement", "longest_running"];

const fn span(name: &'static str, secs: u64, meaning: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Span, default: Value::Span(Span::from_secs(secs)), meaning }
}

pub(super) const ENTRY: PolicyEntry = PolicyEntry {
    name: "nomad",
    summary: "a model of a service job: what is lost with a node is replaced at once; a drain takes one task of each service at \
              a time, the next when the replacement was healthy for 10 s; tasks that end restart in place twice in 30 min, then \
              elsewhere after a back-off",
    promise: "what Nomad is known to do, with its heartbeat law",
    parameters: &[
        span(
            "lost_after",
            0,
            "how long a node may be disconnected before its tasks are lost (disconnect.lost_after); 0 s: at once",
        ),
        Parameter {
            name: "replace",
            kind: Kind::Flag,
            default: Value::Flag(true),
            meaning: "whether disconnected tasks have replacements until then (disconnect.replace)",
        },
        Parameter {
            name: "reconcile",
            kind: Kind::Choice(RECONCILE),
            default: Value::Text(Cow::Borrowed("best_score")),
            meaning: "which stays when a disconnected node is back: best_score (here all score alike: the original), \
                      keep_original, keep_replacement, longest_running",
        },
        Parameter {
            name: "max_parallel",
            kind: Kind::Count(1, 1_000_000),
            default: Value::Count(1),
            meaning: "tasks of a service that a drain moves at a time (migrate.max_parallel: 1)",
        },
        span(
            "min_healthy_time",
            10,
            "how long a replacement runs before the next goes (migrate.min_healthy_time: 10 s)",
        ),
        span(
            "healthy_deadline",
            300,
            "how long it may take to get there, 1 s at least (migrate.healthy_deadline: 5 min)",
        ),
        span("deadline", 3600, "after so long a drain takes all that is left (drain deadline: 1 h)"),
        Parameter {
            name: "attempts",
            kind: Kind::Count(0, 1_000_000),
            default: Value::Count(2),
            meaning: "restarts in place within `interval` (restart.attempts: 2)",
        },
        span("interval", 1800, "a run of so long ends the row of restarts (restart.interval: 30 min)"),
        span("delay", 15, "before a restart in place; up to a quarter more, by chance (restart.delay: 15 s)"),
        span("reschedule", 30, "before the first start elsewhere, doubling from there (reschedule.delay: 30 s)"),
        span("reschedule_max", 3600, "the longest (reschedule.max_delay: 1 h)"),
    ],
    kind: PolicyKind::Complete,
    build: |settings, seed| {
        Ok(Box::new(Nomad {
            lost_after: settings.span("lost_after"),
            replace: settings.flag("replace"),
            keep_replacement: settings.text("reconcile") == RECONCILE[2],
            max_parallel: settings.count("max_parallel"),
            min_healthy_time: settings.span("min_healthy_time"),
            // What never gets there would be given up at once and begun again without end.
            healthy_deadline: settings.span("healthy_deadline").max(Span::from_secs(1)),
            deadline: settings.span("deadline"),
            attempts: settings.count("attempts"),
            interval: settings.span("interval"),
            delay: settings.span("delay"),
            reschedule: settings.span("reschedule"),
            reschedule_max: settings.span("reschedule_max"),
            seed,
            draining: BTreeMap::new(),
            moving: Moving::default(),
            left: None,
            changed: false,
            restarts: Backoffs::default(),
            moves: Backoffs::default(),
        }))
    },
};

/// Timers by what they are for, in the lowest two bits; the rest is a node, but for the next step of drains.
const STEP: u64 = 0;
const DEADLINE: u64 = 1;
const LOST: u64 = 2;
const BACK: u64 = 3;
/// After a node registered its agent has said what became of its containers.
const REPORTED: Span = Span::from_secs(2);

#[derive(Clone, Debug)]
struct Nomad {
    lost_after: Span,
    replace: bool,
    keep_replacement: bool,
    max_parallel: u64,
    min_healthy_time: Span,
    healthy_deadline: Span,
    deadline: Span,
    attempts: u64,
    interval: Span,
    delay: Span,
    reschedule: Span,
    reschedule_max: Span,
    seed: u64,
    /// Drained nodes, with their deadlines.
    draining: BTreeMap<NodeId, Time>,
    /// Tasks on their way.
    moving: Moving,
    /// What drained nodes still have, found again from the tasks when it is not known.
    left: Option<Left>,
    /// Whether a node changed since the last step.
    changed: bool,
    /// Restarts in place, and starts elsewhere.
    restarts: Backoffs,
    moves: Backoffs,
}

fn token(kind: u64, node: NodeId) -> u64 {
    (node.index() as u64) << 2 | kind
}

/// Tasks that a drain replaces.
#[derive(Clone, Default, Debug)]
struct Moving {
    /// Until when their service waits at most.
    tasks: BTreeMap<TaskId, (ServiceId, Time)>,
    /// The same, by that time.
    ends: BTreeSet<(Time, TaskId)>,
    /// How many there are of each service.
    counts: BTreeMap<ServiceId, u64>,
}

impl Moving {
    fn insert(&mut self, task: TaskId, service: ServiceId, until: Time) {
        self.remove(task);
        self.tasks.insert(task, (service, until));
        self.ends.insert((until, task));
        *self.counts.entry(service).or_default() += 1;
    }

    /// Says of which service it was.
    fn remove(&mut self, task: TaskId) -> Option<ServiceId> {
        let (service, until) = self.tasks.remove(&task)?;
        self.ends.remove(&(until, task));
        let count = self.counts.get_mut(&service).expect("what moves is counted");
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&service);
        }
        Some(service)
    }

    /// One whose time is over.
    fn over(&mut self, now: Time) -> Option<(TaskId, ServiceId)> {
        let (until, task) = *self.ends.first()?;
        (until <= now).then(|| (task, self.remove(task).expect("it moves")))
    }
}

/// Tasks on drained nodes that are to go, of each service in the order in which they go: node by node, as they came.
#[derive(Clone, Default, Debug)]
struct Left {
    tasks: BTreeMap<ServiceId, BTreeSet<(NodeId, u32, TaskId)>>,
    /// Services with tasks on each node.
    services: BTreeMap<NodeId, BTreeSet<ServiceId>>,
    /// Services of which one might go now.
    due: BTreeSet<ServiceId>,
}

impl Left {
    /// Takes in what a drained node has, of one service or of all.
    fn add(&mut self, view: &View<'_>, node: NodeId, only: Option<ServiceId>) {
        for (place, id) in (0..).zip(view.tasks_on(node)) {
            work::count(Work::Drained);
            let task = view.cluster().task(id).expect("a view lists records that exist");
            if matches!(task.slot, Slot::Number(_)) && only.is_none_or(|only| only == task.service) {
                self.tasks.entry(task.service).or_default().insert((node, place, id));
                self.services.entry(node).or_default().insert(task.service);
                self.due.insert(task.service);
            }
        }
    }

    /// A node is not drained any more.
    fn forget(&mut self, node: NodeId) {
        for service in self.services.remove(&node).into_iter().flatten() {
            self.forget_of(node, service);
        }
    }

    fn forget_of(&mut self, node: NodeId, service: ServiceId) {
        let Some(tasks) = self.tasks.get_mut(&service) else { return };
        let first = TaskId { row: 0, generation: 0 };
        while let Some(task) = tasks.range((node, 0, first)..).next().copied().filter(|(other, ..)| *other == node) {
            tasks.remove(&task);
        }
    }

    /// A task did not go after all: what its service has on its node stands in order again.
    fn add_again(&mut self, view: &View<'_>, task: TaskId) {
        if let Some((node, service)) = view.cluster().task(task).and_then(|task| Some((task.node?, task.service))) {
            self.forget_of(node, service);
            self.add(view, node, Some(service));
        }
    }
}

impl Nomad {
    /// The next tasks of drained nodes go.
    fn step(&mut self, view: &View<'_>, actions: &mut Actions) {
        let (cluster, now) = (view.cluster(), view.now());
        if std::mem::take(&mut self.changed) {
            let is_drained =
                |node: &NodeId| cluster.node(*node).is_some() && !view.can_keep(*node) && !view.is_down(*node);
            let left = &mut self.left;
            self.draining.retain(|node, _| {
                let stays = is_drained(node);
                left.iter_mut().filter(|_| !stays).for_each(|left| left.forget(*node));
                stays
            });
        }
        let is_left = |draining: &BTreeMap<NodeId, Time>, id: TaskId| {
            let wanted = |task: &&Task| task.desired <= DesiredState::Running && view.is_mine(task.service);
            let task = cluster.task(id).filter(wanted);
            task.and_then(|task| task.node).is_some_and(|node| draining.contains_key(&node))
        };
        let draining = &self.draining;
        let left = self.left.get_or_insert_with(|| {
            let mut left = Left::default();
            draining.keys().for_each(|node| left.add(view, *node, None));
            left
        });
        while let Some((task, service)) = self.moving.over(now) {
            left.due.insert(service);
            if is_left(draining, task) {
                left.add_again(view, task);
            }
        }
        let mut going: Vec<(NodeId, u32, TaskId, ServiceId)> = Vec::new();
        for service in std::mem::take(&mut left.due) {
            let mut count = self.moving.counts.get(&service).copied().unwrap_or(0);
            let Some(tasks) = left.tasks.get_mut(&service) else { continue };
            while count < self.max_parallel
                && let Some((node, place, id)) = tasks.pop_first()
            {
                work::count(Work::Drained);
                if is_left(draining, id) && !self.moving.tasks.contains_key(&id) {
                    count += 1;
                    going.push((node, place, id, service));
                }
            }
            if tasks.is_empty() {
                left.tasks.remove(&service);
            }
        }
        going.sort_unstable();
        for (_, _, id, service) in going {
            self.moving.insert(id, service, now + self.healthy_deadline);
            // Old and new go together.
            let how = Replacement { delay: Some(Span::ZERO), node: None, order: Order::Together };
            actions.push(Action::Replace { task: id, how });
        }
        if self.draining.is_empty() {
            self.left = None;
        }
        let next = self.moving.ends.first().map(|(until, _)| *until);
        actions.extend(next.filter(|_| !self.draining.is_empty()).map(|at| Action::Wake { at, token: STEP }));
    }

    fn ended(&mut self, view: &View<'_>, loss: &Loss) -> Decision {
        let Some(task) = view.cluster().task(loss.task) else { return Decision::Swarm };
        let now = view.now();
        let Some(node) = loss.node.filter(|node| view.can_keep(*node)) else {
            return Decision::Replace(Replacement { delay: Some(Span::ZERO), ..Replacement::default() });
        };
        let count = self.restarts.count(task, now, self.interval);
        if u64::from(count) < self.attempts {
            // Up to a quarter more, by the seed and the task.
            let part = (mix(self.seed ^ mix(task.sequence)) >> 11) as f64 / (1u64 << 53) as f64;
            let delay = Span::from_secs_f64(self.delay.as_secs_f64() * (1.0 + part / 4.0));
            self.restarts.starts(task, now + delay);
            return Decision::Replace(Replacement { delay: Some(delay), node: Some(node), order: Order::StopFirst });
        }
        // Elsewhere its restarts count anew.
        self.restarts.reset(task);
        let moves = self.moves.count(task, now, self.reschedule_max);
        let delay = grown(self.reschedule, 2.0, moves, self.reschedule_max);
        self.moves.starts(task, now + delay);
        self.restarts.starts(task, now + delay);
        Decision::Replace(Replacement { delay: Some(delay), ..Replacement::default() })
    }

    fn node_changed(&mut self, view: &View<'_>, node: NodeId, change: NodeChange, actions: &mut Actions) {
        self.changed = true;
        match change {
            NodeChange::Returned | NodeChange::Drained if self.lost_after > Span::ZERO => {
                actions.push(Action::Wake { at: view.now() + REPORTED, token: token(BACK, node) });
            }
            NodeChange::Activated | NodeChange::Paused | NodeChange::Removed
                if self.draining.remove(&node).is_some() =>
            {
                self.left.iter_mut().for_each(|left| left.forget(node));
            }
            _ => {}
        }
    }

    /// Of two tasks of a slot one goes: the original is back.
    fn reconcile(&self, view: &View<'_>, node: NodeId, actions: &mut Actions) {
        for old in view.tasks_on(node) {
            let task = view.cluster().task(old).expect("a view lists records that exist");
            // Only a younger one is its replacement: after a change of leader the nodes of replacements are back too.
            let is_new = |other: &Task| task.sequence < other.sequence && !matches!(other.slot, Slot::Spare(_));
            let mut others = view.tasks_in(task.service, task.slot);
            let new = others.find(|id| view.cluster().task(*id).is_some_and(is_new));
            if let Some(new) = new.filter(|_| !task.state.is_terminal()) {
                let stays = !self.keep_replacement && view.can_keep(node);
                actions.push(Action::Stop(if stays { new } else { old }));
            }
        }
    }
}

impl Failover for Nomad {
    fn interests(&self) -> Interests {
        Interests { nodes: true, services: true, moves: true, ..Interests::default() }
    }

    fn decide(&mut self, view: &View<'_>, loss: &Loss, actions: &mut Actions) -> Decision {
        let at_once = |order| Decision::Replace(Replacement { delay: Some(Span::ZERO), node: None, order });
        let is_per_node = view.cluster().task(loss.task).is_some_and(|task| matches!(task.slot, Slot::Node(_)));
        match (loss.cause, loss.node) {
            (Cause::Ended, _) => self.ended(view, loss),
            _ if is_per_node => Decision::Swarm,
            (Cause::NodeDown, Some(node)) if self.lost_after > Span::ZERO => {
                let since = view.down_since(node).unwrap_or(view.now());
                let end = since + self.lost_after;
                if end <= view.now() {
                    return at_once(Order::Together);
                }
                actions.push(Action::Wake { at: end, token: token(LOST, node) });
                if self.replace { at_once(Order::Both) } else { Decision::Keep }
            }
            (Cause::NodeDrained, Some(node)) => {
                let deadline = *self.draining.entry(node).or_insert_with(|| {
                    if let Some(left) = &mut self.left {
                        left.add(view, node, None);
                    }
                    view.now() + self.deadline
                });
                if deadline <= view.now() {
                    return at_once(Order::Together);
                }
                actions.push(Action::Wake { at: view.now(), token: STEP });
                actions.push(Action::Wake { at: deadline, token: token(DEADLINE, node) });
                Decision::Keep
            }
            _ => at_once(Order::Together),
        }
    }

    fn observe(&mut self, view: &View<'_>, news: &News, actions: &mut Actions) {
        match *news {
            News::Timer(number) => {
                let node = NodeId::from_index((number >> 2) as usize);
                match number & 3 {
                    STEP => self.step(view, actions),
                    DEADLINE if self.draining.get(&node).is_some_and(|deadline| *deadline <= view.now()) => {
                        actions.extend(view.tasks_on(node).map(Action::Reconsider));
                    }
                    LOST if view.is_down(node) => {
                        // What has a replacement is given up; what has none is lost now.
                        actions.extend(view.tasks_on(node).map(Action::Stop));
                        actions.extend(view.tasks_on(node).map(Action::Reconsider));
                    }
                    BACK if !view.is_down(node) => self.reconcile(view, node, actions),
                    _ => {}
                }
            }
            News::MoveOver { old, done, .. } => {
                if !done {
                    if let (Some(service), Some(left)) = (self.moving.remove(old), &mut self.left) {
                        left.due.insert(service);
                        left.add_again(view, old);
                    }
                    actions.push(Action::Reconsider(old));
                } else if let Some((service, until)) = self.moving.tasks.get(&old).copied() {
                    self.moving.insert(old, service, until.min(view.now() + self.min_healthy_time));
                }
                self.step(view, actions);
            }
            News::Node { node, change } => self.node_changed(view, node, change, actions),
            News::Service { service, change: ServiceChange::Removed | ServiceChange::Declared } => {
                self.restarts.forget(service);
                self.moves.forget(service);
            }
            _ => {}
        }
    }

    fn save(&self) -> String {
        let draining = self.draining.iter().flat_map(|(node, at)| [node.index() as u64, at.as_nanos()]);
        let moving = self.moving.tasks.iter().flat_map(|(task, (service, until))| {
            [u64::from(task.row), u64::from(task.generation), service.index() as u64, until.as_nanos()]
        });
        [state::join(draining), state::join(moving), self.restarts.save(), self.moves.save()].join(";")
    }

    fn load(&mut self, text: &str) -> Result<(), String> {
        let lists: Vec<&str> = text.split(';').collect();
        let [draining, moving, restarts, moves] = lists[..] else { return Err("not four lists".into()) };
        let pair = |numbers: &[u64]| (NodeId::from_index(numbers[0] as usize), Time::from_nanos(numbers[1]));
        self.draining = state::numbers::<u64>(draining)?.chunks_exact(2).map(pair).collect();
        (self.moving, self.left, self.changed) = (Moving::default(), None, true);
        for one in state::numbers::<u64>(moving)?.chunks_exact(4) {
            let task = TaskId { row: one[0] as u32, generation: one[1] as u32 };
            self.moving.insert(task, ServiceId::from_index(one[2] as usize), Time::from_nanos(one[3]));
        }
        self.restarts = Backoffs::load(restarts)?;
        self.moves = Backoffs::load(moves)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_state_is_text() {
        let build = || {
            let settings = super::super::parameters::Settings::complete(ENTRY.parameters, &[]).expect("defaults");
            (ENTRY.build)(&settings, 1).expect("a policy")
        };
        let text = "3 17;4 5 6 18;1 0 2 1 9;";
        let mut policy = build();
        policy.load(text).expect("it is as it was saved");
        assert_eq!(policy.save(), text);
        assert!(policy.load(";;").is_err());
    }
}
