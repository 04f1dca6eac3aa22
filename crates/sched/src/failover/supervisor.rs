//! The policies at work: who is asked and told, and what their answers do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{
    Action, Actions, Cause, Decision, FAILOVERS, Failover, Interests, Loss, News, NodeChange, Order, Part, Replacement,
    ServiceChange, View,
};
use crate::choice::Choice;
use crate::cluster::{Change, Cluster, Timer, UpdateState};
use crate::event::Command;
use crate::id::{NodeId, Row, ServiceId, Slot, TaskId};
use crate::orchestrator::restart;
use crate::scheduler::Scheduler;
use crate::spec::{Availability, Mode, NodeState, ServiceSpec};
use crate::task::{DesiredState, Task, TaskState};
use crate::time::Time;

/// A replacement on its way, by its own id.
#[derive(Clone, Copy, PartialEq, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
struct Move {
    old: TaskId,
    order: Order,
    policy: usize,
}

/// A node as it was when it was looked at last.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Seen {
    state: NodeState,
    availability: Availability,
    is_there: bool,
}

#[derive(Clone)]
struct Policy {
    name: Arc<str>,
    policy: Box<dyn Failover>,
}

/// Asks policies and carries out their answers.
#[derive(Clone)]
pub(crate) struct Supervisor {
    /// The manager's policy.
    choice: Choice<dyn Failover>,
    /// What services may name beside the list.
    known: Vec<Choice<dyn Failover>>,
    seed: u64,
    /// The manager's policy, and those that services named.
    policies: Vec<Policy>,
    /// Services with another policy than the manager's.
    by_service: BTreeMap<ServiceId, usize>,
    /// What any policy wants to be told.
    interests: Interests,
    /// By row of the node.
    nodes: Vec<Seen>,
    down_since: Vec<Option<Time>>,
    /// When nodes registered last, if any policy may ask.
    registered: BTreeMap<NodeId, Time>,
    /// Nodes whose heartbeats are overdue.
    late: BTreeSet<NodeId>,
    services: BTreeMap<ServiceId, (u64, Option<UpdateState>)>,
    moves: BTreeMap<TaskId, Move>,
    /// Replacements side by side with their old tasks, by the old ones.
    replacements: BTreeMap<TaskId, TaskId>,
    /// By policy and token.
    timers: BTreeMap<(usize, u64), Time>,
    /// Room for the answers of a policy.
    actions: Actions,
}

/// What policies and their supervisor remember, for a snapshot of the manager: the rest is in the cluster's tables.
#[derive(Clone, PartialEq, Default, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct Memory {
    /// Name and saved state of each policy that was ever asked for, the manager's own first.
    policies: Vec<(String, String)>,
    by_service: Vec<(ServiceId, usize)>,
    down_since: Vec<Option<Time>>,
    /// Services as they were told.
    services: Vec<(ServiceId, (u64, Option<UpdateState>))>,
    #[cfg_attr(feature = "snapshot", serde(default))]
    registered: Vec<(NodeId, Time)>,
    #[cfg_attr(feature = "snapshot", serde(default))]
    late: Vec<NodeId>,
    moves: Vec<(TaskId, Move)>,
    timers: Vec<((usize, u64), Time)>,
}

fn build(choice: &Choice<dyn Failover>, seed: u64) -> Result<Box<dyn Failover>, String> {
    match choice.build_own(seed) {
        Some(own) => Ok(own),
        None => super::build(&[Part::named(choice.name())], seed).map_err(|refusal| refusal.why),
    }
}

impl Supervisor {
    /// Fails if the policy is unknown, and lists the known ones.
    pub(crate) fn new(
        choice: &Choice<dyn Failover>,
        known: &[Choice<dyn Failover>],
        seed: u64,
    ) -> Result<Supervisor, String> {
        let mut supervisor = Supervisor {
            choice: choice.clone(),
            known: known.to_vec(),
            seed,
            policies: Vec::new(),
            by_service: BTreeMap::new(),
            interests: Interests::default(),
            nodes: Vec::new(),
            down_since: Vec::new(),
            registered: BTreeMap::new(),
            late: BTreeSet::new(),
            services: BTreeMap::new(),
            moves: BTreeMap::new(),
            replacements: BTreeMap::new(),
            timers: BTreeMap::new(),
            actions: Actions::new(),
        };
        let policy = build(choice, seed)?;
        supervisor.add(choice.name(), policy);
        Ok(supervisor)
    }

