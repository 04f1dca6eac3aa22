//! One run that can be stopped, read and forked: the front door of this crate.
//!
//! A [`Simulation`] owns all that it needs. It goes on by [`Simulation::step`] or [`Simulation::run_until`] and ends with
//! [`Simulation::finish`]; in between everything can be read, and reading changes nothing: a run that is stepped, looked at
//! and cloned at any moments comes out like one that is run through, to the last byte.
//!
//! ```
//! use std::path::Path;
//! use sched::{Span, Time};
//! use sim::simulation::Simulation;
//!
//! let text = r#"
//! duration = "10m"
//! [[pool]]
//! name = "node"
//! count = 3
//! [[service]]
//! name = "web"
//! image = "nginx"
//! replicas = 6
//! "#;
//! let scenario = sim::scenario::parse(Path::new("three.toml"), text).expect("a good scenario");
//! let mut run = Simulation::new(scenario, "spread", 1)?;
//! run.run_until(Time::ZERO + Span::from_secs(60));
//! assert_eq!(run.service("web").expect("it was created").running, 6);
//! assert!(run.nodes().all(|node| node.processes == 2));
//!
//! // Two futures from here.
//! let other = run.clone();
//! assert_eq!(other.digest(), run.digest());
//! assert_eq!(other.finish(), run.finish());
//! # Ok::<(), String>(())
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use sched::cluster::UpdateStatus;
use sched::spec::{Mode, NodeSpec, ServiceSpec};
use sched::why::{Decision, Tried};
use sched::{Cluster, DesiredState, NodeId, ServiceId, TaskId, TaskState, Time};

use crate::digest::Digest;
use crate::engine::rng::Seeds;
use crate::listen::{Ear, Listen};
use crate::metrics::Outcome;
pub use crate::model::agent::Doing;
pub use crate::model::overlay::NetworkUse;
#[cfg(doc)]
use crate::order::Receipt;
use crate::order::{Answer, FileKind, Name, Order, Record};
use crate::scenario::Scenario;
use crate::world::World;

/// A run of a scenario. A clone takes memory as the state does, and goes on as its original would.
#[derive(Clone)]
pub struct Simulation {
    pub(crate) world: World,
}

/// A node of the scenario, as it is now.
#[derive(Clone, Debug)]
pub struct Node {
    /// Row in [`Scenario::nodes`].
    pub row: usize,
    /// As the manager knows it; as it would join, if it is not in the cluster.
    pub spec: Arc<NodeSpec>,
    /// Whether the manager has a record of it.
    pub is_there: bool,
    /// Whether its machine has power.
    pub has_power: bool,
    /// Whether its agent believes that it has a session with the managers.
    pub is_connected: bool,
    /// Whether the manager on it leads.
    pub leads: bool,
    /// Whether the leader reaches the manager on it; `None` if it is no member of Raft.
    pub is_reached: Option<bool>,
    /// Containers whose process lives, whether the manager knows of them or not.
    pub processes: usize,
}

/// A service, as the manager knows it.
#[derive(Clone, Debug)]
pub struct Service {
    /// Which.
    pub id: ServiceId,
    /// Its specification.
    pub spec: Arc<ServiceSpec>,
    /// Tasks that it shall have; of a global service those that it has.
    pub wanted: u64,
    /// Tasks that are wanted and run, as the manager knows.
    pub running: u64,
    /// How its last update is, if there was one.
    pub update: Option<UpdateStatus>,
}

/// The record of a task, as `docker service ps` has it, and what its agent is doing.
#[derive(Clone, Debug)]
pub struct Task {
    /// Which.
    pub id: TaskId,
    /// `service.slot`, or `service.node` of a global service.
    pub name: String,
    /// Counts the tasks of its slot, from 1: those before it are its history.
    pub instance: u32,
    /// Its image.
    pub image: String,
    /// Row of its node, once it has one.
    pub node: Option<usize>,
    /// What is wanted of it, and how far it is as the manager knows.
    pub desired: DesiredState,
    /// See there.
    pub state: TaskState,
    /// Since when.
    pub since: Time,
    /// When it was created.
    pub created: Time,
    /// Why it is not further, or how it ended.
    pub error: Option<Arc<str>>,
    /// What its agent is doing for it, if any agent has it.
    pub doing: Option<Doing>,
}

/// A config or secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    /// Which of both.
    pub kind: FileKind,
    /// Full name.
    pub name: Name,
    /// What is in it, if that is known.
    pub content: Option<Arc<[u8]>>,
}

