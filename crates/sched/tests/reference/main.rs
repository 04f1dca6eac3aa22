//! The scheduler against a slow reading of the same rules.
//!
//! The reading keeps nothing: before each pass it counts everything anew from the tables of the cluster, every task for
//! every question, and says who must go where. Ten thousand random clusters live through a random history each, under
//! every strategy that has a reading; after every step both must agree, task by task.

mod reading;
mod why;

use std::collections::BTreeMap;

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use reading::{Failures, Images, READ, Reading};
use sched::spec::*;
use sched::{Command, Config, Event, Manager, NodeId, Reference, ServiceId, Span, TaskId, TaskState, TieBreak, Time};

/// What every service runs.
const IMAGE: &str = "image";
const CLUSTERS: u64 = 10_000;
/// Clusters in which a group looks at few of the nodes only.
const LARGE_CLUSTERS: u64 = 24;

#[test]
fn the_scheduler_agrees_with_the_reading_of_the_rules() {
    let mut decisions = 0;
    for seed in 0..CLUSTERS {
        let strategy = READ[seed as usize % READ.len()];
        decisions += History::new(seed, strategy).live(1, 14);
    }
    // The clusters are not so small, full or broken that nothing is decided.
    assert!(decisions > 15 * CLUSTERS, "only {decisions} decisions");
}

#[test]
fn the_scheduler_agrees_with_the_reading_on_large_clusters() {
    let mut decisions = 0;
    for seed in 0..LARGE_CLUSTERS {
        let strategy = READ[seed as usize % READ.len()];
        decisions += History::new(seed, strategy).live(60, 200);
    }
    assert!(decisions > 15 * LARGE_CLUSTERS, "only {decisions} decisions");
}

struct History {
    seed: u64,
    rng: ChaCha8Rng,
    manager: Manager,
    reading: Reading,
    failures: Failures,
    images: Images,
    now: Time,
    nodes: Vec<NodeId>,
    services: Vec<ServiceId>,
    /// How services are updated.
    update: Option<UpdateConfig>,
    decisions: u64,
}

