//! Control: the manager, who leads it, its sessions with the agents, and everybody who orders something of it.
//!
//! It knows machines and containers by facts alone; of the networks it asks who reaches whom.

mod chronicle;
mod leadership;
mod membership;
mod services;
mod victims;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sched::failover::{self, Part};
use sched::spec::{Availability, NodeState, Role};
use sched::{
    Allocation, ApiError, Choice, Cluster, Command, Commands, Config, FAILOVERS, Failover, Manager, NodeId, Row,
    ServiceId, Slot, Span, TaskId, TaskState, TieBreak, Time,
};

pub(super) use self::chronicle::Chronicle;
use self::leadership::Sessions;
use self::membership::Members;
use self::services::{Files, Parts};
use self::victims::Victims;
use super::{Cx, Event};
use crate::engine::chance::seed;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::fact::{Fact, JobNo, Reason, TaskNo};
use crate::model::agent::Behaviour;
use crate::model::autoscaler::Autoscalers;
use crate::model::heartbeat::Heartbeats;
use crate::model::join::Joins;
use crate::model::links::{LinkImpairment, Links};
use crate::model::managers::Managers;
use crate::model::operator::Operators;
use crate::model::requests::RequestPlan;
use crate::model::workload::Workload;
use crate::order::{EngineChange, JoinChange, LabelChange, Name, Order, SwarmChange};
use crate::refusal::{ALREADY_IN_A_SWARM, Refusal, SECOND_SWARM};
use crate::scenario::{NodePlan, Scenario, StrategyPlan};

/// What must be known of a service of the manager.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// Owner of the chance of its tasks.
    pub(super) entity: u64,
    pub(super) behaviour: Behaviour,
    quorum: Option<u64>,
    /// The requests to it, if there are any.
    pub(super) load: Option<u32>,
    /// The arrival that it is, if it is one.
    job: Option<JobNo>,
    /// Whether an update changed how its containers behave.
    is_changed: bool,
}

/// The manager's records of tasks, to read.
#[derive(Clone, Copy)]
pub(super) struct Records<'a> {
    cluster: &'a Cluster,
    ids: &'a [TaskId],
    members: &'a Members,
    origins: &'a [Origin],
    behaviours: &'a BTreeMap<(ServiceId, u64), Behaviour>,
}

impl<'a> Records<'a> {
    /// The record of a task, unless it is deleted.
    #[inline]
    pub(super) fn task(self, task: TaskNo) -> Option<&'a sched::Task> {
        self.cluster.task(self.ids[task.row()])
    }

    /// The machine of a task; none, if that left the swarm with it and joined again.
    #[inline]
    pub(super) fn node(self, task: TaskNo) -> Option<usize> {
        self.members.machine(self.task(task)?.node?)
    }

    /// How the containers of a task's version behave.
    #[inline]
    pub(super) fn behaviour(self, task: &sched::Task) -> Behaviour {
        let origin = &self.origins[task.service.index()];
        if !origin.is_changed {
            return origin.behaviour;
        }
        self.behaviours.get(&(task.service, task.version)).copied().unwrap_or(origin.behaviour)
    }

    /// Where the service of a task comes from.
    #[inline]
    pub(super) fn origin(self, task: TaskNo) -> Option<&'a Origin> {
        Some(&self.origins[self.task(task)?.service.index()])
    }
}

