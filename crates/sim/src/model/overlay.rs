//! Overlay networks: subnets, and the addresses that services, nodes and tasks need before a task can run.
//!
//! It decides as SwarmKit's allocator does (`manager/allocator/network.go`, libnetwork's `ipams/defaultipam`): addresses
//! are handed out serially, a task takes all it needs or none, and what finds no address waits until one is released.
//! Packets are not simulated.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sched::spec::{EndpointMode, PublishMode, ServiceSpec};
use sched::{ServiceId, Span};

use super::subnet::{Pool, Subnet};
use crate::engine::law::Law;
use crate::fact::{Context, Fact, TaskNo};

/// An overlay network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkPlan {
    /// Full name, `<stack>_<network>` for stacks.
    pub name: String,
    /// Given subnet as (address, prefix length); `None` takes the next free one of the pool.
    pub subnet: Option<(u32, u8)>,
    /// Whether it is there before the scenario (external); it still needs addresses.
    pub external: bool,
}

/// Overlay networks and the control network.
#[derive(Clone, PartialEq, Debug)]
pub struct OverlayModel {
    /// Address pool as (address, prefix length): 10.0.0.0/8.
    pub pool: (u32, u8),
    /// Prefix length of a subnet: 24.
    pub subnet: u8,
    /// One-way delay between manager and agent.
    pub latency: Law,
    /// How long it takes an agent that cannot reach the manager to notice that a call has failed (SwarmKit: 5 s, if nothing
    /// answers).
    pub unreachable: Span,
    /// Pause between leaving the mesh and the stop signal (moby: 2 s), for tasks on an overlay network.
    pub leave: Span,
    /// What each overlay network of a container takes when it is started, beside its start, and when it is stopped, beside its stop.
    pub attach: Law,
    /// See there.
    pub detach: Law,
    /// What a container that is started takes for every other service of its networks, which its sandbox balances load to (libnetwork
    /// up to Docker 18.06: rules of IPVS and iptables in every container).
    pub endpoint: Span,
}

/// What the networks of a service mean to the engine that starts one of its containers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Joining {
    /// Overlay networks that it joins, the ingress network included.
    pub networks: u32,
    /// Other services on them.
    pub others: u32,
}

impl Default for OverlayModel {
    fn default() -> Self {
        OverlayModel {
            pool: (0x0A00_0000, 8),
            subnet: 24,
            latency: Law::Uniform { min: Span::from_nanos(100_000), max: Span::from_nanos(400_000) },
            unreachable: Span::from_secs(5),
            leave: Span::from_secs(2),
            attach: Law::Fixed(Span::ZERO),
            detach: Law::Fixed(Span::ZERO),
            endpoint: Span::ZERO,
        }
    }
}

/// An overlay network as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkUse {
    /// Counts networks in order of creation, removed ones included. That of the mesh is 0.
    pub number: usize,
    /// Full name.
    pub name: String,
    /// Address and prefix length, if the pool had a subnet for it.
    pub subnet: Option<(u32, u8)>,
    /// Addresses in use, the gateway's included.
    pub used: u32,
    /// Rows of the nodes that have a load balancer there, each with its address.
    pub balancers: Vec<(usize, u32)>,
}

/// All overlay networks of a run.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// The ingress network first, then those of the scenario, then those that were created.
    networks: Vec<Network>,
    pool: Pool,
    names: BTreeMap<String, usize>,
    services: BTreeMap<ServiceId, Service>,
    /// Tasks that have not ended, as far as they join networks.
    tasks: BTreeMap<TaskNo, Attached>,
    /// Those without addresses.
    waiting: BTreeSet<TaskNo>,
    /// Tasks that ended since addresses were last given out.
    ended: Vec<Attached>,
    /// Networks and nodes that have tasks there but no load balancer.
    in_need: BTreeSet<(usize, usize)>,
    /// For each protocol, ports of the mesh that Swarm may still choose.
    ports: [u32; 3],
}

