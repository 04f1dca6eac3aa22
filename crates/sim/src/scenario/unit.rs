//! Values with units: spans of time, bytes, rates, CPUs and laws.

use sched::{Span, Time};

use super::rows::{Rows, SECONDS, seconds};
use super::value::{Table, Value};
use crate::engine::law::Law;
use crate::outside::shown;

/// A hundred years of 365.25 days: longer than anything that is simulated, and a sixth of what a [`Span`] can hold.
pub(super) const CENTURY: Span = Span::from_secs(100 * 31_557_600);

/// A moment of a run, as users write it: `312s` or `5m 12s` after its beginning. The error says what is expected.
pub fn moment(text: &str, duration: Span) -> Result<Time, String> {
    let expected =
        |what: &str| Err(format!("expected a time such as `90s` or `5m 12s`, found `{}`: {what}", shown(text)));
    let span = match humantime::parse_duration(text) {
        Ok(span) => u64::try_from(span.as_nanos()).map_or(Span::from_nanos(u64::MAX), Span::from_nanos),
        Err(error) => return expected(&error.to_string()),
    };
    if duration < span {
        return expected(&format!("the run ends at {}", human(duration)));
    }
    Ok(Time::ZERO + span)
}

/// What `parse_size` is given at most. It computes in `u64` and panics on some longer numbers.
const DIGITS: usize = 18;

