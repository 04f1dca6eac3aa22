//! JB: jobs, which run to completion.

use crate::swarm::*;

/// A node and a job, running.
fn job(concurrent: u64, total: u64, policy: impl FnOnce(ServiceBuilder) -> ServiceBuilder) -> Swarm {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.create(policy(service("job").job(concurrent, total).delay(Span::ZERO)));
    swarm.settle();
    swarm
}

/// The slots of the tasks in this state.
fn slots(swarm: &Swarm, state: TaskState) -> Vec<u32> {
    let rows = swarm.ps("job").into_iter().filter(|row| row.ends_with(&format!("/{state}")));
    rows.map(|row| row["job.".len()..row.find('#').expect("a name")].parse().expect("a slot")).collect()
}

#[test]
fn jb_01_as_many_at_a_time_as_allowed() {
    let swarm = job(10, 30, |service| service);
    assert_eq!(slots(&swarm, TaskState::Running), (0..10).collect::<Vec<_>>());
    assert!(swarm.ps("job").iter().all(|row| row.contains(" Complete/Running")));
    assert_eq!(swarm.task("job.0").iteration, 0);
}

#[test]
fn jb_02_jb_05_slots_are_not_used_twice() {
    // JB-02: six are there, in every second slot.
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.adopt(service("job").job(10, 30), &[0, 2, 4, 6, 8, 10].map(|slot| (slot, "a")));
    swarm.settle();
    assert_eq!(slots(&swarm, TaskState::Running), [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]);
    // JB-05: as some complete others follow, and in the end no more than the total.
    let mut swarm = job(10, 30, |service| service);
    for slot in 0..20 {
        swarm.complete(&format!("job.{slot}"));
        swarm.settle();
    }
    assert_eq!(slots(&swarm, TaskState::Complete), (0..20).collect::<Vec<_>>());
    assert_eq!(slots(&swarm, TaskState::Running), (20..30).collect::<Vec<_>>());
    for slot in 20..30 {
        swarm.complete(&format!("job.{slot}"));
        swarm.settle();
    }
    assert_eq!(swarm.created("job"), 30);
    assert_eq!(slots(&swarm, TaskState::Complete).len(), 30);
}

/// Tasks that are shut down for good do not count, and their slots are filled again at the job's next event.
#[test]
fn jb_03_slots_that_failed_for_good_are_filled_again() {
    let mut swarm = job(3, 4, |service| service.restart(RestartCondition::None));
    swarm.fail("job.0");
    swarm.settle();
    assert_eq!(slots(&swarm, TaskState::Failed), [0]);
    assert_eq!(swarm.created("job"), 3);
    swarm.complete("job.2");
    swarm.settle();
    assert_eq!(slots(&swarm, TaskState::Running), [0, 1, 3]);
    assert_eq!(swarm.created("job"), 5);
}

#[test]
fn jb_04_failed_tasks_count_until_they_are_replaced() {
    let mut swarm = job(15, 30, |service| service);
    let complete: Vec<String> = (0..10).map(|slot| format!("job.{slot}")).collect();
    for task in &complete {
        swarm.complete(task);
    }
    swarm.settle();
    assert_eq!(swarm.created("job"), 25);
    swarm.fail_all(&["job.10", "job.11", "job.12", "job.13", "job.14"]);
    swarm.settle();
    assert_eq!(swarm.created("job"), 30, "one replacement for each of the five");
    assert_eq!(slots(&swarm, TaskState::Running), (10..25).collect::<Vec<_>>());
    assert!(swarm.has("job.10#2"));
}

#[test]
fn jb_06_more_running_than_the_total_is_an_error_that_does_nothing() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").cpus(99));
    let running: Vec<(u32, &str)> = (0..30).map(|slot| (slot, "a")).collect();
    swarm.adopt(service("job").job(10, 20), &running);
    swarm.settle();
    assert_eq!(swarm.created("job"), 30);
    assert_eq!(swarm.running("job"), 30);
}

/// As in SwarmKit the difference wraps around: ten run where five may, and all that is left of the total is started.
#[test]
fn jb_07_more_running_than_allowed_starts_all_the_rest() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").cpus(99));
    let running: Vec<(u32, &str)> = (0..10).map(|slot| (slot, "a")).collect();
    swarm.adopt(service("job").job(5, 30), &running);
    swarm.settle();
    assert_eq!(swarm.created("job"), 30);
}

