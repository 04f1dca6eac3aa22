//! What every node holds and has left: the few numbers that all decisions are made of.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::counts::Counts;
use super::filter::{self, Filter, Requirement};
use super::layout::Layout;
use crate::cluster::Cluster;
use crate::generic;
use crate::id::{IdMap, IdVec, NodeId, Row, ServiceId};
use crate::spec::{GenericResource, NodeSpec, Protocol, Resources, ServiceSpec};
use crate::time::{Span, Time};

/// SwarmKit `monitorFailures`: failures are remembered for five minutes.
const FAILURE_MEMORY: Span = Span::from_secs(300);
/// SwarmKit `maxFailures`: fewer than this do not matter.
const FAILURES_THAT_MATTER: u32 = 5;

/// A service with tasks on less than a sixteenth of the nodes has few.
const FEW: usize = 16;

/// Tasks of one service and version: they are equal, so what must be known to place one of them is known once.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) service: ServiceId,
    pub(super) version: u64,
    pub(super) spec: Arc<ServiceSpec>,
    /// Number of its interned [`Requirement`].
    pub(super) requirement: usize,
    /// Number of the layout of its preferences.
    pub(super) layout: usize,
    // What every decision asks of the specification, which is elsewhere in memory.
    room: (i64, i64),
    max_replicas: u64,
    wants_units: bool,
    ports: Vec<(Protocol, u16)>,
}

impl Group {
    pub(super) fn new(
        service: ServiceId,
        version: u64,
        spec: Arc<ServiceSpec>,
        requirement: usize,
        layout: usize,
    ) -> Group {
        let ports = filter::host_ports(&spec).collect();
        let wants = &spec.task.reservations;
        let (room, wants_units) = ((wants.nano_cpus, wants.memory), !wants.generic.is_empty());
        let max_replicas = spec.task.placement.max_replicas;
        Group { service, version, spec, requirement, layout, room, max_replicas, wants_units, ports }
    }

    /// Nano-CPUs and bytes for one task.
    pub(super) fn room(&self) -> (i64, i64) {
        self.room
    }

    /// Whether its tasks reserve generic units.
    pub(super) fn wants_units(&self) -> bool {
        self.wants_units
    }

    /// Whether CPU and memory are all that its tasks take away from each other.
    pub(super) fn is_plain(&self) -> bool {
        self.ports.is_empty() && self.max_replicas == 0 && !self.wants_units
    }
}

/// The hot row of a node: half a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Load {
    nano_cpus: i64,
    memory: i64,
    active: u32,
    ready: bool,
    removed: bool,
}

const _: () = assert!(size_of::<Load>() == 32);

/// What a task holds on its node.
pub(super) struct Held<'a> {
    pub(super) node: NodeId,
    pub(super) group: &'a Group,
    pub(super) active: bool,
    pub(super) units: &'a [GenericResource],
}

/// When a task of which service and version failed, and on which node.
pub(super) type Happened = (Time, ServiceId, u64, NodeId);

/// Which filters are asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Depth {
    /// Those that look at the node alone.
    Nodes,
    /// Also whether CPU and memory suffice.
    Room,
    /// All.
    All,
}

/// Loads, counts and failures, and a log of the nodes that changed.
#[derive(Clone, Default)]
pub(super) struct Ledger {
    loads: IdVec<NodeId, Load>,
    /// What is left on nodes where 64 bits do not hold it: more was taken over there than any node has.
    beyond: BTreeMap<NodeId, (i128, i128)>,
    capacities: IdVec<NodeId, (i64, i64)>,
    generic: IdVec<NodeId, Vec<GenericResource>>,
    ports: IdVec<NodeId, Vec<(Protocol, u16)>>,
    /// Where tasks that were taken over shared a host port, and where tasks hold units that the node did not have when they
    /// were counted: SwarmKit gives such ports and units out again while somebody holds them.
    shared: BTreeSet<NodeId>,
    overdrawn: BTreeSet<NodeId>,
    usages: IdMap<ServiceId, ServiceUsage>,
    failures: Failures,
    pub(super) log: ChangedNodes,
}

