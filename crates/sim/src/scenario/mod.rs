//! What a user asks: a cluster, services, a script of events, failures, strategies to compare, and what to expect.
//!
//! This file is the resolved scenario, in which there is nothing left to doubt: units are numbers, names are rows,
//! patterns are expanded. The reader of the TOML text is in the files beside it; `scenarios/README.md` describes it
//! for users.

mod complaint;
mod expect;
mod failure;
mod image;
mod inspect;
mod join;
mod model;
mod operator;
mod pattern;
mod pool;
mod read;
mod reader;
mod rows;
mod scaler;
mod script;
mod service;
mod stack;
mod unit;
mod workload;

use std::path::PathBuf;
use std::sync::Arc;

use sched::spec::{Availability, NodeSpec, Role, ServiceSpec};
use sched::{Span, Time};

pub use self::complaint::{Complaint, Complaints, Position};
pub use self::read::{load, parse};
use crate::engine::law::Law;

/// A question, ready to run.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// The file it came from.
    pub path: PathBuf,
    /// Short name, a slug: the name of the result folder. The file's stem unless given.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Prose, Markdown.
    pub description: String,
    /// Root of all random streams.
    pub seed: u64,
    /// Independent runs per strategy.
    pub replications: u32,
    /// Simulated time.
    pub duration: Span,
    /// Metrics are counted from here on; zero for terminating experiments.
    pub warm_up: Span,
    /// Distance of the points in `series.csv`.
    pub sample: Span,
    /// Names of placement strategies to compare; the first is the baseline.
    pub strategies: Vec<String>,
    /// Every node, in order of pools; those that join later too.
    pub nodes: Vec<NodePlan>,
    /// Who of them is not there at the start, and how they join.
    pub joins: Vec<JoinPlan>,
    /// Pools to which machines are added, and from which they are taken.
    pub scalers: Vec<ScalerPlan>,
    /// Every image that a service or an update names, with its layers.
    pub images: Vec<Image>,
    /// Every overlay network that a service names.
    pub networks: Vec<NetworkPlan>,
    /// Services, in order of the file; stacks after inline ones.
    pub services: Vec<ServicePlan>,
    /// Services and jobs that come by chance, or from a list.
    pub arrivals: Vec<ArrivalPlan>,
    /// Lines in which arriving jobs wait before they are submitted.
    pub queues: Vec<QueuePlan>,
    /// What users ask of services.
    pub requests: Vec<RequestPlan>,
    /// Who scales services and releases new versions of them by chance.
    pub operators: Vec<OperatorPlan>,
    /// Scripted events, in order of time, equal times in order of the file.
    pub script: Vec<Scripted>,
    /// Random failures.
    pub failures: Vec<FailurePlan>,
    /// Parameters of the models.
    pub models: Models,
    /// What must come out.
    pub expect: Vec<Expectation>,
}

/// A node of a pool.
#[derive(Clone, PartialEq, Debug)]
pub struct NodePlan {
    /// The pool it belongs to.
    pub pool: String,
    /// As it joins. `spec.id` is the node's name, equal to its host name.
    pub spec: Arc<NodeSpec>,
    /// Bytes per second that its network interface carries in each direction; `None` is unlimited.
    pub bandwidth: Option<u64>,
}

/// Nodes of a pool that join the swarm during the run.
#[derive(Clone, PartialEq, Debug)]
pub struct JoinPlan {
    /// The pool.
    pub pool: String,
    /// Rows of [`Scenario::nodes`].
    pub nodes: Vec<usize>,
    /// So many of them, the first ones, are there at the start.
    pub present: usize,
    /// When the first comes by itself; `None` is when a script says so.
    pub at: Option<Time>,
    /// From one to the next.
    pub every: Law,
    /// The token that they have, which decides the role; `None` is not valid.
    pub token: Option<Role>,
    /// Whether they ask for the token when they come; otherwise they have that of the beginning.
    pub fresh: bool,
    /// Who is refused tries again after this.
    pub retry: Option<Span>,
}

