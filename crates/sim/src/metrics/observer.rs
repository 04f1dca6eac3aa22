//! Watches a run and counts. Every change costs O(1); integrals are exact, in whole nanoseconds.

mod balance;
mod close;
mod definitions;
mod history;
mod jobs;
mod losses;
mod services;
mod waits;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use sched::cluster::{UpdateState, UpdateStatus};
use sched::spec::{Mode, RestartCondition, ServiceSpec};
use sched::{DesiredState, NodeId, Row, Slot, Span, TaskState, Time};
use smol_str::SmolStr;

pub use self::definitions::{CLASS_METRICS, METRICS};

use self::balance::Balance;
use self::history::{Marks, Series};
use self::jobs::Jobs;
use self::losses::Losses;
use self::services::Tally;
use self::waits::Waits;
use self::window::Window;
use super::{Outcome, UpdateRow};
use crate::fact::{Fact, Reason, TaskNo, update_word};
use crate::model::image::Totals;
use crate::scenario::Scenario;

/// How long a cluster must be as wanted to have converged.
const HOLD: Span = Span::from_secs(30);

/// All that is counted in a run.
#[derive(Clone, Debug)]
pub struct Observer {
    scenario: Arc<Scenario>,
    services: Vec<Service>,
    nodes: Vec<Node>,
    slots: Vec<SlotCount>,
    tasks: Vec<Record>,
    /// Tasks that were spares before, and when they were not any more.
    promotions: BTreeMap<u32, Time>,
    /// CPU and memory for one task, of every specification in turn.
    reservations: Vec<(u64, u64)>,
    /// Image of every specification in turn, and its number among those of its service.
    specifications: Vec<(SmolStr, u32)>,
    /// Every error text that a task ever had; the first is none.
    errors: Vec<Option<Arc<str>>>,
    error_rows: BTreeMap<Arc<str>, u32>,
    /// Those that the waiting tasks of a version of a service have in common.
    shared_error_rows: BTreeMap<(u32, u64), u32>,
    outcome: Outcome,
    marks: Marks,
    series: Series,
    /// What starts anew at the end of the warm-up.
    window: Window,
    jobs: Jobs,
    losses: Losses,
    balance: Balance,
    waits: Waits,
    /// Bytes that the registry had sent when a machine lost power first after the first convergence and the warm-up.
    sent_before: Option<u64>,
    // Counts of now.
    running: u64,
    believed: u64,
    /// Whether a count of the series may be another than when it was told last.
    is_stirred: bool,
    /// Services that have not exactly as many running tasks as they want.
    unsettled: u64,
    // Counts since the last scripted event, as times from it.
    since_script: SinceScript,
    /// When the managers lost their majority first.
    majority_lost: Option<Time>,
    /// Since when there is a majority but no leader.
    vacant: Option<Time>,
    /// Whether the leader does not reach a majority.
    stalled: bool,
    // Convergence.
    last_deploy: Time,
    last_event: Time,
    first_settled: Option<Time>,
    /// Since when all services have what they want, if they have.
    settled: Option<Time>,
    /// Nodes that the manager knows to be down and that are on their way back.
    returning: u64,
    /// Since when services have what they want and nobody is on the way back, if that is so.
    calm: Option<Time>,
    converged: Option<Time>,
    /// When the condition held that ends the run.
    ended_early: Option<Time>,
}

/// What came to pass since the last scripted event.
#[derive(Clone, Debug, Default)]
struct SinceScript {
    at: Option<Time>,
    created: Mean,
    ready: Mean,
    running: Mean,
    ended: Mean,
    removed: Mean,
}

impl SinceScript {
    /// The time from the event to `now`, if that is not earlier.
    fn passed(&self, now: Time) -> Option<Span> {
        self.at.filter(|&at| at <= now).map(|at| now - at)
    }
}

#[derive(Clone, Debug)]
struct Service {
    name: String,
    /// Of a replicated service.
    replicas: Option<u64>,
    /// Whether a task of it that ends well is not started again, and slots that are done for that reason.
    is_one_shot: bool,
    done: u64,
    /// Tasks that shall run and have not ended; of a service whose slots are nodes: slots with such tasks.
    tasks: u64,
    /// For each of those slots, how many there are: two, while a start-first update replaces one by the other.
    wanted: Vec<u16>,
    running: u64,
    /// Whether its slots are nodes.
    is_per_node: bool,
    /// Rows of its slots and one more, by their number or that of their node: both have no gaps. None is 0.
    slots: Vec<u32>,
    /// The same for spares.
    spares: Vec<u32>,
    /// Row of what its newest task reserves.
    reservation: u32,
    /// How many specifications it had.
    specifications: u32,
    update: Option<UpdateState>,
    /// Updates that began, when the last did, and when it ended.
    updates: u64,
    update_began: Time,
    update_ended: Option<Time>,
    /// Running tasks that it needs, if it says so.
    quorum: Option<u64>,
    created: Time,
}

/// What every task touches stands in the first line.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
struct Node {
    running: u64,
    running_max: u64,
    cpu_reserved: u64,
    memory_reserved: u64,
    cpu_reserved_max: u64,
    memory_reserved_max: u64,
    /// Since when its agent is silent, if it is.
    silent: Option<Time>,
    /// Whether it has power, is in the cluster, and can be given tasks.
    up: bool,
    there: bool,
    eligible: bool,
    /// Whether the manager marked it down, and whether it is on its way back then.
    detected: bool,
    returning: bool,
    cpu: u64,
    memory: u64,
    rack: Option<Arc<str>>,
    /// When it last lost power.
    lost: Time,
    /// Since when its agent could call again.
    back: Option<Time>,
    down: u64,
}

