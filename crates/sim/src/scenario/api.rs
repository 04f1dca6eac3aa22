//! What Swarm's API would refuse of a service, in its words (SwarmKit `manager/controlapi/service.go`, `common.go`).

use sched::spec::{EndpointMode, Mode, Port, Protocol, PublishMode, Resources, ServiceSpec};

/// Everything that the API would say about a service by itself.
pub(super) fn refusals(spec: &ServiceSpec) -> Vec<String> {
    let mut refusals = Vec::new();
    name(&spec.name, &mut refusals);
    image(&spec.task.container.image, &mut refusals);
    resources(&spec.task.reservations, &mut refusals);
    resources(&spec.task.limits, &mut refusals);
    refusals.extend(spec.task.placement.constraints.iter().filter_map(|text| constraint(text).err()));
    if spec.mode.is_job() && spec.update.is_some() {
        refusals.push("Jobs may not have an update config".into());
    }
    if spec.update.is_some_and(|update| !(0.0..=1.0).contains(&update.max_failure_ratio)) {
        refusals.push("TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1".into());
    }
    if let Mode::Replicated { replicas } = spec.mode
        && i64::try_from(replicas).is_err()
    {
        refusals.push("Number of replicas must be non-negative".into());
    }
    ports(spec, &mut refusals);
    refusals
}

fn name(name: &str, refusals: &mut Vec<String>) {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if name.is_empty() {
        refusals.push("meta: name must be provided".into());
    } else if !inner || !ends(name.chars().next()) || !ends(name.chars().last()) {
        refusals.push(format!("name must be valid as a DNS name component, `{name}` is not"));
    } else if 63 < name.len() {
        refusals.push("name must be 63 characters or fewer".into());
    }
}

/// The reference grammar without digests' details: `[host[:port]/]path[:tag][@digest]`, the path in lower case.
fn image(reference: &str, refusals: &mut Vec<String>) {
    if reference.is_empty() {
        refusals.push("ContainerSpec: image reference must be provided".into());
        return;
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
        part.starts_with(lower)
            && part.ends_with(lower)
            && part.chars().all(|c| lower(c) || matches!(c, '.' | '_' | '-'))
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let tag_fits = tag.len() <= 128 && tag.starts_with(word) && tag.chars().all(|c| word(c) || c == '.' || c == '-');
    if !parts.iter().all(part) || !tag_fits {
        refusals.push(format!("ContainerSpec: \"{reference}\" is not a valid repository/tag"));
    }
}

fn resources(resources: &Resources, refusals: &mut Vec<String>) {
    const LEAST_CPU: i64 = 1_000_000;
    const LEAST_MEMORY: i64 = 4 << 20;
    if resources.nano_cpus != 0 && resources.nano_cpus < LEAST_CPU {
        let cpus = resources.nano_cpus as f64 / 1e9;
        refusals.push(format!("invalid cpu value {cpus}: Must be at least 0.001"));
    }
    if resources.memory != 0 && resources.memory < LEAST_MEMORY {
        refusals.push(format!("invalid memory value {}: Must be at least 4MiB", resources.memory));
    }
}

/// Key and value of a constraint, if it is one (SwarmKit `manager/constraint/constraint.go`).
pub(super) fn constraint(text: &str) -> Result<(&str, &str), String> {
    let (key, value) = text
        .split_once("==")
        .or_else(|| text.split_once("!="))
        .ok_or("constraint expected one operator from ==, !=")?;
    let (key, value) = (key.trim(), value.trim());
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let key_fits = key.starts_with(letter)
        && 2 <= key.len()
        && key.chars().all(|c| letter(c) || c.is_ascii_digit() || matches!(c, '-' | '.'));
    if !key_fits {
        return Err(format!("key '{key}' is invalid"));
    }
    let value_char = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || r":-_.*()?+[]\^$|/".contains(c);
    if value.is_empty() || !value.chars().all(value_char) {
        return Err(format!("value '{value}' is invalid"));
    }
    Ok((key, value))
}

fn ports(spec: &ServiceSpec, refusals: &mut Vec<String>) {
    let ports = &spec.endpoint.ports;
    if spec.endpoint.mode == EndpointMode::DnsRoundRobin && ports.iter().any(|port| port.mode == PublishMode::Ingress) {
        refusals.push("EndpointSpec: port published with ingress mode can't be used with dnsrr mode".into());
    }
    let published = |port: &Port| (port.protocol, port.published);
    let twice = |at: usize, port: &Port| {
        port.published != 0 && ports[..at].iter().any(|other| published(other) == published(port))
    };
    if ports.iter().enumerate().any(|(at, port)| twice(at, port)) {
        refusals.push("EndpointSpec: duplicate published ports provided".into());
    }
}

/// Published ports of all services so far: a port of the mesh belongs to one service, and to no host.
#[derive(Default)]
pub(super) struct Ports(std::collections::BTreeMap<(Protocol, u16), (PublishMode, String)>);

impl Ports {
    /// Takes the ports of a service; says which are taken already.
    pub fn take(&mut self, spec: &ServiceSpec) -> Vec<String> {
        let mut refusals = Vec::new();
        for port in spec.endpoint.ports.iter().filter(|port| port.published != 0) {
            let key = (port.protocol, port.published);
            match self.0.get(&key) {
                Some((PublishMode::Host, _)) if port.mode == PublishMode::Host => {}
                Some((mode, service)) if *service != spec.name => {
                    let how = match mode {
                        PublishMode::Ingress => "as an ingress port",
                        PublishMode::Host => "as a host-published port",
                    };
                    let number = port.published;
                    refusals.push(format!("port '{number}' is already in use by service '{service}' ({how})"));
                }
                _ => {
                    self.0.insert(key, (port.mode, spec.name.clone()));
                }
            }
        }
        refusals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_those_of_swarmkit() {
        for good in [" node == node1", "NoDe==node1", "no.de==node1", "_node==_node1", "node==[a-b]+c*(n|b)/", "ab!=c"]
        {
            assert!(constraint(good).is_ok(), "{good}");
        }
        for bad in
            ["", " ", "nodeabc", "node ~ abc", "1node==a2", "no de== node1", "no*de==node1", "==node1", "node== "]
        {
            assert!(constraint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn image_references_are_checked() {
        let refused = |reference| {
            let mut refusals = Vec::new();
            image(reference, &mut refusals);
            !refusals.is_empty()
        };
        for good in ["redis", "redis:7.2-alpine", "a/b_c/d-e", "localhost:5000/a", "Reg.io/x@sha256:0"] {
            assert!(!refused(good), "{good}");
        }
        for bad in ["", "Redis", "a b", "redis:", "redis:a:b", "/redis", "a//b", "-a"] {
            assert!(refused(bad), "{bad}");
        }
    }
}
