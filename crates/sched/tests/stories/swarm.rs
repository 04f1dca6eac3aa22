//! The fixture: a manager, little agents on its nodes, and a clock. Only this file knows the core's calls.
//!
//! An agent accepts what it is assigned, prepares, starts and stops it, each in a settable time (at once by default).
//! After every call the manager checks its own numbers and [`Laws`] looks at what it did.

use std::collections::{BTreeMap, BTreeSet};

pub use sched::cluster::UpdateState;
pub use sched::spec::{
    Availability, EndpointMode, FailureAction, GenericResource, HealthCheck, Labels, NodeState, PluginKind, Port,
    Protocol, PublishMode, RestartCondition, RestartPolicy, Role, Units, UpdateConfig, UpdateOrder,
};
use sched::spec::{Description, Mode, NodeSpec, Platform, Resources, ServiceSpec};
use sched::{
    Allocation, ApiError, Cluster, Commands, Config, Event, Manager, NodeId, Row, ServiceId, Slot, Task, TaskId,
};
pub use sched::{Command, DesiredState, Span, TaskState, TieBreak, Time};

use crate::laws::Laws;

/// Bytes of a megabyte.
pub const MB: i64 = 1_000_000;

pub fn secs(secs: u64) -> Span {
    Span::from_secs(secs)
}

pub fn millis(millis: u64) -> Span {
    Span::from_millis(millis)
}

/// How a task fares that does not simply run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Rejected when its preparation is over.
    FailsToPrepare,
    /// Fails when its start is over.
    FailsToStart,
    /// Runs for a while and exits with a code.
    Exits(Span, i32),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Preparing,
    Ready,
    Starting,
    Running,
    Stopping,
    Over,
}

/// A task as its agent knows it.
struct Container {
    node: NodeId,
    phase: Phase,
    /// Counts its waits: a timer of an earlier one is stale.
    wait: u64,
    fate: Option<Fate>,
    /// What it could not report while its node was cut off.
    unsent: Option<(TaskState, Option<String>)>,
}

/// A cluster to tell stories about.
pub struct Swarm {
    config: Config,
    manager: Manager,
    laws: Laws,
    now: Time,
    out: Commands,
    reports: Vec<Event>,
    due: BTreeSet<(Time, u64, TaskId, u64)>,
    next_order: u64,
    containers: BTreeMap<TaskId, Container>,
    silent: BTreeSet<NodeId>,
    nodes: BTreeMap<String, NodeId>,
    services: BTreeMap<String, ServiceId>,
    /// Services that were ever created.
    created: usize,
    tasks: BTreeMap<String, TaskId>,
    fates: Vec<(String, Fate)>,
    agents: bool,
    states: BTreeMap<(TaskId, TaskState), Time>,
    /// Every command of the manager, in order.
    pub log: Vec<(Time, Command)>,
    /// From acceptance to readiness.
    pub prepare: Span,
    /// From the start to running.
    pub start: Span,
    /// From the wish to stop to the end.
    pub stop: Span,
}

impl Swarm {
    pub fn new() -> Swarm {
        Swarm::with(Config { ties: TieBreak::LowestId, ..Config::default() })
    }

    /// Agents do nothing by themselves: the story reports what its tasks do.
    pub fn without_agents() -> Swarm {
        Swarm { agents: false, ..Swarm::new() }
    }

    /// The scheduler acts upon every change at once.
    pub fn without_debounce() -> Swarm {
        Swarm::with(Config { ties: TieBreak::LowestId, debounce: Span::ZERO, ..Config::default() })
    }

    /// Ties are broken so.
    pub fn seeded(ties: TieBreak, seed: u64) -> Swarm {
        Swarm::with(Config { ties, seed, ..Config::default() })
    }

    /// Keeps that many records per slot.
    pub fn with_history(task_history: i64) -> Swarm {
        Swarm::with(Config { ties: TieBreak::LowestId, task_history, ..Config::default() })
    }

    /// The same, and no records of dead tasks.
    pub fn without_agents_and_history() -> Swarm {
        Swarm { agents: false, ..Swarm::with_history(0) }
    }

    /// Networks are allocated when the story says so.
    pub fn with_external_allocation() -> Swarm {
        let allocation = Allocation::External;
        Swarm::with(Config { ties: TieBreak::LowestId, allocation, ..Config::default() })
    }

    pub fn with(config: Config) -> Swarm {
        Swarm {
            manager: Manager::new(config.clone()).expect("a strategy of the registry"),
            config,
            laws: Laws::default(),
            now: Time::ZERO,
            out: Commands::new(),
            reports: Vec::new(),
            due: BTreeSet::new(),
            next_order: 0,
            containers: BTreeMap::new(),
            silent: BTreeSet::new(),
            nodes: BTreeMap::new(),
            services: BTreeMap::new(),
            created: 0,
            tasks: BTreeMap::new(),
            fates: Vec::new(),
            agents: true,
            states: BTreeMap::new(),
            log: Vec::new(),
            prepare: Span::ZERO,
            start: Span::ZERO,
            stop: Span::ZERO,
        }
    }
}

