//! UP and RB: rolling updates and rollbacks.

use crate::swarm::*;
use UpdateState::{Completed, Paused, RollbackCompleted, RollbackPaused, RollbackStarted, Updating};

fn rolling() -> UpdateConfig {
    UpdateConfig::default()
}

/// A service of so many on three nodes, running.
fn running(replicas: u64, update: UpdateConfig) -> Swarm {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b", "c"]);
    swarm.create(service("web").replicas(replicas).updating(update));
    swarm.settle();
    swarm
}

fn states(swarm: &Swarm) -> Vec<UpdateState> {
    swarm.updates("web").into_iter().map(|(state, _)| state).collect()
}

#[test]
fn up_01_all_at_once() {
    let mut swarm = running(3, UpdateConfig { parallelism: 0, ..rolling() });
    let begin = swarm.now();
    swarm.update("web", |service| service.image("v2").log_driver("journal"));
    swarm.settle();
    assert_eq!(swarm.running_image("web", "v2"), 3);
    for task in ["web.1#2", "web.2#2", "web.3#2"] {
        assert_eq!(swarm.created_at(task), begin);
        assert_eq!(swarm.task(task).spec.task.log_driver.as_deref(), Some("journal"));
    }
}

#[test]
fn up_02_slot_by_slot_with_a_pause_after_each() {
    for delay in [Span::ZERO, secs(3)] {
        let mut swarm = running(3, UpdateConfig { delay, ..rolling() });
        swarm.update("web", |service| service.image("v2"));
        swarm.after(secs(60));
        assert_eq!(swarm.running_image("web", "v2"), 3);
        for (before, after) in [("web.1#2", "web.2#2"), ("web.2#2", "web.3#2")] {
            assert_eq!(swarm.created_at(after), swarm.reported_at(before, TaskState::Running) + delay);
        }
        // The last slot has its pause too, then comes the monitoring.
        let last = swarm.reported_at("web.3#2", TaskState::Running);
        assert_eq!(swarm.update_at("web", Completed), last + delay + secs(5));
        let texts = ["update in progress", "update completed"].map(String::from);
        assert_eq!(swarm.updates("web").into_iter().map(|(_, text)| text).collect::<Vec<_>>(), texts);
    }
}

#[test]
fn up_04_up_05_start_first() {
    let order = UpdateOrder::StartFirst;
    let mut swarm = running(3, UpdateConfig { order, ..rolling() });
    swarm.start = secs(2);
    swarm.update("web", |service| service.image("v2"));
    for _ in 0..80 {
        swarm.after(millis(100));
        assert!((3..=4).contains(&swarm.up_at_all("web")));
    }
    assert_eq!(swarm.running_image("web", "v2"), 3);
    assert_eq!(swarm.live("web").len(), 3);
    // UP-05: the old ones do not stop, and nobody waits for them.
    let mut swarm = running(3, UpdateConfig { order, ..rolling() });
    swarm.stop = secs(3600);
    swarm.update("web", |service| service.image("v2"));
    swarm.after(secs(30));
    assert_eq!(swarm.update_state("web"), Some(Completed));
    assert_eq!((swarm.running("web"), swarm.up_at_all("web")), (3, 6));
}

#[test]
fn up_06_tasks_survive_a_constraint_that_they_satisfy() {
    let mut swarm = running(3, rolling());
    let before = swarm.ps("web");
    swarm.update("web", |service| service.constraint("node.role == worker"));
    swarm.after(secs(30));
    assert_eq!(swarm.ps("web"), before);
    assert_eq!(swarm.update_state("web"), None);
}

#[test]
fn up_07_up_08_up_09_a_failing_update_pauses_and_another_goes_through() {
    let mut swarm = running(3, rolling());
    swarm.doom("bad", Fate::FailsToStart);
    swarm.update("web", |service| service.image("bad"));
    swarm.after(secs(10));
    let text = "update paused due to failure or early termination of task web.1#2";
    assert_eq!(swarm.updates("web").last(), Some(&(Paused, text.to_owned())));
    assert_eq!(swarm.running_image("web", "v1"), 2);
    // UP-08: the failing slot goes on failing; the others are left alone.
    swarm.after(secs(60));
    assert_eq!(swarm.update_state("web"), Some(Paused));
    assert_eq!(swarm.running_image("web", "v1"), 2);
    // UP-09
    let failure_action = FailureAction::Continue;
    swarm.doom("worse", Fate::FailsToStart);
    swarm.update("web", |service| service.image("worse").updating(UpdateConfig { failure_action, ..rolling() }));
    swarm.after(secs(60));
    assert_eq!(swarm.update_state("web"), Some(Completed));
    let all = swarm.live("web");
    assert_eq!((all.len(), swarm.running("web")), (3, 0), "{all:?}");
    assert_eq!(swarm.image("web"), "worse");
}

