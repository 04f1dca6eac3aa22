//! Drills: what is lost if a node, a rack or any other group of machines loses its power, one loss after the other, each on
//! a copy of the same run.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use sched::spec::Role;
use sched::{Span, Time};

use crate::metrics::Outcome;
use crate::order::{Nodes, Order};
use crate::scenario::Scenario;
use crate::simulation::Simulation;

/// Which machines are lost together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Losses {
    /// Each node by itself.
    EachNode,
    /// Each manager by itself.
    EachManager,
    /// For each value of a label of the operator, all nodes that have it.
    EachValue(String),
    /// The nodes that have this value of a label.
    Value(String, String),
    /// One node, by name.
    Node(String),
}

/// Machines that are lost together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// `node-3`, `rack=r1`.
    pub name: String,
    /// Rows of the scenario's nodes.
    pub rows: Vec<usize>,
}

/// What a loss does, over the replications.
#[derive(Clone, PartialEq, Debug)]
pub struct Drilled {
    /// Which.
    pub loss: Loss,
    /// The outcome of each replication, counted from the loss on.
    pub outcomes: Vec<Outcome>,
    /// Replications in which nobody can decide at the end: what is lost stays lost.
    pub leaderless: usize,
}

/// How a drill is done.
#[derive(Clone, PartialEq, Debug)]
pub struct Drill {
    /// Strategy of the scenario.
    pub strategy: String,
    /// Replications, from 1.
    pub replications: u32,
    /// When power is lost; `None` is a second after every service has for the first time what it wants, in that replication.
    pub at: Option<Time>,
    /// How long it is watched what happens.
    pub watch: Span,
    /// The machines have power again after this time.
    pub back: Option<Span>,
}

impl Losses {
    /// `each:node`, `each:manager`, `each:LABEL`, `LABEL=VALUE` or a node's name. The error says what is expected.
    pub fn parse(text: &str) -> Result<Losses, String> {
        match text.split_once(':') {
            Some(("each", "node")) => return Ok(Losses::EachNode),
            Some(("each", "manager")) => return Ok(Losses::EachManager),
            Some(("each", label)) if !label.is_empty() => return Ok(Losses::EachValue(label.into())),
            _ => {}
        }
        match text.split_once('=') {
            Some((label, value)) if !label.is_empty() && !value.is_empty() => {
                Ok(Losses::Value(label.into(), value.into()))
            }
            None if !text.is_empty() && !text.contains(':') => Ok(Losses::Node(text.into())),
            _ => Err("expected each:node, each:manager, each:LABEL, LABEL=VALUE or the name of a node".into()),
        }
    }

    /// The losses that are meant, in order of names' first nodes. The error says that none are.
    pub fn of(&self, scenario: &Scenario) -> Result<Vec<Loss>, String> {
        let nodes = || scenario.nodes.iter().enumerate();
        let single =
            |(row, node): (usize, &crate::scenario::NodePlan)| Loss { name: node.spec.id.clone(), rows: vec![row] };
        let losses: Vec<Loss> = match self {
            Losses::EachNode => nodes().map(single).collect(),
            Losses::EachManager => nodes().filter(|(_, node)| node.spec.role == Role::Manager).map(single).collect(),
            Losses::Node(name) => nodes().filter(|(_, node)| node.spec.id == *name).map(single).collect(),
            Losses::EachValue(label) => {
                let mut values: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
                for (row, node) in nodes() {
                    if let Some(value) = node.spec.labels.get(label) {
                        values.entry(value).or_default().push(row);
                    }
                }
                let loss = |(value, rows): (&str, Vec<usize>)| Loss { name: format!("{label}={value}"), rows };
                values.into_iter().map(loss).collect()
            }
            Losses::Value(label, value) => {
                let has = |node: &crate::scenario::NodePlan| node.spec.labels.get(label) == Some(value);
                let rows: Vec<usize> = nodes().filter(|(_, node)| has(node)).map(|(row, _)| row).collect();
                let loss = Loss { name: format!("{label}={value}"), rows };
                std::iter::once(loss).filter(|loss| !loss.rows.is_empty()).collect()
            }
        };
        match losses.is_empty() {
            true => Err(format!("no node is meant by `{self}`")),
            false => Ok(losses),
        }
    }
}

impl std::fmt::Display for Losses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Losses::EachNode => f.write_str("each:node"),
            Losses::EachManager => f.write_str("each:manager"),
            Losses::EachValue(label) => write!(f, "each:{label}"),
            Losses::Value(label, value) => write!(f, "{label}={value}"),
            Losses::Node(name) => f.write_str(name),
        }
    }
}

/// Drills every loss in every replication. Each replication is run up to the loss once; every loss goes on from a copy of
/// that. The error names a strategy that is not there, or a run in which not everything came to run before.
pub fn drill(scenario: &Scenario, losses: &[Loss], how: &Drill) -> Result<Vec<Drilled>, Hindrance> {
    let bases: Vec<Simulation> = (1..=how.replications)
        .into_par_iter()
        .map(|replication| before(scenario, replication, how))
        .collect::<Result<_, _>>()?;
    let mut drilled = Vec::with_capacity(losses.len());
    // Runs are sent to threads, but not shared by them, and are large: so a few at a time are copied.
    for few in losses.chunks(AT_A_TIME) {
        let copies: Vec<_> = few.iter().map(|loss| (loss, bases.clone())).collect();
        let lost = copies.into_par_iter().map(|(loss, bases)| {
            let ends = bases.into_iter().map(|base| lose(base, loss, how)).collect::<Result<Vec<_>, Hindrance>>()?;
            let leaderless = ends.iter().filter(|(_, is_led)| !is_led).count();
            let outcomes = ends.into_iter().map(|(outcome, _)| outcome).collect();
            Ok(Drilled { loss: loss.clone(), outcomes, leaderless })
        });
        drilled.extend(lost.collect::<Result<Vec<_>, Hindrance>>()?);
    }
    Ok(drilled)
}

