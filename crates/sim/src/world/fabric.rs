//! The fabric: machines with their agents, images, networks and failures, and the requests that reach them.
//!
//! It knows no manager: it acts on the facts that the manager's decisions are, and reads the manager's records of tasks
//! by [`Records`] alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sched::{Reference, Row, ServiceId, Time};

use super::Cx;
use super::control::Records;
use crate::engine::rng::{Seeds, Stream, part};
use crate::fact::{Fact, NetworkFault, TaskNo};
use crate::model::agent::{Agents, DaemonModel, Exit, Life};
use crate::model::cores::CoreModel;
use crate::model::failure::{self, FailureEvent, Failures, PowerChange};
use crate::model::gossip::{Gossip, Subject};
use crate::model::image::{Images, Totals};
use crate::model::links::{Cause, LinkImpairment, Links};
use crate::model::overlay::{NetworkPlan, NetworkUse, Overlay};
use crate::model::pace;
use crate::model::requests::{self, Requests};
use crate::order::FailedUnit;
use crate::scenario::{NodePlan, Scenario};

/// All that happens on machines and between them.
#[derive(Clone)]
pub(super) struct Fabric {
    scenario: Arc<Scenario>,
    seeds: Seeds,
    pub(super) agents: Agents,
    /// How many times as long the engine of each node takes in this run.
    paces: Vec<f64>,
    pub(super) images: Images,
    /// Images whose containers end by themselves.
    bad_images: BTreeMap<String, Exit>,
    overlay: Overlay,
    failures: Failures,
    pub(super) links: Links,
    /// For each node, whether it reaches the registry.
    fetches: Vec<bool>,
    gossip: Gossip,
    pub(super) requests: Requests,
    /// Tasks whose container somebody paused.
    paused: BTreeSet<TaskNo>,
    // A buffer.
    changes: Vec<PowerChange>,
}

/// The cores that a node has for itself: what its pool says, or else its CPUs unless machines share. One that declares no CPUs
/// is not limited.
fn own_cores(node: &NodePlan, daemon: &DaemonModel) -> Option<f64> {
    let cpus = node.spec.description.as_ref().map_or(0, |description| description.resources.nano_cpus);
    let declared = (0 < cpus && daemon.cores == CoreModel::Own).then_some(cpus as f64 / 1e9);
    node.cores.or(declared)
}

/// Requests go by the links of the nodes.
impl requests::Network for Links {
    fn entry(&self, node: usize) -> Option<usize> {
        self.open_from(node)
    }

    fn apart(&self, one: usize, other: usize) -> Option<Time> {
        Links::apart(self, one, other)
    }
}

impl Fabric {
    /// Every machine is up, and those of which `is_there` says so are in the cluster.
    pub(super) fn new(scenario: &Arc<Scenario>, seeds: Seeds, is_there: impl Fn(usize) -> bool) -> Fabric {
        let (models, count) = (&scenario.models, scenario.nodes.len());
        let names = scenario.nodes.iter().map(|node| node.spec.id.as_str());
        let paces = models.daemon.pace.draw(names.clone(), seeds);
        let line = pace::factor(models.registry.run_spread, seeds, Stream::LinePace, 0);
        let bandwidths = scenario.nodes.iter().map(|node| node.bandwidth);
        let mut overlay = Overlay::new(&models.overlay, &scenario.networks, 0);
        (0..count).filter(|node| is_there(*node)).for_each(|node| overlay.join(node));
        Fabric {
            seeds,
            agents: Agents::new(&models.daemon, &models.overlay, names, seeds)
                .with_cores(scenario.nodes.iter().map(|node| own_cores(node, &models.daemon))),
            images: Images::new(&models.registry, &scenario.images, bandwidths)
                .with_racks(&racks(scenario))
                .with_paces(&paces, line),
            paces,
            bad_images: scenario
                .images
                .iter()
                .filter_map(|kind| Some((Reference::name_of(&kind.name), kind.exit?)))
                .collect(),
            overlay,
            failures: Failures::new(&scenario.failures, count, seeds),
            links: Links::new(count),
            fetches: vec![true; count],
            gossip: Gossip::new(&models.gossip, count, seeds),
            requests: Requests::new(&scenario.requests, count, models.gossip.interval.is_some(), seeds),
            paused: BTreeSet::new(),
            changes: Vec::new(),
            scenario: Arc::clone(scenario),
        }
    }

    /// Schedules what comes by itself.
    pub(super) fn start(&mut self, cx: &mut Cx) {
        self.failures.start(cx);
    }

