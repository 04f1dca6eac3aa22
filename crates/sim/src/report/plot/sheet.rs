//! The vocabulary of the pictures: a sheet with title and footer, panels with axes, lines, bands, bars, dots and text.
//!
//! A sheet keeps what is drawn as shapes, which [`super::crisp`], [`super::svg`] and [`super::pdf`] turn into files, so that
//! a picture is the same in each of them. All lengths are canvas pixels.

use plotters::style::RGBColor;

use super::axis::Axis;
use super::colors::{GREY, GRID, INK, Look};
use super::crisp;
use crate::report::text;

/// Size of the text of axes and legends.
pub const TEXT: i32 = 54;
/// Size of notes and the footer.
pub const NOTE: i32 = 44;
/// Lines at least so wide show data, and tell their values where a form of the picture can.
const DATA: u32 = 8;
/// Distance of two values that a line tells.
const APART: i32 = 40;

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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

/// For what width a picture is drawn. Text has as many canvas pixels in each of them, so a narrower canvas means larger
/// letters on the same paper.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    /// A screen: 4000 by 2400 canvas pixels, of which a PNG file has half in each direction.
    Screen,
    /// Both columns of a journal, 175 mm: letters of 7.9 pt, notes of 6.4 pt.
    Double,
    /// One column of a journal, 85 mm, or a telephone: letters of 7.7 pt, notes of 6.2 pt.
    Single,
}

impl Size {
    /// Width and height of the canvas.
    pub fn canvas(self) -> (i32, i32) {
        match self {
            Size::Screen => (4000, 2400),
            Size::Double => (3400, 2200),
            Size::Single => (1700, 2100),
        }
    }

    /// Width on paper, in millimetres.
    pub fn millimetres(self) -> f64 {
        if self == Size::Single { 85.0 } else { 175.0 }
    }
}

/// Something drawn.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A line of text.
    Text {
        /// What it says.
        text: String,
        /// Its point.
        at: (i32, i32),
        /// Canvas pixels per em.
        size: i32,
        /// Its colour.
        color: RGBColor,
        /// Whether letters are bold.
        bold: bool,
        /// Where it stands in relation to its point.
        anchor: Anchor,
        /// Whether it runs upwards.
        upright: bool,
    },
    /// A line through points.
    Line {
        /// Two points or more.
        points: Vec<(i32, i32)>,
        /// Its colour.
        color: RGBColor,
        /// Its width.
        width: u32,
        /// Lengths of dash, gap, dash, …; empty is a solid line.
        dashes: Vec<i32>,
    },
    /// A filled rectangle, both corners included.
    Block {
        /// Where.
        rect: Rect,
        /// Its colour.
        color: RGBColor,
        /// From 0 to 1.
        opacity: f64,
    },
    /// The area between two lines of equal x: x, y of the lower and of the upper line.
    Band {
        /// From left to right.
        points: Vec<(i32, i32, i32)>,
        /// Its colour.
        color: RGBColor,
        /// From 0 to 1.
        opacity: f64,
    },
    /// A filled circle.
    Dot {
        /// Its centre.
        at: (i32, i32),
        /// Its radius.
        radius: i32,
        /// Its colour.
        color: RGBColor,
        /// From 0 to 1.
        opacity: f64,
    },
    /// What a reader who points at a rectangle is told; nothing on paper.
    Tip {
        /// Where.
        rect: Rect,
        /// The words.
        text: String,
    },
}

/// A picture as shapes, from the lowest to the uppermost.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// For what width it was drawn.
    pub size: Size,
    /// What it shows.
    pub shapes: Vec<Shape>,
}

/// A picture in the making.
pub struct Sheet {
    drawing: Drawing,
    /// Top of the room below the subtitle.
    top: i32,
    /// What the lines that follow are about.
    about: String,
}

/// Draws a sheet with `draw`.
pub fn picture(size: Size, draw: impl FnOnce(&mut Sheet)) -> Drawing {
    let mut sheet = Sheet { drawing: Drawing { size, shapes: Vec::new() }, top: 0, about: String::new() };
    draw(&mut sheet);
    sheet.drawing
}

impl Sheet {
    /// Whether it is as narrow as one column.
    pub fn is_narrow(&self) -> bool {
        self.drawing.size == Size::Single
    }

    /// As many columns of panels as wanted, if there is room for them.
    pub fn columns(&self, wanted: i32) -> i32 {
        if self.is_narrow() { wanted.min(2) } else { wanted }
    }