// Writes.
impl Ledger {
    pub(super) fn add_node(&mut self, spec: &NodeSpec) {
        let (capacity, generic) = totals(spec);
        let ready = filter::is_ready(spec);
        self.loads.push(Load { nano_cpus: capacity.0, memory: capacity.1, active: 0, ready, removed: false });
        self.capacities.push(capacity);
        self.generic.push(generic.to_vec());
        self.ports.push(Vec::new());
        self.log.resize(self.loads.len());
    }

    /// The node reports what it is and has now, while its tasks hold what they hold. What is left may be negative.
    pub(super) fn update_node<'a>(
        &mut self,
        node: NodeId,
        spec: &NodeSpec,
        held: impl Iterator<Item = (&'a Resources, &'a [GenericResource])>,
    ) {
        let (capacity, generic) = totals(spec);
        self.capacities[node] = capacity;
        self.generic[node].clear();
        self.generic[node].extend_from_slice(generic);
        self.loads[node].ready = filter::is_ready(spec);
        let (mut nano_cpus, mut memory) = (i128::from(capacity.0), i128::from(capacity.1));
        self.overdrawn.remove(&node);
        for (reserved, units) in held {
            nano_cpus -= i128::from(reserved.nano_cpus);
            memory -= i128::from(reserved.memory);
            let is_there = |unit| generic::offers(&self.generic[node], unit) && !generic::is_negative(unit);
            if !units.iter().all(is_there) {
                self.overdrawn.insert(node);
            }
            generic::take(&mut self.generic[node], units);
        }
        self.set_free(node, (nano_cpus, memory));
        self.log.touch(node);
    }

    /// Writes what is left; comparisons see the nearest number of 64 bits.
    fn set_free(&mut self, node: NodeId, free: (i128, i128)) {
        let near = |exact: i128| exact.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        let load = &mut self.loads[node];
        (load.nano_cpus, load.memory) = (near(free.0), near(free.1));
        if free == (load.nano_cpus.into(), load.memory.into()) {
            self.beyond.remove(&node);
        } else {
            self.beyond.insert(node, free);
        }
    }

    /// Takes room for one task, or gives it back.
    fn move_room(&mut self, node: NodeId, (nano_cpus, memory): (i64, i64), back: bool) {
        let load = &mut self.loads[node];
        let moved = match back {
            false => (load.nano_cpus.checked_sub(nano_cpus), load.memory.checked_sub(memory)),
            true => (load.nano_cpus.checked_add(nano_cpus), load.memory.checked_add(memory)),
        };
        if self.beyond.is_empty()
            && let (Some(nano_cpus), Some(memory)) = moved
        {
            (load.nano_cpus, load.memory) = (nano_cpus, memory);
            return;
        }
        let near = (load.nano_cpus.into(), load.memory.into());
        let free = self.beyond.get(&node).copied().unwrap_or(near);
        let (nano_cpus, memory) = (i128::from(nano_cpus), i128::from(memory));
        self.set_free(
            node,
            if back { (free.0 + nano_cpus, free.1 + memory) } else { (free.0 - nano_cpus, free.1 - memory) },
        );
    }

    pub(super) fn remove_node(&mut self, node: NodeId) {
        self.loads[node].removed = true;
        self.log.touch(node);
    }

    /// A node takes nothing more, for the question where tasks would go without it.
    pub(super) fn exclude(&mut self, node: NodeId) {
        self.loads[node].ready = false;
        self.log.touch(node);
    }

    /// A node is there again that was not. What failed on it before, failed on another node.
    pub(super) fn rejoin(&mut self, node: NodeId) {
        self.loads[node].removed = false;
        self.failures.forget_node(node);
        self.log.touch(node);
    }

    /// Counts a task and takes its reservation; the answer is the generic units that it got.
    pub(super) fn add(&mut self, group: &Group, node: NodeId, active: bool) -> Vec<GenericResource> {
        self.move_room(node, group.room, false);
        if !group.ports.is_empty() {
            if group.ports.iter().any(|port| self.ports[node].contains(port)) {
                self.shared.insert(node);
            }
            self.ports[node].extend(&group.ports);
        }
        if active {
            self.count(group.service, node, true);
        } else {
            self.log.touch(node);
        }
        if !group.wants_units {
            return Vec::new();
        }
        let requests = &group.spec.task.reservations.generic;
        if !generic::are_plain(requests) {
            self.overdrawn.insert(node);
        }
        generic::claim(&mut self.generic[node], requests)
    }

    /// The opposite of [`Ledger::add`]. Ports are a set without counts, as in SwarmKit.
    pub(super) fn remove(
        &mut self,
        group: &Group,
        node: NodeId,
        active: bool,
        got: &[GenericResource],
        now: &NodeSpec,
    ) {
        self.move_room(node, group.room, true);
        if !group.ports.is_empty() {
            self.ports[node].retain(|port| !group.ports.contains(port));
        }
        if !got.is_empty() {
            generic::reclaim(&mut self.generic[node], got, totals(now).1);
        }
        if active {
            self.count(group.service, node, false);
        } else {
            self.log.touch(node);
        }
    }

    /// One active task of the service more or less.
    pub(super) fn count(&mut self, service: ServiceId, node: NodeId, more: bool) {
        if self.usages.get(service).is_none() {
            self.usages.insert(service, ServiceUsage::default());
        }
        let nodes = self.loads.len();
        let (load, ServiceUsage { counts, by_branch }) = (&mut self.loads[node], &mut self.usages[service]);
        if more {
            load.active += 1;
            counts.increase(node, nodes);
        } else {
            load.active -= 1;
            counts.decrease(node);
        }
        if let Some(tasks) = by_branch {
            tasks.changes.push((node, more));
            if counts.len() < tasks.changes.len() {
                *by_branch = None;
            }
        }
        self.log.touch(node);
    }

    /// A service has no task any more, and never will.
    pub(super) fn forget_service(&mut self, service: ServiceId) {
        self.usages.remove(service);
    }

    /// A task of the group failed here.
    pub(super) fn fail(&mut self, service: ServiceId, version: u64, node: NodeId, at: Time) {
        self.failures.add(service, version, node, self.loads.len(), at);
        self.log.touch(node);
    }

    /// Puts into `out` the active tasks of a service in each branch of the layout that has this number.
    pub(super) fn tasks_by_branch(&mut self, service: ServiceId, number: usize, layout: &Layout, out: &mut Vec<u32>) {
        let Some(ServiceUsage { counts, by_branch }) = self.usages.get_mut(service) else {
            return count_by_branch(&Counts::none(), layout, out);
        };
        // With few nodes they are counted anew each time.
        if counts.len() * FEW <= self.loads.len() || counts.len() <= FEW {
            *by_branch = None;
            return count_by_branch(counts, layout, out);
        }
        let by_branch = by_branch.get_or_insert_default();
        if by_branch.of == Some((number, layout.built)) {
            for (node, more) in by_branch.changes.drain(..) {
                let Some(place) = layout.place(node) else { continue };
                let tasks = &mut by_branch.tasks;
                layout
                    .path(place)
                    .for_each(|branch| tasks[branch] = if more { tasks[branch] + 1 } else { tasks[branch] - 1 });
            }
        } else {
            by_branch.of = Some((number, layout.built));
            by_branch.changes.clear();
            count_by_branch(counts, layout, &mut by_branch.tasks);
        }
        out.clone_from(&by_branch.tasks);
    }

    /// Forgets failures that happened long ago.
    pub(super) fn forget_failures(&mut self, now: Time) {
        while let Some(node) = self.failures.forget_one(now) {
            self.log.touch(node);
        }
    }
}

