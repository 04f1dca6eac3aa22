//! What starts at the same time shares the cores of its machine.

use std::path::Path;
use std::sync::Arc;

use sched::Span;
use sim::metrics::{METRICS, Outcome};
use sim::scenario::{Scenario, load, parse};
use sim::simulation::Simulation;

/// Ten replicas at once on one machine, with more words for pool and daemon.
fn ten(pool: &str, daemon: &str) -> Scenario {
    let text = format!(
        "title = \"t\"\ndescription = \"d\"\nduration = \"60s\"\nreplications = 1\n\
         [daemon]\nstatus_batch = \"0s\"\n{daemon}\n\
         [[pool]]\nname = \"n\"\n{pool}\n\
         [[image]]\nname = \"i:1\"\nlayers = [\"1MiB\"]\npresent = \"all\"\n\
         [[service]]\nname = \"s\"\nimage = \"i:1\"\nreplicas = 0\n\
         [[event]]\nat = \"10s\"\nscale = {{ s = 10 }}\n"
    );
    parse(Path::new("t.toml"), &text).expect("a good scenario")
}

fn run(scenario: &Scenario) -> Outcome {
    Simulation::new(Arc::new(scenario.clone()), "spread", 1).expect("a strategy of the list").finish()
}

fn value(outcome: &Outcome, metric: &str) -> f64 {
    let column = METRICS.iter().position(|known| known.name == metric).expect("a metric");
    outcome.values[column].expect("a value")
}

/// From the order to the last one that runs, less what the manager takes.
fn last(pool: &str, daemon: &str) -> f64 {
    value(&run(&ten(pool, daemon)), "event_to_running_max_s")
}

#[test]
fn a_machine_has_as_many_cores_as_cpus_unless_its_pool_says_so() {
    const WORK: &str = "create = \"500ms\"\nstart = \"1500ms\"";
    let free = last("cores = 10", WORK);
    for (pool, rounds) in [
        ("cpus = 2", 5.0),
        ("cpus = 5", 2.0),
        ("cpus = 16", 1.0),
        ("", 2.5),
        ("cpus = 1\ncores = 5", 2.0),
        ("cpus = 0", 1.0),
    ] {
        // Two seconds of work each.
        let extra = last(pool, WORK) - free;
        assert!((extra - 2.0 * (rounds - 1.0)).abs() < 0.001, "{pool}: {extra} s more");
    }
    // What all machines share counts only for pools without cores of their own.
    let extra = last("cpus = 16", &format!("{WORK}\ncores = 1")) - free;
    assert!((extra - 18.0).abs() < 0.001, "{extra}");
    assert_eq!(last("cores = 10", &format!("{WORK}\ncores = 1")), free);
}

#[test]
fn an_ideal_daemon_has_no_cores() {
    for work in ["", "\nstart = \"1s\""] {
        let ideal = run(&ten("cpus = 1", &format!("ideal = true{work}")));
        let none = run(&ten("cpus = 1\ncores = 0.01", &format!("ideal = true{work}")));
        assert_eq!(ideal, none);
    }
}

#[test]
fn who_has_cores_enough_is_not_touched() {
    // To the nanosecond, whatever the laws: ten containers and ten cores, or a thousand.
    let (enough, plenty) = (run(&ten("cores = 10", "")), run(&ten("cores = 1000", "")));
    assert_eq!(enough, plenty);
    let short = run(&ten("cores = 9", ""));
    assert_ne!(enough, short);
}

#[test]
fn a_machine_that_is_too_busy_to_call_is_given_up_and_comes_back() {
    // Twenty seconds of work on one core for ten containers of two: a call of a second takes ten, which nobody awaits.
    let given_up = |daemon: &str| {
        let outcome = run(&ten("cpus = 1\nrole = \"worker\"", &format!("create = \"0s\"\nstart = \"4s\"\n{daemon}")));
        let marks = |kind: &str, label: &str| {
            let those = outcome.marks.iter().filter(|mark| mark.kind == kind && mark.label == label);
            those.map(|mark| mark.time_s).collect::<Vec<_>>()
        };
        (marks("load", "n overloaded"), marks("load", "n relieved"), marks("detected", "n"))
    };
    assert_eq!(given_up(""), (vec![], vec![], vec![]), "a millisecond");
    assert_eq!(given_up("call = \"500ms\""), (vec![], vec![], vec![]), "ten times that are the 5 s that are awaited");
    let (busy, relieved, down) = given_up("call = \"600ms\"");
    assert!((10.0..10.4).contains(&busy[0]), "as soon as they start: {busy:?}");
    assert!(down.len() == 1 && (busy[0] + 9.0..busy[0] + 16.5).contains(&down[0]), "{busy:?} {down:?}");
    // All are over together, after 40 s of work.
    assert!((busy[0] + 39.9..busy[0] + 40.1).contains(&relieved[0]), "{busy:?} {relieved:?}");
    assert_eq!(given_up("cores = 1\ncall = \"10s\""), (vec![], vec![], vec![]), "shared cores are nobody's own");
}

#[test]
fn services_on_one_network_start_as_late_as_reported() {
    // moby/moby#30820: within 10, 40, 80 s, and 100 s or more. `endpoint` is from the second.
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/incidents/many-services-of-a-network.toml");
    let whole = load(&file).expect("a good scenario");
    for (services, range) in [(100, 7.0..13.0), (200, 30.0..45.0), (300, 65.0..95.0), (354, 100.0..150.0)] {
        let mut scenario = Scenario { duration: Span::from_secs(240), ..whole.clone() };
        scenario.services.truncate(services);
        let outcome = run(&scenario);
        let last = value(&outcome, "time_to_running_max_s");
        assert!(range.contains(&last), "{services} services: {last} s");
    }
}