    /// What the registry sent by `now`, and the most addresses of a subnet that were in use.
    pub(super) fn into_totals(mut self, now: Time) -> (Totals, u32) {
        (self.images.totals_by(now), self.overlay.addresses_peak())
    }

    /// Virtual addresses of a service, by number of network.
    pub(super) fn virtual_ips(&self, service: ServiceId) -> Option<Vec<(usize, u32)>> {
        self.overlay.virtual_ips(service)
    }

    /// Addresses of a task, by number of network.
    pub(super) fn addresses(&self, task: TaskNo) -> Vec<(usize, u32)> {
        self.overlay.addresses(task)
    }

    /// Every overlay network.
    pub(super) fn networks(&self) -> Vec<NetworkUse> {
        self.overlay.networks()
    }

    /// Acts on a fact.
    pub(super) fn take(&mut self, cx: &mut Cx, fact: &Fact, records: Records<'_>) {
        match fact {
            Fact::Service { service, spec, .. } => self.overlay.add_service(cx, *service, spec),
            Fact::ServiceRemoved(service) => self.overlay.remove_service(cx, *service),
            Fact::TaskCreated { task, service, .. } => {
                let has_addresses = self.overlay.create(*task, *service);
                has_addresses.then(|| cx.tell(Fact::Allocated(*task)));
            }
            Fact::TaskAssigned(task, node) => self.assign(cx, *task, *node, records),
            Fact::TaskWanted(task, desired) => self.agents.desire(cx, *task, *desired),
            Fact::TaskRecord { task, state, .. } => {
                if state.is_terminal() {
                    self.overlay.release(*task);
                    self.images.release(*task);
                } else {
                    self.overlay.stirred(cx, *task);
                }
            }
            Fact::TaskRemoved(task) => {
                self.overlay.release(*task);
                self.agents.remove(cx, *task);
            }
            Fact::Power { node, up: true } => self.agents.power_on(cx, *node),
            Fact::Power { node, up: false } => {
                self.agents.power_off(cx, *node);
                self.images.power_off(cx, *node, self.scenario.models.daemon.keep_cache);
            }
            Fact::Unreachable(node, fault) => {
                self.agents.cut(cx, *node, self.scenario.models.heartbeat.period, *fault);
            }
            Fact::Reachable(node) => self.agents.mend(cx, *node),
            Fact::ImageWanted(task, node) => {
                // Without a record, the order to remove the task is on its way.
                if let Some(record) = records.task(*task) {
                    self.images.pull(cx, *task, *node, &record.spec.task.container.image);
                }
            }
            // Who is not reached does not hear of it.
            Fact::ImageOrdered(node, image) if self.agents.hears(*node) => self.images.prefetch(cx, *node, image),
            Fact::ImageUnwanted(task, node) => self.images.cancel(cx, *task, *node),
            Fact::ImageReady(task) => self.agents.pulled(cx, *task),
            Fact::ImageFailed(task, error) => self.agents.not_pulled(cx, *task, Arc::clone(error)),
            Fact::Attached(task) => self.agents.attached(cx, *task),
            Fact::Started(task) => {
                if let Some(load) = records.origin(*task).and_then(|origin| origin.load) {
                    self.requests.started(cx.now(), load as usize, *task, records.node(*task).unwrap_or_default());
                }
                self.gossip_endpoint(cx, *task, true, records);
            }
            Fact::Leaving(task) => {
                self.requests.leaving(cx.now(), *task);
                self.gossip_endpoint(cx, *task, false, records);
            }
            Fact::Ended(task) => {
                self.paused.remove(task);
                let lost = records.node(*task).is_some_and(|node| !self.failures.is_up(node));
                if self.requests.ended(cx, *task, lost) {
                    self.gossip_endpoint(cx, *task, false, records);
                }
                self.images.release(*task);
            }
            Fact::NewsHeard { task, serves, node } => self.requests.heard(cx.now(), *task, *serves, *node),
            Fact::NodeCreated(node) => {
                self.agents.enter(*node);
                self.overlay.join(*node);
            }
            Fact::ManagerLocked(node) => self.agents.lock(*node),
            // Nothing that it says arrives in time.
            Fact::Overloaded(node, on) => {
                let row = *node as usize;
                cx.note(
                    "load",
                    format!("{} {}", self.scenario.nodes[row].spec.id, if *on { "overloaded" } else { "relieved" }),
                );
                self.set_links(cx, &[row], NetworkFault::TxLost, Cause::LOAD, *on);
            }
            Fact::NodeRemoved(node) => {
                self.overlay.remove_node(cx, *node);
                self.agents.expel(cx, *node);
            }
            Fact::NodeCertified(node) => self.agents.admit(*node),
            Fact::NodeMember(node, there) => {
                self.gossip.member(*node, *there);
                self.requests.member(*node, *there);
            }
            // Another machine than the one that had the name before: it has no images.
            Fact::MachineProvisioned(node) => self.images.power_off(cx, *node, false),
            _ => {}
        }
    }

