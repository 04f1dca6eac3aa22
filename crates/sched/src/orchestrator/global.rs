//! Global services: one live task on every node that satisfies the constraints.

use std::collections::{BTreeMap, BTreeSet};

use super::{Versions, restart, satisfies, tasks_on, updatable, update};
use crate::cluster::{Change, Cluster};
use crate::failover;
use crate::id::{NodeId, ServiceId, Slot, TaskId};
use crate::scheduler::Scheduler;
use crate::spec::{Availability, Mode};
use crate::task::{DesiredState, Task, TaskState};

/// The global services, and tasks that ended and wait for a restart.
#[derive(Clone, Default, Debug)]
pub(crate) struct Global {
    services: BTreeSet<ServiceId>,
    restart: BTreeSet<(u64, TaskId)>,
}

impl Global {
    /// All that it knows between two calls of the manager.
    #[cfg(feature = "snapshot")]
    pub(crate) fn recalled(cluster: &Cluster) -> Global {
        let is_global = |id: &ServiceId| cluster.service(*id).is_some_and(|service| service.spec.mode == Mode::Global);
        Global { services: cluster.services().ids().filter(is_global).collect(), restart: BTreeSet::new() }
    }

    pub(crate) fn observe(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        updates: &mut update::Supervisor,
        (failover, scheduler): (&mut failover::Supervisor, &Scheduler),
        change: Change,
    ) {
        match change {
            Change::ServiceCreated(service) | Change::ServiceUpdated(service)
                if cluster.service(service).is_some_and(|service| service.spec.mode == Mode::Global) =>
            {
                self.services.insert(service);
                reconcile_service(cluster, restarts, updates, service);
            }
            Change::ServiceRemoved(service) => {
                self.services.remove(&service);
            }
            Change::NodeCreated(node) | Change::NodeUpdated(node) => {
                self.reconcile_node(cluster, restarts, (failover, scheduler), node);
            }
            Change::NodeRemoved(node) => {
                for task in self.tasks_on(cluster, node) {
                    cluster.delete_task(task);
                }
                cluster.commit();
            }
            Change::TaskUpdated { task, desired, state }
                if state > TaskState::Running && desired <= DesiredState::Running =>
            {
                if let Some(record) = cluster.task(task).filter(|task| self.services.contains(&task.service)) {
                    self.restart.insert((record.sequence, task));
                }
            }
            _ => {}
        }
        if !self.restart.is_empty() {
            self.tick(cluster, restarts, (failover, scheduler));
        }
        cluster.commit();
    }

    /// Tasks of global services on a node.
    fn tasks_on(&self, cluster: &Cluster, node: NodeId) -> Vec<TaskId> {
        let mut tasks = tasks_on(cluster, node);
        tasks.retain(|id| self.services.contains(&cluster.task(*id).expect("listed").service));
        tasks
    }

    fn tick(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        (failover, scheduler): (&mut failover::Supervisor, &Scheduler),
    ) {
        for (_, id) in std::mem::take(&mut self.restart) {
            let Some(task) = cluster.task(id) else { continue };
            let Some(service) = cluster.service(task.service) else { continue };
            let Some(at) = task.node else { continue };
            if task.desired > DesiredState::Running || cluster.is_invalid(at) {
                continue;
            }
            let node = &cluster.nodes()[at];
            if node.spec.availability == Availability::Pause || !satisfies(service, node) {
                cluster.set_desired(id, DesiredState::Shutdown);
            } else {
                failover.lose(cluster, restarts, scheduler, id);
            }
        }
    }

    /// SwarmKit `reconcileOneNode`: what a node's return, drain or change of availability means to every service.
    fn reconcile_node(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        (failover, scheduler): (&mut failover::Supervisor, &Scheduler),
        id: NodeId,
    ) {
        let Some(node) = cluster.node(id) else { return };
        if cluster.is_invalid(id) {
            let mut tasks = self.tasks_on(cluster, id);
            tasks.retain(|task| failover.lose_global(cluster, restarts, scheduler, *task));
            shut_down(cluster, tasks);
            cluster.commit();
            return;
        }
        if node.spec.availability == Availability::Pause {
            return;
        }
        if failover.may_keep() {
            // Tasks that were kept while the node was away may have ended there.
            let ended = |task: &Task| task.state > TaskState::Running && task.desired <= DesiredState::Running;
            let tasks = self.tasks_on(cluster, id).into_iter();
            let tasks = tasks.filter_map(|id| Some((cluster.task(id).filter(|task| ended(task))?.sequence, id)));
            self.restart.extend(tasks);
        }
        for service in self.services.clone() {
            let record = &cluster.services()[service];
            if !satisfies(record, &cluster.nodes()[id]) {
                continue;
            }
            let tasks: Vec<TaskId> = record.slots.tasks_in(Slot::Node(id)).collect();
            let tasks = updatable(cluster, restarts, service, &tasks);
            // Not a rolling update: out-of-date tasks are replaced at once.
            let dirty = |task: &TaskId| {
                let task = cluster.task(*task).expect("listed");
                Versions::of(&cluster.services()[service]).is_dirty(task, cluster.node(id))
            };
            let (mut old, clean): (Vec<_>, Vec<_>) = tasks.into_iter().partition(dirty);
            if clean.is_empty() {
                cluster.add_task(service, Slot::Node(id), DesiredState::Running);
            } else {
                old.extend(&clean[1..]);
            }
            shut_down(cluster, old);
        }
        cluster.commit();
    }
}

fn shut_down(cluster: &mut Cluster, tasks: Vec<TaskId>) {
    for task in tasks {
        cluster.set_desired(task, DesiredState::Shutdown);
    }
}

/// SwarmKit `reconcileServices`.
fn reconcile_service(
    cluster: &mut Cluster,
    restarts: &mut restart::Supervisor,
    updates: &mut update::Supervisor,
    id: ServiceId,
) {
    let mut by_node: BTreeMap<NodeId, Vec<TaskId>> = BTreeMap::new();
    for (slot, tasks) in cluster.services()[id].slots.iter() {
        let Slot::Node(node) = slot else { continue };
        let tasks: Vec<TaskId> = tasks.collect();
        let tasks = updatable(cluster, restarts, id, &tasks);
        if !tasks.is_empty() {
            by_node.insert(node, tasks);
        }
    }
    let mut slots = Vec::new();
    for node in cluster.nodes().ids() {
        let Some(record) = cluster.node(node).filter(|_| !cluster.is_invalid(node)) else { continue };
        let tasks = by_node.remove(&node).unwrap_or_default();
        if !satisfies(&cluster.services()[id], record) {
            shut_down(cluster, tasks);
        } else if record.spec.availability == Availability::Pause {
            continue;
        } else if tasks.is_empty() {
            cluster.add_task(id, Slot::Node(node), DesiredState::Running);
        } else {
            slots.push(tasks);
        }
    }
    for tasks in by_node.into_values() {
        shut_down(cluster, tasks);
    }
    cluster.commit();
    if !slots.is_empty() {
        updates.update(cluster, restarts, id, slots);
    }
}
