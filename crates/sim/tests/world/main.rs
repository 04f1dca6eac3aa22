//! Whole runs: small clusters whose story is known, and laws that hold for every run.

mod clones;
mod contention;
mod door;
mod leaders;
mod orders;
mod tables;
mod warm_up;

use std::path::PathBuf;

use sched::spec::{Availability, Description, Mode, NodeSpec, Resources, RestartPolicy, Role, ServiceSpec};
use sched::{DesiredState, Span, TaskState, Time};
use sim::engine::law::Law;
use sim::experiment::{execute, plan};
use sim::metrics::{Band, METRICS, Outcome, Point, TaskRow};
use sim::order::{Change, Containers, Order};
use sim::scenario::{
    Behaviour, DaemonModel, FailurePlan, FailureUnit, Habit, Image, JoinPlan, Layer, Models, NetworkFault, NetworkPlan,
    NodePlan, OperatorPlan, OverlayModel, RegistryModel, ScalerPlan, Scenario, Scripted, ServicePlan, UnitStart,
};
use sim::simulation::Simulation;

const MB: u64 = 1_000_000;

fn secs(secs: u64) -> Time {
    Time::ZERO + Span::from_secs(secs)
}

fn fixed(millis: u64) -> Law {
    Law::Fixed(Span::from_millis(millis))
}

/// `nodes` nodes of 4 CPUs and 8 GB in racks of two, models without chance, ten minutes.
fn cluster(nodes: usize) -> Scenario {
    let node = |number: usize| NodePlan {
        pool: "node".into(),
        spec: NodeSpec {
            id: format!("n{number}"),
            labels: [("rack".to_string(), format!("r{}", number / 2))].into(),
            description: Some(Description {
                hostname: format!("n{number}"),
                resources: Resources { nano_cpus: 4_000_000_000, memory: 8_000_000_000, generic: Vec::new() },
                ..Description::default()
            }),
            ..NodeSpec::default()
        }
        .into(),
        bandwidth: None,
        cores: None,
    };
    let daemon = DaemonModel {
        create: fixed(200),
        start: fixed(400),
        stop: fixed(500),
        boot: fixed(30_000),
        ..DaemonModel::default()
    };
    let overlay = OverlayModel { latency: fixed(0), ..OverlayModel::default() };
    Scenario {
        until: None,
        stacks: Vec::new(),
        path: PathBuf::new(),
        name: "test".into(),
        title: String::new(),
        description: String::new(),
        seed: 1,
        replications: 1,
        duration: Span::from_secs(600),
        warm_up: Span::ZERO,
        sample: Span::from_secs(1),
        strategies: vec!["spread".into()],
        plans: Vec::new(),
        nodes: (0..nodes).map(node).collect(),
        joins: Vec::new(),
        scalers: Vec::new(),
        images: Vec::new(),
        networks: Vec::new(),
        services: Vec::new(),
        arrivals: Vec::new(),
        queues: Vec::new(),
        requests: Vec::new(),
        operators: Vec::new(),
        script: Vec::new(),
        failures: Vec::new(),
        models: Models { daemon, overlay, ..Models::default() },
        expect: Vec::new(),
    }
}

fn service(name: &str, replicas: u64) -> ServicePlan {
    let mut spec = ServiceSpec::new(name, name);
    spec.mode = sched::spec::Mode::Replicated { replicas };
    let failover = Vec::new();
    ServicePlan { spec, failover, stack: None, at: Time::ZERO, behaviour: Behaviour::default(), quorum: None }
}

fn script(at: u64, order: Order) -> Scripted {
    Scripted::new(secs(at), "script", order)
}

fn run(scenario: &Scenario) -> Outcome {
    let outcomes = execute(scenario, &plan(scenario), 1, &|_| {});
    assert_eq!(outcomes[0].failed, None);
    outcomes.into_iter().next().expect("one run")
}

fn value(outcome: &Outcome, name: &str) -> Option<f64> {
    let column = METRICS.iter().position(|metric| metric.name == name).unwrap_or_else(|| panic!("no metric {name}"));
    outcome.values[column]
}

fn is(outcome: &Outcome, name: &str) -> f64 {
    value(outcome, name).unwrap_or_else(|| panic!("{name} has no value"))
}

fn near(got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "{got} instead of {expected}");
}

fn named<'a>(outcome: &'a Outcome, name: &str) -> &'a TaskRow {
    outcome.tasks.iter().find(|task| task.name == name).unwrap_or_else(|| panic!("no task {name}"))
}

#[test]
fn containers_that_cannot_start_say_why() {
    let outcome = run(&told(
        r#"
        duration = "2m"
        [[pool]]
        name = "w"
        [[service]]
        name = "command"
        image = "app"
        command = ["run.sh"]
        restart = { condition = "none" }
        exits = { fails = "command" }
        [[service]]
        name = "mount"
        image = "app"
        mounts = ["/srv/data:/data"]
        restart = { condition = "none" }
        exits = { fails = "mount" }
        "#,
    ));
    let (command, mount) = (named(&outcome, "command.1#1"), named(&outcome, "mount.1#1"));
    assert_eq!((command.state, mount.state), (TaskState::Failed, TaskState::Rejected));
    let error = command.error.as_str();
    assert!(error.starts_with("starting container failed: ") && error.contains("exec: \"run.sh\":"), "{error}");
    let error = mount.error.as_str();
    assert_eq!(error, "invalid mount config for type \"bind\": bind source path does not exist: /srv/data");
}

#[test]
fn a_service_is_deployed_in_the_time_that_the_steps_take() {
    let mut scenario = cluster(3);
    scenario.services = vec![service("web", 6)];
    let outcome = run(&scenario);
    assert_eq!(outcome.tasks.len(), 6);
    for task in &outcome.tasks {
        assert_eq!((task.state, task.desired), (TaskState::Running, DesiredState::Running));
        near(task.assigned_s.unwrap(), 0.05, 1e-9);
        // Sent after 100 ms of quiet; manifest 2 ms, created in 200 ms.
        near(task.ready_s.unwrap(), 0.352, 1e-9);
        // Started in 400 ms, committed at the next tenth of a second.
        near(task.running_s.unwrap(), 0.8, 1e-9);
    }
    assert_eq!(is(&outcome, "running_final"), 6.0);
    assert_eq!(is(&outcome, "tasks_per_node_max"), 2.0);
    assert_eq!(is(&outcome, "tasks_per_node_cv"), 0.0);
    near(is(&outcome, "time_to_converge_s"), 0.752, 1e-9);
    assert_eq!(is(&outcome, "availability"), 1.0);
    assert_eq!(value(&outcome, "detection_mean_s"), None);
    assert_eq!(outcome.series.len(), 600);
    assert_eq!(outcome.series[1].running, Band::steady(6));
}

