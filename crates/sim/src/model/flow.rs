//! Transfers as fluid flows that share capacity max-min fairly: one uplink that all flows cross, one interface per node.
//!
//! Flows of a node always run at the same rate, so do nodes of the same bandwidth with as many flows; such nodes form a
//! class. A change recomputes the rates of the classes, not of the flows: within a class a clock counts the bytes that
//! each of its flows got, and a flow is done when the clock reaches its mark. So a change costs what there are classes
//! (bandwidths times flows per node), and the logarithm of the flows.

use std::collections::{BTreeMap, BTreeSet};

use sched::{Span, Time};

/// A flow; ids of finished flows are given out again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FlowId(u32);

/// All flows from the uplink to the nodes.
#[derive(Debug)]
pub struct Flows {
    /// Bytes per second; infinite if there is no limit.
    uplink: f64,
    nodes: Vec<Node>,
    classes: Vec<Class>,
    /// Classes by bandwidth and number of flows per node.
    by_key: BTreeMap<(u64, usize), usize>,
    /// Classes by what their nodes' interfaces allow a flow, least first.
    order: Vec<usize>,
    flows: Vec<Flow>,
    free: Vec<FlowId>,
    now: Time,
    // Buffers.
    moving: Vec<(FlowId, f64)>,
    finished: Vec<FlowId>,
}

#[derive(Debug)]
struct Node {
    /// Bytes per second; `None` is no limit.
    bandwidth: Option<u64>,
    class: usize,
    flows: Vec<FlowId>,
}

#[derive(Debug)]
struct Class {
    /// What the interface allows each flow.
    cap: f64,
    /// What each flow gets.
    rate: f64,
    /// Bytes that each flow got since the class was last empty.
    clock: f64,
    /// Where the clock stands when a flow is done. Marks are positive, so their bits are in their order.
    marks: BTreeSet<(u64, FlowId)>,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    node: u32,
    bytes: u64,
    mark: f64,
    /// The owner's.
    tag: u32,
}

impl Flows {
    /// No flows. Bandwidths are bytes per second, `None` is no limit.
    pub fn new(uplink: Option<u64>, nodes: impl Iterator<Item = Option<u64>>) -> Flows {
        Flows {
            uplink: uplink.map_or(f64::INFINITY, |it| it as f64),
            nodes: nodes.map(|bandwidth| Node { bandwidth, class: usize::MAX, flows: Vec::new() }).collect(),
            classes: Vec::new(),
            by_key: BTreeMap::new(),
            order: Vec::new(),
            flows: Vec::new(),
            free: Vec::new(),
            now: Time::ZERO,
            moving: Vec::new(),
            finished: Vec::new(),
        }
    }

    /// A flow of `bytes` to a node begins; `tag` comes back when it is done.
    pub fn start(&mut self, now: Time, node: usize, bytes: u64, tag: u32) -> FlowId {
        self.advance(now);
        let flow = Flow { node: node as u32, bytes, mark: 0.0, tag };
        let id = self.free.pop().unwrap_or(FlowId(self.flows.len() as u32));
        if id.0 as usize == self.flows.len() {
            self.flows.push(flow);
        } else {
            self.flows[id.0 as usize] = flow;
        }
        self.regroup(node, None, Some((id, bytes as f64)));
        self.share();
        id
    }

    /// A flow is broken off. Returns the bytes that it got.
    pub fn cancel(&mut self, now: Time, id: FlowId) -> u64 {
        self.advance(now);
        let Flow { node, bytes, mark, .. } = self.flows[id.0 as usize];
        let class = &self.classes[self.nodes[node as usize].class];
        let left = if class.rate.is_finite() { (mark - class.clock).max(0.0) } else { 0.0 };
        self.regroup(node as usize, Some(id), None);
        self.free.push(id);
        self.share();
        bytes - (left.round() as u64).min(bytes)
    }

