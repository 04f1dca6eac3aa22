//! What should run, and where: the decisions of Docker's SwarmKit without its daemon.
//!
//! The crate does no input or output, reads no clock and starts no thread. Facts and wishes go in with the time,
//! commands come out; the same calls give the same commands, always. [`Manager`] is the front door.

pub mod api;
pub mod cluster;
pub mod constraint;
mod event;
mod generic;
mod id;
mod manager;
mod orchestrator;
mod scheduler;
pub mod spec;
mod task;
mod time;

pub use api::ApiError;
pub use cluster::Cluster;
pub use event::{Command, Commands, Event};
pub use id::{IdVec, NodeId, Row, ServiceId, Slot, TaskId};
pub use manager::{Allocation, Config, Manager};
pub use scheduler::strategy::{Entry, STRATEGIES, Strategy};
pub use scheduler::{Board, Rank, TieBreak};
pub use task::{DesiredState, Task, TaskState};
pub use time::{Span, Time};
