//! Tasks move back to nodes that return or join.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::parameters::{Kind, Parameter, Value};
use super::{
    Action, Actions, Decision, Failover, Interests, Loss, News, NodeChange, Order, PolicyEntry, PolicyKind,
    Replacement, View, state,
};
use crate::id::{NodeId, Row, ServiceId, Slot, TaskId};
use crate::spec::{Mode, RestartCondition, UpdateConfig};
use crate::task::TaskState;
use crate::time::Span;
use crate::work::{self, Work};

const ORDERS: &[&str] = &["stop-first", "start-first"];

pub(super) const ENTRY: PolicyEntry = PolicyEntry {
    name: "rebalance",
    summary: "when a node returned or joined and has settled for `delay`, tasks of services whose spread is worse than it \
              could be move, `parallelism` at a time, each only when the one before runs and its monitor time is over; \
              services with a policy of their own, a limit of attempts or no restarts do not move",
    promise: "the least spread possible for each service, in finite time, and then no move",
    parameters: &[
        Parameter {
            name: "parallelism",
            kind: Kind::Count(1, 10_000),
            default: Value::Count(1),
            meaning: "moves at a time",
        },
        Parameter {
            name: "delay",
            kind: Kind::Span,
            default: Value::Span(Span::from_secs(30)),
            meaning: "how long the last node that came has been there before anything moves",
        },
        Parameter {
            name: "order",
            kind: Kind::Choice(ORDERS),
            default: Value::Text(Cow::Borrowed("stop-first")),
            meaning: "which of the two tasks of a move goes first: stop-first, start-first",
        },
    ],
    kind: PolicyKind::Auxiliary,
    build: |settings, _| {
        let order = if settings.text("order") == ORDERS[1] { Order::StartFirst } else { Order::StopFirst };
        Ok(Box::new(Rebalance::new(settings.count("parallelism"), settings.span("delay"), order)))
    },
};

/// The timer of the end of the delay. Others are those of moves that are watched: numbers from 1.
const SETTLED: u64 = 0;

/// A move that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Move {
    service: ServiceId,
    from: NodeId,
    to: NodeId,
}

/// Moves tasks of replicated services, one from the node that has most of the service to the one that has least, as long
/// as these differ by two or more: each move lessens the sum of the squares, so that there are finitely many. Of a service
/// with a preference the values of the first label are evened out first, then the nodes of each value.
#[derive(Clone, Debug)]
pub struct Rebalance {
    parallelism: u64,
    delay: Span,
    order: Order,
    /// Whether a round is under way, and the first service that it has not finished.
    active: bool,
    at: usize,
    /// Moves under way, by the task that goes.
    moving: BTreeMap<TaskId, Move>,
    /// Moves whose tasks run and are watched, by their timers.
    watched: BTreeMap<u64, (ServiceId, TaskId)>,
    next: u64,
    /// Services of which a move failed in this round: they are left alone.
    failed: BTreeSet<ServiceId>,
}

impl Rebalance {
    /// So many moves at a time, so long after the last node came.
    pub fn new(parallelism: u64, delay: Span, order: Order) -> Rebalance {
        Rebalance {
            parallelism,
            delay,
            order,
            active: false,
            at: 0,
            moving: BTreeMap::new(),
            watched: BTreeMap::new(),
            next: 1,
            failed: BTreeSet::new(),
        }
    }

    fn step(&mut self, view: &View<'_>, actions: &mut Actions) {
        // Records of tasks may be deleted before their moves are over.
        self.moving.retain(|task, _| view.cluster().task(*task).is_some());
        while self.active && ((self.moving.len() + self.watched.len()) as u64) < self.parallelism {
            let Some((task, next)) = self.next_move(view) else {
                if self.moving.is_empty() && self.watched.is_empty() {
                    self.active = false;
                    self.failed.clear();
                }
                return;
            };
            self.moving.insert(task, next);
            let how = Replacement { delay: Some(Span::ZERO), node: Some(next.to), order: self.order };
            actions.push(Action::Replace { task, how });
        }
    }

