//! `simctl check`: simulates scenarios and says whether their expectations hold.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::json;

use super::run::{Done, Execute, What, load, simulate};
use super::{Console, End, show};
use crate::outside;
use crate::report::expect::{Ruling, Verdict};
use crate::report::manifest::TOOL;

/// `simctl check`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  simctl check scenarios/*.toml
  simctl check scenarios/drain.toml --replications 3 --quiet
  simctl check scenarios/*.toml --format junit > expectations.xml

Exit codes: 0 all held, 1 one did not hold or a run was aborted, 2 wrong input or nothing is expected, 3 reading or writing
failed, 4 more replications are needed to decide")]
pub struct Args {
    #[command(flatten)]
    what: What,
    /// How to print the verdicts
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
    /// Stop after the first scenario of which an expectation does not hold
    #[arg(long)]
    fail_fast: bool,
}

/// How verdicts are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Shape {
    /// For people.
    Text,
    /// One document.
    Json,
    /// XML as JUnit writes it, which CI systems read.
    Junit,
}

/// Runs the verb.
pub fn run(args: &Args, console: &mut Console, execute: Execute) -> End {
    let jobs = match load(&args.what, console) {
        Ok(jobs) => jobs,
        Err(end) => return end,
    };
    let mut end = End::Held;
    for job in jobs.iter().filter(|job| job.scenario.expect.is_empty()) {
        let file = outside::shown_path(&job.scenario.path);
        console.tell(&format!("error: {file}: nothing is expected of it: it has no [expect] about what is run"));
        end = End::WrongInput;
    }
    if end != End::Held {
        return end;
    }
    let (mut all, skipped) = (Vec::new(), jobs.len());
    for job in jobs {
        let done = simulate(job, &args.what, console, execute);
        if args.format == Shape::Text {
            console.say(&format!("{}\n", console.paint(1, &outside::shown(&done.results.manifest.name))));
            for line in show::verdicts(&done, console.color) {
                console.say(&format!("{line}\n"));
            }
        }
        end = end.max(done.end());
        let is_over = args.fail_fast && done.end() >= End::Failed;
        all.push(done);
        if is_over {
            break;
        }
    }
    let skipped = skipped - all.len();
    match args.format {
        Shape::Text => console.say(&summary(&all, skipped)),
        Shape::Json => console.say(&outside::json(&in_json(&all, skipped))),
        Shape::Junit => console.say(&in_junit(&all)),
    }
    end
}

fn verdicts(all: &[Done]) -> impl Iterator<Item = &Verdict> {
    all.iter().flat_map(|done| &done.verdicts)
}

fn count(all: &[Done], ruling: Ruling) -> usize {
    verdicts(all).filter(|verdict| verdict.ruling == ruling).count()
}

fn summary(all: &[Done], skipped: usize) -> String {
    let of = show::counted(verdicts(all).count(), "expectation", "expectations");
    let mut line = format!("{} of {of} held", count(all, Ruling::Held));
    match count(all, Ruling::Undecided) {
        0 => {}
        undecided => line += &format!(", {undecided} not decided"),
    }
    if skipped > 0 {
        line += &format!("; {} not run", show::counted(skipped, "scenario was", "scenarios were"));
    }
    line + "\n"
}

fn in_json(all: &[Done], skipped: usize) -> serde_json::Value {
    let verdict = |verdict: &Verdict| {
        json!({
            "expectation": verdict.text, "strategy": verdict.strategy, "metric": verdict.metric,
            "statistic": verdict.what, "value": verdict.value, "ruling": verdict.ruling.to_string(), "why": verdict.why,
        })
    };
    let scenario = |done: &Done| {
        json!({
            "name": done.results.manifest.name, "file": done.results.manifest.file,
            "seed": done.results.manifest.seed, "replications": done.results.manifest.replications,
            "expectations": done.verdicts.iter().map(verdict).collect::<Vec<_>>(), "broken_runs": done.broken,
        })
    };
    json!({
        "schema_version": 1, "tool": TOOL,
        "held": count(all, Ruling::Held), "undecided": count(all, Ruling::Undecided), "missed": count(all, Ruling::Missed),
        "not_run": skipped, "scenarios": all.iter().map(scenario).collect::<Vec<_>>(),
    })
}

/// A suite for each scenario, a case for each expectation of a strategy, and an error for each run that was aborted. No
/// times, so that the same results are the same document.
fn in_junit(all: &[Done]) -> String {
    let mut report = Report::new("simctl check");
    for done in all {
        let name = outside::shown(&done.results.manifest.name).to_string();
        let mut suite = TestSuite::new(name.clone());
        for verdict in &done.verdicts {
            let status = match verdict.ruling {
                Ruling::Held => TestCaseStatus::success(),
                ruling => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_type(ruling.to_string()).set_message(outside::shown(&verdict.why).to_string());
                    status
                }
            };
            let title = format!("{}: {}", outside::shown(&verdict.strategy), outside::shown(&verdict.text));
            let mut case = TestCase::new(title, status);
            case.set_classname(name.clone());
            suite.add_test_case(case);
        }
        let idle = done.idle.iter().map(|idle| format!("nothing ever ran under {}: {}", idle.strategy, idle.why));
        for why in done.broken.iter().cloned().chain(idle) {
            let why = &why;
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type("aborted").set_message(outside::shown(why).to_string());
            let mut case = TestCase::new("every run runs something and comes to its end", status);
            case.set_classname(name.clone());
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    report.to_string().unwrap_or_default() + "\n"
}
