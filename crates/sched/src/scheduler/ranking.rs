//! Rankings: the nodes in the order in which a kind of task wants them, kept from pass to pass.
//!
//! A ranking holds one key per node, smaller is better, in a tournament ([`KeyTree`]). It is brought up to date when it is
//! asked: it looks again at the nodes that the ledger's log names since, or at all of them if it missed too much. So
//! nothing is paid for a ranking that nobody asks, and a decision costs the same however many nodes there are.
//!
//! There are three kinds. Two are shared by services that ask for the same: they know nothing of a service, so a node
//! that has tasks of it, which must stand further back, is stepped over. If that happens too often, the group gets a
//! ranking of its own, whose keys are the whole truth. To a group that has no tasks yet, a shared ranking is the whole truth.

use std::collections::BTreeMap;
use std::ops::Range;

use super::counts::Counts;
use super::filter::{Filter, Refusals, Requirement};
use super::key_tree::KeyTree;
use super::layout::{Circle, Layout, TieBreak};
use super::ledger::{self, Depth, FilterCache, Group, Ledger};
use crate::cluster::Cluster;
use crate::id::NodeId;

/// What a node is compared by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum RankBy {
    /// Swarm's order: recent failures of the group if they are five or more, active tasks of the service, active tasks.
    Rank,
    /// Recent failures again, then the larger reserved share of CPU and memory, then active tasks: the fullest first.
    Fullness,
}

/// What a ranking is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Scope {
    by: RankBy,
    depth: Depth,
    layout: usize,
    /// Number of the requirement, or of the group if the depth is [`Depth::All`].
    number: usize,
    /// Only for [`Depth::Room`].
    room: (i64, i64),
}

#[derive(Clone)]
struct Ranking {
    scope: Option<Scope>,
    /// The layout that it was built for.
    built: u64,
    /// How far it has read the log.
    seen: u64,
    /// When it was asked last, counted in questions.
    used: u64,
    /// Nodes that were looked at instead since it was up to date.
    scanned: usize,
    order: KeyTree,
    refused: Refusals,
}

/// Keys from here on are of nodes that are refused, or gone: sixteen ones, and the filter.
const REFUSED: u64 = 0xffff << 48;
/// A node that was removed.
const GONE: u64 = u64::MAX;
/// The parts of a key that are not failures.
const PART: u64 = (1 << 24) - 1;

/// One more active task of the service on a node that is compared by rank.
pub(super) const ONE_MORE: u64 = (1 << 24) + 1;

fn refused_by(key: u64) -> Option<Filter> {
    (key >= REFUSED && key != GONE).then(|| Filter::ALL[(key >> 40 & 0xff) as usize])
}

/// Failures beyond 65,534 in five minutes, and tasks on one node beyond 16 million, are not told apart.
fn pack(failures: u32, second: u64, third: u64) -> u64 {
    u64::from(failures).min(0xfffe) << 48 | second.min(PART) << 24 | third.min(PART)
}

/// A node that could take a task.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Which node.
    pub node: NodeId,
    /// Its place on the circle, from where the group starts.
    pub(super) tie: u32,
    pub(super) key: u64,
}

/// Which nodes are asked for.
pub(super) struct CandidateQuery {
    pub(super) layout: usize,
    /// The places of the layout that are looked at.
    pub(super) stretch: Range<usize>,
    /// Whether none of them has a task of the service.
    pub(super) is_fresh: bool,
    pub(super) by: RankBy,
    /// How many nodes are wanted at most.
    pub(super) most: usize,
    /// At least so many of them stand best first, the others behind in no order.
    pub(super) sorted: usize,
    /// The place on the circle that counts as its first.
    pub(super) start: usize,
}

/// Who asks.
pub(super) struct GroupQuery<'a> {
    cluster: &'a Cluster,
    ledger: &'a Ledger,
    group: &'a Group,
    id: usize,
    /// Active tasks of the service, and recent failures of the group: looked up once for many keys.
    counts: &'a Counts,
    failures: Option<&'a Counts>,
}

