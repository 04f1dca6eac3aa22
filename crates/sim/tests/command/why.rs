//! `simctl why`: answers in words, and what is said to a wrong question.

use super::{Place, err};

/// Two of three nodes take the web service, and only four of its six tasks have room.
const CROWDED: &str = r#"
duration = "1m"
replications = 1
[[pool]]
name = "node"
count = 3
cpus = 2
memory = "4GiB"
labels = { disk = "d{i/2}" }
[[service]]
name = "web"
image = "web"
replicas = 6
reserve = { cpus = 1, memory = "1GiB" }
constraints = ["node.labels.disk == d0"]
[[service]]
name = "agent"
image = "agent"
mode = "global"
"#;

fn asked(place: &Place, words: &[&str]) -> String {
    let output = place.simctl(&[&["why", "crowded.toml"], words].concat());
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    text
}

#[test]
fn a_task_that_waits_is_explained_with_what_would_place_it() {
    let place = Place::new("why-pending");
    place.write("crowded.toml", CROWDED.as_bytes());
    let text = asked(&place, &["service", "web"]);
    for part in [
        "has no node at 60 s",
        "no suitable node (insufficient resources on 2 nodes; scheduling",
        "  2 nodes: too little room: 1 CPU short (node-1, node-2)\n",
        "  1 node: constraint not satisfied: node.labels.disk == d0 (node-3)\n",
        "  drop the constraint node.labels.disk == d0 (places 2 of 2 tasks that wait)\n",
        "  1 CPU more on node-1 (places 1 of 2 tasks that wait)\n",
        "  one node more, like node-1 (places 2 of 2 tasks that wait)\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let json = asked_json(&place, &["service", "web"]);
    assert_eq!(json["remedies"][1]["change"], "1 CPU more on node-1");
    assert_eq!(json["decision"]["nodes"][2]["refused"][0]["filter"], "constraint");
}

fn asked_json(place: &Place, words: &[&str]) -> serde_json::Value {
    let output = place.simctl(&[&["why", "crowded.toml"], words, &["--format", "json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_task_that_was_placed_is_explained_with_the_runner_up() {
    let place = Place::new("why-placed");
    place.write("crowded.toml", CROWDED.as_bytes());
    let json = asked_json(&place, &["task", "web.1"]);
    let (chosen, second) = (json["node"].as_str().unwrap(), json["decision"]["next_best"][0].as_str().unwrap());
    assert_ne!(chosen, second);
    let text = asked(&place, &["task", "web.1", "why-not", "node-3"]);
    let table = [format!(" chosen   {chosen} "), format!(" next     {second} ")];
    for part in [
        &format!("web.1 is running on {chosen}, from "),
        &format!("It was placed on {chosen} at 0.05 s by spread, as task 1 of 6 that were placed\n"),
        &format!("Why: {second}, the runner-up, is equal; between equals chance decides, by the\n"),
        &table[0],
        &table[1],
        "Why not node-3? constraint not satisfied: node.labels.disk == d0.\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let text = asked(&place, &["task", "agent.node-2"]);
    assert!(text.contains("It belongs to node-2: no other node was asked, at 0.05 s.\n"), "{text}");
}

#[test]
fn a_wrong_question_is_answered_with_what_was_meant() {
    let place = Place::new("why-wrong");
    place.write("crowded.toml", CROWDED.as_bytes());
    for (words, says) in [
        (&["task", "wbe.1"][..], "error: no service `wbe` at 60s: did you mean `web`?\n"),
        (&["task", "web.7"], "error: service `web` has no such task at 60s: it has `web.1`, `web.2`,"),
        (&["task", "web"], "error: a task is named like `web.3`, or like `agent.node-1`"),
        (&["node", "web"], "error: expected `task NAME.SLOT` or `service NAME`, found `node`\n"),
        (&["task", "web.1", "why-not", "node-33"], "error: no node `node-33` at 60s: did you mean `node-3`?\n"),
        (&["task", "web.1", "--at", "2h"], "error: expected a time such as `90s` or `5m 12s`, found `2h`: the run"),
        (&["task", "web.1", "--at", "soon"], "error: expected a time such as `90s` or `5m 12s`, found `soon`: "),
        (&["task", "web.1", "--strategy", "spraed"], "error: "),
    ] {
        let output = place.simctl(&[&["why", "crowded.toml"], words].concat());
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(err(&output).starts_with(says), "{words:?}: {}", err(&output));
    }
}
