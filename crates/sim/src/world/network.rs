//! What a broken network does to agents, registry and managers, and what a leader can do that has lost its majority.

use sched::{NodeId, Row, Time};

use super::World;
use crate::model::heartbeat;
use crate::model::links::{Cause, Links};
use crate::model::requests::Network;
use crate::scenario::Breach;

/// Requests go by the links of the nodes.
impl Network for Links {
    fn entry(&self, node: usize) -> Option<usize> {
        self.open_from(node)
    }

    fn apart(&self, one: usize, other: usize) -> Option<Time> {
        Links::apart(self, one, other)
    }
}

impl World<'_> {
    /// Networks of nodes break, or that break of theirs is over.
    pub(super) fn set_links(&mut self, now: Time, nodes: &[usize], breach: Breach, cause: Cause, broken: bool) {
        nodes.iter().for_each(|&node| self.links.set(now, node, breach, cause, broken));
        self.relink(now, nodes);
    }

    /// All that the script broke of the networks of nodes is whole again.
    pub(super) fn mend_links(&mut self, now: Time, nodes: &[usize]) {
        nodes.iter().for_each(|&node| self.links.mend(now, node));
        self.relink(now, nodes);
    }

    /// Passes on what changed of the networks of nodes.
    fn relink(&mut self, now: Time, nodes: &[usize]) {
        let leads = |node: &&usize| self.managers.leader() == Some(**node);
        if let Some(side) = nodes.iter().find(leads).and_then(|leader| self.links.side(*leader)) {
            self.follow(now, side);
        }
        nodes.iter().for_each(|&node| self.turn(now, node));
        let links = &self.links;
        self.managers.link(&mut self.queue, |node| links.side(node));
    }

    /// The leader is on a side of the network: who is not cannot reach it.
    pub(super) fn follow(&mut self, now: Time, side: u32) {
        if std::mem::replace(&mut self.sessions.home, side) != side {
            (0..self.scenario.nodes.len()).for_each(|node| self.turn(now, node));
        }
    }

    /// A node may reach the leader and the registry, or not any more. The registry is on the side that nothing splits off.
    fn turn(&mut self, now: Time, node: usize) {
        let side = self.links.side(node);
        let fetches = side == Some(0);
        let breach = match side {
            Some(side) if side != self.sessions.home => Some(Breach::Cut),
            _ => self.links.breach(node),
        };
        let before = std::mem::replace(&mut self.sessions.breach[node], breach);
        let fetched = std::mem::replace(&mut self.sessions.fetches[node], fetches);
        if let Some(breach) = breach.filter(|_| before != breach) {
            self.agents.cut(&mut self.queue, node, self.scenario.models.heartbeat.period, breach);
        }
        if before.is_some() && breach.is_none() {
            self.observer.back(now, node);
        }
        if fetched != fetches {
            self.images.link(&mut self.queue, node, fetches);
        }
        match (before, breach) {
            (None, Some(breach)) => {
                self.heartbeats.silent(&mut self.queue, node, breach == Breach::Deaf);
                self.observer.silent(now, node);
                self.sessions.up[node] = false;
            }
            (Some(_), None) => self.agents.mend(&mut self.queue, node),
            _ => {}
        }
    }

    /// The leader does not reach a majority: what it would decide waits. Its sessions go on, and it hears what it is told.
    pub(super) fn stall(&mut self, now: Time) {
        self.observer.leader(now, false);
        self.observer.mark(now, "managers", "the leader has no majority");
        self.armed = None;
        self.sessions.stalled = Some(self.sessions.close());
    }

    /// The leader has its majority again: it catches up with what it heard.
    pub(super) fn resume(&mut self, now: Time) {
        let Some(open) = self.sessions.stalled.take() else { return };
        self.observer.resumed(now);
        self.observer.mark(now, "managers", "the leader has a majority again");
        for (node, was_open) in open.into_iter().enumerate() {
            if self.sessions.called[node] {
                self.rejoin(now, node);
            } else if was_open {
                self.sessions.set(node, true);
                let mut held = std::mem::take(&mut self.sessions.held[node]);
                self.report(now, &mut held);
            }
        }
        self.sessions.called.fill(false);
        for expired in std::mem::take(&mut self.sessions.expired) {
            self.expire(now, expired);
        }
        self.workload.orders.append(&mut self.postponed);
    }

    /// A node is silent for too long, if it is.
    pub(super) fn expire(&mut self, now: Time, expired: heartbeat::Expired) {
        let node = self.heartbeats.handle(expired).filter(|node| self.joins.is_there(*node));
        let Some(node) = node.filter(|_| self.managers.lead()) else { return };
        self.observer.detected(now, node);
        self.observer.mark(now, "detected", self.scenario.nodes[node].spec.id.as_str());
        let answer = self.manager.handle(now, sched::Event::NodeDown(NodeId::from_index(node)), &mut self.commands);
        self.note_refusal(now, answer.map_err(|refusal| refusal.text));
        self.observe_eligible(now, node);
    }
}
