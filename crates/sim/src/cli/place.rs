//! `simctl place`: where everything is at a moment, by rack and node, and what is left there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use comfy_table::{CellAlignment, ContentArrangement, Table};
use sched::{DesiredState, TaskState, Time};
use serde_json::{Value, json};

use super::run::Shared;
use super::show::{LINES, counted};
use super::why::Shape;
use super::{Console, End};
use crate::outside;
use crate::report::text;
use crate::scenario;
use crate::simulation::{Node, Simulation};

/// `simctl place`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  simctl place my.toml
  simctl place my.toml --at 5m --by zone --all")]
pub struct Args {
    /// Scenario file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    shared: Shared,
    /// The moment, from the beginning of the run [default: its end]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The label by whose values nodes stand together
    #[arg(long, value_name = "LABEL", default_value = "rack")]
    by: String,
    /// The replication
    #[arg(long, short, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    replication: u32,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
    /// Show every node
    #[arg(long)]
    all: bool,
}

/// So many nodes are shown unless all are asked for.
const SHOWN: usize = 24;

/// A node with what is on it.
struct Place {
    node: Node,
    group: String,
    tasks: usize,
    /// Nano-CPUs and bytes: reserved, and all.
    reserved: (i64, i64),
    has: (i64, i64),
    services: BTreeMap<String, usize>,
}

/// Runs the verb.
pub fn run(args: &Args, console: &mut Console) -> End {
    match place(args) {
        Ok(text) => {
            console.say(&text);
            End::Held
        }
        Err(why) => {
            let prefix = if why.starts_with("error") { "" } else { "error: " };
            console.tell(&format!("{prefix}{}", why.trim_end()));
            End::WrongInput
        }
    }
}

fn place(args: &Args) -> Result<String, String> {
    let scenario = args.shared.load(&args.file)?;
    let at = match &args.at {
        Some(text) => scenario::moment(text, scenario.duration)?,
        None => Time::ZERO + scenario.duration,
    };
    let strategy = args.shared.strategy(&scenario);
    let mut run = Simulation::new(scenario, &strategy, args.replication)?;
    run.run_until(at);
    let mut places: Vec<Place> =
        run.nodes().filter(|node| node.is_there).map(|node| look(&run, node, &args.by)).collect();
    places.sort_by(|one, other| one.group.cmp(&other.group).then(one.node.row.cmp(&other.node.row)));
    Ok(match args.format {
        Shape::Text => in_words(args, &run, &places),
        Shape::Json => outside::json(&in_json(&run, &places)),
    })
}

/// Whether a task is wanted and has not ended.
fn counts(task: &sched::Task) -> bool {
    task.state <= TaskState::Running && task.desired <= DesiredState::Complete
}

fn look(run: &Simulation, node: Node, by: &str) -> Place {
    let cluster = run.cluster();
    let (mut reserved, mut tasks, mut services) = ((0i64, 0i64), 0, BTreeMap::new());
    for task in run.tasks_on(&node.spec.id) {
        let Some(record) = cluster.task(task.id).filter(|task| counts(task)) else { continue };
        let wants = &record.spec.task.reservations;
        reserved = (reserved.0.saturating_add(wants.nano_cpus), reserved.1.saturating_add(wants.memory));
        tasks += 1;
        *services.entry(record.spec.name.clone()).or_default() += 1;
    }
    let has = node.spec.description.as_ref().map(|description| &description.resources);
    let has = has.map_or((0, 0), |has| (has.nano_cpus, has.memory));
    let group = node.spec.labels.get(by).cloned().unwrap_or_default();
    Place { node, group, tasks, reserved, has, services }
}

