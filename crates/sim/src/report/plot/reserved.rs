//! How full nodes are at the end: a dot per node for its CPUs and one for its memory, by pool, a panel per strategy.

use super::axis::Axis;
use super::colors::{GREY, INK, look};
use super::sheet::{Anchor, NOTE, Panel, Rect, Sheet, TEXT, fitted, grid};
use super::{apart, crisp, footer, others};
use crate::metrics::NodeRow;
use crate::outside;
use crate::report::results::Results;
use crate::report::text;
use crate::stats;

/// Groups of nodes at most.
const GROUPS: usize = 8;
/// Fewer nodes are told by their names, in the table of nodes.
const NODES: usize = 3;
/// Panels of one column at most.
const NARROW: usize = 6;

/// Whether anything is reserved, and not the same everywhere.
pub fn is_worth_it(results: &Results) -> bool {
    let runs = || results.nodes.iter().filter(|run| run.replication == 1);
    let mut nodes = runs().flat_map(|run| &run.items);
    let Some(first) = nodes.next() else { return false };
    runs().any(|run| NODES <= run.items.len())
        && nodes.any(|node| node.cpu_reserved != first.cpu_reserved || node.memory_reserved != first.memory_reserved)
}

/// What nodes are told apart by.
fn group(node: &NodeRow) -> &str {
    &node.pool
}

/// A panel for each strategy with the nodes of replication 1.
pub fn draw(results: &Results, sheet: &mut Sheet) {
    let which = if results.manifest.replications > 1 { ", replication 1" } else { "" };
    let mut groups: Vec<&str> = Vec::new();
    for node in results.nodes.iter().filter(|run| run.replication == 1).flat_map(|run| &run.items) {
        if !groups.contains(&group(node)) && groups.len() < GROUPS {
            groups.push(group(node));
        }
    }
    let most = if sheet.is_narrow() { NARROW } else { usize::MAX };
    let strategies: Vec<(usize, &String)> = apart(results).take(most).collect();
    let count = strategies.len();
    let subtitle = format!(
        "Reserved at the end{which}: a dot per node, coloured for CPU and grey for memory; line: mean{}",
        others(results, count)
    );
    let room = sheet.frame(&title(results), &subtitle, &footer(results));
    let columns = match (count, groups.len()) {
        (1, _) => 1,
        (3 | 5..=9, 1) => 3,
        (10.., 1) => 4,
        _ => 2,
    };
    let highest =
        results.nodes.iter().flat_map(|run| &run.items).map(|node| node.cpu_reserved.max(node.memory_reserved));
    let high = highest.fold(0.0, f64::max) * 100.0;
    let panels = grid(room, count, sheet.columns(columns));
    let left = panels.first().map_or(0, |panel| panel.x0);
    for ((index, strategy), room) in strategies.into_iter().zip(panels) {
        let title = if room.x0 == left { "reserved (%)" } else { "" };
        // Words stand above the fullest nodes.
        let y = Axis::linear(0.0, high * 1.15, 6, title);
        let each = (room.x1 - room.x0 - 250) / groups.len() as i32;
        let names: Vec<String> = match groups.len() {
            1 => vec!["CPU".into(), "memory".into()],
            _ => groups.iter().map(|group| fitted(&outside::shown(group), TEXT, false, each)).collect(),
        };
        // Each group has two strips, under one name if there are several groups.
        let share = names.len() as f64 / (2 * groups.len()) as f64;
        let panel = Panel::within(room, Axis::named(names, ""), y);
        panel.axes(sheet);
        let look = look(index);
        let name = fitted(&outside::shown(strategy), TEXT, true, room.x1 - room.x0);
        sheet.text(&name, (panel.rect.x0, room.y0 - 50), TEXT, look.color, true, Anchor::Left);
        let nodes: Vec<&NodeRow> = results
            .nodes
            .iter()
            .filter(|run| run.strategy == *strategy && run.replication == 1)
            .flat_map(|run| &run.items)
            .collect();
        for (at, name) in groups.iter().enumerate() {
            let within = || nodes.iter().filter(|node| group(node) == *name);
            let cpu: Vec<(&str, f64)> = within().map(|node| (node.node.as_str(), node.cpu_reserved * 100.0)).collect();
            let memory: Vec<(&str, f64)> =
                within().map(|node| (node.node.as_str(), node.memory_reserved * 100.0)).collect();
            let place = 2.0 * at as f64 * share;
            strip(sheet, &panel, (place, place + share), &cpu, look.color, "CPU");
            strip(sheet, &panel, (place + share, place + 2.0 * share), &memory, GREY, "memory");
        }
    }
}

