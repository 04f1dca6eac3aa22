//! Lists of stacks, services, nodes, networks, configs and secrets (docker/cli `cli/command/stack/list_formatter.go`,
//! `cli/command/service/formatter.go`, `cli/command/node/formatter.go`, `cli/command/network/formatter.go`,
//! `cli/command/config/formatter.go`, `cli/command/secret/formatter.go`).

use std::collections::BTreeMap;

use sched::spec::Labels;
use serde_json::Value;

use super::table::{self, Layout, Row};
use super::tasks::tagged;
use super::words::{capitalized, human, natural, short};
use super::{ListArgs, NetworkListArgs, Said, StackServicesArgs, filters, from_daemon};
use crate::docker::engine::Engine;
use crate::docker::filters::Filters;
use crate::docker::make::STACK;
use crate::docker::objects::{Mode, Node, Port, Service};
use crate::order::FileKind;

const STACKS: Layout = Layout {
    fields: &[("Name", "NAME"), ("Services", "SERVICES")],
    columns: &["Name", "Services"],
    raw: &[],
    kind: "*stack.stackContext",
};

const SERVICES: Layout = Layout {
    fields: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Mode", "MODE"),
        ("Replicas", "REPLICAS"),
        ("Image", "IMAGE"),
        ("Ports", "PORTS"),
    ],
    columns: &["ID", "Name", "Mode", "Replicas", "Image", "Ports"],
    raw: &[
        ("id", "ID"),
        ("name", "Name"),
        ("mode", "Mode"),
        ("replicas", "Replicas"),
        ("image", "Image"),
        ("ports", "Ports"),
    ],
    kind: "*service.serviceContext",
};

const NODES: Layout = Layout {
    fields: &[
        ("ID", "ID"),
        ("Self", ""),
        ("Hostname", "HOSTNAME"),
        ("Status", "STATUS"),
        ("Availability", "AVAILABILITY"),
        ("ManagerStatus", "MANAGER STATUS"),
        ("EngineVersion", "ENGINE VERSION"),
        ("TLSStatus", "TLS STATUS"),
    ],
    columns: &["ID *", "Hostname", "Status", "Availability", "ManagerStatus", "EngineVersion"],
    raw: &[
        ("node_id", "ID"),
        ("hostname", "Hostname"),
        ("status", "Status"),
        ("availability", "Availability"),
        ("manager_status", "ManagerStatus"),
    ],
    kind: "*node.nodeContext",
};

const NETWORKS: Layout = Layout {
    fields: &[
        ("ID", "NETWORK ID"),
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("IPv4", "IPV4"),
        ("IPv6", "IPV6"),
        ("Internal", "INTERNAL"),
        ("Labels", "LABELS"),
        ("CreatedAt", "CREATED AT"),
    ],
    columns: &["ID", "Name", "Driver", "Scope"],
    raw: &[("network_id", "ID"), ("name", "Name"), ("driver", "Driver"), ("scope", "Scope")],
    kind: "*network.networkContext",
};

const CONFIGS: Layout = Layout {
    fields: &[("ID", "ID"), ("Name", "NAME"), ("CreatedAt", "CREATED"), ("UpdatedAt", "UPDATED"), ("Labels", "LABELS")],
    columns: &["ID", "Name", "CreatedAt", "UpdatedAt"],
    raw: &[],
    kind: "*config.configContext",
};

const SECRETS: Layout = Layout {
    fields: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("CreatedAt", "CREATED"),
        ("UpdatedAt", "UPDATED"),
        ("Labels", "LABELS"),
    ],
    columns: &["ID", "Name", "Driver", "CreatedAt", "UpdatedAt"],
    raw: &[],
    kind: "*secret.secretContext",
};

/// Refuses what is nothing but blanks and quotes.
pub(super) fn check_stack_name(name: &str) -> Result<(), String> {
    match name.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'') {
        "" => Err(format!("invalid stack name: {name:?}")),
        _ => Ok(()),
    }
}

pub(super) fn stacks(engine: &Engine, format: Option<&str>) -> Result<Said, String> {
    let services = engine.services(&Filters::new().with("label", STACK), false);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for service in services.map_err(|error| from_daemon(&error))? {
        *counts.entry(service.spec.labels[STACK].clone()).or_default() += 1;
    }
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|(one, _), (other, _)| natural(one, other));
    let row = |(name, count): (String, u64)| Row::new([("Name", name.into()), ("Services", count.to_string().into())]);
    Ok(Said::new(table::list(&STACKS, format, false, counts.into_iter().map(row).collect())?))
}

