//! Replicated services: as many slots as replicas, each with one live task.

use std::collections::{BTreeMap, BTreeSet};

use super::{restart, tasks_on, updatable, update};
use crate::cluster::{Change, Cluster};
use crate::failover;
use crate::id::{NodeId, ServiceId, Slot, TaskId};
use crate::scheduler::Scheduler;
use crate::spec::Mode;
use crate::task::{DesiredState, TaskState};
use crate::work::{self, Work};

/// What has to be looked at when the current transaction commits.
#[derive(Clone, Default, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Replicated {
    restart: BTreeSet<(u64, TaskId)>,
    reconcile: BTreeSet<ServiceId>,
    /// Those of them of which a record was deleted whose task is wanted.
    #[cfg_attr(feature = "snapshot", serde(skip))]
    deleted: BTreeSet<ServiceId>,
}

/// Which slots of a service have not just one task that is wanted, as the service is now: all that bringing the service to
/// its scale has to look at, if it has as many slots as replicas.
///
/// It is there while records are deleted whose tasks are wanted: each such deletion asks for the scale, and there may be one
/// for every slot of a service.
#[derive(Clone, Default, Debug)]
pub(crate) struct Census {
    odd: BTreeSet<Slot>,
    /// Slots that were written since they were looked at.
    written: Vec<Slot>,
}

impl Census {
    /// A slot was written. Says whether looking at what was written is still less work than looking at all slots.
    pub(crate) fn note(&mut self, slot: Slot, slots: usize) -> bool {
        self.written.push(slot);
        self.written.len() <= slots
    }
}

impl Replicated {
    pub(crate) fn observe(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        updates: &mut update::Supervisor,
        (failover, scheduler): (&mut failover::Supervisor, &Scheduler),
        change: Change,
    ) {
        match change {
            Change::TaskCreated(task) | Change::TaskUpdated { task, .. } => self.task_changed(cluster, task),
            Change::TaskDeleted { task, service, desired, .. } => {
                if desired <= DesiredState::Running && is_replicated(cluster, service) {
                    self.reconcile.insert(service);
                    self.deleted.insert(service);
                }
                restarts.cancel(cluster, task);
            }
            Change::NodeCreated(node) | Change::NodeUpdated(node) if cluster.is_invalid(node) => {
                self.restart_all_on(cluster, node);
            }
            Change::NodeRemoved(node) => self.restart_all_on(cluster, node),
            Change::ServiceCreated(service) | Change::ServiceUpdated(service) if is_replicated(cluster, service) => {
                // It has tasks already if it was taken over, and they may be where they cannot stay.
                if matches!(change, Change::ServiceCreated(_)) {
                    for task in cluster.services()[service].tasks() {
                        self.task_changed(cluster, task);
                    }
                }
                self.reconcile.insert(service);
            }
            Change::ServiceRemoved(service) => {
                self.reconcile.remove(&service);
            }
            Change::Commit => self.tick(cluster, restarts, updates, (failover, scheduler)),
            _ => {}
        }
    }

    fn task_changed(&mut self, cluster: &Cluster, id: TaskId) {
        let Some(task) = cluster.task(id) else { return };
        if task.desired > DesiredState::Running {
            return;
        }
        // The service is asked last: most changes are of tasks that are well where they are.
        let on_invalid_node = task.node.is_some_and(|node| cluster.is_invalid(node));
        if (task.state > TaskState::Running || on_invalid_node) && is_replicated(cluster, task.service) {
            self.restart.insert((task.sequence, id));
        }
    }

    fn restart_all_on(&mut self, cluster: &Cluster, node: NodeId) {
        for id in tasks_on(cluster, node) {
            let task = cluster.task(id).expect("a node lists records that exist");
            if task.desired <= DesiredState::Running && is_replicated(cluster, task.service) {
                self.restart.insert((task.sequence, id));
            }
        }
    }

