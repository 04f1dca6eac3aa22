//! `[daemon]`, `[registry]`, `[overlay]`, `[heartbeat]`: parameters of the models.

use sched::Span;

use super::reader::{Table, Value};
use super::unit::human;
use super::{DaemonModel, GossipModel, HeartbeatModel, ManagersModel, Models, OverlayModel, RegistryModel};
use crate::engine::law::Law;

pub(super) const DAEMON: &[&str] =
    &["ideal", "create", "start", "stop", "boot", "keep_cache", "status_batch", "assignment_batch"];
pub(super) const REGISTRY: &[&str] = &["ideal", "bandwidth", "latency", "unpack", "downloads"];
pub(super) const OVERLAY: &[&str] = &["ideal", "pool", "subnet", "latency", "leave"];
pub(super) const MANAGERS: &[&str] = &["ideal", "debounce", "history", "tick", "election", "backoff"];
pub(super) const GOSSIP: &[&str] = &["interval", "fanout", "retransmit", "sync"];
pub(super) const HEARTBEAT: &[&str] = &["period", "jitter", "grace"];

/// Heartbeats at least this far apart: a thousand nodes would otherwise do nothing else.
const SHORTEST_PERIOD: Span = Span::from_millis(10);

/// All models; what is not given is Swarm's default.
pub(super) fn models(scenario: &Table<'_>) -> Models {
    let table = |key, keys| scenario.read(key, |value| value.table(keys));
    Models {
        daemon: table("daemon", DAEMON).as_ref().map(daemon).unwrap_or_default(),
        registry: table("registry", REGISTRY).as_ref().map(registry).unwrap_or_default(),
        overlay: table("overlay", OVERLAY).as_ref().map(overlay).unwrap_or_default(),
        heartbeat: table("heartbeat", HEARTBEAT).as_ref().map(heartbeat).unwrap_or_default(),
        gossip: table("gossip", GOSSIP).as_ref().map(gossip).unwrap_or_default(),
        managers: table("managers", MANAGERS).as_ref().map(managers).unwrap_or_default(),
    }
}

fn is_ideal(table: &Table<'_>) -> bool {
    table.read("ideal", Value::boolean).unwrap_or(false)
}

fn managers(table: &Table<'_>) -> ManagersModel {
    let default = ManagersModel::default();
    let ideal = is_ideal(table);
    let debounce = if ideal { Span::ZERO } else { default.debounce };
    let backoff = if ideal { Law::Fixed(Span::ZERO) } else { default.backoff };
    ManagersModel {
        debounce: table.read("debounce", Value::duration).unwrap_or(debounce),
        history: table.read("history", |value| value.count(0..=1_000_000)).unwrap_or(default.history),
        tick: table.read("tick", |value| value.duration_from(SHORTEST_PERIOD)).unwrap_or(default.tick),
        election: small(table, "election").unwrap_or(default.election),
        backoff: table.read("backoff", Value::law).unwrap_or(backoff),
    }
}

/// networkdb's values; without the table all know at once.
fn gossip(table: &Table<'_>) -> GossipModel {
    let interval = table.read("interval", |value| value.duration_from(SHORTEST_PERIOD));
    let retransmit = table.read("retransmit", |value| value.count(0..=1000)).unwrap_or(4);
    GossipModel {
        interval: Some(interval.unwrap_or(Span::from_millis(200))),
        fanout: small(table, "fanout").unwrap_or(3),
        retransmit: u32::try_from(retransmit).unwrap_or(0),
        sync: table.read("sync", Value::duration).unwrap_or(Span::from_secs(30)),
    }
}

fn small(table: &Table<'_>, key: &str) -> Option<u32> {
    table.read(key, |value| value.count(1..=1000)).and_then(|count| u32::try_from(count).ok())
}

