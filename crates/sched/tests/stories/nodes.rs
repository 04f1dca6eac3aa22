//! DR: what becomes of tasks when nodes drain, go down, return or leave.

use crate::swarm::*;

/// One task on each of five nodes, one without a node, by constraint.
fn six(condition: RestartCondition) -> Swarm {
    let mut swarm = Swarm::new();
    for name in ["ready", "down", "unknown", "pause", "drain"] {
        let state = if name == "unknown" { NodeState::Unknown } else { NodeState::Ready };
        swarm.add(node(name).cpus(1).state(state));
    }
    let web = service("web").replicas(6).cpus(1).restart(condition);
    swarm.adopt(web, &[(1, "ready"), (2, "down"), (3, "unknown"), (4, "pause"), (5, "drain")]);
    swarm.settle();
    swarm.pause("pause");
    swarm.down("down");
    swarm.drain("drain");
    swarm
}

#[test]
fn dr_01_dr_05_only_nodes_that_are_down_or_drained_lose_their_tasks() {
    for condition in [RestartCondition::Any, RestartCondition::None] {
        let mut swarm = six(condition);
        for (slot, desired) in [
            (1, DesiredState::Running),
            (2, DesiredState::Shutdown),
            (3, DesiredState::Running),
            (4, DesiredState::Running),
            (5, DesiredState::Shutdown),
            (6, DesiredState::Running),
        ] {
            assert_eq!(swarm.desired(&format!("web.{slot}#1")), desired, "{condition:?} {slot}");
        }
        swarm.after(secs(20));
        assert_eq!(swarm.created("web"), if condition == RestartCondition::Any { 8 } else { 6 });
    }
}

#[test]
fn dr_02_a_task_that_is_found_on_a_lost_node_is_shut_down() {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b"]);
    swarm.down("a");
    swarm.adopt(service("web"), &[(1, "a")]);
    assert_eq!(swarm.desired("web.1#1"), DesiredState::Shutdown);
    swarm.after(secs(10));
    assert_eq!(swarm.live("web"), ["web.1#2 b Running/Running"]);
}

/// Removal is by force: without it the API refuses a node that is ready, here nobody asks.
#[test]
fn dr_08_dr_09_a_node_can_be_removed_in_any_state() {
    for state in [NodeState::Ready, NodeState::Down, NodeState::Unknown] {
        let mut swarm = Swarm::new();
        swarm.add(node("a"));
        swarm.create(service("web"));
        swarm.create(service("all").global());
        swarm.settle();
        swarm.add(node("b").state(state));
        swarm.settle();
        if state == NodeState::Down {
            swarm.down("a");
        }
        swarm.remove_node("a");
        swarm.remove_node("b");
        swarm.after(secs(10));
        assert_eq!(swarm.live("web"), ["web.1#2 - Running/Pending"], "{state:?}");
        assert_eq!(swarm.why("web.1"), "no suitable node", "it is not even counted");
        assert!(swarm.live("all").is_empty());
    }
}

#[test]
fn dr_03_dr_04_a_paused_node_drains_and_a_node_is_removed() {
    let mut swarm = six(RestartCondition::Any);
    swarm.drain("pause");
    assert_eq!(swarm.desired("web.4#1"), DesiredState::Shutdown);
    swarm.remove_node("unknown");
    assert_eq!(swarm.desired("web.3#1"), DesiredState::Shutdown);
    assert_eq!(swarm.state("web.3#1"), TaskState::Orphaned);
    swarm.after(secs(20));
    assert_eq!(swarm.running("web"), 1, "there is no room for the others");
    swarm.add(node("large"));
    swarm.after(secs(20));
    assert_eq!(swarm.running("web"), 6);
}

#[test]
fn dr_06_after_a_day_the_tasks_of_a_node_are_orphans() {
    const DAY: u64 = 24 * 3600;
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.create(service("web").cpus(9));
    swarm.create(service("done").restart(RestartCondition::None));
    swarm.settle();
    swarm.complete("done.1");
    swarm.add(node("b").cpus(9));
    let begin = swarm.now();
    swarm.down("a");
    swarm.after(secs(DAY));
    assert_eq!(swarm.now(), begin + secs(DAY));
    assert_eq!(swarm.state("web.1#1"), TaskState::Orphaned);
    assert_eq!(swarm.state("done.1#1"), TaskState::Complete);
    // A node that was back in between has its day again. Jobs leave their tasks where they are.
    swarm.create(service("job").job(1, 1));
    swarm.settle();
    swarm.down("b");
    swarm.after(secs(DAY - 1));
    swarm.up("b");
    swarm.settle();
    swarm.down("b");
    swarm.after(secs(DAY - 1));
    assert_eq!(swarm.ps("job"), ["job.0#1 b Complete/Running"]);
    swarm.after(secs(1));
    assert_eq!(swarm.ps("job"), ["job.0#1 b Shutdown/Orphaned", "job.0#2 - Ready/Pending"]);
    // What is an orphan stays one, whatever its agent has to say in the end.
    swarm.up("a");
    swarm.settle();
    assert_eq!(swarm.state("web.1#1"), TaskState::Orphaned);
}

