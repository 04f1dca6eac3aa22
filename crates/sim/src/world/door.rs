//! The door: the one place that carries out orders, whoever gives them, and writes them down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sched::spec::Role;
use sched::{Span, Time};

use super::control::Control;
use super::fabric::Fabric;
use super::{Cx, Event};
use crate::digest::Digest;
use crate::engine::chance::below;
use crate::engine::rng::{Stream, entity};
use crate::fact::{Fact, TaskNo};
use crate::metrics::OrderRow;
use crate::model::links::Cause;
use crate::model::managers::Response;
use crate::order::{Answer, Client, Containers, Giver, JoinChange, Nodes, Order, Receipt, Record, Registry};
use crate::refusal::{DEADLINE, IN_NO_SWARM, LOST_LEADERSHIP, NO_LEADER, NO_MANAGER, NOT_LOCKED, Refusal};
use crate::scenario::Scenario;

/// What was ordered so far. Arrivals that were created and removed as planned are not in it one by one: they are in the
/// tables of services and jobs, and there may be millions.
#[derive(Clone, Default, Debug)]
pub(super) struct Book {
    records: Vec<Record>,
    /// Orders that wait for a leader, by their numbers among all that ever waited, and how many those are.
    hanging: BTreeMap<u32, Hanging>,
    hung: u32,
    /// Orders of whoever drives the run.
    by_hand: u32,
}

impl Book {
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// Every order in words, for a table.
    pub(super) fn rows(&self, scenario: &Scenario) -> Vec<OrderRow> {
        let row = |record: &Record| OrderRow {
            time_s: record.at.as_secs_f64(),
            by: record.by.word().into(),
            order: record.order.words(scenario),
            is_refused: record.answer.is_err(),
            answer: match &record.answer {
                Ok(Receipt::Containers(tasks)) if tasks.len() == 1 => "1 container".into(),
                Ok(Receipt::Containers(tasks)) => format!("{} containers", tasks.len()),
                Ok(_) => String::new(),
                Err(refusal) => refusal.to_string(),
            },
        };
        self.records.iter().map(row).collect()
    }

    /// An order that was refused before anybody was asked.
    pub(super) fn refuse(&mut self, at: Time, by: Client, order: Order, refusal: Refusal) {
        self.records.push(Record { at, by, order, answer: Err(refusal) });
    }

    /// The number of the next order of whoever drives the run.
    pub(super) fn next_by_hand(&mut self) -> u32 {
        self.by_hand += 1;
        self.by_hand - 1
    }
}

/// moby `daemon/cluster`, `swarmRequestTimeout`: so long a client waits for the managers.
const PATIENCE: Span = Span::from_secs(20);
/// SwarmKit `manager/state/raft`, `LeaderConn`: a manager looks so often for a leader.
const LOOK: Span = Span::from_secs(1);

/// An order that waits for a leader.
#[derive(Clone, Debug)]
struct Hanging {
    since: Time,
    by: Client,
    order: Order,
    number: u32,
    /// Whether a leader without a majority has it.
    is_written: bool,
}

/// Where orders are given.
pub(super) struct Door<'w> {
    pub(super) cx: &'w mut Cx,
    pub(super) control: &'w mut Control,
    pub(super) fabric: &'w mut Fabric,
    pub(super) book: &'w mut Book,
    pub(super) digest: &'w mut Digest,
}

type Done = Result<(), Refusal>;

/// Somebody asks what there is. A leader without a majority answers from its store until it gives up, other managers look for one as
/// they do for orders.
pub(super) fn asked(control: &Control, now: Time) -> Answer {
    match control.managers.response(now) {
        Response::Leads | Response::Written => Ok(Receipt::Done),
        Response::Waits => Ok(Receipt::Waits),
        response @ (Response::Refused | Response::Nobody) => Err(refusal(control, response)),
    }
}

/// Why nobody takes an order.
fn refusal(control: &Control, response: Response) -> Refusal {
    match response {
        Response::Nobody if !control.managers.is_founded() => Refusal::new(NO_MANAGER),
        Response::Nobody => Refusal::no_manager_answers(),
        _ => Refusal::new(NO_LEADER),
    }
}

