//! RP: whether a task that ended is replaced, and when the replacement starts.

use crate::swarm::*;

/// One node and a service of two with this policy, running.
fn two(policy: impl FnOnce(ServiceBuilder) -> ServiceBuilder) -> Swarm {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.create(policy(service("web").replicas(2)));
    swarm.settle();
    swarm
}

#[test]
fn rp_01_rp_02_rp_03_rp_06_conditions() {
    use RestartCondition::{Any, None, OnFailure};
    let cases = [
        ("RP-01", Any, 1, true),
        ("RP-02", Any, 0, true),
        ("RP-03", OnFailure, 1, true),
        ("RP-03", OnFailure, 0, false),
        ("RP-06", None, 1, false),
        ("RP-06", None, 0, false),
    ];
    for (case, condition, code, replaced) in cases {
        let mut swarm = two(|service| service.restart(condition).delay(Span::ZERO));
        swarm.exit("web.1", code);
        assert_eq!(swarm.desired("web.1#1"), DesiredState::Shutdown, "{case}");
        swarm.settle();
        assert_eq!(swarm.has("web.1#2"), replaced, "{case}");
        assert_eq!(swarm.running("web"), if replaced { 2 } else { 1 }, "{case}");
        // RP-04: an update that changes nothing changes nothing here either.
        swarm.touch("web");
        swarm.after(secs(10));
        assert_eq!(swarm.created("web"), if replaced { 3 } else { 2 }, "{case}");
    }
}

#[test]
fn rp_04_rp_05_a_completed_slot_is_revived_by_a_real_update_only() {
    let mut swarm = two(|service| service.restart(RestartCondition::OnFailure));
    swarm.complete("web.1");
    swarm.touch("web");
    swarm.after(secs(10));
    assert_eq!(swarm.running("web"), 1);
    swarm.update("web", ServiceBuilder::force);
    swarm.after(secs(10));
    assert_eq!(swarm.live("web"), ["web.1#2 a Running/Running", "web.2#2 a Running/Running"]);
}

#[test]
fn rp_07_without_restarts_an_update_goes_from_slot_to_slot() {
    let mut swarm = two(|service| service.restart(RestartCondition::None));
    swarm.start = secs(3);
    swarm.update("web", ServiceBuilder::force);
    swarm.after(secs(20));
    assert_eq!(swarm.running("web"), 2);
    assert_eq!(swarm.created_at("web.2#2"), swarm.reported_at("web.1#2", TaskState::Running));
}

#[test]
fn rp_08_rp_09_the_replacement_is_there_at_once_and_starts_later() {
    for (delay, expected) in [(Some(millis(100)), millis(100)), (None, secs(5))] {
        let mut swarm = two(|service| match delay {
            Some(delay) => service.delay(delay),
            None => service,
        });
        let begin = swarm.now();
        swarm.fail("web.1");
        assert_eq!(swarm.ps("web")[..2], ["web.1#1 a Shutdown/Failed", "web.1#2 - Ready/Pending"]);
        swarm.after(millis(60));
        assert_eq!(swarm.ps("web")[1], "web.1#2 a Ready/Ready", "placed and prepared meanwhile");
        swarm.after(secs(10));
        assert_eq!(swarm.desired_at("web.1#2", DesiredState::Running), begin + expected);
    }
    // Unlimited attempts.
    let mut swarm = two(|service| service);
    for _ in 0..30 {
        swarm.fail("web.1");
        swarm.after(secs(6));
    }
    assert_eq!(swarm.running("web"), 2);
}

#[test]
fn rp_10_rp_11_attempts_are_counted_by_slot_and_version() {
    let mut swarm = two(|service| service.attempts(1).delay(Span::ZERO));
    for task in ["web.1", "web.2"] {
        swarm.fail(task);
        swarm.settle();
    }
    assert_eq!(swarm.running("web"), 2);
    for task in ["web.1", "web.2"] {
        swarm.fail(task);
        swarm.settle();
    }
    assert_eq!(swarm.live("web").len(), 0);
    assert_eq!(swarm.created("web"), 4);
    // RP-11: with another version each slot has one again.
    swarm.update("web", |service| service.image("v2"));
    swarm.after(secs(10));
    assert_eq!(swarm.running("web"), 2);
    for task in ["web.1", "web.2", "web.1", "web.2"] {
        if swarm.desired(task) == DesiredState::Running {
            swarm.fail(task);
        }
        swarm.settle();
    }
    assert_eq!(swarm.created("web"), 8);
    assert_eq!(swarm.live("web").len(), 0);
}

#[test]
fn rp_12_rp_13_only_restarts_within_the_window_count() {
    let mut swarm = two(|service| service.attempts(1).window(millis(500)).delay(Span::ZERO));
    swarm.fail("web.1");
    swarm.after(millis(100));
    swarm.fail("web.1");
    swarm.settle();
    assert!(swarm.live("web").iter().all(|row| !row.starts_with("web.1#")), "twice within the window");
    swarm.fail("web.2");
    swarm.after(millis(1000));
    swarm.fail("web.2");
    swarm.settle();
    assert_eq!(swarm.live("web"), ["web.2#3 a Running/Running"]);
    // RP-13: a replacement counts from its creation, and the window is open at both ends.
    for (lived, replaced) in [(millis(499), false), (millis(500), true), (millis(501), true)] {
        let mut swarm = two(|service| service.attempts(1).window(millis(500)).delay(Span::ZERO));
        swarm.fail("web.1");
        swarm.after(lived);
        swarm.fail("web.1");
        swarm.settle();
        assert_eq!(swarm.has("web.1#3"), replaced, "{lived}");
    }
}

