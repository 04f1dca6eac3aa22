//! The largest failure of several nodes at once, with all strategies side by side.

use super::axis::Axis;
use super::colors::{GREY, INK, Look, look};
use super::sheet::{Anchor, NOTE, Panel, Rect, Sheet, TEXT, fitted};
use super::{crisp, footer, numbered};
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
    /// What is missing in each interval.
    steps: Vec<Step>,
    /// Replica-seconds from the failure to the end of the picture.
    lost: f64,
    /// When it has recovered, if it does.
    recovered: Option<f64>,
}

/// An interval, in seconds from the failure, and the tasks that are missing in it beyond those that were missing before.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Step {
    from: f64,
    until: f64,
    missing: f64,
}

/// The failure: the begin of the interval in which it comes, the nodes that it takes, and when these are back.
struct Failure {
    at: f64,
    nodes: f64,
    back: Option<f64>,
}

/// Whether nodes fail together and strategies differ in what they do about it.
pub fn is_worth_it(results: &Results) -> bool {
    let Some((_, stories)) = stories(results) else { return false };
    stories.len() > 1 && stories.iter().any(|story| story.steps != stories[0].steps)
}

fn rows<'a>(results: &'a Results, strategy: &str) -> Vec<&'a SeriesRow> {
    results.series.iter().filter(|row| row.strategy == strategy).collect()
}

/// A failure within an interval shows in it and in the next one: nodes that are down are its mean over time.
fn failure(results: &Results) -> Option<Failure> {
    let rows = rows(results, results.manifest.strategies.first()?);
    let down = |row: &SeriesRow| row.nodes_down.mean;
    let jump = |three: &[&SeriesRow]| down(three[2]) - down(three[0]);
    let mut worst = rows.windows(3).next()?;
    for three in rows.windows(3) {
        if jump(worst) < jump(three) {
            worst = three;
        }
    }
    let (nodes, half) = (jump(worst), down(worst[0]) + jump(worst) / 2.0);
    let at = if down(worst[0]) < down(worst[1]) { worst[1].time_s } else { worst[2].time_s };
    let back = rows.iter().find(|row| worst[2].time_s < row.time_s && down(row) < half).map(|row| row.time_s);
    (NODES <= nodes).then_some(Failure { at, nodes, back })
}

