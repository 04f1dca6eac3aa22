//! Rolling updates and rollbacks (SwarmKit `manager/orchestrator/update/updater.go`).
//!
//! An updater hands the out-of-date slots of a service to a number of workers. A worker replaces the task of its slot,
//! waits until the new one runs or has ended, and pauses. While slots are handed out, and for a while after the last
//! one, the updater watches for new tasks that fail. What are goroutines there is a small state machine here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::{Versions, restart};
use crate::cluster::{Change, Cluster, Timer, UpdateState, UpdateStatus};
use crate::id::{ServiceId, TaskId};
use crate::scheduler::mix;
use crate::spec::{FailureAction, ServiceSpec, UpdateConfig, UpdateOrder};
use crate::task::{DesiredState, TaskState};
use crate::time::{Span, Time};
use crate::work::{self, Work};

/// A task of a slot as it was when the update began.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
struct SlotTask {
    task: TaskId,
    desired: DesiredState,
    dirty: bool,
}

type SlotTasks = Vec<SlotTask>;

/// What a worker is doing.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
enum Worker {
    /// Ready for a slot.
    Idle,
    /// Waiting for the delayed start of a task; `new` if the update created it.
    Starting { task: TaskId, new: bool, slot: SlotTasks },
    /// Waiting for a new task to run or to end.
    Arriving { task: TaskId, slot: SlotTasks },
    /// Pausing after a slot.
    Pausing,
}

/// The workers of an update, and who of them is idle or waits for which task: there may be one for every slot.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "snapshot", serde(from = "Vec<Worker>", into = "Vec<Worker>"))]
struct Workers {
    all: Vec<Worker>,
    idle: BTreeSet<usize>,
    by_task: BTreeMap<TaskId, usize>,
}

impl Workers {
    fn new(number: usize) -> Workers {
        Workers { all: vec![Worker::Idle; number], idle: (0..number).collect(), by_task: BTreeMap::new() }
    }

    /// The first that is ready for a slot.
    fn idle(&self) -> Option<usize> {
        work::count(Work::Worker);
        self.idle.first().copied()
    }

    fn are_idle(&self) -> bool {
        self.idle.len() == self.all.len()
    }

    /// Tasks that somebody waits for.
    fn awaited(&self) -> impl Iterator<Item = &TaskId> {
        self.by_task.keys()
    }

    /// Who waits for a task, and how.
    fn waiting_for(&self, task: TaskId) -> Option<(usize, &Worker)> {
        work::count(Work::Worker);
        self.by_task.get(&task).map(|worker| (*worker, &self.all[*worker]))
    }

    /// What a worker does from now on; the answer is what it did.
    fn set(&mut self, worker: usize, now: Worker) -> Worker {
        work::count(Work::Worker);
        if let Some(task) = self.all[worker].awaits() {
            self.by_task.remove(&task);
        }
        if let Some(task) = now.awaits() {
            self.by_task.insert(task, worker);
        }
        if matches!(now, Worker::Idle) {
            self.idle.insert(worker);
        } else {
            self.idle.remove(&worker);
        }
        std::mem::replace(&mut self.all[worker], now)
    }
}

#[cfg(feature = "snapshot")]
impl From<Vec<Worker>> for Workers {
    fn from(all: Vec<Worker>) -> Workers {
        let mut workers = Workers { idle: BTreeSet::new(), by_task: BTreeMap::new(), all: Vec::new() };
        for (number, worker) in all.into_iter().enumerate() {
            workers.all.push(Worker::Idle);
            workers.set(number, worker);
        }
        workers
    }
}

#[cfg(feature = "snapshot")]
impl From<Workers> for Vec<Worker> {
    fn from(workers: Workers) -> Vec<Worker> {
        workers.all
    }
}

