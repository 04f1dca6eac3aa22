//! Small stack files, each about one thing.

use std::fs;

use sched::Span;
use sched::spec::{
    EndpointMode, FailureAction, Mode, Port, Protocol, PublishMode, RestartCondition, Units, UpdateConfig, UpdateOrder,
};
use sim::cli::stack::{Args, Format, Style, report};
use sim::compose::{Node, Stage};

use super::{config, refusal, stack, try_config, try_stack, variables};

/// The cases of `cases.txt`, each one or more files.
pub fn cases() -> Vec<Vec<String>> {
    let file = |text: &str| match text.strip_prefix('@') {
        None => text.to_string(),
        Some(body) => {
            let lines: Vec<String> =
                body.trim_start_matches('\n').lines().map(|line| format!("    {line}\n")).collect();
            format!("services:\n  a:\n    image: x\n{}", lines.concat())
        }
    };
    let cases = include_str!("cases.txt").split("\n====\n").skip(1);
    cases.map(|case| case.trim_end_matches('\n').split("\n++++\n").map(file).collect()).collect()
}

const X: &str = "services:\n  a:\n    image: x\n";

/// A service `a` with the image `x` and more.
fn service(body: &str) -> String {
    format!("{X}    {body}\n")
}

#[test]
fn every_deploy_key_arrives_in_the_service() {
    let text = "
services:
  web:
    image: nginx:1.25
    entrypoint: /bin/sh -c
    command: ['echo', 'a b']
    environment: {B: 2, A: x, C: }
    hostname: '{{.Node.Hostname}}'
    labels: [tier=front]
    stop_grace_period: 1m30s
    stop_signal: SIGQUIT
    logging: {driver: gelf, options: {a: 1}}
    healthcheck: {test: curl localhost, interval: 10s, timeout: 1s, retries: 5, start_period: 15s, start_interval: 1s}
    networks: [front, back]
    secrets: [key, {source: old, target: /x}]
    configs: [conf]
    volumes: [data:/data, ./static:/static:ro, fast:/fast]
    ports: ['8080:80', {target: 53, published: 5353, protocol: udp, mode: host}]
    deploy:
      mode: replicated
      replicas: 6
      endpoint_mode: vip
      labels: {team: a}
      update_config: {parallelism: 2, delay: 10s, failure_action: rollback, monitor: 60s, max_failure_ratio: 0.25, order: start-first}
      rollback_config: {}
      resources:
        limits: {cpus: '0.50', memory: 50M}
        reservations:
          cpus: '0.0015'
          memory: 20M
          generic_resources: [{discrete_resource_spec: {kind: gpu, value: 2}}]
      restart_policy: {condition: on-failure, delay: 3s, max_attempts: 4, window: 120s}
      placement:
        constraints: [node.role == worker, node.labels.zone != east]
        preferences: [{spread: node.labels.zone}, {spread: node.labels.rack}]
        max_replicas_per_node: 5
networks:
  front: {driver: weave, attachable: true}
  back: {external: true, name: shared}
volumes: {data: , fast: {driver: netapp}}
secrets: {key: {file: k}, old: {external: {name: older}}}
configs: {conf: {external: true}}
";
    let stack = stack(&[text]);
    let spec = &stack.services[0].spec;
    assert_eq!((spec.name.as_str(), stack.services[0].key.as_str()), ("s_web", "web"));
    assert_eq!(spec.labels["team"], "a");
    assert_eq!(spec.labels["com.docker.stack.image"], "nginx:1.25");
    assert_eq!(spec.labels["com.docker.stack.namespace"], "s");
    assert_eq!(spec.mode, Mode::Replicated { replicas: 6 });
    let container = &spec.task.container;
    assert_eq!(container.command, ["/bin/sh", "-c"]);
    assert_eq!(container.args, ["echo", "a b"]);
    assert_eq!(container.env, ["A=x", "B=2", "C"]);
    assert_eq!(container.hostname, "{{.Node.Hostname}}");
    assert_eq!(container.labels["tier"], "front");
    assert_eq!(container.labels["com.docker.stack.namespace"], "s");
    assert_eq!(container.stop_grace, Some(Span::from_secs(90)));
    assert_eq!(container.stop_signal, "SIGQUIT");
    assert_eq!(container.volume_drivers, ["netapp"]);
    assert_eq!(container.mounts, ["s_data:/data", "/nowhere/static:/static", "s_fast:/fast"]);
    assert_eq!(container.files, ["secret:older", "secret:s_key", "config:conf"]);
    let health = container.health.as_ref().unwrap();
    assert_eq!(health.test, ["CMD-SHELL", "curl localhost"]);
    assert_eq!((health.interval, health.timeout), (Some(Span::from_secs(10)), Some(Span::from_secs(1))));
    assert_eq!((health.retries, health.start_period), (5, Span::from_secs(15)));
    assert_eq!(health.start_interval, Some(Span::from_secs(1)));
    assert_eq!((spec.task.limits.nano_cpus, spec.task.limits.memory), (500_000_000, 52_428_800));
    assert_eq!((spec.task.reservations.nano_cpus, spec.task.reservations.memory), (1_500_000, 20_971_520));
    assert_eq!(spec.task.reservations.generic[0].kind, "gpu");
    assert_eq!(spec.task.reservations.generic[0].units, Units::Count(2));
    let restart = spec.task.restart.unwrap();
    assert_eq!((restart.condition, restart.delay), (RestartCondition::OnFailure, Some(Span::from_secs(3))));
    assert_eq!((restart.max_attempts, restart.window), (4, Span::from_secs(120)));
    assert_eq!(spec.task.placement.constraints, ["node.role == worker", "node.labels.zone != east"]);
    assert_eq!(spec.task.placement.preferences, ["node.labels.zone", "node.labels.rack"]);
    assert_eq!(spec.task.placement.max_replicas, 5);
    assert_eq!(spec.task.networks, ["s_front", "shared"]);
    assert_eq!(spec.task.network_drivers, ["weave"]);
    assert_eq!(spec.task.log_driver.as_deref(), Some("gelf"));
    let mesh = Port { protocol: Protocol::Tcp, target: 80, published: 8080, mode: PublishMode::Ingress };
    let host = Port { protocol: Protocol::Udp, target: 53, published: 5353, mode: PublishMode::Host };
    assert_eq!(spec.endpoint.ports, [host, mesh]);
    let update = UpdateConfig {
        parallelism: 2,
        delay: Span::from_secs(10),
        failure_action: FailureAction::Rollback,
        monitor: Some(Span::from_secs(60)),
        max_failure_ratio: 0.25,
        order: UpdateOrder::StartFirst,
    };
    assert_eq!(spec.update, Some(update));
    assert_eq!(spec.rollback, Some(UpdateConfig::default()));
    let networks: Vec<_> =
        stack.networks.iter().map(|network| (network.name.as_str(), network.external, network.attachable)).collect();
    assert_eq!(networks, [("shared", true, false), ("s_front", false, true)]);
    let secrets: Vec<_> = stack.secrets.iter().map(|secret| (secret.name.as_str(), secret.external)).collect();
    assert_eq!(secrets, [("s_key", false), ("older", true)]);
}

