//! Orders: everything that anybody can do to a run, as data. There is one place that carries them out, the door of the
//! [world](crate::simulation::Simulation::order); scripts, stacks, arrivals, operators, autoscalers, maintenance and failures
//! give the same orders as whoever drives a run by hand.
//!
//! Services, networks, configs and secrets go by their names and are looked up when the order is carried out; nodes by
//! [`Nodes`].

use std::sync::Arc;

use sched::spec::{
    Availability, EndpointMode, FailureAction, GenericResource, HealthCheck, Labels, Mode, Platform, Port, Resources,
    RestartCondition, Role, ServiceSpec, UpdateOrder,
};
use sched::{ServiceId, Span, Time};

use crate::engine::law::Law;
use crate::fact::{JobNo, NetworkFault, TaskNo};
use crate::model::agent::{Behaviour, Exit};
use crate::model::image::PullLimit;
pub use crate::model::join::JoinToken;
use crate::model::links::LinkImpairment;
use crate::model::overlay::NetworkPlan;
use crate::refusal::Refusal;
use crate::scenario::Scenario;

/// A name of a service, a stack, a network, a config, a secret, an image or a node.
pub type Name = Arc<str>;

/// Which nodes, found when the order is carried out, each once, in the order of naming.
#[derive(Clone, PartialEq, Debug)]
pub enum Nodes {
    /// Rows of the scenario's nodes.
    Rows(Arc<[usize]>),
    /// By name.
    Named(Name),
    /// The one whose manager leads, if any does.
    Leader,
    /// Members of the cluster that run and whose network is whole.
    Reachable,
    /// Those on which a task of a service runs, as the manager knows.
    With(Name),
    /// So many of others, chosen at random by the stream of a name, or all if there are fewer.
    Random {
        /// How many.
        count: u64,
        /// Of which.
        of: Box<Nodes>,
        /// The name of the stream: the same for every strategy.
        stream: Name,
    },
    /// One after the other.
    Union(Vec<Nodes>),
    /// The first without the second.
    Except(Box<Nodes>, Box<Nodes>),
}

impl Nodes {
    /// The rows, if they are the same at any time.
    pub fn fixed(&self) -> Option<&[usize]> {
        if let Nodes::Rows(rows) = self { Some(rows) } else { None }
    }
}

impl From<&str> for Nodes {
    fn from(name: &str) -> Nodes {
        Nodes::Named(name.into())
    }
}

impl From<usize> for Nodes {
    fn from(row: usize) -> Nodes {
        Nodes::Rows([row].into())
    }
}

impl From<Vec<usize>> for Nodes {
    fn from(rows: Vec<usize>) -> Nodes {
        Nodes::Rows(rows.into())
    }
}

/// Containers of a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Containers {
    /// So many running ones, chosen at random by the stream of the order.
    Some(Name, u64),
    /// The running one of a task: `web.3`, or `agent.node-2` of a global service.
    Of(Name),
}

