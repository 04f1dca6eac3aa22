//! When services and nodes were written: what Docker's API says of every object, and the manager's tables do not keep.

use std::collections::BTreeMap;

use sched::{ServiceId, Time};

use crate::fact::Fact;

/// When an object was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written {
    /// First.
    pub created: Time,
    /// Last.
    pub updated: Time,
}

/// The times of services that are there, and of nodes that were written after the beginning. Nothing is decided by them.
#[derive(Clone, Default, Debug)]
pub struct Chronicle {
    services: BTreeMap<ServiceId, Written>,
    /// By row of the scenario's nodes.
    nodes: BTreeMap<usize, Time>,
}

impl Chronicle {
    /// When a service was written, unless it is removed.
    pub fn service(&self, id: ServiceId) -> Option<Written> {
        self.services.get(&id).copied()
    }

    /// When the record of a node was written last, if it was after the beginning.
    pub fn node(&self, row: usize) -> Option<Time> {
        self.nodes.get(&row).copied()
    }

    /// The manager wrote something.
    pub(super) fn see(&mut self, now: Time, fact: &Fact) {
        match fact {
            Fact::Service { service, .. } | Fact::UpdateStatus(service, _) => {
                self.services.entry(*service).or_insert(Written { created: now, updated: now }).updated = now;
            }
            Fact::ServiceRemoved(service) => {
                self.services.remove(service);
            }
            Fact::NodeEligible(node, _) | Fact::NodeMember(node, true) | Fact::NodeDetected(node) => {
                self.write_node(now, *node);
            }
            _ => {}
        }
    }

    /// The record of a node is written.
    pub(super) fn write_node(&mut self, now: Time, row: usize) {
        // At the beginning every node is, and the record says that itself.
        if now != Time::ZERO {
            self.nodes.insert(row, now);
        }
    }
}
