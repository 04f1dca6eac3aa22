//! Pictures as PNG: a drawing backend for plotters with smooth lines and real text.
//!
//! plotters' own text needs fonts of the system or features that other users of plotters in a build would have to share, and
//! its lines are jagged. So shapes go to plotters' bitmap at twice the size, text is drawn with an embedded font, and
//! the picture is averaged down when it is saved. Same calls, same bytes, on every machine.

use std::io::Cursor;
use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use image::{ColorType, ImageFormat};
use plotters::backend::BitMapBackend;
use plotters::style::text_anchor::Pos;
use plotters::style::{Color, FontDesc, FontFamily, FontTransform, RGBColor, ShapeStyle, TextStyle};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontStyle,
};

use super::sheet::{Anchor, Drawing, Rect, Shape};

/// The embedded font.
pub const REGULAR_FONT: &[u8] = include_bytes!("../../../assets/fonts/Roboto-Regular.ttf");
/// Its bold letters.
pub const BOLD_FONT: &[u8] = include_bytes!("../../../assets/fonts/Roboto-Bold.ttf");

static REGULAR: LazyLock<FontRef<'static>> = LazyLock::new(|| parsed(REGULAR_FONT));
static BOLD: LazyLock<FontRef<'static>> = LazyLock::new(|| parsed(BOLD_FONT));

/// Height of capital letters and digits, in ems.
pub const CAPITALS: f32 = 0.711;

type Bitmap<'a> = BitMapBackend<'a>;
type Failure<'a> = DrawingErrorKind<<Bitmap<'a> as DrawingBackend>::ErrorType>;

/// A canvas.
struct Crisp<'a>(Bitmap<'a>);

/// The bytes of a PNG file with half as many pixels as the canvas in each direction.
pub fn png(drawing: &Drawing) -> Vec<u8> {
    let (width, height) = drawing.size.canvas();
    let (width, height) = (width as u32, height as u32);
    let mut pixels = vec![255; (width * height * 3) as usize];
    let mut canvas = Crisp(BitMapBackend::with_buffer(&mut pixels, (width, height)));
    for shape in &drawing.shapes {
        canvas.shape(shape).expect("drawing into memory does not fail");
    }
    drop(canvas);
    halved(&pixels, (width / 2) as usize, (height / 2) as usize)
}

/// Averages a canvas down to a width and a height: the bytes of a PNG file.
fn halved(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let at = |x: usize, y: usize, channel: usize| u16::from(pixels[(y * 2 * width + x) * 3 + channel]);
    let mut small = vec![0; width * height * 3];
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let (x2, y2) = (2 * x, 2 * y);
                let sum = at(x2, y2, channel)
                    + at(x2 + 1, y2, channel)
                    + at(x2, y2 + 1, channel)
                    + at(x2 + 1, y2 + 1, channel);
                small[(y * width + x) * 3 + channel] = ((sum + 2) / 4) as u8;
            }
        }
    }
    let mut out = Cursor::new(Vec::new());
    let size = (width as u32, height as u32);
    image::write_buffer_with_format(&mut out, &small, size.0, size.1, ColorType::Rgb8, ImageFormat::Png)
        .expect("the buffer has the size of the picture, and memory does not fail");
    out.into_inner()
}