/// An autoscaler of a pool of nodes.
#[derive(Clone, PartialEq, Debug)]
pub struct ScalerPlan {
    /// The pool.
    pub pool: String,
    /// Rows of [`Scenario::nodes`]: as many as there may be at most.
    pub nodes: Vec<usize>,
    /// So many of them, the first ones, are there at the start.
    pub present: usize,
    /// So many stay.
    pub min: usize,
    /// CPUs in 10^-9 and bytes of an empty node.
    pub room: (i64, i64),
    /// Time between looks.
    pub every: Span,
    /// Tasks count that have been waiting for resources for so long.
    pub pending_for: Span,
    /// From the order of a machine until it joins.
    pub provision: Law,
    /// Nodes of which a smaller share is reserved are hardly used.
    pub below: f64,
    /// They are given back when they have been so for this long.
    pub idle_for: Span,
}

/// An image as the registry holds it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Image {
    /// Reference as services write it.
    pub name: String,
    /// From the base up.
    pub layers: Vec<Layer>,
    /// Rows of the nodes that have it from the beginning.
    pub present: Vec<usize>,
    /// The registry does not have it.
    pub missing: bool,
    /// The layer whose bytes do not match its digest, from 0.
    pub corrupt: Option<usize>,
    /// How its containers end by themselves, whatever service they are of: a version that does not work.
    pub exit: Option<Exit>,
}

/// A layer; layers of the same digest are the same bytes, whatever image they belong to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layer {
    /// Identity.
    pub digest: String,
    /// Compressed bytes: what is transferred.
    pub size: u64,
    /// Bytes on disk after unpacking.
    pub unpacked: u64,
}

/// An overlay network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkPlan {
    /// Full name, `<stack>_<network>` for stacks.
    pub name: String,
    /// Given subnet as (address, prefix length); `None` takes the next free one of the pool.
    pub subnet: Option<(u32, u8)>,
    /// Whether it is there before the scenario (external); it still needs addresses.
    pub external: bool,
}

/// A service to create.
#[derive(Clone, PartialEq, Debug)]
pub struct ServicePlan {
    /// As it is submitted. `spec.task.networks` are names of [`Scenario::networks`].
    pub spec: ServiceSpec,
    /// The stack it belongs to.
    pub stack: Option<String>,
    /// When it is submitted.
    pub at: Time,
    /// How its containers behave.
    pub behaviour: Behaviour,
    /// Running tasks that it needs to be of use.
    pub quorum: Option<u64>,
}

/// How the containers of a service behave. By default they run until they are stopped, and are always well.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Behaviour {
    /// How they end by themselves, if they do.
    pub exit: Option<Exit>,
    /// From the stop signal to the exit; `None` is the daemon model's.
    pub stop: Option<Law>,
    /// Exit code of a container that stops by itself; one that is killed has 137.
    pub stop_code: i32,
    /// From the start until their health checks find them well; `None` is at once.
    pub warm_up: Option<Law>,
    /// From the start until their health checks find them ill; `None` is never.
    pub sick: Option<Law>,
    /// Whether the probes of an ill container hang until their timeout instead of failing at once.
    pub hangs: bool,
}

impl Behaviour {
    /// Containers that exit by themselves.
    pub fn exiting(after: Law, code: i32) -> Behaviour {
        Behaviour { exit: Some(Exit { after, code }), ..Behaviour::default() }
    }
}

/// The end of a container by itself.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Exit {
    /// How long after it started.
    pub after: Law,
    /// With this code; 0 is success, 137 is what the kernel leaves of a container that is out of memory.
    pub code: i32,
}

/// A stream of arrivals: each is a service or a job that is created when it comes.
#[derive(Clone, PartialEq, Debug)]
pub struct ArrivalPlan {
    /// The user's name for it.
    pub name: String,
    /// When they come.
    pub process: ArrivalProcess,
    /// How many come each time.
    pub batch: Batch,
    /// The first may come from here on.
    pub from: Time,
    /// None comes after this.
    pub until: Option<Time>,
    /// So many come at most.
    pub limit: Option<u64>,
    /// What comes: each arrival is one of these.
    pub kinds: Vec<ServicePlan>,
    /// How often each kind comes, relative to the others.
    pub weights: Vec<f64>,
    /// The row of [`Scenario::queues`] in which it waits to be submitted.
    pub queue: Option<usize>,
    /// It is removed this long after it was submitted.
    pub lifetime: Option<Law>,
}

