//! WHERE tasks run: waiting tasks in, assignments and explanations out (SwarmKit `manager/scheduler`).
//!
//! Tasks wait until a pass. A pass comes 50 ms after the last change of anything, or when changes have not ceased for a
//! second. It first confirms tasks that are bound to a node, then places the others, one group of equal tasks at a time.

mod board;
mod counts;
mod filter;
mod key_tree;
mod layout;
mod ledger;
mod pass_order;
mod ranking;
mod sleepers;
#[cfg(feature = "snapshot")]
pub(crate) mod snapshot;
pub mod strategy;
mod waiting;
pub(crate) mod why;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::{Change, Cluster, Timer, Writer};
use crate::id::{NodeId, Row, ServiceId, Slot, TaskId};
use crate::spec::{GenericResource, ServiceSpec};
use crate::task::{DesiredState, Task, TaskState};
use crate::time::{Span, Time};
use crate::work::{self, Work};

use board::Scratch;
pub(crate) use board::mix;
pub use board::{Board, Room};
use filter::{Refusals, Requirement};
pub use layout::TieBreak;
pub(crate) use layout::value as label_value;
use ledger::{Depth, Group, Held, Ledger};
use pass_order::{PassOrder, PassPosition, Standing};
pub use ranking::Candidate;
use ranking::Rankings;
use sleepers::{RefusalClass, Sleepers};
use strategy::Strategy;
use waiting::{Waiting, is_active};
use why::Followed;

/// SwarmKit `maxLatency`.
const DEBOUNCE_MAX: Span = Span::from_secs(1);

/// What the scheduler remembers of a task. The task's own record may be gone before the scheduler hears of it.
#[derive(Clone, Copy, Debug)]
struct TaskEntry {
    generation: u32,
    /// Number of its group; nothing if it is [`TaskStage::Unknown`].
    group: u32,
    /// Where it is, if it is bound or placed.
    node: NodeId,
    stage: TaskStage,
    /// Whether it is in the node's active counts.
    active: bool,
    /// Whether it was bound to the node from the start: its failures are not remembered.
    was_bound: bool,
}

const _: () = assert!(size_of::<TaskEntry>() == 16);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TaskStage {
    Unknown,
    /// In the waiting list of its group.
    Waiting,
    /// The task was in that list, and the journal has its end further on.
    Ending,
    /// Bound to a node that has not taken it yet.
    Bound,
    /// Holds something on its node.
    Placed,
}

/// A group that has tasks, and those of them that wait.
#[derive(Clone, Debug)]
struct GroupEntry {
    group: Group,
    /// Tasks that wait or hold something.
    users: u32,
    waiting: Waiting,
    /// Why its tasks found no place when it was asked last.
    last_refusals: Option<Refusals>,
    /// Whether it is among the [`Sleepers`].
    sleeps: bool,
}

impl GroupEntry {
    /// What decides when a pass asks it, if tasks of it wait.
    fn standing(&self, number: u32, ties: TieBreak) -> Option<Standing> {
        let oldest = self.waiting.first()?;
        Some(match ties {
            TieBreak::LowestId => (oldest, 0, number),
            TieBreak::Seeded => (self.group.service.index() as u64, self.group.version, number),
        })
    }

    /// Where it is among the sleepers: with all that are refused by the same nodes for the same reasons.
    fn sleeping_place(&self, number: u32, ties: TieBreak) -> (RefusalClass, Standing) {
        let scope = Rankings::of_refusals(number as usize, &self.group);
        let standing = self.standing(number, ties).expect("who sleeps has tasks");
        ((scope, self.last_refusals.expect("who sleeps was told")), standing)
    }
}

/// Bytes of images that nodes lack, by image and row of the node; what nobody reported is everything.
pub(crate) type Images = BTreeMap<Arc<str>, Vec<u64>>;

/// What is missing of an image of which nothing is known.
const EVERYTHING: u64 = u64::MAX;