pub(super) fn services(engine: &Engine, args: &ListArgs) -> Result<Said, String> {
    let services = engine.services(&filters(&args.filters)?, !args.quiet).map_err(|error| from_daemon(&error))?;
    print_services(args, services)
}

/// A stack without services is no failure.
pub(super) fn stack_services(engine: &Engine, args: &StackServicesArgs) -> Result<Said, String> {
    check_stack_name(&args.stack)?;
    let filters = filters(&args.list.filters)?.with("label", &format!("{STACK}={}", args.stack));
    let services = engine.services(&filters, !args.list.quiet).map_err(|error| from_daemon(&error))?;
    if services.is_empty() {
        return Ok(Said { err: format!("Nothing found in stack: {}", args.stack), ..Said::default() });
    }
    print_services(&args.list, services)
}

fn print_services(args: &ListArgs, mut services: Vec<Service>) -> Result<Said, String> {
    services.sort_by(|one, other| natural(&one.spec.name, &other.spec.name));
    let rows = services.iter().map(|service| {
        Row::new([
            ("ID", short(&service.meta.id).into()),
            ("Name", service.spec.name.as_str().into()),
            ("Mode", mode(service.spec.mode).into()),
            ("Replicas", replicas(service).into()),
            ("Image", tagged(&service.spec.task_template.container_spec.image).into()),
            ("Ports", ports(&service.endpoint.ports).into()),
        ])
    });
    Ok(Said::new(table::list(&SERVICES, args.format.as_deref(), args.quiet, rows.collect())?))
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Replicated { .. } => "replicated",
        Mode::Global {} => "global",
        Mode::ReplicatedJob { .. } => "replicated job",
        Mode::GlobalJob {} => "global job",
    }
}

fn replicas(service: &Service) -> String {
    let status = service.service_status.unwrap_or_default();
    let (running, desired, completed) = (status.running_tasks, status.desired_tasks, status.completed_tasks);
    let most = service.spec.task_template.placement.max_replicas;
    match service.spec.mode {
        Mode::ReplicatedJob { total_completions, .. } => {
            format!("{running}/{desired} ({completed}/{total_completions} completed)")
        }
        Mode::GlobalJob {} => format!("{running}/{desired} ({completed}/{} completed)", desired + completed),
        Mode::Replicated { .. } if most > 0 => format!("{running}/{desired} (max {most} per node)"),
        _ => format!("{running}/{desired}"),
    }
}

/// Published ports of the mesh. Neighbours are written as ranges: of ports outside with one port or as many ports inside, but
/// not of both kinds in one.
fn ports(ports: &[Port]) -> String {
    let mut sorted: Vec<&Port> = ports.iter().filter(|port| port.publish_mode == "ingress").collect();
    sorted.sort_by_key(|port| (port.protocol, port.published_port));
    let mut ranges: Vec<Range> = Vec::new();
    for port in sorted {
        let (published, target) = (u32::from(port.published_port), u32::from(port.target_port));
        match ranges.last_mut() {
            Some(range) if range.goes_on_with(published, target, port.protocol) => {
                range.published.1 = published;
                range.target.1 = target;
            }
            _ => ranges.push(Range {
                published: (published, published),
                target: (target, target),
                protocol: port.protocol,
            }),
        }
    }
    ranges.iter().map(Range::text).collect::<Vec<_>>().join(", ")
}

struct Range {
    published: (u32, u32),
    target: (u32, u32),
    protocol: &'static str,
}

impl Range {
    fn goes_on_with(&self, published: u32, target: u32, protocol: &str) -> bool {
        let is_near = |last: u32, next: u32| next.wrapping_sub(last) <= 1;
        let is_range_inside = self.target.0 != self.target.1;
        self.protocol == protocol
            && is_near(self.published.1, published)
            && is_near(self.target.1, target)
            && !(is_range_inside && target <= self.target.1)
    }

    fn text(&self) -> String {
        let of = |(first, last): (u32, u32)| if first < last { format!("{first}-{last}") } else { first.to_string() };
        format!("*:{}->{}/{}", of(self.published), of(self.target), self.protocol)
    }
}

