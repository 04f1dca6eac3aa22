//! Docker stack files: from the bytes of one or more files to the services that `docker stack deploy` would submit.
//!
//! A file goes through `yaml` (text to tree), `interpolate` (variables), `schema` with its table `grammar`
//! (Docker's complaints), `sections` with `canonical` and its table `shape` (the one form of every part), `merge`
//! (one file over another), `convert` (services, networks, volumes) and `engine` (what the cluster refuses). Verdicts
//! and messages are those of Docker's command line 28.2.2; all complaints of a step are given, the first is Docker's.
//!
//! What is not worth copying of Docker: YAML may be nested 1,000 deep and not 10,000, and a file has at most 8 MiB and
//! 200,000 values, because memory is not for the taking; `~` and variables know no process, because a result must not
//! depend on who asks; files of secrets and configs are not read, because nothing here needs what is in them, so one that
//! is missing is not missed; templates with conditions, loops and variables are let pass unread; of ports beyond 65535,
//! which the engine takes and never publishes, it is said that they are not simulated; and where Docker's client itself
//! panics, there is a message.
//!
//! Nothing is executed, pulled or resolved. Beside the stack files only the files of variables that they name are read,
//! and variables come from the caller, never from the process.

mod canonical;
mod convert;
mod engine;
mod grammar;
mod interpolate;
pub mod json;
mod merge;
mod parse;
mod scalar;
mod scan;
mod schema;
mod sections;
mod shape;
mod short;
mod template;
mod units;
pub mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use sched::spec::ServiceSpec;

pub use sections::Config;
pub use yaml::{Map, Node, Place, Value};

/// A stack as it would be deployed.
#[derive(Clone, PartialEq, Debug)]
pub struct Stack {
    /// Its name, which begins the names of what it creates.
    pub name: String,
    /// Services, by name.
    pub services: Vec<StackService>,
    /// Networks that services use, by key.
    pub networks: Vec<StackNetwork>,
    /// Volumes, by key.
    pub volumes: Vec<StackVolume>,
    /// Secrets, by key.
    pub secrets: Vec<StackFile>,
    /// Configs, by key.
    pub configs: Vec<StackFile>,
    /// What Docker ignores or advises against, in its words.
    pub warnings: Vec<String>,
}

/// A service of a stack.
#[derive(Clone, PartialEq, Debug)]
pub struct StackService {
    /// Its key in the file.
    pub key: String,
    /// What is submitted.
    pub spec: ServiceSpec,
}

/// A network of a stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StackNetwork {
    /// Its key in the file.
    pub key: String,
    /// Its name in the cluster.
    pub name: String,
    /// Whether it must exist already.
    pub external: bool,
    /// Driver; `overlay` unless the file names another.
    pub driver: String,
    /// Subnets that the file asks for.
    pub subnets: Vec<String>,
    /// Whether containers outside of services may join.
    pub attachable: bool,
    /// Whether it has no way out.
    pub internal: bool,
}

/// A volume of a stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StackVolume {
    /// Its key in the file.
    pub key: String,
    /// Its name on the nodes.
    pub name: String,
    /// Whether it must exist already.
    pub external: bool,
    /// Driver; empty is the engine's own.
    pub driver: String,
}

/// A secret or a config of a stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StackFile {
    /// Its key in the file.
    pub key: String,
    /// Its name in the cluster.
    pub name: String,
    /// Whether it must exist already.
    pub external: bool,
    /// The file with its content, which is not opened here; `None` if it is external or comes from a driver.
    pub file: Option<PathBuf>,
}

/// Who would refuse.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// Docker's command line does not load the file (`docker stack config`).
    Load,
    /// Docker's command line does not convert what it loaded (`docker stack deploy`).
    Deploy,
    /// The cluster does not accept the service.
    Engine,
    /// The cluster would take it, but it is not simulated.
    Simulator,
}

/// Something that stands in the way of a stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Where in the file, if known.
    pub place: Option<Place>,
    /// Who would refuse.
    pub stage: Stage,
    /// Why, in the words of who would refuse.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// The text of a file and the path by which problems name it; its folder is that to which the text's paths are relative.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Path.
    pub path: PathBuf,
    /// Content.
    pub text: String,
}

impl Source {
    /// Reads a regular file of at most 8 MiB.
    pub fn read(path: &Path) -> Result<Source, Problem> {
        Source::of(path, sections::read_bytes(path))
    }

    /// As [`Source::read`], also from a pipe, or from standard input if the path is `-`.
    pub fn read_stream(path: &Path) -> Result<Source, Problem> {
        let is_input = path == Path::new("-");
        let bytes = if is_input { sections::read_all(std::io::stdin().lock()) } else { sections::read_stream(path) };
        Source::of(path, bytes)
    }

