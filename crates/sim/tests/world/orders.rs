//! Orders of operators, in Docker's words.

use std::path::Path;
use std::sync::Arc;

use sched::spec::{Availability, NodeState, Role};
use sched::{Span, Time};
use sim::order::{Change, Edit, JoinChange, JoinToken, Order, Receipt, Registry, SwarmChange};
use sim::scenario::{self, Scenario};
use sim::simulation::Simulation;

fn parsed(text: &str) -> Scenario {
    scenario::parse(Path::new("orders.toml"), text).unwrap_or_else(|complaints| panic!("{complaints}"))
}

fn begin(text: &str) -> Simulation {
    Simulation::new(Arc::new(parsed(text)), "spread", 1).expect("a strategy of the list")
}

fn at(secs: u64) -> Time {
    Time::ZERO + Span::from_secs(secs)
}

fn refused(run: &mut Simulation, order: Order) -> String {
    run.order(order).expect_err("it is refused").to_string()
}

const MODES: &str = r#"
duration = "20m"
replications = 1
[[pool]]
name = "n"
count = 3
[[service]]
name = "web"
image = "web"
replicas = 2
[[service]]
name = "agent"
image = "agent"
mode = "global"
[[service]]
name = "batch"
image = "batch"
mode = "replicated-job"
replicas = 2
completions = 4
exits = { after = "30s" }
"#;

#[test]
fn what_a_mode_lacks_is_refused_when_it_is_ordered() {
    let mut run = begin(MODES);
    run.run_until(at(60));
    let edit = |edit: Edit| Arc::new(Change { edits: vec![edit] });
    let mut update = |name: &str, change: Edit| refused(&mut run, Order::UpdateService(name.into(), edit(change)));
    assert_eq!(update("agent", Edit::Replicas(3)), "replicas can only be used with replicated mode");
    let most = "replicas-max-per-node can only be used with replicated or replicated-job mode";
    assert_eq!(update("agent", Edit::MaxReplicas(1)), most);
    assert_eq!(update("web", Edit::Completions(3)), "completions can only be used with replicated-job mode");
    let not_scaled = "agent: scale can only be used with replicated or replicated-job mode";
    assert_eq!(refused(&mut run, Order::Scale("agent".into(), 3)), not_scaled);
    // Docker scales the completions of a job, and leaves alone how many run at a time.
    assert_eq!(run.order(Order::Scale("batch".into(), 9)), Ok(Receipt::Done));
    let mode = run.service("batch").expect("it is there").spec.mode;
    assert_eq!(mode, sched::spec::Mode::ReplicatedJob { max_concurrent: 2, total_completions: 9 });
}

#[test]
fn the_network_of_the_mesh_is_there_already() {
    let mut run = begin(MODES);
    let plan = |name: &str| sim::scenario::NetworkPlan { name: name.into(), subnet: None, external: false };
    let mut create = |name: &str| refused(&mut run, Order::CreateNetwork(plan(name).into()));
    assert_eq!(create("ingress"), "network with name ingress already exists");
    assert_eq!(create("host"), "operation is not permitted on predefined host network");
    let remove = |run: &mut Simulation| refused(run, Order::RemoveNetwork("ingress".into()));
    assert_eq!(remove(&mut run), "a swarm without its ingress network is not simulated");
    run.run_until(at(60));
    let mut spec = (*run.service("web").expect("it is there").spec).clone();
    spec.endpoint.ports = vec![sched::spec::Port { published: 8080, target: 80, ..Default::default() }];
    run.order(Order::UpdateService("web".into(), Change::to(spec).into())).expect("there is a leader");
    assert_eq!(remove(&mut run), "ingress network cannot be removed because service web depends on it");
}

#[test]
fn what_did_not_happen_is_said() {
    let text = format!(
        "{MODES}[[event]]\nwhen = \"update of web paused\"\nrollback = \"web\"\n\
         [[event]]\nwhen = \"web converged\"\nname = \"later\"\nafter = \"40m\"\nforce = \"web\"\n\
         [[event]]\nfollows = \"later\"\nscale = {{ web = 1 }}\n[[event]]\nwhen = \"web converged\"\nforce = \"agent\"\n"
    );
    let outcome = begin(&text).finish();
    let said: Vec<&str> = outcome.marks.iter().filter(|it| it.kind == "never").map(|it| it.label.as_str()).collect();
    assert_eq!(
        said,
        [
            "web rolled back: \"update of web paused\" did not hold by the end",
            "web restarted by force: \"web converged\" held too late",
            "web scaled to 1: \"later\" did not hold by the end",
        ]
    );
}

