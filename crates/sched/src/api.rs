//! What Swarm's API refuses, and in which words (SwarmKit `manager/controlapi/service.go`).

use std::fmt;

use crate::cluster::Cluster;
use crate::constraint;
use crate::id::ServiceId;
use crate::spec::{EndpointMode, EndpointSpec, HealthCheck, Mode, PublishMode, Resources, ServiceSpec};
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

/// Checks a specification by itself. The API stops at the first mistake.
pub fn validate(spec: &ServiceSpec) -> Result<(), ApiError> {
    refusals(spec).into_iter().next().map_or(Ok(()), Err)
}

/// Everything that the API would say about a specification by itself, in the order in which it looks.
pub fn refusals(spec: &ServiceSpec) -> Vec<ApiError> {
    let task = &spec.task;
    let mut results =
        vec![validate_name(&spec.name), validate_resources(&task.limits), validate_resources(&task.reservations)];
    let constraints = task.placement.constraints.iter();
    results.extend(constraints.map(|text| constraint::parse_one(text).map(|_| ()).map_err(ApiError)));
    results.push(validate_image(&task.container.image));
    results.extend(task.container.health.iter().map(validate_health));
    results.push(validate_mode(spec));
    results.push(validate_endpoint(&spec.endpoint));
    results.into_iter().filter_map(Result::err).collect()
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

fn validate_mode(spec: &ServiceSpec) -> Result<(), ApiError> {
    if spec.mode.is_job() && spec.update.is_some() {
        return refuse("Jobs may not have an update config");
    }
    if spec.update.is_some_and(|update| !(0.0..=1.0).contains(&update.max_failure_ratio)) {
        return refuse("TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1");
    }
    match spec.mode {
        Mode::Replicated { replicas } if i64::try_from(replicas).is_err() => {
            refuse("Number of replicas must be non-negative")
        }
        _ => Ok(()),
    }
}

fn validate_endpoint(endpoint: &EndpointSpec) -> Result<(), ApiError> {
    let mut seen = Vec::new();
    for port in &endpoint.ports {
        if port.mode == PublishMode::Ingress && endpoint.mode == EndpointMode::DnsRoundRobin {
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

/// The reference grammar without the details of digests: `[host[:port]/]path[:tag][@digest]`, the path in lower case.
fn validate_image(reference: &str) -> Result<(), ApiError> {
    if reference.is_empty() {
        return refuse("ContainerSpec: image reference must be provided");
    }
    let named = reference.split_once('@').map_or(reference, |(named, _)| named);
    let slash = named.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match named[slash..].split_once(':') {
        Some((last, tag)) => (&named[..slash + last.len()], tag),
        None => (named, "latest"),
    };
    let mut parts: Vec<&str> = path.split('/').collect();
    if 1 < parts.len() && (parts[0].contains(['.', ':']) || parts[0] == "localhost") {
        parts.remove(0);
    }
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let part = |part: &&str| {
        let inner = part.chars().all(|c| lower(c) || matches!(c, '.' | '_' | '-'));
        inner && part.starts_with(lower) && part.ends_with(lower)
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let tag_fits = tag.len() <= 128 && tag.starts_with(word) && tag.chars().all(|c| word(c) || c == '.' || c == '-');
    if !parts.iter().all(part) || !tag_fits {
        return refuse(format!("ContainerSpec: \"{reference}\" is not a valid repository/tag"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_references_are_checked() {
        for good in ["redis", "redis:7.2-alpine", "a/b_c/d-e", "localhost:5000/a", "Reg.io/x@sha256:0"] {
            assert_eq!(validate_image(good), Ok(()), "{good}");
        }
        for bad in ["", "Redis", "a b", "redis:", "redis:a:b", "/redis", "a//b", "-a"] {
            assert!(validate_image(bad).is_err(), "{bad}");
        }
    }
}
