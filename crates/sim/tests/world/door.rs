//! The door: orders by hand and by a file, refusals, conditions and selectors.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sched::{Span, Time};
use sim::order::{Change, Client, Containers, Edit, FileKind, FilePlan, List, Nodes, Order, Receipt};
use sim::scenario::{self, Scenario};
use sim::simulation::Simulation;

/// Three managers, six workers in two racks, two machines that may join, three services.
const CLUSTER: &str = r#"
duration = "20m"
replications = 1

[[pool]]
name = "m"
count = 3
role = "manager"

[[pool]]
name = "w"
count = 6
labels = { rack = "r{i/3}" }

[[pool]]
name = "late"
count = 2
join = {}

[[network]]
name = "front"

[[service]]
name = "web"
image = "web:1"
replicas = 6
networks = ["front"]
ports = ["8080:80"]

[[service]]
name = "db"
image = "db:1"
replicas = 2

[[service]]
name = "agent"
image = "agent:1"
mode = "global"
"#;

/// What happens, every twelve seconds and a bit, so that nothing else happens at the same instant.
const ORDERS: &[&str] = &[
    r#"scale = { web = 8 }"#,
    r#"update_image = { web = "web:2" }"#,
    r#"update = { db = { env = { MODE = "new" }, limit = { memory = "64MiB" }, add = { constraints = ["node.role == worker"] } } }"#,
    r#"force = "db""#,
    r#"rollback = "web""#,
    r#"create_network = "made""#,
    r#"update = { db = { networks = ["made"] } }"#,
    r#"remove_network = "made""#,
    r#"create_config = { name = "page-1", content = "1" }"#,
    r#"update = { web = { configs = ["page-1"] } }"#,
    r#"remove_config = "page-1""#,
    r#"rotate_config = { from = "page-1", to = "page-2" }"#,
    r#"create_secret = "key""#,
    r#"remove_secret = "key""#,
    r#"drain = "w-1""#,
    r#"pause = "w-2""#,
    r#"activate = ["w-1", "w-2"]"#,
    r#"node_labels = { nodes = "w-1", set = { rack = "r9" }, remove = ["no"] }"#,
    r#"engine = { nodes = "w-2", memory = "4GiB", labels = { disk = "ssd" } }"#,
    r#"promote = "w-3""#,
    r#"demote = "w-3""#,
    r#"kill = { web = 2 }"#,
    r#"kill = "web.2""#,
    r#"restart_container = "db""#,
    r#"pause_container = "web""#,
    r#"unpause_container = "web""#,
    r#"down = "w-4""#,
    r#"up = "w-4""#,
    r#"stop_engine = "w-5""#,
    r#"start_engine = "w-5""#,
    r#"kill_engine = "w-6""#,
    r#"start_engine = "w-6""#,
    r#"restart = "w-1""#,
    r#"restart_live = "w-2""#,
    r#"crash = "w-3""#,
    r#"reboot = "w-4""#,
    r#"cut = "w-2""#,
    r#"mend = "w-2""#,
    r#"split = "rack=r1""#,
    r#"mend = "all""#,
    r#"weaken = { nodes = "w-1", loss = 0.5 }"#,
    r#"slow = { nodes = "w-1", factor = 3 }"#,
    r#"registry = { bandwidth = "10MB/s" }"#,
    r#"registry = { move_tag = { "db:1" = "db:2" } }"#,
    r#"registry = "down""#,
    r#"registry = "up""#,
    r#"rotate_token = "worker""#,
    r#"join = "late-1""#,
    r#"swarm = { task_history = 2, heartbeat = "3s" }"#,
    r#"leave = "random 1 of rack=r1 - nodes with service=db""#,
    r#"remove_node = "w-1""#,
    r#"scale = { db = 5 }"#,
    r#"join = "w-1""#,
    r#"deploy = { name = "app", files = "../stacks/app-1.yml" }"#,
    r#"deploy = { name = "app", files = "../stacks/app-2.yml", prune = true }"#,
    r#"rollback = "app""#,
    r#"remove = "app""#,
    r#"remove = "db""#,
    r#"swarm = { autolock = true }"#,
    r#"restart = "m-2""#,
    r#"unlock = "m-2""#,
    r#"swarm = { autolock = false }"#,
    r#"leave = "m-3""#,
    r#"join = { nodes = "m-3", token = "manager", hostname = "m-4" }"#,
    r#"demote = { nodes = "m-3", ghosts = true }"#,
    r#"remove_node = { nodes = "m-3", ghosts = true }"#,
    r#"restart = "leader""#,
    r#"down = ["m-2", "m-3"]"#,
    r#"force_new_cluster = "m-1""#,
    r#"scale = { web = 3 }"#,
];

