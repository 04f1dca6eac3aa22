//! Who joins and who goes: what joins, removals and autoscalers of nodes mean to the manager and the models.

use std::collections::BTreeMap;
use std::sync::Arc;

use sched::spec::{Availability, NodeState, Role};
use sched::{NodeId, Row, TaskState, Time};

use super::{Control, Cx};
use crate::fact::Fact;
use crate::model::autoscaler::ScalerPlan;
use crate::model::autoscaler::{self, Machine};
use crate::model::join;
use crate::refusal::Refusal;
use crate::world::Event;

/// Which of the manager's records of nodes is that of which machine. A machine that left the swarm and joins again has a new
/// one, as it gets a new id and a new certificate; the old one is a ghost until somebody removes it (moby/moby#24088).
#[derive(Clone, Debug)]
pub(super) struct Members {
    /// The record of each machine.
    ids: Vec<NodeId>,
    /// The machine of each record.
    rows: Vec<usize>,
    /// Ghosts, and when the manager gives each up, if it did not before.
    ghosts: BTreeMap<NodeId, Time>,
}

impl Members {
    /// Records come in the order of the machines.
    pub(super) fn new(nodes: usize) -> Members {
        Members {
            ids: (0..nodes).map(NodeId::from_index).collect(),
            rows: (0..nodes).collect(),
            ghosts: BTreeMap::new(),
        }
    }

    /// The record of a machine.
    #[inline]
    pub(super) fn id(&self, row: usize) -> NodeId {
        self.ids[row]
    }

    /// The machine that has, or had, a record.
    #[inline]
    pub(super) fn row(&self, id: NodeId) -> usize {
        self.rows[id.index()]
    }

    /// The machine of a record, unless that is a ghost.
    #[inline]
    pub(super) fn machine(&self, id: NodeId) -> Option<usize> {
        let row = self.row(id);
        (self.ids[row] == id).then_some(row)
    }

    fn ghosts_of(&self, row: usize) -> Vec<NodeId> {
        self.ghosts.keys().copied().filter(|id| self.row(*id) == row).collect()
    }
}

// Ghosts.
impl Control {
    /// The record of a machine that left becomes a ghost, and the machine may join.
    pub(in crate::world) fn leave_ghost(&mut self, cx: &mut Cx, node: usize) {
        let ghost = self.members.id(node);
        let due = self.heartbeats.expires(node).max(cx.now());
        let fresh = self.manager.expect_node(cx.now(), Arc::clone(&self.scenario.nodes[node].spec), &mut self.commands);
        assert_eq!(fresh.index(), self.members.rows.len(), "records come in rows");
        self.members.rows.push(node);
        self.members.ids[node] = fresh;
        self.members.ghosts.insert(ghost, due);
        cx.at(due, Event::Ghost(ghost.index() as u32));
        self.managers.leave_ghost(node);
        self.joins.removed(node);
        cx.tell(Fact::NodeRemoved(node));
        self.be_member(cx, node, false);
        cx.tell(Fact::NodeEligible(node, false));
        cx.tell(Fact::Ghost(node, true));
    }

    /// `docker node demote` of all ids that a machine had before.
    pub(in crate::world) fn demote_ghosts(&mut self, cx: &mut Cx, node: usize) -> Result<(), Refusal> {
        let ghosts = self.members.ghosts_of(node);
        if ghosts.is_empty() {
            return Err(self.not_found(node));
        }
        if self.managers.has_ghosts(node) {
            self.managers.demote_ghosts(cx, node).map_err(Refusal::new)?;
        }
        for id in ghosts {
            self.manager.set_role(cx.now(), id, Role::Worker, &mut self.commands)?;
        }
        Ok(())
    }

    /// The heartbeats of a ghost fail to come for too long. Without a leader nobody notices.
    pub(in crate::world) fn give_up_ghost(&mut self, cx: &mut Cx, ghost: u32) {
        let id = NodeId::from_index(ghost as usize);
        let is_due = self.members.ghosts.get(&id).is_some_and(|due| *due <= cx.now());
        let is_down = self.manager.cluster().nodes()[id].spec.state == NodeState::Down;
        if is_due && !is_down && self.managers.lead() {
            let row = self.members.row(id);
            cx.tell(Fact::NodeDetected(row));
            cx.note("detected", self.node_name(row));
            let answer = self.manager.handle(cx.now(), sched::Event::NodeDown(id), &mut self.commands);
            self.note_answer(cx, answer);
        }
    }

