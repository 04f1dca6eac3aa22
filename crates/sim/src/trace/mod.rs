//! What happens in a run, written to a file as it happens: for ui.perfetto.dev (`perfetto`) and for programs
//! (`jsonl`). Both are [listeners](crate::listen); what is kept in memory is a few bytes for every task.

mod jsonl;
mod names;
mod perfetto;
mod proto;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::listen::Listen;
use crate::scenario::Scenario;

/// In which form a run is written down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Tracks, slices and counters for ui.perfetto.dev and its trace processor.
    Perfetto,
    /// A line of JSON for every fact and every order.
    Jsonl,
}

impl Form {
    /// How names of such files end.
    pub fn extension(self) -> &'static str {
        match self {
            Form::Perfetto => "pftrace",
            Form::Jsonl => "jsonl",
        }
    }
}

/// What went wrong with files that are written while runs go on, by name.
pub type Failures = Arc<Mutex<Vec<(String, io::Error)>>>;

/// Who writes a run of a scenario under a strategy into a file of this name.
pub fn writer(
    form: Form,
    scenario: &Arc<Scenario>,
    strategy: &str,
    name: &str,
    file: File,
    failures: &Failures,
) -> Box<dyn Listen> {
    let out = Out {
        name: name.to_string(),
        to: BufWriter::with_capacity(1 << 18, file),
        failure: None,
        failures: Arc::clone(failures),
    };
    match form {
        Form::Perfetto => Box::new(perfetto::Writer::new(scenario, strategy, out)),
        Form::Jsonl => Box::new(jsonl::Writer::new(scenario, out)),
    }
}

/// A file that remembers its first failure and lets everything after it go, so that the run comes to its end.
struct Out {
    name: String,
    to: BufWriter<File>,
    failure: Option<io::Error>,
    failures: Failures,
}

impl Out {
    fn write(&mut self, bytes: &[u8]) {
        if self.failure.is_none() {
            self.failure = self.to.write_all(bytes).err();
        }
    }

    fn end(&mut self) {
        let ended = match self.failure.take() {
            Some(error) => Err(error),
            None => self.to.flush().and_then(|()| self.to.get_ref().sync_all()),
        };
        if let Err(error) = ended {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.push((self.name.clone(), error));
        }
    }
}