fn at(number: usize) -> Span {
    Span::from_nanos((number as u64 + 1) * 12_000_000_000 + 1_234_567)
}

fn parsed(text: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/incidents/door.toml");
    scenario::parse(&path, text).unwrap_or_else(|complaints| panic!("{complaints}"))
}

fn begin(scenario: &Scenario) -> Simulation {
    Simulation::new(scenario.clone(), "spread", 1).expect("a strategy of the list")
}

fn ended(mut run: Simulation) -> Simulation {
    while run.step() {}
    run
}

#[test]
fn orders_by_hand_are_those_of_a_file() {
    let mut text = CLUSTER.to_string();
    for (number, order) in ORDERS.iter().enumerate() {
        text += &format!("[[event]]\nat = \"{}ns\"\n{order}\n", at(number).as_nanos());
    }
    let scenario = parsed(&text);
    assert_eq!(scenario.script.len(), ORDERS.len());
    let kinds: BTreeSet<String> =
        scenario.script.iter().map(|scripted| format!("{:?}", std::mem::discriminant(&scripted.order))).collect();
    assert!(40 <= kinds.len(), "only {} kinds of orders", kinds.len());

    let file = ended(begin(&scenario));
    let mut hand = begin(&Scenario { script: Vec::new(), ..scenario.clone() });
    for scripted in &scenario.script {
        hand.run_until(scripted.at);
        assert_eq!(hand.now(), scripted.at);
        let _ = hand.order(scripted.order.clone());
        hand = hand.clone();
    }
    let hand = ended(hand);
    let answers = |run: &Simulation, by: Client| -> Vec<_> {
        let of = run.orders().iter().filter(|record| record.by == by);
        of.map(|record| (record.at, record.order.clone(), record.answer.clone())).collect()
    };
    assert_eq!(answers(&hand, Client::Hand), answers(&file, Client::Script));
    assert_eq!(hand.digest(), file.digest());
    let refused = answers(&file, Client::Script)
        .into_iter()
        .filter_map(|answer| answer.2.err())
        .map(|refusal| refusal.to_string());
    assert_eq!(
        refused.collect::<Vec<_>>(),
        ["network made is in use by service db", "config 'page-1' is in use by the following service: web",],
    );
    assert_eq!(file.service("web").expect("it was not removed").running, 3);
}

/// A run at two minutes.
fn running(more: &str) -> Simulation {
    let mut run = begin(&parsed(&format!("{CLUSTER}{more}")));
    run.run_until(Time::ZERO + Span::from_secs(120));
    run
}

fn refused(run: &mut Simulation, order: Order) -> String {
    run.order(order).expect_err("it is refused").to_string()
}

#[test]
fn refusals_have_dockers_words() {
    let run = &mut running("");
    let cases = [
        (Order::Scale("wbe".into(), 3), "service wbe not found"),
        (Order::Rollback("web".into()), "service web does not have a previous spec"),
        (Order::PowerOff("w-9".into()), "node w-9 not found"),
        (Order::SetAvailability("late-1".into(), sched::spec::Availability::Drain), "node late-1 not found"),
        (Order::RemoveNode("w-1".into(), false), "node w-1 is not down and can't be removed"),
        (Order::Leave("late-1".into()), "This node is not part of a swarm"),
        (Order::RemoveStack("app".into()), "Nothing found in stack: app"),
        (Order::RemoveNetwork("back".into()), "network back not found"),
        (Order::Kill(Containers::Of("web.77".into())), "No such container: web.77"),
    ];
    for (order, words) in cases {
        assert_eq!(refused(run, order), words);
    }
    let manager = refused(run, Order::RemoveNode("m-1".into(), true));
    assert!(manager.ends_with("It must be demoted to worker before removal"), "{manager}");
    let network = Change { edits: vec![Edit::Add(List::Networks, vec!["nowhere".into()])] };
    assert_eq!(refused(run, Order::UpdateService("web".into(), network.into())), "network nowhere not found");
    let mut other = (*run.service("web").expect("it runs").spec).clone();
    other.name = "other".into();
    let other = Order::CreateService(sim::order::NewService::new(other).into());
    assert!(refused(run, other).starts_with("port '8080' is already in use by service 'web'"));
    for node in ["m-2", "m-3"] {
        assert_eq!(run.order(Order::PowerOff(node.into())), Ok(Receipt::Done), "nature asks nobody");
    }
    assert!(!run.is_led());
    assert!(run.orders().iter().filter(|record| record.by == Client::Hand).all(|record| record.at == run.now()));
}