/// The manager and all who have to do with it.
#[derive(Clone)]
pub(super) struct Control {
    scenario: Arc<Scenario>,
    seeds: Seeds,
    pub(super) manager: Manager,
    pub(super) managers: Managers,
    pub(super) heartbeats: Heartbeats,
    sessions: Sessions,
    members: Members,
    joins: Joins,
    pub(super) workload: Workload,
    pub(super) operators: Operators,
    scalers: Autoscalers,
    /// For each node, whether its machine has power.
    powered: Vec<bool>,
    /// Host names of machines that joined under others than the scenario's.
    hostnames: BTreeMap<usize, Name>,
    pub(super) victims: Victims,
    /// The requests to a service, by its name.
    loads: BTreeMap<String, u32>,
    /// Where each of the manager's services comes from.
    origins: Vec<Origin>,
    /// How containers of a version behave, of services of which an update changed that.
    behaviours: BTreeMap<(ServiceId, u64), Behaviour>,
    stacks: BTreeMap<Name, Parts>,
    /// Networks that ever were, and those that are not there now.
    networks: BTreeSet<String>,
    absent_networks: BTreeSet<String>,
    pub(super) files: Files,
    pub(super) chronicle: Chronicle,
    /// What the registry means with names of images whose tags were moved: another name for what that meant at first.
    tags: BTreeMap<String, String>,
    /// The manager's services by arrival.
    jobs: Vec<Option<ServiceId>>,
    /// What waits for a leader.
    postponed: Vec<Fact>,
    /// The task that has a row of the manager's table, and the manager's id of a task.
    numbers: Vec<TaskNo>,
    ids: Vec<TaskId>,
    /// When the earliest pending [`Event::Deadline`] is due.
    armed: Option<Time>,
    /// What the manager decided, and what it will hear of at once.
    commands: Commands,
    reports: Vec<sched::Event>,
    allocated: Vec<sched::Event>,
    // A buffer.
    known: Vec<TaskId>,
}

impl Control {
    /// A manager that knows nothing yet. Fails if the strategy is unknown.
    pub(super) fn new(scenario: &Arc<Scenario>, strategy: &StrategyPlan, seeds: Seeds) -> Result<Control, String> {
        let models = &scenario.models;
        let manager = Manager::new(Config {
            strategy: strategy.placed_by(),
            failover: policy(&strategy.failover),
            failovers: own_policies(scenario),
            ties: TieBreak::Seeded,
            seed: seed(&mut seeds.stream(Stream::Placement, 0)),
            allocation: Allocation::External,
            debounce: models.managers.debounce,
            task_history: models.managers.history as i64,
        })?;
        let count = scenario.nodes.len();
        let names = || scenario.nodes.iter().map(|node| node.spec.id.as_str());
        let joins = Joins::new(&models.managers, &scenario.joins, names(), seeds);
        let is_manager = |node: &(usize, &NodePlan)| node.1.spec.role == Role::Manager && joins.is_there(node.0);
        let managers = scenario.nodes.iter().enumerate().filter(is_manager);
        let managers = managers.map(|(row, node)| (row, node.spec.id.as_str()));
        let control = Control {
            seeds,
            manager,
            managers: Managers::new(&models.managers, managers, seeds),
            heartbeats: Heartbeats::new(&models.heartbeat, names(), seeds),
            sessions: Sessions::new(count),
            members: Members::new(count),
            joins,
            workload: Workload::new(&scenario.arrivals, &scenario.queues, seeds),
            operators: Operators::new(&scenario.operators, seeds),
            scalers: Autoscalers::new(&scenario.scalers, seeds),
            powered: vec![true; count],
            hostnames: BTreeMap::new(),
            victims: Victims::default(),
            loads: loads(scenario),
            origins: Vec::new(),
            behaviours: BTreeMap::new(),
            stacks: BTreeMap::new(),
            networks: scenario.networks.iter().map(|network| network.name.clone()).collect(),
            absent_networks: BTreeSet::new(),
            files: Files::default(),
            chronicle: Chronicle::default(),
            tags: BTreeMap::new(),
            jobs: Vec::new(),
            postponed: Vec::new(),
            numbers: Vec::new(),
            ids: Vec::new(),
            armed: None,
            commands: Commands::new(),
            reports: Vec::new(),
            allocated: Vec::new(),
            known: Vec::new(),
            scenario: Arc::clone(scenario),
        };
        Ok(control.with_things_to_come())
    }

    /// Networks, configs and secrets that the script will create are not there yet.
    fn with_things_to_come(mut self) -> Control {
        let scenario = Arc::clone(&self.scenario);
        for scripted in &scenario.script {
            match &scripted.order {
                Order::CreateNetwork(plan) if self.networks.insert(plan.name.clone()) => {
                    self.absent_networks.insert(plan.name.clone());
                }
                Order::CreateFile(plan) | Order::RotateFile { to: plan, .. } => self.files.expect(plan),
                _ => {}
            }
        }
        self
    }

    /// Whether a node is in the cluster.
    pub(super) fn is_there(&self, node: usize) -> bool {
        self.joins.is_there(node)
    }

