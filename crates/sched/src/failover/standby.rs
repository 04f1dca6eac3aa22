//! Spares that are prepared before anything is lost.

use std::collections::{BTreeMap, BTreeSet};

use super::domains::Domains;
use super::parameters::{Amount, Kind, Parameter, Value};
use super::{
    Action, Actions, Cause, Decision, Failover, Interests, Loss, News, NodeChange, Order, PolicyEntry, PolicyKind,
    View, state,
};
use crate::id::{NodeId, Row, ServiceId, Slot, TaskId};
use crate::spec::{Mode, ServiceSpec};
use crate::task::{DesiredState, Task, TaskState};
use crate::time::Span;

pub(super) const ENTRY: PolicyEntry = PolicyEntry {
    name: "standby",
    summary: "for each service `spares` tasks are placed, pulled and created elsewhere, in another `domain` than the tasks \
              that they cover; at the detection one starts, without restart delay; on a drain it starts before the old stops",
    promise: "an outage of detection and start while spares last, for the reservations of the spares all the time",
    parameters: &[
        Parameter {
            name: "spares",
            kind: Kind::Amount,
            default: Value::Count(1),
            meaning: "spares of each replicated service, a number or a share of its replicas, rounded up; 0 is `reschedule`",
        },
        Parameter {
            name: "domain",
            kind: Kind::Label,
            default: Value::Text(std::borrow::Cow::Borrowed("")),
            meaning: "label whose values are domains that fail together; without one a spare is on another node",
        },
    ],
    kind: PolicyKind::Partial,
    build: |settings, _| Ok(Box::new(Standby::new(settings.amount("spares"), settings.text("domain")))),
};

/// From a change until spares are looked at: the scheduler has placed the tasks by then.
const SOON: Span = Span::from_millis(200);
/// Between looks while something is missing: at first, and, as nothing changes, at last.
const AGAIN: Span = Span::from_secs(5);
const SELDOM: Span = Span::from_secs(24 * 3600);
/// A spare that its node does not take for so long is given up.
const PATIENCE: Span = Span::from_secs(2);
/// The timer of the next look.
const LOOK: u64 = 0;

/// Spares of every replicated service.
///
/// A spare goes to the domain that has fewest tasks and spares of its service, and only where it covers a task of another
/// domain. It is prepared when all tasks of its service have nodes, and not while any task of the cluster waits for room;
/// where a spare holds the room that a waiting task needs, it gives way. A spare of another version than the service's is
/// replaced when no update is under way. Tasks that end by themselves are Swarm's to restart.
#[derive(Clone, Debug)]
pub struct Standby {
    spares: Amount,
    domains: Domains,
    /// Services to look at at the next look.
    due: BTreeSet<ServiceId>,
    /// Services that lack spares.
    short: BTreeSet<ServiceId>,
    /// The time to the next look, if nothing is news until then.
    pause: Span,
}

impl Standby {
    /// So many spares for each service, in other values of the label `domain`, or (if that is empty) on other nodes.
    pub fn new(spares: Amount, domain: String) -> Standby {
        Standby {
            spares,
            domains: Domains::or_each(domain),
            due: BTreeSet::new(),
            short: BTreeSet::new(),
            pause: AGAIN,
        }
    }

    fn look_at(&mut self, service: ServiceId, actions: &mut Actions, view: &View<'_>) {
        if self.due.is_empty() {
            actions.push(Action::Wake { at: view.now() + SOON, token: LOOK });
        }
        self.pause = AGAIN;
        self.due.insert(service);
    }

    fn wanted(&self, spec: &ServiceSpec) -> usize {
        match spec.mode {
            Mode::Replicated { replicas } => usize::try_from(self.spares.of(replicas)).unwrap_or(usize::MAX),
            _ => 0,
        }
    }

