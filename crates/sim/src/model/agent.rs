//! Engines and their agents: what becomes of a task on its node, and how manager and agents hear of each other.
//!
//! An agent takes each task one step at a time (SwarmKit `agent/exec/controller.go`, moby's container executor): accepted,
//! prepared (networks, image, container), ready, started, running, ended; or towards its end as soon as that is wanted.
//! Reports reach the manager in the dispatcher's batches, assignments reach an agent in others; a machine without power
//! says and hears nothing. Images and networks are other models: the agent asks for them by an [`Effect`].

mod session;

use std::collections::VecDeque;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use sched::spec::ContainerSpec;
use sched::{DesiredState, Span, TaskState, Time};

use super::TaskNo;
use crate::engine::Queue;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::scenario::{Behaviour, DaemonModel, OverlayModel};

/// SwarmKit `agent/task.go`: a step that was cancelled is tried again after a second. That is what happens to a running
/// task that shall stop: measured, every stop begins a second late.
const STEP_RETRY: Span = Span::from_secs(1);
/// moby executor: a task waits this long for its node's network attachments.
const ATTACHMENT_WAIT: Span = Span::from_secs(30);
/// SwarmKit `api/defaults`: from the stop signal to the kill.
const STOP_GRACE: Span = Span::from_secs(10);
/// moby `daemon/health.go`: gap between probes, and within the start period.
const PROBE_INTERVAL: Span = Span::from_secs(30);
const PROBE_START_INTERVAL: Span = Span::from_secs(5);

/// Something comes to pass on a node or on the way to or from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
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
        /// Its power cycle.
        cycle: u32,
    },
    /// A batch of assignments arrives.
    Assignments {
        /// Row of the node.
        node: u32,
        /// Its power cycle.
        cycle: u32,
    },
    /// A machine is up and its agent calls.
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
        /// Its power cycle.
        cycle: u32,
    },
    /// The complete set of assignments arrives that follows a registration.
    CompleteSet {
        /// Row of the node.
        node: u32,
        /// Its power cycle.
        cycle: u32,
    },
    /// The dispatcher commits a batch of reports.
    Commit,
}

/// What the rest of the world must know or do, in the order in which it happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// A task needs its image on a node; tell [`Agents::pulled`] when it is there.
    Pull(TaskNo, usize),
    /// A task does not need its image any more.
    CancelPull(TaskNo),
    /// A container is created.
    Prepared(TaskNo),
    /// A container runs (and is healthy, if it is asked): it serves.
    Started(TaskNo),
    /// A container is taken out of service, to be stopped.
    Leaving(TaskNo),
    /// A container that ran does not run any more.
    Ended(TaskNo),
    /// An agent registered (again).
    Registered(usize),
    /// A report reached the manager.
    Report {
        /// Whose.
        task: TaskNo,
        /// How far it is.
        state: TaskState,
        /// What went wrong.
        error: Option<Arc<str>>,
    },
}

/// How long the steps of a task take: drawn once, so that they belong to the task and not to what happens around it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Life {
    create: Span,
    start: Span,
    stop: Span,
    /// From the start to the first probe.
    probe: Option<Span>,
    /// When it ends by itself, from the start, and with which code.
    exit: Option<(Span, i32)>,
}

impl Life {
    /// Draws the life of a task. A well-behaved container stops by itself, but has no more than the stop grace period,
    /// of which the engine counts whole seconds.
    pub fn draw(model: &DaemonModel, spec: &ContainerSpec, behaviour: &Behaviour, rng: &mut ChaCha8Rng) -> Life {
        let create = model.create.sample(rng);
        let start = model.start.sample(rng);
        let grace = spec.stop_grace.unwrap_or(STOP_GRACE);
        let grace = Span::from_secs(grace.as_nanos() / Span::from_secs(1).as_nanos());
        let stop = model.stop.sample(rng).min(grace);
        let exit = match behaviour {
            Behaviour::Forever => None,
            Behaviour::Exits { after, code } => Some((after.sample(rng), *code)),
        };
        Life { create, start, stop, probe: first_probe(spec), exit }
    }
}

/// The first probe comes one gap after the start, and finds the container well.
fn first_probe(spec: &ContainerSpec) -> Option<Span> {
    let health = spec.health.as_ref()?;
    if health.test.first().is_none_or(|it| it == "NONE") {
        return None;
    }
    let given = |span: Option<Span>, default| span.filter(|&it| it != Span::ZERO).unwrap_or(default);
    Some(if health.start_period == Span::ZERO {
        given(health.interval, PROBE_INTERVAL)
    } else {
        given(health.start_interval, PROBE_START_INTERVAL)
    })
}

