//! The tables: nodes, services and tasks, the only writes to them, and the journal of those writes.
//!
//! Every write is appended to the journal; the components of [`crate::Manager`] read it in order, each reacting to what
//! concerns it, as SwarmKit's goroutines react to the events of its store. A commit ends each transaction.

#[cfg(feature = "snapshot")]
pub(crate) mod snapshot;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::event::{Command, Commands};
use crate::id::{IdMap, IdVec, NodeId, Row, ServiceId, Slot, TaskId};
use crate::orchestrator::jobs::Agenda;
use crate::orchestrator::replicated::Census;
use crate::slots::Slots;
use crate::spec::{Availability, GenericResource, NodeSpec, NodeState, ServiceSpec};
use crate::task::{DesiredState, Details, Task, TaskState};
use crate::time::Time;
use crate::work::{self, Work};

/// A node as the manager knows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Node {
    /// What the operator and the engine declared, with the node's current state. Shared with the caller until it changes.
    pub spec: Arc<NodeSpec>,
    /// When it joined.
    pub created: Time,
    /// Whether the node was removed from the cluster, or did not join it so far.
    pub removed: bool,
}

fn is_invalid(node: &Node) -> bool {
    node.removed || node.spec.state == NodeState::Down || node.spec.availability == Availability::Drain
}

/// How far a rolling update is (SwarmKit `api/types.proto`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
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
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct UpdateStatus {
    /// How far.
    pub state: UpdateState,
    /// In Swarm's words. A task is named by its [`Cluster::task_name`].
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
    /// The first version of those up to the current one that have equal tasks, and the newest version that ever was.
    alike_since: u64,
    newest: u64,
    /// The specification before, if a rollback can return to it.
    pub previous: Option<(Arc<ServiceSpec>, u64)>,
    /// For jobs, counts the updates: every one runs the job again.
    pub iteration: u32,
    /// When a job was last told to run.
    pub executed: Time,
    /// The rolling update, if one was ever begun since the last API update.
    pub update_status: Option<UpdateStatus>,
    /// Records of its tasks by slot.
    pub slots: Slots,
    /// Whether the operator removed it; tasks may still be stopping.
    pub removed: bool,
    /// Whether it was taken over with its tasks and is not acted upon yet.
    pub dormant: bool,
    /// Of a job: what its orchestrator has to look at.
    agenda: Agenda,
    /// Of a replicated service, if records of it are being deleted: what its orchestrator has to look at.
    census: Option<Box<Census>>,
}

impl Service {
    /// Records of all its tasks, slot by slot.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.slots.iter().flat_map(|(_, tasks)| tasks)
    }

    /// Of a job: how many records may still change what is done. Records of tasks that ended are kept for ever, but are
    /// looked at once more at most.
    #[cfg(feature = "conformance")]
    pub fn open_tasks(&self) -> usize {
        self.agenda.len()
    }

    /// Versions whose tasks are equal to those of the current one; there may be others.
    pub(crate) fn alike(&self) -> RangeInclusive<u64> {
        self.alike_since..=self.version
    }

    /// The version is another one than `before`. After a rollback, versions in between may have been anything.
    fn compare(&mut self, before: u64, spec: &ServiceSpec) {
        let is_next = before == self.newest && self.newest < self.version;
        if !(is_next && self.spec.has_same_tasks(spec)) {
            self.alike_since = self.version;
        }
        self.newest = self.newest.max(self.version);
    }
}

/// A row of the table of tasks.
#[derive(Clone, Debug)]
enum TaskRow {
    /// The generation that its next task is of.
    Free(u32),
    Taken(Task),
}

const _: () = assert!(size_of::<TaskRow>() == 80, "there is one for every task");

impl TaskRow {
    fn generation(&self) -> u32 {
        match self {
            TaskRow::Free(generation) => *generation,
            TaskRow::Taken(task) => task.generation,
        }
    }
}

