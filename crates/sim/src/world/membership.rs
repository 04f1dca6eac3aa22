//! Who joins and who goes: what joins, removals and autoscalers of nodes mean to the manager and the models.

use sched::spec::{Availability, NodeState};
use sched::{NodeId, Row, TaskState, Time};

use super::World;
use crate::model::autoscaler::{self, Machine};
use crate::model::join::Step;
use crate::scenario::ScalerPlan;

impl World<'_> {
    pub(super) fn pass_joins(&mut self, now: Time) {
        for step in std::mem::take(&mut self.joins.steps) {
            let (Step::Refused(node, _) | Step::Created(node) | Step::Member(node) | Step::Registers(node)) = step;
            let plan = &self.scenario.nodes[node];
            match step {
                Step::Refused(_, why) => self.observer.mark(now, "refused", format!("{}: {why}", plan.spec.id)),
                Step::Created(_) => {
                    let mut spec = (*plan.spec).clone();
                    (spec.state, spec.role) = (NodeState::Unknown, self.joins.role(node));
                    self.observer.mark(now, "join", plan.spec.id.as_str());
                    let answer = self.manager.join_node(now, NodeId::from_index(node), spec, &mut self.commands);
                    self.note_refusal(now, answer.map_err(|refusal| refusal.text));
                    self.overlay.join(node);
                    self.heartbeats.registered(&mut self.queue, node);
                    self.be_member(now, node, true);
                }
                Step::Member(_) => self.managers.promote(&mut self.queue, node, &plan.spec.id, true),
                Step::Registers(_) => self.register(now, node),
            }
        }
    }

    /// A node is in the cluster from now on, or is not.
    pub(super) fn be_member(&mut self, now: Time, node: usize, there: bool) {
        self.observer.member(now, node, there);
        self.gossip.member(node, there);
        self.requests.member(node, there);
        self.sessions.member(node, there);
    }

    /// `docker node rm --force`. A manager must be demoted before.
    pub(super) fn remove_node(&mut self, now: Time, node: usize) -> Result<(), String> {
        let name = self.scenario.nodes[node].spec.id.as_str();
        if !self.joins.is_there(node) {
            return Err(self.not_found(node));
        }
        if self.managers.is_member(node) {
            return Err(format!(
                "node {name} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before \
                 removal"
            ));
        }
        let answer = self.manager.remove_node(now, NodeId::from_index(node), &mut self.commands);
        answer.map_err(|refusal| refusal.text)?;
        self.joins.removed(node);
        self.overlay.remove_node(node, &mut self.granted);
        self.be_member(now, node, false);
        self.observer.eligible(now, node, false);
        Ok(())
    }

    /// An autoscaler of nodes looks. It asks the manager; without a leader it looks again later.
    pub(super) fn look(&mut self, now: Time, plan: usize) {
        let scaler = &self.scenario.scalers[plan];
        if !self.managers.lead() {
            return self.queue.after(scaler.every, autoscaler::Event::Look(plan as u32));
        }
        let there = (0..self.scenario.nodes.len()).filter(|it| self.joins.is_there(*it));
        let machines: Vec<Machine> = there.map(|node| self.machine(node)).collect();
        let waiting = self.waiting(scaler);
        self.scalers.look(&mut self.queue, plan, &machines, &waiting);
        self.pass_scaling(now);
    }

    fn machine(&self, node: usize) -> Machine {
        let cluster = self.manager.cluster();
        let id = NodeId::from_index(node);
        let spec = &cluster.nodes()[id].spec;
        let capacity = spec.description.as_ref().map_or((0, 0), |it| (it.resources.nano_cpus, it.resources.memory));
        let mut free = capacity;
        let mut movable = Vec::new();
        let mut lives = false;
        for task in cluster.tasks_on(id).filter_map(|it| cluster.task(it)) {
            if !(TaskState::Assigned..=TaskState::Running).contains(&task.state) {
                continue;
            }
            let wants = (task.spec.task.reservations.nano_cpus, task.spec.task.reservations.memory);
            free = (free.0 - wants.0, free.1 - wants.1);
            lives = true;
            if matches!(task.slot, sched::Slot::Number(_)) {
                movable.push(wants);
            }
        }
        let ready = spec.state == NodeState::Ready && spec.availability == Availability::Active;
        // The tasks of a lost machine are not waited for.
        Machine { node, ready, capacity, free, movable, occupied: lives && spec.state != NodeState::Down }
    }

    /// Tasks that found no suitable node, and could run on an empty machine of a pool.
    fn waiting(&self, scaler: &ScalerPlan) -> Vec<((i64, i64), Time)> {
        let Some(&first) = scaler.nodes.first() else { return Vec::new() };
        let like = &self.scenario.nodes[first].spec;
        let mut waiting = Vec::new();
        for (_, task) in self.manager.cluster().tasks() {
            let waits = task.state == TaskState::Pending && task.node.is_none();
            if waits && task.error().is_some_and(|why| why.starts_with("no suitable node")) {
                let constraints = sched::constraint::parse(&task.spec.task.placement.constraints);
                if constraints.is_ok_and(|it| sched::constraint::all_match(&it, like)) {
                    let wants = &task.spec.task.reservations;
                    waiting.push(((wants.nano_cpus, wants.memory), task.created));
                }
            }
        }
        waiting
    }

    pub(super) fn pass_scaling(&mut self, now: Time) {
        for step in std::mem::take(&mut self.scalers.steps) {
            let (autoscaler::Step::Ordered(node)
            | autoscaler::Step::Join(node)
            | autoscaler::Step::Drain(node)
            | autoscaler::Step::Remove(node)) = step;
            let name = &self.scenario.nodes[node].spec.id;
            match step {
                autoscaler::Step::Ordered(_) => self.observer.mark(now, "autoscaler", format!("{name} ordered")),
                autoscaler::Step::Join(_) => {
                    // Another machine than the one that had the name before: it has no images.
                    self.images.power_off(&mut self.queue, node, false);
                    self.joins.begin(&mut self.queue, node);
                }
                autoscaler::Step::Drain(_) => {
                    self.observer.mark(now, "autoscaler", format!("{name} drained"));
                    self.set_availability(now, &[node], Availability::Drain);
                }
                autoscaler::Step::Remove(_) => {
                    self.observer.mark(now, "autoscaler", format!("{name} removed"));
                    let answer = self.remove_node(now, node);
                    self.note_refusal(now, answer);
                }
            }
        }
        self.pass_joins(now);
    }

    pub(super) fn not_found(&self, node: usize) -> String {
        format!("node {} not found", self.scenario.nodes[node].spec.id)
    }
}
