//! `[[pool]]`: nodes, and the selectors by which events and failures name them.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use sched::spec::{
    Availability, Description, GenericResource, Labels, NodeSpec, NodeState, Platform, PluginKind, Resources, Role,
    Units,
};

use super::pattern::expand;
use super::value::{Entry, Table, Value};
use super::{NodePlan, scaler};

pub(super) const POOL: &[&str] = &[
    "name",
    "count",
    "cpus",
    "cores",
    "memory",
    "role",
    "availability",
    "labels",
    "engine_labels",
    "os",
    "arch",
    "plugins",
    "generic",
    "network",
    "hostname",
    "address",
    "join",
    "autoscale",
];
pub(super) const PLUGINS: &[&str] = &["volume", "network", "log"];

pub(super) const ROLES: &[(&str, Role)] = &[("worker", Role::Worker), ("manager", Role::Manager)];
pub(super) const AVAILABILITIES: &[(&str, Availability)] =
    &[("active", Availability::Active), ("pause", Availability::Pause), ("drain", Availability::Drain)];

/// Nodes of a cluster at most; labels of a node; kinds of generic resources of a node; named units of a kind.
pub(super) const NODES: u64 = 1_000_000;
const LABELS: usize = 256;
const KINDS: usize = 64;
/// Nodes that all selectors of a scenario name together, and labels of all nodes: a short text must not fill the memory.
const NAMED: usize = 20_000_000;
const UNITS: usize = 4096;

/// What `docker info` lists on a plain Linux engine.
const ENGINE_PLUGINS: &[(PluginKind, &[&str])] = &[
    (PluginKind::Volume, &["local"]),
    (PluginKind::Network, &["bridge", "host", "ipvlan", "macvlan", "null", "overlay"]),
    (PluginKind::Log, &["awslogs", "fluentd", "gcplogs", "gelf", "journald", "json-file", "local", "splunk", "syslog"]),
];

/// Bytes per second of a network interface: 1 Gbit/s.
const DEFAULT_BANDWIDTH: u64 = 125_000_000;

