//! `simctl drill`: every single loss, worst first, and which services are at risk.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;

use comfy_table::{CellAlignment, ContentArrangement, Table};
use sched::{Span, Time};
use serde_json::{Value, json};

use super::run::Shared;
use super::show::{LINES, counted};
use super::why::Shape;
use super::{Console, End};
use crate::drill::{self, Drill, Drilled, Loss, Losses};
use crate::outside;
use crate::report::text;
use crate::scenario::{self, Scenario};

/// `simctl drill`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  simctl drill my.toml                              each node and each rack, worst first
  simctl drill my.toml --lose each:zone --back 5m   each zone, with power again after five minutes
  simctl drill my.toml --lose worker-3 --at 90s     one node, in the middle of what happens then

Exit codes: 0 every service has all that it wants again after every loss, 1 one has not, 2 wrong input")]
pub struct Args {
    /// Scenario file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    shared: Shared,
    /// What is lost: each:node, each:manager, each:LABEL, LABEL=VALUE or a node [default: each:node, and each:rack if nodes have
    /// that label]
    #[arg(long, value_name = "WHAT")]
    lose: Vec<String>,
    /// When it is lost [default: a second after every service has for the first time what it wants]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How long it is watched what happens
    #[arg(long, value_name = "SPAN", default_value = "10m")]
    watch: String,
    /// When what is lost has power again, after the loss [default: not]
    #[arg(long, value_name = "SPAN")]
    back: Option<String>,
    /// Independent runs
    #[arg(long, short, value_name = "R", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    replications: u32,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
    /// Show every loss
    #[arg(long)]
    all: bool,
}

/// So many losses are shown unless all are asked for.
const SHOWN: usize = 12;

/// Runs the verb.
pub fn run(args: &Args, console: &mut Console) -> End {
    let scenario = match args.shared.load(&args.file) {
        Ok(scenario) => scenario,
        Err(complaint) => {
            console.tell(complaint.trim_end());
            return End::WrongInput;
        }
    };
    match drilled(args, &scenario) {
        Ok(drilled) => {
            console.say(&match args.format {
                Shape::Text => in_words(args, &scenario, &drilled),
                Shape::Json => outside::json(&in_json(&drilled)),
            });
            if drilled.iter().all(|drilled| drilled.missing() == 0) { End::Held } else { End::Failed }
        }
        Err(why) => {
            console.tell(&format!("error: {why}"));
            End::WrongInput
        }
    }
}

fn drilled(args: &Args, scenario: &Scenario) -> Result<Vec<Drilled>, String> {
    let watch = span(&args.watch)?;
    let how = Drill {
        strategy: args.shared.strategy(scenario),
        replications: args.replications,
        at: args.at.as_ref().map(|text| scenario::moment(text, scenario.duration)).transpose()?,
        watch,
        back: args.back.as_deref().map(span).transpose()?.filter(|back| *back < watch),
    };
    let mut drilled =
        drill::drill(scenario, &losses(&args.lose, scenario)?, &how).map_err(|hindrance| hindrance.to_string())?;
    drilled.sort_by(|one, other| {
        let key = |drilled: &Drilled| (drilled.missing(), drilled.stood_still().len(), drilled.lost_s());
        key(other).partial_cmp(&key(one)).unwrap_or(std::cmp::Ordering::Equal)
    });
    Ok(drilled)
}

/// What is asked for, or each node and each rack.
pub(super) fn losses(words: &[String], scenario: &Scenario) -> Result<Vec<Loss>, String> {
    if words.is_empty() {
        let mut losses = Losses::EachValue("rack".into()).of(scenario).unwrap_or_default();
        losses.extend(Losses::EachNode.of(scenario)?);
        return Ok(losses);
    }
    let mut losses = Vec::new();
    for word in words {
        let named = |why: String| format!("`--lose {}`: {why}", outside::shown(word));
        losses.extend(Losses::parse(word).map_err(named)?.of(scenario).map_err(named)?);
    }
    Ok(losses)
}

/// A span of time.
pub(super) fn span(text: &str) -> Result<Span, String> {
    // As long as no run is.
    scenario::moment(text, Span::from_secs(100 * 365 * 86_400)).map(|moment| moment.since(Time::ZERO))
}

