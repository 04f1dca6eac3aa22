//! Whatever a driver sends, the manager does not panic: ids of nothing, clocks that jump, numbers without measure. After
//! every call its own numbers must be right.

#[path = "seams/gentle_drain.rs"]
mod gentle_drain;
#[path = "seams/one_spare.rs"]
mod one_spare;
#[path = "hostile/restless.rs"]
mod restless;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sched::failover::Failover;
use sched::spec::*;
use sched::*;

const STEPS: usize = 5000;

#[test]
fn nothing_that_a_driver_sends_makes_the_manager_panic() {
    let (mut refused, mut assigned) = (0, 0);
    for (seed, strategy) in (0..).zip(STRATEGIES.iter().flat_map(|entry| [entry; 3])) {
        let mut storm = Storm::new(strategy.name, seed);
        for step in 0..STEPS {
            storm.step();
            // It looks at everything, so it costs more than a step.
            if step % 4 == 0 {
                storm.manager.check();
            }
        }
        refused += storm.refused;
        assigned += storm.assigned;
    }
    assert!(refused > 2000, "only {refused} calls were refused");
    assert!(assigned > 2000, "only {assigned} tasks were assigned");
}

/// The law of snapshots, whatever is sent: leaders change, updates, moves and restarts are under way, times jump.
#[test]
fn a_manager_that_is_restored_again_and_again_gives_the_same_commands() {
    let (mut restored, mut commands) = (0, 0);
    let failovers = FAILOVERS.iter().map(|entry| entry.name.into()).chain(own_policies());
    let cases: Vec<Choice<dyn Failover>> = failovers.collect();
    let strategies = STRATEGIES.iter().map(|entry| entry.name.into());
    let strategies: Vec<Choice<dyn Strategy>> = strategies.chain([restless::strategy()]).collect();
    // Every strategy and every policy, in turns.
    for number in 0..2 * strategies.len().max(cases.len()) {
        let (seed, strategy) = (100 + number as u64, &strategies[number % strategies.len()]);
        let ties = [TieBreak::LowestId, TieBreak::Seeded][seed as usize % 2];
        let failover = cases[(number + number / strategies.len()) % cases.len()].clone();
        println!("storm {seed}: {strategy:?} {ties:?} {failover:?}");
        let config =
            Config { strategy: strategy.clone(), failover, failovers: own_policies(), ties, seed, ..Config::default() };
        let (mut whole, mut broken) = (Storm::with(config.clone()), Storm::with(config));
        // A policy that looks around now and then would catch up with all that it missed.
        (whole.leaps, broken.leaps) = (false, false);
        let mut moments = ChaCha8Rng::seed_from_u64(seed);
        for step in 0..STEPS / 6 {
            if moments.random_range(0..8) == 0 {
                broken.restore();
                restored += 1;
                assert!(whole.manager.snapshot() == broken.manager.snapshot(), "step {step}: another snapshot");
            }
            whole.step();
            broken.step();
            assert_eq!(whole.last, broken.last, "step {step}");
            assert_eq!(whole.manager.deadline(), broken.manager.deadline(), "step {step}");
            commands += whole.last.len();
        }
    }
    assert!(restored > 1000 && commands > 10_000, "{restored} restored, {commands} commands");
}

fn own_policies() -> Vec<Choice<dyn Failover>> {
    vec![
        Choice::own("one-spare", |_| -> Box<dyn Failover> { Box::new(one_spare::OneSpare) }),
        Choice::own("gentle-drain", |_| -> Box<dyn Failover> { Box::<gentle_drain::GentleDrain>::default() }),
        restless::policy(),
    ]
}

/// A manager and someone who calls it without sense.
struct Storm {
    config: Config,
    manager: Manager,
    rng: ChaCha8Rng,
    now: Time,
    /// Whether the clock may leap ahead by days and more.
    leaps: bool,
    out: Commands,
    /// Every id that was ever given out, and those of another manager.
    nodes: Vec<NodeId>,
    services: Vec<ServiceId>,
    tasks: Vec<TaskId>,
    /// What the last step caused.
    last: Commands,
    refused: usize,
    assigned: usize,
}

