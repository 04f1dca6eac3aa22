//! The vocabulary of the pictures: a sheet with title and footer, panels with axes, lines, bands, bars and text.
//!
//! All lengths are canvas pixels, of which the saved picture has half as many in each direction.

use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle};
use plotters_backend::DrawingBackend;

use super::axis::Axis;
use super::colors::{GREY, GRID, INK, Look};
use super::crisp::{self, Crisp};

/// Size of the text of axes and legends.
pub const TEXT: i32 = 54;
/// Size of notes and the footer.
pub const NOTE: i32 = 44;

/// A rectangle of the canvas.
#[derive(Clone, Copy, Debug)]
pub struct Rect {
    /// Left.
    pub x0: i32,
    /// Top.
    pub y0: i32,
    /// Right.
    pub x1: i32,
    /// Bottom.
    pub y1: i32,
}

/// Where text stands in relation to its point.
#[derive(Clone, Copy, Debug)]
pub enum Anchor {
    /// To the right of the point, centred in height.
    Left,
    /// Around the point.
    Center,
    /// To the left of the point, centred in height.
    Right,
    /// Above the point, centred in width.
    Bottom,
}

/// A picture in the making.
pub struct Sheet<'a> {
    canvas: Crisp<'a>,
}

/// Draws a sheet with `draw`: the bytes of a PNG file.
pub fn picture(draw: impl FnOnce(&mut Sheet)) -> Vec<u8> {
    let mut pixels = crisp::blank();
    draw(&mut Sheet { canvas: Crisp::new(&mut pixels) });
    crisp::png(&pixels)
}

impl Sheet<'_> {
    /// Writes title, subtitle and footer, and returns the room between them.
    pub fn frame(&mut self, title: &str, subtitle: &str, footer: &str) -> Rect {
        let (left, width) = (100, crisp::WIDTH as i32 - 200);
        self.text(&fitted(title, 84, true, width), (left, 95), 84, INK, true, Anchor::Left);
        self.text(&fitted(subtitle, TEXT, false, width), (left, 190), TEXT, GREY, false, Anchor::Left);
        let bottom = crisp::HEIGHT as i32 - 55;
        self.text(&fitted(footer, NOTE, false, width), (left, bottom), NOTE, GREY, false, Anchor::Left);
        Rect { x0: left, y0: 250, x1: left + width, y1: bottom - 50 }
    }

    /// Writes one line of text.
    pub fn text(&mut self, text: &str, at: (i32, i32), size: i32, color: RGBColor, bold: bool, anchor: Anchor) {
        self.turned(text, at, size, color, bold, anchor, FontTransform::None);
    }

    /// Writes one line of text upwards, around `at`.
    pub fn upright(&mut self, text: &str, at: (i32, i32), size: i32, color: RGBColor) {
        self.turned(text, at, size, color, false, Anchor::Center, FontTransform::Rotate270);
    }

    #[expect(clippy::too_many_arguments, reason = "the one place that knows plotters' text")]
    fn turned(
        &mut self,
        text: &str,
        at: (i32, i32),
        size: i32,
        color: RGBColor,
        bold: bool,
        anchor: Anchor,
        transform: FontTransform,
    ) {
        let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = FontDesc::new(FontFamily::SansSerif, f64::from(size), style).transform(transform);
        let pos = match anchor {
            Anchor::Left => Pos::new(HPos::Left, VPos::Center),
            Anchor::Center => Pos::new(HPos::Center, VPos::Center),
            Anchor::Right => Pos::new(HPos::Right, VPos::Center),
            Anchor::Bottom => Pos::new(HPos::Center, VPos::Bottom),
        };
        let style = TextStyle::from(font).color(&color).pos(pos);
        drawn(self.canvas.draw_text(text, &style, at));
    }

    /// Draws a line through points, solid or dashed.
    pub fn line(&mut self, points: &[(i32, i32)], color: RGBColor, width: u32, dashes: &[i32]) {
        let style = ShapeStyle { color: color.mix(1.0), filled: true, stroke_width: width };
        if dashes.is_empty() {
            drawn(self.canvas.draw_path(points.iter().copied(), &style));
            return;
        }
        for piece in dashed(points, dashes) {
            drawn(self.canvas.draw_path(piece, &style));
        }
    }

    /// Fills a rectangle.
    pub fn block(&mut self, rect: Rect, color: RGBColor, opacity: f64) {
        let style = ShapeStyle { color: color.mix(opacity), filled: true, stroke_width: 0 };
        drawn(self.canvas.draw_rect((rect.x0, rect.y0), (rect.x1, rect.y1), &style, true));
    }

    /// Writes a legend from left to right, centred in height on `y`, ending at `right`.
    pub fn legend(&mut self, entries: &[(String, Sample)], right: i32, y: i32) {
        let (sample, gap) = (130, 60);
        let width: i32 =
            entries.iter().map(|(text, _)| sample + 20 + crisp::text_width(text, f64::from(TEXT), false) + gap).sum();
        let mut x = right - width + gap;
        for (text, look) in entries {
            match *look {
                Sample::Line(look, width) => self.line(&[(x, y), (x + sample, y)], look.color, width, look.dashes),
                Sample::Band(color) => self.block(Rect { x0: x, y0: y - 22, x1: x + sample, y1: y + 22 }, color, 0.25),
            }
            x += sample + 20;
            self.text(text, (x, y), TEXT, INK, false, Anchor::Left);
            x += crisp::text_width(text, f64::from(TEXT), false) + gap;
        }
    }
}

