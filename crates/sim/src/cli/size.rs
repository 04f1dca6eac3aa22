//! `simctl size`: the smallest number with which nothing is left waiting, whatever single loss happens.

use std::path::PathBuf;

use serde_json::json;

use super::drill::{losses, span};
use super::run::Shared;
use super::show::counted;
use super::why::Shape;
use super::{Console, End};
use crate::drill::{self, Drill, Drilled, Hindrance};
use crate::outside;
use crate::report::text;
use crate::scenario::Scenario;

/// `simctl size`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  simctl size my.toml --vary pool.worker.count=3..60                  so that no rack's loss leaves anything waiting
  simctl size my.toml --vary pool.worker.count=3..60 --survive nothing
  simctl size my.toml --vary pool.worker.count=3..60 --scale web=2x --scale api=2x

Exit codes: 0 found, 1 no number in the range is enough, 2 wrong input")]
pub struct Args {
    /// Scenario file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    shared: Shared,
    /// The key that is varied, and its range: pool.worker.count=3..60
    #[arg(long, value_name = "KEY=LOW..HIGH")]
    vary: String,
    /// What may be lost: as of `simctl drill`, or `nothing` [default: each:rack if nodes have that label, or each:node]
    #[arg(long, value_name = "WHAT")]
    survive: Vec<String>,
    /// How long it is watched after each loss
    #[arg(long, value_name = "SPAN", default_value = "10m")]
    watch: String,
    /// Independent runs, in all of which it must be enough
    #[arg(long, short, value_name = "R", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    replications: u32,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
}

/// So many numbers are tried one by one.
const EACH: u64 = 200;

/// How it is with one number.
struct Tried {
    number: u64,
    /// What is left waiting, or why not everything runs even before a loss; none if it is enough.
    lack: Option<String>,
    waiting: u64,
}

/// Runs the verb.
pub fn run(args: &Args, console: &mut Console) -> End {
    match size(args) {
        Ok((text, end)) => {
            console.say(&text);
            end
        }
        Err(why) => {
            let prefix = if why.starts_with("error") { "" } else { "error: " };
            console.tell(&format!("{prefix}{}", why.trim_end()));
            End::WrongInput
        }
    }
}

fn size(args: &Args) -> Result<(String, End), String> {
    let wrong =
        || format!("`--vary {}`: expected KEY=LOW..HIGH, such as pool.worker.count=3..60", outside::shown(&args.vary));
    let (key, range) = args.vary.split_once('=').ok_or_else(wrong)?;
    let (low, high) = range.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    let (low, high) = (number(low)?, number(high)?);
    if low > high {
        return Err(wrong());
    }
    let text = args.shared.text(&args.file)?;
    let tried = |number: u64| attempt(args, &text, key, number);
    let top = tried(high)?;
    if let Some(lack) = &top.lack {
        // More may be worse: of a range whose end fails every number is tried, from the least on.
        let mut below: Option<Tried> = None;
        for number in low..high.min(low.saturating_add(EACH)) {
            let this = tried(number)?;
            if this.lack.is_some() {
                below = Some(this);
                continue;
            }
            let mut words =
                format!("{key} = {number} is the least that is enough. More is not always: with {high}, {lack}");
            if let Some(Tried { number, lack: Some(lack), .. }) = &below {
                words += &format!(" With {number}: {lack}");
            }
            return Ok((answer(args, key, Some(&this), below.as_ref(), &words), End::Held));
        }
        let words = format!("No {key} of {low}..{high} that was tried is enough. With {high}: {lack}");
        return Ok((answer(args, key, None, Some(&top), &words), End::Failed));
    }
    // As far as more is never worse. The answer and the number below it are both tried.
    let (mut fails, mut holds) = (None, top);
    let bottom = tried(low)?;
    if bottom.lack.is_none() {
        holds = bottom;
    } else {
        fails = Some(bottom);
    }
    while let Some(below) = fails.as_ref().map(|tried| tried.number).filter(|below| below + 1 < holds.number) {
        let middle = tried(below + (holds.number - below) / 2)?;
        if middle.lack.is_some() { fails = Some(middle) } else { holds = middle }
    }
    let mut words = format!("{key} = {}", holds.number);
    words += &match &fails {
        Some(fails) => {
            format!(" is the least that is enough. With {}: {}", fails.number, fails.lack.as_deref().unwrap_or(""))
        }
        None => format!(" is enough, the least that was tried ({low}..{high})."),
    };
    Ok((answer(args, key, Some(&holds), fails.as_ref(), &words), End::Held))
}

