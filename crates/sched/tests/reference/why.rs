//! Answers to "why there?" and "why nowhere?", against the reading and against trying everything.

use sched::why::{Refusal, Remedy, Standing};
use sched::{DesiredState, Slot};

use super::*;

/// So many answers of each kind are compared.
const ANSWERS: usize = 1_000;

#[test]
fn the_runner_up_is_the_node_that_the_reading_names_without_the_chosen_one() {
    let (mut answers, mut alone) = (0, 0);
    for seed in 0.. {
        // Its draws are others when there is a node less.
        let known: Vec<&str> = READ.into_iter().filter(|name| !["random", "two-choices"].contains(name)).collect();
        let mut history = History::new(seed, known[seed as usize % known.len()]);
        history.populate(2, 14);
        for _ in 0..12 {
            history.step();
            while let Some((manager, at, got)) = history.pass() {
                answers += history.compare_runner_up(&manager, at, &got, &mut alone);
            }
        }
        if answers >= ANSWERS {
            break;
        }
    }
    assert!(alone > 20, "only {alone} without a runner-up");
}

#[test]
fn a_remedy_places_the_task_and_where_none_is_named_no_single_change_does() {
    let (mut answers, mut without, mut exact) = (0, 0, 0);
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    for seed in 0.. {
        let mut history = History::new(seed, "spread");
        // No task stops before its successor runs: what an update moves about gives room to nobody.
        history.update = Some(UpdateConfig { order: UpdateOrder::StartFirst, ..UpdateConfig::default() });
        history.populate(1, 8);
        for _ in 0..10 {
            history.step();
            while history.pass().is_some() {}
            let cluster = history.manager.cluster();
            let refused = cluster.tasks().filter(|(_, task)| {
                let is_current = cluster.service(task.service).is_some_and(|service| service.version == task.version);
                task.found_no_node() && task.desired <= DesiredState::Complete && is_current
            });
            let Some((task, _)) = refused.min_by_key(|(_, task)| task.sequence) else { continue };
            let tried = history.manager.remedies(history.now, task);
            for tried in &tried {
                let kind = format!("{:?}", tried.remedy);
                let kind = kind.split([' ', '(']).next().unwrap_or_default().to_owned();
                *kinds.entry(kind).or_default() += 1;
                assert!(history.places(task, &tried.remedy), "{:?} of seed {seed} does not place {task}", tried.remedy);
                assert!(tried.placed >= 1 && tried.placed <= tried.waiting);
            }
            if tried.is_empty() {
                without += 1;
                let helps = history.everything(task).into_iter().find(|remedy| history.places(task, remedy));
                assert_eq!(helps, None, "seed {seed}, {task}");
            }
            answers += 1;
            // Where no other task is in the way or about to end, a little less is not enough.
            let is_ending = |task: &sched::Task| task.desired > DesiredState::Complete && !task.state.is_terminal();
            if history.manager.cluster().tasks().any(|(_, task)| is_ending(task)) {
                continue;
            }
            let decision = history.manager.would_decide(task).expect("it waits");
            for remedy in tried.iter().map(|tried| &tried.remedy) {
                let Remedy::Enlarge { node, nano_cpus, memory, units } = remedy else { continue };
                let (nano_cpus, memory, units) = (*nano_cpus, *memory, units.clone());
                let missing = vec![Refusal::Room { nano_cpus, memory, units }];
                // From a node that is overcommitted the enforcer takes tasks as soon as it looks at it.
                let is_exact = |standing: &Standing| {
                    standing.node == *node
                        && standing.refusals == missing
                        && standing.free >= (0, 0)
                        && standing.free.1 >= 0
                };
                if decision.standings.iter().any(is_exact) {
                    exact += 1;
                    for (nano_cpus, memory) in [(nano_cpus - 1, memory), (nano_cpus, memory - 1)] {
                        let room = Remedy::Enlarge { node: *node, nano_cpus, memory, units: vec![] };
                        let is_less = nano_cpus >= 0 && memory >= 0;
                        assert!(!is_less || !history.places(task, &room), "{room:?} is enough, seed {seed}");
                    }
                }
            }
        }
        if answers >= ANSWERS {
            break;
        }
    }
    println!("{answers} refusals, {without} without a remedy, {kinds:?}");
    assert!(kinds.len() >= 8 && exact > 100, "{kinds:?}, {exact} exact");
}

impl History {
    /// One pass: the manager before it, its time, and what it assigned. None when nothing is due for a second.
    fn pass(&mut self) -> Option<(Manager, Time, BTreeMap<TaskId, NodeId>)> {
        let until = self.now + Span::from_secs(1);
        let Some(at) = self.manager.deadline().filter(|at| *at < until) else {
            self.now = until;
            return None;
        };
        let (before, mut out) = (self.manager.clone(), Vec::new());
        self.manager.handle(at, Event::Deadline, &mut out).expect("never refused");
        let assigned = out.iter().filter_map(|command| match command {
            Command::Assign { task, node } => Some((*task, *node)),
            _ => None,
        });
        Some((before, at, assigned.collect()))
    }

