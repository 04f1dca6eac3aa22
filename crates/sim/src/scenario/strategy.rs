//! `[[strategy]]` and `[service.failover]`: what is compared, beside the plain names of placement strategies.

use std::collections::BTreeSet;
use std::sync::Arc;

use sched::failover::{self, FAILOVERS, Kind, Parameter, Part, PolicyEntry};
use sched::spec::{RestartPolicy, ServiceSpec, UpdateConfig, UpdateOrder};
use sched::strategy::Domains;
use sched::{Choice, STRATEGIES, Span, Strategy};

use super::complaint::{Place, suggest};
use super::service::{ORDERS, TASKS};
use super::value::{Entry, Table, Value, joined};
use super::{HeartbeatModel, NodePlan, Scenario, ServicePlan, model};

/// The policies that have parameters, which stand under their names.
const WITH_PARAMETERS: [&str; count_with_parameters()] = names_with_parameters();
const KNOBS: &[&str] = &["name", "placement", "domain", "failover", "heartbeat", "restart_delay", "update", "history"];
pub(super) const STRATEGY: &[&str] = &joined::<{ KNOBS.len() + WITH_PARAMETERS.len() }>(KNOBS, &WITH_PARAMETERS);
pub(super) const FAILOVER: &[&str] = &joined::<{ 1 + WITH_PARAMETERS.len() }>(&["policy"], &WITH_PARAMETERS);
pub(super) const KNOBS_OF_UPDATE: &[&str] = &["order", "parallelism"];

/// Strategies of a scenario at most.
const MOST: usize = 1000;
const RECORDS: u64 = 1_000_000;
/// The placement strategy that spreads over a label, and the label unless said otherwise.
const DOMAINS: &str = "domains";
const DEFAULT_DOMAIN: &str = "rack";

const fn count_with_parameters() -> usize {
    let (mut row, mut count) = (0, 0);
    while row < FAILOVERS.len() {
        count += !FAILOVERS[row].parameters.is_empty() as usize;
        row += 1;
    }
    count
}

const fn names_with_parameters() -> [&'static str; count_with_parameters()] {
    let mut names = [""; count_with_parameters()];
    let (mut row, mut count) = (0, 0);
    while row < FAILOVERS.len() {
        if !FAILOVERS[row].parameters.is_empty() {
            names[count] = FAILOVERS[row].name;
            count += 1;
        }
        row += 1;
    }
    names
}

/// A strategy that is more than a placement strategy with Swarm's own failover.
#[derive(Clone, PartialEq, Debug)]
pub struct StrategyPlan {
    /// The user's name for it.
    pub name: String,
    /// The placement strategy.
    pub placement: String,
    /// The label over whose values the strategy `domains` spreads.
    pub domain: Option<String>,
    /// What is done about lost tasks, from left to right.
    pub failover: Vec<Part>,
    /// Swarm's knobs.
    pub knobs: Knobs,
}

/// Swarm's own knobs, as far as a strategy sets them; what is not set is as the scenario says.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Knobs {
    /// How a silent node is noticed.
    pub heartbeat: Option<HeartbeatModel>,
    /// Task records kept per slot.
    pub history: Option<u64>,
    /// The restart delay of every service, whatever it says.
    pub restart_delay: Option<Span>,
    /// The order of rolling updates of every service, whatever it says.
    pub order: Option<UpdateOrder>,
    /// Their parallelism.
    pub parallelism: Option<u64>,
}

impl StrategyPlan {
    /// A placement strategy with Swarm's own failover.
    pub(crate) fn plain(placement: &str) -> StrategyPlan {
        StrategyPlan {
            name: placement.into(),
            placement: placement.into(),
            domain: None,
            failover: vec![Part::named(FAILOVERS[0].name)],
            knobs: Knobs::default(),
        }
    }

    /// The placement strategy for a manager.
    pub(crate) fn placed_by(&self) -> Choice<dyn Strategy> {
        match &self.domain {
            Some(label) => {
                let label = label.clone();
                let build = move |_| -> Box<dyn Strategy> { Box::new(Domains::new(label.clone())) };
                Choice::own(self.placement.as_str(), build)
            }
            None => self.placement.as_str().into(),
        }
    }

