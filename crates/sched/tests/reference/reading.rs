//! The rules of placement, read word by word and counted from the tables.

use std::collections::BTreeMap;

use sched::spec::*;
use sched::{Cluster, DesiredState, NodeId, Row, ServiceId, Slot, Span, Task, TaskId, TaskState, TieBreak, Time};

/// Every failure that ever happened.
#[derive(Default)]
pub struct Failures(Vec<(ServiceId, u64, NodeId, Time)>);

impl Failures {
    /// Notes how a task ended, before the manager hears of it.
    pub fn report(&mut self, cluster: &Cluster, id: TaskId, state: TaskState, now: Time) {
        let task = cluster.task(id).expect("alive");
        let bound = matches!(task.slot, Slot::Node(_));
        if let (TaskState::Failed | TaskState::Rejected, Some(node), false) = (state, task.node, bound) {
            self.0.push((task.service, task.version, node, now));
        }
    }

    fn recent(&self, task: &Task, node: NodeId, now: Time) -> usize {
        let key = (task.service, task.version, node);
        let recent = |at: &Time| now.since(*at) < Span::from_secs(300);
        self.0.iter().filter(|(service, version, at, when)| (*service, *version, *at) == key && recent(when)).count()
    }
}

/// What a pass must do.
#[derive(Default)]
pub struct Pass {
    pub assigned: BTreeMap<TaskId, NodeId>,
    pub explained: BTreeMap<TaskId, String>,
}

/// Strategies that have a reading. Those of the list that have none are held to the laws of the stories only.
pub const READ: [&str; 9] = [
    "spread",
    "spread-even",
    "binpack",
    "random",
    "two-choices",
    "worst-fit",
    "cache-aware",
    "dominant-fit",
    "domains",
];

pub struct Reading {
    strategy: String,
    ties: TieBreak,
    seed: u64,
}

/// SplitMix64.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// A number below a limit.
fn scale(random: u64, limit: usize) -> usize {
    (random as u128 * limit as u128 / (1 << 64)) as usize
}

/// A share of a whole in 2^32 parts, from none to all; of nothing there is no share.
fn share(part: i64, whole: i64) -> u128 {
    if whole <= 0 { 0 } else { (i128::from(part.clamp(0, whole)) << 32) as u128 / whole as u128 }
}

/// Bytes that nodes lack of images, as it was reported last.
pub type Images = BTreeMap<(String, NodeId), u64>;

/// The place of a service in the order of a pass, as long as fewer than 4,096 were created: a Feistel network of four
/// rounds on two halves of six bits.
fn shuffled(service: u64, key: u64) -> u64 {
    assert!(service < 1 << 12, "the reading knows few services");
    (0..4).fold(service, |number, round| {
        let (left, right) = (number >> 6, number & 63);
        right << 6 | (left ^ mix(key ^ mix(right << 2 | round)) >> 58)
    })
}

/// One pass as it goes on: the cluster before it, and what was decided so far.
struct Table<'a> {
    cluster: &'a Cluster,
    failures: &'a Failures,
    images: &'a Images,
    now: Time,
    assigned: BTreeMap<TaskId, NodeId>,
    ties: TieBreak,
    /// Belongs to the group by chance.
    chance: u64,
    /// By row of the node: its place on the circle, from where the group starts.
    circle: Vec<usize>,
}

impl Reading {
    pub fn new(strategy: &str, ties: TieBreak, seed: u64) -> Reading {
        Reading { strategy: strategy.into(), ties, seed }
    }

    /// The order of equal nodes for a group: all nodes that ever joined stand in a shuffled circle, and the group starts
    /// somewhere on it.
    fn circle(&self, cluster: &Cluster, chance: u64) -> Vec<usize> {
        let rows: Vec<usize> = cluster.nodes().ids().map(Row::index).collect();
        if self.ties == TieBreak::LowestId {
            return rows;
        }
        let mut circle = rows.clone();
        circle.sort_by_key(|row| (mix(self.seed ^ *row as u64), *row));
        circle.rotate_left(scale(chance, rows.len()));
        rows.iter().map(|row| circle.iter().position(|other| other == row).expect("all are there")).collect()
    }

