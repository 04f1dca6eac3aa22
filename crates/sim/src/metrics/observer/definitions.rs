//! The list of metrics: what each means, and how it follows from what was counted.

use sched::{Span, TaskState, Time};

use super::Mean;
use super::close::Close;
use super::jobs::VALUES;
use crate::metrics::Metric;

/// A metric, and its value at the end of a run.
pub(super) struct Entry {
    pub metric: Metric,
    pub value: fn(&Close) -> Option<f64>,
}

/// Every metric, in the order of the columns. Unless a definition says otherwise, counts, means and samples begin at the
/// end of the warm-up and end with the run; percentiles are by nearest rank.
pub const METRICS: &[Metric] = &{
    let mut metrics = [ENTRIES[0].metric; ENTRIES.len()];
    let mut row = 1;
    while row < ENTRIES.len() {
        metrics[row] = ENTRIES[row].metric;
        row += 1;
    }
    metrics
};

/// Those of [`METRICS`] that there are of each class of arrivals too, in the order of the columns of `classes.csv`.
pub const CLASS_METRICS: &[&str] = &{
    let mut names = [""; VALUES.len()];
    let mut row = 0;
    while row < VALUES.len() {
        names[row] = VALUES[row].0;
        row += 1;
    }
    names
};

/// [`METRICS`] with their values.
pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        metric: Metric {
            name: "tasks_desired",
            unit: "tasks",
            definition: "Tasks that all services want at the end: a global service one on each of its nodes, a service whose tasks are not started again when they end well none for those that have.",
            smaller_is_better: None,
        },
        value: |end| Some(end.window.wanted.value as f64),
    },
    Entry {
        metric: Metric {
            name: "running_final",
            unit: "tasks",
            definition: "Running tasks at the end.",
            smaller_is_better: Some(false),
        },
        value: |end| Some(end.run.running as f64),
    },
    Entry {
        metric: Metric {
            name: "running_min",
            unit: "tasks",
            definition: "Least number of running tasks at any time from the first convergence on, which is the first instant after the last service was created at which every service has as many running tasks as it wants.",
            smaller_is_better: Some(false),
        },
        value: |end| end.run.first_settled.map(|_| end.window.running_min as f64),
    },
    Entry {
        metric: Metric {
            name: "time_to_running_p50_s",
            unit: "s",
            definition: "Median over all tasks that came to run of the time from a task's creation, waiting for restart delays included, until the manager learned that it runs.",
            smaller_is_better: Some(true),
        },
        value: |end| quantile(&end.to_running, 0.5),
    },
    Entry {
        metric: Metric {
            name: "time_to_running_p99_s",
            unit: "s",
            definition: "99th percentile (nearest rank) of the time from a task's creation until the manager learned that it runs.",
            smaller_is_better: Some(true),
        },
        value: |end| quantile(&end.to_running, 0.99),
    },
    Entry {
        metric: Metric {
            name: "time_to_running_max_s",
            unit: "s",
            definition: "Longest time from a task's creation until the manager learned that it runs.",
            smaller_is_better: Some(true),
        },
        value: |end| quantile(&end.to_running, 1.0),
    },
    Entry {
        metric: Metric {
            name: "time_to_converge_s",
            unit: "s",
            definition: "Time from the last service creation or scripted event to the first instant from which every service has exactly as many running tasks as it wants, for at least 30 s or until the end, while no node that was marked down is on its way back.",
            smaller_is_better: Some(true),
        },
        value: |end| end.run.converged.map(|at| at.since(end.run.last_event).as_secs_f64()),
    },
    Entry {
        metric: Metric {
            name: "detection_mean_s",
            unit: "s",
            definition: "Mean time from the instant from which a node is not heard any more (its machine lost power, its engine was stopped, or its network broke) until the manager marks it down, over those that were noticed.",
            smaller_is_better: Some(true),
        },
        value: |end| end.window.detections.mean(),
    },
    Entry {
        metric: Metric {
            name: "failover_p50_s",
            unit: "s",
            definition: "Median over the replicas that ran on a machine when it lost power of the time until a task of the same slot runs again.",
            smaller_is_better: Some(true),
        },
        value: |end| quantile(&end.failovers, 0.5),
    },
    Entry {
        metric: Metric {
            name: "failover_max_s",
            unit: "s",
            definition: "Longest time from a machine's loss of power until a task runs again in the slot of a replica that was lost with it.",
            smaller_is_better: Some(true),
        },
        value: |end| quantile(&end.failovers, 1.0),
    },
    Entry {
        metric: Metric {
            name: "availability",
            unit: "1",
            definition: "Share of the wanted replica-seconds in which a replica really ran, each service by itself and surplus not counted (a global service wants one on each of its nodes, also while an update starts another there), from the first convergence on (from the start if there is none).",
            smaller_is_better: Some(false),
        },
        value: |end| ratio(end.wanted() - end.missing(), end.wanted()),
    },
    Entry {
        metric: Metric {
            name: "unavailability",
            unit: "1",
            definition: "Share of the wanted replica-seconds in which no replica really ran, counted as availability is.",
            smaller_is_better: Some(true),
        },
        value: |end| ratio(end.missing(), end.wanted()),
    },
    Entry {
        metric: Metric {
            name: "replica_seconds_lost",
            unit: "s",
            definition: "Integral over time of the running tasks that services want and do not have, from the first convergence on (from the start if there is none).",
            smaller_is_better: Some(true),
        },
        value: |end| Some(end.missing() / 1e9),
    },
    Entry {
        metric: Metric {
            name: "pending_mean",
            unit: "tasks",
            definition: "Time average of the number of tasks that wait for a node.",
            smaller_is_better: Some(true),
        },
        value: |end| ratio(end.integral(&end.window.pending), end.span()),
    },
    Entry {
        metric: Metric {
            name: "pending_max",
            unit: "tasks",
            definition: "Largest number of tasks that waited for a node at one time.",
            smaller_is_better: Some(true),
        },
        value: |end| Some(end.window.pending.max as f64),
    },
    Entry {
        metric: Metric {
            name: "pending_longest_s",
            unit: "s",
            definition: "Longest time without a break in which some task of the same service waited for a node, of the first 10,000 services.",
            smaller_is_better: Some(true),
        },
        value: |end| {
            let spans = end.window.tallies.iter().map(|tally| tally.pending_longest_by(end.now));
            Some(spans.max().unwrap_or_default().as_secs_f64())
        },
    },
    Entry {
        metric: Metric {
            name: "tasks_created",
            unit: "tasks",
            definition: "Tasks that the manager created.",
            smaller_is_better: None,
        },
        value: |end| Some(end.window.created as f64),
    },
    Entry {
        metric: Metric {
            name: "restarts",
            unit: "tasks",
            definition: "Tasks created in place of one that had ended, or whose node was lost, drained or is not fit for it any more, not those by which an update or rollback replaces what could run on, nor those of a slot that was given up.",
            smaller_is_better: Some(true),
        },
        value: |end| Some(end.window.restarts as f64),
    },
    Entry {
        metric: Metric {
            name: "node_failures",
            unit: "failures",
            definition: "Losses of power, of one machine each.",
            smaller_is_better: None,
        },
        value: |end| Some(end.window.failures as f64),
    },
    Entry {
        metric: Metric {
            name: "tasks_per_node_max",
            unit: "tasks",
            definition: "Most running tasks on one node at the end.",
            smaller_is_better: Some(true),
        },
        value: |end| end.run.nodes.iter().map(|node| node.running as f64).reduce(f64::max),
    },
    Entry {
        metric: Metric {
            name: "tasks_per_node_cv",
            unit: "1",
            definition: "Coefficient of variation (population standard deviation by mean) of running tasks per node at the end, over machines with power.",
            smaller_is_better: Some(true),
        },
        value: |end| end.load_variation(),
    },
    Entry {
        metric: Metric {
            name: "rack_share_max",
            unit: "1",
            definition: "Largest share of a service's running tasks that are on nodes of one value of the label `rack`, at the end, mean over the services with at least two running tasks.",
            smaller_is_better: Some(true),
        },
        value: |end| end.run.rack_share(),
    },
    Entry {
        metric: Metric {
            name: "pulled_bytes",
            unit: "B",
            definition: "Bytes that the registry sent, with those of transfers that broke off or are still under way.",
            smaller_is_better: Some(true),
        },
        value: |end| Some((end.pulled.sent - end.window.pulled_before.sent) as f64),
    },
    Entry {
        metric: Metric {
            name: "cache_hit_ratio",
            unit: "1",
            definition: "Share of the compressed bytes of all layers needed by pulls that was on the node when the pull began.",
            smaller_is_better: Some(false),
        },
        value: |end| end.cache_hit_ratio(),
    },
    Entry {
        metric: Metric {
            name: "pull_p50_s",
            unit: "s",
            definition: "Median time from the request to the last layer unpacked, over pulls that found a layer missing and were not cancelled.",
            smaller_is_better: Some(true),
        },
        value: |end| quantile(&end.pulls, 0.5),
    },
    Entry {
        metric: Metric {
            name: "pull_p99_s",
            unit: "s",
            definition: "99th percentile (nearest rank) of the time from the request to the last layer unpacked, over pulls that found a layer missing.",
            smaller_is_better: Some(true),
        },
        value: |end| quantile(&end.pulls, 0.99),
    },
    Entry {
        metric: Metric {
            name: "cpu_reserved",
            unit: "1",
            definition: "CPU reserved by assigned tasks that have not ended, as a share of the CPU of nodes that are ready and active, both integrated over time.",
            smaller_is_better: None,
        },
        value: |end| ratio(end.integral(&end.window.cpu), end.integral(&end.window.cpu_total)),
    },
    Entry {
        metric: Metric {
            name: "memory_reserved",
            unit: "1",
            definition: "Memory reserved by assigned tasks that have not ended, as a share of the memory of nodes that are ready and active, both integrated over time.",
            smaller_is_better: None,
        },
        value: |end| ratio(end.integral(&end.window.memory), end.integral(&end.window.memory_total)),
    },
    Entry {
        metric: Metric {
            name: "moves",
            unit: "tasks",
            definition: "Tasks that are on another node than the previous task of their slot, which the manager stopped while its node was in touch (drain, enforcement, update, rebalancing), whether it stopped before the next was assigned or, start-first, after.",
            smaller_is_better: Some(true),
        },
        value: |end| Some(end.window.moves as f64),
    },
    Entry {
        metric: Metric {
            name: "addresses_peak",
            unit: "addresses",
            definition: "Largest number of addresses of one overlay subnet in use at a time since the start, gateway included.",
            smaller_is_better: Some(true),
        },
        value: |end| Some(f64::from(end.addresses_peak)),
    },
    Entry {
        metric: Metric {
            name: "update_duration_s",
            unit: "s",
            definition: "Mean time from the start of a rolling update or rollback to its completion or pause.",
            smaller_is_better: Some(true),
        },
        value: |end| end.window.updates.mean(),
    },
    Entry {
        metric: Metric {
            name: "duplicate_seconds",
            unit: "s",
            definition: "Integral over time of the containers that live in a slot beside a first one, stopping ones included.",
            smaller_is_better: Some(true),
        },
        value: |end| Some(end.integral(&end.window.duplicates) / 1e9),
    },
    Entry {
        metric: Metric {
            name: "near_bytes",
            unit: "B",
            definition: "Bytes that nodes got from a mirror or from each other, with those of transfers that broke off or are still under way.",
            smaller_is_better: None,
        },
        value: |end| Some((end.pulled.from_peer - end.window.pulled_before.from_peer) as f64),
    },
    Entry {
        metric: Metric {
            name: "nodes_down_mean",
            unit: "nodes",
            definition: "Time average of the number of nodes without power.",
            smaller_is_better: Some(true),
        },
        value: |end| ratio(end.integral(&end.window.down), end.span()),
    },
    Entry {
        metric: Metric {
            name: "quorum_share",
            unit: "1",
            definition: "Share of time in which a service has at least as many running tasks as its quorum says, mean over the services that name one.",
            smaller_is_better: Some(false),
        },
        value: |end| end.run.quorum_share(end.now),
    },
    Entry {
        metric: Metric {
            name: "jobs_arrived",
            unit: "jobs",
            definition: "Jobs and services that arrived (`[[arrivals]]`), those that found their queue full included.",
            smaller_is_better: None,
        },
        value: |end| end.jobs.value("jobs_arrived"),
    },
    Entry {
        metric: Metric {
            name: "jobs_lost_ratio",
            unit: "1",
            definition: "Share of the arrivals that found their queue full and went away.",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("jobs_lost_ratio"),
    },
    Entry {
        metric: Metric {
            name: "jobs_abandoned_ratio",
            unit: "1",
            definition: "Share of the arrivals that went away because they did not run within their `patience`, to those that arrived.",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("jobs_abandoned_ratio"),
    },
    Entry {
        metric: Metric {
            name: "jobs_done",
            unit: "jobs",
            definition: "Arrivals that are over: a job whose tasks completed, a service whose lifetime ended.",
            smaller_is_better: None,
        },
        value: |end| end.jobs.value("jobs_done"),
    },
    Entry {
        metric: Metric {
            name: "jobs_present_mean",
            unit: "jobs",
            definition: "Time average of the number of arrivals that are there, from their arrival to their end, waiting in a queue included.",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("jobs_present_mean"),
    },
    Entry {
        metric: Metric {
            name: "jobs_waiting_mean",
            unit: "jobs",
            definition: "Time average of the number of arrivals that are there and of which no container ran yet.",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("jobs_waiting_mean"),
    },
    Entry {
        metric: Metric {
            name: "job_waited_ratio",
            unit: "1",
            definition: "Share of the arrivals that began to run that did not run in the instant of their arrival.",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("job_waited_ratio"),
    },
    Entry {
        metric: Metric {
            name: "job_wait_mean_s",
            unit: "s",
            definition: "Mean time from an arrival until the first of its containers runs, over those that came to run, whenever they arrived.",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("job_wait_mean_s"),
    },
    Entry {
        metric: Metric {
            name: "job_wait_p50_s",
            unit: "s",
            definition: "Median (nearest rank) of the time from an arrival until the first of its containers runs, over those that came to run.",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("job_wait_p50_s"),
    },
    Entry {
        metric: Metric {
            name: "job_wait_p90_s",
            unit: "s",
            definition: "90th percentile (nearest rank) of the time from an arrival until the first of its containers runs, over those that came to run.",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("job_wait_p90_s"),
    },
    Entry {
        metric: Metric {
            name: "job_wait_p95_s",
            unit: "s",
            definition: "95th percentile (nearest rank) of the time from an arrival until the first of its containers runs, over those that came to run.",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("job_wait_p95_s"),
    },
    Entry {
        metric: Metric {
            name: "job_wait_p99_s",
            unit: "s",
            definition: "99th percentile (nearest rank) of the time from an arrival until the first of its containers runs, over those that came to run.",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("job_wait_p99_s"),
    },
    Entry {
        metric: Metric {
            name: "job_time_mean_s",
            unit: "s",
            definition: "Mean time from an arrival to its end, over those that ended and were not lost, whenever they arrived: without those that are still there (jobs_open).",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("job_time_mean_s"),
    },
    Entry {
        metric: Metric {
            name: "job_time_p50_s",
            unit: "s",
            definition: "Median (nearest rank) of the time from an arrival to its end, over those that ended and were not lost.",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("job_time_p50_s"),
    },
    Entry {
        metric: Metric {
            name: "job_time_p90_s",
            unit: "s",
            definition: "90th percentile (nearest rank) of the time from an arrival to its end, over those that ended and were not lost.",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("job_time_p90_s"),
    },
    Entry {
        metric: Metric {
            name: "job_time_p95_s",
            unit: "s",
            definition: "95th percentile (nearest rank) of the time from an arrival to its end, over those that ended and were not lost.",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("job_time_p95_s"),
    },
    Entry {
        metric: Metric {
            name: "job_time_p99_s",
            unit: "s",
            definition: "99th percentile (nearest rank) of the time from an arrival to its end, over those that ended and were not lost.",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("job_time_p99_s"),
    },
    Entry {
        metric: Metric {
            name: "jobs_open",
            unit: "jobs",
            definition: "Arrivals that are still there at the end of the run, waiting or running: how long they take is not known.",
            smaller_is_better: None,
        },
        value: |end| end.jobs.value("jobs_open"),
    },
    Entry {
        metric: Metric {
            name: "little_gap_s",
            unit: "s",
            definition: "The number of present arrivals integrated over time less the time that each of them was present, added up: 0 by Little's law.",
            smaller_is_better: Some(true),
        },
        value: |end| end.jobs.value("little_gap_s"),
    },
    Entry {
        metric: Metric {
            name: "pull_mean_s",
            unit: "s",
            definition: "Mean time from the request to the last layer unpacked, over pulls that found a layer missing and were not cancelled.",
            smaller_is_better: Some(true),
        },
        value: |end| mean(&end.pulls),
    },
    Entry {
        metric: Metric {
            name: "leaderless_share",
            unit: "1",
            definition: "Share of time in which no manager leads.",
            smaller_is_better: Some(true),
        },
        value: |end| ratio(end.integral(&end.window.leaderless), end.span()),
    },
    Entry {
        metric: Metric {
            name: "election_mean_s",
            unit: "s",
            definition: "Mean time in which a majority of the managers is up and none of them leads, until one does.",
            smaller_is_better: Some(true),
        },
        value: |end| end.window.elections.mean(),
    },
    Entry {
        metric: Metric {
            name: "majority_share",
            unit: "1",
            definition: "Share of time in which a majority of the managers is up.",
            smaller_is_better: Some(false),
        },
        value: |end| ratio(end.span() - end.integral(&end.window.minority), end.span()),
    },
    Entry {
        metric: Metric {
            name: "majority_losses",
            unit: "losses",
            definition: "How often the managers lost their majority.",
            smaller_is_better: Some(true),
        },
        value: |end| Some(end.window.majority_losses as f64),
    },
    Entry {
        metric: Metric {
            name: "majority_lost_s",
            unit: "s",
            definition: "Time in which no majority of the managers was up, all times together.",
            smaller_is_better: Some(true),
        },
        value: |end| Some(end.integral(&end.window.minority) / 1e9),
    },
    Entry {
        metric: Metric {
            name: "until_s",
            unit: "s",
            definition: "Time from the start, warm-up included, until the condition `until` of the scenario held and the run ended.",
            smaller_is_better: None,
        },
        value: |end| end.run.ended_early.map(Time::as_secs_f64),
    },
    Entry {
        metric: Metric {
            name: "majority_kept_s",
            unit: "s",
            definition: "Time from the start until the managers lost their majority for the first time, warm-up included.",
            smaller_is_better: Some(false),
        },
        value: |end| end.run.majority_lost.map(Time::as_secs_f64),
    },
    Entry {
        metric: Metric {
            name: "requests",
            unit: "requests",
            definition: "Requests (`[[requests]]`) of which it is known by the end whether they were answered.",
            smaller_is_better: None,
        },
        value: |end| Some(end.requests()).filter(|asked| *asked > 0.0),
    },
    Entry {
        metric: Metric {
            name: "request_error_ratio",
            unit: "1",
            definition: "Share of the requests that were sent where nobody answered, or nowhere.",
            smaller_is_better: Some(true),
        },
        value: |end| ratio(end.window.unanswered as f64, end.requests()),
    },
    Entry {
        metric: Metric {
            name: "request_mean_s",
            unit: "s",
            definition: "Mean time from a request to its answer, over those answered.",
            smaller_is_better: Some(true),
        },
        value: |end| mean(&end.served),
    },
    Entry {
        metric: Metric {
            name: "request_p99_s",
            unit: "s",
            definition: "99th percentile (nearest rank) of the time from a request to its answer, over those answered.",
            smaller_is_better: Some(true),
        },
        value: |end| quantile(&end.served, 0.99),
    },
    Entry {
        metric: Metric {
            name: "gossip_rounds_mean",
            unit: "rounds",
            definition: "Mean number of rounds of gossip until every node knew that a task began or ceased to serve.",
            smaller_is_better: Some(true),
        },
        value: |end| end.rounds_mean(),
    },
    Entry {
        metric: Metric {
            name: "gossip_time_mean_s",
            unit: "s",
            definition: "Mean time until every node knew by gossip that a task began or ceased to serve.",
            smaller_is_better: Some(true),
        },
        value: |end| end.window.told.mean(),
    },
    Entry {
        metric: Metric {
            name: "time_to_running_mean_s",
            unit: "s",
            definition: "Mean over all tasks that came to run of the time from a task's creation until the manager learned that it runs.",
            smaller_is_better: Some(true),
        },
        value: |end| mean(&end.to_running),
    },
    Entry {
        metric: Metric {
            name: "prepare_mean_s",
            unit: "s",
            definition: "Mean time from an agent's request for the image of a task until its container is created, over all tasks created.",
            smaller_is_better: Some(true),
        },
        value: |end| end.window.prepares.mean(),
    },
    Entry {
        metric: Metric {
            name: "return_mean_s",
            unit: "s",
            definition: "Mean time from the return of a machine's power or network until its agent is registered.",
            smaller_is_better: Some(true),
        },
        value: |end| end.window.returns.mean(),
    },
    Entry {
        metric: Metric {
            name: "event_to_created_mean_s",
            unit: "s",
            definition: "Mean time from the last scripted event to the creation of a task, over the tasks created since.",
            smaller_is_better: None,
        },
        value: |end| end.run.since_script.created.mean(),
    },
    Entry {
        metric: Metric {
            name: "event_to_ready_mean_s",
            unit: "s",
            definition: "Mean time from the last scripted event until a container is created, over the tasks created since.",
            smaller_is_better: Some(true),
        },
        value: |end| end.run.since_script.ready.mean(),
    },
    Entry {
        metric: Metric {
            name: "event_to_running_mean_s",
            unit: "s",
            definition: "Mean time from the last scripted event until a container serves, over the tasks created since.",
            smaller_is_better: Some(true),
        },
        value: |end| end.run.since_script.running.mean(),
    },
    Entry {
        metric: Metric {
            name: "event_to_running_max_s",
            unit: "s",
            definition: "Longest time from the last scripted event until a container serves, over the tasks created since.",
            smaller_is_better: Some(true),
        },
        value: |end| end.run.since_script.running.max(),
    },
    Entry {
        metric: Metric {
            name: "event_to_ended_mean_s",
            unit: "s",
            definition: "Mean time from the last scripted event until an agent knows that a task has ended, over the tasks created before that ended since.",
            smaller_is_better: Some(true),
        },
        value: |end| end.run.since_script.ended.mean(),
    },
    Entry {
        metric: Metric {
            name: "event_to_removed_mean_s",
            unit: "s",
            definition: "Mean time from the last scripted event until the manager deletes the record of a task, over the records deleted since.",
            smaller_is_better: Some(true),
        },
        value: |end| end.run.since_script.removed.mean(),
    },
    Entry {
        metric: Metric {
            name: "state_new",
            unit: "tasks",
            definition: "Task records of the manager at the end whose observed state is NEW.",
            smaller_is_better: None,
        },
        value: |end| end.in_state(TaskState::New),
    },
    Entry {
        metric: Metric {
            name: "state_pending",
            unit: "tasks",
            definition: "Task records of the manager at the end whose observed state is PENDING.",
            smaller_is_better: None,
        },
        value: |end| end.in_state(TaskState::Pending),
    },
    Entry {
        metric: Metric {
            name: "state_preparing",
            unit: "tasks",
            definition: "Task records of the manager at the end whose observed state is PREPARING.",
            smaller_is_better: None,
        },
        value: |end| end.in_state(TaskState::Preparing),
    },
    Entry {
        metric: Metric {
            name: "state_ready",
            unit: "tasks",
            definition: "Task records of the manager at the end whose observed state is READY.",
            smaller_is_better: None,
        },
        value: |end| end.in_state(TaskState::Ready),
    },
    Entry {
        metric: Metric {
            name: "state_running",
            unit: "tasks",
            definition: "Task records of the manager at the end whose observed state is RUNNING.",
            smaller_is_better: None,
        },
        value: |end| end.in_state(TaskState::Running),
    },
    Entry {
        metric: Metric {
            name: "state_complete",
            unit: "tasks",
            definition: "Task records of the manager at the end whose observed state is COMPLETE.",
            smaller_is_better: None,
        },
        value: |end| end.in_state(TaskState::Complete),
    },
    Entry {
        metric: Metric {
            name: "state_shutdown",
            unit: "tasks",
            definition: "Task records of the manager at the end whose observed state is SHUTDOWN.",
            smaller_is_better: None,
        },
        value: |end| end.in_state(TaskState::Shutdown),
    },
    Entry {
        metric: Metric {
            name: "state_failed",
            unit: "tasks",
            definition: "Task records of the manager at the end whose observed state is FAILED.",
            smaller_is_better: None,
        },
        value: |end| end.in_state(TaskState::Failed),
    },
    Entry {
        metric: Metric {
            name: "state_rejected",
            unit: "tasks",
            definition: "Task records of the manager at the end whose observed state is REJECTED.",
            smaller_is_better: None,
        },
        value: |end| end.in_state(TaskState::Rejected),
    },
    Entry {
        metric: Metric {
            name: "state_orphaned",
            unit: "tasks",
            definition: "Task records of the manager at the end whose observed state is ORPHANED.",
            smaller_is_better: None,
        },
        value: |end| end.in_state(TaskState::Orphaned),
    },
    Entry {
        metric: Metric {
            name: "nodes_final",
            unit: "nodes",
            definition: "Nodes in the cluster at the end, whatever their state.",
            smaller_is_better: None,
        },
        value: |end| Some(end.window.members.value as f64),
    },
    Entry {
        metric: Metric {
            name: "nodes_used_mean",
            unit: "nodes",
            definition: "Time average of the number of nodes on which a task runs.",
            smaller_is_better: None,
        },
        value: |end| ratio(end.integral(&end.window.used), end.span()),
    },
    Entry {
        metric: Metric {
            name: "nodes_used_max",
            unit: "nodes",
            definition: "Largest number of nodes on which tasks ran at one time.",
            smaller_is_better: None,
        },
        value: |end| Some(end.window.used.max as f64),
    },
    Entry {
        metric: Metric {
            name: "nodes_mean",
            unit: "nodes",
            definition: "Time average of the number of nodes in the cluster, whatever their state.",
            smaller_is_better: None,
        },
        value: |end| ratio(end.integral(&end.window.members), end.span()),
    },
    Entry {
        metric: Metric {
            name: "replicas_lost",
            unit: "replicas",
            definition: "Replicas of replicated services that ran on a machine when it lost power.",
            smaller_is_better: None,
        },
        value: |end| Some(end.window.losses as f64),
    },
    Entry {
        metric: Metric {
            name: "failover_mean_s",
            unit: "s",
            definition: "Mean over the replicas that ran on a machine when it lost power of the time until a task of the same slot runs again.",
            smaller_is_better: Some(true),
        },
        value: |end| mean(&end.failovers),
    },
    Entry {
        metric: Metric {
            name: "failover_p99_s",
            unit: "s",
            definition: "99th percentile (nearest rank) over the replicas that ran on a machine when it lost power of the time until a task of the same slot runs again.",
            smaller_is_better: Some(true),
        },
        value: |end| quantile(&end.failovers, 0.99),
    },
    Entry {
        metric: Metric {
            name: "failover_lost_s",
            unit: "s",
            definition: "Replica-seconds lost with machines: the time from a machine's loss of power until a task runs again in the slot of a replica that was lost with it, or until the end, added up over replicas.",
            smaller_is_better: Some(true),
        },
        value: |end| Some(end.integral(&end.window.lost) / 1e9),
    },
    Entry {
        metric: Metric {
            name: "failover_lost_detected_s",
            unit: "s",
            definition: "The part of `failover_lost_s` from the instant on at which the manager knows: it marks the node down, or hears that the task has ended.",
            smaller_is_better: Some(true),
        },
        value: |end| Some(end.integral(&end.window.noticed) / 1e9),
    },
    Entry {
        metric: Metric {
            name: "failovers_open",
            unit: "replicas",
            definition: "Replicas lost with their machines in whose slots nothing runs at the end.",
            smaller_is_better: Some(true),
        },
        value: |end| Some(end.window.lost.value as f64),
    },
    Entry {
        metric: Metric {
            name: "failover_bytes",
            unit: "B",
            definition: "Bytes that the registry sent from the first loss of power on that came after the first convergence, with those of transfers that broke off or are still under way.",
            smaller_is_better: Some(true),
        },
        value: |end| end.run.sent_before.map(|before| (end.pulled.sent - before) as f64),
    },
    Entry {
        metric: Metric {
            name: "node_changes",
            unit: "tasks",
            definition: "Tasks of replicas assigned to another node than the previous task of their slot, for whatever reason.",
            smaller_is_better: Some(true),
        },
        value: |end| Some(end.window.node_changes as f64),
    },
    Entry {
        metric: Metric {
            name: "spares_mean",
            unit: "tasks",
            definition: "Time average of the number of spares that have a node.",
            smaller_is_better: Some(true),
        },
        value: |end| ratio(end.integral(&end.window.spares), end.span()),
    },
    Entry {
        metric: Metric {
            name: "spare_cpu",
            unit: "1",
            definition: "CPU reserved by spares, as a share of the CPU of nodes that are ready and active, both integrated over time.",
            smaller_is_better: Some(true),
        },
        value: |end| ratio(end.integral(&end.window.spare_cpu), end.integral(&end.window.cpu_total)),
    },
    Entry {
        metric: Metric {
            name: "spare_memory",
            unit: "1",
            definition: "Memory reserved by spares, as a share of the memory of nodes that are ready and active, both integrated over time.",
            smaller_is_better: Some(true),
        },
        value: |end| ratio(end.integral(&end.window.spare_memory), end.integral(&end.window.memory_total)),
    },
    Entry {
        metric: Metric {
            name: "imbalance_mean",
            unit: "1",
            definition: "Time average of the coefficient of variation (population standard deviation by mean) of running tasks per node, over nodes that are ready and active, from the first convergence on.",
            smaller_is_better: Some(true),
        },
        value: |end| end.run.balance.of(end.now).map(|(mean, _)| mean),
    },
    Entry {
        metric: Metric {
            name: "imbalance_s",
            unit: "s",
            definition: "Time from the first convergence on in which the coefficient of variation of running tasks per node, over nodes that are ready and active, is more than 0.05 above what it was at the first convergence.",
            smaller_is_better: Some(true),
        },
        value: |end| end.run.balance.of(end.now).map(|(_, uneven)| uneven.as_secs_f64()),
    },
    Entry {
        metric: Metric {
            name: "below_quorum_ratio",
            unit: "1",
            definition: "Share of the services that for any time, from the first convergence on, had fewer running tasks than their quorum (without one: half of what they want, rounded up), of the first 10,000 services, jobs left out.",
            smaller_is_better: Some(true),
        },
        value: |end| end.share_of_services(|tally| &tally.below),
    },
    Entry {
        metric: Metric {
            name: "below_quorum_s",
            unit: "s",
            definition: "Time in which a service has fewer running tasks than its quorum (without one: half of what it wants, rounded up), from the first convergence on, added up over the first 10,000 services, jobs left out.",
            smaller_is_better: Some(true),
        },
        value: |end| Some(end.sum_of_services(|tally| &tally.below)),
    },
    Entry {
        metric: Metric {
            name: "stood_still_ratio",
            unit: "1",
            definition: "Share of the services that for any time, from the first convergence on, wanted running tasks and had none, of the first 10,000 services, jobs left out.",
            smaller_is_better: Some(true),
        },
        value: |end| end.share_of_services(|tally| &tally.still),
    },
    Entry {
        metric: Metric {
            name: "stood_still_s",
            unit: "s",
            definition: "Time in which a service wants running tasks and has none, from the first convergence on, added up over the first 10,000 services, jobs left out.",
            smaller_is_better: Some(true),
        },
        value: |end| Some(end.sum_of_services(|tally| &tally.still)),
    },
    Entry {
        metric: Metric {
            name: "events",
            unit: "events",
            definition: "Events that the simulation handled.",
            smaller_is_better: None,
        },
        value: |end| Some(end.events as f64),
    },
];

/// A part of a whole, if there is a whole.
pub(super) fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// The smallest of sorted samples that a share of at least `p` does not exceed, in seconds.
pub(super) fn quantile(sorted: &[Span], p: f64) -> Option<f64> {
    let rank = (p * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).map(|span| span.as_secs_f64())
}

/// In seconds.
pub(super) fn mean(samples: &[Span]) -> Option<f64> {
    let mut mean = Mean::default();
    mean.extend(samples.iter().copied());
    mean.mean()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_of_each_class_there_is_of_all() {
        for name in CLASS_METRICS {
            assert!(METRICS.iter().any(|metric| metric.name == *name), "{name}");
        }
    }

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let sorted: Vec<Span> = (1..=10).map(Span::from_secs).collect();
        let of = |p| quantile(&sorted, p);
        assert_eq!((of(0.5), of(0.99), of(1.0), of(0.01)), (Some(5.0), Some(10.0), Some(10.0), Some(1.0)));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
