//! Wait for a node that is lost, because most absences are short.

use std::collections::BTreeSet;

use super::parameters::{Kind, Parameter, Value};
use super::{
    Action, Actions, Cause, Decision, Failover, Interests, Loss, News, NodeChange, Order, PolicyEntry, PolicyKind,
    Replacement, View, state,
};
use crate::id::{NodeId, Row};
use crate::time::Span;

pub(super) const ENTRY: PolicyEntry = PolicyEntry {
    name: "wait",
    summary: "nothing until a node was down for `grace`; what ended with a node that is back starts there again, at once",
    promise: "no task moves for an absence that is shorter than the detection and `grace` together",
    parameters: &[Parameter {
        name: "grace",
        kind: Kind::Span,
        default: Value::Span(Span::from_secs(60)),
        meaning: "how long a node may be down before its tasks are given up; 0 s is `reschedule`",
    }],
    kind: PolicyKind::Partial,
    build: |settings, _| Ok(Box::new(Wait::new(settings.span("grace")))),
};

/// Nothing is done for the tasks of a node until it was down for a grace period; then the next policy of a list, or Swarm,
/// decides. Whatever ended with a machine that registers again in time starts again on it without a restart delay, which is
/// there against tight loops of failures and not for machines that come back.
#[derive(Clone, Debug)]
pub struct Wait {
    grace: Span,
    /// Nodes whose tasks were given up since they went down.
    given_up: BTreeSet<NodeId>,
}

impl Wait {
    /// Waits so long from the detection on.
    pub fn new(grace: Span) -> Wait {
        Wait { grace, given_up: BTreeSet::new() }
    }

    fn node_down(&self, view: &View<'_>, node: NodeId, actions: &mut Actions) -> Decision {
        let Some(since) = view.down_since(node).filter(|_| !self.given_up.contains(&node)) else {
            return Decision::Swarm;
        };
        let end = since + self.grace;
        if end <= view.now() {
            return Decision::Swarm;
        }
        actions.push(Action::Wake { at: end, token: node.index() as u64 });
        Decision::Keep
    }
}

impl Failover for Wait {
    fn interests(&self) -> Interests {
        Interests { nodes: self.grace != Span::ZERO, ..Interests::default() }
    }

    fn decide(&mut self, view: &View<'_>, loss: &Loss, actions: &mut Actions) -> Decision {
        let Some(node) = loss.node.filter(|_| self.grace != Span::ZERO) else { return Decision::Swarm };
        match loss.cause {
            Cause::NodeDown => self.node_down(view, node, actions),
            Cause::Ended if view.ended_with_node(loss.task) && view.can_take(node) => {
                Decision::Replace(Replacement { delay: Some(Span::ZERO), node: Some(node), order: Order::StopFirst })
            }
            _ => Decision::Swarm,
        }
    }

    fn observe(&mut self, view: &View<'_>, news: &News, actions: &mut Actions) {
        match *news {
            News::Timer(token) => {
                let node = NodeId::from_index(token as usize);
                let is_over = |since| since + self.grace <= view.now();
                if view.down_since(node).is_some_and(is_over) && self.given_up.insert(node) {
                    actions.extend(view.tasks_on(node).map(Action::Reconsider));
                }
            }
            News::Node { node, change: NodeChange::Returned | NodeChange::Removed | NodeChange::Joined } => {
                self.given_up.remove(&node);
            }
            _ => {}
        }
    }

    fn save(&self) -> String {
        state::of_nodes(&self.given_up)
    }

    fn load(&mut self, text: &str) -> Result<(), String> {
        self.given_up = state::nodes(text)?;
        Ok(())
    }
}