/// What has the label of a stack, beside its services.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StackBelongings {
    /// The stack's name.
    pub name: Name,
    /// Networks, some of which may be removed.
    pub networks: BTreeSet<String>,
    /// Configs and secrets, some of which may be removed.
    pub files: BTreeSet<(FileKind, Name)>,
}

impl Simulation {
    /// The scenario's cluster at its beginning, under one of its strategies or a placement strategy. Replications count from 1.
    ///
    /// # Errors
    ///
    /// If there is no such strategy.
    pub fn new(scenario: impl Into<Arc<Scenario>>, strategy: &str, replication: u32) -> Result<Simulation, String> {
        World::new(&scenario.into(), strategy, replication).map(|world| Simulation { world })
    }

    /// Handles the next event. Says whether the run goes on: after the end of the scenario, or when it is given up because
    /// it makes no progress, it does not.
    pub fn step(&mut self) -> bool {
        self.world.step()
    }

    /// Handles everything that is due up to and at a time, and lets time pass until then. Not beyond the end.
    pub fn run_until(&mut self, time: Time) {
        self.world.run_until(time);
    }

    /// When the next event is due; `None` after the end.
    pub fn next_at(&self) -> Option<Time> {
        self.world.next_at()
    }

    /// The time of the run.
    pub fn now(&self) -> Time {
        self.world.now()
    }

    /// Events that were handled so far.
    pub fn events(&self) -> u64 {
        self.world.events()
    }

    /// Everything that happened so far in 128 bits. When the run was stopped and who looked makes no difference.
    pub fn digest(&self) -> Digest {
        self.world.digest()
    }

    /// The same, with a digest of two bytes kept after every event in [`Outcome::trace`], so that the first event in which
    /// another run differs can be found.
    ///
    /// # Errors
    ///
    /// As [`Simulation::new`].
    pub fn traced(scenario: impl Into<Arc<Scenario>>, strategy: &str, replication: u32) -> Result<Simulation, String> {
        let mut run = Simulation::new(scenario, strategy, replication)?;
        run.trace();
        Ok(run)
    }

    /// The same as [`Simulation::new`], with somebody who hears of every fact and order from the first instant on. What is
    /// simulated does not depend on who listens; a clone of the run has no listener.
    ///
    /// # Errors
    ///
    /// As [`Simulation::new`].
    pub fn heard(
        scenario: impl Into<Arc<Scenario>>,
        strategy: &str,
        replication: u32,
        listener: Box<dyn Listen>,
    ) -> Result<Simulation, String> {
        World::heard(&scenario.into(), strategy, replication, Ear::of(listener)).map(|world| Simulation { world })
    }

    /// A digest of two bytes is kept after every event from here on, as by [`Simulation::traced`]. To be called before the first.
    pub fn trace(&mut self) {
        self.world.trace_finely();
    }

    /// The next event in words, for people who look for a fault.
    pub fn next_event(&self) -> Option<String> {
        self.world.next_event()
    }

    /// Orders something now, as an `[[event]]` of the scenario would. What can be done of it at once is done; the rest takes
    /// its time. Orders that need a leader are refused while there is none.
    ///
    /// ```
    /// # use std::path::Path;
    /// # use sched::{Span, Time};
    /// # use sim::order::{Change, Order};
    /// # use sim::simulation::Simulation;
    /// # let text = "duration = \"10m\"\n[[pool]]\nname = \"node\"\ncount = 3\n\
    /// #     [[service]]\nname = \"web\"\nimage = \"web:1\"\nreplicas = 6\n";
    /// # let scenario = sim::scenario::parse(Path::new("three.toml"), text).expect("a good scenario");
    /// # let mut run = Simulation::new(scenario, "spread", 1)?;
    /// run.run_until(Time::ZERO + Span::from_secs(60));
    /// run.order(Order::UpdateService("web".into(), Change::image("web:2").into())).expect("there is a leader");
    /// let refusal = run.order(Order::Scale("wbe".into(), 3)).unwrap_err();
    /// assert_eq!(refusal.to_string(), "service wbe not found");
    ///
    /// // Two futures: in one the update goes on, in the other it is taken back after ten seconds.
    /// let mut other = run.clone();
    /// other.run_until(Time::ZERO + Span::from_secs(70));
    /// other.order(Order::Rollback("web".into())).expect("it was changed before");
    /// for (run, image) in [(&mut run, "web:2"), (&mut other, "web:1")] {
    ///     run.run_until(Time::ZERO + Span::from_secs(300));
    ///     let tasks = run.tasks("web").into_iter().filter(|task| task.state == sched::TaskState::Running);
    ///     assert!(tasks.map(|task| task.image).all(|it| it == image));
    /// }
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What Docker would say.
    pub fn order(&mut self, order: Order) -> Answer {
        self.world.order(order)
    }