#[test]
fn what_is_left_out_is_left_to_swarm() {
    let stack = stack(&[&service("deploy:")]);
    let spec = &stack.services[0].spec;
    assert_eq!(spec.mode, Mode::Replicated { replicas: 1 });
    assert_eq!((spec.task.restart, spec.update, spec.rollback), (None, None, None));
    assert_eq!(spec.endpoint.mode, EndpointMode::Vip);
    assert_eq!(spec.task.networks, ["s_default"]);
    assert_eq!((stack.networks[0].name.as_str(), stack.networks[0].driver.as_str()), ("s_default", "overlay"));
}

#[test]
fn the_older_restart_counts_only_without_a_policy() {
    let condition = |body: &str| {
        stack(&[&service(body)]).services[0].spec.task.restart.map(|restart| (restart.condition, restart.max_attempts))
    };
    assert_eq!(condition("restart: always"), Some((RestartCondition::Any, 0)));
    assert_eq!(condition("restart: unless-stopped"), Some((RestartCondition::Any, 0)));
    assert_eq!(condition("restart: on-failure:3"), Some((RestartCondition::OnFailure, 3)));
    assert_eq!(condition("restart: 'no'"), None);
    let both = "restart: always\n    deploy: {restart_policy: {condition: none}}";
    assert_eq!(condition(both), Some((RestartCondition::None, 0)));
    assert_eq!(condition("restart: on-failure:-1"), Some((RestartCondition::OnFailure, u64::MAX)));
    assert_eq!(refusal(&[&service("restart: sometimes:2")]), "service a: unknown restart policy: sometimes:2");
}

