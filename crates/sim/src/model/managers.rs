//! Managers: whether a majority of them is there, and who leads.
//!
//! Raft as SwarmKit sets it up (`manager/state/raft`, with `CheckQuorum` and without `PreVote`). Every manager counts ticks of
//! its own, each with a phase of its own. The leader's heartbeats go out with its ticks; a manager that hears none for a
//! random number of its ticks stands for election, and is elected if a majority votes for it. Whoever heard a leader within
//! ten ticks ignores who stands (the lease), and nobody votes twice in a term. A leader that does not reach a majority decides
//! nothing. It looks every ten ticks whether it heard of one, and steps down if not. A manager that the network kept from
//! the others stands in vain, each time with a higher term: when the leader's heartbeat reaches it again, the leader gives
//! way. Managers dial each other with a back-off, so that this is some seconds after the network is whole. Without a manager
//! in the scenario there is one that never fails.
//!
//! As long as all hear the leader, no tick is an event.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use sched::{Span, Time};

use crate::engine::chance::{below_by_remainder, unit};
use crate::engine::law::Law;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::fact::{Context, Fact};
use crate::refusal::{LAST_MANAGER, LOSS_OF_QUORUM, NO_MANAGER};

/// The managers.
#[derive(Clone, PartialEq, Debug)]
pub struct ManagersModel {
    /// How long the scheduler waits for further changes (SwarmKit `commitDebounceGap`: 50 ms).
    pub debounce: Span,
    /// Task records kept per slot (SwarmKit: 5).
    pub history: u64,
    /// A tick of Raft (SwarmKit: 1 s).
    pub tick: Span,
    /// A manager waits so many ticks for a leader, and up to twice as many less one (SwarmKit: 10).
    pub election: u32,
    /// How long an agent takes to call a new leader. `None` is SwarmKit's rule: what is left of a back-off under way, which
    /// has grown with the time without a leader (`agent/agent.go`).
    pub backoff: Option<Law>,
    /// The longest pause before a manager dials another one again (SwarmKit `manager/state/raft/transport`: 8 s).
    pub dial: Span,
    /// From the request of a node that joins until its agent registers.
    pub certificate: Law,
    /// Whether there is a swarm at the beginning; if not, somebody makes one.
    pub founded: bool,
}

impl Default for ManagersModel {
    fn default() -> Self {
        ManagersModel {
            debounce: Span::from_millis(50),
            history: 5,
            tick: Span::from_secs(1),
            election: 10,
            backoff: None,
            dial: Span::from_secs(8),
            certificate: Law::Uniform { min: Span::from_secs(1), max: Span::from_secs(3) },
            founded: true,
        }
    }
}

/// Something comes to pass among the managers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ElectionEvent {
    /// A manager has heard no leader for as many ticks as it waits, unless it heard one meanwhile.
    Patience {
        /// Row of its node.
        node: u32,
        /// Its wait.
        wait: u32,
    },
    /// A heartbeat of the leader reaches those who did not hear it so far.
    Beat {
        /// Which leader.
        reign: u32,
    },
    /// A leader without a majority gives up, unless it has one again.
    StepDown {
        /// Row of its node.
        node: u32,
        /// How often it lost one.
        stall: u32,
    },
    /// Two managers have dialled each other with success, unless they cannot reach each other again.
    Wired {
        /// Which attempt.
        attempt: u32,
    },
    /// A manager's engine is up, unless its machine lost power again.
    Back {
        /// Row of its node.
        node: u32,
        /// Its power cycle.
        cycle: u32,
    },
}

/// What becomes of an order that somebody gives to the managers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Response {
    /// There is a leader that can carry it out.
    Leads,
    /// A leader without a majority has written it down, and waits for the others.
    Written,
    /// The manager that is asked looks for a leader.
    Waits,
    /// The manager that is asked has known of none for so long that it does not look any more.
    Refused,
    /// No manager is there that could be asked.
    Nobody,
}

/// gRPC, of which SwarmKit limits the longest pause: the first pause after a dial that failed, what each is longer than the one
/// before, and how far chance changes it either way. A dial fails when nobody has answered three requests for the address of the
/// other, a second each (Linux, ARP).
const DIAL_FAILS: Span = Span::from_secs(3);
const DIAL_PAUSE: f64 = 1.0;
const DIAL_FACTOR: f64 = 1.6;
const DIAL_JITTER: f64 = 0.2;

/// The managers of a run.
#[derive(Clone, Debug)]
pub struct Managers {
    model: ManagersModel,
    members: Vec<Member>,
    seeds: Seeds,
    /// Whether managers that are started anew stay locked.
    autolock: bool,
    leader: Option<usize>,
    /// Counts leaders, and when the one of now was elected; how many of its ticks before that it looked for a majority.
    reign: u32,
    since: Time,
    looked: u64,
    /// Whether the leader reaches a majority, and how often it did not.
    decides: bool,
    stall: u32,
    majority: bool,
    /// Pairs of nodes whose managers have no connection.
    cut: BTreeMap<(usize, usize), Cut>,
    attempts: u32,
}