// Reads.
impl Ledger {
    /// Nodes that ever joined.
    pub(super) fn len(&self) -> usize {
        self.loads.len()
    }

    pub(super) fn is_removed(&self, node: NodeId) -> bool {
        self.loads[node].removed
    }

    pub(super) fn active(&self, node: NodeId) -> u32 {
        self.loads[node].active
    }

    pub(super) fn free(&self, node: NodeId) -> (i64, i64) {
        (self.loads[node].nano_cpus, self.loads[node].memory)
    }

    pub(super) fn capacity(&self, node: NodeId) -> (i64, i64) {
        self.capacities[node]
    }

    /// Host ports that are taken on a node.
    pub(super) fn ports(&self, node: NodeId) -> &[(Protocol, u16)] {
        &self.ports[node]
    }

    pub(super) fn generic(&self, node: NodeId) -> &[GenericResource] {
        &self.generic[node]
    }

    /// Active tasks of a service, by node.
    pub(super) fn counts(&self, service: ServiceId) -> &Counts {
        static NONE: Counts = Counts::none();
        self.usages.get(service).map_or(&NONE, |usage| &usage.counts)
    }

    /// Recent failures of a group by node, whether they matter or not.
    pub(super) fn failures(&self, service: ServiceId, version: u64) -> Option<&Counts> {
        self.failures.by_group.get(&(service, version))
    }