    /// The manager's tables.
    pub(super) fn cluster(&self) -> &Cluster {
        self.manager.cluster()
    }

    /// The machine that bears a name: of a node as the managers know it now, or of the scenario's.
    pub(super) fn machine_named(&self, name: &str) -> Option<usize> {
        let mut rows = 0..self.scenario.nodes.len();
        let nodes = self.manager.cluster().nodes();
        let bears = |row: usize| nodes[self.members.id(row)].spec.id == name;
        rows.clone().find(|row| bears(*row)).or_else(|| rows.find(|row| self.scenario.nodes[*row].spec.id == name))
    }

    /// Whether a machine has power.
    pub(super) fn has_power(&self, node: usize) -> bool {
        self.powered[node]
    }

    /// The number of a task of the manager's.
    pub(super) fn number(&self, task: TaskId) -> TaskNo {
        self.numbers[task.row()]
    }

    /// Services of the manager so far.
    pub(super) fn services_created(&self) -> usize {
        self.origins.len()
    }

    /// The records of tasks.
    #[inline]
    pub(super) fn records(&self) -> Records<'_> {
        let (ids, members, origins, behaviours) = (&self.ids, &self.members, &self.origins, &self.behaviours);
        Records { cluster: self.manager.cluster(), ids, members, origins, behaviours }
    }

    /// Those who are there from the beginning join.
    pub(super) fn found(&mut self, cx: &mut Cx) {
        let scenario = Arc::clone(&self.scenario);
        for node in (0..scenario.nodes.len()).filter(|node| !self.joins.is_there(*node)).collect::<Vec<_>>() {
            self.be_member(cx, node, false);
        }
        for (row, plan) in scenario.nodes.iter().enumerate() {
            if self.joins.is_there(row) {
                self.manager.add_node(Time::ZERO, Arc::clone(&plan.spec), &mut self.commands);
                self.tell_eligible(cx, row);
            } else {
                self.manager.expect_node(Time::ZERO, Arc::clone(&plan.spec), &mut self.commands);
            }
        }
    }

    /// Schedules what comes by itself.
    pub(super) fn start(&mut self, cx: &mut Cx) {
        self.joins.start(cx);
        self.operators.start(cx);
        self.scalers.start(cx);
    }

    /// Acts on a fact.
    pub(super) fn take(&mut self, cx: &mut Cx, fact: Fact, links: &Links) {
        match fact {
            Fact::Reported { task, state, error, .. } => {
                self.reports.push(sched::Event::TaskStatus { task: self.ids[task.row()], state, error });
            }
            Fact::Allocated(task) => self.allocated.push(sched::Event::Allocated(self.ids[task.row()])),
            Fact::Started(task) => {
                if let Some(job) = self.records().origin(task).and_then(|origin| origin.job) {
                    let node = self.records().node(task);
                    self.workload.started(job);
                    cx.tell(Fact::JobStarted(job, node));
                }
            }
            Fact::AgentCalled(node) => {
                self.joins.awake(cx, node);
                self.register(cx, node);
            }
            Fact::Power { node, up } => self.power(cx, node, up),
            Fact::EngineRestarted(node) | Fact::AgentGone(node) | Fact::NodeLeft(node) => {
                self.joins.asleep(node);
                // A machine whose node left can join at once.
                if matches!(fact, Fact::NodeLeft(_)) {
                    self.joins.awake(cx, node);
                }
                self.sessions.up[node] = false;
                self.heartbeats.silent(cx, node, false);
            }
            Fact::AgentBack(node) => self.joins.awake(cx, node),
            Fact::Reachable(node) => self.joins.linked(cx, node),
            Fact::NodeRegistered(node) => {
                self.chronicle.write_node(cx.now(), node);
                self.join_managers(cx, node, links);
            }
            Fact::LinksChanged(nodes) => self.links_changed(cx, &nodes, links),
            Fact::Majority(_)
            | Fact::LeaderStalled
            | Fact::LeaderResumed
            | Fact::LeaderLost
            | Fact::LeaderElected(_) => self.follow_leadership(cx, &fact, links),
            Fact::JobArrived(..) => self.jobs.push(None),
            Fact::JoinRefused(..)
            | Fact::NodeCreated(_)
            | Fact::ManagerJoined(_)
            | Fact::NodeCertified(_)
            | Fact::MachineOrdered(_) => self.follow_membership(cx, &fact),
            _ => self.chronicle.see(cx.now(), &fact),
        }
    }

    fn power(&mut self, cx: &mut Cx, node: usize, up: bool) {
        self.powered[node] = up;
        self.joins.asleep(node);
        self.sessions.up[node] &= up;
        let chance = part(entity(&self.scenario.nodes[node].spec.id), cx.now().as_nanos());
        if !up && self.managers.leader() == Some(node) {
            self.sessions.cut_off.get_or_insert(cx.now());
        }
        let boot = || self.scenario.models.daemon.boot.sample(&mut self.seeds.stream(Stream::ManagerBoot, chance));
        self.managers.power(cx, node, up, boot);
        if !up {
            self.heartbeats.silent(cx, node, false);
        }
    }
}

