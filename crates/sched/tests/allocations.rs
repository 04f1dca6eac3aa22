//! In the steady state a decision allocates nothing.

use std::alloc::System;

use sched::spec::*;
use sched::{Command, Config, Event, Manager, STRATEGIES, Span, TaskId, TaskState, Time};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const NODES: usize = 200;
const SERVICES: usize = 20;
const REPLICAS: u64 = 30;

/// A cluster in which one task after the other ends and is placed again.
struct Churn {
    manager: Manager,
    now: Time,
    out: Vec<Command>,
    /// Allocations and decisions of the passes so far.
    allocations: usize,
    decisions: usize,
}

impl Churn {
    fn new(strategy: &str) -> Churn {
        // Few old records, so that the list of every node has soon been as long as it ever gets.
        let config = Config { strategy: strategy.into(), task_history: 1, ..Config::default() };
        let manager = Manager::new(config).expect("registered");
        let mut churn = Churn { manager, now: Time::ZERO, out: Vec::new(), allocations: 0, decisions: 0 };
        for number in 0..NODES {
            let labels = Labels::from([("zone".to_owned(), format!("z{}", number % 5))]);
            let resources = Resources { nano_cpus: 8_000_000_000, memory: 32 << 30, generic: Vec::new() };
            let description = Some(Description { resources, ..Description::default() });
            let spec = NodeSpec { id: format!("n{number}"), labels, description, ..NodeSpec::default() };
            churn.manager.add_node(Time::ZERO, spec, &mut churn.out);
        }
        for number in 0..SERVICES {
            let mut spec = ServiceSpec::new(format!("s{number}"), "image");
            spec.mode = Mode::Replicated { replicas: REPLICAS };
            spec.task.restart = Some(RestartPolicy { delay: Some(Span::ZERO), ..RestartPolicy::default() });
            match number % 4 {
                0 => spec.task.reservations.nano_cpus = 100_000_000,
                1 => spec.task.reservations.memory = 256 << 20,
                2 => spec.task.placement.constraints = vec!["node.labels.zone!=z0".into()],
                _ => spec.task.placement.preferences = vec!["node.labels.zone".into()],
            }
            churn.manager.create_service(Time::ZERO, spec, &mut churn.out).expect("a good service");
        }
        churn.run(Span::from_secs(1));
        churn
    }

    /// Lets time pass; what was assigned runs at once.
    fn run(&mut self, span: Span) {
        let until = self.now + span;
        while let Some(at) = self.manager.deadline().filter(|at| *at < until) {
            self.out.clear();
            let region = Region::new(ALLOCATOR);
            self.manager.handle(at, Event::Deadline, &mut self.out).expect("it is there");
            let change = region.change();
            let started: Vec<TaskId> = self.out.iter().filter_map(assigned).collect();
            if !started.is_empty() {
                self.allocations += change.allocations + change.reallocations;
                self.decisions += started.len();
            }
            let report = |task| Event::TaskStatus { task, state: TaskState::Running, error: None };
            self.manager.handle_all(at, started.into_iter().map(report), &mut self.out).expect("it is there");
        }
        self.now = until;
    }

    /// Some tasks end.
    fn end(&mut self, round: usize) {
        let running = self.manager.cluster().tasks().filter(|(_, task)| task.state == TaskState::Running);
        let ending: Vec<TaskId> = running.map(|(id, _)| id).skip(round % 7).step_by(97).collect();
        let report = |task| Event::TaskStatus { task, state: TaskState::Complete, error: None };
        self.manager.handle_all(self.now, ending.into_iter().map(report), &mut self.out).expect("it is there");
        self.run(Span::from_secs(1));
    }
}

fn assigned(command: &Command) -> Option<TaskId> {
    if let Command::Assign { task, .. } = command { Some(*task) } else { None }
}

#[test]
fn a_decision_allocates_nothing_in_the_steady_state() {
    for strategy in STRATEGIES {
        let mut churn = Churn::new(strategy.name);
        (0..1000).for_each(|round| churn.end(round));
        (churn.allocations, churn.decisions) = (0, 0);
        (0..100).for_each(|round| churn.end(round));
        assert!(churn.decisions > 500, "{}: only {} decisions", strategy.name, churn.decisions);
        assert_eq!(churn.allocations, 0, "{}: in {} decisions", strategy.name, churn.decisions);
    }
}