#[test]
fn up_10_an_old_task_that_does_not_stop_is_waited_for_a_minute() {
    let mut swarm = running(1, rolling());
    swarm.stop = secs(3600);
    let begin = swarm.now();
    swarm.update("web", |service| service.image("v2"));
    swarm.after(secs(100));
    assert_eq!(swarm.desired_at("web.1#2", DesiredState::Running), begin + secs(60));
    assert_eq!(swarm.up_at_all("web"), 2);
}

/// Four slots; so many of the new tasks fail so long after they ran, in turn.
#[test]
fn up_11_failures_are_counted_once_per_task_and_only_early_ones() {
    let cases: [(&str, f32, &[Span], UpdateState); 6] = [
        ("one of four is more than none", 0.0, &[secs(1)], Paused),
        ("one of four is not more than a quarter", 0.25, &[secs(1)], Completed),
        ("two of four are", 0.25, &[secs(1), secs(1)], Paused),
        ("all four are not more than all", 1.0, &[secs(1), secs(1), secs(1), secs(1)], Completed),
        ("as old as the monitoring is early", 0.0, &[secs(5)], Paused),
        ("later is not", 0.0, &[millis(5001)], Completed),
    ];
    for (what, max_failure_ratio, failures, expected) in cases {
        // The pause lets the last slot's failures be looked at while slots are left.
        let mut swarm = running(4, UpdateConfig { max_failure_ratio, delay: secs(7), ..rolling() });
        for (slot, after) in (1..).zip(failures) {
            swarm.doom(&format!("web.{slot}#2"), Fate::Exits(*after, 1));
        }
        swarm.update("web", |service| service.image("v2"));
        swarm.after(secs(100));
        // Replacements fail as well, uncounted.
        assert_eq!(swarm.update_state("web"), Some(expected), "{what}");
    }
    // An exit with code 0 is an early termination, too; a failure before it ran as well.
    for fate in [Fate::Exits(secs(1), 0), Fate::FailsToStart, Fate::FailsToPrepare] {
        let mut swarm = running(4, rolling());
        swarm.doom("web.2#2", fate);
        swarm.update("web", |service| service.image("v2"));
        swarm.after(secs(100));
        assert_eq!(swarm.update_state("web"), Some(Paused), "{fate:?}");
    }
}

#[test]
fn up_12_how_long_an_update_is_monitored() {
    let cases = [
        (Span::ZERO, None, secs(5)),
        (secs(2), Some(secs(3)), secs(2 + 3)),
        (secs(3), Some(secs(3)), secs(3 + 4)),
        (secs(6), None, secs(6 + 7)),
        (Span::ZERO, Some(Span::ZERO), secs(1)),
    ];
    for (delay, monitor, expected) in cases {
        let mut swarm = running(1, UpdateConfig { delay, monitor, ..rolling() });
        swarm.update("web", |service| service.image("v2"));
        swarm.after(secs(60));
        let last = swarm.reported_at("web.1#2", TaskState::Running);
        assert_eq!(swarm.update_at("web", Completed), last + expected, "{delay} {monitor:?}");
    }
}

/// Under one manager an update has nothing to do at its beginning only if it goes back to what is still there.
#[test]
fn up_13_an_update_with_nothing_to_do_is_complete() {
    let mut swarm = running(2, rolling());
    swarm.touch("web");
    let begin = swarm.now();
    swarm.rollback("web").expect("it has a previous specification");
    assert_eq!(states(&swarm), [RollbackStarted, RollbackCompleted]);
    assert_eq!(swarm.update_at("web", RollbackCompleted), begin);
    assert_eq!(swarm.created("web"), 2);
}

#[test]
fn up_14_the_same_update_again_is_ignored_and_another_takes_over() {
    let mut swarm = running(3, rolling());
    swarm.start = secs(4);
    swarm.update("web", |service| service.image("v2"));
    swarm.after(secs(6));
    assert_eq!((swarm.running_image("web", "v2"), swarm.created("web")), (1, 5), "the second slot is on its way");
    swarm.update("web", |service| service);
    swarm.after(secs(60));
    assert_eq!((swarm.running_image("web", "v2"), swarm.created("web")), (3, 6), "nothing was done twice");
    assert_eq!(swarm.update_state("web"), None, "the status of the first is gone, the second has none");

    let mut swarm = running(3, rolling());
    swarm.start = secs(4);
    swarm.update("web", |service| service.image("v2"));
    swarm.after(secs(6));
    swarm.update("web", |service| service.image("v3"));
    swarm.after(secs(60));
    assert_eq!((swarm.running_image("web", "v3"), swarm.created("web")), (3, 5 + 3));
    assert_eq!(states(&swarm), [Updating, Updating, Completed]);
}

