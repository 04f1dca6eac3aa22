//! From the text to the scenario: the front door of the reader.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sched::spec::Role;
use sched::{Reference, Span, Time};
use toml::de::DeTable;

use super::complaint::{Complaints, Place};
use super::service::{SERVICE, TASKS};
use super::stack::{STACK, Stacks};
use super::unit::{CENTURY, human};
use super::value::{Sink, Table, Value};
use super::{Image, NetworkPlan, Scenario, Scripted, ServicePlan};
use super::{expect, failure, image, join, model, operator, pool, scaler, script, service, source, strategy, workload};
use crate::order::Order;

pub(super) const SCENARIO: &[&str] = &[
    "name",
    "title",
    "description",
    "seed",
    "replications",
    "duration",
    "warm_up",
    "until",
    "sample",
    "strategies",
    "strategy",
    "pool",
    "image",
    "network",
    "service",
    "stack",
    "arrivals",
    "queue",
    "requests",
    "scaling",
    "release",
    "event",
    "maintenance",
    "failure",
    "crew",
    "profile",
    "daemon",
    "registry",
    "overlay",
    "heartbeat",
    "managers",
    "gossip",
    "expect",
];
pub(super) const NETWORK: &[&str] = &["name", "subnet", "external"];

const REPLICATIONS: u64 = 10_000;
/// Points of a series at most.
const POINTS: u64 = 100_000;

/// Reads a scenario file and the stack and environment files that it names, and nothing else.
///
/// # Errors
///
/// Everything that is wrong with it, in order of the file; if the text is not TOML, all of its syntax errors.
pub fn load(path: &Path) -> Result<Scenario, Complaints> {
    parse(path, &source::text_of(path)?)
}

/// Reads the text of a scenario as if it stood in the file `path`.
///
/// # Errors
///
/// As [`load`].
pub fn parse(path: &Path, text: &str) -> Result<Scenario, Complaints> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let sink = Sink::of(path.parent().unwrap_or(Path::new("")));
    for error in &errors {
        let place = error.span().map(|span| Place { start: span.start, end: span.end });
        // The parser gives an empty message where it gave up; the others say why.
        let message = if error.message().is_empty() { "not TOML" } else { error.message() };
        sink.complain(Some(place.unwrap_or(Place { start: text.len(), end: text.len() })), message, None);
    }
    if !errors.is_empty() {
        return Err(Complaints::locate(path, text, sink.into_list()));
    }
    let place = Place { start: 0, end: 0 };
    let scenario = read(path, text, &Table::new(&sink, "", place, root.get_ref(), SCENARIO));
    let complaints = sink.into_list();
    if complaints.is_empty() { Ok(scenario) } else { Err(Complaints::locate(path, text, complaints)) }
}