impl<'a> GroupQuery<'a> {
    pub(super) fn new(cluster: &'a Cluster, ledger: &'a Ledger, group: &'a Group, id: usize) -> GroupQuery<'a> {
        let (counts, failures) = (ledger.counts(group.service), ledger.failures(group.service, group.version));
        GroupQuery { cluster, ledger, group, id, counts, failures }
    }

    fn key(&self, node: NodeId, verdict: Option<Filter>, by: RankBy, depth: Depth) -> u64 {
        if self.ledger.is_removed(node) {
            return GONE;
        }
        let refusal = self.ledger.refusal(self.group, node, verdict, depth);
        if let Some(filter) = refusal {
            return REFUSED | (filter as u64) << 40;
        }
        let (failures, tasks) = if depth == Depth::All { self.of_group(node, by) } else { (0, 0) };
        let total = u64::from(self.ledger.active(node));
        match by {
            RankBy::Rank => pack(failures, u64::from(tasks), total),
            RankBy::Fullness => {
                pack(failures, PART - reserved_ppm(self.ledger, node).min(PART), PART - total.min(PART))
            }
        }
    }

    /// What the shared rankings do not know: failures that matter and, where it is compared by them, tasks of the service.
    fn of_group(&self, node: NodeId, by: RankBy) -> (u32, u32) {
        let failures = self.failures.map_or(0, |counts| ledger::that_matter(counts.get(node)));
        let tasks = if by == RankBy::Rank { self.counts.get(node) } else { 0 };
        (failures, tasks)
    }
}

/// The larger share of a node that is reserved, in millionths.
fn reserved_ppm(ledger: &Ledger, node: NodeId) -> u64 {
    let share = |free: i64, capacity: i64| {
        if capacity <= 0 {
            return 0;
        }
        let reserved = i128::from(capacity) - i128::from(free);
        match u64::try_from(reserved) {
            // Nearly always: no division of 128 bits.
            Ok(reserved) if reserved < u64::MAX / 1_000_000 => reserved * 1_000_000 / capacity as u64,
            _ => u64::try_from(reserved * 1_000_000 / i128::from(capacity)).unwrap_or(0),
        }
    };
    let ((cpus, memory), (all_cpus, all_memory)) = (ledger.free(node), ledger.capacity(node));
    share(cpus, all_cpus).max(share(memory, all_memory))
}

/// A shared ranking is given up after so many nodes that had to be stepped over, or after a quarter of those that are wanted.
const STEPS: usize = 8;
/// A group that wants a sixteenth of the nodes looks at all of them.
const FEW: usize = 16;
/// Of so few nodes a group may want a quarter: otherwise each of them would be looked at.
const SMALL: usize = 64;
/// Requirements that are remembered, used or not.
const MANY: usize = 64;

/// Requirements, layouts and rankings.
#[derive(Clone)]
pub(super) struct Rankings {
    ties: TieBreak,
    seed: u64,
    requirements: Vec<FilterCache>,
    requirement_numbers: BTreeMap<Requirement, usize>,
    /// The first is the circle.
    layouts: Vec<Layout>,
    rankings: Vec<Ranking>,
    ranking_numbers: BTreeMap<Scope, usize>,
    /// The ranking that was asked last.
    recent: usize,
    questions: u64,
    stepped_over: Vec<(usize, u64)>,
    holders: Vec<Candidate>,
}

impl Rankings {
    /// Without preferences, all nodes are one branch of the layout that is the circle.
    pub(super) const CIRCLE: usize = 0;

    pub(super) fn new(ties: TieBreak, seed: u64) -> Rankings {
        Rankings {
            ties,
            seed,
            requirements: Vec::new(),
            requirement_numbers: BTreeMap::new(),
            layouts: vec![Layout::new(Vec::new())],
            rankings: Vec::new(),
            ranking_numbers: BTreeMap::new(),
            recent: 0,
            questions: 0,
            stepped_over: Vec::new(),
            holders: Vec::new(),
        }
    }

