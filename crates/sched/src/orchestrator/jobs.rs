//! Jobs: tasks that run to completion, a number of times or once on every node.
//!
//! Like SwarmKit's, this orchestrator watches services and tasks but not nodes: a job's task on a node that drains
//! goes on, one on a node that is down blocks its slot until the node is back or a day has passed.

use std::collections::{BTreeMap, BTreeSet};

use super::{restart, satisfies};
use crate::cluster::{Change, Cluster};
use crate::id::{NodeId, ServiceId, Slot, TaskId};
use crate::spec::{Availability, Mode, NodeState};
use crate::task::{DesiredState, TaskState};

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
    let service = &cluster.services()[id];
    let (mut running, mut complete) = (0u64, 0u64);
    let mut taken = BTreeSet::new();
    let (mut failed, mut old) = (Vec::new(), Vec::new());
    for task_id in service.tasks() {
        let task = cluster.task(task_id).expect("listed");
        if task.iteration != service.iteration {
            if task.state <= TaskState::Running {
                old.push(task_id);
            }
        } else if task.state == TaskState::Complete {
            complete += 1;
            taken.insert(task.slot);
        } else if task.desired <= DesiredState::Complete {
            running += 1;
            taken.insert(task.slot);
            if task.state > TaskState::Complete {
                failed.push(task_id);
            }
        }
    }
    // SwarmKit subtracts unsigned numbers and gives up on everything if the smaller difference wrapped around.
    let room = max_concurrent.wrapping_sub(running);
    let left = total_completions.wrapping_sub(complete).wrapping_sub(running);
    let new = room.min(left);
    if new > total_completions {
        return;
    }
    let slots = (0..u32::try_from(total_completions).unwrap_or(u32::MAX)).map(Slot::Number);
    for slot in slots.filter(|slot| !taken.contains(slot)).take(new as usize) {
        cluster.add_task(id, slot, DesiredState::Complete);
    }
    restart_failed(cluster, restarts, failed);
    for task in old {
        cluster.set_desired(task, DesiredState::Remove);
    }
    cluster.commit();
}

/// SwarmKit `manager/orchestrator/jobs/global/reconciler.go`.
fn reconcile_global(cluster: &mut Cluster, restarts: &mut restart::Supervisor, id: ServiceId) {
    let service = &cluster.services()[id];
    let mut on_node: BTreeMap<NodeId, TaskId> = BTreeMap::new();
    let (mut failed, mut old) = (Vec::new(), Vec::new());
    for task_id in service.tasks() {
        let task = cluster.task(task_id).expect("listed");
        if task.iteration == service.iteration {
            if task.desired <= DesiredState::Complete {
                if task.state > TaskState::Complete {
                    failed.push(task_id);
                }
                if let Slot::Node(node) = task.slot {
                    on_node.insert(node, task_id);
                }
            }
        } else {
            old.push(task_id);
        }
    }
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
