//! How full nodes are at the end: a dot per node for its CPUs and one for its memory, by rack or pool, a panel per strategy.

use std::collections::BTreeSet;

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
/// More nodes have small dots.
const SMALL: usize = 200;
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

/// What nodes are told apart by: their racks if there are few, or else their pools.
fn group(node: &NodeRow, by_rack: bool) -> &str {
    if by_rack && !node.rack.is_empty() { &node.rack } else { &node.pool }
}

/// A panel for each strategy with the nodes of replication 1.
pub fn draw(results: &Results, sheet: &mut Sheet) {
    let which = if results.manifest.replications > 1 { ", replication 1" } else { "" };
    let racks: BTreeSet<&str> =
        results.nodes.iter().flat_map(|run| &run.items).map(|node| node.rack.as_str()).collect();
    let by_rack = racks.len() <= GROUPS;
    let mut groups: Vec<&str> = Vec::new();
    for node in results.nodes.iter().filter(|run| run.replication == 1).flat_map(|run| &run.items) {
        if !groups.contains(&group(node, by_rack)) && groups.len() < GROUPS {
            groups.push(group(node, by_rack));
        }
    }
    let most = if sheet.is_narrow() { NARROW } else { usize::MAX };
    let strategies: Vec<(usize, &String)> = apart(results).take(most).collect();
    let count = strategies.len();
    let subtitle = format!(
        "Reserved at the end{which}: a dot per node (many: bars as wide as their number), CPU coloured, memory grey; line: mean{}",
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
            let within = || nodes.iter().filter(|node| group(node, by_rack) == *name);
            let cpu: Vec<(&str, f64)> = within().map(|node| (node.node.as_str(), node.cpu_reserved * 100.0)).collect();
            let memory: Vec<(&str, f64)> =
                within().map(|node| (node.node.as_str(), node.memory_reserved * 100.0)).collect();
            let place = 2.0 * at as f64 * share;
            strip(sheet, &panel, (place, place + share), &cpu, look.color, "CPU");
            strip(sheet, &panel, (place + share, place + 2.0 * share), &memory, GREY, "memory");
        }
    }
}

/// Dots of about equal height stand side by side.
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
    let radius = if nodes.len() > SMALL { 7 } else { 14 };
    let (step, mut sorted) = (2 * radius - 2, nodes.to_vec());
    sorted.sort_by(|one, two| one.1.total_cmp(&two.1));
    let mut rows: Vec<(i32, &[(&str, f64)])> = Vec::new();
    let mut rest = sorted.as_slice();
    while let Some(first) = rest.first() {
        let y = panel.at(middle, first.1).1;
        let count = rest.iter().take_while(|node| y - panel.at(middle, node.1).1 < step).count();
        rows.push((y, &rest[..count]));
        rest = &rest[count..];
    }
    let x = panel.at(middle, 0.0).0;
    let most = rows.iter().map(|row| row.1.len()).max().unwrap_or(0) as i32;
    // Where dots find no room side by side, bars are as wide as the number of nodes.
    let are_bars = most * step > 2 * reach;
    for (y, row) in rows {
        let count = row.len() as i32;
        let half = if are_bars { (reach * count / most).max(2) } else { (count - 1) * step / 2 + radius };
        let rect = Rect { x0: x - half, y0: y - radius + 1, x1: x + half, y1: y + radius - 1 };
        if are_bars {
            sheet.block(rect, color, 0.75);
        } else {
            (0..count).for_each(|dot| sheet.dot((rect.x0 + radius + dot * step, y), radius, color, 0.75));
        }
        let named: Vec<String> = row.iter().take(8).map(|node| outside::shown(node.0)).collect();
        let more = if row.len() > 8 { format!(" and {} more", row.len() - 8) } else { String::new() };
        sheet.tip(rect, format!("{what} {} %: {}{more}", text::short(row[0].1), named.join(", ")));
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
