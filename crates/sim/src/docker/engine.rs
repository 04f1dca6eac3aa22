//! What an engine of the swarm answers: lists with filters, and one object by its name or id. The words of refusals and the
//! order of looking for a name are those of moby `daemon/cluster`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sched::cluster::UpdateStatus;
use sched::spec::{Labels, Mode, NodeSpec, PluginKind, PublishMode, Role};
use sched::{DesiredState, NodeId, ServiceId, Slot, Span, TaskId, TaskState, Time};

use super::filters::Filters;
use super::make::{self, Defaults};
use super::objects as api;
use super::objects::ApiError;
use super::stamp::{Ids, Stamp};
use super::{ENGINE_VERSION, make::STACK};
use crate::fact::update_word;
use crate::order::{FileKind, Name, Order, Record};
use crate::refusal::NO_MANAGER;
use crate::simulation::{NetworkUse, Simulation};

/// Machines whose scenario gives no address have one in 100.64.0.0/10, by their row: addresses of networks are elsewhere.
const MACHINES: u32 = 0x6440_0001;
const MACHINES_MAX: usize = (1 << 22) - 2;
/// The port of managers.
const RAFT_PORT: u16 = 2377;
/// libnetwork: the first id of an overlay network on the wire.
const FIRST_VXLAN: usize = 4096;

type Answer<T> = Result<T, ApiError>;

/// An engine, at the present moment of a run.
pub struct Engine<'a> {
    run: &'a Simulation,
    ids: Ids,
    /// The row of the node that is asked; nothing if it is a manager that is no node of the scenario.
    host: Option<usize>,
    nodes: Vec<Member>,
    node_rows: BTreeMap<String, usize>,
    services: BTreeMap<String, ServiceId>,
    networks: Vec<NetworkUse>,
    /// When each was created, by number.
    network_times: BTreeMap<usize, Time>,
    /// By name of a network and by file: the stack that it belongs to.
    network_stacks: BTreeMap<String, Name>,
    file_stacks: BTreeMap<(FileKind, Name), Name>,
}

/// A record of a node.
#[derive(Clone)]
struct Member {
    node: NodeId,
    row: usize,
    id: String,
    spec: Arc<NodeSpec>,
    is_ghost: bool,
}