    /// When the next flow is done, as things are.
    pub fn next(&self) -> Option<Time> {
        let next = |class: &Class| {
            let &(mark, _) = class.marks.first()?;
            let secs = if class.rate.is_finite() { (f64::from_bits(mark) - class.clock) / class.rate } else { 0.0 };
            Some(self.now + Span::from_secs_f64(secs))
        };
        self.classes.iter().filter_map(next).min()
    }

    /// Takes out the flows that are done; their tags are added to `done`.
    pub fn complete(&mut self, now: Time, done: &mut Vec<u32>) {
        self.advance(now);
        let mut finished = std::mem::take(&mut self.finished);
        for class in &self.classes {
            // Times are whole nanoseconds: what is left for less than one is done.
            let reached = class.clock + class.rate * 1e-9 + class.clock * 1e-15;
            let marks = class.marks.iter().take_while(|it| f64::from_bits(it.0) <= reached);
            finished.extend(marks.map(|it| it.1));
        }
        for id in finished.drain(..) {
            let Flow { node, tag, .. } = self.flows[id.0 as usize];
            self.regroup(node as usize, Some(id), None);
            self.free.push(id);
            done.push(tag);
        }
        self.finished = finished;
        self.share();
    }

    /// Bytes per second over the uplink; flows without any limit take no time and do not count.
    pub fn total_rate(&self) -> f64 {
        let rates = self.classes.iter().filter(|it| it.rate.is_finite());
        rates.map(|it| it.rate * it.marks.len() as f64).sum()
    }

    fn advance(&mut self, now: Time) {
        let secs = (now - self.now).as_secs_f64();
        self.now = now;
        for class in &mut self.classes {
            if class.marks.is_empty() {
                class.clock = 0.0;
            } else if class.rate.is_finite() {
                class.clock += class.rate * secs;
            }
        }
    }

    /// Takes a flow from a node or adds one with so many bytes, and moves all that the node has to its new class.
    fn regroup(&mut self, node: usize, gone: Option<FlowId>, new: Option<(FlowId, f64)>) {
        let old = self.nodes[node].class;
        let mut moving = std::mem::take(&mut self.moving);
        for id in self.nodes[node].flows.drain(..) {
            let mark = self.flows[id.0 as usize].mark;
            self.classes[old].marks.remove(&(mark.to_bits(), id));
            if Some(id) != gone {
                moving.push((id, (mark - self.classes[old].clock).max(0.0)));
            }
        }
        moving.extend(new);
        if moving.is_empty() {
            self.moving = moving;
            return;
        }
        let class = self.class(self.nodes[node].bandwidth, moving.len());
        self.nodes[node].class = class;
        for (id, left) in moving.drain(..) {
            let it = &mut self.classes[class];
            if it.marks.is_empty() {
                it.clock = 0.0;
            }
            let mark = it.clock + left;
            it.marks.insert((mark.to_bits(), id));
            self.flows[id.0 as usize].mark = mark;
            self.nodes[node].flows.push(id);
        }
        self.moving = moving;
    }

    fn class(&mut self, bandwidth: Option<u64>, flows: usize) -> usize {
        // Without a limit it makes no difference how many there are.
        let key = bandwidth.map_or((u64::MAX, 0), |it| (it, flows));
        if let Some(&class) = self.by_key.get(&key) {
            return class;
        }
        let cap = bandwidth.map_or(f64::INFINITY, |it| it as f64 / flows as f64);
        let class = self.classes.len();
        self.classes.push(Class { cap, rate: 0.0, clock: 0.0, marks: BTreeSet::new() });
        self.by_key.insert(key, class);
        let position = self.order.partition_point(|&other| self.classes[other].cap <= cap);
        self.order.insert(position, class);
        class
    }

