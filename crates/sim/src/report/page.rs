//! `README.md` of a result folder: what was asked, what came out, how sure it is, and what it does not say.

use std::fmt::Write as _;

use super::expect::{Ruling, Verdict, verdicts};
use super::plot::{Kind, Picture};
use super::results::{PairedRow, ROW_LIMIT, Results};
use super::{compare, headlines, text, verdict};
use crate::metrics::Metric;
use crate::outside;

/// What each file is, in the order of the list at the end.
const FILES: &[(&str, &str)] = &[
    ("runs.csv", "one row per run, one column per metric"),
    (
        "summary.csv",
        "every metric by strategy: n, mean, standard deviation, 95 % intervals, smallest, median, largest, two humps",
    ),
    ("paired.csv", "every metric of every strategy against the baseline, replication by replication"),
    ("pairs.csv", "every headline metric of every pair of strategies, and what it shows"),
    (
        "series.csv",
        "over time, interval by interval: mean, least and most of every count, bytes that the registry sent",
    ),
    ("tasks.csv", "every task with the times of its life"),
    ("nodes.csv", "every node at the end"),
    ("services.csv", "what each service lost, and what was done about that"),
    ("classes.csv", "what is counted of each class of arrivals"),
    ("jobs.csv", "every arrival with the times of its life"),
    ("racks.csv", "what each rack has at the end"),
    ("updates.csv", "every step of every rolling update, in Docker's words"),
    ("pending.csv", "why tasks of each service waited for a node, how many and how long"),
    ("orders.csv", "every order, and what came of it"),
    ("marks.csv", "what happened to the cluster"),
    (
        "report.html",
        "this page, with services, nodes and pictures that tell their values: one file that needs no other",
    ),
    ("manifest.toml", "where all this came from"),
];

/// A part of the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The title, and what came out.
    Verdict,
    /// The prose of the scenario, and where the numbers come from.
    Story,
    /// A section with a heading of its own.
    Section,
    /// What differs from the baseline, metric by metric.
    Comparison,
    /// What the metrics mean.
    Definitions,
    /// What the numbers do not show.
    Limits,
}

/// The page. `metrics` knows the definitions; `pictures` were drawn, as files of some `kinds`.
pub fn page(results: &Results, metrics: &[Metric], pictures: &[&Picture], kinds: &[Kind]) -> String {
    let (before, after): (Vec<_>, Vec<_>) = parts(results, metrics).into_iter().partition(|part| is_before(part.0));
    let mut out: String = before.into_iter().map(|part| part.1).collect();
    let shown = kinds.iter().min();
    if let (false, Some(kind)) = (pictures.is_empty(), shown) {
        out.push_str("## Pictures\n\n");
        for picture in pictures {
            let caption = picture.caption;
            for file in picture.files(*kind).take(1) {
                // A page shows no PDF.
                let shows = if *kind == Kind::Pdf { "" } else { "!" };
                let _ = write!(out, "{shows}[{caption}]({file})\n\n");
            }
            if *kind != Kind::Pdf {
                let _ = write!(out, "{caption}\n\n");
            }
        }
    }
    out.extend(after.into_iter().map(|part| part.1));
    files(&mut out, results, pictures);
    out
}

/// Whether a part comes before the pictures.
fn is_before(part: Part) -> bool {
    !matches!(part, Part::Definitions | Part::Limits)
}

/// The parts of the page that are words and tables, in their order, as Markdown.
pub(super) fn parts(results: &Results, metrics: &[Metric]) -> Vec<(Part, String)> {
    let mut parts = Vec::new();
    let mut add = |part, write: &dyn Fn(&mut String)| {
        let mut text = String::new();
        write(&mut text);
        if !text.is_empty() {
            parts.push((part, text));
        }
    };
    add(Part::Verdict, &|out| head(out, results));
    add(Part::Story, &|out| story(out, results));
    add(Part::Section, &|out| expectations(out, results));
    add(Part::Section, &|out| ranking(out, results));
    add(Part::Section, &|out| summary(out, results));
    add(Part::Comparison, &|out| comparison(out, results, metrics));
    add(Part::Definitions, &|out| definitions(out, results, metrics));
    add(Part::Limits, &|out| limits(out, results));
    parts
}

