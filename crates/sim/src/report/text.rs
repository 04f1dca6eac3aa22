//! How numbers and names are written: exactly for machines, shortly for people, harmlessly for both.

use crate::outside::{is_hidden, shown};
use crate::stats::{Humps, Summary};

/// A number for a CSV cell: the shortest text that reads back as the same number, independent of any locale. Empty if it
/// is not finite.
pub fn exact(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        String::new()
    } else if value == 0.0 {
        "0".into()
    } else if (1e-5..1e16).contains(&size) {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

/// A number for people: four significant digits, groups of three from 10,000 on.
pub fn short(value: f64) -> String {
    with_decimals(value, 3 - exponent(value))
}

/// A mean with half the width of its interval, rounded to what the interval supports: `12.35 ± 0.21`.
pub fn plus_minus(mean: f64, half: Option<f64>) -> String {
    match half {
        None => short(mean),
        Some(half) if half.abs() <= 1e-12 * mean.abs().max(1e-300) => format!("{} ± 0", short(mean)),
        Some(half) => {
            // Two digits of the uncertainty; of the mean not more than six, else tiny noise prints long tails.
            let decimals = (1 - exponent(half)).min(5 - exponent(mean).max(exponent(half)));
            let tiny = exponent(half) < -decimals;
            let half = if tiny { with_decimals(half, -exponent(half)) } else { fixed(half, decimals) };
            format!("{} ± {half}", fixed(mean, decimals))
        }
    }
}

/// What is known of a metric over replications, divided by a factor: `12.35 ± 0.21`; `47 (12 to 101)` if the mean is not in
/// the middle of its interval; `20 in 7 of 10, 214 in 3` if the values lie in two heaps. Nothing without a value.
pub fn summary(summary: &Summary, factor: f64) -> Option<String> {
    let mean = summary.mean?;
    if let Some(Humps { low, high }) = summary.humps {
        let (first, second) = (short(low.1 / factor), short(high.1 / factor));
        return Some(format!("{first} in {} of {}, {second} in {}", low.0, summary.n, high.0));
    }
    let ends = summary.ci_low.zip(summary.ci_high).filter(|_| summary.half_width().is_none());
    Some(match ends {
        Some((low, high)) => format!("{} ({} to {})", short(mean / factor), short(low / factor), short(high / factor)),
        None => plus_minus(mean / factor, summary.half_width().map(|half| half / factor)),
    })
}

/// A mean with half the width of its interval, with as many digits as tell it from a value outside: two of the uncertainty.
pub fn in_full(mean: f64, half: f64) -> String {
    if !half.is_finite() {
        return format!("{}, of which nobody knows how far it is off", exact(mean));
    }
    if half == 0.0 {
        return format!("{} ± 0", exact(mean));
    }
    let decimals = (1 - exponent(half)).clamp(0, 15) as usize;
    format!("{mean:.decimals$} ± {half:.decimals$}")
}

/// A unit for people that suits numbers as large as `largest`: the factor to divide by, and the name.
pub fn scale(unit: &str, largest: f64) -> (f64, String) {
    let per = match unit {
        "B" | "bytes" => "",
        "B/s" | "bytes/s" => "/s",
        "1" => return (1.0, String::new()),
        other => return (1.0, other.to_string()),
    };
    let steps = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let (factor, name) = steps.into_iter().find(|(factor, _)| largest.abs() >= *factor).unwrap_or((1.0, "B"));
    (factor, format!("{name}{per}"))
}

/// A metric's name for people: without underscores and without the unit at its end.
pub fn title(metric: &str, unit: &str) -> String {
    let suffix = format!("_{}", unit.replace('/', "_per_"));
    metric.strip_suffix(&suffix).unwrap_or(metric).replace('_', " ")
}

/// Seconds for people: `21 s`, `4 min 40 s`, `2 h 5 min`.
pub fn span(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 10.0 => format!("{} s", short((seconds * 10.0).round() / 10.0)),
        seconds if seconds < 119.5 => format!("{} s", seconds.round()),
        seconds if seconds < 7200.0 => {
            let seconds = seconds.round() as u64;
            match seconds % 60 {
                0 => format!("{} min", seconds / 60),
                rest => format!("{} min {rest} s", seconds / 60),
            }
        }
        seconds => {
            let minutes = (seconds / 60.0).round() as u64;
            format!("{} h {} min", minutes / 60, minutes % 60)
        }
    }
}

/// Lines of at most so many letters; what does not fit goes on below, further in than it began.
pub fn wrapped(line: &str, width: usize) -> Vec<String> {
    let indent = " ".repeat(line.len() - line.trim_start().len() + 2);
    let options = textwrap::Options::new(width).subsequent_indent(&indent).break_words(false);
    textwrap::wrap(line, options).into_iter().map(|line| line.into_owned()).collect()
}

