//! What is done when a task or a node goes, comes back, or is taken away on purpose.
//!
//! The orchestrators say that a task is lost: it ended, or its node is down, drained or gone. A policy, which implements
//! [`Failover`], decides what follows, and may at any time say what shall exist where: a replacement elsewhere, on one
//! node, before the old task stops or beside it; a spare; nothing yet. Swarm's own policy is [`FAILOVERS`]' first, and the
//! default: with it every decision is SwarmKit's, and nothing is asked or told beyond one call for each lost task.
//!
//! A policy is deterministic and does no input or output. It is asked by [`Failover::decide`] and told what it wants to
//! know ([`Failover::interests`]) by [`Failover::observe`]; it sees the cluster as the manager knows it ([`View`]), so it
//! cannot know of a failure before the manager does. Its answers are [`Decision`]s and [`Action`]s; timers of its own are
//! [`Action::Wake`]. What it does holds to the rules of the services: restart conditions and attempts, constraints,
//! resources, and one task with desired state `Running` per slot unless [`Order`] says otherwise. Jobs are not its matter.
//!
//! A manager has one policy ([`crate::Config::failover`]), and a service may name another one
//! ([`crate::spec::ServiceSpec::failover`]), of this list or of [`crate::Config::failovers`].
//!
//! # One of your own
//!
//! One file, anywhere. This policy waits ten seconds for a node before it gives its tasks up:
//!
//! ```
//! use sched::failover::{Action, Actions, Cause, Decision, Failover, Loss, News, Replacement, View};
//! use sched::spec::{Mode, NodeSpec, ServiceSpec};
//! use sched::{Choice, Config, Event, Manager, NodeId, Row, Span, Time};
//!
//! #[derive(Clone)]
//! struct Patient;
//!
//! impl Failover for Patient {
//!     fn decide(&mut self, view: &View<'_>, loss: &Loss, actions: &mut Actions) -> Decision {
//!         let down = loss.node.filter(|_| loss.cause == Cause::NodeDown);
//!         let Some((node, since)) = down.and_then(|node| Some((node, view.down_since(node)?))) else {
//!             return Decision::Swarm;
//!         };
//!         // The token is the node; a timer that is set again replaces the one before.
//!         actions.push(Action::Wake { at: since + Span::from_secs(10), token: node.index() as u64 });
//!         Decision::Keep
//!     }
//!
//!     fn observe(&mut self, view: &View<'_>, news: &News, actions: &mut Actions) {
//!         if let News::Timer(token) = news {
//!             let node = NodeId::from_index(*token as usize);
//!             if view.is_down(node) {
//!                 let tasks = view.tasks_on(node);
//!                 actions.extend(tasks.map(|task| Action::Replace { task, how: Replacement::default() }));
//!             }
//!         }
//!     }
//! }
//!
//! let build = |_seed| -> Box<dyn Failover> { Box::new(Patient) };
//! let mut manager = Manager::new(Config { failover: Choice::own("patient", build), ..Config::default() })?;
//! let out = &mut Vec::new();
//! for name in ["n1", "n2"] {
//!     manager.add_node(Time::ZERO, NodeSpec { id: name.into(), ..NodeSpec::default() }, out);
//! }
//! let mut web = ServiceSpec::new("web", "nginx:1.27");
//! web.mode = Mode::Replicated { replicas: 2 };
//! manager.create_service(Time::ZERO, web, out)?;
//! let mut run_until = |manager: &mut Manager, secs| {
//!     let end = Time::ZERO + Span::from_secs(secs);
//!     while let Some(at) = manager.deadline().filter(|at| *at <= end) {
//!         manager.handle(at, Event::Deadline, &mut Vec::new()).expect("a deadline is never refused");
//!     }
//!     manager.cluster().tasks().count()
//! };
//! assert_eq!(run_until(&mut manager, 1), 2);
//! manager.handle(Time::ZERO + Span::from_secs(1), Event::NodeDown(NodeId::from_index(0)), out)?;
//! assert_eq!(run_until(&mut manager, 10), 2, "it waits");
//! assert_eq!(run_until(&mut manager, 12), 3, "the task of the lost node has a replacement");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To have one in the list, so that services and `Config` can name it, write a file beside these with such a type and its
//! `ENTRY`, and name that file below.
//!
//! # What each policy uses
//!
//! | policy | is asked or told | answers |
//! |---|---|---|
//! | `reschedule` | `decide` | `Swarm`, always |
//! | `wait(grace)` | `decide` (`NodeDown`, `Ended` on a node that came back), `Timer`, node `Returned` | `Keep` and `Wake`; at the timer `Reconsider` for all on the node; after a return `Replace` with that node and no delay |
//! | `standby(spares, domain)` | `decide`, services (created, changed, removed), tasks (a spare ended), nodes | `AddSpare` on a node of another domain ([`View::candidates`]); on loss `Promote`, on drain `Promote` start-first; `Stop` for spares too many or of an old version |
//! | `prepull(nodes, domain)` | services, nodes | `Pull` on the first of [`View::candidates`]; `Swarm` on loss |
//! | `rebalance(parallelism, delay, order)` | nodes (`Returned`, `Joined`), `Timer` (settled, monitor), moves, services ([`View::is_updating`]) | `Replace` with the node that is too empty, some at a time, each after `MoveOver` and its monitor time |
//! | `drain-start-first` | `decide` (`NodeDrained`), moves, `Timer` (deadline) | `Keep`; `Replace` start-first, as many at a time as the update's parallelism; at the deadline `Replace` |
//! | `guarded(rate, slow, share, small)` | `decide` (`NodeDown`), nodes (down, returned), `Timer` | `Keep`, with a queue of nodes; as the rate allows `Replace` for all on the next one |
//! | a list | each of them | the first that is not `Swarm`; the actions of all, timers told apart by their tokens |
//! | `kubernetes` | `decide`, nodes, `Timer` (look, taint, toleration, refused evictions) | `Keep`; 300 s after the taint `Replace` without delay; `Ended`: `Replace` on the same node after the back-off |
//! | `nomad` | `decide`, nodes, moves, tasks (healthy), `Timer` | lost: `Replace` without delay; with `disconnect`: `Replace` beside, on return `Stop` for one of the two; drain: `Keep`, one `Replace` at a time; `Ended`: back-off, then elsewhere |
//! | `marathon` | `decide`, nodes, `Timer` (looks) | `Keep` while `inactiveAfter` or the look is not there; `Replace` beside; at a look after the return `Stop` for the younger |
//! | `service-fabric` | as `wait` and `standby` | `Keep` for 30 min, then `Replace`; on return `AddSpare` on that node, used first |
//!
//! How soon a failure is noticed is not decided here but by the dispatcher, and what traffic does is decided by the
//! network: a preset that differs there has to set those models too.

