//! Engines and their agents: what becomes of a task on its node, and how manager and agents hear of each other.
//!
//! An agent takes each task one step at a time (SwarmKit `agent/exec/controller.go`, moby's container executor): accepted,
//! prepared (networks, image, container), ready, started, running, ended; or towards its end as soon as that is wanted.
//! Reports reach the manager in the dispatcher's batches, assignments reach an agent in others; a machine without power
//! says and hears nothing; one whose network is cut goes on with what it has and calls again when it can. Images and
//! networks are other models: the agent asks for them by a [`Fact`].

mod health;
pub mod session;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use sched::spec::ContainerSpec;
use sched::{DesiredState, Span, TaskState, Time};

use self::health::{HealthOutcome, HealthPlan};
use self::session::Calls;
use super::cores::{Begun, CoreModel, Cores};
use super::links::LinkImpairment;
use super::overlay::{Joining, OverlayModel};
use super::pace::PaceModel;
use crate::engine::chance::unit;
use crate::engine::law::Law;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::fact::{Context, Fact, NetworkFault, TaskNo};

/// How the containers of a service behave. By default they run until they are stopped, and are always well.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Behaviour {
    /// How they end by themselves, if they do.
    pub exit: Option<Exit>,
    /// From the stop signal to the exit; `None` is the daemon model's.
    pub stop: Option<Law>,
    /// Exit code of a container that stops by itself; one that is killed has 137.
    pub stop_code: i32,
    /// From the start until their health checks find them well; `None` is at once.
    pub warm_up: Option<Law>,
    /// From the start until their health checks find them ill; `None` is never.
    pub unhealthy_after: Option<Law>,
    /// Whether the probes of an ill container hang until their timeout instead of failing at once.
    pub probe_hangs: bool,
}

impl Behaviour {
    /// Containers that exit by themselves.
    pub fn exiting(after: Law, code: i32) -> Behaviour {
        Behaviour { exit: Some(Exit { after, code, fails: None }), ..Behaviour::default() }
    }
}

/// The end of a container by itself.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Exit {
    /// How long after it started.
    pub after: Law,
    /// With this code; 0 is success, 137 is what the kernel leaves of a container that is out of memory.
    pub code: i32,
    /// What keeps it from its start, if something does: then it does not come so far.
    pub fails: Option<StartFailure>,
}

/// What keeps a container from its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartFailure {
    /// Its command is not in its image.
    Command,
    /// Its port on the host is taken, by something that the managers do not know of.
    Port,
    /// What it shall mount is not on its node. This shows when it is created.
    Mount,
}

impl StartFailure {
    /// What the engine says (moby, containerd, runc).
    fn words(self, spec: &ContainerSpec) -> String {
        match self {
            StartFailure::Command => {
                let command = spec.command.first().map_or("app", String::as_str);
                format!(
                    "starting container failed: failed to create task for container: failed to create shim task: OCI runtime \
                     create failed: runc create failed: unable to start container process: error during container init: exec: \
                     \"{command}\": executable file not found in $PATH: unknown"
                )
            }
            StartFailure::Port => {
                "starting container failed: failed to set up container networking: driver failed programming \
                                   external connectivity on endpoint: failed to bind host port: address already in use"
                    .into()
            }
            StartFailure::Mount => {
                let sources = spec.mounts.iter().filter_map(|mount| mount.split_once(':'));
                let source = sources.map(|mount| mount.0).find(|source| source.starts_with('/')).unwrap_or("/data");
                format!("invalid mount config for type \"bind\": bind source path does not exist: {source}")
            }
        }
    }
}

/// How an engine and its agent take their time.
#[derive(Clone, PartialEq, Debug)]
pub struct DaemonModel {
    /// Taking up a task that arrived.
    pub accept: Law,
    /// Creating a container, image present.
    pub create: Law,
    /// Starting a container.
    pub start: Law,
    /// From the stop signal to the exit of a container; at the end of the stop grace period it is killed.
    pub stop: Law,
    /// What the engine does to stop a container beside that.
    pub halt: Law,
    /// From the end of the stop grace period until a process that is killed is gone.
    pub kill: Law,
    /// From the end of a container's process until its agent knows.
    pub notice: Law,
    /// The CPU cores on which containers are taken up, created, started and stopped.
    pub cores: CoreModel,
    /// What a call of an agent works on its machine's cores, a heartbeat for example.
    pub call: Span,
    /// How much slower or faster the engines of a run are than those of another.
    pub pace: PaceModel,
    /// Time that a machine needs from power on until its agent registers.
    pub boot: Law,
    /// Time that an engine needs when it is started anew, until its agent registers.
    pub restart: Law,
    /// Whether images stay in a node's cache over a failure.
    pub keep_cache: bool,
    /// Agent reports are committed this often (SwarmKit dispatcher: 100 ms).
    pub status_batch: Span,
    /// From the beginning until the first of these commits.
    pub status_phase: Law,
    /// Assignments are sent after this much quiet (SwarmKit dispatcher: 100 ms).
    pub assignment_batch: Span,
    /// What the dispatcher works for each message that it sends to a node; it sends one after the other.
    pub dispatch_message: Span,
    /// And for each task in it.
    pub dispatch_task: Span,
}

impl Default for DaemonModel {
    fn default() -> Self {
        DaemonModel {
            create: Law::Lognormal { median: Span::from_millis(200), sigma: 0.3 },
            start: Law::Lognormal { median: Span::from_millis(400), sigma: 0.3 },
            stop: Law::Exponential { mean: Span::from_secs(1) },
            accept: Law::Fixed(Span::ZERO),
            halt: Law::Fixed(Span::ZERO),
            kill: Law::Fixed(Span::ZERO),
            notice: Law::Fixed(Span::ZERO),
            cores: CoreModel::Own,
            call: Span::from_millis(1),
            pace: PaceModel::default(),
            boot: Law::Fixed(Span::from_secs(30)),
            restart: Law::Uniform { min: Span::from_secs(1), max: Span::from_secs(3) },
            keep_cache: true,
            status_batch: Span::from_millis(100),
            status_phase: Law::Fixed(Span::ZERO),
            assignment_batch: Span::from_millis(100),
            dispatch_message: Span::ZERO,
            dispatch_task: Span::ZERO,
        }
    }
}

/// SwarmKit `agent/task.go`: a step that was cancelled is tried again after a second. That is what happens to a running
/// task that shall stop: measured, every stop begins a second late.
const STEP_RETRY: Span = Span::from_secs(1);
/// moby executor: a task waits this long for its node's network attachments.
const ATTACHMENT_WAIT: Span = Span::from_secs(30);
/// moby `daemon/cluster/executor/container/adapter.go`, `waitNodeAttachments`: so often it looks whether they are there.
const ATTACHMENT_POLL: Span = Span::from_millis(100);
/// SwarmKit `agent/session.go`: a heartbeat without an answer is given up.
const TIMEOUT: Span = Span::from_secs(5);
/// SwarmKit `api/defaults`: from the stop signal to the kill.
const STOP_GRACE: Span = Span::from_secs(10);
/// What the kernel says of a process that was killed: 128 + SIGKILL.
const KILLED: i32 = 137;
/// What a container says that lost its engine (measured on a killed one).
const LOST: i32 = 255;

/// Something comes to pass on a node or on the way to or from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AgentEvent {
    /// The step of a task is over, unless it was broken off.
    Step {
        /// Which.
        task: TaskNo,
        /// Which step.
        timer: u32,
    },
    /// The dispatcher looks whether a node's assignments have been quiet for long enough.
    Quiet {
        /// Row of the node.
        node: u32,
        /// Its link.
        link: u32,
    },
    /// A batch of assignments arrives.
    Assignments {
        /// Row of the node.
        node: u32,
        /// Its link.
        link: u32,
    },
    /// An agent that can call the manager does so.
    Booted {
        /// Row of the node.
        node: u32,
        /// Its power cycle.
        cycle: u32,
    },
    /// The call arrives: the agent is registered.
    Registered {
        /// Row of the node.
        node: u32,
        /// Its link.
        link: u32,
    },
    /// An agent gives up a session in which it hears nothing, or is not heard.
    GivenUp {
        /// Row of the node.
        node: u32,
        /// Its link.
        link: u32,
    },
    /// The complete set of assignments arrives that follows a registration.
    CompleteSet {
        /// Row of the node.
        node: u32,
        /// Its link.
        link: u32,
    },
    /// The dispatcher commits a batch of reports.
    Commit,
    /// Work on cores that tasks share is done, unless others came or went in the meantime.
    Worked {
        /// Which cores.
        cores: u32,
    },
}

/// How long the steps of a task take: drawn once, so that they belong to the task and not to what happens around it.
#[derive(Clone, PartialEq, Debug)]
pub struct Life {
    create: Span,
    start: Span,
    /// From the stop signal to the end of the process.
    stop: Span,
    rest: RareTimings,
    /// Why it does not start, if it does not.
    failure: Option<(StartFailure, Arc<str>)>,
}

/// Timings that are zero for most tasks.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
struct RareTimings {
    accept: Span,
    /// What the engine does to stop it when the process is over.
    halt: Span,
    /// What joining and leaving its overlay networks takes.
    attach: Span,
    detach: Span,
    /// From the end of the process until the agent knows.
    notice: Span,
    /// When it ends by itself, from the start, and with which code; and the code when it is stopped.
    exit: Option<Span>,
    exit_code: i32,
    stop_code: i32,
    /// What its probes find, if it has a health check.
    course: Option<HealthOutcome>,
}

