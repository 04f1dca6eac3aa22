//! What strategies lose against what they take for that, and the front of those that nobody beats in both.

use super::axis::Axis;
use super::colors::{GREY, INK, look};
use super::sheet::{Anchor, NOTE, Panel, Rect, Sheet, TEXT, fitted};
use super::{crisp, footer, numbered};
use crate::outside;
use crate::report::compare::{self, LOST, Verdict};
use crate::report::results::Results;
use crate::report::text;
use crate::stats::Summary;

/// What it may take: the metric, its words, and whether it is a share that is shown in percent.
const COSTS: &[(&str, &str, bool)] =
    &[("spare_cpu", "CPU held by spares (% of all)", true), ("pulled_bytes", "pulled from the registry", false)];
/// Half the side of a mark.
const MARK: i32 = 17;
/// Distance of two names.
const LINE: i32 = TEXT + 14;

/// Whether some strategy takes more than another, and loses another amount.
pub fn is_worth_it(results: &Results) -> bool {
    compare::ranking(results).len() > 2 && !shown(results).is_empty()
}

/// The costs in which strategies differ.
fn shown(results: &Results) -> Vec<&'static (&'static str, &'static str, bool)> {
    let differs = |metric: &str| {
        let of = |strategy: &String| results.summary_of(metric, strategy)?.summary.mean;
        let means: Vec<f64> = results.manifest.strategies.iter().filter_map(of).collect();
        means.len() == results.manifest.strategies.len() && means.iter().any(|mean| *mean != means[0])
    };
    COSTS.iter().filter(|cost| differs(cost.0)).collect()
}

/// A panel for each cost, all with the same axis of what is lost.
pub fn draw(results: &Results, sheet: &mut Sheet) {
    let n = results.manifest.replications;
    let subtitle = format!(
        "Replica-seconds lost against what is taken for that: mean and 95 % interval, n = {n}; filled: nobody loses less for less"
    );
    let room = sheet.frame(&title(results), &subtitle, &footer(results));
    let mut costs = shown(results);
    // Names of many strategies need the height of one column for themselves.
    if sheet.is_narrow() && results.manifest.strategies.len() > 6 {
        costs.truncate(1);
    }
    let gap = 100;
    let count = costs.len().max(1) as i32;
    let width = (room.x1 - room.x0 - gap * (count - 1)) / count;
    let height = (room.y1 - room.y0) / count;
    for (place, cost) in (0..).zip(&costs) {
        let room = if sheet.is_narrow() {
            Rect { y0: room.y0 + place * height + 40, y1: room.y0 + (place + 1) * height, ..room }
        } else {
            let x0 = room.x0 + place * (width + gap);
            Rect { x0, x1: x0 + width, y0: room.y0 + 40, ..room }
        };
        panel(results, sheet, cost, room);
    }
}

/// What came out, in one line.
fn title(results: &Results) -> String {
    let ranking = compare::ranking(results);
    let (best, baseline) = (&ranking[0], &results.manifest.strategies[0]);
    let other = ranking.iter().skip(1).find(|place| place.strategy == *baseline).unwrap_or(&ranking[1]);
    if results.shows(LOST, &other.strategy, &best.strategy) != Some(Verdict::Better) {
        return outside::shown(&format!(
            "No difference is shown in what {} and {} lose",
            best.strategy, other.strategy
        ));
    }
    let (least, more) = (best.lost.mean.unwrap_or(0.0), other.lost.mean.unwrap_or(0.0));
    let less = text::short((100.0 * (1.0 - least / more)).round());
    let held = results.summary_of("spare_cpu", &best.strategy).and_then(|row| row.summary.mean).unwrap_or(0.0);
    let room = match held > 0.0 {
        true => format!(" and holds {:.1} % of the CPU for that", held * 100.0),
        false => String::new(),
    };
    outside::shown(&format!("{} loses {less} % less than {}{room}", best.strategy, other.strategy))
}

struct Point<'a> {
    index: usize,
    name: &'a str,
    cost: Summary,
    lost: Summary,
    at: (f64, f64),
    is_front: bool,
}