    fn add(&mut self, name: &str, policy: Box<dyn Failover>) -> usize {
        self.interests = self.interests.and(policy.interests());
        self.policies.push(Policy { name: name.into(), policy });
        self.policies.len() - 1
    }

    /// The policy that a service names, built if it was never asked for. The error says why there is none.
    fn named(&mut self, name: &str) -> Result<usize, String> {
        if let Some(known) = self.policies.iter().position(|policy| &*policy.name == name) {
            return Ok(known);
        }
        let own = self.known.iter().find(|choice| choice.name() == name).cloned();
        let choice = own.unwrap_or_else(|| name.into());
        let policy = build(&choice, self.seed)
            .map_err(|error| self.known.iter().fold(error, |text, choice| format!("{text}, {}", choice.name())))?;
        Ok(self.add(name, policy))
    }

    /// Whether a service may have the policy that it names.
    pub(crate) fn validate(&mut self, spec: &ServiceSpec) -> Result<(), String> {
        let Some(name) = &spec.failover else { return Ok(()) };
        if spec.mode.is_job() {
            return Err(format!("failover policy {name}: jobs have none"));
        }
        let policy = self.named(name)?;
        self.policies[policy].policy.accepts(spec).map_err(|why| format!("failover policy {name}: {why}"))
    }

    fn policy_of(&self, service: ServiceId) -> usize {
        if self.by_service.is_empty() { 0 } else { self.by_service.get(&service).copied().unwrap_or(0) }
    }

    /// Whether nothing but Swarm's own answers can be expected.
    fn is_idle(&self) -> bool {
        self.interests == Interests::default() && self.moves.is_empty()
    }

    /// Whether a change has to be observed. With Swarm's own policy those of tasks, which are nearly all, need not be.
    #[inline]
    pub(crate) fn has_interest_in(&self, change: Change) -> bool {
        match change {
            Change::NodeCreated(_)
            | Change::NodeUpdated(_)
            | Change::NodeRemoved(_)
            | Change::ServiceCreated(_)
            | Change::ServiceUpdated(_)
            | Change::ServiceRemoved(_) => true,
            Change::TaskCreated(_) | Change::TaskUpdated { .. } | Change::TaskDeleted { .. } => !self.is_idle(),
            _ => false,
        }
    }

    /// Whether a task is a replacement side by side with the task of its slot, so that the slot has one task as far as
    /// reconciling and updates go.
    pub(crate) fn is_beside(&self, cluster: &Cluster, task: TaskId) -> bool {
        !self.replacements.is_empty()
            && self.moves.get(&task).is_some_and(|entry| {
                entry.order.is_beside()
                    && cluster.task(entry.old).is_some_and(|old| old.desired <= DesiredState::Running)
            })
    }

    /// Whether a task has a replacement side by side that is still wanted.
    fn is_replaced(&self, cluster: &Cluster, task: TaskId) -> bool {
        let new = self.replacements.get(&task).and_then(|new| cluster.task(*new));
        new.is_some_and(|new| new.desired <= DesiredState::Running)
    }

    /// An agent registered, whether its node was believed to be down or not.
    pub(crate) fn note_registration(&mut self, node: NodeId, now: Time) {
        if self.may_keep() {
            self.registered.insert(node, now);
            self.late.remove(&node);
        }
    }

    /// Whether any policy looks at late nodes.
    pub(crate) fn wants_late(&self) -> bool {
        self.interests.late
    }

    /// These nodes are late, and no others.
    pub(crate) fn note_late(&mut self, nodes: Vec<NodeId>) {
        self.late = nodes.into_iter().collect();
    }

    /// Whether policies may have kept tasks that are lost.
    pub(crate) fn may_keep(&self) -> bool {
        self.policies.len() > 1 || &*self.policies[0].name != FAILOVERS[0].name
    }
}

