//! Every replication as a dot, a panel per metric: whether a mean stands for its runs, or hides two kinds of them.

use super::axis::Axis;
use super::colors::{INK, look};
use super::sheet::{Anchor, NOTE, Panel, Rect, Sheet, TEXT, fitted, grid};
use super::{apart, footer, others};
use crate::outside;
use crate::report::results::Results;
use crate::report::{headlines, text};
use crate::stats;

/// Fewer replications show no shape.
const RUNS: u32 = 5;
/// Values of a metric that differ by less than this share of the largest look the same.
const SPREAD: f64 = 0.01;
/// Largest radius of a dot.
const DOT: i32 = 15;

/// Whether there are replications enough, and a metric in which they differ.
pub fn is_worth_it(results: &Results) -> bool {
    RUNS <= results.manifest.replications && !shown(results).is_empty()
}

/// Up to six panels, those metrics first whose replications differ most.
pub fn draw(results: &Results, sheet: &mut Sheet) {
    let n = results.manifest.replications;
    let subtitle = format!(
        "Each dot is one of {n} replications (n: those with a value), the line their mean; metrics that vary most first{}",
        others(results, apart(results).count())
    );
    let shown = shown(results);
    let room = sheet.frame(&title(results, &shown), &subtitle, &footer(results));
    let strategies = apart(results).count();
    let (most, columns) = match (sheet.is_narrow(), strategies > 4) {
        (false, false) => (6, 3),
        (false, true) => (4, 2),
        (true, false) => (4, 1),
        (true, true) => (2, 1),
    };
    let metrics = &shown[..shown.len().min(most)];
    for (metric, room) in metrics.iter().zip(grid(room, metrics.len(), columns)) {
        panel(results, sheet, &metric.0, room);
    }
}

/// What came out, in one line.
fn title(results: &Results, shown: &[(String, f64)]) -> String {
    let metric = &shown[0].0;
    let range = |strategy: &String| {
        let values = stats::sorted(results.runs.values(metric, strategy).filter_map(|(_, value)| value));
        Some((*values.first()?, *values.last()?))
    };
    let widest = results.manifest.strategies.iter().filter_map(|strategy| Some((strategy, range(strategy)?)));
    let widest = widest.max_by(|one, two| (one.1.1 - one.1.0).total_cmp(&(two.1.1 - two.1.0)));
    let unit = results.summary.iter().find(|row| row.metric == *metric).map_or("", |row| row.unit.as_str());
    let Some((strategy, (low, high))) = widest else { return String::new() };
    let (factor, shown) = text::scale(unit, high);
    let shown = if shown.is_empty() { shown } else { format!(" {shown}") };
    outside::shown(&format!(
        "From run to run, {} of {strategy} goes from {} to {}{shown}",
        text::title(metric, unit),
        text::short(low / factor),
        text::short(high / factor)
    ))
}

fn panel(results: &Results, sheet: &mut Sheet, metric: &str, room: Rect) {
    let rows: Vec<(usize, &String, Vec<f64>)> = apart(results)
        .map(|(index, name)| (index, name, results.runs.values(metric, name).filter_map(|run| run.1).collect()))
        .collect();
    let values = || rows.iter().flat_map(|row| row.2.iter().copied());
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let unit = results.summary.iter().find(|row| row.metric == metric).map_or("", |row| row.unit.as_str());
    let (factor, unit_shown) = text::scale(unit, high);
    let unit_shown = if unit_shown.is_empty() { String::new() } else { format!(" ({unit_shown})") };
    let head = format!("{}{unit_shown}", text::title(metric, unit));
    sheet.text(&fitted(&head, TEXT, true, room.x1 - room.x0), (room.x0, room.y0 - 50), TEXT, INK, true, Anchor::Left);
    let pad = (high - low) * 0.06;
    let (low, high) = ((low - pad) / factor, (high + pad) / factor);
    let low = if (0.0..0.4 * high).contains(&low.max(0.0)) { 0.0 } else { low };
    // A mean of few values is another thing than one of all.
    let all = results.manifest.replications as usize;
    let name = |(_, name, values): &(usize, &String, Vec<f64>)| match values.len() {
        n if n < all => format!("{} (n = {n})", fitted(&outside::shown(name), NOTE, false, 420)),
        _ => fitted(&outside::shown(name), NOTE, false, 420),
    };
    let names = rows.iter().rev().map(name);
    let panel = Panel::within(room, Axis::linear(low, high, 4, ""), Axis::named(names, ""));
    panel.axes(sheet);
    for (place, (index, name, values)) in rows.iter().rev().enumerate() {
        let color = look(*index).color;
        let middle = place as f64 + 0.5;
        let row = panel.at(low, middle).1;
        let reach = (panel.at(low, middle).1 - panel.at(low, middle + 0.4).1).max(8);
        let dot = (reach / 2).clamp(8, DOT);
        let mut placed: Vec<(i32, i32)> = Vec::new();
        for value in stats::sorted(values.iter().copied()) {
            let x = panel.at(value / factor, middle).0;
            let y = row + free(&placed, x, reach, dot);
            placed.push((x, y - row));
            sheet.dot((x, y), dot, color, 0.65);
            let rect = Rect { x0: x - dot, y0: y - dot, x1: x + dot, y1: y + dot };
            sheet.tip(rect, format!("{name}: {}{unit_shown}", text::short(value / factor)));
        }
        if let Some(mean) = stats::mean(values) {
            let (x, y) = panel.at(mean / factor, middle);
            sheet.line(&[(x, y - reach), (x, y + reach)], INK, 6, &[]);
        }
    }
}

/// How far from the middle of its row a dot finds room, at most `reach`.
fn free(placed: &[(i32, i32)], x: i32, reach: i32, dot: i32) -> i32 {
    let touches = |y: i32| {
        placed.iter().rev().take(60).any(|other| (other.0 - x).pow(2) + (other.1 - y).pow(2) < (2 * dot - 4).pow(2))
    };
    let away = (0..=reach / 6).flat_map(|step| [6 * step, -6 * step]);
    away.into_iter().find(|y| !touches(*y)).unwrap_or(0)
}

/// The headline metrics whose replications differ under a strategy, with the share by which they do, the largest first.
fn shown(results: &Results) -> Vec<(String, f64)> {
    let spread = |metric: &str| {
        let of = |strategy: &String| {
            let summary = results.summary_of(metric, strategy)?.summary;
            let (min, max) = (summary.min?, summary.max?);
            let largest = max.abs().max(min.abs());
            (largest > 0.0).then(|| (max - min) / largest)
        };
        results.manifest.strategies.iter().filter_map(of).fold(0.0, f64::max)
    };
    let mut metrics: Vec<(String, f64)> =
        headlines(results).into_iter().map(|metric| (metric.clone(), spread(&metric))).collect();
    metrics.retain(|metric| metric.1 > SPREAD);
    metrics.sort_by(|one, two| two.1.total_cmp(&one.1));
    metrics
}
