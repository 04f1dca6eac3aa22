//! The core against recorded decisions of the real SwarmKit (moby/swarmkit 3e72cb64): hard properties must all hold.

use std::path::PathBuf;

use sim::conform::{Ties, Verdict, replay_file, replay_text, tally};

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conform/data").join(name)
}

fn holds(name: &str, scenarios: usize, ties: Ties) -> Vec<Verdict> {
    let verdicts = replay_file(&data(name), ties).expect("the file is part of the project");
    assert_eq!(verdicts.len(), scenarios);
    let missed: Vec<String> = verdicts
        .iter()
        .flat_map(|verdict| verdict.checks.iter().map(move |check| (verdict, check)))
        .filter(|(_, check)| check.hard && !check.met)
        .map(|(verdict, check)| {
            format!("{} {}: expected {}, got {}", verdict.id, check.name, check.expected, check.got)
        })
        .collect();
    assert!(missed.is_empty(), "{ties:?}: {} hard properties missed: {missed:#?}", missed.len());
    let (_, all) = tally(&verdicts);
    let (checked, met) = all.soft;
    assert!(f64::from(met) >= 0.97 * f64::from(checked), "{ties:?}: only {met} of {checked} soft properties");
    verdicts
}

/// Simulations break ties by chance. What SwarmKit always does holds then, too, and where it varies, what comes out is one of
/// the values that were seen.
#[test]
fn with_ties_broken_by_chance_decisions_are_swarmkits() {
    let lowest = holds("placement-public.jsonl", 450, Ties::LowestId);
    for seed in 0..4 {
        let seeded = holds("placement-public.jsonl", 450, Ties::Seeded(seed));
        holds("dynamics-public.jsonl", 174, Ties::Seeded(seed));
        let got = |verdicts: &[Verdict]| -> Vec<String> {
            verdicts.iter().flat_map(|verdict| &verdict.checks).map(|check| check.got.to_string()).collect()
        };
        assert_ne!(got(&lowest), got(&seeded), "the seed {seed} chooses otherwise");
    }
}

#[test]
fn placement_is_swarmkits() {
    holds("placement-public.jsonl", 450, Ties::LowestId);
}

#[test]
fn life_cycle_is_swarmkits() {
    holds("dynamics-public.jsonl", 174, Ties::LowestId);
}

/// The comparison itself can fail: a recording that says something else is noticed.
#[test]
fn a_wrong_recording_is_noticed() {
    let text = std::fs::read_to_string(data("placement-public.jsonl")).expect("the file is part of the project");
    let line = text.lines().next().expect("a scenario");
    let wrong = line.replacen(
        r#""tasks_created":{"kind":"exact","value":6}"#,
        r#""tasks_created":{"kind":"exact","value":7}"#,
        1,
    );
    assert_ne!(line, wrong);
    let verdicts = replay_text(&wrong, Ties::LowestId).expect("still a scenario");
    let missed: Vec<_> = verdicts[0].checks.iter().filter(|check| !check.met).map(|check| &check.name).collect();
    assert_eq!(missed, ["web.tasks_created"]);
}

#[test]
fn a_broken_file_says_where() {
    let error = replay_text("\n{\"format\": \"other/1\", \"id\": \"x\", \"category\": \"y\"}\n", Ties::LowestId)
        .err()
        .expect("refused");
    assert!(error.starts_with("2: format 'other/1', expected"), "{error}");
    let error = replay_text("{]", Ties::LowestId).err().expect("refused");
    assert!(error.starts_with("1: "), "{error}");
}

