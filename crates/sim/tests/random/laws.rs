//! What holds for every run of every scenario.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Once};

use sched::TaskState;
use sim::experiment::{execute, plan};
use sim::metrics::{METRICS, Outcome};
use sim::order::Order;
use sim::report::csv_files;
use sim::report::expect::verdicts;
use sim::report::manifest::Manifest;
use sim::report::results::Results;
use sim::scenario::{Scenario, parse};

use super::driven;
use super::generator::Case;
use super::recount::recount;

/// A law that does not hold.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The law in words, the same for all faults of a kind but for numbers.
    pub law: String,
    pub detail: String,
}

impl Broken {
    /// The law without the numbers in it: whether two faults are alike.
    pub fn kind(&self) -> String {
        self.law.chars().filter(|char| !char.is_ascii_digit()).collect()
    }
}

pub type Held = Result<(), Broken>;

fn broken(law: impl Into<String>, detail: impl Into<String>) -> Held {
    Err(Broken { law: law.into(), detail: detail.into() })
}

pub fn holds(held: bool, law: &str, detail: impl FnOnce() -> String) -> Held {
    if held { Ok(()) } else { broken(law, detail()) }
}

/// What came of a case: its events, and the metrics that had something to count twice.
#[derive(Clone, Debug)]
pub struct Kept {
    pub events: f64,
    pub recounted: BTreeSet<&'static str>,
}

/// Checks all laws of a case. Everything that is written is in `folder`.
pub fn check(case: &Case, folder: &Path) -> Result<Kept, Broken> {
    let text = case.scenario.text();
    let path = folder.join("scenario.toml");
    fs::create_dir_all(folder).expect("the folder of the test can be made");
    // It is there if the run never ends.
    fs::write(&path, &text).expect("the folder of the test can be written");
    for (name, text) in &case.files {
        fs::write(folder.join(name), text).expect("the folder of the test can be written");
    }
    let scenario = match parse(&path, &text) {
        Ok(scenario) => scenario,
        Err(complaints) => {
            let complaints = complaints.to_string();
            let first = complaints.lines().next().unwrap_or_default();
            return Err(Broken { law: format!("the reader accepts it: {first}"), detail: complaints });
        }
    };
    let plan = plan(&scenario);
    let (outcomes, place) = quietly(|| execute(&scenario, &plan, 1, &|_| {}));
    for outcome in &outcomes {
        if let Some(reason) = &outcome.failed {
            broken(format!("no run breaks off: {reason}{place}"), "")?;
        }
        laws_of_run(&scenario, outcome)?;
    }
    let scenario = Arc::new(scenario);
    let chosen = &plan[text.len() % plan.len()];
    driven::check(&scenario, chosen, text.len() as u64)?;
    let events = outcomes.iter().map(|outcome| value(outcome, "events").unwrap_or(0.0)).sum();
    let again = execute(&scenario, &plan, 2, &|_| {});
    let manifest = Manifest::of(&scenario, text.as_bytes(), "simctl run".into());
    let results = laws_of_tables(&scenario, &manifest, outcomes, again, folder)?;
    let mut recounted = BTreeSet::new();
    recount(&scenario, &results, &mut recounted)?;
    Ok(Kept { events, recounted })
}

fn laws_of_tables(
    scenario: &Scenario,
    manifest: &Manifest,
    outcomes: Vec<Outcome>,
    again: Vec<Outcome>,
    folder: &Path,
) -> Result<Results, Broken> {
    let (one, two) = (folder.join("one"), folder.join("two"));
    let results = written(&one, manifest, outcomes)?;
    written(&two, manifest, again)?;
    let _ = verdicts(&manifest.expect, &scenario.strategies, &results.runs);
    same_bytes(&one, &two)?;
    let read = csv_files::read(&one)
        .map_err(|error| Broken { law: "tables can be read".into(), detail: error.to_string() })?;
    holds(read == results, "tables are read as they were written", String::new)?;
    Ok(read)
}

fn written(folder: &Path, manifest: &Manifest, outcomes: Vec<Outcome>) -> Result<Results, Broken> {
    let results = Results::of(manifest.clone(), METRICS, outcomes);
    fs::create_dir_all(folder).expect("the folder of the test can be made");
    csv_files::write(folder, &results)
        .map_err(|error| Broken { law: "tables can be written".into(), detail: error.to_string() })?;
    Ok(results)
}

fn same_bytes(one: &Path, two: &Path) -> Held {
    for entry in fs::read_dir(one).expect("it was written") {
        let name = entry.expect("it was written").file_name();
        let bytes = |folder: &Path| fs::read(folder.join(&name)).ok();
        let law = "two threads give the same bytes as one";
        holds(bytes(one) == bytes(two), law, || name.to_string_lossy().into())?;
    }
    Ok(())
}

