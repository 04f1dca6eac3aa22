//! The files of recorded decisions, as they are on disk. Unknown keys are passed over: the format may grow.

use std::collections::BTreeMap;

use sched::spec::{
    Availability, Description, FailureAction, GenericResource, Labels, Mode, NodeSpec, NodeState, Platform, PluginKind,
    Port, Protocol, PublishMode, RestartCondition, RestartPolicy, Role, ServiceSpec, Units, UpdateConfig, UpdateOrder,
};
use sched::{Slot, Span};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Nanoseconds at most: a century, so that no sum of a few is beyond the clock.
const CENTURY: u64 = 100 * 365 * 86_400 * 1_000_000_000;
/// Tasks of a service, and failures of one on a node, at most.
const TASKS: u64 = 100_000;
/// Slots at most.
const SLOTS: u32 = 1_000_000;
/// Billionths of a processor, bytes and units at most, above and below zero.
const AMOUNT: i64 = 1 << 50;

/// Reads a line, and what its script says about services.
///
/// # Errors
///
/// The field and what is wrong with it.
pub(super) fn read(line: &str) -> Result<Recorded, String> {
    let mut json = serde_json::Deserializer::from_str(line);
    let recorded: Recorded = serde_path_to_error::deserialize(&mut json).map_err(|error| complaint("", &error))?;
    json.end().map_err(|error| error.to_string())?;
    for (index, event) in recorded.events.iter().enumerate() {
        if let Some(service) = &event.service {
            value::<ServiceWire>(service.clone(), &format!("events[{index}].service."))?;
        }
        if let Some(set) = &event.set {
            let mut service = serde_json::json!({ "name": "any" });
            service.as_object_mut().into_iter().for_each(|object| object.extend(set.clone()));
            value::<ServiceWire>(service, &format!("events[{index}].set."))?;
        }
    }
    Ok(recorded)
}

fn value<T: DeserializeOwned>(value: Value, path: &str) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| complaint(path, &error))
}

fn complaint(path: &str, error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    // The caller knows the line of the file.
    let inner = error.inner().to_string().replace(" at line 1 column ", " at column ");
    match error.path().to_string().as_str() {
        // Not JSON, or a field of the whole is missing: the message says which.
        "." if path.is_empty() => inner,
        "." => format!("{}: {inner}", path.trim_end_matches('.')),
        field => format!("{path}{field}: {inner}"),
    }
}

/// A number that is in a range.
fn within<'de, D: Deserializer<'de>, T>(from: D, range: std::ops::RangeInclusive<T>) -> Result<T, D::Error>
where
    T: Deserialize<'de> + PartialOrd + std::fmt::Display,
{
    let number = T::deserialize(from)?;
    if range.contains(&number) {
        return Ok(number);
    }
    let (least, most) = (range.start(), range.end());
    Err(D::Error::custom(format!("expected a number from {least} to {most}, found {number}")))
}

fn nanos<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    within(from, 0..=CENTURY)
}

fn tasks<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    within(from, 0..=TASKS)
}

fn failures<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    within(from, 0..=TASKS as u32)
}

fn slot<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    within(from, 0..=SLOTS)
}

fn maybe_nanos<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    struct Nanos(#[serde(deserialize_with = "nanos")] u64);
    Ok(Option::<Nanos>::deserialize(from)?.map(|value| value.0))
}

fn maybe_tasks<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    struct Tasks(#[serde(deserialize_with = "tasks")] u64);
    Ok(Option::<Tasks>::deserialize(from)?.map(|value| value.0))
}

fn maybe_amount<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    struct Amount(#[serde(deserialize_with = "amount")] i64);
    Ok(Option::<Amount>::deserialize(from)?.map(|value| value.0))
}

fn amount<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    within(from, -AMOUNT..=AMOUNT)
}

