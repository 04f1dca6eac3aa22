//! Pictures over time: running tasks, and what the registry sends.

use plotters::style::WHITE;

use super::axis::Axis;
use super::colors::{GREY, INK, Look, look};
use super::sheet::{Anchor, NOTE, Panel, Rect, Sample, Sheet, TEXT, fitted};
use super::{apart, crisp, footer, others, title, together};
use crate::metrics::{Band, Mark};
use crate::outside;
use crate::report::results::{Results, SeriesRow};
use crate::report::text;

const DESIRED: Look = Look { color: INK, dashes: &[26, 14] };

/// What came out: the fewest tasks that ran at any instant once all had run, in any replication.
fn at_worst(results: &Results) -> Option<String> {
    let least = |strategy: &str| results.summary_of("running_min", strategy)?.summary.min;
    let strategies = results.manifest.strategies.iter();
    let mut all: Vec<(f64, &str)> =
        strategies.filter_map(|strategy| Some((least(strategy)?, strategy.as_str()))).collect();
    if all.len() < results.manifest.strategies.len() {
        return None;
    }
    let wanted = results.series.iter().map(|row| row.desired.most).max()?;
    let said =
        |(least, strategy): &(f64, &str)| format!("{} ({})", text::short(*least), fitted(strategy, TEXT, true, 400));
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let numbers = match &all[..] {
        [(least, _)] => text::short(*least),
        [first, .., last] if first.0 == last.0 => text::short(first.0),
        [first, second] => format!("{} or {}", said(first), said(second)),
        [first, .., last] => format!("{} to {}", said(first), said(last)),
        [] => return None,
    };
    Some(format!("At worst {numbers} of {wanted} tasks run"))
}