impl<'a> Engine<'a> {
    /// That of the node whose manager leads; if none does, of the first manager that has power. Without managers in the scenario it
    /// is one that is no node.
    pub fn leading(run: &'a Simulation) -> Engine<'a> {
        let managers = || run.nodes().filter(|node| node.is_there && node.is_reached.is_some());
        let leader = managers().find(|node| node.leads);
        let host = leader.or_else(|| managers().find(|node| node.has_power)).or_else(|| managers().next());
        Engine::of(run, host.map(|node| node.row))
    }

    /// That of a node, by its row.
    fn of(run: &'a Simulation, host: Option<usize>) -> Engine<'a> {
        let ids = Ids::new(run.seeds());
        let cluster = run.cluster();
        let member = |node: NodeId, row: usize, is_ghost: bool| {
            let spec = Arc::clone(&cluster.nodes()[node].spec);
            Member { node, row, id: ids.node(node), spec, is_ghost }
        };
        let there = run.nodes().filter(|node| node.is_there);
        let mut nodes: Vec<Member> = there.map(|node| member(run.node_id(node.row), node.row, false)).collect();
        nodes.extend(run.ghosts().map(|(node, row)| member(node, row, true)));
        let stacks = run.stacks();
        let networks = run.networks();
        let owned = |network: &String| networks.iter().any(|there| there.name == *network);
        let network_stacks = stacks.iter().flat_map(|stack| {
            stack.networks.iter().filter(|network| owned(network)).map(|name| (name.clone(), Arc::clone(&stack.name)))
        });
        let file_stacks =
            stacks.iter().flat_map(|stack| stack.files.iter().map(|file| (file.clone(), Arc::clone(&stack.name))));
        let network_times = networks.iter().map(|network| (network.number, created(run, &network.name))).collect();
        Engine {
            ids,
            host,
            network_times,
            node_rows: nodes.iter().enumerate().map(|(at, node)| (node.id.clone(), at)).collect(),
            services: run.services().map(|service| (ids.service(service.id), service.id)).collect(),
            network_stacks: network_stacks.collect(),
            file_stacks: file_stacks.collect(),
            nodes,
            networks,
            run,
        }
    }

    /// The moment that is shown.
    pub fn now(&self) -> Stamp {
        Stamp(self.run.now())
    }

    /// Whether the managers can decide; a real swarm that cannot does not answer either.
    pub fn is_led(&self) -> bool {
        self.run.is_led() || !self.run.is_founded()
    }

    fn meta(&self, id: String, created: Time, updated: Time) -> api::Meta {
        let index = updated.as_nanos() / 1000 + 1;
        api::Meta { id, version: api::Version { index }, created_at: Stamp(created), updated_at: Stamp(updated) }
    }

    fn check_swarm(&self) -> Answer<()> {
        match self.run.is_founded() {
            true => Ok(()),
            false => Err(ApiError { status: 503, message: NO_MANAGER.to_string() }),
        }
    }
}

/// The one of a name: by whole id, by whole name, by the beginning of its id.
fn find<'t, T>(kind: &str, reference: &str, all: impl Iterator<Item = (&'t str, &'t str, T)> + Clone) -> Answer<T> {
    if let Some((_, _, found)) = all.clone().find(|(id, _, _)| *id == reference) {
        return Ok(found);
    }
    let ambiguous = |count: usize| ApiError {
        status: 400,
        message: format!("{kind} {reference} is ambiguous ({count} matches found)"),
    };
    for by_name in [true, false] {
        let mut found = all.clone().filter(|(id, name, _)| match by_name {
            true => *name == reference,
            false => !reference.is_empty() && id.starts_with(reference),
        });
        match (found.next(), found.count()) {
            (Some((_, _, one)), 0) => return Ok(one),
            (Some(_), more) => return Err(ambiguous(more + 1)),
            (None, _) => {}
        }
    }
    Err(ApiError::not_found(kind, reference))
}

// Services.
impl Engine<'_> {
    /// `GET /services`. Counts of tasks are in it if they are asked for.
    ///
    /// # Errors
    ///
    /// In Docker's words.
    pub fn services(&self, filters: &Filters, status: bool) -> Answer<Vec<api::Service>> {
        self.check_swarm()?;
        filters.check(&["id", "label", "mode", "name", "runtime"])?;
        let mut found = Vec::new();
        for (id, service) in &self.services {
            let Some(record) = self.run.cluster().service(*service) else { continue };
            let mode = match record.spec.mode {
                Mode::Replicated { .. } => "replicated",
                Mode::Global => "global",
                Mode::ReplicatedJob { .. } => "replicated-job",
                Mode::GlobalJob => "global-job",
            };
            if filters.has_prefix("id", id)
                && filters.has_prefix("name", &record.spec.name)
                && filters.match_labels("label", &record.spec.labels)
                && filters.has("mode", mode)
                && filters.has("runtime", "container")
            {
                found.extend(self.service_of(id, *service, Defaults::Left, status));
            }
        }
        Ok(found)
    }

    /// `GET /services/{id}`.
    ///
    /// # Errors
    ///
    /// In Docker's words.
    pub fn service(&self, reference: &str, insert_defaults: bool) -> Answer<api::Service> {
        self.check_swarm()?;
        let defaults = if insert_defaults { Defaults::Inserted } else { Defaults::Left };
        let found = match self.services.get(reference) {
            Some(service) => (reference.to_string(), *service),
            None => {
                let cluster = self.run.cluster();
                let all = self.services.iter().filter_map(|(id, service)| {
                    Some((id.as_str(), cluster.service(*service)?.spec.name.as_str(), (id.clone(), *service)))
                });
                find("service", reference, all)?
            }
        };
        self.service_of(&found.0, found.1, defaults, false).ok_or_else(|| ApiError::not_found("service", reference))
    }

    fn service_of(&self, id: &str, service: ServiceId, defaults: Defaults, status: bool) -> Option<api::Service> {
        let record = self.run.cluster().service(service)?;
        let (created, updated) = self.run.service_times(service).unwrap_or_default();
        let network = |name: &str| self.network_id(name);
        let spec = |spec: &sched::spec::ServiceSpec| make::service_spec(spec, self.ids, &network, defaults);
        Some(api::Service {
            meta: self.meta(id.to_string(), created, updated),
            spec: spec(&record.spec),
            previous_spec: record.previous.as_ref().map(|(before, _)| spec(before)),
            endpoint: self.endpoint(service, &record.spec.endpoint),
            update_status: record.update_status.as_ref().map(|status| self.update_status(record, status)),
            service_status: status.then(|| self.service_status(record)),
            job_status: record.spec.mode.is_job().then(|| api::JobStatus {
                job_iteration: api::Version { index: u64::from(record.iteration) },
                last_execution: Stamp(record.executed),
            }),
        })
    }

    /// What the allocator gave: nothing to services without networks and ports.
    fn endpoint(&self, service: ServiceId, spec: &sched::spec::EndpointSpec) -> api::Endpoint {
        let given = self.run.virtual_ips(service);
        let virtual_ips: Vec<api::VirtualIp> =
            given.iter().flatten().filter_map(|pair| self.virtual_ip(*pair)).collect();
        if given.is_none() || (virtual_ips.is_empty() && spec.ports.is_empty()) {
            return api::Endpoint::default();
        }
        let spec = make::endpoint_spec(spec);
        api::Endpoint { ports: spec.ports.clone(), spec, virtual_ips }
    }

