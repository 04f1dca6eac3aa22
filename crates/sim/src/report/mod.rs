//! Result folders: from outcomes to CSV, from CSV to pictures and a page.
//!
//! [`results`] turns outcomes into tables, [`table`] writes them to disk and reads them back; [`plot`] and [`page`] use
//! nothing but what is on disk, so a folder can be drawn again years later.

pub mod expect;
pub mod folder;
pub mod manifest;
pub mod page;
pub mod plot;
pub mod results;
pub mod table;
pub mod text;

use std::io;
use std::path::Path;

use crate::metrics::Metric;
use folder::Stage;
use results::Results;

/// The metrics that comparisons show first, in this order, as far as a folder has them.
pub const HEADLINES: &[&str] = &[
    "time_to_converge_s",
    "time_to_running_p50_s",
    "time_to_running_p99_s",
    "failover_p50_s",
    "failover_max_s",
    "replica_seconds_lost",
    "availability",
    "detection_mean_s",
    "update_duration_s",
    "running_min",
    "running_final",
    "pending_max",
    "moves",
    "tasks_per_node_max",
    "rack_share_max",
    "pulled_bytes",
    "pull_p99_s",
    "cache_hit_ratio",
];

/// How many headline metrics are shown.
const SHOWN: usize = 12;

/// Writes the CSV files of a folder, which [`folder::claim`] granted, and then its pictures and page from them.
pub fn write(dir: &Path, results: &Results, metrics: &[Metric], pictures: bool) -> io::Result<()> {
    table::write(dir, results)?;
    redraw(dir, metrics, pictures)
}

/// Draws pictures and page of a folder again, from its CSV files.
pub fn redraw(dir: &Path, metrics: &[Metric], pictures: bool) -> io::Result<()> {
    let results = table::read(dir)?;
    let mut stage = Stage::new(dir);
    let drawn = if pictures { plot::draw(&results, &mut stage)? } else { Vec::new() };
    stage.write("README.md", page::page(&results, metrics, &drawn).as_bytes())?;
    stage.commit()
}

/// Names of the headline metrics of a folder: those of [`HEADLINES`] that have a value; if there is none of them, the
/// first metrics that do.
pub fn headlines(results: &Results) -> Vec<String> {
    let has_value = |name: &str| results.summary.iter().any(|row| row.metric == name && row.summary.n > 0);
    let known = HEADLINES.iter().filter(|name| has_value(name)).map(|name| name.to_string());
    let mut names: Vec<String> = known.take(SHOWN).collect();
    if names.is_empty() {
        names = results.runs.metrics.iter().filter(|name| has_value(name)).take(SHOWN).cloned().collect();
    }
    names
}
