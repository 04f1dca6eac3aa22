//! Docker's command line as the judge. Where it is not installed the tests that ask it skip, and say so.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use sim::compose::{Config, Map, Node, Source, Value, yaml};

/// Whether `docker stack config` can be asked.
pub fn is_installed() -> bool {
    let answer = Command::new("docker").args(["stack", "config", "--help"]).output();
    let is_installed = answer.is_ok_and(|output| output.status.success());
    if !is_installed {
        // Past the capture of the test harness: that nothing was compared must be seen.
        let _ = writeln!(std::io::stderr(), "skipped: there is no docker command to compare with");
    }
    is_installed
}

/// What `docker stack config` prints for files and variables, or its message.
pub fn stack_config(files: &[PathBuf], variables: &[(&str, &str)]) -> Result<Node, String> {
    let mut command = Command::new("docker");
    command.env_clear().envs(variables.iter().copied()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(["stack", "config"]);
    for file in files {
        command.arg("-c").arg(file);
    }
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        let printed = String::from_utf8(output.stdout).unwrap();
        return Ok(yaml::read(&printed).map_err(|refusal| refusal.message)?.root);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    // Warnings come first, each on a line of its own.
    let lines: Vec<&str> = stderr.lines().skip_while(|line| line.starts_with("time=")).collect();
    Err(lines.join("\n").trim_end().to_string())
}

/// The first difference between our configuration and what Docker printed.
pub fn difference(ours: &Config, printed: &Node) -> Option<String> {
    let node = |value: Value| Node { value, at: Default::default() };
    let mut whole = ours.extras.clone();
    whole.insert("version".to_string(), node(Value::Text(ours.version.clone())));
    whole.insert("services".to_string(), node(Value::Map(ours.services.clone())));
    let sections = [
        ("networks", &ours.networks),
        ("volumes", &ours.volumes),
        ("secrets", &ours.secrets),
        ("configs", &ours.configs),
    ];
    for (name, section) in sections.into_iter().filter(|(_, section)| !section.is_empty()) {
        whole.insert(name.to_string(), node(Value::Map(section.clone())));
    }
    compare(&node(Value::Map(whole)), printed, "")
}

fn compare(ours: &Node, theirs: &Node, path: &str) -> Option<String> {
    let equal = match (&ours.value, &theirs.value) {
        (Value::Map(ours), Value::Map(theirs)) => return compare_maps(ours, theirs, path),
        (Value::List(ours), Value::List(theirs)) => {
            if ours.len() != theirs.len() {
                return Some(format!("{path}: {} items, Docker has {}", ours.len(), theirs.len()));
            }
            let mut pairs = ours.iter().zip(theirs).enumerate();
            return pairs.find_map(|(index, (ours, theirs))| compare(ours, theirs, &format!("{path}.{index}")));
        }
        // Docker prints whole numbers without a point, and ratios in single precision.
        (Value::Float(ours), Value::Int(theirs)) => *ours == *theirs as f64,
        (Value::Float(ours), Value::Float(theirs)) => *ours as f32 == *theirs as f32,
        // Docker's printer loses line ends at the beginning of a text.
        (Value::Text(ours), Value::Text(theirs)) => ours.trim_start_matches('\n') == theirs.trim_start_matches('\n'),
        (ours, theirs) => ours == theirs,
    };
    (!equal).then(|| format!("{path}: {:?}, Docker has {:?}", ours.value, theirs.value))
}

fn compare_maps(ours: &Map, theirs: &Map, path: &str) -> Option<String> {
    // The only parts that Docker prints although they are empty.
    let is_default = |key: &str, node: &Node| {
        path.ends_with("discrete_resource_spec")
            && ((key == "value" && node.value == Value::Int(0)) || (key == "kind" && node.text() == Some("")))
    };
    for (key, value) in ours {
        let path = format!("{path}.{key}");
        match theirs.get(key) {
            Some(other) => {
                if let Some(difference) = compare(value, other, &path) {
                    return Some(difference);
                }
            }
            None => return Some(format!("{path}: {:?}, Docker has nothing", value.value)),
        }
    }
    let extra = theirs.iter().find(|(key, node)| !ours.contains_key(*key) && !is_default(key, node))?;
    Some(format!("{path}.{}: nothing, Docker has {:?}", extra.0, extra.1.value))
}

/// A folder that is removed when the test is over.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty folder of this name among the test's own files.
    pub fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path.canonicalize().unwrap())
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Each case of `cases.txt` gives the same configuration, or the same complaint, as with Docker: every one if `FILES` is set, as
/// it is in `.ci/run`, every eighth otherwise, since each of them starts a client.
#[test]
fn small_files_are_read_as_docker_reads_them() {
    if !is_installed() {
        return;
    }
    let folder = Folder::new("small_files");
    let stride = if std::env::var_os("FILES").is_some() { 1 } else { 8 };
    let mut wrong = Vec::new();
    for (index, case) in super::small_files::cases().iter().enumerate().step_by(stride) {
        let write = |(file, text): (usize, &String)| folder.write(&format!("{index}-{file}.yml"), text);
        let files: Vec<PathBuf> = case.iter().enumerate().map(write).collect();
        if let Some(difference) = disagreement(&files, &super::VARIABLES) {
            wrong.push(format!("{}\n  {difference}", case.join("++++\n")));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Asks Docker and us about the same files; the answer is a difference.
pub fn disagreement(files: &[PathBuf], variables: &[(&str, &str)]) -> Option<String> {
    let sources: Vec<Source> = files.iter().map(|path| Source::read(path).unwrap()).collect();
    let ours = sim::compose::config(&sources, &super::variables(variables));
    match (ours, stack_config(files, variables)) {
        (Ok(ours), Ok(printed)) => difference(&ours.config, &printed),
        (Ok(_), Err(message)) => Some(format!("loads, Docker says {message}")),
        (Err(problems), Ok(_)) => Some(format!("Docker loads it, we say {}", problems[0].message)),
        (Err(problems), Err(message)) => {
            // Docker names files by their absolute paths.
            let folder = format!("{}/", files[0].parent().unwrap().display());
            let message = message.replace(&folder, "").replace(folder.trim_end_matches('/'), ".");
            let all: Vec<&str> = problems.iter().map(|problem| problem.message.trim_end()).collect();
            (!all.contains(&message.as_str())).then(|| format!("Docker says {message}, we say {all:?}"))
        }
    }
}

/// Stack files of chance get the same verdict, words and form as with Docker: as many as `FILES` says, 25 without it. The
/// first seed is that of `SEED`, 0 without it; each file has a seed of its own, which a failure names.
#[test]
fn files_of_chance_are_read_as_docker_reads_them() {
    use rand::SeedableRng;
    if !is_installed() {
        return;
    }
    let folder = Folder::new("files_of_chance");
    let number =
        |name: &str, otherwise: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (seed, count) = (number("SEED", 0), number("FILES", 25));
    let mut wrong = Vec::new();
    let mut loaded = 0;
    for seed in seed..seed + count {
        let case = super::generator::case(&mut rand_chacha::ChaCha8Rng::seed_from_u64(seed));
        folder.write("x.env", &case.variables);
        let write = |(index, text): (usize, &String)| folder.write(&format!("{index}.yml"), text);
        let files: Vec<PathBuf> = case.files.iter().enumerate().map(write).collect();
        match disagreement(&files, &super::VARIABLES) {
            Some(difference) => wrong.push(format!("seed {seed}\n{}\n  {difference}", case.files.join("++++\n"))),
            None => loaded += usize::from(super::try_files(&files).is_ok()),
        }
    }
    println!("{count} files from seed {seed}: {loaded} load, {} differ", wrong.len());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    // Neither verdict is rare.
    assert!(count < 100 || (loaded as u64 > count / 10 && (loaded as u64) < count * 9 / 10), "{loaded} of {count}");
}

/// Cases with a line replaced, doubled, removed, indented or taken from another case, all compared with Docker.
#[test]
#[ignore = "asks Docker two thousand times, for minutes"]
fn altered_files_are_read_as_docker_reads_them() {
    use rand::{RngExt, SeedableRng};
    if !is_installed() {
        return;
    }
    let folder = Folder::new("altered_files");
    let cases = super::small_files::cases();
    let seed: u64 = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let values = [
        "x",
        "5",
        "-1",
        "1.5",
        "true",
        "yes",
        "~",
        "[]",
        "{}",
        "[a, a]",
        "{a: 1}",
        "''",
        "${FOO}",
        "$$X",
        "10s",
        "1M",
        "&a x",
        "*a",
        "2001-01-01",
        "'80:80'",
    ];
    let mut wrong = Vec::new();
    for round in 0..2_000 {
        let mut lines: Vec<String> = cases[rng.random_range(0..cases.len())][0].lines().map(str::to_string).collect();
        for _ in 0..rng.random_range(1..3) {
            let index = rng.random_range(0..lines.len());
            match rng.random_range(0..6) {
                0 => {
                    let key = lines[index].split(": ").next().unwrap_or_default().trim_end_matches(':').to_string();
                    lines[index] = format!("{key}: {}", values[rng.random_range(0..values.len())]);
                }
                1 => lines.insert(index, lines[index].clone()),
                2 if lines.len() > 1 => _ = lines.remove(index),
                3 => lines[index].insert_str(0, "  "),
                4 => {
                    let other = &cases[rng.random_range(0..cases.len())][0];
                    let all: Vec<&str> = other.lines().collect();
                    lines.insert(index, all[rng.random_range(0..all.len())].to_string());
                }
                _ => {
                    let value = values[rng.random_range(0..values.len())];
                    let words: Vec<&str> = lines[index].split_inclusive([' ', '[', '{', ',', ']', '}']).collect();
                    let word = rng.random_range(0..words.len().max(1));
                    lines[index] =
                        words.iter().enumerate().map(|(at, usual)| if at == word { value } else { *usual }).collect();
                }
            }
        }
        let text = lines.join("\n");
        let file = folder.write(&format!("{round}.yml"), &text);
        if let Some(difference) = disagreement(&[file], &super::VARIABLES) {
            wrong.push(format!("{text}\n  => {difference}\n"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