    fn of(path: &Path, bytes: Result<Vec<u8>, String>) -> Result<Source, Problem> {
        let problem = |message: String| Problem { file: path.to_path_buf(), place: None, stage: Stage::Load, message };
        let bytes = bytes.map_err(|why| problem(format!("open {}: {why}", path.display())))?;
        match scan::decode(bytes) {
            Ok(text) => Ok(Source { path: path.to_path_buf(), text }),
            Err(why) => Err(problem(format!("yaml: {why}"))),
        }
    }
}

/// The name of a stack whose user gave none: the file's name without its extension, as far as it can begin the names of
/// services. Those have 63 characters at most, so no more than 24 are taken.
pub fn default_name(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let name: String = stem.chars().map(fits).take(24).collect();
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if name.is_empty() { "stack".to_string() } else { name.to_string() }
}

/// Reads the files of one stack, later ones laid over earlier ones, and converts them.
pub fn load(name: &str, files: &[PathBuf], variables: &BTreeMap<String, String>) -> Result<Stack, Vec<Problem>> {
    let sources: Result<Vec<Source>, Problem> = files.iter().map(|path| Source::read(path)).collect();
    load_sources(name, &sources.map_err(|problem| vec![problem])?, variables)
}

/// As [`load`], of texts that were read before.
pub fn load_sources(
    name: &str,
    sources: &[Source],
    variables: &BTreeMap<String, String>,
) -> Result<Stack, Vec<Problem>> {
    let loaded = config(sources, variables)?;
    stack(name, &loaded, sources)
}

/// Reads a file of variables, one `NAME=value` per line as in Docker's `env_file`; a name alone defines nothing.
pub fn read_variables(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let content = sections::read_bytes(path).map_err(|why| format!("open {}: {why}", path.display()))?;
    let lines = sections::env_lines(&content, &BTreeMap::new());
    let lines = lines.map_err(|why| format!("invalid env file ({}): {why}", path.display()))?;
    Ok(lines.into_iter().collect())
}

/// A configuration with the warnings that Docker prints about it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Loaded {
    /// What `docker stack config` prints.
    pub config: Config,
    /// Warnings, in Docker's words.
    pub warnings: Vec<String>,
}

/// What `docker stack config` makes of the files.
pub fn config(sources: &[Source], variables: &BTreeMap<String, String>) -> Result<Loaded, Vec<Problem>> {
    let problem = |source: &Source, place: Option<Place>, message: String| Problem {
        file: source.path.clone(),
        place,
        stage: Stage::Load,
        message,
    };
    let Some(first) = sources.first() else {
        let message = "specify a Compose file (with --compose-file)".to_string();
        return Err(vec![Problem { file: PathBuf::new(), place: None, stage: Stage::Load, message }]);
    };
    let folder = first.path.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut warnings = Vec::new();
    let mut trees = Vec::new();
    for source in sources {
        let document =
            yaml::read(&source.text).map_err(|refusal| vec![problem(source, refusal.at, refusal.message)])?;
        if document.more {
            warnings.push(format!("{}: only the first YAML document is read", source.path.display()));
        }
        let Value::Map(root) = document.root.value else {
            let message = "top-level object must be a mapping".to_string();
            return Err(vec![problem(source, Some(document.root.at), message)]);
        };
        trees.push(root);
    }
    let version = version(&trees[0]);
    let mut whole: Option<Config> = None;
    for (source, tree) in sources.iter().zip(&trees) {
        let own = self::version(tree);
        if own != version {
            let message = format!("version mismatched between two composefiles : {version} and {own}");
            return Err(vec![problem(source, tree.get("version").map(|node| node.at), message)]);
        }
        let forbidden = properties(tree, &FORBIDDEN);
        if !forbidden.is_empty() {
            let mut problems =
                vec![problem(source, Some(forbidden[0].0), "Configuration contains forbidden properties".to_string())];
            problems.extend(forbidden.into_iter().map(|(at, message)| problem(source, Some(at), message)));
            return Err(problems);
        }
        let tree = interpolate::interpolate(tree, variables).map_err(|list| {
            list.into_iter().map(|refusal| problem(source, Some(refusal.at), refusal.message)).collect::<Vec<_>>()
        })?;
        let Some(minor) = minor(&version) else {
            let message = format!("unsupported Compose file version: {version}");
            return Err(vec![problem(source, tree.get("version").map(|node| node.at), message)]);
        };
        let problems = |complaints: Vec<schema::Complaint>| {
            complaints
                .into_iter()
                .map(|complaint| problem(source, Some(complaint.at), complaint.message))
                .collect::<Vec<_>>()
        };
        let complaints = schema::check(&tree, &grammar::FILE, minor);
        if !complaints.is_empty() {
            return Err(problems(complaints));
        }
        let around = sections::Surroundings { folder: &folder, variables, minor };
        let mut config = sections::read(&tree, &around, &mut warnings).map_err(problems)?;
        config.version.clone_from(&version);
        whole = Some(match whole {
            None => config,
            Some(base) => merge::merge(base, config),
        });
    }
    warnings.extend(ignored(&trees));
    Ok(Loaded { config: whole.unwrap_or_default(), warnings })
}