impl Worker {
    fn awaits(&self) -> Option<TaskId> {
        match self {
            Worker::Starting { task, .. } | Worker::Arriving { task, .. } => Some(*task),
            Worker::Idle | Worker::Pausing => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
enum Phase {
    /// Slots are left, and failures are acted upon.
    Feeding,
    /// No more slots are handed out; the workers finish what they have.
    Finishing,
    /// All slots are done; failures are acted upon until the time is over.
    Monitoring,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
struct Updater {
    generation: u64,
    spec: Arc<ServiceSpec>,
    is_rollback: bool,
    config: UpdateConfig,
    monitor: Span,
    slots: VecDeque<SlotTasks>,
    dirty_slots: usize,
    workers: Workers,
    phase: Phase,
    /// Paused or rolled back: ends without a word when the workers are done.
    stopped: bool,
    /// Tasks created by this update, and when each was seen to run or to have ended.
    created: BTreeMap<TaskId, Option<Time>>,
    failed: BTreeSet<TaskId>,
    /// Ended tasks that nobody has looked at yet, with their names.
    unread: VecDeque<(TaskId, String)>,
}

/// All rolling updates.
#[derive(Clone, Default, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Supervisor {
    updates: BTreeMap<ServiceId, Updater>,
    /// Which update waits for the delayed start or the arrival of a task.
    interested: BTreeMap<TaskId, ServiceId>,
    #[cfg_attr(feature = "snapshot", serde(deserialize_with = "crate::snapshot::counter"))]
    next_generation: u64,
    /// Updates that read a failure only after the orchestrator has restarted the task. Between two calls there are none.
    #[cfg_attr(feature = "snapshot", serde(skip))]
    late: Vec<ServiceId>,
}

impl Supervisor {
    /// The same as it was in a snapshot. The error says what contradicts what.
    #[cfg(feature = "snapshot")]
    pub(crate) fn recalled(mut self, cluster: &Cluster) -> Result<Supervisor, String> {
        for (id, updater) in &mut self.updates {
            let Some(service) = cluster.service(*id) else {
                return Err(format!("an update of service {id}, which is not there"));
            };
            let previous = service.previous.iter().map(|(spec, _)| spec);
            if let Some(same) = previous.chain([&service.spec]).find(|spec| **spec == updater.spec) {
                updater.spec = same.clone();
            }
        }
        for timer in cluster.timers() {
            if let Timer::Worker(id, generation, worker) = timer
                && let Some(updater) = self.updates.get(&id).filter(|update| update.generation == generation)
                && worker >= updater.workers.all.len()
            {
                return Err(format!("the update of service {id} has no worker {worker}"));
            }
        }
        Ok(self)
    }

    /// Updates the slots of a service to its current specification, unless that is under way already.
    pub(crate) fn update(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        id: ServiceId,
        slots: Vec<Vec<TaskId>>,
    ) {
        let service = &cluster.services()[id];
        if let Some(running) = self.updates.get(&id) {
            if running.spec == service.spec {
                return;
            }
            self.forget(id);
        }
        let state = service.update_status.as_ref().map(|status| status.state);
        if matches!(state, Some(UpdateState::Paused | UpdateState::RollbackPaused)) {
            return;
        }
        let mut versions = Versions::of(service);
        let mut member = |task: TaskId| {
            let record = cluster.task(task).expect("the caller looked it up");
            let node = record.node.and_then(|node| cluster.node(node));
            SlotTask { task, desired: record.desired, dirty: versions.is_dirty(record, node) }
        };
        let slots: VecDeque<SlotTasks> = slots
            .into_iter()
            .filter_map(|slot| {
                let is_wanted = slot.len() > 1 || slot.iter().any(|task| member(*task).dirty);
                is_wanted.then(|| slot.into_iter().map(&mut member).collect())
            })
            .collect();
        if slots.is_empty() {
            if matches!(state, Some(UpdateState::Updating | UpdateState::RollbackStarted)) {
                complete(cluster, id);
            }
            return;
        }
        let is_rollback = state == Some(UpdateState::RollbackStarted);
        let chosen = if is_rollback { service.spec.rollback } else { service.spec.update };
        let config = chosen.unwrap_or_default();
        let parallelism = match config.parallelism {
            0 => slots.len(),
            limit => usize::try_from(limit).unwrap_or(usize::MAX).min(slots.len()),
        };
        self.next_generation += 1;
        let updater = Updater {
            generation: self.next_generation,
            spec: service.spec.clone(),
            is_rollback,
            config,
            monitor: config.monitor.unwrap_or(UpdateConfig::MONITOR),
            dirty_slots: slots.len(),
            slots,
            workers: Workers::new(parallelism),
            phase: Phase::Feeding,
            stopped: false,
            created: BTreeMap::new(),
            failed: BTreeSet::new(),
            unread: VecDeque::new(),
        };
        self.updates.insert(id, updater);
        if state.is_none() {
            let started = cluster.now();
            let message = "update in progress".to_string();
            let status = UpdateStatus { state: UpdateState::Updating, message, started, completed: None };
            cluster.update_service(id, |service| service.update_status = Some(status));
            cluster.commit();
        }
        self.proceed(cluster, restarts, id);
    }

    /// A failure is read at once, or, with a seed and by chance, after the orchestrator has seen it: in SwarmKit the two
    /// are goroutines that race for the store. Then the next slot may be taken before, and what replaces the failed task is of the
    /// version that failed.
    pub(crate) fn observe(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        change: Change,
        seed: Option<u64>,
    ) {
        match change {
            Change::TaskUpdated { task, state, .. } if state >= TaskState::Running => {
                let Some(service) = self.interested.get(&task).copied() else { return };
                let Some(updater) = self.updates.get_mut(&service) else { return };
                let watches = updater.config.failure_action != FailureAction::Continue;
                if state > TaskState::Running && watches && updater.created.contains_key(&task) {
                    updater.unread.push_back((task, cluster.task_name(task)));
                    let sequence = cluster.task(task).map_or(0, |task| task.sequence);
                    if seed.is_some_and(|seed| mix(seed ^ mix(sequence)) % 2 == 1) {
                        self.late.push(service);
                    } else {
                        self.read_failures(cluster, service);
                    }
                }
                self.arrived(cluster, task, service);
                self.proceed(cluster, restarts, service);
            }
            Change::DelayOver(task) => {
                let Some(service) = self.interested.get(&task).copied() else { return };
                self.started(cluster, restarts, task, service);
                self.proceed(cluster, restarts, service);
            }
            Change::ServiceRemoved(service) => self.forget(service),
            _ => {}
        }
    }

    /// The orchestrators have seen everything up to a commit.
    pub(crate) fn read_late(&mut self, cluster: &mut Cluster) {
        for service in std::mem::take(&mut self.late) {
            if self.updates.contains_key(&service) {
                self.read_failures(cluster, service);
            }
        }
    }

    /// A timer of an update is due.
    pub(crate) fn wake(&mut self, cluster: &mut Cluster, restarts: &mut restart::Supervisor, timer: Timer) {
        match timer {
            Timer::Worker(service, generation, worker) => {
                let Some(updater) = self.updates.get_mut(&service).filter(|update| update.generation == generation)
                else {
                    return;
                };
                updater.workers.set(worker, Worker::Idle);
                self.proceed(cluster, restarts, service);
            }
            Timer::Monitor(service, generation)
                if self.updates.get(&service).is_some_and(|updater| updater.generation == generation) =>
            {
                complete(cluster, service);
                self.forget(service);
            }
            _ => {}
        }
    }

    fn forget(&mut self, service: ServiceId) {
        if let Some(updater) = self.updates.remove(&service) {
            for task in updater.created.keys().chain(updater.workers.awaited()) {
                self.interested.remove(task);
            }
        }
    }

    /// Hands out slots, or ends the update when there is nothing left to wait for.
    fn proceed(&mut self, cluster: &mut Cluster, restarts: &mut restart::Supervisor, id: ServiceId) {
        loop {
            let Some(updater) = self.updates.get_mut(&id) else { return };
            if updater.phase == Phase::Feeding && updater.slots.is_empty() {
                updater.phase = Phase::Finishing;
            }
            if updater.phase == Phase::Feeding {
                let Some(idle) = updater.workers.idle() else { return };
                let slot = updater.slots.pop_front().expect("some are left");
                self.replace(cluster, restarts, id, idle, slot);
                continue;
            }
            if updater.phase == Phase::Monitoring || !updater.workers.are_idle() {
                return;
            }
            if updater.stopped {
                self.forget(id);
                return;
            }
            // moby#42875: with a pause as long as the monitoring, monitoring would be over before it began.
            if updater.config.delay >= updater.monitor {
                updater.monitor = updater.config.delay + Span::from_secs(1);
            }
            updater.phase = Phase::Monitoring;
            let (at, generation) = (cluster.now() + updater.monitor, updater.generation);
            cluster.wake(at, Timer::Monitor(id, generation));
            self.read_failures(cluster, id);
            return;
        }
    }

    /// A worker takes a slot.
    fn replace(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        id: ServiceId,
        worker: usize,
        slot: SlotTasks,
    ) {
        let clean =
            |desired: fn(DesiredState) -> bool| move |member: &&SlotTask| !member.dirty && desired(member.desired);
        let running = slot.iter().find(clean(|desired| desired == DesiredState::Running));
        let prepared = slot.iter().rfind(clean(|desired| desired < DesiredState::Running));
        if let Some(existing) = running.or(prepared).copied() {
            self.use_existing(cluster, restarts, id, worker, &slot, existing);
        } else {
            self.use_new(cluster, restarts, id, worker, slot);
        }
    }

    /// The slot has an up-to-date task already: the others go, and it starts if it did not yet.
    fn use_existing(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        id: ServiceId,
        worker: usize,
        slot: &SlotTasks,
        existing: SlotTask,
    ) {
        let others: SlotTasks = slot.iter().filter(|member| member.task != existing.task).copied().collect();
        let removable = removable(cluster, restarts, &others);
        if others.is_empty() || !removable.is_empty() {
            let old = shut_down(cluster, &removable);
            cluster.commit();
            if existing.desired != DesiredState::Running {
                restarts.delay_start(cluster, existing.task, Span::ZERO, old);
                self.interested.insert(existing.task, id);
                let state = Worker::Starting { task: existing.task, new: false, slot: SlotTasks::new() };
                self.updates.get_mut(&id).expect("running").workers.set(worker, state);
                return;
            }
        }
        self.pause(cluster, id, worker);
    }

    /// The slot needs a task of the new specification.
    fn use_new(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        id: ServiceId,
        worker: usize,
        slot: SlotTasks,
    ) {
        let updater = self.updates.get(&id).expect("running");
        let stop_first = updater.config.order == UpdateOrder::StopFirst;
        let removable = removable(cluster, restarts, &slot);
        let known = slot.iter().find_map(|member| cluster.task(member.task));
        let Some(place) = known.map(|task| task.slot) else {
            self.pause(cluster, id, worker);
            return;
        };
        if stop_first && removable.is_empty() {
            // The old task was replaced by a restart in the meantime: SwarmKit aborts this slot's transaction.
            self.pause(cluster, id, worker);
            return;
        }
        let task = cluster.add_task(id, place, DesiredState::Ready);
        let old = if stop_first { shut_down(cluster, &removable) } else { None };
        cluster.commit();
        restarts.delay_start(cluster, task, Span::ZERO, old);
        self.interested.insert(task, id);
        let updater = self.updates.get_mut(&id).expect("running");
        updater.created.insert(task, None);
        updater.workers.set(worker, Worker::Starting { task, new: true, slot });
    }

    /// The delayed start of a task that a worker waits for is over.
    fn started(&mut self, cluster: &mut Cluster, restarts: &restart::Supervisor, task: TaskId, id: ServiceId) {
        let Some(updater) = self.updates.get_mut(&id) else { return };
        let Some((worker, Worker::Starting { .. })) = updater.workers.waiting_for(task) else { return };
        if restarts.is_delayed(task) {
            return;
        }
        let Worker::Starting { new, slot, .. } = updater.workers.set(worker, Worker::Idle) else { return };
        if new {
            updater.workers.set(worker, Worker::Arriving { task, slot });
            if cluster.task(task).is_some_and(|task| task.state >= TaskState::Running) {
                self.arrived(cluster, task, id);
            }
        } else {
            self.interested.remove(&task);
            self.pause(cluster, id, worker);
        }
    }

    /// A new task runs, or has ended.
    fn arrived(&mut self, cluster: &mut Cluster, task: TaskId, id: ServiceId) {
        let Some(updater) = self.updates.get_mut(&id) else { return };
        let Some((worker, Worker::Arriving { .. })) = updater.workers.waiting_for(task) else { return };
        let Worker::Arriving { slot, .. } = updater.workers.set(worker, Worker::Idle) else { return };
        updater.created.insert(task, Some(cluster.now()));
        let runs = cluster.task(task).is_some_and(|task| task.state == TaskState::Running);
        if updater.config.order == UpdateOrder::StartFirst && runs {
            let live =
                |member: &SlotTask| cluster.task(member.task).is_some_and(|task| task.desired <= DesiredState::Running);
            let old: Vec<TaskId> = slot.iter().filter(|member| live(member)).map(|member| member.task).collect();
            shut_down(cluster, &old);
            cluster.commit();
        }
        self.pause(cluster, id, worker);
    }

    fn pause(&mut self, cluster: &mut Cluster, id: ServiceId, worker: usize) {
        let updater = self.updates.get_mut(&id).expect("running");
        if updater.config.delay > Span::ZERO {
            updater.workers.set(worker, Worker::Pausing);
            let at = cluster.now() + updater.config.delay;
            cluster.wake(at, Timer::Worker(id, updater.generation, worker));
        } else {
            updater.workers.set(worker, Worker::Idle);
        }
    }

    /// Acts upon failures, in the phases in which SwarmKit reads them. Their age is taken now, not when they happened.
    fn read_failures(&mut self, cluster: &mut Cluster, id: ServiceId) {
        let updater = self.updates.get_mut(&id).expect("running");
        if updater.phase == Phase::Finishing {
            return;
        }
        while let Some((task, name)) = updater.unread.pop_front() {
            let Some(since) = updater.created.get(&task) else { continue };
            let early = since.is_none_or(|since| cluster.now().since(since) <= updater.monitor);
            if !early || !updater.failed.insert(task) {
                continue;
            }
            let ratio = updater.failed.len() as f32 / updater.dirty_slots as f32;
            if ratio <= updater.config.max_failure_ratio {
                continue;
            }
            let what = match (updater.config.failure_action, updater.is_rollback) {
                (FailureAction::Continue, _) => continue,
                (FailureAction::Pause, _) => "update paused",
                (FailureAction::Rollback, false) => "update rolled back",
                (FailureAction::Rollback, true) => "rollback paused",
            };
            let message = format!("{what} due to failure or early termination of task {name}");
            let never_roll_back_twice = updater.config.failure_action == FailureAction::Rollback && updater.is_rollback;
            updater.stopped = !never_roll_back_twice;
            let monitoring = updater.phase == Phase::Monitoring;
            updater.phase = Phase::Finishing;
            updater.slots.clear();
            if updater.config.failure_action == FailureAction::Rollback && !updater.is_rollback {
                roll_back(cluster, id, message);
            } else {
                pause(cluster, id, message);
            }
            if monitoring {
                if never_roll_back_twice {
                    complete(cluster, id);
                }
                self.forget(id);
            }
            return;
        }
    }
}

/// Tasks that still have to be shut down, or need not be because they ended for good. Empty means that all of them
/// were shut down by somebody else.
fn removable(cluster: &Cluster, restarts: &mut restart::Supervisor, members: &[SlotTask]) -> Vec<TaskId> {
    let mut tasks = Vec::new();
    for member in members {
        if let Some(task) = cluster.task(member.task)
            && (task.desired <= DesiredState::Running || !restarts.should_restart(cluster, member.task))
        {
            tasks.push(member.task);
        }
    }
    tasks
}

/// Shuts tasks down and returns the one that a successor waits for.
fn shut_down(cluster: &mut Cluster, tasks: &[TaskId]) -> Option<TaskId> {
    for task in tasks {
        cluster.set_desired(*task, DesiredState::Shutdown);
    }
    tasks.last().copied()
}

fn pause(cluster: &mut Cluster, id: ServiceId, message: String) {
    set_status(cluster, id, message, false, |state| {
        if state == UpdateState::RollbackStarted { UpdateState::RollbackPaused } else { UpdateState::Paused }
    });
}

/// Marks an update or a rollback as completed.
fn complete(cluster: &mut Cluster, id: ServiceId) {
    let state = cluster.services()[id].update_status.as_ref().map(|status| status.state);
    let back = state == Some(UpdateState::RollbackStarted);
    let message = if back { "rollback completed" } else { "update completed" };
    set_status(cluster, id, message.to_string(), true, |_| {
        if back { UpdateState::RollbackCompleted } else { UpdateState::Completed }
    });
}

fn set_status(
    cluster: &mut Cluster,
    id: ServiceId,
    message: String,
    ends: bool,
    to: impl FnOnce(UpdateState) -> UpdateState,
) {
    // No status means that the service was updated again since.
    if cluster.service(id).is_none_or(|service| service.update_status.is_none()) {
        return;
    }
    let now = cluster.now();
    cluster.update_service(id, |service| {
        if let Some(status) = &mut service.update_status {
            status.state = to(status.state);
            status.message = message;
            if ends {
                status.completed = Some(now);
            }
        }
    });
    cluster.commit();
}

/// Returns a service to its previous specification. Without one SwarmKit's transaction fails, and the status stays.
fn roll_back(cluster: &mut Cluster, id: ServiceId, message: String) {
    let Some(service) = cluster.service(id) else { return };
    if service.update_status.is_none() || service.previous.is_none() {
        return;
    }
    cluster.update_service(id, |service| {
        if let (Some((spec, version)), Some(status)) = (service.previous.take(), &mut service.update_status) {
            service.spec = spec;
            service.version = version;
            status.state = UpdateState::RollbackStarted;
            status.message = message;
        }
    });
    cluster.commit();
}
