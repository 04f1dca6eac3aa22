//! A brake on mass failures, which are mostly failures of what looks at the nodes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::domains::Domains;
use super::parameters::{Kind, Parameter, Value};
use super::{
    Action, Actions, Cause, Decision, Failover, Interests, Loss, News, NodeChange, PolicyEntry, PolicyKind, View, state,
};
use crate::id::{NodeId, Row};
use crate::spec::Availability;
use crate::time::{Span, Time};

pub(super) const ENTRY: PolicyEntry = PolicyEntry {
    name: "guarded",
    summary: "nodes are given up one after another, at most `rate` a second in each `domain`; at `slow` where more than `share` \
              of a domain is gone and it has more than `small` nodes, and not at all (for as long as `patience`) where it has no \
              more; not at all while every domain looks dead",
    promise: "a control network that is cut does not move the cluster",
    parameters: &[
        Parameter {
            name: "rate",
            kind: Kind::Rate,
            default: Value::Number(0.1),
            meaning: "nodes that are given up in a second and domain (Kubernetes: 0.1); \"unlimited\" is `reschedule`",
        },
        Parameter {
            name: "slow",
            kind: Kind::Rate,
            default: Value::Number(0.01),
            meaning: "the same where a large part of a domain is gone (Kubernetes: 0.01)",
        },
        Parameter {
            name: "share",
            kind: Kind::Number(0.0, 1.0),
            default: Value::Number(0.55),
            meaning: "share of the nodes of a domain that is a large part (Kubernetes: 0.55)",
        },
        Parameter {
            name: "small",
            kind: Kind::Count(0, 1_000_000),
            default: Value::Count(50),
            meaning: "a domain of no more nodes than this stands still when a large part of it is gone (Kubernetes: 50)",
        },
        Parameter {
            name: "domain",
            kind: Kind::Label,
            default: Value::Text(Cow::Borrowed("")),
            meaning: "label whose values are the domains; without one all nodes are one domain",
        },
        Parameter {
            name: "patience",
            kind: Kind::Span,
            default: Value::Span(Span::from_secs(1800)),
            meaning: "a small domain that stood still for so long, while another one lives, goes on at `slow` (ours)",
        },
        Parameter {
            name: "settle",
            kind: Kind::Span,
            default: Value::Span(Span::from_secs(30)),
            meaning: "when a domain was in trouble and is not any more, its nodes have so long to come back (ours)",
        },
    ],
    kind: PolicyKind::Partial,
    build: |settings, _| {
        Ok(Box::new(Guarded::new(Brake {
            rate: settings.number("rate"),
            slow: settings.number("slow"),
            share: settings.number("share"),
            small: settings.count("small"),
            domain: settings.text("domain"),
            patience: settings.span("patience"),
            settle: settings.span("settle"),
        })))
    },
};

/// How nodes are given up that are lost in numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct Brake {
    /// Nodes a second and domain; infinite is no brake at all.
    pub rate: f64,
    /// The same where a large part of the domain is gone.
    pub slow: f64,
    /// What a large part is, from 0 to 1.
    pub share: f64,
    /// Domains of no more nodes than this stand still when a large part is gone.
    pub small: u64,
    /// Label whose values are domains; empty for one domain.
    pub domain: String,
    /// How long a small domain stands still.
    pub patience: Span,
    /// How long nodes have to come back when their domain is out of trouble.
    pub settle: Span,
}

/// How soon to look again at what stands still.
const AGAIN: Span = Span::from_secs(5);
const LOOK: u64 = 0;

/// What is known of a domain.
#[derive(Clone, Default, PartialEq, Debug)]
struct Queue {
    /// Nodes whose tasks are kept so far, in the order of detection.
    nodes: Vec<NodeId>,
    /// When the last node was given up.
    last: Option<Time>,
    /// Since when a large part is gone, and when it was not gone any more.
    troubled: Option<Time>,
    calm: Option<Time>,
    /// Whether every domain looked dead at the last look: what was gone then says nothing of the nodes, and its time does
    /// not count.
    blind: bool,
}