#[test]
fn a_service_and_a_stack_of_one_name_are_told_apart() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("orders-names");
    std::fs::create_dir_all(&folder).expect("a folder for tests");
    std::fs::write(folder.join("s.yml"), "services: {a: {image: a}}\n").expect("a file for tests");
    let text = |remove: &str| {
        format!(
            "duration = \"5m\"\n[[pool]]\nname = \"n\"\n[[service]]\nname = \"s\"\nimage = \"s\"\n\
             [[stack]]\nname = \"s\"\nfiles = \"s.yml\"\n[[event]]\nat = \"1m\"\nremove = \"{remove}\"\n"
        )
    };
    let parse = |remove: &str| scenario::parse(&folder.join("s.toml"), &text(remove));
    let complaint = parse("s").expect_err("it could be both").to_string();
    assert!(complaint.contains("there are a service and a stack `s`"), "{complaint}");
    assert!(complaint.contains("help: write \"service=s\" or \"stack=s\""), "{complaint}");
    for (remove, left) in [("service=s", "s_a"), ("stack=s", "s")] {
        let mut run =
            Simulation::new(parse(remove).expect("it is clear"), "spread", 1).expect("a strategy of the list");
        run.run_until(at(120));
        assert_eq!(run.services().map(|service| service.spec.name.clone()).collect::<Vec<_>>(), [left]);
    }
}

/// Three managers that run nothing, and two workers.
const MANAGERS: &str = r#"
duration = "40m"
replications = 1
[[pool]]
name = "m"
count = 3
role = "manager"
availability = "drain"
[[pool]]
name = "w"
count = 2
[[service]]
name = "web"
image = "web"
replicas = 4
"#;

fn join(token: Option<JoinToken>, hostname: Option<&str>) -> Arc<JoinChange> {
    Arc::new(JoinChange { token, hostname: hostname.map(Into::into) })
}

fn manager() -> Option<JoinToken> {
    Some(JoinToken { role: Some(Role::Manager), fresh: true })
}

#[test]
fn who_left_cannot_leave_again() {
    let mut run = begin(MANAGERS);
    run.run_until(at(60));
    let not_part = "This node is not part of a swarm";
    assert_eq!(run.order(Order::Leave("w-1".into())), Ok(Receipt::Done));
    assert_eq!(refused(&mut run, Order::Leave("w-1".into())), not_part);
    // One that is removed while it lives does not know; it leaves once.
    assert_eq!(run.order(Order::RemoveNode("w-2".into(), true)), Ok(Receipt::Done));
    assert_eq!(run.order(Order::Leave("w-2".into())), Ok(Receipt::Done));
    assert_eq!(refused(&mut run, Order::Leave("w-2".into())), not_part);
    // Who joins may leave before its certificate is there, and has then left.
    assert_eq!(run.order(Order::Join("w-1".into(), Arc::default())), Ok(Receipt::Done));
    run.run_until(Time::ZERO + Span::from_millis(60_500));
    assert_eq!(run.order(Order::Leave("w-1".into())), Ok(Receipt::Done));
    assert_eq!(refused(&mut run, Order::Leave("w-1".into())), not_part);
    run.run_until(at(120));
    // Of a node that never registered nobody misses heartbeats.
    let node = run.node("w-1").expect("it is a node");
    assert!(!node.is_connected && node.spec.state == NodeState::Unknown, "{node:?}");
}

