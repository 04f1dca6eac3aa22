//! Random scenarios that the reader must accept: every table and key of `scenarios/README.md`, small.
//!
//! A scenario has a few nodes and services, and as many events, arrivals and the like that a run takes milliseconds: what
//! is done over and over again has a distance that is a part of the duration.

use std::collections::{BTreeMap, BTreeSet};

use sim::metrics::METRICS;

use super::dice::{CENTURY, Dice, SECOND};
use super::document::{Item, Table};

/// A scenario and the files that it names.
#[derive(Clone, Debug, Default)]
pub struct Case {
    pub scenario: Table,
    pub files: BTreeMap<String, String>,
}

/// The scenario of a seed.
pub fn case(seed: u64) -> Case {
    let mut writer = Writer::new(Dice::new(seed));
    let scenario = writer.scenario();
    Case { scenario, files: writer.files }
}

const STRATEGIES: &[&str] = &[
    "spread",
    "spread-even",
    "binpack",
    "random",
    "two-choices",
    "worst-fit",
    "cache-aware",
    "dominant-fit",
    "domains",
];
const IMAGES: &[&str] = &[
    "nginx",
    "redis:7",
    "registry.example.com:5000/team/app:1.2",
    "batch",
    "alpine@sha256:0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b0a1b",
    "localhost/x_y/z",
];
const KINDS: &[&str] = &["gpu", "fpga"];
const FILES: &[&str] = &["site-1", "site-2", "key"];

struct Node {
    name: String,
    pool: String,
    labels: BTreeMap<String, String>,
}

#[derive(Clone)]
struct Service {
    name: String,
    at: u64,
    is_replicated: bool,
    /// Whether requests reach it through the mesh.
    is_reachable: bool,
    /// When a script removes it.
    removed: Option<u64>,
    /// When a script has changed it for the first time.
    changed: Option<u64>,
}

struct Writer {
    dice: Dice,
    duration: u64,
    /// Whether there is no swarm before somebody makes one.
    unfounded: bool,
    nodes: Vec<Node>,
    services: Vec<Service>,
    stacks: BTreeSet<String>,
    images: Vec<String>,
    networks: Vec<String>,
    queues: Vec<String>,
    crews: Vec<String>,
    /// Names of events.
    events: Vec<String>,
    strategies: Vec<&'static str>,
    /// Ports of the mesh that are still free.
    ports: u64,
    files: BTreeMap<String, String>,
}

impl Writer {
    fn new(dice: Dice) -> Writer {
        Writer {
            dice,
            duration: 0,
            unfounded: false,
            nodes: Vec::new(),
            services: Vec::new(),
            stacks: BTreeSet::new(),
            images: IMAGES.iter().map(|image| image.to_string()).collect(),
            networks: vec!["front".into(), "back".into()],
            queues: Vec::new(),
            crews: Vec::new(),
            events: Vec::new(),
            strategies: Vec::new(),
            ports: 8000,
            files: BTreeMap::new(),
        }
    }

    fn scenario(&mut self) -> Table {
        let mut root = Table::default();
        self.top(&mut root);
        self.pools(&mut root);
        self.images(&mut root);
        self.networks(&mut root);
        self.models(&mut root);
        let services: Vec<Table> = (0..self.dice.count(0..=3)).map(|number| self.services(number)).collect();
        root.set("service", services);
        if self.dice.maybe() {
            let stack = self.stack();
            root.set("stack", stack);
        }
        self.queues(&mut root);
        self.repeat(&mut root, "arrivals", 2, Writer::arrivals);
        if self.dice.chance(0.05) {
            let until = *self.dice.pick(&["leader lost", "leader elected", "majority lost"]);
            root.set("until", until);
        }
        self.requests(&mut root);
        self.operators(&mut root);
        self.script(&mut root);
        self.repeat(&mut root, "maintenance", 2, |writer, _| writer.maintenance());
        self.crews(&mut root);
        self.repeat(&mut root, "failure", 3, Writer::failure);
        self.combinations(&mut root);
        if self.dice.maybe() {
            let expect = self.expect();
            root.set("expect", expect);
        }
        root
    }

    /// So many tables at most, and a few more often than not.
    fn repeat(&mut self, root: &mut Table, key: &str, most: u64, table: impl Fn(&mut Writer, u64) -> Table) {
        if self.dice.maybe() {
            let tables: Vec<Table> = (0..self.dice.count(1..=most)).map(|number| table(self, number)).collect();
            root.set(key, tables);
        }
    }

    /// A key that need not be.
    fn maybe<T: Into<Item>>(&mut self, table: &mut Table, key: &str, value: impl FnOnce(&mut Writer) -> T) {
        if self.dice.maybe() {
            let value = value(self);
            table.set(key, value);
        }
    }

    fn maybe_flag(&mut self, table: &mut Table, key: &str) {
        self.maybe(table, key, |writer| writer.dice.chance(0.5));
    }

    fn maybe_word(&mut self, table: &mut Table, key: &str, words: &[&str]) {
        self.maybe(table, key, |writer| *writer.dice.pick(words));
    }

    fn maybe_span(&mut self, table: &mut Table, key: &str, low: u64, high: u64) {
        self.maybe(table, key, |writer| writer.dice.span(low, high));
    }

    fn maybe_law(&mut self, table: &mut Table, key: &str, low: u64, high: u64) {
        self.maybe(table, key, |writer| writer.dice.law(low, high));
    }

    /// A time before the end, which may be the beginning.
    fn before_end(&mut self) -> u64 {
        if self.dice.is_edge() {
            *self.dice.pick(&[0, self.duration - 1])
        } else {
            self.dice.count(0..=self.duration - 1)
        }
    }

    fn time(&mut self) -> Item {
        let nanos = self.before_end();
        self.dice.written(nanos)
    }
}

// The top level and the models.
impl Writer {
    fn top(&mut self, root: &mut Table) {
        let seconds = self.dice.log(2, 3600);
        self.duration = seconds * SECOND;
        if self.dice.is_edge() {
            self.duration = *self.dice.pick(&[1, 1000, SECOND, 86_400 * SECOND, CENTURY]);
        }
        let duration = self.dice.written(self.duration);
        root.set("duration", duration);
        self.maybe_word(root, "name", &["a-name", "7"]);
        self.maybe_word(root, "title", &["A title", "=1+1", "with \"quotes\", commas and ünïcode"]);
        self.maybe_word(root, "description", &["", "Prose.", "Two\nlines | and *Markdown*"]);
        self.maybe(root, "warm_up", |writer| writer.time());
        self.maybe(root, "sample", |writer| writer.dice.period((writer.duration / 200).max(1), writer.duration));
        self.maybe(root, "seed", |writer| writer.dice.amount(0..=1000, &[0, u64::MAX]));
        let replications = self.dice.count(1..=2);
        root.set("replications", replications);
        self.strategies = vec!["spread"];
        if self.dice.maybe() {
            self.strategies = self.dice.some(STRATEGIES);
            self.strategies.truncate(2);
            root.set("strategies", self.strategies.clone());
        }
        self.maybe_word(root, "profile", &["docker-20.10-small"]);
    }

    /// Whether something that goes on by itself every few seconds would take too many events.
    fn is_long(&self) -> bool {
        7200 * SECOND < self.duration
    }