impl Life {
    /// Draws the life of a task. A container that has not stopped by itself at the end of the stop grace period, of which
    /// the engine counts whole seconds, is killed. What the engine does itself takes `pace` times as long.
    pub fn draw(
        model: &DaemonModel,
        overlay: &OverlayModel,
        spec: &ContainerSpec,
        behaviour: &Behaviour,
        pace: f64,
        rng: &mut ChaCha8Rng,
    ) -> Life {
        let create = times(model.create.sample(rng), pace);
        let start = times(model.start.sample(rng), pace);
        let grace = spec.stop_grace.unwrap_or(STOP_GRACE);
        let grace = Span::from_secs(grace.as_nanos() / Span::from_secs(1).as_nanos());
        let stop = behaviour.stop.unwrap_or(model.stop).sample(rng);
        let exit = behaviour.exit.map(|exit| exit.after.sample(rng));
        let exit_code = behaviour.exit.map_or(0, |exit| exit.code);
        let kill = times(model.kill.sample(rng), pace);
        let notice = model.notice.sample(rng);
        let halt = times(model.halt.sample(rng), pace);
        let accept = times(model.accept.sample(rng), pace);
        let attach = times(overlay.attach.sample(rng), pace);
        let detach = times(overlay.detach.sample(rng), pace);
        let mut drawn = |law: Option<Law>| law.map(|law| law.sample(rng));
        let plan = HealthPlan {
            ready: drawn(behaviour.warm_up).unwrap_or_default(),
            unhealthy_after: drawn(behaviour.unhealthy_after),
            probe_hangs: behaviour.probe_hangs,
        };
        let (stop, stop_code) = if stop < grace { (stop, behaviour.stop_code) } else { (grace + kill, KILLED) };
        let course = health::course(spec, plan);
        let rest = RareTimings { accept, halt, attach, detach, notice, exit, exit_code, stop_code, course };
        let failure = behaviour.exit.and_then(|exit| exit.fails).map(|failure| (failure, failure.words(spec).into()));
        Life { create, start, stop, rest, failure }
    }

    /// What its networks add: `attach` and `detach` for each, and the load balancing to every other service on them.
    #[must_use]
    pub fn joining(mut self, overlay: &OverlayModel, joining: Joining, pace: f64) -> Life {
        let RareTimings { attach, detach, .. } = &mut self.rest;
        let networks = f64::from(joining.networks);
        let balancing = times(overlay.endpoint, pace * f64::from(joining.others));
        (*attach, *detach) = (times(*attach, networks) + balancing, times(*detach, networks));
        self
    }
}

/// All agents of a cluster, and the dispatcher's side of their sessions.
#[derive(Clone, Debug)]
pub struct Agents {
    model: DaemonModel,
    overlay: OverlayModel,
    seeds: Seeds,
    nodes: Vec<Daemon>,
    /// By number of the task; `None` for those that never came to an agent or are gone.
    containers: Vec<Option<Container>>,
    /// Reports on their way into the manager's store, by time of the commit; how many commits were announced, and when
    /// the first is due.
    commits: VecDeque<Commit>,
    announced: u32,
    first_commit: Span,
    /// Room for the reports of the next commit.
    room: Vec<Report>,
    /// Until when the dispatcher works at messages.
    dispatched: Time,
    /// The cores on which nodes work.
    workplaces: Vec<Workplace>,
    /// Places in the lists of the nodes that were looked at for removals.
    #[cfg(test)]
    looks: usize,
}

/// The cores of a machine, or of all machines that share some.
#[derive(Clone, Debug)]
struct Workplace {
    cores: Cores,
    /// When the [`AgentEvent::Worked`] of jobs that share is due.
    due: Option<Time>,
    /// The node, unless several share.
    node: Option<u32>,
    /// Whether a call of its agent takes too long to be answered in time.
    is_overloaded: bool,
}

impl Workplace {
    fn new(cores: f64, node: Option<u32>) -> Workplace {
        Workplace { cores: Cores::new(cores), due: None, node, is_overloaded: false }
    }
}

/// A list up to this is searched.
const SHORT: usize = 64;

/// What every message touches stands in the first line, what few do behind it.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
struct Daemon {
    /// Counts losses of the link to the manager, and those of power: what was under way before is void.
    link: u32,
    cycle: u32,
    /// Whether its engine runs, how its network is broken, and whether the agent has a session.
    alive: bool,
    fault: Option<NetworkFault>,
    connected: bool,
    /// Whether it left the swarm, or was removed from it; and whether it knows, since it left.
    out: bool,
    left: bool,
    /// Whether its engine, if it runs, waits to be unlocked before it has to do with the swarm.
    locked: bool,
    /// Whether containers may run that no engine has.
    has_orphans: bool,
    /// Messages do not overtake each other: when the last one arrives there, and here.
    down: Time,
    up: Time,
    weak: Option<Box<LinkImpairment>>,
    /// Assignments that wait for quiet, since when, and those that were sent.
    outbox: Vec<Assignment>,
    changed: Time,
    sent: VecDeque<Vec<Assignment>>,
    /// Tasks that have containers here, in order of assignment. A long list may still have tasks whose container is gone,
    /// but not more than others.
    tasks: Vec<TaskNo>,
    gone: usize,
    latency: ChaCha8Rng,
    entity: u64,
    /// Its cores; if there are none of this number, every container has one.
    cores: u32,
    /// Everything takes so many times as long.
    slow: f64,
    /// Since when the calls of the agent get no answer, or will get none if the network stays cut.
    calls: Time,
}

#[derive(Clone, Copy, Debug)]
enum Assignment {
    Assign(TaskNo, DesiredState),
    Desired(TaskNo, DesiredState),
    Remove(TaskNo),
}

/// One cache line: there is one for every task of the run.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Container {
    node: u32,
    timer: u32,
    /// See [`Life`].
    create: Span,
    start: Span,
    stop: Span,
    /// While networks are awaited, since when; while its image is, until when nobody looks for it; once it is started, since when
    /// its process lives.
    clock: Time,
    rare: Option<Box<Rare>>,
    /// The commit that has its newest report, and where.
    report: Option<(CommitNo, u32)>,
    state: TaskState,
    /// What the agent knows of it, if it ever heard of it, and what the manager wants, if it has not forgotten it.
    known: Option<DesiredState>,
    wanted: Option<DesiredState>,
    phase: Phase,
    process: Process,
    /// How its process ended, or will when it is stopped.
    end: End,
    /// Whether it joins an overlay network.
    joins: bool,
    /// Whether its node has what it needs of its networks.
    attached: bool,
}

const _: () = assert!(size_of::<Option<Container>>() == 64);

/// What few containers have.
#[derive(Clone, Default, Debug)]
struct Rare {
    rest: RareTimings,
    /// What its newest report says went wrong.
    error: Option<Arc<str>>,
    /// See [`Life`].
    failure: Option<(StartFailure, Arc<str>)>,
}

/// What an agent is doing for a task, for people who look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doing {
    /// Nothing: it waits for the manager, or the task has ended.
    Nothing,
    /// It takes the task up, or waits for networks.
    Preparing,
    /// It waits for the image.
    Pulling,
    /// It creates the container.
    Creating,
    /// It starts the process.
    Starting,
    /// It waits for the health check to find the container well.
    Probing,
    /// The container serves.
    Running,
    /// The container is being stopped.
    Stopping,
}

/// Counts commits in the order in which they were announced, from one.
type CommitNo = NonZeroU32;

/// Reports that enter the manager's store together.
#[derive(Clone, Debug)]
struct Commit {
    at: Time,
    number: CommitNo,
    reports: Vec<Report>,
}

/// The process of a container.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Process {
    None,
    /// The engine was lost under the process.
    Lost,
    Lives,
    /// The process lives and serves.
    Serves,
}

/// How a process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// As the manager wants it.
    Stopped,
    /// By itself.
    Exited,
    /// Somebody killed it.
    Killed,
    /// Somebody else than the manager sent it the stop signal.
    Signalled,
    /// The process is stopped because the probes failed.
    Unhealthy,
}

/// What an agent is doing for a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Idle,
    /// The agent takes it up.
    Accepting,
    Attaching,
    Pulling,
    /// The agent has aborted a step without aborting the pull, and will come back to it.
    Resuming,
    Creating,
    Starting,
    Probing,
    Running,
    /// The step that was under way is aborted; the next follows.
    Cancelled,
    Leaving,
    Stopping,
    /// The process is over; the engine clears up after it.
    Halting,
    /// The process is over, but the agent does not know yet.
    Noticing,
}

#[derive(Clone, Debug)]
struct Report {
    task: TaskNo,
    at: Time,
    state: TaskState,
    error: Option<Arc<str>>,
}