    /// The scenario with this strategy's knobs; the same one, if it has none.
    pub(crate) fn turned(&self, scenario: &Arc<Scenario>) -> Arc<Scenario> {
        if self.knobs == Knobs::default() {
            return Arc::clone(scenario);
        }
        let mut turned = (**scenario).clone();
        let Knobs { heartbeat, history, .. } = &self.knobs;
        if let Some(heartbeat) = heartbeat {
            turned.models.heartbeat = heartbeat.clone();
        }
        turned.models.managers.history = history.unwrap_or(turned.models.managers.history);
        let kinds = turned.arrivals.iter_mut().flat_map(|arrival| &mut arrival.kinds);
        turned.services.iter_mut().chain(kinds).for_each(|service| self.knobs.turn(&mut service.spec));
        Arc::new(turned)
    }
}

impl Knobs {
    fn turn(&self, spec: &mut ServiceSpec) {
        if let Some(delay) = self.restart_delay {
            let restart = spec.task.restart.unwrap_or_default();
            spec.task.restart = Some(RestartPolicy { delay: Some(delay), ..restart });
        }
        // Jobs may have no update configuration.
        if (self.order.is_some() || self.parallelism.is_some()) && !spec.mode.is_job() {
            let update = spec.update.unwrap_or_default();
            spec.update = Some(UpdateConfig {
                order: self.order.unwrap_or(update.order),
                parallelism: self.parallelism.unwrap_or(update.parallelism),
                ..update
            });
        }
    }
}

/// The keys of labels that any node has.
pub(super) fn labels(nodes: &[NodePlan]) -> BTreeSet<String> {
    // Nodes of a pool have the same keys.
    let mut pools: BTreeSet<&str> = BTreeSet::new();
    let first = nodes.iter().filter(|node| pools.insert(&node.pool));
    first.flat_map(|node| node.spec.labels.keys().cloned()).collect()
}

/// What `strategies` and `[[strategy]]` say.
#[derive(Default)]
pub(super) struct Strategies {
    /// Every strategy that is run, by name and in order.
    pub names: Vec<String>,
    /// What those are that are more than a placement strategy.
    pub plans: Vec<StrategyPlan>,
    /// Where it is said what each of these does about lost tasks.
    places: Vec<Option<Place>>,
}

/// All strategies. Those of the list come first; without one, and without any table, it is Swarm's own.
pub(super) fn strategies(
    scenario: &Table<'_>,
    heartbeat: &HeartbeatModel,
    nodes: &[NodePlan],
    labels: &BTreeSet<String>,
) -> Strategies {
    let mut plans: Vec<StrategyPlan> = Vec::new();
    let mut places = Vec::new();
    let tables = scenario.tables("strategy", STRATEGY);
    if MOST < tables.len() {
        scenario.complain(format!("more than {MOST} strategies"));
        return Strategies::default();
    }
    for table in &tables {
        let Some(plan) = strategy(table, heartbeat, nodes.len(), labels) else { continue };
        places.push(table.get("failover").map(|value| value.place));
        if plans.iter().any(|other| other.name == plan.name) {
            table.get("name").iter().for_each(|value| value.complain(format!("`{}` is there already", plan.name)));
        }
        plans.push(plan);
    }
    let mut names = match scenario.get("strategies") {
        Some(value) => listed(&value, &plans, tables.len()),
        None if tables.is_empty() => vec!["spread".into()],
        None => Vec::new(),
    };
    for plan in &plans {
        if !names.contains(&plan.name) {
            names.push(plan.name.clone());
        }
    }
    Strategies { names, plans, places }
}