    fn models(&mut self, root: &mut Table) {
        let long = self.is_long();
        let second = SECOND / 1000..=10 * SECOND;
        let (low, high) = (*second.start(), *second.end());
        self.maybe(root, "daemon", |writer| {
            let mut daemon = Table::default();
            writer.maybe_flag(&mut daemon, "ideal");
            for key in
                ["accept", "create", "start", "stop", "halt", "kill", "notice", "boot", "restart", "status_phase"]
            {
                writer.maybe_law(&mut daemon, key, low, high);
            }
            writer.maybe(
                &mut daemon,
                "cores",
                |writer| if writer.dice.is_edge() { 0.01 } else { writer.dice.number(0.5, 8.0) },
            );
            writer.maybe_span(&mut daemon, "call", low / 10, high / 10);
            for key in ["run_spread", "machine_spread"] {
                writer.maybe(&mut daemon, key, |writer| writer.dice.number(0.0, 1.0));
            }
            writer.maybe_flag(&mut daemon, "keep_cache");
            writer.maybe_span(&mut daemon, "status_batch", low, high);
            writer.maybe_span(&mut daemon, "assignment_batch", low, high);
            writer.maybe_span(&mut daemon, "dispatch_message", low, high / 100);
            writer.maybe_span(&mut daemon, "dispatch_task", low, high / 1000);
            daemon
        });
        self.maybe(root, "registry", Writer::registry);
        self.maybe(root, "overlay", |writer| {
            let mut overlay = Table::default();
            writer.maybe_flag(&mut overlay, "ideal");
            if writer.dice.maybe() {
                overlay.set("pool", *writer.dice.pick(&["10.0.0.0/8", "10.20.0.0/16", "192.168.0.0/24"]));
                let prefix = writer.dice.count(24..=30);
                overlay.set("subnet", prefix);
            } else {
                writer.maybe(&mut overlay, "subnet", |writer| writer.dice.amount(24..=30, &[16, 29, 30]));
            }
            writer.maybe_law(&mut overlay, "latency", 1000, SECOND);
            writer.maybe_span(&mut overlay, "unreachable", low, high);
            writer.maybe_span(&mut overlay, "leave", low, high);
            writer.maybe_law(&mut overlay, "attach", low, high);
            writer.maybe_law(&mut overlay, "detach", low, high);
            writer.maybe_span(&mut overlay, "endpoint", low, high / 100);
            overlay
        });
        if long || self.dice.maybe() {
            let mut heartbeat = Table::default();
            let period = self
                .dice
                .log((self.duration / 1000).max(10_000_000), CENTURY.min(self.duration.max(SECOND).saturating_mul(60)));
            let written = self.dice.written(period);
            heartbeat.set("period", written);
            let jitter =
                if self.dice.is_edge() { *self.dice.pick(&[0, period - 1]) } else { self.dice.log(1, period / 2) };
            let written = self.dice.written(jitter);
            heartbeat.set("jitter", written);
            self.maybe(&mut heartbeat, "grace", |writer| writer.dice.amount(1..=4, &[1, 1000]));
            for key in ["slack", "look", "unknown"] {
                self.maybe_span(&mut heartbeat, key, SECOND / 100, 60 * SECOND);
            }
            root.set("heartbeat", heartbeat);
        }
        self.maybe(root, "managers", |writer| {
            let mut managers = Table::default();
            writer.maybe_flag(&mut managers, "ideal");
            writer.maybe_span(&mut managers, "debounce", low, high);
            writer.maybe(&mut managers, "history", |writer| writer.dice.amount(0..=6, &[0, 1, 1_000_000]));
            writer.maybe(&mut managers, "tick", |writer| {
                writer.dice.period((writer.duration / 3000).max(10_000_000), high.max(writer.duration))
            });
            writer.maybe(&mut managers, "election", |writer| writer.dice.amount(2..=12, &[2, 1000]));
            writer.maybe_law(&mut managers, "backoff", low, high);
            writer.maybe_law(&mut managers, "certificate", low, high);
            if writer.unfounded {
                managers.set("founded", false);
            }
            managers
        });
        self.maybe(root, "gossip", |writer| {
            let mut gossip = Table::default();
            if long || writer.dice.maybe() {
                let interval = writer.dice.period((writer.duration / 1000).max(10_000_000), writer.duration);
                gossip.set("interval", interval);
            }
            writer.maybe(&mut gossip, "fanout", |writer| writer.dice.amount(1..=4, &[1, 1000]));
            writer.maybe(&mut gossip, "retransmit", |writer| writer.dice.amount(0..=5, &[0, 1, 1000]));
            writer.maybe_span(&mut gossip, "sync", low, high);
            gossip
        });
    }

    /// Combinations, after what `strategies` names.
    fn combinations(&mut self, root: &mut Table) {
        // Swarm's heartbeats and restart delays, which a strategy may set, would take too many events in a century.
        if self.is_long() || !self.dice.maybe() {
            return;
        }
        if !root.has("strategies") {
            root.set("strategies", self.strategies.clone());
        }
        let mut tables = Vec::new();
        for number in 0..self.dice.amount(1..=2, &[1]) {
            let name = ["mine", "mine-too"][number as usize];
            let mut table = Table::default().with("name", name);
            match self.dice.maybe().then(|| self.parameter(sched::failover::Kind::Label)).flatten() {
                Some(label) => table = table.with("placement", "domains").with("domain", label),
                None => self.maybe_word(&mut table, "placement", &STRATEGIES[..8]),
            }
            self.policies(&mut table, "failover", true);
            self.maybe(&mut table, "heartbeat", |writer| {
                let mut heartbeat = Table::default();
                writer.maybe(&mut heartbeat, "grace", |writer| writer.dice.count(1..=4));
                writer.maybe_span(&mut heartbeat, "slack", SECOND / 100, 60 * SECOND);
                heartbeat
            });
            self.maybe(&mut table, "history", |writer| writer.dice.amount(0..=6, &[0, 1, 1_000_000]));
            let least = (self.duration / 1000).max(SECOND / 10);
            self.maybe_span(&mut table, "restart_delay", least, 60 * SECOND.max(least));
            self.maybe(&mut table, "update", |writer| {
                let mut update = Table::default();
                writer.maybe_word(&mut update, "order", &["start-first", "stop-first"]);
                writer.maybe(&mut update, "parallelism", |writer| writer.dice.count(0..=3));
                update
            });
            tables.push(Item::Table(table));
            self.strategies.push(name);
        }
        root.set("strategy", Item::List(tables));
    }

    /// One policy or several that go together, with parameters.
    fn policies(&mut self, table: &mut Table, key: &str, with_spares: bool) {
        // What a policy makes happen every few seconds would take too many events.
        let names: Vec<&str> = match self.dice.count(0..=4) {
            _ if self.is_long() => vec!["reschedule"],
            0 => vec![*self.dice.pick(&["kubernetes", "nomad", "marathon", "reschedule"])],
            1 => vec!["prepull", *self.dice.pick(&["kubernetes", "nomad", "marathon"])],
            _ => self.dice.some(&["guarded", "wait", "standby", "drain-start-first", "prepull", "rebalance"]),
        };
        let names: Vec<&str> = names.into_iter().filter(|name| with_spares || *name != "standby").collect();
        if names.is_empty() {
            return table.set(key, "reschedule");
        }
        let of_policy = |name: &&str| sched::FAILOVERS.iter().find(|entry| entry.name == *name).expect("it is there");
        match names.as_slice() {
            [only] => table.set(key, *only),
            several => table.set(key, several.to_vec()),
        }
        for entry in names.iter().map(of_policy).filter(|entry| !entry.parameters.is_empty()) {
            let mut given = Table::default();
            for parameter in entry.parameters {
                let Some(item) = self.dice.maybe().then(|| self.parameter(parameter.kind)).flatten() else { continue };
                given.set(parameter.name, item);
            }
            table.set(entry.name, given);
        }
    }

    fn parameter(&mut self, kind: sched::failover::Kind) -> Option<Item> {
        use sched::failover::Kind;
        Some(match kind {
            Kind::Span => self.dice.span(SECOND, 600 * SECOND),
            Kind::Count(from, to) => self.dice.amount(from..=to.min(from + 5), &[from, to]).into(),
            Kind::Number(from, to) => self.dice.number(from, to.min(from + 3.0)).into(),
            Kind::Amount if self.dice.chance(0.5) => self.dice.amount(0..=3, &[0, 10_000_000]).into(),
            Kind::Amount => self.dice.fraction().into(),
            Kind::Rate if self.dice.chance(0.2) => "unlimited".into(),
            Kind::Rate => self.dice.number(0.0, 2.0).into(),
            Kind::Label => {
                let labels: BTreeSet<String> = self.nodes.iter().flat_map(|node| node.labels.keys().cloned()).collect();
                let labels: Vec<String> = labels.into_iter().collect();
                if labels.is_empty() {
                    return None;
                }
                self.dice.pick(&labels).clone().into()
            }
            Kind::Choice(words) => (*self.dice.pick(words)).into(),
            Kind::Flag => self.dice.chance(0.5).into(),
        })
    }

    fn registry(&mut self) -> Table {
        let mut registry = Table::default();
        self.maybe_flag(&mut registry, "ideal");
        self.maybe_flag(&mut registry, "pull_errors");
        for key in ["bandwidth", "unpack", "copy", "rack_bandwidth"] {
            self.maybe(&mut registry, key, |writer| writer.dice.rate());
        }
        self.maybe_span(&mut registry, "latency", 1000, SECOND);
        self.maybe_span(&mut registry, "manifest", 1000, SECOND);
        self.maybe(&mut registry, "run_spread", |writer| writer.dice.number(0.0, 1.0));
        self.maybe(&mut registry, "downloads", |writer| writer.dice.amount(1..=4, &[1, 1000]));
        self.maybe_word(&mut registry, "rack", &["rack", "zone", "nobody-has-it"]);
        self.maybe_word(&mut registry, "mirror", &["none", "rack", "all"]);
        self.maybe(&mut registry, "cache", |writer| writer.dice.size(1 << 20, 1 << 32));
        self.maybe(&mut registry, "limit", |writer| {
            let pulls = writer.dice.amount(1..=20, &[0, 1, 1_000_000]);
            Table::default().with("pulls", pulls).with("window", writer.dice.period(SECOND, 3600 * SECOND))
        });
        registry
    }

