//! Objects of Docker's Engine API, version 1.41, as far as a run knows them: names and order of the keys, and what is left out
//! when it is empty, are those of moby `api/types`.

use std::collections::BTreeMap;

use sched::spec::Labels;
use serde::Serialize;
use serde::ser::SerializeMap;

use super::stamp::Stamp;

fn is_empty<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The version of an object. The managers of a run keep no log; the number is the time of the last write, in microseconds
/// of the run and one, so that it grows with every write as Raft's index does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Version {
    /// See there.
    #[serde(skip_serializing_if = "is_empty")]
    pub index: u64,
}

/// What every object of a swarm begins with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Meta {
    /// 25 letters.
    #[serde(rename = "ID")]
    pub id: String,
    /// See there.
    pub version: Version,
    /// When it was written first.
    pub created_at: Stamp,
    /// When it was written last.
    pub updated_at: Stamp,
}

/// A service.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Service {
    /// Id, version and times.
    #[serde(flatten)]
    pub meta: Meta,
    /// What is wanted.
    pub spec: ServiceSpec,
    /// What was wanted before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_spec: Option<ServiceSpec>,
    /// What the allocator gave it.
    pub endpoint: Endpoint,
    /// How its last update is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_status: Option<UpdateStatus>,
    /// Counts of tasks, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_status: Option<ServiceStatus>,
    /// Of jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_status: Option<JobStatus>,
}

/// What an operator wants of a service.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServiceSpec {
    /// Its name.
    pub name: String,
    /// Of the service, not of its containers.
    pub labels: Labels,
    /// Its tasks.
    pub task_template: TaskSpec,
    /// How many.
    pub mode: Mode,
    /// How they are replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_config: Option<UpdateConfig>,
    /// How they are put back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_config: Option<UpdateConfig>,
    /// How clients find it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_spec: Option<EndpointSpec>,
}

/// How many tasks a service has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Mode {
    /// A number.
    #[serde(rename_all = "PascalCase")]
    Replicated {
        /// How many.
        replicas: u64,
    },
    /// One on each node.
    Global {},
    /// A number that runs to completion.
    #[serde(rename_all = "PascalCase")]
    ReplicatedJob {
        /// How many at a time.
        max_concurrent: u64,
        /// How many in all.
        total_completions: u64,
    },
    /// One on each node that runs to completion.
    GlobalJob {},
}

/// What a task is.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskSpec {
    /// Its container.
    pub container_spec: ContainerSpec,
    /// What it needs.
    pub resources: ResourceRequirements,
    /// When it is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// Where it goes.
    pub placement: Placement,
    /// Networks that it joins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<NetworkAttachmentConfig>,
    /// Where its output goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_driver: Option<Driver>,
    /// Counts `--force`.
    pub force_update: u64,
    /// `container`; tasks do not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<&'static str>,
}

/// A driver.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Driver {
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Labels>,
}

/// What runs.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerSpec {
    /// The image. Digests are not simulated.
    pub image: String,
    /// Of the container.
    #[serde(skip_serializing_if = "is_empty")]
    pub labels: Labels,
    /// Its entry point.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// A template.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    /// `NAME=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Of services of stacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileges: Option<Privileges>,
    /// Whether a process of its own collects the others: never, which only `docker service create` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    /// What asks it to stop.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// What is mounted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Nanoseconds until the kill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_grace_period: Option<u64>,
    /// Whether it is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Empty; there if `docker service create` made the service, or defaults are inserted.
    #[serde(rename = "DNSConfig", skip_serializing_if = "Option::is_none")]
    pub dns_config: Option<Empty>,
    /// Secrets in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretReference>,
    /// Configs in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub configs: Vec<ConfigReference>,
    /// `default`.
    pub isolation: &'static str,
}

/// `{}`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Empty {}

/// Nothing of it is simulated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Privileges {
    /// None.
    pub credential_spec: Option<Empty>,
    /// None.
    #[serde(rename = "SELinuxContext")]
    pub selinux_context: Option<Empty>,
}

/// Something that is mounted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Mount {
    /// `bind` for a path of the node, else `volume`.
    pub r#type: &'static str,
    /// A path or a name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Where.
    pub target: String,
}

