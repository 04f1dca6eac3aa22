//! What is measured in a run. Metrics observe; they never influence a decision.
//!
//! This file says what the numbers mean and how they leave a run; [`observer`] counts.
//!
//! *Running* means everywhere: the container runs on a machine with power, is healthy if it has a health check, and is not
//! being stopped. That is the truth on the nodes; what the manager thinks is called *believed*. A service *wants* its
//! replicas if it is replicated; otherwise it wants as many as it has tasks that shall run and have not ended.

pub mod observer;

use crate::digest::Trace;
use sched::{DesiredState, TaskState};
use smol_str::SmolStr;

/// A number that a run yields.
#[derive(Debug)]
pub struct Metric {
    /// Column name in `runs.csv`, with the unit where it is not 1.
    pub name: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Exact definition, one sentence.
    pub definition: &'static str,
    /// Whether smaller is better, if either is.
    pub smaller_is_better: Option<bool>,
}

/// Every metric, in the order of the columns. Unless a definition says otherwise, counts, means and samples begin at the
/// end of the warm-up and end with the run; percentiles are by nearest rank.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "tasks_desired",
        unit: "tasks",
        definition: "Tasks that all services want at the end.",
        smaller_is_better: None,
    },
    Metric {
        name: "running_final",
        unit: "tasks",
        definition: "Running tasks at the end.",
        smaller_is_better: Some(false),
    },
    Metric {
        name: "running_min",
        unit: "tasks",
        definition: "Least number of running tasks at any time from the first convergence on, which is the first instant after the last service was created at which every service has as many running tasks as it wants.",
        smaller_is_better: Some(false),
    },
    Metric {
        name: "time_to_running_p50_s",
        unit: "s",
        definition: "Median over all tasks that came to run of the time from a task's creation, waiting for restart delays included, until the manager learned that it runs.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "time_to_running_p99_s",
        unit: "s",
        definition: "99th percentile (nearest rank) of the time from a task's creation until the manager learned that it runs.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "time_to_running_max_s",
        unit: "s",
        definition: "Longest time from a task's creation until the manager learned that it runs.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "time_to_converge_s",
        unit: "s",
        definition: "Time from the last service creation or scripted event to the first instant from which every service has exactly as many running tasks as it wants, for at least 30 s or until the end.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "detection_mean_s",
        unit: "s",
        definition: "Mean time from the instant from which a node is not heard any more (its machine lost power, its engine was stopped, or its network broke) until the manager marks it down, over those that were noticed.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "failover_p50_s",
        unit: "s",
        definition: "Median over the replicas that ran on a machine when it lost power of the time until a task of the same slot runs again.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "failover_max_s",
        unit: "s",
        definition: "Longest time from a machine's loss of power until a task runs again in the slot of a replica that was lost with it.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "availability",
        unit: "1",
        definition: "Share of the wanted replica-seconds in which a replica really ran, each service by itself and surplus not counted, from the first convergence on (from the start if there is none).",
        smaller_is_better: Some(false),
    },
    Metric {
        name: "replica_seconds_lost",
        unit: "s",
        definition: "Integral over time of the running tasks that services want and do not have, from the first convergence on (from the start if there is none).",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "pending_mean",
        unit: "tasks",
        definition: "Time average of the number of tasks that wait for a node.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "pending_max",
        unit: "tasks",
        definition: "Largest number of tasks that waited for a node at one time.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "tasks_created",
        unit: "tasks",
        definition: "Tasks that the manager created.",
        smaller_is_better: None,
    },
    Metric {
        name: "restarts",
        unit: "tasks",
        definition: "Tasks created in a slot that had a task before, for whatever reason.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "node_failures",
        unit: "failures",
        definition: "Losses of power, of one machine each.",
        smaller_is_better: None,
    },
    Metric {
        name: "tasks_per_node_max",
        unit: "tasks",
        definition: "Most running tasks on one node at the end.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "tasks_per_node_cv",
        unit: "1",
        definition: "Coefficient of variation (population standard deviation by mean) of running tasks per node at the end, over machines with power.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "rack_share_max",
        unit: "1",
        definition: "Largest share of a service's running tasks that are on nodes of one value of the label `rack`, at the end, mean over the services with at least two running tasks.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "pulled_bytes",
        unit: "B",
        definition: "Bytes that the registry sent, broken-off transfers included.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "cache_hit_ratio",
        unit: "1",
        definition: "Share of the compressed bytes of all layers needed by pulls that was on the node when the pull began.",
        smaller_is_better: Some(false),
    },
    Metric {
        name: "pull_p50_s",
        unit: "s",
        definition: "Median time from the request to the last layer unpacked, over pulls that found a layer missing and were not cancelled.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "pull_p99_s",
        unit: "s",
        definition: "99th percentile (nearest rank) of the time from the request to the last layer unpacked, over pulls that found a layer missing.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "cpu_reserved",
        unit: "1",
        definition: "CPU reserved by assigned tasks that have not ended, as a share of the CPU of nodes that are ready and active, both integrated over time.",
        smaller_is_better: None,
    },
    Metric {
        name: "memory_reserved",
        unit: "1",
        definition: "Memory reserved by assigned tasks that have not ended, as a share of the memory of nodes that are ready and active, both integrated over time.",
        smaller_is_better: None,
    },
    Metric {
        name: "moves",
        unit: "tasks",
        definition: "Tasks assigned to another node than the previous task of their slot, which the manager had stopped while its node was in touch (drain, enforcement, update).",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "addresses_peak",
        unit: "addresses",
        definition: "Largest number of addresses of one overlay subnet in use at a time since the start, gateway included.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "update_duration_s",
        unit: "s",
        definition: "Mean time from the start of a rolling update or rollback to its completion or pause.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "duplicate_seconds",
        unit: "s",
        definition: "Integral over time of the containers that live in a slot beside a first one, stopping ones included.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "near_bytes",
        unit: "B",
        definition: "Bytes that nodes got from a mirror or from each other, broken-off transfers included.",
        smaller_is_better: None,
    },
    Metric {
        name: "nodes_down_mean",
        unit: "nodes",
        definition: "Time average of the number of nodes without power.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "quorum_share",
        unit: "1",
        definition: "Share of time in which a service has at least as many running tasks as its quorum says, mean over the services that name one.",
        smaller_is_better: Some(false),
    },
    Metric {
        name: "jobs_arrived",
        unit: "jobs",
        definition: "Jobs and services that arrived (`[[arrivals]]`), those that found their line full included.",
        smaller_is_better: None,
    },
    Metric {
        name: "jobs_lost_ratio",
        unit: "1",
        definition: "Share of the arrivals that found their line full and went away.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "jobs_done",
        unit: "jobs",
        definition: "Arrivals that are over: a job whose tasks completed, a service whose lifetime ended.",
        smaller_is_better: None,
    },
    Metric {
        name: "jobs_present_mean",
        unit: "jobs",
        definition: "Time average of the number of arrivals that are there, from their arrival to their end, waiting in a line included.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "jobs_waiting_mean",
        unit: "jobs",
        definition: "Time average of the number of arrivals that are there and of which no container ran yet.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "job_waited_ratio",
        unit: "1",
        definition: "Share of the arrivals that began to run that did not run in the instant of their arrival.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "job_wait_mean_s",
        unit: "s",
        definition: "Mean time from an arrival until the first of its containers runs, over those that came to run.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "job_time_mean_s",
        unit: "s",
        definition: "Mean time from an arrival to its end, over those that are over and were not lost.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "little_gap_s",
        unit: "s",
        definition: "The number of present arrivals integrated over time less the time that each of them was present, added up: 0 by Little's law.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "pull_mean_s",
        unit: "s",
        definition: "Mean time from the request to the last layer unpacked, over pulls that found a layer missing and were not cancelled.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "leaderless_share",
        unit: "1",
        definition: "Share of time in which no manager leads.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "election_mean_s",
        unit: "s",
        definition: "Mean time in which a majority of the managers is up and none of them leads, until one does.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "majority_share",
        unit: "1",
        definition: "Share of time in which a majority of the managers is up.",
        smaller_is_better: Some(false),
    },
    Metric {
        name: "majority_losses",
        unit: "losses",
        definition: "How often the managers lost their majority.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "majority_lost_s",
        unit: "s",
        definition: "Time from the start until the managers lost their majority for the first time, warm-up included.",
        smaller_is_better: Some(false),
    },
    Metric {
        name: "requests",
        unit: "requests",
        definition: "Requests (`[[requests]]`) of which it is known by the end whether they were answered.",
        smaller_is_better: None,
    },
    Metric {
        name: "request_error_ratio",
        unit: "1",
        definition: "Share of the requests that were sent where nobody answered, or nowhere.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "request_mean_s",
        unit: "s",
        definition: "Mean time from a request to its answer, over those answered.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "request_p99_s",
        unit: "s",
        definition: "99th percentile (nearest rank) of the time from a request to its answer, over those answered.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "gossip_rounds_mean",
        unit: "rounds",
        definition: "Mean number of rounds of gossip until every node knew that a task began or ceased to serve.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "gossip_time_mean_s",
        unit: "s",
        definition: "Mean time until every node knew by gossip that a task began or ceased to serve.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "time_to_running_mean_s",
        unit: "s",
        definition: "Mean over all tasks that came to run of the time from a task's creation until the manager learned that it runs.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "prepare_mean_s",
        unit: "s",
        definition: "Mean time from an agent's request for the image of a task until its container is created, over all tasks created.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "return_mean_s",
        unit: "s",
        definition: "Mean time from the return of a machine's power or network until its agent is registered.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "event_to_created_mean_s",
        unit: "s",
        definition: "Mean time from the last scripted event to the creation of a task, over the tasks created since.",
        smaller_is_better: None,
    },
    Metric {
        name: "event_to_ready_mean_s",
        unit: "s",
        definition: "Mean time from the last scripted event until a container is created, over the tasks created since.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "event_to_running_mean_s",
        unit: "s",
        definition: "Mean time from the last scripted event until a container serves, over the tasks created since.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "event_to_running_max_s",
        unit: "s",
        definition: "Longest time from the last scripted event until a container serves, over the tasks created since.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "event_to_ended_mean_s",
        unit: "s",
        definition: "Mean time from the last scripted event until an agent knows that a task has ended, over the tasks created before that ended since.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "event_to_removed_mean_s",
        unit: "s",
        definition: "Mean time from the last scripted event until the manager deletes the record of a task, over the records deleted since.",
        smaller_is_better: Some(true),
    },
    Metric {
        name: "state_new",
        unit: "tasks",
        definition: "Task records of the manager at the end whose observed state is NEW.",
        smaller_is_better: None,
    },
    Metric {
        name: "state_pending",
        unit: "tasks",
        definition: "Task records of the manager at the end whose observed state is PENDING.",
        smaller_is_better: None,
    },
    Metric {
        name: "state_preparing",
        unit: "tasks",
        definition: "Task records of the manager at the end whose observed state is PREPARING.",
        smaller_is_better: None,
    },
    Metric {
        name: "state_ready",
        unit: "tasks",
        definition: "Task records of the manager at the end whose observed state is READY.",
        smaller_is_better: None,
    },
    Metric {
        name: "state_running",
        unit: "tasks",
        definition: "Task records of the manager at the end whose observed state is RUNNING.",
        smaller_is_better: None,
    },
    Metric {
        name: "state_complete",
        unit: "tasks",
        definition: "Task records of the manager at the end whose observed state is COMPLETE.",
        smaller_is_better: None,
    },
    Metric {
        name: "state_shutdown",
        unit: "tasks",
        definition: "Task records of the manager at the end whose observed state is SHUTDOWN.",
        smaller_is_better: None,
    },
    Metric {
        name: "state_failed",
        unit: "tasks",
        definition: "Task records of the manager at the end whose observed state is FAILED.",
        smaller_is_better: None,
    },
    Metric {
        name: "state_rejected",
        unit: "tasks",
        definition: "Task records of the manager at the end whose observed state is REJECTED.",
        smaller_is_better: None,
    },
    Metric {
        name: "state_orphaned",
        unit: "tasks",
        definition: "Task records of the manager at the end whose observed state is ORPHANED.",
        smaller_is_better: None,
    },
    Metric {
        name: "nodes_final",
        unit: "nodes",
        definition: "Nodes in the cluster at the end, whatever their state.",
        smaller_is_better: None,
    },
    Metric {
        name: "nodes_mean",
        unit: "nodes",
        definition: "Time average of the number of nodes in the cluster, whatever their state.",
        smaller_is_better: None,
    },
    Metric {
        name: "events",
        unit: "events",
        definition: "Events that the simulation handled.",
        smaller_is_better: None,
    },
];

