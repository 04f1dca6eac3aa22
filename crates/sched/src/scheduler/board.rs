//! What a strategy sees while it places a group of equal tasks: the nodes, their load, and what still fits.

use std::sync::Arc;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::filter::{Pipeline, Refusals};
use crate::cluster::Cluster;
use crate::generic;
use crate::id::{IdVec, NodeId, Row, ServiceId};
use crate::spec::{GenericResource, Protocol, Resources, ServiceSpec};
use crate::time::{Span, Time};

/// SwarmKit `monitorFailures`: failures are remembered for five minutes.
const FAILURE_MEMORY: Span = Span::from_secs(300);
/// SwarmKit `maxFailures`: fewer than this do not matter.
const FAILURES_THAT_MATTER: u32 = 5;

/// How a choice between equals is made. SwarmKit leaves it to the order of a hash map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TieBreak {
    /// The node that joined first, the branch whose value sorts first.
    LowestId,
    /// By chance, from the seed of the configuration: the same seed makes the same choices.
    #[default]
    Seeded,
}

/// The source of tie-breaks: one salt for each group that is placed.
pub(super) struct Ties(Option<ChaCha8Rng>);

impl Ties {
    pub(super) fn new(rule: TieBreak, seed: u64) -> Ties {
        Ties((rule == TieBreak::Seeded).then(|| ChaCha8Rng::seed_from_u64(seed)))
    }

    pub(super) fn next(&mut self) -> Option<u64> {
        self.0.as_mut().map(Rng::next_u64)
    }
}

/// What the tasks of a node hold, and what is left.
#[derive(Clone, Debug, Default)]
pub(super) struct Load {
    nano_cpus: i64,
    memory: i64,
    generic: Vec<GenericResource>,
    active: u32,
    /// Active tasks by service, sorted by service.
    by_service: Vec<(ServiceId, u32)>,
    ports: Vec<(Protocol, u16)>,
    failures: Vec<((ServiceId, u64), Vec<Time>)>,
}

impl Load {
    pub(super) fn new(total: Resources) -> Load {
        Load { nano_cpus: total.nano_cpus, memory: total.memory, generic: total.generic, ..Load::default() }
    }

    /// Counts a task and takes its reservation; the answer is the generic units that it got.
    pub(super) fn add(&mut self, service: ServiceId, spec: &ServiceSpec, active: bool) -> Vec<GenericResource> {
        let wants = &spec.task.reservations;
        self.nano_cpus -= wants.nano_cpus;
        self.memory -= wants.memory;
        self.ports.extend(super::filter::host_ports(spec));
        if active {
            self.count(service, true);
        }
        if wants.generic.is_empty() { Vec::new() } else { generic::claim(&mut self.generic, &wants.generic) }
    }

    /// The opposite of [`Load::add`]. Ports are a set without counts, as in SwarmKit.
    pub(super) fn remove(
        &mut self,
        service: ServiceId,
        spec: &ServiceSpec,
        active: bool,
        got: &[GenericResource],
        total: &[GenericResource],
    ) {
        let wants = &spec.task.reservations;
        self.nano_cpus += wants.nano_cpus;
        self.memory += wants.memory;
        for port in super::filter::host_ports(spec) {
            self.ports.retain(|other| *other != port);
        }
        if active {
            self.count(service, false);
        }
        generic::reclaim(&mut self.generic, got, total);
    }

    /// One active task of the service more or less.
    pub(super) fn count(&mut self, service: ServiceId, more: bool) {
        let place = self.by_service.binary_search_by_key(&service, |(id, _)| *id);
        if more {
            self.active += 1;
            match place {
                Ok(index) => self.by_service[index].1 += 1,
                Err(index) => self.by_service.insert(index, (service, 1)),
            }
        } else {
            self.active -= 1;
            let index = place.expect("what is counted off was counted on");
            self.by_service[index].1 -= 1;
            if self.by_service[index].1 == 0 {
                self.by_service.remove(index);
            }
        }
    }

    /// The node reports other totals while its tasks hold what they hold. What is left may be negative.
    pub(super) fn measure(&mut self, total: Resources, held: &[(Arc<ServiceSpec>, Vec<GenericResource>)]) {
        self.nano_cpus = total.nano_cpus;
        self.memory = total.memory;
        self.generic = total.generic;
        for (spec, units) in held {
            self.nano_cpus -= spec.task.reservations.nano_cpus;
            self.memory -= spec.task.reservations.memory;
            generic::take(&mut self.generic, units);
        }
    }

    /// A task of the service failed here.
    pub(super) fn fail(&mut self, service: ServiceId, version: u64, now: Time) {
        let key = (service, version);
        let recent = |at: &Time| now.since(*at) < FAILURE_MEMORY;
        self.failures.retain_mut(|(_, times)| {
            times.retain(recent);
            !times.is_empty()
        });
        match self.failures.iter_mut().find(|(other, _)| *other == key) {
            Some((_, times)) => times.push(now),
            None => self.failures.push((key, vec![now])),
        }
    }

    fn recent_failures(&self, service: ServiceId, version: u64, now: Time) -> u32 {
        let times = self.failures.iter().find(|(key, _)| *key == (service, version));
        times.map_or(0, |(_, times)| times.iter().filter(|at| now.since(**at) < FAILURE_MEMORY).count() as u32)
    }