fn lives(tasks: &[TaskRow], id: TaskId) -> bool {
    matches!(&tasks[id.row()], TaskRow::Taken(task) if task.generation == id.generation)
}

/// A write that components react to, in the order of the writes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Change {
    NodeCreated(NodeId),
    NodeUpdated(NodeId),
    NodeRemoved(NodeId),
    ServiceCreated(ServiceId),
    ServiceUpdated(ServiceId),
    ServiceRemoved(ServiceId),
    TaskCreated(TaskId),
    /// A spare has the slot of another task now.
    TaskPromoted(TaskId),
    /// With the states right after the write: later writes may already have happened.
    TaskUpdated {
        task: TaskId,
        desired: DesiredState,
        state: TaskState,
    },
    /// The scheduler gave tasks their nodes, as many as there were. It has counted them, it chose nodes that can keep them,
    /// and nobody waits for a task to be assigned: so there is no change for each.
    TasksAssigned,
    /// All tasks of a service that wait with one specification were told why they find no node now.
    TasksExplained(ServiceId),
    TaskDeleted {
        task: TaskId,
        service: ServiceId,
        slot: Slot,
        desired: DesiredState,
    },
    /// The end of a transaction.
    Commit,
    /// A delayed start with nothing to wait for begins after the transaction that asked for it.
    Start(TaskId, u64),
    /// A delayed start is over, whether it started its task or was cancelled.
    DelayOver(TaskId),
}

/// Who writes an observed state, and whether the time of the write counts as the time of the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Writer {
    /// An agent's report, passed on by the dispatcher.
    Agent,
    /// The manager itself.
    Manager,
    /// A component of the manager that leaves the time of the last report in place, as SwarmKit's constraint enforcer
    /// and its orphan timer do. History and restart windows go by that time.
    Untimed,
}

/// Something that waits for time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Timer {
    /// The scheduler's debounce is over.
    Schedule(u64),
    /// The reaper's batch is complete.
    Reap(u64),
    /// A restart delay is over.
    Delay(TaskId, u64),
    /// The old task had its minute to stop.
    OldTask(TaskId, u64),
    /// A worker of a rolling update had its pause.
    Worker(ServiceId, u64, usize),
    /// A rolling update was monitored for long enough.
    Monitor(ServiceId, u64),
    /// A node was down for a day.
    Orphan(NodeId, u64),
    /// A failover policy, by its number, waits for something, by a number of its own.
    Failover(u32, u64),
}

/// Tasks on a node, in order of assignment. A long list may still have tasks that are gone, but not more than others: so
/// a deletion costs the same however many there are.
#[derive(Clone, Debug)]
struct Residents {
    list: Vec<TaskId>,
    gone: usize,
}

impl Residents {
    /// A list up to this is searched.
    const SHORT: usize = 64;

    fn remove(&mut self, id: TaskId, lives: impl Fn(TaskId) -> bool) {
        if self.list.len() <= Residents::SHORT {
            let place = self.list.iter().position(|other| *other == id).expect("a short list has all and no others");
            work::count_many(Work::Place, place + 1);
            self.list.remove(place);
            return;
        }
        self.gone += 1;
        if self.gone * 2 > self.list.len() {
            self.purge(lives);
        }
    }

    /// Keeps only what `stays`, which must be nothing that is gone.
    fn purge(&mut self, stays: impl Fn(TaskId) -> bool) {
        work::count_many(Work::Place, self.list.len());
        self.list.retain(|id| stays(*id));
        self.gone = 0;
    }
}

/// Why tasks of one specification that wait find no node.
#[derive(Clone, Debug)]
struct Explanation {
    text: Arc<str>,
    /// When it changed last.
    at: Time,
    /// How many tasks were told.
    tasks: u32,
}

