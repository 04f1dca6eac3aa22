//! `simctl verify`: runs results again and says whether they are identical, or where they differ first. The tables have to be,
//! to the last byte, what the runs give; one that is not there is named, since large ones are often left out.
//!
//! The manifest has digests of every run: at its end, and at a few checkpoints of the first replication. A run that was made
//! with `--trace` has two bytes after every event. A digest holds all that happened before, so what differs once differs from
//! there on: the first checkpoint that differs says between which events it began, the first two bytes say in which.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use sched::Time;

use super::{Console, End, show};
use crate::metrics::{METRICS, Outcome};
use crate::outside::{self, LARGEST_TEXT};
use crate::report::csv_files;
use crate::report::folder::{MANIFEST, TRACE};
use crate::report::manifest::{Kept, Manifest, TOOL, fnv1a};
use crate::report::results::Results;
use crate::scenario::{self, Scenario};
use crate::simulation::Simulation;

/// `simctl verify`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  simctl verify results/drain
  simctl verify results/drain --scenario scenarios/drain.toml")]
pub struct Args {
    /// Result folders
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// The scenario's file, if it is not where the manifest says
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
}

/// Bytes of a trace at most: two for each of as many events as take hours.
const LARGEST_TRACE: u64 = 16 << 30;

/// Where a run differs from what was kept of it.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Difference {
    /// After one event, which is still the same, and up to and with another; and the time then.
    Between(u64, u64, Time),
    /// In this event, from 1: what it is, and when.
    At(u64, String),
}

/// What a run gives if it is the same, or where it differs; the error says why it cannot be run.
type Answer = Result<Result<Outcome, Difference>, String>;

/// Runs the verb. Folders that differ end it with 1.
pub fn run(args: &Args, console: &mut Console) -> End {
    let mut end = End::Held;
    for dir in args.dirs.iter().filter(|dir| !dir.is_file() || args.dirs.len() == 1) {
        let name = outside::shown_path(dir).to_string();
        match verify(dir, args.scenario.as_deref(), console) {
            Err(why) => {
                console.tell(&format!("error: {name}: {why}"));
                end = end.max(End::WrongInput);
            }
            Ok(same) => end = end.max(if same { End::Held } else { End::Failed }),
        }
    }
    end
}

