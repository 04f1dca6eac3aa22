//! How results are printed: a table for people, JSON and CSV for programs.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use serde_json::{Map, Value, json};

use super::Console;
use super::run::Done;
use crate::metrics::METRICS;
use crate::outside;
use crate::report::expect::Ruling;
use crate::report::manifest::TOOL;
use crate::report::results::Results;
use crate::report::{csv_files, headlines, text};

/// Version of the JSON document; it grows when a reader could break.
const SCHEMA_VERSION: u32 = 1;

/// Lines above, below and under the header only.
pub(super) const LINES: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// Widest table.
const WIDTH: u16 = 80;

/// Prints headline metrics by strategy, verdicts, and where the folder is.
pub(super) fn table(done: &Done, console: &mut Console) {
    let manifest = &done.results.manifest;
    let title =
        if manifest.title.is_empty() { String::new() } else { format!(": {}", outside::shown(&manifest.title)) };
    let name = console.paint(1, &outside::shown(&manifest.name));
    let replications = match manifest.partial() {
        Some(partial) => console.paint(33, &format!("partial: {partial}")),
        None => counted(manifest.replications as usize, "replication", "replications"),
    };
    console.say(&format!("{name}{title}\n{replications}, seed {}\n\n", outside::shown(&manifest.seed)));
    for line in answers(done) {
        console.say(&format!("{line}\n"));
    }
    if let Some(finding) = done.finding.as_deref() {
        text::wrapped(finding, 80).iter().for_each(|line| console.say(&format!("{line}\n")));
    }
    console.say("\n");

    let mut grid = Table::new();
    grid.load_style(LINES).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    let strategies = manifest.strategies.iter().map(|name| outside::shown(name));
    grid.set_header(["metric".to_string(), "unit".into()].into_iter().chain(strategies));
    let mut any_best = false;
    for metric in headlines(&done.results) {
        let unit = done.results.summary.iter().find(|row| row.metric == metric).map_or("", |row| row.unit.as_str());
        let best = best(&done.results, &metric);
        any_best |= best.is_some();
        let (unit_shown, cells) = text_cells(&done.results, &metric, unit, best);
        grid.add_row(
            [text::title(&metric, unit), unit_shown].map(|cell| outside::shown(&cell)).into_iter().chain(cells),
        );
    }
    for column in grid.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    console.say(&format!("{grid}\n"));
    let mut notes = Vec::new();
    match manifest.replications {
        1 => notes.push("one replication: no intervals, differences may be chance".to_string()),
        _ => notes.push("mean ± half the 95 % interval, or (interval)".into()),
    }
    if any_best {
        notes.push(format!(
            "* best, its difference to {} shown",
            if manifest.strategies.len() > 2 { "the others" } else { "the other" }
        ));
    }
    text::wrapped(&notes.join("; "), 80).iter().for_each(|line| console.say(&format!("{line}\n")));
    for line in verdicts(done, console.color) {
        console.say(&format!("{line}\n"));
    }
    if let Some(dir) = &done.dir {
        console.say(&format!("{}\n", outside::shown_path(&dir.join("README.md"))));
    }
    console.say("\n");
}

/// The answer of each strategy, in lines of 80 letters.
pub(super) fn answers(done: &Done) -> Vec<String> {
    let mut lines = Vec::new();
    for answer in &done.answers {
        let strategy = outside::shown(&answer.strategy);
        let head = if done.answers.len() == 1 { answer.head.clone() } else { format!("{strategy}: {}", answer.head) };
        lines.extend(text::wrapped(&head, 80));
        // Where strategies are many, their heads are enough; the page has the rest.
        if done.answers.len() <= SPELT_OUT {
            for line in &answer.lines {
                let (indent, line) = match line.strip_prefix("  ") {
                    Some(line) => ("    ", line),
                    None => ("  - ", line.as_str()),
                };
                lines.extend(text::wrapped(&format!("{indent}{}", outside::shown(line)), 80));
            }
        }
    }
    lines
}

/// Strategies of which all is said that went wrong.
const SPELT_OUT: usize = 3;

/// Lines that say which expectations held.
pub(super) fn verdicts(done: &Done, color: bool) -> Vec<String> {
    let line = |verdict: &crate::report::expect::Verdict| {
        let (sign, code) = match verdict.ruling {
            Ruling::Held => ("✓", 32),
            Ruling::Undecided => ("?", 33),
            Ruling::Missed => ("✗", 31),
        };
        let sign = if color { format!("\u{1b}[{code}m{sign}\u{1b}[0m") } else { sign.into() };
        let (text, strategy) = (outside::shown(&verdict.text), outside::shown(&verdict.strategy));
        format!("{sign} {strategy}: {text} ({})", outside::shown(&verdict.why))
    };
    done.verdicts.iter().map(line).collect()
}

/// One document about all scenarios.
pub(super) fn json(all: &[Done]) -> String {
    let scenarios: Vec<Value> = all.iter().map(scenario).collect();
    outside::json(&json!({ "schema_version": SCHEMA_VERSION, "tool": TOOL, "scenarios": scenarios }))
}