    /// Frees the addresses of tasks that ended and gives them out again. Says whether any had ended.
    pub(super) fn give_out(&mut self, cx: &mut Cx) -> bool {
        let has_ended = self.overlay.has_ended();
        if has_ended {
            self.overlay.give_out(cx);
        }
        has_ended
    }

    fn assign(&mut self, cx: &mut Cx, number: TaskNo, node: usize, records: Records<'_>) {
        // A record that was deleted in the same step has nothing to say any more.
        let Some(task) = records.task(number) else { return };
        let Some(origin) = records.origin(number) else { return };
        let slot = match task.slot {
            sched::Slot::Number(number) => u64::from(number) << 1,
            sched::Slot::Spare(number) => 1 << 40 | u64::from(number) << 1,
            sched::Slot::Node(node) => (node.index() as u64) << 1 | 1,
        };
        let chance = part(part(origin.entity, slot), u64::from(task.instance));
        let mut rng = self.seeds.stream(Stream::Task, chance);
        let container = &task.spec.task.container;
        let mut behaviour = records.behaviour(task);
        if !self.bad_images.is_empty()
            && let Some(exit) = self.bad_images.get(&Reference::name_of(&container.image))
        {
            behaviour.exit = Some(*exit);
        }
        let models = &self.scenario.models;
        let (joining, pace) = (self.overlay.joining(task.service), self.paces[node]);
        let life = Life::draw(&models.daemon, &models.overlay, container, &behaviour, pace, &mut rng);
        let life = life.joining(&models.overlay, joining, pace);
        let attached = self.overlay.assign(number, node);
        self.agents.assign(cx, number, node, task.desired, life, 0 < joining.networks, attached);
    }

    /// A task serves or does not any more: its node tells the others.
    fn gossip_endpoint(&mut self, cx: &mut Cx, task: TaskNo, serves: bool, records: Records<'_>) {
        if self.scenario.models.gossip.interval.is_some()
            && let Some(node) = records.node(task)
        {
            let is_asked = records.origin(task).is_some_and(|origin| origin.load.is_some());
            self.gossip.news(cx, node, is_asked.then_some(Subject { task, serves }));
        }
    }

    /// A round of gossip.
    pub(super) fn gossip(&mut self, cx: &mut Cx, round: crate::model::gossip::Round) {
        let links = &self.links;
        self.gossip.handle(cx, round, |one, other| links.apart(one, other).is_none());
    }

    /// A request comes, or an autoscaler looks whose service wants so many replicas.
    pub(super) fn request(&mut self, cx: &mut Cx, event: requests::RequestEvent, replicas: u64) {
        self.requests.handle(cx, event, replicas, &self.links);
    }

    /// A process of failure takes its turn. Says what comes of it.
    pub(super) fn turn(&mut self, cx: &mut Cx, turn: failure::Transition) -> Option<(FailureEvent, FailedUnit)> {
        let happening = self.failures.handle(cx, turn, &mut self.changes)?;
        let (plan, unit) = self.failures.rows(turn);
        let fault = self.failures.fault(turn).map(|(fault, process)| (fault, process as u32));
        Some((happening, FailedUnit { plan, unit, failed: happening == FailureEvent::Failed, fault }))
    }

    /// A unit of a failure plan fails, or is repaired.
    pub(super) fn strike(&mut self, cx: &mut Cx, struck: FailedUnit) {
        let scenario = Arc::clone(&self.scenario);
        let unit = &scenario.failures[struck.plan as usize].units[struck.unit as usize];
        match struck.fault {
            Some((fault, process)) => {
                let kind = if struck.failed { "network broken" } else { "network repaired" };
                cx.note(kind, format!("{} {kind}", unit.name));
                self.set_links(cx, &unit.nodes, fault, Cause::process(process as usize), struck.failed);
            }
            None => self.power(cx, struck.failed, Some(&unit.name)),
        }
    }

    /// The container of a task is paused: it answers nobody. Says whether it served.
    pub(super) fn pause(&mut self, cx: &Cx, task: TaskNo) -> bool {
        let is_new = self.agents.serves(task) && self.paused.insert(task);
        if is_new {
            self.requests.leaving(cx.now(), task);
        }
        is_new
    }

