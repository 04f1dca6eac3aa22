//! RF: which nodes may take tasks at all, how refusals are explained, and when the scheduler looks.

use crate::swarm::*;

#[test]
fn rf_01_rf_02_a_task_waits_for_the_first_node() {
    let mut swarm = Swarm::new();
    swarm.create(service("web"));
    swarm.settle();
    assert_eq!(swarm.ps("web"), ["web.1#1 - Running/Pending"]);
    assert_eq!(swarm.why("web.1"), "no suitable node");
    swarm.add(node("a"));
    swarm.settle();
    assert_eq!(swarm.ps("web"), ["web.1#1 a Running/Running"]);
    assert_eq!(swarm.why("web.1"), "");
}

#[test]
fn rf_03_rf_04_rf_05_emptier_nodes_first_and_rewriting_a_node_changes_nothing() {
    let story = |rewrite: bool| {
        let mut swarm = Swarm::new();
        swarm.add_all(&["a", "b", "c"]);
        swarm.adopt(service("old"), &[(1, "a")]);
        swarm.create(service("one"));
        swarm.create(service("two"));
        swarm.settle();
        assert_eq!(swarm.spread("one"), [0, 1, 0]);
        assert_eq!(swarm.spread("two"), [0, 0, 1]);
        if rewrite {
            for name in ["a", "b", "c"] {
                swarm.label(name, &[]);
            }
            swarm.settle();
        }
        swarm.remove("old");
        swarm.settle();
        swarm.create(service("three"));
        swarm.settle();
        assert_eq!(swarm.place("three.1"), "a", "the node that was vacated has least");
        swarm.create(service("four").replicas(7));
        swarm.settle();
        swarm.spread("four")
    };
    assert_eq!(story(false), story(true));
}

#[test]
fn rf_07_a_node_that_came_down_and_went_is_no_node() {
    let mut swarm = Swarm::new();
    swarm.add(node("ghost").state(NodeState::Down));
    swarm.remove_node("ghost");
    swarm.create(service("web"));
    swarm.settle();
    assert_eq!(swarm.why("web.1"), "no suitable node");
}

#[test]
fn rf_08_rf_09_rf_10_rf_11_only_ready_nodes_take_new_tasks() {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b"]);
    swarm.create(service("old").replicas(4));
    swarm.settle();
    // RF-08
    swarm.add(node("empty"));
    swarm.create(service("one"));
    swarm.settle();
    assert_eq!(swarm.place("one.1"), "empty");
    // RF-09
    swarm.add(node("down").state(NodeState::Down));
    swarm.create(service("two"));
    swarm.settle();
    assert_eq!(swarm.place("two.1"), "empty");
    // RF-10
    swarm.up("down");
    swarm.create(service("three"));
    swarm.settle();
    assert_eq!(swarm.place("three.1"), "down");
    // RF-11: down before the scheduler looks.
    swarm.add(node("brief"));
    swarm.create(service("four"));
    swarm.after(millis(20));
    swarm.down("brief");
    swarm.settle();
    assert_eq!(swarm.place("four.1"), "down");
}

#[test]
fn rf_12_rf_13_nodes_that_take_no_new_tasks() {
    let unfit = [
        node("x").state(NodeState::Unknown),
        node("x").state(NodeState::Down),
        node("x").state(NodeState::Disconnected),
        node("x").availability(Availability::Pause),
        node("x").availability(Availability::Drain),
    ];
    for unfit in unfit {
        let mut swarm = Swarm::new();
        swarm.add(unfit);
        swarm.create(service("web"));
        swarm.settle();
        assert_eq!(swarm.why("web.1"), "no suitable node (1 node not available for new tasks)");
    }
}

#[test]
fn rf_13_tasks_on_a_paused_node_stay_counted() {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.create(service("web"));
    swarm.settle();
    swarm.pause("a");
    swarm.add(node("b"));
    swarm.settle();
    assert_eq!(swarm.ps("web"), ["web.1#1 a Running/Running"]);
    swarm.activate("a");
    swarm.create(service("next"));
    swarm.settle();
    assert_eq!(swarm.place("next.1"), "b", "a has a task already");
}

#[test]
fn rf_14_reasons_are_ordered_by_count() {
    let mut swarm = Swarm::new();
    swarm.add(node("small").cpus(1));
    swarm.add(node("b").state(NodeState::Unknown));
    swarm.add(node("c").state(NodeState::Unknown));
    swarm.create(service("web").cpus(2));
    swarm.settle();
    let text = "no suitable node (2 nodes not available for new tasks; insufficient resources on 1 node)";
    assert_eq!(swarm.why("web.1"), text);
    // Equal counts: in order of the filters.
    swarm.add(node("smaller").cpus(1));
    swarm.settle();
    let text = "no suitable node (2 nodes not available for new tasks; insufficient resources on 2 nodes)";
    assert_eq!(swarm.why("web.1"), text);
}

