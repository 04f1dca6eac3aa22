//! The five sections of a checked file in their one form: environments filled in, paths resolved, external names settled.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::canonical::{Reader, extras, text};
use super::schema::Complaint;
use super::shape;
use super::yaml::{Map, Node, Place, Value};

/// Most bytes of a stack file or a file of variables.
const MAX_FILE: u64 = 8 << 20;

/// One or more files in the form that `docker stack config` prints.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Config {
    /// Version of the format.
    pub version: String,
    /// Services by key.
    pub services: Map,
    /// Networks by key.
    pub networks: Map,
    /// Volumes by key.
    pub volumes: Map,
    /// Secrets by key.
    pub secrets: Map,
    /// Configs by key.
    pub configs: Map,
    /// Keys of the file that begin with `x-`.
    pub extras: Map,
}

/// What the sections of a file refer to.
pub struct Surroundings<'a> {
    /// The folder to which paths are relative.
    pub folder: &'a Path,
    /// Variables; nothing is taken from the process.
    pub variables: &'a BTreeMap<String, String>,
    /// Minor version of the format.
    pub minor: u32,
}

/// Reads all sections. Complaints come in Docker's order; warnings are added to `warnings`.
pub fn read(root: &Map, around: &Surroundings<'_>, warnings: &mut Vec<String>) -> Result<Config, Vec<Complaint>> {
    let mut sections = Sections { around, warnings, complaints: Vec::new() };
    let config = Config {
        version: String::new(),
        services: sections.services(root),
        networks: sections.each(root, "networks", shape::NETWORK, Sections::network),
        volumes: sections.each(root, "volumes", shape::VOLUME, Sections::volume),
        secrets: sections.each(root, "secrets", shape::FILE_OBJECT, |sections, name, node, parts| {
            sections.file_object("secret", name, node, parts)
        }),
        configs: sections.each(root, "configs", shape::FILE_OBJECT, |sections, name, node, parts| {
            sections.file_object("config", name, node, parts)
        }),
        extras: extras(root),
    };
    if sections.complaints.is_empty() { Ok(config) } else { Err(sections.complaints) }
}

struct Sections<'a> {
    around: &'a Surroundings<'a>,
    warnings: &'a mut Vec<String>,
    complaints: Vec<Complaint>,
}

