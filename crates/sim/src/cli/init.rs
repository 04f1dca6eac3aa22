//! `simctl init`: a scenario to begin with, which runs at once.
//!
//! Of a stack file it makes nodes on which all of it runs, also while a rack is away: services that ask for nodes of their own
//! kind (a role, labels, a host name, a platform, resources of a kind) get a pool of it, and pools are as large as the
//! reservations, limits per node and host ports of their services need.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sched::spec::{Mode, PluginKind, PublishMode, ServiceSpec, Units};

use super::{Console, End};
use crate::compose::{self, Source};
use crate::outside;

/// `simctl init`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  simctl init > first.toml                     a cluster that loses a rack
  simctl init docker-stack.yml > my.toml       the same with this stack
  simctl init docker-stack.yml | simctl run -")]
pub struct Args {
    /// A stack file that the scenario deploys, by the way by which the scenario shall find it
    #[arg(value_name = "STACK.yml")]
    stack: Option<PathBuf>,
    /// A variable for `${NAME}` of the stack file; nothing is taken from the environment
    #[arg(long = "env", value_name = "NAME=VALUE", requires = "stack")]
    env: Vec<String>,
}

/// Racks of the cluster.
const RACKS: u64 = 3;
/// Tasks on a node, if their reservations do not say otherwise.
const TASKS_PER_NODE: u64 = 20;
/// The smallest machine: 10^-9 CPUs and bytes.
const CPUS: u64 = 4_000_000_000;
const MEMORY: u64 = 8 << 30;

/// Prints the scenario, or says why the stack is refused.
pub fn run(args: &Args, console: &mut Console) -> End {
    let Some(file) = &args.stack else {
        let web = "[[service]]\nname = \"web\"\nimage = \"nginx\"\nreplicas = 12\n\
                   reserve = { cpus = 0.5, memory = \"512MiB\" }\n";
        console.say(&text("first", "A rack is lost", web, &[Pool::workers()], AVAILABLE));
        return End::Held;
    };
    let refuse = |console: &mut Console, why: String| {
        console.tell(&format!("error: {why}"));
        End::WrongInput
    };
    if file == Path::new("-") {
        return refuse(console, "the scenario names the stack file, so it cannot be standard input".into());
    }
    let mut variables = BTreeMap::new();
    for pair in &args.env {
        match pair.split_once('=') {
            Some((name, value)) if !name.is_empty() => variables.insert(name.to_string(), value.to_string()),
            _ => return refuse(console, format!("--env {pair}: expected NAME=VALUE")),
        };
    }
    let name = compose::default_name(file);
    let source = Source::read(file).map_err(|problem| vec![problem]);
    let stack = source.and_then(|source| compose::load_sources(&name, &[source], &variables));
    let stack = match stack {
        Ok(stack) => stack,
        Err(problems) => {
            for problem in problems {
                let at = problem.place.map(|at| format!(":{}:{}", at.line, at.column)).unwrap_or_default();
                let file = outside::shown_path(&problem.file);
                console.tell(&format!("error: {file}{at}: {}", problem.message));
            }
            return End::WrongInput;
        }
    };
    let mut deploy = format!("[[stack]]\nname = {}\nfiles = {}\n", quoted(&name), quoted(&file.to_string_lossy()));
    if !variables.is_empty() {
        let pairs: Vec<String> =
            variables.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
        let _ = writeln!(deploy, "env = {{ {} }}", pairs.join(", "));
    }
    let _ = writeln!(deploy, "# Its services: {}.", services(stack.services.iter().map(|service| &service.spec)));
    let specs: Vec<&ServiceSpec> = stack.services.iter().map(|service| &service.spec).collect();
    let expect = match () {
        () if specs.iter().any(|spec| matches!(spec.mode, Mode::Global | Mode::Replicated { replicas: 1.. })) => {
            AVAILABLE
        }
        () if specs.iter().any(|spec| spec.mode.is_job()) => STARTED,
        () => NOTHING,
    };
    console.say(&text(&slug(&name), &format!("Stack {name} loses a rack"), &deploy, &pools(&specs), expect));
    End::Held
}

