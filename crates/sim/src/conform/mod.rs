//! Conformance: recorded decisions of the real SwarmKit against those of the core.
//!
//! A file holds one scenario a line, of either kind: placement (who goes where) or dynamics (a scripted life). Each is
//! replayed through [`sched::Manager`], and every recorded property is compared: *hard* ones must be equal, *soft* ones
//! varied between runs of SwarmKit itself, and ours is expected among the values seen.

mod compare;
mod dynamics;
mod input;
mod placement;

use std::collections::BTreeMap;
use std::path::Path;

pub use compare::Check;
use sched::{Config, TieBreak};

use crate::outside;

/// Bytes of a file of recordings at most.
const LARGEST: u64 = 256 << 20;

/// A scenario and how the core fared.
pub struct Verdict {
    /// The scenario's id.
    pub id: String,
    /// Its category.
    pub category: String,
    /// Every comparison.
    pub checks: Vec<Check>,
}

/// How the core chooses where SwarmKit leaves it to the order of a hash map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// The lowest id first.
    LowestId,
    /// By chance, of this seed.
    Seeded(u64),
}

impl Ties {
    fn config(self) -> Config {
        match self {
            Ties::LowestId => Config { ties: TieBreak::LowestId, ..Config::default() },
            Ties::Seeded(seed) => Config { ties: TieBreak::Seeded, seed, ..Config::default() },
        }
    }
}

/// Replays every scenario of a file. The error says which line cannot be read, and why.
pub fn replay_file(path: &Path, ties: Ties) -> Result<Vec<Verdict>, String> {
    let name = outside::shown_path(path);
    let text = outside::read_text(path, LARGEST).map_err(|error| format!("{name}: {error}"))?;
    replay_text(&text, ties).map_err(|error| format!("{name}:{}", outside::shown(&error)))
}

/// Replays every scenario of a text of one JSON object a line. The error begins with the number of the line, and names the
/// field; that there is no scenario is an error too.
pub fn replay_text(text: &str, ties: Ties) -> Result<Vec<Verdict>, String> {
    let mut verdicts = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let recorded = input::read(line).map_err(|error| format!("{}: {error}", index + 1))?;
        let checks = match recorded.format.as_str() {
            "swarm-oracle-placement/1" => placement::replay(&recorded, ties),
            "swarm-oracle-dynamics/1" => {
                dynamics::replay(&recorded, ties).map_err(|error| format!("{}: {error}", index + 1))?
            }
            other => {
                let known = "'swarm-oracle-placement/1' or 'swarm-oracle-dynamics/1'";
                return Err(format!("{}: format '{other}', expected {known}", index + 1));
            }
        };
        if checks.is_empty() {
            return Err(format!("{}: invariants: nothing is recorded that could be compared", index + 1));
        }
        verdicts.push(Verdict { id: recorded.id, category: recorded.category, checks });
    }
    if verdicts.is_empty() {
        return Err("1: it holds no scenario, expected one JSON object a line".into());
    }
    Ok(verdicts)
}

/// How many properties were checked and met.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Hard properties by level: checked, met.
    pub hard: [(u32, u32); 3],
    /// Soft properties: checked, met.
    pub soft: (u32, u32),
}

impl Tally {
    fn add(&mut self, check: &Check) {
        let counts = if check.hard { &mut self.hard[usize::from(check.level) - 1] } else { &mut self.soft };
        counts.0 += 1;
        counts.1 += u32::from(check.met);
    }

    /// Whether every hard property was met.
    pub fn conforms(&self) -> bool {
        self.hard.iter().all(|(checked, met)| checked == met)
    }
}

/// Tallies by category, and over all.
pub fn tally(verdicts: &[Verdict]) -> (BTreeMap<String, Tally>, Tally) {
    let mut by_category: BTreeMap<String, Tally> = BTreeMap::new();
    let mut all = Tally::default();
    for verdict in verdicts {
        let tally = by_category.entry(verdict.category.clone()).or_default();
        for check in &verdict.checks {
            tally.add(check);
            all.add(check);
        }
    }
    (by_category, all)
}
