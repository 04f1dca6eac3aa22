//! How long tasks waited until they ran: the distribution, strategies together.

use super::axis::Axis;
use super::colors::{GREY, INK, look};
use super::sheet::{Anchor, NOTE, Panel, Rect, Sheet, TEXT, fitted};
use super::{footer, others, title, together};
use crate::report::results::Results;
use crate::report::text;
use crate::stats;

/// More steps than a line needs.
const STEPS: usize = 1500;

/// Whether any task ran that counts.
pub fn is_worth_it(results: &Results) -> bool {
    let warm_up = results.manifest.warm_up_s;
    let mut tasks = results.tasks.iter().flat_map(|run| &run.items);
    tasks.any(|task| task.running_s.is_some() && warm_up <= task.created_s)
}

/// Share of all created tasks that ran within a time; what never ran keeps a curve below 100 %.
pub fn draw(results: &Results, sheet: &mut Sheet) {
    let pooled = results.manifest.replications > 1 && results.tasks.iter().any(|run| run.replication > 1);
    let which = if pooled { "tasks of all replications" } else { "tasks of replication 1" };
    let warm_up = results.manifest.warm_up_s;
    let since = if warm_up > 0.0 { format!(" from {} s on", text::short(warm_up)) } else { String::new() };
    let subtitle = format!(
        "Time from creation to running, {which}{since}; quantiles of those that ran{}",
        others(results, together(results).count())
    );
    let room = sheet.frame(&title(results), &subtitle, &footer(results));

    let mut curves = Vec::new();
    for (index, strategy) in together(results) {
        let runs = results.tasks.iter().filter(|run| run.strategy == *strategy);
        let tasks = runs.flat_map(|run| &run.items).filter(|task| warm_up <= task.created_s);
        let count = tasks.clone().count();
        let waits = stats::sorted(tasks.filter_map(|task| Some(task.running_s? - task.created_s)));
        curves.push(Curve { index, name: strategy, count, times: waits });
    }
    let words = Words {
        what: "time from creation to running (s)",
        of: "share of the created tasks",
        count: "tasks",
        never: "never ran",
    };
    distributions(sheet, room, &curves, &words);
}

/// The times of a strategy, ascending, of which those that never end are only counted.
pub(super) struct Curve<'a> {
    /// The strategy's place in the list.
    pub index: usize,
    /// Its name.
    pub name: &'a str,
    /// How many times there are, with those that never end.
    pub count: usize,
    /// Those that end.
    pub times: Vec<f64>,
}

/// What distributions are of, and what is counted.
pub(super) struct Words {
    /// The axis of times.
    pub what: &'static str,
    /// The axis of shares.
    pub of: &'static str,
    /// The column with the number of all.
    pub count: &'static str,
    /// The column with the number of those that never end; empty if there are none by nature.
    pub never: &'static str,
}

/// Draws empirical distributions together, below a table of their quantiles.
pub(super) fn distributions(sheet: &mut Sheet, room: Rect, curves: &[Curve], words: &Words) {
    let low = curves
        .iter()
        .filter_map(|curve| curve.times.iter().find(|wait| 0.0 < **wait))
        .copied()
        .fold(f64::INFINITY, f64::min);
    let high = curves.iter().filter_map(|curve| curve.times.last()).copied().fold(0.0, f64::max);
    let wide = low.is_finite() && high > 30.0 * low;
    let x = if wide {
        Axis::logarithmic(low, high, &format!("{}, logarithmic", words.what))
    } else {
        let low = if low.is_finite() && low > 0.5 * high { low - (high - low) * 0.1 } else { 0.0 };
        Axis::linear(low, high + (high - low) * 0.03, 10, words.what)
    };
    let mut y = Axis::linear(0.0, 1.0, 5, words.of);
    y.ticks = [0.0, 0.25, 0.5, 0.75, 0.9, 1.0].map(|share| (share, format!("{} %", text::short(share * 100.0)))).into();
    let panel = Panel::within(Rect { y0: room.y0 + 60 + LINE * (curves.len() as i32 + 1), ..room }, x, y);
    panel.axes(sheet);

    for Curve { index, name, count, times } in curves {
        sheet.about(name);
        let steps = stats::ecdf(times);
        let every = steps.len().div_ceil(STEPS).max(1);
        let mut points = vec![(panel.x.low, 0.0)];
        let last = steps.len().saturating_sub(1);
        for (at, (wait, below)) in steps.into_iter().enumerate() {
            if at % every == 0 || at == last {
                let before = points.last().map_or(0.0, |point| point.1);
                points.extend([(wait, before), (wait, below as f64 / *count as f64)]);
            }
        }
        points.push((panel.x.high, points.last().map_or(0.0, |point| point.1)));
        panel.line(sheet, &points, look(*index), 9);
    }
    key(sheet, &panel, curves, words);
}

/// Height of a line of the key.
const LINE: i32 = 74;

/// A legend with the numbers that readers look for, above the panel: curves may be anywhere in it.
fn key(sheet: &mut Sheet, panel: &Panel, curves: &[Curve], words: &Words) {
    let (x, narrow) = (panel.rect.x0, sheet.is_narrow());
    let top = panel.rect.y0 - 30 - LINE * (curves.len() as i32 + 1);
    let columns = if narrow { [680, 920, 1150, 1380] } else { [1100, 1420, 1740, 2060] };
    // Without its second column the table has no gap.
    let columns = if words.never.is_empty() { [columns[1], 0, columns[2], columns[3]] } else { columns };
    for (head, column) in [words.count, words.never, "median", "99 %"].iter().zip(columns) {
        sheet.text(head, (x + column, top + 40), NOTE, GREY, false, Anchor::Right);
    }
    for (row, Curve { index, name, count, times }) in curves.iter().enumerate() {
        let y = top + 40 + LINE * (row as i32 + 1);
        sheet.line(&[(x, y), (x + 130, y)], look(*index).color, 9, look(*index).dashes);
        let name = fitted(name, TEXT, true, if narrow { 400 } else { 700 });
        sheet.text(&name, (x + 160, y), TEXT, look(*index).color, true, Anchor::Left);
        let quantile = |q| stats::quantile(times, q).map_or("n/a".into(), |wait| format!("{} s", text::short(wait)));
        let never = if words.never.is_empty() { String::new() } else { text::short((count - times.len()) as f64) };
        let cells = [text::short(*count as f64), never, quantile(0.5), quantile(0.99)];
        for (cell, column) in cells.iter().zip(columns) {
            sheet.text(cell, (x + column, y), TEXT, INK, false, Anchor::Right);
        }
    }
}
