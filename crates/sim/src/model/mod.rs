//! The models: daemons, images, overlay networks, failures, heartbeats,
//! what users bring.
//!
//! A model has its own events and schedules only those; it never sees the world or another model, and can be run alone.
//! What one model needs of another, [`crate::world`] hands over.

pub mod agent;
pub mod autoscaler;
pub mod cores;
pub mod disk;
pub mod failure;
pub mod flow;
pub mod gossip;
pub mod heartbeat;
pub mod image;
pub mod join;
pub mod links;
pub mod managers;
pub mod operator;
pub mod overlay;
pub mod requests;
pub mod subnet;
pub mod workload;

/// A task, counted in order of creation in the run: the name by which the models know it. It is never given out again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TaskNo(pub u32);

impl TaskNo {
    /// The row in a table of all tasks of the run.
    pub fn row(self) -> usize {
        self.0 as usize
    }
}
