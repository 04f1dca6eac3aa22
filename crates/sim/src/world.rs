//! One run: the loop over events and facts, and the wiring of its two rooms.
//!
//! `control` is the manager and everybody who has to do with it, `fabric` the machines, their networks and what runs on
//! them. An event is handled by the model that it belongs to; what happens is told as [facts](crate::fact), of which each
//! goes to the observers, to the fabric and to control, in the order in which they were told. When nothing is left to be
//! taken, what became known together reaches the manager together, and what the manager decides is told in its turn. The
//! world itself decides nothing. [`Simulation`](crate::simulation::Simulation) is the way in from outside.

mod clients;
mod control;
mod door;
mod fabric;

use std::sync::Arc;

use sched::spec::{Labels, Mode};
use sched::{Span, Time};

use self::clients::Script;
use self::control::{Chronicle, Control};
use self::door::{Book, Door};
use self::fabric::Fabric;
use crate::digest::{Digest, Trace};
use crate::engine::rng::Seeds;
use crate::fact::{Context, Fact};
use crate::listen::Ear;
use crate::metrics::Outcome;
use crate::metrics::observer::Observer;
use crate::model::overlay::NetworkUse;
use crate::model::{
    agent, autoscaler, failure, gossip, heartbeat, image, join, managers, operator, requests, workload,
};
use crate::order::{Answer, Client, Order, Record};
use crate::refusal::{OVER, Refusal};
use crate::scenario::Scenario;
use crate::simulation::{File, StackBelongings};

/// A run that handles more events than this at one instant makes no progress, unless its cluster is so large that every
/// node and task has its events then.
const EVENTS_AT_ONCE_MAX: u64 = 1_000_000;
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

type Cx = Context<Event>;

/// Everything that can come to pass.
#[derive(Clone, Copy, Debug)]
enum Event {
    Agent(agent::AgentEvent),
    Image(image::ImageEvent),
    Failure(failure::Transition),
    Expired(heartbeat::Expired),
    Lost(heartbeat::Lost),
    Workload(workload::ArrivalEvent),
    Managers(managers::ElectionEvent),
    Gossip(gossip::Round),
    Requests(requests::RequestEvent),
    Join(join::JoinEvent),
    Operator(operator::OperatorEvent),
    Scaler(autoscaler::ScalerEvent),
    /// An agent calls the new leader, if that still leads.
    Rejoin {
        node: u32,
        leader: u32,
    },
    /// A record that a machine left behind may be given up.
    Ghost(u32),
    /// The manager's deadline, if it is still the one that was announced.
    Deadline,
    /// A row of the scenario's services is submitted.
    Deploy(u32),
    /// A manager looks for a leader on behalf of an order that waits.
    Hanging(u32),
    /// Nothing: somebody stops the run here to look at it.
    Pause,
    /// A row of the scenario's script is due.
    Script(u32),
    /// The condition of a row of the script is looked at from now on.
    Watch(u32),
    /// The turn of the next node of a row of the script has come.
    Paced(u32),
    WarmedUp,
    Sample,
    End,
}

const _: () = assert!(size_of::<Event>() <= 16, "events are moved a few times in their life");

macro_rules! part_of_event {
    ($($variant:ident($type:ty)),*) => {$(
        impl From<$type> for Event {
            fn from(event: $type) -> Event {
                Event::$variant(event)
            }
        }
    )*};
}
part_of_event!(
    Agent(agent::AgentEvent),
    Image(image::ImageEvent),
    Failure(failure::Transition),
    Expired(heartbeat::Expired),
    Lost(heartbeat::Lost),
    Workload(workload::ArrivalEvent),
    Managers(managers::ElectionEvent),
    Gossip(gossip::Round),
    Requests(requests::RequestEvent),
    Join(join::JoinEvent),
    Operator(operator::OperatorEvent),
    Scaler(autoscaler::ScalerEvent)
);

/// How a run ended.
#[derive(Clone, Debug)]
struct Ending {
    at: Time,
    /// Why it was given up, if it was.
    failed: Option<String>,
}

