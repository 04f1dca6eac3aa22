//! A change of leader: what the store holds stays, what the old leader had in memory is gone.
//!
//! Only the leader schedules, restarts and updates. A new one begins from the store (SwarmKit `manager/manager.go`,
//! `becomeLeader`; `manager/orchestrator/taskinit/init.go`, `CheckTasks`): every node is unknown until it registers again,
//! updates under way begin anew with the slots that are still out of date, failures are forgotten, and replacements that
//! wait for their restart delay wait for what is left of it.

use super::{Manager, NodeState};
use crate::cluster::Change;
use crate::event::Commands;
use crate::id::{NodeId, ServiceId, Slot, TaskId};
use crate::orchestrator::global::Global;
use crate::orchestrator::reaper::Reaper;
use crate::orchestrator::replicated::Replicated;
use crate::orchestrator::{restart, update};
use crate::spec::{Mode, RestartPolicy};
use crate::task::{DesiredState, TaskState};
use crate::time::{Span, Time};

impl Manager {
    /// Another manager becomes leader. Nodes that are not down are unknown from here on, and take no tasks, until
    /// [`crate::Event::NodeUp`] says that they registered; [`crate::Event::NodeDown`] says that they did not in time.
    pub fn change_leader(&mut self, now: Time, out: &mut Commands) {
        self.cluster.advance(now);
        self.cluster.forget_timers();
        self.forget();
        let nodes: Vec<NodeId> = self.cluster.nodes().ids().collect();
        for &node in &nodes {
            self.scheduler.observe(&mut self.cluster, Change::NodeCreated(node));
            if self.cluster.node(node).is_none() {
                self.scheduler.observe(&mut self.cluster, Change::NodeRemoved(node));
            }
        }
        for node in nodes {
            match self.cluster.node(node).map(|node| node.spec.state) {
                Some(NodeState::Down) => self.await_orphans(node),
                Some(_) => self.cluster.update_node(node, |spec| spec.state = NodeState::Unknown),
                None => {}
            }
        }
        // Global services come to know of their tasks first, the others of their tasks before they count them.
        self.reconcile(|mode| mode == Mode::Global);
        self.check_tasks();
        self.reconcile(|mode| mode != Mode::Global);
        self.failover.leader_changed(&mut self.cluster, &mut self.restarts, &self.scheduler);
        self.cluster.later(Change::Commit);
        self.settle(out);
    }

    /// The memory of the old leader.
    fn forget(&mut self) {
        self.leaders += 1;
        let successor = self.new_scheduler();
        self.scheduler.succeed(successor);
        self.replicated = Replicated::default();
        self.global = Global::default();
        self.restarts = restart::Supervisor::default();
        self.updates = update::Supervisor::default();
        self.reaper = Reaper::new(self.config.task_history);
    }

    fn reconcile(&mut self, which: impl Fn(Mode) -> bool) {
        let services: Vec<ServiceId> = self.cluster.services().ids().collect();
        for service in services {
            if self.cluster.service(service).is_some_and(|service| which(service.spec.mode)) {
                self.cluster.later(Change::ServiceUpdated(service));
            }
        }
    }

