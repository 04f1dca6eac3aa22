//! Several policies as one: a list, from left to right.

use std::fmt::Write as _;

use super::parameters::{Refusal, Settings, Value};
use super::{Action, Actions, Decision, FAILOVERS, Failover, Interests, Loss, News, PolicyKind, View};
use crate::spec::ServiceSpec;

/// A policy of [`FAILOVERS`], by its name, with the parameters that differ from its defaults.
#[derive(Clone, PartialEq, Debug)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Parameters by name.
    pub given: Vec<(String, Value)>,
}

impl Part {
    /// A policy with its defaults.
    pub fn named(name: impl Into<String>) -> Part {
        Part { name: name.into(), given: Vec::new() }
    }

    /// The same with a parameter.
    pub fn with(mut self, name: impl Into<String>, value: Value) -> Part {
        self.given.push((name.into(), value));
        self
    }
}

/// Most policies in a list: timers are told apart by three bits of their tokens.
const MOST: usize = 8;

/// One policy with parameters, or several from left to right: about a lost task the first answers that does not leave it
/// to Swarm. `seed` is for the policies that draw. Refuses what is not there, does not fit or contradicts itself.
pub fn build(parts: &[Part], seed: u64) -> Result<Box<dyn Failover>, Refusal> {
    check(parts)?;
    let mut built = Vec::with_capacity(parts.len());
    for (number, part) in parts.iter().enumerate() {
        let entry = FAILOVERS.iter().find(|entry| entry.name == part.name).expect("it was checked");
        let at = |refusal| Refusal { part: number, ..refusal };
        let settings = Settings::complete(entry.parameters, &part.given).map_err(at)?;
        built.push((entry.build)(&settings, seed).map_err(at)?);
    }
    if built.len() == 1 { Ok(built.remove(0)) } else { Ok(Box::new(List { parts: built })) }
}

/// The name of a list with what its parameters are, if not the defaults: `wait(grace=60s)+rebalance`.
pub fn label(parts: &[Part]) -> String {
    let mut text = String::new();
    for (number, part) in parts.iter().enumerate() {
        let _ = write!(text, "{}{}", if number == 0 { "" } else { "+" }, part.name);
        for (number, (name, value)) in part.given.iter().enumerate() {
            let _ = write!(text, "{}{name}={value}", if number == 0 { "(" } else { " " });
        }
        text.push_str(if part.given.is_empty() { "" } else { ")" });
    }
    text
}

fn check(parts: &[Part]) -> Result<(), Refusal> {
    let refuse = |part, why| Err(Refusal { part, parameter: None, why });
    if parts.is_empty() || MOST < parts.len() {
        return refuse(0, format!("expected one to {MOST} policies"));
    }
    for (number, part) in parts.iter().enumerate() {
        let Some(entry) = FAILOVERS.iter().find(|entry| entry.name == part.name) else {
            let known: Vec<&str> = FAILOVERS.iter().map(|entry| entry.name).collect();
            return refuse(
                number,
                format!("unknown failover policy '{}': expected one of {}", part.name, known.join(", ")),
            );
        };
        for before in &parts[..number] {
            let before = FAILOVERS.iter().find(|entry| entry.name == before.name).expect("it was looked up");
            let (one, other) = (before.name, entry.name);
            if one == other {
                return refuse(number, format!("{one} is there already"));
            }
            match (before.kind, entry.kind) {
                (PolicyKind::Complete, PolicyKind::Partial | PolicyKind::Complete)
                | (PolicyKind::Partial, PolicyKind::Complete) => {
                    return refuse(
                        number,
                        format!("{one} and {other} contradict each other: each says what becomes of every lost task"),
                    );
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Policies from left to right.
#[derive(Clone)]
struct List {
    parts: Vec<Box<dyn Failover>>,
}

impl List {
    /// Timers that a part set have its number in them.
    fn mark(actions: &mut Actions, from: usize, part: usize) {
        for action in &mut actions[from..] {
            if let Action::Wake { token, .. } = action {
                *token = *token << 3 | part as u64;
            }
        }
    }
}

impl Failover for List {
    fn interests(&self) -> Interests {
        self.parts.iter().fold(Interests::default(), |all, part| all.and(part.interests()))
    }

    fn accepts(&self, spec: &ServiceSpec) -> Result<(), String> {
        self.parts.iter().try_for_each(|part| part.accepts(spec))
    }

    fn decide(&mut self, view: &View<'_>, loss: &Loss, actions: &mut Actions) -> Decision {
        for (number, part) in self.parts.iter_mut().enumerate() {
            let from = actions.len();
            let decision = part.decide(view, loss, actions);
            List::mark(actions, from, number);
            if decision != Decision::Swarm {
                return decision;
            }
        }
        Decision::Swarm
    }

    fn observe(&mut self, view: &View<'_>, news: &News, actions: &mut Actions) {
        for (number, part) in self.parts.iter_mut().enumerate() {
            let news = match news {
                News::Timer(token) if token & 7 != number as u64 => continue,
                News::Timer(token) => News::Timer(token >> 3),
                news => *news,
            };
            let from = actions.len();
            part.observe(view, &news, actions);
            List::mark(actions, from, number);
        }
    }

    fn save(&self) -> String {
        // Lengths in front, so that a part may write what it likes.
        self.parts.iter().map(|part| part.save()).map(|state| format!("{}:{state}", state.len())).collect()
    }

    fn load(&mut self, state: &str) -> Result<(), String> {
        let mut rest = state;
        for part in &mut self.parts {
            let split = rest.split_once(':').and_then(|(length, text)| {
                let length: usize = length.parse().ok()?;
                text.is_char_boundary(length).then(|| text.split_at(length))
            });
            let Some((own, others)) = split else { return Err(format!("{rest:?} has no length in front")) };
            part.load(own)?;
            rest = others;
        }
        if rest.is_empty() { Ok(()) } else { Err(format!("{rest:?} is left over")) }
    }
}