/// Places tasks. It learns of the cluster by the journal only.
#[derive(Clone)]
pub(crate) struct Scheduler {
    strategy: Box<dyn Strategy>,
    /// How long a pass waits for further changes.
    debounce: Span,
    ties: (TieBreak, u64),
    ledger: Ledger,
    rankings: Rankings,
    images: Images,
    /// By row of the task.
    entries: Vec<TaskEntry>,
    /// Generic units of the tasks that have any.
    units: BTreeMap<TaskId, Vec<GenericResource>>,
    groups: Vec<Option<GroupEntry>>,
    free_groups: Vec<u32>,
    group_numbers: BTreeMap<(ServiceId, u64), u32>,
    /// Groups with waiting tasks that are looked at by every pass, in no order; and the others.
    groups_awake: Vec<u32>,
    sleepers: Sleepers,
    bound: Bound,
    /// Whether anything happened that could give a waiting task its place.
    required: bool,
    /// Since when a pass is due, if one is.
    debouncing: Option<Time>,
    generation: u64,
    scratch: Scratch,
    /// The last explanation: many groups find no place for the same reasons.
    explanation_cache: Option<(Refusals, Arc<str>)>,
    /// Room for the order of the groups of a pass.
    pass_order: Vec<PassPosition>,
    /// A task whose placement is to be explained.
    followed: Option<Followed>,
}

/// Tasks that are bound to nodes which have not taken them yet.
#[derive(Clone, Default, Debug)]
struct Bound {
    /// To be tried by the next pass, with the numbers of their creation.
    fresh: Vec<(u64, TaskId)>,
    /// Refused by their node; they are tried again when it changes.
    refused: BTreeMap<NodeId, Vec<(u64, TaskId)>>,
    /// How far the log was read for such changes.
    seen: u64,
}

impl Scheduler {
    pub(crate) fn new(strategy: Box<dyn Strategy>, ties: TieBreak, seed: u64, debounce: Span) -> Scheduler {
        Scheduler {
            strategy,
            debounce,
            ties: (ties, seed),
            ledger: Ledger::default(),
            rankings: Rankings::new(ties, seed),
            images: Images::default(),
            entries: Vec::new(),
            units: BTreeMap::new(),
            groups: Vec::new(),
            free_groups: Vec::new(),
            group_numbers: BTreeMap::new(),
            groups_awake: Vec::new(),
            sleepers: Sleepers::default(),
            bound: Bound::default(),
            required: false,
            debouncing: None,
            generation: 0,
            scratch: Scratch::default(),
            explanation_cache: None,
            pass_order: Vec::new(),
            followed: None,
        }
    }

    /// The scheduler of another leader, to which the agents report the same images. Who asks about a task goes on asking.
    pub(crate) fn succeed(&mut self, successor: Scheduler) {
        let (images, followed) = (std::mem::take(&mut self.images), self.followed.take());
        *self = Scheduler { images, followed, ..successor };
    }

    /// An agent reports what is missing of an image.
    pub(crate) fn note_missing(&mut self, node: NodeId, image: &Arc<str>, bytes: u64) {
        let nodes = self.images.entry(Arc::clone(image)).or_default();
        nodes.resize(nodes.len().max(node.index() + 1), EVERYTHING);
        nodes[node.index()] = bytes;
    }

    pub(crate) fn strategy(&self) -> &dyn Strategy {
        &*self.strategy
    }

    pub(crate) fn strategy_mut(&mut self) -> &mut dyn Strategy {
        &mut *self.strategy
    }

    /// Remembers a failure that happened before this scheduler began.
    #[cfg(feature = "conformance")]
    pub(crate) fn recall_failure(&mut self, service: ServiceId, version: u64, node: NodeId, at: Time) {
        self.ledger.fail(service, version, node, at);
    }

    /// A service is gone with all its tasks.
    pub(crate) fn forget_service(&mut self, service: ServiceId) {
        self.ledger.forget_service(service);
    }

    pub(crate) fn observe(&mut self, cluster: &mut Cluster, change: Change) {
        match change {
            Change::TaskCreated(task) => self.task_changed(cluster, task, TaskState::New),
            Change::TaskUpdated { task, state, .. } => self.task_changed(cluster, task, state),
            Change::TaskDeleted { task, .. } => match self.stage(task) {
                TaskStage::Unknown => {}
                TaskStage::Placed => {
                    self.release(cluster, task);
                    self.required = true;
                }
                TaskStage::Waiting | TaskStage::Ending | TaskStage::Bound => self.stop_waiting(task),
            },
            Change::NodeCreated(node) => {
                if node.index() < self.ledger.len() {
                    self.ledger.rejoin(node);
                    self.measure(cluster, node);
                    self.rankings.node_updated(cluster, node);
                } else {
                    self.ledger.add_node(&cluster.nodes()[node].spec);
                }
                self.rankings.node_joined();
                self.required = true;
            }
            Change::NodeUpdated(node) => {
                self.measure(cluster, node);
                self.rankings.node_updated(cluster, node);
                self.required = true;
            }
            Change::NodeRemoved(node) => {
                self.ledger.remove_node(node);
                self.rankings.node_removed();
            }
            Change::TasksExplained(_) => self.required = true,
            Change::Commit => self.commit(cluster),
            _ => {}
        }
    }

