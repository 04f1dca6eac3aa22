//! Lists of tasks: of stacks, services and nodes (docker/cli `cli/command/task`, `cli/command/service/ps.go`,
//! `cli/command/node/ps.go`, `cli/command/stack/ps.go`).

use std::collections::BTreeMap;

use super::table::{self, Layout, Row};
use super::words::{capitalized, ellipsis, human, natural, short};
use super::{NodeTasksArgs, Said, ServiceTasksArgs, StackTasksArgs, TaskArgs, filters, from_daemon};
use crate::docker::engine::Engine;
use crate::docker::filters::Filters;
use crate::docker::make::STACK;
use crate::docker::objects::{Port, Task};

/// Longest error in a table.
const LONGEST_ERROR: usize = 30;

const TASKS: Layout = Layout {
    fields: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Image", "IMAGE"),
        ("Node", "NODE"),
        ("DesiredState", "DESIRED STATE"),
        ("CurrentState", "CURRENT STATE"),
        ("Error", "ERROR"),
        ("Ports", "PORTS"),
    ],
    columns: &["ID", "Name", "Image", "Node", "DesiredState", "CurrentState", "Error", "Ports"],
    raw: &[
        ("id", "ID"),
        ("name", "Name"),
        ("image", "Image"),
        ("node", "Node"),
        ("desired_state", "DesiredState"),
        ("current_state", "CurrentState"),
        ("error", "Error"),
        ("ports", "Ports"),
    ],
    kind: "*task.taskContext",
};

pub(super) fn of_stack(engine: &Engine, args: &StackTasksArgs) -> Result<Said, String> {
    super::lists::check_stack_name(&args.stack)?;
    let filters = filters(&args.tasks.list.filters)?.with("label", &format!("{STACK}={}", args.stack));
    let tasks = engine.tasks(&filters).map_err(|error| from_daemon(&error))?;
    if tasks.is_empty() {
        return Err(format!("nothing found in stack: {}", args.stack));
    }
    Ok(Said::new(print(engine, &args.tasks, tasks, args.tasks.no_trunc)?))
}

/// Services are named by whole id, whole name or the beginning of an id. Those that are not there are told at the end.
pub(super) fn of_services(engine: &Engine, args: &ServiceTasksArgs) -> Result<Said, String> {
    let mut filters = filters(&args.tasks.list.filters)?;
    let mut missing = Vec::new();
    for name in &args.services {
        match engine.service(name, false) {
            Ok(service) => filters.add("service", &service.meta.id),
            Err(error) if error.status == 404 => missing.push(format!("no such service: {name}")),
            Err(error) if error.status == 400 => {
                return Err(format!("multiple services found with provided prefix: {name}"));
            }
            Err(error) => return Err(from_daemon(&error)),
        }
    }
    if filters.get("service").is_empty() {
        return Err(missing.join("\n"));
    }
    resolve_nodes(engine, &mut filters)?;
    let tasks = engine.tasks(&filters).map_err(|error| from_daemon(&error))?;
    let no_trunc = args.tasks.no_trunc || args.tasks.list.quiet;
    let out = print(engine, &args.tasks, tasks, no_trunc)?;
    Ok(Said { out, failed: !missing.is_empty(), err: missing.join("\n") })
}

/// The filter `node` knows `self`.
fn resolve_nodes(engine: &Engine, filters: &mut Filters) -> Result<(), String> {
    let nodes = filters.get("node").iter().map(|name| node_reference(engine, name));
    let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
    if !nodes.is_empty() {
        filters.set("node", nodes);
    }
    Ok(())
}

/// `self` is the node that is asked.
pub(super) fn node_reference(engine: &Engine, name: &str) -> Result<String, String> {
    match name {
        "self" => match engine.info().swarm.node_id {
            id if id.is_empty() => {
                engine.nodes(&Filters::new()).map_err(|error| from_daemon(&error))?;
                Err("node ID not found in /info: the manager that is asked is no node of the scenario".to_string())
            }
            id => Ok(id),
        },
        name => Ok(name.to_string()),
    }
}

pub(super) fn of_nodes(engine: &Engine, args: &NodeTasksArgs) -> Result<Said, String> {
    let given = filters(&args.tasks.list.filters)?;
    let (mut tasks, mut errors) = (Vec::new(), Vec::new());
    for name in &args.nodes {
        let found = node_reference(engine, name).and_then(|reference| {
            let node = engine.node(&reference).map_err(|error| from_daemon(&error))?;
            let filters = given.clone().with("node", &node.meta.id);
            engine.tasks(&filters).map_err(|error| from_daemon(&error))
        });
        match found {
            Ok(found) => tasks.extend(found),
            Err(error) => errors.push(error),
        }
    }
    let is_shown = errors.is_empty() || !tasks.is_empty();
    let out = if is_shown { print(engine, &args.tasks, tasks, args.tasks.no_trunc)? } else { String::new() };
    Ok(Said { out, failed: !errors.is_empty(), err: errors.join("\n") })
}