/// Lines below each other, those that are too long wrapped; the rows of a table fit already.
pub fn paragraphs(lines: &[String], width: usize) -> String {
    lines.iter().flat_map(|line| wrapped(line, width)).map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Text for a CSV cell. What a spreadsheet could take for a formula gets an apostrophe in front, and so does what begins
/// with one, so that [`from_cell`] can take it away again.
pub fn cell(text: &str) -> String {
    let first = text.chars().find(|c| !c.is_whitespace() && !is_hidden(*c) && *c != '"');
    let text = shown(text);
    let formula = matches!(first, Some('=' | '+' | '-' | '@' | '|' | '%' | '＝' | '＋' | '－' | '＠'));
    if formula || text.starts_with('\'') { format!("'{text}") } else { text }
}

/// The text of a cell that [`cell`] wrote.
pub fn from_cell(cell: &str) -> &str {
    cell.strip_prefix('\'').unwrap_or(cell)
}

/// Text that Markdown shows as it is, in a table too.
pub fn markdown(text: &str) -> String {
    let mut out = String::new();
    for c in shown(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// Decimal exponent: 2 for 123.
fn exponent(value: f64) -> i32 {
    let text = format!("{:.3e}", if value.is_finite() { value } else { 0.0 });
    text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0)
}

/// Rounded to some decimals, without zeros at the end.
fn with_decimals(value: f64, decimals: i32) -> String {
    let text = fixed(value, decimals);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

/// Rounded to some decimals; a negative number of them rounds to tens, hundreds and so on.
fn fixed(value: f64, decimals: i32) -> String {
    let text = if decimals < 0 {
        let step = libm::pow(10.0, f64::from(-decimals.max(-300)));
        format!("{:.0}", (value / step).round() * step)
    } else {
        format!("{value:.*}", decimals.min(9) as usize)
    };
    let is_zero = text.trim_start_matches('-').bytes().all(|byte| matches!(byte, b'0' | b'.'));
    grouped(if is_zero { text.trim_start_matches('-') } else { &text })
}

fn grouped(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("−", rest));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if whole.len() > 4 && at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_numbers_read_back_as_themselves() {
        for value in [0.1, 1.0 / 3.0, 1e300, 5e-324, -2.5, 123456789.0, 1e15, 1e16, f64::MAX, 1e-5] {
            assert_eq!(exact(value).parse::<f64>().unwrap(), value);
            assert!(exact(value).len() < 26, "{}", exact(value));
        }
        assert_eq!((exact(-0.0), exact(3.0), exact(f64::NAN)), ("0".into(), "3".into(), String::new()));
    }

    #[test]
    fn people_get_few_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (12.3456, "12.35"),
            (1234.6, "1235"),
            (12345.6, "12,350"),
            (1_234_567.0, "1,235,000"),
            (0.00123456, "0.001235"),
            (-3.5, "−3.5"),
            (99.999999, "100"),
            (-0.0, "0"),
        ] {
            assert_eq!(short(value), expected);
        }
        for (mean, half, expected) in [
            (12.3456, Some(0.2123), "12.35 ± 0.21"),
            (12.3456, Some(0.0), "12.35 ± 0"),
            (12.3456, None, "12.35"),
            (10.0, Some(0.88), "10.00 ± 0.88"),
            (123456.0, Some(3456.0), "123,500 ± 3500"),
            (100.0, Some(0.05), "100.000 ± 0.050"),
            (0.5, Some(20.0), "0 ± 20"),
            (151.546, Some(0.00043), "151.546 ± 0.0004"),
        ] {
            assert_eq!(plus_minus(mean, half), expected);
        }
    }

    #[test]
    fn a_summary_says_an_interval_where_values_can_be_and_both_humps() {
        let of = |values: &[f64], factor| {
            summary(&Summary::within(values.iter().copied(), (0.0, f64::INFINITY), 1), factor).unwrap_or_default()
        };
        assert_eq!(of(&[10.0, 11.0, 12.0], 1.0), "11.0 ± 2.5");
        assert_eq!(of(&[0.0, 1000.0, 5000.0], 1000.0), "2 (0 to 8.572)");
        assert_eq!(of(&[20.0, 20.0, 20.0, 20.0, 20.0, 214.0, 214.0, 214.0], 1.0), "20 in 5 of 8, 214 in 3");
        assert_eq!((of(&[3.0], 1.0), of(&[], 1.0)), ("3".into(), String::new()));
    }

    #[test]
    fn units_suit_the_numbers() {
        assert_eq!(scale("B", 3.2e9), (1e9, "GB".into()));
        assert_eq!(scale("B/s", 20.0), (1.0, "B/s".into()));
        assert_eq!(scale("s", 1e9), (1.0, "s".into()));
        assert_eq!(title("time_to_running_p50_s", "s"), "time to running p50");
        assert_eq!(title("running_min", "tasks"), "running min");
        assert_eq!(title("registry_bytes", "B"), "registry bytes");
    }

    #[test]
    fn no_cell_is_a_formula() {
        for evil in [
            "=HYPERLINK(\"http://x\")",
            "+cmd|' /C calc'!A0",
            "-2+3",
            "@SUM(1)",
            "\t=1",
            "\r=1",
            "  =1",
            "\"=1",
            "\u{ff1d}1",
            "\u{200b}=1",
            "|x",
            "%0a",
        ] {
            let cell = cell(evil);
            assert!(cell.starts_with('\''), "{evil:?} became {cell:?}");
            assert_eq!(from_cell(&cell), shown(evil));
        }
        assert_eq!(cell("web.1"), "web.1");
        assert_eq!(from_cell(&cell("'quoted'")), "'quoted'");
    }

    #[test]
    fn cells_and_pages_are_not_steered() {
        assert_eq!(cell("a\u{1b}[31mb\u{202e}c\nd"), "a\\u{1b}[31mb\\u{202e}c d");
        assert_eq!(markdown("\u{2028}"), "\\\\u{2028}");
        assert_eq!(markdown("<b>|x_*"), "&lt;b&gt;\\|x\\_\\*");
    }
}