/// Dots of equal height stand side by side, as many as there are nodes with that share.
fn strip(
    sheet: &mut Sheet,
    panel: &Panel,
    (from, to): (f64, f64),
    nodes: &[(&str, f64)],
    color: plotters::style::RGBColor,
    what: &str,
) {
    let middle = (from + to) / 2.0;
    let reach = ((panel.at(to, 0.0).0 - panel.at(from, 0.0).0) * 2 / 5).max(1);
    let radius = if nodes.len() > 200 { 7 } else { 14 };
    let (step, mut sorted) = (2 * radius - 2, nodes.to_vec());
    sorted.sort_by(|one, two| one.1.total_cmp(&two.1));
    let mut at = 0;
    while at < sorted.len() {
        let y = panel.at(middle, sorted[at].1).1;
        let row = sorted[at..].iter().take_while(|node| y - panel.at(middle, node.1).1 < 2 * radius - 2).count();
        let wide = (row as i32 - 1).min(2 * reach / step);
        for dot in 0..=wide {
            let x = panel.at(middle, 0.0).0 - wide * step / 2 + dot * step;
            sheet.dot((x, y), radius, color, 0.75);
        }
        let named: Vec<String> = sorted[at..at + row].iter().take(8).map(|node| outside::shown(node.0)).collect();
        let more = if row > 8 { format!(" and {} more", row - 8) } else { String::new() };
        let x = panel.at(middle, 0.0).0;
        let rect =
            Rect { x0: x - wide * step / 2 - radius, y0: y - radius, x1: x + wide * step / 2 + radius, y1: y + radius };
        sheet.tip(rect, format!("{what} {} %: {}{more}", text::short(sorted[at].1), named.join(", ")));
        at += row;
    }
    let shares: Vec<f64> = nodes.iter().map(|node| node.1).collect();
    if let Some(mean) = stats::mean(&shares) {
        let (x, y) = panel.at(middle, mean);
        sheet.line(&[(x - reach, y), (x + reach, y)], INK, 5, &[]);
        let most = shares.iter().copied().fold(0.0, f64::max);
        let words = match nodes.len() {
            1 => format!("{} %", text::short(mean.round())),
            _ => format!("{} %, most {} %", text::short(mean.round()), text::short(most.round())),
        };
        let top = panel.at(middle, most).1;
        let fits = crisp::text_width(&words, f64::from(NOTE), false) <= 2 * reach;
        if fits && panel.rect.y1 - panel.rect.y0 > 10 * NOTE {
            sheet.text(&words, (x, top - radius - 12), NOTE, INK, false, Anchor::Bottom);
        }
    }
}

/// What came out, in one line.
fn title(results: &Results) -> String {
    let fullest = |strategy: &String| {
        let run = results.nodes.iter().find(|run| run.strategy == *strategy && run.replication == 1)?;
        run.items.iter().map(|node| node.cpu_reserved.max(node.memory_reserved)).max_by(f64::total_cmp)
    };
    let all: Vec<(&String, f64)> =
        results.manifest.strategies.iter().filter_map(|name| Some((name, fullest(name)?))).collect();
    let percent = |share: f64| text::short((share * 100.0).round());
    let least = all.iter().min_by(|one, two| one.1.total_cmp(&two.1));
    let most = all.iter().rev().max_by(|one, two| one.1.total_cmp(&two.1));
    outside::shown(&match (least, most) {
        (Some(least), Some(most)) if least.1 < most.1 => {
            format!(
                "The fullest node is full to {} % under {}, to {} % under {}",
                percent(least.1),
                least.0,
                percent(most.1),
                most.0
            )
        }
        (Some(least), _) => format!("The fullest node is full to {} %", percent(least.1)),
        _ => String::new(),
    })
}
