//! TR: which records of tasks are kept.

use crate::swarm::*;

/// A node and a service of one that is replaced at once, running.
fn one(history: i64) -> Swarm {
    let mut swarm = Swarm::with_history(history);
    swarm.add(node("a"));
    swarm.create(service("web").delay(Span::ZERO));
    swarm.settle();
    swarm
}

#[test]
fn tr_01_what_is_kept_and_what_is_deleted() {
    let mut swarm = Swarm::new();
    swarm.stop = secs(30);
    swarm.add(node("a").cpus(6));
    swarm.create(service("web").replicas(6).cpus(1).restart(RestartCondition::OnFailure).delay(Span::ZERO));
    swarm.settle();
    swarm.fail("web.1");
    swarm.settle();
    assert_eq!(swarm.ps("web")[..2], ["web.1#1 a Shutdown/Failed", "web.1#2 a Running/Running"], "kept");
    swarm.create(service("gone").replicas(2).cpus(1));
    swarm.settle();
    swarm.remove("web");
    swarm.complete("web.2");
    swarm.report("web.3", TaskState::Shutdown);
    swarm.remove("gone");
    swarm.settle();
    // Not assigned or ended: deleted. Running: kept.
    let rows = ["web.1#2", "web.4#1", "web.5#1", "web.6#1"].map(|task| format!("{task} a Remove/Running"));
    assert_eq!(swarm.ps("web"), rows);
    assert!(swarm.ps("gone").is_empty());
    // New: not even allocated.
    let mut swarm = Swarm::with_external_allocation();
    swarm.create(service("web"));
    swarm.remove("web");
    swarm.settle();
    assert!(swarm.ps("web").is_empty());
}

#[test]
fn tr_02_tr_21_the_oldest_of_each_slot_go() {
    for (history, kept) in [(2, 2), (5, 5)] {
        let mut swarm = Swarm::with_history(history);
        swarm.add(node("a"));
        swarm.create(service("web").replicas(2).delay(Span::ZERO));
        swarm.settle();
        for _ in 0..6 {
            swarm.fail_all(&["web.1", "web.2"]);
            swarm.settle();
        }
        let expected: Vec<String> =
            (1..=2).flat_map(|slot| (8 - kept..=7).map(move |instance| format!("web.{slot}#{instance}"))).collect();
        let names: Vec<String> = swarm.ps("web").iter().map(|row| row[..7].to_owned()).collect();
        assert_eq!(names, expected);
    }
    // TR-21
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.create(service("web").delay(Span::ZERO));
    for _ in 0..9 {
        swarm.settle();
        swarm.fail("web.1");
    }
    swarm.settle();
    assert_eq!(swarm.ps("web").len(), 5);
}

#[test]
fn tr_03_tr_04_tr_05_tr_06_records_go_when_the_agent_has_reported() {
    let mut swarm = Swarm::new();
    swarm.stop = secs(7);
    swarm.add(node("a"));
    swarm.create(service("web").replicas(2));
    swarm.settle();
    swarm.scale("web", 1);
    swarm.after(secs(7));
    assert!(swarm.has("web.2#1"));
    assert_eq!(swarm.state("web.2#1"), TaskState::Shutdown, "TR-03: reported just now");
    // TR-06
    swarm.after(millis(249));
    assert!(swarm.has("web.2#1"));
    swarm.after(millis(1));
    assert!(!swarm.has("web.2#1"));
    // TR-04
    swarm.remove("web");
    swarm.after(secs(7));
    assert!(swarm.has("web.1#1"));
    swarm.after(millis(250));
    assert!(swarm.ps("web").is_empty());
    // TR-05
    swarm.create(service("job").job(2, 2));
    swarm.settle();
    swarm.complete("job.0");
    swarm.complete("job.1");
    swarm.settle();
    swarm.remove("job");
    swarm.after(millis(250));
    assert!(swarm.ps("job").is_empty());
}

/// More than a thousand at once do not wait for the batch.
#[test]
fn tr_07_many_are_deleted_at_once() {
    for (count, left) in [(1000, 1000), (1001, 0)] {
        let mut swarm = Swarm::new();
        swarm.create(service("web").replicas(count));
        swarm.settle();
        swarm.scale("web", 0);
        assert_eq!(swarm.ps("web").len(), left);
        swarm.after(millis(250));
        assert!(swarm.ps("web").is_empty());
    }
}

#[test]
fn tr_08_tr_17_nothing_is_deleted_without_need() {
    for (history, kept) in [(-1, 9), (9, 9), (3, 3)] {
        let mut swarm = one(history);
        for _ in 0..8 {
            swarm.fail("web.1");
            swarm.settle();
        }
        assert_eq!(swarm.ps("web").len(), kept, "history {history}");
    }
}