    /// The next move of the first service that has one.
    fn next_move(&mut self, view: &View<'_>) -> Option<(TaskId, Move)> {
        let services: Vec<ServiceId> = view.services().filter(|service| service.index() >= self.at).collect();
        for service in services {
            if let Some(entry) = self.move_of(view, service) {
                return Some(entry);
            }
            // What is under way may still fail, but no move of it is wanted before the next round.
            self.at = service.index() + 1;
        }
        None
    }

    fn move_of(&self, view: &View<'_>, service: ServiceId) -> Option<(TaskId, Move)> {
        let cluster = view.cluster();
        let spec = &cluster.service(service)?.spec;
        let restart = spec.task.restart.unwrap_or_default();
        let is_free = restart.max_attempts == 0 && restart.condition != RestartCondition::None;
        let is_replicated = matches!(spec.mode, Mode::Replicated { .. });
        if !is_replicated || !is_free || view.is_updating(service) || self.failed.contains(&service) {
            return None;
        }
        // How many there will be on each node when all moves are over, and the tasks that may go.
        let mut counts = vec![0u32; cluster.nodes().len()];
        let mut movable: Vec<(NodeId, TaskId)> = Vec::new();
        for id in view.tasks_of(service) {
            let task = cluster.task(id).expect("a view lists records that exist");
            // A task that is not placed yet will change the picture: the next node that comes is soon enough then.
            let node = task.node.filter(|_| matches!(task.slot, Slot::Number(_)))?;
            if self.moving.contains_key(&id) {
                continue;
            }
            counts[node.index()] += 1;
            if task.state == TaskState::Running && view.can_keep(node) {
                movable.push((node, id));
            }
        }
        // Of the moves under way, those whose new task exists are counted already.
        let mut coming: BTreeMap<NodeId, u32> = BTreeMap::new();
        for entry in self.moving.values().filter(|entry| entry.service == service) {
            *coming.entry(entry.to).or_default() += 1;
        }
        for (to, planned) in coming {
            let created = view.tasks_of(service).filter(|id| {
                let task = cluster.task(*id).expect("a view lists records that exist");
                task.node == Some(to) && task.state < TaskState::Running
            });
            counts[to.index()] += planned.saturating_sub(created.count() as u32);
        }
        let level = spec.task.placement.preferences.first().map(String::as_str);
        if level.is_none() && counts.iter().all(|count| *count < 2) {
            return None;
        }
        let candidates: Vec<NodeId> = view.candidates(service);
        let count = |node: &NodeId| counts[node.index()];
        // The branches of the nodes that matter are looked up once: each has a number.
        let mut branches: Vec<u32> = vec![0; counts.len()];
        let mut held: Vec<u32> = vec![0];
        if let Some(level) = level {
            let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
            let full = cluster.nodes().ids().filter(|node| count(node) > 0);
            for node in full.chain(candidates.iter().copied()) {
                let next = numbers.len();
                let number = *numbers.entry(view.value(level, node)).or_insert(next);
                branches[node.index()] = number as u32;
            }
            held = vec![0; numbers.len().max(1)];
            counts.iter().zip(&branches).for_each(|(count, branch)| held[*branch as usize] += count);
        }
        let branch = |node: &NodeId| branches[node.index()] as usize;
        // Fullest first, of equals the newest task.
        let age = |id: &TaskId| cluster.task(*id).map(|task| task.sequence);
        movable.sort_by_cached_key(|(node, id)| Reverse((count(node), age(id))));
        if level.is_some() {
            let from = movable.iter().max_by_key(|(node, _)| (held[branch(node)], count(node)));
            let to = candidates.iter().min_by_key(|node| (held[branch(node)], count(node)));
            if let (Some((from, task)), Some(to)) = (from, to)
                && held[branch(to)] + 2 <= held[branch(from)]
            {
                return Some((*task, Move { service, from: *from, to: *to }));
            }
        }
        // The emptiest of each branch, the first of equals.
        let mut emptiest: Vec<Option<NodeId>> = vec![None; held.len()];
        for to in &candidates {
            work::count(Work::Target);
            let best = &mut emptiest[branch(to)];
            if best.is_none_or(|best| count(to) < count(&best)) {
                *best = Some(*to);
            }
        }
        for (from, task) in movable {
            work::count(Work::Target);
            if let Some(to) = emptiest[branch(&from)].filter(|to| count(to) + 2 <= count(&from)) {
                return Some((task, Move { service, from, to }));
            }
        }
        None
    }