/// The names of `strategies = [...]`.
fn listed(value: &Value<'_>, plans: &[StrategyPlan], tables: usize) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for item in value.list_or_one() {
        let Some(name) = item.text() else { continue };
        let (is_plain, is_plan) =
            (STRATEGIES.iter().any(|entry| entry.name == name), plans.iter().any(|plan| plan.name == name));
        if is_plain && is_plan {
            item.complain(format!("`{name}` is a placement strategy and a `[[strategy]]`: give that another name"));
        } else if !is_plain && !is_plan {
            let known = STRATEGIES.iter().map(|entry| entry.name).chain(plans.iter().map(|plan| plan.name.as_str()));
            item.complain_with(format!("no strategy `{name}`"), suggest(name, known));
        } else if names.iter().any(|other| other == name) {
            item.complain(format!("`{name}` is there already"));
        }
        names.push(name.to_string());
    }
    if names.is_empty() && tables == 0 {
        let known: Vec<&str> = STRATEGIES.iter().map(|entry| entry.name).collect();
        value.complain(format!("expected at least one of {}", known.join(", ")));
        return vec!["spread".into()];
    }
    names
}

/// The heartbeat law of an orchestrator that a policy is a model of, with its sources. Other policies leave it as it is.
fn law_of(policy: &str, nodes: usize, base: &HeartbeatModel) -> Option<HeartbeatModel> {
    let (secs, base) = (Span::from_secs, base.clone());
    match policy {
        // A lease renewed every 10 s, a grace of 40 s (50 s from 1.32 on), looked at every 5 s (`nodelifecycle`).
        "kubernetes" => Some(HeartbeatModel {
            period: secs(10),
            jitter: Span::ZERO,
            grace: 4,
            slack: Span::ZERO,
            look: secs(5),
            ..base
        }),
        // A life of U(T, 2T) with T = max(10 s, nodes / 50 s), and a grace of 10 s (`nomad/heartbeat.go`); a new leader
        // gives every node 300 s (`failover_heartbeat_ttl`).
        "nomad" => {
            let life = Span::from_secs_f64((nodes as f64 / 50.0).max(10.0));
            Some(HeartbeatModel {
                period: Span::from_nanos(life.as_nanos() / 2 * 3),
                jitter: Span::from_nanos(life.as_nanos() / 2),
                grace: 1,
                slack: secs(10),
                look: Span::ZERO,
                unknown: Some(secs(300)),
            })
        }
        // A ping every 15 s, five without an answer (`src/master/constants.hpp`); agents have 10 minutes to register with
        // a new master (`MIN_AGENT_REREGISTER_TIMEOUT`).
        "marathon" => Some(HeartbeatModel {
            period: secs(15),
            jitter: Span::ZERO,
            grace: 6,
            slack: Span::ZERO,
            look: Span::ZERO,
            unknown: Some(secs(600)),
        }),
        _ => None,
    }
}

fn strategy(
    table: &Table<'_>,
    heartbeat: &HeartbeatModel,
    nodes: usize,
    labels: &BTreeSet<String>,
) -> Option<StrategyPlan> {
    let name = table.need("name", |value| {
        let name = value.text()?;
        let good = |c: char| c.is_ascii_alphanumeric() || "-_+() =".contains(c);
        if name.is_empty() || 64 < name.len() || !name.chars().all(good) || name.trim() != name {
            return value
                .expected("a name of 1 to 64 letters, digits, blanks and `-_+()=`, without a blank at its ends");
        }
        Some(name.to_string())
    });
    let placement = table.read("placement", placement).unwrap_or("spread");
    let domain = table.read("domain", |value| label(value, labels));
    if let Some(value) = table.get("domain").filter(|_| placement != DOMAINS) {
        value.complain(format!("only the placement strategy `{DOMAINS}` has a domain"));
    } else if placement == DOMAINS && table.get("domain").is_none() && !labels.contains(DEFAULT_DOMAIN) {
        table.get("placement").iter().for_each(|value| {
            value.complain_with(
                format!("no node has the label `{DEFAULT_DOMAIN}`"),
                Some("give `domain`, the label over whose values tasks are spread".into()),
            );
        });
    }
    let failover = policies(table, "failover", labels);
    let update = table.read("update", |value| value.table(KNOBS_OF_UPDATE));
    let law = failover.iter().flatten().find_map(|part| law_of(&part.name, nodes, heartbeat));
    let base = law.clone().unwrap_or_else(|| heartbeat.clone());
    let knobs = Knobs {
        heartbeat: table
            .read("heartbeat", |value| value.table(model::HEARTBEAT))
            .map(|table| model::heartbeat(&table, base))
            .or(law),
        history: table.read("history", |value| value.count(0..=RECORDS)),
        restart_delay: table.read("restart_delay", Value::duration),
        order: update.as_ref().and_then(|update| update.read("order", |value| value.choice(ORDERS))),
        parallelism: update.as_ref().and_then(|update| update.read("parallelism", |value| value.count(0..=TASKS))),
    };
    let failover = failover.unwrap_or_else(|| vec![Part::named(FAILOVERS[0].name)]);
    Some(StrategyPlan { name: name?, placement: placement.into(), domain, failover, knobs })
}