/// Running tasks against desired ones, a panel per strategy.
pub fn running(results: &Results, sheet: &mut Sheet) {
    let many = results.manifest.replications > 1;
    let panels: Vec<(usize, &String)> = apart(results).collect();
    let subtitle = match many {
        true => "Running tasks in each interval: mean over time and replications; events are those of replication 1",
        false => "Running tasks in each interval: mean over time",
    };
    let subtitle = format!("{subtitle}{}", others(results, panels.len()));
    let finding = at_worst(results);
    let subtitle = if finding.is_some() { format!("{}. {subtitle}", title(results)) } else { subtitle };
    let room = sheet.frame(&finding.unwrap_or_else(|| title(results)), &subtitle, &footer(results));
    let mut legend = vec![("desired".into(), Sample::Line(DESIRED, 5))];
    if many {
        legend.push(("mean".into(), Sample::Line(Look { color: GREY, dashes: &[] }, 9)));
        legend.push(("least to most, all replications".into(), Sample::Band(GREY)));
        legend.push(("replication 1".into(), Sample::Line(Look { color: GREY, dashes: &[] }, 3)));
    } else {
        legend.push(("mean".into(), Sample::Line(Look { color: GREY, dashes: &[] }, 9)));
        legend.push(("least to most".into(), Sample::Band(GREY)));
    }
    sheet.legend(&legend, room.x1, 280);

    let columns: i32 = match panels.len() {
        0..=4 => 1,
        5..=8 => 2,
        _ => sheet.columns(3),
    };
    let rows = panels.len().div_ceil(columns as usize);
    let end = end_of(results);
    let (time, unit) = Axis::time(end, if columns == 1 { 12 } else { 8 - 2 * columns as usize + 2 });
    let (low, high) = range(&results.series);
    let (below, gap, strip) = (150, 90, 265);
    let height = (room.y1 - room.y0 - strip - below - gap * (rows as i32 - 1)) / rows.max(1) as i32;
    let width = (room.x1 - room.x0 - 120 * (columns - 1)) / columns;
    for (place, (index, strategy)) in panels.iter().enumerate() {
        let (column, row) = (place as i32 % columns, place as i32 / columns);
        let (x0, y0) = (room.x0 + column * (width + 120), room.y0 + strip + row * (height + gap));
        let last = place as i32 + columns >= panels.len() as i32;
        let count = if height > 500 { 6 } else { 4 };
        let y = if low > 0.0 { Axis::linear(low, high, count, "tasks") } else { Axis::from_zero(high, count, "tasks") };
        let x = if last { time.clone() } else { time.silent() };
        let room = Rect { x0, y0, x1: x0 + width, y1: y0 + height + if last { below } else { 10 } };
        let panel = Panel::within(room, x, y);
        panel.axes(sheet);
        let marks: Vec<&Mark> = results
            .marks
            .iter()
            .filter(|run| run.strategy == **strategy && run.replication == 1)
            .flat_map(|run| &run.items)
            .collect();
        let name = crisp::text_width(strategy, f64::from(TEXT), true) + 40;
        events(sheet, &panel, &marks, unit, (row == 0).then_some(panel.rect.x0 + name));
        let look = look(*index);
        sheet.text(strategy, (panel.rect.x0, y0 - 34), TEXT, look.color, true, Anchor::Left);
        sheet.about(strategy);
        let points: Vec<&SeriesRow> = results.series.iter().filter(|row| row.strategy == **strategy).collect();
        let of = |value: fn(&SeriesRow) -> Option<f64>| steps(&points, unit, value);
        let band: Vec<(f64, f64, f64)> = points
            .iter()
            .flat_map(|row| {
                let Band { least, most, .. } = row.running;
                [row.time_s, row.until_s].map(|time| (time / unit, least as f64, most as f64))
            })
            .collect();
        panel.band(sheet, &band, look.color);
        if many {
            panel.line(sheet, &of(|row| row.running_first), Look { dashes: &[], ..look }, 3);
        }
        panel.line(sheet, &of(|row| Some(row.running.mean)), Look { dashes: &[], ..look }, 9);
        panel.line(sheet, &of(|row| Some(row.desired.mean)), DESIRED, 5);
        if low > 0.0 {
            let note = format!("axis starts at {}", text::short(low));
            let (x1, y1) = (panel.rect.x1 - 20, panel.rect.y1 - 50);
            let x0 = x1 - crisp::text_width(&note, f64::from(NOTE), false);
            sheet.block(Rect { x0: x0 - 10, y0: y1 - 30, x1: x1 + 10, y1: y1 + 30 }, WHITE, 1.0);
            sheet.text(&note, (x1, y1), NOTE, GREY, false, Anchor::Right);
        }
    }
}

/// Bytes per second that the registry sends, strategies together.
pub fn registry(results: &Results, sheet: &mut Sheet) {
    let others = others(results, together(results).count());
    let mean = match results.manifest.replications {
        1 => "mean over each interval",
        _ => "mean over each interval and replications; events are those of replication 1",
    };
    let subtitle = format!("What the registry sends: {mean}{others}");
    let room = sheet.frame(&title(results), &subtitle, &footer(results));
    let legend: Vec<(String, Sample)> =
        together(results).map(|(index, name)| (fitted(name, TEXT, false, 500), Sample::Line(look(index), 9))).collect();
    sheet.legend(&legend, room.x1, 280);
    let rate = |row: &SeriesRow| row.registry_bytes / row.span_s();
    let largest = results.series.iter().map(rate).fold(0.0, f64::max);
    let (factor, name) = text::scale("B/s", largest);
    // What comes after the last byte is of no interest.
    let last = results.series.iter().filter(|row| row.registry_bytes > 0.0).map(|row| row.until_s).fold(0.0, f64::max);
    let end = if last * 1.15 < end_of(results) { last * 1.15 } else { end_of(results) };
    let (x, unit) = Axis::time(end, 12);
    let room = Rect { y0: room.y0 + 265, ..room };
    let panel = Panel::within(room, x, Axis::from_zero(largest / factor, 8, &format!("sent by the registry ({name})")));
    panel.axes(sheet);
    let marks: Vec<&Mark> = results
        .marks
        .iter()
        .filter(|run| {
            results.manifest.strategies.first().is_some_and(|strategy| run.strategy == *strategy)
                && run.replication == 1
        })
        .flat_map(|run| &run.items)
        .filter(|mark| mark.time_s <= end)
        .collect();
    events(sheet, &panel, &marks, unit, Some(panel.rect.x0));
    for (index, strategy) in together(results) {
        let rows = results.series.iter().filter(|row| row.strategy == *strategy && row.until_s <= end);
        let rows: Vec<&SeriesRow> = rows.collect();
        sheet.about(strategy);
        panel.line(sheet, &steps(&rows, unit, |row| Some(rate(row) / factor)), look(index), 9);
    }
}