// Questions.
impl Supervisor {
    /// A wanted task of a replicated or global service is lost: asks its policy, and does what that says.
    pub(crate) fn lose(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        scheduler: &Scheduler,
        id: TaskId,
    ) {
        let task = cluster.task(id).expect("the caller looked it up");
        let ended = task.state > TaskState::Running;
        if matches!(task.slot, Slot::Spare(_)) {
            cluster.set_desired(id, DesiredState::Remove);
            return;
        }
        if !self.moves.is_empty() {
            if self.replacements.contains_key(&id) {
                // Its replacement is on its way; and if it ended, is all that is left.
                if ended {
                    cluster.set_desired(id, DesiredState::Shutdown);
                }
                return;
            }
            if self.is_beside(cluster, id) {
                cluster.set_desired(id, DesiredState::Shutdown);
                return;
            }
        }
        let policy = self.policy_of(task.service);
        match self.ask(cluster, scheduler, policy, id) {
            Decision::Keep => {}
            decision => self.apply_decision(cluster, restarts, policy, id, decision),
        }
        self.carry_out(cluster, restarts, scheduler, policy);
    }

    /// A task of a global service is on a node that cannot keep it. Says whether it has to stop.
    pub(crate) fn lose_global(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        scheduler: &Scheduler,
        id: TaskId,
    ) -> bool {
        if !self.may_keep() {
            return true;
        }
        let Some(task) = cluster.task(id) else { return true };
        let policy = self.policy_of(task.service);
        let is_kept = self.ask(cluster, scheduler, policy, id) == Decision::Keep;
        self.carry_out(cluster, restarts, scheduler, policy);
        !is_kept
    }

    fn ask(&mut self, cluster: &Cluster, scheduler: &Scheduler, policy: usize, id: TaskId) -> Decision {
        let task = cluster.task(id).expect("the caller looked it up");
        let node = task.node.map(|node| (node, cluster.node(node)));
        let cause = match node {
            _ if task.state > TaskState::Running => Cause::Ended,
            Some((_, None)) => Cause::NodeRemoved,
            Some((_, Some(node))) if node.spec.state == NodeState::Down => Cause::NodeDown,
            Some(_) => Cause::NodeDrained,
            None => Cause::Ended,
        };
        let loss = Loss { task: id, service: task.service, node: task.node, cause };
        let (down_since, registered, late, by_service) =
            (&self.down_since, &self.registered, &self.late, &self.by_service);
        let view = View { cluster, scheduler, down_since, registered, late, by_service, policy };
        self.policies[policy].policy.decide(&view, &loss, &mut self.actions)
    }

    fn apply_decision(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        policy: usize,
        id: TaskId,
        decision: Decision,
    ) {
        let how = match decision {
            Decision::Replace(how) => how,
            Decision::Promote(spare, order) if self.promote(cluster, restarts, policy, spare, id, order) => return,
            _ => Replacement::default(),
        };
        self.replace(cluster, restarts, policy, id, how);
    }
}