#[test]
fn orders_without_a_leader_hang_and_end_in_the_words_of_docker() {
    let mut run = running("");
    for node in ["m-2", "m-3"] {
        run.order(Order::PowerOff(node.into())).expect("nature asks nobody");
    }
    let lost = run.now();
    let after = |run: &mut sim::simulation::Simulation, secs: u64| {
        run.run_until(lost + Span::from_secs(secs));
        run.order(Order::Scale("web".into(), secs))
    };
    // The leader writes it down and waits for the others, until it gives up after 10 to 20 of its ticks. So long it answers whoever
    // asks what there is.
    assert_eq!(after(&mut run, 0), Ok(Receipt::Waits));
    assert_eq!(run.asked(), Ok(Receipt::Done));
    run.run_until(lost + Span::from_secs(9));
    assert_eq!(run.asked(), Ok(Receipt::Done));
    // The next one is asked for by a manager that knows of no leader, and looks for one until the time of the call is up.
    assert_eq!(after(&mut run, 21), Ok(Receipt::Waits));
    assert_eq!(run.asked(), Ok(Receipt::Waits));
    // And ten ticks after it knows of none it does not look any more.
    let refusal = after(&mut run, 32).expect_err("it is refused");
    assert!(refusal.to_string().starts_with("The swarm does not have a leader."), "{refusal}");
    assert_eq!(run.asked(), Err(refusal));
    // Half a minute of work on the way back, then one of three leads and whatever waits is done.
    run.run_until(lost + Span::from_secs(60));
    let answers: Vec<(f64, String)> = run
        .orders()
        .iter()
        .filter_map(|record| match (&record.order, &record.answer) {
            (Order::Scale(_, to), Err(refusal)) => Some(((record.at - lost).as_secs_f64(), format!("{to}: {refusal}"))),
            _ => None,
        })
        .collect();
    assert!((10.0..=20.0).contains(&answers[0].0) && answers[0].1 == "0: node lost leader status", "{answers:?}");
    assert_eq!(answers[2], (41.0, "21: context deadline exceeded".into()), "{answers:?}");
    assert!(answers[1].0 == 32.0 && answers[1].1.starts_with("32: The swarm does not"), "{answers:?}");
    // A majority that comes back in time lets a leader carry out what it has written down.
    let mut run = running("");
    let cut = |fault| Order::Break(fault, Nodes::Union(vec!["m-2".into(), "m-3".into()]));
    run.order(cut(sim::fact::NetworkFault::Isolated)).expect("nature asks nobody");
    let lost = run.now();
    assert_eq!(run.order(Order::Scale("web".into(), 2)), Ok(Receipt::Waits));
    run.run_until(lost + Span::from_secs(3));
    run.order(Order::Mend(Nodes::Union(vec!["m-2".into(), "m-3".into()]))).expect("nature asks nobody");
    run.run_until(lost + Span::from_secs(10));
    let scaled = run.orders().iter().find(|record| matches!(record.order, Order::Scale(..))).expect("it was given");
    let took = (scaled.at - lost).as_secs_f64();
    assert!(scaled.answer == Ok(Receipt::Done) && (3.0..9.0).contains(&took), "{took}");
}