// Time.
impl Swarm {
    pub fn now(&self) -> Time {
        self.now
    }

    /// Time passes.
    pub fn after(&mut self, span: Span) {
        let end = self.now + span;
        loop {
            let agents = self.due.first().map(|(at, ..)| *at);
            let Some(next) = agents.into_iter().chain(self.manager.deadline()).min().filter(|next| *next <= end) else {
                break;
            };
            assert!(next >= self.now, "a deadline in the past");
            self.now = next;
            if agents == Some(next) {
                while self.due.first().is_some_and(|(at, ..)| *at == next) {
                    let (_, _, task, wait) = self.due.pop_first().expect("just seen");
                    self.container_due(task, wait);
                }
            } else {
                self.call(|manager, now, out| manager.handle(now, Event::Deadline, out))
                    .expect("a deadline is about nothing");
            }
            self.apply_commands();
        }
        self.now = end;
    }

    /// One second: enough to place and to clean up, too short for a restart delay.
    pub fn settle(&mut self) {
        self.after(secs(1));
    }

    /// A clone of the manager takes over.
    pub fn replace_manager_by_clone(&mut self) {
        self.manager = self.manager.clone();
    }

    /// A manager takes over that was restored from a snapshot.
    pub fn replace_manager_by_snapshot(&mut self) {
        let snapshot = self.manager.snapshot();
        self.manager = Manager::restore(self.config.clone(), &snapshot).expect("just written");
        self.manager.check();
        assert!(self.manager.snapshot() == snapshot, "a snapshot of the restored one differs");
    }

    /// The same, and its policies are built anew and take over what those of the manager saved.
    pub fn replace_policies_by_saved_ones(&mut self) {
        let mut manager = self.manager.clone();
        let (strategy, failover) = self.manager.policy_memory();
        manager.recall_policies(&strategy, &failover).expect("it was saved by the same");
        assert_eq!(manager.policy_memory(), (strategy, failover), "what is recalled is saved again");
        self.manager = manager;
    }

    /// Another manager leads, and the nodes that can be heard of register with it.
    pub fn change_leader(&mut self) {
        self.act(|manager, now, out| manager.change_leader(now, out));
        let nodes: Vec<NodeId> = self.nodes.values().copied().filter(|node| !self.silent.contains(node)).collect();
        for node in nodes {
            self.must(|manager, now, out| manager.handle(now, Event::NodeUp(node), out));
        }
    }

    /// The node's agent reports how many bytes of an image it lacks.
    pub fn lacks(&mut self, node: &str, image: &str, bytes: u64) {
        let node = self.node_id(node);
        self.must(|manager, now, out| {
            manager.handle(now, Event::ImageMissing { node, image: image.into(), bytes }, out)
        });
    }

    /// Replacements may run beside the tasks that they replace.
    pub fn allow_moves(&mut self) {
        self.laws.expect_moves();
    }

    /// Every call of the manager goes through here.
    fn call<T>(&mut self, act: impl FnOnce(&mut Manager, Time, &mut Commands) -> T) -> T {
        let mut commands = Commands::new();
        let result = act(&mut self.manager, self.now, &mut commands);
        self.manager.check();
        self.laws.look(self.manager.cluster(), &commands);
        self.out.append(&mut commands);
        result
    }

    /// The same for what the manager does not refuse.
    fn must<T>(&mut self, act: impl FnOnce(&mut Manager, Time, &mut Commands) -> Result<T, ApiError>) -> T {
        self.act(act).expect("it is there")
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Manager, Time, &mut Commands) -> T) -> T {
        let result = self.call(act);
        self.apply_commands();
        result
    }
}

// Verbs.
impl Swarm {
    pub fn add(&mut self, node: NodeBuilder) {
        let name = node.0.id.clone();
        let silent = node.0.state != NodeState::Ready;
        let id = self.act(|manager, now, out| manager.add_node(now, node.0, out));
        self.nodes.insert(name, id);
        if silent {
            self.silent.insert(id);
        }
    }

    /// A node that may join later.
    pub fn expect(&mut self, node: NodeBuilder) {
        let name = node.0.id.clone();
        let id = self.act(|manager, now, out| manager.expect_node(now, node.0, out));
        self.nodes.insert(name, id);
        self.silent.insert(id);
    }

    /// A node joins that was expected or removed; it is not ready before it is up.
    pub fn join(&mut self, node: NodeBuilder) {
        let id = self.node_id(&node.0.id);
        self.must(|manager, now, out| manager.join_node(now, id, node.state(NodeState::Unknown).0, out));
    }

    /// Nodes with plenty of everything that have these names.
    pub fn add_all(&mut self, names: &[&str]) {
        for name in names {
            self.add(node(name));
        }
    }