/// A health check. Times are nanoseconds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// The probe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Between probes.
    #[serde(skip_serializing_if = "is_empty")]
    pub interval: u64,
    /// Longest probe.
    #[serde(skip_serializing_if = "is_empty")]
    pub timeout: u64,
    /// In which failures do not count.
    #[serde(skip_serializing_if = "is_empty")]
    pub start_period: u64,
    /// Between probes within it.
    #[serde(skip_serializing_if = "is_empty")]
    pub start_interval: u64,
    /// Failures in a row.
    #[serde(skip_serializing_if = "is_empty")]
    pub retries: u64,
}

/// The file as which a config or secret appears.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FileTarget {
    /// Its name.
    pub name: String,
    /// Its owner.
    #[serde(rename = "UID")]
    pub uid: &'static str,
    /// Its group.
    #[serde(rename = "GID")]
    pub gid: &'static str,
    /// Its mode, 0444.
    pub mode: u32,
}

/// A secret of a container.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretReference {
    /// As what.
    pub file: FileTarget,
    /// Which.
    #[serde(rename = "SecretID")]
    pub secret_id: String,
    /// Which.
    pub secret_name: String,
}

/// A config of a container.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConfigReference {
    /// As what.
    pub file: FileTarget,
    /// Which.
    #[serde(rename = "ConfigID")]
    pub config_id: String,
    /// Which.
    pub config_name: String,
}

/// What a task may use, and what is set aside for it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResourceRequirements {
    /// At most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Resources>,
    /// At least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservations: Option<Resources>,
}

/// Amounts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Resources {
    /// 10^-9 CPUs.
    #[serde(rename = "NanoCPUs", skip_serializing_if = "is_empty")]
    pub nano_cpus: i64,
    /// Bytes.
    #[serde(skip_serializing_if = "is_empty")]
    pub memory_bytes: i64,
    /// Everything else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub generic_resources: Vec<GenericResource>,
}

/// Units of something else.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum GenericResource {
    /// One with a name.
    #[serde(rename = "NamedResourceSpec", rename_all = "PascalCase")]
    Named {
        /// Of what.
        kind: String,
        /// Its name.
        value: String,
    },
    /// A number.
    #[serde(rename = "DiscreteResourceSpec", rename_all = "PascalCase")]
    Discrete {
        /// Of what.
        kind: String,
        /// How many.
        #[serde(skip_serializing_if = "is_empty")]
        value: i64,
    },
}

/// When a task is replaced. Times are nanoseconds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RestartPolicy {
    /// `none`, `on-failure`, `any`.
    pub condition: &'static str,
    /// Before the next one starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<u64>,
    /// At most.
    pub max_attempts: u64,
    /// In which attempts count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
}

/// Where tasks go.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Placement {
    /// All must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    /// Over what they are spread.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preferences: Vec<Preference>,
    /// On one node, at most.
    #[serde(skip_serializing_if = "is_empty")]
    pub max_replicas: u64,
    /// Of the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<Platform>,
}

/// A preference.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Preference {
    /// The only one there is.
    pub spread: Spread,
}

/// Over values of a label.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Spread {
    /// `node.labels.rack`.
    pub spread_descriptor: String,
}

/// A platform.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Platform {
    /// `x86_64`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub architecture: String,
    /// `linux`.
    #[serde(rename = "OS", skip_serializing_if = "String::is_empty")]
    pub os: String,
}

/// A network that tasks join.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkAttachmentConfig {
    /// Its id.
    pub target: String,
    /// Names of the service there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

/// How tasks are replaced. Times are nanoseconds.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateConfig {
    /// At a time.
    pub parallelism: u64,
    /// Between them.
    #[serde(skip_serializing_if = "is_empty")]
    pub delay: u64,
    /// `pause`, `continue`, `rollback`.
    pub failure_action: &'static str,
    /// How long each is watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<u64>,
    /// How many failures are tolerated.
    #[serde(serialize_with = "ratio")]
    pub max_failure_ratio: f32,
    /// `stop-first`, `start-first`.
    pub order: &'static str,
}

/// As Go writes a `float32`: 0 without decimals, and no digits that `f64` would add.
fn ratio<S: serde::Serializer>(ratio: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    if ratio.fract() == 0.0 {
        return serializer.serialize_u64(*ratio as u64);
    }
    serializer.serialize_f64(ratio.to_string().parse().unwrap_or(f64::from(*ratio)))
}

