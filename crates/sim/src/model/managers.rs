//! Managers: whether a majority of them is there, and who leads.
//!
//! Raft as SwarmKit sets it up (`manager/state/raft`): a manager that hears no leader for a random number of ticks stands
//! for election, and is elected if a majority is there. A leader without a majority can write nothing, so here it steps
//! down at once (SwarmKit's notices within ten ticks). Without a manager in the scenario there is one that never fails.

use rand_chacha::rand_core::Rng;
use sched::Span;

use crate::engine::Queue;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::scenario::ManagersModel;

/// Something comes to pass among the managers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A manager stands for election, unless there is a leader by now.
    Campaign {
        /// Row of its node.
        node: u32,
        /// Which vacancy it is about.
        vacancy: u32,
    },
    /// A manager's engine is up, unless its machine lost power again.
    Back {
        /// Row of its node.
        node: u32,
        /// Its power cycle.
        cycle: u32,
    },
}

/// What the world must know or do, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// A majority is there from now on, or is not.
    Majority(bool),
    /// There is no leader any more.
    Vacant,
    /// This node leads.
    Elected(usize),
}

/// The managers of a run.
#[derive(Debug)]
pub struct Managers<'a> {
    model: &'a ManagersModel,
    members: Vec<Member>,
    seeds: Seeds,
    leader: Option<usize>,
    majority: bool,
    /// Counts the times without a leader.
    vacancy: u32,
    /// What changed since it was last drained.
    pub changes: Vec<Change>,
}

#[derive(Debug)]
struct Member {
    node: usize,
    entity: u64,
    up: bool,
    cycle: u32,
}

impl<'a> Managers<'a> {
    /// All managers (row and name of their nodes) are up, and the first leads.
    pub fn new<'n>(model: &'a ManagersModel, members: impl Iterator<Item = (usize, &'n str)>, seeds: Seeds) -> Self {
        let member = |(node, name)| Member { node, entity: entity(name), up: true, cycle: 0 };
        let members: Vec<Member> = members.map(member).collect();
        let leader = members.first().map(|it| it.node);
        Managers { model, members, seeds, leader, majority: true, vacancy: 0, changes: Vec::new() }
    }

    /// Whether somebody leads.
    pub fn lead(&self) -> bool {
        self.leader.is_some() || self.members.is_empty()
    }

    /// Whether a node is a member of Raft.
    pub fn is_member(&self, node: usize) -> bool {
        self.members.iter().any(|it| it.node == node)
    }

    /// A machine lost power, or its engine will be up after `boot`.
    pub fn power<E: From<Event>>(&mut self, queue: &mut Queue<E>, node: usize, up: bool, boot: impl FnOnce() -> Span) {
        let Some(it) = self.members.iter_mut().find(|it| it.node == node) else { return };
        it.cycle += 1;
        if up {
            queue.after(boot(), Event::Back { node: node as u32, cycle: it.cycle });
        } else if std::mem::replace(&mut it.up, false) {
            self.count(queue);
        }
    }

    /// One of the model's own events is due.
    pub fn handle<E: From<Event>>(&mut self, queue: &mut Queue<E>, event: Event) {
        match event {
            Event::Campaign { node, vacancy } => {
                let is_up = |it: &Member| it.node == node as usize && it.up;
                if self.vacancy == vacancy && self.leader.is_none() && self.members.iter().any(is_up) {
                    self.leader = Some(node as usize);
                    self.changes.push(Change::Elected(node as usize));
                }
            }
            Event::Back { node, cycle } => {
                let same = |it: &&mut Member| it.node == node as usize && it.cycle == cycle;
                if let Some(it) = self.members.iter_mut().find(same) {
                    it.up = true;
                    self.count(queue);
                }
            }
        }
    }

    /// A node becomes a manager, at once a member that is up.
    pub fn promote<E: From<Event>>(&mut self, queue: &mut Queue<E>, node: usize, name: &str, up: bool) {
        if !self.members.is_empty() && self.members.iter().all(|it| it.node != node) {
            self.members.push(Member { node, entity: entity(name), up, cycle: 0 });
            self.count(queue);
        }
    }