/// A place that tasks stand for, one after the other.
#[derive(Clone, Debug)]
struct SlotCount {
    service: u32,
    /// Its number, or that of its node.
    place: u32,
    node: Option<NodeId>,
    /// Its newest task.
    last: u32,
    /// Containers that live.
    alive: u16,
    /// Whether its last task with a node was stopped by the manager, and none was given to a node since.
    stopped: bool,
    /// Whether its tasks are spares, which nobody wants to run so far.
    is_spare: bool,
    /// Whether its task ended well and is not started again.
    is_done: bool,
    /// When its replica was lost with its machine, until another runs.
    lost: Once,
}

/// A time that may not have come yet, in half the room of an option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Once(Time);

impl Once {
    const NOT_YET: Once = Once(Time::from_nanos(u64::MAX));

    fn get(self) -> Option<Time> {
        (self != Once::NOT_YET).then_some(self.0)
    }
    /// It is now, unless it was before.
    fn set(&mut self, now: Time) {
        if *self == Once::NOT_YET {
            *self = Once(now);
        }
    }
    fn take(&mut self) -> Option<Time> {
        std::mem::replace(self, Once::NOT_YET).get()
    }
}

#[derive(Clone, Debug)]
struct Record {
    slot: u32,
    node: Option<NodeId>,
    /// Row of what it reserves.
    reservation: u32,
    /// Row of its error text.
    error: u32,
    created: Time,
    assigned: Once,
    /// When its container was created; until it is, when its image was asked for.
    ready: Once,
    running: Once,
    ended: Once,
    state: TaskState,
    desired: DesiredState,
    is_ready: bool,
    serves: bool,
    alive: bool,
    /// Whether its container ended while it served, which nobody had asked for.
    ended_alone: bool,
    holds: bool,
    gone: bool,
}

const _: () = assert!(size_of::<Record>() == 64 && size_of::<SlotCount>() == 32, "there is one for every task");

impl Record {
    fn is_wanted(&self) -> bool {
        !self.gone && self.desired <= DesiredState::Complete && !self.state.is_terminal()
    }
    fn is_pending(&self) -> bool {
        !self.gone && self.state == TaskState::Pending
    }
    fn is_believed(&self) -> bool {
        !self.gone && self.state == TaskState::Running && self.desired <= DesiredState::Complete
    }
}

/// The mean of samples, and the largest.
#[derive(Clone, Debug, Default)]
struct Mean {
    count: u64,
    /// Nanoseconds.
    sum: u128,
    max: Span,
}

impl Mean {
    fn add(&mut self, sample: Span) {
        self.count += 1;
        self.sum += u128::from(sample.as_nanos());
        self.max = self.max.max(sample);
    }
    /// In seconds, if there are samples.
    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / 1e9 / self.count as f64)
    }
    fn max(&self) -> Option<f64> {
        (self.count > 0).then(|| self.max.as_secs_f64())
    }
}

impl Extend<Span> for Mean {
    fn extend<T: IntoIterator<Item = Span>>(&mut self, samples: T) {
        samples.into_iter().for_each(|sample| self.add(sample));
    }
}

/// The integral of a number over time, and its maximum.
#[derive(Clone, Debug, Default)]
struct Area {
    value: u64,
    max: u64,
    since: Time,
    sum: u128,
}

impl Area {
    /// Counts from `now` on.
    fn begin(now: Time, value: u64) -> Area {
        Area { value, max: value, since: now, sum: 0 }
    }
    #[inline]
    fn set(&mut self, now: Time, value: u64) {
        // Most counts of a service stay as they are when another one changes.
        if value == self.value {
            return;
        }
        self.sum += u128::from((now - self.since).as_nanos()) * u128::from(self.value);
        self.since = now;
        self.value = value;
        self.max = self.max.max(value);
    }
    fn add(&mut self, now: Time, change: i64) {
        self.set(now, self.value.checked_add_signed(change).expect("a count is not negative"));
    }
    /// Value times nanoseconds.
    fn total(&self, now: Time) -> u128 {
        self.sum + u128::from((now - self.since).as_nanos()) * u128::from(self.value)
    }
    /// Counts from `since` on, a time from which on the value was what it is.
    fn rebase(&mut self, since: Time, now: Time) {
        *self = Area::begin(now, self.value);
        self.sum = u128::from((now - since).as_nanos()) * u128::from(self.value);
    }
}

