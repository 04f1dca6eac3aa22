//! `simctl conform`: replays recorded decisions of the real SwarmKit.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::conform::{self, Check, Tally, Verdict};

/// Replays recorded decisions of the real SwarmKit and compares.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Files of recorded decisions, one JSON object a line
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Explain one scenario: expected, got, first difference
    #[arg(long, value_name = "ID")]
    show: Option<String>,
    /// List the properties that are not met
    #[arg(long)]
    failures: bool,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Exit code 0: every hard property met; 1: not so; 2: a file cannot be read.
pub fn run(args: Args) -> ExitCode {
    let mut verdicts = Vec::new();
    for file in &args.files {
        match conform::replay_file(file) {
            Ok(more) => verdicts.extend(more),
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::from(2);
            }
        }
    }
    if let Some(id) = &args.show {
        let Some(verdict) = verdicts.iter().find(|verdict| verdict.id == *id) else {
            eprintln!("error: no scenario '{id}' in these files{}", nearest(id, &verdicts));
            return ExitCode::from(2);
        };
        show(verdict);
        return ExitCode::SUCCESS;
    }
    let (by_category, all) = conform::tally(&verdicts);
    if args.failures {
        for verdict in &verdicts {
            for check in verdict.checks.iter().filter(|check| !check.met) {
                let kind = if check.hard { "hard" } else { "soft" };
                println!("{kind} {} {} {}", check.level, verdict.id, check.name);
            }
        }
    }
    match args.format {
        Format::Table => table(&by_category, &all, verdicts.len()),
        Format::Json => json(&by_category, &all, verdicts.len()),
    }
    if all.conforms() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn nearest(id: &str, verdicts: &[Verdict]) -> String {
    let best = verdicts.iter().max_by(|a, b| strsim::jaro(id, &a.id).total_cmp(&strsim::jaro(id, &b.id)));
    best.map_or(String::new(), |verdict| format!("; the nearest is '{}'", verdict.id))
}

fn show(verdict: &Verdict) {
    println!("{} ({})", verdict.id, verdict.category);
    for check in &verdict.checks {
        let kind = if check.hard { "hard" } else { "soft" };
        println!("{} {kind} level {} {}", if check.met { "ok  " } else { "DIFF" }, check.level, check.name);
        if !check.met {
            difference(check);
        }
    }
}

fn difference(check: &Check) {
    let (expected, got) = (check.expected.to_string(), check.got.to_string());
    let at = expected.chars().zip(got.chars()).take_while(|(a, b)| a == b).count();
    let from = |text: &str| text.chars().skip(at.saturating_sub(60)).take(160).collect::<String>();
    println!("       expected {expected}");
    println!("       got      {got}");
    println!("       first difference at character {at}:");
    println!("         expected ...{}", from(&expected));
    println!("         got      ...{}", from(&got));
}

fn table(by_category: &std::collections::BTreeMap<String, Tally>, all: &Tally, scenarios: usize) {
    println!("{:<24} {:>15} {:>15} {:>15} {:>15}", "CATEGORY", "HARD 1 STATE", "HARD 2 ORDER", "HARD 3 TIMES", "SOFT");
    let cell = |(checked, met): (u32, u32)| if checked == 0 { "-".into() } else { format!("{met}/{checked}") };
    let row = |name: &str, tally: &Tally| {
        let [state, order, times] = tally.hard.map(cell);
        println!("{name:<24} {state:>15} {order:>15} {times:>15} {:>15}", cell(tally.soft));
    };
    for (category, tally) in by_category {
        row(category, tally);
    }
    row("all", all);
    let percent = |(checked, met): (u32, u32)| 100.0 * f64::from(met) / f64::from(checked.max(1));
    let hard = all.hard.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    println!(
        "{scenarios} scenarios: {:.2} % of hard and {:.2} % of soft properties met",
        percent(hard),
        percent(all.soft)
    );
}

fn json(by_category: &std::collections::BTreeMap<String, Tally>, all: &Tally, scenarios: usize) {
    let one = |tally: &Tally| {
        let count = |(checked, met): (u32, u32)| serde_json::json!({ "checked": checked, "met": met });
        serde_json::json!({ "hard": tally.hard.map(count), "soft": count(tally.soft) })
    };
    let categories: serde_json::Map<_, _> =
        by_category.iter().map(|(name, tally)| (name.clone(), one(tally))).collect();
    let document = serde_json::json!({
        "schema_version": 1, "scenarios": scenarios, "categories": categories, "all": one(all), "conforms": all.conforms(),
    });
    println!("{document:#}");
}
