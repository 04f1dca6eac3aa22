//! What users bring while a cluster runs: services and jobs that arrive by chance or from a list, queues in which jobs
//! wait to be submitted, and the end of what was brought.
//!
//! Arrivals are exogenous: when they come, of which kind they are and how long they run depends on the scenario and the
//! replication, never on the cluster. Two are not: a closed population, whose clients wait for the end of what they
//! submitted, and a stream that comes after the end of others.
//!
//! Swarm knows neither priorities nor patience: both are of the clients, who let jobs wait in a line before the cluster, and
//! remove a service that does not run in time.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::f64::consts::TAU;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use sched::failover::Part;
use sched::spec::{Mode, ServiceSpec};
use sched::{Span, Time};

use super::agent::Behaviour;
use crate::engine::chance::unit;
use crate::engine::law::Law;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::fact::{Context, Fact, JobNo};
use crate::order::NewService;

/// A service to create.
#[derive(Clone, PartialEq, Debug)]
pub struct ServicePlan {
    /// As it is submitted. `spec.task.networks` are names of networks of the scenario.
    pub spec: ServiceSpec,
    /// Its own failover policies, from left to right, which `spec.failover` names; none are the strategy's.
    pub failover: Vec<Part>,
    /// The stack it belongs to.
    pub stack: Option<String>,
    /// When it is submitted.
    pub at: Time,
    /// How its containers behave.
    pub behaviour: Behaviour,
    /// Running tasks that it needs to be of use.
    pub quorum: Option<u64>,
}

impl ServicePlan {
    /// Tasks that it asks for in a cluster of so many nodes.
    pub fn tasks(&self, nodes: usize) -> u64 {
        match self.spec.mode {
            Mode::Replicated { replicas } => replicas,
            Mode::ReplicatedJob { total_completions, .. } => total_completions,
            Mode::Global | Mode::GlobalJob => nodes as u64,
        }
    }

    /// What its tasks that run at a time reserve together, in 10^-9 CPUs, if so many replicas are asked for, or as many as it
    /// says. A global one counts as one task.
    pub fn cpus(&self, replicas: Option<u64>) -> u64 {
        let tasks = match self.spec.mode {
            Mode::Replicated { replicas: own } => replicas.unwrap_or(own),
            Mode::ReplicatedJob { max_concurrent, total_completions } => {
                replicas.unwrap_or(max_concurrent.min(total_completions))
            }
            Mode::Global | Mode::GlobalJob => 1,
        };
        let cpus = u64::try_from(self.spec.task.reservations.nano_cpus).unwrap_or(0);
        tasks.saturating_mul(cpus)
    }

    /// What is ordered to create it.
    pub fn order(&self) -> NewService {
        let ServicePlan { spec, behaviour, quorum, stack, .. } = self.clone();
        NewService { spec, behaviour, quorum, stack: stack.map(Into::into) }
    }
}

/// A stream of arrivals: each is a service or a job that is created when it comes.
#[derive(Clone, PartialEq, Debug)]
pub struct ArrivalPlan {
    /// The user's name for it.
    pub name: String,
    /// When they come.
    pub process: ArrivalProcess,
    /// How many come each time.
    pub batch: Batch,
    /// The first may come from here on.
    pub from: Time,
    /// None comes after this.
    pub until: Option<Time>,
    /// So many come at most.
    pub limit: Option<u64>,
    /// What comes: each arrival is one of these.
    pub kinds: Vec<ServicePlan>,
    /// How often each kind comes, relative to the others.
    pub weights: Vec<f64>,
    /// The row of the scenario's queue in which an arrival waits to be submitted.
    pub queue: Option<usize>,
    /// An arrival is removed this long after it was submitted.
    pub lifetime: Option<Law>,
    /// An arrival of which no container ran so long after it came goes away.
    pub patience: Option<Law>,
    /// In its queue it stands before all of lower priority.
    pub priority: u64,
}

