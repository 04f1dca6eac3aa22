//! `profile`, `[daemon]`, `[registry]`, `[overlay]`, `[heartbeat]`: parameters of the models.

use sched::Span;
use toml::de::DeTable;

use super::complaint::{Place, suggest};
use super::unit::human;
use super::value::{Sink, Table, Value};
use super::{
    DaemonModel, GossipModel, HeartbeatModel, ManagersModel, Mirror, Models, OverlayModel, PullLimit, RegistryModel,
};
use crate::engine::law::Law;
use crate::model::cores::CoreModel;
use crate::model::pace::PaceModel;

pub(super) const MANAGERS: &[&str] =
    &["ideal", "debounce", "history", "tick", "election", "backoff", "certificate", "founded"];
pub(super) const GOSSIP: &[&str] = &["interval", "fanout", "retransmit", "sync"];
pub(super) const DAEMON: &[&str] = &[
    "ideal",
    "accept",
    "create",
    "start",
    "stop",
    "halt",
    "kill",
    "notice",
    "cores",
    "call",
    "run_spread",
    "machine_spread",
    "boot",
    "restart",
    "keep_cache",
    "status_batch",
    "status_phase",
    "assignment_batch",
    "dispatch_message",
    "dispatch_task",
];
pub(super) const REGISTRY: &[&str] = &[
    "ideal",
    "bandwidth",
    "run_spread",
    "latency",
    "manifest",
    "unpack",
    "downloads",
    "copy",
    "rack",
    "rack_bandwidth",
    "mirror",
    "cache",
    "limit",
    "pull_errors",
];
const MIRRORS: &[(&str, Mirror)] = &[("none", Mirror::None), ("rack", Mirror::Rack), ("all", Mirror::All)];
pub(super) const LIMIT: &[&str] = &["pulls", "window"];
pub(super) const OVERLAY: &[&str] =
    &["ideal", "pool", "subnet", "latency", "unreachable", "leave", "attach", "detach", "endpoint"];
pub(super) const HEARTBEAT: &[&str] = &["period", "jitter", "grace", "slack", "look", "unknown"];

/// Named sets of parameters, calibrated on real swarms: a scenario's own tables come on top of them.
const PROFILES: &[(&str, &str)] = &[("docker-20.10-small", include_str!("profiles/docker-20.10-small.toml"))];
const PROFILE: &[&str] = &["daemon", "registry", "overlay", "heartbeat", "managers", "gossip"];

/// Of an ideal model.
const AT_ONCE: Law = Law::Fixed(Span::ZERO);
/// Heartbeats at least this far apart: a thousand nodes would otherwise do nothing else.
const SHORTEST_PERIOD: Span = Span::from_millis(10);

/// All models; what is not given is the profile's, and without one Swarm's default.
pub(super) fn models(scenario: &Table<'_>) -> Models {
    let base = scenario.read("profile", profile).unwrap_or_default();
    over(scenario, base)
}

fn profile(value: &Value<'_>) -> Option<Models> {
    let name = value.text()?;
    let Some(&(name, text)) = PROFILES.iter().find(|profile| profile.0 == name) else {
        value.complain_with(format!("no profile `{name}`"), suggest(name, PROFILES.iter().map(|profile| profile.0)));
        return None;
    };
    let sink = Sink::default();
    let root = DeTable::parse(text).expect("profiles are TOML");
    let base = Models { profile: Some(name), ..Models::default() };
    let models = over(&Table::new(&sink, "", Place { start: 0, end: 0 }, root.get_ref(), PROFILE), base);
    assert!(sink.into_list().is_empty(), "nothing is wrong with the profile `{name}`");
    Some(models)
}

