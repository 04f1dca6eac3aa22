//! Small texts of the command line: ages, sizes, cuts, order of names (docker/cli `cli/command/formatter`, docker/go-units,
//! fvbommel/sortorder).

use std::cmp::Ordering;

use sched::Span;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// How long, in words: `5 minutes`, `About an hour`.
pub fn human(span: Span) -> String {
    let nanos = span.as_nanos();
    let hours = (nanos + HOUR / 2) / HOUR;
    let of = |count: u64, unit: &str| format!("{count} {unit}");
    match (nanos / SECOND, nanos / MINUTE, hours) {
        (0, ..) => "Less than a second".to_string(),
        (1, ..) => "1 second".to_string(),
        (seconds, ..) if seconds < 60 => of(seconds, "seconds"),
        (_, 1, _) => "About a minute".to_string(),
        (_, minutes, _) if minutes < 60 => of(minutes, "minutes"),
        (.., 1) => "About an hour".to_string(),
        (.., hours) if hours < 48 => of(hours, "hours"),
        (.., hours) if hours < 24 * 7 * 2 => of(hours / 24, "days"),
        (.., hours) if hours < 24 * 30 * 2 => of(hours / 24 / 7, "weeks"),
        (.., hours) if hours < 24 * 365 * 2 => of(hours / 24 / 30, "months"),
        _ => of(nanos / HOUR / 24 / 365, "years"),
    }
}

/// How long, as Go prints it: `1m30s`, `1.5s`, `200ms`.
pub fn duration(nanos: u64) -> String {
    let decimals = |whole: u64, unit: u64, name: &str| {
        let rest = whole % unit;
        let width = unit.ilog10() as usize;
        let digits = format!("{rest:0width$}");
        let digits = digits.trim_end_matches('0');
        let point = if digits.is_empty() { "" } else { "." };
        format!("{}{point}{digits}{name}", whole / unit)
    };
    match nanos {
        0 => "0s".to_string(),
        nanos if nanos < 1000 => format!("{nanos}ns"),
        nanos if nanos < 1_000_000 => decimals(nanos, 1000, "µs"),
        nanos if nanos < SECOND => decimals(nanos, 1_000_000, "ms"),
        nanos => {
            let mut out = String::new();
            if HOUR <= nanos {
                out.push_str(&format!("{}h", nanos / HOUR));
            }
            if MINUTE <= nanos {
                out.push_str(&format!("{}m", nanos % HOUR / MINUTE));
            }
            out + &decimals(nanos % MINUTE, SECOND, "s")
        }
    }
}

/// Bytes with four digits and a binary unit: `16MiB`, `23.54GiB`.
pub fn bytes(bytes: i64) -> String {
    const UNITS: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let whole = if size < 1.0 { 1 } else { size.log10().floor() as usize + 1 };
    let text = format!("{size:.*}", 4usize.saturating_sub(whole));
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", UNITS[unit])
}

/// An id in short: twelve characters.
pub fn short(id: &str) -> String {
    id.chars().take(12).collect()
}

/// A text of at most so many places, with `…` for what is left out.
pub fn ellipsis(text: &str, places: usize) -> String {
    if width(text) <= places {
        return text.to_string();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += char_width(c);
        if places <= used {
            break;
        }
        out.push(c);
    }
    out + "…"
}

/// The first letter large, the others small.
pub fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str().to_lowercase()))
}

/// Places that a text takes on a terminal.
pub fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Two places for East Asian wide characters (Unicode annex 11), one for all others.
fn char_width(c: char) -> usize {
    let is_wide = matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{303e}' | '\u{3041}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff01}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}' | '\u{1f900}'..='\u{1f9ff}' | '\u{20000}'..='\u{3fffd}');
    if is_wide { 2 } else { 1 }
}

