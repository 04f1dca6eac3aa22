//! What a strategy sees while it places a group of equal tasks: the nodes, their load, and what still fits.

use std::collections::vec_deque::Iter;
use std::ops::Range;

use super::filter::Refusals;
use super::layout::TieBreak;
use super::ledger::{Depth, Group, Ledger};
use super::ranking::{Candidate, CandidateQuery, GroupQuery, RankBy, Rankings};
use super::waiting::{self, Place, Waiting, is_active};
use super::{EVERYTHING, Images};
use crate::cluster::{Cluster, Node};
use crate::id::{NodeId, Row, ServiceId};
use crate::reference::Reference;
use crate::spec::{GenericResource, ServiceSpec};
use crate::time::Time;

/// What is decided about a group, and room to decide in. It is kept from group to group, so that no decision allocates.
#[derive(Clone, Default)]
pub(super) struct Scratch {
    /// Nodes of the first tasks, and whether each is counted as active.
    pub(super) placements: Vec<(NodeId, bool)>,
    /// Generic units of the tasks that got any, by number of the task.
    pub(super) units: Vec<(usize, Vec<GenericResource>)>,
    tasks: Vec<u32>,
}

/// What a node has, or has left.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub struct Room<'a> {
    /// 10^-9 CPUs.
    pub nano_cpus: i64,
    /// Bytes.
    pub memory: i64,
    /// Everything else.
    pub generic: &'a [GenericResource],
}

/// The cluster as a strategy sees it. Placing a task changes what the board shows.
pub struct Board<'a> {
    cluster: &'a Cluster,
    ledger: &'a mut Ledger,
    rankings: &'a mut Rankings,
    group: &'a Group,
    id: usize,
    /// A number that belongs to the group by chance, and where on the circle it starts.
    chance: u64,
    ties: TieBreak,
    start: usize,
    /// The tasks to place, and how many of them have no node yet.
    tasks: Iter<'a, Place>,
    waiting: usize,
    scratch: &'a mut Scratch,
    /// Bytes of the group's image that nodes lack, by row of the node, as far as they were reported.
    missing: &'a [u64],
}