    /// Progressive filling: whoever cannot take an equal share of the uplink gets what it can take, from the least on;
    /// the others share the rest.
    fn share(&mut self) {
        let mut left = self.uplink;
        let mut flows: usize = self.classes.iter().map(|it| it.marks.len()).sum();
        for &class in &self.order {
            let class = &mut self.classes[class];
            let count = class.marks.len();
            if count == 0 {
                continue;
            }
            class.rate = class.cap.min(left / flows as f64);
            left = (left - class.rate * count as f64).max(0.0);
            flows -= count;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MB: u64 = 1_000_000;

    /// Progressive filling as it is defined: all rates rise alike, and a flow stops rising when a link of its is full.
    fn oracle(uplink: Option<u64>, bandwidths: &[Option<u64>], flows: &[usize]) -> Vec<f64> {
        let uplink_row = bandwidths.len();
        let capacity = |link: usize| if link == uplink_row { uplink } else { bandwidths[link] };
        let crosses = |flow: usize, link: usize| link == uplink_row || flows[flow] == link;
        let mut rates = vec![f64::INFINITY; flows.len()];
        let mut rising: Vec<usize> = (0..flows.len()).collect();
        while !rising.is_empty() {
            let level = |link: usize| {
                let capacity = capacity(link)? as f64;
                let stopped: f64 =
                    (0..flows.len()).filter(|it| crosses(*it, link) && !rising.contains(it)).map(|it| rates[it]).sum();
                let count = rising.iter().filter(|it| crosses(**it, link)).count();
                (count > 0).then(|| (capacity - stopped) / count as f64)
            };
            let lowest =
                (0..=uplink_row).filter_map(|link| Some((level(link)?, link))).min_by(|a, b| a.0.total_cmp(&b.0));
            let Some((level, link)) = lowest else { break };
            for &flow in rising.iter().filter(|it| crosses(**it, link)) {
                rates[flow] = level;
            }
            rising.retain(|it| !crosses(*it, link));
        }
        rates
    }

    fn rate(flows: &Flows, id: FlowId) -> f64 {
        flows.classes[flows.nodes[flows.flows[id.0 as usize].node as usize].class].rate
    }

    fn bandwidth() -> impl Strategy<Value = Option<u64>> {
        prop_oneof![1 => Just(None), 3 => (1..20u64).prop_map(|it| Some(it * MB)), 2 => Just(Some(10 * MB))]
    }

    proptest! {
        #[test]
        fn rates_and_times_are_those_of_progressive_filling(
            uplink in bandwidth(),
            bandwidths in prop::collection::vec(bandwidth(), 1..6),
            starts in prop::collection::vec((0..6usize, 1..50_000_000u64, 0..3_000u64), 1..25),
        ) {
            let mut flows = Flows::new(uplink, bandwidths.iter().copied());
            // The model: (node, bytes left, id), brought forward from change to change.
            let mut model: Vec<(usize, f64, FlowId)> = Vec::new();
            let mut now = Time::ZERO;
            let mut starts = starts.into_iter().map(|(node, bytes, pause)| (node % bandwidths.len(), bytes, Span::from_millis(pause)));
            let mut next_start = starts.next();
            let mut start_at = now + next_start.map_or(Span::ZERO, |it| it.2);
            while !model.is_empty() || next_start.is_some() {
                let nodes: Vec<usize> = model.iter().map(|it| it.0).collect();
                let rates = oracle(uplink, &bandwidths, &nodes);
                for (it, expected) in model.iter().zip(&rates) {
                    let got = rate(&flows, it.2);
                    prop_assert!(got == *expected || (got / expected - 1.0).abs() < 1e-9, "{got} instead of {expected}");
                }
                let first = model.iter().zip(&rates).map(|(it, rate)| if rate.is_finite() { it.1 / rate } else { 0.0 }).min_by(f64::total_cmp);
                let due = flows.next();
                prop_assert_eq!(due.is_some(), first.is_some());
                if let (Some(due), Some(secs)) = (due, first) {
                    let expected = now + Span::from_secs_f64(secs.max(0.0));
                    prop_assert!(due.as_nanos().abs_diff(expected.as_nanos()) <= 2, "{due} instead of {expected}");
                }
                let starts_first = next_start.is_some() && due.is_none_or(|due| start_at < due);
                let then = if starts_first { start_at } else { due.unwrap() };
                let secs = (then - now).as_secs_f64();
                for (it, rate) in model.iter_mut().zip(&rates) {
                    it.1 = if rate.is_finite() { it.1 - rate * secs } else { 0.0 };
                }
                now = then;
                if starts_first {
                    let (node, bytes, _) = next_start.unwrap();
                    let id = flows.start(now, node, bytes, 0);
                    model.push((node, bytes as f64, id));
                    next_start = starts.next();
                    start_at = now + next_start.map_or(Span::ZERO, |it| it.2);
                } else {
                    let mut done = Vec::new();
                    flows.complete(now, &mut done);
                    let before = model.len();
                    let free = flows.free.clone();
                    model.retain(|it| !free.contains(&it.2));
                    prop_assert!(!done.is_empty());
                    prop_assert_eq!(before - model.len(), done.len());
                }
            }
            prop_assert_eq!(flows.next(), None);
        }
    }

    /// Runs until nothing flows; when each tag was done, in seconds.
    fn finish(mut flows: Flows) -> Vec<(u32, f64)> {
        let mut times = Vec::new();
        while let Some(now) = flows.next() {
            let mut done = Vec::new();
            flows.complete(now, &mut done);
            times.extend(done.into_iter().map(|tag| (tag, now.as_secs_f64())));
        }
        times
    }

    #[test]
    fn two_nodes_share_the_uplink_and_the_rest_goes_to_the_slower_one() {
        // 10 MB/s: both get 5; the small one is done after 2 s, the other has 40 MB left and all of the uplink.
        let mut flows = Flows::new(Some(10 * MB), [None, None].into_iter());
        flows.start(Time::ZERO, 0, 10 * MB, 1);
        flows.start(Time::ZERO, 1, 50 * MB, 2);
        assert_eq!(flows.total_rate(), 1e7);
        assert_eq!(finish(flows), [(1, 2.0), (2, 6.0)]);
    }

    #[test]
    fn a_slow_interface_leaves_its_share_to_others() {
        // Uplink 10, node 0 can take 2: node 1 gets 8.
        let mut flows = Flows::new(Some(10 * MB), [Some(2 * MB), None].into_iter());
        flows.start(Time::ZERO, 0, 10 * MB, 1);
        flows.start(Time::ZERO, 1, 16 * MB, 2);
        assert_eq!(finish(flows), [(2, 2.0), (1, 5.0)]);
    }

    #[test]
    fn a_broken_off_flow_says_what_it_got_and_makes_room() {
        let mut flows = Flows::new(Some(10 * MB), [None].into_iter());
        let first = flows.start(Time::ZERO, 0, 100 * MB, 1);
        flows.start(Time::ZERO, 0, 100 * MB, 2);
        assert_eq!(flows.cancel(Time::ZERO + Span::from_secs(4), first), 20 * MB);
        assert_eq!(finish(flows), [(2, 12.0)]);
    }

    #[test]
    fn without_limits_nothing_takes_time() {
        let mut flows = Flows::new(None, [None].into_iter());
        flows.start(Time::ZERO, 0, 100 * MB, 1);
        assert_eq!(flows.total_rate(), 0.0);
        assert_eq!(finish(flows), [(1, 0.0)]);
    }

    #[test]
    fn a_thousand_nodes_that_pull_at_once_share_to_the_nanosecond() {
        // 1 GB/s for a thousand flows: 1 MB/s each, though their interfaces could take 10.
        let mut flows = Flows::new(Some(1000 * MB), (0..1000).map(|_| Some(10 * MB)));
        for node in 0..1000 {
            flows.start(Time::ZERO, node, 7 * MB, node as u32);
        }
        let times = finish(flows);
        assert_eq!(times.len(), 1000);
        assert!(times.iter().all(|it| it.1 == 7.0));
    }
}
