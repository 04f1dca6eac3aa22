//! The tables in a snapshot.
//!
//! A specification stands there once, however many tasks have it. What can be read off a task is not said of its service
//! or its node again, but for the order of the tasks on a node.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Cluster, Explanation, Node, Residents, Service, TaskRow, Timer, UpdateStatus, is_invalid};
use crate::api;
use crate::event::Commands;
use crate::id::{NodeId, Row, ServiceId, Slot, TaskId};
use crate::orchestrator::jobs::Agenda;
use crate::slots::Slots;
use crate::spec::{GenericResource, NodeSpec, ServiceSpec};
use crate::task::{DesiredState, Details, Task, TaskState};
use crate::time::Time;

#[derive(Serialize, Deserialize)]
pub(crate) struct Saved<'a> {
    now: Time,
    nodes: Vec<SavedNode<'a>>,
    /// Nodes in the order of their changes, and how many changes before those are forgotten.
    node_log: Cow<'a, VecDeque<NodeId>>,
    #[serde(deserialize_with = "crate::snapshot::counter")]
    node_log_begin: u64,
    /// Services that were ever created.
    services_created: usize,
    specs: Vec<(ServiceId, u64, Cow<'a, ServiceSpec>)>,
    services: Vec<SavedService<'a>>,
    tasks: Vec<SavedTask<'a>>,
    /// Why tasks of a version find no node, and when that changed last.
    explanations: Vec<(ServiceId, u64, Arc<str>, Time)>,
    /// Rows that are free, with the generations of their next tasks; the last is taken first.
    free_rows: Vec<TaskId>,
    #[serde(deserialize_with = "crate::snapshot::counter")]
    next_sequence: u64,
    #[serde(deserialize_with = "crate::snapshot::counter")]
    next_version: u64,
    uncommitted: bool,
    #[serde(deserialize_with = "crate::snapshot::counter")]
    next_timer: u64,
    /// In order.
    timers: Vec<(Time, u64, Timer)>,
    debounce: Option<(Time, u64, Timer)>,
}

#[derive(Serialize, Deserialize)]
struct SavedNode<'a> {
    spec: Cow<'a, NodeSpec>,
    created: Time,
    removed: bool,
    /// In order of assignment.
    tasks: Vec<TaskId>,
}

#[derive(Serialize, Deserialize)]
struct SavedService<'a> {
    id: ServiceId,
    version: u64,
    alike_since: u64,
    newest: u64,
    previous: Option<u64>,
    iteration: u32,
    executed: Time,
    update_status: Option<Cow<'a, UpdateStatus>>,
    /// Slots that had more tasks than the number of their newest one says.
    instances: Vec<(Slot, u32)>,
    removed: bool,
    dormant: bool,
    agenda: Cow<'a, Agenda>,
}

#[derive(Serialize, Deserialize)]
struct SavedTask<'a> {
    id: TaskId,
    service: ServiceId,
    slot: Slot,
    instance: u32,
    version: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    iteration: u32,
    node: Option<NodeId>,
    desired: DesiredState,
    state: TaskState,
    since: Time,
    created: Time,
    sequence: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    is_explained: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    generic: Cow<'a, [GenericResource]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed: Option<Time>,
}

