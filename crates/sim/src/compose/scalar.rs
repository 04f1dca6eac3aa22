//! Scalars as Go's `yaml.v3` resolves and prints them.

use super::yaml::Value;

/// A point in time as YAML writes it; kept as Go prints it, for nothing in a stack file is a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instant {
    /// As `fmt.Sprint` prints it.
    pub printed: String,
    /// As JSON has it.
    pub json: String,
}

/// What a scalar is; the error is what `yaml.v3` says of a tag that does not fit.
pub fn resolve(text: &str, is_plain: bool, tag: Option<&str>) -> Result<Value, String> {
    let tag = match tag {
        None | Some("!") if !is_plain => "!!str",
        None | Some("!") => "",
        Some(tag) => tag,
    };
    let as_text = || Value::Text(text.to_string());
    match tag {
        "" => return Ok(implied(text)),
        "!!str" => return Ok(as_text()),
        "!!binary" => {
            let bytes = base64(text).ok_or("!!binary value contains invalid base64 data")?;
            return Ok(Value::Text(String::from_utf8_lossy(&bytes).into_owned()));
        }
        "!!bool" | "!!int" | "!!float" | "!!null" | "!!timestamp" => {}
        _ => return Ok(as_text()),
    }
    let value = implied(text);
    let found = match (&value, tag) {
        (Value::Int(n), "!!float") => return Ok(Value::Float(*n as f64)),
        (Value::Bool(_), _) => "!!bool",
        (Value::Int(_) | Value::Unsigned(_), _) => "!!int",
        (Value::Float(_), _) => "!!float",
        (Value::Null, _) => "!!null",
        (Value::Instant(_), _) => "!!timestamp",
        _ => "!!str",
    };
    if found == tag { Ok(value) } else { Err(format!("cannot decode {found} `{text}` as a {tag}")) }
}

fn implied(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match text.as_bytes()[0] {
        b'.' => decimal(text),
        b'0'..=b'9' | b'+' | b'-' => instant(text).map(Value::Instant).or_else(|| number(&text.replace('_', ""))),
        _ => None,
    };
    number.unwrap_or_else(|| Value::Text(text.to_string()))
}

fn number(plain: &str) -> Option<Value> {
    let (is_negative, digits) = match plain.as_bytes().first()? {
        b'-' => (true, &plain[1..]),
        b'+' => (false, &plain[1..]),
        _ => (false, plain),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if digits.bytes().all(|b| b.is_ascii_alphanumeric())
        && let Ok(magnitude) = u64::from_str_radix(digits, radix)
    {
        let signed = if is_negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
        match signed {
            Some(n) => return Some(Value::Int(n)),
            None if !is_negative && !plain.starts_with('+') => return Some(Value::Unsigned(magnitude)),
            None => {}
        }
    }
    decimal(plain)
}

/// A decimal fraction of the form that YAML allows, if it is finite.
fn decimal(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_decimal = unsigned.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let value: f64 = text.parse().ok().filter(|_| is_decimal && unsigned != ".")?;
    value.is_finite().then_some(Value::Float(value))
}

/// `2001-01-01`, or with a time: `2001-01-01T10:10:10.5+02:00`.
fn instant(text: &str) -> Option<Instant> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(index) => (&text[..index], Some((&text[index + 1..], bytes[index] == b' '))),
        None => (text, None),
    };
    let mut parts = date.split('-').map(|part| small(part, 4));
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if parts.next().is_some() || !(1..=days).contains(&day) || date[5..].split('-').any(|part| part.len() > 2) {
        return None;
    }
    let (mut clock, mut zone) = ("00:00:00".to_string(), ("+0000 UTC".to_string(), "Z".to_string()));
    if let Some((time, is_spaced)) = time {
        let split = time.find(['Z', '+', '-']);
        let (time, offset) = time.split_at(split.unwrap_or(time.len()));
        zone = match offset {
            "" if is_spaced => zone,
            "Z" if !is_spaced => zone,
            _ if !is_spaced && offset.len() == 6 && offset.as_bytes()[3] == b':' => {
                let (hours, minutes) = (small(&offset[1..3], 2)?, small(&offset[4..], 2)?);
                if hours > 24 || minutes > 59 {
                    return None;
                }
                let compact = offset.replace(':', "");
                (format!("{compact} {compact}"), offset.to_string())
            }
            _ => return None,
        };
        let mut parts = time.split(':');
        let (hour, minute, second) = (small(parts.next()?, 2)?, small(parts.next()?, 2)?, parts.next()?);
        let (second, fraction) = second.split_once('.').unwrap_or((second, ""));
        let second = small(second, 2)?;
        if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 || fraction.len() > 9 {
            return None;
        }
        if !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let dot = if fraction.is_empty() { "" } else { "." };
        clock = format!("{hour:02}:{minute:02}:{second:02}{dot}{fraction}");
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    Some(Instant { printed: format!("{date} {clock} {}", zone.0), json: format!("{date}T{clock}{}", zone.1) })
}

fn small(digits: &str, longest: usize) -> Option<u32> {
    let fits = !digits.is_empty() && digits.len() <= longest && digits.bytes().all(|b| b.is_ascii_digit());
    if fits { digits.parse().ok() } else { None }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let symbols: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\n' | b'\r')).collect();
    let data = symbols.len() - symbols.iter().rev().take_while(|b| **b == b'=').count();
    if !symbols.len().is_multiple_of(4) || symbols.len() - data > 2 {
        return None;
    }
    let (mut out, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for symbol in &symbols[..data] {
        let digit = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(digit)) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

/// Text as Go's `%q` prints it.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() || (c.is_whitespace() && c != ' ') => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Value {
        super::super::yaml::read(text).unwrap().root.value
    }

    #[test]
    fn scalars_are_go_s() {
        let cases = [
            ("0440", Value::Int(288)),
            ("0o17", Value::Int(15)),
            ("-0x1F", Value::Int(-31)),
            ("1_000", Value::Int(1000)),
            ("09", Value::Float(9.0)),
            ("5.", Value::Float(5.0)),
            ("1e400", Value::Text("1e400".to_string())),
            ("18446744073709551615", Value::Unsigned(u64::MAX)),
            ("yes", Value::Text("yes".to_string())),
            ("'5'", Value::Text("5".to_string())),
            ("!!str 5", Value::Text("5".to_string())),
            ("1:30", Value::Text("1:30".to_string())),
            ("~", Value::Null),
        ];
        for (text, expected) in cases {
            assert_eq!(resolved(text), expected, "{text}");
        }
        let Value::Instant(instant) = resolved("2001-01-01T10:10:10.50+02:00") else { panic!("a time") };
        assert_eq!(instant.printed, "2001-01-01 10:10:10.5 +0200 +0200");
        assert!(matches!(resolved("2001-02-29"), Value::Text(_)));
    }
}
