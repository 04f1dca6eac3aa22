//! `[[failure]]`: nodes and domains that fail at random.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sched::{Span, Time};

use super::complaint::suggest;
use super::pool::Selectors;
use super::rows::{Rows, SECONDS, seconds};
use super::unit::{CENTURY, human, typical};
use super::value::{Table, Value};
use super::{Burst, FailurePlan, FailureUnit, NetworkFault, UnitStart};
use crate::engine::law::{LONGEST, Law};

pub(super) const FAILURE: &[&str] =
    &["name", "of", "breaks", "together", "up", "mtbf", "repair", "crews", "crew", "start", "notice", "burst", "log"];
pub(super) const CREW: &[&str] = &["name", "count"];
pub(super) const BURST: &[&str] = &["chance", "size", "within"];

/// How all units are found at the start.
const STARTS: &[(&str, UnitStart)] =
    &[("up", UnitStart::Up), ("new", UnitStart::New), ("stationary", UnitStart::Stationary)];
/// What breaks.
const BREAKS: &[(&str, Option<NetworkFault>)] = &[
    ("power", None),
    ("cut", Some(NetworkFault::Isolated)),
    ("mute", Some(NetworkFault::TxLost)),
    ("deaf", Some(NetworkFault::RxLost)),
    ("split", Some(NetworkFault::Partitioned)),
];
/// Time between failures at least: less is not a failure but a flood of events.
const SHORTEST: Span = Span::from_secs(1);