fn over(tables: &Table<'_>, base: Models) -> Models {
    let table = |key, keys| tables.read(key, |value| value.table(keys));
    Models {
        profile: base.profile,
        gossip: match table("gossip", GOSSIP) {
            Some(section) => gossip(&section, base.gossip),
            None => base.gossip,
        },
        managers: match table("managers", MANAGERS) {
            Some(section) => managers(&section, base.managers),
            None => base.managers,
        },
        daemon: match table("daemon", DAEMON) {
            Some(section) => daemon(&section, base.daemon),
            None => base.daemon,
        },
        registry: match table("registry", REGISTRY) {
            Some(section) => registry(&section, base.registry),
            None => base.registry,
        },
        overlay: match table("overlay", OVERLAY) {
            Some(section) => overlay(&section, base.overlay),
            None => base.overlay,
        },
        heartbeat: match table("heartbeat", HEARTBEAT) {
            Some(section) => heartbeat(&section, base.heartbeat),
            None => base.heartbeat,
        },
    }
}

fn is_ideal(table: &Table<'_>) -> bool {
    table.read("ideal", Value::boolean).unwrap_or(false)
}

fn managers(table: &Table<'_>, base: ManagersModel) -> ManagersModel {
    let base = if is_ideal(table) {
        ManagersModel { debounce: Span::ZERO, backoff: Some(AT_ONCE), dial: Span::ZERO, certificate: AT_ONCE, ..base }
    } else {
        base
    };
    ManagersModel {
        debounce: table.read("debounce", Value::duration).unwrap_or(base.debounce),
        history: table.read("history", |value| value.count(0..=1_000_000)).unwrap_or(base.history),
        tick: table.read("tick", |value| value.duration_from(SHORTEST_PERIOD)).unwrap_or(base.tick),
        // With one tick all would lose patience together for ever.
        election: table.read("election", |value| value.count(2..=1000)).map_or(base.election, |periods| periods as u32),
        backoff: table.read("backoff", Value::law).or(base.backoff),
        dial: base.dial,
        certificate: table.read("certificate", Value::law).unwrap_or(base.certificate),
        founded: table.read("founded", Value::boolean).unwrap_or(base.founded),
    }
}

/// What a table leaves out is networkdb's, unless a profile has said; without any table all know at once.
fn gossip(table: &Table<'_>, base: GossipModel) -> GossipModel {
    let base = if base.interval.is_some() { base } else { NETWORKDB };
    let retransmit =
        table.read("retransmit", |value| value.count(0..=1000)).and_then(|rounds| u32::try_from(rounds).ok());
    GossipModel {
        interval: table.read("interval", |value| value.duration_from(SHORTEST_PERIOD)).or(base.interval),
        fanout: small(table, "fanout").unwrap_or(base.fanout),
        retransmit: retransmit.unwrap_or(base.retransmit),
        sync: table.read("sync", Value::duration).unwrap_or(base.sync),
    }
}

/// moby `libnetwork/networkdb`.
const NETWORKDB: GossipModel =
    GossipModel { interval: Some(Span::from_millis(200)), fanout: 3, retransmit: 4, sync: Span::from_secs(30) };

fn small(table: &Table<'_>, key: &str) -> Option<u32> {
    table.read(key, |value| value.count(1..=1000)).and_then(|count| u32::try_from(count).ok())
}

/// Standard deviation of the logarithm of a factor: with more than 2, one run would take a hundred times as long as another.
fn spread(table: &Table<'_>, key: &str) -> Option<f64> {
    table.read(key, |value| value.number(0.0..=2.0))
}