fn is_false(truth: &bool) -> bool {
    !*truth
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Cluster {
    pub(crate) fn save(&self) -> Saved<'_> {
        let Cluster {
            nodes,
            on_nodes: _,
            invalid: _,
            node_log,
            node_log_begin,
            services,
            leaving,
            names: _,
            publishers: _,
            tasks: _,
            free_rows,
            explanations,
            next_sequence,
            next_version,
            now,
            journal,
            uncommitted,
            timers,
            debounce,
            // Those whose groups sleep; in a restored scheduler all groups are awake.
            renewed: _,
            next_timer,
            commands,
        } = self;
        debug_assert!(journal.is_empty() && commands.is_empty() && leaving.is_empty(), "a call is not over");
        let mut timers: Vec<_> = timers.iter().map(|Reverse(timer)| *timer).collect();
        timers.sort_unstable();
        // The tasks themselves say how many were told.
        let explanations = explanations.iter().map(|((service, version), explanation)| {
            let Explanation { text, at, tasks: _ } = explanation;
            (*service, *version, text.clone(), *at)
        });
        let free_rows =
            free_rows.iter().map(|row| TaskId { row: *row, generation: self.tasks[*row as usize].generation() });
        Saved {
            now: *now,
            nodes: nodes.iter().map(|(id, node)| self.save_node(id, node)).collect(),
            node_log: Cow::Borrowed(node_log),
            node_log_begin: *node_log_begin,
            services_created: services.next_row(),
            specs: self.save_specs(),
            services: services.iter().map(|(id, service)| self.save_service(id, service)).collect(),
            tasks: self.tasks().map(|(id, task)| save_task(id, task)).collect(),
            explanations: explanations.collect(),
            free_rows: free_rows.collect(),
            next_sequence: *next_sequence,
            next_version: *next_version,
            uncommitted: *uncommitted,
            next_timer: *next_timer,
            timers,
            debounce: *debounce,
        }
    }

    fn save_node<'a>(&'a self, id: NodeId, node: &'a Node) -> SavedNode<'a> {
        let Node { spec, created, removed } = node;
        let tasks = self.tasks_on(id).collect();
        SavedNode { spec: Cow::Borrowed(spec), created: *created, removed: *removed, tasks }
    }

    fn save_specs(&self) -> Vec<(ServiceId, u64, Cow<'_, ServiceSpec>)> {
        let mut specs = BTreeMap::new();
        for (id, service) in self.services.iter() {
            specs.insert((id, service.version), &*service.spec);
            specs.extend(service.previous.as_ref().map(|(spec, version)| ((id, *version), &**spec)));
        }
        for (_, task) in self.tasks() {
            specs.entry((task.service, task.version)).or_insert(&*task.spec);
        }
        specs.into_iter().map(|((id, version), spec)| (id, version, Cow::Borrowed(spec))).collect()
    }

    fn save_service<'a>(&self, id: ServiceId, service: &'a Service) -> SavedService<'a> {
        let Service {
            spec: _,
            version,
            alike_since,
            newest,
            previous,
            iteration,
            executed,
            update_status,
            slots,
            removed,
            dormant,
            agenda,
            // Without one all slots are looked at.
            census: _,
        } = service;
        let number_of_newest = |slot| slots.tasks_in(slot).filter_map(|task| Some(self.task(task)?.instance)).max();
        let instances = slots.instances().filter(|(slot, instances)| number_of_newest(*slot) != Some(*instances));
        SavedService {
            id,
            version: *version,
            alike_since: *alike_since,
            newest: *newest,
            previous: previous.as_ref().map(|(_, version)| *version),
            iteration: *iteration,
            executed: *executed,
            update_status: update_status.as_ref().map(Cow::Borrowed),
            instances: instances.collect(),
            removed: *removed,
            dormant: *dormant,
            agenda: Cow::Borrowed(agenda),
        }
    }
}

fn save_task(id: TaskId, task: &Task) -> SavedTask<'_> {
    let Task {
        service,
        slot,
        instance,
        spec: _,
        version,
        iteration,
        node,
        desired,
        state,
        since,
        created,
        sequence,
        generation: _,
        is_explained,
        details,
    } = task;
    let (error, generic, changed) = match details.as_deref() {
        Some(Details { error, generic, changed }) => (error.clone(), &generic[..], *changed),
        None => (None, &[][..], None),
    };
    SavedTask {
        id,
        service: *service,
        slot: *slot,
        instance: *instance,
        version: *version,
        iteration: *iteration,
        node: *node,
        desired: *desired,
        state: *state,
        since: *since,
        created: *created,
        sequence: *sequence,
        is_explained: *is_explained,
        error,
        generic: Cow::Borrowed(generic),
        changed,
    }
}