    /// What was ordered so far, by whomever, with the answers. Arrivals are in it only if they were refused.
    pub fn orders(&self) -> &[Record] {
        self.world.orders()
    }

    /// Writes down how a task is placed, as soon as it is: see [`Simulation::decision`]. The run comes out the same with it.
    pub fn follow(&mut self, task: TaskId) {
        self.world.follow(task);
    }

    /// Runs on to the end of the scenario. A run that makes no progress, or keeps too much, ends early, and
    /// [`Outcome::failed`] says so.
    pub fn finish(self) -> Outcome {
        self.world.run()
    }
}

// Reads. None of them changes anything.
impl Simulation {
    /// What the run is about.
    pub fn scenario(&self) -> &Scenario {
        self.world.scenario()
    }

    /// The tables of the manager: what it knows, which may not be what is.
    pub fn cluster(&self) -> &Cluster {
        self.world.cluster()
    }

    /// Name of the node whose manager leads and can decide; `None` without managers of the scenario too, where one that
    /// never fails decides, see [`Simulation::is_led`].
    pub fn leader(&self) -> Option<&str> {
        self.world.leader().map(|row| self.name(row))
    }

    /// Whether anybody can decide.
    pub fn is_led(&self) -> bool {
        self.world.is_led()
    }

    /// What a client hears now that asks the managers what there is (`docker service ls`): [`Receipt::Done`] if it gets its list,
    /// be it from a leader that has lost its majority and does not know yet, which for orders is [`Receipt::Waits`]; and
    /// `Waits` if nobody leads that it could be asked.
    ///
    /// # Errors
    ///
    /// What Docker says without a leader or a manager.
    pub fn asked(&self) -> Answer {
        self.world.asked()
    }