    /// Paused containers of a service answer again.
    pub(super) fn unpause(&mut self, cx: &Cx, service: ServiceId, records: Records<'_>) {
        let is_its = |task: &TaskNo| records.task(*task).is_some_and(|record| record.service == service);
        let tasks: Vec<TaskNo> = self.paused.iter().copied().filter(is_its).collect();
        for task in tasks {
            self.paused.remove(&task);
            if let Some(load) = records.origin(task).and_then(|origin| origin.load) {
                self.requests.started(cx.now(), load as usize, task, records.node(task).unwrap_or_default());
            }
        }
    }

    /// What the run is about.
    pub(super) fn scenario(&self) -> &Arc<Scenario> {
        &self.scenario
    }

    /// A network is created.
    pub(super) fn create_network(&mut self, plan: &NetworkPlan) {
        self.overlay.create_network(plan);
    }

    /// A network that nobody uses is removed.
    pub(super) fn remove_network(&mut self, name: &str) {
        self.overlay.remove_network(name);
    }

    /// Somebody switches machines off or on.
    pub(super) fn switch(&mut self, cx: &mut Cx, nodes: &[usize], on: bool) {
        self.failures.switch(nodes, on, &mut self.changes);
        self.power(cx, !on, None);
    }

    /// Machines of `changes` lost power or got it, because a unit failed or the script said so.
    fn power(&mut self, cx: &mut Cx, failed: bool, unit: Option<&str>) {
        if let Some(first) = self.changes.first() {
            let kind = if failed { "down" } else { "up" };
            let node = self.scenario.nodes[first.node].spec.id.as_str();
            let count = self.changes.len();
            let label = match unit {
                Some(unit) if unit != node => {
                    format!("{unit} {kind} ({count} node{})", if count == 1 { "" } else { "s" })
                }
                _ if count == 1 => format!("{node} {kind}"),
                _ => format!("{count} nodes {kind}"),
            };
            cx.note(kind, label);
        }
        self.changes.drain(..).for_each(|PowerChange { node, up }| cx.tell(Fact::Power { node, up }));
    }

    /// Networks of nodes break, or that break of theirs is over.
    pub(super) fn set_links(&mut self, cx: &mut Cx, nodes: &[usize], fault: NetworkFault, cause: Cause, broken: bool) {
        nodes.iter().for_each(|&node| self.links.set(cx.now(), node, fault, cause, broken));
        self.relink(cx, nodes);
    }

    /// All that the script broke of the networks of nodes is repaired.
    pub(super) fn mend_links(&mut self, cx: &mut Cx, nodes: &[usize]) {
        nodes.iter().for_each(|&node| self.links.mend(cx.now(), node));
        self.relink(cx, nodes);
    }

    /// The registry is on the side that nothing splits off.
    fn relink(&mut self, cx: &mut Cx, nodes: &[usize]) {
        for &node in nodes {
            let fetches = self.links.side(node) == Some(0);
            if std::mem::replace(&mut self.fetches[node], fetches) != fetches {
                self.images.link(cx, node, fetches);
            }
        }
        cx.tell(Fact::LinksChanged(nodes.into()));
    }

    /// The engine of a node was stopped, and is started again or not.
    pub(super) fn engine_stopped(&mut self, cx: &mut Cx, node: usize, comes_back: bool) {
        self.images.power_off(cx, node, self.scenario.models.daemon.keep_cache);
        cx.tell(if comes_back { Fact::EngineRestarted(node) } else { Fact::AgentGone(node) });
    }

    /// The links of nodes to the manager are impaired, or sound again.
    pub(super) fn degrade_links(&mut self, nodes: &[usize], impairment: Option<LinkImpairment>) {
        nodes.iter().for_each(|&node| self.agents.degrade_link(node, impairment));
    }
}

/// The racks of the nodes by number, in order of the values of their label; nodes without one are in a rack together.
fn racks(scenario: &Scenario) -> Vec<usize> {
    let value = |node: &NodePlan| node.spec.labels.get(&scenario.models.registry.rack).cloned().unwrap_or_default();
    let values: Vec<String> = scenario.nodes.iter().map(value).collect();
    let rows: BTreeMap<&String, usize> =
        values.iter().collect::<BTreeSet<_>>().into_iter().enumerate().map(|(row, value)| (value, row)).collect();
    values.iter().map(|value| rows[value]).collect()
}