#[test]
fn a_lost_node_is_replaced_after_detection_and_the_restart_delay() {
    let mut scenario = cluster(3);
    scenario.services = vec![service("web", 6)];
    scenario.script = vec![script(100, Order::PowerOff(vec![1].into())), script(300, Order::PowerOn(vec![1].into()))];
    let outcome = run(&scenario);
    let detection = is(&outcome, "detection_mean_s");
    assert!((9.0..=16.5).contains(&detection), "{detection}");
    assert_eq!(is(&outcome, "node_failures"), 1.0);
    assert_eq!(is(&outcome, "restarts"), 2.0);
    let second: Vec<&TaskRow> = outcome.tasks.iter().filter(|task| task.name.ends_with("#2")).collect();
    assert_eq!(second.len(), 2);
    for task in second {
        near(task.created_s, 100.0 + detection, 1e-6);
        let ready = task.ready_s.unwrap();
        assert!(ready < task.created_s + 0.5, "prepared while it waits: {ready}");
        // Five seconds of delay, 100 ms of quiet, 400 ms of start.
        near(is(&outcome, "failover_max_s"), detection + 5.5, 0.01);
        assert_ne!(task.node, "n1");
    }
    // The old ones are reported when the machine is back: it boots for 30 s.
    let old: Vec<&TaskRow> = outcome.tasks.iter().filter(|task| task.node == "n1").collect();
    assert_eq!(old.len(), 2);
    for task in old {
        near(task.ended_s.unwrap(), 100.0, 1e-9);
        assert_eq!((task.state, task.desired), (TaskState::Failed, DesiredState::Shutdown));
        assert_eq!(task.error, "task: non-zero exit (255)");
    }
    // Nothing moves back, and what was lost was not moved.
    assert_eq!((is(&outcome, "tasks_per_node_max"), is(&outcome, "moves")), (3.0, 0.0));
    assert_eq!(is(&outcome, "running_min"), 4.0);
    near(is(&outcome, "replica_seconds_lost"), 2.0 * (detection + 5.5), 0.02);
    near(is(&outcome, "availability"), 1.0 - 2.0 * (detection + 5.5) / (6.0 * 599.25), 1e-4);
    let kinds: Vec<&str> = outcome.marks.iter().map(|mark| mark.kind.as_str()).collect();
    assert_eq!(kinds, ["deploy", "script", "down", "detected", "script", "up"]);
    let gap = |point: &Point| (point.believed.least - point.running.most, point.believed.mean - point.running.mean);
    let believed: Vec<(u64, f64)> = outcome.series[101..109].iter().map(gap).collect();
    assert_eq!(believed, [(2, 2.0); 8], "until it is detected the manager believes in what is lost");
    near(outcome.nodes[1].down_s, 200.0, 1e-9);
}

#[test]
fn a_node_that_is_back_before_anybody_noticed_reports_its_losses() {
    let mut scenario = cluster(3);
    scenario.models.daemon.boot = fixed(2000);
    scenario.services = vec![service("web", 3)];
    scenario.script = vec![script(100, Order::PowerOff(vec![1].into())), script(101, Order::PowerOn(vec![1].into()))];
    let outcome = run(&scenario);
    assert_eq!(value(&outcome, "detection_mean_s"), None);
    let lost = outcome.tasks.iter().find(|task| task.state == TaskState::Failed).expect("one is lost");
    assert_eq!(lost.error, "task: non-zero exit (255)");
    // Back and reported at 103.1, started after five seconds.
    near(is(&outcome, "failover_max_s"), 3.1 + 5.5, 0.01);
    assert_eq!(is(&outcome, "running_final"), 3.0);
}

#[test]
fn draining_moves_tasks_once_they_have_stopped() {
    let mut scenario = cluster(3);
    scenario.services = vec![service("web", 6)];
    scenario.script = vec![script(100, Order::SetAvailability(vec![0].into(), Availability::Drain))];
    let outcome = run(&scenario);
    assert_eq!(is(&outcome, "moves"), 2.0);
    assert_eq!(is(&outcome, "running_final"), 6.0);
    let stopped: Vec<&TaskRow> = outcome.tasks.iter().filter(|task| task.node == "n0").collect();
    assert_eq!(stopped.len(), 2);
    for old in stopped {
        assert_eq!(old.state, TaskState::Shutdown);
        // 100 ms of quiet, a second until the step is tried again, 500 ms to stop.
        near(old.ended_s.unwrap(), 101.6, 1e-9);
        let new = named(&outcome, &old.name.replace("#1", "#2"));
        near(new.created_s, 100.0, 1e-9);
        // Known at 101.7, sent after 100 ms, started in 400 ms.
        near(new.running_s.unwrap(), 102.3, 0.1001);
    }
}

#[test]
fn a_drained_node_stops_containers_on_overlays_two_seconds_later() {
    let mut scenario = cluster(2);
    scenario.networks = vec![NetworkPlan { name: "net".into(), subnet: None, external: false }];
    let mut web = service("web", 2);
    web.spec.task.networks = vec!["net".into()];
    scenario.services = vec![web];
    scenario.script = vec![script(100, Order::SetAvailability(vec![0].into(), Availability::Drain))];
    let outcome = run(&scenario);
    let old = outcome.tasks.iter().find(|task| task.node == "n0").expect("one was there");
    near(old.ended_s.unwrap(), 103.6, 1e-9);
    // Gateway, virtual address, two load balancers, two tasks and the replacement beside the one that stops.
    assert_eq!(is(&outcome, "addresses_peak"), 7.0);
}

#[test]
fn nodes_share_the_registry_and_tasks_of_a_node_share_layers() {
    let mut scenario = cluster(2);
    let layer = |digest: &str, size| Layer { digest: digest.into(), size, unpacked: 0 };
    scenario.images =
        vec![Image { name: "web".into(), layers: vec![layer("a", 30 * MB), layer("b", 20 * MB)], ..Image::default() }];
    scenario.models.registry =
        RegistryModel { bandwidth: Some(10 * MB), latency: Span::ZERO, unpack_rate: None, ..RegistryModel::default() };
    scenario.services = vec![service("web", 4)];
    let outcome = run(&scenario);
    assert_eq!(is(&outcome, "pulled_bytes"), 100e6);
    // 100 MB at 10 MB/s, asked for at 0.15 s.
    near(is(&outcome, "pull_p50_s"), 10.0, 1e-6);
    near(outcome.tasks[0].ready_s.unwrap(), 10.35, 1e-6);
    assert_eq!(is(&outcome, "cache_hit_ratio"), 0.0);
    assert_eq!(outcome.series[5].registry_bytes, 10 * MB);
    assert_eq!(outcome.series.iter().map(|point| point.registry_bytes).sum::<u64>(), 100 * MB);
    scenario.script = vec![script(100, Order::Scale("web".into(), 8))];
    let outcome = run(&scenario);
    assert_eq!(is(&outcome, "pulled_bytes"), 100e6);
    assert_eq!(is(&outcome, "cache_hit_ratio"), 0.5);
}

