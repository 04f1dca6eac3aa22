//! How a group of equal tasks is placed: the one thing that a cluster's operator may want to be different.
//!
//! A strategy chooses among the nodes that the filters let pass; filters, restarts and updates are the same for all. To
//! add one, write a file beside these with a type that implements [`Strategy`] and a line in [`STRATEGIES`].

mod binpack;
mod random;
mod spread;
mod spread_even;

use super::Board;

/// Places groups of equal tasks.
pub trait Strategy: Send {
    /// Places as many of the waiting tasks of the board's group as it can, each with [`Board::place`] on a node that
    /// [`Board::fits`]. What it leaves waits for the next pass.
    fn place(&mut self, board: &mut Board<'_>);
}

/// A strategy of the registry.
pub struct Entry {
    /// The name by which configurations choose it.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    build: fn() -> Box<dyn Strategy>,
}

/// Every strategy there is.
pub const STRATEGIES: &[Entry] = &[
    Entry {
        name: "spread",
        summary: "Swarm's own: fewest tasks of the service first, then fewest tasks, over the preferred labels",
        build: || Box::<spread::Spread>::default(),
    },
    Entry {
        name: "spread-even",
        summary: "What people expect of spread: each task to the branch, then the node, that has least right now",
        build: || Box::<spread_even::SpreadEven>::default(),
    },
    Entry {
        name: "binpack",
        summary: "Fullest node first, by the larger of its reserved shares of CPU and memory, until it is full",
        build: || Box::<binpack::Binpack>::default(),
    },
    Entry {
        name: "random",
        summary: "Any node that fits, with equal chance",
        build: || Box::new(random::Random::of(1)),
    },
    Entry {
        name: "two-choices",
        summary: "Of two nodes that fit, drawn by chance, the one with fewer tasks",
        build: || Box::new(random::Random::of(2)),
    },
];

/// The strategy of a name; the error lists the names there are.
pub fn build(name: &str) -> Result<Box<dyn Strategy>, String> {
    match STRATEGIES.iter().find(|entry| entry.name == name) {
        Some(entry) => Ok((entry.build)()),
        None => {
            let known: Vec<&str> = STRATEGIES.iter().map(|entry| entry.name).collect();
            Err(format!("unknown strategy '{name}': expected one of {}", known.join(", ")))
        }
    }
}