/// When arrivals come.
#[derive(Clone, PartialEq, Debug)]
pub enum ArrivalProcess {
    /// Times between arrivals are independent draws; a Poisson process if the law is exponential.
    Renewal(Law),
    /// A Poisson process whose rate is a sine over the day: 1 + amplitude times the cosine of the distance from the peak.
    Diurnal {
        /// Mean time between arrivals over a whole period.
        mean: Span,
        /// 0 to 1.
        amplitude: f64,
        /// Length of the day.
        period: Span,
        /// When the rate is highest.
        peak: Span,
    },
    /// A Poisson process with two rates that take turns, each for an exponential time (MMPP-2). It starts calm.
    Bursty {
        /// Mean time between arrivals when it is calm.
        calm: Span,
        /// Mean time between arrivals in a burst.
        burst: Span,
        /// Mean length of a calm.
        calm_for: Span,
        /// Mean length of a burst.
        burst_for: Span,
    },
    /// At given times, in order.
    Listed(Vec<Listed>),
    /// A closed population: each client thinks, brings an arrival, and thinks again when that is gone.
    Closed {
        /// How many.
        clients: u64,
        /// How long they think.
        think: Law,
    },
    /// When one of the stream in this row is done.
    After(usize),
}

/// An arrival from a list.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Listed {
    /// When it comes.
    pub at: Time,
    /// How long its containers run, if not as the kind says.
    pub run: Option<Span>,
    /// How many replicas, or completions of a job, if not as the kind says.
    pub replicas: Option<u64>,
}

/// How many arrive together.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Batch {
    /// Always so many.
    Fixed(u64),
    /// A geometric number, at least 1, with this mean.
    Geometric(f64),
}

/// A queue for jobs: those of higher priority first, equal ones first come, first served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueuePlan {
    /// The user's name for it.
    pub name: String,
    /// So many of its jobs are in the cluster at a time; `None` is without limit.
    pub running: Option<u64>,
    /// What its jobs in the cluster reserve is no more than this, in 10^-9 CPUs. The first that waits holds up those behind it.
    pub cpus: Option<u64>,
    /// So many wait; who comes when as many wait is lost. `None` is without limit.
    pub waiting: Option<u64>,
}

/// Something comes to pass in the workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArrivalEvent {
    /// The next arrival of a stream.
    Arrival(u32),
    /// The lifetime of what arrived is over.
    Expiry(JobNo),
    /// The patience of what arrived is over.
    Impatience(JobNo),
}

/// All arrivals of a run.
#[derive(Clone, Debug)]
pub struct Workload {
    plans: Arc<[ArrivalPlan]>,
    streams: Vec<Arrivals>,
    queues: Vec<JobQueue>,
    jobs: Vec<Job>,
    seeds: Seeds,
}

#[derive(Clone, Debug)]
struct Arrivals {
    entity: u64,
    clock: Clock,
    /// Of which kind they are, and in what number.
    kinds: ChaCha8Rng,
    /// Sums of the weights up to each kind.
    weights: Vec<f64>,
    count: u64,
}

/// When something comes, again and again.
#[derive(Clone, Debug)]
pub struct Clock {
    times: ChaCha8Rng,
    thinning: ChaCha8Rng,
    /// Row of the next one of a list.
    listed: usize,
    /// Whether it is in a burst, and until when this or the calm lasts.
    bursting: bool,
    next_change: Time,
}

#[derive(Clone, Debug)]
struct JobQueue {
    running: u64,
    cpus: u64,
    waiting: u64,
    inside: u64,
    cpus_inside: u64,
    /// Who waits, the next one first.
    waiters: BTreeSet<(Reverse<u64>, JobNo)>,
}

impl JobQueue {
    fn has_room(&self, cpus: u64) -> bool {
        self.inside < self.running && cpus <= self.cpus.saturating_sub(self.cpus_inside)
    }

    fn enter(&mut self, cpus: u64) {
        self.inside += 1;
        self.cpus_inside += cpus;
    }

    fn leave(&mut self, cpus: u64) {
        self.inside -= 1;
        self.cpus_inside -= cpus;
    }
}

#[derive(Clone, Debug)]
struct Job {
    plan: u32,
    kind: u32,
    number: u64,
    /// What the list says of it.
    listed: Option<Listed>,
    /// What its tasks reserve together, in 10^-9 CPUs.
    cpus: u64,
    /// Tasks that must still complete before it is over; `None` if that does not end it.
    left: Option<u64>,
    started: bool,
    over: bool,
}

/// What arrived, as the world must create it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Its kind.
    pub kind: &'a ServicePlan,
    /// Number within its stream, from 1.
    pub number: u64,
    /// How long its containers run, if not as the kind says.
    pub run: Option<Span>,
    /// How many replicas or completions, if not as the kind says.
    pub replicas: Option<u64>,
}

