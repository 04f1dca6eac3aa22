//! Node autoscalers: machines are ordered when tasks find no room, and given back when they are hardly used.
//!
//! The rules are those of Kubernetes' cluster-autoscaler. It looks every few seconds. Tasks that have been waiting for
//! resources are put into empty machines, the largest first, each into the first with room (first-fit decreasing); machines
//! that are on their way count as empty. A machine whose reservations stay below a share, and whose tasks fit elsewhere, is
//! drained and removed in the end: all empty ones together, of others one at a time. Global tasks do not count.

use std::sync::Arc;

use sched::{Span, Time};

use crate::engine::law::Law;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::fact::{Context, Fact};

/// An autoscaler of a pool of nodes.
#[derive(Clone, PartialEq, Debug)]
pub struct ScalerPlan {
    /// The pool.
    pub pool: String,
    /// Rows of the nodes of the scenario: as many as there may be at most.
    pub nodes: Vec<usize>,
    /// So many of them, the first ones, are there at the start.
    pub present: usize,
    /// So many stay.
    pub min: usize,
    /// CPUs in 10^-9 and bytes of an empty node.
    pub room: (i64, i64),
    /// Time between looks.
    pub every: Span,
    /// Tasks count that have been waiting for resources for so long.
    pub pending_for: Span,
    /// From the order of a machine until it joins.
    pub provision: Law,
    /// Nodes of which a smaller share is reserved are hardly used.
    pub below: f64,
    /// Nodes are given back when they have hardly been used for this long.
    pub idle_for: Span,
}

/// Something comes to pass between an autoscaler and its machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScalerEvent {
    /// The autoscaler of a plan looks.
    Look(u32),
    /// A machine that was ordered boots its engine.
    Provisioned {
        /// Its plan.
        plan: u32,
        /// Row of the node.
        node: u32,
    },
}

/// CPUs in 10^-9 and bytes.
pub type Room = (i64, i64);

/// A node as the autoscaler sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Machine {
    /// Row of the node.
    pub node: usize,
    /// Whether it is ready and active.
    pub ready: bool,
    /// All that it has.
    pub capacity: Room,
    /// What nobody reserved.
    pub free: Room,
    /// Reservations of its tasks that would have to move.
    pub movable: Vec<Room>,
    /// Whether any task still lives there.
    pub occupied: bool,
}

/// All autoscalers of a run.
#[derive(Clone, Debug)]
pub struct Autoscalers {
    plans: Arc<[ScalerPlan]>,
    /// For each plan, its machines.
    machines: Vec<Vec<State>>,
    entities: Vec<u64>,
    orders: u64,
    seeds: Seeds,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Away,
    Coming,
    /// In the cluster; and since when it is hardly used, if it is.
    There(Option<Time>),
    Leaving,
}

impl Autoscalers {
    /// The machines that a plan has at the start are there.
    pub fn new(plans: &[ScalerPlan], seeds: Seeds) -> Self {
        let states = |plan: &ScalerPlan| {
            let state = |number| if number < plan.present { State::There(None) } else { State::Away };
            (0..plan.nodes.len()).map(state).collect()
        };
        let machines = plans.iter().map(states).collect();
        let entities = plans.iter().map(|plan| entity(&plan.pool)).collect();
        Autoscalers { plans: plans.into(), machines, entities, orders: 0, seeds }
    }

    /// Schedules the first look of every autoscaler.
    pub fn start<E: From<ScalerEvent>>(&mut self, cx: &mut Context<E>) {
        for (row, plan) in self.plans.iter().enumerate() {
            cx.after(plan.every, ScalerEvent::Look(row as u32));
        }
    }