    /// The spare that is furthest, in another domain than a node if there is one.
    fn best(&mut self, view: &View<'_>, service: ServiceId, lost: Option<NodeId>) -> Option<TaskId> {
        self.domains.refresh(view);
        let spares = view.spares_of(service).filter_map(|id| Some((id, view.cluster().task(id)?)));
        let usable = spares.filter(|(_, task)| {
            let kept = task.node.is_some_and(|node| view.can_keep(node));
            kept && task.state <= TaskState::Running && view.is_current(task)
        });
        let key = |task: &Task| {
            let is_apart = |lost| task.node.is_some_and(|node| self.domains.of(node) != self.domains.of(lost));
            (lost.is_none_or(is_apart), task.state.min(TaskState::Ready))
        };
        // Of equals the first: a later one must be strictly better.
        usable.reduce(|best, other| if key(best.1) < key(other.1) { other } else { best }).map(|(id, _)| id)
    }

    fn look(&mut self, view: &View<'_>, actions: &mut Actions) {
        self.domains.refresh(view);
        let waiting = view.waiting();
        let mut due = std::mem::take(&mut self.due);
        due.append(&mut self.short);
        let mut again = self.give_way(view, &waiting, actions);
        // Nodes that got a spare in this look: what they hold is counted later.
        let mut taken = BTreeSet::new();
        for service in due {
            let Some(record) = view.cluster().service(service).filter(|_| view.is_mine(service)) else { continue };
            if view.is_updating(service) {
                // Its end is told.
                continue;
            }
            let wanted = self.wanted(&record.spec);
            let mut kept = Vec::new();
            for id in view.spares_of(service) {
                let task = view.cluster().task(id).expect("a view lists records that exist");
                let refused = task.state < TaskState::Assigned && task.created + PATIENCE < view.now();
                if kept.len() < wanted && view.is_current(task) && !refused && !actions.contains(&Action::Stop(id)) {
                    kept.push(task);
                } else if !actions.contains(&Action::Stop(id)) {
                    actions.push(Action::Stop(id));
                }
            }
            let mut missing = wanted - kept.len();
            if missing > 0 && waiting.is_empty() {
                missing -= self.add(view, service, &kept, missing, &mut taken, actions);
                // Whether their nodes took them is seen at the next look.
                again = true;
            }
            if missing > 0 || kept.len() < wanted {
                self.short.insert(service);
            }
        }
        if again || !self.short.is_empty() {
            actions.push(Action::Wake { at: view.now() + self.pause, token: LOOK });
            self.pause = (self.pause + self.pause).min(SELDOM);
        }
    }

    /// Adds spares of a service as far as there is room; says how many.
    fn add(
        &self,
        view: &View<'_>,
        service: ServiceId,
        kept: &[&Task],
        missing: usize,
        taken: &mut BTreeSet<NodeId>,
        actions: &mut Actions,
    ) -> usize {
        let cluster = view.cluster();
        let nodes = cluster.nodes();
        // Tasks and spares by domain, tasks by domain, and both by node.
        let (mut held, mut tasks, mut on) =
            (vec![0u32; self.domains.count()], vec![0u32; self.domains.count()], BTreeMap::new());
        let mut total = 0;
        for id in view.tasks_of(service) {
            let task = cluster.task(id).expect("a view lists records that exist");
            // Not before all tasks of the service have nodes.
            let Some(node) = task.node.filter(|_| task.state >= TaskState::Assigned) else { return 0 };
            held[self.domains.of(node)] += 1;
            tasks[self.domains.of(node)] += 1;
            *on.entry(node).or_insert(0u32) += 1;
            total += 1;
        }
        for node in kept.iter().filter_map(|task| task.node) {
            held[self.domains.of(node)] += 1;
            *on.entry(node).or_insert(0) += 1;
        }
        let mut added = 0;
        while added < missing {
            let covers = |node: NodeId| tasks[self.domains.of(node)] < total;
            let free = nodes.ids().filter(|node| view.can_take(*node) && covers(*node) && !taken.contains(node));
            let key = |node: NodeId| {
                (held[self.domains.of(node)], on.get(&node).copied().unwrap_or(0), view.active(node), node)
            };
            let mut order: Vec<_> = free.map(key).collect();
            order.sort_unstable();
            let Some(node) = order.into_iter().map(|key| key.3).find(|node| view.fits(service, *node)) else { break };
            actions.push(Action::AddSpare { service, node: Some(node) });
            taken.insert(node);
            held[self.domains.of(node)] += 1;
            *on.entry(node).or_insert(0) += 1;
            added += 1;
        }
        added
    }

