//! `[[event]]`: what happens at a given time, or when something holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sched::spec::{Availability, Labels, Mode};
use sched::{Span, Time};

use super::complaint::Place;
use super::join::TOKENS;
use super::pool::{ROLES, Selectors, host_name};
use super::service::TASKS;
use super::stack::{STACK, Stacks};
use super::unit::human;
use super::value::{Entry, Table, Value};
use super::{
    Condition, LinkImpairment, NetworkFault, NetworkPlan, Scripted, ServicePlan, UpdateEnd, Wait, model, pool, service,
};
use crate::engine::law::Law;
use crate::model::join::JoinToken;
use crate::order::{
    Change, Containers, EngineChange, FileKind, FilePlan, JoinChange, LabelChange, Name, Nodes, Order, Registry,
    SwarmChange,
};
use crate::refusal::NOT_SCALED;

/// Keys of an event: [`WHEN`], then one of [`ACTIONS`].
pub(super) const EVENT: &[&str] = &[
    "at",
    "label",
    "stagger",
    "name",
    "when",
    "follows",
    "after",
    "down",
    "up",
    "cut",
    "mute",
    "deaf",
    "split",
    "mend",
    "restart",
    "restart_live",
    "weaken",
    "slow",
    "kill",
    "registry",
    "drain",
    "pause",
    "activate",
    "scale",
    "update_image",
    "force",
    "rollback",
    "remove",
    "promote",
    "demote",
    "remove_node",
    "join",
    "rotate_token",
    "update",
    "deploy",
    "crash",
    "reboot",
    "stop_engine",
    "start_engine",
    "kill_engine",
    "upgrade",
    "leave",
    "node_labels",
    "engine",
    "force_new_cluster",
    "swarm",
    "create_network",
    "remove_network",
    "create_config",
    "remove_config",
    "rotate_config",
    "create_secret",
    "remove_secret",
    "rotate_secret",
    "restart_container",
    "pause_container",
    "unpause_container",
    "init",
    "unlock",
];
pub(super) const WEAKEN: &[&str] = &["nodes", "loss", "delay"];
pub(super) const SLOW: &[&str] = &["nodes", "factor"];
pub(super) const NODE_LABELS: &[&str] = &["nodes", "set", "remove"];
pub(super) const ENGINE: &[&str] = &["nodes", "cpus", "memory", "generic", "labels", "remove_labels"];
pub(super) const UPGRADE: &[&str] = &["nodes", "drain", "takes"];
pub(super) const REMOVE_NODE: &[&str] = &["nodes", "force", "ghosts"];
pub(super) const SWARM: &[&str] = &["task_history", "heartbeat", "autolock"];
pub(super) const INIT: &[&str] = &["nodes", "autolock"];
pub(super) const JOIN_AGAIN: &[&str] = &["nodes", "token", "fresh", "hostname"];
pub(super) const DEMOTE: &[&str] = &["nodes", "ghosts"];
pub(super) const CREATE_NETWORK: &[&str] = &["name", "subnet"];
pub(super) const CREATE_FILE: &[&str] = &["name", "content"];
pub(super) const ROTATE_FILE: &[&str] = &["from", "to", "content"];
pub(super) const REGISTRY: &[&str] = &["bandwidth", "latency", "limit", "move_tag", "delete", "restore"];
pub(super) const MAINTENANCE: &[&str] = &["of", "first", "every", "lasts", "stagger", "off_after"];
/// Keys of [`EVENT`] from here on say what happens.
const ACTIONS: usize = 7;
/// Events of a script at most.
const EVENTS: usize = 1_000_000;
/// Some of them, for messages.
const SUCH_AS: &str = "such as `down`, `restart`, `cut`, `drain`, `scale`, `update`, `deploy` or `remove`";
/// Selectors that are found at the moment: those of one word, and the first word of the others with their form.
const MOMENT: &[&str] = &["leader", "reachable"];
const FORMS: &[(&str, &str)] = &[("random", "random NUMBER of SELECTOR"), ("nodes", "nodes with service=NAME")];

/// What a selector of several words was meant to be, if no known one begins like that.
fn form_of(text: &str) -> Option<&'static str> {
    let (first, _) = text.split_once(' ').unwrap_or((text, ""));
    let is_near = |word: &str| strsim::damerau_levenshtein(first, word) <= usize::from(first != text);
    FORMS.iter().find(|(word, _)| is_near(word)).map(|(_, form)| *form)
}

/// What a condition looks like.
const CONDITIONS: &str = "a condition such as \"web converged\", \"batch completed\", \"update of web paused\" (or started, \
                          completed, rolled back), \"leader lost\", \"leader elected\", \"majority lost\", \"majority back\", \
                          \"node-1 down\", \"node-1 ready\" or \"2 of role=manager without power\"";

/// Maintenance windows: nodes are drained one after another, perhaps switched off, and active again at the end of theirs.
pub(super) fn maintenance(tables: &[Table<'_>], nodes: &Selectors<'_>, end: Time) -> Vec<Scripted> {
    let mut script = Vec::new();
    for table in tables {
        let rows = table.need("of", |value| Some(nodes.rows(value))).unwrap_or_default();
        let (first, lasts) = (table.need("first", Value::duration), table.need("lasts", Value::duration));
        let every = table.read("every", |value| value.duration_from(Span::from_secs(1)));
        let stagger = table.read("stagger", Value::duration).unwrap_or_default();
        let off = table.read("off_after", Value::duration);
        let (Some(first), Some(lasts)) = (first, lasts) else { continue };
        if off.is_some_and(|off| lasts <= off) {
            table.complain("`maintenance.off_after`: not within the window");
            continue;
        }
        let mut window = Time::ZERO + first;
        while window < end {
            for (number, row) in rows.iter().enumerate() {
                let wait = Span::from_nanos(stagger.as_nanos().saturating_mul(number as u64));
                let from = window + wait;
                let mut add = |at: Time, what: &str, order: Order| {
                    script.push(Scripted::new(at, format!("{} {what}", nodes.name(*row)), order));
                };
                let node = || Nodes::from(*row);
                add(from, "drained", Order::SetAvailability(node(), Availability::Drain));
                if let Some(off) = off {
                    add(from + off, "down", Order::PowerOff(node()));
                    add(from + lasts, "up", Order::PowerOn(node()));
                }
                add(from + lasts, "active", Order::SetAvailability(node(), Availability::Active));
            }
            if EVENTS < script.len() {
                table.complain(format!("more than {EVENTS} events"));
                return Vec::new();
            }
            let Some(every) = every else { break };
            window += every;
        }
    }
    script.retain(|scripted| scripted.at < end);
    script
}

/// Something that happens: how long after its event, in words, and what it is.
type Step = (Span, String, Order);

/// Reads events against the nodes and services that they name.
pub(super) struct Script<'a> {
    nodes: &'a Selectors<'a>,
    services: &'a [ServicePlan],
    /// The first service of a name, and when services of that name are created.
    by_name: BTreeMap<&'a str, (usize, Vec<Time>)>,
    stacks: &'a Stacks<'a>,
    end: Time,
    /// Whether services change by what is not in the script, or orders may be refused because nobody leads.
    is_open: bool,
}

