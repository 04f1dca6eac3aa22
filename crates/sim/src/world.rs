//! One run: the manager surrounded by the models.
//!
//! The world hands facts to the manager, its commands to the models, and their effects back; everything that happens
//! passes through one `match`. It decides nothing itself.

use std::sync::Arc;

use rand_chacha::rand_core::Rng;
use sched::spec::{Availability, Mode, NodeState};
use sched::{Allocation, Command, Commands, Config, Manager, NodeId, Row, ServiceId, TaskId, TieBreak, Time};

use crate::engine::Queue;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::metrics::Outcome;
use crate::metrics::observer::Observer;
use crate::model::TaskNo;
use crate::model::agent::{self, Agents, Effect, Life};
use crate::model::failure::{self, Change, Failures};
use crate::model::heartbeat::{self, Heartbeats};
use crate::model::image::{self, Images};
use crate::model::overlay::{Granted, Overlay};
use crate::scenario::{Action, Scenario};

/// A run that handles more events than this at one instant goes in circles, unless its cluster is so large that every
/// node and task has its events then.
const EVENTS_AT_ONCE_MAX: u64 = 1_000_000;
/// Events that a node or a task may have at one instant.
const EVENTS_EACH: u64 = 20;
/// A run that handles more events than this would not end in a day.
const EVENTS_MAX: u64 = 10_000_000_000;

/// Everything that can happen.
#[derive(Clone, Copy, Debug)]
enum Event {
    Agent(agent::Event),
    Image(image::Event),
    Failure(failure::Turn),
    Expired(heartbeat::Expired),
    /// The manager's deadline, if it is still the one that was announced.
    Deadline,
    /// A row of the scenario's services is submitted.
    Deploy(u32),
    /// A row of the scenario's script is due.
    Script(u32),
    WarmedUp,
    Sample,
    End,
}

const _: () = assert!(size_of::<Event>() <= 16, "events are moved a few times in their life");

macro_rules! part_of_event {
    ($($variant:ident($type:ty)),*) => {$(
        impl From<$type> for Event {
            fn from(it: $type) -> Event {
                Event::$variant(it)
            }
        }
    )*};
}
part_of_event!(Agent(agent::Event), Image(image::Event), Failure(failure::Turn), Expired(heartbeat::Expired));

/// A run.
pub struct World<'a> {
    scenario: &'a Scenario,
    seeds: Seeds,
    queue: Queue<Event>,
    manager: Manager,
    agents: Agents<'a>,
    images: Images<'a>,
    overlay: Overlay,
    failures: Failures<'a>,
    heartbeats: Heartbeats<'a>,
    observer: Observer<'a>,
    /// Rows of the scenario's services by the manager's, and the other way round.
    plans: Vec<usize>,
    services: Vec<Option<ServiceId>>,
    /// The task that has a row of the manager's table, and the manager's id of a task.
    numbers: Vec<TaskNo>,
    ids: Vec<TaskId>,
    /// When the earliest pending [`Event::Deadline`] is due.
    armed: Option<Time>,
    events: u64,
    // Buffers.
    commands: Commands,
    granted: Vec<Granted>,
    changes: Vec<Change>,
}