/// When arrivals come.
#[derive(Clone, PartialEq, Debug)]
pub enum ArrivalProcess {
    /// Times between arrivals are independent draws; a Poisson process if the law is exponential.
    Renewal(Law),
    /// A Poisson process whose rate is a sine over the day: 1 + amplitude times the cosine of the distance from the peak.
    Diurnal {
        /// Mean time between arrivals over a whole period.
        mean: Span,
        /// 0 to 1.
        amplitude: f64,
        /// Length of the day.
        period: Span,
        /// When the rate is highest.
        peak: Span,
    },
    /// A Poisson process with two rates that take turns, each for an exponential time (MMPP-2). It starts calm.
    Bursty {
        /// Mean time between arrivals when it is calm.
        calm: Span,
        /// Mean time between arrivals in a burst.
        burst: Span,
        /// Mean length of a calm.
        calm_for: Span,
        /// Mean length of a burst.
        burst_for: Span,
    },
    /// At given times, in order.
    Listed(Vec<Listed>),
}

/// An arrival from a list.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Listed {
    /// When it comes.
    pub at: Time,
    /// How long its containers run, if not as the kind says.
    pub run: Option<Span>,
    /// How many replicas, or completions of a job, if not as the kind says.
    pub replicas: Option<u64>,
}

/// Requests to a service through the mesh.
#[derive(Clone, PartialEq, Debug)]
pub struct RequestPlan {
    /// The service's name.
    pub name: String,
    /// Row of [`Scenario::services`].
    pub service: usize,
    /// When they come.
    pub process: ArrivalProcess,
    /// How long a replica takes for one.
    pub takes: Law,
    /// How long the mesh takes to learn that an endpoint came or went.
    pub spread: Law,
    /// How long it takes to suspect a node that is lost.
    pub suspicion: Span,
    /// Who scales the service to its load.
    pub autoscale: Option<Autoscale>,
}

/// An autoscaler of a service (the rule of Kubernetes' horizontal pod autoscaler).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Autoscale {
    /// Share of its time that a replica shall be busy.
    pub target: f64,
    /// Fewest and most replicas.
    pub min: u64,
    /// Most replicas.
    pub max: u64,
    /// Time between looks.
    pub every: Span,
    /// No change while load by target is within 1 ± band.
    pub band: f64,
    /// Fewer replicas only if no more were wanted for so long.
    pub down_after: Span,
}

/// Somebody who changes a service by chance.
#[derive(Clone, PartialEq, Debug)]
pub struct OperatorPlan {
    /// The service's name.
    pub name: String,
    /// Row of [`Scenario::services`].
    pub service: usize,
    /// From one change to the next.
    pub every: Law,
    /// The first comes after this.
    pub from: Time,
    /// None comes after this.
    pub until: Option<Time>,
    /// What is done.
    pub habit: Habit,
}

/// What an operator does.
#[derive(Clone, PartialEq, Debug)]
pub enum Habit {
    /// Scales the service within bounds.
    Scale {
        /// Fewest replicas.
        min: u64,
        /// Most replicas.
        max: u64,
        /// Up or down by 1 to this many, each with the same chance; `None` takes any number within the bounds.
        step: Option<u64>,
    },
    /// Updates the service to the next version of its image.
    Release {
        /// Images of the versions, one after the other and then from the beginning.
        good: Vec<String>,
        /// The same of versions that do not work.
        bad: Vec<String>,
        /// Probability that a version does not work.
        chance: f64,
    },
}

/// How many arrive together.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Batch {
    /// Always so many.
    Fixed(u64),
    /// A geometric number, at least 1, with this mean.
    Geometric(f64),
}

/// A line for jobs, first come, first served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueuePlan {
    /// The user's name for it.
    pub name: String,
    /// So many of its jobs are in the cluster at a time; `None` is without limit.
    pub running: Option<u64>,
    /// So many wait; who comes when as many wait is lost. `None` is without limit.
    pub waiting: Option<u64>,
}

/// A scripted event.
#[derive(Clone, PartialEq, Debug)]
pub struct Scripted {
    /// When.
    pub at: Time,
    /// What, in the user's words: a label for plots.
    pub label: String,
    /// What.
    pub action: Action,
}

