//! Which colour and dashes everything has: one look for each strategy, the same in every picture.

use plotters::style::RGBColor;

/// Text and axes.
pub const INK: RGBColor = RGBColor(30, 30, 30);
/// Less important text, event lines.
pub const GREY: RGBColor = RGBColor(100, 100, 100);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(224, 224, 224);

/// How a strategy looks in every picture: colour and dashes differ, so that neither is needed.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// A colour of Okabe and Ito's palette.
    pub color: RGBColor,
    /// Lengths of dash, gap, dash, …; empty is a solid line.
    pub dashes: &'static [i32],
}

/// Every look. What is drawn with more strategies has names beside it.
pub const LOOKS: [Look; 6] = [
    Look { color: RGBColor(0, 114, 178), dashes: &[] },
    Look { color: RGBColor(213, 94, 0), dashes: &[44, 20] },
    Look { color: RGBColor(0, 158, 115), dashes: &[8, 18] },
    Look { color: RGBColor(204, 121, 167), dashes: &[44, 18, 8, 18] },
    Look { color: RGBColor(230, 159, 0), dashes: &[80, 24] },
    Look { color: RGBColor(86, 180, 233), dashes: &[20, 20] },
];

/// The look of the strategy at `index`.
pub fn look(index: usize) -> Look {
    LOOKS[index % LOOKS.len()]
}