// What the manager and the world tell.
impl Agents {
    /// All machines are up and their agents registered.
    pub fn new<'n>(
        model: &DaemonModel,
        overlay: &OverlayModel,
        names: impl Iterator<Item = &'n str>,
        seeds: Seeds,
    ) -> Self {
        let node = |name| Daemon {
            link: 0,
            cycle: 0,
            alive: true,
            fault: None,
            connected: true,
            out: false,
            left: false,
            locked: false,
            has_orphans: false,
            down: Time::ZERO,
            up: Time::ZERO,
            weak: None,
            outbox: Vec::new(),
            changed: Time::ZERO,
            sent: VecDeque::new(),
            tasks: Vec::new(),
            gone: 0,
            latency: seeds.stream(Stream::Latency, entity(name)),
            entity: entity(name),
            cores: u32::MAX,
            slow: 1.0,
            calls: Time::ZERO,
        };
        let nodes = names.map(node).collect();
        Agents {
            model: model.clone(),
            overlay: overlay.clone(),
            seeds,
            nodes,
            containers: Vec::new(),
            commits: VecDeque::new(),
            announced: 0,
            room: Vec::new(),
            dispatched: Time::ZERO,
            first_commit: model.status_phase.sample(&mut seeds.stream(Stream::Dispatcher, 0)),
            workplaces: Vec::new(),
            #[cfg(test)]
            looks: 0,
        }
    }

    /// With the cores of every node, of which `None` has the ones that all such nodes share, or as many as it needs if there are none.
    #[must_use]
    pub fn with_cores(mut self, own: impl Iterator<Item = Option<f64>>) -> Self {
        let shared = match self.model.cores {
            CoreModel::Shared(cores) => {
                self.workplaces.push(Workplace::new(cores, None));
                0
            }
            CoreModel::Own => u32::MAX,
            CoreModel::Unlimited => return self,
        };
        for (row, own) in (0..self.nodes.len()).zip(own) {
            self.nodes[row].cores = own.map_or(shared, |_| self.workplaces.len() as u32);
            self.workplaces.extend(own.map(|own| Workplace::new(own, Some(row as u32))));
        }
        self
    }

    /// The manager gives a task to a node. `joins` says whether it joins an overlay network, `attached` whether the node
    /// is attached already.
    #[allow(clippy::too_many_arguments)] // A task's whole start in life.
    pub fn assign<E: From<AgentEvent>>(
        &mut self,
        cx: &mut Context<E>,
        task: TaskNo,
        node: usize,
        desired: DesiredState,
        life: Life,
        joins: bool,
        attached: bool,
    ) {
        if self.containers.len() <= task.row() {
            self.containers.resize_with(task.row() + 1, || None);
        }
        let Life { create, start, stop, rest, failure } = life;
        let is_rare = rest != RareTimings::default() || failure.is_some();
        self.containers[task.row()] = Some(Container {
            node: node as u32,
            timer: 0,
            create,
            start,
            stop,
            clock: Time::ZERO,
            rare: is_rare.then(|| Box::new(Rare { rest, error: None, failure })),
            report: None,
            state: TaskState::Assigned,
            known: None,
            wanted: Some(desired),
            phase: Phase::Idle,
            process: Process::None,
            end: End::Stopped,
            joins,
            attached,
        });
        self.nodes[node].tasks.push(task);
        self.send(cx, node, Assignment::Assign(task, desired));
    }

    /// The manager wants something else of a task. Tasks that no agent has are none of its business.
    pub fn desire<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo, desired: DesiredState) {
        let Some(container) = self.container(task) else { return };
        container.wanted = Some(desired);
        let node = container.node as usize;
        self.send(cx, node, Assignment::Desired(task, desired));
    }

    /// The manager forgets a task: its container goes, whatever it does, as soon as its node hears of it.
    pub fn remove<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.container(task) else { return };
        container.wanted = None;
        let node = container.node as usize;
        if self.nodes[node].connected {
            self.send(cx, node, Assignment::Remove(task));
        } else if !self.nodes[node].alive {
            self.discard(cx, task);
        }
    }

    /// The image of a task is on its node.
    pub fn pulled<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.container(task).filter(|container| container.phase == Phase::Pulling) else {
            return;
        };
        let now = cx.now();
        if now < container.clock {
            let rest = container.clock - now;
            container.wait(cx, task, Phase::Resuming, rest);
        } else {
            self.create(cx, task);
        }
    }

    /// The image of a task cannot be had.
    pub fn not_pulled<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo, error: Arc<str>) {
        if let Some(container) = self.container(task).filter(|container| container.phase == Phase::Pulling) {
            container.phase = Phase::Idle;
            self.report(cx, task, TaskState::Rejected, Some(error));
        }
    }

    /// The node of a task is attached to its networks.
    pub fn attached<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.container(task) else { return };
        container.attached = true;
        if container.phase == Phase::Attaching {
            let asked = (cx.now() - container.clock).as_nanos() % ATTACHMENT_POLL.as_nanos();
            container.wait(cx, task, Phase::Attaching, Span::from_nanos(ATTACHMENT_POLL.as_nanos() - asked));
        }
    }

    /// A machine loses power: its containers are gone, its agent is silent, what was sent to it is lost.
    pub fn power_off<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        self.lose_agent(node);
        for task in self.tasks_on(node) {
            self.lose(cx, task);
            if self.containers[task.row()].as_ref().is_some_and(|container| container.wanted.is_none()) {
                self.discard(cx, task);
            }
        }
    }

    /// A machine gets power.
    pub fn power_on<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        let boot = self.model.boot;
        self.boot(cx, node, Span::ZERO, boot);
    }

    /// An engine is stopped politely: its containers get the stop signal, and what becomes of them its agent tells when it is
    /// back. The answer is how long the last of them takes.
    pub fn stop_engine<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize) -> Span {
        self.lose_agent(node);
        let slow = self.nodes[node].slow;
        let mut longest = Span::ZERO;
        for task in self.tasks_on(node) {
            let container = self.containers[task.row()].as_mut().expect("a node's tasks have containers");
            match container.phase {
                // These go on by themselves.
                Phase::Stopping | Phase::Halting | Phase::Noticing => {}
                _ if container.process >= Process::Lives => {
                    container.end =
                        if container.known >= Some(DesiredState::Shutdown) { End::Stopped } else { End::Signalled };
                    let stop = times(container.stop, slow);
                    longest = longest.max(stop);
                    container.wait(cx, task, Phase::Stopping, stop);
                }
                _ => self.lose(cx, task),
            }
        }
        longest
    }

    /// An engine is killed alone: running containers live on, what was under way is lost. The next engine kills what it finds
    /// (moby `daemon`, `restore`), unless it is told to leave it alone (`live`).
    pub fn kill_engine<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize, live: bool) -> Span {
        self.lose_agent(node);
        self.nodes[node].has_orphans = !live;
        for task in self.tasks_on(node) {
            if self.containers[task.row()].as_ref().is_some_and(|container| container.phase != Phase::Running) {
                self.lose(cx, task);
            }
        }
        Span::ZERO
    }

    /// An engine is killed with all its containers.
    pub fn crash_engine<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize) -> Span {
        self.power_off(cx, node);
        Span::ZERO
    }

    /// An engine that does not run will be up after the time of a law that begins in a while.
    pub fn start_engine<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize, wait: Span, law: Law) {
        self.boot(cx, node, wait, law);
    }

    /// A node leaves the swarm: its containers go at once, and its agent calls nobody any more (moby
    /// `daemon/cluster/swarm.go`, `Leave`).
    pub fn leave_swarm<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        let daemon = &mut self.nodes[node];
        (daemon.out, daemon.left, daemon.locked) = (true, true, false);
        self.unlink(node);
        for task in self.tasks_on(node) {
            self.discard(cx, task);
        }
    }

    /// The managers do not know a node any more: its agent finds no session from now on. Its containers live on, but nobody
    /// in the cluster sends them anything.
    pub fn expel<E>(&mut self, cx: &mut Context<E>, node: usize) {
        self.nodes[node].out = true;
        self.unlink(node);
        self.tasks_on(node).into_iter().filter(|task| self.serves(*task)).for_each(|task| cx.tell(Fact::Leaving(task)));
    }

    /// A node that was outside of the swarm is a member again.
    pub fn admit(&mut self, node: usize) {
        if std::mem::take(&mut self.nodes[node].out) {
            self.unlink(node);
            let daemon = &mut self.nodes[node];
            daemon.connected = daemon.alive && daemon.fault.is_none();
        }
    }

    /// The managers have a record of a node that joins.
    pub fn enter(&mut self, node: usize) {
        self.nodes[node].left = false;
    }

    /// The engine of a node, when it runs again, waits to be unlocked.
    pub fn lock(&mut self, node: usize) {
        self.nodes[node].locked = true;
    }

    /// Whether it waits.
    pub fn is_locked(&self, node: usize) -> bool {
        self.nodes[node].locked
    }

    /// It does not any more.
    pub fn unlock<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        self.nodes[node].locked = false;
        self.call(cx, node);
    }

    /// Whether a node left the swarm and did not join again.
    pub fn has_left(&self, node: usize) -> bool {
        self.nodes[node].left
    }

    /// Whether a node that was a member is none any more: it left, or was removed.
    pub fn is_out(&self, node: usize) -> bool {
        self.nodes[node].out
    }

    /// Whether the engine of a node runs.
    pub fn is_alive(&self, node: usize) -> bool {
        self.nodes[node].alive
    }

    /// The agent of a node is gone with its session.
    fn lose_agent(&mut self, node: usize) {
        let daemon = &mut self.nodes[node];
        daemon.cycle += 1;
        daemon.alive = false;
        self.unlink(node);
    }

    fn boot<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize, wait: Span, law: Law) {
        let daemon = &self.nodes[node];
        let mut rng = self.seeds.stream(Stream::Boot, part(daemon.entity, u64::from(daemon.cycle)));
        cx.after(wait + law.sample(&mut rng), AgentEvent::Booted { node: node as u32, cycle: daemon.cycle });
    }

    /// A node's network breaks. Its containers go on; its agent notices by a heartbeat that is not answered, and calls from
    /// then on. Until then one that is mute still gets assignments, and the reports of one that is deaf still arrive.
    pub fn cut<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize, period: Span, fault: NetworkFault) {
        let daemon = &mut self.nodes[node];
        if daemon.fault.replace(fault).is_some() {
            return self.unlink(node);
        }
        let was_connected = daemon.connected;
        if was_connected {
            let mut rng = self.seeds.stream(Stream::Link, part(daemon.entity, u64::from(daemon.link)));
            let beat = Span::from_secs_f64(unit(&mut rng) * period.as_secs_f64());
            daemon.calls = cx.now() + beat + TIMEOUT;
        }
        if fault != NetworkFault::TxLost || !was_connected {
            self.unlink(node);
        }
        let daemon = &mut self.nodes[node];
        if fault != NetworkFault::Isolated && was_connected {
            daemon.connected = true;
            cx.at(daemon.calls, AgentEvent::GivenUp { node: node as u32, link: daemon.link });
        }
    }

    /// A node's network is repaired. A session that the agent still believes in goes on at once.
    pub fn mend<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        let daemon = &mut self.nodes[node];
        if daemon.fault.take().is_none() || !daemon.alive {
            return;
        }
        if daemon.connected {
            self.unlink(node);
        }
        let daemon = &self.nodes[node];
        let mut rng = self.seeds.stream(Stream::Link, part(daemon.entity, u64::from(daemon.link)));
        let next = session::next_call(daemon.calls, cx.now(), Calls::Wait(self.overlay.unreachable), &mut rng);
        cx.at(next, AgentEvent::Booted { node: node as u32, cycle: daemon.cycle });
    }

    /// Whether the agent of a member runs and its network is whole.
    pub fn hears(&self, node: usize) -> bool {
        let daemon = &self.nodes[node];
        daemon.alive && daemon.fault.is_none() && !daemon.out && !daemon.locked
    }

    /// Whether the agent of a node believes that it has a session.
    pub fn is_connected(&self, node: usize) -> bool {
        self.nodes[node].connected
    }

    /// What an agent is doing for a task; `None` if no agent has it.
    pub fn doing(&self, task: TaskNo) -> Option<Doing> {
        let container = self.containers.get(task.row())?.as_ref()?;
        Some(match container.phase {
            Phase::Idle => Doing::Nothing,
            Phase::Accepting | Phase::Attaching => Doing::Preparing,
            Phase::Pulling => Doing::Pulling,
            Phase::Resuming | Phase::Creating => Doing::Creating,
            Phase::Starting => Doing::Starting,
            Phase::Probing => Doing::Probing,
            Phase::Running => Doing::Running,
            Phase::Cancelled | Phase::Leaving | Phase::Stopping | Phase::Halting | Phase::Noticing => Doing::Stopping,
        })
    }

    /// Containers with a process on a node.
    pub fn processes(&self, node: usize) -> usize {
        let lives = |task: &&TaskNo| {
            self.containers[task.row()].as_ref().is_some_and(|container| container.process >= Process::Lives)
        };
        self.nodes[node].tasks.iter().filter(lives).count()
    }

    /// A node's link to the manager is weak from now on, or sound.
    pub fn degrade_link(&mut self, node: usize, impairment: Option<LinkImpairment>) {
        self.nodes[node].weak = impairment.map(Box::new);
    }

    /// A heartbeat of a node gets no answer: in a while its agent gives up the session, and calls anew.
    pub fn unanswered<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        let link = self.nodes[node].link;
        cx.after(TIMEOUT, AgentEvent::GivenUp { node: node as u32, link });
    }

    /// What containers of a node do takes so many times as long from now on.
    pub fn slow(&mut self, node: usize, factor: f64) {
        self.nodes[node].slow = factor;
    }

    /// The process of a task is killed. Says whether there was one.
    pub fn kill<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) -> bool {
        let Some(container) = self.container(task).filter(|container| container.process >= Process::Lives) else {
            return false;
        };
        let end = if container.known >= Some(DesiredState::Shutdown) { End::Stopped } else { End::Killed };
        self.end(cx, task, end);
        true
    }

    /// `docker restart` of the container of a task: it gets the stop signal, and its agent takes its end for the task's. Says
    /// whether it ran. What the engine starts then is not the task's any more, and is not modelled.
    pub fn restart_container<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) -> bool {
        let Some(container) = self.container(task) else { return false };
        if !matches!(container.phase, Phase::Running | Phase::Probing) {
            return false;
        }
        let (stop, node) = (container.stop, container.node as usize);
        let stop = times(stop, self.nodes[node].slow);
        let container = self.containers[task.row()].as_mut().expect("as above");
        container.end = End::Signalled;
        container.wait(cx, task, Phase::Stopping, stop);
        true
    }

    /// Whether the container of a task serves.
    pub fn serves(&self, task: TaskNo) -> bool {
        let container = self.containers.get(task.row()).and_then(Option::as_ref);
        container.is_some_and(|container| container.process == Process::Serves)
    }

    /// The session of a node is gone, with all that was on its way.
    fn unlink(&mut self, node: usize) {
        let daemon = &mut self.nodes[node];
        daemon.link += 1;
        daemon.connected = false;
        daemon.sent.clear();
        daemon.outbox.clear();
    }

    /// The engine is lost under a container.
    fn lose<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let container = self.containers[task.row()].as_mut().expect("a node's tasks have containers");
        container.timer += 1;
        container.phase = Phase::Idle;
        let is_lost = container.known.is_some() && !container.state.is_terminal();
        let process = std::mem::replace(&mut container.process, if is_lost { Process::Lost } else { Process::None });
        let node = container.node as usize;
        self.stop_work(cx, node, task);
        if process == Process::Serves {
            cx.tell(Fact::Ended(task));
        }
    }
}

