//! Sessions: how assignments reach the agents and their reports the manager (SwarmKit `manager/dispatcher`).

use std::sync::Arc;

use sched::{TaskState, Time};

use super::{Agents, Assignment, Effect, Event, Report, exit_error};
use crate::engine::Queue;
use crate::model::TaskNo;

/// SwarmKit dispatcher: as many changes are sent without waiting for quiet.
pub(super) const ASSIGNMENTS_MAX: usize = 100;

impl Agents<'_> {
    /// The dispatcher queues an assignment. It goes out after some quiet, or with as many as fit.
    pub(super) fn send<E: From<Event>>(&mut self, queue: &mut Queue<E>, node: usize, assignment: Assignment) {
        let it = &mut self.nodes[node];
        if !it.connected {
            return; // The complete set of the next session will tell.
        }
        it.outbox.push(assignment);
        it.changed = queue.now();
        if it.outbox.len() == 1 {
            queue.after(self.model.assignment_batch, Event::Quiet { node: node as u32, cycle: it.cycle });
        } else if it.outbox.len() == ASSIGNMENTS_MAX {
            self.post(queue, node);
        }
    }

    pub(super) fn send_if_quiet<E: From<Event>>(&mut self, queue: &mut Queue<E>, node: usize) {
        let it = &self.nodes[node];
        if it.outbox.is_empty() {
            return;
        }
        let due = it.changed + self.model.assignment_batch;
        if queue.now() < due {
            queue.at(due, Event::Quiet { node: node as u32, cycle: it.cycle });
        } else {
            self.post(queue, node);
        }
    }

    fn post<E: From<Event>>(&mut self, queue: &mut Queue<E>, node: usize) {
        let arrival = self.arrival_down(queue.now(), node);
        let it = &mut self.nodes[node];
        it.sent.push_back(std::mem::take(&mut it.outbox));
        queue.at(arrival, Event::Assignments { node: node as u32, cycle: it.cycle });
    }

    pub(super) fn take_assignments<E: From<Event>>(&mut self, queue: &mut Queue<E>, node: usize) {
        let mut batch = self.nodes[node].sent.pop_front().expect("what arrives was sent");
        for assignment in batch.drain(..) {
            match assignment {
                Assignment::Assign(task) => {
                    if let Some(it) = self.container(task) {
                        it.known = true;
                        self.step(queue, task);
                    }
                }
                Assignment::Desired(task, desired) => {
                    if let Some(it) = self.container(task) {
                        it.desired = it.desired.max(desired);
                        self.step(queue, task);
                    }
                }
                Assignment::Remove(task) => self.discard(task),
            }
        }
        // The batch's memory serves the next one.
        let outbox = &mut self.nodes[node].outbox;
        if outbox.capacity() == 0 {
            *outbox = batch;
        }
    }

    /// The agent has a session. It reports what it finds of the tasks that it had: a container that the loss of power
    /// ended is one that exited with 255 (measured on a killed engine). What was not started yet goes on, as far as its
    /// container is still on the disk, once the complete set of assignments is there.
    pub(super) fn register<E: From<Event>>(&mut self, queue: &mut Queue<E>, node: usize) {
        self.nodes[node].connected = true;
        self.effects.push(Effect::Registered(node));
        for task in self.nodes[node].tasks.clone() {
            let keep_cache = self.model.keep_cache;
            let it = self.containers[task.row()].as_mut().expect("a node's tasks have containers");
            if !it.known || it.state.is_terminal() {
                continue;
            }
            if it.state >= TaskState::Starting {
                self.report(queue, task, TaskState::Failed, Some(exit_error(255)));
            } else if it.state < TaskState::Ready || !keep_cache {
                it.state = TaskState::Assigned;
            }
        }
        let arrival = self.arrival_down(queue.now(), node);
        queue.at(arrival, Event::CompleteSet { node: node as u32, cycle: self.nodes[node].cycle });
    }

    pub(super) fn take_complete_set<E: From<Event>>(&mut self, queue: &mut Queue<E>, node: usize) {
        for task in self.nodes[node].tasks.clone() {
            let it = self.containers[task.row()].as_mut().expect("a node's tasks have containers");
            it.known = true;
            it.desired = it.wanted;
            self.step(queue, task);
        }
    }

    /// Notes how far a task is and tells the manager. The dispatcher commits at regular times; a report that is not yet
    /// committed is replaced by a newer one.
    pub(super) fn report<E: From<Event>>(
        &mut self,
        queue: &mut Queue<E>,
        task: TaskNo,
        state: TaskState,
        error: Option<Arc<str>>,
    ) {
        let it = self.containers[task.row()].as_mut().expect("who reports exists");
        it.state = state;
        let (node, pending) = (it.node as usize, it.report);
        let arrival = self.arrival_up(queue.now(), node).as_nanos();
        let batch = self.model.status_batch.as_nanos();
        let at = Time::from_nanos(arrival.checked_div(batch).map_or(arrival, |full| (full + 1) * batch));
        let position = self.commits.partition_point(|commit| commit.0 < at);
        if self.commits.get(position).is_none_or(|commit| commit.0 != at) {
            self.commits.insert(position, (at, Vec::new()));
            queue.at(at, Event::Commit);
        }
        let reports = &mut self.commits[position].1;
        let report = Report { task, state, error };
        match pending {
            Some((commit, index)) if commit == at => reports[index] = report,
            _ => {
                self.containers[task.row()].as_mut().expect("as above").report = Some((at, reports.len()));
                reports.push(report);
            }
        }
    }

    pub(super) fn commit(&mut self, now: Time) {
        let (at, reports) = self.commits.pop_front().expect("a commit was announced");
        assert_eq!(at, now, "commits come in order");
        for Report { task, state, error } in reports {
            if let Some(it) = self.container(task).filter(|it| it.report.is_some_and(|it| it.0 == at)) {
                it.report = None;
            }
            self.effects.push(Effect::Report { task, state, error });
        }
    }

    /// When a message to an agent arrives.
    fn arrival_down(&mut self, now: Time, node: usize) -> Time {
        let it = &mut self.nodes[node];
        it.down = it.down.max(now + self.overlay.latency.sample(&mut it.latency));
        it.down
    }

    /// When a message from an agent arrives.
    pub(super) fn arrival_up(&mut self, now: Time, node: usize) -> Time {
        let it = &mut self.nodes[node];
        it.up = it.up.max(now + self.overlay.latency.sample(&mut it.latency));
        it.up
    }
}