#[derive(Clone, Debug)]
struct Network {
    /// `None`: the pool was used up, no address is ever available.
    subnet: Option<Subnet>,
    services: u32,
    nodes: BTreeMap<usize, Balancer>,
}

/// A node's load balancer endpoint in a network.
#[derive(Clone, Debug, Default)]
struct Balancer {
    address: Option<u32>,
    /// Tasks of the network on the node.
    tasks: Vec<TaskNo>,
}

#[derive(Clone, Debug)]
struct Service {
    networks: Arc<[usize]>,
    virtual_ips: bool,
    /// Ports of the mesh out of Swarm's range, by protocol, and whether it has them.
    ports: [u32; 3],
    has_ports: bool,
    /// One per network, once they are allocated.
    addresses: Option<Vec<u32>>,
}

#[derive(Clone, Debug)]
struct Attached {
    service: ServiceId,
    /// Of the service, which may be gone before its tasks.
    networks: Arc<[usize]>,
    node: Option<usize>,
    addresses: Option<Vec<u32>>,
}

impl Overlay {
    /// Lays out the subnets: the ingress network takes the first, unless the scenario gives it one by the name
    /// `ingress`. The first `nodes` nodes are attached to it.
    pub fn new(model: &OverlayModel, plans: &[NetworkPlan], nodes: usize) -> Overlay {
        let mut pool = Pool::new(model.pool, model.subnet, plans.iter().filter_map(|plan| plan.subnet));
        let mut names = BTreeMap::new();
        let mut networks = Vec::new();
        let ingress = plans.iter().find(|plan| plan.name == INGRESS);
        let others = plans.iter().filter(|plan| plan.name != INGRESS);
        for (name, subnet) in std::iter::once((INGRESS, ingress.and_then(|plan| plan.subnet)))
            .chain(others.map(|plan| (plan.name.as_str(), plan.subnet)))
        {
            let subnet = subnet.or_else(|| pool.next()).map(|(address, length)| Subnet::new(address, length));
            names.insert(name.to_string(), networks.len());
            networks.push(Network { subnet, services: 0, nodes: BTreeMap::new() });
        }
        for node in 0..nodes {
            networks[0].balance(node);
        }
        Overlay {
            networks,
            pool,
            names,
            services: BTreeMap::new(),
            tasks: BTreeMap::new(),
            waiting: BTreeSet::new(),
            ended: Vec::new(),
            in_need: BTreeSet::new(),
            ports: [PORTS.1 as u32 - PORTS.0 as u32 + 1; 3],
        }
    }

    /// A network is created, with the next free subnet of the pool unless it has one of its own.
    pub fn create_network(&mut self, plan: &NetworkPlan) {
        let subnet = plan.subnet.or_else(|| self.pool.next()).map(|(address, length)| Subnet::new(address, length));
        self.names.insert(plan.name.clone(), self.networks.len());
        self.networks.push(Network { subnet, services: 0, nodes: BTreeMap::new() });
    }

    /// A network that nobody uses is removed. Its subnet is not given out again, as long as the pool has others.
    pub fn remove_network(&mut self, name: &str) {
        if let Some(row) = self.names.remove(name) {
            self.networks[row] = Network { subnet: None, services: 0, nodes: BTreeMap::new() };
        }
    }

