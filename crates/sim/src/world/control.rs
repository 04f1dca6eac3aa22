//! Control: the manager, who leads it, its sessions with the agents, and everybody who orders something of it.
//!
//! It knows machines and containers by facts alone; of the networks it asks who reaches whom.

mod leadership;
mod membership;
mod victims;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sched::failover::{self, Part};
use sched::spec::{Availability, Mode, NodeState, Role, ServiceSpec};
use sched::{
    Allocation, ApiError, Choice, Cluster, Command, Commands, Config, FAILOVERS, Failover, Manager, NodeId, Row,
    ServiceId, TaskId, TaskState, TieBreak, Time,
};

use self::leadership::Sessions;
use self::victims::Victims;
use super::{Cx, Event};
use crate::engine::chance::{below_by_remainder, seed};
use crate::engine::law::Law;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::fact::{Fact, JobNo, Reason, TaskNo};
use crate::model::agent::{Behaviour, Exit};
use crate::model::autoscaler::Autoscalers;
use crate::model::heartbeat::Heartbeats;
use crate::model::join::Joins;
use crate::model::links::{LinkImpairment, Links};
use crate::model::managers::Managers;
use crate::model::operator::{self, Operators};
use crate::model::workload::Workload;
use crate::scenario::{Action, Actor, NodePlan, Scenario, StrategyPlan};

/// moby `daemon/cluster/errors.go`.
const NO_LEADER: &str = "The swarm does not have a leader. It's possible that too few managers are online. Make sure more \
                         than half of the managers are online.";

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
}

/// The manager's records of tasks, to read.
#[derive(Clone, Copy)]
pub(super) struct Records<'a> {
    cluster: &'a Cluster,
    ids: &'a [TaskId],
    origins: &'a [Origin],
}