pub(super) fn nodes(engine: &Engine, args: &ListArgs) -> Result<Said, String> {
    let mut nodes = engine.nodes(&filters(&args.filters)?).map_err(|error| from_daemon(&error))?;
    nodes.sort_by(|one, other| natural(&one.description.hostname, &other.description.hostname));
    let own = engine.info().swarm.node_id;
    let rows = nodes.iter().map(|node| {
        Row::new([
            ("ID", node.meta.id.as_str().into()),
            ("Self", (node.meta.id == own).into()),
            ("Hostname", node.description.hostname.as_str().into()),
            ("Status", capitalized(node.status.state).into()),
            ("Availability", capitalized(node.spec.availability).into()),
            ("ManagerStatus", manager_status(node).into()),
            ("EngineVersion", node.description.engine.engine_version.into()),
            // Certificates are not simulated.
            ("TLSStatus", "Unknown".into()),
        ])
    });
    Ok(Said::new(table::list(&NODES, args.format.as_deref(), args.quiet, rows.collect())?))
}

fn manager_status(node: &Node) -> String {
    match &node.manager_status {
        Some(status) if status.leader => "Leader".to_string(),
        Some(status) => capitalized(status.reachability),
        None => String::new(),
    }
}

pub(super) fn networks(engine: &Engine, args: &NetworkListArgs) -> Result<Said, String> {
    let mut networks = engine.networks(&filters(&args.list.filters)?).map_err(|error| from_daemon(&error))?;
    networks.sort_by(|one, other| natural(&one.name, &other.name));
    let rows = networks.into_iter().map(|network| {
        let labels = network.labels.unwrap_or_default();
        let row = Row::new([
            ("ID", if args.no_trunc { network.id } else { short(&network.id) }.into()),
            ("Name", network.name.into()),
            ("Driver", network.driver.into()),
            ("Scope", network.scope.into()),
            // This version of the API does not say it.
            ("IPv4", "false".into()),
            ("IPv6", network.enable_ipv6.to_string().into()),
            ("Internal", network.internal.to_string().into()),
            ("Labels", joined(&labels).into()),
            ("CreatedAt", network.created.in_go().into()),
        ]);
        Row { labels, ..row }
    });
    let list = &args.list;
    Ok(Said::new(table::list(&NETWORKS, list.format.as_deref(), list.quiet, rows.collect())?))
}

pub(super) fn files(engine: &Engine, kind: FileKind, args: &ListArgs) -> Result<Said, String> {
    let mut files = engine.files(kind, &filters(&args.filters)?).map_err(|error| from_daemon(&error))?;
    files.sort_by(|one, other| natural(&one.spec.name, &other.spec.name));
    let now = engine.now().0;
    let rows = files.into_iter().map(|file| {
        let age = |stamp: crate::docker::stamp::Stamp| format!("{} ago", human(stamp.age(now)));
        let mut row = Row::new([
            ("CreatedAt", age(file.meta.created_at).into()),
            ("ID", file.meta.id.into()),
            ("Labels", joined(&file.spec.labels).into()),
            ("Name", file.spec.name.into()),
            ("UpdatedAt", age(file.meta.updated_at).into()),
        ]);
        if kind == FileKind::Secret {
            row.fields.insert("Driver".to_string(), Value::String(String::new()));
            row.fields.sort_keys();
        }
        Row { labels: file.spec.labels, ..row }
    });
    let layout = if kind == FileKind::Config { &CONFIGS } else { &SECRETS };
    Ok(Said::new(table::list(layout, args.format.as_deref(), args.quiet, rows.collect())?))
}

fn joined(labels: &Labels) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(published_port: u16, target_port: u16, protocol: &'static str) -> Port {
        Port { protocol, target_port, published_port, publish_mode: "ingress" }
    }

    #[test]
    fn ports_are_shown_as_ranges() {
        // docker/cli `cli/command/service/formatter_test.go`, `TestServiceContext_Ports`.
        let cases: &[(&[Port], &str)] = &[
            (&[], ""),
            (&[port(8080, 80, "tcp")], "*:8080->80/tcp"),
            (&[port(80, 80, "tcp"), port(81, 80, "tcp")], "*:80-81->80/tcp"),
            (&[port(80, 80, "tcp"), port(81, 81, "tcp")], "*:80-81->80-81/tcp"),
            (&[port(80, 80, "tcp"), port(81, 81, "tcp"), port(82, 80, "tcp")], "*:80-81->80-81/tcp, *:82->80/tcp"),
            (
                &[port(82, 82, "udp"), port(81, 81, "tcp"), port(60, 60, "sctp")],
                "*:60->60/sctp, *:81->81/tcp, *:82->82/udp",
            ),
            (&[port(90, 80, "tcp"), port(80, 80, "tcp")], "*:80->80/tcp, *:90->80/tcp"),
        ];
        for (list, expected) in cases {
            assert_eq!(ports(list), *expected);
        }
        let host = Port { publish_mode: "host", ..port(80, 80, "tcp") };
        assert_eq!(ports(&[host]), "");
    }
}