/// A run. A clone goes on as its original would.
#[derive(Clone)]
pub(crate) struct World {
    scenario: Arc<Scenario>,
    cx: Cx,
    control: Control,
    fabric: Fabric,
    observer: Observer,
    script: Script,
    book: Book,
    digest: Digest,
    trace: Trace,
    ear: Ear,
    events: u64,
    /// The time of the last event, and how many came before it at that time, of which there may be so many.
    instant: Time,
    at_once: u64,
    at_once_max: u64,
    /// [`BYTES_MAX`], but for tests.
    bytes_max: u64,
    /// The event before which something else is decided than would be.
    #[cfg(test)]
    pub(crate) flipped: Option<u64>,
    /// How the run ended, if it has.
    ending: Option<Ending>,
}

impl World {
    /// The scenario's cluster at its beginning. Fails if the strategy is unknown.
    pub fn new(scenario: &Arc<Scenario>, strategy: &str, replication: u32) -> Result<World, String> {
        World::heard(scenario, strategy, replication, Ear::default())
    }

    /// The same, with somebody who hears everything from the first instant on.
    pub fn heard(scenario: &Arc<Scenario>, strategy: &str, replication: u32, ear: Ear) -> Result<World, String> {
        let plan = scenario.plan(strategy);
        let scenario = &plan.turned(scenario);
        let seeds = Seeds::of(scenario.seed, replication);
        let control = Control::new(scenario, &plan, seeds)?;
        let fabric = Fabric::new(scenario, seeds, |node| control.is_there(node));
        let mut world = World {
            cx: Cx::new(),
            control,
            fabric,
            observer: Observer::new(Arc::clone(scenario), strategy, replication),
            script: Script::new(scenario),
            book: Book::default(),
            digest: Digest::NOTHING,
            trace: Trace::new(false),
            ear,
            events: 0,
            instant: Time::ZERO,
            at_once: 0,
            at_once_max: events_at_once_max(scenario),
            bytes_max: BYTES_MAX,
            #[cfg(test)]
            flipped: None,
            ending: None,
            scenario: Arc::clone(scenario),
        };
        world.start();
        Ok(world)
    }

    /// Runs to the end of the scenario. A run that makes no progress, or keeps too much, ends early, and its outcome says so.
    pub fn run(mut self) -> Outcome {
        while self.step() {}
        self.close()
    }

    /// Handles the next event. Says whether there is another: after the end of the scenario, or when the run is given up,
    /// there is none.
    pub fn step(&mut self) -> bool {
        if self.ending.is_some() {
            return false;
        }
        let Some((now, event)) = self.cx.pop() else { unreachable!("the end is scheduled") };
        if let Event::End = event {
            self.ending = Some(Ending { at: now, failed: None });
            return false;
        }
        self.events += 1;
        self.at_once = if now == self.instant { self.at_once + 1 } else { 0 };
        self.instant = now;
        let failed = if self.at_once_max < self.at_once {
            Some(self.no_progress(now))
        } else if EVENTS_MAX < self.events {
            Some(format!("more than {EVENTS_MAX} events by {now}"))
        } else if self.events.is_multiple_of(LOOK) {
            self.too_large(now)
        } else {
            None
        };
        if failed.is_some() {
            self.ending = Some(Ending { at: now, failed });
            return false;
        }
        #[cfg(test)]
        if self.flipped == Some(self.events) {
            // What no run of this program would decide.
            let node = self.scenario.nodes.len() - 1;
            let _ = self.control.set_availability(&mut self.cx, node, sched::spec::Availability::Drain);
        }
        self.dispatch(now, event);
        self.trace.note(&self.digest);
        true
    }

    /// A digest is kept after every event from here on. To be called before the first.
    pub fn trace_finely(&mut self) {
        self.trace = Trace::new(true);
    }

    /// The next event in words.
    pub fn next_event(&self) -> Option<String> {
        let (at, event) = self.cx.clone().pop()?;
        Some(format!("{event:?} at {at}"))
    }

    /// What keeps happening in a run in which time stands still.
    fn no_progress(&self, now: Time) -> String {
        let what = match self.observer.restarted_at(now) {
            Some((service, tasks)) => format!(
                "{tasks} tasks of service `{service}` were created: give its `restart.delay`, its `exits.after` or the steps \
                 of `[daemon]` some time"
            ),
            None => "what happens takes no time: give a time that is 0 a value".to_string(),
        };
        format!("more than {} events at {now}, the run makes no progress: {what}", self.at_once_max)
    }

