//! `[[failure]]`: nodes and domains that fail at random.

use std::collections::BTreeSet;

use sched::Span;

use super::pool::Selectors;
use super::reader::{Table, Value};
use super::unit::{human, typical};
use super::{FailurePlan, FailureUnit};
use crate::engine::law::Law;

pub(super) const FAILURE: &[&str] = &["name", "of", "together", "up", "mtbf", "repair", "crews", "start"];

/// Whether all units are new at the start.
const STARTS: &[(&str, bool)] = &[("stationary", false), ("new", true)];
/// Time between failures at least: less is not a failure but a flood of events.
const SHORTEST: Span = Span::from_secs(1);

/// All failure processes, in order of the file.
pub(super) fn failures(tables: &[Table<'_>], nodes: &Selectors<'_>) -> Vec<FailurePlan> {
    let mut names = BTreeSet::new();
    let mut plans = Vec::new();
    for (number, table) in tables.iter().enumerate() {
        let name = table.read("name", Value::text).map_or(format!("failure {}", number + 1), str::to_string);
        if !names.insert(name.clone()) {
            table.get("name").iter().for_each(|value| value.complain(format!("there is already a failure `{name}`")));
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
            let crews = table.read("crews", |value| value.count(1..=1_000_000));
            let new = table.read("start", |value| value.choice(STARTS)).unwrap_or(false);
            plans.push(FailurePlan { name, units, up, repair, crews, new });
        }
    }
    plans
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
