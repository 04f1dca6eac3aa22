//! The largest failure of several nodes at once, with all strategies side by side.

use super::axis::Axis;
use super::colors::{GREY, INK, Look, look};
use super::footer;
use super::sheet::{Anchor, NOTE, Panel, Rect, Sheet, TEXT, fitted};
use crate::outside;
use crate::report::results::{Results, SeriesRow};
use crate::report::text;

/// Panels at most.
const MOST: usize = 16;
/// Nodes that fail at once, at least.
const NODES: f64 = 2.0;
/// A strategy has recovered when so much of the most that was missing is there again.
const RECOVERED: f64 = 0.9;
/// How much of the time before the failure is shown, as a share of that after it.
const LEAD: f64 = 0.1;

/// What one strategy does about the failure.
struct Story<'a> {
    index: usize,
    name: &'a str,
    /// Seconds from the failure, and tasks that are missing beyond those that were missing before.
    missing: Vec<(f64, f64)>,
    /// Replica-seconds from the failure to the end of the picture.
    lost: f64,
    /// When it has recovered, if it does.
    recovered: Option<f64>,
}

/// The failure: the time of the last sample before it, the nodes that it takes, and when these are back.
struct Failure {
    at: f64,
    nodes: f64,
    back: Option<f64>,
}

/// Whether nodes fail together and strategies differ in what they do about it.
pub fn is_worth_it(results: &Results) -> bool {
    let Some((_, stories)) = stories(results) else { return false };
    stories.len() > 1 && stories.iter().any(|story| story.missing != stories[0].missing)
}

fn rows<'a>(results: &'a Results, strategy: &str) -> Vec<&'a SeriesRow> {
    results.series.iter().filter(|row| row.strategy == strategy).collect()
}

fn failure(results: &Results) -> Option<Failure> {
    let rows = rows(results, results.manifest.strategies.first()?);
    let jump = |pair: &&[&SeriesRow]| pair[1].nodes_down - pair[0].nodes_down;
    let worst = rows.windows(2).max_by(|one, two| jump(one).total_cmp(&jump(two)))?;
    let (before, after) = (worst[0], worst[1]);
    let nodes = after.nodes_down - before.nodes_down;
    let half = before.nodes_down + nodes / 2.0;
    let back = rows.iter().find(|row| after.time_s < row.time_s && row.nodes_down < half).map(|row| row.time_s);
    (NODES <= nodes).then_some(Failure { at: before.time_s, nodes, back })
}

fn stories(results: &Results) -> Option<(Failure, Vec<Story<'_>>)> {
    let failure = failure(results)?;
    let mut stories: Vec<Story> = Vec::new();
    for (index, name) in results.manifest.strategies.iter().enumerate().take(MOST) {
        let rows = rows(results, name);
        let missing = |row: &SeriesRow| (row.desired - row.running).max(0.0);
        let before = rows.iter().find(|row| row.time_s == failure.at).map(|row| missing(row))?;
        let curve = rows.iter().map(|row| (row.time_s - failure.at, (missing(row) - before).max(0.0)));
        stories.push(Story { index, name, missing: curve.collect(), lost: 0.0, recovered: None });
    }
    for story in &mut stories {
        let after = || story.missing.iter().filter(|point| point.0 >= 0.0);
        // Until the nodes are back: what comes then is another matter.
        let until = failure.back.map_or(f64::INFINITY, |back| back - failure.at);
        let most = after().filter(|point| point.0 <= until).map(|point| point.1).fold(0.0, f64::max);
        let peak = after().find(|point| point.1 == most).map_or(0.0, |point| point.0);
        story.recovered =
            after().find(|point| peak < point.0 && RECOVERED * most <= most - point.1).map(|point| point.0);
    }
    let slowest = stories.iter().filter_map(|story| story.recovered).fold(0.0, f64::max);
    let rest = results.manifest.duration_s - failure.at;
    let back = failure.back.map_or(rest, |back| back - failure.at);
    // What follows long after everybody has recovered would only make the rest small.
    let all_recover = stories.iter().all(|story| story.recovered.is_some());
    let end = if all_recover { slowest.max(back.min(4.0 * slowest)) } else { back };
    let end = (1.15 * end).min(rest);
    for story in &mut stories {
        story.missing.retain(|point| -LEAD * end <= point.0 && point.0 <= end);
        let area = |pair: &[(f64, f64)]| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0;
        let after: Vec<(f64, f64)> = story.missing.iter().copied().filter(|point| point.0 >= 0.0).collect();
        story.lost = after.windows(2).map(area).sum();
    }
    stories.sort_by(|one, two| one.lost.total_cmp(&two.lost));
    Some((failure, stories))
}

