//! The program itself, as a user starts it: exit codes, what it says, and the files it leaves.

mod check;
mod drill;
#[cfg(unix)]
mod edges;
mod trace;
mod ways;
mod why;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of its own for each test, gone afterwards.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("simctl-command-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Place(path)
    }

    fn write(&self, name: &str, text: &[u8]) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn simctl(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_simctl")).args(words).current_dir(&self.0).output().unwrap()
    }

    fn entries(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

#[cfg(unix)]
impl Place {
    /// What begins with a dot, here and one or two folders down.
    fn hidden(&self) -> Vec<PathBuf> {
        let entries = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
        let all =
            entries(self.0.clone()).chain(entries(self.0.join("results"))).chain(entries(self.0.join("results/s")));
        all.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with('.')).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Wrong inputs of different kinds: the command's words, the file that they name, and a part of what is said.
#[rustfmt::skip]
const WRONG: &[(&str, &[u8], &str)] = &[
    ("run s.toml", b"", "`duration` is missing"),
    ("run absent.toml", b"", "absent.toml"),
    ("run .", b"", "it is not a file"),
    ("run s.toml", b"duration = \"5m", "s.toml:1"),
    ("run s.toml", b"\xff\xfe\x00d", "UTF-8"),
    ("run s.toml", b"duration = \"5m\"\nreplication = 3", "did you mean `replications`?"),
    ("run s.toml", b"duration = \"5m\"\nreplications = \"ten\"", "found \"ten\""),
    ("run s.toml", b"duration = \"5m\"\nreplications = 99999999999999999999999", "s.toml:2"),
    ("run s.toml", b"duration = \"5\"", "expected a duration such as"),
    ("run s.toml", b"duration = \"99999999999999999999y\"", "s.toml:1"),
    ("run s.toml", b"duration = \"5m\"\nduration = \"6m\"", "s.toml:2"),
    ("run s.toml", b"duration = \"5m\"\nstrategies = [\"binpak\"]", "did you mean `binpack`?"),
    ("run s.toml", b"duration = \"5m\"\n[[pool]]\nname = \"w\"\nmemory = \"8 parsecs\"", "8 parsecs"),
    ("run s.toml", b"duration = \"5m\"\n[[pool]]\nname = \"w\"\ncount = -1", "found the integer -1"),
    ("run s.toml", b"duration = \"5m\"\n[[service]]\nname = \"w\"\nimage = \"NGINX\"", "s.toml:4"),
    ("run s.toml", b"duration = \"5m\"\n[[event]]\nat = \"1s\"\ndown = \"nobody\"", "nobody"),
    ("run s.toml", b"duration = \"5m\"\n[expect]\nrunning_fina = { min = 1 }", "did you mean `running_final`?"),
    ("run s.toml", b"duration = \"5m\"\nstack = \"nowhere.yml\"", "nowhere.yml"),
    ("run s.toml", b"duration = \"5m\"\nname = \"../../etc\"", "expected"),
    ("check s.toml", b"duration = 5", "s.toml:1"),
    ("run s.toml --strategy binpak", b"duration = \"5m\"", "did you mean 'binpack'?"),
    ("run s.toml --replications 0", b"", "1..=10000"),
    ("run s.toml --format yaml", b"", "json"),
    ("report .", b"", "not a result folder"),
    ("at absent.toml 1m", b"", "absent.toml"),
    ("at s.toml", b"duration = \"5m\"", "<TIME>"),
    ("at s.toml 6m -- node ls", b"duration = \"5m\"", "expected a time such as `90s` or `5m 12s`, found `6m`: the run ends at 5m"),
    ("at s.toml soon", b"duration = \"5m\"", "expected a time such as `90s` or `5m 12s`, found `soon`"),
    ("at s.toml 99999999999999999999y", b"duration = \"5m\"", "expected a time such as"),
    ("at s.toml 1m --strategy binpak -- node ls", b"duration = \"5m\"", "did you mean 'binpack'?"),
    ("at s.toml 1m --replication 0", b"duration = \"5m\"", "1..=10000"),
    ("at s.toml 1m -- service ps nope", b"duration = \"5m\"", "no such service: nope"),
    ("at s.toml 1m -- service scale web=3", b"duration = \"5m\"", "`simctl at` only looks"),
    ("at s.toml 1m -- frobnicate", b"duration = \"5m\"", "unrecognized subcommand 'frobnicate'"),
    ("at s.toml 1m -- node ls --format {{.ID", b"duration = \"5m\"", "template parsing error: template: :1: unclosed action"),
    ("stack s.yml", b"services: [", "s.yml"),
    ("stack s.yml", b"services:\n  web:\n    imag: nginx", "imag"),
    ("stack s.yml", b"version: \"3.8\"\nservices:\n  web:\n    image: ${WHAT?is missing}", "is missing"),
    ("stack absent.yml", b"", "absent.yml"),
    ("conform absent.jsonl", b"", "absent.jsonl"),
    ("conform s.jsonl", b"{\"id\": 1", "s.jsonl:1: id: invalid type"),
    ("conform s.jsonl", b"", "s.jsonl:1: it holds no scenario"),
    ("conform .", b"", "it is not a file"),
    ("frobnicate", b"", "frobnicate"),
];

#[test]
fn wrong_inputs_end_with_two_a_message_and_no_file() {
    let mut wrong = Vec::new();
    for (number, (words, text, said)) in WRONG.iter().enumerate() {
        let place = Place::new(&format!("wrong-{number}"));
        let words: Vec<&str> = words.split(' ').collect();
        let file = words.get(1).copied().filter(|name| name.starts_with("s."));
        file.iter().for_each(|name| place.write(name, text));
        let before = place.entries();
        let output = place.simctl(&words);
        let message = format!("{}{}", err(&output), String::from_utf8_lossy(&output.stdout));
        let right = output.status.code() == Some(2)
            && message.contains(said)
            && !message.contains("panicked")
            && place.entries() == before;
        if !right {
            let (text, left) = (String::from_utf8_lossy(text), place.entries());
            wrong.push(format!("{words:?} {text}\nended with {:?}, left {left:?}, and said\n{message}", output.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_scenarios_that_ship_keep_their_promises() {
    let folder = project().join("scenarios");
    let mut files: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert!(6 <= files.len(), "{files:?}");
    // A thousand nodes, and twelve strategies on as many, take too long to be run at every change: `.ci/run` checks them.
    let is_long = |file: &String| file.ends_with("/strategies.toml") || file.ends_with("/thousand-nodes.toml");
    let (long, short): (Vec<String>, Vec<String>) = files.into_iter().partition(is_long);
    assert_eq!(long.len(), 2);
    let words = [&["check"][..], &short.iter().map(String::as_str).collect::<Vec<_>>()].concat();
    let place = Place::new("shipped");
    let output = place.simctl(&words);
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}{}", err(&output));
    for file in &short {
        let name = Path::new(file).file_stem().unwrap().to_string_lossy().into_owned();
        assert!(out.contains(&name), "{name} was not judged:\n{out}");
    }
    assert!(place.entries().is_empty());
}

#[test]
fn a_table_that_was_changed_is_not_verified() {
    let place = Place::new("verify");
    let scenario = "duration = \"2m\"\nreplications = 2\n[[pool]]\nname = \"node\"\ncount = 3\n\
                    [[service]]\nname = \"web\"\nimage = \"web\"\nreplicas = 3\n";
    place.write("small.toml", scenario.as_bytes());
    assert_eq!(place.simctl(&["run", "small.toml", "--no-plots", "--quiet"]).status.code(), Some(0));
    let verify = || {
        let output = place.simctl(&["verify", "results/small"]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = verify();
    assert!(code == Some(0) && said.starts_with("results/small: identical, 2 runs"), "{said}");
    let summary = place.0.join("results/small/summary.csv");
    let text = fs::read_to_string(&summary).unwrap();
    fs::write(&summary, text.replacen(",3,", ",4,", 1)).unwrap();
    let (code, said) = verify();
    assert!(code == Some(1) && said.contains("summary.csv is not what the runs give, first in line"), "{said}");
    fs::write(&summary, text).unwrap();
    fs::remove_file(place.0.join("results/small/tasks.csv")).unwrap();
    let (code, said) = verify();
    assert!(code == Some(0) && said.starts_with("results/small: tasks.csv is not there\n"), "{said}");
}

/// A real stack of thirty services on twenty nodes of four racks; one rack loses its power at 60 s.
#[test]
fn a_real_stack_recovers_from_the_loss_of_a_rack() {
    let stacks = project().join("../shared/stacks");
    let stack = fs::read_dir(&stacks).ok().and_then(|files| {
        let mut paths = files.map(|entry| entry.unwrap().path());
        paths.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("045__"))
    });
    let Some(stack) = stack else {
        assert!(std::env::var_os("CI").is_none(), "no real stack files beside the project, and CI must not skip them");
        eprintln!("skipped: ../shared/stacks is not here");
        return;
    };
    let place = Place::new("rack");
    let scenario = format!(
        "title = \"A social network loses a rack\"\nduration = \"10m\"\nreplications = 3\nstrategies = [\"spread\", \"binpack\"]\n\
         stack = {:?}\n\n[[pool]]\nname = \"node\"\ncount = 20\ncpus = 8\nmemory = \"32GiB\"\nlabels = {{ rack = \"r{{i/5}}\" }}\n\n\
         [[event]]\nat = \"60s\"\ndown = \"rack=r1\"\n\n[expect]\nrunning_final = {{ min = 27 }}\n",
        stack.to_str().unwrap()
    );
    place.write("social.toml", scenario.as_bytes());
    let output = place.simctl(&["run", "social.toml", "--no-plots"]);
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}{}", err(&output));
    let series = fs::read_to_string(place.0.join("results/social/series.csv")).unwrap();
    let page = fs::read_to_string(place.0.join("results/social/README.md")).unwrap();
    assert!(1000 < series.len() && page.contains("down"), "{page}");
}

#[test]
fn what_never_runs_and_what_is_refused_is_said_at_the_end() {
    let place = Place::new("nothing");
    place.write(
        "s.toml",
        b"duration = \"5m\"\nreplications = 2\n[[pool]]\nname = \"n\"\ncount = 3\n[[pool]]\nname = \"m\"\nrole = \"manager\"\n\
          [[service]]\nname = \"web\"\nimage = \"web\"\nreplicas = 2\nconstraints = [\"node.labels.ssd == true\"]\n\
          [[event]]\nat = \"1m\"\ndemote = \"m\"\n[expect]\nnodes_final = 4\n",
    );
    let why = "nothing ever ran under spread: no suitable node (scheduling constraints not satisfied on 4 nodes)";
    for words in [&["run", "--quiet", "--no-plots", "s.toml"][..], &["check", "--quiet", "s.toml"]] {
        let output = place.simctl(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {}", err(&output));
        assert!(err(&output).contains(why), "{words:?}: {}", err(&output));
        let refused = "in 2 of 2 runs an order was refused: node demote m (by script): attempting to demote the last manager of the swarm";
        assert!(err(&output).contains(refused), "{words:?}: {}", err(&output));
    }
    let page = fs::read_to_string(place.0.join("results/s/README.md")).unwrap();
    let first = page.lines().filter(|line| !line.is_empty()).nth(1).unwrap();
    assert!(first.starts_with("**Nothing ever ran under spread:** no suitable node"), "{first}");
    // A metric without a value is a row as any other.
    assert!(
        page.contains("| running min | tasks | n/a |") && page.contains("| pending max | tasks | 2 ± 0 |"),
        "{page}"
    );
}