    /// Writes title, subtitle and footer, and returns the room between them. Where a screen has one line for each, paper
    /// has as many as are needed.
    pub fn frame(&mut self, title: &str, subtitle: &str, footer: &str) -> Rect {
        let (canvas_width, height) = self.drawing.size.canvas();
        let (left, head, lines) = match self.drawing.size {
            Size::Screen => (100, 84, 1),
            Size::Double => (60, 78, 2),
            Size::Single => (40, 66, 3),
        };
        let width = canvas_width - 2 * left;
        let mut y = 95 - head * 6 / 5;
        for line in wrapped(title, head, true, width, lines) {
            y += head * 6 / 5;
            self.text(&line, (left, y), head, INK, true, Anchor::Left);
        }
        y += 95 - 64;
        for line in wrapped(subtitle, TEXT, false, width, lines) {
            y += 64;
            self.text(&line, (left, y), TEXT, GREY, false, Anchor::Left);
        }
        self.top = y + 60;
        let footer = wrapped(footer, NOTE, false, width, lines);
        let mut bottom = height - 55 - 52 * (footer.len() as i32 - 1);
        // The last number of an axis reaches beyond it.
        let beyond = if self.drawing.size == Size::Screen { 0 } else { 40 };
        let room = Rect { x0: left, y0: self.top, x1: left + width - beyond, y1: bottom - 50 };
        for line in footer {
            self.text(&line, (left, bottom), NOTE, GREY, false, Anchor::Left);
            bottom += 52;
        }
        room
    }

    /// Writes one line of text.
    pub fn text(&mut self, text: &str, at: (i32, i32), size: i32, color: RGBColor, bold: bool, anchor: Anchor) {
        let text = text.to_string();
        self.draw(Shape::Text { text, at, size, color, bold, anchor, upright: false });
    }

    /// Writes one line of text upwards, around `at`.
    pub fn upright(&mut self, text: &str, at: (i32, i32), size: i32, color: RGBColor) {
        let (text, anchor) = (text.to_string(), Anchor::Center);
        self.draw(Shape::Text { text, at, size, color, bold: false, anchor, upright: true });
    }

    /// Draws a line through points, solid or dashed.
    pub fn line(&mut self, points: &[(i32, i32)], color: RGBColor, width: u32, dashes: &[i32]) {
        if points.len() > 1 {
            self.draw(Shape::Line { points: points.into(), color, width, dashes: dashes.into() });
        }
    }

    /// Fills a rectangle.
    pub fn block(&mut self, rect: Rect, color: RGBColor, opacity: f64) {
        self.draw(Shape::Block { rect, color, opacity });
    }

    /// Fills a circle.
    pub fn dot(&mut self, at: (i32, i32), radius: i32, color: RGBColor, opacity: f64) {
        self.draw(Shape::Dot { at, radius, color, opacity });
    }

    /// Tells a reader who points at a rectangle something.
    pub fn tip(&mut self, rect: Rect, text: String) {
        self.draw(Shape::Tip { rect, text });
    }

    /// Says what the lines that follow are about: their values are told with its name.
    pub fn about(&mut self, name: &str) {
        self.about = name.to_string();
    }

    fn draw(&mut self, shape: Shape) {
        self.drawing.shapes.push(shape);
    }

