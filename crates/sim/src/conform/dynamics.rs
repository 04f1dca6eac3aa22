//! Life-cycle scenarios: a script is played to a cluster with small agents, and the whole history is looked at.

use std::collections::{BTreeMap, BTreeSet};

use sched::cluster::UpdateState;
use sched::{Command, Config, DesiredState, Event, Manager, NodeId, ServiceId, Slot, TaskId, TaskState, Time};
use serde_json::{Map, Value, json};

use super::Ties;
use super::compare::{self, Check, normal, sorted};
use super::input::{EventWire, Recorded, ServiceWire, availability};

/// Steps of a life at most: what takes more makes no progress.
const MOST_STEPS: usize = 100_000;

/// Replays a scenario and compares every recorded property.
///
/// # Errors
///
/// If the life takes more than [`MOST_STEPS`] steps.
pub(super) fn replay(recorded: &Recorded, ties: Ties) -> Result<Vec<Check>, String> {
    let mut run = Run::new(recorded, ties);
    run.play()?;
    Ok(run.checks())
}

/// What is waited for, beside the manager's deadline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Due {
    Script(usize),
    Agent(TaskId, u64),
}

/// Where a container is on its node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Preparing,
    Ready,
    Starting,
    Running,
    Stopping,
    Over,
}

/// A task as its agent knows it.
struct Container {
    node: NodeId,
    phase: Phase,
    /// Counts what it has been waiting for: a timer of an earlier wait is stale.
    wait: u64,
    /// How the running wait ends, if not well: the state and the text.
    failure: Option<(TaskState, String)>,
    /// A report that could not be sent.
    unsent: Option<(TaskState, Option<String>)>,
}

/// What the log remembers of a task after it is deleted.
struct Record {
    service: ServiceId,
    slot: Slot,
    instance: u32,
    image: String,
    created: u64,
    desired: DesiredState,
    started_at: Option<u64>,
    ran_at: Option<u64>,
    ended_at: Option<u64>,
    state: TaskState,
    deleted: bool,
}

/// An entry of a slot's history: time, instance, rank of the kind of entry, entry without the time.
type Entry = (u64, u32, u8, u8, Vec<Value>);

#[derive(Default)]
struct History {
    slots: BTreeMap<Slot, Vec<Entry>>,
    totals: BTreeMap<String, i64>,
    statuses: Vec<(u64, String, String)>,
    timeline: Vec<(u64, i64)>,
    updating: bool,
    waiting_max: i64,
    running_min: Option<i64>,
    running_max: i64,
}

struct Run<'a> {
    recorded: &'a Recorded,
    manager: Manager,
    out: Vec<Command>,
    /// Reports of this instant that the manager has yet to hear.
    reports: Vec<Event>,
    now: u64,
    next_order: u64,
    due: BTreeSet<(u64, u64, Due)>,
    nodes: BTreeMap<String, NodeId>,
    up: BTreeMap<NodeId, bool>,
    services: BTreeMap<String, ServiceId>,
    wires: BTreeMap<String, Value>,
    containers: BTreeMap<TaskId, Container>,
    /// In order of creation.
    records: Vec<(TaskId, Record)>,
    by_task: BTreeMap<TaskId, usize>,
    histories: BTreeMap<ServiceId, History>,
    rejections: BTreeMap<String, Vec<(u64, String)>>,
}