    fn virtual_ip(&self, (network, address): (usize, u32)) -> Option<api::VirtualIp> {
        let addr = self.prefixed(network, address)?;
        Some(api::VirtualIp { network_id: self.ids.network(network), addr })
    }

    /// An address with the length of its network's prefix, if that is still there.
    fn prefixed(&self, network: usize, address: u32) -> Option<String> {
        let (_, length) = self.networks.iter().find(|there| there.number == network)?.subnet?;
        Some(format!("{}/{length}", make::address(address)))
    }

    fn update_status(&self, service: &sched::cluster::Service, status: &UpdateStatus) -> api::UpdateStatus {
        let cluster = self.run.cluster();
        // Swarm names the task that ended it by its id.
        let named = status.message.rsplit_once("task ").and_then(|(words, name)| {
            let task = service.tasks().find(|task| cluster.task_name(*task) == name)?;
            Some(format!("{words}task {}", self.ids.task(task)))
        });
        api::UpdateStatus {
            state: update_word(status.state),
            started_at: Stamp(status.started),
            completed_at: status.completed.map(Stamp),
            message: named.unwrap_or_else(|| status.message.clone()),
        }
    }

    /// As SwarmKit counts (`manager/controlapi/service.go`, `ListServiceStatuses`): a task that is to stop and runs on a lost
    /// node is running.
    fn service_status(&self, service: &sched::cluster::Service) -> api::ServiceStatus {
        let mode = service.spec.mode;
        let mut status = api::ServiceStatus {
            desired_tasks: match mode {
                Mode::Replicated { replicas } => replicas,
                Mode::ReplicatedJob { max_concurrent, .. } => max_concurrent,
                Mode::Global | Mode::GlobalJob => 0,
            },
            ..api::ServiceStatus::default()
        };
        for task in service.tasks().filter_map(|task| self.run.cluster().task(task)) {
            if mode.is_job() && task.iteration != service.iteration {
                continue;
            }
            let is_completed = task.state == TaskState::Complete;
            status.completed_tasks += u64::from(mode.is_job() && is_completed);
            status.running_tasks += u64::from(task.state == TaskState::Running);
            let is_wanted = task.desired == DesiredState::Running;
            let is_open = !is_completed && task.desired == DesiredState::Complete;
            status.desired_tasks += u64::from(mode.is_per_node() && (is_wanted || is_open));
        }
        status
    }
}