#[test]
fn what_restarts_tasks_is_what_is_part_of_them() {
    let edits = |edit: Edit| Order::UpdateService("web".into(), Change { edits: vec![edit] }.into());
    let replaced = |order: Order| {
        let mut run = running("");
        run.order(order).expect("there is a leader");
        run.run_until(Time::ZERO + Span::from_secs(900));
        assert_eq!(run.service("web").expect("it is there").running, 6);
        run.tasks("web").iter().filter(|task| task.instance > 1).count()
    };
    let labels = sim::order::LabelChange { set: [("a".into(), "b".into())].into(), ..Default::default() };
    let pace = sim::order::UpdateEdit { parallelism: Some(3), ..Default::default() };
    assert_eq!(replaced(edits(Edit::ChangeLabels(labels.clone()))), 0, "labels of the service");
    assert_eq!(replaced(edits(Edit::Update(pace))), 0, "the way it is updated");
    assert_eq!(replaced(edits(Edit::ChangeContainerLabels(labels))), 6, "labels of the containers");
    assert_eq!(replaced(edits(Edit::Add(List::Env, vec!["A=b".into()]))), 6, "the environment");
    assert_eq!(replaced(edits(Edit::StopGrace(Span::from_secs(3)))), 6, "the stop grace period");
    assert_eq!(replaced(edits(Edit::RemovePorts(vec![80]))), 6, "published ports");
    assert_eq!(replaced(Order::Force("web".into())), 6, "by force");
}

#[test]
fn events_wait_for_what_they_wait_for() {
    let run = running(
        r#"
        [[event]]
        name = "update"
        at = "130s"
        update = { web = { image = "web:bad", update = { monitor = "30s" } } }
        [[image]]
        name = "web:bad"
        size = "1MB"
        exits = { after = "1s", code = 1 }
        [[event]]
        when = "update of web paused"
        after = "10s"
        rollback = "web"
        [[event]]
        when = "web converged"
        at = "140s"
        name = "calm"
        down = "leader"
        [[event]]
        follows = "calm"
        after = "5s"
        scale = { db = 4 }
        [[event]]
        when = "leader elected"
        kill = "db"
        "#,
    );
    let run = ended(run);
    let times: Vec<(f64, String)> = run
        .orders()
        .iter()
        .filter(|record| record.by == Client::Script)
        .map(|record| (record.at.as_secs_f64(), format!("{:?}", record.order).chars().take(6).collect()))
        .collect();
    let names: Vec<&str> = times.iter().map(|entry| entry.1.as_str()).collect();
    assert_eq!(names, ["Update", "Rollba", "PowerO", "Kill(S", "Scale("], "{times:?}");
    let gap = |one: usize, other: usize| times[other].0 - times[one].0;
    assert!(gap(0, 1) > 10.0 && gap(1, 2) > 1.0, "{times:?}");
    assert!(gap(2, 3) >= 8.0, "it takes the managers some time to elect another: {times:?}");
    // Given 5 s after the loss, it waits for a leader, which is looked for every second.
    assert!(gap(3, 4) < 1.0 && (gap(2, 4) - gap(2, 4).round()).abs() < 1e-6, "{times:?}");
    let scaled = run.orders().iter().find(|record| matches!(record.order, Order::Scale(..))).expect("it was given");
    assert_eq!(scaled.answer, Ok(Receipt::Done), "there is a leader then");
}

#[test]
fn a_majority_is_back_only_after_it_was_lost() {
    let events = r#"
        [[event]]
        at = "3m"
        down = ["m-1", "m-2"]
        [[event]]
        at = "4m"
        up = ["m-1", "m-2"]
        [[event]]
        when = "majority back"
        drain = "w-1"
        [[event]]
        at = "10m"
        remove = "db"
        [[event]]
        at = "11m"
        scale = { db = 3 }
        "#;
    let run = ended(running(events));
    let drained = run.orders().iter().find(|record| matches!(record.order, Order::SetAvailability(..)));
    let at = drained.expect("it was ordered").at.as_secs_f64();
    assert!(240.0 < at && at < 420.0, "{at}");
    // Managers may be lost, so whether a service is removed is known in the run.
    let scaled = run.orders().iter().find(|record| matches!(record.order, Order::Scale(..))).expect("it was given");
    assert_eq!(
        scaled.answer.as_ref().err().map(|refusal| refusal.to_string()).as_deref(),
        Some("service db not found")
    );
}