fn panel(results: &Results, sheet: &mut Sheet, (metric, words, is_share): &(&str, &str, bool), room: Rect) {
    let of = |name: &str, metric: &str| Some(results.summary_of(metric, name)?.summary);
    let mut points: Vec<Point> = Vec::new();
    for (index, name) in numbered(results) {
        if let (Some(cost), Some(lost)) = (of(name, metric), of(name, LOST))
            && let (Some(x), Some(y)) = (cost.mean, lost.mean)
        {
            points.push(Point { index, name, cost, lost, at: (x, y), is_front: false });
        }
    }
    let all: Vec<(f64, f64)> = points.iter().map(|point| point.at).collect();
    for point in &mut points {
        let beats = |other: &&(f64, f64)| other.0 <= point.at.0 && other.1 <= point.at.1 && **other != point.at;
        point.is_front = !all.iter().any(|other| beats(&other));
    }
    let high = |summary: &Summary| summary.ci_high.or(summary.mean).unwrap_or(0.0);
    let low = |summary: &Summary| summary.ci_low.or(summary.mean).unwrap_or(0.0);
    let top = points.iter().map(|point| high(&point.cost)).fold(0.0, f64::max);
    let bottom = points.iter().map(|point| low(&point.cost)).fold(f64::INFINITY, f64::min);
    let unit = results.summary.iter().find(|row| row.metric == *metric).map_or("", |row| row.unit.as_str());
    let (factor, unit) = if *is_share { (0.01, String::new()) } else { text::scale(unit, top) };
    let words = if unit.is_empty() { words.to_string() } else { format!("{words} ({unit})") };
    // Names need room beside the outermost points.
    let span = (top - bottom).max(top * 0.01) / factor;
    let from_zero = bottom <= 0.3 * top;
    let start = if from_zero { -0.05 * span } else { bottom / factor - 0.15 * span };
    let words = if from_zero { words } else { format!("{words}; the axis does not start at 0") };
    let mut x = Axis::linear(start, top / factor + 0.3 * span, 5, &words);
    x.ticks.retain(|tick| tick.0 >= 0.0);
    let panel = Panel::within(room, x, axis_of_losses(&points));
    panel.axes(sheet);
    // Intervals may reach below what the axis shows.
    let place = |(x, y): (f64, f64)| panel.at(x / factor, y.clamp(panel.y.low, panel.y.high));

    let mut front: Vec<(f64, f64)> = points.iter().filter(|point| point.is_front).map(|point| point.at).collect();
    front.sort_by(|one, two| one.0.total_cmp(&two.0));
    let mut steps: Vec<(i32, i32)> = Vec::new();
    for point in &front {
        let (x, y) = place(*point);
        steps.extend(steps.last().map(|last| (x, last.1)));
        steps.push((x, y));
    }
    sheet.line(&steps, GREY, 5, &[20, 14]);

    for point in &points {
        let (x, y) = place(point.at);
        let color = look(point.index).color;
        let [left, right] = [low(&point.cost), high(&point.cost)].map(|cost| place((cost, point.at.1)).0);
        let [upper, lower] = [high(&point.lost), low(&point.lost)].map(|lost| place((point.at.0, lost)).1);
        sheet.line(&[(x, upper), (x, lower)], color, 5, &[]);
        sheet.line(&[(left, y), (right, y)], color, 5, &[]);
        let square = |size: i32| Rect { x0: x - size, y0: y - size, x1: x + size, y1: y + size };
        sheet.block(square(MARK), color, 1.0);
        if !point.is_front {
            sheet.block(square(MARK - 7), plotters::style::WHITE, 1.0);
        }
        let value = |summary: &Summary, factor: f64| {
            text::plus_minus(summary.mean.unwrap_or(0.0) / factor, summary.half_width().map(|half| half / factor))
        };
        let lost = value(&point.lost, 1.0);
        let told = format!("{}: {lost} replica-seconds lost\n{words}: {}", point.name, value(&point.cost, factor));
        sheet.tip(square(MARK + 8), told);
    }
    names(sheet, &panel, &points, &place);
}

