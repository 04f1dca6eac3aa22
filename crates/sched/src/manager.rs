//! The front door: an operator's verbs and the cluster's events in, commands out.

mod leader;
mod remedy;
#[cfg(feature = "snapshot")]
mod snapshot;

use std::sync::Arc;

use crate::api::{self, ApiError, Part, not_found, refuse};
use crate::choice::Choice;
use crate::cluster::{Change, Cluster, Service, Timer, UpdateState, UpdateStatus, Writer};
use crate::event::{Commands, Event};
use crate::failover::{self, Failover};
use crate::id::{NodeId, Row, ServiceId, Slot, TaskId};
use crate::orchestrator::global::Global;
use crate::orchestrator::reaper::Reaper;
use crate::orchestrator::replicated::Replicated;
use crate::orchestrator::{enforcer, jobs, restart, update};
use crate::scheduler::strategy::{STRATEGIES, Strategy};
use crate::scheduler::{Scheduler, TieBreak};
use crate::spec::{Availability, Description, Labels, NodeSpec, NodeState, Role, ServiceSpec};
use crate::task::{DesiredState, TaskState};
use crate::time::{Span, Time};

pub use remedy::{Remedy, Tried};

/// SwarmKit dispatcher `defaultNodeDownPeriod`: tasks of a node that is down for a day are orphans.
const ORPHANED_AFTER: Span = Span::from_secs(24 * 3600);

/// Who moves a task from `New` to `Pending`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Allocation {
    /// The manager itself, at once: there are no networks, or they never run out.
    #[default]
    Instant,
    /// The driver, by [`Event::Allocated`]: until then the task stays `New`.
    External,
}

/// Settings of a manager.
#[derive(Clone, Debug)]
pub struct Config {
    /// The placement strategy: the name of one of [`crate::STRATEGIES`], or the caller's own.
    pub strategy: Choice<dyn Strategy>,
    /// What is done about lost tasks of services that name no policy: the name of one of [`crate::failover::FAILOVERS`],
    /// or the caller's own.
    pub failover: Choice<dyn Failover>,
    /// The caller's own policies that services may name beside those of the list.
    pub failovers: Vec<Choice<dyn Failover>>,
    /// How choices between equals are made.
    pub ties: TieBreak,
    /// Seed of the random choices (seeded ties, `random`).
    pub seed: u64,
    /// Task records kept per slot, the living one included; negative keeps all.
    pub task_history: i64,
    /// Who allocates networks.
    pub allocation: Allocation,
    /// How long the scheduler waits for further changes before a pass (SwarmKit `commitDebounceGap`: 50 ms).
    pub debounce: Span,
}

impl Default for Config {
    /// Swarm's defaults.
    fn default() -> Self {
        Config {
            strategy: "spread".into(),
            failover: "reschedule".into(),
            failovers: Vec::new(),
            ties: TieBreak::default(),
            seed: 0,
            task_history: 5,
            allocation: Allocation::Instant,
            debounce: Span::from_millis(50),
        }
    }
}

/// Decides what should run and where.
///
/// There are three kinds of call. *Verbs* are what an operator wants, named after Docker's commands. [`Manager::handle`]
/// is what the cluster reports. *Reads* ([`Manager::cluster`], [`Manager::deadline`]) change nothing. Every verb and
/// report takes the time and appends to `out` all that it caused, in order; nothing waits inside but what `deadline`
/// announces. When that time comes, report [`Event::Deadline`].
///
/// No call panics, whatever its arguments. A time before that of an earlier call counts as that of the earlier call. What
/// is about a node, service or task that is not there changes nothing and is refused with an [`ApiError`]; sums of
/// resources beyond 64 bits are exact.
///
/// A clone goes on as its original would: the same calls get the same commands.
#[derive(Clone)]
pub struct Manager {
    config: Config,
    /// Changes of the leader so far.
    leaders: u64,
    cluster: Cluster,
    scheduler: Scheduler,
    replicated: Replicated,
    global: Global,
    restarts: restart::Supervisor,
    updates: update::Supervisor,
    failover: failover::Supervisor,
    reaper: Reaper,
    /// By row of the node: counts its failures, to tell a day-old timer from the one that counts.
    downs: Vec<u64>,
}