/// One line of a file.
#[derive(Deserialize)]
pub(super) struct Recorded {
    pub format: String,
    pub id: String,
    pub category: String,
    #[serde(default)]
    pub nodes: Vec<NodeWire>,
    #[serde(default)]
    pub invariants: Invariants,
    // Placement.
    #[serde(default)]
    pub submission: String,
    #[serde(default)]
    pub services: Vec<ServiceWire>,
    #[serde(default)]
    pub node_classes: Vec<Vec<String>>,
    #[serde(default)]
    pub distinct_outcomes: u64,
    #[serde(default)]
    pub sample_outcomes: Vec<SampleOutcome>,
    // Dynamics.
    #[serde(default)]
    pub events: Vec<EventWire>,
    #[serde(default)]
    pub agent: AgentWire,
    #[serde(default)]
    pub task_behaviors: Vec<BehaviorWire>,
    pub task_history_retention_limit: Option<i64>,
    #[serde(default, deserialize_with = "nanos")]
    pub duration_ns: u64,
    #[serde(default)]
    pub deterministic_decisions: bool,
}

#[derive(Deserialize, Default)]
pub(super) struct Invariants {
    #[serde(default)]
    pub per_service: BTreeMap<String, BTreeMap<String, Invariant>>,
    pub all_services_tasks_per_node_sorted: Option<Invariant>,
}

/// What was observed of one property.
#[derive(Deserialize)]
pub(super) struct Invariant {
    pub kind: String,
    pub value: Option<Value>,
    pub min: Option<i64>,
    pub max: Option<i64>,
    pub observed: Option<Vec<Value>>,
}

#[derive(Deserialize)]
pub(super) struct SampleOutcome {
    pub services: BTreeMap<String, Value>,
}

#[derive(Deserialize, Clone)]
pub(super) struct NodeWire {
    pub id: String,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    availability: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    ip_address: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    node_labels: Option<Labels>,
    #[serde(default)]
    engine_labels: Option<Labels>,
    #[serde(default, deserialize_with = "amount")]
    cpu_nanos: i64,
    #[serde(default, deserialize_with = "amount")]
    memory_bytes: i64,
    #[serde(default)]
    generic_resources: Option<Vec<GenericWire>>,
    #[serde(default)]
    plugins: Option<Vec<PluginWire>>,
    #[serde(default)]
    no_description: bool,
}

#[derive(Deserialize, Clone)]
struct GenericWire {
    kind: String,
    #[serde(default, deserialize_with = "maybe_amount")]
    count: Option<i64>,
    named: Option<Vec<String>>,
}

#[derive(Deserialize, Clone)]
struct PluginWire {
    #[serde(rename = "type")]
    kind: String,
    name: String,
}

impl NodeWire {
    pub fn spec(&self) -> NodeSpec {
        let description = Description {
            hostname: self.hostname.clone(),
            platform: Platform { os: self.os.clone(), architecture: self.architecture.clone() },
            resources: sched::spec::Resources {
                nano_cpus: self.cpu_nanos,
                memory: self.memory_bytes,
                generic: generic(self.generic_resources.as_deref().unwrap_or_default()),
            },
            engine_labels: self.engine_labels.clone().unwrap_or_default(),
            plugins: self
                .plugins
                .iter()
                .flatten()
                .map(|plugin| (plugin_kind(&plugin.kind), plugin.name.clone()))
                .collect(),
        };
        NodeSpec {
            id: self.id.clone(),
            role: if self.role == "manager" { Role::Manager } else { Role::Worker },
            availability: availability(&self.availability),
            state: match self.state.as_str() {
                "down" => NodeState::Down,
                "unknown" => NodeState::Unknown,
                "disconnected" => NodeState::Disconnected,
                _ => NodeState::Ready,
            },
            labels: self.node_labels.clone().unwrap_or_default(),
            address: (!self.ip_address.is_empty()).then(|| self.ip_address.clone()),
            description: (!self.no_description).then_some(description),
        }
    }
}

pub(super) fn availability(text: &str) -> Availability {
    match text {
        "pause" => Availability::Pause,
        "drain" => Availability::Drain,
        _ => Availability::Active,
    }
}

fn plugin_kind(text: &str) -> PluginKind {
    match text {
        "Volume" => PluginKind::Volume,
        "Log" => PluginKind::Log,
        _ => PluginKind::Network,
    }
}

fn generic(wire: &[GenericWire]) -> Vec<GenericResource> {
    let mut all = Vec::new();
    for entry in wire {
        let kind = || entry.kind.clone();
        all.extend(entry.count.map(|count| GenericResource { kind: kind(), units: Units::Count(count) }));
        let named = entry.named.iter().flatten();
        all.extend(named.map(|name| GenericResource { kind: kind(), units: Units::Named(name.clone()) }));
    }
    all
}