#[test]
fn what_finds_no_address_stays_new_and_what_finds_no_load_balancer_is_rejected() {
    let mut scenario = cluster(1);
    scenario.networks = vec![NetworkPlan { name: "net".into(), subnet: Some((0x0A09_0000, 29)), external: false }];
    let mut web = service("web", 7);
    web.spec.task.networks = vec!["net".into()];
    scenario.services = vec![web];
    scenario.duration = Span::from_secs(20);
    let outcome = run(&scenario);
    let count = |outcome: &Outcome, state| outcome.tasks.iter().filter(|task| task.state == state).count();
    // Six addresses: gateway, service, four tasks; none is left for the node.
    assert_eq!((count(&outcome, TaskState::New), count(&outcome, TaskState::Preparing)), (3, 4));
    assert_eq!(outcome.tasks.iter().filter(|task| task.state == TaskState::New && task.node.is_empty()).count(), 3);
    assert_eq!(is(&outcome, "addresses_peak"), 6.0);
    scenario.duration = Span::from_secs(300);
    let outcome = run(&scenario);
    assert!(count(&outcome, TaskState::Rejected) > 0);
    // In the end the node has its address, and three tasks theirs.
    assert_eq!(is(&outcome, "running_final"), 3.0);
}

#[test]
fn jobs_run_to_completion_and_crashes_are_restarted() {
    let mut scenario = cluster(2);
    let mut job = service("job", 0);
    job.spec.mode = sched::spec::Mode::ReplicatedJob { max_concurrent: 2, total_completions: 5 };
    job.behaviour = Behaviour::exiting(fixed(3000), 0);
    let mut bad = service("bad", 1);
    bad.spec.task.restart = Some(RestartPolicy { max_attempts: 2, ..RestartPolicy::default() });
    bad.behaviour = Behaviour::exiting(fixed(1000), 3);
    scenario.services = vec![job, bad];
    let outcome = run(&scenario);
    let of = |service: &str| outcome.tasks.iter().filter(|task| task.service == service).collect::<Vec<_>>();
    assert_eq!(of("job").iter().filter(|task| task.state == TaskState::Complete).count(), 5);
    assert_eq!(of("bad").len(), 3);
    assert!(of("bad").iter().all(|task| task.error == "task: non-zero exit (3)"));
    assert_eq!(is(&outcome, "running_final"), 0.0);
}

#[test]
fn updates_are_timed_and_refusals_are_marked() {
    let mut scenario = cluster(3);
    scenario.services = vec![service("web", 3), service("web", 1)];
    scenario.script = vec![
        script(100, Order::UpdateService("web".into(), Change::image("web:2").into())),
        script(200, Order::Rollback("never".into())),
        script(300, Order::RemoveService("web".into())),
    ];
    let outcome = run(&scenario);
    let refused: Vec<&str> =
        outcome.marks.iter().filter(|mark| mark.kind == "refused").map(|mark| mark.label.as_str()).collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    // One slot after the other, about 2.3 s each, and five seconds of watching the last.
    near(is(&outcome, "update_duration_s"), 12.0, 1.0);
    assert_eq!(outcome.tasks.len(), 6);
    let moved =
        |slot: u32| named(&outcome, &format!("web.{slot}#1")).node != named(&outcome, &format!("web.{slot}#2")).node;
    assert_eq!(
        (is(&outcome, "restarts"), is(&outcome, "moves")),
        (0.0, (1..=3).filter(|task| moved(*task)).count() as f64)
    );
    assert_eq!(is(&outcome, "running_final"), 0.0);
    assert_eq!(is(&outcome, "tasks_desired"), 0.0);
}

/// The nodes of the tasks of a service of four, before and after a new version, and what counts as moved.
fn updated(order: &str, nodes: usize) -> (usize, f64) {
    let outcome = run(&told(&format!(
        r#"
        duration = "3m"
        pool = [{{ name = "n", count = {nodes} }}]
        service = [{{ name = "web", image = "web:1", replicas = 4, update = {{ order = "{order}" }} }}]
        event = [{{ at = "1m", update_image = {{ web = "web:2" }} }}]
        "#
    )));
    let node = |number: u32, slot: u32| named(&outcome, &format!("web.{slot}#{number}")).node.clone();
    ((1..=4).filter(|&slot| node(1, slot) != node(2, slot)).count(), is(&outcome, "moves"))
}

#[test]
fn an_update_moves_what_it_puts_elsewhere_in_either_order() {
    for order in ["stop-first", "start-first"] {
        assert_eq!(updated(order, 1), (0, 0.0), "{order}");
        let (elsewhere, moves) = updated(order, 12);
        assert!(0 < elsewhere, "on twelve nodes some successor is elsewhere");
        assert_eq!(moves, elsewhere as f64, "{order}");
    }
}

#[test]
fn from_an_event_to_the_end_only_what_was_there_at_the_event_counts() {
    let outcome = run(&told(
        r#"
        duration = "5m"
        pool = [{ name = "n" }]
        service = [{ name = "web", image = "web", replicas = 3, exits = { after = { uniform = { min = "10s", max = "30s" } } } }]
        event = [{ at = "1m", scale = { web = 4 } }]
        "#,
    ));
    let there =
        outcome.tasks.iter().filter(|task| task.created_s < 60.0 && task.ended_s.is_some_and(|ended| 60.0 < ended));
    let ends: Vec<f64> = there.filter_map(|task| task.ended_s).map(|ended| ended - 60.0).collect();
    assert_eq!(ends.len(), 3);
    near(is(&outcome, "event_to_ended_mean_s"), ends.iter().sum::<f64>() / 3.0, 1e-9);
}

#[test]
fn machines_without_power_and_single_tasks_are_left_out_of_the_balance_at_the_end() {
    let outcome = run(&told(
        r#"
        duration = "3m"
        pool = [{ name = "n", count = 4, labels = { rack = "r{i/2}" } }]
        service = [
            { name = "web", image = "web", replicas = 4 },
            { name = "one", image = "web", constraints = ["node.hostname == n-1"] },
        ]
        event = [{ at = "175s", down = "n-4" }]
        "#,
    ));
    // Two, one and one task on the machines with power; three of the service's tasks, two of them in the first rack.
    let deviation = ((4.0f64 + 1.0 + 1.0) / 3.0 - 16.0 / 9.0).sqrt();
    near(is(&outcome, "tasks_per_node_cv"), deviation / (4.0 / 3.0), 1e-12);
    near(is(&outcome, "rack_share_max"), 2.0 / 3.0, 1e-12);
}