#[test]
fn configs_have_the_names_that_swarm_allows() {
    let mut run = running("");
    let invalid =
        "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]";
    for (name, refusal) in
        [("", Some("name must be provided")), ("a b", Some(invalid)), ("-a", Some(invalid)), ("a.b-1", None)]
    {
        let plan = FilePlan { kind: FileKind::Config, name: name.into(), content: None, external: false };
        let answer = run.order(Order::CreateFile(plan.into()));
        assert_eq!(answer.err().map(|refusal| refusal.to_string()).as_deref(), refusal, "{name:?}");
    }
}

#[test]
fn an_event_may_name_what_a_later_one_in_the_file_deploys() {
    let folder = folder("forward", &[("s.yml", "services:\n  a:\n    image: nginx\n")]);
    let text = format!(
        "{CLUSTER}\n[[event]]\nat = \"2m\"\nscale = {{ s_a = 3 }}\n[[event]]\nat = \"1m\"\n\
         deploy = {{ name = \"s\", files = \"s.yml\" }}\n"
    );
    let scenario = scenario::parse(&folder.join("forward.toml"), &text).expect("a good scenario");
    let run = ended(begin(&scenario));
    assert_eq!(run.service("s_a").expect("it was deployed").running, 3);
}

#[test]
fn who_is_not_heard_of_becomes_no_member_of_raft_until_it_is() {
    let events = r#"
        [[event]]
        at = "1m"
        down = "w-1"
        [[event]]
        at = "100s"
        promote = "w-1"
        [[event]]
        at = "110s"
        down = "m-2"
        [[event]]
        at = "5m"
        up = ["w-1", "m-2"]
        [[event]]
        at = "10m"
        down = ["m-1", "m-2"]
        "#;
    let mut run = running(events);
    run.run_until(Time::ZERO + Span::from_secs(200));
    assert!(run.is_led(), "two of three managers are there");
    run.run_until(Time::ZERO + Span::from_secs(599));
    assert!(run.is_led());
    let run = ended(run);
    let lost = run.orders().iter().filter(|record| record.answer.is_err()).count();
    assert_eq!(lost, 0);
    assert!(!run.is_led(), "two of the four that are members by then have no majority");
}

#[test]
fn selectors_of_the_moment_find_who_is_meant_then() {
    let pick = |strategy: &str, order: &Order| {
        let mut run = Simulation::new(parsed(CLUSTER), strategy, 1).expect("a strategy of the list");
        run.run_until(Time::ZERO + Span::from_secs(120));
        run.order(order.clone()).expect("nature asks nobody");
        let down = run.nodes().filter(|node| !node.has_power).map(|node| node.spec.id.clone());
        down.collect::<Vec<_>>()
    };
    let workers = || Nodes::Rows((3..9).collect());
    let random = Nodes::Random { count: 2, of: Box::new(workers()), stream: "loss".into() };
    let one = pick("spread", &Order::PowerOff(random.clone()));
    assert_eq!(one.len(), 2);
    assert_eq!(pick("binpack", &Order::PowerOff(random)), one, "the same for every strategy");
    assert_eq!(pick("spread", &Order::PowerOff(Nodes::Leader)), ["m-1"]);
    let with = Nodes::Except(Box::new(Nodes::Reachable), Box::new(Nodes::With("web".into())));
    let mut run = running("");
    let rows: BTreeSet<usize> = run.tasks("web").iter().filter_map(|task| task.node).collect();
    let others = run.nodes().filter(|node| node.is_there && !rows.contains(&node.row));
    let others: Vec<String> = others.map(|node| node.spec.id.clone()).collect();
    assert_eq!(pick("spread", &Order::PowerOff(with)), others);
    assert!(refused(&mut run, Order::PowerOff(Nodes::With("wbe".into()))).contains("service wbe not found"));
}

#[test]
fn a_fork_goes_its_own_way() {
    let scenario = Arc::new(parsed(CLUSTER));
    let mut run = Simulation::new(Arc::clone(&scenario), "spread", 1).expect("a strategy of the list");
    run.run_until(Time::ZERO + Span::from_secs(120));
    let whole = Simulation::new(scenario, "spread", 1).expect("a strategy of the list").finish();
    let mut other = run.clone();
    other.order(Order::PowerOff(Nodes::With("web".into()))).expect("nature asks nobody");
    assert_ne!(other.digest(), run.digest());
    assert_eq!(run.finish(), whole, "what happens to a clone does not happen to its original");
    assert_ne!(other.finish().values, whole.values);
}

