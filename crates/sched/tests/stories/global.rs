//! GL: global services.

use crate::swarm::*;

/// A global service on these nodes, running.
fn everywhere(names: &[&str]) -> Swarm {
    let mut swarm = Swarm::new();
    swarm.add_all(names);
    swarm.create(service("all").global().delay(Span::ZERO));
    swarm.settle();
    swarm
}

#[test]
fn gl_01_gl_02_gl_03_one_task_per_node() {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.create(service("all").global());
    assert_eq!(swarm.ps("all"), ["all.a#1 a Running/Pending"], "bound to its node from the start");
    swarm.add(node("b"));
    assert_eq!(swarm.ps("all")[1], "all.b#1 b Running/Pending");
    swarm.settle();
    assert_eq!(swarm.running("all"), 2);
    swarm.remove_node("a");
    assert_eq!(swarm.ps("all"), ["all.b#1 b Running/Running"], "the record goes with the node");
}

#[test]
fn gl_04_gl_05_gl_07_drained_and_lost_nodes() {
    type Act = fn(&mut Swarm);
    let cases: [(&str, Act, Act); 2] = [
        ("GL-04", |swarm| swarm.drain("a"), |swarm| swarm.activate("a")),
        ("GL-07", |swarm| swarm.down("a"), |swarm| swarm.up("a")),
    ];
    for (case, lose, regain) in cases {
        let mut swarm = everywhere(&["a", "b"]);
        lose(&mut swarm);
        assert_eq!(swarm.desired("all.a#1"), DesiredState::Shutdown, "{case}");
        swarm.update("all", |service| service.image("v2"));
        swarm.after(secs(20));
        assert!(!swarm.has("all.a#2"), "{case}");
        assert_eq!(swarm.running("all"), 1, "{case}");
        regain(&mut swarm);
        assert_eq!(swarm.ps("all")[1], "all.a#2 a Running/Pending", "{case}: without any delay");
        swarm.settle();
        assert_eq!(swarm.running_image("all", "v2"), 2, "{case}");
    }
}

#[test]
fn gl_06_gl_19_a_paused_node_is_left_alone() {
    let mut swarm = everywhere(&["a", "b"]);
    swarm.pause("a");
    swarm.update("all", |service| service.image("v2"));
    swarm.after(secs(20));
    assert_eq!(swarm.running_image("all", "v1"), 1);
    let status = swarm.updates("all");
    assert_eq!(swarm.update_state("all"), Some(UpdateState::Completed));
    // GL-19: outside of any rolling update.
    swarm.activate("a");
    swarm.settle();
    assert_eq!(swarm.running_image("all", "v2"), 2);
    assert_eq!(swarm.updates("all"), status);
    // GL-06
    swarm.pause("a");
    swarm.fail("all.a");
    swarm.after(secs(20));
    assert_eq!(swarm.desired("all.a"), DesiredState::Shutdown);
    assert_eq!(swarm.live("all"), ["all.b#2 b Running/Running"]);
    swarm.update("all", |service| service.image("v3"));
    swarm.after(secs(20));
    assert_eq!(swarm.running("all"), 1);
    assert!(!swarm.has("all.a#3"));
}

#[test]
fn gl_08_gl_09_gl_16_services_do_not_disturb_each_other() {
    let mut swarm = everywhere(&["a", "b"]);
    swarm.create(service("more").global().delay(Span::ZERO));
    swarm.settle();
    assert_eq!((swarm.spread("all"), swarm.spread("more")), (vec![1, 1], vec![1, 1]));
    // GL-16
    let more = swarm.ps("more");
    swarm.update("all", |service| service.image("v2"));
    swarm.after(secs(20));
    assert_eq!(swarm.ps("more"), more);
    let all = swarm.ps("all");
    swarm.fail("more.a");
    swarm.after(secs(20));
    assert_eq!(swarm.ps("all"), all);
    assert_eq!(swarm.live("more"), ["more.a#2 a Running/Running", "more.b#1 b Running/Running"]);
    // GL-09
    swarm.stop = secs(5);
    swarm.remove("more");
    assert!(swarm.ps("more").iter().all(|row| row.contains(" Remove/")));
    swarm.after(secs(6));
    assert!(swarm.ps("more").is_empty());
    assert_eq!(swarm.ps("all"), all);
}