/// Every number of a recording, one after the other, at the end of its type and beyond: never a panic, and if it is refused,
/// with line and field.
#[test]
fn numbers_out_of_range_are_refused_with_line_and_field() {
    fn numbers(value: &mut serde_json::Value, visit: &mut dyn FnMut(&mut serde_json::Value) -> bool) -> bool {
        match value {
            serde_json::Value::Number(_) => visit(value),
            serde_json::Value::Array(list) => list.iter_mut().any(|value| numbers(value, visit)),
            serde_json::Value::Object(map) => map.values_mut().any(|value| numbers(value, visit)),
            _ => false,
        }
    }
    let (mut refused, mut replayed) = (0, 0);
    for file in ["placement-public.jsonl", "dynamics-public.jsonl"] {
        let text = std::fs::read_to_string(data(file)).expect("the file is part of the project");
        let line = text.lines().max_by_key(|line| line.matches("_ns").count()).expect("a scenario");
        let mut whole: serde_json::Value = serde_json::from_str(line).expect("JSON");
        for key in ["sample_run_log", "sample_outcomes"] {
            whole.as_object_mut().expect("an object").remove(key);
        }
        let invariants =
            whole.as_object_mut().and_then(|fields| fields.remove("invariants")).expect("a scenario has them");
        let mut count = 0;
        numbers(&mut whole, &mut |_| {
            count += 1;
            false
        });
        assert!(3 < count);
        for at in 0..count {
            for extreme in [u64::MAX, i64::MAX as u64, u64::from(u32::MAX)] {
                let (mut whole, mut seen) = (whole.clone(), 0);
                numbers(&mut whole, &mut |number| {
                    seen += 1;
                    if seen == at + 1 {
                        *number = extreme.into();
                    }
                    seen == at + 1
                });
                whole["invariants"] = invariants.clone();
                match replay_text(&format!("\n{whole}"), Ties::LowestId) {
                    Ok(_) => replayed += 1,
                    Err(error) => {
                        let field = error.strip_prefix("2: ").and_then(|parts| parts.split_once(": "));
                        assert!(field.is_some_and(|(field, _)| !field.contains(' ')), "{error}");
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(10 < refused && 0 < replayed, "{refused} refused, {replayed} replayed");
}

#[test]
fn a_recording_that_says_nothing_is_refused() {
    for (text, said) in [
        ("", "1: it holds no scenario"),
        ("\n \n", "1: it holds no scenario"),
        ("{}", "1: missing field `format`"),
        ("\n{\"format\": \"swarm-oracle-placement/1\", \"id\": \"x\", \"category\": \"y\"}", "2: invariants: nothing"),
        ("{\"format\": \"x\", \"id\": 1, \"category\": \"y\"}", "1: id: invalid type: integer `1`"),
        (
            "{\"format\": \"swarm-oracle-dynamics/1\", \"id\": \"x\", \"category\": \"y\", \"events\": [{\"at_ns\": 1, \"kind\": \"create_service\", \"service\": {\"name\": \"w\", \"restart_policy\": {\"delay_ns\": 18446744073709551615}}}]}",
            "1: events[0].service.restart_policy.delay_ns: expected a number from 0",
        ),
    ] {
        let error = replay_text(text, Ties::LowestId).err().expect("refused");
        assert!(error.starts_with(said), "{error}");
    }
}

/// A container that ends at once and is started again at once: the life does not end.
#[test]
fn a_life_in_circles_is_refused() {
    let text = r#"{"format": "swarm-oracle-dynamics/1", "id": "x", "category": "y", "duration_ns": 90000000000000,
        "nodes": [{"id": "n1", "cpu_nanos": 1000000000, "memory_bytes": 1000000000}],
        "task_behaviors": [{"phase": "run", "after_ns": 0, "exit_code": 1}],
        "events": [{"at_ns": 1, "kind": "create_service", "service":
            {"name": "w", "replicas": 1, "restart_policy": {"condition": "any", "delay_ns": 0}}}],
        "invariants": {"per_service": {"w": {"final_running_total": {"kind": "exact", "value": 1}}}}}"#;
    let error = replay_text(&text.replace('\n', " "), Ties::LowestId).err().expect("refused");
    assert!(error.starts_with("1: duration_ns: more than 100000 steps"), "{error}");
}
