//! What is measured in a run. Metrics observe; they never influence a decision.
//!
//! This file says how the numbers leave a run; [`observer`] counts, and its list says what each number means.
//!
//! *Running* means everywhere: the container runs on a machine with power, is healthy if it has a health check, and is not
//! being stopped. That is the truth on the nodes; what the manager thinks is called *believed*. A service *wants* its
//! replicas if it is replicated, but those that ended well by themselves and are not started again; otherwise it wants as many
//! as it has tasks that shall run and have not ended.

pub mod observer;

use crate::digest::Trace;
use sched::{DesiredState, TaskState};
use smol_str::SmolStr;

pub use self::observer::{CLASS_METRICS, METRICS};

/// A number that a run yields.
#[derive(Clone, Copy, Debug)]
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

impl Metric {
    /// Where its values can be, by its definition: a time, an amount or a count is not below 0, a share not above 1.
    pub fn range(&self) -> (f64, f64) {
        match self.name {
            // A difference, which is 0 but for rounding.
            "little_gap_s" => (f64::NEG_INFINITY, f64::INFINITY),
            name if SHARES.contains(&name) => (0.0, 1.0),
            _ => (0.0, f64::INFINITY),
        }
    }
}

/// Metrics that are a part of a whole. What is reserved may be more than what ready nodes have.
const SHARES: &[&str] = &[
    "availability",
    "rack_share_max",
    "cache_hit_ratio",
    "quorum_share",
    "jobs_lost_ratio",
    "job_waited_ratio",
    "leaderless_share",
    "majority_share",
    "request_error_ratio",
    "below_quorum_ratio",
    "stood_still_ratio",
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
    /// The series, an interval for every `sample`.
    pub series: Vec<Point>,
    /// When every service first had as many running tasks as it wants, after the last was created, in seconds: from there
    /// on `running_min`, `availability` and what is lost are counted.
    pub settled_s: Option<f64>,
    /// Every task that was created, in order of creation.
    pub tasks: Vec<TaskRow>,
    /// Tasks per node at the end.
    pub nodes: Vec<NodeRow>,
    /// What each service lost, of the first 10,000 services in order of creation.
    pub services: Vec<ServiceRow>,
    /// What is counted of each class of arrivals, in order of the scenario.
    pub classes: Vec<ClassRow>,
    /// Every arrival, in order.
    pub jobs: Vec<JobRow>,
    /// Things that happened to the cluster, for marks in plots.
    pub marks: Vec<Mark>,
    /// Every step of every update, in order of time.
    pub updates: Vec<UpdateRow>,
    /// Why tasks of each service waited for a node, by service, those first that took most.
    pub pending: Vec<PendingRow>,
    /// Every order, in order of time, but arrivals that were created and removed as planned.
    pub orders: Vec<OrderRow>,
    /// Rows of tasks, nodes, marks, services, jobs, updates, pending tasks and orders that were left out because no table
    /// would keep them.
    pub left_out: [usize; 8],
    /// What happened, in digests.
    pub trace: Trace,
    /// Why the run was aborted, if it was; then there are no values, and the rest ends where the run did.
    pub failed: Option<String>,
}

/// One interval of the series: what happened from `time_s` until `until_s`.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Point {
    /// Its begin, in seconds from the start.
    pub time_s: f64,
    /// Its end.
    pub until_s: f64,
    /// Tasks that services want running.
    pub desired: Band,
    /// Tasks that really run.
    pub running: Band,
    /// Tasks that the manager believes to be running and wants.
    pub believed: Band,
    /// Tasks waiting for a node.
    pub pending: Band,
    /// Nodes without power.
    pub nodes_down: Band,
    /// Bytes that the registry sent in it.
    pub registry_bytes: u64,
}

/// What a count was in an interval.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Band {
    /// The least that it was at any instant.
    pub least: u64,
    /// Its mean over time.
    pub mean: f64,
    /// The most that it was at any instant.
    pub most: u64,
}

impl Band {
    /// A count that is the same all the time.
    pub fn steady(count: u64) -> Band {
        Band { least: count, mean: count as f64, most: count }
    }
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
    /// Its image, as the specification names it.
    pub image: SmolStr,
    /// Counts the specifications of its service, from 1: every change of a service is another one.
    pub specification: u32,
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
    /// The value of its label `rack`, at the end.
    pub rack: String,
    /// All its labels at the end: `rack=r1 zone=a`.
    pub labels: String,
    /// CPUs that it has.
    pub cpus: f64,
    /// Bytes of memory that it has.
    pub memory_bytes: u64,
    /// Running tasks at the end.
    pub running: u64,
    /// Most running tasks at any time.
    pub running_max: u64,
    /// Share of its CPUs that tasks reserve at the end.
    pub cpu_reserved: f64,
    /// Share of its memory that tasks reserve at the end.
    pub memory_reserved: f64,
    /// Largest share of its CPUs that tasks reserved at one time.
    pub cpu_reserved_max: f64,
    /// Largest share of its memory that tasks reserved at one time.
    pub memory_reserved_max: f64,
    /// Images that are wholly on it at the end.
    pub images: u64,
    /// Seconds without power.
    pub down_s: f64,
}