impl<'a> Crisp<'a> {
    fn shape(&mut self, shape: &Shape) -> Result<(), Failure<'a>> {
        match shape {
            Shape::Text { text, at, size, color, bold, anchor, upright } => {
                let style = if *bold { FontStyle::Bold } else { FontStyle::Normal };
                let transform = if *upright { FontTransform::Rotate270 } else { FontTransform::None };
                let font = FontDesc::new(FontFamily::SansSerif, f64::from(*size), style).transform(transform);
                let pos = match anchor {
                    Anchor::Left => Pos::new(HPos::Left, VPos::Center),
                    Anchor::Center => Pos::new(HPos::Center, VPos::Center),
                    Anchor::Right => Pos::new(HPos::Right, VPos::Center),
                    Anchor::Bottom => Pos::new(HPos::Center, VPos::Bottom),
                };
                self.draw_text(text, &TextStyle::from(font).color(color).pos(pos), *at)
            }
            Shape::Line { points, color, width, dashes } => {
                let style = ShapeStyle { color: color.mix(1.0), filled: true, stroke_width: *width };
                if dashes.is_empty() {
                    return self.draw_path(points.iter().copied(), &style);
                }
                dashed(points, dashes).into_iter().try_for_each(|piece| self.draw_path(piece, &style))
            }
            Shape::Block { rect, color, opacity } => self.block(*rect, *color, *opacity),
            Shape::Band { points, color, opacity } => {
                // Column by column: a long thin polygon crosses itself where the band has no width.
                for pair in points.windows(2) {
                    let ((from, low, high), (to, to_low, to_high)) = (pair[0], pair[1]);
                    for x in from..to {
                        let share = f64::from(x - from) / f64::from(to - from);
                        let between = |a: i32, b: i32| (f64::from(a) + share * f64::from(b - a)).round() as i32;
                        let (y1, y0) = (between(low, to_low), between(high, to_high));
                        if y0 < y1 {
                            self.block(Rect { x0: x, y0, x1: x, y1 }, *color, *opacity)?;
                        }
                    }
                }
                Ok(())
            }
            Shape::Dot { at, radius, color, opacity } => {
                let style = ShapeStyle { color: color.mix(*opacity), filled: true, stroke_width: 0 };
                self.draw_circle(*at, *radius as u32, &style, true)
            }
            Shape::Tip { .. } => Ok(()),
        }
    }

    fn block(&mut self, rect: Rect, color: RGBColor, opacity: f64) -> Result<(), Failure<'a>> {
        let style = ShapeStyle { color: color.mix(opacity), filled: true, stroke_width: 0 };
        self.draw_rect((rect.x0, rect.y0), (rect.x1, rect.y1), &style, true)
    }
}

/// How far below its point the baseline of text is, in canvas pixels.
pub fn baseline(anchor: Anchor, size: i32, bold: bool) -> f64 {
    let font = font(bold);
    match anchor {
        Anchor::Left | Anchor::Center | Anchor::Right => f64::from(CAPITALS) * f64::from(size) / 2.0,
        Anchor::Bottom => f64::from(font.as_scaled(em(font, f64::from(size))).descent()),
    }
}

/// Width of a line of text at a size in canvas pixels per em.
pub fn text_width(text: &str, size: f64, bold: bool) -> i32 {
    let font = font(bold);
    let scaled = font.as_scaled(em(font, size));
    text.chars().map(|c| scaled.h_advance(font.glyph_id(c))).sum::<f32>().ceil() as i32
}

