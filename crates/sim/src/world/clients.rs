//! Who gives which order, and when: the script with its conditions, deployments, arrivals, operators, autoscalers and
//! failures. None of them does anything by itself; what they want goes through the [door](super::door).

use std::collections::BTreeSet;
use std::sync::Arc;

use sched::Span;
use sched::cluster::UpdateState;
use sched::spec::{Availability, Mode, NodeState};
use sched::{DesiredState, TaskState};

use super::control::Control;
use super::door::Door;
use super::{Cx, Event};
use crate::fact::{Fact, JobNo};
use crate::model::failure::{self, FailureEvent};
use crate::model::operator;
use crate::order::{Answer, Client, Nodes, Order, Receipt};
use crate::scenario::{Condition, Scenario, UpdateEnd};

/// The state of the script: what waits for its condition, and what was begun and is not over.
#[derive(Clone, Default, Debug)]
pub(super) struct Script {
    /// Rows of events whose condition does not hold yet, in order of the script.
    waiting: Vec<u32>,
    /// Rows of events with a condition that did not happen so far.
    open: BTreeSet<u32>,
    /// Of each named event, whether it happened.
    happened: Vec<bool>,
    /// Whether something happened that conditions may depend on.
    stirred: bool,
    /// What passed in the meantime.
    lost_leader: bool,
    elected: bool,
    lost_majority: bool,
    regained_majority: bool,
    /// Whether the run ends when the condition of the scenario holds, and whether it has held.
    is_bounded: bool,
    is_over: bool,
    /// Orders to one node after the other: row of the script and of the node.
    paced: Vec<(u32, u32)>,
}

impl Script {
    pub(super) fn new(scenario: &Scenario) -> Script {
        let groups = scenario.script.iter().map(|scripted| scripted.group as usize + 1).max().unwrap_or(0);
        let waits = |row: &u32| scenario.script[*row as usize].wait.is_some();
        let open = (0..scenario.script.len() as u32).filter(waits).collect();
        Script { happened: vec![false; groups], open, ..Script::default() }
    }

    /// Schedules what has a time.
    pub(super) fn start(scenario: &Scenario, cx: &mut Cx) {
        for (row, scripted) in scenario.script.iter().enumerate() {
            let event = if scripted.wait.is_some() { Event::Watch(row as u32) } else { Event::Script(row as u32) };
            cx.at(scripted.at, event);
        }
    }

    /// Notes at the end which events did not happen, and why.
    pub(super) fn close(&self, scenario: &Scenario, cx: &mut Cx) {
        for row in &self.open {
            let scripted = &scenario.script[*row as usize];
            let Some(wait) = &scripted.wait else { continue };
            let why = if self.waiting.contains(row) { "did not hold by the end" } else { "held too late" };
            cx.note("never", format!("{}: \"{}\" {why}", scripted.label, wait.words));
        }
    }

    /// The condition that ends the run is looked at from now on.
    pub(super) fn bound(&mut self) {
        self.is_bounded = true;
        self.begin();
    }

    /// Whether the condition that ends the run has held.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The condition of an event is looked at from now on.
    pub(super) fn watch(&mut self, row: u32) {
        self.waiting.push(row);
        self.waiting.sort_unstable();
        self.begin();
    }

    /// A condition that nobody looked at so far: what passed before does not count.
    fn begin(&mut self) {
        (self.stirred, self.lost_leader, self.elected) = (true, false, false);
        (self.lost_majority, self.regained_majority) = (false, false);
    }

    /// Something happened.
    #[inline]
    pub(super) fn see(&mut self, fact: &Fact) {
        if self.waiting.is_empty() && !self.is_bounded {
            return;
        }
        match fact {
            Fact::LeaderLost | Fact::LeaderStalled => self.lost_leader = true,
            Fact::LeaderElected(_) | Fact::LeaderResumed => self.elected = true,
            Fact::Majority(true) => self.regained_majority = true,
            Fact::Majority(false) => self.lost_majority = true,
            Fact::TaskRecord { .. }
            | Fact::Service { .. }
            | Fact::ServiceRemoved(_)
            | Fact::UpdateStatus(..)
            | Fact::NodeDetected(_)
            | Fact::NodeRegistered(_)
            | Fact::NodeEligible(..)
            | Fact::Power { .. } => {}
            _ => return,
        }
        self.stirred = true;
    }