impl<'a> World<'a> {
    /// The scenario's cluster at its beginning. Fails if the strategy is unknown.
    pub fn new(scenario: &'a Scenario, strategy: &str, replication: u32) -> Result<World<'a>, String> {
        let seeds = Seeds::of(scenario.seed, replication);
        let manager = Manager::new(Config {
            strategy: strategy.into(),
            ties: TieBreak::Seeded,
            seed: seeds.stream(Stream::Placement, 0).next_u64(),
            allocation: Allocation::External,
            ..Config::default()
        })?;
        let models = &scenario.models;
        let names = || scenario.nodes.iter().map(|it| it.spec.id.as_str());
        let bandwidths = scenario.nodes.iter().map(|it| it.bandwidth);
        Ok(World {
            scenario,
            seeds,
            queue: Queue::new(),
            manager,
            agents: Agents::new(&models.daemon, &models.overlay, names(), seeds),
            images: Images::new(&models.registry, &scenario.images, bandwidths),
            overlay: Overlay::new(&models.overlay, &scenario.networks, scenario.nodes.len()),
            failures: Failures::new(&scenario.failures, scenario.nodes.len(), seeds),
            heartbeats: Heartbeats::new(&models.heartbeat, names(), seeds),
            observer: Observer::new(scenario, strategy, replication),
            plans: Vec::new(),
            services: vec![None; scenario.services.len()],
            numbers: Vec::new(),
            ids: Vec::new(),
            armed: None,
            events: 0,
            commands: Commands::new(),
            granted: Vec::new(),
            changes: Vec::new(),
        })
    }

    /// Runs to the end of the scenario. A run that goes in circles ends early, and its outcome says so.
    pub fn run(mut self) -> Outcome {
        self.start();
        let at_once_max = self.events_at_once_max();
        let mut instant = Time::ZERO;
        let mut at_once = 0;
        while let Some((now, event)) = self.queue.pop() {
            if let Event::End = event {
                // A million tasks weigh: what is not needed any more goes before the outcome comes.
                drop((self.queue, self.manager, self.agents));
                let (pulled, addresses) = (self.images.totals(), self.overlay.addresses_peak());
                return self.observer.close(now, pulled, addresses, self.events);
            }
            self.events += 1;
            at_once = if now == instant { at_once + 1 } else { 0 };
            instant = now;
            if at_once_max < at_once {
                let reason = format!("more than {at_once_max} events at {now}: the run goes in circles");
                return self.observer.give_up(now, Some(reason));
            }
            if EVENTS_MAX < self.events {
                let reason = format!("more than {EVENTS_MAX} events by {now}");
                return self.observer.give_up(now, Some(reason));
            }
            self.dispatch(now, event);
        }
        unreachable!("the end is scheduled")
    }

    fn events_at_once_max(&self) -> u64 {
        let tasks = self.scenario.services.iter().map(|it| match it.spec.mode {
            Mode::Replicated { replicas } => replicas,
            Mode::ReplicatedJob { max_concurrent, .. } => max_concurrent,
            Mode::Global | Mode::GlobalJob => self.scenario.nodes.len() as u64,
        });
        let all = tasks.fold(self.scenario.nodes.len() as u64, u64::saturating_add);
        all.saturating_mul(EVENTS_EACH).max(EVENTS_AT_ONCE_MAX)
    }

    fn start(&mut self) {
        let Scenario { duration, warm_up, nodes, services, script, .. } = self.scenario;
        for (row, plan) in nodes.iter().enumerate() {
            self.manager.add_node(Time::ZERO, Arc::clone(&plan.spec), &mut self.commands);
            self.observe_eligible(Time::ZERO, row);
        }
        self.settle(Time::ZERO);
        self.failures.start(&mut self.queue);
        // What is due at one instant happens in this order: deployments, script, counting.
        for (row, plan) in services.iter().enumerate() {
            self.queue.at(plan.at, Event::Deploy(row as u32));
        }
        for (row, scripted) in script.iter().enumerate() {
            self.queue.at(scripted.at, Event::Script(row as u32));
        }
        if *warm_up != sched::Span::ZERO {
            self.queue.at(Time::ZERO + *warm_up, Event::WarmedUp);
        }
        self.queue.at(Time::ZERO, Event::Sample);
        self.queue.at(Time::ZERO + *duration, Event::End);
    }

    fn dispatch(&mut self, now: Time, event: Event) {
        match event {
            Event::Agent(event) => self.agents.handle(&mut self.queue, event),
            Event::Image(event) => self.images.handle(&mut self.queue, event),
            Event::Failure(turn) => {
                let (failed, unit) = self.failures.handle(&mut self.queue, turn, &mut self.changes);
                self.power(now, failed, Some(unit));
            }
            Event::Expired(expired) => {
                if let Some(node) = self.heartbeats.handle(expired) {
                    self.observer.detected(now, node);
                    self.observer.mark(now, "detected", self.scenario.nodes[node].spec.id.as_str());
                    self.manager.handle(now, sched::Event::NodeDown(NodeId::from_index(node)), &mut self.commands);
                    self.observe_eligible(now, node);
                }
            }
            Event::Deadline => {
                if self.armed == Some(now) {
                    self.armed = None;
                    self.manager.handle(now, sched::Event::Deadline, &mut self.commands);
                }
            }
            Event::Deploy(row) => self.deploy(now, row as usize),
            Event::Script(row) => self.act(now, row as usize),
            Event::WarmedUp => self.observer.warmed_up(now, self.images.totals()),
            Event::Sample => {
                self.observer.sample(now, self.images.rate());
                let sample = self.scenario.sample;
                if sample != sched::Span::ZERO {
                    self.queue.after(sample, Event::Sample);
                }
            }
            Event::End => unreachable!("the loop ends there"),
        }
        self.settle(now);
    }

    /// Machines of `changes` lost power or got it, because a unit failed or the script said so.
    fn power(&mut self, now: Time, failed: bool, unit: Option<&str>) {
        let mut changes = std::mem::take(&mut self.changes);
        if let Some(first) = changes.first() {
            let kind = if failed { "down" } else { "up" };
            let node = self.scenario.nodes[first.node].spec.id.as_str();
            let count = changes.len();
            let label = match unit {
                Some(unit) if unit != node => {
                    format!("{unit} {kind} ({count} node{})", if count == 1 { "" } else { "s" })
                }
                _ if count == 1 => format!("{node} {kind}"),
                _ => format!("{count} nodes {kind}"),
            };
            self.observer.mark(now, kind, label);
        }
        for Change { node, up } in changes.drain(..) {
            self.observer.power(now, node, up);
            if up {
                self.agents.power_on(&mut self.queue, node);
            } else {
                self.agents.power_off(node);
                self.images.power_off(&mut self.queue, node, self.scenario.models.daemon.keep_cache);
                self.heartbeats.silent(&mut self.queue, node);
            }
        }
        self.changes = changes;
    }

    fn deploy(&mut self, now: Time, row: usize) {
        let plan = &self.scenario.services[row];
        match self.manager.create_service(now, plan.spec.clone(), &mut self.commands) {
            Ok(id) => {
                assert_eq!(id.index(), self.plans.len(), "services come in rows");
                self.plans.push(row);
                self.services[row] = Some(id);
                self.observer.mark(now, "deploy", plan.spec.name.as_str());
            }
            Err(refusal) => self.observer.mark(now, "refused", format!("{}: {}", plan.spec.name, refusal.text)),
        }
    }

    fn act(&mut self, now: Time, row: usize) {
        let scenario = self.scenario;
        let scripted = &scenario.script[row];
        self.observer.mark(now, "script", scripted.label.as_str());
        match &scripted.action {
            Action::Down(nodes) | Action::Up(nodes) => {
                let on = matches!(scripted.action, Action::Up(_));
                self.failures.switch(nodes, on, &mut self.changes);
                self.power(now, !on, None);
            }
            Action::Availability(nodes, availability) => {
                for &node in nodes {
                    let id = NodeId::from_index(node);
                    self.manager.set_availability(now, id, *availability, &mut self.commands);
                    self.observe_eligible(now, node);
                }
            }
            Action::Scale(service, to) => self.update(now, *service, |spec| match &mut spec.mode {
                Mode::Replicated { replicas } => *replicas = *to,
                Mode::ReplicatedJob { max_concurrent, total_completions } => {
                    // `docker service scale` of a job sets both.
                    (*max_concurrent, *total_completions) = (*to, *to);
                }
                Mode::Global | Mode::GlobalJob => {}
            }),
            Action::Image(service, image) => {
                self.update(now, *service, |spec| spec.task.container.image.clone_from(image));
            }
            Action::Force(service) => self.update(now, *service, |spec| spec.task.force_update += 1),
            Action::Rollback(service) => {
                let answer = self.service(*service).and_then(|id| {
                    self.manager.rollback_service(now, id, &mut self.commands).map_err(|refusal| refusal.text)
                });
                self.note_refusal(now, answer);
            }
            Action::Remove(service) => {
                let answer = self.service(*service).map(|id| {
                    self.manager.remove_service(now, id, &mut self.commands);
                    self.services[*service] = None;
                });
                self.note_refusal(now, answer);
            }
        }
    }

    fn update(&mut self, now: Time, service: usize, change: impl FnOnce(&mut sched::spec::ServiceSpec)) {
        let answer = self.service(service).and_then(|id| {
            let mut spec = (*self.manager.cluster().services()[id].spec).clone();
            change(&mut spec);
            self.manager.update_service(now, id, spec, &mut self.commands).map_err(|refusal| refusal.text)
        });
        self.note_refusal(now, answer);
    }

    /// The manager's service of a row of the scenario.
    fn service(&self, row: usize) -> Result<ServiceId, String> {
        self.services[row].ok_or_else(|| format!("service {} not found", self.scenario.services[row].spec.name))
    }

    fn note_refusal(&mut self, now: Time, answer: Result<(), String>) {
        if let Err(refusal) = answer {
            self.observer.mark(now, "refused", refusal);
        }
    }
}

// What one tells another.
impl World<'_> {
    /// Passes on commands, effects and addresses until there are none left, then waits for what the manager waits for.
    fn settle(&mut self, now: Time) {
        while !(self.commands.is_empty()
            && self.granted.is_empty()
            && self.agents.effects.is_empty()
            && self.images.pulled.is_empty())
        {
            let mut commands = std::mem::take(&mut self.commands);
            for command in commands.drain(..) {
                self.obey(now, command);
            }
            if self.commands.capacity() == 0 {
                self.commands = commands;
            }
            for task in self.images.pulled.drain(..) {
                self.agents.pulled(&mut self.queue, task);
            }
            self.pass_effects(now);
            self.pass_granted(now);
        }
        if let Some(deadline) = self.manager.deadline()
            && self.armed.is_none_or(|armed| deadline < armed)
        {
            let deadline = deadline.max(now);
            self.armed = Some(deadline);
            self.queue.at(deadline, Event::Deadline);
        }
    }