/// Something that is done to a run. The words of the command line of Docker that it stands for are named, if there are any.
#[derive(Clone, PartialEq, Debug)]
pub enum Order {
    /// `docker service create`.
    CreateService(Arc<NewService>),
    /// `docker service update`.
    UpdateService(Name, Arc<Change>),
    /// `docker service scale`. Of a replicated job it sets the completions.
    Scale(Name, u64),
    /// `docker service update --force`.
    Force(Name),
    /// `docker service rollback`.
    Rollback(Name),
    /// `docker service rm`.
    RemoveService(Name),
    /// `docker stack deploy`.
    DeployStack(Arc<StackPlan>),
    /// `docker service rollback` of every service of a stack that has a specification before.
    RollbackStack(Name),
    /// `docker stack rm`.
    RemoveStack(Name),
    /// `docker network create --driver overlay`.
    CreateNetwork(Arc<NetworkPlan>),
    /// `docker network rm`.
    RemoveNetwork(Name),
    /// `docker config create`, `docker secret create`.
    CreateFile(Arc<FilePlan>),
    /// `docker config rm`, `docker secret rm`.
    RemoveFile(FileKind, Name),
    /// A config or secret is created, every service that has the old one is updated to the new one, and the old one is
    /// removed, if nobody has it any more: the usual way to change what cannot be changed.
    RotateFile {
        /// Name of the old one.
        from: Name,
        /// The new one.
        to: Arc<FilePlan>,
    },
    /// An arrival of the scenario's is created.
    Submit(JobNo),
    /// An arrival of the scenario's is removed.
    Finish(JobNo),
    /// `docker node update --availability`.
    SetAvailability(Nodes, Availability),
    /// `docker node update --label-add`, `--label-rm`.
    Label(Nodes, Arc<LabelChange>),
    /// `docker node promote`.
    Promote(Nodes),
    /// `docker node demote`.
    Demote(Nodes),
    /// `docker node rm`, with `--force` if it is true.
    RemoveNode(Nodes, bool),
    /// The same for the records that these machines left behind when they left the swarm and joined again: Docker wants
    /// their ids, since the name is that of two nodes.
    RemoveGhosts(Nodes, bool),
    /// `docker swarm join` on these machines.
    Join(Nodes, Arc<JoinChange>),
    /// `docker swarm leave --force` on these machines.
    Leave(Nodes),
    /// `docker swarm join-token --rotate`.
    RotateToken(Role),
    /// `docker swarm init --force-new-cluster` on a machine.
    ForceNewCluster(Nodes),
    /// `docker swarm update`.
    UpdateSwarm(SwarmChange),
    /// The engines of these machines say that they have something else now.
    Describe(Nodes, Arc<EngineChange>),
    /// The process of containers gets SIGKILL: `docker kill`.
    Kill(Containers),
    /// `docker restart` of containers: the agent sees their end, and the service's restart policy decides.
    RestartContainers(Containers),
    /// `docker pause` of containers: they answer nobody, and nobody notices.
    PauseContainers(Containers),
    /// `docker unpause` of all paused containers of a service.
    UnpauseContainers(Name),
    /// Machines lose power.
    PowerOff(Nodes),
    /// Machines get power.
    PowerOn(Nodes),
    /// Engines are stopped politely, and stay stopped: containers get the stop signal, and one that ends with 0 is complete.
    StopEngine(Nodes),
    /// Engines are killed, and stay dead; their containers live on.
    KillEngine(Nodes),
    /// Engines that were stopped or killed are started.
    StartEngine(Nodes),
    /// Engines are stopped politely and started anew.
    RestartEngine(Nodes),
    /// Engines are killed under their containers, and started anew.
    RestartEngineLive(Nodes),
    /// Engines are killed with all their containers, which end with 255, and started anew.
    CrashEngine(Nodes),
    /// Machines are rebooted: engines are stopped politely, and the machines boot.
    Reboot(Nodes),
    /// Networks of machines break; their containers run on.
    Break(NetworkFault, Nodes),
    /// Networks of machines are whole again, as far as orders broke them.
    Mend(Nodes),
    /// The links of machines to the manager are weak, or sound again.
    Weaken(Nodes, Option<LinkImpairment>),
    /// Machines take so many times as long for everything.
    Slow(Nodes, f64),
    /// A unit of a failure plan of the scenario's fails, or is repaired.
    Fail(FailedUnit),
    /// The registry changes.
    Registry(Registry),

    // What came later: digests count the kinds above.
    /// `docker node demote` of the records that these machines left behind when they were managers, left the swarm and joined
    /// again: they are members of Raft that nobody reaches.
    DemoteGhosts(Nodes),
    /// `docker swarm init` on a machine, with `--autolock` if it is true, where there is no swarm so far.
    Init(Nodes, bool),
    /// `docker swarm unlock` on these machines.
    Unlock(Nodes),
}

/// A unit of a failure plan that fails, or is repaired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailedUnit {
    /// Row of the plan in the scenario.
    pub plan: u32,
    /// Row of the unit in the plan.
    pub unit: u32,
    /// Whether it fails now.
    pub failed: bool,
    /// What breaks, and in which process; `None` is the power of its machines.
    pub(crate) fault: Option<(NetworkFault, u32)>,
}

/// A service to be created.
#[derive(Clone, PartialEq, Debug)]
pub struct NewService {
    /// As it is submitted.
    pub spec: ServiceSpec,
    /// How its containers behave.
    pub behaviour: Behaviour,
    /// Running tasks that it needs to be of use.
    pub quorum: Option<u64>,
    /// The stack it belongs to.
    pub stack: Option<Name>,
}

impl NewService {
    /// A service of no stack whose containers run until they are stopped.
    pub fn new(spec: ServiceSpec) -> NewService {
        NewService { spec, behaviour: Behaviour::default(), quorum: None, stack: None }
    }
}

/// Configs and secrets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FileKind {
    /// A config.
    Config,
    /// A secret.
    Secret,
}

impl FileKind {
    /// `config`, `secret`: also how a container's specification marks it.
    pub fn word(self) -> &'static str {
        match self {
            FileKind::Config => "config",
            FileKind::Secret => "secret",
        }
    }
}

/// A config or secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilePlan {
    /// Which of both.
    pub kind: FileKind,
    /// Full name.
    pub name: Name,
    /// The bytes in it; `None` is not known, and equal to anything.
    pub content: Option<Arc<[u8]>>,
    /// Whether a stack only uses it.
    pub external: bool,
}

/// What `docker stack deploy` brings.
#[derive(Clone, PartialEq, Debug)]
pub struct StackPlan {
    /// The stack's name.
    pub name: Name,
    /// Its services.
    pub services: Vec<Arc<NewService>>,
    /// Its overlay networks.
    pub networks: Vec<Arc<NetworkPlan>>,
    /// Its configs and secrets.
    pub files: Vec<Arc<FilePlan>>,
    /// Whether services that the file does not have any more are removed.
    pub prune: bool,
}