    /// Every task is looked at as if it had just changed.
    fn check_tasks(&mut self) {
        let mut tasks: Vec<(u64, TaskId)> = self.cluster.tasks().map(|(id, task)| (task.sequence, id)).collect();
        tasks.sort_unstable();
        for (_, id) in tasks {
            let task = self.cluster.task(id).expect("just listed");
            let (service, slot, desired, state) = (task.service, task.slot, task.desired, task.state);
            let (policy, since) = (task.spec.task.restart.unwrap_or_default(), self.cluster.since(task));
            // A service that was taken over and is not resumed is there, though nobody acts upon it: its tasks stay.
            let Some(owner) = self.cluster.services().get(service).filter(|owner| !owner.removed) else {
                self.cluster.delete_task(id);
                continue;
            };
            // The oldest task of a slot is no replacement.
            let first = owner.slots.tasks_in(slot).next();
            if first != Some(id) {
                self.restarts.recall(&self.cluster, id);
            }
            self.cluster.later(Change::TaskUpdated { task: id, desired, state });
            // Spares stay what they are.
            let is_spare = matches!(slot, Slot::Spare(_));
            if desired == DesiredState::Ready && state <= TaskState::Complete && !is_spare {
                let delay = policy.delay.unwrap_or(RestartPolicy::DELAY);
                let passed = self.cluster.now().since(since).as_nanos();
                let left = Span::from_nanos(delay.as_nanos().saturating_sub(passed));
                self.restarts.delay_start(&mut self.cluster, id, left, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::id::{Row, Slot};
    use crate::lab::Lab;
    use crate::spec::ServiceSpec;

    fn states(lab: &Lab) -> Vec<NodeState> {
        lab.manager.cluster().nodes().iter().map(|(_, node)| node.spec.state).collect()
    }

    #[test]
    fn nodes_are_unknown_and_tasks_wait_until_they_register() {
        let mut lab = Lab::new(2);
        lab.create("web", 4, |_| {});
        lab.sleep(1);
        assert_eq!(lab.in_state(TaskState::Running), 4);
        lab.handle(Event::NodeDown(NodeId::from_index(1)));
        lab.change_leader();
        assert_eq!(states(&lab), [NodeState::Unknown, NodeState::Down]);
        lab.sleep(10);
        assert_eq!(lab.in_state(TaskState::Pending), 2, "the tasks of the lost node have no place to go");
        lab.handle(Event::NodeUp(NodeId::from_index(0)));
        lab.sleep(1);
        assert_eq!((lab.in_state(TaskState::Pending), states(&lab)[0]), (0, NodeState::Ready));
    }

    #[test]
    fn a_restart_delay_goes_on_where_it_was() {
        let mut lab = Lab::new(1);
        lab.create("web", 1, |_| {});
        lab.sleep(1);
        let task = lab.manager.cluster().tasks().next().expect("one").0;
        lab.report(task, TaskState::Failed);
        lab.sleep(2);
        lab.change_leader();
        lab.handle(Event::NodeUp(NodeId::from_index(0)));
        lab.sleep(2);
        assert_eq!(lab.in_state(TaskState::Running), 0);
        lab.sleep(2);
        assert_eq!(lab.in_state(TaskState::Running), 1, "five seconds after it was placed");
    }

    #[test]
    fn an_update_goes_on_with_the_slots_that_are_left() {
        let mut lab = Lab::new(1);
        let web = lab.create("web", 3, |_| {});
        lab.sleep(1);
        lab.update(web, |spec| spec.task.container.image = "web:2".into());
        lab.change_leader();
        lab.handle(Event::NodeUp(NodeId::from_index(0)));
        lab.sleep(40);
        let new = |task: &crate::Task| task.state == TaskState::Running && task.spec.task.container.image == "web:2";
        assert_eq!(lab.count(new), 3);
    }

    #[test]
    fn tasks_of_a_service_that_is_gone_are_deleted() {
        let mut lab = Lab::new(1);
        let web = lab.create("web", 2, |_| {});
        lab.sleep(1);
        lab.manager.remove_service(lab.now, web, &mut lab.out).expect("it is there");
        lab.change_leader();
        assert_eq!(lab.manager.cluster().tasks().count(), 0);
    }

    #[test]
    fn tasks_of_a_service_that_is_not_resumed_yet_stay() {
        let mut lab = Lab::new(1);
        let node = NodeId::from_index(0);
        let mut spec = ServiceSpec::new("web", "web");
        spec.mode = Mode::Replicated { replicas: 2 };
        let tasks = [(Slot::Number(1), node), (Slot::Number(2), node)];
        let web = lab.manager.adopt_service(lab.now, spec, &tasks, &mut lab.out).expect("the node is there");
        lab.out.clear();
        lab.change_leader();
        assert_eq!(
            (lab.in_state(TaskState::Running), &lab.out[..]),
            (2, &[][..]),
            "nothing is known of them to be wrong"
        );
        lab.handle(Event::NodeUp(node));
        lab.manager.resume_service(lab.now, web, &mut lab.out).expect("it is there");
        lab.sleep(10);
        assert_eq!((lab.in_state(TaskState::Running), lab.manager.cluster().tasks().count()), (2, 2), "they go on");
    }
}