/// How clients find a service.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EndpointSpec {
    /// `vip`, `dnsrr`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    /// Published ports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
}

/// A published port.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Port {
    /// `tcp`, `udp`, `sctp`.
    pub protocol: &'static str,
    /// In the container.
    pub target_port: u16,
    /// Outside. Which one Swarm chooses is not simulated.
    #[serde(skip_serializing_if = "is_empty")]
    pub published_port: u16,
    /// `ingress`, `host`.
    pub publish_mode: &'static str,
}

/// What the allocator gave a service.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Endpoint {
    /// For which specification.
    pub spec: EndpointSpec,
    /// Published ports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// One per network.
    #[serde(rename = "VirtualIPs", skip_serializing_if = "Vec::is_empty")]
    pub virtual_ips: Vec<VirtualIp>,
}

/// A virtual address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VirtualIp {
    /// Where.
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    /// `10.0.1.2/24`.
    pub addr: String,
}

/// How an update is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateStatus {
    /// `updating`, `paused`, `completed`, ...
    pub state: &'static str,
    /// When it began.
    pub started_at: Stamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Stamp>,
    /// In Swarm's words.
    pub message: String,
}

/// Counts of tasks of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServiceStatus {
    /// That run, wanted or not.
    pub running_tasks: u64,
    /// That are wanted.
    pub desired_tasks: u64,
    /// Of a job.
    pub completed_tasks: u64,
}

/// How a job is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct JobStatus {
    /// Which run.
    pub job_iteration: Version,
    /// Since when.
    pub last_execution: Stamp,
}

/// A task.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Task {
    /// Id, version and times.
    #[serde(flatten)]
    pub meta: Meta,
    /// None.
    pub labels: Labels,
    /// What it is.
    pub spec: TaskSpec,
    /// Of which service.
    #[serde(rename = "ServiceID")]
    pub service_id: String,
    /// Its number; nothing for tasks of global services.
    #[serde(skip_serializing_if = "is_empty")]
    pub slot: u32,
    /// Where.
    #[serde(rename = "NodeID", skip_serializing_if = "String::is_empty")]
    pub node_id: String,
    /// How it is.
    pub status: TaskStatus,
    /// What is wanted of it.
    pub desired_state: &'static str,
    /// Its addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks_attachments: Vec<NetworkAttachment>,
    /// Units that it was given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub generic_resources: Vec<GenericResource>,
    /// Of a job: which run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_iteration: Option<Version>,
}

/// How a task is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskStatus {
    /// Since when.
    pub timestamp: Stamp,
    /// `running`.
    pub state: &'static str,
    /// What was done last.
    pub message: &'static str,
    /// What went wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub err: String,
    /// Once there is a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_status: Option<ContainerStatus>,
    /// Its ports on the node.
    pub port_status: PortStatus,
}

/// A container.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerStatus {
    /// 64 hexadecimal digits, if it was created.
    #[serde(rename = "ContainerID")]
    pub container_id: String,
    /// 0: there are no processes.
    #[serde(rename = "PID")]
    pub pid: u32,
    /// As the error of its task says.
    pub exit_code: i64,
}

/// Ports of a task on its node.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PortStatus {
    /// Those of mode `host`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
}

/// A network that a task is on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkAttachment {
    /// Which.
    pub network: SwarmNetwork,
    /// `10.0.1.6/24`.
    pub addresses: Vec<String>,
}

/// A network as the managers keep it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SwarmNetwork {
    /// Id, version and times.
    #[serde(flatten)]
    pub meta: Meta,
    /// What is wanted.
    pub spec: SwarmNetworkSpec,
    /// What the driver has.
    pub driver_state: Driver,
    /// Its addresses.
    #[serde(rename = "IPAMOptions")]
    pub ipam_options: IpamOptions,
}

/// What is wanted of a network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SwarmNetworkSpec {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// `overlay`.
    pub driver_configuration: Driver,
    /// Whether it is that of the mesh.
    #[serde(skip_serializing_if = "is_empty")]
    pub ingress: bool,
    /// `swarm`.
    pub scope: &'static str,
}

/// Addresses of a network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IpamOptions {
    /// `default`.
    pub driver: Driver,
    /// Subnets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub configs: Vec<IpamConfig>,
}

/// A subnet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IpamConfig {
    /// `10.0.1.0/24`.
    pub subnet: String,
    /// `10.0.1.1`.
    pub gateway: String,
}