    pub fn availability(&mut self, node: &str, to: Availability) {
        let node = self.node_id(node);
        self.must(|manager, now, out| manager.set_availability(now, node, to, out));
    }

    pub fn drain(&mut self, node: &str) {
        self.availability(node, Availability::Drain);
    }

    pub fn pause(&mut self, node: &str) {
        self.availability(node, Availability::Pause);
    }

    pub fn activate(&mut self, node: &str) {
        self.availability(node, Availability::Active);
    }

    /// Replaces the node's labels.
    pub fn label(&mut self, node: &str, labels: &[(&str, &str)]) {
        let node = self.node_id(node);
        let labels = to_labels(labels);
        self.must(|manager, now, out| manager.set_labels(now, node, labels, out));
    }

    pub fn promote(&mut self, node: &str, role: Role) {
        let node = self.node_id(node);
        self.must(|manager, now, out| manager.set_role(now, node, role, out));
    }

    /// The node reports the resources of this description.
    pub fn resize(&mut self, like: NodeBuilder) {
        let node = self.node_id(&like.0.id);
        let resources = like.0.description.unwrap_or_default().resources;
        let known = self.cluster().node(node).and_then(|node| node.spec.description.clone());
        let description = Description { resources, ..known.unwrap_or_default() };
        self.laws.expect_crowd(node);
        self.must(|manager, now, out| manager.set_description(now, node, description, out));
    }

    /// The node is cut off: its containers go on, but nothing is heard of them.
    pub fn down(&mut self, node: &str) {
        let node = self.node_id(node);
        self.silent.insert(node);
        self.must(|manager, now, out| manager.handle(now, Event::NodeDown(node), out));
    }

    /// The machine loses power: its containers end, and nobody knows so far.
    pub fn power_off(&mut self, node: &str) {
        let node = self.node_id(node);
        self.silent.insert(node);
        for container in
            self.containers.values_mut().filter(|container| container.node == node && container.phase != Phase::Over)
        {
            container.phase = Phase::Over;
            container.wait += 1;
            container.unsent = Some((TaskState::Failed, Some("task: non-zero exit (255)".into())));
        }
    }

    pub fn up(&mut self, node: &str) {
        let node = self.node_id(node);
        self.silent.remove(&node);
        self.must(|manager, now, out| manager.handle(now, Event::NodeUp(node), out));
        let here: Vec<TaskId> =
            self.containers.iter().filter(|(_, container)| container.node == node).map(|(id, _)| *id).collect();
        for task in here {
            if let Some((state, error)) = self.containers.get_mut(&task).and_then(|container| container.unsent.take()) {
                self.tell(task, state, error);
            }
            self.heed(task);
        }
        self.apply_commands();
    }

    pub fn remove_node(&mut self, node: &str) {
        let node = self.node_id(node);
        self.silent.insert(node);
        self.must(|manager, now, out| manager.remove_node(now, node, out));
    }

