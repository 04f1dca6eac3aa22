//! `simctl strategies` and `simctl metrics`: what there is to choose from.

use serde_json::json;

use super::{Console, End};
use crate::metrics::METRICS;
use crate::outside;

/// `simctl strategies`, `simctl metrics`
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How to print the list
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// How a list is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One document.
    Json,
}

/// Lists the placement strategies and the failover policies.
pub fn strategies(args: &Args, console: &mut Console) -> End {
    let (entries, policies) = (sched::STRATEGIES, sched::FAILOVERS);
    match args.format {
        Format::Table => {
            let width = entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
            for entry in entries {
                console.say(&format!("{:width$}  {}\n", entry.name, entry.summary));
            }
            console.say("\nWhat is done about lost tasks, `failover` of a `[[strategy]]`:\n");
            policies.iter().for_each(|policy| describe(policy, console));
        }
        Format::Json => {
            let list: Vec<_> =
                entries.iter().map(|entry| json!({ "name": entry.name, "summary": entry.summary })).collect();
            let parameter = |parameter: &sched::failover::Parameter| {
                json!({
                    "name": parameter.name,
                    "expected": parameter.kind.expected(),
                    "default": parameter.default.to_string(),
                    "meaning": parameter.meaning,
                })
            };
            let policy = |policy: &sched::failover::PolicyEntry| {
                json!({
                    "name": policy.name,
                    "is_swarms": policy.is_swarms(),
                    "summary": policy.summary,
                    "promise": policy.promise,
                    "parameters": policy.parameters.iter().map(parameter).collect::<Vec<_>>(),
                })
            };
            let policies: Vec<_> = policies.iter().map(policy).collect();
            console.say(&outside::json(&json!({ "schema_version": 1, "strategies": list, "failover": policies })));
        }
    }
    End::Held
}

/// A failover policy with its promise and its parameters.
fn describe(policy: &sched::failover::PolicyEntry, console: &mut Console) {
    let name = console.paint(1, policy.name);
    console.say(&format!("\n{name} ({})\n", if policy.is_swarms() { "Swarm's own" } else { "not Swarm's" }));
    let texts = [policy.summary.to_string(), format!("Promise: {}", policy.promise)];
    for line in texts.iter().flat_map(|text| wrapped(text, 96)) {
        console.say(&format!("    {line}\n"));
    }
    for parameter in policy.parameters {
        let default = match parameter.default.to_string() {
            empty if empty.is_empty() => "none".into(),
            default => default,
        };
        let text = format!("{}: {} (default {default})", parameter.name, parameter.meaning);
        for (number, line) in wrapped(&text, 92).into_iter().enumerate() {
            console.say(&format!("    {}{line}\n", if number == 0 { "- " } else { "  " }));
        }
    }
}

/// Lists the metrics.
pub fn metrics(args: &Args, console: &mut Console) -> End {
    match args.format {
        Format::Table => {
            for metric in METRICS {
                let better = match metric.smaller_is_better {
                    Some(true) => ", smaller is better",
                    Some(false) => ", greater is better",
                    None => "",
                };
                let name = console.paint(1, metric.name);
                console.say(&format!("{name} ({}{better})\n", metric.unit));
                for line in wrapped(metric.definition, 96) {
                    console.say(&format!("    {line}\n"));
                }
            }
        }
        Format::Json => {
            let one = |metric: &crate::metrics::Metric| {
                json!({
                    "name": metric.name,
                    "unit": metric.unit,
                    "definition": metric.definition,
                    "smaller_is_better": metric.smaller_is_better,
                })
            };
            let list: Vec<_> = METRICS.iter().map(one).collect();
            console.say(&outside::json(&json!({ "schema_version": 1, "metrics": list })));
        }
    }
    End::Held
}

/// Lines of words that are not longer than `width`.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}