/// Upright lines where something happened, with words above them as far as there is room, if wanted; words begin right of
/// `words_from`. What is there from the start is no event.
fn events(sheet: &mut Sheet, panel: &Panel, marks: &[&Mark], unit: f64, words_from: Option<i32>) {
    let Rect { y0, x1, y1, .. } = panel.rect;
    let shown =
        |mark: &&&Mark| panel.x.share(mark.time_s / unit) <= 1.0 && (mark.kind != "deploy" || mark.time_s > 0.0);
    let mut lines: Vec<(i32, &Mark)> =
        marks.iter().filter(shown).map(|mark| (panel.at(mark.time_s / unit, panel.y.low).0, *mark)).collect();
    // What happened together has one line, that of the most telling: the user's own first.
    lines.sort_by_key(|(x, mark)| (*x, rank(mark)));
    lines.dedup_by(|next, line| next.0 - line.0 < 8);
    let crowded = lines.len() > 40;
    for (x, mark) in &lines {
        let dashes: &[i32] = if mark.kind == "detected" { &[6, 14] } else { &[22, 12] };
        let from = if crowded { y1 - 40 } else { y0 };
        sheet.line(&[(*x, from), (*x, y1)], GREY, 4, dashes);
    }
    let Some(words_from) = words_from else { return };
    let groups = groups(&lines);
    let placed = if crowded { Vec::new() } else { best_places(&groups, (words_from, x1)) };
    for word in &placed {
        let y = y0 - 32 - 50 * word.row;
        sheet.line(&[(word.x, y - 18), (word.x, y0)], GREY, 3, &[]);
        sheet.text(&word.text, (word.left, y), NOTE, INK, false, Anchor::Left);
    }
    let silent = if crowded { lines.len() } else { groups.len() - placed.len() };
    if silent > 0 {
        let note =
            format!("{} marked without words", if silent == 1 { "1 event".into() } else { format!("{silent} events") });
        let left = x1 - crisp::text_width(&note, f64::from(NOTE), false);
        let y = if placed.is_empty() { y0 - 32 } else { y0 - 32 - 50 * ROWS };
        sheet.text(&note, (left, y), NOTE, GREY, false, Anchor::Left);
    }
}

/// Of two orders of placing words the one that gives more of them a place, the user's own events first.
fn best_places(groups: &[(i32, &Mark, usize)], range: (i32, i32)) -> Vec<Word> {
    let place = |order: fn(&Mark) -> usize| {
        let mut groups = groups.to_vec();
        groups.sort_by_key(|(x, mark, _)| (order(mark), -x));
        let labels: Vec<(i32, String)> = groups.iter().map(|(x, mark, more)| (*x, label(mark, *more))).collect();
        place_words(&labels, range)
    };
    let own = |words: &[Word]| {
        let is_own = |word: &&Word| groups.iter().any(|(x, mark, _)| *x == word.x && rank(mark) < 3);
        (words.iter().filter(is_own).count(), words.len())
    };
    let (by_place, by_rank) = (place(|_| 0), place(|mark| rank(mark).min(3)));
    if own(&by_rank) > own(&by_place) { by_rank } else { by_place }
}

/// How telling a mark is; the least is the most.
fn rank(mark: &Mark) -> usize {
    let kinds = ["error", "refused", "script", "deploy", "down", "up", "detected"];
    kinds.iter().position(|kind| *kind == mark.kind).unwrap_or(kinds.len())
}