fn verify(dir: &Path, file: Option<&Path>, console: &mut Console) -> Result<bool, String> {
    let text = outside::read_text(&dir.join(MANIFEST), LARGEST_TEXT).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no {MANIFEST}: no folder that `simctl run` wrote"),
        _ => format!("{MANIFEST}: {error}"),
    })?;
    let manifest = Manifest::parse(&text).map_err(|error| format!("{MANIFEST}: {error}"))?;
    if manifest.runs.is_empty() {
        return Err(format!("{MANIFEST} has no digests: it was written before there were any"));
    }
    let file = file.map_or_else(|| file_of(&manifest), Path::to_path_buf);
    if !file.exists() {
        let file = outside::shown_path(&file);
        return Err(format!("the scenario is not at {file}: `--scenario FILE` says where it is"));
    }
    let scenario = Arc::new(scenario_of(&manifest, &file)?);
    let name = outside::shown_path(dir).to_string();
    let source = outside::read_plain(&file, LARGEST_TEXT).unwrap_or_default();
    if manifest.tool != TOOL {
        console.tell(&format!("{name}: written by {}, and this is {TOOL}", outside::shown(&manifest.tool)));
    }
    if fnv1a(&source) != manifest.hash {
        console.tell(&format!("{name}: {} is another text than it was then", outside::shown_path(&file)));
    }
    let fine = match outside::read_plain(&dir.join(TRACE), LARGEST_TRACE) {
        Ok(bytes) => read_trace(&bytes, &manifest.runs).ok_or_else(|| format!("{TRACE} is not as it was written"))?,
        Err(_) => vec![None; manifest.runs.len()],
    };
    let runs: Vec<(&Kept, Option<Vec<u16>>)> = manifest.runs.iter().zip(fine).collect();
    let expected = scenario.strategies.len() * scenario.replications as usize;
    if runs.len() != expected {
        return Err(format!("{MANIFEST} has {} digests instead of {expected}", runs.len()));
    }
    let found: Vec<(&Kept, Answer)> = runs
        .into_par_iter()
        .map(|(kept, fine)| {
            let begin = || Simulation::new(Arc::clone(&scenario), &kept.strategy, kept.replication);
            (kept, compare(begin, kept, fine.as_deref()))
        })
        .collect();
    let mut outcomes = Vec::new();
    for (kept, answer) in found {
        let run = format!("{name}: {}, replication {}", outside::shown(&kept.strategy), kept.replication);
        match answer? {
            Ok(outcome) => outcomes.push(outcome),
            Err(Difference::At(event, what)) => {
                console.say(&format!("{run} differs first in event {event}: {what}\n"));
            }
            Err(Difference::Between(after, upto, at)) => {
                let hint = "`simctl run --trace` keeps what is needed to name the event";
                console
                    .say(&format!("{run} differs first in an event from {} to {upto}, by {at} ({hint})\n", after + 1));
            }
        }
    }
    let others = other_keys(&manifest, &Manifest::of(&scenario, &source, manifest.command.clone()));
    for key in &others {
        console.say(&format!("{name}: {MANIFEST} has another `{key}` than the scenario\n"));
    }
    let mut is_same = outcomes.len() == manifest.runs.len();
    if is_same {
        for (table, what) in compare_tables(dir, &manifest, outcomes).map_err(|error| error.to_string())? {
            is_same &= what == Table::Missing;
            console.say(&match what {
                Table::Missing => format!("{name}: {table} is not there\n"),
                Table::Other(line) => format!("{name}: {table} is not what the runs give, first in line {line}\n"),
            });
        }
    }
    is_same &= others.is_empty();
    if is_same {
        let events: u64 = manifest.runs.iter().map(|kept| kept.events).sum();
        let runs = show::counted(manifest.runs.len(), "run", "runs");
        console.say(&format!("{name}: identical, {runs} of {events} events together\n"));
    }
    Ok(is_same)
}

/// The scenario's file, as the command of the manifest names it.
fn file_of(manifest: &Manifest) -> PathBuf {
    let rest = manifest.command.strip_prefix("simctl run ").unwrap_or(&manifest.file);
    match rest.strip_prefix('\'') {
        // As the command was quoted for a shell.
        Some(quoted) => quoted.split("' ").next().unwrap_or(quoted).trim_end_matches('\'').replace("'\\''", "'").into(),
        None => rest.split(' ').next().unwrap_or(rest).into(),
    }
}

/// The scenario with the seed, the strategies and the replications of then.
fn scenario_of(manifest: &Manifest, file: &Path) -> Result<Scenario, String> {
    let text = scenario::text_of(file);
    let mut scenario =
        text.and_then(|text| scenario::parse_with(file, &text, &manifest.set)).map_err(|complaints| {
            let text = complaints.to_string();
            format!("the scenario is wrong: {}", text.strip_prefix("error: ").unwrap_or(&text).trim_end())
        })?;
    scenario.seed = manifest.seed.parse().map_err(|_| format!("{MANIFEST}: `seed` is not a number"))?;
    scenario.strategies.clone_from(&manifest.strategies);
    scenario.replications = manifest.replications;
    // As `simctl run --strategy` does.
    scenario
        .expect
        .retain(|expectation| expectation.strategy.as_ref().is_none_or(|name| manifest.strategies.contains(name)));
    Ok(scenario)
}

/// What a manifest says otherwise than the one of the scenario as it is now.
fn other_keys(kept: &Manifest, now: &Manifest) -> Vec<&'static str> {
    let pairs = [
        ("name", kept.name == now.name),
        ("title", kept.title == now.title),
        ("description", kept.description == now.description),
        ("duration_s", kept.duration_s == now.duration_s),
        ("warm_up_s", kept.warm_up_s == now.warm_up_s),
        ("expect", kept.expect == now.expect),
    ];
    pairs.into_iter().filter(|(_, is_same)| !is_same).map(|(key, _)| key).collect()
}