    fn expect(&mut self) -> Table {
        let mut expect = Table::default();
        for _ in 0..self.dice.count(1..=5) {
            let metric = self.dice.pick(METRICS);
            // A metric that was picked before may be there for one strategy.
            let is_there = |key: &str| key == metric.name || key.ends_with(&format!(".{}", metric.name));
            if expect.0.iter().any(|(key, _)| is_there(key)) {
                continue;
            }
            let mut bounds = Table::default();
            let low = self.dice.number(-10.0, 1000.0);
            match self.dice.count(0..=3) {
                0 => {
                    expect.set(metric.name, low);
                    continue;
                }
                1 => bounds.set("min", low),
                2 => bounds = bounds.with("min", low).with("max", low + 10.0),
                _ => bounds = bounds.with("theory", low).with("within", self.dice.fraction()),
            }
            if !bounds.has("theory") && self.dice.count(0..=2) == 0 {
                bounds.set("in", self.dice.fraction().max(0.001));
            } else {
                self.maybe_word(&mut bounds, "statistic", &["mean", "sd", "variance", "p1", "p50", "p99.9"]);
            }
            match self.dice.count(0..=2) {
                0 => expect.set(metric.name, bounds),
                1 => {
                    let strategy = *self.dice.pick(&self.strategies);
                    let other = *self.dice.pick(&self.strategies);
                    if other != strategy {
                        bounds.set("minus", other);
                    }
                    expect.set(&format!("{strategy}.{}", metric.name), bounds);
                }
                _ if expect.has(self.strategies[0]) => {}
                _ => expect.set(self.strategies[0], Table::default().with(metric.name, bounds)),
            }
        }
        expect
    }
}

// Nodes.
impl Writer {
    fn pools(&mut self, root: &mut Table) {
        let mut pools = Vec::new();
        let mut left = 12;
        self.unfounded = self.dice.chance(0.08);
        let count = if self.unfounded { self.dice.count(1..=3) } else { self.dice.amount(1..=3, &[0, 1]) };
        let mut has_manager = self.unfounded;
        for number in 0..count {
            let name = ["node", "spot", "big"][number as usize];
            let mut pool = Table::default().with("name", name);
            let mut nodes = self.dice.amount(1..=5, &[0, 1]).min(left);
            let role = self.dice.chance(0.3).then(|| *self.dice.pick(&["worker", "manager"]));
            let kind = self.dice.count(0..=5);
            // A manager joins only if another is there.
            let (joins, scaled) = (kind == 0, kind == 1 && role != Some("manager"));
            let joins = self.unfounded || joins && (has_manager || role != Some("manager"));
            let scaled = scaled && !self.unfounded;
            if scaled {
                let (min, max) =
                    (self.dice.count(0..=nodes), self.dice.count(nodes.max(1)..=(nodes + 3).min(left.max(1))));
                let autoscale = self.autoscale(min, max);
                if self.dice.chance(0.5) {
                    pool.set("count", self.dice.count(min..=max));
                }
                pool.set("autoscale", autoscale);
                nodes = max;
            } else if nodes != 1 || self.dice.chance(0.5) {
                pool.set("count", nodes);
            }
            if let Some(role) = role {
                pool.set("role", role);
                has_manager |= role == "manager" && !joins && nodes > 0;
            }
            if joins {
                let join = self.join(role, has_manager);
                pool.set("join", join);
            }
            left -= nodes.min(left);
            self.pool(&mut pool, name, nodes, if scaled { 0 } else { 1 });
            pools.push(pool);
        }
        root.set("pool", pools);
    }

    fn pool(&mut self, pool: &mut Table, name: &str, count: u64, single: u64) {
        let names: Vec<String> = if self.dice.maybe() {
            pool.set("hostname", format!("{name}.{{i+1}}"));
            (1..=count).map(|i| format!("{name}.{i}")).collect()
        } else if count == single {
            vec![name.to_string(); count as usize]
        } else if count == 1 {
            vec![name.to_string()]
        } else {
            (1..=count).map(|i| format!("{name}-{i}")).collect()
        };
        self.maybe(pool, "cpus", |writer| writer.dice.cpus());
        self.maybe(pool, "cores", |writer| if writer.dice.is_edge() { 0.01 } else { writer.dice.number(0.5, 8.0) });
        self.maybe(pool, "memory", |writer| writer.dice.size(64 << 20, 16 << 30));
        self.maybe(pool, "generic", |writer| {
            let gpus = writer.dice.amount(0..=4, &[0, 1, i64::MAX as u64]);
            Table::default().with("gpu", gpus).with("fpga", vec!["a", "b"])
        });
        self.maybe_word(pool, "availability", &["active", "pause", "drain"]);
        let mut labels = BTreeMap::new();
        let mut written = Table::default();
        for (key, pattern, size) in [("rack", "r{i/2}", 2), ("zone", "z{(i + 1) % 2}", 0), ("ssd", "true", 0)] {
            if self.dice.chance(0.6) {
                written.set(key, pattern);
                labels.insert(key, (pattern, size));
            }
        }
        if !written.0.is_empty() {
            pool.set("labels", written);
        }
        self.maybe(pool, "engine_labels", |_| Table::default().with("storage", "{i%2}"));
        self.maybe_word(pool, "os", &["linux", "windows"]);
        self.maybe_word(pool, "arch", &["x86_64", "aarch64"]);
        self.maybe(pool, "plugins", |writer| {
            let mut plugins = Table::default();
            for key in ["volume", "network", "log"] {
                writer.maybe(&mut plugins, key, |_| vec!["nfs"]);
            }
            plugins
        });
        self.maybe(pool, "network", |writer| writer.dice.rate());
        self.maybe(pool, "address", |_| "10.1.0.{i+1}");
        for (i, node) in names.into_iter().enumerate() {
            let value = |(key, (pattern, _)): (&&str, &(&str, u64))| {
                let value = match *pattern {
                    "r{i/2}" => format!("r{}", i / 2),
                    "z{(i + 1) % 2}" => format!("z{}", (i + 1) % 2),
                    fixed => fixed.to_string(),
                };
                (key.to_string(), value)
            };
            let labels = labels.iter().map(value).collect();
            self.nodes.push(Node { name: node, pool: name.to_string(), labels });
        }
    }

    fn join(&mut self, role: Option<&str>, has_manager: bool) -> Table {
        let mut join = Table::default();
        if self.dice.chance(0.7) {
            let at = self.time();
            join.set("at", at);
            self.maybe_law(&mut join, "every", SECOND / 10, self.duration.max(SECOND));
        }
        let tokens: &[&str] = match role {
            Some("manager") => &["manager", "wrong"],
            Some(_) => &["worker", "wrong"],
            None if has_manager => &["worker", "manager", "wrong"],
            None => &["worker", "wrong"],
        };
        self.maybe_word(&mut join, "token", tokens);
        self.maybe_flag(&mut join, "fresh");
        self.maybe(&mut join, "retry", |writer| {
            writer.dice.period((writer.duration / 100).max(SECOND), writer.duration)
        });
        join
    }

    fn autoscale(&mut self, min: u64, max: u64) -> Table {
        let mut table = Table::default().with("min", min).with("max", max);
        if self.is_long() || self.dice.maybe() {
            let every = self.dice.period((self.duration / 300).max(SECOND), self.duration);
            table.set("every", every);
        }
        self.maybe_span(&mut table, "pending_for", SECOND / 10, 60 * SECOND);
        self.maybe_law(&mut table, "provision", SECOND / 10, 120 * SECOND);
        self.maybe(&mut table, "below", |writer| writer.dice.fraction());
        self.maybe_span(&mut table, "idle_for", SECOND, 600 * SECOND);
        table
    }

    /// Nodes as a user names them, by one name or several.
    fn selector(&mut self) -> Item {
        match self.dice.chance(0.15) {
            true => Item::List((0..self.dice.count(1..=3)).map(|_| self.one_selector()).collect()),
            false => self.one_selector(),
        }
    }

    fn one_selector(&mut self) -> Item {
        if self.nodes.is_empty() {
            return "all".into();
        }
        let node = self.dice.count(0..=self.nodes.len() as u64 - 1) as usize;
        let labels: Vec<(String, String)> = self.nodes[node].labels.clone().into_iter().collect();
        match self.dice.count(0..=5) {
            0 => "all".into(),
            1 => format!("pool={}", self.nodes[node].pool).into(),
            2 => (*self.dice.pick(&["role=worker", "role=manager"])).into(),
            3 if !labels.is_empty() => {
                let (key, value) = self.dice.pick(&labels).clone();
                format!("{key}={value}").into()
            }
            _ => self.nodes[node].name.clone().into(),
        }
    }
}