// What happens on the nodes.
impl Agents {
    /// One of the model's own events is due.
    pub fn handle<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, event: AgentEvent) {
        match event {
            AgentEvent::Step { task, timer } => {
                if self.container(task).is_some_and(|container| container.timer == timer) {
                    self.step_over(cx, task);
                }
            }
            AgentEvent::Commit => self.commit(cx),
            AgentEvent::Worked { cores } => self.worked(cx, cores),
            AgentEvent::Booted { node, cycle } => {
                if self.nodes[node as usize].cycle == cycle {
                    if std::mem::take(&mut self.nodes[node as usize].has_orphans) {
                        self.tasks_on(node as usize).into_iter().for_each(|task| self.lose(cx, task));
                    }
                    self.call(cx, node as usize);
                }
            }
            AgentEvent::Quiet { node, link }
            | AgentEvent::Assignments { node, link }
            | AgentEvent::Registered { node, link }
            | AgentEvent::GivenUp { node, link }
            | AgentEvent::CompleteSet { node, link } => {
                let node = node as usize;
                if self.nodes[node].link != link {
                    return;
                }
                match event {
                    AgentEvent::Quiet { .. } => self.send_if_quiet(cx, node),
                    AgentEvent::Assignments { .. } => self.take_assignments(cx, node),
                    AgentEvent::Registered { .. } => self.register(cx, node),
                    AgentEvent::GivenUp { .. } => self.give_up(cx, node),
                    _ => self.take_complete_set(cx, node),
                }
            }
        }
    }

    fn container(&mut self, task: TaskNo) -> Option<&mut Container> {
        self.containers.get_mut(task.row())?.as_mut()
    }

    /// Goes on with a task if nothing is under way for it (SwarmKit `agent/exec/controller.go`, `Do`).
    fn step<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.container(task) else { return };
        if container.state.is_terminal() {
            return;
        }
        if container.known >= Some(DesiredState::Shutdown) {
            match container.phase {
                Phase::Cancelled | Phase::Leaving | Phase::Stopping | Phase::Halting | Phase::Noticing => {}
                Phase::Idle => self.leave(cx, task),
                phase => {
                    let node = container.node as usize;
                    container.wait(cx, task, Phase::Cancelled, STEP_RETRY);
                    if phase == Phase::Pulling {
                        cx.tell(Fact::ImageUnwanted(task, node));
                    }
                    self.stop_work(cx, node, task);
                }
            }
            return;
        }
        match (container.phase, container.state) {
            (Phase::Idle, TaskState::Assigned) => {
                let accept = container.rest().accept;
                if accept == Span::ZERO {
                    self.prepare(cx, task);
                } else {
                    self.work(cx, task, Phase::Accepting, accept);
                }
            }
            (Phase::Idle, TaskState::Ready) if container.known > Some(DesiredState::Ready) => {
                let start = container.start + container.rest().attach;
                self.work(cx, task, Phase::Starting, start);
                self.report(cx, task, TaskState::Starting, None);
            }
            _ => {}
        }
    }

    /// Begins with the networks of a task.
    fn prepare<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.container(task) else { return };
        let attached = container.attached;
        if !attached {
            container.clock = cx.now();
            container.wait(cx, task, Phase::Attaching, ATTACHMENT_WAIT);
        }
        self.report(cx, task, TaskState::Preparing, None);
        if attached {
            self.pull(cx, task);
        }
    }

    /// The manager wants a task that is being prepared to run. That aborts the step that is under way: the wait for
    /// the networks has failed then, and a pull is taken up again after a second (SwarmKit `agent/task.go`). The creation of a
    /// container cannot be aborted: an engine finishes it, so that nothing failed.
    pub(super) fn disturb<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.container(task) else { return };
        match container.phase {
            Phase::Attaching => self.not_attached(cx, task),
            Phase::Pulling => container.clock = cx.now() + STEP_RETRY,
            Phase::Resuming => container.wait(cx, task, Phase::Resuming, STEP_RETRY),
            _ => {}
        }
    }

    fn not_attached<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.container(task) else { return };
        container.phase = Phase::Idle;
        container.timer += 1;
        let error = "node is missing network attachments, ip addresses may be exhausted".into();
        self.report(cx, task, TaskState::Rejected, Some(error));
    }

    fn create<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.container(task) else { return };
        let create = container.create;
        self.work(cx, task, Phase::Creating, create);
    }

    fn pull<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.container(task) else { return };
        container.phase = Phase::Pulling;
        let node = container.node as usize;
        cx.tell(Fact::ImageWanted(task, node));
    }

    /// What was under way for a task is done.
    fn step_over<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.container(task) else { return };
        match std::mem::replace(&mut container.phase, Phase::Idle) {
            Phase::Idle | Phase::Pulling => unreachable!("nothing is timed"),
            Phase::Accepting => self.prepare(cx, task),
            Phase::Attaching if container.attached => self.pull(cx, task),
            Phase::Attaching => self.not_attached(cx, task),
            Phase::Resuming => self.create(cx, task),
            Phase::Creating => {
                // What goes wrong before the start is a rejection (SwarmKit `agent/exec/controller.go`, `Do`).
                if let Some((StartFailure::Mount, words)) = container.failure() {
                    return self.report(cx, task, TaskState::Rejected, Some(words));
                }
                cx.tell(Fact::Prepared(task));
                self.report(cx, task, TaskState::Ready, None);
                self.step(cx, task);
            }
            Phase::Starting => {
                if let Some((_, words)) = container.failure() {
                    return self.report(cx, task, TaskState::Failed, Some(words));
                }
                container.process = Process::Lives;
                container.clock = cx.now();
                let rest = container.rest();
                match rest.course {
                    None => self.run(cx, task),
                    Some(course) => {
                        let probed = [course.healthy, course.unhealthy, rest.exit];
                        let first = probed.into_iter().flatten().min().expect("probes find one or the other");
                        container.wait(cx, task, Phase::Probing, first);
                    }
                }
            }
            Phase::Probing => {
                let age = cx.now() - container.clock;
                if container.rest().course.is_some_and(|course| course.healthy == Some(age)) {
                    self.run(cx, task);
                } else {
                    self.run_out(cx, task);
                }
            }
            Phase::Running => self.run_out(cx, task),
            Phase::Cancelled => self.leave(cx, task),
            Phase::Leaving => self.stop(cx, task),
            Phase::Stopping => {
                let end = container.end;
                self.end(cx, task, end);
            }
            Phase::Halting => self.notice(cx, task),
            Phase::Noticing => self.noticed(cx, task),
        }
    }

    /// A container serves, and does until it ends by itself or its probes find it unhealthy.
    fn run<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.container(task) else { return };
        container.process = Process::Serves;
        container.phase = Phase::Running;
        let RareTimings { course, exit, .. } = container.rest();
        let end = match (course.and_then(|course| course.unhealthy), exit) {
            (Some(ill), Some(exit)) => Some(ill.min(exit)),
            (ill, exit) => ill.or(exit),
        };
        if let Some(end) = end {
            let rest = Span::from_nanos(end.as_nanos().saturating_sub((cx.now() - container.clock).as_nanos()));
            container.wait(cx, task, Phase::Running, rest);
        }
        cx.tell(Fact::Started(task));
        self.report(cx, task, TaskState::Running, None);
    }

    /// A container ends by itself, or is unhealthy: then the engine's agent stops it.
    fn run_out<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.container(task) else { return };
        let age = cx.now() - container.clock;
        match container.rest().exit {
            Some(after) if after <= age => self.end(cx, task, End::Exited),
            _ => {
                container.end = End::Unhealthy;
                self.leave(cx, task);
            }
        }
    }

    /// Takes a task out of the load balancing, where its networks have time to forget it.
    fn leave<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let leave = self.overlay.leave;
        let Some(container) = self.container(task) else { return };
        let (serves, joins) = (container.process == Process::Serves, container.joins);
        if joins {
            container.wait(cx, task, Phase::Leaving, leave);
        }
        if serves {
            cx.tell(Fact::Leaving(task));
        }
        if !joins {
            self.stop(cx, task);
        }
    }

    /// Sends the stop signal, if there is a process to receive it.
    fn stop<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.container(task) else { return };
        if container.state < TaskState::Starting {
            container.phase = Phase::Idle;
            self.report(cx, task, TaskState::Shutdown, None);
        } else {
            let (stop, node) = (container.stop, container.node as usize);
            let stop = times(stop, self.nodes[node].slow);
            let container = self.containers[task.row()].as_mut().expect("as above");
            container.wait(cx, task, Phase::Stopping, stop);
        }
    }

    /// The process of a container is over; its agent will know.
    fn end<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo, end: End) {
        let Some(container) = self.container(task) else { return };
        container.end = end;
        container.phase = Phase::Idle;
        container.timer += 1;
        let RareTimings { halt, detach, .. } = container.rest();
        let halt = match end {
            End::Exited | End::Killed | End::Signalled => Span::ZERO,
            End::Stopped | End::Unhealthy => halt + detach,
        };
        if std::mem::replace(&mut container.process, Process::None) == Process::Serves {
            cx.tell(Fact::Ended(task));
        }
        if halt == Span::ZERO {
            self.notice(cx, task);
        } else {
            self.work(cx, task, Phase::Halting, halt);
        }
    }

    /// It takes the agent a moment to notice.
    fn notice<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.container(task) else { return };
        let notice = container.rest().notice;
        if notice == Span::ZERO {
            return self.noticed(cx, task);
        }
        container.wait(cx, task, Phase::Noticing, notice);
    }

    /// The agent knows that a process is over.
    fn noticed<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.container(task) else { return };
        let RareTimings { exit_code, stop_code, .. } = container.rest();
        let (code, why) = match container.end {
            End::Stopped => return self.report(cx, task, TaskState::Shutdown, None),
            End::Exited => (exit_code, ""),
            End::Killed => (KILLED, ""),
            End::Signalled => (stop_code, ""),
            End::Unhealthy => (stop_code, ": dockerexec: unhealthy container"),
        };
        let (state, error) = match code {
            0 => (TaskState::Complete, None),
            _ => (TaskState::Failed, Some(exit_error(code, why))),
        };
        self.report(cx, task, state, error);
    }

    /// A step of a task that keeps a processor busy.
    fn work<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo, phase: Phase, work: Span) {
        let Some(container) = self.containers.get_mut(task.row()).and_then(Option::as_mut) else { return };
        let Daemon { slow, cores: number, .. } = self.nodes[container.node as usize];
        let work = times(work, slow);
        let Some(workplace) = self.workplaces.get_mut(number as usize) else {
            return container.wait(cx, task, phase, work);
        };
        match workplace.cores.begin(cx.now(), task, work) {
            Begun::Alone => container.wait(cx, task, phase, work),
            Begun::Shares(moved) => {
                for task in moved.into_iter().chain([task]) {
                    let container = self.containers[task.row()].as_mut().expect("who works exists");
                    container.timer += 1; // What they waited for by the clock comes later.
                }
                self.containers[task.row()].as_mut().expect("as above").phase = phase;
                self.await_cores(cx, number);
            }
        }
    }

    fn worked<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, number: u32) {
        if self.workplaces[number as usize].due != Some(cx.now()) {
            return;
        }
        self.workplaces[number as usize].due = None;
        while let Some(task) = self.workplaces[number as usize].cores.complete(cx.now()) {
            self.step_over(cx, task);
        }
        self.await_cores(cx, number);
    }

    /// A task needs no processor any more, if it did.
    fn stop_work<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize, task: TaskNo) {
        let number = self.nodes[node].cores;
        if let Some(workplace) = self.workplaces.get_mut(number as usize) {
            workplace.cores.cancel(cx.now(), task);
            self.await_cores(cx, number);
        }
    }

    /// Who has a core for itself again waits by the clock, and others for the first of them that is done. A call of the agent is
    /// work as any other: with so many jobs for each core it takes so many times as long.
    fn await_cores<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, number: u32) {
        let Workplace { cores, due, node, is_overloaded } = &mut self.workplaces[number as usize];
        for (task, rest) in cores.part(cx.now()) {
            let timer = self.containers[task.row()].as_ref().expect("who works exists").timer;
            cx.after(rest, AgentEvent::Step { task, timer });
        }
        let next = cores.next();
        if let Some(next) = next.filter(|&next| *due != Some(next)) {
            cx.at(next, AgentEvent::Worked { cores: number });
        }
        *due = next;
        let Some(node) = *node else { return };
        let too_long = TIMEOUT < times(self.model.call, cores.load(cx.now()));
        if std::mem::replace(is_overloaded, too_long) != too_long {
            cx.tell(Fact::Overloaded(node, too_long));
        }
    }

    /// Tasks that have containers on a node, in order of assignment.
    fn tasks_on(&self, node: usize) -> Vec<TaskNo> {
        self.nodes[node].tasks.iter().copied().filter(|task| self.containers[task.row()].is_some()).collect()
    }

    /// Removes a container, whatever it does.
    fn discard<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        let Some(container) = self.containers.get_mut(task.row()).and_then(Option::take) else { return };
        self.stop_work(cx, container.node as usize, task);
        let node = &mut self.nodes[container.node as usize];
        node.gone += 1;
        if node.tasks.len() <= SHORT || node.gone * 2 > node.tasks.len() {
            #[cfg(test)]
            (self.looks += node.tasks.len());
            node.tasks.retain(|task| self.containers[task.row()].is_some());
            node.gone = 0;
        }
        if container.phase == Phase::Pulling {
            cx.tell(Fact::ImageUnwanted(task, container.node as usize));
        }
        if container.process == Process::Serves {
            cx.tell(Fact::Ended(task));
        }
    }
}