impl History {
    fn new(seed: u64, strategy: &str) -> History {
        let ties = if (seed / 4).is_multiple_of(3) { TieBreak::Seeded } else { TieBreak::LowestId };
        let config = Config { strategy: strategy.into(), ties, seed, ..Config::default() };
        History {
            seed,
            rng: ChaCha8Rng::seed_from_u64(seed),
            manager: Manager::new(config).expect("a strategy of the registry"),
            reading: Reading::new(strategy, ties, seed),
            failures: Failures::default(),
            images: Images::default(),
            now: Time::ZERO,
            nodes: Vec::new(),
            services: Vec::new(),
            update: None,
            decisions: 0,
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn populate(&mut self, least_nodes: usize, most_nodes: usize) {
        for _ in 0..self.rng.random_range(least_nodes..=most_nodes) {
            let spec = self.node_spec();
            let node = self.manager.add_node(self.now, spec, &mut Vec::new());
            self.nodes.push(node);
        }
    }

    fn live(mut self, least_nodes: usize, most_nodes: usize) -> u64 {
        self.populate(least_nodes, most_nodes);
        for _ in 0..self.rng.random_range(3..=12) {
            self.step();
            self.rest();
        }
        self.decisions
    }

    fn node_spec(&mut self) -> NodeSpec {
        let number = self.nodes.len();
        let mut labels = Labels::new();
        if !self.chance(15) {
            labels.insert("zone".into(), ["a", "b", "c"][self.rng.random_range(0..3)].into());
        }
        labels.insert("rack".into(), format!("r{}", self.rng.random_range(0..2)));
        let resources = Resources {
            nano_cpus: self.rng.random_range(1..=4) * 1_000_000_000,
            memory: self.rng.random_range(1..=4) << 30,
            generic: vec![GenericResource { kind: "gpu".into(), units: Units::Count(self.rng.random_range(0..4)) }],
        };
        let description = Description {
            hostname: format!("host{number}"),
            platform: Platform {
                os: "linux".into(),
                architecture: ["x86_64", "aarch64"][self.rng.random_range(0..2)].into(),
            },
            resources,
            ..Description::default()
        };
        NodeSpec {
            id: format!("n{number}"),
            labels,
            availability: if self.chance(8) { Availability::Pause } else { Availability::Active },
            state: if self.chance(5) { NodeState::Unknown } else { NodeState::Ready },
            description: (!self.chance(3)).then_some(description),
            ..NodeSpec::default()
        }
    }

    fn service_spec(&mut self) -> ServiceSpec {
        let mut spec = ServiceSpec::new(format!("s{}", self.services.len()), IMAGE);
        spec.update = self.update;
        spec.mode = match self.rng.random_range(0..10) {
            0 => Mode::Global,
            1 => Mode::ReplicatedJob { max_concurrent: self.rng.random_range(1..6), total_completions: 6 },
            // In large clusters some services are large: groups that look at all nodes, and nodes that are full.
            _ if self.nodes.len() > 50 && self.rng.random_range(0..10) < 3 => {
                Mode::Replicated { replicas: self.rng.random_range(30..=150) }
            }
            _ => Mode::Replicated { replicas: self.rng.random_range(0..=12) },
        };
        let task = &mut spec.task;
        task.restart = Some(RestartPolicy { delay: Some(Span::from_millis(700)), ..RestartPolicy::default() });
        if self.rng.random_range(0..100) < 50 {
            task.reservations.nano_cpus = self.rng.random_range(1..=4) * 250_000_000;
        }
        if self.rng.random_range(0..100) < 30 {
            task.reservations.memory = self.rng.random_range(1..=4) << 28;
        }
        if self.rng.random_range(0..100) < 10 {
            task.reservations.generic = vec![GenericResource { kind: "gpu".into(), units: Units::Count(1) }];
        }
        let preferences = ["node.labels.zone", "node.labels.rack", "node.hostname"];
        let levels = [0, 0, 1, 1, 2, 3][self.rng.random_range(0..6)];
        task.placement.preferences = preferences[..levels].iter().map(|preference| (*preference).to_owned()).collect();
        if self.rng.random_range(0..100) < 20 {
            let choice = ["node.labels.zone==a", "node.labels.zone!=b", "node.role==manager", "node.hostname!=HOST1"];
            task.placement.constraints.push(choice[self.rng.random_range(0..4)].into());
        }
        if self.rng.random_range(0..100) < 15 {
            task.placement.max_replicas = self.rng.random_range(1..=3);
        }
        if self.rng.random_range(0..100) < 10 {
            task.placement.platforms = vec![Platform { os: String::new(), architecture: "amd64".into() }];
        }
        if self.rng.random_range(0..100) < 10 {
            let published = self.rng.random_range(8000..8003);
            spec.endpoint.ports = vec![Port { target: 80, published, mode: PublishMode::Host, ..Port::default() }];
        }
        spec
    }

    /// Something happens.
    fn step(&mut self) {
        let out = &mut Vec::new();
        let node = self.nodes[self.rng.random_range(0..self.nodes.len())];
        if self.manager.wants_images() {
            let bytes = self.rng.random_range(0..4);
            let image = Reference::name_of(IMAGE);
            self.images.insert((IMAGE.to_owned(), node), bytes);
            let news = Event::ImageMissing { node, image: image.into(), bytes };
            self.manager.handle(self.now, news, out).expect("it is there");
        }
        match self.rng.random_range(0..20) {
            0..9 => {
                let spec = self.service_spec();
                if let Ok(service) = self.manager.create_service(self.now, spec, out) {
                    self.services.push(service);
                }
            }
            9 => {
                let spec = self.node_spec();
                self.nodes.push(self.manager.add_node(self.now, spec, out));
            }
            10 => self.manager.handle(self.now, Event::NodeDown(node), out).expect("it is there"),
            11 => self.manager.handle(self.now, Event::NodeUp(node), out).expect("it is there"),
            12 => {
                let to = [Availability::Active, Availability::Pause, Availability::Drain][self.rng.random_range(0..3)];
                self.manager.set_availability(self.now, node, to, out).expect("it is there");
            }
            13 if !self.services.is_empty() => {
                let service = self.services[self.rng.random_range(0..self.services.len())];
                // Refused if it was removed before.
                let _ = self.manager.remove_service(self.now, service, out);
            }
            14 => {
                let labels = Labels::from([("zone".to_owned(), ["a", "b"][self.rng.random_range(0..2)].to_owned())]);
                self.manager.set_labels(self.now, node, labels, out).expect("it is there");
            }
            _ => self.fail_some(),
        }
    }

    /// Tasks run, end and fail, on one node more than on others.
    fn fail_some(&mut self) {
        let tasks: Vec<(TaskId, NodeId)> = self
            .manager
            .cluster()
            .tasks()
            .filter(|(_, task)| (TaskState::Assigned..=TaskState::Running).contains(&task.state))
            .filter_map(|(id, task)| task.node.map(|node| (id, node)))
            .collect();
        let bad = self.nodes[self.rng.random_range(0..self.nodes.len())];
        for (id, node) in tasks {
            let end = match self.rng.next_u32() % 10 {
                _ if node == bad => TaskState::Failed,
                0 => TaskState::Complete,
                1 => TaskState::Rejected,
                2 => TaskState::Running,
                _ => continue,
            };
            self.failures.report(self.manager.cluster(), id, end, self.now);
            self.manager
                .handle(self.now, Event::TaskStatus { task: id, state: end, error: None }, &mut Vec::new())
                .expect("it is there");
        }
    }

    /// Time passes until nothing waits for less than a second; every pass is compared.
    fn rest(&mut self) {
        let until = self.now + Span::from_secs(1);
        while let Some(at) = self.manager.deadline().filter(|at| *at < until) {
            let before = self.manager.cluster().clone();
            let mut out = Vec::new();
            self.manager.handle(at, Event::Deadline, &mut out).expect("it is there");
            let mut got: BTreeMap<TaskId, NodeId> = BTreeMap::new();
            for command in &out {
                if let Command::Assign { task, node } = command {
                    got.insert(*task, *node);
                }
            }
            let expected = self.reading.pass(&before, &self.failures, &self.images, at);
            let seed = self.seed;
            assert_eq!(got, expected.assigned, "assignments of seed {seed} at {at}");
            // An explanation is written when a pass tries the task again and the text is another.
            let tried = |task: &TaskId| out.contains(&Command::State { task: *task, state: TaskState::Pending });
            for (task, text) in expected.explained.into_iter().filter(|(task, _)| tried(task)) {
                let cluster = self.manager.cluster();
                let own = cluster.task(task).and_then(|task| cluster.error(task).cloned());
                assert_eq!(own.as_deref(), Some(text.as_str()), "explanation of {task:?}, seed {seed} at {at}");
            }
            self.decisions += got.len() as u64;
            self.manager.check();
        }
        self.now = until;
    }
}
