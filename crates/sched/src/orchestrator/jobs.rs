//! Jobs: tasks that run to completion, a number of times or once on every node.
//!
//! Like SwarmKit's, this orchestrator watches services and tasks but not nodes: a job's task on a node that drains
//! goes on, one on a node that is down blocks its slot until the node is back or a day has passed.
//!
//! Records of a job's tasks are kept for ever, as there. SwarmKit looks at all of them, and at all nodes, whenever a task
//! ends; here only what was written since the last look is looked at, see [`Agenda`].

use std::collections::{BTreeMap, BTreeSet};

use super::{restart, satisfies};
use crate::cluster::{Change, Cluster};
#[cfg(feature = "snapshot")]
use crate::id::Row;
use crate::id::{NodeId, ServiceId, Slot, TaskId};
use crate::spec::{Availability, Mode, NodeState};
use crate::task::{DesiredState, TaskState};
use crate::work::{self, Work};

/// A record of a task: its slot and the number of its creation.
pub(crate) type Key = (Slot, u64);

/// What a job's orchestrator knows of its job, and what it has to look at when something happens. Observed and desired
/// states and iterations only rise, so a record that was settled once is settled for good.
#[derive(Clone, Default, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Agenda {
    iteration: u32,
    /// Records that are not settled: slot by slot, oldest first.
    #[cfg_attr(feature = "snapshot", serde(with = "crate::snapshot::pairs"))]
    open: BTreeMap<Key, Open>,
    /// Those of them that were written since they were looked at, and some that are gone.
    written: BTreeSet<Key>,
    /// How many of them count.
    counted: u64,
    /// Of a replicated job, in this iteration: how many tasks completed, the first slot of which none did, and the slots
    /// above that of which one did.
    #[cfg_attr(feature = "snapshot", serde(deserialize_with = "crate::snapshot::counter"))]
    complete: u64,
    first_left: u32,
    complete_above: BTreeSet<u32>,
    /// Numbers below the frontier that belong to no task which counts or completed. None above was ever given out.
    free: BTreeSet<u32>,
    frontier: u32,
    /// Of a global job: the version that was looked at last, how far the log of changed nodes was read, and nodes where
    /// a record changed since.
    version: Option<u64>,
    nodes_seen: u64,
    nodes: BTreeSet<NodeId>,
}

/// A record that is not settled.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
struct Open {
    task: TaskId,
    /// Whether it belongs to this iteration and shall still complete, when it was looked at last.
    counts: bool,
}

impl Agenda {
    /// A record exists.
    pub(crate) fn add(&mut self, key: Key, task: TaskId) {
        self.open.insert(key, Open { task, counts: false });
        self.written.insert(key);
    }

    /// The record of a task is written.
    pub(crate) fn write(&mut self, key: Key) {
        if self.open.contains_key(&key) {
            self.written.insert(key);
        }
    }

    /// A record is settled or deleted.
    pub(crate) fn remove(&mut self, key: Key) {
        self.set_counts(key, false);
        self.open.remove(&key);
        self.written.remove(&key);
    }

    #[cfg(feature = "conformance")]
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether its tasks have these slots and numbers, and there are as many nodes as it knows.
    #[cfg(feature = "snapshot")]
    pub(crate) fn is_right(&self, key: impl Fn(TaskId) -> Option<Key>, nodes: usize) -> bool {
        let counted = self.open.values().filter(|record| record.counts).count();
        self.counted == counted as u64
            && self.open.iter().all(|(own, record)| key(record.task) == Some(*own))
            && self.nodes.iter().all(|node| node.index() < nodes)
    }

    /// The job runs anew: what completed before counts no more, and everything is looked at.
    fn begin(&mut self, iteration: u32) {
        if self.iteration != iteration {
            let mut open = std::mem::take(&mut self.open);
            open.values_mut().for_each(|record| record.counts = false);
            *self = Agenda { iteration, written: open.keys().copied().collect(), open, ..Agenda::default() };
        }
    }

