//! `simctl`: one file per verb.
//!
//! Results go to standard output, diagnostics go to standard error. The process ends with 0 if all went well and every
//! expectation held, 1 if one did not hold or a run was aborted, 2 if the input was wrong, 3 if reading or writing failed, 4 if
//! the runs are too few to decide whether an expectation holds, 130 or 143 if SIGINT or SIGTERM ended it. The first SIGINT lets
//! `simctl run` write what is done so far.

pub mod at;
pub mod bench;
pub mod check;
pub mod conform;
pub mod drill;
pub mod init;
pub mod list;
pub mod manual;
pub mod place;
pub mod report;
pub mod run;
pub mod show;
pub mod size;
pub mod stack;
mod trace;
pub mod verify;
pub mod why;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::outside;

/// Simulates Docker Swarm clusters and compares placement strategies.
#[derive(Parser)]
#[command(name = "simctl", version, max_term_width = 100, after_help = EXAMPLES)]
struct Simctl {
    /// Colours: where a terminal reads (unless NO_COLOR is set or TERM is dumb), always, or never
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
  simctl at scenarios/voting.toml 2m -- node ls    look into a run at a moment, with Docker's commands
  simctl verify results/rack-outage                run it again: does it come out identically?
  simctl why scenarios/drain.toml task web.3       why that node? what else was asked?
  simctl report results/rack-outage                draw pictures and page again from the CSV files
  simctl stack docker-stack.yml                    what a stack file asks for, as Docker reads it

Exit codes: 0 all held, 1 an expectation did not hold or a run was aborted, 2 wrong input, 3 reading or writing failed,
4 more replications are needed to decide an expectation";

#[derive(Subcommand)]
enum Verb {
    /// Simulate scenarios, compare strategies and write result folders
    Run(run::Args),
    /// Simulate scenarios and check their expectations, writing nothing
    Check(check::Args),
    /// Draw pictures and pages of result folders again, and show their tables
    Report(report::Args),
    /// Look into a run at a moment, as `docker` shows a swarm
    At(at::Args),
    /// Run results again from their manifests, and say whether they are identical
    Verify(verify::Args),
    /// List the placement strategies
    Strategies(list::Args),
    /// List the metrics with their definitions
    Metrics(list::Args),
    /// Read Docker stack files and say what they ask for
    Stack(stack::Args),
    /// Say why a task is where it is, or nowhere, and what would change that
    Why(why::Args),
    /// Show where everything is at a moment, by rack and node, and what is reserved there
    Place(place::Args),
    /// Lose every node and every rack, one after the other: what waits, which service is at risk
    Drill(drill::Args),
    /// Find the smallest number of nodes (or of any other key) that survives every single loss
    Size(size::Args),
    /// Replay recorded decisions of the real SwarmKit and compare
    Conform(conform::Args),
    /// Measure what a decision and an event cost on this machine
    Bench(bench::Args),
    /// Write a commented scenario to begin with, of a stack file if one is given
    Init(init::Args),
    /// Write the JSON Schema of scenario files, for editors
    Schema,
    /// Write what a shell needs to complete commands
    Completions(manual::Completions),
    /// Write manual pages into a folder
    Man(manual::Man),
}

/// When to print colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Color {
    /// If the stream is a terminal, `NO_COLOR` is not set and `TERM` is not `dumb`.
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
    Held,
    /// The runs are too few to decide whether an expectation holds.
    Undecided,
    /// An expectation did not hold, or a run was aborted.
    Failed,
    /// The input was wrong.
    WrongInput,
    /// Reading or writing failed.
    Io,
    /// Somebody stopped it; what was done is written.
    Stopped,
}

impl End {
    /// The code with which the process ends.
    fn code(self) -> u8 {
        match self {
            End::Held => 0,
            End::Failed => 1,
            End::WrongInput => 2,
            End::Io => 3,
            End::Undecided => 4,
            End::Stopped => 128 + 2,
        }
    }
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
    /// Prints to `out`, which remembers if that fails.
    pub fn say(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes());
    }

    /// Prints a line to `err`. If that fails, there is no one to tell.
    pub fn tell(&mut self, line: &str) {
        let _ = writeln!(self.err, "{}", outside::shown_lines(line));
    }

    /// Text in a colour, if colours are on.
    pub fn paint(&self, code: u8, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }
}

/// A writer that remembers its first failure and lets everything after it go, so that a verb comes to its end.
struct Checked<W> {
    to: W,
    failure: Option<io::Error>,
}

impl<W: Write> Checked<W> {
    fn keep<T>(&mut self, result: io::Result<T>, otherwise: T) -> io::Result<T> {
        result.or_else(|error| {
            // Who was interrupted tries again.
            if error.kind() == io::ErrorKind::Interrupted {
                return Err(error);
            }
            self.failure = Some(error);
            Ok(otherwise)
        })
    }
}