// What the manager hears and decides.
impl Control {
    /// The reports that have arrived become known together. Says whether there were any.
    pub(super) fn take_reports(&mut self, cx: &mut Cx) -> bool {
        if self.reports.is_empty() {
            return false;
        }
        let mut reports = std::mem::take(&mut self.reports);
        if self.sessions.closed > 0 {
            self.hold(&mut reports);
        }
        self.report(cx, &mut reports);
        self.reports = reports;
        true
    }

    fn report(&mut self, cx: &mut Cx, reports: &mut Vec<sched::Event>) {
        if reports.is_empty() {
            return;
        }
        let mut known = std::mem::take(&mut self.known);
        known.extend(reports.iter().map(|report| match report {
            sched::Event::TaskStatus { task, .. } => *task,
            _ => unreachable!("only reports are here"),
        }));
        // A report of a task whose record is deleted by now is refused, and nobody minds.
        let _ = self.manager.handle_all(cx.now(), reports.drain(..), &mut self.commands);
        for task in known.drain(..) {
            self.sync_task_record(cx, task);
            if let Some(record) = self.manager.cluster().task(task)
                && record.state == TaskState::Complete
                && let Some(job) = self.origins[record.service.index()].job
            {
                self.workload.completed(cx, job);
            }
        }
        self.known = known;
    }

    /// The tasks that got their addresses become known together. Says whether there were any.
    pub(super) fn take_allocated(&mut self, cx: &mut Cx) -> bool {
        let any = !self.allocated.is_empty();
        if any {
            // An allocation may come when the task's record is deleted already.
            let _ = self.manager.handle_all(cx.now(), self.allocated.drain(..), &mut self.commands);
        }
        any
    }

    /// Whether the placement strategy looks at what nodes lack of images.
    pub(super) fn wants_images(&self) -> bool {
        self.manager.wants_images()
    }

    /// What a node lacks of every image.
    pub(super) fn report_images<'i>(
        &mut self,
        cx: &Cx,
        node: usize,
        missing: impl Iterator<Item = (&'i Arc<str>, u64)>,
    ) {
        let node = self.members.id(node);
        let report = |(image, bytes): (&Arc<str>, u64)| {
            let image = sched::Reference::name_of(image).into();
            sched::Event::ImageMissing { node, image, bytes }
        };
        // Of a node that is not in the cluster nobody hears.
        let _ = self.manager.handle_all(cx.now(), missing.map(report), &mut self.commands);
    }

    /// What the manager decided becomes facts. Says whether it decided anything.
    pub(super) fn tell_commands(&mut self, cx: &mut Cx) -> bool {
        let mut commands = std::mem::take(&mut self.commands);
        let any = !commands.is_empty();
        commands.drain(..).for_each(|command| self.tell_command(cx, command));
        self.commands = commands;
        any
    }

