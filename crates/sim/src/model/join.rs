//! Nodes that are not there at the start and join the swarm with a token.
//!
//! `docker swarm join` asks a manager for a certificate (SwarmKit `ca/server.go`, `IssueNodeCertificate`). The secret of
//! the token decides the role, and the leader must write the node's record: from then on the node is known, and unknown is
//! its state. When the agent has its certificate it registers, and the node is ready; a manager becomes a member of Raft
//! before that, for which it needs a leader too. A token that was rotated in between, or never was one, is refused.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;

use sched::spec::Role;
use sched::{Span, Time};

use super::managers::ManagersModel;
use crate::engine::law::Law;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::fact::{Context, Fact};
use crate::refusal::{ALREADY_IN_A_SWARM, BAD_TOKEN, NO_CLUSTER_LEADER};

/// Nodes of a pool that join the swarm during the run.
#[derive(Clone, PartialEq, Debug)]
pub struct JoinPlan {
    /// The pool.
    pub pool: String,
    /// Rows of the nodes of the scenario.
    pub nodes: Vec<usize>,
    /// So many of them, the first ones, are there at the start.
    pub present: usize,
    /// When the first comes by itself; `None` is when a script says so.
    pub at: Option<Time>,
    /// From one to the next.
    pub every: Law,
    /// The token that they have, which decides the role; `None` is not valid.
    pub token: Option<Role>,
    /// Whether they ask for the token when they come; otherwise they have that of the beginning.
    pub fresh: bool,
    /// Who is refused tries again after this, and again and again; a refusal in the same words is told once.
    pub retry: Option<Span>,
}

/// What a node has to show when it joins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JoinToken {
    /// Whose token, which decides the role; `None` is not valid.
    pub role: Option<Role>,
    /// Whether it is asked for when the node comes; otherwise it is that of the beginning.
    pub fresh: bool,
}

/// A call of a manager that nobody answers (SwarmKit `ca/certificates.go`).
const TIMEOUT: Span = Span::from_secs(5);
/// A new manager that finds no leader is started again and again (moby `daemon/cluster/noderunner.go`).
const RESTART: (Span, Span) = (Span::from_millis(100), Span::from_secs(30));

/// Something comes to pass on the way into the swarm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JoinEvent {
    /// The next node of a plan comes.
    Next(u32),
    /// A node asks for its certificate, unless it began anew.
    Ask {
        /// Row of the node.
        node: u32,
        /// Which attempt it is.
        attempt: u32,
    },
    /// A node has its certificate, unless it began anew.
    Certified {
        /// Row of the node.
        node: u32,
        /// Which attempt it was.
        attempt: u32,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Away,
    Asking,
    /// The manager has a record of it.
    There,
}

#[derive(Clone, Debug)]
struct Joiner {
    entity: u64,
    /// How it joins; one without a plan was there from the beginning, and joins again as a worker.
    plan: Option<usize>,
    /// The token that somebody gave it for this join, instead of that of the plan.
    token: Option<JoinToken>,
    state: State,
    /// Whether its machine is up.
    awake: bool,
    attempt: u32,
    /// How long a manager waits until it is started again.
    restart: Span,
    /// What it attempts until something changes.
    attempts: Option<Attempts>,
}

/// The same attempt again and again, of which nothing comes as long as nothing changes. So only the first one after a
/// change is an event.
#[derive(Clone, Copy, Debug)]
struct Attempts {
    event: JoinEvent,
    next: Time,
    /// From that one to the one after it; each pause is twice the one before, up to the longest.
    pause: Span,
    longest: Span,
}

impl Attempts {
    /// Leaves out the attempts before a time.
    fn skip_to(&mut self, now: Time) {
        while self.next < now && self.pause < self.longest {
            self.next += self.pause;
            self.pause = doubled(self.pause, self.longest);
        }
        if self.next < now {
            let missed = now.since(self.next).as_nanos().div_ceil(self.pause.as_nanos());
            self.next += Span::from_nanos(missed * self.pause.as_nanos());
        }
    }
}

/// The pause after this one.
fn doubled(pause: Span, longest: Span) -> Span {
    longest.min(Span::from_nanos(pause.as_nanos() * 2))
}

