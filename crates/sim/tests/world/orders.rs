//! Orders of operators, in Docker's words.

use std::path::Path;
use std::sync::Arc;

use sched::{Span, Time};
use sim::order::{Change, Edit, Order, Receipt};
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
