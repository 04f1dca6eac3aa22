//! RC: replicated services, their slots, and what makes a task out of date.

use crate::swarm::*;

#[test]
fn rc_01_rc_02_as_many_tasks_as_replicas() {
    let mut swarm = Swarm::new();
    swarm.create(service("web").replicas(2));
    assert_eq!(swarm.ps("web"), ["web.1#1 - Running/Pending", "web.2#1 - Running/Pending"]);
    swarm.create(service("one"));
    swarm.scale("one", 3);
    assert_eq!(swarm.ps("one").len(), 3);
    assert_eq!(swarm.created("one"), 3);
}

#[test]
fn rc_03_scaling_down_removes_and_does_not_shut_down() {
    let mut swarm = Swarm::new();
    swarm.stop = secs(5);
    swarm.add(node("a"));
    swarm.create(service("web").replicas(3));
    swarm.settle();
    swarm.scale("web", 1);
    let rows = ["web.1#1 a Running/Running", "web.2#1 a Remove/Running", "web.3#1 a Remove/Running"];
    assert_eq!(swarm.ps("web"), rows);
    swarm.after(secs(6));
    assert_eq!(swarm.ps("web"), ["web.1#1 a Running/Running"]);
}

#[test]
fn rc_05_a_removed_service_takes_all_its_records_with_it() {
    let mut swarm = Swarm::new();
    swarm.stop = secs(5);
    swarm.add(node("a"));
    swarm.create(service("web").replicas(2).attempts(1).delay(Span::ZERO));
    swarm.settle();
    swarm.fail("web.1");
    swarm.settle();
    swarm.fail("web.1");
    swarm.settle();
    assert_eq!(swarm.ps("web").len(), 3, "two that failed and one that runs");
    swarm.create(service("huge").cpus(99));
    swarm.settle();
    swarm.remove("web");
    swarm.remove("huge");
    assert!(swarm.ps("web").iter().all(|row| row.contains(" Remove/")));
    swarm.after(millis(250));
    assert_eq!(swarm.ps("web"), ["web.2#1 a Remove/Running"], "what had ended goes at once");
    assert!(swarm.ps("huge").is_empty(), "and what never had a node");
    swarm.after(secs(6));
    assert!(swarm.ps("web").is_empty());
    // The restart history went too: the next service of that name has its own attempts.
    swarm.create(service("web").attempts(1).delay(Span::ZERO));
    swarm.settle();
    swarm.fail("web.1");
    swarm.settle();
    assert_eq!(swarm.running("web"), 1);
}

#[test]
fn rc_06_the_task_without_a_node_goes_first() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").cpus(6));
    // The one that does not fit is in the middle of the slots.
    swarm.adopt(service("web").replicas(7).cpus(1), &[(1, "a"), (2, "a"), (4, "a"), (5, "a"), (6, "a"), (7, "a")]);
    swarm.settle();
    assert_eq!(swarm.place("web.3"), "-");
    swarm.scale("web", 6);
    swarm.settle();
    assert!(!swarm.has("web.3#1"));
    assert_eq!(swarm.running("web"), 6);
}

#[test]
fn rc_07_rc_08_rc_09_scaling_down_evens_out() {
    let mut swarm = Swarm::without_agents();
    swarm.add_all(&["a", "b", "c"]);
    swarm.adopt(service("web").replicas(6), &[(2, "b"), (3, "b"), (4, "c"), (5, "c"), (6, "c")]);
    swarm.settle();
    assert_eq!(swarm.place("web.1"), "a");
    swarm.report("web.1", TaskState::Starting);
    // RC-07
    swarm.scale("web", 4);
    let kept = ["web.1#1 a Running/Starting", "web.2#1 b Running/Running", "web.3#1 b Running/Running"];
    assert_eq!(swarm.live("web"), [&kept[..], &["web.4#1 c Running/Running"]].concat());
    // RC-08: the first copy that does not run yet is less than the first copies that do.
    swarm.scale("web", 2);
    assert_eq!(swarm.live("web"), ["web.2#1 b Running/Running", "web.4#1 c Running/Running"]);
    // RC-09: lower slots are kept.
    swarm.scale("web", 1);
    assert_eq!(swarm.live("web"), ["web.2#1 b Running/Running"]);
}

#[test]
fn rc_09_a_slot_in_the_middle_of_a_hand_over_goes_first() {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b", "c"]);
    let order = UpdateOrder::StartFirst;
    swarm.create(service("web").replicas(3).updating(UpdateConfig { order, ..UpdateConfig::default() }));
    swarm.settle();
    swarm.prepare = secs(60);
    swarm.update("web", |service| service.image("v2"));
    swarm.settle();
    assert_eq!(swarm.ps("web").len(), 4, "slot 1 has two");
    swarm.scale("web", 2);
    assert!(swarm.live("web").iter().all(|row| !row.starts_with("web.1#")));
}