    /// The number of a requirement; every call is paid back by [`Rankings::release`].
    pub(super) fn requirement(&mut self, requirement: Requirement) -> usize {
        if self.requirement_numbers.len() >= MANY && !self.requirement_numbers.contains_key(&requirement) {
            self.forget_requirements();
        }
        let free = self.requirements.iter().position(|requirement| requirement.requirement.is_none());
        let number = *self.requirement_numbers.entry(requirement).or_insert_with_key(|requirement| {
            let verdicts = FilterCache::new(requirement.clone());
            match free {
                Some(number) => self.requirements[number] = verdicts,
                None => self.requirements.push(verdicts),
            }
            free.unwrap_or(self.requirements.len() - 1)
        });
        self.requirements[number].users += 1;
        number
    }

    pub(super) fn layout(&mut self, levels: Vec<String>) -> usize {
        self.layouts.iter().position(|layout| layout.levels == levels).unwrap_or_else(|| {
            self.layouts.push(Layout::new(levels));
            self.layouts.len() - 1
        })
    }

    /// The group of a number is no more, and the number will be given to another.
    pub(super) fn release(&mut self, id: usize, group: &Group) {
        self.requirements[group.requirement].users -= 1;
        self.close(|scope| scope.depth == Depth::All && scope.number == id);
    }

    /// Forgets what no group asks for. Until there are many, a requirement that was asked for may come again.
    fn forget_requirements(&mut self) {
        for number in 0..self.requirements.len() {
            let verdicts = &mut self.requirements[number];
            if verdicts.users == 0
                && let Some(requirement) = &verdicts.requirement
            {
                self.requirement_numbers.remove(requirement);
                *verdicts = FilterCache::default();
                self.close(|scope| scope.depth != Depth::All && scope.number == number);
            }
        }
    }

    fn close(&mut self, is_over: impl Fn(&Scope) -> bool) {
        for ranking in &mut self.rankings {
            if let Some(scope) = ranking.scope.filter(&is_over) {
                self.ranking_numbers.remove(&scope);
                ranking.scope = None;
            }
        }
    }

    pub(super) fn node_joined(&mut self) {
        self.layouts.iter_mut().for_each(Layout::node_joined);
    }

    pub(super) fn node_removed(&mut self) {
        self.layouts.iter_mut().for_each(Layout::node_removed);
    }

    pub(super) fn node_updated(&mut self, cluster: &Cluster, node: NodeId) {
        self.requirements.iter_mut().for_each(|requirement| requirement.forget(node));
        self.layouts.iter_mut().for_each(|layout| layout.node_updated(node, &cluster.nodes()[node].spec));
    }

    /// Makes the places of a layout good.
    pub(super) fn refresh(&mut self, cluster: &Cluster, layout: usize) -> &Layout {
        let (circle, others) = self.layouts.split_first_mut().expect("the circle");
        circle.refresh(cluster, Circle::Own(self.ties, self.seed));
        if layout > 0 {
            others[layout - 1].refresh(cluster, Circle::Other(circle));
        }
        &self.layouts[layout]
    }

    /// The layout of a number, as it was when it was last made good.
    pub(super) fn known(&self, layout: usize) -> &Layout {
        &self.layouts[layout]
    }

    /// Which filters a node fails because of what it is.
    pub(super) fn verdict(&mut self, cluster: &Cluster, group: &Group, node: NodeId) -> Option<Filter> {
        self.requirements[group.requirement].of(cluster, node)
    }

    /// The ranking of a scope, up to date.
    fn ranking(&mut self, query: &GroupQuery<'_>, scope: Scope) -> usize {
        let number = self.number(query, scope);
        self.catch_up(query, number, scope);
        number
    }

    /// The ranking of a scope, as it was when it was last brought up to date.
    fn number(&mut self, query: &GroupQuery<'_>, scope: Scope) -> usize {
        self.questions += 1;
        if self.rankings.get(self.recent).is_none_or(|ranking| ranking.scope != Some(scope)) {
            self.recent = match self.ranking_numbers.get(&scope) {
                Some(number) => *number,
                None => self.open(query.ledger.len(), scope),
            };
        }
        self.rankings[self.recent].used = self.questions;
        self.recent
    }

    fn catch_up(&mut self, query: &GroupQuery<'_>, number: usize, scope: Scope) {
        let verdicts = &mut self.requirements[query.group.requirement];
        self.rankings[number].catch_up(query, scope, &self.layouts[scope.layout], verdicts);
    }

