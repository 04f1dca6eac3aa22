//! CE: tasks whose node changed so that it may not have them any more.

use crate::swarm::*;

const NO_LONGER: &str = "assigned node no longer meets constraints";

#[test]
fn ce_01_ce_02_ce_03_a_role_changes() {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.add(node("m").manager());
    swarm.create(service("free"));
    swarm.create(service("job").job(1, 1));
    swarm.create(service("worker").constraint("node.role == worker"));
    swarm.create(service("manager").constraint("node.role == manager"));
    swarm.settle();
    let untouched = [swarm.ps("free"), swarm.ps("job")];
    swarm.promote("a", Role::Manager);
    assert_eq!(swarm.state("worker.1#1"), TaskState::Rejected);
    assert_eq!(swarm.why("worker.1#1"), NO_LONGER);
    swarm.promote("m", Role::Worker);
    assert_eq!(swarm.state("manager.1#1"), TaskState::Rejected);
    // Then their policy decides.
    swarm.after(secs(10));
    assert_eq!((swarm.place("worker.1"), swarm.place("manager.1")), ("m", "a"));
    assert_eq!([swarm.ps("free"), swarm.ps("job")], untouched);
}

#[test]
fn ce_01_the_policy_of_a_rejected_task_decides() {
    for (condition, created) in [(RestartCondition::None, 1), (RestartCondition::OnFailure, 2)] {
        let mut swarm = Swarm::new();
        swarm.add(node("a").label("zone", "x"));
        swarm.create(service("web").restart(condition).constraint("node.labels.zone == x"));
        swarm.settle();
        swarm.label("a", &[]);
        swarm.after(secs(10));
        assert_eq!(swarm.created("web"), created, "{condition:?}");
    }
}

#[test]
fn ce_04_ce_06_less_memory_than_is_held() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").memory(3000 * MB));
    swarm.create(service("done").job(1, 1).memory(2000 * MB));
    swarm.settle();
    swarm.complete("done.0");
    swarm.create(service("web").memory(1000 * MB));
    swarm.settle();
    swarm.resize(node("a").memory(1000 * MB));
    assert_eq!(swarm.state("web.1#1"), TaskState::Running, "CE-06: the completed one holds nothing");
    swarm.resize(node("a").memory(900 * MB));
    assert_eq!((swarm.state("web.1#1"), swarm.why("web.1#1")), (TaskState::Rejected, NO_LONGER));
    // A bound task that waits on its node is judged like others.
    let mut swarm = Swarm::new();
    swarm.add(node("a").memory(1000 * MB).cpus(1));
    swarm.create(service("all").global().memory(900 * MB).cpus(9));
    swarm.settle();
    assert_eq!(swarm.state("all.a#1"), TaskState::Pending);
    swarm.resize(node("a").memory(800 * MB).cpus(1));
    assert_eq!(swarm.state("all.a#1"), TaskState::Rejected);
}

#[test]
fn ce_07_the_service_decides_not_what_its_task_was_created_with() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").label("zone", "x"));
    swarm.create(service("web"));
    swarm.settle();
    swarm.update("web", |service| service.constraint("node.labels.zone == x"));
    swarm.settle();
    assert_eq!(swarm.created("web"), 1, "still up to date");
    swarm.label("a", &[]);
    assert_eq!(swarm.state("web.1#1"), TaskState::Rejected);
}

#[test]
fn ce_08_ce_09_units_that_are_gone() {
    type Change = fn(NodeBuilder) -> NodeBuilder;
    let cases: [(&str, Change, bool); 5] = [
        ("CE-08", |node| node.named("gpu", &["y"]).count("apple", 5), true),
        ("CE-08", |node| node.named("gpu", &["x"]).count("apple", 5), false),
        ("CE-09", |node| node.named("gpu", &["x"]).count("apple", 3), true),
        ("CE-09", |node| node.named("gpu", &["x"]).count("apple", 4), false),
        ("CE-09", |node| node.named("gpu", &["x"]), true),
    ];
    for (case, change, rejected) in cases {
        let mut swarm = Swarm::new();
        swarm.add(node("a").named("gpu", &["x", "y"]).count("apple", 5));
        swarm.create(service("web").count("gpu", 1).count("apple", 4));
        swarm.settle();
        swarm.resize(change(node("a")));
        assert_eq!(swarm.state("web.1#1") == TaskState::Rejected, rejected, "{case}");
    }
}

#[test]
fn ce_10_nodes_that_are_not_active_are_not_looked_at() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").label("zone", "x"));
    swarm.create(service("web").constraint("node.labels.zone == x"));
    swarm.settle();
    swarm.pause("a");
    swarm.label("a", &[]);
    swarm.settle();
    assert_eq!(swarm.ps("web"), ["web.1#1 a Running/Running"]);
    swarm.drain("a");
    swarm.settle();
    assert_eq!(swarm.state("web.1#1"), TaskState::Shutdown, "not rejected");
    // Active again, it is looked at.
    let mut swarm = Swarm::new();
    swarm.add(node("a").label("zone", "x"));
    swarm.create(service("web").constraint("node.labels.zone == x"));
    swarm.settle();
    swarm.pause("a");
    swarm.label("a", &[]);
    swarm.activate("a");
    assert_eq!(swarm.state("web.1#1"), TaskState::Rejected);
}

/// Those that were assigned first stay, as far as there is room; a later one that is smaller may stay, too.
#[test]
fn ce_11_the_newest_go_first() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").cpus(10));
    for (name, cpus) in [("first", 4), ("second", 4), ("third", 2)] {
        swarm.create(service(name).cpus(cpus));
        swarm.settle();
    }
    swarm.resize(node("a").cpus(7));
    let states = ["first.1#1", "second.1#1", "third.1#1"].map(|task| swarm.state(task));
    assert_eq!(states, [TaskState::Running, TaskState::Rejected, TaskState::Running]);
    // As in SwarmKit nothing behind a task whose units are gone is looked at in that pass.
    let mut swarm = Swarm::new();
    swarm.add(node("a").cpus(10).count("apple", 4));
    swarm.create(service("first").count("apple", 3));
    swarm.settle();
    swarm.create(service("second").cpus(8));
    swarm.settle();
    swarm.resize(node("a").cpus(7));
    let states = ["first.1#1", "second.1#1"].map(|task| swarm.state(task));
    assert_eq!(states, [TaskState::Rejected, TaskState::Running]);
    swarm.label("a", &[]);
    assert_eq!(swarm.state("second.1#1"), TaskState::Rejected, "in the next one it is");
}