/// A panel for each strategy, those that lose least first.
pub fn draw(results: &Results, sheet: &mut Sheet) {
    let Some((failure, stories)) = stories(results) else { return };
    let within = format!("{} % back", text::short(RECOVERED * 100.0));
    let n = match results.manifest.replications {
        1 => "one replication".to_string(),
        n => format!("mean over {n} replications"),
    };
    let subtitle =
        format!("Tasks missing since the failure, {n}; lost: in replica-seconds; dotted: {within}; grey: no power");
    let room = sheet.frame(&title(&failure, &stories), &subtitle, &footer(results));
    let columns = match stories.len() {
        0..=3 => 1,
        4..=6 => 2,
        7..=12 => 3,
        _ => 4,
    };
    let rows = stories.len().div_ceil(columns) as i32;
    let columns = columns as i32;
    let end = stories.iter().filter_map(|story| story.missing.last()).map(|point| point.0).fold(1.0, f64::max);
    let most = stories.iter().flat_map(|story| &story.missing).map(|point| point.1).fold(1.0, f64::max);
    let (strip, gap_x, below) = (90, 70, 150);
    let width = (room.x1 - room.x0 - gap_x * (columns - 1)) / columns;
    let height = (room.y1 - room.y0 - below) / rows;
    for (place, story) in stories.iter().enumerate() {
        let (column, row) = (place as i32 % columns, place as i32 / columns);
        let is_last = place as i32 + columns >= stories.len() as i32;
        let mut x = Axis::linear(0.0, end, 5, "seconds from the failure");
        x.low = -LEAD * end;
        let x = if is_last { x } else { x.silent() };
        let y = Axis::from_zero(most * 1.02, 3, if column == 0 { "tasks" } else { "" });
        let (x0, y0) = (room.x0 + column * (width + gap_x), room.y0 + row * height + strip);
        let y1 = room.y0 + (row + 1) * height + if is_last { below } else { 0 };
        let panel = Panel::within(Rect { x0, y0, x1: x0 + width, y1 }, x, y);
        tell(sheet, &panel, story, &failure);
    }
}

fn title(failure: &Failure, stories: &[Story]) -> String {
    let nodes = text::short(failure.nodes.round());
    let says = |story: &Story| match story.recovered {
        Some(after) => format!("after {} s", text::short(after.round())),
        None => "not in this time".to_string(),
    };
    let (first, last) = (&stories[0], &stories[stories.len() - 1]);
    outside::shown(&format!(
        "{nodes} nodes fail at once: {} has the tasks back {}, {} {}",
        first.name,
        says(first),
        last.name,
        says(last)
    ))
}