/// A service as a JSON object, so that an update can replace single keys of it.
#[derive(Deserialize, Clone)]
pub(super) struct ServiceWire {
    pub name: String,
    #[serde(default)]
    mode: String,
    #[serde(default, deserialize_with = "tasks")]
    replicas: u64,
    #[serde(default, deserialize_with = "tasks")]
    max_concurrent: u64,
    #[serde(default, deserialize_with = "tasks")]
    total_completions: u64,
    #[serde(default)]
    constraints: Vec<String>,
    #[serde(default)]
    spread_preferences: Vec<String>,
    #[serde(default, deserialize_with = "amount")]
    reserve_cpu_nanos: i64,
    #[serde(default, deserialize_with = "amount")]
    reserve_memory_bytes: i64,
    #[serde(default)]
    reserve_generic: Vec<GenericWire>,
    #[serde(default)]
    max_replicas_per_node: u64,
    #[serde(default)]
    platforms: Vec<PlatformWire>,
    #[serde(default)]
    host_ports: Vec<PortWire>,
    #[serde(default)]
    volume_drivers: Vec<String>,
    #[serde(default)]
    network_drivers: Vec<String>,
    log_driver: Option<String>,
    #[serde(default)]
    pub bypass_api_validation: bool,
    #[serde(default)]
    pub existing_tasks: Vec<ExistingWire>,
    #[serde(default)]
    pub recent_failures: Vec<FailureWire>,
    image: Option<String>,
    env: Option<Value>,
    #[serde(default)]
    force_update: u64,
    restart_policy: Option<RestartWire>,
    update_config: Option<UpdateWire>,
    rollback_config: Option<UpdateWire>,
}

