//! Pictures of a result folder, drawn from its CSV files and from nothing else.

mod axis;
mod colors;
pub mod cost;
mod crisp;
mod metrics;
mod nodes;
mod outage;
mod pareto;
mod series;
mod sheet;
mod waiting;

use std::io;

use super::folder::Stage;
use super::results::Results;
use crate::outside;

/// A picture that a result folder may hold.
pub struct Picture {
    /// Its file.
    pub file: &'static str,
    /// What it shows.
    pub caption: &'static str,
    is_worth_it: fn(&Results) -> bool,
    draw: fn(&Results, &mut sheet::Sheet),
}

/// Every picture, in the order of the page.
pub const PICTURES: &[Picture] = &[
    Picture {
        file: "running.png",
        caption: "Running tasks against desired ones over time, one panel per strategy: the mean of each interval, and the least and the most that ran at any instant of it.",
        is_worth_it: |results| results.series.iter().any(|row| row.desired.most > 0 || row.running.most > 0),
        draw: series::running,
    },
    Picture {
        file: "pareto.png",
        caption: "What each strategy loses against what it takes for that: room held by spares, and bytes.",
        is_worth_it: pareto::is_worth_it,
        draw: pareto::draw,
    },
    Picture {
        file: "outage.png",
        caption: "The largest failure of several nodes at once: what is missing with each strategy, and for how long.",
        is_worth_it: outage::is_worth_it,
        draw: outage::draw,
    },
    Picture {
        file: "metrics.png",
        caption: "Headline metrics by strategy, with 95 % intervals; each panel has its own axis.",
        is_worth_it: metrics::is_worth_it,
        draw: metrics::draw,
    },
    Picture {
        file: "time-to-running.png",
        caption: "Distribution of the time from a task's creation to its running.",
        is_worth_it: waiting::is_worth_it,
        draw: waiting::draw,
    },
    Picture {
        file: "nodes.png",
        caption: "Running tasks per node at the end.",
        is_worth_it: |results| results.nodes.iter().flat_map(|run| &run.items).any(|node| node.running > 0),
        draw: nodes::draw,
    },
    Picture {
        file: "registry.png",
        caption: "Bytes per second that the registry sends, interval by interval: the area is what it sent.",
        is_worth_it: |results| results.series.iter().any(|row| row.registry_bytes > 0.0),
        draw: series::registry,
    },
];

/// Draws every picture that the data gives reason for, and says which.
pub fn draw(results: &Results, stage: &mut Stage) -> io::Result<Vec<&'static Picture>> {
    let worth: Vec<&Picture> = PICTURES.iter().filter(|picture| (picture.is_worth_it)(results)).collect();
    for picture in &worth {
        stage.write(picture.file, &sheet::picture(|sheet| (picture.draw)(results, sheet)))?;
    }
    Ok(worth)
}

/// What stands above every picture.
fn title(results: &Results) -> String {
    let manifest = &results.manifest;
    outside::shown(if manifest.title.is_empty() { &manifest.name } else { &manifest.title })
}

/// What stands under every picture: enough to make it again.
fn footer(results: &Results) -> String {
    let manifest = &results.manifest;
    let runs = match manifest.replications {
        1 => "1 replication: no intervals".to_string(),
        n => format!("{n} replications"),
    };
    let (file, hash) = (outside::shown(&manifest.file), &manifest.hash);
    let models = match &manifest.profile {
        Some(profile) => format!("models as {}", outside::shown(profile)),
        None => "models not calibrated".into(),
    };
    format!("{}  ·  {file} ({hash})  ·  seed {}  ·  {runs}  ·  {models}", manifest.tool, manifest.seed)
}

/// Every strategy with the number of its look.
fn numbered(results: &Results) -> impl Iterator<Item = (usize, &String)> {
    colors::looks(&results.manifest.strategies).into_iter().zip(&results.manifest.strategies)
}

/// The strategies of pictures that draw all of them together, with the numbers of their looks: more could not be told apart.
fn together(results: &Results) -> impl Iterator<Item = (usize, &String)> {
    numbered(results).take(colors::LOOKS.len())
}

/// Those of pictures with a panel, or a named bar, for each.
fn apart(results: &Results) -> impl Iterator<Item = (usize, &String)> {
    numbered(results).take(12)
}

/// Says of a picture that shows so many strategies that there are others.
fn others(results: &Results, shown: usize) -> String {
    let all = results.manifest.strategies.len();
    if shown < all { format!("; the first {shown} of {all} strategies") } else { String::new() }
}