impl Container {
    fn rest(&self) -> RareTimings {
        self.rare.as_ref().map_or(RareTimings::default(), |rare| rare.rest)
    }

    fn failure(&self) -> Option<(StartFailure, Arc<str>)> {
        self.rare.as_ref()?.failure.clone()
    }

    fn error(&self) -> Option<&Arc<str>> {
        self.rare.as_ref()?.error.as_ref()
    }

    fn set_error(&mut self, error: Option<Arc<str>>) {
        if error.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_default().error = error;
        }
    }

    /// Starts something that takes time; what was waited for before is broken off.
    fn wait<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo, phase: Phase, span: Span) {
        self.phase = phase;
        self.timer += 1;
        cx.after(span, AgentEvent::Step { task, timer: self.timer });
    }
}

pub(super) fn times(span: Span, factor: f64) -> Span {
    if factor == 1.0 { span } else { Span::from_secs_f64(span.as_secs_f64() * factor) }
}

/// moby's words for a container that ended with an error.
fn exit_error(code: i32, why: &str) -> Arc<str> {
    format!("task: non-zero exit ({code}){why}").into()
}

#[cfg(test)]
mod tests {
    use sched::spec::HealthCheck;

    use super::session::ASSIGNMENTS_MAX;
    use super::*;

    /// Two nodes, laws without chance: created in 0.2 s, started in 0.4 s, stopped in 0.3 s, booted in 30 s.
    struct Lab {
        agents: Agents,
        cx: Context<AgentEvent>,
        tasks: u32,
    }