// Images, networks, services and stacks.
impl Writer {
    fn images(&mut self, root: &mut Table) {
        let mut images: Vec<Table> = Vec::new();
        for number in 0..self.dice.count(0..=3) {
            if !self.dice.maybe() {
                continue;
            }
            let kinds = self.dice.maybe().then(|| self.dice.count(0..=3));
            let plain = self.dice.pick(IMAGES).to_string();
            let name = if kinds.is_some() { format!("kind{number}-{{i}}") } else { plain };
            if images.iter().any(|table| {
                table.0.iter().any(|(_, item)| matches!(item, Item::Word(word) if *word == format!("{name:?}")))
            }) {
                continue;
            }
            let mut image = Table::default().with("name", name.as_str());
            if let Some(kinds) = kinds {
                image.set("count", kinds);
            }
            // Layers that it has at least, and so many may be named as corrupt.
            let own = match self.dice.count(0..=3) {
                0 => {
                    let size = self.dice.size(1, 1 << 32);
                    image.set("size", size);
                    5
                }
                1 => {
                    let layers: Vec<Item> = (0..self.dice.count(0..=3)).map(|_| self.layer()).collect();
                    let count = layers.len() as u64;
                    image.set("layers", Item::List(layers));
                    count
                }
                2 => {
                    let sizes: Vec<u64> = (0..self.dice.count(1..=2)).map(|_| self.dice.log(1, 1 << 30)).collect();
                    let layer =
                        |(at, size): (usize, &u64)| format!("{{\"size\": {size}, \"digest\": \"sha256:{at}\"}}");
                    let layers: Vec<String> = sizes.iter().enumerate().map(layer).collect();
                    let file = format!("manifest-{number}.json");
                    self.files.insert(file.clone(), format!("{{\"layers\": [{}]}}", layers.join(", ")));
                    image.set("from", file);
                    1
                }
                _ => 5,
            };
            let bases: Vec<String> = self.images[IMAGES.len()..].to_vec();
            if !bases.is_empty() && self.dice.maybe() {
                let base = self.dice.pick(&bases).clone();
                image.set("base", base);
            }
            self.maybe(&mut image, "present", Writer::selector);
            self.maybe(&mut image, "exits", Writer::exits);
            self.maybe_flag(&mut image, "missing");
            if self.dice.maybe() {
                let layer = self.dice.count(1..=own.max(1));
                image.set("corrupt", layer);
            }
            match kinds {
                Some(kinds) => self.images.extend((0..kinds).map(|i| format!("kind{number}-{i}"))),
                None => self.images.push(name),
            }
            images.push(image);
        }
        if !images.is_empty() {
            root.set("image", images);
        }
    }

    fn layer(&mut self) -> Item {
        let size = self.dice.size(1, 1 << 30);
        if self.dice.chance(0.4) {
            return size;
        }
        let mut layer = Table::default().with("size", size);
        self.maybe_word(&mut layer, "digest", &["sha256:1", "sha256:2"]);
        self.maybe(&mut layer, "unpacked", |writer| writer.dice.size(1, 1 << 32));
        layer.into()
    }

    fn networks(&mut self, root: &mut Table) {
        self.repeat(root, "network", 2, |writer, number| {
            let name = ["front", "ingress"][number as usize];
            let mut network = Table::default().with("name", name);
            let subnets: &[&str] =
                if number == 0 { &["10.7.0.0/28", "10.0.0.0/24"] } else { &["10.8.0.0/30", "172.16.0.0/16"] };
            writer.maybe_word(&mut network, "subnet", subnets);
            writer.maybe_flag(&mut network, "external");
            network
        });
    }

    /// A `[[service]]`, which may be several.
    fn services(&mut self, number: u64) -> Table {
        let name = ["web", "db", "job", "agent"][number as usize];
        let (mut service, replicated) = self.service(name);
        let count = if self.dice.maybe() { self.dice.count(0..=3) } else { 1 };
        if count != 1 {
            service.set("count", count);
            // Several services cannot have the same port.
            service.0.retain(|entry| entry.0 != "ports");
        }
        let mut at = 0;
        if self.dice.maybe() {
            at = if self.dice.is_edge() { CENTURY } else { self.before_end() };
            let written = self.dice.written(at);
            service.set("at", written);
        }
        let mut stagger = 0;
        if self.dice.maybe() {
            stagger = self.dice.nanos(SECOND / 1000, self.duration);
            let written = self.dice.written(stagger);
            service.set("stagger", written);
        }
        let is_dnsrr = service.0.iter().any(|(key, value)| key == "endpoint" && value.inline().contains("dnsrr"));
        let is_reachable = service.has("networks") && !is_dnsrr;
        for i in 0..count {
            let name = if count == 1 { name.to_string() } else { format!("{name}-{}", i + 1) };
            let at = at + stagger * i;
            self.services.push(Service {
                name,
                at,
                is_replicated: replicated,
                is_reachable,
                removed: None,
                changed: None,
            });
        }
        service
    }

    /// What all services have, and whether it is replicated.
    fn service(&mut self, name: &str) -> (Table, bool) {
        let image = self.dice.pick(&self.images).clone();
        let mut service = Table::default().with("name", name).with("image", image);
        let mode = match self.dice.count(0..=5) {
            0 => "global",
            1 => "replicated-job",
            2 => "global-job",
            _ => "replicated",
        };
        let is_job = mode.ends_with("job");
        if mode != "replicated" || self.dice.maybe() {
            service.set("mode", mode);
        }
        if !mode.starts_with("global") && self.dice.chance(0.8) {
            service.set("replicas", self.dice.amount(1..=8, &[0, 1, 30]));
        }
        if mode == "replicated-job" && self.dice.maybe() {
            service.set("completions", self.dice.amount(1..=8, &[0, 1, 30]));
        }
        self.maybe(&mut service, "reserve", |writer| writer.resources(false));
        let leaks = !self.dice.chance(0.8);
        if leaks {
            let limit = self.resources(true);
            service.set("limit", limit);
            let mut leak = Table::default();
            self.maybe(&mut leak, "from", |writer| writer.dice.size(0, 3 << 20));
            leak.0.retain(|(_, item)| !matches!(item, Item::Word(word) if word.starts_with("\"1099511627776")));
            // It is full in a hundredth of the duration at the earliest.
            let rate = (100 * (1 << 30) / (self.duration / SECOND).max(1)).max(1);
            leak.set("rate", format!("{}B/s", self.dice.log(1, rate)));
            service.set("leak", leak);
        } else {
            self.maybe(&mut service, "limit", |writer| writer.resources(false));
            self.maybe(&mut service, "exits", Writer::exits);
        }
        self.maybe(&mut service, "constraints", Writer::constraints);
        self.maybe(&mut service, "preferences", |writer| {
            writer.dice.some(&[
                "node.labels.rack",
                "node.labels.zone",
                "engine.labels.storage",
                "spread=node.labels.no",
            ])
        });
        self.maybe(&mut service, "max_replicas_per_node", |writer| writer.dice.amount(0..=3, &[0, 1]));
        self.maybe(&mut service, "platforms", |writer| writer.dice.some(&["linux/amd64", "linux/aarch64", "linux"]));
        // Whatever ends at once is not started again at once: each run would go on for ever at one instant.
        self.restart(&mut service, is_job);
        if !is_job {
            self.maybe(&mut service, "update", |writer| writer.update(&["pause", "continue", "rollback"]));
        }
        self.maybe(&mut service, "rollback", |writer| writer.update(&["pause", "continue"]));
        self.maybe(&mut service, "networks", |writer| writer.dice.some(&writer.networks));
        self.maybe(&mut service, "labels", |_| {
            Table::default().with("tier", "a").with("number", 1u64).with("x.y", true)
        });
        let is_dnsrr = self.dice.maybe() && self.dice.chance(0.5);
        if is_dnsrr || self.dice.maybe() {
            service.set("endpoint", if is_dnsrr { "dnsrr" } else { "vip" });
        }
        self.maybe(&mut service, "ports", |writer| writer.ports(is_dnsrr));
        self.maybe_span(&mut service, "stop_grace", SECOND / 10, 20 * SECOND);
        self.maybe(&mut service, "volume_drivers", |writer| writer.dice.some(&["local", "nfs"]));
        self.maybe_word(&mut service, "log_driver", &["json-file", "nfs", "none"]);
        self.maybe(&mut service, "quorum", |writer| writer.dice.amount(1..=4, &[1, 10_000_000]));
        // A strategy may have spares, which a global service cannot.
        if !is_job && (mode == "global" || self.dice.maybe()) {
            if self.dice.chance(0.3) {
                self.policies(&mut service, "failover", false);
                // Parameters have no place beside a name.
                service.0.retain(|(key, _)| !sched::FAILOVERS.iter().any(|entry| entry.name == *key));
            } else {
                let mut failover = Table::default();
                self.policies(&mut failover, "policy", mode != "global");
                service.set("failover", failover);
            }
        }
        self.maybe(&mut service, "stops", |writer| {
            let mut stops = Table::default();
            writer.maybe_law(&mut stops, "after", SECOND / 100, 20 * SECOND);
            writer.maybe(&mut stops, "code", |writer| writer.dice.amount(0..=2, &[0, 255]));
            stops
        });
        self.maybe(&mut service, "health", Writer::health);
        self.parts_of_containers(&mut service);
        (service, mode == "replicated")
    }

    /// What nothing depends on but that another one is another version.
    fn parts_of_containers(&mut self, service: &mut Table) {
        self.maybe(service, "command", |generator| generator.dice.some(&["run", "serve"]));
        self.maybe(service, "args", |generator| generator.dice.some(&["-v", "--port=80"]));
        self.maybe(service, "env", |_| Table::default().with("MODE", "new").with("N", 1u64));
        self.maybe(service, "container_labels", |_| Table::default().with("tier", "b"));
        self.maybe(service, "mounts", |generator| generator.dice.some(&["data:/data", "logs:/logs"]));
        self.maybe(service, "configs", |generator| generator.dice.some(FILES));
        self.maybe(service, "secrets", |generator| generator.dice.some(FILES));
    }