fn daemon(table: &Table<'_>, base: DaemonModel) -> DaemonModel {
    let base = if is_ideal(table) {
        DaemonModel {
            accept: AT_ONCE,
            create: AT_ONCE,
            start: AT_ONCE,
            stop: AT_ONCE,
            halt: AT_ONCE,
            kill: AT_ONCE,
            notice: AT_ONCE,
            cores: CoreModel::Unlimited,
            call: Span::ZERO,
            pace: PaceModel::default(),
            boot: AT_ONCE,
            restart: AT_ONCE,
            keep_cache: true,
            status_batch: Span::ZERO,
            status_phase: AT_ONCE,
            assignment_batch: Span::ZERO,
            dispatch_message: Span::ZERO,
            dispatch_task: Span::ZERO,
        }
    } else {
        base
    };
    DaemonModel {
        accept: table.read("accept", Value::law).unwrap_or(base.accept),
        create: table.read("create", Value::law).unwrap_or(base.create),
        start: table.read("start", Value::law).unwrap_or(base.start),
        stop: table.read("stop", Value::law).unwrap_or(base.stop),
        halt: table.read("halt", Value::law).unwrap_or(base.halt),
        kill: table.read("kill", Value::law).unwrap_or(base.kill),
        notice: table.read("notice", Value::law).unwrap_or(base.notice),
        cores: table.read("cores", |value| value.number(0.01..=1e6)).map_or(base.cores, CoreModel::Shared),
        call: table.read("call", Value::duration).unwrap_or(base.call),
        pace: PaceModel {
            run_spread: spread(table, "run_spread").unwrap_or(base.pace.run_spread),
            machine_spread: spread(table, "machine_spread").unwrap_or(base.pace.machine_spread),
        },
        boot: table.read("boot", Value::law).unwrap_or(base.boot),
        restart: table.read("restart", Value::law).unwrap_or(base.restart),
        keep_cache: table.read("keep_cache", Value::boolean).unwrap_or(base.keep_cache),
        status_batch: table.read("status_batch", Value::duration).unwrap_or(base.status_batch),
        status_phase: table.read("status_phase", Value::law).unwrap_or(base.status_phase),
        assignment_batch: table.read("assignment_batch", Value::duration).unwrap_or(base.assignment_batch),
        dispatch_message: table.read("dispatch_message", Value::duration).unwrap_or(base.dispatch_message),
        dispatch_task: table.read("dispatch_task", Value::duration).unwrap_or(base.dispatch_task),
    }
}

fn registry(table: &Table<'_>, base: RegistryModel) -> RegistryModel {
    let base = if is_ideal(table) {
        RegistryModel {
            bandwidth: None,
            run_spread: 0.0,
            latency: Span::ZERO,
            manifest: Span::ZERO,
            unpack_rate: None,
            copy_rate: None,
            rack_bandwidth: None,
            limit: None,
            ..base
        }
    } else {
        base
    };
    let downloads = table.read("downloads", |value| value.count(1..=1000));
    RegistryModel {
        bandwidth: table.read("bandwidth", Value::rate).unwrap_or(base.bandwidth),
        run_spread: spread(table, "run_spread").unwrap_or(base.run_spread),
        latency: table.read("latency", Value::duration).unwrap_or(base.latency),
        manifest: table.read("manifest", Value::duration).unwrap_or(base.manifest),
        unpack_rate: table.read("unpack", Value::rate).unwrap_or(base.unpack_rate),
        max_downloads: downloads.and_then(|count| u32::try_from(count).ok()).unwrap_or(base.max_downloads),
        copy_rate: table.read("copy", Value::rate).unwrap_or(base.copy_rate),
        rack: table.read("rack", Value::text).map_or(base.rack, str::to_string),
        rack_bandwidth: table.read("rack_bandwidth", Value::rate).unwrap_or(base.rack_bandwidth),
        mirror: table.read("mirror", |value| value.choice(MIRRORS)).unwrap_or(base.mirror),
        cache_bytes: table.read("cache", Value::image_bytes).or(base.cache_bytes),
        limit: table.read("limit", limit).or(base.limit),
        reports_pull_errors: table.read("pull_errors", Value::boolean).unwrap_or(base.reports_pull_errors),
    }
}