impl<W: Write> Write for Checked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failure.is_some() {
            return Ok(bytes.len());
        }
        let written = self.to.write(bytes);
        self.keep(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failure.is_some() {
            return Ok(());
        }
        let flushed = self.to.flush();
        self.keep(flushed, ())
    }
}

/// Runs the command line and says with which code the process ends: that of the verb; but if standard output is full, 3
/// where the verb had nothing to refuse. A reader that went away is no failure.
pub fn main() -> ExitCode {
    heed_signals();
    let mut out = Checked { to: io::stdout().lock(), failure: None };
    let mut err = io::stderr();
    let words: Vec<OsString> = trace::with_equals(std::env::args_os());
    let end = match Simctl::try_parse_from(&words) {
        Ok(Simctl { color, verb }) => {
            let mut console = Console {
                color: color.is_on(&io::stdout()),
                progress: err.is_terminal() && !is_dumb(),
                out: &mut out,
                err: &mut err,
            };
            perform(verb, &mut console)
        }
        Err(error) => explain(&error, &words, &mut out, &mut err),
    };
    let _ = out.flush();
    let end = match out.failure.filter(|failure| failure.kind() != io::ErrorKind::BrokenPipe) {
        Some(failure) => {
            let _ = writeln!(err, "error: standard output: {failure}");
            if end == End::WrongInput { end } else { End::Io }
        }
        None => end,
    };
    ExitCode::from(end.code())
}

fn perform(verb: Verb, console: &mut Console) -> End {
    match verb {
        Verb::Run(args) => {
            GENTLE.store(true, Ordering::Relaxed);
            run::run(&args, console, &crate::experiment::execute)
        }
        Verb::Check(args) => check::run(&args, console, &crate::experiment::execute),
        Verb::Report(args) => report::run(&args, console),
        Verb::At(args) => at::run(&args, console),
        Verb::Verify(args) => verify::run(&args, console),
        Verb::Strategies(args) => list::strategies(&args, console),
        Verb::Metrics(args) => list::metrics(&args, console),
        Verb::Bench(args) => bench::run(&args, console),
        Verb::Stack(args) => stack::run(&args, console),
        Verb::Why(args) => why::run(&args, console),
        Verb::Place(args) => place::run(&args, console),
        Verb::Drill(args) => drill::run(&args, console),
        Verb::Size(args) => size::run(&args, console),
        Verb::Conform(args) => conform::run(&args, console),
        Verb::Init(args) => init::run(&args, console),
        Verb::Schema => {
            console.say(&outside::json(&crate::scenario::schema()));
            End::Held
        }
        Verb::Completions(args) => manual::completions(&args, Simctl::command(), console),
        Verb::Man(args) => manual::pages(&args, Simctl::command(), console),
    }
}

/// Whether the first SIGINT only says that no more shall be run.
static GENTLE: AtomicBool = AtomicBool::new(false);

/// Prints help, the version, or what is wrong with the arguments.
fn explain<'a>(error: &clap::Error, words: &[OsString], out: &'a mut dyn Write, err: &'a mut dyn Write) -> End {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    // What is wrong is quoted: the same words without what would steer a terminal are wrong in the same way.
    let harmless = Simctl::try_parse_from(words.iter().map(|word| outside::shown(word)));
    let text = harmless.as_ref().err().unwrap_or(error).render();
    let color = Color::asked_for(&words);
    let (to, is_coloured, end) = match error.use_stderr() {
        true => (err, color.is_on(&io::stderr()), End::WrongInput),
        false => (out, color.is_on(&io::stdout()), End::Held),
    };
    let _ = if is_coloured { write!(to, "{}", text.ansi()) } else { write!(to, "{text}") };
    end
}

impl Color {
    /// What the words of the command line ask for, as far as they can be understood.
    fn asked_for(words: &[String]) -> Color {
        let after = words.iter().skip_while(|word| *word != "--color").nth(1);
        let within = words.iter().find_map(|word| word.strip_prefix("--color="));
        let word = within.or(after.map(String::as_str));
        word.and_then(|word| Color::from_str(word, false).ok()).unwrap_or(Color::Auto)
    }

    /// Whether there are colours on a stream.
    fn is_on(self, stream: &impl IsTerminal) -> bool {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self {
            Color::Always => true,
            Color::Auto => stream.is_terminal() && !no_color && !is_dumb(),
            Color::Never => false,
        }
    }
}

/// Whether the terminal says that it knows no control sequences.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Lets SIGINT and SIGTERM remove what is unfinished before they end the process, with 128 and their number. The first SIGINT
/// of a verb that keeps what is done so far only stops the runs.
fn heed_signals() {
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGINT, SIGTERM};
        // Without them the next process puts away what this one leaves.
        let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else { return };
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if signal == SIGINT && GENTLE.load(Ordering::Relaxed) && !crate::experiment::BRAKE.pull() {
                    eprintln!("stopping: what is done so far is written; once more ends at once");
                    continue;
                }
                crate::report::folder::abandon();
                std::process::exit(128 + signal);
            }
        });
    }
}