#[derive(Clone, Debug)]
struct Member {
    /// Row of its node; of a member that nobody is any more, a number that no node has.
    node: usize,
    /// The machine that left the swarm and left this member behind. It counts, and never comes back.
    left_by: Option<usize>,
    entity: u64,
    up: bool,
    cycle: u32,
    /// Members of one side reach each other; `None` reaches nobody.
    side: Option<u32>,
    /// Its ticks are this long after full multiples of a tick.
    phase: Span,
    term: u64,
    vote: Option<usize>,
    /// Who leads as far as it knows, and whether it hears him.
    lead: Option<usize>,
    hears: bool,
    /// Since when it knows nobody who leads.
    leaderless: Option<Time>,
    /// Since when it hears the leader; else since when it counts ticks without one, and after how many it stands.
    heard: Time,
    timeout: u64,
    draws: u64,
    /// As a leader that reaches no majority: which time that is.
    stall: u32,
    /// Whether it waits, and which wait that is.
    waits: bool,
    wait: u32,
    /// Whether a leader decided something without it, so that nobody may vote for it who knows that.
    behind: bool,
    /// Whether its keys are locked up when it stops, and whether it stopped so. Then it is not up before it is unlocked, even
    /// if its engine is.
    sealed: bool,
    locked: bool,
    started: bool,
}

/// Two managers have no connection: since when each dials the other, and whether the network is whole by now, so that an attempt
/// will succeed.
#[derive(Clone, Copy, Debug)]
struct Cut {
    since: [Time; 2],
    attempt: Option<u32>,
}

