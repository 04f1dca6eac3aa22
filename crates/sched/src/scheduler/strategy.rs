//! How a group of equal tasks is placed: the one thing about placement that an operator may want to be different.
//!
//! A strategy chooses among the nodes that the filters let pass; filters, restarts and updates are the same for all. One
//! of your own needs nothing of this crate but a type that implements [`Strategy`] and [`crate::Choice::own`] in
//! [`crate::Config::strategy`]:
//!
//! ```
//! use sched::spec::{Description, Mode, NodeSpec, Resources, ServiceSpec};
//! use sched::{Board, Choice, Config, Event, Manager, Strategy, Time};
//!
//! /// The emptiest node first, by what is left of its memory.
//! #[derive(Clone)]
//! struct MostMemoryLeft;
//!
//! impl Strategy for MostMemoryLeft {
//!     fn place(&mut self, board: &mut Board<'_>) {
//!         while board.waiting() > 0 {
//!             let fitting: Vec<_> = board.nodes().filter(|node| board.fits(*node)).collect();
//!             let best = fitting.into_iter().max_by_key(|node| (board.free(*node).memory, !board.tie(*node)));
//!             let Some(best) = best else { return };
//!             board.place(best);
//!         }
//!     }
//! }
//!
//! let build = |_seed| -> Box<dyn Strategy> { Box::new(MostMemoryLeft) };
//! let strategy = Choice::own("most-memory-left", build);
//! let mut manager = Manager::new(Config { strategy, ..Config::default() })?;
//! let out = &mut Vec::new();
//! for memory in [4 << 30, 8 << 30] {
//!     let resources = Resources { memory, ..Resources::default() };
//!     let description = Some(Description { resources, ..Description::default() });
//!     manager.add_node(Time::ZERO, NodeSpec { description, ..NodeSpec::default() }, out);
//! }
//! let mut web = ServiceSpec::new("web", "nginx:1.27");
//! web.mode = Mode::Replicated { replicas: 3 };
//! web.task.reservations.memory = 2 << 30;
//! manager.create_service(Time::ZERO, web, out)?;
//! while let Some(at) = manager.deadline() {
//!     manager.handle(at, Event::Deadline, out);
//! }
//! let tasks_on = |node| manager.cluster().tasks_on(node).count();
//! assert_eq!(manager.cluster().nodes().ids().map(tasks_on).collect::<Vec<_>>(), [0, 3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To have one in the list, so that scenarios and `--strategy` take its name, write a file beside these with such a type
//! and its `ENTRY`, and name that file below.

mod binpack;
mod cache_aware;
mod domains;
mod dominant_fit;
mod random;
mod score;
mod spread;
mod spread_even;
mod two_choices;
mod worst_fit;

use dyn_clone::DynClone;

use super::Board;
use crate::choice::Entry;

pub use domains::Domains;

/// Places groups of equal tasks.
///
/// A strategy decides by what the board shows, by its own state, and by chance from [`Board::chance`] or the seed that it
/// was built from; it reads no clock, no file and no hash map in its order, so that the same calls give the same
/// decisions. It is cloned with its manager.
pub trait Strategy: DynClone + Send {
    /// Places as many of the waiting tasks of the board's group as it can, each with [`Board::place`] on a node that
    /// [`Board::fits`]. What it leaves waits for the next pass.
    fn place(&mut self, board: &mut Board<'_>);

    /// Whether it looks at [`Board::missing_bytes`]: then the driver is to report [`crate::Event::ImageMissing`].
    fn wants_images(&self) -> bool {
        false
    }

    /// Its state between two passes as text, for a snapshot of the manager. Most strategies have none.
    fn save(&self) -> String {
        String::new()
    }

    /// Takes over a state that [`Strategy::save`] wrote, right after it was built. The error says what is wrong with it.
    fn load(&mut self, state: &str) -> Result<(), String> {
        if state.is_empty() { Ok(()) } else { Err("this strategy has no state".into()) }
    }
}

dyn_clone::clone_trait_object!(Strategy);

/// Every strategy that is chosen by name.
pub const STRATEGIES: &[Entry<dyn Strategy>] = &[
    spread::ENTRY,
    spread_even::ENTRY,
    binpack::ENTRY,
    random::ENTRY,
    two_choices::ENTRY,
    worst_fit::ENTRY,
    cache_aware::ENTRY,
    dominant_fit::ENTRY,
    domains::ENTRY,
];