// What happens.
impl Observer {
    /// Nothing happened yet; every node has power and the manager knows it as the scenario says.
    pub fn new(scenario: Arc<Scenario>, strategy: &str, replication: u32) -> Self {
        let total = |amount: i64| u64::try_from(amount).unwrap_or(0);
        let node = |plan: &crate::scenario::NodePlan| {
            let resources = plan.spec.description.as_ref().map(|description| &description.resources);
            Node {
                cpu: resources.map_or(0, |resources| total(resources.nano_cpus)),
                memory: resources.map_or(0, |resources| total(resources.memory)),
                rack: plan.spec.labels.get("rack").map(|rack| rack.as_str().into()),
                there: true,
                up: true,
                lost: Time::ZERO,
                silent: None,
                back: None,
                down: 0,
                eligible: false,
                detected: false,
                returning: false,
                running: 0,
                running_max: 0,
                cpu_reserved: 0,
                memory_reserved: 0,
                cpu_reserved_max: 0,
                memory_reserved_max: 0,
            }
        };
        let within = |at: &Time| *at <= Time::ZERO + scenario.duration;
        let last_deploy = scenario.services.iter().map(|service| service.at).filter(within).max().unwrap_or_default();
        // When conditions will hold nobody knows: events that wait for one do not count.
        let timed = || scenario.script.iter().filter(|event| event.wait.is_none()).map(|event| event.at);
        let last_script = timed().filter(within).max();
        Observer {
            services: Vec::new(),
            nodes: scenario.nodes.iter().map(node).collect(),
            slots: Vec::new(),
            tasks: Vec::new(),
            promotions: BTreeMap::new(),
            reservations: Vec::new(),
            specifications: Vec::new(),
            errors: vec![None],
            error_rows: BTreeMap::new(),
            shared_error_rows: BTreeMap::new(),
            outcome: Outcome { strategy: strategy.into(), replication, ..Outcome::default() },
            window: Window {
                members: Area::begin(Time::ZERO, scenario.nodes.len() as u64),
                running_min: u64::MAX,
                ..Window::default()
            },
            jobs: Jobs::new(scenario.arrivals.len()),
            marks: Marks::default(),
            series: Series::default(),
            losses: Losses::default(),
            waits: Waits::default(),
            balance: Balance::default(),
            sent_before: None,
            majority_lost: None,
            vacant: None,
            stalled: false,
            running: 0,
            believed: 0,
            is_stirred: false,
            unsettled: 0,
            since_script: SinceScript { at: last_script, ..SinceScript::default() },
            last_deploy,
            last_event: last_deploy.max(last_script.unwrap_or_default()),
            first_settled: None,
            settled: Some(Time::ZERO),
            returning: 0,
            calm: Some(Time::ZERO),
            converged: None,
            ended_early: None,
            scenario,
        }
    }

    /// Something happened.
    pub fn see(&mut self, now: Time, fact: &Fact) {
        self.marks.see(now, fact);
        match fact {
            Fact::Service { service, spec, quorum } => self.service(now, service.index(), spec, *quorum),
            Fact::ServiceRemoved(service) => self.service_removed(now, service.index()),
            Fact::UpdateStatus(service, status) => self.update_status(now, service.index(), status.as_deref()),
            Fact::TaskCreated { service, slot, desired, .. } => {
                self.created(now, service.index(), *slot, *desired);
            }
            Fact::TaskPromoted(task, slot) => self.promoted(now, *task, *slot),
            Fact::TaskAssigned(task, node) => self.assigned(now, *task, NodeId::from_index(*node)),
            Fact::TasksExplained { service, version, text } => {
                let row = self.shared_error_row(service.index() as u32, *version);
                self.waits.account(now, service.index() as u32, row, self.errors[row as usize].as_ref());
                self.errors[row as usize] = Some(text.clone());
            }
            Fact::TaskRecord { task, state, desired, reason } => {
                self.recorded(now, *task, *state, *desired, reason);
            }
            Fact::TaskRemoved(task) => self.removed(now, *task),
            Fact::NodeEligible(node, eligible) => self.eligible(now, *node, *eligible),
            Fact::NodeDetected(node) => self.detected(now, *node),
            Fact::NodeRegistered(node) => self.registered(now, *node),
            Fact::NodeMember(node, there) => self.member(now, *node, *there),
            Fact::Ghost(_, there) => self.window.members.add(now, if *there { 1 } else { -1 }),
            Fact::Majority(there) => self.majority(now, *there),
            Fact::LeaderStalled => {
                self.stalled = true;
                self.leader(now, false);
            }
            Fact::LeaderResumed => self.resumed(now),
            Fact::LeaderLost => {
                // One that had stalled led nobody any more.
                let led = !std::mem::take(&mut self.stalled);
                led.then(|| self.leader(now, false));
            }
            Fact::LeaderElected(_) => {
                self.stalled = false;
                self.leader(now, true);
            }
            Fact::Power { node, up } => self.power(now, *node, *up),
            Fact::EngineRestarted(node) => {
                self.silent(now, *node);
                self.back(now, *node);
            }
            Fact::Unreachable(node, _) | Fact::AgentGone(node) | Fact::NodeLeft(node) => self.silent(now, *node),
            Fact::Reachable(node) | Fact::AgentBack(node) => self.back(now, *node),
            Fact::ImageWanted(task, _) => self.preparing(now, *task),
            Fact::Prepared(task) => self.prepared(now, *task),
            Fact::Started(task) => self.started(now, *task),
            Fact::Leaving(task) => self.leaving(now, *task),
            Fact::Ended(task) => self.ended(now, *task),
            Fact::Reported { task, at, state, .. } if state.is_terminal() => self.noted_end(*at, *task),
            Fact::NewsSpread(rounds, span) => self.told(*rounds, *span),
            Fact::Sampled(sent) => self.series.end(now, *sent),
            Fact::RequestServed(span) => self.window.served.push(*span),
            Fact::RequestFailed => self.window.unanswered += 1,
            Fact::JobArrived(job, class) => self.jobs.arrived(now, *job, *class),
            Fact::JobLost(job) => self.jobs.lost(now, *job),
            Fact::JobStarted(job, node) => self.jobs.started(now, *job, *node),
            Fact::JobDone(job) => self.jobs.done(now, *job),
            Fact::JobAbandoned(job) => self.jobs.abandoned(now, *job),
            // Nothing is counted of it.
            _ => return,
        }
        if !std::mem::take(&mut self.is_stirred) {
            return;
        }
        let counts = self.counts();
        self.series.set(now, counts);
    }