fn services<'a>(specs: impl Iterator<Item = &'a ServiceSpec>) -> String {
    let one = |spec: &ServiceSpec| match spec.mode {
        Mode::Replicated { replicas } => format!("{} ({replicas})", spec.name),
        Mode::Global => format!("{} (on every node)", spec.name),
        Mode::ReplicatedJob { .. } | Mode::GlobalJob => format!("{} (a job)", spec.name),
    };
    outside::shown(&specs.map(one).collect::<Vec<_>>().join(", "))
}

/// What services ask of their nodes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Kind {
    hostname: Option<String>,
    is_manager: bool,
    labels: BTreeMap<String, String>,
    engine_labels: BTreeMap<String, String>,
    os: Option<String>,
    arch: Option<String>,
}

impl Kind {
    fn of(spec: &ServiceSpec) -> Kind {
        let mut kind = Kind::default();
        for constraint in &spec.task.placement.constraints {
            let Some((key, value)) = constraint.split_once("==") else { continue };
            let (key, value) = (key.trim(), value.trim().to_string());
            let lower = key.to_ascii_lowercase();
            match lower.as_str() {
                "node.role" => kind.is_manager = value.eq_ignore_ascii_case("manager"),
                "node.hostname" | "node.id" => kind.hostname = Some(value),
                "node.platform.os" => kind.os = Some(value),
                "node.platform.arch" => kind.arch = Some(value),
                _ if lower.starts_with("node.labels.") => {
                    kind.labels.insert(key["node.labels.".len()..].to_string(), value);
                }
                _ if lower.starts_with("engine.labels.") => {
                    kind.engine_labels.insert(key["engine.labels.".len()..].to_string(), value);
                }
                _ => {}
            }
        }
        kind
    }

    fn name(&self) -> String {
        let mut words: Vec<&str> = vec![if self.is_manager { "manager" } else { "worker" }];
        words.extend(self.hostname.as_deref());
        words.extend(self.labels.values().map(String::as_str));
        words.extend(self.engine_labels.values().map(String::as_str));
        words.extend([&self.os, &self.arch].into_iter().flatten().map(String::as_str));
        slug(&words.join("-"))
    }
}

/// Nodes of one kind.
struct Pool {
    name: String,
    kind: Kind,
    count: u64,
    nano_cpus: u64,
    memory: u64,
    generic: BTreeMap<String, u64>,
    plugins: BTreeMap<PluginKind, BTreeSet<String>>,
}

impl Pool {
    /// Two machines in each rack.
    fn workers() -> Pool {
        Pool::of("worker".into(), Kind::default(), 2 * RACKS)
    }

    fn of(name: String, kind: Kind, count: u64) -> Pool {
        Pool { name, kind, count, nano_cpus: CPUS, memory: MEMORY, generic: BTreeMap::new(), plugins: BTreeMap::new() }
    }

