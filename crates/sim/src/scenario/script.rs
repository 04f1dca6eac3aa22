//! `[[event]]`: what happens at a given time.

use std::collections::{BTreeMap, BTreeSet};

use sched::spec::{Availability, Mode};
use sched::{Span, Time};

use super::complaint::Place;
use super::pool::{ROLES, Selectors};
use super::reader::{Table, Value};
use super::service::TASKS;
use super::unit::human;
use super::{Action, LinkImpairment, NetworkFault, Scripted, ServicePlan};
use crate::engine::law::Law;

pub(super) const EVENT: &[&str] = &[
    "at",
    "label",
    "stagger",
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
];
pub(super) const WEAKEN: &[&str] = &["nodes", "loss", "delay"];
pub(super) const SLOW: &[&str] = &["nodes", "factor"];
pub(super) const MAINTENANCE: &[&str] = &["of", "first", "every", "lasts", "stagger", "off_after"];
/// Keys of [`EVENT`] from here on say what happens.
const ACTIONS: usize = 3;
/// Events of a script at most.
const EVENTS: usize = 1_000_000;

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
                let mut add = |at: Time, what: &str, action: Action| {
                    let label = format!("{} {what}", nodes.name(*row));
                    script.push(Scripted { at, label, action });
                };
                add(from, "drained", Action::Availability(vec![*row], Availability::Drain));
                if let Some(off) = off {
                    add(from + off, "down", Action::Down(vec![*row]));
                    add(from + lasts, "up", Action::Up(vec![*row]));
                }
                add(from + lasts, "active", Action::Availability(vec![*row], Availability::Active));
            }
            if EVENTS < script.len() {
                table.complain(format!("more than {EVENTS} events"));
                return Vec::new();
            }
            let Some(every) = every else { break };
            window += every;
        }
    }
    script.retain(|it| it.at < end);
    script
}

/// Reads events against the nodes and services that they name.
pub(super) struct Script<'a> {
    nodes: &'a Selectors<'a>,
    services: &'a [ServicePlan],
    by_name: BTreeMap<&'a str, usize>,
    end: Time,
}

