//! What a node's disk keeps of images when it has a limit: the layers that were used last.
//!
//! Docker itself never removes an image. Operators do it for it, and say how much may stay; here the layers that no
//! container uses go, least recently used first, until the rest fits.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fact::TaskNo;

/// The layers of all nodes, by use.
#[derive(Clone, Debug)]
pub struct ImageCaches {
    limit: u64,
    nodes: Vec<ImageCache>,
    /// What tasks pin: node and layers.
    pinned: BTreeMap<TaskNo, (usize, Arc<[u32]>)>,
    uses: u64,
}

#[derive(Clone, Debug)]
struct ImageCache {
    bytes: u64,
    /// For each layer, its size if it is there, its last use, and how many tasks pin it.
    layers: Vec<(Option<u64>, u64, u32)>,
}

impl ImageCaches {
    /// Empty disks of which images may fill `limit` bytes.
    pub fn new(limit: u64, nodes: usize, layers: usize) -> ImageCaches {
        let disk = ImageCache { bytes: 0, layers: vec![(None, 0, 0); layers] };
        ImageCaches { limit, nodes: vec![disk; nodes], pinned: BTreeMap::new(), uses: 0 }
    }

    /// A task uses these layers from now on, whether they are there yet or not. One that asks again, because its pull broke
    /// off, pins them once.
    pub fn pin(&mut self, task: TaskNo, node: usize, layers: &Arc<[u32]>) {
        if let Some((node, layers)) = self.pinned.remove(&task) {
            self.nodes[node].unpin(&layers);
        }
        self.uses += 1;
        for &layer in layers.iter() {
            let entry = &mut self.nodes[node].layers[layer as usize];
            entry.1 = self.uses;
            entry.2 += 1;
        }
        self.pinned.insert(task, (node, Arc::clone(layers)));
    }

    /// A layer is there. The layers that have to make room for it are added to `evicted`.
    pub fn insert(&mut self, node: usize, layer: u32, bytes: u64, evicted: &mut Vec<u32>) {
        let disk = &mut self.nodes[node];
        disk.layers[layer as usize].0 = Some(bytes);
        disk.bytes += bytes;
        disk.shrink(self.limit, evicted);
    }

    /// A task uses nothing any more. Its node, and what is evicted there.
    pub fn release(&mut self, task: TaskNo, evicted: &mut Vec<u32>) -> Option<usize> {
        let (node, layers) = self.pinned.remove(&task)?;
        self.nodes[node].unpin(&layers);
        self.nodes[node].shrink(self.limit, evicted);
        Some(node)
    }

    /// The node on which a task pins what it needs.
    pub fn node_of(&self, task: TaskNo) -> Option<usize> {
        Some(self.pinned.get(&task)?.0)
    }

    /// A disk is lost; tasks still pin what they need.
    pub fn clear(&mut self, node: usize) {
        let disk = &mut self.nodes[node];
        disk.bytes = 0;
        disk.layers.iter_mut().for_each(|layer| layer.0 = None);
    }
}

impl ImageCache {
    fn unpin(&mut self, layers: &[u32]) {
        for &layer in layers {
            self.layers[layer as usize].2 -= 1;
        }
    }

    fn shrink(&mut self, limit: u64, evicted: &mut Vec<u32>) {
        while self.bytes > limit {
            let free = self.layers.iter().enumerate().filter(|(_, layer)| layer.0.is_some() && layer.2 == 0);
            let Some((layer, _)) = free.min_by_key(|(_, layer)| layer.1) else { return };
            self.bytes -= self.layers[layer].0.take().unwrap_or(0);
            evicted.push(layer as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_least_recently_is_evicted_unless_a_task_pins_it() {
        let mut disks = ImageCaches::new(2, 1, 4);
        let mut evicted = Vec::new();
        let mut use_one = |disks: &mut ImageCaches, task: u32, layer: u32, there: bool| {
            disks.pin(TaskNo(task), 0, &Arc::from([layer]));
            if !there {
                disks.insert(0, layer, 1, &mut evicted);
            }
            std::mem::take(&mut evicted)
        };
        use_one(&mut disks, 0, 0, false);
        use_one(&mut disks, 1, 1, false);
        let mut freed = Vec::new();
        assert_eq!(disks.release(TaskNo(1), &mut freed), Some(0));
        assert_eq!(use_one(&mut disks, 2, 2, false), [1], "0 is older, but a task pins it");
        disks.release(TaskNo(0), &mut freed);
        disks.release(TaskNo(2), &mut freed);
        assert_eq!(freed, [0; 0], "what fits stays");
        use_one(&mut disks, 3, 0, true);
        disks.release(TaskNo(3), &mut freed);
        assert_eq!(use_one(&mut disks, 4, 3, false), [2], "0 was used again");
        assert_eq!(disks.release(TaskNo(9), &mut freed), None);
    }

    #[test]
    fn a_task_that_asks_twice_pins_its_layers_once() {
        let mut disks = ImageCaches::new(0, 1, 1);
        let mut evicted = Vec::new();
        for _ in 0..2 {
            disks.pin(TaskNo(0), 0, &Arc::from([0]));
        }
        disks.insert(0, 0, 1, &mut evicted);
        assert_eq!((disks.node_of(TaskNo(0)), evicted.len()), (Some(0), 0));
        disks.release(TaskNo(0), &mut evicted);
        assert_eq!((disks.node_of(TaskNo(0)), evicted), (None, vec![0]));
    }
}