#[test]
fn counting_begins_after_the_warm_up() {
    let mut scenario = cluster(3);
    scenario.services = vec![service("web", 6)];
    scenario.script = vec![script(50, Order::PowerOff(vec![0].into())), script(400, Order::Scale("web".into(), 9))];
    scenario.warm_up = Span::from_secs(200);
    let outcome = run(&scenario);
    assert_eq!(is(&outcome, "node_failures"), 0.0);
    assert_eq!(value(&outcome, "detection_mean_s"), None);
    assert_eq!(is(&outcome, "tasks_created"), 3.0);
    assert_eq!(is(&outcome, "running_min"), 6.0);
    near(is(&outcome, "time_to_converge_s"), 0.752, 1e-6);
}

/// Everything at once: racks that fail, images, networks, health.
fn busy() -> Scenario {
    let mut scenario = cluster(12);
    scenario.models = Models::default();
    scenario.strategies = vec!["spread".into(), "binpack".into(), "random".into()];
    scenario.replications = 2;
    scenario.duration = Span::from_secs(3600);
    scenario.networks = vec![NetworkPlan { name: "net".into(), subnet: None, external: false }];
    let layer = |digest: &str, size| Layer { digest: digest.into(), size, unpacked: 3 * size };
    scenario.images = vec![
        Image { name: "web".into(), layers: vec![layer("base", 30 * MB), layer("web", 20 * MB)], ..Image::default() },
        Image { name: "api".into(), layers: vec![layer("base", 30 * MB), layer("api", 120 * MB)], ..Image::default() },
    ];
    let mut web = service("web", 20);
    web.spec.task.networks = vec!["net".into()];
    web.spec.task.reservations.nano_cpus = 500_000_000;
    let mut api = service("api", 10);
    api.at = secs(60);
    api.behaviour = Behaviour::exiting(Law::Exponential { mean: Span::from_secs(600) }, 1);
    scenario.services = vec![web, api];
    scenario.script = vec![
        script(1000, Order::UpdateService("web".into(), Change::image("api").into())),
        script(2000, Order::SetAvailability(vec![3].into(), Availability::Drain)),
    ];
    let unit = |name: String, nodes: Vec<usize>| FailureUnit { name, nodes };
    let mean = |secs| Law::Exponential { mean: Span::from_secs(secs) };
    scenario.failures = vec![
        FailurePlan {
            name: "node".into(),
            units: (0..12).map(|number| unit(format!("n{number}"), vec![number])).collect(),
            up: Law::Weibull { shape: 0.7, mean: Span::from_secs(3000) },
            repair: mean(200),
            ..FailurePlan::default()
        },
        FailurePlan {
            name: "rack".into(),
            units: (0..6).map(|rack| unit(format!("rack=r{rack}"), vec![2 * rack, 2 * rack + 1])).collect(),
            up: mean(10_000),
            repair: mean(100),
            ..FailurePlan::default()
        },
    ];
    scenario
}

#[test]
fn outcomes_do_not_depend_on_the_number_of_threads() {
    let scenario = busy();
    let runs = plan(&scenario);
    let one = execute(&scenario, &runs, 1, &|_| {});
    let two = execute(&scenario, &runs, 2, &|_| {});
    assert_eq!(format!("{one:?}"), format!("{two:?}"));
    for (outcome, run) in one.iter().zip(&runs) {
        assert_eq!((&outcome.strategy, outcome.replication), (&run.strategy, run.replication));
        assert_eq!(outcome.values.len(), METRICS.len());
        assert_eq!(outcome.failed, None);
    }
}

#[test]
fn all_strategies_of_a_replication_meet_the_same_failures() {
    let scenario = busy();
    let outcomes = execute(&scenario, &plan(&scenario), 2, &|_| {});
    let exogenous = |outcome: &Outcome| {
        let kinds = ["down", "up", "script", "detected"];
        outcome.marks.iter().filter(|mark| kinds.contains(&mark.kind.as_str())).cloned().collect::<Vec<_>>()
    };
    for replication in 1..=2 {
        let worlds: Vec<_> =
            outcomes.iter().filter(|outcome| outcome.replication == replication).map(exogenous).collect();
        assert!(worlds[0].len() > 30, "{}", worlds[0].len());
        assert!(worlds.iter().all(|world| *world == worlds[0]));
    }
    assert_ne!(exogenous(&outcomes[0]), exogenous(&outcomes[1]), "replications differ");
    assert_ne!(outcomes[0].tasks, outcomes[2].tasks, "strategies differ");
}

#[test]
fn counts_agree_with_the_tables() {
    for outcome in execute(&busy(), &plan(&busy()), 2, &|_| {}) {
        let running: u64 = outcome.nodes.iter().map(|node| node.running).sum();
        assert_eq!(running as f64, is(&outcome, "running_final"));
        assert_eq!(outcome.tasks.len() as f64, is(&outcome, "tasks_created"));
        let again = outcome.tasks.iter().filter(|task| !task.name.ends_with("#1")).count();
        assert!((1.0..=again as f64).contains(&is(&outcome, "restarts")));
        for task in &outcome.tasks {
            let times = [Some(task.created_s), task.assigned_s, task.ready_s, task.running_s];
            let known: Vec<f64> = times.into_iter().flatten().collect();
            assert!(known.is_sorted(), "{task:?}");
        }
        let share = is(&outcome, "availability");
        assert!((0.5..1.0).contains(&share), "{share}");
    }
}

#[test]
fn a_run_that_cannot_begin_is_an_outcome_and_the_others_go_on() {
    let mut scenario = cluster(1);
    scenario.services = vec![service("web", 1)];
    scenario.strategies = vec!["nonsense".into(), "spread".into()];
    let outcomes = execute(&scenario, &plan(&scenario), 1, &|_| {});
    assert!(outcomes[0].failed.as_ref().is_some_and(|why| why.contains("nonsense")));
    assert_eq!(outcomes[0].values, vec![None; METRICS.len()]);
    assert_eq!(is(&outcomes[1], "running_final"), 1.0);
}

#[test]
fn a_panic_in_one_run_is_an_outcome_too() {
    let mut scenario = cluster(1);
    // No reader lets a node pass that does not exist.
    let units = vec![FailureUnit { name: "nobody".into(), nodes: vec![99] }];
    scenario.failures = vec![FailurePlan { units, up: fixed(1000), start: UnitStart::New, ..FailurePlan::default() }];
    let outcomes = execute(&scenario, &plan(&scenario), 1, &|_| {});
    assert!(
        outcomes[0].failed.as_ref().is_some_and(|why| why.contains("index out of bounds")),
        "{:?}",
        outcomes[0].failed
    );
}

