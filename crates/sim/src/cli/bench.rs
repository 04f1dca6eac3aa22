//! `simctl bench`: what a decision and an event cost on this machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::show::LINES;
use super::{Console, End, Format};
use crate::bench::{self, Case, Kind, REFERENCES, REFERENCES_NOTE, Reference, hold, placement};
use crate::outside::{self, LARGEST_TEXT};
use crate::report::folder::{self, Claim};
use crate::report::manifest::TOOL;
use crate::report::{plot, text};

/// The table of `--out`.
const CSV: &str = "bench.csv";
/// Its first line.
const HEADER: &str = "kind,size,who,where,min_ns,median_ns,rounds";
/// The picture of `--out`.
const PNG: &str = "cost.png";

/// `simctl bench`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  simctl bench                        half a minute on a quiet machine
  simctl bench --quick                smaller cases, a few seconds
  simctl bench --out results/bench    also bench.csv, and cost.png drawn from it")]
pub struct Args {
    /// Smaller cases and fewer rounds
    #[arg(long)]
    quick: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Also write bench.csv and cost.png into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write even over files of these names that simctl did not make
    #[arg(long)]
    force: bool,
    /// Say nothing about progress
    #[arg(long, short)]
    quiet: bool,
}

/// What came out.
struct Findings {
    cases: Vec<Case>,
    /// Bytes of the manager's memory per task, and of the queue's per pending event; none where the system does not say.
    per_task: Option<f64>,
    per_event: Option<f64>,
    /// The machine's load averages before and after; empty where the system does not say.
    load: [String; 2],
}

/// Runs the verb.
pub fn run(args: &Args, console: &mut Console) -> End {
    if cfg!(debug_assertions) {
        console.tell("warning: this is a debug build; build with --release to measure");
    }
    let claim = match args.out.as_deref().map(|dir| claim(dir, args.force)).transpose() {
        Ok(claim) => claim,
        Err(error) => {
            console.tell(&format!("error: {error}"));
            return End::Io;
        }
    };
    let findings = measure(args, console);
    match args.format {
        Format::Table => table(&findings, console),
        Format::Json => console.say(&json(&findings)),
        Format::Csv => console.say(&csv(&findings.cases)),
    }
    match claim.map(|claim| write(claim, &findings.cases)).transpose() {
        Ok(_) => End::Held,
        Err(error) => {
            console.tell(&format!("error: {error}"));
            End::Io
        }
    }
}

fn measure(args: &Args, console: &mut Console) -> Findings {
    let (rounds, tasks, sizes): (usize, u64, [&[u64]; 3]) = if args.quick {
        (3, 100_000, [&[1_000, 10_000], &[1_000, 10_000], &[1_000, 100_000]])
    } else {
        (7, 1_000_000, [&[1_000, 10_000, 100_000], &[1_000, 10_000, 100_000], &[1_000, 100_000, 1_000_000]])
    };
    let before = load();
    // Memory first: later cases would fill what earlier ones gave back.
    let per_event = grown(tasks, || hold::Engine::new(tasks as u32, 1));
    let mut crowd = placement::Crowd::new(10_000);
    let per_task = grown(tasks, || {
        crowd.create("many".into(), tasks, 10);
        crowd.rest();
    });
    drop(crowd);

    let all: Vec<(Kind, u64)> =
        Kind::ALL.iter().zip(sizes).flat_map(|(kind, sizes)| sizes.iter().map(|size| (*kind, *size))).collect();
    let bar = if console.progress && !args.quiet {
        let style = ProgressStyle::with_template("bench {bar:40} {pos}/{len} {msg}");
        ProgressBar::new((all.len() * (rounds + 1)) as u64)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    } else {
        ProgressBar::hidden()
    };
    let begin = |(kind, size)| {
        bar.set_message(format!("preparing {size} {}", Kind::size_of(kind)));
        let case = Case::new(kind, size);
        bar.inc(1);
        case
    };
    let mut cases: Vec<Case> = all.into_iter().map(begin).collect();
    for _ in 0..rounds {
        for case in &mut cases {
            bar.set_message(format!("{}, {} {}", case.kind.name(), case.size, case.kind.size_of()));
            case.measure();
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Findings { cases, per_task, per_event, load: [before, load()] }
}

/// Bytes by which the resident memory grows, per unit.
fn grown<T>(units: u64, make: impl FnOnce() -> T) -> Option<f64> {
    let before = bench::resident()?;
    let made = make();
    let after = bench::resident()?;
    drop(made);
    Some(after.saturating_sub(before) as f64 / units as f64)
}

/// The load averages of the last one, five and fifteen minutes.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn references(case: &Case) -> impl Iterator<Item = &'static Reference> {
    let (kind, size) = (case.kind, case.size);
    REFERENCES.iter().filter(move |reference| reference.kind == kind && reference.size == size)
}

/// Growth of the median cost of a kind over its sizes.
fn growth(cases: &[Case], kind: Kind) -> Option<f64> {
    let of_kind = cases.iter().filter(|case| case.kind == kind);
    bench::exponent(&of_kind.map(|case| (case.size as f64, case.median())).collect::<Vec<_>>())
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Single => "decisions, groups of one task",
        Kind::Group => "decisions, one group of 100,000",
        Kind::Event => "events, hold model",
    }
}

