//! What would give a task its place: single changes of the cluster or the service, each tried on a copy of the manager.

use std::collections::BTreeSet;
use std::fmt;

use super::{Allocation, Manager};
use crate::api::ApiError;
use crate::event::{Command, Commands, Event};
use crate::id::{NodeId, ServiceId, Slot, TaskId};
use crate::scheduler::why::{self, Decision, Refusal, Standing};
use crate::spec::{Availability, Description, GenericResource, NodeState, PluginKind, Protocol, ServiceSpec, Units};
use crate::task::{DesiredState, TaskState};
use crate::time::{Span, Time};

/// A single change after which a task that waits would have a place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Remedy {
    /// Nothing: what holds its place is about to end, or a look at the task is due.
    Wait,
    /// The service is updated by force: its task was given up after an update that changed nothing for it, see
    /// [`Manager::update_service`].
    ForceUpdate,
    /// The node is to take tasks again: `docker node update --availability active`.
    Activate(NodeId),
    /// One constraint is dropped, as the service has it.
    DropConstraint(String),
    /// The service may have so many tasks on one node.
    MaxReplicas(u64),
    /// A driver is installed on a node.
    Install(NodeId, PluginKind, String),
    /// A node has so much more.
    Enlarge {
        /// Which node.
        node: NodeId,
        /// 10^-9 CPUs more; 0 if it has enough.
        nano_cpus: i64,
        /// Bytes more; 0 if it has enough.
        memory: i64,
        /// Generic resources more.
        units: Vec<GenericResource>,
    },
    /// The service reserves less.
    ReserveLess {
        /// 10^-9 CPUs less; 0 if as much as now.
        nano_cpus: i64,
        /// Bytes less; 0 if as much as now.
        memory: i64,
    },
    /// Another service that has the host port there goes.
    FreePort(NodeId, ServiceId, (Protocol, u16)),
    /// The service gives up a host port.
    Unpublish((Protocol, u16)),
    /// The image is made for the platform of a node.
    AnyPlatform,
    /// The node is heard of again.
    Return(NodeId),
    /// One node more that is as this one is.
    AddNode(NodeId),
}

/// What a change came to when it was tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tried {
    /// The change. It gives the task a place.
    pub remedy: Remedy,
    /// Of the tasks that wait because no node is suitable, how many have a place after it.
    pub placed: usize,
    /// How many wait.
    pub waiting: usize,
}

/// So long a copy is tried.
const PATIENCE: Span = Span::from_secs(3600);
/// So long after the task has its place, for others that wait.
const AFTERMATH: Span = Span::from_secs(600);
/// So many steps at most.
const STEPS: usize = 1_000;

// Questions. None of them changes anything but what is remembered for the answer.
impl Manager {
    /// Writes down how a task is placed, as soon as it is, for [`Manager::decision`]. Decisions are the same with it and
    /// without. One task is followed at a time; a snapshot does not say which.
    pub fn follow(&mut self, task: TaskId) {
        self.scheduler.follow(task);
    }

    /// How the task that is followed was placed; `None` until it is.
    pub fn decision(&self) -> Option<&Decision> {
        self.scheduler.decision()
    }

    /// What would be decided about a task now, that waits for a node or is refused by the node to which it belongs; `None`
    /// of any other task.
    pub fn would_decide(&self, task: TaskId) -> Option<Decision> {
        // To ask copies the scheduler.
        self.is_pending(task).then(|| self.scheduler.would_decide(&self.cluster, task))?
    }

    fn is_pending(&self, task: TaskId) -> bool {
        self.cluster.task(task).is_some_and(|task| task.state == TaskState::Pending)
    }

    /// Single changes that would give a task its place that waits for one, the smallest first: what needs nothing bought
    /// before what does, and of nodes the one that lacks least. Each was tried on a copy of the manager whose nodes do at
    /// once what they are told.
    pub fn remedies(&self, now: Time, task: TaskId) -> Vec<Tried> {
        let Some(record) = self.cluster.task(task) else { return Vec::new() };
        let service = record.service;
        if !self.is_pending(task) || self.cluster.service(service).is_none() {
            return Vec::new();
        }
        if let Some(wait) = self.try_out(now, task, Remedy::Wait) {
            return vec![wait];
        }
        // What is stopping has stopped when the change is made.
        let mut settled = Trial { manager: self.clone(), now, out: Vec::new() };
        settled.wind_up();
        settled.obey();
        let Some(decision) = settled.manager.would_decide(task) else { return Vec::new() };
        let mut tried = Vec::new();
        let mut for_all = Vec::new();
        for remedy in self.ideas(&decision, service) {
            // Others that wait may take the room first: then there must be enough for all of them.
            let larger = self.for_all(&remedy);
            match self.try_out(now, task, remedy) {
                Some(outcome) => tried.push(outcome),
                None => for_all.extend(larger),
            }
        }
        tried.extend(for_all.into_iter().filter_map(|remedy| self.try_out(now, task, remedy)));
        tried
    }

