//! What a user asks: a cluster, services, a script of events, failures, strategies to compare, and what to expect.
//!
//! This file is the resolved scenario, in which there is nothing left to doubt: units are numbers, names are rows,
//! patterns are expanded. The reader of the TOML text is in the files beside it; `scenarios/README.md` describes it
//! for users.

mod complaint;
mod expect;
mod failure;
mod image;
mod model;
mod pattern;
mod pool;
mod read;
mod reader;
mod script;
mod service;
mod stack;
mod unit;

use std::path::PathBuf;
use std::sync::Arc;

use sched::spec::{Availability, NodeSpec, ServiceSpec};
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
    /// Every node, in order of pools.
    pub nodes: Vec<NodePlan>,
    /// Every image that a service or an update names, with its layers.
    pub images: Vec<Image>,
    /// Every overlay network that a service names.
    pub networks: Vec<NetworkPlan>,
    /// Services, in order of the file; stacks after inline ones.
    pub services: Vec<ServicePlan>,
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

/// An image as the registry holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// Reference as services write it.
    pub name: String,
    /// From the base up.
    pub layers: Vec<Layer>,
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
    /// How its containers end by themselves.
    pub behaviour: Behaviour,
}

/// How a container behaves once it runs.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Behaviour {
    /// Runs until it is stopped.
    #[default]
    Forever,
    /// Exits by itself.
    Exits {
        /// How long after it started.
        after: Law,
        /// With this code; 0 is success.
        code: i32,
    },
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
}

/// A renewal process that takes nodes down, alone or together.
#[derive(Clone, PartialEq, Debug)]
pub struct FailurePlan {
    /// The user's name for it.
    pub name: String,
    /// The sets of nodes that fail together, each with its own process: one node each, or all nodes of a rack.
    pub units: Vec<FailureUnit>,
    /// Time between a repair and the next failure of a unit.
    pub up: Law,
    /// Time to repair.
    pub repair: Law,
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
}

/// How an engine and its agent take their time.
#[derive(Clone, PartialEq, Debug)]
pub struct DaemonModel {
    /// Creating a container, image present.
    pub create: Law,
    /// Starting a container.
    pub start: Law,
    /// From the stop signal to the exit of a well-behaved container; cut at the stop grace period.
    pub stop: Law,
    /// Time that a machine needs from power on until its agent registers.
    pub boot: Law,
    /// Whether images stay in a node's cache over a failure.
    pub keep_cache: bool,
    /// Agent reports are committed this often (SwarmKit dispatcher: 100 ms).
    pub status_batch: Span,
    /// Assignments are sent after this much quiet (SwarmKit dispatcher: 100 ms).
    pub assignment_batch: Span,
}

impl Default for DaemonModel {
    fn default() -> Self {
        DaemonModel {
            create: Law::Lognormal { median: Span::from_millis(200), sigma: 0.3 },
            start: Law::Lognormal { median: Span::from_millis(400), sigma: 0.3 },
            stop: Law::Exponential { mean: Span::from_secs(1) },
            boot: Law::Fixed(Span::from_secs(30)),
            keep_cache: true,
            status_batch: Span::from_millis(100),
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
}

impl Default for RegistryModel {
    fn default() -> Self {
        RegistryModel {
            bandwidth: Some(1_250_000_000),
            latency: Span::from_millis(1),
            unpack: Some(150_000_000),
            downloads: 3,
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
    /// Pause between leaving the mesh and the stop signal (moby: 2 s), for tasks on an overlay network.
    pub leave: Span,
}

impl Default for OverlayModel {
    fn default() -> Self {
        OverlayModel {
            pool: (0x0A00_0000, 8),
            subnet: 24,
            latency: Law::Uniform { min: Span::from_nanos(100_000), max: Span::from_nanos(400_000) },
            leave: Span::from_secs(2),
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

/// One line of `[expect]`: a bound on the mean of a metric over the replications.
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
}