    /// Desired, running, believed and pending tasks, and nodes that are down, as they are now.
    pub fn counts(&self) -> [u64; 5] {
        let Observer { window, running, believed, .. } = self;
        [window.wanted.value, *running, *believed, window.pending.value, window.down.value]
    }

    /// A machine is about to lose power; the registry has sent so many bytes so far.
    ///
    /// This is a call beside the stream of facts because it is a reading of a gauge, not something that happened: who tells
    /// that a machine loses power is its failure, a script or a hand, and none of them knows the registry. A fact with the
    /// number would also put it into the digest of every run, where it says nothing that its pulls did not say before.
    pub fn before_loss(&mut self, now: Time, sent: u64) {
        self.note_settled(now);
        if self.first_settled.is_some() {
            self.sent_before.get_or_insert(sent);
        }
    }

    /// Which replication it observes, from 1.
    pub fn replication(&self) -> u32 {
        self.outcome.replication
    }

    /// How many tasks, marks and samples are kept.
    pub fn kept(&self) -> (u64, u64, u64) {
        let samples =
            self.window.served.len() + self.window.failovers.len() + self.window.rounds.len() + self.series.samples();
        let samples = samples + self.jobs.samples();
        (self.tasks.len() as u64, (self.marks.0.len() + self.outcome.updates.len()) as u64, samples as u64)
    }

    /// The service whose tasks were created most often at this instant, and how often, if any was replaced there.
    pub fn restarted_at(&self, now: Time) -> Option<(&str, usize)> {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        for task in self.tasks.iter().rev().take_while(|task| task.created == now) {
            *counts.entry(self.slots[task.slot as usize].service).or_default() += 1;
        }
        let (service, count) = counts.into_iter().max_by_key(|count| count.1)?;
        (count > 1).then(|| (self.services[service as usize].name.as_str(), count))
    }

    /// A service (rows in order of creation) exists, or wants something else.
    fn service(&mut self, now: Time, service: usize, spec: &ServiceSpec, quorum: Option<u64>) {
        if service == self.services.len() {
            self.window.enough.push(Area::default());
            if service < services::MOST {
                self.window.tallies.push(Tally::new(now, spec.mode.is_job()));
            }
            self.services.push(Service {
                name: spec.name.clone(),
                replicas: None,
                is_one_shot: false,
                done: 0,
                tasks: 0,
                wanted: Vec::new(),
                running: 0,
                is_per_node: spec.mode.is_per_node(),
                slots: Vec::new(),
                spares: Vec::new(),
                reservation: 0,
                specifications: 0,
                update: None,
                updates: 0,
                update_began: now,
                update_ended: None,
                quorum,
                created: now,
            });
        }
        let amount = |amount: i64| u64::try_from(amount).unwrap_or(0);
        let wants = &spec.task.reservations;
        self.reservations.push((amount(wants.nano_cpus), amount(wants.memory)));
        self.services[service].reservation = self.reservations.len() as u32 - 1;
        self.services[service].specifications += 1;
        let image = spec.task.container.image.as_str().into();
        self.specifications.push((image, self.services[service].specifications));
        let policy = spec.task.restart.unwrap_or_default();
        self.services[service].is_one_shot = policy.condition != RestartCondition::Any;
        let replicas = match spec.mode {
            Mode::Replicated { replicas } => Some(replicas),
            _ => None,
        };
        self.change(now, service, |service| service.replicas = replicas);
    }

    /// A majority of the managers is up, or is not.
    fn majority(&mut self, now: Time, there: bool) {
        self.window.minority.set(now, u64::from(!there));
        if there {
            self.vacant = Some(now);
        } else {
            self.majority_lost.get_or_insert(now);
            self.window.majority_losses += 1;
            self.vacant = None;
        }
    }

    /// Somebody leads, or nobody.
    fn leader(&mut self, now: Time, there: bool) {
        self.window.leaderless.set(now, u64::from(!there));
        if !there {
            self.vacant = (self.window.minority.value == 0).then_some(now);
        } else if let Some(since) = self.vacant.take() {
            self.window.elections.add(now - since);
        }
    }

    /// The leader goes on: there was no election.
    fn resumed(&mut self, now: Time) {
        if !std::mem::take(&mut self.stalled) {
            return;
        }
        self.window.leaderless.set(now, 0);
        self.vacant = None;
    }

    /// A piece of news reached every node.
    fn told(&mut self, rounds: u32, span: Span) {
        self.window.rounds.push(rounds);
        self.window.told.add(span);
    }

    /// A service is removed.
    fn service_removed(&mut self, now: Time, service: usize) {
        self.change(now, service, |service| service.replicas = service.replicas.map(|_| 0));
    }

    /// The manager created a task of a service as it is now.
    fn created(&mut self, now: Time, service: usize, slot: Slot, desired: DesiredState) -> TaskNo {
        let (row, is_new) = self.slot(service, slot);
        let is_spare = matches!(slot, Slot::Spare(_));
        self.window.created += 1;
        if !is_new && !is_spare && self.is_restart(row, service) {
            self.window.count_restart(service);
        }
        let number = self.tasks.len() as u32;
        self.slots[row as usize].last = number;
        if std::mem::take(&mut self.slots[row as usize].is_done) {
            self.change(now, service, |service| service.done -= 1);
        }
        let owner = &self.services[service];
        self.tasks.push(Record {
            slot: row,
            node: None,
            reservation: owner.reservation,
            error: 0,
            created: now,
            assigned: Once::NOT_YET,
            ready: Once::NOT_YET,
            running: Once::NOT_YET,
            ended: Once::NOT_YET,
            state: TaskState::New,
            desired,
            is_ready: false,
            serves: false,
            alive: false,
            ended_alone: false,
            holds: false,
            gone: false,
        });
        if !is_spare {
            self.since_script.created.extend(self.since_script.passed(now));
            self.want(now, row, true);
        }
        TaskNo(number)
    }

