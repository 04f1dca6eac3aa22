//! How many tasks run on each node at the end, a panel per strategy.

use super::axis::Axis;
use super::colors::{INK, Look, look};
use super::sheet::{Anchor, NOTE, Panel, Rect, Sheet, TEXT, fitted};
use super::{apart, crisp, footer, others, title};
use crate::outside;
use crate::report::results::Results;
use crate::report::text;
use crate::stats;

/// Up to this many nodes have a bar and a name each; more are sorted by their tasks.
const NAMED: usize = 24;

/// Tasks of the nodes in each replication.
type Loads = Vec<Vec<f64>>;

/// Bars of named nodes, or the profile of many.
pub fn draw(results: &Results, sheet: &mut Sheet) {
    let mut names: Vec<&str> = Vec::new();
    let first = results.manifest.strategies.first();
    for run in results
        .nodes
        .iter()
        .filter(|run| first.is_some_and(|strategy| run.strategy == *strategy) && run.replication == 1)
    {
        names.extend(run.items.iter().map(|node| node.node.as_str()));
    }
    let few = names.len() <= NAMED;
    let many = results.nodes.iter().any(|run| run.replication > 1);
    let subtitle = match (few, many) {
        (true, true) => "Running tasks per node at the end: mean, and smallest to largest of the replications",
        (true, false) => "Running tasks per node at the end",
        (false, true) => {
            "Running tasks per node at the end, nodes from most to fewest: mean over replications of each rank"
        }
        (false, false) => "Running tasks per node at the end, nodes from most to fewest",
    };
    let subtitle = format!("{subtitle}{}", others(results, apart(results).count()));
    let room = sheet.frame(&title(results), &subtitle, &footer(results));
    let panels: Vec<(usize, &String, Loads)> =
        apart(results).map(|(index, name)| (index, name, loads(results, name, !few))).collect();
    let high = panels.iter().flat_map(|panel| panel.2.iter().flatten()).copied().fold(1.0, f64::max);
    let columns = match panels.len() {
        1 => 1,
        count if few && names.len() > 8 => {
            if count > 3 {
                2
            } else {
                1
            }
        }
        count => sheet.columns(count.min(3) as i32),
    };
    let rows = (panels.len() as i32 + columns - 1) / columns.max(1);
    let (gap_x, gap_y) = (90, 170);
    let width = (room.x1 - room.x0 - gap_x * (columns - 1)) / columns.max(1);
    // Words below the panels of the lowest row only.
    let below = if rows > 1 { 150 } else { 0 };
    let height = (room.y1 - room.y0 - gap_y * rows - below) / rows.max(1);
    for (place, (index, strategy, loads)) in panels.iter().enumerate() {
        let (column, row) = (place as i32 % columns, place as i32 / columns);
        let (x0, y0) = (room.x0 + column * (width + gap_x), room.y0 + gap_y + row * (height + gap_y));
        let y = Axis::from_zero(high, if height > 700 { 8 } else { 4 }, if column == 0 { "tasks" } else { "" });
        let x = if few { name_axis(&names, width - 250) } else { Axis::linear(0.0, loads.len() as f64, 5, "nodes") };
        let has_words = place as i32 + columns >= panels.len() as i32;
        let x = if has_words { x } else { x.silent() };
        let panel =
            Panel::within(Rect { x0, y0, x1: x0 + width, y1: y0 + height + if has_words { below } else { 10 } }, x, y);
        panel.axes(sheet);
        let look = look(*index);
        let spread = summary(loads);
        sheet.text(strategy, (panel.rect.x0, y0 - 110), TEXT, look.color, true, Anchor::Left);
        let spread = fitted(&spread, NOTE, false, panel.rect.x1 - panel.rect.x0);
        sheet.text(&spread, (panel.rect.x0, y0 - 50), NOTE, INK, false, Anchor::Left);
        sheet.about(strategy);
        if few { bars(sheet, &panel, loads, &names, look) } else { profile(sheet, &panel, loads, look) }
    }
}