impl Managers {
    /// All managers (row and name of their nodes) are up, and the first leads.
    pub fn new<'n>(model: &ManagersModel, members: impl Iterator<Item = (usize, &'n str)>, seeds: Seeds) -> Self {
        let mut managers = Managers {
            model: model.clone(),
            members: Vec::new(),
            seeds,
            autolock: false,
            leader: None,
            reign: 0,
            since: Time::ZERO,
            looked: 0,
            decides: false,
            stall: 0,
            majority: true,
            cut: BTreeMap::new(),
            attempts: 0,
        };
        for (node, name) in members {
            let mut member = managers.new_member(node, name, true);
            (member.lead, member.hears) = (Some(managers.leader.unwrap_or(node)), managers.leader.is_some());
            if managers.leader.is_none() {
                let mut rng = seeds.stream(Stream::Election, part(member.entity, u64::MAX));
                managers.looked = below_by_remainder(&mut rng, u64::from(model.election.max(1)));
                (managers.leader, managers.decides) = (Some(node), true);
            }
            managers.members.push(member);
        }
        managers
    }

    fn new_member(&self, node: usize, name: &str, up: bool) -> Member {
        let entity = entity(name);
        let phase = unit(&mut self.seeds.stream(Stream::Election, part(entity, u64::MAX - 1)));
        Member {
            node,
            left_by: None,
            entity,
            up,
            cycle: 0,
            side: Some(0),
            phase: Span::from_secs_f64(phase * self.model.tick.as_secs_f64()),
            term: 1,
            vote: None,
            lead: None,
            hears: false,
            leaderless: None,
            heard: Time::ZERO,
            timeout: 0,
            draws: 0,
            stall: 0,
            waits: false,
            wait: 0,
            behind: false,
            sealed: false,
            locked: false,
            started: false,
        }
    }

    /// Whether somebody leads and reaches a majority.
    pub fn lead(&self) -> bool {
        self.decides || self.members.is_empty() && self.model.founded
    }

    /// Whether there is a swarm by now.
    pub fn is_founded(&self) -> bool {
        self.model.founded
    }

    /// `docker swarm init`: a node is the first member, and leads at once.
    pub fn found<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>, node: usize, name: &str) {
        self.model.founded = true;
        self.members.push(self.new_member(node, name, true));
        self.elect(cx, self.members.len() - 1);
        self.settle(cx);
    }

    /// `docker swarm update --autolock`. Managers that hear of it take their keys, or get them back.
    pub fn set_autolock(&mut self, on: bool) {
        self.autolock = on;
        self.seal();
    }

    fn seal(&mut self) {
        if self.decides {
            let leader = self.leader;
            let reached = self.members.iter_mut().filter(|member| member.is_reached_by(leader));
            reached.for_each(|member| member.sealed = self.autolock);
        }
    }

    /// `docker swarm unlock` on a node whose engine runs or will.
    pub fn unlock<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        let Some(row) = self.row(node).filter(|row| self.members[*row].locked) else { return };
        self.members[row].locked = false;
        if std::mem::take(&mut self.members[row].started) {
            self.come_back(cx, row);
        }
    }

    /// A machine that left joins again: what it was is a member of which nobody hears, until it is demoted.
    pub fn leave_ghost(&mut self, node: usize) {
        let Some(row) = self.row(node) else { return };
        let ghosts = self.members.iter().filter(|member| member.left_by.is_some());
        let nobody = ghosts.map(|ghost| ghost.node).min().unwrap_or(usize::MAX) - 1;
        let member = &mut self.members[row];
        assert!(!member.up, "who left does not run");
        (member.node, member.left_by, member.side) = (nobody, Some(node), None);
        // Nobody has a connection to it, and the machine has none yet.
        let cut = std::mem::take(&mut self.cut);
        let renamed = |other: usize| if other == node { nobody } else { other };
        for ((one, other), between) in cut {
            let (one, other) = (renamed(one), renamed(other));
            self.cut.insert((one.min(other), one.max(other)), between);
        }
    }

    /// Whether a machine left members behind.
    pub fn has_ghosts(&self, node: usize) -> bool {
        self.members.iter().any(|member| member.left_by == Some(node))
    }

    /// Those are no members any more. Refused if too few of the others were left.
    pub fn demote_ghosts<E: From<ElectionEvent>>(
        &mut self,
        cx: &mut Context<E>,
        node: usize,
    ) -> Result<(), &'static str> {
        if self.reachable().count() < (self.members.len() - 1) / 2 + 1 {
            return Err(LOSS_OF_QUORUM);
        }
        while let Some(row) = self.members.iter().position(|member| member.left_by == Some(node)) {
            self.remove(row);
        }
        self.settle(cx);
        Ok(())
    }

    /// Members that the leader reaches, with itself.
    fn reachable(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.is_reached_by(self.leader))
    }

    /// Row of the node that leads, whether it reaches a majority or not.
    pub fn leader(&self) -> Option<usize> {
        self.leader
    }

    /// What becomes of an order. It is given to the first manager that is up, on the side of the majority if there is one.
    pub fn response(&self, now: Time) -> Response {
        if self.lead() {
            return Response::Leads;
        }
        let is_large = |side: Option<u32>| {
            let size = self.members.iter().filter(|member| member.up && side.is_some() && member.side == side).count();
            self.members.len() < size * 2
        };
        let may_be_asked = |member: &&Member| member.up && (!self.majority || is_large(member.side));
        let Some(asked) = self.members.iter().find(may_be_asked) else { return Response::Nobody };
        if asked.lead.is_some() && asked.lead == self.leader && (asked.hears || asked.lead == Some(asked.node)) {
            return Response::Written;
        }
        // SwarmKit `manager/state/raft`, `lostQuorumTimeout`.
        let ticks = |since: Time| self.ticks(asked, now) - self.ticks(asked, since);
        match asked.leaderless.map(ticks) {
            Some(ticks) if u64::from(self.model.election) < ticks => Response::Refused,
            _ => Response::Waits,
        }
    }

    /// Whether a majority of the managers is there.
    pub fn has_majority(&self) -> bool {
        self.majority
    }

    /// Whether a node is a member of Raft.
    pub fn is_member(&self, node: usize) -> bool {
        self.members.iter().any(|member| member.node == node)
    }

    /// Whether the leader reaches a member of Raft; `None` if the node is none.
    pub fn is_reached(&self, node: usize) -> Option<bool> {
        self.row(node).map(|row| self.members[row].is_reached_by(self.leader))
    }

    /// A machine lost power, or its engine will be up after `boot`.
    pub fn power<E: From<ElectionEvent>>(
        &mut self,
        cx: &mut Context<E>,
        node: usize,
        up: bool,
        boot: impl FnOnce() -> Span,
    ) {
        let Some(member) = self.members.iter_mut().find(|member| member.node == node) else { return };
        member.cycle += 1;
        if up {
            cx.after(boot(), ElectionEvent::Back { node: node as u32, cycle: member.cycle });
            return;
        }
        member.started = false;
        if member.sealed && !std::mem::replace(&mut member.locked, true) {
            cx.tell(Fact::ManagerLocked(node));
        }
        if std::mem::replace(&mut member.up, false) {
            self.settle(cx);
        }
    }

    /// The network puts every manager on a side, or on none.
    pub fn link<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>, side_of: impl Fn(usize) -> Option<u32>) {
        let mut changed = false;
        for member in self.members.iter_mut().filter(|member| member.left_by.is_none()) {
            changed |= std::mem::replace(&mut member.side, side_of(member.node)) != member.side;
        }
        if changed {
            self.settle(cx);
        }
    }

    /// One of the model's own events is due.
    pub fn handle<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>, event: ElectionEvent) {
        match event {
            ElectionEvent::Patience { node, wait } => {
                let waits = |member: &Member| member.node == node as usize && member.waits && member.wait == wait;
                if let Some(row) = self.members.iter().position(waits) {
                    self.stand(cx, row);
                    self.settle(cx);
                }
            }
            ElectionEvent::Beat { reign } => {
                if self.reign == reign && self.leader.is_some() {
                    self.beat(cx);
                    self.settle(cx);
                }
            }
            ElectionEvent::StepDown { node, stall } => self.step_down(cx, node as usize, stall),
            ElectionEvent::Wired { attempt } => {
                let before = self.cut.len();
                self.cut.retain(|_, cut| cut.attempt != Some(attempt));
                if self.cut.len() < before {
                    self.settle(cx);
                }
            }
            ElectionEvent::Back { node, cycle } => {
                let same = |member: &Member| member.node == node as usize && member.cycle == cycle;
                let Some(row) = self.members.iter().position(same) else { return };
                if self.members[row].locked {
                    self.members[row].started = true;
                } else {
                    self.come_back(cx, row);
                }
            }
        }
    }

    /// The engine of a member runs again.
    fn come_back<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>, row: usize) {
        let (now, member) = (cx.now(), &mut self.members[row]);
        member.up = true;
        member.phase = Span::from_nanos(now.as_nanos() % self.model.tick.as_nanos().max(1));
        member.leaderless = None;
        member.follow(now, member.term, None);
        // It dials the others at once; they dial it when their pauses are over.
        for ((one, other), cut) in &mut self.cut {
            if [*one, *other].contains(&member.node) {
                cut.since[usize::from(*one != member.node)] = now;
            }
        }
        self.settle(cx);
    }

    /// A node becomes a manager, at once a member that is up.
    pub fn promote<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>, node: usize, name: &str, up: bool) {
        if !self.members.is_empty() && !self.is_member(node) {
            let mut member = self.new_member(node, name, up);
            let lead = self.leader.and_then(|leader| self.members.iter().find(|other| other.node == leader));
            if let Some(lead) = lead.filter(|lead| up && lead.side.is_some()) {
                member.follow(cx.now(), lead.term, Some(lead.node));
                member.side = lead.side;
            }
            self.members.push(member);
            self.settle(cx);
        }
    }

    /// A manager becomes a worker; if it led, another takes over at once. Refused if too few of the others were left.
    pub fn demote<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>, node: usize) -> Result<(), &'static str> {
        let Some(row) = self.row(node) else { return Ok(()) };
        if self.members.len() == 1 {
            return Err(LAST_MANAGER);
        }
        let others = || self.reachable().filter(|member| member.node != node);
        // SwarmKit `CanRemoveMember`: a majority of those that remain must be reachable.
        if others().count() < (self.members.len() - 1) / 2 + 1 {
            return Err(LOSS_OF_QUORUM);
        }
        let successor = others().next().map(|other| other.node);
        self.remove(row);
        if self.leader == Some(node) {
            self.lose_leader(cx);
            // SwarmKit `TransferLeadership`: the successor stands at once, and no lease keeps the others from voting for it.
            if let Some(row) = successor.and_then(|node| self.row(node)) {
                self.members[row].term += 1;
                self.elect(cx, row);
            }
        }
        self.settle(cx);
        Ok(())
    }

    fn remove(&mut self, row: usize) {
        let node = self.members.remove(row).node;
        self.cut.retain(|pair, _| pair.0 != node && pair.1 != node);
    }

    /// `docker swarm init --force-new-cluster`: a manager makes itself the only member and leads at once. All that the store
    /// holds stays. Refused on a node that is no manager or does not run.
    pub fn force_new_cluster<E: From<ElectionEvent>>(
        &mut self,
        cx: &mut Context<E>,
        node: usize,
    ) -> Result<(), &'static str> {
        let row = self.row(node).filter(|row| self.members[*row].up).ok_or(NO_MANAGER)?;
        let member = self.members.swap_remove(row);
        let term = self.members.iter().map(|other| other.term).max().unwrap_or(0).max(member.term) + 1;
        self.members = vec![Member { behind: false, term, ..member }];
        self.cut.clear();
        if self.leader.is_some() {
            self.lose_leader(cx);
        }
        self.elect(cx, 0);
        self.settle(cx);
        Ok(())
    }

    fn row(&self, node: usize) -> Option<usize> {
        self.members.iter().position(|member| member.node == node)
    }

    /// Whether two members are up and have a connection.
    fn are_connected(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.members[one], &self.members[other]);
        let pair = (one.node.min(other.node), one.node.max(other.node));
        one.up && other.up && !self.cut.contains_key(&pair)
    }

    fn lose_leader<E>(&mut self, cx: &mut Context<E>) {
        (self.leader, self.decides) = (None, false);
        self.stall += 1;
        cx.tell(Fact::LeaderLost);
    }

    /// A member leads. Those who hear it follow.
    fn elect<E>(&mut self, cx: &mut Context<E>, row: usize) {
        let (now, node, term) = (cx.now(), self.members[row].node, self.members[row].term);
        self.members[row].follow(now, term, Some(node));
        (self.leader, self.decides, self.members[row].hears) = (Some(node), true, false);
        (self.since, self.looked) = (now, 0);
        self.reign += 1;
        self.stall += 1;
        cx.tell(Fact::LeaderElected(node));
        self.beat(cx);
    }

    /// All that the leader reaches hear it. If one of them knows a higher term, the leader gives way.
    fn beat<E>(&mut self, cx: &mut Context<E>) {
        let Some(leader) = self.leader.and_then(|node| self.row(node)) else { return };
        let (now, node, term) = (cx.now(), self.members[leader].node, self.members[leader].term);
        let mut risen = term;
        for row in (0..self.members.len()).filter(|row| *row != leader) {
            if !self.are_connected(leader, row) {
                continue;
            }
            let member = &mut self.members[row];
            if term < member.term {
                risen = risen.max(member.term);
            } else if !member.hears || member.lead != Some(node) {
                // Who followed it before waits as long as before, should it need to.
                let timeout = if member.term == term && member.lead == Some(node) { member.timeout } else { 0 };
                member.follow(now, term, Some(node));
                member.timeout = timeout;
            }
        }
        if term < risen {
            self.members[leader].follow(now, risen, None);
            self.lose_leader(cx);
        }
    }

    fn step_down<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>, node: usize, stall: u32) {
        let Some(row) = self.row(node) else { return };
        let (now, member) = (cx.now(), &mut self.members[row]);
        if self.leader == Some(node) {
            if self.stall != stall || self.decides {
                return;
            }
            member.follow(now, member.term, None);
            self.lose_leader(cx);
            self.settle(cx);
        } else if member.lead == Some(node) && member.stall == stall {
            // Others have elected another without its knowledge.
            member.follow(now, member.term, None);
            self.settle(cx);
        }
    }

    /// A member stands for election.
    fn stand<E>(&mut self, cx: &mut Context<E>, row: usize) {
        let now = cx.now();
        let member = &mut self.members[row];
        member.follow(now, member.term + 1, None);
        member.vote = Some(member.node);
        let (node, term, is_behind) = (member.node, member.term, member.behind);
        let mut votes = 1;
        for other in (0..self.members.len()).filter(|other| *other != row) {
            if !self.are_connected(row, other) {
                continue;
            }
            let ticks =
                self.ticks(&self.members[other], now) - self.ticks(&self.members[other], self.members[other].heard);
            let leads = self.members[other].lead == Some(self.members[other].node);
            let voter = &mut self.members[other];
            // The lease: who leads, hears the leader, or did so within ten ticks.
            let leased = voter.hears || leads || voter.lead.is_some() && ticks < u64::from(self.model.election);
            if term < voter.term || voter.term < term && leased {
                continue;
            }
            if voter.term < term {
                voter.follow(now, term, None);
            }
            if voter.vote.is_none() && voter.lead.is_none() && (voter.behind || !is_behind) {
                (voter.vote, voter.heard, voter.waits) = (Some(node), now, false);
                votes += 1;
            }
        }
        if self.members.len() < votes * 2 {
            self.elect(cx, row);
        }
    }

    /// Ticks of a member so far.
    fn ticks(&self, member: &Member, now: Time) -> u64 {
        let tick = self.model.tick.as_nanos().max(1);
        (now.as_nanos().saturating_add(tick) - member.phase.as_nanos().min(tick)) / tick
    }

    /// When a member's tick of a number comes.
    fn tick_at(&self, member: &Member, number: u64) -> Time {
        let since = self.model.tick.as_nanos().saturating_mul(number.saturating_sub(1));
        Time::from_nanos(member.phase.as_nanos().saturating_add(since))
    }

    /// Follows from what changed: who has a connection, who hears the leader, whether that reaches a majority, and who waits.
    fn settle<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>) {
        let now = cx.now();
        self.count(cx);
        self.wire(cx);
        if self.leader.is_some_and(|node| self.row(node).is_none_or(|row| !self.members[row].up)) {
            self.lose_leader(cx);
        }
        let leader = self.leader.and_then(|node| self.row(node));
        let mut newcomers = false;
        for row in (0..self.members.len()).filter(|row| Some(*row) != leader) {
            // The leader may be one to itself and those around it only.
            let member = &self.members[row];
            let lead = member.lead.and_then(|node| self.row(node));
            let hears = |lead: usize| self.members[lead].lead == member.lead && self.are_connected(lead, row);
            if member.hears && !lead.is_some_and(hears) {
                // Its ticks count from the last heartbeat that it heard.
                let last = lead.map_or(now, |lead| {
                    let lead = &self.members[lead];
                    self.tick_at(lead, self.ticks(lead, now))
                });
                let member = &mut self.members[row];
                (member.hears, member.waits) = (false, false);
                member.heard = member.heard.max(last.min(now));
            }
            let follows = self.members[row].hears && self.members[row].lead == self.leader;
            newcomers |= !follows && leader.is_some_and(|leader| self.are_connected(leader, row));
        }
        if let Some(leader) = leader {
            if newcomers {
                let member = &self.members[leader];
                let next = self.tick_at(member, self.ticks(member, now) + 1);
                cx.at(next, ElectionEvent::Beat { reign: self.reign });
            }
            self.look(cx, leader);
        }
        self.wait(cx);
        self.seal();
    }

    /// Whether a majority is there, as the network has it.
    fn count<E>(&mut self, cx: &mut Context<E>) {
        let size = |side: u32| self.members.iter().filter(|member| member.up && member.side == Some(side)).count();
        let majority =
            self.members.iter().filter_map(|member| member.side).any(|side| size(side) * 2 > self.members.len());
        // A single manager needs no network.
        let is_majority = majority || self.members.len() == 1 && self.members[0].up;
        if std::mem::replace(&mut self.majority, is_majority) != is_majority {
            cx.tell(Fact::Majority(is_majority));
        }
    }

    /// Connections break with the network or a machine; they are there again when both have dialled with success.
    fn wire<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>) {
        let now = cx.now();
        for one in 0..self.members.len() {
            for other in one + 1..self.members.len() {
                let (a, b) = (&self.members[one], &self.members[other]);
                let whole = a.up && b.up && a.side.is_some() && a.side == b.side;
                let (a, b) = if a.node < b.node { (a, b) } else { (b, a) };
                let pair = (a.node, b.node);
                if !whole {
                    self.cut.entry(pair).or_insert(Cut { since: [now; 2], attempt: None }).attempt = None;
                } else if let Some(cut) = self.cut.get(&pair).filter(|cut| cut.attempt.is_none()) {
                    self.attempts += 1;
                    let mut rng = self.seeds.stream(Stream::Dial, part(part(a.entity, b.entity), now.as_nanos()));
                    let due = cut.since.map(|since| self.next_dial(since, now, &mut rng));
                    let due = due[0].max(due[1]);
                    if due == now {
                        self.cut.remove(&pair);
                    } else {
                        cx.at(due, ElectionEvent::Wired { attempt: self.attempts });
                        self.cut.get_mut(&pair).expect("as above").attempt = Some(self.attempts);
                    }
                }
            }
        }
    }

    /// When a manager that has dialled another since `since` dials it next, seen from `now`. A dial that is under way gets
    /// through.
    fn next_dial(&self, since: Time, now: Time, rng: &mut ChaCha8Rng) -> Time {
        let longest = self.model.dial.as_secs_f64();
        if longest == 0.0 {
            return now;
        }
        let (mut at, mut pause) = (since, DIAL_PAUSE.min(longest));
        // Of a wait of years only the end matters.
        let period = DIAL_FAILS + self.model.dial;
        let settled = Span::from_nanos(period.as_nanos().saturating_mul(16));
        if settled < now - at {
            (at, pause) = (now.before(settled), longest);
        }
        loop {
            if now <= at {
                return at;
            }
            at += DIAL_FAILS;
            if now <= at {
                return now;
            }
            at += Span::from_secs_f64(pause * (1.0 + DIAL_JITTER * (2.0 * unit(rng) - 1.0)));
            pause = (pause * DIAL_FACTOR).min(longest);
        }
    }

    /// Whether the leader reaches a majority. What it decides, those who do not hear it miss.
    fn look<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>, leader: usize) {
        let follows = |member: &Member| member.hears && member.lead == self.leader;
        let hearing = 1 + self.members.iter().filter(|member| follows(member)).count();
        let decides = self.members.len() < hearing * 2;
        if std::mem::replace(&mut self.decides, decides) != decides {
            self.stall += 1;
            if decides {
                cx.tell(Fact::LeaderResumed);
            } else {
                cx.tell(Fact::LeaderStalled);
                self.members[leader].stall = self.stall;
                let node = self.members[leader].node as u32;
                cx.at(self.quorum_check(cx.now(), leader), ElectionEvent::StepDown { node, stall: self.stall });
            }
        }
        for (row, member) in self.members.iter_mut().enumerate() {
            if row == leader || member.hears && member.lead == self.leader {
                member.behind &= !decides;
            } else {
                member.behind |= decides;
            }
        }
    }

    /// A leader looks every ten of its ticks whether it heard of a majority since it looked last: it steps down when it looks
    /// for the second time (etcd raft `MsgCheckQuorum`).
    fn quorum_check(&self, now: Time, leader: usize) -> Time {
        let (leader, window) = (&self.members[leader], u64::from(self.model.election.max(1)));
        let first = self.ticks(leader, self.since);
        let past = self.ticks(leader, now) - first + self.looked;
        self.tick_at(leader, first + (past / window + 2) * window - self.looked)
    }

    /// Everybody that is up and hears no leader waits until it stands for election.
    fn wait<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>) {
        let leads = self.leader;
        for row in 0..self.members.len() {
            let member = &self.members[row];
            let leads = Some(member.node) == leads || member.lead == Some(member.node);
            if !member.up || member.hears || leads {
                let member = &mut self.members[row];
                member.waits = false;
                continue;
            }
            if member.waits {
                continue;
            }
            if member.timeout == 0 {
                // etcd raft: uniform from `election` to twice as many, less one.
                let ticks = u64::from(self.model.election);
                let member = &mut self.members[row];
                let mut rng = self.seeds.stream(Stream::Election, part(member.entity, member.draws));
                member.draws += 1;
                member.timeout = ticks + below_by_remainder(&mut rng, ticks);
            }
            let member = &self.members[row];
            let due = self.tick_at(member, self.ticks(member, member.heard).saturating_add(member.timeout));
            let member = &mut self.members[row];
            member.waits = true;
            member.wait += 1;
            let (node, wait) = (member.node as u32, member.wait);
            cx.at(due.max(cx.now()), ElectionEvent::Patience { node, wait });
        }
    }
}