/// Tasks of one slot stand together, the newest first; the older ones are its history.
fn print(engine: &Engine, args: &TaskArgs, tasks: Vec<Task>, no_trunc: bool) -> Result<String, String> {
    let mut names = Names { engine, no_resolve: args.no_resolve, services: BTreeMap::new(), nodes: BTreeMap::new() };
    // Of those that were created at the same instant the engine names the older ones first.
    let mut named: Vec<(String, Task)> = tasks.into_iter().rev().map(|task| (names.task(&task), task)).collect();
    named.sort_by(|(one, a), (other, b)| {
        natural(one, other).then_with(|| one.cmp(other)).then_with(|| b.meta.created_at.cmp(&a.meta.created_at))
    });
    let format = args.list.format.as_deref();
    let is_table = format.is_none_or(|format| format.is_empty() || format.starts_with("table"));
    let is_indented = is_table && !args.list.quiet;
    let mut rows = Vec::new();
    let mut before = None;
    for (name, task) in named {
        let is_history = before.as_ref() == Some(&name);
        let shown = if is_history && is_indented { format!(" \\_ {name}") } else { name.clone() };
        before = Some(name);
        rows.push(row(engine, &task, shown, names.node(&task.node_id), no_trunc));
    }
    table::list(&TASKS, format, args.list.quiet, rows)
}

fn row(engine: &Engine, task: &Task, name: String, node: String, no_trunc: bool) -> Row {
    let (id, image) = (&task.meta.id, &task.spec.container_spec.image);
    let error = &task.status.err;
    let error = if no_trunc { error.clone() } else { ellipsis(error, LONGEST_ERROR) };
    let age = human(task.status.timestamp.age(engine.now().0)).to_lowercase();
    Row::new([
        ("ID", if no_trunc { id.clone() } else { short(id) }.into()),
        ("Name", name.into()),
        ("Image", if no_trunc { image.clone() } else { tagged(image) }.into()),
        ("Node", node.into()),
        ("DesiredState", capitalized(task.desired_state).into()),
        ("CurrentState", format!("{} {age} ago", capitalized(task.status.state)).into()),
        ("Error", if error.is_empty() { String::new() } else { format!("\"{error}\"") }.into()),
        ("Ports", ports(&task.status.port_status.ports).into()),
    ])
}

/// An image without the digest behind its tag, and without the parts of its name that everybody knows.
pub(super) fn tagged(image: &str) -> String {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let has_tag = name.rsplit('/').next().unwrap_or(name).contains(':');
    if digest.is_some() && !has_tag {
        return image.to_string();
    }
    let familiar = name.strip_prefix("docker.io/").or(name.strip_prefix("index.docker.io/"));
    let official = familiar.and_then(|name| name.strip_prefix("library/"));
    official.or(familiar).unwrap_or(name).to_string()
}

fn ports(ports: &[Port]) -> String {
    let one = |port: &Port| format!("*:{}->{}/{}", port.published_port, port.target_port, port.protocol);
    ports.iter().map(one).collect::<Vec<_>>().join(",")
}

/// Names of services and nodes by their ids, as far as they are there (docker/cli `cli/command/idresolver`).
struct Names<'e, 'r> {
    engine: &'e Engine<'r>,
    no_resolve: bool,
    services: BTreeMap<String, String>,
    nodes: BTreeMap<String, String>,
}

impl Names<'_, '_> {
    fn task(&mut self, task: &Task) -> String {
        let service = self.service(&task.service_id);
        match task.slot {
            // A task of a global service has none; neither has the first of a replicated job, which counts from 0.
            0 => format!("{service}.{}", task.node_id),
            slot => format!("{service}.{slot}"),
        }
    }

    fn service(&mut self, id: &str) -> String {
        if self.no_resolve {
            return id.to_string();
        }
        let engine = self.engine;
        let name = || engine.service(id, false).map_or_else(|_| id.to_string(), |service| service.spec.name);
        self.services.entry(id.to_string()).or_insert_with(name).clone()
    }

    fn node(&mut self, id: &str) -> String {
        if self.no_resolve || id.is_empty() {
            return id.to_string();
        }
        let engine = self.engine;
        let name = || engine.node(id).map_or_else(|_| id.to_string(), |node| node.description.hostname);
        self.nodes.entry(id.to_string()).or_insert_with(name).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_shown_with_their_tags_only() {
        let pairs = [
            ("registry.local:5000/web:1@sha256:77", "registry.local:5000/web:1"),
            ("nginx:latest", "nginx:latest"),
            ("docker.io/library/nginx:1", "nginx:1"),
            ("docker.io/bitnami/redis:7", "bitnami/redis:7"),
            ("nginx@sha256:77", "nginx@sha256:77"),
        ];
        for (image, expected) in pairs {
            assert_eq!(tagged(image), expected);
        }
    }
}