/// A node.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Node {
    /// Id, version and times.
    #[serde(flatten)]
    pub meta: Meta,
    /// What is wanted of it.
    pub spec: NodeSpec,
    /// What its engine says.
    pub description: NodeDescription,
    /// How it is.
    pub status: NodeStatus,
    /// Of managers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager_status: Option<ManagerStatus>,
}

/// What is wanted of a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeSpec {
    /// Of the node, not of its engine.
    pub labels: Labels,
    /// `worker`, `manager`.
    pub role: &'static str,
    /// `active`, `pause`, `drain`.
    pub availability: &'static str,
}

/// What an engine says of itself. Its certificate is not simulated.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeDescription {
    /// The machine's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    /// What it runs.
    pub platform: Platform,
    /// What it has.
    pub resources: Resources,
    /// The engine.
    pub engine: EngineDescription,
}

/// An engine.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EngineDescription {
    /// Which.
    pub engine_version: &'static str,
    /// From its configuration.
    #[serde(skip_serializing_if = "is_empty")]
    pub labels: Labels,
    /// By type and name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<Plugin>,
}

/// A plugin.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Plugin {
    /// `Log`, `Network`, `Volume`.
    pub r#type: &'static str,
    /// Its name.
    pub name: String,
}

/// How a node is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeStatus {
    /// `ready`, `down`, `unknown`.
    pub state: &'static str,
    /// Why.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub message: &'static str,
    /// Its address.
    pub addr: String,
}

/// How a manager is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManagerStatus {
    /// Whether it leads.
    #[serde(skip_serializing_if = "is_empty")]
    pub leader: bool,
    /// `reachable`, `unreachable`.
    pub reachability: &'static str,
    /// With its port.
    pub addr: String,
}

/// A network as an engine shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Network {
    /// Its name.
    pub name: String,
    /// 25 letters in the swarm, 64 on an engine.
    pub id: String,
    /// When.
    pub created: Stamp,
    /// `swarm`, `local`.
    pub scope: &'static str,
    /// `overlay`, `bridge`, ...
    pub driver: &'static str,
    /// Never.
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    /// Its addresses.
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
    /// Never.
    pub internal: bool,
    /// Never.
    pub attachable: bool,
    /// Whether it is that of the mesh.
    pub ingress: bool,
    /// Nothing.
    pub config_from: ConfigFrom,
    /// Never.
    pub config_only: bool,
    /// What is on it on this engine, if one network is asked for.
    pub containers: Option<Containers>,
    /// Of the driver.
    pub options: Option<Labels>,
    /// Its labels.
    pub labels: Option<Labels>,
    /// Engines that have it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<Peer>,
}

/// Addresses of a network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Ipam {
    /// `default`.
    pub driver: &'static str,
    /// None.
    pub options: Option<Labels>,
    /// Subnets.
    pub config: Vec<IpamConfig>,
}

/// A network that another takes its settings from: none.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConfigFrom {
    /// None.
    pub network: String,
}

/// What is on a network, by id.
pub type Containers = BTreeMap<String, EndpointResource>;

/// A container on a network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EndpointResource {
    /// Of the container.
    pub name: String,
    /// 64 hexadecimal digits.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// From the address, as libnetwork makes it.
    pub mac_address: String,
    /// `10.0.1.6/24`.
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    /// None.
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

/// An engine that has a network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Peer {
    /// 12 hexadecimal digits.
    pub name: String,
    /// Its address.
    #[serde(rename = "IP")]
    pub ip: String,
}

/// A config or secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct File {
    /// Id, version and times.
    #[serde(flatten)]
    pub meta: Meta,
    /// What it is.
    pub spec: FileSpec,
}