fn read(path: &Path, text: &str, table: &Table<'_>) -> Scenario {
    let given = table.need("duration", |value| value.duration_from(Span::from_nanos(1)));
    let duration = given.unwrap_or(CENTURY);
    let mut models = model::models(table);
    let events = table.tables("event", script::EVENT);
    // Where somebody makes a swarm there is none before.
    models.managers.founded &= events.iter().all(|event| event.get("init").is_none());
    // Whose registry takes no time has no slow line to it either.
    let ideal = models.registry.latency == Span::ZERO && models.registry.unpack_rate.is_none();
    let pools = table.tables("pool", pool::POOL);
    let mut nodes = pool::nodes(&pools, ideal);
    let mut joins = join::joins(&pools, &mut nodes, Time::ZERO + duration, models.managers.founded);
    let scalers = scaler::scalers(&pools, &nodes, &mut joins);
    let labels = strategy::labels(&nodes);
    let folder = table.sink.folder.as_path();
    let mut stacks = Stacks::new(folder);
    let (services, mut networks) = services(table, nodes.len(), &labels, &mut stacks);
    let selectors = pool::Selectors::new(&nodes).with_names(script::hostnames(&events));
    let mut images = image::images(&table.tables("image", image::IMAGE), folder, &selectors);

    let has_managers = nodes.iter().any(|node| node.spec.role == Role::Manager);
    let has_operators = ["scaling", "release"].iter().any(|key| table.get(key).is_some());
    let is_open = has_managers || has_operators || !models.managers.founded;
    let script = script::Script::new(&selectors, &services, &stacks, Time::ZERO + duration, is_open);
    let until = table.get("until").and_then(|value| script.holds(&value));
    let mut script = script.read(&events);
    script.extend(deployed_again(table, &stacks, Time::ZERO + duration));
    let windows = table.tables("maintenance", script::MAINTENANCE);
    script.extend(script::maintenance(&windows, &selectors, Time::ZERO + duration));
    script.sort_by_key(|scripted| scripted.at);
    let teams = failure::teams(&table.tables("crew", failure::CREW));
    let failures = failure::failures(&table.tables("failure", failure::FAILURE), &teams, &selectors, folder);
    let (arrivals, queues) = workload::workload(table, folder, &services, &labels);
    let requests = workload::requests(table, folder, &services, models.gossip.interval.is_some());

    let declared = || services.iter().chain(arrivals.iter().flat_map(|stream| &stream.kinds));
    imply_images(declared(), &script, &mut images);
    let operators = operator::operators(table, &services, &mut images, duration);
    imply_networks(declared(), &script, &mut networks);
    let strategies = strategy::strategies(table, &models.heartbeat, &nodes, &labels);
    strategies.check_services(table, declared());
    let strategy::Strategies { names: strategies, plans, .. } = strategies;
    let metrics: Vec<&str> = crate::metrics::METRICS.iter().map(|metric| metric.name).collect();
    let classes: Vec<&str> = arrivals.iter().map(|plan| plan.name.as_str()).collect();
    let names: Vec<&str> = services.iter().map(|plan| plan.spec.name.as_str()).collect();
    let read = |value: Value<'_>| expect::expectations(&value, text, &strategies, (&classes, &names), &metrics);
    let expect = table.get("expect").map(read);
    let name = table.read("name", slug).unwrap_or_else(|| stem_slug(path));
    let replications = table.read("replications", |value| value.count(1..=REPLICATIONS)).unwrap_or(10);
    Scenario {
        path: path.to_path_buf(),
        title: table.read("title", Value::text).unwrap_or(&name).to_string(),
        name,
        description: table.read("description", Value::text).unwrap_or_default().trim().to_string(),
        until,
        seed: table.read("seed", |value| value.count(0..=u64::MAX)).unwrap_or(1),
        replications: u32::try_from(replications).unwrap_or(1),
        duration,
        warm_up: warm_up(table, duration),
        sample: sample(table, given),
        strategies,
        plans,
        images: images.into_values().collect(),
        networks: networks.into_values().collect(),
        arrivals,
        queues,
        requests,
        operators,
        script,
        failures,
        models,
        expect: expect.unwrap_or_default(),
        nodes,
        joins,
        scalers,
        services,
        stacks: stacks.parts,
    }
}

fn warm_up(table: &Table<'_>, duration: Span) -> Span {
    let Some(value) = table.get("warm_up") else { return Span::ZERO };
    let warm_up = value.duration().unwrap_or_default();
    if duration <= warm_up {
        value.complain(format!("{} is not shorter than the duration of {}", human(warm_up), human(duration)));
    }
    warm_up
}

/// A three hundredth of the duration, in whole seconds, unless given.
fn sample(table: &Table<'_>, duration: Option<Span>) -> Span {
    let Some(duration) = duration else { return Span::ZERO };
    let default = Span::from_secs(duration.as_nanos().div_ceil(300 * 1_000_000_000));
    let Some(value) = table.get("sample") else { return default };
    let sample = value.duration_from(Span::from_nanos(1)).unwrap_or(default);
    if POINTS < duration.as_nanos() / sample.as_nanos() {
        value.complain(format!("more than {POINTS} points in {}", human(duration)));
    }
    sample
}

/// A name that can be a folder on every system.
fn slug(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || 64 < text.len() || !text.chars().all(good) || text.starts_with('-') {
        return value.expected("a name of 1 to 64 lower-case letters, digits and `-`");
    }
    Some(text.to_string())
}

fn stem_slug(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let slug: String = stem.chars().map(letter).take(64).collect();
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "scenario".into() } else { slug.into() }
}