    /// A new ranking, in the place of one that nobody asked for long if there are too many: about 75 MB of keys, or 64.
    fn open(&mut self, nodes: usize, scope: Scope) -> usize {
        let most = ((1 << 23) / nodes.max(1)).max(64);
        let unused = self.rankings.iter().position(|ranking| ranking.scope.is_none());
        let number = unused.unwrap_or_else(|| {
            if self.rankings.len() < most {
                self.rankings.push(Ranking::new());
                return self.rankings.len() - 1;
            }
            let oldest = self.rankings.iter().enumerate().min_by_key(|(_, ranking)| ranking.used);
            let oldest = oldest.expect("at least 64").0;
            self.ranking_numbers.remove(&self.rankings[oldest].scope.expect("all are in use"));
            oldest
        });
        let ranking = &mut self.rankings[number];
        ranking.scope = Some(scope);
        (ranking.built, ranking.scanned) = (0, 0);
        self.ranking_numbers.insert(scope, number);
        number
    }

    fn shared(group: &Group, layout: usize, by: RankBy, depth: Depth) -> Scope {
        let room = if depth == Depth::Room { group.room() } else { (0, 0) };
        Scope { by, depth, layout, number: group.requirement, room }
    }

    fn own(id: usize, layout: usize, by: RankBy) -> Scope {
        Scope { by, depth: Depth::All, layout, number: id, room: (0, 0) }
    }

    /// A ranking that leaves nothing out: a shared one if that is `enough` and its tasks take nothing but room from each
    /// other.
    fn whole(id: usize, group: &Group, layout: usize, by: RankBy, enough: bool) -> Scope {
        match (enough && group.is_plain(), group.room()) {
            (true, (0, 0)) => Rankings::shared(group, layout, by, Depth::Nodes),
            (true, _) => Rankings::shared(group, layout, by, Depth::Room),
            (false, _) => Rankings::own(id, layout, by),
        }
    }

    /// The ranking that says whether any node takes a task of the group: groups with the same one are refused alike.
    pub(super) fn of_refusals(id: usize, group: &Group) -> Scope {
        Rankings::whole(id, group, group.layout, RankBy::Rank, true)
    }

    /// Puts into `out` the best nodes that can take a task of the group, of equals the first on the circle.
    pub(super) fn candidates(&mut self, query: &GroupQuery<'_>, question: &CandidateQuery, out: &mut Vec<Candidate>) {
        out.clear();
        let &CandidateQuery { layout, ref stretch, is_fresh, by, most, .. } = question;
        if most == 0 || stretch.is_empty() {
            return;
        }
        let split = self.split(question);
        let group = query.group;
        let share = if stretch.len() <= SMALL { FEW / 4 } else { FEW };
        let few = most.saturating_mul(share) <= stretch.len() || stretch.len() <= STEPS;
        let scattered = query.counts.len() * 2 <= query.ledger.len() || by == RankBy::Fullness;
        if few && scattered {
            let reserves = group.room() != (0, 0);
            for depth in [Depth::Nodes, Depth::Room] {
                // By fullness, those that are too full stand in front of all others.
                let useless = match depth {
                    Depth::Nodes => by == RankBy::Fullness,
                    _ => group.wants_units() || (by == RankBy::Rank && !reserves),
                };
                if useless {
                    continue;
                }
                match self.step(query, Rankings::shared(group, layout, by, depth), question, split, out) {
                    Step::Done => return,
                    Step::Full => {}
                    Step::Crowded => break,
                }
            }
        }
        // What a shared ranking knows is the whole truth where the group left no traces yet.
        let is_fresh = query.failures.is_none() && (is_fresh || by == RankBy::Fullness);
        self.choose(query, Rankings::whole(query.id, query.group, layout, by, is_fresh), question, split, out);
    }

    /// Where the circle's start divides a stretch.
    fn split(&self, question: &CandidateQuery) -> usize {
        let &CandidateQuery { layout, ref stretch, start, .. } = question;
        if layout == Rankings::CIRCLE || start == 0 {
            return start.clamp(stretch.start, stretch.end);
        }
        let circle = &self.layouts[Rankings::CIRCLE];
        let before = |node: &NodeId| circle.place(*node).is_some_and(|place| place < start);
        stretch.start + self.layouts[layout].nodes()[stretch.clone()].partition_point(before)
    }