impl<'a> Run<'a> {
    fn new(recorded: &'a Recorded, ties: Ties) -> Run<'a> {
        let task_history = recorded.task_history_retention_limit.unwrap_or(5);
        let config = Config { task_history, ..ties.config() };
        let manager = Manager::new(config).expect("spread is a strategy");
        let mut run = Run {
            recorded,
            manager,
            out: Vec::new(),
            reports: Vec::new(),
            now: 0,
            next_order: 0,
            due: BTreeSet::new(),
            nodes: BTreeMap::new(),
            up: BTreeMap::new(),
            services: BTreeMap::new(),
            wires: BTreeMap::new(),
            containers: BTreeMap::new(),
            records: Vec::new(),
            by_task: BTreeMap::new(),
            histories: BTreeMap::new(),
            rejections: BTreeMap::new(),
        };
        for node in &recorded.nodes {
            run.add_node(node);
        }
        for (index, event) in recorded.events.iter().enumerate() {
            run.await_at(event.at_ns, Due::Script(index));
        }
        run
    }

    fn time(&self) -> Time {
        Time::from_nanos(self.now)
    }

    fn await_at(&mut self, at: u64, due: Due) {
        self.next_order += 1;
        self.due.insert((at, self.next_order, due));
    }

    fn play(&mut self) -> Result<(), String> {
        for step in 0.. {
            let script = self.due.first().map(|(at, _, _)| *at);
            let manager = self.manager.deadline().map(Time::as_nanos);
            let Some(next) = script.into_iter().chain(manager).min() else { break };
            if next > self.recorded.duration_ns {
                break;
            }
            if step == MOST_STEPS {
                return Err(format!(
                    "duration_ns: more than {MOST_STEPS} steps until {next} ns: the life makes no progress"
                ));
            }
            if next > self.now {
                self.end_of_instant();
            }
            self.now = next;
            if script == Some(next) {
                let (_, _, due) = self.due.pop_first().expect("just seen");
                match due {
                    Due::Script(index) => self.script(&self.recorded.events[index]),
                    Due::Agent(task, wait) => self.container_due(task, wait),
                }
                // What happens on the nodes at one instant becomes known together.
                let more = matches!(self.due.first(), Some((at, _, Due::Agent(..))) if *at == next);
                if !(more && matches!(due, Due::Agent(..))) {
                    self.apply_commands();
                }
            } else {
                let now = self.time();
                let _ = self.manager.handle(now, Event::Deadline, &mut self.out);
                self.apply_commands();
            }
        }
        self.end_of_instant();
        Ok(())
    }

    // The script.

    fn add_node(&mut self, wire: &super::input::NodeWire) {
        let spec = wire.spec();
        let up = spec.state == sched::spec::NodeState::Ready;
        let now = self.time();
        let id = self.manager.add_node(now, spec, &mut self.out);
        self.nodes.insert(wire.id.clone(), id);
        self.up.insert(id, up);
        self.apply_commands();
    }

    fn script(&mut self, event: &EventWire) {
        let now = self.time();
        let node = event.node_id.as_ref().and_then(|id| self.nodes.get(id)).copied();
        let service = event.name.as_ref().and_then(|name| self.services.get(name)).copied();
        match (event.kind.as_str(), service, node) {
            ("create_service", _, _) => self.create(event.service.clone().unwrap_or_default()),
            ("update_service", Some(service), _) => self.update(event, service),
            ("rollback_service", Some(service), _) => {
                let name = event.name.clone().unwrap_or_default();
                let done = self.manager.rollback_service(now, service, &mut self.out);
                if let Err(refusal) = done {
                    let text = refusal.text.replace(&format!("service {name} does"), "service <service-id> does");
                    self.reject(&name, text);
                }
            }
            ("remove_service", Some(service), _) => {
                let _ = self.manager.remove_service(now, service, &mut self.out);
            }
            ("task_exit", Some(service), _) => self.exit(event, service, node),
            ("node_down", _, Some(node)) => {
                self.up.insert(node, false);
                let _ = self.manager.handle(now, Event::NodeDown(node), &mut self.out);
            }
            ("node_up", _, Some(node)) => {
                self.up.insert(node, true);
                let _ = self.manager.handle(now, Event::NodeUp(node), &mut self.out);
                self.apply_commands();
                self.reconnect(node);
            }
            ("node_availability", _, Some(node)) => {
                let to = availability(event.availability.as_deref().unwrap_or("active"));
                let _ = self.manager.set_availability(now, node, to, &mut self.out);
            }
            ("node_labels", _, Some(node)) => {
                let _ = self.manager.set_labels(now, node, event.labels.clone().unwrap_or_default(), &mut self.out);
            }
            ("node_resources", _, Some(node)) => {
                let mut description = self.manager.cluster().nodes()[node].spec.description.clone().unwrap_or_default();
                description.resources.nano_cpus = event.cpu_nanos;
                description.resources.memory = event.memory_bytes;
                let _ = self.manager.set_description(now, node, description, &mut self.out);
            }
            ("node_add", _, _) => {
                if let Some(wire) = &event.node {
                    self.add_node(wire);
                }
            }
            ("node_remove", _, Some(node)) => {
                self.up.insert(node, false);
                let _ = self.manager.remove_node(now, node, &mut self.out);
            }
            _ => {}
        }
        self.apply_commands();
    }

    fn create(&mut self, wire: Value) {
        let Ok(service) = serde_json::from_value::<ServiceWire>(wire.clone()) else { return };
        let now = self.time();
        match self.manager.create_service(now, service.spec(), &mut self.out) {
            Ok(id) => {
                self.services.insert(service.name.clone(), id);
                self.wires.insert(service.name, wire);
                let history = History { timeline: vec![(self.now, 0)], ..History::default() };
                self.histories.insert(id, history);
            }
            Err(refusal) => self.reject(&service.name, refusal.text),
        }
    }

    fn update(&mut self, event: &EventWire, service: ServiceId) {
        let (Some(name), Some(set)) = (&event.name, &event.set) else { return };
        let mut wire = self.wires[name].clone();
        if let Some(object) = wire.as_object_mut() {
            object.extend(set.clone());
        }
        let Ok(parsed) = serde_json::from_value::<ServiceWire>(wire.clone()) else { return };
        let now = self.time();
        match self.manager.update_service(now, service, parsed.spec(), &mut self.out) {
            Ok(()) => {
                self.wires.insert(name.clone(), wire);
                self.status(service, "none", "");
            }
            Err(refusal) => self.reject(name, refusal.text),
        }
    }

    fn reject(&mut self, service: &str, text: String) {
        self.rejections.entry(service.to_owned()).or_default().push((self.now, text));
    }

    fn exit(&mut self, event: &EventWire, service: ServiceId, node: Option<NodeId>) {
        let code = event.exit_code.unwrap_or(0);
        let per_node = self.manager.cluster().services()[service].spec.mode.is_per_node();
        let hit = |(id, container): (&TaskId, &Container)| {
            let record = &self.records[self.by_task[id]].1;
            let place = match (node, event.slot) {
                (Some(node), _) => container.node == node,
                (None, Some(0)) if per_node => true,
                (None, Some(slot)) => record.slot == Slot::Number(slot),
                (None, None) => true,
            };
            (record.service == service && container.phase == Phase::Running && place).then_some(*id)
        };
        let tasks: Vec<TaskId> = self.containers.iter().filter_map(hit).collect();
        for task in tasks {
            self.container_exits(task, code);
        }
    }

    // The agents.

    /// Carries out the manager's commands: they go to the log, and to the agents of nodes that are up.
    fn apply_commands(&mut self) {
        while !self.out.is_empty() || !self.reports.is_empty() {
            for command in std::mem::take(&mut self.out) {
                self.log(&command);
                match command {
                    Command::Assign { task, node } if self.up[&node] => self.accept(task, node),
                    Command::Desired { task, node: Some(node), .. } if self.up.get(&node) == Some(&true) => {
                        self.heed(task);
                    }
                    Command::Remove { task, .. } => {
                        self.containers.remove(&task);
                    }
                    _ => {}
                }
            }
            let now = self.time();
            let _ = self.manager.handle_all(now, self.reports.drain(..), &mut self.out);
        }
    }

    fn accept(&mut self, task: TaskId, node: NodeId) {
        if self.manager.cluster().task(task).is_none() {
            return;
        }
        let container = Container { node, phase: Phase::Preparing, wait: 0, failure: None, unsent: None };
        self.containers.insert(task, container);
        // Accepted before it is known to be unwanted.
        if self.desired(task) >= Some(DesiredState::Shutdown) {
            self.heed(task);
            return;
        }
        self.report(task, TaskState::Accepted, None);
        self.report(task, TaskState::Preparing, None);
        let (after, failure) = self.behaviour(task, "prepare", self.recorded.agent.prepare_ns);
        self.wait(task, after, failure);
    }

    fn desired(&self, task: TaskId) -> Option<DesiredState> {
        self.manager.cluster().task(task).map(|task| task.desired)
    }

    /// The agent looks at the desired state of a task.
    fn heed(&mut self, task: TaskId) {
        let (Some(desired), Some(container)) = (self.desired(task), self.containers.get_mut(&task)) else { return };
        match container.phase {
            Phase::Over | Phase::Stopping => {}
            Phase::Starting | Phase::Running if desired >= DesiredState::Shutdown => {
                container.phase = Phase::Stopping;
                self.wait(task, self.recorded.agent.stop_ns, None);
            }
            Phase::Preparing | Phase::Ready if desired >= DesiredState::Shutdown => {
                container.phase = Phase::Over;
                container.wait += 1;
                self.report(task, TaskState::Shutdown, None);
            }
            Phase::Ready if desired >= DesiredState::Running => {
                container.phase = Phase::Starting;
                self.report(task, TaskState::Starting, None);
                let (after, failure) = self.behaviour(task, "start", self.recorded.agent.start_ns);
                self.wait(task, after, failure);
            }
            _ => {}
        }
    }

    fn behaviour(&self, task: TaskId, phase: &str, default: u64) -> (u64, Option<(TaskState, String)>) {
        let record = &self.records[self.by_task[&task]].1;
        let service = &self.manager.cluster().services()[record.service].spec.name;
        let node = &self.manager.cluster().nodes()[self.containers[&task].node].spec.id;
        let rule = self.recorded.task_behaviors.iter().find(|rule| {
            rule.phase == phase && rule.matches(service, record.slot, node, &record.image, record.instance)
        });
        let Some(rule) = rule else { return (default, None) };
        let failure = (rule.exit_code != 0).then(|| match phase {
            "prepare" => (TaskState::Rejected, "prepare failed".to_owned()),
            _ => (TaskState::Failed, "start failed".to_owned()),
        });
        (rule.after_ns, failure)
    }

    fn wait(&mut self, task: TaskId, after: u64, failure: Option<(TaskState, String)>) {
        let container = self.containers.get_mut(&task).expect("the caller has it");
        container.wait += 1;
        container.failure = failure;
        let wait = container.wait;
        self.await_at(self.now + after, Due::Agent(task, wait));
    }

    fn container_due(&mut self, task: TaskId, wait: u64) {
        let Some(container) = self.containers.get_mut(&task).filter(|container| container.wait == wait) else { return };
        if let Some((state, text)) = container.failure.take() {
            container.phase = Phase::Over;
            self.report(task, state, Some(text));
            return;
        }
        match container.phase {
            Phase::Preparing => {
                container.phase = Phase::Ready;
                let node = container.node;
                self.report(task, TaskState::Ready, None);
                if self.up[&node] {
                    self.heed(task);
                }
            }
            Phase::Starting => {
                container.phase = Phase::Running;
                self.report(task, TaskState::Running, None);
                self.run(task);
            }
            Phase::Running => {
                let code = self.exit_code(task);
                self.container_exits(task, code);
            }
            Phase::Stopping => {
                container.phase = Phase::Over;
                self.report(task, TaskState::Shutdown, None);
            }
            Phase::Ready | Phase::Over => {}
        }
    }

    /// A container that began to run may be one that ends by itself.
    fn run(&mut self, task: TaskId) {
        if !self.containers.get(&task).is_some_and(|container| container.phase == Phase::Running) {
            return;
        }
        if let Some(after) = self.run_rule(task).map(|rule| rule.after_ns) {
            self.wait(task, after, None);
        }
    }

    fn run_rule(&self, task: TaskId) -> Option<&'a super::input::BehaviorWire> {
        let record = &self.records[self.by_task[&task]].1;
        let service = &self.manager.cluster().services()[record.service].spec.name;
        let node = &self.manager.cluster().nodes()[self.containers[&task].node].spec.id;
        self.recorded.task_behaviors.iter().find(|rule| {
            rule.phase == "run" && rule.matches(service, record.slot, node, &record.image, record.instance)
        })
    }

