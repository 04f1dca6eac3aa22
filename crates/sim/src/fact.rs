//! What happens in a run, in the order in which it happens.
//!
//! Models and the manager append facts to one stream, [`Context::tell`]; the world takes them one after
//! the other and gives each to the control room, to the fabric and to the [observers](crate::metrics). Who acts upon a
//! fact appends what follows from it. So nothing is passed on by hand, and whoever wants to know what happens subscribes
//! to the stream. Tasks, jobs and nodes are rows; a fact says all that its readers need, or names the record that does.

use std::collections::VecDeque;
use std::sync::Arc;

use sched::cluster::{UpdateState, UpdateStatus};
use sched::spec::ServiceSpec;
use sched::{DesiredState, ServiceId, Slot, Span, TaskState, Time};

use crate::engine::Queue;

/// A task, counted in order of creation in the run: the name by which everybody but the manager knows it. It is never
/// given out again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TaskNo(pub u32);

impl TaskNo {
    /// The row in a table of all tasks of the run.
    pub fn row(self) -> usize {
        self.0 as usize
    }
}

/// Number of an arrival, in order of arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct JobNo(pub u32);

impl JobNo {
    /// As an index.
    pub fn row(self) -> usize {
        self.0 as usize
    }
}

/// Why a task is not further, or how it ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Reason {
    /// There is nothing to say.
    None,
    /// What the task itself says.
    Own(Arc<str>),
    /// The task finds no node, for the reason that [`Fact::TasksExplained`] said last of this version of its service.
    Shared {
        /// The version.
        version: u64,
    },
}

/// Something that happened. `usize` is the row of a node in the scenario, unless it says otherwise.
#[derive(Clone, PartialEq, Debug)]
pub enum Fact {
    // What the manager wrote.
    /// A service exists, or has another specification.
    Service {
        /// Which; services are counted in order of creation.
        service: ServiceId,
        /// What it is now.
        spec: Arc<ServiceSpec>,
        /// Running tasks that it needs to be of use, if it says so.
        quorum: Option<u64>,
    },
    /// A service is removed; its tasks follow as they stop.
    ServiceRemoved(ServiceId),
    /// The update status of a service changed; `None` is no update.
    UpdateStatus(ServiceId, Option<Box<UpdateStatus>>),
    /// A task exists. Tasks are created in order of their numbers.
    TaskCreated {
        /// Which.
        task: TaskNo,
        /// Its service.
        service: ServiceId,
        /// What it stands for.
        slot: Slot,
        /// What is wanted of it.
        desired: DesiredState,
    },
    /// A task has its node.
    TaskAssigned(TaskNo, usize),
    /// A spare has a slot of its service from now on.
    TaskPromoted(TaskNo, Slot),
    /// The agent of a node shall have an image ready, for nobody in particular.
    ImageOrdered(usize, Arc<str>),
    /// The manager wants something else of a task; if it has a node, its agent is told.
    TaskWanted(TaskNo, DesiredState),
    /// The manager's record of a task says this now, which may be nothing new.
    TaskRecord {
        /// Which.
        task: TaskNo,
        /// What is observed.
        state: TaskState,
        /// What is wanted.
        desired: DesiredState,
        /// Why it is not further, or how it ended.
        reason: Reason,
    },
    /// All tasks of a version of a service that found no node wait for this reason from here on, see [`Reason::Shared`].
    TasksExplained {
        /// The service.
        service: ServiceId,
        /// The version of its specification.
        version: u64,
        /// Why no node is suitable.
        text: Arc<str>,
    },
    /// The record of a task is deleted: its agent removes the container whatever it does.
    TaskRemoved(TaskNo),
    /// Whether the manager may give tasks to a node: it is ready and active.
    NodeEligible(usize, bool),
    /// The leader marks a node down.
    NodeDetected(usize),
    /// An agent has a session with the leader (again).
    NodeRegistered(usize),
    /// A node is in the cluster from now on, or is not.
    NodeMember(usize, bool),
    /// The record of a node is deleted.
    NodeRemoved(usize),
    /// A machine that left joins again: what it was stays in the list of nodes as a ghost, or is removed from it.
    Ghost(usize, bool),

