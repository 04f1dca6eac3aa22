//! The constraint enforcer: when a node changes, tasks that it may no longer run are rejected.
//!
//! Only constraints and reservations are looked at again, only on active nodes, in order of assignment (SwarmKit's
//! order is that of random task ids).

use std::sync::Arc;

use super::{satisfies, tasks_on};
use crate::cluster::{Change, Cluster, Writer};
use crate::generic;
use crate::id::NodeId;
use crate::spec::{Availability, Resources};
use crate::task::{DesiredState, TaskState};

pub(crate) fn observe(cluster: &mut Cluster, change: Change) {
    if let Change::NodeUpdated(node) = change {
        reject_noncompliant(cluster, node);
    }
}

fn reject_noncompliant(cluster: &mut Cluster, id: NodeId) {
    let Some(node) = cluster.node(id).filter(|node| node.spec.availability == Availability::Active) else { return };
    let mut left: Resources =
        node.spec.description.as_ref().map(|description| description.resources.clone()).unwrap_or_default();
    let mut rejected = Vec::new();
    for task_id in tasks_on(cluster, id) {
        let task = cluster.task(task_id).expect("listed");
        if task.desired > DesiredState::Complete || task.state >= TaskState::Complete {
            continue;
        }
        let fits = match cluster.service(task.service) {
            Some(service) => satisfies(service, node),
            None => true,
        };
        let wants = &task.spec.task.reservations;
        if !fits || wants.memory > left.memory || wants.nano_cpus > left.nano_cpus {
            rejected.push(task_id);
            continue;
        }
        if task.generic().iter().any(|unit| !generic::offers(&left.generic, unit)) {
            rejected.push(task_id);
            break;
        }
        left.memory = left.memory.saturating_sub(wants.memory);
        left.nano_cpus = left.nano_cpus.saturating_sub(wants.nano_cpus);
        generic::take(&mut left.generic, task.generic());
    }
    for task in rejected {
        let error: Arc<str> = "assigned node no longer meets constraints".into();
        cluster.set_state(task, TaskState::Rejected, Some(error), Writer::Untimed);
    }
    cluster.commit();
}