mod backoff;
mod domains;
mod drain_start_first;
mod guarded;
mod kubernetes;
mod list;
mod marathon;
mod nomad;
mod parameters;
mod prepull;
mod rebalance;
mod reschedule;
mod standby;
mod state;
mod supervisor;
mod view;
mod wait;

use dyn_clone::DynClone;

use crate::cluster::UpdateState;
use crate::id::{NodeId, ServiceId, TaskId};
use crate::spec::ServiceSpec;
use crate::task::{DesiredState, TaskState};
use crate::time::{Span, Time};

pub use drain_start_first::DrainStartFirst;
pub use guarded::{Brake, Guarded};
pub use list::{Part, build, label};
pub use parameters::{Amount, Kind, Parameter, Refusal, Settings, Value};
pub use prepull::Prepull;
pub use rebalance::Rebalance;
pub use standby::Standby;
pub use supervisor::Memory;
pub(crate) use supervisor::Supervisor;
pub use view::View;
pub use wait::Wait;

/// Every policy that is chosen by name. The first is Swarm's own, the others are not Swarm's.
pub const FAILOVERS: &[PolicyEntry] = &[
    reschedule::ENTRY,
    wait::ENTRY,
    standby::ENTRY,
    prepull::ENTRY,
    rebalance::ENTRY,
    drain_start_first::ENTRY,
    guarded::ENTRY,
    kubernetes::ENTRY,
    nomad::ENTRY,
    marathon::ENTRY,
];

/// A policy of the list.
pub struct PolicyEntry {
    /// The name by which configurations choose it.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// What it promises, in one sentence.
    pub promise: &'static str,
    /// What can be set.
    pub parameters: &'static [Parameter],
    kind: PolicyKind,
    build: fn(&Settings, u64) -> Built,
}

