//! `simctl run`: simulates scenarios and writes a result folder for each.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use sched::spec::Mode;

use super::trace::{self, Traces};
use super::{Console, End, Format, show, verify};
use crate::experiment::{self, BRAKE, Run, execute_by};
use crate::metrics::{METRICS, Mark, OrderRow, Outcome};
use crate::outside;
use crate::report::compare;
use crate::report::expect::{Ruling, Verdict, verdicts};
use crate::report::manifest::{Kept, Manifest};
use crate::report::plot::Kind;
use crate::report::results::{Idle, OfRun, Results};
use crate::report::verdict::{self, Answer};
use crate::report::{self, folder};
use crate::scenario::{self, Scenario};

/// `simctl run`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  simctl run scenarios/drain.toml
  simctl run scenarios/*.toml --replications 30 --jobs 8
  simctl run scenarios/drain.toml --strategy spread --strategy binpack --seed 7
  simctl run scenarios/drain.toml --trace perfetto    (then open results/drain/trace-*.pftrace in ui.perfetto.dev)
  simctl run scenarios/drain.toml --format json | jq '.scenarios[0].metrics'")]
pub struct Args {
    #[command(flatten)]
    pub(super) what: What,
    /// Folder for the result folders
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub(super) out: PathBuf,
    /// How to print the comparison
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
    /// Kinds of files of the pictures
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',', default_value = "png")]
    pub(super) plots: Vec<Kind>,
    /// Write no pictures
    #[arg(long, conflicts_with = "plots")]
    pub(super) no_plots: bool,
    /// Write runs down: `perfetto` for ui.perfetto.dev, `jsonl` with a line for every fact and order, `digests` (2 bytes for
    /// every event, as without KIND), with which `simctl verify` names the first event that differs; or several, with commas
    #[arg(
        long,
        value_name = "KIND",
        value_enum,
        value_delimiter = ',',
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "digests"
    )]
    pub(super) trace: Vec<trace::Kind>,
    /// Of so many replications of each strategy `perfetto` and `jsonl` are written
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) trace_replications: u32,
    /// Write even into folders that simctl did not make
    #[arg(long)]
    pub(super) force: bool,
}

/// What is simulated, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct What {
    /// Scenario files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Threads; results do not depend on it [default: one per processor]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) jobs: Option<u16>,
    /// Root of all random streams, instead of the scenarios' own
    #[arg(long, value_name = "S")]
    pub(super) seed: Option<u64>,
    /// Independent runs per strategy, instead of the scenarios' own
    #[arg(long, short, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) replications: Option<u32>,
    /// Strategies instead of the scenarios' own, placement strategies or names of `[[strategy]]`; the first is the baseline
    #[arg(long, short, value_name = "NAME", num_args = 1..)]
    pub(super) strategy: Vec<String>,
    /// A key of the scenarios that is set otherwise: `pool.worker.count=8`, `duration=1h`
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    /// Say nothing about progress
    #[arg(long, short)]
    pub(super) quiet: bool,
}

/// How a verb that asks about one scenario changes it.
#[derive(Clone, Debug, clap::Args)]
pub struct Shared {
    /// The strategy under which it runs [default: the scenario's first]
    #[arg(long, short, value_name = "NAME")]
    strategy: Option<String>,
    /// Root of all random streams, instead of the scenario's own
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// A key of the scenario that is set otherwise: `pool.worker.count=8`, `duration=1h`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Replicas of a service, those of stacks too: `web=8`, or `web=2x` for twice as many as it has
    #[arg(long, value_name = "SERVICE=N")]
    scale: Vec<String>,
}

impl Shared {
    /// The text of a scenario; the error is for people.
    pub(super) fn text(&self, file: &Path) -> Result<String, String> {
        scenario::text_of(file).map_err(|complaints| complaints.to_string())
    }

    /// The scenario of a text, with further keys set.
    pub(super) fn parse(&self, file: &Path, text: &str, more: &[String]) -> Result<Scenario, String> {
        let set: Vec<String> = self.set.iter().chain(more).cloned().collect();
        let mut scenario = scenario::parse_with(file, text, &set).map_err(|complaints| complaints.to_string())?;
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        self.scale.iter().try_for_each(|word| scale(&mut scenario, word))?;
        Ok(scenario)
    }

    /// The scenario of a file.
    pub(super) fn load(&self, file: &Path) -> Result<Scenario, String> {
        self.parse(file, &self.text(file)?, &[])
            .map_err(|why| if why.starts_with("error") { why } else { format!("error: {why}") })
    }

    /// The strategy.
    pub(super) fn strategy(&self, scenario: &Scenario) -> String {
        self.strategy.clone().unwrap_or_else(|| scenario.strategies[0].clone())
    }
}

/// Gives a service other replicas.
fn scale(scenario: &mut Scenario, word: &str) -> Result<(), String> {
    let wrong = |why: String| format!("`--scale {}`: {why}", outside::shown(word));
    let expected = || wrong("expected SERVICE=N or SERVICE=2x".into());
    let (name, number) = word.split_once('=').ok_or_else(expected)?;
    let names: Vec<String> = scenario.services.iter().map(|plan| plan.spec.name.clone()).collect();
    let Some(plan) = scenario.services.iter_mut().find(|plan| plan.spec.name == name) else {
        let near = scenario::suggest(name, names.iter().map(String::as_str));
        let near = near.map_or(String::new(), |near| format!(": {near}"));
        return Err(wrong(format!("no service `{}`{near}", outside::shown(name))));
    };
    let Mode::Replicated { replicas } = &mut plan.spec.mode else {
        return Err(wrong("only replicated services have a number of replicas".into()));
    };
    *replicas = match number.strip_suffix('x') {
        Some(factor) => {
            factor.parse::<u64>().ok().and_then(|factor| replicas.checked_mul(factor)).ok_or_else(expected)?
        }
        None => number.parse().map_err(|_| expected())?,
    };
    if *replicas > 1_000_000 {
        return Err(wrong("more than 1000000 replicas".into()));
    }
    Ok(())
}

/// Executes a plan, as [`experiment::execute`] does.
pub type Execute<'a> = &'a dyn Fn(&Scenario, &[Run], usize, &(dyn Fn(&Outcome) + Sync)) -> Vec<Outcome>;

/// A scenario, ready to run, with the manifest of its results.
pub(super) struct Job {
    pub(super) scenario: Scenario,
    pub(super) manifest: Manifest,
    /// As the user named it.
    file: PathBuf,
}

/// What is left of a scenario when its folder is written.
pub(super) struct Done {
    /// Without tasks, nodes and series.
    pub(super) results: Results,
    pub(super) verdicts: Vec<Verdict>,
    /// Whether it is safe, under each strategy.
    pub(super) answers: Vec<Answer>,
    /// Which strategy loses least, how surely, and what that costs.
    pub(super) finding: Option<String>,
    /// Why runs were aborted.
    pub(super) broken: Vec<String>,
    /// Strategies under which nothing ran.
    pub(super) idle: Vec<Idle>,
    pub(super) dir: Option<PathBuf>,
    /// Digests after every event of every run, if they were kept.
    pub(super) fine: Vec<Vec<u16>>,
}

/// Runs the verb. Nothing is written unless every file is right and every folder may be written.
pub fn run(args: &Args, console: &mut Console, execute: Execute) -> End {
    let jobs = match load(&args.what, console) {
        Ok(jobs) => jobs,
        Err(end) => return end,
    };
    let clashes = clashes(&jobs, &args.what.files);
    if !clashes.is_empty() {
        clashes.iter().for_each(|clash| console.tell(&format!("error: {clash}")));
        return End::WrongInput;
    }
    let dir = |job: &Job| args.out.join(&job.scenario.name);
    let mut claims = Vec::new();
    for claim in jobs.iter().map(|job| folder::claim(&dir(job), args.force)) {
        match claim {
            Ok(claim) => claims.push(claim),
            Err(error) => console.tell(&format!("error: {error}")),
        }
    }
    if claims.len() < jobs.len() {
        return End::Io;
    }
    let mut all = Vec::new();
    let mut end = End::Held;
    for (job, mut claim) in jobs.into_iter().zip(claims) {
        let name = outside::shown(&job.scenario.name);
        if BRAKE.is_pulled() {
            console.tell(&format!("{name}: not simulated"));
            continue;
        }
        let dir = dir(&job);
        let began = claim.stage().and_then(|mut stage| Ok((Traces::begin(args, &job.scenario, &mut stage)?, stage)));
        let (traces, mut stage) = match began {
            Ok(began) => began,
            Err(error) => {
                console.tell(&format!("error: {error}"));
                end = End::Io;
                continue;
            }
        };
        let traced: Execute = &|scenario, plan, jobs, done| {
            execute_by(scenario, plan, jobs, done, &|scenario, run| traces.run(scenario, run))
        };
        let mut done = simulate(job, &args.what, console, if args.trace.is_empty() { execute } else { traced });
        if done.results.manifest.replications == 0 {
            console.tell(&format!("{name}: no replication was over, so nothing is written"));
            continue;
        }
        let written = traces.end(&mut stage, done.results.manifest.replications);
        match written.and_then(|names| write(&mut done, stage, &kinds(&args.plots, args.no_plots)).map(|()| names)) {
            Ok(names) => {
                let lines = names.iter().map(|name| outside::shown_path(&dir.join(name)).to_string());
                lines.filter(|_| !args.what.quiet).for_each(|line| console.tell(&line));
                done.dir = Some(dir);
            }
            Err(error) => {
                console.tell(&format!("error: {error}"));
                end = End::Io;
            }
        }
        end = end.max(done.end());
        if args.format == Format::Table {
            show::table(&done, console);
        }
        all.push(done);
    }
    match args.format {
        Format::Table => {}
        Format::Json => console.say(&show::json(&all)),
        Format::Csv => console.say(&show::csv(&all)),
    }
    if args.format != Format::Table && !args.what.quiet {
        for done in &all {
            let lines = show::verdicts(done, false);
            lines.iter().for_each(|line| console.tell(line));
        }
    }
    if BRAKE.is_pulled() { End::Stopped } else { end }
}

/// The kinds of files of pictures, each once, in the order in which a page prefers them; none if there are no pictures.
pub(super) fn kinds(asked: &[Kind], none: bool) -> Vec<Kind> {
    Kind::ALL.into_iter().filter(|kind| !none && asked.contains(kind)).collect()
}

/// Writes the folder of a scenario, tables first: they are on disk then, and pictures are drawn from there.
fn write(done: &mut Done, mut stage: folder::Stage, kinds: &[Kind]) -> io::Result<()> {
    report::csv_files::fill(&mut stage, &done.results)?;
    if !done.fine.is_empty() {
        stage.fill(folder::TRACE, |file| verify::write_trace(file, &done.fine))?;
    }
    done.forget_rows();
    report::draw(&mut stage, METRICS, kinds)?;
    stage.replace()
}

/// Loads every file; complaints about all of them are printed.
pub(super) fn load(what: &What, console: &mut Console) -> Result<Vec<Job>, End> {
    let mut jobs: Vec<Job> = Vec::new();
    let mut complaints = Vec::new();
    for file in &what.files {
        let source = scenario::text_of(file);
        match source.and_then(|text| Ok((scenario::parse_with(file, &text, &what.set)?, text))) {
            Err(those) => complaints.push(those.to_string()),
            Ok((scenario, source)) => {
                if !is_slug(&scenario.name) {
                    let name = outside::shown(&scenario.name);
                    let wanted = "expected letters, digits, '-', '_' and '.', because a folder gets this name";
                    let file = outside::shown_path(file);
                    complaints.push(format!("{file}: the scenario's name is '{name}': {wanted}"));
                }
                complaints.extend(unknown_strategies(&scenario, file, what));
                jobs.push(job(scenario, &source, file, what));
            }
        }
    }
    for complaint in &complaints {
        let complaint = complaint.trim_end();
        let prefix = if complaint.starts_with("error") { "" } else { "error: " };
        console.tell(&format!("{prefix}{complaint}"));
    }
    if complaints.is_empty() { Ok(jobs) } else { Err(End::WrongInput) }
}

/// Scenarios whose results would lie in one folder.
fn clashes(jobs: &[Job], files: &[PathBuf]) -> Vec<String> {
    let mut names: BTreeMap<&str, &PathBuf> = BTreeMap::new();
    let mut clashes = Vec::new();
    for (job, file) in jobs.iter().zip(files) {
        let name = job.scenario.name.as_str();
        if let Some(other) = names.insert(name, file) {
            let (file, other) = (outside::shown_path(file), outside::shown_path(other));
            clashes.push(format!(
                "{file}: its results would go to the same folder '{name}' as those of {other}: give one another `name`"
            ));
        }
    }
    clashes
}

/// Runs a scenario and makes its tables.
pub(super) fn simulate(job: Job, what: &What, console: &mut Console, execute: Execute) -> Done {
    let Job { scenario, manifest, file } = job;
    let plan = experiment::plan(&scenario);
    let threads = what.jobs.map(usize::from);
    let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let bar = if console.progress && !what.quiet {
        let style = ProgressStyle::with_template("{prefix} {bar:40} {pos}/{len} runs, {eta} left");
        ProgressBar::new(plan.len() as u64)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_prefix(scenario.name.clone())
    } else {
        if !what.quiet {
            let (name, strategies) =
                (&scenario.name, show::counted(scenario.strategies.len(), "strategy", "strategies"));
            let replications = show::counted(scenario.replications as usize, "replication", "replications");
            console.tell(&format!("{name}: simulating {strategies}, {replications} each"));
        }
        ProgressBar::hidden()
    };
    let mut outcomes = execute(&scenario, &plan, threads, &|_| bar.inc(1));
    bar.finish_and_clear();
    let mut manifest = Manifest { runs: outcomes.iter().map(Kept::of).collect(), ..manifest };
    if outcomes.len() < plan.len() {
        let replications = outcomes.iter().map(|outcome| outcome.replication).max().unwrap_or(0);
        manifest.partial_of = Some(manifest.replications);
        manifest.command = command(&file, &What { replications: Some(replications), ..what.clone() });
        manifest.replications = replications;
    }
    let fine: Vec<Vec<u16>> = outcomes.iter_mut().filter_map(|outcome| outcome.trace.fine.take()).collect();
    let results = Results::of(manifest, METRICS, outcomes);
    Done { fine, ..Done::of(results, console) }
}

/// Events that did not happen, and in how many of the runs.
fn never(runs: &[OfRun<Mark>]) -> BTreeMap<&str, usize> {
    let mut all = BTreeMap::new();
    for mark in runs.iter().flat_map(|run| &run.items).filter(|mark| mark.kind == "never") {
        *all.entry(mark.label.as_str()).or_default() += 1;
    }
    all
}

/// Orders that were refused and how many are said; others are counted.
const REFUSALS: usize = 6;

/// Orders that were refused with the answer, and in how many of the runs.
fn refused(runs: &[OfRun<OrderRow>]) -> Vec<(String, usize)> {
    let mut all: BTreeMap<String, usize> = BTreeMap::new();
    for run in runs {
        let refused = run.items.iter().filter(|order| order.is_refused);
        let kinds: BTreeSet<String> =
            refused.map(|row| format!("{} (by {}): {}", row.order, row.by, row.answer)).collect();
        kinds.into_iter().for_each(|kind| *all.entry(kind).or_default() += 1);
    }
    let mut all: Vec<(String, usize)> = all.into_iter().collect();
    all.sort_by_key(|kind| std::cmp::Reverse(kind.1));
    if all.len() > REFUSALS {
        let more = all.len() - REFUSALS;
        all.truncate(REFUSALS);
        if let Some(last) = all.last_mut() {
            last.0 += &format!("; orders.csv has {more} more kinds of refusals");
        }
    }
    all
}

impl Done {
    /// Judges results, and says which runs were aborted.
    pub(super) fn of(results: Results, console: &mut Console) -> Done {
        let marks = results.marks.iter().flat_map(|run| run.items.iter().map(move |mark| (run, mark)));
        let why = |(run, mark): (&OfRun<Mark>, &Mark)| {
            format!(
                "{}, replication {}: {}",
                outside::shown(&run.strategy),
                run.replication,
                outside::shown(&mark.label)
            )
        };
        let broken: Vec<String> = marks.filter(|(_, mark)| mark.kind == "error").map(why).collect();
        let name = outside::shown(&results.manifest.name);
        broken.iter().for_each(|why| console.tell(&format!("error: {name}: a run was aborted: {why}")));
        for (what, runs) in never(&results.marks) {
            let of = show::counted(results.marks.len(), "run", "runs");
            console
                .tell(&format!("warning: {name}: in {runs} of {of} an event did not happen: {}", outside::shown(what)));
        }
        for (order, runs) in refused(&results.orders) {
            let of = show::counted(results.runs.rows.len(), "run", "runs");
            console
                .tell(&format!("warning: {name}: in {runs} of {of} an order was refused: {}", outside::shown(&order)));
        }
        // Who expects that nothing runs at the end is told by that.
        let is_expected = |idle: &Idle| {
            results.manifest.expect.iter().any(|expected| {
                let is_meant = expected.strategy.as_ref().is_none_or(|strategy| *strategy == idle.strategy);
                let is_none = expected.max.is_some_and(|max| max <= 0.0) && expected.minus.is_none();
                is_meant && is_none && ["running_final", "state_running"].contains(&expected.metric.as_str())
            })
        };
        let unexpected: Vec<Idle> = results.idle().into_iter().filter(|idle| !is_expected(idle)).collect();
        for idle in &unexpected {
            let (strategy, why) = (outside::shown(&idle.strategy), outside::shown(&idle.why));
            console.tell(&format!("error: {name}: nothing ever ran under {strategy}: {why}"));
        }
        let verdicts = verdicts(&results.manifest.expect, &results.manifest.strategies, &results.runs);
        let answers = verdict::answers(&results);
        let finding = compare::finding(&results, outside::shown);
        Done { idle: unexpected, answers, finding, results, verdicts, broken, dir: None, fine: Vec::new() }
    }

    /// How the scenario ended.
    pub(super) fn end(&self) -> End {
        let rulings = self.verdicts.iter().map(|verdict| verdict.ruling);
        match rulings.max().unwrap_or(Ruling::Held) {
            _ if !self.broken.is_empty() || !self.idle.is_empty() => End::Failed,
            Ruling::Held => End::Held,
            Ruling::Undecided => End::Undecided,
            Ruling::Missed => End::Failed,
        }
    }

    /// Frees what is on disk by now and not printed.
    fn forget_rows(&mut self) {
        self.results.tasks = Vec::new();
        self.results.nodes = Vec::new();
        self.results.jobs = Vec::new();
        self.results.series = Vec::new();
        self.results.orders = Vec::new();
        self.results.pending = Vec::new();
        self.results.updates = Vec::new();
    }
}

/// The scenario as the options change it.
fn job(mut scenario: Scenario, source: &str, file: &Path, what: &What) -> Job {
    scenario.seed = what.seed.unwrap_or(scenario.seed);
    scenario.replications = what.replications.unwrap_or(scenario.replications);
    if !what.strategy.is_empty() {
        let mut strategies: Vec<String> = Vec::new();
        for name in &what.strategy {
            if !strategies.contains(name) {
                strategies.push(name.clone());
            }
        }
        // What is expected of a strategy that was not asked for cannot be told.
        scenario.expect.retain(|expected| expected.strategy.as_ref().is_none_or(|name| strategies.contains(name)));
        scenario.strategies = strategies;
    }
    let manifest =
        Manifest { set: what.set.clone(), ..Manifest::of(&scenario, source.as_bytes(), command(file, what)) };
    Job { scenario, manifest, file: file.to_path_buf() }
}

/// The command that gives the same results: options that change nothing are left out, and so is the way to the file if
/// it leads through the whole machine.
fn command(file: &Path, what: &What) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let file = match file.strip_prefix(&here) {
        Ok(inside) => inside,
        Err(_) if file.is_absolute() => file.file_name().map_or(file, Path::new),
        Err(_) => file,
    };
    let mut words = vec!["simctl".to_string(), "run".to_string(), quoted(&file.to_string_lossy())];
    if let Some(seed) = what.seed {
        words.extend(["--seed".into(), seed.to_string()]);
    }
    if let Some(replications) = what.replications {
        words.extend(["--replications".into(), replications.to_string()]);
    }
    for assignment in &what.set {
        words.extend(["--set".into(), quoted(assignment)]);
    }
    for name in &what.strategy {
        words.extend(["--strategy".into(), quoted(name)]);
    }
    words.join(" ")
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_./,:@+=".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Whether a name is fit for a folder and leads nowhere else.
fn is_slug(name: &str) -> bool {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.len() <= 100 && !name.starts_with(['.', '-']) && name.chars().all(harmless)
}

/// Complaints about strategies that were asked for and are neither placement strategies nor the scenario's own.
fn unknown_strategies(scenario: &Scenario, file: &Path, what: &What) -> Vec<String> {
    what.strategy.iter().filter_map(|name| unknown_strategy(scenario, file, name)).collect()
}

/// What is said of a name, unless it is that of a strategy.
pub(super) fn unknown_strategy(scenario: &Scenario, file: &Path, name: &str) -> Option<String> {
    let known = || {
        let own = scenario.plans.iter().map(|plan| plan.name.as_str());
        sched::STRATEGIES.iter().map(|entry| entry.name).chain(own)
    };
    if known().any(|known| known == name) {
        return None;
    }
    let near = known().min_by_key(|known| strsim::damerau_levenshtein(known, name)).unwrap_or_default();
    let all = known().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let (file, name) = (outside::shown_path(file), outside::shown(name));
    Some(format!("{file}: no strategy '{name}': expected one of {all}; did you mean '{near}'?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_the_one_that_counts() {
        let what = What {
            files: vec![],
            jobs: Some(8),
            seed: Some(7),
            replications: None,
            strategy: vec!["binpack".into()],
            set: vec!["duration=1h".into()],
            quiet: true,
        };
        assert_eq!(
            command(Path::new("a b.toml"), &what),
            "simctl run 'a b.toml' --seed 7 --set duration=1h --strategy binpack"
        );
        assert!(command(Path::new("/somewhere/else/x.toml"), &what).starts_with("simctl run x.toml "));
    }

    #[test]
    fn names_lead_nowhere() {
        for name in ["", ".", "..", "../x", "a/b", "-x", "a\\b", "nul\0"] {
            assert!(!is_slug(name), "{name:?}");
        }
        assert!(is_slug("rack-outage_2.v1"));
    }
}
