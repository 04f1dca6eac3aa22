//! The reader of scenarios: what it understands, and what it says about mistakes.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use sched::spec::{Availability, Mode, PublishMode, RestartCondition, Units, UpdateOrder};
use sched::{Span, Time};
use sim::engine::law::Law;
use sim::metrics::METRICS;
use sim::order::{Nodes, Order};
use sim::scenario::{Behaviour, Layer, LinkImpairment, Models, NetworkFault, Scenario, load, parse};

/// The text as `s.toml`.
fn read(text: &str) -> Scenario {
    parse(Path::new("s.toml"), text).unwrap_or_else(|complaints| panic!("{complaints}"))
}

fn complaints(text: &str) -> String {
    parse(Path::new("s.toml"), text).err().map(|complaints| complaints.to_string()).unwrap_or_default()
}

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

fn nodes(scenario: &Scenario, rows: &[usize]) -> Vec<String> {
    rows.iter().map(|row| scenario.nodes[*row].spec.id.clone()).collect()
}

/// `complaints.txt` holds cases: a name, the text of a scenario, and what is said about it, to the character. With
/// `UPDATE_EXPECT=1` it is written anew; then read the difference.
#[test]
fn mistakes_are_explained() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenario/complaints.txt");
    let file = std::fs::read_to_string(&path).unwrap();
    let cases: Vec<(&str, &str, &str)> = file
        .split("=== ")
        .skip(1)
        .map(|case| {
            let (name, rest) = case.split_once('\n').unwrap();
            let (text, wanted) = rest.split_once("---\n").unwrap();
            (name, text, wanted)
        })
        .collect();
    assert!(70 <= cases.len(), "{} cases", cases.len());
    // A strategy needs no change of the file.
    let names: Vec<&str> = sched::STRATEGIES.iter().map(|entry| entry.name).collect();
    let complaints = |text: &str| complaints(text).replace(&names.join(", "), "{strategies}");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let case = |(name, text, _): &(&str, &str, &str)| format!("=== {name}\n{text}---\n{}\n", complaints(text));
        std::fs::write(&path, cases.iter().map(case).collect::<String>()).unwrap();
        return;
    }
    for (name, text, wanted) in cases {
        assert!(wanted.contains("s.toml"), "{name} expects no complaint");
        assert_eq!(format!("{}\n", complaints(text)), wanted, "{name}");
    }
}

