//! What the manager keeps, in the objects of the API: one function for each part of an object, none of which looks elsewhere.

use sched::spec::{self, Availability, EndpointMode, Mode, NodeState, PluginKind, PublishMode, Resources, Role, Units};
use sched::{DesiredState, Reference, Span, TaskState};

use super::objects as api;
use super::stamp::Ids;
use crate::compose::json::{failure_action, protocol, restart_condition, update_order};
use crate::order::FileKind;

/// The label of what belongs to a stack.
pub const STACK: &str = "com.docker.stack.namespace";

/// SwarmKit `api/defaults/service.go`.
const STOP_GRACE: Span = Span::from_secs(10);

/// Whether values that an operator left out are shown (`insertDefaults`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defaults {
    /// As they were stored.
    Left,
    /// With SwarmKit's defaults.
    Inserted,
}

/// An image as the client names it to the managers: with its tag.
pub fn image(text: &str) -> String {
    let last = text.rsplit('/').next().unwrap_or(text);
    let is_whole = last.contains([':', '@']) || Reference::parse(text).is_err();
    if is_whole { text.to_string() } else { format!("{text}:latest") }
}

pub fn service_spec(
    spec: &spec::ServiceSpec,
    ids: Ids,
    network: &dyn Fn(&str) -> String,
    defaults: Defaults,
) -> api::ServiceSpec {
    let inserted = defaults == Defaults::Inserted;
    let config = |config: &Option<spec::UpdateConfig>| match config {
        Some(config) => Some(update_config(config, inserted)),
        None => inserted.then(|| update_config(&spec::UpdateConfig::default(), true)),
    };
    let mut task_template = task_spec(spec, ids, network);
    task_template.runtime = Some("container");
    if inserted {
        let container = &mut task_template.container_spec;
        container.stop_grace_period.get_or_insert(STOP_GRACE.as_nanos());
        container.dns_config = Some(api::Empty {});
        let policy =
            task_template.restart_policy.get_or_insert_with(|| restart_policy(&spec::RestartPolicy::default()));
        policy.delay.get_or_insert(spec::RestartPolicy::DELAY.as_nanos());
    }
    api::ServiceSpec {
        name: spec.name.clone(),
        labels: spec.labels.clone(),
        task_template,
        mode: match spec.mode {
            Mode::Replicated { replicas } => api::Mode::Replicated { replicas },
            Mode::Global => api::Mode::Global {},
            Mode::ReplicatedJob { max_concurrent, total_completions } => {
                api::Mode::ReplicatedJob { max_concurrent, total_completions }
            }
            Mode::GlobalJob => api::Mode::GlobalJob {},
        },
        update_config: config(&spec.update),
        rollback_config: config(&spec.rollback),
        endpoint_spec: Some(endpoint_spec(&spec.endpoint)),
    }
}

/// The template of tasks as it is stored. What the client sends beside what an operator says depends on whether a service is of
/// a stack.
pub fn task_spec(spec: &spec::ServiceSpec, ids: Ids, network: &dyn Fn(&str) -> String) -> api::TaskSpec {
    let task = &spec.task;
    let stack = spec.labels.get(STACK).map(String::as_str);
    let own = |name: &str| match stack.and_then(|stack| name.strip_prefix(stack)?.strip_prefix('_')) {
        Some(own) => own.to_string(),
        None => name.to_string(),
    };
    // `docker service create` sends empty amounts, `docker stack deploy` none.
    let is_sent = |resources: &Resources| stack.is_none() || *resources != Resources::default();
    let needs = |resources: &Resources| is_sent(resources).then(|| amounts(resources));
    let join = |name: &String| api::NetworkAttachmentConfig {
        target: network(name),
        // `docker stack deploy` gives a service the name that it has in its file.
        aliases: stack.map(|_| own(&spec.name)).into_iter().collect(),
    };
    api::TaskSpec {
        container_spec: container_spec(&task.container, ids, stack.is_some(), &own),
        resources: api::ResourceRequirements { limits: needs(&task.limits), reservations: needs(&task.reservations) },
        restart_policy: task.restart.as_ref().map(restart_policy),
        placement: api::Placement {
            constraints: task.placement.constraints.clone(),
            preferences: task.placement.preferences.iter().map(|over| preference(over)).collect(),
            max_replicas: task.placement.max_replicas,
            platforms: task.placement.platforms.iter().map(platform).collect(),
        },
        networks: task.networks.iter().map(join).collect(),
        log_driver: task.log_driver.as_ref().map(|name| api::Driver { name: name.clone(), options: None }),
        force_update: task.force_update,
        runtime: None,
    }
}

