//! Sessions: how assignments reach the agents and their reports the manager (SwarmKit `manager/dispatcher`).

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use sched::{DesiredState, Span, TaskState, Time};

use super::{AgentEvent, Agents, Assignment, Commit, CommitNo, Daemon, LOST, Phase, Process, Report, exit_error};
use crate::engine::chance::unit;
use crate::engine::law::Law;
use crate::engine::rng::{Stream, part};
use crate::fact::{Context, Fact, NetworkFault, TaskNo};

/// SwarmKit dispatcher: as many changes are sent without waiting for quiet.
pub(super) const ASSIGNMENTS_MAX: usize = 100;
/// SwarmKit `agent/agent.go`: after a session that failed the agent waits a random part of a span that grows.
const BACKOFF_BASE: Span = Span::from_millis(100);
const BACKOFF_MAX: Span = Span::from_secs(8);

/// What becomes of calls to managers that have no answer to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Calls {
    /// They cannot reach anybody, and take so long to fail; one that is under way gets through when that changes.
    Wait(Span),
    /// They are passed on to a leader who is not there any more, and take so long to fail, whatever happens meanwhile (SwarmKit
    /// `agent/session.go`, `session initiation timed out`).
    Hang(Span),
}

/// When an agent whose calls have had no answer since `first` calls next, seen from `now`. Before `first` the agent still has its
/// session.
pub fn next_call(first: Time, now: Time, calls: Calls, rng: &mut ChaCha8Rng) -> Time {
    if now < first {
        return now;
    }
    let (mut at, mut backoff) = (first, Span::ZERO);
    loop {
        backoff = (BACKOFF_BASE + backoff + backoff).min(BACKOFF_MAX);
        at += Span::from_secs_f64(unit(rng) * backoff.as_secs_f64());
        if now <= at {
            return at;
        }
        let (Calls::Wait(takes) | Calls::Hang(takes)) = calls;
        at += takes;
        if now <= at && calls == Calls::Wait(takes) {
            return now;
        }
    }
}