/// What is wrong with a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Table {
    /// It is not in the folder: large ones are often left out.
    Missing,
    /// It says something else, in this line for the first time.
    Other(usize),
}

/// The tables that are not as the runs give them.
fn compare_tables(dir: &Path, manifest: &Manifest, outcomes: Vec<Outcome>) -> io::Result<Vec<(String, Table)>> {
    let again = std::env::temp_dir().join(format!("simctl-verify-{}", std::process::id()));
    let results = Results::of(manifest.clone(), METRICS, outcomes);
    let found = csv_files::write(&again, &results).and_then(|()| {
        let mut found = Vec::new();
        let mut files: Vec<PathBuf> =
            fs::read_dir(&again)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "csv"));
        files.sort();
        for file in files {
            let name = file.file_name().unwrap_or_default();
            let Ok(kept) = outside::open_plain(&dir.join(name), u64::MAX) else {
                found.push((name.to_string_lossy().into_owned(), Table::Missing));
                continue;
            };
            if let Some(line) = first_other_line(BufReader::new(File::open(&file)?), BufReader::new(kept))? {
                found.push((name.to_string_lossy().into_owned(), Table::Other(line)));
            }
        }
        Ok(found)
    });
    // Whether it can be removed or not, the answer is the same.
    let _ = fs::remove_dir_all(&again);
    found
}

/// The number of the first line, from 1, in which two texts differ.
fn first_other_line(mut one: impl BufRead, mut other: impl BufRead) -> io::Result<Option<usize>> {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for line in 1.. {
        a.clear();
        b.clear();
        let ended = one.read_until(b'\n', &mut a)? == 0;
        other.read_until(b'\n', &mut b)?;
        if a != b {
            return Ok(Some(line));
        }
        if ended {
            break;
        }
    }
    Ok(None)
}

/// Runs once more, and a second time up to the event that differs, to say what it is.
fn compare(begin: impl Fn() -> Result<Simulation, String>, kept: &Kept, fine: Option<&[u16]>) -> Answer {
    let mut run = begin()?;
    let mut same = 0;
    while run.step() {
        let event = run.events();
        if let Some(fine) = fine {
            if fine.get(event as usize - 1) != Some(&run.digest().short()) {
                return name_event(&begin, event).map(Err);
            }
        } else if event.is_multiple_of(kept.every.max(1))
            && let Some(checkpoint) = kept.checkpoints.get((event / kept.every.max(1)) as usize - 1)
        {
            if !run.digest().is(checkpoint) {
                return Ok(Err(Difference::Between(same, event, run.now())));
            }
            same = event;
        }
    }
    let is_same = run.digest().is(&kept.digest) && run.events() == kept.events;
    let (events, now) = (run.events().max(kept.events), run.now());
    Ok(if is_same { Ok(run.finish()) } else { Err(Difference::Between(same, events, now)) })
}

fn name_event(begin: &impl Fn() -> Result<Simulation, String>, event: u64) -> Result<Difference, String> {
    let mut run = begin()?;
    while run.events() + 1 < event {
        run.step();
    }
    Ok(Difference::At(event, run.next_event().unwrap_or_default()))
}

/// Writes the digests after every event: for each run their number, and then two bytes each, lowest first.
pub(super) fn write_trace(file: &mut File, runs: &[Vec<u16>]) -> io::Result<()> {
    let mut to = BufWriter::new(file);
    for run in runs {
        to.write_all(&(run.len() as u64).to_le_bytes())?;
        run.iter().try_for_each(|short| to.write_all(&short.to_le_bytes()))?;
    }
    to.flush()
}