/// A service at the end: what it lost, and what was done about that. Counted as the metrics of the same names are; times
/// are in seconds, those of several replicas added up.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ServiceRow {
    /// Its name.
    pub service: SmolStr,
    /// Tasks that it wants at the end.
    pub wanted: u64,
    /// Least number of its running tasks at any time.
    pub running_min: u64,
    /// Share of the wanted replica-seconds in which a replica ran.
    pub availability: Option<f64>,
    /// Replica-seconds in which one was missing, for whatever reason.
    pub lost_s: f64,
    /// Most replicas that were missing at one time.
    pub missing_max: u64,
    /// Median time from a task's creation until the manager learned that it runs, over those that came to run.
    pub time_to_running_p50_s: Option<f64>,
    /// Longest.
    pub time_to_running_max_s: Option<f64>,
    /// Most of its tasks that waited for a node at one time.
    pub pending_max: u64,
    /// Seconds that its tasks waited for a node, added up.
    pub pending_s: f64,
    /// Longest time without a break in which some of its tasks waited for a node.
    pub pending_longest_s: f64,
    /// The reason for which they waited longest, in Swarm's words; empty if none was ever told.
    pub pending_reason: SmolStr,
    /// Rolling updates and rollbacks that began.
    pub updates: u64,
    /// How far the last of them is, in Docker's words: `updating`, `paused`, `completed`, `rollback_started`,
    /// `rollback_paused`, `rollback_completed`; empty without one.
    pub update_state: SmolStr,
    /// From its begin to its end or pause, or to the end of the run while it goes on.
    pub update_s: Option<f64>,
    /// Replicas that were lost with machines.
    pub replicas_lost: u64,
    /// Replica-seconds from these losses until their slots have a running task again.
    pub failover_lost_s: f64,
    /// The part of them from the instant on at which the manager knows.
    pub failover_lost_detected_s: f64,
    /// Median time from a loss until a task of the slot runs again.
    pub failover_p50_s: Option<f64>,
    /// 99th percentile of it.
    pub failover_p99_s: Option<f64>,
    /// Longest.
    pub failover_max_s: Option<f64>,
    /// Tasks created in place of one that had ended or whose node was not fit for it any more.
    pub restarts: u64,
    /// Tasks that the manager moved.
    pub moves: u64,
    /// Tasks on another node than the one before in their slot.
    pub node_changes: u64,
    /// Replica-seconds of containers beside a first one in their slot.
    pub duplicate_s: f64,
    /// Spare-seconds: spares with a node, integrated over time.
    pub spare_s: f64,
    /// Seconds with fewer running tasks than its quorum (without one: half of what it wants, rounded up).
    pub below_quorum_s: f64,
    /// Seconds in which it wants running tasks and has none.
    pub stood_still_s: f64,
    /// Running tasks at the end.
    pub running_final: u64,
    /// Seconds before the end in which it had fewer than it wants, without a break; 0 if it has all.
    pub incomplete_s: f64,
    /// Replica-seconds in which a task was missing that it had had before, and the most that were: unlike `lost_s` without
    /// what starts when it is created or grows. Jobs fall from nothing.
    pub fell_s: f64,
    /// See there.
    pub fell_max: u64,
    /// Seconds in which fewer of these ran than its quorum, or than half.
    pub short_s: f64,
    /// Seconds in which none of these ran.
    pub down_s: f64,
}

/// What is counted of a class of arrivals, an `[[arrivals]]` table.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ClassRow {
    /// Its name.
    pub class: SmolStr,
    /// A value for each of [`CLASS_METRICS`], which mean of the class what the metrics mean of all arrivals.
    pub values: Vec<Option<f64>>,
}

/// The life of an arrival, times in seconds from the start; `None` where it never came to that.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct JobRow {
    /// Its number among all arrivals, from 1.
    pub job: u64,
    /// The name of its `[[arrivals]]` table.
    pub class: SmolStr,
    /// The node on which the first of its containers ran; empty if none did.
    pub node: SmolStr,
    /// Arrival.
    pub arrived_s: f64,
    /// Start of the first of its containers.
    pub started_s: Option<f64>,
    /// End, or the moment at which it went away.
    pub ended_s: Option<f64>,
    /// `done`, `lost`, `abandoned`, or `open` where it is still there at the end.
    pub outcome: SmolStr,
}

/// The class and its metric that a name such as `class.batch.job_wait_mean_s` means, if it is one of that form.
pub fn class_metric(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("class.")?.rsplit_once('.')
}

/// The service and its metric that a name such as `service.web.availability` means, if it is one of that form.
pub fn service_metric(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("service.")?.rsplit_once('.')
}