impl Workload {
    /// Nothing has arrived. The chance of a stream belongs to its name.
    pub fn new(plans: &[ArrivalPlan], queues: &[QueuePlan], seeds: Seeds) -> Self {
        let stream = |plan: &ArrivalPlan| {
            let entity = entity(&plan.name);
            let mut sum = 0.0;
            let weights = plan.weights.iter().map(|weight| {
                sum += weight;
                sum
            });
            Arrivals {
                entity,
                clock: Clock::new(seeds, entity, plan.from),
                kinds: seeds.stream(Stream::Arrival, part(entity, 1)),
                weights: weights.collect(),
                count: 0,
            }
        };
        let queue = |plan: &QueuePlan| JobQueue {
            running: plan.running.unwrap_or(u64::MAX),
            cpus: plan.cpus.unwrap_or(u64::MAX),
            waiting: plan.waiting.unwrap_or(u64::MAX),
            inside: 0,
            cpus_inside: 0,
            waiters: BTreeSet::new(),
        };
        Workload {
            plans: plans.into(),
            streams: plans.iter().map(stream).collect(),
            queues: queues.iter().map(queue).collect(),
            jobs: Vec::new(),
            seeds,
        }
    }

    /// Schedules the first arrival of every stream, and of every client.
    pub fn start<E: From<ArrivalEvent>>(&mut self, cx: &mut Context<E>) {
        for row in 0..self.streams.len() {
            let clients = match self.plans[row].process {
                ArrivalProcess::Closed { clients, .. } => clients,
                _ => 1,
            };
            for _ in 0..clients {
                self.schedule(cx, row, self.plans[row].from);
            }
        }
    }

    /// One of the model's own events is due.
    pub fn handle<E: From<ArrivalEvent>>(&mut self, cx: &mut Context<E>, event: ArrivalEvent) {
        match event {
            ArrivalEvent::Arrival(row) => {
                let row = row as usize;
                let stream = &mut self.streams[row];
                let listed = match &self.plans[row].process {
                    ArrivalProcess::Listed(rows) => Some(rows[stream.clock.listed]),
                    _ => None,
                };
                stream.clock.came();
                for _ in 0..sample(self.plans[row].batch, &mut stream.kinds) {
                    self.arrive(cx, row, listed);
                }
                if !matches!(self.plans[row].process, ArrivalProcess::Closed { .. }) {
                    self.schedule(cx, row, cx.now());
                }
            }
            ArrivalEvent::Expiry(job) => self.over(cx, job),
            ArrivalEvent::Impatience(job) => self.give_up(cx, job),
        }
    }