    fn compare_runner_up(
        &self,
        before: &Manager,
        at: Time,
        got: &BTreeMap<TaskId, NodeId>,
        alone: &mut usize,
    ) -> usize {
        let mut answers = 0;
        for (task, node) in got {
            let mut asked = before.clone();
            asked.follow(*task);
            asked.handle(at, Event::Deadline, &mut Vec::new()).expect("never refused");
            let decision = asked.decision().expect("it was placed").clone();
            assert_eq!((decision.task, decision.node), (*task, Some(*node)));
            let is_bound = before.cluster().task(*task).is_some_and(|task| task.node.is_some());
            assert_eq!(decision.is_bound, is_bound);
            let chosen = decision.standings.iter().find(|standing| standing.node == *node);
            assert_eq!(chosen.map(|chosen| chosen.refusals.as_slice()), Some(&[] as &[Refusal]));
            // Others that are placed by the same pass would make room, or take it, without the node.
            if is_bound || got.len() > 1 {
                continue;
            }
            let mut without = before.clone();
            without.set_availability(at, *node, Availability::Pause, &mut Vec::new()).expect("it is there");
            let read = self.reading.pass(without.cluster(), &self.failures, &self.images, at);
            let expected = read.assigned.get(task).copied();
            assert_eq!(decision.next_best.first().copied(), expected, "seed {}, {task} at {at}", self.seed);
            *alone += usize::from(expected.is_none());
            answers += 1;
        }
        answers
    }

    /// Whether a task's slot has a node after a change, on a copy whose nodes obey at once.
    fn places(&self, task: TaskId, remedy: &Remedy) -> bool {
        let (mut manager, mut now, mut out) = (self.manager.clone(), self.now, Vec::new());
        let record = manager.cluster().task(task).expect("it waits").clone();
        let ends = |task: &sched::Task| task.desired >= DesiredState::Shutdown && !task.state.is_terminal();
        let ending: Vec<TaskId> = manager.cluster().tasks().filter(|(_, task)| ends(task)).map(|(id, _)| id).collect();
        for task in ending {
            let node = manager.cluster().task(task).and_then(|task| manager.cluster().node(task.node?));
            if node.is_some_and(|node| node.spec.state == NodeState::Ready) {
                let event = Event::TaskStatus { task, state: TaskState::Shutdown, error: None };
                let _ = manager.handle(now, event, &mut out);
            }
        }
        if manager.apply(now, record.service, remedy, &mut out).is_err() {
            return false;
        }
        let until = now + Span::from_secs(3600);
        loop {
            for command in std::mem::take(&mut out) {
                let (task, state) = match command {
                    Command::Assign { task, .. } => (task, TaskState::Running),
                    Command::Desired { task, desired, .. } if desired >= DesiredState::Shutdown => {
                        (task, TaskState::Shutdown)
                    }
                    Command::Desired { task, .. } => (task, TaskState::Running),
                    _ => continue,
                };
                let node = manager.cluster().task(task).and_then(|task| manager.cluster().node(task.node?));
                if node.is_some_and(|node| node.spec.state == NodeState::Ready) {
                    let _ = manager.handle(now, Event::TaskStatus { task, state, error: None }, &mut out);
                }
            }
            if !out.is_empty() {
                continue;
            }
            let is_placed = |task: &sched::Task| {
                (task.service, task.slot) == (record.service, record.slot)
                    && task.node.is_some()
                    && (TaskState::Assigned..=TaskState::Complete).contains(&task.state)
                    && task.desired <= DesiredState::Complete
            };
            if manager.cluster().tasks().any(|(_, task)| is_placed(task)) {
                return true;
            }
            let Some(at) = manager.deadline().filter(|at| *at <= until) else { return false };
            now = now.max(at);
            manager.handle(now, Event::Deadline, &mut out).expect("never refused");
        }
    }

    /// All single changes of the cluster and the service, large enough to help if any of their kind does.
    fn everything(&self, task: TaskId) -> Vec<Remedy> {
        let cluster = self.manager.cluster();
        let record = cluster.task(task).expect("it waits");
        let service = &cluster.services()[record.service];
        let mut all = Vec::new();
        let placement = &service.spec.task.placement;
        if placement.max_replicas > 0 {
            all.push(Remedy::MaxReplicas(1_000));
        }
        if !placement.platforms.is_empty() {
            all.push(Remedy::AnyPlatform);
        }
        all.extend(placement.constraints.iter().cloned().map(Remedy::DropConstraint));
        let reserved = &service.spec.task.reservations;
        all.push(Remedy::ReserveLess { nano_cpus: reserved.nano_cpus, memory: reserved.memory });
        let ports = service.spec.endpoint.ports.iter().filter(|port| port.mode == PublishMode::Host);
        all.extend(ports.map(|port| Remedy::Unpublish((port.protocol, port.published))));
        for (node, _) in cluster.nodes().iter().filter(|(_, node)| !node.removed) {
            let units = vec![GenericResource { kind: "gpu".into(), units: Units::Count(100) }];
            let room = Remedy::Enlarge { node, nano_cpus: 1_000_000_000_000, memory: 1 << 40, units };
            all.extend([Remedy::Activate(node), Remedy::Return(node), room, Remedy::AddNode(node)]);
        }
        // A task of a node that is not there any more, or not yet, goes nowhere else.
        if matches!(record.slot, Slot::Node(_)) {
            all.retain(|remedy| !matches!(remedy, Remedy::AddNode(_)));
        }
        all
    }
}
