//! Headline metrics side by side: a panel each, a bar per strategy with its interval.

use std::cmp::Reverse;

use plotters::style::RGBColor;

use super::axis::Axis;
use super::colors::{GREY, INK, look};
use super::sheet::{Anchor, NOTE, Panel, Rect, Sheet, TEXT, fitted};
use super::{apart, crisp, footer, others, title};
use crate::outside;
use crate::report::compare::{PairRow, Verdict};
use crate::report::results::{Results, SummaryRow};
use crate::report::{headlines, text};
use crate::stats::Summary;

/// Whether there is anything to compare.
pub fn is_worth_it(results: &Results) -> bool {
    results.manifest.strategies.len() > 1 && !shown(results).is_empty()
}

/// Draws up to six panels, each with an axis of its own.
pub fn draw(results: &Results, sheet: &mut Sheet) {
    let bars = if results.manifest.replications > 1 {
        "mean and 95 % interval; lines alone: each replication, where they lie in two heaps; n: replications with a value, if not all"
    } else {
        "each strategy, one replication: no intervals"
    };
    let subtitle = format!("Comparison: {bars}{}", others(results, apart(results).count()));
    let room = sheet.frame(&title(results), &subtitle, &footer(results));
    let metrics = shown(results);
    // Many strategies need wide panels.
    let wide = results.manifest.strategies.len() > 3;
    let narrow = sheet.is_narrow();
    let count = results.manifest.strategies.len();
    let lies = count > if narrow { 2 } else { UPRIGHT };
    let most = match (narrow && lies, wide) {
        (true, _) if count > UPRIGHT => 2,
        (true, _) | (false, true) => 4,
        (false, false) => 6,
    };
    let metrics = &metrics[..metrics.len().min(most)];
    let columns = match metrics.len() {
        _ if narrow && lies => 1,
        4 => 2,
        count => sheet.columns(count.clamp(1, if wide { 2 } else { 3 }) as i32),
    };
    let rows = (metrics.len() as i32 + columns - 1) / columns;
    let (gap_x, gap_y) = (110, 150);
    let width = (room.x1 - room.x0 - gap_x * (columns - 1)) / columns;
    let height = (room.y1 - room.y0 - gap_y * rows) / rows;
    for (place, metric) in metrics.iter().enumerate() {
        let (column, row) = (place as i32 % columns, place as i32 / columns);
        let (x0, y0) = (room.x0 + column * (width + gap_x), room.y0 + gap_y + row * (height + gap_y));
        let room = Rect { x0, y0, x1: x0 + width, y1: y0 + height };
        if lies { lying(results, sheet, metric, room) } else { panel(results, sheet, metric, room) }
    }
}

/// Bars that stand; names of more strategies find no room below them.
const UPRIGHT: usize = 6;