#[test]
fn tr_09_tr_14_an_outdated_task_that_never_had_a_node_is_not_kept() {
    let mut swarm = Swarm::with_history(1);
    swarm.create(service("web"));
    swarm.settle();
    swarm.update("web", |service| service.image("v2"));
    swarm.settle();
    assert_eq!(swarm.ps("web").len(), 1);
    assert!(swarm.ps("web")[0].starts_with("web.1#2 - "));
    // TR-14: nor one that was never allocated.
    let mut swarm = Swarm::with_external_allocation();
    swarm.create(service("web").attempts(0));
    swarm.settle();
    for version in 2..9 {
        swarm.update("web", |service| service.image(&format!("v{version}")));
        swarm.settle();
    }
    let rows = swarm.ps("web");
    assert_eq!(rows.len(), 5, "{rows:?}");
}

/// A record of a dead task beside one that lives, with a limit of one.
/// A limit that is lowered later does not concern it, however often others are cleaned up.
#[test]
fn tr_10_a_slot_within_its_limit_is_done_with() {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.create(service("web").replicas(2).delay(Span::ZERO));
    for _ in 0..3 {
        swarm.settle();
        swarm.fail("web.2");
    }
    swarm.settle();
    let of_slot_2 = |swarm: &Swarm| swarm.ps("web").iter().filter(|row| row.starts_with("web.2#")).count();
    assert_eq!(of_slot_2(&swarm), 4);
    // The limit is two now; the update cannot get further than slot 1.
    swarm.update("web", |service| service.attempts(1).constraint("node.labels.zone == nowhere"));
    swarm.settle();
    swarm.create(service("other"));
    swarm.settle();
    swarm.remove("other");
    swarm.settle();
    assert!(swarm.ps("other").is_empty(), "the reaper came by");
    assert_eq!(of_slot_2(&swarm), 4);
}

#[test]
fn tr_11_one_dead_and_one_living() {
    let mut swarm = one(1);
    swarm.fail("web.1");
    swarm.after(millis(240));
    assert_eq!(swarm.ps("web").len(), 2);
    swarm.after(millis(10));
    assert_eq!(swarm.ps("web"), ["web.1#2 a Running/Running"]);
}

/// No history at all: whatever lives is kept, whatever is dead goes when its slot has a new task.
#[test]
fn tr_12_tr_13_without_history_only_the_living_are_kept() {
    use TaskState::*;
    for state in [Pending, Assigned, Accepted, Preparing, Ready, Starting, Running] {
        let mut swarm = Swarm::without_agents_and_history();
        if state != Pending {
            swarm.add(node("a"));
        }
        swarm.create(service("web"));
        swarm.settle();
        if state > Assigned {
            swarm.report("web.1", state);
        }
        swarm.settle();
        assert_eq!(swarm.state("web.1#1"), state);
    }
    let mut swarm = Swarm::with_external_allocation();
    swarm.create(service("web"));
    swarm.settle();
    assert_eq!(swarm.state("web.1#1"), New);
    for state in [Complete, Failed, Rejected, Orphaned] {
        let mut swarm = one(0);
        swarm.report("web.1", state);
        swarm.settle();
        assert_eq!(swarm.ps("web"), ["web.1#2 a Running/Running"], "{state}");
    }
}

/// A task that shall stop is kept as long as it does not; then it goes, if there is one beside it to make it too many.
#[test]
fn tr_15_tr_16_tr_19_a_stopping_task_is_kept_until_it_stopped() {
    use TaskState::*;
    for state in [Assigned, Accepted, Preparing, Ready, Starting, Running] {
        let mut swarm = Swarm::without_agents_and_history();
        swarm.add(node("a"));
        swarm.create(service("web"));
        swarm.settle();
        if state > Assigned {
            swarm.report("web.1", state);
        }
        swarm.update("web", |service| service.image("v2"));
        swarm.settle();
        assert_eq!(swarm.ps("web")[0], format!("web.1#1 a Shutdown/{state}"));
        // TR-19: the slot had two that lived, and so is looked at again.
        swarm.report("web.1#1", Shutdown);
        swarm.after(millis(250));
        assert!(!swarm.has("web.1#1"), "{state}");
        assert!(swarm.has("web.1#2"), "{state}");
    }
}

/// A limit of attempts decides how many records are kept, upwards and downwards, even if all were to be kept.
#[test]
fn tr_18_as_many_records_as_restarts_to_remember() {
    for (history, attempts, kept) in [(2, 4, 5), (9, 2, 3), (-1, 2, 3), (0, 1, 2)] {
        let mut swarm = Swarm::with_history(history);
        swarm.add(node("a"));
        swarm.create(service("web").attempts(attempts).window(millis(1)).delay(Span::ZERO));
        swarm.settle();
        for _ in 0..12 {
            swarm.fail("web.1");
            swarm.settle();
        }
        assert_eq!(swarm.ps("web").len(), kept, "history {history}, attempts {attempts}");
    }
}

#[test]
fn tr_20_orphans_are_history_like_others_and_go_with_their_service() {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b"]);
    swarm.create(service("web"));
    swarm.settle();
    swarm.remove_node("a");
    swarm.after(secs(10));
    assert_eq!(swarm.ps("web"), ["web.1#1 a Shutdown/Orphaned", "web.1#2 b Running/Running"]);
    swarm.remove("web");
    swarm.settle();
    assert!(swarm.ps("web").is_empty());
}
