//! Drains that lose no replica.

use std::collections::BTreeMap;

use super::parameters::{Kind, Parameter, Value};
use super::{
    Action, Actions, Cause, Decision, Failover, Interests, Loss, News, NodeChange, Order, PolicyEntry, PolicyKind,
    Replacement, View, state,
};
use crate::id::{NodeId, Row, ServiceId, Slot, TaskId};
use crate::time::{Span, Time};

pub(super) const ENTRY: PolicyEntry = PolicyEntry {
    name: "drain-start-first",
    summary: "a task on a drained node ends only when its replacement runs, as many at a time as the service's update \
              parallelism, or when `deadline` has passed",
    promise: "no replica is lost to a drain if there is room for one batch",
    parameters: &[Parameter {
        name: "deadline",
        kind: Kind::Span,
        default: Value::Span(Span::from_secs(600)),
        meaning: "how long after the drain what is left is stopped as Swarm does; 0 s is `reschedule`",
    }],
    kind: PolicyKind::Partial,
    build: |settings, _| Ok(Box::new(DrainStartFirst::new(settings.span("deadline")))),
};

/// The timer of the next step; the deadline of a node has the number of the node and one more.
const STEP: u64 = 0;
/// After a replacement that could not run: Swarm's restart delay.
const AGAIN: Span = Span::from_secs(5);

/// Replacements of tasks of replicated services on drained nodes start first. During a rolling update, which has its own
/// order, a service's tasks stay where they are.
#[derive(Clone, Debug)]
pub struct DrainStartFirst {
    deadline: Span,
    /// Drained nodes, with their deadlines.
    draining: BTreeMap<NodeId, Time>,
    /// Tasks that are being replaced.
    moving: BTreeMap<TaskId, ServiceId>,
}

impl DrainStartFirst {
    /// What is left after so long is stopped.
    pub fn new(deadline: Span) -> DrainStartFirst {
        DrainStartFirst { deadline, draining: BTreeMap::new(), moving: BTreeMap::new() }
    }

    /// Begins as many replacements as there may be.
    fn step(&mut self, view: &View<'_>, actions: &mut Actions) {
        let cluster = view.cluster();
        self.draining.retain(|node, _| cluster.node(*node).is_some() && !view.can_keep(*node) && !view.is_down(*node));
        self.moving.retain(|task, _| cluster.task(*task).is_some());
        let mut under_way: BTreeMap<ServiceId, u64> = BTreeMap::new();
        self.moving.values().for_each(|service| *under_way.entry(*service).or_default() += 1);
        for node in self.draining.keys() {
            for id in view.tasks_on(*node) {
                let task = cluster.task(id).expect("a view lists records that exist");
                let Some(service) = cluster.service(task.service) else { continue };
                let is_movable = matches!(task.slot, Slot::Number(_)) && !task.state.is_terminal();
                if !is_movable || self.moving.contains_key(&id) || view.is_updating(task.service) {
                    continue;
                }
                let count = under_way.entry(task.service).or_default();
                let parallelism = service.spec.update.unwrap_or_default().parallelism;
                if parallelism == 0 || *count < parallelism {
                    *count += 1;
                    self.moving.insert(id, task.service);
                    // It waits for no restart delay: nothing failed.
                    let how = Replacement { delay: Some(Span::ZERO), node: None, order: Order::StartFirst };
                    actions.push(Action::Replace { task: id, how });
                }
            }
        }
    }

    fn expire(&mut self, view: &View<'_>, node: NodeId, actions: &mut Actions) {
        if self.draining.get(&node).is_some_and(|deadline| *deadline <= view.now()) {
            // What has a replacement on its way stops beside it; the others are replaced as Swarm does.
            for task in view.tasks_on(node) {
                let is_moving = self.moving.contains_key(&task);
                actions.push(if is_moving { Action::Stop(task) } else { Action::Reconsider(task) });
            }
        }
    }
}

impl Failover for DrainStartFirst {
    fn interests(&self) -> Interests {
        let any = self.deadline != Span::ZERO;
        Interests { nodes: any, services: any, ..Interests::default() }
    }

    fn decide(&mut self, view: &View<'_>, loss: &Loss, actions: &mut Actions) -> Decision {
        let is_numbered = || view.cluster().task(loss.task).is_some_and(|task| matches!(task.slot, Slot::Number(_)));
        let Some(node) = loss.node.filter(|_| loss.cause == Cause::NodeDrained && self.deadline != Span::ZERO) else {
            return Decision::Swarm;
        };
        if !is_numbered() {
            return Decision::Swarm;
        }
        let now = view.now();
        let deadline = *self.draining.entry(node).or_insert(now + self.deadline);
        if deadline <= now {
            return Decision::Swarm;
        }
        actions.push(Action::Wake { at: deadline, token: node.index() as u64 + 1 });
        actions.push(Action::Wake { at: now, token: STEP });
        Decision::Keep
    }

    fn observe(&mut self, view: &View<'_>, news: &News, actions: &mut Actions) {
        match *news {
            News::Timer(STEP) => self.step(view, actions),
            News::Timer(token) => self.expire(view, NodeId::from_index(token as usize - 1), actions),
            News::MoveOver { old, done, .. } if self.moving.remove(&old).is_some() => {
                let at = if done { view.now() } else { view.now() + AGAIN };
                actions.push(Action::Wake { at, token: STEP });
            }
            News::Node { node, change: NodeChange::Activated | NodeChange::Paused | NodeChange::Removed } => {
                self.draining.remove(&node);
            }
            // What was kept while the service was updated has its turn.
            News::Service { .. } | News::LeaderChanged if !self.draining.is_empty() => {
                actions.push(Action::Wake { at: view.now(), token: STEP });
            }
            _ => {}
        }
    }

    fn save(&self) -> String {
        let draining = self.draining.iter().flat_map(|(node, at)| [node.index() as u64, at.as_nanos()]);
        let moving = self.moving.iter();
        let moving = moving
            .flat_map(|(task, service)| [task.row().to_string(), task.generation.to_string(), service.to_string()]);
        format!("{};{}", state::join(draining), state::join(moving))
    }

    fn load(&mut self, text: &str) -> Result<(), String> {
        let (draining, moving) = text.split_once(';').ok_or("no two lists")?;
        let pairs: Vec<u64> = state::numbers(draining)?;
        let pairs = pairs
            .chunks_exact(2)
            .map(|numbers| (NodeId::from_index(numbers[0] as usize), Time::from_nanos(numbers[1])));
        self.draining = pairs.collect();
        let triples: Vec<u32> = state::numbers(moving)?;
        let triple = |numbers: &[u32]| {
            (TaskId { row: numbers[0], generation: numbers[1] }, ServiceId::from_index(numbers[2] as usize))
        };
        self.moving = triples.chunks_exact(3).map(triple).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_state_is_text() {
        let mut one = DrainStartFirst::new(Span::from_secs(9));
        one.draining.insert(NodeId::from_index(3), Time::from_nanos(17));
        one.moving.insert(TaskId { row: 4, generation: 5 }, ServiceId::from_index(6));
        let mut other = DrainStartFirst::new(Span::from_secs(9));
        other.load(&one.save()).expect("it was saved");
        assert_eq!((&one.draining, &one.moving), (&other.draining, &other.moving));
        assert_eq!(one.load("1 x;"), Err("\"x\" is not a number".into()));
    }
}