    /// Why a run keeps too much, if it does.
    fn too_large(&self, now: Time) -> Option<String> {
        let (tasks, marks, samples) = self.observer.kept();
        let samples = samples + self.fabric.images.totals().durations.len() as u64 + self.cx.pending() as u64;
        let services = self.control.services_created() as u64;
        let bytes = tasks * TASK_BYTES + marks * MARK_BYTES + samples * SAMPLE_BYTES + services * SERVICE_BYTES;
        (self.bytes_max < bytes).then(|| {
            format!(
                "more than {} MiB of memory by {now}, for {tasks} tasks, {marks} marks, {services} services and {samples} \
                 samples: shorten `duration`, or let less happen",
                self.bytes_max >> 20
            )
        })
    }

    /// Handles everything that is due up to a time, and lets time pass until then.
    pub fn run_until(&mut self, time: Time) {
        let last = Time::ZERO + self.scenario.duration;
        while self.ending.is_none() && self.cx.next_at().is_some_and(|next| next <= time) {
            self.step();
        }
        if self.ending.is_none() && self.cx.now() < time && time < last {
            // What is pending is later, so this is the next event; it is not counted, and nobody hears of it.
            self.cx.at(time, Event::Pause);
            self.cx.pop();
        }
    }

    /// When the next event is due; nothing comes after the end.
    pub fn next_at(&self) -> Option<Time> {
        if self.ending.is_some() { None } else { self.cx.next_at() }
    }