#[derive(Deserialize, Clone)]
struct PlatformWire {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

#[derive(Deserialize, Clone)]
struct PortWire {
    published_port: u16,
    #[serde(default)]
    protocol: String,
}

#[derive(Deserialize, Clone)]
pub(super) struct ExistingWire {
    #[serde(deserialize_with = "slot")]
    pub slot: u32,
    pub node_id: String,
}

#[derive(Deserialize, Clone)]
pub(super) struct FailureWire {
    pub node_id: String,
    #[serde(deserialize_with = "failures")]
    pub count: u32,
    #[serde(deserialize_with = "nanos")]
    pub age_ns: u64,
}

#[derive(Deserialize, Clone)]
struct RestartWire {
    #[serde(default)]
    condition: String,
    #[serde(default, deserialize_with = "maybe_nanos")]
    delay_ns: Option<u64>,
    #[serde(default)]
    max_attempts: u64,
    #[serde(default, deserialize_with = "nanos")]
    window_ns: u64,
}

#[derive(Deserialize, Clone)]
struct UpdateWire {
    #[serde(default, deserialize_with = "maybe_tasks")]
    parallelism: Option<u64>,
    #[serde(default, deserialize_with = "nanos")]
    delay_ns: u64,
    #[serde(default)]
    failure_action: String,
    #[serde(default, deserialize_with = "maybe_nanos")]
    monitor_ns: Option<u64>,
    #[serde(default)]
    max_failure_ratio: f32,
    #[serde(default)]
    order: String,
}

impl UpdateWire {
    fn config(&self) -> UpdateConfig {
        UpdateConfig {
            parallelism: self.parallelism.unwrap_or(1),
            delay: Span::from_nanos(self.delay_ns),
            failure_action: match self.failure_action.as_str() {
                "continue" => FailureAction::Continue,
                "rollback" => FailureAction::Rollback,
                _ => FailureAction::Pause,
            },
            monitor: self.monitor_ns.map(Span::from_nanos),
            max_failure_ratio: self.max_failure_ratio,
            order: if self.order == "start-first" { UpdateOrder::StartFirst } else { UpdateOrder::StopFirst },
        }
    }
}

impl ServiceWire {
    pub fn spec(&self) -> ServiceSpec {
        let mut spec = ServiceSpec::new(&self.name, self.image.as_deref().unwrap_or("image:v1"));
        spec.mode = match self.mode.as_str() {
            "global" => Mode::Global,
            "replicated-job" => {
                Mode::ReplicatedJob { max_concurrent: self.max_concurrent, total_completions: self.total_completions }
            }
            "global-job" => Mode::GlobalJob,
            _ => Mode::Replicated { replicas: self.replicas },
        };
        spec.task.placement.constraints = self.constraints.clone();
        spec.task.placement.preferences = self.spread_preferences.clone();
        spec.task.placement.max_replicas = self.max_replicas_per_node;
        let platform =
            |platform: &PlatformWire| Platform { os: platform.os.clone(), architecture: platform.architecture.clone() };
        spec.task.placement.platforms = self.platforms.iter().map(platform).collect();
        spec.task.reservations.nano_cpus = self.reserve_cpu_nanos;
        spec.task.reservations.memory = self.reserve_memory_bytes;
        spec.task.reservations.generic = generic(&self.reserve_generic);
        spec.task.container.volume_drivers = self.volume_drivers.clone();
        spec.task.container.env = self.env.iter().map(Value::to_string).collect();
        spec.task.network_drivers = self.network_drivers.clone();
        spec.task.log_driver = self.log_driver.clone();
        spec.task.force_update = self.force_update;
        spec.task.restart = self.restart_policy.as_ref().map(|policy| RestartPolicy {
            condition: match policy.condition.as_str() {
                "none" => RestartCondition::None,
                "on-failure" => RestartCondition::OnFailure,
                _ => RestartCondition::Any,
            },
            delay: policy.delay_ns.map(Span::from_nanos),
            max_attempts: policy.max_attempts,
            window: Span::from_nanos(policy.window_ns),
        });
        let port = |port: &PortWire| Port {
            protocol: match port.protocol.as_str() {
                "udp" => Protocol::Udp,
                "sctp" => Protocol::Sctp,
                _ => Protocol::Tcp,
            },
            target: port.published_port,
            published: port.published_port,
            mode: PublishMode::Host,
        };
        spec.endpoint.ports = self.host_ports.iter().map(port).collect();
        spec.update = self.update_config.as_ref().map(UpdateWire::config);
        spec.rollback = self.rollback_config.as_ref().map(UpdateWire::config);
        spec
    }
}

#[derive(Deserialize, Clone)]
pub(super) struct EventWire {
    #[serde(deserialize_with = "nanos")]
    pub at_ns: u64,
    pub kind: String,
    pub service: Option<Value>,
    pub name: Option<String>,
    pub set: Option<serde_json::Map<String, Value>>,
    pub slot: Option<u32>,
    pub exit_code: Option<i32>,
    pub node_id: Option<String>,
    pub availability: Option<String>,
    pub labels: Option<Labels>,
    #[serde(default, deserialize_with = "amount")]
    pub cpu_nanos: i64,
    #[serde(default, deserialize_with = "amount")]
    pub memory_bytes: i64,
    pub node: Option<NodeWire>,
}

#[derive(Deserialize, Default, Clone, Copy)]
pub(super) struct AgentWire {
    #[serde(default, deserialize_with = "nanos")]
    pub prepare_ns: u64,
    #[serde(default, deserialize_with = "nanos")]
    pub start_ns: u64,
    #[serde(default, deserialize_with = "nanos")]
    pub stop_ns: u64,
}

#[derive(Deserialize)]
pub(super) struct BehaviorWire {
    service: Option<String>,
    slots: Option<Vec<u32>>,
    node_ids: Option<Vec<String>>,
    image: Option<String>,
    instances: Option<Vec<u32>>,
    pub phase: String,
    #[serde(default, deserialize_with = "nanos")]
    pub after_ns: u64,
    #[serde(default)]
    pub exit_code: i32,
}

impl BehaviorWire {
    pub fn matches(&self, service: &str, slot: Slot, node: &str, image: &str, instance: u32) -> bool {
        let number = match slot {
            Slot::Number(number) => number,
            Slot::Node(_) | Slot::Spare(_) => 0,
        };
        self.service.as_deref().is_none_or(|wanted| wanted == service)
            && self.slots.as_ref().is_none_or(|slots| slots.contains(&number))
            && self.node_ids.as_ref().is_none_or(|ids| ids.iter().any(|id| id == node))
            && self.image.as_deref().is_none_or(|wanted| wanted == image)
            && self.instances.as_ref().is_none_or(|instances| instances.contains(&instance))
    }
}