/// Labels that are set, and keys that are removed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LabelChange {
    /// New or with another value.
    pub set: Labels,
    /// Keys.
    pub remove: Vec<String>,
}

/// What an engine says of itself from now on; `None` stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EngineChange {
    /// 10^-9 CPUs.
    pub nano_cpus: Option<i64>,
    /// Bytes.
    pub memory: Option<i64>,
    /// All other resources.
    pub generic: Option<Vec<GenericResource>>,
    /// Labels of the engine.
    pub labels: LabelChange,
}

/// How machines join, where that is not as their pool says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JoinChange {
    /// With which token; `None` is that of the pool. A machine whose pool has none joins as a worker.
    pub token: Option<JoinToken>,
    /// The host name, and so the node's, that the machine has from then on.
    pub hostname: Option<Name>,
}

/// `docker swarm update`; `None` stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SwarmChange {
    /// Task records kept per slot.
    pub task_history: Option<u64>,
    /// Mean time between heartbeats.
    pub heartbeat: Option<Span>,
    /// Whether managers that are started anew stay locked until somebody unlocks them.
    pub autolock: Option<bool>,
}

/// What happens to the registry.
#[derive(Clone, PartialEq, Debug)]
pub enum Registry {
    /// It answers, or does not.
    Answers(bool),
    /// It has an image of this name, or has it not any more.
    Has(Name, bool),
    /// A tag is moved: for whoever creates or updates a service from then on the first name means what the second one means.
    MoveTag(Name, Name),
    /// Bytes per second of its uplink; `None` is unlimited.
    Bandwidth(Option<u64>),
    /// Round-trip time to it.
    Latency(Span),
    /// How many pulls it allows each node; `None` is without limit.
    Limit(Option<PullLimit>),
}

/// A change of a service: edits, one after the other.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Change {
    /// What changes.
    pub edits: Vec<Edit>,
}

/// Lists of a specification that hold texts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // The keys of a `[[service]]`.
pub enum List {
    Command,
    Args,
    Env,
    Constraints,
    Preferences,
    Networks,
    VolumeDrivers,
    Mounts,
    Configs,
    Secrets,
}

/// One part of a service that becomes another one. Numbers that are `None` stay.
#[derive(Clone, PartialEq, Debug)]
pub enum Edit {
    /// The whole specification.
    Spec(Box<ServiceSpec>),
    /// The image.
    Image(String),
    /// Replicas; of a job: tasks at a time.
    Replicas(u64),
    /// Of a replicated job: tasks that must complete.
    Completions(u64),
    /// A list is this from now on.
    Set(List, Vec<String>),
    /// A list gets more entries; a variable of the environment of the same name is replaced.
    Add(List, Vec<String>),
    /// A list loses entries; variables of the environment go by their names.
    Remove(List, Vec<String>),
    /// Labels of the service are these from now on.
    Labels(Labels),
    /// Labels of the service are set and removed.
    ChangeLabels(LabelChange),
    /// Labels of the containers are these from now on.
    ContainerLabels(Labels),
    /// Labels of the containers are set and removed.
    ChangeContainerLabels(LabelChange),
    /// What is set aside for a task.
    Reserve(ResourceEdit),
    /// What a task may use.
    Limit(ResourceEdit),
    /// Most tasks on one node; 0 is no limit.
    MaxReplicas(u64),
    /// Platforms of the image.
    Platforms(Vec<Platform>),
    /// The restart policy.
    Restart(RestartEdit),
    /// How it is updated.
    Update(UpdateEdit),
    /// How it is rolled back.
    RollbackPolicy(UpdateEdit),
    /// How clients find it.
    Endpoint(EndpointMode),
    /// Published ports are these from now on.
    Ports(Vec<Port>),
    /// More published ports; one of the same target and protocol is replaced.
    AddPorts(Vec<Port>),
    /// Published ports go, by the port in the container.
    RemovePorts(Vec<u16>),
    /// From the stop signal to the kill.
    StopGrace(Span),
    /// The log driver.
    LogDriver(String),
    /// The health check; `None` takes it away.
    Health(Option<HealthCheck>),
    /// When containers are well, from which start on, and whether probes of ill ones hang.
    Condition(Option<Law>, Option<Law>, bool),
    /// How containers that are created from now on end by themselves, if they do.
    Exits(Option<Exit>),
    /// How they react to the stop signal.
    Stops(Option<Law>, i32),
}

/// Resources of which some change.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)] // As in `Resources`.
pub struct ResourceEdit {
    pub nano_cpus: Option<i64>,
    pub memory: Option<i64>,
    pub generic: Option<Vec<GenericResource>>,
}