/// All that the manager knows.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    nodes: IdVec<NodeId, Node>,
    on_nodes: IdVec<NodeId, Residents>,
    /// Nodes that cannot keep tasks, see [`Cluster::is_invalid`].
    invalid: IdVec<NodeId, bool>,
    /// Nodes in the order of their changes, of which the first ones are forgotten, and how many those are.
    node_log: VecDeque<NodeId>,
    node_log_begin: u64,
    services: IdMap<ServiceId, Service>,
    /// Services that were removed and may have no task left.
    leaving: Vec<ServiceId>,
    /// Services that were not removed, by name; those of them that publish ports.
    names: BTreeSet<(String, ServiceId)>,
    publishers: BTreeSet<ServiceId>,
    tasks: Vec<TaskRow>,
    free_rows: Vec<u32>,
    /// By service and version: what its tasks have in common is not written into each.
    explanations: BTreeMap<(ServiceId, u64), Explanation>,
    next_sequence: u64,
    next_version: u64,
    now: Time,
    journal: VecDeque<Change>,
    uncommitted: bool,
    timers: BinaryHeap<Reverse<(Time, u64, Timer)>>,
    /// [`Timer::Schedule`], which every commit sets anew: only the last one counts.
    debounce: Option<(Time, u64, Timer)>,
    /// Services that have another version since somebody asked, or were removed.
    pub(crate) renewed: Vec<ServiceId>,
    next_timer: u64,
    pub(crate) commands: Commands,
}

// Reads.
impl Cluster {
    /// Every node that ever joined or is expected, removed ones included.
    pub fn nodes(&self) -> &IdVec<NodeId, Node> {
        &self.nodes
    }

    /// Every service that is there, and those that were removed and still have records of tasks.
    pub fn services(&self) -> &IdMap<ServiceId, Service> {
        &self.services
    }

    /// A task's record, unless it was deleted.
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        match self.tasks.get(id.row())? {
            TaskRow::Taken(task) if task.generation == id.generation => Some(task),
            _ => None,
        }
    }

    /// Why a task is not further: why it finds no node, or how its container ended.
    pub fn error<'a>(&'a self, task: &'a Task) -> Option<&'a Arc<str>> {
        match self.explanation(task) {
            Some(explanation) => Some(&explanation.text),
            None => task.own_error(),
        }
    }

    /// The version whose tasks have their error in common with a task, if it has it in common with any: it finds no node.
    /// Changes of such an error are told by [`Command::Explain`] only.
    pub fn shares_error(&self, task: &Task) -> Option<u64> {
        task.is_explained.then_some(task.version)
    }

    /// When the observed state of a task was reported or written, or the reason changed for which it finds no node
    /// (SwarmKit `AppliedAt`, else `Timestamp`).
    pub fn since(&self, task: &Task) -> Time {
        self.explanation(task).map_or(task.since, |explanation| explanation.at.max(task.since))
    }

    /// When a task came to its observed state: by its agent's clock, where that said so ([`crate::Event::TaskChanged`];
    /// SwarmKit `Timestamp`), or else by [`Cluster::since`]. Nothing is decided by it.
    pub fn changed(&self, task: &Task) -> Time {
        let told = task.details.as_ref().and_then(|details| details.changed);
        told.unwrap_or_else(|| self.since(task))
    }

    fn explanation(&self, task: &Task) -> Option<&Explanation> {
        if task.is_explained { self.explanations.get(&(task.service, task.version)) } else { None }
    }

    /// Every task record, in order of rows.
    pub fn tasks(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        self.tasks.iter().enumerate().filter_map(|(row, entry)| match entry {
            TaskRow::Taken(task) => Some((TaskId { row: row as u32, generation: task.generation }, task)),
            TaskRow::Free(_) => None,
        })
    }

    /// `service.slot#instance`, or `service.node#instance` for tasks of global services.
    pub fn task_name(&self, id: TaskId) -> String {
        let Some(task) = self.task(id) else { return format!("{id:?}") };
        let service = &self.services[task.service].spec.name;
        match task.slot {
            Slot::Number(number) => format!("{service}.{number}#{}", task.instance),
            Slot::Node(node) => format!("{service}.{}#{}", self.nodes[node].spec.id, task.instance),
            Slot::Spare(number) => format!("{service}.spare{number}#{}", task.instance),
        }
    }

    /// Records of tasks on a node, in order of assignment.
    pub fn tasks_on(&self, node: NodeId) -> impl Iterator<Item = TaskId> + '_ {
        let list = self.on_nodes.get(node).map_or(&[][..], |residents| residents.list.as_slice());
        list.iter().copied().filter(|id| lives(&self.tasks, *id))
    }

    /// Whether a node cannot keep tasks (SwarmKit `InvalidNode`): gone, down or drained. Paused and unknown nodes can.
    pub(crate) fn is_invalid(&self, node: NodeId) -> bool {
        self.invalid[node]
    }

    /// The node of an id, unless it was removed.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id).filter(|node| !node.removed)
    }

    /// The service of an id, unless it was removed or is still dormant.
    pub fn service(&self, id: ServiceId) -> Option<&Service> {
        self.services.get(id).filter(|service| !service.removed && !service.dormant)
    }

    /// Services of a name that were not removed: one, unless the API was passed by.
    pub fn services_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = ServiceId> + 'a {
        let first = (name.to_owned(), ServiceId::from_index(0));
        self.names.range(first..).take_while(move |(other, _)| other == name).map(|(_, id)| *id)
    }

    /// Services with published ports, in order of creation.
    pub(crate) fn publishers(&self) -> impl Iterator<Item = ServiceId> + '_ {
        self.publishers.iter().copied()
    }

    /// How often a node has changed.
    pub(crate) fn node_changes(&self) -> u64 {
        self.node_log_begin + self.node_log.len() as u64
    }

    /// The nodes that changed after so many changes; nothing if that is too long ago to be known.
    pub(crate) fn nodes_changed_since(&self, seen: u64) -> Option<impl Iterator<Item = NodeId> + '_> {
        let first = usize::try_from(seen.checked_sub(self.node_log_begin)?).ok()?;
        Some(self.node_log.range(first.min(self.node_log.len())..).copied())
    }

    pub(crate) fn now(&self) -> Time {
        self.now
    }
}

