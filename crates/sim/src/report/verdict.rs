//! The answer first: under each strategy, whether what the scenario does to the cluster is safe, which services suffer by how
//! much, what waited and why, and how updates ended. Sentences from the tables, for terminals and pages.

use std::collections::{BTreeMap, BTreeSet};

use super::results::{OfRun, Results};
use super::text::{self, span};
use crate::metrics::{PendingRow, ServiceRow, UpdateRow};
use crate::stats;

/// So many services, reasons and updates are told one by one.
const TOLD: usize = 4;

/// What the runs of one strategy come to.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// The strategy.
    pub strategy: String,
    /// Runs of it, and those of them in which nothing went wrong.
    pub runs: usize,
    /// See there.
    pub safe: usize,
    /// Whether it is safe, and in how many of the runs.
    pub head: String,
    /// What went wrong, most important first.
    pub lines: Vec<String>,
}

/// A service that is down or short for less than this is not said to be: that a task ended is known a little later.
const MOMENT_S: f64 = 0.5;

/// What is missing for less than this at the end is about to be replaced: a failover of Swarm takes half a minute.
const FAILOVER_S: f64 = 60.0;

/// An answer for each strategy. A run is safe if every service kept enough of the tasks that it had (its quorum, or half of
/// them), has all that it wants at the end, nothing waits for a node then, and every update was completed.
pub fn answers(results: &Results) -> Vec<Answer> {
    results.manifest.strategies.iter().filter_map(|strategy| answer(results, strategy)).collect()
}

/// The rows of a strategy's runs.
fn of<'a, T>(runs: &'a [OfRun<T>], strategy: &str) -> BTreeMap<u32, &'a [T]> {
    let runs = runs.iter().filter(|run| run.strategy == strategy);
    runs.map(|run| (run.replication, run.items.as_slice())).collect()
}

fn answer(results: &Results, strategy: &str) -> Option<Answer> {
    let services = of(&results.services, strategy);
    let (pending, updates) = (of(&results.pending, strategy), of(&results.updates, strategy));
    // Of very long results only the first run of a strategy is kept.
    let all = results.runs.rows.iter().filter(|run| run.strategy == strategy).count();
    let runs: Vec<u32> = services.keys().copied().collect();
    if runs.is_empty() || services.values().all(|rows| rows.is_empty()) {
        return None;
    }
    let broken: BTreeSet<u32> = of(&results.marks, strategy)
        .into_iter()
        .filter(|(_, marks)| marks.iter().any(|mark| mark.kind == "error"))
        .map(|(run, _)| run)
        .collect();
    let mut troubled: BTreeSet<u32> = broken.clone();
    let (mut lines, mut troubles) = (Vec::new(), Vec::new());
    if !broken.is_empty() {
        lines.push(format!("{} aborted.", in_runs(broken.len(), runs.len(), "was", "were")));
    }
    for (what, tell) in [
        ("services had too few running tasks", &hurt as Tell),
        ("services have too few tasks at the end", &missing),
        ("tasks wait for a node at the end", &|all, lines| waiting(all, &pending, lines)),
        ("updates were not completed", &|all, lines| ended(all, &updates, lines)),
    ] {
        let more = tell(&services, &mut lines);
        if !more.is_empty() {
            troubles.push(what);
        }
        troubled.extend(more);
    }
    failures(results, strategy, &mut lines);
    let (count, safe) = (runs.len(), runs.len() - troubled.len());
    let head = match (safe, count) {
        (0, 1) => format!("Not safe in this run: {}.", troubles.join(", ")),
        (1, 1) => "Safe in this run; one run says nothing about chance.".to_owned(),
        (0, count) => format!("Not safe in any of {count} runs: {}.", troubles.join(", ")),
        (safe, count) if safe == count => {
            let least = stats::least_share(count as u64, safe as u64);
            format!("Safe in all {count} runs (so in at least {} % of all, with 95 % confidence).", percent(least))
        }
        (safe, count) => format!("Not safe in {} of {count} runs: {}.", count - safe, troubles.join(", ")),
    };
    let head = if all > count { format!("{head} (Of {all} runs only the first is kept in full.)") } else { head };
    if services.values().flat_map(|rows| rows.iter()).all(|row| row.wanted == 0 && row.time_to_running_max_s.is_none())
    {
        let head = "Nothing can be said: no service wanted a task on any node.".to_owned();
        return Some(Answer { strategy: strategy.into(), runs: count, safe: 0, head, lines: Vec::new() });
    }
    if lines.is_empty() {
        lines.push("No service lost a running task.".into());
    }
    Some(Answer { strategy: strategy.into(), runs: count, safe, head, lines })
}