// Answers.
impl Supervisor {
    /// Does what the policy wants that was asked or told last.
    fn carry_out(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        scheduler: &Scheduler,
        policy: usize,
    ) {
        if self.actions.is_empty() {
            return;
        }
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            self.carry_out_one(cluster, restarts, scheduler, policy, action);
        }
        self.actions = actions;
        cluster.commit();
    }

    fn carry_out_one(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        scheduler: &Scheduler,
        policy: usize,
        action: Action,
    ) {
        let is_mine = |id: ServiceId| cluster.service(id).is_some() && self.policy_of(id) == policy;
        let wanted =
            |id: TaskId| cluster.task(id).filter(|task| task.desired <= DesiredState::Running && is_mine(task.service));
        match action {
            Action::Replace { task, how } => {
                let movable = |slot| !matches!(slot, Slot::Spare(_));
                if wanted(task).is_some_and(|task| movable(task.slot)) && !self.is_moving(task) {
                    self.replace(cluster, restarts, policy, task, how);
                }
            }
            Action::Promote { spare, of, order } => {
                if wanted(of).is_some() && !self.is_moving(of) {
                    self.promote(cluster, restarts, policy, spare, of, order);
                }
            }
            Action::AddSpare { service, node } => {
                let replicated = |id: ServiceId| matches!(cluster.services()[id].spec.mode, Mode::Replicated { .. });
                let there = node.is_none_or(|node| cluster.node(node).is_some());
                if is_mine(service) && replicated(service) && there {
                    let slot = cluster.services()[service].slots.free_spare();
                    cluster.add_task_on(service, slot, DesiredState::Ready, node);
                }
            }
            Action::Stop(task) => {
                if let Some(record) = wanted(task) {
                    if matches!(record.slot, Slot::Spare(_)) {
                        cluster.set_desired(task, DesiredState::Remove);
                    } else if self.is_replaced(cluster, task) || self.is_beside(cluster, task) {
                        cluster.set_desired(task, DesiredState::Shutdown);
                    }
                }
            }
            Action::Reconsider(task) => {
                let is_lost = |task: &Task| {
                    task.state > TaskState::Running || task.node.is_some_and(|node| cluster.is_invalid(node))
                };
                if wanted(task).is_some_and(is_lost) {
                    self.lose(cluster, restarts, scheduler, task);
                }
            }
            Action::Pull { service, node } => {
                if is_mine(service) && cluster.node(node).is_some() {
                    cluster.commands.push(Command::Pull { service, node });
                }
            }
            Action::Wake { at, token } => {
                let at = at.max(cluster.now());
                self.timers.insert((policy, token), at);
                cluster.wake(at, Timer::Failover(policy as u32, token));
            }
        }
    }

    /// Whether a task has a replacement beside it, or is one.
    fn is_moving(&self, task: TaskId) -> bool {
        self.replacements.contains_key(&task) || self.moves.get(&task).is_some_and(|entry| entry.order.is_beside())
    }

    fn replace(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        policy: usize,
        id: TaskId,
        how: Replacement,
    ) {
        let task = cluster.task(id).expect("the caller looked it up");
        // The task of a global service has one node, and returns with it.
        if let Slot::Node(node) = task.slot
            && cluster.is_invalid(node)
        {
            cluster.set_desired(id, DesiredState::Shutdown);
            return;
        }
        let how = if let Slot::Node(_) = task.slot { Replacement { node: None, ..how } } else { how };
        if let Some(new) = restarts.replace(cluster, id, how) {
            self.begin_move(policy, id, new, how.order);
        }
    }

    fn begin_move(&mut self, policy: usize, old: TaskId, new: TaskId, order: Order) {
        if order.is_beside() {
            self.replacements.insert(old, new);
        } else if !self.policies[policy].policy.interests().moves {
            return;
        }
        self.moves.insert(new, Move { old, order, policy });
    }

    /// A spare takes a task's slot. Says whether it could.
    fn promote(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        policy: usize,
        spare: TaskId,
        id: TaskId,
        order: Order,
    ) -> bool {
        let task = cluster.task(id).expect("the caller looked it up");
        let (service, slot) = (task.service, task.slot);
        let fits = cluster.task(spare).is_some_and(|task| {
            let is_whole = task.state <= TaskState::Running && task.desired == DesiredState::Ready;
            let is_current = cluster.services()[service].alike().contains(&task.version);
            let is_kept = task.node.is_some_and(|node| !cluster.is_invalid(node));
            matches!(task.slot, Slot::Spare(_)) && task.service == service && is_whole && is_current && is_kept
        });
        if !fits || !matches!(slot, Slot::Number(_)) || restarts.is_delayed(id) {
            return false;
        }
        if !order.is_beside() {
            cluster.set_desired(id, DesiredState::Shutdown);
        }
        if restarts.should_restart(cluster, id) {
            cluster.promote(spare, slot);
            restarts.recall(cluster, spare);
            cluster.set_desired(spare, DesiredState::Running);
            self.begin_move(policy, id, spare, order);
        } else {
            cluster.set_desired(id, DesiredState::Shutdown);
        }
        true
    }
}

/// Whether a slot has a task that is wanted beside the old and the new one of a move.
fn is_followed(cluster: &Cluster, old: TaskId, new: TaskId) -> bool {
    let Some(task) = cluster.task(old) else { return false };
    let Some(service) = cluster.service(task.service) else { return false };
    let mut others = service.slots.tasks_in(task.slot).filter(|id| *id != old && *id != new);
    others.any(|id| cluster.task(id).is_some_and(|task| task.desired <= DesiredState::Running))
}