    fn stage(&self, id: TaskId) -> TaskStage {
        match self.entries.get(id.row()) {
            Some(entry) if entry.generation == id.generation => entry.stage,
            _ => TaskStage::Unknown,
        }
    }

    fn task_changed(&mut self, cluster: &mut Cluster, id: TaskId, reported: TaskState) {
        let Some(task) = cluster.task(id) else { return };
        if task.state < TaskState::Pending {
            return;
        }
        let stage = self.stage(id);
        if reported > TaskState::Running {
            match stage {
                TaskStage::Unknown => {}
                TaskStage::Waiting | TaskStage::Ending | TaskStage::Bound => {
                    self.stop_waiting(id);
                    self.required = true;
                }
                TaskStage::Placed => {
                    let entry = self.entries[id.row()];
                    if matches!(reported, TaskState::Failed | TaskState::Rejected) && !entry.was_bound {
                        let group = &self.member(entry.group).group;
                        let (service, version) = (group.service, group.version);
                        self.ledger.fail(service, version, entry.node, cluster.now());
                    }
                    self.release(cluster, id);
                    self.required = true;
                }
            }
        } else if task.state > TaskState::Running {
            // The journal has the end of this task further on.
        } else if task.node.is_none() {
            if stage == TaskStage::Unknown {
                self.start_waiting(task, id);
            }
            self.required = true;
        } else if task.state == TaskState::Pending {
            if stage == TaskStage::Unknown {
                self.enter(task, id, TaskStage::Bound);
                self.bound.fresh.push((task.sequence, id));
            }
        } else if stage == TaskStage::Placed {
            // The active counts keep in step with the desired state.
            let entry = &mut self.entries[id.row()];
            let active = is_active(task);
            if entry.active != active {
                entry.active = active;
                let (group, node) = (entry.group, entry.node);
                let service = self.member(group).group.service;
                self.ledger.count(service, node, active);
            }
        } else {
            let number = self.enter(task, id, TaskStage::Placed);
            let group = &self.groups[number as usize].as_ref().expect("just entered").group;
            // It was there before the scheduler was: it claims anew, whatever its record said (SwarmKit `NodeInfo.addTask`).
            let units = self.ledger.add(group, self.entries[id.row()].node, is_active(task));
            keep_units(&mut self.units, id, &units);
            cluster.set_units(id, units);
        }
    }

    fn member(&self, number: u32) -> &GroupEntry {
        self.groups[number as usize].as_ref().expect("a task has it")
    }

    fn member_mut(&mut self, number: u32) -> &mut GroupEntry {
        self.groups[number as usize].as_mut().expect("a task has it")
    }

    /// Begins to remember a task; the answer is the number of its group.
    fn enter(&mut self, task: &Task, id: TaskId, stage: TaskStage) -> u32 {
        let number = self.group(task.service, task.version, &task.spec);
        self.member_mut(number).users += 1;
        let unknown = TaskEntry {
            generation: 0,
            group: 0,
            node: NodeId::from_index(0),
            stage: TaskStage::Unknown,
            active: false,
            was_bound: false,
        };
        if self.entries.len() <= id.row() {
            self.entries.resize(id.row() + 1, unknown);
        }
        self.entries[id.row()] = TaskEntry {
            generation: id.generation,
            group: number,
            node: task.node.unwrap_or(unknown.node),
            stage,
            active: is_active(task),
            was_bound: matches!(task.slot, Slot::Node(_)),
        };
        number
    }

