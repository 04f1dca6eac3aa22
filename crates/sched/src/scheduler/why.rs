//! Why a task is where it is, or nowhere: what every node says to it, and which the strategy would have taken instead.

use std::fmt;

use super::board::Board;
use super::filter::{self, Requirement};
use super::layout;
use super::ledger::{self, Group};
use super::waiting::Waiting;
use super::{Scheduler, TaskStage};
use crate::cluster::Cluster;
use crate::generic;
use crate::id::{NodeId, TaskId};
use crate::spec::{Availability, GenericResource, NodeState, PluginKind, Protocol};
use crate::task::Task;
use crate::time::Time;

/// Why a node cannot take a task, and what is missing there. Swarm asks in the order of the variants and charges a node to
/// the first filter that refuses it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It takes no new tasks, because it is not heard of, or by its operator's wish.
    NotReady(NodeState, Availability),
    /// Too little is left of what the task reserves.
    Room {
        /// 10^-9 CPUs that are missing; 0 if there are enough.
        nano_cpus: i64,
        /// Bytes that are missing; 0 if there are enough.
        memory: i64,
        /// Requests for generic resources that are not met.
        units: Vec<GenericResource>,
    },
    /// These drivers are not installed.
    Plugins(Vec<(PluginKind, String)>),
    /// These constraints do not hold, as the service has them.
    Constraints(Vec<String>),
    /// The image is not made for its platform.
    Platform,
    /// These host ports are taken.
    HostPorts(Vec<(Protocol, u16)>),
    /// It has as many tasks of the service as the service allows on one node.
    MaxReplicas(u64),
}

/// What a node says to a task, and the numbers by which strategies compare it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Which node.
    pub node: NodeId,
    /// Every filter that refuses it; empty if the task fits.
    pub refusals: Vec<Refusal>,
    /// Failures of the service's version there within five minutes. Swarm disregards up to four.
    pub failures: u32,
    /// Active tasks of the service there.
    pub of_service: u32,
    /// Active tasks there.
    pub active: u32,
    /// 10^-9 CPUs and bytes that are not reserved; less than nothing if the node shrank.
    pub free: (i64, i64),
    /// By spread preference, outermost first: the node's value of the label, and the active tasks of the service on nodes
    /// with the same values so far.
    pub branches: Vec<(String, u32)>,
    /// Decides between equal nodes: lower first. See [`crate::TieBreak`].
    pub tie: u32,
}

impl Standing {
    /// What Swarm compares after the branches, smaller is better: failures that matter, tasks of the service, tasks.
    pub fn rank(&self) -> (u32, u32, u32) {
        (ledger::that_matter(self.failures), self.of_service, self.active)
    }
}

/// How a task was placed, or would be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// When.
    pub at: Time,
    /// Which task.
    pub task: TaskId,
    /// Whether the task belonged to its node from the start, as those of global services do: no other was asked.
    pub is_bound: bool,
    /// How many tasks of its group the same pass placed before it, and how many it had to place.
    pub position: (usize, usize),
    /// Where it went.
    pub node: Option<NodeId>,
    /// Every node that was there, as it was just before; the only one that was asked, if the task is bound.
    pub standings: Vec<Standing>,
    /// The nodes that the strategy would have taken next: the first without [`Decision::node`], the second without both,
    /// and so on. The strategy itself was asked, on a copy of what it saw.
    pub next_best: Vec<NodeId>,
}

/// So many further nodes are asked for.
const NEXT_BEST: usize = 4;

/// A task whose placement is written down.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    pub(super) task: TaskId,
    pub(super) decision: Option<Box<Decision>>,
}

impl Scheduler {
    /// Writes down how a task is placed, as soon as it is.
    pub(crate) fn follow(&mut self, task: TaskId) {
        self.followed = Some(Followed { task, decision: None });
    }

    /// What was written down.
    pub(crate) fn decision(&self) -> Option<&Decision> {
        self.followed.as_ref()?.decision.as_deref()
    }