impl Manager {
    /// A manager of an empty cluster. Fails if the strategy or the failover policy is unknown, and lists the known ones.
    pub fn new(config: Config) -> Result<Manager, String> {
        let strategy = config.strategy.build(STRATEGIES, "strategy", config.seed)?;
        Ok(Manager {
            leaders: 0,
            cluster: Cluster::default(),
            scheduler: Scheduler::new(strategy, config.ties, config.seed, config.debounce),
            replicated: Replicated::default(),
            global: Global::default(),
            restarts: restart::Supervisor::default(),
            updates: update::Supervisor::default(),
            failover: failover::Supervisor::new(&config.failover, &config.failovers, config.seed)?,
            reaper: Reaper::new(config.task_history),
            downs: Vec::new(),
            config,
        })
    }

    /// The scheduler of the present leader, who knows nothing yet.
    fn new_scheduler(&self) -> Scheduler {
        let (config, seed) = (&self.config, self.config.seed.wrapping_add(self.leaders));
        let strategy = config.strategy.build(STRATEGIES, "strategy", seed).expect("it was built before");
        Scheduler::new(strategy, config.ties, seed, config.debounce)
    }

    /// All that the manager knows.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// When [`Event::Deadline`] is due, if anything waits for time.
    pub fn deadline(&self) -> Option<Time> {
        self.cluster.next_timer_at()
    }

    /// `docker swarm update --task-history-limit`: so many task records are kept per slot from the next look on, see
    /// [`Config::task_history`].
    pub fn set_task_history(&mut self, history: i64) {
        self.config.task_history = history;
        self.reaper.keep(history);
    }

    /// Whether the placement strategy wants [`Event::ImageMissing`]. What was reported outlives a change of leader, but is
    /// not in a snapshot: whoever restores a manager reports it again.
    pub fn wants_images(&self) -> bool {
        self.scheduler.strategy().wants_images()
    }

    /// Whether a failover policy wants [`Event::NodesLate`].
    pub fn wants_late_nodes(&self) -> bool {
        self.failover.wants_late()
    }

    /// What the placement strategy and the failover policies remember beside [`Manager::cluster`], for a snapshot.
    pub fn policy_memory(&self) -> (String, failover::Memory) {
        (self.scheduler.strategy().save(), self.failover.save())
    }

    /// Takes over what [`Manager::policy_memory`] gave for the same cluster and configuration. The error says what does
    /// not fit.
    pub fn recall_policies(&mut self, strategy: &str, failover: &failover::Memory) -> Result<(), String> {
        let loaded = self.scheduler.strategy_mut().load(strategy);
        loaded.map_err(|why| format!("state of strategy {}: {why}", self.config.strategy.name()))?;
        self.failover.load(&self.cluster, failover)
    }

    /// Recomputes every redundant number and panics if one is wrong: for tests.
    pub fn check(&self) {
        self.scheduler.check(&self.cluster);
    }
}

// Verbs on nodes.
impl Manager {
    /// A node joins.
    pub fn add_node(&mut self, now: Time, spec: impl Into<Arc<NodeSpec>>, out: &mut Commands) -> NodeId {
        self.cluster.advance(now);
        let spec = spec.into();
        let down = spec.state == NodeState::Down;
        let node = self.cluster.add_node(spec);
        self.downs.push(0);
        if down {
            self.await_orphans(node);
        }
        self.settle(out);
        node
    }

    /// A node that may join later: it has its id from now on, and nothing else.
    pub fn expect_node(&mut self, now: Time, spec: impl Into<Arc<NodeSpec>>, out: &mut Commands) -> NodeId {
        self.cluster.advance(now);
        let node = self.cluster.add_node(spec.into());
        self.cluster.remove_node(node);
        self.downs.push(0);
        self.settle(out);
        node
    }

    /// A node joins that was expected or was removed. It is new to the manager, whatever happened on it before; records of
    /// tasks that ended there stay. Does nothing if the node is there; refuses an id that was never given out.
    pub fn join_node(
        &mut self,
        now: Time,
        node: NodeId,
        spec: impl Into<Arc<NodeSpec>>,
        out: &mut Commands,
    ) -> Result<(), ApiError> {
        self.cluster.advance(now);
        let Some(record) = self.cluster.nodes().get(node) else { return not_found(Part::Node, node) };
        if record.removed {
            let spec = spec.into();
            let down = spec.state == NodeState::Down;
            self.downs[node.index()] += 1;
            self.cluster.join_node(node, spec);
            if down {
                self.await_orphans(node);
            }
            self.settle(out);
        }
        Ok(())
    }