/// All agents of a cluster, and the dispatcher's side of their sessions.
#[derive(Debug)]
pub struct Agents<'a> {
    model: &'a DaemonModel,
    overlay: &'a OverlayModel,
    seeds: Seeds,
    nodes: Vec<Node>,
    /// By number of the task; `None` for those that never came to an agent or are gone.
    containers: Vec<Option<Container>>,
    /// Reports on their way into the manager's store, by time of the commit.
    commits: VecDeque<(Time, Vec<Report>)>,
    /// What happened since it was last drained.
    pub effects: Vec<Effect>,
}

#[derive(Debug)]
struct Node {
    entity: u64,
    /// Counts losses of power: what was under way in an earlier cycle is void.
    cycle: u32,
    /// Whether the agent has a session.
    connected: bool,
    latency: ChaCha8Rng,
    /// Messages do not overtake each other: when the last one arrives there, and here.
    down: Time,
    up: Time,
    tasks: Vec<TaskNo>,
    /// Assignments that wait for quiet, since when, and those that were sent.
    outbox: Vec<Assignment>,
    changed: Time,
    sent: VecDeque<Vec<Assignment>>,
}

#[derive(Clone, Copy, Debug)]
enum Assignment {
    Assign(TaskNo),
    Desired(TaskNo, DesiredState),
    Remove(TaskNo),
}

#[derive(Debug)]
struct Container {
    node: u32,
    life: Life,
    /// Whether it joins an overlay network.
    joins: bool,
    /// Whether its node has what it needs of its networks.
    attached: bool,
    /// Whether the agent ever heard of it.
    known: bool,
    state: TaskState,
    /// As the agent knows it, and as the manager wants it.
    desired: DesiredState,
    wanted: DesiredState,
    phase: Phase,
    timer: u32,
    runs: bool,
    /// Its newest report, if that is not committed yet.
    report: Option<(Time, usize)>,
}

/// What an agent is doing for a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Idle,
    Attaching,
    Pulling,
    Creating,
    Starting,
    Probing,
    Running,
    /// The step that was under way is broken off; the next follows.
    Cancelled,
    Leaving,
    Stopping,
}

#[derive(Debug)]
struct Report {
    task: TaskNo,
    state: TaskState,
    error: Option<Arc<str>>,
}

