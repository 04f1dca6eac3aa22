//! Requests: what users ask of services through the mesh, how long they wait, and which of them fail.
//!
//! An open model: requests come whether they are answered or not. Each enters at a node chosen by chance, whose IPVS hands
//! it to the next endpoint that it has in its table (round robin). A replica answers one after the other. The tables lag
//! behind the truth: an endpoint is entered and taken out some time after it began or ceased to serve, by a law for all
//! nodes or when gossip reaches each of them, and one that is lost without a word stays in them until its node is suspected.
//! Who is sent there, or to a node that cannot be reached, gets no answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use sched::{Span, Time};

use super::workload::{ArrivalProcess, Clock};
use crate::engine::chance::below;
use crate::engine::law::Law;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::fact::{Context, Fact, TaskNo};

/// Requests to a service through the mesh.
#[derive(Clone, PartialEq, Debug)]
pub struct RequestPlan {
    /// The service's name.
    pub name: String,
    /// Row of the service in the scenario.
    pub service: usize,
    /// When they come.
    pub process: ArrivalProcess,
    /// How long a replica takes for one.
    pub takes: Law,
    /// How long the mesh takes to learn that an endpoint came or went.
    pub spread: Law,
    /// How long it takes to suspect a node that is lost.
    pub suspicion: Span,
    /// Who scales the service to its load.
    pub autoscale: Option<Autoscale>,
}

/// An autoscaler of a service (the rule of Kubernetes' horizontal pod autoscaler).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Autoscale {
    /// Share of its time that a replica shall be busy.
    pub target: f64,
    /// Fewest and most replicas.
    pub min: u64,
    /// Most replicas.
    pub max: u64,
    /// Time between looks.
    pub every: Span,
    /// No change while load by target is within 1 ± band.
    pub band: f64,
    /// Fewer replicas only if no more were wanted for so long.
    pub down_after: Span,
}

/// Something comes to pass on the way of the requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestEvent {
    /// The next request of a plan.
    Request(u32),
    /// The autoscaler of a plan looks.
    Look(u32),
}

/// What requests must know of the network.
pub trait Network {
    /// Where a request enters that would enter at a node; `None`: nowhere.
    fn entry(&self, node: usize) -> Option<usize>;
    /// Since when two nodes do not reach each other, if they do not.
    fn apart(&self, one: usize, other: usize) -> Option<Time>;
}

/// All requests of a run.
#[derive(Clone, Debug)]
pub struct Requests {
    plans: Arc<[RequestPlan]>,
    loads: Vec<Load>,
    /// Where the endpoint of a task is.
    places: BTreeMap<TaskNo, (usize, usize)>,
    /// Rows of the nodes at which they enter.
    entries: Vec<usize>,
    /// Whether nodes learn of endpoints by gossip, one after the other.
    gossips: bool,
    seeds: Seeds,
}

#[derive(Clone, Debug)]
struct Load {
    clock: Clock,
    rng: ChaCha8Rng,
    endpoints: Vec<Endpoint>,
    /// For each node, the endpoint after the last that it chose.
    next: Vec<usize>,
    /// Work that came since the autoscaler looked last, in seconds.
    work: f64,
    /// What it wanted when it looked, for the time that a scale-down waits.
    wanted: VecDeque<(Time, u64)>,
}

#[derive(Clone, Debug)]
struct Endpoint {
    task: TaskNo,
    node: usize,
    serves: bool,
    /// Whether it was taken out of service before it ended.
    left: bool,
    /// From when until when it is in the tables.
    from: Time,
    until: Time,
    /// With gossip: for each node, whether it heard that it serves, and that it does not any more.
    heard: Vec<[bool; 2]>,
    /// When it has answered all that it has, and what that is: when each came and will be answered.
    free: Time,
    queue: VecDeque<(Time, Time)>,
}

