//! The tables: nodes, services and tasks, and the only writes to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::{IdVec, NodeId, ServiceId, Slot, TaskId};
use crate::spec::{NodeSpec, ServiceSpec};
use crate::task::Task;
use crate::time::Time;

/// A node as the manager knows it.
#[derive(Clone, Debug)]
pub struct Node {
    /// What the operator and the engine declared, with the node's current state.
    pub spec: NodeSpec,
    /// Whether the node was removed from the cluster.
    pub removed: bool,
    /// Records of tasks on it, in order of assignment.
    pub tasks: Vec<TaskId>,
}

/// How far a rolling update is (SwarmKit `api/types.proto`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // Swarm's own words.
pub enum UpdateState {
    Updating,
    Paused,
    Completed,
    RollbackStarted,
    RollbackPaused,
    RollbackCompleted,
}

/// The update status of a service.
#[derive(Clone, PartialEq, Debug)]
pub struct UpdateStatus {
    /// How far.
    pub state: UpdateState,
    /// In Swarm's words. A task is named by its id, see [`crate::Manager::task_name`].
    pub message: String,
    /// When the update began.
    pub started: Time,
    /// When it ended.
    pub completed: Option<Time>,
}

/// A service as the manager knows it.
#[derive(Clone, Debug)]
pub struct Service {
    /// The current specification.
    pub spec: Arc<ServiceSpec>,
    /// Its version: it changes with every update, even one that changes nothing.
    pub version: u64,
    /// The specification before, if a rollback can return to it.
    pub previous: Option<(Arc<ServiceSpec>, u64)>,
    /// For jobs, counts the updates: every one runs the job again.
    pub iteration: u64,
    /// The rolling update, if one was ever begun since the last API update.
    pub update_status: Option<UpdateStatus>,
    /// Records of its tasks by slot, oldest first.
    pub slots: BTreeMap<Slot, Vec<TaskId>>,
    /// Whether the operator removed it; tasks may still be stopping.
    pub removed: bool,
}

/// All that the manager knows.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    nodes: IdVec<NodeId, Node>,
    services: IdVec<ServiceId, Service>,
    tasks: Vec<(u32, Option<Task>)>,
}

impl Cluster {
    /// Every node that ever joined, removed ones included.
    pub fn nodes(&self) -> &IdVec<NodeId, Node> {
        &self.nodes
    }

    /// Every service that was ever created, removed ones included.
    pub fn services(&self) -> &IdVec<ServiceId, Service> {
        &self.services
    }

    /// A task's record, unless it was deleted.
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        let (generation, task) = self.tasks.get(id.row())?;
        if *generation == id.generation { task.as_ref() } else { None }
    }
}
