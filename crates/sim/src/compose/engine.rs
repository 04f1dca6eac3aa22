//! What the cluster refuses of a stack that Docker's command line accepts, by the core's own check.

use sched::Reference;
use sched::api::{ApiError, Part, PublishedPorts};
use sched::spec::ContainerSpec;

use super::convert::Refusal;
use super::scalar::quoted;
use super::sections::Config;
use super::template;
use super::{Stack, Stage};

/// The refusals of a converted stack, service by service in the order of submission.
pub fn check(stack: &Stack, config: &Config) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut ports = PublishedPorts::default();
    for service in &stack.services {
        let node = &config.services[&service.key];
        let mut refuse = |part: &str, message: String| {
            let place = part.split('.').try_fold(node, |node, key| node.get(key)).map_or(node.at, |node| node.at);
            refusals.push((Stage::Engine, Some(place), format!("service {}: {message}", service.key)));
        };
        if let Some((key, why)) = template_refusal(&service.spec.task.container) {
            refuse(key, why);
        }
        // What Docker's command line has refused by itself does not come here.
        let image = &service.spec.task.container.image;
        let is_seen = |part: Part| part != Part::Image || Reference::is_digest(image);
        for ApiError { part, text } in
            sched::api::refusals(&service.spec).into_iter().filter(|refusal| is_seen(refusal.part))
        {
            refuse(key_of(part), text);
        }
        for ApiError { text, .. } in ports.take(None, &service.spec) {
            refuse("ports", text);
        }
    }
    refusals
}

/// The first template of a container that cannot be expanded, and its key.
fn template_refusal(container: &ContainerSpec) -> Option<(&'static str, String)> {
    for env in &container.env {
        if let Some(why) = env.split_once('=').and_then(|(_, value)| template::refusal(value)) {
            return Some(("environment", format!("expanding env failed: expanding env {}: {why}", quoted(env))));
        }
    }
    for mount in &container.mounts {
        let (source, target) = mount.split_once(':').unwrap_or(("", mount));
        for (what, text) in [("source", source), ("target", target)] {
            if let Some(why) = template::refusal(text) {
                let why = format!("expanding mounts failed: expanding mount {what} {}: {why}", quoted(text));
                return Some(("volumes", why));
            }
        }
    }
    let why = template::refusal(&container.hostname)?;
    Some(("hostname", format!("expanding hostname failed: {why}")))
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