fn placement(value: &Value<'_>) -> Option<&'static str> {
    let name = value.text()?;
    let known = STRATEGIES.iter().find(|entry| entry.name == name);
    if known.is_none() {
        let names = STRATEGIES.iter().map(|entry| entry.name);
        value.complain_with(format!("no placement strategy `{name}`"), suggest(name, names));
    }
    known.map(|entry| entry.name)
}

/// `[service.failover]`, or the name of a policy, or several.
pub(super) fn of_service(table: &Table<'_>, labels: &BTreeSet<String>) -> Vec<Part> {
    let Some(value) = table.get("failover") else { return Vec::new() };
    if !value.is_table() {
        return named(&value).map(|parts| accept(&value, parts, &[])).unwrap_or_default();
    }
    let Some(inner) = value.table(FAILOVER) else { return Vec::new() };
    if inner.get("policy").is_none() {
        inner.complain(format!("`{}.policy` is missing", inner.path));
    }
    policies(&inner, "policy", labels).unwrap_or_default()
}

/// The policies under `key`, each with the parameters under its own name.
fn policies(table: &Table<'_>, key: &str, labels: &BTreeSet<String>) -> Option<Vec<Part>> {
    let value = table.get(key);
    let mut parts = match &value {
        Some(value) => named(value)?,
        None => Vec::new(),
    };
    let mut places = Vec::new();
    for entry in FAILOVERS.iter().filter(|entry| !entry.parameters.is_empty()) {
        let Some(given) = table.get(entry.name) else { continue };
        let Some(number) = parts.iter().position(|part| part.name == entry.name) else {
            given.complain(format!("`{key}` does not name the policy {}", entry.name));
            continue;
        };
        for parameter in given.entries() {
            if let Some(read) = read(entry, &parameter, labels) {
                places.push((number, parameter.key.to_string(), parameter.value.clone()));
                parts[number].given.push((parameter.key.to_string(), read));
            }
        }
    }
    value.map(|value| accept(&value, parts, &places))
}

/// The names of policies; complains about those that there are not.
fn named(value: &Value<'_>) -> Option<Vec<Part>> {
    let items = value.list_or_one();
    if items.is_empty() {
        return value.expected("the name of a failover policy, or several");
    }
    let part = |item: &Value<'_>| {
        let name = item.text()?;
        if !FAILOVERS.iter().any(|entry| entry.name == name) {
            item.complain_with(
                format!("no failover policy `{name}`"),
                suggest(name, FAILOVERS.iter().map(|entry| entry.name)),
            );
            return None;
        }
        Some(Part::named(name))
    };
    items.iter().map(part).collect()
}

/// Policies that can be had together; complains where that is not so.
fn accept(value: &Value<'_>, parts: Vec<Part>, places: &[(usize, String, Value<'_>)]) -> Vec<Part> {
    if let Err(refusal) = failover::build(&parts, 0) {
        let about = |(part, name, _): &&(usize, String, Value<'_>)| {
            *part == refusal.part && refusal.parameter.as_ref() == Some(name)
        };
        match (places.iter().find(about), value.list_or_one().get(refusal.part)) {
            (Some((.., place)), _) => place.complain(&refusal.why),
            (None, Some(item)) => item.complain(&refusal),
            (None, None) => value.complain(&refusal),
        }
    }
    parts
}

/// The key of a label that a node has; empty for none.
fn label(value: &Value<'_>, labels: &BTreeSet<String>) -> Option<String> {
    let text = value.text()?;
    let key = text.strip_prefix("node.labels.").unwrap_or(text);
    if !key.is_empty() && !labels.contains(key) {
        let known = suggest(key, labels.iter().map(String::as_str));
        value.complain_with(format!("no node has the label `{key}`"), known);
        return None;
    }
    Some(key.to_string())
}