impl Requests {
    /// Nobody asks yet. The chance of a plan belongs to the name of its service.
    pub fn new(plans: &[RequestPlan], nodes: usize, gossips: bool, seeds: Seeds) -> Self {
        let load = |plan: &RequestPlan| {
            let entity = entity(&plan.name);
            Load {
                clock: Clock::new(seeds, part(entity, 3), Time::ZERO),
                rng: seeds.stream(Stream::Request, part(entity, 0)),
                endpoints: Vec::new(),
                next: vec![0; nodes],
                work: 0.0,
                wanted: VecDeque::new(),
            }
        };
        let loads = plans.iter().map(load).collect();
        Requests { plans: plans.into(), loads, places: BTreeMap::new(), entries: (0..nodes).collect(), gossips, seeds }
    }

    /// Schedules the first request of every plan, and the first look of every autoscaler.
    pub fn start<E: From<RequestEvent>>(&mut self, cx: &mut Context<E>) {
        for row in 0..self.plans.len() {
            self.schedule(cx, row);
            if let Some(scaler) = &self.plans[row].autoscale {
                cx.after(scaler.every, RequestEvent::Look(row as u32));
            }
        }
    }

    /// One of the model's own events is due. An autoscaler that looks must know how many replicas its service wants.
    pub fn handle<E: From<RequestEvent>>(
        &mut self,
        cx: &mut Context<E>,
        event: RequestEvent,
        replicas: u64,
        network: &impl Network,
    ) {
        match event {
            RequestEvent::Request(row) => {
                self.request(cx, row as usize, network);
                self.loads[row as usize].clock.came();
                self.schedule(cx, row as usize);
            }
            RequestEvent::Look(row) => {
                let row = row as usize;
                self.look(cx, row, replicas);
                if let Some(scaler) = &self.plans[row].autoscale {
                    cx.after(scaler.every, RequestEvent::Look(row as u32));
                }
            }
        }
    }

    /// A node is in the cluster from now on, or is not.
    pub fn member(&mut self, node: usize, there: bool) {
        match (self.entries.binary_search(&node), there) {
            (Err(place), true) => self.entries.insert(place, node),
            (Ok(place), false) => drop(self.entries.remove(place)),
            _ => {}
        }
    }

    /// A task of the service of a plan serves.
    pub fn started(&mut self, now: Time, plan: usize, task: TaskNo, node: usize) {
        let from = if self.gossips { now } else { now + self.lag(plan, task, 0) };
        let load = &mut self.loads[plan];
        // Those that nobody sends anything to any more are forgotten.
        if load.endpoints.iter().filter(|endpoint| endpoint.until < now).count() > load.endpoints.len() / 2 {
            load.endpoints
                .iter()
                .filter(|endpoint| endpoint.until < now)
                .for_each(|endpoint| _ = self.places.remove(&endpoint.task));
            load.endpoints.retain(|endpoint| now <= endpoint.until);
            for (place, endpoint) in load.endpoints.iter().enumerate() {
                self.places.insert(endpoint.task, (plan, place));
            }
        }
        self.places.insert(task, (plan, load.endpoints.len()));
        let queue = VecDeque::new();
        let heard = vec![[false; 2]; if self.gossips { load.next.len() } else { 0 }];
        load.endpoints.push(Endpoint {
            task,
            node,
            serves: true,
            left: false,
            from,
            until: Time::MAX,
            heard,
            free: now,
            queue,
        });
    }

    /// A task is taken out of service, politely.
    pub fn leaving(&mut self, now: Time, task: TaskNo) {
        let Some(&(plan, place)) = self.places.get(&task) else { return };
        let until = if self.gossips { Time::MAX } else { now + self.lag(plan, task, 1) };
        let endpoint = &mut self.loads[plan].endpoints[place];
        endpoint.left = true;
        endpoint.until = endpoint.until.min(until);
    }

    /// A task does not serve any more; `lost` says whether its machine went with it, so that nobody takes it out of the
    /// tables. Says whether that is news to the nodes.
    pub fn ended<E>(&mut self, cx: &mut Context<E>, task: TaskNo, lost: bool) -> bool {
        let now = cx.now();
        let Some(&(plan, place)) = self.places.get(&task) else { return false };
        let until = match lost {
            true => now + self.plans[plan].suspicion,
            false if self.gossips => Time::MAX,
            false => now + self.lag(plan, task, 1),
        };
        let endpoint = &mut self.loads[plan].endpoints[place];
        endpoint.until = endpoint.until.min(until);
        endpoint.serves = false;
        for (came, answered) in endpoint.queue.drain(..) {
            cx.tell(if answered <= now { Fact::RequestServed(answered - came) } else { Fact::RequestFailed });
        }
        !lost && !endpoint.left
    }