impl PolicyEntry {
    /// Whether it is Swarm's own. All others are to be shown as "not Swarm's".
    pub fn is_swarms(&self) -> bool {
        self.name == FAILOVERS[0].name
    }
}

type Built = Result<Box<dyn Failover>, Refusal>;

/// About which lost tasks a policy says something, which decides with what others it goes into a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PolicyKind {
    /// It says what becomes of every lost task: there is nothing for another one to answer.
    Complete,
    /// It answers about some lost tasks and leaves the others to the next policy.
    Partial,
    /// It leaves lost tasks to others.
    Auxiliary,
}

/// Decides what is done about lost tasks. The module says how.
///
/// It decides by what it is shown and by its own state only, so that the same calls give the same decisions. It is cloned
/// with its manager, and it survives a change of leader, as what a manager keeps in its store does.
pub trait Failover: DynClone + Send {
    /// What it wants to be told. Timers and a change of leader are told in any case.
    fn interests(&self) -> Interests {
        Interests::default()
    }

    /// Whether it can serve a service. A service that names a policy which cannot is refused with these words; a service
    /// that names none gets the manager's policy in any case, which leaves to Swarm what it cannot do.
    fn accepts(&self, _spec: &ServiceSpec) -> Result<(), String> {
        Ok(())
    }

    /// A task of one of its services is lost. It may be asked again about a task that it keeps.
    fn decide(&mut self, view: &View<'_>, loss: &Loss, actions: &mut Actions) -> Decision;

    /// Something happened. News of tasks and services are told for its own services only.
    fn observe(&mut self, _view: &View<'_>, _news: &News, _actions: &mut Actions) {}

    /// Its state as text, for a snapshot of the manager; timers and moves are remembered for it. Some have none.
    fn save(&self) -> String {
        String::new()
    }

    /// Takes over a state that [`Failover::save`] wrote, right after it was built. The error says what is wrong with it.
    fn load(&mut self, state: &str) -> Result<(), String> {
        if state.is_empty() { Ok(()) } else { Err("this policy has no state".into()) }
    }
}

dyn_clone::clone_trait_object!(Failover);

/// What a policy wants to be told.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Interests {
    /// [`News::Node`].
    pub nodes: bool,
    /// [`News::Task`].
    pub tasks: bool,
    /// [`News::Service`].
    pub services: bool,
    /// [`News::MoveOver`] of every replacement that it asks for, not only of those with two tasks side by side.
    pub moves: bool,
    /// Which nodes are late ([`View::is_late`]): the driver is to tell by [`crate::Event::NodesLate`].
    pub late: bool,
}

impl Interests {
    fn and(self, other: Interests) -> Interests {
        Interests {
            nodes: self.nodes || other.nodes,
            tasks: self.tasks || other.tasks,
            services: self.services || other.services,
            moves: self.moves || other.moves,
            late: self.late || other.late,
        }
    }
}

/// A task that cannot go on where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Loss {
    /// Which task.
    pub task: TaskId,
    /// Of which service.
    pub service: ServiceId,
    /// Where it is, if anywhere.
    pub node: Option<NodeId>,
    /// Why it cannot go on.
    pub cause: Cause,
}

/// Why a task is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// It ended: its record says how.
    Ended,
    /// The heartbeats of its node stopped.
    NodeDown,
    /// Its node is drained.
    NodeDrained,
    /// Its node was removed.
    NodeRemoved,
}

/// What becomes of a lost task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// What Swarm does: the task is replaced after the restart delay, on a drained node at once, if its restart policy says
    /// so.
    Swarm,
    /// Nothing yet: the task stays wanted where it is, and its slot is not empty. The policy comes back to it.
    Keep,
    /// The task is replaced in another way, if its restart policy says so.
    Replace(Replacement),
    /// A spare takes the slot of the task and starts at once. As `Swarm` if that is not a spare of the service's present version on a
    /// node that can keep it. With [`Order::StopFirst`] the spare does not wait for the old task to stop.
    Promote(TaskId, Order),
}