#[test]
fn a_manager_that_joins_again_leaves_a_member_of_raft_behind() {
    let mut run = begin(MANAGERS);
    run.run_until(at(60));
    run.order(Order::Leave("m-3".into())).expect("it is a member");
    run.run_until(at(120));
    run.order(Order::Join("m-3".into(), join(manager(), None))).expect("it is no member any more");
    run.run_until(at(180));
    assert_eq!(run.node("m-3").expect("it is a node").spec.role, Role::Manager);
    assert_eq!(run.ghosts().count(), 1);
    let no = "node m-3 is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal";
    assert_eq!(refused(&mut run, Order::RemoveGhosts("m-3".into(), true)), no);
    // Three of four are there: one more that is lost, and nothing can be decided.
    let mut other = run.clone();
    other.order(Order::PowerOff("m-2".into())).expect("nature asks nobody");
    assert!(!other.is_led(), "two of four are no majority");
    other.run_until(at(240));
    let no = refused(&mut other, Order::DemoteGhosts("m-3".into()));
    assert!(no.starts_with("The swarm does not have a leader"), "{no}");
    other.order(Order::PowerOn("m-2".into())).expect("nature asks nobody");
    other.run_until(at(360));
    assert!(other.is_led());
    // Without the ghost, two of three are enough.
    run.order(Order::DemoteGhosts("m-3".into())).expect("three of four are there");
    run.order(Order::RemoveGhosts("m-3".into(), false)).expect("it is down");
    assert_eq!(run.ghosts().count(), 0);
    run.order(Order::PowerOff("m-2".into())).expect("nature asks nobody");
    assert!(run.is_led());
    run.order(Order::PowerOff("m-1".into())).expect("nature asks nobody");
    assert!(!run.is_led());
}

#[test]
fn a_ghost_of_a_manager_goes_before_its_quorum_would_be_lost() {
    let mut run = begin(MANAGERS);
    run.run_until(at(60));
    run.order(Order::Leave("m-3".into())).expect("it is a member");
    run.run_until(at(120));
    // It joins as a worker: demoting the name means the manager that it was.
    run.order(Order::Join("m-3".into(), Arc::default())).expect("it is no member any more");
    run.run_until(at(180));
    assert_eq!(run.node("m-3").expect("it is a node").spec.role, Role::Worker);
    run.order(Order::Demote("m-3".into())).expect("two of three are there");
    run.order(Order::RemoveGhosts("m-3".into(), false)).expect("it is down");
    // Two managers are left, and need each other.
    run.order(Order::PowerOff("m-2".into())).expect("nature asks nobody");
    assert!(!run.is_led());
}

#[test]
fn a_machine_joins_again_under_another_name() {
    let mut run = begin(&format!(
        "{MANAGERS}[[service]]\nname = \"agent\"\nimage = \"agent\"\nmode = \"global\"\n\
         constraints = [\"node.hostname == w-9\"]\n"
    ));
    run.run_until(at(60));
    assert_eq!(run.tasks("agent").len(), 0);
    run.order(Order::Leave("w-1".into())).expect("it is a member");
    run.run_until(at(120));
    run.order(Order::Join("w-1".into(), join(None, Some("w-9")))).expect("it is no member any more");
    run.run_until(at(180));
    let names: Vec<String> = run.nodes().map(|node| node.spec.id.clone()).collect();
    assert_eq!(names, ["m-1", "m-2", "m-3", "w-9", "w-2"]);
    let ghosts: Vec<String> = run.ghosts().map(|(id, _)| run.cluster().nodes()[id].spec.id.clone()).collect();
    assert_eq!(ghosts, ["w-1"]);
    assert_eq!(run.tasks("agent").iter().map(|task| task.name.as_str()).collect::<Vec<_>>(), ["agent.w-9#1"]);
    run.order(Order::SetAvailability("w-9".into(), Availability::Drain)).expect("it has the name");
    run.run_until(at(240));
    assert!(run.tasks_on("w-9").iter().all(|task| task.desired > sched::DesiredState::Running));
}

#[test]
fn events_know_the_name_that_a_machine_will_have() {
    let text = format!(
        "{MANAGERS}[[event]]\nat = \"1m\"\nleave = \"w-1\"\n\
         [[event]]\nat = \"2m\"\njoin = {{ nodes = \"w-1\", hostname = \"w-9\" }}\n\
         [[event]]\nat = \"4m\"\ndrain = \"w-9\"\n"
    );
    let mut run = begin(&text);
    run.run_until(at(300));
    assert!(run.orders().iter().all(|record| record.answer.is_ok()), "{:?}", run.orders());
    assert_eq!(run.node("w-1").expect("it is a node").spec.availability, Availability::Drain);
}