    /// The number of a group.
    fn group(&mut self, service: ServiceId, version: u64, spec: &Arc<ServiceSpec>) -> u32 {
        if let Some(number) = self.group_numbers.get(&(service, version)) {
            return *number;
        }
        let requirement = self.rankings.requirement(Requirement::of(spec));
        let layout = self.rankings.layout(layout::levels(&spec.task.placement.preferences));
        let member = GroupEntry {
            group: Group::new(service, version, spec.clone(), requirement, layout),
            users: 0,
            waiting: Waiting::default(),
            last_refusals: None,
            sleeps: false,
        };
        let number = self.free_groups.pop().unwrap_or_else(|| {
            self.groups.push(None);
            (self.groups.len() - 1) as u32
        });
        self.groups[number as usize] = Some(member);
        self.group_numbers.insert((service, version), number);
        number
    }

    /// A task of a group is forgotten.
    fn leave(&mut self, number: u32) {
        let member = self.member_mut(number);
        member.users -= 1;
        if member.users == 0 {
            // Nobody is there any more who was told.
            member.last_refusals = None;
        }
        self.disband(number);
    }

    /// Forgets a group without tasks.
    fn disband(&mut self, number: u32) {
        let member = self.member(number);
        if member.users == 0 && member.waiting.is_empty() {
            let member = self.groups[number as usize].take().expect("it was there");
            self.rankings.release(number as usize, &member.group);
            self.group_numbers.remove(&(member.group.service, member.group.version));
            self.free_groups.push(number);
        }
    }

    fn start_waiting(&mut self, task: &Task, id: TaskId) {
        let number = self.enter(task, id, TaskStage::Waiting);
        let member = self.member_mut(number);
        let was_empty = member.waiting.is_empty();
        member.waiting.push(task.sequence, id);
        if was_empty {
            self.groups_awake.push(number);
        }
        self.wake_up(number);
    }

    /// A group is looked at by the next pass.
    fn wake_up(&mut self, number: u32) {
        let ties = self.ties.0;
        let member = self.member_mut(number);
        if std::mem::take(&mut member.sleeps) {
            let (class, standing) = member.sleeping_place(number, ties);
            self.sleepers.remove(&class, standing);
            self.groups_awake.push(number);
        }
    }

    /// A group whose service has another version by now, or is gone, is told so.
    fn wake_renewed(&mut self, cluster: &mut Cluster) {
        for service in cluster.renewed.drain(..) {
            let numbers = self.group_numbers.range((service, 0)..=(service, u64::MAX));
            for number in numbers.map(|(_, number)| *number).collect::<Vec<_>>() {
                self.wake_up(number);
            }
        }
    }

    /// A task that waits, or is bound to a node that has not taken it, ended. Lists that name it find out later.
    fn stop_waiting(&mut self, id: TaskId) {
        let entry = &mut self.entries[id.row()];
        let (stage, number, node) = (entry.stage, entry.group, entry.node);
        entry.stage = TaskStage::Unknown;
        if stage == TaskStage::Waiting {
            self.wake_up(number);
            self.member_mut(number).waiting.end_one();
        } else if stage == TaskStage::Ending {
            // It is in no list.
        } else if let Some(refused) = self.bound.refused.get_mut(&node) {
            refused.retain(|(_, other)| *other != id);
            if refused.is_empty() {
                self.bound.refused.remove(&node);
            }
        }
        self.leave(number);
    }

    /// Gives back what a task held on its node.
    fn release(&mut self, cluster: &Cluster, id: TaskId) {
        let entry = &mut self.entries[id.row()];
        entry.stage = TaskStage::Unknown;
        let entry = *entry;
        let units = if self.units.is_empty() { None } else { self.units.remove(&id) };
        let group = &self.groups[entry.group as usize].as_ref().expect("a task has it").group;
        let spec = &cluster.nodes()[entry.node].spec;
        self.ledger.remove(group, entry.node, entry.active, units.as_deref().unwrap_or_default(), spec);
        self.leave(entry.group);
    }

    /// Takes over the totals that a node reports now, less what its tasks hold.
    fn measure(&mut self, cluster: &Cluster, node: NodeId) {
        let record = &cluster.nodes()[node];
        let held = cluster.tasks_on(node).filter_map(|id| {
            let entry = self.entries.get(id.row())?;
            let is_held = entry.generation == id.generation && entry.stage == TaskStage::Placed;
            let group = &self.groups[entry.group as usize].as_ref().filter(|_| is_held)?.group;
            Some((&group.spec.task.reservations, self.units.get(&id).map_or(&[][..], Vec::as_slice)))
        });
        self.ledger.update_node(node, &record.spec, held);
    }