fn stories(results: &Results) -> Option<(Failure, Vec<Story<'_>>)> {
    let failure = failure(results)?;
    let mut stories: Vec<Story> = Vec::new();
    for (index, name) in numbered(results).take(MOST) {
        let rows = rows(results, name);
        let missing = |row: &SeriesRow| (row.desired.mean - row.running.mean).max(0.0);
        let before = rows.iter().rfind(|row| row.until_s <= failure.at).map(|row| missing(row))?;
        let step = |row: &&SeriesRow| Step {
            from: row.time_s - failure.at,
            until: row.until_s - failure.at,
            missing: (missing(row) - before).max(0.0),
        };
        stories.push(Story { index, name, steps: rows.iter().map(step).collect(), lost: 0.0, recovered: None });
    }
    for story in &mut stories {
        let after = || story.steps.iter().filter(|step| step.from >= 0.0);
        // Until the nodes are back: what comes then is another matter.
        let until = failure.back.map_or(f64::INFINITY, |back| back - failure.at);
        let most = after().filter(|step| step.from < until).map(|step| step.missing).fold(0.0, f64::max);
        let peak = after().find(|step| step.missing == most).map_or(0.0, |step| step.from);
        let is_back = |step: &&Step| peak < step.from && RECOVERED * most <= most - step.missing;
        story.recovered = after().find(is_back).map(|step| step.from);
    }
    let slowest = stories.iter().filter_map(|story| story.recovered).fold(0.0, f64::max);
    let rest = results.manifest.duration_s - failure.at;
    let back = failure.back.map_or(rest, |back| back - failure.at);
    // What follows long after everybody has recovered would only make the rest small.
    let all_recover = stories.iter().all(|story| story.recovered.is_some());
    let end = if all_recover { slowest.max(back.min(4.0 * slowest)) } else { back };
    let end = (1.15 * end).min(rest);
    for story in &mut stories {
        story.steps.retain(|step| -LEAD * end <= step.from && step.until <= end);
        let after = story.steps.iter().filter(|step| step.from >= 0.0);
        story.lost = after.map(|step| step.missing * (step.until - step.from)).sum();
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
    let columns = sheet.columns(columns);
    let rows = (stories.len() as i32 + columns - 1) / columns;
    let end = stories.iter().filter_map(|story| story.steps.last()).map(|step| step.until).fold(1.0, f64::max);
    let most = stories.iter().flat_map(|story| &story.steps).map(|step| step.missing).fold(1.0, f64::max);
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
    let steps = story.steps.iter().flat_map(|step| [(step.from, step.missing), (step.until, step.missing)]);
    let line: Vec<(f64, f64)> = steps.collect();
    let band: Vec<(f64, f64, f64)> = line.iter().map(|(time, missing)| (*time, 0.0, *missing)).collect();
    panel.band(sheet, &band, color);
    sheet.about(story.name);
    panel.line(sheet, &line, Look { color, dashes: &[] }, 9);
    if let Some(recovered) = story.recovered {
        sheet.line(&[(at(recovered), y0), (at(recovered), y1)], INK, 4, &[6, 14]);
    }
    let lost = format!("{} lost", text::short(story.lost));
    let all = match story.recovered {
        Some(recovered) => format!("{lost}, back after {} s", text::short(recovered.round())),
        None => format!("{lost}, not back"),
    };
    let height = y0 - 34;
    let name = outside::shown(story.name);
    let wide = |words: &str| crisp::text_width(words, f64::from(NOTE), false) + 30;
    let room = x1 - x0 - crisp::text_width(&name, f64::from(TEXT), true);
    let lost = if wide(&all) <= room { all } else { lost };
    let name = fitted(&name, TEXT, true, x1 - x0 - wide(&lost));
    sheet.text(&name, (x0, height), TEXT, color, true, Anchor::Left);
    sheet.text(&lost, (x1, height), NOTE, INK, false, Anchor::Right);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Band;
    use crate::report::manifest::{Manifest, TOOL};
    use crate::report::results::Runs;

    fn mean(mean: f64) -> Band {
        Band { mean, ..Band::default() }
    }

    /// Hundred tasks, of which some are missing in the mean of each interval, every ten seconds from 0 on.
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
            partial_of: None,
            duration_s: 200.0,
            warm_up_s: 0.0,
            profile: None,
            runs: Vec::new(),
            strategies: missing.iter().map(|(name, _)| name.to_string()).collect(),
            set: Vec::new(),
            first_replication_only: Vec::new(),
            expect: Vec::new(),
        };
        let mut series = Vec::new();
        for (name, missing) in missing {
            for (step, missing) in missing.iter().enumerate() {
                series.push(SeriesRow {
                    strategy: name.to_string(),
                    time_s: step as f64 * 10.0,
                    until_s: step as f64 * 10.0 + 10.0,
                    running: mean(100.0 - missing),
                    desired: mean(100.0),
                    // One node is down anyway, and four from 40 s to 100 s.
                    nodes_down: mean(if (4..10).contains(&step) { 5.0 } else { 1.0 }),
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
            updates: Vec::new(),
            pending: Vec::new(),
            orders: Vec::new(),
        }
    }

    #[test]
    fn the_largest_failure_is_told_from_its_begin_to_the_recovery() {
        let slow = [0.0, 0.0, 0.0, 2.0, 42.0, 42.0, 42.0, 42.0, 42.0, 22.0, 3.0, 2.0, 2.0, 2.0, 2.0, 2.0];
        let quick = [0.0, 0.0, 0.0, 2.0, 42.0, 42.0, 6.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0];
        let results = results(&[("slow", &slow), ("quick", &quick)]);
        let (failure, stories) = stories(&results).expect("nodes fail together");
        assert_eq!((failure.at, failure.nodes, failure.back), (40.0, 4.0, Some(100.0)));
        let told: Vec<(&str, Option<f64>, f64)> =
            stories.iter().map(|story| (story.name, story.recovered, story.lost)).collect();
        // Two are missing before: 40 more for a while. Nine tenths are back when 4 or fewer are missing.
        assert_eq!(told, [("quick", Some(20.0), 840.0), ("slow", Some(60.0), 2200.0)]);
        assert!(
            title(&failure, &stories).starts_with("4 nodes fail at once: quick has the tasks back after 20 s, slow")
        );
        assert!(is_worth_it(&results));
    }

    #[test]
    fn nothing_is_told_where_all_do_the_same_or_nodes_fail_one_by_one() {
        let quick = [0.0, 0.0, 0.0, 0.0, 40.0, 40.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert!(!is_worth_it(&results(&[("one", &quick), ("other", &quick)])));
        let mut single = results(&[("one", &quick), ("other", &[0.0; 12])]);
        single.series.iter_mut().for_each(|row| row.nodes_down.mean = (row.nodes_down.mean / 4.0).floor());
        assert!(!is_worth_it(&single));
    }
}