fn head(out: &mut String, results: &Results) {
    let manifest = &results.manifest;
    let title = if manifest.title.is_empty() { &manifest.name } else { &manifest.title };
    let _ = write!(out, "# {}\n\n", text::markdown(title));
    if let Some(partial) = manifest.partial() {
        let _ = write!(out, "**Partial: {partial}.** Somebody stopped it; what follows is about those.\n\n");
    }
    for idle in results.idle() {
        let (strategy, why) = (text::markdown(&idle.strategy), text::markdown(&idle.why));
        let _ = write!(out, "**Nothing ever ran under {strategy}:** {why}.\n\n");
    }
    answers(out, results);
    if let Some(finding) = compare::finding(results, |strategy| format!("**{}**", text::markdown(strategy))) {
        let _ = write!(out, "{finding}\n\n");
    }
}

fn story(out: &mut String, results: &Results) {
    let manifest = &results.manifest;
    let description = manifest.description.trim();
    if !description.is_empty() {
        // Prose is Markdown by its author's wish; only markup that a browser would run is taken out.
        let lines: Vec<String> = description.lines().map(outside::shown).collect();
        let _ = write!(out, "{}\n\n", lines.join("\n").replace('<', "&lt;"));
    }
    let _ = write!(out, "```sh\n{}\n```\n\n", outside::shown(&manifest.command).replace("```", ""));
    let names: Vec<String> = manifest.strategies.iter().map(|name| text::markdown(name)).collect();
    let _ = write!(
        out,
        "{} of {} simulated seconds with each of {} (the first is the baseline); seed {}; {}; scenario `{}` ({}).\n\n",
        counted(manifest.replications.into(), "replication"),
        text::short(manifest.duration_s),
        names.join(", "),
        text::markdown(&manifest.seed),
        text::markdown(&manifest.tool),
        outside::shown(&manifest.file).replace('`', ""),
        text::markdown(&manifest.hash),
    );
}

/// Whether it is safe, under each strategy.
fn answers(out: &mut String, results: &Results) {
    let answers = verdict::answers(results);
    for answer in &answers {
        let strategy = text::markdown(&answer.strategy);
        let head = text::markdown(&answer.head);
        let _ =
            write!(out, "**{}{head}**\n\n", if answers.len() == 1 { String::new() } else { format!("{strategy}: ") });
        for line in &answer.lines {
            let (indent, line) = match line.strip_prefix("  ") {
                Some(line) => ("  ", line),
                None => ("- ", line.as_str()),
            };
            let _ = writeln!(out, "{indent}{}", text::markdown(line));
        }
        out.push('\n');
    }
}

fn expectations(out: &mut String, results: &Results) {
    let manifest = &results.manifest;
    let verdicts = verdicts(&manifest.expect, &manifest.strategies, &results.runs);
    if verdicts.is_empty() {
        return;
    }
    let held = verdicts.iter().filter(|verdict| verdict.held()).count();
    let _ = write!(out, "## Expectations\n\n{held} of {} held.\n\n", verdicts.len());
    out.push_str("| | expectation | strategy | outcome |\n|---|---|---|---|\n");
    // What strategies hold has one line for all, if they are many or did the same.
    let are_many = SENTENCES + 1 < manifest.strategies.len();
    let go_together = |one: &Verdict, other: &Verdict| {
        one.text == other.text && one.held() && other.held() && (are_many || one.why == other.why)
    };
    for group in verdicts.chunk_by(go_together) {
        let first = &group[0];
        let sign = match first.ruling {
            Ruling::Held => "✓ held",
            Ruling::Undecided => "? **not decided**",
            Ruling::Missed => "✗ **not held**",
        };
        let means = crate::stats::sorted(group.iter().filter_map(|verdict| verdict.value));
        let (strategy, why) = match means[..] {
            [low, .., high] => {
                let names: Vec<&str> = group.iter().map(|verdict| verdict.strategy.as_str()).collect();
                let is_all = names.len() == manifest.strategies.len();
                let names = match names.len() {
                    2 if is_all => "both".to_string(),
                    count if is_all => format!("all {count} strategies"),
                    _ => names.join(", "),
                };
                let (low, high) = (text::short(low), text::short(high));
                let what = &first.what;
                let range = if low == high { format!("{what} {low}") } else { format!("{what}s {low} to {high}") };
                (names, format!("{range}, expected {}", first.bounds))
            }
            _ => (first.strategy.clone(), first.why.clone()),
        };
        let (expectation, strategy) = (text::markdown(&first.text), text::markdown(&strategy));
        let _ = writeln!(out, "| {sign} | {expectation} | {strategy} | {} |", text::markdown(&why));
    }
    out.push('\n');
}

