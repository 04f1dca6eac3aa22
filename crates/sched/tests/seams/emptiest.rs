//! A strategy of somebody else: the node with most memory left, in turns that it remembers.

use sched::{Board, Strategy};

#[derive(Clone, Default)]
pub struct Emptiest {
    /// Tasks that it placed so far.
    placed: u64,
}

impl Strategy for Emptiest {
    fn place(&mut self, board: &mut Board<'_>) {
        while board.waiting() > 0 {
            let fitting: Vec<_> = board.nodes().filter(|node| board.fits(*node)).collect();
            let best = fitting.into_iter().max_by_key(|node| (board.free(*node).memory, !board.tie(*node)));
            let Some(best) = best else { return };
            board.place(best);
            self.placed += 1;
        }
    }

    fn save(&self) -> String {
        self.placed.to_string()
    }

    fn load(&mut self, state: &str) -> Result<(), String> {
        self.placed = state.parse().map_err(|_| format!("{state:?} is not a number of tasks"))?;
        Ok(())
    }
}
