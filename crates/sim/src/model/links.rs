//! Links: who reaches whom while networks are broken.
//!
//! Each break of a node's network has a cause, the script or a process of failure, and is repaired when its last cause is gone.
//! Nodes that the same splits separate from the rest are on one side and reach each other. Knows nothing of managers,
//! agents or users: the world asks it on their behalf.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::law::Law;
use crate::fact::NetworkFault;
use sched::Time;

/// What a weak link does to the talk of an agent with the manager.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LinkImpairment {
    /// Chance that a heartbeat, or the call of an agent without a session, is not answered.
    pub loss: f64,
    /// What every message takes longer, each way.
    pub delay: Law,
}

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

    /// Nothing is broken, but the machine is too busy to call anybody in time.
    pub const LOAD: Cause = Cause(u32::MAX);

    /// A process of failure.
    pub fn process(row: usize) -> Cause {
        Cause(PROCESSES + row as u32)
    }
}

/// The networks of all nodes.
#[derive(Clone, Debug)]
pub struct Links {
    nodes: Vec<Link>,
    /// The number of each set of splits that ever was; 0 is the empty set.
    sides: BTreeMap<Vec<Cause>, u32>,
    /// Nodes with a break.
    broken: usize,
}

#[derive(Clone, Debug)]
struct Link {
    breaks: BTreeSet<(NetworkFault, Cause)>,
    fault: Option<NetworkFault>,
    side: u32,
    /// Since when it is as it is.
    since: Time,
}

impl Links {
    /// No network is broken.
    pub fn new(nodes: usize) -> Links {
        let link = |_| Link { breaks: BTreeSet::new(), fault: None, side: 0, since: Time::ZERO };
        Links { nodes: (0..nodes).map(link).collect(), sides: BTreeMap::from([(Vec::new(), 0)]), broken: 0 }
    }

    /// A node's network breaks, or that break is over.
    pub fn set(&mut self, now: Time, node: usize, fault: NetworkFault, cause: Cause, broken: bool) {
        let breaks = &mut self.nodes[node].breaks;
        let changed = if broken { breaks.insert((fault, cause)) } else { breaks.remove(&(fault, cause)) };
        if changed {
            self.look(now, node);
        }
    }

    /// All that the script broke of a node's network is repaired.
    pub fn mend(&mut self, now: Time, node: usize) {
        self.nodes[node].breaks.retain(|fault| PROCESSES <= fault.1.0);
        self.look(now, node);
    }

    /// How a node is cut off from all others; `Split` never is.
    pub fn fault(&self, node: usize) -> Option<NetworkFault> {
        self.nodes[node].fault
    }

    /// The side that a node is on, unless it is cut off from all others. Nodes that nothing separates are on side 0.
    pub fn side(&self, node: usize) -> Option<u32> {
        self.nodes[node].fault.is_none().then_some(self.nodes[node].side)
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
        (node..node + count).map(|node| node % count).find(|node| self.nodes[*node].fault.is_none())
    }

    fn look(&mut self, now: Time, node: usize) {
        let entry = &mut self.nodes[node];
        let has = |fault: NetworkFault| entry.breaks.iter().any(|one| one.0 == fault);
        let fault = match (has(NetworkFault::Isolated), has(NetworkFault::TxLost), has(NetworkFault::RxLost)) {
            (true, ..) | (_, true, true) => Some(NetworkFault::Isolated),
            (_, true, _) => Some(NetworkFault::TxLost),
            (_, _, true) => Some(NetworkFault::RxLost),
            _ => None,
        };
        let splits: Vec<Cause> =
            entry.breaks.iter().filter(|one| one.0 == NetworkFault::Partitioned).map(|one| one.1).collect();
        let next = self.sides.len() as u32;
        let side = *self.sides.entry(splits).or_insert(next);
        if (entry.fault, entry.side) != (fault, side) {
            let was_broken = entry.fault.is_some() || entry.side != 0;
            (entry.fault, entry.side, entry.since) = (fault, side, now);
            let is_broken = fault.is_some() || side != 0;
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
        links.set(Time::ZERO, 1, NetworkFault::TxLost, script, true);
        assert_eq!(links.fault(1), Some(NetworkFault::TxLost));
        links.set(Time::ZERO, 1, NetworkFault::RxLost, process, true);
        assert_eq!(links.fault(1), Some(NetworkFault::Isolated));
        links.mend(Time::ZERO, 1);
        assert_eq!(links.fault(1), Some(NetworkFault::RxLost), "the script does not repair what fails by chance");
        links.set(Time::ZERO, 1, NetworkFault::RxLost, process, false);
        assert_eq!(links.fault(1), None);
        assert_eq!(links.apart(0, 1), None);
    }

    #[test]
    fn who_is_split_off_together_stays_together() {
        let mut links = Links::new(5);
        let at = |secs| Time::ZERO + sched::Span::from_secs(secs);
        for node in [2, 3, 4] {
            links.set(at(1), node, NetworkFault::Partitioned, Cause::script(0), true);
        }
        assert_eq!((links.apart(0, 1), links.apart(2, 3), links.apart(0, 2)), (None, None, Some(at(1))));
        links.set(at(2), 4, NetworkFault::Partitioned, Cause::script(1), true);
        assert_eq!(links.apart(3, 4), Some(at(2)), "a split within a side");
        links.set(at(3), 2, NetworkFault::Isolated, Cause::script(2), true);
        assert_eq!((links.side(2), links.open_from(2)), (None, Some(3)));
        for node in 2..5 {
            links.mend(at(4), node);
        }
        assert!((1..5).all(|node| links.apart(0, node).is_none() && links.side(node) == Some(0)));
    }
}
