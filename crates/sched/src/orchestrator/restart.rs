//! Restarts: whether a task that ended is replaced, and when its replacement may start.
//!
//! A replacement exists at once, so that it is placed and prepared during the delay; only the step to desired state
//! `Running` waits (SwarmKit `manager/orchestrator/restart/restart.go`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::cluster::{Change, Cluster, Timer};
use crate::failover::{Order, Replacement};
use crate::id::{NodeId, ServiceId, Slot, TaskId};
use crate::spec::{Availability, Mode, NodeState, RestartCondition, RestartPolicy};
use crate::task::{DesiredState, TaskState};
use crate::time::{Span, Time};

/// SwarmKit `defaultOldTaskTimeout`: how long a replacement waits for its predecessor to stop.
const OLD_TASK_TIMEOUT: Span = Span::from_secs(60);

/// Replacements of one slot at one version of the service.
#[derive(Clone, Default, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
struct History {
    version: u64,
    #[cfg_attr(feature = "snapshot", serde(deserialize_with = "crate::snapshot::counter"))]
    total: u64,
    /// When they were created; kept only where the policy has a window.
    created: VecDeque<Time>,
}

/// A replacement that may not start yet.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
struct Delay {
    generation: u64,
    /// The restart delay is still running.
    sleeps: bool,
    /// The predecessor that has to stop first, and where it runs.
    waits_for: Option<(TaskId, Option<NodeId>)>,
    /// The replacement itself ended while waiting: it is replaced like this when the delay is over.
    restart_after: Option<Replacement>,
}

/// Decides on restarts and starts replacements in time.
#[derive(Clone, Default, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Supervisor {
    #[cfg_attr(feature = "snapshot", serde(with = "crate::snapshot::pairs"))]
    history: BTreeMap<(ServiceId, Slot), History>,
    delays: BTreeMap<TaskId, Delay>,
    /// Replacements by the predecessor that they wait for.
    #[cfg_attr(feature = "snapshot", serde(skip))]
    waiting: BTreeMap<TaskId, Vec<TaskId>>,
    /// Replacements by the node of the predecessor that they wait for.
    #[cfg_attr(feature = "snapshot", serde(skip))]
    by_node: BTreeSet<(NodeId, TaskId)>,
    #[cfg_attr(feature = "snapshot", serde(deserialize_with = "crate::snapshot::counter"))]
    next_generation: u64,
}

impl Supervisor {
    /// The same as it was in a snapshot, where it does not say who waits for whom once more.
    #[cfg(feature = "snapshot")]
    pub(crate) fn recalled(mut self) -> Supervisor {
        // Those that wait for one task are in the order in which they began to.
        let mut delays: Vec<_> = self.delays.iter().collect();
        delays.sort_unstable_by_key(|(_, delay)| delay.generation);
        for (new, delay) in delays {
            let Some((old, node)) = delay.waits_for else { continue };
            self.waiting.entry(old).or_default().push(*new);
            self.by_node.extend(node.map(|node| (node, *new)));
        }
        self
    }

    /// Shuts a task down and, if its policy says so, creates its replacement, as SwarmKit does.
    pub(crate) fn restart(&mut self, cluster: &mut Cluster, id: TaskId) {
        self.replace(cluster, id, Replacement::default());
    }