// Tasks.
impl Engine<'_> {
    /// `GET /tasks`. Filters `service` and `node` take names and ids.
    ///
    /// # Errors
    ///
    /// In Docker's words.
    pub fn tasks(&self, filters: &Filters) -> Answer<Vec<api::Task>> {
        self.check_swarm()?;
        filters.check(&["_up-to-date", "desired-state", "id", "label", "name", "node", "runtime", "service"])?;
        let states = TaskState::ALL.map(make::task_state);
        filters.check_values("desired-state", &states)?;
        let services = filters.get("service").iter().map(|name| Ok(self.service(name, false)?.meta.id));
        let services = services.collect::<Answer<BTreeSet<String>>>()?;
        let nodes = filters.get("node").iter().map(|name| Ok(self.member(name)?.node));
        let nodes = nodes.collect::<Answer<BTreeSet<NodeId>>>()?;
        let cluster = self.run.cluster();
        let mut wanted: Vec<TaskId> = Vec::new();
        if services.is_empty() {
            wanted.extend(cluster.tasks().map(|(id, _)| id));
        } else {
            let named = services.iter().filter_map(|id| cluster.service(self.services[id]));
            wanted.extend(named.flat_map(|service| service.tasks()));
        }
        let is_wanted = |id: &TaskId| {
            let Some(task) = cluster.task(*id) else { return false };
            (nodes.is_empty() || task.node.is_some_and(|node| nodes.contains(&node)))
                && filters.has("desired-state", make::desired_state(task.desired))
                && filters.match_labels("label", &task.spec.labels)
                && filters.has("runtime", "container")
                && (filters.get("_up-to-date").is_empty() || self.is_up_to_date(task))
                && filters.has_prefix("id", &self.ids.task(*id))
                && (filters.get("name").is_empty() || filters.has_prefix("name", &self.task_name(*id, task)))
        };
        Ok(wanted.into_iter().filter(is_wanted).filter_map(|id| self.task_of(id)).collect())
    }

    /// `GET /tasks/{id}`.
    ///
    /// # Errors
    ///
    /// In Docker's words.
    pub fn task(&self, reference: &str) -> Answer<api::Task> {
        self.check_swarm()?;
        let all: Vec<(String, String, TaskId)> =
            self.run.cluster().tasks().map(|(id, task)| (self.ids.task(id), self.task_name(id, task), id)).collect();
        let id = find("task", reference, all.iter().map(|(id, name, task)| (id.as_str(), name.as_str(), *task)))?;
        self.task_of(id).ok_or_else(|| ApiError::not_found("task", reference))
    }

    /// Whether a task is as its service wants it now.
    fn is_up_to_date(&self, task: &sched::Task) -> bool {
        let service = self.run.cluster().service(task.service);
        service.is_some_and(|service| {
            task.version == service.version
                || (task.spec.task == service.spec.task && task.spec.endpoint == service.spec.endpoint)
        })
    }

    /// SwarmKit `api/naming`: the name of the container.
    fn task_name(&self, id: TaskId, task: &sched::Task) -> String {
        let slot = match number(task.slot) {
            0 => task.node.map(|node| self.ids.node(node)).unwrap_or_default(),
            slot => slot.to_string(),
        };
        format!("{}.{slot}.{}", task.spec.name, self.ids.task(id))
    }

    fn task_of(&self, id: TaskId) -> Option<api::Task> {
        let cluster = self.run.cluster();
        let task = cluster.task(id)?;
        let changed = cluster.changed(task);
        let updated = cluster.since(task).max(task.created);
        let network = |name: &str| self.network_id(name);
        let addresses = self.run.addresses(id).into_iter().filter_map(|(number, address)| {
            let used = self.networks.iter().find(|there| there.number == number)?;
            let addresses = vec![self.prefixed(number, address)?];
            Some(api::NetworkAttachment { network: self.swarm_network(used), addresses })
        });
        let per_node = task.spec.mode.is_per_node();
        let is_removed = task.node.is_some_and(|node| cluster.node(node).is_none());
        let error = cluster.error(task).map(ToString::to_string).unwrap_or_default();
        let host_ports = task.spec.endpoint.ports.iter().filter(|port| port.mode == PublishMode::Host);
        let runs = task.state == TaskState::Running;
        Some(api::Task {
            meta: self.meta(self.ids.task(id), task.created, updated),
            labels: Labels::new(),
            spec: make::task_spec(&task.spec, self.ids, &network),
            service_id: self.ids.service(task.service),
            slot: number(task.slot),
            node_id: task.node.map(|node| self.ids.node(node)).unwrap_or_default(),
            status: api::TaskStatus {
                timestamp: Stamp(changed),
                state: make::task_state(task.state),
                message: make::task_message(task.state, per_node, is_removed),
                container_status: self.container(id, task, &error),
                err: error,
                port_status: api::PortStatus { ports: host_ports.filter(|_| runs).map(make::port).collect() },
            },
            desired_state: make::desired_state(task.desired),
            networks_attachments: addresses.collect(),
            generic_resources: task.generic().iter().map(make::generic).collect(),
            job_iteration: task.spec.mode.is_job().then(|| api::Version { index: u64::from(task.iteration) }),
        })
    }

    /// The container of a task that was begun on a node.
    fn container(&self, id: TaskId, task: &sched::Task, error: &str) -> Option<api::ContainerStatus> {
        task.node?;
        let is_created = match task.state {
            TaskState::Starting
            | TaskState::Running
            | TaskState::Complete
            | TaskState::Shutdown
            | TaskState::Failed => true,
            TaskState::Rejected => false,
            _ => return None,
        };
        let code =
            error.split_once("non-zero exit (").and_then(|(_, rest)| rest.split([')', ':']).next()?.parse().ok());
        let container_id = if is_created { self.container_id(id) } else { String::new() };
        Some(api::ContainerStatus { container_id, pid: 0, exit_code: code.unwrap_or(0) })
    }

    fn container_id(&self, task: TaskId) -> String {
        self.ids.of_engine(&format!("container {task}"))
    }
}

/// When a network was created: at the beginning, unless somebody ordered it.
fn created(run: &Simulation, network: &str) -> Time {
    ordered(run, |order| match order {
        Order::CreateNetwork(plan) => plan.name == network,
        Order::DeployStack(plan) => plan.networks.iter().any(|plan| plan.name == network && !plan.external),
        _ => false,
    })
}

/// When something was ordered first: at the beginning, if it never was.
fn ordered(run: &Simulation, brings: impl Fn(&Order) -> bool) -> Time {
    let record = |record: &&Record| record.answer.is_ok() && brings(&record.order);
    run.orders().iter().find(record).map_or(Time::ZERO, |record| record.at)
}