    /// A node that is larger by what all tasks reserve that wait.
    fn for_all(&self, remedy: &Remedy) -> Option<Remedy> {
        let Remedy::Enlarge { node, nano_cpus, memory, units } = remedy else { return None };
        let (node, mut nano_cpus, mut memory, mut units) = (*node, *nano_cpus, *memory, units.clone());
        for (_, task) in self.cluster.tasks().filter(|(_, task)| task.found_no_node()) {
            let wants = &task.spec.task.reservations;
            nano_cpus = nano_cpus.saturating_add(wants.nano_cpus);
            memory = memory.saturating_add(wants.memory);
            wants.generic.iter().for_each(|request| add_units(&mut units, request));
        }
        Some(Remedy::Enlarge { node, nano_cpus, memory, units })
    }

    /// Makes the change that a remedy for a service is. [`Remedy::FreePort`] removes the service that has the port, and
    /// [`Remedy::Wait`] does nothing.
    pub fn apply(
        &mut self,
        now: Time,
        service: ServiceId,
        remedy: &Remedy,
        out: &mut Commands,
    ) -> Result<(), ApiError> {
        match remedy {
            Remedy::Wait => Ok(()),
            Remedy::Activate(node) => self.set_availability(now, *node, Availability::Active, out),
            Remedy::Return(node) => self.handle(now, Event::NodeUp(*node), out),
            Remedy::FreePort(_, holder, _) => self.remove_service(now, *holder, out),
            Remedy::Install(node, kind, name) => self.describe(now, *node, out, |description| {
                let plugins = description.plugins.iter().cloned().chain([(*kind, name.clone())]);
                description.plugins = plugins.collect();
            }),
            Remedy::Enlarge { node, nano_cpus, memory, units } => self.describe(now, *node, out, |description| {
                let has = &mut description.resources;
                has.nano_cpus = has.nano_cpus.saturating_add(*nano_cpus);
                has.memory = has.memory.saturating_add(*memory);
                units.iter().for_each(|request| add_units(&mut has.generic, request));
            }),
            Remedy::AddNode(like) => {
                let mut spec = (*self.cluster.nodes()[*like].spec).clone();
                spec.id = format!("{}-more", spec.id);
                (spec.state, spec.availability) = (NodeState::Ready, Availability::Active);
                self.add_node(now, spec, out);
                Ok(())
            }
            _ => {
                let mut spec = (*self.present(service)?.spec).clone();
                amend(&mut spec, remedy);
                self.update_service(now, service, spec, out)
            }
        }
    }

    fn describe(
        &mut self,
        now: Time,
        node: NodeId,
        out: &mut Commands,
        change: impl FnOnce(&mut Description),
    ) -> Result<(), ApiError> {
        self.update_node(now, node, out, |spec| change(spec.description.get_or_insert_default()))
    }

