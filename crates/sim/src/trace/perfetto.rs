//! A run for [ui.perfetto.dev](https://ui.perfetto.dev).
//!
//! Tasks that run at the same time on a node overlap, and slices of one track may not: a node has as many tracks of its name
//! as it had tasks at a time, and Perfetto shows tracks of one name as one. On such a track lies a slice for each task, and on
//! it one for each of its states. Timestamps are those of the run, in nanoseconds from its start.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sched::{Row, TaskState, Time};

use super::Out;
use super::jsonl;
use super::names::Names;
use super::proto::{ChildOrdering, CounterDescriptor, DebugAnnotation, TracePacket, TrackDescriptor, TrackEvent, Type};
use crate::fact::{Fact, NetworkFault, Reason, TaskNo};
use crate::listen::{Counts, Listen};
use crate::order::Record;
use crate::scenario::Scenario;

/// What is the matter with a node; each kind is a group of tracks, one for a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Power,
    Network,
    Agent,
    Overload,
    Detected,
}

impl Trouble {
    const ALL: [Trouble; 5] = [Trouble::Power, Trouble::Network, Trouble::Agent, Trouble::Overload, Trouble::Detected];

    fn group(self) -> &'static str {
        match self {
            Trouble::Power => "without power",
            Trouble::Network => "network broken",
            Trouble::Agent => "engine stopped",
            Trouble::Overload => "overloaded",
            Trouble::Detected => "marked down by the managers",
        }
    }
}

/// Tracks of one name on which slices lie that overlap.
#[derive(Default)]
struct Lanes {
    tracks: Vec<u64>,
    free: BTreeSet<usize>,
}

impl Lanes {
    /// The first lane that nothing lies on; whether it is new.
    fn take(&mut self) -> (usize, bool) {
        match self.free.pop_first() {
            Some(lane) => (lane, false),
            None => {
                self.tracks.push(0);
                (self.tracks.len() - 1, true)
            }
        }
    }
}

/// A task, as far as it is shown.
#[derive(Clone, Copy)]
struct Shown {
    state: TaskState,
    /// Node and lane, while it has them.
    at: Option<(u32, u32)>,
    /// Whether a slice of its state is open.
    in_state: bool,
}

/// An image that is not there yet.
struct Pull {
    node: usize,
    lane: usize,
    /// Whether its slice was begun: those that are over in the instant in which they begin are not shown.
    begun: bool,
}

pub(super) struct Writer {
    names: Names,
    out: Out,
    packet: Vec<u8>,
    now: Time,
    last_track: u64,
    nodes: u64,
    pools: BTreeMap<String, u64>,
    registry: u64,
    troubles: BTreeMap<Trouble, u64>,
    events: u64,
    orders: u64,
    leader: u64,
    majority: u64,
    stalled: u64,
    counters: [u64; 4],
    rate: u64,
    counted: Option<[u64; 4]>,
    counts: [u64; 4],
    sampled: (Time, u64),
    tasks: Vec<Shown>,
    lanes: Vec<Lanes>,
    pulls: BTreeMap<u32, Pull>,
    pull_lanes: BTreeMap<usize, Lanes>,
    /// Pulls that began at this instant.
    fresh: Vec<TaskNo>,
    trouble_tracks: BTreeMap<(Trouble, usize), u64>,
    /// Tracks of managers and troubles on which a slice is open.
    open: BTreeSet<u64>,
    /// Reasons that the waiting tasks of a service have in common.
    reasons: BTreeMap<(u32, u64), Arc<str>>,
}

impl Writer {
    pub fn new(scenario: &Arc<Scenario>, strategy: &str, out: Out) -> Writer {
        let mut writer = Writer {
            names: Names::new(scenario),
            out,
            packet: Vec::new(),
            now: Time::ZERO,
            last_track: 0,
            nodes: 0,
            pools: BTreeMap::new(),
            registry: 0,
            troubles: BTreeMap::new(),
            events: 0,
            orders: 0,
            leader: 0,
            majority: 0,
            stalled: 0,
            counters: [0; 4],
            rate: 0,
            counted: None,
            counts: [0; 4],
            sampled: (Time::ZERO, 0),
            tasks: Vec::new(),
            lanes: scenario.nodes.iter().map(|_| Lanes::default()).collect(),
            pulls: BTreeMap::new(),
            pull_lanes: BTreeMap::new(),
            fresh: Vec::new(),
            trouble_tracks: BTreeMap::new(),
            open: BTreeSet::new(),
            reasons: BTreeMap::new(),
        };
        let root = writer.track(0, &format!("{}, {strategy}", scenario.name), 0, None);
        let counts = writer.track(root, "counts", 0, None);
        let names = ["running", "wanted", "pending", "nodes down"];
        writer.counters = std::array::from_fn(|row| writer.track(counts, names[row], row, Some("")));
        writer.rate = writer.track(counts, "registry", names.len(), Some("B/s"));
        writer.events = writer.track(root, "events", 1, None);
        writer.orders = writer.track(root, "orders", 2, None);
        let managers = writer.track(root, "managers", 3, None);
        writer.leader = writer.track(managers, "leader", 0, None);
        writer.majority = writer.track(managers, "without a majority", 1, None);
        writer.stalled = writer.track(managers, "leader without a majority", 2, None);
        let failures = writer.track(root, "failures", 4, None);
        for (rank, trouble) in Trouble::ALL.into_iter().enumerate() {
            let group = writer.track(failures, trouble.group(), rank, None);
            writer.troubles.insert(trouble, group);
        }
        writer.registry = writer.track(root, "pulls", 5, None);
        writer.nodes = writer.track(root, "nodes", 6, None);
        writer
    }

