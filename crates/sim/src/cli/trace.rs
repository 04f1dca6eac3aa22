//! `simctl run --trace`: runs that are written down while they go on.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;

use super::run::Args;
use crate::experiment::{Run, plan};
use crate::listen::Listen;
use crate::report::folder::{Stage, trace_name};
use crate::scenario::Scenario;
use crate::simulation::Simulation;
use crate::trace::{Failures, Form, writer};

/// What is written of runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Kind {
    /// A digest after every event.
    Digests,
    /// Tracks and slices for ui.perfetto.dev.
    Perfetto,
    /// A line for every fact and order.
    Jsonl,
}

impl Kind {
    fn form(self) -> Option<Form> {
        match self {
            Kind::Digests => None,
            Kind::Perfetto => Some(Form::Perfetto),
            Kind::Jsonl => Some(Form::Jsonl),
        }
    }
}

/// The words of the command line with `--trace=perfetto` for `--trace perfetto`: what follows `--trace` is a kind only if it is
/// the name of one, else a file.
pub(super) fn with_equals(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let is_kinds = |word: &OsString| {
        word.to_str().is_some_and(|word| word.split(',').all(|kind| Kind::from_str(kind, false).is_ok()))
    };
    let mut joined: Vec<OsString> = Vec::new();
    for word in words {
        match joined.last_mut() {
            Some(last) if *last == "--trace" && is_kinds(&word) => {
                last.push("=");
                last.push(word);
            }
            _ => joined.push(word),
        }
    }
    joined
}

/// Files with their forms and names, by strategy and replication.
type Files = BTreeMap<(String, u32), Vec<(Form, String, File)>>;

/// The files of a scenario's runs that are written down.
pub(super) struct Traces {
    digests: bool,
    /// Until the run begins.
    files: Mutex<Files>,
    /// Every file, with its replication.
    names: Vec<(u32, String)>,
    failures: Failures,
}

impl Traces {
    /// Makes the files that are asked for.
    pub fn begin(args: &Args, scenario: &Scenario, stage: &mut Stage) -> io::Result<Traces> {
        let mut traces = Traces {
            digests: args.trace.contains(&Kind::Digests),
            files: Mutex::default(),
            names: Vec::new(),
            failures: Failures::default(),
        };
        let mut files = Files::new();
        let mut forms: Vec<Form> = Vec::new();
        for form in args.trace.iter().filter_map(|kind| kind.form()) {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        for run in plan(scenario).into_iter().filter(|run| run.replication <= args.trace_replications) {
            for form in &forms {
                let mut name = trace_name(&run.strategy, run.replication, form.extension());
                // Names of strategies that differ in what a file cannot have.
                while traces.names.iter().any(|(_, other)| *other == name) {
                    name = name.replacen("trace-", "trace-_", 1);
                }
                let file = stage.begin(&name)?;
                let of_run = files.entry((run.strategy.clone(), run.replication)).or_default();
                of_run.push((*form, name.clone(), file));
                traces.names.push((run.replication, name));
            }
        }
        traces.files = Mutex::new(files);
        Ok(traces)
    }

    /// Begins a run.
    pub fn run(&self, scenario: &Arc<Scenario>, run: &Run) -> Result<Simulation, String> {
        let files = {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            files.remove(&(run.strategy.clone(), run.replication)).unwrap_or_default()
        };
        let writers: Vec<Box<dyn Listen>> = files
            .into_iter()
            .map(|(form, name, file)| writer(form, scenario, &run.strategy, &name, file, &self.failures))
            .collect();
        let mut simulation = match writers.is_empty() {
            true => Simulation::new(Arc::clone(scenario), &run.strategy, run.replication)?,
            false => Simulation::heard(Arc::clone(scenario), &run.strategy, run.replication, Box::new(writers))?,
        };
        if self.digests {
            simulation.trace();
        }
        Ok(simulation)
    }

    /// All runs are over, or only those of the first replications: the files of the others go. Gives the names of those that
    /// stay, or the first failure.
    pub fn end(self, stage: &mut Stage, replications: u32) -> io::Result<Vec<String>> {
        let (stay, go): (Vec<_>, Vec<_>) =
            self.names.into_iter().partition(|(replication, _)| *replication <= replications);
        go.iter().try_for_each(|(_, name)| stage.forget(name))?;
        let failures = std::mem::take(&mut *self.failures.lock().unwrap_or_else(PoisonError::into_inner));
        match failures.first() {
            Some((name, error)) => Err(stage.about(name, error)),
            None => Ok(stay.into_iter().map(|(_, name)| name).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_a_kind_or_a_file() {
        let joined = |words: &str| {
            let words = with_equals(words.split(' ').map(OsString::from));
            words.into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(joined("simctl run --trace perfetto s.toml"), "simctl run --trace=perfetto s.toml");
        assert_eq!(joined("simctl run s.toml --trace jsonl,perfetto"), "simctl run s.toml --trace=jsonl,perfetto");
        for same in ["simctl run --trace s.toml", "simctl run s.toml --trace", "simctl run --trace=perfetto jsonl"] {
            assert_eq!(joined(same), same);
        }
    }
}
