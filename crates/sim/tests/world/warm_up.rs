//! Counting begins anew when the warm-up is over: what happened before leaves no trace in what is counted since.

use super::*;

/// Whatever a metric counts happens in the first five minutes; from then on seven nodes run what they shall.
fn eventful() -> Scenario {
    told(
        r#"
        duration = "10m"
        title = "all at the beginning"
        registry = { bandwidth = "400Mbit/s", mirror = "rack" }
        [[pool]]
        name = "m"
        count = 3
        role = "manager"
        labels = { rack = "m" }
        [[pool]]
        name = "w"
        count = 4
        labels = { rack = "w" }
        [[pool]]
        name = "old"
        labels = { rack = "w" }
        [[image]]
        name = "web:1"
        layers = ["40MiB"]
        [[image]]
        name = "web:2"
        layers = ["30MiB"]
        [[image]]
        name = "job"
        layers = ["1MiB"]
        [[service]]
        name = "web"
        image = "web:1"
        replicas = 6
        quorum = 6
        networks = ["net"]
        update = { order = "start-first" }
        [[service]]
        name = "large"
        image = "job"
        replicas = 7
        reserve = { cpus = 3, memory = "5GiB" }
        constraints = ["node.hostname != old"]
        [[requests]]
        service = "web"
        every = { exponential = { mean = "100ms" } }
        takes = "10ms"
        [[arrivals]]
        every = "5s"
        until = "1m"
        queue = "line"
        patience = "12s"
        service = { name = "job", image = "job", mode = "replicated-job", exits = { after = "20s" } }
        [[queue]]
        name = "line"
        running = 1
        waiting = 1
        [gossip]
        [[event]]
        at = "30s"
        update_image = { web = "web:2" }
        [[event]]
        at = "80s"
        drain = "w-1"
        [[event]]
        at = "85s"
        activate = "w-1"
        [[event]]
        at = "90s"
        drain = "old"
        [[event]]
        at = "100s"
        remove_node = "old"
        [[event]]
        at = "110s"
        down = "w-2"
        [[event]]
        at = "150s"
        up = "w-2"
        [[event]]
        at = "190s"
        down = "m-1"
        [[event]]
        at = "210s"
        up = "m-1"
        [[event]]
        at = "260s"
        down = ["m-2", "m-3"]
        [[event]]
        at = "270s"
        up = ["m-2", "m-3"]
        "#,
    )
}

/// What is counted and summed: something in the whole run, nothing (or no sample) in its quiet end.
const NOTHING_LATER: &[&str] = &[
    "below_quorum_ratio",
    "below_quorum_s",
    "detection_mean_s",
    "duplicate_seconds",
    "election_mean_s",
    "failover_lost_detected_s",
    "failover_lost_s",
    "failover_max_s",
    "failover_mean_s",
    "failover_p50_s",
    "failover_p99_s",
    "gossip_rounds_mean",
    "gossip_time_mean_s",
    "job_time_mean_s",
    "job_time_p50_s",
    "job_time_p90_s",
    "job_time_p95_s",
    "job_time_p99_s",
    "job_wait_mean_s",
    "job_wait_p50_s",
    "job_wait_p90_s",
    "job_wait_p95_s",
    "job_wait_p99_s",
    "job_waited_ratio",
    "jobs_abandoned_ratio",
    "jobs_arrived",
    "jobs_done",
    "jobs_lost_ratio",
    "jobs_present_mean",
    "jobs_waiting_mean",
    "leaderless_share",
    "majority_losses",
    "majority_lost_s",
    "moves",
    "near_bytes",
    "node_changes",
    "node_failures",
    "nodes_down_mean",
    "pending_max",
    "pending_longest_s",
    "pending_mean",
    "prepare_mean_s",
    "pull_mean_s",
    "pull_p50_s",
    "pull_p99_s",
    "pulled_bytes",
    "replica_seconds_lost",
    "replicas_lost",
    "request_error_ratio",
    "restarts",
    "return_mean_s",
    "tasks_created",
    "time_to_running_max_s",
    "time_to_running_mean_s",
    "time_to_running_p50_s",
    "time_to_running_p99_s",
    "unavailability",
    "update_duration_s",
];
/// Shares that are less than 1 in the whole run and 1 in its quiet end.
const WHOLE_LATER: &[&str] = &["availability", "majority_share", "quorum_share"];
/// Less in the quiet end, and more.
const LESS_LATER: &[&str] = &["nodes_mean", "requests"];
const MORE_LATER: &[&str] = &["running_min"];
/// What is about the end, or about the whole run whatever the warm-up is.
const SAME: &[&str] = &[
    "addresses_peak",
    "event_to_created_mean_s",
    "event_to_ended_mean_s",
    "event_to_ready_mean_s",
    "event_to_removed_mean_s",
    "event_to_running_max_s",
    "event_to_running_mean_s",
    "jobs_open",
    "little_gap_s",
    "majority_kept_s",
    "nodes_final",
    "rack_share_max",
    "running_final",
    "state_complete",
    "state_failed",
    "state_new",
    "state_orphaned",
    "state_pending",
    "state_preparing",
    "state_ready",
    "state_rejected",
    "state_running",
    "state_shutdown",
    "tasks_desired",
    "tasks_per_node_cv",
    "tasks_per_node_max",
    "time_to_converge_s",
    "until_s",
];
/// The end of the warm-up is an event; without a pull there is no ratio; nobody has spares, stands still, or pulls after the
/// first loss of power; the others may go either way.
const OTHERWISE: &[&str] = &[
    "events",
    "cache_hit_ratio",
    "request_mean_s",
    "request_p99_s",
    "cpu_reserved",
    "memory_reserved",
    "failover_bytes",
    "spares_mean",
    "spare_cpu",
    "spare_memory",
    "failovers_open",
    "stood_still_ratio",
    "stood_still_s",
    "nodes_used_mean",
    "nodes_used_max",
    "imbalance_mean",
    "imbalance_s",
];