    /// `docker node update --availability`.
    pub fn set_availability(
        &mut self,
        now: Time,
        node: NodeId,
        to: Availability,
        out: &mut Commands,
    ) -> Result<(), ApiError> {
        self.update_node(now, node, out, |spec| spec.availability = to)
    }

    /// Replaces a node's operator labels.
    pub fn set_labels(&mut self, now: Time, node: NodeId, labels: Labels, out: &mut Commands) -> Result<(), ApiError> {
        self.update_node(now, node, out, |spec| spec.labels = labels)
    }

    /// Promotes or demotes a node; the observed role changes at once.
    pub fn set_role(&mut self, now: Time, node: NodeId, role: Role, out: &mut Commands) -> Result<(), ApiError> {
        self.update_node(now, node, out, |spec| spec.role = role)
    }

    /// A node's engine says what it is and has now: totals, generic units, platform, plugins, labels. SwarmKit's dispatcher
    /// writes it when an agent registers (`manager/dispatcher/dispatcher.go`, `markNodeReady`). What the node's tasks hold
    /// is taken off the new totals, and those that it may no longer run are rejected.
    pub fn set_description(
        &mut self,
        now: Time,
        node: NodeId,
        description: Description,
        out: &mut Commands,
    ) -> Result<(), ApiError> {
        self.update_node(now, node, out, |spec| spec.description = Some(description))
    }

    /// `docker node rm --force`, which asks for no state of the node: its tasks become orphans.
    pub fn remove_node(&mut self, now: Time, node: NodeId, out: &mut Commands) -> Result<(), ApiError> {
        self.cluster.advance(now);
        if self.cluster.node(node).is_none() {
            return not_found(Part::Node, node);
        }
        for task in self.cluster.tasks_on(node).collect::<Vec<_>>() {
            if self.cluster.task(task).is_some_and(|task| task.state < TaskState::Complete) {
                self.cluster.set_state(task, TaskState::Orphaned, None, Writer::Manager);
            }
        }
        self.cluster.remove_node(node);
        self.settle(out);
        Ok(())
    }

    fn update_node(
        &mut self,
        now: Time,
        node: NodeId,
        out: &mut Commands,
        change: impl FnOnce(&mut NodeSpec),
    ) -> Result<(), ApiError> {
        self.cluster.advance(now);
        if self.cluster.node(node).is_none() {
            return not_found(Part::Node, node);
        }
        self.cluster.update_node(node, change);
        self.settle(out);
        Ok(())
    }
}

// Verbs on services.
impl Manager {
    /// `docker service create`.
    pub fn create_service(&mut self, now: Time, spec: ServiceSpec, out: &mut Commands) -> Result<ServiceId, ApiError> {
        api::validate(&spec)?;
        self.validate_failover(&spec)?;
        api::validate_among(&self.cluster, None, &spec)?;
        self.create(now, spec, out)
    }

    fn validate_failover(&mut self, spec: &ServiceSpec) -> Result<(), ApiError> {
        self.failover.validate(spec).or_else(|why| refuse(Part::Failover, why))
    }

    /// Creates a service whatever the API would say of it; for the study of what happens then.
    #[cfg(feature = "conformance")]
    pub fn create_unchecked(&mut self, now: Time, spec: ServiceSpec, out: &mut Commands) -> ServiceId {
        self.create(now, spec, out).expect("fewer than 2^32 - 2 services")
    }

    fn create(&mut self, now: Time, spec: ServiceSpec, out: &mut Commands) -> Result<ServiceId, ApiError> {
        self.cluster.advance(now);
        let Some(service) = self.cluster.add_service(spec) else { return no_id_left() };
        self.settle(out);
        Ok(service)
    }