/// Gives up nodes that are down one after another. A node counts as gone when it is down or its heartbeat is overdue
/// ([`View::is_late`]): so that the first of many detections is not taken for the only one. Nodes that are drained or paused
/// do not count.
#[derive(Clone, Debug)]
pub struct Guarded {
    brake: Brake,
    domains: Domains,
    queues: BTreeMap<usize, Queue>,
    given_up: BTreeSet<NodeId>,
}

impl Guarded {
    /// With this brake.
    pub fn new(brake: Brake) -> Guarded {
        let domains = Domains::or_all(brake.domain.clone());
        Guarded { brake, domains, queues: BTreeMap::new(), given_up: BTreeSet::new() }
    }

    /// Nodes that are gone, and all, of each domain.
    fn counts(&self, view: &View<'_>) -> Vec<(u64, u64)> {
        let mut counts = vec![(0, 0); self.domains.count()];
        for (id, node) in view.cluster().nodes().iter() {
            if !node.removed && node.spec.availability == Availability::Active {
                let entry = &mut counts[self.domains.of(id)];
                entry.0 += u64::from(view.is_down(id) || view.is_late(id));
                entry.1 += 1;
            }
        }
        counts
    }

    fn look(&mut self, view: &View<'_>, actions: &mut Actions) {
        self.domains.refresh(view);
        let (now, counts) = (view.now(), self.counts(view));
        let all_dead = counts.iter().all(|(gone, all)| gone == all);
        let Guarded { brake, queues, given_up, .. } = self;
        let mut next: Option<Time> = None;
        for (domain, queue) in queues.iter_mut() {
            let (gone, all) = counts[*domain];
            let is_large = all_dead || gone as f64 > brake.share * all as f64;
            if std::mem::replace(&mut queue.blind, all_dead) && !all_dead && is_large {
                queue.troubled = Some(now);
            }
            if !is_large && queue.troubled.take().is_some() {
                queue.calm = Some(now);
            }
            let troubled = is_large.then(|| *queue.troubled.get_or_insert(now));
            if queue.nodes.is_empty() {
                continue;
            }
            let mut until = |at: Time| next = Some(next.map_or(at, |next| next.min(at)));
            // The longer it lasts the more seldom: nodes that come back are told.
            let again =
                now + troubled.map_or(AGAIN, |since| AGAIN.max(Span::from_nanos(now.since(since).as_nanos() / 8)));
            if all_dead {
                until(again);
                continue;
            }
            // From when on the next node may be given up, if ever.
            let due = match troubled {
                None => pause(brake.rate).map(|pause| {
                    let calm = queue.calm.map_or(now, |calm| calm + brake.settle);
                    queue.last.map_or(calm, |last| calm.max(last + pause))
                }),
                Some(since) => {
                    let from = if all > brake.small { since } else { since + brake.patience };
                    pause(brake.slow).map(|pause| queue.last.map_or(from, |last| last.max(from)) + pause)
                }
            };
            match due {
                Some(due) if due <= now => {
                    let node = queue.nodes.remove(0);
                    queue.last = Some(now);
                    given_up.insert(node);
                    actions.extend(view.tasks_on(node).map(Action::Reconsider));
                    if !queue.nodes.is_empty() {
                        until(now);
                    }
                }
                // The state may change before.
                Some(due) => until(if troubled.is_some() { due.min(again) } else { due }),
                None => until(again),
            }
        }
        actions.extend(next.map(|at| Action::Wake { at, token: LOOK }));
    }

    fn forget(&mut self, node: NodeId) {
        self.given_up.remove(&node);
        self.queues.values_mut().for_each(|queue| queue.nodes.retain(|other| *other != node));
    }
}

