//! By which names services, tasks and nodes go in a run, learned from its facts.

use std::collections::BTreeMap;
use std::sync::Arc;

use sched::{Row, ServiceId, Slot, Time};

use crate::fact::{Fact, TaskNo};
use crate::order::Nodes;
use crate::scenario::Scenario;

/// Whoever was met so far.
pub(super) struct Names {
    scenario: Arc<Scenario>,
    services: Vec<Arc<str>>,
    tasks: Vec<Task>,
    /// Tasks that every place of a service had so far.
    places: BTreeMap<(u32, Slot), u32>,
}

/// Of a task.
#[derive(Clone, Copy)]
pub(super) struct Task {
    pub service: u32,
    pub slot: Slot,
    /// Counts the tasks of its place, from 1.
    number: u32,
    pub created: Time,
}

impl Names {
    pub fn new(scenario: &Arc<Scenario>) -> Names {
        Names { scenario: Arc::clone(scenario), services: Vec::new(), tasks: Vec::new(), places: BTreeMap::new() }
    }

    /// Something happened. To be called before anything is asked about it.
    pub fn see(&mut self, now: Time, fact: &Fact) {
        match fact {
            Fact::Service { service, spec, .. } => {
                let row = service.index();
                if self.services.len() <= row {
                    self.services.resize(row + 1, "".into());
                }
                if *self.services[row] != *spec.name {
                    self.services[row] = spec.name.as_str().into();
                }
            }
            Fact::TaskCreated { service, slot, .. } => {
                let service = service.index() as u32;
                let number = self.next(service, *slot);
                self.tasks.push(Task { service, slot: *slot, number, created: now });
            }
            Fact::TaskPromoted(task, slot) => {
                let number = self.next(self.tasks[task.row()].service, *slot);
                let task = &mut self.tasks[task.row()];
                (task.slot, task.number) = (*slot, number);
            }
            _ => {}
        }
    }

    fn next(&mut self, service: u32, slot: Slot) -> u32 {
        let number = self.places.entry((service, slot)).or_default();
        *number += 1;
        *number
    }

    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    pub fn node(&self, row: usize) -> &str {
        self.scenario.nodes.get(row).map_or("", |node| node.spec.id.as_str())
    }

    pub fn service(&self, service: ServiceId) -> &str {
        self.service_in(service.index())
    }

    pub fn service_in(&self, row: usize) -> &str {
        self.services.get(row).map_or("", |name| name)
    }

    pub fn task_record(&self, task: TaskNo) -> Task {
        self.tasks[task.row()]
    }

    /// As `tasks.csv` names it: `web.3#1`.
    pub fn task(&self, task: TaskNo) -> String {
        let Task { service, slot, number, .. } = self.tasks[task.row()];
        let service = self.service_in(service as usize);
        match slot {
            Slot::Number(slot) => format!("{service}.{slot}#{number}"),
            Slot::Node(node) => format!("{service}.{}#{number}", self.node(node.index())),
            Slot::Spare(spare) => format!("{service}.spare{spare}#{number}"),
        }
    }

    /// Nodes that an order means, each by its name, or in words if they are found at the moment.
    pub fn nodes(&self, nodes: &Nodes) -> Vec<String> {
        match nodes {
            Nodes::Rows(rows) => rows.iter().map(|row| self.node(*row).to_string()).collect(),
            Nodes::Named(name) => vec![name.to_string()],
            Nodes::Leader => vec!["leader".into()],
            Nodes::Reachable => vec!["reachable".into()],
            Nodes::With(service) => vec![format!("nodes with service={service}")],
            Nodes::Random { count, of, .. } => vec![format!("random {count} of {}", self.nodes(of).join(", "))],
            Nodes::Union(parts) => parts.iter().flat_map(|part| self.nodes(part)).collect(),
            Nodes::Except(those, others) => {
                vec![format!("{} - {}", self.nodes(those).join(", "), self.nodes(others).join(", "))]
            }
        }
    }
}