#[test]
fn jobs_and_global_services() {
    let mode = |body: &str| stack(&[&service(body)]).services[0].spec.mode;
    assert_eq!(mode("deploy: {mode: global}"), Mode::Global);
    assert_eq!(mode("deploy: {mode: global-job}"), Mode::GlobalJob);
    let job = Mode::ReplicatedJob { max_concurrent: 4, total_completions: 4 };
    assert_eq!(mode("deploy: {mode: replicated-job, replicas: 4}"), job);
    assert_eq!(mode("deploy: {replicas: 0}"), Mode::Replicated { replicas: 0 });
}

#[test]
fn refusals_have_the_words_and_the_stage_of_who_refuses() {
    let cases = [
        (Stage::Load, "a: 1", "services.a Additional property a is not allowed"),
        (Stage::Load, "mem_limit: 5", "Configuration contains forbidden properties"),
        (Stage::Load, "env_file: x.env", "open x.env: no such file or directory"),
        (
            Stage::Load,
            "deploy: {resources: {limits: {cpus: 0.5}}}",
            "services.a.deploy.resources.limits.cpus must be a string",
        ),
        (Stage::Deploy, "networks: [n]", "service a: undefined network \"n\""),
        (Stage::Deploy, "secrets: [n]", "service a: undefined secret \"n\""),
        (Stage::Deploy, "configs: [n]", "service a: undefined config \"n\""),
        (Stage::Deploy, "volumes: ['named:/x']", "service a: undefined volume \"named\""),
        (Stage::Deploy, "deploy: {mode: some}", "service a: Unknown mode: some"),
        (
            Stage::Deploy,
            "deploy: {resources: {limits: {cpus: x}}}",
            "service a: failed to parse x as a rational number",
        ),
        (
            Stage::Deploy,
            "deploy: {mode: global, replicas: 2}",
            "service a: replicas can only be used with replicated or replicated-job mode",
        ),
        (
            Stage::Engine,
            "deploy: {restart_policy: {condition: unless-stopped}}",
            "service a: invalid RestartCondition: \"unless-stopped\"",
        ),
        (
            Stage::Engine,
            "deploy: {placement: {constraints: [node=foo]}}",
            "service a: constraint expected one operator from ==, !=",
        ),
        (Stage::Engine, "deploy: {placement: {constraints: ['x == y@']}}", "service a: key 'x' is invalid"),
        (Stage::Engine, "deploy: {placement: {constraints: ['xx == y@']}}", "service a: value 'y@' is invalid"),
        (
            Stage::Engine,
            "ports: ['80:80']\n    deploy: {endpoint_mode: dnsrr}",
            "service a: EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
        ),
        (
            Stage::Engine,
            "deploy: {resources: {limits: {memory: 1M}}}",
            "service a: invalid memory value 1048576: Must be at least 4MiB",
        ),
        (Stage::Engine, "ports: ['80:80', '80:81']", "service a: EndpointSpec: duplicate published ports provided"),
        (
            Stage::Deploy,
            "secrets: [s, s]\nsecrets: {s: {external: true}}",
            "service a: duplicate secret target for s not allowed",
        ),
        (
            Stage::Deploy,
            "configs: [{source: s, target: t}, {source: u, target: t}]\nconfigs: {s: {external: true}, u: {external: true}}",
            "service a: duplicate config target for u not allowed",
        ),
        (Stage::Deploy, "hostname: h\nsecrets: {s: {}}", "read /nowhere: is a directory"),
        (
            Stage::Deploy,
            "volumes: [{type: image, target: /x}]",
            "service a: invalid image source, source cannot be empty",
        ),
        (
            Stage::Engine,
            "hostname: '{{.Foo}}'",
            "service a: expanding hostname failed: template: expansion:1:2: executing \"expansion\" at <.Foo>: can't evaluate \
             field Foo in type *template.Context",
        ),
        (
            Stage::Engine,
            "environment: ['A={{.Task'] ",
            "service a: expanding env failed: expanding env \"A={{.Task\": template: expansion:1: unclosed action",
        ),
        (
            Stage::Engine,
            "volumes: ['/{{bar}}:/y']",
            "service a: expanding mounts failed: expanding mount source \"/{{bar}}\": template: expansion:1: function \
             \"bar\" not defined",
        ),
        (
            Stage::Engine,
            "healthcheck: {interval: -5s}",
            "service a: ContainerSpec: Interval in HealthConfig cannot be less than 1ms",
        ),
        (
            Stage::Engine,
            "deploy: {rollback_config: {failure_action: stop}}",
            "service a: unrecognized update failure action stop",
        ),
        (Stage::Simulator, "ports: [{target: 70000}]", "service a: target 70000 of a port is larger than 65535"),
        (
            Stage::Engine,
            "deploy: {restart_policy: {delay: -1s}}",
            "service a: TaskSpec: restart-delay cannot be negative",
        ),
    ];
    for (stage, body, message) in cases {
        let problems = try_stack(&[&service(body)]).unwrap_err();
        assert_eq!((problems[0].stage, problems[0].message.as_str()), (stage, message), "{body}");
    }
    for image in ["x..y", "x___y", "./x", "x@sha256:abc", "host/x:"] {
        let message = refusal(&[&format!("services: {{a: {{image: '{image}'}}}}")]);
        assert_eq!(message, "invalid image reference for service a: invalid reference format", "{image}");
    }
    let id = "a".repeat(64);
    let message = refusal(&[&format!("services: {{a: {{image: {id}}}}}")]);
    assert_eq!(message, format!("service a: ContainerSpec: \"{id}\" is not a valid repository/tag"));
    assert_eq!(refusal(&["services: {a: {hostname: x}}"]), "invalid image reference for service a: no image specified");
    assert_eq!(
        refusal(&["services: {a: {image: 'shop/:1'}}"]),
        "invalid image reference for service a: invalid reference format"
    );
    assert_eq!(
        refusal(&["services: {a: {image: 'NGINX:Alpine'}}"]),
        "invalid image reference for service a: invalid reference format: repository name (library/NGINX) must be lowercase"
    );
    let taken = "services: {a: {image: x, ports: ['80:1']}, b: {image: x, ports: ['80:2']}}";
    assert!(refusal(&[taken]).ends_with("port '80' is already in use by service 's_a' as an ingress port"));
}

