//! What Swarm's API refuses, and in which words (SwarmKit `manager/controlapi/service.go`).

use std::collections::BTreeMap;
use std::fmt;

use crate::cluster::Cluster;
use crate::constraint;
use crate::id::ServiceId;
use crate::reference::Reference;
use crate::spec::{EndpointMode, EndpointSpec, HealthCheck, Mode, Protocol, PublishMode, Resources, ServiceSpec};
use crate::time::Span;

/// A refusal in the words of Swarm's API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiError {
    /// What it is about.
    pub part: Part,
    /// The words.
    pub text: String,
}

/// The part of a specification that a refusal is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Part {
    /// The service's name.
    Name,
    /// How many tasks, and of what kind.
    Mode,
    /// What tasks may use.
    Limits,
    /// What is set aside for tasks.
    Reservations,
    /// Placement constraints.
    Constraints,
    /// The image.
    Image,
    /// Mounts.
    Mounts,
    /// The health check.
    Health,
    /// Rolling updates.
    Update,
    /// Published ports and name resolution.
    Endpoint,
    /// The failover policy.
    Failover,
    /// The service as a whole: it is not there, or cannot do what is asked.
    Service,
    /// A node: it is not there.
    Node,
    /// A task: it is not there, or not on a node.
    Task,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ApiError {}

pub(crate) fn refuse<T>(part: Part, text: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError { part, text: text.into() })
}

/// The refusal of everything that is about something that is not there, or not any more.
pub(crate) fn not_found<T>(part: Part, id: impl fmt::Display) -> Result<T, ApiError> {
    let kind = match part {
        Part::Node => "node",
        Part::Task => "task",
        _ => "service",
    };
    refuse(part, format!("{kind} {id} not found"))
}

/// Most tasks of a service. Swarm's API knows no limit, but every task is a record in memory.
const TASKS_MAX: u64 = 1 << 24;

/// Refuses what no memory can hold.
pub(crate) fn validate_size(spec: &ServiceSpec) -> Result<(), ApiError> {
    let tasks = match spec.mode {
        Mode::Replicated { replicas } => replicas,
        Mode::ReplicatedJob { total_completions, .. } => total_completions,
        Mode::Global | Mode::GlobalJob => 0,
    };
    if tasks > TASKS_MAX {
        return refuse(Part::Mode, format!("service {} asks for {tasks} tasks, more than {TASKS_MAX}", spec.name));
    }
    Ok(())
}

/// Checks a specification by itself. The API stops at the first mistake.
pub fn validate(spec: &ServiceSpec) -> Result<(), ApiError> {
    refusals(spec).into_iter().next().map_or(Ok(()), Err)
}

/// Everything that the API would say about a specification by itself, in the order in which it looks.
pub fn refusals(spec: &ServiceSpec) -> Vec<ApiError> {
    let task = &spec.task;
    let mut results = vec![
        validate_name(&spec.name),
        validate_resources(Part::Limits, &task.limits),
        validate_resources(Part::Reservations, &task.reservations),
    ];
    let constraints = task.placement.constraints.iter();
    results.extend(
        constraints.map(|text| constraint::parse_one(text).map(|_| ()).or_else(|text| refuse(Part::Constraints, text))),
    );
    results.push(validate_image(&task.container.image));
    results.push(validate_mounts(&task.container.mounts));
    results.extend(task.container.health.iter().map(validate_health));
    results.push(validate_mode(spec));
    results.push(validate_endpoint(&spec.endpoint));
    results.into_iter().filter_map(Result::err).collect()
}

/// Checks a new or changed service against the others: names and published ports; and against what there is room for.
pub(crate) fn validate_among(cluster: &Cluster, own: Option<ServiceId>, spec: &ServiceSpec) -> Result<(), ApiError> {
    validate_size(spec)?;
    if cluster.services_named(&spec.name).any(|id| Some(id) != own) {
        let text = format!("name conflicts with an existing object: service {} already exists", spec.name);
        return refuse(Part::Name, text);
    }
    if spec.endpoint.ports.is_empty() {
        return Ok(());
    }
    let mut taken = PublishedPorts::default();
    for id in cluster.publishers().filter(|id| Some(*id) != own) {
        taken.take(Some(id), &cluster.services()[id].spec);
    }
    taken.take(own, spec).into_iter().next().map_or(Ok(()), Err)
}

/// Published ports and the services that have them: a port of the mesh belongs to one service, and to no host.
#[derive(Default, Debug)]
pub struct PublishedPorts(BTreeMap<(Protocol, u16), (PublishMode, String, Option<ServiceId>)>);