#[test]
fn a_run_that_makes_no_progress_ends_and_says_so() {
    let mut scenario = cluster(1);
    let units = vec![FailureUnit { name: "n0".into(), nodes: vec![0] }];
    scenario.failures =
        vec![FailurePlan { name: "flicker".into(), units, up: fixed(0), repair: fixed(0), ..FailurePlan::default() }];
    let outcomes = execute(&scenario, &plan(&scenario), 1, &|_| {});
    assert!(
        outcomes[0].failed.as_ref().is_some_and(|why| why.contains("makes no progress")),
        "{:?}",
        outcomes[0].failed
    );
}

/// A scenario from its text, with laws without chance.
fn told(text: &str) -> Scenario {
    let models = "[daemon]\ncreate = \"200ms\"\nstart = \"400ms\"\nstop = \"500ms\"\n[overlay]\nlatency = \"0s\"\n";
    sim::scenario::parse("told.toml".as_ref(), &format!("replications = 1\n{text}\n{models}")).unwrap()
}

#[test]
fn a_registry_that_does_not_answer_costs_rejections_until_it_is_back() {
    let outcome = run(&told(
        r#"
        duration = "3m"
        pool = [{ name = "old" }, { name = "new" }]
        image = [{ name = "web", size = "10MiB", present = "old" }]
        service = [{ name = "web", image = "web", replicas = 4 }]
        event = [{ at = "0s", registry = "down" }, { at = "60s", registry = "up" }]
        registry = { bandwidth = "100MB/s" }
        "#,
    ));
    assert_eq!(is(&outcome, "running_final"), 4.0);
    let words = "Get \"https://registry-1.docker.io/v2/\": dial tcp: connect: connection refused";
    let rejected: Vec<&TaskRow> = outcome.tasks.iter().filter(|task| task.state == TaskState::Rejected).collect();
    assert!(!rejected.is_empty());
    assert!(rejected.iter().all(|task| task.error == words && task.node == "new"), "the copy on the old node will do");
    assert!(rejected.iter().all(|task| task.created_s < 66.0));
}

#[test]
fn mirrors_spare_the_registry() {
    let pulled = |mirror: &str| {
        let outcome = run(&told(&format!(
            r#"
            duration = "3m"
            pool = [{{ name = "n", count = 8, labels = {{ rack = "r{{i/4}}" }} }}]
            image = [{{ name = "web", layers = ["100MiB"] }}]
            service = [{{ name = "web", image = "web", mode = "global" }}]
            registry = {{ bandwidth = "100MB/s", {mirror} }}
            "#
        )));
        assert_eq!(is(&outcome, "running_final"), 8.0);
        let size = 104_857_600.0;
        (is(&outcome, "pulled_bytes") / size, is(&outcome, "near_bytes") / size)
    };
    assert_eq!(pulled(""), (8.0, 0.0));
    assert_eq!(pulled("mirror = \"rack\""), (2.0, 6.0));
    assert_eq!(pulled("mirror = \"all\""), (1.0, 7.0));
}

#[test]
fn the_line_to_a_rack_is_shared_by_its_nodes() {
    let longest = |nodes: usize| {
        let outcome = run(&told(&format!(
            r#"
            duration = "3m"
            pool = [{{ name = "n", count = {nodes}, labels = {{ rack = "r{{i/4}}" }} }}]
            image = [{{ name = "web", layers = ["100MiB"] }}]
            service = [{{ name = "web", image = "web", mode = "global" }}]
            registry = {{ unpack = "unlimited", rack_bandwidth = "100MB/s", latency = "0s" }}
            "#
        )));
        is(&outcome, "pull_p99_s")
    };
    near(longest(1), 1.048576, 1e-6);
    near(longest(4), 4.194304, 1e-6);
    near(longest(8), 4.194304, 1e-6);
}

#[test]
fn a_service_that_falls_ill_is_restarted_task_by_task() {
    let outcome = run(&told(
        r#"
        duration = "5m"
        pool = [{ name = "n" }]
        image = [{ name = "web", layers = [] }]
        service = [{ name = "web", image = "web", stops = { code = 143 }, health = { interval = "2s", retries = 3, sick = "1m" } }]
        "#,
    ));
    let failed: Vec<&TaskRow> = outcome.tasks.iter().filter(|task| task.state == TaskState::Failed).collect();
    // Healthy after 2 s; ill after 60, 62 and 64 s; stopped in half a second, replaced after five.
    assert_eq!(failed.len(), 4);
    assert!(failed.iter().all(|task| task.error == "task: non-zero exit (143): dockerexec: unhealthy container"));
    near(failed[0].running_s.unwrap() - failed[0].created_s, 2.8, 0.2);
    near(failed[0].ended_s.unwrap() - failed[0].running_s.unwrap(), 62.5, 0.2);
}

#[test]
fn a_service_that_leaks_is_killed_at_its_limit() {
    let outcome = run(&told(
        r#"
        duration = "5m"
        pool = [{ name = "n" }]
        service = [{ name = "web", image = "web", limit = { memory = "200MiB" }, leak = { from = "100MiB", rate = "1MiB/s" } }]
        "#,
    ));
    let first = named(&outcome, "web.1#1");
    assert_eq!(first.error, "task: non-zero exit (137)");
    near(first.ended_s.unwrap() - first.running_s.unwrap(), 100.0, 0.1);
}

fn late(nodes: &[usize], at: u64, token: Option<Role>) -> JoinPlan {
    let (pool, every) = ("late".into(), Law::Fixed(Span::from_secs(10)));
    JoinPlan { pool, nodes: nodes.to_vec(), present: 0, at: Some(secs(at)), every, token, fresh: false, retry: None }
}

#[test]
fn nodes_that_join_get_tasks_of_global_services_and_no_others() {
    let mut scenario = cluster(4);
    scenario.models.managers.certificate = fixed(2000);
    scenario.joins = vec![late(&[2, 3], 60, Some(Role::Worker))];
    let mut global = service("all", 1);
    global.spec.mode = sched::spec::Mode::Global;
    scenario.services = vec![service("web", 6), global];
    let outcome = run(&scenario);
    assert_eq!(is(&outcome, "running_final"), 6.0 + 4.0);
    assert_eq!(is(&outcome, "moves"), 0.0);
    let on = |node: &str| outcome.tasks.iter().filter(|task| task.node.as_str() == node).count();
    assert_eq!([on("n0"), on("n1"), on("n2"), on("n3")], [4, 4, 1, 1]);
    let task = named(&outcome, "all.n3#1");
    // It is created when the second node is known, and assigned when that is ready.
    near(task.created_s, 70.0, 1e-9);
    near(task.assigned_s.unwrap(), 72.05, 1e-9);
}