impl<'a> Records<'a> {
    /// The record of a task, unless it is deleted.
    #[inline]
    pub(super) fn task(self, task: TaskNo) -> Option<&'a sched::Task> {
        self.cluster.task(self.ids[task.row()])
    }

    /// The node of a task.
    #[inline]
    pub(super) fn node(self, task: TaskNo) -> Option<usize> {
        self.task(task)?.node.map(Row::index)
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
    manager: Manager,
    pub(super) managers: Managers,
    pub(super) heartbeats: Heartbeats,
    sessions: Sessions,
    joins: Joins,
    pub(super) workload: Workload,
    operators: Operators,
    scalers: Autoscalers,
    /// For each node, whether its machine has power.
    powered: Vec<bool>,
    victims: Victims,
    /// Rows of the services that the script kills containers of; the requests to a service.
    killed: BTreeSet<usize>,
    loads: BTreeMap<usize, u32>,
    /// Where each of the manager's services comes from.
    origins: Vec<Origin>,
    /// The manager's services by the scenario's, and by arrival.
    services: Vec<Option<ServiceId>>,
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
        let names = || scenario.nodes.iter().map(|it| it.spec.id.as_str());
        let joins = Joins::new(&models.managers, &scenario.joins, names(), seeds);
        let is_manager = |it: &(usize, &NodePlan)| it.1.spec.role == Role::Manager && joins.is_there(it.0);
        let managers = scenario.nodes.iter().enumerate().filter(is_manager);
        let managers = managers.map(|(row, it)| (row, it.spec.id.as_str()));
        Ok(Control {
            seeds,
            manager,
            managers: Managers::new(&models.managers, managers, seeds),
            heartbeats: Heartbeats::new(&models.heartbeat, names(), seeds),
            sessions: Sessions::new(count),
            joins,
            workload: Workload::new(&scenario.arrivals, &scenario.queues, seeds),
            operators: Operators::new(&scenario.operators, seeds),
            scalers: Autoscalers::new(&scenario.scalers, seeds),
            powered: vec![true; count],
            victims: Victims::default(),
            killed: killed(scenario),
            loads: scenario.requests.iter().enumerate().rev().map(|(row, it)| (it.service, row as u32)).collect(),
            origins: Vec::new(),
            services: vec![None; scenario.services.len()],
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
        })
    }

    /// Whether a node is in the cluster.
    pub(super) fn is_there(&self, node: usize) -> bool {
        self.joins.is_there(node)
    }

    /// The manager's tables.
    pub(super) fn cluster(&self) -> &Cluster {
        self.manager.cluster()
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
        Records { cluster: self.manager.cluster(), ids: &self.ids, origins: &self.origins }
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
                if let Some(job) = self.records().origin(task).and_then(|it| it.job) {
                    cx.tell(Fact::JobStarted(job));
                }
            }
            Fact::AgentCalled(node) => {
                self.joins.awake(cx, node);
                self.register(cx, node);
            }
            Fact::Power { node, up } => self.power(cx, node, up),
            Fact::EngineRestarted(node) => {
                self.joins.asleep(node);
                self.sessions.up[node] = false;
                self.heartbeats.silent(cx, node, false);
            }
            Fact::Reachable(node) => self.joins.linked(cx, node),
            Fact::LinksChanged(nodes) => self.links_changed(cx, &nodes, links),
            Fact::Majority(_)
            | Fact::LeaderStalled
            | Fact::LeaderResumed
            | Fact::LeaderLost
            | Fact::LeaderElected(_) => self.follow_leadership(cx, &fact, links),
            Fact::FailureNoticed { plan, unit } => self.announce(cx, plan, unit, Availability::Drain),
            Fact::FailureRepaired { plan, unit } => self.announce(cx, plan, unit, Availability::Active),
            Fact::ReplicasWanted { plan, replicas } => self.autoscale(cx, plan as usize, replicas),
            Fact::JobArrived(_) => self.jobs.push(None),
            Fact::JobDue(_) | Fact::JobOver(_) if !self.managers.lead() => self.postpone(cx, fact),
            Fact::JobDue(job) => self.submit(cx, job),
            Fact::JobOver(job) => self.finish(cx, job),
            Fact::JoinRefused(..)
            | Fact::NodeCreated(_)
            | Fact::ManagerJoined(_)
            | Fact::NodeCertified(_)
            | Fact::MachineOrdered(_)
            | Fact::MachineProvisioned(_)
            | Fact::MachineUnneeded(_)
            | Fact::MachineEmpty(_) => self.follow_membership(cx, &fact),
            _ => {}
        }
    }

    fn power(&mut self, cx: &mut Cx, node: usize, up: bool) {
        self.powered[node] = up;
        self.joins.asleep(node);
        self.sessions.up[node] &= up;
        let chance = part(entity(&self.scenario.nodes[node].spec.id), cx.now().as_nanos());
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
        let node = NodeId::from_index(node);
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
                cx.tell(Fact::TaskCreated { task: number, service, slot, desired });
            }
            Command::Assign { task, node } => {
                cx.tell(Fact::TaskAssigned(self.numbers[task.row()], node.index()));
                self.sync_task_record(cx, task);
            }
            Command::Desired { task, desired, .. } => {
                self.sync_task_record(cx, task);
                cx.tell(Fact::TaskWanted(self.numbers[task.row()], desired));
            }
            Command::Explain { service, version, text } => cx.tell(Fact::TasksExplained { service, version, text }),
            Command::State { task, .. } => self.sync_task_record(cx, task),
            Command::Promote { task, slot } => {
                cx.tell(Fact::TaskPromoted(self.numbers[task.row()], slot));
                self.sync_task_record(cx, task);
            }
            Command::Pull { service, node } => {
                let image = &self.manager.cluster().services()[service].spec.task.container.image;
                cx.tell(Fact::ImageOrdered(node.index(), image.as_str().into()));
            }
            Command::Remove { task, .. } => {
                self.victims.forget(task);
                cx.tell(Fact::TaskRemoved(self.numbers[task.row()]));
            }
        }
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
        let spec = &self.manager.cluster().nodes()[NodeId::from_index(node)].spec;
        let eligible = spec.state == NodeState::Ready && spec.availability == Availability::Active;
        cx.tell(Fact::NodeEligible(node, eligible));
    }
}

