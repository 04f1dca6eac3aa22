//! Verbs on services, stacks, networks, configs and secrets: what of an order concerns the manager and its tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sched::spec::{Mode, PublishMode, ServiceSpec};
use sched::{DesiredState, Reference, Row, ServiceId, Slot, TaskId, TaskState};

use super::{Control, Cx, Origin};
use crate::engine::chance::below_by_remainder;
use crate::engine::law::Law;
use crate::engine::rng::{Stream, entity};
use crate::fact::{JobNo, TaskNo};
use crate::model::agent::{Behaviour, Exit};
use crate::order::{Change, FileKind, FilePlan, List, Name, NewService, StackPlan};
use crate::refusal::{BAD_FILE_NAME, NO_INGRESS, Refusal};
use crate::simulation::{File, StackBelongings};

type Done = Result<(), Refusal>;

/// Configs and secrets. One that nobody created is taken to have been there before the run.
#[derive(Clone, Default, Debug)]
pub(in crate::world) struct Files {
    contents: BTreeMap<(FileKind, Name), Option<Arc<[u8]>>>,
    /// Those that are not there: removed, or created by an order to come.
    absent: BTreeSet<(FileKind, Name)>,
}

/// What belongs to a stack: what has its label in Docker.
#[derive(Clone, Default, Debug)]
pub(super) struct Parts {
    /// Services that ever belonged to it.
    services: BTreeSet<ServiceId>,
    networks: BTreeSet<String>,
    files: BTreeSet<(FileKind, Name)>,
}

/// A config or secret must have less than so many bytes: SwarmKit `manager/controlapi/config.go`, `MaxConfigSize`, and
/// `api/validation/secrets.go`, `MaxSecretSize`.
fn most_bytes(kind: FileKind) -> usize {
    match kind {
        FileKind::Config => 1000 * 1024,
        FileKind::Secret => 500 * 1024,
    }
}

/// Why a config or secret may not have a name (SwarmKit `manager/controlapi/common.go`, `validateConfigOrSecretAnnotations`).
fn refused_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("name must be provided");
    }
    let ends_well = |end: Option<char>| end.is_some_and(|end| end.is_ascii_alphanumeric());
    let is_good = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let is_valid = name.len() <= 64
        && name.chars().all(is_good)
        && ends_well(name.chars().next())
        && ends_well(name.chars().next_back());
    (!is_valid).then_some(BAD_FILE_NAME)
}

impl Files {
    /// Those that orders to come will create are not there yet.
    pub(super) fn expect(&mut self, plan: &FilePlan) {
        self.absent.insert((plan.kind, Arc::clone(&plan.name)));
    }

    /// `docker config create`, in the words of SwarmKit `manager/controlapi/config.go`.
    pub(in crate::world) fn create(&mut self, plan: &FilePlan) -> Done {
        let key = (plan.kind, Arc::clone(&plan.name));
        if let Some(refusal) = refused_name(&plan.name) {
            return Err(Refusal::new(refusal));
        }
        let most = most_bytes(plan.kind);
        if plan.content.as_ref().is_some_and(|content| content.is_empty() || most <= content.len()) {
            let kind = plan.kind.word();
            return Err(Refusal::bad_size(kind, most));
        }
        if self.contents.contains_key(&key) {
            return Err(Refusal::file_exists(plan.kind.word(), &plan.name));
        }
        self.absent.remove(&key);
        self.contents.insert(key, plan.content.clone());
        Ok(())
    }

    /// What `docker stack deploy` does with a config or secret of its file.
    pub(in crate::world) fn deploy(&mut self, plan: &FilePlan) -> Done {
        let key = (plan.kind, Arc::clone(&plan.name));
        let kind = plan.kind.word();
        if plan.external {
            return match self.absent.contains(&key) {
                true => Err(Refusal::no_external_file(kind, &plan.name)),
                false => Ok(()),
            };
        }
        let refusal = |verb: &str, why: &str| Refusal::of_deployed_file(verb, kind, &plan.name, why);
        // Without a byte the command line sends no content at all, and what is there stays.
        let new = plan.content.as_ref().filter(|content| !content.is_empty());
        match (self.contents.get_mut(&key), new) {
            (Some(Some(old)), Some(new)) if old != new => Err(refusal("update", "only updates to Labels are allowed")),
            (Some(old), new) => {
                *old = old.take().or_else(|| new.cloned());
                Ok(())
            }
            (None, _) => self.create(plan).map_err(|why| refusal("create", &why.to_string())),
        }
    }

