use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::Value;

use super::*;
use crate::spec::*;
use crate::*;

const CPU: i64 = 1_000_000_000;

/// A manager, and agents that do what they are told.
struct Lab {
    manager: Manager,
    now: Time,
    out: Commands,
}

impl Lab {
    fn of(manager: Manager, now: Time) -> Lab {
        Lab { manager, now, out: Commands::new() }
    }

    /// A cluster in which everything is under way that a snapshot has a place for.
    fn busy() -> Lab {
        let mut lab = Lab::of(Manager::new(config()).expect("spread"), Time::ZERO);
        for number in 0..4 {
            let units =
                ["a", "b", "c"].map(|name| GenericResource { kind: "gpu".into(), units: Units::Named(name.into()) });
            let resources = Resources { nano_cpus: 4 * CPU, memory: 8 << 30, generic: units.to_vec() };
            let plugins = [(PluginKind::Log, "json-file".to_owned())].into();
            let description = Some(Description { resources, plugins, ..Description::default() });
            let spec = NodeSpec { id: format!("n{number}"), description, ..NodeSpec::default() };
            lab.manager.add_node(lab.now, spec, &mut lab.out);
        }
        let web = lab.create("web", Mode::Replicated { replicas: 6 }, |spec| {
            spec.task.reservations.generic = vec![GenericResource { kind: "gpu".into(), units: Units::Count(1) }];
            spec.task.restart =
                Some(RestartPolicy { max_attempts: 9, window: Span::from_secs(60), ..Default::default() });
            spec.rollback = Some(UpdateConfig { max_failure_ratio: f32::NAN, ..UpdateConfig::default() });
        });
        lab.create("agent", Mode::Global, |spec| {
            let port = Port { published: 80, target: 80, mode: PublishMode::Host, ..Port::default() };
            spec.endpoint.ports = vec![port];
        });
        let mode = Mode::ReplicatedJob { max_concurrent: 2, total_completions: 5 };
        lab.create("job", mode, |_| {});
        lab.create("too-large", Mode::Replicated { replicas: 2 }, |spec| spec.task.reservations.nano_cpus = 99 * CPU);
        lab.sleep(2);
        lab.report_one(TaskState::Failed);
        lab.report_one(TaskState::Complete);
        let mut spec = ServiceSpec::clone(&lab.manager.cluster().services()[web].spec);
        spec.task.container.image = "web:2".into();
        spec.update = Some(UpdateConfig { parallelism: 2, delay: Span::from_secs(3), ..UpdateConfig::default() });
        lab.manager.update_service(lab.now, web, spec, &mut lab.out).expect("an update");
        lab.sleep(2);
        lab.manager.handle(lab.now, Event::NodeDown(NodeId::from_index(1)), &mut lab.out).expect("it is there");
        lab.report_one(TaskState::Failed);
        lab
    }

    fn create(&mut self, name: &str, mode: Mode, change: impl FnOnce(&mut ServiceSpec)) -> ServiceId {
        let mut spec = ServiceSpec { mode, ..ServiceSpec::new(name, "web") };
        change(&mut spec);
        self.manager.create_service(self.now, spec, &mut self.out).expect("a good service")
    }

    fn tasks(&self) -> Vec<(TaskId, Task)> {
        self.manager.cluster().tasks().map(|(id, task)| (id, task.clone())).collect()
    }

    fn report_one(&mut self, state: TaskState) {
        let runs = self.tasks().into_iter().find(|(_, task)| task.state == TaskState::Running);
        if let Some((task, _)) = runs {
            // Nothing is refused here, but in the managers that contradictions make.
            let _ = self.manager.handle(self.now, Event::TaskStatus { task, state, error: None }, &mut self.out);
        }
    }

    fn sleep(&mut self, secs: u64) {
        let end = self.now + Span::from_secs(secs);
        for _ in 0..200 {
            self.now = self.manager.deadline().unwrap_or(end).clamp(self.now, end);
            let _ = self.manager.handle(self.now, Event::Deadline, &mut self.out);
            for (task, record) in self.tasks() {
                let state = match record.desired {
                    DesiredState::Ready => TaskState::Ready,
                    DesiredState::Running | DesiredState::Complete => TaskState::Running,
                    DesiredState::Shutdown | DesiredState::Remove => TaskState::Shutdown,
                };
                if record.node.is_some() && record.state < state {
                    let _ =
                        self.manager.handle(self.now, Event::TaskStatus { task, state, error: None }, &mut self.out);
                }
            }
            if self.now == end {
                return;
            }
        }
    }
}

fn config() -> Config {
    Config { seed: 7, ..Config::default() }
}

fn refusal(config: Config, snapshot: &[u8]) -> RestoreError {
    Manager::restore(config, snapshot).map(|_| ()).expect_err("it is refused")
}

