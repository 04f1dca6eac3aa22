//! `[[service]]`: services in friendly names.

use std::collections::BTreeSet;

use sched::api::Part;
use sched::spec::{
    EndpointMode, FailureAction, GenericResource, HealthCheck, Labels, Mode, Platform, Port, Protocol, PublishMode,
    Resources, RestartCondition, RestartPolicy, ServiceSpec, Units, UpdateConfig, UpdateOrder,
};
use sched::{Span, Time};

use super::complaint::{Place, suggest};
use super::pattern::expand;
use super::value::{Entry, Table, Value, joined};
use super::{Behaviour, Exit, ServicePlan, strategy};
use crate::engine::law::Law;
use crate::model::agent::StartFailure;
use crate::order::{Change, Edit, LabelChange, List, ResourceEdit, RestartEdit, UpdateEdit};

/// What a service has that an `update` of an event may change.
const CHANGEABLE: &[&str] = &[
    "image",
    "replicas",
    "completions",
    "reserve",
    "limit",
    "constraints",
    "preferences",
    "max_replicas_per_node",
    "platforms",
    "restart",
    "update",
    "rollback",
    "networks",
    "endpoint",
    "ports",
    "labels",
    "stop_grace",
    "volume_drivers",
    "log_driver",
    "exits",
    "stops",
    "health",
    "command",
    "args",
    "env",
    "container_labels",
    "mounts",
    "configs",
    "secrets",
];
const FIXED: &[&str] = &["name", "count", "mode", "at", "stagger", "quorum", "leak", "failover"];
pub(super) const SERVICE: &[&str] = &joined::<{ FIXED.len() + CHANGEABLE.len() }>(FIXED, CHANGEABLE);
const MORE_OR_LESS: &[&str] = &["add", "remove"];
/// What `update` of an event may say.
pub(super) const CHANGE: &[&str] = &joined::<{ CHANGEABLE.len() + MORE_OR_LESS.len() }>(CHANGEABLE, MORE_OR_LESS);
/// Of what entries can be added and removed.
pub(super) const ENTRIES: &[&str] = &[
    "constraints",
    "preferences",
    "networks",
    "ports",
    "labels",
    "volume_drivers",
    "command",
    "args",
    "env",
    "container_labels",
    "mounts",
    "configs",
    "secrets",
];
/// Lists of texts among them.
const LISTS: &[(&str, List)] = &[
    ("command", List::Command),
    ("args", List::Args),
    ("env", List::Env),
    ("constraints", List::Constraints),
    ("preferences", List::Preferences),
    ("networks", List::Networks),
    ("volume_drivers", List::VolumeDrivers),
    ("mounts", List::Mounts),
    ("configs", List::Configs),
    ("secrets", List::Secrets),
];
pub(super) const RESOURCES: &[&str] = &["cpus", "memory", "generic"];
pub(super) const RESTART: &[&str] = &["condition", "delay", "max_attempts", "window"];
pub(super) const UPDATE: &[&str] = &["parallelism", "delay", "failure_action", "monitor", "max_failure_ratio", "order"];
pub(super) const PORT: &[&str] = &["target", "published", "protocol", "mode"];
pub(super) const EXITS: &[&str] = &["after", "code", "fails"];
const FAILURES: &[(&str, StartFailure)] =
    &[("command", StartFailure::Command), ("port", StartFailure::Port), ("mount", StartFailure::Mount)];
pub(super) const LEAK: &[&str] = &["from", "rate"];
pub(super) const STOPS: &[&str] = &["after", "code"];
pub(super) const HEALTH: &[&str] =
    &["interval", "timeout", "retries", "start_period", "start_interval", "ready", "sick", "hangs"];

/// Services of a scenario at most, and tasks of all of them.
pub(super) const SERVICES: u64 = 100_000;
pub(super) const TASKS: u64 = 10_000_000;
/// Exit code of a process that the kernel killed for want of memory: 128 + SIGKILL.
const OUT_OF_MEMORY: i32 = 137;
const CONSTRAINTS: usize = 128;
const PREFERENCES: usize = 8;