    fn commit(&mut self, cluster: &mut Cluster) {
        let now = cluster.now();
        match self.debouncing {
            Some(since) if now.since(since) > DEBOUNCE_MAX => {
                self.debouncing = None;
                self.generation += 1;
                self.pass(cluster);
            }
            Some(_) => self.arm(cluster),
            None => {
                self.debouncing = Some(now);
                self.arm(cluster);
            }
        }
    }

    fn arm(&mut self, cluster: &mut Cluster) {
        self.generation += 1;
        let at = cluster.now() + self.debounce;
        cluster.wake(at, Timer::Schedule(self.generation));
    }

    pub(crate) fn wake(&mut self, cluster: &mut Cluster, timer: Timer) {
        if timer == Timer::Schedule(self.generation) && self.debouncing.is_some() {
            self.debouncing = None;
            self.pass(cluster);
        }
    }

    /// One pass. Its own writes end in a commit and so cause one more pass, which changes nothing.
    fn pass(&mut self, cluster: &mut Cluster) {
        let is_behind = cluster.has_changes();
        self.ledger.forget_failures(cluster.now());
        self.confirm_bound(cluster);
        if std::mem::take(&mut self.required) {
            self.place_waiting(cluster, is_behind);
        }
        cluster.commit();
    }

    /// Tasks that are bound to a node are checked against that node only, and again only if it changed.
    fn confirm_bound(&mut self, cluster: &mut Cluster) {
        let Bound { fresh, refused, seen } = &mut self.bound;
        if !refused.is_empty() {
            match self.ledger.log.since(*seen) {
                Some(changed) => fresh.extend(changed.filter_map(|node| refused.remove(&node)).flatten()),
                None => fresh.extend(std::mem::take(refused).into_values().flatten()),
            }
        }
        self.bound.seen = self.ledger.log.end();
        let mut fresh = std::mem::take(&mut self.bound.fresh);
        fresh.sort_unstable();
        for (sequence, id) in fresh.drain(..) {
            if self.stage(id) != TaskStage::Bound {
                continue;
            }
            let entry = self.entries[id.row()];
            let number = entry.group as usize;
            let Some(task) = cluster.task(id).filter(|task| task.state == TaskState::Pending) else {
                self.stop_waiting(id);
                continue;
            };
            let active = is_active(task);
            // A replacement would best go there, and may go elsewhere.
            let is_choosy = !matches!(task.slot, Slot::Number(_));
            let group = &self.groups[number].as_ref().expect("a task has it").group;
            if cluster.node(entry.node).is_some() {
                let verdict = self.rankings.verdict(cluster, group, entry.node);
                match self.ledger.refusal(group, entry.node, verdict, Depth::All) {
                    None => {
                        if self.followed.is_some() {
                            self.write_down_bound(cluster, id, entry.group, entry.node);
                        }
                        let group = &self.groups[number].as_ref().expect("a task has it").group;
                        let units = self.ledger.add(group, entry.node, active);
                        self.entries[id.row()] = TaskEntry { stage: TaskStage::Placed, active, ..entry };
                        keep_units(&mut self.units, id, &units);
                        cluster.assign(id, entry.node, units);
                        continue;
                    }
                    Some(filter) if is_choosy => {
                        let mut refusals = Refusals::default();
                        refusals.add(filter);
                        explain_bound(cluster, id, &refusals.to_string().into());
                    }
                    Some(_) => {}
                }
            }
            if is_choosy {
                self.bound.refused.entry(entry.node).or_default().push((sequence, id));
            } else {
                self.unbind(cluster, id, entry.group);
            }
        }
        self.bound.fresh = fresh;
    }

    /// A task that was bound to a node waits with the others of its group.
    fn unbind(&mut self, cluster: &mut Cluster, id: TaskId, group: u32) {
        cluster.unbind(id);
        if let Some(task) = cluster.task(id) {
            self.start_waiting(task, id);
        }
        self.leave(group);
        self.required = true;
    }