/// Stacks that are deployed again, as far as the run lasts.
fn deployed_again(table: &Table<'_>, stacks: &Stacks<'_>, end: Time) -> Vec<Scripted> {
    for (scripted, place) in stacks.again.iter().filter(|entry| end <= entry.0.at) {
        let at = human(scripted.at.since(Time::ZERO));
        table.sink.complain(Some(*place), format!("`stack`: {at} is not before the end of the run"), None);
    }
    stacks.again.iter().map(|entry| entry.0.clone()).collect()
}

/// Services of the file, then those of its stacks, and the networks that were declared. Conflicts of names and ports of
/// services that are created at the same time are mistakes of the file; those of others show in the run.
fn services(
    table: &Table<'_>,
    nodes: usize,
    labels: &BTreeSet<String>,
    stacks: &mut Stacks<'_>,
) -> (Vec<ServicePlan>, BTreeMap<String, NetworkPlan>) {
    let mut located = Vec::new();
    for service in table.tables("service", SERVICE) {
        service::services(&service, labels, &mut located);
    }
    match table.get("stack") {
        Some(value) if value.list_or_one().iter().all(Value::is_table) => {
            table.tables("stack", STACK).iter().for_each(|stack| stacks.read_table(stack));
        }
        Some(value) => stacks.read_files(&value),
        None => {}
    }
    located.append(&mut stacks.services);

    let mut names = BTreeSet::new();
    let mut ports: BTreeMap<Time, sched::api::PublishedPorts> = BTreeMap::new();
    let mut tasks: u128 = 0;
    for (service, place) in &located {
        let name = &service.spec.name;
        let complain = |message: String| table.sink.complain(Some(*place), message, None);
        let before = tasks;
        tasks += u128::from(service.tasks(nodes));
        if before <= u128::from(TASKS) && u128::from(TASKS) < tasks {
            complain(format!("with service `{name}` there are more than {TASKS} tasks"));
        }
        if !names.insert((service.at, name)) {
            complain(format!("there is already a service `{name}`"));
        }
        ports
            .entry(service.at)
            .or_default()
            .take(None, &service.spec)
            .into_iter()
            .for_each(|refusal| complain(format!("service `{name}`: {refusal}")));
    }

    let mut networks = BTreeMap::new();
    for network in table.tables("network", NETWORK) {
        let plan = NetworkPlan {
            name: network.need("name", Value::text).unwrap_or_default().to_string(),
            subnet: network.read("subnet", model::subnet),
            external: network.read("external", Value::boolean).unwrap_or(false),
        };
        if let Some(value) = network.get("name")
            && networks.contains_key(&plan.name)
        {
            value.complain(format!("there is already a network `{}`", plan.name));
        }
        networks.insert(plan.name.clone(), plan);
    }
    for network in stacks.networks.drain(..) {
        networks.entry(network.name.clone()).or_insert(network);
    }
    (located.into_iter().map(|(service, _)| service).collect(), networks)
}

fn imply_images<'a>(
    services: impl Iterator<Item = &'a ServicePlan>,
    script: &'a [Scripted],
    images: &mut BTreeMap<String, Image>,
) {
    let updates = script.iter().flat_map(|event| event.order.images());
    for name in services.map(|service| service.spec.task.container.image.as_str()).chain(updates) {
        images.entry(Reference::name_of(name)).or_insert_with(|| image::implied(name));
    }
}