    fn exit_code(&self, task: TaskId) -> i32 {
        self.run_rule(task).map_or(0, |rule| rule.exit_code)
    }

    fn container_exits(&mut self, task: TaskId, code: i32) {
        let container = self.containers.get_mut(&task).expect("the caller has it");
        container.phase = Phase::Over;
        container.wait += 1;
        match code {
            0 => self.report(task, TaskState::Complete, None),
            _ => self.report(task, TaskState::Failed, Some(format!("task: non-zero exit ({code})"))),
        }
    }

    /// Tells the manager, or keeps it for later if the node is cut off.
    fn report(&mut self, task: TaskId, state: TaskState, error: Option<String>) {
        let container = self.containers.get_mut(&task).expect("the caller has it");
        if !self.up[&container.node] {
            container.unsent = Some((state, error));
            return;
        }
        if self.records[self.by_task[&task]].1.state >= state {
            return;
        }
        self.log_state(task, state, error.as_deref());
        let error = error.map(Into::into);
        self.reports.push(Event::TaskStatus { task, state, error });
    }

    /// A node is back: its agent reports what happened meanwhile and learns what is wanted now.
    fn reconnect(&mut self, node: NodeId) {
        let tasks: Vec<TaskId> =
            self.containers.iter().filter(|(_, container)| container.node == node).map(|(task, _)| *task).collect();
        for task in &tasks {
            let Some((state, error)) = self.containers.get_mut(task).and_then(|container| container.unsent.take())
            else {
                continue;
            };
            self.report(*task, state, error);
        }
        for task in self.manager.cluster().tasks_on(node).collect::<Vec<_>>() {
            let assigned = self.manager.cluster().task(task).is_some_and(|task| task.state == TaskState::Assigned);
            if assigned && !self.containers.contains_key(&task) {
                self.accept(task, node);
            }
            self.heed(task);
        }
    }