    fn tell_command(&mut self, cx: &mut Cx, command: Command) {
        match command {
            Command::Service(service) => {
                let spec = Arc::clone(&self.manager.cluster().services()[service].spec);
                cx.tell(Fact::Service { service, spec, quorum: self.origins[service.index()].quorum });
            }
            Command::UpdateStatus(service, status) => cx.tell(Fact::UpdateStatus(service, status)),
            Command::RemoveService(service) => cx.tell(Fact::ServiceRemoved(service)),
            Command::Create { task, service, slot, desired } => {
                let number = TaskNo(self.ids.len() as u32);
                self.ids.push(task);
                if self.numbers.len() <= task.row() {
                    self.numbers.resize(task.row() + 1, number);
                }
                self.numbers[task.row()] = number;
                let slot = self.slot(slot);
                cx.tell(Fact::TaskCreated { task: number, service, slot, desired });
            }
            Command::Assign { task, node } => {
                // What is assigned to a ghost before it is given up reaches nobody.
                if let Some(node) = self.members.machine(node) {
                    cx.tell(Fact::TaskAssigned(self.numbers[task.row()], node));
                }
                self.sync_task_record(cx, task);
            }
            Command::Desired { task, desired, .. } => {
                self.sync_task_record(cx, task);
                cx.tell(Fact::TaskWanted(self.numbers[task.row()], desired));
            }
            Command::Explain { service, version, text } => cx.tell(Fact::TasksExplained { service, version, text }),
            Command::State { task, .. } => self.sync_task_record(cx, task),
            Command::Promote { task, slot } => {
                cx.tell(Fact::TaskPromoted(self.numbers[task.row()], self.slot(slot)));
                self.sync_task_record(cx, task);
            }
            Command::Pull { service, node } => {
                let image = &self.manager.cluster().services()[service].spec.task.container.image;
                if let Some(node) = self.members.machine(node) {
                    cx.tell(Fact::ImageOrdered(node, image.as_str().into()));
                }
            }
            Command::Remove { task, .. } => {
                self.victims.forget(task);
                cx.tell(Fact::TaskRemoved(self.numbers[task.row()]));
            }
        }
    }

    /// A slot as the models know it: that of a node is that of its machine.
    fn slot(&self, slot: Slot) -> Slot {
        match slot {
            Slot::Node(id) => Slot::Node(NodeId::from_index(self.members.row(id))),
            Slot::Number(_) | Slot::Spare(_) => slot,
        }
    }

    /// The manager's id of a machine, and the machine that has or had an id.
    pub(super) fn id(&self, node: usize) -> NodeId {
        self.members.id(node)
    }

    /// See there.
    pub(super) fn row(&self, id: NodeId) -> usize {
        self.members.row(id)
    }

    /// Tells what the manager's record of a task says.
    fn sync_task_record(&mut self, cx: &mut Cx, id: TaskId) {
        if let Some(task) = self.manager.cluster().task(id) {
            if !self.victims.is_empty() {
                self.victims.note(id, task.service, task.slot, task.state == TaskState::Running);
            }
            let (state, desired) = (task.state, task.desired);
            let cluster = self.manager.cluster();
            let reason = match (cluster.shares_error(task), cluster.error(task)) {
                (Some(version), _) => Reason::Shared { version },
                (None, Some(error)) => Reason::Own(error.clone()),
                (None, None) => Reason::None,
            };
            cx.tell(Fact::TaskRecord { task: self.numbers[id.row()], state, desired, reason });
        }
    }

    /// The deadline that the manager announced is due, if it is still the one.
    pub(super) fn deadline(&mut self, cx: &mut Cx) {
        if self.armed == Some(cx.now()) {
            self.armed = None;
            if self.managers.lead() {
                let answer = self.manager.handle(cx.now(), sched::Event::Deadline, &mut self.commands);
                self.note_answer(cx, answer);
            }
        }
    }

    /// Waits for what the manager waits for.
    pub(super) fn arm(&mut self, cx: &mut Cx) {
        if self.managers.lead()
            && let Some(deadline) = self.manager.deadline()
            && self.armed.is_none_or(|armed| deadline < armed)
        {
            let deadline = deadline.max(cx.now());
            self.armed = Some(deadline);
            cx.at(deadline, Event::Deadline);
        }
    }

    fn tell_eligible(&mut self, cx: &mut Cx, node: usize) {
        let spec = &self.manager.cluster().nodes()[self.members.id(node)].spec;
        let eligible = spec.state == NodeState::Ready && spec.availability == Availability::Active;
        cx.tell(Fact::NodeEligible(node, eligible));
    }
}