    /// A copy to ask further, if the task that is followed waits in a group.
    pub(super) fn copy_to_ask(&self, number: u32) -> Option<Box<Scheduler>> {
        let followed = self.followed.as_ref()?.task;
        let entry = self.entries.get(followed.row()).filter(|entry| entry.generation == followed.generation)?;
        (entry.stage == TaskStage::Waiting && entry.group == number).then(|| Box::new(self.clone()))
    }

    /// Writes down the decision about the task that is followed, if it is among the first of its group, which go to these
    /// nodes. The copy is from before.
    pub(super) fn write_down(
        &mut self,
        copy: Box<Scheduler>,
        cluster: &Cluster,
        number: u32,
        placements: &[(NodeId, bool)],
    ) {
        let Some(followed) = &mut self.followed else { return };
        let waiting = &copy.groups[number as usize].as_ref().expect("it was there").waiting;
        let waiting = waiting.iter().map(|(_, id)| *id).filter(|id| super::waiting::waits(cluster, *id));
        let Some(place) = waiting.take(placements.len()).position(|id| id == followed.task) else { return };
        let decision = copy.decide(cluster, followed.task, number, &placements[..place], Some(placements[place].0));
        followed.decision = Some(Box::new(decision));
    }

    /// The same of a task that is bound to its node.
    pub(super) fn write_down_bound(&mut self, cluster: &Cluster, id: TaskId, number: u32, node: NodeId) {
        if self.followed.as_ref().is_none_or(|followed| followed.task != id) {
            return;
        }
        let mut copy = Box::new(self.clone());
        let standings = vec![copy.stand(cluster, number, None, &[node]).remove(0)];
        let decision = Decision {
            at: cluster.now(),
            task: id,
            is_bound: true,
            position: (0, 1),
            node: Some(node),
            standings,
            next_best: Vec::new(),
        };
        self.followed.as_mut().expect("it was there").decision = Some(Box::new(decision));
    }

    /// What would be decided about a task now, if it waits for a node or is refused by the one to which it is bound.
    pub(crate) fn would_decide(&self, cluster: &Cluster, id: TaskId) -> Option<Decision> {
        let task = cluster.task(id)?;
        let mut copy = Box::new(self.clone());
        // A task that was forgotten after an update is asked for all the same.
        let number = copy.group(task.service, task.version, &task.spec);
        if let Some(node) = task.node {
            let standings = copy.stand(cluster, number, Some(task), &[node]);
            let (is_bound, position) = (true, (0, 1));
            let at = cluster.now();
            return Some(Decision { at, task: id, is_bound, position, node: None, standings, next_best: Vec::new() });
        }
        Some(copy.decide(cluster, id, number, &[], None))
    }

    /// Decides as the copy that it is: the first tasks of the group are on their nodes, and one more follows.
    fn decide(
        mut self: Box<Scheduler>,
        cluster: &Cluster,
        id: TaskId,
        number: u32,
        before: &[(NodeId, bool)],
        node: Option<NodeId>,
    ) -> Decision {
        let entry = self.groups[number as usize].as_ref().expect("it was there");
        let (group, mut waiting) = (entry.group.clone(), entry.waiting.clone());
        let task = cluster.task(id).expect("it waits");
        if waiting.is_empty() {
            waiting.push(task.sequence, id);
        }
        let (sequence, count) = (waiting.first().expect("it waits"), waiting.len());
        for (node, active) in before {
            self.ledger.add(&group, *node, *active);
            waiting.pop(cluster);
        }
        let nodes: Vec<NodeId> = cluster.nodes().iter().filter(|(_, node)| !node.removed).map(|(id, _)| id).collect();
        let standings = self.stand(cluster, number, Some(task), &nodes);
        let mut next_best = Vec::new();
        let mut last = node;
        while next_best.len() < NEXT_BEST {
            if let Some(node) = last {
                self.ledger.exclude(node);
            }
            last = self.clone().first_choice(cluster, (number as usize, &group), &waiting, sequence);
            let Some(node) = last else { break };
            next_best.push(node);
        }
        Decision {
            at: cluster.now(),
            task: id,
            is_bound: false,
            position: (before.len(), count),
            node,
            standings,
            next_best,
        }
    }