    /// A node hears by gossip that a task serves, or does not any more.
    pub fn heard(&mut self, now: Time, task: TaskNo, serves: bool, node: usize) {
        let Some(&(plan, place)) = self.places.get(&task).filter(|_| self.gossips) else { return };
        let endpoint = &mut self.loads[plan].endpoints[place];
        endpoint.heard[node][usize::from(!serves)] = true;
        if !serves && endpoint.heard.iter().all(|heard| heard[1]) {
            endpoint.until = endpoint.until.min(now);
        }
    }

    /// Everything that is answered by now is told.
    pub fn settle<E>(&mut self, cx: &mut Context<E>) {
        for endpoint in self.loads.iter_mut().flat_map(|load| &mut load.endpoints) {
            endpoint.answer(cx);
        }
    }

    fn lag(&self, plan: usize, task: TaskNo, turn: u64) -> Span {
        let chance = part(part(entity(&self.plans[plan].name), 1), u64::from(task.0) << 1 | turn);
        self.plans[plan].spread.sample(&mut self.seeds.stream(Stream::Request, chance))
    }

    fn schedule<E: From<RequestEvent>>(&mut self, cx: &mut Context<E>, row: usize) {
        let now = cx.now();
        if let Some(next) = self.loads[row].clock.next(&self.plans[row].process, now).filter(|at| *at < Time::MAX) {
            cx.at(next, RequestEvent::Request(row as u32));
        }
    }

    fn request<E>(&mut self, cx: &mut Context<E>, row: usize, network: &impl Network) {
        let now = cx.now();
        let suspicion = self.plans[row].suspicion;
        let load = &mut self.loads[row];
        let takes = self.plans[row].takes.sample(&mut load.rng);
        load.work += takes.as_secs_f64();
        let entry = self.entries.get(below(&mut load.rng, self.entries.len() as u64) as usize);
        let Some(node) = entry.and_then(|node| network.entry(*node)) else {
            return cx.tell(Fact::RequestFailed);
        };
        let (count, begin) = (load.endpoints.len(), load.next[node]);
        let listed = |place: &usize| {
            let endpoint = &load.endpoints[*place];
            let is_known = endpoint.heard.get(node).is_none_or(|heard| heard[0] && !heard[1]);
            let is_suspect = network.apart(node, endpoint.node).is_some_and(|since| since + suspicion <= now);
            is_known && endpoint.from <= now && now < endpoint.until && !is_suspect
        };
        let Some(place) = (begin..begin + count).map(|place| place % count).find(listed) else {
            return cx.tell(Fact::RequestFailed);
        };
        load.next[node] = place + 1;
        let endpoint = &mut load.endpoints[place];
        if !endpoint.serves || network.apart(node, endpoint.node).is_some() {
            return cx.tell(Fact::RequestFailed);
        }
        endpoint.answer(cx);
        endpoint.free = endpoint.free.max(now) + takes;
        endpoint.queue.push_back((now, endpoint.free));
    }

    /// The rule of Kubernetes' horizontal autoscaler: as many replicas as make the load of each what it shall be, unless it
    /// is nearly so; fewer only if nothing else was wanted for some time.
    fn look<E>(&mut self, cx: &mut Context<E>, row: usize, replicas: u64) {
        let now = cx.now();
        let Some(scaler) = &self.plans[row].autoscale else { return };
        let load = &mut self.loads[row];
        let capacity = scaler.every.as_secs_f64() * replicas.max(1) as f64;
        let ratio = std::mem::take(&mut load.work) / capacity / scaler.target;
        let exact = if (ratio - 1.0).abs() <= scaler.band { replicas } else { (replicas as f64 * ratio).ceil() as u64 };
        let wanted = exact.clamp(scaler.min, scaler.max);
        load.wanted.push_back((now, wanted));
        while load.wanted.front().is_some_and(|entry| entry.0 + scaler.down_after < now) {
            load.wanted.pop_front();
        }
        let wanted = load.wanted.iter().map(|entry| entry.1).max().unwrap_or(wanted).min(wanted.max(replicas));
        if wanted != replicas {
            cx.tell(Fact::ReplicasWanted { plan: row as u32, replicas: wanted });
        }
    }
}