    /// An autoscaler looks at the nodes of the cluster, in order of rows, and at the tasks that wait for resources which its
    /// machines could give them: what each wants, and since when.
    pub fn look<E: From<ScalerEvent>>(
        &mut self,
        cx: &mut Context<E>,
        row: usize,
        cluster: &[Machine],
        waiting: &[(Room, Time)],
    ) {
        let plans = Arc::clone(&self.plans);
        let (plan, now) = (&plans[row], cx.now());
        let seen =
            |node: usize| cluster.binary_search_by_key(&node, |machine| machine.node).ok().map(|place| &cluster[place]);
        let states = &mut self.machines[row];
        for (state, &node) in states.iter_mut().zip(&plan.nodes) {
            match (*state, seen(node)) {
                (State::Leaving, Some(machine)) if !machine.occupied => {
                    cx.tell(Fact::MachineEmpty(node));
                    *state = State::Away;
                }
                (State::Coming, Some(machine)) if machine.ready => *state = State::There(None),
                (State::Leaving | State::There(_), None) => *state = State::Away,
                _ => {}
            }
        }
        let old = |since: Time| plan.pending_for <= now.since(since);
        let mut wanted: Vec<Room> = waiting.iter().filter(|task| old(task.1)).map(|task| task.0).collect();
        wanted.retain(|room| fits(*room, plan.room));
        let coming = states.iter().filter(|state| **state == State::Coming).count();
        let more = machines_for(wanted, plan.room).saturating_sub(coming);
        let ordered: Vec<usize> = (0..states.len()).filter(|row| states[*row] == State::Away).take(more).collect();
        for number in ordered {
            states[number] = State::Coming;
            let node = plan.nodes[number];
            self.orders += 1;
            let chance = part(self.entities[row], self.orders);
            let takes = plan.provision.sample(&mut self.seeds.stream(Stream::Provision, chance));
            cx.after(takes, ScalerEvent::Provisioned { plan: row as u32, node: node as u32 });
            cx.tell(Fact::MachineOrdered(node));
        }
        self.give_back(cx, row, cluster, !waiting.is_empty());
        cx.after(plan.every, ScalerEvent::Look(row as u32));
    }

    /// Drains what has not been needed for long enough.
    fn give_back<E>(&mut self, cx: &mut Context<E>, row: usize, cluster: &[Machine], busy: bool) {
        let (plan, states) = (&self.plans[row], &mut self.machines[row]);
        let now = cx.now();
        let stays = |state: &State| matches!(state, State::There(_) | State::Coming);
        let mut left = states.iter().filter(|state| stays(state)).count();
        let busy = busy || states.contains(&State::Coming);
        let mut gone: Vec<usize> = Vec::new();
        let mut moved = false;
        for (number, &node) in plan.nodes.iter().enumerate() {
            let State::There(since) = states[number] else { continue };
            let machine = cluster.binary_search_by_key(&node, |machine| machine.node).ok().map(|place| &cluster[place]);
            let unneeded =
                machine.filter(|machine| !busy && machine.ready && is_unneeded(machine, plan.below, cluster, &gone));
            let Some(machine) = unneeded else {
                states[number] = State::There(None);
                continue;
            };
            let since = since.unwrap_or(now);
            states[number] = State::There(Some(since));
            let empty = machine.movable.is_empty();
            if plan.idle_for <= now.since(since) && plan.min < left && (empty || !moved) {
                moved |= !empty;
                left -= 1;
                gone.push(node);
                states[number] = State::Leaving;
                cx.tell(Fact::MachineUnneeded(node));
            }
        }
    }
}

fn fits(wants: Room, room: Room) -> bool {
    wants.0 <= room.0 && wants.1 <= room.1
}

/// Empty machines for these tasks, by first-fit decreasing.
fn machines_for(mut wanted: Vec<Room>, room: Room) -> usize {
    wanted.sort_unstable_by(|a, b| b.cmp(a));
    let mut bins: Vec<Room> = Vec::new();
    // Equal tasks do not fit where the one before did not.
    let (mut last, mut from) = (None, 0);
    for wants in wanted {
        if last != Some(wants) {
            (last, from) = (Some(wants), 0);
        }
        from += bins[from..].iter().take_while(|bin| !fits(wants, **bin)).count();
        if from == bins.len() {
            bins.push(room);
        }
        bins[from] = (bins[from].0 - wants.0, bins[from].1 - wants.1);
    }
    bins.len()
}