impl Value<'_> {
    /// A span of time: `90s`, `1h 30m`, `2d`.
    pub fn duration(&self) -> Option<Span> {
        self.duration_from(Span::ZERO)
    }

    /// A span of time that is not shorter than another.
    pub fn duration_from(&self, least: Span) -> Option<Span> {
        let Some(text) = self.as_text() else { return self.expected("a duration such as \"90s\"") };
        let span = match humantime::parse_duration(text) {
            Ok(duration) => u64::try_from(duration.as_nanos()).map_or(Span::from_nanos(u64::MAX), Span::from_nanos),
            Err(error) => {
                let negative = text.trim_start().starts_with('-');
                let help = if negative { "durations are never negative".to_string() } else { error.to_string() };
                let message = format!("expected a duration such as \"90s\", found {}", self.what());
                self.complain_with(message, Some(help));
                return None;
            }
        };
        if span < least || CENTURY < span {
            let limits =
                if span < least { format!("at least {}", human(least)) } else { "at most 100 years".to_string() };
            return self.expected(format!("a duration of {limits}"));
        }
        Some(span)
    }

    /// Bytes of memory with a unit; every prefix is a power of 1024, as Docker reads them.
    pub fn bytes(&self) -> Option<u64> {
        self.size(parse_size::Config::new().with_binary(), "8GiB", "B, KiB, MiB, GiB, TiB")
    }

    /// Bytes of an image with a unit. Prefixes are powers of 1000, as registries say them, except `KiB`, `MiB` and so on.
    pub fn image_bytes(&self) -> Option<u64> {
        self.size(parse_size::Config::new(), "250MB", "B, kB, MB, GB, or KiB, MiB, GiB")
    }

    fn size(&self, config: parse_size::Config, example: &str, units: &str) -> Option<u64> {
        let expected = || self.expected(format!("a size such as \"{example}\""));
        let Some(text) = self.as_text() else { return expected() };
        if !text.ends_with(|c: char| c.is_ascii_alphabetic()) {
            self.complain_with(
                format!("expected a size such as \"{example}\", found {}", self.what()),
                Some(format!("sizes need a unit: {units}")),
            );
            return None;
        }
        match number_of(config, text) {
            Ok(bytes) if i64::try_from(bytes).is_ok() => Some(bytes),
            Ok(_) | Err(parse_size::Error::PosOverflow) => self.expected("a size below 8 EiB"),
            Err(_) => expected(),
        }
    }

    /// Bytes per second, or `None` for `unlimited`: `1Gbit/s`, `25MB/s`. Prefixes are powers of 1000, as networks are
    /// sold, except `KiB`, `MiB` and so on.
    pub fn rate(&self) -> Option<Option<u64>> {
        let expected = || self.expected("a rate such as \"1Gbit/s\", \"25MB/s\" or \"unlimited\"");
        let Some(text) = self.as_text() else { return expected() };
        if text == "unlimited" {
            return Some(None);
        }
        let Some(amount) = text.strip_suffix("/s").map(str::trim_end) else { return expected() };
        let (number, unit) = match amount.strip_suffix("bit") {
            Some(number) => (number, 8),
            None if amount.ends_with('B') => (amount, 1),
            None => return expected(),
        };
        match number_of(parse_size::Config::new(), number).map(|amount| amount / unit) {
            Ok(0) => self.expected("a rate of at least 1B/s"),
            Ok(rate) => Some(Some(rate)),
            Err(parse_size::Error::PosOverflow) => self.expected("a rate below 18EB/s"),
            Err(_) => expected(),
        }
    }

    /// CPUs as 10^-9 CPUs, exactly: `4`, `0.5`, `"0.001"`.
    pub fn cpus(&self) -> Option<i64> {
        let text = self.as_text().or_else(|| self.as_decimal());
        let nanos = text.and_then(nano_cpus);
        nanos.or_else(|| self.expected("a number of CPUs such as 4 or \"0.5\", with at most nine decimals"))
    }

    /// A law of random times: a duration, or a table with the name of the law as its key.
    pub fn law(&self) -> Option<Law> {
        if self.as_text().is_some() {
            return self.duration().map(Law::Fixed);
        }
        if !self.is_table() {
            return self.expected("a duration such as \"5m\" or a law such as { exponential = { mean = \"5m\" } }");
        }
        let laws = self.table(LAWS)?;
        let mut given = LAWS.iter().filter_map(|name| laws.get(name));
        let (Some(law), None) = (given.next(), given.next()) else {
            // A misspelt law has been complained about as an unknown key.
            let unknown = self.entries().iter().any(|entry| !LAWS.contains(&entry.key));
            let expected = || self.expected(format!("exactly one of the laws {}", LAWS.join(", ")));
            return if unknown { None } else { expected() };
        };
        match law.path.rsplit('.').next() {
            Some("uniform") => {
                let law = law.table(UNIFORM)?;
                let (min, max) = (law.need("min", Value::duration), law.need("max", Value::duration));
                let (min, max) = (min?, max?);
                if max < min {
                    law.complain(format!("`{}`: min is longer than max", law.path));
                }
                Some(Law::Uniform { min, max })
            }
            Some("exponential") => {
                Some(Law::Exponential { mean: law.table(EXPONENTIAL)?.need("mean", Value::duration)? })
            }
            Some("lognormal") => {
                let law = law.table(LOGNORMAL)?;
                let median = law.need("median", Value::duration);
                let sigma = law.need("sigma", |value| value.number(0.0..=5.0));
                Some(Law::Lognormal { median: median?, sigma: sigma? })
            }
            Some("weibull") => {
                let law = law.table(WEIBULL)?;
                let shape = law.need("shape", |value| value.number(0.2..=10.0));
                let mean = law.need("mean", Value::duration);
                Some(Law::Weibull { shape: shape?, mean: mean? })
            }
            Some("erlang") => {
                let law = law.table(ERLANG)?;
                let stages = law.need("stages", |value| value.count(1..=100));
                let mean = law.need("mean", Value::duration);
                Some(Law::Erlang { stages: u32::try_from(stages?).unwrap_or(1), mean: mean? })
            }
            Some("hyperexponential") => {
                let law = law.table(HYPEREXPONENTIAL)?;
                let chance = law.need("chance", |value| value.number(0.0..=1.0));
                let (short, long) = (law.need("short", Value::duration), law.need("long", Value::duration));
                let (chance, short, long) = (chance?, short?, long?);
                if long < short {
                    law.complain(format!("`{}`: short is longer than long", law.path));
                }
                Some(Law::Hyperexponential { chance, short, long })
            }
            Some("pareto") => pareto(&law.table(PARETO)?),
            Some("empirical") => empirical(&law),
            _ => law.duration().map(Law::Fixed),
        }
    }
}