fn daemon(table: &Table<'_>) -> DaemonModel {
    const AT_ONCE: Law = Law::Fixed(Span::ZERO);
    let base = if is_ideal(table) {
        DaemonModel {
            create: AT_ONCE,
            start: AT_ONCE,
            stop: AT_ONCE,
            boot: AT_ONCE,
            keep_cache: true,
            status_batch: Span::ZERO,
            assignment_batch: Span::ZERO,
        }
    } else {
        DaemonModel::default()
    };
    DaemonModel {
        create: table.read("create", Value::law).unwrap_or(base.create),
        start: table.read("start", Value::law).unwrap_or(base.start),
        stop: table.read("stop", Value::law).unwrap_or(base.stop),
        boot: table.read("boot", Value::law).unwrap_or(base.boot),
        keep_cache: table.read("keep_cache", Value::boolean).unwrap_or(base.keep_cache),
        status_batch: table.read("status_batch", Value::duration).unwrap_or(base.status_batch),
        assignment_batch: table.read("assignment_batch", Value::duration).unwrap_or(base.assignment_batch),
    }
}

fn registry(table: &Table<'_>) -> RegistryModel {
    let default = RegistryModel::default();
    let base = if is_ideal(table) {
        RegistryModel { bandwidth: None, latency: Span::ZERO, unpack: None, ..default }
    } else {
        default
    };
    let downloads = table.read("downloads", |value| value.count(1..=1000));
    RegistryModel {
        bandwidth: table.read("bandwidth", Value::rate).unwrap_or(base.bandwidth),
        latency: table.read("latency", Value::duration).unwrap_or(base.latency),
        unpack: table.read("unpack", Value::rate).unwrap_or(base.unpack),
        downloads: downloads.and_then(|count| u32::try_from(count).ok()).unwrap_or(base.downloads),
    }
}

fn overlay(table: &Table<'_>) -> OverlayModel {
    let default = OverlayModel::default();
    let base = if is_ideal(table) {
        OverlayModel { latency: Law::Fixed(Span::ZERO), leave: Span::ZERO, ..default }
    } else {
        default
    };
    let pool = table.read("pool", subnet).unwrap_or(base.pool);
    let prefix = table.read("subnet", |value| value.count(u64::from(pool.1)..=30));
    let prefix = prefix.and_then(|prefix| u8::try_from(prefix).ok()).unwrap_or(base.subnet);
    if prefix < pool.1 {
        let message = format!("smaller than a subnet, which has the prefix length {prefix}");
        table.get("pool").iter().for_each(|value| value.complain(&message));
    }
    OverlayModel {
        pool,
        subnet: prefix,
        latency: table.read("latency", Value::law).unwrap_or(base.latency),
        leave: table.read("leave", Value::duration).unwrap_or(base.leave),
    }
}

fn heartbeat(table: &Table<'_>) -> HeartbeatModel {
    let default = HeartbeatModel::default();
    let grace = table.read("grace", |value| value.count(1..=1000));
    let model = HeartbeatModel {
        period: table.read("period", |value| value.duration_from(SHORTEST_PERIOD)).unwrap_or(default.period),
        jitter: table.read("jitter", Value::duration).unwrap_or(default.jitter),
        grace: grace.and_then(|count| u32::try_from(count).ok()).unwrap_or(default.grace),
    };
    if model.period <= model.jitter {
        let value = table.get("jitter").or_else(|| table.get("period"));
        let (jitter, period) = (human(model.jitter), human(model.period));
        let message = format!("the jitter of {jitter} is not shorter than the period of {period}");
        value.iter().for_each(|value| value.complain(&message));
    }
    model
}

/// `10.0.0.0/8` as (address, prefix length).
pub(super) fn subnet(value: &Value<'_>) -> Option<(u32, u8)> {
    let text = value.text()?;
    let Some((address, prefix)) = ipv4_network(text) else {
        return value.expected("an IPv4 network such as \"10.0.0.0/24\"");
    };
    let right = format!("{}/{prefix}", std::net::Ipv4Addr::from(address));
    if right != text {
        value.complain_with("the address has bits beyond the prefix", Some(format!("did you mean \"{right}\"?")));
        return None;
    }
    Some((address, prefix))
}

/// The network of an address with a prefix length from 1 to 30.
pub(super) fn ipv4_network(text: &str) -> Option<(u32, u8)> {
    let (address, prefix) = text.split_once('/')?;
    let address = u32::from(address.parse::<std::net::Ipv4Addr>().ok()?);
    let prefix = prefix.parse::<u8>().ok().filter(|prefix| (1..=30).contains(prefix))?;
    Some((address & (u32::MAX << (32 - prefix)), prefix))
}
