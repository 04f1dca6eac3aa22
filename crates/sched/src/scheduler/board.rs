//! What a strategy sees while it places a group of equal tasks: the nodes, their load, and what still fits.

use std::ops::Range;

use super::filter::Refusals;
use super::layout::TieBreak;
use super::ledger::{Depth, Group, Ledger};
use super::view::{Asker, By, Candidate, Question, Views};
use crate::cluster::Cluster;
use crate::id::NodeId;
use crate::spec::GenericResource;

/// What is decided about a group, and room to decide in. It is kept from group to group, so that no decision allocates.
#[derive(Default)]
pub(super) struct Desk {
    /// For each task of the group, whether it will be counted as active.
    pub(super) active: Vec<bool>,
    /// Nodes of the first tasks.
    pub(super) placements: Vec<NodeId>,
    /// Generic units of the tasks that got any, by number of the task.
    pub(super) units: Vec<(usize, Vec<GenericResource>)>,
    tasks: Vec<u32>,
}

/// The cluster as a strategy sees it. Placing a task changes what the board shows.
pub struct Board<'a> {
    cluster: &'a Cluster,
    ledger: &'a mut Ledger,
    views: &'a mut Views,
    group: &'a Group,
    id: usize,
    /// A number that belongs to the group by chance, and where on the circle it starts.
    chance: u64,
    ties: TieBreak,
    start: usize,
    desk: &'a mut Desk,
}

impl<'a> Board<'a> {
    /// A board for the group that has this number; its oldest task is the `sequence`-th that was ever created.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn new(
        cluster: &'a Cluster,
        ledger: &'a mut Ledger,
        views: &'a mut Views,
        (id, group): (usize, &'a Group),
        (ties, seed): (TieBreak, u64),
        sequence: u64,
        desk: &'a mut Desk,
    ) -> Board<'a> {
        desk.active.clear();
        desk.placements.clear();
        desk.units.clear();
        views.refresh(cluster, group.layout);
        let chance = mix(seed ^ mix(sequence));
        let start = match ties {
            TieBreak::LowestId => 0,
            TieBreak::Seeded => scale(chance, ledger.len()),
        };
        Board { cluster, ledger, views, group, id, chance, ties, start, desk }
    }

    /// The tasks to place: for each, whether it will be counted as active.
    pub(super) fn begin(&mut self, active: impl Iterator<Item = bool>) {
        self.desk.active.extend(active);
    }

    fn asker(&mut self) -> (Asker<'_>, &mut Views) {
        (Asker::new(self.cluster, self.ledger, self.group, self.id), self.views)
    }

    /// Tasks of the group that have no node yet.
    pub fn waiting(&self) -> usize {
        self.desk.active.len() - self.desk.placements.len()
    }

    /// Whether one more task of the group may go to a node.
    pub fn fits(&mut self, node: NodeId) -> bool {
        if self.ledger.is_removed(node) {
            return false;
        }
        let verdict = self.views.verdict(self.cluster, self.group, node);
        self.ledger.refusal(self.group, node, verdict, Depth::All).is_none()
    }

    /// Gives the next task of the group to a node, which must fit. Says whether it counts: a task that is to stop before
    /// it ever ran is placed, but makes no node and no branch fuller.
    pub fn place(&mut self, node: NodeId) -> bool {
        let number = self.desk.placements.len();
        let active = self.desk.active[number];
        let units = self.ledger.add(self.group, node, active);
        self.desk.placements.push(node);
        if !units.is_empty() {
            self.desk.units.push((number, units));
        }
        active
    }

    /// Nodes that ever joined, whether they are still there or not: their ids are the numbers below this one.
    pub fn nodes(&self) -> usize {
        self.ledger.len()
    }

    /// Active tasks on a node, those of this pass included.
    pub fn active(&self, node: NodeId) -> u32 {
        self.ledger.active(node)
    }

    /// The number that belongs to the group by chance.
    pub fn chance(&self) -> u64 {
        self.chance
    }

    /// Decides between branches that are equal, given by their numbers below their parent: lower first. The last 32 bits
    /// are the number.
    pub(super) fn tie(&self, branch: usize) -> u64 {
        let chance = match self.ties {
            TieBreak::LowestId => 0,
            TieBreak::Seeded => mix(self.chance ^ branch as u64) >> 32,
        };
        chance << 32 | branch as u64
    }

    /// Branches of the service's preferences below a branch; number 0 is the root.
    pub(super) fn branches(&self, branch: usize) -> Range<usize> {
        self.views.known(self.group.layout).branches()[branch].children.clone()
    }

    /// Counts the active tasks of the service in each branch. They are not counted again until the next call.
    pub(super) fn count_branches(&mut self) -> usize {
        let Group { service, layout, .. } = *self.group;
        self.ledger.tasks_by_branch(service, layout, self.views.known(layout), &mut self.desk.tasks);
        self.desk.tasks.len()
    }

    /// Active tasks of the service in a branch, when they were counted.
    pub(super) fn tasks(&mut self, branch: usize) -> &mut u32 {
        &mut self.desk.tasks[branch]
    }

    /// The best nodes of a leaf for tasks of the group, `most` of them and the first `sorted` in order, see
    /// [`Views::candidates`]. Below the root, tasks have to be counted.
    pub(super) fn candidates(&mut self, branch: usize, most: usize, sorted: usize, out: &mut Vec<Candidate>) {
        let (layout, start) = (self.group.layout, self.start);
        let stretch = self.views.known(layout).branches()[branch].places.clone();
        let is_fresh = match branch {
            0 => self.ledger.counts(self.group.service).len() == 0,
            _ => self.desk.tasks[branch] == 0,
        };
        let (asker, views) = self.asker();
        let question = Question { layout, stretch, is_fresh, by: By::Rank, most, sorted, start };
        views.candidates(&asker, &question, out);
    }

    /// The fullest nodes of all for tasks of the group.
    pub(super) fn fullest(&mut self, most: usize, out: &mut Vec<Candidate>) {
        let (stretch, start) = (0..self.nodes(), self.start);
        let (layout, is_fresh, by, sorted) = (Views::CIRCLE, false, By::Fullness, most);
        let (asker, views) = self.asker();
        views.candidates(&asker, &Question { layout, stretch, is_fresh, by, most, sorted, start }, out);
    }

    /// How often each filter refuses a node, if none fits.
    pub(super) fn refusals_if_none_fits(&mut self) -> Option<Refusals> {
        let (asker, views) = self.asker();
        views.refusals(&asker)
    }

    /// Why the tasks that are left go nowhere.
    pub(super) fn refusals(&mut self) -> Refusals {
        if let Some(refusals) = self.refusals_if_none_fits() {
            return refusals;
        }
        let mut refusals = Refusals::default();
        for (node, _) in self.cluster.nodes().iter().filter(|(_, node)| !node.removed) {
            let verdict = self.views.verdict(self.cluster, self.group, node);
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
pub(super) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A number below `limit` from a random number; 0 if there is none.
pub(super) fn scale(random: u64, limit: usize) -> usize {
    ((u128::from(random) * limit as u128) >> 64) as usize
}