fn preference(over: &str) -> api::Preference {
    api::Preference { spread: api::Spread { spread_descriptor: over.to_string() } }
}

fn container_spec(
    container: &spec::ContainerSpec,
    ids: Ids,
    is_of_stack: bool,
    own: &dyn Fn(&str) -> String,
) -> api::ContainerSpec {
    let file = |kind: FileKind, name: &str| {
        let file = api::FileTarget { name: own(name), uid: "0", gid: "0", mode: 0o444 };
        (file, ids.file(kind, name), name.to_string())
    };
    let of = |kind: FileKind| {
        let names = container.files.iter().filter_map(move |file| file.strip_prefix(kind.word())?.strip_prefix(':'));
        names.map(move |name| file(kind, name))
    };
    api::ContainerSpec {
        image: image(&container.image),
        labels: container.labels.clone(),
        command: container.command.clone(),
        args: container.args.clone(),
        hostname: container.hostname.clone(),
        env: container.env.clone(),
        privileges: is_of_stack.then_some(api::Privileges { credential_spec: None, selinux_context: None }),
        init: (!is_of_stack).then_some(false),
        stop_signal: container.stop_signal.clone(),
        mounts: container.mounts.iter().map(|mount| mount_of(mount)).collect(),
        stop_grace_period: container.stop_grace.map(Span::as_nanos),
        healthcheck: container.health.as_ref().map(|check| api::Healthcheck {
            test: check.test.clone(),
            interval: nanos(check.interval),
            timeout: nanos(check.timeout),
            start_period: check.start_period.as_nanos(),
            start_interval: nanos(check.start_interval),
            retries: check.retries,
        }),
        dns_config: (!is_of_stack).then_some(api::Empty {}),
        secrets: of(FileKind::Secret)
            .map(|(file, secret_id, secret_name)| api::SecretReference { file, secret_id, secret_name })
            .collect(),
        configs: of(FileKind::Config)
            .map(|(file, config_id, config_name)| api::ConfigReference { file, config_id, config_name })
            .collect(),
        isolation: "default",
    }
}

fn nanos(span: Option<Span>) -> u64 {
    span.map_or(0, Span::as_nanos)
}

fn mount_of(mount: &str) -> api::Mount {
    let (source, target) = mount.split_once(':').unwrap_or(("", mount));
    let r#type = if source.starts_with(['/', '.', '~']) { "bind" } else { "volume" };
    api::Mount { r#type, source: source.to_string(), target: target.to_string() }
}

/// Amounts of resources.
pub fn amounts(resources: &Resources) -> api::Resources {
    api::Resources {
        nano_cpus: resources.nano_cpus,
        memory_bytes: resources.memory,
        generic_resources: resources.generic.iter().map(generic).collect(),
    }
}

pub fn generic(resource: &spec::GenericResource) -> api::GenericResource {
    let kind = resource.kind.clone();
    match &resource.units {
        Units::Count(value) => api::GenericResource::Discrete { kind, value: *value },
        Units::Named(name) => api::GenericResource::Named { kind, value: name.clone() },
    }
}

fn restart_policy(policy: &spec::RestartPolicy) -> api::RestartPolicy {
    api::RestartPolicy {
        condition: restart_condition(policy.condition),
        delay: policy.delay.map(Span::as_nanos),
        max_attempts: policy.max_attempts,
        window: (policy.window != Span::ZERO).then(|| policy.window.as_nanos()),
    }
}

fn update_config(config: &spec::UpdateConfig, inserted: bool) -> api::UpdateConfig {
    let default = inserted.then_some(spec::UpdateConfig::MONITOR);
    api::UpdateConfig {
        parallelism: config.parallelism,
        delay: config.delay.as_nanos(),
        failure_action: failure_action(config.failure_action),
        monitor: config.monitor.or(default).map(Span::as_nanos),
        max_failure_ratio: config.max_failure_ratio,
        order: update_order(config.order),
    }
}

pub fn endpoint_spec(endpoint: &spec::EndpointSpec) -> api::EndpointSpec {
    let mode = match endpoint.mode {
        EndpointMode::Vip => "vip",
        EndpointMode::DnsRoundRobin => "dnsrr",
    };
    api::EndpointSpec { mode: Some(mode), ports: endpoint.ports.iter().map(port).collect() }
}

pub fn port(port: &spec::Port) -> api::Port {
    api::Port {
        protocol: protocol(port.protocol),
        target_port: port.target,
        published_port: port.published,
        publish_mode: match port.mode {
            PublishMode::Ingress => "ingress",
            PublishMode::Host => "host",
        },
    }
}

pub fn platform(platform: &spec::Platform) -> api::Platform {
    api::Platform { architecture: platform.architecture.clone(), os: platform.os.clone() }
}

/// What an engine says of itself.
pub fn description(description: &spec::Description) -> api::NodeDescription {
    let mut plugins: Vec<api::Plugin> = description
        .plugins
        .iter()
        .map(|(kind, name)| api::Plugin { r#type: plugin_kind(*kind), name: name.clone() })
        .collect();
    plugins.sort();
    api::NodeDescription {
        hostname: description.hostname.clone(),
        platform: platform(&description.platform),
        resources: amounts(&description.resources),
        engine: api::EngineDescription {
            engine_version: super::ENGINE_VERSION,
            labels: description.engine_labels.clone(),
            plugins,
        },
    }
}

fn plugin_kind(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Volume => "Volume",
        PluginKind::Network => "Network",
        PluginKind::Log => "Log",
    }
}

pub fn role(role: Role) -> &'static str {
    match role {
        Role::Worker => "worker",
        Role::Manager => "manager",
    }
}

pub fn availability(availability: Availability) -> &'static str {
    match availability {
        Availability::Active => "active",
        Availability::Pause => "pause",
        Availability::Drain => "drain",
    }
}