    /// Whether a task that is created now in a slot stands in for one that came to its end, or whose node is not fit for it any
    /// more. What an update replaces could have run on; a slot that was given up and taken again begins anew.
    fn is_restart(&self, slot: u32, service: usize) -> bool {
        let before = &self.tasks[self.slots[slot as usize].last as usize];
        let is_same_version = before.reservation == self.services[service].reservation;
        let is_fit = |node: NodeId| self.nodes[node.index()].eligible;
        match before.state {
            _ if before.desired == DesiredState::Remove => false,
            // A job that is run again.
            TaskState::Complete => is_same_version,
            state if state.is_terminal() => true,
            _ => is_same_version || before.node.is_some_and(|node| !is_fit(node)),
        }
    }

    /// The row of a slot, and whether it had no task so far.
    fn slot(&mut self, service: usize, slot: Slot) -> (u32, bool) {
        let owner = &mut self.services[service];
        let (rows, place, is_spare) = match slot {
            Slot::Number(number) => (&mut owner.slots, number as usize, false),
            Slot::Node(node) => (&mut owner.slots, node.index(), false),
            Slot::Spare(number) => (&mut owner.spares, number as usize, true),
        };
        if rows.len() <= place {
            rows.resize(place + 1, 0);
        }
        let is_new = rows[place] == 0;
        if is_new {
            self.slots.push(SlotCount {
                service: service as u32,
                place: place as u32,
                node: None,
                last: u32::MAX,
                alive: 0,
                stopped: false,
                is_spare,
                is_done: false,
                lost: Once::NOT_YET,
            });
            rows[place] = self.slots.len() as u32;
        }
        (rows[place] - 1, is_new)
    }

    /// A spare takes a slot: from here on it is a task of it as any other.
    fn promoted(&mut self, now: Time, task: TaskNo, slot: Slot) {
        let service = self.slots[self.tasks[task.row()].slot as usize].service as usize;
        let (row, _) = self.slot(service, slot);
        self.promotions.insert(task.0, now);
        let node = self.tasks[task.row()].node;
        let slot = &mut self.slots[row as usize];
        slot.last = task.0;
        let moves = std::mem::take(&mut slot.stopped);
        if let Some(node) = node {
            let before = slot.node.replace(node);
            let is_other = before.is_some_and(|before| before != node);
            self.window.count_move(service, moves && is_other, is_other);
        }
        if self.tasks[task.row()].holds {
            self.spare(now, task, false);
        }
        self.rewrite(now, task, |record| record.slot = row);
        if self.tasks[task.row()].is_wanted() {
            self.want(now, row, true);
        }
    }

    /// The manager gave a task to a node.
    fn assigned(&mut self, now: Time, task: TaskNo, node: NodeId) {
        let record = &mut self.tasks[task.row()];
        record.assigned = Once(now);
        record.node = Some(node);
        record.holds = true;
        let slot = &mut self.slots[record.slot as usize];
        let (before, was_stopped) = (slot.node.replace(node), std::mem::take(&mut slot.stopped));
        let (service, is_spare) = (slot.service as usize, slot.is_spare);
        let is_other = before.is_some_and(|before| before != node);
        self.window.count_move(service, was_stopped && is_other, is_other && !is_spare);
        let (cpu, memory) = self.reservations[record.reservation as usize];
        let node = &mut self.nodes[node.index()];
        node.cpu_reserved += cpu;
        node.memory_reserved += memory;
        node.cpu_reserved_max = node.cpu_reserved_max.max(node.cpu_reserved);
        node.memory_reserved_max = node.memory_reserved_max.max(node.memory_reserved);
        self.window.cpu.set(now, self.window.cpu.value + cpu);
        self.window.memory.set(now, self.window.memory.value + memory);
        if is_spare {
            self.spare(now, task, true);
        }
    }

    /// A task with a node is a spare from now on, or not any more.
    fn spare(&mut self, now: Time, task: TaskNo, is_spare: bool) {
        let record = &self.tasks[task.row()];
        let (cpu, memory) = self.reservations[record.reservation as usize];
        let service = self.slots[record.slot as usize].service as usize;
        self.window.count_spare(now, service, is_spare, cpu, memory);
    }

    /// The manager's record of a task says this now.
    fn recorded(&mut self, now: Time, task: TaskNo, state: TaskState, desired: DesiredState, reason: &Reason) {
        let record = &self.tasks[task.row()];
        let error = match reason {
            Reason::None => 0,
            // The text that a task has already is not looked for again.
            Reason::Own(text) if self.error_rows.get(text) == Some(&record.error) => record.error,
            Reason::Own(text) => self.error_row(text),
            Reason::Shared { version } => self.shared_error_row(self.slots[record.slot as usize].service, *version),
        };
        let record = &self.tasks[task.row()];
        if record.state == state && record.desired == desired && record.error == error {
            return;
        }
        let (slot, node, starts) =
            (record.slot as usize, record.node, state == TaskState::Running && record.state < state);
        if record.desired <= DesiredState::Complete && desired == DesiredState::Shutdown {
            // What was nowhere moves nothing.
            if let Some(node) = node {
                let is_stopped = self.nodes[node.index()].silent.is_none() && !state.is_terminal();
                let slot = &mut self.slots[slot];
                if slot.node == Some(node) {
                    // If two live, its successor came first, to the same node.
                    slot.stopped = is_stopped && slot.alive < 2;
                } else if is_stopped {
                    let service = slot.service as usize;
                    self.window.count_move(service, true, false);
                }
            }
        }
        if desired == DesiredState::Remove && self.slots[slot].lost.take().is_some() {
            self.regained(now, slot);
        }
        if let (true, Some(node)) = (state.is_terminal(), node)
            && self.losses.notice(slot as u32, node.index() as u32)
        {
            self.window.count_noticed(now, self.slots[slot].service as usize, 1);
        }
        if starts {
            self.tasks[task.row()].running = Once(now);
        }
        self.rewrite(now, task, |record| {
            record.state = state;
            record.desired = desired;
            record.error = error;
        });
        let record = &self.tasks[task.row()];
        if state == TaskState::Complete && record.ended_alone {
            let slot = &mut self.slots[record.slot as usize];
            let service = slot.service as usize;
            if slot.last == task.0 && self.services[service].is_one_shot && !std::mem::replace(&mut slot.is_done, true)
            {
                self.change(now, service, |service| service.done += 1);
            }
        }
    }

