//! `manifest.toml`: where a result folder came from. It also marks the folder as ours.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::engine::chance::hash;
use crate::metrics::Outcome;
use crate::outside::is_hidden;
use crate::scenario::{Expectation, Scenario};
use crate::stats::Statistic;

/// Name and version of this tool.
pub const TOOL: &str = concat!("simctl ", env!("CARGO_PKG_VERSION"));

/// The provenance of a result folder and what its page says in words.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name and version of the tool that wrote it.
    pub tool: String,
    /// The command that makes this folder again.
    pub command: String,
    /// The scenario's name.
    pub name: String,
    /// The scenario's title.
    pub title: String,
    /// Its prose, Markdown.
    pub description: String,
    /// Name of the scenario's file.
    pub file: String,
    /// FNV-1a hash of the bytes of that file; stack files that it names are not included.
    pub hash: String,
    /// Root of all random streams, as text because it may need all 64 bits.
    pub seed: String,
    /// Runs per strategy.
    pub replications: u32,
    /// Runs per strategy that were asked for, if the rest was not run because somebody stopped it.
    #[serde(default)]
    pub partial_of: Option<u32>,
    /// Simulated seconds.
    pub duration_s: f64,
    /// Metrics count from here on, in seconds.
    pub warm_up_s: f64,
    /// The set of parameters on which its models are based, which was calibrated on a real swarm.
    #[serde(default)]
    pub profile: Option<String>,
    /// The first is the baseline.
    pub strategies: Vec<String>,
    /// Keys of the scenario that were set otherwise on the command line.
    #[serde(default)]
    pub set: Vec<String>,
    /// Files that hold replication 1 of each strategy only, because all would be too long.
    pub first_replication_only: Vec<String>,
    /// What had to come out.
    #[serde(default)]
    pub expect: Vec<Expected>,
    /// What happened in each run, in digests, by which `simctl verify` compares.
    #[serde(default, rename = "run")]
    pub runs: Vec<Kept>,
}

/// The digests of a run.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Strategy.
    pub strategy: String,
    /// Replication, from 1.
    pub replication: u32,
    /// Events.
    pub events: u64,
    /// The digest at the end, 32 hexadecimal digits.
    pub digest: String,
    /// Events from one checkpoint to the next, and the digests there. Only of the first replication of a strategy.
    pub every: u64,
    /// See there.
    #[serde(default)]
    pub checkpoints: Vec<String>,
}