#[test]
fn a_token_that_was_rotated_lets_nobody_in() {
    let mut run = begin(MANAGERS);
    run.run_until(at(60));
    run.order(Order::Leave("w-1".into())).expect("it is a member");
    run.order(Order::RotateToken(Role::Worker)).expect("there is a leader");
    let token = |fresh: bool| Some(JoinToken { role: Some(Role::Worker), fresh });
    run.order(Order::Join("w-1".into(), join(token(false), None))).expect("it asks");
    run.run_until(at(100));
    assert!(!run.node("w-1").expect("it is a node").is_there, "that of the beginning is none any more");
    run.order(Order::Join("w-1".into(), join(token(true), None))).expect("it asks");
    run.run_until(at(140));
    assert!(run.node("w-1").expect("it is a node").is_there);
}

#[test]
fn managers_of_a_locked_swarm_wait_to_be_unlocked() {
    let mut run = begin(MANAGERS);
    run.run_until(at(60));
    assert_eq!(refused(&mut run, Order::Unlock("m-2".into())), "swarm is not locked");
    assert!(refused(&mut run, Order::Unlock("w-1".into())).starts_with("This node is not a swarm manager."));
    // One that is off then hears of it later, and is not locked before.
    run.order(Order::PowerOff("m-3".into())).expect("nature asks nobody");
    let autolock = |on: bool| Order::UpdateSwarm(SwarmChange { autolock: Some(on), ..SwarmChange::default() });
    run.order(autolock(true)).expect("there is a leader");
    run.order(Order::PowerOn("m-3".into())).expect("nature asks nobody");
    run.run_until(at(180));
    assert!(run.node("m-3").expect("it is a node").is_connected);
    // Its engine is back long ago, but it counts for nobody, and the managers do not hear of its node.
    run.order(Order::RestartEngine("m-3".into())).expect("nature asks nobody");
    run.run_until(at(300));
    let node = run.node("m-3").expect("it is a node");
    assert!(!node.is_connected && node.spec.state == NodeState::Down, "{node:?}");
    run.order(Order::PowerOff("m-2".into())).expect("nature asks nobody");
    assert!(!run.is_led(), "one of three is up and unlocked");
    assert!(refused(&mut run, Order::Unlock("m-2".into())).starts_with("Cannot connect to the Docker daemon"));
    run.order(Order::Unlock("m-3".into())).expect("it is locked");
    run.run_until(at(400));
    assert!(run.is_led());
    assert_eq!(run.node("m-3").expect("it is a node").spec.state, NodeState::Ready);
    // Workers know no lock.
    run.order(Order::RestartEngine("w-1".into())).expect("nature asks nobody");
    // One that was off when the lock was taken away has its keys locked up still.
    run.order(autolock(false)).expect("there is a leader");
    run.order(Order::RestartEngine("m-1".into())).expect("nature asks nobody");
    run.order(Order::PowerOn("m-2".into())).expect("nature asks nobody");
    run.run_until(at(600));
    let is_ready = |name: &str| run.node(name).expect("it is a node").spec.state == NodeState::Ready;
    assert_eq!(["m-1", "m-2", "m-3", "w-1"].map(is_ready), [true, false, true, true]);
}

/// Engines that are in no swarm.
const ENGINES: &str = r#"
duration = "20m"
replications = 1
[[pool]]
name = "node"
count = 5
join = {}
[[service]]
name = "web"
image = "web"
replicas = 4
at = "3m"
"#;