    /// What arrived.
    pub fn arrival(&self, job: JobNo) -> Arrival<'_> {
        let entry = &self.jobs[job.row()];
        Arrival {
            kind: &self.plans[entry.plan as usize].kinds[entry.kind as usize],
            number: entry.number,
            run: entry.listed.and_then(|listed| listed.run),
            replicas: entry.listed.and_then(|listed| listed.replicas),
        }
    }

    /// An arrival was created. A job is over when `completions` of its tasks have completed.
    pub fn submitted<E: From<ArrivalEvent>>(&mut self, cx: &mut Context<E>, job: JobNo, completions: Option<u64>) {
        let entry = &mut self.jobs[job.row()];
        entry.left = completions;
        let plan = entry.plan as usize;
        if let Some(lifetime) = &self.plans[plan].lifetime {
            let mut rng = self.seeds.stream(Stream::Arrival, part(part(self.streams[plan].entity, 2), entry.number));
            cx.after(lifetime.sample(&mut rng), ArrivalEvent::Expiry(job));
        }
    }

    /// A task of a job completed.
    pub fn completed<E: From<ArrivalEvent>>(&mut self, cx: &mut Context<E>, job: JobNo) {
        let entry = &mut self.jobs[job.row()];
        if let Some(left) = &mut entry.left {
            *left -= 1;
            if *left == 0 {
                entry.left = None;
                self.over(cx, job);
            }
        }
    }

    /// A container of what arrived runs: it waits no more.
    pub fn started(&mut self, job: JobNo) {
        self.jobs[job.row()].started = true;
    }

    /// Whether what arrived is over, or went away.
    pub fn is_over(&self, job: JobNo) -> bool {
        self.jobs[job.row()].over
    }

    /// An arrival is over; the next of its queue may come to its place, and what comes after it comes.
    pub fn over<E: From<ArrivalEvent>>(&mut self, cx: &mut Context<E>, job: JobNo) {
        if self.leave(cx, job) {
            let plan = self.jobs[job.row()].plan as usize;
            for row in 0..self.plans.len() {
                if self.plans[row].process == ArrivalProcess::After(plan) {
                    self.follow(cx, row);
                }
            }
            self.think(cx, plan);
        }
    }

    /// The patience of an arrival is over: if it does not run, it leaves its line, or its service is removed.
    fn give_up<E: From<ArrivalEvent>>(&mut self, cx: &mut Context<E>, job: JobNo) {
        let entry = &mut self.jobs[job.row()];
        if entry.started || entry.over {
            return;
        }
        cx.tell(Fact::JobAbandoned(job));
        let plan = entry.plan as usize;
        let place = (Reverse(self.plans[plan].priority), job);
        let line = self.plans[plan].queue.map(|queue| &mut self.queues[queue]);
        if line.is_some_and(|line| line.waiters.remove(&place)) {
            entry.over = true;
            // Those behind it may be smaller.
            self.let_in(cx, plan);
        } else {
            self.leave(cx, job);
        }
        self.think(cx, plan);
    }

    /// An arrival leaves the cluster, unless it has done so before.
    fn leave<E: From<ArrivalEvent>>(&mut self, cx: &mut Context<E>, job: JobNo) -> bool {
        let entry = &mut self.jobs[job.row()];
        if std::mem::replace(&mut entry.over, true) {
            return false;
        }
        cx.tell(Fact::JobOver(job));
        let (plan, cpus) = (entry.plan as usize, entry.cpus);
        if let Some(queue) = self.plans[plan].queue {
            self.queues[queue].leave(cpus);
            self.let_in(cx, plan);
        }
        true
    }

    /// Who waits in the line of a stream comes in, one after the other, while there is room for the next.
    fn let_in<E>(&mut self, cx: &mut Context<E>, plan: usize) {
        let Some(queue) = self.plans[plan].queue else { return };
        let queue = &mut self.queues[queue];
        while let Some(&next) = queue.waiters.first() {
            let cpus = self.jobs[next.1.row()].cpus;
            if !queue.has_room(cpus) {
                break;
            }
            queue.waiters.remove(&next);
            queue.enter(cpus);
            cx.tell(Fact::JobDue(next.1));
        }
    }

    /// What comes after the end of another comes.
    fn follow<E: From<ArrivalEvent>>(&mut self, cx: &mut Context<E>, row: usize) {
        let plan = &self.plans[row];
        if plan.from <= cx.now() && plan.until.is_none_or(|until| cx.now() <= until) {
            for _ in 0..sample(plan.batch, &mut self.streams[row].kinds) {
                self.arrive(cx, row, None);
            }
        }
    }

    /// The client whose arrival is gone thinks about the next.
    fn think<E: From<ArrivalEvent>>(&mut self, cx: &mut Context<E>, row: usize) {
        if let ArrivalProcess::Closed { .. } = self.plans[row].process {
            self.schedule(cx, row, cx.now());
        }
    }

    fn arrive<E: From<ArrivalEvent>>(&mut self, cx: &mut Context<E>, row: usize, listed: Option<Listed>) {
        let plan = &self.plans[row];
        let stream = &mut self.streams[row];
        if plan.limit.is_some_and(|limit| limit <= stream.count) {
            return;
        }
        stream.count += 1;
        let point = unit(&mut stream.kinds) * stream.weights.last().copied().unwrap_or_default();
        let kind = stream.weights.partition_point(|sum| *sum <= point).min(plan.kinds.len() - 1);
        let job = JobNo(self.jobs.len() as u32);
        // Only where a queue counts them.
        let counts = plan.queue.is_some_and(|queue| self.queues[queue].cpus < u64::MAX);
        let replicas = listed.and_then(|listed| listed.replicas);
        let cpus = if counts { plan.kinds[kind].cpus(replicas) } else { 0 };
        let (plan_row, kind, number) = (row as u32, kind as u32, stream.count);
        self.jobs.push(Job { plan: plan_row, kind, number, listed, cpus, left: None, started: false, over: false });
        cx.tell(Fact::JobArrived(job, plan_row));
        if let Some(patience) = &plan.patience {
            let mut rng = self.seeds.stream(Stream::Arrival, part(part(stream.entity, 5), number));
            cx.after(patience.sample(&mut rng), ArrivalEvent::Impatience(job));
        }
        let Some(queue) = plan.queue.map(|queue| &mut self.queues[queue]) else {
            return cx.tell(Fact::JobDue(job));
        };
        let place = (Reverse(plan.priority), job);
        if queue.has_room(cpus) && queue.waiters.first().is_none_or(|first| place < *first) {
            queue.enter(cpus);
            cx.tell(Fact::JobDue(job));
        } else if cpus <= queue.cpus && (queue.waiters.len() as u64) < queue.waiting {
            queue.waiters.insert(place);
        } else {
            self.jobs[job.row()].over = true;
            cx.tell(Fact::JobLost(job));
            self.think(cx, row);
        }
    }

    fn schedule<E: From<ArrivalEvent>>(&mut self, cx: &mut Context<E>, row: usize, after: Time) {
        let plan = &self.plans[row];
        let stream = &mut self.streams[row];
        if plan.limit.is_some_and(|limit| limit <= stream.count) {
            return;
        }
        let Some(next) = stream.clock.next(&plan.process, after) else { return };
        if plan.until.is_none_or(|until| next <= until) && next < Time::MAX {
            cx.at(next, ArrivalEvent::Arrival(row as u32));
        }
    }
}

