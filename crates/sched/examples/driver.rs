//! A whole orchestrator on one machine: the core decides, this file does. Its containers are processes that sleep.
//!
//! ```text
//! echo "web 3 600" > folder/services
//! cargo run -p sched --example driver -- folder 60
//! ```
//!
//! It runs for as many seconds as it is told and leaves the containers running. It may be killed at any moment, in any
//! line: started again, it goes on as if nothing had happened. `tests/driver.rs` does that. Three rules make it so:
//!
//! 1. What the manager knows is written down before anything is done about it. So nothing is done that a later driver does
//!    not know of.
//! 2. What is to be done is read off the tables, not off the commands: a command that nobody lived to carry out is found
//!    again, and what was done already is not done twice.
//! 3. A container has the name of its task and is there once. Here that is a file that its process holds locked for as long
//!    as it lives, and to which it writes its number; with Docker it is `--name`.

use std::fs::{self, File};
use std::io::{self, Read};
#[cfg(unix)]
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use sched::spec::{Mode, NodeSpec, RestartPolicy, ServiceSpec, UpdateConfig};
use sched::{Commands, Config, DesiredState, Event, Manager, ServiceId, Span, Task, TaskId, TaskState, Time};

/// How often it looks around.
const TICK: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match &words[..] {
        [folder, seconds] if seconds.parse::<u32>().is_ok() => {
            run(Path::new(folder), Span::from_secs(seconds.parse().unwrap_or(0)))
        }
        _ => Err(io::Error::other("expected a folder and a number of seconds")),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    ExitCode::FAILURE
}

/// Drives the cluster of a folder for a while.
pub fn run(folder: &Path, span: Span) -> io::Result<()> {
    fs::create_dir_all(folder.join("tasks"))?;
    let _lock = lock(folder)?;
    let mut driver = Driver::open(folder)?;
    let end = now() + span;
    while now() < end {
        driver.hear_wishes();
        driver.report();
        driver.save()?;
        driver.act()?;
        thread::sleep(TICK);
    }
    Ok(())
}

/// Two drivers would both start what is missing. The lock ends with its process, however that ends.
fn lock(folder: &Path) -> io::Result<File> {
    let lock = File::create(folder.join("lock"))?;
    for _ in 0..100 {
        if lock.try_lock().is_ok() {
            return Ok(lock);
        }
        // A process that an earlier driver was about to start when it was killed has the lock until it has begun.
        thread::sleep(TICK);
    }
    Err(io::Error::other("another driver has this folder"))
}

/// The same at every start: it is a part of what decides.
pub fn config() -> Config {
    Config { seed: 1, ..Config::default() }
}

