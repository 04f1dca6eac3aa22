//! Images where they will be needed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::domains::Domains;
use super::parameters::{Amount, Kind, Parameter, Value};
use super::{
    Action, Actions, Decision, Failover, Interests, Loss, News, NodeChange, PolicyEntry, PolicyKind, ServiceChange,
    View, state,
};
use crate::id::{NodeId, Row, ServiceId};
use crate::time::Span;

pub(super) const ENTRY: PolicyEntry = PolicyEntry {
    name: "prepull",
    summary: "the image of each service is pulled on `nodes` likely targets ahead of need, in turn over the values of `domain`",
    promise: "no pull on the critical path, as long as replacements go to these nodes",
    parameters: &[
        Parameter {
            name: "nodes",
            kind: Kind::Amount,
            default: Value::Count(3),
            meaning: "nodes on which each service's image is ready, a number or a share of all nodes; 0 is `reschedule`",
        },
        Parameter {
            name: "domain",
            kind: Kind::Label,
            default: Value::Text(Cow::Borrowed("")),
            meaning: "label over whose values the nodes are taken in turn; without one they are in Swarm's order only",
        },
    ],
    kind: PolicyKind::Auxiliary,
    build: |settings, _| Ok(Box::new(Prepull::new(settings.amount("nodes"), settings.text("domain")))),
};

/// From a change until targets are chosen: the scheduler has placed the tasks by then.
const SOON: Span = Span::from_millis(200);
/// From a change of nodes, which come in numbers, until targets are chosen anew.
const LATER: Span = Span::from_secs(5);
const LOOK: u64 = 0;

/// Pulls each service's image on the first nodes in Swarm's order of preference on which one more task would fit, and on
/// others when these change. Whatever the placement strategy: for another one than `spread` choose more nodes.
#[derive(Clone, Debug)]
pub struct Prepull {
    nodes: Amount,
    domains: Domains,
    due: BTreeSet<ServiceId>,
    /// Nodes that were told to have the image of a service, for its present image.
    told: BTreeMap<ServiceId, BTreeSet<NodeId>>,
}

impl Prepull {
    /// On so many nodes, in turn over the values of a label (if it is not empty).
    pub fn new(nodes: Amount, domain: String) -> Prepull {
        Prepull { nodes, domains: Domains::or_all(domain), due: BTreeSet::new(), told: BTreeMap::new() }
    }

    fn look(&mut self, view: &View<'_>, actions: &mut Actions) {
        self.domains.refresh(view);
        let there = view.cluster().nodes().iter().filter(|(_, node)| !node.removed).count();
        let wanted = usize::try_from(self.nodes.of(there as u64)).unwrap_or(usize::MAX);
        for service in std::mem::take(&mut self.due) {
            if view.cluster().service(service).is_none() || !view.is_mine(service) {
                self.told.remove(&service);
                continue;
            }
            // Rounds over the domains: the first node of each, the second of each, and so on.
            let mut rounds = vec![0u32; self.domains.count()];
            let mut order: Vec<(u32, usize, NodeId)> = Vec::new();
            for (place, node) in view.candidates(service).into_iter().enumerate() {
                let round = &mut rounds[self.domains.of(node)];
                order.push((if self.domains.count() > 1 { *round } else { 0 }, place, node));
                *round += 1;
            }
            order.sort_unstable();
            let told = self.told.entry(service).or_default();
            for (.., node) in order.into_iter().take(wanted) {
                if told.insert(node) {
                    actions.push(Action::Pull { service, node });
                }
            }
        }
    }

    fn plan(&mut self, view: &View<'_>, services: impl Iterator<Item = ServiceId>, after: Span, actions: &mut Actions) {
        if self.due.is_empty() {
            actions.push(Action::Wake { at: view.now() + after, token: LOOK });
        }
        self.due.extend(services);
    }
}

impl Failover for Prepull {
    fn interests(&self) -> Interests {
        let any = !self.nodes.is_nothing();
        Interests { nodes: any, services: any, ..Interests::default() }
    }

    fn decide(&mut self, _view: &View<'_>, _loss: &Loss, _actions: &mut Actions) -> Decision {
        Decision::Swarm
    }

    fn observe(&mut self, view: &View<'_>, news: &News, actions: &mut Actions) {
        match *news {
            News::Service { service, change: ServiceChange::Created } => {
                self.plan(view, std::iter::once(service), SOON, actions);
            }
            News::Service { service, change: ServiceChange::Declared } => {
                // It may have another image.
                self.told.remove(&service);
                self.plan(view, std::iter::once(service), SOON, actions);
            }
            News::Service { service, change: ServiceChange::Removed } => {
                self.told.remove(&service);
            }
            News::Node { node, change } => {
                match change {
                    NodeChange::Joined | NodeChange::Removed | NodeChange::Described => self.domains.forget(),
                    _ => {}
                }
                if matches!(change, NodeChange::Joined | NodeChange::Removed | NodeChange::Down) {
                    // A pull that was under way there is not any more.
                    self.told.values_mut().for_each(|told| {
                        told.remove(&node);
                    });
                }
                self.plan(view, view.services(), LATER, actions);
            }
            News::Timer(LOOK) => self.look(view, actions),
            _ => {}
        }
    }

    fn save(&self) -> String {
        let told = self.told.iter().map(|(service, nodes)| format!("{} {}", service.index(), state::of_nodes(nodes)));
        let due = state::join(self.due.iter().map(|service| service.index()));
        std::iter::once(due).chain(told).collect::<Vec<_>>().join(";")
    }

    fn load(&mut self, text: &str) -> Result<(), String> {
        let mut lists = text.split(';');
        let service = |row: &u32| ServiceId::from_index(*row as usize);
        self.due = state::numbers(lists.next().unwrap_or_default())?.iter().map(service).collect();
        self.told.clear();
        for list in lists {
            let numbers: Vec<u32> = state::numbers(list)?;
            let Some((first, nodes)) = numbers.split_first() else { return Err("a service without a number".into()) };
            let nodes = nodes.iter().map(|row| NodeId::from_index(*row as usize)).collect();
            self.told.insert(service(first), nodes);
        }
        Ok(())
    }
}
