//! Pictures as SVG: files for papers, and parts of an HTML page.
//!
//! Text is written as text, so that it can be searched, copied and read aloud, with the width that it has in the embedded
//! font (`textLength`): another font that stands in for Roboto is set a little wider or narrower and nothing runs into
//! anything. plotters' own SVG has neither that nor `<title>` nor dashes, so the shapes are written here.

use std::fmt::Write as _;

use plotters::style::RGBColor;

use super::crisp;
use super::sheet::{Anchor, Drawing, Shape};
use crate::outside;

/// The text of an SVG file, as wide as its column on paper. Nothing is told to who points at it.
pub fn file(drawing: &Drawing) -> String {
    let (width, height) = drawing.size.canvas();
    let wide = drawing.size.millimetres();
    let high = wide * f64::from(height) / f64::from(width);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide}mm\" height=\"{high:.2}mm\" viewBox=\"0 0 {width} {height}\" \
         {FONT}>\n<path d=\"M0 0H{width}V{height}H0z\" fill=\"#ffffff\"/>\n"
    );
    for shape in &drawing.shapes {
        write(&mut out, shape, &|kind, color| format!(" {kind}=\"#{}\"", hex(color)));
    }
    out.push_str("</svg>\n");
    out
}

/// An `<svg>` element of a page. Colours are classes, `f` or `s` and six digits, for fill and stroke, so that the page decides
/// about them; what pointing tells has the class `t`, if it `tells`.
pub fn element(drawing: &Drawing, label: &str, tells: bool) -> String {
    let (width, height) = drawing.size.canvas();
    let label = escaped(label);
    let mut out = format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\" {FONT}>\n");
    for shape in &drawing.shapes {
        match shape {
            Shape::Tip { rect, text } if tells => {
                let (wide, high) = (rect.x1 - rect.x0, rect.y1 - rect.y0);
                let lines: Vec<String> = text.split('\n').map(escaped).collect();
                let _ = writeln!(
                    out,
                    "<rect class=\"t\" x=\"{}\" y=\"{}\" width=\"{wide}\" height=\"{high}\"><title>{}</title></rect>",
                    rect.x0,
                    rect.y0,
                    lines.join("\n")
                );
            }
            _ => write(&mut out, shape, &|kind, color| format!(" class=\"{}{}\"", &kind[..1], hex(color))),
        }
    }
    out.push_str("</svg>\n");
    out
}

/// Roboto, or what is like it.
const FONT: &str = "fill=\"none\" font-family=\"Roboto, Arial, Helvetica, 'Liberation Sans', sans-serif\"";

/// A colour as six hexadecimal digits.
pub fn hex(color: RGBColor) -> String {
    format!("{:02x}{:02x}{:02x}", color.0, color.1, color.2)
}