/// The manager as it was when it was written down last, if it ever was.
pub fn read_state(folder: &Path) -> io::Result<Option<Manager>> {
    match fs::read(folder.join("state")) {
        Ok(snapshot) => Manager::restore(config(), &snapshot).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[allow(clippy::disallowed_methods)] // The core reads no clock: its driver does.
fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::from_nanos(since.as_nanos() as u64)
}

struct Driver {
    folder: PathBuf,
    manager: Manager,
    /// What the manager decided since it was written down last.
    commands: Commands,
    /// Whether it knows anything that was not written down.
    has_news: bool,
    /// Processes that this driver began, to be waited for. Those of earlier drivers are nobody's children.
    children: Vec<Child>,
}

impl Driver {
    fn open(folder: &Path) -> io::Result<Driver> {
        let (commands, has_news) = (Commands::new(), true);
        let manager = match read_state(folder)? {
            Some(manager) => manager,
            None => Driver::found().map_err(io::Error::other)?,
        };
        Ok(Driver { folder: folder.into(), manager, commands, has_news, children: Vec::new() })
    }

    /// A new cluster.
    fn found() -> Result<Manager, String> {
        let mut manager = Manager::new(config())?;
        for name in ["n1", "n2", "n3"] {
            manager.add_node(now(), NodeSpec { id: name.into(), ..NodeSpec::default() }, &mut Commands::new());
        }
        Ok(manager)
    }

    /// Compares the services that are there with those that are wanted. To say the same again is no wish.
    fn hear_wishes(&mut self) {
        let Ok(text) = fs::read_to_string(self.folder.join("services")) else { return };
        let wanted: Vec<ServiceSpec> = text.lines().filter_map(service).collect();
        let present: Vec<(ServiceId, ServiceSpec)> = {
            let services = self.manager.cluster().services().iter().filter(|(_, service)| !service.removed);
            services.map(|(id, service)| (id, ServiceSpec::clone(&service.spec))).collect()
        };
        let known = |spec: &ServiceSpec| present.iter().find(|(_, other)| other.name == spec.name);
        let (now, out) = (now(), &mut self.commands);
        let mut answers = Vec::new();
        for spec in &wanted {
            match known(spec) {
                None => answers.push(self.manager.create_service(now, spec.clone(), out).map(|_| ())),
                Some((id, old)) if old != spec => {
                    answers.push(self.manager.update_service(now, *id, spec.clone(), out));
                }
                Some(_) => {}
            }
        }
        for (id, old) in &present {
            if !wanted.iter().any(|spec| spec.name == old.name) {
                answers.push(self.manager.remove_service(now, *id, out));
            }
        }
        self.has_news |= !answers.is_empty();
        answers.iter().filter_map(|answer| answer.as_ref().err()).for_each(|refusal| eprintln!("{refusal}"));
    }

    /// Tells the manager what became of the containers, and what time it is.
    fn report(&mut self) {
        self.children.retain_mut(|child| child.try_wait().is_ok_and(|status| status.is_none()));
        let tasks = self.manager.cluster().tasks().filter(|(_, task)| task.state >= TaskState::Assigned);
        let mut events: Vec<Event> = tasks.filter_map(|(id, task)| self.news(id, task)).collect();
        if self.manager.deadline().is_some_and(|at| at <= now()) {
            events.push(Event::Deadline);
        }
        if !events.is_empty() {
            self.has_news = true;
            self.manager.handle_all(now(), events, &mut self.commands).expect("about tasks that are there");
        }
    }

    /// What an agent would report of a task.
    fn news(&self, id: TaskId, task: &Task) -> Option<Event> {
        let is_wanted = task.desired < DesiredState::Shutdown;
        let state = match self.container(id) {
            Container::Running(_) => TaskState::Running,
            // There is nothing to prepare but the name.
            Container::Absent if is_wanted && task.state < TaskState::Running => TaskState::Ready,
            Container::Absent | Container::Ended if !is_wanted => TaskState::Shutdown,
            // These containers sleep for ever; one that is gone after it ran was lost with its file.
            Container::Absent | Container::Ended => TaskState::Failed,
        };
        (task.state < state).then_some(Event::TaskStatus { task: id, state, error: None })
    }

    /// Writes down what the manager knows: the old state or the new one is there, never half of one.
    fn save(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.has_news) {
            return Ok(());
        }
        let (new, state) = (self.folder.join("state.new"), self.folder.join("state"));
        fs::write(&new, self.manager.snapshot())?;
        File::open(&new)?.sync_all()?;
        fs::rename(&new, &state)?;
        File::open(&self.folder)?.sync_all()?;
        self.commands.drain(..).for_each(|command| println!("{command:?}"));
        Ok(())
    }

    /// Makes the containers what the tables say.
    fn act(&mut self) -> io::Result<()> {
        let (mut starts, mut stops) = (Vec::new(), Vec::new());
        for (id, task) in self.manager.cluster().tasks().filter(|(_, task)| task.node.is_some()) {
            match self.container(id) {
                Container::Absent if task.desired == DesiredState::Running && task.state == TaskState::Ready => {
                    starts.push((id, task.spec.task.container.args.clone()));
                }
                Container::Running(number) if task.desired >= DesiredState::Shutdown => stops.extend(number),
                _ => {}
            }
        }
        // Containers whose tasks are forgotten.
        for entry in fs::read_dir(self.folder.join("tasks"))? {
            let entry = entry?;
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if self.manager.cluster().task(id).is_none() {
                match self.container(id) {
                    Container::Running(number) => stops.extend(number),
                    Container::Absent | Container::Ended => fs::remove_file(entry.path())?,
                }
            }
        }
        for number in stops {
            // The shell's own `kill` is everywhere.
            Command::new("sh").args(["-c", "kill -KILL \"$0\"", &number]).stderr(Stdio::null()).status()?;
        }
        for (id, args) in starts {
            self.children.extend(self.start(id, &args)?);
        }
        Ok(())
    }
}

/// What became of the process of a task.
enum Container {
    /// It was never started.
    Absent,
    /// It runs, and has written its process number, unless it began just now.
    Running(Option<String>),
    /// It ran.
    Ended,
}

impl Driver {
    fn container(&self, id: TaskId) -> Container {
        let path = self.folder.join("tasks").join(id.to_string());
        let Ok(mut file) = File::options().read(true).write(true).open(path) else { return Container::Absent };
        let is_free = file.try_lock().is_ok();
        let mut number = String::new();
        // What cannot be read is not there yet.
        let _ = file.read_to_string(&mut number);
        let number = Some(number.trim().to_owned()).filter(|number| !number.is_empty());
        match (is_free, number) {
            (false, number) => Container::Running(number),
            (true, None) => Container::Absent,
            (true, Some(_)) => Container::Ended,
        }
    }

    /// Starts a container, unless it is there.
    fn start(&self, id: TaskId, args: &[String]) -> io::Result<Option<Child>> {
        let path = self.folder.join("tasks").join(id.to_string());
        let file = File::options().read(true).append(true).create(true).open(path)?;
        if file.try_lock().is_err() {
            return Ok(None);
        }
        // From here on the process has the lock, also if this one dies: it inherits the file as its output.
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ && exec sleep \"$@\"", "sh"]).args(args);
        command.stdin(Stdio::null()).stdout(file).stderr(Stdio::null());
        // A signal to the driver from its terminal is not for its containers.
        #[cfg(unix)]
        command.process_group(0);
        command.spawn().map(Some)
    }
}

/// The service that a line wants: its name, its replicas, and how long each sleeps.
fn service(line: &str) -> Option<ServiceSpec> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [name, replicas, seconds] = words[..] else { return None };
    let mut spec = ServiceSpec::new(name, "sleep");
    spec.mode = Mode::Replicated { replicas: replicas.parse().ok()? };
    spec.task.container.args = vec![seconds.into()];
    spec.task.restart = Some(RestartPolicy { delay: Some(Span::from_millis(200)), ..RestartPolicy::default() });
    spec.update = Some(UpdateConfig { monitor: Some(Span::from_millis(100)), ..UpdateConfig::default() });
    Some(spec)
}