    /// The time of the last event, or that until which the run was let run.
    pub fn now(&self) -> Time {
        self.ending.as_ref().map_or(self.cx.now(), |ending| ending.at)
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// What happened so far, in 128 bits.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What the run is about.
    pub fn scenario(&self) -> &Arc<Scenario> {
        &self.scenario
    }

    /// What came of the run.
    fn close(mut self) -> Outcome {
        let Ending { at, failed } = self.ending.take().expect("the run is over");
        let orders = self.book.rows(&self.scenario);
        let remedies = self.remedies(at);
        let ends: Vec<(Labels, u64)> = (0..self.scenario.nodes.len()).map(|node| self.node_end(node)).collect();
        let mut outcome = self.outcome(at, failed);
        outcome.orders = orders;
        for row in outcome.pending.iter_mut().filter(|row| row.open > 0) {
            let remedy = remedies.iter().find(|(service, _)| *service == row.service);
            row.remedy = remedy.map(|(_, words)| words.as_str().into()).unwrap_or_default();
        }
        for (row, (labels, images)) in outcome.nodes.iter_mut().zip(ends) {
            row.rack = labels.get("rack").cloned().unwrap_or_default();
            let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            (row.labels, row.images) = (labels.join(" "), images);
        }
        outcome
    }

    /// The smallest change that would place a task, for the first services of which tasks wait. Only in the first
    /// replication, and not where a copy of the manager, on which it is tried, costs too much.
    fn remedies(&self, now: Time) -> Vec<(String, String)> {
        /// Services, and tasks of the cluster at most.
        const SERVICES: usize = 5;
        const TASKS: usize = 50_000;
        let cluster = self.cluster();
        if self.observer.replication() != 1 || cluster.tasks().nth(TASKS).is_some() {
            return Vec::new();
        }
        let waits = |task: &sched::Task| task.found_no_node() && task.desired <= sched::DesiredState::Complete;
        let first =
            |service: &sched::cluster::Service| service.tasks().find(|id| cluster.task(*id).is_some_and(&waits));
        let waiting = cluster.services().iter().filter_map(|(_, service)| Some((service, first(service)?)));
        let name = |node: sched::NodeId| cluster.nodes()[node].spec.id.clone();
        let name_of = |service: sched::ServiceId| {
            cluster.services().get(service).map_or_else(String::new, |service| service.spec.name.clone())
        };
        let words = |(service, task): (&sched::cluster::Service, sched::TaskId)| {
            // The smallest, and the one that does most, if that is another.
            let tried = self.manager().remedies(now, task);
            let first = tried.first()?;
            let words = |tried: &sched::why::Tried| {
                let places = format!(" (places {} of {} that wait)", tried.placed, tried.waiting);
                tried.remedy.words(&name, &name_of) + &places
            };
            let most = tried.iter().max_by_key(|tried| tried.placed).filter(|most| most.remedy != first.remedy);
            let both = most.map_or_else(|| words(first), |most| format!("{}, or {}", words(first), words(most)));
            Some((service.spec.name.clone(), both))
        };
        waiting.take(SERVICES).filter_map(words).collect()
    }

    /// The labels of a node, and how many images it holds.
    fn node_end(&self, node: usize) -> (Labels, u64) {
        let labels = match self.control.is_there(node) {
            true => &self.cluster().nodes()[self.control.id(node)].spec.labels,
            false => &self.scenario.nodes[node].spec.labels,
        };
        (labels.clone(), self.fabric.images.held(node))
    }

    fn outcome(mut self, at: Time, failed: Option<String>) -> Outcome {
        // An order by hand may have come after the last event.
        let trace = std::mem::take(&mut self.trace).end(self.digest);
        if failed.is_some() {
            self.ear.end(at, || self.fabric.images.sent_by(at));
            let (observer, pulled, ..) = self.into_parts(at);
            return Outcome { trace, ..observer.give_up(at, pulled.sent, failed) };
        }
        self.script.close(&self.scenario, &mut self.cx);
        self.fabric.requests.settle(&mut self.cx);
        while let Some(fact) = self.cx.take_fact() {
            self.observer.see(at, &fact);
            self.ear.hear(at, &fact, || self.observer.counts());
        }
        self.ear.end(at, || self.fabric.images.sent_by(at));
        let (observer, pulled, addresses, events) = self.into_parts(at);
        Outcome { trace, ..observer.close(at, &pulled, addresses, events) }
    }

    /// What the outcome is made of. All else goes before that comes: ten million tasks weigh.
    fn into_parts(self, now: Time) -> (Observer, image::Totals, u32, u64) {
        let (totals, addresses_peak) = self.fabric.into_totals(now);
        (self.observer, totals, addresses_peak, self.events)
    }

    fn start(&mut self) {
        if self.control.wants_images() {
            self.fabric.images.watch();
        }
        self.control.found(&mut self.cx);
        self.settle(Time::ZERO);
        let World { scenario, cx, control, fabric, .. } = self;
        fabric.start(cx);
        // What is due at one instant happens in this order: deployments, script, counting.
        for (row, plan) in scenario.services.iter().enumerate() {
            cx.at(plan.at, Event::Deploy(row as u32));
        }
        Script::start(scenario, cx);
        if scenario.until.is_some() && scenario.warm_up == Span::ZERO {
            self.script.bound();
        }
        control.workload.start(cx);
        fabric.requests.start(cx);
        control.start(cx);
        if scenario.warm_up != Span::ZERO {
            cx.at(Time::ZERO + scenario.warm_up, Event::WarmedUp);
        }
        cx.at(Time::ZERO, Event::Sample);
        cx.at(Time::ZERO + scenario.duration, Event::End);
    }

    fn dispatch(&mut self, now: Time, event: Event) {
        let World { scenario, cx, control, fabric, .. } = self;
        match event {
            Event::Agent(event) => fabric.agents.handle(cx, event),
            Event::Image(event) => fabric.images.handle(cx, event),
            Event::Managers(event) => control.managers.handle(cx, event),
            Event::Requests(event) => {
                let replicas = match event {
                    requests::RequestEvent::Look(plan) => {
                        let service = scenario.requests[plan as usize].service;
                        control.replicas(&scenario.services[service].spec.name)
                    }
                    requests::RequestEvent::Request(_) => 0,
                };
                fabric.request(cx, event, replicas);
            }
            Event::Scaler(autoscaler::ScalerEvent::Look(plan)) => control.look(cx, plan as usize),
            Event::Scaler(autoscaler::ScalerEvent::Provisioned { node, .. }) => {
                cx.tell(Fact::MachineProvisioned(node as usize));
            }
            Event::Operator(turn) => self.door().operate(turn),
            Event::Join(event) => control.join(cx, event),
            Event::Gossip(round) => fabric.gossip(cx, round),
            Event::Rejoin { node, leader } => control.rejoin_due(cx, node as usize, leader),
            Event::Workload(event) => control.workload.handle(cx, event),
            Event::Failure(turn) => self.door().fail(turn),
            Event::Expired(expired) => control.expired(cx, expired),
            Event::Lost(lost) => {
                if let Some(node) = control.heartbeats.lost(cx, lost) {
                    fabric.agents.unanswered(cx, node);
                }
            }
            Event::Ghost(ghost) => control.give_up_ghost(cx, ghost),
            Event::Deadline => control.deadline(cx),
            Event::Deploy(row) => self.door().deploy(row),
            Event::Script(row) => {
                let mut script = std::mem::take(&mut self.script);
                self.door().script(&mut script, row);
                self.script = script;
            }
            Event::Watch(row) => self.script.watch(row),
            Event::Paced(number) => {
                let script = std::mem::take(&mut self.script);
                self.door().paced(&script, number);
                self.script = script;
            }
            Event::WarmedUp => {
                self.observer.warmed_up(now, fabric.images.totals_by(now));
                if scenario.until.is_some() {
                    self.script.bound();
                }
            }
            Event::Sample => {
                cx.tell(Fact::Sampled(fabric.images.sent_by(now)));
                if scenario.sample != Span::ZERO {
                    cx.after(scenario.sample, Event::Sample);
                }
            }
            Event::Hanging(waiting) => self.door().look_for_leader(waiting),
            Event::Pause => {}
            Event::End => unreachable!("the loop ends there"),
        }
        self.settle(now);
    }

    fn door(&mut self) -> Door<'_> {
        let World { cx, control, fabric, book, digest, .. } = self;
        Door { cx, control, fabric, book, digest }
    }