thread_local! {
    /// Where the last panic of a quiet thread was; `None` is not quiet.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Does something of which panics are caught inside, and says where the last one was instead of printing it.
fn quietly<T>(run: impl FnOnce() -> T) -> (T, String) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let is_quiet = PANIC.with_borrow_mut(|place| {
                let is_quiet = place.is_some();
                if is_quiet {
                    *place = info.location().map(|location| format!(" at {location}"));
                }
                is_quiet
            });
            if !is_quiet {
                usual(info);
            }
        }));
    });
    PANIC.set(Some(String::new()));
    let done = run();
    (done, PANIC.take().unwrap_or_default())
}

fn value(outcome: &Outcome, name: &str) -> Option<f64> {
    let column = METRICS.iter().position(|metric| metric.name == name).unwrap_or_else(|| panic!("no metric {name}"));
    outcome.values[column]
}

/// Metrics with the unit 1 that are no shares: a node can lose its place among the active ones before its reservations.
const NO_SHARES: &[&str] =
    &["tasks_per_node_cv", "imbalance_mean", "cpu_reserved", "memory_reserved", "spare_cpu", "spare_memory"];
/// Each is at most the next, as far as they have values.
const ORDERED: &[&[&str]] = &[
    &["running_min", "running_final"],
    &["time_to_running_p50_s", "time_to_running_p99_s", "time_to_running_max_s"],
    &["time_to_running_mean_s", "time_to_running_max_s"],
    &["failover_p50_s", "failover_p99_s", "failover_max_s"],
    &["failover_mean_s", "failover_max_s"],
    &["failover_lost_detected_s", "failover_lost_s"],
    &["failover_bytes", "pulled_bytes"],
    &["spare_cpu", "cpu_reserved"],
    &["spare_memory", "memory_reserved"],
    &["pending_mean", "pending_max"],
    &["restarts", "tasks_created"],
    &["pull_p50_s", "pull_p99_s"],
    &["event_to_running_mean_s", "event_to_running_max_s"],
    &["jobs_waiting_mean", "jobs_present_mean"],
    &["tasks_per_node_max", "running_final"],
];

fn laws_of_run(scenario: &Scenario, outcome: &Outcome) -> Held {
    let of = |name: &str| value(outcome, name);
    let end = of("until_s").unwrap_or(scenario.duration.as_secs_f64());
    let counted = end - scenario.warm_up.as_secs_f64();
    // What is added up over the run in floats may miss by the last digits.
    let close = |end: f64| end * 1e-9 + 1e-6;
    holds(outcome.values.len() == METRICS.len(), "there is a value for each metric", String::new)?;
    for (metric, value) in METRICS.iter().zip(&outcome.values) {
        let Some(value) = *value else { continue };
        let detail = || format!("{value}");
        holds(value.is_finite(), &format!("{} is finite", metric.name), detail)?;
        if metric.name == "little_gap_s" {
            let present = of("jobs_present_mean").unwrap_or(0.0) * counted;
            holds(value.abs() <= close(present + end), "Little's law holds", detail)?;
            continue;
        }
        holds(0.0 <= value, &format!("{} is not negative", metric.name), detail)?;
        if metric.unit == "1" && !NO_SHARES.contains(&metric.name) {
            holds(value <= 1.0 + 1e-9, &format!("{} is a share", metric.name), detail)?;
        }
        if metric.unit == "s" && metric.name.contains("_p") | metric.name.ends_with("max_s") {
            holds(value <= end + close(end), &format!("{} is not longer than the run", metric.name), detail)?;
        }
    }
    for names in ORDERED {
        for pair in names.windows(2) {
            if let (Some(low), Some(high)) = (of(pair[0]), of(pair[1])) {
                let law = format!("{} is not above {}", pair[0], pair[1]);
                holds(low <= high * (1.0 + 1e-9) + 1e-9, &law, || format!("{low} and {high}"))?;
            }
        }
    }
    // A machine that left and joins again leaves a ghost in the list of nodes, each time.
    let joins = scenario.script.iter().filter(|event| matches!(event.order, Order::Join(..))).count();
    let nodes = (scenario.nodes.len() * (1 + joins)) as f64;
    for name in ["nodes_mean", "nodes_final", "nodes_down_mean"] {
        let value = of(name).unwrap_or(0.0);
        holds(value <= nodes * (1.0 + 1e-9), &format!("{name} is at most all nodes"), || {
            format!("{value} of {nodes}")
        })?;
    }
    laws_of_rows(scenario, outcome, end)
}