    /// Every node of the scenario, those too that are not in the cluster.
    pub fn nodes(&self) -> impl Iterator<Item = Node> + '_ {
        (0..self.scenario().nodes.len()).filter_map(|row| self.node_at(row))
    }

    /// A node by its row.
    pub fn node_at(&self, row: usize) -> Option<Node> {
        (row < self.scenario().nodes.len()).then(|| Node {
            row,
            spec: Arc::clone(&self.cluster().nodes()[self.world.id(row)].spec),
            is_there: self.world.is_there(row),
            has_power: self.world.has_power(row),
            is_connected: self.world.is_connected(row),
            leads: self.world.leader() == Some(row),
            is_reached: self.world.is_reached(row),
            processes: self.world.processes(row),
        })
    }

    /// Records of nodes that left and joined again, until they are removed: each has the id under which
    /// [`Simulation::cluster`] knows it and its tasks, and the row of the machine that it was, whose name it bears.
    pub fn ghosts(&self) -> impl Iterator<Item = (NodeId, usize)> + '_ {
        self.world.ghosts()
    }

    /// A node by its name, that of now or that of the scenario.
    pub fn node(&self, name: &str) -> Option<Node> {
        self.node_at(self.row(name)?)
    }

    /// Every service that was not removed, in order of creation.
    pub fn services(&self) -> impl Iterator<Item = Service> + '_ {
        let ids = self.cluster().services().ids();
        ids.filter_map(|id| self.service_of(id))
    }

    /// A service by its name.
    pub fn service(&self, name: &str) -> Option<Service> {
        let id = self.cluster().services_named(name).next()?;
        self.service_of(id)
    }

    /// The records of a service's tasks, slot by slot, each slot from the oldest to the newest: `docker service ps`.
    pub fn tasks(&self, service: &str) -> Vec<Task> {
        let id = self.cluster().services_named(service).next();
        let service = id.and_then(|id| self.cluster().service(id));
        service.into_iter().flat_map(|service| service.tasks()).filter_map(|task| self.task(task)).collect()
    }

    /// The records of the tasks on a node: `docker node ps`.
    pub fn tasks_on(&self, node: &str) -> Vec<Task> {
        let Some(row) = self.row(node) else { return Vec::new() };
        self.cluster().tasks_on(self.world.id(row)).filter_map(|task| self.task(task)).collect()
    }

    /// A task, unless its record is deleted.
    pub fn task(&self, id: TaskId) -> Option<Task> {
        let cluster = self.cluster();
        let task = cluster.task(id)?;
        Some(Task {
            id,
            name: cluster.task_name(id),
            instance: task.instance,
            image: task.spec.task.container.image.clone(),
            node: task.node.map(|id| self.world.row(id)),
            desired: task.desired,
            state: task.state,
            since: cluster.since(task),
            created: task.created,
            error: cluster.error(task).cloned(),
            doing: self.world.doing(self.world.number(id)),
        })
    }

    /// How the task that is followed was placed.
    pub fn decision(&self) -> Option<&Decision> {
        self.world.manager().decision()
    }

    /// What would be decided now about a task that waits for a node: [`sched::Manager::would_decide`].
    pub fn would_decide(&self, task: TaskId) -> Option<Decision> {
        self.world.manager().would_decide(task)
    }

    /// Single changes that would give such a task a place: [`sched::Manager::remedies`].
    pub fn remedies(&self, task: TaskId) -> Vec<Tried> {
        self.world.manager().remedies(self.now(), task)
    }

    /// Every overlay network, by name.
    pub fn networks(&self) -> Vec<NetworkUse> {
        self.world.networks()
    }

    /// The id of a node of the scenario's, by its row, under which [`Simulation::cluster`] knows it.
    pub fn node_id(&self, row: usize) -> NodeId {
        self.world.id(row)
    }

    /// Virtual addresses of a service, each with the number of its network. `None` as long as it has not got what it needs:
    /// ports of the mesh, or addresses.
    pub fn virtual_ips(&self, service: ServiceId) -> Option<Vec<(usize, u32)>> {
        self.world.virtual_ips(service)
    }

    /// Addresses of a task that has not ended, each with the number of its network.
    pub fn addresses(&self, task: TaskId) -> Vec<(usize, u32)> {
        self.cluster().task(task).map(|_| self.world.addresses(self.world.number(task))).unwrap_or_default()
    }

    /// Configs and secrets that somebody created, by kind and name. Those that are used without having been created are taken
    /// to have been there before, and are not among them.
    pub fn files(&self) -> Vec<File> {
        self.world.files()
    }

    /// What belongs to each stack beside services, by name.
    pub fn stacks(&self) -> Vec<StackBelongings> {
        self.world.stacks()
    }

    /// When a service was created, and when its record was written last.
    pub fn service_times(&self, id: ServiceId) -> Option<(Time, Time)> {
        self.world.chronicle().service(id).map(|written| (written.created, written.updated))
    }

    /// When the record of a node, by its row, was written last after it was created. Heartbeats write nothing.
    pub fn node_written(&self, row: usize) -> Option<Time> {
        self.world.chronicle().node(row)
    }

    /// Whether a machine, by its row, left members of Raft behind when it left: they count, and nobody reaches them.
    pub fn left_managers(&self, row: usize) -> bool {
        self.world.left_managers(row)
    }

    /// Whether there is a swarm by now.
    pub fn is_founded(&self) -> bool {
        self.world.is_founded()
    }

    /// The roots of all chance of this run.
    pub fn seeds(&self) -> Seeds {
        self.world.seeds()
    }

    /// Names of the images all of whose layers are on a node.
    pub fn images(&self, node: &str) -> Vec<Arc<str>> {
        self.row(node).map_or_else(Vec::new, |row| self.world.images(row).into_iter().cloned().collect())
    }

    fn name(&self, row: usize) -> &str {
        &self.scenario().nodes[row].spec.id
    }

    fn row(&self, name: &str) -> Option<usize> {
        self.world.machine_named(name)
    }

    fn service_of(&self, id: ServiceId) -> Option<Service> {
        let cluster = self.cluster();
        let service = cluster.service(id).filter(|service| !service.removed)?;
        let tasks = || service.tasks().filter_map(|task| cluster.task(task));
        let is_wanted = |task: &&sched::Task| task.desired <= DesiredState::Complete;
        let wanted = match service.spec.mode {
            Mode::Replicated { replicas } => replicas,
            Mode::ReplicatedJob { total_completions, .. } => total_completions,
            Mode::Global | Mode::GlobalJob => tasks().filter(is_wanted).count() as u64,
        };
        let runs = |task: &sched::Task| task.state == TaskState::Running && is_wanted(&task);
        let running = tasks().filter(|task| runs(task)).count() as u64;
        Some(Service { id, spec: Arc::clone(&service.spec), wanted, running, update: service.update_status.clone() })
    }
}
