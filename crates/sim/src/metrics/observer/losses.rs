//! Replicas that were lost with their machines, from the loss until a task of their slot runs again.

use std::collections::{BTreeMap, BTreeSet};

/// Slots without a running task because its machine lost power. Slots and nodes are rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Losses {
    /// The node on which each of them ran, and whether the manager knows of the loss.
    slots: BTreeMap<u32, (u32, bool)>,
    /// Those of which it does not know, by node.
    unnoticed: BTreeSet<(u32, u32)>,
}

impl Losses {
    /// A replica is lost with a node.
    pub fn lose(&mut self, slot: u32, node: u32) {
        self.slots.insert(slot, (node, false));
        self.unnoticed.insert((node, slot));
    }

    /// A slot has a running task again, or shall have none. Says whether the manager knew of the loss.
    pub fn regain(&mut self, slot: u32) -> bool {
        let Some((node, noticed)) = self.slots.remove(&slot) else { return false };
        if !noticed {
            self.unnoticed.remove(&(node, slot));
        }
        noticed
    }

    /// The manager learns that the task which a slot had on a node has ended. Says whether that is a loss, and news.
    pub fn notice(&mut self, slot: u32, node: u32) -> bool {
        let is_news = self.unnoticed.remove(&(node, slot));
        if is_news {
            self.slots.insert(slot, (node, true));
        }
        is_news
    }

    /// The manager gives a node up: the slots of which it did not know so far.
    pub fn notice_all(&mut self, node: u32) -> Vec<u32> {
        let slots: Vec<u32> = self.unnoticed.range((node, 0)..=(node, u32::MAX)).map(|(_, slot)| *slot).collect();
        slots.iter().for_each(|slot| {
            self.notice(*slot, node);
        });
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_noticed_once() {
        let mut losses = Losses::default();
        (0..4).for_each(|slot| losses.lose(slot, 7));
        losses.lose(4, 8);
        assert!(losses.notice(2, 7) && !losses.notice(2, 7) && !losses.notice(4, 7));
        // One is back before anybody knows.
        assert!(!losses.regain(3));
        assert_eq!(losses.notice_all(7), [0, 1]);
        assert!(losses.notice_all(7).is_empty());
        assert!(losses.regain(0) && losses.regain(2) && !losses.regain(0));
        // It is lost again, elsewhere.
        losses.lose(0, 8);
        assert_eq!(losses.notice_all(8), [0, 4]);
    }
}
