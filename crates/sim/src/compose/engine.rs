//! What the cluster refuses of a stack that Docker's command line accepts (SwarmKit `manager/controlapi`).

use std::collections::BTreeMap;

use sched::spec::{EndpointMode, PublishMode, Resources};

use super::convert::Refusal;
use super::sections::Config;
use super::{Stack, StackService, Stage};

/// Least memory that a service may ask for or be limited to, in bytes.
const LEAST_MEMORY: i64 = 4 << 20;
/// Least CPU, in billionths.
const LEAST_NANO_CPUS: i64 = 1_000_000;

/// The refusals of a converted stack, service by service in the order of submission.
pub fn check(stack: &Stack, config: &Config) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut ingress = BTreeMap::new();
    for service in &stack.services {
        let node = &config.services[&service.key];
        let mut refuse = |part: &str, message: String| {
            let place = part.split('.').try_fold(node, |node, key| node.get(key)).map_or(node.at, |it| it.at);
            refusals.push((Stage::Engine, Some(place), format!("service {}: {message}", service.key)));
        };
        for (which, resources) in
            [("limits", &service.spec.task.limits), ("reservations", &service.spec.task.reservations)]
        {
            if let Err(why) = resources_fit(resources) {
                refuse(&format!("deploy.resources.{which}"), why);
            }
        }
        for constraint in &service.spec.task.placement.constraints {
            if let Err(why) = constraint_holds_together(constraint) {
                refuse("deploy.placement.constraints", why);
            }
        }
        for which in ["update", "rollback"] {
            let update = if which == "update" { service.spec.update } else { service.spec.rollback };
            if update.is_some_and(|it| !(0.0..=1.0).contains(&it.max_failure_ratio)) {
                let why = "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1";
                refuse(&format!("deploy.{which}_config"), why.to_string());
            }
        }
        if let Err(why) = ports_fit(service, &mut ingress) {
            refuse("ports", why);
        }
    }
    refusals
}

fn resources_fit(resources: &Resources) -> Result<(), String> {
    if resources.memory != 0 && resources.memory < LEAST_MEMORY {
        return Err(format!("invalid memory value {}: Must be at least 4MiB", resources.memory));
    }
    if resources.nano_cpus != 0 && resources.nano_cpus < LEAST_NANO_CPUS {
        // For the message only.
        let cpus = resources.nano_cpus as f64 / 1e9;
        return Err(format!("invalid cpu value {cpus}: Must be at least 0.001"));
    }
    Ok(())
}

/// SwarmKit `manager/constraint/constraint.go`: `key == value` or `key != value`.
fn constraint_holds_together(expression: &str) -> Result<(), String> {
    let split = expression.split_once("==").or_else(|| expression.split_once("!="));
    let (key, value) = split.ok_or("constraint expected one operator from ==, !=")?;
    let (key, value) = (key.trim(), value.trim());
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let begins = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || key.len() < 2 || !key.chars().all(is_word) {
        return Err(format!("key '{key}' is invalid"));
    }
    let is_value = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":-_.*()?+[]\\^$|/".contains(c);
    if value.is_empty() || !value.chars().all(is_value) {
        return Err(format!("value '{value}' is invalid"));
    }
    Ok(())
}

/// Ports of one service, against each other and against those that earlier services publish on the mesh.
fn ports_fit(
    service: &StackService,
    ingress: &mut BTreeMap<(sched::spec::Protocol, u16), String>,
) -> Result<(), String> {
    let endpoint = &service.spec.endpoint;
    let mut own = BTreeMap::new();
    for port in &endpoint.ports {
        if port.mode == PublishMode::Ingress && endpoint.mode == EndpointMode::DnsRoundRobin {
            return Err("EndpointSpec: port published with ingress mode can't be used with dnsrr mode".to_string());
        }
        if port.target == 0 {
            return Err("EndpointSpec: port in bad range, TargetPort must be set".to_string());
        }
        if port.published != 0 && own.insert((port.protocol, port.published), ()).is_some() {
            return Err("EndpointSpec: duplicate published ports provided".to_string());
        }
    }
    for port in endpoint.ports.iter().filter(|port| port.published != 0) {
        let key = (port.protocol, port.published);
        if let Some(other) = ingress.get(&key) {
            let number = port.published;
            return Err(format!("port '{number}' is already in use by service '{other}' as an ingress port"));
        }
    }
    for port in endpoint.ports.iter().filter(|port| port.published != 0 && port.mode == PublishMode::Ingress) {
        ingress.insert((port.protocol, port.published), service.spec.name.clone());
    }
    Ok(())
}