#[test]
fn a_snapshot_that_was_cut_off_or_changed_is_refused() {
    let snapshot = Lab::busy().manager.snapshot();
    assert!(snapshot.len() > 5000);
    for end in 0..snapshot.len() {
        let RestoreError::Damaged(_) = refusal(config(), &snapshot[..end]) else { panic!("the first {end} bytes") };
    }
    let mut changed = snapshot.clone();
    for at in 0..snapshot.len() {
        for bit in 0..8 {
            changed[at] ^= 1 << bit;
            refusal(config(), &changed);
            changed[at] = snapshot[at];
        }
    }
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..1000 {
        let noise: Vec<u8> = (0..rng.random_range(0..300)).map(|_| rng.random()).collect();
        refusal(config(), &noise);
        let (from, to) = (rng.random_range(0..snapshot.len()), rng.random_range(0..snapshot.len()));
        let mixed = [&snapshot[..from], &noise, &snapshot[to..]].concat();
        if mixed != snapshot {
            refusal(config(), &mixed);
        }
    }
    let longer = [&snapshot[..], b"\n"].concat();
    let (line, body) = snapshot.split_at(snapshot.iter().position(|byte| *byte == b'\n').expect("a line") + 1);
    let len = body.len();
    for (damaged, words) in [
        (&b""[..], "expected a first line of five words, of which 'sched-snapshot' is the first".to_owned()),
        (line, format!("its body has 0 bytes of {len}")),
        (&longer, format!("its body has {} bytes of {len}", len + 1)),
        (&[line, &body[..len - 1], b" "].concat(), "its checksum is wrong".to_owned()),
    ] {
        assert_eq!(refusal(config(), damaged).to_string(), format!("the snapshot is damaged: {words}"));
    }
}

/// The file was written once and stays as it is: whoever changes the format finds out here.
#[test]
fn a_snapshot_of_the_first_format_is_read() {
    let mut manager = Manager::restore(config(), include_bytes!("format-1.snapshot")).expect("it was good once");
    manager.check();
    let cluster = manager.cluster();
    assert_eq!((cluster.nodes().len(), cluster.services().len(), cluster.tasks().count()), (4, 4, 21));
    assert_eq!(manager.deadline(), Some(Time::ZERO + Span::from_millis(4050)));
    let service = ServiceId::from_index(0);
    let out = &mut Commands::new();
    manager.remove_service(Time::ZERO + Span::from_secs(5), service, out).expect("it is there");
    assert_eq!(out.first(), Some(&Command::RemoveService(service)));
    drive(Lab::of(manager, Time::ZERO + Span::from_secs(5)));
}

#[test]
fn a_snapshot_of_a_later_format_is_refused_with_its_version() {
    let snapshot = String::from_utf8(Lab::busy().manager.snapshot()).expect("text");
    let later = snapshot.replacen("sched-snapshot 1 0.1.0 ", "sched-snapshot 2 0.9.1 ", 1);
    assert_eq!(
        refusal(config(), later.as_bytes()).to_string(),
        "the snapshot has format 2, written by sched 0.9.1: expected format 1 at most, which sched 0.1.0 reads"
    );
    let never = snapshot.replacen("sched-snapshot 1", "sched-snapshot 0", 1);
    assert_eq!(refusal(config(), never.as_bytes()).to_string(), "the snapshot is damaged: there is no format '0'");
}

#[test]
fn a_snapshot_belongs_to_a_configuration() {
    let snapshot = Lab::busy().manager.snapshot();
    let refused = |config| refusal(config, &snapshot).to_string();
    let words = |what: &str| format!("the snapshot is of another configuration: its {what}");
    assert_eq!(refused(Config { seed: 8, ..config() }), words("seed is 7, not 8"));
    assert_eq!(refused(Config { strategy: "binpack".into(), ..config() }), words("strategy is spread, not binpack"));
    let ties = TieBreak::LowestId;
    assert_eq!(refused(Config { ties, ..config() }), words("choice between equals is Seeded, not LowestId"));
    assert!(
        Manager::restore(Config { task_history: 1, ..config() }, &snapshot).is_ok(),
        "it may keep less from now on"
    );
}

#[test]
fn tasks_share_the_specification_of_their_service_again() {
    let lab = Lab::busy();
    let manager = Manager::restore(config(), &lab.manager.snapshot()).expect("just written");
    let cluster = manager.cluster();
    let mut shared = 0;
    for (_, task) in cluster.tasks() {
        let service = &cluster.services()[task.service];
        if task.version == service.version {
            assert!(Arc::ptr_eq(&task.spec, &service.spec));
            shared += 1;
        }
    }
    assert!(shared > 10);
    let plugins = cluster.nodes().iter().map(|(_, node)| &node.spec.description.as_ref().expect("it has one").plugins);
    let plugins: Vec<_> = plugins.collect();
    assert!(plugins.windows(2).all(|two| Arc::ptr_eq(two[0], two[1])));
    let web = &cluster.services()[ServiceId::from_index(0)].spec;
    assert!(web.rollback.is_some_and(|rollback| rollback.max_failure_ratio.is_nan()));
}