    /// The manager's commands reach the models.
    fn obey(&mut self, now: Time, command: Command) {
        match command {
            Command::Service(id) => {
                let spec = Arc::clone(&self.manager.cluster().services()[id].spec);
                self.overlay.add_service(id, &spec);
                self.observer.service(now, id.index(), &spec);
            }
            Command::UpdateStatus(id, status) => self.observer.update_status(now, id.index(), status.as_deref()),
            Command::RemoveService(id) => {
                self.observer.service_removed(now, id.index());
                self.overlay.remove_service(id, &mut self.granted);
            }
            Command::Create { task, service, slot, desired } => {
                let spec = &self.manager.cluster().services()[service].spec;
                let number = self.observer.created(now, service.index(), slot, spec, desired);
                self.ids.push(task);
                if self.numbers.len() <= task.row() {
                    self.numbers.resize(task.row() + 1, number);
                }
                self.numbers[task.row()] = number;
                if self.overlay.create(number, service) {
                    self.granted.push(Granted::Task(number));
                }
            }
            Command::Assign { task, node } => self.assign(now, task, node.index()),
            Command::Desired { task, desired, .. } => {
                self.see(now, task);
                self.agents.desire(&mut self.queue, self.numbers[task.row()], desired);
            }
            Command::State { task, .. } => self.see(now, task),
            Command::Remove { task, .. } => {
                let number = self.numbers[task.row()];
                self.observer.removed(now, number);
                self.overlay.remove(number, &mut self.granted);
                self.agents.remove(&mut self.queue, number);
            }
        }
    }