impl<'a> Board<'a> {
    /// A board for the group that has this number; its oldest task is the `sequence`-th that was ever created. It has no
    /// tasks to place until [`Board::begin`].
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        cluster: &'a Cluster,
        ledger: &'a mut Ledger,
        rankings: &'a mut Rankings,
        (id, group): (usize, &'a Group),
        (ties, seed): (TieBreak, u64),
        sequence: u64,
        scratch: &'a mut Scratch,
    ) -> Board<'a> {
        scratch.placements.clear();
        scratch.units.clear();
        rankings.refresh(cluster, group.layout);
        let chance = mix(seed ^ mix(sequence));
        let start = match ties {
            TieBreak::LowestId => 0,
            TieBreak::Seeded => scale(chance, ledger.len()),
        };
        let (tasks, waiting) = (Iter::default(), 0);
        Board { cluster, ledger, rankings, group, id, chance, ties, start, tasks, waiting, scratch, missing: &[] }
    }

    /// What was reported of images.
    pub(super) fn know_images(&mut self, images: &'a Images) {
        let image = Reference::name_of(&self.group.spec.task.container.image);
        self.missing = images.get(image.as_str()).map_or(&[], Vec::as_slice);
    }

    /// Bytes of the group's image that a node would have to pull, as [`crate::Event::ImageMissing`] said last; the largest
    /// number if nothing was said of it.
    pub fn missing_bytes(&self, node: NodeId) -> u64 {
        self.missing.get(node.index()).copied().unwrap_or(EVERYTHING)
    }

    /// These tasks are to be placed.
    pub(super) fn begin(&mut self, tasks: &'a Waiting) {
        (self.tasks, self.waiting) = (tasks.iter(), tasks.len());
    }

    fn query(&mut self) -> (GroupQuery<'_>, &mut Rankings) {
        (GroupQuery::new(self.cluster, self.ledger, self.group, self.id), self.rankings)
    }

    /// The service whose tasks are placed.
    pub fn service(&self) -> ServiceId {
        self.group.service
    }

    /// What the tasks are: all of them are of this specification of their service.
    pub fn spec(&self) -> &ServiceSpec {
        &self.group.spec
    }

    /// The time of the pass.
    pub fn now(&self) -> Time {
        self.cluster.now()
    }

    /// Tasks of the group that have no node yet.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether one more task of the group may go to a node.
    pub fn fits(&mut self, node: NodeId) -> bool {
        if self.ledger.is_removed(node) {
            return false;
        }
        let verdict = self.rankings.verdict(self.cluster, self.group, node);
        self.ledger.refusal(self.group, node, verdict, Depth::All).is_none()
    }

    /// Gives the next task of the group to a node. Says whether it counts: a task that is to stop before it ever ran is
    /// placed, but makes no node and no branch fuller.
    ///
    /// # Panics
    ///
    /// If no task waits, or none [fits](Board::fits) there: no strategy can overcommit a node or pass a filter by.
    pub fn place(&mut self, node: NodeId) -> bool {
        assert!(self.waiting() > 0, "a strategy placed a task too many");
        assert!(self.fits(node), "a strategy placed a task of {} on {node:?}, where it does not fit", self.spec().name);
        self.put(node)
    }

    /// The same for a node that was found to fit, and for a task that waits.
    pub(super) fn put(&mut self, node: NodeId) -> bool {
        let number = self.scratch.placements.len();
        let task = waiting::next(&mut self.tasks, self.cluster).expect("they were counted");
        let active = is_active(task);
        let units = self.ledger.add(self.group, node, active);
        self.scratch.placements.push((node, active));
        self.waiting -= 1;
        if !units.is_empty() {
            self.scratch.units.push((number, units));
        }
        active
    }

    /// The number that belongs to the group by chance, from the seed.
    pub fn chance(&self) -> u64 {
        self.chance
    }

    /// Decides between branches that are equal, given by their numbers below their parent: lower first. The last 32 bits
    /// are the number.
    pub fn tie_of_branch(&self, branch: usize) -> u64 {
        let chance = match self.ties {
            TieBreak::LowestId => 0,
            TieBreak::Seeded => mix(self.chance ^ branch as u64) >> 32,
        };
        chance << 32 | branch as u64
    }

    /// Branches below a branch: one for each value of the next of the labels over which the service wants to be spread.
    /// Number 0 is the root; a branch with none below is a leaf, and without preferences the root is one.
    pub fn branches(&self, branch: usize) -> Range<usize> {
        self.rankings.known(self.group.layout).branches()[branch].children.clone()
    }

    /// The nodes of a branch.
    pub fn nodes_in(&self, branch: usize) -> &[NodeId] {
        let layout = self.rankings.known(self.group.layout);
        &layout.nodes()[layout.branches()[branch].places.clone()]
    }

    /// Counts the active tasks of the service in each branch, and says how many branches there are. They are not counted
    /// again until the next call.
    pub fn count_branches(&mut self) -> usize {
        let Group { service, layout, .. } = *self.group;
        self.ledger.tasks_by_branch(service, layout, self.rankings.known(layout), &mut self.scratch.tasks);
        self.scratch.tasks.len()
    }

    /// Active tasks of the service in a branch, when [`Board::count_branches`] counted them last.
    pub fn tasks_in(&self, branch: usize) -> u32 {
        self.scratch.tasks[branch]
    }

    /// The same, to keep it up to date.
    pub(super) fn tasks(&mut self, branch: usize) -> &mut u32 {
        &mut self.scratch.tasks[branch]
    }

    /// Puts into `out` the best nodes of a leaf on which a task of the group fits, `most` of them, in Swarm's order: nodes
    /// where the group did not fail five times of late, with fewest tasks of the service, with fewest tasks, in order of
    /// [`Board::tie`]. Below the root, tasks have to be [counted](Board::count_branches) first.
    ///
    /// This is the way to nodes that does not look at all of them.
    pub fn candidates(&mut self, branch: usize, most: usize, out: &mut Vec<Candidate>) {
        self.some_candidates(branch, most, most, out);
    }

    /// The same, of which only the first `sorted` stand in order, see [`Rankings::candidates`].
    pub(super) fn some_candidates(&mut self, branch: usize, most: usize, sorted: usize, out: &mut Vec<Candidate>) {
        let (layout, start) = (self.group.layout, self.start);
        let stretch = self.rankings.known(layout).branches()[branch].places.clone();
        let is_fresh = match branch {
            0 => self.ledger.counts(self.group.service).len() == 0,
            _ => self.scratch.tasks[branch] == 0,
        };
        let (query, rankings) = self.query();
        let question = CandidateQuery { layout, stretch, is_fresh, by: RankBy::Rank, most, sorted, start };
        rankings.candidates(&query, &question, out);
    }

    /// Puts into `out` the fullest nodes of all on which a task of the group fits, `most` of them: by the larger of the
    /// reserved shares of CPU and memory, then by tasks.
    pub fn fullest(&mut self, most: usize, out: &mut Vec<Candidate>) {
        let (stretch, start) = (0..self.ledger.len(), self.start);
        let (layout, is_fresh, by, sorted) = (Rankings::CIRCLE, false, RankBy::Fullness, most);
        let (query, rankings) = self.query();
        rankings.candidates(&query, &CandidateQuery { layout, stretch, is_fresh, by, most, sorted, start }, out);
    }

    /// Every node that ever joined, whether it is still there or not: one that is gone never fits.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        (0..self.ledger.len()).map(NodeId::from_index)
    }

    /// What is known of a node: its labels, its state, its description.
    pub fn node(&self, node: NodeId) -> &Node {
        &self.cluster.nodes()[node]
    }

    /// What a node has left, tasks that are placed in this pass included. Less than nothing if it shrank.
    pub fn free(&self, node: NodeId) -> Room<'_> {
        let (nano_cpus, memory) = self.ledger.free(node);
        Room { nano_cpus, memory, generic: self.ledger.generic(node) }
    }

    /// What a node has in all.
    pub fn total(&self, node: NodeId) -> Room<'_> {
        let (nano_cpus, memory) = self.ledger.capacity(node);
        let description = self.node(node).spec.description.as_ref();
        Room { nano_cpus, memory, generic: description.map_or(&[], |description| &description.resources.generic) }
    }

    /// Active tasks on a node, those that are placed in this pass included. A task is active until it is told to stop.
    pub fn active(&self, node: NodeId) -> u32 {
        self.ledger.active(node)
    }

    /// Those of them that belong to the service.
    pub fn active_of_service(&self, node: NodeId) -> u32 {
        self.ledger.counts(self.group.service).get(node)
    }

    /// How often tasks of the group failed on a node within the last five minutes. Swarm disregards up to four.
    pub fn failures(&self, node: NodeId) -> u32 {
        self.ledger.failures(self.group.service, self.group.version).map_or(0, |counts| counts.get(node))
    }

    /// Decides between nodes that are equal: lower first. No two nodes have the same, see [`TieBreak`].
    pub fn tie(&self, node: NodeId) -> u32 {
        self.rankings.tie(node, self.start)
    }

    /// How often each filter refuses a node, if none fits.
    pub(super) fn refusals_if_none_fits(&mut self) -> Option<Refusals> {
        let (query, rankings) = self.query();
        rankings.refusals(&query)
    }

    /// Why the tasks that are left go nowhere.
    pub(super) fn refusals(&mut self) -> Refusals {
        if let Some(refusals) = self.refusals_if_none_fits() {
            return refusals;
        }
        let mut refusals = Refusals::default();
        for (node, _) in self.cluster.nodes().iter().filter(|(_, node)| !node.removed) {
            let verdict = self.rankings.verdict(self.cluster, self.group, node);
            match self.ledger.refusal(self.group, node, verdict, Depth::All) {
                Some(filter) => refusals.add(filter),
                // SwarmKit's counters start again whenever a node passes.
                None => refusals = Refusals::default(),
            }
        }
        refusals
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): every bit of the input changes half of the output.
pub(crate) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A number below `limit` from a random number; 0 if there is none.
pub(super) fn scale(random: u64, limit: usize) -> usize {
    ((u128::from(random) * limit as u128) >> 64) as usize
}
