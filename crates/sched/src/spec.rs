//! What an operator declares: nodes and services.
//!
//! The field names and defaults are SwarmKit's (`api/types.proto`, `api/defaults/service.go`). A specification is plain
//! data; [`crate::Manager`] checks it when it is submitted and refuses with the words of Swarm's API.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::time::Span;

/// Names and values that an operator or an engine attaches to something.
pub type Labels = BTreeMap<String, String>;

/// Whether a node is also a manager. Placement ignores the difference unless a constraint asks for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum Role {
    /// Runs tasks.
    #[default]
    Worker,
    /// Runs tasks and manages the cluster.
    Manager,
}

/// What the operator wants a node to be used for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum Availability {
    /// Takes new tasks.
    #[default]
    Active,
    /// Keeps its tasks and takes no new ones.
    Pause,
    /// Gives up its tasks and takes no new ones.
    Drain,
}

/// What the manager knows of a node's life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum NodeState {
    /// Not heard of since a change of leader.
    Unknown,
    /// Its heartbeats stopped.
    Down,
    /// Its heartbeats arrive.
    #[default]
    Ready,
    /// Its session ended; never stored by today's SwarmKit.
    Disconnected,
}

/// An operating system and a processor architecture; an empty text in a service means any.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct Platform {
    /// `linux`, `windows`.
    pub os: String,
    /// `x86_64`, `aarch64`, `amd64`, `arm64`.
    pub architecture: String,
}

/// Units of a resource that an engine offers beside CPU and memory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct GenericResource {
    /// The kind, such as `gpu`.
    pub kind: String,
    /// How many, or which.
    pub units: Units,
}

/// How a generic resource is counted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum Units {
    /// An amount.
    Count(i64),
    /// One unit with a name of its own.
    Named(String),
}

/// What a node has, or a task asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct Resources {
    /// 10^-9 CPUs.
    pub nano_cpus: i64,
    /// Bytes.
    pub memory: i64,
    /// Everything else, in the order given: named units are handed out in this order.
    pub generic: Vec<GenericResource>,
}

/// Kinds of engine plugins that placement looks at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum PluginKind {
    /// Volume drivers.
    Volume,
    /// Network drivers.
    Network,
    /// Log drivers.
    Log,
}

/// What an engine reports of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct Description {
    /// The machine's name.
    pub hostname: String,
    /// What the machine runs.
    pub platform: Platform,
    /// All it has; Swarm keeps nothing back for the system.
    pub resources: Resources,
    /// Labels from the engine's configuration file.
    pub engine_labels: Labels,
    /// Drivers it has; most engines have the same.
    pub plugins: Arc<[(PluginKind, String)]>,
}

/// A node as it joins.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct NodeSpec {
    /// The id that `node.id` constraints compare with.
    pub id: String,
    /// Manager or worker.
    pub role: Role,
    /// What it may be used for.
    pub availability: Availability,
    /// Whether it is there yet.
    pub state: NodeState,
    /// Labels that the operator set.
    pub labels: Labels,
    /// Its address, if it has one.
    pub address: Option<String>,
    /// What the engine reported, if it reported yet.
    pub description: Option<Description>,
}

/// How many tasks a service has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum Mode {
    /// A number of interchangeable tasks.
    Replicated {
        /// How many.
        replicas: u64,
    },
    /// One task on every node that satisfies the constraints.
    Global,
    /// Tasks that run to completion.
    ReplicatedJob {
        /// How many at a time.
        max_concurrent: u64,
        /// How many must complete.
        total_completions: u64,
    },
    /// One task that runs to completion on every node that satisfies the constraints.
    GlobalJob,
}

impl Mode {
    /// Whether tasks run to completion.
    pub fn is_job(self) -> bool {
        matches!(self, Mode::ReplicatedJob { .. } | Mode::GlobalJob)
    }

    /// Whether each task belongs to one node.
    pub fn is_per_node(self) -> bool {
        matches!(self, Mode::Global | Mode::GlobalJob)
    }
}