    /// Looks whose condition holds now, and schedules that.
    pub(super) fn look(&mut self, scenario: &Scenario, cx: &mut Cx, control: &mut Control) {
        if !std::mem::take(&mut self.stirred) {
            return;
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|&row| {
            let wait = scenario.script[row as usize].wait.as_ref().expect("it waits");
            let holds = self.holds(&wait.condition, control);
            if holds {
                cx.after(wait.after, Event::Script(row));
            }
            !holds
        });
        self.waiting = waiting;
        let until = scenario.until.as_ref().filter(|_| self.is_bounded);
        self.is_over |= until.is_some_and(|until| self.holds(until, control));
        (self.lost_leader, self.elected) = (false, false);
        (self.lost_majority, self.regained_majority) = (false, false);
    }

    fn holds(&self, condition: &Condition, control: &mut Control) -> bool {
        match condition {
            Condition::Happened(event) => self.happened[*event as usize],
            Condition::Converged(service) => control.has_converged(service),
            Condition::Completed(service) => control.has_completed(service),
            Condition::Update(service, end) => control.update_is(service, *end),
            Condition::LeaderLost => self.lost_leader || control.managers.is_founded() && !control.managers.lead(),
            Condition::LeaderElected => self.elected,
            Condition::MajorityLost => self.lost_majority || !control.managers.has_majority(),
            Condition::MajorityBack => self.regained_majority,
            Condition::Down(node) => control.node_state(*node) == Some(NodeState::Down),
            Condition::Ready(node) => control.node_state(*node) == Some(NodeState::Ready),
            Condition::Powerless(count, nodes) => {
                let without = nodes.iter().filter(|node| !control.has_power(**node)).count();
                *count <= without as u64
            }
        }
    }
}

// What conditions ask.
impl Control {
    /// Whether a service has all its tasks running in its newest version, and no update is going on.
    fn has_converged(&mut self, name: &str) -> bool {
        let Ok(id) = self.service(name) else { return false };
        self.watch(id);
        let running = self.victims.count(id);
        let cluster = self.manager.cluster();
        let service = &cluster.services()[id];
        if let Mode::Replicated { replicas } = service.spec.mode
            && running != replicas
        {
            return false;
        }
        let state = service.update_status.as_ref().map(|status| status.state);
        if matches!(state, Some(UpdateState::Updating | UpdateState::RollbackStarted)) {
            return false;
        }
        let mut tasks = service.tasks().filter_map(|task| cluster.task(task));
        let mut wanted = 0;
        let all = tasks.all(|task| {
            let is_wanted = task.desired <= DesiredState::Running;
            wanted += u64::from(is_wanted);
            let is_new = task.version == service.version || task.spec.task == service.spec.task;
            if is_wanted { task.state == TaskState::Running && is_new } else { task.state > TaskState::Running }
        });
        all && match service.spec.mode {
            Mode::Replicated { replicas } => wanted == replicas,
            _ => wanted > 0,
        }
    }

    /// Whether a job has all its completions.
    fn has_completed(&self, name: &str) -> bool {
        let Ok(id) = self.service(name) else { return false };
        let cluster = self.manager.cluster();
        let service = &cluster.services()[id];
        let tasks = service.tasks().filter_map(|task| cluster.task(task));
        let tasks: Vec<_> = tasks.filter(|task| task.iteration == service.iteration).collect();
        let complete = tasks.iter().filter(|task| task.state == TaskState::Complete).count() as u64;
        match service.spec.mode {
            Mode::ReplicatedJob { total_completions, .. } => total_completions <= complete,
            _ => complete > 0 && tasks.iter().all(|task| task.state > TaskState::Running),
        }
    }

    fn update_is(&self, name: &str, end: UpdateEnd) -> bool {
        let Ok(id) = self.service(name) else { return false };
        let status = self.manager.cluster().services()[id].update_status.as_ref();
        status.is_some_and(|status| match end {
            UpdateEnd::Started => status.state == UpdateState::Updating,
            UpdateEnd::Paused => status.state == UpdateState::Paused,
            UpdateEnd::Completed => status.state == UpdateState::Completed,
            UpdateEnd::RollbackStarted => status.state == UpdateState::RollbackStarted,
            UpdateEnd::RollbackPaused => status.state == UpdateState::RollbackPaused,
            UpdateEnd::RolledBack => status.state == UpdateState::RollbackCompleted,
        })
    }

