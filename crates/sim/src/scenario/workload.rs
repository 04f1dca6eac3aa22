//! `[[arrivals]]` and `[[queue]]`: services and jobs that come while the cluster runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sched::spec::{EndpointMode, PublishMode, ServiceSpec};
use sched::{Span, Time};

use super::rows::{Rows, SECONDS, seconds};
use super::service::{SERVICE, TASKS};
use super::value::{Table, Value};
use super::{ArrivalPlan, ArrivalProcess, Autoscale, Batch, Listed, QueuePlan, RequestPlan, ServicePlan, service};
use crate::engine::law::Law;

pub(super) const ARRIVALS: &[&str] = &[
    "name",
    "every",
    "diurnal",
    "bursty",
    "file",
    "clients",
    "after",
    "batch",
    "from",
    "until",
    "limit",
    "service",
    "popularity",
    "queue",
    "lifetime",
    "patience",
    "priority",
];
pub(super) const CLIENTS: &[&str] = &["count", "think"];
pub(super) const DIURNAL: &[&str] = &["mean", "amplitude", "period", "peak"];
pub(super) const BURSTY: &[&str] = &["calm", "burst", "calm_for", "burst_for"];
pub(super) const REQUESTS: &[&str] =
    &["service", "every", "diurnal", "bursty", "file", "takes", "spread", "suspicion", "autoscale"];
pub(super) const AUTOSCALE: &[&str] = &["target", "min", "max", "every", "band", "down_after"];
pub(super) const QUEUE: &[&str] = &["name", "running", "cpus", "waiting"];
const BATCH: &[&str] = &["geometric"];
const POPULARITY: &[&str] = &["zipf"];
/// Keys of [`REQUESTS`] that say when they come.
const OPEN: &[&str] = &["every", "diurnal", "bursty", "file"];
/// Keys of [`ARRIVALS`] that say when they come.
const PROCESSES: &[&str] = &["every", "diurnal", "bursty", "file", "clients", "after"];

/// Mean time between arrivals at least: less is not a workload but a flood of events.
const SHORTEST: Span = Span::from_nanos(1_000);
const DAY: Span = Span::from_secs(24 * 3600);

/// All requests.
pub(super) fn requests(
    scenario: &Table<'_>,
    folder: &Path,
    services: &[ServicePlan],
    gossips: bool,
) -> Vec<RequestPlan> {
    let rows: BTreeMap<&str, usize> =
        services.iter().enumerate().map(|(row, service)| (&*service.spec.name, row)).collect();
    let mut plans: Vec<RequestPlan> = Vec::new();
    let mut asked = BTreeSet::new();
    for table in scenario.tables("requests", REQUESTS) {
        let service = table.need("service", |value| {
            let name = value.text()?;
            let row = rows.get(name).copied();
            if row.is_none() {
                value.complain_with(format!("no service `{name}`"), value.sink.suggest(name, rows.keys().copied()));
            } else if asked.contains(name) {
                value.complain(format!("there are already requests to `{name}`"));
            } else if let Some(why) = row.and_then(|row| unreachable(&services[row].spec)) {
                value.complain(format!("nobody can send requests to `{name}`: {why}"));
            }
            row
        });
        let process = process(&table, folder, OPEN, &[]);
        let takes = table.need("takes", Value::law);
        let autoscale = table.read("autoscale", autoscale);
        let (Some(service), Some(process), Some(takes)) = (service, process, takes) else { continue };
        asked.insert(services[service].spec.name.as_str());
        let scalable = matches!(services[service].spec.mode, sched::spec::Mode::Replicated { .. });
        if let Some(value) = table.get("autoscale").filter(|_| !scalable) {
            value.complain("only replicated services can be scaled");
        }
        if let Some(value) = table.get("spread").filter(|_| gossips) {
            value.complain("the `gossip` table says how long that takes: leave it out");
        }
        let spread = Law::Uniform { min: Span::ZERO, max: Span::from_secs(1) };
        plans.push(RequestPlan {
            name: services[service].spec.name.clone(),
            service,
            process,
            takes,
            spread: table.read("spread", Value::law).unwrap_or(spread),
            suspicion: table.read("suspicion", Value::duration).unwrap_or(Span::from_secs(5)),
            autoscale,
        });
    }
    plans
}

