//! What Marathon on Mesos does with the instances of an app, as a model of its published behaviour.
//!
//! Sources: Marathon `UnreachableStrategy.scala` (0 s since 1.5.1, 300 s in 1.4, 15 min in the first versions),
//! `MarathonConf.scala` (looks), `AppDefinition.scala` (back-off). Detection is the heartbeat law (Mesos
//! `src/master/constants.hpp`: five pings of 15 s), not this policy.

use std::collections::BTreeSet;

use super::backoff::{Backoffs, grown};
use super::parameters::{Kind, Parameter, Value};
use super::{
    Action, Actions, Cause, Decision, Failover, Interests, Loss, News, NodeChange, Order, PolicyEntry, PolicyKind,
    Replacement, ServiceChange, View, state,
};
use crate::id::{NodeId, Row, Slot, TaskId};
use crate::time::{Span, Time};

const fn span(name: &'static str, secs: u64, meaning: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Span, default: Value::Span(Span::from_secs(secs)), meaning }
}

pub(super) const ENTRY: PolicyEntry = PolicyEntry {
    name: "marathon",
    summary: "a model of an app on Mesos: what is lost with a node is replaced at once, or at a look after a wait; when the node \
              is back both run until a look ends the younger; drains take all at once; tasks that end start anew after a back-off",
    promise: "what Marathon is known to do, with the ping law of Mesos",
    parameters: &[
        span(
            "inactive_after",
            0,
            "how long an instance is unreachable before it is replaced (unreachableStrategy: 0 s)",
        ),
        span(
            "wait_look",
            600,
            "distance of the looks at which instances are replaced that waited (reconciliation_interval: 600 s)",
        ),
        span(
            "first_look",
            30,
            "when instances beyond their number are looked for first (scale_apps_initial_delay; taken as 30 s)",
        ),
        span("look", 300, "distance of these looks (scale_apps_interval: 300 s)"),
        span("back_off", 1, "before the first start anew (backoffSeconds: 1 s)"),
        Parameter {
            name: "factor",
            kind: Kind::Number(1.0, 100.0),
            default: Value::Number(1.15),
            meaning: "from one back-off to the next (backoffFactor: 1.15)",
        },
        span("back_off_max", 300, "the longest (maxLaunchDelaySeconds: 300 s); a run of so long ends the row (ours)"),
    ],
    kind: PolicyKind::Complete,
    build: |settings, _| {
        Ok(Box::new(Marathon {
            inactive_after: settings.span("inactive_after"),
            wait_look: settings.span("wait_look"),
            first_look: settings.span("first_look"),
            look: settings.span("look"),
            back_off: settings.span("back_off"),
            factor: settings.number("factor"),
            back_off_max: settings.span("back_off_max"),
            back: BTreeSet::new(),
            given_up: BTreeSet::new(),
            backoffs: Backoffs::default(),
        }))
    },
};

/// The timer of the looks for instances too many; the others are nodes that waited.
const LOOK: u64 = 0;

#[derive(Clone, Debug)]
struct Marathon {
    inactive_after: Span,
    wait_look: Span,
    first_look: Span,
    look: Span,
    back_off: Span,
    factor: f64,
    back_off_max: Span,
    /// Nodes that came back since the last look.
    back: BTreeSet<NodeId>,
    /// Nodes whose instances are replaced.
    given_up: BTreeSet<NodeId>,
    backoffs: Backoffs,
}

/// The first look at or after a time, of looks at `first` and from there on every `every`.
fn next_look(from: Time, first: Span, every: Span) -> Time {
    let (from, first, every) = (from.as_nanos(), first.as_nanos(), every.as_nanos().max(1));
    let steps = from.saturating_sub(first).div_ceil(every);
    Time::from_nanos(first.saturating_add(steps.saturating_mul(every)))
}

impl Marathon {
    fn is_given_up(&self, view: &View<'_>, node: NodeId) -> bool {
        self.inactive_after == Span::ZERO || self.given_up.contains(&node) || view.down_since(node).is_none()
    }