#[test]
fn nothing_that_happened_before_is_counted() {
    let mut scenario = eventful();
    let whole = run(&scenario);
    scenario.warm_up = Span::from_secs(450);
    let later = run(&scenario);
    for metric in METRICS {
        let (before, after) = (value(&whole, metric.name), value(&later, metric.name));
        let about = format!("{}: {before:?} in the whole run, {after:?} after the warm-up", metric.name);
        let groups = [NOTHING_LATER, WHOLE_LATER, LESS_LATER, MORE_LATER, SAME, OTHERWISE];
        match groups.iter().position(|group| group.contains(&metric.name)) {
            Some(0) => assert!(before > Some(0.0) && after.unwrap_or(0.0) == 0.0, "{about}"),
            Some(1) => assert!(before < Some(1.0) && after == Some(1.0), "{about}"),
            Some(2) => assert!(after < before && Some(0.0) < after, "{about}"),
            Some(3) => assert!(before < after, "{about}"),
            Some(4) => assert_eq!(before, after, "{about}"),
            Some(_) => {}
            None => panic!("say what the warm-up does to {}", metric.name),
        }
    }
    assert_eq!(is(&later, "events"), is(&whole, "events") + 1.0);
    assert_eq!(value(&later, "cache_hit_ratio"), None);
    // Images were everywhere when the first machine was lost, and none is lost later.
    assert_eq!((value(&whole, "failover_bytes"), value(&later, "failover_bytes")), (Some(0.0), None));
    // Three of four CPUs and five of eight GiB on each node.
    for (metric, share) in [("cpu_reserved", 0.75), ("memory_reserved", 0.625)] {
        assert_ne!(is(&whole, metric), share);
        near(is(&later, metric), share, 1e-12);
    }
}

#[test]
fn what_began_before_and_ends_after_is_no_sample() {
    let mut scenario = told(
        r#"
        duration = "5m"
        registry = { bandwidth = "8Mbit/s" }
        [[pool]]
        name = "n"
        count = 3
        [[image]]
        name = "web"
        layers = []
        [[image]]
        name = "large"
        layers = ["6MB"]
        [[service]]
        name = "web"
        image = "web"
        replicas = 3
        [[service]]
        name = "late"
        image = "large"
        at = "98s"
        [[service]]
        name = "new"
        image = "web"
        at = "4m"
        quorum = 1
        [[arrivals]]
        every = "97s"
        limit = 1
        service = { name = "job", image = "large", mode = "replicated-job", exits = { after = "5s" } }
        [[event]]
        at = "90s"
        down = "n-1"
        [[event]]
        at = "99s"
        up = "n-1"
        "#,
    );
    let whole = run(&scenario);
    assert!(
        ["return_mean_s", "failover_max_s", "job_wait_mean_s", "job_time_mean_s"]
            .iter()
            .all(|name| 0.0 < is(&whole, name))
    );
    scenario.warm_up = Span::from_secs(100);
    let outcome = run(&scenario);
    for metric in ["return_mean_s", "failover_max_s"] {
        assert_eq!(value(&outcome, metric), None, "{metric}");
    }
    // Waits and times of jobs count when they end, or the long ones would be missing.
    for metric in ["job_wait_mean_s", "job_time_mean_s"] {
        assert_eq!(is(&outcome, metric), is(&whole, metric), "{metric}");
    }
    assert_eq!(
        (is(&outcome, "jobs_arrived"), is(&outcome, "jobs_done"), is(&outcome, "little_gap_s")),
        (0.0, 1.0, 0.0)
    );
    // Of images only those of the replacement of the lost task and of the new service were asked for since.
    assert_eq!(is(&outcome, "tasks_created"), 2.0);
    near(is(&outcome, "prepare_mean_s"), 0.202, 1e-6);
    assert!(6.0 < is(&whole, "prepare_mean_s") * 7.0, "{}", is(&whole, "prepare_mean_s"));
    // The new service is there for a minute, and its task runs, not only ready, 0.55 to 0.8 s later.
    let lacking = (1.0 - is(&outcome, "quorum_share")) * 60.0;
    assert!((0.5..0.9).contains(&lacking), "{lacking}");
}
