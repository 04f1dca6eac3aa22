//! Pictures of a result folder, drawn from its CSV files and from nothing else.

mod axis;
pub mod cost;
mod crisp;
mod metrics;
mod nodes;
mod series;
mod sheet;
mod waiting;

use std::io;

use super::folder::Stage;
use super::results::Results;
use super::text;

/// Draws every picture that the data gives reason for, and says which.
pub fn draw(results: &Results, stage: &mut Stage) -> io::Result<Vec<&'static str>> {
    type Draw = fn(&Results, &mut sheet::Sheet);
    let pictures: [(&'static str, bool, Draw); 5] = [
        ("running.png", !results.series.is_empty(), series::running),
        ("time-to-running.png", waiting::is_worth_it(results), waiting::draw),
        ("nodes.png", !results.nodes.is_empty(), nodes::draw),
        ("metrics.png", metrics::is_worth_it(results), metrics::draw),
        ("registry.png", results.series.iter().any(|row| row.registry_bytes_per_s > 0.0), series::registry),
    ];
    let mut drawn = Vec::new();
    for (name, _, draw) in pictures.into_iter().filter(|(_, wanted, _)| *wanted) {
        let path = stage.reserve(name)?;
        sheet::picture(&path, |sheet| draw(results, sheet))?;
        drawn.push(name);
    }
    Ok(drawn)
}

/// What stands above every picture.
fn title(results: &Results) -> String {
    let manifest = &results.manifest;
    text::plain(if manifest.title.is_empty() { &manifest.name } else { &manifest.title })
}

/// What stands under every picture: enough to make it again.
fn footer(results: &Results) -> String {
    let manifest = &results.manifest;
    let runs = match manifest.replications {
        1 => "1 replication: no intervals".to_string(),
        n => format!("{n} replications"),
    };
    let (file, hash) = (text::plain(&manifest.file), &manifest.hash);
    format!("{}  ·  {file} ({hash})  ·  seed {}  ·  {runs}  ·  models not calibrated", manifest.tool, manifest.seed)
}

/// The strategies that pictures show, with their index; more than eight cannot be told apart.
fn strategies(results: &Results) -> impl Iterator<Item = (usize, &String)> {
    results.manifest.strategies.iter().enumerate().take(8)
}