    /// Takes over a service with tasks that run already, `(slot, node)` each, whatever the API would say of it. It is not
    /// acted upon until [`Manager::resume_service`], so that a whole cluster can be taken over first. Refused if a node is
    /// not there, or a slot belongs to another node or kind of service.
    pub fn adopt_service(
        &mut self,
        now: Time,
        spec: ServiceSpec,
        tasks: &[(Slot, NodeId)],
        out: &mut Commands,
    ) -> Result<ServiceId, ApiError> {
        self.cluster.advance(now);
        api::validate_size(&spec)?;
        for (slot, node) in tasks {
            if self.cluster.node(*node).is_none() {
                return not_found(Part::Node, node);
            }
            // A replicated service would replace a task in the slot of a node on that node for ever.
            let is_wrong = match slot {
                Slot::Node(own) => own != node || !spec.mode.is_per_node(),
                Slot::Number(_) => false,
                Slot::Spare(_) => true,
            };
            if is_wrong {
                return refuse(Part::Service, format!("service {} has no slot {slot:?} on node {node}", spec.name));
            }
        }
        let Some(service) = self.cluster.add_dormant_service(spec) else { return no_id_left() };
        for (slot, node) in tasks {
            let task = self.cluster.add_task(service, *slot, DesiredState::Running);
            self.cluster.assign(task, *node, Vec::new());
            self.cluster.set_state(task, TaskState::Running, None, Writer::Manager);
        }
        self.settle(out);
        Ok(service)
    }

    /// Tells the scheduler that a task of this service failed on a node at some time before: memory of an earlier
    /// manager.
    #[cfg(feature = "conformance")]
    pub fn recall_failure(&mut self, service: ServiceId, node: NodeId, at: Time) -> Result<(), ApiError> {
        let version = self.present(service)?.version;
        if self.cluster.node(node).is_none() {
            return not_found(Part::Node, node);
        }
        self.scheduler.recall_failure(service, version, node, at);
        Ok(())
    }

    /// Acts upon a service that was taken over. Does nothing if it is acted upon already.
    pub fn resume_service(&mut self, now: Time, service: ServiceId, out: &mut Commands) -> Result<(), ApiError> {
        self.cluster.advance(now);
        if self.present(service)?.dormant {
            self.cluster.wake_service(service);
            self.settle(out);
        }
        Ok(())
    }

    /// `docker service update` and `docker service scale`.
    ///
    /// SwarmKit has a defect here that is reproduced (moby#53722): every update, even one that changes nothing, gives the
    /// service a new version. A task that is still waiting for a node and is not out of date stays, but if it finds no
    /// node at the next pass either, it is not tried again, and its explanation stays as it was. Only an update that
    /// replaces it, or a scaling that removes it, puts an end to that.
    pub fn update_service(
        &mut self,
        now: Time,
        service: ServiceId,
        spec: ServiceSpec,
        out: &mut Commands,
    ) -> Result<(), ApiError> {
        self.cluster.advance(now);
        api::validate(&spec)?;
        self.validate_failover(&spec)?;
        let current = self.active(service)?;
        if std::mem::discriminant(&spec.mode) != std::mem::discriminant(&current.spec.mode) {
            return refuse(Part::Mode, "service mode change is not allowed");
        }
        if spec.name != current.spec.name {
            return refuse(Part::Name, "renaming services is not supported");
        }
        api::validate_among(&self.cluster, Some(service), &spec)?;
        let (now, version) = (self.cluster.now(), self.cluster.new_version());
        self.cluster.update_service(service, |service| {
            let old = std::mem::replace(&mut service.spec, std::sync::Arc::new(spec));
            service.previous = Some((old, service.version));
            service.version = version;
            service.update_status = None;
            if service.spec.mode.is_job() {
                service.iteration = service.iteration.wrapping_add(1);
                service.executed = now;
            }
        });
        self.settle(out);
        Ok(())
    }

    /// `docker service rollback`. Done twice it returns to where it was.
    pub fn rollback_service(&mut self, now: Time, service: ServiceId, out: &mut Commands) -> Result<(), ApiError> {
        self.cluster.advance(now);
        let now = self.cluster.now();
        let current = self.active(service)?;
        let Some((spec, version)) = current.previous.clone() else {
            return refuse(Part::Service, format!("service {} does not have a previous spec", current.spec.name));
        };
        self.cluster.update_service(service, |service| {
            let old = std::mem::replace(&mut service.spec, spec);
            service.previous = Some((old, service.version));
            service.version = version;
            service.update_status = Some(UpdateStatus {
                state: UpdateState::RollbackStarted,
                message: "manually requested rollback".into(),
                started: now,
                completed: None,
            });
            if service.spec.mode.is_job() {
                service.iteration = service.iteration.wrapping_add(1);
                service.executed = now;
            }
        });
        self.settle(out);
        Ok(())
    }

