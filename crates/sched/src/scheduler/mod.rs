//! WHERE tasks run: waiting tasks in, assignments and explanations out (SwarmKit `manager/scheduler`).
//!
//! Tasks wait until a pass. A pass comes 50 ms after the last change of anything, or when changes have not ceased for a
//! second. It first confirms tasks that are bound to a node, then places the others, one group of equal tasks at a time.

mod board;
mod filter;
pub mod strategy;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::{Change, Cluster, Timer, Writer};
use crate::id::{IdVec, NodeId, Row, ServiceId, Slot, TaskId};
use crate::spec::{GenericResource, ServiceSpec};
use crate::task::{DesiredState, TaskState};
use crate::time::{Span, Time};

pub use board::{Board, Rank, TieBreak};
use board::{Load, Ties};
use filter::Pipeline;
use strategy::Strategy;

/// SwarmKit `maxLatency`.
const DEBOUNCE_MAX: Span = Span::from_secs(1);

/// What the scheduler remembers of a task that holds something on a node.
#[derive(Debug)]
struct Held {
    generation: u32,
    node: NodeId,
    service: ServiceId,
    version: u64,
    spec: Arc<ServiceSpec>,
    generic: Vec<GenericResource>,
    /// Whether it is in the node's active counts.
    active: bool,
    /// Whether it was bound to the node from the start: its failures are not remembered.
    bound: bool,
}

/// Places tasks. It learns of the cluster by the journal only.
pub(crate) struct Scheduler {
    strategy: Box<dyn Strategy>,
    ties: Ties,
    /// How long a pass waits for further changes.
    debounce: Span,
    loads: IdVec<NodeId, Load>,
    /// By row of the task.
    held: Vec<Option<Held>>,
    waiting: BTreeSet<(u64, TaskId)>,
    bound: BTreeSet<(u64, TaskId)>,
    /// Whether anything happened that could give a waiting task its place.
    required: bool,
    /// Since when a pass is due, if one is.
    debouncing: Option<Time>,
    generation: u64,
}

impl Scheduler {
    pub(crate) fn new(strategy: Box<dyn Strategy>, ties: TieBreak, seed: u64, debounce: Span) -> Scheduler {
        Scheduler {
            strategy,
            debounce,
            ties: Ties::new(ties, seed),
            loads: IdVec::new(),
            held: Vec::new(),
            waiting: BTreeSet::new(),
            bound: BTreeSet::new(),
            required: false,
            debouncing: None,
            generation: 0,
        }
    }

    /// Remembers a failure that happened before this scheduler began.
    pub(crate) fn recall_failure(&mut self, service: ServiceId, version: u64, node: NodeId, at: Time) {
        self.loads[node].fail(service, version, at);
    }

    pub(crate) fn observe(&mut self, cluster: &mut Cluster, change: Change) {
        match change {
            Change::TaskCreated(task) => self.task_changed(cluster, task, TaskState::New),
            Change::TaskUpdated { task, state, .. } => self.task_changed(cluster, task, state),
            Change::TaskDeleted { task, .. } => {
                self.required |= self.release(cluster, task).is_some();
            }
            Change::NodeCreated(node) => {
                let resources = cluster.nodes()[node].spec.description.as_ref().map(|it| it.resources.clone());
                self.loads.push(Load::new(resources.unwrap_or_default()));
                self.required = true;
            }
            Change::NodeUpdated(node) => {
                self.measure(cluster, node);
                self.required = true;
            }
            Change::Commit => self.commit(cluster),
            _ => {}
        }
    }

    fn task_changed(&mut self, cluster: &Cluster, id: TaskId, reported: TaskState) {
        let Some(task) = cluster.task(id) else { return };
        if task.state < TaskState::Pending {
            return;
        }
        if reported > TaskState::Running {
            let key = (task.sequence, id);
            let waited = self.waiting.remove(&key) | self.bound.remove(&key);
            let Some(held) = self.release(cluster, id) else {
                self.required |= waited;
                return;
            };
            self.required = true;
            if matches!(reported, TaskState::Failed | TaskState::Rejected) && !held.bound {
                self.loads[held.node].fail(held.service, held.version, cluster.now());
            }
        } else if task.state > TaskState::Running {
            // The journal has the end of this task further on.
        } else if task.node.is_none() {
            self.waiting.insert((task.sequence, id));
            self.required = true;
        } else if task.state == TaskState::Pending {
            self.bound.insert((task.sequence, id));
        } else {
            self.refresh(cluster, id);
        }
    }