    pub fn pass(&self, cluster: &Cluster, failures: &Failures, images: &Images, now: Time) -> Pass {
        let (ties, assigned) = (self.ties, BTreeMap::new());
        let mut table = Table { cluster, failures, images, now, assigned, ties, chance: 0, circle: Vec::new() };
        let mut pending: Vec<(u64, TaskId, &Task)> = cluster
            .tasks()
            .filter(|(_, task)| task.state == TaskState::Pending)
            .map(|(id, task)| (task.sequence, id, task))
            .collect();
        pending.sort_by_key(|(sequence, _, _)| *sequence);
        for (_, id, task) in &pending {
            if let Some(node) = task.node.filter(|node| cluster.node(*node).is_some())
                && table.refusal(task, node).is_none()
            {
                table.assigned.insert(*id, node);
            }
        }
        let mut groups: Vec<((ServiceId, u64), Vec<TaskId>)> = Vec::new();
        for (_, id, task) in pending.iter().filter(|(_, _, task)| task.node.is_none()) {
            let key = (task.service, task.version);
            match groups.iter_mut().find(|(other, _)| *other == key) {
                Some((_, group)) => group.push(*id),
                None => groups.push((key, vec![*id])),
            }
        }
        if self.ties == TieBreak::Seeded {
            // Groups are asked in an order of this pass alone, whichever has waited longest.
            let key = mix(self.seed ^ mix(now.as_nanos()));
            groups.sort_by_key(|((service, version), _)| (shuffled(service.index() as u64, key), mix(key ^ *version)));
        }
        let mut explained = BTreeMap::new();
        for (_, group) in groups {
            let before = table.assigned.len();
            let task = cluster.task(group[0]).expect("pending");
            table.chance = mix(self.seed ^ mix(task.sequence));
            table.circle = self.circle(cluster, table.chance);
            let mut group_tasks = group.clone();
            match self.strategy.as_str() {
                "spread" => table.spread(task, &mut group_tasks),
                "spread-even" => while table.spread_even(task, &mut group_tasks) {},
                "binpack" => while table.binpack(task, &mut group_tasks) {},
                "worst-fit" => while table.worst_fit(task, &mut group_tasks) {},
                "cache-aware" => while table.cache_aware(task, &mut group_tasks) {},
                "dominant-fit" => while table.dominant_fit(task, &mut group_tasks) {},
                "domains" => while table.domains(task, &mut group_tasks) {},
                "random" => table.random(task, &mut group_tasks, 1),
                "two-choices" => table.random(task, &mut group_tasks, 2),
                other => panic!("'{other}' has no reading: write one"),
            }
            if group_tasks.len() == group.len() && before == table.assigned.len() {
                // Nothing was placed, so the explanation counts every node once.
                for id in group {
                    if cluster.service(task.service).is_some() {
                        explained.insert(id, table.explanation(task));
                    }
                }
            }
        }
        Pass { assigned: table.assigned, explained }
    }
}