fn in_words(args: &Args, run: &Simulation, places: &[Place]) -> String {
    let mut lines = Vec::new();
    let tasks: usize = places.iter().map(|place| place.tasks).sum();
    let waiting = run.cluster().tasks().filter(|(_, task)| task.node.is_none() && counts(task)).count();
    let at = text::span(run.now().since(Time::ZERO).as_secs_f64());
    let nodes = counted(places.len(), "node", "nodes");
    lines.push(format!("{} on {nodes} at {at}; {waiting} without a node.", counted(tasks, "task", "tasks")));
    let is_everywhere = |name: &&String| places.iter().all(|place| place.services.contains_key(*name));
    let everywhere: Vec<&String> =
        places.first().map_or(Vec::new(), |first| first.services.keys().filter(is_everywhere).collect());
    if places.len() > 1 && !everywhere.is_empty() {
        let names: Vec<String> = everywhere.iter().map(|name| outside::shown(name).to_string()).collect();
        lines.push(format!("On every node: {}.", names.join(", ")));
    }
    let shown = if args.all { places.len() } else { SHOWN.min(places.len()) };
    let mut table = Table::new();
    table.load_style(LINES).set_content_arrangement(ContentArrangement::Dynamic).set_width(80);
    table.set_header([&outside::shown(&args.by)[..], "node", "tasks", "CPUs", "memory GiB", "services"]);
    let of = |used: i64, all: i64, unit: f64| {
        format!("{} of {}", text::short(used as f64 / unit), text::short(all as f64 / unit))
    };
    for group in places.chunk_by(|one, other| one.group == other.group) {
        let sum = |of: &dyn Fn(&Place) -> i64| group.iter().map(of).sum::<i64>();
        let name = if group[0].group.is_empty() { "-".into() } else { outside::shown(&group[0].group).to_string() };
        table.add_row([
            name,
            counted(group.len(), "node", "nodes"),
            group.iter().map(|place| place.tasks).sum::<usize>().to_string(),
            of(sum(&|place| place.reserved.0), sum(&|place| place.has.0), 1e9),
            of(sum(&|place| place.reserved.1), sum(&|place| place.has.1), f64::from(1 << 30)),
            String::new(),
        ]);
        for place in group.iter().filter(|place| place.node.row < shown || args.all) {
            let state = match (place.node.has_power, place.node.leads) {
                (false, _) => " (down)",
                (_, true) => " (leader)",
                _ => "",
            };
            let services = place.services.iter().filter(|(name, _)| !everywhere.contains(name));
            let services: Vec<String> = services
                .map(|(name, count)| match count {
                    1 => outside::shown(name).to_string(),
                    count => format!("{count} {}", outside::shown(name)),
                })
                .collect();
            table.add_row([
                String::new(),
                format!("{}{state}", outside::shown(&place.node.spec.id)),
                place.tasks.to_string(),
                of(place.reserved.0, place.has.0, 1e9),
                of(place.reserved.1, place.has.1, f64::from(1 << 30)),
                if args.all { services.join(", ") } else { fitting(&services, 34) },
            ]);
        }
    }
    for column in table.column_iter_mut().skip(2).take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    lines.extend(table.to_string().lines().map(str::to_owned));
    if places.len() > shown {
        lines.push(format!(
            "{} are not shown by themselves (--all shows them)",
            counted(places.len() - shown, "node", "nodes")
        ));
    }
    lines.push("CPUs and memory: reserved of all. `simctl why FILE task NAME` says why a task is where it is.".into());
    text::paragraphs(&lines, 80)
}

/// As many of some words as fit, and how many more there are.
fn fitting(words: &[String], width: usize) -> String {
    let mut line = String::new();
    for (place, word) in words.iter().enumerate() {
        let separator = if line.is_empty() { "" } else { ", " };
        if place > 0 && line.chars().count() + separator.len() + word.chars().count() > width {
            return format!("{line}, +{}", words.len() - place);
        }
        line = line + separator + word;
    }
    line
}

fn in_json(run: &Simulation, places: &[Place]) -> Value {
    let nodes: Vec<Value> = places
        .iter()
        .map(|place| {
            json!({
                "node": place.node.spec.id, "group": place.group, "tasks": place.tasks,
                "reserved_nano_cpus": place.reserved.0, "nano_cpus": place.has.0,
                "reserved_memory_bytes": place.reserved.1, "memory_bytes": place.has.1,
                "has_power": place.node.has_power, "leads": place.node.leads, "services": place.services,
            })
        })
        .collect();
    json!({ "schema_version": 1, "at_s": run.now().since(Time::ZERO).as_secs_f64(), "nodes": nodes })
}