// Writes. Each is one entry of the journal.
impl Cluster {
    /// A clock that steps back stands still until it is where it was.
    pub(crate) fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    /// Ends a transaction, if anything was written.
    pub(crate) fn commit(&mut self) {
        if std::mem::take(&mut self.uncommitted) {
            self.journal.push_back(Change::Commit);
        }
    }

    /// Whether there are writes that the components have not seen.
    pub(crate) fn has_changes(&self) -> bool {
        !self.journal.is_empty()
    }

    pub(crate) fn next_change(&mut self) -> Option<Change> {
        self.journal.pop_front()
    }

    /// Queues something that is not a write and shall happen after the writes so far.
    pub(crate) fn later(&mut self, change: Change) {
        self.journal.push_back(change);
    }

    fn record(&mut self, change: Change) {
        self.uncommitted = true;
        if let Change::NodeCreated(node) | Change::NodeUpdated(node) | Change::NodeRemoved(node) = change {
            self.node_log.push_back(node);
            if self.node_log.len() > 64 + self.nodes.len() {
                self.node_log.pop_front();
                self.node_log_begin += 1;
            }
        }
        self.journal.push_back(change);
    }

    pub(crate) fn add_node(&mut self, spec: Arc<NodeSpec>) -> NodeId {
        let node = Node { spec, created: self.now, removed: false };
        self.invalid.push(is_invalid(&node));
        // Two cache lines; a longer list is as long as the node ever had tasks.
        self.on_nodes.push(Residents { list: Vec::with_capacity(16), gone: 0 });
        let id = self.nodes.push(node);
        self.record(Change::NodeCreated(id));
        id
    }

    /// The record of a node that is not there becomes that of one that joins.
    pub(crate) fn join_node(&mut self, id: NodeId, spec: Arc<NodeSpec>) {
        self.nodes[id] = Node { spec, created: self.now, removed: false };
        self.invalid[id] = is_invalid(&self.nodes[id]);
        self.record(Change::NodeCreated(id));
    }