    // The log.

    fn log(&mut self, command: &Command) {
        match command {
            Command::Create { task, service, slot, desired } => {
                let record = self.manager.cluster().task(*task);
                // A task that was created and deleted in one call leaves no trace in the cluster.
                let Some(record) = record else { return };
                let image = record.spec.task.container.image.clone();
                let row = Record {
                    service: *service,
                    slot: *slot,
                    instance: record.instance,
                    image: image.clone(),
                    created: self.now,
                    desired: *desired,
                    started_at: None,
                    ran_at: None,
                    ended_at: None,
                    state: TaskState::New,
                    deleted: false,
                };
                self.by_task.insert(*task, self.records.len());
                self.records.push((*task, row));
                self.entry(*task, 0, 0, vec![json!("create"), json!(upper(desired)), json!(image)]);
                self.total(*service, "create");
            }
            Command::Assign { task, .. } => self.log_state(*task, TaskState::Assigned, None),
            Command::State { task, state } => {
                let cluster = self.manager.cluster();
                let error = cluster.task(*task).and_then(|task| cluster.error(task).cloned());
                if self.by_task.get(task).is_some_and(|index| self.records[*index].1.state < *state) {
                    self.log_state(*task, *state, error.as_deref());
                }
            }
            Command::Desired { task, desired, .. } => {
                let Some(index) = self.by_task.get(task).copied() else { return };
                let record = &mut self.records[index].1;
                record.desired = *desired;
                if *desired <= DesiredState::Complete {
                    record.started_at = Some(self.now);
                }
                let service = record.service;
                self.entry(*task, 1, *desired as u8, vec![json!("desired"), json!(upper(desired))]);
                self.total(service, &format!("desired {}", upper(desired)));
            }
            Command::Remove { task, .. } => {
                let Some(index) = self.by_task.remove(task) else { return };
                self.by_task.insert(*task, index);
                self.records[index].1.deleted = true;
                let service = self.records[index].1.service;
                self.entry(*task, 3, 0, vec![json!("delete")]);
                self.total(service, "delete");
            }
            Command::UpdateStatus(service, Some(status)) => {
                let state = match status.state {
                    UpdateState::Updating => "UPDATING",
                    UpdateState::Paused => "PAUSED",
                    UpdateState::Completed => "COMPLETED",
                    UpdateState::RollbackStarted => "ROLLBACK_STARTED",
                    UpdateState::RollbackPaused => "ROLLBACK_PAUSED",
                    UpdateState::RollbackCompleted => "ROLLBACK_COMPLETED",
                };
                self.status(*service, state, &status.message.clone());
            }
            _ => {}
        }
    }