    /// Changes that may help, each for another reason, the smallest first.
    fn ideas(&self, decision: &Decision, service: ServiceId) -> Vec<Remedy> {
        let spec = &self.cluster.services()[service].spec;
        let single: Vec<(&Standing, &Refusal)> = decision
            .standings
            .iter()
            .filter_map(|standing| match &standing.refusals[..] {
                [refusal] => Some((standing, refusal)),
                _ => None,
            })
            .collect();
        let mut ideas = Vec::new();
        if decision.standings.iter().any(|standing| standing.refusals.is_empty()) {
            ideas.push(Remedy::ForceUpdate);
        }
        let mut first = |idea: &dyn Fn(NodeId, &Refusal) -> Option<Remedy>| {
            ideas.extend(single.iter().find_map(|(standing, refusal)| idea(standing.node, refusal)));
        };
        first(&|node, refusal| match refusal {
            Refusal::NotReady(NodeState::Ready, _) => Some(Remedy::Activate(node)),
            _ => None,
        });
        first(&|_, refusal| match refusal {
            Refusal::MaxReplicas(most) => Some(Remedy::MaxReplicas(most + 1)),
            _ => None,
        });
        let mut broken: Vec<&String> = Vec::new();
        for (_, refusal) in &single {
            if let Refusal::Constraints(constraints) = refusal
                && let [constraint] = &constraints[..]
                && !broken.contains(&constraint)
            {
                broken.push(constraint);
            }
        }
        ideas.extend(broken.into_iter().map(|constraint| Remedy::DropConstraint(constraint.clone())));
        ideas.extend(room(&single, spec));
        let mut first = |idea: &dyn Fn(NodeId, &Refusal) -> Option<Remedy>| {
            ideas.extend(single.iter().find_map(|(standing, refusal)| idea(standing.node, refusal)));
        };
        first(&|node, refusal| match refusal {
            Refusal::Plugins(plugins) => match &plugins[..] {
                [(kind, name)] => Some(Remedy::Install(node, *kind, name.clone())),
                _ => None,
            },
            _ => None,
        });
        first(&|node, refusal| {
            let Refusal::HostPorts(ports) = refusal else { return None };
            let [port] = ports[..] else { return None };
            let mut holders = self.cluster.tasks_on(node).filter_map(|id| self.cluster.task(id));
            let holds = |ports: &[crate::spec::Port]| ports.iter().any(|own| (own.protocol, own.published) == port);
            let other = holders.find(|task| task.service != service && holds(&task.spec.endpoint.ports))?;
            Some(Remedy::FreePort(node, other.service, port))
        });
        first(&|_, refusal| match refusal {
            Refusal::HostPorts(ports) if ports.len() == 1 => Some(Remedy::Unpublish(ports[0])),
            _ => None,
        });
        first(&|_, refusal| (*refusal == Refusal::Platform).then_some(Remedy::AnyPlatform));
        first(&|node, refusal| match refusal {
            Refusal::NotReady(NodeState::Ready, _) => None,
            Refusal::NotReady(..) => Some(Remedy::Return(node)),
            _ => None,
        });
        // A node that lacks nothing but what an empty one has. If all lack more than that, a copy helps nobody.
        let is_full = |refusal: &Refusal| {
            matches!(
                refusal,
                Refusal::Room { .. } | Refusal::HostPorts(_) | Refusal::MaxReplicas(_) | Refusal::NotReady(..)
            )
        };
        let mut like = decision.standings.iter().filter(|standing| {
            !decision.is_bound && !standing.refusals.is_empty() && standing.refusals.iter().all(is_full)
        });
        let most_room = |standing: &&Standing| {
            let resources = self.cluster.nodes()[standing.node].spec.description.as_ref();
            resources.map(|description| (description.resources.nano_cpus, description.resources.memory))
        };
        // The first of the largest.
        let first = like.next().map(|first| like.fold(first, |a, b| if most_room(&b) > most_room(&a) { b } else { a }));
        ideas.extend(first.map(|standing| Remedy::AddNode(standing.node)));
        ideas
    }

    fn try_out(&self, now: Time, task: TaskId, remedy: Remedy) -> Option<Tried> {
        let record = self.cluster.task(task)?;
        let place = (record.service, record.slot);
        let mut trial = Trial { manager: self.clone(), now, out: Vec::new() };
        let waiting = trial.waiting();
        trial.wind_up();
        trial.manager.apply(now, place.0, &remedy, &mut trial.out).ok()?;
        trial.obey();
        let mut until = now + PATIENCE;
        for _ in 0..STEPS {
            if trial.is_placed(place) {
                until = until.min(trial.now + AFTERMATH);
            }
            if trial.manager.deadline().is_none_or(|at| at > until) {
                break;
            }
            trial.step();
        }
        let still = trial.waiting();
        let has_place = |place: &(ServiceId, Slot)| !still.contains(place) && trial.is_placed(*place);
        let placed = waiting.iter().filter(|place| has_place(place)).count();
        has_place(&place).then_some(Tried { remedy, placed, waiting: waiting.len() })
    }
}