    /// A leader that can decide again gives up those who are due by now; a new one waits for all anew.
    pub(super) fn await_ghosts(&mut self, cx: &mut Cx, anew: bool) {
        let patience = self.heartbeats.patience();
        for (id, due) in &mut self.members.ghosts {
            if anew {
                *due = cx.now() + patience;
            }
            cx.at((*due).max(cx.now()), Event::Ghost(id.index() as u32));
        }
    }

    /// `docker node rm` of all ids that a machine had before.
    pub(in crate::world) fn remove_ghosts(&mut self, cx: &mut Cx, node: usize, force: bool) -> Result<(), Refusal> {
        let ghosts = self.members.ghosts_of(node);
        if ghosts.is_empty() {
            return Err(self.not_found(node));
        }
        if self.managers.has_ghosts(node) {
            return Err(self.is_manager(ghosts[0]));
        }
        for id in ghosts {
            self.check_removal(id, force)?;
            self.manager.remove_node(cx.now(), id, &mut self.commands)?;
            self.members.ghosts.remove(&id);
            cx.tell(Fact::Ghost(node, false));
        }
        Ok(())
    }

    /// The ids of ghosts, with their machines.
    pub(in crate::world) fn ghosts(&self) -> impl Iterator<Item = (NodeId, usize)> + '_ {
        self.members.ghosts.keys().map(|id| (*id, self.members.row(*id)))
    }

    /// A manager stays a member until it is demoted.
    fn is_manager(&self, id: NodeId) -> Refusal {
        Refusal::member_of_raft(&self.manager.cluster().nodes()[id].spec.id)
    }

    fn check_removal(&self, id: NodeId, force: bool) -> Result<(), Refusal> {
        let spec = &self.manager.cluster().nodes()[id].spec;
        if !force && spec.state == NodeState::Ready {
            return Err(Refusal::not_down(&spec.id));
        }
        Ok(())
    }
}

impl Control {
    pub(super) fn follow_membership(&mut self, cx: &mut Cx, fact: &Fact) {
        let scenario = Arc::clone(&self.scenario);
        let name = |node: usize| scenario.nodes[node].spec.id.as_str();
        match *fact {
            Fact::JoinRefused(node, why) => cx.note("refused", format!("{}: {why}", name(node))),
            Fact::NodeCreated(node) => {
                let mut spec = (*scenario.nodes[node].spec).clone();
                (spec.state, spec.role) = (NodeState::Unknown, self.joins.role(node));
                if let Some(hostname) = self.hostnames.get(&node) {
                    spec.id = hostname.to_string();
                    spec.description.get_or_insert_default().hostname.clone_from(&spec.id);
                }
                cx.note("join", name(node));
                let answer = self.manager.join_node(cx.now(), self.members.id(node), spec, &mut self.commands);
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
    pub(in crate::world) fn join(&mut self, cx: &mut Cx, event: join::JoinEvent) {
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
        let id = self.members.id(node);
        if self.managers.is_member(node) {
            return Err(self.is_manager(id));
        }
        self.check_removal(id, force)?;
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
            return cx.after(scaler.every, autoscaler::ScalerEvent::Look(plan as u32));
        }
        let there = (0..self.scenario.nodes.len()).filter(|node| self.joins.is_there(*node));
        let machines: Vec<Machine> = there.map(|node| self.machine(node)).collect();
        let waiting = self.waiting(scaler);
        self.scalers.look(cx, plan, &machines, &waiting);
    }

    fn machine(&self, node: usize) -> Machine {
        let cluster = self.manager.cluster();
        let id = self.members.id(node);
        let spec = &cluster.nodes()[id].spec;
        let capacity = spec
            .description
            .as_ref()
            .map_or((0, 0), |description| (description.resources.nano_cpus, description.resources.memory));
        let mut free = capacity;
        let mut movable = Vec::new();
        let mut lives = false;
        for task in cluster.tasks_on(id).filter_map(|task| cluster.task(task)) {
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
                if constraints.is_ok_and(|constraints| sched::constraint::all_match(&constraints, like)) {
                    let wants = &task.spec.task.reservations;
                    waiting.push(((wants.nano_cpus, wants.memory), task.created));
                }
            }
        }
        waiting
    }
}