#[test]
fn who_is_not_there_neither_fails_nor_obeys() {
    let mut scenario = cluster(3);
    scenario.services = vec![service("web", 4)];
    scenario.joins = vec![late(&[2], 300, Some(Role::Worker))];
    scenario.script = vec![
        script(60, Order::PowerOff(vec![2].into())),
        script(70, Order::SetAvailability(vec![2].into(), Availability::Drain)),
        script(80, Order::RemoveNode(vec![2].into(), true)),
        script(400, Order::Scale("web".into(), 6)),
        script(310, Order::PowerOn(vec![2].into())),
    ];
    scenario.script.sort_by_key(|scripted| scripted.at);
    let outcome = run(&scenario);
    assert_eq!(is(&outcome, "node_failures"), 0.0);
    assert_eq!(is(&outcome, "running_final"), 6.0);
    let refused: Vec<&str> =
        outcome.marks.iter().filter(|mark| mark.kind == "refused").map(|mark| mark.label.as_str()).collect();
    assert_eq!(refused, ["node n2 not found"; 2]);
    let joined = outcome.marks.iter().find(|mark| mark.kind == "join").expect("it joins when it is up");
    assert!(joined.time_s >= 340.0, "{}", joined.time_s);
    assert_eq!(outcome.tasks.iter().filter(|task| task.node.as_str() == "n2").count(), 2);
}

#[test]
fn a_removed_node_joins_again_with_the_token_that_holds_by_then() {
    let mut scenario = cluster(3);
    scenario.services = vec![service("web", 6)];
    scenario.joins = vec![JoinPlan { at: None, ..late(&[2], 0, Some(Role::Worker)) }];
    scenario.script = vec![
        script(10, Order::Join(vec![2].into(), std::sync::Arc::default())),
        script(20, Order::Join(vec![2].into(), std::sync::Arc::default())),
        script(30, Order::Scale("web".into(), 9)),
        script(60, Order::RemoveNode(vec![2].into(), true)),
        script(90, Order::Join(vec![2].into(), std::sync::Arc::default())),
        script(120, Order::Scale("web".into(), 12)),
        script(130, Order::RemoveNode(vec![2].into(), true)),
        script(140, Order::RotateToken(Role::Worker)),
        script(150, Order::Join(vec![2].into(), std::sync::Arc::default())),
    ];
    let outcome = run(&scenario);
    let refused: Vec<&str> =
        outcome.marks.iter().filter(|mark| mark.kind == "refused").map(|mark| mark.label.as_str()).collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(refused[0].contains("already part of a swarm") && refused[1].contains("A valid join token"), "{refused:?}");
    assert_eq!(is(&outcome, "running_final"), 12.0);
    let on = |node: &str| {
        outcome.tasks.iter().filter(|task| task.node.as_str() == node && task.state == TaskState::Running).count()
    };
    assert_eq!([on("n0") + on("n1"), on("n2")], [12, 0]);
}

#[test]
fn a_fourth_manager_that_joins_makes_two_failures_too_many_sooner() {
    let mut scenario = cluster(4);
    for node in &mut scenario.nodes {
        std::sync::Arc::make_mut(&mut node.spec).role = Role::Manager;
    }
    scenario.joins = vec![late(&[3], 120, Some(Role::Manager))];
    scenario.script = vec![
        // Too short for it to stand for election, which would topple the leader when it is back.
        script(60, Order::Break(NetworkFault::Isolated, vec![2].into())),
        script(65, Order::Mend(vec![2].into())),
        script(150, Order::RemoveNode(vec![3].into(), true)),
        script(180, Order::Break(NetworkFault::Isolated, vec![2, 3].into())),
    ];
    let outcome = run(&scenario);
    assert_eq!(is(&outcome, "majority_losses"), 1.0);
    near(is(&outcome, "leaderless_share"), 420.0 / 600.0, 1e-9);
    let refused = outcome.marks.iter().find(|mark| mark.kind == "refused").expect("it is a member");
    assert!(refused.label.ends_with("It must be demoted to worker before removal"), "{}", refused.label);
}

#[test]
fn operators_scale_and_release_by_chance() {
    let mut scenario = cluster(3);
    scenario.services = vec![service("web", 3)];
    let every = fixed(50_000);
    let operator = |habit| OperatorPlan { name: "web".into(), service: 0, every, from: secs(0), until: None, habit };
    let (good, bad) = (vec!["web:r1".to_string(), "web:r2".to_string()], vec!["web:bad1".to_string()]);
    scenario.operators = vec![operator(Habit::Release { good, bad, chance: 0.0 })];
    scenario.script = vec![script(210, Order::RemoveService("web".into()))];
    let outcome = run(&scenario);
    let labels = |outcome: &Outcome| -> Vec<String> {
        outcome.marks.iter().filter(|mark| mark.kind == "operator").map(|mark| mark.label.clone()).collect()
    };
    assert_eq!(labels(&outcome), ["web to web:r1", "web to web:r2", "web to web:r1", "web to web:r2"]);
    assert_eq!(is(&outcome, "tasks_created"), 15.0, "each version replaces three tasks");
    scenario.operators = vec![operator(Habit::Scale { min: 5, max: 5, step: None })];
    scenario.script.clear();
    let outcome = run(&scenario);
    assert_eq!((labels(&outcome), is(&outcome, "running_final")), (vec!["web scaled to 5".to_string()], 5.0));
}

#[test]
fn an_autoscaler_orders_what_is_missing_and_its_machines_are_new() {
    let mut scenario = cluster(5);
    let mut web = service("web", 2);
    web.spec.task.reservations.nano_cpus = 4_000_000_000;
    scenario.services = vec![web];
    scenario.models.managers.certificate = fixed(2000);
    scenario.joins = vec![JoinPlan { present: 1, at: None, ..late(&[0, 1, 2, 3, 4], 0, Some(Role::Worker)) }];
    scenario.scalers = vec![ScalerPlan {
        pool: "late".into(),
        nodes: vec![0, 1, 2, 3, 4],
        present: 1,
        min: 1,
        room: (4_000_000_000, 8_000_000_000),
        every: Span::from_secs(10),
        pending_for: Span::from_secs(10),
        provision: fixed(90_000),
        below: 0.5,
        idle_for: Span::from_secs(60),
    }];
    scenario.script = vec![
        script(150, Order::Scale("web".into(), 1)),
        script(300, Order::Scale("web".into(), 3)),
        script(550, Order::Scale("web".into(), 9)),
    ];
    let outcome = run(&scenario);
    let marks: Vec<(f64, &str)> = outcome
        .marks
        .iter()
        .filter(|mark| mark.kind == "autoscaler")
        .map(|mark| (mark.time_s, mark.label.as_str()))
        .collect();
    assert_eq!(marks[0], (10.0, "n1 ordered"));
    // Ready at 102 s; its task is told to stop at 150 s, so that it is unneeded from 160 s on.
    let given_back = marks.iter().find(|mark| mark.1.ends_with("drained")).expect("one is not needed");
    assert_eq!(given_back.0, 220.0);
    let again: Vec<f64> = marks.iter().filter(|mark| mark.1.ends_with("ordered")).map(|mark| mark.0).skip(1).collect();
    assert_eq!(again, [310.0, 310.0, 560.0, 560.0], "and no more than there may be");
    assert_eq!((is(&outcome, "nodes_final"), is(&outcome, "running_final")), (3.0, 3.0));
}

