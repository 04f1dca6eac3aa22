//! Swarm's own policy.

use super::{Actions, Decision, Failover, Loss, PolicyEntry, PolicyKind, View};

pub(super) const ENTRY: PolicyEntry = PolicyEntry {
    name: "reschedule",
    summary: "Swarm's own: a lost task is replaced at once and starts after the restart delay; nothing moves back",
    promise: "all that fits runs again",
    parameters: &[],
    kind: PolicyKind::Complete,
    build: |_, _| Ok(Box::new(Reschedule)),
};

/// Every lost task is replaced as SwarmKit does (`manager/orchestrator/restart/restart.go`).
#[derive(Clone)]
struct Reschedule;

impl Failover for Reschedule {
    fn decide(&mut self, _view: &View<'_>, _loss: &Loss, _actions: &mut Actions) -> Decision {
        Decision::Swarm
    }
}