#[test]
fn a_machine_that_left_or_was_removed_joins_again_without_its_containers() {
    let mut run = running("");
    let at = |secs: u64| Time::ZERO + Span::from_secs(secs);
    let processes = |run: &Simulation, node: &str| run.node(node).expect("it is a node").processes;
    assert!(processes(&run, "w-1") > 0 && processes(&run, "w-2") > 0);
    run.order(Order::Leave("w-1".into())).expect("it is a member");
    run.order(Order::RemoveNode("w-2".into(), true)).expect("there is a leader");
    assert_eq!(processes(&run, "w-1"), 0, "the containers of a node that leaves go at once");
    assert!(processes(&run, "w-2") > 0, "those of a node that is removed live on");
    run.run_until(at(200));
    assert_eq!((processes(&run, "w-1"), processes(&run, "w-2") > 0), (0, true));
    assert!(run.node("w-1").is_some_and(|node| node.is_there && node.spec.state == sched::spec::NodeState::Down));
    assert_eq!(run.service("web").expect("it is there").running, 6, "all of them elsewhere");
    // One of them is off for a while; both join.
    run.order(Order::PowerOff("w-1".into())).expect("nature asks nobody");
    run.run_until(at(220));
    run.order(Order::PowerOn("w-1".into())).expect("nature asks nobody");
    run.run_until(at(300));
    assert_eq!(
        run.order(Order::Join(Nodes::Union(vec!["w-1".into(), "w-2".into()]), Arc::default())),
        Ok(Receipt::Done)
    );
    assert_eq!(processes(&run, "w-2"), 0, "who joins anew has left before");
    run.run_until(at(400));
    for node in ["w-1", "w-2"] {
        let node = run.node(node).expect("it is a node");
        assert!(node.is_there && node.is_connected, "{node:?}");
        assert_eq!(node.spec.state, sched::spec::NodeState::Ready);
        assert_eq!(node.processes, 1, "the global service has its task there, and nothing moved back");
    }
}

#[test]
fn the_history_of_a_swarm_is_as_long_as_it_says() {
    let records = |history: Option<u64>| {
        let mut run = running("");
        let change = sim::order::SwarmChange { task_history: history, ..Default::default() };
        run.order(Order::UpdateSwarm(change)).expect("there is a leader");
        for secs in [130, 200, 270] {
            run.run_until(Time::ZERO + Span::from_secs(secs));
            run.order(Order::Force("db".into())).expect("there is a leader");
        }
        run.run_until(Time::ZERO + Span::from_secs(400));
        run.tasks("db").len()
    };
    assert_eq!((records(None), records(Some(2)), records(Some(1))), (2 * 4, 2 * 2, 2));
}

/// A folder of its own for the files of a test.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("door-{name}"));
    std::fs::create_dir_all(&folder).expect("a folder for tests");
    for (name, text) in files {
        std::fs::write(folder.join(name), text).expect("a file for tests");
    }
    folder
}

/// A stack file of one service with a config `page` and a secret `key`, whose contents are in these files.
fn app(page: &str, key: &str) -> String {
    format!(
        "version: '3.8'\nservices: {{web: {{image: web, configs: [page], secrets: [key], networks: [back]}}}}\n\
         networks: {{back: {{}}}}\nconfigs: {{page: {{file: {page}}}}}\nsecrets: {{key: {{file: {key}}}}}\n"
    )
}

/// The cluster with a stack that is there from the beginning, and what the script said of each of these events.
fn answers(folder: &Path, events: &[&str]) -> (Simulation, Vec<String>) {
    let mut text = format!("{CLUSTER}[[stack]]\nname = \"app\"\nfiles = \"one.yml\"\n");
    for (number, event) in events.iter().enumerate() {
        text += &format!("[[event]]\nat = \"{}s\"\n{event}\n", 60 * (number + 1));
    }
    let scenario =
        scenario::parse(&folder.join("door.toml"), &text).unwrap_or_else(|complaints| panic!("{complaints}"));
    let run = ended(begin(&scenario));
    let script = run.orders().iter().filter(|record| record.by == Client::Script);
    let said = script.map(|record| record.answer.as_ref().map_or_else(ToString::to_string, |_| String::new()));
    let said = said.collect();
    (run, said)
}

