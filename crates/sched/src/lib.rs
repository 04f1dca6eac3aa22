//! What should run, and where: the decisions of Docker's SwarmKit without its daemon.

pub mod cluster;
mod event;
mod id;
mod manager;
pub mod spec;
mod task;
mod time;

pub use cluster::Cluster;
pub use event::{Command, Commands, Event};
pub use id::{IdVec, NodeId, Row, ServiceId, Slot, TaskId};
pub use manager::{Allocation, ApiError, Config, Manager};
pub use task::{DesiredState, Task, TaskState};
pub use time::{Span, Time};

/// Names of the placement strategies.
pub const STRATEGIES: &[&str] = &["spread", "binpack", "random"];