// What the manager and the world tell.
impl<'a> Agents<'a> {
    /// All machines are up and their agents registered.
    pub fn new<'n>(
        model: &'a DaemonModel,
        overlay: &'a OverlayModel,
        names: impl Iterator<Item = &'n str>,
        seeds: Seeds,
    ) -> Self {
        let node = |name| Node {
            entity: entity(name),
            cycle: 0,
            connected: true,
            latency: seeds.stream(Stream::Latency, entity(name)),
            down: Time::ZERO,
            up: Time::ZERO,
            tasks: Vec::new(),
            outbox: Vec::new(),
            changed: Time::ZERO,
            sent: VecDeque::new(),
        };
        let nodes = names.map(node).collect();
        Agents { model, overlay, seeds, nodes, containers: Vec::new(), commits: VecDeque::new(), effects: Vec::new() }
    }

    /// The manager gives a task to a node. `joins` says whether it joins an overlay network, `attached` whether the node
    /// is attached already.
    #[allow(clippy::too_many_arguments)] // A task's whole start in life.
    pub fn assign<E: From<Event>>(
        &mut self,
        queue: &mut Queue<E>,
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
        self.containers[task.row()] = Some(Container {
            node: node as u32,
            life,
            joins,
            attached,
            known: false,
            state: TaskState::Assigned,
            desired,
            wanted: desired,
            phase: Phase::Idle,
            timer: 0,
            runs: false,
            report: None,
        });
        self.nodes[node].tasks.push(task);
        self.send(queue, node, Assignment::Assign(task));
    }

    /// The manager wants something else of a task. Tasks that no agent has are none of its business.
    pub fn desire<E: From<Event>>(&mut self, queue: &mut Queue<E>, task: TaskNo, desired: DesiredState) {
        let Some(it) = self.container(task) else { return };
        it.wanted = desired;
        let node = it.node as usize;
        self.send(queue, node, Assignment::Desired(task, desired));
    }

    /// The manager forgets a task: its container goes, whatever it does.
    pub fn remove<E: From<Event>>(&mut self, queue: &mut Queue<E>, task: TaskNo) {
        let Some(it) = self.container(task) else { return };
        let node = it.node as usize;
        if self.nodes[node].connected {
            self.send(queue, node, Assignment::Remove(task));
        } else {
            self.discard(task);
        }
    }

    /// The image of a task is on its node.
    pub fn pulled<E: From<Event>>(&mut self, queue: &mut Queue<E>, task: TaskNo) {
        if let Some(it) = self.container(task).filter(|it| it.phase == Phase::Pulling) {
            let create = it.life.create;
            it.wait(queue, task, Phase::Creating, create);
        }
    }

    /// The node of a task is attached to its networks.
    pub fn attached(&mut self, task: TaskNo) {
        let Some(it) = self.container(task) else { return };
        it.attached = true;
        if it.phase == Phase::Attaching {
            it.timer += 1;
            self.pull(task);
        }
    }

    /// A machine loses power: its containers are gone, its agent is silent, what was sent to it is lost.
    pub fn power_off(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        it.cycle += 1;
        it.connected = false;
        let lost: Vec<Assignment> = it.sent.drain(..).flatten().chain(it.outbox.drain(..)).collect();
        for task in self.nodes[node].tasks.clone() {
            let it = self.containers[task.row()].as_mut().expect("a node's tasks have containers");
            it.timer += 1;
            it.phase = Phase::Idle;
            if std::mem::take(&mut it.runs) {
                self.effects.push(Effect::Ended(task));
            }
        }
        for assignment in lost {
            if let Assignment::Remove(task) = assignment {
                self.discard(task);
            }
        }
    }

    /// A machine gets power.
    pub fn power_on<E: From<Event>>(&mut self, queue: &mut Queue<E>, node: usize) {
        let it = &self.nodes[node];
        let mut rng = self.seeds.stream(Stream::Boot, part(it.entity, u64::from(it.cycle)));
        queue.after(self.model.boot.sample(&mut rng), Event::Booted { node: node as u32, cycle: it.cycle });
    }
}