impl Sections<'_> {
    /// Docker decodes services one by one.
    fn services(&mut self, root: &Map) -> Map {
        let mut out = Map::new();
        for (name, node) in entries(root, "services") {
            let mut reader = Reader::default();
            let parts = reader.parts(node, shape::SERVICE, "");
            match self.decoded(reader).and_then(|()| self.service(node, parts)) {
                Ok(service) => _ = out.insert(name.clone(), node.with(Value::Map(service))),
                Err(message) => self.complain(node.at, message),
            }
        }
        out
    }

    /// Docker decodes other sections as a whole, and only then looks at each object.
    fn each(
        &mut self,
        root: &Map,
        section: &str,
        shape: &[shape::Part],
        mut one: impl FnMut(&mut Self, &str, &Node, Map) -> Result<Map, String>,
    ) -> Map {
        let mut reader = Reader::default();
        let entries = entries(root, section);
        let parts: Vec<Map> =
            entries.iter().map(|(name, node)| reader.parts(node, shape, &format!("[{name}]"))).collect();
        if let Err(message) = self.decoded(reader) {
            self.complain(entries.first().map(|(_, node)| node.at).unwrap_or_default(), message);
            return Map::new();
        }
        let mut out = Map::new();
        for ((name, node), parts) in entries.into_iter().zip(parts) {
            match one(self, name, node, parts) {
                Ok(map) => _ = out.insert(name.clone(), node.with(Value::Map(map))),
                Err(message) => self.complain(node.at, message),
            }
        }
        out
    }

    fn decoded(&mut self, reader: Reader) -> Result<(), String> {
        self.warnings.extend(reader.warnings);
        if reader.errors.is_empty() {
            return Ok(());
        }
        Err(format!("decoding failed due to the following error(s):\n\n{}", reader.errors.join("\n")))
    }

    fn complain(&mut self, at: Place, message: String) {
        self.complaints.push(Complaint { at, message });
    }

    fn service(&mut self, node: &Node, mut service: Map) -> Result<Map, String> {
        let environment = self.environment(&service)?;
        service.remove("environment");
        if !environment.is_empty() {
            service.insert("environment".to_string(), node.with(Value::Map(environment)));
        }
        if let Some(Node { value: Value::List(mounts), .. }) = service.get_mut("volumes") {
            for mount in mounts {
                self.bind(mount)?;
            }
        }
        service.extend(extras(node.map().unwrap_or(&Map::new())));
        Ok(service)
    }

    /// The variables of the service's files, then its own; a variable without a value takes that of the surroundings.
    fn environment(&mut self, service: &Map) -> Result<Map, String> {
        let mut out = Map::new();
        for file in service.get("env_file").and_then(Node::list).unwrap_or_default() {
            for (name, value) in self.env_file(file.text().unwrap_or_default())? {
                self.set(&mut out, name, file.with(Value::Text(value)));
            }
        }
        for (name, value) in service.get("environment").and_then(Node::map).into_iter().flatten() {
            self.set(&mut out, name.clone(), value.clone());
        }
        Ok(out)
    }

    fn set(&self, environment: &mut Map, name: String, value: Node) {
        let is_open = value.text().is_none_or(str::is_empty);
        let value = match self.around.variables.get(&name) {
            Some(outer) if is_open => value.with(text(outer)),
            _ => value,
        };
        environment.insert(name, value);
    }

    fn env_file(&self, name: &str) -> Result<Vec<(String, String)>, String> {
        let path = self.around.folder.join(name);
        // The message names the file as the stack file does, not where this machine keeps it.
        let shown = clean(Path::new(name));
        let failed = |why: String| format!("invalid env file ({}): {why}", shown.display());
        if path.is_dir() {
            return Err(failed(format!("read {}: is a directory", shown.display())));
        }
        let content = read_bytes(&path).map_err(|why| format!("open {}: {why}", shown.display()))?;
        env_lines(&content, self.around.variables).map_err(failed)
    }

    fn bind(&mut self, mount: &mut Node) -> Result<(), String> {
        let Value::Map(map) = &mut mount.value else { return Ok(()) };
        if map.get("type").and_then(Node::text) != Some("bind") {
            return Ok(());
        }
        let Some(source) = map.get_mut("source") else {
            return Err("invalid mount config for type \"bind\": field Source must not be empty".to_string());
        };
        let mut path = source.text().unwrap_or_default().to_string();
        if let Some(rest) = path.strip_prefix('~') {
            match self.around.variables.get("HOME") {
                Some(home) => path = format!("{home}{rest}"),
                None => self.warnings.push("cannot expand '~', because the environment lacks HOME".to_string()),
            }
        }
        if !path.starts_with('/') && !is_windows_path(&path) {
            path = self.absolute(&path);
        }
        source.value = Value::Text(path);
        Ok(())
    }

    fn absolute(&self, path: &str) -> String {
        clean(&self.around.folder.join(path)).display().to_string()
    }

    fn network(&mut self, name: &str, node: &Node, mut network: Map) -> Result<Map, String> {
        if network.contains_key("external") {
            self.settle("network", name, node, &mut network, 5)?;
            network.extend(extras(node.map().unwrap_or(&Map::new())));
        }
        Ok(network)
    }

    fn volume(&mut self, name: &str, node: &Node, mut volume: Map) -> Result<Map, String> {
        if volume.contains_key("external") {
            for key in ["driver", "driver_opts", "labels"] {
                if volume.contains_key(key) {
                    return Err(format!(
                        "conflicting parameters \"external\" and \"{key}\" specified for volume \"{name}\""
                    ));
                }
            }
            self.settle("volume", name, node, &mut volume, 4)?;
            volume.extend(extras(node.map().unwrap_or(&Map::new())));
        }
        Ok(volume)
    }

    fn file_object(&mut self, kind: &str, name: &str, node: &Node, mut object: Map) -> Result<Map, String> {
        if object.contains_key("external") {
            self.settle(kind, name, node, &mut object, 5)?;
        } else if object.contains_key("driver") {
            if object.contains_key("file") {
                return Err(format!("{kind} {name}: {kind}.driver and {kind}.file conflict; only use {kind}.driver"));
            }
        } else {
            let file = object.get("file").and_then(Node::text).unwrap_or_default();
            let path = self.absolute(file);
            object.insert("file".to_string(), node.with(Value::Text(path)));
        }
        object.extend(extras(node.map().unwrap_or(&Map::new())));
        Ok(object)
    }

    /// Gives an external object its name: `name`, the older `external.name`, or its key.
    fn settle(&mut self, kind: &str, key: &str, node: &Node, object: &mut Map, since: u32) -> Result<(), String> {
        let older =
            node.get("external").and_then(|external| external.get("name")).and_then(Node::text).unwrap_or_default();
        let name = match (older, object.contains_key("name")) {
            ("", true) => return Ok(()),
            ("", false) => key,
            (_, true) => {
                return Err(format!(
                    "{kind} {key}: {kind}.external.name and {kind}.name conflict; only use {kind}.name"
                ));
            }
            (older, false) => {
                if self.around.minor >= since {
                    let warning = format!("{kind} {key}: {kind}.external.name is deprecated in favor of {kind}.name");
                    self.warnings.push(warning);
                }
                older
            }
        };
        object.insert("name".to_string(), node.with(text(name)));
        Ok(())
    }
}