fn attempt(args: &Args, text: &str, key: &str, number: u64) -> Result<Tried, String> {
    let scenario = args.shared.parse(&args.file, text, &[format!("{key}={number}")])?;
    let lost: Vec<String> = match args.survive.is_empty() {
        false => args.survive.iter().filter(|word| *word != "nothing").cloned().collect(),
        true if has_racks(&scenario) => vec!["each:rack".into()],
        true => vec!["each:node".into()],
    };
    let how = Drill {
        strategy: args.shared.strategy(&scenario),
        replications: args.replications,
        at: None,
        watch: span(&args.watch)?,
        back: None,
    };
    let mut losses = if lost.is_empty() { Vec::new() } else { losses(&lost, &scenario)? };
    if lost.is_empty() {
        losses.push(drill::Loss { name: "nothing".into(), rows: Vec::new() });
    }
    match drill::drill(&scenario, &losses, &how) {
        Ok(drilled) => Ok(verdict(number, &drilled)),
        // Not everything comes to run even without a loss.
        Err(Hindrance::Unsettled(_)) => Ok(Tried {
            number,
            lack: Some("not every service gets what it wants even before a loss.".into()),
            waiting: 0,
        }),
        Err(hindrance) => Err(hindrance.to_string()),
    }
}

fn has_racks(scenario: &Scenario) -> bool {
    scenario.nodes.iter().any(|node| node.spec.labels.contains_key("rack"))
}

fn verdict(number: u64, drilled: &[Drilled]) -> Tried {
    // The first of the worst.
    let worst = drilled.iter().rev().max_by_key(|drilled| drilled.missing()).filter(|worst| worst.missing() > 0);
    let lack = worst.map(|worst| {
        let Some((reason, remedy)) = worst.reason() else {
            let (lost, tasks) = (outside::shown(&worst.loss.name), counted(worst.missing() as usize, "task", "tasks"));
            let why =
                if worst.leaderless > 0 { "because no manager leads any more" } else { "though none waits for a node" };
            return format!("after the loss of {lost} {tasks} are missing at the end, {why}.");
        };
        let tasks = counted(worst.waiting() as usize, "task", "tasks");
        let help =
            if remedy.is_empty() { String::new() } else { format!(" It would help: {}.", outside::shown(remedy)) };
        let lost = outside::shown(&worst.loss.name);
        format!("the loss of {lost} leaves {tasks} waiting, {}.{help}", outside::shown(reason))
    });
    Tried { number, lack, waiting: worst.map_or(0, Drilled::waiting) }
}

fn answer(args: &Args, key: &str, holds: Option<&Tried>, fails: Option<&Tried>, words: &str) -> String {
    match args.format {
        Shape::Text => {
            let replications = counted(args.replications as usize, "replication", "replications");
            let rule = format!("Each number was tried in {replications}.");
            let lines = text::wrapped(words, 80).into_iter().chain(text::wrapped(&rule, 80));
            lines.map(|line| line + "\n").collect()
        }
        Shape::Json => outside::json(&json!({
            "schema_version": 1, "key": key, "enough": holds.map(|tried| tried.number),
            "too_few": fails.map(|tried| tried.number), "why": fails.and_then(|tried| tried.lack.clone()),
            "waiting": fails.map(|tried| tried.waiting),
        })),
    }
}
