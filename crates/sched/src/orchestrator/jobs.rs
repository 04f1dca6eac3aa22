//! Jobs: tasks that run to completion, a number of times or once on every node.
//!
//! Like SwarmKit's, this orchestrator watches services and tasks but not nodes: a job's task on a node that drains
//! goes on, one on a node that is down blocks its slot until the node is back or a day has passed.
//!
//! Records of a job's tasks are kept for ever, as there. SwarmKit looks at all of them whenever a task ends; here those that
//! cannot change the answer any more are left out, see [`Agenda`].

use std::collections::{BTreeMap, BTreeSet};

use super::{restart, satisfies};
use crate::cluster::{Change, Cluster};
use crate::id::{NodeId, ServiceId, Slot, TaskId};
use crate::spec::{Availability, Mode, NodeState};
use crate::task::{DesiredState, TaskState};

/// What a job's orchestrator has to look at when something happens to the job. Observed and desired states and iterations
/// only rise, so a record that was settled once is settled for good.
#[derive(Clone, Default, Debug)]
pub(crate) struct Agenda {
    iteration: u32,
    /// Records that are not settled: slot by slot, oldest first.
    open: BTreeMap<(Slot, u64), TaskId>,
    /// Of a replicated job, in this iteration: how many tasks completed, the first slot of which none did, and the slots
    /// above that of which one did.
    complete: u64,
    first_left: u32,
    complete_above: BTreeSet<u32>,
}

impl Agenda {
    pub(crate) fn add(&mut self, slot: Slot, sequence: u64, task: TaskId) {
        self.open.insert((slot, sequence), task);
    }

    pub(crate) fn remove(&mut self, slot: Slot, sequence: u64) {
        self.open.remove(&(slot, sequence));
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// A replicated job runs anew: what completed before counts no more.
    fn begin(&mut self, iteration: u32) {
        if self.iteration != iteration {
            *self = Agenda { iteration, open: std::mem::take(&mut self.open), ..Agenda::default() };
        }
    }

    fn completed(&mut self, slot: Slot) {
        self.complete += 1;
        let Slot::Number(number) = slot else { return };
        if number >= self.first_left {
            self.complete_above.insert(number);
        }
        while self.complete_above.remove(&self.first_left) {
            self.first_left += 1;
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
    let mut running = 0u64;
    let mut taken = BTreeSet::new();
    let (mut failed, mut old) = (Vec::new(), Vec::new());
    let mut open = std::mem::take(&mut agenda.open);
    open.retain(|&(slot, _), task_id| {
        let task = cluster.task(*task_id).expect("listed");
        if task.iteration != service.iteration {
            if task.state <= TaskState::Running {
                old.push(*task_id);
            }
            return task.state <= TaskState::Running;
        }
        if task.state == TaskState::Complete {
            agenda.completed(slot);
            return false;
        }
        if task.desired > DesiredState::Complete {
            // It counts again if it completes although it shall not.
            return task.state < TaskState::Complete;
        }
        running += 1;
        taken.insert(slot);
        if task.state > TaskState::Complete {
            failed.push(*task_id);
        }
        true
    });
    let Agenda { complete, first_left, .. } = agenda;
    let is_taken = |number: &u32| agenda.complete_above.contains(number) || taken.contains(&Slot::Number(*number));
    let numbers = (first_left..u32::try_from(total_completions).unwrap_or(u32::MAX)).filter(|it| !is_taken(it));
    // SwarmKit subtracts unsigned numbers and gives up on everything if the smaller difference wrapped around.
    let room = max_concurrent.wrapping_sub(running);
    let left = total_completions.wrapping_sub(complete).wrapping_sub(running);
    let new = room.min(left);
    let gives_up = new > total_completions;
    let new: Vec<u32> = numbers.take(if gives_up { 0 } else { new as usize }).collect();
    agenda.open = open;
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
        let key = |task_id: TaskId| cluster.task(task_id).map(|task| ((task.slot, task.sequence), task_id));
        agenda = Agenda { iteration: service.iteration, open: service.tasks().filter_map(key).collect(), ..agenda };
    }
    let mut on_node: BTreeMap<NodeId, TaskId> = BTreeMap::new();
    let (mut failed, mut old) = (Vec::new(), Vec::new());
    agenda.open.retain(|_, task_id| {
        let task = cluster.task(*task_id).expect("listed");
        if task.iteration != service.iteration {
            old.push(*task_id);
            return false;
        }
        if task.desired > DesiredState::Complete {
            return false;
        }
        if task.state > TaskState::Complete {
            failed.push(*task_id);
        }
        if let Slot::Node(node) = task.slot {
            on_node.insert(node, *task_id);
        }
        true
    });
    let (mut missing, mut stranded) = (Vec::new(), Vec::new());
    for (node_id, node) in cluster.nodes().iter().filter(|(_, node)| !node.removed && satisfies(service, node)) {
        if cluster.is_invalid(node_id) {
            stranded.extend(on_node.get(&node_id));
        } else if node.spec.availability == Availability::Active
            && node.spec.state == NodeState::Ready
            && node.created <= service.executed
            && !on_node.contains_key(&node_id)
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