    /// Spares that hold the room that waiting tasks need go. Says whether any does.
    fn give_way(&mut self, view: &View<'_>, waiting: &[(ServiceId, u32)], actions: &mut Actions) -> bool {
        if waiting.is_empty() {
            return false;
        }
        let services: Vec<ServiceId> = view.services().collect();
        let mut spares: Vec<(ServiceId, TaskId, NodeId)> = Vec::new();
        for service in services {
            let placed = view.spares_of(service).filter_map(|id| Some((service, id, view.cluster().task(id)?.node?)));
            spares.extend(placed);
        }
        let mut any = false;
        for (service, count) in waiting {
            for _ in 0..*count {
                let helps = |(_, id, node): &(ServiceId, TaskId, NodeId)| view.fits_without(*service, *node, *id);
                let Some(place) = spares.iter().position(helps) else { break };
                let (owner, id, _) = spares.remove(place);
                actions.push(Action::Stop(id));
                self.short.insert(owner);
                any = true;
            }
        }
        any
    }
}

impl Failover for Standby {
    fn interests(&self) -> Interests {
        let any = !self.spares.is_nothing();
        Interests { nodes: any, tasks: any, services: any, ..Interests::default() }
    }

    fn accepts(&self, spec: &ServiceSpec) -> Result<(), String> {
        let is_global = matches!(spec.mode, Mode::Global);
        if is_global { Err("a global service has no spares: it has one task on every node".into()) } else { Ok(()) }
    }

    fn decide(&mut self, view: &View<'_>, loss: &Loss, actions: &mut Actions) -> Decision {
        let order = match loss.cause {
            Cause::NodeDown | Cause::NodeRemoved => Order::StopFirst,
            Cause::NodeDrained => Order::StartFirst,
            Cause::Ended => return Decision::Swarm,
        };
        if self.spares.is_nothing() {
            return Decision::Swarm;
        }
        match self.best(view, loss.service, loss.node) {
            Some(spare) => {
                self.look_at(loss.service, actions, view);
                Decision::Promote(spare, order)
            }
            None => Decision::Swarm,
        }
    }

    fn observe(&mut self, view: &View<'_>, news: &News, actions: &mut Actions) {
        match *news {
            News::Service { service, .. } => self.look_at(service, actions, view),
            News::Task { task, service, state, desired } => {
                let is_spare = view.cluster().task(task).is_some_and(|task| matches!(task.slot, Slot::Spare(_)));
                if is_spare && (state > TaskState::Running || desired > DesiredState::Ready) {
                    self.look_at(service, actions, view);
                }
            }
            News::Node { change: NodeChange::Joined | NodeChange::Removed | NodeChange::Described, .. } => {
                self.domains.forget();
            }
            // There may be room now.
            News::Node { change: NodeChange::Returned | NodeChange::Activated, .. } if !self.short.is_empty() => {
                self.pause = AGAIN;
                actions.push(Action::Wake { at: view.now() + SOON, token: LOOK });
            }
            News::Timer(LOOK) => self.look(view, actions),
            News::LeaderChanged => view.services().for_each(|service| self.look_at(service, actions, view)),
            _ => {}
        }
    }

    fn save(&self) -> String {
        let list = |services: &BTreeSet<ServiceId>| state::join(services.iter().map(|service| service.index()));
        format!("{};{};{}", list(&self.due), list(&self.short), self.pause.as_nanos())
    }

    fn load(&mut self, text: &str) -> Result<(), String> {
        let lists: Vec<&str> = text.split(';').collect();
        let [due, short, pause] = lists[..] else { return Err("not two lists of services and a time".into()) };
        let services = |text| -> Result<BTreeSet<ServiceId>, String> {
            Ok(state::numbers::<u32>(text)?.into_iter().map(|row| ServiceId::from_index(row as usize)).collect())
        };
        (self.due, self.short) = (services(due)?, services(short)?);
        self.pause = Span::from_nanos(pause.parse().map_err(|_| format!("{pause:?} is no time"))?);
        Ok(())
    }
}