    pub fn create(&mut self, service: ServiceBuilder) {
        let name = service.0.name.clone();
        self.try_create(service).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// The error is the API's text.
    pub fn try_create(&mut self, service: ServiceBuilder) -> Result<(), String> {
        let name = service.0.name.clone();
        let done = self.call(|manager, now, out| manager.create_service(now, service.0, out));
        if let Ok(id) = done {
            self.services.insert(name, id);
            self.created += 1;
        }
        self.apply_commands();
        done.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Past the API.
    pub fn create_unchecked(&mut self, service: ServiceBuilder) {
        let name = service.0.name.clone();
        let id = self.call(|manager, now, out| manager.create_unchecked(now, service.0, out));
        self.services.insert(name, id);
        self.created += 1;
        self.apply_commands();
    }

    /// Takes over a service whose tasks run already, as (slot, node), and acts upon it.
    pub fn adopt(&mut self, service: ServiceBuilder, tasks: &[(u32, &str)]) {
        self.adopt_with_failures(service, tasks, &[]);
    }

    /// The same for a service that failed so often on these nodes a moment ago.
    pub fn adopt_with_failures(&mut self, service: ServiceBuilder, tasks: &[(u32, &str)], failures: &[(&str, u32)]) {
        let name = service.0.name.clone();
        let per_node = service.0.mode.is_per_node();
        let tasks: Vec<(Slot, NodeId)> = tasks
            .iter()
            .map(|(slot, node)| {
                let node = self.node_id(node);
                self.laws.expect_crowd(node);
                (if per_node { Slot::Node(node) } else { Slot::Number(*slot) }, node)
            })
            .collect();
        self.laws.expect_take_over();
        let id = self
            .call(|manager, now, out| manager.adopt_service(now, service.0, &tasks, out))
            .expect("nodes that are there");
        self.services.insert(name, id);
        self.created += 1;
        self.apply_commands();
        let running: Vec<TaskId> = self.cluster().services()[id].tasks().collect();
        for task in running {
            let node = self.record(task).node.expect("taken over with its node");
            let container = Container { node, phase: Phase::Running, wait: 0, fate: None, unsent: None };
            self.containers.insert(task, container);
        }
        for (node, count) in failures {
            let node = self.node_id(node);
            for _ in 0..*count {
                self.manager.recall_failure(id, node, self.now).expect("both are there");
            }
        }
        self.must(|manager, now, out| manager.resume_service(now, id, out));
    }

    pub fn update(&mut self, service: &str, change: impl FnOnce(ServiceBuilder) -> ServiceBuilder) {
        self.try_update(service, change).unwrap_or_else(|error| panic!("{service}: {error}"));
    }

    pub fn try_update(
        &mut self,
        service: &str,
        change: impl FnOnce(ServiceBuilder) -> ServiceBuilder,
    ) -> Result<(), String> {
        let id = self.service_id(service);
        let spec = change(ServiceBuilder((*self.cluster().services()[id].spec).clone())).0;
        let done = self.act(|manager, now, out| manager.update_service(now, id, spec, out));
        done.map_err(|error| error.to_string())
    }

    pub fn scale(&mut self, service: &str, replicas: u64) {
        self.update(service, |service| service.replicas(replicas));
    }

    /// An update that changes nothing of the tasks, but the version of the service.
    pub fn touch(&mut self, service: &str) {
        let touched = self.log.len().to_string();
        self.update(service, |mut service| {
            service.0.labels.insert("touched".into(), touched);
            service
        });
    }

    pub fn rollback(&mut self, service: &str) -> Result<(), String> {
        let id = self.service_id(service);
        let done = self.act(|manager, now, out| manager.rollback_service(now, id, out));
        done.map_err(|error| error.to_string())
    }

    pub fn remove(&mut self, service: &str) {
        let id = self.service_id(service);
        self.must(|manager, now, out| manager.remove_service(now, id, out));
    }

    pub fn allocated(&mut self, task: &str) {
        let task = self.task_id(task);
        self.must(|manager, now, out| manager.handle(now, Event::Allocated(task), out));
    }
}

// What tasks do.
impl Swarm {
    /// Tasks of this name (`web.1#2`) or image fare so; the first that fits counts.
    pub fn doom(&mut self, whom: &str, fate: Fate) {
        self.fates.push((whom.into(), fate));
    }

    /// A task, `web.1` for the newest of its slot or `web.1#2`, exits with a code.
    pub fn exit(&mut self, task: &str, code: i32) {
        let id = self.task_id(task);
        self.container_exits(id, code);
        self.apply_commands();
    }

    pub fn fail(&mut self, task: &str) {
        self.exit(task, 1);
    }

    /// Several tasks fail at one instant.
    pub fn fail_all(&mut self, tasks: &[&str]) {
        for task in tasks {
            let id = self.task_id(task);
            self.container_exits(id, 1);
        }
        self.apply_commands();
    }

    pub fn complete(&mut self, task: &str) {
        self.exit(task, 0);
    }

    /// The task's agent reports a state, whatever the container does.
    pub fn report(&mut self, task: &str, state: TaskState) {
        let id = self.task_id(task);
        self.tell(id, state, None);
        self.apply_commands();
    }

    /// Somebody reports a state of a task that may be long gone.
    pub fn claim(&mut self, task: TaskId, state: TaskState) {
        let event = Event::TaskStatus { task, state, error: None };
        // Refused if it is.
        let _ = self.act(|manager, now, out| manager.handle(now, event, out));
    }

    /// Carries out the manager's commands and hands it the answers until both are silent.
    fn apply_commands(&mut self) {
        while !self.out.is_empty() || !self.reports.is_empty() {
            for command in std::mem::take(&mut self.out) {
                self.log.push((self.now, command.clone()));
                match command {
                    Command::Create { task, service, slot, .. } => self.name(task, service, slot),
                    Command::Promote { task, slot } => {
                        if let Some(service) = self.cluster().task(task).map(|task| task.service) {
                            self.name(task, service, slot);
                        }
                    }
                    Command::Assign { task, node } if !self.silent.contains(&node) => self.accept(task, node),
                    Command::Desired { task, node: Some(node), .. } if !self.silent.contains(&node) => self.heed(task),
                    Command::Remove { task, .. } => {
                        self.containers.remove(&task);
                    }
                    _ => {}
                }
            }
            let reports = std::mem::take(&mut self.reports);
            if !reports.is_empty() {
                // A report may cross the end of its task's record.
                let _ = self.call(|manager, now, out| manager.handle_all(now, reports, out));
            }
        }
    }

    /// Its instance is counted here, because a task may be gone before its creation is heard of.
    fn name(&mut self, task: TaskId, service: ServiceId, slot: Slot) {
        let slot = match slot {
            Slot::Number(number) => number.to_string(),
            Slot::Spare(number) => format!("spare{number}"),
            Slot::Node(node) => self.cluster().nodes()[node].spec.id.clone(),
        };
        let place = format!("{}.{slot}", self.cluster().services()[service].spec.name);
        let instance = (1..).find(|instance| !self.tasks.contains_key(&format!("{place}#{instance}")));
        let name = format!("{place}#{}", instance.expect("there is always a next one"));
        if self.cluster().task(task).is_some() {
            assert!(self.services_share_names() || self.cluster().task_name(task) == name, "{name}");
        }
        self.tasks.insert(name, task);
    }

    /// A service was removed and another of its name created.
    fn services_share_names(&self) -> bool {
        self.services.len() < self.created
    }

    fn accept(&mut self, task: TaskId, node: NodeId) {
        if !self.agents || self.cluster().task(task).is_none() {
            return;
        }
        let (name, record) = (self.cluster().task_name(task), self.record(task));
        let image = &record.spec.task.container.image;
        let fate = self.fates.iter().find(|(doomed, _)| *doomed == name || doomed == image).map(|(_, fate)| *fate);
        self.containers.insert(task, Container { node, phase: Phase::Preparing, wait: 0, fate, unsent: None });
        self.tell(task, TaskState::Accepted, None);
        self.tell(task, TaskState::Preparing, None);
        self.wait(task, self.prepare);
        self.heed(task);
    }

    /// The agent looks at what is wanted of a task.
    fn heed(&mut self, task: TaskId) {
        let Some(desired) = self.cluster().task(task).map(|task| task.desired) else { return };
        let Some(container) = self.containers.get_mut(&task) else { return };
        match (container.phase, desired >= DesiredState::Shutdown) {
            (Phase::Preparing | Phase::Ready, true) => {
                container.phase = Phase::Over;
                self.tell(task, TaskState::Shutdown, None);
            }
            (Phase::Starting | Phase::Running, true) => {
                container.phase = Phase::Stopping;
                self.wait(task, self.stop);
            }
            (Phase::Ready, false) if desired >= DesiredState::Running => {
                container.phase = Phase::Starting;
                self.tell(task, TaskState::Starting, None);
                self.wait(task, self.start);
            }
            _ => {}
        }
    }

    fn wait(&mut self, task: TaskId, span: Span) {
        let container = self.containers.get_mut(&task).expect("only containers wait");
        container.wait += 1;
        self.next_order += 1;
        self.due.insert((self.now + span, self.next_order, task, container.wait));
    }

    fn container_due(&mut self, task: TaskId, wait: u64) {
        let Some(container) = self.containers.get_mut(&task).filter(|container| container.wait == wait) else { return };
        match (container.phase, container.fate) {
            (Phase::Preparing, Some(Fate::FailsToPrepare)) => {
                container.phase = Phase::Over;
                self.tell(task, TaskState::Rejected, Some("prepare failed".into()));
            }
            (Phase::Preparing, _) => {
                container.phase = Phase::Ready;
                self.tell(task, TaskState::Ready, None);
                if !self.silent.contains(&self.containers[&task].node) {
                    self.heed(task);
                }
            }
            (Phase::Starting, Some(Fate::FailsToStart)) => {
                container.phase = Phase::Over;
                self.tell(task, TaskState::Failed, Some("start failed".into()));
            }
            (Phase::Starting, fate) => {
                container.phase = Phase::Running;
                self.tell(task, TaskState::Running, None);
                if let Some(Fate::Exits(span, _)) = fate {
                    self.wait(task, span);
                }
            }
            (Phase::Running, Some(Fate::Exits(_, code))) => self.container_exits(task, code),
            (Phase::Stopping, _) => {
                container.phase = Phase::Over;
                self.tell(task, TaskState::Shutdown, None);
            }
            _ => {}
        }
    }

    fn container_exits(&mut self, task: TaskId, code: i32) {
        if let Some(container) = self.containers.get_mut(&task) {
            if container.phase == Phase::Over {
                return;
            }
            container.phase = Phase::Over;
        }
        if code == 0 {
            self.tell(task, TaskState::Complete, None);
        } else {
            self.tell(task, TaskState::Failed, Some(format!("task: non-zero exit ({code})")));
        }
    }

    fn tell(&mut self, task: TaskId, state: TaskState, error: Option<String>) {
        if let Some(container) = self.containers.get_mut(&task)
            && self.silent.contains(&container.node)
        {
            container.unsent = Some((state, error));
            return;
        }
        self.states.entry((task, state)).or_insert(self.now);
        self.reports.push(Event::TaskStatus { task, state, error: error.map(Into::into) });
    }
}

// What is seen.
impl Swarm {
    pub fn cluster(&self) -> &Cluster {
        self.manager.cluster()
    }

    fn node_id(&self, name: &str) -> NodeId {
        *self.nodes.get(name).unwrap_or_else(|| panic!("no node {name}"))
    }

    fn service_id(&self, name: &str) -> ServiceId {
        *self.services.get(name).unwrap_or_else(|| panic!("no service {name}"))
    }

    /// The task of a name: `web.1#2`, or `web.1` for the newest that exists in the slot.
    fn task_id(&self, name: &str) -> TaskId {
        if let Some(task) = self.tasks.get(name) {
            return *task;
        }
        let of_slot = |other: &TaskId| self.cluster().task_name(*other).split('#').next() == Some(name);
        let tasks = self.cluster().tasks().map(|(id, _)| id).filter(of_slot);
        tasks.max_by_key(|id| self.record(*id).instance).unwrap_or_else(|| panic!("no task {name}"))
    }

    fn record(&self, id: TaskId) -> &Task {
        self.cluster().task(id).unwrap_or_else(|| panic!("{id:?} is gone"))
    }

    /// The record of a task.
    pub fn task(&self, name: &str) -> &Task {
        self.record(self.task_id(name))
    }

    /// Whether the record of a task is (still) there.
    pub fn has(&self, name: &str) -> bool {
        self.tasks.get(name).is_some_and(|id| self.cluster().task(*id).is_some())
    }

    pub fn state(&self, task: &str) -> TaskState {
        self.task(task).state
    }

    pub fn desired(&self, task: &str) -> DesiredState {
        self.task(task).desired
    }

    /// Why a task is not further.
    pub fn why(&self, task: &str) -> &str {
        self.cluster().error(self.task(task)).map_or("", |text| text)
    }

    /// The name of the node where a task is, `-` if nowhere.
    pub fn place(&self, task: &str) -> &str {
        self.task(task).node.map_or("-", |node| &self.cluster().nodes()[node].spec.id)
    }

    /// The generic units that a task got, as `gpu=2` and `gpu=a`.
    pub fn units(&self, task: &str) -> Vec<String> {
        let text = |unit: &GenericResource| match &unit.units {
            Units::Count(count) => format!("{}={count}", unit.kind),
            Units::Named(name) => format!("{}={name}", unit.kind),
        };
        self.task(task).generic().iter().map(text).collect()
    }

    /// Every record of a service, slot by slot, oldest first, as `web.1#1 a Running/Running`: name, node, desired and
    /// observed state.
    pub fn ps(&self, service: &str) -> Vec<String> {
        let service = self.cluster().services().get(self.service_id(service));
        let tasks = service.into_iter().flat_map(|service| service.tasks());
        let row = |id: TaskId| {
            let task = self.record(id);
            let node = task.node.map_or("-", |node| &self.cluster().nodes()[node].spec.id);
            format!("{} {node} {}/{}", self.cluster().task_name(id), task.desired, task.state)
        };
        tasks.map(row).collect()
    }

    /// The rows of [`Swarm::ps`] that shall still run.
    pub fn live(&self, service: &str) -> Vec<String> {
        let rows = self.ps(service).into_iter();
        rows.filter(|row| !row.contains(" Shutdown/") && !row.contains(" Remove/")).collect()
    }

    /// Active tasks of a service by node, in order of joining, as the scheduler counts them.
    pub fn spread(&self, service: &str) -> Vec<usize> {
        let id = self.service_id(service);
        let active = |task: &&Task| {
            task.service == id
                && task.desired <= DesiredState::Complete
                && (TaskState::Assigned..=TaskState::Running).contains(&task.state)
        };
        let mut counts = vec![0; self.cluster().nodes().len()];
        for task in self.cluster().tasks().map(|(_, task)| task).filter(active) {
            counts[task.node.expect("assigned").index()] += 1;
        }
        counts
    }

    /// Tasks of a service that run and shall run.
    pub fn running(&self, service: &str) -> usize {
        self.ps(service).iter().filter(|row| row.ends_with(" Running/Running")).count()
    }

    /// Tasks of a service that run, wanted or not.
    pub fn up_at_all(&self, service: &str) -> usize {
        self.ps(service).iter().filter(|row| row.ends_with("/Running")).count()
    }

    /// Running and wanted tasks of a service with this image.
    pub fn running_image(&self, service: &str, image: &str) -> usize {
        let id = self.service_id(service);
        let counts = |task: &Task| {
            task.service == id
                && task.desired == DesiredState::Running
                && task.state == TaskState::Running
                && task.spec.task.container.image == image
        };
        self.cluster().tasks().filter(|(_, task)| counts(task)).count()
    }

    /// Tasks that were ever created for a service.
    pub fn created(&self, service: &str) -> usize {
        let id = self.service_id(service);
        self.log
            .iter()
            .filter(|(_, command)| matches!(command, Command::Create { service, .. } if *service == id))
            .count()
    }

    /// Records that a job's orchestrator looks at.
    pub fn open_tasks(&self, service: &str) -> usize {
        self.cluster().services()[self.service_id(service)].open_tasks()
    }

    /// When a task was created.
    pub fn created_at(&self, task: &str) -> Time {
        let id = self.task_id(task);
        self.log_time(task, |command| matches!(command, Command::Create { task, .. } if *task == id))
    }

    /// When a task got its node.
    pub fn assigned_at(&self, task: &str) -> Time {
        let id = self.task_id(task);
        self.log_time(task, |command| matches!(command, Command::Assign { task, .. } if *task == id))
    }

    /// When a task was first wanted to be so.
    pub fn desired_at(&self, task: &str, wanted: DesiredState) -> Time {
        let id = self.task_id(task);
        let hit = |command: &Command| {
            matches!(command, Command::Create { task, desired, .. } | Command::Desired { task, desired, .. }
                if *task == id && *desired == wanted)
        };
        self.log_time(task, hit)
    }

    fn log_time(&self, task: &str, hit: impl Fn(&Command) -> bool) -> Time {
        let entry = self.log.iter().find(|(_, command)| hit(command));
        entry.unwrap_or_else(|| panic!("never happened to {task}: {:?}", self.cluster().task(self.task_id(task)))).0
    }

    /// When the agent of a task reported a state.
    pub fn reported_at(&self, task: &str, state: TaskState) -> Time {
        let entry = self.states.get(&(self.task_id(task), state));
        *entry.unwrap_or_else(|| panic!("{task} was never {state}"))
    }

    /// The states and messages that the update of a service went through; an API update begins anew.
    pub fn updates(&self, service: &str) -> Vec<(UpdateState, String)> {
        let id = self.service_id(service);
        let mut states = Vec::new();
        for (_, command) in &self.log {
            match command {
                Command::UpdateStatus(service, Some(status)) if *service == id => {
                    states.push((status.state, status.message.clone()));
                }
                _ => {}
            }
        }
        states
    }

    /// The update state of a service now.
    pub fn update_state(&self, service: &str) -> Option<UpdateState> {
        let status = &self.cluster().services()[self.service_id(service)].update_status;
        status.as_ref().map(|status| status.state)
    }

    /// When the update of a service came to a state.
    pub fn update_at(&self, service: &str, state: UpdateState) -> Time {
        let id = self.service_id(service);
        let hit = |command: &Command| {
            matches!(command, Command::UpdateStatus(service, Some(status))
                if *service == id && status.state == state)
        };
        self.log.iter().rfind(|(_, command)| hit(command)).expect("it came to that").0
    }

    /// The specification of a service.
    pub fn spec(&self, service: &str) -> &ServiceSpec {
        &self.cluster().services()[self.service_id(service)].spec
    }

    pub fn has_previous(&self, service: &str) -> bool {
        self.cluster().services()[self.service_id(service)].previous.is_some()
    }

    pub fn image(&self, service: &str) -> &str {
        &self.cluster().services()[self.service_id(service)].spec.task.container.image
    }

    pub fn version(&self, service: &str) -> u64 {
        self.cluster().services()[self.service_id(service)].version
    }
}

/// A node with 16 CPUs and 64 GB.
pub fn node(name: &str) -> NodeBuilder {
    bare(name).hostname(name).cpus(16).memory(64_000 * MB)
}

/// A node whose engine reported nothing yet.
pub fn bare(name: &str) -> NodeBuilder {
    NodeBuilder(NodeSpec { id: name.into(), ..NodeSpec::default() })
}

/// A node to be.
#[derive(Clone)]
pub struct NodeBuilder(NodeSpec);

impl NodeBuilder {
    fn describe(mut self, change: impl FnOnce(&mut Description)) -> Self {
        change(self.0.description.get_or_insert_default());
        self
    }

    pub fn hostname(self, name: &str) -> Self {
        self.describe(|description| description.hostname = name.into())
    }

    pub fn cpus(self, cpus: i64) -> Self {
        self.describe(|description| description.resources.nano_cpus = cpus * 1_000_000_000)
    }

    pub fn memory(self, bytes: i64) -> Self {
        self.describe(|description| description.resources.memory = bytes)
    }

    pub fn count(self, kind: &str, count: i64) -> Self {
        self.describe(|description| description.resources.generic.push(amount(kind, count)))
    }

    pub fn named(self, kind: &str, names: &[&str]) -> Self {
        let unit = |name: &&str| GenericResource { kind: kind.into(), units: Units::Named((*name).into()) };
        self.describe(|description| description.resources.generic.extend(names.iter().map(unit)))
    }

    pub fn platform(self, os: &str, architecture: &str) -> Self {
        self.describe(|description| {
            description.platform = Platform { os: os.into(), architecture: architecture.into() }
        })
    }

    pub fn plugin(self, kind: PluginKind, name: &str) -> Self {
        self.describe(|description| {
            description.plugins = description.plugins.iter().cloned().chain([(kind, name.into())]).collect()
        })
    }

    pub fn engine_label(self, key: &str, value: &str) -> Self {
        self.describe(|description| {
            description.engine_labels.insert(key.into(), value.into());
        })
    }

    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.0.labels.insert(key.into(), value.into());
        self
    }

    pub fn ip(mut self, address: &str) -> Self {
        self.0.address = Some(address.into());
        self
    }

    pub fn manager(mut self) -> Self {
        self.0.role = Role::Manager;
        self
    }

    pub fn state(mut self, state: NodeState) -> Self {
        self.0.state = state;
        self
    }

    pub fn availability(mut self, availability: Availability) -> Self {
        self.0.availability = availability;
        self
    }
}

/// A replicated service of one task that waits for nothing before it is restarted: stories say so where it matters.
pub fn service(name: &str) -> ServiceBuilder {
    ServiceBuilder(ServiceSpec::new(name, "v1"))
}

/// A service to be.
#[derive(Clone)]
pub struct ServiceBuilder(pub ServiceSpec);

impl ServiceBuilder {
    fn mode(mut self, mode: Mode) -> Self {
        self.0.mode = mode;
        self
    }