    fn error_row(&mut self, error: &Arc<str>) -> u32 {
        *self.error_rows.entry(Arc::clone(error)).or_insert_with(|| {
            self.errors.push(Some(Arc::clone(error)));
            self.errors.len() as u32 - 1
        })
    }

    /// The row whose text changes with the reason for which tasks of a version find no node.
    fn shared_error_row(&mut self, service: u32, version: u64) -> u32 {
        *self.shared_error_rows.entry((service, version)).or_insert_with(|| {
            self.errors.push(None);
            self.errors.len() as u32 - 1
        })
    }

    /// The manager deleted its record of a task.
    fn removed(&mut self, now: Time, task: TaskNo) {
        self.since_script.removed.extend(self.since_script.passed(now));
        self.rewrite(now, task, |record| record.gone = true);
    }

    /// An agent asks for the image of a task.
    fn preparing(&mut self, now: Time, task: TaskNo) {
        self.tasks[task.row()].ready.set(now);
    }

    /// The container of a task is created.
    fn prepared(&mut self, now: Time, task: TaskNo) {
        let record = &mut self.tasks[task.row()];
        if std::mem::replace(&mut record.is_ready, true) {
            return;
        }
        let asked = std::mem::replace(&mut record.ready, Once(now));
        if self.window.since <= record.created {
            self.window.prepares.extend(asked.get().map(|asked| now - asked));
        }
        if self.since_script.passed(record.created).is_some() {
            self.since_script.ready.extend(self.since_script.passed(now));
        }
    }

    /// An agent noted at a time `at`, for a report that has arrived now, that a task has ended.
    fn noted_end(&mut self, at: Time, task: TaskNo) {
        let record = &self.tasks[task.row()];
        if !record.state.is_terminal() && self.since_script.at.is_some_and(|event| record.created < event) {
            self.since_script.ended.extend(self.since_script.passed(at));
        }
    }

    /// A task runs.
    fn started(&mut self, now: Time, task: TaskNo) {
        self.note_settled(now);
        let record = &mut self.tasks[task.row()];
        (record.serves, record.alive) = (true, true);
        if self.since_script.passed(record.created).is_some() {
            self.since_script.running.extend(self.since_script.passed(now));
        }
        let node = &mut self.nodes[record.node.expect("what runs has a node").index()];
        node.running += 1;
        let is_first = node.running == 1;
        node.running_max = node.running_max.max(node.running);
        if node.eligible {
            self.balance.change(now, node.running - 1, node.running);
        }
        let row = record.slot as usize;
        let slot = &mut self.slots[row];
        let service = slot.service as usize;
        slot.alive += 1;
        if slot.alive > 1 {
            self.window.count_duplicate(now, service, 1);
        }
        if let Some(lost) = slot.lost.take() {
            self.regained(now, row);
            if self.window.since <= lost {
                self.window.count_failover(service, now - lost);
            }
        }
        if is_first {
            self.window.used.add(now, 1);
        }
        self.running += 1;
        self.change(now, service, |service| service.running += 1);
    }

    /// A running task is being stopped.
    fn leaving(&mut self, now: Time, task: TaskNo) {
        self.note_settled(now);
        let record = &mut self.tasks[task.row()];
        if !std::mem::take(&mut record.serves) {
            return;
        }
        let service = self.slots[record.slot as usize].service as usize;
        let node = &mut self.nodes[record.node.expect("what runs has a node").index()];
        node.running -= 1;
        if node.running == 0 {
            self.window.used.add(now, -1);
        }
        if node.eligible {
            self.balance.change(now, node.running + 1, node.running);
        }
        self.running -= 1;
        self.window.running_min = self.window.running_min.min(self.running);
        self.change(now, service, |service| service.running -= 1);
    }

    /// A container that ran does not any more.
    fn ended(&mut self, now: Time, task: TaskNo) {
        let record = &mut self.tasks[task.row()];
        record.ended_alone = record.serves;
        self.leaving(now, task);
        let record = &mut self.tasks[task.row()];
        if !std::mem::take(&mut record.alive) {
            return;
        }
        record.ended = Once(now);
        let slot = &mut self.slots[record.slot as usize];
        let service = slot.service as usize;
        slot.alive -= 1;
        if slot.alive > 0 {
            self.window.count_duplicate(now, service, -1);
        }
        let replicated = self.services[service].replicas.is_some();
        let node = record.node.expect("what ran has a node").index();
        if record.is_wanted() && replicated && !self.nodes[node].up && slot.lost.get().is_none() {
            slot.lost.set(now);
            self.losses.lose(record.slot, node as u32);
            self.window.count_loss(now, service);
        }
    }