#[test]
fn rp_14_no_limit_is_no_limit() {
    let mut swarm = two(|service| service.attempts(0).window(secs(600)).delay(Span::ZERO));
    for _ in 0..20 {
        swarm.fail("web.1");
        swarm.settle();
    }
    assert_eq!(swarm.running("web"), 2);
    assert_eq!(swarm.ps("web").len(), 1 + 5, "and the records are kept as ever");
}

/// Minutes before the last failure: the first version ran until -13; of the second, the first task is from -12 and
/// restarts are from -11, -9 and -8. Only the latter two are within ten minutes.
#[test]
fn rp_15_rp_16_a_global_service_counts_by_node() {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b"]);
    swarm.create(service("all").global().attempts(3).window(secs(600)).delay(Span::ZERO));
    swarm.settle();
    swarm.update("all", |service| service.image("v2"));
    swarm.after(secs(60));
    for minutes in [2, 1] {
        swarm.fail("all.a");
        swarm.after(secs(60 * minutes));
    }
    swarm.fail("all.a");
    swarm.after(secs(60 * 8 + 1));
    swarm.fail("all.a");
    swarm.settle();
    assert_eq!(swarm.running("all"), 2, "a third within ten minutes");
    // RP-16
    swarm.report("all.a", TaskState::Rejected);
    swarm.settle();
    assert_eq!(swarm.live("all"), ["all.b#2 b Running/Running"], "a fourth would be too many");
}

#[test]
fn rp_17_a_task_that_cannot_be_prepared_is_tried_once_per_delay() {
    let mut swarm = Swarm::with_history(-1);
    swarm.add(node("a"));
    swarm.doom("missing", Fate::FailsToPrepare);
    swarm.create(service("web").image("missing"));
    swarm.after(secs(21));
    let created: Vec<Time> = (1..=5).map(|n| swarm.created_at(&format!("web.1#{n}"))).collect();
    let gaps: Vec<Span> = created.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps, [millis(50), secs(5), secs(5), secs(5)], "the first is replaced as soon as it failed");
    assert_eq!(swarm.why("web.1#1"), "prepare failed");
}

#[test]
fn rp_18_nothing_replaces_a_task_twice() {
    let mut swarm = two(|service| service.delay(Span::ZERO));
    swarm.stop = secs(10);
    swarm.add(node("b"));
    swarm.drain("a");
    swarm.settle();
    assert_eq!(swarm.created("web"), 4);
    swarm.fail_all(&["web.1#1", "web.2#1"]);
    swarm.down("a");
    swarm.after(secs(20));
    assert_eq!(swarm.created("web"), 4);
    assert_eq!(swarm.running("web"), 2);
}

/// A drained node's task is asked to stop; what lets its replacement start, and how long after?
#[test]
fn rp_19_a_replacement_waits_for_the_old_task_to_stop() {
    type Act = fn(&mut Swarm);
    let cases: [(&str, Span, Act, Span); 4] = [
        ("it stops", secs(10), |_| {}, secs(10)),
        ("its node goes down", secs(600), |swarm| swarm.down("a"), secs(7)),
        ("its node is removed", secs(600), |swarm| swarm.remove_node("a"), secs(7)),
        ("a minute passes", secs(600), |_| {}, secs(60)),
    ];
    for (what, stop, act, expected) in cases {
        let mut swarm = Swarm::new();
        swarm.stop = stop;
        swarm.add(node("a"));
        swarm.create(service("web"));
        swarm.settle();
        swarm.add(node("b"));
        let begin = swarm.now();
        swarm.drain("a");
        swarm.after(secs(7));
        assert_eq!(swarm.desired("web.1#2"), DesiredState::Ready, "{what}");
        act(&mut swarm);
        swarm.after(secs(60));
        assert_eq!(swarm.desired_at("web.1#2", DesiredState::Running), begin + expected, "{what}");
    }
}

#[test]
fn rp_20_on_a_node_that_is_down_only_the_delay_counts() {
    let mut swarm = two(|service| service);
    swarm.add(node("b"));
    swarm.stop = secs(600);
    let begin = swarm.now();
    swarm.down("a");
    swarm.after(secs(10));
    for task in ["web.1#2", "web.2#2"] {
        assert_eq!(swarm.desired_at(task, DesiredState::Running), begin + secs(5));
    }
}

#[test]
fn rp_21_drained_tasks_are_replaced_without_delay() {
    let mut swarm = two(|service| service.delay(secs(100)));
    swarm.add(node("b"));
    let begin = swarm.now();
    swarm.drain("a");
    swarm.settle();
    assert_eq!(swarm.running("web"), 2);
    assert_eq!(swarm.desired_at("web.1#2", DesiredState::Running), begin, "the old one stops at once");
}

#[test]
fn rp_22_a_job_that_is_done_is_done() {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.create(service("job").job(1, 1).restart(RestartCondition::Any).delay(Span::ZERO));
    swarm.settle();
    swarm.complete("job.0");
    swarm.after(secs(20));
    assert_eq!(swarm.ps("job"), ["job.0#1 a Complete/Complete"]);
}

/// SwarmKit `shouldRestart`: restarts that did not happen before the task that is looked at are ignored.
#[test]
fn a_task_does_not_count_its_own_creation_among_the_attempts() {
    for (prepare, created) in [(Span::ZERO, 3), (secs(1), 2)] {
        let mut swarm = Swarm::without_debounce();
        swarm.add(node("a"));
        swarm.after(secs(10));
        swarm.prepare = prepare;
        swarm.doom("bad", Fate::FailsToPrepare);
        swarm.create(service("web").image("bad").attempts(1).window(secs(3600)));
        swarm.after(secs(600));
        assert_eq!(swarm.created("web"), created, "{prepare:?}");
    }
}