#[test]
fn an_autoscaler_does_not_wait_for_the_tasks_of_a_machine_that_is_lost() {
    let removed = |is_lost: bool| {
        let mut scenario = cluster(2);
        // Whatever stops takes two minutes for it.
        scenario.models.daemon.stop = fixed(120_000);
        let mut web = service("web", 2);
        web.spec.task.reservations.nano_cpus = 1_000_000_000;
        web.spec.task.container.stop_grace = Some(Span::from_secs(200));
        scenario.services = vec![web];
        scenario.scalers = vec![ScalerPlan {
            pool: "node".into(),
            nodes: vec![0, 1],
            present: 2,
            min: 1,
            room: (4_000_000_000, 8_000_000_000),
            every: Span::from_secs(10),
            pending_for: Span::from_secs(10),
            provision: fixed(90_000),
            below: 0.5,
            idle_for: Span::from_secs(60),
        }];
        if is_lost {
            scenario.script = vec![script(80, Order::PowerOff(vec![0].into()))];
        }
        let outcome = run(&scenario);
        let marks: Vec<(f64, &str)> = outcome
            .marks
            .iter()
            .filter(|mark| mark.kind == "autoscaler")
            .map(|mark| (mark.time_s, mark.label.as_str()))
            .collect();
        assert_eq!((marks.len(), marks[0], marks[1].1), (2, (70.0, "n0 drained"), "n0 removed"), "{marks:?}");
        assert_eq!((is(&outcome, "nodes_final"), is(&outcome, "running_final")), (1.0, 2.0));
        marks[1].0
    };
    // Two minutes after the drain its task has stopped; lost at 80 s, it is noticed 9 to 16.5 s later.
    assert_eq!((removed(false), removed(true)), (200.0, 100.0));
}

/// Whatever breaks in whatever order, a cluster that is whole again heals: sessions, leaders and tables come together.
#[test]
fn a_cluster_heals_when_everything_is_whole_again() {
    for seed in 0..24_u64 {
        // A generator of its own: what happens must not depend on the streams of the run.
        let mut state = seed * 2 + 1;
        let mut draw = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % end
        };
        let mut events = String::new();
        for _ in 0..80 {
            let at = 60 + draw(1740);
            let rack = draw(3);
            let who = if draw(3) == 0 { format!("rack=r{rack}") } else { format!("n-{}", 1 + draw(9)) };
            let what = match draw(9) {
                0 | 1 => format!("cut = \"{who}\""),
                2 => format!("mute = \"{who}\""),
                3 => format!("deaf = \"{who}\""),
                4 => format!("split = \"{who}\""),
                5 => format!("mend = \"{who}\""),
                6 => format!("weaken = {{ nodes = \"{who}\", loss = 0.3, delay = \"200ms\" }}"),
                7 => format!("down = \"{who}\""),
                _ => format!("up = \"{who}\""),
            };
            events += &format!("[[event]]\nat = \"{at}s\"\n{what}\n");
        }
        let text = format!(
            r#"
            duration = "1h"
            seed = {seed}
            [gossip]
            [[pool]]
            name = "n"
            count = 9
            role = "manager"
            labels = {{ rack = "r{{i%3}}" }}
            [[service]]
            name = "web"
            image = "web"
            replicas = 12
            networks = ["net"]
            [[service]]
            name = "agent"
            image = "agent"
            mode = "global"
            [[requests]]
            service = "web"
            every = {{ exponential = {{ mean = "1s" }} }}
            takes = "10ms"
            {events}
            [[event]]
            at = "31m"
            mend = "all"
            [[event]]
            at = "31m"
            weaken = {{ nodes = "all", loss = 0 }}
            [[event]]
            at = "31m"
            up = "all"
            [[event]]
            at = "50m"
            kill = {{ web = 5 }}
            "#
        );
        let outcome = run(&told(&text));
        assert_eq!(is(&outcome, "running_final"), 21.0, "seed {seed}");
        let restarted = outcome.tasks.iter().filter(|task| task.created_s >= 3000.0).count();
        assert_eq!(restarted, 5, "seed {seed}: those that were killed are replaced, and nothing else happens any more");
    }
}

/// A pull goes on, whatever becomes of its node, its task and the layers around it.
#[test]
fn whatever_happens_to_a_node_its_pulls_end() {
    for seed in 0..40_u64 {
        let mut state = seed * 2 + 1;
        let mut draw = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % end
        };
        let mut events = String::new();
        for _ in 0..60 {
            let (at, who, web) = (draw(120_000), ["n-1", "n-2", "n-3", "all"][draw(4) as usize], draw(4));
            let what = match draw(12) {
                0 | 1 => format!("remove_node = \"{who}\""),
                2 | 3 => format!("join = \"{who}\""),
                4 => format!("down = \"{who}\""),
                5 => format!("up = \"{who}\""),
                6 => format!("restart = \"{who}\""),
                7 => format!("drain = \"{who}\""),
                8 => format!("activate = \"{who}\""),
                9 => format!("scale = {{ web = {web} }}"),
                10 => format!("registry = \"{}\"", ["up", "down"][draw(2) as usize]),
                _ => format!("{} = \"{who}\"", ["cut", "mend"][draw(2) as usize]),
            };
            events += &format!("[[event]]\nat = \"{at}ms\"\n{what}\n");
        }
        let (keep, mirror) = (seed % 2 == 0, ["none", "rack", "all"][seed as usize % 3]);
        let text = format!(
            r#"
            duration = "10m"
            replications = 1
            seed = {seed}
            registry = {{ cache = "20MiB", bandwidth = "80Mbit/s", mirror = "{mirror}" }}
            pool = [{{ name = "n", count = 3, labels = {{ rack = "r{{i/2}}" }} }}]
            image = [
                {{ name = "job", layers = [{{ digest = "a", size = "6MiB" }}, {{ digest = "base", size = "7MiB" }}, "5MiB"] }},
                {{ name = "web", layers = [{{ digest = "base", size = "7MiB" }}, "9MiB", {{ digest = "a", size = "6MiB" }}] }},
                {{ name = "odd", layers = ["8MiB", {{ digest = "base", size = "7MiB" }}], corrupt = 1 }},
            ]
            service = [{{ name = "web", image = "web", replicas = 3 }}, {{ name = "odd", image = "odd", mode = "global" }}]
            [[arrivals]]
            every = {{ exponential = {{ mean = "1s" }} }}
            until = "2m"
            service = {{ name = "job", image = "job", mode = "replicated-job", exits = {{ after = "0s" }} }}
            {events}
            [daemon]
            keep_cache = {keep}
            boot = "2s"
            "#
        );
        let scenario = sim::scenario::parse("told.toml".as_ref(), &text);
        run(&scenario.unwrap_or_else(|complaints| panic!("{complaints}")));
    }
}