impl Storm {
    fn new(strategy: &str, seed: u64) -> Storm {
        let ties = [TieBreak::LowestId, TieBreak::Seeded][seed as usize % 2];
        let allocation = [Allocation::Instant, Allocation::Instant, Allocation::External][seed as usize % 3];
        Storm::with(Config { strategy: strategy.into(), ties, seed, allocation, ..Config::default() })
    }

    fn with(config: Config) -> Storm {
        let ids = [0, 900, u32::MAX as usize - 2, usize::MAX];
        Storm {
            manager: Manager::new(config.clone()).expect("registered"),
            rng: ChaCha8Rng::seed_from_u64(config.seed),
            config,
            now: Time::ZERO,
            leaps: true,
            out: Commands::new(),
            nodes: ids.map(NodeId::from_index).to_vec(),
            services: ids.map(ServiceId::from_index).to_vec(),
            tasks: tasks_of_another_manager(),
            last: Commands::new(),
            refused: 0,
            assigned: 0,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.rng.random_range(0..limit)
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// Mostly one of the last that were given out.
    fn id<T: Copy>(&mut self, of: fn(&Storm) -> &Vec<T>) -> T {
        let all = of(self).len();
        let first = if self.below(4) == 0 { 0 } else { all.saturating_sub(8) };
        let index = self.rng.random_range(first..all);
        of(self)[index]
    }

    fn node(&mut self) -> NodeId {
        self.id(|storm| &storm.nodes)
    }

    fn service(&mut self) -> ServiceId {
        self.id(|storm| &storm.services)
    }

    /// Mostly forwards a little; sometimes far back, rarely so far forward that time comes to its end.
    fn time(&mut self) -> Time {
        let now = self.now.as_nanos();
        let nanos = match self.below(1000) {
            0..600 => now.saturating_add(self.rng.random_range(0..100_000_000)),
            600..800 => now.saturating_add(self.rng.random_range(0..10_000_000_000)),
            800..997 => self.rng.random_range(0..=now),
            997 if self.leaps => now.saturating_add(100_000_000_000_000),
            998 => 0,
            999 if self.leaps && self.below(4) == 0 => u64::MAX - 1,
            _ => now,
        };
        let time = Time::from_nanos(nanos);
        self.now = self.now.max(time);
        time
    }

    fn number(&mut self) -> i64 {
        let any = self.rng.random();
        self.pick(&[0, 1, -1, 3, 4_000_000_000, 8 << 30, i64::MAX, i64::MIN, i64::MAX / 2, any])
    }

    fn count(&mut self) -> u64 {
        let any = self.rng.random();
        self.pick(&[0, 1, 2, 3, 5, 9, 20, u64::MAX, 1 << 31, any])
    }

    fn span(&mut self) -> Span {
        let any = self.rng.random();
        Span::from_nanos(self.pick(&[0, 1, 50_000_000, 5_000_000_000, u64::MAX, any]))
    }

    fn text(&mut self) -> String {
        let texts = ["", "a", "b", "node.labels.zone==a", "node.labels.zone", "node.labels.é!=", "x==\u{0}", "ß==ß"];
        self.pick(&texts).into()
    }

    fn texts(&mut self) -> Vec<String> {
        (0..self.below(3)).map(|_| self.text()).collect()
    }

    fn resources(&mut self) -> Resources {
        let generic = (0..self.below(4)).map(|_| {
            let units = if self.below(3) == 0 { Units::Named(self.text()) } else { Units::Count(self.number()) };
            GenericResource { kind: self.pick(&["gpu", "ssd"]).into(), units }
        });
        let generic = generic.collect();
        let ample = self.below(2) == 0;
        let (nano_cpus, memory) = if ample { (8_000_000_000, 8 << 30) } else { (self.number(), self.number()) };
        Resources { nano_cpus, memory, generic }
    }

    fn description(&mut self) -> Description {
        Description {
            hostname: self.text(),
            platform: Platform { os: self.text(), architecture: self.text() },
            plugins: [(self.pick(&[PluginKind::Volume, PluginKind::Log]), self.text())].into(),
            resources: self.resources(),
            engine_labels: self.labels(),
        }
    }

    fn labels(&mut self) -> Labels {
        Labels::from([("zone".into(), self.text())])
    }

    fn node_spec(&mut self) -> NodeSpec {
        let states = [NodeState::Ready, NodeState::Ready, NodeState::Down, NodeState::Unknown, NodeState::Disconnected];
        NodeSpec {
            id: self.text(),
            role: self.pick(&[Role::Worker, Role::Manager]),
            availability: self.pick(&[Availability::Active, Availability::Active, Availability::Drain]),
            state: self.pick(&states),
            labels: self.labels(),
            address: Some(self.text()),
            description: if self.below(8) > 0 { Some(self.description()) } else { None },
        }
    }

    fn service_spec(&mut self) -> ServiceSpec {
        let name = format!("s{}", self.below(30));
        let mut spec = ServiceSpec::new(name, "image");
        spec.mode = match self.below(8) {
            0..5 => Mode::Replicated { replicas: self.count() },
            5 => Mode::Global,
            6 => Mode::ReplicatedJob { max_concurrent: self.count(), total_completions: self.count() },
            _ => Mode::GlobalJob,
        };
        if self.below(3) == 0 {
            spec.task.reservations = self.resources();
        }
        if self.below(4) == 0 {
            spec.task.limits = self.resources();
            spec.task.placement.constraints = self.texts();
        }
        if self.below(3) == 0 {
            spec.task.placement.preferences = self.texts();
            spec.task.placement.max_replicas = self.count();
        }
        if self.below(2) == 0 {
            let condition = self.pick(&[RestartCondition::None, RestartCondition::OnFailure, RestartCondition::Any]);
            let (delay, window) = (Some(self.span()), self.span());
            spec.task.restart = Some(RestartPolicy { condition, delay, max_attempts: self.count(), window });
        }
        if self.below(2) == 0 {
            spec.update = Some(self.update_config());
            spec.rollback = Some(self.update_config());
        }
        if self.below(4) == 0 {
            let mode = self.pick(&[PublishMode::Host, PublishMode::Ingress]);
            let published = self.pick(&[0, 80, u16::MAX]);
            spec.endpoint.ports = vec![Port { published, target: 80, mode, ..Port::default() }];
        }
        spec.task.force_update = self.count();
        let policies: Vec<String> = self.config.failovers.iter().map(|policy| policy.name().to_owned()).collect();
        if !policies.is_empty() && self.below(2) == 0 {
            spec.failover = Some(self.pick(&policies));
        }
        spec
    }

    fn update_config(&mut self) -> UpdateConfig {
        UpdateConfig {
            parallelism: self.count(),
            delay: self.span(),
            failure_action: self.pick(&[FailureAction::Pause, FailureAction::Continue, FailureAction::Rollback]),
            monitor: if self.below(2) == 0 { Some(self.span()) } else { None },
            max_failure_ratio: self.pick(&[0.0, 0.5, -1.0, f32::NAN, f32::INFINITY]),
            order: self.pick(&[UpdateOrder::StopFirst, UpdateOrder::StartFirst]),
        }
    }

    fn event(&mut self) -> Event {
        match self.below(10) {
            0 => Event::NodeUp(self.node()),
            1 => Event::NodeDown(self.node()),
            2 => Event::Allocated(self.id(|storm| &storm.tasks)),
            3..8 => {
                let (task, state) = (self.id(|storm| &storm.tasks), self.pick(&TaskState::ALL));
                Event::TaskStatus { task, state, error: Some(self.text().into()) }
            }
            8 => {
                let (task, state) = (self.id(|storm| &storm.tasks), self.pick(&TaskState::ALL));
                let at = Time::from_nanos(self.pick(&[0, 5, u64::MAX]));
                Event::TaskChanged { task, state, error: None, at }
            }
            _ => Event::Deadline,
        }
    }

    fn adopt(&mut self, now: Time) -> Result<(), ApiError> {
        let spec = self.service_spec();
        let numbers = [0, 1, 2, u32::MAX - 20, u32::MAX];
        let tasks: Vec<(Slot, NodeId)> = (0..self.below(5))
            .map(|_| {
                let node = self.node();
                let other = if self.below(4) == 0 { self.node() } else { node };
                (if self.below(2) == 0 { Slot::Node(other) } else { Slot::Number(self.pick(&numbers)) }, node)
            })
            .collect();
        let id = self.manager.adopt_service(now, spec, &tasks, &mut self.out)?;
        self.services.push(id);
        Ok(())
    }

    fn call(&mut self) -> Result<(), ApiError> {
        let now = self.time();
        match self.below(120) {
            0..3 => {
                let spec = self.node_spec();
                let id = self.manager.add_node(now, spec, &mut self.out);
                self.nodes.push(id);
            }
            3 => {
                let spec = self.node_spec();
                let id = self.manager.expect_node(now, spec, &mut self.out);
                self.nodes.push(id);
            }
            4..6 => {
                let (node, spec) = (self.node(), self.node_spec());
                return self.manager.join_node(now, node, spec, &mut self.out);
            }
            6..8 => {
                let to = self.pick(&[Availability::Active, Availability::Pause, Availability::Drain]);
                let node = self.node();
                return self.manager.set_availability(now, node, to, &mut self.out);
            }
            8 => {
                let (node, labels) = (self.node(), self.labels());
                return self.manager.set_labels(now, node, labels, &mut self.out);
            }
            9 => {
                let (node, role) = (self.node(), self.pick(&[Role::Worker, Role::Manager]));
                return self.manager.set_role(now, node, role, &mut self.out);
            }
            10..13 => {
                let (node, description) = (self.node(), self.description());
                return self.manager.set_description(now, node, description, &mut self.out);
            }
            13 => {
                let node = self.node();
                return self.manager.remove_node(now, node, &mut self.out);
            }
            14..24 => {
                let spec = self.service_spec();
                let id = self.manager.create_service(now, spec, &mut self.out)?;
                self.services.push(id);
            }
            24..27 => return self.adopt(now),
            27..30 => {
                let service = self.service();
                return self.manager.resume_service(now, service, &mut self.out);
            }
            30 => {
                let (service, node, at) = (self.service(), self.node(), self.time());
                return self.manager.recall_failure(service, node, at);
            }
            31..37 => {
                let (service, mut spec) = (self.service(), self.service_spec());
                // Another name or another kind of service is refused at once.
                let keep = self.below(8) > 0;
                if let Some(known) = self.manager.cluster().services().get(service).filter(|_| keep) {
                    spec.name.clone_from(&known.spec.name);
                    spec.mode = known.spec.mode;
                }
                return self.manager.update_service(now, service, spec, &mut self.out);
            }
            37..39 => {
                let service = self.service();
                return self.manager.rollback_service(now, service, &mut self.out);
            }
            39..42 => {
                let service = self.service();
                return self.manager.remove_service(now, service, &mut self.out);
            }
            42 => self.manager.change_leader(now, &mut self.out),
            43..60 => {
                let events: Vec<Event> = (0..self.below(6)).map(|_| self.event()).collect();
                return self.manager.handle_all(now, events, &mut self.out);
            }
            _ => {
                let event = self.event();
                return self.manager.handle(now, event, &mut self.out);
            }
        }
        Ok(())
    }

    /// A manager takes over that was restored from a snapshot.
    fn restore(&mut self) {
        let snapshot = self.manager.snapshot();
        self.manager = Manager::restore(self.config.clone(), &snapshot).expect("just written");
        self.manager.check();
        assert!(self.manager.snapshot() == snapshot, "a snapshot of the restored one differs");
    }

    fn step(&mut self) {
        self.refused += usize::from(self.call().is_err());
        // What is due, as far as it is not endless; what is assigned mostly runs.
        if self.below(3) == 0
            && let Some(at) = self.manager.deadline().filter(|at| at.since(self.now) < Span::from_secs(10))
        {
            self.now = self.now.max(at);
            self.manager.handle(at, Event::Deadline, &mut self.out).expect("a deadline is about nothing");
        }
        self.last = std::mem::take(&mut self.out);
        for command in self.last.clone() {
            match command {
                Command::Create { task, .. } => self.tasks.push(task),
                Command::Assign { task, .. } => {
                    self.assigned += 1;
                    if self.below(4) > 0 {
                        let event = Event::TaskStatus { task, state: TaskState::Running, error: None };
                        // Its record may be gone by now.
                        let _ = self.manager.handle(self.now, event, &mut self.out);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Ids with rows and generations that the other one may not have.
fn tasks_of_another_manager() -> Vec<TaskId> {
    let mut manager = Manager::new(Config::default()).expect("spread");
    let (mut out, mut ids) = (Commands::new(), Vec::new());
    for round in 0..4 {
        let mut spec = ServiceSpec::new("web", "image");
        spec.mode = Mode::Replicated { replicas: 500 };
        let service = manager.create_service(Time::ZERO, spec, &mut out).expect("a good service");
        ids.extend(manager.cluster().tasks().map(|(id, _)| id).step_by(100));
        manager.remove_service(Time::ZERO, service, &mut out).expect("it is there");
        let later = Time::ZERO + Span::from_secs(10 * (round + 1));
        manager.handle(later, Event::Deadline, &mut out).expect("a deadline is about nothing");
    }
    ids
}

fn a_node(memory: i64) -> NodeSpec {
    let resources = Resources { nano_cpus: 4_000_000_000, memory, generic: Vec::new() };
    NodeSpec { description: Some(Description { resources, ..Description::default() }), ..NodeSpec::default() }
}

#[test]
fn a_clock_that_steps_back_stands_still() {
    let mut manager = Manager::new(Config::default()).expect("spread");
    let mut out = Commands::new();
    let at = |millis| Time::ZERO + Span::from_millis(millis);
    manager.add_node(at(10), a_node(8 << 30), &mut out);
    manager.create_service(at(10), ServiceSpec::new("web", "image"), &mut out).expect("a good service");
    manager.handle(at(9), Event::Deadline, &mut out).expect("a millisecond earlier");
    assert_eq!(manager.deadline(), Some(at(60)), "the debounce began at 10 ms");
    manager.handle(at(60), Event::Deadline, &mut out).expect("never refused");
    let cluster = manager.cluster();
    let since = cluster.tasks().map(|(_, task)| (task.state, cluster.since(task))).collect::<Vec<_>>();
    assert_eq!(since, [(TaskState::Assigned, at(60))]);
}

#[test]
fn tasks_may_reserve_more_than_sixty_four_bits_hold() {
    let mut manager = Manager::new(Config::default()).expect("spread");
    let mut out = Commands::new();
    let node = manager.add_node(Time::ZERO, a_node(8 << 30), &mut out);
    let mut spec = ServiceSpec::new("huge", "image");
    spec.mode = Mode::Replicated { replicas: 2 };
    spec.task.reservations.memory = i64::MAX;
    let tasks = [(Slot::Number(1), node), (Slot::Number(2), node)];
    let huge = manager.adopt_service(Time::ZERO, spec, &tasks, &mut out).expect("the node is there");
    manager.check();
    let mut web = ServiceSpec::new("web", "image");
    web.task.reservations.memory = 1 << 30;
    manager.create_service(Time::ZERO, web, &mut out).expect("a good service");
    let running: Vec<TaskId> = manager.cluster().tasks_on(node).collect();
    let states = |manager: &Manager| manager.cluster().tasks().map(|(_, task)| task.state).collect::<Vec<_>>();
    let mut rest = |manager: &mut Manager, secs| {
        let until = Time::ZERO + Span::from_secs(secs);
        while let Some(at) = manager.deadline().filter(|at| *at < until) {
            manager.handle(at, Event::Deadline, &mut out).expect("never refused");
            manager.check();
        }
    };
    rest(&mut manager, 1);
    assert_eq!(states(&manager), [TaskState::Running, TaskState::Running, TaskState::Pending], "no room is left");
    // One ends, then the other: what is left is exact again.
    for (task, web) in running.into_iter().zip([TaskState::Pending, TaskState::Assigned]) {
        let event = Event::TaskStatus { task, state: TaskState::Complete, error: None };
        manager.handle(Time::ZERO + Span::from_secs(1), event, &mut Vec::new()).expect("it is there");
        manager.check();
        rest(&mut manager, 3);
        assert_eq!(manager.cluster().tasks().nth(2).map(|(_, task)| task.state), Some(web));
    }
    assert!(manager.cluster().service(huge).is_none(), "it was never resumed");
}

#[test]
fn what_is_not_there_is_refused_alike() {
    let mut manager = Manager::new(Config::default()).expect("spread");
    let (now, mut out) = (Time::ZERO, Commands::new());
    let gone = manager.add_node(now, a_node(1 << 30), &mut out);
    manager.remove_node(now, gone, &mut out).expect("it is there");
    let removed = manager.create_service(now, ServiceSpec::new("web", "image"), &mut out).expect("a good service");
    let task = manager.cluster().tasks().next().expect("one replica").0;
    manager.remove_service(now, removed, &mut out).expect("it is there");
    while let Some(at) = manager.deadline() {
        manager.handle(at, Event::Deadline, &mut out).expect("never refused");
    }
    assert!(manager.cluster().task(task).is_none(), "its record is deleted");
    out.clear();

    let text = |answer: Result<(), ApiError>| answer.expect_err("it is not there").text;
    for node in [gone, NodeId::from_index(7), NodeId::from_index(usize::MAX)] {
        let expected = format!("node {node} not found");
        assert_eq!(text(manager.set_availability(now, node, Availability::Drain, &mut out)), expected);
        assert_eq!(text(manager.set_labels(now, node, Labels::new(), &mut out)), expected);
        assert_eq!(text(manager.set_role(now, node, Role::Manager, &mut out)), expected);
        assert_eq!(text(manager.set_description(now, node, Description::default(), &mut out)), expected);
        assert_eq!(text(manager.remove_node(now, node, &mut out)), expected);
        assert_eq!(text(manager.recall_failure(removed, node, now)), format!("service {removed} not found"));
        assert_eq!(text(manager.handle(now, Event::NodeUp(node), &mut out)), expected);
        assert_eq!(text(manager.handle(now, Event::NodeDown(node), &mut out)), expected);
        let tasks = [(Slot::Number(1), node)];
        let adopted = manager.adopt_service(now, ServiceSpec::new("old", "image"), &tasks, &mut out);
        assert_eq!(text(adopted.map(drop)), expected);
        if node != gone {
            assert_eq!(text(manager.join_node(now, node, a_node(1), &mut out)), expected);
        }
    }
    for service in [removed, ServiceId::from_index(7), ServiceId::from_index(usize::MAX)] {
        let expected = format!("service {service} not found");
        let spec = ServiceSpec::new("web", "image");
        assert_eq!(text(manager.update_service(now, service, spec, &mut out)), expected);
        assert_eq!(text(manager.rollback_service(now, service, &mut out)), expected);
        assert_eq!(text(manager.resume_service(now, service, &mut out)), expected);
        assert_eq!(text(manager.remove_service(now, service, &mut out)), expected);
    }
    let expected = format!("task {task} not found");
    let status = |task| Event::TaskStatus { task, state: TaskState::Running, error: None };
    assert_eq!(text(manager.handle(now, status(task), &mut out)), expected);
    assert_eq!(text(manager.handle(now, Event::Allocated(task), &mut out)), expected);
    // The row has another task now, which no node has.
    manager.create_service(now, ServiceSpec::new("web", "image"), &mut out).expect("the name is free");
    let next = manager.cluster().tasks().next().expect("one replica").0;
    assert_eq!((next.row(), next == task), (task.row(), false));
    assert_eq!(text(manager.handle(now, status(task), &mut out)), expected);
    assert_eq!(text(manager.handle(now, status(next), &mut out)), format!("task {next} is not assigned to a node"));
    // The first refusal is the answer; what is not refused counts.
    let node = manager.add_node(now, NodeSpec { state: NodeState::Unknown, ..a_node(1 << 30) }, &mut out);
    let events = [Event::NodeDown(gone), status(task), Event::NodeUp(node)];
    assert_eq!(text(manager.handle_all(now, events, &mut out)), format!("node {gone} not found"));
    assert_eq!(manager.cluster().node(node).map(|node| node.spec.state), Some(NodeState::Ready));
    assert_eq!(
        text(manager.join_node(now, node, a_node(1), &mut out).and_then(|()| manager.remove_node(now, gone, &mut out))),
        format!("node {gone} not found")
    );
}

#[test]
fn a_service_of_more_tasks_than_memory_holds_is_refused() {
    let mut manager = Manager::new(Config::default()).expect("spread");
    let mut spec = ServiceSpec::new("web", "image");
    spec.mode = Mode::Replicated { replicas: i64::MAX as u64 };
    let refusal = manager.create_service(Time::ZERO, spec, &mut Vec::new()).expect_err("too many");
    assert_eq!(refusal.text, "service web asks for 9223372036854775807 tasks, more than 16777216");
}