    /// Machines on which so much runs while those of a rack are away.
    fn holding(name: String, kind: Kind, specs: &[&ServiceSpec], everywhere: &[&ServiceSpec]) -> Pool {
        let amount = |amount: i64| u64::try_from(amount).unwrap_or(0);
        let mut pool = Pool::of(name, kind, RACKS);
        let (mut tasks, mut cpus, mut memory, mut nodes) = (0u64, 0u64, 0u64, 1u64);
        let (mut largest_cpus, mut largest_memory) = (0, 0);
        let mut generic: BTreeMap<String, u64> = BTreeMap::new();
        for spec in specs.iter().chain(everywhere) {
            let is_everywhere = spec.mode.is_per_node();
            let count = match spec.mode {
                Mode::Replicated { replicas } => replicas,
                Mode::ReplicatedJob { max_concurrent, .. } => max_concurrent,
                Mode::Global | Mode::GlobalJob => 0,
            };
            let wants = &spec.task.reservations;
            let (one_cpus, one_memory) = (amount(wants.nano_cpus), amount(wants.memory));
            // What an update starts before it stops the old.
            let count = count.saturating_add(u64::from(!is_everywhere));
            tasks = tasks.saturating_add(count);
            cpus = cpus.saturating_add(count.saturating_mul(one_cpus));
            memory = memory.saturating_add(count.saturating_mul(one_memory));
            if is_everywhere {
                pool.nano_cpus = pool.nano_cpus.saturating_add(one_cpus);
                pool.memory = pool.memory.saturating_add(one_memory);
            }
            largest_cpus = largest_cpus.max(one_cpus);
            largest_memory = largest_memory.max(one_memory);
            let has_host_port = spec.endpoint.ports.iter().any(|port| port.mode == PublishMode::Host);
            if has_host_port && !is_everywhere {
                nodes = nodes.max(count);
            }
            if let Some(alone) = count.checked_div(spec.task.placement.max_replicas) {
                nodes = nodes.max(alone + 1);
            }
            for resource in &wants.generic {
                let Units::Count(units) = resource.units else { continue };
                let all = amount(units).saturating_mul(count.max(1));
                *generic.entry(resource.kind.clone()).or_default() += all;
            }
            let volumes = spec.task.container.volume_drivers.iter().cloned();
            pool.plugins.entry(PluginKind::Volume).or_default().extend(volumes);
            pool.plugins.entry(PluginKind::Network).or_default().extend(spec.task.network_drivers.iter().cloned());
            pool.plugins.entry(PluginKind::Log).or_default().extend(spec.task.log_driver.iter().cloned());
        }
        // A machine has room for two of the largest: then machines are at least half full before a task finds none.
        while pool.nano_cpus < largest_cpus.saturating_mul(2) {
            pool.nano_cpus = pool.nano_cpus.saturating_mul(2);
        }
        while pool.memory < largest_memory.saturating_mul(2) {
            pool.memory = pool.memory.saturating_mul(2);
        }
        let needs = [
            tasks.div_ceil(TASKS_PER_NODE),
            cpus.saturating_mul(2).div_ceil(pool.nano_cpus),
            memory.saturating_mul(2).div_ceil(pool.memory),
            nodes,
        ];
        let there = needs.into_iter().max().unwrap_or(1);
        if pool.kind.hostname.is_some() {
            pool.count = 1;
        } else if pool.kind.is_manager {
            // More managers decide more slowly: these get larger instead.
            pool.nano_cpus = pool.nano_cpus.max(whole(cpus, 1_000_000_000));
            pool.memory = pool.memory.max(whole(memory, 1 << 30));
        } else {
            pool.count = RACKS * there.div_ceil(RACKS - 1);
        }
        pool.generic = generic.into_iter().map(|(kind, all)| (kind, all.max(1))).collect();
        pool.nano_cpus = whole(pool.nano_cpus, 1_000_000_000);
        pool.memory = whole(pool.memory, 1 << 30);
        pool
    }
}

/// The next multiple.
fn whole(amount: u64, unit: u64) -> u64 {
    amount.div_ceil(unit).saturating_mul(unit)
}

/// The nodes on which services run.
fn pools(specs: &[&ServiceSpec]) -> Vec<Pool> {
    let mut kinds: BTreeMap<Kind, Vec<&ServiceSpec>> = BTreeMap::new();
    let plain = |spec: &&&ServiceSpec| spec.mode.is_per_node() && Kind::of(spec) == Kind::default();
    let everywhere: Vec<&ServiceSpec> = specs.iter().filter(plain).copied().collect();
    for spec in specs.iter().filter(|spec| !plain(spec)) {
        kinds.entry(Kind::of(spec)).or_default().push(spec);
    }
    kinds.entry(Kind::default()).or_default();
    if !kinds.keys().any(|kind| kind.is_manager) {
        kinds.entry(Kind { is_manager: true, ..Kind::default() }).or_default();
    }
    let mut names = BTreeSet::new();
    let mut pools: Vec<Pool> = kinds
        .into_iter()
        .map(|(kind, specs)| {
            let mut name = kind.name();
            while !names.insert(name.clone()) {
                name.push_str("-2");
            }
            Pool::holding(name, kind, &specs, &everywhere)
        })
        .collect();
    // Those that people look for first.
    pools.sort_by_key(|pool| (!pool.kind.is_manager, pool.kind != Kind::default()));
    pools
}

/// What is expected of services that run all the time, of jobs, and if there is neither.
const AVAILABLE: &str = "\
# Here: in 95 % of all runs that there could be, services have nine of ten of the running tasks that they want, over the
# whole time.
[expect]
availability = { min = 0.9, in = 0.95 }
";
const STARTED: &str = "\
# Here: in 95 % of all runs that there could be, 99 of 100 tasks run within a minute. Containers of jobs run until they are
# stopped, unless `exits` of their image says otherwise.
[expect]
time_to_running_p99_s = { max = 60, in = 0.95 }
";
const NOTHING: &str = "\
# Nothing runs here until an [[event]] scales a service. Of one that runs:
# [expect]
# availability = { min = 0.9, in = 0.95 }
";