    /// The first filter that refuses a node, if any of those asked does. `verdict` is what the group's [`Requirement`]
    /// says of the node.
    #[inline]
    pub(super) fn refusal(&self, group: &Group, node: NodeId, verdict: Option<Filter>, depth: Depth) -> Option<Filter> {
        let load = &self.loads[node];
        if !load.ready {
            return Some(Filter::Ready);
        }
        if depth >= Depth::Room {
            let reserves = group.room != (0, 0) || group.wants_units;
            let scarce = group.room.0 > load.nano_cpus || group.room.1 > load.memory;
            let units = || &group.spec.task.reservations.generic;
            let asks = depth == Depth::All && group.wants_units;
            if reserves && (scarce || asks && !generic::has_enough(&self.generic[node], units())) {
                return Some(Filter::Resource);
            }
        }
        if verdict.is_some() || depth < Depth::All {
            return verdict;
        }
        if !group.ports.is_empty() && group.ports.iter().any(|port| self.ports[node].contains(port)) {
            return Some(Filter::HostPort);
        }
        let most = group.max_replicas;
        if most > 0 && u64::from(self.counts(group.service).get(node)) >= most {
            return Some(Filter::MaxReplicas);
        }
        None
    }

    /// Compares every number with what the tables of the cluster say.
    pub(super) fn check<'a>(&self, cluster: &Cluster, held: impl Iterator<Item = Held<'a>>) {
        let mut free: BTreeMap<NodeId, (i128, i128, u32)> = BTreeMap::new();
        let mut counts: BTreeMap<(ServiceId, NodeId), u32> = BTreeMap::new();
        let mut ports: BTreeMap<NodeId, Vec<(Protocol, u16)>> = BTreeMap::new();
        let mut units: BTreeMap<NodeId, Vec<&GenericResource>> = BTreeMap::new();
        for node in self.loads.ids() {
            let (cpus, memory) = totals(&cluster.nodes()[node].spec).0;
            free.insert(node, (cpus.into(), memory.into(), 0));
        }
        for task in held {
            let (node, spec) = (task.node, &task.group.spec);
            let room = free.get_mut(&node).expect("a node of the cluster");
            room.0 -= i128::from(spec.task.reservations.nano_cpus);
            room.1 -= i128::from(spec.task.reservations.memory);
            room.2 += u32::from(task.active);
            *counts.entry((task.group.service, node)).or_default() += u32::from(task.active);
            ports.entry(node).or_default().extend(filter::host_ports(spec));
            units.entry(node).or_default().extend(task.units);
        }
        for node in self.loads.ids() {
            let (mut own, mut held) = (self.ports[node].clone(), ports.remove(&node).unwrap_or_default());
            own.sort_unstable();
            held.sort_unstable();
            let is_part = own.iter().all(|port| held.contains(port));
            assert!(own == held || self.shared.contains(&node) && is_part, "host ports of node {}", node.index());
            let held = units.remove(&node).unwrap_or_default();
            if !self.overdrawn.contains(&node) {
                let total = totals(&cluster.nodes()[node].spec).1;
                generic::check(total, &held, &self.generic[node]);
            }
        }
        for (node, load) in self.loads.iter() {
            let near = (load.nano_cpus.into(), load.memory.into());
            let (nano_cpus, memory) = self.beyond.get(&node).copied().unwrap_or(near);
            let own = (nano_cpus, memory, load.active);
            assert_eq!(own, free[&node], "free resources and active tasks of node {}", node.index());
            assert_eq!(load.ready, filter::is_ready(&cluster.nodes()[node].spec), "node {}", node.index());
        }
        counts.retain(|_, count| *count > 0);
        for ((service, node), count) in &counts {
            assert_eq!(self.counts(*service).get(*node), *count, "tasks of {service:?} on {node:?}");
        }
        assert_eq!(
            self.usages.iter().map(|(_, usage)| usage.counts.len()).sum::<usize>(),
            counts.len(),
            "services on nodes"
        );
    }
}

