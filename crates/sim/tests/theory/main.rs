//! Scenarios whose outcome is known: by theory, or because it is a well-known way in which clusters hurt.

use std::path::{Path, PathBuf};

use sim::experiment::{execute, plan};
use sim::metrics::METRICS;
use sim::report::expect::verdicts;
use sim::report::manifest::Manifest;
use sim::report::results::Results;
use sim::scenario::load;

/// These take more than a fifth of a second, optimized, too long to be run at every change; `simctl check scenarios/theory/*.toml` runs them,
/// and with it `.ci/run`.
const SLOW: &[&str] = &[
    "balls-into-bins",
    "balls-into-bins-full",
    "batch-arrivals",
    "bursts-of-arrivals",
    "cache-10-of-50",
    "cache-5-of-20",
    "closed-population",
    "crash-loop-random",
    "day-and-night",
    "detection-compared",
    "e2m1",
    "erlang-a",
    "erlang-a-line",
    "erlang-loss-constant",
    "erlang-loss-exponential",
    "erlang-loss-lognormal",
    "joins-by-chance",
    "kaufman-roberts",
    "law-of-a-metric",
    "littles-law",
    "lossy-heartbeats",
    "majority-of-five",
    "majority-of-three",
    "md1",
    "mg1-empirical",
    "mg1-erlang",
    "mg1-hyperexponential",
    "mg1-lognormal",
    "mg1-pareto",
    "mg1-weibull",
    "mm1",
    "mm10",
    "mm2-5",
    "mm3-line",
    "priorities",
    "processor-sharing",
    "racks-four-of-six",
    "racks-three-of-six",
    "releases",
    "renewal-share",
    "repair-one-crew",
    "repair-two-crews",
    "repair-two-kinds",
    "requests-by-gossip",
    "requests-to-one-replica",
    "scaled-at-random",
    "scaled-in-steps",
    "services-come-and-go",
    "tandem",
    "three-of-five",
    "two-choices",
    "two-choices-full",
    "two-classes",
    "two-of-three",
];

fn scenarios(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios").join(folder);
    let files = std::fs::read_dir(&folder).expect("the folder is there").map(|entry| entry.expect("readable").path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|extension| extension == "toml")).collect();
    files.sort();
    files
}

fn stem(file: &Path) -> &str {
    file.file_stem().and_then(|stem| stem.to_str()).expect("a name in ASCII")
}

/// What did not come out as expected.
fn broken(file: &Path) -> Vec<String> {
    let scenario = load(file).unwrap_or_else(|complaints| panic!("{complaints}"));
    assert!(!scenario.expect.is_empty(), "{}: nothing is expected", file.display());
    assert!(!scenario.description.is_empty(), "{}: no prose", file.display());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let outcomes = execute(&scenario, &plan(&scenario), threads, &|_| {});
    let failed = outcomes.iter().filter_map(|outcome| outcome.failed.clone());
    let mut broken: Vec<String> = failed.map(|why| format!("{}: {why}", stem(file))).collect();
    let results = Results::of(Manifest::of(&scenario, b"", String::new()), METRICS, outcomes);
    let verdicts = verdicts(&results.manifest.expect, &results.manifest.strategies, &results.runs);
    let missed = verdicts.into_iter().filter(|verdict| !verdict.held);
    broken.extend(
        missed.map(|verdict| format!("{}: {}: {} ({})", stem(file), verdict.strategy, verdict.text, verdict.why)),
    );
    broken
}

#[test]
fn clusters_hurt_in_the_well_known_ways() {
    let files = scenarios("incidents");
    assert!(files.len() >= 15);
    let broken: Vec<String> = files.iter().flat_map(|file| broken(file)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_simulator_agrees_with_theory() {
    let files = scenarios("theory");
    assert!(SLOW.iter().all(|slow| files.iter().any(|file| stem(file) == *slow)), "a slow scenario is not there");
    let fast = files.iter().filter(|file| !SLOW.contains(&stem(file)));
    let broken: Vec<String> = fast.flat_map(|file| broken(file)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