    /// A manager becomes a worker; if it led, another takes over at once. Refused if too few of the others were left.
    pub fn demote<E: From<Event>>(&mut self, queue: &mut Queue<E>, node: usize) -> Result<(), &'static str> {
        let Some(row) = self.members.iter().position(|it| it.node == node) else { return Ok(()) };
        if self.members.len() == 1 {
            return Err("attempting to demote the last manager of the swarm");
        }
        let others = || self.members.iter().filter(|it| it.node != node);
        // SwarmKit `CanRemoveMember`: a majority of those that remain must be reachable.
        if others().filter(|it| it.up).count() < (self.members.len() - 1) / 2 + 1 {
            return Err("can't remove member from the raft: this would result in a loss of quorum");
        }
        let heir = others().find(|it| it.up).map(|it| it.node);
        self.members.remove(row);
        if self.leader == Some(node) {
            self.leader = heir;
            self.changes.push(Change::Vacant);
            self.changes.extend(heir.map(Change::Elected));
        }
        self.count(queue);
        Ok(())
    }

    /// Looks whether there is a majority, and whether somebody leads it.
    fn count<E: From<Event>>(&mut self, queue: &mut Queue<E>) {
        let up = self.members.iter().filter(|it| it.up).count();
        let majority = up * 2 > self.members.len();
        if std::mem::replace(&mut self.majority, majority) != majority {
            self.changes.push(Change::Majority(majority));
        }
        let leads = |it: &Member| Some(it.node) == self.leader && it.up && majority;
        if self.leader.is_some() && !self.members.iter().any(leads) {
            self.leader = None;
            self.changes.push(Change::Vacant);
            self.vacancy += 1;
            if majority {
                self.campaign(queue);
            }
        } else if self.leader.is_none() {
            // Whoever stood for election before a majority was there, or lost his machine, stands again.
            self.vacancy += 1;
            if majority {
                self.campaign(queue);
            }
        }
    }

    fn campaign<E: From<Event>>(&mut self, queue: &mut Queue<E>) {
        let ticks = u64::from(self.model.election);
        for it in self.members.iter().filter(|it| it.up) {
            let mut rng = self.seeds.stream(Stream::Election, part(it.entity, u64::from(self.vacancy)));
            // etcd raft: uniform from `election` to twice as many, less one.
            let patience = ticks + rng.next_u64() % ticks;
            let after = Span::from_nanos(self.model.tick.as_nanos().saturating_mul(patience));
            queue.after(after, Event::Campaign { node: it.node as u32, vacancy: self.vacancy });
        }
    }
}

#[cfg(test)]
mod tests {
    use sched::Time;

    use super::*;

    fn drain(managers: &mut Managers<'_>, queue: &mut Queue<Event>, end: u64) -> Vec<(f64, Change)> {
        let mut log = Vec::new();
        let mut note = |managers: &mut Managers<'_>, now: Time| {
            log.extend(managers.changes.drain(..).map(|it| (now.as_secs_f64(), it)));
        };
        note(managers, queue.now());
        while let Some((now, event)) = queue.pop().filter(|it| it.0 <= Time::ZERO + Span::from_secs(end)) {
            managers.handle(queue, event);
            note(managers, now);
        }
        log
    }

    fn three(model: &ManagersModel) -> Managers<'_> {
        Managers::new(model, [(4, "a"), (7, "b"), (9, "c")].into_iter(), Seeds::of(1, 1))
    }

    #[test]
    fn another_leads_ten_to_nineteen_ticks_after_the_leader_is_lost() {
        let model = ManagersModel::default();
        let mut times = Vec::new();
        for replication in 0..2000 {
            let mut managers =
                Managers::new(&model, [(0, "a"), (1, "b"), (2, "c")].into_iter(), Seeds::of(1, replication));
            let mut queue = Queue::new();
            managers.power(&mut queue, 0, false, || Span::ZERO);
            let log = drain(&mut managers, &mut queue, 100);
            assert_eq!(log[0], (0.0, Change::Vacant));
            let (time, Change::Elected(1 | 2)) = log[1] else { panic!("{log:?}") };
            assert_eq!(log.len(), 2);
            times.push(time);
        }
        // The sooner of two draws from 10 to 19 ticks.
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        assert!((mean - 12.85).abs() < 0.2, "{mean}");
    }

    #[test]
    fn nobody_leads_without_a_majority() {
        let model = ManagersModel::default();
        let mut managers = three(&model);
        let mut queue = Queue::new();
        managers.power(&mut queue, 7, false, || Span::ZERO);
        assert!(managers.lead() && managers.changes.is_empty());
        managers.power(&mut queue, 9, false, || Span::ZERO);
        assert_eq!(drain(&mut managers, &mut queue, 100), [(0.0, Change::Majority(false)), (0.0, Change::Vacant)]);
        managers.power(&mut queue, 9, true, || Span::from_secs(30));
        let log = drain(&mut managers, &mut queue, 1000);
        assert_eq!(log[0].1, Change::Majority(true));
        assert!(matches!(log[1].1, Change::Elected(4 | 9)) && log[1].0 >= log[0].0 + 10.0, "{log:?}");
    }

    #[test]
    fn a_demoted_leader_hands_over_and_the_last_manager_stays() {
        let model = ManagersModel::default();
        let mut managers = three(&model);
        let mut queue: Queue<Event> = Queue::new();
        assert_eq!(managers.demote(&mut queue, 4), Ok(()));
        assert_eq!(std::mem::take(&mut managers.changes), [Change::Vacant, Change::Elected(7)]);
        managers.power(&mut queue, 9, false, || Span::ZERO);
        assert!(!managers.lead(), "two managers need both");
        let refused = managers.demote(&mut queue, 7).unwrap_err();
        assert_eq!(refused, "can't remove member from the raft: this would result in a loss of quorum");
        let mut alone = Managers::new(&model, [(0, "a")].into_iter(), Seeds::of(1, 1));
        assert!(alone.demote(&mut queue, 0).unwrap_err().contains("last manager"));
        alone.promote(&mut queue, 3, "d", true);
        assert_eq!(alone.demote(&mut queue, 0), Ok(()));
    }
}
