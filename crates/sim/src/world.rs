//! One run: the manager surrounded by the models.
//!
//! The world hands facts to the manager, its commands to the models, and their effects back; everything that happens
//! passes through one `match`. It decides nothing itself.

mod membership;
mod network;
mod victims;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand_chacha::rand_core::Rng;
use sched::spec::{Availability, Mode, NodeState, Role};
use sched::{
    Allocation, Command, Commands, Config, Manager, NodeId, Reference, Row, ServiceId, TaskId, TaskState, TieBreak,
    Time,
};

use crate::engine::Queue;
use crate::engine::law::Law;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::metrics::Outcome;
use crate::metrics::observer::Observer;
use crate::model::TaskNo;
use crate::model::agent::{self, Agents, Effect, Life};
use crate::model::autoscaler::{self, Autoscalers};
use crate::model::failure::{self, Change, Failures, Happening};
use crate::model::gossip::{self, Gossip, Subject};
use crate::model::heartbeat::{self, Heartbeats};
use crate::model::image::{self, Images, Totals};
use crate::model::join::{self, Joins};
use crate::model::links::{Cause, Links};
use crate::model::managers::{self, Managers};
use crate::model::operator::{self, Operators};
use crate::model::overlay::{Granted, Overlay};
use crate::model::requests::{self, Requests};
use crate::model::workload::{self, JobNo, Order, Workload};
use crate::scenario::{Action, Behaviour, Breach, Exit, NodePlan, Scenario};
use victims::Victims;

/// A run that handles more events than this at one instant makes no progress, unless its cluster is so large that every
/// node and task has its events then.
const EVENTS_AT_ONCE_MAX: u64 = 1_000_000;
/// moby `daemon/cluster/errors.go`.
const NO_LEADER: &str = "The swarm does not have a leader. It's possible that too few managers are online. Make sure more \
                         than half of the managers are online.";
/// Events that a node or a task may have at one instant.
const EVENTS_EACH: u64 = 20;
/// A run that handles more events than this would not end in a day.
const EVENTS_MAX: u64 = 10_000_000_000;
/// A run whose tables and samples are larger than this ends. About half of the memory of a machine on which one would
/// wait for it; the bound is the same on all, so that the outcome is.
const BYTES_MAX: u64 = 6 << 30;
/// How often that is looked at, in events.
const LOOK: u64 = 1 << 12;
/// What a task, a mark, a sample and a service take with all that belongs to them, roughly.
const TASK_BYTES: u64 = 512;
const MARK_BYTES: u64 = 256;
const SAMPLE_BYTES: u64 = 16;
const SERVICE_BYTES: u64 = 2048;

/// Everything that can happen.
#[derive(Clone, Copy, Debug)]
enum Event {
    Agent(agent::Event),
    Image(image::Event),
    Failure(failure::Turn),
    Expired(heartbeat::Expired),
    Lost(heartbeat::Lost),
    Workload(workload::Event),
    Managers(managers::Event),
    Gossip(gossip::Round),
    Requests(requests::Event),
    Join(join::Event),
    Operator(operator::Turn),
    Scaler(autoscaler::Event),
    /// An agent calls the new leader, if that still leads.
    Rejoin {
        node: u32,
        leader: u32,
    },
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
part_of_event!(
    Agent(agent::Event),
    Image(image::Event),
    Failure(failure::Turn),
    Expired(heartbeat::Expired),
    Lost(heartbeat::Lost),
    Workload(workload::Event),
    Managers(managers::Event),
    Gossip(gossip::Round),
    Requests(requests::Event),
    Join(join::Event),
    Operator(operator::Turn),
    Scaler(autoscaler::Event)
);

/// What the models must know of a service of the manager.
#[derive(Clone, Copy, Debug)]
struct Origin {
    /// Owner of the chance of its tasks.
    entity: u64,
    behaviour: Behaviour,
    quorum: Option<u64>,
    /// The requests to it, if there are any.
    load: Option<u32>,
    /// The arrival that it is, if it is one.
    job: Option<JobNo>,
}

/// Which agents have a session with the leader of now, and what the others have to say.
#[derive(Debug)]
struct Sessions {
    /// Changes of the leader.
    leader: u32,
    /// For each node, whether it is a member, whether its agent is up, and whether it has a session; and how many members
    /// have none. Of what is no member nothing is held.
    there: Vec<bool>,
    up: Vec<bool>,
    open: Vec<bool>,
    closed: usize,
    /// For each node, what keeps it from the leader, and whether it reaches the registry; and the side of the leader.
    breach: Vec<Option<Breach>>,
    fetches: Vec<bool>,
    home: u32,
    /// Which sessions were open when the leader lost its majority, as long as it may regain it; who registered since, and
    /// whose heartbeats are overdue since.
    stalled: Option<Vec<bool>>,
    called: Vec<bool>,
    expired: Vec<heartbeat::Expired>,
    held: Vec<Vec<sched::Event>>,
    /// Nodes that were looked at.
    #[cfg(test)]
    looks: usize,
}

impl Sessions {
    fn new(nodes: usize) -> Sessions {
        Sessions {
            leader: 0,
            there: vec![true; nodes],
            up: vec![true; nodes],
            open: vec![true; nodes],
            closed: 0,
            breach: vec![None; nodes],
            fetches: vec![true; nodes],
            home: 0,
            stalled: None,
            called: vec![false; nodes],
            expired: Vec::new(),
            held: vec![Vec::new(); nodes],
            #[cfg(test)]
            looks: 0,
        }
    }