    /// `docker service rm`. Its tasks are stopped and then deleted.
    pub fn remove_service(&mut self, now: Time, service: ServiceId, out: &mut Commands) -> Result<(), ApiError> {
        self.cluster.advance(now);
        self.active(service)?;
        self.cluster.remove_service(service);
        self.settle(out);
        Ok(())
    }

    /// A service that was not removed.
    fn present(&self, id: ServiceId) -> Result<&Service, ApiError> {
        let service = self.cluster.services().get(id).filter(|service| !service.removed);
        service.map_or_else(|| not_found(Part::Service, id), Ok)
    }

    /// A service that is acted upon.
    fn active(&self, id: ServiceId) -> Result<&Service, ApiError> {
        let service = self.present(id)?;
        match service.dormant {
            true => refuse(Part::Service, format!("service {id} was taken over and is not resumed yet")),
            false => Ok(service),
        }
    }
}

// Reports, and how they spread.
impl Manager {
    /// The cluster reports something. What is not news is ignored. What is about something that is not there, as every
    /// late report of a task is whose record was deleted, is refused and changes nothing but the time.
    pub fn handle(&mut self, now: Time, event: Event, out: &mut Commands) -> Result<(), ApiError> {
        self.handle_all(now, [event], out)
    }

    /// The cluster reports several things that become known together, as SwarmKit's dispatcher writes the reports of a
    /// tenth of a second in one transaction: nothing reacts to the first before the last is known. If some are refused,
    /// the others count, and the answer is the first refusal.
    pub fn handle_all(
        &mut self,
        now: Time,
        events: impl IntoIterator<Item = Event>,
        out: &mut Commands,
    ) -> Result<(), ApiError> {
        self.cluster.advance(now);
        let mut answer = Ok(());
        for event in events {
            if let Err(subject) = self.take_in(event)
                && answer.is_ok()
            {
                answer = subject.refuse();
            }
        }
        self.settle(out);
        while let Some(timer) = self.cluster.due_timer() {
            self.wake(timer);
            self.settle(out);
        }
        answer
    }

    fn take_in(&mut self, event: Event) -> Result<(), Stray> {
        match event {
            Event::NodeUp(node) => self.node_up(node)?,
            Event::NodeDown(node) => self.node_down(node)?,
            Event::Allocated(id) => {
                let task = self.cluster.task(id).ok_or(Stray::Task(id))?;
                if task.state == TaskState::New {
                    self.cluster.set_state(id, TaskState::Pending, None, Writer::Manager);
                }
            }
            Event::TaskStatus { task, state, error } => {
                self.task_changed(task, state, error)?;
            }
            Event::TaskChanged { task, state, error, at } => {
                if self.task_changed(task, state, error)? {
                    self.cluster.set_changed(task, at);
                }
            }
            Event::ImageMissing { node, image, bytes } => {
                self.cluster.node(node).ok_or(Stray::Node(node))?;
                self.scheduler.note_missing(node, &image, bytes);
            }
            Event::NodesLate(nodes) => self.failover.note_late(nodes),
            Event::Deadline => {}
        }
        Ok(())
    }

    /// An agent reports; the answer is whether that is news.
    fn task_changed(&mut self, id: TaskId, state: TaskState, error: Option<Arc<str>>) -> Result<bool, Stray> {
        let task = self.cluster.task(id).ok_or(Stray::Task(id))?;
        // SwarmKit's dispatcher takes no report from a node that does not have the task.
        if task.state < TaskState::Assigned {
            return Err(Stray::Unassigned(id));
        }
        let is_news = task.state < state;
        if is_news {
            self.cluster.set_state(id, state, error, Writer::Agent);
        }
        Ok(is_news)
    }

    fn node_up(&mut self, id: NodeId) -> Result<(), Stray> {
        let node = self.cluster.node(id).ok_or(Stray::Node(id))?;
        self.failover.note_registration(id, self.cluster.now());
        if node.spec.state != NodeState::Ready {
            self.downs[id.index()] += 1;
            self.cluster.update_node(id, |spec| spec.state = NodeState::Ready);
        }
        Ok(())
    }