#[test]
fn up_15_up_16_a_slot_with_a_task_that_will_do_needs_no_other() {
    let order = UpdateOrder::StartFirst;
    let mut swarm = running(2, UpdateConfig { order, ..rolling() });
    swarm.start = secs(4);
    swarm.update("web", |service| service.image("v2"));
    swarm.after(secs(2));
    assert_eq!(swarm.live("web").len(), 3, "slot 1 has two");
    // The update begins anew; the new task of slot 1 is up to date and wanted, so the old one goes at once.
    swarm.touch("web");
    assert_eq!(swarm.desired("web.1#1"), DesiredState::Shutdown);
    assert_eq!(swarm.desired("web.1#2"), DesiredState::Running);
    swarm.after(secs(60));
    assert_eq!(swarm.created("web"), 4);
    assert_eq!(swarm.running_image("web", "v2"), 2);

    // One that is only prepared is started.
    let mut swarm = running(1, rolling());
    swarm.stop = secs(20);
    swarm.update("web", |service| service.image("v2"));
    swarm.after(secs(2));
    assert_eq!(swarm.live("web"), ["web.1#2 a Ready/Ready"]);
    swarm.update("web", |service| service.updating(UpdateConfig { order, ..rolling() }));
    swarm.after(secs(60));
    assert_eq!(swarm.live("web"), ["web.1#2 a Running/Running"]);

    // UP-16: two up-to-date tasks in a slot are one too many.
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b"]);
    swarm.adopt(service("web"), &[(1, "a"), (1, "b")]);
    swarm.after(secs(20));
    assert_eq!(swarm.live("web").len(), 1);
    assert_eq!(swarm.created("web"), 2);
    assert_eq!(states(&swarm), [Updating, Completed]);
}

#[test]
fn up_17_a_slot_that_ended_for_good_is_updated_but_not_rolled_back() {
    let ended = || {
        let mut swarm = running(2, rolling());
        swarm.update("web", |service| service.restart(RestartCondition::None));
        swarm.after(secs(20));
        swarm.fail("web.1");
        swarm.settle();
        assert_eq!(swarm.live("web").len(), 1);
        swarm
    };
    let mut swarm = ended();
    swarm.update("web", |service| service.image("v2"));
    swarm.after(secs(20));
    assert_eq!(swarm.running_image("web", "v2"), 2);
    // Rolled back, it is no slot that is updated but one that is missing: it is filled at once.
    let mut swarm = ended();
    let begin = swarm.now();
    swarm.rollback("web").expect("it has a previous specification");
    assert_eq!(swarm.created_at("web.1#3"), begin);
    assert_eq!(swarm.desired("web.1#3"), DesiredState::Running, "created by the count of replicas");
    swarm.after(secs(20));
    assert_eq!((swarm.running("web"), swarm.update_state("web")), (2, Some(RollbackCompleted)));
}

#[test]
fn up_18_a_removed_service_is_not_updated_any_further() {
    let mut swarm = running(3, rolling());
    swarm.start = secs(4);
    swarm.update("web", |service| service.image("v2"));
    swarm.settle();
    let created = swarm.created("web");
    swarm.remove("web");
    swarm.after(secs(60));
    assert_eq!(swarm.created("web"), created);
    assert!(swarm.ps("web").is_empty());
}

/// RB-01 to RB-05: four slots, 0.4 may fail; of the new tasks the first fails, the second runs, the third fails.
fn rolled_back(rollback: UpdateConfig) -> Swarm {
    let failure_action = FailureAction::Rollback;
    let update = UpdateConfig { failure_action, max_failure_ratio: 0.4, delay: millis(10), ..rolling() };
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b", "c"]);
    swarm.create(service("web").replicas(4).updating(update).rolling_back(rollback));
    swarm.settle();
    swarm.doom("web.1#2", Fate::FailsToStart);
    swarm.doom("web.3#2", Fate::FailsToStart);
    swarm.update("web", |service| service.image("v2"));
    swarm.settle();
    swarm
}

