//! Clusters for the benchmarks, and the digest that tells whether a faster run still decides the same.

use sched::spec::{Description, Labels, Mode, NodeSpec, Resources, ServiceSpec};
use sched::{Command, Config, Event, Manager, Row, Span, TieBreak, Time};

/// A manager of `nodes` nodes in racks of 20 and zones of 10 racks, with its commands.
pub struct Bench {
    pub manager: Manager,
    pub now: Time,
    pub out: Vec<Command>,
}

impl Bench {
    pub fn new(strategy: &str, nodes: usize) -> Bench {
        let config = Config { strategy: strategy.into(), ties: TieBreak::LowestId, ..Config::default() };
        let mut manager = Manager::new(config).expect("a strategy of the registry");
        let mut out = Vec::new();
        for number in 0..nodes {
            let labels = Labels::from([
                ("rack".to_owned(), format!("r{}", number / 20)),
                ("zone".to_owned(), format!("z{}", number / 200 % 4)),
            ]);
            let resources = Resources { nano_cpus: 64_000_000_000, memory: 256 << 30, generic: Vec::new() };
            let description = Description { hostname: format!("n{number}"), resources, ..Description::default() };
            let spec =
                NodeSpec { id: format!("n{number}"), labels, description: Some(description), ..NodeSpec::default() };
            manager.add_node(Time::ZERO, spec, &mut out);
        }
        let mut bench = Bench { manager, now: Time::ZERO, out };
        bench.rest();
        bench
    }

    /// A service whose tasks reserve a tenth of a CPU and 128 MiB each.
    pub fn service(name: &str, replicas: u64) -> ServiceSpec {
        let mut spec = ServiceSpec::new(name, "image");
        spec.mode = Mode::Replicated { replicas };
        spec.task.reservations.nano_cpus = 100_000_000;
        spec.task.reservations.memory = 128 << 20;
        spec
    }

    /// Creates a service; its tasks wait for the next pass.
    pub fn create(&mut self, spec: ServiceSpec) {
        self.manager.create_service(self.now, spec, &mut self.out).expect("a good service");
    }

    /// Lets everything happen that is due within a second.
    pub fn rest(&mut self) {
        let until = self.now + Span::from_secs(1);
        while let Some(at) = self.manager.deadline().filter(|at| *at < until) {
            self.manager.handle(at, Event::Deadline, &mut self.out);
        }
        self.now = until;
    }

    /// FNV-1a over every assignment so far, in order.
    pub fn digest(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for command in &self.out {
            if let Command::Assign { task, node } = command {
                for number in [task.row(), node.index()] {
                    hash = (hash ^ number as u64).wrapping_mul(0x0100_0000_01b3);
                }
            }
        }
        hash
    }
}