fn in_words(args: &Args, scenario: &Scenario, drilled: &[Drilled]) -> String {
    let mut lines = Vec::new();
    let (all, missing) = (drilled.len(), drilled.iter().filter(|drilled| drilled.missing() > 0).count());
    lines.push(match missing {
        0 => format!("After each of {} every service has all its tasks again.", counted(all, "loss", "losses")),
        _ => format!("After {missing} of {} tasks are missing at the end.", counted(all, "loss", "losses")),
    });
    if let Some(worst) = drilled.iter().find(|drilled| drilled.leaderless > 0) {
        let of = counted(worst.outcomes.len(), "replication", "replications");
        let (name, count) = (outside::shown(&worst.loss.name), worst.leaderless);
        lines.push(format!("After the loss of {name} no manager leads, in {count} of {of}: nothing is replaced."));
    }
    if let Some((worst, (reason, remedy))) = drilled.first().and_then(|worst| Some((worst, worst.reason()?))) {
        let tasks = counted(worst.waiting() as usize, "task waits", "tasks wait");
        lines.push(format!("Worst: {}: {tasks}, {}.", outside::shown(&worst.loss.name), outside::shown(reason)));
        if !remedy.is_empty() {
            lines.push(format!("It would help: {}.", outside::shown(remedy)));
        }
    }
    lines.push(String::new());
    let mut table = Table::new();
    table.load_style(LINES).set_content_arrangement(ContentArrangement::Dynamic).set_width(80);
    table.set_header(["lost", "replicas", "replica-s", "missing", "without a running task"]);
    let shown = if args.all { drilled.len() } else { SHOWN };
    for drilled in drilled.iter().take(shown) {
        let still = drilled.stood_still();
        let mut still: Vec<(&str, f64)> = still.into_iter().collect();
        still.sort_by(|one, other| other.1.total_cmp(&one.1));
        let names = still.iter().take(if args.all { usize::MAX } else { 1 });
        let mut names: Vec<String> =
            names.map(|(name, span)| format!("{} {}", outside::shown(name), text::span(*span))).collect();
        if still.len() > names.len() {
            names.push(format!("{} more", still.len() - names.len()));
        }
        table.add_row([
            outside::shown(&drilled.loss.name).to_string(),
            text::short((drilled.replicas() * 10.0).round() / 10.0),
            text::short(drilled.lost_s().round()),
            drilled.missing().to_string(),
            names.join(", "),
        ]);
    }
    for column in table.column_iter_mut().skip(1).take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    lines.extend(table.to_string().lines().map(str::to_owned));
    if drilled.len() > shown {
        lines.push(format!("and {} (--all shows them)", counted(drilled.len() - shown, "loss", "losses")));
    }
    let risks = risks(drilled);
    if !risks.is_empty() {
        lines.push(String::new());
        lines.push("Services at risk:".into());
    }
    let most = if args.all { usize::MAX } else { SHOWN };
    for (service, risk) in risks.iter().take(most) {
        let replicas = scenario.services.iter().find(|plan| plan.spec.name == *service).map(|plan| plan.spec.mode);
        let alone = match replicas {
            Some(sched::spec::Mode::Replicated { replicas: 1 }) => " (one replica)",
            _ => "",
        };
        let mut parts = Vec::new();
        if risk.still > 0 {
            let longest = text::span(risk.longest);
            parts.push(format!(
                "without a running task in {}, for up to {longest}",
                counted(risk.still, "loss", "losses")
            ));
        }
        if risk.waits > 0 {
            parts.push(format!("waits for a node after {}", counted(risk.waits, "loss", "losses")));
        }
        if risk.missing > risk.waits {
            parts.push(format!("not whole again after {}", counted(risk.missing, "loss", "losses")));
        }
        lines.push(format!("  {}{alone}: {}", outside::shown(service), parts.join(", ")));
    }
    if risks.len() > most {
        lines.push(format!("  and {} (--all shows them)", counted(risks.len() - most, "service", "services")));
    }
    let words = counted(args.replications as usize, "replication", "replications");
    lines.push(String::new());
    lines.push(format!(
        "{words}, watched for {}; numbers are means, `missing` (at the end) and times the worst.",
        args.watch
    ));
    text::paragraphs(&lines, 80)
}

/// What losses do to a service.
#[derive(Clone, Copy, Default)]
struct Risk {
    /// Losses after which it has no running task, and for how long at most.
    still: usize,
    longest: f64,
    /// Losses after which tasks of it wait at the end.
    waits: usize,
    /// Losses after which it has too few at the end, whether they wait or not.
    missing: usize,
}

/// Services that any loss hurts, worst first.
fn risks(drilled: &[Drilled]) -> Vec<(&str, Risk)> {
    let mut risks: BTreeMap<&str, Risk> = BTreeMap::new();
    for drilled in drilled {
        for (service, span) in drilled.stood_still() {
            let risk = risks.entry(service).or_default();
            (risk.still, risk.longest) = (risk.still + 1, risk.longest.max(span));
        }
        let rows = drilled.outcomes.iter().flat_map(|outcome| &outcome.services);
        let mut missing: Vec<&str> =
            rows.filter(|row| row.running_final < row.wanted).map(|row| row.service.as_str()).collect();
        missing.sort_unstable();
        missing.dedup();
        missing.into_iter().for_each(|service| risks.entry(service).or_default().missing += 1);
        let rows = drilled.outcomes.iter().flat_map(|outcome| &outcome.pending).filter(|row| row.open > 0);
        let mut waiting: Vec<&str> = rows.map(|row| row.service.as_str()).collect();
        waiting.sort_unstable();
        waiting.dedup();
        waiting.into_iter().for_each(|service| risks.entry(service).or_default().waits += 1);
    }
    let mut risks: Vec<(&str, Risk)> = risks.into_iter().collect();
    risks.sort_by_key(|(_, risk)| Reverse((risk.missing, risk.waits, risk.still)));
    risks
}

fn in_json(drilled: &[Drilled]) -> Value {
    let losses: Vec<Value> = drilled
        .iter()
        .map(|drilled| {
            json!({
                "lost": drilled.loss.name, "nodes": drilled.loss.rows.len(), "replicas_lost": drilled.replicas(),
                "lost_s": drilled.lost_s(), "missing": drilled.missing(), "waiting": drilled.waiting(),
                "leaderless": drilled.leaderless,
                "reason": drilled.reason().map(|reason| reason.0), "remedy": drilled.reason().map(|reason| reason.1),
                "stood_still_s": drilled.stood_still(),
            })
        })
        .collect();
    let services: Vec<Value> = risks(drilled)
        .into_iter()
        .map(|(service, risk)| {
            json!({ "service": service, "losses_without_a_running_task": risk.still, "longest_s": risk.longest,
                    "losses_that_leave_it_waiting": risk.waits })
        })
        .collect();
    json!({ "schema_version": 1, "losses": losses, "services": services })
}