#[test]
fn what_the_engine_does_not_look_at_is_taken() {
    let rollback = |text: &str| stack(&[&service(text)]).services[0].spec.rollback.unwrap();
    let rollback = rollback(
        "deploy: {rollback_config: {failure_action: rollback, max_failure_ratio: 5, monitor: -5s, delay: -1s}}",
    );
    assert_eq!((rollback.failure_action, rollback.max_failure_ratio), (FailureAction::Rollback, 5.0));
    assert_eq!((rollback.monitor, rollback.delay), (None, Span::ZERO));
    let spec = |text: &str| stack(&[&service(text)]).services[0].spec.clone();
    let ports = spec("ports: [{target: 0, published: 80}, {target: 81, protocol: bar, mode: baz}]").endpoint.ports;
    assert_eq!(ports.iter().map(|port| (port.target, port.published)).collect::<Vec<_>>(), [(81, 0), (0, 80)]);
    assert_eq!((ports[0].protocol, ports[0].mode), (Protocol::Tcp, PublishMode::Ingress));
    assert!(spec("stop_grace_period: -5s").task.container.stop_grace.unwrap() > Span::from_secs(86_400));
    for body in [
        "deploy: {resources: {limits: {memory: .5g, cpus: '0x1p-2'}}}",
        "deploy: {resources: {limits: {memory: '1e9', cpus: '0b11'}}}",
        "deploy: {resources: {limits: {memory: '1_000_0000', cpus: '1_0'}}}",
        "labels: {a: yes}",
        "volumes: [{type: image, source: nginx, target: /x}]",
    ] {
        spec(body);
    }
    assert!(try_stack(&[&format!("{}x-a: {}{}", service("init: true"), "[".repeat(900), "]".repeat(900))]).is_ok());
}