    pub(crate) fn update_node(&mut self, id: NodeId, change: impl FnOnce(&mut NodeSpec)) {
        change(Arc::make_mut(&mut self.nodes[id].spec));
        self.invalid[id] = is_invalid(&self.nodes[id]);
        self.record(Change::NodeUpdated(id));
    }

    pub(crate) fn remove_node(&mut self, id: NodeId) {
        self.nodes[id].removed = true;
        self.invalid[id] = true;
        self.record(Change::NodeRemoved(id));
    }

    pub(crate) fn add_service(&mut self, spec: ServiceSpec) -> Option<ServiceId> {
        let id = self.add_dormant_service(spec)?;
        self.wake_service(id);
        Some(id)
    }

    /// A service that nobody acts upon until [`Cluster::wake_service`]. Nothing if four thousand million were there before.
    pub(crate) fn add_dormant_service(&mut self, spec: ServiceSpec) -> Option<ServiceId> {
        let id = self.services.next_id()?;
        let service = Service {
            spec: Arc::new(spec),
            version: 0,
            alike_since: 0,
            newest: 0,
            previous: None,
            iteration: 0,
            executed: self.now,
            update_status: None,
            slots: Slots::default(),
            removed: false,
            dormant: true,
            agenda: Agenda::default(),
            census: None,
        };
        let name = service.spec.name.clone();
        self.services.insert(id, service);
        self.names.insert((name, id));
        self.note_ports(id);
        Some(id)
    }

    fn note_ports(&mut self, id: ServiceId) {
        let service = &self.services[id];
        if !service.removed && service.spec.endpoint.ports.iter().any(|port| port.published != 0) {
            self.publishers.insert(id);
        } else {
            self.publishers.remove(&id);
        }
    }

    pub(crate) fn wake_service(&mut self, id: ServiceId) {
        self.services[id].dormant = false;
        self.commands.push(Command::Service(id));
        self.record(Change::ServiceCreated(id));
    }

    /// The agenda of a job, for its orchestrator, who puts it back before it writes.
    pub(crate) fn take_agenda(&mut self, id: ServiceId) -> Agenda {
        std::mem::take(&mut self.services[id].agenda)
    }

    /// See [`Cluster::take_agenda`].
    pub(crate) fn put_agenda(&mut self, id: ServiceId, agenda: Agenda) {
        self.services[id].agenda = agenda;
    }

    /// The census of a replicated service, if there is one, for its orchestrator, who puts it back before it writes.
    pub(crate) fn take_census(&mut self, id: ServiceId) -> Option<Box<Census>> {
        self.services.get_mut(id)?.census.take()
    }

    /// See [`Cluster::take_census`].
    pub(crate) fn put_census(&mut self, id: ServiceId, census: Box<Census>) {
        self.services[id].census = Some(census);
    }

    /// A slot has other tasks, or other tasks in it are wanted.
    pub(crate) fn note_slot(&mut self, id: ServiceId, slot: Slot) {
        let service = &mut self.services[id];
        if let Some(census) = &mut service.census
            && !matches!(slot, Slot::Spare(_))
            && !census.note(slot, service.slots.numbered())
        {
            service.census = None;
        }
    }

    /// A version number that no specification had before.
    pub(crate) fn new_version(&mut self) -> u64 {
        self.next_version += 1;
        self.next_version
    }

    pub(crate) fn update_service(&mut self, id: ServiceId, change: impl FnOnce(&mut Service)) {
        let service = &mut self.services[id];
        let (version, spec, status) = (service.version, service.spec.clone(), service.update_status.clone());
        change(service);
        if service.version != version {
            service.compare(version, &spec);
            service.census = None;
            self.renewed.push(id);
            self.commands.push(Command::Service(id));
        }
        if service.update_status != status {
            self.commands.push(Command::UpdateStatus(id, service.update_status.clone().map(Box::new)));
        }
        self.note_ports(id);
        self.record(Change::ServiceUpdated(id));
    }