/// All failure processes, in order of the file.
pub(super) fn failures(
    tables: &[Table<'_>],
    teams: &BTreeMap<String, u64>,
    nodes: &Selectors<'_>,
    folder: &Path,
) -> Vec<FailurePlan> {
    let mut names = BTreeSet::new();
    let mut plans = Vec::new();
    for (number, table) in tables.iter().enumerate() {
        let name = table.read("name", Value::text).map_or(format!("failure {}", number + 1), str::to_string);
        if !names.insert(name.clone()) {
            table.get("name").iter().for_each(|value| value.complain(format!("there is already a failure `{name}`")));
        }
        let fault = table.read("breaks", |value| value.choice(BREAKS)).unwrap_or(None);
        if let Some(value) = table.get("log") {
            let left = ["of", "together", "up", "mtbf", "repair", "crews", "crew", "start", "burst"];
            left.iter()
                .filter_map(|key| table.get(key))
                .for_each(|value| value.complain("the log says all: leave it out"));
            if let Some((units, log)) = log(&value, nodes, folder) {
                let notice = table.read("notice", Value::duration);
                plans.push(FailurePlan { name, units, fault, log: Some(log), notice, ..FailurePlan::default() });
            }
            continue;
        }
        let rows = table.need("of", |value| Some(nodes.rows(value))).unwrap_or_default();
        let units = match table.get("together") {
            Some(key) => nodes.domains(&rows, &key).map(|domains| {
                let key = key.as_text().unwrap_or("");
                let unit = |(value, nodes): (&str, Vec<usize>)| FailureUnit { name: format!("{key}={value}"), nodes };
                domains.into_iter().map(unit).collect()
            }),
            None => {
                let unit = |row: usize| FailureUnit { name: nodes.name(row).to_string(), nodes: vec![row] };
                Some(rows.into_iter().map(unit).collect())
            }
        };
        let up = up_time(table);
        let repair = table.need("repair", Value::law);
        if let (Some(units), Some(up), Some(repair)) = (units, up, repair) {
            let crew = table.read("crew", |value| team(value, teams));
            if let Some(value) = table.get("crews").filter(|_| table.get("crew").is_some()) {
                value.complain("`crew` says who repairs: leave it out");
            }
            let own = table.read("crews", |value| value.count(1..=1_000_000));
            let (crews, crew) = crew.map_or((own, None), |found| (Some(found.1), Some(found.0)));
            let start = table.read("start", |value| value.choice(STARTS)).unwrap_or_default();
            let notice = table.read("notice", Value::duration);
            let burst = table.read("burst", burst);
            if start == UnitStart::Stationary {
                for key in ["crews", "crew", "notice", "burst"].into_iter().filter_map(|key| table.get(key)) {
                    key.complain("with it nobody knows what is broken in the long run: leave it out, or `start = \"stationary\"`");
                }
            }
            if start == UnitStart::Stationary {
                for (key, law) in [("up", &up), ("repair", &repair)] {
                    if let (true, Some(value)) = (law.mean() == LONGEST, table.get(key)) {
                        value.complain(
                            "without a mean there is no long run (`start = \"stationary\"`): give a shape above 1",
                        );
                    }
                }
            }
            plans.push(FailurePlan { name, units, fault, up, repair, crews, crew, start, notice, burst, log: None });
        }
    }
    plans
}

/// The crews that repair for whoever names them.
pub(super) fn teams(tables: &[Table<'_>]) -> BTreeMap<String, u64> {
    let mut teams = BTreeMap::new();
    for table in tables {
        let name = table.need("name", Value::text);
        let count = table.read("count", |value| value.count(1..=1_000_000)).unwrap_or(1);
        let Some(name) = name else { continue };
        if teams.insert(name.to_string(), count).is_some() {
            table.get("name").iter().for_each(|value| value.complain(format!("there is already a crew `{name}`")));
        }
    }
    teams
}

/// A team by its name.
fn team(value: &Value<'_>, teams: &BTreeMap<String, u64>) -> Option<(String, u64)> {
    let name = value.text()?;
    let found = teams.get_key_value(name).map(|(name, count)| (name.clone(), *count));
    if found.is_none() {
        value.complain_with(format!("no crew `{name}`"), value.sink.suggest(name, teams.keys().map(String::as_str)));
    }
    found
}

fn burst(value: &Value<'_>) -> Option<Burst> {
    let table = value.table(BURST)?;
    let chance = table.need("chance", |value| value.number(0.0..=1.0));
    let size = table.read("size", |value| value.number(2.0..=1e6)).unwrap_or(3.0);
    let within = table.read("within", Value::duration).unwrap_or(Span::from_secs(120));
    Some(Burst { chance: chance?, size, within })
}

/// A CSV file with the columns `node`, `down_at` and `up_at`, in seconds from the start; without `up_at` it stays down.
type Log = (Vec<FailureUnit>, Vec<Vec<(Time, Span)>>);
fn log(value: &Value<'_>, nodes: &Selectors<'_>, folder: &Path) -> Option<Log> {
    let rows = Rows::read(value, folder, &["node", "down_at", "up_at"], &[])?;
    let listed = rows.map(|row| {
        let node = row.need("node", "a node", |name| Some(name.to_string()));
        let node = node.and_then(|name| {
            let found = nodes.row(&name);
            found.or_else(|| row.complain("node", format!("no node `{name}`"), suggest(&name, nodes.names())))
        });
        let from = row.need("down_at", SECONDS, seconds);
        let to = match row.text("up_at") {
            Some(_) => row.read("up_at", SECONDS, seconds),
            None => Some(CENTURY),
        };
        if let (Some(from), Some(to)) = (from, to)
            && to <= from
        {
            return row.complain("up_at", "`up_at`: expected later than `down_at`", None);
        }
        Some((node?, Time::ZERO + from?, Time::ZERO + to?))
    })?;
    let mut outages: BTreeMap<usize, Vec<(Time, Span)>> = BTreeMap::new();
    for (node, from, to) in listed {
        outages.entry(node).or_default().push((from, to - from));
    }
    let unit = |row: usize| FailureUnit { name: nodes.name(row).to_string(), nodes: vec![row] };
    let units = outages.keys().map(|row| unit(*row)).collect();
    let mut log: Vec<Vec<(Time, Span)>> = outages.into_values().collect();
    log.iter_mut().for_each(|outages| outages.sort_unstable());
    Some((units, log))
}

/// `mtbf = "30d"` is memoryless; `up` is any law.
fn up_time(table: &Table<'_>) -> Option<Law> {
    let (up, mtbf) = (table.get("up"), table.get("mtbf"));
    let law = match (&up, &mtbf) {
        (Some(up), None) => up.law()?,
        (None, Some(mtbf)) => Law::Exponential { mean: mtbf.duration()? },
        _ => {
            table.complain("`failure`: expected either `mtbf` or `up`");
            return None;
        }
    };
    if typical(&law) < SHORTEST {
        let message = format!("expected at least 1s between failures, found {}", human(typical(&law)));
        up.or(mtbf).iter().for_each(|value| value.complain(&message));
        return None;
    }
    Some(law)
}