impl Member {
    /// Whether it runs and is the leader or hears it.
    fn is_reached_by(&self, leader: Option<usize>) -> bool {
        self.up && (Some(self.node) == leader || self.hears && self.lead == leader)
    }

    /// It follows somebody or nobody in a term from now on, and would wait anew.
    fn follow(&mut self, now: Time, term: u64, lead: Option<usize>) {
        if self.term < term {
            self.vote = None;
        }
        (self.term, self.lead, self.hears) = (term, lead, lead.is_some());
        self.leaderless = if lead.is_some() { None } else { self.leaderless.or(Some(now)) };
        (self.heard, self.timeout, self.waits) = (now, 0, false);
    }
}

#[cfg(test)]
mod tests {
    use sched::Time;

    use super::*;

    fn drain(managers: &mut Managers, cx: &mut Context<ElectionEvent>, end: f64) -> Vec<(f64, Fact)> {
        let mut log = Vec::new();
        let mut note = |cx: &mut Context<ElectionEvent>| {
            let now = cx.now().as_secs_f64();
            log.extend(cx.take_facts().into_iter().map(|fact| (now, fact)));
        };
        note(cx);
        // An event that has nothing to say, to stop at.
        let last = ElectionEvent::StepDown { node: u32::MAX, stall: u32::MAX };
        cx.at(Time::ZERO + Span::from_secs_f64(end), last);
        while let Some((_, event)) = cx.pop().filter(|next| next.1 != last) {
            managers.handle(cx, event);
            note(cx);
        }
        log
    }