/// A restart policy of which some parts change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)] // As in `RestartPolicy`.
pub struct RestartEdit {
    pub condition: Option<RestartCondition>,
    pub delay: Option<Span>,
    pub max_attempts: Option<u64>,
    pub window: Option<Span>,
}

/// An update policy of which some parts change.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
#[allow(missing_docs)] // As in `UpdateConfig`.
pub struct UpdateEdit {
    pub parallelism: Option<u64>,
    pub delay: Option<Span>,
    pub failure_action: Option<FailureAction>,
    pub monitor: Option<Span>,
    pub max_failure_ratio: Option<f32>,
    pub order: Option<UpdateOrder>,
}

impl Change {
    /// A change to another specification.
    pub fn to(spec: ServiceSpec) -> Change {
        Change { edits: vec![Edit::Spec(Box::new(spec))] }
    }

    /// A change of the image.
    pub fn image(image: impl Into<String>) -> Change {
        Change { edits: vec![Edit::Image(image.into())] }
    }

    /// The image that it leads to, if it changes that.
    pub fn new_image(&self) -> Option<&str> {
        self.edits.iter().rev().find_map(|edit| match edit {
            Edit::Image(image) => Some(image.as_str()),
            Edit::Spec(spec) => Some(spec.task.container.image.as_str()),
            _ => None,
        })
    }

    /// Networks that it names.
    pub fn networks(&self) -> impl Iterator<Item = &String> {
        self.edits.iter().flat_map(|edit| match edit {
            Edit::Set(List::Networks, names) | Edit::Add(List::Networks, names) => names.as_slice(),
            Edit::Spec(spec) => spec.task.networks.as_slice(),
            _ => &[],
        })
    }

    /// Why it cannot be made to a service of a mode, if a part of it is of other modes only, in the words of Docker's command
    /// line (`cli/command/service/opts.go`, `ToServiceMode`, and `update.go`, `updateReplicas`). That knows no change of
    /// completions.
    pub fn refused_of(&self, mode: &Mode) -> Option<&'static str> {
        self.edits.iter().find_map(|edit| match (edit, mode) {
            (Edit::Replicas(_), Mode::Global | Mode::GlobalJob) => {
                Some("replicas can only be used with replicated mode")
            }
            (Edit::MaxReplicas(1..), Mode::Global | Mode::GlobalJob) => {
                Some("replicas-max-per-node can only be used with replicated or replicated-job mode")
            }
            (Edit::Completions(_), Mode::Replicated { .. } | Mode::Global | Mode::GlobalJob) => {
                Some("completions can only be used with replicated-job mode")
            }
            _ => None,
        })
    }

    /// Changes a specification and the behaviour of its containers.
    pub fn apply(&self, spec: &mut ServiceSpec, behaviour: &mut Behaviour) {
        self.edits.iter().for_each(|edit| edit.apply(spec, behaviour));
    }
}

fn set<T: Clone>(to: &mut T, from: Option<&T>) {
    if let Some(from) = from {
        to.clone_from(from);
    }
}

impl Edit {
    /// Whether it changes nothing of any service.
    pub fn is_nothing(&self) -> bool {
        match self {
            Edit::Add(_, texts) | Edit::Remove(_, texts) => texts.is_empty(),
            Edit::AddPorts(ports) => ports.is_empty(),
            Edit::RemovePorts(targets) => targets.is_empty(),
            Edit::ChangeLabels(change) | Edit::ChangeContainerLabels(change) => *change == LabelChange::default(),
            Edit::Reserve(edit) | Edit::Limit(edit) => *edit == ResourceEdit::default(),
            Edit::Restart(edit) => *edit == RestartEdit::default(),
            Edit::Update(edit) | Edit::RollbackPolicy(edit) => *edit == UpdateEdit::default(),
            _ => false,
        }
    }