    /// A move is over, or the time is over in which its task was watched.
    fn finish(&mut self, view: &View<'_>, service: ServiceId, task: TaskId) {
        let runs = view.cluster().task(task).is_some_and(|task| task.state == TaskState::Running);
        if !runs {
            self.failed.insert(service);
        }
    }
}

impl Failover for Rebalance {
    fn interests(&self) -> Interests {
        Interests { nodes: true, moves: true, ..Interests::default() }
    }

    fn decide(&mut self, _view: &View<'_>, _loss: &Loss, _actions: &mut Actions) -> Decision {
        Decision::Swarm
    }

    fn observe(&mut self, view: &View<'_>, news: &News, actions: &mut Actions) {
        match *news {
            News::Node { change: NodeChange::Returned | NodeChange::Joined | NodeChange::Activated, .. } => {
                actions.push(Action::Wake { at: view.now() + self.delay, token: SETTLED });
            }
            News::Timer(SETTLED) => {
                (self.active, self.at) = (true, 0);
                self.step(view, actions);
            }
            News::Timer(token) => {
                if let Some((service, task)) = self.watched.remove(&token) {
                    self.finish(view, service, task);
                    self.step(view, actions);
                }
            }
            News::MoveOver { old, new, done } => {
                let Some(Move { service, .. }) = self.moving.remove(&old) else { return };
                let spec = view.cluster().service(service).map(|service| &service.spec);
                if let Some(spec) = spec.filter(|_| done) {
                    let update = spec.update.unwrap_or_default();
                    let at = view.now() + update.monitor.unwrap_or(UpdateConfig::MONITOR);
                    self.watched.insert(self.next, (service, new));
                    actions.push(Action::Wake { at, token: self.next });
                    self.next += 1;
                } else {
                    self.failed.insert(service);
                    self.step(view, actions);
                }
            }
            _ => {}
        }
    }

    fn save(&self) -> String {
        let head = format!("{} {} {}", u8::from(self.active), self.at, self.next);
        let moving = self.moving.iter().flat_map(|(task, entry)| {
            [
                task.row,
                task.generation,
                entry.service.index() as u32,
                entry.from.index() as u32,
                entry.to.index() as u32,
            ]
        });
        let watched = self.watched.iter().flat_map(|(token, (service, task))| {
            [*token, service.index() as u64, u64::from(task.row), u64::from(task.generation)]
        });
        let failed = self.failed.iter().map(|service| service.index());
        format!("{head};{};{};{}", state::join(moving), state::join(watched), state::join(failed))
    }

    fn load(&mut self, text: &str) -> Result<(), String> {
        let lists: Vec<&str> = text.split(';').collect();
        let [head, moving, watched, failed] = lists[..] else { return Err("not four lists".into()) };
        let [active, at, next] = state::numbers::<u64>(head)?[..] else { return Err("not three numbers".into()) };
        (self.active, self.at, self.next) = (active == 1, at as usize, next);
        let node = |row: u32| NodeId::from_index(row as usize);
        let service = |row: u32| ServiceId::from_index(row as usize);
        let task = |row, generation| TaskId { row, generation };
        let one = |numbers: &[u32]| {
            (
                task(numbers[0], numbers[1]),
                Move { service: service(numbers[2]), from: node(numbers[3]), to: node(numbers[4]) },
            )
        };
        self.moving = state::numbers::<u32>(moving)?.chunks_exact(5).map(one).collect();
        let one =
            |numbers: &[u64]| (numbers[0], (service(numbers[1] as u32), task(numbers[2] as u32, numbers[3] as u32)));
        self.watched = state::numbers::<u64>(watched)?.chunks_exact(4).map(one).collect();
        self.failed = state::numbers::<u32>(failed)?.into_iter().map(service).collect();
        Ok(())
    }
}
