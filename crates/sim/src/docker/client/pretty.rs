//! Objects for people, laid out as docker/cli lays them out with `--pretty` and in `docker info`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sched::{Span, Time};

use super::words::{bytes, capitalized, duration, human};
use crate::docker::engine::Engine;
use crate::docker::objects::{File, Info, Mode, Node, Resources, Service, UpdateConfig};
use crate::docker::stamp::Stamp;
use crate::order::FileKind;

/// Lines of text; writing into memory does not fail.
macro_rules! line {
    ($out:expr, $($part:tt)*) => {{ let _ = writeln!($out, $($part)*); }};
}

fn ago(stamp: Stamp, now: Time) -> String {
    format!("{} ago", human(stamp.age(now)))
}

/// As Go prints a list.
fn listed(list: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", list.into_iter().collect::<Vec<_>>().join(" "))
}

/// `docker service inspect --pretty` (`cli/command/service/formatter.go`).
pub(super) fn service(engine: &Engine, service: &Service) -> String {
    let (spec, now) = (&service.spec, engine.now().0);
    let (task, container) = (&spec.task_template, &spec.task_template.container_spec);
    let mut out = String::from("\n");
    line!(out, "ID:\t\t{}", service.meta.id);
    line!(out, "Name:\t\t{}", spec.name);
    if !spec.labels.is_empty() {
        line!(out, "Labels:");
        for (key, value) in &spec.labels {
            line!(out, " {key}{}{value}", if value.is_empty() { "" } else { "=" });
        }
    }
    match spec.mode {
        Mode::Global {} => line!(out, "Service Mode:\tGlobal"),
        Mode::Replicated { replicas } => line!(out, "Service Mode:\tReplicated\n Replicas:\t{replicas}"),
        Mode::ReplicatedJob { .. } | Mode::GlobalJob {} => line!(out, "Service Mode:"),
    }
    if let Some(status) = &service.update_status {
        line!(out, "UpdateStatus:\n State:\t\t{}\n Started:\t{}", status.state, ago(status.started_at, now));
        if let Some(completed) = status.completed_at.filter(|_| status.state == "completed") {
            line!(out, " Completed:\t{}", ago(completed, now));
        }
        line!(out, " Message:\t{}", status.message);
    }
    line!(out, "Placement:");
    if !task.placement.constraints.is_empty() {
        line!(out, " Constraints:\t{}", listed(task.placement.constraints.iter().cloned()));
    }
    if !task.placement.preferences.is_empty() {
        let over =
            |preference: &crate::docker::objects::Preference| format!("spread={}", preference.spread.spread_descriptor);
        line!(out, " Preferences:   {}", listed(task.placement.preferences.iter().map(over)));
    }
    if task.placement.max_replicas > 0 {
        line!(out, " Max Replicas Per Node:   {}", task.placement.max_replicas);
    }
    update(&mut out, "UpdateConfig", "Update order:      ", spec.update_config.as_ref());
    update(&mut out, "RollbackConfig", "Rollback order:    ", spec.rollback_config.as_ref());
    line!(out, "ContainerSpec:\n Image:\t\t{}", container.image);
    for (name, words) in [("Args", &container.args), ("Env", &container.env)] {
        if !words.is_empty() {
            line!(out, " {name}:\t\t{} ", words.join(" "));
        }
    }
    if let Some(init) = container.init {
        line!(out, " Init:\t\t{init}");
    }
    if !container.mounts.is_empty() {
        line!(out, "Mounts:");
        for mount in &container.mounts {
            let (target, source, kind) = (&mount.target, &mount.source, mount.r#type);
            line!(out, " Target:\t{target}\n  Source:\t{source}\n  ReadOnly:\tfalse\n  Type:\t\t{kind}");
        }
    }
    if !container.configs.is_empty() {
        line!(out, "Configs:");
        container
            .configs
            .iter()
            .for_each(|config| line!(out, " Target:\t{}\n  Source:\t{}", config.file.name, config.config_name));
    }
    if !container.secrets.is_empty() {
        line!(out, "Secrets:");
        container
            .secrets
            .iter()
            .for_each(|secret| line!(out, " Target:\t{}\n  Source:\t{}", secret.file.name, secret.secret_name));
    }
    if let Some(driver) = &task.log_driver {
        line!(out, "Log Driver:\n Name:\t\t{}\n", driver.name);
    }
    line!(out, "Resources:");
    amounts(&mut out, "Reservations", task.resources.reservations.as_ref());
    amounts(&mut out, "Limits", task.resources.limits.as_ref());
    if !task.networks.is_empty() {
        let name = |target: &String| engine.network(target).map_or_else(|_| target.clone(), |network| network.name);
        let names: Vec<String> = task.networks.iter().map(|network| name(&network.target)).collect();
        line!(out, "Networks: {} ", names.join(" "));
    }
    line!(out, "Endpoint Mode:\t{}", spec.endpoint_spec.as_ref().and_then(|spec| spec.mode).unwrap_or_default());
    let ports = &service.endpoint.ports;
    if !ports.is_empty() {
        line!(out, "Ports:");
        for (at, port) in ports.iter().enumerate() {
            line!(out, " PublishedPort = {}\n  Protocol = {}", port.published_port, port.protocol);
            line!(out, "  TargetPort = {}", port.target_port);
            line!(out, "  PublishMode = {}{}", port.publish_mode, if at + 1 == ports.len() { " " } else { "" });
        }
    }
    if let Some(check) = &container.healthcheck {
        line!(out, " Healthcheck:\n  Interval = {}\n  Retries = {}", duration(check.interval), check.retries);
        line!(out, "  StartPeriod =\t{}\n  Timeout =\t{}", duration(check.start_period), duration(check.timeout));
        if !check.test.is_empty() {
            line!(out, "  Tests:");
            for (at, test) in check.test.iter().enumerate() {
                line!(out, "\t Test = {test}{}", if at + 1 == check.test.len() { " " } else { "" });
            }
        }
    }
    out
}

fn update(out: &mut String, name: &str, order: &str, config: Option<&UpdateConfig>) {
    let Some(config) = config else { return };
    line!(out, "{name}:\n Parallelism:\t{}", config.parallelism);
    if config.delay > 0 {
        line!(out, " Delay:\t\t{}", duration(config.delay));
    }
    line!(out, " On failure:\t{}", config.failure_action);
    if let Some(monitor) = config.monitor.filter(|monitor| *monitor > 0) {
        line!(out, " Monitoring Period: {}", duration(monitor));
    }
    line!(out, " Max failure ratio: {}\n {order}{}", config.max_failure_ratio, config.order);
}

fn amounts(out: &mut String, name: &str, resources: Option<&Resources>) {
    let Some(resources) = resources.filter(|resources| resources.nano_cpus > 0 || resources.memory_bytes > 0) else {
        return;
    };
    line!(out, " {name}:");
    if resources.nano_cpus > 0 {
        line!(out, "  CPU:\t\t{}", resources.nano_cpus as f64 / 1e9);
    }
    if resources.memory_bytes > 0 {
        line!(out, "  Memory:\t{}", bytes(resources.memory_bytes));
    }
}

/// `docker node inspect --pretty` (`cli/command/node/formatter.go`).
pub(super) fn node(node: &Node) -> String {
    let (description, status) = (&node.description, &node.status);
    let mut out = String::new();
    line!(out, "ID:\t\t\t{}", node.meta.id);
    labels(&mut out, "Labels", &node.spec.labels);
    line!(out, "Hostname:              \t{}", description.hostname);
    line!(out, "Joined at:             \t{}", capitalized(&node.meta.created_at.in_go()));
    line!(out, "Status:\n State:\t\t\t{}", capitalized(status.state));
    if !status.message.is_empty() {
        line!(out, " Message:              \t{}", capitalized(status.message));
    }
    line!(out, " Availability:         \t{}", capitalized(node.spec.availability));
    line!(out, " Address:\t\t{}", status.addr);
    if let Some(manager) = &node.manager_status {
        line!(out, "Manager Status:\n Address:\t\t{}", manager.addr);
        line!(out, " Raft Status:\t\t{}", capitalized(manager.reachability));
        line!(out, " Leader:\t\t{}", if manager.leader { "Yes" } else { "No" });
    }
    let platform = &description.platform;
    line!(out, "Platform:\n Operating System:\t{}\n Architecture:\t\t{}", platform.os, platform.architecture);
    line!(out, "Resources:\n CPUs:\t\t\t{}", description.resources.nano_cpus / 1_000_000_000);
    let memory = description.resources.memory_bytes;
    line!(out, " Memory:\t\t{}", if memory == 0 { String::new() } else { bytes(memory) });
    if !description.engine.plugins.is_empty() {
        let mut plugins: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for plugin in &description.engine.plugins {
            plugins.entry(plugin.r#type).or_default().push(&plugin.name);
        }
        line!(out, "Plugins:");
        plugins.iter().for_each(|(kind, names)| line!(out, " {kind}:\t\t{}", names.join(", ")));
    }
    line!(out, "Engine Version:\t\t{}", description.engine.engine_version);
    labels(&mut out, "Engine Labels", &description.engine.labels);
    out.trim_end_matches('\n').to_string()
}

fn labels(out: &mut String, name: &str, labels: &sched::spec::Labels) {
    if labels.is_empty() {
        return;
    }
    line!(out, "{name}:");
    for (key, value) in labels {
        line!(out, " - {key}{}{value}", if value.is_empty() { "" } else { "=" });
    }
}

/// `docker config inspect --pretty`, `docker secret inspect --pretty`.
pub(super) fn file(kind: FileKind, file: &File) -> String {
    let mut out = String::new();
    let (created, updated) = (file.meta.created_at.in_go(), file.meta.updated_at.in_go());
    let (created, updated) = (capitalized(&created), capitalized(&updated));
    match kind {
        FileKind::Config => {
            line!(out, "ID:\t\t\t{}\nName:\t\t\t{}", file.meta.id, file.spec.name);
            labels(&mut out, "Labels", &file.spec.labels);
            line!(out, "Created at:            \t{created}\nUpdated at:            \t{updated}");
            let data = file.spec.data.as_deref().map(decoded).unwrap_or_default();
            line!(out, "Data:\n{data}");
        }
        FileKind::Secret => {
            line!(out, "ID:              {}\nName:              {}", file.meta.id, file.spec.name);
            labels(&mut out, "Labels", &file.spec.labels);
            line!(out, "Driver:            \nCreated at:        {created}\nUpdated at:        {updated}");
        }
    }
    out.pop();
    out
}

/// The text of base 64; what is none is shown as it can be.
fn decoded(coded: &str) -> String {
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => u32::from(digit - b'A'),
        b'a'..=b'z' => u32::from(digit - b'a') + 26,
        b'0'..=b'9' => u32::from(digit - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = coded.bytes().filter(|digit| *digit != b'=').collect();
    let mut out = Vec::new();
    for chunk in digits.chunks(4) {
        let bits = chunk.iter().enumerate().fold(0, |bits, (at, digit)| bits | value(*digit) << (18 - 6 * at));
        out.extend(&bits.to_be_bytes()[1..chunk.len()]);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `docker info` (`cli/command/system/info.go`). Lines about what is not simulated are left out.
pub(super) fn info(info: &Info) -> String {
    let mut out = String::from("Server:\n");
    line!(out, " Containers: {}\n  Running: {}", info.containers, info.containers_running);
    line!(out, "  Paused: {}\n  Stopped: {}", info.containers_paused, info.containers_stopped);
    line!(out, " Images: {}\n Server Version: {}", info.images, info.server_version);
    let plugins = &info.plugins;
    line!(out, " Plugins:\n  Volume: {}", plugins.volume.join(" "));
    line!(out, "  Network: {}\n  Log: {}", plugins.network.join(" "), plugins.log.join(" "));
    line!(out, " Swarm: {}", info.swarm.local_node_state);
    if info.swarm.local_node_state == "active" {
        swarm(&mut out, info);
    }
    for (name, value) in [("OSType", &info.os_type), ("Architecture", &info.architecture)] {
        if !value.is_empty() {
            line!(out, " {name}: {value}");
        }
    }
    line!(out, " CPUs: {}\n Total Memory: {}", info.ncpu, bytes(info.mem_total));
    if !info.name.is_empty() {
        line!(out, " Name: {}", info.name);
    }
    line!(out, " ID: {}", info.id);
    if !info.labels.is_empty() {
        line!(out, " Labels:");
        info.labels.iter().for_each(|label| line!(out, "  {label}"));
    }
    out.push('\n');
    out
}

fn swarm(out: &mut String, info: &Info) {
    let swarm = &info.swarm;
    line!(out, "  NodeID: {}\n  Is Manager: {}", swarm.node_id, swarm.control_available);
    if let Some(cluster) = &swarm.cluster {
        line!(out, "  ClusterID: {}\n  Managers: {}\n  Nodes: {}", cluster.meta.id, swarm.managers, swarm.nodes);
        if let Some(pools) = &cluster.default_addr_pool {
            line!(out, "  Default Address Pool: {}  \n  SubnetSize: {}", pools.join("  "), cluster.subnet_size);
        }
        line!(out, "  Data Path Port: {}", cluster.data_path_port);
        let spec = &cluster.spec;
        line!(out, "  Orchestration:");
        line!(out, "   Task History Retention Limit: {}", spec.orchestration.task_history_retention_limit);
        line!(out, "  Raft:\n   Snapshot Interval: {}", spec.raft.snapshot_interval);
        line!(out, "   Number of Old Snapshots to Retain: {}", spec.raft.keep_old_snapshots);
        line!(out, "   Heartbeat Tick: {}\n   Election Tick: {}", spec.raft.heartbeat_tick, spec.raft.election_tick);
        let span = |nanos: u64| human(Span::from_nanos(nanos));
        line!(out, "  Dispatcher:\n   Heartbeat Period: {}", span(spec.dispatcher.heartbeat_period));
        line!(out, "  CA Configuration:\n   Expiry Duration: {}", span(spec.ca_config.node_cert_expiry));
        line!(out, "   Force Rotate: 0\n  Autolock Managers: {}", spec.encryption_config.auto_lock_managers);
        line!(out, "  Root Rotation In Progress: {}", cluster.root_rotation_in_progress);
    }
    line!(out, "  Node Address: {}", swarm.node_addr);
    let mut managers: Vec<&str> = swarm.remote_managers.iter().flatten().map(|manager| manager.addr.as_str()).collect();
    managers.sort_unstable();
    if !managers.is_empty() {
        line!(out, "  Manager Addresses:");
        managers.iter().for_each(|addr| line!(out, "   {addr}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::make::base64;

    #[test]
    fn base_64_is_read_back() {
        for text in ["", "f", "fo", "foo", "key=value\n", "Größe"] {
            assert_eq!(decoded(&base64(text.as_bytes())), text);
        }
    }
}