/// Writes lines, and says in which runs something was wrong.
type Tell<'a> = &'a dyn Fn(&BTreeMap<u32, &[ServiceRow]>, &mut Vec<String>) -> BTreeSet<u32>;

/// Services that were short of tasks, those first that stood still, then by what they lost.
fn hurt(services: &BTreeMap<u32, &[ServiceRow]>, lines: &mut Vec<String>) -> BTreeSet<u32> {
    let mut troubled = BTreeSet::new();
    #[derive(Default)]
    struct Hurt<'a> {
        wanted: u64,
        still: Vec<f64>,
        below: Vec<f64>,
        lost: Vec<&'a ServiceRow>,
    }
    let mut all: BTreeMap<&str, Hurt> = BTreeMap::new();
    for (run, rows) in services {
        for row in rows.iter().filter(|row| row.fell_s > MOMENT_S || row.down_s > MOMENT_S || row.short_s > MOMENT_S) {
            let hurt = all.entry(&row.service).or_default();
            hurt.wanted = hurt.wanted.max(row.wanted).max(row.fell_max);
            if row.down_s > MOMENT_S {
                hurt.still.push(row.down_s);
            }
            if row.short_s > row.down_s + MOMENT_S {
                hurt.below.push(row.short_s);
            }
            if row.down_s > MOMENT_S || row.short_s > MOMENT_S {
                troubled.insert(*run);
            }
            hurt.lost.push(row);
        }
    }
    let lost = |hurt: &Hurt| hurt.lost.iter().map(|row| row.fell_s).sum::<f64>();
    let mut all: Vec<(&str, Hurt)> = all.into_iter().collect();
    all.sort_by(|(_, one), (_, other)| {
        let key = |hurt: &Hurt| (hurt.still.len(), hurt.below.len(), lost(hurt));
        key(other).partial_cmp(&key(one)).unwrap_or(std::cmp::Ordering::Equal)
    });
    let runs = services.len();
    for (name, hurt) in all.iter().take(TOLD) {
        let missing = hurt.lost.iter().map(|row| row.fell_max).max().unwrap_or_default();
        let losses: Vec<f64> = hurt.lost.iter().map(|row| row.fell_s).collect();
        // Of a single replica that is said already.
        let lost = match hurt.wanted {
            1 if !hurt.still.is_empty() => String::new(),
            _ => format!("; {} replica-seconds lost", range(&losses, rounded)),
        };
        lines.push(if !hurt.still.is_empty() {
            let (span, often) = (range(&hurt.still, span), often(hurt.still.len(), runs));
            format!("{name} had no running task for {span} {often}{lost}.")
        } else if !hurt.below.is_empty() {
            let (span, often) = (range(&hurt.below, span), often(hurt.below.len(), runs));
            let wanted = hurt.wanted;
            format!("{name} was below half of its {wanted}, or its quorum, for {span} {often}{lost}.")
        } else {
            let often = often(hurt.lost.len(), runs);
            let missing = if missing == 0 { "some".into() } else { format!("up to {missing}") };
            format!("{name} missed {missing} of {} {often}{lost}.", hurt.wanted)
        });
    }
    if all.len() > TOLD {
        let rest = all.len() - TOLD;
        lines.push(format!(
            "{} more {} short of tasks.",
            rest,
            if rest == 1 { "service was" } else { "services were" }
        ));
    }
    troubled
}

/// Services that have fewer running tasks at the end than they want.
fn missing(services: &BTreeMap<u32, &[ServiceRow]>, lines: &mut Vec<String>) -> BTreeSet<u32> {
    let mut troubled = BTreeSet::new();
    let mut all: BTreeMap<&str, (u64, Vec<f64>)> = BTreeMap::new();
    for (run, rows) in services {
        for row in rows.iter().filter(|row| row.running_final < row.wanted && row.incomplete_s > FAILOVER_S) {
            let (wanted, has) = all.entry(&row.service).or_default();
            *wanted = (*wanted).max(row.wanted);
            has.push(row.running_final as f64);
            troubled.insert(*run);
        }
    }
    let mut all: Vec<(&str, (u64, Vec<f64>))> = all.into_iter().collect();
    all.sort_by_key(|(_, (wanted, has))| std::cmp::Reverse((has.len(), *wanted)));
    for (name, (wanted, has)) in all.iter().take(TOLD) {
        let (runs, often) = (range(has, text::short), often(has.len(), services.len()));
        lines.push(format!("{name} has {runs} of the {wanted} tasks that it wants at the end {often}."));
    }
    if all.len() > TOLD {
        let rest = all.len() - TOLD;
        lines.push(format!(
            "{rest} more {} too few at the end.",
            if rest == 1 { "service has" } else { "services have" }
        ));
    }
    troubled
}

