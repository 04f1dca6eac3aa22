//! `examples/driver.rs` with real processes: killed at any moment, it loses nothing and doubles nothing.
#![cfg(unix)]

#[allow(dead_code)] // It has a `main` of its own.
#[path = "../examples/driver.rs"]
mod driver;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sched::cluster::UpdateState;
use sched::{DesiredState, Manager, Slot, Span, TaskState};

const FOLDER: &str = "SCHED_DRIVER_FOLDER";

/// Not a test: what the test below starts and kills. Without a folder there is nothing to drive.
#[test]
#[ignore = "the test beside it starts it"]
fn the_driver() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        driver::run(Path::new(&folder), Span::from_secs(60)).expect("it runs until it is killed");
    }
}

#[test]
fn a_driver_that_is_killed_at_any_moment_loses_nothing() {
    let mut lab = Lab::new();
    lab.want("web 5 300\ndb 2 300\n");
    let mut failures = 0;
    for _ in 0..10 {
        lab.start();
        lab.let_run();
        // Containers die too, while somebody looks and while nobody does.
        let while_driven = lab.rng.random();
        if while_driven {
            failures += lab.kill_a_container();
            lab.let_run();
        }
        lab.kill_driver();
        if !while_driven {
            failures += lab.kill_a_container();
        }
        lab.check_living();
    }
    lab.start();
    assert!(failures > 5, "only {failures} containers were killed");
    lab.wait_for("every slot runs, and had one task more for each container that was killed", |manager| {
        running(manager) == [("db", 2), ("web", 5)].into() && restarts(manager) >= failures
    });
    lab.let_run();
    lab.kill_driver();
    lab.check_every_process(7, "sleep 300");
    assert_eq!(restarts(&lab.manager()), failures);

    // Another wish: a service goes, the other one gets fewer slots and another specification, one after the other.
    lab.want("web 4 301\n");
    for _ in 0..5 {
        lab.start();
        lab.let_run();
        lab.kill_driver();
        lab.check_living();
    }
    lab.start();
    lab.wait_for("the update is over", |manager| {
        let status = manager.cluster().services().iter().find_map(|(_, service)| service.update_status.clone());
        running(manager) == [("web", 4)].into() && status.is_some_and(|status| status.state == UpdateState::Completed)
    });
    lab.wait_for("records of the other service are gone", |manager| manager.cluster().services().len() == 1);
    lab.let_run();
    lab.kill_driver();
    lab.check_every_process(4, "sleep 301");
}

/// A folder, the driver that drives it, and whoever kills it.
struct Lab {
    folder: PathBuf,
    driver: Option<Child>,
    rng: ChaCha8Rng,
    /// Process numbers of containers that were killed.
    killed: BTreeSet<String>,
}