    /// Where the strategy puts the first of these tasks.
    fn first_choice(
        mut self: Box<Scheduler>,
        cluster: &Cluster,
        group: (usize, &Group),
        waiting: &Waiting,
        sequence: u64,
    ) -> Option<NodeId> {
        let (ledger, rankings, scratch) = (&mut self.ledger, &mut self.rankings, &mut self.scratch);
        let mut board = Board::new(cluster, ledger, rankings, group, self.ties, sequence, scratch);
        if board.refusals_if_none_fits().is_some() {
            return None;
        }
        board.begin(waiting);
        board.know_images(&self.images);
        self.strategy.place(&mut board);
        self.scratch.placements.first().map(|(node, _)| *node)
    }

    /// What nodes say to a task of a group. Ties are those of the group's oldest task that waits, or of the task.
    fn stand(&mut self, cluster: &Cluster, number: u32, task: Option<&Task>, nodes: &[NodeId]) -> Vec<Standing> {
        let entry = self.groups[number as usize].as_ref().expect("it was there");
        let group = entry.group.clone();
        let sequence = entry.waiting.first().or(task.map(|task| task.sequence)).unwrap_or_default();
        let requirement = Requirement::of(&group.spec);
        let levels = layout::levels(&group.spec.task.placement.preferences);
        let counts = self.ledger.counts(group.service);
        let branch = |node: NodeId, depth: usize| -> Vec<&str> {
            levels[..=depth].iter().map(|level| layout::value(level, &cluster.nodes()[node].spec)).collect()
        };
        let mut in_branches = std::collections::BTreeMap::<Vec<&str>, u32>::new();
        for (node, _) in cluster.nodes().iter().filter(|(_, node)| !node.removed) {
            for depth in 0..levels.len() {
                *in_branches.entry(branch(node, depth)).or_default() += counts.get(node);
            }
        }
        let refusals: Vec<Vec<Refusal>> =
            nodes.iter().map(|node| self.refusals_of(cluster, &group, &requirement, *node)).collect();
        let key = (number as usize, &group);
        let ties = self.ties;
        let board = Board::new(cluster, &mut self.ledger, &mut self.rankings, key, ties, sequence, &mut self.scratch);
        let standing = |(node, refusals): (&NodeId, Vec<Refusal>)| {
            let branches = (0..levels.len()).map(|depth| {
                let values = branch(*node, depth);
                (values[depth].to_owned(), in_branches[&values])
            });
            let room = board.free(*node);
            Standing {
                node: *node,
                refusals,
                failures: board.failures(*node),
                of_service: board.active_of_service(*node),
                active: board.active(*node),
                free: (room.nano_cpus, room.memory),
                branches: branches.collect(),
                tie: board.tie(*node),
            }
        };
        nodes.iter().zip(refusals).map(standing).collect()
    }