/// Over the API this cannot happen: every update is another run of the job.
#[test]
fn jb_07_jb_09_an_update_runs_the_job_again() {
    let mut swarm = job(10, 30, |service| service);
    swarm.stop = secs(3);
    swarm.complete("job.0");
    swarm.settle();
    swarm.update("job", |service| service.job(5, 30));
    let removed = swarm.ps("job").iter().filter(|row| row.contains(" Remove/Running")).count();
    assert_eq!(removed, 10, "those that ran");
    swarm.after(secs(5));
    assert_eq!(slots(&swarm, TaskState::Running), [0, 1, 2, 3, 4]);
    assert_eq!(slots(&swarm, TaskState::Complete), [0], "what completed is history");
    assert_eq!(swarm.task("job.0").iteration, 1);
    for round in 0..30 {
        swarm.complete(&format!("job.{round}"));
        swarm.settle();
    }
    assert_eq!(slots(&swarm, TaskState::Complete).len(), 31);
}

/// The new run does not know of it, and so a slot can have two tasks.
#[test]
fn jb_09_a_restart_that_waits_outlives_its_run() {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.doom("v1", Fate::FailsToPrepare);
    swarm.create(service("job").job(1, 1));
    swarm.settle();
    assert_eq!(swarm.ps("job"), ["job.0#1 a Shutdown/Rejected", "job.0#2 a Ready/Rejected"]);
    swarm.update("job", |service| service.image("v2"));
    swarm.settle();
    assert_eq!(swarm.live("job"), ["job.0#2 a Ready/Rejected", "job.0#3 a Complete/Running"]);
    swarm.after(secs(20));
    assert_eq!(swarm.live("job"), ["job.0#3 a Complete/Running", "job.0#4 a Complete/Running"]);
}

#[test]
fn jb_08_a_report_about_a_job_that_is_gone_does_nothing() {
    let mut swarm = job(2, 5, |service| service);
    swarm.stop = secs(5);
    swarm.remove("job");
    swarm.complete("job.0");
    swarm.after(secs(10));
    assert_eq!(swarm.created("job"), 2);
    assert!(swarm.ps("job").is_empty());
}

#[test]
fn jb_10_jb_11_how_often_a_job_is_tried() {
    let mut swarm = job(1, 1, |service| service.restart(RestartCondition::None));
    swarm.fail("job.0");
    swarm.after(secs(20));
    assert_eq!(swarm.ps("job"), ["job.0#1 a Shutdown/Failed"]);
    // JB-11
    let mut swarm = job(1, 1, |service| service.restart(RestartCondition::OnFailure).attempts(3));
    for _ in 0..4 {
        swarm.fail("job.0");
        swarm.settle();
    }
    assert_eq!(swarm.created("job"), 4);
    assert_eq!(slots(&swarm, TaskState::Failed), [0; 4]);
}

#[test]
fn jb_12_jb_13_a_replacement_is_started_to_completion() {
    let mut swarm = job(1, 2, |service| service.delay(secs(2)));
    // JB-13: what is not an end is not looked at.
    let created = swarm.created("job");
    swarm.report("job.0", TaskState::Running);
    assert_eq!(swarm.created("job"), created);
    swarm.fail("job.0");
    assert_eq!(swarm.desired("job.0#2"), DesiredState::Ready);
    let begin = swarm.now();
    swarm.after(secs(3));
    assert_eq!(swarm.desired_at("job.0#2", DesiredState::Complete), begin + secs(2));
    assert_eq!(swarm.state("job.0#2"), TaskState::Running);
    // JB-13
    swarm.complete("job.0");
    assert_eq!(swarm.created("job"), 3);
}

#[test]
fn jb_14_a_job_that_cannot_go_on_is_in_nobodys_way() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").cpus(99));
    let running: Vec<(u32, &str)> = (0..5).map(|slot| (slot, "a")).collect();
    swarm.adopt(service("stuck").job(1, 2), &running);
    swarm.create(service("job").job(2, 2));
    swarm.settle();
    assert_eq!((swarm.created("stuck"), swarm.created("job")), (5, 2));
}

#[test]
fn jb_16_jb_17_jb_18_jb_20_a_global_job_has_one_task_per_node() {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b", "c"]);
    swarm.add(node("down").state(NodeState::Down));
    swarm.add(node("unknown").state(NodeState::Unknown));
    swarm.create(service("job").global_job());
    let three = ["job.a#1 a Complete/Pending", "job.b#1 b Complete/Pending", "job.c#1 c Complete/Pending"];
    assert_eq!(swarm.ps("job"), three);
    // JB-17: one is done, one runs, the third is missing.
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b", "c"]);
    swarm.adopt(service("job").global_job(), &[(0, "a"), (0, "b")]);
    swarm.settle();
    swarm.complete("job.a");
    swarm.settle();
    assert_eq!(swarm.spread("job"), [0, 1, 1]);
    assert_eq!(swarm.created("job"), 3);
    // JB-18
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b", "c"]);
    swarm.create(service("job").global_job().constraint("node.id == b"));
    swarm.settle();
    assert_eq!(swarm.spread("job"), [0, 1, 0]);
}

