//! The registry and the images on the nodes: which layers are there, which are on their way, and how long that takes.
//!
//! As moby's `distribution/xfer` does it: a daemon downloads a few layers at a time, a layer that two pulls want is
//! downloaded once, one that breaks off is tried again, and a layer is unpacked when its parent is. Nothing is ever
//! evicted unless the scenario gives the cache a limit. The sharing of bandwidth is in [`super::flow`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use sched::{Reference, Span, Time};

use super::agent::{Exit, times};
use super::flow::{FlowId, Flows, Source};
use super::image_cache::ImageCaches;
use crate::fact::{Context, Fact, TaskNo};

/// An image as the registry holds it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Image {
    /// Reference as services write it.
    pub name: String,
    /// From the base up.
    pub layers: Vec<Layer>,
    /// Rows of the nodes that have it from the beginning.
    pub present: Vec<usize>,
    /// The registry does not have it.
    pub missing: bool,
    /// The layer whose bytes do not match its digest, from 0.
    pub corrupt: Option<usize>,
    /// How its containers end by themselves, whatever service they are of: a version that does not work.
    pub exit: Option<Exit>,
}

/// A layer; layers of the same digest are the same bytes, whatever image they belong to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layer {
    /// Identity.
    pub digest: String,
    /// Compressed bytes: what is transferred.
    pub size: u64,
    /// Bytes on disk after unpacking.
    pub unpacked: u64,
}

/// The registry and the way from it.
#[derive(Clone, PartialEq, Debug)]
pub struct RegistryModel {
    /// Bytes per second of its uplink, shared by all pulls; `None` is unlimited.
    pub bandwidth: Option<u64>,
    /// How much its uplink differs between runs: standard deviation of the natural logarithm of the factor that a run takes as
    /// long, which is lognormal with mean 1.
    pub run_spread: f64,
    /// Round-trip time to it; a pull costs two for the manifest and one per layer.
    pub latency: Span,
    /// What an engine needs for the manifest beside that, of references that name the host of their registry.
    pub manifest: Span,
    /// Bytes per second that a node unpacks; `None` is unlimited.
    pub unpack_rate: Option<u64>,
    /// Layers that one daemon downloads at a time (moby: 3).
    pub max_downloads: u32,
    /// Bytes per second at which a node copies what is below for every layer and container (storage driver `vfs`); `None`
    /// makes no copies.
    pub copy_rate: Option<u64>,
    /// Label of the nodes that says in which rack they are.
    pub rack: String,
    /// Bytes per second of the uplink of each rack; `None` is unlimited.
    pub rack_bandwidth: Option<u64>,
    /// Who gets layers from a mirror instead of from the registry.
    pub mirror: Mirror,
    /// How many pulls the registry allows each node; `None` is without limit.
    pub limit: Option<PullLimit>,
    /// Bytes of unpacked layers that a node keeps beyond those in use; `None` keeps everything, as Docker does.
    pub cache_bytes: Option<u64>,
    /// Whether a task without its image says why the pull failed, or only that there is no such image (Docker up to
    /// version 20.10).
    pub reports_pull_errors: bool,
}

impl Default for RegistryModel {
    fn default() -> Self {
        RegistryModel {
            bandwidth: Some(1_250_000_000),
            run_spread: 0.0,
            latency: Span::from_millis(1),
            manifest: Span::ZERO,
            unpack_rate: Some(150_000_000),
            max_downloads: 3,
            copy_rate: None,
            rack: "rack".into(),
            rack_bandwidth: None,
            mirror: Mirror::None,
            limit: None,
            cache_bytes: None,
            reports_pull_errors: true,
        }
    }
}

/// What one node has fetched, others get from a mirror or from that node: only their own interface limits that.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mirror {
    /// Everybody fetches from the registry.
    #[default]
    None,
    /// A mirror in every rack.
    Rack,
    /// All nodes give each other what they have.
    All,
}

/// So many manifests within so long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PullLimit {
    /// How many.
    pub pulls: u64,
    /// In which time.
    pub window: Span,
}

/// moby `distribution/xfer/download.go`: a download is tried so many times, and the wait after each grows by so much.
const ATTEMPTS: u32 = 5;
const RETRY: Span = Span::from_secs(5);

/// The rate of a line that takes so many times as long.
fn slower(rate: Option<u64>, factor: f64) -> Option<u64> {
    if factor == 1.0 { rate } else { rate.map(|rate| ((rate as f64 / factor).round() as u64).max(1)) }
}

/// The registry that a reference names, if it names one and it is not Docker Hub.
fn host_of(image: &str) -> Option<&str> {
    let (first, _) = image.split_once('/')?;
    (first.contains(['.', ':']) && !first.ends_with("docker.io")).then_some(first)
}

/// Numbers of tasks from here on are those of pulls for nobody.
const NOBODY: u32 = 1 << 31;

/// Something comes to pass between registry and nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImageEvent {
    /// The registry answered with the manifest, unless the pull was cancelled.
    Manifest {
        /// Row of the pull.
        pull: u32,
        /// Which pull.
        serial: u32,
    },
    /// The registry begins to send a layer, unless nobody wants it any more.
    Sending {
        /// Row of the transfer.
        transfer: u32,
        /// Which transfer.
        serial: u32,
    },
    /// A layer arrived.
    Arrived,
    /// A layer is unpacked, unless nobody wants it any more.
    Unpacked {
        /// Row of the transfer.
        transfer: u32,
        /// Which transfer.
        serial: u32,
    },
    /// A container's copy of its image is made, unless the task does not need it any more.
    Copied {
        /// Row of the pull.
        pull: u32,
        /// Which pull.
        serial: u32,
    },
}

/// What was pulled so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Bytes that the registry sent, broken-off transfers included.
    pub sent: u64,
    /// Bytes that nodes got from a mirror or from each other, broken-off transfers included.
    pub from_peer: u64,
    /// Compressed bytes of all layers that pulls needed when they began.
    pub needed: u64,
    /// Those of them that were on the node already.
    pub present: u64,
    /// How long the pulls took that found a layer missing, from the request to the last layer unpacked.
    pub durations: Vec<Span>,
}

/// The registry, and every node's layers.
#[derive(Clone, Debug)]
pub struct Images {
    model: RegistryModel,
    layers: Vec<Size>,
    digests: Vec<Arc<str>>,
    contents: Vec<Content>,
    /// Rows of the images, those too of which the registry knows nothing, by their one name and by every way in which
    /// they were asked for.
    names: BTreeMap<Arc<str>, u32>,
    /// Nodes that give each other what one of them has pulled, if any do.
    groups: Vec<MirrorGroup>,
    /// Whether the registry answers.
    answers: bool,
    /// How many times as long as the model says its uplink takes in this run.
    line: f64,
    nodes: Vec<Store>,
    cached: Cached,
    /// What the disks keep, if they do not keep everything.
    disks: Option<ImageCaches>,
    pulls: Vec<Pull>,
    free_pulls: Vec<u32>,
    /// The pull of a task on a node, as long as it goes on.
    pulling: BTreeMap<(u32, TaskNo), u32>,
    transfers: Vec<Transfer>,
    free_transfers: Vec<u32>,
    serial: u32,
    flows: Flows,
    /// The earliest pending [`ImageEvent::Arrived`].
    armed: Option<Time>,
    totals: Totals,
    /// Pulls for nobody so far.
    prefetched: u32,
    /// Nodes whose layers changed since somebody asked, if anybody does.
    changed: Option<BTreeSet<usize>>,
    /// A buffer.
    done: Vec<u32>,
}

/// Nodes that share layers: what one of them has fetched from the registry the others get from there.
#[derive(Clone, Debug, Default)]
struct MirrorGroup {
    has: BTreeSet<u32>,
    /// Layers that one of them fetches, and the transfers that wait for it.
    fetching: BTreeMap<u32, (u32, Vec<u32>)>,
}