// News.
impl Supervisor {
    /// A change in which it [has interest](Supervisor::has_interest_in) is told to whom it concerns.
    pub(crate) fn observe(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        scheduler: &Scheduler,
        change: Change,
    ) {
        match change {
            Change::NodeCreated(node) | Change::NodeUpdated(node) | Change::NodeRemoved(node) => {
                if let Some(change) = self.look_at(cluster, node) {
                    self.tell(cluster, restarts, scheduler, News::Node { node, change });
                }
            }
            Change::ServiceCreated(id) | Change::ServiceUpdated(id) => {
                self.bind(cluster, id);
                if !self.is_idle() {
                    self.service_changed(cluster, restarts, scheduler, id);
                }
            }
            Change::ServiceRemoved(service) => {
                let news = News::Service { service, change: ServiceChange::Removed };
                self.tell(cluster, restarts, scheduler, news);
                self.services.remove(&service);
                self.by_service.remove(&service);
            }
            Change::TaskCreated(id) => {
                if let Some(task) = cluster.task(id) {
                    let (service, state, desired) = (task.service, task.state, task.desired);
                    let news = News::Task { task: id, service, state, desired };
                    self.tell(cluster, restarts, scheduler, news);
                }
            }
            Change::TaskUpdated { task, desired, state } => {
                self.move_on(cluster, restarts, scheduler, task, desired, state);
                if let Some(service) = cluster.task(task).map(|task| task.service) {
                    let news = News::Task { task, service, state, desired };
                    self.tell(cluster, restarts, scheduler, news);
                }
            }
            Change::TaskDeleted { task, .. } => {
                self.move_on(cluster, restarts, scheduler, task, DesiredState::Remove, TaskState::Remove);
            }
            Change::TaskPromoted(_)
            | Change::TasksAssigned
            | Change::TasksExplained(_)
            | Change::Commit
            | Change::Start(..)
            | Change::DelayOver(_) => {}
        }
    }

    /// A timer is due.
    pub(crate) fn wake(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        scheduler: &Scheduler,
        (policy, token): (u32, u64),
    ) {
        let key = (policy as usize, token);
        // A timer that was set again later is still to come.
        if self.timers.get(&key).is_some_and(|at| *at <= cluster.now()) {
            self.timers.remove(&key);
            self.tell_one(cluster, restarts, scheduler, key.0, News::Timer(token));
        }
    }

    /// Another manager leads, and the timers of the old one are gone.
    pub(crate) fn leader_changed(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        scheduler: &Scheduler,
    ) {
        self.set_timers(cluster);
        for policy in 0..self.policies.len() {
            self.tell_one(cluster, restarts, scheduler, policy, News::LeaderChanged);
        }
    }

    fn set_timers(&self, cluster: &mut Cluster) {
        for ((policy, token), at) in &self.timers {
            cluster.wake(*at, Timer::Failover(*policy as u32, *token));
        }
    }

    fn tell(&mut self, cluster: &mut Cluster, restarts: &mut restart::Supervisor, scheduler: &Scheduler, news: News) {
        let wants = |interests: Interests| match news {
            News::Node { .. } => interests.nodes,
            News::Task { .. } => interests.tasks,
            News::Service { .. } => interests.services,
            News::MoveOver { .. } | News::Timer(_) | News::LeaderChanged => true,
        };
        match news {
            _ if !wants(self.interests) => {}
            News::Task { service, .. } | News::Service { service, .. } => {
                let policy = self.policy_of(service);
                if wants(self.policies[policy].policy.interests()) {
                    self.tell_one(cluster, restarts, scheduler, policy, news);
                }
            }
            _ => {
                for policy in 0..self.policies.len() {
                    if wants(self.policies[policy].policy.interests()) {
                        self.tell_one(cluster, restarts, scheduler, policy, news);
                    }
                }
            }
        }
    }

    fn tell_one(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        scheduler: &Scheduler,
        policy: usize,
        news: News,
    ) {
        let (down_since, registered, late, by_service) =
            (&self.down_since, &self.registered, &self.late, &self.by_service);
        let view = View { cluster, scheduler, down_since, registered, late, by_service, policy };
        self.policies[policy].policy.observe(&view, &news, &mut self.actions);
        self.carry_out(cluster, restarts, scheduler, policy);
    }

    /// What happened to a node, if it is another one than it was.
    fn look_at(&mut self, cluster: &Cluster, id: NodeId) -> Option<NodeChange> {
        let node = &cluster.nodes()[id];
        let (state, availability, is_there) = (node.spec.state, node.spec.availability, !node.removed);
        let seen = Seen { state, availability, is_there };
        if self.nodes.len() <= id.index() {
            self.nodes.resize(id.index() + 1, Seen { is_there: false, ..seen });
            self.down_since.resize(id.index() + 1, None);
        }
        let before = std::mem::replace(&mut self.nodes[id.index()], seen);
        let was_down = before.is_there && before.state == NodeState::Down;
        let is_down = is_there && state == NodeState::Down;
        if was_down != is_down {
            self.down_since[id.index()] = is_down.then(|| cluster.now());
        }
        match (before.is_there, is_there) {
            (false, false) => return None,
            (false, true) => return Some(NodeChange::Joined),
            (true, false) => return Some(NodeChange::Removed),
            (true, true) => {}
        }
        if before.state != state {
            return Some(match state {
                NodeState::Unknown | NodeState::Disconnected => NodeChange::Unknown,
                NodeState::Down => NodeChange::Down,
                NodeState::Ready => NodeChange::Returned,
            });
        }
        if before.availability != availability {
            return Some(match availability {
                Availability::Active => NodeChange::Activated,
                Availability::Pause => NodeChange::Paused,
                Availability::Drain => NodeChange::Drained,
            });
        }
        Some(NodeChange::Described)
    }

