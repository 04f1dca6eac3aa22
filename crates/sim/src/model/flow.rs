//! Transfers as fluid flows that share capacity max-min fairly: one uplink that flows from the registry cross, perhaps a
//! uplink of each rack, and one interface per node. Local flows cross the interface of their node only.
//!
//! Flows of one kind to a node always run at the same rate, so do those of nodes of the same bandwidth and rack with as
//! many flows; such flows form a class. A change recomputes the rates of the classes, not of the flows: within a class a
//! clock counts the bytes that each of its flows got, and a flow is done when the clock reaches its mark. Rates are shared
//! out once for all changes of an instant, and only among the classes that have flows. So an instant at which something
//! changes costs what there are such classes (bandwidths times flows per node times racks), and a change the logarithm of
//! the flows.

use std::collections::{BTreeMap, BTreeSet};

use sched::{Span, Time};

/// A flow; ids of finished flows are given out again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FlowId(u32);

/// All flows to the nodes.
#[derive(Clone, Debug)]
pub struct Flows {
    /// Bytes per second; infinite if there is no limit.
    uplink: f64,
    /// The same of the uplink of each rack.
    racks: Vec<f64>,
    nodes: Vec<Interface>,
    classes: Vec<Class>,
    by_key: BTreeMap<Key, usize>,
    /// Classes that have flows from the registry, by what their nodes' interfaces allow a flow, least first; those that are
    /// equal in order of creation.
    order: Vec<usize>,
    /// Classes that have local flows, in order of creation.
    local: Vec<usize>,
    /// Whether rates are to be shared out anew before anybody asks for one.
    is_stale: bool,
    /// Classes that were looked at to share out rates: what a change costs.
    looks: u64,
    flows: Vec<Flow>,
    free: Vec<FlowId>,
    now: Time,
    // Buffers.
    moving: [Vec<(FlowId, f64)>; 2],
    finished: Vec<(usize, FlowId)>,
    rack_flows: Vec<usize>,
    rack_left: Vec<f64>,
    by_limit: Vec<(f64, usize)>,
}

#[derive(Clone, Debug)]
struct Interface {
    /// Bytes per second; `None` is no limit.
    bandwidth: Option<u64>,
    rack: usize,
    /// From the registry, and local ones.
    lanes: [Lane; 2],
}

#[derive(Clone, Debug)]
struct Lane {
    class: usize,
    flows: Vec<FlowId>,
}

/// What flows of a class have in common: bandwidth and rack of their node, how many flows it has in each lane, and their
/// own lane.
type Key = (u64, usize, [usize; 2], usize);

#[derive(Clone, Debug)]
struct Class {
    rack: usize,
    /// What the interface allows each flow, if all of its flows get the same.
    cap: f64,
    /// What the uplink of the rack allows too.
    limit: f64,
    /// What each flow gets.
    rate: f64,
    /// Of a local class: the bandwidth of the interface, and the class of the flows from the registry to the same nodes
    /// with their number.
    beside: Option<(f64, usize, usize)>,
    /// Flows of the class that its nodes have each.
    each: usize,
    /// Bytes that each flow got since the class was last empty.
    clock: f64,
    /// Where the clock stands when a flow is done. Marks are positive, so their bits are in their order.
    marks: BTreeSet<(u64, FlowId)>,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    node: u32,
    lane: usize,
    bytes: u64,
    mark: f64,
    /// The owner's.
    tag: u32,
}

/// Where a flow comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The registry: it crosses the uplink of the registry and that of the rack.
    Registry,
    /// A mirror or another node: only the node's interface matters.
    Peer,
}

impl Flows {
    /// No flows, no racks. Bandwidths are bytes per second, `None` is no limit.
    pub fn new(uplink: Option<u64>, nodes: impl Iterator<Item = Option<u64>>) -> Flows {
        let lane = Lane { class: usize::MAX, flows: Vec::new() };
        Flows {
            uplink: uplink.map_or(f64::INFINITY, |uplink| uplink as f64),
            racks: vec![f64::INFINITY],
            nodes: nodes
                .map(|bandwidth| Interface { bandwidth, rack: 0, lanes: [lane.clone(), lane.clone()] })
                .collect(),
            classes: Vec::new(),
            by_key: BTreeMap::new(),
            order: Vec::new(),
            local: Vec::new(),
            is_stale: false,
            looks: 0,
            flows: Vec::new(),
            free: Vec::new(),
            now: Time::ZERO,
            moving: [Vec::new(), Vec::new()],
            finished: Vec::new(),
            rack_flows: Vec::new(),
            rack_left: Vec::new(),
            by_limit: Vec::new(),
        }
    }