#[test]
fn gl_11_gl_14_a_failed_task_is_replaced_on_its_node() {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b"]);
    swarm.create(service("all").global().delay(millis(500)));
    swarm.settle();
    let begin = swarm.now();
    swarm.fail("all.a");
    assert_eq!(swarm.ps("all")[..2], ["all.a#1 a Shutdown/Failed", "all.a#2 a Ready/Pending"]);
    swarm.settle();
    assert_eq!(swarm.desired_at("all.a#2", DesiredState::Running), begin + millis(500));
    assert_eq!(swarm.running("all"), 2);
}

#[test]
fn gl_12_without_restarts_only_a_real_update_helps() {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.create(service("all").global().restart(RestartCondition::None));
    swarm.settle();
    swarm.fail("all.a");
    swarm.after(secs(20));
    swarm.touch("all");
    swarm.after(secs(20));
    assert_eq!(swarm.created("all"), 1);
    swarm.update("all", ServiceBuilder::force);
    swarm.after(secs(20));
    assert_eq!(swarm.live("all"), ["all.a#2 a Running/Running"]);
}

#[test]
fn gl_13_a_replacement_that_is_rejected_is_replaced_when_its_delay_is_over() {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.create(service("all").global());
    swarm.settle();
    swarm.doom("all.a#2", Fate::FailsToPrepare);
    let begin = swarm.now();
    swarm.fail("all.a");
    swarm.after(secs(4));
    assert_eq!(swarm.ps("all").last().map(String::as_str), Some("all.a#2 a Ready/Rejected"));
    swarm.after(secs(10));
    assert_eq!(swarm.created_at("all.a#3"), begin + secs(5));
    assert_eq!(swarm.desired_at("all.a#3", DesiredState::Running), begin + secs(10));
}

#[test]
fn gl_15_of_two_tasks_on_a_node_one_goes() {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.adopt(service("all").global(), &[(0, "a"), (0, "a")]);
    swarm.after(secs(20));
    assert_eq!(swarm.running("all"), 1);
    assert_eq!(swarm.created("all"), 2);
}

#[test]
fn gl_17_what_is_taken_over_on_a_drained_node_is_shut_down() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").availability(Availability::Drain));
    swarm.add(node("b"));
    swarm.adopt(service("all").global(), &[(0, "a"), (0, "b")]);
    swarm.settle();
    assert_eq!(swarm.desired("all.a#1"), DesiredState::Shutdown);
    assert_eq!(swarm.live("all"), ["all.b#1 b Running/Running"]);
    assert_eq!(swarm.created("all"), 2);
}

#[test]
fn gl_18_where_constraints_fail_the_task_ends() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").label("zone", "x"));
    swarm.add(node("b").label("zone", "y"));
    swarm.create(service("all").global().delay(Span::ZERO).constraint("node.labels.zone != z"));
    swarm.settle();
    swarm.label("a", &[("zone", "z")]);
    swarm.after(secs(20));
    assert_eq!(swarm.state("all.a#1"), TaskState::Rejected);
    assert_eq!(swarm.live("all"), ["all.b#1 b Running/Running"]);
    // Constraints that change instead of the node: shut down, not rejected.
    swarm.label("a", &[("zone", "x")]);
    swarm.settle();
    assert_eq!(swarm.running("all"), 2);
    swarm.update("all", |service| service.unconstrained().constraint("node.labels.zone == x"));
    swarm.after(secs(20));
    assert_eq!((swarm.desired("all.b#1"), swarm.state("all.b#1")), (DesiredState::Shutdown, TaskState::Shutdown));
    assert_eq!(swarm.running("all"), 1);
}

#[test]
fn gl_20_gl_21_bound_tasks_come_first_and_stay_where_they_are() {
    let mut swarm = Swarm::new();
    swarm.create(service("web").replicas(2).cpus(2));
    swarm.create(service("all").global().cpus(2));
    swarm.settle();
    swarm.add(node("a").cpus(3));
    swarm.settle();
    assert_eq!((swarm.running("all"), swarm.running("web")), (1, 0), "the bound one was first");
    // GL-21: it does not fit and holds nothing while it waits.
    swarm.add(node("b").cpus(1));
    swarm.settle();
    assert_eq!(swarm.ps("all")[1], "all.b#1 b Running/Pending");
    assert_eq!(swarm.why("all.b"), "insufficient resources on 1 node");
    swarm.create(service("small").cpus(1).constraint("node.id == b"));
    swarm.settle();
    assert_eq!(swarm.running("small"), 1);
    swarm.resize(node("b").cpus(3));
    swarm.settle();
    assert_eq!(swarm.live("all"), ["all.a#1 a Running/Running", "all.b#1 b Running/Running"]);
}
