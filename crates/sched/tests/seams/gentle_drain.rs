//! A policy of somebody else: what a drained node runs ends when its replacement runs, one task at a time.

use sched::failover::{Action, Actions, Cause, Decision, Failover, Loss, News, Order, Replacement, View};
use sched::{NodeId, Row, TaskId};

#[derive(Clone, Default)]
pub struct GentleDrain {
    moving: Option<TaskId>,
    waiting: Vec<NodeId>,
}

impl GentleDrain {
    fn next(&mut self, view: &View<'_>, actions: &mut Actions) {
        while let Some(node) = self.waiting.first().copied() {
            self.moving = view.tasks_on(node).next().filter(|_| !view.can_keep(node));
            if let Some(task) = self.moving {
                let how = Replacement { order: Order::StartFirst, ..Replacement::default() };
                return actions.push(Action::Replace { task, how });
            }
            self.waiting.remove(0);
        }
    }
}

impl Failover for GentleDrain {
    fn decide(&mut self, view: &View<'_>, loss: &Loss, actions: &mut Actions) -> Decision {
        let Some(node) = loss.node.filter(|_| loss.cause == Cause::NodeDrained) else { return Decision::Swarm };
        if !self.waiting.contains(&node) {
            self.waiting.push(node);
        }
        if self.moving.is_none() {
            self.next(view, actions);
        }
        Decision::Keep
    }

    fn observe(&mut self, view: &View<'_>, news: &News, actions: &mut Actions) {
        if let News::MoveOver { .. } = news {
            self.moving = None;
            self.next(view, actions);
        }
    }

    /// The task that moves, if any, a bar, and the nodes: `7.0|1 4`.
    fn save(&self) -> String {
        let moving = self.moving.map(|task| task.to_string()).unwrap_or_default();
        let waiting: Vec<String> = self.waiting.iter().map(NodeId::to_string).collect();
        format!("{moving}|{}", waiting.join(" "))
    }

    fn load(&mut self, state: &str) -> Result<(), String> {
        let (moving, waiting) = state.split_once('|').ok_or_else(|| format!("{state:?} has no bar"))?;
        self.moving = if moving.is_empty() { None } else { Some(moving.parse()?) };
        let node = |word: &str| word.parse().map(NodeId::from_index).map_err(|_| format!("{word:?} is no node"));
        self.waiting = waiting.split_whitespace().map(node).collect::<Result<_, _>>()?;
        Ok(())
    }
}