// What happens on the nodes.
impl Agents<'_> {
    /// One of the model's own events is due.
    pub fn handle<E: From<Event>>(&mut self, queue: &mut Queue<E>, event: Event) {
        match event {
            Event::Step { task, timer } => {
                if self.container(task).is_some_and(|it| it.timer == timer) {
                    self.step_over(queue, task);
                }
            }
            Event::Commit => self.commit(queue.now()),
            Event::Quiet { node, cycle }
            | Event::Assignments { node, cycle }
            | Event::Booted { node, cycle }
            | Event::Registered { node, cycle }
            | Event::CompleteSet { node, cycle } => {
                let node = node as usize;
                if self.nodes[node].cycle != cycle {
                    return;
                }
                match event {
                    Event::Quiet { .. } => self.send_if_quiet(queue, node),
                    Event::Assignments { .. } => self.take_assignments(queue, node),
                    Event::Booted { node: row, .. } => {
                        let arrival = self.arrival_up(queue.now(), node);
                        queue.at(arrival, Event::Registered { node: row, cycle });
                    }
                    Event::Registered { .. } => self.register(queue, node),
                    _ => self.take_complete_set(queue, node),
                }
            }
        }
    }

    fn container(&mut self, task: TaskNo) -> Option<&mut Container> {
        self.containers.get_mut(task.row())?.as_mut()
    }

    /// Goes on with a task if nothing is under way for it (SwarmKit `agent/exec/controller.go`, `Do`).
    fn step<E: From<Event>>(&mut self, queue: &mut Queue<E>, task: TaskNo) {
        let Some(it) = self.container(task) else { return };
        if it.state.is_terminal() {
            return;
        }
        if it.desired >= DesiredState::Shutdown {
            match it.phase {
                Phase::Cancelled | Phase::Leaving | Phase::Stopping => {}
                Phase::Idle => self.leave(queue, task),
                phase => {
                    it.wait(queue, task, Phase::Cancelled, STEP_RETRY);
                    if phase == Phase::Pulling {
                        self.effects.push(Effect::CancelPull(task));
                    }
                }
            }
            return;
        }
        match (it.phase, it.state) {
            (Phase::Idle, TaskState::Assigned) => {
                let attached = it.attached;
                if !attached {
                    it.wait(queue, task, Phase::Attaching, ATTACHMENT_WAIT);
                }
                self.report(queue, task, TaskState::Preparing, None);
                if attached {
                    self.pull(task);
                }
            }
            (Phase::Idle, TaskState::Ready) if it.desired > DesiredState::Ready => {
                let start = it.life.start;
                it.wait(queue, task, Phase::Starting, start);
                self.report(queue, task, TaskState::Starting, None);
            }
            _ => {}
        }
    }

    fn pull(&mut self, task: TaskNo) {
        let Some(it) = self.container(task) else { return };
        it.phase = Phase::Pulling;
        let node = it.node as usize;
        self.effects.push(Effect::Pull(task, node));
    }

    /// What was under way for a task is done.
    fn step_over<E: From<Event>>(&mut self, queue: &mut Queue<E>, task: TaskNo) {
        let Some(it) = self.container(task) else { return };
        let life = it.life;
        match std::mem::replace(&mut it.phase, Phase::Idle) {
            Phase::Idle | Phase::Pulling => unreachable!("nothing is timed"),
            Phase::Attaching => {
                let error = "node is missing network attachments, ip addresses may be exhausted".into();
                self.report(queue, task, TaskState::Rejected, Some(error));
            }
            Phase::Creating => {
                self.effects.push(Effect::Prepared(task));
                self.report(queue, task, TaskState::Ready, None);
                self.step(queue, task);
            }
            Phase::Starting => match (life.probe, life.exit) {
                (Some(probe), Some((exit, _))) => it.wait(queue, task, Phase::Probing, probe.min(exit)),
                (Some(probe), None) => it.wait(queue, task, Phase::Probing, probe),
                (None, _) => self.run(queue, task, Span::ZERO),
            },
            Phase::Probing => match life.exit {
                Some((exit, code)) if exit < life.probe.unwrap_or_default() => self.exited(queue, task, code),
                _ => self.run(queue, task, life.probe.unwrap_or_default()),
            },
            Phase::Running => {
                let (_, code) = life.exit.expect("only a container that exits is waited for");
                self.exited(queue, task, code);
            }
            Phase::Cancelled => self.leave(queue, task),
            Phase::Leaving => self.stop(queue, task),
            Phase::Stopping => self.ended(queue, task, TaskState::Shutdown, None),
        }
    }

    /// A container runs, and has run for `since` before that was known.
    fn run<E: From<Event>>(&mut self, queue: &mut Queue<E>, task: TaskNo, since: Span) {
        let Some(it) = self.container(task) else { return };
        it.runs = true;
        it.phase = Phase::Running;
        if let Some((exit, _)) = it.life.exit {
            let rest = Span::from_nanos(exit.as_nanos().saturating_sub(since.as_nanos()));
            it.wait(queue, task, Phase::Running, rest);
        }
        self.effects.push(Effect::Started(task));
        self.report(queue, task, TaskState::Running, None);
    }

    /// A container ended by itself.
    fn exited<E: From<Event>>(&mut self, queue: &mut Queue<E>, task: TaskNo, code: i32) {
        match code {
            0 => self.ended(queue, task, TaskState::Complete, None),
            _ => self.ended(queue, task, TaskState::Failed, Some(exit_error(code))),
        }
    }

    /// Takes a task out of the load balancing, where its networks have time to forget it.
    fn leave<E: From<Event>>(&mut self, queue: &mut Queue<E>, task: TaskNo) {
        let leave = self.overlay.leave;
        let Some(it) = self.container(task) else { return };
        let (runs, joins) = (it.runs, it.joins);
        if joins {
            it.wait(queue, task, Phase::Leaving, leave);
        }
        if runs {
            self.effects.push(Effect::Leaving(task));
        }
        if !joins {
            self.stop(queue, task);
        }
    }

    /// Sends the stop signal, if there is a process to receive it.
    fn stop<E: From<Event>>(&mut self, queue: &mut Queue<E>, task: TaskNo) {
        let Some(it) = self.container(task) else { return };
        if it.state < TaskState::Starting {
            self.ended(queue, task, TaskState::Shutdown, None);
        } else {
            let stop = it.life.stop;
            it.wait(queue, task, Phase::Stopping, stop);
        }
    }

    fn ended<E: From<Event>>(&mut self, queue: &mut Queue<E>, task: TaskNo, state: TaskState, error: Option<Arc<str>>) {
        let Some(it) = self.container(task) else { return };
        it.phase = Phase::Idle;
        if std::mem::take(&mut it.runs) {
            self.effects.push(Effect::Ended(task));
        }
        self.report(queue, task, state, error);
    }

    /// Removes a container, whatever it does.
    fn discard(&mut self, task: TaskNo) {
        let Some(it) = self.containers.get_mut(task.row()).and_then(Option::take) else { return };
        self.nodes[it.node as usize].tasks.retain(|&other| other != task);
        if it.phase == Phase::Pulling {
            self.effects.push(Effect::CancelPull(task));
        }
        if it.runs {
            self.effects.push(Effect::Ended(task));
        }
    }
}