/// Tasks that failed or were refused by their node, and what was said.
fn failures(results: &Results, strategy: &str, lines: &mut Vec<String>) {
    let mut all: BTreeMap<(&str, &str), (u64, BTreeSet<u32>)> = BTreeMap::new();
    let tasks = of(&results.tasks, strategy);
    for (run, rows) in &tasks {
        for row in rows.iter().filter(|row| !row.error.is_empty()) {
            // Who was lost with its machine is told by what the service lost.
            if row.error.ends_with("non-zero exit (255)") {
                continue;
            }
            if ![sched::TaskState::Failed, sched::TaskState::Rejected].contains(&row.state) {
                continue;
            }
            let (count, runs) = all.entry((&row.service, &row.error)).or_default();
            *count += 1;
            runs.insert(*run);
        }
    }
    let tasks_in = tasks.len();
    let is_cut = results.manifest.first_replication_only.iter().any(|name| name == "tasks.csv");
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    for ((service, error), (count, in_runs)) in all.into_iter().take(TOLD - 1) {
        let mean = count as f64 / in_runs.len().max(1) as f64;
        let tasks = if mean == 1.0 { "1 task".to_owned() } else { format!("about {} tasks", rounded(mean.round())) };
        let often = if is_cut { "in replication 1".into() } else { often(in_runs.len(), tasks_in) };
        lines.push(format!("{tasks} of {service} failed {often}: \"{error}\"."));
    }
}

/// What waited for a node, and why: first what waits at the end.
fn waiting(
    services: &BTreeMap<u32, &[ServiceRow]>,
    pending: &BTreeMap<u32, &[PendingRow]>,
    lines: &mut Vec<String>,
) -> BTreeSet<u32> {
    let mut troubled = BTreeSet::new();
    #[derive(Default)]
    struct Waited<'a> {
        open: Vec<u64>,
        most: u64,
        longest: Vec<f64>,
        seconds: f64,
        reason: &'a str,
        worst: f64,
        remedy: &'a str,
    }
    let mut all: BTreeMap<&str, Waited> = BTreeMap::new();
    for (run, rows) in pending {
        let mut open: BTreeMap<&str, u64> = BTreeMap::new();
        let mut longest: BTreeMap<&str, f64> = BTreeMap::new();
        for row in *rows {
            let waited = all.entry(&row.service).or_default();
            waited.most = waited.most.max(row.tasks_max);
            waited.seconds += row.seconds;
            // The reason of what still waits counts more than any other.
            let weight = row.seconds + if row.open > 0 { 1e12 } else { 0.0 };
            if weight > waited.worst {
                (waited.worst, waited.reason) = (weight, &row.reason);
            }
            if waited.remedy.is_empty() {
                waited.remedy = &row.remedy;
            }
            *open.entry(&row.service).or_default() += row.open;
            let span = longest.entry(&row.service).or_default();
            *span = span.max(row.last_s - row.first_s);
        }
        for (service, count) in open.into_iter().filter(|(_, count)| *count > 0) {
            all.entry(service).or_default().open.push(count);
            troubled.insert(*run);
        }
        for (service, span) in longest {
            all.entry(service).or_default().longest.push(span);
        }
    }
    let runs = services.len();
    let mut all: Vec<(&str, Waited)> = all.into_iter().filter(|(_, waited)| waited.seconds > 0.0).collect();
    all.sort_by(|(_, one), (_, other)| {
        let key = |waited: &Waited| (waited.open.len(), waited.seconds);
        key(other).partial_cmp(&key(one)).unwrap_or(std::cmp::Ordering::Equal)
    });
    if all.iter().filter(|(_, waited)| !waited.open.is_empty()).count() > 1 {
        let open: Vec<f64> = pending
            .values()
            .map(|rows| rows.iter().map(|row| row.open).sum::<u64>() as f64)
            .filter(|open| *open > 0.0)
            .collect();
        let (count, often) = (range(&open, text::short), often(open.len(), runs));
        lines.push(format!("{count} tasks in all wait for a node at the end {often}."));
    }
    for (name, waited) in all.iter().take(TOLD) {
        let reason = waited.reason;
        if waited.open.is_empty() {
            let (span, often) = (range(&waited.longest, span), often(waited.longest.len(), runs));
            lines.push(format!("{} of {name} waited up to {span} for a node {often}: {reason}.", tasks(waited.most)));
        } else {
            let counts: Vec<f64> = waited.open.iter().map(|count| *count as f64).collect();
            let (count, often) = (range(&counts, text::short), often(waited.open.len(), runs));
            let noun = if count == "1" { "task" } else { "tasks" };
            let verb = if count == "1" { "waits" } else { "wait" };
            lines.push(format!("{count} {noun} of {name} {verb} for a node at the end {often}: {reason}."));
            if !waited.remedy.is_empty() {
                lines.push(format!("  It would help: {}.", waited.remedy));
            }
        }
    }
    if all.len() > TOLD {
        let rest = all.len() - TOLD;
        lines.push(format!("Tasks of {rest} more {} waited.", if rest == 1 { "service" } else { "services" }));
    }
    troubled
}