/// The order of names in which `web.2` is before `web.10`: numbers in them count as numbers, and of equal ones those with fewer
/// zeros ahead come first.
pub fn natural(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        let (Some(&a), Some(&b)) = (one.first(), other.first()) else { return one.len().cmp(&other.len()) };
        match (a.is_ascii_digit(), b.is_ascii_digit()) {
            (true, true) => {
                let (zeros_one, number_one, rest_one) = number(one);
                let (zeros_other, number_other, rest_other) = number(other);
                let by_size = number_one.len().cmp(&number_other.len()).then(number_one.cmp(number_other));
                let order = by_size.then(zeros_one.cmp(&zeros_other));
                if order != Ordering::Equal {
                    return order;
                }
                (one, other) = (rest_one, rest_other);
            }
            (false, false) if a == b => (one, other) = (&one[1..], &other[1..]),
            (false, false) => return a.cmp(&b),
            // A number is before anything else.
            (is_number, _) => return if is_number { Ordering::Less } else { Ordering::Greater },
        }
    }
}

/// How many zeros are ahead of a number, its other digits, and what comes after.
fn number(text: &[u8]) -> (usize, &[u8], &[u8]) {
    let zeros = text.iter().take_while(|byte| **byte == b'0').count();
    let rest = &text[zeros..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (zeros, &rest[..digits], &rest[digits..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_those_of_go_units() {
        // docker/go-units `duration_test.go`.
        let hour = 3600;
        let pairs = [
            (0, "Less than a second"),
            (1, "1 second"),
            (45, "45 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (59 * 60 + 59, "59 minutes"),
            (hour, "About an hour"),
            (hour + 29 * 60, "About an hour"),
            (hour + 31 * 60, "2 hours"),
            (47 * hour, "47 hours"),
            (48 * hour, "2 days"),
            (14 * 24 * hour, "2 weeks"),
            (2 * 30 * 24 * hour, "2 months"),
            (25 * 30 * 24 * hour, "2 years"),
        ];
        for (secs, words) in pairs {
            assert_eq!(human(Span::from_secs(secs)), words, "{secs}");
        }
        assert_eq!(human(Span::from_millis(450)), "Less than a second");
    }

    #[test]
    fn durations_are_those_of_go() {
        let pairs = [
            (0, "0s"),
            (1, "1ns"),
            (1100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (300_000_000_000, "5m0s"),
            (5 * 3_600_000_000_000 + 6 * 60_000_000_000 + 7_001_000_000, "5h6m7.001s"),
        ];
        for (nanos, words) in pairs {
            assert_eq!(duration(nanos), words);
        }
    }

    #[test]
    fn sizes_have_four_digits() {
        let pairs = [
            (0, "0B"),
            (1000, "1000B"),
            (1024, "1KiB"),
            (16 << 20, "16MiB"),
            (25_276_510_208, "23.54GiB"),
            (8_272_408_576, "7.704GiB"),
            (512 << 20, "512MiB"),
        ];
        for (size, words) in pairs {
            assert_eq!(bytes(size), words);
        }
    }

    #[test]
    fn names_are_in_natural_order() {
        // fvbommel/sortorder `natsort_test.go`.
        let sorted =
            ["1", "1_", "01", "02", "2x", "10", "a", "a1", "a01", "a2", "a10", "abc-1", "abc.2", "abc.10", "b"];
        for (at, one) in sorted.iter().enumerate() {
            assert_eq!(natural(one, one), Ordering::Equal);
            for other in &sorted[at + 1..] {
                if (*one, *other) == ("02", "2x") {
                    continue;
                }
                assert_eq!(natural(one, other), Ordering::Less, "{one} {other}");
                assert_eq!(natural(other, one), Ordering::Greater, "{one} {other}");
            }
        }
        assert_eq!(natural("2x", "02"), Ordering::Less);
    }

    #[test]
    fn what_is_too_long_is_cut() {
        assert_eq!(ellipsis("task: non-zero exit (1)", 30), "task: non-zero exit (1)");
        assert_eq!(
            ellipsis("no suitable node (insufficient resources on 4 nodes)", 30),
            "no suitable node (insufficien…"
        );
        assert_eq!(ellipsis("東京東京", 4), "東…");
        assert_eq!(short("iu1itgm432akyb5kf84ajrm61"), "iu1itgm432ak");
        assert_eq!(capitalized("not OK"), "Not ok");
    }
}
