//! Storms: anything may happen at any time, under every strategy. [`crate::laws`] must hold after every call, the same
//! seed must tell the same story, also if a clone of the manager or one that was restored from a snapshot takes over again
//! and again, and in the calm after the storm everything must come to run, and in the end to go.

use std::collections::BTreeSet;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sched::failover::{FAILOVERS, Part, Value};
use sched::spec::Mode;
use sched::{Config, STRATEGIES, TaskId};

use crate::failover;
use crate::swarm::*;

const SEEDS: u64 = 2;
const STEPS: usize = 250;
/// Nodes and services at a time, at most.
const NODES: usize = 7;
const SERVICES: usize = 7;

/// Longer than any delay, stop or monitoring of these storms; with failover policies, which wait for a minute at most.
const LONG: Span = Span::from_secs(200);
const LONGER: Span = Span::from_secs(500);
/// Images whose tasks run until they are stopped.
const GOOD: [&str; 2] = ["v1", "v2"];
const STATES: [TaskState; 9] = [
    TaskState::Accepted,
    TaskState::Preparing,
    TaskState::Ready,
    TaskState::Starting,
    TaskState::Running,
    TaskState::Complete,
    TaskState::Shutdown,
    TaskState::Failed,
    TaskState::Rejected,
];

#[test]
fn storms_break_no_law_and_pass() {
    // Where a job happens to fail over and over again, its records, which are kept for ever, make a storm slow.
    let (mut seed, mut recovered) = (300, 0);
    for strategy in STRATEGIES {
        for ties in [TieBreak::LowestId, TieBreak::Seeded] {
            for _ in 0..SEEDS {
                seed += 1;
                let config = || Config { strategy: strategy.name.into(), ties, seed, ..Config::default() };
                println!("storm {seed}: {} {ties:?}", strategy.name);
                let (first, by_themselves) = Storm::new(config(), seed).live(|_, _| {});
                assert!(first.len() > 2 * STEPS, "only {} commands", first.len());
                recovered += by_themselves;
                let by_clone = |swarm: &mut Swarm, _| swarm.replace_manager_by_clone();
                let by_snapshot = |swarm: &mut Swarm, step| {
                    if step % 3 == 0 {
                        swarm.replace_manager_by_snapshot();
                    }
                };
                for (again, _) in
                    [Storm::new(config(), seed).live(by_clone), Storm::new(config(), seed).live(by_snapshot)]
                {
                    let differs = first.iter().zip(&again).position(|(a, b)| a != b);
                    assert_eq!((differs, first.len()), (None, again.len()), "the same seed, another story");
                }
            }
        }
    }
    assert!(recovered > 10, "only {recovered} services came to run without help");
}

/// Every policy by itself, and lists of them.
fn policies() -> Vec<Vec<Part>> {
    let label = |name: &str| Value::Text(name.to_string().into());
    let zoned = |part: Part| part.with("domain", label("zone"));
    let short = || Part::named("wait").with("grace", Value::Span(secs(8)));
    let quick = || Part::named("guarded").with("rate", Value::Number(0.5)).with("small", Value::Count(1));
    let patient = |part: Part, names: &[&str]| {
        names.iter().fold(part, |patient, name| patient.with(*name, Value::Span(secs(60))))
    };
    let mut all: Vec<Vec<Part>> = FAILOVERS
        .iter()
        .map(|entry| match entry.name {
            "guarded" => vec![patient(Part::named("guarded"), &["patience"])],
            "kubernetes" => vec![patient(Part::named("kubernetes"), &["toleration", "back_off_max"])],
            "nomad" => vec![patient(Part::named("nomad"), &["reschedule_max", "interval", "deadline"])],
            "marathon" => vec![patient(Part::named("marathon"), &["look", "back_off_max"])],
            name => vec![Part::named(name)],
        })
        .collect();
    all.extend([
        vec![short(), zoned(Part::named("standby").with("spares", Value::Number(0.5)))],
        vec![zoned(quick()), short(), Part::named("rebalance").with("delay", Value::Span(secs(3)))],
        vec![Part::named("drain-start-first"), Part::named("rebalance").with("order", label("start-first"))],
        vec![zoned(Part::named("standby").with("spares", Value::Count(2))), Part::named("drain-start-first"), short()],
        vec![
            zoned(Part::named("prepull")),
            patient(Part::named("kubernetes").with("budget", Value::Count(1)), &["toleration", "back_off_max"]),
        ],
        vec![patient(Part::named("nomad"), &["lost_after", "reschedule_max", "interval", "deadline"])],
        vec![patient(Part::named("marathon"), &["inactive_after", "wait_look", "look", "back_off_max"])],
    ]);
    all
}