/// Mistakes in CSV files have their place in these, all at once.
#[test]
fn mistakes_in_csv_files_are_explained() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("csv-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let said = |file: &str, text: &str, key: &str| {
        std::fs::write(dir.join(file), text).unwrap();
        let text = format!(
            "duration = \"1h\"\n[[pool]]\nname = \"worker\"\ncount = 3\n[[service]]\nname = \"web\"\nimage = \"web:1\"\n{key}\n"
        );
        let complaints = parse(&dir.join("s.toml"), &text).err();
        complaints.map(|complaints| {
            let line = |complaint: sim::scenario::Complaint| {
                format!("{}{}", complaint.message, complaint.help.map_or(String::new(), |help| format!(" ({help})")))
            };
            complaints.list.into_iter().map(line).collect::<Vec<_>>().join("\n")
        })
    };
    let log =
        |text: &str| said("failure.log", text, "[[failure]]\nname = \"f\"\nlog = \"failure.log\"").unwrap_or_default();
    assert_eq!(log("node,down_at,up_at\nworker-1,5,10\n"), "");
    assert_eq!(
        log("node,down_at,up_at\nworker-1,5,10\n\"wokrer-1\",x,7\n\nworker-1, 7 ,6\n,1,2\nworker-1,1\nworker-1,-1,\n"),
        "`failure.log`: failure.log:3:1: no node `wokrer-1` (did you mean `worker-1`?)\n\
         `failure.log`: failure.log:3:12: `down_at`: expected seconds from 0, found \"x\"\n\
         `failure.log`: failure.log:5:14: `up_at`: expected later than `down_at`\n\
         `failure.log`: failure.log:6:1: `node` is empty: expected a node\n\
         `failure.log`: failure.log:7:1: expected 3 fields as in the first line, found 2\n\
         `failure.log`: failure.log:8:10: `down_at`: expected seconds from 0, found \"-1\""
    );
    assert_eq!(
        log("node,donw_at,up_at\n"),
        "`failure.log`: failure.log:1:1: no column `down_at`: expected a first line with `node`, `down_at`, `up_at`, \
         found `node`, `donw_at`, `up_at` (did you mean `down_at`?)"
    );
    assert!(log("").contains("failure.log:1:1: no column `node`") && log("").contains("found nothing"));
    let many = format!("node,down_at,up_at\n{}", "nobody,1,2\n".repeat(5000));
    assert!(log(&many).lines().count() <= 100);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn five_mistakes_are_five_complaints() {
    let complaints = parse(
        Path::new("five.toml"),
        r#"
            titel = "one"
            duration = "two"
            strategies = ["three"]
            [[pool]]
            name = "w"
            memory = 4
            [[event]]
            at = "1s"
            down = "five"
        "#,
    )
    .unwrap_err();
    let lines: Vec<usize> = complaints.list.iter().map(|complaint| complaint.position.as_ref().unwrap().line).collect();
    assert_eq!(lines, [2, 3, 4, 7, 10], "{complaints}");
    assert_eq!(complaints.more, 0);
}

#[test]
fn a_flood_of_complaints_is_counted() {
    let text: String = (0..500).map(|number| format!("key{number} = 1\n")).collect();
    let complaints = parse(Path::new("s.toml"), &text).unwrap_err();
    assert_eq!((complaints.list.len(), complaints.more), (100, 401));
    assert!(complaints.to_string().ends_with("\n... and 401 more\n"));
}

#[test]
fn colour_is_only_given_when_asked_for() {
    let complaints = parse(Path::new("s.toml"), "x = 1").unwrap_err();
    assert!(!complaints.to_string().contains('\u{1b}'));
    assert!(complaints.in_colour().to_string().contains("\u{1b}[1;31merror\u{1b}[0m: unknown key `x`"));
}

/// The list of metrics is the program's; while it is empty, there is nothing to compare with.
#[test]
fn metrics_are_checked_by_name() {
    let text = "duration = \"1m\"\n[expect]\navailabilty = { min = 0.9 }\n";
    if METRICS.is_empty() {
        println!("skipped: there are no metrics yet");
        assert_eq!(complaints(text), "");
        return;
    }
    let wanted = "error: `expect.availabilty`: no metric `availabilty`\n --> s.toml:3:1\n  |\n3 | availabilty = { min = \
                  0.9 }\n  | ^^^^^^^^^^^\nhelp: did you mean `availability`?\n";
    assert_eq!(complaints(text), wanted);
}