/// The entries of a section in the order of the file.
fn entries<'a>(root: &'a Map, section: &str) -> Vec<(&'a String, &'a Node)> {
    let mut entries: Vec<_> = root.get(section).and_then(Node::map).into_iter().flatten().collect();
    entries.sort_by_key(|(_, node)| node.at);
    entries
}

/// Most bytes of a line of variables (Go's `bufio.Scanner`).
const MAX_LINE: usize = 64 << 10;

/// The variables of a text with one `NAME=value` per line; a name alone takes the value of `outer`, if it has one.
pub fn env_lines(content: &[u8], outer: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, String> {
    let mut out = Vec::new();
    for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
        if line.len() >= MAX_LINE {
            return Err("bufio.Scanner: token too long".to_string());
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(format!("invalid utf8 bytes at line {}: {}", index + 1, listed(line)));
        };
        let line = if index == 0 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value.to_string())),
            None => (line, outer.get(line).cloned()),
        };
        if name.is_empty() {
            return Err(format!("no variable name on line '{line}'"));
        }
        if name.contains([' ', '\t']) {
            return Err(format!("variable '{name}' contains whitespaces"));
        }
        out.extend(value.map(|value| (name.to_string(), value)));
    }
    Ok(out)
}

/// Bytes as Go prints them, which are shortened if they are many.
fn listed(bytes: &[u8]) -> String {
    let numbers: Vec<String> = bytes.iter().take(64).map(u8::to_string).collect();
    format!("[{}{}]", numbers.join(" "), if bytes.len() > 64 { " ..." } else { "" })
}

/// Reads a regular file that is not too large; the error is the operating system's, in Go's words.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    read_if(path, std::fs::Metadata::is_file)
}

/// As [`read_bytes`], also from a pipe.
pub fn read_stream(path: &Path) -> Result<Vec<u8>, String> {
    read_if(path, |metadata| metadata.is_file() || is_pipe(metadata))
}

fn read_if(path: &Path, is_readable: fn(&std::fs::Metadata) -> bool) -> Result<Vec<u8>, String> {
    let say = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_string(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        _ => error.to_string(),
    };
    let metadata = std::fs::metadata(path).map_err(say)?;
    if metadata.is_dir() {
        return Err("is a directory".to_string());
    }
    if !is_readable(&metadata) {
        return Err("not a regular file".to_string());
    }
    read_all(std::fs::File::open(path).map_err(say)?)
}

/// Reads everything of what may have no end, if it is not too large.
pub fn read_all(from: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    from.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("larger than {} MiB", MAX_FILE >> 20));
    }
    Ok(bytes)
}

#[cfg(unix)]
fn is_pipe(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_: &std::fs::Metadata) -> bool {
    false
}

/// A path without `.`, and without `..` where that leads back out of a folder that the path names.
pub fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match out.components().next_back() {
                Some(Component::Normal(_)) => _ = out.pop(),
                Some(Component::RootDir) => {}
                _ => out.push(".."),
            },
            other => out.push(other),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}

/// Whether a path is absolute on Windows: `C:\…` or `\\host\share\…` (Go's `path/filepath`).
fn is_windows_path(path: &str) -> bool {
    let is_separator = |b: &u8| matches!(b, b'\\' | b'/');
    let bytes = path.as_bytes();
    let rest = match bytes {
        [letter, b':', rest @ ..] if letter.is_ascii_alphabetic() => rest,
        [a, b, host @ ..] if is_separator(a) && is_separator(b) => {
            let end = host.iter().position(is_separator).unwrap_or(host.len());
            let share = host.get(end + 1..).unwrap_or_default();
            let is_named = |name: &[u8]| name.first().is_some_and(|b| !is_separator(b) && *b != b'.');
            if !is_named(host) || !is_named(share) {
                return false;
            }
            &share[share.iter().position(is_separator).unwrap_or(share.len())..]
        }
        _ => return false,
    };
    rest.first().is_some_and(is_separator)
}