#[test]
fn what_is_in_a_config_of_a_stack_cannot_be_changed() {
    let more = "x".repeat(1000 * 1024);
    let folder = folder(
        "contents",
        &[
            ("a", "a"),
            ("same", "a"),
            ("b", "b"),
            ("empty", ""),
            ("more", &more),
            ("one.yml", &app("a", "a")),
            ("same.yml", &app("same", "a")),
            ("page.yml", &app("b", "a").replace("image: web", "image: web:2")),
            ("key.yml", &app("a", "b")),
            ("empty.yml", &app("empty", "a").replace("image: web", "image: web:3")),
            ("nowhere.yml", &app("a", "nowhere")),
            ("more.yml", &app("more", "a")),
        ],
    );
    let deploy = |name: &str, file: &str| format!("deploy = {{ name = \"{name}\", files = \"{file}.yml\" }}");
    let events = [
        deploy("app", "same"),
        deploy("app", "page"),
        deploy("app", "key"),
        deploy("app", "empty"),
        deploy("app", "nowhere"),
        deploy("other", "page"),
        deploy("large", "more"),
        deploy("nothing", "empty"),
    ];
    let (run, said) = answers(&folder, &events.each_ref().map(String::as_str));
    let daemon = "Error response from daemon: rpc error: code = InvalidArgument desc =";
    let no = |what: &str, why: &str| format!("failed to {what}: {daemon} {why}");
    let size = "config data must be larger than 0 and less than 1024000 bytes";
    assert_eq!(
        said,
        [
            String::new(),
            no("update config app_page", "only updates to Labels are allowed"),
            no("update secret app_key", "only updates to Labels are allowed"),
            String::new(),
            String::new(),
            String::new(),
            no("create config large_page", size),
            no("create config nothing_page", size),
        ]
    );
    // What is refused changes no service; an empty file says nothing, so that the rest is carried out.
    let images: Vec<String> = run.tasks("app_web").into_iter().map(|task| task.image).collect();
    assert_eq!(images, ["web", "web:3", "web"]);
    assert!(run.service("large_web").is_none());
}

#[test]
fn with_a_stack_go_its_networks_configs_and_secrets() {
    let folder = folder("removal", &[("a", "a"), ("b", "b"), ("one.yml", &app("a", "a")), ("two.yml", &app("b", "b"))]);
    let deploy = r#"deploy = { name = "app", files = "two.yml" }"#;
    let events = [
        r#"remove = "app""#,
        r#"remove_network = "app_back""#,
        r#"remove_config = "app_page""#,
        // They are not there, so that another content is no change.
        deploy,
        // Another service has them: they stay, and so does what belongs to them.
        r#"update = { db = { networks = ["app_back"], configs = ["app_page"] } }"#,
        r#"remove = "app""#,
        r#"update = { db = { networks = [], configs = [] } }"#,
        r#"remove = "app""#,
        r#"remove = "app""#,
    ];
    let (run, said) = answers(&folder, &events);
    assert_eq!(
        said,
        [
            "",
            "network app_back not found",
            "config app_page not found",
            "",
            "",
            "Failed to remove config app_page: config 'app_page' is in use by the following service: db; Failed to remove \
             network app_back: network app_back is in use by service db; failed to remove some resources from stack: app",
            "",
            "",
            "Nothing found in stack: app",
        ]
    );
    assert!(run.service("app_web").is_none());
    assert!(run.networks().iter().all(|network| &*network.name != "app_back"), "{:?}", run.networks());
}