/// What one run yields: data for the report, nothing about how it is shown.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Outcome {
    /// Placement strategy.
    pub strategy: String,
    /// Number of the replication, from 1.
    pub replication: u32,
    /// A value for each of [`METRICS`]; `None` where the run has none (no failure: no detection time).
    pub values: Vec<Option<f64>>,
    /// Points of the series, every `sample`.
    pub series: Vec<Point>,
    /// Every task that was created, in order of creation.
    pub tasks: Vec<TaskRow>,
    /// Tasks per node at the end.
    pub nodes: Vec<NodeRow>,
    /// Things that happened to the cluster, for marks in plots.
    pub marks: Vec<Mark>,
    /// Rows of tasks, nodes and marks that were left out because no table would keep them.
    pub left_out: [usize; 3],
    /// What happened, in digests.
    pub trace: Trace,
    /// Why the run broke off, if it did; then there are no values, and the rest ends where the run did.
    pub failed: Option<String>,
}

/// One point of the series.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Point {
    /// Seconds from the start.
    pub time_s: f64,
    /// Tasks that services want running.
    pub desired: u64,
    /// Tasks that really run.
    pub running: u64,
    /// Tasks that the manager believes to be running and wants.
    pub believed: u64,
    /// Tasks waiting for a node.
    pub pending: u64,
    /// Nodes without power.
    pub nodes_down: u64,
    /// Bytes that the registry sends per second at that moment.
    pub registry_bytes_per_s: f64,
}

