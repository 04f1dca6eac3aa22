//! `[[scaling]]` and `[[release]]`: what operators do to services by chance.

use std::collections::{BTreeMap, BTreeSet};

use sched::spec::Mode;
use sched::{Reference, Span, Time};

use super::service::{TASKS, exits};
use super::unit::typical;
use super::value::{Table, Value};
use super::{Exit, Habit, Image, OperatorPlan, ServicePlan, image};
use crate::engine::law::Law;

pub(super) const SCALING: &[&str] = &["service", "every", "from", "until", "min", "max", "step"];
pub(super) const RELEASE: &[&str] = &["service", "every", "from", "until", "bad", "exits", "size", "versions"];

/// Orders at least so far apart on average: less is not an operator but a flood of events.
const SHORTEST: Span = Span::from_millis(100);
/// Share of releases that are bad.
const BAD: f64 = 0.05;
/// Different versions of a service at most.
const VERSIONS: u64 = 10_000;

/// All operators, those who scale first. Versions that are released are added to the images.
pub(super) fn operators(
    scenario: &Table<'_>,
    services: &[ServicePlan],
    images: &mut BTreeMap<String, Image>,
    duration: Span,
) -> Vec<OperatorPlan> {
    let mut plans: Vec<OperatorPlan> = Vec::new();
    let rows: Rows<'_> = services.iter().enumerate().map(|(row, service)| (&*service.spec.name, row)).collect();
    // Two of a kind would have the same chance.
    let complain_twice = |table: &Table<'_>| {
        let message = format!("there is already a `{}` of this service", table.path);
        table.get("service").iter().for_each(|service| service.complain(&message));
    };
    let mut scaled = BTreeSet::new();
    for table in scenario.tables("scaling", SCALING) {
        let min = table.read("min", |value| value.count(0..=TASKS)).unwrap_or(1);
        let max = table.need("max", |value| value.count(min..=TASKS));
        let step = table.read("step", |value| value.count(1..=TASKS));
        let habit = Habit::Scale { min, max: max.unwrap_or(min), step };
        let Some(plan) = plan(&table, services, &rows, habit) else { continue };
        if !matches!(services[plan.service].spec.mode, Mode::Replicated { .. }) {
            table.get("service").iter().for_each(|value| value.complain("only replicated services can be scaled"));
        }
        if !scaled.insert(plan.service) {
            complain_twice(&table);
        }
        plans.push(plan);
    }
    let mut released = BTreeSet::new();
    for table in scenario.tables("release", RELEASE) {
        let chance = table.read("bad", |value| value.number(0.0..=1.0)).unwrap_or(BAD);
        let exit = table.read("exits", exits);
        let size = table.read("size", image::bytes);
        let versions = table.read("versions", |value| value.count(1..=VERSIONS));
        let habit = Habit::Release { good: Vec::new(), bad: Vec::new(), chance };
        let Some(mut plan) = plan(&table, services, &rows, habit) else { continue };
        let often = duration.as_nanos() / typical(&plan.every).as_nanos().max(1);
        let versions = versions.unwrap_or((2 * often + 10).min(VERSIONS));
        let name = &services[plan.service].spec.task.container.image;
        let base = images.get(&Reference::name_of(name)).cloned().unwrap_or_else(|| image::implied(name));
        let exit = exit.unwrap_or(Exit { after: Law::Fixed(Span::from_secs(1)), code: 1, fails: None });
        let mut add = |kind: &str, exit: Option<Exit>| -> Vec<String> {
            let version = |number: u64| {
                let version = version(&base, &format!("{kind}{number}"), size, exit);
                let name = version.name.clone();
                images.entry(Reference::name_of(&name)).or_insert(version);
                name
            };
            (1..=versions).map(version).collect()
        };
        let (good, bad) = (add("r", base.exit), add("bad", Some(exit)));
        plan.habit = Habit::Release { good, bad, chance };
        if !released.insert(plan.service) {
            complain_twice(&table);
        }
        plans.push(plan);
    }
    plans
}

/// Services by name.
type Rows<'s> = BTreeMap<&'s str, usize>;

fn plan(table: &Table<'_>, services: &[ServicePlan], rows: &Rows<'_>, habit: Habit) -> Option<OperatorPlan> {
    let service = table.need("service", |value| {
        let name = value.text()?;
        let row = rows.get(name).copied();
        if row.is_none() {
            value.complain_with(format!("no service `{name}`"), value.sink.suggest(name, rows.keys().copied()));
        }
        row
    });
    let every = table.need("every", |value| {
        let law = value.law()?;
        if law.mean() < SHORTEST {
            value.complain("expected at least 100ms between orders");
        }
        Some(law)
    });
    let from = table.read("from", Value::duration).map(|span| Time::ZERO + span);
    let until = table.read("until", Value::duration).map(|span| Time::ZERO + span);
    let (service, every) = (service?, every?);
    let at = services[service].at;
    if let Some(value) = table.get("from").filter(|_| from.is_some_and(|from| from < at)) {
        value.complain("the service is created later");
    }
    let name = services[service].spec.name.clone();
    Some(OperatorPlan { name, service, every, from: from.unwrap_or(at), until, habit })
}

/// The image with another topmost layer, under another tag.
fn version(base: &Image, tag: &str, size: Option<u64>, exit: Option<Exit>) -> Image {
    let name = base.name.split('@').next().unwrap_or_default();
    let is_tagged = name.rsplit('/').next().is_some_and(|part| part.contains(':'));
    let name = format!("{name}{}{tag}", if is_tagged { "-" } else { ":" });
    let mut layers = base.layers.clone();
    let top = layers.pop().map_or(0, |layer| layer.size);
    layers.push(image::layer(&name, layers.len(), size.unwrap_or(top)));
    Image { name, layers, present: Vec::new(), missing: false, corrupt: None, exit }
}