/// Networks that services name, but for those that the script creates.
fn imply_networks<'a>(
    services: impl Iterator<Item = &'a ServicePlan>,
    script: &'a [Scripted],
    networks: &mut BTreeMap<String, NetworkPlan>,
) {
    let mut created = BTreeSet::new();
    let mut named: Vec<&String> = services.flat_map(|service| &service.spec.task.networks).collect();
    for event in script {
        match &event.order {
            Order::CreateNetwork(plan) => drop(created.insert(&plan.name)),
            Order::UpdateService(_, change) => named.extend(change.networks()),
            Order::DeployStack(plan) => {
                created.extend(plan.networks.iter().filter(|network| !network.external).map(|network| &network.name))
            }
            _ => {}
        }
    }
    for name in named.into_iter().filter(|name| !created.contains(name)) {
        let implied = || NetworkPlan { name: name.clone(), subnet: None, external: false };
        networks.entry(name.clone()).or_insert_with(implied);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{schema, unit};
    use super::*;

    /// The reference and the schema are for people; nothing else would notice a key that they forget.
    #[test]
    fn the_reference_names_every_key() {
        let reference = include_str!("../../../../scenarios/README.md");
        let tables = [
            ("The top level", SCENARIO),
            ("`pool`", pool::POOL),
            ("`pool.plugins`", pool::PLUGINS),
            ("`pool.join`", join::JOIN),
            ("`pool.autoscale`", scaler::AUTOSCALE),
            ("`image`", image::IMAGE),
            ("`image.layers`", image::LAYER),
            ("`network`", NETWORK),
            ("`service`", SERVICE),
            ("`service.reserve`", service::RESOURCES),
            ("`service.restart`", service::RESTART),
            ("`service.update`", service::UPDATE),
            ("`service.ports`", service::PORT),
            ("`service.exits`", service::EXITS),
            ("`service.leak`", service::LEAK),
            ("`service.stops`", service::STOPS),
            ("`service.health`", service::HEALTH),
            ("`service.failover`", strategy::FAILOVER),
            ("`strategy`", strategy::STRATEGY),
            ("`strategy`", strategy::KNOBS_OF_UPDATE),
            ("`stack`", STACK),
            ("`event`", script::EVENT),
            ("`event`", script::SLOW),
            ("`event`", script::WEAKEN),
            ("`event.update`", service::CHANGE),
            ("`event.update`", service::ENTRIES),
            ("`event.deploy`", script::DEPLOY),
            ("`event.upgrade`", script::UPGRADE),
            ("`event.node_labels`", script::NODE_LABELS),
            ("`event.engine`", script::ENGINE),
            ("`event.registry`", script::REGISTRY),
            ("`event`", script::REMOVE_NODE),
            ("`event`", script::SWARM),
            ("`event`", script::INIT),
            ("`event`", script::JOIN_AGAIN),
            ("`event`", script::DEMOTE),
            ("`event`", script::CREATE_NETWORK),
            ("`event`", script::CREATE_FILE),
            ("`event`", script::ROTATE_FILE),
            ("`maintenance`", script::MAINTENANCE),
            ("`failure`", failure::FAILURE),
            ("`failure.burst`", failure::BURST),
            ("`crew`", failure::CREW),
            ("`daemon`", model::DAEMON),
            ("`registry`", model::REGISTRY),
            ("`registry`", model::LIMIT),
            ("`overlay`", model::OVERLAY),
            ("`heartbeat`", model::HEARTBEAT),
            ("`managers`", model::MANAGERS),
            ("`gossip`", model::GOSSIP),
            ("`arrivals`", workload::ARRIVALS),
            ("`arrivals.diurnal`", workload::DIURNAL),
            ("`arrivals.bursty`", workload::BURSTY),
            ("`arrivals.clients`", workload::CLIENTS),
            ("`queue`", workload::QUEUE),
            ("`requests`", workload::REQUESTS),
            ("`requests.autoscale`", workload::AUTOSCALE),
            ("`scaling`", operator::SCALING),
            ("`release`", operator::RELEASE),
            ("`expect`", expect::BOUNDS),
            ("Laws", unit::LAWS),
            ("Laws", unit::UNIFORM),
            ("Laws", unit::EXPONENTIAL),
            ("Laws", unit::LOGNORMAL),
            ("Laws", unit::WEIBULL),
            ("Laws", unit::ERLANG),
            ("Laws", unit::HYPEREXPONENTIAL),
            ("Laws", unit::PARETO),
            ("Laws", unit::EMPIRICAL),
        ];
        let known = schema::lists();
        for (table, keys) in tables {
            assert!(known.contains(&keys), "{table}: its keys are not in the schema");
            let heading = format!("\n### {table}\n");
            let start = reference.find(&heading).unwrap_or_else(|| panic!("no section {heading}"));
            let section = &reference[start + heading.len()..];
            let section = &section[..section.find("\n### ").unwrap_or(section.len())];
            for key in keys {
                assert!(section.contains(&format!("`{key}`")), "{table}: {key} is missing");
            }
        }
    }
}