    fn three(model: &ManagersModel) -> Managers {
        Managers::new(model, [(4, "a"), (7, "b"), (9, "c")].into_iter(), Seeds::of(1, 1))
    }

    #[test]
    fn another_leads_when_one_has_lost_patience_before_all_others() {
        let model = ManagersModel::default();
        let mut times = Vec::new();
        for replication in 0..2000 {
            let mut managers =
                Managers::new(&model, [(0, "a"), (1, "b"), (2, "c")].into_iter(), Seeds::of(1, replication));
            let mut cx = Context::new();
            // Some time after the first tick.
            let lost = 7.0 + f64::from(replication) / 2000.0;
            drain(&mut managers, &mut cx, lost);
            managers.power(&mut cx, 0, false, || Span::ZERO);
            let log = drain(&mut managers, &mut cx, 100.0);
            assert!(log[0].1 == Fact::LeaderLost && (log[0].0 - lost).abs() < 1e-6, "{log:?}");
            let (time, Fact::LeaderElected(1 | 2)) = log[1] else { panic!("{log:?}") };
            assert_eq!(log.len(), 2);
            times.push(time - lost);
        }
        // With a phase each, the ticks end at any time between 9 and 19 s after the last heartbeat, which was half a second
        // before the loss in the mean: the sooner of the two does after 11.83 s. One that stands with its tenth tick while the
        // other has not come so far is ignored, once in ten times, and waits anew. Measured from the cut to the first write:
        // 12.4 to 13.0 s.
        let share = |least: f64| times.iter().filter(|time| least <= **time).count() as f64 / times.len() as f64;
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        assert!((12.4..13.4).contains(&mean), "{mean}");
        assert!((0.06..0.13).contains(&share(18.5)), "{}", share(18.5));
        times.sort_by(f64::total_cmp);
        assert!(8.0 <= times[0] && (times[1000] - 12.2).abs() < 0.3, "{} {}", times[0], times[1000]);
        times.dedup();
        assert!(1900 < times.len(), "managers do not tick together");
    }

