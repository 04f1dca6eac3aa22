//! What goes into the core and what comes out of it.

use std::sync::Arc;

use crate::cluster::UpdateStatus;
use crate::id::{NodeId, ServiceId, Slot, TaskId};
use crate::task::{DesiredState, TaskState};
use crate::time::Time;

/// A fact that the cluster reports. What an operator wants is a method of [`crate::Manager`] instead.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Event {
    /// A node registered (again): it is ready.
    NodeUp(NodeId),
    /// A node's heartbeats stopped for longer than the grace period.
    NodeDown(NodeId),
    /// The nodes whose heartbeats are overdue, though not for the whole grace period: all of them, those of an earlier report
    /// that are not among them are heard of again. Only failover policies look at it, and only if
    /// [`crate::Manager::wants_late_nodes`]; to be reported right before a [`Event::NodeDown`].
    NodesLate(Vec<NodeId>),
    /// So many bytes of an image are missing on a node: its agent would have to pull them. Only some placement strategies
    /// look at it, see [`crate::Manager::wants_images`]. Not Swarm's: SwarmKit's agents report no images.
    ImageMissing {
        /// The node.
        node: NodeId,
        /// The image, by its one name ([`crate::Reference::name_of`]).
        image: Arc<str>,
        /// Compressed bytes that are not there.
        bytes: u64,
    },
    /// The networks of a new task are allocated. Needed only with [`crate::Allocation::External`].
    Allocated(TaskId),
    /// An agent reports how far a task is. Reports that are not news are ignored.
    TaskStatus {
        /// Which task.
        task: TaskId,
        /// How far it is.
        state: TaskState,
        /// What went wrong, for [`TaskState::Failed`] and [`TaskState::Rejected`].
        error: Option<Arc<str>>,
    },
    /// The same by an agent that says when the task came to be so. That time is for the record, [`crate::Cluster::changed`]:
    /// decisions go by the time at which the report is handled, as SwarmKit's do.
    TaskChanged {
        /// Which task.
        task: TaskId,
        /// How far it is.
        state: TaskState,
        /// What went wrong, for [`TaskState::Failed`] and [`TaskState::Rejected`].
        error: Option<Arc<str>>,
        /// Since when, by the agent's clock.
        at: Time,
    },
    /// The time that [`crate::Manager::deadline`] announced has come.
    Deadline,
}

/// Something the driver must know of or act upon, in the order in which it happened.
///
/// [`Command::Assign`], [`Command::Desired`] and [`Command::Remove`] concern the agent of the task's node; the others are
/// for the record. Details of a task are in [`crate::Cluster::task`] until it is removed.
///
/// A later version may have another kind of command, and then a driver that names all of them does not compile: one that
/// passes over what it does not know would lose tasks without a word.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// A task exists. Where allocation is external, its networks are to be allocated now.
    Create {
        /// The new task.
        task: TaskId,
        /// Its service.
        service: ServiceId,
        /// What it stands for.
        slot: Slot,
        /// `Ready` for a replacement that waits, `Running` or `Complete` otherwise.
        desired: DesiredState,
    },
    /// A task has its node: the agent there shall prepare it, and start it if its desired state says so.
    Assign {
        /// Which task.
        task: TaskId,
        /// Where.
        node: NodeId,
    },
    /// The desired state of a task rose. If it has a node, the agent there shall start or stop it.
    Desired {
        /// Which task.
        task: TaskId,
        /// Where it is, if anywhere.
        node: Option<NodeId>,
        /// What is wanted now.
        desired: DesiredState,
    },
    /// All tasks that wait with one version of a service, and found no node before, wait for this reason from here on. A
    /// task that is told so for the first time has its own [`Command::State`]; a change of the reason is told once for all.
    Explain {
        /// The service.
        service: ServiceId,
        /// The version of the specification, see [`crate::Task::version`].
        version: u64,
        /// Why no node is suitable, in SwarmKit's words.
        text: Arc<str>,
    },
    /// The manager itself, not an agent, wrote a task's observed state or that it finds no node.
    State {
        /// Which task.
        task: TaskId,
        /// What it is now.
        state: TaskState,
    },
    /// The record of a task is deleted: the agent removes the container whatever it does. Its id is dead from here on.
    Remove {
        /// Which task.
        task: TaskId,
        /// Where it was, if anywhere.
        node: Option<NodeId>,
    },
    /// A spare took a slot of its service: it is called after it from here on. Only failover policies do this.
    Promote {
        /// Which task.
        task: TaskId,
        /// The slot.
        slot: Slot,
    },
    /// The agent of a node shall have the image of a service ready, as far as it can. Only failover policies do this.
    Pull {
        /// Which service.
        service: ServiceId,
        /// Where.
        node: NodeId,
    },
    /// A service exists or has another specification.
    Service(ServiceId),
    /// The update status of a service changed; `None` is no update.
    UpdateStatus(ServiceId, Option<Box<UpdateStatus>>),
    /// The record of a service is deleted; its tasks follow as they stop.
    RemoveService(ServiceId),
}

/// Where [`crate::Manager`] puts what it decides; the caller owns, drains and reuses it.
pub type Commands = Vec<Command>;