    // Who leads.
    /// A majority of the managers is there from now on, or is not.
    Majority(bool),
    /// The leader does not reach a majority any more, and can decide nothing.
    LeaderStalled,
    /// The leader reaches a majority again before it stepped down.
    LeaderResumed,
    /// There is no leader any more.
    LeaderLost,
    /// The manager on this node leads.
    LeaderElected(usize),

    // Machines and their networks.
    /// A machine lost power or got it.
    Power {
        /// Which.
        node: usize,
        /// Whether it has power now.
        up: bool,
    },
    /// An engine was stopped to be started anew.
    EngineRestarted(usize),
    /// The agent of a node is gone for now, though its machine has power and its network is whole: its engine was stopped.
    AgentGone(usize),
    /// A node left the swarm. The managers were not told.
    NodeLeft(usize),
    /// An engine that was stopped is started, or that of a node outside of the swarm is up.
    AgentBack(usize),
    /// The networks of these nodes broke or are repaired, wholly or in part.
    LinksChanged(Arc<[usize]>),
    /// A node and the leader do not reach each other any more, or in one direction only, as said here.
    Unreachable(usize, NetworkFault),
    /// A node and the leader reach each other again.
    Reachable(usize),
    /// The failure of a unit is announced. Plans and units are rows of the scenario.
    FailureNoticed {
        /// Of which plan.
        plan: u32,
        /// Which of its units.
        unit: u32,
    },
    /// A unit that had failed is repaired.
    FailureRepaired {
        /// Of which plan.
        plan: u32,
        /// Which of its units.
        unit: u32,
    },

    // What agents do.
    /// A task needs its image on a node.
    ImageWanted(TaskNo, usize),
    /// A task does not need its image on a node any more.
    ImageUnwanted(TaskNo, usize),
    /// All layers of the image of a task are on its node.
    ImageReady(TaskNo),
    /// The image of a task cannot be had, and why.
    ImageFailed(TaskNo, Arc<str>),
    /// A container is created.
    Prepared(TaskNo),
    /// A container runs (and is healthy, if it is asked): it serves.
    Started(TaskNo),
    /// A container is taken out of service, to be stopped.
    Leaving(TaskNo),
    /// A container that ran does not run any more.
    Ended(TaskNo),
    /// The call of an agent that registers (again) arrives.
    AgentCalled(usize),
    /// A report of an agent arrives.
    Reported {
        /// Whose.
        task: TaskNo,
        /// When its agent noted it.
        at: Time,
        /// How far it is.
        state: TaskState,
        /// What went wrong.
        error: Option<Arc<str>>,
    },

    // Addresses.
    /// A task has its addresses: it may be scheduled.
    Allocated(TaskNo),
    /// The node of a task is attached to the task's networks.
    Attached(TaskNo),

    // Gossip and requests.
    /// A node heard that a task serves, or that it does not any more.
    NewsHeard {
        /// Which task.
        task: TaskNo,
        /// Whether it serves.
        serves: bool,
        /// Who heard it.
        node: usize,
    },
    /// A piece of news reached every node, after so many rounds and this time.
    NewsSpread(u32, Span),
    /// A request was answered after this time.
    RequestServed(Span),
    /// A request was sent where nobody answers.
    RequestFailed,
    /// The service of a plan of requests shall have so many replicas.
    ReplicasWanted {
        /// Row of the plan.
        plan: u32,
        /// How many.
        replicas: u64,
    },

    // Jobs and services that arrive.
    /// A job or service arrived, in this row of the scenario's arrivals.
    JobArrived(JobNo, u32),
    /// A job was turned away: its queue was full.
    JobLost(JobNo),
    /// What arrived is to be created.
    JobDue(JobNo),
    /// A container of what arrived runs on this node, the first or another.
    JobStarted(JobNo, Option<usize>),
    /// What arrived is over, and to be removed.
    JobOver(JobNo),
    /// What arrived is removed.
    JobDone(JobNo),

