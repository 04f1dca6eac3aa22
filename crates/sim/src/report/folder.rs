//! A folder that a verb writes: who may write to it, and how files come into it whole or not at all.
//!
//! [`claim`] makes sure that the folder is ours to write, locks it against other processes and puts away what a process that
//! was killed has left. Files are written in a [`Stage`] inside of it. [`Stage::replace`] lets stage and folder change places,
//! so that a reader never sees files of two runs together; [`Stage::add`] moves them in one by one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::manifest::Manifest;
use super::plot::{Kind, PICTURES};
use crate::outside;

/// Digests after every event, if they are kept.
pub const TRACE: &str = "trace.bin";
/// The page that needs nothing beside it.
pub const REPORT: &str = "report.html";
/// How names of files end in which single runs are written down.
const TRACES: &[&str] = &[".pftrace", ".jsonl"];
/// The file that marks a folder as ours.
pub const MANIFEST: &str = "manifest.toml";
/// Bytes of it at most: it holds the scenario's prose, which may be as long as the scenario.
const LARGEST_MANIFEST: u64 = 64 << 20;

const TABLES: &[&str] = &[
    "runs.csv",
    "summary.csv",
    "paired.csv",
    "pairs.csv",
    "series.csv",
    "tasks.csv",
    "nodes.csv",
    "services.csv",
    "classes.csv",
    "jobs.csv",
    "marks.csv",
    "updates.csv",
    "pending.csv",
    "orders.csv",
    "racks.csv",
    "README.md",
    REPORT,
    TRACE,
    MANIFEST,
];

/// What is in a folder only while a process writes to it: the files to come, and the lock.
const STAGE: &str = ".simctl-new";
const LOCK: &str = ".simctl-lock";

/// Every file that this tool writes into a result folder. Those of an earlier run that a new one does not write are removed.
pub fn files() -> impl Iterator<Item = String> {
    let pictures = PICTURES.iter().flat_map(|picture| Kind::ALL.into_iter().flat_map(|kind| picture.files(kind)));
    TABLES.iter().map(|name| name.to_string()).chain(pictures)
}

/// The name of the file in which a run is written down: of replication 1 `trace-STRATEGY.pftrace`, of others with their number.
pub fn trace_name(strategy: &str, replication: u32, extension: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || "-_+=.".contains(c) { c } else { '-' };
    let strategy: String = strategy.chars().map(letter).collect();
    let number = if replication == 1 { String::new() } else { format!(".{replication}") };
    format!("trace-{strategy}{number}.{extension}")
}

/// Whether a file is one of ours, by its name.
fn is_named_ours(name: &str) -> bool {
    let is_trace = name.starts_with("trace-") && TRACES.iter().any(|extension| name.ends_with(extension));
    is_trace || files().any(|file| name == file)
}

/// A folder that only this process writes to. When it is dropped, nothing is left but what was put in place.
#[derive(Debug)]
pub struct Claim {
    /// As the user named it, for messages.
    shown: PathBuf,
    /// Without links.
    dir: PathBuf,
    /// Held, never read.
    lock: Option<File>,
}

/// What must be put away when the process ends early.
struct Held {
    dir: PathBuf,
    /// Folders that were made for it, the innermost first.
    made: Vec<PathBuf>,
}

/// Every claim of this process. Whoever holds it may make and move files; [`abandon`] keeps it for good.
static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());

fn held() -> MutexGuard<'static, Vec<Held>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Claims a result folder: it is absent, empty or one of our own, or `force` is given. Makes it if it is absent.
///
/// # Errors
///
/// If it is another's, if another process has it, or if it cannot be made.
pub fn claim(dir: &Path, force: bool) -> io::Result<Claim> {
    claim_if(dir, |dir| {
        if force || !dir.exists() || is_ours(dir) || is_unfinished(dir)? {
            return Ok(());
        }
        Err(foreign(dir, &format!("it holds files but no {MANIFEST}")))
    })
}

/// Claims a folder that `is_free` has no complaint about. It is asked before anything is made, and again under the lock.
///
/// # Errors
///
/// As [`claim`].
pub fn claim_if(dir: &Path, is_free: impl Fn(&Path) -> io::Result<()>) -> io::Result<Claim> {
    let mut held = held();
    is_free(dir)?;
    let made: Vec<PathBuf> = dir
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .map(Into::into)
        .collect();
    fs::create_dir_all(dir).map_err(|error| about(dir, &error))?;
    let real = fs::canonicalize(dir).map_err(|error| about(dir, &error))?;
    let lock = lock(&real).map_err(|error| about(dir, &error))?;
    held.push(Held { dir: real.clone(), made });
    drop(held);
    let claim = Claim { shown: dir.into(), dir: real, lock };
    recover(&claim.dir).map_err(|error| about(dir, &error))?;
    is_free(dir)?;
    Ok(claim)
}

