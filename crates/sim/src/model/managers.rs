//! Managers: whether a majority of them is there, and who leads.
//!
//! Raft as SwarmKit sets it up (`manager/state/raft`, with `CheckQuorum` and without `PreVote`). A manager that hears no
//! leader for a random number of ticks stands for election, and is elected if a majority votes for it; who stands within the
//! same tick splits the votes, and if nobody has a majority all wait anew. A leader that does not reach a majority decides
//! nothing. It looks every ten ticks whether it heard of one, and steps down if not; if the majority is back before, it goes
//! on as if nothing had been. A manager that the network kept from the others has campaigned without success meanwhile, so
//! that its term is higher: when it is back, the leader gives way to an election. Without a manager in the scenario there
//! is one that never fails.

use sched::{Span, Time};

use crate::engine::chance::{below_by_remainder, unit};
use crate::engine::law::Law;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::fact::{Context, Fact};

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
    /// How long an agent takes to call a new leader (SwarmKit: a random part of up to 8 s).
    pub backoff: Law,
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
            backoff: Law::Uniform { min: Span::ZERO, max: Span::from_secs(8) },
            certificate: Law::Uniform { min: Span::from_secs(1), max: Span::from_secs(3) },
            founded: true,
        }
    }
}

/// Something comes to pass among the managers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ElectionEvent {
    /// The votes are counted, unless something changed since the managers began to wait.
    Poll {
        /// Row of the node that has a majority of them, `u32::MAX` if they are split.
        winner: u32,
        /// Which wait it was about.
        vacancy: u32,
    },
    /// A leader without a majority gives up, unless it has one again.
    StepDown {
        /// How often it lost one.
        stall: u32,
    },
    /// A manager's engine is up, unless its machine lost power again.
    Back {
        /// Row of its node.
        node: u32,
        /// Its power cycle.
        cycle: u32,
    },
}

/// SwarmKit `manager/controlapi/node.go`, `UpdateNode`.
const LOSS_OF_QUORUM: &str = "can't remove member from the raft: this would result in a loss of quorum";

/// The votes are split.
const NOBODY: u32 = u32::MAX;