    /// Places every waiting task for which there is a place, group by group in the order of this pass.
    ///
    /// Groups that sleep are asked through one of them: as long as no node takes its tasks, for the reasons that all were
    /// told, nothing changes for any of them. Tasks that are placed may change the reasons, so then they are asked again.
    ///
    /// A pass that `is_behind` comes while the journal still holds writes, by which tasks may have ended.
    fn place_waiting(&mut self, cluster: &mut Cluster, is_behind: bool) {
        self.wake_renewed(cluster);
        let mut pass_order = std::mem::take(&mut self.pass_order);
        let mut groups_awake = std::mem::take(&mut self.groups_awake);
        let order = PassOrder::new(self.ties, cluster.now().as_nanos(), cluster.services().next_row());
        for number in &groups_awake {
            pass_order.extend(self.prepare(cluster, *number, is_behind).map(|standing| order.position(standing)));
        }
        pass_order.sort_unstable_by(|one, other| other.cmp(one));
        self.sleepers.begin(order);
        let mut last = None;
        loop {
            let next = pass_order.last().copied();
            match self.sleepers.next_before(next, last, self.ledger.log.end()) {
                Some((class, position)) => {
                    last = Some(position);
                    if self.refusals(cluster, position.2) == Some(class.1) {
                        self.sleepers.let_sleep();
                        continue;
                    }
                    self.wake_up(position.2);
                    groups_awake.extend(self.groups_awake.pop());
                    // Its first tasks may have ended just now: then its position is later.
                    let own = self.prepare(cluster, position.2, is_behind).map(|standing| order.position(standing));
                    match own {
                        Some(own) if own == position => self.place_group(cluster, own.2),
                        Some(own) => {
                            let place = pass_order.partition_point(|other| *other > own);
                            pass_order.insert(place, own);
                        }
                        None => {}
                    }
                }
                None => {
                    let Some(position) = pass_order.pop() else { break };
                    last = Some(position);
                    self.place_group(cluster, position.2);
                }
            }
        }
        groups_awake.retain(|number| {
            self.groups[*number as usize].as_ref().is_some_and(|group| !group.waiting.is_empty() && !group.sleeps)
        });
        self.groups_awake = groups_awake;
        self.pass_order = pass_order;
    }

    /// Makes the list of a group good; the answer is what decides when the pass asks it, if it has tasks that wait.
    fn prepare(&mut self, cluster: &Cluster, number: u32, is_behind: bool) -> Option<Standing> {
        let member = self.groups[number as usize].as_mut().expect("it waits");
        if is_behind {
            member.waiting.purge(cluster, |id| {
                let entry = &mut self.entries[id.row()];
                if entry.generation == id.generation && entry.stage == TaskStage::Waiting {
                    entry.stage = TaskStage::Ending;
                }
            });
        }
        member.waiting.prepare(cluster);
        let standing = member.standing(number, self.ties.0);
        if standing.is_none() {
            self.disband(number);
        }
        standing
    }

    /// How often each filter refuses a node to a group, if none takes its tasks.
    fn refusals(&mut self, cluster: &Cluster, number: u32) -> Option<Refusals> {
        let member = self.groups[number as usize].as_ref().expect("it has tasks that wait");
        let group = (number as usize, &member.group);
        work::count(Work::Group);
        let mut board =
            Board::new(cluster, &mut self.ledger, &mut self.rankings, group, self.ties, 0, &mut self.scratch);
        board.refusals_if_none_fits()
    }

    fn place_group(&mut self, cluster: &mut Cluster, number: u32) {
        let copy = self.copy_to_ask(number);
        let member = self.groups[number as usize].as_mut().expect("it waits");
        work::count(Work::Group);
        let mut tasks = std::mem::take(&mut member.waiting);
        let sequence = tasks.first().expect("it waits");
        let group = (number as usize, &member.group);
        let mut board =
            Board::new(cluster, &mut self.ledger, &mut self.rankings, group, self.ties, sequence, &mut self.scratch);
        // A group that found no place before is given to the strategy only when there is one.
        let mut refusals = if member.last_refusals.is_some() { board.refusals_if_none_fits() } else { None };
        if refusals.is_none() {
            board.begin(&tasks);
            if !self.images.is_empty() {
                board.know_images(&self.images);
            }
            self.strategy.place(&mut board);
            if board.waiting() > 0 {
                refusals = Some(board.refusals());
            }
        }
        if let Some(copy) = copy {
            let placements = self.scratch.placements.clone();
            self.write_down(copy, cluster, number, &placements);
        }
        let mut units = self.scratch.units.drain(..).peekable();
        for (index, (node, active)) in self.scratch.placements.iter().enumerate() {
            let id = tasks.pop(cluster).expect("it was placed");
            let entry = &mut self.entries[id.row()];
            (entry.stage, entry.node, entry.active) = (TaskStage::Placed, *node, *active);
            let units = units.next_if(|(number, _)| *number == index).map_or(Vec::new(), |(_, units)| units);
            keep_units(&mut self.units, id, &units);
            cluster.assign(id, *node, units);
        }
        drop(units);
        match refusals {
            Some(refusals) => self.leave_waiting(cluster, number, tasks, refusals),
            None => {
                tasks.shrink();
                let member = self.member_mut(number);
                member.waiting = tasks;
                member.last_refusals = None;
            }
        }
    }

