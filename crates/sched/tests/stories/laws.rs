//! What must hold after every call of the manager, whatever happened: looked at from outside, recomputed from scratch.

use std::collections::{BTreeMap, BTreeSet};

use sched::cluster::UpdateState;
use sched::spec::{Availability, GenericResource, Mode, NodeState, Protocol, PublishMode, Units, UpdateOrder};
use sched::{Cluster, Command, DesiredState, NodeId, ServiceId, Slot, Task, TaskId, TaskState, constraint};

/// What was seen so far.
#[derive(Default)]
pub struct Laws {
    seen: BTreeMap<TaskId, (TaskState, DesiredState, Option<NodeId>)>,
    dead: BTreeSet<TaskId>,
    /// Nodes that may hold more than they have, because they shrank or their tasks were taken over.
    crowded: BTreeSet<NodeId>,
    /// How many tasks of a slot may live side by side, where it is more than one.
    overlap: BTreeMap<ServiceId, usize>,
    /// Whether a failover policy moves tasks start-first: one more.
    moves: bool,
    taking_over: bool,
}

impl Laws {
    /// A node may hold more than it has from now on.
    pub fn expect_crowd(&mut self, node: NodeId) {
        self.crowded.insert(node);
    }

    /// A failover policy may put a replacement beside a task.
    pub fn expect_moves(&mut self) {
        self.moves = true;
    }

    /// In the next call tasks are taken over: they may be where they could not be put.
    pub fn expect_take_over(&mut self) {
        self.taking_over = true;
    }

    /// Looks at what a call did.
    pub fn look(&mut self, cluster: &Cluster, commands: &[Command]) {
        self.commands(cluster, commands);
        self.states(cluster);
        self.nodes(cluster);
        self.slots(cluster);
        self.taking_over = false;
    }

    /// No command is about a task that is dead; tasks are assigned where they may be (I07, I13).
    fn commands(&mut self, cluster: &Cluster, commands: &[Command]) {
        for (index, command) in commands.iter().enumerate() {
            match command {
                Command::Create { task, .. } => assert!(!self.dead.contains(task), "{task:?} is created twice"),
                Command::Desired { task, .. } | Command::State { task, .. } => {
                    assert!(!self.dead.contains(task), "{command:?} of a dead task");
                }
                Command::Assign { task, node } => {
                    assert!(!self.dead.contains(task), "{command:?} of a dead task");
                    if let Some(task) = cluster.task(*task).filter(|_| !self.taking_over) {
                        may_be_assigned(cluster, task, *node, &commands[index + 1..]);
                    }
                }
                Command::Remove { task, .. } => {
                    assert!(self.dead.insert(*task), "{task:?} dies twice");
                    self.seen.remove(task);
                }
                Command::Service(service) => {
                    let spec = &cluster.services()[*service].spec;
                    let start_first = |config: Option<sched::spec::UpdateConfig>| {
                        config.is_some_and(|config| config.order == UpdateOrder::StartFirst)
                    };
                    // Each change of specification may put one more task beside those of an update under way.
                    if start_first(spec.update) || start_first(spec.rollback) || self.overlap.contains_key(service) {
                        *self.overlap.entry(*service).or_insert(1) += 1;
                    }
                }
                Command::UpdateStatus(service, Some(status)) if status.state == UpdateState::RollbackStarted => {
                    if let Some(most) = self.overlap.get_mut(service) {
                        *most += 1;
                    }
                }
                _ => {}
            }
        }
    }

    /// States and wishes only rise (I03, I04), a task's node never changes (I05), and what is assigned has one (I06).
    fn states(&mut self, cluster: &Cluster) {
        for (id, task) in cluster.tasks() {
            assert!(!self.dead.contains(&id), "{id:?} is back from the dead");
            let now = (task.state, task.desired, task.node);
            if let Some(before) = self.seen.insert(id, now) {
                assert!(before.0 <= now.0, "{id:?} went from {} back to {}", before.0, now.0);
                assert!(before.1 <= now.1, "{id:?} was wanted {} and now {}", before.1, now.1);
                // Where a policy would like a task to be is a wish, until it is assigned.
                let is_wish = self.moves && before.0 < TaskState::Assigned;
                assert!(before.2.is_none() || before.2 == now.2 || is_wish, "{id:?} moved");
            }
            let placed = (TaskState::Assigned..=TaskState::Running).contains(&task.state);
            assert!(!placed || task.node.is_some(), "{id:?} is {} nowhere", task.state);
        }
    }