/// All who join.
#[derive(Clone, Debug)]
pub struct Joins {
    model: ManagersModel,
    plans: Arc<[JoinPlan]>,
    nodes: Vec<Joiner>,
    /// For each plan, how many of its nodes came by themselves, and its chance.
    came: Vec<(usize, ChaCha8Rng)>,
    /// How often the tokens of workers and managers were rotated.
    rotations: [u32; 2],
    seeds: Seeds,
}

impl Joins {
    /// The nodes of the plans are away, all others (by name) are there.
    pub fn new<'n>(
        model: &ManagersModel,
        plans: &[JoinPlan],
        names: impl Iterator<Item = &'n str>,
        seeds: Seeds,
    ) -> Self {
        let node = |name| Joiner {
            entity: entity(name),
            plan: None,
            token: None,
            state: State::There,
            awake: true,
            attempt: 0,
            restart: RESTART.0,
            attempts: None,
        };
        let mut nodes: Vec<Joiner> = names.map(node).collect();
        for (row, plan) in plans.iter().enumerate() {
            for node in &plan.nodes[plan.present..] {
                nodes[*node].state = State::Away;
            }
            plan.nodes.iter().for_each(|node| nodes[*node].plan = Some(row));
        }
        let came =
            plans.iter().map(|plan| (plan.present, seeds.stream(Stream::Join, part(entity(&plan.pool), 1)))).collect();
        Joins { model: model.clone(), plans: plans.into(), nodes, came, rotations: [0; 2], seeds }
    }

    /// Schedules the first node of every plan that has a time.
    pub fn start<E: From<JoinEvent>>(&mut self, cx: &mut Context<E>) {
        for (row, plan) in self.plans.iter().enumerate() {
            if let Some(at) = plan.at {
                cx.at(at, JoinEvent::Next(row as u32));
            }
        }
    }

    /// Whether the manager has a record of a node.
    pub fn is_there(&self, node: usize) -> bool {
        self.nodes[node].state == State::There
    }

    /// `docker swarm init` on a node that is away: it has a record at once, and registers when its certificate is there.
    pub fn init<E: From<JoinEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        let joiner = &mut self.nodes[node];
        joiner.token = Some(JoinToken { role: Some(Role::Manager), fresh: true });
        joiner.attempt += 1;
        self.create(cx, node);
    }

    /// Whether a node is on its way into the swarm.
    pub fn is_asking(&self, node: usize) -> bool {
        self.nodes[node].state == State::Asking
    }

    /// A node gives up what it began. Says whether it was on its way into the swarm.
    pub fn give_up(&mut self, node: usize) -> bool {
        let node = &mut self.nodes[node];
        node.attempt += 1;
        node.attempts = None;
        let was_asking = node.state == State::Asking;
        if was_asking {
            node.state = State::Away;
        }
        was_asking
    }

    /// `docker swarm join` on a node, by a token or by its plan.
    pub fn begin<E: From<JoinEvent>>(&mut self, cx: &mut Context<E>, node: usize, token: Option<JoinToken>) {
        let joiner = &mut self.nodes[node];
        match joiner.state {
            State::There => cx.tell(Fact::JoinRefused(node, ALREADY_IN_A_SWARM)),
            State::Asking => {}
            State::Away => {
                joiner.state = State::Asking;
                joiner.token = token;
                joiner.attempt += 1;
                cx.after(Span::ZERO, JoinEvent::Ask { node: node as u32, attempt: joiner.attempt });
            }
        }
    }

    /// `docker swarm join-token --rotate`.
    pub fn rotate(&mut self, role: Role) {
        self.rotations[usize::from(role == Role::Manager)] += 1;
    }

    /// A node was removed: it may join again.
    pub fn removed(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        (node.state, node.attempts) = (State::Away, None);
        node.attempt += 1;
    }

    /// A machine lost power.
    pub fn asleep(&mut self, node: usize) {
        self.nodes[node].awake = false;
    }

    /// The engine of a machine is up.
    pub fn awake<E: From<JoinEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        self.nodes[node].awake = true;
        self.linked(cx, node);
    }

    /// There is a leader again.
    pub fn led<E: From<JoinEvent>>(&mut self, cx: &mut Context<E>) {
        (0..self.nodes.len()).for_each(|node| self.linked(cx, node));
    }

    /// The network of a node is whole again.
    pub fn linked<E: From<JoinEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        if let Some(mut attempts) = self.nodes[node].attempts.take() {
            attempts.skip_to(cx.now());
            cx.at(attempts.next, attempts.event);
            if matches!(attempts.event, JoinEvent::Certified { .. }) && RESTART.1 == attempts.longest {
                self.nodes[node].restart = attempts.pause;
            }
        }
    }

    /// One of the model's own events is due. `lead` says whether there is a leader, `linked` whether the network of a node
    /// is intact.
    pub fn handle<E: From<JoinEvent>>(
        &mut self,
        cx: &mut Context<E>,
        event: JoinEvent,
        lead: bool,
        linked: impl Fn(usize) -> bool,
    ) {
        match event {
            JoinEvent::Next(row) => self.next(cx, row as usize),
            JoinEvent::Ask { node, attempt } => {
                let row = node as usize;
                if self.nodes[row].attempt != attempt || self.nodes[row].state != State::Asking {
                    return;
                }
                if !self.nodes[row].awake || !linked(row) {
                    return self.try_again(event, row, cx.now() + TIMEOUT, TIMEOUT, TIMEOUT);
                }
                self.ask(cx, row, lead);
            }
            JoinEvent::Certified { node, attempt } => {
                let row = node as usize;
                if self.nodes[row].attempt != attempt {
                    return;
                }
                if !self.nodes[row].awake || !linked(row) {
                    return self.try_again(event, row, cx.now() + TIMEOUT, TIMEOUT, TIMEOUT);
                }
                if self.role(row) == Role::Manager {
                    if !lead {
                        let restart = self.nodes[row].restart;
                        let pause = doubled(restart, RESTART.1);
                        return self.try_again(event, row, cx.now() + restart, pause, RESTART.1);
                    }
                    cx.tell(Fact::ManagerJoined(row));
                }
                cx.tell(Fact::NodeCertified(row));
            }
        }
    }

    fn try_again(&mut self, event: JoinEvent, row: usize, next: Time, pause: Span, longest: Span) {
        self.nodes[row].attempts = Some(Attempts { event, next, pause, longest });
    }

    fn next<E: From<JoinEvent>>(&mut self, cx: &mut Context<E>, row: usize) {
        let plan = &self.plans[row];
        let (came, rng) = &mut self.came[row];
        let Some(&node) = plan.nodes.get(*came) else { return };
        *came += 1;
        if *came < plan.nodes.len() {
            cx.after(plan.every.sample(rng), JoinEvent::Next(row as u32));
        }
        // A script may have let it join before.
        if self.nodes[node].state == State::Away {
            self.begin(cx, node, None);
        }
    }

    fn ask<E: From<JoinEvent>>(&mut self, cx: &mut Context<E>, row: usize, lead: bool) {
        let joiner = &mut self.nodes[row];
        let plan = joiner.plan.map(|plan| &self.plans[plan]);
        let of_plan = plan.map(|plan| JoinToken { role: plan.token, fresh: plan.fresh });
        let token = joiner.token.or(of_plan).unwrap_or(JoinToken { role: Some(Role::Worker), fresh: true });
        let rotated = self.rotations[usize::from(token.role == Some(Role::Manager))] > 0;
        let valid = token.role.is_some() && (token.fresh || !rotated);
        let refusal = if !lead { Some(NO_CLUSTER_LEADER) } else { (!valid).then_some(BAD_TOKEN) };
        if let Some(refusal) = refusal {
            cx.tell(Fact::JoinRefused(row, refusal));
            // The same refusal over and over again is told once: no token becomes valid again.
            match plan.and_then(|plan| plan.retry) {
                Some(retry) => {
                    let event = JoinEvent::Ask { node: row as u32, attempt: joiner.attempt };
                    self.try_again(event, row, cx.now() + retry, retry, retry);
                }
                None => joiner.state = State::Away,
            }
            return;
        }
        self.create(cx, row);
    }

    /// The leader writes the record of a node, which has its certificate in a while.
    fn create<E: From<JoinEvent>>(&mut self, cx: &mut Context<E>, row: usize) {
        let joiner = &mut self.nodes[row];
        (joiner.state, joiner.restart) = (State::There, RESTART.0);
        cx.tell(Fact::NodeCreated(row));
        let mut rng = self.seeds.stream(Stream::Join, part(part(joiner.entity, 0), u64::from(joiner.attempt)));
        cx.after(
            self.model.certificate.sample(&mut rng),
            JoinEvent::Certified { node: row as u32, attempt: joiner.attempt },
        );
    }

    /// What the token of a node makes of it; one that was there before joins again as a worker.
    pub fn role(&self, node: usize) -> Role {
        let joiner = &self.nodes[node];
        let of_plan = joiner.plan.and_then(|plan| self.plans[plan].token);
        joiner.token.map_or(of_plan, |token| token.role).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(nodes: &[usize], token: Option<Role>) -> JoinPlan {
        JoinPlan {
            pool: "late".into(),
            nodes: nodes.to_vec(),
            present: 0,
            at: None,
            every: Law::Fixed(Span::ZERO),
            token,
            fresh: false,
            retry: None,
        }
    }

    fn model() -> ManagersModel {
        ManagersModel { certificate: Law::Fixed(Span::from_secs(2)), ..ManagersModel::default() }
    }

    const NAMES: [&str; 3] = ["a", "b", "c"];

    fn at(secs: u64) -> Time {
        Time::ZERO + Span::from_secs(secs)
    }

    /// Lets everything happen until `end`; there is a leader from `lead` on.
    fn run(joins: &mut Joins, cx: &mut Context<JoinEvent>, end: u64, lead: u64) -> Vec<(f64, Fact)> {
        let mut log = Vec::new();
        let now = cx.now();
        log.extend(cx.take_facts().into_iter().map(|fact| (now.as_secs_f64(), fact)));
        while let Some((now, event)) = cx.pop().filter(|next| next.0 <= at(end)) {
            joins.handle(cx, event, at(lead) <= now, |_| true);
            log.extend(cx.take_facts().into_iter().map(|fact| (now.as_secs_f64(), fact)));
        }
        log
    }

    #[test]
    fn a_worker_is_known_at_once_and_ready_with_its_certificate() {
        let (model, plans) = (model(), [JoinPlan { at: Some(Time::ZERO), ..plan(&[2], Some(Role::Worker)) }]);
        let mut joins = Joins::new(&model, &plans, NAMES.into_iter(), Seeds::of(1, 1));
        let mut cx = Context::new();
        assert!(joins.is_there(1) && !joins.is_there(2));
        joins.start(&mut cx);
        let log = run(&mut joins, &mut cx, 100, 0);
        assert_eq!(log, [(0.0, Fact::NodeCreated(2)), (2.0, Fact::NodeCertified(2))]);
        joins.begin(&mut cx, 2, None);
        assert_eq!(cx.take_facts(), [Fact::JoinRefused(2, ALREADY_IN_A_SWARM)]);
    }

    #[test]
    fn nodes_of_a_plan_come_one_after_the_other() {
        let every = Law::Fixed(Span::from_secs(10));
        let (model, plans) = (model(), [JoinPlan { at: Some(Time::ZERO), every, ..plan(&[2, 0], Some(Role::Worker)) }]);
        let mut joins = Joins::new(&model, &plans, NAMES.into_iter(), Seeds::of(1, 1));
        let mut cx = Context::new();
        joins.start(&mut cx);
        let created: Vec<(f64, Fact)> = run(&mut joins, &mut cx, 100, 0);
        assert_eq!(
            [created[0].clone(), created[2].clone()],
            [(0.0, Fact::NodeCreated(2)), (10.0, Fact::NodeCreated(0))]
        );
    }

    #[test]
    fn a_token_that_was_rotated_or_never_was_one_is_refused() {
        let fresh = JoinPlan { fresh: true, ..plan(&[1], Some(Role::Worker)) };
        let (model, plans) = (model(), [plan(&[0], Some(Role::Worker)), fresh, plan(&[2], None)]);
        let mut joins = Joins::new(&model, &plans, NAMES.into_iter(), Seeds::of(1, 1));
        let mut cx = Context::new();
        joins.rotate(Role::Worker);
        (0..3).for_each(|node| joins.begin(&mut cx, node, None));
        let log = run(&mut joins, &mut cx, 100, 0);
        assert_eq!(
            log[..3],
            [
                (0.0, Fact::JoinRefused(0, BAD_TOKEN)),
                (0.0, Fact::NodeCreated(1)),
                (0.0, Fact::JoinRefused(2, BAD_TOKEN))
            ]
        );
        // The token of managers is another one.
        joins.rotate(Role::Manager);
        joins.removed(1);
        joins.begin(&mut cx, 1, None);
        assert_eq!(run(&mut joins, &mut cx, 200, 0)[0].1, Fact::NodeCreated(1));
    }

    #[test]
    fn without_a_leader_nobody_joins_and_who_tries_again_does_later() {
        let retry = Some(Span::from_secs(30));
        let plans = [plan(&[0], Some(Role::Worker)), JoinPlan { retry, ..plan(&[1], Some(Role::Manager)) }];
        let model = model();
        let mut joins = Joins::new(&model, &plans, NAMES.into_iter(), Seeds::of(1, 1));
        let mut cx = Context::new();
        (0..2).for_each(|node| joins.begin(&mut cx, node, None));
        let (count, log) = events(&mut joins, &mut cx, at(1_000_000_010), false);
        assert_eq!(log, [0, 1].map(|node| (0.0, Fact::JoinRefused(node, NO_CLUSTER_LEADER))));
        assert_eq!(count, 2, "who is refused in the same words asks without an event");
        joins.led(&mut cx);
        let (_, log) = events(&mut joins, &mut cx, at(1_000_000_100), true);
        let joined = [(20.0, Fact::NodeCreated(1)), (22.0, Fact::ManagerJoined(1)), (22.0, Fact::NodeCertified(1))];
        assert_eq!(log, joined.map(|(secs, fact)| (1_000_000_000.0 + secs, fact)));
    }

    /// Lets the events up to a time happen and says how many there were, and what came of them.
    fn events(joins: &mut Joins, cx: &mut Context<JoinEvent>, end: Time, leads: bool) -> (usize, Vec<(f64, Fact)>) {
        let (mut count, mut log) = (0, Vec::new());
        let last = JoinEvent::Ask { node: 0, attempt: u32::MAX };
        cx.at(end, last);
        while let Some((now, event)) = cx.pop().filter(|next| next.1 != last) {
            count += 1;
            joins.handle(cx, event, leads, |_| true);
            log.extend(cx.take_facts().into_iter().map(|fact| (now.as_secs_f64(), fact)));
        }
        (count, log)
    }

    #[test]
    fn a_machine_without_power_asks_when_it_is_up_and_not_before() {
        let (model, plans) = (model(), [plan(&[0], Some(Role::Worker))]);
        let mut joins = Joins::new(&model, &plans, NAMES.into_iter(), Seeds::of(1, 1));
        let mut cx = Context::new();
        joins.asleep(0);
        joins.begin(&mut cx, 0, None);
        let century = 3_155_760_000;
        assert_eq!(events(&mut joins, &mut cx, at(century + 2), true).0, 1, "it asks once, however long it takes");
        joins.awake(&mut cx, 0);
        let (count, log) = events(&mut joins, &mut cx, at(century + 10), true);
        assert_eq!(log[0], (century as f64 + 5.0, Fact::NodeCreated(0)), "it is asked for every five seconds");
        assert_eq!((count, log.len()), (2, 2));
    }

    #[test]
    fn a_manager_without_a_leader_is_started_again_when_it_would_have_been() {
        let (model, plans) = (model(), [plan(&[0], Some(Role::Manager))]);
        for (leader, joined) in [(2, 2), (4, 5), (40, 53), (3_000_000_000, 3_000_000_023_u64)] {
            let mut joins = Joins::new(&model, &plans, NAMES.into_iter(), Seeds::of(1, 1));
            let mut cx = Context::new();
            joins.begin(&mut cx, 0, None);
            let (_, log) = events(&mut joins, &mut cx, at(0), true);
            assert_eq!(log, [(0.0, Fact::NodeCreated(0))]);
            assert!(events(&mut joins, &mut cx, at(leader), false).0 <= 1);
            joins.led(&mut cx);
            let (_, log) = events(&mut joins, &mut cx, at(leader + 60), true);
            assert_eq!((log[0].0.floor(), &log[0].1), (joined as f64, &Fact::ManagerJoined(0)), "{leader}");
        }
    }
}