    fn assign(&mut self, now: Time, id: TaskId, node: usize) {
        let number = self.numbers[id.row()];
        self.observer.assigned(now, number, node);
        // A record that is deleted by a later command of this call has nothing to say any more.
        let Some(task) = self.manager.cluster().task(id) else { return };
        let plan = &self.scenario.services[self.plans[task.service.index()]];
        let slot = match task.slot {
            sched::Slot::Number(number) => u64::from(number) << 1,
            sched::Slot::Node(node) => (node.index() as u64) << 1 | 1,
        };
        let chance = part(part(entity(&plan.spec.name), slot), u64::from(task.instance));
        let mut rng = self.seeds.stream(Stream::Task, chance);
        let container = &task.spec.task.container;
        let life = Life::draw(&self.scenario.models.daemon, container, &plan.behaviour, &mut rng);
        let (service, desired) = (task.service, task.desired);
        let attached = self.overlay.assign(number, node);
        let joins = self.overlay.joins(service);
        self.agents.assign(&mut self.queue, number, node, desired, life, joins, attached);
        self.see(now, id);
    }

    /// Looks at the manager's record of a task.
    fn see(&mut self, now: Time, id: TaskId) {
        let Some(task) = self.manager.cluster().task(id) else { return };
        let number = self.numbers[id.row()];
        self.observer.seen(now, number, task.state, task.desired, &task.error().cloned());
        if task.state.is_terminal() {
            self.overlay.release(number, &mut self.granted);
        }
    }