    /// Puts the nodes into racks, given by number, each behind an uplink of so many bytes per second.
    pub fn with_racks(mut self, racks: &[usize], uplink: u64) -> Flows {
        self.racks = vec![uplink as f64; racks.iter().max().map_or(1, |rack| rack + 1)];
        for (node, &rack) in self.nodes.iter_mut().zip(racks) {
            node.rack = rack;
        }
        self
    }

    /// The uplink carries so many bytes per second from now on; `None` is no limit.
    pub fn set_uplink(&mut self, now: Time, uplink: Option<u64>) {
        self.advance(now);
        self.uplink = uplink.map_or(f64::INFINITY, |rate| rate as f64);
        self.is_stale = true;
    }

    /// A flow of `bytes` to a node begins; `tag` comes back when it is done.
    pub fn start(&mut self, now: Time, node: usize, source: Source, bytes: u64, tag: u32) -> FlowId {
        self.advance(now);
        let lane = usize::from(source == Source::Peer);
        let flow = Flow { node: node as u32, lane, bytes, mark: 0.0, tag };
        let id = self.free.pop().unwrap_or(FlowId(self.flows.len() as u32));
        if id.0 as usize == self.flows.len() {
            self.flows.push(flow);
        } else {
            self.flows[id.0 as usize] = flow;
        }
        self.regroup(node, None, Some((id, bytes as f64)));
        id
    }

    /// A flow is broken off. Returns the bytes that it got.
    pub fn cancel(&mut self, now: Time, id: FlowId) -> u64 {
        self.advance(now);
        self.share();
        let Flow { node, lane, bytes, mark, .. } = self.flows[id.0 as usize];
        let class = &self.classes[self.nodes[node as usize].lanes[lane].class];
        let left = if class.rate.is_finite() { (mark - class.clock).max(0.0) } else { 0.0 };
        self.regroup(node as usize, Some(id), None);
        self.free.push(id);
        bytes - (left.round() as u64).min(bytes)
    }

    /// Whether a flow comes from a mirror or another node.
    pub fn is_from_peer(&self, id: FlowId) -> bool {
        self.flows[id.0 as usize].lane != 0
    }

    /// When the next flow is done, as things are.
    pub fn next_at(&mut self) -> Option<Time> {
        self.share();
        let next = |class: &Class| {
            let &(mark, _) = class.marks.first()?;
            let secs = if class.rate.is_finite() { (f64::from_bits(mark) - class.clock) / class.rate } else { 0.0 };
            Some(self.now + Span::from_secs_f64(secs))
        };
        self.order.iter().chain(&self.local).filter_map(|&class| next(&self.classes[class])).min()
    }

    /// Takes out the flows that are done; their tags are added to `done`.
    pub fn complete(&mut self, now: Time, done: &mut Vec<u32>) {
        self.advance(now);
        self.share();
        let mut finished = std::mem::take(&mut self.finished);
        for &row in self.order.iter().chain(&self.local) {
            let class = &self.classes[row];
            // Times are whole nanoseconds: what is left for less than one is done.
            let reached = class.clock + class.rate * 1e-9 + class.clock * 1e-15;
            let marks = class.marks.iter().take_while(|mark| f64::from_bits(mark.0) <= reached);
            finished.extend(marks.map(|mark| (row, mark.1)));
        }
        // Classes in order of creation, and within one in order of their marks.
        finished.sort_by_key(|&(class, _)| class);
        for (_, id) in finished.drain(..) {
            let Flow { node, tag, .. } = self.flows[id.0 as usize];
            self.regroup(node as usize, Some(id), None);
            self.free.push(id);
            done.push(tag);
        }
        self.finished = finished;
    }

    /// Bytes that the flows under way have got by `now`: of those from the registry, and of local ones. Nothing moves by
    /// being looked at: in a run that is looked at more often every flow ends at the same instant.
    pub fn under_way(&mut self, now: Time) -> [u64; 2] {
        self.share();
        let secs = (now - self.now).as_secs_f64();
        let got = |row: &usize| -> u64 {
            let class = &self.classes[*row];
            let clock = class.clock + if class.rate.is_finite() { class.rate * secs } else { 0.0 };
            let flows = class.marks.iter().map(|&(mark, id)| {
                let left = if class.rate.is_finite() { (f64::from_bits(mark) - clock).max(0.0) } else { 0.0 };
                self.flows[id.0 as usize].bytes.saturating_sub(left.round() as u64)
            });
            flows.sum()
        };
        [self.order.iter().map(got).sum(), self.local.iter().map(got).sum()]
    }