/// Every place in the body where something stands, and what stands there instead: each is either refused, or gives a
/// manager that does not panic, however little sense it makes.
#[test]
fn a_snapshot_that_contradicts_itself_is_refused_or_harmless() {
    let mut lab = Lab::busy();
    lab.sleep(1);
    let snapshot = lab.manager.snapshot();
    let body: Value = serde_json::from_slice(open(&snapshot).expect("just written")).expect("JSON");
    assert!(seal(&serde_json::to_vec(&body).expect("JSON")) == snapshot, "its order stays");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..3000 {
        let mut changed = body.clone();
        for _ in 0..rng.random_range(1..3) {
            change(&mut changed, &mut rng);
        }
        match Manager::restore(config(), &seal(&serde_json::to_vec(&changed).expect("JSON"))) {
            Err(_) => refused += 1,
            Ok(manager) => {
                taken += 1;
                drive(Lab::of(manager, lab.now));
            }
        }
    }
    assert!(refused > 500 && taken > 500, "{refused} refused, {taken} taken");
}

/// Changes one thing below a value.
fn change(value: &mut Value, rng: &mut ChaCha8Rng) {
    match value {
        Value::Array(list) if !list.is_empty() => {
            let at = rng.random_range(0..list.len());
            match rng.random_range(0..30) {
                0 => drop(list.remove(at)),
                1 => list.push(list[at].clone()),
                2 => list.swap(0, at),
                _ => change(&mut list[at], rng),
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            let at = rng.random_range(0..fields.len());
            change(fields.values_mut().nth(at).expect("counted"), rng);
        }
        Value::Number(number) => {
            let old = number.as_u64().unwrap_or(0);
            let any = rng.random_range(0..12);
            let numbers = [0, 1, any, old.wrapping_add(1), old.saturating_sub(1), old ^ 1, u32::MAX.into(), u64::MAX];
            *value = numbers[rng.random_range(0..numbers.len())].into();
        }
        Value::Bool(truth) => *truth = !*truth,
        Value::String(text) => {
            let texts = ["0.0", "1.0", "3.0", "2.1", "Running", "Shutdown", "Pending", "Idle", "", "NaN"];
            *text = texts[rng.random_range(0..texts.len())].into();
        }
        other => *other = if rng.random() { 3.into() } else { Value::Null },
    }
}

/// Calls of every kind.
fn drive(mut lab: Lab) {
    let _ = lab.manager.snapshot();
    lab.sleep(20);
    for state in [TaskState::Running, TaskState::Failed, TaskState::Complete] {
        lab.report_one(state);
        lab.sleep(3);
    }
    let nodes: Vec<NodeId> = lab.manager.cluster().nodes().ids().collect();
    for node in nodes {
        let _ = lab.manager.handle(lab.now, Event::NodeDown(node), &mut lab.out);
        let _ = lab.manager.handle(lab.now, Event::NodeUp(node), &mut lab.out);
        let _ = lab.manager.set_availability(lab.now, node, Availability::Active, &mut lab.out);
    }
    lab.sleep(20);
    lab.manager.change_leader(lab.now, &mut lab.out);
    lab.sleep(5);
    let services: Vec<ServiceId> = lab.manager.cluster().services().ids().collect();
    for id in services {
        let mut spec = ServiceSpec::clone(&lab.manager.cluster().services()[id].spec);
        spec.task.force_update = spec.task.force_update.wrapping_add(1);
        let _ = lab.manager.update_service(lab.now, id, spec, &mut lab.out);
        lab.sleep(5);
        let _ = lab.manager.rollback_service(lab.now, id, &mut lab.out);
        let _ = lab.manager.remove_service(lab.now, id, &mut lab.out);
        lab.sleep(5);
    }
}

/// For a driver that keeps a log of its calls.
#[test]
fn events_can_be_written_down_too() {
    let (node, task) = (NodeId::from_index(3), "7.1".parse::<TaskId>().expect("a task"));
    let error = Some("exit 1".into());
    let at = Time::from_nanos(u64::MAX);
    for event in [
        Event::NodeUp(node),
        Event::NodeDown(node),
        Event::Allocated(task),
        Event::TaskStatus { task, state: TaskState::Running, error: None },
        Event::TaskChanged { task, state: TaskState::Failed, error, at },
        Event::Deadline,
    ] {
        let text = serde_json::to_string(&event).expect("JSON");
        assert_eq!(serde_json::from_str::<Event>(&text).expect("JSON"), event, "{text}");
    }
    for text in ["7", "7.", "+7.0", "7.00", "7.0 ", "4294967296.0", "-1.0"] {
        assert_eq!(text.parse::<TaskId>(), Err(format!("'{text}' is no task: expected one like 7.0")));
    }
}