    fn with_lab(story: impl FnOnce(&mut Lab)) {
        with_models(|_, _| {}, story);
    }

    fn with_models(change: impl FnOnce(&mut DaemonModel, &mut OverlayModel), story: impl FnOnce(&mut Lab)) {
        let fixed = |millis| Law::Fixed(Span::from_millis(millis));
        let (create, start, stop, boot) = (fixed(200), fixed(400), fixed(300), fixed(30_000));
        let mut daemon = DaemonModel { create, start, stop, boot, ..DaemonModel::default() };
        let mut overlay = OverlayModel { latency: fixed(1), ..OverlayModel::default() };
        change(&mut daemon, &mut overlay);
        let agents = Agents::new(&daemon, &overlay, ["a", "b"].into_iter(), Seeds::of(1, 1));
        let agents = agents.with_cores([None, Some(1.0)].into_iter());
        story(&mut Lab { agents, cx: Context::new(), tasks: 0 });
    }

    impl Lab {
        fn assign(&mut self, desired: DesiredState, joins: bool, spec: &ContainerSpec, behaviour: Behaviour) -> TaskNo {
            let mut rng = Seeds::of(1, 1).stream(Stream::Task, 0);
            let Agents { model, overlay, .. } = &self.agents;
            let joining = Joining { networks: u32::from(joins), others: 0 };
            let life = Life::draw(model, overlay, spec, &behaviour, 1.0, &mut rng).joining(overlay, joining, 1.0);
            let task = TaskNo(self.tasks);
            self.tasks += 1;
            self.agents.assign(&mut self.cx, task, 0, desired, life, joins, true);
            task
        }

        fn run_one(&mut self) -> TaskNo {
            self.assign(DesiredState::Running, false, &ContainerSpec::default(), Behaviour::default())
        }

        fn desire(&mut self, task: TaskNo, desired: DesiredState) {
            self.agents.desire(&mut self.cx, task, desired);
        }

        /// Lets time pass, images come at once, and tells what happened: `0.5 report 0 Running`.
        fn until(&mut self, end: f64) -> Vec<String> {
            let end = Time::ZERO + Span::from_secs_f64(end);
            let mut log = Vec::new();
            self.cx.at(end, AgentEvent::Booted { node: 1, cycle: u32::MAX });
            loop {
                for fact in self.cx.take_facts() {
                    let words = match fact {
                        Fact::ImageWanted(task, _) => {
                            self.agents.pulled(&mut self.cx, task);
                            continue;
                        }
                        Fact::ImageUnwanted(task, _) => format!("cancel {}", task.0),
                        Fact::Prepared(task) => format!("prepared {}", task.0),
                        Fact::Started(task) => format!("started {}", task.0),
                        Fact::Leaving(task) => format!("leaving {}", task.0),
                        Fact::Ended(task) => format!("ended {}", task.0),
                        Fact::AgentCalled(node) => format!("registered {node}"),
                        Fact::Reported { task, state, error, .. } => {
                            let error = error.map(|error| format!(" {error}")).unwrap_or_default();
                            format!("report {} {state}{error}", task.0)
                        }
                        other => panic!("{other:?}"),
                    };
                    log.push(format!("{} {words}", self.cx.now()));
                }
                match self.cx.pop() {
                    Some((_, AgentEvent::Booted { node: 1, cycle: u32::MAX })) => return log,
                    Some((_, event)) => self.agents.handle(&mut self.cx, event),
                    None => unreachable!("the end is scheduled"),
                }
            }
        }
    }

    #[test]
    fn a_task_is_prepared_started_and_reported_in_batches() {
        with_lab(|lab| {
            lab.run_one();
            assert_eq!(
                lab.until(2.0),
                [
                    // Quiet for 100 ms, 1 ms on the way, created 200 ms later; commits are at full 100 ms.
                    "0.2s report 0 Preparing",
                    "0.301s prepared 0",
                    "0.4s report 0 Starting",
                    "0.701s started 0",
                    "0.8s report 0 Running",
                ]
            );
        });
    }

    #[test]
    fn a_replacement_is_prepared_and_waits_until_it_may_start() {
        with_lab(|lab| {
            let task = lab.assign(DesiredState::Ready, false, &ContainerSpec::default(), Behaviour::default());
            assert_eq!(lab.until(5.0), ["0.2s report 0 Preparing", "0.301s prepared 0", "0.4s report 0 Ready"]);
            lab.desire(task, DesiredState::Running);
            assert_eq!(lab.until(7.0), ["5.2s report 0 Starting", "5.501s started 0", "5.6s report 0 Running"]);
        });
    }

    #[test]
    fn a_stop_begins_a_second_late_and_leaves_the_overlay_first() {
        for (joins, leaving, ended, reported) in
            [(false, "11.101", "11.401", "11.5"), (true, "11.101", "13.401", "13.5")]
        {
            with_lab(|lab| {
                let task = lab.assign(DesiredState::Running, joins, &ContainerSpec::default(), Behaviour::default());
                lab.until(10.0);
                lab.desire(task, DesiredState::Shutdown);
                let expected = [
                    format!("{leaving}s leaving 0"),
                    format!("{ended}s ended 0"),
                    format!("{reported}s report 0 Shutdown"),
                ];
                assert_eq!(lab.until(20.0), expected);
                lab.desire(task, DesiredState::Remove);
                assert_eq!(lab.until(30.0), [""; 0], "it has ended already");
            });
        }
    }

    #[test]
    fn a_container_that_ignores_the_signal_is_killed_after_whole_seconds_of_grace() {
        with_models(
            |daemon, _| daemon.stop = Law::Fixed(Span::from_secs(100)),
            |lab| {
                let spec = ContainerSpec { stop_grace: Some(Span::from_millis(3900)), ..ContainerSpec::default() };
                let first = lab.run_one();
                let second = lab.assign(DesiredState::Running, false, &spec, Behaviour::default());
                lab.until(10.0);
                lab.desire(first, DesiredState::Shutdown);
                lab.desire(second, DesiredState::Shutdown);
                let ended: Vec<_> = lab.until(30.0).into_iter().filter(|line| line.contains("ended")).collect();
                assert_eq!(ended, ["14.101s ended 1", "21.101s ended 0"]);
            },
        );
    }

    #[test]
    fn what_is_assigned_and_stopped_in_one_message_never_begins() {
        with_lab(|lab| {
            let first = lab.run_one();
            lab.desire(first, DesiredState::Shutdown);
            let second = lab.run_one();
            lab.agents.remove(&mut lab.cx, second);
            // Without a second's wait: nothing is under way that would have to be broken off.
            assert_eq!(lab.until(9.0), ["0.2s report 0 Shutdown"]);
        });
    }

    #[test]
    fn containers_outlive_a_killed_engine_until_the_next_one_finds_them() {
        for (live, expected) in [
            (false, &["41s ended 0", "41.001s registered 0", "41.1s report 0 Failed task: non-zero exit (255)"][..]),
            (true, &["41.001s registered 0", "41.1s report 0 Running"]),
        ] {
            with_lab(|lab| {
                lab.run_one();
                lab.until(10.0);
                lab.agents.kill_engine(&mut lab.cx, 0, live);
                assert_eq!(lab.until(40.0), [""; 0], "they run on");
                assert_eq!(lab.agents.processes(0), 1);
                lab.agents.start_engine(&mut lab.cx, 0, Span::ZERO, Law::Fixed(Span::from_secs(1)));
                let log = lab.until(60.0);
                assert_eq!(log, expected);
            });
        }
    }

    #[test]
    fn what_was_not_started_stops_without_a_signal() {
        with_lab(|lab| {
            let task = lab.assign(DesiredState::Ready, false, &ContainerSpec::default(), Behaviour::default());
            lab.until(5.0);
            lab.desire(task, DesiredState::Shutdown);
            assert_eq!(lab.until(9.0), ["5.2s report 0 Shutdown"]);
        });
    }

    #[test]
    fn what_cannot_start_fails_or_is_rejected_in_the_words_of_the_engine() {
        let story = |fails: StartFailure| {
            let mut log = Vec::new();
            with_lab(|lab| {
                let exit = Exit { after: Law::Fixed(Span::ZERO), code: 0, fails: Some(fails) };
                let behaviour = Behaviour { exit: Some(exit), ..Behaviour::default() };
                lab.assign(DesiredState::Running, false, &ContainerSpec::default(), behaviour);
                log = lab.until(9.0);
            });
            log
        };
        let log = story(StartFailure::Command);
        assert_eq!(log[..3], ["0.2s report 0 Preparing", "0.301s prepared 0", "0.4s report 0 Starting"]);
        assert!(
            log.len() == 4 && log[3].starts_with("0.8s report 0 Failed starting container failed: failed to"),
            "{log:?}"
        );
        assert!(log[3].contains("executable file not found in $PATH"), "{log:?}");
        assert!(story(StartFailure::Port)[3].ends_with("address already in use"));
        let log = story(StartFailure::Mount);
        let words =
            "0.4s report 0 Rejected invalid mount config for type \"bind\": bind source path does not exist: /data";
        assert_eq!(log, ["0.2s report 0 Preparing", words]);
    }

