//! Durations, sizes and CPU shares as Go and Docker write them, in whole units.

/// Nanoseconds of a Go duration such as `1h30m`, `1.5s` or `-2us`; the error is Go's.
pub fn duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", super::scalar::quoted(text));
    let (is_negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (whole, after) = rest.split_at(digits);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len())),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let nanos: u128 = match unit {
            "" => return Err(format!("time: missing unit in duration {}", super::scalar::quoted(text))),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => {
                let (unit, text) = (super::scalar::quoted(unit), super::scalar::quoted(text));
                return Err(format!("time: unknown unit {unit} in duration {text}"));
            }
        };
        let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        // Beyond 18 digits a fraction says nothing about nanoseconds.
        let fraction = &fraction[..fraction.len().min(18)];
        let part = fraction.parse::<u128>().unwrap_or(0) * nanos / 10u128.pow(fraction.len() as u32);
        total = whole.checked_mul(nanos).and_then(|product| product.checked_add(total + part)).ok_or_else(invalid)?;
        if total > 1 << 63 {
            return Err(invalid());
        }
        rest = after;
    }
    match (is_negative, i64::try_from(total)) {
        (false, Ok(total)) => Ok(total),
        (false, Err(_)) => Err(invalid()),
        (true, _) => Ok(0i64.checked_sub_unsigned(total as u64).unwrap_or(i64::MIN)),
    }
}

/// A duration as Go prints it: `1m30s`, `300ms`, `1h0m0.000003s`.
pub fn print_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let n = nanos.unsigned_abs();
    let scaled = |unit: u64, digits: usize| {
        let fraction = format!("{:0digits$}", n % unit);
        let fraction = fraction.trim_end_matches('0');
        let dot = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{}{dot}{fraction}", n / unit)
    };
    match n {
        0 => "0s".to_string(),
        1..1_000 => format!("{sign}{n}ns"),
        1_000..1_000_000 => format!("{}µs", scaled(1_000, 3)),
        1_000_000..1_000_000_000 => format!("{}ms", scaled(1_000_000, 6)),
        _ => {
            let (seconds, fraction) = (n / 1_000_000_000, format!("{:09}", n % 1_000_000_000));
            let fraction = fraction.trim_end_matches('0');
            let dot = if fraction.is_empty() { "" } else { "." };
            let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            let hours_text = if hours > 0 { format!("{hours}h") } else { String::new() };
            let minutes_text = if hours > 0 || minutes > 0 { format!("{minutes}m") } else { String::new() };
            format!("{sign}{hours_text}{minutes_text}{seconds}{dot}{fraction}s")
        }
    }
}

/// Bytes of a size such as `50M`, `1.5 GiB` or `300` (`docker/go-units`, `RAMInBytes`); the units are powers of 1024.
pub fn bytes(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid size: '{text}'");
    let end = text.rfind(|c: char| c.is_ascii_digit() || matches!(c, '.' | ' ')).ok_or_else(invalid)?;
    let number = &text[..end + usize::from(!text[end..].starts_with(' '))];
    let suffix = &text[end + 1..];
    let size = float(number)?;
    if size < 0.0 {
        return Err(invalid());
    }
    let bad = |suffix: &str| Err(format!("invalid suffix: '{suffix}'"));
    if suffix.len() > 3 {
        return bad(suffix);
    }
    let suffix = suffix.to_lowercase();
    let (unit, rest) = suffix.split_at(suffix.chars().next().map_or(0, char::len_utf8));
    let shift = match "kmgtp".find(unit) {
        _ if matches!(suffix.as_str(), "" | "b") => 0,
        Some(index) if matches!(rest, "" | "b" | "ib") => 10 * (index + 1),
        _ => return bad(&suffix),
    };
    let size = size * (1u64 << shift) as f64;
    // What does not fit becomes the least number, as a conversion in Go does on this kind of processor.
    Ok(if size < i64::MAX as f64 { size as i64 } else { i64::MIN })
}

/// A number as Go's `strconv.ParseFloat` reads it: with a sign, an exponent, `_` between digits, or in base 16.
pub fn float(text: &str) -> Result<f64, String> {
    let fail = |why: &str| Err(format!("strconv.ParseFloat: parsing {}: {why}", super::scalar::quoted(text)));
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (-1.0, unsigned),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = unsigned.to_ascii_lowercase();
    match lower.as_str() {
        "inf" | "infinity" => return Ok(sign * f64::INFINITY),
        "nan" if unsigned == text => return Ok(f64::NAN),
        _ => {}
    }
    let Some(digits) = without_underscores(&lower) else { return fail("invalid syntax") };
    let value = match digits.strip_prefix("0x") {
        Some(hexadecimal) => hexadecimal_float(hexadecimal),
        None => {
            let is_decimal = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'+' | b'-'));
            digits.parse().ok().filter(|_| is_decimal)
        }
    };
    match value {
        Some(value) if f64::is_finite(value) => Ok(sign * value),
        Some(_) => fail("value out of range"),
        None => fail("invalid syntax"),
    }
}