/// As the API counts: 0 is no number.
fn number(slot: Slot) -> u32 {
    match slot {
        Slot::Number(number) => number,
        Slot::Node(_) | Slot::Spare(_) => 0,
    }
}

// Nodes.
impl Engine<'_> {
    /// `GET /nodes`.
    ///
    /// # Errors
    ///
    /// In Docker's words.
    pub fn nodes(&self, filters: &Filters) -> Answer<Vec<api::Node>> {
        self.check_swarm()?;
        filters.check(&["id", "label", "membership", "name", "node.label", "role"])?;
        filters.check_values("role", &["worker", "manager"])?;
        filters.check_values("membership", &["pending", "accepted"])?;
        let is_wanted = |member: &&Member| {
            let engine = member.spec.description.as_ref().map(|description| &description.engine_labels);
            filters.has_prefix("id", &member.id)
                && filters.has_prefix("name", hostname(&member.spec))
                && filters.match_labels("label", engine.unwrap_or(&Labels::new()))
                && filters.match_labels("node.label", &member.spec.labels)
                && filters.has("role", make::role(member.spec.role))
                && filters.has("membership", "accepted")
        };
        let facts: Vec<crate::simulation::Node> = self.run.nodes().collect();
        Ok(self.nodes.iter().filter(is_wanted).map(|member| self.node_of(member, &facts[member.row])).collect())
    }

    /// `GET /nodes/{id}`.
    ///
    /// # Errors
    ///
    /// In Docker's words.
    pub fn node(&self, reference: &str) -> Answer<api::Node> {
        self.check_swarm()?;
        let member = self.member(reference)?;
        let facts = self.run.node_at(member.row);
        facts.map(|facts| self.node_of(member, &facts)).ok_or_else(|| ApiError::not_found("node", reference))
    }

    fn member(&self, reference: &str) -> Answer<&Member> {
        if let Some(at) = self.node_rows.get(reference) {
            return Ok(&self.nodes[*at]);
        }
        find("node", reference, self.nodes.iter().map(|node| (node.id.as_str(), hostname(&node.spec), node)))
    }

    fn node_of(&self, member: &Member, facts: &crate::simulation::Node) -> api::Node {
        let record = &self.run.cluster().nodes()[member.node];
        let written = self.run.node_written(member.row).filter(|_| !member.is_ghost);
        let (state, message) = make::node_state(member.spec.state);
        let addr = self.node_address(member.row, &member.spec);
        // What left is a member of Raft that nobody reaches, until it is demoted.
        let reached = match member.is_ghost {
            true => (member.spec.role == Role::Manager && self.run.left_managers(member.row)).then_some(false),
            false => facts.is_reached,
        };
        api::Node {
            meta: self.meta(member.id.clone(), record.created, written.unwrap_or_default().max(record.created)),
            spec: api::NodeSpec {
                labels: member.spec.labels.clone(),
                role: make::role(member.spec.role),
                availability: make::availability(member.spec.availability),
            },
            description: member.spec.description.as_ref().map(make::description).unwrap_or_default(),
            manager_status: reached.map(|reached| api::ManagerStatus {
                leader: facts.leads && !member.is_ghost,
                reachability: if reached { "reachable" } else { "unreachable" },
                addr: format!("{addr}:{RAFT_PORT}"),
            }),
            status: api::NodeStatus { state, message, addr },
        }
    }

    fn node_address(&self, row: usize, spec: &NodeSpec) -> String {
        let own = || make::address(MACHINES + (row % MACHINES_MAX) as u32);
        spec.address.clone().unwrap_or_else(own)
    }
}

fn hostname(spec: &NodeSpec) -> &str {
    spec.description.as_ref().map_or(spec.id.as_str(), |description| description.hostname.as_str())
}

