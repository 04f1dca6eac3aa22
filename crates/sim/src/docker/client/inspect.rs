//! One object and more, whole: as JSON, by a template or for people (docker/cli `cli/command/inspect`, `cli/command/system`).

use serde::Serialize;
use serde_json::Value;

use super::template::{Data, Template, harmless};
use super::{AnyArgs, InspectArgs, PlainInspectArgs, Said, from_daemon, pretty, tasks};
use crate::docker::engine::Engine;
use crate::docker::filters::Filters;
use crate::order::FileKind;

pub(super) fn services(engine: &Engine, args: &InspectArgs) -> Result<Said, String> {
    let find = |name: &str| {
        engine.service(name, true).map_err(|error| match error.status {
            404 => format!("no such service: {name}"),
            _ => from_daemon(&error),
        })
    };
    match is_pretty(args)? {
        true => for_people(&args.plain.names, find, |service| pretty::service(engine, service)),
        false => whole(&args.plain, find),
    }
}

pub(super) fn nodes(engine: &Engine, args: &InspectArgs) -> Result<Said, String> {
    let find = |name: &str| {
        let reference = tasks::node_reference(engine, name)?;
        engine.node(&reference).map_err(|error| from_daemon(&error))
    };
    match is_pretty(args)? {
        true => for_people(&args.plain.names, find, pretty::node),
        false => whole(&args.plain, find),
    }
}

pub(super) fn networks(engine: &Engine, args: &PlainInspectArgs) -> Result<Said, String> {
    whole(args, |name| engine.network(name).map_err(|error| from_daemon(&error)))
}

pub(super) fn files(engine: &Engine, kind: FileKind, args: &InspectArgs) -> Result<Said, String> {
    let find = |name: &str| engine.file(kind, name).map_err(|error| from_daemon(&error));
    match is_pretty(args)? {
        true => for_people(&args.plain.names, find, |file| pretty::file(kind, file)),
        false => whole(&args.plain, find),
    }
}

/// Names are looked for in one list after the other, until one has them.
pub(super) fn any(engine: &Engine, args: &AnyArgs) -> Result<Said, String> {
    const TYPES: [&str; 6] = ["network", "service", "task", "node", "secret", "config"];
    const NOT_SIMULATED: [&str; 4] = ["container", "image", "plugin", "volume"];
    match args.of.as_deref() {
        Some("") => return Err(format!("type is empty: must be one of \"{}\"", TYPES.join("\", \""))),
        Some(of) if NOT_SIMULATED.contains(&of) => return Err(format!("a {of} is not shown: only what the swarm has")),
        Some(of) if !TYPES.contains(&of) => {
            return Err(format!("unknown type: \"{of}\": must be one of \"{}\"", TYPES.join("\", \"")));
        }
        _ => {}
    }
    let of = args.of.as_deref();
    whole(&args.plain, |name| {
        for kind in TYPES.into_iter().filter(|kind| of.is_none_or(|of| of == *kind)) {
            let found = match kind {
                "network" => engine.network(name).map(value),
                "service" => engine.service(name, false).map(value),
                "task" => engine.task(name).map(value),
                "node" => tasks::node_reference(engine, name)
                    .map_or_else(|_| engine.node(name).map(value), |reference| engine.node(&reference).map(value)),
                "secret" => engine.file(FileKind::Secret, name).map(value),
                _ => engine.file(FileKind::Config, name).map(value),
            };
            match found {
                Err(error) if error.status == 404 => {}
                Err(error) => return Err(from_daemon(&error)),
                Ok(found) => return Ok(found),
            }
        }
        // Not Docker's: a task by its name in tables, `web.3`. It is the newest one of its slot.
        let slot = Filters::new().with("name", &format!("{name}."));
        let tasks = if of.is_none_or(|of| of == "task") { engine.tasks(&slot) } else { Ok(Vec::new()) };
        match tasks.map_err(|error| from_daemon(&error))?.into_iter().max_by_key(|task| task.meta.created_at) {
            Some(task) => Ok(value(task)),
            None => Err(format!("error: no such object: {name}")),
        }
    })
}

pub(super) fn info(engine: &Engine, format: Option<&str>) -> Result<Said, String> {
    let info = engine.info();
    match format.filter(|format| !format.is_empty()) {
        None => Ok(Said::new(pretty::info(&info))),
        Some(format) => {
            let format = if format == "json" { "{{json .}}" } else { format };
            let made = Template::parse(format).and_then(|template| template.execute(&Data::object(&value(&info))));
            Ok(Said::new(made.map_err(|why| format!("template parsing error: {why}"))? + "\n"))
        }
    }
}

fn value(object: impl Serialize) -> Value {
    // Objects have texts as keys, and no numbers that JSON does not have.
    serde_json::to_value(object).unwrap_or_default()
}

fn is_pretty(args: &InspectArgs) -> Result<bool, String> {
    match args.plain.format.as_deref().filter(|format| !format.is_empty()) {
        Some(_) if args.pretty => Err("--format is incompatible with human friendly format".to_string()),
        Some("pretty") => Ok(true),
        Some(format) if format.starts_with("pretty") => {
            Err("cannot supply extra formatting options to the pretty template".to_string())
        }
        _ => Ok(args.pretty),
    }
}

/// Stops at the first that is not there.
fn for_people<T>(
    names: &[String],
    find: impl Fn(&str) -> Result<T, String>,
    show: impl Fn(&T) -> String,
) -> Result<Said, String> {
    let mut out = String::new();
    for name in names {
        out += &show(&find(name)?);
        out.push('\n');
    }
    Ok(Said::new(out))
}

/// As JSON or by a template. Those that are not there are told at the end.
fn whole<T: Serialize>(args: &PlainInspectArgs, find: impl Fn(&str) -> Result<T, String>) -> Result<Said, String> {
    let format = args.format.as_deref().filter(|format| !format.is_empty());
    let template = match format {
        None | Some("json") => None,
        Some(format) => Some(Template::parse(format).map_err(|why| format!("template parsing error: {why}"))?),
    };
    let (mut found, mut errors, mut out) = (Vec::new(), Vec::new(), String::new());
    for name in &args.names {
        match find(name).map(value) {
            Err(error) => errors.push(error),
            Ok(object) => match &template {
                None => found.push(object),
                Some(template) => match template.execute(&Data::object(&object)) {
                    Ok(text) => out += &format!("{text}\n"),
                    Err(why) => errors.push(format!("template parsing error: {why}")),
                },
            },
        }
    }
    out = match (format, &template) {
        (_, Some(_)) if out.is_empty() => "\n".to_string(),
        (_, Some(_)) => out,
        (Some(_), None) => format!("{}\n", harmless(&Value::Array(found).to_string())),
        (None, None) if found.is_empty() => "[]\n".to_string(),
        (None, None) => indented(&Value::Array(found)),
    };
    Ok(Said { out, failed: !errors.is_empty(), err: errors.join("\n") })
}

/// JSON with four blanks for each level, as Go indents it.
fn indented(value: &Value) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    // Writing into memory does not fail.
    let _ = value.serialize(&mut serializer);
    out.push(b'\n');
    harmless(&String::from_utf8(out).unwrap_or_default())
}