/// Bars that lie, from the first strategy downwards, with their names and values beside them.
fn lying(results: &Results, sheet: &mut Sheet, metric: &str, room: Rect) {
    let rows: Vec<(usize, &SummaryRow)> =
        apart(results).filter_map(|(index, strategy)| Some((index, results.summary_of(metric, strategy)?))).collect();
    let unit = rows.first().map_or("", |(_, row)| row.unit.as_str());
    let largest = rows.iter().map(|(_, row)| top(row)).fold(0.0, f64::max);
    let (factor, unit_shown) = text::scale(unit, largest);
    let unit_shown = if unit_shown.is_empty() { String::new() } else { format!(" ({unit_shown})") };
    let head = format!("{}{unit_shown}", text::title(metric, unit));
    sheet.text(&fitted(&head, TEXT, true, room.x1 - room.x0), (room.x0, room.y0 - 72), TEXT, INK, true, Anchor::Left);
    let names = rows.iter().rev().map(|(_, row)| fitted(&outside::shown(&row.strategy), NOTE, false, 420));
    // The values stand beside the bars.
    let x = Axis::from_zero(largest / factor * 1.35, 4, "");
    let panel = Panel::within(Rect { y0: room.y0 - 20, y1: room.y1 + 20, ..room }, x, Axis::named(names, ""));
    panel.axes(sheet);
    for (place, (index, row)) in rows.iter().rev().enumerate() {
        let summary = &row.summary;
        let middle = place as f64 + 0.5;
        let Some(mean) = summary.mean else {
            let at = panel.at(0.0, middle);
            sheet.text("no value", (at.0 + 20, at.1), NOTE, GREY, false, Anchor::Left);
            continue;
        };
        let ((x0, y0), (x1, y1)) = (panel.at(0.0, middle + 0.33), panel.at(mean.max(0.0) / factor, middle - 0.33));
        // A mean of two heaps is where nothing was.
        if summary.humps.is_none() {
            sheet.block(Rect { x0, y0, x1: x1.max(x0), y1 }, look(*index).color, 0.8);
        }
        let y = (y0 + y1) / 2;
        let mut beside = x1;
        if let (None, Some(low), Some(high)) = (summary.humps, summary.ci_low, summary.ci_high) {
            let (low, high) = (panel.at((low / factor).max(0.0), middle).0, panel.at(high / factor, middle).0);
            for line in [[(low, y), (high, y)], [(low, y - 12), (low, y + 12)], [(high, y - 12), (high, y + 12)]] {
                sheet.line(&line, INK, 4, &[]);
            }
            beside = high;
        }
        if summary.humps.is_some() {
            beside = strip(
                sheet,
                results,
                (metric, &row.strategy),
                (y0, y1),
                |value| panel.at(value / factor, middle).0,
                (look(*index).color, false),
            );
        }
        let mut value = text::summary(summary, factor).unwrap_or_default();
        if summary.n < u64::from(results.manifest.replications) {
            value += &format!(" (n = {})", summary.n);
        }
        sheet.text(&value, (beside + 18, y), NOTE, INK, false, Anchor::Left);
        sheet.tip(Rect { x0, y0, x1: x1.max(x0 + 40), y1 }, told(row, factor, &unit_shown));
    }
}

fn panel(results: &Results, sheet: &mut Sheet, metric: &str, room: Rect) {
    let rows: Vec<(usize, &SummaryRow)> =
        apart(results).filter_map(|(index, strategy)| Some((index, results.summary_of(metric, strategy)?))).collect();
    let largest = rows.iter().map(|(_, row)| top(row)).fold(0.0, f64::max);
    let unit = rows.first().map_or("", |(_, row)| row.unit.as_str());
    let (factor, unit_shown) = text::scale(unit, largest);
    // Of a share there is never more than 1.
    let is_share = unit == "1" && (0.7..=1.0).contains(&largest);
    let room_for_values = largest / factor * 1.15;
    let y = if is_share { Axis::linear(0.0, 1.15, 5, "") } else { Axis::from_zero(room_for_values, 4, "") };
    let each = (room.x1 - room.x0 - 200) / rows.len().max(1) as i32;
    let fits = |name: &str, size: i32| crisp::text_width(name, f64::from(size), false) <= each - 20;
    let names = rows.iter().map(|(_, row)| fitted(&outside::shown(&row.strategy), TEXT, false, each - 20));
    let panel = Panel::within(room, Axis::named(names, ""), y);
    panel.axes(sheet);
    let unit_shown = if unit_shown.is_empty() { String::new() } else { format!(" ({unit_shown})") };
    let head = format!("{}{unit_shown}", text::title(metric, unit));
    sheet.text(&fitted(&head, TEXT, true, room.x1 - room.x0), (room.x0, room.y0 - 72), TEXT, INK, true, Anchor::Left);
    for (place, (index, row)) in rows.iter().enumerate() {
        let summary = &row.summary;
        let middle = place as f64 + 0.5;
        let Some(mean) = summary.mean else {
            let at = panel.at(middle, 0.0);
            sheet.text("no value", (at.0, at.1 - 40), NOTE, GREY, false, Anchor::Center);
            continue;
        };
        let (x0, y0) = panel.at(middle - 0.28, mean.max(0.0) / factor);
        let (x1, y1) = panel.at(middle + 0.28, 0.0);
        if summary.humps.is_none() {
            sheet.block(Rect { x0, y0: y0.min(y1), x1, y1 }, look(*index).color, 0.8);
        }
        let x = (x0 + x1) / 2;
        let mut above = y0;
        if let (None, Some(low), Some(high)) = (summary.humps, summary.ci_low, summary.ci_high) {
            let (low, high) = (panel.at(middle, (low / factor).max(0.0)).1, panel.at(middle, high / factor).1);
            for line in [[(x, low), (x, high)], [(x - 22, low), (x + 22, low)], [(x - 22, high), (x + 22, high)]] {
                sheet.line(&line, INK, 5, &[]);
            }
            above = high;
        }
        if summary.humps.is_some() {
            above = strip(
                sheet,
                results,
                (metric, &row.strategy),
                (x0, x1),
                |value| panel.at(middle, value / factor).1,
                (look(*index).color, true),
            );
        }
        let value = text::summary(summary, factor).unwrap_or_default();
        let short = match summary.humps {
            Some(humps) => format!("{} or {}", text::short(humps.low.1 / factor), text::short(humps.high.1 / factor)),
            None => text::short(mean / factor),
        };
        let value = if fits(&value, NOTE) { value } else { short };
        sheet.text(&value, (x, above - 14), NOTE, INK, false, Anchor::Bottom);
        if summary.n < u64::from(results.manifest.replications) {
            let note = format!("n = {}", summary.n);
            sheet.text(&note, (x, above - 62), NOTE, GREY, false, Anchor::Bottom);
        }
        sheet.tip(Rect { x0, y0: y0.min(y1 - 40), x1, y1 }, told(row, factor, &unit_shown));
    }
}