    /// Bytes per second over the uplink; flows without any limit take no time and do not count.
    #[cfg(test)]
    fn total_rate(&mut self) -> f64 {
        self.share();
        let classes = self.order.iter().map(|&row| &self.classes[row]);
        classes.filter(|class| class.rate.is_finite()).map(|class| class.rate * class.marks.len() as f64).sum()
    }

    fn advance(&mut self, now: Time) {
        if now == self.now {
            return;
        }
        self.share();
        let secs = (now - self.now).as_secs_f64();
        self.now = now;
        for &class in self.order.iter().chain(&self.local) {
            let class = &mut self.classes[class];
            if class.rate.is_finite() {
                class.clock += class.rate * secs;
            }
        }
    }

    /// Enters a class that has flows now into the lists of those, or takes out one that has none any more.
    fn list(&mut self, class: usize, there: bool) {
        let classes = &self.classes;
        let is_local = classes[class].beside.is_some();
        let cap = |row: usize| if is_local { 0.0 } else { classes[row].cap };
        let list = if is_local { &mut self.local } else { &mut self.order };
        let found = list.binary_search_by(|&other| cap(other).total_cmp(&cap(class)).then(other.cmp(&class)));
        match (found, there) {
            (Err(position), true) => list.insert(position, class),
            (Ok(position), false) => {
                list.remove(position);
            }
            _ => {}
        }
    }

    /// Takes a flow from a node or adds one with so many bytes, and moves all that the node has to its new classes.
    fn regroup(&mut self, node: usize, gone: Option<FlowId>, new: Option<(FlowId, f64)>) {
        self.is_stale = true;
        let mut moving = std::mem::take(&mut self.moving);
        let before =
            [0, 1].map(|lane| (!self.nodes[node].lanes[lane].flows.is_empty(), self.nodes[node].lanes[lane].class));
        for (lane, moving) in self.nodes[node].lanes.iter_mut().zip(&mut moving) {
            for id in lane.flows.drain(..) {
                let (mark, class) = (self.flows[id.0 as usize].mark, &mut self.classes[lane.class]);
                class.marks.remove(&(mark.to_bits(), id));
                if Some(id) != gone {
                    moving.push((id, (mark - class.clock).max(0.0)));
                }
            }
        }
        if let Some((id, left)) = new {
            moving[self.flows[id.0 as usize].lane].push((id, left));
        }
        let counts = [moving[0].len(), moving[1].len()];
        for lane in (0..2).filter(|&lane| counts[lane] > 0) {
            let class = self.class(node, counts, lane);
            self.nodes[node].lanes[lane].class = class;
            for (id, left) in moving[lane].drain(..) {
                let entry = &mut self.classes[class];
                if entry.marks.is_empty() {
                    entry.clock = 0.0;
                }
                let mark = entry.clock + left;
                entry.marks.insert((mark.to_bits(), id));
                self.flows[id.0 as usize].mark = mark;
                self.nodes[node].lanes[lane].flows.push(id);
            }
            self.list(class, true);
        }
        for (had_flows, class) in before {
            if had_flows && self.classes[class].marks.is_empty() {
                self.list(class, false);
            }
        }
        self.moving = moving;
    }

    fn class(&mut self, node: usize, counts: [usize; 2], lane: usize) -> usize {
        let Interface { bandwidth, rack, .. } = self.nodes[node];
        // Without a limit it makes no difference how many there are.
        let key = bandwidth.map_or((u64::MAX, rack, [0, 0], lane), |width| (width, rack, counts, lane));
        if let Some(&class) = self.by_key.get(&key) {
            return class;
        }
        let width = bandwidth.map_or(f64::INFINITY, |width| width as f64);
        let cap = width / (counts[0] + counts[1]) as f64;
        let beside = match (lane, counts[0]) {
            (0, _) => None,
            (_, 0) => Some((width, usize::MAX, 0)),
            (_, others) => Some((width, self.class(node, counts, 0), others)),
        };
        let class = self.classes.len();
        self.classes.push(Class {
            rack,
            cap,
            limit: cap,
            rate: 0.0,
            beside,
            each: counts[lane],
            clock: 0.0,
            marks: BTreeSet::new(),
        });
        self.by_key.insert(key, class);
        class
    }

