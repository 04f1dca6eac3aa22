//! What Swarm's API refuses, and in which words (SwarmKit `manager/controlapi/service.go`).

use std::fmt;

use crate::cluster::Cluster;
use crate::constraint;
use crate::id::ServiceId;
use crate::spec::{EndpointMode, HealthCheck, PublishMode, Resources, ServiceSpec};
use crate::time::Span;

/// A refusal in the words of Swarm's API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiError(pub String);

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ApiError {}

fn refuse<T>(text: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError(text.into()))
}

/// Checks a specification by itself.
pub fn validate(spec: &ServiceSpec) -> Result<(), ApiError> {
    validate_name(&spec.name)?;
    validate_resources(&spec.task.limits)?;
    validate_resources(&spec.task.reservations)?;
    if let Err(text) = constraint::parse(&spec.task.placement.constraints) {
        return refuse(text);
    }
    if spec.task.container.image.is_empty() {
        return refuse("ContainerSpec: image reference must be provided");
    }
    if let Some(health) = &spec.task.container.health {
        validate_health(health)?;
    }
    if spec.mode.is_job() && spec.update.is_some() {
        return refuse("Jobs may not have an update config");
    }
    if let Some(update) = &spec.update
        && !(0.0..=1.0).contains(&update.max_failure_ratio)
    {
        return refuse("TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1");
    }
    let mut seen = Vec::new();
    for port in &spec.endpoint.ports {
        if port.mode == PublishMode::Ingress && spec.endpoint.mode == EndpointMode::DnsRoundRobin {
            return refuse("EndpointSpec: port published with ingress mode can't be used with dnsrr mode");
        }
        if port.published != 0 {
            if seen.contains(&(port.protocol, port.published)) {
                return refuse("EndpointSpec: duplicate published ports provided");
            }
            seen.push((port.protocol, port.published));
        }
    }
    Ok(())
}

/// Checks a new or changed service against the others: names and published ports.
pub(crate) fn validate_among(cluster: &Cluster, own: Option<ServiceId>, spec: &ServiceSpec) -> Result<(), ApiError> {
    let others = || cluster.services().iter().filter(|(id, service)| !service.removed && Some(*id) != own);
    if others().any(|(_, other)| other.spec.name == spec.name) {
        return refuse(format!(
            "rpc error: name conflicts with an existing object: service {} already exists",
            spec.name
        ));
    }
    for port in spec.endpoint.ports.iter().filter(|port| port.published != 0) {
        for (id, other) in others() {
            let clash = other.spec.endpoint.ports.iter().find(|theirs| {
                let same = theirs.published == port.published && theirs.protocol == port.protocol;
                same && (theirs.mode == PublishMode::Ingress || port.mode == PublishMode::Ingress)
            });
            if let Some(theirs) = clash {
                let kind = if theirs.mode == PublishMode::Ingress { "an ingress" } else { "a host-published" };
                let (number, name) = (port.published, &other.spec.name);
                return refuse(format!(
                    "port '{number}' is already in use by service '{name}' ({id:?}) as {kind} port"
                ));
            }
        }
    }
    Ok(())
}

fn validate_name(name: &str) -> Result<(), ApiError> {
    if name.is_empty() {
        return refuse("meta: name must be provided");
    }
    if name.len() > 63 {
        return refuse("name must be 63 characters or fewer");
    }
    // Go's `^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_]*[A-Za-z0-9])?$`.
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !inner || !edge(name.chars().next()) || !edge(name.chars().last()) {
        return refuse("name must be valid as a DNS name component");
    }
    Ok(())
}

fn validate_resources(resources: &Resources) -> Result<(), ApiError> {
    const MIN_NANO_CPUS: i64 = 1_000_000;
    const MIN_MEMORY: i64 = 4 << 20;
    if resources.nano_cpus != 0 && resources.nano_cpus < MIN_NANO_CPUS {
        let cpus = resources.nano_cpus as f64 / 1e9;
        return refuse(format!("invalid cpu value {cpus}: Must be at least 0.001"));
    }
    if resources.memory != 0 && resources.memory < MIN_MEMORY {
        return refuse(format!("invalid memory value {}: Must be at least 4MiB", resources.memory));
    }
    Ok(())
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
            return refuse(format!("ContainerSpec: {name} in HealthConfig cannot be less than 1ms"));
        }
    }
    Ok(())
}