/// In SwarmKit the updater and the orchestrator are goroutines that race for the store when a new task fails. If the rollback is
/// first, what replaces the failed task is of the old version and waits for the restart delay; if the restart is first, it is of
/// the version that failed, and the rollback replaces it at once. Both were seen on a real swarm.
#[test]
fn a_rollback_races_the_restart_of_the_task_that_failed() {
    let waits = |ties: TieBreak, seed: u64| {
        let update = UpdateConfig { failure_action: FailureAction::Rollback, ..rolling() };
        let mut swarm = Swarm::seeded(ties, seed);
        swarm.add_all(&["a", "b", "c"]);
        swarm.create(service("web").replicas(4).delay(secs(20)).updating(update));
        swarm.settle();
        swarm.doom("web.1#2", Fate::FailsToStart);
        swarm.update("web", |service| service.image("v2"));
        swarm.after(secs(15));
        let soon = swarm.running_image("web", "v1");
        swarm.after(secs(60));
        assert_eq!(swarm.running_image("web", "v1"), 4);
        assert_eq!(states(&swarm), [Updating, RollbackStarted, RollbackCompleted]);
        soon < 4
    };
    assert!(waits(TieBreak::LowestId, 1), "without chance the rollback is first");
    let share = (0..40).filter(|seed| waits(TieBreak::Seeded, *seed)).count();
    assert!((10..=30).contains(&share), "{share} of 40 wait");
}

#[test]
fn rb_01_rb_02_rb_05_rb_08_too_many_failures_roll_back() {
    let mut swarm = rolled_back(rolling());
    let text = "update rolled back due to failure or early termination of task web.3#2";
    assert_eq!(swarm.updates("web").last(), Some(&(RollbackStarted, text.to_owned())));
    assert_eq!(swarm.image("web"), "v1");
    swarm.after(secs(30));
    assert_eq!(states(&swarm), [Updating, RollbackStarted, RollbackCompleted]);
    assert_eq!(swarm.updates("web")[2].1, "rollback completed");
    assert_eq!(swarm.running_image("web", "v1"), 4);
    // RB-08
    assert_eq!(swarm.version("web"), 0, "that of the first specification");
    assert!(!swarm.has_previous("web"));
    assert!(swarm.rollback("web").is_err_and(|text| text.ends_with("does not have a previous spec")));
    // The slot that was never reached kept its first task.
    assert!(swarm.has("web.4#1") && !swarm.has("web.4#2"));
}

#[test]
fn rb_03_rb_04_rb_07_failures_during_a_rollback() {
    let cases = [
        (FailureAction::Pause, vec![RollbackPaused], "update paused due to failure or early termination of task web."),
        (FailureAction::Continue, vec![RollbackCompleted], "rollback completed"),
        // RB-07: not rolled back again but paused; and then, a quirk, complete.
        (FailureAction::Rollback, vec![RollbackPaused, Completed], "update completed"),
    ];
    for (failure_action, end, text) in cases {
        let mut swarm = rolled_back(UpdateConfig { failure_action, ..rolling() });
        swarm.after(secs(30));
        let before = states(&swarm).len();
        // Second time; now what it returns to fails as well.
        swarm.doom("v3", Fate::FailsToStart);
        swarm.update("web", |service| service.image("v3"));
        swarm.doom("v1", Fate::FailsToStart);
        swarm.after(secs(60));
        let after = &swarm.updates("web")[before..];
        let seen: Vec<UpdateState> = after.iter().map(|(state, _)| *state).collect();
        assert_eq!(seen, [vec![Updating, RollbackStarted], end].concat(), "{failure_action:?}");
        assert!(after.last().is_some_and(|(_, message)| message.starts_with(text)), "{after:?}");
        if failure_action == FailureAction::Rollback {
            assert!(after[2].1.starts_with("rollback paused due to failure"), "{after:?}");
        }
    }
}

/// After an automatic rollback there is nothing to return to: if that specification is forced to run again and fails
/// before anything else is submitted, there is one. So the update is tried on a service that was just rolled back.
#[test]
fn rb_06_without_a_previous_specification_there_is_no_rollback() {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.create(service("web"));
    swarm.settle();
    assert_eq!(swarm.rollback("web"), Err("service web does not have a previous spec".into()));
    assert_eq!((swarm.image("web"), swarm.version("web")), ("v1", 0));
    // By hand it goes back and forth.
    swarm.update("web", |service| service.image("v2"));
    swarm.after(secs(20));
    for image in ["v1", "v2", "v1"] {
        swarm.rollback("web").expect("it has a previous specification");
        swarm.after(secs(20));
        assert_eq!(swarm.running_image("web", image), 1);
    }
}