    /// Progressive filling, if anything changed: whoever cannot take an equal share of a link gets what it can take, from the
    /// least on; the others share the rest. The uplink of each rack first, then that of the registry with what those allow;
    /// local flows take what is left of the interface.
    fn share(&mut self) {
        if !std::mem::take(&mut self.is_stale) {
            return;
        }
        self.looks += (self.order.len() + self.local.len()) as u64;
        let has_racks = self.racks[0].is_finite();
        self.by_limit.clear();
        if has_racks {
            self.rack_flows.clear();
            self.rack_flows.resize(self.racks.len(), 0);
            for &class in &self.order {
                let class = &self.classes[class];
                self.rack_flows[class.rack] += class.marks.len();
            }
            self.rack_left.clone_from(&self.racks);
            for &row in &self.order {
                let class = &mut self.classes[row];
                let (left, flows) = (&mut self.rack_left[class.rack], &mut self.rack_flows[class.rack]);
                class.limit = fill(class.cap, class.marks.len(), left, flows);
                self.by_limit.push((class.limit, row));
            }
            // Equal ones stay in their order.
            self.by_limit.sort_by(|a, b| a.0.total_cmp(&b.0));
        } else {
            self.by_limit.extend(self.order.iter().map(|&row| (self.classes[row].limit, row)));
        }
        let mut left = self.uplink;
        let mut flows: usize = self.order.iter().map(|&row| self.classes[row].marks.len()).sum();
        for &(limit, row) in &self.by_limit {
            let class = &mut self.classes[row];
            class.rate = fill(limit, class.marks.len(), &mut left, &mut flows);
        }
        for &row in &self.local {
            let (width, beside, others) = self.classes[row].beside.expect("a local class has an interface");
            let taken = if others == 0 { 0.0 } else { self.classes[beside].rate * others as f64 };
            let class = &mut self.classes[row];
            class.rate = if width.is_finite() { (width - taken).max(0.0) / class.each as f64 } else { f64::INFINITY };
        }
    }
}