/// Logarithmic where strategies differ by more than a factor of ten.
fn axis_of_losses(points: &[Point]) -> Axis {
    let means = || points.iter().map(|point| point.at.1);
    let (least, most) = (means().fold(f64::INFINITY, f64::min), means().fold(0.0, f64::max));
    let high = points.iter().filter_map(|point| point.lost.ci_high).fold(most, f64::max);
    match 0.0 < least && 10.0 * least < most {
        true => Axis::logarithmic(0.8 * least, high, "replica-seconds lost (logarithmic)"),
        false => Axis::from_zero(high * 1.05, 6, "replica-seconds lost"),
    }
}

/// Names beside their points, moved apart where they would stand on each other.
fn names(sheet: &mut Sheet, panel: &Panel, points: &[Point], place: &dyn Fn((f64, f64)) -> (i32, i32)) {
    for to_the_left in [false, true] {
        let middle = (panel.rect.x0 + panel.rect.x1) / 2;
        let mut side: Vec<(&Point, (i32, i32))> = points.iter().map(|point| (point, place(point.at))).collect();
        side.retain(|(_, (x, _))| (*x > middle) == to_the_left);
        side.sort_by_key(|(_, (x, y))| (*y, *x));
        let mut heights: Vec<i32> = side.iter().map(|(_, (_, y))| *y).collect();
        spread(&mut heights, panel.rect.y0 + LINE / 2, panel.rect.y1 - LINE / 2);
        for ((point, (x, y)), height) in side.into_iter().zip(heights) {
            let away = if to_the_left { -1 } else { 1 };
            let from = x + away * 130;
            sheet.line(&[(x + away * (MARK + 8), y), (from, height)], GREY, 2, &[]);
            let anchor = if to_the_left { Anchor::Right } else { Anchor::Left };
            let name = fitted(&outside::shown(point.name), TEXT, point.is_front, 700);
            let width = crisp::text_width(&name, f64::from(TEXT), point.is_front);
            let at = from + away * 12;
            let (x0, x1) = if to_the_left { (at - width, at) } else { (at, at + width) };
            let behind = Rect { x0: x0 - 6, y0: height - NOTE / 2 - 4, x1: x1 + 6, y1: height + NOTE / 2 + 4 };
            sheet.block(behind, plotters::style::WHITE, 0.85);
            let color = if point.is_front { look(point.index).color } else { INK };
            sheet.text(&name, (at, height), TEXT, color, point.is_front, anchor);
        }
    }
}

/// Moves ascending heights apart, as little as can be and within a range if there is room.
fn spread(heights: &mut [i32], top: i32, bottom: i32) {
    // Those that touch form a block around the mean of what they want.
    let mut blocks: Vec<(i64, i64)> = Vec::new();
    for height in heights.iter() {
        blocks.push((i64::from(*height), 1));
        while let [.., (above, many), (below, few)] = blocks[..]
            && below - above < i64::from(LINE) * (many + few) / 2
        {
            blocks.truncate(blocks.len() - 2);
            blocks.push(((above * many + below * few) / (many + few), many + few));
        }
    }
    let mut at = 0;
    for (center, many) in blocks {
        let half = i64::from(LINE) * (many - 1) / 2;
        let lowest = (i64::from(bottom) - half).max(i64::from(top) + half);
        let first = center.clamp(i64::from(top) + half, lowest) - half;
        for row in 0..many {
            heights[at] = (first + row * i64::from(LINE)) as i32;
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_move_apart_as_little_as_can_be() {
        let mut heights = [100, 500, 502, 900];
        spread(&mut heights, 0, 1000);
        assert_eq!(heights, [100, 501 - LINE / 2, 501 - LINE / 2 + LINE, 900]);
        let mut crowded = [10, 10, 10];
        spread(&mut crowded, 20, 1000);
        assert_eq!(crowded, [20, 20 + LINE, 20 + 2 * LINE]);
    }
}