    #[test]
    fn nobody_leads_without_a_majority() {
        let model = ManagersModel::default();
        let mut managers = three(&model);
        let mut cx = Context::new();
        managers.power(&mut cx, 7, false, || Span::ZERO);
        assert!(managers.lead() && cx.take_facts().is_empty());
        managers.power(&mut cx, 9, false, || Span::ZERO);
        let log = drain(&mut managers, &mut cx, 100.0);
        assert_eq!(log[..2], [(0.0, Fact::Majority(false)), (0.0, Fact::LeaderStalled)]);
        assert!(log.len() == 3 && log[2].1 == Fact::LeaderLost && (10.0..=20.0).contains(&log[2].0), "{log:?}");
        managers.power(&mut cx, 9, true, || Span::from_secs(30));
        let log = drain(&mut managers, &mut cx, 1000.0);
        assert_eq!(log[0].1, Fact::Majority(true));
        assert!(matches!(log[1].1, Fact::LeaderElected(4 | 9)) && log[1].0 >= log[0].0, "{log:?}");
    }

    #[test]
    fn a_majority_that_is_back_soon_keeps_its_leader() {
        let model = ManagersModel::default();
        let mut managers = three(&model);
        let mut cx = Context::new();
        let sides = |apart: &'static [usize]| move |node: usize| (!apart.contains(&node)).then_some(0);
        managers.link(&mut cx, sides(&[7, 9]));
        assert_eq!(drain(&mut managers, &mut cx, 5.0).last(), Some(&(0.0, Fact::LeaderStalled)));
        assert!(!managers.lead() && managers.leader() == Some(4));
        managers.link(&mut cx, sides(&[]));
        let log = drain(&mut managers, &mut cx, 100.0);
        assert!(managers.lead() && (5.0..10.0).contains(&log[1].0), "when they have dialled each other: {log:?}");
        assert_eq!(
            log.into_iter().map(|entry| entry.1).collect::<Vec<_>>(),
            [Fact::Majority(true), Fact::LeaderResumed]
        );
    }

