//! Clusters for the benchmarks, and the digest that tells whether a faster run still decides the same.
//!
//! A cluster is built once and used again and again: what a round adds it also takes away, so every round meets the same
//! loads and must decide the same.

#![allow(dead_code)] // Each benchmark needs a part of it.

use std::time::Duration;

use cpu_time::ThreadTime;
use sched::spec::{Description, Labels, Mode, NodeSpec, Resources, ServiceSpec};
use sched::{Command, Config, DesiredState, Event, Manager, Row, ServiceId, Span, TaskState, TieBreak, Time};

/// CPUs of a node, and of a task that fills it.
const CPUS: i64 = 64;
const FILLING_CPUS: i64 = 8;
/// Filling tasks that a node has room for.
pub const SLOTS: u64 = (CPUS / FILLING_CPUS) as u64;

/// What the tasks of a service ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Plain,
    /// A tenth of a CPU and 64 MiB.
    Reserving,
    /// The same, on nodes that satisfy two constraints: three of eight.
    Constrained,
    /// To be spread over 4 zones, 10 racks in each and 5 classes in each of those.
    Spread,
    /// An eighth of a node.
    Filling,
}

/// A manager with its commands.
pub struct Bench {
    pub manager: Manager,
    pub now: Time,
    pub out: Vec<Command>,
    names: u64,
}

impl Bench {
    pub fn new(strategy: &str, nodes: usize) -> Bench {
        Bench::with(strategy, "reschedule", nodes)
    }

    /// With a failover policy.
    pub fn with(strategy: &str, failover: &str, nodes: usize) -> Bench {
        let ties = TieBreak::LowestId;
        let config = Config { strategy: strategy.into(), failover: failover.into(), ties, ..Config::default() };
        let manager = Manager::new(config).expect("a strategy and a policy of the registry");
        let mut bench = Bench { manager, now: Time::ZERO, out: Vec::new(), names: 0 };
        for number in 0..nodes {
            let labels = Labels::from([
                ("zone".to_owned(), format!("z{}", number % 4)),
                ("rack".to_owned(), format!("r{}", number / 4 % 10)),
                ("class".to_owned(), format!("c{}", number / 40 % 5)),
                ("disk".to_owned(), ["ssd", "hdd"][number / 3 % 2].to_owned()),
            ]);
            let resources = Resources { nano_cpus: CPUS * 1_000_000_000, memory: 256 << 30, generic: Vec::new() };
            let description = Description { hostname: format!("n{number}"), resources, ..Description::default() };
            let spec =
                NodeSpec { id: format!("n{number}"), labels, description: Some(description), ..NodeSpec::default() };
            bench.manager.add_node(Time::ZERO, spec, &mut bench.out);
        }
        bench.rest();
        bench.out.clear();
        bench
    }

    /// Creates a service; its tasks wait for the next pass.
    pub fn create(&mut self, kind: Kind, replicas: u64) -> ServiceId {
        self.names += 1;
        let mut spec = ServiceSpec::new(format!("s{}", self.names), "image");
        spec.mode = Mode::Replicated { replicas };
        let task = &mut spec.task;
        let (millis, mebibytes) = match kind {
            Kind::Plain => (0, 0),
            Kind::Filling => (FILLING_CPUS * 1000, 4 << 10),
            _ => (100, 64),
        };
        (task.reservations.nano_cpus, task.reservations.memory) = (millis * 1_000_000, mebibytes << 20);
        if kind == Kind::Constrained {
            task.placement.constraints = vec!["node.labels.zone!=z0".into(), "node.labels.disk==ssd".into()];
        }
        if kind == Kind::Spread {
            task.placement.preferences = ["zone", "rack", "class"].map(|label| format!("node.labels.{label}")).to_vec();
        }
        self.manager.create_unchecked(self.now, spec, &mut self.out)
    }

    /// Lets everything happen that is due within a second.
    pub fn rest(&mut self) {
        let until = self.now + Span::from_secs(1);
        while let Some(at) = self.manager.deadline().filter(|at| *at < until) {
            self.manager.handle(at, Event::Deadline, &mut self.out).expect("it is there");
        }
        self.now = until;
    }

    /// The next pass, and how much time of the processor it takes.
    pub fn pass(&mut self) -> Duration {
        self.out.clear();
        let at = self.manager.deadline().expect("a pass is due");
        self.now = at;
        let begin = ThreadTime::now();
        self.manager.handle(at, Event::Deadline, &mut self.out).expect("it is there");
        begin.elapsed()
    }

    /// Tells the manager how tasks are that are on a node and not that far yet.
    pub fn report(&mut self, state: TaskState, which: impl Fn(&sched::Task) -> bool) {
        let tasks = self.manager.cluster().tasks().filter(|(_, task)| task.node.is_some() && task.state < state);
        let tasks: Vec<_> = tasks.filter(|(_, task)| which(task)).map(|(id, _)| id).collect();
        let report = |task| Event::TaskStatus { task, state, error: None };
        self.manager.handle_all(self.now, tasks.into_iter().map(report), &mut self.out).expect("it is there");
    }

    /// Removes services with all their tasks.
    pub fn remove(&mut self, services: &[ServiceId]) {
        for service in services {
            self.manager.remove_service(self.now, *service, &mut self.out).expect("it is there");
        }
        self.report(TaskState::Shutdown, |task| task.desired >= DesiredState::Remove);
        self.rest();
    }

    /// FNV-1a over the nodes that were assigned, in order, and how often something else was written of a task.
    pub fn digest(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for command in &self.out {
            let number = match command {
                Command::Assign { node, .. } => node.index() as u64,
                Command::State { state, .. } => 1 << 32 | *state as u64,
                _ => continue,
            };
            hash = (hash ^ number).wrapping_mul(0x0100_0000_01b3);
        }
        hash
    }
}
