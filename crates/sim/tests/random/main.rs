//! Random scenarios: whatever the reader accepts runs to its end, obeys the laws of [`laws`], and gives the same bytes
//! again.
//!
//! `cargo test -p sim --test random` tries a few hundred; many more are tried with
//!
//! ```text
//! RANDOM_COUNT=30000 RANDOM_FIRST=1 cargo test --release -p sim --test random -- --ignored --nocapture
//! ```
//!
//! A fault is reported with the seed of its scenario and the smallest scenario with the same fault that leaving out keys
//! one by one leads to, and whoever has a seed can try it alone with `RANDOM_COUNT=1 RANDOM_FIRST=SEED`. What was written
//! is kept in `/dev/shm/simctl-random-PROCESS/SEED`, in `target/tmp` if there is no such folder; the scenario of a run that
//! never ends is there, too.

mod dice;
mod document;
mod driven;
mod generator;
mod laws;
mod recount;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use generator::{Case, case};
use laws::{Broken, check};
use recount::recounted;

/// Seeds of the scenarios that are always tried.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=300;
/// Faults of one kind that are reported, and scenarios that are tried to make a fault small.
const REPORTED: usize = 3;
const TRIES: usize = 3000;
/// Keys that say how often things happen: without them a run could take for ever.
const PACE: &[&str] =
    &["duration", "heartbeat", "period", "jitter", "interval", "start_interval", "every", "restart", "delay", "sample"];

#[test]
fn every_accepted_scenario_runs_to_its_end_and_obeys_the_laws() {
    try_all(*SEEDS.start(), SEEDS.count() as u64);
}

#[test]
#[ignore = "as many scenarios as RANDOM_COUNT says, from the seed RANDOM_FIRST on"]
fn many_accepted_scenarios_run_to_their_end_and_obey_the_laws() {
    let number = |name: &str, default| {
        let given = std::env::var(name).ok();
        given.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
    };
    try_all(number("RANDOM_FIRST", 1), number("RANDOM_COUNT", 30_000));
}

/// The reference names every key of the reader, so a key that is new is missed here until it is generated.
#[test]
fn the_scenarios_have_every_documented_key() {
    let mut paths = BTreeSet::new();
    for seed in SEEDS {
        case(seed).scenario.paths("", &mut paths);
    }
    let missing: Vec<String> =
        documented_keys().into_iter().filter(|key| !paths.iter().any(|path| is_key(path, key))).collect();
    assert!(missing.is_empty(), "no scenario of the seeds {SEEDS:?} has {}", missing.join(", "));
}

/// Keys of `scenarios/README.md` with their tables: `pool.join.at`. Those of laws have `law` for a table.
fn documented_keys() -> BTreeSet<String> {
    let reference = include_str!("../../../../scenarios/README.md");
    let mut keys = BTreeSet::new();
    for section in reference.split("\n### ").skip(1) {
        let (heading, body) = section.split_once('\n').expect("a section has a heading");
        let table = match heading {
            "The top level" => "",
            "Laws" => "law",
            _ => heading.trim_matches('`'),
        };
        for row in body.lines().take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with("| `")) {
            let first = row.split('|').nth(1).expect("a row has cells");
            let second = row.split('|').nth(2).expect("a row has two cells");
            let mut words = backticked(first);
            if table == "law" {
                words.extend(backticked(second).into_iter().filter(|word| !words.contains(word)).collect::<Vec<_>>());
            }
            keys.extend(words.into_iter().map(|key| if table.is_empty() { key } else { format!("{table}.{key}") }));
        }
    }
    // Tables that the text describes in a row.
    for key in ["weaken.nodes", "weaken.loss", "weaken.delay", "slow.nodes", "slow.factor"] {
        keys.insert(format!("event.{key}"));
    }
    keys.extend(["registry.limit.pulls", "registry.limit.window", "arrivals.popularity.zipf"].map(str::to_string));
    keys.extend(["service.limit.cpus", "service.limit.memory", "service.rollback.order"].map(str::to_string));
    keys
}

fn backticked(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_string).collect()
}