/// Text that is no markup, in an element or an attribute, on one line.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in outside::shown(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// Adds a shape. `paint` makes the attribute of a colour that is a `fill` or a `stroke`.
fn write(out: &mut String, shape: &Shape, paint: &dyn Fn(&str, RGBColor) -> String) {
    let faint = |opacity: f64| if opacity < 1.0 { format!(" opacity=\"{opacity}\"") } else { String::new() };
    let _ = match shape {
        Shape::Text { text, at, size, color, bold, anchor, upright } => {
            let shown = outside::shown(text);
            if shown.is_empty() {
                return;
            }
            let (x, y) = (at.0, f64::from(at.1) + crisp::baseline(*anchor, *size, *bold));
            let _ = write!(out, "<text x=\"{x}\" y=\"{y:.0}\" font-size=\"{size}\"{}", paint("fill", *color));
            out.push_str(match anchor {
                Anchor::Left => "",
                Anchor::Center | Anchor::Bottom => " text-anchor=\"middle\"",
                Anchor::Right => " text-anchor=\"end\"",
            });
            if *bold {
                out.push_str(" font-weight=\"700\"");
            }
            if shown.chars().nth(1).is_some() {
                let width = crisp::text_width(&shown, f64::from(*size), *bold);
                let _ = write!(out, " textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\"");
            }
            if *upright {
                let _ = write!(out, " transform=\"rotate(-90 {x} {})\"", at.1);
            }
            writeln!(out, ">{}</text>", escaped(&shown))
        }
        Shape::Line { points, color, width, dashes } => {
            let stroke = paint("stroke", *color);
            let dashes = match dashes.as_slice() {
                [] => String::new(),
                dashes => {
                    let lengths: Vec<String> = dashes.iter().map(ToString::to_string).collect();
                    format!(" stroke-dasharray=\"{}\"", lengths.join(" "))
                }
            };
            let join = if points.len() > 2 { " stroke-linejoin=\"round\"" } else { "" };
            writeln!(out, "<path d=\"{}\"{stroke} stroke-width=\"{width}\"{dashes}{join}/>", path(points))
        }
        Shape::Block { rect, color, opacity } => {
            let (x, y) = (rect.x0, rect.y0);
            let (wide, high) = (rect.x1 - rect.x0 + 1, rect.y1 - rect.y0 + 1);
            let (fill, faint) = (paint("fill", *color), faint(*opacity));
            writeln!(out, "<path d=\"M{x} {y}h{wide}v{high}h{}z\"{fill}{faint}/>", -wide)
        }
        Shape::Band { points, color, opacity } => {
            let upper = points.iter().map(|point| (point.0, point.2));
            let lower = points.iter().rev().map(|point| (point.0, point.1));
            let around: Vec<(i32, i32)> = upper.chain(lower).collect();
            writeln!(out, "<path d=\"{}z\"{}{}/>", path(&around), paint("fill", *color), faint(*opacity))
        }
        Shape::Dot { at, radius, color, opacity } => {
            let (fill, faint) = (paint("fill", *color), faint(*opacity));
            writeln!(out, "<circle cx=\"{}\" cy=\"{}\" r=\"{radius}\"{fill}{faint}/>", at.0, at.1)
        }
        Shape::Tip { .. } => Ok(()),
    };
}

/// The points of a line, each but the first relative to the one before; those in the middle of a level or upright piece go.
fn path(points: &[(i32, i32)]) -> String {
    let mut out = String::new();
    let mut last = (0, 0);
    for (place, &(x, y)) in points.iter().enumerate() {
        if place == 0 {
            let _ = write!(out, "M{x} {y}");
            last = (x, y);
            continue;
        }
        let goes_on = |next: &(i32, i32)| {
            let between = |from: i32, at: i32, to: i32| (from..=to).contains(&at) || (to..=from).contains(&at);
            (last.1 == y && y == next.1 && between(last.0, x, next.0))
                || (last.0 == x && x == next.0 && between(last.1, y, next.1))
        };
        if (x, y) == last || points.get(place + 1).is_some_and(goes_on) {
            continue;
        }
        let (dx, dy) = (x - last.0, y - last.1);
        let _ = match (dx, dy) {
            (dx, 0) => write!(out, "h{dx}"),
            (0, dy) => write!(out, "v{dy}"),
            (dx, dy) => write!(out, "l{dx} {dy}"),
        };
        last = (x, y);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_corners_of_its_line() {
        assert_eq!(path(&[(0, 5), (10, 5), (20, 5), (20, 5), (20, 0), (23, 4)]), "M0 5h20v-5l3 4");
        // There and back again is a line to its farthest point.
        assert_eq!(path(&[(0, 0), (10, 0), (4, 0)]), "M0 0h10h-6");
    }

    #[test]
    fn no_text_is_markup() {
        assert_eq!(escaped("<script a=\"b\">&\u{1b}\n"), "&lt;script a=&quot;b&quot;&gt;&amp;\\u{1b} ");
    }
}
