//! The words in which an order is refused: Docker's, with the place where it says them.
//!
//! Who decides that something is refused stands elsewhere; what is said of it stands here. What the core refuses has its
//! words in `sched`'s `api.rs`, and what a scenario gets wrong has them where its keys are read.

use std::fmt::{self, Display};

/// An order was not carried out, or in part only, in Docker's words; of an order for several nodes or services each that
/// refused has its sentence, and the others were carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// One at least.
    pub texts: Vec<String>,
}

/// moby `daemon/cluster/errors.go`.
pub(crate) const NO_LEADER: &str = "The swarm does not have a leader. It's possible that too few managers are online. \
                                    Make sure more than half of the managers are online.";
/// moby `daemon/cluster/cluster.go`, `errNoManager`.
pub(crate) const NO_MANAGER: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" \
                                     to connect this node to swarm and try again.";
/// moby `daemon/cluster/errors.go`.
pub(crate) const ALREADY_IN_A_SWARM: &str = "This node is already part of a swarm. Use \"docker swarm leave\" to leave \
                                             this swarm and join another one.";
/// moby `daemon/cluster/swarm.go`.
pub(crate) const IN_NO_SWARM: &str = "This node is not part of a swarm";
/// moby `daemon/cluster/swarm.go`, `errSwarmNotLocked`.
pub(crate) const NOT_LOCKED: &str = "swarm is not locked";
/// The client's time for an order is up (Go `context`).
pub(crate) const DEADLINE: &str = "context deadline exceeded";
/// SwarmKit `manager/state/raft`, `ErrLostLeadership`.
pub(crate) const LOST_LEADERSHIP: &str = "node lost leader status";
/// SwarmKit `ca/server.go`, as gRPC and Docker print it.
pub(crate) const BAD_TOKEN: &str =
    "rpc error: code = InvalidArgument desc = A valid join token is necessary to join this cluster";
/// SwarmKit `manager/state/raft`, `ErrNoClusterLeader`: what a node that joins is told.
pub(crate) const NO_CLUSTER_LEADER: &str = "raft: no elected cluster leader";
/// SwarmKit `manager/controlapi/node.go`, `UpdateNode`.
pub(crate) const LOSS_OF_QUORUM: &str = "can't remove member from the raft: this would result in a loss of quorum";
/// The same.
pub(crate) const LAST_MANAGER: &str = "attempting to demote the last manager of the swarm";
/// docker/cli `cli/command/service/scale.go`.
pub(crate) const NOT_SCALED: &str = "scale can only be used with replicated or replicated-job mode";
/// SwarmKit `manager/controlapi/secret.go`, `validateSecretAnnotations`, and the same of configs.
pub(crate) const BAD_FILE_NAME: &str = "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end \
                                        character must be [a-zA-Z0-9]";
/// Ours: the cluster has one swarm.
pub(crate) const SECOND_SWARM: &str = "a second swarm is not simulated";
/// Ours.
pub(crate) const NO_INGRESS: &str = "a swarm without its ingress network is not simulated";
/// Ours: nobody can give an order to a run that has ended.
pub(crate) const OVER: &str = "the run is over";

impl Refusal {
    /// A refusal in one sentence.
    pub fn new(text: impl Into<String>) -> Refusal {
        Refusal { texts: vec![text.into()] }
    }

    /// An engine that does not run (docker/cli, `client`).
    pub(crate) fn no_engine(whose: impl Display) -> Refusal {
        Refusal::new(format!("Cannot connect to the Docker daemon on {whose}"))
    }

    /// Nobody is there who could be asked.
    pub(crate) fn no_manager_answers() -> Refusal {
        Refusal::no_engine("any manager")
    }

    /// SwarmKit `manager/controlapi`: `kind` is `service`, `node`, `network`, `config` or `secret`.
    pub(crate) fn not_found(kind: &str, name: impl Display) -> Refusal {
        Refusal::new(format!("{kind} {name} not found"))
    }

    /// moby `daemon`, of a container.
    pub(crate) fn no_container(name: &str) -> Refusal {
        Refusal::new(format!("No such container: {name}"))
    }