    /// All that somebody created, and what is in each, if that is known.
    pub(in crate::world) fn all(&self) -> Vec<File> {
        let of = |((kind, name), content): (&(FileKind, Name), &Option<Arc<[u8]>>)| File {
            kind: *kind,
            name: Arc::clone(name),
            content: content.clone(),
        };
        self.contents.iter().map(of).collect()
    }

    fn is_there(&self, kind: FileKind, name: &Name) -> bool {
        self.contents.contains_key(&(kind, Arc::clone(name)))
    }

    fn remove(&mut self, kind: FileKind, name: &Name) -> Done {
        let key = (kind, Arc::clone(name));
        if self.absent.contains(&key) {
            return Err(Refusal::not_found(kind.word(), name));
        }
        self.contents.remove(&key);
        self.absent.insert(key);
        Ok(())
    }

    /// The first file of a specification that is not there.
    fn missing(&self, spec: &ServiceSpec) -> Option<String> {
        if self.absent.is_empty() {
            return None;
        }
        let is_absent = |file: &&String| {
            self.absent.iter().any(|(kind, name)| file.strip_prefix(kind.word()) == Some(&format!(":{name}")))
        };
        let file = spec.task.container.files.iter().find(is_absent)?;
        file.split_once(':').map(|(kind, name)| format!("{kind} not found: {name}"))
    }
}

// Services.
impl Control {
    /// The service of a name.
    pub(in crate::world) fn service(&self, name: &str) -> Result<ServiceId, Refusal> {
        let found = self.manager.cluster().services_named(name).next();
        found.ok_or_else(|| Refusal::not_found("service", name))
    }

    /// What a service names must be there.
    fn check_names(&self, spec: &ServiceSpec) -> Done {
        if let Some(network) = spec.task.networks.iter().find(|network| !self.has_network(network)) {
            return Err(Refusal::not_found("network", network));
        }
        self.files.missing(spec).map_or(Ok(()), |text| Err(Refusal::new(text)))
    }

    /// `docker service create`.
    pub(in crate::world) fn create(&mut self, cx: &Cx, new: &NewService) -> Result<ServiceId, Refusal> {
        let load = self.loads.get(&new.spec.name).copied();
        let origin = Origin {
            entity: entity(&new.spec.name),
            behaviour: new.behaviour,
            quorum: new.quorum,
            load,
            job: None,
            is_changed: false,
        };
        let id = self.create_service(cx, new.spec.clone(), origin)?;
        if let Some(stack) = &new.stack {
            self.stacks.entry(Arc::clone(stack)).or_default().services.insert(id);
        }
        Ok(id)
    }

    fn create_service(&mut self, cx: &Cx, mut spec: ServiceSpec, origin: Origin) -> Result<ServiceId, Refusal> {
        self.check_names(&spec)?;
        spec.task.container.image = self.resolve(&spec.task.container.image);
        let id = self.manager.create_service(cx.now(), spec, &mut self.commands)?;
        assert_eq!(id.index(), self.origins.len(), "services come in rows");
        self.origins.push(origin);
        Ok(id)
    }

    /// A tag is moved: whoever names it from now on gets what the other one means now.
    pub(in crate::world) fn move_tag(&mut self, image: &str, other: &str) {
        let other = self.resolve(other);
        self.tags.insert(Reference::name_of(image), other);
    }