    /// A service is created, or has another specification. It gets a virtual address in each of its networks, unless it
    /// resolves to its tasks. If its networks, ports or kind of resolution are others than before, it gives all back and asks
    /// anew; tasks that are there keep what they have.
    pub fn add_service<E>(&mut self, cx: &mut Context<E>, id: ServiceId, spec: &ServiceSpec) {
        let published = spec.endpoint.ports.iter().any(|port| port.mode == PublishMode::Ingress);
        let named =
            spec.task.networks.iter().filter_map(|name| self.names.get(name).copied()).filter(|&network| network != 0);
        let virtual_ips = spec.endpoint.mode == EndpointMode::Vip;
        let mut ports = [0; 3];
        for port in spec.endpoint.ports.iter().filter(|port| port.mode == PublishMode::Ingress) {
            if port.published == 0 || (PORTS.0..=PORTS.1).contains(&port.published) {
                ports[port.protocol as usize] += 1;
            }
        }
        if let Some(before) = self.services.get(&id) {
            let networks = published.then_some(0).into_iter().chain(named.clone());
            if before.virtual_ips == virtual_ips
                && before.ports == ports
                && networks.eq(before.networks.iter().copied())
            {
                return;
            }
        }
        let networks: Arc<[usize]> = published.then_some(0).into_iter().chain(named).collect();
        self.remove_service(cx, id);
        let mut service = Service { networks, virtual_ips, ports, has_ports: false, addresses: None };
        service.allocate(&mut self.networks, &mut self.ports);
        service.networks.iter().for_each(|&row| self.networks[row].services += 1);
        self.services.insert(id, service);
    }

    /// A service is removed.
    pub fn remove_service<E>(&mut self, cx: &mut Context<E>, id: ServiceId) {
        let Some(service) = self.services.remove(&id) else { return };
        for &row in service.networks.iter() {
            // A network that was removed in the meantime has none.
            self.networks[row].services = self.networks[row].services.saturating_sub(1);
        }
        if service.has_ports {
            (0..3).for_each(|kind| self.ports[kind] += service.ports[kind]);
        }
        if let (true, Some(addresses)) = (service.virtual_ips, service.addresses) {
            free(&mut self.networks, &service.networks, &addresses);
            self.retry(cx, &service.networks);
        }
    }

    /// What a task of the service joins.
    pub fn joining(&self, service: ServiceId) -> Joining {
        let networks = self.services.get(&service).map_or(&[][..], |service| &service.networks);
        let others = networks.iter().map(|&row| self.networks[row].services.saturating_sub(1)).sum();
        Joining { networks: networks.len() as u32, others }
    }

    /// A task is created. The answer says whether it has its addresses; if not, [`Fact::Allocated`]
    /// tells when it has them.
    pub fn create(&mut self, id: TaskNo, service: ServiceId) -> bool {
        let Some(networks) = self.services.get(&service).map(|service| Arc::clone(&service.networks)) else {
            return true;
        };
        if networks.is_empty() {
            return true;
        }
        let mut task = Attached { service, networks, node: None, addresses: None };
        let allocated = task.allocate(&self.services, &mut self.networks);
        if !allocated {
            self.waiting.insert(id);
        }
        self.tasks.insert(id, task);
        allocated
    }

    /// A task gets its node. The answer says whether the node is attached to all of the task's networks; if not,
    /// [`Fact::Attached`] tells when it is.
    pub fn assign(&mut self, id: TaskNo, node: usize) -> bool {
        let Some(task) = self.tasks.get_mut(&id) else { return true };
        task.node = Some(node);
        for &row in task.networks.iter() {
            let network = &mut self.networks[row];
            if !network.balance(node) {
                self.in_need.insert((row, node));
            }
            network.nodes.entry(node).or_default().tasks.push(id);
        }
        is_attached(&self.networks, &task.networks, node)
    }

    /// A task has ended, or its record is deleted. Its addresses are free as soon as all that ended with it have been told:
    /// see [`Overlay::give_out`]. To tell again changes nothing.
    pub fn release(&mut self, id: TaskNo) {
        let Some(task) = self.tasks.remove(&id) else { return };
        self.waiting.remove(&id);
        if let Some(node) = task.node {
            for &network in task.networks.iter() {
                if let Some(balancer) = self.networks[network].nodes.get_mut(&node) {
                    balancer.tasks.retain(|&other| other != id);
                }
            }
        }
        self.ended.push(task);
    }