    pub fn replicas(self, replicas: u64) -> Self {
        self.mode(Mode::Replicated { replicas })
    }

    pub fn global(self) -> Self {
        self.mode(Mode::Global)
    }

    pub fn job(self, max_concurrent: u64, total_completions: u64) -> Self {
        self.mode(Mode::ReplicatedJob { max_concurrent, total_completions })
    }

    pub fn global_job(self) -> Self {
        self.mode(Mode::GlobalJob)
    }

    pub fn image(mut self, image: &str) -> Self {
        self.0.task.container.image = image.into();
        self
    }

    /// Raises the counter that replaces all tasks.
    pub fn force(mut self) -> Self {
        self.0.task.force_update += 1;
        self
    }

    pub fn cpus(mut self, cpus: i64) -> Self {
        self.0.task.reservations.nano_cpus = cpus * 1_000_000_000;
        self
    }

    pub fn memory(mut self, bytes: i64) -> Self {
        self.0.task.reservations.memory = bytes;
        self
    }

    pub fn count(mut self, kind: &str, count: i64) -> Self {
        self.0.task.reservations.generic.push(amount(kind, count));
        self
    }

    pub fn limits(mut self, cpus: i64, bytes: i64) -> Self {
        self.0.task.limits = Resources { nano_cpus: cpus * 1_000_000_000, memory: bytes, generic: Vec::new() };
        self
    }