    fn send(&mut self, packet: &TracePacket) {
        self.packet.clear();
        prost::encoding::message::encode(1, packet, &mut self.packet);
        self.out.write(&self.packet);
    }

    /// A new track, at a place among those of its parent; a counter if it has a unit.
    fn track(&mut self, parent: u64, name: &str, rank: usize, unit: Option<&str>) -> u64 {
        self.last_track += 1;
        let uuid = self.last_track;
        let counter = unit.map(|unit| CounterDescriptor { unit_name: (!unit.is_empty()).then(|| unit.to_string()) });
        self.send(&TracePacket {
            track_descriptor: Some(TrackDescriptor {
                uuid: Some(uuid),
                name: Some(name.to_string()),
                parent_uuid: (parent != 0).then_some(parent),
                counter,
                child_ordering: Some(ChildOrdering::Explicit.into()),
                sibling_order_rank: i32::try_from(rank).ok(),
            }),
            ..TracePacket::default()
        });
        uuid
    }

    fn event(&mut self, at: Time, kind: Type, track: u64, event: TrackEvent) {
        self.send(&TracePacket {
            timestamp: Some(at.as_nanos()),
            trusted_packet_sequence_id: Some(1),
            track_event: Some(TrackEvent { r#type: Some(kind.into()), track_uuid: Some(track), ..event }),
            ..TracePacket::default()
        });
    }

    fn begin(&mut self, track: u64, category: &str, name: &str, more: Vec<DebugAnnotation>) {
        let event = TrackEvent {
            categories: vec![category.to_string()],
            name: Some(name.to_string()),
            debug_annotations: more,
            ..TrackEvent::default()
        };
        self.event(self.now, Type::SliceBegin, track, event);
    }

    fn end_slice(&mut self, track: u64, more: Vec<DebugAnnotation>) {
        let event = TrackEvent { debug_annotations: more, ..TrackEvent::default() };
        self.event(self.now, Type::SliceEnd, track, event);
    }

    fn instant(&mut self, track: u64, category: &str, name: &str, more: Vec<DebugAnnotation>) {
        let event = TrackEvent {
            categories: vec![category.to_string()],
            name: Some(name.to_string()),
            debug_annotations: more,
            ..TrackEvent::default()
        };
        self.event(self.now, Type::Instant, track, event);
    }

    /// Opens the one slice of a track; what was open ends.
    fn open(&mut self, track: u64, category: &str, name: &str) {
        self.close(track);
        self.begin(track, category, name, Vec::new());
        self.open.insert(track);
    }

    fn close(&mut self, track: u64) {
        if self.open.remove(&track) {
            self.end_slice(track, Vec::new());
        }
    }

    fn trouble(&mut self, trouble: Trouble, node: usize, name: &str) {
        let track = match self.trouble_tracks.get(&(trouble, node)) {
            Some(track) => *track,
            None => {
                let node_name = self.names.node(node).to_string();
                let track = self.track(self.troubles[&trouble], &node_name, node, None);
                self.trouble_tracks.insert((trouble, node), track);
                track
            }
        };
        self.open(track, "failure", name);
    }

    fn recovered(&mut self, trouble: Trouble, node: usize) {
        if let Some(track) = self.trouble_tracks.get(&(trouble, node)) {
            self.close(*track);
        }
    }

    /// Nothing more happens at the instant before.
    fn advance(&mut self, now: Time) {
        if now <= self.now {
            return;
        }
        self.settle();
        self.now = now;
    }

    fn settle(&mut self) {
        let before = self.counted.replace(self.counts);
        for row in 0..self.counts.len() {
            let value = self.counts[row];
            if before.is_none_or(|before| before[row] != value) {
                let event = TrackEvent { counter_value: Some(value as i64), ..TrackEvent::default() };
                self.event(self.now, Type::Counter, self.counters[row], event);
            }
        }
        for task in std::mem::take(&mut self.fresh) {
            let Some(pull) = self.pulls.get_mut(&task.0) else { continue };
            pull.begun = true;
            let (node, lane) = (pull.node, pull.lane);
            let mut track = self.pull_lanes[&node].tracks[lane];
            if track == 0 {
                let name = self.names.node(node).to_string();
                track = self.track(self.registry, &name, node, None);
                self.pull_lanes.entry(node).or_default().tracks[lane] = track;
            }
            let name = self.names.task(task);
            self.begin(track, "pull", &name, Vec::new());
        }
    }

    fn pull_over(&mut self, task: TaskNo, outcome: &str) {
        let Some(Pull { node, lane, begun }) = self.pulls.remove(&task.0) else { return };
        let lanes = self.pull_lanes.entry(node).or_default();
        lanes.free.insert(lane);
        let track = lanes.tracks[lane];
        if begun {
            self.end_slice(track, vec![text("outcome", outcome)]);
        }
    }

    fn assigned(&mut self, task: TaskNo, node: usize) {
        let (lane, is_new) = self.lanes[node].take();
        if is_new {
            let plan = &self.names.scenario().nodes[node];
            let (pool, name) = (plan.pool.clone(), plan.spec.id.clone());
            let group = match self.pools.get(&pool) {
                Some(group) => *group,
                None => {
                    let group = self.track(self.nodes, &pool, self.pools.len(), None);
                    self.pools.insert(pool, group);
                    group
                }
            };
            self.lanes[node].tracks[lane] = self.track(group, &name, node, None);
        }
        let track = self.lanes[node].tracks[lane];
        let record = self.names.task_record(task);
        let more = vec![
            text("service", self.names.service_in(record.service as usize)),
            text("node", self.names.node(node)),
            seconds("created_s", record.created),
        ];
        let name = self.names.task(task);
        self.begin(track, "task", &name, more);
        self.tasks[task.row()].at = Some((node as u32, lane as u32));
        self.show_state(task);
    }

    fn show_state(&mut self, task: TaskNo) {
        let Shown { state, at, in_state } = self.tasks[task.row()];
        let Some((node, lane)) = at else { return };
        let track = self.lanes[node as usize].tracks[lane as usize];
        if in_state {
            self.end_slice(track, Vec::new());
        }
        let shows = TaskState::Assigned <= state && !state.is_terminal();
        if shows {
            self.begin(track, "state", &jsonl::lower(state), Vec::new());
        }
        self.tasks[task.row()].in_state = shows;
    }

    /// A task has nothing more on its node, as far as the managers know.
    fn gone(&mut self, task: TaskNo, outcome: &str, error: Option<&str>) {
        let Shown { at, in_state, .. } = self.tasks[task.row()];
        let Some((node, lane)) = at else { return };
        let track = self.lanes[node as usize].tracks[lane as usize];
        if in_state {
            self.end_slice(track, Vec::new());
        }
        let mut more = vec![text("outcome", outcome)];
        more.extend(error.map(|error| text("error", error)));
        self.end_slice(track, more);
        self.lanes[node as usize].free.insert(lane as usize);
        let shown = &mut self.tasks[task.row()];
        (shown.at, shown.in_state) = (None, false);
    }

    fn recorded(&mut self, task: TaskNo, state: TaskState, reason: &Reason) {
        if self.tasks[task.row()].state == state {
            return;
        }
        self.tasks[task.row()].state = state;
        if state.is_terminal() {
            let service = self.names.task_record(task).service;
            let error = match reason {
                Reason::None => None,
                Reason::Own(error) => Some(Arc::clone(error)),
                Reason::Shared { version } => self.reasons.get(&(service, *version)).cloned(),
            };
            self.gone(task, &jsonl::lower(state), error.as_deref());
        } else {
            self.show_state(task);
        }
    }
}

impl Listen for Writer {
    fn fact(&mut self, now: Time, fact: &Fact, counts: Counts) {
        self.advance(now);
        self.names.see(now, fact);
        self.counts = [counts.running, counts.desired, counts.pending, counts.nodes_down];
        match fact {
            Fact::TaskCreated { .. } => {
                self.tasks.push(Shown { state: TaskState::New, at: None, in_state: false });
            }
            Fact::TaskAssigned(task, node) => self.assigned(*task, *node),
            Fact::TaskRecord { task, state, reason, .. } => self.recorded(*task, *state, reason),
            Fact::TasksExplained { service, version, text } => {
                self.reasons.insert((service.index() as u32, *version), Arc::clone(text));
            }
            Fact::TaskRemoved(task) => self.gone(*task, "removed", None),
            Fact::ImageWanted(task, node) if !self.pulls.contains_key(&task.0) => {
                let (lane, _) = self.pull_lanes.entry(*node).or_default().take();
                self.pulls.insert(task.0, Pull { node: *node, lane, begun: false });
                self.fresh.push(*task);
            }
            Fact::ImageReady(task) => self.pull_over(*task, "ready"),
            Fact::ImageFailed(task, why) => self.pull_over(*task, why),
            Fact::ImageUnwanted(task, _) => self.pull_over(*task, "not needed any more"),
            Fact::LeaderElected(node) => {
                self.close(self.stalled);
                let name = self.names.node(*node).to_string();
                self.open(self.leader, "leader", &name);
            }
            Fact::LeaderLost => {
                self.close(self.stalled);
                self.close(self.leader);
            }
            Fact::LeaderStalled => self.open(self.stalled, "leader", "decides nothing"),
            Fact::LeaderResumed => self.close(self.stalled),
            Fact::Majority(false) => self.open(self.majority, "leader", "no majority"),
            Fact::Majority(true) => self.close(self.majority),
            Fact::Power { node, up: false } => self.trouble(Trouble::Power, *node, "no power"),
            Fact::Power { node, up: true } => self.recovered(Trouble::Power, *node),
            Fact::Unreachable(node, fault) => {
                let name = match fault {
                    NetworkFault::Isolated => "cut off",
                    NetworkFault::TxLost => "mute",
                    NetworkFault::RxLost => "deaf",
                    NetworkFault::Partitioned => "split off",
                };
                self.trouble(Trouble::Network, *node, name);
            }
            Fact::Reachable(node) => self.recovered(Trouble::Network, *node),
            Fact::AgentGone(node) => self.trouble(Trouble::Agent, *node, "engine stopped"),
            Fact::AgentBack(node) => self.recovered(Trouble::Agent, *node),
            Fact::Overloaded(node, true) => self.trouble(Trouble::Overload, *node as usize, "overloaded"),
            Fact::Overloaded(node, false) => self.recovered(Trouble::Overload, *node as usize),
            Fact::NodeDetected(node) => self.trouble(Trouble::Detected, *node, "down"),
            Fact::EngineRestarted(node) => self.trouble(Trouble::Agent, *node, "engine restarts"),
            Fact::NodeRegistered(node) => {
                self.recovered(Trouble::Detected, *node);
                self.recovered(Trouble::Agent, *node);
            }
            Fact::NodeRemoved(node) => self.recovered(Trouble::Detected, *node),
            Fact::Note(note) => self.instant(self.events, note.kind, &note.label, Vec::new()),
            Fact::Sampled(sent) => self.sample(now, *sent),
            _ => {}
        }
    }

    fn order(&mut self, record: &Record) {
        self.advance(record.at);
        let (kind, parts) = jsonl::parts(&self.names, &record.order);
        let words: Vec<String> = parts.into_iter().flat_map(|(_, words)| words).collect();
        let more = vec![text("by", &jsonl::snake(record.by)), text("answer", &jsonl::answer(&record.answer))];
        self.instant(self.orders, &kind, &format!("{kind} {}", words.join(", ")), more);
    }

    fn end(&mut self, now: Time, sent: u64) {
        self.advance(now);
        self.settle();
        self.sample(now, sent);
        for row in 0..self.tasks.len() {
            self.gone(TaskNo(row as u32), "end of the run", None);
        }
        let pulls: Vec<u32> = self.pulls.keys().copied().collect();
        pulls.into_iter().for_each(|task| self.pull_over(TaskNo(task), "end of the run"));
        for track in std::mem::take(&mut self.open) {
            self.end_slice(track, Vec::new());
        }
        self.out.end();
    }
}

impl Writer {
    /// The registry has sent so many bytes: what it sent in a second since the last sample stands at that.
    fn sample(&mut self, now: Time, sent: u64) {
        let (since, before) = std::mem::replace(&mut self.sampled, (now, sent));
        if since < now {
            let rate = sent.saturating_sub(before) as f64 / (now - since).as_secs_f64();
            let event = TrackEvent { double_counter_value: Some(rate), ..TrackEvent::default() };
            self.event(since, Type::Counter, self.rate, event);
        }
    }
}

fn text(name: &str, value: &str) -> DebugAnnotation {
    DebugAnnotation {
        name: Some(name.to_string()),
        string_value: Some(value.to_string()),
        ..DebugAnnotation::default()
    }
}

fn seconds(name: &str, at: Time) -> DebugAnnotation {
    DebugAnnotation { name: Some(name.to_string()), double_value: Some(at.as_secs_f64()), ..DebugAnnotation::default() }
}