#[test]
fn a_global_service_that_starts_first_wants_one_task_on_each_node() {
    let text = |order: &str| {
        format!(
            "duration = \"10m\"\nreplications = 1\n[[pool]]\nname = \"n\"\ncount = 5\n[[service]]\nname = \"agent\"\n\
             image = \"agent:1\"\nmode = \"global\"\nupdate = {{ order = \"{order}\" }}\n\
             [[event]]\nat = \"60s\"\nupdate_image = {{ agent = \"agent:2\" }}\n"
        )
    };
    let outcome = |order: &str| {
        run(&sim::scenario::parse(std::path::Path::new("agent.toml"), &text(order)).expect("a good scenario"))
    };
    let first = outcome("start-first");
    assert_eq!((is(&first, "availability"), is(&first, "replica_seconds_lost")), (1.0, 0.0));
    assert_eq!((is(&first, "tasks_desired"), is(&first, "running_min")), (5.0, 5.0));
    assert!(is(&outcome("stop-first"), "availability") < 1.0);
}

#[test]
fn a_global_service_loses_no_replicas_with_a_machine() {
    let outcome = run(&told(
        r#"
        duration = "3m"
        pool = [{ name = "w", count = 2 }]
        service = [{ name = "agent", image = "agent", mode = "global" }]
        event = [{ at = "60s", down = "w-1" }]
        "#,
    ));
    assert_eq!((is(&outcome, "node_failures"), is(&outcome, "replicas_lost")), (1.0, 0.0));
    assert_eq!(is(&outcome, "failover_lost_s"), 0.0);
}

/// A service of one replica and one spare on three machines, after a minute, with the machines of both.
fn with_a_spare() -> (Simulation, usize, usize) {
    let scenario = told(
        r#"
        duration = "5m"
        pool = [{ name = "w", count = 3 }]
        service = [{ name = "web", image = "web", replicas = 1 }]
        strategy = [{ name = "kept", failover = "standby", standby = { spares = 1 } }]
        "#,
    );
    let mut run = Simulation::new(scenario, "kept", 1).expect("the strategy is the scenario's");
    run.run_until(secs(60));
    let node_of = |desired: DesiredState| {
        let task = run.tasks("web").into_iter().find(|task| task.desired == desired).expect("there is one");
        task.node.expect("it has a node")
    };
    let nodes = (node_of(DesiredState::Running), node_of(DesiredState::Ready));
    assert_ne!(nodes.0, nodes.1);
    (run, nodes.0, nodes.1)
}

#[test]
fn a_spare_that_goes_elsewhere_is_no_replica_on_another_node() {
    let (mut run, _, spare) = with_a_spare();
    let name = run.scenario().nodes[spare].spec.id.clone();
    run.order(Order::SetAvailability(name.as_str().into(), Availability::Drain)).expect("there is such a node");
    let outcome = run.finish();
    let places: std::collections::BTreeSet<&str> = outcome.tasks.iter().map(|task| task.node.as_str()).collect();
    assert_eq!(places.len(), 3, "the spare is on the third machine");
    assert_eq!((is(&outcome, "node_changes"), is(&outcome, "moves")), (0.0, 0.0));
    near(is(&outcome, "spares_mean"), 1.0, 0.05);
}

#[test]
fn a_spare_that_takes_a_slot_is_none_any_more() {
    let (mut run, main, _) = with_a_spare();
    let name = run.scenario().nodes[main].spec.id.clone();
    run.order(Order::SetAvailability(name.as_str().into(), Availability::Drain)).expect("there is such a node");
    let outcome = run.finish();
    assert_eq!(is(&outcome, "node_changes"), 1.0, "the replica is where the spare was");
    near(is(&outcome, "spares_mean"), 1.0, 0.05);
}

#[test]
fn a_cluster_has_not_converged_before_a_node_that_returns_late_has_its_tasks() {
    let mut scenario = cluster(3);
    let mut agent = service("agent", 1);
    agent.spec.mode = Mode::Global;
    scenario.services = vec![agent];
    scenario.script = vec![script(100, Order::PowerOff(vec![1].into())), script(300, Order::PowerOn(vec![1].into()))];
    let outcome = run(&scenario);
    // The machine boots for longer than a cluster must be as wanted to have converged, and the manager knows that it was down.
    let last = outcome.tasks.iter().filter_map(|task| task.running_s).fold(0.0, f64::max);
    assert!(330.0 < last, "{last}");
    let converged = is(&outcome, "time_to_converge_s");
    assert!((30.0..=last - 300.0).contains(&converged), "{converged}, the last task runs at {last}");
}

#[test]
fn what_an_update_replaces_is_no_restart_and_what_is_lost_or_drained_is_one() {
    let mut scenario = cluster(3);
    scenario.services = vec![service("web", 6)];
    scenario.script = vec![
        script(100, Order::Force("web".into())),
        script(250, Order::Scale("web".into(), 3)),
        script(300, Order::Scale("web".into(), 6)),
    ];
    let outcome = run(&scenario);
    assert_eq!((is(&outcome, "tasks_created"), is(&outcome, "restarts")), (15.0, 0.0));
    assert_eq!(outcome.services[0].restarts, 0);
    scenario.script = vec![
        script(100, Order::SetAvailability(vec![0].into(), Availability::Drain)),
        script(200, Order::PowerOff(vec![1].into())),
        script(300, Order::Kill(Containers::Some("web".into(), 1))),
    ];
    let outcome = run(&scenario);
    assert_eq!((is(&outcome, "tasks_created"), is(&outcome, "restarts")), (12.0, 6.0));
    assert_eq!(outcome.services[0].restarts, 6);
}

#[test]
fn a_service_that_is_done_misses_nothing() {
    let text = |end: &str| {
        format!(
            r#"
            duration = "10m"
            [[pool]]
            name = "n"
            count = 2
            [[service]]
            name = "migrate"
            image = "app"
            replicas = 2
            restart = {{ condition = "none" }}
            exits = {end}
            "#
        )
    };
    let outcome = run(&told(&text(r#"{ after = "5s" }"#)));
    assert!(is(&outcome, "availability") > 0.95, "{:?}", value(&outcome, "availability"));
    assert_eq!((is(&outcome, "tasks_desired"), is(&outcome, "state_complete")), (0.0, 2.0));
    // Who fails and is not started again is missed.
    let outcome = run(&told(&text(r#"{ after = "5s", code = 1 }"#)));
    assert!(is(&outcome, "availability") < 0.05, "{:?}", value(&outcome, "availability"));
    assert_eq!(is(&outcome, "tasks_desired"), 2.0);
}
