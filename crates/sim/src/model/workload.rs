//! What users bring while a cluster runs: services and jobs that arrive by chance or from a list, lines in which jobs
//! wait to be submitted, and the end of what was brought.
//!
//! Arrivals are exogenous: when they come, of which kind they are and how long they run depends on the scenario and the
//! replication, never on the cluster.

use std::collections::VecDeque;
use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;
use sched::{Span, Time};

use crate::engine::Queue;
use crate::engine::law::{Law, unit};
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::scenario::{ArrivalPlan, ArrivalProcess, Batch, Listed, QueuePlan, ServicePlan};

/// Number of an arrival, in order of arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct JobNo(pub u32);

impl JobNo {
    /// As an index.
    pub fn row(self) -> usize {
        self.0 as usize
    }
}

/// Something comes to pass in the workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The next arrival of a stream.
    Arrival(u32),
    /// The lifetime of what arrived is over.
    Expiry(JobNo),
}

/// What the world must do or know, in the order in which it came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// It arrived.
    Arrived(JobNo),
    /// It found the line full and went away.
    Lost(JobNo),
    /// It is to be created.
    Submit(JobNo),
    /// It is over, and to be removed.
    Remove(JobNo),
}

/// All arrivals of a run.
#[derive(Debug)]
pub struct Workload<'a> {
    plans: &'a [ArrivalPlan],
    streams: Vec<Arrivals>,
    lines: Vec<Line>,
    jobs: Vec<Job>,
    seeds: Seeds,
    /// What came about since it was last drained.
    pub orders: Vec<Order>,
}

#[derive(Debug)]
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
#[derive(Debug)]
pub struct Clock {
    times: ChaCha8Rng,
    thinning: ChaCha8Rng,
    /// Row of the next one of a list.
    listed: usize,
    /// Whether it is in a burst, and until when this or the calm lasts.
    bursting: bool,
    turn: Time,
}

#[derive(Debug)]
struct Line {
    running: u64,
    waiting: u64,
    inside: u64,
    waiters: VecDeque<JobNo>,
}

#[derive(Debug)]
struct Job {
    plan: u32,
    kind: u32,
    number: u64,
    /// What the list says of it.
    listed: Option<Listed>,
    /// Tasks that must still complete before it is over; `None` if that does not end it.
    left: Option<u64>,
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

impl<'a> Workload<'a> {
    /// Nothing has arrived. The chance of a stream belongs to its name.
    pub fn new(plans: &'a [ArrivalPlan], queues: &[QueuePlan], seeds: Seeds) -> Self {
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
        let line = |plan: &QueuePlan| Line {
            running: plan.running.unwrap_or(u64::MAX),
            waiting: plan.waiting.unwrap_or(u64::MAX),
            inside: 0,
            waiters: VecDeque::new(),
        };
        Workload {
            plans,
            streams: plans.iter().map(stream).collect(),
            lines: queues.iter().map(line).collect(),
            jobs: Vec::new(),
            seeds,
            orders: Vec::new(),
        }
    }

    /// Schedules the first arrival of every stream.
    pub fn start<E: From<Event>>(&mut self, queue: &mut Queue<E>) {
        for row in 0..self.streams.len() {
            self.schedule(queue, row, self.plans[row].from);
        }
    }

    /// One of the model's own events is due.
    pub fn handle<E: From<Event>>(&mut self, queue: &mut Queue<E>, event: Event) {
        match event {
            Event::Arrival(row) => {
                let row = row as usize;
                let it = &mut self.streams[row];
                let listed = match &self.plans[row].process {
                    ArrivalProcess::Listed(rows) => Some(rows[it.clock.listed]),
                    _ => None,
                };
                it.clock.came();
                for _ in 0..sample(self.plans[row].batch, &mut it.kinds) {
                    self.arrive(row, listed);
                }
                self.schedule(queue, row, queue.now());
            }
            Event::Expiry(job) => self.over(job),
        }
    }

