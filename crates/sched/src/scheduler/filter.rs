//! The filters that a node must pass, in Swarm's order, and Swarm's words for what they refuse.

use std::fmt;
use std::sync::Arc;

use super::board::Load;
use crate::constraint::{self, Constraint};
use crate::generic;
use crate::id::ServiceId;
use crate::spec::{
    Availability, Description, NodeSpec, NodeState, Platform, PluginKind, Protocol, PublishMode, ServiceSpec,
};

/// A filter, in the order in which they are asked; a node is charged to the first that refuses it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Filter {
    Ready,
    Resource,
    Plugin,
    Constraint,
    Platform,
    HostPort,
    MaxReplicas,
}

const FILTERS: usize = Filter::MaxReplicas as usize + 1;

/// The filters, set up for the tasks of one group (SwarmKit `manager/scheduler/pipeline.go`).
pub(super) struct Pipeline {
    service: ServiceId,
    spec: Arc<ServiceSpec>,
    plugins: Vec<(PluginKind, String)>,
    constraints: Vec<Constraint>,
    ports: Vec<(Protocol, u16)>,
}

impl Pipeline {
    pub(super) fn new(service: ServiceId, spec: &Arc<ServiceSpec>) -> Pipeline {
        Pipeline {
            service,
            spec: spec.clone(),
            plugins: needed_plugins(spec),
            // Constraints that do not parse switch the filter off; the API does not let them in.
            constraints: constraint::parse(&spec.task.placement.constraints).unwrap_or_default(),
            ports: host_ports(spec).collect(),
        }
    }

    pub(super) fn service(&self) -> ServiceId {
        self.service
    }

    pub(super) fn spec(&self) -> &Arc<ServiceSpec> {
        &self.spec
    }

    /// The first filter that refuses a node, if any does.
    pub(super) fn refusal(&self, node: &NodeSpec, load: &Load) -> Option<Filter> {
        let task = &self.spec.task;
        if node.state != NodeState::Ready || node.availability != Availability::Active {
            return Some(Filter::Ready);
        }
        let wants = &task.reservations;
        let (nano_cpus, memory) = load.free();
        let reserves = wants.nano_cpus != 0 || wants.memory != 0 || !wants.generic.is_empty();
        let scarce = wants.nano_cpus > nano_cpus || wants.memory > memory;
        if reserves && (scarce || !generic::has_enough(load.generic(), &wants.generic)) {
            return Some(Filter::Resource);
        }
        if let Some(description) = &node.description
            && !self.plugins.iter().all(|(kind, name)| has_plugin(description, *kind, name))
        {
            return Some(Filter::Plugin);
        }
        if !constraint::all_match(&self.constraints, node) {
            return Some(Filter::Constraint);
        }
        let platforms = &task.placement.platforms;
        if !platforms.is_empty() {
            let own = node.description.as_ref().map(|it| &it.platform).filter(|it| **it != Platform::default());
            if !own.is_some_and(|own| platforms.iter().any(|wanted| runs(wanted, own))) {
                return Some(Filter::Platform);
            }
        }
        if self.ports.iter().any(|port| load.ports().contains(port)) {
            return Some(Filter::HostPort);
        }
        let most = task.placement.max_replicas;
        if most > 0 && u64::from(load.active_of(self.service)) >= most {
            return Some(Filter::MaxReplicas);
        }
        None
    }
}

/// Host ports with a fixed number: port 0 lets the engine choose and never conflicts.
pub(super) fn host_ports(spec: &ServiceSpec) -> impl Iterator<Item = (Protocol, u16)> + '_ {
    let fixed = spec.endpoint.ports.iter().filter(|port| port.mode == PublishMode::Host && port.published != 0);
    fixed.map(|port| (port.protocol, port.published))
}

fn needed_plugins(spec: &ServiceSpec) -> Vec<(PluginKind, String)> {
    let task = &spec.task;
    let volumes = task.container.volume_drivers.iter().filter(|name| !name.is_empty() && *name != "local");
    let volumes = volumes.map(|name| (PluginKind::Volume, name.clone()));
    let networks = task.network_drivers.iter().map(|name| (PluginKind::Network, name.clone()));
    let log = task.log_driver.iter().filter(|name| !name.is_empty() && *name != "none");
    let log = log.map(|name| (PluginKind::Log, name.clone()));
    volumes.chain(networks).chain(log).collect()
}

/// A plugin `x` is there as `x` or `x:latest`. An engine that lists no log driver at all is older than the list.
fn has_plugin(description: &Description, kind: PluginKind, name: &str) -> bool {
    let mut of_kind = description.plugins.iter().filter(|(other, _)| *other == kind).peekable();
    if kind == PluginKind::Log && of_kind.peek().is_none() {
        return true;
    }
    of_kind.any(|(_, own)| own == name || own.strip_suffix(":latest") == Some(name))
}

fn runs(wanted: &Platform, own: &Platform) -> bool {
    let normal = |architecture: &str| match architecture {
        "x86_64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        other => other.to_owned(),
    };
    let architecture = wanted.architecture.is_empty() || normal(&wanted.architecture) == normal(&own.architecture);
    architecture && (wanted.os.is_empty() || wanted.os == own.os)
}

/// Nodes refused, by filter.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Refusals([u32; FILTERS]);

impl Refusals {
    pub(super) fn add(&mut self, filter: Filter) {
        self.0[filter as usize] += 1;
    }
}

impl fmt::Display for Refusals {
    /// Swarm's explanation: the filter that refused most nodes first, ties in order of filters. Empty without refusals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const TEXTS: [(&str, &str); FILTERS] = [
            ("1 node not available for new tasks", "{} nodes not available for new tasks"),
            ("insufficient resources on 1 node", "insufficient resources on {} nodes"),
            ("missing plugin on 1 node", "missing plugin on {} nodes"),
            ("scheduling constraints not satisfied on 1 node", "scheduling constraints not satisfied on {} nodes"),
            ("unsupported platform on 1 node", "unsupported platform on {} nodes"),
            ("host-mode port already in use on 1 node", "host-mode port already in use on {} nodes"),
            // Swarm's text, without a count and with its slip of the pen.
            ("max replicas per node limit exceed", "max replicas per node limit exceed"),
        ];
        let mut order: Vec<usize> = (0..FILTERS).filter(|filter| self.0[*filter] > 0).collect();
        order.sort_by_key(|filter| std::cmp::Reverse(self.0[*filter]));
        for (position, filter) in order.into_iter().enumerate() {
            let (one, many) = TEXTS[filter];
            let separator = if position == 0 { "" } else { "; " };
            match self.0[filter] {
                1 => write!(f, "{separator}{one}")?,
                count => write!(f, "{separator}{}", many.replace("{}", &count.to_string()))?,
            }
        }
        Ok(())
    }
}