    #[test]
    fn ticks_of_a_century_are_waited_for_without_overflow() {
        let model = ManagersModel { tick: Span::from_secs(100 * 31_557_600), ..ManagersModel::default() };
        let mut managers = three(&model);
        let mut cx = Context::new();
        managers.link(&mut cx, |node| (node == 4).then_some(0));
        let log = drain(&mut managers, &mut cx, 100.0);
        assert_eq!(log.last(), Some(&(0.0, Fact::LeaderStalled)), "it does not step down before the end of time");
    }

    #[test]
    fn the_side_with_the_majority_elects_its_own_leader() {
        let model = ManagersModel::default();
        let mut managers = three(&model);
        let mut cx = Context::new();
        managers.link(&mut cx, |node| Some(u32::from(node != 4)));
        let log = drain(&mut managers, &mut cx, 100.0);
        assert_eq!(log[0], (0.0, Fact::LeaderStalled), "the majority is on the other side, so it is not lost");
        assert!(matches!(log.last(), Some((_, Fact::LeaderElected(7 | 9)))), "{log:?}");
        assert!(managers.lead());
    }

    #[test]
    fn who_campaigned_without_success_deposes_the_leader_when_it_is_back() {
        let model = ManagersModel::default();
        let back_after = |secs: f64, replication: u32| {
            let names = [(4, "a"), (7, "b"), (9, "c")].into_iter();
            let mut managers = Managers::new(&model, names, Seeds::of(1, replication));
            let mut cx: Context<ElectionEvent> = Context::new();
            managers.link(&mut cx, |node| (node != 9).then_some(0));
            assert!(managers.lead() && cx.take_facts().is_empty(), "two of three go on");
            drain(&mut managers, &mut cx, secs);
            managers.link(&mut cx, |_| Some(0));
            drain(&mut managers, &mut cx, 200.0)
        };
        assert_eq!(back_after(4.0, 1), [], "it did not stand yet");
        let mut times = Vec::new();
        for replication in 0..400 {
            let cut = 40.0 + f64::from(replication) / 10.0;
            let log = back_after(cut, replication);
            assert!(matches!(log[..], [(_, Fact::LeaderLost), (_, Fact::LeaderElected(_)), ..]), "{log:?}");
            times.push(log[0].0 - cut);
        }
        // Both must dial the other, with pauses of 8 s by then, before the next heartbeat. Measured: 4.5 s in the mean.
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        assert!((4.0..6.0).contains(&mean) && times.iter().all(|time| (0.0..11.0).contains(time)), "{mean}");
    }