    // Nodes that come and go.
    /// Docker refused a join, in its words.
    JoinRefused(usize, &'static str),
    /// The leader wrote a record for a node that joins.
    NodeCreated(usize),
    /// A node that joined becomes a member of Raft.
    ManagerJoined(usize),
    /// The agent of a node that joined registers.
    NodeCertified(usize),
    /// An autoscaler ordered a machine.
    MachineOrdered(usize),
    /// A machine that was ordered is there: it shall join.
    MachineProvisioned(usize),
    /// A machine is not needed: it shall be drained.
    MachineUnneeded(usize),
    /// Nothing is left on a machine that was drained: it shall be removed.
    MachineEmpty(usize),

    // The run itself.
    /// Something for people, for marks in plots.
    Note(Box<Note>),
    /// An interval of the series is over; the registry has sent so many bytes since the start.
    Sampled(u64),

    // What came later: digests count the kinds above.
    /// The manager on this node stopped with its keys locked up: it is not back before somebody unlocks it.
    ManagerLocked(usize),
    /// What arrived lost its patience before it ran.
    JobAbandoned(JobNo),
    /// A machine has so much to do that calls of its agent take too long to be answered in time, or not any more.
    Overloaded(u32, bool),
}

/// How Docker's API writes the state of an update (moby `daemon/cluster/convert/service.go`).
pub fn update_word(state: UpdateState) -> &'static str {
    match state {
        UpdateState::Updating => "updating",
        UpdateState::Paused => "paused",
        UpdateState::Completed => "completed",
        UpdateState::RollbackStarted => "rollback_started",
        UpdateState::RollbackPaused => "rollback_paused",
        UpdateState::RollbackCompleted => "rollback_completed",
    }
}

const _: () = assert!(size_of::<Fact>() <= 32, "there are a dozen of them for every task");

/// Something that happened to the cluster, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// `down`, `up`, `script`, ...
    pub kind: &'static str,
    /// `rack=r1 down (5 nodes)`.
    pub label: String,
}

/// How the network of a node is broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NetworkFault {
    /// The network carries nothing any more.
    Isolated,
    /// What the node sends does not arrive.
    TxLost,
    /// What is sent to the node does not arrive.
    RxLost,
    /// Nodes that are split off together reach each other, but not the rest.
    Partitioned,
}

/// What a model is handed: the time, the events to come, and the stream of facts.
#[derive(Clone, Debug)]
pub struct Context<E> {
    queue: Queue<E>,
    facts: VecDeque<Fact>,
}

impl<E> Context<E> {
    /// Nothing is to come and nothing has happened.
    pub fn new() -> Self {
        Context { queue: Queue::new(), facts: VecDeque::new() }
    }

    /// The time of the event that is being handled.
    #[inline]
    pub fn now(&self) -> Time {
        self.queue.now()
    }

    /// Schedules an event; see [`Queue::at`].
    #[inline]
    pub fn at(&mut self, at: Time, event: impl Into<E>) {
        self.queue.at(at, event);
    }

    /// Schedules an event `span` from now.
    #[inline]
    pub fn after(&mut self, span: Span, event: impl Into<E>) {
        self.queue.after(span, event);
    }

    /// The next event; from here on it is its time.
    #[inline]
    pub fn pop(&mut self) -> Option<(Time, E)> {
        self.queue.pop()
    }

    /// When the next event is due.
    pub fn next_at(&self) -> Option<Time> {
        self.queue.next_at()
    }

    /// Number of events to come.
    pub fn pending(&self) -> usize {
        self.queue.len()
    }

    /// Something happened now.
    #[inline]
    pub fn tell(&mut self, fact: Fact) {
        self.facts.push_back(fact);
    }

    /// Something happened that people may want to see in plots.
    pub fn note(&mut self, kind: &'static str, label: impl Into<String>) {
        self.tell(Fact::Note(Box::new(Note { kind, label: label.into() })));
    }

    /// The first of the facts that nobody has taken yet.
    #[inline]
    pub fn take_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    /// All facts that nobody has taken yet.
    #[cfg(test)]
    pub fn take_facts(&mut self) -> Vec<Fact> {
        self.facts.drain(..).collect()
    }
}

impl<E> Default for Context<E> {
    fn default() -> Self {
        Context::new()
    }
}