    /// Keeps the active counts in step with the desired state of a task that is on a node.
    fn refresh(&mut self, cluster: &Cluster, id: TaskId) {
        let task = cluster.task(id).expect("the caller looked it up");
        let active = task.desired <= DesiredState::Complete;
        match self.held.get_mut(id.row()) {
            Some(Some(held)) if held.generation == id.generation => {
                if held.active != active {
                    held.active = active;
                    self.loads[held.node].count(held.service, active);
                }
            }
            _ => {
                let node = task.node.expect("the caller checked");
                let generic = self.loads[node].add(task.service, &task.spec, active);
                self.hold(cluster, id, node, generic);
            }
        }
    }

    /// Notes what a task holds on its node, where it is counted already.
    fn hold(&mut self, cluster: &Cluster, id: TaskId, node: NodeId, generic: Vec<GenericResource>) {
        let task = cluster.task(id).expect("the caller looked it up");
        if self.held.len() <= id.row() {
            self.held.resize_with(id.row() + 1, || None);
        }
        self.held[id.row()] = Some(Held {
            generation: id.generation,
            node,
            service: task.service,
            version: task.version,
            spec: task.spec.clone(),
            generic,
            active: task.desired <= DesiredState::Complete,
            bound: matches!(task.slot, Slot::Node(_)),
        });
    }

    /// Gives back what a task held on its node.
    fn release(&mut self, cluster: &Cluster, id: TaskId) -> Option<Held> {
        let slot = self.held.get_mut(id.row())?;
        if slot.as_ref()?.generation != id.generation {
            return None;
        }
        let held = slot.take()?;
        let total = cluster.nodes()[held.node].spec.description.as_ref();
        let total = total.map_or(&[][..], |it| &it.resources.generic);
        let load = &mut self.loads[held.node];
        load.remove(held.service, &held.spec, held.active, &held.generic, total);
        Some(held)
    }

    /// Takes over the totals that a node reports now, less what its tasks hold.
    fn measure(&mut self, cluster: &Cluster, node: NodeId) {
        let total = cluster.nodes()[node].spec.description.as_ref().map(|it| it.resources.clone()).unwrap_or_default();
        let held = cluster.nodes()[node].tasks.iter().filter_map(|id| {
            let held = self.held.get(id.row())?.as_ref()?;
            (held.generation == id.generation).then_some(held)
        });
        let held: Vec<_> = held.map(|held| (held.spec.clone(), held.generic.clone())).collect();
        self.loads[node].measure(total, &held);
    }

    fn commit(&mut self, cluster: &mut Cluster) {
        let now = cluster.now();
        match self.debouncing {
            Some(since) if now.since(since) > DEBOUNCE_MAX => {
                self.debouncing = None;
                self.generation += 1;
                self.pass(cluster);
            }
            Some(_) => self.arm(cluster),
            None => {
                self.debouncing = Some(now);
                self.arm(cluster);
            }
        }
    }

    fn arm(&mut self, cluster: &mut Cluster) {
        self.generation += 1;
        let at = cluster.now() + self.debounce;
        cluster.wake(at, Timer::Schedule(self.generation));
    }

    pub(crate) fn wake(&mut self, cluster: &mut Cluster, timer: Timer) {
        if timer == Timer::Schedule(self.generation) && self.debouncing.is_some() {
            self.debouncing = None;
            self.pass(cluster);
        }
    }

    /// One pass. Its own writes end in a commit and so cause one more pass, which changes nothing.
    fn pass(&mut self, cluster: &mut Cluster) {
        self.confirm_bound(cluster);
        if std::mem::take(&mut self.required) {
            self.place_waiting(cluster);
        }
        cluster.commit();
    }

    /// Tasks that are bound to a node are checked against that node only.
    fn confirm_bound(&mut self, cluster: &mut Cluster) {
        for (sequence, id) in self.bound.clone() {
            let stale = |task: &crate::Task| task.state != TaskState::Pending;
            let Some(task) = cluster.task(id).filter(|task| !stale(task)) else {
                self.bound.remove(&(sequence, id));
                continue;
            };
            let Some(node) = task.node.filter(|node| cluster.node(*node).is_some()) else { continue };
            let pipeline = Pipeline::new(task.service, &task.spec);
            match pipeline.refusal(&cluster.nodes()[node].spec, &self.loads[node]) {
                None => {
                    self.bound.remove(&(sequence, id));
                    let active = task.desired <= DesiredState::Complete;
                    let generic = self.loads[node].add(task.service, &task.spec, active);
                    self.hold(cluster, id, node, generic.clone());
                    cluster.assign(id, node, generic);
                }
                Some(filter) => {
                    let mut refusals = filter::Refusals::default();
                    refusals.add(filter);
                    explain(cluster, id, refusals.to_string());
                }
            }
        }
    }