    /// What was written since the last call, in order of slots.
    fn take_written(&mut self) -> impl Iterator<Item = (Key, TaskId)> + use<> {
        let written = std::mem::take(&mut self.written).into_iter();
        let records = written.filter_map(|key| Some((key, self.open.get(&key)?.task)));
        let records: Vec<(Key, TaskId)> = records.collect();
        work::count_many(Work::Record, records.len());
        records.into_iter()
    }

    /// Whether a record counts from here on.
    fn set_counts(&mut self, key: Key, counts: bool) {
        let Some(record) = self.open.get_mut(&key) else { return };
        if std::mem::replace(&mut record.counts, counts) == counts {
            return;
        }
        if counts {
            self.counted += 1
        } else {
            self.counted -= 1
        }
        match key.0 {
            Slot::Number(number) if counts => drop(self.free.remove(&number)),
            Slot::Number(number) if number < self.frontier && !self.is_used(number) => drop(self.free.insert(number)),
            Slot::Number(_) | Slot::Spare(_) => {}
            Slot::Node(node) => drop(self.nodes.insert(node)),
        }
    }

    /// Whether a slot has a record that counts.
    fn is_taken(&self, slot: Slot) -> bool {
        self.open.range((slot, 0)..=(slot, u64::MAX)).any(|(_, record)| record.counts)
    }

    fn is_used(&self, number: u32) -> bool {
        number < self.first_left || self.complete_above.contains(&number) || self.is_taken(Slot::Number(number))
    }

    /// The first `count` numbers below `limit` that no task has which counts or completed.
    fn unused(&mut self, count: u64, limit: u32) -> Vec<u32> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut numbers: Vec<u32> = self.free.range(..limit).copied().take(count).collect();
        while numbers.len() < count && self.frontier < limit {
            work::count(Work::Record);
            if !self.is_used(self.frontier) {
                numbers.push(self.frontier);
                // It is free until its task is looked at.
                self.free.insert(self.frontier);
            }
            self.frontier += 1;
        }
        numbers
    }

    fn completed(&mut self, slot: Slot) {
        self.complete += 1;
        let Slot::Number(number) = slot else { return };
        self.free.remove(&number);
        if number >= self.first_left {
            self.complete_above.insert(number);
        }
        while self.complete_above.remove(&self.first_left) {
            self.first_left = self.first_left.saturating_add(1);
        }
    }
}

pub(crate) fn observe(cluster: &mut Cluster, restarts: &mut restart::Supervisor, change: Change) {
    let service = match change {
        Change::ServiceCreated(service) | Change::ServiceUpdated(service) => service,
        Change::TaskUpdated { task, desired, state }
            if state > TaskState::Running && desired <= DesiredState::Complete =>
        {
            let Some(task) = cluster.task(task) else { return };
            task.service
        }
        _ => return,
    };
    match cluster.service(service).map(|service| service.spec.mode) {
        Some(Mode::ReplicatedJob { max_concurrent, total_completions }) => {
            reconcile_replicated(cluster, restarts, service, max_concurrent, total_completions);
        }
        Some(Mode::GlobalJob) => reconcile_global(cluster, restarts, service),
        _ => {}
    }
}

/// SwarmKit `manager/orchestrator/jobs/replicated/reconciler.go`.
fn reconcile_replicated(
    cluster: &mut Cluster,
    restarts: &mut restart::Supervisor,
    id: ServiceId,
    max_concurrent: u64,
    total_completions: u64,
) {
    let mut agenda = cluster.take_agenda(id);
    let service = &cluster.services()[id];
    agenda.begin(service.iteration);
    let (mut failed, mut old) = (Vec::new(), Vec::new());
    for (key, task_id) in agenda.take_written() {
        let task = cluster.task(task_id).expect("listed");
        if task.iteration != service.iteration {
            if task.state <= TaskState::Running {
                old.push(task_id);
            } else {
                agenda.remove(key);
            }
        } else if task.state == TaskState::Complete {
            agenda.completed(key.0);
            agenda.remove(key);
        } else if task.desired > DesiredState::Complete {
            // It counts again if it completes although it shall not.
            agenda.set_counts(key, false);
            if task.state > TaskState::Complete {
                agenda.remove(key);
            }
        } else {
            agenda.set_counts(key, true);
            if task.state > TaskState::Complete {
                failed.push(task_id);
                agenda.written.insert(key);
            }
        }
    }
    // SwarmKit subtracts unsigned numbers and gives up on everything if the smaller difference wrapped around.
    let room = max_concurrent.wrapping_sub(agenda.counted);
    let left = total_completions.wrapping_sub(agenda.complete).wrapping_sub(agenda.counted);
    let new = room.min(left);
    let gives_up = new > total_completions;
    let limit = u32::try_from(total_completions).unwrap_or(u32::MAX);
    let new = if gives_up { Vec::new() } else { agenda.unused(new, limit) };
    cluster.put_agenda(id, agenda);
    if gives_up {
        return;
    }
    for number in new {
        cluster.add_task(id, Slot::Number(number), DesiredState::Complete);
    }
    restart_failed(cluster, restarts, failed);
    for task in old {
        cluster.set_desired(task, DesiredState::Remove);
    }
    cluster.commit();
}

