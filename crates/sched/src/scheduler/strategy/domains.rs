//! Spread over failure domains, whether the service asks for it or not.

use std::collections::BTreeMap;

use super::score::Queue;
use super::{Board, Entry, Strategy};
use crate::id::NodeId;

pub(super) const ENTRY: Entry<dyn Strategy> = Entry {
    name: "domains",
    summary: "Each task to the value of the label `rack` that has least of its service, then the node that has least",
    build: |_| Box::new(Domains::new("rack")),
};

/// Each task goes to the failure domain, a value of a label of the nodes, that has fewest tasks of its service among those
/// where one fits, and there to the node with fewest tasks of the service, then fewest tasks. Nodes without the label are one
/// domain. As if every service had a preference for the label, counted anew for each task.
#[derive(Clone)]
pub struct Domains {
    label: String,
    /// The values of the label, and by row of the node which of them it has.
    values: Vec<String>,
    of: Vec<u32>,
    // Room to work in, by domain:
    counts: Vec<u32>,
    queues: Vec<Queue>,
}

impl Domains {
    /// Over the values of this label.
    pub fn new(label: impl Into<String>) -> Domains {
        Domains { label: label.into(), values: Vec::new(), of: Vec::new(), counts: Vec::new(), queues: Vec::new() }
    }

    /// Looks which domain each node is in, if that changed. Domains have numbers in the order in which the first of their
    /// nodes joined, whatever was before: a manager that is restored from its snapshot numbers them alike.
    fn refresh(&mut self, board: &Board<'_>) {
        let value = |node: NodeId| board.node(node).spec.labels.get(&self.label).map_or("", String::as_str);
        let is_known = |(node, domain): (NodeId, &u32)| value(node) == self.values[*domain as usize];
        if self.of.len() == board.nodes().len() && board.nodes().zip(&self.of).all(is_known) {
            return;
        }
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        let number = |node| {
            let next = numbers.len() as u32;
            *numbers.entry(value(node)).or_insert(next)
        };
        self.of = board.nodes().map(number).collect();
        self.values = vec![String::new(); numbers.len()];
        numbers.into_iter().for_each(|(value, number)| self.values[number as usize] = value.to_owned());
        self.queues.resize_with(self.values.len(), Queue::default);
    }
}

impl Strategy for Domains {
    fn place(&mut self, board: &mut Board<'_>) {
        self.refresh(board);
        let Domains { of, counts, queues, .. } = self;
        counts.clear();
        counts.resize(queues.len(), 0);
        queues.iter_mut().for_each(Queue::clear);
        for (row, node) in board.nodes().enumerate() {
            let domain = of[row] as usize;
            let own = board.active_of_service(node);
            counts[domain] += own;
            if board.fits(node) {
                queues[domain].push(board, node, own.into());
            }
        }
        // A domain that is full has this many.
        const FULL: u32 = u32::MAX;
        while board.waiting() > 0 {
            // Of equals the first: the order of the domains is that in which their nodes joined.
            let least = counts.iter().enumerate().filter(|(_, count)| **count != FULL).min_by_key(|(_, count)| **count);
            let Some((domain, _)) = least else { return };
            match queues[domain].pop(board) {
                Some(node) => {
                    counts[domain] += u32::from(board.put(node));
                    let own = board.active_of_service(node);
                    queues[domain].push(board, node, own.into());
                }
                None => counts[domain] = FULL,
            }
        }
    }
}
