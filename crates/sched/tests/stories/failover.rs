//! Failover policies, in stories that are text: `failover.txt`. With `UPDATE_EXPECT=1` it is written anew; then read the
//! difference.

use std::path::Path;

use sched::failover::{self, FAILOVERS, Part, Value};
use sched::{Choice, Config};

use crate::swarm::*;

/// A manager's configuration with policies, left to right.
pub fn config(parts: &[Part], ties: TieBreak, seed: u64) -> Config {
    let (label, parts) = (failover::label(parts), parts.to_vec());
    let policy = Choice::own(label, move |seed| failover::build(&parts, seed).expect("they go together"));
    Config { failover: policy, ties, seed, ..Config::default() }
}

/// `wait grace=60s`.
fn part(words: &str) -> Part {
    let mut words = words.split_whitespace();
    let mut part = Part::named(words.next().expect("a policy"));
    for word in words {
        let (name, text) = word.split_once('=').expect("a parameter and its value");
        let value = if let Some(secs) = text.strip_suffix('s').and_then(|secs| secs.parse().ok()) {
            Value::Span(Span::from_secs(secs))
        } else if let Ok(count) = text.parse() {
            Value::Count(count)
        } else if let Ok(number) = text.parse() {
            Value::Number(number)
        } else if let Ok(flag) = text.parse() {
            Value::Flag(flag)
        } else {
            Value::Text(text.to_string().into())
        };
        part = part.with(name, value);
    }
    part
}

/// What happens in a story, line by line; what `show` shows comes after it.
fn tell(script: &[&str]) -> String {
    let policies: Vec<Part> = script.iter().filter_map(|line| line.strip_prefix("failover ")).map(part).collect();
    let mut swarm = Swarm::with(config(&policies, TieBreak::LowestId, 1));
    swarm.allow_moves();
    let mut text = String::new();
    for line in script {
        text += line;
        text += "\n";
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["failover", ..] => {}
            ["nodes", ref names @ ..] => {
                for name in names {
                    let (name, rack) = name.split_once('@').unwrap_or((name, "r1"));
                    swarm.add(node(name).label("rack", rack));
                }
            }
            ["small", name] => swarm.add(node(name).cpus(2).label("rack", "r1")),
            ["service", name, replicas] => {
                swarm.create(service(name).replicas(replicas.parse().expect("a number")));
                swarm.settle();
            }
            ["service", name, replicas, "of", "one", "cpu"] => {
                swarm.create(service(name).cpus(1).replicas(replicas.parse().expect("a number")));
                swarm.settle();
            }
            ["start", span] => swarm.start = seconds(span),
            ["stop", span] => swarm.stop = seconds(span),
            ["off", name] => swarm.power_off(name),
            ["down", name] => swarm.down(name),
            ["up", name] => swarm.up(name),
            ["drain", name] => swarm.drain(name),
            ["activate", name] => swarm.activate(name),
            ["fail", task] => swarm.fail(task),
            ["update", name] => swarm.update(name, ServiceBuilder::force),
            ["leader"] => swarm.change_leader(),
            ["restore"] => swarm.replace_policies_by_saved_ones(),
            ["after", span] => swarm.after(seconds(span)),
            ["show", name] => {
                let now = (swarm.now() - Time::ZERO).as_secs_f64();
                for row in swarm.live(name) {
                    text += &format!("| {now:>5} {row}\n");
                }
            }
            _ => panic!("what does {line:?} mean?"),
        }
    }
    text
}

fn seconds(text: &str) -> Span {
    let secs: f64 =
        text.strip_suffix('s').and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text} is no time"));
    Span::from_secs_f64(secs)
}

/// What every policy has a story of.
const OF_ALL: &[&str] = &[
    "a node is lost",
    "a machine is back before anybody missed it",
    "a machine is back after it was missed",
    "a network is back after it was missed",
    "a node is drained",
    "a node is lost while an update is under way",
    "the leader changes in the middle",
    "there is no room",
];

#[test]
fn stories_of_every_policy() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories/failover.txt");
    let file = std::fs::read_to_string(&path).expect("it is there");
    let stories: Vec<(&str, &str)> =
        file.split("=== ").skip(1).map(|story| story.split_once('\n').expect("a name")).collect();
    for entry in FAILOVERS {
        for what in OF_ALL {
            let title = format!("{}: {what}", entry.name);
            assert!(stories.iter().any(|(name, _)| *name == title), "there is no story '{title}'");
        }
    }
    let mut told = String::new();
    for (name, story) in &stories {
        let script: Vec<&str> = story.lines().filter(|line| !line.is_empty() && !line.starts_with('|')).collect();
        told += &format!("=== {name}\n{}\n", tell(&script));
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, told).expect("it can be written");
        return;
    }
    for (one, other) in file.split("=== ").zip(told.split("=== ")) {
        assert_eq!(one, other);
    }
}