    /// What an update changes of a service.
    fn change(&mut self, is_replicated: bool) -> Table {
        let mut change = Table::default();
        self.maybe(&mut change, "image", |generator| generator.dice.pick(&generator.images).clone());
        self.maybe(&mut change, "reserve", |generator| generator.resources(false));
        if is_replicated {
            self.maybe(&mut change, "replicas", |generator| generator.dice.count(0..=6));
            self.maybe(&mut change, "max_replicas_per_node", |generator| generator.dice.amount(0..=3, &[0, 1]));
        }
        self.maybe(&mut change, "constraints", Writer::constraints);
        self.maybe(&mut change, "networks", |generator| generator.dice.some(&generator.networks));
        self.maybe_span(&mut change, "stop_grace", SECOND / 10, 20 * SECOND);
        self.maybe(&mut change, "add", |generator| {
            let mut more = Table::default().with("constraints", generator.constraints());
            generator.parts_of_containers(&mut more);
            more
        });
        self.maybe(&mut change, "remove", |generator| {
            let less = Table::default().with("env", vec!["MODE"]).with("labels", vec!["tier"]);
            less.with("constraints", generator.constraints()).with("networks", generator.dice.some(&generator.networks))
        });
        self.parts_of_containers(&mut change);
        change.with("labels", Table::default().with("release", self.dice.count(0..=9)))
    }

    fn resources(&mut self, needs_memory: bool) -> Table {
        let mut resources = Table::default();
        self.maybe(&mut resources, "cpus", |writer| writer.dice.cpus());
        if needs_memory {
            let size = self.dice.log(4 << 20, 1 << 30);
            resources.set("memory", format!("{size}B"));
        } else {
            self.maybe(&mut resources, "memory", |writer| {
                let size = writer.dice.log(4 << 20, 1 << 32);
                let edge = *writer.dice.pick(&["0B", "4MiB", "7EiB"]);
                if writer.dice.is_edge() { edge.to_string() } else { format!("{size}B") }
            });
        }
        self.maybe(&mut resources, "generic", |writer| {
            let amount = writer.dice.amount(1..=2, &[1, i64::MAX as u64]);
            let kind = *writer.dice.pick(KINDS);
            Table::default().with(kind, amount)
        });
        resources
    }

    fn exits(&mut self) -> Table {
        let duration = self.duration.max(SECOND);
        let mut exits = Table::default();
        // They fail at once: long scenarios would see nothing else.
        if duration <= 600 * SECOND && self.dice.chance(0.1) {
            exits.set("fails", *self.dice.pick(&["command", "port", "mount"]));
            return exits;
        }
        let after = self.dice.law(duration / 50, 2 * duration);
        exits.set("after", after);
        self.maybe(&mut exits, "code", |writer| writer.dice.amount(0..=2, &[0, 1, 137, 255]));
        exits
    }

    fn restart(&mut self, service: &mut Table, is_job: bool) {
        let long = self.is_long();
        if !long && !self.dice.maybe() {
            return;
        }
        let mut restart = Table::default();
        // Swarm replaces a task of a job at once if its policy does not restart it: without end, if there is no image.
        let restarts_always = long && is_job;
        let conditions: &[&str] = if restarts_always { &["on-failure", "any"] } else { &["none", "on-failure", "any"] };
        self.maybe_word(&mut restart, "condition", conditions);
        let delay = self.dice.period((self.duration / 100).max(SECOND / 100), self.duration.max(SECOND / 100));
        restart.set("delay", delay);
        if !restarts_always {
            self.maybe(&mut restart, "max_attempts", |writer| writer.dice.amount(0..=3, &[0, 1, u64::MAX]));
        }
        self.maybe_span(&mut restart, "window", SECOND, 100 * SECOND);
        service.set("restart", restart);
    }

    fn update(&mut self, actions: &[&str]) -> Table {
        let mut update = Table::default();
        self.maybe(&mut update, "parallelism", |writer| writer.dice.amount(0..=3, &[0, 1, 10_000_000]));
        self.maybe_span(&mut update, "delay", SECOND / 10, 30 * SECOND);
        self.maybe_word(&mut update, "failure_action", actions);
        self.maybe_span(&mut update, "monitor", SECOND / 10, 60 * SECOND);
        self.maybe(&mut update, "max_failure_ratio", |writer| writer.dice.fraction());
        self.maybe_word(&mut update, "order", &["stop-first", "start-first"]);
        update
    }

    fn constraints(&mut self) -> Vec<String> {
        let all = [
            "node.labels.rack == r0",
            "node.labels.zone != z1",
            "node.role == worker",
            "node.role != manager",
            "engine.labels.storage == 0",
            "node.platform.os == linux",
            "node.platform.arch==x86_64",
            "node.ip != 10.1.0.0/30",
            "node.hostname != node-1",
            "node.id == node-1",
        ];
        let chosen: Vec<&str> = (0..self.dice.count(1..=2)).map(|_| *self.dice.pick(&all)).collect();
        chosen.into_iter().map(str::to_string).collect()
    }

    fn ports(&mut self, is_dnsrr: bool) -> Vec<Item> {
        let mut ports = Vec::new();
        for target in 80..=80 + self.dice.count(0..=1) {
            self.ports += 1;
            let published = self.ports;
            if !is_dnsrr && self.dice.chance(0.5) {
                let protocol = *self.dice.pick(&["", "/tcp", "/udp", "/sctp"]);
                let published = if self.dice.chance(0.2) { String::new() } else { format!("{published}:") };
                ports.push(format!("{published}{target}{protocol}").into());
                continue;
            }
            let mut port = Table::default().with("target", target);
            self.maybe(&mut port, "published", |_| published);
            self.maybe_word(&mut port, "protocol", &["tcp", "udp", "sctp"]);
            if is_dnsrr || self.dice.maybe() {
                port.set("mode", if is_dnsrr || self.dice.chance(0.5) { "host" } else { "ingress" });
            }
            ports.push(port.into());
        }
        ports
    }

    fn health(&mut self) -> Table {
        let mut health = Table::default();
        let low = (self.duration / 1000).max(SECOND / 10);
        // Docker takes nothing from 1 ns to 1 ms for these.
        let span = |writer: &mut Writer| {
            let nanos = if writer.dice.is_edge() {
                *writer.dice.pick(&[0, SECOND / 1000, CENTURY])
            } else {
                writer.dice.log(low, 60 * low)
            };
            writer.dice.written(nanos)
        };
        if self.is_long() || self.dice.maybe() {
            let interval = self.dice.period(low, 60 * low);
            health.set("interval", interval);
        }
        self.maybe(&mut health, "timeout", span);
        self.maybe(&mut health, "retries", |writer| writer.dice.amount(0..=3, &[0, 1, 1_000_000]));
        self.maybe(&mut health, "start_period", span);
        if self.is_long() || self.dice.maybe() {
            let interval = self.dice.period(low, 60 * low);
            health.set("start_interval", interval);
        }
        self.maybe_law(&mut health, "ready", SECOND / 10, 60 * SECOND);
        self.maybe_law(&mut health, "sick", SECOND, self.duration.max(SECOND));
        self.maybe_flag(&mut health, "hangs");
        health
    }

    /// A file, a list of files, or tables.
    fn stack(&mut self) -> Item {
        let mut names = vec!["shop.yml", "blog.yml"];
        names.truncate(self.dice.count(1..=2) as usize);
        if self.dice.chance(0.4) {
            names.iter().for_each(|file| self.stack_file(file, &file[..4], 0));
            return if names.len() == 1 { names[0].into() } else { names.into() };
        }
        let mut tables = Vec::new();
        for file in names {
            let at = if self.dice.maybe() { Some(self.before_end()) } else { None };
            let mut stack = Table::default();
            let mut name = &file[..4];
            if self.dice.maybe() {
                name = if name == "shop" { "store" } else { "diary" };
                stack.set("name", name);
            }
            self.stack_file(file, name, at.unwrap_or(0));
            let over = self.dice.maybe().then(|| format!("over-{file}"));
            match over {
                Some(over) => {
                    self.files.insert(
                        over.clone(),
                        "version: \"3.8\"\nservices:\n  app:\n    stop_grace_period: 3s\n".into(),
                    );
                    stack.set("files", vec![file.to_string(), over]);
                }
                None => stack.set("files", file),
            }
            if let Some(at) = at {
                let at = self.dice.written(at);
                stack.set("at", at);
            }
            self.maybe(&mut stack, "env", |generator| {
                Table::default().with("TAG", "2").with("COUNT", generator.dice.count(0..=4))
            });
            self.maybe(&mut stack, "prune", |generator| generator.dice.maybe());
            self.maybe(&mut stack, "env_file", |generator| {
                generator.files.insert("variables.env".into(), "# What the stack needs\nTAG=3\nCOUNT=1\n".into());
                "variables.env"
            });
            tables.push(stack);
        }
        tables.into()
    }