    fn status(&mut self, service: ServiceId, state: &str, message: &str) {
        let now = self.now;
        let Some(history) = self.histories.get_mut(&service) else { return };
        let entry = (now, state.to_owned(), message.to_owned());
        // An update of the service is logged when it is done, before the statuses that it caused at the same instant.
        let place = match state {
            "none" => history.statuses.iter().rposition(|(at, _, _)| *at < now).map_or(0, |index| index + 1),
            _ => history.statuses.len(),
        };
        let is_news = place == 0 || history.statuses[place - 1].1 != state;
        if is_news {
            history.statuses.insert(place, entry);
        }
        let last = history.statuses.last().map(|(_, state, _)| state.as_str());
        history.updating = matches!(last, Some("UPDATING" | "ROLLBACK_STARTED"));
    }

    fn log_state(&mut self, task: TaskId, state: TaskState, error: Option<&str>) {
        let Some(index) = self.by_task.get(&task).copied() else { return };
        let now = self.now;
        let record = &mut self.records[index].1;
        record.state = state;
        if state == TaskState::Running {
            record.ran_at = Some(now);
        }
        if state.is_terminal() {
            record.ended_at = Some(now);
        }
        let service = record.service;
        let shown = matches!(state, TaskState::Assigned | TaskState::Ready | TaskState::Running) || state.is_terminal();
        if shown {
            let mut entry = vec![json!("state"), json!(upper(&state))];
            if let Some(error) = error.filter(|text| !text.is_empty()) {
                entry.push(json!(error));
            }
            self.entry(task, 2, state as u8, entry);
            self.total(service, &format!("state {}", upper(&state)));
        }
    }