    pub fn constraint(mut self, expression: &str) -> Self {
        self.0.task.placement.constraints.push(expression.into());
        self
    }

    pub fn unconstrained(mut self) -> Self {
        self.0.task.placement.constraints.clear();
        self
    }

    pub fn spread_over(mut self, descriptor: &str) -> Self {
        self.0.task.placement.preferences.push(descriptor.into());
        self
    }

    pub fn max_per_node(mut self, most: u64) -> Self {
        self.0.task.placement.max_replicas = most;
        self
    }

    pub fn platform(mut self, os: &str, architecture: &str) -> Self {
        let platform = Platform { os: os.into(), architecture: architecture.into() };
        self.0.task.placement.platforms.push(platform);
        self
    }

    pub fn volume_driver(mut self, name: &str) -> Self {
        self.0.task.container.volume_drivers.push(name.into());
        self
    }

    pub fn network_driver(mut self, name: &str) -> Self {
        self.0.task.network_drivers.push(name.into());
        self
    }

    pub fn log_driver(mut self, name: &str) -> Self {
        self.0.task.log_driver = Some(name.into());
        self
    }

    pub fn host_port(self, published: u16, protocol: Protocol) -> Self {
        self.port(Port { protocol, target: 80, published, mode: PublishMode::Host })
    }