/// What `docker stack deploy` makes of a configuration, if the cluster accepts it.
pub fn stack(name: &str, loaded: &Loaded, sources: &[Source]) -> Result<Stack, Vec<Problem>> {
    let file = sources.first().map(|source| source.path.clone()).unwrap_or_default();
    let folder = file.parent().unwrap_or(Path::new(""));
    let (mut stack, mut refusals) = convert::stack(name, &loaded.config, folder);
    refusals.extend(engine::check(&stack, &loaded.config));
    refusals.sort_by_key(|(stage, ..)| *stage);
    if refusals.is_empty() {
        stack.warnings = loaded.warnings.clone();
        return Ok(stack);
    }
    let problems = refusals.into_iter().map(|(stage, place, message)| Problem {
        // Merged files share their places: a place is only certain if there is one file.
        place: place.filter(|_| sources.len() == 1),
        file: file.clone(),
        stage,
        message,
    });
    Err(problems.collect())
}

/// The version that a file declares: none, none in particular and `3` are the newest.
fn version(root: &Map) -> String {
    let newest = || format!("3.{}", grammar::NEWEST);
    match root.get("version").map(|node| canonical::print(&node.value)) {
        None => newest(),
        Some(version) if version.is_empty() || version == "3" => newest(),
        Some(version) => version,
    }
}

fn minor(version: &str) -> Option<u32> {
    let digits = version.strip_prefix("3.")?;
    let minor: u32 = digits.parse().ok().filter(|minor| *minor <= grammar::NEWEST)?;
    (minor.to_string() == digits).then_some(minor)
}

const RESOURCES_ARE_ELSEWHERE: &str = "Set resource limits using deploy.resources";

/// Keys of a service that Docker refuses, and why (`cli/compose/types`).
const FORBIDDEN: [(&str, &str); 8] = [
    ("extends", "Support for `extends` is not implemented yet."),
    (
        "volume_driver",
        "Instead of setting the volume driver on the service, define a volume using the top-level `volumes` option and \
         specify the driver there.",
    ),
    (
        "volumes_from",
        "To share a volume between services, define it using the top-level `volumes` option and reference it from each \
         service that shares it using the service-level `volumes` option.",
    ),
    ("cpu_quota", RESOURCES_ARE_ELSEWHERE),
    ("cpu_shares", RESOURCES_ARE_ELSEWHERE),
    ("cpuset", RESOURCES_ARE_ELSEWHERE),
    ("mem_limit", RESOURCES_ARE_ELSEWHERE),
    ("memswap_limit", RESOURCES_ARE_ELSEWHERE),
];

/// Keys of a service that Docker advises against, and why.
const DEPRECATED: [(&str, &str); 2] = [
    ("container_name", "Setting the container name is not supported."),
    (
        "expose",
        "Exposing ports is unnecessary - services on the same network can access each other's containers on any port.",
    ),
];

/// Keys of a service that Docker ignores.
const UNSUPPORTED: [&str; 16] = [
    "build",
    "cgroup_parent",
    "cgroupns_mode",
    "devices",
    "domainname",
    "external_links",
    "ipc",
    "links",
    "mac_address",
    "network_mode",
    "pid",
    "privileged",
    "restart",
    "security_opt",
    "shm_size",
    "userns_mode",
];

/// The keys of a list that services have, with their places, as `services.<name>.<key>: <why>`.
fn properties(root: &Map, list: &[(&str, &str)]) -> Vec<(Place, String)> {
    let mut found = Vec::new();
    for (name, service) in root.get("services").and_then(Node::map).into_iter().flatten() {
        for (key, why) in list {
            if let Some(node) = service.get(key) {
                found.push((node.at, format!("services.{name}.{key}: {why}")));
            }
        }
    }
    found.sort();
    found
}

fn ignored(trees: &[Map]) -> Vec<String> {
    let services = || trees.iter().filter_map(|tree| tree.get("services").and_then(Node::map)).flat_map(Map::values);
    let is_used = |key: &str| services().any(|service| service.get(key).is_some());
    let mut warnings = Vec::new();
    let unsupported: Vec<&str> = UNSUPPORTED.into_iter().filter(|key| is_used(key)).collect();
    if !unsupported.is_empty() {
        warnings.push(format!("Ignoring unsupported options: {}", unsupported.join(", ")));
    }
    let deprecated: Vec<String> =
        DEPRECATED.iter().filter(|(key, _)| is_used(key)).map(|(key, why)| format!("{key}: {why}")).collect();
    if !deprecated.is_empty() {
        warnings.push(format!("Ignoring deprecated options:\n\n{}", deprecated.join("\n\n")));
    }
    warnings
}