/// A task's life, times in seconds from the start; `None` where it never came to that.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskRow {
    /// `service.slot`, or `service.node` for global services, then `#` and the number of the task in that slot.
    pub name: SmolStr,
    /// Its service.
    pub service: SmolStr,
    /// Its node's name; empty if it never had one.
    pub node: SmolStr,
    /// Creation.
    pub created_s: f64,
    /// Assignment to the node.
    pub assigned_s: Option<f64>,
    /// Image present and container created.
    pub ready_s: Option<f64>,
    /// Running, as the manager learned it.
    pub running_s: Option<f64>,
    /// End of the container, or of the task if it had none.
    pub ended_s: Option<f64>,
    /// Last observed state.
    pub state: TaskState,
    /// Last desired state.
    pub desired: DesiredState,
    /// Error text.
    pub error: SmolStr,
}

/// A node at the end.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct NodeRow {
    /// Its name.
    pub node: String,
    /// Its pool.
    pub pool: String,
    /// Running tasks at the end.
    pub running: u64,
    /// Most running tasks at any time.
    pub running_max: u64,
    /// Share of its CPUs that tasks reserve at the end.
    pub cpu_reserved: f64,
    /// Share of its memory that tasks reserve at the end.
    pub memory_reserved: f64,
    /// Seconds without power.
    pub down_s: f64,
}

/// Something that happened to the cluster.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Mark {
    /// When.
    pub time_s: f64,
    /// `down`, `up`, `join`, `detected`, `script`, `deploy`, `operator`, `refused`, `error`.
    pub kind: String,
    /// In words: `rack=r1 down (5 nodes)`.
    pub label: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_name_of_its_own_and_one_sentence() {
        for (row, metric) in METRICS.iter().enumerate() {
            assert!(METRICS[..row].iter().all(|it| it.name != metric.name), "{}", metric.name);
            assert!(metric.definition.ends_with('.') && !metric.definition.contains(". "), "{}", metric.name);
        }
    }
}
