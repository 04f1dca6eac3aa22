//! What a user asks: a cluster, services, a script of events, failures, strategies to compare, and what to expect.
//!
//! This file is the resolved scenario, in which there is nothing left to doubt: units are numbers, names are rows,
//! patterns are expanded. The reader of the TOML text is in the files beside it; `scenarios/README.md` describes it
//! for users.

mod complaint;
mod expect;
mod failure;
mod image;
mod inspect;
mod join;
mod model;
mod operator;
mod pattern;
mod pool;
mod read;
mod rows;
mod scaler;
mod schema;
mod script;
mod service;
mod source;
mod stack;
mod strategy;
mod unit;
mod value;
mod workload;

use std::path::PathBuf;
use std::sync::Arc;

use sched::spec::NodeSpec;
use sched::{Span, Time};

pub(crate) use self::complaint::suggest;
pub use self::complaint::{Complaint, Complaints, Position};
pub use self::read::{load, parse};
pub use self::schema::schema;
pub use self::source::{STANDARD_INPUT, parse_with, text_of};
pub use self::strategy::{Knobs, StrategyPlan};
pub use self::unit::moment;
pub use crate::fact::NetworkFault;
pub use crate::model::agent::{Behaviour, DaemonModel, Exit};
pub use crate::model::autoscaler::ScalerPlan;
pub use crate::model::failure::{Burst, FailurePlan, FailureUnit, UnitStart};
pub use crate::model::gossip::GossipModel;
pub use crate::model::heartbeat::HeartbeatModel;
pub use crate::model::image::{Image, Layer, Mirror, PullLimit, RegistryModel};
pub use crate::model::join::JoinPlan;
pub use crate::model::links::LinkImpairment;
pub use crate::model::managers::ManagersModel;
pub use crate::model::operator::{Habit, OperatorPlan};
pub use crate::model::overlay::{NetworkPlan, OverlayModel};
pub use crate::model::requests::{Autoscale, RequestPlan};
pub use crate::model::workload::{ArrivalPlan, ArrivalProcess, Batch, Listed, QueuePlan, ServicePlan};
pub use crate::order::{FilePlan, Name, Order};
pub use crate::stats::Statistic;

/// A question, ready to run.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// The file it came from.
    pub path: PathBuf,
    /// Short name, a slug: the name of the result folder. The file's stem unless given.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Prose, Markdown.
    pub description: String,
    /// Root of all random streams.
    pub seed: u64,
    /// Independent runs per strategy.
    pub replications: u32,
    /// Simulated time.
    pub duration: Span,
    /// A run ends when this holds for the first time after the warm-up, if it holds before the end.
    pub until: Option<Condition>,
    /// Metrics are counted from here on; zero for terminating experiments.
    pub warm_up: Span,
    /// Length of the intervals in `series.csv`.
    pub sample: Span,
    /// Names of strategies to compare; the first is the baseline. Each is a plan's, or that of a placement strategy.
    pub strategies: Vec<String>,
    /// Strategies that are more than a placement strategy.
    pub plans: Vec<StrategyPlan>,
    /// Every node, in order of pools; those that join later too.
    pub nodes: Vec<NodePlan>,
    /// Who of them is not there at the start, and how they join.
    pub joins: Vec<JoinPlan>,
    /// Pools to which machines are added, and from which they are taken.
    pub scalers: Vec<ScalerPlan>,
    /// Every image that a service or an update names, with its layers.
    pub images: Vec<Image>,
    /// Every overlay network that a service names.
    pub networks: Vec<NetworkPlan>,
    /// Services, in order of the file; stacks after inline ones.
    pub services: Vec<ServicePlan>,
    /// What stacks bring beside their services, in order of the file.
    pub stacks: Vec<StackParts>,
    /// Services and jobs that come by chance, or from a list.
    pub arrivals: Vec<ArrivalPlan>,
    /// Lines in which arriving jobs wait before they are submitted.
    pub queues: Vec<QueuePlan>,
    /// What users ask of services.
    pub requests: Vec<RequestPlan>,
    /// Who scales services and releases new versions of them by chance.
    pub operators: Vec<OperatorPlan>,
    /// Scripted events, in order of time, equal times in order of the file.
    pub script: Vec<Scripted>,
    /// Random failures.
    pub failures: Vec<FailurePlan>,
    /// Parameters of the models.
    pub models: Models,
    /// What must come out.
    pub expect: Vec<Expectation>,
}

impl Scenario {
    /// What a strategy is that has this name.
    pub fn plan(&self, strategy: &str) -> StrategyPlan {
        let plan = self.plans.iter().find(|plan| plan.name == strategy);
        plan.cloned().unwrap_or_else(|| StrategyPlan::plain(strategy))
    }
}