// Snapshots. Counts and what is left of CPU and memory follow from the tasks.
#[cfg(feature = "snapshot")]
impl Ledger {
    pub(super) fn happened(&self) -> impl Iterator<Item = Happened> + '_ {
        self.failures.window.iter().copied()
    }

    /// What is left of generic units on nodes that have any.
    pub(super) fn all_generic(&self) -> impl Iterator<Item = (NodeId, &[GenericResource])> {
        self.generic.iter().map(|(node, left)| (node, &left[..])).filter(|(_, left)| !left.is_empty())
    }

    /// Ports that are in use on nodes where any is.
    pub(super) fn all_ports(&self) -> impl Iterator<Item = (NodeId, &[(Protocol, u16)])> {
        self.ports.iter().map(|(node, ports)| (node, &ports[..])).filter(|(_, ports)| !ports.is_empty())
    }

    /// Counts a task whose units and ports are known.
    pub(super) fn hold(&mut self, group: &Group, node: NodeId, active: bool) {
        self.move_room(node, group.room, false);
        if active {
            self.count(group.service, node, true);
        }
    }

    pub(super) fn recall_generic(&mut self, saved: impl Iterator<Item = (NodeId, Vec<GenericResource>)>) {
        self.generic.ids().for_each(|node| self.generic[node].clear());
        saved.for_each(|(node, left)| self.generic[node] = left);
    }

    /// Nodes whose ports and units [`Ledger::check`] does not look at as it does at others.
    pub(super) fn unchecked(&self) -> [&BTreeSet<NodeId>; 2] {
        [&self.shared, &self.overdrawn]
    }

    pub(super) fn recall_unchecked(&mut self, [shared, overdrawn]: [BTreeSet<NodeId>; 2]) {
        (self.shared, self.overdrawn) = (shared, overdrawn);
    }

    pub(super) fn recall_ports(&mut self, saved: impl Iterator<Item = (NodeId, Vec<(Protocol, u16)>)>) {
        saved.for_each(|(node, ports)| self.ports[node] = ports);
    }
}

fn totals(spec: &NodeSpec) -> ((i64, i64), &[GenericResource]) {
    let resources = spec.description.as_ref().map(|description| &description.resources);
    resources.map_or(((0, 0), &[]), |resources| ((resources.nano_cpus, resources.memory), &resources.generic))
}

fn count_by_branch(counts: &Counts, layout: &Layout, out: &mut Vec<u32>) {
    out.clear();
    out.resize(layout.branches().len(), 0);
    for (node, count) in counts.iter() {
        let Some(place) = layout.place(node) else { continue };
        layout.path(place).for_each(|branch| out[branch] += count);
    }
}

/// What a service holds: its active tasks by node and, if it has many, by branch.
#[derive(Clone, Default)]
struct ServiceUsage {
    counts: Counts,
    by_branch: Option<Box<BranchCounts>>,
}

/// Active tasks of a service by branch of a layout, and where tasks came and went since they were counted.
#[derive(Clone, Default)]
struct BranchCounts {
    /// Number of the layout, and when that was built.
    of: Option<(usize, u64)>,
    tasks: Vec<u32>,
    changes: Vec<(NodeId, bool)>,
}

/// SwarmKit's memory of failures: for five minutes, by service, version and node.
#[derive(Clone, Default)]
struct Failures {
    /// In order of time.
    window: VecDeque<Happened>,
    by_group: BTreeMap<(ServiceId, u64), Counts>,
}

impl Failures {
    fn add(&mut self, service: ServiceId, version: u64, node: NodeId, nodes: usize, at: Time) {
        let place = self.window.partition_point(|(other, ..)| *other <= at);
        self.window.insert(place, (at, service, version, node));
        self.by_group.entry((service, version)).or_default().increase(node, nodes);
    }

    fn forget_node(&mut self, node: NodeId) {
        let Failures { window, by_group } = self;
        window.retain(|(_, service, version, at)| {
            if *at == node {
                Failures::decrease(by_group, (*service, *version), node);
            }
            *at != node
        });
    }

