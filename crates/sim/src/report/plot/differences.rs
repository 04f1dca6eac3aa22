//! Differences from the baseline, replication by replication, with their intervals: a panel per metric.

use super::axis::Axis;
use super::colors::{GREY, INK, look};
use super::sheet::{Anchor, NOTE, Panel, Rect, Sheet, TEXT, fitted, grid};
use super::{apart, footer, metrics, others};
use crate::outside;
use crate::report::compare::{PairRow, Verdict};
use crate::report::results::Results;
use crate::report::text;

/// Radius of a dot.
const DOT: i32 = 18;

/// Whether some pair with the baseline is more than chance or nothing.
pub fn is_worth_it(results: &Results) -> bool {
    rows(results).any(is_shown) && !metrics::shown(results).is_empty()
}

/// Every pair of the baseline with another strategy.
fn rows(results: &Results) -> impl Iterator<Item = &PairRow> {
    results.pairs.iter().filter(|row| results.manifest.strategies.first() == Some(&row.first))
}

fn is_shown(row: &PairRow) -> bool {
    !matches!(row.verdict, Verdict::NotShown | Verdict::Equal)
}

/// Up to six panels, those metrics first in which most pairs differ.
pub fn draw(results: &Results, sheet: &mut Sheet) {
    let baseline = &results.manifest.strategies[0];
    let subtitle = format!(
        "Difference from {baseline}: mean over {} pairs of runs and 95 % interval; filled: shown after Holm's correction{}",
        results.manifest.replications,
        others(results, apart(results).count())
    );
    let room = sheet.frame(&title(results), &outside::shown(&subtitle), &footer(results));
    let others = apart(results).count() - 1;
    let (most, columns) = match (sheet.is_narrow(), others > 3) {
        (false, false) => (6, 2),
        (false, true) => (4, 2),
        (true, false) => (5, 1),
        (true, true) => (2, 1),
    };
    let mut names = metrics::shown(results);
    names.retain(|name| rows(results).any(|row| row.metric == *name));
    names.truncate(most);
    for (metric, room) in names.iter().zip(grid(room, names.len(), columns)) {
        panel(results, sheet, metric, room);
    }
}

/// What came out, in one line.
fn title(results: &Results) -> String {
    let baseline = &results.manifest.strategies[0];
    let count = |strategy: &String, verdict| {
        rows(results).filter(|row| row.second == *strategy && row.verdict == verdict).count()
    };
    // Of all strategies the one with the most to say.
    let score = |strategy: &&String| count(strategy, Verdict::Better) + count(strategy, Verdict::Worse);
    let Some(most) = results.manifest.strategies[1..].iter().rev().max_by_key(score) else { return String::new() };
    let metrics = rows(results).filter(|row| row.second == *most).count();
    outside::shown(&format!(
        "{most} is better than {baseline} in {} and worse in {} of {metrics} metrics",
        count(most, Verdict::Better),
        count(most, Verdict::Worse)
    ))
}

fn panel(results: &Results, sheet: &mut Sheet, metric: &str, room: Rect) {
    let of = |name: &String| rows(results).find(|row| row.metric == metric && row.second == *name);
    let lines: Vec<(usize, &String, &PairRow)> =
        apart(results).filter_map(|(index, name)| Some((index, name, of(name)?))).collect();
    let ends = || lines.iter().flat_map(|line| [line.2.paired.ci.0, line.2.paired.ci.1]);
    let (low, high) = (ends().fold(0.0, f64::min), ends().fold(0.0, f64::max));
    let unit = results.summary.iter().find(|row| row.metric == metric).map_or("", |row| row.unit.as_str());
    let (factor, unit_shown) = text::scale(unit, high.max(-low));
    let unit_shown = if unit_shown.is_empty() { String::new() } else { format!(" ({unit_shown})") };
    let head = format!("{}{unit_shown}", text::title(metric, unit));
    sheet.text(&fitted(&head, TEXT, true, room.x1 - room.x0), (room.x0, room.y0 - 50), TEXT, INK, true, Anchor::Left);
    // Words stand at the right of the axes.
    let words = 250;
    let pad = (high - low).max(1e-9 * factor) * 0.05;
    let (low, high) = ((low - pad) / factor, (high + pad) / factor);
    let names = lines.iter().rev().map(|line| fitted(&outside::shown(line.1), NOTE, false, 420));
    let panel =
        Panel::within(Rect { x1: room.x1 - words, ..room }, Axis::linear(low, high, 4, ""), Axis::named(names, ""));
    panel.axes(sheet);
    let zero = panel.at(0.0, 0.0).0;
    sheet.line(&[(zero, panel.rect.y0), (zero, panel.rect.y1)], INK, 5, &[]);
    for (place, (index, name, row)) in lines.iter().rev().enumerate() {
        let middle = place as f64 + 0.5;
        let color = look(*index).color;
        let (x, y) = panel.at(row.paired.difference / factor, middle);
        let [from, to] = [row.paired.ci.0, row.paired.ci.1].map(|end| panel.at(end / factor, middle).0);
        sheet.line(&[(from, y), (to, y)], color, 6, &[]);
        for end in [from, to] {
            sheet.line(&[(end, y - 14), (end, y + 14)], color, 6, &[]);
        }
        sheet.dot((x, y), DOT, color, 1.0);
        if !is_shown(row) {
            sheet.dot((x, y), DOT - 6, plotters::style::WHITE, 1.0);
        }
        let (word, ink) = match row.verdict {
            Verdict::NotShown => ("not shown".to_string(), GREY),
            Verdict::Equal => ("equal".to_string(), GREY),
            verdict => (verdict.to_string(), INK),
        };
        sheet.text(&word, (panel.rect.x1 + 30, y), NOTE, ink, false, Anchor::Left);
        let half = (row.paired.ci.1 - row.paired.ci.0) / 2.0 / factor;
        let rect = Rect { x0: from.min(x - DOT), y0: y - DOT, x1: to.max(x + DOT), y1: y + DOT };
        let value = text::plus_minus(row.paired.difference / factor, Some(half));
        sheet.tip(rect, format!("{name} less {}: {value}{unit_shown}\n{}", row.first, row.verdict));
    }
}