// Networks.
impl Engine<'_> {
    /// `GET /networks`: those of the swarm, and those that every engine has.
    ///
    /// # Errors
    ///
    /// In Docker's words.
    pub fn networks(&self, filters: &Filters) -> Answer<Vec<api::Network>> {
        filters.check(&["dangling", "driver", "id", "label", "name", "scope", "type"])?;
        filters.check_values("type", &["builtin", "custom"])?;
        let is_wanted = |(network, is_dangling): &(api::Network, bool)| {
            let kind = if ["bridge", "host", "none"].contains(&network.name.as_str()) { "builtin" } else { "custom" };
            // Names of networks are matched anywhere (moby `daemon/network/filter.go`).
            let named =
                filters.get("name").is_empty() || filters.get("name").iter().any(|name| network.name.contains(name));
            named
                && filters.has_prefix("id", &network.id)
                && filters.has("driver", network.driver)
                && filters.has("dangling", if *is_dangling { "true" } else { "false" })
                && filters.has("scope", network.scope)
                && filters.has("type", kind)
                && filters.match_labels("label", network.labels.as_ref().unwrap_or(&Labels::new()))
        };
        let overlay = self.networks.iter().map(|network| {
            let is_dangling = network.number != 0 && network.balancers.is_empty();
            (self.network_of(network, false), is_dangling)
        });
        let all = overlay.chain(self.local_networks().map(|network| (network, false)));
        Ok(all.filter(is_wanted).map(|(network, _)| network).collect())
    }

    /// `GET /networks/{id}`.
    ///
    /// # Errors
    ///
    /// In Docker's words.
    pub fn network(&self, reference: &str) -> Answer<api::Network> {
        let all: Vec<(api::Network, Option<&NetworkUse>)> = self
            .networks
            .iter()
            .map(|network| (self.network_of(network, false), Some(network)))
            .chain(self.local_networks().map(|network| (network, None)))
            .collect();
        let found =
            find("network", reference, all.iter().map(|pair| (pair.0.id.as_str(), pair.0.name.as_str(), pair)))?;
        Ok(found.1.map_or_else(|| found.0.clone(), |network| self.network_of(network, true)))
    }

    fn network_id(&self, name: &str) -> String {
        let number = self.networks.iter().find(|network| network.name == name).map(|network| network.number);
        // What is not an overlay network of the swarm has no id there.
        number.map_or_else(|| name.to_string(), |number| self.ids.network(number))
    }

    fn network_labels(&self, name: &str) -> Labels {
        let stack = self.network_stacks.get(name);
        stack.map(|stack| (STACK.to_string(), stack.to_string())).into_iter().collect()
    }

    fn network_created(&self, network: &NetworkUse) -> Time {
        self.network_times.get(&network.number).copied().unwrap_or_default()
    }

    fn subnet(network: &NetworkUse) -> Vec<api::IpamConfig> {
        let config = |(address, length): (u32, u8)| api::IpamConfig {
            subnet: format!("{}/{length}", make::address(address)),
            gateway: make::address(address.saturating_add(1)),
        };
        network.subnet.map(config).into_iter().collect()
    }

    fn vxlan(network: &NetworkUse) -> Labels {
        let id = (FIRST_VXLAN + network.number).to_string();
        [("com.docker.network.driver.overlay.vxlanid_list".to_string(), id)].into()
    }

    fn swarm_network(&self, network: &NetworkUse) -> api::SwarmNetwork {
        let created = self.network_created(network);
        let driver = |name: &str| api::Driver { name: name.to_string(), options: None };
        api::SwarmNetwork {
            meta: self.meta(self.ids.network(network.number), created, created),
            spec: api::SwarmNetworkSpec {
                name: network.name.clone(),
                labels: self.network_labels(&network.name),
                driver_configuration: driver("overlay"),
                ingress: network.number == 0,
                scope: "swarm",
            },
            driver_state: api::Driver { options: Some(Engine::vxlan(network)), ..driver("overlay") },
            ipam_options: api::IpamOptions { driver: driver("default"), configs: Engine::subnet(network) },
        }
    }

    /// An overlay network, with what is on it on this engine if it is asked for alone.
    fn network_of(&self, network: &NetworkUse, alone: bool) -> api::Network {
        let here = self.host.filter(|_| alone);
        let containers = here.map(|row| self.containers_on(network, row)).filter(|found| !found.is_empty());
        let members: BTreeMap<usize, &Member> = match alone {
            true => self.nodes.iter().filter(|member| !member.is_ghost).map(|member| (member.row, member)).collect(),
            false => BTreeMap::new(),
        };
        let peers = network.balancers.iter().filter_map(|(row, _)| {
            let member = members.get(row)?;
            let name = self.ids.of_engine(&format!("peer {row}"))[..12].to_string();
            Some(api::Peer { name, ip: self.node_address(*row, &member.spec) })
        });
        api::Network {
            name: network.name.clone(),
            id: self.ids.network(network.number),
            created: Stamp(self.network_created(network)),
            scope: "swarm",
            driver: "overlay",
            enable_ipv6: false,
            ipam: api::Ipam { driver: "default", options: None, config: Engine::subnet(network) },
            internal: false,
            attachable: false,
            ingress: network.number == 0,
            config_from: api::ConfigFrom::default(),
            config_only: false,
            containers,
            options: Some(Engine::vxlan(network)),
            labels: Some(self.network_labels(&network.name)),
            peers: peers.collect(),
        }
    }

    /// Running tasks of a node on a network, and its load balancer there.
    fn containers_on(&self, network: &NetworkUse, row: usize) -> api::Containers {
        let mut found = api::Containers::new();
        let mut add = |key: String, name: String, address: u32| {
            let Some(ipv4_address) = self.prefixed(network.number, address) else { return };
            let [a, b, c, d] = address.to_be_bytes();
            let endpoint = api::EndpointResource {
                endpoint_id: self.ids.of_engine(&format!("endpoint {} {key}", network.number)),
                mac_address: format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}"),
                ipv4_address,
                ipv6_address: String::new(),
                name,
            };
            found.insert(key, endpoint);
        };
        let cluster = self.run.cluster();
        for id in cluster.tasks_on(self.run.node_id(row)) {
            let Some(task) = cluster.task(id).filter(|task| task.state == TaskState::Running) else { continue };
            if let Some((_, address)) = self.run.addresses(id).into_iter().find(|(number, _)| *number == network.number)
            {
                add(self.container_id(id), self.task_name(id, task), address);
            }
        }
        if let Some((_, address)) = network.balancers.iter().find(|(node, _)| *node == row) {
            match network.number {
                0 => add("ingress-sbox".to_string(), "ingress-endpoint".to_string(), *address),
                _ => add(format!("lb-{}", network.name), format!("{}-endpoint", network.name), *address),
            }
        }
        found
    }

    /// What every engine of a swarm has for itself.
    fn local_networks(&self) -> impl Iterator<Item = api::Network> + '_ {
        [("bridge", "bridge"), ("docker_gwbridge", "bridge"), ("host", "host"), ("none", "null")].into_iter().map(
            |(name, driver)| api::Network {
                name: name.to_string(),
                id: self.ids.of_engine(&format!("network {name} of {}", self.host.unwrap_or_default())),
                created: Stamp(Time::ZERO),
                scope: "local",
                driver,
                enable_ipv6: false,
                ipam: api::Ipam { driver: "default", options: None, config: Vec::new() },
                internal: false,
                attachable: false,
                ingress: false,
                config_from: api::ConfigFrom::default(),
                config_only: false,
                containers: Some(api::Containers::new()),
                options: Some(Labels::new()),
                labels: Some(Labels::new()),
                peers: Vec::new(),
            },
        )
    }
}