#[test]
fn yaml_is_go_s() {
    for (text, message) in [
        ("a:\n\t\n  b: c\n", "yaml: line 2: found character that cannot start any token"),
        ("x-a:\n-\ta\n", "yaml: line 2: found character that cannot start any token"),
        ("%YAML 1.2\n---\na: b\n", "yaml: found incompatible YAML document"),
        ("%FOO\n---\na: b\n", "yaml: found unknown directive name"),
        ("x-a: &a.b 1\n", "yaml: did not find expected alphabetic or numeric character"),
        ("x-a: &é 1\n", "yaml: did not find expected alphabetic or numeric character"),
        ("a: b\nc: 'd\n", "yaml: line 2: found unexpected end of stream"),
        ("a: b\n c: d\n", "yaml: line 2: mapping values are not allowed in this context"),
        ("a: [b\nc: d\n", "yaml: line 1: did not find expected ',' or ']'"),
        ("x-a: {? [a] : b}\n", "yaml: invalid map key: []interface {}{\"a\"}"),
    ] {
        assert_eq!(refusal(&[text]), message, "{text:?}");
    }
    for text in ["{x-a: yes}#\n", "{x-a: b/c:}\n", "x-a: b\n# c\n\t# d\n", "x-a: \"\\/\"\n"] {
        let (fits, outcome) = (!text.contains('/') || text.contains("b/c"), try_config(&[text]));
        assert_eq!(outcome.is_ok(), fits, "{text:?}: {outcome:?}");
    }
}

#[test]
fn all_problems_are_given_with_their_places() {
    let problems =
        try_config(&["services:\n  a:\n    image: 5\n    foo: 1\n  b:\n    deploy: {replicas: x}\n"]).unwrap_err();
    let given: Vec<_> =
        problems.iter().map(|problem| (problem.place.unwrap().line, problem.message.as_str())).collect();
    assert_eq!(
        given,
        [
            // The longest path first, as Docker does.
            (6, "services.b.deploy.replicas must be a integer"),
            (4, "services.a Additional property foo is not allowed"),
            (3, "services.a.image must be a string"),
        ]
    );
    assert_eq!(problems[0].to_string(), "/nowhere/0.yml:6:24: services.b.deploy.replicas must be a integer");
}

#[test]
fn warnings_are_docker_s() {
    let loaded =
        try_config(&[&service("privileged: true\n    links: [b]\n    expose: [1]\n    ports: ['127.0.0.1:1:2']")])
            .unwrap();
    assert_eq!(
        loaded.warnings,
        [
            "ignoring IP-address (127.0.0.1:1:2/tcp) service will listen on '0.0.0.0'",
            "Ignoring unsupported options: links, privileged",
            "Ignoring deprecated options:\n\nexpose: Exposing ports is unnecessary - services on the same network can \
             access each other's containers on any port.",
        ]
    );
}

#[test]
fn versions() {
    for version in ["3", "3.0", "3.8", "3.13", ""] {
        assert!(try_config(&[&format!("version: '{version}'\nservices: {{}}\n")]).is_ok(), "{version}");
    }
    for version in ["2", "3.14", "3.00", "4", "3.x", "03.1"] {
        let message = format!("unsupported Compose file version: {version}");
        assert_eq!(refusal(&[&format!("version: '{version}'\n")]), message);
    }
    assert_eq!(refusal(&["version: 3\n"]), "version must be a string");
    assert_eq!(refusal(&["name: x\n"]), "(root) Additional property name is not allowed");
    assert_eq!(refusal(&["version: '3.0'\nconfigs: {}\n"]), "(root) Additional property configs is not allowed");
    assert_eq!(
        refusal(&["version: '3.1'\n", "version: '3.2'\n"]),
        "version mismatched between two composefiles : 3.1 and 3.2"
    );
    for text in ["", "a", "- a", "5", "~"] {
        assert_eq!(refusal(&[text]), "top-level object must be a mapping");
    }
}