    fn stack_file(&mut self, file: &str, stack: &str, at: u64) {
        let is_global = self.dice.chance(0.2);
        let hours = self.duration / 1000 / (3600 * SECOND) + 1;
        let mut text = String::from("version: \"3.8\"\nservices:\n  app:\n    image: nginx:${TAG:-1}\n");
        text += "    networks: [front]\n";
        if self.dice.maybe() {
            self.ports += 1;
            text += &format!("    ports: [\"{}:80\"]\n", self.ports);
        }
        if self.dice.maybe() {
            text += "    healthcheck:\n      test: [CMD, \"true\"]\n      retries: 2\n";
            if self.is_long() {
                // Docker's half a minute would be a hundred million probes in a century.
                text += &format!("      interval: {hours}h\n");
            }
        }
        text += "    deploy:\n      ";
        text += if is_global { "mode: global\n" } else { "replicas: ${COUNT:-2}\n" };
        if self.dice.maybe() {
            text += "      resources:\n        reservations: {cpus: '0.25', memory: 64M}\n";
        }
        if self.dice.maybe() {
            text += "      placement:\n        constraints: [node.role == worker]\n        max_replicas_per_node: 2\n";
        }
        if self.is_long() {
            // With Docker's five seconds a release that ends at once would be restarted millions of times.
            text += &format!("      restart_policy: {{delay: {hours}h}}\n");
        } else if self.dice.maybe() {
            text += "      restart_policy: {condition: on-failure, delay: 2s, max_attempts: 2, window: 1m}\n";
        }
        if self.dice.maybe() {
            text += "      update_config: {parallelism: 2, order: start-first, failure_action: rollback}\n";
        }
        text += "  side:\n    image: redis\n";
        if self.is_long() {
            text += &format!("    deploy:\n      restart_policy: {{delay: {hours}h}}\n");
        }
        text += "networks:\n  front: {}\n";
        self.files.insert(file.to_string(), text);
        for (service, is_replicated) in [("app", !is_global), ("side", true)] {
            let name = format!("{stack}_{service}");
            self.services.push(Service { name, at, is_replicated, is_reachable: true, removed: None, changed: None });
        }
        self.stacks.insert(stack.to_string());
    }
}

// What comes by chance.
impl Writer {
    fn queues(&mut self, root: &mut Table) {
        self.repeat(root, "queue", 2, |writer, number| {
            let name = format!("line-{number}");
            let mut queue = Table::default().with("name", name.as_str());
            writer.maybe(&mut queue, "running", |writer| writer.dice.amount(1..=4, &[1, 10_000_000]));
            writer.maybe(&mut queue, "cpus", |writer| writer.dice.amount(100_000..=200_000, &[1_000_000]));
            writer.maybe(&mut queue, "waiting", |writer| writer.dice.amount(0..=4, &[0, 10_000_000]));
            writer.queues.push(name);
            queue
        });
    }

    /// When something comes: `most` times at most, more or less.
    fn process(&mut self, table: &mut Table, most: u64) {
        let (low, high) = ((self.duration / most).max(1000), 2 * self.duration.max(1000));
        match self.dice.count(0..=3) {
            0 => {
                let mean = self.dice.period(low, high);
                let mut diurnal = Table::default().with("mean", mean).with("amplitude", self.dice.fraction());
                self.maybe(&mut diurnal, "period", |writer| {
                    writer.dice.period(SECOND, 2 * writer.duration.max(SECOND))
                });
                self.maybe_span(&mut diurnal, "peak", SECOND, high);
                table.set("diurnal", diurnal);
            }
            1 => {
                let mut bursty = Table::default();
                for (key, low) in [("calm", low), ("burst", low), ("calm_for", 10 * low), ("burst_for", 10 * low)] {
                    let mean = self.dice.period(low, high.max(low));
                    bursty.set(key, mean);
                }
                table.set("bursty", bursty);
            }
            2 => {
                let seconds = self.duration as f64 / 1e9;
                let file = format!("list-{}.csv", self.files.len());
                let (runs, replicas) = (self.dice.maybe(), self.dice.maybe());
                let mut text =
                    format!("at{}{}\n", if runs { ",run" } else { "" }, if replicas { ",replicas" } else { "" });
                for _ in 0..self.dice.count(0..=8) {
                    let at = self.dice.fraction() * 1.1 * seconds;
                    text += &at.to_string();
                    if runs {
                        text += &format!(",{}", self.dice.fraction() * seconds);
                    }
                    if replicas {
                        text += &format!(",{}", self.dice.amount(1..=3, &[0]));
                    }
                    text += "\n";
                }
                self.files.insert(file.clone(), text);
                table.set("file", file);
            }
            _ => {
                let every = self.dice.repeating(low, high);
                table.set("every", every);
            }
        }
    }

    fn arrivals(&mut self, number: u64) -> Table {
        let mut arrivals = Table::default();
        let is_closed = self.dice.chance(0.15);
        if is_closed {
            let think = self.dice.repeating((self.duration / 40).max(SECOND), self.duration.max(SECOND));
            arrivals.set("clients", Table::default().with("count", self.dice.count(1..=3)).with("think", think));
        } else if number == 1 && self.dice.chance(0.3) {
            arrivals.set("after", "stream 0");
        } else {
            self.process(&mut arrivals, 40);
        }
        // The second stream may come after the first.
        if number == 0 {
            arrivals.set("name", "stream 0");
        } else {
            self.maybe(&mut arrivals, "name", |_| format!("stream {number}"));
        }
        if !is_closed {
            self.maybe(&mut arrivals, "batch", |writer| match writer.dice.chance(0.5) {
                true => Item::from(writer.dice.count(1..=3)),
                false => Table::default().with("geometric", writer.dice.number(1.0, 3.0)).into(),
            });
        }
        self.maybe(&mut arrivals, "from", Writer::time);
        self.maybe(&mut arrivals, "until", Writer::time);
        self.maybe(&mut arrivals, "limit", |writer| writer.dice.amount(1..=50, &[0, 1]));
        let (mut service, _) = self.service(["burst", "batch"][number as usize]);
        let kinds = self.dice.maybe().then(|| self.dice.count(1..=3));
        if let Some(kinds) = kinds {
            service.set("count", kinds);
        }
        arrivals.set("service", service);
        self.maybe(&mut arrivals, "popularity", |writer| match writer.dice.chance(0.5) {
            true => Item::from(Table::default().with("zipf", writer.dice.fraction() * 10.0)),
            false => {
                let mut weights: Vec<f64> = (1..kinds.unwrap_or(1)).map(|_| writer.dice.fraction()).collect();
                weights.push(1.0);
                weights.into()
            }
        });
        if !self.queues.is_empty() && self.dice.chance(0.7) {
            let queue = self.dice.pick(&self.queues).clone();
            arrivals.set("queue", queue);
            self.maybe(&mut arrivals, "priority", |writer| writer.dice.amount(0..=3, &[1_000_000]));
        }
        self.maybe_law(&mut arrivals, "patience", SECOND / 10, self.duration.max(SECOND));
        self.maybe_law(&mut arrivals, "lifetime", SECOND, self.duration.max(SECOND));
        arrivals
    }

    fn requests(&mut self, root: &mut Table) {
        let gossips = root.has("gossip");
        let mut all = Vec::new();
        for service in self.services.clone() {
            if 3 <= all.len() || !service.is_reachable || !self.dice.maybe() {
                continue;
            }
            let mut requests = Table::default().with("service", service.name.as_str());
            self.process(&mut requests, 400);
            let takes = self.dice.law(SECOND / 1000, self.duration.max(SECOND));
            requests.set("takes", takes);
            if !gossips {
                self.maybe_law(&mut requests, "spread", SECOND / 1000, 10 * SECOND);
            }
            self.maybe_span(&mut requests, "suspicion", SECOND / 100, 20 * SECOND);
            if service.is_replicated && self.dice.maybe() {
                let (min, target) = (self.dice.count(1..=3), self.dice.number(0.01, 1.0));
                let mut scale = Table::default().with("target", target).with("max", self.dice.count(min..=8));
                scale.set("min", min);
                if self.is_long() || self.dice.maybe() {
                    let every = self.dice.period((self.duration / 300).max(SECOND), self.duration);
                    scale.set("every", every);
                }
                self.maybe(&mut scale, "band", |writer| writer.dice.fraction());
                self.maybe_span(&mut scale, "down_after", SECOND, self.duration.max(SECOND));
                requests.set("autoscale", scale);
            }
            all.push(requests);
        }
        if !all.is_empty() {
            root.set("requests", all);
        }
    }

    fn operators(&mut self, root: &mut Table) {
        let (mut scaling, mut releases) = (Vec::new(), Vec::new());
        // No time can be written that is later than a century.
        for service in self.services.clone().into_iter().filter(|service| service.at <= CENTURY) {
            let low = (self.duration / 30).max(SECOND / 10);
            if service.is_replicated && scaling.len() < 2 && self.dice.maybe() {
                let mut table = self.operator(&service, low);
                let min = self.dice.amount(0..=3, &[0]);
                table.set("max", self.dice.count(min.max(1)..=8));
                table.set("min", min);
                self.maybe(&mut table, "step", |writer| writer.dice.amount(1..=3, &[1, 10_000_000]));
                scaling.push(table);
            }
            if releases.len() < 2 && self.dice.maybe() {
                let mut table = self.operator(&service, low);
                self.maybe(&mut table, "bad", |writer| writer.dice.fraction());
                // A bad image that ends after a second would loop for a century.
                if self.duration > 24 * 3600 * SECOND {
                    let exits = self.exits();
                    table.set("exits", exits);
                } else {
                    self.maybe(&mut table, "exits", Writer::exits);
                }
                self.maybe(&mut table, "size", |writer| writer.dice.size(1, 1 << 30));
                self.maybe(&mut table, "versions", |writer| writer.dice.amount(1..=5, &[1, 100]));
                releases.push(table);
            }
        }
        if !scaling.is_empty() {
            root.set("scaling", scaling);
        }
        if !releases.is_empty() {
            root.set("release", releases);
        }
    }