    fn entry(&mut self, task: TaskId, kind: u8, rank: u8, entry: Vec<Value>) {
        let record = &self.records[self.by_task[&task]].1;
        let (slot, instance) = (record.slot, record.instance);
        let history = self.histories.entry(record.service).or_default();
        history.slots.entry(slot).or_default().push((self.now, instance, kind, rank, entry));
    }

    fn total(&mut self, service: ServiceId, what: &str) {
        *self.histories.entry(service).or_default().totals.entry(what.to_owned()).or_default() += 1;
    }

    fn end_of_instant(&mut self) {
        for (service, history) in &mut self.histories {
            let own = || self.records.iter().filter(|(_, record)| record.service == *service && !record.deleted);
            let running = own().filter(|(_, record)| record.state == TaskState::Running).count() as i64;
            if history.timeline.last().is_none_or(|(_, last)| *last != running) {
                if history.timeline.last().is_some_and(|(at, _)| *at == self.now) {
                    history.timeline.pop();
                }
                history.timeline.push((self.now, running));
            }
            if !history.updating {
                continue;
            }
            let mut newest: BTreeMap<Slot, &Record> = BTreeMap::new();
            for (_, record) in own() {
                newest.insert(record.slot, record);
            }
            let waits = |record: &&&Record| {
                let wanted = record.desired <= DesiredState::Complete;
                record.instance > 1 && wanted && record.state < TaskState::Running
            };
            let waiting = newest.values().filter(waits).count() as i64;
            history.waiting_max = history.waiting_max.max(waiting);
            history.running_max = history.running_max.max(running);
            history.running_min = Some(history.running_min.map_or(running, |min| min.min(running)));
        }
    }

    // The properties.

    fn slot_name(&self, slot: Slot) -> Value {
        match slot {
            Slot::Number(number) | Slot::Spare(number) => json!(number),
            Slot::Node(node) => json!(self.manager.cluster().nodes()[node].spec.id),
        }
    }

    fn slot_key(&self, slot: Slot) -> String {
        self.slot_name(slot).as_str().map_or_else(|| self.slot_name(slot).to_string(), str::to_owned)
    }

    /// A slot's history in canonical order, with or without the times.
    fn sequence(entries: &[Entry], timed: bool) -> Value {
        let mut entries = entries.to_vec();
        entries.sort_by_key(|(at, instance, kind, rank, _)| (*at, *instance, *kind, *rank));
        let row = |(at, instance, _, _, rest): Entry| {
            let mut row = if timed { vec![json!(at)] } else { Vec::new() };
            row.push(json!(instance));
            row.extend(rest);
            Value::Array(row)
        };
        Value::Array(entries.into_iter().map(row).collect())
    }