/// A parameter of a policy.
fn read(policy: &PolicyEntry, entry: &Entry<'_>, labels: &BTreeSet<String>) -> Option<failover::Value> {
    let value = &entry.value;
    let Some(Parameter { kind, .. }) = policy.parameters.iter().find(|parameter| parameter.name == entry.key) else {
        let known = policy.parameters.iter().map(|parameter| parameter.name);
        value.sink.complain(Some(entry.place), format!("unknown key `{}`", value.path), suggest(entry.key, known));
        return None;
    };
    let expected = || value.expected(kind.expected());
    let number = || value.as_decimal().and_then(|text| text.parse::<f64>().ok()).filter(|number| number.is_finite());
    let is_whole = value.as_decimal().is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    Some(match *kind {
        Kind::Span => failover::Value::Span(value.duration()?),
        Kind::Count(from, to) => failover::Value::Count(value.count(from..=to)?),
        Kind::Number(from, to) => failover::Value::Number(value.number(from..=to)?),
        Kind::Amount if is_whole => failover::Value::Count(value.count(0..=TASKS)?),
        Kind::Amount if value.as_decimal().is_some() => match number().filter(|share| (0.0..=1.0).contains(share)) {
            Some(share) => failover::Value::Number(share),
            None => return expected(),
        },
        Kind::Rate if value.as_text() == Some("unlimited") => failover::Value::Number(f64::INFINITY),
        Kind::Rate if value.as_decimal().is_some() => match number().filter(|rate| *rate >= 0.0) {
            Some(rate) => failover::Value::Number(rate),
            None => return expected(),
        },
        Kind::Amount | Kind::Rate => return expected(),
        Kind::Label => failover::Value::Text(label(value, labels)?.into()),
        Kind::Choice(words) => {
            let word = value.text()?;
            if !words.contains(&word) {
                let near = suggest(word, words.iter().copied()).filter(|help| help.starts_with("did"));
                value.complain_with(format!("expected {}, found {}", kind.expected(), value.what()), near);
                return None;
            }
            failover::Value::Text(word.to_string().into())
        }
        Kind::Flag => failover::Value::Flag(value.boolean()?),
    })
}

impl Strategies {
    /// Complains about policies that cannot serve a service which would get them. Services of stacks are left to Swarm
    /// then: a stack file has no words for another policy.
    pub(super) fn check_services<'a>(
        &self,
        scenario: &Table<'_>,
        services: impl Iterator<Item = &'a ServicePlan> + Clone,
    ) {
        for (plan, place) in self.plans.iter().zip(&self.places) {
            let Ok(policy) = failover::build(&plan.failover, 0) else { continue };
            let mine = |service: &&ServicePlan| {
                service.failover.is_empty() && service.stack.is_none() && !service.spec.mode.is_job()
            };
            let refused =
                services.clone().filter(mine).find_map(|service| Some((service, policy.accepts(&service.spec).err()?)));
            if let Some((service, why)) = refused {
                let (label, name) = (failover::label(&plan.failover), &service.spec.name);
                let help = "give that service a `failover` of its own, such as \"reschedule\"".to_string();
                let message = format!("`strategy.failover`: {label} cannot serve the service `{name}`: {why}");
                scenario.sink.complain(*place, message, Some(help));
            }
        }
    }
}

/// Complains about a service whose own policy cannot serve it.
pub(super) fn check_own(table: &Table<'_>, parts: &[Part], spec: &ServiceSpec, named: Place) {
    let why = match failover::build(parts, 0) {
        Ok(_) if spec.mode.is_job() => "a job has no failover policy: its tasks are replaced as Swarm does".to_string(),
        Ok(policy) => match policy.accepts(spec) {
            Ok(()) => return,
            Err(why) => why,
        },
        // It was complained about.
        Err(_) => return,
    };
    let place = table.get("failover").map_or(named, |value| value.place);
    table.sink.complain(Some(place), format!("service `{}`: {}: {why}", spec.name, failover::label(parts)), None);
}
