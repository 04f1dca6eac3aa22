//! A small cluster for the tests inside this crate.

use crate::spec::{Description, Mode, NodeSpec, NodeState, Resources, ServiceSpec};
use crate::{Commands, Config, DesiredState, Event, Manager, ServiceId, Span, Task, TaskId, TaskState, Time};

pub(crate) const CPU: i64 = 1_000_000_000;

/// Nodes of four CPUs whose agents do at once what they are told.
pub(crate) struct Lab {
    pub(crate) manager: Manager,
    pub(crate) now: Time,
    pub(crate) out: Commands,
}

impl Lab {
    pub(crate) fn new(nodes: usize) -> Lab {
        Lab::with(Config::default(), nodes)
    }

    pub(crate) fn with(config: Config, nodes: usize) -> Lab {
        let manager = Manager::new(config).expect("its strategy and its policy are there");
        let mut lab = Lab { manager, now: Time::ZERO, out: Commands::new() };
        for number in 0..nodes {
            let resources = Resources { nano_cpus: 4 * CPU, memory: 8 << 30, generic: vec![] };
            let description = Some(Description { resources, ..Description::default() });
            let spec = NodeSpec { id: format!("n{number}"), description, ..NodeSpec::default() };
            lab.manager.add_node(lab.now, spec, &mut lab.out);
        }
        lab
    }

    pub(crate) fn create(&mut self, name: &str, replicas: u64, change: impl FnOnce(&mut ServiceSpec)) -> ServiceId {
        let mut spec = ServiceSpec::new(name, "web");
        spec.mode = Mode::Replicated { replicas };
        change(&mut spec);
        self.manager.create_service(self.now, spec, &mut self.out).expect("a good service")
    }

    pub(crate) fn update(&mut self, id: ServiceId, change: impl FnOnce(&mut ServiceSpec)) {
        let mut spec = ServiceSpec::clone(&self.manager.cluster().services()[id].spec);
        change(&mut spec);
        self.manager.update_service(self.now, id, spec, &mut self.out).expect("a good service");
    }

    /// Time passes.
    pub(crate) fn sleep(&mut self, secs: u64) {
        let end = self.now + Span::from_secs(secs);
        while self.now < end {
            self.now = self.manager.deadline().unwrap_or(end).clamp(self.now, end);
            self.handle(Event::Deadline);
            for (task, state) in self.news() {
                self.report(task, state);
            }
        }
        self.manager.check();
    }

    /// What agents that are heard have to say: what shall run runs, and what shall not has stopped.
    fn news(&self) -> Vec<(TaskId, TaskState)> {
        let cluster = self.manager.cluster();
        let news = |task: &Task| match task.desired {
            DesiredState::Running if task.state < TaskState::Running => Some(TaskState::Running),
            DesiredState::Shutdown | DesiredState::Remove if task.state < TaskState::Complete => {
                Some(TaskState::Shutdown)
            }
            _ => None,
        };
        let is_heard = |task: &Task| {
            let node = task.node.and_then(|node| cluster.node(node));
            node.is_some_and(|node| node.spec.state != NodeState::Down)
        };
        cluster.tasks().filter(|(_, task)| is_heard(task)).filter_map(|(id, task)| Some((id, news(task)?))).collect()
    }

    pub(crate) fn report(&mut self, task: TaskId, state: TaskState) {
        self.handle(Event::TaskStatus { task, state, error: None });
    }

    pub(crate) fn handle(&mut self, event: Event) {
        self.manager.handle(self.now, event, &mut self.out).expect("the lab sends what fits");
    }

    pub(crate) fn change_leader(&mut self) {
        self.manager.change_leader(self.now, &mut self.out);
        self.manager.check();
    }

    pub(crate) fn count(&self, which: impl Fn(&Task) -> bool) -> u64 {
        self.manager.cluster().tasks().filter(|(_, task)| which(task)).count() as u64
    }

    /// How many tasks are in a state.
    pub(crate) fn in_state(&self, state: TaskState) -> u64 {
        self.count(|task| task.state == state)
    }
}
