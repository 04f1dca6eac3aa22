//! The slots of a service: which tasks each has, and how many it ever had.

use std::collections::BTreeMap;

use crate::id::{NodeId, Row, Slot, TaskId};

/// The slots of a service.
///
/// Nearly every slot has one task, and slots are dense: so they stand in blocks of sixteen, with room for one task
/// each. A map with a list for every slot would need a hundred bytes more per task.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    /// Tasks in all slots.
    tasks: usize,
    /// Slots that have tasks, without spares.
    numbered: usize,
    /// By kind of slot and number of the block.
    blocks: BTreeMap<(Kind, u32), Box<[Record; BLOCK as usize]>>,
}

const BLOCK: u32 = 16;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Number,
    Node,
    Spare,
}

#[derive(Clone, Debug, Default)]
struct Record {
    /// Tasks ever created, for their names.
    instances: u32,
    oldest: Option<TaskId>,
    /// The others, oldest first.
    #[allow(clippy::box_collection)] // It is hardly ever there.
    others: Option<Box<Vec<TaskId>>>,
}

const _: () = assert!(size_of::<Record>() == 24);

impl Record {
    fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.oldest.into_iter().chain(self.others.iter().flat_map(|others| others.iter().copied()))
    }
}

fn place(slot: Slot) -> ((Kind, u32), usize) {
    let (kind, number) = match slot {
        Slot::Number(number) => (Kind::Number, number),
        Slot::Node(node) => (Kind::Node, node.index() as u32),
        Slot::Spare(number) => (Kind::Spare, number),
    };
    ((kind, number / BLOCK), (number % BLOCK) as usize)
}

impl Slots {
    /// Records of the tasks of a slot, oldest first.
    pub fn tasks_in(&self, slot: Slot) -> impl Iterator<Item = TaskId> + '_ {
        let (block, index) = place(slot);
        self.blocks.get(&block).into_iter().flat_map(move |block| block[index].tasks())
    }

    /// Slots that have tasks, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, impl Iterator<Item = TaskId> + '_)> + '_ {
        let records = self.records().filter(|(_, record)| record.oldest.is_some());
        records.map(|(slot, record)| (slot, record.tasks()))
    }

    fn records(&self) -> impl Iterator<Item = (Slot, &Record)> {
        self.blocks.iter().flat_map(|((kind, block), records)| {
            (0..BLOCK).zip(records.iter()).map(move |(step, record)| {
                let number = block * BLOCK + step;
                let slot = match kind {
                    Kind::Number => Slot::Number(number),
                    Kind::Node => Slot::Node(NodeId::from_index(number as usize)),
                    Kind::Spare => Slot::Spare(number),
                };
                (slot, record)
            })
        })
    }

    /// Whether no slot has a task.
    pub fn is_empty(&self) -> bool {
        self.tasks == 0
    }

    /// How many slots have tasks, without spares.
    pub(crate) fn numbered(&self) -> usize {
        self.numbered
    }

    /// Records of the spares, in order of their numbers.
    pub(crate) fn spares(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.blocks.range((Kind::Spare, 0)..).flat_map(|(_, records)| records.iter().flat_map(Record::tasks))
    }

    /// The first number that no spare has.
    pub(crate) fn free_spare(&self) -> Slot {
        let free = (0..).map(Slot::Spare).find(|slot| self.tasks_in(*slot).next().is_none());
        free.expect("there is always a next number")
    }

    /// Adds the newest task of a slot; the answer is how many that slot ever had.
    pub(crate) fn push(&mut self, slot: Slot, task: TaskId) -> u32 {
        let (block, index) = place(slot);
        self.tasks += 1;
        let record = &mut self.blocks.entry(block).or_default()[index];
        match record.oldest {
            None => {
                record.oldest = Some(task);
                self.numbered += usize::from(block.0 != Kind::Spare);
            }
            Some(_) => record.others.get_or_insert_default().push(task),
        }
        record.instances = record.instances.saturating_add(1);
        record.instances
    }

    /// How many tasks each slot ever had.
    #[cfg(feature = "snapshot")]
    pub(crate) fn instances(&self) -> impl Iterator<Item = (Slot, u32)> + '_ {
        self.records().map(|(slot, record)| (slot, record.instances)).filter(|(_, instances)| *instances > 0)
    }

    /// Slots without tasks that had so many.
    #[cfg(feature = "snapshot")]
    pub(crate) fn recalled(instances: Vec<(Slot, u32)>) -> Slots {
        let mut slots = Slots::default();
        for (slot, instances) in instances {
            let (block, index) = place(slot);
            slots.blocks.entry(block).or_default()[index].instances = instances;
        }
        slots
    }

    /// A task that has this number comes after those that a slot has.
    #[cfg(feature = "snapshot")]
    pub(crate) fn recall(&mut self, slot: Slot, task: TaskId, instance: u32) {
        let (block, index) = place(slot);
        let before = self.blocks.get(&block).map_or(0, |block| block[index].instances);
        self.push(slot, task);
        self.blocks.entry(block).or_default()[index].instances = before.max(instance);
    }

    pub(crate) fn remove(&mut self, slot: Slot, task: TaskId) {
        let (block, index) = place(slot);
        self.tasks -= 1;
        let record = &mut self.blocks.get_mut(&block).expect("a task is in its slot")[index];
        let others = record.others.take();
        if record.oldest == Some(task) {
            record.oldest = others.as_ref().map(|others| others[0]);
        }
        record.others = others.filter(|tasks| tasks.len() > 1 || (tasks[0] != task && record.oldest != Some(tasks[0])));
        if let Some(others) = &mut record.others {
            others.retain(|other| *other != task && Some(*other) != record.oldest);
        }
        self.numbered -= usize::from(record.oldest.is_none() && block.0 != Kind::Spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_keeps_its_tasks_in_order() {
        let task = |row| TaskId { row, generation: 0 };
        let tasks_in = |slots: &Slots, slot| slots.tasks_in(slot).map(TaskId::row).collect::<Vec<_>>();
        let mut slots = Slots::default();
        let (low, high) = (Slot::Number(3), Slot::Number(1 << 31));
        for row in 0..4 {
            assert_eq!(slots.push(low, task(row)), row + 1);
        }
        slots.push(high, task(9));
        slots.push(Slot::Node(NodeId::from_index(0)), task(10));
        slots.remove(low, task(0));
        assert_eq!(tasks_in(&slots, low), [1, 2, 3]);
        slots.remove(low, task(2));
        slots.remove(low, task(3));
        assert_eq!(tasks_in(&slots, low), [1]);
        slots.remove(low, task(1));
        assert!(tasks_in(&slots, low).is_empty());
        slots.push(Slot::Spare(1), task(11));
        assert_eq!(slots.numbered(), 2);
        slots.remove(Slot::Spare(1), task(11));
        assert_eq!(slots.numbered(), 2);
        let all: Vec<Slot> = slots.iter().map(|(slot, _)| slot).collect();
        assert_eq!(all, [high, Slot::Node(NodeId::from_index(0))]);
        assert_eq!(slots.push(low, task(4)), 5, "names are not given twice");
    }
}