// What orders mean to the manager, its sessions and those who join.
impl Control {
    /// What the run is about.
    pub(super) fn scenario(&self) -> &Arc<Scenario> {
        &self.scenario
    }

    pub(super) fn seeds(&self) -> Seeds {
        self.seeds
    }

    /// The links of nodes to the manager are impaired from now on, or sound.
    pub(super) fn degrade_links(&mut self, cx: &mut Cx, nodes: &[usize], impairment: Option<LinkImpairment>) {
        nodes.iter().for_each(|&node| self.heartbeats.degrade_link(cx, node, impairment));
    }

    /// `docker node promote`, `docker node demote`.
    pub(super) fn set_role(&mut self, cx: &mut Cx, node: usize, role: Role, links: &Links) -> Result<(), Refusal> {
        if role == Role::Worker {
            if !self.managers.is_member(node) && self.managers.has_ghosts(node) {
                // Nothing else of the name is a manager.
                return self.demote_ghosts(cx, node);
            }
            self.managers.demote(cx, node).map_err(Refusal::new)?;
        }
        self.manager.set_role(cx.now(), self.members.id(node), role, &mut self.commands)?;
        self.chronicle.write_node(cx.now(), node);
        if self.sessions.is_open(node) {
            self.join_managers(cx, node, links);
        }
        Ok(())
    }

    /// A node that is to be a manager becomes a member of Raft when it hears of that: it asks for the certificate of a
    /// manager, and joins (SwarmKit `node/node.go`). Who is not heard of cannot cost the others their majority.
    fn join_managers(&mut self, cx: &mut Cx, node: usize, links: &Links) {
        let role = self.manager.cluster().nodes()[self.members.id(node)].spec.role;
        if role == Role::Manager && !self.managers.is_member(node) {
            self.managers.promote(cx, node, &self.scenario.nodes[node].spec.id, self.powered[node]);
            self.managers.link(cx, |node| links.side(node));
        }
    }

    /// `docker node update --availability`.
    pub(super) fn set_availability(&mut self, cx: &mut Cx, node: usize, to: Availability) -> Result<(), Refusal> {
        let answer = self.manager.set_availability(cx.now(), self.members.id(node), to, &mut self.commands);
        self.tell_eligible(cx, node);
        self.chronicle.write_node(cx.now(), node);
        Ok(answer?)
    }

    /// `docker node update --label-add`, `--label-rm`.
    pub(super) fn label(&mut self, cx: &Cx, node: usize, change: &LabelChange) -> Result<(), Refusal> {
        let id = self.members.id(node);
        let mut labels = self.manager.cluster().nodes()[id].spec.labels.clone();
        change.apply(&mut labels);
        self.chronicle.write_node(cx.now(), node);
        Ok(self.manager.set_labels(cx.now(), id, labels, &mut self.commands)?)
    }

    /// The engine of a node says that it has something else now.
    pub(super) fn describe(&mut self, cx: &mut Cx, node: usize, change: &EngineChange) -> Result<(), Refusal> {
        let id = self.members.id(node);
        let mut description = self.manager.cluster().nodes()[id].spec.description.clone().unwrap_or_default();
        let resources = &mut description.resources;
        resources.nano_cpus = change.nano_cpus.unwrap_or(resources.nano_cpus);
        resources.memory = change.memory.unwrap_or(resources.memory);
        if let Some(generic) = &change.generic {
            resources.generic.clone_from(generic);
        }
        change.labels.apply(&mut description.engine_labels);
        self.chronicle.write_node(cx.now(), node);
        Ok(self.manager.set_description(cx.now(), id, description, &mut self.commands)?)
    }

    /// `docker swarm join-token --rotate`.
    pub(super) fn rotate_token(&mut self, role: Role) {
        self.joins.rotate(role);
    }

    /// `docker swarm update`.
    pub(super) fn update_swarm(&mut self, change: &SwarmChange) {
        if let Some(history) = change.task_history {
            self.manager.set_task_history(history as i64);
        }
        if let Some(period) = change.heartbeat {
            self.heartbeats.set_period(period);
        }
        if let Some(autolock) = change.autolock {
            self.managers.set_autolock(autolock);
        }
    }

