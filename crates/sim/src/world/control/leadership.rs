//! Who leads, which agents have a session with the leader, and what a leader can do that has lost its majority.

use std::sync::Arc;

use sched::{Span, Time};

use super::{Control, Cx};
use crate::engine::chance::unit;
use crate::engine::rng::{Stream, entity, part};
use crate::fact::{Fact, NetworkFault};
use crate::model::agent::session::{self, Calls};
use crate::model::heartbeat;
use crate::model::links::Links;
use crate::world::Event;
use sched::spec::NodeState;

/// SwarmKit `agent/session.go`: an agent gives its session up when a heartbeat had no answer for so long, and a call.
const UNANSWERED: Span = Span::from_secs(5);

/// Which agents have a session with the leader of now, and what the others have to say.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    /// Changes of the leader.
    leader: u32,
    /// For each node, whether it is a member, whether its agent is up, and whether it has a session; and how many members
    /// have none. Of what is no member nothing is held.
    there: Vec<bool>,
    pub(super) up: Vec<bool>,
    open: Vec<bool>,
    pub(super) closed: usize,
    /// For each node, what keeps it from the leader; and the side of the leader.
    fault: Vec<Option<NetworkFault>>,
    home: u32,
    /// Which sessions were open when the leader lost its majority, as long as it may regain it; who registered since, and
    /// whose heartbeats are overdue since.
    stalled: Option<Vec<bool>>,
    called: Vec<bool>,
    expired: Vec<heartbeat::Expired>,
    held: Vec<Vec<sched::Event>>,
    /// Since when the leader hears and answers nobody, if that is so.
    pub(super) cut_off: Option<Time>,
    /// For each node, when the last session of its agent failed, or will: since then it calls.
    calls: Vec<Time>,
    /// Nodes that were looked at.
    #[cfg(test)]
    looks: usize,
}

impl Sessions {
    pub(super) fn new(nodes: usize) -> Sessions {
        Sessions {
            leader: 0,
            there: vec![true; nodes],
            up: vec![true; nodes],
            open: vec![true; nodes],
            closed: 0,
            fault: vec![None; nodes],
            home: 0,
            stalled: None,
            called: vec![false; nodes],
            expired: Vec::new(),
            held: vec![Vec::new(); nodes],
            cut_off: None,
            calls: vec![Time::ZERO; nodes],
            #[cfg(test)]
            looks: 0,
        }
    }

    /// A node has a session from now on, or has none.
    fn set(&mut self, node: usize, open: bool) {
        #[cfg(test)]
        (self.looks += 1);
        self.closed -= usize::from(self.there[node] && !self.open[node]);
        self.open[node] = open;
        self.closed += usize::from(self.there[node] && !open);
    }

    /// A node is a member from now on, or is none. It has no session, and nothing to say.
    pub(super) fn member(&mut self, node: usize, there: bool) {
        self.closed -= usize::from(self.there[node] && !self.open[node]);
        (self.there[node], self.up[node], self.open[node]) = (there, false, !there);
        self.closed += usize::from(there);
        self.held[node].clear();
    }

    /// Nobody has a session; the answer is who had one.
    fn close(&mut self) -> Vec<bool> {
        #[cfg(test)]
        (self.looks += self.there.len());
        self.closed = self.there.iter().filter(|there| **there).count();
        let none = vec![false; self.open.len()];
        std::mem::replace(&mut self.open, none)
    }

    /// Whether the agent of a node is up and has a session with the leader.
    pub(super) fn is_open(&self, node: usize) -> bool {
        self.up[node] && self.open[node]
    }

    /// Whether nothing keeps a node from the leader.
    pub(super) fn reaches(&self, node: usize) -> bool {
        self.fault[node].is_none()
    }
}

impl Control {
    pub(super) fn follow_leadership(&mut self, cx: &mut Cx, fact: &Fact, links: &Links) {
        match fact {
            Fact::Majority(there) => cx.note("managers", if *there { "majority regained" } else { "majority lost" }),
            Fact::LeaderStalled => self.stall(cx),
            Fact::LeaderResumed => {
                self.resume(cx);
                self.joins.led(cx);
            }
            Fact::LeaderLost => {
                cx.note("managers", "no leader");
                self.end_sessions(cx);
            }
            Fact::LeaderElected(node) => {
                if self.sessions.stalled.is_some() {
                    self.end_sessions(cx);
                }
                cx.note("managers", format!("{} leads", self.scenario.nodes[*node].spec.id));
                if let Some(side) = links.side(*node) {
                    self.move_leader_side(cx, side, links);
                }
                self.lead(cx);
                self.joins.led(cx);
            }
            _ => {}
        }
    }