    /// Finds out which policy a service has now. What another one had begun for it ends.
    fn bind(&mut self, cluster: &mut Cluster, id: ServiceId) {
        let Some(service) = cluster.service(id) else { return };
        if service.spec.failover.is_none() && self.by_service.is_empty() {
            return;
        }
        let spec = service.spec.clone();
        let policy = spec.failover.as_ref().map_or(0, |name| self.named(name).unwrap_or(0));
        let before = self.policy_of(id);
        if policy == before {
            return;
        }
        if policy == 0 {
            self.by_service.remove(&id);
        } else {
            self.by_service.insert(id, policy);
        }
        self.services.remove(&id);
        for spare in cluster.services()[id].slots.spares().collect::<Vec<_>>() {
            cluster.set_desired(spare, DesiredState::Remove);
        }
        self.give_up_moves(cluster, id);
        cluster.commit();
    }

    fn service_changed(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        scheduler: &Scheduler,
        id: ServiceId,
    ) {
        let Some(service) = cluster.service(id) else { return };
        let now = (service.version, service.update_status.as_ref().map(|status| status.state));
        let before = self.services.insert(id, now);
        if before.is_some_and(|before| before.0 != now.0) {
            self.give_up_moves(cluster, id);
            cluster.commit();
        }
        let mut tell = |change| self.tell(cluster, restarts, scheduler, News::Service { service: id, change });
        match before {
            None => tell(ServiceChange::Created),
            Some(before) => {
                if before.0 != now.0 {
                    tell(ServiceChange::Declared);
                }
                if before.1 != now.1 {
                    tell(ServiceChange::Update(now.1));
                }
            }
        }
    }

    /// A rolling update has one task per slot to look at: of two side by side the one stays that serves.
    fn give_up_moves(&mut self, cluster: &mut Cluster, service: ServiceId) {
        for (old, new) in self.replacements.clone() {
            let Some(record) = cluster.task(new).filter(|task| task.service == service) else { continue };
            let loser = if record.state == TaskState::Running { old } else { new };
            if cluster.task(loser).is_some() {
                cluster.set_desired(loser, DesiredState::Shutdown);
            }
        }
    }

    /// The states of tasks that are moved, or of their replacements, rose.
    fn move_on(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        scheduler: &Scheduler,
        task: TaskId,
        desired: DesiredState,
        state: TaskState,
    ) {
        if let Some(new) = self.replacements.get(&task).copied()
            && desired > DesiredState::Running
        {
            // Whoever told the old task to stop: what is left is the replacement, unless the slot itself is gone.
            let slot_is_gone = desired == DesiredState::Remove && cluster.task(task).is_some();
            if slot_is_gone && cluster.task(new).is_some() {
                cluster.set_desired(new, DesiredState::Remove);
                cluster.commit();
            }
            // An update that began before the move knows the old task only, and has put another one into its slot.
            let is_surplus = !slot_is_gone && is_followed(cluster, task, new);
            if is_surplus && cluster.task(new).is_some() {
                cluster.set_desired(new, DesiredState::Shutdown);
                cluster.commit();
            }
            let done = cluster.task(new).is_some_and(|new| new.desired <= DesiredState::Running);
            self.end_move(cluster, restarts, scheduler, new, done);
            return;
        }
        let Some(entry) = self.moves.get(&task).copied() else { return };
        if desired > DesiredState::Running || state > TaskState::Running {
            if entry.order.is_beside() && cluster.task(task).is_some() {
                cluster.set_desired(task, DesiredState::Shutdown);
                cluster.commit();
            }
            self.end_move(cluster, restarts, scheduler, task, false);
        } else if state == TaskState::Running {
            match entry.order {
                Order::StopFirst | Order::Together => self.end_move(cluster, restarts, scheduler, task, true),
                Order::StartFirst => {
                    if cluster.task(entry.old).is_some() {
                        cluster.set_desired(entry.old, DesiredState::Shutdown);
                        cluster.commit();
                    }
                    self.end_move(cluster, restarts, scheduler, task, true);
                }
                Order::Both => {
                    let news = News::MoveOver { old: entry.old, new: task, done: true };
                    self.tell_one(cluster, restarts, scheduler, entry.policy, news);
                }
            }
        }
    }