/// What a legend shows beside a text.
#[derive(Clone, Copy, Debug)]
pub enum Sample {
    /// A line of some width.
    Line(Look, u32),
    /// A light area.
    Band(RGBColor),
}

/// A plotting area with its axes.
pub struct Panel {
    /// The area inside the axes.
    pub rect: Rect,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
}

impl Panel {
    /// The panel that fills `room` with its axes' labels.
    pub fn within(room: Rect, x: Axis, y: Axis) -> Panel {
        let widest = y.ticks.iter().map(|tick| crisp::text_width(&tick.1, f64::from(TEXT), false)).max().unwrap_or(0);
        let left = room.x0 + widest + 25 + if y.title.is_empty() { 0 } else { 85 };
        let below = (if x.ticks.iter().all(|tick| tick.1.is_empty()) { 10 } else { 80 })
            + if x.title.is_empty() { 0 } else { 70 };
        Panel { rect: Rect { x0: left, y0: room.y0, x1: room.x1, y1: room.y1 - below }, x, y }
    }

    /// Canvas position of a point, which may lie outside.
    pub fn at(&self, x: f64, y: f64) -> (i32, i32) {
        let Rect { x0, y0, x1, y1 } = self.rect;
        let place = |share: f64, from: i32, to: i32| {
            (f64::from(from) + share.clamp(-1.0, 2.0) * f64::from(to - from)).round() as i32
        };
        (place(self.x.share(x), x0, x1), place(self.y.share(y), y1, y0))
    }

    /// Draws grid, ticks and titles.
    pub fn axes(&self, sheet: &mut Sheet) {
        let Rect { x0, y0, x1, y1 } = self.rect;
        for (value, label) in &self.y.ticks {
            let y = self.at(self.x.low, *value).1;
            sheet.line(&[(x0, y), (x1, y)], GRID, 2, &[]);
            sheet.text(label, (x0 - 22, y), TEXT, INK, false, Anchor::Right);
        }
        for (value, label) in &self.x.ticks {
            let x = self.at(*value, self.y.low).0;
            if self.x.grid {
                sheet.line(&[(x, y0), (x, y1)], GRID, 2, &[]);
                sheet.line(&[(x, y1), (x, y1 + 14)], INK, 3, &[]);
            }
            sheet.text(label, (x, y1 + 46), TEXT, INK, false, Anchor::Center);
        }
        sheet.line(&[(x0, y0), (x0, y1), (x1, y1)], INK, 3, &[]);
        let title_y = y1 + if self.x.ticks.is_empty() { 45 } else { 115 };
        sheet.text(&self.x.title, ((x0 + x1) / 2, title_y), TEXT, INK, false, Anchor::Center);
        if !self.y.title.is_empty() {
            let widest =
                self.y.ticks.iter().map(|tick| crisp::text_width(&tick.1, f64::from(TEXT), false)).max().unwrap_or(0);
            sheet.upright(&self.y.title, (x0 - widest - 70, (y0 + y1) / 2), TEXT, INK);
        }
    }