    /// The engine of a node, with the manager on it if there is one, is gone; it is back, if it is started again, so long
    /// after it stopped as an engine or a machine takes.
    pub(super) fn engine_gone(&mut self, cx: &mut Cx, node: usize, back: Option<(Span, bool)>) {
        self.managers.power(cx, node, false, || Span::ZERO);
        if let Some((stops, boots)) = back {
            self.engine_back(cx, node, stops, boots);
        }
    }

    /// The engine of a node is started: a manager on it is back in a while.
    pub(super) fn engine_back(&mut self, cx: &mut Cx, node: usize, stops: Span, boots: bool) {
        let chance = part(entity(&self.scenario.nodes[node].spec.id), cx.now().as_nanos());
        let daemon = &self.scenario.models.daemon;
        let law = if boots { daemon.boot } else { daemon.restart };
        let seeds = self.seeds;
        let back = || stops + law.sample(&mut seeds.stream(Stream::ManagerBoot, chance));
        self.managers.power(cx, node, true, back);
    }

    /// `docker swarm init` on a node, where there is no swarm so far. Another one than the first is not simulated.
    pub(super) fn init(&mut self, cx: &mut Cx, node: usize, links: &Links) -> Result<(), Refusal> {
        if self.joins.is_there(node) || self.joins.is_asking(node) {
            return Err(Refusal::new(ALREADY_IN_A_SWARM));
        }
        if self.managers.is_founded() {
            return Err(Refusal::new(SECOND_SWARM));
        }
        self.joins.init(cx, node);
        self.managers.found(cx, node, &self.scenario.nodes[node].spec.id);
        self.managers.link(cx, |node| links.side(node));
        Ok(())
    }

    /// `docker swarm join` on a node, which may have another host name from then on.
    pub(super) fn begin_join(&mut self, cx: &mut Cx, node: usize, change: &JoinChange) {
        if let Some(name) = change.hostname.as_ref().filter(|_| !self.joins.is_there(node)) {
            self.hostnames.insert(node, Arc::clone(name));
        }
        self.joins.begin(cx, node, change.token);
    }

    /// A node on its way into the swarm gives up, and one that has a record gets no certificate any more. Says whether it was
    /// on its way.
    pub(super) fn stop_joining(&mut self, node: usize) -> bool {
        self.joins.give_up(node)
    }

    /// What waits for a leader.
    pub(super) fn postpone(&mut self, fact: Fact) {
        self.postponed.push(fact);
    }

    /// There is a leader again.
    fn try_again(&mut self, cx: &mut Cx) {
        self.postponed.drain(..).for_each(|fact| cx.tell(fact));
    }

    fn note_answer(&self, cx: &mut Cx, answer: Result<(), ApiError>) {
        if let Err(refusal) = answer {
            cx.note("refused", refusal.text);
        }
    }

    /// A node's name.
    pub(super) fn node_name(&self, node: usize) -> &str {
        &self.scenario.nodes[node].spec.id
    }

    pub(super) fn not_found(&self, node: usize) -> Refusal {
        Refusal::not_found("node", self.node_name(node))
    }
}

/// What a manager does about lost tasks: Swarm's own by its name, so that it costs nothing.
fn policy(parts: &[Part]) -> Choice<dyn Failover> {
    let label = failover::label(parts);
    if FAILOVERS.iter().any(|entry| entry.name == label) {
        return label.into();
    }
    let parts = parts.to_vec();
    Choice::own(label, move |seed| failover::build(&parts, seed).expect("the scenario was checked"))
}

/// The policies that services have for themselves.
fn own_policies(scenario: &Scenario) -> Vec<Choice<dyn Failover>> {
    let kinds = scenario.arrivals.iter().flat_map(|arrival| &arrival.kinds);
    let own = scenario.services.iter().chain(kinds).filter(|service| !service.failover.is_empty());
    let by_label: BTreeMap<String, &[Part]> =
        own.map(|service| (failover::label(&service.failover), service.failover.as_slice())).collect();
    by_label.into_values().map(policy).collect()
}

fn loads(scenario: &Scenario) -> BTreeMap<String, u32> {
    let load = |(row, plan): (usize, &RequestPlan)| (scenario.services[plan.service].spec.name.clone(), row as u32);
    scenario.requests.iter().enumerate().rev().map(load).collect()
}