    fn apply(&self, spec: &mut ServiceSpec, behaviour: &mut Behaviour) {
        let task = &mut spec.task;
        match self {
            Edit::Spec(other) => *spec = (**other).clone(),
            Edit::Image(image) => task.container.image.clone_from(image),
            Edit::Replicas(number) => match &mut spec.mode {
                Mode::Replicated { replicas } => *replicas = *number,
                Mode::ReplicatedJob { max_concurrent, .. } => *max_concurrent = *number,
                Mode::Global | Mode::GlobalJob => {}
            },
            Edit::Completions(number) => {
                if let Mode::ReplicatedJob { total_completions, .. } = &mut spec.mode {
                    *total_completions = *number;
                }
            }
            Edit::Set(list, texts) => list.set(spec, texts),
            Edit::Add(list, texts) => list.add(spec, texts),
            Edit::Remove(list, texts) => list.remove(spec, texts),
            Edit::Labels(labels) => spec.labels.clone_from(labels),
            Edit::ChangeLabels(change) => change.apply(&mut spec.labels),
            Edit::ContainerLabels(labels) => task.container.labels.clone_from(labels),
            Edit::ChangeContainerLabels(change) => change.apply(&mut task.container.labels),
            Edit::Reserve(edit) => edit.apply(&mut task.reservations),
            Edit::Limit(edit) => edit.apply(&mut task.limits),
            Edit::MaxReplicas(number) => task.placement.max_replicas = *number,
            Edit::Platforms(platforms) => task.placement.platforms.clone_from(platforms),
            Edit::Restart(edit) => {
                let policy = task.restart.get_or_insert_default();
                set(&mut policy.condition, edit.condition.as_ref());
                policy.delay = edit.delay.or(policy.delay);
                set(&mut policy.max_attempts, edit.max_attempts.as_ref());
                set(&mut policy.window, edit.window.as_ref());
            }
            Edit::Update(edit) => edit.apply(spec.update.get_or_insert_default()),
            Edit::RollbackPolicy(edit) => edit.apply(spec.rollback.get_or_insert_default()),
            Edit::Endpoint(mode) => spec.endpoint.mode = *mode,
            Edit::Ports(ports) => spec.endpoint.ports.clone_from(ports),
            Edit::AddPorts(more) => {
                let is_same = |one: &Port, other: &Port| (one.target, one.protocol) == (other.target, other.protocol);
                spec.endpoint.ports.retain(|port| !more.iter().any(|added| is_same(added, port)));
                spec.endpoint.ports.extend(more);
            }
            Edit::RemovePorts(targets) => spec.endpoint.ports.retain(|port| !targets.contains(&port.target)),
            Edit::StopGrace(span) => task.container.stop_grace = Some(*span),
            Edit::LogDriver(driver) => task.log_driver = Some(driver.clone()),
            Edit::Health(check) => task.container.health.clone_from(check),
            Edit::Condition(ready, sick, hangs) => {
                (behaviour.warm_up, behaviour.unhealthy_after, behaviour.probe_hangs) = (*ready, *sick, *hangs);
            }
            Edit::Exits(exit) => behaviour.exit = *exit,
            Edit::Stops(after, code) => (behaviour.stop, behaviour.stop_code) = (*after, *code),
        }
    }
}

impl List {
    /// Configs and secrets stand in one list, each with its kind before its name.
    fn kind(self) -> Option<FileKind> {
        match self {
            List::Configs => Some(FileKind::Config),
            List::Secrets => Some(FileKind::Secret),
            _ => None,
        }
    }

    fn of(self, spec: &mut ServiceSpec) -> &mut Vec<String> {
        let task = &mut spec.task;
        match self {
            List::Command => &mut task.container.command,
            List::Args => &mut task.container.args,
            List::Env => &mut task.container.env,
            List::Constraints => &mut task.placement.constraints,
            List::Preferences => &mut task.placement.preferences,
            List::Networks => &mut task.networks,
            List::VolumeDrivers => &mut task.container.volume_drivers,
            List::Mounts => &mut task.container.mounts,
            List::Configs | List::Secrets => &mut task.container.files,
        }
    }

    fn entries(self, texts: &[String]) -> Vec<String> {
        match self.kind() {
            Some(kind) => texts.iter().map(|name| format!("{}:{name}", kind.word())).collect(),
            None => texts.to_vec(),
        }
    }

    /// What a specification has of it from now on.
    pub fn set(self, spec: &mut ServiceSpec, texts: &[String]) {
        match self.kind() {
            Some(kind) => {
                let prefix = format!("{}:", kind.word());
                self.of(spec).retain(|file| !file.starts_with(&prefix));
            }
            None => self.of(spec).clear(),
        }
        self.add(spec, texts);
    }

    fn add(self, spec: &mut ServiceSpec, texts: &[String]) {
        let list = self.of(spec);
        for text in self.entries(texts) {
            if self == List::Env {
                let name = variable(&text).to_string();
                list.retain(|entry| variable(entry) != name);
            }
            // Words of a command may be equal; no other list has an entry twice.
            if matches!(self, List::Command | List::Args) || !list.contains(&text) {
                list.push(text);
            }
        }
    }

    fn remove(self, spec: &mut ServiceSpec, texts: &[String]) {
        let gone = self.entries(texts);
        let is_gone = |entry: &String| match self {
            List::Env => gone.iter().any(|name| name == variable(entry)),
            _ => gone.contains(entry),
        };
        self.of(spec).retain(|entry| !is_gone(entry));
    }
}

/// The name of a variable of an environment.
fn variable(text: &str) -> &str {
    text.split_once('=').map_or(text, |(name, _)| name)
}