/// More room on the node that lacks least, and smaller reservations. What is least is compared in shares of what the
/// service reserves.
fn room(single: &[(&Standing, &Refusal)], spec: &ServiceSpec) -> Vec<Remedy> {
    let wants = &spec.task.reservations;
    let share = |missing: i64, wants: i64| if missing > 0 { missing as f64 / wants.max(1) as f64 } else { 0.0 };
    let lacking = single.iter().filter_map(|(standing, refusal)| match refusal {
        Refusal::Room { nano_cpus, memory, units } => {
            let least = share(*nano_cpus, wants.nano_cpus) + share(*memory, wants.memory) + units.len() as f64;
            Some((least, standing.node, *nano_cpus, *memory, units))
        }
        _ => None,
    });
    let Some((_, node, nano_cpus, memory, units)) = lacking.min_by(|one, other| one.0.total_cmp(&other.0)) else {
        return Vec::new();
    };
    let mut remedies = vec![Remedy::Enlarge { node, nano_cpus, memory, units: units.clone() }];
    if units.is_empty() && nano_cpus <= wants.nano_cpus && memory <= wants.memory {
        remedies.push(Remedy::ReserveLess { nano_cpus, memory });
    }
    remedies
}

/// Adds what a request asks for to what a node has.
fn add_units(has: &mut Vec<GenericResource>, request: &GenericResource) {
    let Units::Count(more) = request.units else { return };
    let own = has.iter_mut().find(|own| own.kind == request.kind).map(|own| &mut own.units);
    match own {
        Some(Units::Count(count)) => *count = count.saturating_add(more),
        Some(Units::Named(_)) => has.extend((0..more.min(1_000)).map(|number| GenericResource {
            kind: request.kind.clone(),
            units: Units::Named(format!("more-{number}")),
        })),
        None => has.push(request.clone()),
    }
}

/// Changes a specification as a remedy says.
fn amend(spec: &mut ServiceSpec, remedy: &Remedy) {
    let task = &mut spec.task;
    match remedy {
        Remedy::DropConstraint(constraint) => {
            let constraints = &mut task.placement.constraints;
            constraints.retain(|own| own != constraint);
        }
        Remedy::MaxReplicas(most) => task.placement.max_replicas = *most,
        Remedy::ReserveLess { nano_cpus, memory } => {
            task.reservations.nano_cpus -= nano_cpus;
            task.reservations.memory -= memory;
        }
        Remedy::Unpublish(port) => spec.endpoint.ports.retain(|own| (own.protocol, own.published) != *port),
        Remedy::AnyPlatform => task.placement.platforms.clear(),
        Remedy::ForceUpdate => task.force_update += 1,
        _ => {}
    }
}

/// A copy of a manager, and nodes that do at once what they are told.
struct Trial {
    manager: Manager,
    now: Time,
    out: Commands,
}

impl Trial {
    /// Slots whose task waits because no node is suitable.
    fn waiting(&self) -> BTreeSet<(ServiceId, Slot)> {
        let cluster = &self.manager.cluster;
        let waits = |task: &crate::Task| task.found_no_node() && task.desired <= DesiredState::Complete;
        cluster.tasks().filter(|(_, task)| waits(task)).map(|(_, task)| (task.service, task.slot)).collect()
    }

    fn is_placed(&self, (service, slot): (ServiceId, Slot)) -> bool {
        let cluster = &self.manager.cluster;
        let tasks = cluster.service(service).into_iter().flat_map(|service| service.tasks());
        let is_placed = |task: &crate::Task| {
            task.slot == slot
                && task.node.is_some()
                && task.desired <= DesiredState::Complete
                && (TaskState::Assigned..=TaskState::Complete).contains(&task.state)
        };
        tasks.filter_map(|id| cluster.task(id)).any(is_placed)
    }

    /// What was told to end before the trial ends.
    fn wind_up(&mut self) {
        let cluster = &self.manager.cluster;
        let ends = |task: &crate::Task| task.desired >= DesiredState::Shutdown && !task.state.is_terminal();
        let ending: Vec<TaskId> = cluster.tasks().filter(|(_, task)| ends(task)).map(|(id, _)| id).collect();
        ending.into_iter().for_each(|id| self.report(id, TaskState::Shutdown));
    }

    /// Lets time pass until something is due.
    fn step(&mut self) {
        let Some(at) = self.manager.deadline() else { return };
        self.now = self.now.max(at);
        // Never refused.
        let _ = self.manager.handle(self.now, Event::Deadline, &mut self.out);
        self.obey();
    }