    /// Nodes are not given more than they have (I08, I09, I10), host ports not twice (I11).
    fn nodes(&mut self, cluster: &Cluster) {
        for (id, node) in cluster.nodes().iter() {
            let resources =
                node.spec.description.as_ref().map(|description| description.resources.clone()).unwrap_or_default();
            let (mut nano_cpus, mut memory) = (resources.nano_cpus, resources.memory);
            let mut amounts: BTreeMap<&str, i64> = BTreeMap::new();
            let mut names: Vec<(&str, &str)> = Vec::new();
            for unit in &resources.generic {
                match &unit.units {
                    Units::Count(count) => *amounts.entry(&unit.kind).or_default() += count,
                    Units::Named(name) => names.push((&unit.kind, name)),
                }
            }
            let mut missing = Vec::new();
            let mut ports: Vec<(Protocol, u16)> = Vec::new();
            let holders = cluster.tasks_on(id).filter_map(|task| cluster.task(task));
            for task in holders.filter(|task| (TaskState::Assigned..=TaskState::Running).contains(&task.state)) {
                nano_cpus -= task.spec.task.reservations.nano_cpus;
                memory -= task.spec.task.reservations.memory;
                // A task that asks twice for one kind of named units gets the same ones twice.
                let own = |(index, unit): &(usize, &GenericResource)| {
                    matches!(unit.units, Units::Count(_)) || !task.generic()[..*index].contains(unit)
                };
                for (_, unit) in task.generic().iter().enumerate().filter(own) {
                    match &unit.units {
                        Units::Count(count) => *amounts.entry(&unit.kind).or_default() -= count,
                        Units::Named(name) => match names.iter().position(|known| *known == (&unit.kind, name)) {
                            Some(index) => drop(names.swap_remove(index)),
                            None => missing.push((unit.kind.as_str(), name.as_str())),
                        },
                    }
                }
                let fixed = task.spec.endpoint.ports.iter();
                for port in fixed.filter(|port| port.mode == PublishMode::Host && port.published != 0) {
                    ports.push((port.protocol, port.published));
                }
            }
            let held = ports.len();
            ports.sort_unstable();
            ports.dedup();
            let enough = nano_cpus >= 0 && memory >= 0 && amounts.values().all(|left| *left >= 0);
            if enough && missing.is_empty() && ports.len() == held {
                // As in SwarmKit it is forgotten how many units of a kind are held beyond what is declared, so that what
                // comes back first is offered again too early. Only when no units are held that is over.
                let units_held =
                    cluster.tasks_on(id).any(|id| cluster.task(id).is_some_and(|task| !task.generic().is_empty()));
                if !units_held {
                    self.crowded.remove(&id);
                }
            } else {
                let lacks = format!("{nano_cpus} {memory} {amounts:?} {missing:?}");
                assert!(self.crowded.contains(&id), "{id:?} lacks {lacks}, or one of {held} ports is held twice");
            }
        }
    }

    /// A slot has one live task, and more only while tasks are handed over start-first (I14, I15).
    fn slots(&mut self, cluster: &Cluster) {
        for (id, service) in cluster.services().iter() {
            // A spare is prepared and not told to run.
            for spare in cluster.tasks().map(|(_, task)| task).filter(|task| matches!(task.slot, Slot::Spare(_))) {
                let desired = spare.desired;
                assert!(matches!(desired, DesiredState::Ready | DesiredState::Remove), "of a spare: {desired}");
            }
            let wanted = if service.spec.mode.is_job() { DesiredState::Complete } else { DesiredState::Running };
            let lives = |task: &Task| task.desired <= wanted && task.iteration == service.iteration;
            let is_live = |task: &TaskId| cluster.task(*task).is_some_and(lives);
            let most = service.slots.iter().map(|(_, tasks)| tasks.filter(is_live).count()).max().unwrap_or(0);
            if self.taking_over && most > 1 {
                self.overlap.insert(id, most);
            }
            // A restart that waits while the job is told to run again goes on, and comes on top of the new run.
            let again = service.spec.mode.is_job() && service.iteration > 0;
            let allowed = self.overlap.get(&id).copied().unwrap_or(1) + usize::from(self.moves);
            let allowed = if again { usize::MAX } else { allowed };
            assert!(most <= allowed, "{most} live tasks in a slot of {id:?}, at most {allowed} expected");
            if service.spec.mode == Mode::Global || service.spec.mode == Mode::GlobalJob {
                assert!(service.slots.iter().all(|(slot, _)| matches!(slot, Slot::Node(_))));
            }
        }
    }
}

/// What was assigned later in the same call may be of a specification with another limit.
fn may_be_assigned(cluster: &Cluster, task: &Task, node: NodeId, later: &[Command]) {
    let record = cluster.node(node).unwrap_or_else(|| panic!("assigned to {node:?}, which is gone"));
    let ready = record.spec.state == NodeState::Ready && record.spec.availability == Availability::Active;
    assert!(ready, "assigned to {node:?}, which takes no tasks");
    // A list that does not parse came past the API and counts as none.
    let constraints = constraint::parse(&task.spec.task.placement.constraints).unwrap_or_default();
    assert!(constraint::all_match(&constraints, &record.spec), "assigned to {node:?} against its constraints");
    let most = task.spec.task.placement.max_replicas;
    let active = |other: &Task| {
        other.service == task.service
            && other.desired <= DesiredState::Complete
            && (TaskState::Assigned..=TaskState::Running).contains(&other.state)
    };
    let comes_later = |id: TaskId| later.contains(&Command::Assign { task: id, node });
    let counts = |id: &TaskId| cluster.task(*id).is_some_and(active) && !comes_later(*id);
    let here = cluster.tasks_on(node).filter(counts).count() as u64;
    assert!(most == 0 || here <= most, "{here} tasks on {node:?}, at most {most} allowed");
}