/// The managers of a run.
#[derive(Clone, Debug)]
pub struct Managers {
    model: ManagersModel,
    members: Vec<Member>,
    seeds: Seeds,
    /// Whether managers that are started anew stay locked.
    autolock: bool,
    leader: Option<usize>,
    /// Whether the leader reaches a majority, and how often it did not.
    decides: bool,
    stall: u32,
    /// How long ago it looked for a majority at the start, or since when it does.
    looked: Span,
    since: Time,
    term: u64,
    majority: bool,
    /// Counts the waits for a leader, and who waits.
    vacancy: u32,
    waiting: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Member {
    node: usize,
    entity: u64,
    up: bool,
    cycle: u32,
    /// Members of one side reach each other; `None` reaches nobody.
    side: Option<u32>,
    /// Since when it hears no leader although it is up, and the term it knew.
    apart: Option<Time>,
    term: u64,
    /// Whether a leader decided something without it, so that nobody may vote for it.
    behind: bool,
    /// Whether its machine left the swarm, and is at most another member now. This one counts, and never comes back.
    gone: bool,
    /// Whether its keys are locked up when it stops, and whether it stopped so. Then it is not up before it is unlocked, even
    /// if its engine is.
    sealed: bool,
    locked: bool,
    started: bool,
}

impl Managers {
    /// All managers (row and name of their nodes) are up, and the first leads.
    pub fn new<'n>(model: &ManagersModel, members: impl Iterator<Item = (usize, &'n str)>, seeds: Seeds) -> Self {
        let members: Vec<Member> = members.map(|(node, name)| Member::new(node, name, true)).collect();
        let leader = members.first().map(|member| member.node);
        let window = model.tick.as_secs_f64() * f64::from(model.election);
        let phase = members.first().map_or(0, |member| part(member.entity, u64::MAX));
        Managers {
            model: model.clone(),
            members,
            seeds,
            autolock: false,
            leader,
            decides: leader.is_some(),
            stall: 0,
            looked: Span::from_secs_f64(unit(&mut seeds.stream(Stream::Election, phase)) * window),
            since: Time::ZERO,
            term: 1,
            majority: true,
            vacancy: 0,
            waiting: Vec::new(),
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
        self.members.push(Member::new(node, name, true));
        self.elect(cx, node);
        self.count(cx);
    }

    /// `docker swarm update --autolock`. Managers that hear of it take their keys, or get them back.
    pub fn set_autolock(&mut self, on: bool) {
        self.autolock = on;
        self.seal();
    }

    fn seal(&mut self) {
        if !self.decides {
            return;
        }
        let leads = |member: &&Member| Some(member.node) == self.leader && !member.gone;
        let side = self.members.iter().find(leads).and_then(|leader| leader.side);
        for member in self.members.iter_mut().filter(|member| member.up && member.side == side) {
            member.sealed = self.autolock;
        }
    }

    /// `docker swarm unlock` on a node whose engine runs or will.
    pub fn unlock<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        let Some(member) = self.member(node).filter(|member| member.locked) else { return };
        member.locked = false;
        if std::mem::take(&mut member.started) {
            member.up = true;
            self.count(cx);
        }
    }

    /// A machine that left joins again: what it was is a member of which nobody hears, until it is demoted.
    pub fn leave_ghost(&mut self, node: usize) {
        if let Some(member) = self.member(node) {
            member.gone = true;
        }
    }

    /// Whether machine left members behind.
    pub fn has_ghosts(&self, node: usize) -> bool {
        self.members.iter().any(|member| member.gone && member.node == node)
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
        self.members.retain(|member| !member.gone || member.node != node);
        self.count(cx);
        Ok(())
    }

    /// Members that the leader reaches, with itself.
    fn reachable(&self) -> impl Iterator<Item = &Member> {
        let leads = |member: &&Member| Some(member.node) == self.leader && !member.gone;
        let side = self.members.iter().find(leads).and_then(|leader| leader.side);
        self.members.iter().filter(move |member| member.up && member.side == side)
    }

    fn member(&mut self, node: usize) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.node == node && !member.gone)
    }

    /// Row of the node that leads, whether it reaches a majority or not.
    pub fn leader(&self) -> Option<usize> {
        self.leader
    }

    /// Whether a majority of the managers is there.
    pub fn has_majority(&self) -> bool {
        self.majority
    }

    /// Whether a node is a member of Raft.
    pub fn is_member(&self, node: usize) -> bool {
        self.members.iter().any(|member| member.node == node && !member.gone)
    }

    /// A machine lost power, or its engine will be up after `boot`.
    pub fn power<E: From<ElectionEvent>>(
        &mut self,
        cx: &mut Context<E>,
        node: usize,
        up: bool,
        boot: impl FnOnce() -> Span,
    ) {
        let Some(member) = self.member(node) else { return };
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
            self.count(cx);
        }
    }

    /// The network puts every manager on a side, or on none.
    pub fn link<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>, side_of: impl Fn(usize) -> Option<u32>) {
        let mut changed = false;
        for member in &mut self.members {
            changed |= std::mem::replace(&mut member.side, side_of(member.node)) != member.side;
        }
        if changed {
            self.count(cx);
        }
    }

    /// One of the model's own events is due.
    pub fn handle<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>, event: ElectionEvent) {
        match event {
            ElectionEvent::Poll { winner, vacancy } => {
                if self.vacancy == vacancy {
                    self.term += 1;
                    self.waiting.clear();
                    if winner != NOBODY {
                        self.elect(cx, winner as usize);
                    }
                    self.count(cx);
                }
            }
            ElectionEvent::StepDown { stall } => {
                if self.stall == stall && !self.decides && self.leader.take().is_some() {
                    cx.tell(Fact::LeaderLost);
                    self.count(cx);
                }
            }
            ElectionEvent::Back { node, cycle } => {
                let Some(member) = self.member(node as usize).filter(|member| member.cycle == cycle) else { return };
                if member.locked {
                    member.started = true;
                } else {
                    member.up = true;
                    self.count(cx);
                }
            }
        }
    }

    /// A node becomes a manager, at once a member that is up.
    pub fn promote<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>, node: usize, name: &str, up: bool) {
        if !self.members.is_empty() && !self.is_member(node) {
            self.members.push(Member::new(node, name, up));
            self.count(cx);
        }
    }

    /// A manager becomes a worker; if it led, another takes over at once. Refused if too few of the others were left.
    pub fn demote<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>, node: usize) -> Result<(), &'static str> {
        let is_known = |member: &Member| member.node == node && !member.gone;
        let Some(row) = self.members.iter().position(is_known) else { return Ok(()) };
        if self.members.len() == 1 {
            return Err("attempting to demote the last manager of the swarm");
        }
        let others = || self.reachable().filter(|member| member.node != node);
        // SwarmKit `CanRemoveMember`: a majority of those that remain must be reachable.
        if others().count() < (self.members.len() - 1) / 2 + 1 {
            return Err(LOSS_OF_QUORUM);
        }
        let successor = others().next().map(|other| other.node);
        self.members.remove(row);
        if self.leader == Some(node) {
            self.leader = None;
            cx.tell(Fact::LeaderLost);
            if let Some(successor) = successor {
                self.term += 1;
                self.elect(cx, successor);
            }
        }
        self.count(cx);
        Ok(())
    }

    /// `docker swarm init --force-new-cluster`: a manager makes itself the only member and leads at once. All that the store
    /// holds stays. Refused on a node that is no manager or does not run.
    pub fn force_new_cluster<E: From<ElectionEvent>>(
        &mut self,
        cx: &mut Context<E>,
        node: usize,
    ) -> Result<(), &'static str> {
        let Some(row) = self.members.iter().position(|member| member.node == node && member.up) else {
            return Err(
                "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this \
                        node to swarm and try again.",
            );
        };
        let member = self.members.swap_remove(row);
        self.members = vec![Member { apart: None, behind: false, ..member }];
        if self.leader.take().is_some() {
            cx.tell(Fact::LeaderLost);
        }
        self.waiting.clear();
        self.term += 1;
        self.elect(cx, node);
        self.count(cx);
        Ok(())
    }

    fn elect<E>(&mut self, cx: &mut Context<E>, node: usize) {
        (self.leader, self.decides) = (Some(node), true);
        (self.since, self.looked) = (cx.now(), Span::ZERO);
        self.vacancy += 1;
        self.stall += 1;
        cx.tell(Fact::LeaderElected(node));
        let side = self.member(node).and_then(|member| member.side);
        for member in self.members.iter_mut().filter(|member| member.up && member.side == side) {
            member.apart = None;
        }
    }

    /// Looks whether there is a majority, and whether somebody leads it.
    fn count<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>) {
        let now = cx.now();
        let size = |side: u32| self.members.iter().filter(|member| member.up && member.side == Some(side)).count();
        let majority =
            self.members.iter().filter_map(|member| member.side).find(|side| size(*side) * 2 > self.members.len());
        // A single manager needs no network.
        let alone = self.members.len() == 1 && self.members[0].up;
        let is_majority = majority.is_some() || alone;
        if std::mem::replace(&mut self.majority, is_majority) != is_majority {
            cx.tell(Fact::Majority(is_majority));
        }
        let leader =
            self.leader.and_then(|leader| self.members.iter().find(|member| member.node == leader && member.up));
        let side = leader.and_then(|leader| leader.side);
        let decides = leader.is_some() && (alone || side.is_some() && side == majority);
        if leader.is_none() && self.leader.take().is_some() {
            cx.tell(Fact::LeaderLost);
        } else if self.leader.is_some() && self.decides != decides {
            self.stall += 1;
            if decides {
                cx.tell(Fact::LeaderResumed);
            } else {
                cx.tell(Fact::LeaderStalled);
                cx.after(self.check_quorum_timeout(now), ElectionEvent::StepDown { stall: self.stall });
            }
        }
        self.decides = decides;
        if self.is_deposed(now, side) {
            (self.leader, self.decides) = (None, false);
            cx.tell(Fact::LeaderLost);
        }
        let side = if alone { self.members[0].side } else { majority };
        let waits = |member: &&Member| !self.decides && is_majority && member.up && member.side == side;
        let waiting: Vec<usize> = self.members.iter().filter(waits).map(|member| member.node).collect();
        if waiting != self.waiting {
            // Whoever stood for election before a majority was there, or lost its machine, stands again.
            self.vacancy += 1;
            self.waiting = waiting;
            self.campaign(cx);
        }
        self.seal();
    }

    /// A leader looks every ten ticks whether it heard of a majority since it looked last: it steps down when it looks for
    /// the second time (etcd raft `MsgCheckQuorum`).
    fn check_quorum_timeout(&self, now: Time) -> Span {
        let window = self.model.tick.as_nanos().saturating_mul(u64::from(self.model.election));
        let past = ((now - self.since) + self.looked).as_nanos() % window;
        Span::from_nanos(((window - past) % window).saturating_add(window))
    }

    /// Notes who hears the leader. Whoever comes back with a higher term deposes it (etcd raft answers the heartbeat of a
    /// leader of a lower term, so that it becomes a follower).
    fn is_deposed(&mut self, now: Time, side: Option<u32>) -> bool {
        let mut risen = self.term;
        for row in 0..self.members.len() {
            let member = &self.members[row];
            let hears = member.up && (member.side == side && side.is_some() || Some(member.node) == self.leader);
            if hears {
                if let Some(since) = member.apart {
                    risen = risen.max(member.term + self.failed_campaigns(member, now - since));
                }
                let member = &mut self.members[row];
                (member.apart, member.term) = (None, self.term);
            } else {
                let member = &mut self.members[row];
                member.behind |= self.decides;
                member.apart = if member.up { member.apart.or(Some(now)) } else { None };
            }
        }
        let is_deposed = std::mem::replace(&mut self.term, risen) < risen;
        if self.decides && !is_deposed {
            // The leader sends what they missed to all that hear it.
            self.members
                .iter_mut()
                .filter(|member| member.apart.is_none() && member.up)
                .for_each(|member| member.behind = false);
        }
        is_deposed
    }

    /// How often a manager that hears nobody stands for election within a time.
    fn failed_campaigns(&self, member: &Member, span: Span) -> u64 {
        let mut rng = self.seeds.stream(Stream::Election, part(part(member.entity, member.term), u64::MAX));
        let ticks = u64::from(self.model.election);
        let (mut left, mut times) = (span.as_nanos() / self.model.tick.as_nanos().max(1), 0);
        loop {
            let timeout = ticks + below_by_remainder(&mut rng, ticks);
            if left < timeout {
                return times;
            }
            left -= timeout;
            times += 1;
        }
    }

    /// Managers wait, each for so many ticks; the first whose ticks are over stand and vote for themselves, the
    /// others for one of them. Nobody who missed a decision gets the vote of one who did not.
    fn campaign<E: From<ElectionEvent>>(&mut self, cx: &mut Context<E>) {
        let ticks = u64::from(self.model.election);
        let voters = self.members.iter().filter(|member| self.waiting.contains(&member.node));
        // etcd raft: uniform from `election` to twice as many, less one.
        let timeouts = voters.map(|voter| {
            let mut rng = self.seeds.stream(Stream::Election, part(voter.entity, u64::from(self.vacancy)));
            (ticks + below_by_remainder(&mut rng, ticks), voter.node, voter.behind, rng)
        });
        let mut timeouts: Vec<_> = timeouts.collect();
        timeouts.sort_by_key(|entry| (entry.0, entry.1));
        let Some(least) = timeouts.first().map(|entry| entry.0) else { return };
        let count = timeouts.iter().filter(|entry| entry.0 == least).count();
        let (candidates, others) = timeouts.split_at_mut(count);
        let mut votes = vec![1; count];
        for (_, _, is_behind, rng) in others {
            let choice = if count == 1 { 0 } else { below_by_remainder(rng, count as u64) as usize };
            if *is_behind || !candidates[choice].2 {
                votes[choice] += 1;
            }
        }
        let winner = (0..count).find(|row| votes[*row] * 2 > self.members.len());
        let winner = winner.map_or(NOBODY, |row| candidates[row].1 as u32);
        let after = Span::from_nanos(self.model.tick.as_nanos().saturating_mul(least));
        cx.after(after, ElectionEvent::Poll { winner, vacancy: self.vacancy });
    }
}

