//! Parameters of the policies: what they are called, what they may be, and what they are unless said otherwise.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::time::Span;

/// A value of a parameter.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// A time.
    Span(Span),
    /// A number of things.
    Count(u64),
    /// A share, or a number a second; infinite is without limit.
    Number(f64),
    /// The key of a label (empty is none), or one of some words.
    Text(Cow<'static, str>),
    /// Yes or no.
    Flag(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Span(span) => write!(f, "{}s", span.as_secs_f64()),
            Value::Count(count) => write!(f, "{count}"),
            Value::Number(number) if number.is_infinite() => f.write_str("unlimited"),
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(text),
            Value::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

/// What a parameter may be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// A time.
    Span,
    /// A whole number within bounds.
    Count(u64, u64),
    /// A number within bounds.
    Number(f64, f64),
    /// A whole number of things, or a share of them from 0 to 1 ([`Value::Number`]).
    Amount,
    /// So many a second, from 0; infinite is without limit.
    Rate,
    /// The key of a label of the nodes.
    Label,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// Yes or no.
    Flag,
}

impl Kind {
    /// What is expected, in words.
    pub fn expected(self) -> String {
        match self {
            Kind::Span => "a duration".into(),
            Kind::Count(from, to) => format!("an integer from {from} to {to}"),
            Kind::Number(from, to) => format!("a number from {from} to {to}"),
            Kind::Amount => "an integer from 0, or a share from 0.0 to 1.0".into(),
            Kind::Rate => "a number a second from 0, or \"unlimited\"".into(),
            Kind::Label => "the key of a label of the nodes".into(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::Flag => "true or false".into(),
        }
    }

    fn has(self, value: &Value) -> bool {
        match (self, value) {
            (Kind::Span, Value::Span(_))
            | (Kind::Label, Value::Text(_))
            | (Kind::Flag, Value::Flag(_))
            | (Kind::Amount, Value::Count(_)) => true,
            (Kind::Count(from, to), Value::Count(count)) => (from..=to).contains(count),
            (Kind::Number(from, to), Value::Number(number)) => (from..=to).contains(number),
            (Kind::Amount, Value::Number(share)) => (0.0..=1.0).contains(share),
            (Kind::Rate, Value::Number(rate)) => *rate >= 0.0,
            (Kind::Choice(words), Value::Text(word)) => words.contains(&word.as_ref()),
            _ => false,
        }
    }
}

/// A parameter of a policy.
#[derive(Clone, PartialEq, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it is unless said otherwise.
    pub default: Value,
    /// What it means, with the source of a default that is somebody else's.
    pub meaning: &'static str,
}

/// Why a policy cannot be had with some parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Which of several policies, from 0.
    pub part: usize,
    /// Which of its parameters, if it is one.
    pub parameter: Option<String>,
    /// Why.
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.parameter {
            Some(parameter) => write!(f, "parameter {parameter}: {}", self.why),
            None => f.write_str(&self.why),
        }
    }
}

/// A value for every parameter of a policy.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings(BTreeMap<&'static str, Value>);

impl Settings {
    /// What is given, and the defaults for the rest. Refuses what the policy does not know or cannot be.
    pub(super) fn complete(parameters: &'static [Parameter], given: &[(String, Value)]) -> Result<Settings, Refusal> {
        let mut settings: BTreeMap<&'static str, Value> =
            parameters.iter().map(|parameter| (parameter.name, parameter.default.clone())).collect();
        for (name, value) in given {
            let refuse = |why| Err(Refusal { part: 0, parameter: Some(name.clone()), why });
            let Some(parameter) = parameters.iter().find(|parameter| parameter.name == name) else {
                let known: Vec<&str> = parameters.iter().map(|parameter| parameter.name).collect();
                return refuse(if known.is_empty() {
                    "there are no parameters".into()
                } else {
                    format!("unknown: expected one of {}", known.join(", "))
                });
            };
            if !parameter.kind.has(value) {
                return refuse(format!("expected {}, found {value}", parameter.kind.expected()));
            }
            settings.insert(parameter.name, value.clone());
        }
        Ok(Settings(settings))
    }

    fn get(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or_else(|| panic!("{name} is not among the parameters of this policy"))
    }

    pub(super) fn span(&self, name: &str) -> Span {
        let Value::Span(span) = self.get(name) else { panic!("{name} is not a time") };
        *span
    }

    pub(super) fn count(&self, name: &str) -> u64 {
        let Value::Count(count) = self.get(name) else { panic!("{name} is not a count") };
        *count
    }

    pub(super) fn number(&self, name: &str) -> f64 {
        let Value::Number(number) = self.get(name) else { panic!("{name} is not a number") };
        *number
    }

    pub(super) fn amount(&self, name: &str) -> Amount {
        match self.get(name) {
            Value::Count(count) => Amount::Count(*count),
            Value::Number(share) => Amount::Share(*share),
            _ => panic!("{name} is not an amount"),
        }
    }

    pub(super) fn text(&self, name: &str) -> String {
        let Value::Text(text) = self.get(name) else { panic!("{name} is not a text") };
        text.to_string()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        let Value::Flag(flag) = self.get(name) else { panic!("{name} is not a truth value") };
        *flag
    }
}

/// So many, or a share of what there is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Amount {
    /// So many.
    Count(u64),
    /// A share from 0 to 1, rounded up.
    Share(f64),
}

impl Amount {
    /// How many that is of `whole`.
    pub(super) fn of(self, whole: u64) -> u64 {
        match self {
            Amount::Count(count) => count,
            Amount::Share(share) => (share * whole as f64 - 1e-9).ceil().max(0.0) as u64,
        }
    }

    pub(super) fn is_nothing(self) -> bool {
        self == Amount::Count(0) || self == Amount::Share(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_up() {
        assert_eq!(Amount::Share(0.1).of(10), 1);
        assert_eq!(Amount::Share(0.1).of(11), 2);
        assert_eq!(Amount::Share(0.3).of(10), 3, "0.3 x 10 is a little more than three in floating point");
        assert_eq!(Amount::Share(0.0).of(10), 0);
        assert_eq!(Amount::Count(3).of(2), 3);
    }

    #[test]
    fn what_is_not_a_parameter_is_refused_with_its_name() {
        static PARAMETERS: &[Parameter] =
            &[Parameter { name: "rate", kind: Kind::Rate, default: Value::Number(1.0), meaning: "nodes a second" }];
        let with = |name: &str, value| Settings::complete(PARAMETERS, &[(name.to_string(), value)]);
        assert_eq!(with("rate", Value::Number(f64::INFINITY)).expect("no limit").number("rate"), f64::INFINITY);
        let refused = |name, value| with(name, value).expect_err("refused").to_string();
        assert_eq!(refused("rat", Value::Number(1.0)), "parameter rat: unknown: expected one of rate");
        assert_eq!(
            refused("rate", Value::Number(-1.0)),
            "parameter rate: expected a number a second from 0, or \"unlimited\", found -1"
        );
    }
}
