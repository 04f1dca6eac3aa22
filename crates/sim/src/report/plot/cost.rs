//! What a decision and an event cost against the size of cluster and queue, beside references recorded elsewhere.

use std::io;

use plotters::style::RGBColor;

use super::axis::Axis;
use super::colors::{INK, Look, look};
use super::crisp;
use super::sheet::{self, Anchor, NOTE, Panel, Rect, Sheet, Size, TEXT};
use crate::outside;
use crate::report::text;

/// Height of a mark on a line, by two.
const MARK: i32 = 13;

/// A line of the picture.
struct Curve {
    kind: String,
    who: String,
    /// Size and nanoseconds.
    points: Vec<(f64, f64)>,
}

/// Draws the table of `simctl bench`: the bytes of a PNG file.
///
/// # Errors
///
/// If a size or a time in the table is not a number.
pub fn draw(csv: &str, tool: &str) -> io::Result<Vec<u8>> {
    let curves = read(csv)?;
    let drawing = sheet::picture(Size::Screen, |sheet| {
        let subtitle = "one run of simctl bench on one machine: CPU time, median of rounds; dashed: recorded elsewhere";
        let footer = format!("{tool}  ·  simctl bench  ·  references: see bench.csv and results/performance/README.md");
        let room = sheet.frame("What does a decision cost, and an event?", subtitle, &footer);
        let middle = (room.x0 + room.x1) / 2;
        let halves = [Rect { x1: middle - 40, ..room }, Rect { x0: middle + 40, ..room }];
        let placement: Vec<&Curve> = curves.iter().filter(|curve| curve.kind != "event").collect();
        let engine: Vec<&Curve> = curves.iter().filter(|curve| curve.kind == "event").collect();
        panel(sheet, halves[0], "nodes", "time per decision", &placement);
        panel(sheet, halves[1], "pending events", "time per event", &engine);
    });
    Ok(crisp::png(&drawing))
}

fn read(csv: &str) -> io::Result<Vec<Curve>> {
    let mut curves: Vec<Curve> = Vec::new();
    for record in csv::Reader::from_reader(csv.as_bytes()).records() {
        let record = record?;
        let number = |at: usize| {
            let cell = record.get(at).unwrap_or_default();
            cell.parse::<f64>().map_err(|_| io::Error::other(format!("'{}' is not a number", outside::shown(cell))))
        };
        let (kind, who) = (record.get(0).unwrap_or_default(), record.get(2).unwrap_or_default());
        let point = (number(1)?, number(5)?);
        match curves.iter_mut().find(|curve| curve.kind == kind && curve.who == who) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve { kind: kind.into(), who: who.into(), points: vec![point] }),
        }
    }
    Ok(curves)
}

/// A panel with logarithmic axes and a name at the end of each line.
fn panel(sheet: &mut Sheet, room: Rect, x: &str, y: &str, curves: &[&Curve]) {
    let points = || curves.iter().flat_map(|curve| curve.points.iter());
    let range = |of: fn(&(f64, f64)) -> f64| {
        let values = points().map(of);
        (values.clone().fold(f64::INFINITY, f64::min), values.fold(1.0, f64::max))
    };
    let ((x_low, x_high), (y_low, y_high)) = (range(|point| point.0), range(|point| point.1));
    if points().next().is_none() {
        return;
    }
    let decades = |low: f64, high: f64| {
        let power = |value: f64| libm::pow(10.0, value);
        (power(libm::floor(libm::log10(low))), power(libm::ceil(libm::log10(high))))
    };
    let (low, high) = decades(y_low, y_high);
    let mut y = Axis::logarithmic(low, high, y);
    y.ticks = (-1..12).map(|power| libm::pow(10.0, f64::from(power))).map(|nanos| (nanos, span(nanos))).collect();
    y.ticks.retain(|tick| (low..=high).contains(&tick.0));
    let mut x = Axis::logarithmic(x_low, x_high, x);
    x.ticks.retain(|tick| libm::log10(tick.0).fract().abs() < 1e-9);
    // Room for the names at the right.
    let panel = Panel::within(Rect { x1: room.x1 - 430, y0: room.y0 + 30, ..room }, x, y);
    panel.axes(sheet);
    let mut names: Vec<(i32, String, String, RGBColor)> = Vec::new();
    for curve in curves {
        let look = appearance(curve);
        panel.line(sheet, &curve.points, look, if curve.who == "simctl" { 13 } else { 8 });
        for &(x, y) in &curve.points {
            let (x, y) = panel.at(x, y);
            sheet.block(Rect { x0: x - MARK, y0: y - MARK, x1: x + MARK, y1: y + MARK }, look.color, 1.0);
        }
        if let Some(&(x, y)) = curve.points.last() {
            let what = match curve.kind.as_str() {
                "single" => ", one task",
                "group" => ", of 100,000",
                _ => "",
            };
            names.push((panel.at(x, y).1, format!("{}{what}", curve.who), span(y), look.color));
        }
    }
    // Names that would stand on each other move apart. The last value stands below its name, clear of all lines.
    names.sort_by_key(|name| name.0);
    let mut above = i32::MIN / 2;
    for (y, name, value, color) in names {
        let y = y.max(above + 2 * TEXT + 16);
        sheet.text(&name, (panel.rect.x1 + 35, y), NOTE, color, true, Anchor::Left);
        sheet.text(&value, (panel.rect.x1 + 35, y + TEXT + 4), NOTE, INK, false, Anchor::Left);
        above = y;
    }
}

fn appearance(curve: &Curve) -> Look {
    let index = match (curve.who.as_str(), curve.kind.as_str()) {
        ("simctl", "group") => 2,
        ("simctl", _) => 0,
        ("simcore", _) => 3,
        (_, "group") => 4,
        _ => 1,
    };
    let dashes: &'static [i32] = if curve.who == "simctl" { &[] } else { &[44, 20] };
    Look { dashes, ..look(index) }
}

/// Nanoseconds with their unit.
fn span(nanos: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let (factor, unit) = units.into_iter().find(|(factor, _)| *factor <= nanos).unwrap_or((1.0, "ns"));
    let value = nanos / factor;
    format!("{} {unit}", text::short(if value < 10.0 { (value * 10.0).round() / 10.0 } else { value.round() }))
}
