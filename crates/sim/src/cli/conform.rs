//! `simctl conform`: replays recorded decisions of the real SwarmKit.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::{Console, End};
use crate::conform::{self, Check, Tally, Ties, Verdict};
use crate::outside::{self, shown};

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
    /// Break ties by chance, of this seed, as simulations do; without it the lowest id comes first
    #[arg(long, value_name = "SEED")]
    ties: Option<u64>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Runs the verb: held if every hard property is met. An explanation of one scenario does not judge.
pub fn run(args: &Args, console: &mut Console) -> End {
    let ties = args.ties.map_or(Ties::LowestId, Ties::Seeded);
    let mut verdicts = Vec::new();
    for file in &args.files {
        match conform::replay_file(file, ties) {
            Ok(more) => verdicts.extend(more),
            Err(error) => {
                console.tell(&format!("error: {error}"));
                return End::WrongInput;
            }
        }
    }
    if let Some(id) = &args.show {
        let Some(verdict) = verdicts.iter().find(|verdict| verdict.id == *id) else {
            console.tell(&format!("error: no scenario '{}' in these files{}", shown(id), nearest(id, &verdicts)));
            return End::WrongInput;
        };
        console.say(&show(verdict));
        return End::Held;
    }
    let (by_category, all) = conform::tally(&verdicts);
    if args.failures {
        for verdict in &verdicts {
            for check in verdict.checks.iter().filter(|check| !check.met) {
                let kind = if check.hard { "hard" } else { "soft" };
                console.say(&format!("{kind} {} {} {}\n", check.level, shown(&verdict.id), shown(&check.name)));
            }
        }
    }
    console.say(&match args.format {
        Format::Table => table(&by_category, &all, verdicts.len()),
        Format::Json => json(&by_category, &all, verdicts.len()),
    });
    if all.conforms() { End::Held } else { End::Failed }
}

fn nearest(id: &str, verdicts: &[Verdict]) -> String {
    let best = verdicts.iter().max_by(|a, b| strsim::jaro(id, &a.id).total_cmp(&strsim::jaro(id, &b.id)));
    best.map_or(String::new(), |verdict| format!("; the nearest is '{}'", shown(&verdict.id)))
}

fn show(verdict: &Verdict) -> String {
    let mut out = format!("{} ({})\n", shown(&verdict.id), shown(&verdict.category));
    for check in &verdict.checks {
        let (sign, kind) = (if check.met { "ok  " } else { "DIFF" }, if check.hard { "hard" } else { "soft" });
        let _ = writeln!(out, "{sign} {kind} level {} {}", check.level, shown(&check.name));
        if !check.met {
            difference(&mut out, check);
        }
    }
    out
}

fn difference(out: &mut String, check: &Check) {
    let (expected, got) = (shown(&check.expected.to_string()), shown(&check.got.to_string()));
    let at = expected.chars().zip(got.chars()).take_while(|(a, b)| a == b).count();
    let from = |text: &str| text.chars().skip(at.saturating_sub(60)).take(160).collect::<String>();
    let _ = writeln!(out, "       expected {expected}");
    let _ = writeln!(out, "       got      {got}");
    let _ = writeln!(out, "       first difference at character {at}:");
    let _ = writeln!(out, "         expected ...{}", from(&expected));
    let _ = writeln!(out, "         got      ...{}", from(&got));
}

fn table(by_category: &BTreeMap<String, Tally>, all: &Tally, scenarios: usize) -> String {
    let line = |cells: [&str; 5]| {
        let [name, state, order, times, soft] = cells;
        format!("{name:<24} {state:>15} {order:>15} {times:>15} {soft:>15}\n")
    };
    let mut out = line(["CATEGORY", "HARD 1 STATE", "HARD 2 ORDER", "HARD 3 TIMES", "SOFT"]);
    let cell = |(checked, met): (u32, u32)| if checked == 0 { "-".into() } else { format!("{met}/{checked}") };
    let mut row = |name: &str, tally: &Tally| {
        let [state, order, times] = tally.hard.map(cell);
        out.push_str(&line([&shown(name), &state, &order, &times, &cell(tally.soft)]));
    };
    for (category, tally) in by_category {
        row(category, tally);
    }
    row("all", all);
    let percent = |(checked, met): (u32, u32)| 100.0 * f64::from(met) / f64::from(checked.max(1));
    let hard = all.hard.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let (hard, soft) = (percent(hard), percent(all.soft));
    let _ = writeln!(out, "{scenarios} scenarios: {hard:.2} % of hard and {soft:.2} % of soft properties met");
    out
}

fn json(by_category: &BTreeMap<String, Tally>, all: &Tally, scenarios: usize) -> String {
    let one = |tally: &Tally| {
        let count = |(checked, met): (u32, u32)| serde_json::json!({ "checked": checked, "met": met });
        serde_json::json!({ "hard": tally.hard.map(count), "soft": count(tally.soft) })
    };
    let categories: serde_json::Map<_, _> =
        by_category.iter().map(|(name, tally)| (name.clone(), one(tally))).collect();
    let document = serde_json::json!({
        "schema_version": 1, "scenarios": scenarios, "categories": categories, "all": one(all), "conforms": all.conforms(),
    });
    outside::json(&document)
}
