//! `simctl`: one file per verb.
//!
//! Results go to standard output, talk goes to standard error. The process ends with 0 if all went well and every
//! expectation held, 1 if one did not hold or a run broke off, 2 if the input was wrong, 3 if reading or writing failed.

pub mod bench;
pub mod check;
pub mod conform;
pub mod list;
pub mod report;
pub mod run;
pub mod show;
pub mod stack;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// Simulates Docker Swarm clusters and compares placement strategies.
#[derive(Parser)]
#[command(name = "simctl", version, max_term_width = 100, after_help = EXAMPLES)]
struct Simctl {
    /// Colours: where a terminal reads (unless NO_COLOR is set), always, or never
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  simctl run scenarios/rack-outage.toml            simulate, compare, write results/rack-outage/
  simctl run scenarios/*.toml --replications 30    more replications give narrower intervals
  simctl check scenarios/*.toml                    only whether every [expect] holds
  simctl report results/rack-outage                draw pictures and page again from the CSV files
  simctl stack docker-stack.yml                    what a stack file asks for, as Docker reads it

Exit codes: 0 all held, 1 an expectation did not hold or a run broke off, 2 wrong input, 3 reading or writing failed";

#[derive(Subcommand)]
enum Verb {
    /// Simulate scenarios, compare strategies and write result folders
    Run(run::Args),
    /// Simulate scenarios and check their expectations, writing nothing
    Check(check::Args),
    /// Draw pictures and pages of result folders again, and show their tables
    Report(report::Args),
    /// List the placement strategies
    Strategies(list::Args),
    /// List the metrics with their definitions
    Metrics(list::Args),
    /// Read Docker stack files and say what they ask for
    Stack(stack::Args),
    /// Replay recorded decisions of the real SwarmKit and compare
    Conform(conform::Args),
    /// Measure what a decision and an event cost on this machine
    Bench(bench::Args),
}

/// When to print colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Color {
    /// If standard output is a terminal and `NO_COLOR` is not set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One document.
    Json,
    /// One row per scenario, metric and strategy.
    Csv,
}

/// How a verb ended; the greatest of several counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum End {
    /// All went well, every expectation held.
    Held = 0,
    /// An expectation did not hold, or a run broke off.
    Failed = 1,
    /// The input was wrong.
    WrongInput = 2,
    /// Reading or writing failed.
    Io = 3,
}

/// Where a verb prints.
pub struct Console<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Talk.
    pub err: &'a mut dyn Write,
    /// Whether results may have colours.
    pub color: bool,
    /// Whether a progress bar may be drawn on the real standard error.
    pub progress: bool,
}

impl Console<'_> {
    /// Prints to `out`. A reader that went away is no one to tell.
    pub fn say(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes());
    }

    /// Prints a line to `err`.
    pub fn tell(&mut self, line: &str) {
        let _ = writeln!(self.err, "{line}");
    }

    /// Text in a colour, if colours are on.
    pub fn paint(&self, code: u8, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }
}

/// Runs the command line and says with which code the process ends.
pub fn main() -> ExitCode {
    let Simctl { color, verb } = Simctl::parse();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    let mut console = Console {
        color: color == Color::Always || color == Color::Auto && !no_color && io::stdout().is_terminal(),
        progress: err.is_terminal(),
        out: &mut out,
        err: &mut err,
    };
    let end = match verb {
        Verb::Run(args) => run::run(&args, &mut console, &crate::experiment::execute),
        Verb::Check(args) => check::run(&args, &mut console, &crate::experiment::execute),
        Verb::Report(args) => report::run(&args, &mut console),
        Verb::Strategies(args) => list::strategies(&args, &mut console),
        Verb::Metrics(args) => list::metrics(&args, &mut console),
        Verb::Bench(args) => bench::run(&args, &mut console),
        Verb::Stack(args) => {
            drop(out);
            return stack::run(args);
        }
        Verb::Conform(args) => {
            drop(out);
            return conform::run(args);
        }
    };
    let _ = console.out.flush();
    ExitCode::from(end as u8)
}
