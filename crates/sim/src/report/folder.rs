//! A result folder on disk: who may write to it, and how files come into it whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use super::plot::PICTURES;

/// The file that marks a folder as ours.
pub const MANIFEST: &str = "manifest.toml";

const TABLES: &[&str] = &[
    "runs.csv",
    "summary.csv",
    "paired.csv",
    "series.csv",
    "tasks.csv",
    "nodes.csv",
    "marks.csv",
    "README.md",
    MANIFEST,
];

/// Every file that this tool writes into a folder. Those of an earlier run that a new one does not write are removed.
pub fn files() -> impl Iterator<Item = &'static str> {
    TABLES.iter().copied().chain(PICTURES.iter().map(|picture| picture.file))
}

/// Makes sure that `dir` may be written: it is absent, empty or one of our own folders, or `force` is given. Creates it.
pub fn claim(dir: &Path, force: bool) -> io::Result<()> {
    fs::create_dir_all(dir).map_err(|error| about(dir, &error))?;
    if force || is_ours(dir) || fs::read_dir(dir).map_err(|error| about(dir, &error))?.next().is_none() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        format!(
            "{}: not written by simctl (it holds files but no {MANIFEST}); choose another --out, or --force",
            dir.display()
        ),
    ))
}

/// Whether `dir` holds results that this tool wrote.
pub fn is_ours(dir: &Path) -> bool {
    fs::read_to_string(dir.join(MANIFEST)).is_ok_and(|text| Manifest::parse(&text).is_ok())
}

/// Removes our files that are left from an earlier run, but for those in `keep`.
pub fn remove_stale(dir: &Path, keep: &[&str]) -> io::Result<()> {
    for name in files().filter(|name| !keep.contains(name)) {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(about(&dir.join(name), &error)),
            _ => {}
        }
    }
    Ok(())
}

/// Files being written. They have temporary names in the same folder until [`Stage::commit`] renames them; a stage that is
/// dropped before leaves nothing behind.
#[derive(Debug)]
pub struct Stage {
    dir: PathBuf,
    /// (temporary path, final path), in order of writing.
    files: Vec<(PathBuf, PathBuf)>,
}

impl Stage {
    /// A stage for files of `dir`, which exists.
    pub fn new(dir: &Path) -> Stage {
        Stage { dir: dir.to_path_buf(), files: Vec::new() }
    }

    /// Adds a file. The temporary file is created anew, never through a link that lies there.
    pub fn write(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.fill(name, |file| file.write_all(content))
    }

    /// Adds a file that is too large to be put together first.
    pub fn fill(&mut self, name: &str, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let path = self.reserve(name)?;
        let mut file = File::create(&path).map_err(|error| about(&path, &error))?;
        fill(&mut file).and_then(|()| file.sync_all()).map_err(|error| about(&path, &error))
    }

    /// Reserves the name of a file that somebody else fills, and says where.
    pub fn reserve(&mut self, name: &str) -> io::Result<PathBuf> {
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let temporary = self.dir.join(format!("{stem}.tmp-{}.{extension}", std::process::id()));
        let _ = fs::remove_file(&temporary);
        let create = OpenOptions::new().write(true).create_new(true).open(&temporary);
        create.map_err(|error| about(&temporary, &error))?;
        self.files.push((temporary.clone(), self.dir.join(name)));
        Ok(temporary)
    }

    /// Puts all files in place, in order of writing.
    pub fn commit(mut self) -> io::Result<()> {
        for (temporary, path) in &self.files {
            fs::rename(temporary, path).map_err(|error| about(path, &error))?;
        }
        self.files.clear();
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for (temporary, _) in &self.files {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// The same error, naming the file.
pub fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