fn table(findings: &Findings, console: &mut Console) {
    let mut grid = Table::new();
    grid.load_style(LINES);
    grid.set_header(["what", "nodes, pending", "least", "median", "per second", "recorded elsewhere", "times"]);
    for kind in Kind::ALL {
        for (row, case) in findings.cases.iter().filter(|case| case.kind == kind).enumerate() {
            let recorded: Vec<String> =
                references(case).map(|reference| format!("{} {}", reference.who, duration(reference.median))).collect();
            let times: Vec<String> =
                references(case).map(|reference| rounded(reference.median / case.median())).collect();
            grid.add_row([
                if row == 0 { title(kind).to_string() } else { String::new() },
                text::short(case.size as f64),
                duration(case.min()),
                duration(case.median()),
                text::short((1e9 / case.median()).round()),
                recorded.join("\n"),
                times.join("\n"),
            ]);
        }
    }
    for column in grid.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let rounds = findings.cases.first().map_or(0, Case::rounds);
    console.say(&format!("{}\nCPU time per operation, {rounds} rounds in turns\n{grid}\n", console.paint(1, TOOL)));
    for kind in Kind::ALL {
        if let Some(growth) = growth(&findings.cases, kind) {
            console.say(&format!("growth of {}: exponent {growth:.2}\n", title(kind)));
        }
    }
    let bytes = |held: Option<f64>| held.map_or("unknown".into(), |held| format!("{held:.0} B"));
    console.say(&format!("memory per task in the manager: {}\n", bytes(findings.per_task)));
    console.say(&format!("memory per pending event: {}\n", bytes(findings.per_event)));
    if findings.load[0] != findings.load[1] {
        console.say(&format!("load averages: {} before, {} after\n", findings.load[0], findings.load[1]));
    }
    console.say(&format!(
        "\nReferences were {REFERENCES_NOTE}. \"times\" compares medians of two machines: believe its order of magnitude.\n"
    ));
}

fn json(findings: &Findings) -> String {
    let case = |case: &Case| {
        let recorded: Vec<_> = references(case)
            .map(|reference| json!({ "who": reference.who, "min_ns": reference.min, "median_ns": reference.median }))
            .collect();
        json!({
            "kind": case.kind.name(),
            "size": case.size,
            "size_of": case.kind.size_of(),
            "min_ns": case.min(),
            "median_ns": case.median(),
            "rounds": case.rounds(),
            "recorded_elsewhere": recorded,
        })
    };
    let growth: serde_json::Map<_, _> =
        Kind::ALL.iter().map(|kind| (kind.name().into(), json!(growth(&findings.cases, *kind)))).collect();
    let document = json!({
        "schema_version": 1,
        "tool": TOOL,
        "cases": findings.cases.iter().map(case).collect::<Vec<_>>(),
        "growth_exponent": growth,
        "bytes_per_task": findings.per_task,
        "bytes_per_pending_event": findings.per_event,
        "load_before": findings.load[0],
        "load_after": findings.load[1],
        "recorded_elsewhere": REFERENCES_NOTE,
    });
    outside::json(&document)
}

/// One row per case, and one per reference of it.
fn csv(cases: &[Case]) -> String {
    let mut lines = vec![HEADER.to_string()];
    for case in cases {
        let (kind, size, rounds) = (case.kind.name(), case.size, case.rounds());
        let (min, median) = (text::exact(case.min()), text::exact(case.median()));
        lines.push(format!("{kind},{size},simctl,this machine,{min},{median},{rounds}"));
        let recorded = references(case).map(|reference| {
            format!(
                "{kind},{size},{},recorded elsewhere,{},{},",
                reference.who,
                text::exact(reference.min),
                text::exact(reference.median)
            )
        });
        lines.extend(recorded);
    }
    lines.join("\n") + "\n"
}

/// Claims a folder, which may hold anything: only table and picture are ours, and only if they are as this verb writes them.
fn claim(dir: &Path, force: bool) -> io::Result<Claim> {
    folder::claim_if(dir, |dir| {
        let is_there = |name: &str| dir.join(name).symlink_metadata().is_ok();
        let table = outside::read_text(&dir.join(CSV), LARGEST_TEXT).unwrap_or_default();
        let is_ours = table.lines().next() == Some(HEADER);
        match [CSV, PNG].into_iter().find(|name| is_there(name)) {
            Some(name) if !force && !is_ours => Err(folder::foreign(dir, &format!("its {name} is another's"))),
            _ => Ok(()),
        }
    })
}

/// Writes the table, and the picture from it.
fn write(mut claim: Claim, cases: &[Case]) -> io::Result<()> {
    let mut stage = claim.stage()?;
    stage.write(CSV, csv(cases).as_bytes())?;
    let table = outside::read_text(&stage.path().join(CSV), LARGEST_TEXT)?;
    stage.write(PNG, &plot::cost::draw(&table, TOOL)?)?;
    stage.add()
}

/// Nanoseconds for people: `53 ns`, `240 µs`.
fn duration(nanos: f64) -> String {
    let (factor, unit) = match nanos {
        nanos if nanos < 1e4 => (1.0, "ns"),
        nanos if nanos < 1e6 => (1e3, "µs"),
        nanos if nanos < 1e9 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    format!("{} {unit}", rounded(nanos / factor))
}

/// Two or three digits: more would be noise.
fn rounded(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { text::short(value.round()) }
}