    pub(crate) fn remove_service(&mut self, id: ServiceId) {
        let service = &mut self.services[id];
        service.removed = true;
        self.renewed.push(id);
        self.names.remove(&(service.spec.name.clone(), id));
        self.note_ports(id);
        self.commands.push(Command::RemoveService(id));
        self.record(Change::ServiceRemoved(id));
        self.leaving.push(id);
    }

    /// A service that was removed and has no record of a task any more: its row is free. To be asked when nobody has a
    /// change left to see.
    pub(crate) fn free_service(&mut self) -> Option<ServiceId> {
        while let Some(id) = self.leaving.pop() {
            if self.services.get(id).is_some_and(|service| service.removed && service.slots.is_empty()) {
                self.services.remove(id);
                return Some(id);
            }
        }
        None
    }

    /// A new task of the service's current specification (SwarmKit `manager/orchestrator/task.go`, `NewTask`).
    pub(crate) fn add_task(&mut self, service: ServiceId, slot: Slot, desired: DesiredState) -> TaskId {
        let node = if let Slot::Node(node) = slot { Some(node) } else { None };
        self.add_task_on(service, slot, desired, node)
    }

    /// The same for a task that has its node already: the scheduler only asks whether it fits there.
    pub(crate) fn add_task_on(
        &mut self,
        service: ServiceId,
        slot: Slot,
        desired: DesiredState,
        node: Option<NodeId>,
    ) -> TaskId {
        let row = self.free_rows.pop().unwrap_or_else(|| {
            self.tasks.push(TaskRow::Free(0));
            (self.tasks.len() - 1) as u32
        });
        let owner = &mut self.services[service];
        let generation = self.tasks[row as usize].generation();
        let id = TaskId { row, generation };
        let instance = owner.slots.push(slot, id);
        self.next_sequence += 1;
        if owner.spec.mode.is_job() {
            owner.agenda.add((slot, self.next_sequence), id);
        }
        let task = Task {
            service,
            slot,
            instance,
            spec: owner.spec.clone(),
            version: owner.version,
            iteration: owner.iteration,
            node,
            desired,
            state: TaskState::New,
            since: self.now,
            created: self.now,
            sequence: self.next_sequence,
            generation,
            is_explained: false,
            details: None,
        };
        if let Some(node) = task.node {
            self.on_nodes[node].list.push(id);
        }
        self.tasks[row as usize] = TaskRow::Taken(task);
        self.note_slot(service, slot);
        self.commands.push(Command::Create { task: id, service, slot, desired });
        self.record(Change::TaskCreated(id));
        id
    }

    fn task_mut(&mut self, id: TaskId) -> &mut Task {
        match &mut self.tasks[id.row()] {
            TaskRow::Taken(task) if task.generation == id.generation => task,
            _ => panic!("{id:?} is deleted"),
        }
    }

    /// Raises the desired state. A lower one is ignored: time travel is not allowed.
    pub(crate) fn set_desired(&mut self, id: TaskId, desired: DesiredState) {
        let task = self.task_mut(id);
        if task.desired >= desired {
            return;
        }
        task.desired = desired;
        let (node, state, service, slot) = (task.node, task.state, task.service, task.slot);
        self.put_on_agenda(id);
        self.note_slot(service, slot);
        self.commands.push(Command::Desired { task: id, node, desired });
        self.record(Change::TaskUpdated { task: id, desired, state });
    }