    /// Whether something ended that [`Overlay::give_out`] has not heard of.
    pub fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Frees the addresses of tasks that ended and gives them out again. With each of them the allocator looks at its node
    /// first: the node loses its load balancer if no task is left there that needs it, and gets one if it needs one and
    /// has none. Then come services, then tasks in order of creation. So tasks that fail together leave their node
    /// without an address, and a task that is left there gets one for it.
    pub fn give_out<E>(&mut self, cx: &mut Context<E>) {
        let ended = std::mem::take(&mut self.ended);
        for task in &ended {
            if let Some(addresses) = &task.addresses {
                free(&mut self.networks, &task.networks, addresses);
            }
            if let Some(node) = task.node {
                for &network in task.networks.iter() {
                    self.look_at(cx, network, node);
                }
            }
        }
        let networks: BTreeSet<usize> = ended.iter().flat_map(|task| task.networks.iter().copied()).collect();
        self.retry(cx, &networks.into_iter().collect::<Vec<_>>());
    }

    /// A task on a node changed its state: the allocator looks whether the node has what it needs.
    pub fn stirred<E>(&mut self, cx: &mut Context<E>, id: TaskNo) {
        if self.in_need.is_empty() {
            return;
        }
        let Some(Attached { networks, node: Some(node), .. }) = self.tasks.get(&id) else { return };
        let (networks, node) = (Arc::clone(networks), *node);
        for &network in networks.iter() {
            self.look_at(cx, network, node);
        }
    }

    /// Gives a node what its tasks need of a network, or takes from it what they do not need any more.
    fn look_at<E>(&mut self, cx: &mut Context<E>, row: usize, node: usize) {
        let network = &mut self.networks[row];
        let Some(balancer) = network.nodes.get(&node) else { return };
        if balancer.tasks.is_empty() {
            // Every node keeps its place on the ingress network.
            if row != 0 {
                network.leave(node);
                self.in_need.remove(&(row, node));
            }
        } else if balancer.address.is_none() && network.balance(node) {
            self.in_need.remove(&(row, node));
            let tasks = self.networks[row].nodes[&node].tasks.iter();
            tasks.filter(|id| self.is_attached(**id)).for_each(|&id| cx.tell(Fact::Attached(id)));
        }
    }

    /// A node joins: it is attached to the ingress network. Without an address left it goes without, as in SwarmKit.
    pub fn join(&mut self, node: usize) {
        self.networks[0].balance(node);
    }

    /// A node is removed from the cluster.
    pub fn remove_node<E>(&mut self, cx: &mut Context<E>, node: usize) {
        self.networks[0].leave(node);
        self.in_need.remove(&(0, node));
        self.retry(cx, &[0]);
    }

    /// Every network by name.
    pub fn networks(&self) -> Vec<NetworkUse> {
        let of = |(name, row): (&String, &usize)| {
            let subnet = self.networks[*row].subnet.as_ref();
            let (address, used) =
                (subnet.map(|subnet| (subnet.start(), subnet.length())), subnet.map_or(0, Subnet::used));
            let balancers = self.networks[*row].nodes.iter();
            let balancers = balancers.filter_map(|(node, balancer)| Some((*node, balancer.address?))).collect();
            NetworkUse { number: *row, name: name.clone(), subnet: address, used, balancers }
        };
        self.names.iter().map(of).collect()
    }

    /// The virtual addresses of a service, each with the number of its network. `None` if it has not got what it needs:
    /// ports of the mesh, or addresses.
    pub fn virtual_ips(&self, service: ServiceId) -> Option<Vec<(usize, u32)>> {
        let service = self.services.get(&service)?;
        Some(pairs(&service.networks, service.addresses.as_deref()?))
    }

    /// The addresses that a task has as long as it has not ended, each with the number of its network.
    pub fn addresses(&self, task: TaskNo) -> Vec<(usize, u32)> {
        let has = |task: &Attached| Some(pairs(&task.networks, task.addresses.as_deref()?));
        self.tasks.get(&task).and_then(has).unwrap_or_default()
    }