/// `1.8p3`, which is 1.5 times 2^3.
fn hexadecimal_float(digits: &str) -> Option<f64> {
    let (mantissa, exponent) = digits.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for c in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(c.to_digit(16)?);
    }
    let exponent = whole_number(exponent)?.saturating_sub(4 * fraction.len() as i64);
    Some(value * 2f64.powi(i32::try_from(exponent).unwrap_or(if exponent < 0 { i32::MIN } else { i32::MAX })))
}

/// A whole number with a sign.
fn whole_number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_whole.then(|| text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
}

/// Digits without the `_` that may stand between them, and after the sign of a base (Go's `underscoreOK`).
fn without_underscores(text: &str) -> Option<String> {
    let has_base = matches!(text.get(..2), Some("0x" | "0b" | "0o"));
    let is_digit = |c: char| c.is_ascii_digit() || (text.starts_with("0x") && c.is_ascii_hexdigit());
    let mut before = '^';
    for (index, c) in text.chars().enumerate() {
        let kind = match c {
            _ if has_base && index < 2 => '0',
            c if is_digit(c) => '0',
            '_' if before != '0' => return None,
            '_' => '_',
            _ if before == '_' => return None,
            _ => '!',
        };
        before = kind;
    }
    (before != '_').then(|| text.replace('_', ""))
}

/// Billionths of a CPU of a rational number such as `0.5`, `1/4`, `0b11` or `0x1p-2` (Go's `big.Rat`); the errors are
/// Docker's. What has more than 64 bits is cut off, as there.
pub fn nano_cpus(text: &str) -> Result<i64, String> {
    let fail = || format!("failed to parse {text} as a rational number");
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.to_ascii_lowercase();
    let (mantissa, divisor, twos, fives) = match digits.split_once('/') {
        Some((numerator, denominator)) => {
            let numerator = natural(numerator).ok_or_else(fail)?;
            let denominator = natural(denominator).filter(|number| *number > 0).ok_or_else(fail)?;
            (numerator, denominator, 0, 0)
        }
        None => {
            let (mantissa, twos, fives) = rational(&digits).ok_or_else(fail)?;
            (mantissa, 1, twos, fives)
        }
    };
    let (mut nano, mut too_precise) = (mantissa, false);
    // A billionth is 2^-9 * 5^-9. What is divided is divided first, so that the rest stays small.
    for (base, exponent) in [(2, twos.saturating_add(9)), (5, fives.saturating_add(9))] {
        for _ in 0..exponent.unsigned_abs().min(if mantissa == 0 { 0 } else { 1_000 }) {
            if exponent > 0 {
                nano = nano.checked_mul(base).ok_or_else(fail)?;
            } else {
                too_precise |= nano % base != 0;
                nano /= base;
            }
        }
    }
    if too_precise || nano % divisor != 0 {
        return Err("value is too precise".to_string());
    }
    let nano = (nano / divisor) as i64;
    Ok(if is_negative { nano.wrapping_neg() } else { nano })
}

/// A whole number with the sign of its base, where a mere 0 means 8.
fn natural(text: &str) -> Option<u128> {
    let is_octal = text.len() > 1
        && text.starts_with('0')
        && text.as_bytes()[1] != b'_'
        && !text.as_bytes()[1].is_ascii_alphabetic();
    let digits = without_underscores(text)?;
    match digits.get(..2) {
        Some("0x") => u128::from_str_radix(digits[2..].trim_start_matches('+'), 16).ok(),
        Some("0b") => u128::from_str_radix(&digits[2..], 2).ok(),
        Some("0o") => u128::from_str_radix(&digits[2..], 8).ok(),
        _ if is_octal || text.starts_with("0_") => u128::from_str_radix(&digits, 8).ok(),
        _ => digits.parse().ok(),
    }
}