    /// What Docker's command line makes of an image: it asks the registry for the digest, and puts that into the service. A tag
    /// that is moved later changes nothing for services that are there (docker/cli `--resolve-image`, `always` by default).
    fn resolve(&self, image: &str) -> String {
        let moved = if self.tags.is_empty() { None } else { self.tags.get(&Reference::name_of(image)) };
        moved.map_or(image, String::as_str).to_string()
    }

    /// The same for a service that has an image: one that is the same is not another because of how it is written.
    fn resolve_instead(&self, old: &str, new: &str) -> String {
        let new = self.resolve(new);
        if Reference::name_of(old) == Reference::name_of(&new) { old.to_string() } else { new }
    }

    /// `docker service update`.
    pub(in crate::world) fn change(&mut self, cx: &Cx, name: &str, change: &Change) -> Done {
        let id = self.service(name)?;
        if let Some(refusal) = change.refused_of(&self.manager.cluster().services()[id].spec.mode) {
            return Err(Refusal::new(refusal));
        }
        let image = change.new_image().map(|new| {
            let old = &self.manager.cluster().services()[id].spec.task.container.image;
            self.resolve_instead(old, new)
        });
        self.update_service(cx, id, |spec, behaviour| {
            change.apply(spec, behaviour);
            spec.task.container.image = image.unwrap_or_else(|| spec.task.container.image.clone());
        })
    }

    /// The specification and the behaviour of the containers become others.
    pub(in crate::world) fn update(
        &mut self,
        cx: &Cx,
        name: &str,
        change: impl FnOnce(&mut ServiceSpec, &mut Behaviour),
    ) -> Done {
        let id = self.service(name)?;
        self.update_service(cx, id, change)
    }

    fn update_service(
        &mut self,
        cx: &Cx,
        id: ServiceId,
        change: impl FnOnce(&mut ServiceSpec, &mut Behaviour),
    ) -> Done {
        let service = &self.manager.cluster().services()[id];
        let mut spec = (*service.spec).clone();
        let before = self.behaviour(id, service.version);
        let mut behaviour = before;
        change(&mut spec, &mut behaviour);
        self.check_names(&spec)?;
        self.manager.update_service(cx.now(), id, spec, &mut self.commands)?;
        let origin = &mut self.origins[id.index()];
        if origin.is_changed || behaviour != before {
            origin.is_changed = true;
            self.behaviours.insert((id, self.manager.cluster().services()[id].version), behaviour);
        }
        Ok(())
    }

    /// How containers of a version of a service behave.
    fn behaviour(&self, id: ServiceId, version: u64) -> Behaviour {
        let origin = &self.origins[id.index()];
        if !origin.is_changed {
            return origin.behaviour;
        }
        self.behaviours.get(&(id, version)).copied().unwrap_or(origin.behaviour)
    }

    /// `docker service scale`, which sets the completions of a replicated job (docker/cli `cli/command/service/scale.go`).
    pub(in crate::world) fn scale(&mut self, cx: &Cx, name: &str, to: u64) -> Done {
        let id = self.service(name)?;
        if self.manager.cluster().services()[id].spec.mode.is_per_node() {
            return Err(Refusal::not_scaled(name));
        }
        self.update_service(cx, id, |spec, _| match &mut spec.mode {
            Mode::Replicated { replicas } => *replicas = to,
            Mode::ReplicatedJob { total_completions, .. } => *total_completions = to,
            Mode::Global | Mode::GlobalJob => {}
        })
    }

    /// `docker service rollback`.
    pub(in crate::world) fn roll_back(&mut self, cx: &Cx, name: &str) -> Done {
        let id = self.service(name)?;
        Ok(self.manager.rollback_service(cx.now(), id, &mut self.commands)?)
    }

    /// `docker service rm`.
    pub(in crate::world) fn remove_service(&mut self, cx: &Cx, name: &str) -> Done {
        let id = self.service(name)?;
        Ok(self.manager.remove_service(cx.now(), id, &mut self.commands)?)
    }