#[test]
fn dr_07_dr_10_a_node_that_returns_gets_nothing_back() {
    let mut swarm = Swarm::new();
    swarm.stop = secs(1);
    swarm.add_all(&["a", "b"]);
    swarm.create(service("web").replicas(4));
    swarm.settle();
    assert_eq!(swarm.spread("web"), [2, 2]);
    swarm.down("a");
    swarm.after(secs(10));
    // DR-10: the containers of the lost node may well run still.
    assert_eq!(swarm.spread("web"), [0, 4]);
    assert_eq!((swarm.running("web"), swarm.up_at_all("web")), (4, 6));
    swarm.up("a");
    swarm.after(secs(60));
    assert_eq!((swarm.running("web"), swarm.up_at_all("web")), (4, 4));
    assert_eq!(swarm.spread("web"), [0, 4]);
    swarm.scale("web", 5);
    swarm.settle();
    assert_eq!(swarm.spread("web"), [1, 4], "only what is new");
}

#[test]
fn an_expected_node_gets_nothing_before_it_joins_and_nothing_is_moved_to_it_then() {
    let mut swarm = Swarm::new();
    swarm.expect(node("late").cpus(1));
    swarm.add(node("a").cpus(4));
    swarm.create(service("web").replicas(4).cpus(1));
    swarm.create(service("all").global());
    swarm.settle();
    assert_eq!((swarm.running("web"), swarm.running("all")), (4, 1));
    swarm.join(node("late").cpus(1));
    swarm.settle();
    assert_eq!(swarm.live("all").len(), 2, "a task of a global service is there at once");
    assert_eq!(swarm.running("all"), 1, "it waits for the node to be ready");
    swarm.up("late");
    swarm.settle();
    assert_eq!(swarm.running("all"), 2);
    assert_eq!(swarm.spread("web"), [0, 4], "no rebalancing");
    swarm.scale("web", 6);
    swarm.settle();
    assert_eq!(swarm.spread("web"), [1, 4], "one finds no room");
}

#[test]
fn a_removed_node_that_joins_again_is_new() {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b"]);
    swarm.create(service("web").replicas(2));
    swarm.create(service("all").global());
    swarm.settle();
    swarm.remove_node("b");
    swarm.after(secs(10));
    assert_eq!((swarm.spread("web"), swarm.spread("all")), (vec![2, 0], vec![1, 0]));
    assert_eq!(swarm.state("web.2#1"), TaskState::Orphaned);
    swarm.join(node("b").cpus(2));
    swarm.up("b");
    swarm.after(secs(10));
    assert_eq!((swarm.spread("web"), swarm.spread("all")), (vec![2, 0], vec![1, 1]));
    // It has as much room as it says now.
    swarm.create(service("large").replicas(6).cpus(1));
    swarm.settle();
    assert_eq!(swarm.spread("large"), [4, 2]);
    swarm.down("b");
    swarm.after(secs(10));
    assert_eq!(swarm.running("large"), 6);
}

#[test]
fn failures_before_a_node_was_removed_are_another_nodes() {
    for joins_again in [false, true] {
        let mut swarm = Swarm::new();
        swarm.add_all(&["a", "b"]);
        swarm.adopt_with_failures(service("web").replicas(1), &[], &[("b", 9)]);
        swarm.create(service("ballast").replicas(4).constraint("node.hostname == a"));
        swarm.settle();
        assert_eq!(swarm.place("web.1"), "a", "the other failed it");
        if joins_again {
            swarm.remove_node("b");
            swarm.join(node("b"));
            swarm.up("b");
        }
        // Another version would have no failures anywhere.
        swarm.fail("web.1");
        swarm.after(secs(10));
        assert_eq!(swarm.place("web.1#2"), if joins_again { "b" } else { "a" });
    }
}

#[test]
fn dr_06_what_is_assigned_to_a_lost_node_is_an_orphan_however_far_it_came() {
    use TaskState::{Accepted, Assigned, Failed, Preparing, Ready, Rejected, Running, Starting};
    for state in [Assigned, Accepted, Preparing, Ready, Starting, Running, Failed, Rejected] {
        let mut swarm = Swarm::without_agents();
        swarm.add(node("a"));
        swarm.create(service("web").restart(RestartCondition::None));
        swarm.settle();
        if Assigned < state {
            swarm.report("web.1", state);
        }
        swarm.down("a");
        swarm.after(secs(24 * 3600 - 1));
        assert_eq!(swarm.state("web.1#1"), state, "not yet");
        swarm.after(secs(1));
        assert_eq!(swarm.state("web.1#1"), if Running < state { state } else { TaskState::Orphaned });
    }
}