/// Whether a key of a document is the documented one.
fn is_key(path: &str, key: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    match key.split_once('.') {
        Some(("law", field)) => last == field,
        Some(("expect", bound)) => path.starts_with("expect.") && last == bound,
        _ => path == key,
    }
}

/// Tries the scenarios of so many seeds and reports what is wrong with them.
fn try_all(first: u64, count: u64) {
    let next = AtomicU64::new(first);
    let faults: Mutex<BTreeMap<String, Vec<(u64, Broken)>>> = Mutex::default();
    let longest: Mutex<(f64, u64)> = Mutex::default();
    let unseen: Mutex<BTreeSet<&str>> = Mutex::new(recounted());
    let worker = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if first + count <= seed {
                return;
            }
            let folder = folder(seed);
            match check(&case(seed), &folder) {
                Ok(kept) => {
                    let mut longest = longest.lock().unwrap();
                    if longest.0 < kept.events {
                        *longest = (kept.events, seed);
                    }
                    unseen.lock().unwrap().retain(|metric| !kept.recounted.contains(metric));
                    let _ = fs::remove_dir_all(&folder);
                }
                Err(broken) => {
                    faults.lock().unwrap().entry(broken.kind()).or_default().push((seed, broken));
                }
            }
            if (seed + 1 - first).is_multiple_of(5000) {
                println!("{} scenarios", seed + 1 - first);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(worker))));
    let (events, seed) = longest.into_inner().unwrap();
    println!("{count} scenarios from the seed {first} on; the longest, of seed {seed}, has {events} events");
    let faults = faults.into_inner().unwrap();
    // It stays if there is a fault in it.
    let _ = folder(seed).parent().map(fs::remove_dir);
    if !faults.is_empty() {
        faults.iter().for_each(|(kind, same)| println!("{} times: {kind}", same.len()));
        let reports: Vec<String> = faults.values().flat_map(|same| report(same)).collect();
        panic!("{} kinds of faults:\n{}", faults.len(), reports.join("\n"));
    }
    let unseen = unseen.into_inner().unwrap();
    assert!(count < SEEDS.count() as u64 || unseen.is_empty(), "no scenario has anything to count of {unseen:?}");
}

/// Where a scenario and its tables are written: in memory, if the system has a place for that, because the writer of tables
/// waits for the disk.
fn folder(seed: u64) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory } else { Path::new(env!("CARGO_TARGET_TMPDIR")) };
    place.join(format!("simctl-random-{}", std::process::id())).join(seed.to_string())
}

/// Faults of one kind: the first ones small, all with their seeds.
fn report(same: &[(u64, Broken)]) -> Vec<String> {
    let seeds: Vec<String> = same.iter().take(20).map(|(seed, _)| seed.to_string()).collect();
    let mut lines = vec![format!("--- {} times, seeds {}", same.len(), seeds.join(" "))];
    for (seed, broken) in same.iter().take(REPORTED) {
        let folder = folder(*seed);
        let (small, broken) = shrink(case(*seed), broken.clone(), &folder.join("small"));
        let files: String = small.files.iter().map(|(name, text)| format!("# {name}:\n{text}")).collect();
        lines.push(format!("{}\n{}\n# seed {seed}\n{}{files}", broken.law, broken.detail, small.scenario.text()));
    }
    lines
}

/// Leaves out what is not needed for a fault of the same kind.
fn shrink(mut case: Case, mut broken: Broken, folder: &Path) -> (Case, Broken) {
    let (kind, mut tries) = (broken.kind(), 0);
    loop {
        let (mut number, mut is_smaller) = (0, false);
        while let Some(scenario) = case.scenario.without(number, PACE).filter(|_| tries < TRIES) {
            if scenario.text() == case.scenario.text() {
                number += 1;
                continue;
            }
            tries += 1;
            let smaller = Case { scenario, files: case.files.clone() };
            match check(&smaller, folder) {
                Err(other) if other.kind() == kind => {
                    (case, broken, is_smaller) = (smaller, other, true);
                }
                _ => number += 1,
            }
        }
        if !is_smaller || TRIES <= tries {
            break;
        }
    }
    let text = case.scenario.text();
    let named = |name: &String, _: &mut String| text.contains(name.as_str());
    case.files.retain(named);
    let _ = check(&case, folder);
    (case, broken)
}