/// `shape`, and either `scale` or `mean`.
fn pareto(table: &Table<'_>) -> Option<Law> {
    let shape = table.need("shape", |value| value.number(0.1..=100.0));
    let scale = match (table.get("scale"), table.get("mean")) {
        (Some(scale), None) => scale.duration(),
        (None, Some(mean)) if shape.is_some_and(|shape| shape <= 1.0) => {
            mean.expected("`scale`, since there is no mean for a shape of 1 or less")
        }
        (None, Some(mean)) => mean
            .duration()
            .zip(shape)
            .map(|(mean, shape)| Span::from_nanos((mean.as_nanos() as f64 * (shape - 1.0) / shape).round() as u64)),
        _ => {
            table.complain(format!("`{}`: expected either `scale` or `mean`", table.path));
            None
        }
    };
    Some(Law::Pareto { scale: scale?, shape: shape? })
}

/// A list of durations, or a CSV file with the column `value`, in seconds.
fn empirical(value: &Value<'_>) -> Option<Law> {
    let values = if value.is_table() {
        let file = value.table(EMPIRICAL)?.need("file", |value| Some(value.clone()))?;
        let rows = Rows::read(&file, &value.sink.folder, &["value"], &[])?;
        rows.map(|row| row.need("value", SECONDS, seconds))?
    } else {
        value.list().iter().map(Value::duration).collect::<Option<Vec<Span>>>()?
    };
    let law = Law::empirical(values);
    if law.is_none() {
        value.complain("expected at least one value");
    }
    law
}

pub(super) const LAWS: &[&str] =
    &["fixed", "uniform", "exponential", "lognormal", "weibull", "erlang", "hyperexponential", "pareto", "empirical"];
pub(super) const UNIFORM: &[&str] = &["min", "max"];
pub(super) const EXPONENTIAL: &[&str] = &["mean"];
pub(super) const LOGNORMAL: &[&str] = &["median", "sigma"];
pub(super) const WEIBULL: &[&str] = &["shape", "mean"];
pub(super) const ERLANG: &[&str] = &["stages", "mean"];
pub(super) const HYPEREXPONENTIAL: &[&str] = &["chance", "short", "long"];
pub(super) const PARETO: &[&str] = &["scale", "mean", "shape"];
pub(super) const EMPIRICAL: &[&str] = &["file"];

/// The middle of a law, for limits: mean, median, or the shortest of a range.
pub(super) fn typical(law: &Law) -> Span {
    match *law {
        Law::Fixed(span) => span,
        Law::Uniform { min, .. } => min,
        Law::Exponential { mean } | Law::Weibull { mean, .. } | Law::Erlang { mean, .. } => mean,
        Law::Hyperexponential { .. } | Law::Empirical(_) => law.mean(),
        Law::Pareto { .. } => law.quantile(0.5),
        Law::Lognormal { median, .. } => median,
    }
}

/// A span as users write it, for messages.
pub(super) fn human(span: Span) -> String {
    humantime::format_duration(std::time::Duration::from_nanos(span.as_nanos())).to_string()
}

fn number_of(config: parse_size::Config, text: &str) -> Result<u64, parse_size::Error> {
    if DIGITS < text.bytes().filter(u8::is_ascii_digit).count() {
        return Err(parse_size::Error::PosOverflow);
    }
    config.parse_size(text)
}

/// Decimal text to nano-CPUs without a float in between.
fn nano_cpus(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || 9 < fraction.len() {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_exact() {
        assert_eq!(nano_cpus("4"), Some(4_000_000_000));
        assert_eq!(nano_cpus("0.1"), Some(100_000_000));
        assert_eq!(nano_cpus("0.123456789"), Some(123_456_789));
        assert_eq!(nano_cpus("0.1234567891"), None);
        assert_eq!(nano_cpus("-1"), None);
        assert_eq!(nano_cpus("9223372036.854775807"), Some(i64::MAX));
        assert_eq!(nano_cpus("9223372036.854775808"), None);
    }

    #[test]
    fn a_number_on_the_brink_of_u64_does_not_panic() {
        let config = || parse_size::Config::new().with_binary();
        assert_eq!(number_of(config(), "184467440737095516155B"), Err(parse_size::Error::PosOverflow));
        assert_eq!(number_of(config(), "1.5GiB"), Ok(1_610_612_736));
        // Memory in powers of 1024, images in powers of 1000 unless they say otherwise.
        assert_eq!(number_of(config(), "50MB"), Ok(52_428_800));
        assert_eq!(number_of(parse_size::Config::new(), "50MB"), Ok(50_000_000));
        assert_eq!(number_of(parse_size::Config::new(), "50MiB"), Ok(52_428_800));
    }
}