impl Cluster {
    /// The tables that were saved. The error says what contradicts what.
    pub(crate) fn restore(saved: Saved<'_>) -> Result<Cluster, String> {
        let Saved {
            now,
            nodes,
            node_log,
            node_log_begin,
            services_created,
            specs,
            services,
            tasks,
            explanations,
            free_rows,
            next_sequence,
            next_version,
            uncommitted,
            next_timer,
            timers,
            debounce,
        } = saved;
        for (_, _, spec) in &specs {
            api::validate_size(spec).map_err(|refusal| refusal.text)?;
        }
        let specs = specs.into_iter().map(|(id, version, spec)| ((id, version), Arc::new(spec.into_owned()))).collect();
        let mut cluster = Cluster {
            now,
            next_sequence,
            next_version,
            uncommitted,
            next_timer,
            timers: timers.iter().map(|timer| Reverse(*timer)).collect(),
            debounce,
            node_log: node_log.into_owned(),
            node_log_begin,
            journal: VecDeque::new(),
            commands: Commands::new(),
            ..Cluster::default()
        };
        let residents = cluster.restore_nodes(nodes);
        if let Some(node) = cluster.node_log.iter().find(|node| cluster.nodes.get(**node).is_none()) {
            return Err(format!("node {node} changed, which is not there"));
        }
        for (service, version, text, at) in explanations {
            cluster.explanations.insert((service, version), Explanation { text, at, tasks: 0 });
        }
        cluster.restore_services(services, services_created, &specs)?;
        let number = tasks.len();
        cluster.restore_tasks(tasks, free_rows, &specs)?;
        cluster.restore_residents(residents, number)?;
        for timer in cluster.timers() {
            if let Timer::Orphan(node, _) = timer
                && cluster.nodes.get(node).is_none()
            {
                return Err(format!("a timer of node {node}, which is not there"));
            }
        }
        Ok(cluster)
    }

