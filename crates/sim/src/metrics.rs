//! What is measured in a run. Metrics observe; they never influence a decision.

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

/// Every metric, in the order of the columns.
pub const METRICS: &[Metric] = &[];

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
}

/// One point of the series.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Point {
    /// Seconds from the start.
    pub time_s: f64,
    /// Tasks that services want running.
    pub desired: u64,
    /// Tasks whose container really runs on a living node.
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
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TaskRow {
    /// `service.slot`, or `service.node` for global services, then `#` and the number of the task in that slot.
    pub name: String,
    /// Its service.
    pub service: String,
    /// Its node's name; empty if it never had one.
    pub node: String,
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
    pub state: String,
    /// Last desired state.
    pub desired: String,
    /// Error text.
    pub error: String,
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
    /// `down`, `up`, `detected`, `script`.
    pub kind: String,
    /// In words: `rack=r1 down (5 nodes)`.
    pub label: String,
}
