//! Pictures as PDF, for papers: a page of the size of the picture, with the letters that it uses.

use std::collections::BTreeMap;

use ab_glyph::Font;
use miniz_oxide::deflate::compress_to_vec_zlib;
use pdf_writer::types::{CidFontType, FontFlags, LineJoinStyle, SystemInfo, UnicodeCmap};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use plotters::style::RGBColor;
use subsetter::GlyphRemapper;

use super::crisp;
use super::sheet::{Anchor, Drawing, Shape};
use crate::outside;
use crate::report::manifest::TOOL;

/// Points of PDF in a millimetre.
const POINTS: f64 = 72.0 / 25.4;
/// How hard streams are compressed.
const LEVEL: u8 = 9;
/// Distance of the control points of a quarter of a circle, in radii.
const ROUND: f32 = 0.552_285;
/// Objects of the file.
const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const PAGE: Ref = Ref::new(3);
const CONTENT: Ref = Ref::new(4);
const INFO: Ref = Ref::new(5);
/// The first of five objects of each font.
const FONTS: [i32; 2] = [10, 20];
/// The first of the objects of opacities.
const OPACITIES: i32 = 30;
const SYSTEM: SystemInfo = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// The letters of a font that a picture uses.
#[derive(Default)]
struct Letters {
    glyphs: GlyphRemapper,
    /// What each new number of a glyph stands for.
    chars: BTreeMap<u16, char>,
}

/// The bytes of a PDF file, as wide as its column on paper.
pub fn file(drawing: &Drawing, title: &str) -> Vec<u8> {
    let (width, height) = drawing.size.canvas();
    let scale = drawing.size.millimetres() * POINTS / f64::from(width);
    let (wide, high) = ((f64::from(width) * scale) as f32, (f64::from(height) * scale) as f32);
    let mut letters = [Letters::default(), Letters::default()];
    let mut opacities: BTreeMap<i32, f64> = BTreeMap::new();
    let mut content = Content::new();
    // From here on lengths are canvas pixels, downwards.
    content.transform([scale as f32, 0.0, 0.0, -scale as f32, 0.0, high]);
    for shape in &drawing.shapes {
        write(&mut content, shape, &mut letters, &mut opacities);
    }
    let content = compress_to_vec_zlib(&content.finish(), LEVEL);

    let mut pdf = Pdf::new();
    pdf.catalog(CATALOG).pages(PAGES);
    pdf.pages(PAGES).kids([PAGE]).count(1);
    pdf.document_info(INFO).title(TextStr(&outside::shown(title))).producer(TextStr(TOOL));
    let mut page = pdf.page(PAGE);
    page.parent(PAGES).media_box(Rect::new(0.0, 0.0, wide, high)).contents(CONTENT);
    let mut resources = page.resources();
    let mut fonts = resources.fonts();
    fonts.pair(font_name(false), Ref::new(FONTS[0])).pair(font_name(true), Ref::new(FONTS[1]));
    fonts.finish();
    let mut states = resources.ext_g_states();
    for key in opacities.keys() {
        states.pair(Name(state_name(*key).as_bytes()), Ref::new(OPACITIES + key));
    }
    states.finish();
    resources.finish();
    page.finish();
    for (key, opacity) in &opacities {
        pdf.ext_graphics(Ref::new(OPACITIES + key)).non_stroking_alpha(*opacity as f32);
    }
    pdf.stream(CONTENT, &content).filter(Filter::FlateDecode);
    embed(&mut pdf, false, &letters[0]);
    embed(&mut pdf, true, &letters[1]);
    pdf.finish()
}

fn font_name(bold: bool) -> Name<'static> {
    Name(if bold { b"B" } else { b"R" })
}

fn state_name(key: i32) -> String {
    format!("G{key}")
}

fn rgb(color: RGBColor) -> [f32; 3] {
    [color.0, color.1, color.2].map(|part| f32::from(part) / 255.0)
}

