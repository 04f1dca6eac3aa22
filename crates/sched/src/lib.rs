//! What should run, and where: the decisions of Docker's SwarmKit without its daemon.
//!
//! The crate does no input or output, reads no clock, starts no thread and never iterates a hash map. Facts and wishes go
//! in with the time, commands come out; the same calls give the same commands, always. So a simulator can drive it through
//! a year in a second, and a real orchestrator can drive it unchanged; `docs/embedding.md` is the guide for one, and
//! `examples/driver.rs` a small one with real processes. [`Manager`] is the front door, [`Cluster`] is what
//! it knows, [`spec`] is what users declare.
//!
//! ```text
//!   operator's verbs ──┐                                     ┌── Create, State, Remove ...: to be stored
//!   agents' reports ───┼──> Manager ── journal ──> Commands ─┤
//!   Event::Deadline ───┘    orchestrators, updates,          └── Assign, Desired, Remove: to the node's agent
//!                           restarts, scheduler, reaper
//! ```
//!
//! How to drive it: hand every wish and report over with the time, carry out the commands in order, and sleep until
//! [`Manager::deadline`]. This is a whole driver, with one agent that does everything at once:
//!
//! ```
//! use sched::spec::{Description, Mode, NodeSpec, Resources, ServiceSpec};
//! use sched::{Command, Config, DesiredState, Event, Manager, Span, TaskId, TaskState, Time};
//!
//! /// What a store, a network and the agents are to a real orchestrator.
//! struct Driver {
//!     manager: Manager,
//!     now: Time,
//!     commands: Vec<Command>,
//! }
//!
//! impl Driver {
//!     /// Carries out all commands, and all commands that follow from carrying them out.
//!     fn carry_out(&mut self) {
//!         while !self.commands.is_empty() {
//!             for command in std::mem::take(&mut self.commands) {
//!                 match command {
//!                     // The agent of the node prepares the task ...
//!                     Command::Assign { task, .. } => {
//!                         self.report(task, TaskState::Ready);
//!                         self.start_if_wanted(task);
//!                     }
//!                     // ... and starts or stops it as soon as that is wanted.
//!                     Command::Desired { task, desired, .. } if desired >= DesiredState::Shutdown => {
//!                         self.report(task, TaskState::Shutdown);
//!                     }
//!                     Command::Desired { task, .. } => self.start_if_wanted(task),
//!                     // The rest is for the record: a real driver writes it to its store.
//!                     _ => {}
//!                 }
//!             }
//!         }
//!     }
//!
//!     fn start_if_wanted(&mut self, id: TaskId) {
//!         let ready = self.manager.cluster().task(id).is_some_and(|task| {
//!             task.state == TaskState::Ready && task.desired >= DesiredState::Running
//!         });
//!         if ready {
//!             self.report(id, TaskState::Running);
//!         }
//!     }
//!
//!     fn report(&mut self, task: TaskId, state: TaskState) {
//!         let event = Event::TaskStatus { task, state, error: None };
//!         self.manager.handle(self.now, event, &mut self.commands).expect("the task is there");
//!     }
//!
//!     /// Sleeps until something is due, again and again.
//!     fn sleep(&mut self, until: Time) {
//!         while let Some(at) = self.manager.deadline().filter(|at| *at <= until) {
//!             self.now = at;
//!             self.manager.handle(at, Event::Deadline, &mut self.commands).expect("never refused");
//!             self.carry_out();
//!         }
//!         self.now = until;
//!     }
//!
//!     fn running(&self) -> usize {
//!         self.manager.cluster().tasks().filter(|(_, task)| task.state == TaskState::Running).count()
//!     }
//! }
//!
//! let manager = Manager::new(Config::default()).expect("spread is a strategy");
//! let mut driver = Driver { manager, now: Time::ZERO, commands: Vec::new() };
//! for name in ["d1", "d2", "d3"] {
//!     let resources = Resources { nano_cpus: 4_000_000_000, memory: 8 << 30, generic: vec![] };
//!     let description = Description { hostname: name.into(), resources, ..Description::default() };
//!     let spec = NodeSpec { id: name.into(), description: Some(description), ..NodeSpec::default() };
//!     driver.manager.add_node(driver.now, spec, &mut driver.commands);
//! }
//! let mut web = ServiceSpec::new("web", "nginx:1.27");
//! web.mode = Mode::Replicated { replicas: 3 };
//! let web = driver.manager.create_service(driver.now, web, &mut driver.commands)?;
//! driver.carry_out();
//! driver.sleep(Time::ZERO + Span::from_secs(1));
//! assert_eq!(driver.running(), 3);
//!
//! // A container fails. Its replacement exists at once and starts after the restart delay of five seconds.
//! let failed = driver.manager.cluster().services()[web].tasks().next().expect("three tasks");
//! driver.report(failed, TaskState::Failed);
//! driver.carry_out();
//! driver.sleep(Time::ZERO + Span::from_secs(5));
//! assert_eq!(driver.running(), 2);
//! driver.sleep(Time::ZERO + Span::from_secs(7));
//! assert_eq!(driver.running(), 3);
//! # Ok::<(), sched::ApiError>(())
//! ```

/// The code in the guide is compiled and run with the tests.
#[cfg(all(doctest, feature = "snapshot"))]
#[doc = include_str!("../../../docs/embedding.md")]
struct Guide;

pub mod api;
mod choice;
pub mod cluster;
pub mod constraint;
mod event;
pub mod failover;
mod generic;
mod id;
#[cfg(test)]
mod lab;
mod manager;
mod orchestrator;
mod reference;
mod scheduler;
mod slots;
#[cfg(feature = "snapshot")]
pub mod snapshot;
pub mod spec;
mod task;
mod time;
mod work;

/// Why a task is where it is, or nowhere, and what would give it a place.
pub mod why {
    pub use crate::manager::{Remedy, Tried};
    pub use crate::scheduler::why::{Decision, Refusal, Standing};
}

pub use api::ApiError;
pub use choice::{Choice, Entry};
pub use cluster::Cluster;
pub use event::{Command, Commands, Event};
pub use failover::{FAILOVERS, Failover};
pub use id::{IdMap, IdVec, NodeId, Row, ServiceId, Slot, TaskId};
pub use manager::{Allocation, Config, Manager};
pub use reference::Reference;
pub use scheduler::strategy::{self, STRATEGIES, Strategy};
pub use scheduler::{Board, Candidate, Room, TieBreak};

pub use slots::Slots;
pub use task::{DesiredState, Task, TaskState};
pub use time::{Span, Time};