/// What a script can do. Nodes are rows of [`Scenario::nodes`], services rows of [`Scenario::services`].
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Machines lose power.
    Down(Vec<usize>),
    /// Machines come back.
    Up(Vec<usize>),
    /// Networks of machines break; their containers run on.
    Break(Breach, Vec<usize>),
    /// Networks of machines are whole again, as far as the script broke them.
    Mend(Vec<usize>),
    /// Engines are started anew; with `true` their containers live on.
    Restart(Vec<usize>, bool),
    /// The links of machines to the manager are weak, or sound again.
    Weaken(Vec<usize>, Option<Weakness>),
    /// Machines take so many times as long for everything.
    Slow(Vec<usize>, f64),
    /// So many running containers of a service, chosen at random, are killed.
    Kill(usize, u64),
    /// The registry answers, or does not.
    Registry(bool),
    /// `docker node update --availability`.
    Availability(Vec<usize>, Availability),
    /// `docker service scale`.
    Scale(usize, u64),
    /// `docker service update --image`.
    Image(usize, String),
    /// `docker service update --force`.
    Force(usize),
    /// `docker service rollback`.
    Rollback(usize),
    /// `docker service rm`.
    Remove(usize),
    /// `docker node promote`.
    Promote(Vec<usize>),
    /// `docker node demote`.
    Demote(Vec<usize>),
    /// `docker node rm --force`.
    RemoveNode(Vec<usize>),
    /// `docker swarm join`.
    Join(Vec<usize>),
    /// `docker swarm join-token --rotate`.
    RotateToken(Role),
}

/// What a weak link does to the talk of an agent with the manager.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Weakness {
    /// Chance that a heartbeat, or the call of an agent without a session, is not answered.
    pub loss: f64,
    /// What every message takes longer, each way.
    pub delay: Law,
}

/// How the network of a node breaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Breach {
    /// It carries nothing any more.
    Cut,
    /// What the node sends does not arrive.
    Mute,
    /// What is sent to the node does not arrive.
    Deaf,
    /// Nodes that are split off together reach each other, but not the rest.
    Split,
}

/// A renewal process that takes nodes down, alone or together.
#[derive(Clone, PartialEq, Debug)]
pub struct FailurePlan {
    /// The user's name for it.
    pub name: String,
    /// The sets of nodes that fail together, each with its own process: one node each, or all nodes of a rack.
    pub units: Vec<FailureUnit>,
    /// What breaks: the network in some way; `None` is the machine's power.
    pub breach: Option<Breach>,
    /// Time between a repair and the next failure of a unit.
    pub up: Law,
    /// Time to repair.
    pub repair: Law,
    /// Repairs that go on at a time, the others wait in the order of failure; `None` is without limit.
    pub crews: Option<u64>,
    /// Name of the crews; plans whose crews have the same name share them.
    pub crew: Option<String>,
    /// Whether every unit is new at the start; otherwise its up time has been going on for ever.
    pub new: bool,
    /// How long before a failure it is announced; then the nodes are drained.
    pub notice: Option<Span>,
    /// Whether failures come in bursts.
    pub burst: Option<Burst>,
    /// Instead of chance: for each unit, when it fails and for how long.
    pub log: Option<Vec<Vec<(Time, Span)>>>,
}

impl Default for FailurePlan {
    /// Nothing that fails, once a year, for an hour.
    fn default() -> Self {
        FailurePlan {
            name: String::new(),
            units: Vec::new(),
            breach: None,
            up: Law::Exponential { mean: Span::from_secs(365 * 86_400) },
            repair: Law::Fixed(Span::from_secs(3600)),
            crews: None,
            crew: None,
            new: false,
            notice: None,
            burst: None,
            log: None,
        }
    }
}

/// A failure that draws others of its plan in.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Burst {
    /// Probability that a failure does.
    pub chance: f64,
    /// Mean number of units that fail together, at least 2.
    pub size: f64,
    /// The others fail within this time.
    pub within: Span,
}

/// Nodes that one failure takes down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailureUnit {
    /// Name of the node, or `key=value` of the label that they share.
    pub name: String,
    /// Rows of [`Scenario::nodes`].
    pub nodes: Vec<usize>,
}

/// Parameters of the models, with Swarm's defaults.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Models {
    /// Engines and agents.
    pub daemon: DaemonModel,
    /// Registry and image pulls.
    pub registry: RegistryModel,
    /// Overlay and control network.
    pub overlay: OverlayModel,
    /// Liveness.
    pub heartbeat: HeartbeatModel,
    /// Managers.
    pub managers: ManagersModel,
    /// News among the nodes.
    pub gossip: GossipModel,
}