/// Every node of every pool, in order of the file.
pub(super) fn nodes(pools: &[Table<'_>], ideal: bool) -> Vec<NodePlan> {
    let network = if ideal { None } else { Some(DEFAULT_BANDWIDTH) };
    let mut nodes = Vec::new();
    let mut names = BTreeSet::new();
    let mut pool_names = BTreeSet::new();
    let (mut cpus, mut memory) = (0_i128, 0_i128);
    for pool in pools {
        let name = pool.need("name", Value::text).unwrap_or("");
        if !pool_names.insert(name)
            && let Some(value) = pool.get("name")
        {
            value.complain(format!("there is already a pool `{name}`"));
        }
        let count = pool.read("count", |value| value.count(0..=NODES)).unwrap_or(1).max(scaler::most(pool));
        if NODES < nodes.len() as u64 + count {
            pool.complain(format!("more than {NODES} nodes"));
            return nodes;
        }
        let before = nodes.len();
        read_pool(pool, name, count, network, &mut names, &mut nodes);
        for resources in nodes[before..].iter().filter_map(|node| Some(&node.spec.description.as_ref()?.resources)) {
            cpus += i128::from(resources.nano_cpus);
            memory += i128::from(resources.memory);
        }
        // What all nodes have together is counted in as many bits as what one has.
        for (what, total) in [("9223372036 CPUs", cpus), ("8 EiB of memory", memory)] {
            if i128::from(i64::MAX) < total {
                pool.complain(format!("the nodes have more than {what} together"));
                return nodes;
            }
        }
    }
    nodes
}

fn read_pool(
    pool: &Table<'_>,
    name: &str,
    count: u64,
    network: Option<u64>,
    names: &mut BTreeSet<String>,
    nodes: &mut Vec<NodePlan>,
) {
    const DEFAULT_CPUS: i64 = 4_000_000_000;
    const DEFAULT_MEMORY: u64 = 8 << 30;

    let text = |key, default: &str| pool.read(key, Value::text).unwrap_or(default).to_string();
    let template = NodeSpec {
        id: String::new(),
        role: pool.read("role", |value| value.choice(ROLES)).unwrap_or_default(),
        availability: pool.read("availability", |value| value.choice(AVAILABILITIES)).unwrap_or_default(),
        state: NodeState::Ready,
        labels: Labels::new(),
        address: None,
        description: Some(Description {
            hostname: String::new(),
            platform: Platform { os: text("os", "linux"), architecture: text("arch", "x86_64") },
            resources: Resources {
                nano_cpus: pool.read("cpus", Value::cpus).unwrap_or(DEFAULT_CPUS),
                memory: pool.read("memory", Value::bytes).unwrap_or(DEFAULT_MEMORY).cast_signed(),
                generic: pool.read("generic", generic_units).unwrap_or_default(),
            },
            engine_labels: Labels::new(),
            plugins: plugins(pool).into(),
        }),
    };
    let bandwidth = pool.read("network", Value::rate).unwrap_or(network);
    let cores = pool.read("cores", |value| value.number(0.01..=1e6));
    let labels = pool.read("labels", label_patterns).unwrap_or_default();
    let engine_labels = pool.read("engine_labels", label_patterns).unwrap_or_default();
    if NAMED as u64 / count.max(1) < (labels.len() + engine_labels.len()) as u64 {
        return pool.complain(format!("more than {NAMED} labels in all"));
    }
    let default_hostname = if count == 1 { name.to_string() } else { format!("{name}-{{i+1}}") };
    let hostname = pool.read("hostname", Value::text).map_or(default_hostname, str::to_string);
    let named_by = || pool.get("hostname").or_else(|| pool.get("name"));
    let address = pool.get("address");

    for i in 0..count {
        let mut spec = template.clone();
        spec.id = match expand(&hostname, i).and_then(host_name) {
            Ok(name) => name,
            Err(error) => return named_by().iter().for_each(|value| value.complain(&error)),
        };
        if !names.insert(spec.id.clone()) {
            let message = format!("there is already a node `{}`", spec.id);
            let help = (1 < count).then(|| format!("a pattern gives each node its name: \"{name}-{{i+1}}\""));
            return named_by().iter().for_each(|value| value.complain_with(&message, help.clone()));
        }
        let text = address.as_ref().and_then(|value| Some((value, value.text()?)));
        let address = text.map(|(value, text)| expand(text, i).map_err(|error| value.complain(error)).ok());
        // Patterns that failed once have complained; the rest of the pool would only repeat it.
        let (Some(own), Some(engine)) = (expand_all(&labels, i), expand_all(&engine_labels, i)) else { return };
        if address == Some(None) {
            return;
        }
        spec.address = address.flatten();
        spec.labels = own;
        if let Some(description) = &mut spec.description {
            description.hostname.clone_from(&spec.id);
            description.engine_labels = engine;
        }
        nodes.push(NodePlan { pool: name.to_string(), spec: spec.into(), bandwidth, cores });
    }
}

pub(super) fn host_name(name: String) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || 63 < name.len() || !name.chars().all(good) {
        return Err(format!("expected a host name of 1 to 63 letters, digits, `-`, `_` or `.`, found \"{name}\""));
    }
    Ok(name)
}

fn label_patterns<'a>(value: &Value<'a>) -> Option<Vec<(Entry<'a>, String)>> {
    let entries = value.entries();
    if LABELS < entries.len() {
        value.complain(format!("more than {LABELS} labels"));
        return None;
    }
    Some(entries.into_iter().filter_map(|entry| entry.value.scalar().map(|text| (entry, text))).collect())
}

