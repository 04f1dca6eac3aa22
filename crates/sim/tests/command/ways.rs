//! Ways in: a scenario to begin with, the schema, completions, manual pages.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::{Place, err, project};

fn piped(place: &Place, words: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simctl"));
    let command = command.args(words).current_dir(&place.0);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// Services that ask for managers, for labels, for a host, for resources of a kind, for room and for nodes of their own.
const STACK: &[u8] = b"services:\n\
    \x20 web:\n    image: nginx\n    ports: [{ target: 80, published: 80, mode: host }]\n    deploy:\n      replicas: 9\n      \
    resources: { reservations: { cpus: '0.5', memory: 700M } }\n\
    \x20 db:\n    image: postgres\n    deploy:\n      placement: { constraints: [node.labels.disk == ssd] }\n      \
    resources: { reservations: { cpus: '6', memory: 20G } }\n\
    \x20 ui:\n    image: ui\n    deploy:\n      placement: { constraints: [node.role == manager] }\n\
    \x20 pinned:\n    image: pinned\n    deploy:\n      placement: { constraints: [node.hostname == big-1] }\n\
    \x20 learn:\n    image: learn\n    deploy:\n      replicas: 2\n      resources:\n        reservations:\n          \
    generic_resources: [{ discrete_resource_spec: { kind: gpu, value: 2 } }]\n\
    \x20 agent:\n    image: agent\n    deploy: { mode: global }\n\
    \x20 few:\n    image: few\n    deploy:\n      replicas: 4\n      placement: { max_replicas_per_node: 1 }\n";

#[test]
fn a_scenario_to_begin_with_runs_at_once() {
    let place = Place::new("init");
    place.write("my stack.yml", STACK);
    for (words, tasks) in [(&["init"][..], 12), (&["init", "my stack.yml"], 19)] {
        let scenario = place.simctl(words);
        assert_eq!(scenario.status.code(), Some(0), "{}", err(&scenario));
        let run = piped(&place, &["run", "-", "--no-plots", "--quiet"], &scenario.stdout);
        let said = String::from_utf8_lossy(&run.stdout);
        assert_eq!(run.status.code(), Some(0), "{}{said}", err(&run));
        assert!(said.contains("✓ spread: availability = { min = 0.9, in = 0.95 }"), "{said}");
        // All of it runs while the rack is away, and in the end.
        let text = String::from_utf8_lossy(&scenario.stdout).replace("at = \"7m\"", "at = \"9m 59s\"");
        let text = format!("{text}running_final = {{ min = {tasks} }}\n");
        let run = piped(&place, &["check", "-", "--quiet", "--replications", "60"], text.as_bytes());
        assert_eq!(run.status.code(), Some(0), "{}{}", err(&run), String::from_utf8_lossy(&run.stdout));
    }
}

#[test]
fn a_stack_that_docker_refuses_begins_nothing() {
    let place = Place::new("init-wrong");
    place.write("s.yml", b"services:\n  web:\n    imag: nginx");
    place.write("v.yml", b"services:\n  web:\n    image: ${IMAGE?is missing}");
    for (words, said) in [
        (&["init", "s.yml"][..], "imag"),
        (&["init", "absent.yml"], "absent.yml"),
        (&["init", "v.yml"], "is missing"),
        (&["init", "-"], "standard input"),
        (&["init", "v.yml", "--env", "IMAGE"], "NAME=VALUE"),
    ] {
        let output = place.simctl(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stdout.is_empty() && err(&output).contains(said), "{}", err(&output));
    }
    let output = place.simctl(&["init", "v.yml", "--env", "IMAGE=web:1"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("env = { \"IMAGE\" = \"web:1\" }"), "{}", err(&output));
}

/// Every scenario that ships.
fn scenarios(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scenarios(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
}

#[test]
fn what_ships_is_as_the_schema_says() {
    let place = Place::new("schema");
    let output = place.simctl(&["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let mut files = Vec::new();
    scenarios(&project().join("scenarios"), &mut files);
    assert!(200 < files.len(), "{}", files.len());
    for file in files {
        let scenario: toml::Value = toml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let scenario = serde_json::to_value(scenario).unwrap();
        let wrong: Vec<String> =
            validator.iter_errors(&scenario).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", file.display());
    }
    for wrong in [
        "duration = \"1m\"\nreplication = 3",
        "replications = 3",
        "duration = \"1m\"\n[[pool]]\nname = \"a\"\nrole = \"boss\"",
        "duration = \"1m\"\n[pool]\nname = \"a\"",
        "duration = \"1m\"\n[[service]]\nname = \"a\"\nimage = \"a\"\nreserve = { cpu = 1 }",
        "duration = \"1m\"\n[[event]]\nat = \"1s\"\nupdate = { web = { imag = \"b\" } }",
        "duration = \"1m\"\n[[failure]]\nof = \"all\"\nrepair = { exponentail = { mean = \"1m\" } }",
        "duration = \"1m\"\n[expect]\nrunning_final = { mean = 1 }",
        "duration = \"1m\"\n[[strategy]]\nname = \"a\"\nfailover = \"wait\"\nwait = { grase = \"1m\" }",
    ] {
        let scenario: toml::Value = toml::from_str(wrong).unwrap();
        assert!(!validator.is_valid(&serde_json::to_value(scenario).unwrap()), "{wrong}");
    }
}

#[test]
fn shells_and_manuals_know_every_verb() {
    let place = Place::new("manual");
    let help = place.simctl(&["--help"]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let verbs: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        // What goes on in a second line is further in.
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert!(verbs.contains(&"run") && verbs.contains(&"init"), "{verbs:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = place.simctl(&["completions", shell]);
        let script = String::from_utf8_lossy(&output.stdout);
        for verb in &verbs {
            assert!(script.contains(verb), "{shell}: {verb}");
        }
        assert!(script.contains("trace-replications"), "{shell}");
    }
    assert_eq!(place.simctl(&["man", "pages"]).status.code(), Some(0));
    for verb in &verbs {
        assert!(place.0.join(format!("pages/simctl-{verb}.1")).exists(), "{verb}");
    }
    assert!(place.0.join("pages/simctl.1").exists());
    place.write("file", b"");
    let output = place.simctl(&["man", "file"]);
    assert_eq!(output.status.code(), Some(3), "{}", err(&output));
}

/// What is expected of a stack can be told of it.
#[test]
fn jobs_and_services_without_tasks_have_expectations_of_their_own() {
    let place = Place::new("init-jobs");
    place.write("job.yml", b"services:\n  job:\n    image: job\n    deploy: { mode: replicated-job, replicas: 3 }\n");
    place.write("none.yml", b"services:\n  later:\n    image: later\n    deploy: { replicas: 0 }\n");
    let scenario = place.simctl(&["init", "job.yml"]);
    let check = piped(&place, &["check", "-", "--quiet"], &scenario.stdout);
    assert_eq!(check.status.code(), Some(0), "{}{}", err(&check), String::from_utf8_lossy(&check.stdout));
    let scenario = place.simctl(&["init", "none.yml"]);
    let run = piped(&place, &["run", "-", "--quiet", "--no-plots"], &scenario.stdout);
    assert_eq!(run.status.code(), Some(0), "{}", err(&run));
}