    /// Writes a legend from left to right, centred in height on `y`, ending at `right`; on paper in as many lines as are
    /// needed at the top of the room.
    pub fn legend(&mut self, entries: &[(String, Sample)], right: i32, y: i32) {
        let (sample, gap) = (130, 60);
        let width = |text: &str| sample + 20 + crisp::text_width(text, f64::from(TEXT), false) + gap;
        let all: i32 = entries.iter().map(|(text, _)| width(text)).sum();
        let is_paper = self.drawing.size != Size::Screen;
        let left = if self.is_narrow() { 40 } else { 60 };
        let (mut x, mut y) = if is_paper { (left, self.top + 30) } else { (right - all + gap, y) };
        for (text, look) in entries {
            if is_paper && left < x && right < x + width(text) - gap {
                (x, y) = (left, y + 66);
            }
            match *look {
                Sample::Line(look, width) => self.line(&[(x, y), (x + sample, y)], look.color, width, look.dashes),
                Sample::Band(color) => self.block(Rect { x0: x, y0: y - 22, x1: x + sample, y1: y + 22 }, color, 0.25),
                Sample::Dot(color) => self.dot((x + sample - 20, y), 17, color, 1.0),
            }
            self.text(text, (x + sample + 20, y), TEXT, INK, false, Anchor::Left);
            x += width(text);
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
    /// A dot.
    Dot(RGBColor),
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
        let (x, y) = (x.thinned(room.x1 - left, true), y.thinned(room.y1 - below - room.y0, false));
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
        let fits = |words: &str, size: i32, room: i32| crisp::text_width(words, f64::from(size), false) <= room;
        let size = if fits(&self.x.title, TEXT, x1 - x0) { TEXT } else { NOTE };
        let words = fitted(&self.x.title, size, false, x1 - x0 + 60);
        sheet.text(&words, ((x0 + x1) / 2, title_y), size, INK, false, Anchor::Center);
        // Words that are longer than the axis would run into those of the panels above and below.
        let room = y1 - y0 + 60;
        let size = if fits(&self.y.title, TEXT, room) { TEXT } else { NOTE };
        if !self.y.title.is_empty() && fits(&self.y.title, size, room) {
            let widest =
                self.y.ticks.iter().map(|tick| crisp::text_width(&tick.1, f64::from(TEXT), false)).max().unwrap_or(0);
            sheet.upright(&self.y.title, (x0 - widest - 70, (y0 + y1) / 2), size, INK);
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
        if DATA <= width {
            self.tell(sheet, values);
        }
    }

    /// Tells the values of a line, as many as can be pointed at.
    fn tell(&self, sheet: &mut Sheet, values: &[(f64, f64)]) {
        let word = |axis: &Axis, value: f64| match axis.title.is_empty() {
            true => text::short(value),
            false => format!("{}: {}", axis.title, text::short(value)),
        };
        let mut last = None;
        for &(x, y) in values {
            let at = self.at(x, y);
            let is_near = |other: (i32, i32)| (at.0 - other.0).abs() < APART && (at.1 - other.1).abs() < APART;
            if self.x.share(x) > 1.0 || y < self.y.low || self.y.high < y || last.is_some_and(is_near) {
                continue;
            }
            last = Some(at);
            let name = if sheet.about.is_empty() { String::new() } else { format!("{}\n", sheet.about) };
            let rect = Rect { x0: at.0 - APART / 2, y0: at.1 - APART / 2, x1: at.0 + APART / 2, y1: at.1 + APART / 2 };
            sheet.tip(rect, format!("{name}{}\n{}", word(&self.x, x), word(&self.y, y)));
        }
    }

    /// Fills the area between a lower and an upper line of equal x.
    pub fn band(&self, sheet: &mut Sheet, values: &[(f64, f64, f64)], color: RGBColor) {
        let inside = |y: f64| y.clamp(self.y.low, self.y.high);
        let place = |&(x, low, high): &(f64, f64, f64)| {
            let (x, low) = self.at(x, inside(low));
            (x, low, self.at(0.0, inside(high)).1)
        };
        let points = values.iter().map(place).collect();
        sheet.draw(Shape::Band { points, color, opacity: 0.25 });
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

/// The text in lines of a width, broken between words; what finds no room on the last is shortened with an ellipsis.
fn wrapped(text: &str, size: i32, bold: bool, width: i32, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let count = lines.len();
        let line = &mut lines[count - 1];
        let longer = if line.is_empty() { word.to_string() } else { format!("{line} {word}") };
        if count == most || line.is_empty() || crisp::text_width(&longer, f64::from(size), bold) <= width {
            *line = longer;
        } else {
            lines.push(word.to_string());
        }
    }
    lines.into_iter().map(|line| fitted(&line, size, bold, width)).collect()
}

/// Rooms for some panels in some columns, from left to right and downwards, with room for a heading above each.
pub fn grid(room: Rect, count: usize, columns: i32) -> Vec<Rect> {
    let columns = columns.clamp(1, count.max(1) as i32);
    let rows = (count as i32 + columns - 1) / columns;
    let (gap_x, gap_y) = (110, 120);
    let width = (room.x1 - room.x0 - gap_x * (columns - 1)) / columns;
    let height = (room.y1 - room.y0 - gap_y * rows) / rows.max(1);
    let place = |place: i32| {
        let x0 = room.x0 + place % columns * (width + gap_x);
        let y0 = room.y0 + gap_y + place / columns * (height + gap_y);
        Rect { x0, y0, x1: x0 + width, y1: y0 + height }
    };
    (0..count as i32).map(place).collect()
}