impl Clock {
    /// Nothing has come; the chance belongs to an entity.
    pub fn new(seeds: Seeds, entity: u64, from: Time) -> Clock {
        Clock {
            times: seeds.stream(Stream::Arrival, part(entity, 0)),
            thinning: seeds.stream(Stream::Arrival, part(entity, 4)),
            listed: 0,
            // The first calm begins at the first change.
            bursting: true,
            next_change: from,
        }
    }

    /// The one that was next has come.
    pub fn came(&mut self) {
        self.listed += 1;
    }

    /// When the next one comes, the last having come at `after`. Who follows a list says when it has [come](Clock::came).
    pub fn next(&mut self, process: &ArrivalProcess, after: Time) -> Option<Time> {
        let mut draw = |mean: Span| Law::Exponential { mean }.sample(&mut self.times);
        match process {
            ArrivalProcess::Renewal(law) => Some(after + law.sample(&mut self.times)),
            ArrivalProcess::Listed(rows) => rows.get(self.listed).map(|row| row.at.max(after)),
            ArrivalProcess::Closed { think, .. } => Some(after + think.sample(&mut self.times)),
            ArrivalProcess::After(_) => None,
            ArrivalProcess::Diurnal { mean, amplitude, period, peak } => {
                // Thinning (Lewis and Shedler 1979): candidates at the highest rate, kept in proportion to the rate.
                let fastest = Span::from_secs_f64(mean.as_secs_f64() / (1.0 + amplitude));
                let mut at = after;
                loop {
                    at += draw(fastest);
                    let phase = (at.as_secs_f64() - peak.as_secs_f64()) / period.as_secs_f64();
                    let rate = 1.0 + amplitude * libm::cos(TAU * phase);
                    if at == Time::MAX || unit(&mut self.thinning) * (1.0 + amplitude) < rate {
                        return Some(at);
                    }
                }
            }
            ArrivalProcess::Bursty { calm, burst, calm_for, burst_for } => {
                // Both laws are memoryless: at a change the time to the next arrival is drawn afresh.
                let mut at = after;
                loop {
                    if at == self.next_change {
                        self.bursting = !self.bursting;
                        self.next_change = at + draw(if self.bursting { *burst_for } else { *calm_for });
                    }
                    let next = at + draw(if self.bursting { *burst } else { *calm });
                    if next < self.next_change || next == Time::MAX {
                        return Some(next);
                    }
                    at = self.next_change;
                }
            }
        }
    }
}

fn sample(batch: Batch, rng: &mut ChaCha8Rng) -> u64 {
    match batch {
        Batch::Fixed(number) => number,
        // By inversion: more than k with probability (1 - 1/mean)^k.
        Batch::Geometric(mean) if mean > 1.0 => {
            1 + (libm::log(unit(rng)) / libm::log1p(-1.0 / mean)).floor().min(1e7) as u64
        }
        Batch::Geometric(_) => 1,
    }
}