impl Container {
    /// Starts something that takes time; what was waited for before is broken off.
    fn wait<E: From<Event>>(&mut self, queue: &mut Queue<E>, task: TaskNo, phase: Phase, span: Span) {
        self.phase = phase;
        self.timer += 1;
        queue.after(span, Event::Step { task, timer: self.timer });
    }
}

/// moby's words for a container that ended with an error.
fn exit_error(code: i32) -> Arc<str> {
    format!("task: non-zero exit ({code})").into()
}

#[cfg(test)]
mod tests {
    use sched::spec::HealthCheck;

    use super::session::ASSIGNMENTS_MAX;
    use super::*;
    use crate::engine::law::Law;

    /// Two nodes, laws without chance: created in 0.2 s, started in 0.4 s, stopped in 0.3 s, booted in 30 s.
    struct Lab<'a> {
        agents: Agents<'a>,
        queue: Queue<Event>,
        tasks: u32,
    }

    fn with_lab(story: impl FnOnce(&mut Lab<'_>)) {
        with_models(|_, _| {}, story);
    }

    fn with_models(change: impl FnOnce(&mut DaemonModel, &mut OverlayModel), story: impl FnOnce(&mut Lab<'_>)) {
        let fixed = |millis| Law::Fixed(Span::from_millis(millis));
        let (create, start, stop, boot) = (fixed(200), fixed(400), fixed(300), fixed(30_000));
        let mut daemon = DaemonModel { create, start, stop, boot, ..DaemonModel::default() };
        let mut overlay = OverlayModel { latency: fixed(1), ..OverlayModel::default() };
        change(&mut daemon, &mut overlay);
        let agents = Agents::new(&daemon, &overlay, ["a", "b"].into_iter(), Seeds::of(1, 1));
        story(&mut Lab { agents, queue: Queue::new(), tasks: 0 });
    }

    impl Lab<'_> {
        fn assign(&mut self, desired: DesiredState, joins: bool, spec: &ContainerSpec, behaviour: Behaviour) -> TaskNo {
            let mut rng = Seeds::of(1, 1).stream(Stream::Task, 0);
            let life = Life::draw(self.agents.model, spec, &behaviour, &mut rng);
            let task = TaskNo(self.tasks);
            self.tasks += 1;
            self.agents.assign(&mut self.queue, task, 0, desired, life, joins, true);
            task
        }

        fn run_one(&mut self) -> TaskNo {
            self.assign(DesiredState::Running, false, &ContainerSpec::default(), Behaviour::Forever)
        }

        fn desire(&mut self, task: TaskNo, desired: DesiredState) {
            self.agents.desire(&mut self.queue, task, desired);
        }

        /// Lets time pass, images come at once, and tells what happened: `0.5 report 0 Running`.
        fn until(&mut self, end: f64) -> Vec<String> {
            let end = Time::ZERO + Span::from_secs_f64(end);
            let mut log = Vec::new();
            self.queue.at(end, Event::Booted { node: 1, cycle: u32::MAX });
            loop {
                for effect in std::mem::take(&mut self.agents.effects) {
                    let words = match effect {
                        Effect::Pull(task, _) => {
                            self.agents.pulled(&mut self.queue, task);
                            continue;
                        }
                        Effect::CancelPull(task) => format!("cancel {}", task.0),
                        Effect::Prepared(task) => format!("prepared {}", task.0),
                        Effect::Started(task) => format!("started {}", task.0),
                        Effect::Leaving(task) => format!("leaving {}", task.0),
                        Effect::Ended(task) => format!("ended {}", task.0),
                        Effect::Registered(node) => format!("registered {node}"),
                        Effect::Report { task, state, error } => {
                            let error = error.map(|it| format!(" {it}")).unwrap_or_default();
                            format!("report {} {state}{error}", task.0)
                        }
                    };
                    log.push(format!("{} {words}", self.queue.now()));
                }
                match self.queue.pop() {
                    Some((_, Event::Booted { node: 1, cycle: u32::MAX })) => return log,
                    Some((_, event)) => self.agents.handle(&mut self.queue, event),
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
            let task = lab.assign(DesiredState::Ready, false, &ContainerSpec::default(), Behaviour::Forever);
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
                let task = lab.assign(DesiredState::Running, joins, &ContainerSpec::default(), Behaviour::Forever);
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
                let second = lab.assign(DesiredState::Running, false, &spec, Behaviour::Forever);
                lab.until(10.0);
                lab.desire(first, DesiredState::Shutdown);
                lab.desire(second, DesiredState::Shutdown);
                let ended: Vec<_> = lab.until(30.0).into_iter().filter(|it| it.contains("ended")).collect();
                assert_eq!(ended, ["14.101s ended 1", "21.101s ended 0"]);
            },
        );
    }

    #[test]
    fn what_was_not_started_stops_without_a_signal() {
        with_lab(|lab| {
            let task = lab.assign(DesiredState::Ready, false, &ContainerSpec::default(), Behaviour::Forever);
            lab.until(5.0);
            lab.desire(task, DesiredState::Shutdown);
            assert_eq!(lab.until(9.0), ["5.2s report 0 Shutdown"]);
        });
    }

    #[test]
    fn containers_end_by_themselves_with_their_code() {
        with_lab(|lab| {
            let exits = |code| Behaviour::Exits { after: Law::Fixed(Span::from_secs(2)), code };
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
                lab.assign(DesiredState::Running, false, &spec, Behaviour::Forever);
            }
            let started: Vec<_> = lab.until(60.0).into_iter().filter(|it| it.contains("started")).collect();
            assert_eq!(started, ["0.701s started 2", "5.701s started 1", "30.701s started 0"]);
        });
    }

    #[test]
    fn loss_of_power_ends_containers_at_once_and_is_reported_after_the_boot() {
        with_lab(|lab| {
            lab.run_one();
            let waits = lab.assign(DesiredState::Ready, false, &ContainerSpec::default(), Behaviour::Forever);
            lab.until(10.0);
            lab.agents.power_off(0);
            lab.desire(waits, DesiredState::Running);
            let unheard = lab.run_one();
            assert_eq!(lab.until(20.0), ["10s ended 0"]);
            lab.agents.power_on(&mut lab.queue, 0);
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
            lab.agents.power_off(0);
            lab.agents.power_on(&mut lab.queue, 0);
            lab.until(20.0);
            lab.agents.power_off(0);
            lab.agents.power_on(&mut lab.queue, 0);
            assert_eq!(lab.until(60.0), ["50.001s registered 0"]);
        });
    }

    #[test]
    fn removal_takes_a_container_away_whatever_it_does() {
        with_lab(|lab| {
            let (running, gone) = (lab.run_one(), lab.run_one());
            lab.until(5.0);
            lab.agents.remove(&mut lab.queue, running);
            assert_eq!(lab.until(6.0), ["5.101s ended 0"]);
            // An order that was under way when the power failed is carried out all the same: nothing is left.
            lab.agents.remove(&mut lab.queue, gone);
            lab.agents.power_off(0);
            lab.agents.power_on(&mut lab.queue, 0);
            assert_eq!(lab.until(60.0), ["6s ended 1", "36.001s registered 0"]);
        });
    }

    #[test]
    fn a_task_without_its_networks_waits_and_is_rejected() {
        with_lab(|lab| {
            for task in [TaskNo(0), TaskNo(1)] {
                let life = Life::draw(
                    lab.agents.model,
                    &ContainerSpec::default(),
                    &Behaviour::Forever,
                    &mut Seeds::of(1, 1).stream(Stream::Task, 0),
                );
                lab.agents.assign(&mut lab.queue, task, 0, DesiredState::Running, life, true, false);
            }
            lab.until(10.0);
            lab.agents.attached(TaskNo(1));
            assert_eq!(
                lab.until(40.0),
                [
                    "10.2s prepared 1",
                    "10.3s report 1 Starting",
                    "10.6s started 1",
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
            assert_eq!(log.iter().filter(|it| it.starts_with("0.1s report")).count(), 100);
        });
    }
}