/// Strategies that get a line for each of their differences from the baseline; more get a table.
const SENTENCES: usize = 3;

fn ranking(out: &mut String, results: &Results) {
    let ranking = compare::ranking(results);
    if ranking.is_empty() {
        return;
    }
    out.push_str(
        "## Ranking\n\nBy replica-seconds lost, for whatever reason. The places are those that are certain: who may be third \
         to fifth is worse than two and better than the rest, by paired t tests of all strategies with all and Holm's \
         correction over all rows of [pairs.csv](pairs.csv), 95 % for all of them at once.\n\n\
         | place | strategy | replica-seconds lost |",
    );
    ranking.iter().for_each(|place| {
        let _ = write!(out, " than {} |", text::markdown(&place.strategy));
    });
    let _ = writeln!(out, "\n|---|---|--:|{}", "---|".repeat(ranking.len()));
    for place in &ranking {
        let (low, high) = place.places;
        let places = if low == high { low.to_string() } else { format!("{low} to {high}") };
        let lost = text::summary(&place.lost, 1.0).unwrap_or_default();
        let _ = write!(out, "| {places} | {} | {lost} |", text::markdown(&place.strategy));
        for other in &ranking {
            let word = results.shows(compare::LOST, &other.strategy, &place.strategy);
            let word = word.map_or_else(String::new, |word| word.to_string());
            let _ = write!(out, " {word} |");
        }
        out.push('\n');
    }
    out.push('\n');
}

fn summary(out: &mut String, results: &Results) {
    let manifest = &results.manifest;
    out.push_str("## Results\n\n");
    let kind = match manifest.replications {
        1 => "Values of one replication: there is no interval, so differences may be chance.",
        _ => {
            "Mean over replications ± half the width of its 95 % interval (Student's t); with both ends of the interval where \
             that would reach values that cannot be (BCa bootstrap, or cut off if there are too few replications); the means of \
             both where the replications fall into two heaps far apart."
        }
    };
    let _ = write!(out, "{kind} All metrics: [summary.csv](summary.csv).\n\n| metric | unit |");
    manifest.strategies.iter().for_each(|name| {
        let _ = write!(out, " {} |", text::markdown(name));
    });
    let _ = writeln!(out, "\n|---|---|{}", "--:|".repeat(manifest.strategies.len()));
    for metric in headlines(results) {
        let rows: Vec<_> = manifest.strategies.iter().map(|name| results.summary_of(&metric, name)).collect();
        let unit = rows.iter().flatten().next().map_or("", |row| row.unit.as_str());
        let largest = rows.iter().flatten().filter_map(|row| row.summary.mean).fold(0.0, f64::max);
        let (factor, unit_shown) = text::scale(unit, largest);
        let _ = write!(out, "| {} | {} |", text::markdown(&text::title(&metric, unit)), text::markdown(&unit_shown));
        for row in rows {
            let cell = row.and_then(|row| {
                let summary = &row.summary;
                let value = text::summary(summary, factor)?;
                let whole = summary.n >= u64::from(manifest.replications);
                Some(if whole { value } else { format!("{value} (n = {})", summary.n) })
            });
            let _ = write!(out, " {} |", cell.unwrap_or("n/a".into()));
        }
        out.push('\n');
    }
    out.push('\n');
}

fn comparison(out: &mut String, results: &Results, metrics: &[Metric]) {
    let manifest = &results.manifest;
    if manifest.strategies.len() < 2 {
        return;
    }
    out.push_str("## Comparison\n\n");
    if manifest.replications < 2 {
        out.push_str("One replication shows no difference: run more of them (`--replications 10`).\n\n");
        return;
    }
    out.push_str(
        "Strategies met the same worlds, so they are compared replication by replication (paired t test). A difference is \
         claimed only if its 95 % interval excludes none and Holm's correction over all rows of \
         [paired.csv](paired.csv) leaves p < 0.05.\n\n",
    );
    if manifest.strategies.len() > SENTENCES + 1 {
        table_of_differences(out, results, metrics);
        return;
    }
    let mut equal = Vec::new();
    for metric in headlines(results) {
        let rows: Vec<&PairedRow> =
            manifest.strategies[1..].iter().filter_map(|strategy| results.paired_of(&metric, strategy)).collect();
        let unit = rows.iter().find_map(|row| results.summary_of(&metric, &row.strategy)).map_or("", |row| &row.unit);
        if !rows.is_empty() && rows.iter().all(|row| row.paired.p.is_none()) {
            equal.push(text::markdown(&text::title(&metric, unit)));
            continue;
        }
        for row in rows {
            let _ = writeln!(out, "- {}", sentence(row, unit, metrics));
        }
    }
    if !equal.is_empty() {
        let _ = writeln!(out, "- Equal for all strategies in every replication: {}.", equal.join(", "));
    }
    out.push('\n');
}