    fn end_move(
        &mut self,
        cluster: &mut Cluster,
        restarts: &mut restart::Supervisor,
        scheduler: &Scheduler,
        new: TaskId,
        done: bool,
    ) {
        let Some(Move { old, policy, .. }) = self.moves.remove(&new) else { return };
        self.replacements.remove(&old);
        if let Some((service, slot)) = cluster.task(new).map(|task| (task.service, task.slot)) {
            cluster.note_slot(service, slot);
        }
        self.tell_one(cluster, restarts, scheduler, policy, News::MoveOver { old, new, done });
    }
}

// Snapshots.
impl Supervisor {
    pub(crate) fn save(&self) -> Memory {
        let Supervisor {
            choice: _,
            known: _,
            seed: _,
            policies,
            by_service,
            interests: _,
            nodes: _,
            down_since,
            registered,
            late,
            services,
            moves,
            // The moves say so.
            replacements: _,
            timers,
            actions,
        } = self;
        debug_assert!(actions.is_empty(), "an answer was not carried out");
        Memory {
            policies: policies.iter().map(|entry| (entry.name.to_string(), entry.policy.save())).collect(),
            by_service: by_service.iter().map(|(id, policy)| (*id, *policy)).collect(),
            down_since: down_since.clone(),
            services: services.iter().map(|(id, seen)| (*id, *seen)).collect(),
            registered: registered.iter().map(|(node, at)| (*node, *at)).collect(),
            late: late.iter().copied().collect(),
            moves: moves.iter().map(|(id, entry)| (*id, *entry)).collect(),
            timers: timers.iter().map(|(key, at)| (*key, *at)).collect(),
        }
    }

    /// Takes over what another supervisor with the same configuration remembered, beside the tables of its cluster. The
    /// error says what does not fit.
    pub(crate) fn load(&mut self, cluster: &Cluster, memory: &Memory) -> Result<(), String> {
        let first = memory.policies.first().map(|(name, _)| name.as_str());
        if first != Some(&self.policies[0].name) {
            return Err(format!("the failover policy was {}, not {}", first.unwrap_or("none"), self.policies[0].name));
        }
        // Built anew: a policy takes a state over right after it was built.
        let first = build(&self.choice, self.seed)?;
        self.policies.clear();
        self.interests = Interests::default();
        let name = self.choice.name().to_owned();
        self.add(&name, first);
        for (number, (name, state)) in memory.policies.iter().enumerate() {
            if self.named(name)? != number {
                return Err(format!("failover policy {name} is named twice"));
            }
            let load = self.policies[number].policy.load(state);
            load.map_err(|why| format!("state of failover policy {name}: {why}"))?;
        }
        let known = self.policies.len();
        let policies = memory.by_service.iter().map(|(_, policy)| *policy);
        let policies = policies.chain(memory.moves.iter().map(|(_, entry)| entry.policy));
        if policies.chain(memory.timers.iter().map(|((policy, _), _)| *policy)).any(|policy| policy >= known) {
            return Err("a failover policy without a name".into());
        }
        self.by_service = memory.by_service.iter().copied().collect();
        for node in cluster.nodes().ids() {
            self.look_at(cluster, node);
        }
        if memory.down_since.len() < self.down_since.len() {
            return Err(format!("times of {} nodes of {}", memory.down_since.len(), self.down_since.len()));
        }
        self.down_since.clone_from(&memory.down_since);
        self.registered = memory.registered.iter().copied().collect();
        self.late = memory.late.iter().copied().collect();
        self.services = memory.services.iter().copied().collect();
        self.moves = memory.moves.iter().copied().collect();
        let beside = self.moves.iter().filter(|(_, entry)| entry.order.is_beside());
        self.replacements = beside.map(|(new, entry)| (entry.old, *new)).collect();
        self.timers = memory.timers.iter().copied().collect();
        Ok(())
    }
}
