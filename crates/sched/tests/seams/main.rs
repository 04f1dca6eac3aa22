//! Strategies and policies from outside the crate, one file each, in little stories.

mod emptiest;
mod gentle_drain;
mod one_spare;

use std::collections::BTreeSet;

use sched::failover::{Action, Actions, Decision, Failover, Loss, News, Replacement, View};
use sched::spec::{Availability, Description, Labels, Mode, NodeSpec, Resources, ServiceSpec};
use sched::{
    Choice, Command, Commands, Config, DesiredState, Event, Manager, NodeId, Row, ServiceId, Slot, Span, Strategy,
    TaskId, TaskState, TieBreak, Time,
};

/// A manager with nodes `n0`, `n1`, ... in racks `r0` and `r1` in turn, and agents that do everything at once.
struct Lab {
    manager: Manager,
    now: Time,
    cut: BTreeSet<NodeId>,
    commands: Commands,
    /// Most and fewest tasks that ran since the last look.
    running: (usize, usize),
}

fn config(failover: impl Failover + Clone + Sync + 'static) -> Config {
    let build = move |_seed| -> Box<dyn Failover> { Box::new(failover.clone()) };
    Config { failover: Choice::own("own", build), ties: TieBreak::LowestId, ..Config::default() }
}

impl Lab {
    fn new(config: Config, nodes: usize) -> Lab {
        let manager = Manager::new(config).expect("known names");
        let mut lab = Lab { manager, now: Time::ZERO, cut: BTreeSet::new(), commands: Vec::new(), running: (0, 0) };
        for number in 0..nodes {
            let resources = Resources { nano_cpus: 4_000_000_000, memory: 8 << 30, generic: vec![] };
            let spec = NodeSpec {
                id: format!("n{number}"),
                labels: Labels::from([("rack".into(), format!("r{}", number % 2))]),
                description: Some(Description { resources, ..Description::default() }),
                ..NodeSpec::default()
            };
            lab.manager.add_node(lab.now, spec, &mut lab.commands);
        }
        lab
    }

    fn service(name: &str, replicas: u64) -> ServiceSpec {
        let mut spec = ServiceSpec::new(name, "image");
        spec.mode = Mode::Replicated { replicas };
        spec
    }

    fn create(&mut self, spec: ServiceSpec) -> ServiceId {
        let id = self.manager.create_service(self.now, spec, &mut self.commands).expect("a good service");
        self.sleep(1);
        id
    }

    fn handle(&mut self, event: Event) {
        self.manager.handle(self.now, event, &mut self.commands).expect("it is there");
        self.carry_out();
    }

    fn down(&mut self, node: usize) {
        self.cut.insert(NodeId::from_index(node));
        self.handle(Event::NodeDown(NodeId::from_index(node)));
    }

    fn up(&mut self, node: usize) {
        self.cut.remove(&NodeId::from_index(node));
        self.handle(Event::NodeUp(NodeId::from_index(node)));
    }

    fn drain(&mut self, node: usize) {
        let node = NodeId::from_index(node);
        self.manager.set_availability(self.now, node, Availability::Drain, &mut self.commands).expect("it is there");
        self.carry_out();
    }

    fn sleep(&mut self, secs: u64) {
        let end = self.now + Span::from_secs(secs);
        self.carry_out();
        while let Some(at) = self.manager.deadline().filter(|at| *at <= end) {
            self.now = at;
            self.handle(Event::Deadline);
        }
        self.now = end;
    }

    /// What the agents do about the commands, until there are none.
    fn carry_out(&mut self) {
        while !self.commands.is_empty() {
            for command in std::mem::take(&mut self.commands) {
                let (Command::Assign { task, .. } | Command::Desired { task, .. }) = command else { continue };
                self.serve(task);
            }
            self.manager.check();
            let count = self.count();
            self.running = (self.running.0.max(count), self.running.1.min(count));
        }
    }

    fn serve(&mut self, id: TaskId) {
        let Some(task) = self.manager.cluster().task(id) else { return };
        if task.node.is_none_or(|node| self.cut.contains(&node)) {
            return;
        }
        let state = match task.desired {
            _ if task.state < TaskState::Assigned || task.state.is_terminal() => return,
            DesiredState::Ready => TaskState::Ready,
            DesiredState::Running | DesiredState::Complete => TaskState::Running,
            DesiredState::Shutdown | DesiredState::Remove => TaskState::Shutdown,
        };
        let report = Event::TaskStatus { task: id, state, error: None };
        self.manager.handle(self.now, report, &mut self.commands).expect("it is there");
    }