/// What each strategy has more than the baseline, with its interval and the word for it.
fn table_of_differences(out: &mut String, results: &Results, metrics: &[Metric]) {
    let strategies = &results.manifest.strategies;
    let _ = write!(out, "Difference from {} with its interval.\n\n| metric | unit |", text::markdown(&strategies[0]));
    strategies[1..].iter().for_each(|strategy| {
        let _ = write!(out, " {} |", text::markdown(strategy));
    });
    let _ = writeln!(out, "\n|---|---|{}", "---|".repeat(strategies.len() - 1));
    for metric in headlines(results) {
        let rows: Vec<Option<&PairedRow>> =
            strategies[1..].iter().map(|name| results.paired_of(&metric, name)).collect();
        let unit = results.summary_of(&metric, &strategies[0]).map_or("", |row| &row.unit);
        let largest = rows.iter().flatten().map(|row| row.paired.difference.abs()).fold(0.0, f64::max);
        let (factor, unit_shown) = text::scale(unit, largest);
        let name = text::markdown(&text::title(&metric, unit));
        let _ = write!(out, "| {name} | {} |", text::markdown(&unit_shown));
        for row in rows {
            let cell = row.map_or("n/a".into(), |row| difference(row, factor, metrics));
            let _ = write!(out, " {cell} |");
        }
        out.push('\n');
    }
    out.push('\n');
}

/// A cell: the word, and the difference with its interval if there is one.
fn difference(row: &PairedRow, factor: f64, metrics: &[Metric]) -> String {
    if row.paired.p.is_none() {
        return "equal in every replication".into();
    }
    let half = (row.paired.ci.1 - row.paired.ci.0) / 2.0 / factor;
    let sign = if row.paired.difference > 0.0 { "+" } else { "" };
    let value = format!("{sign}{}", text::plus_minus(row.paired.difference / factor, Some(half)));
    if !row.shows_difference() {
        return format!("no difference shown: {value}");
    }
    match metrics.iter().find(|metric| metric.name == row.metric).and_then(|metric| metric.smaller_is_better) {
        Some(smaller) if smaller == (row.paired.difference < 0.0) => format!("better: {value}"),
        Some(_) => format!("worse: {value}"),
        None => value,
    }
}

/// What a comparison shows, in words.
pub fn sentence(row: &PairedRow, unit: &str, metrics: &[Metric]) -> String {
    let name = text::markdown(&text::title(&row.metric, unit));
    let (strategy, baseline) = (text::markdown(&row.strategy), text::markdown(&row.baseline));
    let (low, high) = row.paired.ci;
    let n = row.paired.n;
    if row.paired.p.is_none() {
        return format!("**{name}**: {strategy} equals {baseline} in every one of n = {n} replications.");
    }
    if !row.shows_difference() {
        return format!("**{name}**: no difference shown between {strategy} and {baseline} with n = {n}.");
    }
    let judgement =
        match metrics.iter().find(|metric| metric.name == row.metric).and_then(|metric| metric.smaller_is_better) {
            Some(smaller) if smaller == (row.paired.difference < 0.0) => " (better)",
            Some(_) => " (worse)",
            None => "",
        };
    // A ratio says more than a difference where its interval agrees, but of shares; for times in the words of times.
    if let Some((ratio, ratio_low, ratio_high)) =
        row.paired.ratio.filter(|ratio| unit != "1" && (1.0 < ratio.1 || ratio.2 < 1.0))
    {
        let range = if ratio_low == ratio_high {
            "in every replication".to_string()
        } else {
            format!("95 % CI {} to {}", times(ratio_low), times(ratio_high))
        };
        let ratio = times(ratio);
        return match unit {
            "s" if row.metric.ends_with("_s") => {
                format!("**{name}**: {strategy} needs {ratio}× ({range}) as long as {baseline}{judgement}, n = {n}.")
            }
            _ => format!("**{name}**: {strategy} has {ratio}× ({range}) the value of {baseline}{judgement}, n = {n}."),
        };
    }
    let (factor, unit) = text::scale(unit, row.paired.difference);
    let unit = text::markdown(&unit);
    let more = if row.paired.difference > 0.0 { "more" } else { "less" };
    let (low, high) = if low < 0.0 && high < 0.0 { (-high, -low) } else { (low, high) };
    let space = if unit.is_empty() { "" } else { " " };
    format!(
        "**{name}**: {strategy} has {}{space}{unit} (95 % CI {} to {}) {more} than {baseline}{judgement}, n = {n}.",
        text::short(row.paired.difference.abs() / factor),
        text::short(low / factor),
        text::short(high / factor),
    )
}