    /// Restarts first, so that tasks are cared for before slots are counted.
    fn tick(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        updates: &mut update::Supervisor,
        (failover, scheduler): (&mut failover::Supervisor, &Scheduler),
    ) {
        for (_, id) in std::mem::take(&mut self.restart) {
            let wanted = cluster
                .task(id)
                .is_some_and(|task| task.desired <= DesiredState::Running && cluster.service(task.service).is_some());
            if wanted {
                failover.lose(cluster, restarts, scheduler, id);
            }
        }
        cluster.commit();
        for service in std::mem::take(&mut self.reconcile) {
            if !reconcile_odd(cluster, restarts, updates, failover, service) {
                let has_census = self.deleted.contains(&service);
                reconcile(cluster, restarts, updates, failover, service, has_census);
            }
        }
        self.deleted.clear();
    }
}

fn is_replicated(cluster: &Cluster, service: ServiceId) -> bool {
    cluster.service(service).is_some_and(|service| matches!(service.spec.mode, Mode::Replicated { .. }))
}

/// The tasks of a slot that [`updatable`] says, if it has one, or else all its tasks.
fn members(
    cluster: &Cluster,
    restarts: &mut restart::Supervisor,
    failover: &failover::Supervisor,
    id: ServiceId,
    slot: Slot,
) -> Result<Vec<TaskId>, Vec<TaskId>> {
    work::count(Work::Scale);
    let mut tasks: Vec<TaskId> = cluster.services()[id].slots.tasks_in(slot).collect();
    tasks.retain(|task| !failover.is_beside(cluster, *task));
    let updatable = updatable(cluster, restarts, id, &tasks);
    if updatable.is_empty() { Err(tasks) } else { Ok(updatable) }
}

/// Whether a slot has one task that is wanted and is not out of date, as nearly all have: an update leaves it alone.
fn is_plain(cluster: &Cluster, id: ServiceId, members: &[TaskId]) -> bool {
    let [only] = members else { return false };
    let task = cluster.task(*only).expect("a slot lists records that exist");
    task.desired <= DesiredState::Running && cluster.services()[id].alike().contains(&task.version)
}

/// The same as [`reconcile`] for a service that has a census and as many slots as replicas, with a look at those slots only
/// that were written or are odd. Says whether that was enough.
fn reconcile_odd(
    cluster: &mut Cluster,
    restarts: &mut restart::Supervisor,
    updates: &mut update::Supervisor,
    failover: &failover::Supervisor,
    id: ServiceId,
) -> bool {
    let Some(mut census) = cluster.take_census(id) else { return false };
    let Some(service) = cluster.service(id) else { return false };
    let Mode::Replicated { replicas } = service.spec.mode else { return false };
    let slots = service.slots.numbered();
    census.odd.extend(census.written.drain(..));
    let mut live: Vec<Vec<TaskId>> = Vec::new();
    let mut dead: BTreeMap<Slot, Vec<TaskId>> = BTreeMap::new();
    census.odd.retain(|slot| match members(cluster, restarts, failover, id, *slot) {
        Ok(members) if is_plain(cluster, id, &members) => false,
        Ok(members) => {
            live.push(members);
            true
        }
        // A spare that was promoted and a record that was the last of its slot leave nothing behind.
        Err(tasks) if tasks.is_empty() && service.slots.tasks_in(*slot).next().is_none() => false,
        Err(tasks) => {
            dead.insert(*slot, tasks);
            true
        }
    });
    if usize::try_from(replicas) != Ok(slots - dead.len()) {
        return false;
    }
    cluster.put_census(id, census);
    delete(cluster, dead);
    cluster.commit();
    updates.update(cluster, restarts, id, live);
    true
}

