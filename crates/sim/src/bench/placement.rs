//! Decisions of the manager. Only the pass is timed: tasks are created before it and removed after it, but what a
//! decision writes (record, counts, commands) belongs to it.

use std::time::Duration;

use cpu_time::ThreadTime;
use sched::spec::{Description, Labels, Mode, NodeSpec, Resources, ServiceSpec};
use sched::{Command, Config, Event, Manager, ServiceId, Span, TaskId, TaskState, TieBreak, Time};

use super::Work;

/// Tasks of a large group.
pub const GROUP: u64 = 100_000;
/// CPU time that a round of single decisions shall take.
const ROUND: Duration = Duration::from_millis(50);
/// Single decisions of a round, at most.
const SINGLES_MAX: u64 = 10_000;

/// A manager of equal nodes under `spread`, with its clock and commands.
pub struct Crowd {
    /// The manager.
    pub manager: Manager,
    now: Time,
    out: Vec<Command>,
}

impl Crowd {
    /// Nodes of 64 CPUs in racks of 20 and zones of 10 racks.
    pub fn new(nodes: usize) -> Crowd {
        let config = Config { strategy: "spread".into(), ties: TieBreak::LowestId, ..Config::default() };
        let mut manager = Manager::new(config).expect("a strategy of the list");
        let mut out = Vec::new();
        for number in 0..nodes {
            let labels = Labels::from([
                ("rack".to_owned(), format!("r{}", number / 20)),
                ("zone".to_owned(), format!("z{}", number / 200)),
            ]);
            let resources = Resources { nano_cpus: 64_000_000_000, memory: 256 << 30, generic: Vec::new() };
            let id = format!("n{number}");
            let description = Description { hostname: id.clone(), resources, ..Description::default() };
            let spec = NodeSpec { id, labels, description: Some(description), ..NodeSpec::default() };
            manager.add_node(Time::ZERO, spec, &mut out);
        }
        let mut crowd = Crowd { manager, now: Time::ZERO, out };
        crowd.rest();
        crowd
    }

    /// Creates a service whose tasks reserve some thousandths of a CPU each. They wait for the next pass.
    pub fn create(&mut self, name: String, replicas: u64, milli_cpus: i64) -> ServiceId {
        let mut spec = ServiceSpec::new(name, "image");
        spec.mode = Mode::Replicated { replicas };
        spec.task.reservations.nano_cpus = milli_cpus * 1_000_000;
        self.manager.create_service(self.now, spec, &mut self.out).expect("a good service")
    }

    /// Lets everything happen that is due within a second.
    pub fn rest(&mut self) {
        let until = self.now + Span::from_secs(1);
        while let Some(at) = self.manager.deadline().filter(|at| *at < until) {
            self.manager.handle(at, Event::Deadline, &mut self.out).expect("it is there");
        }
        self.now = until;
        self.out.clear();
    }

    /// The pass that is due: how many tasks it placed, and its CPU time.
    fn pass(&mut self) -> (u64, Duration) {
        self.out.clear();
        let at = self.manager.deadline().expect("tasks wait");
        let start = ThreadTime::now();
        self.manager.handle(at, Event::Deadline, &mut self.out).expect("it is there");
        let cost = start.elapsed();
        self.now = at;
        let placed = self.out.iter().filter(|command| matches!(command, Command::Assign { .. })).count();
        (placed as u64, cost)
    }

    /// Removes services; their tasks stop at once.
    fn remove(&mut self, services: &[ServiceId]) {
        for service in services {
            let tasks: Vec<TaskId> = self.manager.cluster().services()[*service].tasks().collect();
            self.manager.remove_service(self.now, *service, &mut self.out).expect("it is there");
            let stopped = |task| Event::TaskStatus { task, state: TaskState::Shutdown, error: None };
            self.manager.handle_all(self.now, tasks.into_iter().map(stopped), &mut self.out).expect("it is there");
        }
        self.rest();
    }
}

/// Many services of one task each, on a cluster of which half is reserved.
pub struct Single {
    crowd: Crowd,
    singles: u64,
    created: u64,
}

impl Single {
    /// A cluster of so many nodes, each with one large task.
    pub fn new(nodes: usize) -> Single {
        let mut crowd = Crowd::new(nodes);
        crowd.create("half".into(), nodes as u64, 32_000);
        crowd.rest();
        let mut single = Single { crowd, singles: 10, created: 0 };
        // As many as fill a round.
        let (placed, cost) = single.round();
        let fitting = ROUND.as_nanos() as u64 * placed / (cost.as_nanos() as u64).max(1);
        single.singles = fitting.clamp(10, SINGLES_MAX);
        single
    }
}

impl Work for Single {
    fn round(&mut self) -> (u64, Duration) {
        let numbers = self.created..self.created + self.singles;
        self.created = numbers.end;
        let services: Vec<ServiceId> = numbers.map(|number| self.crowd.create(format!("s{number}"), 1, 100)).collect();
        let (placed, cost) = self.crowd.pass();
        assert_eq!(placed, self.singles, "every task has a place");
        self.crowd.remove(&services);
        (placed, cost)
    }
}

/// One service of many tasks on an empty cluster.
pub struct Group {
    crowd: Crowd,
    tasks: u64,
    created: u64,
}

impl Group {
    /// An empty cluster of so many nodes.
    pub fn new(nodes: usize, tasks: u64) -> Group {
        Group { crowd: Crowd::new(nodes), tasks, created: 0 }
    }
}

impl Work for Group {
    fn round(&mut self) -> (u64, Duration) {
        self.created += 1;
        let service = self.crowd.create(format!("g{}", self.created), self.tasks, 100);
        let (placed, cost) = self.crowd.pass();
        assert_eq!(placed, self.tasks, "every task has a place");
        self.crowd.remove(&[service]);
        (placed, cost)
    }
}