fn write(content: &mut Content, shape: &Shape, letters: &mut [Letters; 2], opacities: &mut BTreeMap<i32, f64>) {
    let mut fill = |content: &mut Content, color: RGBColor, opacity: f64| {
        // In thousandths, which is finer than anybody sees.
        let key = (opacity * 1000.0).round() as i32;
        opacities.entry(key).or_insert(opacity);
        let [red, green, blue] = rgb(color);
        content.set_parameters(Name(state_name(key).as_bytes())).set_fill_rgb(red, green, blue);
    };
    match shape {
        Shape::Text { text, at, size, color, bold, anchor, upright } => {
            let text = outside::shown(text);
            let width = f64::from(crisp::text_width(&text, f64::from(*size), *bold));
            let before = match anchor {
                Anchor::Left => 0.0,
                Anchor::Center | Anchor::Bottom => width / 2.0,
                Anchor::Right => width,
            } as f32;
            let below = crisp::baseline(*anchor, *size, *bold) as f32;
            let (x, y) = (at.0 as f32, at.1 as f32);
            let matrix = match upright {
                false => [1.0, 0.0, 0.0, -1.0, x - before, y + below],
                true => [0.0, -1.0, -1.0, 0.0, x + below, y + before],
            };
            let Letters { glyphs, chars } = &mut letters[usize::from(*bold)];
            let mut bytes = Vec::new();
            for c in text.chars() {
                let glyph = glyphs.remap(crisp::font(*bold).glyph_id(c).0);
                chars.entry(glyph).or_insert(c);
                bytes.extend(glyph.to_be_bytes());
            }
            fill(content, *color, 1.0);
            content.begin_text().set_font(font_name(*bold), *size as f32).set_text_matrix(matrix);
            content.show(Str(&bytes)).end_text();
        }
        Shape::Line { points, color, width, dashes } => {
            let [red, green, blue] = rgb(*color);
            content.set_stroke_rgb(red, green, blue).set_line_width(*width as f32);
            content.set_line_join(LineJoinStyle::RoundJoin);
            content.set_dash_pattern(dashes.iter().map(|length| *length as f32), 0.0);
            through(content, points.iter().copied());
            content.stroke();
        }
        Shape::Block { rect, color, opacity } => {
            fill(content, *color, *opacity);
            let (wide, high) = (rect.x1 - rect.x0 + 1, rect.y1 - rect.y0 + 1);
            content.rect(rect.x0 as f32, rect.y0 as f32, wide as f32, high as f32).fill_nonzero();
        }
        Shape::Band { points, color, opacity } => {
            fill(content, *color, *opacity);
            let upper = points.iter().map(|point| (point.0, point.2));
            through(content, upper.chain(points.iter().rev().map(|point| (point.0, point.1))));
            content.close_path().fill_nonzero();
        }
        Shape::Dot { at, radius, color, opacity } => {
            fill(content, *color, *opacity);
            let (x, y, r) = (at.0 as f32, at.1 as f32, *radius as f32);
            let c = r * ROUND;
            content.move_to(x + r, y);
            content.cubic_to(x + r, y + c, x + c, y + r, x, y + r);
            content.cubic_to(x - c, y + r, x - r, y + c, x - r, y);
            content.cubic_to(x - r, y - c, x - c, y - r, x, y - r);
            content.cubic_to(x + c, y - r, x + r, y - c, x + r, y);
            content.close_path().fill_nonzero();
        }
        Shape::Tip { .. } => {}
    }
}

fn through(content: &mut Content, points: impl Iterator<Item = (i32, i32)>) {
    for (place, (x, y)) in points.enumerate() {
        let (x, y) = (x as f32, y as f32);
        if place == 0 {
            content.move_to(x, y)
        } else {
            content.line_to(x, y)
        };
    }
}

/// Adds a font with the letters that are used, and what they stand for, so that text can be searched.
fn embed(pdf: &mut Pdf, bold: bool, letters: &Letters) {
    let first = FONTS[usize::from(bold)];
    let [font_ref, cid, descriptor, cmap, data] = [0, 1, 2, 3, 4].map(|at| Ref::new(first + at));
    let font = crisp::font(bold);
    let bytes = if bold { crisp::BOLD_FONT } else { crisp::REGULAR_FONT };
    let name = Name(if bold { b"AAAAAB+Roboto-Bold" } else { b"AAAAAA+Roboto-Regular" });
    let per_em = font.units_per_em().unwrap_or(2048.0);
    let thousandths = |units: f32| units * 1000.0 / per_em;

    let mut outer = pdf.type0_font(font_ref);
    outer.base_font(name).encoding_predefined(Name(b"Identity-H")).descendant_font(cid).to_unicode(cmap);
    outer.finish();
    let mut inner = pdf.cid_font(cid);
    inner.subtype(CidFontType::Type2).base_font(name).system_info(SYSTEM).font_descriptor(descriptor);
    inner.default_width(0.0).cid_to_gid_map_predefined(Name(b"Identity"));
    let advances =
        letters.glyphs.remapped_gids().map(|glyph| thousandths(font.h_advance_unscaled(ab_glyph::GlyphId(glyph))));
    inner.widths().consecutive(0, advances);
    inner.finish();
    let (ascent, descent) = (thousandths(font.ascent_unscaled()), thousandths(font.descent_unscaled()));
    let mut about = pdf.font_descriptor(descriptor);
    about.name(name).flags(FontFlags::NON_SYMBOLIC).italic_angle(0.0).ascent(ascent).descent(descent);
    about.bbox(Rect::new(-1000.0, descent, 2000.0, ascent)).cap_height(crisp::CAPITALS * 1000.0);
    about.stem_v(if bold { 130.0 } else { 80.0 }).font_file2(data);
    about.finish();
    let mut unicode = UnicodeCmap::new(Name(b"Custom"), SYSTEM);
    for (glyph, c) in &letters.chars {
        unicode.pair(*glyph, *c);
    }
    let unicode = compress_to_vec_zlib(&unicode.finish(), LEVEL);
    pdf.stream(cmap, &unicode).filter(Filter::FlateDecode);
    let subset = subsetter::subset(bytes, 0, &letters.glyphs).expect("the embedded font is a font");
    let length = subset.len() as i32;
    let subset = compress_to_vec_zlib(&subset, LEVEL);
    pdf.stream(data, &subset).filter(Filter::FlateDecode).pair(Name(b"Length1"), length);
}