    /// Places every waiting task for which there is a place, group by group in order of their oldest tasks.
    fn place_waiting(&mut self, cluster: &mut Cluster) {
        let mut groups: BTreeMap<(ServiceId, u64), Vec<TaskId>> = BTreeMap::new();
        let mut order = Vec::new();
        for (_, id) in std::mem::take(&mut self.waiting) {
            let Some(task) = cluster.task(id) else { continue };
            if task.node.is_some() || task.state != TaskState::Pending {
                continue;
            }
            let key = (task.service, task.version);
            let group = groups.entry(key).or_default();
            if group.is_empty() {
                order.push(key);
            }
            group.push(id);
        }
        for key in order {
            self.place_group(cluster, &groups[&key]);
        }
    }

    fn place_group(&mut self, cluster: &mut Cluster, tasks: &[TaskId]) {
        let first = cluster.task(tasks[0]).expect("the caller looked it up");
        let pipeline = Pipeline::new(first.service, &first.spec);
        let active: Vec<bool> = tasks
            .iter()
            .map(|id| cluster.task(*id).is_some_and(|task| task.desired <= DesiredState::Complete))
            .collect();
        let mut board = Board::new(cluster, &mut self.loads, pipeline, first.version, self.ties.next(), active);
        self.strategy.place(&mut board);
        let (placements, refusals) = board.finish();
        let placed = placements.len();
        for (id, (node, generic)) in tasks.iter().zip(placements) {
            self.hold(cluster, *id, node, generic.clone());
            cluster.assign(*id, node, generic);
        }
        if placed < tasks.len() {
            let text = refusals.to_string();
            let text = if text.is_empty() { "no suitable node".into() } else { format!("no suitable node ({text})") };
            for id in &tasks[placed..] {
                self.leave_waiting(cluster, *id, text.clone());
            }
        }
    }

    /// SwarmKit `noSuitableNode`. A task whose service has a newer version is forgotten until something else touches it
    /// (moby#53722): that is how a pending task gets lost by a harmless update.
    fn leave_waiting(&mut self, cluster: &mut Cluster, id: TaskId, text: String) {
        let task = cluster.task(id).expect("the caller looked it up");
        let Some(service) = cluster.service(task.service) else { return };
        if service.version > task.version {
            if task.desired >= DesiredState::Shutdown {
                cluster.set_state(id, TaskState::Shutdown, None, Writer::Manager);
            }
            return;
        }
        self.waiting.insert((task.sequence, id));
        explain(cluster, id, text);
    }

    /// Recomputes every count and compares: what is free on a node is its total less what its tasks hold.
    pub(crate) fn check(&self, cluster: &Cluster) {
        for node in self.loads.ids() {
            let held = self.held.iter().flatten().filter(|held| held.node == node);
            let mut active = 0;
            let mut reserved = (0, 0);
            for held in held {
                active += u32::from(held.active);
                reserved.0 += held.spec.task.reservations.nano_cpus;
                reserved.1 += held.spec.task.reservations.memory;
            }
            let total = cluster.nodes()[node].spec.description.as_ref().map(|it| &it.resources);
            let total = total.map_or((0, 0), |it| (it.nano_cpus, it.memory));
            let load = &self.loads[node];
            assert_eq!(load.active(), active, "active tasks of node {}", node.index());
            assert_eq!(load.free(), (total.0 - reserved.0, total.1 - reserved.1), "free on node {}", node.index());
        }
        for (id, task) in cluster.tasks() {
            let counts = task.node.is_some() && (TaskState::Assigned..=TaskState::Running).contains(&task.state);
            let held =
                self.held.get(id.row()).and_then(Option::as_ref).is_some_and(|it| it.generation == id.generation);
            assert_eq!(counts, held, "{id:?} in state {}", task.state);
        }
    }
}

/// Writes an explanation, if it is news.
fn explain(cluster: &mut Cluster, id: TaskId, text: String) {
    let task = cluster.task(id).expect("the caller looked it up");
    if task.error.as_deref() != Some(text.as_str()) {
        cluster.set_state(id, TaskState::Pending, Some(text.into()), Writer::Manager);
    }
}