    fn operator(&mut self, service: &Service, low: u64) -> Table {
        let every = self.dice.repeating(low, 30 * low);
        let mut table = Table::default().with("service", service.name.as_str()).with("every", every);
        self.maybe(&mut table, "from", |writer| {
            let from = service.at.max(writer.before_end());
            writer.dice.written(from)
        });
        self.maybe(&mut table, "until", Writer::time);
        table
    }

    fn crews(&mut self, root: &mut Table) {
        self.repeat(root, "crew", 2, |writer, number| {
            let name = format!("crew {number}");
            let mut crew = Table::default().with("name", name.as_str());
            writer.maybe(&mut crew, "count", |writer| writer.dice.amount(1..=3, &[1, 1_000_000]));
            writer.crews.push(name);
            crew
        });
    }

    fn failure(&mut self, number: u64) -> Table {
        let mut failure = Table::default();
        self.maybe(&mut failure, "name", |_| format!("what fails {number}"));
        // An agent that is cut off for years calls every few seconds.
        let breaches: &[&str] = &["power", "cut", "mute", "deaf", "split"];
        self.maybe_word(&mut failure, "breaks", if self.is_long() { &["power"] } else { breaches });
        let low = (self.duration / 20).max(SECOND);
        if self.dice.maybe() {
            self.maybe_span(&mut failure, "notice", SECOND, low);
        }
        if self.dice.chance(0.15) {
            let file = format!("log-{number}.csv");
            let mut text = String::from("node,down_at,up_at\n");
            for _ in 0..self.dice.count(0..=4) {
                let seconds = self.duration as f64 / 1e9;
                let down = self.dice.fraction() * seconds;
                let Some(node) = (0..self.nodes.len()).nth(self.dice.count(0..=11) as usize) else { continue };
                let up = if self.dice.chance(0.2) {
                    String::new()
                } else {
                    (down + 0.1 + self.dice.fraction() * seconds).to_string()
                };
                if up.is_empty() && 3e9 < down {
                    continue;
                }
                text += &format!("{},{down},{up}\n", self.nodes[node].name);
            }
            self.files.insert(file.clone(), text);
            failure.set("log", file);
            return failure;
        }
        let keys = |writer: &Writer| -> Vec<(String, String)> {
            writer
                .nodes
                .iter()
                .flat_map(|node| node.labels.keys().map(|key| (node.pool.clone(), key.clone())))
                .collect()
        };
        let keys = keys(self);
        if !keys.is_empty() && self.dice.maybe() {
            let (pool, key) = self.dice.pick(&keys).clone();
            failure.set("of", format!("pool={pool}"));
            failure.set("together", key);
        } else {
            let of = self.selector();
            failure.set("of", of);
        }
        if self.dice.chance(0.5) {
            let mtbf = self.dice.period(low, 20 * low);
            failure.set("mtbf", mtbf);
        } else {
            let up = self.dice.repeating(low, 20 * low);
            failure.set("up", up);
        }
        let repair = self.dice.law(SECOND, low);
        failure.set("repair", repair);
        if !self.crews.is_empty() && self.dice.chance(0.5) {
            let crew = self.dice.pick(&self.crews).clone();
            failure.set("crew", crew);
        } else {
            self.maybe(&mut failure, "crews", |writer| writer.dice.amount(1..=2, &[1, 1_000_000]));
        }
        self.maybe_word(&mut failure, "start", &["up", "new"]);
        self.maybe(&mut failure, "burst", |writer| {
            let mut burst = Table::default().with("chance", writer.dice.fraction());
            writer.maybe(
                &mut burst,
                "size",
                |writer| if writer.dice.is_edge() { 1e6 } else { writer.dice.number(2.0, 6.0) },
            );
            writer.maybe_span(&mut burst, "within", SECOND, 120 * SECOND);
            burst
        });
        failure
    }
}

// What a script does.
impl Writer {
    fn maintenance(&mut self) -> Table {
        let low = (self.duration / 10).max(SECOND);
        let lasts = self.dice.log(SECOND / 10, low);
        let of = self.selector();
        let mut table = Table::default().with("of", of).with("first", self.time());
        let written = self.dice.written(lasts);
        table.set("lasts", written);
        self.maybe(&mut table, "every", |writer| writer.dice.period(low, 5 * low));
        self.maybe_span(&mut table, "stagger", SECOND / 10, low);
        self.maybe(&mut table, "off_after", |writer| {
            let after = writer.dice.count(0..=lasts - 1);
            writer.dice.written(after)
        });
        table
    }

    fn script(&mut self, root: &mut Table) {
        let mut events = Vec::new();
        if self.unfounded && !self.nodes.is_empty() {
            let node = self.nodes[0].name.as_str();
            let first: Item = match self.dice.maybe() {
                true => Table::default().with("nodes", node).with("autolock", self.dice.maybe()).into(),
                false => node.into(),
            };
            let at = self.dice.count(0..=self.duration / 10);
            let at = self.dice.written(at);
            events.push(Table::default().with("at", at).with("init", first));
        }
        let removals: Vec<Table> = (0..self.dice.count(0..=1)).filter_map(|_| self.removal()).collect();
        for _ in 0..if self.dice.maybe() { self.dice.count(1..=12) } else { self.dice.count(0..=2) } {
            events.extend(self.event());
        }
        events.extend(removals);
        if !events.is_empty() {
            root.set("event", events);
        }
    }

    /// Services or stacks are removed; what else happens to them is before.
    fn removal(&mut self) -> Option<Table> {
        let alive = |service: &&mut Service| service.removed.is_none();
        let stack = self.stacks.first().cloned().filter(|_| self.dice.chance(0.5));
        let at = self.before_end();
        let name = match stack {
            Some(stack) => stack,
            None => {
                let names: Vec<String> = self
                    .services
                    .iter()
                    .filter(|service| service.at <= at)
                    .map(|service| service.name.clone())
                    .collect();
                (!names.is_empty()).then(|| self.dice.pick(&names).clone())?
            }
        };
        let is_meant = |service: &Service| service.name == name || service.name.starts_with(&format!("{name}_"));
        let at = self.services.iter().filter(|service| is_meant(service)).map(|service| service.at).max()?.max(at);
        if self.duration <= at {
            return None;
        }
        self.services
            .iter_mut()
            .filter(alive)
            .filter(|service| is_meant(service))
            .for_each(|service| service.removed = Some(at));
        let at = self.dice.written(at);
        Some(Table::default().with("at", at).with("remove", name))
    }