/// What the registry knows of an image.
#[derive(Clone, Debug)]
struct Content {
    name: Arc<str>,
    /// Whether the registry has heard of it.
    is_known: bool,
    layers: Arc<[u32]>,
    /// Whether the registry does not have it, and whether it never had, so that no node can have it either.
    missing: bool,
    never: bool,
    /// The layer whose bytes do not match its digest.
    corrupt: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Size {
    packed: u64,
    unpacked: u64,
}

/// What every pull touches stands in the first cache line.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
struct Store {
    transfers: Vec<u32>,
    /// Downloads that may still begin.
    slots: u32,
    /// The group of nodes with which it shares layers.
    group: u32,
    /// Whether its network carries anything.
    linked: bool,
    /// How many times as long its engine takes.
    pace: f64,
    /// Transfers that wait for a slot.
    waiting: VecDeque<u32>,
    /// When it asked for manifests, as far as its allowance remembers.
    asked: VecDeque<Time>,
}

/// Which layers the nodes have, unpacked. So small that it stays in the processor's own memory.
#[derive(Clone, Debug)]
struct Cached {
    /// A bit for each layer, node by node; and the words of a node.
    bits: Vec<u64>,
    words: usize,
}

impl Cached {
    fn new(nodes: usize, layers: usize) -> Cached {
        let words = layers.div_ceil(64);
        Cached { bits: vec![0; nodes * words], words }
    }
    fn has(&self, node: usize, layer: u32) -> bool {
        self.bits[node * self.words + layer as usize / 64] & (1 << (layer % 64)) != 0
    }
    fn keep(&mut self, node: usize, layer: u32) {
        self.bits[node * self.words + layer as usize / 64] |= 1 << (layer % 64);
    }
    fn lose(&mut self, node: usize, layer: u32) {
        self.bits[node * self.words + layer as usize / 64] &= !(1 << (layer % 64));
    }
    fn clear(&mut self, node: usize) {
        self.bits[node * self.words..][..self.words].fill(0);
    }
}

#[derive(Clone, Copy, Debug)]
struct Pull {
    task: TaskNo,
    node: u32,
    /// Zero if the row is free.
    serial: u32,
    /// Row of the image.
    image: u32,
    /// The first layer that is not unpacked yet.
    next: u32,
    missed: bool,
    /// Its task was over before it was.
    for_nobody: bool,
    since: Time,
}

/// A layer on its way to a node, until it is unpacked.
#[derive(Clone, Debug)]
struct Transfer {
    node: usize,
    layer: u32,
    serial: u32,
    stage: Stage,
    attempts: u32,
    pulls: Waiters,
}

/// Pulls that wait for one layer, in the order of their serials, which is that in which their manifests came.
#[derive(Clone, Default, Debug)]
struct Waiters {
    /// With their serials; one that does not wait any more is [`GONE`].
    list: Vec<(u32, u32)>,
    gone: usize,
}

const GONE: u32 = u32::MAX;

impl Waiters {
    fn push(&mut self, serial: u32, pull: u32) {
        // An image may name a layer twice.
        if self.list.last() != Some(&(serial, pull)) {
            debug_assert!(self.list.last().is_none_or(|last| last.0 < serial), "a later pull waits longer");
            self.list.push((serial, pull));
        }
    }

    /// A pull waits no longer; the others are not looked at. Says whether nobody waits now who did.
    fn remove(&mut self, serial: u32) -> bool {
        let found = self.list.binary_search_by_key(&serial, |waiter| {
            #[cfg(test)]
            tests::LOOKS.with(|looks| looks.update(|number| number + 1));
            waiter.0
        });
        let Ok(place) = found else { return false };
        let is_news = std::mem::replace(&mut self.list[place].1, GONE) != GONE;
        self.gone += usize::from(is_news);
        is_news && self.gone == self.list.len()
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.list.iter().map(|waiter| waiter.1).filter(|pull| *pull != GONE)
    }

    fn clear(&mut self) {
        self.list.clear();
        self.gone = 0;
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Waiting,
    Requested,
    Flowing(FlowId),
    /// The transfer waits for the same layer on its way to another node of the group.
    Following,
    Arrived,
    Unpacking,
}

impl Images {
    /// The nodes have the images that are present from the beginning. `bandwidths` are those of their interfaces.
    pub fn new<'i>(
        model: &RegistryModel,
        images: &'i [Image],
        bandwidths: impl ExactSizeIterator<Item = Option<u64>>,
    ) -> Self {
        let mut layers = Vec::new();
        let mut digests = Vec::new();
        let mut rows: BTreeMap<&'i str, u32> = BTreeMap::new();
        let (mut contents, mut names): (Vec<Content>, _) = (Vec::new(), BTreeMap::new());
        for image in images {
            let mut row = |layer: &'i crate::scenario::Layer| {
                *rows.entry(&layer.digest).or_insert_with(|| {
                    layers.push(Size { packed: layer.size, unpacked: layer.unpacked });
                    digests.push(layer.digest.as_str().into());
                    layers.len() as u32 - 1
                })
            };
            let layers: Arc<[u32]> = image.layers.iter().map(&mut row).collect();
            let corrupt = image.corrupt.and_then(|number| layers.get(number).copied());
            let name: Arc<str> = image.name.as_str().into();
            names.insert(Reference::name_of(&name).into(), contents.len() as u32);
            let (missing, never) = (image.missing, image.missing);
            contents.push(Content { name, is_known: true, layers, missing, never, corrupt });
        }
        let node = || Store {
            slots: model.max_downloads.max(1),
            waiting: VecDeque::new(),
            transfers: Vec::new(),
            group: 0,
            linked: true,
            pace: 1.0,
            asked: VecDeque::new(),
        };
        let nodes: Vec<Store> = (0..bandwidths.len()).map(|_| node()).collect();
        let mut cached = Cached::new(nodes.len(), layers.len());
        for (image, content) in images.iter().zip(&contents) {
            let present = image.present.iter().flat_map(|&node| content.layers.iter().map(move |layer| (node, *layer)));
            present.for_each(|(node, layer)| cached.keep(node, layer));
        }
        let mut disks = model.cache_bytes.map(|limit| ImageCaches::new(limit, nodes.len(), layers.len()));
        if let Some(disks) = &mut disks {
            for node in 0..nodes.len() {
                for layer in (0..layers.len() as u32).filter(|layer| cached.has(node, *layer)).collect::<Vec<_>>() {
                    let mut evicted = Vec::new();
                    disks.insert(node, layer, layers[layer as usize].unpacked, &mut evicted);
                    evicted.into_iter().for_each(|layer| cached.lose(node, layer));
                }
            }
        }
        Images {
            model: model.clone(),
            nodes,
            cached,
            disks,
            layers,
            digests,
            contents,
            names,
            groups: Vec::new(),
            answers: true,
            line: 1.0,
            pulls: Vec::new(),
            free_pulls: Vec::new(),
            pulling: BTreeMap::new(),
            transfers: Vec::new(),
            free_transfers: Vec::new(),
            serial: 0,
            flows: Flows::new(model.bandwidth, bandwidths),
            armed: None,
            totals: Totals::default(),
            prefetched: 0,
            changed: None,
            done: Vec::new(),
        }
    }