    /// An arrival is created.
    pub(in crate::world) fn submit(&mut self, cx: &mut Cx, job: JobNo) -> Result<ServiceId, Refusal> {
        let arrival = self.workload.arrival(job);
        let mut spec = arrival.kind.spec.clone();
        spec.name = format!("{}-{}", spec.name, arrival.number);
        if let Some(number) = arrival.replicas {
            match &mut spec.mode {
                Mode::Replicated { replicas } => *replicas = number,
                Mode::ReplicatedJob { max_concurrent, total_completions } => {
                    (*max_concurrent, *total_completions) = (number, number);
                }
                Mode::Global | Mode::GlobalJob => {}
            }
        }
        let completions = match spec.mode {
            Mode::ReplicatedJob { total_completions, .. } => Some(total_completions),
            _ => None,
        };
        let mut behaviour = arrival.kind.behaviour;
        if let Some(run) = arrival.run {
            let (code, fails) = behaviour.exit.map_or((0, None), |exit| (exit.code, exit.fails));
            behaviour.exit = Some(Exit { after: Law::Fixed(run), code, fails });
        }
        let origin = Origin {
            entity: entity(&spec.name),
            behaviour,
            quorum: arrival.kind.quorum,
            load: None,
            job: Some(job),
            is_changed: false,
        };
        let answer = self.create_service(cx, spec, origin);
        match &answer {
            Ok(id) => {
                self.jobs[job.row()] = Some(*id);
                self.workload.submitted(cx, job, completions);
            }
            Err(_) => self.workload.over(cx, job),
        }
        answer
    }

    /// An arrival is over.
    pub(in crate::world) fn finish(&mut self, cx: &mut Cx, job: JobNo) -> Done {
        match self.jobs[job.row()].take() {
            Some(service) => Ok(self.manager.remove_service(cx.now(), service, &mut self.commands)?),
            None => Ok(()),
        }
    }

    /// Whether an arrival has no service: it was refused, or is removed.
    pub(in crate::world) fn is_without_service(&self, job: JobNo) -> bool {
        self.jobs[job.row()].is_none()
    }

    /// Replicas that a service wants now.
    pub(in crate::world) fn replicas(&self, name: &str) -> u64 {
        let service = self.service(name).ok().and_then(|id| self.manager.cluster().service(id));
        match service.map(|service| service.spec.mode) {
            Some(Mode::Replicated { replicas }) => replicas,
            _ => 0,
        }
    }
}

// Containers.
impl Control {
    /// Running containers of a service, chosen at random by the stream of an order.
    pub(in crate::world) fn victims(&mut self, order: u32, name: &str, count: u64) -> Result<Vec<TaskNo>, Refusal> {
        let id = self.service(name)?;
        self.watch(id);
        let slots = &self.manager.cluster().services()[id].slots;
        let mut rng = self.seeds.stream(Stream::Kill, u64::from(order));
        let mut victims = Vec::new();
        // A list of those that run, of which the last one takes the place of each that is taken out.
        let mut moved = BTreeMap::new();
        let running = self.victims.count(id);
        for last in (0..running).rev().take(usize::try_from(count).unwrap_or(usize::MAX)) {
            let place = below_by_remainder(&mut rng, last + 1);
            let taken = moved.get(&place).copied().unwrap_or(place);
            moved.insert(place, moved.get(&last).copied().unwrap_or(last));
            let Some((slot, number)) = self.victims.find(id, taken) else { continue };
            let chosen = slots.tasks_in(slot).filter(|task| self.runs(*task)).nth(number);
            victims.push(self.numbers[chosen.expect("it was counted").row()]);
        }
        Ok(victims)
    }

    /// Running tasks of a service are counted from now on.
    pub(in crate::world) fn watch(&mut self, id: ServiceId) {
        if self.victims.is_watched(id) {
            return;
        }
        let cluster = self.manager.cluster();
        let service = &cluster.services()[id];
        self.victims.watch(id, service.spec.mode.is_per_node());
        for task in service.tasks() {
            if let Some(record) = cluster.task(task).filter(|record| record.state == TaskState::Running) {
                self.victims.note(task, id, record.slot, true);
            }
        }
    }