    pub fn ingress_port(self, published: u16, protocol: Protocol) -> Self {
        self.port(Port { protocol, target: 80, published, mode: PublishMode::Ingress })
    }

    fn port(mut self, port: Port) -> Self {
        self.0.endpoint.ports.push(port);
        self
    }

    pub fn dns_round_robin(mut self) -> Self {
        self.0.endpoint.mode = EndpointMode::DnsRoundRobin;
        self
    }

    fn policy(mut self, change: impl FnOnce(&mut RestartPolicy)) -> Self {
        change(self.0.task.restart.get_or_insert_default());
        self
    }

    pub fn restart(self, condition: RestartCondition) -> Self {
        self.policy(|policy| policy.condition = condition)
    }

    pub fn delay(self, delay: Span) -> Self {
        self.policy(|policy| policy.delay = Some(delay))
    }

    pub fn attempts(self, most: u64) -> Self {
        self.policy(|policy| policy.max_attempts = most)
    }

    pub fn window(self, window: Span) -> Self {
        self.policy(|policy| policy.window = window)
    }

    pub fn updating(mut self, config: UpdateConfig) -> Self {
        self.0.update = Some(config);
        self
    }

    pub fn rolling_back(mut self, config: UpdateConfig) -> Self {
        self.0.rollback = Some(config);
        self
    }
}

fn amount(kind: &str, count: i64) -> GenericResource {
    GenericResource { kind: kind.into(), units: Units::Count(count) }
}

pub fn to_labels(labels: &[(&str, &str)]) -> Labels {
    labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