    pub(super) fn active(&self) -> u32 {
        self.active
    }

    pub(super) fn active_of(&self, service: ServiceId) -> u32 {
        self.by_service.binary_search_by_key(&service, |(id, _)| *id).map_or(0, |index| self.by_service[index].1)
    }

    pub(super) fn free(&self) -> (i64, i64) {
        (self.nano_cpus, self.memory)
    }

    pub(super) fn generic(&self) -> &[GenericResource] {
        &self.generic
    }

    pub(super) fn ports(&self) -> &[(Protocol, u16)] {
        &self.ports
    }
}

/// SwarmKit's order of nodes for a group: the smaller is the better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rank {
    /// Recent failures of this version of the service, if there are at least five.
    pub failures: u32,
    /// Active tasks of this service.
    pub of_service: u32,
    /// Active tasks in all.
    pub total: u32,
}

/// The cluster as a strategy sees it. Placing a task changes what the board shows.
pub struct Board<'a> {
    cluster: &'a Cluster,
    loads: &'a mut IdVec<NodeId, Load>,
    pipeline: Pipeline,
    version: u64,
    salt: Option<u64>,
    /// For each task of the group, whether it will be counted as active.
    active: Vec<bool>,
    placements: Vec<(NodeId, Vec<GenericResource>)>,
}

impl<'a> Board<'a> {
    pub(super) fn new(
        cluster: &'a Cluster,
        loads: &'a mut IdVec<NodeId, Load>,
        pipeline: Pipeline,
        version: u64,
        salt: Option<u64>,
        active: Vec<bool>,
    ) -> Board<'a> {
        Board { cluster, loads, pipeline, version, salt, active, placements: Vec::new() }
    }

    /// Every node, usable or not, in order of joining.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<'a> {
        self.cluster.nodes().iter().filter(|(_, node)| !node.removed).map(|(id, _)| id)
    }

    /// Tasks of the group that have no node yet.
    pub fn waiting(&self) -> usize {
        self.active.len() - self.placements.len()
    }

    /// Whether one more task of the group may go to a node.
    pub fn fits(&self, node: NodeId) -> bool {
        self.pipeline.refusal(&self.cluster.nodes()[node].spec, &self.loads[node]).is_none()
    }

    /// Gives the next task of the group to a node, which must fit.
    pub fn place(&mut self, node: NodeId) {
        let active = self.active[self.placements.len()];
        let generic = self.loads[node].add(self.pipeline.service(), self.pipeline.spec(), active);
        self.placements.push((node, generic));
    }

    /// Swarm's order of nodes.
    pub fn rank(&self, node: NodeId) -> Rank {
        let load = &self.loads[node];
        let failures = load.recent_failures(self.pipeline.service(), self.version, self.cluster.now());
        Rank {
            failures: if failures < FAILURES_THAT_MATTER { 0 } else { failures },
            of_service: load.active_of(self.pipeline.service()),
            total: load.active(),
        }
    }

    /// Decides between equals: lower first. Any number may be asked about, a node's row or a branch's.
    pub fn tie(&self, number: usize) -> u64 {
        match self.salt {
            None => number as u64,
            Some(salt) => mix(salt ^ number as u64),
        }
    }

    /// [`Board::tie`] of a node.
    pub fn tie_of(&self, node: NodeId) -> u64 {
        self.tie(node.index())
    }

    /// Labels over whose values the service wants to be spread, outermost first. Descriptors that name no label are
    /// left out, as SwarmKit does.
    pub fn preferences(&self) -> Vec<String> {
        let is_label = |descriptor: &&String| crate::constraint::label(descriptor, &Default::default()).is_some();
        self.pipeline.spec().task.placement.preferences.iter().filter(is_label).cloned().collect()
    }

    /// The value of a label on a node; empty if it lacks it.
    pub fn label(&self, descriptor: &str, node: NodeId) -> &'a str {
        crate::constraint::label(descriptor, &self.cluster.nodes()[node].spec).unwrap_or("")
    }

    /// What a node has, in nano-CPUs and bytes.
    pub fn capacity(&self, node: NodeId) -> (i64, i64) {
        let description = self.cluster.nodes()[node].spec.description.as_ref();
        description.map_or((0, 0), |it| (it.resources.nano_cpus, it.resources.memory))
    }

    /// What a node has left, in nano-CPUs and bytes.
    pub fn free(&self, node: NodeId) -> (i64, i64) {
        self.loads[node].free()
    }

    /// Where the tasks go, and why the rest of them go nowhere.
    pub(super) fn finish(self) -> (Vec<(NodeId, Vec<GenericResource>)>, Refusals) {
        let mut refusals = Refusals::default();
        if self.waiting() > 0 {
            for node in self.nodes() {
                match self.pipeline.refusal(&self.cluster.nodes()[node].spec, &self.loads[node]) {
                    Some(filter) => refusals.add(filter),
                    // SwarmKit's counters start again whenever a node passes.
                    None => refusals = Refusals::default(),
                }
            }
        }
        (self.placements, refusals)
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): every bit of the input changes half of the output.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