/// Why no request reaches a service through the mesh, if none does. Docker's load balancer has a virtual address on each network
/// of a service, and takes what comes to a port that is published in the ingress mode, which it refuses together with `dnsrr`
/// (SwarmKit `manager/controlapi/service.go`, `validateEndpointSpec`).
fn unreachable(spec: &ServiceSpec) -> Option<&'static str> {
    let is_published = spec.endpoint.ports.iter().any(|port| port.mode == PublishMode::Ingress);
    match spec.endpoint.mode {
        EndpointMode::DnsRoundRobin => {
            Some("it has `endpoint = \"dnsrr\"`, and the mesh answers for a virtual address only: expected \"vip\"")
        }
        _ if is_published || !spec.task.networks.is_empty() => None,
        _ => Some("it has no port published in the mode `ingress` and no network: expected `ports` or `networks`"),
    }
}

fn autoscale(value: &Value<'_>) -> Option<Autoscale> {
    let table = value.table(AUTOSCALE)?;
    let target = table.need("target", |value| value.number(0.01..=1.0));
    let min = table.read("min", |value| value.count(1..=TASKS)).unwrap_or(1);
    let max = table.need("max", |value| value.count(min..=TASKS));
    Some(Autoscale {
        target: target?,
        min,
        max: max?,
        every: table.read("every", |value| value.duration_from(Span::from_secs(1))).unwrap_or(Span::from_secs(15)),
        band: table.read("band", |value| value.number(0.0..=1.0)).unwrap_or(0.1),
        down_after: table.read("down_after", Value::duration).unwrap_or(Span::from_secs(300)),
    })
}

/// All arrivals, and the queues that they name. Names must differ from those of the services.
pub(super) fn workload(
    scenario: &Table<'_>,
    folder: &Path,
    services: &[ServicePlan],
    labels: &BTreeSet<String>,
) -> (Vec<ArrivalPlan>, Vec<QueuePlan>) {
    let queues = queues(&scenario.tables("queue", QUEUE));
    let rows: BTreeMap<&str, usize> =
        queues.iter().enumerate().map(|(row, queue)| (queue.name.as_str(), row)).collect();
    let mut names: BTreeSet<String> = services.iter().map(|service| service.spec.name.clone()).collect();
    let mut plans = Vec::new();
    let tables = scenario.tables("arrivals", ARRIVALS);
    let streams: Vec<Option<String>> = tables.iter().map(name_of).collect();
    for table in &tables {
        let process = process(table, folder, PROCESSES, &streams);
        let kinds = table.need("service", |value| kinds(value, labels)).unwrap_or_default();
        for kind in &kinds {
            if !names.insert(kind.spec.name.clone()) {
                table.complain(format!("there is already a service `{}`", kind.spec.name));
            }
        }
        let queue = table.read("queue", |value| {
            let name = value.text()?;
            let row = rows.get(name).copied();
            if row.is_none() {
                value.complain_with(format!("no queue `{name}`"), value.sink.suggest(name, rows.keys().copied()));
            }
            row
        });
        if let (Some(row), Some(value)) = (queue, table.get("queue"))
            && let Some(cpus) = queues[row].cpus
            && let Some(kind) = kinds.iter().find(|kind| cpus < kind.cpus(None))
        {
            value.complain(format!("the service `{}` reserves more CPUs than this queue ever gives", kind.spec.name));
        }
        if table.get("priority").is_some() && table.get("queue").is_none() {
            table.get("priority").iter().for_each(|value| {
                value.complain("Swarm has no priorities: a job has one in the `queue` in which it waits to be created");
            });
        }
        let weights = table.read("popularity", |value| popularity(value, kinds.len()));
        let name = table.read("name", Value::text).map(str::to_string);
        let (Some(process), Some(first)) = (process, kinds.first()) else { continue };
        // Streams of chance have the names of what they are for: two of one name would come at the same instants.
        let name = name.unwrap_or_else(|| first.spec.name.clone());
        if plans.iter().any(|plan: &ArrivalPlan| plan.name == name) {
            let message = format!("there are already arrivals `{name}`");
            match table.get("name") {
                Some(value) => value.complain(message),
                None => table.complain(message),
            }
        }
        plans.push(ArrivalPlan {
            name,
            process,
            batch: table.read("batch", batch).unwrap_or(Batch::Fixed(1)),
            from: Time::ZERO + table.read("from", Value::duration).unwrap_or_default(),
            until: table.read("until", Value::duration).map(|span| Time::ZERO + span),
            limit: table.read("limit", |value| value.count(0..=TASKS)),
            weights: weights.unwrap_or_else(|| vec![1.0; kinds.len()]),
            kinds,
            queue,
            lifetime: table.read("lifetime", Value::law),
            patience: table.read("patience", Value::law),
            priority: table.read("priority", |value| value.count(0..=1_000_000)).unwrap_or(0),
        });
    }
    refuse_circles(&tables, &plans);
    (plans, queues)
}

