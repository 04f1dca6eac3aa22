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