    /// Tasks that run on nodes that are heard of.
    fn count(&self) -> usize {
        let runs = |task: &sched::Task| {
            task.state == TaskState::Running && task.node.is_some_and(|node| !self.cut.contains(&node))
        };
        self.manager.cluster().tasks().filter(|(_, task)| runs(task)).count()
    }

    fn spares(&self) -> Vec<(usize, TaskState, DesiredState)> {
        let tasks = self.manager.cluster().tasks();
        let spares = tasks.filter(|(_, task)| matches!(task.slot, Slot::Spare(_)) && !task.state.is_terminal());
        spares.filter_map(|(_, task)| Some((task.node?.index(), task.state, task.desired))).collect()
    }

    fn wanted_on(&self, node: usize) -> usize {
        let cluster = self.manager.cluster();
        let tasks = cluster.tasks_on(NodeId::from_index(node)).filter_map(|id| cluster.task(id));
        tasks.filter(|task| task.desired <= DesiredState::Running && !matches!(task.slot, Slot::Spare(_))).count()
    }
}

#[test]
fn a_strategy_of_somebody_else_places_and_remembers() {
    let strategy = || Choice::own("emptiest", |_| -> Box<dyn Strategy> { Box::<emptiest::Emptiest>::default() });
    let config = Config { strategy: strategy(), ties: TieBreak::LowestId, ..Config::default() };
    let mut lab = Lab::new(config.clone(), 3);
    let mut spec = Lab::service("web", 4);
    spec.task.reservations.memory = 3 << 30;
    lab.create(spec);
    assert_eq!([0, 1, 2].map(|node| lab.wanted_on(node)), [2, 1, 1]);
    let (state, memory) = lab.manager.policy_memory();
    assert_eq!(state, "4");
    let mut other = Manager::new(config).expect("the same");
    other.recall_policies(&state, &memory).expect("it saved it");
    assert_eq!(other.policy_memory().0, "4");
    let refused = other.recall_policies("many", &memory).expect_err("no number");
    assert_eq!(refused, "state of strategy emptiest: \"many\" is not a number of tasks");
}

#[derive(Clone)]
struct Careless;

impl Strategy for Careless {
    fn place(&mut self, board: &mut sched::Board<'_>) {
        let first = board.nodes().next().expect("a node");
        while board.waiting() > 0 {
            board.place(first);
        }
    }
}

#[test]
#[should_panic(expected = "a strategy placed a task of web on NodeId(0), where it does not fit")]
fn no_strategy_can_overcommit_a_node() {
    let strategy = Choice::own("careless", |_| -> Box<dyn Strategy> { Box::new(Careless) });
    let mut lab = Lab::new(Config { strategy, ..Config::default() }, 2);
    let mut spec = Lab::service("web", 3);
    spec.task.reservations.memory = 3 << 30;
    lab.create(spec);
}

#[test]
fn a_spare_takes_over_at_once_and_is_prepared_again() {
    let mut lab = Lab::new(config(one_spare::OneSpare), 4);
    lab.create(Lab::service("web", 1));
    assert_eq!((lab.wanted_on(0), lab.count()), (1, 1));
    assert_eq!(lab.spares(), [(1, TaskState::Ready, DesiredState::Ready)], "it waits in the other rack");
    lab.down(0);
    assert_eq!((lab.wanted_on(1), lab.count()), (1, 1), "it runs at the instant of the detection");
    let task = lab
        .manager
        .cluster()
        .tasks()
        .find(|(_, task)| task.state == TaskState::Running && task.slot == Slot::Number(1));
    assert!(task.is_some_and(|(_, task)| task.instance == 1 || task.instance == 2));
    lab.sleep(1);
    assert_eq!(lab.spares(), [(2, TaskState::Ready, DesiredState::Ready)]);
    lab.sleep(30);
    assert_eq!((lab.count(), lab.spares().len()), (1, 1), "nothing else starts");
}