// Configs and secrets.
impl Engine<'_> {
    /// `GET /configs`, `GET /secrets`.
    ///
    /// # Errors
    ///
    /// In Docker's words.
    pub fn files(&self, kind: FileKind, filters: &Filters) -> Answer<Vec<api::File>> {
        self.check_swarm()?;
        match kind {
            FileKind::Config => filters.check(&["id", "label", "name"])?,
            FileKind::Secret => filters.check(&["id", "label", "name", "names"])?,
        }
        let is_wanted = |file: &api::File| {
            filters.has_prefix("id", &file.meta.id)
                && filters.has_prefix("name", &file.spec.name)
                && (filters.get("names").is_empty() || filters.get("names").contains(&file.spec.name))
                && filters.match_labels("label", &file.spec.labels)
        };
        Ok(self.files_of(kind).filter(is_wanted).collect())
    }

    /// `GET /configs/{id}`, `GET /secrets/{id}`.
    ///
    /// # Errors
    ///
    /// In Docker's words.
    pub fn file(&self, kind: FileKind, reference: &str) -> Answer<api::File> {
        self.check_swarm()?;
        let all: Vec<api::File> = self.files_of(kind).collect();
        let named = all.iter().map(|file| (file.meta.id.as_str(), file.spec.name.as_str(), file));
        find(kind.word(), reference, named).cloned()
    }

    fn files_of(&self, kind: FileKind) -> impl Iterator<Item = api::File> + '_ {
        self.run.files().into_iter().filter(move |file| file.kind == kind).map(move |file| {
            let stack = self.file_stacks.get(&(kind, Arc::clone(&file.name)));
            let created = ordered(self.run, |order| match order {
                Order::CreateFile(plan) | Order::RotateFile { to: plan, .. } => {
                    plan.kind == kind && plan.name == file.name
                }
                Order::DeployStack(plan) => {
                    plan.files.iter().any(|plan| plan.kind == kind && plan.name == file.name && !plan.external)
                }
                // What a stack of the scenario's has comes with its first service.
                Order::CreateService(new) => new.stack.is_some() && new.stack.as_ref() == stack,
                _ => false,
            });
            let content = file.content.filter(|_| kind == FileKind::Config);
            api::File {
                meta: self.meta(self.ids.file(kind, &file.name), created, created),
                spec: api::FileSpec {
                    name: file.name.to_string(),
                    labels: stack.map(|stack| (STACK.to_string(), stack.to_string())).into_iter().collect(),
                    data: content.map(|bytes| make::base64(&bytes)),
                },
            }
        })
    }
}

