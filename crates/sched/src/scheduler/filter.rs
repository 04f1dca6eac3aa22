//! The filters that a node must pass, in Swarm's order, and Swarm's words for what they refuse.

use std::fmt;

use crate::constraint::{self, Constraint};
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

impl Filter {
    pub(super) const ALL: [Filter; FILTERS] = [
        Filter::Ready,
        Filter::Resource,
        Filter::Plugin,
        Filter::Constraint,
        Filter::Platform,
        Filter::HostPort,
        Filter::MaxReplicas,
    ];
}

/// What a service asks of a node that no task changes: the same for as long as the node's description is the same.
///
/// Many services ask for the same, most of them for nothing; so requirements are interned, and what is computed for one
/// node and one requirement is computed once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Requirement {
    plugins: Vec<(PluginKind, String)>,
    constraints: Vec<Constraint>,
    platforms: Vec<Platform>,
}

impl Requirement {
    pub(super) fn of(spec: &ServiceSpec) -> Requirement {
        Requirement {
            plugins: needed_plugins(spec),
            // Constraints that do not parse switch the filter off; the API does not let them in.
            constraints: constraint::parse(&spec.task.placement.constraints).unwrap_or_default(),
            platforms: spec.task.placement.platforms.clone(),
        }
    }

    /// The first of its filters that refuses a node, if any does.
    pub(super) fn refusal(&self, node: &NodeSpec) -> Option<Filter> {
        if self.missing_plugins(node).next().is_some() {
            return Some(Filter::Plugin);
        }
        if !constraint::all_match(&self.constraints, node) {
            return Some(Filter::Constraint);
        }
        (!self.has_platform(node)).then_some(Filter::Platform)
    }

    /// The plugins that a node lacks. One without a description lacks none.
    pub(super) fn missing_plugins(&self, node: &NodeSpec) -> impl Iterator<Item = &(PluginKind, String)> {
        let description = node.description.as_ref();
        let is_missing = move |(kind, name): &&(PluginKind, String)| {
            description.is_some_and(|description| !has_plugin(description, *kind, name))
        };
        self.plugins.iter().filter(is_missing)
    }

    /// The constraints that a node does not satisfy, by their place in the list.
    pub(super) fn broken_constraints(&self, node: &NodeSpec) -> impl Iterator<Item = usize> {
        let broken = |constraint: &Constraint| !constraint.matches(node);
        self.constraints.iter().enumerate().filter(move |(_, constraint)| broken(constraint)).map(|(place, _)| place)
    }

    /// Whether a node is of a platform for which the image is made. An engine that says nothing of its platform has one
    /// all the same.
    pub(super) fn has_platform(&self, node: &NodeSpec) -> bool {
        let own = node.description.as_ref().map(|description| &description.platform);
        let runs_on = |own: &Platform| self.platforms.iter().any(|wanted| runs(wanted, own));
        self.platforms.is_empty() || own.is_some_and(runs_on)
    }
}

/// Whether tasks may go to a node at all (SwarmKit's `ReadyFilter`).
pub(super) fn is_ready(node: &NodeSpec) -> bool {
    node.state == NodeState::Ready && node.availability == Availability::Active
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
    fn normal(architecture: &str) -> &str {
        match architecture {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }
    }
    let architecture = wanted.architecture.is_empty() || normal(&wanted.architecture) == normal(&own.architecture);
    architecture && (wanted.os.is_empty() || wanted.os == own.os)
}

/// Nodes refused, by filter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Refusals([u32; FILTERS]);

impl Refusals {
    pub(super) fn add(&mut self, filter: Filter) {
        self.0[filter as usize] += 1;
    }

    pub(super) fn take(&mut self, filter: Filter) {
        self.0[filter as usize] -= 1;
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
