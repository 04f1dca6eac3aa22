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
        total = whole.checked_mul(nanos).and_then(|it| it.checked_add(total + part)).ok_or_else(invalid)?;
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

/// Bytes of a size such as `50M`, `1.5 GiB` or `300`; the units are powers of 1024 whatever they are called.
pub fn bytes(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid size: '{text}'");
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.split('.').any(str::is_empty) {
        return Err(invalid());
    }
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let shift = match unit.as_bytes().first().map(|first| b"kmgtp".iter().position(|it| it == first)) {
        Some(Some(index)) => 10 * (index as u32 + 1),
        _ => 0,
    };
    let suffix = if shift > 0 { &unit[1..] } else { &unit };
    if !matches!(suffix, "" | "i" | "b" | "ib") {
        return Err(invalid());
    }
    if number.matches('.').count() > 1 {
        return Err(format!("strconv.ParseFloat: parsing {}: invalid syntax", super::scalar::quoted(number)));
    }
    let size = number.parse::<f64>().map_err(|_| invalid())? * (1u64 << shift) as f64;
    // What does not fit becomes the least number, as a conversion in Go does on this kind of processor.
    Ok(if size < i64::MAX as f64 { size as i64 } else { i64::MIN })
}

/// Billionths of a CPU of a decimal number such as `0.5`; the errors are Docker's.
pub fn nano_cpus(text: &str) -> Result<i64, String> {
    let fail = || format!("failed to parse {text} as a rational number");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, exponent) = match digits.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().map_err(|_| fail())?),
        None => (digits, 0),
    };
    if let Some((numerator, denominator)) = digits.split_once('/').filter(|_| exponent == 0) {
        let numerator: i128 = whole(numerator).ok_or_else(fail)?;
        let denominator: i128 = whole(denominator).filter(|it| *it > 0).ok_or_else(fail)?;
        let nano = numerator.checked_mul(1_000_000_000).ok_or_else(fail)?;
        if nano % denominator != 0 {
            return Err("value is too precise".to_string());
        }
        return i64::try_from(sign * nano / denominator).map_err(|_| fail());
    }
    let (whole_part, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole_part.is_empty() && fraction.is_empty() {
        return Err(fail());
    }
    let fraction = fraction.trim_end_matches('0');
    let mantissa = format!("{whole_part}{fraction}");
    let mantissa = if mantissa.is_empty() { "0" } else { &mantissa };
    let mantissa = whole(mantissa).ok_or_else(fail)?;
    let scale = i64::from(exponent) + 9 - fraction.len() as i64;
    let nano = match u32::try_from(scale) {
        _ if mantissa == 0 => 0,
        Ok(scale) => 10i128.checked_pow(scale).and_then(|it| it.checked_mul(mantissa)).ok_or_else(fail)?,
        Err(_) => {
            let divisor = u32::try_from(-scale).ok().and_then(|it| 10i128.checked_pow(it));
            match divisor {
                Some(divisor) if mantissa % divisor == 0 => mantissa / divisor,
                _ => return Err("value is too precise".to_string()),
            }
        }
    };
    i64::try_from(sign * nano).map_err(|_| fail())
}

fn whole(digits: &str) -> Option<i128> {
    let is_whole = !digits.is_empty() && digits.len() <= 30 && digits.bytes().all(|b| b.is_ascii_digit());
    if is_whole { digits.parse().ok() } else { None }
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
        for text in ["50M", "50MB", "50mb", "50MiB", "50 m", "51200k", "52428800"] {
            assert_eq!(bytes(text), Ok(52_428_800), "{text}");
        }
        assert_eq!(bytes("1.5g"), Ok(1_610_612_736));
        assert_eq!(bytes("0"), Ok(0));
        assert_eq!(bytes("99999999999P"), Ok(i64::MIN));
        for text in ["", "abc", "-5", "5x", "5kk", "5  k", ".5", "5.", "5e3"] {
            assert_eq!(bytes(text), Err(format!("invalid size: '{text}'")));
        }
        assert_eq!(bytes("1.2.3k").unwrap_err(), "strconv.ParseFloat: parsing \"1.2.3\": invalid syntax");
    }

    #[test]
    fn cpus_are_exact() {
        let cases = [
            ("0.5", 500_000_000),
            ("0.0001", 100_000),
            ("2", 2_000_000_000),
            ("1e-3", 1_000_000),
            ("1/4", 250_000_000),
        ];
        for (text, nano) in cases {
            assert_eq!(nano_cpus(text), Ok(nano), "{text}");
        }
        assert_eq!(nano_cpus("0.100000000000"), Ok(100_000_000));
        assert_eq!(nano_cpus("1e-10").unwrap_err(), "value is too precise");
        assert_eq!(nano_cpus("1/3").unwrap_err(), "value is too precise");
        for text in ["", "abc", ".", "1e", "1e99999", "99999999999", "1/0"] {
            assert_eq!(nano_cpus(text).unwrap_err(), format!("failed to parse {text} as a rational number"));
        }
    }
}