    /// The place of a node on the circle, from where a group starts.
    pub(super) fn tie(&self, node: NodeId, start: usize) -> u32 {
        let place = self.layouts[Rankings::CIRCLE].place(node).expect("every node is on the circle");
        // Those before the start come after all others.
        (place as u32).wrapping_sub(start as u32)
    }

    /// Goes through a shared ranking in its order, stepping over nodes that the group has to see otherwise.
    fn step(
        &mut self,
        query: &GroupQuery<'_>,
        scope: Scope,
        question: &CandidateQuery,
        split: usize,
        out: &mut Vec<Candidate>,
    ) -> Step {
        let &CandidateQuery { ref stretch, most, start, .. } = question;
        let number = self.ranking(query, scope);
        let (mut steps, mut lacks_room) = (0, false);
        self.holders.clear();
        self.stepped_over.clear();
        let step = loop {
            let order = &mut self.rankings[number].order;
            let key = order.min(stretch.start, stretch.end);
            if key >= REFUSED {
                // Every node was looked at: those that were put off are the rest.
                self.holders.sort_unstable_by_key(|holder| (holder.key, holder.tie));
                out.extend(self.holders.iter().take(most - out.len()));
                break Step::Done;
            }
            let place = order.first(key, split, stretch.end).or_else(|| order.first(key, stretch.start, split));
            let place = place.expect("the smallest key is somewhere");
            let node = self.layouts[scope.layout].nodes()[place];
            if let Some(filter) = query.ledger.refusal(query.group, node, None, Depth::All) {
                lacks_room |= filter == Filter::Resource;
                steps += 1;
            } else if query.of_group(node, scope.by) != (0, 0) {
                let key = query.key(node, None, scope.by, Depth::All);
                self.holders.push(Candidate { node, tie: self.tie(node, start), key });
                steps += 1;
            } else {
                out.push(Candidate { node, tie: self.tie(node, start), key });
                if out.len() == most {
                    break Step::Done;
                }
            }
            if steps > STEPS.max(most / 4) {
                out.clear();
                break if lacks_room && scope.depth == Depth::Nodes { Step::Full } else { Step::Crowded };
            }
            let order = &mut self.rankings[number].order;
            order.set(place, GONE);
            self.stepped_over.push((place, key));
        };
        for (place, key) in self.stepped_over.drain(..) {
            self.rankings[number].order.set(place, key);
        }
        step
    }

    /// Takes the best of a stretch by the truth: from a ranking that knows all of it or, as long as that is cheaper than to
    /// bring the ranking up to date, node by node.
    fn choose(
        &mut self,
        query: &GroupQuery<'_>,
        scope: Scope,
        question: &CandidateQuery,
        split: usize,
        out: &mut Vec<Candidate>,
    ) {
        let &CandidateQuery { ref stretch, most, sorted, .. } = question;
        // The places from `split` on are in the order of the circle, so their number serves as the tie.
        let places = (split..stretch.end).chain(stretch.start..split);
        let number = self.number(query, scope);
        if self.scan_is_cheaper(query, number, scope.layout, stretch.len()) {
            let (nodes, verdicts) =
                (self.layouts[scope.layout].nodes(), &mut self.requirements[query.group.requirement]);
            for (tie, place) in places.enumerate() {
                let verdict = verdicts.of(query.cluster, nodes[place]);
                let key = query.key(nodes[place], verdict, scope.by, scope.depth);
                if key < REFUSED {
                    out.push(Candidate { node: nodes[place], tie: tie as u32, key });
                }
            }
        } else {
            self.catch_up(query, number, scope);
            if most == 1 || most.saturating_mul(FEW) <= stretch.len() {
                return self.take(number, question, split, out);
            }
            let (keys, nodes) = (self.rankings[number].order.keys(), self.layouts[scope.layout].nodes());
            let places = places.enumerate().filter(|(_, place)| keys[*place] < REFUSED);
            out.extend(places.map(|(tie, place)| Candidate { node: nodes[place], tie: tie as u32, key: keys[place] }));
        }
        let order = |candidate: &Candidate| (candidate.key, candidate.tie);
        if most < out.len() {
            out.select_nth_unstable_by_key(most - 1, order);
            out.truncate(most);
        }
        let mut first = out.as_mut_slice();
        if sorted < first.len() / 2 {
            first = first.select_nth_unstable_by_key(sorted, order).0;
        }
        first.sort_by_key(order);
    }