    /// A node has a session from now on, or has none.
    fn set(&mut self, node: usize, open: bool) {
        #[cfg(test)]
        (self.looks += 1);
        self.closed -= usize::from(self.there[node] && !self.open[node]);
        self.open[node] = open;
        self.closed += usize::from(self.there[node] && !open);
    }

    /// A node is a member from now on, or is none. It has no session, and nothing to say.
    fn member(&mut self, node: usize, there: bool) {
        self.closed -= usize::from(self.there[node] && !self.open[node]);
        (self.there[node], self.up[node], self.open[node]) = (there, false, !there);
        self.closed += usize::from(there);
        self.held[node].clear();
    }

    /// Nobody has a session; the answer is who had one.
    fn close(&mut self) -> Vec<bool> {
        #[cfg(test)]
        (self.looks += self.there.len());
        self.closed = self.there.iter().filter(|there| **there).count();
        let none = vec![false; self.open.len()];
        std::mem::replace(&mut self.open, none)
    }
}

/// A run.
pub struct World<'a> {
    scenario: &'a Scenario,
    seeds: Seeds,
    queue: Queue<Event>,
    manager: Manager,
    agents: Agents<'a>,
    images: Images<'a>,
    /// Images whose containers end by themselves.
    bad_images: BTreeMap<String, Exit>,
    overlay: Overlay,
    failures: Failures<'a>,
    links: Links,
    heartbeats: Heartbeats<'a>,
    workload: Workload<'a>,
    managers: Managers<'a>,
    gossip: Gossip<'a>,
    requests: Requests<'a>,
    joins: Joins<'a>,
    operators: Operators<'a>,
    scalers: Autoscalers<'a>,
    sessions: Sessions,
    observer: Observer<'a>,
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
    postponed: Vec<Order>,
    /// The task that has a row of the manager's table, and the manager's id of a task.
    numbers: Vec<TaskNo>,
    ids: Vec<TaskId>,
    /// When the earliest pending [`Event::Deadline`] is due.
    armed: Option<Time>,
    events: u64,
    // Buffers.
    commands: Commands,
    reports: Vec<sched::Event>,
    known: Vec<TaskId>,
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
            debounce: scenario.models.managers.debounce,
            task_history: scenario.models.managers.history as i64,
            ..Config::default()
        })?;
        let models = &scenario.models;
        let names = || scenario.nodes.iter().map(|it| it.spec.id.as_str());
        let joins = Joins::new(&models.managers, &scenario.joins, names(), seeds);
        let is_manager = |it: &(usize, &'a NodePlan)| it.1.spec.role == Role::Manager && joins.is_there(it.0);
        let managers = scenario.nodes.iter().enumerate().filter(is_manager);
        let managers = managers.map(|(row, it)| (row, it.spec.id.as_str()));
        let bandwidths = scenario.nodes.iter().map(|it| it.bandwidth);
        let mut world = World {
            scenario,
            seeds,
            queue: Queue::new(),
            manager,
            agents: Agents::new(&models.daemon, &models.overlay, names(), seeds),
            images: Images::new(&models.registry, &scenario.images, bandwidths).with_racks(&racks(scenario)),
            bad_images: scenario
                .images
                .iter()
                .filter_map(|it| Some((Reference::name_of(&it.name), it.exit?)))
                .collect(),
            overlay: Overlay::new(&models.overlay, &scenario.networks, 0),
            failures: Failures::new(&scenario.failures, scenario.nodes.len(), seeds),
            links: Links::new(scenario.nodes.len()),
            heartbeats: Heartbeats::new(&models.heartbeat, names(), seeds),
            observer: Observer::new(scenario, strategy, replication),
            workload: Workload::new(&scenario.arrivals, &scenario.queues, seeds),
            managers: Managers::new(&models.managers, managers, seeds),
            gossip: Gossip::new(&models.gossip, scenario.nodes.len(), seeds),
            requests: Requests::new(&scenario.requests, scenario.nodes.len(), models.gossip.interval.is_some(), seeds),
            joins,
            operators: Operators::new(&scenario.operators, seeds),
            scalers: Autoscalers::new(&scenario.scalers, seeds),
            sessions: Sessions::new(scenario.nodes.len()),
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
            events: 0,
            commands: Commands::new(),
            reports: Vec::new(),
            known: Vec::new(),
            granted: Vec::new(),
            changes: Vec::new(),
        };
        for node in 0..scenario.nodes.len() {
            if world.joins.is_there(node) {
                world.overlay.join(node);
            } else {
                world.be_member(Time::ZERO, node, false);
            }
        }
        Ok(world)
    }

    /// Runs to the end of the scenario. A run that makes no progress, or keeps too much, ends early, and its outcome says so.
    pub fn run(mut self) -> Outcome {
        self.start();
        let at_once_max = self.events_at_once_max();
        let mut instant = Time::ZERO;
        let mut at_once = 0;
        while let Some((now, event)) = self.queue.pop() {
            if let Event::End = event {
                self.requests.settle(now);
                self.pass_answers(now);
                let (observer, pulled, addresses, events) = self.remains();
                return observer.close(now, &pulled, addresses, events);
            }
            self.events += 1;
            at_once = if now == instant { at_once + 1 } else { 0 };
            instant = now;
            if at_once_max < at_once {
                let reason = self.no_progress(now, at_once_max);
                return self.observer.give_up(now, Some(reason));
            }
            if EVENTS_MAX < self.events {
                let reason = format!("more than {EVENTS_MAX} events by {now}");
                return self.observer.give_up(now, Some(reason));
            }
            if self.events.is_multiple_of(LOOK)
                && let Some(reason) = self.too_large(now)
            {
                return self.observer.give_up(now, Some(reason));
            }
            self.dispatch(now, event);
        }
        unreachable!("the end is scheduled")
    }

    /// What keeps happening in a run in which time stands still.
    fn no_progress(&self, now: Time, events: u64) -> String {
        let what = match self.observer.restarted_at(now) {
            Some((service, tasks)) => format!(
                "{tasks} tasks of service `{service}` were created: give its `restart.delay`, its `exits.after` or the steps \
                 of `[daemon]` some time"
            ),
            None => "what happens takes no time: give a time that is 0 a value".to_string(),
        };
        format!("more than {events} events at {now}, the run makes no progress: {what}")
    }

    /// Why a run keeps too much, if it does.
    fn too_large(&self, now: Time) -> Option<String> {
        let (tasks, marks, samples) = self.observer.kept();
        let samples = samples + self.images.totals().durations.len() as u64 + self.queue.len() as u64;
        let services = self.origins.len() as u64;
        let bytes = tasks * TASK_BYTES + marks * MARK_BYTES + samples * SAMPLE_BYTES + services * SERVICE_BYTES;
        (BYTES_MAX < bytes).then(|| {
            format!(
                "more than {} GiB of memory by {now}, for {tasks} tasks, {marks} marks, {services} services and {samples} \
                 samples: shorten `duration`, or let less happen",
                BYTES_MAX >> 30
            )
        })
    }

    /// What the outcome is made of. All else goes before that comes: ten million tasks weigh.
    fn remains(self) -> (Observer<'a>, Totals, u32, u64) {
        (self.observer, self.images.into_totals(), self.overlay.addresses_peak(), self.events)
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
            if self.joins.is_there(row) {
                self.manager.add_node(Time::ZERO, Arc::clone(&plan.spec), &mut self.commands);
                self.observe_eligible(Time::ZERO, row);
            } else {
                self.manager.expect_node(Time::ZERO, Arc::clone(&plan.spec), &mut self.commands);
            }
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
        self.workload.start(&mut self.queue);
        self.requests.start(&mut self.queue);
        self.joins.start(&mut self.queue);
        self.operators.start(&mut self.queue);
        self.scalers.start(&mut self.queue);
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
            Event::Managers(event) => self.managers.handle(&mut self.queue, event),
            Event::Requests(event) => {
                let replicas = match event {
                    requests::Event::Look(plan) => self.replicas(self.scenario.requests[plan as usize].service),
                    requests::Event::Request(_) => 0,
                };
                self.requests.handle(&mut self.queue, event, replicas, &self.links);
                self.pass_answers(now);
            }
            Event::Scaler(autoscaler::Event::Look(plan)) => self.look(now, plan as usize),
            Event::Scaler(autoscaler::Event::Provisioned { node, .. }) => {
                self.scalers.provisioned(node as usize);
                self.pass_scaling(now);
            }
            Event::Operator(turn) => self.operate(now, turn),
            Event::Join(event) => {
                let sessions = &self.sessions;
                self.joins.handle(&mut self.queue, event, self.managers.lead(), |node| sessions.breach[node].is_none());
                self.pass_joins(now);
            }
            Event::Gossip(round) => {
                let links = &self.links;
                self.gossip.handle(&mut self.queue, round, |one, other| links.apart(one, other).is_none());
                self.pass_heard(now);
                for (rounds, span) in self.gossip.told.drain(..) {
                    self.observer.told(rounds, span);
                }
            }
            Event::Rejoin { node, leader } => {
                if self.sessions.leader == leader && self.sessions.up[node as usize] {
                    self.call(now, node as usize);
                }
            }
            Event::Workload(event) => self.workload.handle(&mut self.queue, event),
            Event::Failure(turn) => match self.failures.handle(&mut self.queue, turn, &mut self.changes) {
                Some((Happening::Noticed, unit)) => {
                    self.observer.mark(now, "notice", format!("{} will fail", unit.name));
                    self.set_availability(now, &unit.nodes, Availability::Drain);
                }
                Some((happening, unit)) => {
                    let failed = happening == Happening::Failed;
                    if let Some((breach, process)) = self.failures.breach(turn) {
                        let kind = if failed { "network broken" } else { "network whole" };
                        self.observer.mark(now, kind, format!("{} {kind}", unit.name));
                        self.set_links(now, &unit.nodes, breach, Cause::process(process), failed);
                    } else {
                        self.power(now, failed, Some(&unit.name));
                    }
                    if happening == Happening::Repaired && self.failures.announces(turn) {
                        self.set_availability(now, &unit.nodes, Availability::Active);
                    }
                }
                None => {}
            },
            Event::Expired(expired) => {
                if self.sessions.stalled.is_some() {
                    self.sessions.expired.push(expired);
                } else {
                    self.expire(now, expired);
                }
            }
            Event::Lost(lost) => {
                if let Some(node) = self.heartbeats.lost(&mut self.queue, lost) {
                    self.agents.unanswered(&mut self.queue, node);
                }
            }
            Event::Deadline => {
                if self.armed == Some(now) {
                    self.armed = None;
                    if self.managers.lead() {
                        let answer = self.manager.handle(now, sched::Event::Deadline, &mut self.commands);
                        self.note_refusal(now, answer.map_err(|refusal| refusal.text));
                    }
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
            self.joins.awake(node, false);
            if up || self.joins.is_there(node) {
                self.observer.power(now, node, up);
            }
            self.sessions.up[node] &= up;
            let chance = part(entity(&self.scenario.nodes[node].spec.id), now.as_nanos());
            let boot = || self.scenario.models.daemon.boot.sample(&mut self.seeds.stream(Stream::ManagerBoot, chance));
            self.managers.power(&mut self.queue, node, up, boot);
            if up {
                self.agents.power_on(&mut self.queue, node);
            } else {
                self.agents.power_off(now, node);
                self.images.power_off(&mut self.queue, node, self.scenario.models.daemon.keep_cache);
                self.heartbeats.silent(&mut self.queue, node, false);
            }
        }
        self.changes = changes;
    }

    fn deploy(&mut self, now: Time, row: usize) {
        let plan = &self.scenario.services[row];
        if !self.managers.lead() {
            return self.observer.mark(now, "refused", format!("{}: {NO_LEADER}", plan.spec.name));
        }
        match self.manager.create_service(now, plan.spec.clone(), &mut self.commands) {
            Ok(id) => {
                assert_eq!(id.index(), self.origins.len(), "services come in rows");
                let entity = entity(&plan.spec.name);
                let load = self.loads.get(&row).copied();
                let (behaviour, quorum) = (plan.behaviour, plan.quorum);
                self.origins.push(Origin { entity, behaviour, quorum, load, job: None });
                self.services[row] = Some(id);
                if self.killed.contains(&row) {
                    self.victims.watch(id, plan.spec.mode.is_per_node());
                }
                self.observer.mark(now, "deploy", plan.spec.name.as_str());
            }
            Err(refusal) => self.observer.mark(now, "refused", format!("{}: {}", plan.spec.name, refusal.text)),
        }
    }

    /// Services and jobs come and go. Without a leader those who bring them try again until there is one.
    fn pass_orders(&mut self, now: Time) {
        let lead = self.managers.lead();
        for order in std::mem::take(&mut self.workload.orders) {
            match order {
                Order::Arrived(job) => {
                    self.observer.job_arrived(now, job);
                    self.jobs.push(None);
                }
                Order::Lost(job) => self.observer.job_lost(now, job),
                Order::Submit(_) if !lead => self.postponed.push(order),
                Order::Submit(job) => self.submit(now, job),
                Order::Remove(job) if !lead && self.jobs[job.row()].is_some() => self.postponed.push(order),
                Order::Remove(job) => {
                    self.observer.job_done(now, job);
                    if let Some(service) = self.jobs[job.row()].take() {
                        let answer = self.manager.remove_service(now, service, &mut self.commands);
                        self.note_refusal(now, answer.map_err(|refusal| refusal.text));
                    }
                }
            }
        }
    }

    fn submit(&mut self, now: Time, job: JobNo) {
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
        match self.manager.create_service(now, spec, &mut self.commands) {
            Ok(id) => {
                assert_eq!(id.index(), self.origins.len(), "services come in rows");
                self.origins.push(origin);
                self.jobs[job.row()] = Some(id);
                self.workload.submitted(&mut self.queue, job, completions);
            }
            Err(refusal) => {
                self.observer.mark(now, "refused", refusal.text);
                self.workload.over(job);
            }
        }
    }

    fn act(&mut self, now: Time, row: usize) {
        let scenario = self.scenario;
        let scripted = &scenario.script[row];
        self.observer.mark(now, "script", scripted.label.as_str());
        let is_order = !matches!(
            scripted.action,
            Action::Down(_)
                | Action::Up(_)
                | Action::Break(..)
                | Action::Mend(_)
                | Action::Restart(..)
                | Action::Slow(..)
                | Action::Weaken(..)
                | Action::Registry(_)
                | Action::Kill(..)
                | Action::Join(_)
        );
        if is_order && !self.managers.lead() {
            return self.note_refusal(now, Err(NO_LEADER.into()));
        }
        match &scripted.action {
            Action::Down(nodes) | Action::Up(nodes) => {
                let on = matches!(scripted.action, Action::Up(_));
                self.failures.switch(nodes, on, &mut self.changes);
                self.power(now, !on, None);
            }
            Action::Break(breach, nodes) => self.set_links(now, nodes, *breach, Cause::script(row), true),
            Action::Mend(nodes) => self.mend_links(now, nodes),
            Action::Restart(nodes, live) => {
                for &node in nodes {
                    self.agents.restart(&mut self.queue, node, *live);
                    self.joins.awake(node, false);
                    self.sessions.up[node] = false;
                    self.images.power_off(&mut self.queue, node, scenario.models.daemon.keep_cache);
                    self.heartbeats.silent(&mut self.queue, node, false);
                    self.observer.silent(now, node);
                    self.observer.back(now, node);
                }
            }
            Action::Weaken(nodes, weakness) => {
                for &node in nodes {
                    self.agents.weaken(node, *weakness);
                    self.heartbeats.weaken(&mut self.queue, node, *weakness);
                }
            }
            Action::Slow(nodes, factor) => nodes.iter().for_each(|&node| self.agents.slow(node, *factor)),
            Action::Kill(service, count) => self.kill(row, *service, *count),
            Action::Registry(answers) => self.images.switch(&mut self.queue, *answers),
            Action::Availability(nodes, availability) => self.set_availability(now, nodes, *availability),
            Action::Promote(nodes) | Action::Demote(nodes) => {
                let promote = matches!(scripted.action, Action::Promote(_));
                for &node in nodes {
                    let id = NodeId::from_index(node);
                    if !self.joins.is_there(node) {
                        self.note_refusal(now, Err(self.not_found(node)));
                        continue;
                    }
                    if promote {
                        let name = scenario.nodes[node].spec.id.as_str();
                        self.managers.promote(&mut self.queue, node, name, self.failures.is_up(node));
                        let links = &self.links;
                        self.managers.link(&mut self.queue, |node| links.side(node));
                    } else if let Err(refusal) = self.managers.demote(&mut self.queue, node) {
                        self.note_refusal(now, Err(refusal.into()));
                        continue;
                    }
                    let role = if promote { Role::Manager } else { Role::Worker };
                    let answer = self.manager.set_role(now, id, role, &mut self.commands);
                    self.note_refusal(now, answer.map_err(|refusal| refusal.text));
                }
            }
            Action::RemoveNode(nodes) => {
                for &node in nodes {
                    let answer = self.remove_node(now, node);
                    self.note_refusal(now, answer);
                }
            }
            Action::Join(nodes) => {
                nodes.iter().for_each(|&node| self.joins.begin(&mut self.queue, node));
                self.pass_joins(now);
            }
            Action::RotateToken(role) => self.joins.rotate(*role),
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
                let answer = self.service(*service).and_then(|id| {
                    self.services[*service] = None;
                    self.manager.remove_service(now, id, &mut self.commands).map_err(|refusal| refusal.text)
                });
                self.note_refusal(now, answer);
            }
        }
    }

    /// An operator changes a service, if it is there.
    fn operate(&mut self, now: Time, turn: operator::Turn) {
        let service = self.operators.service(turn);
        let replicas = self.replicas(service);
        let Some(order) = self.operators.handle(&mut self.queue, turn, replicas) else { return };
        if self.services[service].is_none() {
            return;
        }
        let name = &self.scenario.services[service].spec.name;
        let label = match order {
            operator::Order::Scale(_, to) => format!("{name} scaled to {to}"),
            operator::Order::Release(_, image) => format!("{name} to {image}"),
        };
        self.observer.mark(now, "operator", label);
        if !self.managers.lead() {
            return self.note_refusal(now, Err(NO_LEADER.into()));
        }
        match order {
            operator::Order::Scale(_, to) => {
                self.update(now, service, |spec| spec.mode = Mode::Replicated { replicas: to });
            }
            operator::Order::Release(_, image) => {
                self.update(now, service, |spec| spec.task.container.image = image.to_string());
            }
        }
    }

    /// Kills running containers of a service, chosen at random by a stream of the row of the script.
    fn kill(&mut self, row: usize, service: usize, count: u64) {
        let Some(id) = self.services[service] else { return };
        let slots = &self.manager.cluster().services()[id].slots;
        let mut rng = self.seeds.stream(Stream::Kill, row as u64);
        // A list of those that run, of which the last one takes the place of each that is taken out.
        let mut moved = BTreeMap::new();
        let running = self.victims.count(id);
        for last in (0..running).rev().take(usize::try_from(count).unwrap_or(usize::MAX)) {
            let place = rng.next_u64() % (last + 1);
            let taken = moved.get(&place).copied().unwrap_or(place);
            moved.insert(place, moved.get(&last).copied().unwrap_or(last));
            let Some((slot, number)) = self.victims.find(id, taken) else { continue };
            let chosen = slots.tasks_in(slot).filter(|it| self.runs(*it)).nth(number);
            let task = self.numbers[chosen.expect("it was counted").row()];
            self.agents.kill(&mut self.queue, task);
        }
    }

    fn runs(&self, task: TaskId) -> bool {
        self.manager.cluster().task(task).is_some_and(|it| it.state == TaskState::Running)
    }

    fn set_availability(&mut self, now: Time, nodes: &[usize], to: Availability) {
        if !self.managers.lead() {
            return self.note_refusal(now, Err(NO_LEADER.into()));
        }
        for &node in nodes {
            if !self.joins.is_there(node) {
                self.note_refusal(now, Err(self.not_found(node)));
                continue;
            }
            let answer = self.manager.set_availability(now, NodeId::from_index(node), to, &mut self.commands);
            self.note_refusal(now, answer.map_err(|refusal| refusal.text));
            self.observe_eligible(now, node);
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

fn killed(scenario: &Scenario) -> BTreeSet<usize> {
    let service = |action: &Action| if let Action::Kill(service, _) = action { Some(*service) } else { None };
    scenario.script.iter().filter_map(|it| service(&it.action)).collect()
}

/// The racks of the nodes by number, in order of the values of their label; nodes without one are in a rack together.
fn racks(scenario: &Scenario) -> Vec<usize> {
    let value = |node: &NodePlan| node.spec.labels.get(&scenario.models.registry.rack).cloned().unwrap_or_default();
    let values: Vec<String> = scenario.nodes.iter().map(value).collect();
    let rows: BTreeMap<&String, usize> =
        values.iter().collect::<BTreeSet<_>>().into_iter().enumerate().map(|(row, it)| (it, row)).collect();
    values.iter().map(|it| rows[it]).collect()
}

// Who leads.
impl World<'_> {
    fn pass_leadership(&mut self, now: Time) {
        for change in std::mem::take(&mut self.managers.changes) {
            match change {
                managers::Change::Majority(there) => {
                    self.observer.majority(now, there);
                    self.observer.mark(now, "managers", if there { "majority regained" } else { "majority lost" });
                }
                managers::Change::Stalled => self.stall(now),
                managers::Change::Resumed => self.resume(now),
                managers::Change::Vacant => {
                    if self.sessions.stalled.is_none() {
                        self.observer.leader(now, false);
                    }
                    self.observer.mark(now, "managers", "no leader");
                    self.end_sessions();
                }
                managers::Change::Elected(node) => {
                    if self.sessions.stalled.is_some() {
                        self.end_sessions();
                    }
                    self.observer.leader(now, true);
                    let name = &self.scenario.nodes[node].spec.id;
                    self.observer.mark(now, "managers", format!("{name} leads"));
                    if let Some(side) = self.links.side(node) {
                        self.follow(now, side);
                    }
                    self.lead(now);
                }
            }
        }
    }

    /// No leader has a session with anybody any more.
    fn end_sessions(&mut self) {
        self.armed = None;
        self.heartbeats.forget();
        self.sessions.close();
        self.sessions.stalled = None;
        self.sessions.called.fill(false);
        self.sessions.expired.clear();
    }

    /// A new leader takes over from what the store holds. Agents that are up call it, each after a random part of the
    /// longest back-off (SwarmKit `agent/agent.go`: 8 s).
    fn lead(&mut self, now: Time) {
        self.sessions.leader += 1;
        self.manager.change_leader(now, &mut self.commands);
        let leader = self.sessions.leader;
        for (node, plan) in self.scenario.nodes.iter().enumerate() {
            if !self.joins.is_there(node) {
                continue;
            }
            self.observe_eligible(now, node);
            if self.manager.cluster().nodes()[NodeId::from_index(node)].spec.state == NodeState::Unknown {
                self.heartbeats.unknown(&mut self.queue, node);
            }
            if self.sessions.up[node] {
                let chance = part(entity(&plan.spec.id), u64::from(leader));
                let span = self.scenario.models.managers.backoff.sample(&mut self.seeds.stream(Stream::Rejoin, chance));
                self.queue.after(span, Event::Rejoin { node: node as u32, leader });
            }
        }
        self.workload.orders.append(&mut self.postponed);
    }

    /// An agent registers.
    fn register(&mut self, now: Time, node: usize) {
        if self.joins.is_there(node) {
            self.sessions.up[node] = true;
            self.call(now, node);
        }
    }

    /// An agent calls the leader; one that can decide nothing notes it.
    fn call(&mut self, now: Time, node: usize) {
        if self.managers.lead() {
            self.rejoin(now, node);
        } else if self.sessions.stalled.is_some() {
            self.sessions.called[node] = true;
        }
    }

    /// An agent has a session with the leader. It says what it could not say before.
    fn rejoin(&mut self, now: Time, node: usize) {
        self.sessions.set(node, true);
        self.heartbeats.registered(&mut self.queue, node);
        self.observer.registered(now, node);
        let answer = self.manager.handle(now, sched::Event::NodeUp(NodeId::from_index(node)), &mut self.commands);
        self.note_refusal(now, answer.map_err(|refusal| refusal.text));
        self.observe_eligible(now, node);
        let mut held = std::mem::take(&mut self.sessions.held[node]);
        self.report(now, &mut held);
    }

    /// Keeps reports back whose agent has no session.
    fn hold(&mut self, reports: &mut Vec<sched::Event>) {
        reports.retain(|report| {
            let node = match &report {
                sched::Event::TaskStatus { task, .. } => self.manager.cluster().task(*task).and_then(|it| it.node),
                _ => None,
            };
            let closed = node.filter(|node| !self.sessions.open[node.index()]);
            if let Some(node) = closed {
                self.sessions.held[node.index()].push(report.clone());
            }
            closed.is_none()
        });
    }
}

// What one tells another.
impl World<'_> {
    /// Passes on commands, effects and addresses until there are none left, then waits for what the manager waits for.
    fn settle(&mut self, now: Time) {
        self.pass_leadership(now);
        while !(self.commands.is_empty()
            && self.granted.is_empty()
            && self.agents.effects.is_empty()
            && !self.overlay.has_ended()
            && self.images.pulled.is_empty()
            && self.images.failed.is_empty()
            && self.workload.orders.is_empty())
        {
            let mut commands = std::mem::take(&mut self.commands);
            for command in commands.drain(..) {
                self.obey(now, command);
            }
            if self.commands.capacity() == 0 {
                self.commands = commands;
            }
            if self.overlay.has_ended() {
                self.overlay.give_out(&mut self.granted);
            }
            for task in self.images.pulled.drain(..) {
                self.agents.pulled(&mut self.queue, task);
            }
            for (task, error) in std::mem::take(&mut self.images.failed) {
                self.agents.not_pulled(&mut self.queue, task, error);
            }
            self.pass_effects(now);
            self.pass_granted(now);
            self.pass_orders(now);
        }
        if self.managers.lead()
            && let Some(deadline) = self.manager.deadline()
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
                if let Some(quorum) = self.origins[id.index()].quorum {
                    self.observer.quorum(id.index(), quorum);
                }
            }
            Command::UpdateStatus(id, status) => self.observer.update_status(now, id.index(), status.as_deref()),
            Command::RemoveService(id) => {
                self.observer.service_removed(now, id.index());
                self.overlay.remove_service(id, &mut self.granted);
            }
            Command::Create { task, service, slot, desired } => {
                let number = self.observer.created(now, service.index(), slot, desired);
                self.ids.push(task);
                if self.numbers.len() <= task.row() {
                    self.numbers.resize(task.row() + 1, number);
                }
                self.numbers[task.row()] = number;
                if self.overlay.create(number, service) {
                    self.granted.push(Granted::Task(number));
                }
            }
            Command::Assign { task, node } => self.assign(now, task, node),
            Command::Desired { task, desired, .. } => {
                self.see(now, task);
                self.agents.desire(&mut self.queue, self.numbers[task.row()], desired);
            }
            Command::State { task, .. } | Command::Promote { task, .. } => self.see(now, task),
            // No policy of the list asks for it so far.
            Command::Pull { .. } => {}
            Command::Remove { task, .. } => {
                let number = self.numbers[task.row()];
                self.victims.forget(task);
                self.observer.removed(now, number);
                self.overlay.release(number);
                self.agents.remove(&mut self.queue, number);
            }
        }
    }

    fn assign(&mut self, now: Time, id: TaskId, node: NodeId) {
        let number = self.numbers[id.row()];
        self.observer.assigned(now, number, node);
        let node = node.index();
        // A record that is deleted by a later command of this call has nothing to say any more.
        let Some(task) = self.manager.cluster().task(id) else { return };
        let origin = self.origins[task.service.index()];
        let slot = match task.slot {
            sched::Slot::Number(number) => u64::from(number) << 1,
            sched::Slot::Spare(number) => 1 << 40 | u64::from(number) << 1,
            sched::Slot::Node(node) => (node.index() as u64) << 1 | 1,
        };
        let chance = part(part(origin.entity, slot), u64::from(task.instance));
        let mut rng = self.seeds.stream(Stream::Task, chance);
        let container = &task.spec.task.container;
        let mut behaviour = origin.behaviour;
        if !self.bad_images.is_empty()
            && let Some(exit) = self.bad_images.get(&Reference::name_of(&container.image))
        {
            behaviour.exit = Some(*exit);
        }
        let models = &self.scenario.models;
        let life = Life::draw(&models.daemon, &models.overlay, container, &behaviour, &mut rng);
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
        if !self.victims.is_empty() {
            self.victims.note(id, task.service, task.slot, task.state == TaskState::Running);
        }
        self.observer.seen(now, number, task.state, task.desired, task.error());
        if task.state.is_terminal() {
            self.overlay.release(number);
            self.images.release(number);
        } else {
            self.overlay.stirred(number, &mut self.granted);
        }
    }

    /// What happened on the nodes reaches the manager, the registry and the observer.
    fn pass_effects(&mut self, now: Time) {
        let mut effects = std::mem::take(&mut self.agents.effects);
        let mut reports = std::mem::take(&mut self.reports);
        for effect in effects.drain(..) {
            match effect {
                Effect::Pull(task, node) => {
                    let id = self.ids[task.row()];
                    let image = match self.manager.cluster().task(id) {
                        Some(record) => Arc::clone(&record.spec),
                        // The order to remove it is on its way.
                        None => continue,
                    };
                    self.observer.preparing(now, task);
                    self.images.pull(&mut self.queue, task, node, &image.task.container.image);
                }
                Effect::CancelPull(task, node) => self.images.cancel(&mut self.queue, task, node),
                Effect::Prepared(task) => self.observer.prepared(now, task),
                Effect::Started(task) => {
                    self.observer.started(now, task);
                    if let Some(origin) = self.origin_of(task) {
                        if let Some(job) = origin.job {
                            self.observer.job_started(now, job);
                        }
                        if let Some(load) = origin.load {
                            self.requests.started(now, load as usize, task, self.node_of(task).unwrap_or_default());
                        }
                    }
                    self.spread(now, task, true);
                }
                Effect::Leaving(task) => {
                    self.observer.leaving(now, task);
                    self.requests.leaving(now, task);
                    self.spread(now, task, false);
                }
                Effect::Ended(task) => {
                    self.observer.ended(now, task);
                    let lost = self.node_of(task).is_some_and(|it| !self.failures.is_up(it));
                    if self.requests.ended(now, task, lost) {
                        self.spread(now, task, false);
                    }
                    self.pass_answers(now);
                    self.images.release(task);
                }
                Effect::Registered(node) => {
                    self.joins.awake(node, true);
                    self.register(now, node);
                }
                Effect::Report { task, at, state, error } => {
                    if state.is_terminal() {
                        self.observer.noted_end(at, task);
                    }
                    let task = self.ids[task.row()];
                    reports.push(sched::Event::TaskStatus { task, state, error });
                }
            }
        }
        if self.agents.effects.capacity() == 0 {
            self.agents.effects = effects;
        }
        if self.sessions.closed > 0 {
            self.hold(&mut reports);
        }
        self.report(now, &mut reports);
        self.reports = reports;
    }

    /// Reports become known together.
    fn report(&mut self, now: Time, reports: &mut Vec<sched::Event>) {
        if !reports.is_empty() {
            let mut known = std::mem::take(&mut self.known);
            known.extend(reports.iter().map(|report| match report {
                sched::Event::TaskStatus { task, .. } => *task,
                _ => unreachable!("only reports are here"),
            }));
            // A report of a task whose record is deleted by now is refused, and nobody minds.
            let _ = self.manager.handle_all(now, reports.drain(..), &mut self.commands);
            for task in known.drain(..) {
                self.see(now, task);
                if let Some(record) = self.manager.cluster().task(task)
                    && record.state == TaskState::Complete
                    && let Some(job) = self.origins[record.service.index()].job
                {
                    self.workload.completed(job);
                }
            }
            self.known = known;
            self.overlay.give_out(&mut self.granted);
        }
    }

    /// A task serves or does not any more: its node tells the others.
    fn spread(&mut self, now: Time, task: TaskNo, serves: bool) {
        if self.scenario.models.gossip.interval.is_some()
            && let Some(node) = self.node_of(task)
        {
            let is_asked = self.origin_of(task).is_some_and(|it| it.load.is_some());
            self.gossip.news(&mut self.queue, node, is_asked.then_some(Subject { task, serves }));
            self.pass_heard(now);
        }
    }

    /// Nodes heard of endpoints.
    fn pass_heard(&mut self, now: Time) {
        for (it, node) in self.gossip.heard.drain(..) {
            self.requests.heard(now, it.task, it.serves, node);
        }
    }

    /// The node of a task.
    fn node_of(&self, task: TaskNo) -> Option<usize> {
        self.manager.cluster().task(self.ids[task.row()])?.node.map(Row::index)
    }

    /// Where the service of a task comes from.
    fn origin_of(&self, task: TaskNo) -> Option<Origin> {
        let task = self.manager.cluster().task(self.ids[task.row()])?;
        Some(self.origins[task.service.index()])
    }

    /// Replicas that a service of the scenario wants now.
    fn replicas(&self, row: usize) -> u64 {
        let service = self.services[row].and_then(|id| self.manager.cluster().service(id));
        match service.map(|it| it.spec.mode) {
            Some(Mode::Replicated { replicas }) => replicas,
            _ => 0,
        }
    }

    /// What became of requests, and what autoscalers want.
    fn pass_answers(&mut self, now: Time) {
        for answer in self.requests.answers.drain(..) {
            self.observer.answer(answer);
        }
        for (plan, to) in std::mem::take(&mut self.requests.scales) {
            let row = self.scenario.requests[plan].service;
            if self.managers.lead() && self.services[row].is_some() {
                self.observer.mark(now, "scale", format!("{} scaled to {to}", self.scenario.requests[plan].name));
                self.update(now, row, |spec| spec.mode = Mode::Replicated { replicas: to });
            }
        }
    }

    fn pass_granted(&mut self, now: Time) {
        for granted in self.granted.drain(..) {
            match granted {
                Granted::Task(task) => self.reports.push(sched::Event::Allocated(self.ids[task.row()])),
                Granted::Attachment(task) => self.agents.attached(task),
            }
        }
        if !self.reports.is_empty() {
            // An allocation may come when the task's record is deleted already.
            let _ = self.manager.handle_all(now, self.reports.drain(..), &mut self.commands);
        }
    }

    fn observe_eligible(&mut self, now: Time, node: usize) {
        let spec = &self.manager.cluster().nodes()[NodeId::from_index(node)].spec;
        let eligible = spec.state == NodeState::Ready && spec.availability == Availability::Active;
        self.observer.eligible(now, node, eligible);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: usize = 300;

    /// What a look at all nodes says.
    fn closed(sessions: &Sessions) -> usize {
        (0..NODES).filter(|it| sessions.there[*it] && !sessions.open[*it]).count()
    }

    #[test]
    fn nodes_that_return_are_looked_at_one_by_one() {
        let mut sessions = Sessions::new(NODES);
        for round in 0..3 {
            if round > 0 {
                assert_eq!(sessions.close().len(), NODES, "the leader changes");
            }
            for node in 0..NODES {
                sessions.set(node, false);
            }
            assert_eq!(sessions.closed, NODES);
            for node in 0..NODES {
                sessions.set(node, true);
                assert_eq!(sessions.closed, closed(&sessions));
            }
        }
        assert!(sessions.looks <= 8 * NODES, "{} looks", sessions.looks);
    }

    #[test]
    fn only_members_lack_a_session() {
        let mut sessions = Sessions::new(NODES);
        let mut rng = Seeds::of(1, 1).stream(Stream::Kill, 0);
        for _ in 0..5000 {
            let (node, open) = ((rng.next_u64() % NODES as u64) as usize, rng.next_u64().is_multiple_of(2));
            match rng.next_u64() % 100 {
                0 => drop(sessions.close()),
                1..40 => sessions.member(node, open),
                _ => sessions.set(node, open),
            }
            assert_eq!(sessions.closed, closed(&sessions));
        }
    }
}