    fn value(&self, name: &str, property: &str) -> Option<Value> {
        if property == "api_rejections" {
            return Some(json!(self.rejections.get(name).cloned().unwrap_or_default()));
        }
        let service = *self.services.get(name)?;
        let history = self.histories.get(&service)?;
        let all = || self.records.iter().map(|(_, record)| record).filter(|record| record.service == service);
        let kept = || all().filter(|record| !record.deleted);
        let runs = |record: &&Record| record.state == TaskState::Running && record.desired <= DesiredState::Complete;
        let tasks = || self.manager.cluster().tasks().filter(|(_, task)| task.service == service);
        let per_node = || {
            let mut counts: BTreeMap<NodeId, i64> = BTreeMap::new();
            for (_, task) in tasks() {
                let wanted = task.desired <= DesiredState::Complete;
                if let Some(node) = task.node.filter(|_| task.state == TaskState::Running && wanted) {
                    *counts.entry(node).or_default() += 1;
                }
            }
            counts
        };
        let sequences = |timed| history.slots.values().map(|slot| Self::sequence(slot, timed)).collect::<Vec<_>>();
        let instances = || {
            let mut counts: BTreeMap<Slot, i64> = BTreeMap::new();
            for record in all() {
                *counts.entry(record.slot).or_default() += 1;
            }
            counts
        };
        Some(match property {
            "final_running_total" => json!(kept().filter(runs).count()),
            "final_running_per_node" => {
                let entry = |(node, count)| (self.manager.cluster().nodes()[node].spec.id.clone(), json!(count));
                Value::Object(per_node().into_iter().map(entry).collect())
            }
            "final_running_per_node_sorted" => json!(descending(per_node().into_values().collect())),
            "final_running_images" => json!(counted(kept().filter(runs).map(|record| record.image.clone()))),
            "final_running_slots" => {
                let slots: BTreeSet<Slot> = kept().filter(runs).map(|record| record.slot).collect();
                Value::Array(slots.into_iter().map(|slot| self.slot_name(slot)).collect())
            }
            "final_task_states" => {
                json!(counted(kept().map(|record| format!("{}/{}", upper(&record.desired), upper(&record.state)))))
            }
            "final_tasks_kept_per_slot_sorted" => {
                json!(descending(counted(kept().map(|record| record.slot)).into_values().collect()))
            }
            "final_pending_errors" => {
                let waiting = tasks().filter(|(_, task)| task.state < TaskState::Assigned);
                let texts =
                    waiting.filter_map(|(_, task)| self.manager.cluster().error(task).map(|error| error.to_string()));
                json!(counted(texts))
            }
            "instances_per_slot" => {
                let entry = |(slot, count)| (self.slot_key(slot), json!(count));
                Value::Object(instances().into_iter().map(entry).collect())
            }
            "instances_per_slot_sorted" => json!(descending(instances().into_values().collect())),
            "event_totals" => json!(history.totals),
            "slot_sequences_exact" | "slot_sequences_stable" => {
                let entry =
                    |(slot, entries): (&Slot, &Vec<Entry>)| (self.slot_key(*slot), Self::sequence(entries, true));
                Value::Object(history.slots.iter().map(entry).collect())
            }
            "slot_sequences_multiset" => json!(sequences(true)),
            "slot_event_order_multiset" => json!(sequences(false)),
            "start_wait_ns_sorted" => {
                let waiting = |record: &&Record| self.created_ready(record);
                let waits = all().filter(waiting).map(|record| record.started_at.map(|at| at - record.created));
                let (mut times, mut never): (Vec<_>, Vec<_>) = waits.partition(Option::is_some);
                times.sort();
                times.append(&mut never);
                json!(times)
            }
            "handover_order_counts" => json!(handovers(all())),
            "running_count_timeline" => json!(history.timeline),
            "running_count_states" => json!(history.timeline.iter().map(|(_, count)| count).collect::<Vec<_>>()),
            "during_update" => json!({
                "max_slots_waiting_for_new_task": history.waiting_max,
                "min_running_tasks": history.running_min,
                "max_running_tasks": history.running_max,
            }),
            "update_status_history" => json!(history.statuses),
            "update_status_history_without_task_names" => {
                let anonymous = |(at, state, text): &(u64, String, String)| json!([at, state, without_task(text)]);
                Value::Array(history.statuses.iter().map(anonymous).collect())
            }
            "update_status_states" => {
                let anonymous = |(_, state, text): &(u64, String, String)| json!([state, without_task(text)]);
                Value::Array(history.statuses.iter().map(anonymous).collect())
            }
            _ => return None,
        })
    }

    fn created_ready(&self, record: &Record) -> bool {
        let history = &self.histories[&record.service].slots[&record.slot];
        history.iter().any(|(_, instance, kind, _, entry)| {
            *instance == record.instance && *kind == 0 && entry.get(1) == Some(&json!("READY"))
        })
    }