fn definitions(out: &mut String, results: &Results, metrics: &[Metric]) {
    let defined: Vec<&Metric> =
        headlines(results).iter().filter_map(|name| metrics.iter().find(|metric| metric.name == name)).collect();
    if defined.is_empty() {
        return;
    }
    out.push_str("## Definitions\n\n");
    for metric in defined {
        let unit = if metric.unit == "1" { String::new() } else { format!(" ({})", metric.unit) };
        let _ = writeln!(out, "- `{}`{unit}: {}", metric.name, metric.definition);
    }
    out.push_str("\n`simctl metrics` lists all.\n\n");
}

fn limits(out: &mut String, results: &Results) {
    out.push_str("## What these numbers do not show\n\n");
    match &results.manifest.profile {
        Some(profile) => {
            let _ = writeln!(
                out,
                "- The models of daemons, registry and network are calibrated on one real swarm, the profile `{profile}`, but for \
                 what the scenario says itself. On another cluster times are other ones."
            );
        }
        None => out.push_str(
            "- The models of daemons, registry and network are **not calibrated** against a real cluster. Compare strategies \
             with each other; do not read times as predictions.\n",
        ),
    }
    out.push_str(
        "- Intervals say how far chance moves the mean within this scenario. They say nothing about another scenario or \
         about errors of the models.\n\
         - Quantiles of a run are taken over its tasks and then averaged over replications.\n\
         - Tasks that had not run at the end have no time to running: curves stay below 100 %, and quantiles are over \
         those that ran.\n",
    );
    let warm_up = results.manifest.warm_up_s;
    if warm_up > 0.0 {
        let warm_up = text::short(warm_up);
        let _ = writeln!(
            out,
            "- Metrics and times to running count from {warm_up} s on; the other pictures show everything."
        );
    }
    let cut = &results.manifest.first_replication_only;
    if !cut.is_empty() {
        let names: Vec<String> = cut.iter().map(|name| format!("`{}`", outside::shown(name))).collect();
        let _ = writeln!(
            out,
            "- All replications together have more than {} rows, so {} and the pictures drawn from them hold replication \
             1 of each strategy only. The metrics are over all replications.",
            text::short(ROW_LIMIT as f64),
            names.join(", "),
        );
    }
    out.push('\n');
}

fn files(out: &mut String, results: &Results, pictures: &[&Picture]) {
    out.push_str("## Files\n\n");
    let is_there = |name: &str| match name {
        "paired.csv" => !results.paired.is_empty(),
        "pairs.csv" => !results.pairs.is_empty(),
        "classes.csv" => !results.classes.is_empty(),
        "jobs.csv" => !results.jobs.is_empty(),
        "racks.csv" => !results.racks().is_empty(),
        _ => true,
    };
    for (name, words) in FILES.iter().filter(|(name, _)| is_there(name)) {
        let _ = writeln!(out, "- [{name}]({name}): {words}");
    }
    if !pictures.is_empty() {
        out.push_str("- the pictures, drawn from these files: `simctl report` draws them again\n");
    }
}

/// A ratio with three significant digits.
fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio >= 100.0 => format!("{ratio:.0}"),
        ratio if ratio >= 10.0 => format!("{ratio:.1}"),
        ratio if ratio >= 0.1 => format!("{ratio:.2}"),
        ratio => text::short(ratio),
    }
}

fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{} {noun}s", text::short(count as f64)) }
}
