//! The core against recorded decisions of the real SwarmKit (moby/swarmkit 3e72cb64): hard properties must all hold.

use std::path::PathBuf;

use sim::conform::{replay_file, replay_text, tally};

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conform/data").join(name)
}

fn holds(name: &str, scenarios: usize) {
    let verdicts = replay_file(&data(name)).expect("the file is part of the project");
    assert_eq!(verdicts.len(), scenarios);
    let missed: Vec<String> = verdicts
        .iter()
        .flat_map(|verdict| verdict.checks.iter().map(move |check| (verdict, check)))
        .filter(|(_, check)| check.hard && !check.met)
        .map(|(verdict, check)| {
            format!("{} {}: expected {}, got {}", verdict.id, check.name, check.expected, check.got)
        })
        .collect();
    assert!(missed.is_empty(), "{} hard properties missed, the first: {}", missed.len(), missed[0]);
    let (_, all) = tally(&verdicts);
    let (checked, met) = all.soft;
    assert!(f64::from(met) >= 0.97 * f64::from(checked), "only {met} of {checked} soft properties");
}

#[test]
fn placement_is_swarmkits() {
    holds("placement-public.jsonl", 450);
}

#[test]
fn life_cycle_is_swarmkits() {
    holds("dynamics-public.jsonl", 174);
}

/// The comparison itself can fail: a recording that says something else is noticed.
#[test]
fn a_wrong_recording_is_noticed() {
    let text = std::fs::read_to_string(data("placement-public.jsonl")).expect("the file is part of the project");
    let line = text.lines().next().expect("a scenario");
    let wrong = line.replacen(
        r#""tasks_created": {"kind": "exact", "value": 6}"#,
        r#""tasks_created": {"kind": "exact", "value": 7}"#,
        1,
    );
    assert_ne!(line, wrong);
    let verdicts = replay_text(&wrong).expect("still a scenario");
    let missed: Vec<_> = verdicts[0].checks.iter().filter(|check| !check.met).map(|check| &check.name).collect();
    assert_eq!(missed, ["web.tasks_created"]);
}

#[test]
fn a_broken_file_says_where() {
    let error =
        replay_text("\n{\"format\": \"other/1\", \"id\": \"x\", \"category\": \"y\"}\n").err().expect("refused");
    assert!(error.starts_with("2: format 'other/1', expected"), "{error}");
    let error = replay_text("{]").err().expect("refused");
    assert!(error.starts_with("1: "), "{error}");
}