#[derive(Clone, Copy)]
enum Kind {
    Replicated,
    Global,
    ReplicatedJob,
    GlobalJob,
}
const MODES: &[(&str, Kind)] = &[
    ("replicated", Kind::Replicated),
    ("global", Kind::Global),
    ("replicated-job", Kind::ReplicatedJob),
    ("global-job", Kind::GlobalJob),
];
const CONDITIONS: &[(&str, RestartCondition)] =
    &[("none", RestartCondition::None), ("on-failure", RestartCondition::OnFailure), ("any", RestartCondition::Any)];
const ACTIONS: &[(&str, FailureAction)] =
    &[("pause", FailureAction::Pause), ("continue", FailureAction::Continue), ("rollback", FailureAction::Rollback)];
pub(super) const ORDERS: &[(&str, UpdateOrder)] =
    &[("stop-first", UpdateOrder::StopFirst), ("start-first", UpdateOrder::StartFirst)];
const ENDPOINTS: &[(&str, EndpointMode)] = &[("vip", EndpointMode::Vip), ("dnsrr", EndpointMode::DnsRoundRobin)];
const PROTOCOLS: &[(&str, Protocol)] = &[("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("sctp", Protocol::Sctp)];
const PUBLISH_MODES: &[(&str, PublishMode)] = &[("ingress", PublishMode::Ingress), ("host", PublishMode::Host)];

/// Reads a table into the services that it stands for, each with the place to complain about.
pub(super) fn services(table: &Table<'_>, labels: &BTreeSet<String>, services: &mut Vec<(ServicePlan, Place)>) {
    let count = table.read("count", |value| value.count(0..=SERVICES)).unwrap_or(1);
    let name = table.need("name", Value::text);
    let image = table.need("image", Value::text);
    let at = table.read("at", Value::duration).unwrap_or_default();
    let stagger = table.read("stagger", Value::duration).unwrap_or_default();
    let quorum = table.read("quorum", |value| value.count(1..=TASKS));
    let mut template = specification(table);
    let failover = strategy::of_service(table, labels);
    template.failover = (!failover.is_empty()).then(|| sched::failover::label(&failover));
    let behaviour = behaviour(table, template.task.limits.memory);
    let (Some(name), Some(image)) = (name, image) else { return };
    if SERVICES < services.len() as u64 + count {
        table.complain(format!("more than {SERVICES} services"));
        return;
    }

    let numbered = if count == 1 || name.contains('{') { name.to_string() } else { format!("{name}-{{i+1}}") };
    let expanded = |key, pattern: &str, i| {
        let complain = |error| table.get(key).iter().for_each(|value| value.complain(&error));
        expand(pattern, i).map_err(complain)
    };
    let named = table.get("name").map_or(table.place, |value| value.place);
    for i in 0..count {
        let (Ok(name), Ok(image)) = (expanded("name", &numbered, i), expanded("image", image, i)) else { return };
        let mut spec = ServiceSpec { name, ..template.clone() };
        spec.task.container.image = image;
        for refusal in sched::api::refusals(&spec) {
            let message = format!("service `{}`: {refusal}", spec.name);
            table.sink.complain(Some(place_of(table, refusal.part).unwrap_or(named)), message, None);
        }
        if i == 0 && !failover.is_empty() {
            strategy::check_own(table, &failover, &spec, named);
        }
        let at = Time::ZERO + at + Span::from_nanos(stagger.as_nanos().saturating_mul(i));
        let failover = failover.clone();
        services.push((ServicePlan { spec, failover, stack: None, at, behaviour, quorum }, named));
    }
}

/// Where the API's refusal points to.
fn place_of(table: &Table<'_>, part: Part) -> Option<Place> {
    let key = match part {
        Part::Image => "image",
        Part::Endpoint => "ports",
        Part::Failover => "failover",
        Part::Constraints => "constraints",
        Part::Update => "update",
        Part::Limits => "limit",
        Part::Reservations => "reserve",
        Part::Mode => "replicas",
        Part::Health => "health",
        _ => "name",
    };
    table.get(key).map(|value| value.place)
}

fn specification(table: &Table<'_>) -> ServiceSpec {
    let mut spec = ServiceSpec::new("", "");
    spec.mode = mode(table);
    spec.labels = table.read("labels", service_labels).unwrap_or_default();
    spec.update = table.read("update", |value| update(value, ACTIONS));
    // A rollback does not roll back again; the command line offers the other two only.
    spec.rollback = table.read("rollback", |value| update(value, &ACTIONS[..2]));
    spec.endpoint.mode = table.read("endpoint", |value| value.choice(ENDPOINTS)).unwrap_or_default();
    spec.endpoint.ports =
        table.read("ports", |value| Some(value.list().iter().filter_map(port).collect())).unwrap_or_default();

    let task = &mut spec.task;
    task.reservations = table.read("reserve", resources).unwrap_or_default();
    task.limits = table.read("limit", resources).unwrap_or_default();
    task.restart = table.read("restart", restart);
    task.networks = table.read("networks", Value::texts).unwrap_or_default();
    task.log_driver = table.read("log_driver", Value::text).map(str::to_string);
    task.container.health = table.read("health", health);
    task.container.stop_grace = table.read("stop_grace", Value::duration);
    task.container.labels = table.read("container_labels", service_labels).unwrap_or_default();
    task.container.volume_drivers = table.read("volume_drivers", Value::texts).unwrap_or_default();
    task.placement.constraints = table.read("constraints", constraints).unwrap_or_default();
    task.placement.preferences = table.read("preferences", preferences).unwrap_or_default();
    task.placement.platforms = table.read("platforms", platforms).unwrap_or_default();
    task.placement.max_replicas =
        table.read("max_replicas_per_node", |value| value.count(0..=TASKS)).unwrap_or_default();
    for (key, list) in LISTS.iter().filter(|(key, _)| NEW_LISTS.contains(key)) {
        if let Some(texts) = table.read(key, |value| list_of(key, value)) {
            list.set(&mut spec, &texts);
        }
    }
    spec
}

/// Lists that nothing but their change depends on.
const NEW_LISTS: &[&str] = &["command", "args", "env", "mounts", "configs", "secrets"];

/// A list by its key.
fn list_of(key: &str, value: &Value<'_>) -> Option<Vec<String>> {
    match key {
        "constraints" => constraints(value),
        "preferences" => preferences(value),
        "env" => environment(value),
        _ => value.texts(),
    }
}

/// `["NAME=value"]`, or a table.
fn environment(value: &Value<'_>) -> Option<Vec<String>> {
    if !value.is_table() {
        return value.texts();
    }
    let entry = |entry: Entry<'_>| entry.value.scalar().map(|text| format!("{}={text}", entry.key));
    Some(value.entries().into_iter().filter_map(entry).collect())
}

/// What `update` of an event changes of a service: the keys of `[[service]]`. Lists and labels are given as a whole, or by
/// `add` and `remove`; of tables of numbers those that are given change.
pub(super) fn change(value: &Value<'_>) -> Option<Change> {
    let complaints = value.sink.count();
    let table = value.table(CHANGE)?;
    let mut edits = Vec::new();
    let mut edit = |key: &str, read: &dyn Fn(&Value<'_>) -> Option<Edit>| edits.extend(table.read(key, read));
    edit("image", &|value| Some(Edit::Image(value.text()?.to_string())));
    edit("replicas", &|value| value.count(0..=TASKS).map(Edit::Replicas));
    edit("completions", &|value| value.count(0..=TASKS).map(Edit::Completions));
    edit("reserve", &|value| resource_edit(value).map(Edit::Reserve));
    edit("limit", &|value| resource_edit(value).map(Edit::Limit));
    edit("max_replicas_per_node", &|value| value.count(0..=TASKS).map(Edit::MaxReplicas));
    edit("platforms", &|value| platforms(value).map(Edit::Platforms));
    edit("restart", &|value| restart_edit(value).map(Edit::Restart));
    edit("update", &|value| update_edit(value, ACTIONS).map(Edit::Update));
    edit("rollback", &|value| update_edit(value, &ACTIONS[..2]).map(Edit::RollbackPolicy));
    edit("endpoint", &|value| value.choice(ENDPOINTS).map(Edit::Endpoint));
    edit("ports", &|value| Some(Edit::Ports(value.list().iter().filter_map(port).collect())));
    edit("labels", &|value| service_labels(value).map(Edit::Labels));
    edit("container_labels", &|value| service_labels(value).map(Edit::ContainerLabels));
    edit("stop_grace", &|value| value.duration().map(Edit::StopGrace));
    edit("log_driver", &|value| Some(Edit::LogDriver(value.text()?.to_string())));
    edit("exits", &|value| exits(value).map(|exit| Edit::Exits(Some(exit))));
    edit("stops", &|value| stops(value).map(|(after, code)| Edit::Stops(after, code)));
    edit("health", &|value| health(value).map(|check| Edit::Health(Some(check))));
    edit("health", &|value| condition(value).map(|(ready, sick, hangs)| Edit::Condition(ready, sick, hangs)));
    for (key, list) in LISTS {
        edit(key, &|value| list_of(key, value).map(|texts| Edit::Set(*list, texts)));
    }
    if let Some(more) = table.read("add", |value| value.table(ENTRIES)) {
        let mut edit = |key: &str, read: &dyn Fn(&Value<'_>) -> Option<Edit>| edits.extend(more.read(key, read));
        let labels = |value: &Value<'_>| Some(LabelChange { set: service_labels(value)?, remove: Vec::new() });
        edit("labels", &|value| labels(value).map(Edit::ChangeLabels));
        edit("container_labels", &|value| labels(value).map(Edit::ChangeContainerLabels));
        edit("ports", &|value| Some(Edit::AddPorts(value.list().iter().filter_map(port).collect())));
        for (key, list) in LISTS {
            edit(key, &|value| list_of(key, value).map(|texts| Edit::Add(*list, texts)));
        }
    }
    if let Some(less) = table.read("remove", |value| value.table(ENTRIES)) {
        let mut edit = |key: &str, read: &dyn Fn(&Value<'_>) -> Option<Edit>| edits.extend(less.read(key, read));
        let keys = |value: &Value<'_>| Some(LabelChange { set: Labels::new(), remove: value.texts()? });
        edit("labels", &|value| keys(value).map(Edit::ChangeLabels));
        edit("container_labels", &|value| keys(value).map(Edit::ChangeContainerLabels));
        let target = |value: &Value<'_>| value.count(1..=65_535).and_then(|number| u16::try_from(number).ok());
        edit("ports", &|value| Some(Edit::RemovePorts(value.list().iter().filter_map(target).collect())));
        for (key, list) in LISTS {
            edit(key, &|value| value.texts().map(|texts| Edit::Remove(*list, texts)));
        }
    }
    edits.retain(|edit| !edit.is_nothing());
    if edits.is_empty() {
        if table.sink.count() == complaints {
            table.complain(format!("`{}`: nothing changes", table.path));
        }
        return None;
    }
    Some(Change { edits })
}

fn resource_edit(value: &Value<'_>) -> Option<ResourceEdit> {
    let table = value.table(RESOURCES)?;
    Some(ResourceEdit {
        nano_cpus: table.read("cpus", Value::cpus),
        memory: table.read("memory", Value::bytes).map(u64::cast_signed),
        generic: table.read("generic", generic_counts),
    })
}

fn restart_edit(value: &Value<'_>) -> Option<RestartEdit> {
    let table = value.table(RESTART)?;
    Some(RestartEdit {
        condition: table.read("condition", |value| value.choice(CONDITIONS)),
        delay: table.read("delay", Value::duration),
        max_attempts: table.read("max_attempts", |value| value.count(0..=u64::MAX)),
        window: table.read("window", Value::duration),
    })
}

fn update_edit(value: &Value<'_>, actions: &[(&str, FailureAction)]) -> Option<UpdateEdit> {
    let table = value.table(UPDATE)?;
    Some(UpdateEdit {
        parallelism: table.read("parallelism", |value| value.count(0..=TASKS)),
        delay: table.read("delay", Value::duration),
        failure_action: table.read("failure_action", |value| value.choice(actions)),
        monitor: table.read("monitor", Value::duration),
        max_failure_ratio: table.read("max_failure_ratio", |value| value.number(0.0..=1.0)).map(|ratio| ratio as f32),
        order: table.read("order", |value| value.choice(ORDERS)),
    })
}

fn mode(table: &Table<'_>) -> Mode {
    let kind = table.read("mode", |value| value.choice(MODES)).unwrap_or(Kind::Replicated);
    let (replicas, completions) = (table.get("replicas"), table.get("completions"));
    let count = |value: &Option<Value<'_>>| value.as_ref().and_then(|value| value.count(0..=TASKS));
    if let (Kind::Global | Kind::GlobalJob, Some(value)) = (kind, &replicas) {
        value.complain("a global service has one task on each node: leave it out");
    }
    if let (Kind::Global | Kind::GlobalJob | Kind::Replicated, Some(value)) = (kind, &completions) {
        value.complain("only a replicated-job has completions");
    }
    let at_a_time = count(&replicas).unwrap_or(1);
    match kind {
        Kind::Replicated => Mode::Replicated { replicas: at_a_time },
        Kind::Global => Mode::Global,
        Kind::ReplicatedJob => Mode::ReplicatedJob {
            max_concurrent: at_a_time,
            total_completions: count(&completions).unwrap_or(at_a_time),
        },
        Kind::GlobalJob => Mode::GlobalJob,
    }
}

fn service_labels(value: &Value<'_>) -> Option<Labels> {
    let label = |entry: Entry<'_>| entry.value.scalar().map(|text| (entry.key.to_string(), text));
    Some(value.entries().into_iter().filter_map(label).collect())
}

fn resources(value: &Value<'_>) -> Option<Resources> {
    let table = value.table(RESOURCES)?;
    Some(Resources {
        nano_cpus: table.read("cpus", Value::cpus).unwrap_or(0),
        memory: table.read("memory", Value::bytes).unwrap_or(0).cast_signed(),
        generic: table.read("generic", generic_counts).unwrap_or_default(),
    })
}

/// `{ gpu = 2 }`: what a task asks for; Swarm takes amounts only, it chooses among named units itself.
fn generic_counts(value: &Value<'_>) -> Option<Vec<GenericResource>> {
    let resource = |entry: Entry<'_>| {
        let count = entry.value.count(1..=i64::MAX.cast_unsigned())?.cast_signed();
        Some(GenericResource { kind: entry.key.to_string(), units: Units::Count(count) })
    };
    Some(value.entries().into_iter().filter_map(resource).collect())
}

fn constraints(value: &Value<'_>) -> Option<Vec<String>> {
    const KEYS: &[&str] =
        &["node.id", "node.hostname", "node.role", "node.platform.os", "node.platform.arch", "node.ip"];
    let items = value.list();
    if CONSTRAINTS < items.len() {
        value.complain(format!("more than {CONSTRAINTS} constraints"));
        return None;
    }
    for item in &items {
        // Swarm takes any key and then finds no node, for ever; nobody means that.
        if let Some(text) = item.as_text()
            && let Ok(constraint) = sched::constraint::parse_one(text)
            && let lower = constraint.key().to_lowercase()
            && !KEYS.contains(&lower.as_str())
            && !["node.labels.", "engine.labels."]
                .iter()
                .any(|prefix| lower.len() > prefix.len() && lower.starts_with(prefix))
        {
            let names = KEYS.iter().copied().chain(["node.labels.KEY", "engine.labels.KEY"]);
            item.complain_with(
                format!("no node has `{}`", constraint.key()),
                Some(format!("known: {}", names.collect::<Vec<_>>().join(", "))),
            );
        }
    }
    Some(items.iter().filter_map(Value::text).map(str::to_string).collect())
}

/// Descriptors such as `node.labels.rack`; also as Docker writes them, `spread=node.labels.rack`.
fn preferences(value: &Value<'_>) -> Option<Vec<String>> {
    let items = value.list();
    if PREFERENCES < items.len() {
        value.complain(format!("more than {PREFERENCES} preferences"));
        return None;
    }
    let descriptor = |item: &Value<'_>| {
        let text = item.text()?;
        let text = text.strip_prefix("spread=").unwrap_or(text);
        let label = text.strip_prefix("node.labels.").or_else(|| text.strip_prefix("engine.labels."));
        if label.is_none_or(str::is_empty) {
            return item.expected("\"node.labels.KEY\" or \"engine.labels.KEY\"");
        }
        Some(text.to_string())
    };
    Some(items.iter().filter_map(descriptor).collect())
}

/// `linux/amd64`, `linux`.
fn platforms(value: &Value<'_>) -> Option<Vec<Platform>> {
    let platform = |text: &str| {
        let (os, architecture) = text.split_once('/').unwrap_or((text, ""));
        Platform { os: os.to_string(), architecture: architecture.to_string() }
    };
    Some(value.list().iter().filter_map(Value::text).map(platform).collect())
}

fn restart(value: &Value<'_>) -> Option<RestartPolicy> {
    let table = value.table(RESTART)?;
    Some(RestartPolicy {
        condition: table.read("condition", |value| value.choice(CONDITIONS)).unwrap_or_default(),
        delay: table.read("delay", Value::duration),
        max_attempts: table.read("max_attempts", |value| value.count(0..=u64::MAX)).unwrap_or(0),
        window: table.read("window", Value::duration).unwrap_or_default(),
    })
}

fn update(value: &Value<'_>, actions: &[(&str, FailureAction)]) -> Option<UpdateConfig> {
    let table = value.table(UPDATE)?;
    let default = UpdateConfig::default();
    Some(UpdateConfig {
        parallelism: table.read("parallelism", |value| value.count(0..=TASKS)).unwrap_or(default.parallelism),
        delay: table.read("delay", Value::duration).unwrap_or(default.delay),
        failure_action: table.read("failure_action", |value| value.choice(actions)).unwrap_or(default.failure_action),
        monitor: table.read("monitor", Value::duration),
        max_failure_ratio: table.read("max_failure_ratio", |value| value.number(0.0..=1.0)).unwrap_or(0.0) as f32,
        order: table.read("order", |value| value.choice(ORDERS)).unwrap_or(default.order),
    })
}

/// `8080:80`, `8080:80/udp`, `80`, or a table.
fn port(value: &Value<'_>) -> Option<Port> {
    if value.is_table() {
        let table = value.table(PORT)?;
        let number = |value: &Value<'_>| value.count(1..=65_535).and_then(|number| u16::try_from(number).ok());
        return Some(Port {
            protocol: table.read("protocol", |value| value.choice(PROTOCOLS)).unwrap_or_default(),
            target: table.need("target", number)?,
            published: table.read("published", number).unwrap_or(0),
            mode: table.read("mode", |value| value.choice(PUBLISH_MODES)).unwrap_or_default(),
        });
    }
    let Some(text) = value.as_text() else { return value.expected("a port such as \"8080:80\"") };
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let Some((_, protocol)) = PROTOCOLS.iter().find(|(name, _)| *name == protocol) else {
        value.complain_with(
            format!("no protocol `{protocol}`"),
            suggest(protocol, PROTOCOLS.iter().map(|protocol| protocol.0)),
        );
        return None;
    };
    let (published, target) =
        numbers.split_once(':').map_or((None, numbers), |(published, target)| (Some(published), target));
    let number = |text: &str| text.parse::<u16>().ok().filter(|number| 0 < *number);
    match (published.map(number), number(target)) {
        (None, Some(target)) => Some(Port { protocol: *protocol, target, ..Port::default() }),
        (Some(Some(published)), Some(target)) => {
            Some(Port { protocol: *protocol, target, published, ..Port::default() })
        }
        _ => value.expected("a port such as \"8080:80\""),
    }
}

/// How containers end, react to signals and feel; `memory` is their limit.
fn behaviour(table: &Table<'_>, memory: i64) -> Behaviour {
    let mut behaviour = Behaviour { exit: table.read("exits", exits), ..Behaviour::default() };
    if let Some(value) = table.get("leak") {
        if behaviour.exit.is_some() {
            value.complain("give either `exits` or `leak`");
        }
        behaviour.exit = leak(&value, memory);
    }
    if let Some((after, code)) = table.read("stops", stops) {
        (behaviour.stop, behaviour.stop_code) = (after, code);
    }
    if let Some((ready, sick, hangs)) = table.read("health", condition) {
        (behaviour.warm_up, behaviour.unhealthy_after, behaviour.probe_hangs) = (ready, sick, hangs);
    }
    behaviour
}

fn stops(value: &Value<'_>) -> Option<(Option<Law>, i32)> {
    let table = value.table(STOPS)?;
    Some((table.read("after", Value::law), table.read("code", code).unwrap_or(0)))
}

/// When containers are well.
fn condition(value: &Value<'_>) -> Option<(Option<Law>, Option<Law>, bool)> {
    let table = value.table(HEALTH)?;
    let hangs = table.read("hangs", Value::boolean).unwrap_or(false);
    Some((table.read("ready", Value::law), table.read("sick", Value::law), hangs))
}

fn code(value: &Value<'_>) -> Option<i32> {
    value.integer(0..=255).and_then(|code| i32::try_from(code).ok())
}

pub(super) fn exits(value: &Value<'_>) -> Option<Exit> {
    let table = value.table(EXITS)?;
    if let Some(fails) = table.read("fails", |value| value.choice(FAILURES)) {
        for key in ["after", "code"] {
            if let Some(value) = table.get(key) {
                value.complain("give either `fails`, or when and how they end");
            }
        }
        return Some(Exit { after: Law::Fixed(Span::ZERO), code: 0, fails: Some(fails) });
    }
    Some(Exit { after: table.need("after", Value::law)?, code: table.read("code", code).unwrap_or(0), fails: None })
}

/// Memory that grows to the limit: the kernel kills the container there.
fn leak(value: &Value<'_>, limit: i64) -> Option<Exit> {
    let table = value.table(LEAK)?;
    let from = table.read("from", Value::bytes).unwrap_or(0);
    let rate = table.need("rate", Value::rate)?;
    let Some(room) = u64::try_from(limit).ok().filter(|room| 0 < *room).and_then(|limit| limit.checked_sub(from))
    else {
        return value.expected("a `limit` with more memory than it begins with");
    };
    let after = rate.map_or(Span::ZERO, |rate| Span::from_secs_f64(room as f64 / rate as f64));
    Some(Exit { after: Law::Fixed(after), code: OUT_OF_MEMORY, fails: None })
}

fn health(value: &Value<'_>) -> Option<HealthCheck> {
    let table = value.table(HEALTH)?;
    Some(HealthCheck {
        test: vec!["CMD".into(), "probe".into()],
        interval: table.read("interval", Value::duration),
        timeout: table.read("timeout", Value::duration),
        retries: table.read("retries", |value| value.count(0..=1_000_000)).unwrap_or(0),
        start_period: table.read("start_period", Value::duration).unwrap_or_default(),
        start_interval: table.read("start_interval", Value::duration),
    })
}