    /// What happened on the nodes reaches the manager, the registry and the observer.
    fn pass_effects(&mut self, now: Time) {
        let mut effects = std::mem::take(&mut self.agents.effects);
        let mut reports = Vec::new();
        for effect in effects.drain(..) {
            match effect {
                Effect::Pull(task, node) => {
                    let id = self.ids[task.row()];
                    let image = match self.manager.cluster().task(id) {
                        Some(record) => Arc::clone(&record.spec),
                        // The order to remove it is on its way.
                        None => continue,
                    };
                    self.images.pull(&mut self.queue, task, node, &image.task.container.image);
                }
                Effect::CancelPull(task) => self.images.cancel(&mut self.queue, task),
                Effect::Prepared(task) => self.observer.prepared(now, task),
                Effect::Started(task) => self.observer.started(now, task),
                Effect::Leaving(task) => self.observer.leaving(now, task),
                Effect::Ended(task) => self.observer.ended(now, task),
                Effect::Registered(node) => {
                    self.heartbeats.registered(node);
                    self.observer.registered(node);
                    self.manager.handle(now, sched::Event::NodeUp(NodeId::from_index(node)), &mut self.commands);
                    self.observe_eligible(now, node);
                }
                Effect::Report { task, state, error } => {
                    let task = self.ids[task.row()];
                    reports.push(sched::Event::TaskStatus { task, state, error });
                }
            }
        }
        if self.agents.effects.capacity() == 0 {
            self.agents.effects = effects;
        }
        if !reports.is_empty() {
            let known: Vec<TaskId> = reports
                .iter()
                .map(|report| match report {
                    sched::Event::TaskStatus { task, .. } => *task,
                    _ => unreachable!("only reports are here"),
                })
                .collect();
            self.manager.handle_all(now, reports, &mut self.commands);
            for task in known {
                self.see(now, task);
            }
        }
    }

    fn pass_granted(&mut self, now: Time) {
        let mut tasks = Vec::new();
        for granted in self.granted.drain(..) {
            match granted {
                Granted::Task(task) => tasks.push(sched::Event::Allocated(self.ids[task.row()])),
                Granted::Attachment(task) => self.agents.attached(task),
            }
        }
        if !tasks.is_empty() {
            self.manager.handle_all(now, tasks, &mut self.commands);
        }
    }

    fn observe_eligible(&mut self, now: Time, node: usize) {
        let spec = &self.manager.cluster().nodes()[NodeId::from_index(node)].spec;
        let eligible = spec.state == NodeState::Ready && spec.availability == Availability::Active;
        self.observer.eligible(now, node, eligible);
    }
}