    /// Draws a line through values, cut where it leaves the area upwards or downwards.
    pub fn line(&self, sheet: &mut Sheet, values: &[(f64, f64)], look: Look, width: u32) {
        let mut piece: Vec<(i32, i32)> = Vec::new();
        for pair in values.windows(2) {
            match self.cut(pair[0], pair[1]) {
                None => sheet.line(&std::mem::take(&mut piece), look.color, width, look.dashes),
                Some((from, to)) => {
                    let (from, to) = (self.at(from.0, from.1), self.at(to.0, to.1));
                    if piece.last() != Some(&from) {
                        sheet.line(&std::mem::take(&mut piece), look.color, width, look.dashes);
                        piece.push(from);
                    }
                    piece.push(to);
                }
            }
        }
        sheet.line(&piece, look.color, width, look.dashes);
    }

    /// Fills the area between a lower and an upper line of equal x.
    pub fn band(&self, sheet: &mut Sheet, values: &[(f64, f64, f64)], color: RGBColor) {
        let inside = |y: f64| y.clamp(self.y.low, self.y.high);
        // Column by column: a long thin polygon crosses itself where the band has no width.
        for pair in values.windows(2) {
            let (from, to) = (self.at(pair[0].0, inside(pair[0].1)), self.at(pair[1].0, inside(pair[1].1)));
            let (from_high, to_high) =
                (self.at(pair[0].0, inside(pair[0].2)).1, self.at(pair[1].0, inside(pair[1].2)).1);
            for x in from.0..to.0 {
                let share = f64::from(x - from.0) / f64::from(to.0 - from.0);
                let between = |a: i32, b: i32| (f64::from(a) + share * f64::from(b - a)).round() as i32;
                let (low, high) = (between(from.1, to.1), between(from_high, to_high));
                if high < low {
                    sheet.block(Rect { x0: x, y0: high, x1: x, y1: low }, color, 0.25);
                }
            }
        }
    }

    fn cut(&self, from: (f64, f64), to: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
        let (low, high) = (self.y.low, self.y.high);
        if (from.1 < low && to.1 < low) || (high < from.1 && high < to.1) {
            return None;
        }
        let inside = |at: (f64, f64), other: (f64, f64)| {
            let y = at.1.clamp(low, high);
            if y == at.1 { at } else { (at.0 + (other.0 - at.0) * (y - at.1) / (other.1 - at.1), y) }
        };
        Some((inside(from, to), inside(to, from)))
    }
}

/// The text, shortened with an ellipsis to a width.
pub fn fitted(text: &str, size: i32, bold: bool, width: i32) -> String {
    let fits = |text: &str| crisp::text_width(text, f64::from(size), bold) <= width;
    if fits(text) {
        return text.to_string();
    }
    let mut short: Vec<char> = text.chars().take(400).collect();
    while !short.is_empty() && !fits(&format!("{}…", short.iter().collect::<String>().trim_end())) {
        short.pop();
    }
    format!("{}…", short.into_iter().collect::<String>().trim_end())
}

/// Cuts a line into dashes.
fn dashed(points: &[(i32, i32)], dashes: &[i32]) -> Vec<Vec<(i32, i32)>> {
    let (mut pieces, mut piece) = (Vec::new(), Vec::new());
    let (mut at, mut left) = (0, f64::from(dashes[0]));
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
        let length = dx.hypot(dy);
        let place = |done: f64| {
            (
                (f64::from(from.0) + dx * done / length).round() as i32,
                (f64::from(from.1) + dy * done / length).round() as i32,
            )
        };
        let mut done = 0.0;
        while done < length {
            let step = left.min(length - done);
            if at % 2 == 0 {
                if piece.is_empty() {
                    piece.push(place(done));
                }
                piece.push(place(done + step));
            }
            (done, left) = (done + step, left - step);
            if left <= 0.0 {
                pieces.push(std::mem::take(&mut piece));
                at = (at + 1) % dashes.len();
                left = f64::from(dashes[at]);
            }
        }
    }
    pieces.push(piece);
    pieces.retain(|piece| piece.len() > 1);
    pieces
}

/// Drawing into memory does not fail.
fn drawn<E: std::fmt::Debug>(result: Result<(), E>) {
    result.expect("drawing into memory does not fail");
}