    /// The same in the way that a failover policy wants; the answer is the replacement, if there is one by now.
    pub(crate) fn replace(&mut self, cluster: &mut Cluster, id: TaskId, how: Replacement) -> Option<TaskId> {
        if let Some(delay) = self.delays.get_mut(&id) {
            // It failed while waiting for its own start. Restarting only when that delay is over keeps, say, a missing
            // image from being tried in a tight loop.
            delay.restart_after = Some(Replacement { order: Order::StopFirst, ..how });
            return None;
        }
        let task = cluster.task(id).expect("the caller looked it up");
        if task.desired > DesiredState::Complete {
            return None;
        }
        let (service, slot, node) = (task.service, task.slot, task.node);
        let policy = task.spec.task.restart.unwrap_or_default();
        let ended = task.state.is_terminal();
        let is_replaced = !how.order.is_beside() || self.should_restart(cluster, id);
        if !how.order.is_beside() || !is_replaced {
            cluster.set_desired(id, DesiredState::Shutdown);
        }
        if !is_replaced || !self.should_restart(cluster, id) {
            return None;
        }
        let record = node.and_then(|node| cluster.node(node));
        let drained = record.is_some_and(|node| node.spec.availability == Availability::Drain);
        let down = record.is_some_and(|node| node.spec.state == NodeState::Down);
        let swarms = if drained { Span::ZERO } else { policy.delay.unwrap_or(RestartPolicy::DELAY) };
        let wanted = how.node.filter(|node| cluster.node(*node).is_some());
        let new = match (slot, wanted) {
            (Slot::Number(_), Some(_)) => cluster.add_task_on(service, slot, DesiredState::Ready, wanted),
            _ => cluster.add_task(service, slot, DesiredState::Ready),
        };
        self.recall(cluster, new);
        let old = if down || ended || how.order != Order::StopFirst { None } else { Some(id) };
        self.delay_start(cluster, new, how.delay.unwrap_or(swarms), old);
        Some(new)
    }

    /// Whether the policy of a task that ended, or has to go, gives it a replacement.
    pub(crate) fn should_restart(&mut self, cluster: &Cluster, id: TaskId) -> bool {
        let task = cluster.task(id).expect("the caller looked it up");
        let policy = task.spec.task.restart.unwrap_or_default();
        let mode = cluster.services()[task.service].spec.mode;
        let completed = task.state == TaskState::Complete;
        let wanted = match policy.condition {
            RestartCondition::None => false,
            RestartCondition::OnFailure => !completed,
            RestartCondition::Any => !(completed && mode.is_job()),
        };
        if !wanted || policy.max_attempts == 0 {
            return wanted;
        }
        // SwarmKit records restarts of global jobs under their node but looks them up without it: never found.
        if mode == Mode::GlobalJob {
            return true;
        }
        let Some(history) = self.history.get_mut(&(task.service, task.slot)) else { return true };
        if history.version != task.version {
            return true;
        }
        if policy.window == Span::ZERO {
            return history.total < policy.max_attempts;
        }
        let since = cluster.since(task);
        let lookback = Time::from_nanos(since.as_nanos().saturating_sub(policy.window.as_nanos()));
        while history.created.front().is_some_and(|created| *created <= lookback) {
            history.created.pop_front();
        }
        let before = history.created.iter().filter(|created| **created < since).count();
        (before as u64) < policy.max_attempts
    }

    /// A task replaced another when it was created.
    pub(crate) fn recall(&mut self, cluster: &Cluster, new: TaskId) {
        let task = cluster.task(new).expect("the caller has it");
        let policy = task.spec.task.restart.unwrap_or_default();
        if policy.max_attempts == 0 {
            return;
        }
        let history = self.history.entry((task.service, task.slot)).or_default();
        if history.version != task.version {
            *history = History { version: task.version, ..History::default() };
        }
        history.total += 1;
        if policy.window != Span::ZERO {
            history.created.push_back(task.created);
        }
    }

    /// Raises a task to `Running` after `delay` and, if `old` is given and has not ended, after that has stopped, its
    /// node is lost or a minute has passed. Whoever waits for it sees [`Change::DelayOver`].
    pub(crate) fn delay_start(&mut self, cluster: &mut Cluster, new: TaskId, delay: Span, old: Option<TaskId>) {
        self.cancel(cluster, new);
        let waits_for = old.and_then(|old| {
            let task = cluster.task(old)?;
            (!task.state.is_terminal()).then_some((old, task.node))
        });
        self.next_generation += 1;
        let generation = self.next_generation;
        let now = cluster.now();
        if let Some((old, node)) = waits_for {
            self.by_node.extend(node.map(|node| (node, new)));
            self.waiting.entry(old).or_default().push(new);
            cluster.wake(now + OLD_TASK_TIMEOUT, Timer::OldTask(new, generation));
        }
        if delay > Span::ZERO {
            cluster.wake(now + delay, Timer::Delay(new, generation));
        } else if waits_for.is_none() {
            cluster.later(Change::Start(new, generation));
        }
        let sleeps = delay > Span::ZERO;
        self.delays.insert(new, Delay { generation, sleeps, waits_for, restart_after: None });
    }

