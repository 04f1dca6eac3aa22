//! Which services lose replicas, and how much: a row per service, strategies together.

use std::collections::BTreeMap;

use super::axis::Axis;
use super::colors::{INK, look};
use super::sheet::{NOTE, Panel, Rect, Sample, Sheet, TEXT, fitted};
use super::{footer, others, together};
use crate::outside;
use crate::report::results::Results;
use crate::report::text;
use crate::stats::Summary;

/// Rows at most, those that lose most.
const MOST: usize = 12;
/// Radius of a dot.
const DOT: i32 = 17;

/// What a service loses under each strategy that is shown.
struct Line<'a> {
    name: &'a str,
    /// Replica-seconds over the replications, in the order of the strategies.
    lost: Vec<Summary>,
}

/// Whether services differ in what they lose.
pub fn is_worth_it(results: &Results) -> bool {
    let lines = lines(results);
    lines.len() > 1 && lines.iter().any(|line| most(line) != most(&lines[0]))
}

/// The most that a service loses under any strategy.
fn most(line: &Line) -> f64 {
    line.lost.iter().filter_map(|lost| lost.mean).fold(0.0, f64::max)
}

/// Services that lose anything, those that lose most first.
fn lines(results: &Results) -> Vec<Line<'_>> {
    let mut values: Vec<(&str, Vec<Vec<f64>>)> = Vec::new();
    let mut places = BTreeMap::new();
    let strategies: Vec<&String> = together(results).map(|(_, name)| name).collect();
    for (at, strategy) in strategies.iter().enumerate() {
        for run in results.services.iter().filter(|run| run.strategy == **strategy) {
            for row in &run.items {
                let place = *places.entry(row.service.as_str()).or_insert_with(|| {
                    values.push((&row.service, vec![Vec::new(); strategies.len()]));
                    values.len() - 1
                });
                values[place].1[at].push(row.lost_s);
            }
        }
    }
    let line = |(name, lost): (_, Vec<Vec<f64>>)| Line { name, lost: lost.into_iter().map(Summary::of).collect() };
    let mut lines: Vec<Line> = values.into_iter().map(line).filter(|line| most(line) > 0.0).collect();
    lines.sort_by(|one, two| most(two).total_cmp(&most(one)));
    lines
}

/// A row for each service, with a dot for each strategy.
pub fn draw(results: &Results, sheet: &mut Sheet) {
    let lines = lines(results);
    let all = lines.len();
    let shown = &lines[..all.min(MOST)];
    let interval = if results.manifest.replications > 1 { ": mean and 95 % interval" } else { "" };
    let which =
        if shown.len() < all { format!("; the {} of {all} that lose most", shown.len()) } else { String::new() };
    let subtitle = format!(
        "Replica-seconds lost by service, for whatever reason{interval}{which}{}",
        others(results, together(results).count())
    );
    let room = sheet.frame(&title(results, &lines), &subtitle, &footer(results));
    let legend: Vec<(String, Sample)> = together(results)
        .map(|(index, name)| (fitted(&outside::shown(name), TEXT, false, 500), Sample::Dot(look(index).color)))
        .collect();
    sheet.legend(&legend, room.x1, 280);
    let head = if sheet.is_narrow() { 40 + 66 * legend.len().div_ceil(2) as i32 } else { 110 };
    let high = |line: &Line| line.lost.iter().filter_map(|lost| lost.ci_high.or(lost.mean)).fold(0.0, f64::max);
    let x = Axis::from_zero(shown.iter().map(high).fold(0.0, f64::max) * 1.02, 6, "replica-seconds lost");
    let width = if sheet.is_narrow() { 500 } else { 800 };
    let names = shown.iter().rev().map(|line| fitted(&outside::shown(line.name), TEXT, false, width));
    let panel = Panel::within(Rect { y0: room.y0 + head, ..room }, x, Axis::named(names, ""));
    panel.axes(sheet);
    let strategies: Vec<(usize, &String)> = together(results).collect();
    for (place, line) in shown.iter().rev().enumerate() {
        for ((at, (index, strategy)), lost) in strategies.iter().enumerate().zip(&line.lost) {
            let Some(mean) = lost.mean else { continue };
            // The first strategy above the others.
            let share = (at as f64 + 0.5) / strategies.len() as f64;
            let height = place as f64 + 0.88 - 0.76 * share;
            let ((x, y), color) = (panel.at(mean, height), look(*index).color);
            if let (Some(low), Some(high)) = (lost.ci_low, lost.ci_high) {
                let (low, high) = (panel.at(low.max(0.0), height).0, panel.at(high, height).0);
                sheet.line(&[(low, y), (high, y)], color, 5, &[]);
            }
            sheet.line(&[(panel.rect.x0, y), (x, y)], color, 2, &[4, 10]);
            sheet.dot((x, y), DOT, color, 1.0);
            let value = text::plus_minus(mean, lost.half_width());
            let rect = Rect { x0: x - 30, y0: y - NOTE / 2, x1: x + 30, y1: y + NOTE / 2 };
            sheet.tip(rect, format!("{} under {strategy}: {value} replica-seconds lost", line.name));
        }
        if place > 0 {
            let y = panel.at(0.0, place as f64).1;
            sheet.line(&[(panel.rect.x0, y), (panel.rect.x1, y)], super::colors::GRID, 2, &[]);
        }
    }
    sheet.line(&[(panel.rect.x0, panel.rect.y0), (panel.rect.x0, panel.rect.y1)], INK, 3, &[]);
}

/// What came out, in one line.
fn title(results: &Results, lines: &[Line]) -> String {
    let worst = &lines[0];
    // The strategy under which the first service loses most.
    let at = worst.lost.iter().position(|lost| lost.mean == Some(most(worst))).unwrap_or(0);
    let strategy = together(results).nth(at).map_or("", |(_, name)| name.as_str());
    let under = if results.manifest.strategies.len() > 1 { format!(" under {strategy}") } else { String::new() };
    let all: f64 = lines.iter().filter_map(|line| line.lost[at].mean).sum();
    let share = text::short((100.0 * most(worst) / all).round());
    let lost = text::short(most(worst));
    outside::shown(&format!("{} loses most{under}: {lost} replica-seconds, {share} % of what all lose", worst.name))
}