/// A number with a point and an exponent: its digits, and how many times it is multiplied by 2 and by 5.
fn rational(text: &str) -> Option<(u128, i64, i64)> {
    let (base, bits, body) = match text.get(..2) {
        Some("0x") => (16, 4, &text[2..]),
        Some("0b") => (2, 1, &text[2..]),
        Some("0o") => (8, 3, &text[2..]),
        _ => (10, 0, text),
    };
    let end = body.find(|c: char| c == 'p' || (c == 'e' && base != 16)).unwrap_or(body.len());
    let (mantissa, exponent) = body.split_at(end);
    let prefix = &text[..text.len() - body.len()];
    let digits = without_underscores(&format!("{prefix}{mantissa}"))?.split_off(prefix.len());
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() && !digits.contains(|c: char| c.is_digit(base)) {
        return None;
    }
    let mut value = 0u128;
    for c in whole.chars().chain(fraction.chars()) {
        value = value.checked_mul(u128::from(base))?.checked_add(u128::from(c.to_digit(base)?))?;
    }
    let shown = fraction.len() as i64;
    let (mut twos, mut fives) = if base == 10 { (-shown, -shown) } else { (-shown * bits, 0) };
    if let Some(sign) = exponent.chars().next() {
        let count = whole_number(&without_underscores(&exponent[1..])?)?;
        if count.unsigned_abs() > 1_000_000 {
            return None;
        }
        twos += count;
        fives += if sign == 'e' { count } else { 0 };
    }
    Some((value, twos, fives))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_go_s_both_ways() {
        let cases = [
            ("90s", 90_000_000_000, "1m30s"),
            ("1.5h", 5_400_000_000_000, "1h30m0s"),
            ("1h0m3us", 3_600_000_003_000, "1h0m0.000003s"),
            ("300ms", 300_000_000, "300ms"),
            ("1µs", 1_000, "1µs"),
            ("-1.5us", -1_500, "-1.5µs"),
            ("0", 0, "0s"),
            ("1ns", 1, "1ns"),
            (".5s", 500_000_000, "500ms"),
            ("9223372036854775807ns", i64::MAX, "2562047h47m16.854775807s"),
        ];
        for (text, nanos, printed) in cases {
            assert_eq!(duration(text), Ok(nanos), "{text}");
            assert_eq!(print_duration(nanos), printed);
            assert_eq!(duration(printed), Ok(nanos));
        }
        for text in ["", "1d", "10", "10S", "s", "-", "1.s.", "1 s", "9223372036854775808ns", "99999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(duration("1d").unwrap_err(), "time: unknown unit \"d\" in duration \"1d\"");
    }

    #[test]
    fn sizes_are_binary_whatever_the_unit_is_called() {
        for text in
            ["50M", "50MB", "50mb", "50MiB", "50 m", "51200k", "52428800", "+50m", "5_0m", "5e1m", "50.m", "0x32p0m"]
        {
            assert_eq!(bytes(text), Ok(52_428_800), "{text}");
        }
        assert_eq!(bytes("1.5g"), Ok(1_610_612_736));
        assert_eq!(bytes("0"), Ok(0));
        assert_eq!(bytes("99999999999P"), Ok(i64::MIN));
        assert_eq!(bytes(".5k"), Ok(512));
        assert_eq!(bytes("1e3"), Ok(1000));
        assert_eq!(bytes("1_000"), Ok(1000));
        assert_eq!(bytes("7b"), Ok(7));
        assert_eq!(bytes("inf "), Ok(i64::MIN));
        for text in ["", "abc", "-5", "-1m"] {
            assert_eq!(bytes(text), Err(format!("invalid size: '{text}'")));
        }
        for (text, suffix) in [
            ("512Mi", "mi"),
            ("1Gi", "gi"),
            ("5x", "x"),
            ("5kk", "kk"),
            ("1Bytes", "Bytes"),
            ("1bb", "bb"),
            ("1é", "é"),
        ] {
            assert_eq!(bytes(text), Err(format!("invalid suffix: '{suffix}'")));
        }
        for (text, number) in
            [("1.2.3k", "1.2.3"), ("5  k", "5 "), ("a5", "a5"), ("1__0", "1__0"), (".", "."), ("0x1", "0x1")]
        {
            assert_eq!(bytes(text), Err(format!("strconv.ParseFloat: parsing \"{number}\": invalid syntax")));
        }
        assert_eq!(bytes("1e400").unwrap_err(), "strconv.ParseFloat: parsing \"1e400\": value out of range");
    }

    #[test]
    fn cpus_are_exact() {
        let cases = [
            ("0.5", 500_000_000),
            ("0.0001", 100_000),
            ("2", 2_000_000_000),
            ("1e-3", 1_000_000),
            ("1/4", 250_000_000),
            ("1_0", 10_000_000_000),
            ("0b11", 3_000_000_000),
            ("0x1p-2", 250_000_000),
            ("0x.8", 500_000_000),
            ("010", 10_000_000_000),
            ("010/1", 8_000_000_000),
            ("1p-1", 500_000_000),
            ("-.5", -500_000_000),
            ("99999999999", 7_766_279_630_452_241_920),
            ("0e999999", 0),
        ];
        for (text, nano) in cases {
            assert_eq!(nano_cpus(text), Ok(nano), "{text}");
        }
        assert_eq!(nano_cpus("0.100000000000"), Ok(100_000_000));
        assert_eq!(nano_cpus("1e-10").unwrap_err(), "value is too precise");
        assert_eq!(nano_cpus("1/3").unwrap_err(), "value is too precise");
        for text in ["", "abc", ".", "1e", "1e99999999", "1/0", "1__0", "_1", "0b2", "0x", "1/-2", " 1"] {
            assert_eq!(nano_cpus(text).unwrap_err(), format!("failed to parse {text} as a rational number"));
        }
    }
}