/// What each of `count` flows gets that can take `cap`, of what is `left` for so many `flows`.
fn fill(cap: f64, count: usize, left: &mut f64, flows: &mut usize) -> f64 {
    if count == 0 {
        return cap;
    }
    let rate = cap.min(*left / *flows as f64);
    *left = (*left - rate * count as f64).max(0.0);
    *flows -= count;
    rate
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MB: u64 = 1_000_000;

    /// Progressive filling as it is defined: all rates rise alike, and a flow stops rising when a link of its is full.
    /// Links are given as the flows that cross them.
    fn oracle(flows: usize, links: &[(Option<u64>, Vec<usize>)]) -> Vec<f64> {
        let mut rates = vec![f64::INFINITY; flows];
        let mut rising: Vec<usize> = (0..flows).collect();
        while !rising.is_empty() {
            let level = |(capacity, crossing): &(Option<u64>, Vec<usize>)| {
                let capacity = (*capacity)? as f64;
                let stopped: f64 = crossing.iter().filter(|flow| !rising.contains(flow)).map(|&flow| rates[flow]).sum();
                let count = crossing.iter().filter(|flow| rising.contains(flow)).count();
                (count > 0).then(|| (capacity - stopped) / count as f64)
            };
            let lowest = links.iter().filter_map(|link| Some((level(link)?, link))).min_by(|a, b| a.0.total_cmp(&b.0));
            let Some((level, (_, crossing))) = lowest else { break };
            for &flow in crossing.iter().filter(|flow| rising.contains(flow)) {
                rates[flow] = level;
            }
            rising.retain(|flow| !crossing.contains(flow));
        }
        rates
    }

    /// The links of flows given by node and source.
    fn links(
        uplink: Option<u64>,
        rack_uplink: Option<u64>,
        racks: &[usize],
        bandwidths: &[Option<u64>],
        flows: &[(usize, Source)],
    ) -> Vec<(Option<u64>, Vec<usize>)> {
        let those = |crosses: &dyn Fn(&(usize, Source)) -> bool| {
            (0..flows.len()).filter(|&row| crosses(&flows[row])).collect::<Vec<_>>()
        };
        let mut links = vec![(uplink, those(&|flow| flow.1 == Source::Registry))];
        links.extend(
            (0..3).map(|rack| (rack_uplink, those(&|flow| flow.1 == Source::Registry && racks[flow.0] == rack))),
        );
        links.extend((0..bandwidths.len()).map(|node| (bandwidths[node], those(&|flow| flow.0 == node))));
        links
    }

    fn rate(flows: &mut Flows, id: FlowId) -> f64 {
        flows.share();
        let Flow { node, lane, .. } = flows.flows[id.0 as usize];
        flows.classes[flows.nodes[node as usize].lanes[lane].class].rate
    }

    fn bandwidth() -> impl Strategy<Value = Option<u64>> {
        prop_oneof![1 => Just(None), 3 => (1..20u64).prop_map(|rate| Some(rate * MB)), 2 => Just(Some(10 * MB))]
    }

    proptest! {
        #[test]
        fn rates_and_times_are_those_of_progressive_filling(
            uplink in bandwidth(),
            rack_uplink in prop_oneof![Just(None), (1..20u64).prop_map(|rate| Some(rate * MB))],
            bandwidths in prop::collection::vec(bandwidth(), 1..6),
            racks in prop::collection::vec(0..3usize, 6),
            starts in prop::collection::vec(((0..6usize, prop::bool::weighted(0.3)), 1..50_000_000u64, 0..3_000u64), 1..25),
        ) {
            let mut flows = Flows::new(uplink, bandwidths.iter().copied());
            if let Some(rack_uplink) = rack_uplink {
                flows = flows.with_racks(&racks[..bandwidths.len()], rack_uplink);
            }
            // The model: (node and source, bytes left, id), brought forward from change to change.
            let mut model: Vec<((usize, Source), f64, FlowId)> = Vec::new();
            let mut now = Time::ZERO;
            let mut starts = starts.into_iter().map(|((node, is_local), bytes, pause)| {
                let source = if is_local { Source::Peer } else { Source::Registry };
                ((node % bandwidths.len(), source), bytes, Span::from_millis(pause))
            });
            let mut next_start = starts.next();
            let mut start_at = now + next_start.map_or(Span::ZERO, |start| start.2);
            while !model.is_empty() || next_start.is_some() {
                let crossing: Vec<(usize, Source)> = model.iter().map(|flow| flow.0).collect();
                let rates = oracle(model.len(), &links(uplink, rack_uplink, &racks, &bandwidths, &crossing));
                for (flow, expected) in model.iter().zip(&rates) {
                    let got = rate(&mut flows, flow.2);
                    prop_assert!(got == *expected || (got / expected - 1.0).abs() < 1e-9, "{got} instead of {expected}");
                }
                let first = model.iter().zip(&rates).map(|(flow, rate)| if rate.is_finite() { flow.1 / rate } else { 0.0 }).min_by(f64::total_cmp);
                let due = flows.next_at();
                prop_assert_eq!(due.is_some(), first.is_some());
                if let (Some(due), Some(secs)) = (due, first) {
                    let expected = now + Span::from_secs_f64(secs.max(0.0));
                    prop_assert!(due.as_nanos().abs_diff(expected.as_nanos()) <= 2, "{due} instead of {expected}");
                }
                let starts_first = next_start.is_some() && due.is_none_or(|due| start_at < due);
                let then = if starts_first { start_at } else { due.unwrap() };
                let secs = (then - now).as_secs_f64();
                for (flow, rate) in model.iter_mut().zip(&rates) {
                    flow.1 = if rate.is_finite() { flow.1 - rate * secs } else { 0.0 };
                }
                now = then;
                if starts_first {
                    let ((node, source), bytes, _) = next_start.unwrap();
                    let id = flows.start(now, node, source, bytes, 0);
                    model.push(((node, source), bytes as f64, id));
                    next_start = starts.next();
                    start_at = now + next_start.map_or(Span::ZERO, |start| start.2);
                } else {
                    let mut done = Vec::new();
                    flows.complete(now, &mut done);
                    let before = model.len();
                    let free = flows.free.clone();
                    model.retain(|flow| !free.contains(&flow.2));
                    prop_assert!(!done.is_empty());
                    prop_assert_eq!(before - model.len(), done.len());
                }
            }
            prop_assert_eq!(flows.next_at(), None);
        }
    }

    /// Runs until nothing flows; when each tag was done, in seconds.
    fn finish(mut flows: Flows) -> Vec<(u32, f64)> {
        let mut times = Vec::new();
        while let Some(now) = flows.next_at() {
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
        flows.start(Time::ZERO, 0, Source::Registry, 10 * MB, 1);
        flows.start(Time::ZERO, 1, Source::Registry, 50 * MB, 2);
        assert_eq!(flows.total_rate(), 1e7);
        assert_eq!(finish(flows), [(1, 2.0), (2, 6.0)]);
    }

    #[test]
    fn a_slow_interface_leaves_its_share_to_others() {
        // Uplink 10, node 0 can take 2: node 1 gets 8.
        let mut flows = Flows::new(Some(10 * MB), [Some(2 * MB), None].into_iter());
        flows.start(Time::ZERO, 0, Source::Registry, 10 * MB, 1);
        flows.start(Time::ZERO, 1, Source::Registry, 16 * MB, 2);
        assert_eq!(finish(flows), [(2, 2.0), (1, 5.0)]);
    }

    #[test]
    fn a_broken_off_flow_says_what_it_got_and_makes_room() {
        let mut flows = Flows::new(Some(10 * MB), [None].into_iter());
        let first = flows.start(Time::ZERO, 0, Source::Registry, 100 * MB, 1);
        flows.start(Time::ZERO, 0, Source::Registry, 100 * MB, 2);
        assert_eq!(flows.cancel(Time::ZERO + Span::from_secs(4), first), 20 * MB);
        assert_eq!(finish(flows), [(2, 12.0)]);
    }

    #[test]
    fn without_limits_nothing_takes_time() {
        let mut flows = Flows::new(None, [None].into_iter());
        flows.start(Time::ZERO, 0, Source::Registry, 100 * MB, 1);
        assert_eq!(flows.total_rate(), 0.0);
        assert_eq!(finish(flows), [(1, 0.0)]);
    }

    #[test]
    fn a_thousand_nodes_that_pull_at_once_share_to_the_nanosecond() {
        // 1 GB/s for a thousand flows: 1 MB/s each, though their interfaces could take 10.
        let mut flows = Flows::new(Some(1000 * MB), (0..1000).map(|_| Some(10 * MB)));
        for node in 0..1000 {
            flows.start(Time::ZERO, node, Source::Registry, 7 * MB, node as u32);
        }
        let times = finish(flows);
        assert_eq!(times.len(), 1000);
        assert!(times.iter().all(|time| time.1 == 7.0));
    }

    #[test]
    fn changes_of_one_instant_are_shared_out_once_and_classes_without_flows_are_not_looked_at() {
        // Two hundred nodes with a bandwidth each, one after the other: each of them is a class, and one has flows at a time.
        let mut flows = Flows::new(Some(1000 * MB), (1..=200).map(|bandwidth| Some(bandwidth * MB)));
        let mut now = Time::ZERO;
        for node in 0..200 {
            for layer in 0..10 {
                flows.start(now, node, Source::Registry, MB, layer);
            }
            while let Some(next) = flows.next_at() {
                now = next;
                flows.complete(now, &mut Vec::new());
            }
        }
        assert!(200 <= flows.looks && flows.looks <= 400, "{} looks", flows.looks);
    }

    #[test]
    fn the_line_to_a_rack_holds_its_nodes_back() {
        // Two nodes behind one uplink of 4 MB/s, the third behind its own.
        let mut flows = Flows::new(Some(10 * MB), [None, None, None].into_iter()).with_racks(&[0, 0, 1], 4 * MB);
        let ids: Vec<FlowId> =
            (0..3).map(|node| flows.start(Time::ZERO, node, Source::Registry, 12 * MB, node as u32)).collect();
        assert_eq!(ids.iter().map(|&id| rate(&mut flows, id)).collect::<Vec<_>>(), [2e6, 2e6, 4e6]);
        assert_eq!(flows.total_rate(), 8e6);
    }

    #[test]
    fn a_local_flow_takes_what_is_left_of_the_interface() {
        let mut flows = Flows::new(Some(2 * MB), [Some(10 * MB)].into_iter());
        let far = flows.start(Time::ZERO, 0, Source::Registry, 4 * MB, 1);
        let local = flows.start(Time::ZERO, 0, Source::Peer, 16 * MB, 2);
        assert_eq!((rate(&mut flows, far), rate(&mut flows, local)), (2e6, 8e6));
        assert_eq!(flows.total_rate(), 2e6);
        assert_eq!(finish(flows), [(1, 2.0), (2, 2.0)]);
    }
}