    /// A task needs an image on its node. [`Fact::ImageReady`] tells when all layers are there; at once if the image
    /// is given by digest and complete. Every other reference costs at least the manifest. An image that the registry
    /// does not describe has no layers. If it cannot be pulled, a copy on the node will do; without one
    /// [`Fact::ImageFailed`] says why.
    pub fn pull<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo, node: usize, image: &str) {
        let image_row = self.row_of(image);
        let layers = &self.contents[image_row as usize].layers;
        let mut missed = false;
        for &layer in layers.iter() {
            let packed = self.layers[layer as usize].packed;
            self.totals.needed += packed;
            if self.cached.has(node, layer) {
                self.totals.present += packed;
            } else {
                missed = true;
            }
        }
        if let Some(disks) = &mut self.disks {
            disks.pin(task, node, layers);
        }
        let local = !missed && image.contains('@');
        if local && self.model.copy_rate.is_none() {
            return self.tell_ready(cx, task);
        }
        self.serial += 1;
        let serial = self.serial;
        let new = Pull {
            task,
            node: node as u32,
            serial,
            image: image_row,
            next: 0,
            missed,
            for_nobody: false,
            since: cx.now(),
        };
        let pull = match self.free_pulls.pop() {
            Some(row) => {
                self.pulls[row as usize] = new;
                row
            }
            None => {
                self.pulls.push(new);
                self.pulls.len() as u32 - 1
            }
        };
        self.pulling.insert((node as u32, task), pull);
        if local {
            return self.copy(cx, pull);
        }
        let round_trips = Span::from_nanos(self.model.latency.as_nanos().saturating_mul(2));
        let asking = match host_of(image) {
            Some(_) => times(self.model.manifest, self.nodes[node].pace),
            None => Span::ZERO,
        };
        cx.after(round_trips + asking, ImageEvent::Manifest { pull, serial });
    }

    /// From now on it is noted which nodes' layers change; all of them at first.
    pub fn watch(&mut self) {
        self.changed = Some((0..self.nodes.len()).collect());
    }

    /// A node whose layers changed.
    pub fn take_changed(&mut self) -> Option<usize> {
        self.changed.as_mut()?.pop_first()
    }

    /// Compressed bytes of every image that a node lacks.
    pub fn missing(&self, node: usize) -> impl Iterator<Item = (&Arc<str>, u64)> {
        let lacks = move |layer: &&u32| !self.cached.has(node, **layer);
        let bytes = |layer: &u32| self.layers[*layer as usize].packed;
        self.contents.iter().map(move |content| (&content.name, content.layers.iter().filter(lacks).map(bytes).sum()))
    }

    /// How many images are wholly on a node.
    pub fn held(&self, node: usize) -> u64 {
        let has = |layers: &[u32]| !layers.is_empty() && layers.iter().all(|layer| self.cached.has(node, *layer));
        self.contents.iter().filter(|content| has(&content.layers)).count() as u64
    }

    fn note_changed(&mut self, node: usize) {
        if let Some(changed) = &mut self.changed {
            changed.insert(node);
        }
    }

    /// A node pulls an image for nobody in particular, as `docker pull` does. Nothing tells whether it succeeds.
    pub fn prefetch<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, node: usize, image: &str) {
        let nobody = TaskNo(NOBODY | self.prefetched);
        self.prefetched = (self.prefetched + 1) % NOBODY;
        self.pull(cx, nobody, node, image);
    }

    /// The row of an image. One that the registry does not describe gets a row without layers.
    fn row_of(&mut self, image: &str) -> u32 {
        if let Some(row) = self.names.get(image) {
            return *row;
        }
        let (name, one_name): (Arc<str>, Arc<str>) = (image.into(), Reference::name_of(image).into());
        if let Some(&row) = self.names.get(&one_name) {
            self.names.insert(name, row);
            return row;
        }
        let row = self.contents.len() as u32;
        self.names.insert(one_name, row);
        self.names.insert(Arc::clone(&name), row);
        self.contents.push(Content {
            name,
            is_known: false,
            layers: Arc::default(),
            missing: false,
            never: false,
            corrupt: None,
        });
        row
    }

    /// The engine of each node takes so many times as long as the model says, and the uplink of the registry.
    pub fn with_paces(mut self, paces: &[f64], line: f64) -> Self {
        self.nodes.iter_mut().zip(paces).for_each(|(node, pace)| node.pace = *pace);
        self.line = line;
        self.flows.set_uplink(Time::ZERO, slower(self.model.bandwidth, line));
        self
    }

    /// Puts the nodes into racks, given by number: behind an uplink each, if the model has one, and giving each other what
    /// they have pulled, if the model says so.
    pub fn with_racks(mut self, racks: &[usize]) -> Self {
        if let Some(uplink) = self.model.rack_bandwidth {
            self.flows = self.flows.with_racks(racks, uplink);
        }
        let group = |rack: usize| match self.model.mirror {
            Mirror::None => None,
            Mirror::Rack => Some(rack),
            Mirror::All => Some(0),
        };
        for (row, rack) in racks.iter().enumerate() {
            let Some(group) = group(*rack) else { break };
            if self.groups.len() <= group {
                self.groups.resize_with(group + 1, MirrorGroup::default);
            }
            self.nodes[row].group = group as u32;
            let has = (0..self.layers.len() as u32).filter(|&layer| self.cached.has(row, layer));
            self.groups[group].has.extend(has);
        }
        self
    }

    /// A task is over: nothing holds its image any more. If its node has not heard of that and still pulls, the image is held
    /// until the pull ends.
    pub fn release(&mut self, task: TaskNo) {
        let Some(disks) = &mut self.disks else { return };
        let Some(node) = disks.node_of(task) else { return };
        if let Some(&pull) = self.pulling.get(&(node as u32, task)) {
            self.pulls[pull as usize].for_nobody = true;
            return;
        }
        let mut evicted = Vec::new();
        if let Some(node) = disks.release(task, &mut evicted) {
            if let Some(changed) = self.changed.as_mut().filter(|_| !evicted.is_empty()) {
                changed.insert(node);
            }
            evicted.into_iter().for_each(|layer| self.cached.lose(node, layer));
        }
    }

    /// The registry answers from now on, or does not.
    pub fn switch<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, answers: bool) {
        self.answers = answers;
        for node in 0..self.nodes.len() {
            self.break_off(cx, node);
        }
        self.settle(cx);
    }

    /// The registry does not have an image any more, or has it again. What is on nodes or on its way stays.
    pub fn set_missing(&mut self, image: &str, missing: bool) {
        let row = self.row_of(image);
        let content = &mut self.contents[row as usize];
        content.missing = missing;
        content.never &= missing;
    }

    /// The registry's uplink carries so many bytes per second from now on.
    pub fn set_bandwidth<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, bandwidth: Option<u64>) {
        self.model.bandwidth = bandwidth;
        self.flows.set_uplink(cx.now(), slower(bandwidth, self.line));
        self.settle(cx);
    }

    /// A round trip to the registry takes so long from now on.
    pub fn set_latency(&mut self, latency: Span) {
        self.model.latency = latency;
    }

    /// The registry allows each node so many pulls from now on.
    pub fn set_limit(&mut self, limit: Option<PullLimit>) {
        self.model.limit = limit;
    }

    /// A node's network is cut or whole again.
    pub fn link<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, node: usize, linked: bool) {
        self.nodes[node].linked = linked;
        self.break_off(cx, node);
        self.settle(cx);
    }

    /// A task does not need its image on its node any more. What only it wanted is broken off.
    pub fn cancel<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo, node: usize) {
        let Some(&pull) = self.pulling.get(&(node as u32, task)) else { return };
        self.drop_pull(cx, pull);
        self.fill_slots(cx, node);
        self.settle(cx);
        self.release(task);
    }

    /// A machine loses power: its pulls end. Without `keep_cache` its disk is lost too.
    pub fn power_off<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, node: usize, keep_cache: bool) {
        let (first, last) = ((node as u32, TaskNo(0)), (node as u32, TaskNo(u32::MAX)));
        let mut pulls: Vec<u32> = self.pulling.range(first..=last).map(|(_, &pull)| pull).collect();
        pulls.sort_by_key(|&pull| self.pulls[pull as usize].serial);
        for pull in pulls {
            self.drop_pull(cx, pull);
        }
        if !keep_cache {
            self.cached.clear(node);
            self.note_changed(node);
            self.disks.iter_mut().for_each(|disk| disk.clear(node));
        }
        self.settle(cx);
    }

    /// One of the model's own events is due.
    pub fn handle<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, event: ImageEvent) {
        match event {
            ImageEvent::Manifest { pull, serial } => {
                if self.pulls[pull as usize].serial == serial {
                    match self.refusal(cx.now(), pull) {
                        None => self.want_layers(cx, pull),
                        Some(error) => self.do_without(cx, pull, &error),
                    }
                }
            }
            ImageEvent::Sending { transfer, serial } => {
                if self.is_current(transfer, serial) {
                    self.try_to_send(cx, transfer);
                }
            }
            ImageEvent::Copied { pull, serial } => {
                if self.pulls[pull as usize].serial == serial {
                    self.done(cx, pull);
                }
            }
            ImageEvent::Arrived if self.armed == Some(cx.now()) => {
                self.armed = None;
                let mut done = std::mem::take(&mut self.done);
                self.flows.complete(cx.now(), &mut done);
                for &transfer in &done {
                    let Transfer { stage, layer, .. } = self.transfers[transfer as usize];
                    let from_peer = matches!(stage, Stage::Flowing(flow) if self.flows.is_from_peer(flow));
                    let bytes = self.layers[layer as usize].packed;
                    *(if from_peer { &mut self.totals.from_peer } else { &mut self.totals.sent }) += bytes;
                }
                // They arrived together: what becomes of one must not take another for one that still flows.
                done.iter().for_each(|&transfer| self.transfers[transfer as usize].stage = Stage::Arrived);
                for transfer in done.drain(..) {
                    self.fetched(cx, transfer, true);
                    self.arrived(cx, transfer);
                }
                self.done = done;
            }
            ImageEvent::Arrived => return,
            ImageEvent::Unpacked { transfer, serial } => {
                if self.is_current(transfer, serial) {
                    self.unpacked(cx, transfer);
                }
            }
        }
        self.settle(cx);
    }

    /// What was pulled so far, without transfers that are under way.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// What was pulled by `now`, with what transfers under way have got.
    pub fn totals_by(&mut self, now: Time) -> Totals {
        let [sent, from_peer] = self.flows.under_way(now);
        let totals = self.totals.clone();
        Totals { sent: totals.sent + sent, from_peer: totals.from_peer + from_peer, ..totals }
    }

    /// Bytes that the registry sent by `now`, with those of transfers under way.
    pub fn sent_by(&mut self, now: Time) -> u64 {
        self.totals.sent + self.flows.under_way(now)[0]
    }

    fn is_current(&self, transfer: u32, serial: u32) -> bool {
        self.transfers[transfer as usize].serial == serial
    }

    /// Whether a layer can come to its node.
    fn can_come(&self, transfer: u32) -> bool {
        let Transfer { node, layer, .. } = self.transfers[transfer as usize];
        let has_peer =
            || self.groups.get(self.nodes[node].group as usize).is_some_and(|group| group.has.contains(&layer));
        self.nodes[node].linked && (self.answers || has_peer())
    }

    fn try_to_send<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, transfer: u32) {
        if self.can_come(transfer) {
            self.send(cx.now(), transfer);
        } else {
            self.retry(cx, transfer);
        }
    }

    /// A layer begins to flow, from the group if somebody there has it; if it is on its way to one of them, it waits for that.
    fn send(&mut self, now: Time, transfer: u32) {
        let download = &mut self.transfers[transfer as usize];
        let bytes = self.layers[download.layer as usize].packed;
        let mut source = Source::Registry;
        if let Some(group) = self.groups.get_mut(self.nodes[download.node].group as usize) {
            if group.has.contains(&download.layer) {
                source = Source::Peer;
            } else if let Some((_, followers)) = group.fetching.get_mut(&download.layer) {
                followers.push(transfer);
                download.stage = Stage::Following;
                return;
            } else {
                group.fetching.insert(download.layer, (transfer, Vec::new()));
            }
        }
        download.stage = Stage::Flowing(self.flows.start(now, download.node, source, bytes, transfer));
    }

    /// A transfer does not flow any more, because its layer `came` or because it broke off. Whoever waited for it goes on.
    fn fetched<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, transfer: u32, came: bool) {
        let Transfer { node, layer, .. } = self.transfers[transfer as usize];
        let Some(group) = self.groups.get_mut(self.nodes[node].group as usize) else { return };
        if came {
            group.has.insert(layer);
        }
        let followers = match group.fetching.get(&layer) {
            Some(&(fetcher, _)) if fetcher == transfer => group.fetching.remove(&layer).map(|entry| entry.1),
            _ => None,
        };
        for follower in followers.unwrap_or_default() {
            if self.transfers[follower as usize].stage == Stage::Following {
                self.try_to_send(cx, follower);
            }
        }
    }

    /// Why the registry gives no manifest, if it gives none.
    fn refusal(&mut self, now: Time, pull: u32) -> Option<String> {
        let Pull { node, image, .. } = self.pulls[pull as usize];
        let (node, image) = (node as usize, &self.contents[image as usize]);
        if !(self.answers && self.nodes[node].linked) {
            let host = host_of(&image.name).unwrap_or("registry-1.docker.io");
            return Some(format!("Get \"https://{host}/v2/\": dial tcp: connect: connection refused"));
        }
        if let Some(limit) = self.model.limit {
            let asked = &mut self.nodes[node].asked;
            while asked.front().is_some_and(|&at| at + limit.window <= now) {
                asked.pop_front();
            }
            if limit.pulls <= asked.len() as u64 {
                let more = "You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit";
                return Some(format!("toomanyrequests: You have reached your pull rate limit. {more}"));
            }
            asked.push_back(now);
        }
        let Content { name, missing, .. } = image;
        missing.then(|| format!("manifest for {name} not found: manifest unknown: manifest unknown"))
    }

    /// An image cannot be pulled: a copy on the node will do.
    fn do_without<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, pull: u32, error: &str) {
        let Pull { task, node, image, serial, .. } = self.pulls[pull as usize];
        if serial == 0 {
            return; // What failed before took this one along.
        }
        let image = &self.contents[image as usize];
        let is_there = || image.layers.iter().all(|&layer| self.cached.has(node as usize, layer));
        if image.is_known && !image.never && is_there() {
            return self.copy(cx, pull);
        }
        let error =
            if self.model.reports_pull_errors { error.into() } else { format!("No such image: {}", image.name).into() };
        self.drop_pull(cx, pull);
        self.release(task);
        if task.0 < NOBODY {
            cx.tell(Fact::ImageFailed(task, error));
        }
    }

    /// All layers are there. Some storage drivers copy them for every container.
    fn copy<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, pull: u32) {
        let Pull { task, node, serial, image, .. } = self.pulls[pull as usize];
        // What is for nobody is no container's.
        let Some(rate) = self.model.copy_rate.filter(|_| task.0 < NOBODY) else { return self.done(cx, pull) };
        let layers = self.contents[image as usize].layers.iter();
        let bytes: u64 = layers.map(|&layer| self.layers[layer as usize].unpacked).sum();
        let copy = times(Span::from_secs_f64(bytes as f64 / rate as f64), self.nodes[node as usize].pace);
        cx.after(copy, ImageEvent::Copied { pull, serial });
    }

    /// A task has its image.
    fn done<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, pull: u32) {
        let task = self.pulls[pull as usize].task;
        if task.0 < NOBODY {
            cx.tell(Fact::ImageReady(task));
        }
        self.drop_pull(cx, pull);
        if task.0 >= NOBODY {
            self.release(task);
        }
    }

    fn tell_ready<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, task: TaskNo) {
        if task.0 < NOBODY {
            cx.tell(Fact::ImageReady(task));
        } else {
            self.release(task);
        }
    }

    /// Downloads to a node break off where nothing comes through any more.
    fn break_off<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        for transfer in self.nodes[node].transfers.clone() {
            if let Stage::Flowing(flow) = self.transfers[transfer as usize].stage
                && !self.can_come(transfer)
            {
                self.count(cx.now(), flow);
                self.retry(cx, transfer);
                self.fetched(cx, transfer, false);
            }
        }
    }

    /// Breaks a flow off and counts what it got.
    fn count(&mut self, now: Time, flow: FlowId) {
        let from_peer = self.flows.is_from_peer(flow);
        let got = self.flows.cancel(now, flow);
        *(if from_peer { &mut self.totals.from_peer } else { &mut self.totals.sent }) += got;
    }

    /// A download failed. It keeps its slot until it is tried again; at last its pulls fail.
    fn retry<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, transfer: u32) {
        let download = &mut self.transfers[transfer as usize];
        download.stage = Stage::Requested;
        download.attempts += 1;
        if download.attempts < ATTEMPTS {
            let wait = Span::from_nanos(RETRY.as_nanos() * u64::from(download.attempts));
            cx.after(wait, ImageEvent::Sending { transfer, serial: download.serial });
            return;
        }
        self.give_up(cx, transfer, "connection refused");
    }

    /// A layer cannot be had.
    fn give_up<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, transfer: u32, error: &str) {
        let node = self.transfers[transfer as usize].node;
        for pull in self.transfers[transfer as usize].pulls.iter().collect::<Vec<_>>() {
            self.do_without(cx, pull, error);
        }
        self.fill_slots(cx, node);
    }

    /// The layers of an image are known: those that are neither there nor on their way are ordered.
    fn want_layers<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, pull: u32) {
        let Pull { node, image, missed, serial, .. } = self.pulls[pull as usize];
        let node = node as usize;
        if !missed && self.disks.is_none() {
            // Nothing was missing when it was asked for, and nothing is lost meanwhile.
            return self.go_on(cx, pull);
        }
        for &layer in Arc::clone(&self.contents[image as usize].layers).iter() {
            if self.cached.has(node, layer) {
                continue;
            }
            let transfer = self.transfer(node, layer).unwrap_or_else(|| self.order(node, layer));
            self.transfers[transfer as usize].pulls.push(serial, pull);
        }
        self.fill_slots(cx, node);
        self.go_on(cx, pull);
    }

    fn transfer(&self, node: usize, layer: u32) -> Option<u32> {
        let mut transfers = self.nodes[node].transfers.iter().copied();
        transfers.find(|&other| self.transfers[other as usize].layer == layer)
    }

    fn order(&mut self, node: usize, layer: u32) -> u32 {
        self.serial += 1;
        let mut new = Transfer {
            node,
            layer,
            serial: self.serial,
            stage: Stage::Waiting,
            attempts: 0,
            pulls: Waiters::default(),
        };
        let row = self.free_transfers.pop().unwrap_or(self.transfers.len() as u32);
        if row as usize == self.transfers.len() {
            self.transfers.push(new);
        } else {
            // The list's memory stays with the row.
            let old = &mut self.transfers[row as usize];
            old.pulls.clear();
            std::mem::swap(&mut new.pulls, &mut old.pulls);
            *old = new;
        }
        self.nodes[node].transfers.push(row);
        self.nodes[node].waiting.push_back(row);
        row
    }

    /// Downloads begin as long as the daemon has slots.
    fn fill_slots<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, node: usize) {
        let store = &mut self.nodes[node];
        while store.slots > 0 {
            let Some(transfer) = store.waiting.pop_front() else { return };
            store.slots -= 1;
            let Transfer { serial, stage, .. } = &mut self.transfers[transfer as usize];
            *stage = Stage::Requested;
            cx.after(self.model.latency, ImageEvent::Sending { transfer, serial: *serial });
        }
    }

    fn arrived<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, transfer: u32) {
        let Transfer { node, layer, serial, .. } = self.transfers[transfer as usize];
        self.nodes[node].slots += 1;
        if serial != 0 {
            // Otherwise nobody wants it since a layer that came with it was not what it should be.
            self.verify(cx, transfer);
        }
        self.fill_slots(cx, node);
        let pulls = &self.transfers[transfer as usize].pulls;
        let first = pulls.iter().find(|&pull| self.next_layer(pull) == Some(layer));
        if let Some(pull) = first {
            self.unpack(cx, pull, transfer);
        }
    }

    /// What arrived must match its digest; if not, it is not tried again.
    fn verify<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, transfer: u32) {
        let download = &self.transfers[transfer as usize];
        let is_corrupt = |pull: &u32| {
            let image = self.pulls[*pull as usize].image;
            self.contents[image as usize].corrupt == Some(download.layer)
        };
        let digest = &self.digests[download.layer as usize];
        let error = format!("filesystem layer verification failed for digest {digest}");
        for pull in download.pulls.iter().filter(is_corrupt).collect::<Vec<_>>() {
            self.do_without(cx, pull, &error);
        }
    }

    /// The next layer of a pull is unpacked; a storage driver that copies begins with a copy of what is below it.
    fn unpack<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, pull: u32, transfer: u32) {
        let Pull { image, next, .. } = self.pulls[pull as usize];
        let below = self.contents[image as usize].layers[..next as usize].iter();
        let below: u64 = below.map(|&layer| self.layers[layer as usize].unpacked).sum();
        let download = &mut self.transfers[transfer as usize];
        download.stage = Stage::Unpacking;
        let bytes = self.layers[download.layer as usize].unpacked;
        let time = |bytes: u64, rate: Option<u64>| {
            rate.map_or(Span::ZERO, |rate| Span::from_secs_f64(bytes as f64 / rate as f64))
        };
        let time = time(below, self.model.copy_rate) + time(bytes, self.model.unpack_rate);
        let time = times(time, self.nodes[download.node].pace);
        cx.after(time, ImageEvent::Unpacked { transfer, serial: download.serial });
    }

    fn unpacked<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, transfer: u32) {
        let download = &mut self.transfers[transfer as usize];
        let (node, layer, mut pulls) = (download.node, download.layer, std::mem::take(&mut download.pulls));
        self.cached.keep(node, layer);
        self.note_changed(node);
        if let Some(disks) = &mut self.disks {
            let mut evicted = Vec::new();
            disks.insert(node, layer, self.layers[layer as usize].unpacked, &mut evicted);
            evicted.into_iter().for_each(|layer| self.cached.lose(node, layer));
        }
        self.forget(transfer);
        pulls.iter().for_each(|pull| self.go_on(cx, pull));
        pulls.clear();
        self.transfers[transfer as usize].pulls = pulls;
    }

    /// The first layer of a pull that is not unpacked yet.
    fn next_layer(&self, pull: u32) -> Option<u32> {
        let Pull { image, next, .. } = self.pulls[pull as usize];
        self.contents[image as usize].layers.get(next as usize).copied()
    }

    /// Takes a pull past the layers that are there, and unpacks its next one if that has arrived.
    fn go_on<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, pull: u32) {
        let progress = &mut self.pulls[pull as usize];
        let (node, layers) = (progress.node as usize, &self.contents[progress.image as usize].layers);
        while layers.get(progress.next as usize).is_some_and(|&layer| self.cached.has(node, layer)) {
            progress.next += 1;
        }
        let (missed, since) = (progress.missed, progress.since);
        match self.next_layer(pull) {
            None => {
                if missed {
                    self.totals.durations.push(cx.now() - since);
                }
                self.copy(cx, pull);
            }
            Some(layer) => {
                let transfer = self.transfer(node, layer).expect("a missing layer is on its way");
                if self.transfers[transfer as usize].stage == Stage::Arrived {
                    self.unpack(cx, pull, transfer);
                }
            }
        }
    }

    fn drop_pull<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>, pull: u32) {
        let progress = &mut self.pulls[pull as usize];
        let Pull { task, node, image, serial, .. } = *progress;
        let node = node as usize;
        progress.serial = 0;
        self.free_pulls.push(pull);
        self.pulling.remove(&(node as u32, task));
        if std::mem::take(&mut progress.for_nobody) {
            self.release(task);
        }
        if self.nodes[node].transfers.is_empty() {
            return;
        }
        let layers = Arc::clone(&self.contents[image as usize].layers);
        for transfer in self.nodes[node].transfers.clone() {
            let download = &mut self.transfers[transfer as usize];
            if !layers.contains(&download.layer) {
                continue;
            }
            if !download.pulls.remove(serial) {
                continue;
            }
            let stage = download.stage;
            let mut it_broke_off = false;
            match stage {
                Stage::Waiting => self.nodes[node].waiting.retain(|&other| other != transfer),
                Stage::Requested => self.nodes[node].slots += 1,
                Stage::Following => self.nodes[node].slots += 1,
                Stage::Flowing(flow) => {
                    self.count(cx.now(), flow);
                    self.nodes[node].slots += 1;
                    it_broke_off = true;
                }
                Stage::Arrived | Stage::Unpacking => {}
            }
            if it_broke_off {
                self.fetched(cx, transfer, false);
            }
            self.forget(transfer);
        }
    }

    fn forget(&mut self, transfer: u32) {
        let download = &mut self.transfers[transfer as usize];
        download.serial = 0;
        download.stage = Stage::Unpacking;
        let (layer, node) = (download.layer, download.node);
        if let Some((_, followers)) =
            self.groups.get_mut(self.nodes[node].group as usize).and_then(|group| group.fetching.get_mut(&layer))
        {
            followers.retain(|&other| other != transfer);
        }
        let download = &self.transfers[transfer as usize];
        self.nodes[download.node].transfers.retain(|&other| other != transfer);
        self.free_transfers.push(transfer);
    }

    /// Announces the next arrival.
    fn settle<E: From<ImageEvent>>(&mut self, cx: &mut Context<E>) {
        if let Some(next) = self.flows.next_at()
            && self.armed.is_none_or(|armed| next < armed)
        {
            self.armed = Some(next);
            cx.at(next, ImageEvent::Arrived);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    thread_local! {
        /// Pulls that were looked at for the end of another one.
        pub(super) static LOOKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    #[test]
    fn the_end_of_a_pull_costs_the_same_however_many_wait_for_its_layers() {
        let images = [image("web", &[("a", 10), ("b", 20)])];
        let mut lab = Lab::new(&registry(), &images);
        let pulls = 4000;
        (0..pulls).for_each(|task| lab.pull(task, 0, "web"));
        lab.until(1.0);
        // Every other one is given up, in no particular order; the others get their image.
        let before = LOOKS.get();
        for task in (0..pulls).map(|number| number * 1999 % pulls).filter(|task| !task.is_multiple_of(2)) {
            lab.images.cancel(&mut lab.cx, TaskNo(task), 0);
        }
        let done = lab.until(60.0);
        assert_eq!(done.len() as u32, pulls / 2);
        assert!(done.iter().all(|(task, _)| task.is_multiple_of(2)));
        let looks = LOOKS.get() - before;
        assert!((pulls as usize..32 * pulls as usize).contains(&looks), "{looks} looks for {pulls} pulls");
    }

    fn image(name: &str, layers: &[(&str, u64)]) -> Image {
        let layer =
            |&(digest, size): &(&str, u64)| Layer { digest: digest.into(), size: size * MB, unpacked: 2 * size * MB };
        Image { name: name.into(), layers: layers.iter().map(layer).collect(), ..Image::default() }
    }

    /// Uplink of 10 MB/s, 0.1 s latency, unpacking 20 MB/s.
    fn registry() -> RegistryModel {
        RegistryModel {
            bandwidth: Some(10 * MB),
            latency: Span::from_millis(100),
            unpack_rate: Some(20 * MB),
            ..RegistryModel::default()
        }
    }

    struct Lab {
        images: Images,
        cx: Context<ImageEvent>,
        failed: Vec<(u32, String)>,
    }

    impl Lab {
        fn new(model: &RegistryModel, images: &[Image]) -> Self {
            Lab { images: Images::new(model, images, [None, None].into_iter()), cx: Context::new(), failed: Vec::new() }
        }

        fn pull(&mut self, task: u32, node: usize, image: &str) {
            self.images.pull(&mut self.cx, TaskNo(task), node, image);
        }

        fn failed(&mut self) -> Vec<(u32, String)> {
            self.done();
            std::mem::take(&mut self.failed)
        }

        /// Tasks whose pulls are done since it was last asked.
        fn done(&mut self) -> Vec<u32> {
            let mut done = Vec::new();
            for fact in self.cx.take_facts() {
                match fact {
                    Fact::ImageReady(task) => done.push(task.0),
                    Fact::ImageFailed(task, error) => self.failed.push((task.0, error.to_string())),
                    other => panic!("{other:?}"),
                }
            }
            done
        }

        /// Handles everything before `end`; when each pull was done, in seconds.
        fn until(&mut self, end: f64) -> Vec<(u32, f64)> {
            let end = Time::ZERO + Span::from_secs_f64(end);
            let mut times = Vec::new();
            self.cx.at(end, ImageEvent::Manifest { pull: u32::MAX, serial: 0 });
            loop {
                let now = self.cx.now().as_secs_f64();
                times.extend(self.done().into_iter().map(|task| (task, now)));
                match self.cx.pop() {
                    Some((_, ImageEvent::Manifest { pull: u32::MAX, .. })) => return times,
                    Some((_, event)) => self.images.handle(&mut self.cx, event),
                    None => unreachable!("the end is scheduled"),
                }
            }
        }
    }

    #[test]
    fn layers_come_together_and_are_unpacked_in_order() {
        let model = registry();
        let images = [image("web", &[("base", 20), ("app", 10)])];
        let mut lab = Lab::new(&model, &images);
        lab.pull(0, 0, "web");
        // Manifest 0.2 s, request 0.1 s; both at 5 MB/s: app after 2 s, base after 3 s at 10 MB/s; unpacking 2 s and 1 s.
        assert_eq!(lab.until(60.0), [(0, 0.3 + 3.0 + 2.0 + 1.0)]);
        assert_eq!(lab.images.totals().sent, 30 * MB);
        assert_eq!(lab.images.totals().durations, [Span::from_millis(6300)]);
    }

    #[test]
    fn a_layer_that_two_pulls_want_is_downloaded_once() {
        let model = registry();
        let images = [image("web", &[("base", 20), ("app", 10)]), image("api", &[("base", 20)])];
        let mut lab = Lab::new(&model, &images);
        lab.pull(0, 0, "web");
        lab.pull(1, 0, "web");
        lab.pull(2, 0, "api");
        assert_eq!(lab.until(60.0), [(2, 5.3), (0, 6.3), (1, 6.3)]);
        assert_eq!(lab.images.totals().sent, 30 * MB);
        lab.pull(3, 0, "api");
        assert_eq!(lab.until(120.0), [(3, 60.2)], "only the manifest");
        assert_eq!(lab.images.totals().needed, (30 + 30 + 20 + 20) * MB);
        assert_eq!(lab.images.totals().present, 20 * MB);
    }

    #[test]
    fn an_image_is_pulled_once_however_it_is_written() {
        let model = registry();
        let images = [image("docker.io/library/web:latest", &[("base", 20)])];
        let mut lab = Lab::new(&model, &images);
        for (task, name) in
            ["web", "web:latest", "index.docker.io/web", "docker.io/library/web"].into_iter().enumerate()
        {
            lab.pull(task as u32, 0, name);
            lab.until(60.0 * (task + 1) as f64);
        }
        assert_eq!(lab.images.totals().sent, 20 * MB);
    }

    #[test]
    fn a_complete_image_by_digest_costs_nothing() {
        let model = registry();
        let images = [image("web@sha256:1", &[("base", 20)])];
        let mut lab = Lab::new(&model, &images);
        lab.pull(0, 0, "web@sha256:1");
        lab.until(60.0);
        lab.pull(1, 0, "web@sha256:1");
        assert_eq!(lab.done(), [1]);
    }

    #[test]
    fn a_daemon_downloads_a_few_layers_at_a_time() {
        let model = RegistryModel { max_downloads: 1, unpack_rate: None, ..registry() };
        let images = [image("web", &[("a", 10), ("b", 10), ("c", 10)])];
        let mut lab = Lab::new(&model, &images);
        lab.pull(0, 0, "web");
        // Every layer waits for the one before and for its own request.
        assert_eq!(lab.until(60.0), [(0, 3.5)]);
    }

    #[test]
    fn a_cancelled_pull_leaves_what_others_want() {
        let model = RegistryModel { unpack_rate: None, latency: Span::ZERO, ..registry() };
        let images = [image("web", &[("base", 20), ("app", 20)]), image("api", &[("base", 20)])];
        let mut lab = Lab::new(&model, &images);
        lab.pull(0, 0, "web");
        lab.pull(1, 0, "api");
        lab.until(1.0);
        lab.images.cancel(&mut lab.cx, TaskNo(0), 0);
        // One second at 5 MB/s each, then base alone.
        assert_eq!(lab.until(60.0), [(1, 2.5)]);
        assert_eq!(lab.images.totals().sent, 25 * MB);
    }

    #[test]
    fn a_cancelled_download_gives_its_slot_to_the_next() {
        let model = RegistryModel { max_downloads: 1, unpack_rate: None, latency: Span::ZERO, ..registry() };
        let images = [image("web", &[("a", 100)]), image("api", &[("b", 10)])];
        let mut lab = Lab::new(&model, &images);
        lab.pull(0, 0, "web");
        lab.pull(1, 0, "api");
        lab.until(1.0);
        lab.images.cancel(&mut lab.cx, TaskNo(0), 0);
        assert_eq!(lab.until(60.0), [(1, 2.0)]);
    }

    #[test]
    fn layers_that_come_together_fall_together_with_one_that_is_corrupt() {
        for (bandwidth, latency) in [(None, 0), (Some(10 * MB), 100)] {
            let model = RegistryModel { bandwidth, latency: Span::from_millis(latency), ..registry() };
            let web = Image { corrupt: Some(1), ..image("web", &[("a", 10), ("b", 10), ("c", 10), ("d", 10)]) };
            let images = [web, image("api", &[("a", 10), ("d", 10)])];
            let mut lab = Lab::new(&model, &images);
            for round in 0..3 {
                lab.pull(round, 0, "web");
                lab.until(f64::from(round + 1) * 100.0);
                let error = "filesystem layer verification failed for digest b".to_string();
                assert_eq!(lab.failed(), [(round, error)]);
                assert_eq!((lab.images.nodes[0].slots, lab.images.nodes[0].transfers.len()), (3, 0));
            }
            assert_eq!(lab.cx.pending(), 0, "nothing is tried again");
            lab.pull(3, 0, "api");
            assert_eq!(lab.until(1000.0).len(), 1);
        }
    }

    #[test]
    fn loss_of_power_breaks_off_and_may_cost_the_cache() {
        let model = RegistryModel { unpack_rate: None, latency: Span::ZERO, ..registry() };
        let images = [image("web", &[("base", 10)]), image("api", &[("base", 10), ("more", 100)])];
        let mut lab = Lab::new(&model, &images);
        lab.pull(0, 0, "web");
        lab.pull(1, 1, "web");
        assert_eq!(lab.until(10.0), [(0, 2.0), (1, 2.0)]);
        lab.pull(2, 0, "api");
        lab.pull(3, 1, "api");
        lab.until(15.0);
        lab.images.power_off(&mut lab.cx, 0, true);
        lab.images.power_off(&mut lab.cx, 1, false);
        lab.pull(4, 0, "web");
        lab.pull(5, 1, "web");
        assert_eq!(lab.until(60.0), [(4, 15.0), (5, 16.0)]);
        assert_eq!(lab.images.totals().sent, (20 + 50 + 10) * MB);
    }

    #[test]
    fn two_nodes_share_the_uplink() {
        let model = RegistryModel { unpack_rate: None, latency: Span::ZERO, ..registry() };
        let images = [image("web", &[("base", 10)])];
        let mut lab = Lab::new(&model, &images);
        lab.pull(0, 0, "web");
        lab.until(0.5);
        assert_eq!(lab.images.sent_by(Time::ZERO + Span::from_millis(500)), 5_000_000);
        assert_eq!(
            (lab.images.totals().sent, lab.images.totals_by(Time::ZERO + Span::from_millis(500)).sent),
            (0, 5_000_000)
        );
        lab.pull(1, 1, "web");
        // The first has 5 MB left, at 5 MB/s; then the second has 5 MB left, at 10 MB/s.
        assert_eq!(lab.until(60.0), [(0, 1.5), (1, 2.0)]);
    }

    #[test]
    fn a_copy_on_the_node_stands_in_for_a_registry_that_does_not_answer() {
        let model = registry();
        let images = [image("web", &[("base", 20)]), image("host.example:5000/api", &[("other", 20)])];
        let mut lab = Lab::new(&model, &images);
        lab.pull(0, 0, "web");
        lab.until(60.0);
        lab.images.switch(&mut lab.cx, false);
        lab.pull(1, 0, "web");
        lab.pull(2, 1, "web");
        lab.pull(3, 0, "host.example:5000/api");
        assert_eq!(lab.until(70.0), [(1, 60.2)]);
        let refused = |host: &str| format!("Get \"https://{host}/v2/\": dial tcp: connect: connection refused");
        assert_eq!(lab.failed(), [(2, refused("registry-1.docker.io")), (3, refused("host.example:5000"))]);
        lab.images.switch(&mut lab.cx, true);
        lab.pull(4, 1, "web");
        assert_eq!(lab.until(90.0).len(), 1);
    }

    #[test]
    fn an_older_engine_only_says_that_there_is_no_such_image() {
        let model = RegistryModel { reports_pull_errors: false, ..registry() };
        let images = [Image { missing: true, ..image("nope:1", &[]) }];
        let mut lab = Lab::new(&model, &images);
        lab.pull(0, 0, "nope:1");
        lab.until(1.0);
        assert_eq!(lab.failed(), [(0, "No such image: nope:1".to_string())]);
    }

    #[test]
    fn a_download_that_breaks_off_is_tried_five_times() {
        let model = RegistryModel { unpack_rate: None, latency: Span::ZERO, ..registry() };
        let images = [image("web", &[("base", 100)])];
        let mut lab = Lab::new(&model, &images);
        lab.pull(0, 0, "web");
        lab.until(4.0);
        lab.images.switch(&mut lab.cx, false);
        // Broken off at 4 s; tried without success at 9 s; at 19 s the registry is back and sends it from the beginning.
        lab.until(12.0);
        lab.images.switch(&mut lab.cx, true);
        assert_eq!(lab.until(60.0), [(0, 29.0)]);
        assert_eq!(lab.images.totals().sent, 140 * MB);
        lab.pull(1, 1, "web");
        lab.until(61.0);
        lab.images.link(&mut lab.cx, 1, false);
        assert_eq!(lab.until(61.0 + 49.0), []);
        assert_eq!(lab.failed(), []);
        lab.until(61.0 + 51.0);
        assert_eq!(lab.failed(), [(1, "connection refused".to_string())]);
    }

    #[test]
    fn a_layer_that_does_not_match_its_digest_is_refused_at_once() {
        let model = RegistryModel { unpack_rate: None, latency: Span::ZERO, ..registry() };
        let images =
            [Image { corrupt: Some(1), ..image("web", &[("base", 10), ("app", 10)]) }, image("api", &[("base", 10)])];
        let mut lab = Lab::new(&model, &images);
        lab.pull(0, 0, "web");
        lab.pull(1, 0, "api");
        assert_eq!(lab.until(60.0), [(1, 2.0)], "the good layer is of use to others");
        assert_eq!(lab.failed(), [(0, "filesystem layer verification failed for digest app".to_string())]);
    }

    #[test]
    fn an_allowance_of_pulls_comes_back_with_time() {
        let limit = PullLimit { pulls: 2, window: Span::from_secs(100) };
        let model = RegistryModel { latency: Span::ZERO, limit: Some(limit), ..registry() };
        let images = [image("a", &[]), image("b", &[("base", 1)])];
        let mut lab = Lab::new(&model, &images);
        for task in 0..2 {
            lab.pull(task, 0, "a");
        }
        lab.pull(2, 0, "b");
        lab.pull(3, 1, "b");
        assert_eq!(lab.until(50.0).iter().map(|entry| entry.0).collect::<Vec<_>>(), [0, 1, 3]);
        let failed = lab.failed();
        assert!(failed[0].1.starts_with("toomanyrequests: "), "{failed:?}");
        lab.until(100.0);
        lab.pull(4, 0, "b");
        assert_eq!(lab.until(200.0).len(), 1);
    }

    #[test]
    fn what_is_present_from_the_beginning_is_copied_for_each_container_if_the_driver_does() {
        let model = RegistryModel { copy_rate: Some(10 * MB), latency: Span::ZERO, ..registry() };
        let images = [Image { present: vec![0], ..image("web@sha256:1", &[("base", 20)]) }];
        let mut lab = Lab::new(&model, &images);
        lab.pull(0, 0, "web@sha256:1");
        assert_eq!(lab.until(60.0), [(0, 4.0)]);
        assert_eq!(lab.images.totals().sent, 0);
        assert_eq!(lab.images.totals().durations, []);
    }

    #[test]
    fn what_one_node_has_fetched_the_others_of_its_rack_get_from_its_mirror() {
        let model = RegistryModel { unpack_rate: None, latency: Span::ZERO, mirror: Mirror::Rack, ..registry() };
        let images = [image("web", &[("base", 20)])];
        let mut lab = Lab {
            images: Images::new(&model, &images, (0..4).map(|_| Some(20 * MB))).with_racks(&[0, 0, 0, 1]),
            cx: Context::new(),
            failed: Vec::new(),
        };
        for node in 0..4 {
            lab.pull(node, node as usize, "web");
        }
        // The first of each rack share the uplink of 10 MB/s for 4 s; the others then take a second each.
        let mut times = lab.until(60.0);
        times.sort_by_key(|entry| entry.0);
        assert_eq!(times, [(0, 4.0), (1, 5.0), (2, 5.0), (3, 4.0)]);
        assert_eq!((lab.images.totals().sent, lab.images.totals().from_peer), (40 * MB, 40 * MB));
    }

    #[test]
    fn who_waits_for_a_fetch_that_breaks_off_fetches_itself() {
        let model = RegistryModel { unpack_rate: None, latency: Span::ZERO, mirror: Mirror::Rack, ..registry() };
        let images = [image("web", &[("base", 20)])];
        let mut lab = Lab {
            images: Images::new(&model, &images, [None, None, None].into_iter()).with_racks(&[0, 0, 0]),
            cx: Context::new(),
            failed: Vec::new(),
        };
        for node in 0..3 {
            lab.pull(node, node as usize, "web");
        }
        lab.until(1.0);
        lab.images.cancel(&mut lab.cx, TaskNo(1), 1);
        lab.images.power_off(&mut lab.cx, 0, true);
        assert_eq!(lab.until(60.0), [(2, 3.0)]);
        assert_eq!(lab.images.totals().sent, 30 * MB);
    }

    #[test]
    fn a_tag_asks_its_registry_and_a_digest_that_is_there_does_not() {
        let model =
            RegistryModel { manifest: Span::from_secs(1), copy_rate: Some(10 * MB), latency: Span::ZERO, ..registry() };
        let present = |name: &str| Image { present: vec![0, 1], ..image(name, &[("base", 10)]) };
        let images = [present("host:5000/web:1"), present("host:5000/web@sha256:1"), present("web:1")];
        let mut lab = Lab::new(&model, &images);
        for (task, image) in images.iter().enumerate() {
            lab.pull(task as u32, 0, &image.name);
        }
        // Copied for the container in 2 s; Docker Hub is not the registry that was measured.
        assert_eq!(lab.until(60.0), [(1, 2.0), (2, 2.0), (0, 3.0)]);
    }

    #[test]
    fn a_slow_line_of_a_run_stays_slow_when_it_is_given_another_rate() {
        let model = RegistryModel { unpack_rate: None, latency: Span::ZERO, ..registry() };
        let images = [image("web", &[("base", 10)])];
        let mut lab = Lab {
            images: Images::new(&model, &images, [None, None].into_iter()).with_paces(&[1.0, 1.0], 2.0),
            cx: Context::new(),
            failed: Vec::new(),
        };
        lab.pull(0, 0, "web");
        assert_eq!(lab.until(60.0), [(0, 2.0)]);
        lab.images.set_bandwidth(&mut lab.cx, Some(5 * MB));
        lab.pull(1, 1, "web");
        assert_eq!(lab.until(120.0), [(1, 64.0)]);
    }

    #[test]
    fn a_slow_engine_unpacks_and_copies_slowly_and_is_sent_as_fast_as_others() {
        let model = RegistryModel { copy_rate: Some(10 * MB), latency: Span::ZERO, ..registry() };
        let images = [image("web", &[("base", 10)])];
        let mut lab = Lab {
            images: Images::new(&model, &images, [None, None].into_iter()).with_paces(&[1.0, 2.0], 1.0),
            cx: Context::new(),
            failed: Vec::new(),
        };
        lab.pull(0, 0, "web");
        assert_eq!(lab.until(60.0), [(0, 1.0 + 1.0 + 2.0)]);
        lab.pull(1, 1, "web");
        assert_eq!(lab.until(120.0), [(1, 60.0 + 1.0 + 2.0 * (1.0 + 2.0))]);
    }

    #[test]
    fn a_driver_that_copies_does_so_for_every_layer() {
        let model = RegistryModel { copy_rate: Some(10 * MB), bandwidth: None, latency: Span::ZERO, ..registry() };
        let images = [image("web", &[("base", 10), ("app", 10)])];
        let mut lab = Lab::new(&model, &images);
        lab.pull(0, 0, "web");
        // Unpacked 20 MB each, a second at 20 MB/s; the base copied for the upper layer, then both for the container.
        assert_eq!(lab.until(60.0), [(0, 1.0 + 2.0 + 1.0 + 4.0)]);
    }
}