/// The managers.
#[derive(Clone, PartialEq, Debug)]
pub struct ManagersModel {
    /// How long the scheduler waits for further changes (SwarmKit `commitDebounceGap`: 50 ms).
    pub debounce: Span,
    /// Task records kept per slot (SwarmKit: 5).
    pub history: u64,
    /// A tick of Raft (SwarmKit: 1 s).
    pub tick: Span,
    /// A manager waits so many ticks for a leader, and up to twice as many less one (SwarmKit: 10).
    pub election: u32,
    /// How long an agent takes to call a new leader (SwarmKit: a random part of up to 8 s).
    pub backoff: Law,
    /// From the request of a node that joins until its agent registers.
    pub certificate: Law,
}

/// How news of tasks spreads among the nodes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GossipModel {
    /// Time between rounds (networkdb: 200 ms); `None`: all know at once.
    pub interval: Option<Span>,
    /// Others that a node tells in a round (networkdb: 3).
    pub fanout: u32,
    /// A node tells a piece of news so many times the digits of the number of nodes (memberlist: 4); 0 is without limit.
    pub retransmit: u32,
    /// Time between comparisons of whole tables (networkdb: 30 s); zero is never.
    pub sync: Span,
}

impl GossipModel {
    /// How often a node tells a piece of news, if there is a limit (memberlist `retransmitLimit`).
    pub fn retransmits(&self, nodes: usize) -> Option<u64> {
        let digits = libm::ceil(libm::log10(nodes as f64 + 1.0)) as u64;
        (self.retransmit > 0).then(|| u64::from(self.retransmit) * digits)
    }
}

impl Default for ManagersModel {
    fn default() -> Self {
        ManagersModel {
            debounce: Span::from_millis(50),
            history: 5,
            tick: Span::from_secs(1),
            election: 10,
            backoff: Law::Uniform { min: Span::ZERO, max: Span::from_secs(8) },
            certificate: Law::Uniform { min: Span::from_secs(1), max: Span::from_secs(3) },
        }
    }
}

/// How an engine and its agent take their time.
#[derive(Clone, PartialEq, Debug)]
pub struct DaemonModel {
    /// Taking up a task that arrived.
    pub accept: Law,
    /// Creating a container, image present.
    pub create: Law,
    /// Starting a container.
    pub start: Law,
    /// From the stop signal to the exit of a container; at the end of the stop grace period it is killed.
    pub stop: Law,
    /// What the engine does to stop a container beside that.
    pub halt: Law,
    /// From the end of the stop grace period until a process that is killed is gone.
    pub kill: Law,
    /// From the end of a container's process until its agent knows.
    pub notice: Law,
    /// CPU cores that all daemons share for taking up, creating, starting and stopping containers, as virtual machines of one host do; `None`
    /// gives every container a core of its own.
    pub cores: Option<f64>,
    /// Time that a machine needs from power on until its agent registers.
    pub boot: Law,
    /// Time that an engine needs when it is started anew, until its agent registers.
    pub restart: Law,
    /// Whether images stay in a node's cache over a failure.
    pub keep_cache: bool,
    /// Agent reports are committed this often (SwarmKit dispatcher: 100 ms).
    pub status_batch: Span,
    /// From the beginning until the first of these commits.
    pub status_phase: Law,
    /// Assignments are sent after this much quiet (SwarmKit dispatcher: 100 ms).
    pub assignment_batch: Span,
}

impl Default for DaemonModel {
    fn default() -> Self {
        DaemonModel {
            create: Law::Lognormal { median: Span::from_millis(200), sigma: 0.3 },
            start: Law::Lognormal { median: Span::from_millis(400), sigma: 0.3 },
            stop: Law::Exponential { mean: Span::from_secs(1) },
            accept: Law::Fixed(Span::ZERO),
            halt: Law::Fixed(Span::ZERO),
            kill: Law::Fixed(Span::ZERO),
            notice: Law::Fixed(Span::ZERO),
            cores: None,
            boot: Law::Fixed(Span::from_secs(30)),
            restart: Law::Uniform { min: Span::from_secs(1), max: Span::from_secs(3) },
            keep_cache: true,
            status_batch: Span::from_millis(100),
            status_phase: Law::Fixed(Span::ZERO),
            assignment_batch: Span::from_millis(100),
        }
    }
}