#[test]
fn later_files_are_laid_over_earlier_ones() {
    let base = service("ports: ['80:80']\n    deploy: {replicas: 3, restart_policy: {delay: 5s}}\n    cap_add: [a]");
    let over = "services:\n  a:\n    ports: ['81:81']\n    cap_add: [b]\n    deploy: {replicas: 0, restart_policy: {delay: 0s}}\n  b: {image: y}\n";
    let merged = config(&[&base, over]);
    let a = &merged.services["a"];
    let at = |path: &[&str]| path.iter().try_fold(a, |node, key| node.get(key)).unwrap().clone();
    assert_eq!(at(&["image"]).text(), Some("x"));
    assert_eq!(at(&["ports"]).list().unwrap().len(), 2);
    assert_eq!(at(&["cap_add"]).list().unwrap().iter().filter_map(Node::text).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(at(&["deploy", "replicas"]).value, sim::compose::Value::Int(0));
    assert_eq!(at(&["deploy", "restart_policy", "delay"]).text(), Some("5s"), "zero never wins");
    assert!(merged.services.contains_key("b"));
}

#[test]
fn variables_come_from_the_caller_alone() {
    let text = service("hostname: ${PATH:-none}\n    environment: [PATH, FOO]");
    let stack = stack(&[&text]);
    assert_eq!(stack.services[0].spec.task.container.hostname, "none");
    assert_eq!(stack.services[0].spec.task.container.env, ["FOO=foo", "PATH"]);
}

#[test]
fn files_of_variables_are_read_from_beside_the_stack_file() {
    let folder = super::docker::Folder::new("env_files");
    folder.write("a.env", "\u{feff}# comment\nA=1\n  B=\"two words\"\nEMPTY\nFOO\nA=3\n");
    let file = folder.write("stack.yml", &service("env_file: [./a.env]\n    environment: {B: '', C: x}"));
    let load = || sim::compose::load("s", std::slice::from_ref(&file), &variables(&[("FOO", "foo")]));
    let stack = load().unwrap();
    assert_eq!(stack.services[0].spec.task.container.env, ["A=3", "B=", "C=x", "FOO=foo"]);
    folder.write("a.env", "A B=1\n");
    assert_eq!(load().unwrap_err()[0].message, "invalid env file (a.env): variable 'A B' contains whitespaces");
    let line = |length: usize| format!("A={}\n", "x".repeat(length - 2));
    folder.write("a.env", &line((64 << 10) - 1));
    assert!(load().is_ok());
    folder.write("a.env", &line(64 << 10));
    assert_eq!(load().unwrap_err()[0].message, "invalid env file (a.env): bufio.Scanner: token too long");
    folder.write("a.env", "=1\n");
    assert_eq!(load().unwrap_err()[0].message, "invalid env file (a.env): no variable name on line '=1'");
}

#[test]
fn the_first_document_counts_and_the_rest_is_mentioned() {
    let loaded = try_config(&["services: {}\n---\nnonsense\n"]).unwrap();
    assert_eq!(loaded.warnings, ["/nowhere/0.yml: only the first YAML document is read"]);
}

fn args(files: &[std::path::PathBuf], format: Format) -> Args {
    Args { files: files.to_vec(), compose_files: Vec::new(), env: Vec::new(), env_file: Vec::new(), format, name: None }
}

#[test]
fn the_command_shows_services_or_problems_within_eighty_columns() {
    let folder = super::docker::Folder::new("command");
    let good = folder.write(
        "good.yml",
        &service("ports: ['8080:80']\n    deploy: {replicas: 3, resources: {reservations: {memory: 64M}}}"),
    );
    let bad = folder.write("bad.yml", &service("foo: 1\n    image2: 2"));
    let plain = Style { is_plain: true };
    let (text, all_load) = report(&args(std::slice::from_ref(&good), Format::Table), plain).unwrap();
    assert!(all_load);
    let row = " a     replicated  3         x      *:8080->80/tcp";
    assert!(text.lines().any(|line| line == row), "{text}");
    assert!(text.contains("reserves") && text.contains("64 MiB") && text.contains("good_default"), "{text}");

    let (text, all_load) = report(&args(&[good.clone(), bad.clone()], Format::Table), plain).unwrap();
    assert!(!all_load);
    assert!(text.contains("services.a Additional property foo is not allowed"), "{text}");
    assert!(text.ends_with("2 stacks: 1 loads, 1 refused\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(!text.contains('\u{1b}'));

    let (text, _) = report(&args(&[good, bad], Format::Json), plain).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["stacks"][0]["stack"]["services"][0]["Mode"]["Replicated"]["Replicas"], 3);
    assert_eq!(
        json["stacks"][0]["stack"]["services"][0]["TaskTemplate"]["Resources"]["Reservations"]["MemoryBytes"],
        67_108_864
    );
    assert_eq!(json["stacks"][1]["problems"][0]["line"], 4);
    assert_eq!(json["stacks"][1]["verdict"], "refused");
}

#[test]
fn the_command_merges_and_takes_variables() {
    let folder = super::docker::Folder::new("command_merge");
    let base = folder.write("base.yml", &service("hostname: ${A}-${B}"));
    let over = folder.write("over.yml", "services: {a: {deploy: {replicas: 2}}}");
    let env_file = folder.write("x.env", "A=1\nB=2\n");
    let mut args = args(&[], Format::Json);
    args.compose_files = vec![base, over];
    args.env_file = vec![env_file];
    args.env = vec!["B=3".to_string()];
    args.name = Some("shop".to_string());
    let (text, _) = report(&args, Style { is_plain: true }).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let service = &json["stacks"][0]["stack"]["services"][0];
    assert_eq!(service["Name"], "shop_a");
    assert_eq!(service["TaskTemplate"]["ContainerSpec"]["Hostname"], "1-3");
    args.env = vec!["B".to_string()];
    assert_eq!(report(&args, Style { is_plain: true }).unwrap_err(), "--env B: expected NAME=VALUE");
}

#[test]
fn unreadable_files_are_refused() {
    let folder = super::docker::Folder::new("unreadable");
    let refuse =
        |path: &std::path::Path| sim::compose::load("s", &[path.to_path_buf()], &Default::default()).unwrap_err();
    let missing = folder.write("x", "").with_file_name("missing.yml");
    assert!(refuse(&missing)[0].message.ends_with("no such file or directory"));
    assert!(refuse(missing.parent().unwrap())[0].message.ends_with("is a directory"));
    let binary = missing.with_file_name("binary.yml");
    for (bytes, message) in [
        (&[0xff, 0xfe, 0, 1, 0x80][..], "yaml: incomplete UTF-16 character"),
        (&[b'a', 0x80], "yaml: invalid leading UTF-8 octet"),
        (&[b'a', 0xc3], "yaml: incomplete UTF-8 octet sequence"),
        (&[0xc3, b'a'], "yaml: invalid trailing UTF-8 octet"),
    ] {
        fs::write(&binary, bytes).unwrap();
        assert_eq!(refuse(&binary)[0].message, message);
    }
    let wide: Vec<u8> =
        [0xfe, 0xff].into_iter().chain("services: {}".encode_utf16().flat_map(u16::to_be_bytes)).collect();
    fs::write(&binary, wide).unwrap();
    assert!(sim::compose::load("s", std::slice::from_ref(&binary), &Default::default()).is_ok());
    let huge = missing.with_file_name("huge.yml");
    fs::write(&huge, "#".repeat((8 << 20) + 1)).unwrap();
    assert!(refuse(&huge)[0].message.ends_with("larger than 8 MiB"));
    assert!(sim::compose::config(&[], &Default::default()).is_err());
}
