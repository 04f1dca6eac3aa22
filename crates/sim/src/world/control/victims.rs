//! Running tasks of the services whose containers somebody kills or waits for, counted by slot: so one of them is found by its number
//! in the order of the slots without looking at the others.

use std::collections::BTreeMap;

use sched::{NodeId, Row, ServiceId, Slot, TaskId};

/// What may be killed.
#[derive(Clone, Default, Debug)]
pub struct Victims {
    /// Running tasks by slot, and whether the slots are nodes.
    services: BTreeMap<ServiceId, (Tree, bool)>,
    running: BTreeMap<TaskId, (ServiceId, usize)>,
}

fn number(slot: Slot) -> usize {
    match slot {
        // A spare has a slot before it runs.
        Slot::Number(number) | Slot::Spare(number) => number as usize,
        Slot::Node(node) => node.index(),
    }
}

impl Victims {
    /// Counts the tasks of a service from now on; those that run already are to be noted.
    pub fn watch(&mut self, service: ServiceId, is_per_node: bool) {
        self.services.insert(service, (Tree::default(), is_per_node));
    }

    /// Whether the tasks of a service are counted.
    pub fn is_watched(&self, service: ServiceId) -> bool {
        self.services.contains_key(&service)
    }

    /// Whether no service is watched.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// A task runs, or does not any more.
    pub fn note(&mut self, task: TaskId, service: ServiceId, slot: Slot, runs: bool) {
        if !runs {
            return self.forget(task);
        }
        if let Some((tree, _)) = self.services.get_mut(&service)
            && self.running.insert(task, (service, number(slot))).is_none()
        {
            tree.more(number(slot));
        }
    }

    /// A task is no more.
    pub fn forget(&mut self, task: TaskId) {
        if let Some((service, slot)) = self.running.remove(&task)
            && let Some((tree, _)) = self.services.get_mut(&service)
        {
            tree.less(slot);
        }
    }

    /// Running tasks of a service.
    pub fn count(&self, service: ServiceId) -> u64 {
        self.services.get(&service).map_or(0, |(tree, _)| u64::from(tree.total()))
    }

    /// The slot that has the running task of a number, and the task's number among those that run there.
    pub fn find(&self, service: ServiceId, task: u64) -> Option<(Slot, usize)> {
        let (tree, is_per_node) = self.services.get(&service)?;
        let task = u32::try_from(task).ok().filter(|task| *task < tree.total())?;
        let (slot, rank) = tree.find(task);
        let slot = if *is_per_node { Slot::Node(NodeId::from_index(slot)) } else { Slot::Number(slot as u32) };
        Some((slot, rank as usize))
    }
}

/// Counts by number, with their sums (Fenwick 1994).
#[derive(Clone, Debug)]
struct Tree {
    /// One more than a power of two; the first is not used, the last is the sum of all.
    sums: Vec<u32>,
    /// Sums that were looked at.
    #[cfg(test)]
    looks: std::cell::Cell<usize>,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree {
            sums: vec![0; 2],
            #[cfg(test)]
            looks: std::cell::Cell::default(),
        }
    }
}

impl Tree {
    fn total(&self) -> u32 {
        *self.sums.last().expect("never empty")
    }

    fn more(&mut self, number: usize) {
        while self.sums.len() <= number + 1 {
            let (total, len) = (self.total(), self.sums.len() * 2 - 1);
            self.sums.resize(len, 0);
            self.sums[len - 1] = total;
        }
        self.path(number, |sum| sum + 1);
    }

    fn less(&mut self, number: usize) {
        self.path(number, |sum| sum - 1);
    }

    fn path(&mut self, number: usize, change: impl Fn(u32) -> u32) {
        let mut at = number + 1;
        while at < self.sums.len() {
            self.look();
            self.sums[at] = change(self.sums[at]);
            at += at & at.wrapping_neg();
        }
    }

    fn look(&self) {
        #[cfg(test)]
        self.looks.update(|looks| looks + 1);
    }

    /// The number that has the item of a rank, and the item's rank there.
    fn find(&self, mut rank: u32) -> (usize, u32) {
        let (mut at, mut step) = (0, self.sums.len() - 1);
        while step > 0 {
            self.look();
            if at + step < self.sums.len() && self.sums[at + step] <= rank {
                at += step;
                rank -= self.sums[at];
            }
            step /= 2;
        }
        (at, rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_is_found_where_a_list_has_it() {
        let (mut tree, mut counts) = (Tree::default(), vec![0u32; 300]);
        let mut chance = 1u64;
        for step in 0..3000usize {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = (chance >> 33) as usize % (1 + step / 10);
            if chance >> 63 == 0 || counts[number] == 0 {
                tree.more(number);
                counts[number] += 1;
            } else {
                tree.less(number);
                counts[number] -= 1;
            }
            let list: Vec<(usize, u32)> = counts
                .iter()
                .enumerate()
                .flat_map(|(number, count)| (0..*count).map(move |rank| (number, rank)))
                .collect();
            assert_eq!(tree.total() as usize, list.len());
            for rank in (0..list.len()).step_by(7) {
                assert_eq!(tree.find(rank as u32), list[rank]);
            }
        }
    }

    #[test]
    fn a_kill_looks_at_few_of_many_slots() {
        let slots = 50_000;
        let mut tree = Tree::default();
        (0..slots).for_each(|number| tree.more(number));
        let (before, kills) = (tree.looks.get(), 1000);
        for kill in 0..kills {
            let (slot, _) = tree.find(kill * 49);
            tree.less(slot);
            tree.more(slot);
        }
        let looks = tree.looks.get() - before;
        assert!(looks <= kills as usize * 3 * 18, "{looks} looks");
    }
}
