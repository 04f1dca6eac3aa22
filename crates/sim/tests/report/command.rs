//! `simctl run`, `check` and `report` from arguments to exit codes, with synthetic outcomes in place of simulations.

use std::fs;
use std::path::PathBuf;

use clap::Parser;
use sim::cli::{Console, End, check, list, report, run};
use sim::experiment::Run;
use sim::metrics::{METRICS, Mark, Outcome};
use sim::scenario::Scenario;

use crate::synthetic::Scratch;

#[derive(Parser)]
struct Verb<T: clap::Args> {
    #[command(flatten)]
    args: T,
}

fn args<T: clap::Args>(words: &[&str]) -> T {
    Verb::<T>::try_parse_from([&["simctl"], words].concat()).unwrap_or_else(|error| panic!("{error}")).args
}

/// What a verb printed and how it ended.
struct Said {
    end: End,
    out: String,
    err: String,
}

fn said(verb: impl FnOnce(&mut Console) -> End) -> Said {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let end = verb(&mut Console { out: &mut out, err: &mut err, color: false, progress: false });
    Said { end, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

/// Outcomes in which every metric is 10 with spread and 12 with others, and a little more by replication.
fn pretend(_: &Scenario, plan: &[Run], _: usize, done: &(dyn Fn(&Outcome) + Sync)) -> Vec<Outcome> {
    let outcome = |run: &Run| {
        let noise = f64::from(run.replication) / 100.0;
        let value = if run.strategy == "spread" { 10.0 + noise } else { 12.04 - noise };
        let outcome = Outcome {
            strategy: run.strategy.clone(),
            replication: run.replication,
            values: vec![Some(value); METRICS.len()],
            ..Outcome::default()
        };
        done(&outcome);
        outcome
    };
    plan.iter().map(outcome).collect()
}

/// A folder with scenarios.
struct Place {
    scratch: Scratch,
}

impl Place {
    fn new(name: &str) -> Place {
        Place { scratch: Scratch::new(name) }
    }

    fn path(&self, name: &str) -> String {
        self.scratch.0.join(name).to_str().unwrap().to_string()
    }

    /// Writes a scenario with expectations and gives its path.
    fn scenario(&self, name: &str, expect: &str) -> String {
        let text = format!(
            "title = \"Title of {name}\"\nduration = \"1m\"\nreplications = 3\nstrategies = [\"spread\", \"binpack\"]\n\n\
             [[pool]]\nname = \"node\"\ncount = 2\ncpus = 4\nmemory = \"8GiB\"\n\n\
             [[image]]\nname = \"web:1\"\nsize = \"80MiB\"\n\n[[service]]\nname = \"web\"\nimage = \"web:1\"\nreplicas = 2\n\n[expect]\n{expect}\n"
        );
        fs::write(self.path(&format!("{name}.toml")), text).unwrap();
        self.path(&format!("{name}.toml"))
    }

    fn results(&self) -> Vec<PathBuf> {
        let entries =
            fs::read_dir(self.path("results")).map(|entries| entries.map(|entry| entry.unwrap().path()).collect());
        entries.unwrap_or_default()
    }
}

fn run_it(words: &[&str]) -> Said {
    let args: run::Args = args(words);
    said(|console| run::run(&args, console, &pretend))
}

#[test]
fn a_run_writes_a_folder_prints_a_table_and_ends_with_zero() {
    let place = Place::new("run");
    let file = place.scenario("small", "running_final = { min = 9, max = 13 }");
    let said = run_it(&[&file, "--out", &place.path("results"), "--no-plots"]);
    assert_eq!(said.end, End::Held, "{}", said.err);
    for part in [
        "small: Title of small",
        "3 replications, seed",
        "spread",
        "binpack",
        "* 10.020 ± 0.025",
        "✓ spread: running_final",
    ] {
        assert!(said.out.contains(part), "'{part}' is missing in\n{}", said.out);
    }
    assert!(said.out.lines().all(|line| line.chars().count() <= 100 || line.starts_with('/')), "{}", said.out);
    assert!(!said.out.contains('\u{1b}'));
    let manifest = fs::read_to_string(place.path("results/small/manifest.toml")).unwrap();
    assert!(manifest.contains("command = \"simctl run small.toml\""), "{manifest}");
    assert!(said.err.contains("small: simulating 2 strategies, 3 replications each"), "{}", said.err);
}

#[test]
fn an_expectation_that_does_not_hold_ends_with_one() {
    let place = Place::new("unmet");
    let file = place.scenario("small", "running_final = { max = 11 }");
    let said = run_it(&[&file, "--out", &place.path("results"), "--no-plots", "--quiet"]);
    assert_eq!(said.end, End::Failed);
    assert!(said.out.contains("✓ spread: running_final"), "{}", said.out);
    assert!(
        said.out.contains("✗ binpack: running_final = { max = 11 } (mean 12.02, expected at most 11)"),
        "{}",
        said.out
    );
    assert_eq!(said.err, "");
    // A strategy that was not asked for is not judged.
    let said = run_it(&[&file, "--out", &place.path("results"), "--no-plots", "--quiet", "--strategy", "spread"]);
    assert_eq!(said.end, End::Held);
    let check: check::Args = args(&[&file]);
    let checked = self::said(|console| check::run(&check, console, &pretend));
    assert_eq!(checked.end, End::Failed);
    assert!(checked.out.ends_with("1 of 2 expectations held\n"), "{}", checked.out);
}

#[test]
fn complaints_about_all_files_come_together_and_nothing_is_written() {
    let place = Place::new("wrong");
    let good = place.scenario("good", "");
    let (bad, worse) = (place.path("bad.toml"), place.path("absent.toml"));
    fs::write(&bad, "duration = \"1m\"\nseeed = 3\n").unwrap();
    let said = run_it(&[&good, &bad, &worse, "--out", &place.path("results")]);
    assert_eq!(said.end, End::WrongInput);
    assert!(
        said.err.contains("bad.toml") && said.err.contains("seeed") && said.err.contains("absent.toml"),
        "{}",
        said.err
    );
    assert_eq!(said.out, "");
    assert!(place.results().is_empty());
}

#[test]
fn two_scenarios_do_not_share_a_folder() {
    let place = Place::new("twins");
    let file = place.scenario("twin", "running_final = { min = 0 }");
    let said = run_it(&[&file, &file, "--out", &place.path("results")]);
    assert_eq!(said.end, End::WrongInput);
    assert!(said.err.contains("would go to the same folder 'twin'"), "{}", said.err);
    // Who only wants to know whether they hold may ask.
    let check: check::Args = args(&[&file, &file]);
    assert_eq!(self::said(|console| check::run(&check, console, &pretend)).end, End::Held);
}

#[test]
fn a_foreign_folder_is_refused_before_anything_runs() {
    let place = Place::new("foreign");
    let file = place.scenario("small", "");
    fs::create_dir_all(place.path("results/small")).unwrap();
    fs::write(place.path("results/small/thesis.txt"), "years of work").unwrap();
    let args: run::Args = args(&[&file, "--out", &place.path("results")]);
    let said = said(|console| run::run(&args, console, &|_, _, _, _| panic!("nothing may run")));
    assert_eq!(said.end, End::Io);
    assert!(said.err.contains("not written by simctl"), "{}", said.err);
}

#[test]
fn a_run_that_broke_off_is_reported_and_ends_with_one() {
    let place = Place::new("broken");
    let file = place.scenario("small", "");
    let args: run::Args = args(&[&file, "--out", &place.path("results"), "--no-plots"]);
    let said = said(|console| {
        run::run(&args, console, &|scenario, plan, jobs, done| {
            let mut outcomes = pretend(scenario, plan, jobs, done);
            outcomes[1].values.fill(None);
            outcomes[1].marks.push(Mark { time_s: 3.0, kind: "error".into(), label: "too many events".into() });
            outcomes
        })
    });
    assert_eq!(said.end, End::Failed);
    assert!(said.err.contains("a run was aborted: spread, replication 2: too many events"), "{}", said.err);
    assert!(said.out.contains("(n=2)"), "{}", said.out);
}

#[test]
fn json_is_one_document_about_all_scenarios() {
    let place = Place::new("json");
    let (one, two) = (place.scenario("one", "running_final = { max = 11 }"), place.scenario("two", ""));
    let said = run_it(&[&one, &two, "--out", &place.path("results"), "--no-plots", "--format", "json", "--quiet"]);
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(document["schema_version"], 1);
    assert_eq!(document["scenarios"][1]["name"], "two");
    let one = &document["scenarios"][0];
    assert_eq!(one["metrics"]["running_final"]["strategies"]["binpack"]["mean"], 12.02);
    assert_eq!(one["expectations"][1]["held"], false);
    assert_eq!(one["held"], false);
    assert_eq!(one["paired"][0]["difference_shown"], true);
}

#[test]
fn csv_has_a_row_per_scenario_metric_and_strategy() {
    let place = Place::new("csv");
    let file = place.scenario("one", "");
    let said = run_it(&[&file, "--out", &place.path("results"), "--no-plots", "--format", "csv", "--quiet"]);
    assert!(said.out.starts_with("scenario,strategy,metric,unit,n,mean,"), "{}", said.out);
    assert_eq!(said.out.lines().count(), 1 + 2 * METRICS.len());
}

#[test]
fn a_report_shows_what_the_run_showed() {
    let place = Place::new("report");
    let file = place.scenario("small", "running_final = { max = 11 }");
    let ran = run_it(&[&file, "--out", &place.path("results"), "--no-plots"]);
    let before = Scratch::files(&place.scratch.0.join("results/small"));
    let report: report::Args = args(&[&place.path("results/small"), "--no-plots"]);
    let said = said(|console| report::run(&report, console));
    assert_eq!(said.out, ran.out);
    assert_eq!(said.end, End::Failed, "a report judges as the run did");
    assert!(before == Scratch::files(&place.scratch.0.join("results/small")));
    let report: report::Args = args(&[&place.path("nowhere")]);
    let said = self::said(|console| report::run(&report, console));
    assert_eq!(said.end, End::WrongInput);
    assert!(said.err.contains("not a result folder"), "{}", said.err);
}

#[test]
fn pictures_are_of_the_kinds_that_were_asked_for() {
    let place = Place::new("plots");
    let file = place.scenario("small", "");
    let pictures = || {
        let files = Scratch::files(&place.scratch.0.join("results/small")).into_iter().map(|(name, _)| name);
        files.filter(|name| name.starts_with("metrics")).collect::<Vec<_>>()
    };
    run_it(&[&file, "--out", &place.path("results"), "--plots", "svg,svg"]);
    assert_eq!(pictures(), ["metrics-85mm.svg", "metrics.svg"]);
    let report: report::Args = args(&[&place.path("results/small"), "--plots", "pdf"]);
    said(|console| report::run(&report, console));
    assert_eq!(pictures(), ["metrics-85mm.pdf", "metrics-85mm.svg", "metrics.pdf", "metrics.svg"]);
}

#[test]
fn a_report_of_runs_that_broke_off_ends_with_one() {
    let place = Place::new("report-broken");
    let file = place.scenario("small", "");
    let args: run::Args = args(&[&file, "--out", &place.path("results"), "--no-plots"]);
    said(|console| {
        run::run(&args, console, &|scenario, plan, jobs, done| {
            let mut outcomes = pretend(scenario, plan, jobs, done);
            outcomes[0].marks.push(Mark { time_s: 3.0, kind: "error".into(), label: "too\u{1b}[2J many".into() });
            outcomes
        })
    });
    let report: report::Args = self::args(&[&place.path("results/small"), "--no-plots"]);
    let said = said(|console| report::run(&report, console));
    assert_eq!(said.end, End::Failed);
    assert!(said.err.contains("a run was aborted: spread, replication 1: too\\u{1b}[2J many"), "{}", said.err);
}

#[test]
fn wrong_arguments_are_refused_with_a_hint() {
    let refused = |words: &[&str]| {
        let error = Verb::<run::Args>::try_parse_from([&["simctl"], words].concat()).err().unwrap();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    };
    assert!(refused(&["x.toml", "--replications", "0"]).contains("1..=10000"));
    assert!(refused(&["x.toml", "--plots", "gif"]).contains("possible values: png, svg, pdf"));
    assert!(refused(&["x.toml", "--plots", "svg", "--no-plots"]).contains("cannot be used with"));
    assert!(refused(&[]).contains("FILE"));
}

#[test]
fn lists_are_for_people_and_programs() {
    let table: list::Args = args(&[]);
    let json: list::Args = args(&["--format", "json"]);
    assert!(said(|console| list::strategies(&table, console)).out.contains("binpack"));
    assert!(said(|console| list::metrics(&table, console)).out.contains("running_final (tasks, greater is better)"));
    for text in
        [said(|console| list::strategies(&json, console)).out, said(|console| list::metrics(&json, console)).out]
    {
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["schema_version"], 1);
    }
}
