//! A task's life: one run of one container, placed on one node.

use std::fmt;
use std::sync::Arc;

use crate::id::{NodeId, ServiceId, Slot};
use crate::spec::{GenericResource, ServiceSpec};
use crate::time::Time;

/// Where a task is in its life, as observed. The order is the meaning: of two reports the greater is the later, and
/// everything above [`TaskState::Running`] is terminal (SwarmKit `api/types.proto`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs)] // The names are Swarm's own words.
pub enum TaskState {
    New,
    Pending,
    Assigned,
    Accepted,
    Preparing,
    Ready,
    Starting,
    Running,
    Complete,
    Shutdown,
    Failed,
    Rejected,
    Remove,
    Orphaned,
}

impl TaskState {
    /// All of them, in their order.
    pub const ALL: [TaskState; 14] = {
        use TaskState::*;
        [
            New, Pending, Assigned, Accepted, Preparing, Ready, Starting, Running, Complete, Shutdown, Failed,
            Rejected, Remove, Orphaned,
        ]
    };

    /// Whether the task will never run (again).
    pub fn is_terminal(self) -> bool {
        self > TaskState::Running
    }
}

impl fmt::Display for TaskState {
    /// As `docker service ps` shows it: `Running`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What the manager wants of a task. It only ever rises.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum DesiredState {
    /// Be prepared, do not start yet.
    Ready,
    /// Run.
    Running,
    /// Run to completion (jobs).
    Complete,
    /// Stop; the record is kept as history.
    Shutdown,
    /// Stop; the record goes too.
    Remove,
}

impl DesiredState {
    /// All of them, in their order.
    pub const ALL: [DesiredState; 5] = {
        use DesiredState::*;
        [Ready, Running, Complete, Shutdown, Remove]
    };
}

impl fmt::Display for DesiredState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The manager's record of a task.
#[derive(Clone, Debug)]
pub struct Task {
    /// The service it belongs to.
    pub service: ServiceId,
    /// What it stands for in that service.
    pub slot: Slot,
    /// Counts the tasks of its slot, from 1.
    pub instance: u32,
    /// The service's specification when the task was created.
    pub spec: Arc<ServiceSpec>,
    /// The version of that specification.
    pub version: u64,
    /// For jobs, the run of the job it belongs to.
    pub iteration: u32,
    /// Where it is, once that is decided (global tasks: from the start).
    pub node: Option<NodeId>,
    /// What is wanted.
    pub desired: DesiredState,
    /// What is observed.
    pub state: TaskState,
    /// When the observed state was reported or written (SwarmKit `AppliedAt`, else `Timestamp`), see [`Cluster::since`].
    ///
    /// [`Cluster::since`]: crate::Cluster::since
    pub(crate) since: Time,
    /// When the task was created.
    pub created: Time,
    /// Counts creations in the cluster: a smaller number is an older task.
    pub sequence: u64,
    /// Of its [`crate::TaskId`].
    pub(crate) generation: u32,
    /// Whether the explanation of its group is its own: it waits, and found no node.
    pub(crate) is_explained: bool,
    /// What few tasks have.
    pub(crate) details: Option<Box<Details>>,
}

/// What few tasks have.
#[derive(Clone, Default, Debug)]
pub(crate) struct Details {
    pub(crate) error: Option<Arc<str>>,
    pub(crate) generic: Vec<GenericResource>,
    /// When the agent says that the task came to its observed state.
    pub(crate) changed: Option<Time>,
}

impl Task {
    /// Whether a pass looked for a node and found none that is suitable; [`Cluster::error`] says why. It goes on waiting.
    ///
    /// [`Cluster::error`]: crate::Cluster::error
    pub fn found_no_node(&self) -> bool {
        // Until a pass has looked at it, a waiting task has nothing to explain.
        let is_waiting = self.state == TaskState::Pending && self.node.is_none();
        is_waiting && (self.is_explained || self.own_error().is_some())
    }

    pub(crate) fn own_error(&self) -> Option<&Arc<str>> {
        self.details.as_ref()?.error.as_ref()
    }

    /// Generic units given to it.
    pub fn generic(&self) -> &[GenericResource] {
        self.details.as_ref().map_or(&[], |details| &details.generic)
    }

    pub(crate) fn set_error(&mut self, error: Option<Arc<str>>) {
        match (&mut self.details, error) {
            (None, None) => {}
            (Some(details), None) if details.generic.is_empty() => self.details = None,
            (details, error) => details.get_or_insert_default().error = error,
        }
    }
}