/// What a config or secret is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FileSpec {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// What is in a config, in base 64, if that is known; secrets are never told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// What an engine says of itself and its swarm. The host beyond what a scenario says is not simulated.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Info {
    /// Of the engine.
    #[serde(rename = "ID")]
    pub id: String,
    /// Containers with a process.
    pub containers: usize,
    /// The same: others are not counted.
    pub containers_running: usize,
    /// Not counted.
    pub containers_paused: usize,
    /// Not counted.
    pub containers_stopped: usize,
    /// Images that are wholly there.
    pub images: usize,
    /// Its plugins.
    pub plugins: InfoPlugins,
    /// Now.
    pub system_time: Stamp,
    /// Its platform.
    #[serde(rename = "OSType")]
    pub os_type: String,
    /// Its platform.
    pub architecture: String,
    /// Whole CPUs.
    #[serde(rename = "NCPU")]
    pub ncpu: i64,
    /// Bytes.
    pub mem_total: i64,
    /// What it offers beside.
    pub generic_resources: Option<Vec<GenericResource>>,
    /// The machine's name.
    pub name: String,
    /// Of the engine, `key=value`.
    pub labels: Vec<String>,
    /// Which engine.
    pub server_version: &'static str,
    /// Its swarm.
    pub swarm: SwarmInfo,
    /// None.
    pub warnings: Option<Vec<String>>,
}

/// Plugins by type.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InfoPlugins {
    /// Of volumes.
    pub volume: Vec<String>,
    /// Of networks.
    pub network: Vec<String>,
    /// None.
    pub authorization: Option<Vec<String>>,
    /// Of logs.
    pub log: Vec<String>,
}

/// What an engine says of its swarm.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SwarmInfo {
    /// Of this engine.
    #[serde(rename = "NodeID")]
    pub node_id: String,
    /// Its address.
    pub node_addr: String,
    /// `active`, `inactive`.
    pub local_node_state: &'static str,
    /// Whether it is a manager.
    pub control_available: bool,
    /// Why it is not well.
    pub error: String,
    /// Managers that it knows.
    pub remote_managers: Option<Vec<RemoteManager>>,
    /// How many.
    #[serde(skip_serializing_if = "is_empty")]
    pub nodes: usize,
    /// How many.
    #[serde(skip_serializing_if = "is_empty")]
    pub managers: usize,
    /// The swarm, as managers know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
}

/// A manager that an engine knows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RemoteManager {
    /// Which.
    #[serde(rename = "NodeID")]
    pub node_id: String,
    /// With its port.
    pub addr: String,
}

/// A swarm. Its certificates are not simulated.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Cluster {
    /// Id, version and times.
    #[serde(flatten)]
    pub meta: Meta,
    /// Its settings.
    pub spec: ClusterSpec,
    /// Never.
    pub root_rotation_in_progress: bool,
    /// `10.0.0.0/8`; nothing if it is that.
    pub default_addr_pool: Option<Vec<String>>,
    /// Of its networks.
    pub subnet_size: u8,
    /// Docker's default.
    pub data_path_port: u16,
}

/// Settings of a swarm.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ClusterSpec {
    /// `default`.
    pub name: &'static str,
    /// None.
    pub labels: Labels,
    /// See there.
    pub orchestration: Orchestration,
    /// See there.
    pub raft: Raft,
    /// See there.
    pub dispatcher: Dispatcher,
    /// See there.
    #[serde(rename = "CAConfig")]
    pub ca_config: CaConfig,
    /// None.
    pub task_defaults: Empty,
    /// See there.
    pub encryption_config: Encryption,
}

/// Of the orchestrators.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Orchestration {
    /// Records kept per slot.
    pub task_history_retention_limit: u64,
}

/// Of Raft. Snapshots are not simulated: their settings are Docker's defaults.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Raft {
    /// Entries of the log.
    pub snapshot_interval: u64,
    /// How many.
    pub keep_old_snapshots: u64,
    /// Entries.
    pub log_entries_for_slow_followers: u64,
    /// Ticks.
    pub election_tick: u32,
    /// Ticks.
    pub heartbeat_tick: u32,
}

/// Of the dispatcher.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Dispatcher {
    /// Nanoseconds.
    pub heartbeat_period: u64,
}

/// Of the certificates, which do not expire in a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CaConfig {
    /// Nanoseconds, Docker's default.
    pub node_cert_expiry: u64,
}

/// Of the managers' keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Encryption {
    /// Whether managers that are started anew stay locked.
    pub auto_lock_managers: bool,
}

/// What is said of a request that cannot be answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiError {
    /// Of HTTP.
    pub status: u16,
    /// In Docker's words.
    pub message: String,
}

impl ApiError {
    /// Nothing has that name.
    pub fn not_found(kind: &str, name: &str) -> ApiError {
        ApiError { status: 404, message: format!("{kind} {name} not found") }
    }
}

impl Serialize for ApiError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("message", &self.message)?;
        map.end()
    }
}