/// A number of a [`ServiceRow`] that something can be expected of: its name, as in `services.csv`, its unit, and the number.
pub type ServiceMetric = (&'static str, &'static str, fn(&ServiceRow) -> Option<f64>);

/// What can be expected of single services.
pub const SERVICE_METRICS: &[ServiceMetric] = &[
    ("wanted", "tasks", |row| Some(row.wanted as f64)),
    ("running_min", "tasks", |row| Some(row.running_min as f64)),
    ("availability", "1", |row| row.availability),
    ("lost_s", "s", |row| Some(row.lost_s)),
    ("missing_max", "tasks", |row| Some(row.missing_max as f64)),
    ("time_to_running_p50_s", "s", |row| row.time_to_running_p50_s),
    ("time_to_running_max_s", "s", |row| row.time_to_running_max_s),
    ("pending_max", "tasks", |row| Some(row.pending_max as f64)),
    ("pending_s", "s", |row| Some(row.pending_s)),
    ("pending_longest_s", "s", |row| Some(row.pending_longest_s)),
    ("updates", "1", |row| Some(row.updates as f64)),
    ("update_completed", "1", |row| Some(f64::from(row.update_state == "completed"))),
    ("update_paused", "1", |row| Some(f64::from(row.update_state.ends_with("paused")))),
    ("update_rolled_back", "1", |row| {
        Some(f64::from(row.update_state.starts_with("rollback") && row.update_state != "rollback_paused"))
    }),
    ("update_s", "s", |row| row.update_s),
    ("replicas_lost", "tasks", |row| Some(row.replicas_lost as f64)),
    ("failover_lost_s", "s", |row| Some(row.failover_lost_s)),
    ("failover_p50_s", "s", |row| row.failover_p50_s),
    ("failover_p99_s", "s", |row| row.failover_p99_s),
    ("failover_max_s", "s", |row| row.failover_max_s),
    ("restarts", "tasks", |row| Some(row.restarts as f64)),
    ("moves", "tasks", |row| Some(row.moves as f64)),
    ("below_quorum_s", "s", |row| Some(row.below_quorum_s)),
    ("stood_still_s", "s", |row| Some(row.stood_still_s)),
    ("running_final", "tasks", |row| Some(row.running_final as f64)),
    ("incomplete_s", "s", |row| Some(row.incomplete_s)),
    ("fell_s", "s", |row| Some(row.fell_s)),
    ("fell_max", "tasks", |row| Some(row.fell_max as f64)),
    ("short_s", "s", |row| Some(row.short_s)),
    ("down_s", "s", |row| Some(row.down_s)),
];

/// A step of a rolling update or rollback, as Docker's `UpdateStatus` tells it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct UpdateRow {
    /// The service.
    pub service: SmolStr,
    /// Counts the updates of the service, from 1. A rollback that follows from a failure is a part of its update.
    pub update: u64,
    /// When, in seconds from the start.
    pub time_s: f64,
    /// How far, in Docker's words, as [`ServiceRow::update_state`].
    pub state: SmolStr,
    /// What Swarm says of it.
    pub message: String,
}

/// One reason for which tasks of a service waited for a node.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PendingRow {
    /// The service.
    pub service: SmolStr,
    /// In Swarm's words, with the number of nodes.
    pub reason: SmolStr,
    /// Most tasks of one version of the service that waited for it at one time.
    pub tasks_max: u64,
    /// Seconds that tasks waited for it, added up.
    pub seconds: f64,
    /// When the first began to wait for it, in seconds from the start.
    pub first_s: f64,
    /// When the last ceased to.
    pub last_s: f64,
    /// Tasks that wait for it at the end.
    pub open: u64,
    /// The smallest single change that would place one of those, of a few services of the first replication; else empty.
    pub remedy: SmolStr,
}

/// An order, and what came of it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct OrderRow {
    /// When the answer came, in seconds from the start.
    pub time_s: f64,
    /// Who gave it: `hand`, `script`, `deployment`, `arrivals`, `operator`, `autoscaler`, `machine-scaler`, `failure`.
    pub by: SmolStr,
    /// In the words of Docker's command line, where it has some: `service scale web=6`.
    pub order: String,
    /// Whether it was refused.
    pub is_refused: bool,
    /// Why, in Docker's words; otherwise how many containers it found, if it was about some.
    pub answer: String,
}

/// Something that happened to the cluster.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Mark {
    /// When.
    pub time_s: f64,
    /// `down`, `up`, `join`, `detected`, `script`, `deploy`, `operator`, `refused`, `never`, `error`.
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
            assert!(METRICS[..row].iter().all(|before| before.name != metric.name), "{}", metric.name);
            assert!(metric.definition.ends_with('.') && !metric.definition.contains(". "), "{}", metric.name);
        }
        for share in SHARES {
            assert!(METRICS.iter().any(|metric| metric.name == *share && metric.unit == "1"), "{share}");
        }
    }
}