/// Why there is nothing to drill.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hindrance {
    /// In this replication not every service ever has what it wants before anything is lost.
    Unsettled(u32),
    /// There is no such strategy, or the loss was refused, in words.
    Refused(String),
}

impl From<String> for Hindrance {
    fn from(why: String) -> Hindrance {
        Hindrance::Refused(why)
    }
}

impl std::fmt::Display for Hindrance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Hindrance::Unsettled(replication) => write!(
                f,
                "in replication {replication} not every service ever has what it wants before anything is lost: \
                 `simctl run` says why; `--at` drills all the same"
            ),
            Hindrance::Refused(why) => f.write_str(why),
        }
    }
}

/// So many losses are copied and drilled at the same time.
const AT_A_TIME: usize = 8;

/// A run up to the loss, from which its metrics count.
fn before(scenario: &Scenario, replication: u32, how: &Drill) -> Result<Simulation, Hindrance> {
    let at = match how.at {
        Some(at) => at,
        None => {
            let settled = Simulation::new(scenario.clone(), &how.strategy, replication)?.finish().settled_s;
            let settled = settled.ok_or(Hindrance::Unsettled(replication))?;
            Time::ZERO + Span::from_secs_f64(settled + 1.0)
        }
    };
    let mut scenario = scenario.clone();
    scenario.warm_up = at.since(Time::ZERO);
    scenario.duration = scenario.warm_up + how.watch;
    scenario.until = None;
    let mut run = Simulation::new(Arc::new(scenario), &how.strategy, replication)?;
    run.run_until(at);
    Ok(run)
}

/// What comes of a loss, and whether anybody can decide at the end.
fn lose(mut run: Simulation, loss: &Loss, how: &Drill) -> Result<(Outcome, bool), Hindrance> {
    let at = run.now();
    let nodes = || Nodes::Rows(loss.rows.as_slice().into());
    run.order(Order::PowerOff(nodes())).map_err(|refusal| format!("{}: {refusal}", loss.name))?;
    if let Some(back) = how.back {
        run.run_until(at + back);
        run.order(Order::PowerOn(nodes())).map_err(|refusal| format!("{}: {refusal}", loss.name))?;
    }
    while run.step() {}
    let is_led = run.is_led();
    Ok((run.finish(), is_led))
}

impl Drilled {
    /// Tasks that wait for a node at the end: the most in any replication.
    pub fn waiting(&self) -> u64 {
        let waiting = |outcome: &Outcome| outcome.pending.iter().map(|row| row.open).sum();
        self.outcomes.iter().map(waiting).max().unwrap_or_default()
    }

    /// Tasks that do not run at the end although services want them, whether they wait for a node or nobody replaces them: the
    /// most in any replication.
    pub fn missing(&self) -> u64 {
        let missing = |outcome: &Outcome| {
            outcome.services.iter().map(|row| row.wanted.saturating_sub(row.running_final)).sum::<u64>()
        };
        self.outcomes.iter().map(missing).max().unwrap_or_default().max(self.waiting())
    }

    /// Why they wait, and what would help, of the service of which most wait.
    pub fn reason(&self) -> Option<(&str, &str)> {
        let rows = self.outcomes.iter().flat_map(|outcome| &outcome.pending);
        let most = rows.filter(|row| row.open > 0).max_by_key(|row| row.open)?;
        let remedies = self.outcomes.iter().flat_map(|outcome| &outcome.pending);
        let remedy = remedies.map(|row| row.remedy.as_str()).find(|remedy| !remedy.is_empty());
        Some((&most.reason, remedy.unwrap_or_default()))
    }

    /// Replicas that were lost with the machines, in the mean.
    pub fn replicas(&self) -> f64 {
        self.mean(|outcome| outcome.services.iter().map(|row| row.replicas_lost).sum::<u64>() as f64)
    }

    /// Replica-seconds in which one was missing, in the mean.
    pub fn lost_s(&self) -> f64 {
        self.mean(|outcome| outcome.services.iter().map(|row| row.lost_s).sum())
    }

    /// Services that had no running task, in any replication, and for how long at most.
    pub fn stood_still(&self) -> BTreeMap<&str, f64> {
        let mut still = BTreeMap::new();
        for row in self.outcomes.iter().flat_map(|outcome| &outcome.services).filter(|row| row.down_s > 0.0) {
            let longest: &mut f64 = still.entry(row.service.as_str()).or_default();
            *longest = longest.max(row.down_s);
        }
        still
    }

    fn mean(&self, of: impl Fn(&Outcome) -> f64) -> f64 {
        self.outcomes.iter().map(of).sum::<f64>() / self.outcomes.len().max(1) as f64
    }
}
