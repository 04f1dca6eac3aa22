//! Scenarios whose outcome is known: by theory, or because it is a well-known way in which clusters hurt.

use std::path::{Path, PathBuf};

use sim::experiment::{execute, plan};
use sim::metrics::METRICS;
use sim::report::expect::verdicts;
use sim::report::manifest::Manifest;
use sim::report::results::{Results, SeriesRow};
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
    "first-passage",
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
    "nodes-used",
    "one-replica",
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
    let missed = verdicts.into_iter().filter(|verdict| !verdict.held());
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

/// What the series of a run says, against its metrics: the area under the registry's curve, and the lowest point of the
/// running one. Says how many bytes and how many lost replicas that was about.
fn pictures_are_true(file: &Path, strategies: usize) -> (f64, u64) {
    let mut scenario = load(file).unwrap_or_else(|complaints| panic!("{complaints}"));
    scenario.strategies.truncate(strategies);
    scenario.replications = 1;
    let (mut sent, mut dips) = (0.0, 0);
    for outcome in execute(&scenario, &plan(&scenario), 1, &|_| {}) {
        let about = format!("{}, {}", stem(file), outcome.strategy);
        let settled = outcome.settled_s;
        let results = Results::of(Manifest::of(&scenario, b"", String::new()), METRICS, vec![outcome]);
        let rows = || results.series.iter();
        let metric = |name| results.runs.values(name, &results.series[0].strategy).next().and_then(|run| run.1);
        assert_eq!(rows().last().map(|row| row.until_s), Some(scenario.duration.as_secs_f64()), "{about}");
        let warm_up = scenario.warm_up.as_secs_f64();
        // An interval in which counting begins counts in part.
        let bytes = |counts: &dyn Fn(&SeriesRow) -> bool| -> f64 {
            rows().filter(|row| counts(row)).map(|row| row.registry_bytes).sum()
        };
        let pulled = metric("pulled_bytes").expect("it is always counted");
        let (least, most) = (bytes(&|row| warm_up <= row.time_s), bytes(&|row| warm_up < row.until_s));
        assert!(least <= pulled && pulled <= most, "{about}: {pulled} bytes, the curve says {least} to {most}");
        sent += pulled;
        let Some(settled) = settled else { continue };
        let since = settled.max(warm_up);
        let lowest = |counts: &dyn Fn(&SeriesRow) -> bool| {
            rows().filter(|row| counts(row)).map(|row| row.running.least).min().unwrap_or(u64::MAX) as f64
        };
        let told = metric("running_min").expect("every service had what it wants");
        let (low, high) = (lowest(&|row| since <= row.until_s), lowest(&|row| since < row.time_s));
        assert!(low <= told && told <= high, "{about}: {told} at least, the curve says {low} to {high}");
        dips += u64::from(told == high);
    }
    (sent, dips)
}

/// Every shipped scenario but the huge ones.
fn shipped() -> Vec<PathBuf> {
    ["", "incidents", "reality", "failover", "theory"].into_iter().flat_map(scenarios).collect()
}

#[test]
fn the_curves_of_every_shipped_scenario_agree_with_its_metrics() {
    let files = shipped();
    assert!(files.len() >= 150, "{} scenarios", files.len());
    let fast = files.iter().filter(|file| !SLOW.contains(&stem(file)) && stem(file) != "strategies");
    let (mut sent, mut dips) = (0.0, 0);
    for (bytes, exact) in fast.map(|file| pictures_are_true(file, 2)) {
        (sent, dips) = (sent + bytes, dips + exact);
    }
    assert!(sent > 1e11 && dips > 100, "{sent} bytes and {dips} lowest points were compared");
}

#[test]
#[ignore = "slow scenarios, every strategy: for the night"]
fn the_curves_of_slow_scenarios_agree_with_their_metrics() {
    let files = shipped();
    let slow = files.iter().filter(|file| SLOW.contains(&stem(file)) || stem(file) == "strategies");
    slow.for_each(|file| _ = pictures_are_true(file, usize::MAX));
}
