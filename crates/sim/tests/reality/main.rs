//! Does the simulator do what a real swarm did? `scenarios/reality` holds the experiments with what was measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sched::TaskState;
use sim::experiment::{execute, plan};
use sim::metrics::METRICS;
use sim::scenario::{Scenario, load};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn scenarios() -> BTreeMap<String, Scenario> {
    let folder = root().join("scenarios/reality");
    let files =
        fs::read_dir(&folder).expect("the scenarios are part of the project").map(|entry| entry.unwrap().path());
    let named = |file: PathBuf| (file.file_stem().unwrap().to_string_lossy().into_owned(), load(&file).unwrap());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "toml")).map(named).collect()
}

/// The mean of a metric over the replications; `None` if one has no value.
fn mean(outcomes: &[sim::metrics::Outcome], metric: &str) -> Option<f64> {
    let column = METRICS.iter().position(|known| known.name == metric).unwrap_or_else(|| panic!("no metric {metric}"));
    let values: Option<Vec<f64>> = outcomes.iter().map(|outcome| outcome.values[column]).collect();
    values.map(|values| values.iter().sum::<f64>() / values.len() as f64)
}

#[test]
fn every_experiment_comes_out_as_measured() {
    let scenarios = scenarios();
    assert!(25 <= scenarios.len());
    let mut missed = Vec::new();
    for (name, scenario) in &scenarios {
        let outcomes = execute(scenario, &plan(scenario), 2, &|_| {});
        assert!(!scenario.expect.is_empty(), "{name} expects nothing");
        for expected in &scenario.expect {
            let mean = mean(&outcomes, &expected.metric);
            let holds =
                |mean: f64| expected.min.is_none_or(|min| min <= mean) && expected.max.is_none_or(|max| mean <= max);
            if !mean.is_some_and(holds) {
                missed.push(format!("{name}: {}, but it is {mean:?}", expected.text));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn tasks_say_what_they_said() {
    let scenarios = scenarios();
    for (name, state, words) in [
        ("crash", TaskState::Failed, "task: non-zero exit (137)"),
        ("crash-loop", TaskState::Failed, "task: non-zero exit (3)"),
        ("engine-killed", TaskState::Failed, "task: non-zero exit (255)"),
        ("missing-image", TaskState::Rejected, "No such image: registry:5000/nope:1"),
        (
            "exhaustion-settled",
            TaskState::Rejected,
            "node is missing network attachments, ip addresses may be exhausted",
        ),
        ("node-return", TaskState::Shutdown, ""),
    ] {
        let scenario = Scenario { replications: 1, ..scenarios[name].clone() };
        let outcomes = execute(&scenario, &plan(&scenario), 1, &|_| {});
        let ended: Vec<_> = outcomes[0].tasks.iter().filter(|task| task.state == state).collect();
        assert!(!ended.is_empty(), "{name}: no task is {state}");
        assert!(ended.iter().all(|task| task.error == words), "{name}: {:?}", ended[0]);
    }
    let new = &scenarios["exhaustion-at-once"];
    let new = Scenario { replications: 1, ..new.clone() };
    let outcomes = execute(&new, &plan(&new), 1, &|_| {});
    let mut waiting = outcomes[0].tasks.iter().filter(|task| task.state == TaskState::New);
    assert!(
        waiting.all(|task| task.error.is_empty() && task.node.is_empty()),
        "a task without an address says nothing"
    );
}

/// What was measured, beside the project: one column of a table, of the rows in which some columns have given values.
type Column = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Scenario, metric, and where its measurements are.
const MEASURED: &[(&str, &str, Column)] = &[
    ("node-loss", "detection_mean_s", ("e1.csv", "cut_to_down_updated_s", &[])),
    ("node-loss", "event_to_created_mean_s", ("e1_tasks.csv", "cut_to_created_s", &[])),
    ("node-loss", "event_to_running_mean_s", ("e1_tasks.csv", "cut_to_running_status_s", &[])),
    ("node-loss", "time_to_running_mean_s", ("e1_tasks.csv", "created_to_running_s", &[])),
    ("node-return", "return_mean_s", ("e1.csv", "up_to_ready_updated_s", &[])),
    ("node-return", "event_to_ended_mean_s", ("e1.csv", "up_to_old_tasks_shutdown_s", &[])),
    ("crash", "event_to_ended_mean_s", ("e2.csv", "kill_to_failed_status_s", &[])),
    ("crash", "event_to_created_mean_s", ("e2.csv", "kill_to_new_created_s", &[])),
    ("crash", "event_to_ready_mean_s", ("e2.csv", "kill_to_new_ready_s", &[])),
    ("crash", "event_to_running_mean_s", ("e2.csv", "kill_to_running_status_s", &[("policy", "default")])),
    ("crash-delay", "event_to_running_mean_s", ("e2.csv", "kill_to_running_status_s", &[("policy", "delay1")])),
    ("drain-exits", "event_to_ended_mean_s", ("e3_tasks.csv", "end_status_s", &[("container", "trap")])),
    ("drain-exits", "event_to_running_mean_s", ("e3_tasks.csv", "running_status_s", &[("container", "trap")])),
    ("drain-ignores", "event_to_ended_mean_s", ("e3_tasks.csv", "end_status_s", &[("container", "ignore")])),
    ("drain-ignores", "event_to_running_mean_s", ("e3_tasks.csv", "running_status_s", &[("container", "ignore")])),
    ("scale-up", "time_to_running_mean_s", ("e4_tasks.csv", "created_to_running_s", &[])),
    ("scale-up", "event_to_running_max_s", ("e4.csv", "up_all_running_s", &[])),
    ("scale-down", "event_to_removed_mean_s", ("e4_tasks.csv", "gone_poll_s", &[])),
    ("update-one", "update_duration_s", ("e5.csv", "completed_minus_started_s", &[("case", "p1d0")])),
    ("update-one", "event_to_running_max_s", ("e5.csv", "last_running_s", &[("case", "p1d0")])),
    ("update-all", "update_duration_s", ("e5.csv", "completed_minus_started_s", &[("case", "p0d0")])),
    ("update-all", "event_to_running_max_s", ("e5.csv", "last_running_s", &[("case", "p0d0")])),
    ("update-all", "event_to_running_mean_s", ("e5_tasks.csv", "running_s", &[("case", "p0d0"), ("role", "new")])),
    ("update-all", "event_to_ended_mean_s", ("e5_tasks.csv", "end_s", &[("case", "p0d0"), ("role", "old")])),
    ("pull-1x1", "prepare_mean_s", ("e6_idle.csv", "preparing_duration_s", &[COLD, IMG1, ("n_nodes", "1")])),
    ("pull-1x2", "prepare_mean_s", ("e6_idle.csv", "preparing_duration_s", &[COLD, IMG1, ("n_nodes", "2")])),
    ("pull-1x4", "prepare_mean_s", ("e6_idle.csv", "preparing_duration_s", &[COLD, IMG1, ("n_nodes", "4")])),
    ("pull-1x4-cached", "prepare_mean_s", ("e6_idle.csv", "preparing_duration_s", &[WARM, IMG1, PINNED])),
    ("pull-1x4-tag", "prepare_mean_s", ("e6_idle.csv", "preparing_duration_s", &[WARM, IMG1, BY_TAG])),
    ("pull-3x1", "prepare_mean_s", ("e6_idle.csv", "preparing_duration_s", &[COLD, IMG3, ("n_nodes", "1")])),
    ("pull-3x2", "prepare_mean_s", ("e6_idle.csv", "preparing_duration_s", &[COLD, IMG3, ("n_nodes", "2")])),
    ("pull-3x4", "prepare_mean_s", ("e6_idle.csv", "preparing_duration_s", &[COLD, IMG3, ("n_nodes", "4")])),
    ("pull-3x4-cached", "prepare_mean_s", ("e6_idle.csv", "preparing_duration_s", &[WARM, IMG3, PINNED])),
    ("busy-pull-1x1", "prepare_mean_s", ("e6.csv", "preparing_duration_s", &[COLD, IMG1, ("n_nodes", "1")])),
    ("busy-pull-1x2", "prepare_mean_s", ("e6.csv", "preparing_duration_s", &[COLD, IMG1, ("n_nodes", "2")])),
    ("busy-pull-1x4", "prepare_mean_s", ("e6.csv", "preparing_duration_s", &[COLD, IMG1, ("n_nodes", "4")])),
    ("busy-pull-1x4-cached", "prepare_mean_s", ("e6.csv", "preparing_duration_s", &[WARM, IMG1, PINNED])),
    ("busy-pull-1x4-tag", "prepare_mean_s", ("e6.csv", "preparing_duration_s", &[WARM, IMG1, BY_TAG])),
    ("busy-pull-3x1", "prepare_mean_s", ("e6.csv", "preparing_duration_s", &[COLD, IMG3, ("n_nodes", "1")])),
    ("busy-pull-3x2", "prepare_mean_s", ("e6.csv", "preparing_duration_s", &[COLD, IMG3, ("n_nodes", "2")])),
    ("busy-pull-3x4", "prepare_mean_s", ("e6.csv", "preparing_duration_s", &[COLD, IMG3, ("n_nodes", "4")])),
    ("busy-pull-3x4-cached", "prepare_mean_s", ("e6.csv", "preparing_duration_s", &[WARM, IMG3, PINNED])),
    ("busy-pull-3x4-tag", "prepare_mean_s", ("e6.csv", "preparing_duration_s", &[WARM, IMG3, BY_TAG])),
];
const COLD: (&str, &str) = ("cached", "0");
const WARM: (&str, &str) = ("cached", "1");
const PINNED: (&str, &str) = ("pinned_digest", "1");
const BY_TAG: (&str, &str) = ("pinned_digest", "0");
const IMG1: (&str, &str) = ("image", "img1");
const IMG3: (&str, &str) = ("image", "img3");

/// The values of a column, by repetition.
fn repetitions(folder: &Path, (file, column, those): Column) -> BTreeMap<String, Vec<f64>> {
    let mut table = csv::Reader::from_path(folder.join(file)).unwrap();
    let rows: Vec<BTreeMap<String, String>> = table.deserialize().map(|row| row.unwrap()).collect();
    let rows = rows.iter().filter(|row| those.iter().all(|(key, value)| row[*key] == *value));
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in rows {
        // Repetitions are numbered anew for each policy.
        let repetition = row["rep"].clone() + row.get("policy").map_or("", String::as_str);
        values.entry(repetition).or_default().extend(row[column].parse::<f64>().ok());
    }
    values.retain(|_, values| !values.is_empty());
    values
}

/// Mean of a column, and the larger of a tenth of it and two standard errors.
fn measured(folder: &Path, column: Column) -> (f64, f64) {
    let values: Vec<f64> = repetitions(folder, column).into_values().flatten().collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (0.1 * mean).max(2.0 * (variance / n).sqrt()))
}

/// Not even a wrong `[expect]` makes a wrong mean right: here it is compared with the tables themselves.
#[test]
fn means_are_within_a_tenth_or_two_standard_errors_of_the_tables() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reality/measured");
    let scenarios = scenarios();
    let mut outcomes = BTreeMap::new();
    let mut missed = Vec::new();
    for &(name, metric, column) in MEASURED {
        let outcomes = outcomes.entry(name).or_insert_with(|| {
            let scenario = &scenarios[name];
            execute(scenario, &plan(scenario), 2, &|_| {})
        });
        let simulated = mean(outcomes, metric).unwrap();
        let (mean, width) = measured(&folder, column);
        println!("{name} {metric}: {simulated:.4}, measured {mean:.4} ± {width:.4} ({})", column.0);
        if width < (simulated - mean).abs() {
            missed.push(format!("{name} {metric}: {simulated:.4} instead of {mean:.4} ± {width:.4} ({})", column.0));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// An interval of a run says where the same experiment on the same swarm ends up: not in one of ten or more cases somewhere else,
/// as it would if what the tasks of a repetition have in common were missing, and not always inside, as it would if it were guessed.
#[test]
fn repetitions_lie_in_the_intervals_of_single_runs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reality/measured");
    let scenarios = scenarios();
    let mut outcomes = BTreeMap::new();
    let (mut all, mut inside, mut outside) = (0, 0, Vec::new());
    for &(name, metric, column) in MEASURED {
        let outcomes = outcomes.entry(name).or_insert_with(|| {
            let scenario = &scenarios[name];
            execute(scenario, &plan(scenario), 2, &|_| {})
        });
        let row = METRICS.iter().position(|known| known.name == metric).unwrap();
        let mut runs: Vec<f64> = outcomes.iter().map(|outcome| outcome.values[row].unwrap()).collect();
        runs.sort_by(f64::total_cmp);
        let (low, high) = (runs[runs.len() / 40], runs[runs.len() - 1 - runs.len() / 40]);
        for (repetition, values) in repetitions(&folder, column) {
            let value = values.iter().sum::<f64>() / values.len() as f64;
            all += 1;
            if (low..=high).contains(&value) {
                inside += 1;
            } else {
                outside.push(format!("{name} {metric}, {repetition}: {value:.3} is not in {low:.3} to {high:.3}"));
            }
        }
    }
    let share = f64::from(inside) / f64::from(all);
    println!("{inside} of {all} inside; outside are\n{}", outside.join("\n"));
    assert!((0.9..=0.99).contains(&share), "{inside} of {all}, without\n{}", outside.join("\n"));
}

/// What is expected must not depend on the seed that a file has. With `SEEDS` seeds from `FIRST_SEED` on, no expectation in the
/// `FOLDERS` of `scenarios` may fail more often than one in twenty times, or once.
#[test]
#[ignore = "takes a minute for forty seeds: `.ci/run` tries three others with each commit, CONTRIBUTING has the command"]
fn expectations_hold_whatever_the_seed() {
    let number = |name: &str, default: u64| {
        std::env::var(name)
            .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
    };
    let (first, count) = (number("FIRST_SEED", 1), number("SEEDS", 40));
    let mut files: Vec<PathBuf> = Vec::new();
    let folders = std::env::var("FOLDERS").unwrap_or("reality incidents".into());
    for folder in folders.split_whitespace() {
        files.extend(fs::read_dir(root().join("scenarios").join(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut failures: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut held = 0;
    for seed in first..first + count {
        let output = Command::new(env!("CARGO_BIN_EXE_simctl"))
            .args(["check", "--quiet", "--color", "never", "--seed", &seed.to_string()])
            .args(&files)
            .output()
            .unwrap();
        let mut scenario = String::new();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            match line.split_once(' ') {
                Some(("\u{2717}", verdict)) => {
                    let (expectation, why) = verdict.split_once(" (").unwrap_or((verdict, ""));
                    let expectation = format!("{scenario}, {expectation}");
                    failures.entry(expectation).or_default().push(format!("seed {seed} ({why}"));
                }
                Some(("\u{2713}", _)) => held += 1,
                _ => scenario = line.to_string(),
            }
        }
    }
    assert!(count * files.len() as u64 <= held, "expectations were looked at");
    failures.retain(|_, seeds| (count / 20).max(1) < seeds.len() as u64);
    let lines =
        failures.iter().map(|(expectation, seeds)| format!("{expectation}: {} of {count}, {}", seeds.len(), seeds[0]));
    assert!(failures.is_empty(), "{}", lines.collect::<Vec<_>>().join("\n"));
}