    /// A slot that was lost has a running task again, or shall have none.
    fn regained(&mut self, now: Time, slot: usize) {
        let noticed = self.losses.regain(slot as u32);
        self.window.count_regained(now, self.slots[slot].service as usize, noticed);
    }

    /// A machine loses or gets power.
    fn power(&mut self, now: Time, row: usize, up: bool) {
        self.is_stirred = true;
        let node = &mut self.nodes[row];
        // A machine that is not in the cluster may fail unnoticed.
        if !up && !node.there || std::mem::replace(&mut node.up, up) == up {
            return;
        }
        if up {
            node.down += (now - node.lost).as_nanos();
            node.back = Some(now);
            self.window.down.add(now, -1);
        } else {
            node.lost = now;
            node.silent.get_or_insert(now);
            node.back = None;
            self.window.down.add(now, 1);
            self.window.failures += 1;
        }
        self.note_return(now, row);
    }

    /// Something changed of what says whether a node is on its way back.
    fn note_return(&mut self, now: Time, node: usize) {
        let node = &mut self.nodes[node];
        let is = node.there && node.up && node.detected && node.back.is_some();
        if std::mem::replace(&mut node.returning, is) != is {
            self.returning = if is { self.returning + 1 } else { self.returning - 1 };
            self.note_calm(now);
        }
    }

    /// Finds the convergence: what holds for long enough while nobody is on the way back.
    fn note_calm(&mut self, now: Time) {
        if self.unsettled == 0 && self.returning == 0 {
            self.calm.get_or_insert(now);
        } else if let Some(since) = self.calm.take() {
            let since = since.max(self.last_event);
            if since + HOLD <= now {
                self.converged.get_or_insert(since);
            }
        }
    }

    /// A node is in the cluster from now on, or is not.
    fn member(&mut self, now: Time, node: usize, there: bool) {
        if std::mem::replace(&mut self.nodes[node].there, there) != there {
            self.window.members.add(now, if there { 1 } else { -1 });
            self.note_return(now, node);
        }
    }

    /// The manager marks a node down.
    fn detected(&mut self, now: Time, node: usize) {
        // A node that did not register with a new leader in time may have been up.
        if let Some(since) = self.nodes[node].silent {
            self.window.detections.add(now - since);
        }
        for slot in self.losses.notice_all(node as u32) {
            self.window.count_noticed(now, self.slots[slot as usize].service as usize, 1);
        }
        self.nodes[node].detected = true;
        self.note_return(now, node);
    }

    /// A node's agent cannot be heard any more, although the machine has power.
    fn silent(&mut self, now: Time, node: usize) {
        self.nodes[node].silent.get_or_insert(now);
        self.nodes[node].back = None;
        self.note_return(now, node);
    }

    /// Nothing keeps a node's agent from calling any more.
    fn back(&mut self, now: Time, node: usize) {
        self.nodes[node].back = Some(now);
        self.note_return(now, node);
    }

    /// A node's agent registered (again).
    fn registered(&mut self, now: Time, row: usize) {
        let node = &mut self.nodes[row];
        node.silent = None;
        node.detected = false;
        if let Some(back) = node.back.take()
            && self.window.since <= back
        {
            self.window.returns.add(now - back);
        }
        self.note_return(now, row);
    }

    /// A node is ready and active, or is not.
    fn eligible(&mut self, now: Time, node: usize, eligible: bool) {
        let node = &mut self.nodes[node];
        if std::mem::replace(&mut node.eligible, eligible) == eligible {
            return;
        }
        self.balance.turn(now, eligible, node.running);
        let turn = |area: &mut Area, amount: u64| {
            area.set(now, if eligible { area.value + amount } else { area.value - amount });
        };
        turn(&mut self.window.cpu_total, node.cpu);
        turn(&mut self.window.memory_total, node.memory);
    }

    /// The update status of a service changed.
    fn update_status(&mut self, now: Time, service: usize, status: Option<&UpdateStatus>) {
        use UpdateState::{Completed, Paused, RollbackCompleted, RollbackPaused};
        let state = status.map(|status| status.state);
        let owner = &mut self.services[service];
        let before = std::mem::replace(&mut owner.update, state);
        if before == state {
            return;
        }
        if let Some(status) = status {
            let is_over = matches!(before, None | Some(Completed | RollbackCompleted));
            if status.state == UpdateState::Updating || status.state == UpdateState::RollbackStarted && is_over {
                (owner.updates, owner.update_began) = (owner.updates + 1, now);
            }
            let goes_on = matches!(status.state, UpdateState::Updating | UpdateState::RollbackStarted);
            owner.update_ended = if goes_on { None } else { Some(now) };
            self.outcome.updates.push(UpdateRow {
                service: owner.name.as_str().into(),
                update: owner.updates,
                time_s: now.as_secs_f64(),
                state: update_word(status.state).into(),
                message: status.message.clone(),
            });
        }
        if let Some(status) = status
            && matches!(status.state, Completed | Paused | RollbackCompleted | RollbackPaused)
        {
            self.window.updates.add(now.since(status.started));
        }
    }

    /// The condition holds that ends the run.
    pub fn ended_early(&mut self, now: Time) {
        self.ended_early = Some(now);
    }

    /// The warm-up is over: counting begins.
    pub fn warmed_up(&mut self, now: Time, pulled: Totals) {
        self.note_settled(now);
        let running_min = if self.first_settled.is_some() { self.running } else { self.window.running_min };
        self.window = Window::begin(now, &self.window, running_min, pulled);
        self.jobs.warmed_up(now);
        self.balance.warmed_up(now);
        self.waits.anew(now);
        self.sent_before = None;
    }