/// With `STORMS=n` so many storms of each.
#[test]
fn storms_under_every_policy_break_no_law_and_pass() {
    let count = std::env::var("STORMS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut recovered = 0;
    for (row, parts) in policies().iter().enumerate() {
        for seed in 0..count {
            let seed = 1000 * (row as u64 + 1) + seed + 1;
            let config = || failover::config(parts, TieBreak::Seeded, seed);
            println!("storm {seed}: {}", sched::failover::label(parts));
            let (first, by_themselves) = Storm::new(config(), seed).under_a_policy().live(|_, _| {});
            let (again, _) =
                Storm::new(config(), seed).under_a_policy().live(|swarm, _| swarm.replace_policies_by_saved_ones());
            let replaced = Storm::new(config(), seed).under_a_policy().live(|swarm, step| {
                if step % 7 == 3 {
                    swarm.replace_manager_by_snapshot();
                }
            });
            recovered += by_themselves;
            for (other, what) in
                [(again, "a policy that was saved"), (replaced.0, "a manager restored from its snapshot")]
            {
                let differs = first.iter().zip(&other).position(|(a, b)| a != b);
                assert_eq!((differs, first.len()), (None, other.len()), "{what} goes on otherwise");
            }
        }
    }
    assert!(recovered > 2, "only {recovered} services came to run without help");
}

struct Storm {
    swarm: Swarm,
    rng: ChaCha8Rng,
    nodes: Vec<String>,
    services: Vec<String>,
    /// Services that were ever updated or rolled back.
    touched: BTreeSet<String>,
    /// Every task that ever got a node, dead ones too.
    assigned: Vec<TaskId>,
    /// Commands that were looked at for it.
    seen: usize,
    names: u32,
    /// Whether leaders change too, and policies are taken over as they were saved.
    has_policy: bool,
}

impl Storm {
    fn new(config: Config, seed: u64) -> Storm {
        let mut swarm = Swarm::with(config);
        swarm.doom("bad", Fate::FailsToStart);
        swarm.doom("missing", Fate::FailsToPrepare);
        swarm.doom("brief", Fate::Exits(secs(3), 0));
        swarm.doom("crash", Fate::Exits(secs(2), 1));
        Storm {
            swarm,
            rng: ChaCha8Rng::seed_from_u64(seed),
            nodes: Vec::new(),
            services: Vec::new(),
            touched: BTreeSet::new(),
            assigned: Vec::new(),
            seen: 0,
            names: 0,
            has_policy: false,
        }
    }

    fn under_a_policy(mut self) -> Storm {
        self.has_policy = true;
        self.swarm.allow_moves();
        self
    }

    /// Every command in order, and how many services came to run without help. The manager may be replaced before every
    /// step.
    fn live(mut self, replace: impl Fn(&mut Swarm, usize)) -> (Vec<(Time, Command)>, usize) {
        for _ in 0..4 {
            self.add_node();
        }
        for step in 0..STEPS {
            replace(&mut self.swarm, step);
            self.step();
            if self.has_policy && self.chance(2) {
                self.swarm.change_leader();
            }
            for (_, command) in &self.swarm.log[self.seen..] {
                if let Command::Assign { task, .. } = command {
                    self.assigned.push(*task);
                }
            }
            self.seen = self.swarm.log.len();
        }
        // The last wishes come while the storm still blows.
        for _ in 0..SERVICES {
            self.create();
        }
        let recovered = self.calm();
        self.repair();
        self.end();
        (self.swarm.log, recovered)
    }

    fn long(&self) -> Span {
        if self.has_policy { LONGER } else { LONG }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.random_range(0..from.len())]
    }

    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    /// One of the nodes or services, if there is any.
    fn one_of(&mut self, names: fn(&Storm) -> &Vec<String>) -> Option<String> {
        let count = names(self).len();
        if count == 0 {
            return None;
        }
        let index = self.rng.random_range(0..count);
        Some(names(self)[index].clone())
    }

    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..10 => self.create(),
            10..24 => self.update(),
            24..28 => {
                if let Some(service) = self.one_of(|storm| &storm.services) {
                    // Refused where there is nothing to go back to.
                    let _ = self.swarm.rollback(&service);
                    self.touched.insert(service);
                }
            }
            28..31 => {
                if let Some(service) = self.one_of(|storm| &storm.services) {
                    self.services.retain(|other| *other != service);
                    self.swarm.remove(&service);
                }
            }
            31..50 => self.change_a_node(),
            50..68 => self.report(),
            68..71 => {
                let spans = [Span::ZERO, millis(200), secs(4), secs(15)];
                self.swarm.prepare = self.pick(&spans);
                self.swarm.start = self.pick(&spans);
                self.swarm.stop = self.pick(&[Span::ZERO, secs(1), secs(10), secs(90)]);
            }
            _ => {
                let spans = [Span::ZERO, millis(10), millis(50), millis(250), secs(1), secs(6), secs(30)];
                let span = self.pick(&spans);
                self.swarm.after(span);
            }
        }
    }

    fn create(&mut self) {
        if self.services.len() == SERVICES {
            return;
        }
        let name = self.name("s");
        let spec = service(&name);
        let spec = match self.rng.random_range(0..10) {
            0..6 => spec.replicas(self.rng.random_range(0..9)),
            6..8 => spec.global(),
            8 => spec.job(self.rng.random_range(0..4), self.rng.random_range(0..7)),
            _ => spec.global_job(),
        };
        let spec = self.vary(spec);
        // The mesh has each port once: that is refused, and no harm.
        if self.swarm.try_create(spec).is_ok() {
            self.services.push(name);
        }
    }

    /// Turns a specification into another one of the same name and mode.
    fn vary(&mut self, mut spec: ServiceBuilder) -> ServiceBuilder {
        if self.chance(50) {
            spec = spec.image(self.pick(&["v1", "v1", "v2", "v2", "bad", "missing", "brief", "crash"]));
        }
        if self.chance(20) {
            spec = spec.unconstrained();
            if self.chance(70) {
                let texts = ["node.labels.zone == x", "node.labels.zone != y", "node.role == worker"];
                spec = spec.constraint(self.pick(&texts));
            }
        }
        if self.chance(30) {
            spec = spec.cpus(self.rng.random_range(0..3)).memory(self.rng.random_range(0..4) * 500 * MB);
        }
        if self.chance(20) {
            spec.0.task.reservations.generic.clear();
            spec = spec.count(self.pick(&["gpu", "apple"]), self.rng.random_range(1..3));
        }
        if self.chance(15) {
            spec.0.endpoint.ports.clear();
            let port = 8000 + self.rng.random_range(0..3);
            spec = if self.chance(80) {
                spec.host_port(port, self.pick(&[Protocol::Tcp, Protocol::Udp]))
            } else {
                spec.ingress_port(port + 1000, Protocol::Tcp)
            };
        }
        if self.chance(15) {
            spec = spec.max_per_node(self.rng.random_range(0..3));
        }
        if self.chance(15) {
            spec = spec.spread_over(self.pick(&["node.labels.zone", "node.role", "node.hostname"]));
        }
        if self.chance(30) {
            let conditions = [RestartCondition::None, RestartCondition::OnFailure, RestartCondition::Any];
            spec = spec.restart(self.pick(&conditions)).delay(self.pick(&[millis(700), secs(5), secs(20)]));
            spec = spec.attempts(self.pick(&[0, 0, 1, 3])).window(self.pick(&[Span::ZERO, secs(30)]));
        }
        if self.chance(30) && !spec.0.mode.is_job() {
            spec = spec.updating(self.update_config()).rolling_back(self.update_config());
        }
        spec
    }

    fn update_config(&mut self) -> UpdateConfig {
        UpdateConfig {
            parallelism: self.rng.random_range(0..4),
            delay: self.pick(&[Span::ZERO, secs(1), secs(10)]),
            failure_action: self.pick(&[FailureAction::Pause, FailureAction::Continue, FailureAction::Rollback]),
            monitor: self.pick(&[None, Some(secs(1)), Some(secs(20))]),
            max_failure_ratio: self.pick(&[0.0, 0.4, 1.0]),
            order: self.pick(&[UpdateOrder::StopFirst, UpdateOrder::StartFirst]),
        }
    }

    fn update(&mut self) {
        let Some(service) = self.one_of(|storm| &storm.services) else { return };
        self.touched.insert(service.clone());
        let change = self.rng.random_range(0..10);
        let replicas = self.rng.random_range(0..9);
        let mut varied = None;
        if change >= 6 {
            let spec = ServiceBuilder(self.swarm.spec(&service).clone());
            varied = Some(self.vary(spec));
        }
        let _ = self.swarm.try_update(&service, |service| match change {
            0..4 if matches!(service.0.mode, Mode::Replicated { .. }) => service.replicas(replicas),
            4 => service.force(),
            _ => varied.unwrap_or(service),
        });
    }

    fn add_node(&mut self) {
        let name = self.name("n");
        let mut spec = self.equip(node(&name));
        if self.chance(80) {
            spec = spec.label("zone", self.pick(&["x", "y"]));
        }
        if self.chance(10) {
            spec = spec.state(self.pick(&[NodeState::Unknown, NodeState::Down]));
        }
        self.swarm.add(spec);
        self.nodes.push(name);
    }

    fn equip(&mut self, spec: NodeBuilder) -> NodeBuilder {
        let spec = spec.cpus(self.rng.random_range(1..9)).memory(self.rng.random_range(1..9) * 1000 * MB);
        let spec = spec.count("gpu", self.rng.random_range(0..5));
        // A new leader gives named units out anew, whatever the tasks hold: they are left out where leaders change.
        if self.chance(80) && !self.has_policy {
            spec.named("apple", &["red", "green", "blue"])
        } else {
            spec.count("apple", 2)
        }
    }

    fn change_a_node(&mut self) {
        let Some(name) = self.one_of(|storm| &storm.nodes) else { return self.add_node() };
        match self.rng.random_range(0..20) {
            0..4 => self.swarm.down(&name),
            4..9 => self.swarm.up(&name),
            9 => self.swarm.drain(&name),
            10 => self.swarm.pause(&name),
            11..14 => self.swarm.activate(&name),
            14..16 => {
                let zone = self.pick(&["x", "y"]);
                self.swarm.label(&name, &[("zone", zone)]);
            }
            16 => {
                let role = self.pick(&[Role::Worker, Role::Manager]);
                self.swarm.promote(&name, role);
            }
            17 => {
                let like = self.equip(node(&name));
                self.swarm.resize(like);
            }
            18 => {
                self.swarm.remove_node(&name);
                self.nodes.retain(|other| *other != name);
            }
            _ if self.nodes.len() < NODES => self.add_node(),
            _ => {}
        }
    }

    /// An agent reports something that it may have reported before, or far too late, or that is not true.
    fn report(&mut self) {
        if self.assigned.is_empty() {
            return;
        }
        // Half of the time it is about one of the last.
        let oldest = if self.chance(50) { self.assigned.len().saturating_sub(20) } else { 0 };
        let task = self.assigned[self.rng.random_range(oldest..self.assigned.len())];
        let state = self.pick(&STATES);
        for _ in 0..self.rng.random_range(1..3) {
            self.swarm.claim(task, state);
        }
    }

    /// All nodes return with plenty of everything. Services that nobody touched since they were created come to run;
    /// the answer is how many these are. Others may have lost a waiting task, or have ended as they were told to.
    fn calm(&mut self) -> usize {
        (self.swarm.prepare, self.swarm.start, self.swarm.stop) = (Span::ZERO, Span::ZERO, Span::ZERO);
        while self.nodes.len() < NODES {
            self.add_node();
        }
        for name in &self.nodes {
            self.swarm.up(name);
            self.swarm.activate(name);
            self.swarm.label(name, &[("zone", "x")]);
            self.swarm.promote(name, Role::Worker);
            let names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
            let apples: Vec<&str> = names.iter().map(String::as_str).collect();
            let ample = node(name).cpus(1000).memory(1_000_000 * MB).count("gpu", 100);
            let ample = if self.has_policy { ample.count("apple", 100) } else { ample.named("apple", &apples) };
            self.swarm.resize(ample);
        }
        self.swarm.after(self.long());
        let mut recovered = 0;
        for name in &self.services {
            let spec = self.swarm.spec(name);
            let restart = spec.task.restart.unwrap_or_default();
            // A rollback may bring the first version back, but not the tasks of it that were forgotten meanwhile (moby#53722).
            let untouched = !self.touched.contains(name);
            let lasts = GOOD.contains(&spec.task.container.image.as_str())
                && restart.condition == RestartCondition::Any
                && restart.max_attempts == 0;
            let anywhere = spec.endpoint.ports.is_empty() && spec.task.placement.max_replicas == 0;
            if untouched && lasts && anywhere {
                self.all_run(name);
                recovered += usize::from(!spec.mode.is_job());
            }
        }
        recovered
    }

    /// An operator gives every service a specification that can run everywhere.
    fn repair(&mut self) {
        for name in &self.services {
            if self.swarm.spec(name).mode.is_job() {
                continue;
            }
            let repaired = self.swarm.try_update(name, |service| {
                let mut service =
                    service.force().image("v1").unconstrained().max_per_node(0).restart(RestartCondition::Any);
                service.0.task.reservations = Default::default();
                service.0.endpoint.ports.clear();
                let failure_action = FailureAction::Continue;
                service.attempts(0).updating(UpdateConfig { parallelism: 0, failure_action, ..UpdateConfig::default() })
            });
            assert_eq!(repaired, Ok(()), "{name}");
        }
        self.swarm.after(self.long());
        for name in &self.services {
            if self.swarm.spec(name).mode.is_job() {
                continue;
            }
            self.all_run(name);
            assert!(matches!(self.swarm.update_state(name), None | Some(UpdateState::Completed)), "{name}");
        }
    }

    /// As many tasks run as shall, and no other is wanted.
    fn all_run(&self, name: &str) {
        let wanted = match self.swarm.spec(name).mode {
            Mode::Replicated { replicas } => replicas as usize,
            Mode::Global => self.nodes.len(),
            Mode::ReplicatedJob { .. } | Mode::GlobalJob => return,
        };
        let rows = self.swarm.ps(name);
        let live = self.swarm.live(name).into_iter().filter(|row| !row.contains(".spare")).count();
        assert_eq!((self.swarm.running(name), live), (wanted, wanted), "{name}: {rows:#?}");
    }

    /// Without services there are no tasks, and nothing is held.
    fn end(&mut self) {
        for name in std::mem::take(&mut self.services) {
            self.swarm.remove(&name);
        }
        self.swarm.after(self.long());
        let left: Vec<_> = self.swarm.cluster().tasks().collect();
        assert!(left.is_empty(), "{left:#?}");
    }
}