impl Endpoint {
    fn answer<E>(&mut self, cx: &mut Context<E>) {
        let now = cx.now();
        while let Some((came, answered)) = self.queue.front().copied().filter(|next| next.1 <= now) {
            cx.tell(Fact::RequestServed(answered - came));
            self.queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::workload::Listed;

    fn plan(every: u64, takes: u64) -> RequestPlan {
        let fixed = |millis| Law::Fixed(Span::from_millis(millis));
        RequestPlan {
            name: "web".into(),
            service: 0,
            process: ArrivalProcess::Renewal(fixed(every)),
            takes: fixed(takes),
            spread: fixed(0),
            suspicion: Span::from_secs(5),
            autoscale: None,
        }
    }

    struct Whole;

    impl Network for Whole {
        fn entry(&self, node: usize) -> Option<usize> {
            Some(node)
        }

        fn apart(&self, _: usize, _: usize) -> Option<Time> {
            None
        }
    }

    /// Nodes 0 and 1 have been apart for ever.
    struct Split;

    impl Network for Split {
        fn entry(&self, node: usize) -> Option<usize> {
            Some(node)
        }

        fn apart(&self, one: usize, other: usize) -> Option<Time> {
            (one != other).then_some(Time::ZERO)
        }
    }

    /// What comes of something that is done at a time.
    fn facts_at(time: Time, act: impl FnOnce(&mut Context<RequestEvent>)) -> Vec<Fact> {
        let mut cx = Context::new();
        cx.at(time, RequestEvent::Look(u32::MAX));
        cx.pop();
        act(&mut cx);
        cx.take_facts()
    }

    /// How many of forty or more requests, one every 100 ms from a time on, fail.
    fn failed_of(requests: &mut Requests, from: Time, numbers: std::ops::Range<u64>, network: &impl Network) -> usize {
        let mut facts = Vec::new();
        for number in numbers {
            let at = from + Span::from_millis(number * 100);
            facts.extend(facts_at(at, |cx| requests.request(cx, 0, network)));
        }
        facts.extend(facts_at(Time::ZERO + Span::from_secs(1000), |cx| requests.settle(cx)));
        facts.into_iter().filter(|fact| *fact == Fact::RequestFailed).count()
    }

    #[test]
    fn across_a_split_requests_are_lost_until_the_other_side_is_suspected() {
        let plans = [plan(100, 10)];
        let mut requests = Requests::new(&plans, 2, false, Seeds::of(1, 1));
        (0..2).for_each(|task| requests.started(Time::ZERO, 0, TaskNo(task), task as usize));
        let mut count = |from, to| failed_of(&mut requests, Time::ZERO, from..to, &Split);
        assert!((20..=30).contains(&count(0, 50)), "each node's turns go half to the other side");
        assert_eq!(count(50, 200), 0);
    }

    #[test]
    fn with_gossip_each_node_knows_when_it_hears() {
        let plans = [plan(100, 10)];
        let mut requests = Requests::new(&plans, 2, true, Seeds::of(1, 1));
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        requests.started(at(0), 0, TaskNo(0), 0);
        let failed = |requests: &mut Requests, from| failed_of(requests, at(from), 0..40, &Whole);
        requests.heard(at(0), TaskNo(0), true, 0);
        assert!((10..=30).contains(&failed(&mut requests, 1)), "who enters at the other node finds nobody");
        requests.heard(at(10), TaskNo(0), true, 1);
        assert_eq!(failed(&mut requests, 10), 0);
        facts_at(at(20), |cx| _ = requests.ended(cx, TaskNo(0), false));
        requests.started(at(20), 0, TaskNo(1), 1);
        (0..2).for_each(|node| requests.heard(at(20), TaskNo(1), true, node));
        requests.heard(at(20), TaskNo(0), false, 0);
        assert!((3..=18).contains(&failed(&mut requests, 20)), "the other node sends half to the dead one");
        requests.heard(at(30), TaskNo(0), false, 1);
        assert_eq!(failed(&mut requests, 30), 0);
    }

    /// Lets time pass and counts who was served and who was not.
    fn until(requests: &mut Requests, cx: &mut Context<RequestEvent>, end: u64, replicas: u64) -> (usize, usize) {
        let end = Time::ZERO + Span::from_secs(end);
        cx.at(end, RequestEvent::Look(u32::MAX));
        while let Some((_, event)) = cx.pop() {
            if event == RequestEvent::Look(u32::MAX) {
                requests.settle(cx);
                break;
            }
            requests.handle(cx, event, replicas, &Whole);
        }
        let answers = cx.take_facts();
        let failed = answers.iter().filter(|fact| **fact == Fact::RequestFailed).count();
        (answers.len() - failed, failed)
    }

    #[test]
    fn a_lost_endpoint_takes_its_share_of_requests_with_it_until_it_is_suspected() {
        let plans = [plan(100, 10)];
        let mut requests = Requests::new(&plans, 1, false, Seeds::of(1, 1));
        let mut cx = Context::new();
        (0..4).for_each(|task| requests.started(Time::ZERO, 0, TaskNo(task), 0));
        requests.start(&mut cx);
        assert_eq!(until(&mut requests, &mut cx, 10, 4), (99, 0), "the hundredth is not answered yet");
        requests.ended(&mut cx, TaskNo(2), true);
        let (served, failed) = until(&mut requests, &mut cx, 20, 4);
        // Five seconds of ten requests each, one in four to the one that is gone.
        assert!((12..=13).contains(&failed) && served + failed == 100, "{served} {failed}");
        requests.leaving(cx.now(), TaskNo(1));
        requests.ended(&mut cx, TaskNo(1), false);
        assert_eq!(until(&mut requests, &mut cx, 30, 4).1, 0);
    }

    #[test]
    fn requests_from_a_list_come_once_each() {
        let listed = |secs| Listed { at: Time::ZERO + Span::from_secs(secs), run: None, replicas: None };
        let plans =
            [RequestPlan { process: ArrivalProcess::Listed(vec![listed(1), listed(1), listed(4)]), ..plan(1, 1) }];
        let mut requests = Requests::new(&plans, 1, false, Seeds::of(1, 1));
        let mut cx = Context::new();
        requests.started(Time::ZERO, 0, TaskNo(0), 0);
        requests.start(&mut cx);
        assert_eq!(until(&mut requests, &mut cx, 10, 1), (3, 0));
    }

    #[test]
    fn without_endpoints_nobody_is_served() {
        let plans = [plan(1000, 1)];
        let mut requests = Requests::new(&plans, 3, false, Seeds::of(1, 1));
        let mut cx = Context::new();
        requests.start(&mut cx);
        assert_eq!(until(&mut requests, &mut cx, 5, 0).0, 0);
    }

    #[test]
    fn the_autoscaler_follows_the_load_and_comes_down_late() {
        let autoscale = Autoscale {
            target: 0.5,
            min: 1,
            max: 10,
            every: Span::from_secs(15),
            band: 0.1,
            down_after: Span::from_secs(300),
        };
        let plans = [RequestPlan { autoscale: Some(autoscale), ..plan(1000, 900) }];
        let mut requests = Requests::new(&plans, 1, false, Seeds::of(1, 1));
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        let mut look = |at: Time, replicas: u64, load: f64| {
            requests.loads[0].work = load * 15.0 * replicas as f64;
            let facts = facts_at(at, |cx| requests.look(cx, 0, replicas));
            facts.into_iter().next().map(|fact| match fact {
                Fact::ReplicasWanted { replicas, .. } => replicas,
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(look(at(15), 4, 0.9), Some(8));
        assert_eq!(look(at(30), 8, 0.54), None, "within the band");
        assert_eq!(look(at(45), 8, 0.1), None, "it waits");
        assert_eq!(look(at(346), 8, 0.1), Some(2));
        assert_eq!(look(at(360), 8, 9.0), Some(10), "at most");
    }
}