    /// The running task of a slot: `web.3`, `agent.node-2`.
    pub(in crate::world) fn running_task(&self, name: &str) -> Result<TaskNo, Refusal> {
        let nothing = || Refusal::no_container(name);
        let (service, slot) = name.split_once('.').ok_or_else(nothing)?;
        let id = self.service(service)?;
        let service = &self.manager.cluster().services()[id];
        let slot = if service.spec.mode.is_per_node() {
            let row = self.machine_named(slot).ok_or_else(nothing)?;
            Slot::Node(self.members.id(row))
        } else {
            Slot::Number(slot.parse().map_err(|_| nothing())?)
        };
        let task = service.slots.tasks_in(slot).find(|task| self.runs(*task)).ok_or_else(nothing)?;
        Ok(self.numbers[task.row()])
    }

    fn runs(&self, task: TaskId) -> bool {
        self.manager.cluster().task(task).is_some_and(|record| record.state == TaskState::Running)
    }

    /// Nodes on which a task of a service runs, as the manager knows.
    pub(in crate::world) fn nodes_with(&self, name: &str) -> Result<BTreeSet<usize>, Refusal> {
        let id = self.service(name)?;
        let cluster = self.manager.cluster();
        let tasks = cluster.services()[id].tasks().filter_map(|task| cluster.task(task));
        let running =
            tasks.filter(|record| record.state == TaskState::Running && record.desired <= DesiredState::Running);
        Ok(running.filter_map(|record| self.members.machine(record.node?)).collect())
    }
}

// Stacks, networks, configs and secrets.
impl Control {
    /// What belongs to stacks, beside services.
    pub(in crate::world) fn belongings(&self) -> Vec<StackBelongings> {
        let of = |(name, parts): (&Name, &Parts)| StackBelongings {
            name: Arc::clone(name),
            networks: parts.networks.clone(),
            files: parts.files.clone(),
        };
        self.stacks.iter().map(of).collect()
    }

    /// Services of a stack that are there, by name.
    fn of_stack(&self, stack: &str) -> BTreeMap<String, ServiceId> {
        let ids = self.stacks.get(stack).into_iter().flat_map(|parts| &parts.services);
        let cluster = self.manager.cluster();
        let there = ids.filter_map(|id| Some((*id, cluster.service(*id).filter(|service| !service.removed)?)));
        there.map(|(id, service)| (service.spec.name.clone(), id)).collect()
    }

    /// What a stack of the scenario's brings before its first service is created. If that is refused, none of them is.
    pub(in crate::world) fn found_stack(&mut self, name: &str) -> Done {
        if !self.of_stack(name).is_empty() {
            return Ok(());
        }
        let scenario = Arc::clone(&self.scenario);
        if let Some(parts) = scenario.stacks.iter().find(|stack| &*stack.name == name) {
            self.deploy_files(&parts.name, &parts.files)?;
            parts.networks.iter().for_each(|network| self.own_network(&parts.name, network));
        }
        Ok(())
    }

    /// A network belongs to a stack from now on.
    pub(in crate::world) fn own_network(&mut self, stack: &Name, network: &str) {
        self.stacks.entry(Arc::clone(stack)).or_default().networks.insert(network.to_string());
    }

    /// The configs and secrets of `docker stack deploy`. Each that is not external belongs to the stack from then on, as it
    /// gets the stack's label even if it was there before.
    pub(in crate::world) fn deploy_files(&mut self, stack: &Name, files: &[Arc<FilePlan>]) -> Done {
        for file in files {
            self.files.deploy(file)?;
            if !file.external {
                let parts = self.stacks.entry(Arc::clone(stack)).or_default();
                parts.files.insert((file.kind, Arc::clone(&file.name)));
            }
        }
        Ok(())
    }