/// Marks of one kind that follow each other closely share their words: (place, first of them, how many more).
fn groups<'a>(lines: &[(i32, &'a Mark)]) -> Vec<(i32, &'a Mark, usize)> {
    let mut groups: Vec<(i32, &Mark, usize)> = Vec::new();
    let mut last = 0;
    for &(x, mark) in lines {
        match groups.last_mut() {
            Some(group) if group.1.kind == mark.kind && mark.kind != "script" && x - last < 160 => group.2 += 1,
            _ => groups.push((x, mark, 0)),
        }
        last = x;
    }
    groups
}

/// A mark in words. Labels of some kinds are names alone.
fn label(mark: &Mark, more: usize) -> String {
    let name = outside::shown(&mark.label);
    let many = if more > 0 { format!(" and {more} more") } else { String::new() };
    let is_name = !name.contains(' ');
    match mark.kind.as_str() {
        "detected" if is_name => format!("{name}{many} found down"),
        "deploy" if is_name => format!("deploy {name}{many}"),
        "down" | "up" if is_name => format!("{name}{many} {}", mark.kind),
        _ => format!("{name}{many}"),
    }
}

/// Rows of words above a panel.
const ROWS: i32 = 2;

/// Words beside the line that they explain.
struct Word {
    x: i32,
    left: i32,
    right: i32,
    row: i32,
    text: String,
}

/// Finds places for words, the first ones first, so that neither words nor the lines that lead to them cross; some may
/// find none.
fn place_words(labels: &[(i32, String)], (from, to): (i32, i32)) -> Vec<Word> {
    let mut placed: Vec<Word> = Vec::new();
    for (x, label) in labels {
        let text = fitted(label, NOTE, false, 900);
        let width = crisp::text_width(&text, f64::from(NOTE), false);
        // Beside its line; at the right edge before it.
        let left = if x + 14 + width <= to { x + 14 } else { x - 14 - width };
        let right = left + width;
        let free = |row: &i32| {
            let crosses = |other: &Word| {
                let words = other.row == *row && left < other.right + 30 && other.left < right + 30;
                let its_line = other.row >= *row && (left - 8..right + 8).contains(&other.x);
                let my_line = other.row < *row && (other.left - 8..other.right + 8).contains(x);
                words || its_line || my_line
            };
            from < *x.min(&left) && !placed.iter().any(crosses)
        };
        if let Some(row) = (0..ROWS).find(free) {
            placed.push(Word { x: *x, left, right, row, text });
        }
    }
    placed
}

/// The end of the time axis.
fn end_of(results: &Results) -> f64 {
    results.series.iter().map(|row| row.until_s).fold(results.manifest.duration_s, f64::max)
}

/// Range of the task axis. It starts at zero unless what happens after the start-up would be hard to see.
fn range(series: &[SeriesRow]) -> (f64, f64) {
    let high = series.iter().map(|row| row.running.most.max(row.desired.most)).max().unwrap_or(0).max(1) as f64;
    let mut lowest = f64::INFINITY;
    let mut started = false;
    let mut strategy = "";
    for row in series {
        let least = row.running.least as f64;
        started = started && row.strategy == strategy || row.desired.mean > 0.0 && least >= 0.99 * row.desired.mean;
        strategy = &row.strategy;
        if started {
            lowest = lowest.min(least).min(row.desired.mean);
        }
    }
    let low = lowest - (high - lowest).max(0.02 * high) * 0.5;
    if lowest.is_finite() && low > 0.5 * high { (low, high + (high - low) * 0.05) } else { (0.0, high * 1.02) }
}

/// A staircase through what intervals have, each from its begin to its end.
fn steps(rows: &[&SeriesRow], unit: f64, value: impl Fn(&SeriesRow) -> Option<f64>) -> Vec<(f64, f64)> {
    let mut steps: Vec<(f64, f64)> = Vec::new();
    for row in rows {
        let Some(y) = value(row) else { continue };
        let until = row.until_s / unit;
        match steps.last_mut() {
            Some(last) if last.1 == y => last.0 = until,
            _ => steps.extend([(row.time_s / unit, y), (until, y)]),
        }
    }
    steps
}