/// Nodes are not watched: what happens to them is seen at the job's next event.
#[test]
fn jb_19_jb_22_drained_nodes_are_seen_at_the_next_event() {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b", "c"]);
    swarm.add(node("paused").availability(Availability::Pause));
    swarm.create(service("job").global_job());
    swarm.settle();
    assert_eq!(swarm.created("job"), 3);
    swarm.drain("a");
    swarm.settle();
    assert_eq!(swarm.desired("job.a"), DesiredState::Complete);
    swarm.complete("job.b");
    swarm.settle();
    assert_eq!((swarm.desired("job.a"), swarm.state("job.a")), (DesiredState::Shutdown, TaskState::Shutdown));
    // JB-22: what is shut down already is left alone.
    swarm.complete("job.c");
    swarm.settle();
    assert_eq!(swarm.created("job"), 3);
}

#[test]
fn jb_21_failed_tasks_are_left_to_the_restart_policy() {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b"]);
    swarm.create(service("job").global_job().delay(secs(3)));
    swarm.settle();
    swarm.fail_all(&["job.a", "job.b"]);
    let rows = [
        "job.a#1 a Shutdown/Failed",
        "job.a#2 a Ready/Pending",
        "job.b#1 b Shutdown/Failed",
        "job.b#2 b Ready/Pending",
    ];
    assert_eq!(swarm.ps("job"), rows);
    swarm.after(secs(5));
    assert_eq!(swarm.spread("job"), [1, 1]);
    assert_eq!(swarm.created("job"), 4);
}

#[test]
fn jb_23_jobs_are_not_updated() {
    let mut swarm = Swarm::new();
    let update = UpdateConfig::default();
    let refused = Err("Jobs may not have an update config".to_owned());
    assert_eq!(swarm.try_create(service("a").job(1, 1).updating(update)), refused);
    assert_eq!(swarm.try_create(service("b").global_job().updating(update)), refused);
    assert_eq!(swarm.try_create(service("c").updating(update)), Ok(()));
    assert_eq!(swarm.try_create(service("d").global().updating(update)), Ok(()));
}

#[test]
fn jb_24_a_removed_job_takes_its_records_with_it() {
    let mut swarm = job(2, 2, |service| service);
    swarm.stop = secs(4);
    swarm.complete("job.0");
    swarm.settle();
    swarm.remove("job");
    assert_eq!(swarm.ps("job"), ["job.0#1 a Remove/Complete", "job.1#1 a Remove/Running"]);
    swarm.after(millis(250));
    assert_eq!(swarm.ps("job"), ["job.1#1 a Remove/Running"]);
    swarm.after(millis(4000 - 250));
    assert_eq!(swarm.ps("job"), ["job.1#1 a Remove/Shutdown"], "it stopped just now");
    swarm.after(millis(250));
    assert!(swarm.ps("job").is_empty());
}

/// SwarmKit keeps every record of a job. They must not cost anything for ever: it is the records looked at that count.
#[test]
fn what_ended_is_not_looked_at_again() {
    let mut swarm = job(4, 9, |service| service);
    for round in 1..=50 {
        for slot in 0..4 {
            swarm.fail(&format!("job.{slot}#{round}"));
        }
        swarm.settle();
    }
    assert_eq!(swarm.created("job"), 4 + 4 * 50);
    assert!(swarm.open_tasks("job") <= 8, "{} records are looked at", swarm.open_tasks("job"));
    for slot in 0..9 {
        swarm.complete(&format!("job.{slot}"));
        swarm.settle();
    }
    assert_eq!(slots(&swarm, TaskState::Complete), (0..9).collect::<Vec<_>>());
    assert!(swarm.open_tasks("job") <= 1);
    swarm.update("job", |service| service);
    swarm.settle();
    assert_eq!(slots(&swarm, TaskState::Running), [0, 1, 2, 3], "it runs anew from its first slot");
}

#[test]
fn what_ended_of_a_global_job_is_not_looked_at_again() {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b"]);
    swarm.create(service("job").global_job().delay(Span::ZERO));
    swarm.settle();
    for round in 1..=50 {
        for node in ["a", "b"] {
            swarm.fail(&format!("job.{node}#{round}"));
        }
        swarm.settle();
    }
    assert_eq!(swarm.created("job"), 2 + 2 * 50);
    assert!(swarm.open_tasks("job") <= 4, "{} records are looked at", swarm.open_tasks("job"));
    swarm.update("job", |service| service);
    swarm.after(secs(5));
    assert_eq!(swarm.ps("job").len(), 2, "every record of the run before is gone");
}
