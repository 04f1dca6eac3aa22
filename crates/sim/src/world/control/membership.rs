//! Who joins and who goes: what joins, removals and autoscalers of nodes mean to the manager and the models.

use std::sync::Arc;

use sched::spec::{Availability, NodeState};
use sched::{NodeId, Row, TaskState, Time};

use super::{Control, Cx};
use crate::fact::Fact;
use crate::model::autoscaler::ScalerPlan;
use crate::model::autoscaler::{self, Machine};
use crate::model::join;
use crate::order::Refusal;

impl Control {
    pub(super) fn follow_membership(&mut self, cx: &mut Cx, fact: &Fact) {
        let scenario = Arc::clone(&self.scenario);
        let name = |node: usize| scenario.nodes[node].spec.id.as_str();
        match *fact {
            Fact::JoinRefused(node, why) => cx.note("refused", format!("{}: {why}", name(node))),
            Fact::NodeCreated(node) => {
                let mut spec = (*scenario.nodes[node].spec).clone();
                (spec.state, spec.role) = (NodeState::Unknown, self.joins.role(node));
                cx.note("join", name(node));
                let answer = self.manager.join_node(cx.now(), NodeId::from_index(node), spec, &mut self.commands);
                self.note_answer(cx, answer);
                self.heartbeats.registered(cx, node);
                self.be_member(cx, node, true);
            }
            Fact::ManagerJoined(node) => self.managers.promote(cx, node, name(node), true),
            Fact::NodeCertified(node) => self.register(cx, node),
            Fact::MachineOrdered(node) => cx.note("autoscaler", format!("{} ordered", name(node))),
            _ => {}
        }
    }

    /// Somebody goes on on his way into the swarm.
    pub(in crate::world) fn join(&mut self, cx: &mut Cx, event: join::Event) {
        let (lead, sessions) = (self.managers.lead(), &self.sessions);
        self.joins.handle(cx, event, lead, |node| sessions.reaches(node));
    }

    /// A node is in the cluster from now on, or is not.
    pub(super) fn be_member(&mut self, cx: &mut Cx, node: usize, there: bool) {
        cx.tell(Fact::NodeMember(node, there));
        self.sessions.member(node, there);
    }

    /// `docker node rm`. A manager must be demoted before, and without `--force` the node must be down (SwarmKit
    /// `manager/controlapi/node.go`, `RemoveNode`).
    pub(in crate::world) fn remove_node(&mut self, cx: &mut Cx, node: usize, force: bool) -> Result<(), Refusal> {
        let name = self.node_name(node);
        if self.managers.is_member(node) {
            return Err(Refusal::new(format!(
                "node {name} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before \
                 removal"
            )));
        }
        let id = NodeId::from_index(node);
        if !force && self.manager.cluster().nodes()[id].spec.state == NodeState::Ready {
            return Err(Refusal::new(format!("node {name} is not down and can't be removed")));
        }
        self.manager.remove_node(cx.now(), id, &mut self.commands)?;
        self.joins.removed(node);
        cx.tell(Fact::NodeRemoved(node));
        self.be_member(cx, node, false);
        cx.tell(Fact::NodeEligible(node, false));
        Ok(())
    }

    /// An autoscaler of nodes looks. It asks the manager; without a leader it looks again later.
    pub(in crate::world) fn look(&mut self, cx: &mut Cx, plan: usize) {
        let scaler = &self.scenario.scalers[plan];
        if !self.managers.lead() {
            return cx.after(scaler.every, autoscaler::Event::Look(plan as u32));
        }
        let there = (0..self.scenario.nodes.len()).filter(|it| self.joins.is_there(*it));
        let machines: Vec<Machine> = there.map(|node| self.machine(node)).collect();
        let waiting = self.waiting(scaler);
        self.scalers.look(cx, plan, &machines, &waiting);
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
            if task.found_no_node() {
                let constraints = sched::constraint::parse(&task.spec.task.placement.constraints);
                if constraints.is_ok_and(|it| sched::constraint::all_match(&it, like)) {
                    let wants = &task.spec.task.reservations;
                    waiting.push(((wants.nano_cpus, wants.memory), task.created));
                }
            }
        }
        waiting
    }
}
