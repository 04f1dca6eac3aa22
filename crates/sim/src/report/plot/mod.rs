//! Pictures of a result folder, drawn from its CSV files and from nothing else.

mod axis;
mod colors;
pub mod cost;
mod crisp;
mod differences;
mod failover;
mod metrics;
mod nodes;
mod outage;
mod pareto;
mod pdf;
mod replications;
mod reserved;
mod series;
mod services;
mod sheet;
pub(super) mod svg;
mod waiting;

use std::io;

use super::folder::Stage;
use super::results::Results;
use crate::outside;
use sheet::{Drawing, Size};

/// A kind of file that a picture is written as.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, clap::ValueEnum)]
pub enum Kind {
    /// 2000 by 1200 pixels
    Png,
    /// For papers, 175 mm wide (NAME.svg) and 85 mm wide (NAME-85mm.svg)
    Svg,
    /// For papers, 175 mm wide (NAME.pdf) and 85 mm wide (NAME-85mm.pdf)
    Pdf,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 3] = [Kind::Png, Kind::Svg, Kind::Pdf];

    /// Ends of the names of the files that it makes of a picture, the first of which a page shows.
    fn endings(self) -> &'static [(&'static str, Size)] {
        match self {
            Kind::Png => &[(".png", Size::Screen)],
            Kind::Svg => &[(".svg", Size::Double), ("-85mm.svg", Size::Single)],
            Kind::Pdf => &[(".pdf", Size::Double), ("-85mm.pdf", Size::Single)],
        }
    }
}

/// A picture that a result folder may hold.
pub struct Picture {
    /// The name of its files, without what says of which kind they are.
    pub name: &'static str,
    /// What it shows.
    pub caption: &'static str,
    is_worth_it: fn(&Results) -> bool,
    draw: fn(&Results, &mut sheet::Sheet),
}

/// Every picture, in the order of the page.
pub const PICTURES: &[Picture] = &[
    Picture {
        name: "running",
        caption: "Running tasks against desired ones over time, one panel per strategy: the mean of each interval, and the least and the most that ran at any instant of it.",
        is_worth_it: |results| results.series.iter().any(|row| row.desired.most > 0 || row.running.most > 0),
        draw: series::running,
    },
    Picture {
        name: "pareto",
        caption: "What each strategy loses against what it takes for that: room held by spares, and bytes.",
        is_worth_it: pareto::is_worth_it,
        draw: pareto::draw,
    },
    Picture {
        name: "outage",
        caption: "The largest failure of several nodes at once: what is missing with each strategy, and for how long.",
        is_worth_it: outage::is_worth_it,
        draw: outage::draw,
    },
    Picture {
        name: "metrics",
        caption: "Headline metrics by strategy, with 95 % intervals; each panel has its own axis.",
        is_worth_it: metrics::is_worth_it,
        draw: metrics::draw,
    },
    Picture {
        name: "differences",
        caption: "Differences from the baseline in headline metrics, run by run, with 95 % intervals; each panel has its own axis.",
        is_worth_it: differences::is_worth_it,
        draw: differences::draw,
    },
    Picture {
        name: "replications",
        caption: "Headline metrics of every single replication: whether a mean stands for its runs.",
        is_worth_it: replications::is_worth_it,
        draw: replications::draw,
    },
    Picture {
        name: "services",
        caption: "Replica-seconds that each service loses, those that lose most first.",
        is_worth_it: services::is_worth_it,
        draw: services::draw,
    },
    Picture {
        name: "failover",
        caption: "Distribution of the longest failover of each service in each run.",
        is_worth_it: failover::is_worth_it,
        draw: failover::draw,
    },
    Picture {
        name: "time-to-running",
        caption: "Distribution of the time from a task's creation to its running.",
        is_worth_it: waiting::is_worth_it,
        draw: waiting::draw,
    },
    Picture {
        name: "nodes",
        caption: "Running tasks per node at the end.",
        is_worth_it: |results| results.nodes.iter().flat_map(|run| &run.items).any(|node| node.running > 0),
        draw: nodes::draw,
    },
    Picture {
        name: "reserved",
        caption: "CPU and memory that tasks reserve on each node at the end, by rack, or by pool where there are none or many.",
        is_worth_it: reserved::is_worth_it,
        draw: reserved::draw,
    },
    Picture {
        name: "registry",
        caption: "Bytes per second that the registry sends, interval by interval: the area is what it sent.",
        is_worth_it: |results| results.series.iter().any(|row| row.registry_bytes > 0.0),
        draw: series::registry,
    },
];

impl Picture {
    /// The files of a kind that it is written to.
    pub fn files(&self, kind: Kind) -> impl Iterator<Item = String> {
        kind.endings().iter().map(|(ending, _)| format!("{}{ending}", self.name))
    }

    fn drawing(&self, results: &Results, size: Size) -> Drawing {
        sheet::picture(size, |sheet| (self.draw)(results, sheet))
    }

    /// Elements of a page that show it: on a screen, where values are told to who points at them, and on a telephone.
    pub(super) fn elements(&self, results: &Results) -> [String; 2] {
        let element = |size, tells| svg::element(&self.drawing(results, size), self.caption, tells);
        [element(Size::Screen, true), element(Size::Single, false)]
    }
}

/// The pictures that the data gives reason for.
pub fn worth(results: &Results) -> Vec<&'static Picture> {
    PICTURES.iter().filter(|picture| (picture.is_worth_it)(results)).collect()
}

/// Draws every picture that the data gives reason for, as files of some kinds, and says which.
pub fn draw(results: &Results, stage: &mut Stage, kinds: &[Kind]) -> io::Result<Vec<&'static Picture>> {
    let worth = if kinds.is_empty() { Vec::new() } else { worth(results) };
    for picture in &worth {
        for kind in kinds {
            for (file, (_, size)) in picture.files(*kind).zip(kind.endings()) {
                let drawing = picture.drawing(results, *size);
                let bytes = match kind {
                    Kind::Png => crisp::png(&drawing),
                    Kind::Svg => svg::file(&drawing).into_bytes(),
                    Kind::Pdf => pdf::file(&drawing, picture.caption),
                };
                stage.write(&file, &bytes)?;
            }
        }
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