// The engine and its swarm.
impl Engine<'_> {
    /// `GET /info`.
    pub fn info(&self) -> api::Info {
        let host = self.host.and_then(|row| self.run.node_at(row));
        let own = host.as_ref().and_then(|node| node.spec.description.clone()).unwrap_or_default();
        let of = |kind: PluginKind| {
            let mut names: Vec<String> =
                own.plugins.iter().filter(|(other, _)| *other == kind).map(|(_, name)| name.clone()).collect();
            names.sort();
            names
        };
        let processes = host.as_ref().map_or(0, |node| node.processes);
        let hex = self.ids.of_engine(&format!("engine {}", self.host.unwrap_or_default()));
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]];
        let generic: Vec<api::GenericResource> = own.resources.generic.iter().map(make::generic).collect();
        api::Info {
            id: parts.join("-"),
            containers: processes,
            containers_running: processes,
            containers_paused: 0,
            containers_stopped: 0,
            images: host.as_ref().map_or(0, |node| self.run.images(&node.spec.id).len()),
            plugins: api::InfoPlugins {
                volume: of(PluginKind::Volume),
                network: of(PluginKind::Network),
                authorization: None,
                log: of(PluginKind::Log),
            },
            system_time: self.now(),
            os_type: own.platform.os.clone(),
            architecture: own.platform.architecture.clone(),
            ncpu: own.resources.nano_cpus / 1_000_000_000,
            mem_total: own.resources.memory,
            generic_resources: (!generic.is_empty()).then_some(generic),
            name: own.hostname.clone(),
            labels: own.engine_labels.iter().map(|(key, value)| format!("{key}={value}")).collect(),
            server_version: ENGINE_VERSION,
            swarm: self.swarm(),
            warnings: None,
        }
    }

    fn swarm(&self) -> api::SwarmInfo {
        let host = self.host.and_then(|row| self.nodes.iter().find(|member| member.row == row && !member.is_ghost));
        let is_active = self.run.is_founded();
        let facts: Vec<crate::simulation::Node> = self.run.nodes().collect();
        let managers: Vec<api::RemoteManager> = self
            .nodes
            .iter()
            .filter(|member| !member.is_ghost && facts[member.row].is_reached.is_some())
            .map(|member| api::RemoteManager {
                node_id: member.id.clone(),
                addr: format!("{}:{RAFT_PORT}", self.node_address(member.row, &member.spec)),
            })
            .collect();
        api::SwarmInfo {
            node_id: host.map(|member| member.id.clone()).unwrap_or_default(),
            node_addr: host.map(|member| self.node_address(member.row, &member.spec)).unwrap_or_default(),
            local_node_state: if is_active { "active" } else { "inactive" },
            control_available: is_active,
            error: String::new(),
            nodes: if is_active { self.nodes.len() } else { 0 },
            managers: self.nodes.iter().filter(|member| member.spec.role == Role::Manager).count(),
            remote_managers: (!managers.is_empty()).then_some(managers),
            cluster: is_active.then(|| self.cluster()),
        }
    }

    fn cluster(&self) -> api::Cluster {
        let models = &self.run.scenario().models;
        let (mut history, mut heartbeat, mut autolock) = (models.managers.history, models.heartbeat.period, false);
        let mut updated = Time::ZERO;
        for record in self.run.orders().iter().filter(|record| record.answer.is_ok()) {
            match &record.order {
                Order::UpdateSwarm(change) => {
                    history = change.task_history.unwrap_or(history);
                    heartbeat = change.heartbeat.unwrap_or(heartbeat);
                    autolock = change.autolock.unwrap_or(autolock);
                }
                Order::Init(_, locks) => autolock = *locks,
                _ => continue,
            }
            updated = record.at;
        }
        let pool = models.overlay.pool;
        let is_default = pool == (0x0A00_0000, 8);
        api::Cluster {
            meta: self.meta(self.ids.cluster(), Time::ZERO, updated),
            spec: api::ClusterSpec {
                name: "default",
                labels: Labels::new(),
                orchestration: api::Orchestration { task_history_retention_limit: history },
                raft: api::Raft {
                    snapshot_interval: 10_000,
                    keep_old_snapshots: 0,
                    log_entries_for_slow_followers: 500,
                    election_tick: models.managers.election,
                    heartbeat_tick: 1,
                },
                dispatcher: api::Dispatcher { heartbeat_period: heartbeat.as_nanos() },
                // SwarmKit `ca/config.go`: 90 days.
                ca_config: api::CaConfig { node_cert_expiry: Span::from_secs(90 * 86_400).as_nanos() },
                task_defaults: api::Empty {},
                encryption_config: api::Encryption { auto_lock_managers: autolock },
            },
            root_rotation_in_progress: false,
            default_addr_pool: (!is_default).then(|| vec![format!("{}/{}", make::address(pool.0), pool.1)]),
            subnet_size: models.overlay.subnet,
            data_path_port: 4789,
        }
    }
}