#[test]
fn a_file_that_is_not_there_is_a_complaint() {
    let complaints = load(Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(complaints.starts_with("error: cannot read the scenario: "), "{complaints}");
    assert!(complaints.ends_with(" --> no/such.toml\n"), "{complaints}");
    assert!(load(&scenarios()).unwrap_err().to_string().contains("it is not a file"));
}

/// A scenario of the repository.
fn shipped(path: &Path) -> Scenario {
    load(path).unwrap_or_else(|complaints| panic!("{complaints}"))
}

#[test]
fn every_shipped_scenario_is_understood() {
    let mut seen = 0;
    let folder = |path: PathBuf| std::fs::read_dir(path).unwrap();
    for entry in folder(scenarios()).chain(folder(scenarios().join("large"))) {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        seen += 1;
        let scenario = shipped(&path);
        assert_ne!(scenario.title, scenario.name, "{} has no title", path.display());
        assert!(200 < scenario.description.len(), "{} says too little", path.display());
        assert!(!scenario.expect.is_empty(), "{} expects nothing", path.display());
        assert!(scenario.expect.iter().any(|expected| expected.metric == "tasks_desired"), "{}", path.display());
    }
    assert!(7 <= seen, "{seen} scenarios");
}

#[test]
fn the_voting_stack_is_part_of_its_scenario() {
    let scenario = shipped(&scenarios().join("voting.toml"));
    let of_stack: Vec<&str> = scenario
        .services
        .iter()
        .filter(|service| service.stack.as_deref() == Some("voting"))
        .map(|service| service.spec.name.as_str())
        .collect();
    assert_eq!(of_stack, ["voting_db", "voting_redis", "voting_result", "voting_vote", "voting_worker"]);
    let networks: Vec<&str> = scenario.networks.iter().map(|network| network.name.as_str()).collect();
    assert_eq!(networks, ["course", "voting_backend", "voting_frontend"]);
}

#[test]
fn what_is_not_said_has_a_default() {
    let scenario =
        read("duration = \"10m\"\n[[pool]]\nname = \"solo\"\n[[service]]\nname = \"web\"\nimage = \"nginx\"\n");
    assert_eq!((scenario.name.as_str(), scenario.title.as_str(), scenario.description.as_str()), ("s", "s", ""));
    assert_eq!((scenario.seed, scenario.replications), (1, 10));
    assert_eq!((scenario.duration, scenario.warm_up, scenario.sample), (secs(600), secs(0), secs(2)));
    assert_eq!(scenario.strategies, ["spread"]);
    assert_eq!(scenario.models, Models::default());
    let node = &scenario.nodes[0];
    assert_eq!((node.pool.as_str(), node.spec.id.as_str(), node.bandwidth), ("solo", "solo", Some(125_000_000)));
    let description = node.spec.description.as_ref().unwrap();
    assert_eq!((description.resources.nano_cpus, description.resources.memory), (4_000_000_000, 8 << 30));
    assert_eq!(scenario.services[0].spec, sched::spec::ServiceSpec::new("web", "nginx"));
    assert_eq!(scenario.services[0].behaviour, Behaviour::default());
    assert_eq!(scenario.images[0].name, "nginx");
}

#[test]
fn pools_become_nodes() {
    let scenario = read(
        r#"
            duration = "1m"
            [[pool]]
            name = "boss"
            role = "manager"
            availability = "drain"
            [[pool]]
            name = "w"
            count = 40
            cpus = "0.123456789"
            memory = "512M"
            labels = { rack = "r{i/20}", slot = "{i%20+1}", ssd = true }
            engine_labels = { disk = "d{i}" }
            hostname = "w{i+1}"
            address = "10.1.{i/250}.{i%250+1}"
            generic = { gpu = 2, fpga = ["a", "b"] }
            plugins = { volume = ["nfs"] }
            network = "unlimited"
        "#,
    );
    assert_eq!(scenario.nodes.len(), 41);
    assert_eq!(scenario.nodes[0].spec.availability, Availability::Drain);
    let node = &scenario.nodes[40];
    assert_eq!((node.pool.as_str(), node.spec.id.as_str(), node.bandwidth), ("w", "w40", None));
    let labels: Vec<_> = node.spec.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(labels, ["rack=r1", "slot=20", "ssd=true"]);
    assert_eq!(node.spec.address.as_deref(), Some("10.1.0.40"));
    let description = node.spec.description.as_ref().unwrap();
    assert_eq!(description.hostname, "w40");
    assert_eq!(description.engine_labels["disk"], "d39");
    assert_eq!((description.resources.nano_cpus, description.resources.memory), (123_456_789, 512 << 20));
    let generic: Vec<_> =
        description.resources.generic.iter().map(|generic| (generic.kind.as_str(), generic.units.clone())).collect();
    let named = |name: &str| Units::Named(name.into());
    assert_eq!(generic, [("gpu", Units::Count(2)), ("fpga", named("a")), ("fpga", named("b"))]);
    assert!(description.plugins.iter().any(|(_, name)| name == "nfs"));
    assert!(description.plugins.iter().any(|(_, name)| name == "overlay"));
}

#[test]
fn services_become_specifications() {
    let scenario = read(
        r#"
            duration = "1m"
            [[service]]
            name = "app-{i+1}"
            count = 2
            image = "app:{i}"
            replicas = 3
            reserve = { cpus = 0.5, memory = "1GiB", generic = { gpu = 1 } }
            constraints = ["node.labels.ssd == true"]
            preferences = ["spread=node.labels.zone", "node.labels.rack"]
            max_replicas_per_node = 2
            platforms = ["linux/amd64"]
            restart = { condition = "on-failure", delay = "1s", max_attempts = 3, window = "2m" }
            update = { parallelism = 2, order = "start-first" }
            networks = ["net"]
            ports = ["80", { target = 53, published = 53, protocol = "udp", mode = "host" }]
            stop_grace = "1m 30s"
            at = "10s"
            stagger = "5s"
            exits = { after = { weibull = { shape = 0.7, mean = "1h" } }, code = 3 }
            [[service]]
            name = "job"
            image = "job"
            mode = "replicated-job"
            replicas = 2
            completions = 10
        "#,
    );
    let service = &scenario.services[1];
    assert_eq!((service.spec.name.as_str(), service.at), ("app-2", Time::ZERO + secs(15)));
    let after = Law::Weibull { shape: 0.7, mean: secs(3600) };
    assert_eq!(service.behaviour, Behaviour::exiting(after, 3));
    let task = &service.spec.task;
    assert_eq!(task.container.image, "app:1");
    assert_eq!((task.reservations.nano_cpus, task.reservations.memory), (500_000_000, 1 << 30));
    assert_eq!(task.reservations.generic[0].units, Units::Count(1));
    assert_eq!(task.placement.preferences, ["node.labels.zone", "node.labels.rack"]);
    assert_eq!(task.placement.platforms[0].architecture, "amd64");
    let restart = task.restart.unwrap();
    assert_eq!((restart.condition, restart.delay), (RestartCondition::OnFailure, Some(secs(1))));
    let update = service.spec.update.unwrap();
    assert_eq!((update.parallelism, update.order, update.monitor), (2, UpdateOrder::StartFirst, None));
    assert_eq!(service.spec.rollback, None);
    assert_eq!(service.spec.endpoint.ports[1].mode, PublishMode::Host);
    assert_eq!(task.container.stop_grace, Some(secs(90)));
    assert_eq!(scenario.networks.iter().map(|network| network.name.as_str()).collect::<Vec<_>>(), ["net"]);
    assert_eq!(scenario.services[2].spec.mode, Mode::ReplicatedJob { max_concurrent: 2, total_completions: 10 });
}

#[test]
fn an_image_has_one_name() {
    let names = |image: &str| {
        let scenario = read(&format!(
            r#"
                duration = "1m"
                image = [{image}]
                [[pool]]
                name = "node"
                [[service]]
                name = "a"
                image = "nginx"
                [[service]]
                name = "b"
                image = "index.docker.io/library/nginx:latest"
                [[event]]
                at = "30s"
                update_image = {{ a = "docker.io/nginx" }}
            "#
        ));
        scenario.images.iter().map(|image| (image.name.clone(), image.layers.len(), image.missing)).collect::<Vec<_>>()
    };
    assert_eq!(
        names(r#"{ name = "docker.io/library/nginx", layers = ["1MiB"], missing = true }"#),
        [("docker.io/library/nginx".to_string(), 1, true)]
    );
    assert_eq!(names("").len(), 1);
}

#[test]
fn images_share_the_layers_of_their_base() {
    let scenario = read(
        r#"
            duration = "1m"
            [[image]]
            name = "app:2"
            base = "base"
            layers = ["1MiB", { digest = "sha256:7", size = "2MiB", unpacked = "3MiB" }]
            [[image]]
            name = "base"
            size = "50MiB"
        "#,
    );
    let [app, base] = scenario.images.as_slice() else { panic!("{:?}", scenario.images) };
    assert_eq!(base.layers.iter().map(|layer| layer.size).sum::<u64>(), 50 << 20);
    assert_eq!(app.layers[..base.layers.len()], base.layers);
    let own = &app.layers[base.layers.len()..];
    assert_eq!(own[0], Layer { digest: "app:2#1".into(), size: 1 << 20, unpacked: (1 << 20) * 26 / 10 });
    assert_eq!(own[1], Layer { digest: "sha256:7".into(), size: 2 << 20, unpacked: 3 << 20 });
}

#[test]
fn events_name_nodes_and_services() {
    let scenario = read(
        r#"
            duration = "10m"
            [[pool]]
            name = "m"
            role = "manager"
            [[pool]]
            name = "w"
            count = 4
            labels = { rack = "r{i/2}" }
            [[service]]
            name = "web"
            image = "nginx"
            [[event]]
            at = "5m"
            drain = ["rack=r1", "w-3", "role=manager"]
            [[event]]
            at = "1m"
            down = "pool=w"
            stagger = "10s"
            [[event]]
            at = "1m"
            label = "Black Friday"
            scale = { web = 50 }
            [[event]]
            at = "2m"
            update_image = { web = "nginx:2" }
            [[event]]
            at = "9m"
            remove = "web"
        "#,
    );
    let script: Vec<(u64, &str)> =
        scenario.script.iter().map(|event| (event.at.as_nanos() / 1_000_000_000, event.label.as_str())).collect();
    let wanted = [
        (60, "w-1 down"),
        (60, "Black Friday"),
        (70, "w-2 down"),
        (80, "w-3 down"),
        (90, "w-4 down"),
        (120, "web to nginx:2"),
        (300, "rack=r1, w-3, role=manager drained"),
        (540, "web removed"),
    ];
    assert_eq!(script, wanted);
    let Order::SetAvailability(Nodes::Rows(rows), Availability::Drain) = &scenario.script[6].order else { panic!() };
    assert_eq!(nodes(&scenario, rows), ["w-3", "w-4", "m"]);
    assert_eq!(scenario.script[1].order, Order::Scale("web".into(), 50));
    assert!(scenario.images.iter().any(|image| image.name == "nginx:2"));
}

#[test]
fn failures_take_nodes_or_domains() {
    let scenario = read(
        r#"
            duration = "1h"
            [[pool]]
            name = "w"
            count = 4
            labels = { rack = "r{i%2}" }
            [[failure]]
            of = "rack=r0"
            mtbf = "30d"
            repair = "5m"
            [[failure]]
            name = "racks"
            of = "all"
            together = "rack"
            up = { uniform = { min = "1h", max = "2h" } }
            repair = { lognormal = { median = "54m", sigma = 1.94 } }
        "#,
    );
    let [single, racks] = scenario.failures.as_slice() else { panic!() };
    assert_eq!(single.name, "failure 1");
    assert_eq!(single.units.iter().map(|unit| unit.name.as_str()).collect::<Vec<_>>(), ["w-1", "w-3"]);
    assert_eq!(single.up, Law::Exponential { mean: secs(30 * 86_400) });
    assert_eq!(racks.units.len(), 2);
    assert_eq!((racks.units[1].name.as_str(), racks.units[1].nodes.as_slice()), ("rack=r1", &[1, 3][..]));
    assert_eq!(racks.repair, Law::Lognormal { median: secs(54 * 60), sigma: 1.94 });
}

#[test]
fn a_model_can_be_ideal_except_for_what_is_said() {
    let scenario = read(
        "duration = \"1m\"\n[registry]\nideal = true\nlatency = \"2ms\"\n[daemon]\nideal = true\n[overlay]\nideal = true\n",
    );
    let models = &scenario.models;
    assert_eq!((models.registry.bandwidth, models.registry.unpack_rate), (None, None));
    assert_eq!(models.registry.latency, Span::from_millis(2));
    assert_eq!((models.daemon.start, models.daemon.status_batch), (Law::Fixed(Span::ZERO), Span::ZERO));
    assert_eq!((models.overlay.latency, models.overlay.leave), (Law::Fixed(Span::ZERO), Span::ZERO));
}

#[test]
fn rates_are_decimal_and_sizes_binary() {
    let rate = |text: &str| {
        read(&format!("duration = \"1m\"\n[registry]\nbandwidth = \"{text}\"\n")).models.registry.bandwidth
    };
    assert_eq!(rate("1Gbit/s"), Some(125_000_000));
    assert_eq!(rate("25MB/s"), Some(25_000_000));
    assert_eq!(rate("25MiB/s"), Some(26_214_400));
    assert_eq!(rate("1.5 Gbit/s"), Some(187_500_000));
    assert_eq!(rate("unlimited"), None);
}

#[test]
fn expectations_are_for_all_strategies_or_one() {
    let scenario = read(
        r#"
            duration = "1m"
            strategies = ["spread", "binpack"]
            [expect]
            running_final = 3
            binpack.failover_max_s = { max = 60 }
            "spread.failover_max_s" = { min = 9.5,   max = 30 }
        "#,
    );
    let texts: Vec<&str> = scenario.expect.iter().map(|expected| expected.text.as_str()).collect();
    let wanted = [
        "running_final = 3",
        "binpack.failover_max_s = { max = 60 }",
        "spread.failover_max_s = { min = 9.5, max = 30 }",
    ];
    assert_eq!(texts, wanted);
    assert_eq!((scenario.expect[0].strategy.as_deref(), scenario.expect[0].max), (None, Some(3.0)));
    assert_eq!((scenario.expect[2].strategy.as_deref(), scenario.expect[2].min), (Some("spread"), Some(9.5)));
}

fn secs(secs: u64) -> Span {
    Span::from_secs(secs)
}

/// A scenario with something of everything, to be broken.
const WHOLE: &str = r#"
duration = "10m"
strategies = ["spread", "binpack"]
[[pool]]
name = "w"
count = 4
cpus = 2.5
memory = "8GiB"
labels = { rack = "r{i/2}" }
network = "1Gbit/s"
[[image]]
name = "app:1"
layers = ["5MiB", { size = "7MiB" }]
[[service]]
name = "web"
image = "app:1"
replicas = 3
ports = ["80:80/tcp"]
exits = { after = { exponential = { mean = "5m" } }, code = 1 }
[[event]]
at = "60s"
down = "rack=r1"
[[failure]]
of = "all"
together = "rack"
up = { weibull = { shape = 0.7, mean = "30d" } }
repair = "5m"
[overlay]
pool = "10.0.0.0/8"
[expect]
spread.running_final = { min = 2, max = 3 }
"#;

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = parse(Path::new("s.toml"), &text).map_err(|complaints| complaints.to_string());
    }

    #[test]
    fn no_lines_make_it_panic(lines in proptest::collection::vec("(\\[{0,2}[a-z]{0,4}\\]{0,2}|[a-z\\.]{1,4} ?= ?[\"0-9a-z{}\\[\\]]{0,5})", 0..8)) {
        let _ = parse(Path::new("s.toml"), &lines.join("\n")).map_err(|complaints| complaints.to_string());
    }

    /// Values that are right where they stand become wrong elsewhere: too long, too many, of another type.
    #[test]
    fn no_value_makes_it_panic(line in 0..35_usize, value in prop_oneof![
        "\"[-0-9a-zA-Z{}+*/%=.:,µ é]{0,12}\"",
        "-?[0-9]{1,22}(\\.[0-9]{1,3})?",
        Just("[]".to_string()), Just("{}".to_string()), Just("true".to_string()), Just("inf".to_string()),
        Just("1979-05-27".to_string()), Just("[[[\"\"]]]".to_string()), Just("{ \"\" = 1 }".to_string()),
        Just("\"{i*9223372036854775807+i}\"".to_string()), Just("\"18446744073709551615B\"".to_string()),
        Just("\"184467440737095516155B/s\"".to_string()), Just("\"99999999999999999999y\"".to_string()),
    ]) {
        let broken: Vec<String> = WHOLE.lines().enumerate().map(|(number, text)| match text.split_once(" = ") {
            Some((key, _)) if number == line => format!("{key} = {value}"),
            _ => text.to_string(),
        }).collect();
        let _ = parse(Path::new("s.toml"), &broken.join("\n")).map_err(|complaints| complaints.to_string());
    }
}