    /// The largest number of addresses of one network that were ever in use at a time, gateway included.
    pub fn addresses_peak(&self) -> u32 {
        self.networks.iter().filter_map(|network| network.subnet.as_ref()).map(Subnet::peak).max().unwrap_or(0)
    }

    /// Addresses of `networks` were released: services first, then tasks in order of creation.
    fn retry<E>(&mut self, cx: &mut Context<E>, networks: &[usize]) {
        if self.waiting.is_empty() {
            return;
        }
        for service in self.services.values_mut() {
            service.allocate(&mut self.networks, &mut self.ports);
        }
        let mut given = Vec::new();
        for &id in &self.waiting {
            if networks.iter().all(|&row| self.networks[row].is_full()) {
                break;
            }
            let task = self.tasks.get_mut(&id).expect("a waiting task is a task");
            if task.allocate(&self.services, &mut self.networks) {
                cx.tell(Fact::Allocated(id));
                given.push(id);
            }
        }
        for id in given {
            self.waiting.remove(&id);
        }
    }

    fn is_attached(&self, id: TaskNo) -> bool {
        self.tasks
            .get(&id)
            .is_some_and(|task| task.node.is_some_and(|node| is_attached(&self.networks, &task.networks, node)))
    }
}

/// The network of published ports.
const INGRESS: &str = "ingress";
/// SwarmKit `manager/allocator/portallocator.go`: ports that it gives to services that do not say which.
const PORTS: (u16, u16) = (30_000, 32_767);

fn is_attached(networks: &[Network], joined: &[usize], node: usize) -> bool {
    joined.iter().all(|&network| networks[network].nodes.get(&node).is_some_and(|balancer| balancer.address.is_some()))
}

fn pairs(networks: &[usize], addresses: &[u32]) -> Vec<(usize, u32)> {
    networks.iter().copied().zip(addresses.iter().copied()).collect()
}

fn free(networks: &mut [Network], joined: &[usize], addresses: &[u32]) {
    for (&network, &address) in joined.iter().zip(addresses) {
        if let Some(subnet) = &mut networks[network].subnet {
            subnet.free(address);
        }
    }
}

/// One address in each of `joined`, or none at all.
fn allocate(networks: &mut [Network], joined: &[usize]) -> Option<Vec<u32>> {
    let mut addresses = Vec::with_capacity(joined.len());
    for &network in joined {
        match networks[network].subnet.as_mut().and_then(Subnet::allocate) {
            Some(address) => addresses.push(address),
            None => {
                free(networks, joined, &addresses);
                return None;
            }
        }
    }
    Some(addresses)
}

impl Service {
    /// Ports first, then addresses; without ports it gets none.
    fn allocate(&mut self, networks: &mut [Network], ports: &mut [u32; 3]) {
        if !self.has_ports && (0..3).all(|kind| self.ports[kind] <= ports[kind]) {
            (0..3).for_each(|kind| ports[kind] -= self.ports[kind]);
            self.has_ports = true;
        }
        if self.addresses.is_none() && self.has_ports {
            self.addresses = if self.virtual_ips { allocate(networks, &self.networks) } else { Some(Vec::new()) };
        }
    }
}

impl Attached {
    /// A task waits for its service's virtual addresses too.
    fn allocate(&mut self, services: &BTreeMap<ServiceId, Service>, networks: &mut [Network]) -> bool {
        let is_ready = services.get(&self.service).is_some_and(|service| service.addresses.is_some());
        if self.addresses.is_none() && is_ready {
            self.addresses = allocate(networks, &self.networks);
        }
        self.addresses.is_some()
    }
}

impl Network {
    /// Gives a node its load balancer endpoint, if it has none and an address is left. Says whether it has one.
    fn balance(&mut self, node: usize) -> bool {
        let balancer = self.nodes.entry(node).or_default();
        if balancer.address.is_none() {
            balancer.address = self.subnet.as_mut().and_then(Subnet::allocate);
        }
        balancer.address.is_some()
    }