/// A state of a node and what the dispatcher says of it (SwarmKit `manager/dispatcher/dispatcher.go`).
pub fn node_state(state: NodeState) -> (&'static str, &'static str) {
    match state {
        NodeState::Unknown => ("unknown", "Node moved to \"unknown\" state due to leadership change in cluster"),
        NodeState::Down => ("down", "heartbeat failure"),
        NodeState::Ready => ("ready", ""),
        NodeState::Disconnected => ("disconnected", ""),
    }
}

pub fn desired_state(state: DesiredState) -> &'static str {
    match state {
        DesiredState::Ready => "ready",
        DesiredState::Running => "running",
        DesiredState::Complete => "complete",
        DesiredState::Shutdown => "shutdown",
        DesiredState::Remove => "remove",
    }
}

pub fn task_state(state: TaskState) -> &'static str {
    match state {
        TaskState::New => "new",
        TaskState::Pending => "pending",
        TaskState::Assigned => "assigned",
        TaskState::Accepted => "accepted",
        TaskState::Preparing => "preparing",
        TaskState::Ready => "ready",
        TaskState::Starting => "starting",
        TaskState::Running => "running",
        TaskState::Complete => "complete",
        TaskState::Shutdown => "shutdown",
        TaskState::Failed => "failed",
        TaskState::Rejected => "rejected",
        TaskState::Remove => "remove",
        TaskState::Orphaned => "orphaned",
    }
}

/// What the orchestrators, the scheduler and the agent write beside a state (SwarmKit `agent/exec/controller.go`,
/// `manager/scheduler/scheduler.go`). One that failed keeps what was said of the step before.
pub fn task_message(state: TaskState, is_per_node: bool, is_node_removed: bool) -> &'static str {
    match state {
        TaskState::New => "created",
        TaskState::Pending => "pending task scheduling",
        TaskState::Assigned if is_per_node => "scheduler confirmed task can run on preassigned node",
        TaskState::Assigned => "scheduler assigned task to node",
        TaskState::Accepted => "accepted",
        TaskState::Preparing | TaskState::Rejected => "preparing",
        TaskState::Ready => "prepared",
        TaskState::Starting => "starting",
        TaskState::Running | TaskState::Failed => "started",
        TaskState::Complete => "finished",
        TaskState::Shutdown => "shutdown",
        TaskState::Remove => "removed",
        TaskState::Orphaned if is_node_removed => "Task belonged to a node that has been deleted",
        TaskState::Orphaned => "",
    }
}

/// An address in four numbers.
pub fn address(address: u32) -> String {
    std::net::Ipv4Addr::from(address).to_string()
}

/// Bytes in base 64.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let at = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_that_of_rfc_4648() {
        let pairs =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        for (plain, coded) in pairs {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfb]), "//77");
    }

    #[test]
    fn an_image_has_the_tag_that_the_client_gives_it() {
        let pairs = [
            ("nginx", "nginx:latest"),
            ("nginx:1", "nginx:1"),
            ("localhost:5000/a/web", "localhost:5000/a/web:latest"),
            ("Not An Image", "Not An Image"),
        ];
        for (written, whole) in pairs {
            assert_eq!(image(written), whole);
        }
    }
}