// Who orders what.
impl Control {
    /// A row of the scenario's services is submitted.
    pub(super) fn deploy(&mut self, cx: &mut Cx, row: usize) {
        let scenario = Arc::clone(&self.scenario);
        let plan = &scenario.services[row];
        if !self.managers.lead() {
            return cx.note("refused", format!("{}: {NO_LEADER}", plan.spec.name));
        }
        let load = self.loads.get(&row).copied();
        let (entity, behaviour, quorum) = (entity(&plan.spec.name), plan.behaviour, plan.quorum);
        match self.create_service(cx, plan.spec.clone(), Origin { entity, behaviour, quorum, load, job: None }) {
            Ok(id) => {
                self.services[row] = Some(id);
                if self.killed.contains(&row) {
                    self.victims.watch(id, plan.spec.mode.is_per_node());
                }
                cx.note("deploy", plan.spec.name.as_str());
            }
            Err(refusal) => cx.note("refused", format!("{}: {refusal}", plan.spec.name)),
        }
    }

    fn create_service(&mut self, cx: &Cx, spec: ServiceSpec, origin: Origin) -> Result<ServiceId, String> {
        let id = self.manager.create_service(cx.now(), spec, &mut self.commands).map_err(|refusal| refusal.text)?;
        assert_eq!(id.index(), self.origins.len(), "services come in rows");
        self.origins.push(origin);
        Ok(id)
    }

    /// Without a leader those who bring services and jobs try again until there is one.
    fn postpone(&mut self, cx: &mut Cx, fact: Fact) {
        match fact {
            Fact::JobOver(job) if self.jobs[job.row()].is_none() => self.finish(cx, job),
            fact => self.postponed.push(fact),
        }
    }

    /// There is a leader again.
    fn try_again(&mut self, cx: &mut Cx) {
        self.postponed.drain(..).for_each(|fact| cx.tell(fact));
    }

    fn finish(&mut self, cx: &mut Cx, job: JobNo) {
        cx.tell(Fact::JobDone(job));
        if let Some(service) = self.jobs[job.row()].take() {
            let answer = self.manager.remove_service(cx.now(), service, &mut self.commands);
            self.note_answer(cx, answer);
        }
    }

    fn submit(&mut self, cx: &mut Cx, job: JobNo) {
        let arrival = self.workload.arrival(job);
        let mut spec = arrival.kind.spec.clone();
        spec.name = format!("{}-{}", spec.name, arrival.number);
        if let Some(number) = arrival.replicas {
            match &mut spec.mode {
                Mode::Replicated { replicas } => *replicas = number,
                Mode::ReplicatedJob { max_concurrent, total_completions } => {
                    (*max_concurrent, *total_completions) = (number, number);
                }
                Mode::Global | Mode::GlobalJob => {}
            }
        }
        let completions = match spec.mode {
            Mode::ReplicatedJob { total_completions, .. } => Some(total_completions),
            _ => None,
        };
        let mut behaviour = arrival.kind.behaviour;
        if let Some(run) = arrival.run {
            let code = behaviour.exit.map_or(0, |it| it.code);
            behaviour.exit = Some(Exit { after: Law::Fixed(run), code });
        }
        let origin =
            Origin { entity: entity(&spec.name), behaviour, quorum: arrival.kind.quorum, load: None, job: Some(job) };
        match self.create_service(cx, spec, origin) {
            Ok(id) => {
                self.jobs[job.row()] = Some(id);
                self.workload.submitted(cx, job, completions);
            }
            Err(refusal) => {
                cx.note("refused", refusal);
                self.workload.over(cx, job);
            }
        }
    }