    /// A node does not need its load balancer any more.
    fn leave(&mut self, node: usize) {
        let address = self.nodes.remove(&node).and_then(|balancer| balancer.address);
        if let (Some(address), Some(subnet)) = (address, &mut self.subnet) {
            subnet.free(address);
        }
    }

    fn is_full(&self) -> bool {
        self.subnet.as_ref().is_none_or(Subnet::is_full)
    }
}

#[cfg(test)]
mod tests {
    use sched::Row;
    use sched::spec::Port;

    use super::*;

    fn model() -> OverlayModel {
        OverlayModel::default()
    }

    fn network(name: &str, subnet: Option<(u32, u8)>) -> NetworkPlan {
        NetworkPlan { name: name.into(), subnet, external: false }
    }

    #[test]
    fn networks_take_the_lowest_free_subnets_after_ingress() {
        let plans = [network("front", None), network("given", Some((0x0A00_0200, 24))), network("back", None)];
        let overlay = Overlay::new(&model(), &plans, 0);
        let starts: Vec<u32> =
            overlay.networks.iter().map(|network| network.subnet.as_ref().unwrap().start()).collect();
        assert_eq!(starts, [0x0A00_0000, 0x0A00_0100, 0x0A00_0200, 0x0A00_0300]);
    }

    #[test]
    fn a_pool_that_is_used_up_gives_no_subnet() {
        let small = OverlayModel { pool: (0x0A00_0000, 23), ..model() };
        let overlay = Overlay::new(&small, &[network("a", None), network("b", None)], 0);
        let has: Vec<bool> = overlay.networks.iter().map(|network| network.subnet.is_some()).collect();
        assert_eq!(has, [true, true, false]);
    }

    #[test]
    fn every_node_has_an_address_on_ingress_and_tasks_of_published_services_too() {
        let mut overlay = Overlay::new(&model(), &[], 3);
        let mut spec = ServiceSpec::new("web", "web");
        spec.endpoint.ports.push(Port { target: 80, published: 80, ..Port::default() });
        overlay.add_service(&mut Context::<()>::new(), ServiceId::from_index(0), &spec);
        assert_eq!(overlay.joining(ServiceId::from_index(0)), Joining { networks: 1, others: 0 });
        // Gateway, three nodes, one virtual address.
        assert_eq!(overlay.addresses_peak(), 5);
        overlay.add_service(&mut Context::<()>::new(), ServiceId::from_index(1), &ServiceSpec::new("batch", "batch"));
        assert_eq!(overlay.joining(ServiceId::from_index(1)), Joining::default());
    }

    /// A service of name and number on network `net`, whose subnet is a /29: five addresses beside the gateway.
    fn small(services: usize) -> Overlay {
        let mut overlay = Overlay::new(&model(), &[network("net", Some((0x0A01_0000, 29)))], 4);
        for id in 0..services {
            let mut spec = ServiceSpec::new(format!("s{id}"), "image");
            spec.task.networks = vec!["net".into()];
            overlay.add_service(&mut Context::<()>::new(), ServiceId::from_index(id), &spec);
        }
        overlay
    }