    /// Tells a task that waits why it finds no node: what all of its version are told, see [`Cluster::explain_all`].
    pub(crate) fn explain(&mut self, id: TaskId, text: &Arc<str>) {
        let now = self.now;
        let TaskRow::Taken(task) = &mut self.tasks[id.row()] else { return };
        let is_waiting = task.state == TaskState::Pending && task.node.is_none();
        if task.generation != id.generation || !is_waiting || task.is_explained {
            return;
        }
        task.set_error(None);
        (task.is_explained, task.since) = (true, now);
        let (service, version, desired) = (task.service, task.version, task.desired);
        let commands = &mut self.commands;
        let explanation = self.explanations.entry((service, version)).or_insert_with(|| {
            commands.push(Command::Explain { service, version, text: text.clone() });
            Explanation { text: text.clone(), at: now, tasks: 0 }
        });
        explanation.tasks += 1;
        self.commands.push(Command::State { task: id, state: TaskState::Pending });
        self.record(Change::TaskUpdated { task: id, desired, state: TaskState::Pending });
    }

    /// Tasks that were told why they find no node are told this from here on, if it is news.
    pub(crate) fn explain_all(&mut self, (service, version): (ServiceId, u64), text: &Arc<str>) {
        let now = self.now;
        let known = self.explanations.get_mut(&(service, version));
        if let Some(explanation) = known.filter(|explanation| explanation.text != *text) {
            (explanation.text, explanation.at) = (text.clone(), now);
            self.commands.push(Command::Explain { service, version, text: text.clone() });
            self.record(Change::TasksExplained(service));
        }
    }

    /// A task keeps its explanation whatever the others are told.
    pub(crate) fn keep_error(&mut self, id: TaskId) {
        let Some(task) = self.task(id).filter(|task| task.is_explained) else { return };
        let (error, since, state) = (self.error(task).cloned(), self.since(task), task.state);
        self.forget_explanation(id);
        let task = self.task_mut(id);
        task.set_error(error);
        task.since = since;
        self.commands.push(Command::State { task: id, state });
    }

    /// A task has another error now, or none.
    fn forget_explanation(&mut self, id: TaskId) {
        let task = self.task_mut(id);
        if std::mem::take(&mut task.is_explained) {
            let key = (task.service, task.version);
            let explanation = self.explanations.get_mut(&key).expect("it was told");
            explanation.tasks -= 1;
            if explanation.tasks == 0 {
                self.explanations.remove(&key);
            }
        }
    }

    /// If a task is one of a job, the job's orchestrator looks at its record again.
    fn put_on_agenda(&mut self, id: TaskId) {
        let task = self.task_mut(id);
        if task.spec.mode.is_job() {
            let (service, slot, sequence) = (task.service, task.slot, task.sequence);
            self.services[service].agenda.write((slot, sequence));
        }
    }

    /// Writes an observed state.
    pub(crate) fn set_state(&mut self, id: TaskId, state: TaskState, error: Option<Arc<str>>, writer: Writer) {
        let now = self.now;
        let since = match writer {
            Writer::Untimed => self.since(self.task(id).expect("a deleted task has no state")),
            Writer::Agent | Writer::Manager => now,
        };
        self.forget_explanation(id);
        let task = self.task_mut(id);
        debug_assert!(task.state <= state, "observed states only rise");
        task.state = state;
        task.set_error(error);
        if let Some(details) = &mut task.details {
            details.changed = None;
        }
        task.since = since;
        let desired = task.desired;
        if state > TaskState::Running {
            self.put_on_agenda(id);
        }
        if writer != Writer::Agent {
            self.commands.push(Command::State { task: id, state });
        }
        self.record(Change::TaskUpdated { task: id, desired, state });
    }

    /// Writes when an agent says that a task came to its state, which was just written. Nobody reacts to it.
    pub(crate) fn set_changed(&mut self, id: TaskId, at: Time) {
        let details = &mut self.task_mut(id).details;
        details.get_or_insert_default().changed = Some(at);
    }

    /// Writes down which generic units a task holds on its node, if that is not what its record says. Nobody is told.
    pub(crate) fn set_units(&mut self, id: TaskId, generic: Vec<GenericResource>) {
        let task = self.task_mut(id);
        if task.generic() != generic {
            task.details.get_or_insert_default().generic = generic;
        }
    }