    /// No leader has a session with anybody any more. Agents know at once if a leader ended them, by the next heartbeat if it
    /// was lost without a word.
    fn end_sessions(&mut self, cx: &Cx) {
        self.armed = None;
        self.heartbeats.forget();
        let open = self.sessions.close();
        let open = self.sessions.stalled.take().unwrap_or(open);
        let period = self.scenario.models.heartbeat.period.as_secs_f64();
        for node in (0..open.len()).filter(|node| open[*node]) {
            let chance = part(self.entity(node), u64::from(self.sessions.leader));
            self.sessions.calls[node] = self.sessions.cut_off.map_or(cx.now(), |since| {
                let mut rng = self.seeds.stream(Stream::Rejoin, part(chance, 1));
                since + Span::from_secs_f64(unit(&mut rng) * period) + UNANSWERED
            });
        }
        self.sessions.called.fill(false);
        self.sessions.expired.clear();
    }

    /// A new leader takes over from what the store holds. Agents that are up call it, each when its back-off under way is over
    /// (SwarmKit `agent/agent.go`). Calls before that failed at once, or hung if the leader had gone without a word: managers that
    /// have not noticed pass them on to it.
    fn lead(&mut self, cx: &mut Cx) {
        self.sessions.leader += 1;
        let calls = match self.sessions.cut_off.take() {
            Some(_) => Calls::Hang(UNANSWERED),
            None => Calls::Wait(Span::ZERO),
        };
        self.manager.change_leader(cx.now(), &mut self.commands);
        let leader = self.sessions.leader;
        let scenario = Arc::clone(&self.scenario);
        for node in 0..scenario.nodes.len() {
            if !self.joins.is_there(node) {
                continue;
            }
            self.tell_eligible(cx, node);
            if self.manager.cluster().nodes()[self.members.id(node)].spec.state == NodeState::Unknown {
                self.heartbeats.unknown(cx, node);
            }
            if self.sessions.up[node] {
                let mut rng = self.seeds.stream(Stream::Rejoin, part(self.entity(node), u64::from(leader)));
                let failed = self.sessions.calls[node];
                let due = match scenario.models.managers.backoff {
                    Some(law) => cx.now() + law.sample(&mut rng),
                    None => session::next_call(failed, cx.now().max(failed), calls, &mut rng),
                };
                cx.at(due, Event::Rejoin { node: node as u32, leader });
            }
        }
        self.await_ghosts(cx, true);
        self.try_again(cx);
    }

    fn entity(&self, node: usize) -> u64 {
        entity(self.node_name(node))
    }

    /// An agent calls the new leader, if that still leads.
    pub(in crate::world) fn rejoin_due(&mut self, cx: &mut Cx, node: usize, leader: u32) {
        if self.sessions.leader == leader && self.sessions.up[node] {
            self.call(cx, node);
        }
    }

    /// An agent registers.
    pub(super) fn register(&mut self, cx: &mut Cx, node: usize) {
        if self.joins.is_there(node) {
            self.sessions.up[node] = true;
            self.call(cx, node);
        }
    }

    /// An agent calls the leader; one that can decide nothing notes it.
    fn call(&mut self, cx: &mut Cx, node: usize) {
        if self.managers.lead() {
            self.rejoin(cx, node);
        } else if self.sessions.stalled.is_some() {
            self.sessions.called[node] = true;
        }
    }

    /// An agent has a session with the leader. It says what it could not say before.
    fn rejoin(&mut self, cx: &mut Cx, node: usize) {
        self.sessions.set(node, true);
        self.heartbeats.registered(cx, node);
        cx.tell(Fact::NodeRegistered(node));
        let answer = self.manager.handle(cx.now(), sched::Event::NodeUp(self.members.id(node)), &mut self.commands);
        self.note_answer(cx, answer);
        self.tell_eligible(cx, node);
        self.tell_held(cx, node);
    }

    fn tell_held(&mut self, cx: &mut Cx, node: usize) {
        let mut held = std::mem::take(&mut self.sessions.held[node]);
        self.report(cx, &mut held);
    }

    /// Keeps reports back whose agent has no session.
    pub(super) fn hold(&mut self, reports: &mut Vec<sched::Event>) {
        reports.retain(|report| {
            let node = match &report {
                sched::Event::TaskStatus { task, .. } => {
                    self.manager.cluster().task(*task).and_then(|record| record.node)
                }
                _ => None,
            };
            let closed = node.and_then(|id| self.members.machine(id)).filter(|node| !self.sessions.open[*node]);
            if let Some(node) = closed {
                self.sessions.held[node].push(report.clone());
            }
            closed.is_none()
        });
    }

    /// Networks of nodes broke or are repaired: who reaches the leader, and who of the managers reaches whom?
    pub(super) fn links_changed(&mut self, cx: &mut Cx, nodes: &[usize], links: &Links) {
        let leads = |node: &&usize| self.managers.leader() == Some(**node);
        if let Some(side) = nodes.iter().find(leads).and_then(|leader| links.side(*leader)) {
            self.move_leader_side(cx, side, links);
        }
        nodes.iter().for_each(|&node| self.update_reachability(cx, node, links));
        self.managers.link(cx, |node| links.side(node));
    }