    /// Carries out all commands, and all that follow from them.
    fn obey(&mut self) {
        for _ in 0..STEPS {
            if self.out.is_empty() {
                return;
            }
            for command in std::mem::take(&mut self.out) {
                match command {
                    Command::Create { task, .. } if self.manager.config.allocation == Allocation::External => {
                        let _ = self.manager.handle(self.now, Event::Allocated(task), &mut self.out);
                    }
                    Command::Assign { task, .. } => {
                        self.report(task, TaskState::Ready);
                        self.start(task);
                    }
                    Command::Desired { task, desired, .. } if desired >= DesiredState::Shutdown => {
                        self.report(task, TaskState::Shutdown);
                    }
                    Command::Desired { task, .. } => self.start(task),
                    _ => {}
                }
            }
        }
    }

    fn start(&mut self, id: TaskId) {
        let starts = self
            .manager
            .cluster
            .task(id)
            .is_some_and(|task| task.state == TaskState::Ready && task.desired >= DesiredState::Running);
        if starts {
            self.report(id, TaskState::Running);
        }
    }

    /// The agent of the task's node reports, if it is heard of.
    fn report(&mut self, task: TaskId, state: TaskState) {
        let cluster = &self.manager.cluster;
        let node = cluster.task(task).and_then(|task| cluster.node(task.node?));
        if node.is_some_and(|node| node.spec.state == NodeState::Ready) {
            let _ = self.manager.handle(self.now, Event::TaskStatus { task, state, error: None }, &mut self.out);
        }
    }
}

impl Remedy {
    /// The change in words; `name` gives the name of a node, and `service` that of a service.
    pub fn words(&self, name: &dyn Fn(NodeId) -> String, service: &dyn Fn(ServiceId) -> String) -> String {
        Words { remedy: self, name, service }.to_string()
    }
}

struct Words<'a> {
    remedy: &'a Remedy,
    name: &'a dyn Fn(NodeId) -> String,
    service: &'a dyn Fn(ServiceId) -> String,
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        let amounts = |nano_cpus: i64, memory: i64, units: &[GenericResource]| {
            let mut amounts = Vec::new();
            if nano_cpus > 0 {
                amounts.push(why::cpus(nano_cpus));
            }
            if memory > 0 {
                amounts.push(why::bytes(memory));
            }
            amounts.extend(units.iter().map(|request| match &request.units {
                Units::Count(count) => format!("{count} {}", request.kind),
                Units::Named(unit) => format!("{} {unit}", request.kind),
            }));
            amounts.join(" and ")
        };
        match self.remedy {
            Remedy::Wait => write!(f, "nothing: the next pass places it, or what is stopping makes room"),
            Remedy::ForceUpdate => write!(f, "docker service update --force"),
            Remedy::Activate(node) => write!(f, "docker node update --availability active {}", name(*node)),
            Remedy::DropConstraint(constraint) => write!(f, "drop the constraint {constraint}"),
            Remedy::MaxReplicas(most) => write!(f, "allow {most} tasks of the service on one node"),
            Remedy::Install(node, kind, driver) => {
                let kind = match kind {
                    PluginKind::Volume => "volume",
                    PluginKind::Network => "network",
                    PluginKind::Log => "log",
                };
                write!(f, "install the {kind} driver {driver} on {}", name(*node))
            }
            Remedy::Enlarge { node, nano_cpus, memory, units } => {
                write!(f, "{} more on {}", amounts(*nano_cpus, *memory, units), name(*node))
            }
            Remedy::ReserveLess { nano_cpus, memory } => {
                write!(f, "reserve {} less per task", amounts(*nano_cpus, *memory, &[]))
            }
            Remedy::FreePort(node, holder, port) => {
                let (port, holder) = (why::port_name(*port), (self.service)(*holder));
                write!(f, "free host port {port} on {}, which {holder} has", name(*node))
            }
            Remedy::Unpublish(port) => write!(f, "do not publish host port {}", why::port_name(*port)),
            Remedy::AnyPlatform => write!(f, "an image for the platform of the nodes"),
            Remedy::Return(node) => write!(f, "bring {} back", name(*node)),
            Remedy::AddNode(like) => write!(f, "one node more, like {}", name(*like)),
        }
    }
}