    /// Services that the file of a stack does not have any more are removed: `docker stack deploy --prune`.
    pub(in crate::world) fn prune(&mut self, cx: &Cx, plan: &StackPlan) -> Done {
        let wanted: BTreeSet<&str> = plan.services.iter().map(|new| new.spec.name.as_str()).collect();
        let there = self.of_stack(&plan.name).into_keys();
        let gone: Vec<String> = there.filter(|name| !wanted.contains(name.as_str())).collect();
        gone.iter().try_for_each(|name| self.remove_service(cx, name))
    }

    /// The services of `docker stack deploy`. One that is there is updated whether it changed or not, as Docker's command
    /// line does it: what did not change restarts nothing.
    pub(in crate::world) fn deploy_services(&mut self, cx: &Cx, plan: &StackPlan) -> Done {
        let there = self.of_stack(&plan.name);
        for new in &plan.services {
            let name = &new.spec.name;
            let (verb, answer) = match there.get(name) {
                Some(id) => {
                    let old = &self.manager.cluster().services()[*id].spec.task.container.image;
                    let image = self.resolve_instead(old, &new.spec.task.container.image);
                    let update = self.update_service(cx, *id, |spec, behaviour| {
                        let forced = spec.task.force_update;
                        *spec = new.spec.clone();
                        (spec.task.force_update, spec.task.container.image) = (forced, image);
                        *behaviour = new.behaviour;
                    });
                    ("update", update)
                }
                None => ("create", self.create(cx, new).map(drop)),
            };
            answer.map_err(|refusal| Refusal::of_deployment(verb, "service", name, refusal))?;
        }
        Ok(())
    }

    /// `docker stack rm`: its services, secrets, configs and networks (docker/cli `cli/command/stack/remove.go`). What is
    /// refused, since others use it, stays and belongs to the stack; the rest goes. The answer are the networks that went, and
    /// what was refused.
    pub(in crate::world) fn remove_stack(&mut self, cx: &Cx, name: &Name) -> (Vec<String>, Done) {
        let services = self.of_stack(name);
        let parts = self.stacks.remove(name).unwrap_or_default();
        if services.is_empty() && parts.networks.is_empty() && parts.files.is_empty() {
            return (Vec::new(), Err(Refusal::no_stack(name)));
        }
        let (mut left, mut gone, mut texts) = (Parts::default(), Vec::new(), Vec::new());
        let mut note = |kind: &str, name: &str, answer: Done| {
            let refusal = answer.err();
            texts.extend(refusal.iter().map(|refusal| format!("Failed to remove {kind} {name}: {refusal}")));
            refusal.is_none()
        };
        for (service, id) in services {
            if !note("service", &service, self.remove_service(cx, &service)) {
                left.services.insert(id);
            }
        }
        for (kind, file) in parts.files.into_iter().rev() {
            // What was removed by hand is not found, and not missed.
            if self.files.is_there(kind, &file) && !note(kind.word(), &file, self.remove_file(kind, &file)) {
                left.files.insert((kind, file));
            }
        }
        for network in parts.networks.into_iter().filter(|network| self.has_network(network)).collect::<Vec<_>>() {
            if note("network", &network, self.remove_network(&network)) {
                gone.push(network);
            } else {
                left.networks.insert(network);
            }
        }
        if texts.is_empty() {
            return (gone, Ok(()));
        }
        self.stacks.insert(Arc::clone(name), left);
        texts.push(format!("failed to remove some resources from stack: {name}"));
        (gone, Err(Refusal { texts }))
    }

    /// Every service of a stack that has a specification before goes back to it.
    pub(in crate::world) fn roll_back_stack(&mut self, cx: &Cx, name: &Name) -> Done {
        let services = self.of_stack(name);
        if services.is_empty() {
            return Err(Refusal::no_stack(name));
        }
        for id in services.into_values() {
            if self.manager.cluster().services()[id].previous.is_some() {
                self.manager.rollback_service(cx.now(), id, &mut self.commands)?;
            }
        }
        Ok(())
    }

    /// Whether there is a network of a name.
    pub(in crate::world) fn has_network(&self, name: &str) -> bool {
        self.networks.contains(name) && !self.absent_networks.contains(name)
    }