#[test]
fn who_leaves_and_joins_again_leaves_a_ghost() {
    use sched::spec::NodeState;
    let mut run = running("");
    let at = |secs: u64| Time::ZERO + Span::from_secs(secs);
    let ghosts = |run: &Simulation| -> Vec<(sched::NodeId, String, NodeState)> {
        let record = |id: sched::NodeId| Arc::clone(&run.cluster().nodes()[id].spec);
        run.ghosts().map(|(id, _)| (id, record(id).id.clone(), record(id).state)).collect()
    };
    let tasks = |run: &Simulation, id: sched::NodeId| -> Vec<(sched::TaskState, sched::DesiredState)> {
        let records = run.cluster().tasks_on(id).filter_map(|task| run.cluster().task(task));
        records.map(|task| (task.state, task.desired)).collect()
    };
    let before: Vec<_> = run.tasks_on("w-1").into_iter().map(|task| task.id).collect();
    assert!(before.len() > 1);
    // At once: the manager hears heartbeats of neither, and does not know yet that one of them is no more.
    run.order(Order::Leave("w-1".into())).expect("it is a member");
    run.order(Order::Join("w-1".into(), Arc::default())).expect("it is no member any more");
    run.run_until(at(123));
    let [(ghost, name, state)] = &ghosts(&run)[..] else { panic!("there is one ghost") };
    let ghost = *ghost;
    assert_eq!((name.as_str(), *state), ("w-1", NodeState::Ready));
    assert!(tasks(&run, ghost).iter().all(|task| *task == (sched::TaskState::Running, sched::DesiredState::Running)));
    let no = refused(&mut run, Order::RemoveGhosts("w-1".into(), false));
    assert_eq!(no, "node w-1 is not down and can't be removed");
    run.run_until(at(180));
    assert_eq!(ghosts(&run), [(ghost, "w-1".to_string(), NodeState::Down)]);
    let node = run.node("w-1").expect("it is a node");
    assert!(node.is_there && node.is_connected && node.spec.state == NodeState::Ready, "{node:?}");
    let runs = |task: &sim::simulation::Task| task.state == sched::TaskState::Running;
    assert_eq!(run.tasks_on("w-1").iter().filter(|task| runs(task)).count(), node.processes);
    assert!(run.tasks_on("w-1").iter().any(|task| task.name.starts_with("agent.w-1#") && runs(task)));
    assert!(run.tasks_on("w-1").iter().all(|task| !before.contains(&task.id)));
    assert_eq!(run.service("web").expect("it is there").running, 6, "all of them elsewhere");
    // The history stays with the ghost.
    let left: Vec<_> = run.cluster().tasks_on(ghost).collect();
    assert_eq!(left, before);
    assert!(tasks(&run, ghost).iter().all(|task| task.1 == sched::DesiredState::Shutdown), "{:?}", tasks(&run, ghost));
    assert!(run.tasks("web").iter().any(|task| before.contains(&task.id) && task.node == Some(node.row)));
    // Once more, after it was noticed; then both go, and what the machine is now stays.
    run.order(Order::Leave("w-1".into())).expect("it is a member");
    run.run_until(at(240));
    run.order(Order::Join("w-1".into(), Arc::default())).expect("it is no member any more");
    run.run_until(at(300));
    assert_eq!(ghosts(&run).iter().map(|ghost| ghost.2).collect::<Vec<_>>(), [NodeState::Down; 2]);
    run.order(Order::PowerOff("m-1".into())).expect("nature asks nobody");
    run.run_until(at(360));
    assert_eq!(ghosts(&run).iter().map(|ghost| ghost.2).collect::<Vec<_>>(), [NodeState::Down; 2]);
    run.order(Order::RemoveGhosts("w-1".into(), false)).expect("they are down");
    assert_eq!(ghosts(&run), []);
    assert!(run.node("w-1").is_some_and(|node| node.is_there && node.processes > 0));
    assert_eq!(refused(&mut run, Order::RemoveGhosts("w-1".into(), true)), "node w-1 not found");
}

#[test]
fn ghosts_are_counted_as_nodes() {
    let nodes = |more: &str| {
        let leaves = "[[event]]\nat = \"60s\"\nleave = \"w-1\"\n[[event]]\nat = \"120s\"\njoin = \"w-1\"\n";
        let outcome = begin(&parsed(&format!("{CLUSTER}{leaves}{more}"))).finish();
        let row = sim::metrics::METRICS.iter().position(|metric| metric.name == "nodes_final").expect("a metric");
        outcome.values[row]
    };
    let removal = |more: &str| format!("[[event]]\nat = \"180s\"\nremove_node = {{ nodes = \"w-1\"{more} }}\n");
    assert_eq!(nodes(""), Some(10.0));
    assert_eq!(nodes(&removal(", ghosts = true")), Some(9.0));
    assert_eq!(nodes(&removal(", force = true")), Some(9.0), "the ghost is left");
}
