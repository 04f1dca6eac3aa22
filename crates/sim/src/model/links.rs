//! Links: who reaches whom while networks are broken.
//!
//! Each break of a node's network has a cause, the script or a process of failure, and is whole when its last cause is gone.
//! Nodes that the same splits separate from the rest are on one side and reach each other. Knows nothing of managers,
//! agents or users: the world asks it on their behalf.

use std::collections::{BTreeMap, BTreeSet};

use sched::Time;

use crate::scenario::Breach;

/// Causes from here on are processes; those below are the script's, which `mend` takes away.
const PROCESSES: u32 = 1 << 31;

/// Why a network is broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cause(u32);

impl Cause {
    /// A row of the script.
    pub fn script(row: usize) -> Cause {
        Cause(row as u32)
    }

    /// A process of failure.
    pub fn process(row: usize) -> Cause {
        Cause(PROCESSES + row as u32)
    }
}

/// The networks of all nodes.
#[derive(Debug)]
pub struct Links {
    nodes: Vec<Link>,
    /// The number of each set of splits that ever was; 0 is the empty set.
    sides: BTreeMap<Vec<Cause>, u32>,
    /// Nodes with a break.
    broken: usize,
}

#[derive(Debug)]
struct Link {
    breaks: BTreeSet<(Breach, Cause)>,
    breach: Option<Breach>,
    side: u32,
    /// Since when it is as it is.
    since: Time,
}

impl Links {
    /// All is whole.
    pub fn new(nodes: usize) -> Links {
        let link = |_| Link { breaks: BTreeSet::new(), breach: None, side: 0, since: Time::ZERO };
        Links { nodes: (0..nodes).map(link).collect(), sides: BTreeMap::from([(Vec::new(), 0)]), broken: 0 }
    }

    /// A node's network breaks, or that break is over.
    pub fn set(&mut self, now: Time, node: usize, breach: Breach, cause: Cause, broken: bool) {
        let breaks = &mut self.nodes[node].breaks;
        let changed = if broken { breaks.insert((breach, cause)) } else { breaks.remove(&(breach, cause)) };
        if changed {
            self.look(now, node);
        }
    }

    /// All that the script broke of a node's network is whole again.
    pub fn mend(&mut self, now: Time, node: usize) {
        self.nodes[node].breaks.retain(|it| PROCESSES <= it.1.0);
        self.look(now, node);
    }

    /// How a node is cut off from all others; `Split` never is.
    pub fn breach(&self, node: usize) -> Option<Breach> {
        self.nodes[node].breach
    }

    /// The side that a node is on, unless it is cut off from all others. Nodes that nothing separates are on side 0.
    pub fn side(&self, node: usize) -> Option<u32> {
        self.nodes[node].breach.is_none().then_some(self.nodes[node].side)
    }

    /// Since when two nodes do not reach each other, if they do not: an answer needs both directions.
    pub fn apart(&self, one: usize, other: usize) -> Option<Time> {
        if self.broken == 0 || one == other || self.side(one).is_some() && self.side(one) == self.side(other) {
            return None;
        }
        Some(self.nodes[one].since.max(self.nodes[other].since))
    }

    /// A node from which others are reached: this one, or the next that is not cut off; `None` if all are.
    pub fn open_from(&self, node: usize) -> Option<usize> {
        if self.broken == 0 {
            return Some(node);
        }
        let count = self.nodes.len();
        (node..node + count).map(|it| it % count).find(|it| self.nodes[*it].breach.is_none())
    }

    fn look(&mut self, now: Time, node: usize) {
        let it = &mut self.nodes[node];
        let has = |breach: Breach| it.breaks.iter().any(|one| one.0 == breach);
        let breach = match (has(Breach::Cut), has(Breach::Mute), has(Breach::Deaf)) {
            (true, ..) | (_, true, true) => Some(Breach::Cut),
            (_, true, _) => Some(Breach::Mute),
            (_, _, true) => Some(Breach::Deaf),
            _ => None,
        };
        let splits: Vec<Cause> = it.breaks.iter().filter(|one| one.0 == Breach::Split).map(|one| one.1).collect();
        let next = self.sides.len() as u32;
        let side = *self.sides.entry(splits).or_insert(next);
        if (it.breach, it.side) != (breach, side) {
            let was_broken = it.breach.is_some() || it.side != 0;
            (it.breach, it.side, it.since) = (breach, side, now);
            let is_broken = breach.is_some() || side != 0;
            self.broken = self.broken + usize::from(is_broken) - usize::from(was_broken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_directions_that_carry_nothing_are_a_cut_and_every_cause_must_go() {
        let mut links = Links::new(2);
        let (script, process) = (Cause::script(3), Cause::process(0));
        links.set(Time::ZERO, 1, Breach::Mute, script, true);
        assert_eq!(links.breach(1), Some(Breach::Mute));
        links.set(Time::ZERO, 1, Breach::Deaf, process, true);
        assert_eq!(links.breach(1), Some(Breach::Cut));
        links.mend(Time::ZERO, 1);
        assert_eq!(links.breach(1), Some(Breach::Deaf), "the script does not repair what fails by chance");
        links.set(Time::ZERO, 1, Breach::Deaf, process, false);
        assert_eq!(links.breach(1), None);
        assert_eq!(links.apart(0, 1), None);
    }

    #[test]
    fn who_is_split_off_together_stays_together() {
        let mut links = Links::new(5);
        let at = |secs| Time::ZERO + sched::Span::from_secs(secs);
        for node in [2, 3, 4] {
            links.set(at(1), node, Breach::Split, Cause::script(0), true);
        }
        assert_eq!((links.apart(0, 1), links.apart(2, 3), links.apart(0, 2)), (None, None, Some(at(1))));
        links.set(at(2), 4, Breach::Split, Cause::script(1), true);
        assert_eq!(links.apart(3, 4), Some(at(2)), "a split within a side");
        links.set(at(3), 2, Breach::Cut, Cause::script(2), true);
        assert_eq!((links.side(2), links.open_from(2)), (None, Some(3)));
        for node in 2..5 {
            links.mend(at(4), node);
        }
        assert!((1..5).all(|node| links.apart(0, node).is_none() && links.side(node) == Some(0)));
    }
}