/// Whether little of a machine is reserved, and its tasks fit into what is free on others.
fn is_unneeded(machine: &Machine, below: f64, cluster: &[Machine], gone: &[usize]) -> bool {
    if machine.movable.is_empty() {
        return true;
    }
    let sum = machine.movable.iter().fold((0, 0), |sum: Room, task| (sum.0 + task.0, sum.1 + task.1));
    let share = |part: i64, whole: i64| if whole > 0 { part as f64 / whole as f64 } else { 0.0 };
    if share(sum.0, machine.capacity.0).max(share(sum.1, machine.capacity.1)) >= below {
        return false;
    }
    let others =
        cluster.iter().filter(|other| other.ready && other.node != machine.node && !gone.contains(&other.node));
    let mut room: Vec<Room> = others.map(|other| other.free).collect();
    let mut movable = machine.movable.clone();
    movable.sort_unstable_by(|a, b| b.cmp(a));
    movable.into_iter().all(|wants| match room.iter_mut().find(|room| fits(wants, **room)) {
        Some(free) => {
            *free = (free.0 - wants.0, free.1 - wants.1);
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> ScalerPlan {
        let secs = Span::from_secs;
        ScalerPlan {
            pool: "elastic".into(),
            nodes: vec![1, 2, 3, 4],
            present: 1,
            min: 1,
            room: (4, 100),
            every: secs(10),
            pending_for: secs(20),
            provision: Law::Fixed(secs(90)),
            below: 0.5,
            idle_for: secs(60),
        }
    }

    fn machine(node: usize, movable: &[i64]) -> Machine {
        let used: i64 = movable.iter().sum();
        let movable: Vec<Room> = movable.iter().map(|room| (*room, 1)).collect();
        let occupied = !movable.is_empty();
        Machine { node, ready: true, capacity: (4, 100), free: (4 - used, 90), movable, occupied }
    }

    #[test]
    fn as_many_machines_are_ordered_as_the_waiting_tasks_fill() {
        assert_eq!(machines_for(vec![(1, 1); 9], (4, 100)), 3);
        assert_eq!(machines_for(vec![(1, 40), (3, 60), (2, 30), (2, 10)], (4, 100)), 2);
        assert_eq!(machines_for(Vec::new(), (4, 100)), 0);
        let plans = [plan()];
        let mut scalers = Autoscalers::new(&plans, Seeds::of(1, 1));
        let mut cx: Context<ScalerEvent> = Context::new();
        scalers.start(&mut cx);
        let waiting: Vec<(Room, Time)> = vec![((3, 1), Time::ZERO), ((3, 1), Time::ZERO), ((9, 1), Time::ZERO)];
        let mut log = Vec::new();
        while let Some((now, event)) = cx.pop().filter(|next| next.0 < Time::ZERO + Span::from_secs(115)) {
            match event {
                ScalerEvent::Look(row) => scalers.look(&mut cx, row as usize, &[machine(1, &[4])], &waiting),
                ScalerEvent::Provisioned { node, .. } => cx.tell(Fact::MachineProvisioned(node as usize)),
            }
            log.extend(cx.take_facts().into_iter().map(|fact| (now.as_secs_f64(), fact)));
        }
        // They have waited for long enough at the second look; the third is too large for any machine.
        let ordered = [(20.0, Fact::MachineOrdered(2)), (20.0, Fact::MachineOrdered(3))];
        assert_eq!(
            log,
            [&ordered[..], &[(110.0, Fact::MachineProvisioned(2)), (110.0, Fact::MachineProvisioned(3))]].concat()
        );
    }

    /// What comes of the looks of so many seconds at the same cluster, in which three machines of the plan are.
    fn looks(cluster: &[Machine], seconds: u64) -> Vec<(f64, Fact)> {
        let plans = [ScalerPlan { present: 3, ..plan() }];
        let mut scalers = Autoscalers::new(&plans, Seeds::of(1, 1));
        let mut cx: Context<ScalerEvent> = Context::new();
        scalers.start(&mut cx);
        let mut log = Vec::new();
        while let Some((now, ScalerEvent::Look(row))) =
            cx.pop().filter(|next| next.0 <= Time::ZERO + Span::from_secs(seconds))
        {
            scalers.look(&mut cx, row as usize, cluster, &[]);
            log.extend(cx.take_facts().into_iter().map(|fact| (now.as_secs_f64(), fact)));
        }
        log
    }

    #[test]
    fn machines_that_are_hardly_used_are_drained_and_removed_down_to_the_fewest() {
        let cluster = [machine(1, &[3]), machine(2, &[]), machine(3, &[1])];
        let drained = [(70.0, Fact::MachineUnneeded(2)), (70.0, Fact::MachineUnneeded(3))];
        assert_eq!(looks(&cluster, 70), drained);
        assert_eq!(looks(&cluster, 80)[2], (80.0, Fact::MachineEmpty(2)), "something still lives on the other");
        let all = [machine(1, &[]), machine(2, &[]), machine(3, &[])];
        assert_eq!(looks(&all, 70).len(), 2, "one must stay");
    }

    #[test]
    fn a_machine_whose_tasks_would_find_no_place_stays() {
        let cluster = [machine(1, &[4]), machine(2, &[1]), machine(3, &[2, 2])];
        assert_eq!(looks(&cluster, 300), []);
        let cluster = [machine(1, &[1, 1, 1]), machine(2, &[1]), machine(3, &[1])];
        assert_eq!(looks(&cluster, 70).len(), 1, "one at a time");
    }
}