fn laws_of_rows(scenario: &Scenario, outcome: &Outcome, end: f64) -> Held {
    let of = |name: &str| value(outcome, name);
    let plans: BTreeMap<&str, &str> =
        scenario.nodes.iter().map(|node| (node.spec.id.as_str(), node.pool.as_str())).collect();
    let running: u64 = outcome.nodes.iter().map(|node| node.running).sum();
    let equal = |name: &str, count: u64| {
        let value = of(name);
        holds(value == Some(count as f64), &format!("{name} is that of the rows"), || format!("{value:?}, {count}"))
    };
    equal("running_final", running)?;
    if let Some(most) = outcome.nodes.iter().map(|node| node.running).max() {
        equal("tasks_per_node_max", most)?;
    }
    if scenario.warm_up == sched::Span::ZERO {
        equal("tasks_created", outcome.tasks.len() as u64)?;
    }
    let listed: Vec<&str> = outcome.nodes.iter().map(|node| node.node.as_str()).collect();
    holds(listed.len() == plans.len(), "every node has a row", || format!("{listed:?}"))?;
    for node in &outcome.nodes {
        let about = || format!("{node:?}");
        holds(plans.get(node.node.as_str()) == Some(&node.pool.as_str()), "a row is of a node", about)?;
        holds(node.running <= node.running_max, "a node's tasks at the end are not above the most", about)?;
        holds(node.down_s <= end * (1.0 + 1e-9), "a node is not down longer than the run", about)?;
        let shares = [node.cpu_reserved, node.memory_reserved, node.down_s];
        holds(
            shares.iter().all(|share| share.is_finite() && 0.0 <= *share),
            "numbers of a node are not negative",
            about,
        )?;
    }

    let mut names = BTreeSet::new();
    let mut before = 0.0;
    for task in &outcome.tasks {
        let about = || format!("{task:?}");
        // A service may be created again under the name of one that was removed.
        let name = (task.name.as_str(), task.created_s.to_bits());
        holds(names.insert(name), "a task has a name of its own", about)?;
        holds(before <= task.created_s, "tasks are in order of creation", about)?;
        before = task.created_s;
        let times = [Some(task.created_s), task.assigned_s, task.ready_s, task.running_s, task.ended_s];
        holds(
            times.iter().flatten().all(|time| (0.0..=end).contains(time)),
            "times of a task are within the run",
            about,
        )?;
        // When the manager learns that it runs it may have ended, so the end is by itself.
        let steps: Vec<f64> = times[..4].iter().flatten().copied().collect();
        holds(steps.is_sorted(), "a task is created, assigned, ready and running in this order", about)?;
        holds(
            task.ended_s.is_none_or(|ended| task.created_s <= ended),
            "a task does not end before it is created",
            about,
        )?;
        holds(task.ready_s.is_none() || task.assigned_s.is_some(), "only an assigned task becomes ready", about)?;
        let has_node = plans.contains_key(task.node.as_str());
        holds(has_node || task.node.is_empty(), "a task is on a node of the scenario", about)?;
        holds(task.assigned_s.is_some() == has_node, "a task that was assigned has a node", about)?;
        let runs = task.state == TaskState::Running;
        holds(!runs || task.running_s.is_some(), "a task that is RUNNING came to run", about)?;
    }
    for metric in METRICS {
        let (least, most) = metric.range();
        let is_there = of(metric.name).is_none_or(|value| (least..=most * (1.0 + 1e-12)).contains(&value));
        holds(is_there, "a metric is where it can be", || format!("{} is {:?}", metric.name, of(metric.name)))?;
    }
    let states: f64 =
        METRICS.iter().filter(|metric| metric.name.starts_with("state_")).filter_map(|metric| of(metric.name)).sum();
    holds(states <= outcome.tasks.len() as f64, "records at the end are of tasks", || format!("{states}"))?;

    let mut before = 0.0;
    for mark in &outcome.marks {
        holds(before <= mark.time_s && mark.time_s <= end, "marks are in order of time", || format!("{mark:?}"))?;
        before = mark.time_s;
    }
    let losses = outcome.marks.iter().filter(|mark| mark.kind == "down").count() as f64;
    let failures = of("node_failures").unwrap_or(0.0);
    let law = "machines lose power only where there is a mark";
    holds(failures == 0.0 || 0.0 < losses, law, || format!("{failures} failures, {losses} marks"))?;
    let mut before = 0.0;
    for point in &outcome.series {
        let about = || format!("{point:?}");
        holds(before == point.time_s && before < point.until_s, "an interval follows the one before", about)?;
        holds(point.nodes_down.most <= plans.len() as u64, "nodes that are down are nodes", about)?;
        for band in [point.desired, point.running, point.believed, point.pending, point.nodes_down] {
            let is_within = band.least as f64 <= band.mean && band.mean <= band.most as f64;
            holds(is_within, "a mean is from the least to the most", about)?;
        }
        before = point.until_s;
    }
    holds(before == end, "the last interval ends with the run", || format!("{before}"))?;
    Ok(())
}
