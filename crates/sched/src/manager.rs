//! The front door: operator's verbs and cluster's events in, commands out.

use crate::cluster::Cluster;
use crate::event::{Command, Commands, Event};
use crate::id::{NodeId, ServiceId};
use crate::spec::{Availability, Labels, NodeSpec, Resources, Role, ServiceSpec};
use crate::time::Time;

/// Who moves a task from `New` to `Pending`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Allocation {
    /// The manager itself, at once: there are no networks, or they never run out.
    #[default]
    Instant,
    /// The driver, by [`Event::Allocated`]: until then the task stays `New`.
    External,
}

/// Settings of a manager.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the placement strategy, one of [`crate::STRATEGIES`].
    pub strategy: String,
    /// Seed of the random choices (ties, `random`).
    pub seed: u64,
    /// Task records kept per slot, the living one included; negative keeps all.
    pub task_history: i64,
    /// Who allocates networks.
    pub allocation: Allocation,
}

impl Default for Config {
    fn default() -> Self {
        Config { strategy: "spread".into(), seed: 0, task_history: 5, allocation: Allocation::Instant }
    }
}

/// A refusal in the words of Swarm's API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiError(pub String);

/// Decides what should run and where.
pub struct Manager {
    cluster: Cluster,
}

impl Manager {
    /// A manager of an empty cluster. Fails if the strategy is unknown, and lists the known ones.
    pub fn new(config: Config) -> Result<Manager, String> {
        let _ = config;
        todo!()
    }
    /// A node joins.
    pub fn add_node(&mut self, now: Time, spec: NodeSpec, out: &mut Commands) -> NodeId {
        todo!()
    }
    /// `docker node update --availability`.
    pub fn set_availability(&mut self, now: Time, node: NodeId, to: Availability, out: &mut Commands) {
        todo!()
    }
    /// Replaces a node's operator labels.
    pub fn set_labels(&mut self, now: Time, node: NodeId, labels: Labels, out: &mut Commands) {
        todo!()
    }
    /// Promotes or demotes a node.
    pub fn set_role(&mut self, now: Time, node: NodeId, role: Role, out: &mut Commands) {
        todo!()
    }
    /// A node's engine reports other totals.
    pub fn set_resources(&mut self, now: Time, node: NodeId, resources: Resources, out: &mut Commands) {
        todo!()
    }
    /// `docker node rm --force`: its tasks become orphans.
    pub fn remove_node(&mut self, now: Time, node: NodeId, out: &mut Commands) {
        todo!()
    }
    /// `docker service create`.
    pub fn create_service(&mut self, now: Time, spec: ServiceSpec, out: &mut Commands) -> Result<ServiceId, ApiError> {
        todo!()
    }
    /// `docker service update` and `docker service scale`.
    pub fn update_service(
        &mut self,
        now: Time,
        service: ServiceId,
        spec: ServiceSpec,
        out: &mut Commands,
    ) -> Result<(), ApiError> {
        todo!()
    }
    /// `docker service rollback`.
    pub fn rollback_service(&mut self, now: Time, service: ServiceId, out: &mut Commands) -> Result<(), ApiError> {
        todo!()
    }
    /// `docker service rm`.
    pub fn remove_service(&mut self, now: Time, service: ServiceId, out: &mut Commands) {
        todo!()
    }
    /// The cluster reports.
    pub fn handle(&mut self, now: Time, event: Event, out: &mut Commands) {
        todo!()
    }
    /// When [`Event::Deadline`] is due, if anything waits for time.
    pub fn deadline(&self) -> Option<Time> {
        todo!()
    }
    /// All that the manager knows.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}
