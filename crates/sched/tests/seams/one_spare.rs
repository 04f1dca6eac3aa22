//! A policy of somebody else: each service has one spare, in another rack than its first task, which takes over at once.

use sched::failover::{Action, Actions, Cause, Decision, Failover, Interests, Loss, News, Order, View};
use sched::spec::{Mode, ServiceSpec};
use sched::{NodeId, ServiceId};

#[derive(Clone)]
pub struct OneSpare;

fn rack<'a>(view: &View<'a>, node: NodeId) -> Option<&'a String> {
    view.cluster().nodes()[node].spec.labels.get("rack")
}

/// A service without a spare gets one where one fits.
fn prepare(view: &View<'_>, service: ServiceId, actions: &mut Actions) {
    let cluster = view.cluster();
    let first = view.tasks_of(service).find_map(|id| cluster.task(id)?.node);
    if let Some(first) = first.filter(|_| view.spares_of(service).next().is_none()) {
        let mut elsewhere = view.candidates(service).into_iter().filter(|node| rack(view, *node) != rack(view, first));
        actions.extend(elsewhere.next().map(|node| Action::AddSpare { service, node: Some(node) }));
    }
}

impl Failover for OneSpare {
    fn interests(&self) -> Interests {
        Interests { nodes: true, tasks: true, ..Interests::default() }
    }

    fn accepts(&self, spec: &ServiceSpec) -> Result<(), String> {
        let replicated = matches!(spec.mode, Mode::Replicated { .. });
        if replicated { Ok(()) } else { Err("a global service has no spares".into()) }
    }

    fn decide(&mut self, view: &View<'_>, loss: &Loss, _actions: &mut Actions) -> Decision {
        match view.spares_of(loss.service).next() {
            Some(spare) if loss.cause == Cause::NodeDown => Decision::Promote(spare, Order::StopFirst),
            Some(spare) if loss.cause == Cause::NodeDrained => Decision::Promote(spare, Order::StartFirst),
            _ => Decision::Swarm,
        }
    }

    fn observe(&mut self, view: &View<'_>, news: &News, actions: &mut Actions) {
        match *news {
            News::Task { service, .. } => prepare(view, service, actions),
            News::Node { .. } => view.services().for_each(|service| prepare(view, service, actions)),
            _ => {}
        }
    }
}