    /// Every filter that refuses a node to a group.
    fn refusals_of(&self, cluster: &Cluster, group: &Group, requirement: &Requirement, node: NodeId) -> Vec<Refusal> {
        let (spec, task) = (&cluster.nodes()[node].spec, &group.spec.task);
        let mut refusals = Vec::new();
        if !filter::is_ready(spec) {
            refusals.push(Refusal::NotReady(spec.state, spec.availability));
        }
        let (wants, units) = (group.room(), &task.reservations.generic);
        if wants != (0, 0) || !units.is_empty() {
            let left = self.ledger.free(node);
            let is_met = |request: &&GenericResource| {
                generic::has_enough(self.ledger.generic(node), std::slice::from_ref(request))
            };
            let missing = |wants: i64, left: i64| wants.saturating_sub(left).max(0);
            let (nano_cpus, memory) = (missing(wants.0, left.0), missing(wants.1, left.1));
            let units: Vec<GenericResource> = units.iter().filter(|request| !is_met(request)).cloned().collect();
            if (nano_cpus, memory) != (0, 0) || !units.is_empty() {
                refusals.push(Refusal::Room { nano_cpus, memory, units });
            }
        }
        let plugins: Vec<_> = requirement.missing_plugins(spec).cloned().collect();
        if !plugins.is_empty() {
            refusals.push(Refusal::Plugins(plugins));
        }
        let constraints = &task.placement.constraints;
        let broken: Vec<_> = requirement.broken_constraints(spec).map(|place| constraints[place].clone()).collect();
        if !broken.is_empty() {
            refusals.push(Refusal::Constraints(broken));
        }
        if !requirement.has_platform(spec) {
            refusals.push(Refusal::Platform);
        }
        let taken = self.ledger.ports(node);
        let ports: Vec<_> = filter::host_ports(&group.spec).filter(|port| taken.contains(port)).collect();
        if !ports.is_empty() {
            refusals.push(Refusal::HostPorts(ports));
        }
        let most = task.placement.max_replicas;
        if most > 0 && u64::from(self.ledger.counts(group.service).get(node)) >= most {
            refusals.push(Refusal::MaxReplicas(most));
        }
        refusals
    }
}

impl fmt::Display for Refusal {
    /// What is the matter, for people: `0.5 CPUs are missing`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: Vec<String>| items.join(", ");
        match self {
            Refusal::NotReady(NodeState::Ready, Availability::Pause) => write!(f, "it is paused"),
            Refusal::NotReady(NodeState::Ready, _) => write!(f, "it is drained"),
            Refusal::NotReady(NodeState::Unknown, _) => write!(f, "it was not heard of since the change of leader"),
            Refusal::NotReady(_, _) => write!(f, "it is down"),
            Refusal::Room { nano_cpus, memory, units } => {
                let mut missing = Vec::new();
                if *nano_cpus > 0 {
                    missing.push(cpus(*nano_cpus));
                }
                if *memory > 0 {
                    missing.push(format!("{} of memory", bytes(*memory)));
                }
                missing.extend(units.iter().map(|request| match &request.units {
                    crate::spec::Units::Count(count) => format!("{count} {}", request.kind),
                    crate::spec::Units::Named(name) => format!("{} {name}", request.kind),
                }));
                write!(f, "too little room: {} short", list(missing))
            }
            Refusal::Plugins(plugins) => {
                let name = |(kind, name): &(PluginKind, String)| match kind {
                    PluginKind::Volume => format!("volume driver {name}"),
                    PluginKind::Network => format!("network driver {name}"),
                    PluginKind::Log => format!("log driver {name}"),
                };
                write!(f, "not installed: {}", list(plugins.iter().map(name).collect()))
            }
            Refusal::Constraints(broken) => write!(f, "constraint not satisfied: {}", list(broken.clone())),
            Refusal::Platform => write!(f, "the image is not made for its platform"),
            Refusal::HostPorts(ports) => {
                write!(f, "host port taken: {}", list(ports.iter().map(|port| port_name(*port)).collect()))
            }
            Refusal::MaxReplicas(most) => {
                write!(f, "it has {most} of the service, the most allowed on one node")
            }
        }
    }
}

/// `8080/tcp`.
pub(crate) fn port_name((protocol, port): (Protocol, u16)) -> String {
    let protocol = match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    };
    format!("{port}/{protocol}")
}

/// `1 CPU`, `0.25 CPUs`.
pub(crate) fn cpus(nano: i64) -> String {
    let cpus = nano as f64 / 1e9;
    if nano == 1_000_000_000 { "1 CPU".into() } else { format!("{cpus} CPUs") }
}

/// `512 MiB`: in the largest unit in which it has at most two digits behind the point, never less than it is.
pub(crate) fn bytes(bytes: i64) -> String {
    for (unit, name) in [(1_i64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit {
            let hundredths = (i128::from(bytes) * 100 + i128::from(unit) - 1) / i128::from(unit);
            let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
            return format!("{} {name}", text.trim_end_matches('0').trim_end_matches('.'));
        }
    }
    format!("{bytes} B")
}
