//! The cluster as a failover policy sees it.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{Cluster, Service, UpdateState};
use crate::id::{NodeId, Row, ServiceId, Slot, TaskId};
use crate::scheduler::{Room, Scheduler};
use crate::spec::{Availability, NodeState};
use crate::task::{DesiredState, Task};
use crate::time::{Span, Time};
use crate::work::{self, Work};

/// An agent reports what its containers came to right after it registered; later ends have other causes.
const FIRST_REPORTS: Span = Span::from_secs(10);

/// What a policy may look at: what the manager knows, and what the scheduler counts.
///
/// The scheduler's numbers are those after the last change that it has seen, which is the one that the policy is told.
pub struct View<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) scheduler: &'a Scheduler,
    pub(super) down_since: &'a [Option<Time>],
    pub(super) registered: &'a BTreeMap<NodeId, Time>,
    pub(super) late: &'a BTreeSet<NodeId>,
    pub(super) by_service: &'a BTreeMap<ServiceId, usize>,
    pub(super) policy: usize,
}

impl<'a> View<'a> {
    /// The time.
    pub fn now(&self) -> Time {
        self.cluster.now()
    }

    /// All nodes, services and tasks.
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// Whether a service is one of the policy's.
    pub fn is_mine(&self, service: ServiceId) -> bool {
        self.by_service.get(&service).copied().unwrap_or(0) == self.policy
    }

    /// The policy's services that are there, in order of creation.
    pub fn services(&self) -> impl Iterator<Item = ServiceId> + '_ {
        self.cluster.services().ids().filter(|id| self.cluster.service(*id).is_some() && self.is_mine(*id))
    }

    /// Tasks of the policy's services on a node that are still wanted, oldest first.
    pub fn tasks_on(&self, node: NodeId) -> impl Iterator<Item = TaskId> + '_ {
        self.wanted(self.cluster.tasks_on(node))
    }

    /// Tasks of a service that are still wanted, spares left out, slot by slot.
    pub fn tasks_of(&self, service: ServiceId) -> impl Iterator<Item = TaskId> + '_ {
        let tasks = self.cluster.services().get(service).into_iter().flat_map(Service::tasks);
        self.wanted(tasks).filter(|id| self.task(*id).is_some_and(|task| !matches!(task.slot, Slot::Spare(_))))
    }

    /// Tasks of a slot that are still wanted, oldest first.
    pub fn tasks_in(&self, service: ServiceId, slot: Slot) -> impl Iterator<Item = TaskId> + '_ {
        let slots = self.cluster.services().get(service).map(|service| &service.slots);
        self.wanted(slots.into_iter().flat_map(move |slots| slots.tasks_in(slot))).inspect(|_| work::count(Work::Slot))
    }

    /// Spares of a service that are still wanted, in order of their numbers.
    pub fn spares_of(&self, service: ServiceId) -> impl Iterator<Item = TaskId> + '_ {
        let spares = self.cluster.services().get(service).into_iter().flat_map(|service| service.slots.spares());
        self.wanted(spares)
    }

    fn wanted<'s>(&'s self, tasks: impl Iterator<Item = TaskId> + 's) -> impl Iterator<Item = TaskId> + 's {
        tasks.filter(|id| {
            self.task(*id).is_some_and(|task| task.desired <= DesiredState::Running && self.is_mine(task.service))
        })
    }

    fn task(&self, id: TaskId) -> Option<&Task> {
        self.cluster.task(id)
    }

    /// Whether a node is down, and not removed.
    pub fn is_down(&self, node: NodeId) -> bool {
        self.cluster.node(node).is_some_and(|node| node.spec.state == NodeState::Down)
    }

    /// Whether a node's heartbeat was overdue when the last node went down: it is not down so far, and may not be heard of
    /// again. Told to policies with an interest in it only.
    pub fn is_late(&self, node: NodeId) -> bool {
        self.late.contains(&node)
    }

    /// Since when a node has been down, if it is.
    pub fn down_since(&self, node: NodeId) -> Option<Time> {
        self.down_since.get(node.index()).copied().flatten()
    }

    /// Whether a node can keep tasks: it is there, neither down nor drained.
    pub fn can_keep(&self, node: NodeId) -> bool {
        self.cluster.node(node).is_some() && !self.cluster.is_invalid(node)
    }

    /// Whether a node can be given tasks: it is ready and active.
    pub fn can_take(&self, node: NodeId) -> bool {
        let spec = self.cluster.node(node).map(|node| &node.spec);
        spec.is_some_and(|spec| spec.state == NodeState::Ready && spec.availability == Availability::Active)
    }

    /// When the agent of a node registered last. Nothing before the first time that it registers again.
    pub fn registered(&self, node: NodeId) -> Option<Time> {
        self.registered.get(&node).copied()
    }

    /// Whether a task ended because its machine or its engine stopped for a while, as far as the manager can tell: it is
    /// older than the last registration of its node, and its end was reported within ten seconds of that.
    pub fn ended_with_node(&self, task: TaskId) -> bool {
        let Some(task) = self.task(task).filter(|task| task.state.is_terminal()) else { return false };
        let back = task.node.and_then(|node| self.registered(node));
        back.is_some_and(|back| task.created < back && task.since <= back + FIRST_REPORTS)
    }

    /// Whether a task is of its service's present specification, or of one with equal tasks.
    pub fn is_current(&self, task: &Task) -> bool {
        self.cluster.service(task.service).is_some_and(|service| service.alike().contains(&task.version))
    }

    /// The value of a label of a node, by a preference's descriptor (`node.labels.rack`); empty if it has none.
    pub fn value(&self, descriptor: &str, node: NodeId) -> &'a str {
        crate::scheduler::label_value(descriptor, &self.cluster.nodes()[node].spec)
    }

    /// Services with tasks for which the last pass found no node, and how many; of anybody, in order of creation.
    pub fn waiting(&self) -> Vec<(ServiceId, u32)> {
        self.scheduler.waiting()
    }

    /// Whether one more task of a service would fit on a node if a task there went.
    pub fn fits_without(&self, service: ServiceId, node: NodeId, gone: TaskId) -> bool {
        self.scheduler.fits_without(self.cluster, service, node, gone)
    }

    /// Whether a rolling update or a rollback of a service is under way.
    pub fn is_updating(&self, service: ServiceId) -> bool {
        let status = self.cluster.service(service).and_then(|service| service.update_status.as_ref());
        status.is_some_and(|status| matches!(status.state, UpdateState::Updating | UpdateState::RollbackStarted))
    }

    /// What a node has left. Less than nothing if it shrank.
    pub fn free(&self, node: NodeId) -> Room<'_> {
        self.scheduler.free(node)
    }

    /// Active tasks on a node: those that were not told to stop.
    pub fn active(&self, node: NodeId) -> u32 {
        self.scheduler.active(node)
    }

    /// Those of them that belong to a service, spares included.
    pub fn active_of(&self, service: ServiceId, node: NodeId) -> u32 {
        self.scheduler.active_of(service, node)
    }

    /// Whether one more task of a service fits on a node now.
    pub fn fits(&self, service: ServiceId, node: NodeId) -> bool {
        self.scheduler.fits(self.cluster, service, node)
    }

    /// All nodes on which one more task of a service fits now, in Swarm's order: those where it did not fail five times of
    /// late, with fewest of its tasks, with fewest tasks; equals by seed, or as they joined. Looks at every node.
    pub fn candidates(&self, service: ServiceId) -> Vec<NodeId> {
        self.scheduler.all_candidates(self.cluster, service)
    }
}