    fn event(&mut self) -> Option<Table> {
        const ON_NODES: &[&str] = &[
            "down",
            "up",
            "restart",
            "restart_live",
            "drain",
            "pause",
            "activate",
            "promote",
            "demote",
            "remove_node",
            "join",
            "unlock",
            "crash",
            "reboot",
            "stop_engine",
            "start_engine",
            "kill_engine",
            "leave",
            "force_new_cluster",
            "upgrade",
            "node_labels",
            "engine",
            "slow",
            "weaken",
            "cut",
            "mute",
            "deaf",
            "split",
            "mend",
        ];
        // The last ones break networks: an agent that is cut off for years calls every few seconds.
        const NETWORK: usize = 6;
        let mut event = Table::default();
        let (from, to, key, value) = match self.dice.count(0..=9) {
            0 => (0, self.duration, "registry", (*self.dice.pick(&["down", "up"])).into()),
            1 => {
                let both: Item = vec!["worker", "manager"].into();
                let one: Item = (*self.dice.pick(&["worker", "manager"])).into();
                (0, self.duration, "rotate_token", if self.dice.chance(0.3) { both } else { one })
            }
            2..=4 => self.service_event()?,
            5 => {
                let (key, value) = self.thing_event();
                (0, self.duration, key, value)
            }
            _ => {
                let verbs = if self.is_long() { &ON_NODES[..ON_NODES.len() - NETWORK] } else { ON_NODES };
                let (key, nodes) = (*self.dice.pick(verbs), self.selector());
                let value = match key {
                    "remove_node" if self.dice.maybe() => Table::default()
                        .with("nodes", self.selector_of_the_moment(nodes))
                        .with("force", self.dice.maybe())
                        .into(),
                    "demote" if self.dice.maybe() => Table::default()
                        .with("nodes", self.selector_of_the_moment(nodes))
                        .with("ghosts", self.dice.maybe())
                        .into(),
                    "join" if self.dice.maybe() => {
                        let token = *self.dice.pick(&["worker", "manager", "wrong"]);
                        let fresh = self.dice.maybe();
                        let one = self.nodes.first().filter(|_| self.dice.maybe()).map(|node| node.name.clone());
                        let mut join = Table::default().with("token", token).with("fresh", fresh);
                        if let Some(name) = one {
                            join = join.with("nodes", name).with("hostname", "another");
                        } else {
                            join.set("nodes", self.selector_of_the_moment(nodes));
                        }
                        join.into()
                    }
                    "node_labels" => {
                        let set = Table::default().with("rack", "r0").with("zone", "z1");
                        Table::default().with("nodes", nodes).with("set", set).with("remove", vec!["no"]).into()
                    }
                    "engine" => {
                        let nodes = Table::default().with("nodes", nodes);
                        let has = nodes.with("cpus", self.dice.count(1..=8)).with("memory", "4GiB");
                        has.with("labels", Table::default().with("storage", "1")).into()
                    }
                    "upgrade" => {
                        let takes = self.dice.written(self.duration / 1000);
                        Table::default().with("nodes", nodes).with("drain", false).with("takes", takes).into()
                    }
                    "slow" => {
                        let factor = if self.dice.is_edge() {
                            *self.dice.pick(&[1.0, 1e6])
                        } else {
                            self.dice.number(1.0, 20.0)
                        };
                        Table::default().with("nodes", nodes).with("factor", factor).into()
                    }
                    "weaken" => {
                        let mut weak = Table::default().with("nodes", nodes);
                        let loss = if self.dice.is_edge() { 0.99 } else { self.dice.number(0.0, 0.9) };
                        weak.set("loss", if self.dice.chance(0.2) { 0.0 } else { loss });
                        self.maybe_law(&mut weak, "delay", SECOND / 1000, 10 * SECOND);
                        weak.into()
                    }
                    _ => self.selector_of_the_moment(nodes),
                };
                // An upgrade ends within the run.
                (0, if key == "upgrade" { self.duration / 2 + 1 } else { self.duration }, key, value)
            }
        };
        let at = if self.dice.is_edge() { from } else { self.dice.count(from..=to - 1) };
        let written = self.dice.written(at);
        let waits = self.dice.chance(0.2);
        if waits {
            self.condition(&mut event);
        }
        if !waits || self.dice.maybe() {
            event.set("at", written);
        }
        self.maybe_word(&mut event, "label", &["a label", "-1"]);
        if self.dice.maybe() && self.events.len() < 3 {
            let name = format!("event-{}", self.events.len());
            event.set("name", name.as_str());
            self.events.push(name);
        }
        event.set(key, value);
        let mut last = at;
        if self.dice.maybe() && key != "upgrade" {
            // At most a dozen nodes, one after the other.
            let stagger = (to - 1 - at) / 20;
            let stagger = self.dice.count(0..=stagger);
            let written = self.dice.written(stagger);
            event.set("stagger", written);
            last = at + 20 * stagger;
        }
        if !waits && ["scale", "update_image", "update", "force"].contains(&key) {
            let named = event.text();
            for service in self.services.iter_mut().filter(|service| named.contains(&service.name)) {
                service.changed = Some(service.changed.map_or(last, |changed| changed.min(last)));
            }
        }
        Some(event)
    }

    /// What an event waits for.
    fn condition(&mut self, event: &mut Table) {
        if !self.events.is_empty() && self.dice.maybe() {
            let name = self.dice.pick(&self.events).clone();
            event.set("follows", name);
        } else {
            let mut conditions: Vec<String> =
                ["leader lost", "leader elected", "majority lost", "majority back"].map(String::from).into();
            conditions.extend(self.services.iter().flat_map(|service| {
                ["converged", "completed"].map(|end| format!("{} {end}", service.name)).into_iter().chain(
                    ["started", "paused", "completed", "rolled back"]
                        .map(|end| format!("update of {} {end}", service.name)),
                )
            }));
            conditions
                .extend(self.nodes.iter().flat_map(|node| ["down", "ready"].map(|is| format!("{} {is}", node.name))));
            let condition = self.dice.pick(&conditions).clone();
            event.set("when", condition);
        }
        let longest = self.duration / 4;
        self.maybe(event, "after", |generator| {
            let span = generator.dice.count(0..=longest);
            generator.dice.written(span)
        });
    }

    /// Nodes that are found when an event happens, now and then.
    fn selector_of_the_moment(&mut self, nodes: Item) -> Item {
        let mut words =
            vec!["leader", "reachable", "random 2 of all", "all - leader", "random 1 of reachable - leader"];
        let with = self.services.first().map(|service| format!("nodes with service={}", service.name));
        words.extend(with.as_deref());
        if self.dice.chance(0.3) { (*self.dice.pick(&words)).into() } else { nodes }
    }

    /// An event on networks, configs, secrets, stacks, the registry or the swarm.
    fn thing_event(&mut self) -> (&'static str, Item) {
        const KEYS: &[&str] = &[
            "create_network",
            "remove_network",
            "create_config",
            "create_secret",
            "remove_config",
            "remove_secret",
            "rotate_config",
            "rotate_secret",
            "swarm",
            "registry",
            "deploy",
        ];
        let key = *self.dice.pick(KEYS);
        let file = *self.dice.pick(FILES);
        let value: Item = match key {
            "create_network" if self.dice.maybe() => {
                Table::default().with("name", "made").with("subnet", "10.77.0.0/24").into()
            }
            "create_network" | "remove_network" => (*self.dice.pick(&["front", "back", "made", "other"])).into(),
            "create_config" | "create_secret" => Table::default().with("name", file).with("content", "1").into(),
            "remove_config" | "remove_secret" => file.into(),
            "rotate_config" | "rotate_secret" => Table::default().with("from", file).with("to", "newer").into(),
            "swarm" => {
                let swarm = Table::default().with("task_history", self.dice.amount(1..=6, &[0, 5]));
                let swarm = swarm.with("autolock", self.dice.maybe());
                swarm.with("heartbeat", if self.is_long() { "365d" } else { "3s" }).into()
            }
            "deploy" if !self.stacks.is_empty() => {
                let name = self.stacks.first().expect("there is one").clone();
                let is_whole = |file: &&String| file.ends_with(".yml") && !file.starts_with("over-");
                let file = self.files.keys().find(is_whole).expect("a stack has a file").clone();
                let env = Table::default().with("TAG", "2");
                Table::default()
                    .with("name", name)
                    .with("files", file)
                    .with("env", env)
                    .with("prune", self.dice.maybe())
                    .into()
            }
            _ => {
                let image = self.dice.pick(&self.images).clone();
                let other = self.dice.pick(&self.images).clone();
                let registry = Table::default().with("bandwidth", "10MB/s").with("latency", "5ms");
                let registry = registry.with("move_tag", Table::default().with(&image, other));
                return ("registry", registry.with("delete", image).into());
            }
        };
        (key, value)
    }

    /// An event on services, and when it may be.
    fn service_event(&mut self) -> Option<(u64, u64, &'static str, Item)> {
        const KEYS: &[&str] = &[
            "kill",
            "scale",
            "update_image",
            "update",
            "force",
            "rollback",
            "restart_container",
            "pause_container",
            "unpause_container",
        ];
        let key = *self.dice.pick(KEYS);
        let fits = |service: &&Service| match key {
            "scale" => service.is_replicated,
            "rollback" => service.changed.is_some(),
            _ => true,
        };
        let end = self.duration;
        let begin =
            |service: &Service| if key == "rollback" { service.changed.unwrap_or(service.at) } else { service.at };
        let fit: Vec<Service> = self
            .services
            .iter()
            .filter(fits)
            .filter(|service| begin(service) < service.removed.unwrap_or(end).min(end))
            .cloned()
            .collect();
        if fit.is_empty() {
            return None;
        }
        let one = self.dice.pick(&fit).clone();
        let (from, to) = (begin(&one), one.removed.unwrap_or(end).min(end));
        let others = fit.iter().filter(|service| begin(service) <= from && to <= service.removed.unwrap_or(end));
        let others: Vec<String> = others.map(|service| service.name.clone()).filter(|name| *name != one.name).collect();
        let mut names = vec![one.name.clone()];
        if !others.is_empty() && self.dice.chance(0.3) {
            let other = self.dice.pick(&others).clone();
            names.push(other);
        }
        let value = match key {
            "kill" | "restart_container" | "pause_container" if self.dice.chance(0.5) => one.name.into(),
            "kill" if one.is_replicated && self.dice.chance(0.3) => format!("{}.1", one.name).into(),
            "force" | "rollback" | "unpause_container" if names.len() == 1 => one.name.into(),
            "force" | "rollback" | "unpause_container" => names.into(),
            _ => {
                let mut table = Table::default();
                for name in names {
                    let value: Item = match key {
                        "kill" | "restart_container" | "pause_container" => {
                            self.dice.amount(1..=3, &[1, 10_000_000]).into()
                        }
                        "update" => {
                            let its = self.services.iter().find(|service| service.name == name);
                            let is_replicated = its.is_some_and(|service| service.is_replicated);
                            self.change(is_replicated).into()
                        }
                        "scale" => self.dice.amount(0..=9, &[0, 30]).into(),
                        _ => self.dice.pick(&self.images).clone().into(),
                    };
                    table.set(&name, value);
                }
                table.into()
            }
        };
        Some((from, to, key, value))
    }
}