/// How the updates of services ended, if not all were completed or they took very different times.
fn ended(
    services: &BTreeMap<u32, &[ServiceRow]>,
    updates: &BTreeMap<u32, &[UpdateRow]>,
    lines: &mut Vec<String>,
) -> BTreeSet<u32> {
    let mut troubled = BTreeSet::new();
    let mut all: BTreeMap<&str, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    for (run, rows) in services {
        for row in rows.iter().filter(|row| row.updates > 0 && !row.update_state.is_empty()) {
            let spans = all.entry(&row.service).or_default().entry(&row.update_state).or_default();
            spans.extend(row.update_s);
            let steps = updates.get(run).map_or(&[][..], |rows| rows);
            let mut steps = steps.iter().filter(|step| step.service == row.service);
            let is_wish =
                row.update_state == "rollback_completed" && steps.any(|step| step.message.contains("manually"));
            if row.update_state != "completed" && !is_wish {
                troubled.insert(*run);
            }
        }
    }
    for (name, states) in all.iter().take(TOLD) {
        let runs: usize = states.values().map(Vec::len).sum();
        let words = |state: &str| match state {
            "completed" => "was completed after",
            "paused" => "was paused after",
            "updating" => "was not over at the end, after",
            "rollback_started" => "was being rolled back at the end, after",
            "rollback_paused" => "had its rollback paused after",
            _ => "was rolled back within",
        };
        let parts: Vec<String> = states
            .iter()
            .map(|(state, spans)| format!("{} {} {}", words(state), humps(spans), often(spans.len(), runs)))
            .collect();
        lines.push(format!("The update of {name} {}.", parts.join(", ")));
        let mut steps = updates.values().flat_map(|rows| rows.iter()).filter(|row| row.service == **name);
        let message = steps.rfind(|row| row.state.ends_with("paused") || row.state == "rollback_started");
        if let Some(row) = message {
            lines.push(format!("  Docker says: {}.", row.message));
        }
    }
    if all.len() > TOLD {
        lines.push(format!("{} more services were updated.", all.len() - TOLD));
    }
    troubled
}

fn tasks(count: u64) -> String {
    if count == 1 { "1 task".into() } else { format!("up to {count} tasks") }
}

/// `in all runs`, `in 3 of 10 runs`; nothing of a single run.
fn often(count: usize, runs: usize) -> String {
    match (count, runs) {
        (_, 1) => "in this run".into(),
        (count, runs) if count >= runs => format!("in all {runs} runs"),
        (count, runs) => format!("in {count} of {runs} runs"),
    }
}

fn in_runs(count: usize, runs: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 of {runs} runs {one}") } else { format!("{count} of {runs} runs {many}") }
}

/// The median, and the least and most if they differ from it.
fn range(values: &[f64], words: impl Fn(f64) -> String) -> String {
    let sorted = stats::sorted(values.iter().copied());
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return "nothing".into() };
    let middle = words(stats::quantile(&sorted, 0.5).unwrap_or(*first));
    let (low, high) = (words(*first), words(*last));
    if low == high { middle } else { format!("{middle} ({low} to {high})") }
}

/// The same, or both humps if there are two.
fn humps(spans: &[f64]) -> String {
    match stats::humps(&stats::sorted(spans.iter().copied())) {
        Some(humps) => {
            format!("{} ({} times) or {} ({} times)", span(humps.low.1), humps.low.0, span(humps.high.1), humps.high.0)
        }
        None => range(spans, span),
    }
}

/// Three digits.
fn rounded(value: f64) -> String {
    let step = 10f64.powf((value.abs().max(1e-9).log10().floor() - 2.0).min(0.0));
    text::short((value / step).round() * step)
}

fn percent(share: f64) -> String {
    text::short((share * 1000.0).floor() / 10.0)
}