#[test]
fn a_swarm_begins_with_its_first_manager() {
    let text = format!("{ENGINES}[managers]\nfounded = false\n");
    let mut run = begin(&text);
    run.run_until(at(10));
    assert!(!run.is_led() && run.leader().is_none() && run.nodes().all(|node| !node.is_there));
    let no = refused(&mut run, Order::RotateToken(Role::Worker));
    assert!(no.starts_with("This node is not a swarm manager. Use \"docker swarm init\""), "{no}");
    assert_eq!(refused(&mut run, Order::Leave("node-1".into())), "This node is not part of a swarm");
    run.order(Order::Init("node-1".into(), false)).expect("there is none so far");
    assert_eq!(run.leader(), Some("node-1"));
    assert!(
        refused(&mut run, Order::Init("node-1".into(), false)).starts_with("This node is already part of a swarm.")
    );
    run.run_until(at(20));
    let node = run.node("node-1").expect("it is a node");
    assert_eq!((node.spec.role, node.spec.state), (Role::Manager, NodeState::Ready));
    // A wrong token is refused; others decide the role.
    let token = |role: Option<Role>| join(Some(JoinToken { role, fresh: true }), None);
    run.order(Order::Join("node-2".into(), token(None))).expect("it asks");
    run.order(Order::Join("node-3".into(), token(Some(Role::Worker)))).expect("it asks");
    run.order(Order::Join("node-4".into(), token(Some(Role::Manager)))).expect("it asks");
    run.run_until(at(60));
    let there: Vec<(bool, Role)> = run.nodes().map(|node| (node.is_there, node.spec.role)).collect();
    assert_eq!(there.iter().map(|node| node.0).collect::<Vec<_>>(), [true, false, true, true, false]);
    assert_eq!((there[2].1, there[3].1), (Role::Worker, Role::Manager));
    run.run_until(at(240));
    assert_eq!(run.service("web").expect("it was deployed").running, 4);
    // Two managers need each other.
    run.order(Order::PowerOff("node-4".into())).expect("nature asks nobody");
    assert!(!run.is_led());
}

#[test]
fn a_file_can_begin_without_a_swarm() {
    let text = format!(
        "{ENGINES}[[event]]\nat = \"30s\"\ninit = {{ nodes = \"node-2\", autolock = true }}\n\
         [[event]]\nat = \"1m\"\njoin = [\"node-3\", \"node-4\"]\n\
         [[event]]\nat = \"6m\"\nrestart = \"node-2\"\n\
         [[event]]\nat = \"10m\"\nunlock = \"node-2\"\n"
    );
    let mut run = begin(&text);
    run.run_until(at(300));
    assert_eq!((run.leader(), run.service("web").expect("it was deployed").running), (Some("node-2"), 4));
    run.run_until(at(590));
    assert!(!run.is_led(), "the only manager is locked");
    run.run_until(at(700));
    assert_eq!(run.leader(), Some("node-2"));
    assert_eq!(run.service("web").expect("it is there").running, 4);
    let complaint =
        scenario::parse(Path::new("x.toml"), &text.replace("join = {}\n", "")).expect_err("they are in a swarm");
    assert!(complaint.to_string().contains("there is no swarm at the beginning: expected `join = {}`"), "{complaint}");
}

#[test]
fn a_moved_tag_is_for_who_asks_for_it_later() {
    let images = |run: &Simulation, name: &str| -> Vec<String> {
        let tasks = run.tasks(name).into_iter().filter(|task| task.desired == sched::DesiredState::Running);
        tasks.map(|task| task.image).collect()
    };
    let mut run = begin(MANAGERS);
    run.run_until(at(60));
    let move_tag = |image: &str, other: &str| Order::Registry(Registry::MoveTag(image.into(), other.into()));
    run.order(move_tag("web", "web:2")).expect("nature asks nobody");
    // The service has the digest of then, also for tasks that are started anew.
    run.order(Order::Force("web".into())).expect("there is a leader");
    run.run_until(at(200));
    assert_eq!(images(&run, "web"), ["web"; 4]);
    // Who names the tag again gets what it means by now, however it is written.
    let update = |image: &str| Order::UpdateService("web".into(), Change::image(image).into());
    run.order(update("web:latest")).expect("there is a leader");
    run.run_until(at(400));
    assert_eq!(images(&run, "web"), ["web:2"; 4]);
    let before = run.tasks("web").len();
    run.order(update("docker.io/library/web")).expect("there is a leader");
    run.run_until(at(500));
    assert_eq!((images(&run, "web"), run.tasks("web").len()), (vec!["web:2".to_string(); 4], before));
}

#[test]
fn an_image_that_the_registry_lost_runs_where_it_is() {
    let mut run = begin(MANAGERS);
    run.run_until(at(60));
    run.order(Order::Registry(Registry::Has("web".into(), false))).expect("nature asks nobody");
    run.order(Order::Force("web".into())).expect("there is a leader");
    run.run_until(at(200));
    let service = run.service("web").expect("it is there");
    assert_eq!(service.running, 4);
    assert!(run.tasks("web").iter().all(|task| task.state != sched::TaskState::Rejected));
}