impl Lab {
    fn new() -> Lab {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("driver-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        Lab { folder, driver: None, rng: ChaCha8Rng::seed_from_u64(1), killed: BTreeSet::new() }
    }

    /// What is wanted from now on, at once as a whole.
    fn want(&self, services: &str) {
        let new = self.folder.join("services.new");
        fs::write(&new, services).expect("written");
        fs::rename(new, self.folder.join("services")).expect("renamed");
    }

    fn start(&mut self) {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command.args(["--exact", "the_driver", "--ignored", "--nocapture"]).env(FOLDER, &self.folder);
        self.driver = Some(command.stdout(Stdio::null()).spawn().expect("it starts"));
    }

    fn let_run(&mut self) {
        sleep(Duration::from_millis(self.rng.random_range(5..400)));
    }

    fn kill_driver(&mut self) {
        if let Some(mut driver) = self.driver.take() {
            driver.kill().expect("kill -9");
            let status = driver.wait().expect("it was there");
            assert_eq!(status.code(), None, "it ended before it was killed");
        }
    }

    /// The file of each container that was ever started and is not forgotten, with what it wrote and whether it lives. To
    /// be asked while there is no driver: who asks takes the lock for a moment.
    fn containers(&self) -> Vec<(String, String, bool)> {
        let Ok(entries) = fs::read_dir(self.folder.join("tasks")) else { return Vec::new() };
        let entries = entries.map(|entry| entry.expect("an entry").path());
        let containers = entries.map(|path| {
            let lives = File::open(&path).expect("a file").try_lock_shared().is_err();
            let task = path.file_name().expect("a name").to_string_lossy().into_owned();
            (task, fs::read_to_string(&path).expect("a file"), lives)
        });
        containers.collect()
    }

    /// Ends one that was not ended before, if there is one, and says how many it was.
    fn kill_a_container(&mut self) -> u64 {
        let Ok(entries) = fs::read_dir(self.folder.join("tasks")) else { return 0 };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let numbers = paths.filter_map(|path| Some(fs::read_to_string(path).ok()?.trim().to_owned()));
        let mut numbers: Vec<String> =
            numbers.filter(|number| !number.is_empty() && !self.killed.contains(number)).collect();
        numbers.sort();
        if numbers.is_empty() {
            return 0;
        }
        let number = numbers[self.rng.random_range(0..numbers.len())].clone();
        kill(&number);
        self.killed.insert(number);
        1
    }

    fn manager(&self) -> Manager {
        driver::read_state(&self.folder).expect("whole").expect("there")
    }

    /// At no time a slot has two processes, or a task was started twice.
    fn check_living(&self) {
        let mut slots = BTreeSet::new();
        for (task, numbers, lives) in self.containers() {
            assert!(numbers.lines().count() <= 1, "task {task} was started twice: {numbers:?}");
            if lives && !self.killed.contains(numbers.trim()) {
                let manager = self.manager();
                let Some(record) = manager.cluster().task(task.parse().expect("a task")) else { continue };
                assert!(slots.insert((record.service, record.slot)), "two processes for {:?}", record.slot);
            }
        }
    }

    /// Each process that lives is the one of a slot, and there are as many as slots.
    fn check_every_process(&self, slots: usize, words: &str) {
        let (manager, mut seen) = (self.manager(), BTreeSet::<(_, Slot)>::new());
        for (task, number, lives) in self.containers() {
            let record = manager.cluster().task(task.parse().expect("a task"));
            let runs = record
                .is_some_and(|record| record.state == TaskState::Running && record.desired == DesiredState::Running);
            assert_eq!(lives, runs, "task {task}");
            if let Some(record) = record.filter(|_| lives) {
                seen.insert((record.service, record.slot));
                assert_eq!(command_of(number.trim()), words);
            }
        }
        assert_eq!(seen.len(), slots);
    }

    fn wait_for(&self, what: &str, is_so: impl Fn(&Manager) -> bool) {
        for _ in 0..400 {
            if driver::read_state(&self.folder).expect("whole").is_some_and(|manager| is_so(&manager)) {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("in twenty seconds never: {what}");
    }
}

impl Drop for Lab {
    /// Nothing stays, however the test ends. Should it be killed itself, the processes end by themselves in time.
    fn drop(&mut self) {
        if let Some(mut driver) = self.driver.take() {
            let _ = driver.kill();
            let _ = driver.wait();
        }
        for _ in 0..100 {
            let living: Vec<_> = self.containers().into_iter().filter(|container| container.2).collect();
            if living.is_empty() {
                break;
            }
            living.iter().filter(|entry| !entry.1.is_empty()).for_each(|entry| kill(entry.1.trim()));
            sleep(Duration::from_millis(20));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// `kill -9`; who is gone already is as good.
fn kill(number: &str) {
    let _ = Command::new("sh").args(["-c", "kill -KILL \"$0\"", number]).stderr(Stdio::null()).status();
}

/// What a process was started as.
fn command_of(number: &str) -> String {
    let text = match fs::read_to_string(format!("/proc/{number}/cmdline")) {
        Ok(words) => words.replace('\0', " "),
        Err(_) => {
            let ps = Command::new("ps").args(["-o", "args=", "-p", number]).output().expect("ps");
            String::from_utf8_lossy(&ps.stdout).into_owned()
        }
    };
    text.trim().to_owned()
}

/// Slots whose task runs, by service.
fn running(manager: &Manager) -> BTreeMap<&str, usize> {
    let cluster = manager.cluster();
    let mut slots = BTreeMap::new();
    for (_, task) in cluster.tasks().filter(|(_, task)| task.state == TaskState::Running) {
        *slots.entry(&*cluster.services()[task.service].spec.name).or_default() += 1;
    }
    slots
}

/// Tasks that were ever created beside the first of each slot.
fn restarts(manager: &Manager) -> u64 {
    let cluster = manager.cluster();
    let newest =
        |(_, tasks)| Some(Iterator::filter_map(tasks, |id| cluster.task(id)).map(|task| task.instance).max()? - 1);
    let slots = cluster.services().iter().flat_map(|(_, service)| service.slots.iter().filter_map(newest));
    slots.map(u64::from).sum()
}
