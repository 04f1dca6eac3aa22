//! Result folders: from outcomes to CSV, from CSV to pictures and a page.
//!
//! [`results`] turns outcomes into tables, [`compare`] says what pairs of strategies show, [`csv_files`] writes them to disk and reads them back; [`plot`], [`page`] and [`html`] use
//! nothing but what is on disk, so a folder can be drawn again years later.

pub mod compare;
pub mod csv_files;
pub mod expect;
pub mod folder;
pub mod html;
pub mod manifest;
pub mod page;
pub mod plot;
pub mod results;
pub mod text;
pub mod verdict;

use std::io;
use std::path::Path;

use crate::metrics::Metric;
use folder::{REPORT, Stage};
use plot::Kind;
use results::Results;

/// The metrics that comparisons show first, in this order, as far as a folder has them.
pub const HEADLINES: &[&str] = &[
    "time_to_running_p50_s",
    "time_to_running_p99_s",
    "time_to_converge_s",
    "replica_seconds_lost",
    "failover_lost_s",
    "failover_p50_s",
    "failover_p99_s",
    "failover_max_s",
    "detection_mean_s",
    "running_min",
    "below_quorum_ratio",
    "spare_cpu",
    "node_changes",
    "moves",
    "duplicate_seconds",
    "imbalance_s",
    "update_duration_s",
    "pulled_bytes",
    "failover_bytes",
    "pull_p99_s",
    "rack_share_max",
    "tasks_per_node_max",
    "availability",
    "pending_max",
    "running_final",
];

/// Writes the CSV files of a folder, and then its pages from them, with pictures as files of some kinds; without any kind
/// there are no pictures.
///
/// # Errors
///
/// As [`folder::claim`] and [`Stage::replace`].
pub fn write(dir: &Path, results: &Results, metrics: &[Metric], kinds: &[Kind]) -> io::Result<()> {
    let mut claim = folder::claim(dir, true)?;
    let mut stage = claim.stage()?;
    csv_files::fill(&mut stage, results)?;
    draw(&mut stage, metrics, kinds)?;
    stage.replace()
}

/// Adds pictures and pages to a stage that has the tables, and draws them from these.
///
/// # Errors
///
/// As [`csv_files::read`] and [`Stage::write`].
pub fn draw(stage: &mut Stage, metrics: &[Metric], kinds: &[Kind]) -> io::Result<()> {
    let results = csv_files::read(stage.path())?;
    draw_from(&results, stage, metrics, kinds)
}

/// Draws pictures and pages of a folder again, from its CSV files, and says what these hold.
///
/// # Errors
///
/// As [`csv_files::read`], [`folder::claim_if`] and [`Stage::add`].
pub fn redraw(dir: &Path, metrics: &[Metric], kinds: &[Kind]) -> io::Result<Results> {
    let mut claim = folder::claim_if(dir, |dir| match dir.symlink_metadata() {
        Ok(_) => Ok(()),
        Err(error) => Err(folder::about(dir, &error)),
    })?;
    let results = csv_files::read(dir)?;
    let mut stage = claim.stage()?;
    draw_from(&results, &mut stage, metrics, kinds)?;
    stage.add()?;
    Ok(results)
}

fn draw_from(results: &Results, stage: &mut Stage, metrics: &[Metric], kinds: &[Kind]) -> io::Result<()> {
    let drawn = plot::draw(results, stage, kinds)?;
    stage.write("README.md", page::page(results, metrics, &drawn, kinds).as_bytes())?;
    stage.write(REPORT, html::page(results, metrics, &drawn).as_bytes())
}

/// Names of the headline metrics of a folder: those of [`HEADLINES`] that it has, also where they are 0 or have no value; if
/// there is none of them, its first metrics.
pub fn headlines(results: &Results) -> Vec<String> {
    let is_there = |name: &&&str| results.runs.metrics.iter().any(|metric| metric == **name);
    let mut names: Vec<String> = HEADLINES.iter().filter(is_there).map(|name| name.to_string()).collect();
    if names.is_empty() {
        names = results.runs.metrics.iter().take(HEADLINES.len()).cloned().collect();
    }
    names
}