    /// Carries out a row of the script, as far as it concerns the manager, its sessions and those who join.
    pub(super) fn act(&mut self, cx: &mut Cx, action: &Action, links: &Links) {
        if action.actor() == Actor::Operator && !self.managers.lead() {
            return self.note_refusal(cx, Err(NO_LEADER.into()));
        }
        match action {
            Action::Down(_)
            | Action::Up(_)
            | Action::Break(..)
            | Action::Mend(_)
            | Action::Restart(..)
            | Action::Slow(..)
            | Action::Kill(..)
            | Action::Registry(_) => {}
            Action::Weaken(nodes, impairment) => self.degrade_links(cx, nodes, *impairment),
            Action::Availability(nodes, availability) => self.set_availability(cx, nodes, *availability),
            Action::Promote(nodes) => self.set_roles(cx, nodes, Role::Manager, links),
            Action::Demote(nodes) => self.set_roles(cx, nodes, Role::Worker, links),
            Action::RemoveNode(nodes) => {
                for &node in nodes {
                    let answer = self.remove_node(cx, node);
                    self.note_refusal(cx, answer);
                }
            }
            Action::Join(nodes) => nodes.iter().for_each(|&node| self.joins.begin(cx, node)),
            Action::RotateToken(role) => self.joins.rotate(*role),
            Action::Scale(service, to) => self.update(cx, *service, |spec| match &mut spec.mode {
                Mode::Replicated { replicas } => *replicas = *to,
                Mode::ReplicatedJob { max_concurrent, total_completions } => {
                    // `docker service scale` of a job sets both.
                    (*max_concurrent, *total_completions) = (*to, *to);
                }
                Mode::Global | Mode::GlobalJob => {}
            }),
            Action::Image(service, image) => {
                self.update(cx, *service, |spec| spec.task.container.image.clone_from(image));
            }
            Action::Force(service) => self.update(cx, *service, |spec| spec.task.force_update += 1),
            Action::Rollback(service) => {
                let answer = self.service(*service).and_then(|id| {
                    self.manager.rollback_service(cx.now(), id, &mut self.commands).map_err(|refusal| refusal.text)
                });
                self.note_refusal(cx, answer);
            }
            Action::Remove(service) => {
                let answer = self.service(*service).and_then(|id| {
                    self.services[*service] = None;
                    self.manager.remove_service(cx.now(), id, &mut self.commands).map_err(|refusal| refusal.text)
                });
                self.note_refusal(cx, answer);
            }
        }
    }

    /// The links of nodes to the manager are impaired from now on, or sound.
    fn degrade_links(&mut self, cx: &mut Cx, nodes: &[usize], impairment: Option<LinkImpairment>) {
        nodes.iter().for_each(|&node| self.heartbeats.degrade_link(cx, node, impairment));
    }

    fn set_roles(&mut self, cx: &mut Cx, nodes: &[usize], role: Role, links: &Links) {
        for &node in nodes {
            if !self.joins.is_there(node) {
                self.note_refusal(cx, Err(self.not_found(node)));
                continue;
            }
            if role == Role::Manager {
                self.managers.promote(cx, node, &self.scenario.nodes[node].spec.id, self.powered[node]);
                self.managers.link(cx, |node| links.side(node));
            } else if let Err(refusal) = self.managers.demote(cx, node) {
                self.note_refusal(cx, Err(refusal.into()));
                continue;
            }
            let answer = self.manager.set_role(cx.now(), NodeId::from_index(node), role, &mut self.commands);
            self.note_answer(cx, answer);
        }
    }

    /// An operator changes a service, if it is there.
    pub(super) fn operate(&mut self, cx: &mut Cx, turn: operator::Turn) {
        let service = self.operators.service(turn);
        let replicas = self.replicas(service);
        let Some(order) = self.operators.handle(cx, turn, replicas) else { return };
        if self.services[service].is_none() {
            return;
        }
        let name = &self.scenario.services[service].spec.name;
        let label = match &order {
            operator::Order::Scale(_, to) => format!("{name} scaled to {to}"),
            operator::Order::Release(_, image) => format!("{name} to {image}"),
        };
        cx.note("operator", label);
        if !self.managers.lead() {
            return self.note_refusal(cx, Err(NO_LEADER.into()));
        }
        match order {
            operator::Order::Scale(_, to) => self.scale(cx, service, to),
            operator::Order::Release(_, image) => {
                self.update(cx, service, |spec| spec.task.container.image = image);
            }
        }
    }

    /// The autoscaler of a plan of requests wants so many replicas. Without a leader it looks again later.
    fn autoscale(&mut self, cx: &mut Cx, plan: usize, to: u64) {
        let scenario = Arc::clone(&self.scenario);
        let plan = &scenario.requests[plan];
        if self.managers.lead() && self.services[plan.service].is_some() {
            cx.note("scale", format!("{} scaled to {to}", plan.name));
            self.scale(cx, plan.service, to);
        }
    }