    fn node_down(&mut self, id: NodeId) -> Result<(), Stray> {
        let node = self.cluster.node(id).ok_or(Stray::Node(id))?;
        if node.spec.state != NodeState::Down {
            self.cluster.update_node(id, |spec| spec.state = NodeState::Down);
            self.await_orphans(id);
        }
        Ok(())
    }

    fn await_orphans(&mut self, node: NodeId) {
        self.downs[node.index()] += 1;
        let at = self.cluster.now() + ORPHANED_AFTER;
        self.cluster.wake(at, Timer::Orphan(node, self.downs[node.index()]));
    }

    fn wake(&mut self, timer: Timer) {
        match timer {
            Timer::Schedule(_) => self.scheduler.wake(&mut self.cluster, timer),
            Timer::Reap(_) => self.reaper.wake(&mut self.cluster, timer),
            Timer::Delay(..) | Timer::OldTask(..) => self.restarts.wake(&mut self.cluster, timer),
            Timer::Worker(..) | Timer::Monitor(..) => self.updates.wake(&mut self.cluster, &mut self.restarts, timer),
            Timer::Failover(policy, token) => {
                self.failover.wake(&mut self.cluster, &mut self.restarts, &self.scheduler, (policy, token));
            }
            Timer::Orphan(node, down) => {
                if self.downs[node.index()] == down {
                    self.orphan_tasks(node);
                }
            }
        }
    }

    fn orphan_tasks(&mut self, node: NodeId) {
        for task in self.cluster.tasks_on(node).collect::<Vec<_>>() {
            let lives = |state| (TaskState::Assigned..=TaskState::Running).contains(&state);
            if self.cluster.task(task).is_some_and(|task| lives(task.state)) {
                self.cluster.set_state(task, TaskState::Orphaned, None, Writer::Untimed);
            }
        }
    }

    /// Lets every component see every change until there is none left, then hands out the commands.
    fn settle(&mut self, out: &mut Commands) {
        self.cluster.commit();
        while let Some(change) = self.cluster.next_change() {
            self.react(change);
        }
        while let Some(service) = self.cluster.free_service() {
            self.scheduler.forget_service(service);
        }
        out.append(&mut self.cluster.commands);
    }

    fn react(&mut self, change: Change) {
        let cluster = &mut self.cluster;
        match change {
            Change::TaskCreated(task)
                if self.config.allocation == Allocation::Instant
                    && cluster.task(task).is_some_and(|task| task.state == TaskState::New) =>
            {
                cluster.set_state(task, TaskState::Pending, None, Writer::Manager);
                cluster.commit();
            }
            // Services that are removed take all their tasks with them, history too.
            Change::ServiceRemoved(service) => {
                for task in cluster.services()[service].tasks().collect::<Vec<_>>() {
                    cluster.set_desired(task, DesiredState::Remove);
                }
                cluster.commit();
            }
            _ => {}
        }
        self.scheduler.observe(cluster, change);
        self.restarts.observe(cluster, change);
        let seed = (self.config.ties == TieBreak::Seeded).then_some(self.config.seed);
        self.updates.observe(cluster, &mut self.restarts, change, seed);
        self.reaper.observe(cluster, change);
        enforcer::observe(cluster, change);
        if self.failover.has_interest_in(change) {
            self.failover.observe(cluster, &mut self.restarts, &self.scheduler, change);
        }
        let seam = (&mut self.failover, &self.scheduler);
        self.replicated.observe(cluster, &mut self.restarts, &mut self.updates, seam, change);
        let seam = (&mut self.failover, &self.scheduler);
        self.global.observe(cluster, &mut self.restarts, &mut self.updates, seam, change);
        jobs::observe(cluster, &mut self.restarts, change);
        if change == Change::Commit {
            self.updates.read_late(cluster);
        }
    }
}

fn no_id_left<T>() -> Result<T, ApiError> {
    refuse(Part::Service, "every id of a service was given out")
}

/// What a report is about that nobody waits for. Late reports are frequent, and few callers read the words.
enum Stray {
    Node(NodeId),
    Task(TaskId),
    Unassigned(TaskId),
}

impl Stray {
    fn refuse(self) -> Result<(), ApiError> {
        match self {
            Stray::Node(id) => not_found(Part::Node, id),
            Stray::Task(id) => not_found(Part::Task, id),
            Stray::Unassigned(id) => refuse(Part::Task, format!("task {id} is not assigned to a node")),
        }
    }
}