    #[test]
    fn containers_end_by_themselves_with_their_code() {
        with_lab(|lab| {
            let exits = |code| Behaviour::exiting(Law::Fixed(Span::from_secs(2)), code);
            lab.assign(DesiredState::Complete, false, &ContainerSpec::default(), exits(0));
            lab.assign(DesiredState::Running, false, &ContainerSpec::default(), exits(3));
            let log = lab.until(9.0);
            assert_eq!(
                log[log.len() - 4..],
                [
                    "2.701s ended 0",
                    "2.701s ended 1",
                    "2.8s report 0 Complete",
                    "2.8s report 1 Failed task: non-zero exit (3)"
                ]
            );
        });
    }

    #[test]
    fn a_health_check_holds_back_running_until_the_first_probe() {
        with_lab(|lab| {
            let health = HealthCheck {
                test: vec!["CMD".into(), "true".into()],
                interval: None,
                timeout: None,
                retries: 0,
                start_period: Span::ZERO,
                start_interval: None,
            };
            let quick = HealthCheck { start_period: Span::from_secs(60), ..health.clone() };
            let off = HealthCheck { test: vec!["NONE".into()], ..health.clone() };
            for health in [health, quick, off] {
                let spec = ContainerSpec { health: Some(health), ..ContainerSpec::default() };
                lab.assign(DesiredState::Running, false, &spec, Behaviour::default());
            }
            let started: Vec<_> = lab.until(60.0).into_iter().filter(|line| line.contains("started")).collect();
            assert_eq!(started, ["0.701s started 2", "5.701s started 1", "30.701s started 0"]);
        });
    }

    #[test]
    fn loss_of_power_ends_containers_at_once_and_is_reported_after_the_boot() {
        with_lab(|lab| {
            lab.run_one();
            let waits = lab.assign(DesiredState::Ready, false, &ContainerSpec::default(), Behaviour::default());
            lab.until(10.0);
            lab.agents.power_off(&mut lab.cx, 0);
            lab.desire(waits, DesiredState::Running);
            let unheard = lab.run_one();
            assert_eq!(lab.until(20.0), ["10s ended 0"]);
            lab.agents.power_on(&mut lab.cx, 0);
            assert_eq!(
                lab.until(60.0),
                [
                    "50.001s registered 0",
                    "50.1s report 0 Failed task: non-zero exit (255)",
                    "50.1s report 1 Starting",
                    "50.1s report 2 Preparing",
                    "50.202s prepared 2",
                    "50.3s report 2 Starting",
                    "50.402s started 1",
                    "50.5s report 1 Running",
                    "50.602s started 2",
                    "50.7s report 2 Running",
                ]
            );
            assert_eq!(unheard, TaskNo(2));
        });
    }

    #[test]
    fn a_power_cut_during_the_boot_begins_it_again() {
        with_lab(|lab| {
            lab.agents.power_off(&mut lab.cx, 0);
            lab.agents.power_on(&mut lab.cx, 0);
            lab.until(20.0);
            lab.agents.power_off(&mut lab.cx, 0);
            lab.agents.power_on(&mut lab.cx, 0);
            assert_eq!(lab.until(60.0), ["50.001s registered 0"]);
        });
    }

    #[test]
    fn removal_takes_a_container_away_whatever_it_does() {
        with_lab(|lab| {
            let (running, gone) = (lab.run_one(), lab.run_one());
            lab.until(5.0);
            lab.agents.remove(&mut lab.cx, running);
            assert_eq!(lab.until(6.0), ["5.101s ended 0"]);
            // An order that was under way when the power failed is carried out all the same: nothing is left.
            lab.agents.remove(&mut lab.cx, gone);
            lab.agents.power_off(&mut lab.cx, 0);
            lab.agents.power_on(&mut lab.cx, 0);
            assert_eq!(lab.until(60.0), ["6s ended 1", "36.001s registered 0"]);
        });
    }

    #[test]
    fn a_task_without_its_networks_waits_and_is_rejected() {
        with_lab(|lab| {
            for task in [TaskNo(0), TaskNo(1)] {
                let life = Life::draw(
                    &lab.agents.model,
                    &lab.agents.overlay,
                    &ContainerSpec::default(),
                    &Behaviour::default(),
                    1.0,
                    &mut Seeds::of(1, 1).stream(Stream::Task, 0),
                );
                lab.agents.assign(&mut lab.cx, task, 0, DesiredState::Running, life, true, false);
            }
            lab.until(10.0);
            lab.agents.attached(&mut lab.cx, TaskNo(1));
            assert_eq!(
                lab.until(40.0),
                [
                    // It looks every 100 ms, since 0.101 s.
                    "10.201s prepared 1",
                    "10.3s report 1 Starting",
                    "10.601s started 1",
                    "10.7s report 1 Running",
                    "30.2s report 0 Rejected node is missing network attachments, ip addresses may be exhausted",
                ]
            );
        });
    }

    #[test]
    fn a_hundred_assignments_do_not_wait_for_quiet() {
        with_lab(|lab| {
            for _ in 0..ASSIGNMENTS_MAX {
                lab.run_one();
            }
            let log = lab.until(0.15);
            assert_eq!(log.iter().filter(|line| line.starts_with("0.1s report")).count(), 100);
        });
    }

    #[test]
    fn a_cut_network_stops_nothing_and_hides_everything() {
        with_models(
            |_, overlay| overlay.unreachable = Span::ZERO,
            |lab| {
                let exits = Behaviour::exiting(Law::Fixed(Span::from_secs(9)), 3);
                lab.assign(DesiredState::Running, false, &ContainerSpec::default(), exits);
                let (stays, goes) = (lab.run_one(), lab.run_one());
                lab.until(5.0);
                lab.agents.cut(&mut lab.cx, 0, Span::from_secs(5), NetworkFault::Isolated);
                lab.desire(stays, DesiredState::Shutdown);
                lab.agents.remove(&mut lab.cx, goes);
                assert_eq!(lab.until(60.0), ["9.701s ended 0"], "nobody hears of it");
                lab.agents.mend(&mut lab.cx, 0);
                let log = lab.until(80.0);
                let words: Vec<&str> = log.iter().map(|line| line.split_once(' ').unwrap().1).collect();
                assert_eq!(
                    words,
                    [
                        "registered 0",
                        "ended 2",
                        "report 0 Failed task: non-zero exit (3)",
                        "report 1 Running",
                        "report 2 Running",
                        "leaving 1",
                        "ended 1",
                        "report 1 Shutdown",
                    ]
                );
                let registered: f64 = log[0].split_once('s').unwrap().0.parse().unwrap();
                assert!((60.0..=68.01).contains(&registered), "the agent calls within eight seconds: {registered}");
            },
        );
    }

    #[test]
    fn a_short_cut_leaves_the_session_whole() {
        with_lab(|lab| {
            let task = lab.run_one();
            lab.until(5.0);
            lab.agents.cut(&mut lab.cx, 0, Span::from_secs(5), NetworkFault::Isolated);
            lab.desire(task, DesiredState::Shutdown);
            lab.until(9.0);
            lab.agents.mend(&mut lab.cx, 0);
            let log = lab.until(20.0);
            assert_eq!(
                log,
                [
                    "9.001s registered 0",
                    "9.1s report 0 Running",
                    "10.002s leaving 0",
                    "10.302s ended 0",
                    "10.4s report 0 Shutdown"
                ]
            );
        });
    }

    #[test]
    fn who_is_mute_is_told_until_it_gives_up_and_who_is_deaf_is_heard() {
        let story = |fault: NetworkFault| {
            let mut log = Vec::new();
            with_lab(|lab| {
                let exits = Behaviour::exiting(Law::Fixed(Span::from_secs(6)), 3);
                lab.assign(DesiredState::Running, false, &ContainerSpec::default(), exits);
                let (first, second) = (lab.run_one(), lab.run_one());
                lab.until(5.0);
                lab.agents.cut(&mut lab.cx, 0, Span::from_secs(5), fault);
                lab.desire(first, DesiredState::Shutdown);
                log = lab.until(20.0);
                lab.desire(second, DesiredState::Shutdown);
                log.extend(lab.until(40.0));
                log.iter_mut().for_each(|line| *line = line.split_once(' ').unwrap().1.to_string());
                lab.agents.mend(&mut lab.cx, 0);
                assert!(lab.until(60.0).iter().any(|line| line.ends_with("report 2 Shutdown")), "it catches up");
            });
            log
        };
        assert_eq!(story(NetworkFault::TxLost), ["leaving 1", "ended 1", "ended 0"]);
        assert_eq!(story(NetworkFault::RxLost), ["ended 0", "report 0 Failed task: non-zero exit (3)"]);
        assert_eq!(story(NetworkFault::Isolated), ["ended 0"]);
    }