    /// Whoever drives the run orders something. After the end nothing is done any more.
    pub fn order(&mut self, order: Order) -> Answer {
        if self.ending.is_some() {
            return Err(Refusal::new(OVER));
        }
        let number = self.book.next_by_hand();
        let answer = self.door().order(Client::Hand, order, number);
        self.settle(self.cx.now());
        answer
    }

    /// What was ordered so far.
    pub fn orders(&self) -> &[Record] {
        self.book.records()
    }

    /// Takes facts until nothing more happens now.
    fn settle(&mut self, now: Time) {
        let World { scenario, cx, control, fabric, observer, script, book, digest, ear, .. } = self;
        loop {
            while let Some(fact) = cx.take_fact() {
                ear.hear_orders(book.records());
                if let Fact::Power { up: false, .. } = fact {
                    observer.before_loss(now, fabric.images.sent_by(now));
                }
                digest.see(now, &fact);
                observer.see(now, &fact);
                ear.hear(now, &fact, || observer.counts());
                script.see(&fact);
                fabric.take(cx, &fact, control.records());
                Door { cx, control, fabric, book, digest }.want(&fact);
                control.take(cx, fact, &fabric.links);
            }
            while let Some(node) = fabric.images.take_changed() {
                control.report_images(cx, node, fabric.images.missing(node));
            }
            let more = control.take_reports(cx)
                || fabric.give_out(cx)
                || control.take_allocated(cx)
                || control.tell_commands(cx);
            if !more {
                break;
            }
        }
        ear.hear_orders(book.records());
        script.look(scenario, cx, control);
        if script.is_over() && self.ending.is_none() {
            observer.ended_early(now);
            self.ending = Some(Ending { at: now, failed: None });
        }
        control.arm(cx);
    }
}

// What can be read.
impl World {
    /// The manager's tables.
    pub fn cluster(&self) -> &sched::Cluster {
        self.control.cluster()
    }

    /// The manager, to be asked.
    pub fn manager(&self) -> &sched::Manager {
        &self.control.manager
    }

    /// The placement of a task is written down.
    pub fn follow(&mut self, task: sched::TaskId) {
        self.control.manager.follow(task);
    }

    /// Row of the node that leads and can decide.
    pub fn leader(&self) -> Option<usize> {
        self.control.managers.leader().filter(|_| self.control.managers.lead())
    }

    /// Whether anybody can decide.
    pub fn is_led(&self) -> bool {
        self.control.managers.lead()
    }

    /// What a client hears that asks the managers for a list.
    pub fn asked(&self) -> Answer {
        door::asked(&self.control, self.cx.now())
    }

    /// Whether there is a swarm by now.
    pub fn is_founded(&self) -> bool {
        self.control.managers.is_founded()
    }

    /// Whether the leader reaches the manager on a node; `None` if there is none.
    pub fn is_reached(&self, node: usize) -> Option<bool> {
        self.control.managers.is_reached(node)
    }

    /// Whether a machine left members of Raft behind.
    pub fn left_managers(&self, node: usize) -> bool {
        self.control.managers.has_ghosts(node)
    }

