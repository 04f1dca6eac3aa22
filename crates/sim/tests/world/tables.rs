//! What the tables of services, updates, pending tasks, orders and nodes say of small runs.

use super::*;

/// Three nodes of 4 CPUs in two racks; `web` wants one CPU for each replica.
fn small(events: &str) -> Outcome {
    run(&told(&format!(
        r#"
        duration = "10m"
        [[pool]]
        name = "n"
        count = 3
        cpus = 4
        labels = {{ rack = "r{{i%2}}", disk = "ssd" }}
        [[image]]
        name = "web:1"
        size = "10MB"
        [[image]]
        name = "web:2"
        size = "10MB"
        [[image]]
        name = "bad:1"
        size = "10MB"
        exits = {{ after = "1s", code = 1 }}
        [[service]]
        name = "web"
        image = "web:1"
        replicas = 6
        reserve = {{ cpus = 1 }}
        {events}
        "#
    )))
}

#[test]
fn an_update_is_told_step_by_step_in_the_words_of_docker() {
    let outcome = small(
        "[[event]]\nat = \"100s\"\nupdate_image = { web = \"web:2\" }\n[[event]]\nat = \"300s\"\nrollback = \"web\"",
    );
    let steps: Vec<(u64, &str, &str)> =
        outcome.updates.iter().map(|row| (row.update, row.state.as_str(), row.message.as_str())).collect();
    let expected = [
        (1, "updating", "update in progress"),
        (1, "completed", "update completed"),
        (2, "rollback_started", "manually requested rollback"),
        (2, "rollback_completed", "rollback completed"),
    ];
    assert_eq!(steps, expected);
    assert_eq!((outcome.updates[0].time_s, outcome.updates[2].time_s), (100.0, 300.0));
    let web = &outcome.services[0];
    assert_eq!((web.updates, web.update_state.as_str()), (2, "rollback_completed"));
    near(web.update_s.unwrap(), outcome.updates[3].time_s - 300.0, 1e-9);
    assert_eq!(web.restarts, 0, "an update restarts nothing");
    // Every slot had both images, and the first again.
    let of_slot = |slot: &str| -> Vec<(&str, u32)> {
        let tasks = outcome.tasks.iter().filter(|task| task.name.starts_with(slot));
        tasks.map(|task| (task.image.as_str(), task.specification)).collect()
    };
    assert_eq!(of_slot("web.1#"), [("web:1", 1), ("web:2", 2), ("web:1", 3)]);
}

#[test]
fn an_update_that_fails_is_paused_and_says_why() {
    let broken = small("[[event]]\nat = \"100s\"\nupdate_image = { web = \"bad:1\" }");
    let steps: Vec<&str> = broken.updates.iter().map(|row| row.state.as_str()).collect();
    assert_eq!(steps, ["updating", "paused"]);
    assert_eq!(broken.services[0].update_state, "paused", "{:?}", broken.updates);
    assert!(broken.updates[1].message.starts_with("update paused due to failure or early termination of task"));
}

#[test]
fn what_waits_for_a_node_has_its_reasons_with_their_time() {
    let outcome =
        small("[[event]]\nat = \"100s\"\nscale = { web = 14 }\n[[event]]\nat = \"200s\"\nscale = { web = 12 }");
    let web = &outcome.services[0];
    // Two of fourteen find no CPU for a hundred seconds.
    assert_eq!(web.pending_max, 8, "all that are new wait for a moment");
    assert_eq!(web.pending_reason, "no suitable node (insufficient resources on 3 nodes)");
    let [row] = &outcome.pending[..] else { panic!("{:?}", outcome.pending) };
    assert_eq!((row.tasks_max, row.open, row.service.as_str()), (2, 0, "web"));
    near(row.seconds, 200.0, 1.0);
    near(row.last_s, 200.0, 0.1);
    assert!(row.seconds <= web.pending_s, "{} of {}", row.seconds, web.pending_s);
    near(is(&outcome, "pending_mean") * 600.0, web.pending_s, 1e-6);
    assert_eq!(web.missing_max, 8);
    assert!(web.time_to_running_max_s >= web.time_to_running_p50_s && web.time_to_running_p50_s.is_some());
}

#[test]
fn orders_have_words_and_answers() {
    let outcome = small(
        r#"
        [[pool]]
        name = "m"
        role = "manager"
        [[event]]
        at = "100s"
        demote = "m"
        [[event]]
        at = "150s"
        scale = { web = 7 }
        [[event]]
        at = "200s"
        kill = { web = 2 }
        [[event]]
        at = "300s"
        drain = "rack=r0"
        "#,
    );
    let rows: Vec<(f64, &str, &str, bool, &str)> = outcome
        .orders
        .iter()
        .map(|row| (row.time_s, row.by.as_str(), row.order.as_str(), row.is_refused, row.answer.as_str()))
        .collect();
    let expected = [
        (0.0, "deployment", "service create web", false, ""),
        (100.0, "script", "node demote m", true, "attempting to demote the last manager of the swarm"),
        (150.0, "script", "service scale web=7", false, ""),
        (200.0, "script", "kill (2 of web)", false, "2 containers"),
        (300.0, "script", "node update --availability drain n-1 n-3", false, ""),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn nodes_have_labels_capacity_and_what_is_reserved_and_held() {
    let outcome = small(
        "[[event]]\nat = \"100s\"\nscale = { web = 12 }\n[[event]]\nat = \"200s\"\nscale = { web = 3 }\n[[event]]\nat = \"300s\"\nnode_labels = { nodes = \"n-1\", set = { rack = \"r9\" } }",
    );
    let racks: Vec<&str> = outcome.nodes.iter().map(|node| node.rack.as_str()).collect();
    assert_eq!(racks, ["r9", "r1", "r0"], "as they are at the end");
    assert_eq!(outcome.nodes[0].labels, "disk=ssd rack=r9");
    for node in &outcome.nodes {
        assert_eq!((node.cpus, node.cpu_reserved, node.cpu_reserved_max, node.images), (4.0, 0.25, 1.0, 1), "{node:?}");
    }
}