/// The complaint about a folder that holds what another wrote.
pub fn foreign(dir: &Path, why: &str) -> io::Error {
    let dir = outside::shown_path(dir);
    let text = format!("{dir}: not written by simctl ({why}); choose another --out, or --force");
    io::Error::new(io::ErrorKind::AlreadyExists, text)
}

/// Whether `dir` holds results that this tool wrote.
pub fn is_ours(dir: &Path) -> bool {
    let text = outside::read_text(&dir.join(MANIFEST), LARGEST_MANIFEST);
    text.is_ok_and(|text| Manifest::parse(&text).is_ok())
}

/// Whether `dir` is empty, or holds only what a process left that was killed before its results were in place.
fn is_unfinished(dir: &Path) -> io::Result<bool> {
    let entries = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|error| about(dir, &error))?;
    Ok(entries.iter().map(fs::DirEntry::file_name).all(|name| name == STAGE || name == LOCK))
}

/// Locks a folder against other processes that write to it; none if its file system knows no locks. The lock ends with the
/// process, so a file that is left says nothing.
fn lock(dir: &Path) -> io::Result<Option<File>> {
    let open = || OpenOptions::new().create(true).truncate(false).write(true).open(dir.join(LOCK));
    loop {
        let file = open()?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy()),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The one who held it may have removed the file or moved the folder away: then this is a lock on nothing.
        if matches!(open()?.try_lock(), Err(TryLockError::WouldBlock)) {
            return Ok(Some(file));
        }
    }
}

fn busy() -> io::Error {
    io::Error::new(
        io::ErrorKind::WouldBlock,
        "another simctl is writing to this folder; wait until it has ended, or choose another --out",
    )
}

/// Where a folder is while it and a stage change places.
fn aside(dir: &Path) -> Option<PathBuf> {
    Some(dir.parent()?.join(format!(".{}.simctl-old", dir.file_name()?.to_string_lossy())))
}

/// Puts away what a process left that was killed.
fn recover(dir: &Path) -> io::Result<()> {
    gone(fs::remove_dir_all(dir.join(STAGE)))?;
    match aside(dir) {
        Some(old) if old.is_dir() => retire(&old, dir),
        _ => Ok(()),
    }
}

/// Removes a folder that is no longer in use, but for what is not ours, which moves to `dir`.
fn retire(old: &Path, dir: &Path) -> io::Result<()> {
    let mut kept = None;
    for entry in fs::read_dir(old)? {
        let name = entry?.file_name();
        let (from, to) = (old.join(&name), dir.join(&name));
        if name == LOCK || is_named_ours(&name.to_string_lossy()) {
            gone(fs::remove_file(from))?;
        } else if to.symlink_metadata().is_ok() {
            kept = Some(from);
        } else {
            fs::rename(from, to)?;
        }
    }
    match kept {
        None => fs::remove_dir(old),
        Some(path) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{} is not ours and has no place in it: move it away", outside::shown_path(&path)),
        )),
    }
}

/// To remove what is not there is no failure.
fn gone(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Puts away everything unfinished of this process. No thread can make or move a file afterwards, so the process must end.
pub fn abandon() {
    let held = held();
    for Held { dir, made } in held.iter() {
        put_away(dir, made);
    }
    std::mem::forget(held);
}

fn put_away(dir: &Path, made: &[PathBuf]) {
    // Nobody is left to tell; the next process finds what stays.
    let _ = fs::remove_dir_all(dir.join(STAGE));
    let _ = fs::remove_file(dir.join(LOCK));
    // Only empty folders can be removed in this way.
    let _ = made.iter().try_for_each(fs::remove_dir);
}

impl Claim {
    /// Begins to write files.
    ///
    /// # Errors
    ///
    /// If the stage cannot be made.
    pub fn stage(&mut self) -> io::Result<Stage<'_>> {
        let path = self.dir.join(STAGE);
        let held = held();
        gone(fs::remove_dir_all(&path))
            .and_then(|()| fs::create_dir(&path))
            .map_err(|error| about(&self.shown, &error))?;
        drop(held);
        Ok(Stage { claim: self, path, names: Vec::new() })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut held = held();
        if let Some(at) = held.iter().position(|lock| lock.dir == self.dir) {
            let Held { dir, made } = held.swap_remove(at);
            put_away(&dir, &made);
        }
    }
}

/// Files being written. A stage that is dropped leaves nothing behind.
#[derive(Debug)]
pub struct Stage<'a> {
    claim: &'a mut Claim,
    path: PathBuf,
    /// In order of writing.
    names: Vec<String>,
}