    fn look_for_surplus(&mut self, view: &View<'_>, actions: &mut Actions) {
        let mut stopped: BTreeSet<TaskId> = BTreeSet::new();
        for node in std::mem::take(&mut self.back) {
            for old in view.tasks_on(node) {
                let task = view.cluster().task(old).expect("a view lists records that exist");
                // The other one counts if it can be heard of: after a change of leader every node is back.
                let is_spare = matches!(task.slot, Slot::Spare(_));
                let other = view.tasks_in(task.service, task.slot).filter(|_| !is_spare).find(|id| {
                    let is_heard = |node: NodeId| !view.is_down(node);
                    let other = view.cluster().task(*id).filter(|_| *id != old);
                    other.is_some_and(|other| other.node.is_none_or(is_heard))
                });
                if let Some(other) = other.filter(|_| !task.state.is_terminal()) {
                    let sequence = |id| view.cluster().task(id).map_or(0, |task| task.sequence);
                    let keeps = |id| {
                        let node = view.cluster().task(id).and_then(|task| task.node);
                        node.is_none_or(|node| view.can_keep(node))
                    };
                    let goes = match (keeps(old), keeps(other)) {
                        (false, true) => old,
                        (true, false) => other,
                        _ if sequence(other) < sequence(old) => old,
                        _ => other,
                    };
                    // Both nodes may be back: one of the two goes, once.
                    if ![old, other].iter().any(|id| stopped.contains(id)) {
                        stopped.insert(goes);
                        actions.push(Action::Stop(goes));
                    }
                }
            }
        }
    }
}

impl Failover for Marathon {
    fn interests(&self) -> Interests {
        Interests { nodes: true, services: true, ..Interests::default() }
    }

    fn decide(&mut self, view: &View<'_>, loss: &Loss, actions: &mut Actions) -> Decision {
        let at_once = |order| Decision::Replace(Replacement { delay: Some(Span::ZERO), node: None, order });
        let Some(task) = view.cluster().task(loss.task) else { return Decision::Swarm };
        match (loss.cause, loss.node) {
            (Cause::Ended, _) => {
                let count = self.backoffs.count(task, view.now(), self.back_off_max);
                let delay = grown(self.back_off, self.factor, count, self.back_off_max);
                self.backoffs.starts(task, view.now() + delay);
                Decision::Replace(Replacement { delay: Some(delay), ..Replacement::default() })
            }
            _ if matches!(task.slot, Slot::Node(_)) => Decision::Swarm,
            (Cause::NodeDown, Some(node)) => {
                if self.is_given_up(view, node) {
                    // The lost instance stays: nobody knows whether it runs.
                    return at_once(Order::Both);
                }
                let since = view.down_since(node).unwrap_or(view.now());
                let at = next_look(since + self.inactive_after, self.wait_look, self.wait_look);
                actions.push(Action::Wake { at, token: node.index() as u64 + 1 });
                Decision::Keep
            }
            _ => at_once(Order::Together),
        }
    }

    fn observe(&mut self, view: &View<'_>, news: &News, actions: &mut Actions) {
        match *news {
            News::Timer(LOOK) => self.look_for_surplus(view, actions),
            News::Timer(token) => {
                let node = NodeId::from_index(token as usize - 1);
                if view.down_since(node).is_some_and(|since| since + self.inactive_after <= view.now()) {
                    self.given_up.insert(node);
                    actions.extend(view.tasks_on(node).map(Action::Reconsider));
                }
            }
            News::Node { node, change: NodeChange::Returned } => {
                self.given_up.remove(&node);
                self.back.insert(node);
                let at = next_look(view.now() + Span::from_nanos(1), self.first_look, self.look);
                actions.push(Action::Wake { at, token: LOOK });
            }
            // Who is drained beside another one goes at once.
            News::Node { node, change: NodeChange::Drained } => {
                self.back.insert(node);
                actions.push(Action::Wake { at: view.now(), token: LOOK });
            }
            News::Node { node, change: NodeChange::Removed | NodeChange::Joined } => {
                self.given_up.remove(&node);
                self.back.remove(&node);
            }
            // The replacement failed: the lost one is all that is left.
            News::MoveOver { old, done: false, .. } => actions.push(Action::Reconsider(old)),
            News::Service { service, change: ServiceChange::Removed | ServiceChange::Declared } => {
                self.backoffs.forget(service)
            }
            _ => {}
        }
    }

    fn save(&self) -> String {
        [state::of_nodes(&self.back), state::of_nodes(&self.given_up), self.backoffs.save()].join(";")
    }

    fn load(&mut self, text: &str) -> Result<(), String> {
        let lists: Vec<&str> = text.split(';').collect();
        let [back, given_up, backoffs] = lists[..] else { return Err("not three lists".into()) };
        (self.back, self.given_up) = (state::nodes(back)?, state::nodes(given_up)?);
        self.backoffs = Backoffs::load(backoffs)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_have_a_grid() {
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        let next = |secs| next_look(at(secs), Span::from_secs(30), Span::from_secs(300));
        assert_eq!((next(0), next(30), next(31), next(330)), (at(30), at(30), at(330), at(330)));
    }
}