impl Table<'_> {
    /// Tasks that hold something on a node, those of this pass included.
    fn on(&self, node: NodeId) -> impl Iterator<Item = &Task> {
        let placed = move |id: &TaskId, task: &Task| match self.assigned.get(id) {
            Some(decided) => *decided == node,
            None => task.node == Some(node) && (TaskState::Assigned..=TaskState::Running).contains(&task.state),
        };
        self.cluster.tasks().filter(move |(id, task)| placed(id, task)).map(|(_, task)| task)
    }

    fn of_service(&self, service: ServiceId, node: NodeId) -> usize {
        self.on(node).filter(|task| task.service == service && task.desired <= DesiredState::Complete).count()
    }

    fn rank(&self, task: &Task, node: NodeId) -> (usize, usize, usize) {
        let failures = self.failures.recent(task, node, self.now);
        let total = self.on(node).filter(|task| task.desired <= DesiredState::Complete).count();
        (if failures >= 5 { failures } else { 0 }, self.of_service(task.service, node), total)
    }

    /// Decides between equal nodes.
    fn tie(&self, node: NodeId) -> usize {
        self.circle[node.index()]
    }

    /// Decides between equal branches, which have numbers in order of their names.
    fn branch_tie(&self, number: usize) -> u64 {
        if self.ties == TieBreak::LowestId { number as u64 } else { mix(self.chance ^ number as u64) }
    }

    fn free(&self, node: NodeId) -> (i64, i64, i64) {
        let total =
            self.cluster.nodes()[node].spec.description.as_ref().map(|description| description.resources.clone());
        let total = total.unwrap_or_default();
        let gpus = |list: &[GenericResource]| {
            list.iter().map(|resource| if let Units::Count(count) = resource.units { count } else { 0 }).sum::<i64>()
        };
        let mut free = (total.nano_cpus, total.memory, gpus(&total.generic));
        for task in self.on(node) {
            let held = &task.spec.task.reservations;
            free = (free.0 - held.nano_cpus, free.1 - held.memory, free.2 - gpus(&held.generic));
        }
        free
    }

    /// The number of the first filter that refuses a node.
    fn refusal(&self, task: &Task, node: NodeId) -> Option<usize> {
        let spec = &self.cluster.nodes()[node].spec;
        let wanted = &task.spec.task;
        if spec.state != NodeState::Ready || spec.availability != Availability::Active {
            return Some(0);
        }
        let reserved = &wanted.reservations;
        if reserved.nano_cpus + reserved.memory > 0 || !reserved.generic.is_empty() {
            let (cpus, memory, gpus) = self.free(node);
            if reserved.nano_cpus > cpus || reserved.memory > memory || reserved.generic.len() as i64 > gpus {
                return Some(1);
            }
        }
        let hostname = spec.description.as_ref().map_or("", |description| description.hostname.as_str());
        let zone = spec.labels.get("zone").map_or("", String::as_str);
        let holds = |constraint: &String| match constraint.as_str() {
            "node.labels.zone==a" => zone == "a",
            "node.labels.zone!=b" => zone != "b",
            "node.role==manager" => spec.role == Role::Manager,
            "node.hostname!=HOST1" => hostname != "host1",
            other => panic!("no reading of '{other}'"),
        };
        if !wanted.placement.constraints.iter().all(holds) {
            return Some(3);
        }
        let amd64 = spec.description.as_ref().is_some_and(|description| description.platform.architecture == "x86_64");
        if !wanted.placement.platforms.is_empty() && !amd64 {
            return Some(4);
        }
        let port = |task: &Task| task.spec.endpoint.ports.first().map(|port| port.published);
        if port(task).is_some() && self.on(node).any(|other| port(other) == port(task)) {
            return Some(5);
        }
        let most = wanted.placement.max_replicas as usize;
        if most > 0 && self.of_service(task.service, node) >= most {
            return Some(6);
        }
        None
    }

    fn nodes(&self) -> Vec<NodeId> {
        self.cluster.nodes().ids().filter(|node| self.cluster.node(*node).is_some()).collect()
    }

    fn fitting(&self, task: &Task) -> Vec<NodeId> {
        self.nodes().into_iter().filter(|node| self.refusal(task, *node).is_none()).collect()
    }

    fn explanation(&self, task: &Task) -> String {
        let reasons = [
            "N not available for new tasks",
            "insufficient resources on N",
            "missing plugin on N",
            "scheduling constraints not satisfied on N",
            "unsupported platform on N",
            "host-mode port already in use on N",
            "max replicas per node limit exceed",
        ];
        let mut counts = [0; 7];
        for node in self.nodes() {
            counts[self.refusal(task, node).expect("nothing fits")] += 1;
        }
        let mut order: Vec<usize> = (0..7).filter(|filter| counts[*filter] > 0).collect();
        order.sort_by(|a, b| counts[*b].cmp(&counts[*a]));
        let text = |filter: usize| match counts[filter] {
            1 => reasons[filter].replace('N', "1 node"),
            many => reasons[filter].replace('N', &format!("{many} nodes")),
        };
        let texts: Vec<String> = order.into_iter().map(text).collect();
        if texts.is_empty() { "no suitable node".into() } else { format!("no suitable node ({})", texts.join("; ")) }
    }

    /// Labels over whose values a task is spread, as a path for a node.
    fn path(&self, task: &Task, node: NodeId) -> Vec<String> {
        let labels = &self.cluster.nodes()[node].spec.labels;
        let names = task
            .spec
            .task
            .placement
            .preferences
            .iter()
            .filter_map(|preference| preference.strip_prefix("node.labels."));
        names.map(|name| labels.get(name).cloned().unwrap_or_default()).collect()
    }

    // Swarm's spread.

    fn spread(&mut self, task: &Task, waiting: &mut Vec<TaskId>) {
        let group = waiting.len();
        let nodes = self.nodes();
        let counts: BTreeMap<NodeId, i64> =
            nodes.iter().map(|node| (*node, self.of_service(task.service, *node) as i64)).collect();
        // A leaf looks at no more nodes than there are tasks in the group: the best ones before the pass.
        let mut leaves: BTreeMap<Vec<String>, Vec<NodeId>> = BTreeMap::new();
        for node in nodes {
            leaves.entry(self.path(task, node)).or_default().push(node);
        }
        for candidates in leaves.values_mut() {
            candidates.retain(|node| self.refusal(task, *node).is_none());
            candidates.sort_by_cached_key(|node| (self.rank(task, *node), self.tie(*node)));
            candidates.truncate(group);
        }
        let depth = leaves.keys().next().map_or(0, Vec::len);
        self.divide(task, waiting, group, &[], depth, &counts, &leaves);
    }

    #[allow(clippy::too_many_arguments)]
    fn divide(
        &mut self,
        task: &Task,
        waiting: &mut Vec<TaskId>,
        n: usize,
        prefix: &[String],
        depth: usize,
        counts: &BTreeMap<NodeId, i64>,
        leaves: &BTreeMap<Vec<String>, Vec<NodeId>>,
    ) -> usize {
        if prefix.len() == depth {
            let mut nodes: Vec<NodeId> = leaves.get(prefix).cloned().unwrap_or_default();
            nodes.retain(|node| self.refusal(task, *node).is_none());
            nodes.sort_by_cached_key(|node| (self.rank(task, *node), self.tie(*node)));
            return self.fill(task, waiting, n, &nodes);
        }
        let below = |branch: &[String]| {
            let nodes = counts.iter().filter(|(node, _)| self.path(task, **node).starts_with(branch));
            nodes.map(|(_, count)| count).sum::<i64>()
        };
        let mut branches: Vec<Vec<String>> =
            leaves.keys().filter(|path| path.starts_with(prefix)).map(|path| path[..=prefix.len()].to_vec()).collect();
        branches.dedup();
        let stale: Vec<i64> = branches.iter().map(|branch| below(branch)).collect();
        let mut usable: i64 = below(prefix);
        let mut order: Vec<usize> = (0..branches.len()).collect();
        order.sort_by_key(|number| self.branch_tie(*number));
        let mut full = vec![false; branches.len()];
        let mut done = 0i64;
        loop {
            let left = full.iter().filter(|full| !**full).count() as i64;
            if done == n as i64 || left == 0 {
                return done as usize;
            }
            let total = usable + n as i64 - done;
            let (each, mut rest) = (total / left, total % left);
            let mut progress = false;
            for index in order.iter().copied() {
                let tasks = stale[index];
                if full[index] || !(tasks < each || (tasks == each && rest > 0)) {
                    continue;
                }
                progress = true;
                let want = each - tasks + if rest > 0 { 1 } else { 0 };
                let got = self.divide(task, waiting, want as usize, &branches[index], depth, counts, leaves) as i64;
                if got < want {
                    full[index] = true;
                    usable -= tasks;
                } else if rest > 0 {
                    rest -= 1;
                }
                done += got;
            }
            if !progress {
                return done as usize;
            }
        }
    }

    fn fill(&mut self, task: &Task, waiting: &mut Vec<TaskId>, n: usize, nodes: &[NodeId]) -> usize {
        let mut failed = vec![false; nodes.len()];
        let (mut at, mut placed) = (0, 0);
        while !nodes.is_empty() && !waiting.is_empty() {
            let node = nodes[at % nodes.len()];
            self.assigned.insert(waiting.remove(0), node);
            placed += 1;
            if placed == n {
                return placed;
            }
            if at + 1 < nodes.len() {
                if self.rank(task, nodes[at + 1]) < self.rank(task, node) {
                    at += 1;
                }
            } else {
                at += 1;
            }
            let start = at;
            while failed[at % nodes.len()] || self.refusal(task, nodes[at % nodes.len()]).is_some() {
                failed[at % nodes.len()] = true;
                at += 1;
                if at - start == nodes.len() {
                    return placed;
                }
            }
        }
        placed
    }

    // The others, one task at a time. Each says whether it placed one.

    fn spread_even(&mut self, task: &Task, waiting: &mut Vec<TaskId>) -> bool {
        let fitting = self.fitting(task);
        let key = |node: &NodeId| {
            let path = self.path(task, *node);
            // Level by level: tasks of the service in the branch, then its tie.
            let levels = (1..=path.len()).map(|depth| {
                let branch = &path[..depth];
                let nodes = self.nodes().into_iter().filter(|other| self.path(task, *other).starts_with(branch));
                // Its number among the branches beside it.
                let mut beside: Vec<String> = self
                    .nodes()
                    .into_iter()
                    .map(|other| self.path(task, other))
                    .filter(|other| other.starts_with(&path[..depth - 1]))
                    .map(|other| other[depth - 1].clone())
                    .collect();
                beside.sort();
                beside.dedup();
                let number = beside.iter().position(|value| *value == path[depth - 1]).expect("it is one of them");
                (nodes.map(|other| self.of_service(task.service, other)).sum::<usize>(), self.branch_tie(number))
            });
            (levels.collect::<Vec<_>>(), self.rank(task, *node), self.tie(*node))
        };
        let best = fitting.into_iter().min_by_key(key);
        self.give(best, waiting)
    }

    fn binpack(&mut self, task: &Task, waiting: &mut Vec<TaskId>) -> bool {
        let share = |node: &NodeId| {
            let total = self.cluster.nodes()[*node].spec.description.as_ref().map(|description| &description.resources);
            let (cpus, memory) = total.map_or((0, 0), |resources| (resources.nano_cpus, resources.memory));
            let free = self.free(*node);
            let ppm = |free: i64, all: i64| if all == 0 { 0 } else { (all - free) as i128 * 1_000_000 / all as i128 };
            ppm(free.0, cpus).max(ppm(free.1, memory))
        };
        let key = |node: &NodeId| {
            let (failures, _, total) = self.rank(task, *node);
            (failures, -share(node), std::cmp::Reverse(total), self.tie(*node))
        };
        let best = self.fitting(task).into_iter().min_by_key(key);
        self.give(best, waiting)
    }

    /// CPU and memory of a node.
    fn total(&self, node: NodeId) -> (i64, i64) {
        let total = self.cluster.nodes()[node].spec.description.as_ref().map(|description| &description.resources);
        total.map_or((0, 0), |resources| (resources.nano_cpus, resources.memory))
    }

    /// The node that fits with the lowest score: nodes where the group fails come last, and of equals the one with the
    /// fewest tasks is first.
    fn best<S: Ord>(&self, task: &Task, score: impl Fn(NodeId) -> S) -> Option<NodeId> {
        let key = |node: &NodeId| {
            let (failures, _, total) = self.rank(task, *node);
            (failures, score(*node), total, self.tie(*node))
        };
        self.fitting(task).into_iter().min_by_key(key)
    }

    /// The largest gap: by the larger of the two shares that are reserved.
    fn worst_fit(&mut self, task: &Task, waiting: &mut Vec<TaskId>) -> bool {
        let best = self.best(task, |node| {
            let ((cpus, memory), free) = (self.total(node), self.free(node));
            share(cpus - free.0, cpus).max(share(memory - free.1, memory))
        });
        self.give(best, waiting)
    }

    /// The fewest missing bytes, as they were reported.
    fn cache_aware(&mut self, task: &Task, waiting: &mut Vec<TaskId>) -> bool {
        let image = &task.spec.task.container.image;
        let best = self.best(task, |node| self.images.get(&(image.clone(), node)).copied().unwrap_or(u64::MAX));
        self.give(best, waiting)
    }

    /// The largest product of what is wanted and what is free, as shares of the node.
    fn dominant_fit(&mut self, task: &Task, waiting: &mut Vec<TaskId>) -> bool {
        let wanted = &task.spec.task.reservations;
        let best = self.best(task, |node| {
            let ((cpus, memory), free) = (self.total(node), self.free(node));
            let product = share(wanted.nano_cpus, cpus) * share(free.0, cpus);
            // Scores are compared without their last bit.
            std::cmp::Reverse((product + share(wanted.memory, memory) * share(free.1, memory)) / 2)
        });
        self.give(best, waiting)
    }

    /// The rack with the fewest tasks of the service in which one fits; of equal racks the one whose first node joined
    /// first.
    fn domains(&mut self, task: &Task, waiting: &mut Vec<TaskId>) -> bool {
        let rack = |node: NodeId| self.cluster.nodes()[node].spec.labels.get("rack").cloned().unwrap_or_default();
        let all: Vec<NodeId> = self.cluster.nodes().ids().collect();
        let inside = |node: NodeId| all.iter().copied().filter(move |other| rack(*other) == rack(node));
        let fitting = self.fitting(task);
        let key = |node: &NodeId| {
            let tasks: usize = inside(*node).map(|other| self.of_service(task.service, other)).sum();
            (tasks, inside(*node).next(), self.rank(task, *node), self.tie(*node))
        };
        let best = fitting.into_iter().min_by_key(key);
        self.give(best, waiting)
    }

    fn give(&mut self, node: Option<NodeId>, waiting: &mut Vec<TaskId>) -> bool {
        let Some(node) = node.filter(|_| !waiting.is_empty()) else { return false };
        self.assigned.insert(waiting.remove(0), node);
        true
    }

    /// Nodes are drawn until one fits; after 32 that do not, one is drawn of those that do.
    fn random(&mut self, task: &Task, waiting: &mut Vec<TaskId>, choices: usize) {
        let (all, mut chance) = (self.cluster.nodes().len(), self.chance);
        let mut draw = |limit: usize| {
            chance = mix(chance);
            scale(chance, limit)
        };
        while !waiting.is_empty() {
            let mut fitting = self.fitting(task);
            let mut seen: Vec<NodeId> = Vec::new();
            for _ in 0..choices {
                let mut drawn = (0..32).map(|_| NodeId::from_index(draw(all)));
                let node = match drawn.find(|node| fitting.contains(node)) {
                    None if fitting.is_empty() => break,
                    None => fitting[draw(fitting.len())],
                    Some(node) => node,
                };
                fitting.retain(|other| *other != node);
                seen.push(node);
            }
            let least = seen.into_iter().min_by_key(|node| self.rank(task, *node).2);
            let Some(node) = least else { return };
            self.assigned.insert(waiting.remove(0), node);
        }
    }
}