impl Agents {
    /// The dispatcher queues an assignment. It goes out after some quiet, or with as many as fit.
    pub(super) fn send<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize, assignment: Assignment) {
        let daemon = &mut self.nodes[node];
        if !daemon.connected || daemon.fault == Some(NetworkFault::RxLost) {
            return; // The complete set of the next session will tell.
        }
        daemon.outbox.push(assignment);
        daemon.changed = cx.now();
        if daemon.outbox.len() == 1 {
            cx.after(self.model.assignment_batch, AgentEvent::Quiet { node: node as u32, link: daemon.link });
        } else if daemon.outbox.len() == ASSIGNMENTS_MAX {
            self.post(cx, node);
        }
    }

    pub(super) fn send_if_quiet<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        let daemon = &self.nodes[node];
        if daemon.outbox.is_empty() {
            return;
        }
        let due = daemon.changed + self.model.assignment_batch;
        if cx.now() < due {
            cx.at(due, AgentEvent::Quiet { node: node as u32, link: daemon.link });
        } else {
            self.post(cx, node);
        }
    }

    fn post<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        let sent = self.dispatch(cx.now(), self.nodes[node].outbox.len());
        let arrival = self.arrival_down(sent, node);
        let daemon = &mut self.nodes[node];
        daemon.sent.push_back(std::mem::take(&mut daemon.outbox));
        cx.at(arrival, AgentEvent::Assignments { node: node as u32, link: daemon.link });
    }

    pub(super) fn take_assignments<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        let mut batch = self.nodes[node].sent.pop_front().expect("what arrives was sent");
        // A message says of each task only what holds at its end (SwarmKit `manager/dispatcher/assignments.go`): a task that is
        // assigned and told to stop in one never begins.
        for assignment in &mut batch {
            let (task, desired) = match *assignment {
                Assignment::Remove(task) => {
                    self.discard(cx, task);
                    continue;
                }
                Assignment::Assign(task, desired) | Assignment::Desired(task, desired) => (task, desired),
            };
            if let Some(container) = self.container(task) {
                let is_new = container.phase == Phase::Idle && container.state == TaskState::Assigned;
                let raised = container.known < Some(desired);
                container.known = container.known.max(Some(desired));
                if is_new || !raised {
                    *assignment = Assignment::Assign(task, desired);
                }
            }
        }
        for assignment in batch.drain(..) {
            match assignment {
                Assignment::Assign(task, _) => self.step(cx, task),
                Assignment::Desired(task, desired) => {
                    if desired < DesiredState::Shutdown {
                        self.disturb(cx, task);
                    }
                    self.step(cx, task);
                }
                Assignment::Remove(_) => {}
            }
        }
        // The batch's memory serves the next one.
        let outbox = &mut self.nodes[node].outbox;
        if outbox.capacity() == 0 {
            *outbox = batch;
        }
    }

    /// An agent calls the manager, if its network lets it.
    pub(super) fn call<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        let daemon = &mut self.nodes[node];
        daemon.alive = true;
        if daemon.fault.is_some() {
            daemon.calls = cx.now();
        } else if daemon.locked {
            // Whoever unlocks it lets it call.
        } else if daemon.out {
            // Nobody gives it a session, but it could join.
            cx.tell(Fact::AgentBack(node));
        } else if !daemon.connected {
            let link = daemon.link;
            let arrival = self.arrival_up(cx.now(), node);
            cx.at(arrival, AgentEvent::Registered { node: node as u32, link });
        }
    }

    /// An agent gives up its session. If its network is not broken, it calls until a call gets through.
    pub(super) fn give_up<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        self.unlink(node);
        let daemon = &self.nodes[node];
        if daemon.fault.is_some() {
            return;
        }
        let loss = daemon.weak.as_ref().map_or(0.0, |impairment| impairment.loss);
        let mut rng = self.seeds.stream(Stream::Link, part(daemon.entity, u64::from(daemon.link)));
        let (mut at, mut backoff) = (cx.now(), Span::ZERO);
        loop {
            backoff = (BACKOFF_BASE + backoff + backoff).min(BACKOFF_MAX);
            at += Span::from_secs_f64(unit(&mut rng) * backoff.as_secs_f64());
            if loss <= unit(&mut rng) {
                break;
            }
            at += self.overlay.unreachable;
        }
        cx.at(at, AgentEvent::Booted { node: node as u32, cycle: daemon.cycle });
    }

    /// The agent has a session. It reports what it knows of the tasks that it had: a container that the loss of its engine
    /// ended is one that exited with 255. What was not started yet goes on, as far as its container is still on the disk,
    /// once the complete set of assignments is there.
    pub(super) fn register<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        self.nodes[node].connected = true;
        cx.tell(Fact::AgentCalled(node));
        let keep_cache = self.model.keep_cache;
        for task in self.tasks_on(node) {
            let container = self.containers[task.row()].as_mut().expect("a node's tasks have containers");
            if container.known.is_none() {
                continue;
            }
            if container.process != Process::Lost {
                if container.state > TaskState::Assigned {
                    let (state, error) = (container.state, container.error().cloned());
                    self.report(cx, task, state, error);
                }
                continue;
            }
            container.process = Process::None;
            if container.state >= TaskState::Starting {
                self.report(cx, task, TaskState::Failed, Some(exit_error(LOST, "")));
            } else if container.state < TaskState::Ready || !keep_cache {
                container.state = TaskState::Assigned;
            }
        }
        let sent = self.dispatch(cx.now(), self.tasks_on(node).len());
        let arrival = self.arrival_down(sent, node);
        cx.at(arrival, AgentEvent::CompleteSet { node: node as u32, link: self.nodes[node].link });
    }

    pub(super) fn take_complete_set<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        for task in self.tasks_on(node) {
            let container = self.containers[task.row()].as_mut().expect("a node's tasks have containers");
            if container.wanted.is_none() {
                self.discard(cx, task);
                continue;
            }
            container.known = container.wanted;
            self.step(cx, task);
        }
    }

    /// Notes how far a task is and tells the manager. The dispatcher commits at regular times; a report that is not yet
    /// committed is replaced by a newer one.
    pub(super) fn report<E: From<AgentEvent>>(
        &mut self,
        cx: &mut Context<E>,
        task: TaskNo,
        state: TaskState,
        error: Option<Arc<str>>,
    ) {
        let container = self.containers[task.row()].as_mut().expect("who reports exists");
        container.state = state;
        container.set_error(error.clone());
        let (node, pending) = (container.node as usize, container.report);
        if !self.nodes[node].connected || self.nodes[node].fault == Some(NetworkFault::TxLost) {
            return; // The next session begins with it.
        }
        let arrival = self.arrival_up(cx.now(), node).as_nanos();
        let (first, batch) = (self.first_commit.as_nanos(), self.model.status_batch.as_nanos());
        let full =
            arrival.saturating_sub(first).checked_div(batch).map(|full| if arrival < first { 0 } else { full + 1 });
        let at = Time::from_nanos(full.map_or(arrival, |full| first + full * batch));
        let position = self.commits.partition_point(|commit| commit.at < at);
        if self.commits.get(position).is_none_or(|commit| commit.at != at) {
            self.announced += 1;
            let number = CommitNo::new(self.announced).expect("fewer than 2^32 commits");
            let reports = std::mem::take(&mut self.room);
            self.commits.insert(position, Commit { at, number, reports });
            cx.at(at, AgentEvent::Commit);
        }
        let Commit { number, reports, .. } = &mut self.commits[position];
        let report = Report { task, at: cx.now(), state, error };
        match pending {
            Some((commit, index)) if commit == *number => reports[index as usize] = report,
            _ => {
                let place = Some((*number, reports.len() as u32));
                self.containers[task.row()].as_mut().expect("as above").report = place;
                reports.push(report);
            }
        }
    }

    pub(super) fn commit<E: From<AgentEvent>>(&mut self, cx: &mut Context<E>) {
        let mut commit = self.commits.pop_front().expect("a commit was announced");
        assert_eq!(commit.at, cx.now(), "commits come in order");
        for Report { task, at, state, error } in commit.reports.drain(..) {
            cx.tell(Fact::Reported { task, at, state, error });
        }
        self.room = commit.reports;
    }

    /// When the dispatcher has written a message about so many tasks.
    fn dispatch(&mut self, now: Time, tasks: usize) -> Time {
        let work = self.model.dispatch_task.as_nanos().saturating_mul(tasks as u64);
        self.dispatched = self.dispatched.max(now) + self.model.dispatch_message + Span::from_nanos(work);
        self.dispatched
    }

    /// When a message to an agent arrives.
    fn arrival_down(&mut self, now: Time, node: usize) -> Time {
        let daemon = &mut self.nodes[node];
        daemon.down = daemon.down.max(now + daemon.latency(&self.overlay.latency));
        daemon.down
    }

    /// When a message from an agent arrives.
    pub(super) fn arrival_up(&mut self, now: Time, node: usize) -> Time {
        let daemon = &mut self.nodes[node];
        daemon.up = daemon.up.max(now + daemon.latency(&self.overlay.latency));
        daemon.up
    }
}

impl Daemon {
    /// What a message takes.
    fn latency(&mut self, law: &Law) -> Span {
        let latency = law.sample(&mut self.latency);
        match &self.weak {
            Some(weak) => latency + weak.delay.sample(&mut self.latency),
            None => latency,
        }
    }
}