    /// Whether a start is still delayed.
    pub(crate) fn is_delayed(&self, task: TaskId) -> bool {
        self.delays.contains_key(&task)
    }

    /// Gives up a delayed start.
    pub(crate) fn cancel(&mut self, cluster: &mut Cluster, task: TaskId) {
        if self.delays.contains_key(&task) {
            self.end(cluster, task);
        }
    }

    /// A timer of this supervisor is due.
    pub(crate) fn wake(&mut self, cluster: &mut Cluster, timer: Timer) {
        let (Timer::Delay(task, generation) | Timer::OldTask(task, generation)) = timer else { return };
        let Some(delay) = self.delays.get_mut(&task).filter(|delay| delay.generation == generation) else { return };
        match timer {
            Timer::Delay(..) => delay.sleeps = false,
            _ => self.stop_waiting(task),
        }
        self.start_if_due(cluster, task);
    }

    pub(crate) fn observe(&mut self, cluster: &mut Cluster, change: Change) {
        match change {
            Change::Start(task, generation)
                if self.delays.get(&task).is_some_and(|delay| delay.generation == generation) =>
            {
                self.start_if_due(cluster, task);
            }
            Change::TaskUpdated { task, state, .. } if state > TaskState::Running => {
                for new in self.waiting.remove(&task).unwrap_or_default() {
                    self.stop_waiting(new);
                    self.start_if_due(cluster, new);
                }
            }
            Change::NodeUpdated(node) if cluster.nodes()[node].spec.state != NodeState::Down => {}
            Change::NodeUpdated(node) | Change::NodeRemoved(node) => {
                let first = TaskId { row: 0, generation: 0 };
                let lost = self.by_node.range((node, first)..).take_while(|(other, _)| *other == node);
                let lost: Vec<TaskId> = lost.map(|(_, task)| *task).collect();
                for new in lost {
                    self.stop_waiting(new);
                    self.start_if_due(cluster, new);
                }
            }
            Change::ServiceRemoved(service) => {
                let keys: Vec<_> =
                    self.history.range((service, Slot::Number(0))..).take_while(|(key, _)| key.0 == service).collect();
                let keys: Vec<_> = keys.into_iter().map(|(key, _)| *key).collect();
                for key in keys {
                    self.history.remove(&key);
                }
            }
            _ => {}
        }
    }

    fn stop_waiting(&mut self, new: TaskId) {
        let Some(delay) = self.delays.get_mut(&new) else { return };
        let Some((old, node)) = delay.waits_for.take() else { return };
        if let Some(node) = node {
            self.by_node.remove(&(node, new));
        }
        if let Some(list) = self.waiting.get_mut(&old) {
            list.retain(|other| *other != new);
            if list.is_empty() {
                self.waiting.remove(&old);
            }
        }
    }

    fn start_if_due(&mut self, cluster: &mut Cluster, task: TaskId) {
        let Some(delay) = self.delays.get(&task) else { return };
        if delay.sleeps || delay.waits_for.is_some() {
            return;
        }
        if let Some(record) = cluster.task(task) {
            let is_job = cluster.services()[record.service].spec.mode.is_job();
            if record.desired < DesiredState::Running {
                cluster.set_desired(task, if is_job { DesiredState::Complete } else { DesiredState::Running });
                cluster.commit();
            }
        }
        self.end(cluster, task);
    }

    fn end(&mut self, cluster: &mut Cluster, task: TaskId) {
        self.stop_waiting(task);
        let Some(delay) = self.delays.remove(&task) else { return };
        cluster.later(Change::DelayOver(task));
        let Some(how) = delay.restart_after else { return };
        if let Some(record) = cluster.task(task)
            && record.desired <= DesiredState::Complete
            && cluster.service(record.service).is_some()
        {
            self.replace(cluster, task, how);
            cluster.commit();
        }
    }
}