impl Door<'_> {
    /// Somebody orders something, and what can be done of it at once is done. `number` is that of the order among those of
    /// its client: its chance, and the cause of what it breaks.
    pub(super) fn order(&mut self, by: Client, order: Order, number: u32) -> Answer {
        if order.giver() == Giver::Operator {
            let now = self.cx.now();
            let response = self.control.managers.response(now);
            let refusal = match response {
                Response::Leads => None,
                Response::Refused | Response::Nobody => Some(refusal(self.control, response)),
                waits @ (Response::Written | Response::Waits) => {
                    let is_written = waits == Response::Written;
                    let waiting = self.book.hung;
                    self.book.hung += 1;
                    self.book.hanging.insert(waiting, Hanging { since: now, by, order, number, is_written });
                    self.cx.after(LOOK, Event::Hanging(waiting));
                    return Ok(Receipt::Waits);
                }
            };
            if let Some(refusal) = refusal {
                return self.note(by, order, Err(refusal));
            }
        }
        let answer = self.carry_out(&order, number);
        self.note(by, order, answer)
    }

    /// A manager looks for a leader on behalf of an order that waits.
    pub(super) fn look_for_leader(&mut self, waiting: u32) {
        let Some(&Hanging { since, is_written, .. }) = self.book.hanging.get(&waiting) else { return };
        if self.control.managers.lead() && !is_written {
            self.end_wait(waiting, None);
        } else if since + PATIENCE <= self.cx.now() {
            self.end_wait(waiting, Some(DEADLINE));
        } else {
            self.cx.after(LOOK, Event::Hanging(waiting));
        }
    }

    /// What a leader wrote down without a majority is done when it has one again, and lost when it gives up.
    pub(super) fn end_writes(&mut self, is_lost: bool) {
        let written = self.book.hanging.iter().filter(|(_, hanging)| hanging.is_written);
        let written: Vec<u32> = written.map(|(waiting, _)| *waiting).collect();
        for waiting in written {
            self.end_wait(waiting, is_lost.then_some(LOST_LEADERSHIP));
        }
    }

    /// An order that waited is carried out or refused.
    fn end_wait(&mut self, waiting: u32, refusal: Option<&str>) {
        let Some(Hanging { by, order, number, .. }) = self.book.hanging.remove(&waiting) else { return };
        let answer = match refusal {
            Some(text) => self.note(by, order, Err(Refusal::new(text))),
            None if by == Client::Deployment => return self.deploy(number),
            None => self.order(by, order, number),
        };
        self.note_refusal(&answer);
    }

    /// Writes down what came of an order.
    fn note(&mut self, by: Client, order: Order, answer: Answer) -> Answer {
        let now = self.cx.now();
        self.digest.order(now, &order, &answer);
        if by != Client::Arrivals || answer.is_err() {
            self.book.records.push(Record { at: now, by, order, answer: answer.clone() });
        }
        answer
    }

    fn carry_out(&mut self, order: &Order, number: u32) -> Answer {
        let Door { cx, control, fabric, .. } = self;
        match order {
            Order::CreateService(new) => return control.create(cx, new).map(Receipt::Service),
            Order::UpdateService(name, change) => control.change(cx, name, change)?,
            Order::Scale(name, to) => control.scale(cx, name, *to)?,
            Order::Force(name) => control.update(cx, name, |spec, _| spec.task.force_update += 1)?,
            Order::Rollback(name) => control.roll_back(cx, name)?,
            Order::RemoveService(name) => control.remove_service(cx, name)?,
            Order::DeployStack(plan) => self.deploy_stack(plan)?,
            Order::RollbackStack(name) => control.roll_back_stack(cx, name)?,
            Order::RemoveStack(name) => {
                let (networks, done) = control.remove_stack(cx, name);
                networks.iter().for_each(|network| fabric.remove_network(network));
                done?;
            }
            Order::CreateNetwork(plan) => self.create_network(plan)?,
            Order::RemoveNetwork(name) => {
                control.remove_network(name)?;
                fabric.remove_network(name);
            }
            Order::CreateFile(plan) => control.files.create(plan)?,
            Order::RemoveFile(kind, name) => control.remove_file(*kind, name)?,
            Order::RotateFile { from, to } => control.rotate_file(cx, from, to)?,
            Order::Submit(job) => return control.submit(cx, *job).map(Receipt::Service),
            Order::Finish(job) => control.finish(cx, *job)?,
            Order::SetAvailability(nodes, to) => {
                self.each_member(nodes, |door, node| door.control.set_availability(door.cx, node, *to))?;
            }
            Order::Label(nodes, change) => {
                self.each_member(nodes, |door, node| door.control.label(door.cx, node, change))?;
            }
            Order::Describe(nodes, change) => {
                self.each_member(nodes, |door, node| door.control.describe(door.cx, node, change))?;
            }
            Order::Promote(nodes) => self.set_roles(nodes, Role::Manager)?,
            Order::Demote(nodes) => self.set_roles(nodes, Role::Worker)?,
            Order::DemoteGhosts(nodes) => self.each(nodes, |door, node| door.control.demote_ghosts(door.cx, node))?,
            Order::RemoveNode(nodes, force) => {
                self.each(nodes, |door, node| match door.control.is_there(node) {
                    true => door.control.remove_node(door.cx, node, *force),
                    // If nothing else has the name, it is that of a ghost.
                    false => door.control.remove_ghosts(door.cx, node, *force),
                })?;
            }
            Order::RemoveGhosts(nodes, force) => {
                self.each(nodes, |door, node| door.control.remove_ghosts(door.cx, node, *force))?;
            }
            Order::Init(nodes, autolock) => self.each(nodes, |door, node| door.init(node, *autolock))?,
            Order::Join(nodes, change) => self.each(nodes, |door, node| door.join(node, change))?,
            Order::Unlock(nodes) => self.each(nodes, Door::unlock)?,
            Order::Leave(nodes) => self.each(nodes, Door::leave)?,
            Order::RotateToken(role) => control.rotate_token(*role),
            Order::ForceNewCluster(nodes) => self.each(nodes, |door, node| {
                door.control.managers.force_new_cluster(door.cx, node).map_err(Refusal::new)
            })?,
            Order::UpdateSwarm(change) => control.update_swarm(change),
            Order::Kill(which) => {
                return self.containers(which, number, |door, task| door.fabric.agents.kill(door.cx, task));
            }
            Order::RestartContainers(which) => {
                return self
                    .containers(which, number, |door, task| door.fabric.agents.restart_container(door.cx, task));
            }
            Order::PauseContainers(which) => {
                return self.containers(which, number, |door, task| door.fabric.pause(door.cx, task));
            }
            Order::UnpauseContainers(name) => {
                let service = control.service(name)?;
                fabric.unpause(cx, service, control.records());
            }
            Order::PowerOff(nodes) => self.switch(nodes, false)?,
            Order::PowerOn(nodes) => self.switch(nodes, true)?,
            Order::StopEngine(nodes) => self.each(nodes, |door, node| door.stop_engine(node, Stop::Politely, None))?,
            Order::KillEngine(nodes) => self.each(nodes, |door, node| door.stop_engine(node, Stop::Alone, None))?,
            Order::StartEngine(nodes) => self.each(nodes, Door::start_engine)?,
            Order::RestartEngine(nodes) => {
                self.each(nodes, |door, node| door.stop_engine(node, Stop::Politely, Some(Start::Engine)))?;
            }
            Order::RestartEngineLive(nodes) => {
                self.each(nodes, |door, node| door.stop_engine(node, Stop::Alone, Some(Start::Engine)))?;
            }
            Order::CrashEngine(nodes) => {
                self.each(nodes, |door, node| door.stop_engine(node, Stop::Crash, Some(Start::Engine)))?;
            }
            Order::Reboot(nodes) => {
                self.each(nodes, |door, node| door.stop_engine(node, Stop::Politely, Some(Start::Machine)))?;
            }
            Order::Break(fault, nodes) => {
                let rows = self.rows(nodes)?;
                self.fabric.set_links(self.cx, &rows, *fault, Cause::script(number as usize), true);
            }
            Order::Mend(nodes) => {
                let rows = self.rows(nodes)?;
                self.fabric.mend_links(self.cx, &rows);
            }
            Order::Weaken(nodes, impairment) => {
                let rows = self.rows(nodes)?;
                self.fabric.degrade_links(&rows, *impairment);
                self.control.degrade_links(self.cx, &rows, *impairment);
            }
            Order::Slow(nodes, factor) => {
                let rows = self.rows(nodes)?;
                rows.into_iter().for_each(|node| self.fabric.agents.slow(node, *factor));
            }
            Order::Fail(unit) => fabric.strike(cx, *unit),
            Order::Registry(change) => match change {
                Registry::Answers(answers) => fabric.images.switch(cx, *answers),
                Registry::Has(image, has) => fabric.images.set_missing(image, !has),
                Registry::MoveTag(image, other) => control.move_tag(image, other),
                Registry::Bandwidth(rate) => fabric.images.set_bandwidth(cx, *rate),
                Registry::Latency(latency) => fabric.images.set_latency(*latency),
                Registry::Limit(limit) => fabric.images.set_limit(*limit),
            },
        }
        Ok(Receipt::Done)
    }

    /// Who of the nodes is meant now.
    pub(super) fn rows(&self, nodes: &Nodes) -> Result<Vec<usize>, Refusal> {
        let scenario = self.control.scenario();
        let all = || 0..scenario.nodes.len();
        Ok(match nodes {
            Nodes::Rows(rows) => match rows.iter().find(|row| scenario.nodes.len() <= **row) {
                Some(row) => return Err(Refusal::not_found("node", row)),
                None => rows.to_vec(),
            },
            Nodes::Named(name) => match self.control.machine_named(name) {
                Some(row) => vec![row],
                None => return Err(Refusal::not_found("node", name)),
            },
            Nodes::Leader => self.control.managers.leader().into_iter().collect(),
            Nodes::Reachable => {
                all().filter(|row| self.control.is_there(*row) && self.fabric.agents.hears(*row)).collect()
            }
            Nodes::With(service) => {
                let with: BTreeSet<usize> = self.control.nodes_with(service)?;
                with.into_iter().collect()
            }
            Nodes::Random { count, of, stream } => {
                let mut rows = self.rows(of)?;
                let mut rng = self.control.seeds().stream(Stream::Pick, entity(stream));
                let mut chosen = Vec::new();
                while (chosen.len() as u64) < *count && !rows.is_empty() {
                    let place = below(&mut rng, rows.len() as u64) as usize;
                    chosen.push(rows.swap_remove(place));
                }
                chosen
            }
            Nodes::Union(parts) => {
                let mut seen = BTreeSet::new();
                let mut rows = Vec::new();
                for part in parts {
                    rows.extend(self.rows(part)?.into_iter().filter(|row| seen.insert(*row)));
                }
                rows
            }
            Nodes::Except(those, others) => {
                let others: BTreeSet<usize> = self.rows(others)?.into_iter().collect();
                self.rows(those)?.into_iter().filter(|row| !others.contains(row)).collect()
            }
        })
    }

    /// Does something on each node. Those that refuse do not keep the others from it.
    fn each(&mut self, nodes: &Nodes, mut act: impl FnMut(&mut Self, usize) -> Done) -> Done {
        let mut texts = Vec::new();
        for node in self.rows(nodes)? {
            if let Err(refusal) = act(self, node) {
                texts.extend(refusal.texts);
            }
        }
        if texts.is_empty() { Ok(()) } else { Err(Refusal { texts }) }
    }

    /// The same for nodes of which the managers must have a record.
    fn each_member(&mut self, nodes: &Nodes, mut act: impl FnMut(&mut Self, usize) -> Done) -> Done {
        self.each(nodes, |door, node| match door.control.is_there(node) {
            true => act(door, node),
            false => Err(door.control.not_found(node)),
        })
    }

    /// Does something to containers. Those are told of which it is true.
    fn containers(
        &mut self,
        which: &Containers,
        number: u32,
        mut act: impl FnMut(&mut Self, TaskNo) -> bool,
    ) -> Answer {
        let tasks = match which {
            Containers::Some(service, count) => self.control.victims(number, service, *count)?,
            Containers::Of(task) => vec![self.control.running_task(task)?],
        };
        Ok(Receipt::Containers(tasks.into_iter().filter(|task| act(self, *task)).collect()))
    }

    fn set_roles(&mut self, nodes: &Nodes, role: Role) -> Done {
        self.each_member(nodes, |door, node| door.control.set_role(door.cx, node, role, &door.fabric.links))
    }

    fn switch(&mut self, nodes: &Nodes, on: bool) -> Done {
        let rows = self.rows(nodes)?;
        self.fabric.switch(self.cx, &rows, on);
        Ok(())
    }

    fn create_network(&mut self, plan: &Arc<crate::model::overlay::NetworkPlan>) -> Done {
        self.control.create_network(&plan.name)?;
        self.fabric.create_network(plan);
        Ok(())
    }

    /// `docker stack deploy`: what is there already stays or is updated, what is not is created, in the order in which
    /// Docker's command line does it (`cli/command/stack/deploy_composefile.go`); it stops at the first refusal, and what it
    /// did until then stays.
    fn deploy_stack(&mut self, plan: &crate::order::StackPlan) -> Done {
        if plan.prune {
            self.control.prune(self.cx, plan)?;
        }
        let has = |network: &crate::model::overlay::NetworkPlan| self.control.has_network(&network.name);
        if let Some(network) = plan.networks.iter().find(|network| network.external && !has(network)) {
            return Err(Refusal::no_external_network(&network.name));
        }
        for network in plan.networks.iter().filter(|network| !network.external) {
            if !self.control.has_network(&network.name) {
                self.create_network(network)?;
            }
            self.control.own_network(&plan.name, &network.name);
        }
        self.control.deploy_files(&plan.name, &plan.files)?;
        self.control.deploy_services(self.cx, plan)
    }

    /// Somebody stands at a machine whose engine must run.
    fn check_engine(&self, node: usize) -> Done {
        if self.control.has_power(node) && self.fabric.agents.is_alive(node) {
            return Ok(());
        }
        Err(Refusal::no_engine(self.control.node_name(node)))
    }

    /// `docker swarm init`.
    fn init(&mut self, node: usize, autolock: bool) -> Done {
        self.check_engine(node)?;
        self.control.init(self.cx, node, &self.fabric.links)?;
        self.control.managers.set_autolock(autolock);
        Ok(())
    }

    /// `docker swarm join`. A machine that was removed while it lived, or that left, has no containers of the swarm after
    /// that; the record of one that left stays as a ghost, which counts as a member of Raft if it was a manager.
    fn join(&mut self, node: usize, change: &JoinChange) -> Done {
        let (is_there, has_left) = (self.control.is_there(node), self.fabric.agents.has_left(node));
        if self.fabric.agents.is_out(node) && (!is_there || has_left) {
            self.fabric.agents.leave_swarm(self.cx, node);
            if is_there {
                self.control.leave_ghost(self.cx, node);
            }
        }
        self.control.begin_join(self.cx, node, change);
        Ok(())
    }

    /// `docker swarm unlock`.
    fn unlock(&mut self, node: usize) -> Done {
        self.check_engine(node)?;
        if !self.fabric.agents.is_locked(node) {
            let is_manager = self.control.managers.is_member(node);
            return Err(Refusal::new(if is_manager { NOT_LOCKED } else { NO_MANAGER }));
        }
        self.fabric.agents.unlock(self.cx, node);
        self.control.managers.unlock(self.cx, node);
        Ok(())
    }

    /// `docker swarm leave --force`: the containers go at once; the managers are not told.
    fn leave(&mut self, node: usize) -> Done {
        let is_out = self.fabric.agents.is_out(node);
        if !self.control.has_power(node) {
            return Err(Refusal::no_engine(self.control.node_name(node)));
        }
        if self.control.stop_joining(node) {
            return Ok(());
        }
        if self.fabric.agents.has_left(node) || !self.control.is_there(node) && !is_out {
            return Err(Refusal::new(IN_NO_SWARM));
        }
        self.fabric.agents.leave_swarm(self.cx, node);
        if !is_out {
            self.cx.tell(Fact::NodeLeft(node));
            self.control.engine_gone(self.cx, node, None);
        }
        Ok(())
    }

    /// The engine of a node stops in some way, and is started again or not.
    fn stop_engine(&mut self, node: usize, how: Stop, again: Option<Start>) -> Done {
        let Door { cx, control, fabric, .. } = self;
        if !fabric.agents.is_alive(node) {
            // Nothing runs that could be stopped; whoever boots comes back as he would.
            return Ok(());
        }
        let lasts = match how {
            Stop::Politely => fabric.agents.stop_engine(cx, node),
            Stop::Alone => fabric.agents.kill_engine(cx, node, again.is_some()),
            Stop::Crash => fabric.agents.crash_engine(cx, node),
        };
        if let Some(start) = again {
            let daemon = &fabric.scenario().models.daemon;
            let law = if start == Start::Machine { daemon.boot } else { daemon.restart };
            fabric.agents.start_engine(cx, node, lasts, law);
        }
        fabric.engine_stopped(cx, node, again.is_some());
        control.engine_gone(cx, node, again.map(|start| (lasts, start == Start::Machine)));
        Ok(())
    }

    fn start_engine(&mut self, node: usize) -> Done {
        let Door { cx, control, fabric, .. } = self;
        if fabric.agents.is_alive(node) || !control.has_power(node) {
            return Ok(());
        }
        let law = fabric.scenario().models.daemon.restart;
        fabric.agents.start_engine(cx, node, sched::Span::ZERO, law);
        cx.tell(Fact::AgentBack(node));
        control.engine_back(cx, node, sched::Span::ZERO, false);
        Ok(())
    }
}

/// How an engine stops.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// Containers get the stop signal.
    Politely,
    /// Its containers live on, until it is started again if that is another order.
    Alone,
    /// Its containers are killed with it.
    Crash,
}

/// What starts it again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Engine,
    Machine,
}