/// A node of a pool.
#[derive(Clone, PartialEq, Debug)]
pub struct NodePlan {
    /// The pool it belongs to.
    pub pool: String,
    /// As it joins. `spec.id` is the node's name, equal to its host name.
    pub spec: Arc<NodeSpec>,
    /// Bytes per second that its network interface carries in each direction; `None` is unlimited.
    pub bandwidth: Option<u64>,
    /// CPU cores on which its engine works, if they are others than [`DaemonModel::cores`] and its CPUs say.
    pub cores: Option<f64>,
}

/// What a stack brings beside its services.
#[derive(Clone, PartialEq, Debug)]
pub struct StackParts {
    /// The stack's name.
    pub name: Name,
    /// Names of its networks, without external ones; they are there from the beginning.
    pub networks: Vec<String>,
    /// Its secrets and configs, which come with the first service.
    pub files: Vec<Arc<FilePlan>>,
}

/// A scripted event.
#[derive(Clone, PartialEq, Debug)]
pub struct Scripted {
    /// When; with a condition: from when on that is looked at.
    pub at: Time,
    /// What, in the user's words: a label for plots.
    pub label: String,
    /// What.
    pub order: Order,
    /// The number of the `[[event]]` that it comes from, by which others follow it.
    pub group: u32,
    /// What it waits for.
    pub wait: Option<Wait>,
    /// One node after the other with this pause, as the selector finds them then.
    pub pace: Option<Span>,
}

impl Scripted {
    /// Something that happens at a time.
    pub fn new(at: Time, label: impl Into<String>, order: Order) -> Scripted {
        Scripted { at, label: label.into(), order, group: 0, wait: None, pace: None }
    }
}

/// A condition, and how long after it holds for the first time something happens.
#[derive(Clone, PartialEq, Debug)]
pub struct Wait {
    /// What must hold.
    pub condition: Condition,
    /// The same in the user's words.
    pub words: String,
    /// How long after that.
    pub after: Span,
}

/// Something that may hold in a run. Nodes are rows of [`Scenario::nodes`].
#[derive(Clone, PartialEq, Debug)]
pub enum Condition {
    /// Another event has happened, by its number.
    Happened(u32),
    /// All tasks of a service run in its newest version, and no update is going on.
    Converged(Name),
    /// A job has completed.
    Completed(Name),
    /// The update of a service is so far.
    Update(Name, UpdateEnd),
    /// Nobody can decide any more.
    LeaderLost,
    /// A manager was elected, or a leader can decide again.
    LeaderElected,
    /// Too few managers are there.
    MajorityLost,
    /// Enough managers are there.
    MajorityBack,
    /// The managers know that a node is down.
    Down(usize),
    /// The managers know that a node is ready.
    Ready(usize),
    /// So many of these machines or more have no power.
    Powerless(u64, Arc<[usize]>),
}

/// How far an update is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UpdateEnd {
    /// It is going on.
    Started,
    /// It stopped because too many tasks failed.
    Paused,
    /// It is over.
    Completed,
    /// It is being taken back.
    RollbackStarted,
    /// Taking it back stopped because too many tasks failed.
    RollbackPaused,
    /// It was taken back.
    RolledBack,
}

/// Parameters of the models, with Swarm's defaults.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Models {
    /// Engines and agents.
    pub daemon: DaemonModel,
    /// Registry and image pulls.
    pub registry: RegistryModel,
    /// Overlay and control network.
    pub overlay: OverlayModel,
    /// Liveness.
    pub heartbeat: HeartbeatModel,
    /// Managers.
    pub managers: ManagersModel,
    /// News among the nodes.
    pub gossip: GossipModel,
    /// Name of the set of parameters, calibrated on a real swarm, on which the others are based.
    pub profile: Option<&'static str>,
}

/// One line of `[expect]`: bounds on a statistic of a metric over the replications, or what theory says of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Expectation {
    /// As written, for messages.
    pub text: String,
    /// Which strategy; `None` is every one.
    pub strategy: Option<String>,
    /// It is about what the strategy has more than this one, replication by replication.
    pub minus: Option<String>,
    /// Name of a metric of [`crate::metrics::METRICS`].
    pub metric: String,
    /// What of the metric.
    pub statistic: Statistic,
    /// Smallest allowed value.
    pub min: Option<f64>,
    /// Largest allowed value.
    pub max: Option<f64>,
    /// The true value, if it is known: the difference must be explained by chance.
    pub theory: Option<f64>,
    /// Largest allowed half width of its 95 % interval.
    pub within: Option<f64>,
    /// Not a statistic must be within the bounds, but the values of at least this share of all runs.
    pub share: Option<f64>,
}
