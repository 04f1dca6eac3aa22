//! Verbs that a real orchestrator needs and no simulation.

use sched::spec::*;
use sched::*;

#[test]
fn a_node_that_describes_itself_anew_is_another_place() {
    let mut manager = Manager::new(Config::default()).expect("spread");
    let mut out = Commands::new();
    let node = manager.add_node(Time::ZERO, NodeSpec::default(), &mut out);
    let mut wants = ServiceSpec::new("wants", "image");
    wants.task.log_driver = Some("splunk".into());
    wants.task.placement.platforms = vec![Platform { os: "linux".into(), architecture: "arm64".into() }];
    wants.task.reservations.memory = 1 << 30;
    wants.task.reservations.generic = vec![GenericResource { kind: "gpu".into(), units: Units::Count(1) }];
    manager.create_service(Time::ZERO, wants, &mut out).expect("a good service");
    let mut rest = |manager: &mut Manager, secs| {
        let until = Time::ZERO + Span::from_secs(secs);
        while let Some(at) = manager.deadline().filter(|at| *at < until) {
            manager.handle(at, Event::Deadline, &mut out).expect("never refused");
        }
        manager.check();
        let cluster = manager.cluster();
        let task = cluster.tasks().last().expect("one replica").1;
        (task.state, cluster.error(task).map(|text| text.to_string()))
    };
    let why = |text: &str| (TaskState::Pending, Some(format!("no suitable node ({text})")));
    assert_eq!(rest(&mut manager, 1), why("insufficient resources on 1 node"));

    let mut now = Description::default();
    let gpu = GenericResource { kind: "gpu".into(), units: Units::Named("a".into()) };
    now.resources = Resources { nano_cpus: 0, memory: 2 << 30, generic: vec![gpu] };
    now.plugins = [(PluginKind::Log, "json-file".into())].into();
    let describe = |manager: &mut Manager, secs, now: &Description| {
        let at = Time::ZERO + Span::from_secs(secs);
        manager.set_description(at, node, now.clone(), &mut Vec::new()).expect("it is there");
    };
    describe(&mut manager, 1, &now);
    assert_eq!(rest(&mut manager, 2), why("missing plugin on 1 node"));
    now.plugins = [(PluginKind::Log, "splunk:latest".into())].into();
    describe(&mut manager, 2, &now);
    assert_eq!(rest(&mut manager, 3), why("unsupported platform on 1 node"));
    now.platform = Platform { os: "linux".into(), architecture: "aarch64".into() };
    describe(&mut manager, 3, &now);
    assert_eq!(rest(&mut manager, 4), (TaskState::Assigned, None));
    // It shrinks: what it holds does not fit any more, and the replacement finds no place.
    now.resources.memory = 1 << 20;
    describe(&mut manager, 4, &now);
    assert_eq!(rest(&mut manager, 5), why("insufficient resources on 1 node"));
}

#[test]
fn a_report_may_say_when_and_decides_the_same() {
    let mut manager = Manager::new(Config::default()).expect("spread");
    let mut out = Commands::new();
    manager.add_node(Time::ZERO, NodeSpec::default(), &mut out);
    manager.create_service(Time::ZERO, ServiceSpec::new("web", "image"), &mut out).expect("a good service");
    let secs = |secs| Time::ZERO + Span::from_secs(secs);
    manager.handle(secs(1), Event::Deadline, &mut out).expect("never refused");
    let task = manager.cluster().tasks().next().expect("one replica").0;
    let times = |manager: &Manager| {
        let cluster = manager.cluster();
        cluster.task(task).map(|task| (cluster.changed(task), cluster.since(task)))
    };
    assert_eq!(times(&manager), Some((secs(1), secs(1))));
    let mut other = manager.clone();

    let report = |state, at| Event::TaskChanged { task, state, error: None, at };
    manager.handle(secs(9), report(TaskState::Running, secs(3)), &mut out).expect("it is there");
    assert_eq!(times(&manager), Some((secs(3), secs(9))));
    manager.handle(secs(10), report(TaskState::Running, secs(4)), &mut out).expect("it is there");
    assert_eq!(times(&manager), Some((secs(3), secs(9))), "no news");
    let manager = &mut Manager::restore(Config::default(), &manager.snapshot()).expect("just written");
    assert_eq!(times(manager), Some((secs(3), secs(9))));
    out.clear();
    manager.handle(secs(20), report(TaskState::Failed, secs(500)), &mut out).expect("it is there");
    assert_eq!(times(manager), Some((secs(500), secs(20))), "whatever its clock says");

    let mut others = Commands::new();
    for (at, state) in [(9, TaskState::Running), (20, TaskState::Failed)] {
        let report = Event::TaskStatus { task, state, error: None };
        other.handle(secs(at), report, &mut others).expect("it is there");
    }
    assert_eq!((times(&other), manager.deadline()), (Some((secs(20), secs(20))), other.deadline()));
    assert!(!out.is_empty() && out == others, "the replacement and its delay are the same");
}