    /// SwarmKit `noSuitableNode`. A task whose service has a newer version is forgotten until something else touches it
    /// (moby#53722): that is how a pending task gets lost by a harmless update.
    ///
    /// All tasks of a group that wait have one explanation: when it changes, that is written once.
    fn leave_waiting(&mut self, cluster: &mut Cluster, number: u32, mut tasks: Waiting, refusals: Refusals) {
        let member = self.groups[number as usize].as_mut().expect("it waits");
        let service = cluster.service(member.group.service);
        let is_current = service.is_some_and(|service| service.version <= member.group.version);
        if !is_current {
            let is_updated = service.is_some();
            while let Some(id) = tasks.pop(cluster) {
                self.entries[id.row()].stage = TaskStage::Unknown;
                cluster.keep_error(id);
                let is_over = |task: &Task| task.desired >= DesiredState::Shutdown;
                if is_updated && cluster.task(id).is_some_and(is_over) {
                    cluster.set_state(id, TaskState::Shutdown, None, Writer::Manager);
                }
                self.leave(number);
            }
            return;
        }
        if self.explanation_cache.as_ref().is_none_or(|(known, _)| *known != refusals) {
            let text = refusals.to_string();
            let text = if text.is_empty() { "no suitable node".into() } else { format!("no suitable node ({text})") };
            self.explanation_cache = Some((refusals, text.into()));
        }
        let (_, text) = self.explanation_cache.clone().expect("just written");
        cluster.explain_all((member.group.service, member.group.version), &text);
        for id in tasks.take_untold() {
            cluster.explain(id, &text);
        }
        member.last_refusals = Some(refusals);
        member.waiting = tasks;
        if member.group.is_plain() {
            member.sleeps = true;
            let (class, standing) = member.sleeping_place(number, self.ties.0);
            self.sleepers.insert(class, standing);
        }
    }