/// SwarmKit `manager/orchestrator/jobs/global/reconciler.go`.
fn reconcile_global(cluster: &mut Cluster, restarts: &mut restart::Supervisor, id: ServiceId) {
    let mut agenda = cluster.take_agenda(id);
    let service = &cluster.services()[id];
    if agenda.iteration != service.iteration {
        // Every record of an earlier run goes.
        let record = |id: TaskId| cluster.task(id).map(|task| ((task.slot, task.sequence), id));
        for (key, task) in service.tasks().filter_map(record) {
            agenda.add(key, task);
        }
        agenda.begin(service.iteration);
    }
    let (mut failed, mut old) = (Vec::new(), Vec::new());
    for (key, task_id) in agenda.take_written() {
        let task = cluster.task(task_id).expect("listed");
        if task.iteration != service.iteration || task.desired > DesiredState::Complete {
            if task.iteration != service.iteration {
                old.push(task_id);
            }
            agenda.remove(key);
            continue;
        }
        agenda.set_counts(key, true);
        if task.state > TaskState::Complete {
            failed.push(task_id);
            agenda.written.insert(key);
        }
    }
    let changed = cluster.nodes_changed_since(agenda.nodes_seen);
    match changed.filter(|_| agenda.version == Some(service.version)) {
        Some(changed) => agenda.nodes.extend(changed),
        None => agenda.nodes.extend(cluster.nodes().ids()),
    }
    (agenda.version, agenda.nodes_seen) = (Some(service.version), cluster.node_changes());
    let (mut missing, mut stranded) = (Vec::new(), Vec::new());
    for node_id in std::mem::take(&mut agenda.nodes) {
        work::count(Work::Record);
        let node = &cluster.nodes()[node_id];
        if node.removed || !satisfies(service, node) {
            continue;
        }
        let slot = Slot::Node(node_id);
        if cluster.is_invalid(node_id) {
            let mut records = agenda.open.range((slot, 0)..=(slot, u64::MAX)).rev();
            stranded.extend(records.find(|(_, record)| record.counts).map(|(_, record)| record.task));
        } else if node.spec.availability == Availability::Active
            && node.spec.state == NodeState::Ready
            && node.created <= service.executed
            && !agenda.is_taken(slot)
        {
            missing.push(node_id);
        }
    }
    cluster.put_agenda(id, agenda);
    for node in missing {
        cluster.add_task(id, Slot::Node(node), DesiredState::Complete);
    }
    restart_failed(cluster, restarts, failed);
    for task in old {
        cluster.set_desired(task, DesiredState::Remove);
    }
    for task in stranded {
        if cluster.task(task).is_some_and(|task| task.state <= TaskState::Running) {
            cluster.set_desired(task, DesiredState::Shutdown);
        }
    }
    cluster.commit();
}

fn restart_failed(cluster: &mut Cluster, restarts: &mut restart::Supervisor, failed: Vec<TaskId>) {
    for id in failed {
        if cluster.task(id).is_some_and(|task| task.desired <= DesiredState::Complete) {
            restarts.restart(cluster, id);
        }
    }
}