/// `{ pulls = 100, window = "6h" }`.
pub(super) fn limit(value: &Value<'_>) -> Option<PullLimit> {
    let table = value.table(LIMIT)?;
    let pulls = table.need("pulls", |value| value.count(0..=1_000_000));
    let window = table.need("window", |value| value.duration_from(Span::from_nanos(1)));
    Some(PullLimit { pulls: pulls?, window: window? })
}

fn overlay(table: &Table<'_>, base: OverlayModel) -> OverlayModel {
    let base = if is_ideal(table) {
        OverlayModel {
            latency: AT_ONCE,
            unreachable: Span::ZERO,
            leave: Span::ZERO,
            attach: AT_ONCE,
            detach: AT_ONCE,
            endpoint: Span::ZERO,
            ..base
        }
    } else {
        base
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
        unreachable: table.read("unreachable", Value::duration).unwrap_or(base.unreachable),
        leave: table.read("leave", Value::duration).unwrap_or(base.leave),
        attach: table.read("attach", Value::law).unwrap_or(base.attach),
        detach: table.read("detach", Value::law).unwrap_or(base.detach),
        endpoint: table.read("endpoint", Value::duration).unwrap_or(base.endpoint),
    }
}

pub(super) fn heartbeat(table: &Table<'_>, default: HeartbeatModel) -> HeartbeatModel {
    let grace = table.read("grace", |value| value.count(1..=1000));
    let model = HeartbeatModel {
        period: table.read("period", |value| value.duration_from(SHORTEST_PERIOD)).unwrap_or(default.period),
        jitter: table.read("jitter", Value::duration).unwrap_or(default.jitter),
        grace: grace.and_then(|count| u32::try_from(count).ok()).unwrap_or(default.grace),
        slack: table.read("slack", Value::duration).unwrap_or(default.slack),
        look: table.read("look", Value::duration).unwrap_or(default.look),
        unknown: table.read("unknown", Value::duration).or(default.unknown),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_a_table_does_not_name_keep_the_values_of_the_profile() {
        let with = |text: &str, base: Models| {
            let root = DeTable::parse(text).unwrap();
            let sink = Sink::default();
            let models = over(&Table::new(&sink, "", Place { start: 0, end: 0 }, root.get_ref(), PROFILE), base);
            assert!(sink.into_list().is_empty());
            models
        };
        let millis = Span::from_millis;
        let managers = ManagersModel { history: 1, tick: millis(700), election: 3, ..ManagersModel::default() };
        let gossip = GossipModel { interval: Some(millis(70)), fanout: 7, retransmit: 2, sync: millis(500) };
        let base = Models { managers: managers.clone(), gossip: gossip.clone(), ..Models::default() };
        let models = with("managers = { history = 2 }\ngossip = { fanout = 5 }", base.clone());
        assert_eq!(models.managers, ManagersModel { history: 2, ..managers.clone() });
        assert_eq!(models.gossip, GossipModel { fanout: 5, ..gossip });
        let ideal = with("managers = { ideal = true, tick = \"2s\" }", base).managers;
        let (debounce, backoff, dial, certificate) = (Span::ZERO, Some(AT_ONCE), Span::ZERO, AT_ONCE);
        assert_eq!(ideal, ManagersModel { debounce, backoff, dial, certificate, tick: millis(2000), ..managers });
        assert_eq!(
            with("gossip = { sync = \"0s\" }", Models::default()).gossip,
            GossipModel { sync: Span::ZERO, ..NETWORKDB }
        );
    }

    #[test]
    fn every_profile_can_be_read_and_differs_from_the_default() {
        for (name, _) in PROFILES {
            let text = format!("profile = \"{name}\"");
            let root = DeTable::parse(&text).unwrap();
            let sink = Sink::default();
            let models = models(&Table::new(
                &sink,
                "",
                Place { start: 0, end: 0 },
                root.get_ref(),
                &["profile", "daemon", "registry", "overlay", "gossip", "managers", "heartbeat"],
            ));
            assert!(sink.into_list().is_empty());
            assert_ne!(models, Models::default());
        }
    }
}