    /// Whether to look at so many nodes rather than to bring a ranking up to date. The nodes that are scanned instead are not
    /// more than those that the ranking has to catch up with, so whatever is asked next, at most twice the least is done.
    fn scan_is_cheaper(&mut self, query: &GroupQuery<'_>, number: usize, layout: usize, nodes: usize) -> bool {
        let (ranking, layout) = (&mut self.rankings[number], &self.layouts[layout]);
        let is_built = ranking.built == layout.built;
        let missed = if is_built { query.ledger.log.missed(ranking.seen) } else { None };
        ranking.scanned += nodes;
        ranking.scanned < missed.unwrap_or(layout.nodes().len())
    }

    /// Takes the few best of a ranking one by one.
    fn take(&mut self, number: usize, question: &CandidateQuery, split: usize, out: &mut Vec<Candidate>) {
        let &CandidateQuery { layout, ref stretch, most, start, .. } = question;
        self.stepped_over.clear();
        while out.len() < most {
            let order = &mut self.rankings[number].order;
            let key = order.min(stretch.start, stretch.end);
            if key >= REFUSED {
                break;
            }
            let place = order.first(key, split, stretch.end).or_else(|| order.first(key, stretch.start, split));
            let place = place.expect("the smallest key is somewhere");
            if most > 1 {
                order.set(place, GONE);
                self.stepped_over.push((place, key));
            }
            let node = self.layouts[layout].nodes()[place];
            out.push(Candidate { node, tie: self.tie(node, start), key });
        }
        for (place, key) in self.stepped_over.drain(..) {
            self.rankings[number].order.set(place, key);
        }
    }

    /// How often each filter refuses a node, if all nodes are refused.
    pub(super) fn refusals(&mut self, query: &GroupQuery<'_>) -> Option<Refusals> {
        let number = self.ranking(query, Rankings::of_refusals(query.id, query.group));
        let ranking = &self.rankings[number];
        (ranking.order.min(0, ranking.order.len()) >= REFUSED).then_some(ranking.refused)
    }
}

/// How going through a shared ranking ended.
enum Step {
    Done,
    /// Too many nodes were too full.
    Full,
    /// Too many nodes had tasks of the service, or failures, or lacked something that only the group asks for.
    Crowded,
}

impl Ranking {
    fn new() -> Ranking {
        Ranking {
            scope: None,
            built: 0,
            seen: 0,
            used: 0,
            scanned: 0,
            order: KeyTree::default(),
            refused: Refusals::default(),
        }
    }

    fn catch_up(&mut self, query: &GroupQuery<'_>, scope: Scope, layout: &Layout, verdicts: &mut FilterCache) {
        let log = &query.ledger.log;
        self.scanned = 0;
        let missed = if self.built == layout.built { log.since(self.seen) } else { None };
        self.seen = log.end();
        let Some(missed) = missed else {
            self.built = layout.built;
            self.refused = Refusals::default();
            self.order.rebuild(layout.nodes().iter().map(|node| {
                let key = query.key(*node, verdicts.of(query.cluster, *node), scope.by, scope.depth);
                if let Some(filter) = refused_by(key) {
                    self.refused.add(filter);
                }
                key
            }));
            return;
        };
        for node in missed {
            let Some(place) = layout.place(node) else { continue };
            let old = self.order.keys()[place];
            let key = query.key(node, verdicts.of(query.cluster, node), scope.by, scope.depth);
            if key == old {
                continue;
            }
            if let Some(filter) = refused_by(old) {
                self.refused.take(filter);
            }
            if let Some(filter) = refused_by(key) {
                self.refused.add(filter);
            }
            self.order.set(place, key);
        }
    }
}

/// The places of nodes are rows of 32 bits.
const _: () = assert!(size_of::<Candidate>() == 16);