#[test]
fn the_whole_scenario_is_right_before_it_is_broken() {
    assert_eq!(complaints(WHOLE), "");
}

#[test]
fn depth_does_not_overflow_the_stack() {
    let text = format!("x = {}", "[".repeat(100_000));
    assert!(!complaints(&text).is_empty());
    let text = format!("{} = 1", vec!["a"; 100_000].join("."));
    assert!(!complaints(&text).is_empty());
}

#[test]
fn networks_break_in_four_ways_by_script_and_at_random() {
    let scenario = read(
        r#"
            duration = "10m"
            [[pool]]
            name = "w"
            count = 4
            labels = { rack = "r{i/2}" }
            [[crew]]
            name = "hands"
            count = 2
            [[failure]]
            of = "all"
            together = "rack"
            breaks = "split"
            up = { erlang = { stages = 3, mean = "1h" } }
            repair = { hyperexponential = { chance = 0.9, short = "5s", long = "1m" } }
            crew = "hands"
            [[event]]
            at = "1s"
            deaf = "w-1"
            [[event]]
            at = "2s"
            mute = ["w-1", "w-2"]
            stagger = "1s"
            [[event]]
            at = "4s"
            split = "rack=r1"
            stagger = "1s"
            [[event]]
            at = "5s"
            weaken = { nodes = "all", loss = 0.25 }
            [[event]]
            at = "6s"
            weaken = { nodes = "w-1", loss = 0, delay = "0s" }
        "#,
    );
    let happens: Vec<(&str, &Order)> =
        scenario.script.iter().map(|scripted| (scripted.label.as_str(), &scripted.order)).collect();
    let weak = LinkImpairment { loss: 0.25, delay: Law::Fixed(Span::ZERO) };
    assert_eq!(
        happens,
        [
            ("w-1 deaf", &Order::Break(NetworkFault::RxLost, vec![0].into())),
            ("w-1 mute", &Order::Break(NetworkFault::TxLost, vec![0].into())),
            ("w-2 mute", &Order::Break(NetworkFault::TxLost, vec![1].into())),
            ("rack=r1 split off", &Order::Break(NetworkFault::Partitioned, vec![2, 3].into())),
            ("all weakly connected", &Order::Weaken(vec![0, 1, 2, 3].into(), Some(weak))),
            ("w-1 well connected", &Order::Weaken(vec![0].into(), None)),
        ]
    );
    let failure = &scenario.failures[0];
    assert_eq!(
        (failure.fault, failure.crews, failure.crew.as_deref()),
        (Some(NetworkFault::Partitioned), Some(2), Some("hands"))
    );
    assert_eq!(failure.up, Law::Erlang { stages: 3, mean: secs(3600) });
    assert_eq!(failure.repair, Law::Hyperexponential { chance: 0.9, short: secs(5), long: secs(60) });
}