/// The largest value that is drawn of a row.
fn top(row: &SummaryRow) -> f64 {
    let Summary { humps, ci_high, mean, max, .. } = row.summary;
    if humps.is_some() { max } else { ci_high.or(mean) }.unwrap_or(0.0)
}

/// The values of the replications as marks instead of a bar, where they lie in two heaps; says where the last of them is.
fn strip(
    sheet: &mut Sheet,
    results: &Results,
    (metric, strategy): (&str, &str),
    (from, to): (i32, i32),
    at: impl Fn(f64) -> i32,
    (color, is_upright): (RGBColor, bool),
) -> i32 {
    let values: Vec<f64> = results.runs.values(metric, strategy).filter_map(|(_, value)| value).collect();
    for value in &values {
        let place = at(*value);
        let line = if is_upright { [(from, place), (to, place)] } else { [(place, from), (place, to)] };
        sheet.line(&line, color, 7, &[]);
    }
    let most = values.iter().copied().fold(0.0, f64::max);
    at(most)
}

/// What a bar says to who points at it.
fn told(row: &SummaryRow, factor: f64, unit: &str) -> String {
    let summary = &row.summary;
    let number = |value: Option<f64>| value.map_or("n/a".into(), |value| text::short(value / factor));
    let interval = match (summary.ci_low, summary.ci_high) {
        (Some(low), Some(high)) => format!(", 95 % interval {} to {}", number(Some(low)), number(Some(high))),
        _ => String::new(),
    };
    let (min, max) = (number(summary.min), number(summary.max));
    format!("{}: {}{unit}{interval}\nleast {min}, most {max}, n = {}", row.strategy, number(summary.mean), summary.n)
}

/// The headline metrics with a value that is not the same everywhere, first those in which most pairs show a difference.
pub(super) fn shown(results: &Results) -> Vec<String> {
    let differs = |metric: &String| {
        let means: Vec<f64> =
            apart(results).filter_map(|(_, name)| results.summary_of(metric, name)?.summary.mean).collect();
        !means.is_empty() && means.iter().all(|mean| 0.0 <= *mean) && means.iter().any(|mean| *mean != means[0])
    };
    let mut metrics: Vec<String> = headlines(results).into_iter().filter(differs).collect();
    let differ = |row: &&PairRow| !matches!(row.verdict, Verdict::NotShown | Verdict::Equal);
    metrics
        .sort_by_key(|metric| Reverse(results.pairs.iter().filter(|row| row.metric == *metric).filter(differ).count()));
    metrics
}
