//! Stack files: Docker's verdicts on real files, Docker itself where it is installed, and files that mean harm.

mod docker;
mod generator;
mod hostile;
mod real_files;
mod small_files;

use std::collections::BTreeMap;
use std::path::PathBuf;

use sim::compose::{Config, Loaded, Problem, Source, Stack};

/// What the variables of all small files are.
const VARIABLES: [(&str, &str); 5] =
    [("FOO", "foo"), ("EMPTY", ""), ("NUM", "5"), ("YES", "yes"), ("HOME", "/home/me")];

/// Variables from pairs.
fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// Sources that stand side by side in a folder that does not exist.
fn sources(texts: &[&str]) -> Vec<Source> {
    let source = |(index, text): (usize, &&str)| Source {
        path: PathBuf::from(format!("/nowhere/{index}.yml")),
        text: text.to_string(),
    };
    texts.iter().enumerate().map(source).collect()
}

fn try_config(texts: &[&str]) -> Result<Loaded, Vec<Problem>> {
    sim::compose::config(&sources(texts), &variables(&VARIABLES))
}

/// As [`try_config`], of files.
fn try_files(files: &[PathBuf]) -> Result<Loaded, Vec<Problem>> {
    let sources: Result<Vec<Source>, Problem> = files.iter().map(|file| Source::read(file)).collect();
    sim::compose::config(&sources.map_err(|problem| vec![problem])?, &variables(&VARIABLES))
}

fn try_stack(texts: &[&str]) -> Result<Stack, Vec<Problem>> {
    sim::compose::stack("s", &try_config(texts)?, &sources(texts))
}

fn config(texts: &[&str]) -> Config {
    try_config(texts).unwrap().config
}

fn stack(texts: &[&str]) -> Stack {
    try_stack(texts).unwrap()
}

/// The message that Docker would show.
fn refusal(texts: &[&str]) -> String {
    try_stack(texts).unwrap_err().swap_remove(0).message
}