    /// The leader is on a side of the network: who is not cannot reach it.
    fn move_leader_side(&mut self, cx: &mut Cx, side: u32, links: &Links) {
        if std::mem::replace(&mut self.sessions.home, side) != side {
            (0..self.scenario.nodes.len()).for_each(|node| self.update_reachability(cx, node, links));
        }
    }

    /// A node may reach the leader, or not any more.
    fn update_reachability(&mut self, cx: &mut Cx, node: usize, links: &Links) {
        let fault = match links.side(node) {
            Some(side) if side != self.sessions.home => Some(NetworkFault::Isolated),
            _ => links.fault(node),
        };
        let before = std::mem::replace(&mut self.sessions.fault[node], fault);
        if self.managers.leader() == Some(node) {
            self.sessions.cut_off = links.fault(node).and(self.sessions.cut_off.or(Some(cx.now())));
        }
        match fault {
            Some(fault) if before != Some(fault) => cx.tell(Fact::Unreachable(node, fault)),
            None if before.is_some() => cx.tell(Fact::Reachable(node)),
            _ => {}
        }
        if let (None, Some(fault)) = (before, fault) {
            self.heartbeats.silent(cx, node, fault == NetworkFault::RxLost);
            self.sessions.up[node] = false;
        }
    }

    /// The leader does not reach a majority: what it would decide waits. Its sessions go on, and it hears what it is told.
    fn stall(&mut self, cx: &mut Cx) {
        cx.note("managers", "the leader has no majority");
        self.armed = None;
        self.sessions.stalled = Some(self.sessions.close());
    }

    /// The leader has its majority again: it catches up with what it heard.
    fn resume(&mut self, cx: &mut Cx) {
        let Some(open) = self.sessions.stalled.take() else { return };
        cx.note("managers", "the leader has a majority again");
        for (node, was_open) in open.into_iter().enumerate() {
            if self.sessions.called[node] {
                self.rejoin(cx, node);
            } else if was_open {
                self.sessions.set(node, true);
                self.tell_held(cx, node);
            }
        }
        self.sessions.called.fill(false);
        for expired in std::mem::take(&mut self.sessions.expired) {
            self.expire(cx, expired);
        }
        self.await_ghosts(cx, false);
        self.try_again(cx);
    }

    /// A node is silent for too long, if it is. A leader that can decide nothing looks when it can.
    pub(in crate::world) fn expired(&mut self, cx: &mut Cx, expired: heartbeat::Expired) {
        if self.sessions.stalled.is_some() {
            self.sessions.expired.push(expired);
        } else {
            self.expire(cx, expired);
        }
    }

    fn expire(&mut self, cx: &mut Cx, expired: heartbeat::Expired) {
        let node = self.heartbeats.handle(expired).filter(|node| self.joins.is_there(*node));
        let Some(node) = node.filter(|_| self.managers.lead()) else { return };
        cx.tell(Fact::NodeDetected(node));
        cx.note("detected", self.scenario.nodes[node].spec.id.as_str());
        if self.manager.wants_late_nodes() {
            let late = self.heartbeats.late(cx.now()).filter(|node| self.joins.is_there(*node));
            let late = sched::Event::NodesLate(late.map(|node| self.members.id(node)).collect());
            let answer = self.manager.handle(cx.now(), late, &mut self.commands);
            self.note_answer(cx, answer);
        }
        let answer = self.manager.handle(cx.now(), sched::Event::NodeDown(self.members.id(node)), &mut self.commands);
        self.note_answer(cx, answer);
        self.tell_eligible(cx, node);
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::Rng;

    use super::*;
    use crate::engine::rng::Seeds;

    const NODES: usize = 300;

    /// What a look at all nodes says.
    fn closed(sessions: &Sessions) -> usize {
        (0..NODES).filter(|node| sessions.there[*node] && !sessions.open[*node]).count()
    }

    #[test]
    fn nodes_that_return_are_looked_at_one_by_one() {
        let mut sessions = Sessions::new(NODES);
        for round in 0..3 {
            if round > 0 {
                assert_eq!(sessions.close().len(), NODES, "the leader changes");
            }
            for node in 0..NODES {
                sessions.set(node, false);
            }
            assert_eq!(sessions.closed, NODES);
            for node in 0..NODES {
                sessions.set(node, true);
                assert_eq!(sessions.closed, closed(&sessions));
            }
        }
        assert!(sessions.looks <= 8 * NODES, "{} looks", sessions.looks);
    }

    #[test]
    fn only_members_lack_a_session() {
        let mut sessions = Sessions::new(NODES);
        let mut rng = Seeds::of(1, 1).stream(Stream::Kill, 0);
        for _ in 0..5000 {
            let (node, open) = ((rng.next_u64() % NODES as u64) as usize, rng.next_u64().is_multiple_of(2));
            match rng.next_u64() % 100 {
                0 => drop(sessions.close()),
                1..40 => sessions.member(node, open),
                _ => sessions.set(node, open),
            }
            assert_eq!(sessions.closed, closed(&sessions));
        }
    }
}