impl LabelChange {
    /// Changes labels.
    pub fn apply(&self, labels: &mut Labels) {
        labels.retain(|key, _| !self.remove.contains(key));
        labels.extend(self.set.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}

impl ResourceEdit {
    fn apply(&self, resources: &mut Resources) {
        set(&mut resources.nano_cpus, self.nano_cpus.as_ref());
        set(&mut resources.memory, self.memory.as_ref());
        set(&mut resources.generic, self.generic.as_ref());
    }
}

impl UpdateEdit {
    fn apply(&self, config: &mut sched::spec::UpdateConfig) {
        set(&mut config.parallelism, self.parallelism.as_ref());
        set(&mut config.delay, self.delay.as_ref());
        set(&mut config.failure_action, self.failure_action.as_ref());
        config.monitor = self.monitor.or(config.monitor);
        set(&mut config.max_failure_ratio, self.max_failure_ratio.as_ref());
        set(&mut config.order, self.order.as_ref());
    }
}

/// Who may give an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Giver {
    /// Somebody who asks the managers: without a leader it waits for one, or is refused.
    Operator,
    /// Nature, or somebody who stands at the machine: nobody is asked.
    Nature,
}

/// Who gave an order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Client {
    /// Whoever drives the run by [`crate::simulation::Simulation::order`].
    Hand,
    /// An `[[event]]` or `[[maintenance]]` of the scenario.
    Script,
    /// A `[[service]]` or stack of the scenario.
    Deployment,
    /// `[[arrivals]]`.
    Arrivals,
    /// `[[scaling]]` or `[[release]]`.
    Operator,
    /// The autoscaler of a service.
    Autoscaler,
    /// An autoscaler of nodes.
    MachineScaler,
    /// `[[failure]]`.
    Failure,
}

impl Client {
    /// For tables.
    pub fn word(self) -> &'static str {
        match self {
            Client::Hand => "hand",
            Client::Script => "script",
            Client::Deployment => "deployment",
            Client::Arrivals => "arrivals",
            Client::Operator => "operator",
            Client::Autoscaler => "autoscaler",
            Client::MachineScaler => "machine-scaler",
            Client::Failure => "failure",
        }
    }
}

/// Nodes whose names are said; more are counted.
const NAMED: usize = 8;

impl Nodes {
    /// In words, by the names of the scenario's nodes.
    pub fn words(&self, scenario: &Scenario) -> String {
        match self {
            Nodes::Rows(rows) => {
                let name = |row: &usize| scenario.nodes.get(*row).map_or("?", |node| node.spec.id.as_str());
                let names: Vec<&str> = rows.iter().take(NAMED).map(name).collect();
                let more = rows.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                names.join(" ") + &more
            }
            Nodes::Named(name) => name.to_string(),
            Nodes::Leader => "(the leader)".into(),
            Nodes::Reachable => "(all that are reachable)".into(),
            Nodes::With(service) => format!("(those with {service})"),
            Nodes::Random { count, of, .. } => format!("({count} at random of {})", of.words(scenario)),
            Nodes::Union(parts) => parts.iter().map(|part| part.words(scenario)).collect::<Vec<_>>().join(" "),
            Nodes::Except(those, others) => format!("({} without {})", those.words(scenario), others.words(scenario)),
        }
    }
}

impl Containers {
    fn words(&self) -> String {
        match self {
            Containers::Some(service, count) => format!("({count} of {service})"),
            Containers::Of(task) => task.to_string(),
        }
    }
}