/// What [`write_trace`] wrote of these runs; `None` if it is something else.
fn read_trace(mut bytes: &[u8], runs: &[Kept]) -> Option<Vec<Option<Vec<u16>>>> {
    let mut all = Vec::new();
    for _ in runs {
        let (count, rest) = bytes.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*count)).ok()?.checked_mul(2)?;
        let (run, rest) = rest.split_at_checked(length)?;
        all.push(Some(run.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()));
        bytes = rest;
    }
    bytes.is_empty().then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHURN: &str = "[[pool]]\nname = \"node\"\ncount = 20\n[[service]]\nname = \"web\"\nimage = \"web\"\nreplicas = 100\n\
                         restart = { delay = \"1s\" }\nexits = { after = { exponential = { mean = \"20s\" } }, code = 1 }\n";

    fn churn(duration: &str) -> Arc<Scenario> {
        let text = format!("duration = \"{duration}\"\nreplications = 1\n{CHURN}");
        Arc::new(scenario::parse(Path::new("churn.toml"), &text).expect("a good scenario"))
    }

    fn begin(scenario: &Arc<Scenario>, flipped: Option<u64>) -> Result<Simulation, String> {
        let mut run = Simulation::traced(Arc::clone(scenario), "spread", 1)?;
        run.world.flipped = flipped;
        Ok(run)
    }

    /// A run that decides otherwise in one event, compared with what was kept of one that does not.
    fn check(scenario: &Arc<Scenario>, flip: impl Fn(u64) -> u64) {
        let outcome = begin(scenario, None).map(Simulation::finish).expect("a strategy of the list");
        let (kept, fine) = (Kept::of(&outcome), outcome.trace.fine.expect("it is kept"));
        assert_eq!(kept.events, fine.len() as u64);
        let same = || begin(scenario, None);
        assert!(compare(same, &kept, Some(&fine)).is_ok_and(|answer| answer.is_ok()));
        assert!(compare(same, &kept, None).is_ok_and(|answer| answer.is_ok()));
        let flipped = flip(kept.events);
        let other = || begin(scenario, Some(flipped));
        let Ok(Err(Difference::At(event, what))) = compare(other, &kept, Some(&fine)) else { panic!("it differs") };
        assert_eq!(event, flipped);
        assert!(what.contains(" at "), "{what}");
        let Ok(Err(Difference::Between(after, upto, _))) = compare(other, &kept, None) else { panic!("it differs") };
        assert!(after < flipped && flipped <= upto && upto - after <= kept.every, "{after} {flipped} {upto}");
    }

    #[test]
    fn a_flipped_decision_is_found_in_its_event() {
        let scenario = churn("10m");
        for share in [3, 5, 9] {
            check(&scenario, |events| events * share / 10);
        }
    }

    #[test]
    #[ignore = "ten million events"]
    fn a_flipped_decision_of_ten_million_is_found_in_its_event() {
        let scenario = churn("40h");
        check(&scenario, |events| {
            println!("{events} events");
            events * 9 / 10
        });
    }

    #[test]
    fn a_trace_is_read_as_it_is_written() {
        let path = std::env::temp_dir().join(format!("simctl-trace-{}", std::process::id()));
        let runs = [vec![1, 0xffff], vec![], vec![7]];
        let mut file = File::create(&path).expect("there is a folder for such files");
        write_trace(&mut file, &runs).expect("there is room");
        let bytes = std::fs::read(&path).expect("it was written");
        std::fs::remove_file(&path).expect("it was written");
        let kept = Kept {
            strategy: String::new(),
            replication: 1,
            events: 0,
            digest: String::new(),
            every: 1,
            checkpoints: Vec::new(),
        };
        let kept = vec![kept; 3];
        assert_eq!(read_trace(&bytes, &kept), Some(runs.into_iter().map(Some).collect()));
        assert_eq!(read_trace(&bytes[1..], &kept), None);
        assert_eq!(read_trace(&bytes, &kept[1..]), None);
    }

    #[test]
    fn the_file_is_that_of_the_command() {
        let named = |command: &str| {
            let scenario = Arc::unwrap_or_clone(churn("1s"));
            file_of(&Manifest::of(&scenario, b"", command.into())).display().to_string()
        };
        assert_eq!(named("simctl run scenarios/drain.toml --seed 7"), "scenarios/drain.toml");
        assert_eq!(named("simctl run 'a b.toml' --strategy spread"), "a b.toml");
        assert_eq!(named("simctl run 'it'\\''s.toml'"), "it's.toml");
    }
}