    /// Everything that waits for time, in no order.
    pub(crate) fn timers(&self) -> impl Iterator<Item = Timer> + '_ {
        self.timers.iter().map(|Reverse(timer)| timer.2).chain(self.debounce.map(|timer| timer.2))
    }

    /// The answer is the tasks on each node.
    fn restore_nodes(&mut self, nodes: Vec<SavedNode<'_>>) -> Vec<Vec<TaskId>> {
        let (mut residents, mut known) = (Vec::new(), BTreeSet::new());
        for SavedNode { spec, created, removed, tasks } in nodes {
            let mut spec = spec.into_owned();
            if let Some(description) = &mut spec.description {
                share(&mut known, &mut description.plugins);
            }
            let node = Node { spec: Arc::new(spec), created, removed };
            self.invalid.push(is_invalid(&node));
            self.nodes.push(node);
            residents.push(tasks);
        }
        residents
    }

    fn restore_services(
        &mut self,
        services: Vec<SavedService<'_>>,
        created: usize,
        specs: &BTreeMap<(ServiceId, u64), Arc<ServiceSpec>>,
    ) -> Result<(), String> {
        for saved in services {
            let SavedService {
                id,
                version,
                alike_since,
                newest,
                previous,
                iteration,
                executed,
                update_status,
                instances,
                removed,
                dormant,
                agenda,
            } = saved;
            let spec = |version| match specs.get(&(id, version)) {
                Some(spec) if version <= self.next_version => Ok(spec.clone()),
                _ => Err(format!("service {id} has no version {version}")),
            };
            if id.index() >= created || self.services.get(id).is_some() {
                return Err(format!("service {id} is one too many"));
            }
            let service = Service {
                spec: spec(version)?,
                version,
                alike_since,
                newest,
                previous: previous.map(|version| Ok::<_, String>((spec(version)?, version))).transpose()?,
                iteration,
                executed,
                update_status: update_status.map(Cow::into_owned),
                slots: Slots::recalled(instances),
                removed,
                dormant,
                agenda: agenda.into_owned(),
                census: None,
            };
            if !removed {
                self.names.insert((service.spec.name.clone(), id));
            }
            self.services.insert(id, service);
            self.note_ports(id);
        }
        self.services.give_out(created);
        Ok(())
    }

    fn restore_tasks(
        &mut self,
        mut tasks: Vec<SavedTask<'_>>,
        free_rows: Vec<TaskId>,
        specs: &BTreeMap<(ServiceId, u64), Arc<ServiceSpec>>,
    ) -> Result<(), String> {
        let rows = tasks.len() + free_rows.len();
        let mut known = BTreeSet::new();
        let mut by_row: Vec<Option<TaskRow>> = vec![None; rows];
        let mut take = |id: TaskId, row: TaskRow| {
            let place = by_row.get_mut(id.row()).filter(|place| place.is_none());
            *place.ok_or_else(|| format!("task {id} has the row of another task, or none"))? = Some(row);
            Ok::<_, String>(())
        };
        for id in &free_rows {
            take(*id, TaskRow::Free(id.generation))?;
        }
        self.free_rows = free_rows.into_iter().map(|id| id.row).collect();
        // A slot lists its tasks in the order in which it got them.
        tasks.sort_by_key(|task| (task.instance, task.sequence));
        for saved in tasks {
            let id = saved.id;
            let task = self.restore_task(saved, specs, &mut known).map_err(|why| format!("task {id}: {why}"))?;
            self.services[task.service].slots.recall(task.slot, id, task.instance);
            if task.is_explained {
                let explanation = self.explanations.get_mut(&(task.service, task.version));
                explanation.ok_or_else(|| format!("task {id} was told nothing"))?.tasks += 1;
            }
            take(id, TaskRow::Taken(task))?;
        }
        self.explanations.retain(|_, explanation| explanation.tasks > 0);
        self.tasks = by_row.into_iter().flatten().collect();
        for (id, service) in self.services.iter() {
            let key = |task| self.task(task).filter(|task| task.service == id).map(|task| (task.slot, task.sequence));
            if !service.agenda.is_right(key, self.nodes.len()) {
                return Err(format!("service {id} has tasks to look at that are not its own"));
            }
        }
        Ok(())
    }

    fn restore_task(
        &self,
        saved: SavedTask<'_>,
        specs: &BTreeMap<(ServiceId, u64), Arc<ServiceSpec>>,
        known: &mut BTreeSet<Arc<str>>,
    ) -> Result<Task, String> {
        let SavedTask {
            id,
            service,
            slot,
            instance,
            version,
            iteration,
            node,
            desired,
            state,
            since,
            created,
            sequence,
            is_explained,
            mut error,
            generic,
            changed,
        } = saved;
        if self.services.get(service).is_none() {
            return Err(format!("its service {service} is not there"));
        }
        let Some(spec) = specs.get(&(service, version)).filter(|_| version <= self.next_version) else {
            return Err(format!("service {service} has no version {version}"));
        };
        let of_slot = if let Slot::Node(node) = slot { Some(node) } else { None };
        if let Some(node) = node.into_iter().chain(of_slot).find(|node| self.nodes.get(*node).is_none()) {
            return Err(format!("its node {node} is not there"));
        }
        if node.is_none() && (TaskState::Assigned..=TaskState::Running).contains(&state) {
            return Err(format!("it is {state} on no node"));
        }
        if sequence > self.next_sequence {
            return Err(format!("it is number {sequence} of {}", self.next_sequence));
        }
        error.iter_mut().for_each(|error| share(known, error));
        let is_plain = error.is_none() && generic.is_empty() && changed.is_none();
        let details = (!is_plain).then(|| Box::new(Details { error, generic: generic.into_owned(), changed }));
        Ok(Task {
            service,
            slot,
            instance,
            spec: spec.clone(),
            version,
            iteration,
            node,
            desired,
            state,
            since,
            created,
            sequence,
            generation: id.generation,
            is_explained,
            details,
        })
    }

    fn restore_residents(&mut self, residents: Vec<Vec<TaskId>>, tasks: usize) -> Result<(), String> {
        let mut listed = BTreeSet::new();
        for (list, node) in residents.into_iter().zip(self.nodes.ids()) {
            for id in &list {
                if self.task(*id).is_none_or(|task| task.node != Some(node)) || !listed.insert(*id) {
                    return Err(format!("node {node} lists task {id}, which is not there"));
                }
            }
            self.on_nodes.push(Residents { list, gone: 0 });
        }
        let elsewhere = self.tasks().filter(|(_, task)| task.node.is_none()).count();
        if listed.len() + elsewhere != tasks {
            return Err("not every task is on the list of its node".into());
        }
        Ok(())
    }
}

/// Equal values become one.
fn share<T: ?Sized + Ord>(known: &mut BTreeSet<Arc<T>>, value: &mut Arc<T>) {
    match known.get(value) {
        Some(same) => *value = same.clone(),
        None => {
            known.insert(value.clone());
        }
    }
}