impl Kept {
    /// What is kept of a run.
    pub fn of(outcome: &Outcome) -> Kept {
        let trace = &outcome.trace;
        let checkpoints = if outcome.replication == 1 { trace.checkpoints.as_slice() } else { &[] };
        Kept {
            strategy: outcome.strategy.clone(),
            replication: outcome.replication,
            events: trace.events,
            digest: trace.digest.to_string(),
            every: trace.every,
            checkpoints: checkpoints.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A line of the scenario's `[expect]`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// As written.
    pub text: String,
    /// Which strategy; none is every one.
    pub strategy: Option<String>,
    /// It is about what the strategy has more than this one.
    #[serde(default)]
    pub minus: Option<String>,
    /// Name of a metric.
    pub metric: String,
    /// What of it over the replications.
    #[serde(default)]
    pub statistic: Statistic,
    /// Smallest allowed value.
    pub min: Option<f64>,
    /// Largest allowed value.
    pub max: Option<f64>,
    /// The true value.
    #[serde(default)]
    pub theory: Option<f64>,
    /// Largest allowed half width of the interval.
    #[serde(default)]
    pub within: Option<f64>,
    /// The least share of the runs whose value must be within the bounds.
    #[serde(default)]
    pub share: Option<f64>,
}

impl Manifest {
    /// What can be said before the outcomes are there. `source` is the text of the scenario's file.
    pub fn of(scenario: &Scenario, source: &[u8], command: String) -> Manifest {
        Manifest {
            tool: TOOL.into(),
            command,
            name: scenario.name.clone(),
            title: scenario.title.clone(),
            description: scenario.description.clone(),
            file: scenario.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            hash: fnv1a(source),
            seed: scenario.seed.to_string(),
            replications: scenario.replications,
            partial_of: None,
            duration_s: scenario.duration.as_secs_f64(),
            warm_up_s: scenario.warm_up.as_secs_f64(),
            profile: scenario.models.profile.map(str::to_owned),
            strategies: scenario.strategies.clone(),
            set: Vec::new(),
            first_replication_only: Vec::new(),
            expect: scenario.expect.iter().map(Expected::of).collect(),
            runs: Vec::new(),
        }
    }

    /// Reads `manifest.toml`. Fails with a sentence if it is not one of ours.
    pub fn parse(text: &str) -> Result<Manifest, String> {
        let manifest: Manifest = toml::from_str(text).map_err(|error| error.to_string())?;
        let ours = manifest.tool.starts_with("simctl ");
        ours.then_some(manifest).ok_or_else(|| "not written by simctl".into())
    }

    /// The text of `manifest.toml`, which [`Manifest::parse`] reads back as it was.
    ///
    /// It is not serialized by `toml`, because its writer puts a text with quotation marks into a literal string, in which
    /// hidden characters cannot be escaped, and because reports are compared byte by byte: a layout that is ours does not
    /// change with the version of a library. Every text goes through `quoted`, every number is Rust's shortest.
    pub fn to_toml(&self) -> String {
        let mut out = String::from("# This file marks the folder as written by simctl, which may replace it.\n");
        let texts = [
            ("tool", &self.tool),
            ("command", &self.command),
            ("name", &self.name),
            ("title", &self.title),
            ("description", &self.description),
            ("file", &self.file),
            ("hash", &self.hash),
            ("seed", &self.seed),
        ];
        for (key, text) in texts {
            let _ = writeln!(out, "{key} = {}", quoted(text));
        }
        let _ = writeln!(out, "replications = {}", self.replications);
        if let Some(asked) = self.partial_of {
            let _ = writeln!(out, "partial_of = {asked}");
        }
        let _ = writeln!(out, "duration_s = {:?}\nwarm_up_s = {:?}", self.duration_s, self.warm_up_s);
        if let Some(profile) = &self.profile {
            let _ = writeln!(out, "profile = {}", quoted(profile));
        }
        for (key, texts) in [
            ("strategies", &self.strategies),
            ("set", &self.set),
            ("first_replication_only", &self.first_replication_only),
        ] {
            let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
            let _ = writeln!(out, "{key} = [{}]", texts.join(", "));
        }
        for expected in &self.expect {
            let _ = write!(out, "\n[[expect]]\ntext = {}\n", quoted(&expected.text));
            if let Some(strategy) = &expected.strategy {
                let _ = writeln!(out, "strategy = {}", quoted(strategy));
            }
            if let Some(minus) = &expected.minus {
                let _ = writeln!(out, "minus = {}", quoted(minus));
            }
            let _ = writeln!(out, "metric = {}", quoted(&expected.metric));
            if expected.statistic != Statistic::Mean {
                let _ = writeln!(out, "statistic = {}", quoted(&expected.statistic.to_string()));
            }
            let bounds = [
                ("min", expected.min),
                ("max", expected.max),
                ("theory", expected.theory),
                ("within", expected.within),
                ("share", expected.share),
            ];
            for (key, bound) in bounds {
                if let Some(bound) = bound {
                    let _ = writeln!(out, "{key} = {bound:?}");
                }
            }
        }
        for Kept { strategy, replication, events, digest, every, checkpoints } in &self.runs {
            let _ = write!(out, "\n[[run]]\nstrategy = {}\nreplication = {replication}\n", quoted(strategy));
            let _ = write!(out, "events = {events}\ndigest = {}\nevery = {every}\n", quoted(digest));
            if !checkpoints.is_empty() {
                let lines: Vec<String> =
                    checkpoints.iter().map(|checkpoint| format!("    {},\n", quoted(checkpoint))).collect();
                let _ = writeln!(out, "checkpoints = [\n{}]", lines.concat());
            }
        }
        out
    }
}

impl Manifest {
    /// `3 of 10 replications`, if not all of them were run.
    pub fn partial(&self) -> Option<String> {
        self.partial_of.map(|asked| format!("{} of {asked} replications", self.replications))
    }
}

impl Expected {
    /// The part of an expectation that a manifest keeps.
    pub fn of(expectation: &Expectation) -> Expected {
        let Expectation { text, strategy, minus, metric, statistic, min, max, theory, within, share } =
            expectation.clone();
        Expected { text, strategy, minus, metric, statistic, min, max, theory, within, share }
    }
}

/// A TOML basic string. JSON escapes most of what TOML wants escaped; the rest is what cannot be seen.
fn quoted(text: &str) -> String {
    let escape = |c: char| match u32::from(c) {
        _ if !is_hidden(c) => c.to_string(),
        code @ ..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    serde_json::Value::from(text).to_string().chars().map(escape).collect()
}

/// The hash of a file, with its name.
pub fn fnv1a(bytes: &[u8]) -> String {
    format!("fnv1a:{:016x}", hash(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_hash_with_its_name() {
        assert_eq!(fnv1a(b""), "fnv1a:cbf29ce484222325");
    }

    #[test]
    fn a_manifest_reads_back_as_it_was() {
        let manifest = Manifest {
            tool: TOOL.into(),
            command: "simctl run 'a b.toml'".into(),
            name: "a".into(),
            title: "\"quotes\" \\ and \u{7f}\u{1}\u{9b}\u{2028}\u{202e}\u{e0041} – µ".into(),
            description: "two\nlines".into(),
            file: "a b.toml".into(),
            hash: fnv1a(b"x"),
            seed: u64::MAX.to_string(),
            replications: 3,
            partial_of: Some(10),
            duration_s: 600.0,
            warm_up_s: 0.0,
            profile: Some("docker-20.10-\"small\"".into()),
            strategies: vec!["spread".into(), "binpack".into()],
            set: vec!["pool.node.count=8".into()],
            first_replication_only: vec!["tasks.csv".into()],
            expect: vec![
                Expected {
                    text: "a >= 1".into(),
                    strategy: None,
                    minus: None,
                    metric: "a".into(),
                    statistic: Statistic::Mean,
                    min: Some(1.0),
                    max: None,
                    theory: None,
                    within: None,
                    share: None,
                },
                Expected {
                    text: "b".into(),
                    strategy: Some("spread".into()),
                    minus: Some("binpack".into()),
                    metric: "b".into(),
                    statistic: Statistic::Percentile(99.9),
                    min: Some(1e-300),
                    max: Some(1e300),
                    theory: Some(1e-300),
                    within: Some(0.1),
                    share: Some(0.95),
                },
            ],
            runs: vec![
                Kept {
                    strategy: "spread".into(),
                    replication: 1,
                    events: 7,
                    digest: "00ff".into(),
                    every: 2,
                    checkpoints: vec!["0f".into(), "f0".into()],
                },
                Kept {
                    strategy: "binpack".into(),
                    replication: 3,
                    events: u64::from(u32::MAX),
                    digest: "ff00".into(),
                    every: 1,
                    checkpoints: vec![],
                },
            ],
        };
        assert_eq!(Manifest::parse(&manifest.to_toml()), Ok(manifest.clone()));
        assert!(!manifest.to_toml().chars().any(|c| is_hidden(c) && c != '\n'));
        let foreign = Manifest { tool: "other 1".into(), ..manifest };
        assert!(Manifest::parse(&foreign.to_toml()).unwrap_err().contains("not written by simctl"));
    }
}