/// SwarmKit `manager/orchestrator/replicated/services.go`, `reconcile`.
fn reconcile(
    cluster: &mut Cluster,
    restarts: &mut restart::Supervisor,
    updates: &mut update::Supervisor,
    failover: &failover::Supervisor,
    id: ServiceId,
    has_census: bool,
) {
    let Some(service) = cluster.service(id) else { return };
    let Mode::Replicated { replicas } = service.spec.mode else { return };
    let mut live: Vec<(Slot, Vec<TaskId>)> = Vec::new();
    let mut dead: BTreeMap<Slot, Vec<TaskId>> = BTreeMap::new();
    let slots = service.slots.iter().filter(|(slot, _)| !matches!(slot, Slot::Spare(_)));
    for (slot, _) in slots {
        match members(cluster, restarts, failover, id, slot) {
            Ok(members) => live.push((slot, members)),
            Err(tasks) => {
                dead.insert(slot, tasks);
            }
        }
    }
    if has_census {
        let odd = live.iter().filter(|(_, members)| !is_plain(cluster, id, members)).map(|(slot, _)| *slot);
        let odd = odd.chain(dead.keys().copied()).collect();
        cluster.put_census(id, Box::new(Census { odd, written: Vec::new() }));
    }
    let wanted = usize::try_from(replicas).unwrap_or(usize::MAX);

    if wanted > live.len() {
        let taken: Vec<Slot> = live.iter().map(|(slot, _)| *slot).collect();
        let missing = wanted - live.len();
        updates.update(cluster, restarts, id, live.into_iter().map(|(_, tasks)| tasks).collect());
        let mut taken = taken.into_iter().peekable();
        let is_free = |slot: &Slot| {
            while taken.next_if(|other| other < slot).is_some() {}
            taken.peek() != Some(slot)
        };
        let free = (1..).map(Slot::Number).filter(is_free).take(missing);
        for slot in free {
            dead.remove(&slot);
            cluster.add_task(id, slot, DesiredState::Running);
        }
        delete(cluster, dead);
        cluster.commit();
    } else if wanted < live.len() {
        let mut kept = in_order_of_keeping(cluster, live);
        let surplus = kept.split_off(wanted);
        updates.update(cluster, restarts, id, kept);
        delete(cluster, dead);
        for task in surplus.into_iter().flatten() {
            if cluster.task(task).is_some() {
                cluster.set_desired(task, DesiredState::Remove);
            }
        }
        cluster.commit();
    } else {
        delete(cluster, dead);
        cluster.commit();
        updates.update(cluster, restarts, id, live.into_iter().map(|(_, tasks)| tasks).collect());
    }
}

fn delete(cluster: &mut Cluster, slots: BTreeMap<Slot, Vec<TaskId>>) {
    for task in slots.into_values().flatten() {
        if cluster.task(task).is_some() {
            cluster.delete_task(task);
        }
    }
}

/// The order in which slots survive a scale-down: first copies on each node before second ones, running before not
/// running, low slot numbers first; slots without a node or with several tasks go first of all (`slotsByIndex`).
fn in_order_of_keeping(cluster: &Cluster, mut slots: Vec<(Slot, Vec<TaskId>)>) -> Vec<Vec<TaskId>> {
    let task = |id: &TaskId| cluster.task(*id).expect("a slot lists records that exist");
    let runs = |tasks: &[TaskId]| tasks.iter().any(|id| task(id).state == TaskState::Running);
    slots.sort_by_cached_key(|(slot, tasks)| (!runs(tasks), *slot));
    let mut copies: BTreeMap<NodeId, u32> = BTreeMap::new();
    let mut ranked: Vec<(u32, Vec<TaskId>)> = Vec::with_capacity(slots.len());
    for (_, tasks) in slots {
        let copy = match tasks.as_slice() {
            [only] => task(only).node.map(|node| {
                let copies = copies.entry(node).or_insert(0);
                *copies += 1;
                *copies
            }),
            _ => None,
        };
        ranked.push((copy.unwrap_or(u32::MAX), tasks));
    }
    ranked.sort_by_key(|(copy, _)| *copy);
    ranked.into_iter().map(|(_, tasks)| tasks).collect()
}