impl Order {
    /// In words: those of Docker's command line where it has some.
    pub fn words(&self, scenario: &Scenario) -> String {
        let of = |words: &str, nodes: &Nodes| format!("{words} {}", nodes.words(scenario));
        let forced = |words: &str, force: bool| if force { format!("{words} --force") } else { words.to_string() };
        match self {
            Order::CreateService(new) => format!("service create {}", new.spec.name),
            Order::UpdateService(name, change) => match change.new_image() {
                Some(image) => format!("service update --image {image} {name}"),
                None => format!("service update {name}"),
            },
            Order::Scale(name, to) => format!("service scale {name}={to}"),
            Order::Force(name) => format!("service update --force {name}"),
            Order::Rollback(name) => format!("service rollback {name}"),
            Order::RemoveService(name) => format!("service rm {name}"),
            Order::DeployStack(plan) => format!("stack deploy {}", plan.name),
            Order::RollbackStack(name) => format!("service rollback (all of stack {name})"),
            Order::RemoveStack(name) => format!("stack rm {name}"),
            Order::CreateNetwork(plan) => format!("network create {}", plan.name),
            Order::RemoveNetwork(name) => format!("network rm {name}"),
            Order::CreateFile(plan) => format!("{} create {}", plan.kind.word(), plan.name),
            Order::RemoveFile(kind, name) => format!("{} rm {name}", kind.word()),
            Order::RotateFile { from, to } => format!("{} rotate {from} to {}", to.kind.word(), to.name),
            Order::Submit(job) => format!("service create (arrival {})", job.0 + 1),
            Order::Finish(job) => format!("service rm (arrival {})", job.0 + 1),
            Order::SetAvailability(nodes, to) => {
                let to = match to {
                    Availability::Active => "active",
                    Availability::Pause => "pause",
                    Availability::Drain => "drain",
                };
                of(&format!("node update --availability {to}"), nodes)
            }
            Order::Label(nodes, change) => {
                let add = change.set.iter().map(|(key, value)| format!(" --label-add {key}={value}"));
                let remove = change.remove.iter().map(|key| format!(" --label-rm {key}"));
                of(&format!("node update{}", add.chain(remove).collect::<String>()), nodes)
            }
            Order::Promote(nodes) => of("node promote", nodes),
            Order::Demote(nodes) => of("node demote", nodes),
            Order::DemoteGhosts(nodes) => of("node demote (records left behind by)", nodes),
            Order::RemoveNode(nodes, force) => of(&forced("node rm", *force), nodes),
            Order::RemoveGhosts(nodes, force) => of(&forced("node rm (records left behind by)", *force), nodes),
            Order::Init(nodes, _) => of("swarm init on", nodes),
            Order::Join(nodes, _) => of("swarm join on", nodes),
            Order::Unlock(nodes) => of("swarm unlock on", nodes),
            Order::Leave(nodes) => of("swarm leave --force on", nodes),
            Order::RotateToken(role) => {
                let role = if *role == Role::Manager { "manager" } else { "worker" };
                format!("swarm join-token --rotate {role}")
            }
            Order::ForceNewCluster(nodes) => of("swarm init --force-new-cluster on", nodes),
            Order::UpdateSwarm(_) => "swarm update".into(),
            Order::Describe(nodes, _) => of("engines say what they have:", nodes),
            Order::Kill(which) => format!("kill {}", which.words()),
            Order::RestartContainers(which) => format!("restart {}", which.words()),
            Order::PauseContainers(which) => format!("pause {}", which.words()),
            Order::UnpauseContainers(name) => format!("unpause (all of {name})"),
            Order::PowerOff(nodes) => of("power off", nodes),
            Order::PowerOn(nodes) => of("power on", nodes),
            Order::StopEngine(nodes) => of("stop the engine of", nodes),
            Order::KillEngine(nodes) => of("kill the engine of", nodes),
            Order::StartEngine(nodes) => of("start the engine of", nodes),
            Order::RestartEngine(nodes) => of("restart the engine of", nodes),
            Order::RestartEngineLive(nodes) => of("restart the engine under its containers of", nodes),
            Order::CrashEngine(nodes) => of("crash the engine of", nodes),
            Order::Reboot(nodes) => of("reboot", nodes),
            Order::Break(_, nodes) => of("break the network of", nodes),
            Order::Mend(nodes) => of("repair the network of", nodes),
            Order::Weaken(nodes, Some(_)) => of("impair the network of", nodes),
            Order::Weaken(nodes, None) => of("restore the network of", nodes),
            Order::Slow(nodes, factor) => format!("slow down {} by {factor}", nodes.words(scenario)),
            Order::Fail(FailedUnit { plan, unit, failed, .. }) => {
                let what = if *failed { "fails" } else { "is repaired" };
                format!("unit {} of failure {} {what}", unit + 1, plan + 1)
            }
            Order::Registry(change) => match change {
                Registry::Answers(true) => "the registry answers".into(),
                Registry::Answers(false) => "the registry does not answer".into(),
                Registry::Has(image, true) => format!("the registry has {image}"),
                Registry::Has(image, false) => format!("the registry has not {image}"),
                Registry::MoveTag(image, other) => format!("tag {other} {image}"),
                Registry::Bandwidth(_) => "the bandwidth of the registry changes".into(),
                Registry::Latency(_) => "the latency of the registry changes".into(),
                Registry::Limit(_) => "the pull limit of the registry changes".into(),
            },
        }
    }

    /// Who may give it.
    pub fn giver(&self) -> Giver {
        match self {
            Order::CreateService(_)
            | Order::UpdateService(..)
            | Order::Scale(..)
            | Order::Force(_)
            | Order::Rollback(_)
            | Order::RemoveService(_)
            | Order::DeployStack(_)
            | Order::RollbackStack(_)
            | Order::RemoveStack(_)
            | Order::CreateNetwork(_)
            | Order::RemoveNetwork(_)
            | Order::CreateFile(_)
            | Order::RemoveFile(..)
            | Order::RotateFile { .. }
            | Order::Submit(_)
            | Order::Finish(_)
            | Order::SetAvailability(..)
            | Order::Label(..)
            | Order::Promote(_)
            | Order::Demote(_)
            | Order::DemoteGhosts(_)
            | Order::RemoveNode(..)
            | Order::RemoveGhosts(..)
            | Order::RotateToken(_)
            | Order::UpdateSwarm(_)
            | Order::Describe(..) => Giver::Operator,
            Order::Init(..)
            | Order::Join(..)
            | Order::Unlock(_)
            | Order::Leave(_)
            | Order::ForceNewCluster(_)
            | Order::Kill(_)
            | Order::RestartContainers(_)
            | Order::PauseContainers(_)
            | Order::UnpauseContainers(_)
            | Order::PowerOff(_)
            | Order::PowerOn(_)
            | Order::StopEngine(_)
            | Order::KillEngine(_)
            | Order::StartEngine(_)
            | Order::RestartEngine(_)
            | Order::RestartEngineLive(_)
            | Order::CrashEngine(_)
            | Order::Reboot(_)
            | Order::Break(..)
            | Order::Mend(_)
            | Order::Weaken(..)
            | Order::Slow(..)
            | Order::Fail(_)
            | Order::Registry(_) => Giver::Nature,
        }
    }