    /// The roots of all chance of this run.
    pub fn seeds(&self) -> crate::engine::rng::Seeds {
        self.control.seeds()
    }

    /// When services and nodes were written.
    pub fn chronicle(&self) -> &Chronicle {
        &self.control.chronicle
    }

    /// What belongs to stacks, beside services.
    pub fn stacks(&self) -> Vec<StackBelongings> {
        self.control.belongings()
    }

    /// Configs and secrets that somebody created.
    pub fn files(&self) -> Vec<File> {
        self.control.files.all()
    }

    /// The machine that bears a name.
    pub fn machine_named(&self, name: &str) -> Option<usize> {
        self.control.machine_named(name)
    }

    /// The manager's id of a node.
    pub fn id(&self, node: usize) -> sched::NodeId {
        self.control.id(node)
    }

    /// The node that has or had an id.
    pub fn row(&self, id: sched::NodeId) -> usize {
        self.control.row(id)
    }

    /// Ids that nodes had before they left and joined again, in order.
    pub fn ghosts(&self) -> impl Iterator<Item = (sched::NodeId, usize)> + '_ {
        self.control.ghosts()
    }

    /// Whether the manager has a record of a node.
    pub fn is_there(&self, node: usize) -> bool {
        self.control.is_there(node)
    }

    /// Whether a machine has power.
    pub fn has_power(&self, node: usize) -> bool {
        self.control.has_power(node)
    }

    /// Whether the agent of a node has a session with the managers, as far as it knows.
    pub fn is_connected(&self, node: usize) -> bool {
        self.fabric.agents.is_connected(node)
    }

    /// The number of a task by which the models know it.
    pub fn number(&self, task: sched::TaskId) -> crate::fact::TaskNo {
        self.control.number(task)
    }

    /// What an agent is doing for a task.
    pub fn doing(&self, task: crate::fact::TaskNo) -> Option<agent::Doing> {
        self.fabric.agents.doing(task)
    }

    /// Containers with a process on a node, whoever knows of them.
    pub fn processes(&self, node: usize) -> usize {
        self.fabric.agents.processes(node)
    }

    /// Every overlay network.
    pub fn networks(&self) -> Vec<NetworkUse> {
        self.fabric.networks()
    }

    /// Virtual addresses of a service, by number of network.
    pub fn virtual_ips(&self, service: sched::ServiceId) -> Option<Vec<(usize, u32)>> {
        self.fabric.virtual_ips(service)
    }

    /// Addresses of a task, by number of network.
    pub fn addresses(&self, task: crate::fact::TaskNo) -> Vec<(usize, u32)> {
        self.fabric.addresses(task)
    }

    /// Images that are wholly on a node.
    pub fn images(&self, node: usize) -> Vec<&Arc<str>> {
        self.fabric.images.missing(node).filter(|(_, bytes)| *bytes == 0).map(|(name, _)| name).collect()
    }
}

fn events_at_once_max(scenario: &Scenario) -> u64 {
    let tasks = scenario.services.iter().map(|service| match service.spec.mode {
        Mode::Replicated { replicas } => replicas,
        Mode::ReplicatedJob { max_concurrent, .. } => max_concurrent,
        Mode::Global | Mode::GlobalJob => scenario.nodes.len() as u64,
    });
    let all = tasks.fold(scenario.nodes.len() as u64, u64::saturating_add);
    all.saturating_mul(EVENTS_EACH).max(EVENTS_AT_ONCE_MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_run_that_keeps_too_much_ends_with_a_message() {
        let scenario = "duration = \"876000h\"\n\
                        [[pool]]\nname = \"node\"\ncount = 1\n\
                        [[failure]]\nof = \"all\"\nmtbf = \"1h\"\nrepair = \"1m\"\n";
        let scenario = Arc::new(crate::scenario::parse(Path::new("failing.toml"), scenario).expect("it is right"));
        let mut world = World::new(&scenario, "spread", 1).expect("there is such a strategy");
        world.bytes_max = 4 << 20;
        let outcome = world.run();
        let failed = outcome.failed.expect("a century of failures takes more");
        assert!(failed.starts_with("more than 4 MiB of memory by ") && failed.contains(" marks"), "{failed}");
        assert!(outcome.marks.len() as u64 * MARK_BYTES <= 5 << 20, "{} marks", outcome.marks.len());
    }
}