/// How a task is replaced. The default is Swarm's way.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub struct Replacement {
    /// How long the replacement, which exists at once and is prepared, may not start. `None` is Swarm's rule: the service's
    /// restart delay, zero on a drained node.
    pub delay: Option<Span>,
    /// Where it goes if it fits there; otherwise the placement strategy chooses.
    pub node: Option<NodeId>,
    /// Which of the two goes first.
    pub order: Order,
}

/// Which of an old and a new task of a slot goes first.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum Order {
    /// The old one is told to stop at once, and the new one waits until it has, is lost, or a minute has passed.
    #[default]
    StopFirst,
    /// The old one is told to stop at once, and the new one does not wait for it.
    Together,
    /// The old one is told to stop when the new one runs.
    StartFirst,
    /// Neither is told to stop, until [`Action::Stop`] says which or the service is updated.
    Both,
}

impl Order {
    /// Whether both tasks are wanted for a while.
    pub(crate) fn is_beside(self) -> bool {
        matches!(self, Order::StartFirst | Order::Both)
    }
}

/// Something that a policy wants. What is no longer possible when it is carried out is left out.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Action {
    /// A task that is wanted is replaced, lost or not: so tasks move.
    Replace {
        /// The task.
        task: TaskId,
        /// How.
        how: Replacement,
    },
    /// A spare takes the slot of a task, see [`Decision::Promote`].
    Promote {
        /// The spare.
        spare: TaskId,
        /// The task whose slot it takes.
        of: TaskId,
        /// Which of the two goes first.
        order: Order,
    },
    /// A spare of a replicated service: placed, and prepared, with desired state `Ready`, holding its reservation. It has
    /// a [`crate::Slot::Spare`] until it is promoted.
    AddSpare {
        /// The service.
        service: ServiceId,
        /// The one node where it may be, or the choice of the placement strategy.
        node: Option<NodeId>,
    },
    /// A spare, or one of two tasks side by side in a slot, is not needed any more.
    Stop(TaskId),
    /// A task that was kept is lost again, if it still cannot go on: [`Failover::decide`] is asked anew, so that in a list
    /// of policies the next one has its turn.
    Reconsider(TaskId),
    /// A node shall have the image of a service ready: [`crate::Command::Pull`].
    Pull {
        /// The service.
        service: ServiceId,
        /// The node.
        node: NodeId,
    },
    /// [`News::Timer`] at this time, or now if that is over. A token has one timer: setting it again replaces it.
    Wake {
        /// When.
        at: Time,
        /// The policy's own number for what it waits for.
        token: u64,
    },
}

/// Where a policy puts what it wants.
pub type Actions = Vec<Action>;

/// Something that a policy may want to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum News {
    /// A node changed.
    Node {
        /// Which.
        node: NodeId,
        /// How.
        change: NodeChange,
    },
    /// A task was created, or its observed or desired state rose.
    Task {
        /// Which.
        task: TaskId,
        /// Of which service.
        service: ServiceId,
        /// What it was right after that.
        state: TaskState,
        /// What was wanted of it.
        desired: DesiredState,
    },
    /// A service changed.
    Service {
        /// Which.
        service: ServiceId,
        /// How.
        change: ServiceChange,
    },
    /// A replacement that the policy asked for runs, or will not.
    MoveOver {
        /// The task that was to be replaced.
        old: TaskId,
        /// Its replacement.
        new: TaskId,
        /// Whether the replacement runs. If not, and the old task is still wanted, the policy may try again.
        done: bool,
    },
    /// A timer is due.
    Timer(u64),
    /// Another manager leads: nodes are unknown until they register again. State and timers are still there.
    LeaderChanged,
}

/// How a node changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NodeChange {
    /// The node joined, ready or not.
    Joined,
    /// The node has not been heard of since a change of leader.
    Unknown,
    /// The heartbeats of the node stopped.
    Down,
    /// The node is ready again, or for the first time.
    Returned,
    /// The node gives up its tasks.
    Drained,
    /// The node takes no new tasks.
    Paused,
    /// The node takes tasks again.
    Activated,
    /// The node was removed.
    Removed,
    /// The node's labels, role or resources changed.
    Described,
}

/// How a service changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ServiceChange {
    /// The service was created, or became one of the policy's.
    Created,
    /// The service has another specification: another scale, image or anything.
    Declared,
    /// The rolling update of the service went a step; `None` is no update.
    Update(Option<UpdateState>),
    /// The service was removed.
    Removed,
}
