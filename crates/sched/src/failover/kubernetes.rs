//! What Kubernetes does with the pods of a Deployment, as a model of its published behaviour.
//!
//! Sources: `pkg/controller/nodelifecycle/node_lifecycle_controller.go` and `config/v1alpha1/defaults.go` (zones, rates),
//! `plugin/pkg/admission/defaulttolerationseconds/admission.go` (300 s), kubelet `MaxContainerBackOff` and `backOffPeriod`
//! (restarts in place). Detection is the heartbeat law, not this policy.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::backoff::{Backoffs, grown};
use super::domains::Domains;
use super::parameters::{Kind, Parameter, Value};
use super::{
    Action, Actions, Cause, Decision, Failover, Interests, Loss, News, NodeChange, Order, PolicyEntry, PolicyKind,
    Replacement, ServiceChange, View, state,
};
use crate::id::{NodeId, Row, Slot};
use crate::spec::{Availability, Mode};
use crate::task::{DesiredState, TaskState};
use crate::time::{Span, Time};

const fn secs(secs: u64) -> Value {
    Value::Span(Span::from_secs(secs))
}

pub(super) const ENTRY: PolicyEntry = PolicyEntry {
    name: "kubernetes",
    summary: "a model of a Deployment: a node that is lost is tainted at a rate for each zone, and its tasks are replaced \
              together when they tolerated that for 300 s; tasks that end restart in place with a back-off; drains take all at \
              once, as far as a disruption budget allows",
    promise: "what Kubernetes is known to do, with the heartbeat law of its node leases",
    parameters: &[
        Parameter {
            name: "toleration",
            kind: Kind::Span,
            default: secs(300),
            meaning: "from the taint to the eviction (defaulttolerationseconds: 300 s)",
        },
        Parameter {
            name: "look",
            kind: Kind::Span,
            default: secs(5),
            meaning: "from the detection to the taint (node-monitor-period: 5 s)",
        },
        Parameter {
            name: "rate",
            kind: Kind::Rate,
            default: Value::Number(0.1),
            meaning: "nodes tainted in a second and zone, also where a zone is dead as a whole (node-eviction-rate: 0.1)",
        },
        Parameter {
            name: "slow",
            kind: Kind::Rate,
            default: Value::Number(0.01),
            meaning: "the same in a zone of which a large part is not ready (secondary-node-eviction-rate: 0.01)",
        },
        Parameter {
            name: "share",
            kind: Kind::Number(0.0, 1.0),
            default: Value::Number(0.55),
            meaning: "a large part is at least this share, and at least three nodes (unhealthy-zone-threshold: 0.55)",
        },
        Parameter {
            name: "small",
            kind: Kind::Count(0, 1_000_000),
            default: Value::Count(50),
            meaning: "zones of no more nodes than this stand still then (large-cluster-size-threshold: 50)",
        },
        Parameter {
            name: "zone",
            kind: Kind::Label,
            default: Value::Text(Cow::Borrowed("")),
            meaning: "label whose values are the zones; without one all nodes are one zone",
        },
        Parameter {
            name: "budget",
            kind: Kind::Count(0, 1_000_000),
            default: Value::Count(0),
            meaning: "tasks of a service that a drain may make unavailable at a time (maxUnavailable); 0 is no budget",
        },
        Parameter {
            name: "back_off",
            kind: Kind::Span,
            default: secs(10),
            meaning: "before the second restart in place, doubling from there (kubelet: 10 s); the first is at once",
        },
        Parameter {
            name: "back_off_max",
            kind: Kind::Span,
            default: secs(300),
            meaning: "the longest (kubelet: 300 s)",
        },
        Parameter {
            name: "reset",
            kind: Kind::Span,
            default: secs(600),
            meaning: "a run of so long ends the row of restarts (kubelet: twice the longest back-off)",
        },
    ],
    kind: PolicyKind::Complete,
    build: |settings, _| {
        Ok(Box::new(Kubernetes {
            toleration: settings.span("toleration"),
            look: settings.span("look"),
            rate: settings.number("rate"),
            slow: settings.number("slow"),
            share: settings.number("share"),
            small: settings.count("small"),
            budget: settings.count("budget"),
            back_off: settings.span("back_off"),
            back_off_max: settings.span("back_off_max"),
            reset: settings.span("reset"),
            zones: Domains::or_all(settings.text("zone")),
            queue: Vec::new(),
            last: BTreeMap::new(),
            tainted: BTreeMap::new(),
            draining: BTreeMap::new(),
            backoffs: Backoffs::default(),
        }))
    },
};

/// Timers: the next look, drains that were refused, and from there on the tolerations of nodes.
const LOOK: u64 = 0;
const DRAIN: u64 = 1;
const NODES: u64 = 2;
/// `kubectl drain` tries an eviction that was refused again after this.
const EVICT_AGAIN: Span = Span::from_secs(5);
/// How many nodes of a zone must not be ready for it to be disrupted in part (`ComputeZoneState`: more than two).
const AT_LEAST: u64 = 3;