impl<'a> Script<'a> {
    /// Over all nodes and services of a run that ends at `end`.
    pub fn new(nodes: &'a Selectors<'a>, services: &'a [ServicePlan], end: Time) -> Script<'a> {
        let by_name = services.iter().enumerate().map(|(row, service)| (service.spec.name.as_str(), row)).collect();
        Script { nodes, services, by_name, end }
    }

    /// All events in order of time, equal times in order of the file.
    pub fn read(&self, tables: &[Table<'_>]) -> Vec<Scripted> {
        let mut script: Vec<(Scripted, Place)> = Vec::new();
        for table in tables {
            self.read_event(table, &mut script);
            if EVENTS < script.len() {
                table.complain(format!("more than {EVENTS} events"));
                break;
            }
        }
        script.sort_by_key(|(event, _)| event.at);
        if let Some(table) = tables.first() {
            self.check_lives(&script, table);
        }
        script.into_iter().map(|(event, _)| event).collect()
    }

    fn read_event(&self, table: &Table<'_>, script: &mut Vec<(Scripted, Place)>) {
        let at = table.need("at", Value::duration);
        let label = table.read("label", Value::text);
        let stagger = table.get("stagger");
        let step = stagger.as_ref().and_then(Value::duration);
        let actions: Vec<Value<'_>> = EVENT[ACTIONS..].iter().filter_map(|key| table.get(key)).collect();
        let [action] = actions.as_slice() else {
            let found: Vec<String> = actions.iter().map(|action| action.path.replace("event.", "")).collect();
            let found = if found.is_empty() { "nothing".to_string() } else { found.join(" and ") };
            let names = EVENT[ACTIONS..].join(", ");
            return table.complain(format!("`event`: expected exactly one of {names}, found {found}"));
        };
        let named = self.read_action(action);
        let Some(at) = at else { return };
        let at = Time::ZERO + at;
        let steps: Vec<(String, Action)> = match step {
            Some(_) => named.into_iter().flat_map(|(name, action)| self.one_by_one(name, action)).collect(),
            None => named,
        };
        for (number, (name, action)) in steps.into_iter().enumerate() {
            let at = at + Span::from_nanos(step.unwrap_or_default().as_nanos().saturating_mul(number as u64));
            if self.end <= at {
                let value = if number == 0 { table.get("at") } else { stagger.clone() };
                let message =
                    format!("{} is not before the end of the run at {}", since_start(at), since_start(self.end));
                return value.iter().for_each(|value| value.complain(&message));
            }
            let label = label.map_or(name, str::to_string);
            script.push((Scripted { at, label, action }, action_place(table)));
        }
    }

    /// What happens, in words, and what it is.
    fn read_action(&self, value: &Value<'_>) -> Vec<(String, Action)> {
        let key = value.path.rsplit('.').next().unwrap_or("");
        let nodes = |state: &str, action: &dyn Fn(Vec<usize>) -> Action| {
            let rows = self.nodes.rows(value);
            if rows.is_empty() { Vec::new() } else { vec![(format!("{} {state}", words(value)), action(rows))] }
        };
        let availability = |to: Availability| nodes(word(to), &|rows| Action::Availability(rows, to));
        let services = |done: &str, action: fn(usize) -> Action| {
            let names = value.list_or_one();
            let rows = names.iter().filter_map(|name| self.service(name, name.text()?));
            rows.map(|row| (format!("{} {done}", self.services[row].spec.name), action(row))).collect()
        };
        let fault = |it: NetworkFault| nodes(fault_word(it), &|rows| Action::Break(it, rows));
        match key {
            "down" => nodes("down", &Action::Down),
            "up" => nodes("up", &Action::Up),
            "cut" => fault(NetworkFault::Isolated),
            "mute" => fault(NetworkFault::TxLost),
            "deaf" => fault(NetworkFault::RxLost),
            "split" => fault(NetworkFault::Partitioned),
            "mend" => nodes("connected", &Action::Mend),
            "restart" => nodes("engine restarted", &|rows| Action::Restart(rows, false)),
            "restart_live" => nodes("engine restarted under its containers", &|rows| Action::Restart(rows, true)),
            "weaken" => self.weakness(value),
            "slow" => self.slowness(value),
            "kill" => self.kills(value),
            "registry" => {
                let answers = value.choice(&[("up", true), ("down", false)]);
                answers
                    .map(|it| (format!("registry {}", if it { "up" } else { "down" }), Action::Registry(it)))
                    .into_iter()
                    .collect()
            }
            "drain" => availability(Availability::Drain),
            "pause" => availability(Availability::Pause),
            "activate" => availability(Availability::Active),
            "promote" => nodes("promoted", &Action::Promote),
            "demote" => nodes("demoted", &Action::Demote),
            "remove_node" => nodes("removed", &Action::RemoveNode),
            "join" => nodes("joining", &Action::Join),
            "rotate_token" => value.list_or_one().iter().filter_map(rotation).collect(),
            "scale" => self.scales(value),
            "update_image" => self.images(value),
            "force" => services("restarted by force", Action::Force),
            "rollback" => services("rolled back", Action::Rollback),
            _ => self.removals(value),
        }
    }

    /// `{ nodes = "node-1", loss = 0.1, delay = "200ms" }`.
    fn weakness(&self, value: &Value<'_>) -> Vec<(String, Action)> {
        let Some(table) = value.table(WEAKEN) else { return Vec::new() };
        let named = table.need("nodes", |value| Some((words(value), self.nodes.rows(value))));
        let loss = table.read("loss", |value| value.number(0.0..=0.99));
        let delay = table.read("delay", Value::law);
        let Some((words, rows)) = named else { return Vec::new() };
        if table.get("loss").is_none() && table.get("delay").is_none() {
            table.complain("`event.weaken`: expected `loss`, `delay` or both");
            return Vec::new();
        }
        let weakness = LinkImpairment { loss: loss.unwrap_or(0.0), delay: delay.unwrap_or(Law::Fixed(Span::ZERO)) };
        let is_sound = weakness.loss == 0.0 && weakness.delay == Law::Fixed(Span::ZERO);
        let what = if is_sound { "well connected" } else { "weakly connected" };
        vec![(format!("{words} {what}"), Action::Weaken(rows, (!is_sound).then_some(weakness)))]
    }

    /// `{ nodes = "node-1", factor = 4 }`.
    fn slowness(&self, value: &Value<'_>) -> Vec<(String, Action)> {
        let Some(table) = value.table(SLOW) else { return Vec::new() };
        let factor = table.need("factor", |value| value.number(1.0..=1e6));
        let named = table.need("nodes", |value| Some((words(value), self.nodes.rows(value))));
        let (Some(factor), Some((words, rows))) = (factor, named) else { return Vec::new() };
        vec![(format!("{words} slower by {factor}"), Action::Slow(rows, factor))]
    }

    /// A service, or a table of services and how many of their containers.
    fn kills(&self, value: &Value<'_>) -> Vec<(String, Action)> {
        let killed = |row: usize, count: u64| {
            let containers = if count == 1 { "a container" } else { "containers" };
            (format!("{containers} of {} killed", self.services[row].spec.name), Action::Kill(row, count))
        };
        if let Some(name) = value.as_text() {
            return self.service(value, name).map(|row| killed(row, 1)).into_iter().collect();
        }
        let mut actions = Vec::new();
        for entry in value.entries() {
            let count = entry.value.count(1..=TASKS);
            let row = self.service_of_key(value, entry.key, entry.place);
            if let (Some(count), Some(row)) = (count, row) {
                actions.push(killed(row, count));
            }
        }
        actions
    }

    fn scales(&self, value: &Value<'_>) -> Vec<(String, Action)> {
        let mut actions = Vec::new();
        for entry in value.entries() {
            let replicas = entry.value.count(0..=TASKS);
            let Some(row) = self.service_of_key(value, entry.key, entry.place) else { continue };
            if !matches!(self.services[row].spec.mode, Mode::Replicated { .. }) {
                entry.value.complain("only replicated services can be scaled");
            }
            let Some(replicas) = replicas else { continue };
            actions.push((format!("{} scaled to {replicas}", entry.key), Action::Scale(row, replicas)));
        }
        actions
    }

    fn images(&self, value: &Value<'_>) -> Vec<(String, Action)> {
        let mut actions = Vec::new();
        for entry in value.entries() {
            let image = entry.value.text();
            let row = self.service_of_key(value, entry.key, entry.place);
            let (Some(image), Some(row)) = (image, row) else { continue };
            let mut spec = self.services[row].spec.clone();
            spec.task.container.image = image.to_string();
            let before = sched::api::refusals(&self.services[row].spec);
            for refusal in sched::api::refusals(&spec).into_iter().filter(|refusal| !before.contains(refusal)) {
                entry.value.complain(refusal.text);
            }
            actions.push((format!("{} to {image}", entry.key), Action::Image(row, image.to_string())));
        }
        actions
    }

    /// A service, or every service of a stack.
    fn removals(&self, value: &Value<'_>) -> Vec<(String, Action)> {
        let mut actions = Vec::new();
        for item in value.list_or_one() {
            let Some(name) = item.text() else { continue };
            let of_stack = |row: &usize| self.services[*row].stack.as_deref() == Some(name);
            // A service comes before a stack of its name.
            let rows = match self.by_name.get(name) {
                Some(row) => vec![*row],
                None => (0..self.services.len()).filter(of_stack).collect(),
            };
            if rows.is_empty() {
                self.service(&item, name);
            }
            let removed = |row: usize| (format!("{} removed", self.services[row].spec.name), Action::Remove(row));
            actions.extend(rows.into_iter().map(removed));
        }
        actions
    }

    fn service(&self, value: &Value<'_>, name: &str) -> Option<usize> {
        self.service_of_key(value, name, value.place)
    }

    fn service_of_key(&self, value: &Value<'_>, name: &str, place: Place) -> Option<usize> {
        let row = self.by_name.get(name).copied();
        if row.is_none() {
            let names = self.by_name.keys().copied();
            value.sink.complain(
                Some(place),
                format!("`{}`: no service `{name}`", value.path),
                value.sink.suggest(name, names),
            );
        }
        row
    }

    /// The same for one node after the other.
    fn one_by_one(&self, name: String, action: Action) -> Vec<(String, Action)> {
        let each = |rows: Vec<usize>, state: &str, action: &dyn Fn(Vec<usize>) -> Action| {
            let one = |row: usize| (format!("{} {state}", self.nodes.name(row)), action(vec![row]));
            rows.into_iter().map(one).collect()
        };
        match action {
            Action::Down(rows) => each(rows, "down", &Action::Down),
            Action::Up(rows) => each(rows, "up", &Action::Up),
            Action::Break(NetworkFault::Partitioned, rows) => {
                vec![(name, Action::Break(NetworkFault::Partitioned, rows))]
            }
            Action::Break(fault, rows) => each(rows, fault_word(fault), &|rows| Action::Break(fault, rows)),
            Action::Mend(rows) => each(rows, "connected", &Action::Mend),
            Action::Restart(rows, live) => each(rows, "engine restarted", &|rows| Action::Restart(rows, live)),
            Action::Weaken(rows, it) => each(rows, "weakly connected", &|rows| Action::Weaken(rows, it)),
            Action::Slow(rows, factor) => each(rows, "slower", &|rows| Action::Slow(rows, factor)),
            Action::Availability(rows, to) => each(rows, word(to), &|rows| Action::Availability(rows, to)),
            Action::Promote(rows) => each(rows, "promoted", &Action::Promote),
            Action::Demote(rows) => each(rows, "demoted", &Action::Demote),
            Action::RemoveNode(rows) => each(rows, "removed", &Action::RemoveNode),
            Action::Join(rows) => each(rows, "joining", &Action::Join),
            other => vec![(name, other)],
        }
    }

    /// A service can be changed after it is created, until it is removed; and rolled back after it was changed.
    fn check_lives(&self, script: &[(Scripted, Place)], table: &Table<'_>) {
        let mut removed = BTreeSet::new();
        let mut changed = BTreeSet::new();
        let complain = |place: Place, row: usize, message: &str| {
            let name = &self.services[row].spec.name;
            table.sink.complain(Some(place), format!("`event`: service `{name}` {message}"), None);
        };
        for (event, place) in script {
            let row = match event.action {
                Action::Scale(row, _) | Action::Image(row, _) | Action::Force(row) => row,
                Action::Rollback(row) | Action::Remove(row) => row,
                Action::Kill(row, _) => row,
                Action::Down(_)
                | Action::Up(_)
                | Action::Break(..)
                | Action::Mend(_)
                | Action::Restart(..)
                | Action::Slow(..)
                | Action::Weaken(..)
                | Action::Registry(_)
                | Action::Promote(_)
                | Action::Demote(_)
                | Action::RemoveNode(_)
                | Action::Join(_)
                | Action::RotateToken(_)
                | Action::Availability(..) => continue,
            };
            let created = self.services[row].at;
            if event.at < created {
                complain(*place, row, &format!("is created later, at {}", since_start(created)));
            } else if removed.contains(&row) {
                complain(*place, row, "is removed before");
            } else if matches!(event.action, Action::Rollback(_)) && !changed.contains(&row) {
                complain(*place, row, "does not have a previous spec to roll back to: nothing changes it before");
            }
            match event.action {
                Action::Remove(_) => removed.insert(row),
                Action::Kill(..) => continue,
                _ => changed.insert(row),
            };
        }
    }
}

fn word(availability: Availability) -> &'static str {
    match availability {
        Availability::Active => "active",
        Availability::Pause => "paused",
        Availability::Drain => "drained",
    }
}

/// Whose token is another from now on.
fn rotation(value: &Value<'_>) -> Option<(String, Action)> {
    let role = value.choice(ROLES)?;
    Some((format!("token of {}s rotated", value.as_text()?), Action::RotateToken(role)))
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