    fn scale(&mut self, cx: &mut Cx, service: usize, to: u64) {
        self.update(cx, service, |spec| spec.mode = Mode::Replicated { replicas: to });
    }

    /// Running containers of a service to be killed, chosen at random by a stream of the row of the script.
    pub(super) fn victims(&self, row: usize, service: usize, count: u64) -> Vec<TaskNo> {
        let Some(id) = self.services[service] else { return Vec::new() };
        let slots = &self.manager.cluster().services()[id].slots;
        let mut rng = self.seeds.stream(Stream::Kill, row as u64);
        let mut victims = Vec::new();
        // A list of those that run, of which the last one takes the place of each that is taken out.
        let mut moved = BTreeMap::new();
        let running = self.victims.count(id);
        for last in (0..running).rev().take(usize::try_from(count).unwrap_or(usize::MAX)) {
            let place = below_by_remainder(&mut rng, last + 1);
            let taken = moved.get(&place).copied().unwrap_or(place);
            moved.insert(place, moved.get(&last).copied().unwrap_or(last));
            let Some((slot, number)) = self.victims.find(id, taken) else { continue };
            let chosen = slots.tasks_in(slot).filter(|it| self.runs(*it)).nth(number);
            victims.push(self.numbers[chosen.expect("it was counted").row()]);
        }
        victims
    }

    fn runs(&self, task: TaskId) -> bool {
        self.manager.cluster().task(task).is_some_and(|it| it.state == TaskState::Running)
    }

    /// A unit whose failures are announced will fail, or is repaired.
    fn announce(&mut self, cx: &mut Cx, plan: u32, unit: u32, to: Availability) {
        let scenario = Arc::clone(&self.scenario);
        let plan = &scenario.failures[plan as usize];
        if plan.notice.is_some() {
            self.set_availability(cx, &plan.units[unit as usize].nodes, to);
        }
    }

    fn set_availability(&mut self, cx: &mut Cx, nodes: &[usize], to: Availability) {
        if !self.managers.lead() {
            return self.note_refusal(cx, Err(NO_LEADER.into()));
        }
        for &node in nodes {
            if !self.joins.is_there(node) {
                self.note_refusal(cx, Err(self.not_found(node)));
                continue;
            }
            let answer = self.manager.set_availability(cx.now(), NodeId::from_index(node), to, &mut self.commands);
            self.note_answer(cx, answer);
            self.tell_eligible(cx, node);
        }
    }

    fn update(&mut self, cx: &mut Cx, service: usize, change: impl FnOnce(&mut ServiceSpec)) {
        let answer = self.service(service).and_then(|id| {
            let mut spec = (*self.manager.cluster().services()[id].spec).clone();
            change(&mut spec);
            self.manager.update_service(cx.now(), id, spec, &mut self.commands).map_err(|refusal| refusal.text)
        });
        self.note_refusal(cx, answer);
    }

    /// Replicas that a service of the scenario wants now.
    pub(super) fn replicas(&self, row: usize) -> u64 {
        let service = self.services[row].and_then(|id| self.manager.cluster().service(id));
        match service.map(|it| it.spec.mode) {
            Some(Mode::Replicated { replicas }) => replicas,
            _ => 0,
        }
    }

    /// The manager's service of a row of the scenario.
    fn service(&self, row: usize) -> Result<ServiceId, String> {
        self.services[row].ok_or_else(|| format!("service {} not found", self.scenario.services[row].spec.name))
    }

    fn note_refusal(&self, cx: &mut Cx, answer: Result<(), String>) {
        if let Err(refusal) = answer {
            cx.note("refused", refusal);
        }
    }

    fn note_answer(&self, cx: &mut Cx, answer: Result<(), ApiError>) {
        self.note_refusal(cx, answer.map_err(|refusal| refusal.text));
    }

    fn not_found(&self, node: usize) -> String {
        format!("node {} not found", self.scenario.nodes[node].spec.id)
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

fn killed(scenario: &Scenario) -> BTreeSet<usize> {
    let service = |action: &Action| if let Action::Kill(service, _) = action { Some(*service) } else { None };
    scenario.script.iter().filter_map(|it| service(&it.action)).collect()
}
