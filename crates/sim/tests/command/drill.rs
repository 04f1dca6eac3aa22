//! `simctl drill`, `size` and `place`: numbers that follow by arithmetic.

use super::{Place, err};

/// Nodes of four CPUs, dealt to three racks in turn; sixteen tasks of one CPU, and one of a service that is alone.
const DEALT: &str = r#"
duration = "5m"
[[pool]]
name = "worker"
count = 6
cpus = 4
memory = "16GiB"
labels = { rack = "r{i%3+1}" }
[[service]]
name = "web"
image = "web"
replicas = 15
reserve = { cpus = 1 }
[[service]]
name = "db"
image = "db"
reserve = { cpus = 1 }
"#;

fn said(place: &Place, words: &[&str], code: i32) -> String {
    let output = place.simctl(words);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}", err(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with('{') || text.lines().all(|line| line.chars().count() <= 80), "{text}");
    text
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_smallest_number_of_nodes_is_that_of_arithmetic() {
    let place = Place::new("size");
    place.write("s.toml", DEALT.as_bytes());
    // What is left of n nodes without the largest rack is n less a third, rounded up, and holds four tasks each.
    for (tasks, nodes) in [(16, 6), (28, 11), (40, 15)] {
        let scale = format!("web={}", tasks - 1);
        let words = ["size", "s.toml", "--vary", "pool.worker.count=1..40", "--scale", &scale, "--format", "json"];
        let answer = json(&said(&place, &words, 0));
        assert_eq!((answer["enough"].as_u64(), answer["too_few"].as_u64()), (Some(nodes), Some(nodes - 1)), "{tasks}");
        let left = (nodes - 1 - (nodes - 1).div_ceil(3)) * 4;
        assert_eq!(answer["waiting"].as_u64(), Some(tasks - left));
    }
    let text = said(&place, &["size", "s.toml", "--vary", "pool.worker.count=1..40"], 0);
    assert!(
        text.starts_with("pool.worker.count = 6 is the least that is enough. With 5: the loss of rack=r1\n"),
        "{text}"
    );
    let text = said(&place, &["size", "s.toml", "--vary", "pool.worker.count=1..5"], 1);
    assert!(text.starts_with("No pool.worker.count of 1..5 that was tried is enough. With 5: the loss of\n"), "{text}");
}

#[test]
fn every_loss_is_drilled_and_who_is_alone_is_at_risk() {
    let place = Place::new("drill");
    place.write("s.toml", DEALT.as_bytes());
    let answer = json(&said(&place, &["drill", "s.toml", "--format", "json"], 0));
    let losses = answer["losses"].as_array().unwrap();
    assert_eq!(losses.len(), 3 + 6);
    for loss in losses {
        assert_eq!(loss["waiting"], 0);
        let nodes = loss["nodes"].as_u64().unwrap() as f64;
        let replicas = loss["replicas_lost"].as_f64().unwrap();
        // Sixteen tasks on six nodes are two or three each.
        assert!((nodes * 2.0..=nodes * 3.0).contains(&replicas), "{loss}");
    }
    assert_eq!(answer["services"].as_array().unwrap().len(), 1);
    assert_eq!(answer["services"][0]["service"], "db");
    let text = said(&place, &["drill", "s.toml", "--set", "pool.worker.count=5", "--lose", "each:rack"], 1);
    assert!(text.starts_with("After 2 of 3 losses tasks are missing at the end.\nWorst: rack=r"), "{text}");
    assert!(text.contains("It would help: "), "{text}");
    assert!(text.contains("\nServices at risk:\n"), "{text}");
}

#[test]
fn what_is_where_adds_up() {
    let place = Place::new("place");
    place.write("s.toml", DEALT.as_bytes());
    let answer = json(&said(&place, &["place", "s.toml", "--format", "json"], 0));
    let nodes = answer["nodes"].as_array().unwrap();
    let sum = |key: &str| nodes.iter().map(|node| node[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((nodes.len(), sum("tasks"), sum("reserved_nano_cpus")), (6, 16, 16_000_000_000));
    let text = said(&place, &["place", "s.toml"], 0);
    assert!(text.starts_with("16 tasks on 6 nodes at 5 min; 0 without a node.\nOn every node: web.\n"), "{text}");
    assert!(text.contains(" r2     2 nodes "), "{text}");
}

#[test]
fn what_cannot_be_lost_or_varied_is_refused() {
    let place = Place::new("drill-wrong");
    place.write("s.toml", DEALT.as_bytes());
    for (words, says) in [
        (
            &["drill", "s.toml", "--lose", "each:zone"][..],
            "error: `--lose each:zone`: no node is meant by `each:zone`\n",
        ),
        (&["drill", "s.toml", "--lose", "all:nodes"], "error: `--lose all:nodes`: expected each:node, each:manager,"),
        (&["drill", "s.toml", "--watch", "soon"], "error: expected a time such as `90s` or `5m 12s`, found `soon`"),
        (
            &["size", "s.toml", "--vary", "pool.worker.count"],
            "error: `--vary pool.worker.count`: expected KEY=LOW..HIGH",
        ),
        (
            &["size", "s.toml", "--vary", "pool.wroker.count=1..4"],
            "error: `--set pool.wroker.count=4`: no [[pool]] `wroker`: did",
        ),
        (
            &["size", "s.toml", "--vary", "pool.worker.count=1..4", "--scale", "wbe=2x"],
            "error: `--scale wbe=2x`: no service `wbe`: did",
        ),
        (
            &["place", "s.toml", "--at", "1h"],
            "error: expected a time such as `90s` or `5m 12s`, found `1h`: the run ends at 5m\n",
        ),
    ] {
        let output = place.simctl(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(err(&output).starts_with(says), "{words:?}: {}", err(&output));
    }
}