#[test]
fn spares_outlive_a_change_of_leader_and_are_not_started_by_it() {
    let mut lab = Lab::new(config(one_spare::OneSpare), 4);
    lab.create(Lab::service("web", 2));
    lab.manager.change_leader(lab.now, &mut lab.commands);
    (0..4).for_each(|node| lab.up(node));
    lab.sleep(30);
    assert_eq!((lab.count(), lab.spares().len()), (2, 1));
    let web = lab.manager.cluster().services().ids().next().expect("web");
    lab.manager.remove_service(lab.now, web, &mut lab.commands).expect("it is there");
    lab.sleep(5);
    assert_eq!(lab.manager.cluster().tasks().count(), 0, "the spare goes with its service");
}

#[test]
fn a_drain_that_starts_first_loses_no_replica() {
    let mut lab = Lab::new(config(gentle_drain::GentleDrain::default()), 3);
    lab.create(Lab::service("web", 6));
    lab.running = (6, 6);
    lab.drain(0);
    assert_eq!(lab.wanted_on(0), 2, "replacements come first");
    lab.sleep(10);
    assert_eq!((lab.wanted_on(0), lab.count()), (0, 6));
    assert_eq!(lab.running, (7, 6), "one at a time, and never fewer than six");
}

#[test]
fn a_drain_of_swarms_own_loses_replicas() {
    let mut lab = Lab::new(Config { ties: TieBreak::LowestId, ..Config::default() }, 3);
    lab.create(Lab::service("web", 6));
    lab.running = (6, 6);
    lab.drain(0);
    lab.sleep(10);
    assert_eq!((lab.wanted_on(0), lab.count(), lab.running), (0, 6, (6, 4)));
}

/// Keeps every task of a node that is down for ten seconds.
#[derive(Clone)]
struct Patient;

impl Failover for Patient {
    fn decide(&mut self, view: &View<'_>, loss: &Loss, actions: &mut Actions) -> Decision {
        let token = loss.node.map_or(0, |node| node.index() as u64);
        actions.push(Action::Wake { at: view.now() + Span::from_secs(10), token });
        Decision::Keep
    }

    fn observe(&mut self, view: &View<'_>, news: &News, actions: &mut Actions) {
        if let News::Timer(token) = news {
            let tasks = view.tasks_on(NodeId::from_index(*token as usize));
            actions.extend(tasks.map(|task| Action::Replace { task, how: Replacement::default() }));
        }
    }
}

#[test]
fn what_a_policy_answers_about_a_global_service_is_done_at_once() {
    let mut lab = Lab::new(config(Patient), 3);
    lab.create(ServiceSpec { mode: Mode::Global, ..Lab::service("everywhere", 0) });
    lab.down(2);
    assert_eq!(lab.wanted_on(2), 1, "it is kept");
    lab.sleep(9);
    assert_eq!(lab.wanted_on(2), 1);
    lab.sleep(2);
    assert_eq!(lab.wanted_on(2), 0, "its time is over");
}

#[test]
fn a_service_names_its_policy() {
    let own = Choice::own("one-spare", |_| -> Box<dyn Failover> { Box::new(one_spare::OneSpare) });
    let config = Config { failovers: vec![own], ties: TieBreak::LowestId, ..Config::default() };
    let mut lab = Lab::new(config, 4);
    let named = |name: &str, policy: &str| ServiceSpec { failover: Some(policy.into()), ..Lab::service(name, 1) };
    lab.create(Lab::service("plain", 1));
    lab.create(named("safe", "one-spare"));
    lab.create(named("swarms", "reschedule"));
    assert_eq!(lab.spares().len(), 1);
    let mut refuse = |spec| {
        let error = lab.manager.create_service(lab.now, spec, &mut lab.commands).expect_err("refused");
        error.to_string()
    };
    let unknown = refuse(named("typo", "one-sapre"));
    let list: Vec<&str> = sched::FAILOVERS.iter().map(|entry| entry.name).collect();
    let list = list.join(", ");
    assert_eq!(unknown, format!("unknown failover policy 'one-sapre': expected one of {list}, one-spare"));
    let global = refuse(ServiceSpec { mode: Mode::Global, ..named("everywhere", "one-spare") });
    assert_eq!(global, "failover policy one-spare: a global service has no spares");
}
