//! How long the slowest failover of a service took, in each run: the distribution, strategies together.

use super::sheet::Sheet;
use super::waiting::{Curve, Words, distributions};
use super::{footer, others, together};
use crate::outside;
use crate::report::results::Results;
use crate::report::text;
use crate::stats;

/// Fewer times are no distribution.
const TIMES: usize = 5;
/// Strategies whose times differ by a smaller factor are not told apart in the title.
const ALIKE: f64 = 1.1;

/// Whether services lost replicas with machines often enough, and not each time for as long.
pub fn is_worth_it(results: &Results) -> bool {
    let curves = curves(results);
    let has_shape = |curve: &Curve| TIMES <= curve.times.len() && curve.times.first() != curve.times.last();
    curves.iter().any(has_shape)
}

fn curves(results: &Results) -> Vec<Curve<'_>> {
    let times = |strategy: &str| {
        let rows = results.services.iter().filter(|run| run.strategy == strategy).flat_map(|run| &run.items);
        stats::sorted(rows.filter_map(|row| row.failover_max_s))
    };
    let all = together(results).map(|(index, name)| (index, name, times(name)));
    all.map(|(index, name, times)| Curve { index, name, count: times.len(), times }).collect()
}

/// Share of the services and runs whose slowest failover took no longer than a time.
pub fn draw(results: &Results, sheet: &mut Sheet) {
    let curves = curves(results);
    let cut = results.manifest.first_replication_only.iter().any(|name| name == "services.csv");
    let which = if cut || results.manifest.replications == 1 { "replication 1" } else { "all replications" };
    let subtitle = format!(
        "Time from the loss of a replica until its slot runs again: the longest of each service and run, {which}{}",
        others(results, curves.len())
    );
    let room = sheet.frame(&title(&curves), &subtitle, &footer(results));
    let words = Words {
        what: "longest failover of a service in a run (s)",
        of: "share of services and runs",
        count: "services × runs",
        never: "",
    };
    distributions(sheet, room, &curves, &words);
}

/// What came out, in one line.
fn title(curves: &[Curve]) -> String {
    let slow = |curve: &Curve| stats::quantile(&curve.times, 0.9);
    let all: Vec<(&str, f64)> = curves.iter().filter_map(|curve| Some((curve.name, slow(curve)?))).collect();
    let best = all.iter().min_by(|one, two| one.1.total_cmp(&two.1));
    let worst = all.iter().rev().max_by(|one, two| one.1.total_cmp(&two.1));
    let seconds = |time: f64| text::short((time * 10.0).round() / 10.0);
    outside::shown(&match (best, worst) {
        (Some(best), Some(worst)) if ALIKE * best.1 < worst.1 => format!(
            "In nine of ten cases a service is whole again within {} s under {}, {} s under {}",
            seconds(best.1),
            best.0,
            seconds(worst.1),
            worst.0
        ),
        (_, Some(worst)) => format!("In nine of ten cases a service is whole again within {} s", seconds(worst.1)),
        _ => String::new(),
    })
}