    /// `docker network create`.
    pub(in crate::world) fn create_network(&mut self, name: &str) -> Done {
        // That of the mesh is there from the beginning.
        if self.has_network(name) || name == "ingress" {
            return Err(Refusal::network_exists(name));
        }
        // moby `daemon/network/network_mode.go`, `IsPredefined`.
        if ["bridge", "host", "none", "default"].contains(&name) {
            return Err(Refusal::predefined_network(name));
        }
        self.absent_networks.remove(name);
        self.networks.insert(name.to_string());
        Ok(())
    }

    /// `docker network rm`, in the words of SwarmKit `manager/controlapi/network.go`, `removeNetwork`.
    pub(in crate::world) fn remove_network(&mut self, name: &str) -> Done {
        if name == "ingress" {
            return Err(self.ingress_stays());
        }
        if !self.has_network(name) {
            return Err(Refusal::not_found("network", name));
        }
        let cluster = self.manager.cluster();
        let uses = |spec: &ServiceSpec| spec.task.networks.iter().any(|network| network == name);
        let mut services = cluster.services().iter().map(|(_, service)| service).filter(|service| !service.removed);
        if let Some(service) = services.find(|service| uses(&service.spec)) {
            return Err(Refusal::network_in_use(name, "service", &service.spec.name));
        }
        let lives = |task: &sched::Task| task.desired <= DesiredState::Running && task.state <= TaskState::Running;
        if let Some((id, _)) = cluster.tasks().find(|(_, task)| lives(task) && uses(&task.spec)) {
            return Err(Refusal::network_in_use(name, "task", cluster.task_name(id)));
        }
        self.absent_networks.insert(name.to_string());
        Ok(())
    }

    /// Why the network of the mesh is not removed: in the words of SwarmKit, `removeIngressNetwork`, as long as a service
    /// publishes a port there.
    fn ingress_stays(&self) -> Refusal {
        let cluster = self.manager.cluster();
        let is_on_it = |service: &&sched::cluster::Service| {
            let mut ports = service.spec.endpoint.ports.iter();
            !service.removed && ports.any(|port| port.mode == PublishMode::Ingress)
        };
        match cluster.services().iter().map(|(_, service)| service).find(is_on_it) {
            Some(service) => Refusal::ingress_in_use(&service.spec.name),
            None => Refusal::new(NO_INGRESS),
        }
    }

    /// Names of the services that have a config or secret.
    fn users(&self, kind: FileKind, name: &str) -> Vec<String> {
        let file = format!("{}:{name}", kind.word());
        let services = self.manager.cluster().services().iter().map(|(_, service)| service);
        let users = services.filter(|service| !service.removed && service.spec.task.container.files.contains(&file));
        users.map(|service| service.spec.name.clone()).collect()
    }

    /// `docker config rm`, in the words of SwarmKit `manager/controlapi/config.go`, `RemoveConfig`.
    pub(in crate::world) fn remove_file(&mut self, kind: FileKind, name: &Name) -> Done {
        let users = self.users(kind, name);
        if !users.is_empty() {
            return Err(Refusal::file_in_use(kind.word(), name, &users));
        }
        self.files.remove(kind, name)
    }

    /// A config or secret is replaced by another one wherever it is used.
    pub(in crate::world) fn rotate_file(&mut self, cx: &Cx, from: &Name, to: &Arc<FilePlan>) -> Done {
        self.files.create(to)?;
        let list = if to.kind == FileKind::Config { List::Configs } else { List::Secrets };
        let prefix = format!("{}:", to.kind.word());
        for user in self.users(to.kind, from) {
            self.update(cx, &user, |spec, _| {
                let names = spec.task.container.files.iter().filter_map(|file| file.strip_prefix(&prefix));
                let other = |name: &str| if name == &**from { to.name.to_string() } else { name.to_string() };
                let names: Vec<String> = names.map(other).collect();
                list.set(spec, &names);
            })?;
        }
        self.files.remove(to.kind, from)
    }
}