    #[test]
    fn an_engine_that_is_restarted_finds_its_containers_or_loses_them() {
        for (keeps, report) in [(true, "Running"), (false, "Failed task: non-zero exit (255)")] {
            with_models(
                |daemon, _| daemon.restart = Law::Fixed(Span::from_secs(2)),
                |lab| {
                    lab.run_one();
                    lab.until(5.0);
                    if keeps {
                        lab.agents.kill_engine(&mut lab.cx, 0, true);
                    } else {
                        lab.agents.crash_engine(&mut lab.cx, 0);
                    }
                    let law = lab.agents.model.restart;
                    lab.agents.start_engine(&mut lab.cx, 0, Span::ZERO, law);
                    let log = lab.until(20.0);
                    assert_eq!(log.last().unwrap(), &format!("7.1s report 0 {report}"));
                    assert_eq!(log.iter().any(|line| line.contains("ended")), !keeps);
                },
            );
        }
    }

    #[test]
    fn a_killed_process_is_noticed_and_reported() {
        with_models(
            |daemon, _| daemon.notice = Law::Fixed(Span::from_millis(150)),
            |lab| {
                let task = lab.run_one();
                lab.until(5.0);
                assert!(lab.agents.kill(&mut lab.cx, task));
                assert!(!lab.agents.kill(&mut lab.cx, task), "it is dead already");
                assert_eq!(lab.until(9.0), ["5s ended 0", "5.2s report 0 Failed task: non-zero exit (137)"]);
            },
        );
    }

    #[test]
    fn an_unhealthy_container_is_stopped_and_fails_with_its_code() {
        let health = HealthCheck {
            test: vec!["CMD".into(), "true".into()],
            interval: Some(Span::from_secs(1)),
            timeout: None,
            retries: 2,
            start_period: Span::ZERO,
            start_interval: None,
        };
        let spec = ContainerSpec { health: Some(health), ..ContainerSpec::default() };
        let secs = |secs| Law::Fixed(Span::from_secs(secs));
        let sick = Behaviour { unhealthy_after: Some(secs(5)), ..Behaviour::default() };
        // Started at 0.701 s; probes fail 5 and 6 s later. On an overlay it leaves for two seconds.
        for (behaviour, reported, words) in [
            (
                Behaviour { stop_code: 143, ..sick },
                "9.1",
                "Failed task: non-zero exit (143): dockerexec: unhealthy container",
            ),
            (sick, "9.1", "Complete"),
            (
                Behaviour { stop: Some(secs(100)), ..sick },
                "18.8",
                "Failed task: non-zero exit (137): dockerexec: unhealthy container",
            ),
        ] {
            with_lab(|lab| {
                lab.assign(DesiredState::Running, true, &spec, behaviour);
                let log = lab.until(30.0);
                assert_eq!(log.last().unwrap(), &format!("{reported}s report 0 {words}"));
                assert!(log.contains(&"1.8s report 0 Running".to_string()), "{log:?}");
                assert!(log.contains(&"6.701s leaving 0".to_string()), "{log:?}");
            });
        }
    }

    #[test]
    fn what_never_becomes_healthy_never_runs() {
        let health = HealthCheck {
            test: vec!["CMD".into(), "true".into()],
            interval: Some(Span::from_secs(1)),
            timeout: None,
            retries: 3,
            start_period: Span::ZERO,
            start_interval: None,
        };
        with_lab(|lab| {
            let spec = ContainerSpec { health: Some(health), ..ContainerSpec::default() };
            let never = Some(Law::Fixed(Span::from_secs(1_000_000)));
            let behaviour = Behaviour { warm_up: never, stop_code: 1, ..Behaviour::default() };
            lab.assign(DesiredState::Running, false, &spec, behaviour);
            let log = lab.until(30.0);
            assert!(!log.iter().any(|line| line.contains("started") || line.contains("Running")), "{log:?}");
            assert_eq!(
                log.last().unwrap(),
                "4.1s report 0 Failed task: non-zero exit (1): dockerexec: unhealthy container"
            );
        });
    }

    #[test]
    fn daemons_that_share_cores_start_together_more_slowly() {
        with_models(
            |daemon, _| daemon.cores = CoreModel::Shared(2.0),
            |lab| {
                for _ in 0..4 {
                    lab.run_one();
                }
                let started: Vec<_> = lab.until(10.0).into_iter().filter(|line| line.contains("started")).collect();
                // Four creations of 0.2 s on two cores take 0.4 s, four starts of 0.4 s take 0.8 s.
                assert_eq!(started, ["1.301s started 0", "1.301s started 1", "1.301s started 2", "1.301s started 3"]);
            },
        );
    }

    #[test]
    fn who_is_left_alone_on_a_core_goes_on_at_its_speed() {
        with_models(
            |daemon, _| daemon.cores = CoreModel::Shared(1.0),
            |lab| {
                let first = lab.run_one();
                lab.run_one();
                // Both are half created at 0.301 s; from then on the second has the core for what is left of 0.1 s.
                lab.until(0.301);
                lab.agents.leave_swarm(&mut lab.cx, 1);
                lab.agents.discard(&mut lab.cx, first);
                let log = lab.until(10.0);
                assert!(log.contains(&"0.401s prepared 1".to_string()), "{log:?}");
                assert!(log.contains(&"0.801s started 1".to_string()), "{log:?}");
            },
        );
    }

    #[test]
    fn networks_are_work_and_so_is_every_service_on_them() {
        let overlay = OverlayModel {
            attach: Law::Fixed(Span::from_millis(300)),
            detach: Law::Fixed(Span::from_millis(100)),
            endpoint: Span::from_millis(50),
            ..OverlayModel::default()
        };
        let mut rng = Seeds::of(1, 1).stream(Stream::Task, 0);
        let life = Life::draw(
            &DaemonModel::default(),
            &overlay,
            &ContainerSpec::default(),
            &Behaviour::default(),
            2.0,
            &mut rng,
        );
        let alone = life.clone().joining(&overlay, Joining::default(), 2.0);
        assert_eq!((alone.rest.attach, alone.rest.detach), (Span::ZERO, Span::ZERO));
        let crowded = life.joining(&overlay, Joining { networks: 2, others: 10 }, 2.0);
        assert_eq!(crowded.rest.attach, Span::from_millis(2 * (2 * 300 + 10 * 50)));
        assert_eq!(crowded.rest.detach, Span::from_millis(2 * 2 * 100));
    }

    #[test]
    fn a_slow_engine_lets_a_container_its_whole_grace() {
        let daemon = DaemonModel {
            stop: Law::Fixed(Span::from_secs(60)),
            kill: Law::Fixed(Span::from_secs(1)),
            halt: Law::Fixed(Span::from_secs(1)),
            start: Law::Fixed(Span::from_secs(1)),
            ..DaemonModel::default()
        };
        let mut rng = Seeds::of(1, 1).stream(Stream::Task, 0);
        let life = Life::draw(
            &daemon,
            &OverlayModel::default(),
            &ContainerSpec::default(),
            &Behaviour::default(),
            2.0,
            &mut rng,
        );
        assert_eq!(life.start, Span::from_secs(2));
        assert_eq!(life.stop, Span::from_secs(10 + 2), "the grace period is no work of the engine");
        assert_eq!(life.rest.halt, Span::from_secs(2));
        assert_eq!(life.rest.notice, Span::ZERO);
    }

    #[test]
    fn a_dispatcher_with_much_to_tell_is_late() {
        with_models(
            |daemon, _| {
                daemon.dispatch_message = Span::from_millis(10);
                daemon.dispatch_task = Span::from_millis(2);
            },
            |lab| {
                // Of 150 tasks a hundred fill a message at once, and fifty wait for quiet: 210 ms, and 110 ms after that.
                for _ in 0..150 {
                    lab.run_one();
                }
                let prepared = |log: &[String], task| log.iter().find(|line| line.ends_with(task)).cloned();
                let log = lab.until(5.0);
                assert_eq!(prepared(&log, "prepared 0").as_deref(), Some("0.411s prepared 0"));
                assert_eq!(prepared(&log, "prepared 149").as_deref(), Some("0.521s prepared 149"));
            },
        );
    }

    #[test]
    fn a_slow_node_takes_its_time() {
        with_lab(|lab| {
            lab.agents.slow(0, 3.0);
            lab.run_one();
            let log = lab.until(10.0);
            assert!(log.contains(&"1.901s started 0".to_string()), "{log:?}");
        });
    }

    #[test]
    fn to_be_wanted_does_not_break_a_creation_off() {
        with_lab(|lab| {
            // The agent hears at 0.251 s that the task is wanted; creation is over at 0.301 s all the same.
            let task = lab.assign(DesiredState::Ready, false, &ContainerSpec::default(), Behaviour::default());
            lab.until(0.15);
            lab.desire(task, DesiredState::Running);
            let log = lab.until(5.0);
            assert!(log.contains(&"0.301s prepared 0".to_string()), "{log:?}");
            assert!(log.contains(&"0.701s started 0".to_string()), "{log:?}");
        });
    }

    #[test]
    fn a_removal_costs_the_same_however_many_tasks_the_node_has() {
        with_lab(|lab| {
            let tasks: Vec<TaskNo> = (0..2000).map(|_| lab.run_one()).collect();
            lab.until(10.0);
            // Every other one first, so that the oldest are not always at hand.
            let (even, odd): (Vec<TaskNo>, Vec<TaskNo>) =
                tasks.iter().copied().partition(|task: &TaskNo| task.0.is_multiple_of(2));
            for task in even {
                lab.agents.remove(&mut lab.cx, task);
            }
            lab.until(20.0);
            assert_eq!(lab.agents.tasks_on(0), odd, "in order of assignment");
            for task in odd {
                lab.agents.remove(&mut lab.cx, task);
            }
            lab.until(30.0);
            assert_eq!(lab.agents.tasks_on(0), []);
            let looks = lab.agents.looks;
            assert!((tasks.len()..64 * tasks.len()).contains(&looks), "{looks} looks");
        });
    }
}