/// The scenario.
fn text(name: &str, title: &str, services: &str, pools: &[Pool], expect: &str) -> String {
    let mut out = format!(
        "# A scenario for `simctl run FILE`. Every key stands in scenarios/README.md; editors know them from the output of\n\
         # `simctl schema`, kept in a file that the first line names: #:schema ./simctl.schema.json\n\
         name = {}\n\
         title = {}\n\
         duration = \"10m\"\n\
         # Placement strategies to compare, the first is the baseline: \"spread\" is Swarm's own. `simctl strategies` lists all.\n\
         strategies = [\"spread\"]\n\
         # Runs of each. A share of 95 % of the runs needs 59 or more to be shown.\n\
         replications = 60\n\n",
        quoted(name),
        quoted(title),
    );
    out.push_str("# The nodes: Swarm sees their CPUs and memory, and what is reserved of them.\n");
    for pool in pools {
        let rack = if pool.count == 1 { "r1".to_string() } else { format!("r{{i%{RACKS}+1}}") };
        let mut labels = BTreeMap::from([("rack".to_string(), rack)]);
        labels.extend(pool.kind.labels.iter().map(|(key, value)| (key.clone(), braced(value))));
        let _ = writeln!(out, "[[pool]]\nname = {}\ncount = {}", quoted(&pool.name), pool.count);
        if let Some(hostname) = &pool.kind.hostname {
            let _ = writeln!(out, "hostname = {}", quoted(&braced(hostname)));
        }
        if pool.kind.is_manager {
            out.push_str("role = \"manager\"\n");
        }
        let _ = writeln!(out, "cpus = {}\nmemory = \"{}GiB\"", pool.nano_cpus / 1_000_000_000, pool.memory >> 30);
        let _ = writeln!(out, "labels = {}", inline(labels.iter().map(|(key, value)| (key, quoted(value)))));
        if !pool.kind.engine_labels.is_empty() {
            let labels = pool.kind.engine_labels.iter().map(|(key, value)| (key, quoted(&braced(value))));
            let _ = writeln!(out, "engine_labels = {}", inline(labels));
        }
        for (key, value) in [("os", &pool.kind.os), ("arch", &pool.kind.arch)] {
            value.iter().for_each(|value| {
                let _ = writeln!(out, "{key} = {}", quoted(value));
            });
        }
        if !pool.generic.is_empty() {
            let units = pool.generic.iter().map(|(kind, units)| (kind, units.to_string()));
            let _ = writeln!(out, "generic = {}", inline(units));
        }
        let words = [(PluginKind::Volume, "volume"), (PluginKind::Network, "network"), (PluginKind::Log, "log")];
        let plugins: Vec<(String, String)> = words
            .iter()
            .filter_map(|(kind, word)| {
                let names = pool.plugins.get(kind).filter(|names| !names.is_empty())?;
                let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
                Some((word.to_string(), format!("[{}]", names.join(", "))))
            })
            .collect();
        if !plugins.is_empty() {
            let _ = writeln!(out, "plugins = {}", inline(plugins.iter().map(|(key, value)| (key, value.clone()))));
        }
        out.push('\n');
    }
    let _ = write!(out, "# What runs on them.\n{services}\n");
    out.push_str(
        "# What happens: a rack loses power, and has it again after three minutes.\n\
         [[event]]\nat = \"4m\"\ndown = \"rack=r2\"\n\n\
         [[event]]\nat = \"7m\"\nup = \"rack=r2\"\n\n\
         # What must come out; `simctl metrics` lists what can be said.\n",
    );
    out.push_str(expect);
    out
}

fn inline<'a>(pairs: impl Iterator<Item = (&'a String, String)>) -> String {
    let pairs: Vec<String> = pairs.map(|(key, value)| format!("{} = {value}", quoted(key))).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// A TOML basic string. JSON escapes what TOML wants escaped, but for DEL.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// A text as a pattern that gives it: braces cannot be in one.
fn braced(text: &str) -> String {
    text.replace(['{', '}'], "-")
}

/// Letters, digits and `-`, as names of scenarios and pools may have.
fn slug(text: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let slug: String = text.chars().map(letter).take(60).collect();
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "stack".into() } else { slug.into() }
}