fn tell(sheet: &mut Sheet, panel: &Panel, story: &Story, failure: &Failure) {
    let Rect { x0, x1, y0, y1 } = panel.rect;
    let at = |time: f64| panel.at(time, 0.0).0.clamp(x0, x1);
    let back = failure.back.map_or(x1, |back| at(back - failure.at));
    sheet.block(Rect { x0: at(0.0), x1: back, y0, y1 }, GREY, 0.12);
    panel.axes(sheet);
    let color = look(story.index).color;
    let band: Vec<(f64, f64, f64)> = story.missing.iter().map(|(time, missing)| (*time, 0.0, *missing)).collect();
    panel.band(sheet, &band, color);
    panel.line(sheet, &story.missing, Look { color, dashes: &[] }, 9);
    if let Some(recovered) = story.recovered {
        sheet.line(&[(at(recovered), y0), (at(recovered), y1)], INK, 4, &[6, 14]);
    }
    let lost = format!("{} lost", text::short(story.lost));
    let lost = match story.recovered {
        Some(recovered) => format!("{lost}, back after {} s", text::short(recovered.round())),
        None => format!("{lost}, not back"),
    };
    let height = y0 - 34;
    let name = fitted(&outside::shown(story.name), TEXT, true, (x1 - x0) / 2);
    sheet.text(&name, (x0, height), TEXT, color, true, Anchor::Left);
    sheet.text(&lost, (x1, height), NOTE, INK, false, Anchor::Right);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::manifest::{Manifest, TOOL};
    use crate::report::results::Runs;

    /// Hundred tasks, of which some are missing at the times of the samples, every ten seconds from 0 on.
    fn results(missing: &[(&str, &[f64])]) -> Results {
        let manifest = Manifest {
            tool: TOOL.into(),
            command: String::new(),
            name: "outage".into(),
            title: String::new(),
            description: String::new(),
            file: String::new(),
            hash: String::new(),
            seed: "1".into(),
            replications: 1,
            duration_s: 200.0,
            warm_up_s: 0.0,
            profile: None,
            runs: Vec::new(),
            strategies: missing.iter().map(|(name, _)| name.to_string()).collect(),
            first_replication_only: Vec::new(),
            expect: Vec::new(),
        };
        let mut series = Vec::new();
        for (name, missing) in missing {
            for (step, missing) in missing.iter().enumerate() {
                series.push(SeriesRow {
                    strategy: name.to_string(),
                    time_s: step as f64 * 10.0,
                    running: 100.0 - missing,
                    desired: 100.0,
                    // One node is down anyway, and four from 40 s to 100 s.
                    nodes_down: if (4..10).contains(&step) { 5.0 } else { 1.0 },
                    ..SeriesRow::default()
                });
            }
        }
        Results {
            manifest,
            runs: Runs::default(),
            summary: Vec::new(),
            paired: Vec::new(),
            pairs: Vec::new(),
            series,
            tasks: Vec::new(),
            nodes: Vec::new(),
            services: Vec::new(),
            classes: Vec::new(),
            jobs: Vec::new(),
            marks: Vec::new(),
        }
    }

    #[test]
    fn the_largest_failure_is_told_from_its_last_sample_before_to_the_recovery() {
        let slow = [0.0, 0.0, 0.0, 2.0, 42.0, 42.0, 42.0, 42.0, 42.0, 22.0, 3.0, 2.0, 2.0, 2.0, 2.0, 2.0];
        let quick = [0.0, 0.0, 0.0, 2.0, 42.0, 42.0, 6.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0];
        let results = results(&[("slow", &slow), ("quick", &quick)]);
        let (failure, stories) = stories(&results).expect("nodes fail together");
        assert_eq!((failure.at, failure.nodes, failure.back), (30.0, 4.0, Some(100.0)));
        let told: Vec<(&str, Option<f64>, f64)> =
            stories.iter().map(|story| (story.name, story.recovered, story.lost)).collect();
        // Two are missing before: 40 more for a while. Nine tenths are back when 4 or fewer are missing.
        assert_eq!(told, [("quick", Some(30.0), 840.0), ("slow", Some(70.0), 2210.0)]);
        assert!(
            title(&failure, &stories).starts_with("4 nodes fail at once: quick has the tasks back after 30 s, slow")
        );
        assert!(is_worth_it(&results));
    }

    #[test]
    fn nothing_is_told_where_all_do_the_same_or_nodes_fail_one_by_one() {
        let quick = [0.0, 0.0, 0.0, 0.0, 40.0, 40.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert!(!is_worth_it(&results(&[("one", &quick), ("other", &quick)])));
        let mut single = results(&[("one", &quick), ("other", &[0.0; 12])]);
        single.series.iter_mut().for_each(|row| row.nodes_down = (row.nodes_down / 4.0).floor());
        assert!(!is_worth_it(&single));
    }
}