/// Streams that come after each other in a circle would never begin.
fn refuse_circles(tables: &[Table<'_>], plans: &[ArrivalPlan]) {
    if plans.len() != tables.len() {
        // One of them was refused already, and the rows are others.
        return;
    }
    for (row, table) in tables.iter().enumerate() {
        let mut next = row;
        // A chain without a circle is no longer than there are streams.
        for _ in 0..plans.len() {
            let ArrivalProcess::After(before) = plans[next].process else { break };
            next = before;
            if next == row {
                table.get("after").iter().for_each(|value| value.complain("these arrivals would wait for themselves"));
                break;
            }
        }
    }
}

fn queues(tables: &[Table<'_>]) -> Vec<QueuePlan> {
    let mut queues: Vec<QueuePlan> = Vec::new();
    let mut names = BTreeSet::new();
    for table in tables {
        let Some(name) = table.need("name", Value::text) else { continue };
        if !names.insert(name.to_string()) {
            table.complain(format!("there is already a queue `{name}`"));
        }
        queues.push(QueuePlan {
            name: name.to_string(),
            running: table.read("running", |value| value.count(1..=TASKS)),
            cpus: table.read("cpus", Value::cpus).map(|cpus| u64::try_from(cpus).unwrap_or(0)),
            waiting: table.read("waiting", |value| value.count(0..=TASKS)),
        });
    }
    queues
}

/// The name of a stream, before its service is read.
fn name_of(table: &Table<'_>) -> Option<String> {
    let own = table.get("name");
    let name = own.or_else(|| {
        table.get("service")?.entries().into_iter().find(|entry| entry.key == "name").map(|entry| entry.value)
    });
    name?.as_text().map(str::to_string)
}

/// When something comes: one of these keys says it. `streams` are the names of all arrivals.
fn process(table: &Table<'_>, folder: &Path, keys: &[&str], streams: &[Option<String>]) -> Option<ArrivalProcess> {
    let given: Vec<Value<'_>> = keys.iter().filter_map(|key| table.get(key)).collect();
    let [value] = given.as_slice() else {
        table.complain(format!("`{}`: expected exactly one of {}", table.path, keys.join(", ")));
        return None;
    };
    let mean = |value: &Value<'_>| value.duration_from(SHORTEST);
    match value.path.rsplit('.').next() {
        Some("every") => {
            let law = value.law()?;
            if law.mean() < SHORTEST {
                value.complain("expected at least 1us between arrivals");
            }
            Some(ArrivalProcess::Renewal(law))
        }
        Some("diurnal") => {
            let table = value.table(DIURNAL)?;
            let mean = table.need("mean", mean);
            let amplitude = table.need("amplitude", |value| value.number(0.0..=1.0));
            Some(ArrivalProcess::Diurnal {
                mean: mean?,
                amplitude: amplitude?,
                period: table.read("period", |value| value.duration_from(Span::from_secs(1))).unwrap_or(DAY),
                peak: table.read("peak", Value::duration).unwrap_or_default(),
            })
        }
        Some("bursty") => {
            let table = value.table(BURSTY)?;
            let (calm, burst) = (table.need("calm", mean), table.need("burst", mean));
            let (calm_for, burst_for) = (table.need("calm_for", mean), table.need("burst_for", mean));
            Some(ArrivalProcess::Bursty { calm: calm?, burst: burst?, calm_for: calm_for?, burst_for: burst_for? })
        }
        Some("clients") => {
            let clients = value.table(CLIENTS)?;
            table.get("batch").iter().for_each(|value| value.complain("each client brings one: leave it out"));
            let count = clients.need("count", |value| value.count(1..=1_000_000));
            let think = clients.need("think", Value::law)?;
            if think.mean() < SHORTEST {
                value.complain("expected at least 1us of thinking");
            }
            Some(ArrivalProcess::Closed { clients: count?, think })
        }
        Some("after") => {
            let name = value.text()?;
            let row = streams.iter().position(|stream| stream.as_deref() == Some(name));
            if row.is_none() {
                let known = streams.iter().flatten().map(String::as_str);
                value.complain_with(format!("no arrivals `{name}`"), value.sink.suggest(name, known));
            }
            row.map(ArrivalProcess::After)
        }
        _ => listed(value, folder).map(ArrivalProcess::Listed),
    }
}

/// A CSV file with a header: `at` in seconds, and if given `run` in seconds and `replicas`.
fn listed(value: &Value<'_>, folder: &Path) -> Option<Vec<Listed>> {
    let file = Rows::read(value, folder, &["at"], &["run", "replicas"])?;
    let replicas = format!("a whole number from 0 to {TASKS}");
    let mut rows = file.map(|row| {
        let at = row.need("at", SECONDS, seconds);
        let run = row.read("run", SECONDS, seconds);
        let replicas = row.read("replicas", &replicas, |text| text.parse::<u64>().ok().filter(|count| *count <= TASKS));
        Some(Listed { at: Time::ZERO + at?, run, replicas })
    })?;
    rows.sort_by_key(|row| row.at);
    Some(rows)
}

/// The kinds of what comes: a table as of `[[service]]`.
fn kinds(value: &Value<'_>, labels: &BTreeSet<String>) -> Option<Vec<ServicePlan>> {
    let table = value.table(SERVICE)?;
    for key in ["at", "stagger"] {
        table.get(key).iter().for_each(|value| value.complain("it comes when it arrives: leave it out"));
    }
    let mut kinds = Vec::new();
    service::services(&table, labels, &mut kinds);
    Some(kinds.into_iter().map(|(kind, _)| kind).collect())
}

/// `{ zipf = 0.8 }`, or a weight for each kind.
fn popularity(value: &Value<'_>, kinds: usize) -> Option<Vec<f64>> {
    if value.is_table() {
        let exponent = value.table(POPULARITY)?.need("zipf", |value| value.number(0.0..=10.0))?;
        return Some((1..=kinds).map(|rank| libm::pow(rank as f64, -exponent)).collect());
    }
    let weights: Option<Vec<f64>> = value.list().iter().map(|weight| weight.number(0.0..=1e9)).collect();
    let weights = weights?;
    if weights.len() != kinds || weights.iter().sum::<f64>() <= 0.0 {
        value.complain(format!("expected {kinds} weights, one for each kind of service, not all 0"));
        return None;
    }
    Some(weights)
}

/// A number, or `{ geometric = mean }`.
fn batch(value: &Value<'_>) -> Option<Batch> {
    if value.is_table() {
        let mean = value.table(BATCH)?.need("geometric", |value| value.number(1.0..=1e6))?;
        return Some(Batch::Geometric(mean));
    }
    value.count(1..=1_000_000).map(Batch::Fixed)
}