    /// docker/cli `cli/command/stack`.
    pub(crate) fn no_stack(name: &str) -> Refusal {
        Refusal::new(format!("Nothing found in stack: {name}"))
    }

    /// docker/cli `cli/command/service/scale.go`.
    pub(crate) fn not_scaled(service: &str) -> Refusal {
        Refusal::new(format!("{service}: {NOT_SCALED}"))
    }

    /// docker/cli `cli/command/stack/deploy_composefile.go`: what `docker stack deploy` puts before the daemon's words.
    pub(crate) fn of_deployment(verb: &str, kind: &str, name: &str, why: impl Display) -> Refusal {
        Refusal::new(format!("failed to {verb} {kind} {name}: {why}"))
    }

    /// The same of a config or secret, whose refusals the client hands through as they are.
    pub(crate) fn of_deployed_file(verb: &str, kind: &str, name: &str, why: impl Display) -> Refusal {
        let daemon = "Error response from daemon: rpc error: code = InvalidArgument desc =";
        Refusal::of_deployment(verb, kind, name, format!("{daemon} {why}"))
    }

    /// docker/cli `cli/compose/convert`, of an external config or secret.
    pub(crate) fn no_external_file(kind: &str, name: &str) -> Refusal {
        Refusal::new(format!("{kind} not found: {name}"))
    }

    /// docker/cli `cli/command/stack/deploy_composefile.go`, `validateExternalNetworks`.
    pub(crate) fn no_external_network(name: &str) -> Refusal {
        Refusal::new(format!(
            "network \"{name}\" is declared as external, but could not be found. You need to create a swarm-scoped network \
             before the stack is deployed"
        ))
    }

    /// SwarmKit `manager/controlapi/config.go` and `secret.go`.
    pub(crate) fn bad_size(kind: &str, most: usize) -> Refusal {
        Refusal::new(format!("{kind} data must be larger than 0 and less than {most} bytes"))
    }

    /// The same.
    pub(crate) fn file_exists(kind: &str, name: &str) -> Refusal {
        Refusal::new(format!("{kind} {name} already exists"))
    }

    /// SwarmKit `manager/controlapi/config.go`, `RemoveConfig`, and the same of secrets.
    pub(crate) fn file_in_use(kind: &str, name: &str, users: &[String]) -> Refusal {
        let services = if users.len() == 1 { "service" } else { "services" };
        Refusal::new(format!("{kind} '{name}' is in use by the following {services}: {}", users.join(", ")))
    }

    /// moby `daemon/network.go`.
    pub(crate) fn network_exists(name: &str) -> Refusal {
        Refusal::new(format!("network with name {name} already exists"))
    }

    /// moby `daemon/network/network_mode.go`, `IsPredefined`.
    pub(crate) fn predefined_network(name: &str) -> Refusal {
        Refusal::new(format!("operation is not permitted on predefined {name} network"))
    }

    /// SwarmKit `manager/controlapi/network.go`, `removeNetwork`: `kind` is `service` or `task`.
    pub(crate) fn network_in_use(name: &str, kind: &str, user: impl Display) -> Refusal {
        Refusal::new(format!("network {name} is in use by {kind} {user}"))
    }

    /// The same, `removeIngressNetwork`.
    pub(crate) fn ingress_in_use(service: &str) -> Refusal {
        Refusal::new(format!("ingress network cannot be removed because service {service} depends on it"))
    }

    /// SwarmKit `manager/controlapi/node.go`, `RemoveNode`.
    pub(crate) fn member_of_raft(node: &str) -> Refusal {
        Refusal::new(format!(
            "node {node} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal"
        ))
    }

    /// The same.
    pub(crate) fn not_down(node: &str) -> Refusal {
        Refusal::new(format!("node {node} is not down and can't be removed"))
    }
}

impl From<String> for Refusal {
    fn from(text: String) -> Refusal {
        Refusal::new(text)
    }
}

impl From<sched::ApiError> for Refusal {
    fn from(refusal: sched::ApiError) -> Refusal {
        Refusal::new(refusal.text)
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts.join("; "))
    }
}

impl std::error::Error for Refusal {}