/// From one node to the next.
fn pause(rate: f64) -> Option<Span> {
    (rate > 0.0).then(|| Span::from_secs_f64(1.0 / rate))
}

impl Failover for Guarded {
    fn interests(&self) -> Interests {
        let any = self.brake.rate.is_finite();
        Interests { nodes: any, late: any, ..Interests::default() }
    }

    fn decide(&mut self, view: &View<'_>, loss: &Loss, actions: &mut Actions) -> Decision {
        let Some(node) = loss.node.filter(|_| loss.cause == Cause::NodeDown && self.brake.rate.is_finite()) else {
            return Decision::Swarm;
        };
        if self.given_up.contains(&node) {
            return Decision::Swarm;
        }
        self.domains.refresh(view);
        let queue = self.queues.entry(self.domains.of(node)).or_default();
        if !queue.nodes.contains(&node) {
            queue.nodes.push(node);
            actions.push(Action::Wake { at: view.now(), token: LOOK });
        }
        Decision::Keep
    }

    fn observe(&mut self, view: &View<'_>, news: &News, actions: &mut Actions) {
        match *news {
            News::Timer(LOOK) => self.look(view, actions),
            News::Node { node, change } => match change {
                NodeChange::Returned => {
                    self.forget(node);
                    if self.queues.values().any(|queue| !queue.nodes.is_empty()) {
                        actions.push(Action::Wake { at: view.now(), token: LOOK });
                    }
                }
                NodeChange::Joined | NodeChange::Removed | NodeChange::Described => {
                    if change != NodeChange::Described {
                        self.forget(node);
                    }
                    self.regroup(view);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn save(&self) -> String {
        let time = |at: Option<Time>| at.map_or("-".to_string(), |at| at.as_nanos().to_string());
        let queue = |(domain, queue): (&usize, &Queue)| {
            let domain = if queue.blind { format!("{domain}!") } else { domain.to_string() };
            let nodes = state::join(queue.nodes.iter().map(|node| node.index()));
            format!(";{domain} {} {} {} {nodes}", time(queue.last), time(queue.troubled), time(queue.calm))
        };
        state::of_nodes(&self.given_up) + &self.queues.iter().map(queue).collect::<String>()
    }

    fn load(&mut self, text: &str) -> Result<(), String> {
        let mut lists = text.split(';');
        self.given_up = state::nodes(lists.next().unwrap_or_default())?;
        self.queues.clear();
        let time = |word: &str| match word {
            "-" => Ok(None),
            word => word.parse().map(|nanos| Some(Time::from_nanos(nanos))).map_err(|_| format!("{word:?} is no time")),
        };
        for list in lists {
            let mut words = list.splitn(5, ' ');
            let mut word = || words.next().ok_or_else(|| format!("{list:?} is too short"));
            let domain = word()?;
            let blind = domain.ends_with('!');
            let domain = domain.trim_end_matches('!').parse().map_err(|_| format!("{list:?} has no domain"))?;
            let (last, troubled, calm) = (time(word()?)?, time(word()?)?, time(word()?)?);
            let nodes = state::numbers::<u32>(word()?)?.into_iter().map(|row| NodeId::from_index(row as usize));
            self.queues.insert(domain, Queue { nodes: nodes.collect(), last, troubled, calm, blind });
        }
        Ok(())
    }
}

impl Guarded {
    /// Domains may have other numbers when nodes join or change: queues are made anew, with what is known of them.
    fn regroup(&mut self, view: &View<'_>) {
        let before = std::mem::take(&mut self.queues);
        self.domains.forget();
        self.domains.refresh(view);
        for queue in before.into_values() {
            for node in queue.nodes {
                let target = self.queues.entry(self.domains.of(node)).or_default();
                target.nodes.push(node);
                (target.last, target.troubled) = (target.last.max(queue.last), target.troubled.or(queue.troubled));
                target.calm = target.calm.max(queue.calm);
                target.blind |= queue.blind;
            }
        }
    }
}