    #[test]
    fn a_manager_that_is_left_alone_can_make_a_swarm_of_its_own() {
        let model = ManagersModel::default();
        let mut managers = three(&model);
        let mut cx: Context<ElectionEvent> = Context::new();
        managers.power(&mut cx, 7, false, || Span::ZERO);
        managers.power(&mut cx, 9, false, || Span::ZERO);
        drain(&mut managers, &mut cx, 100.0);
        assert!(!managers.lead());
        assert!(managers.force_new_cluster(&mut cx, 9).unwrap_err().contains("not a swarm manager"));
        assert_eq!(managers.force_new_cluster(&mut cx, 4), Ok(()));
        assert_eq!(cx.take_facts(), [Fact::LeaderElected(4), Fact::Majority(true)]);
        assert!(managers.lead() && managers.is_member(4) && !managers.is_member(7));
        // Whoever comes back is not a member any more.
        managers.power(&mut cx, 7, true, || Span::ZERO);
        assert_eq!(drain(&mut managers, &mut cx, 200.0), []);
    }

    #[test]
    fn a_demoted_leader_hands_over_and_the_last_manager_stays() {
        let model = ManagersModel::default();
        let mut managers = three(&model);
        let mut cx: Context<ElectionEvent> = Context::new();
        assert_eq!(managers.demote(&mut cx, 4), Ok(()));
        assert_eq!(cx.take_facts(), [Fact::LeaderLost, Fact::LeaderElected(7)]);
        managers.power(&mut cx, 9, false, || Span::ZERO);
        assert!(!managers.lead(), "two managers need both");
        let refused = managers.demote(&mut cx, 7).unwrap_err();
        assert_eq!(refused, "can't remove member from the raft: this would result in a loss of quorum");
        let mut alone = Managers::new(&model, [(0, "a")].into_iter(), Seeds::of(1, 1));
        assert!(alone.demote(&mut cx, 0).unwrap_err().contains("last manager"));
        alone.promote(&mut cx, 3, "d", true);
        assert_eq!(alone.demote(&mut cx, 0), Ok(()));
    }
}