/// The node is made fit for one filter after the other; it is always charged to the first that refuses it. The last
/// filter, for cluster volumes, is not part of the core.
#[test]
fn rf_15_a_node_is_charged_to_the_first_filter_that_refuses_it() {
    let demanding = || {
        service("web")
            .cpus(2)
            .log_driver("journal")
            .constraint("node.labels.zone==x")
            .platform("linux", "amd64")
            .host_port(80, Protocol::Tcp)
            .max_per_node(1)
    };
    let able = || node("a").plugin(PluginKind::Log, "journal");
    let linux = || able().label("zone", "x").platform("linux", "x86_64");
    let steps = [
        (
            node("a").cpus(1).plugin(PluginKind::Log, "file").availability(Availability::Pause),
            "1 node not available for new tasks",
        ),
        (node("a").cpus(1).plugin(PluginKind::Log, "file"), "insufficient resources on 1 node"),
        (node("a").plugin(PluginKind::Log, "file"), "missing plugin on 1 node"),
        (able(), "scheduling constraints not satisfied on 1 node"),
        (able().label("zone", "x"), "unsupported platform on 1 node"),
        (linux(), "host-mode port already in use on 1 node"),
    ];
    for (refused, reason) in steps {
        let mut swarm = Swarm::new();
        swarm.add(refused);
        // Has the port, and one task of the service is there already.
        swarm.adopt(demanding().replicas(2), &[(1, "a")]);
        swarm.settle();
        assert_eq!(swarm.why("web.2"), format!("no suitable node ({reason})"));
    }
    let mut swarm = Swarm::new();
    swarm.add(linux());
    swarm.adopt(service("web").max_per_node(1).replicas(2), &[(1, "a")]);
    swarm.settle();
    assert_eq!(swarm.why("web.2"), "no suitable node (max replicas per node limit exceed)");
}

#[test]
fn rf_16_a_waiting_task_goes_with_its_service() {
    let mut swarm = Swarm::new();
    swarm.create(service("web"));
    swarm.settle();
    swarm.remove("web");
    swarm.settle();
    assert!(swarm.ps("web").is_empty());
    swarm.add(node("a"));
    swarm.settle();
    assert!(swarm.ps("web").is_empty());
    assert!(!swarm.log.iter().any(|(_, command)| matches!(command, Command::Assign { .. })));
}

/// A task that nobody wants any more is gone before it could take a place; others are placed as ever. Until it is gone it
/// can get a place: only a scheduler that starts looks at what is wanted. Its agent then stops it.
#[test]
fn rf_17_unwanted_waiting_tasks_are_in_nobodys_way() {
    let mut swarm = Swarm::new();
    swarm.create(service("gone").cpus(1));
    swarm.create(service("web").cpus(1));
    swarm.settle();
    swarm.remove("gone");
    swarm.settle();
    assert!(swarm.ps("gone").is_empty());
    swarm.add(node("a").cpus(1));
    swarm.settle();
    assert_eq!(swarm.ps("web"), ["web.1#1 a Running/Running"]);
    // Bound to a node from the start, where it does not fit.
    swarm.create(service("all").global().cpus(1));
    swarm.create(service("late").cpus(2));
    swarm.settle();
    assert_eq!(swarm.ps("all"), ["all.a#1 a Running/Pending"]);
    swarm.remove("all");
    swarm.settle();
    assert!(swarm.ps("all").is_empty());
    // The node joins before the reaper comes.
    swarm.remove("late");
    swarm.add(node("b").cpus(2));
    let begin = swarm.now();
    swarm.after(millis(60));
    let assigned = swarm.log.iter().rfind(|(_, command)| matches!(command, Command::Assign { .. }));
    assert_eq!(assigned.expect("it was").0, begin + millis(50));
    assert_eq!(swarm.ps("late"), ["late.1#1 b Remove/Shutdown"]);
    swarm.settle();
    assert!(swarm.ps("late").is_empty());
}

#[test]
fn rf_18_the_scheduler_ends_an_outdated_task_that_never_had_a_place() {
    let mut swarm = Swarm::with_history(-1);
    swarm.add(node("a"));
    swarm.create(service("web").cpus(99));
    swarm.settle();
    assert_eq!(swarm.why("web.1"), "no suitable node (insufficient resources on 1 node)");
    swarm.update("web", |service| service.cpus(1));
    swarm.settle();
    assert_eq!(swarm.ps("web"), ["web.1#1 - Shutdown/Shutdown", "web.1#2 a Running/Running"]);
    assert_eq!(swarm.why("web.1#1"), "");
}

/// moby#53722: an update that changes nothing loses the tasks that wait, at the next pass that cannot place them.
#[test]
fn rf_19_a_waiting_task_is_forgotten_after_a_harmless_update() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").cpus(1));
    swarm.create(service("web").cpus(2));
    swarm.settle();
    swarm.touch("web");
    swarm.add(node("b").cpus(1));
    swarm.settle();
    assert_eq!(swarm.why("web.1"), "no suitable node (insufficient resources on 1 node)", "not rewritten");
    swarm.add(node("c"));
    swarm.settle();
    assert_eq!(swarm.ps("web"), ["web.1#1 - Running/Pending"], "not tried again");
    swarm.create(service("other").cpus(2));
    swarm.settle();
    assert_eq!(swarm.place("other.1"), "c", "there would be room");
    swarm.update("web", ServiceBuilder::force);
    swarm.settle();
    assert_eq!(swarm.live("web"), ["web.1#2 c Running/Running"]);
}

#[test]
fn rf_20_a_pass_comes_after_50_ms_of_silence_or_a_second_of_noise() {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.settle();
    let begin = swarm.now();
    swarm.create(service("quiet"));
    swarm.settle();
    assert_eq!(swarm.assigned_at("quiet.1"), begin + millis(50));

    let begin = swarm.now();
    swarm.create(service("noisy"));
    for _ in 0..150 {
        swarm.after(millis(10));
        swarm.label("a", &[("noise", "on")]);
    }
    assert_eq!(swarm.assigned_at("noisy.1"), begin + millis(1010), "the first change after more than a second");
}

#[test]
fn rf_21_tasks_wait_for_their_networks_first() {
    let mut swarm = Swarm::with_external_allocation();
    swarm.add(node("a"));
    swarm.create(service("web"));
    swarm.settle();
    assert_eq!(swarm.ps("web"), ["web.1#1 - Running/New"]);
    assert_eq!(swarm.why("web.1"), "");
    swarm.allocated("web.1");
    swarm.settle();
    assert_eq!(swarm.ps("web"), ["web.1#1 a Running/Running"]);
}