/// When a task that ended is replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum RestartCondition {
    /// Never.
    None,
    /// Unless it ended with exit code 0.
    OnFailure,
    /// Always.
    #[default]
    Any,
}

/// How a task that ended is replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct RestartPolicy {
    /// When.
    pub condition: RestartCondition,
    /// How long the replacement waits before it starts; `None` is [`RestartPolicy::DELAY`].
    pub delay: Option<Span>,
    /// How many replacements a slot gets per version of the service; 0 is unlimited.
    pub max_attempts: u64,
    /// Only replacements within this span before the failure count; zero counts all.
    pub window: Span,
}

impl RestartPolicy {
    /// SwarmKit `api/defaults/service.go`: five seconds.
    pub const DELAY: Span = Span::from_secs(5);
}

impl Default for RestartPolicy {
    fn default() -> Self {
        RestartPolicy { condition: RestartCondition::Any, delay: None, max_attempts: 0, window: Span::ZERO }
    }
}

/// Where tasks may and should go.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct Placement {
    /// Expressions such as `node.labels.zone == east`; all must hold.
    pub constraints: Vec<String>,
    /// Descriptors such as `node.labels.zone`, outermost first, over whose values tasks are spread.
    pub preferences: Vec<String>,
    /// Most tasks of the service on one node; 0 is no limit.
    pub max_replicas: u64,
    /// Platforms of the image; empty is any.
    pub platforms: Vec<Platform>,
}

/// The command that tells whether a container is well, and how often it is asked (moby `daemon/health.go`).
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct HealthCheck {
    /// The probe; empty inherits the image's, `NONE` switches off.
    pub test: Vec<String>,
    /// Gap between probes; `None` is 30 s.
    pub interval: Option<Span>,
    /// Longest probe; `None` is 30 s.
    pub timeout: Option<Span>,
    /// Failures in a row that make a container unhealthy; 0 is 3.
    pub retries: u64,
    /// Failures within it do not count; zero is none.
    pub start_period: Span,
    /// Gap between probes within the start period; `None` is 5 s.
    pub start_interval: Option<Span>,
}

/// What runs. Any change of it makes a service's tasks out of date.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct ContainerSpec {
    /// Image reference.
    pub image: String,
    /// Command line.
    pub command: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment, as `NAME=value`.
    pub env: Vec<String>,
    /// Labels of the container.
    pub labels: Labels,
    /// Host name template.
    pub hostname: String,
    /// How long a container has between the stop signal and the kill; `None` is 10 s.
    pub stop_grace: Option<Span>,
    /// Signal that asks it to stop; empty is the image's.
    pub stop_signal: String,
    /// Health check, if the service sets one.
    pub health: Option<HealthCheck>,
    /// Drivers of the volumes it mounts; `local` and empty need no plugin.
    pub volume_drivers: Vec<String>,
    /// Mounts, as `source:target`.
    pub mounts: Vec<String>,
    /// Names of secrets and configs, as `secret:name` and `config:name`.
    pub files: Vec<String>,
}

/// The template of a service's tasks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct TaskSpec {
    /// What runs.
    pub container: ContainerSpec,
    /// What is set aside for a task on its node; placement looks at nothing else.
    pub reservations: Resources,
    /// What a task may use at most; placement does not look at it.
    pub limits: Resources,
    /// How tasks are replaced; `None` is Swarm's default.
    pub restart: Option<RestartPolicy>,
    /// Where tasks go.
    pub placement: Placement,
    /// Overlay networks that tasks join, by name.
    pub networks: Vec<String>,
    /// Drivers of networks that need a plugin on the node (overlay is built in).
    pub network_drivers: Vec<String>,
    /// Log driver, if the service sets one.
    pub log_driver: Option<String>,
    /// A counter whose change replaces all tasks (`docker service update --force`).
    pub force_update: u64,
}