impl PublishedPorts {
    /// Takes the ports of one more service, which may not have an id yet; says which are taken already.
    pub fn take(&mut self, id: Option<ServiceId>, spec: &ServiceSpec) -> Vec<ApiError> {
        let mut refusals = Vec::new();
        for port in spec.endpoint.ports.iter().filter(|port| port.published != 0) {
            let key = (port.protocol, port.published);
            match self.0.get(&key) {
                Some((PublishMode::Host, ..)) if port.mode == PublishMode::Host => {}
                Some((mode, service, id)) if *service != spec.name => {
                    let how = match mode {
                        PublishMode::Ingress => "as an ingress port",
                        PublishMode::Host => "as a host-published port",
                    };
                    let id = id.map(|id| format!(" ({id:?})")).unwrap_or_default();
                    let text = format!("port '{}' is already in use by service '{service}'{id} {how}", port.published);
                    refusals.push(ApiError { part: Part::Endpoint, text });
                }
                _ => {
                    self.0.insert(key, (port.mode, spec.name.clone(), id));
                }
            }
        }
        refusals
    }
}

fn validate_name(name: &str) -> Result<(), ApiError> {
    if name.is_empty() {
        return refuse(Part::Name, "meta: name must be provided");
    }
    if name.len() > 63 {
        return refuse(Part::Name, "name must be 63 characters or fewer");
    }
    // Go's `^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_]*[A-Za-z0-9])?$`.
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !inner || !edge(name.chars().next()) || !edge(name.chars().last()) {
        return refuse(Part::Name, "name must be valid as a DNS name component");
    }
    Ok(())
}

fn validate_mode(spec: &ServiceSpec) -> Result<(), ApiError> {
    if spec.mode.is_job() && spec.update.is_some() {
        return refuse(Part::Update, "Jobs may not have an update config");
    }
    if spec.update.is_some_and(|update| !(0.0..=1.0).contains(&update.max_failure_ratio)) {
        return refuse(Part::Update, "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1");
    }
    // Clients send signed numbers: what does not fit into one was negative.
    let negative = |count: u64| i64::try_from(count).is_err();
    match spec.mode {
        Mode::Replicated { replicas } if negative(replicas) => {
            refuse(Part::Mode, "Number of replicas must be non-negative")
        }
        Mode::ReplicatedJob { max_concurrent, .. } if negative(max_concurrent) => {
            refuse(Part::Mode, "Maximum concurrent jobs must not be negative")
        }
        Mode::ReplicatedJob { total_completions, .. } if negative(total_completions) => {
            refuse(Part::Mode, "Total completed jobs must not be negative")
        }
        _ => Ok(()),
    }
}

fn validate_endpoint(endpoint: &EndpointSpec) -> Result<(), ApiError> {
    let mut seen = Vec::new();
    for port in &endpoint.ports {
        if port.mode == PublishMode::Ingress && endpoint.mode == EndpointMode::DnsRoundRobin {
            return refuse(
                Part::Endpoint,
                "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
            );
        }
        if port.published != 0 {
            if seen.contains(&(port.protocol, port.published)) {
                return refuse(Part::Endpoint, "EndpointSpec: duplicate published ports provided");
            }
            seen.push((port.protocol, port.published));
        }
    }
    Ok(())
}

fn validate_image(reference: &str) -> Result<(), ApiError> {
    if reference.is_empty() {
        return refuse(Part::Image, "ContainerSpec: image reference must be provided");
    }
    match Reference::parse(reference) {
        Ok(_) => Ok(()),
        Err(_) => refuse(Part::Image, format!("ContainerSpec: \"{reference}\" is not a valid repository/tag")),
    }
}

fn validate_resources(part: Part, resources: &Resources) -> Result<(), ApiError> {
    const MIN_NANO_CPUS: i64 = 1_000_000;
    const MIN_MEMORY: i64 = 4 << 20;
    if resources.nano_cpus != 0 && resources.nano_cpus < MIN_NANO_CPUS {
        let cpus = resources.nano_cpus as f64 / 1e9;
        return refuse(part, format!("invalid cpu value {cpus}: Must be at least 0.001"));
    }
    if resources.memory != 0 && resources.memory < MIN_MEMORY {
        return refuse(part, format!("invalid memory value {}: Must be at least 4MiB", resources.memory));
    }
    Ok(())
}

/// Each place in the container is mounted once. A mount without a source is its target alone.
fn validate_mounts(mounts: &[String]) -> Result<(), ApiError> {
    let targets: Vec<&str> =
        mounts.iter().map(|mount| mount.split_once(':').map_or(mount.as_str(), |(_, target)| target)).collect();
    match targets.iter().enumerate().find(|(index, target)| targets[..*index].contains(target)) {
        Some((_, target)) => refuse(Part::Mounts, format!("ContainerSpec: duplicate mount point: {target}")),
        None => Ok(()),
    }
}

fn validate_health(health: &HealthCheck) -> Result<(), ApiError> {
    let least = Span::from_millis(1);
    let named = [
        ("Interval", health.interval),
        ("Timeout", health.timeout),
        ("StartPeriod", Some(health.start_period)),
        ("StartInterval", health.start_interval),
    ];
    for (name, span) in named {
        if span.is_some_and(|span| span != Span::ZERO && span < least) {
            return refuse(Part::Health, format!("ContainerSpec: {name} in HealthConfig cannot be less than 1ms"));
        }
    }
    Ok(())
}