fn expand_all(patterns: &[(Entry<'_>, String)], i: u64) -> Option<Labels> {
    let label = |(entry, pattern): &(Entry<'_>, String)| {
        let text = expand(pattern, i).map_err(|error| entry.value.complain(error)).ok()?;
        Some((entry.key.to_string(), text))
    };
    patterns.iter().map(label).collect()
}

fn plugins(pool: &Table<'_>) -> Vec<(PluginKind, String)> {
    let own = |(kind, names): &(PluginKind, &[&str])| names.iter().map(|name| (*kind, name.to_string())).collect();
    let mut plugins: Vec<(PluginKind, String)> = ENGINE_PLUGINS.iter().flat_map(own as fn(&_) -> Vec<_>).collect();
    if let Some(table) = pool.read("plugins", |value| value.table(PLUGINS)) {
        let kinds = [PluginKind::Volume, PluginKind::Network, PluginKind::Log];
        for (key, kind) in PLUGINS.iter().zip(kinds) {
            plugins.extend(table.read(key, Value::texts).unwrap_or_default().into_iter().map(|name| (kind, name)));
        }
    }
    plugins
}

/// `{ gpu = 2, fpga = ["a", "b"] }`: what a node has.
pub(super) fn generic_units(value: &Value<'_>) -> Option<Vec<GenericResource>> {
    let entries = value.entries();
    if KINDS < entries.len() {
        value.complain(format!("more than {KINDS} kinds of resources"));
        return None;
    }
    let mut resources = Vec::new();
    for Entry { key, value, .. } in entries {
        if value.as_decimal().is_some() {
            let count = value.count(0..=i64::MAX.cast_unsigned()).unwrap_or(0).cast_signed();
            resources.push(GenericResource { kind: key.to_string(), units: Units::Count(count) });
            continue;
        }
        let names = value.list();
        if UNITS < names.len() {
            value.complain(format!("more than {UNITS} units"));
            return None;
        }
        let named = names.iter().filter_map(Value::text);
        resources
            .extend(named.map(|name| GenericResource { kind: key.to_string(), units: Units::Named(name.to_string()) }));
    }
    Some(resources)
}

/// Finds nodes by what a user calls them.
pub(super) struct Selectors<'a> {
    nodes: &'a [NodePlan],
    /// Names that machines get later.
    later: BTreeMap<String, usize>,
    by_name: BTreeMap<&'a str, usize>,
    pools: BTreeSet<&'a str>,
    /// Values of each label key.
    labels: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Rows given out so far.
    named: Cell<usize>,
}

impl<'a> Selectors<'a> {
    /// Over all nodes.
    pub fn new(nodes: &'a [NodePlan]) -> Selectors<'a> {
        let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (key, value) in nodes.iter().flat_map(|node| &node.spec.labels) {
            labels.entry(key).or_default().insert(value);
        }
        Selectors {
            nodes,
            later: BTreeMap::new(),
            by_name: nodes.iter().enumerate().map(|(row, node)| (node.spec.id.as_str(), row)).collect(),
            pools: nodes.iter().map(|node| node.pool.as_str()).collect(),
            labels,
            named: Cell::new(0),
        }
    }

    /// Machines get other names later, by which they can be called, too.
    #[must_use]
    pub fn with_names(mut self, names: Vec<(String, String)>) -> Selectors<'a> {
        for (name, node) in names {
            if let Some(row) = self.row(&node).filter(|_| !self.by_name.contains_key(name.as_str())) {
                self.later.insert(name, row);
            }
        }
        self
    }

    /// Rows of the nodes that a selector or a list of selectors names, in the order of naming, each once.
    pub fn rows(&self, value: &Value<'_>) -> Vec<usize> {
        self.rows_or(value, &[])
    }

    /// The same where a selector could have been one of these words too.
    pub fn rows_or(&self, value: &Value<'_>, words: &[&'static str]) -> Vec<usize> {
        if !value.not_empty("a node or more") {
            return Vec::new();
        }
        let mut seen = BTreeSet::new();
        let mut rows: Vec<usize> = value.list_or_one().iter().flat_map(|one| self.rows_of_one(one, words)).collect();
        rows.retain(|row| seen.insert(*row));
        self.named.set(self.named.get() + rows.len());
        if NAMED < self.named.get() {
            value.complain(format!("events and failures name more than {NAMED} nodes together"));
            rows.clear();
        }
        rows
    }

    fn rows_of_one(&self, value: &Value<'_>, words: &[&'static str]) -> Vec<usize> {
        let Some(text) = value.as_text() else {
            return value
                .expected("a node, \"pool=NAME\", \"role=manager\", \"LABEL=VALUE\" or \"all\"")
                .unwrap_or_default();
        };
        self.rows_of_text(value, text, words)
    }

    /// The same of a part of a text. `A - B` is A without B.
    pub fn rows_of_text(&self, value: &Value<'_>, text: &str, words: &[&'static str]) -> Vec<usize> {
        if let Some((those, others)) = text.rsplit_once(" - ") {
            let others: BTreeSet<usize> = self.rows_of_text(value, others.trim(), words).into_iter().collect();
            let those = self.rows_of_text(value, those.trim(), words);
            return those.into_iter().filter(|row| !others.contains(row)).collect();
        }
        let all = |wanted: &dyn Fn(&NodePlan) -> bool| -> Vec<usize> {
            (0..self.nodes.len()).filter(|row| wanted(&self.nodes[*row])).collect()
        };
        match text.split_once('=') {
            _ if text == "all" => all(&|_| true),
            None => match self.row(text) {
                Some(row) => vec![row],
                None => {
                    let names = self.by_name.keys().copied().chain(["all"]).chain(words.iter().copied());
                    self.unknown(value, "node", text, names)
                }
            },
            Some(("pool", pool)) if self.pools.contains(pool) => all(&|node| node.pool == pool),
            Some(("pool", pool)) => self.unknown(value, "pool", pool, self.pools.iter().copied()),
            Some(("role", role)) => match ROLES.iter().find(|(name, _)| *name == role) {
                Some((_, role)) => all(&|node| node.spec.role == *role),
                None => self.unknown(value, "role", role, ROLES.iter().map(|(name, _)| *name)),
            },
            Some((key, wanted)) => match self.labels.get(key) {
                Some(values) if values.contains(wanted) => {
                    all(&|node| node.spec.labels.get(key).is_some_and(|value| value == wanted))
                }
                Some(values) => {
                    let help = value.sink.suggest(wanted, values.iter().copied());
                    value.complain_with(format!("no node has the label `{text}`"), help);
                    Vec::new()
                }
                None => self.unknown(value, "label", key, self.labels.keys().copied()),
            },
        }
    }

    /// Whether a node has this name.
    pub fn is_name(&self, text: &str) -> bool {
        self.row(text).is_some()
    }

    /// The sets of some nodes that share the value of a label.
    pub fn domains(&self, rows: &[usize], key: &Value<'_>) -> Option<BTreeMap<&'a str, Vec<usize>>> {
        let label = key.text()?;
        if !self.labels.contains_key(label) {
            self.unknown(key, "label", label, self.labels.keys().copied());
            return None;
        }
        let mut domains: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for row in rows {
            match self.nodes[*row].spec.labels.get(label) {
                Some(value) => domains.entry(value).or_default().push(*row),
                None => {
                    key.complain(format!("node `{}` has no label `{label}`", self.nodes[*row].spec.id));
                    return None;
                }
            }
        }
        Some(domains)
    }

    /// The row of a node.
    pub fn row(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).or_else(|| self.later.get(name)).copied()
    }

    /// How many nodes there are.
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Names of all nodes.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.nodes.iter().map(|node| node.spec.id.as_str())
    }

    /// A node's name.
    pub fn name(&self, row: usize) -> &'a str {
        &self.nodes[row].spec.id
    }

    fn unknown<'n>(
        &self,
        value: &Value<'_>,
        what: &str,
        name: &str,
        names: impl Iterator<Item = &'n str>,
    ) -> Vec<usize> {
        value.complain_with(format!("no {what} `{name}`"), value.sink.suggest(name, names));
        Vec::new()
    }
}