impl Member {
    fn new(node: usize, name: &str, up: bool) -> Member {
        Member {
            node,
            entity: entity(name),
            up,
            cycle: 0,
            side: Some(0),
            apart: None,
            term: 1,
            behind: false,
            gone: false,
            sealed: false,
            locked: false,
            started: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use sched::Time;

    use super::*;

    fn drain(managers: &mut Managers, cx: &mut Context<ElectionEvent>, end: u64) -> Vec<(f64, Fact)> {
        let mut log = Vec::new();
        let mut note = |cx: &mut Context<ElectionEvent>| {
            let now = cx.now().as_secs_f64();
            log.extend(cx.take_facts().into_iter().map(|fact| (now, fact)));
        };
        note(cx);
        // An event that has nothing to say, to stop at.
        let last = ElectionEvent::StepDown { stall: u32::MAX };
        cx.at(Time::ZERO + Span::from_secs(end), last);
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
            managers.power(&mut cx, 0, false, || Span::ZERO);
            let log = drain(&mut managers, &mut cx, 100);
            assert_eq!(log[0], (0.0, Fact::LeaderLost));
            let (time, Fact::LeaderElected(1 | 2)) = log[1] else { panic!("{log:?}") };
            assert_eq!(log.len(), 2);
            times.push(time);
        }
        // The sooner of two draws from 10 to 19 ticks; once in ten times they are equal, and both draw anew.
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        assert!((mean - 12.85 / 0.9).abs() < 0.3, "{mean}");
    }

    #[test]
    fn nobody_leads_without_a_majority() {
        let model = ManagersModel::default();
        let mut managers = three(&model);
        let mut cx = Context::new();
        managers.power(&mut cx, 7, false, || Span::ZERO);
        assert!(managers.lead() && cx.take_facts().is_empty());
        managers.power(&mut cx, 9, false, || Span::ZERO);
        let log = drain(&mut managers, &mut cx, 100);
        assert_eq!(log[..2], [(0.0, Fact::Majority(false)), (0.0, Fact::LeaderStalled)]);
        assert!(log.len() == 3 && log[2].1 == Fact::LeaderLost && (10.0..=20.0).contains(&log[2].0), "{log:?}");
        managers.power(&mut cx, 9, true, || Span::from_secs(30));
        let log = drain(&mut managers, &mut cx, 1000);
        assert_eq!(log[0].1, Fact::Majority(true));
        assert!(matches!(log[1].1, Fact::LeaderElected(4 | 9)) && log[1].0 >= log[0].0 + 10.0, "{log:?}");
    }

    #[test]
    fn a_majority_that_is_back_soon_keeps_its_leader() {
        let model = ManagersModel::default();
        let mut managers = three(&model);
        let mut cx = Context::new();
        let sides = |apart: &'static [usize]| move |node: usize| (!apart.contains(&node)).then_some(0);
        managers.link(&mut cx, sides(&[7, 9]));
        assert_eq!(drain(&mut managers, &mut cx, 9).last(), Some(&(0.0, Fact::LeaderStalled)));
        assert!(!managers.lead() && managers.leader() == Some(4));
        managers.link(&mut cx, sides(&[]));
        assert!(managers.lead());
        let log = drain(&mut managers, &mut cx, 100);
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
        let log = drain(&mut managers, &mut cx, 100);
        assert_eq!(log.last(), Some(&(0.0, Fact::LeaderStalled)), "it does not step down before the end of time");
    }

    #[test]
    fn the_side_with_the_majority_elects_its_own_leader() {
        let model = ManagersModel::default();
        let mut managers = three(&model);
        let mut cx = Context::new();
        managers.link(&mut cx, |node| Some(u32::from(node != 4)));
        let log = drain(&mut managers, &mut cx, 100);
        assert_eq!(log[0], (0.0, Fact::LeaderStalled), "the majority is on the other side, so it is not lost");
        assert!(matches!(log.last(), Some((_, Fact::LeaderElected(7 | 9)))), "{log:?}");
        assert!(managers.lead());
    }

    #[test]
    fn who_campaigned_without_success_deposes_the_leader_when_it_is_back() {
        let model = ManagersModel::default();
        let back_after = |ticks: u64| {
            let mut managers = three(&model);
            let mut cx: Context<ElectionEvent> = Context::new();
            managers.link(&mut cx, |node| (node != 9).then_some(0));
            assert!(managers.lead() && cx.take_facts().is_empty(), "two of three go on");
            drain(&mut managers, &mut cx, ticks);
            managers.link(&mut cx, |_| Some(0));
            drain(&mut managers, &mut cx, 200).into_iter().map(|entry| entry.1).collect::<Vec<_>>()
        };
        assert_eq!(back_after(9), [], "it did not lose timeout yet");
        assert!(matches!(back_after(20)[..], [Fact::LeaderLost, Fact::LeaderElected(_)]), "{:?}", back_after(20));
    }

    #[test]
    fn a_manager_that_is_left_alone_can_make_a_swarm_of_its_own() {
        let model = ManagersModel::default();
        let mut managers = three(&model);
        let mut cx: Context<ElectionEvent> = Context::new();
        managers.power(&mut cx, 7, false, || Span::ZERO);
        managers.power(&mut cx, 9, false, || Span::ZERO);
        drain(&mut managers, &mut cx, 100);
        assert!(!managers.lead());
        assert!(managers.force_new_cluster(&mut cx, 9).unwrap_err().contains("not a swarm manager"));
        assert_eq!(managers.force_new_cluster(&mut cx, 4), Ok(()));
        assert_eq!(cx.take_facts(), [Fact::LeaderElected(4), Fact::Majority(true)]);
        assert!(managers.lead() && managers.is_member(4) && !managers.is_member(7));
        // Whoever comes back is not a member any more.
        managers.power(&mut cx, 7, true, || Span::ZERO);
        assert_eq!(drain(&mut managers, &mut cx, 200), []);
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