    /// Gives a task its node. Only the scheduler does, or someone who writes more of the task at once.
    pub(crate) fn assign(&mut self, id: TaskId, node: NodeId, generic: Vec<GenericResource>) {
        let now = self.now;
        self.forget_explanation(id);
        let task = self.task_mut(id);
        let preassigned = task.node.is_some();
        task.node = Some(node);
        task.details = (!generic.is_empty()).then(|| Box::new(Details { generic, ..Details::default() }));
        task.state = TaskState::Assigned;
        task.since = now;
        if !preassigned {
            self.on_nodes[node].list.push(id);
        }
        self.commands.push(Command::Assign { task: id, node });
        if self.journal.back() != Some(&Change::TasksAssigned) {
            self.record(Change::TasksAssigned);
        }
    }

    /// A task that waits for one node may go anywhere. Only the scheduler does this.
    pub(crate) fn unbind(&mut self, id: TaskId) {
        if let Some(node) = self.task_mut(id).node.take() {
            let tasks = &self.tasks;
            self.on_nodes[node].purge(|other| other != id && lives(tasks, other));
        }
    }

    /// A spare takes a slot.
    pub(crate) fn promote(&mut self, id: TaskId, slot: Slot) {
        let task = self.task_mut(id);
        let (service, before) = (task.service, std::mem::replace(&mut task.slot, slot));
        let slots = &mut self.services[service].slots;
        slots.remove(before, id);
        let instance = slots.push(slot, id);
        self.task_mut(id).instance = instance;
        self.note_slot(service, slot);
        self.commands.push(Command::Promote { task: id, slot });
        self.record(Change::TaskPromoted(id));
    }

    pub(crate) fn delete_task(&mut self, id: TaskId) {
        self.forget_explanation(id);
        let row = &mut self.tasks[id.row()];
        let free = TaskRow::Free(id.generation.wrapping_add(1));
        let TaskRow::Taken(task) = std::mem::replace(row, free) else { panic!("{id:?} never was") };
        self.free_rows.push(id.row);
        let owner = &mut self.services[task.service];
        owner.slots.remove(task.slot, id);
        owner.agenda.remove((task.slot, task.sequence));
        if owner.removed && self.leaving.last() != Some(&task.service) {
            self.leaving.push(task.service);
        }
        if let Some(node) = task.node {
            let tasks = &self.tasks;
            self.on_nodes[node].remove(id, |other| lives(tasks, other));
        }
        self.note_slot(task.service, task.slot);
        self.commands.push(Command::Remove { task: id, node: task.node });
        self.record(Change::TaskDeleted { task: id, service: task.service, slot: task.slot, desired: task.desired });
    }
}

// Timers.
impl Cluster {
    pub(crate) fn wake(&mut self, at: Time, timer: Timer) {
        self.next_timer += 1;
        let timer = (at, self.next_timer, timer);
        match timer.2 {
            Timer::Schedule(_) => self.debounce = Some(timer),
            _ => self.timers.push(Reverse(timer)),
        }
    }

    /// Nothing waits for time any more.
    pub(crate) fn forget_timers(&mut self) {
        self.timers.clear();
    }

    pub(crate) fn next_timer_at(&self) -> Option<Time> {
        let timer = self.timers.peek().map(|Reverse((at, _, _))| *at);
        let debounce = self.debounce.map(|(at, _, _)| at);
        timer.into_iter().chain(debounce).min()
    }

    /// The next timer that is due, in order of time, equal times in order of setting.
    pub(crate) fn due_timer(&mut self) -> Option<Timer> {
        if self.next_timer_at()? > self.now {
            return None;
        }
        match (self.debounce, self.timers.peek()) {
            (Some(debounce), timer) if timer.is_none_or(|Reverse(timer)| debounce < *timer) => {
                self.debounce = None;
                Some(debounce.2)
            }
            _ => self.timers.pop().map(|Reverse((_, _, timer))| timer),
        }
    }
}