    /// What a node has left.
    pub(crate) fn free(&self, node: NodeId) -> Room<'_> {
        let (nano_cpus, memory) = self.ledger.free(node);
        Room { nano_cpus, memory, generic: self.ledger.generic(node) }
    }

    /// Active tasks on a node.
    pub(crate) fn active(&self, node: NodeId) -> u32 {
        self.ledger.active(node)
    }

    /// Active tasks of a service on a node.
    pub(crate) fn active_of(&self, service: ServiceId, node: NodeId) -> u32 {
        self.ledger.counts(service).get(node)
    }

    /// Whether one more task of a service fits on a node.
    pub(crate) fn fits(&self, cluster: &Cluster, service: ServiceId, node: NodeId) -> bool {
        let Some((group, requirement)) = as_group(cluster, service) else { return false };
        node.index() < self.ledger.len() && self.takes(cluster, &group, &requirement, node)
    }

    /// Services with tasks for which the last pass found no node, and how many.
    pub(crate) fn waiting(&self) -> Vec<(ServiceId, u32)> {
        let members = self.groups.iter().flatten();
        let waiting = members.filter(|member| member.last_refusals.is_some() && !member.waiting.is_empty());
        let mut waiting: Vec<_> = waiting.map(|member| (member.group.service, member.waiting.len() as u32)).collect();
        waiting.sort_unstable();
        waiting
    }

    /// Whether one more task of a service would fit on a node if a task there went. Generic units, host ports and the
    /// limit per node count as if it stayed.
    pub(crate) fn fits_without(&self, cluster: &Cluster, service: ServiceId, node: NodeId, gone: TaskId) -> bool {
        let Some((group, requirement)) = as_group(cluster, service) else { return false };
        let Some(task) = cluster.task(gone).filter(|task| task.node == Some(node)) else { return false };
        let verdict = requirement.refusal(&cluster.nodes()[node].spec);
        if node.index() >= self.ledger.len() || self.ledger.is_removed(node) || verdict.is_some() {
            return false;
        }
        match self.ledger.refusal(&group, node, None, Depth::All) {
            None => true,
            Some(filter::Filter::Resource) if self.stage(gone) == TaskStage::Placed => {
                let (nano_cpus, memory) = self.ledger.free(node);
                let (wants, gives) = (&group.spec.task.reservations, &task.spec.task.reservations);
                let is_enough = |free: i64, gives: i64, wants: i64| wants <= free.saturating_add(gives);
                let has_limits = group.spec.task.placement.max_replicas > 0 || !group.spec.endpoint.ports.is_empty();
                let is_plain = wants.generic.is_empty() && !has_limits;
                is_plain
                    && is_enough(nano_cpus, gives.nano_cpus, wants.nano_cpus)
                    && is_enough(memory, gives.memory, wants.memory)
            }
            Some(_) => false,
        }
    }

    /// All nodes on which one more task of a service fits, in Swarm's order. Nothing is kept: every node is looked at.
    pub(crate) fn all_candidates(&self, cluster: &Cluster, service: ServiceId) -> Vec<NodeId> {
        let Some((group, requirement)) = as_group(cluster, service) else { return Vec::new() };
        let (counts, failures) = (self.ledger.counts(service), self.ledger.failures(service, group.version));
        let nodes = (0..self.ledger.len()).map(NodeId::from_index);
        let mut nodes: Vec<NodeId> = nodes.filter(|node| self.takes(cluster, &group, &requirement, *node)).collect();
        let (ties, seed) = self.ties;
        nodes.sort_by_cached_key(|node| {
            let failures = failures.map_or(0, |failures| ledger::that_matter(failures.get(*node)));
            let tie = if ties == TieBreak::Seeded { mix(seed ^ node.index() as u64) } else { 0 };
            (failures, counts.get(*node), self.ledger.active(*node), tie, *node)
        });
        nodes
    }

    fn takes(&self, cluster: &Cluster, group: &Group, requirement: &Requirement, node: NodeId) -> bool {
        let verdict = requirement.refusal(&cluster.nodes()[node].spec);
        !self.ledger.is_removed(node) && self.ledger.refusal(group, node, verdict, Depth::All).is_none()
    }

    /// Recomputes every count and compares: what is free on a node is its total less what its tasks hold.
    pub(crate) fn check(&self, cluster: &Cluster) {
        let placed = self.entries.iter().enumerate().filter(|(_, entry)| entry.stage == TaskStage::Placed);
        let held = placed.map(|(row, entry)| {
            let id = TaskId { row: row as u32, generation: entry.generation };
            let units = self.units.get(&id).map_or(&[][..], Vec::as_slice);
            Held { node: entry.node, group: &self.member(entry.group).group, active: entry.active, units }
        });
        self.ledger.check(cluster, held);
        for (id, task) in cluster.tasks() {
            let counts = task.node.is_some() && (TaskState::Assigned..=TaskState::Running).contains(&task.state);
            assert_eq!(counts, self.stage(id) == TaskStage::Placed, "{id:?} in state {}", task.state);
        }
    }
}

/// A group for the next task of a service, if that is there; it is not interned.
fn as_group(cluster: &Cluster, service: ServiceId) -> Option<(Group, Requirement)> {
    let record = cluster.services().get(service)?;
    let group = Group::new(service, record.version, record.spec.clone(), 0, Rankings::CIRCLE);
    Some((group, Requirement::of(&record.spec)))
}

fn keep_units(kept: &mut BTreeMap<TaskId, Vec<GenericResource>>, id: TaskId, units: &[GenericResource]) {
    if !units.is_empty() {
        kept.insert(id, units.to_vec());
    }
}

/// Why a task is refused by the node to which it is bound, if that is news.
fn explain_bound(cluster: &mut Cluster, id: TaskId, text: &Arc<str>) {
    let pending = cluster.task(id).filter(|task| task.state == TaskState::Pending);
    if pending.is_some_and(|task| cluster.error(task) != Some(text)) {
        cluster.set_state(id, TaskState::Pending, Some(text.clone()), Writer::Manager);
    }
}