impl Stage<'_> {
    /// Where the files are until they are put in place.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a file.
    ///
    /// # Errors
    ///
    /// The operating system's, naming the file by its place to be.
    pub fn write(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.fill(name, |file| file.write_all(content))
    }

    /// Adds a file that is filled while other things are done. Whoever fills it says if that fails.
    ///
    /// # Errors
    ///
    /// As [`Stage::write`].
    pub fn begin(&mut self, name: &str) -> io::Result<File> {
        let held = held();
        let file = File::create_new(self.path.join(name)).map_err(|error| self.about(name, &error))?;
        drop(held);
        self.names.push(name.into());
        Ok(file)
    }

    /// Takes a file back that was added.
    ///
    /// # Errors
    ///
    /// As [`Stage::write`].
    pub fn forget(&mut self, name: &str) -> io::Result<()> {
        let _held = held();
        self.names.retain(|other| other != name);
        gone(fs::remove_file(self.path.join(name))).map_err(|error| self.about(name, &error))
    }

    /// The same error, naming a file by its place to be.
    pub fn about(&self, name: &str, error: &io::Error) -> io::Error {
        about(&self.claim.shown.join(name), error)
    }

    /// Adds a file that is too large to be put together first.
    ///
    /// # Errors
    ///
    /// As [`Stage::write`].
    pub fn fill(&mut self, name: &str, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let create = || {
            let _held = held();
            File::create_new(self.path.join(name))
        };
        let written = create().and_then(|mut file| fill(&mut file).and_then(|()| file.sync_all()));
        written.map_err(|error| about(&self.claim.shown.join(name), &error))?;
        self.names.push(name.into());
        Ok(())
    }

    /// Puts the files in the place of all of ours that are in the folder, at once where the system can do that. What is not
    /// ours stays.
    ///
    /// # Errors
    ///
    /// If something is in the way; the folder is then as it was, unless the system cannot exchange folders.
    pub fn replace(mut self) -> io::Result<()> {
        let held = held();
        for name in files() {
            let path = self.claim.dir.join(&name);
            if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
                let why = io::Error::new(io::ErrorKind::IsADirectory, "a folder is in the place of this file");
                return Err(about(&self.claim.shown.join(&name), &why));
            }
        }
        match self.exchange() {
            Ok(()) => Ok(()),
            Err(Exchange::Impossible) => {
                // The manifest first: whenever this process is killed, the folder is known as ours.
                self.names.sort_by_key(|name| name != MANIFEST);
                self.move_in(&held)?;
                let there = fs::read_dir(&self.claim.dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
                let there = there.map_err(|error| about(&self.claim.shown, &error))?;
                let names = there.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
                for name in names.filter(|name| is_named_ours(name) && !self.names.contains(name)) {
                    let removed = gone(fs::remove_file(self.claim.dir.join(&name)));
                    removed.map_err(|error| about(&self.claim.shown.join(&name), &error))?;
                }
                Ok(())
            }
            Err(Exchange::Failed(error)) => Err(about(&self.claim.shown, &error)),
        }
    }

    /// Puts the files in place one by one, in order of writing, over those of the same names.
    ///
    /// # Errors
    ///
    /// The operating system's, naming the file.
    pub fn add(self) -> io::Result<()> {
        self.move_in(&held())
    }

    fn move_in(&self, _held: &MutexGuard<'_, Vec<Held>>) -> io::Result<()> {
        for name in &self.names {
            let (from, to) = (self.path.join(name), self.claim.dir.join(name));
            fs::rename(from, to).map_err(|error| about(&self.claim.shown.join(name), &error))?;
        }
        Ok(())
    }

    /// Stage and folder change places. Whenever this process is killed, [`recover`] finds its way.
    fn exchange(&mut self) -> Result<(), Exchange> {
        let dir = &self.claim.dir;
        let old = aside(dir).ok_or(Exchange::Impossible)?;
        let metadata = fs::metadata(dir).map_err(Exchange::Failed)?;
        fs::set_permissions(&self.path, metadata.permissions()).map_err(Exchange::Failed)?;
        let lock = lock(&self.path).map_err(Exchange::Failed)?;
        fs::rename(&self.path, &old).map_err(|_| Exchange::Impossible)?;
        if exchange(&old, dir).is_err() {
            fs::rename(&old, &self.path).map_err(Exchange::Failed)?;
            gone(fs::remove_file(self.path.join(LOCK))).map_err(Exchange::Failed)?;
            return Err(Exchange::Impossible);
        }
        let retired = retire(&old, dir).map_err(Exchange::Failed);
        self.claim.lock = lock;
        retired
    }
}

/// Why two folders have not changed places.
enum Exchange {
    /// The system or the file system cannot do that, or may not here.
    Impossible,
    Failed(io::Error),
}

/// Lets two folders change places at once.
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
    }
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    {
        let _ = (one, other);
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        let _held = held();
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The same error, naming the file.
pub fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", outside::shown_path(path)))
}