#[test]
fn rc_10_scaling_up_fills_the_holes() {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.adopt(service("web").replicas(4), &[(2, "a"), (5, "a")]);
    swarm.settle();
    let slots: Vec<String> = swarm.ps("web").iter().map(|row| row[..5].to_owned()).collect();
    assert_eq!(slots, ["web.1", "web.2", "web.3", "web.5"]);
    // Tasks that are on their way out stay in the slots that are filled again.
    swarm.stop = secs(30);
    swarm.scale("web", 1);
    swarm.settle();
    swarm.scale("web", 3);
    swarm.settle();
    assert_eq!(swarm.running("web"), 3);
    let rows = swarm.ps("web");
    assert!(rows.contains(&"web.2#1 a Remove/Running".to_owned()), "{rows:?}");
    assert!(rows.contains(&"web.2#2 a Running/Running".to_owned()), "{rows:?}");
}

#[test]
fn rc_24_any_further_change_deletes_what_is_still_stopping() {
    let mut swarm = Swarm::new();
    swarm.stop = secs(30);
    swarm.add(node("a"));
    swarm.create(service("web").replicas(3));
    swarm.settle();
    swarm.scale("web", 1);
    swarm.settle();
    assert_eq!(swarm.ps("web").len(), 3);
    swarm.touch("web");
    assert_eq!(swarm.ps("web"), ["web.1#1 a Running/Running"]);
}

/// RC-11 and RC-12 as they happen under one manager: the task of a slot ends, one takes its place.
#[test]
fn rc_12_only_the_slot_that_failed_is_touched() {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b"]);
    swarm.create(service("web").replicas(2));
    swarm.start = secs(60);
    swarm.settle();
    swarm.fail("web.1");
    let rows = ["web.1#1 a Shutdown/Failed", "web.1#2 - Ready/Pending", "web.2#1 b Running/Starting"];
    assert_eq!(swarm.ps("web"), rows);
}

#[test]
fn rc_13_a_task_on_a_node_that_goes_down_is_replaced() {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b"]);
    swarm.create(service("web"));
    swarm.settle();
    swarm.down("a");
    swarm.settle();
    assert_eq!(swarm.ps("web"), ["web.1#1 a Shutdown/Running", "web.1#2 b Ready/Ready"]);
}

/// How many tasks were created for a service of two, on a node with zone x, when an update has gone as far as it can.
#[test]
fn what_makes_a_task_out_of_date() {
    type Change = fn(ServiceBuilder) -> ServiceBuilder;
    let cases: [(&str, Change, usize); 15] = [
        ("RC-16", |service| service, 2),
        ("RC-17", |service| service.constraint("node.labels.zone == x"), 2),
        ("RC-17", |service| service.unconstrained(), 2),
        ("RC-17", |service| service.spread_over("node.labels.zone"), 2),
        ("RC-17", |service| service.max_per_node(1), 2),
        // The first replacement has no place to go, and the second has to wait for it.
        ("RC-18", |service| service.constraint("node.labels.zone == y"), 3),
        ("RC-20", |service| service.image("v2"), 4),
        ("RC-20", ServiceBuilder::force, 4),
        ("RC-20", |service| service.cpus(1), 4),
        ("RC-20", |service| service.host_port(0, Protocol::Tcp), 4),
        ("RC-20", |service| service.restart(RestartCondition::OnFailure), 4),
        ("RC-21", |service| service.replicas(2), 2),
        ("RC-21", |service| service.updating(UpdateConfig::default()), 2),
        ("RC-21", |service| service.constraint("node.labels.zone == x").image("v2"), 4),
        ("RC-21", |service| service.unconstrained().image("v2"), 4),
    ];
    for (case, change, created) in cases {
        let mut swarm = Swarm::new();
        swarm.add(node("a").label("zone", "x"));
        swarm.create(service("web").replicas(2).constraint("node.role == worker"));
        swarm.settle();
        swarm.update("web", change);
        swarm.after(secs(20));
        assert_eq!(swarm.created("web"), created, "{case}: {:?}", swarm.ps("web"));
        let state = match created {
            2 => None,
            3 => Some(UpdateState::Updating),
            _ => Some(UpdateState::Completed),
        };
        assert_eq!(swarm.update_state("web"), state, "{case}");
    }
}

/// The API does not let a bad list in. One that came past it counts as no constraint at all.
#[test]
fn rc_19_a_list_that_does_not_parse() {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.create(service("web"));
    swarm.settle();
    let refused = swarm.try_update("web", |service| service.constraint("node.labels.zone"));
    assert_eq!(refused, Err("constraint expected one operator from ==, !=".into()));
    swarm.create_unchecked(service("bad").constraint("node.labels.zone == x").constraint("nonsense"));
    swarm.settle();
    swarm.label("a", &[("zone", "y")]);
    swarm.settle();
    assert_eq!(swarm.ps("bad"), ["bad.1#1 a Running/Running"]);
}