    fn checks(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        for (service, invariants) in &self.recorded.invariants.per_service {
            for (property, invariant) in invariants {
                let Some(got) = self.value(service, property) else { continue };
                let certain = self.recorded.deterministic_decisions
                    || property.starts_with("final_")
                    || property == "api_rejections";
                let mut add = |name: &str, level, view: &dyn Fn(Value) -> Value| {
                    let name = format!("{service}.{name}");
                    let got = view(got.clone());
                    match (invariant.kind.as_str(), &invariant.value) {
                        ("exact", Some(expected)) => {
                            let check = Check::hard(name, level, view(expected.clone()), got);
                            checks.push(Check { hard: certain, ..check });
                        }
                        ("observed", Some(Value::Object(stable))) => {
                            let met = stable.iter().all(|(slot, seen)| got.get(slot) == Some(seen));
                            let expected = normal(Value::Object(stable.clone()));
                            checks.push(Check { name, hard: false, level, met, expected, got });
                        }
                        ("varies", _) => checks.extend(compare::soft(name, property, level, invariant, got)),
                        _ => {}
                    }
                };
                let same = |value: Value| value;
                match property.as_str() {
                    "slot_sequences_exact" => {
                        add("slot_sequences_exact (order)", 2, &|value| untimed_map(value));
                        add(property, 3, &same);
                    }
                    "slot_sequences_multiset" => {
                        if invariant.kind == "exact" {
                            add("slot_sequences_multiset (order)", 2, &|value| untimed_list(value));
                        }
                        add(property, 3, &sorted);
                    }
                    "slot_event_order_multiset" => add(property, 2, &sorted),
                    "slot_sequences_stable" | "running_count_timeline" => add(property, 3, &same),
                    "update_status_history" | "update_status_history_without_task_names" => {
                        if invariant.kind == "exact" {
                            add(&format!("{property} (states)"), 1, &states_only);
                        }
                        add(property, 3, &same);
                    }
                    "final_running_slots" => add(property, 1, &sorted),
                    "start_wait_ns_sorted" | "during_update" | "running_count_states" => add(property, 2, &same),
                    _ => add(property, 1, &same),
                }
            }
        }
        checks
    }
}

fn upper(word: &impl std::fmt::Debug) -> String {
    format!("{word:?}").to_uppercase()
}

fn descending(mut counts: Vec<i64>) -> Vec<i64> {
    counts.sort_by_key(|count| std::cmp::Reverse(*count));
    counts
}

fn counted<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, i64> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// Whether the old task of each pair of successors in a slot had ended when the new one ran.
fn handovers<'r>(records: impl Iterator<Item = &'r Record>) -> BTreeMap<&'static str, i64> {
    let mut slots: BTreeMap<Slot, Vec<&Record>> = BTreeMap::new();
    for record in records {
        slots.entry(record.slot).or_default().push(record);
    }
    let pairs = slots.values().flat_map(|tasks| tasks.windows(2));
    counted(pairs.map(|pair| match (pair[0].ran_at, pair[0].ended_at, pair[1].ran_at) {
        (_, _, None) => "new_never_running",
        (None, _, Some(_)) => "old_never_ran",
        (Some(_), Some(ended), Some(ran)) if ended <= ran => "old_stopped_before_new_running",
        (Some(_), Some(_), Some(_)) => "new_running_before_old_stopped",
        (Some(_), None, Some(_)) => "old_never_stopped",
    }))
}

fn without_task(text: &str) -> String {
    match text.split_once(" of task ") {
        Some((before, _)) => format!("{before} of task <T>"),
        None => text.to_owned(),
    }
}

/// Status entries without the time and without task names.
fn states_only(value: Value) -> Value {
    let entry = |entry: Value| {
        let text = entry.get(2).and_then(Value::as_str).unwrap_or("").to_owned();
        json!([entry.get(1), without_task(&text)])
    };
    match value {
        Value::Array(list) => Value::Array(list.into_iter().map(entry).collect()),
        other => other,
    }
}

/// Entries of a slot without their times, those of one instant in an order of their own.
fn untimed(value: Value) -> Value {
    let Value::Array(entries) = value else { return value };
    let mut instants: Vec<(Value, Vec<Value>)> = Vec::new();
    for entry in entries {
        let Value::Array(mut fields) = entry else { continue };
        let at = fields.remove(0);
        match instants.last_mut() {
            Some((last, list)) if *last == at => list.push(Value::Array(fields)),
            _ => instants.push((at, vec![Value::Array(fields)])),
        }
    }
    Value::Array(instants.into_iter().map(|(_, list)| sorted(Value::Array(list))).collect())
}

fn untimed_map(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(slot, list)| (slot, untimed(list))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn untimed_list(value: Value) -> Value {
    match value {
        Value::Array(list) => sorted(Value::Array(list.into_iter().map(untimed).collect())),
        other => other,
    }
}