    fn decrease(by_group: &mut BTreeMap<(ServiceId, u64), Counts>, group: (ServiceId, u64), node: NodeId) {
        let counts = by_group.get_mut(&group).expect("counted when it happened");
        counts.decrease(node);
        if counts.len() == 0 {
            by_group.remove(&group);
        }
    }

    /// Where one was forgotten.
    fn forget_one(&mut self, now: Time) -> Option<NodeId> {
        let (at, ..) = self.window.front()?;
        if now.since(*at) < FAILURE_MEMORY {
            return None;
        }
        let (_, service, version, node) = self.window.pop_front().expect("there is a first");
        Failures::decrease(&mut self.by_group, (service, version), node);
        Some(node)
    }
}

/// Failures as they count in the order of nodes.
pub(super) fn that_matter(failures: u32) -> u32 {
    if failures < FAILURES_THAT_MATTER { 0 } else { failures }
}

/// The nodes that changed last, for those who keep something by node and look at it now and then.
///
/// [`Cluster`] has a record of its own, of changes of what nodes are, which is saved with the manager and reaches as far back as
/// there are nodes. Here every task that comes or goes is a change too, thousands in a pass: so this is a ring, which never
/// moves and forgets what a reader would rather not go through.
#[derive(Clone, Default)]
pub(super) struct ChangedNodes {
    /// A ring; a power of two.
    nodes: Vec<NodeId>,
    next: u64,
}

impl ChangedNodes {
    /// A reader that missed more than a quarter of the nodes had better look at all of them, one after the other.
    fn resize(&mut self, nodes: usize) {
        let len = (nodes / 4).next_power_of_two().max(64);
        if self.nodes.len() != len {
            // Old readers missed everything.
            self.next += (self.nodes.len() + len) as u64;
            self.nodes.resize(len, NodeId::from_index(0));
        }
    }

    fn touch(&mut self, node: NodeId) {
        let mask = self.nodes.len() - 1;
        self.nodes[self.next as usize & mask] = node;
        self.next += 1;
    }

    /// Where a reader stands that has seen everything.
    pub(super) fn end(&self) -> u64 {
        self.next
    }

    /// How often something was touched since, if it is still known what.
    pub(super) fn missed(&self, seen: u64) -> Option<usize> {
        let missed = (self.next - seen) as usize;
        (missed <= self.nodes.len()).then_some(missed)
    }

    /// What was touched since, if that is still known; a node may come twice.
    pub(super) fn since(&self, seen: u64) -> Option<impl Iterator<Item = NodeId> + '_> {
        let mask = self.nodes.len().wrapping_sub(1);
        self.missed(seen).map(|_| (seen..self.next).map(move |at| self.nodes[at as usize & mask]))
    }
}

/// What a requirement says of each node; [`FilterCache::of`] computes it when it is first asked.
#[derive(Clone, Default)]
pub(super) struct FilterCache {
    pub(super) requirement: Option<Requirement>,
    /// Groups that have it.
    pub(super) users: usize,
    by_node: Vec<u8>,
}

impl FilterCache {
    const UNKNOWN: u8 = u8::MAX;
    const PASSES: u8 = u8::MAX - 1;

    pub(super) fn new(requirement: Requirement) -> FilterCache {
        FilterCache { requirement: Some(requirement), users: 0, by_node: Vec::new() }
    }

    /// The node is another one now.
    pub(super) fn forget(&mut self, node: NodeId) {
        if let Some(verdict) = self.by_node.get_mut(node.index()) {
            *verdict = FilterCache::UNKNOWN;
        }
    }

    pub(super) fn of(&mut self, cluster: &Cluster, node: NodeId) -> Option<Filter> {
        if self.by_node.len() <= node.index() {
            self.by_node.resize(cluster.nodes().len(), FilterCache::UNKNOWN);
        }
        let verdict = &mut self.by_node[node.index()];
        if *verdict == FilterCache::UNKNOWN {
            let requirement = self.requirement.as_ref().expect("a group has it");
            let refusal = requirement.refusal(&cluster.nodes()[node].spec);
            *verdict = refusal.map_or(FilterCache::PASSES, |filter| filter as u8);
        }
        if *verdict == FilterCache::PASSES { None } else { Some(Filter::ALL[*verdict as usize]) }
    }
}