/// The summaries of all scenarios in one table.
pub(super) fn csv(all: &[Done]) -> String {
    csv_files::summaries(all.iter().map(|done| &done.results))
}

/// `1 run`, `2 runs`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", text::short(count as f64), if count == 1 { one } else { many })
}

/// The strategy with the best mean, if its difference to the baseline is shown, or, if it is the baseline, the difference of
/// every other one to it.
fn best(results: &Results, metric: &str) -> Option<usize> {
    let smaller = METRICS.iter().find(|entry| entry.name == metric)?.smaller_is_better?;
    let strategies = &results.manifest.strategies;
    let mean = |strategy: &String| results.summary_of(metric, strategy)?.summary.mean;
    let means: Option<Vec<f64>> = strategies.iter().map(mean).collect();
    let means = means.filter(|means| means.len() > 1)?;
    let sign = if smaller { 1.0 } else { -1.0 };
    let best = (0..means.len()).min_by(|&a, &b| (sign * means[a]).total_cmp(&(sign * means[b])))?;
    // Comparisons are with the baseline; among three or more, a winner that is not the baseline must also be clear of the
    // others' intervals.
    let shown = |strategy: &String| results.paired_of(metric, strategy).is_some_and(|row| row.shows_difference());
    let clear = |other: usize| {
        let interval = |at: usize| {
            let summary = results.summary_of(metric, &strategies[at])?.summary;
            summary.ci_low.zip(summary.ci_high)
        };
        interval(best).zip(interval(other)).is_some_and(|(ours, its)| ours.1 < its.0 || its.1 < ours.0)
    };
    let is_best = (0..strategies.len()).filter(|other| *other != best).all(|other| match (best, other) {
        (0, other) => shown(&strategies[other]),
        (best, 0) => shown(&strategies[best]),
        (_, other) => clear(other),
    });
    is_best.then_some(best)
}

fn text_cells(results: &Results, metric: &str, unit: &str, best: Option<usize>) -> (String, Vec<String>) {
    let strategies = &results.manifest.strategies;
    let means = strategies.iter().filter_map(|name| results.summary_of(metric, name)?.summary.mean);
    let (factor, unit_shown) = text::scale(unit, means.fold(0.0, f64::max));
    let cell = |(at, name): (usize, &String)| {
        let row = results.summary_of(metric, name)?;
        let mut cell = text::summary(&row.summary, factor)?;
        if row.summary.n < u64::from(results.manifest.replications) {
            cell.push_str(&format!(" (n={})", row.summary.n));
        }
        if best == Some(at) {
            cell.insert_str(0, "* ");
        }
        Some(cell)
    };
    let cells = strategies.iter().enumerate().map(|strategy| cell(strategy).unwrap_or("n/a".into())).collect();
    (unit_shown, cells)
}

fn scenario(done: &Done) -> Value {
    let Results { manifest, summary, paired, .. } = &done.results;
    let mut metrics: Map<String, Value> = Map::new();
    for row in summary {
        let summary = &row.summary;
        let numbers = json!({
            "n": summary.n, "mean": summary.mean, "sd": summary.sd, "ci_low": summary.ci_low, "ci_high": summary.ci_high,
            "ci_kind": summary.ci_kind.map(|kind| kind.to_string()),
            "min": summary.min, "median": summary.median, "max": summary.max,
        });
        let metric = metrics
            .entry(row.metric.clone())
            .or_insert_with(|| json!({ "unit": row.unit, "strategies": Value::Object(Map::new()) }));
        metric["strategies"][&row.strategy] = numbers;
    }
    let paired: Vec<Value> = paired
        .iter()
        .map(|row| {
            json!({
                "metric": row.metric, "baseline": row.baseline, "strategy": row.strategy, "n": row.paired.n,
                "difference": row.paired.difference, "ci_low": row.paired.ci.0, "ci_high": row.paired.ci.1,
                "p_holm": row.p_holm, "difference_shown": row.shows_difference(),
            })
        })
        .collect();
    let verdicts: Vec<Value> = done
        .verdicts
        .iter()
        .map(|verdict| {
            json!({
                "expectation": verdict.text, "strategy": verdict.strategy, "metric": verdict.metric,
                "statistic": verdict.what, "value": verdict.value,
                "mean": verdict.value.filter(|_| verdict.what == "mean"),

                "held": verdict.held(), "ruling": verdict.ruling.to_string(), "why": verdict.why,
            })
        })
        .collect();
    json!({
        "name": manifest.name,
        "title": manifest.title,
        "file": manifest.file,
        "hash": manifest.hash,
        "seed": manifest.seed,
        "replications": manifest.replications,
        "partial_of": manifest.partial_of,
        "strategies": manifest.strategies,
        "folder": done.dir.as_ref().map(|dir| dir.display().to_string()),
        "metrics": metrics,
        "paired": paired,
        "expectations": verdicts,
        "finding": done.finding,
        "answers": done.answers.iter().map(|answer| json!({
            "strategy": answer.strategy, "runs": answer.runs, "safe": answer.safe, "head": answer.head, "lines": answer.lines,
        })).collect::<Vec<_>>(),
        "broken_runs": done.broken,
        "held": done.end() == super::End::Held,
    })
}