#[derive(Clone, Debug)]
struct Kubernetes {
    toleration: Span,
    look: Span,
    rate: f64,
    slow: f64,
    share: f64,
    small: u64,
    budget: u64,
    back_off: Span,
    back_off_max: Span,
    reset: Span,
    zones: Domains,
    /// Nodes that wait for their taint, with the earliest time of it, in order of detection.
    queue: Vec<(Time, NodeId)>,
    /// When a zone's last node was tainted.
    last: BTreeMap<usize, Time>,
    /// Since when.
    tainted: BTreeMap<NodeId, Time>,
    /// Nodes whose drains were refused in part, and since when.
    draining: BTreeMap<NodeId, Time>,
    backoffs: Backoffs,
}

impl Kubernetes {
    fn is_evicted(&self, node: NodeId, now: Time) -> bool {
        self.tainted.get(&node).is_some_and(|taint| *taint + self.toleration <= now)
    }

    /// Nodes of each zone that are not ready, and all.
    fn counts(&self, view: &View<'_>) -> Vec<(u64, u64)> {
        let mut counts = vec![(0, 0); self.zones.count()];
        for (id, node) in view.cluster().nodes().iter() {
            if !node.removed && node.spec.availability != Availability::Drain {
                let entry = &mut counts[self.zones.of(id)];
                entry.0 += u64::from(view.is_down(id));
                entry.1 += 1;
            }
        }
        counts
    }