    /// The nodes that it is about, if it is about nodes.
    pub fn nodes(&self) -> Option<&Nodes> {
        match self {
            Order::SetAvailability(nodes, _)
            | Order::Label(nodes, _)
            | Order::Promote(nodes)
            | Order::Demote(nodes)
            | Order::DemoteGhosts(nodes)
            | Order::RemoveNode(nodes, _)
            | Order::RemoveGhosts(nodes, _)
            | Order::Init(nodes, _)
            | Order::Join(nodes, _)
            | Order::Unlock(nodes)
            | Order::Leave(nodes)
            | Order::ForceNewCluster(nodes)
            | Order::Describe(nodes, _)
            | Order::PowerOff(nodes)
            | Order::PowerOn(nodes)
            | Order::StopEngine(nodes)
            | Order::KillEngine(nodes)
            | Order::StartEngine(nodes)
            | Order::RestartEngine(nodes)
            | Order::RestartEngineLive(nodes)
            | Order::CrashEngine(nodes)
            | Order::Reboot(nodes)
            | Order::Break(_, nodes)
            | Order::Mend(nodes)
            | Order::Weaken(nodes, _)
            | Order::Slow(nodes, _) => Some(nodes),
            _ => None,
        }
    }

    /// The same order to other nodes, if it is about nodes.
    #[must_use]
    pub fn to_nodes(&self, nodes: Nodes) -> Order {
        let mut order = self.clone();
        match &mut order {
            Order::SetAvailability(those, _)
            | Order::Label(those, _)
            | Order::Promote(those)
            | Order::Demote(those)
            | Order::DemoteGhosts(those)
            | Order::RemoveNode(those, _)
            | Order::RemoveGhosts(those, _)
            | Order::Init(those, _)
            | Order::Join(those, _)
            | Order::Unlock(those)
            | Order::Leave(those)
            | Order::ForceNewCluster(those)
            | Order::Describe(those, _)
            | Order::PowerOff(those)
            | Order::PowerOn(those)
            | Order::StopEngine(those)
            | Order::KillEngine(those)
            | Order::StartEngine(those)
            | Order::RestartEngine(those)
            | Order::RestartEngineLive(those)
            | Order::CrashEngine(those)
            | Order::Reboot(those)
            | Order::Break(_, those)
            | Order::Mend(those)
            | Order::Weaken(those, _)
            | Order::Slow(those, _) => *those = nodes,
            _ => {}
        }
        order
    }

    /// Name of the service that it is about, if it is about one that must be there.
    pub fn service(&self) -> Option<&Name> {
        match self {
            Order::UpdateService(name, _)
            | Order::Scale(name, _)
            | Order::Force(name)
            | Order::Rollback(name)
            | Order::RemoveService(name)
            | Order::UnpauseContainers(name) => Some(name),
            Order::Kill(Containers::Some(name, _))
            | Order::RestartContainers(Containers::Some(name, _))
            | Order::PauseContainers(Containers::Some(name, _)) => Some(name),
            _ => None,
        }
    }

    /// Images that it brings into the scenario.
    pub fn images(&self) -> Vec<&str> {
        match self {
            Order::CreateService(new) => vec![&new.spec.task.container.image],
            Order::UpdateService(_, change) => change.new_image().into_iter().collect(),
            Order::DeployStack(plan) => {
                plan.services.iter().map(|service| service.spec.task.container.image.as_str()).collect()
            }
            Order::Registry(Registry::Has(image, _)) => vec![image],
            Order::Registry(Registry::MoveTag(image, other)) => vec![image, other],
            _ => Vec::new(),
        }
    }
}

/// An order was carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Receipt {
    /// As it was given.
    Done,
    /// A service was created.
    Service(ServiceId),
    /// These containers were found.
    Containers(Vec<TaskNo>),
    /// Nothing yet: nobody leads, and the call hangs until somebody does or its time is up (moby `daemon/cluster`, 20 s). What
    /// came of it is among the orders of the run when it is known.
    Waits,
}

/// The answer to an order.
pub type Answer = Result<Receipt, Refusal>;

/// An order that was given.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    /// When.
    pub at: Time,
    /// By whom.
    pub by: Client,
    /// What.
    pub order: Order,
    /// What came of it.
    pub answer: Answer,
}