    /// Changes what the manager knows of a task, and all that follows.
    fn rewrite(&mut self, now: Time, task: TaskNo, change: impl FnOnce(&mut Record)) {
        let Observer { tasks, slots, .. } = self;
        let record = &mut tasks[task.row()];
        // Nobody wants a spare to run, and it waits for nothing that anybody misses.
        let counts = |record: &Record| {
            let is_spare = slots[record.slot as usize].is_spare;
            (record.is_wanted() && !is_spare, record.is_pending() && !is_spare, record.is_believed())
        };
        let before = counts(record);
        let error = record.error;
        change(record);
        let after = counts(record);
        self.is_stirred |= before != after;
        if (before.1, error) != (after.1, record.error) && (before.1 || after.1) {
            let service = slots[record.slot as usize].service;
            for (waits, row, more) in [(before.1, error, false), (after.1, record.error, true)] {
                // Without a reason nobody has looked for a node yet.
                if waits && row != 0 {
                    self.waits.change(now, service, row, self.errors[row as usize].as_ref(), more);
                }
            }
        }
        if record.state.is_terminal() {
            record.ended.set(now);
        }
        if record.holds && (record.gone || record.state.is_terminal()) {
            record.holds = false;
            let (cpu, memory) = self.reservations[record.reservation as usize];
            let node = &mut self.nodes[record.node.expect("what holds has a node").index()];
            node.cpu_reserved -= cpu;
            node.memory_reserved -= memory;
            self.window.cpu.set(now, self.window.cpu.value - cpu);
            self.window.memory.set(now, self.window.memory.value - memory);
            let slot = &slots[record.slot as usize];
            if slot.is_spare {
                self.window.count_spare(now, slot.service as usize, false, cpu, memory);
            }
        }
        let difference = |after: bool, before: bool| i64::from(after) - i64::from(before);
        if before.1 != after.1 {
            let service = slots[record.slot as usize].service as usize;
            self.window.count_pending(now, service, difference(after.1, before.1));
        }
        self.believed = self.believed.checked_add_signed(difference(after.2, before.2)).expect("a count");
        if before.0 && !after.0 {
            let slot = record.slot;
            self.want(now, slot, false);
        }
    }

    /// One more task of a slot shall run, or one less.
    fn want(&mut self, now: Time, slot: u32, more: bool) {
        let SlotCount { service, place, .. } = self.slots[slot as usize];
        self.change(now, service as usize, |tally| tally.want(place as usize, more));
    }

    /// Changes a service's counts, and all that follows.
    fn change(&mut self, now: Time, service: usize, change: impl FnOnce(&mut Service)) {
        self.note_settled(now);
        self.is_stirred = true;
        let owner = &mut self.services[service];
        let before = (owner.wants(), owner.missing(), owner.wants() == owner.running);
        change(owner);
        let after = (owner.wants(), owner.missing(), owner.wants() == owner.running);
        if let Some(quorum) = owner.quorum {
            self.window.enough[service].set(now, u64::from(quorum <= owner.running));
        }
        if let Some(tally) = self.window.tallies.get_mut(service) {
            tally.set(now, after.0, owner.running, owner.quorum);
        }
        self.window.wanted.set(now, self.window.wanted.value + after.0 - before.0);
        self.window.missing.set(now, self.window.missing.value + after.1 - before.1);
        self.unsettled = self.unsettled + u64::from(before.2) - u64::from(after.2);
        if self.unsettled == 0 {
            self.settled.get_or_insert(now);
        } else {
            self.settled = None;
        }
        self.note_calm(now);
    }

    /// Finds the first convergence, as soon as it has lasted any time at all: from there on availability counts.
    fn note_settled(&mut self, now: Time) {
        let Some(since) = self.settled.map(|instant| instant.max(self.last_deploy)).filter(|&instant| instant < now)
        else {
            return;
        };
        if self.first_settled.is_none() {
            self.first_settled = Some(since);
            self.window.running_min = self.running;
            if self.window.since <= since {
                self.window.wanted.rebase(since, now);
                self.window.missing.rebase(since, now);
                self.window.tallies.iter_mut().for_each(|tally| tally.rebase(since, now));
            }
            self.balance.converged(since, now);
        }
    }
}

impl Service {
    fn want(&mut self, place: usize, more: bool) {
        if self.is_per_node {
            if self.wanted.len() <= place {
                self.wanted.resize(place + 1, 0);
            }
            let count = &mut self.wanted[place];
            *count = if more { *count + 1 } else { *count - 1 };
            if *count != u16::from(more) {
                return;
            }
        }
        self.tasks = if more { self.tasks + 1 } else { self.tasks - 1 };
    }
    fn wants(&self) -> u64 {
        // One that is done is wanted no more.
        self.replicas.map_or(self.tasks, |replicas| replicas.saturating_sub(self.done))
    }
    fn missing(&self) -> u64 {
        self.wants().saturating_sub(self.running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_is_value_times_time() {
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        let mut area = Area::default();
        area.set(at(0), 2);
        area.set(at(3), 5);
        area.set(at(3), 1);
        assert_eq!((area.total(at(10)), area.max), (13_000_000_000, 5));
        area = Area::begin(at(10), area.value);
        assert_eq!((area.total(at(12)), area.max), (2_000_000_000, 1));
        area.rebase(at(5), at(12));
        assert_eq!(area.total(at(12)), 7_000_000_000);
    }
}