    fn node_state(&self, node: usize) -> Option<NodeState> {
        let there = self.is_there(node);
        there.then(|| self.manager.cluster().nodes()[self.id(node)].spec.state)
    }
}

impl Door<'_> {
    /// A row of the script is due.
    pub(super) fn script(&mut self, script: &mut Script, row: u32) {
        let scenario = Arc::clone(self.control.scenario());
        let scripted = &scenario.script[row as usize];
        script.happened[scripted.group as usize] = true;
        script.open.remove(&row);
        script.stirred = true;
        self.cx.note("script", scripted.label.as_str());
        let nodes = scripted.order.nodes();
        let Some((pace, nodes)) = scripted.pace.zip(nodes) else {
            return self.ask(Client::Script, scripted.order.clone(), row);
        };
        // One node after the other, as they are found now.
        match self.rows(nodes) {
            Err(refusal) => {
                refusal.texts.iter().for_each(|text| self.cx.note("refused", text.as_str()));
                self.book.refuse(self.cx.now(), Client::Script, scripted.order.clone(), refusal);
            }
            Ok(rows) => {
                for (number, node) in rows.into_iter().enumerate() {
                    let wait = Span::from_nanos(pace.as_nanos().saturating_mul(number as u64));
                    script.paced.push((row, node as u32));
                    self.cx.after(wait, Event::Paced(script.paced.len() as u32 - 1));
                }
            }
        }
    }

    /// The turn of a node has come that the script names with others.
    pub(super) fn paced(&mut self, script: &Script, number: u32) {
        let (row, node) = script.paced[number as usize];
        let scenario = Arc::clone(self.control.scenario());
        let order = scenario.script[row as usize].order.to_nodes(Nodes::from(node as usize));
        self.ask(Client::Script, order, row);
    }

    /// Gives an order; refusals are for people.
    fn ask(&mut self, by: Client, order: Order, number: u32) {
        let answer = self.order(by, order, number);
        self.note_refusal(&answer);
    }

    pub(super) fn note_refusal(&mut self, answer: &Answer) {
        if let Err(refusal) = answer {
            refusal.texts.iter().for_each(|text| self.cx.note("refused", text.as_str()));
        }
    }

    /// A row of the scenario's services is submitted.
    pub(super) fn deploy(&mut self, row: u32) {
        let scenario = Arc::clone(self.control.scenario());
        let plan = &scenario.services[row as usize];
        let name = plan.spec.name.as_str();
        if let Some(stack) = self.control.managers.lead().then_some(plan.stack.as_deref()).flatten()
            && let Err(refusal) = self.control.found_stack(stack)
        {
            self.cx.note("refused", format!("{name}: {refusal}"));
            let order = Order::CreateService(Arc::new(plan.order()));
            return self.book.refuse(self.cx.now(), Client::Deployment, order, refusal);
        }
        match self.order(Client::Deployment, Order::CreateService(Arc::new(plan.order())), row) {
            Ok(Receipt::Waits) => {}
            Ok(_) => self.cx.note("deploy", name),
            Err(refusal) => self.cx.note("refused", format!("{name}: {refusal}")),
        }
    }

    /// An operator of the scenario's acts on a service, if that is there.
    pub(super) fn operate(&mut self, turn: operator::OperatorEvent) {
        let scenario = Arc::clone(self.control.scenario());
        let service = self.control.operators.service(turn);
        let name = scenario.services[service].spec.name.as_str();
        let replicas = self.control.replicas(name);
        let Some(order) = self.control.operators.handle(self.cx, turn, replicas) else { return };
        if self.control.service(name).is_err() {
            return;
        }
        let (label, order) = match order {
            operator::Wish::Scale(_, to) => (format!("{name} scaled to {to}"), Order::Scale(name.into(), to)),
            operator::Wish::Release(_, image) => {
                let change = Arc::new(crate::order::Change::image(image.as_str()));
                (format!("{name} to {image}"), Order::UpdateService(name.into(), change))
            }
        };
        self.cx.note("operator", label);
        self.ask(Client::Operator, order, turn.0);
    }

    /// A process of failure takes its turn.
    pub(super) fn fail(&mut self, turn: failure::Transition) {
        let Some((happening, unit)) = self.fabric.turn(self.cx, turn) else { return };
        if happening == FailureEvent::Noticed {
            let scenario = self.control.scenario();
            let name = &scenario.failures[unit.plan as usize].units[unit.unit as usize].name;
            self.cx.note("notice", format!("{name} will fail"));
            return self.cx.tell(Fact::FailureNoticed { plan: unit.plan, unit: unit.unit });
        }
        self.ask(Client::Failure, Order::Fail(unit), unit.plan);
        if happening == FailureEvent::Repaired {
            self.cx.tell(Fact::FailureRepaired { plan: unit.plan, unit: unit.unit });
        }
    }

    /// Facts after which somebody wants something. Says whether the fact is dealt with.
    #[inline]
    pub(super) fn want(&mut self, fact: &Fact) {
        match *fact {
            Fact::LeaderResumed => self.end_writes(false),
            Fact::LeaderLost | Fact::LeaderElected(_) => self.end_writes(true),
            Fact::FailureNoticed { plan, unit } => self.announce(plan, unit, Availability::Drain),
            Fact::FailureRepaired { plan, unit } => self.announce(plan, unit, Availability::Active),
            Fact::ReplicasWanted { plan, replicas } => self.autoscale(plan, replicas),
            Fact::JobDue(job) | Fact::JobOver(job) => self.arrival(fact, job),
            Fact::MachineProvisioned(node) => {
                self.ask(Client::MachineScaler, Order::Join(node.into(), Arc::default()), 0)
            }
            Fact::MachineUnneeded(node) => {
                self.cx.note("autoscaler", format!("{} drained", self.control.node_name(node)));
                self.ask(Client::MachineScaler, Order::SetAvailability(node.into(), Availability::Drain), 0);
            }
            Fact::MachineEmpty(node) => {
                self.cx.note("autoscaler", format!("{} removed", self.control.node_name(node)));
                self.ask(Client::MachineScaler, Order::RemoveNode(node.into(), true), 0);
            }
            _ => {}
        }
    }

    /// A unit whose failures are announced will fail, or is repaired.
    fn announce(&mut self, plan: u32, unit: u32, to: Availability) {
        let scenario = Arc::clone(self.control.scenario());
        let plan = &scenario.failures[plan as usize];
        if plan.notice.is_some() {
            let nodes = plan.units[unit as usize].nodes.clone();
            self.ask(Client::Failure, Order::SetAvailability(nodes.into(), to), unit);
        }
    }

    /// The autoscaler of a plan of requests wants so many replicas. Without a leader it looks again later.
    fn autoscale(&mut self, plan: u32, to: u64) {
        let scenario = Arc::clone(self.control.scenario());
        let plan = &scenario.requests[plan as usize];
        let name = scenario.services[plan.service].spec.name.as_str();
        if self.control.managers.lead() && self.control.service(name).is_ok() {
            self.cx.note("scale", format!("{} scaled to {to}", plan.name));
            self.ask(Client::Autoscaler, Order::Scale(name.into(), to), 0);
        }
    }

    /// An arrival is to be created, or is over. Without a leader whoever brings it tries again until there is one.
    fn arrival(&mut self, fact: &Fact, job: JobNo) {
        let is_over = matches!(fact, Fact::JobOver(_));
        // What lost its patience while it waited for a leader is not submitted any more.
        if !is_over && self.control.workload.is_over(job) {
            return;
        }
        if is_over && self.control.is_without_service(job) {
            return self.cx.tell(Fact::JobDone(job));
        }
        if !self.control.managers.lead() {
            return self.control.postpone(fact.clone());
        }
        if is_over {
            self.cx.tell(Fact::JobDone(job));
            self.ask(Client::Arrivals, Order::Finish(job), job.0);
        } else {
            self.ask(Client::Arrivals, Order::Submit(job), job.0);
        }
    }
}
