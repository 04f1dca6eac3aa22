//! What the cluster refuses of a stack that Docker's command line accepts, by the core's own check.

use sched::api::{ApiError, Part, PublishedPorts};

use super::convert::Refusal;
use super::sections::Config;
use super::{Stack, Stage};

/// The refusals of a converted stack, service by service in the order of submission.
pub fn check(stack: &Stack, config: &Config) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut ports = PublishedPorts::default();
    for service in &stack.services {
        let node = &config.services[&service.key];
        let mut refuse = |part: &str, message: String| {
            let place = part.split('.').try_fold(node, |node, key| node.get(key)).map_or(node.at, |it| it.at);
            refusals.push((Stage::Engine, Some(place), format!("service {}: {message}", service.key)));
        };
        // Docker's command line has looked at the image by itself.
        let refusals = sched::api::refusals(&service.spec).into_iter().filter(|refusal| refusal.part != Part::Image);
        for ApiError { part, text } in refusals {
            refuse(key_of(part), text);
        }
        // The API does not look at it, but the share of failures means nothing outside 0 to 1.
        if service.spec.rollback.is_some_and(|it| !(0.0..=1.0).contains(&it.max_failure_ratio)) {
            let why = "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1";
            refuse("deploy.rollback_config", why.to_string());
        }
        if service.spec.endpoint.ports.iter().any(|port| port.target == 0) {
            refuse("ports", "EndpointSpec: port in bad range, TargetPort must be set".to_string());
        }
        for ApiError { text, .. } in ports.take(None, &service.spec) {
            refuse("ports", text);
        }
    }
    refusals
}

/// The key of a stack file that says what a refusal is about; none is the service itself.
fn key_of(part: Part) -> &'static str {
    match part {
        Part::Mode => "deploy.replicas",
        Part::Limits => "deploy.resources.limits",
        Part::Reservations => "deploy.resources.reservations",
        Part::Constraints => "deploy.placement.constraints",
        Part::Image => "image",
        Part::Mounts => "volumes",
        Part::Health => "healthcheck",
        Part::Update => "deploy.update_config",
        Part::Endpoint => "ports",
        _ => "",
    }
}