    fn taint(&mut self, view: &View<'_>, actions: &mut Actions) {
        self.zones.refresh(view);
        let (now, counts) = (view.now(), self.counts(view));
        if counts.iter().all(|(gone, all)| gone == all) {
            // Taints go, and with them what was tolerated of them.
            let requeued = std::mem::take(&mut self.tainted).into_keys().filter(|node| view.is_down(*node));
            self.queue.extend(requeued.map(|node| (now, node)));
            if let Some((first, _)) = self.queue.first() {
                actions.push(Action::Wake { at: self.again(now, *first), token: LOOK });
            }
            return;
        }
        let mut next: Option<Time> = None;
        let mut left = Vec::new();
        for (from, node) in std::mem::take(&mut self.queue) {
            let zone = self.zones.of(node);
            let (gone, all) = counts[zone];
            let in_part = gone < all && AT_LEAST <= gone && self.share * all as f64 <= gone as f64;
            let rate = if !in_part {
                self.rate
            } else if all > self.small {
                self.slow
            } else {
                0.0
            };
            // Looked at again in any case: the state of the zone may change.
            let again = self.again(now, from);
            let due = if rate > 0.0 {
                let pause = if rate.is_finite() { Span::from_secs_f64(1.0 / rate) } else { Span::ZERO };
                self.last.get(&zone).map_or(from, |last| from.max(*last + pause))
            } else {
                again
            };
            if rate > 0.0 && due <= now {
                self.last.insert(zone, now);
                self.tainted.insert(node, now);
                actions.push(Action::Wake { at: now + self.toleration, token: NODES + node.index() as u64 });
            } else {
                left.push((from, node));
                let at = if in_part { due.min(again) } else { due };
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        self.queue = left;
        actions.extend(next.map(|at| Action::Wake { at, token: LOOK }));
    }

    /// When to look again at what stands still; nodes that come back are told, so the longer it lasts the more seldom.
    fn again(&self, now: Time, since: Time) -> Time {
        let seldom = Span::from_nanos(now.since(since).as_nanos() / 8);
        now + self.look.max(Span::from_secs(1)).max(seldom)
    }

    fn lost(&mut self, view: &View<'_>, node: NodeId, actions: &mut Actions) -> Decision {
        let now = view.now();
        if self.is_evicted(node, now) {
            return Decision::Replace(Replacement { delay: Some(Span::ZERO), node: None, order: Order::Together });
        }
        if !self.tainted.contains_key(&node) && !self.queue.iter().any(|(_, other)| *other == node) {
            let at = now + self.look;
            let first = self.queue.is_empty();
            self.queue.push((at, node));
            if first {
                actions.push(Action::Wake { at, token: LOOK });
            }
        }
        Decision::Keep
    }

    /// Whether one more task of a service may become unavailable.
    fn is_allowed(&self, view: &View<'_>, loss: &Loss) -> bool {
        let Some(service) = view.cluster().service(loss.service) else { return true };
        let Mode::Replicated { replicas } = service.spec.mode else { return true };
        let available = view.tasks_of(loss.service).filter(|id| {
            let task = view.cluster().task(*id).expect("a view lists records that exist");
            task.state == TaskState::Running && task.desired == DesiredState::Running
        });
        let runs = view.cluster().task(loss.task).is_some_and(|task| task.state == TaskState::Running);
        self.budget == 0 || !runs || replicas < available.count() as u64 + self.budget
    }

    fn ended(&mut self, view: &View<'_>, loss: &Loss) -> Decision {
        let Some(task) = view.cluster().task(loss.task) else { return Decision::Swarm };
        let node = loss.node.filter(|node| view.can_keep(*node));
        if node.is_none() {
            return Decision::Replace(Replacement { delay: Some(Span::ZERO), ..Replacement::default() });
        }
        let delay = match self.backoffs.count(task, view.now(), self.reset) {
            0 => Span::ZERO,
            count => grown(self.back_off, 2.0, count - 1, self.back_off_max),
        };
        self.backoffs.starts(task, view.now() + delay);
        Decision::Replace(Replacement { delay: Some(delay), node, order: Order::StopFirst })
    }
}

impl Failover for Kubernetes {
    fn interests(&self) -> Interests {
        Interests { nodes: true, services: true, ..Interests::default() }
    }

    fn decide(&mut self, view: &View<'_>, loss: &Loss, actions: &mut Actions) -> Decision {
        let is_per_node = view.cluster().task(loss.task).is_some_and(|task| matches!(task.slot, Slot::Node(_)));
        match (loss.cause, loss.node) {
            // Pods of a DaemonSet tolerate it for ever.
            (Cause::NodeDown, Some(_)) if is_per_node => Decision::Keep,
            (Cause::NodeDown, Some(node)) => self.lost(view, node, actions),
            (Cause::NodeDrained, Some(node)) if !is_per_node => {
                if self.is_allowed(view, loss) {
                    return Decision::Replace(Replacement {
                        delay: Some(Span::ZERO),
                        node: None,
                        order: Order::Together,
                    });
                }
                let since = *self.draining.entry(node).or_insert(view.now());
                let seldom = Span::from_nanos(view.now().since(since).as_nanos() / 8);
                actions.push(Action::Wake { at: view.now() + EVICT_AGAIN.max(seldom), token: DRAIN });
                Decision::Keep
            }
            (Cause::Ended, _) => self.ended(view, loss),
            _ => Decision::Replace(Replacement { delay: Some(Span::ZERO), ..Replacement::default() }),
        }
    }

    fn observe(&mut self, view: &View<'_>, news: &News, actions: &mut Actions) {
        match *news {
            News::Timer(LOOK) => self.taint(view, actions),
            News::Timer(DRAIN) => {
                self.draining.retain(|node, _| !view.can_keep(*node));
                for node in self.draining.keys() {
                    actions.extend(view.tasks_on(*node).map(Action::Reconsider));
                }
            }
            News::Timer(token) => {
                let node = NodeId::from_index((token - NODES) as usize);
                if self.is_evicted(node, view.now()) {
                    actions.extend(view.tasks_on(node).map(Action::Reconsider));
                }
            }
            News::Node { node, change } => match change {
                NodeChange::Returned | NodeChange::Removed | NodeChange::Joined => {
                    self.tainted.remove(&node);
                    self.queue.retain(|(_, other)| *other != node);
                    self.draining.remove(&node);
                    if !self.queue.is_empty() {
                        actions.push(Action::Wake { at: view.now(), token: LOOK });
                    }
                    if change != NodeChange::Returned {
                        self.zones.forget();
                        self.last.clear();
                    }
                }
                NodeChange::Described => {
                    self.zones.forget();
                    self.last.clear();
                }
                _ => {}
            },
            News::Service { service, change: ServiceChange::Removed | ServiceChange::Declared } => {
                self.backoffs.forget(service)
            }
            _ => {}
        }
    }

    fn save(&self) -> String {
        let queue = self.queue.iter().flat_map(|(at, node)| [at.as_nanos(), node.index() as u64]);
        let last = self.last.iter().flat_map(|(zone, at)| [*zone as u64, at.as_nanos()]);
        let tainted = self.tainted.iter().flat_map(|(node, at)| [node.index() as u64, at.as_nanos()]);
        [
            state::join(queue),
            state::join(last),
            state::join(tainted),
            state::join(self.draining.iter().flat_map(|(node, at)| [node.index() as u64, at.as_nanos()])),
            self.backoffs.save(),
        ]
        .join(";")
    }

    fn load(&mut self, text: &str) -> Result<(), String> {
        let lists: Vec<&str> = text.split(';').collect();
        let [queue, last, tainted, draining, backoffs] = lists[..] else { return Err("not five lists".into()) };
        let node = |row: u64| NodeId::from_index(row as usize);
        let pairs = |text| -> Result<Vec<(u64, u64)>, String> {
            Ok(state::numbers::<u64>(text)?.chunks_exact(2).map(|numbers| (numbers[0], numbers[1])).collect())
        };
        self.queue = pairs(queue)?.into_iter().map(|(at, row)| (Time::from_nanos(at), node(row))).collect();
        self.last = pairs(last)?.into_iter().map(|(zone, at)| (zone as usize, Time::from_nanos(at))).collect();
        self.tainted = pairs(tainted)?.into_iter().map(|(row, at)| (node(row), Time::from_nanos(at))).collect();
        self.draining = pairs(draining)?.into_iter().map(|(row, at)| (node(row), Time::from_nanos(at))).collect();
        self.backoffs = Backoffs::load(backoffs)?;
        Ok(())
    }
}