    /// What arrived.
    pub fn arrival(&self, job: JobNo) -> Arrival<'a> {
        let it = &self.jobs[job.row()];
        Arrival {
            kind: &self.plans[it.plan as usize].kinds[it.kind as usize],
            number: it.number,
            run: it.listed.and_then(|it| it.run),
            replicas: it.listed.and_then(|it| it.replicas),
        }
    }

    /// It was created. A job is over when `completions` of its tasks have completed.
    pub fn submitted<E: From<Event>>(&mut self, queue: &mut Queue<E>, job: JobNo, completions: Option<u64>) {
        let it = &mut self.jobs[job.row()];
        it.left = completions;
        let plan = it.plan as usize;
        if let Some(lifetime) = &self.plans[plan].lifetime {
            let mut rng = self.seeds.stream(Stream::Arrival, part(part(self.streams[plan].entity, 2), it.number));
            queue.after(lifetime.sample(&mut rng), Event::Expiry(job));
        }
    }

    /// A task of it completed.
    pub fn completed(&mut self, job: JobNo) {
        let it = &mut self.jobs[job.row()];
        if let Some(left) = &mut it.left {
            *left -= 1;
            if *left == 0 {
                it.left = None;
                self.over(job);
            }
        }
    }

    /// It is over; another may come to its place.
    pub fn over(&mut self, job: JobNo) {
        let it = &mut self.jobs[job.row()];
        if std::mem::replace(&mut it.over, true) {
            return;
        }
        self.orders.push(Order::Remove(job));
        if let Some(line) = self.plans[it.plan as usize].queue {
            let line = &mut self.lines[line];
            match line.waiters.pop_front() {
                Some(next) => self.orders.push(Order::Submit(next)),
                None => line.inside -= 1,
            }
        }
    }

    fn arrive(&mut self, row: usize, listed: Option<Listed>) {
        let plan = &self.plans[row];
        let it = &mut self.streams[row];
        if plan.limit.is_some_and(|limit| limit <= it.count) {
            return;
        }
        it.count += 1;
        let point = unit(&mut it.kinds) * it.weights.last().copied().unwrap_or_default();
        let kind = it.weights.partition_point(|sum| *sum <= point).min(plan.kinds.len() - 1);
        let job = JobNo(self.jobs.len() as u32);
        let (plan_row, kind) = (row as u32, kind as u32);
        self.jobs.push(Job { plan: plan_row, kind, number: it.count, listed, left: None, over: false });
        self.orders.push(Order::Arrived(job));
        let Some(line) = plan.queue.map(|line| &mut self.lines[line]) else {
            return self.orders.push(Order::Submit(job));
        };
        if line.inside < line.running {
            line.inside += 1;
            self.orders.push(Order::Submit(job));
        } else if (line.waiters.len() as u64) < line.waiting {
            line.waiters.push_back(job);
        } else {
            self.jobs[job.row()].over = true;
            self.orders.push(Order::Lost(job));
        }
    }

    fn schedule<E: From<Event>>(&mut self, queue: &mut Queue<E>, row: usize, after: Time) {
        let plan = &self.plans[row];
        let it = &mut self.streams[row];
        if plan.limit.is_some_and(|limit| limit <= it.count) {
            return;
        }
        let Some(next) = it.clock.next(&plan.process, after) else { return };
        if plan.until.is_none_or(|until| next <= until) && next < Time::MAX {
            queue.at(next, Event::Arrival(row as u32));
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
            // The first calm begins when the first turn is due.
            bursting: true,
            turn: from,
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
                // Both laws are memoryless: at a turn the time to the next arrival is drawn afresh.
                let mut at = after;
                loop {
                    if at == self.turn {
                        self.bursting = !self.bursting;
                        self.turn = at + draw(if self.bursting { *burst_for } else { *calm_for });
                    }
                    let next = at + draw(if self.bursting { *burst } else { *calm });
                    if next < self.turn || next == Time::MAX {
                        return Some(next);
                    }
                    at = self.turn;
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