impl<'a> DrawingBackend for Crisp<'a> {
    type ErrorType = <Bitmap<'a> as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.0.get_size()
    }

    fn ensure_prepared(&mut self) -> Result<(), Failure<'a>> {
        self.0.ensure_prepared()
    }

    fn present(&mut self) -> Result<(), Failure<'a>> {
        self.0.present()
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Result<(), Failure<'a>> {
        self.0.draw_pixel(point, color)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Result<(), Failure<'a>> {
        self.draw_path([from, to], style)
    }

    /// Both corners belong to the rectangle; plotters' bitmap would leave the right and the lower edge out.
    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Result<(), Failure<'a>> {
        let beyond = (bottom_right.0 + 1, bottom_right.1 + 1);
        self.0.draw_rect(upper_left, if fill { beyond } else { bottom_right }, style, fill)
    }

    /// Lines of any width, each piece a quadrangle with round ends; plotters' own joints have spikes.
    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Result<(), Failure<'a>> {
        let half = f64::from(style.stroke_width()) / 2.0;
        let mut last: Option<BackendCoord> = None;
        for to in path {
            let Some(from) = last.replace(to).filter(|from| *from != to) else { continue };
            let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
            if dx == 0.0 || dy == 0.0 {
                // Upright and level lines are rectangles of exactly their width.
                let (low, high) = ((from.0.min(to.0), from.1.min(to.1)), (from.0.max(to.0), from.1.max(to.1)));
                let (before, after) = (half.floor() as i32, (half.ceil() as i32 - 1).max(0));
                let grow = |x: bool, by: i32| if (dx == 0.0) == x { by } else { 0 };
                let low = (low.0 - grow(true, before), low.1 - grow(false, before));
                let high = (high.0 + grow(true, after), high.1 + grow(false, after));
                self.draw_rect(low, high, &style.color(), true)?;
            } else {
                let length = dx.hypot(dy);
                let (nx, ny) = (-dy / length * half, dx / length * half);
                let corner = |at: BackendCoord, side: f64| {
                    ((f64::from(at.0) + side * nx).round() as i32, (f64::from(at.1) + side * ny).round() as i32)
                };
                let corners = [corner(from, 1.0), corner(to, 1.0), corner(to, -1.0), corner(from, -1.0)];
                self.0.fill_polygon(corners, &style.color())?;
            }
            if style.stroke_width() > 3 && style.color().alpha == 1.0 {
                self.0.draw_circle(to, (half - 0.5) as u32, &style.color(), true)?;
            }
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Result<(), Failure<'a>> {
        self.0.draw_circle(center, radius, style, fill)
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        vert: I,
        style: &S,
    ) -> Result<(), Failure<'a>> {
        self.0.fill_polygon(vert, style)
    }

    /// Text in Roboto. Vertically centred text is centred on its capitals.
    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, pos: BackendCoord) -> Result<(), Failure<'a>> {
        let size = style.size() as f32;
        let font = font(matches!(style.style(), FontStyle::Bold));
        let scaled = font.as_scaled(em(font, style.size()));
        let width = text_width(text, style.size(), matches!(style.style(), FontStyle::Bold));
        let mut pen = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => -(width as f32) / 2.0,
            HPos::Right => -(width as f32),
        };
        let baseline = match style.anchor().v_pos {
            VPos::Top => scaled.ascent(),
            VPos::Center => CAPITALS * size / 2.0,
            VPos::Bottom => scaled.descent(),
        };
        let (transform, color) = (style.transform(), style.color());
        for c in text.chars() {
            let glyph =
                font.glyph_id(c).with_scale_and_position(em(font, style.size()), ab_glyph::point(pen, baseline));
            pen += scaled.h_advance(font.glyph_id(c));
            let Some(outline) = font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            let mut pixels = Vec::new();
            outline
                .draw(|x, y, coverage| pixels.push((x as i32 + corner.x as i32, y as i32 + corner.y as i32, coverage)));
            for (x, y, coverage) in pixels {
                let (x, y) = transform.transform(x, y);
                let alpha = color.alpha * f64::from(coverage.clamp(0.0, 1.0));
                self.0.draw_pixel((pos.0 + x, pos.1 + y), BackendColor { alpha, rgb: color.rgb })?;
            }
        }
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(&self, text: &str, style: &T) -> Result<(u32, u32), Failure<'a>> {
        let width = text_width(text, style.size(), matches!(style.style(), FontStyle::Bold));
        Ok((width as u32, style.size() as u32))
    }
}

/// The font of text, bold or not.
pub fn font(bold: bool) -> &'static FontRef<'static> {
    if bold { &BOLD } else { &REGULAR }
}

fn parsed(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the embedded font is a font")
}

/// The scale at which an em has `size` pixels; ab_glyph counts from the highest ascent to the lowest descent.
fn em(font: &FontRef, size: f64) -> PxScale {
    PxScale::from(size as f32 * font.height_unscaled() / font.units_per_em().unwrap_or(2048.0))
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