/// Complains about words that are no condition, with the nearest one about what they name.
fn no_condition<T>(value: &Value<'_>, words: &[&str]) -> Option<T> {
    let first = words.first().copied().unwrap_or_default();
    let third = words.get(2).copied().unwrap_or_default();
    let mut near: Vec<String> = [("leader", "lost"), ("leader", "elected"), ("majority", "lost"), ("majority", "back")]
        .iter()
        .map(|(what, state)| format!("{what} {state}"))
        .collect();
    near.extend(["converged", "completed", "down", "ready"].map(|state| format!("{first} {state}")));
    for (what, states) in [
        ("update", ["started", "paused", "completed", "rolled back"].as_slice()),
        ("rollback", ["started", "paused", "completed"].as_slice()),
    ] {
        near.extend(states.iter().map(|state| format!("{what} of {third} {state}")));
    }
    let help = value.sink.suggest(&words.join(" "), near.iter().map(String::as_str));
    value.complain_with(format!("expected {CONDITIONS}, found {}", value.what()), help);
    None
}

/// Events that follow each other in a circle would wait for ever.
fn refuse_cycles(tables: &[Table<'_>]) {
    let named =
        tables.iter().filter_map(|table| Some((table.get("name")?.as_text()?.to_owned(), table.get("follows")?)));
    let follows: BTreeMap<String, Value<'_>> = named.collect();
    for (name, value) in &follows {
        let mut next = value.as_text();
        // A chain without a circle is no longer than there are events.
        for _ in 0..follows.len() {
            if next == Some(name) {
                value.complain(format!("event `{name}` would wait for itself"));
                break;
            }
            next = next.and_then(|name| follows.get(name)).and_then(Value::as_text);
        }
    }
}

impl<'a> Script<'a> {
    /// Over all nodes, services and stacks of a run that ends at `end`.
    pub fn new(
        nodes: &'a Selectors<'a>,
        services: &'a [ServicePlan],
        stacks: &'a Stacks<'a>,
        end: Time,
        is_open: bool,
    ) -> Script<'a> {
        let mut by_name: BTreeMap<&str, (usize, Vec<Time>)> = BTreeMap::new();
        for (row, service) in services.iter().enumerate() {
            by_name.entry(service.spec.name.as_str()).or_insert((row, Vec::new())).1.push(service.at);
        }
        Script { nodes, services, by_name, stacks, end, is_open }
    }

    /// All events in order of time, equal times in order of the file.
    pub fn read(&self, tables: &[Table<'_>]) -> Vec<Scripted> {
        let mut names: BTreeMap<&str, u32> = BTreeMap::new();
        for (group, table) in (1..).zip(tables) {
            if let Some((value, name)) = table.get("name").and_then(|value| Some((value.clone(), value.text()?)))
                && names.insert(name, group).is_some()
            {
                value.complain(format!("there is already an event `{name}`"));
            }
        }
        refuse_cycles(tables);
        let mut script: Vec<(Scripted, Place)> = Vec::new();
        // What is deployed brings services that any other event may name.
        let deploys = |table: &Table<'_>| table.get("deploy").is_some();
        let (first, rest): (Vec<_>, Vec<_>) = (1..).zip(tables).partition(|(_, table)| deploys(table));
        for (group, table) in first.into_iter().chain(rest) {
            self.read_event(table, group, &names, &mut script);
            if EVENTS < script.len() {
                table.complain(format!("more than {EVENTS} events"));
                break;
            }
        }
        script.sort_by_key(|(event, _)| (event.at, event.group));
        if let Some(table) = tables.first() {
            self.check_lives(&script, table);
        }
        script.into_iter().map(|(event, _)| event).collect()
    }

    fn read_event(
        &self,
        table: &Table<'_>,
        group: u32,
        names: &BTreeMap<&str, u32>,
        script: &mut Vec<(Scripted, Place)>,
    ) {
        let condition = self.condition(table, names);
        let waits = condition.is_some() || table.get("when").is_some() || table.get("follows").is_some();
        let at = if waits { table.read("at", Value::duration) } else { table.need("at", Value::duration) };
        let after = table.get("after").and_then(|value| match waits {
            true => value.duration(),
            false => value.expected("`when` or `follows` beside it"),
        });
        let label = table.read("label", Value::words);
        let stagger = table.get("stagger");
        let step = stagger.as_ref().and_then(Value::duration);
        let actions: Vec<Value<'_>> = EVENT[ACTIONS..].iter().filter_map(|key| table.get(key)).collect();
        let [action] = actions.as_slice() else {
            let found: Vec<String> = actions.iter().map(|action| action.path.replace("event.", "")).collect();
            if found.is_empty() && table.has_unknown_keys() {
                // The unknown key is what was meant; its neighbour is named already.
                return;
            }
            let found = if found.is_empty() { "nothing".to_string() } else { found.join(" and ") };
            return table
                .complain(format!("`event`: expected exactly one thing that happens, {SUCH_AS}, found {found}"));
        };
        let stream: Name = match table.read("name", Value::words) {
            Some(name) => name.into(),
            None => format!("event {group}").into(),
        };
        let named = self.read_action(action, &stream);
        let at = Time::ZERO + if waits { at.unwrap_or_default() } else { at.unwrap_or(self.end.since(Time::ZERO)) };
        if !waits && table.get("at").and_then(|value| value.duration()).is_none() {
            return;
        }
        let steps: Vec<(Span, String, Order, Option<Span>)> = match step {
            Some(pace) => named.into_iter().flat_map(|step| self.one_by_one(step, pace)).collect(),
            None => named.into_iter().map(|(offset, name, order)| (offset, name, order, None)).collect(),
        };
        for (number, (offset, name, order, pace)) in steps.into_iter().enumerate() {
            let (at, wait) = match &condition {
                Some(condition) => {
                    let after = after.unwrap_or_default() + offset;
                    let words = ["when", "follows"].iter().find_map(|key| table.get(key)).map(|value| words(&value));
                    (at, Some(Wait { condition: condition.clone(), words: words.unwrap_or_default(), after }))
                }
                None => (at + offset, None),
            };
            if self.end <= at {
                let value = if number == 0 { table.get("at") } else { stagger.clone() };
                let message =
                    format!("{} is not before the end of the run at {}", since_start(at), since_start(self.end));
                return value.iter().for_each(|value| value.complain(&message));
            }
            let label = label.map_or(name, str::to_string);
            script.push((Scripted { at, label, order, group, wait, pace }, action_place(table)));
        }
    }

    /// What an event waits for.
    fn condition(&self, table: &Table<'_>, names: &BTreeMap<&str, u32>) -> Option<Condition> {
        if let Some(value) = table.get("follows") {
            if table.get("when").is_some() {
                value.complain("give either `when` or `follows`");
                return None;
            }
            let name = value.text()?;
            let event = names.get(name).copied();
            if event.is_none() {
                value.complain_with(format!("no event `{name}`"), value.sink.suggest(name, names.keys().copied()));
            }
            return event.map(Condition::Happened);
        }
        self.holds(&table.get("when")?)
    }

    /// A condition in words.
    pub fn holds(&self, value: &Value<'_>) -> Option<Condition> {
        let text = value.text()?;
        let words: Vec<&str> = text.split_whitespace().collect();
        let service = |name: &str| self.service(value, name);
        let node = |name: &str| {
            let row = self.nodes.row(name);
            if row.is_none() {
                value.complain_with(format!("no node `{name}`"), value.sink.suggest(name, self.nodes.names()));
            }
            row
        };
        match words.as_slice() {
            ["leader", "lost"] => Some(Condition::LeaderLost),
            ["leader", "elected"] => Some(Condition::LeaderElected),
            ["majority", "lost"] => Some(Condition::MajorityLost),
            ["majority", "back"] => Some(Condition::MajorityBack),
            [name, "converged"] => service(name).map(Condition::Converged),
            [name, "completed"] => service(name).map(Condition::Completed),
            [name, "down"] => node(name).map(Condition::Down),
            [name, "ready"] => node(name).map(Condition::Ready),
            [count, "of", selector @ .., "without", "power"] if !selector.is_empty() => {
                let nodes = self.nodes.rows_of_text(value, &selector.join(" "), &[]);
                let most = nodes.len() as u64;
                match count.parse().ok().filter(|count| (1..=most).contains(count)) {
                    Some(count) => Some(Condition::Powerless(count, nodes.into())),
                    // Nodes that are not there have their complaint.
                    None if most == 0 => None,
                    None => value.expected(format!("a number from 1 to {most} before `of`")),
                }
            }
            [what @ ("update" | "rollback"), "of", name, end @ ..] => {
                let end = match (*what, end) {
                    ("update", ["started"]) => UpdateEnd::Started,
                    ("update", ["paused"]) => UpdateEnd::Paused,
                    ("update", ["completed"]) => UpdateEnd::Completed,
                    ("update", ["rolled", "back"]) | ("rollback", ["completed"]) => UpdateEnd::RolledBack,
                    ("rollback", ["started"]) => UpdateEnd::RollbackStarted,
                    ("rollback", ["paused"]) => UpdateEnd::RollbackPaused,
                    _ => return no_condition(value, &words),
                };
                service(name).map(|name| Condition::Update(name, end))
            }
            _ => no_condition(value, &words),
        }
    }

    /// The nodes of a selector. What depends on the moment is found then.
    fn select(&self, value: &Value<'_>, stream: &Name) -> Nodes {
        let items = value.list_or_one();
        let is_fixed = |item: &Value<'_>| item.as_text().is_none_or(|text| !self.is_of_the_moment(text));
        if items.iter().all(is_fixed) {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_text).collect();
            let mut terms = texts.iter().flat_map(|text| text.split(" - ")).map(str::trim);
            let unknown = terms.find(|term| !self.nodes.is_name(term) && form_of(term).is_some());
            if let Some((text, form)) = unknown.and_then(|text| Some((text, form_of(text)?))) {
                value.complain_with(format!("no nodes `{text}`"), Some(format!("did you mean \"{form}\"?")));
                return Nodes::from(Vec::new());
            }
            return self.nodes.rows_or(value, MOMENT).into();
        }
        let parts = items.iter().filter_map(|item| Some(self.select_one(item, item.text()?.trim(), stream)));
        let mut parts: Vec<Nodes> = parts.collect();
        if parts.len() == 1 { parts.remove(0) } else { Nodes::Union(parts) }
    }

    /// Whether a part of a selector depends on the moment.
    fn is_of_the_moment(&self, text: &str) -> bool {
        text.split(" - ").map(str::trim).any(|term| {
            let words = ["random ", "nodes with "].iter().any(|word| term.starts_with(word));
            words || MOMENT.contains(&term) && !self.nodes.is_name(term)
        })
    }

    fn select_one(&self, value: &Value<'_>, text: &str, stream: &Name) -> Nodes {
        let nobody = || Nodes::from(Vec::new());
        if let Some(rest) = text.strip_prefix("random ") {
            let parts = rest.split_once(" of ").and_then(|(count, of)| Some((count.trim().parse().ok()?, of.trim())));
            let Some((count, of)) = parts else {
                return value.expected("\"random NUMBER of SELECTOR\"").unwrap_or_else(nobody);
            };
            let of = Box::new(self.select_one(value, of, stream));
            return Nodes::Random { count, of, stream: Arc::clone(stream) };
        }
        if !self.is_of_the_moment(text) {
            return self.nodes.rows_of_text(value, text, MOMENT).into();
        }
        if let Some((those, others)) = text.rsplit_once(" - ") {
            let those = self.select_one(value, those.trim(), stream);
            return Nodes::Except(Box::new(those), Box::new(self.select_one(value, others.trim(), stream)));
        }
        match text {
            "leader" => Nodes::Leader,
            "reachable" => Nodes::Reachable,
            _ => match text.strip_prefix("nodes with service=") {
                Some(name) => self.service(value, name.trim()).map_or_else(nobody, Nodes::With),
                None => value.expected("\"nodes with service=NAME\"").unwrap_or_else(nobody),
            },
        }
    }

    /// What happens, in words, and what it is.
    fn read_action(&self, value: &Value<'_>, stream: &Name) -> Vec<Step> {
        let key = value.path.rsplit('.').next().unwrap_or("");
        let now = |name: String, order: Order| vec![(Span::ZERO, name, order)];
        let nodes = |state: &str, order: &dyn Fn(Nodes) -> Order| {
            let nodes = self.select(value, stream);
            if nodes.fixed() == Some(&[]) { Vec::new() } else { now(format!("{} {state}", words(value)), order(nodes)) }
        };
        let availability = |to: Availability| nodes(word(to), &|nodes| Order::SetAvailability(nodes, to));
        let services = |done: &str, order: fn(Name) -> Order| {
            value.not_empty("a service or more");
            let names = value.list_or_one();
            let names = names.iter().filter_map(|name| self.service(name, name.text()?));
            names.map(|name| (Span::ZERO, format!("{name} {done}"), order(name))).collect()
        };
        let fault = |fault: NetworkFault| nodes(fault_word(fault), &|nodes| Order::Break(fault, nodes));
        let texts = |done: &str, order: &dyn Fn(Name) -> Order| {
            value.not_empty("a name or more");
            let names = value.list_or_one();
            let names = names.iter().filter_map(Value::text);
            names.map(|name| (Span::ZERO, format!("{name} {done}"), order(name.into()))).collect()
        };
        match key {
            "down" => nodes("down", &Order::PowerOff),
            "up" => nodes("up", &Order::PowerOn),
            "cut" => fault(NetworkFault::Isolated),
            "mute" => fault(NetworkFault::TxLost),
            "deaf" => fault(NetworkFault::RxLost),
            "split" => fault(NetworkFault::Partitioned),
            "mend" => nodes("connected", &Order::Mend),
            "restart" => nodes("engine restarted", &Order::RestartEngine),
            "restart_live" => nodes("engine restarted under its containers", &Order::RestartEngineLive),
            "crash" => nodes("engine restarted", &Order::CrashEngine),
            "reboot" => nodes("rebooted", &Order::Reboot),
            "stop_engine" => nodes("engine stopped", &Order::StopEngine),
            "start_engine" => nodes("engine started", &Order::StartEngine),
            "kill_engine" => nodes("engine killed", &Order::KillEngine),
            "upgrade" => self.upgrade(value, stream),
            "weaken" => self.weakness(value, stream),
            "slow" => self.slowness(value, stream),
            "kill" => self.containers(value, "killed", Order::Kill),
            "restart_container" => self.containers(value, "restarted by hand", Order::RestartContainers),
            "pause_container" => self.containers(value, "paused", Order::PauseContainers),
            "unpause_container" => services("unpaused", Order::UnpauseContainers),
            "registry" => registry(value),
            "drain" => availability(Availability::Drain),
            "pause" => availability(Availability::Pause),
            "activate" => availability(Availability::Active),
            "promote" => nodes("promoted", &Order::Promote),
            "demote" => self.demotion(value, stream),
            "remove_node" => self.node_removal(value, stream),
            "init" => self.init(value, stream),
            "join" => self.join(value, stream),
            "unlock" => nodes("unlocked", &Order::Unlock),
            "leave" => nodes("leaving", &Order::Leave),
            "node_labels" => self.node_labels(value, stream),
            "engine" => self.engine(value, stream),
            "force_new_cluster" => nodes("a cluster of its own", &Order::ForceNewCluster),
            "swarm" => swarm(value),
            "rotate_token" => {
                value.not_empty("`worker`, `manager` or both");
                value.list_or_one().iter().filter_map(rotation).collect()
            }
            "scale" => self.scales(value),
            "update_image" => self.images(value),
            "update" => self.updates(value),
            "deploy" => self.deployment(value),
            "force" => services("restarted by force", Order::Force),
            "rollback" => self.for_services_and_stacks(value, "rolled back", Order::Rollback, Order::RollbackStack),
            "create_network" => network(value),
            "remove_network" => texts("removed", &Order::RemoveNetwork),
            "create_config" => files(value, FileKind::Config),
            "create_secret" => files(value, FileKind::Secret),
            "remove_config" => texts("removed", &|name| Order::RemoveFile(FileKind::Config, name)),
            "remove_secret" => texts("removed", &|name| Order::RemoveFile(FileKind::Secret, name)),
            "rotate_config" => rotated(value, FileKind::Config),
            "rotate_secret" => rotated(value, FileKind::Secret),
            _ => self.for_services_and_stacks(value, "removed", Order::RemoveService, Order::RemoveStack),
        }
    }

    /// `{ nodes = "node-1", loss = 0.1, delay = "200ms" }`.
    fn weakness(&self, value: &Value<'_>, stream: &Name) -> Vec<Step> {
        let Some(table) = value.table(WEAKEN) else { return Vec::new() };
        let named = table.need("nodes", |value| Some((words(value), self.select(value, stream))));
        let loss = table.read("loss", |value| value.number(0.0..=0.99));
        let delay = table.read("delay", Value::law);
        let Some((words, nodes)) = named else { return Vec::new() };
        if table.get("loss").is_none() && table.get("delay").is_none() {
            table.complain("`event.weaken`: expected `loss`, `delay` or both");
            return Vec::new();
        }
        let weakness = LinkImpairment { loss: loss.unwrap_or(0.0), delay: delay.unwrap_or(Law::Fixed(Span::ZERO)) };
        let is_sound = weakness.loss == 0.0 && weakness.delay == Law::Fixed(Span::ZERO);
        let what = if is_sound { "well connected" } else { "weakly connected" };
        vec![(Span::ZERO, format!("{words} {what}"), Order::Weaken(nodes, (!is_sound).then_some(weakness)))]
    }

    /// `{ nodes = "node-1", factor = 4 }`.
    fn slowness(&self, value: &Value<'_>, stream: &Name) -> Vec<Step> {
        let Some(table) = value.table(SLOW) else { return Vec::new() };
        let factor = table.need("factor", |value| value.number(1.0..=1e6));
        let named = table.need("nodes", |value| Some((words(value), self.select(value, stream))));
        let (Some(factor), Some((words, nodes))) = (factor, named) else { return Vec::new() };
        vec![(Span::ZERO, format!("{words} slower by {factor}"), Order::Slow(nodes, factor))]
    }

    /// `{ nodes = "pool=worker", drain = true, takes = "60s" }`: each node is drained if it shall be, its engine is stopped,
    /// and after a time it is started and the node active again.
    fn upgrade(&self, value: &Value<'_>, stream: &Name) -> Vec<Step> {
        let Some(table) = value.table(UPGRADE) else { return Vec::new() };
        let drain = table.read("drain", Value::boolean).unwrap_or(false);
        let takes = table.need("takes", Value::duration);
        let named = table.need("nodes", |value| Some((value.clone(), words(value), self.select(value, stream))));
        let (Some(takes), Some((value, words, nodes))) = (takes, named) else { return Vec::new() };
        if nodes.fixed().is_none() {
            value.complain("an upgrade takes its time: expected nodes that are the same at any moment");
        }
        let mut steps = Vec::new();
        if drain {
            let order = Order::SetAvailability(nodes.clone(), Availability::Drain);
            steps.push((Span::ZERO, format!("{words} drained"), order));
        }
        // Who drains waits until what runs there has had time to stop.
        let stop = if drain { DRAINED } else { Span::ZERO };
        steps.push((stop, format!("{words} engine stopped"), Order::StopEngine(nodes.clone())));
        steps.push((stop + takes, format!("{words} engine started"), Order::StartEngine(nodes.clone())));
        if drain {
            let order = Order::SetAvailability(nodes, Availability::Active);
            steps.push((stop + takes, format!("{words} active"), order));
        }
        steps
    }

    /// A selector, or `{ nodes = "m-1", autolock = true }`. Only one node can be the first.
    fn init(&self, value: &Value<'_>, stream: &Name) -> Vec<Step> {
        let mut autolock = false;
        let value = if value.is_table() {
            let Some(table) = value.table(INIT) else { return Vec::new() };
            autolock = table.read("autolock", Value::boolean).unwrap_or(false);
            let Some(value) = table.need("nodes", |value| Some(value.clone())) else { return Vec::new() };
            value
        } else {
            value.clone()
        };
        let nodes = self.select(&value, stream);
        if nodes.fixed().is_some_and(|rows| rows.len() > 1) {
            value.complain("expected one node, the first of the swarm");
        }
        vec![(Span::ZERO, format!("{} a swarm", words(&value)), Order::Init(nodes, autolock))]
    }

    /// A selector, or `{ nodes = "m-2", token = "manager", fresh = false, hostname = "m-9" }`.
    fn join(&self, value: &Value<'_>, stream: &Name) -> Vec<Step> {
        let mut change = JoinChange::default();
        let value = if value.is_table() {
            let Some(table) = value.table(JOIN_AGAIN) else { return Vec::new() };
            let role = table.read("token", |value| value.choice(TOKENS));
            let fresh = table.read("fresh", Value::boolean);
            if let Some(value) = table.get("fresh").filter(|_| table.get("token").is_none()) {
                value.expected::<()>("`token` beside it");
            }
            change.token = role.map(|role| JoinToken { role, fresh: fresh.unwrap_or(true) });
            change.hostname = table.read("hostname", hostname);
            let Some(value) = table.need("nodes", |value| Some(value.clone())) else { return Vec::new() };
            value
        } else {
            value.clone()
        };
        let nodes = self.select(&value, stream);
        if change.hostname.is_some() && nodes.fixed().is_none_or(|rows| rows.len() != 1) {
            value.complain("expected one node, for the new host name");
        }
        if nodes.fixed() == Some(&[]) {
            return Vec::new();
        }
        vec![(Span::ZERO, format!("{} joining", words(&value)), Order::Join(nodes, change.into()))]
    }

    /// A selector, or `{ nodes = "m-2", ghosts = true }`.
    fn demotion(&self, value: &Value<'_>, stream: &Name) -> Vec<Step> {
        let mut ghosts = false;
        let value = if value.is_table() {
            let Some(table) = value.table(DEMOTE) else { return Vec::new() };
            ghosts = table.read("ghosts", Value::boolean).unwrap_or(false);
            let Some(value) = table.need("nodes", |value| Some(value.clone())) else { return Vec::new() };
            value
        } else {
            value.clone()
        };
        let nodes = self.select(&value, stream);
        if nodes.fixed() == Some(&[]) {
            return Vec::new();
        }
        let words = words(&value);
        vec![match ghosts {
            true => (Span::ZERO, format!("ghosts of {words} demoted"), Order::DemoteGhosts(nodes)),
            false => (Span::ZERO, format!("{words} demoted"), Order::Demote(nodes)),
        }]
    }

    /// A selector, or `{ nodes = "node-1", force = false, ghosts = true }`.
    fn node_removal(&self, value: &Value<'_>, stream: &Name) -> Vec<Step> {
        let mut ghosts = false;
        let (words, nodes, force) = if value.is_table() {
            let Some(table) = value.table(REMOVE_NODE) else { return Vec::new() };
            let force = table.read("force", Value::boolean).unwrap_or(false);
            ghosts = table.read("ghosts", Value::boolean).unwrap_or(false);
            let named = table.need("nodes", |value| Some((words(value), self.select(value, stream))));
            let Some((words, nodes)) = named else { return Vec::new() };
            (words, nodes, force)
        } else {
            (words(value), self.select(value, stream), true)
        };
        if nodes.fixed() == Some(&[]) {
            return Vec::new();
        }
        if ghosts {
            return vec![(Span::ZERO, format!("ghosts of {words} removed"), Order::RemoveGhosts(nodes, force))];
        }
        vec![(Span::ZERO, format!("{words} removed"), Order::RemoveNode(nodes, force))]
    }

    /// `{ nodes = "node-1", set = { disk = "ssd" }, remove = ["old"] }`.
    fn node_labels(&self, value: &Value<'_>, stream: &Name) -> Vec<Step> {
        let complaints = value.sink.count();
        let Some(table) = value.table(NODE_LABELS) else { return Vec::new() };
        let named = table.need("nodes", |value| Some((words(value), self.select(value, stream))));
        let set = table.read("set", labels).unwrap_or_default();
        let remove = table.read("remove", Value::texts).unwrap_or_default();
        let Some((words, nodes)) = named else { return Vec::new() };
        if table.get("set").is_none() && table.get("remove").is_none() {
            table.complain("`event.node_labels`: expected `set`, `remove` or both");
        } else if set.is_empty() && remove.is_empty() {
            nothing_changes(&table, complaints);
        }
        vec![(Span::ZERO, format!("{words} labelled"), Order::Label(nodes, LabelChange { set, remove }.into()))]
    }

    /// `{ nodes = "node-1", memory = "4GiB" }`: what the engine says of itself from now on.
    fn engine(&self, value: &Value<'_>, stream: &Name) -> Vec<Step> {
        let complaints = value.sink.count();
        let Some(table) = value.table(ENGINE) else { return Vec::new() };
        let named = table.need("nodes", |value| Some((words(value), self.select(value, stream))));
        let change = EngineChange {
            nano_cpus: table.read("cpus", Value::cpus),
            memory: table.read("memory", Value::bytes).map(u64::cast_signed),
            generic: table.read("generic", pool::generic_units),
            labels: LabelChange {
                set: table.read("labels", labels).unwrap_or_default(),
                remove: table.read("remove_labels", Value::texts).unwrap_or_default(),
            },
        };
        let Some((words, nodes)) = named else { return Vec::new() };
        if change == EngineChange::default() {
            nothing_changes(&table, complaints);
        }
        vec![(Span::ZERO, format!("{words} described anew"), Order::Describe(nodes, change.into()))]
    }

    /// A service, a table of services and how many of their containers, or the container of a task: `web.3`.
    fn containers(&self, value: &Value<'_>, done: &str, order: fn(Containers) -> Order) -> Vec<Step> {
        let some = |name: Name, count: u64| {
            let containers = if count == 1 { "a container" } else { "containers" };
            (Span::ZERO, format!("{containers} of {name} {done}"), order(Containers::Some(name, count)))
        };
        if let Some(name) = value.as_text() {
            if let Some((service, _)) = name.split_once('.') {
                let service = self.service(value, service);
                let step = |_| (Span::ZERO, format!("{name} {done}"), order(Containers::Of(name.into())));
                return service.map(step).into_iter().collect();
            }
            return self.service(value, name).map(|name| some(name, 1)).into_iter().collect();
        }
        let mut steps = Vec::new();
        value.not_empty("a service or more");
        for entry in value.entries() {
            let count = entry.value.count(1..=TASKS);
            let name = self.service_of_key(value, entry.key, entry.place);
            if let (Some(count), Some(name)) = (count, name) {
                steps.push(some(name, count));
            }
        }
        steps
    }

    /// The first service of a name, as the file has it.
    fn plan(&self, name: &str) -> Option<&'a ServicePlan> {
        self.by_name.get(name).map(|(row, _)| &self.services[*row])
    }

    /// Its mode, if that is the same whenever it is there.
    fn mode_of(&self, name: &str) -> Option<Mode> {
        let kind = |plan: &ServicePlan| std::mem::discriminant(&plan.spec.mode);
        let plan = self.plan(name).filter(|_| !self.stacks.brings(name))?;
        let mut all = self.services.iter().filter(|service| service.spec.name == name);
        all.all(|service| kind(service) == kind(plan)).then_some(plan.spec.mode)
    }

    fn scales(&self, value: &Value<'_>) -> Vec<Step> {
        let mut steps = Vec::new();
        value.not_empty("a service or more");
        for entry in value.entries() {
            let replicas = entry.value.count(0..=TASKS);
            let Some(name) = self.service_of_key(value, entry.key, entry.place) else { continue };
            if self.mode_of(&name).is_some_and(Mode::is_per_node) {
                entry.value.complain(NOT_SCALED);
            }
            let Some(replicas) = replicas else { continue };
            let others = self.services.iter().filter(|service| service.spec.name != *name);
            let others: u128 = others.map(|service| u128::from(service.tasks(self.nodes.count()))).sum();
            let total = others + u128::from(replicas);
            if u128::from(TASKS) < total {
                entry.value.complain(format!("{total} tasks in all are more than {TASKS}"));
            }
            steps.push((Span::ZERO, format!("{name} scaled to {replicas}"), Order::Scale(name, replicas)));
        }
        steps
    }

    fn images(&self, value: &Value<'_>) -> Vec<Step> {
        let mut steps = Vec::new();
        value.not_empty("a service or more");
        for entry in value.entries() {
            let image = entry.value.text();
            let name = self.service_of_key(value, entry.key, entry.place);
            let (Some(image), Some(name)) = (image, name) else { continue };
            let change = Change::image(image);
            self.check_change(&name, &change, &entry.value);
            steps.push((Span::ZERO, format!("{name} to {image}"), Order::UpdateService(name, change.into())));
        }
        steps
    }

    fn updates(&self, value: &Value<'_>) -> Vec<Step> {
        let mut steps = Vec::new();
        value.not_empty("a service or more");
        for entry in value.entries() {
            let change = service::change(&entry.value);
            let name = self.service_of_key(value, entry.key, entry.place);
            let (Some(change), Some(name)) = (change, name) else { continue };
            self.check_change(&name, &change, &entry.value);
            steps.push((Span::ZERO, format!("{name} updated"), Order::UpdateService(name, change.into())));
        }
        steps
    }

    /// What the API would refuse whenever it is, beside what it refuses of the service already.
    fn check_change(&self, name: &str, change: &Change, value: &Value<'_>) {
        let Some(plan) = self.plan(name) else { return };
        if let Some(refusal) = self.mode_of(name).and_then(|mode| change.refused_of(&mode)) {
            return value.complain(refusal);
        }
        let (mut spec, mut behaviour) = (plan.spec.clone(), plan.behaviour);
        change.apply(&mut spec, &mut behaviour);
        let before = sched::api::refusals(&plan.spec);
        for refusal in sched::api::refusals(&spec).into_iter().filter(|refusal| !before.contains(refusal)) {
            value.complain(refusal.text);
        }
    }

    /// `{ name = "app", files = "app.yml", prune = true }`.
    fn deployment(&self, value: &Value<'_>) -> Vec<Step> {
        let plan = value.table(DEPLOY).and_then(|table| self.stacks.plan_of(&table));
        let Some(plan) = plan else { return Vec::new() };
        vec![(Span::ZERO, format!("{} deployed", plan.name), Order::DeployStack(plan.into()))]
    }

    /// Services, and stacks; where there are both of a name, `service=` or `stack=` says which.
    fn for_services_and_stacks(
        &self,
        value: &Value<'_>,
        done: &str,
        of_service: fn(Name) -> Order,
        of_stack: fn(Name) -> Order,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        value.not_empty("a service or a stack");
        for item in value.list_or_one() {
            let Some(text) = item.text() else { continue };
            let (kind, name) = match text.split_once('=') {
                Some((kind @ ("service" | "stack"), name)) => (kind, name),
                _ => ("", text),
            };
            let is_stack = self.of_stack(name).next().is_some() || self.stacks.is_again(name);
            let is_service = self.by_name.contains_key(name) || self.stacks.brings(name);
            if is_stack && is_service && kind.is_empty() {
                let help = format!("write \"service={name}\" or \"stack={name}\"");
                item.complain_with(format!("there are a service and a stack `{name}`"), Some(help));
            } else if !is_stack && kind == "stack" {
                let stacks =
                    self.services.iter().filter_map(|service| service.stack.as_deref()).collect::<BTreeSet<&str>>();
                let names: Vec<String> =
                    stacks.into_iter().map(str::to_string).chain(self.stacks.names_again()).collect();
                item.complain_with(
                    format!("no stack `{name}`"),
                    item.sink.suggest(name, names.iter().map(String::as_str)),
                );
            } else if is_stack && kind != "service" && !(is_service && kind.is_empty()) {
                steps.push((Span::ZERO, format!("{name} {done}"), of_stack(name.into())));
            } else if let Some(name) = self.service(&item, name) {
                steps.push((Span::ZERO, format!("{name} {done}"), of_service(name)));
            }
        }
        steps
    }

    fn of_stack(&self, name: &str) -> impl Iterator<Item = Name> {
        let is_of = move |service: &&ServicePlan| service.stack.as_deref() == Some(name);
        self.services
            .iter()
            .filter(is_of)
            .map(|service| service.spec.name.as_str().into())
            .collect::<Vec<Name>>()
            .into_iter()
    }

    fn service(&self, value: &Value<'_>, name: &str) -> Option<Name> {
        self.service_of_key(value, name, value.place)
    }

    fn service_of_key(&self, value: &Value<'_>, name: &str, place: Place) -> Option<Name> {
        let is_there = self.by_name.contains_key(name) || self.stacks.brings(name);
        if !is_there {
            let names = self.by_name.keys().copied();
            value.sink.complain(
                Some(place),
                format!("`{}`: no service `{name}`", value.path),
                value.sink.suggest(name, names),
            );
        }
        is_there.then(|| name.into())
    }

    /// The same for one node after the other; nodes that are found later are taken one by one then.
    fn one_by_one(&self, (offset, name, order): Step, pace: Span) -> Vec<(Span, String, Order, Option<Span>)> {
        let what = match &order {
            Order::PowerOff(_) => "down",
            Order::PowerOn(_) => "up",
            Order::Break(NetworkFault::Partitioned, _) => return vec![(offset, name, order, None)],
            Order::Break(fault, _) => fault_word(*fault),
            Order::Mend(_) => "connected",
            Order::RestartEngine(_) | Order::RestartEngineLive(_) | Order::CrashEngine(_) => "engine restarted",
            Order::Reboot(_) => "rebooted",
            Order::StopEngine(_) => "engine stopped",
            Order::StartEngine(_) => "engine started",
            Order::KillEngine(_) => "engine killed",
            Order::Weaken(..) => "weakly connected",
            Order::Slow(..) => "slower",
            Order::SetAvailability(_, to) => word(*to),
            Order::Label(..) => "labelled",
            Order::Describe(..) => "described anew",
            Order::Promote(_) => "promoted",
            Order::Demote(_) => "demoted",
            Order::DemoteGhosts(_) => "ghosts demoted",
            Order::Unlock(_) => "unlocked",
            Order::RemoveNode(..) => "removed",
            Order::RemoveGhosts(..) => "ghosts removed",
            Order::Join(..) => "joining",
            Order::Leave(_) => "leaving",
            _ => return vec![(offset, name, order, None)],
        };
        let Some(rows) = order.nodes().and_then(Nodes::fixed) else { return vec![(offset, name, order, Some(pace))] };
        let one = |(number, row): (usize, &usize)| {
            let offset = offset + Span::from_nanos(pace.as_nanos().saturating_mul(number as u64));
            (offset, format!("{} {what}", self.nodes.name(*row)), order.to_nodes(Nodes::from(*row)), None)
        };
        rows.iter().enumerate().map(one).collect()
    }

    /// A service can be changed after it is created, until it is removed; and rolled back after it was changed. Of what waits
    /// for a condition, is deployed, done by operators by chance or refused by managers that are lost nobody knows before the
    /// run.
    fn check_lives(&self, script: &[(Scripted, Place)], table: &Table<'_>) {
        let mut removed: BTreeMap<Name, Time> = BTreeMap::new();
        let mut changed: BTreeSet<Name> = BTreeSet::new();
        let known = script.iter().filter(|(event, _)| event.wait.is_none());
        let is_unforeseen = |event: &Scripted| event.wait.is_some() || matches!(event.order, Order::DeployStack(_));
        let is_open = self.is_open || script.iter().any(|(event, _)| is_unforeseen(event));
        for (event, place) in known {
            let names: Vec<Name> = match &event.order {
                // What is in a stack that is deployed again depends on when that is.
                Order::RemoveStack(stack) if self.stacks.is_again(stack) => Vec::new(),
                Order::RemoveStack(stack) => self.of_stack(stack).collect(),
                order => order.service().cloned().into_iter().collect(),
            };
            for name in names {
                let Some((_, created)) = self.by_name.get(&*name) else { continue };
                let complain = |message: &str| {
                    table.sink.complain(Some(*place), format!("`event`: service `{name}` {message}"), None);
                };
                let first = created.iter().min().copied().unwrap_or_default();
                let is_back = |gone: &Time| created.iter().any(|at| gone <= at && *at <= event.at);
                if event.at < first && !self.stacks.brings(&name) {
                    complain(&format!("is created later, at {}", since_start(first)));
                } else if removed.get(&name).is_some_and(|gone| !is_back(gone)) && !is_open {
                    complain("is removed before");
                } else if matches!(event.order, Order::Rollback(_)) && !changed.contains(&name) && !is_open {
                    complain("does not have a previous spec to roll back to: nothing changes it before");
                }
                match event.order {
                    Order::RemoveService(_) | Order::RemoveStack(_) => drop(removed.insert(name, event.at)),
                    Order::UpdateService(..) | Order::Scale(..) | Order::Force(_) | Order::Rollback(_) => {
                        changed.insert(name);
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Keys of a stack that an event deploys.
pub(super) const DEPLOY: &[&str] = &["name", "files", "env", "env_file", "prune"];
const _: () = assert!(DEPLOY.len() + 1 == STACK.len(), "those of `[[stack]]` but for `at`");

/// How long a drained node has before its engine is stopped: Docker's grace period and what the agent takes beside.
const DRAINED: Span = Span::from_secs(15);

/// Complains about a table that changes nothing, unless something in it is wrong: that is what was to change then.
fn nothing_changes(table: &Table<'_>, complaints: usize) {
    if table.sink.count() == complaints {
        table.complain(format!("`{}`: nothing changes", table.path));
    }
}

fn labels(value: &Value<'_>) -> Option<Labels> {
    let label = |entry: Entry<'_>| entry.value.scalar().map(|text| (entry.key.to_string(), text));
    Some(value.entries().into_iter().filter_map(label).collect())
}

/// `up`, `down`, or a table of what is another from now on.
fn registry(value: &Value<'_>) -> Vec<Step> {
    if !value.is_table() {
        let answers = value.choice(&[("up", true), ("down", false)]);
        let name = |answers: bool| format!("registry {}", if answers { "up" } else { "down" });
        let step = |answers| (Span::ZERO, name(answers), Order::Registry(Registry::Answers(answers)));
        return answers.map(step).into_iter().collect();
    }
    let complaints = value.sink.count();
    let Some(table) = value.table(REGISTRY) else { return Vec::new() };
    let mut steps = Vec::new();
    let mut add = |name: String, change: Registry| steps.push((Span::ZERO, name, Order::Registry(change)));
    if let Some(rate) = table.read("bandwidth", Value::rate) {
        add("registry of another bandwidth".into(), Registry::Bandwidth(rate));
    }
    if let Some(latency) = table.read("latency", Value::duration) {
        add(format!("registry {} away", human(latency)), Registry::Latency(latency));
    }
    if let Some(limit) = table.read("limit", model::limit) {
        add(format!("registry allows {} pulls", limit.pulls), Registry::Limit(Some(limit)));
    }
    if let Some(tags) = table.get("move_tag") {
        for entry in tags.entries() {
            let Some(other) = entry.value.text() else { continue };
            add(format!("{} is {other} now", entry.key), Registry::MoveTag(entry.key.into(), other.into()));
        }
    }
    for (key, has) in [("delete", false), ("restore", true)] {
        for item in table.get(key).iter().flat_map(Value::list_or_one) {
            let Some(image) = item.text() else { continue };
            let what = if has { "is there again" } else { "deleted" };
            add(format!("{image} {what}"), Registry::Has(image.into(), has));
        }
    }
    if steps.is_empty() {
        nothing_changes(&table, complaints);
    }
    steps
}

/// `{ task_history = 2, heartbeat = "10s", autolock = true }`.
fn swarm(value: &Value<'_>) -> Vec<Step> {
    let complaints = value.sink.count();
    let Some(table) = value.table(SWARM) else { return Vec::new() };
    let change = SwarmChange {
        task_history: table.read("task_history", |value| value.count(0..=1_000_000)),
        heartbeat: table.read("heartbeat", |value| value.duration_from(Span::from_millis(10))),
        autolock: table.read("autolock", Value::boolean),
    };
    if change == SwarmChange::default() {
        nothing_changes(&table, complaints);
    }
    vec![(Span::ZERO, "swarm updated".into(), Order::UpdateSwarm(change))]
}

/// A name, or `{ name = "front", subnet = "10.7.0.0/24" }`.
fn network(value: &Value<'_>) -> Vec<Step> {
    let plan = if value.is_table() {
        value.table(CREATE_NETWORK).and_then(|table| {
            let subnet = table.read("subnet", model::subnet);
            Some(NetworkPlan { name: table.need("name", Value::text)?.to_string(), subnet, external: false })
        })
    } else {
        value.text().map(|name| NetworkPlan { name: name.to_string(), subnet: None, external: false })
    };
    let Some(plan) = plan else { return Vec::new() };
    vec![(Span::ZERO, format!("{} created", plan.name), Order::CreateNetwork(plan.into()))]
}

/// A name, or `{ name = "site-2", content = "v2" }`.
fn files(value: &Value<'_>, kind: FileKind) -> Vec<Step> {
    let plan = if value.is_table() {
        value.table(CREATE_FILE).and_then(|table| {
            let content = table.read("content", Value::text).map(|text| text.as_bytes().into());
            Some(FilePlan { kind, name: table.need("name", Value::text)?.into(), content, external: false })
        })
    } else {
        value.text().map(|name| FilePlan { kind, name: name.into(), content: None, external: false })
    };
    let Some(plan) = plan else { return Vec::new() };
    vec![(Span::ZERO, format!("{} created", plan.name), Order::CreateFile(plan.into()))]
}

/// `{ from = "site-1", to = "site-2" }`.
fn rotated(value: &Value<'_>, kind: FileKind) -> Vec<Step> {
    let Some(table) = value.table(ROTATE_FILE) else { return Vec::new() };
    let (from, to) = (table.need("from", Value::text), table.need("to", Value::text));
    let content = table.read("content", Value::text).map(|text| text.as_bytes().into());
    let (Some(from), Some(to)) = (from, to) else { return Vec::new() };
    if from == to {
        value.complain(format!("expected another {} than `{from}` to rotate it to", kind.word()));
    }
    let plan = FilePlan { kind, name: to.into(), content, external: false };
    vec![(Span::ZERO, format!("{from} rotated to {to}"), Order::RotateFile { from: from.into(), to: plan.into() })]
}

fn word(availability: Availability) -> &'static str {
    match availability {
        Availability::Active => "active",
        Availability::Pause => "paused",
        Availability::Drain => "drained",
    }
}

/// A host name that a machine is given.
fn hostname(value: &Value<'_>) -> Option<Name> {
    let text = value.text()?;
    host_name(text.to_string()).map_err(|error| value.complain(error)).ok().map(Name::from)
}

/// Host names that machines get when they join, with the nodes that they are from then on.
pub(super) fn hostnames(events: &[Table<'_>]) -> Vec<(String, String)> {
    let joins = events.iter().filter_map(|event| event.get("join")).filter(Value::is_table);
    let named = joins.filter_map(|value| {
        let text = |key: &str| value.member(key)?.as_text().map(str::to_string);
        Some((text("hostname")?, text("nodes")?))
    });
    named.collect()
}

/// Whose token is another from now on.
fn rotation(value: &Value<'_>) -> Option<Step> {
    let role = value.choice(ROLES)?;
    Some((Span::ZERO, format!("token of {}s rotated", value.as_text()?), Order::RotateToken(role)))
}

fn fault_word(fault: NetworkFault) -> &'static str {
    match fault {
        NetworkFault::Isolated => "cut off",
        NetworkFault::TxLost => "mute",
        NetworkFault::RxLost => "deaf",
        NetworkFault::Partitioned => "split off",
    }
}

fn since_start(time: Time) -> String {
    human(time.since(Time::ZERO))
}

fn action_place(table: &Table<'_>) -> Place {
    EVENT[ACTIONS..].iter().find_map(|key| table.get(key)).map_or(table.place, |value| value.place)
}

fn words(value: &Value<'_>) -> String {
    value.list_or_one().iter().filter_map(Value::as_text).collect::<Vec<_>>().join(", ")
}