    #[test]
    fn what_finds_no_address_waits_until_one_is_released() {
        let service = ServiceId::from_index(0);
        let mut overlay = small(1);
        let created: Vec<bool> = (0..6).map(|task| overlay.create(TaskNo(task), service)).collect();
        // One address is the service's own.
        assert_eq!(created, [true, true, true, true, false, false]);
        let mut cx: Context<()> = Context::new();
        assert!(!overlay.assign(TaskNo(0), 0), "no address is left for the node");
        assert!(!overlay.assign(TaskNo(3), 0));
        overlay.release(TaskNo(3));
        overlay.give_out(&mut cx);
        assert_eq!(cx.take_facts(), [Fact::Attached(TaskNo(0))], "its node comes first");
        assert!(overlay.assign(TaskNo(1), 0));
        overlay.release(TaskNo(2));
        overlay.release(TaskNo(2));
        overlay.give_out(&mut cx);
        assert_eq!(cx.take_facts(), [Fact::Allocated(TaskNo(4))]);
        overlay.release(TaskNo(0));
        overlay.release(TaskNo(1));
        overlay.give_out(&mut cx);
        assert_eq!(cx.take_facts(), [Fact::Allocated(TaskNo(5))]);
        // With its last task the node's load balancer goes: gateway, service, tasks 4 and 5 are left.
        assert_eq!(overlay.networks[1].subnet.as_ref().unwrap().used(), 4);
    }

    #[test]
    fn what_fails_together_leaves_its_node_and_what_is_left_gets_an_address_for_it() {
        let service = ServiceId::from_index(0);
        let fails = |together: &[u32]| {
            let mut overlay = small(1);
            (0..6).for_each(|task| _ = overlay.create(TaskNo(task), service));
            (0..4).for_each(|task| _ = overlay.assign(TaskNo(task), task as usize / 2));
            let mut cx: Context<()> = Context::new();
            together.iter().for_each(|&task| overlay.release(TaskNo(task)));
            overlay.give_out(&mut cx);
            cx.take_facts()
        };
        assert_eq!(fails(&[0, 1]), [Fact::Allocated(TaskNo(4)), Fact::Allocated(TaskNo(5))]);
        assert_eq!(fails(&[0]), [Fact::Attached(TaskNo(1))]);
        assert_eq!(fails(&[0, 2]), [Fact::Attached(TaskNo(1)), Fact::Attached(TaskNo(3))]);
    }

    #[test]
    fn a_node_in_need_is_looked_at_when_one_of_its_tasks_stirs() {
        let service = ServiceId::from_index(0);
        let mut overlay = small(1);
        (0..4).for_each(|task| _ = overlay.create(TaskNo(task), service));
        overlay.assign(TaskNo(0), 0);
        let mut cx: Context<()> = Context::new();
        overlay.release(TaskNo(3));
        overlay.give_out(&mut cx);
        assert_eq!(cx.take_facts(), [], "an address is free, but nobody looks");
        overlay.stirred(&mut cx, TaskNo(0));
        assert_eq!(cx.take_facts(), [Fact::Attached(TaskNo(0))]);
    }

    #[test]
    fn a_service_without_its_own_address_has_no_tasks_either() {
        let mut overlay = small(6);
        let (first, last) = (ServiceId::from_index(0), ServiceId::from_index(5));
        assert!(!overlay.create(TaskNo(0), last));
        let mut cx: Context<()> = Context::new();
        overlay.remove_service(&mut cx, first);
        assert_eq!(cx.take_facts(), [], "the free address is the service's");
        overlay.remove_service(&mut cx, ServiceId::from_index(1));
        assert_eq!(cx.take_facts(), [Fact::Allocated(TaskNo(0))]);
    }

    #[test]
    fn a_task_takes_an_address_in_every_network_or_none() {
        let plans = [network("small", Some((0x0A01_0000, 29))), network("large", None)];
        let mut overlay = Overlay::new(&model(), &plans, 1);
        let mut spec = ServiceSpec::new("web", "image");
        spec.task.networks = vec!["large".into(), "small".into()];
        spec.endpoint.mode = EndpointMode::DnsRoundRobin;
        overlay.add_service(&mut Context::<()>::new(), ServiceId::from_index(0), &spec);
        let allocated = (0..7).filter(|&number| overlay.create(TaskNo(number), ServiceId::from_index(0))).count();
        assert_eq!(allocated, 5);
        let used = |network: usize| overlay.networks[network].subnet.as_ref().unwrap().used();
        assert_eq!((used(1), used(2)), (6, 6), "five tasks and the gateway in both");
    }
}
