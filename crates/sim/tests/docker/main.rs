//! A run as Docker shows it: columns, keys and texts of the real client and of a real swarm, and a story told by its tables.

mod keys;

use std::path::Path;

use sched::{Span, Time};
use serde_json::Value;
use sim::docker::client::{Said, perform};
use sim::docker::engine::Engine;
use sim::docker::filters::Filters;
use sim::scenario;
use sim::simulation::Simulation;

fn secs(secs: u64) -> Time {
    Time::ZERO + Span::from_secs(secs)
}

/// A scenario of this folder with a bit of everything, or one that ships.
fn run_of(file: &str) -> Simulation {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let scenario = scenario::load(&path).unwrap_or_else(|why| panic!("{why}"));
    let strategy = scenario.strategies[0].clone();
    Simulation::new(scenario, &strategy, 1).expect("it is one of its own strategies")
}

fn rich(at: u64) -> Simulation {
    let mut run = run_of("tests/docker/data/rich.toml");
    run.run_until(secs(at));
    run
}

fn ask(run: &Simulation, words: &[&str]) -> Said {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    perform(&Engine::leading(run), &words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// What is printed for words without blanks within.
fn out(run: &Simulation, words: &str) -> String {
    let said = ask(run, &words.split(' ').collect::<Vec<_>>());
    assert!(!said.failed && said.err.is_empty(), "{words}: {said:?}");
    said.out
}

fn err(run: &Simulation, words: &str) -> String {
    let said = ask(run, &words.split(' ').collect::<Vec<_>>());
    assert!(said.failed, "{words}: {said:?}");
    said.err
}

/// Columns are two blanks or more apart.
fn headings(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

#[test]
fn columns_and_keys_are_those_of_docker_s_documentation() {
    let run = rich(30);
    let samples = include_str!("data/docs.tsv").lines().filter(|line| !line.starts_with('#'));
    for sample in samples {
        let (command, expected) = sample.split_once('\t').expect("a command and what it gives");
        if let Ok(Value::Object(expected)) = serde_json::from_str(expected) {
            let text = out(&run, &format!("{command} --format json"));
            let Ok(Value::Object(found)) = serde_json::from_str(text.lines().next().expect("a line")) else {
                panic!("{command}: {text}");
            };
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{command}");
            for (key, value) in &expected {
                assert_eq!(found[key].is_boolean(), value.is_boolean(), "{command}: {key}");
            }
        } else {
            let text = out(&run, command);
            assert_eq!(headings(text.lines().next().expect("a heading")).join("|"), expected, "{command}");
        }
    }
}

#[test]
fn formats_of_the_documentation_give_what_they_give_there() {
    let run = rich(30);
    let formatted = |words: &[&str], format: &str| {
        let said = ask(&run, &[words, &["--format", format]].concat());
        assert!(!said.failed, "{said:?}");
        said.out
    };
    let services = formatted(&["service", "ls", "-f", "name=every"], "{{.Name}}: {{.Mode}} {{.Replicas}}");
    assert_eq!(services, "every: replicated 3/3 (max 1 per node)\n");
    let table = formatted(&["service", "ls", "-f", "name=every"], "table {{.Name}}\\t{{.Ports}}");
    assert_eq!(table, "NAME      PORTS\nevery     *:8080->80/tcp\n");
    let nodes =
        formatted(&["node", "ls", "-f", "name=m-"], "{{.Hostname}} {{.ManagerStatus}} {{.Self}} {{.TLSStatus}}");
    assert_eq!(nodes, "m-1 Leader true Unknown\nm-2 Reachable false Unknown\nm-3 Reachable false Unknown\n");
    let tasks = formatted(&["stack", "ps", "app"], "{{.Name}}: {{.Image}}");
    assert_eq!(tasks, "app_web.1: registry.local:5000/web:1\napp_web.2: registry.local:5000/web:1\n");
    let label =
        formatted(&["network", "ls", "-f", "driver=overlay"], "{{.Name}} {{.Label \"com.docker.stack.namespace\"}}");
    assert_eq!(label, "app_net app\ningress \nnet \n");
    let limits = formatted(&["service", "inspect", "every"], "{{json .Spec.TaskTemplate.Resources.Limits}}");
    assert_eq!(limits, "{\"NanoCPUs\":1000000000,\"MemoryBytes\":134217728}\n");
    let leader = formatted(
        &["node", "inspect", "self"],
        "{{.Description.Hostname}} {{if .ManagerStatus}}{{.ManagerStatus.Addr}}{{end}}",
    );
    assert_eq!(leader, "m-1 10.210.0.1:2377\n");
    let swarm = formatted(&["info"], "{{.Swarm.Managers}} of {{.Swarm.Nodes}}");
    assert_eq!(swarm, "3 of 7\n");
    // `inspect` without a template has four blanks, and `json` none.
    let whole = out(&run, "service inspect every");
    assert!(whole.starts_with("[\n    {\n        \"ID\": \""), "{whole}");
    assert!(formatted(&["service", "inspect", "every"], "json").starts_with("[{\"ID\":\""));
}

#[test]
fn filters_keep_what_they_keep_in_docker() {
    let run = rich(30);
    let names = |words: &str, field: &str| -> Vec<String> {
        let words: Vec<&str> = words.split(' ').collect();
        let format = format!("{{{{.{field}}}}}");
        let said = ask(&run, &[&words[..], &["--format", &format]].concat());
        assert!(!said.failed, "{said:?}");
        said.out.lines().map(str::to_string).collect()
    };
    assert_eq!(names("service ls -f mode=global", "Name"), ["agent"]);
    assert_eq!(names("service ls -f mode=replicated-job -f mode=global-job", "Name"), ["batch", "sweep"]);
    assert_eq!(names("service ls -f label=of=service", "Name"), ["app_web", "every"]);
    assert_eq!(names("service ls -f label=of=service -f name=ev", "Name"), ["every"]);
    assert_eq!(names("node ls -f role=manager -f name=m", "Hostname"), ["m-1", "m-2", "m-3"]);
    assert_eq!(names("node ls -f label=disk=ssd -f node.label=zone=a", "Hostname").len(), 3);
    assert_eq!(names("node ls -f node.label=zone=b", "Hostname").len(), 4);
    assert_eq!(names("service ps agent -f node=w-2", "Node"), ["w-2"]);
    assert_eq!(names("service ps every -f desired-state=shutdown", "Name"), Vec::<String>::new());
    assert_eq!(names("network ls -f scope=swarm", "Name"), ["app_net", "ingress", "net"]);
    assert_eq!(names("config ls -f label=com.docker.stack.namespace", "Name"), ["app_app"]);
    // The beginning of an id is enough, everywhere.
    let engine = Engine::leading(&run);
    let every = engine.service("every", false).expect("it is there");
    let short = &every.meta.id[..6];
    assert_eq!(engine.service(short, false).as_ref().map(|service| &service.spec.name), Ok(&every.spec.name));
    assert_eq!(names(&format!("service ps {short} -q"), "ID").len(), 3);
    let task = engine.tasks(&Filters::new().with("service", "every")).expect("it has tasks").remove(0);
    assert_eq!(engine.task(&task.meta.id[..8]).map(|found| found.meta.id), Ok(task.meta.id));
}

#[test]
fn what_is_not_there_is_said_in_docker_s_words() {
    let run = rich(30);
    let pairs = [
        ("service ps nope", "no such service: nope"),
        ("service inspect nope", "no such service: nope"),
        ("service logs nope", "no such task or service: nope"),
        ("service logs every", "logs of every: containers of a simulation write nothing"),
        ("stack ps nope", "nothing found in stack: nope"),
        ("node ps nope", "Error response from daemon: node nope not found"),
        ("node inspect nope", "Error response from daemon: node nope not found"),
        ("network inspect nope", "Error response from daemon: network nope not found"),
        ("config inspect nope", "Error response from daemon: config nope not found"),
        ("inspect nope", "error: no such object: nope"),
        ("node ls -f bogus=1", "Error response from daemon: Invalid filter 'bogus'"),
        ("node ls -f role=boss", "Error response from daemon: Invalid role filter: 'boss'"),
        ("service ps every -f node=nope", "Error response from daemon: node nope not found"),
        ("service inspect every --pretty --format json", "--format is incompatible with human friendly format"),
    ];
    for (words, expected) in pairs {
        assert_eq!(err(&run, words), expected, "{words}");
    }
    // Those that are there are shown all the same; a stack without services is no failure.
    let some = ask(&run, &["service", "ps", "every", "nope"]);
    assert_eq!((some.out.lines().count(), some.err.as_str(), some.failed), (4, "no such service: nope", true));
    let nothing = ask(&run, &["stack", "services", "nope"]);
    assert_eq!(nothing, Said { err: "Nothing found in stack: nope".into(), ..Said::default() });
    let node = ask(&run, &["node", "inspect", "nope"]);
    assert_eq!(node.out, "[]\n");
}

#[test]
fn to_look_changes_nothing() {
    let (mut run, mut other) = (rich(30), rich(30));
    for at in [40, 75, 200] {
        run.run_until(secs(at));
        for words in ["service ls", "stack ps app", "node ls", "network inspect net", "info", "inspect every"] {
            out(&run, words);
        }
    }
    other.run_until(secs(200));
    assert_eq!(run.digest(), other.digest());
    assert_eq!(out(&run, "service ps rolled --no-trunc"), out(&other, "service ps rolled --no-trunc"));
}

#[test]
fn jobs_and_global_services_count_as_docker_counts_them() {
    let run = rich(3);
    let replicas = |run: &Simulation, name: &str| {
        let said = ask(run, &["service", "ls", "-f", &format!("name={name}"), "--format", "{{.Mode}} {{.Replicas}}"]);
        said.out.trim_end().to_string()
    };
    assert_eq!(replicas(&rich(50), "batch"), "replicated job 0/2 (3/3 completed)");
    assert_eq!(replicas(&rich(50), "sweep"), "global job 0/0 (7/7 completed)");
    assert_eq!(replicas(&rich(50), "agent"), "global 7/7");
    assert_eq!(replicas(&run, "never"), "replicated 0/1");
    // A job counts its slots from 0, which is no slot to the client: the node stands there.
    let tasks = out(&rich(50), "service ps batch");
    let first = Engine::leading(&rich(50)).tasks(&Filters::new().with("service", "batch")).expect("it has tasks");
    let node = &first.iter().find(|task| task.slot == 0).expect("slot 0").node_id;
    assert!(tasks.contains(&format!("batch.{node}")), "{tasks}");
    // A global service has a task for each node, by its id.
    assert_eq!(out(&rich(50), "service ps agent").lines().count(), 8);
}

#[test]
fn an_update_that_is_rolled_back_is_told_by_status_and_history() {
    let run = rich(200);
    let pretty = out(&run, "service inspect --pretty rolled");
    let status = "\nName:\t\trolled\nService Mode:\tReplicated\n Replicas:\t1\nUpdateStatus:\n State:\t\trollback_completed\n \
                  Started:\t2 minutes ago\n Message:\trollback completed\nPlacement:\nUpdateConfig:\n Parallelism:\t1\n";
    assert!(pretty.contains(status), "{pretty}");
    let whole = out(&run, "service inspect rolled --format {{.UpdateStatus.StartedAt}}");
    assert_eq!(whole, "2024-01-01T00:01:00Z\n", "a minute after the beginning");
    // Swarm names the task that stopped an update by its id.
    let run = rich(70);
    let message = out(&run, "service inspect stuck --format {{.UpdateStatus.Message}}");
    let ids = out(&run, "service ps stuck -q");
    let named = message.trim_end().rsplit(' ').next().expect("words");
    assert!(message.starts_with("update paused due to failure or early termination of task "), "{message}");
    assert!(ids.lines().any(|id| id == named), "{message}{ids}");
    let format = "{{.Name}} {{.Image}} {{.DesiredState}} {{.Error}}";
    let tasks = ask(&rich(85), &["service", "ps", "rolled", "--format", format]).out;
    let lines: Vec<&str> = tasks.lines().collect();
    assert_eq!(lines.first(), Some(&"rolled.1 registry.local:5000/web:1 Running "), "{tasks}");
    assert_eq!(lines.last(), Some(&"rolled.1 registry.local:5000/web:1 Shutdown "), "{tasks}");
    assert!(lines.contains(&"rolled.1 registry.local:5000/web:bad Shutdown \"task: non-zero exit (1)\""), "{tasks}");
    assert!(!tasks.contains('_'), "without a table nothing is indented: {tasks}");
}

/// An engine is killed, its containers live on until it is started again: the incident as an operator sees it.
#[test]
fn the_story_of_an_engine_that_was_killed() {
    let mut run = run_of("../../scenarios/incidents/engine-killed-and-given-up.toml");
    let mut told = Vec::new();
    for at in [65, 85, 110] {
        run.run_until(secs(at));
        let asked = ["service ls", "service ps web -f name=web.1.", "node ps node-2"];
        told.push(asked.map(|words| out(&run, words)).concat());
    }
    for (text, expected) in told.iter().zip(include_str!("data/killed.txt").split("\n\n")) {
        assert_eq!(
            text.trim_end_matches('\n').replace(" \n", "|\n"),
            expected.trim_end_matches('\n').replace(" \n", "|\n")
        );
    }
}

#[test]
fn json_stays_json_whatever_labels_hold() {
    let text = "duration = \"1m\"\n[[pool]]\nname = \"node\"\nlabels = { odd = \"a\\u202eb\\u0007<&>\" }\n";
    let scenario = scenario::parse(Path::new("odd.toml"), text).unwrap_or_else(|why| panic!("{why}"));
    let run = Simulation::new(scenario, "spread", 1).expect("there is such a strategy");
    for format in [None, Some("json"), Some("{{json .}}")] {
        let words: Vec<&str> =
            ["node", "inspect", "node"].into_iter().chain(format.map(|_| "--format")).chain(format).collect();
        let said = ask(&run, &words);
        assert!(!said.out.contains(['\u{202e}', '\u{7}']), "{said:?}");
        let whole: Value = serde_json::from_str(&said.out).unwrap_or_else(|why| panic!("{why}: {}", said.out));
        let node = if whole.is_array() { &whole[0] } else { &whole };
        assert_eq!(node["Spec"]["Labels"]["odd"], "a\u{202e}b\u{7}<&>");
    }
}

#[test]
fn without_a_swarm_there_is_nothing_to_see() {
    let text = "duration = \"1m\"\n[[pool]]\nname = \"node\"\ncount = 2\njoin = {}\n\
                [[event]]\nat = \"10s\"\ninit = \"node-1\"\n";
    let scenario = scenario::parse(Path::new("none.toml"), text).unwrap_or_else(|why| panic!("{why}"));
    let mut run = Simulation::new(scenario, "spread", 1).expect("there is such a strategy");
    run.run_until(secs(5));
    let refusal = "Error response from daemon: This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm \
                   join\" to connect this node to swarm and try again.";
    for words in ["node ls", "service ls", "stack ls"] {
        assert_eq!(err(&run, words), refusal, "{words}");
    }
    assert!(out(&run, "info").contains(" Swarm: inactive\n"));
    run.run_until(secs(20));
    let nodes = out(&run, "node ls");
    assert!(nodes.contains("node-1") && nodes.contains("Leader") && nodes.lines().count() == 2, "{nodes}");
}