/// Names of nodes below their bars, numbers if names are too long.
fn name_axis(names: &[&str], width: i32) -> Axis {
    let each = width / names.len().max(1) as i32 - 20;
    let names: Vec<String> = names.iter().map(|name| outside::shown(name)).collect();
    if names.iter().all(|name| crisp::text_width(name, f64::from(TEXT), false) <= each) {
        Axis::named(names, "node")
    } else {
        Axis::named((1..=names.len()).map(|number| number.to_string()), "node, in the order of nodes.csv")
    }
}

/// Tasks by node and replication; if `ranked`, by rank from the most loaded node down.
fn loads(results: &Results, strategy: &str, ranked: bool) -> Loads {
    let mut by_run: std::collections::BTreeMap<u32, Vec<f64>> = std::collections::BTreeMap::new();
    for run in results.nodes.iter().filter(|run| run.strategy == strategy) {
        by_run.insert(run.replication, run.items.iter().map(|node| node.running as f64).collect());
    }
    let mut loads: Loads = Vec::new();
    for mut run in by_run.into_values() {
        if ranked {
            run.sort_by(|a, b| b.total_cmp(a));
        }
        loads.resize(loads.len().max(run.len()), Vec::new());
        for (load, count) in loads.iter_mut().zip(run) {
            load.push(count);
        }
    }
    loads
}

fn bars(sheet: &mut Sheet, panel: &Panel, loads: &Loads, names: &[&str], look: Look) {
    for (node, runs) in loads.iter().enumerate() {
        let (low, high) =
            (runs.iter().copied().fold(f64::INFINITY, f64::min), runs.iter().copied().fold(0.0, f64::max));
        let (x0, top) = panel.at(node as f64 + 0.18, stats::mean(runs).unwrap_or(0.0));
        let (x1, bottom) = panel.at(node as f64 + 0.82, 0.0);
        if top < bottom {
            sheet.block(Rect { x0, y0: top, x1, y1: bottom }, look.color, 0.75);
        }
        let name = names.get(node).map_or(String::new(), |name| outside::shown(name));
        let mean = text::short(stats::mean(runs).unwrap_or(0.0));
        let told = format!("{name}: {mean} tasks, {} to {}", text::short(low), text::short(high));
        sheet.tip(Rect { x0, y0: top.min(bottom - 40), x1, y1: bottom }, told);
        if low < high {
            let x = (x0 + x1) / 2;
            let (low, high) = (panel.at(0.0, low).1, panel.at(0.0, high).1);
            for line in [[(x, low), (x, high)], [(x - 16, low), (x + 16, low)], [(x - 16, high), (x + 16, high)]] {
                sheet.line(&line, INK, 5, &[]);
            }
        }
    }
}

fn profile(sheet: &mut Sheet, panel: &Panel, loads: &Loads, look: Look) {
    let mut line = Vec::new();
    for (rank, runs) in loads.iter().enumerate() {
        let mean = stats::mean(runs).unwrap_or(0.0);
        line.extend([(rank as f64, mean), (rank as f64 + 1.0, mean)]);
    }
    let area: Vec<(f64, f64, f64)> = line.iter().map(|&(rank, mean)| (rank, 0.0, mean)).collect();
    panel.band(sheet, &area, look.color);
    panel.line(sheet, &line, Look { dashes: &[], ..look }, 7);
}

/// The profile in words, over nodes and replications.
fn summary(loads: &Loads) -> String {
    let all = stats::sorted(loads.iter().flatten().copied());
    let at = |q| stats::quantile(&all, q).map_or("n/a".into(), text::short);
    let empty = all.iter().filter(|load| **load == 0.0).count() as f64 / all.len().max(1) as f64;
    format!("least {}, median {}, most {}; {} % empty", at(0.0), at(0.5), at(1.0), text::short((empty * 100.0).round()))
}