/// How clients find the tasks of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum EndpointMode {
    /// One virtual IP per network.
    #[default]
    Vip,
    /// All task addresses, in turn.
    DnsRoundRobin,
}

/// Transport protocol of a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// Where a port is published.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum PublishMode {
    /// On every node, through the routing mesh.
    #[default]
    Ingress,
    /// On the task's node only.
    Host,
}

/// A published port.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct Port {
    /// Transport.
    pub protocol: Protocol,
    /// Port in the container.
    pub target: u16,
    /// Port outside; 0 lets Swarm choose.
    pub published: u16,
    /// Mesh or host.
    pub mode: PublishMode,
}

/// What a service shows to its clients.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct EndpointSpec {
    /// Name resolution.
    pub mode: EndpointMode,
    /// Published ports.
    pub ports: Vec<Port>,
}

/// What a rolling update does when a new task fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum FailureAction {
    /// Stops and waits for the operator.
    #[default]
    Pause,
    /// Goes on.
    Continue,
    /// Goes back to the previous specification.
    Rollback,
}

/// Which of the old and the new task of a slot moves first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum UpdateOrder {
    /// The old one stops, then the new one starts.
    #[default]
    StopFirst,
    /// The new one starts, then the old one stops.
    StartFirst,
}

/// How tasks are replaced when their specification changes.
#[derive(Clone, Copy, PartialEq, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct UpdateConfig {
    /// Slots at a time; 0 is all.
    pub parallelism: u64,
    /// Pause after each slot.
    pub delay: Span,
    /// What happens when too many new tasks fail.
    pub failure_action: FailureAction,
    /// How long a new task is watched; `None` is [`UpdateConfig::MONITOR`].
    pub monitor: Option<Span>,
    /// Share of failures that is tolerated, 0 to 1.
    #[cfg_attr(feature = "snapshot", serde(with = "crate::snapshot::text"))]
    pub max_failure_ratio: f32,
    /// Old first or new first.
    pub order: UpdateOrder,
}

impl UpdateConfig {
    /// SwarmKit `api/defaults/service.go`: five seconds.
    pub const MONITOR: Span = Span::from_secs(5);
}

impl Default for UpdateConfig {
    /// SwarmKit `api/defaults/service.go`.
    fn default() -> Self {
        UpdateConfig {
            parallelism: 1,
            delay: Span::ZERO,
            failure_action: FailureAction::Pause,
            monitor: None,
            max_failure_ratio: 0.0,
            order: UpdateOrder::StopFirst,
        }
    }
}

/// A service as it is submitted.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct ServiceSpec {
    /// Its name, unique in the cluster.
    pub name: String,
    /// Labels of the service itself; changing them restarts nothing.
    pub labels: Labels,
    /// How many tasks.
    pub mode: Mode,
    /// What each task is.
    pub task: TaskSpec,
    /// How clients find it.
    pub endpoint: EndpointSpec,
    /// Rolling update; `None` is [`UpdateConfig::default`].
    pub update: Option<UpdateConfig>,
    /// Rolling back; `None` is [`UpdateConfig::default`].
    pub rollback: Option<UpdateConfig>,
    /// Not Swarm's: the failover policy, by its name; `None` is the manager's.
    pub failover: Option<String>,
}

impl ServiceSpec {
    /// Whether its tasks and their endpoints are the same as those of another one.
    pub(crate) fn has_same_tasks(&self, other: &ServiceSpec) -> bool {
        self.task == other.task && self.endpoint == other.endpoint
    }

    /// A replicated service of one task with Swarm's defaults.
    pub fn new(name: impl Into<String>, image: impl Into<String>) -> ServiceSpec {
        ServiceSpec {
            name: name.into(),
            labels: Labels::new(),
            mode: Mode::Replicated { replicas: 1 },
            task: TaskSpec {
                container: ContainerSpec { image: image.into(), ..ContainerSpec::default() },
                ..TaskSpec::default()
            },
            endpoint: EndpointSpec::default(),
            update: None,
            rollback: None,
            failover: None,
        }
    }
}