/// The registry and the way from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegistryModel {
    /// Bytes per second of its uplink, shared by all pulls; `None` is unlimited.
    pub bandwidth: Option<u64>,
    /// Round-trip time to it; a pull costs two for the manifest and one per layer.
    pub latency: Span,
    /// Bytes per second that a node unpacks; `None` is unlimited.
    pub unpack: Option<u64>,
    /// Layers that one daemon downloads at a time (moby: 3).
    pub downloads: u32,
    /// Bytes per second at which a node copies what is below for every layer and container (storage driver `vfs`); `None`
    /// makes no copies.
    pub copy: Option<u64>,
    /// Label of the nodes that says in which rack they are.
    pub rack: String,
    /// Bytes per second of the line to each rack; `None` is unlimited.
    pub rack_bandwidth: Option<u64>,
    /// Who gets layers from near instead of from the registry.
    pub mirror: Mirror,
    /// How many pulls the registry allows each node; `None` is without limit.
    pub limit: Option<PullLimit>,
    /// Bytes of unpacked layers that a node keeps beyond those in use; `None` keeps everything, as Docker does.
    pub cache: Option<u64>,
    /// Whether a task without its image says why the pull failed, or only that there is no such image (Docker up to
    /// version 20.10).
    pub tells: bool,
}

/// What one node has fetched, others get from near: only their own interface limits that.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mirror {
    /// Everybody fetches from the registry.
    #[default]
    None,
    /// A mirror in every rack.
    Rack,
    /// All nodes give each other what they have.
    All,
}

/// So many manifests within so long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PullLimit {
    /// How many.
    pub pulls: u64,
    /// In which time.
    pub window: Span,
}

impl Default for RegistryModel {
    fn default() -> Self {
        RegistryModel {
            bandwidth: Some(1_250_000_000),
            latency: Span::from_millis(1),
            unpack: Some(150_000_000),
            downloads: 3,
            copy: None,
            rack: "rack".into(),
            rack_bandwidth: None,
            mirror: Mirror::None,
            limit: None,
            cache: None,
            tells: true,
        }
    }
}

/// Overlay networks and the control network.
#[derive(Clone, PartialEq, Debug)]
pub struct OverlayModel {
    /// Address pool as (address, prefix length): 10.0.0.0/8.
    pub pool: (u32, u8),
    /// Prefix length of a subnet: 24.
    pub subnet: u8,
    /// One-way delay between manager and agent.
    pub latency: Law,
    /// How long it takes an agent that cannot reach the manager to notice that a call has failed (SwarmKit: 5 s, if nothing
    /// answers).
    pub unreachable: Span,
    /// Pause between leaving the mesh and the stop signal (moby: 2 s), for tasks on an overlay network.
    pub leave: Span,
    /// What it takes to start a container on overlay networks, beside its start, and to stop it, beside its stop.
    pub attach: Law,
    /// See there.
    pub detach: Law,
}

impl Default for OverlayModel {
    fn default() -> Self {
        OverlayModel {
            pool: (0x0A00_0000, 8),
            subnet: 24,
            latency: Law::Uniform { min: Span::from_nanos(100_000), max: Span::from_nanos(400_000) },
            unreachable: Span::from_secs(5),
            leave: Span::from_secs(2),
            attach: Law::Fixed(Span::ZERO),
            detach: Law::Fixed(Span::ZERO),
        }
    }
}

/// How a silent node is noticed (SwarmKit dispatcher).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeartbeatModel {
    /// Mean period: 5 s.
    pub period: Span,
    /// Each period is uniform in period ± jitter: 0.5 s.
    pub jitter: Span,
    /// Missed periods that make a node down: 3.
    pub grace: u32,
}

impl Default for HeartbeatModel {
    fn default() -> Self {
        HeartbeatModel { period: Span::from_secs(5), jitter: Span::from_millis(500), grace: 3 }
    }
}

/// One line of `[expect]`: bounds on the mean of a metric over the replications, or what theory says of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Expectation {
    /// As written, for messages.
    pub text: String,
    /// Which strategy; `None` is every one.
    pub strategy: Option<String>,
    /// Name of a metric of [`crate::metrics::METRICS`].
    pub metric: String,
    /// Smallest allowed mean.
    pub min: Option<f64>,
    /// Largest allowed mean.
    pub max: Option<f64>,
    /// The true mean, if it is known: the difference must be explained by chance.
    pub theory: Option<f64>,
    /// Largest allowed half width of the interval for the mean.
    pub within: Option<f64>,
}
