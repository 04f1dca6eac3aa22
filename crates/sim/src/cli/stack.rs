//! `simctl stack`: what Docker and Swarm would make of stack files, without either.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use comfy_table::{ContentArrangement, Table, presets};
use sched::Span;
use sched::spec::{EndpointMode, Mode, Port, PublishMode, Resources, ServiceSpec, Units, UpdateConfig};
use serde_json::{Value, json};

use super::{Console, End};
use crate::compose::json::{failure_action, protocol, restart_condition, update_order};
use crate::compose::{self, Problem, Source, Stack, Stage};
use crate::outside::{self, shown_lines as visible};

/// Columns of the narrowest terminal that everything fits.
const WIDTH: u16 = 80;

/// Reads Docker stack files as `docker stack deploy` would, and shows the services or what stands in their way.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Stack files; each is a stack of its own, `-` is standard input.
    #[arg(required_unless_present = "compose_files")]
    pub files: Vec<PathBuf>,
    /// Files of one stack, each laid over those before it.
    #[arg(short = 'c', long = "compose-file", value_name = "FILE")]
    pub compose_files: Vec<PathBuf>,
    /// A variable for `${NAME}`; nothing is taken from the environment.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// A file with a variable per line; `--env` comes after it.
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// The stack's name; without it the name of the file.
    #[arg(long)]
    pub name: Option<String>,
}

/// How to print.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For people.
    Table,
    /// For programs: everything, with the fields of Docker's API.
    Json,
}

/// Reads and shows. Wrong input is a stack that is refused, or wrong arguments.
pub fn run(args: &Args, console: &mut Console) -> End {
    match report(args, Style { is_plain: !console.color }) {
        Ok((text, all_load)) => {
            console.say(&text);
            if all_load { End::Held } else { End::WrongInput }
        }
        Err(why) => {
            console.tell(&format!("error: {why}"));
            End::WrongInput
        }
    }
}

/// Everything that is printed, and whether every stack loads; the error is about the arguments.
pub fn report(args: &Args, style: Style) -> Result<(String, bool), String> {
    let variables = variables(args)?;
    let mut stacks: Vec<Vec<PathBuf>> = args.files.iter().map(|file| vec![file.clone()]).collect();
    if !args.compose_files.is_empty() {
        stacks.push(args.compose_files.clone());
    }
    if args.name.is_some() && stacks.len() > 1 {
        return Err("--name is for one stack; these are several".to_string());
    }
    let verdicts: Vec<Verdict> = stacks
        .into_iter()
        .map(|files| {
            let name = args.name.clone().unwrap_or_else(|| compose::default_name(&files[0]));
            let sources: Result<Vec<Source>, Problem> = files.iter().map(|file| Source::read_stream(file)).collect();
            let sources = sources.map_err(|problem| vec![problem]);
            let outcome = sources.and_then(|sources| compose::load_sources(&name, &sources, &variables));
            Verdict { name, files, outcome }
        })
        .collect();
    let text = match (args.format, verdicts.as_slice()) {
        (Format::Json, verdicts) => outside::json(&in_json(verdicts)),
        (Format::Table, [verdict]) => one(verdict, style),
        (Format::Table, verdicts) => many(verdicts, style),
    };
    Ok((text, verdicts.iter().all(|verdict| verdict.outcome.is_ok())))
}

/// Whether to use bold and colours.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Neither.
    pub is_plain: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.is_plain { text.to_string() } else { format!("\x1b[{code}m{text}\x1b[0m") }
    }

    fn heading(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn refusal(self, text: &str) -> String {
        self.paint("31", text)
    }
}

struct Verdict {
    name: String,
    files: Vec<PathBuf>,
    outcome: Result<Stack, Vec<Problem>>,
}

impl Verdict {
    fn word(&self) -> &'static str {
        match self.outcome.as_ref().map_err(|problems| problems.first().map(|problem| problem.stage)) {
            Ok(_) => "loads",
            Err(Some(Stage::Deploy)) => "refused at deploy",
            Err(Some(Stage::Engine)) => "refused by the engine",
            Err(Some(Stage::Simulator)) => "not simulated",
            Err(_) => "refused",
        }
    }
}

/// Variables of the files, then those of the command line.
fn variables(args: &Args) -> Result<BTreeMap<String, String>, String> {
    let mut out = BTreeMap::new();
    for path in &args.env_file {
        out.extend(compose::read_variables(path)?);
    }
    for pair in &args.env {
        match pair.split_once('=') {
            Some((name, value)) if !name.is_empty() => out.insert(name.to_string(), value.to_string()),
            _ => return Err(format!("--env {pair}: expected NAME=VALUE")),
        };
    }
    Ok(out)
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    if !header.is_empty() {
        table.set_header(header.to_vec());
    }
    table
}

fn lines(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A table of two columns below a heading.
fn section(heading: &str, rows: Vec<(String, String)>) -> String {
    let mut table = table(&[]);
    for (what, value) in rows {
        table.add_row([visible(&format!(" {what}")), visible(&value)]);
    }
    format!("\n{}\n{}", visible(heading), lines(&table))
}

/// One stack: its services and what belongs to them, or all problems.
fn one(verdict: &Verdict, style: Style) -> String {
    let title = style.heading(&visible(&verdict.name));
    match &verdict.outcome {
        Ok(stack) => {
            let mut out = format!("{title}\n\n{}{}", services(stack), objects(stack));
            for warning in &stack.warnings {
                let _ = writeln!(out, "\n{}", visible(warning));
            }
            out
        }
        Err(problems) => {
            let mut table = table(&["PLACE", "REFUSED BY", "MESSAGE"]);
            for problem in problems {
                let file = problem.file.file_name().unwrap_or(problem.file.as_os_str()).to_string_lossy();
                let place = problem.place.map(|at| format!(":{}:{}", at.line, at.column)).unwrap_or_default();
                let place = format!("{file}{place}");
                let by = match problem.stage {
                    Stage::Load => "docker",
                    Stage::Deploy => "docker deploy",
                    Stage::Engine => "engine",
                    Stage::Simulator => "simctl",
                };
                table.add_row([visible(&place), by.to_string(), visible(&problem.message)]);
            }
            format!("{title}: {}\n\n{}", style.refusal(verdict.word()), lines(&table))
        }
    }
}

/// A table of the services, then what each says beyond its row. The names are those of the file.
fn services(stack: &Stack) -> String {
    if stack.services.is_empty() {
        return "no services\n".to_string();
    }
    let mut table = table(&["NAME", "MODE", "REPLICAS", "IMAGE", "PORTS"]);
    for service in &stack.services {
        let (mode, replicas) = mode(service.spec.mode);
        let ports: Vec<String> = service.spec.endpoint.ports.iter().map(port).collect();
        let image = &service.spec.task.container.image;
        table.add_row([&service.key, mode, &replicas, image, &ports.join(" ")].map(visible));
    }
    let mut out = lines(&table);
    for service in &stack.services {
        let mut facts = facts(&service.spec);
        let prefix = format!("{}_", stack.name);
        let networks = service.spec.task.networks.iter().map(|name| name.strip_prefix(&prefix).unwrap_or(name));
        facts.push(("networks".to_string(), networks.collect::<Vec<_>>().join(", ")));
        out.push_str(&section(&service.key, facts));
    }
    out
}

/// What a service says beyond its row of the table.
fn facts(spec: &ServiceSpec) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut add = |what: &str, value: String| {
        if !value.is_empty() {
            facts.push((what.to_string(), value));
        }
    };
    add("reserves", resources(&spec.task.reservations));
    add("limits", resources(&spec.task.limits));
    let placement = &spec.task.placement;
    for constraint in &placement.constraints {
        add("constraint", constraint.clone());
    }
    for preference in &placement.preferences {
        add("spread over", preference.clone());
    }
    if placement.max_replicas > 0 {
        add("at most", format!("{} on a node", placement.max_replicas));
    }
    if let Some(policy) = spec.task.restart {
        let mut text = restart_condition(policy.condition).to_string();
        if let Some(delay) = policy.delay {
            let _ = write!(text, ", after {delay}");
        }
        if policy.max_attempts > 0 {
            let _ = write!(text, ", {} times", policy.max_attempts);
        }
        if policy.window != Span::ZERO {
            let _ = write!(text, " within {}", policy.window);
        }
        add("restart", text);
    }
    add("update", spec.update.map(update).unwrap_or_default());
    add("rollback", spec.rollback.map(update).unwrap_or_default());
    if spec.endpoint.mode == EndpointMode::DnsRoundRobin {
        add("endpoint", "dnsrr".to_string());
    }
    facts
}

fn mode(mode: Mode) -> (&'static str, String) {
    match mode {
        Mode::Replicated { replicas } => ("replicated", replicas.to_string()),
        Mode::Global => ("global", "-".to_string()),
        Mode::ReplicatedJob { total_completions, .. } => ("replicated-job", total_completions.to_string()),
        Mode::GlobalJob => ("global-job", "-".to_string()),
    }
}

fn port(port: &Port) -> String {
    let protocol = protocol(port.protocol);
    let outside = if port.published == 0 { "?".to_string() } else { port.published.to_string() };
    match port.mode {
        PublishMode::Ingress => format!("*:{outside}->{}/{protocol}", port.target),
        PublishMode::Host => format!("host:{outside}->{}/{protocol}", port.target),
    }
}

fn resources(resources: &Resources) -> String {
    let mut parts = Vec::new();
    if resources.nano_cpus != 0 {
        parts.push(format!("{} CPU", decimal(resources.nano_cpus)));
    }
    if resources.memory != 0 {
        parts.push(size(resources.memory));
    }
    for generic in &resources.generic {
        match &generic.units {
            Units::Count(count) => parts.push(format!("{count} {}", generic.kind)),
            Units::Named(name) => parts.push(format!("{}={name}", generic.kind)),
        }
    }
    parts.join(", ")
}

/// Billionths as a decimal number, exactly.
fn decimal(nano: i64) -> String {
    let sign = if nano < 0 { "-" } else { "" };
    let (whole, fraction) = (nano.unsigned_abs() / 1_000_000_000, nano.unsigned_abs() % 1_000_000_000);
    let text = format!("{sign}{whole}.{fraction:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Bytes in the largest unit that divides them.
fn size(bytes: i64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.into_iter().find(|(_, shift)| bytes % (1 << shift) == 0);
    unit.map_or_else(|| format!("{bytes} B"), |(unit, shift)| format!("{} {unit}", bytes >> shift))
}

fn update(update: UpdateConfig) -> String {
    let at_a_time = if update.parallelism == 0 { "all".to_string() } else { update.parallelism.to_string() };
    let mut text = format!("{at_a_time} at a time");
    if update.delay != Span::ZERO {
        let _ = write!(text, ", every {}", update.delay);
    }
    let _ = write!(text, ", {}, {} on failure", update_order(update.order), failure_action(update.failure_action));
    if update.max_failure_ratio > 0.0 {
        let _ = write!(text, " of {}", update.max_failure_ratio);
    }
    if let Some(monitor) = update.monitor {
        let _ = write!(text, ", watched for {monitor}");
    }
    text
}

/// Networks, volumes, secrets and configs, with their names in the cluster.
fn objects(stack: &Stack) -> String {
    let row = |name: &str, external: bool, facts: &[&str]| {
        let external = if external { "external" } else { "" };
        let facts: Vec<&str> = [external].iter().chain(facts).copied().filter(|fact| !fact.is_empty()).collect();
        (name.to_string(), facts.join(", "))
    };
    let network = |network: &compose::StackNetwork| {
        let attachable = if network.attachable { "attachable" } else { "" };
        let internal = if network.internal { "internal" } else { "" };
        let mut facts = vec![network.driver.as_str(), attachable, internal];
        facts.extend(network.subnets.iter().map(String::as_str));
        // What the driver of an external network is stands in no file.
        row(&network.name, network.external, if network.external { &[] } else { &facts })
    };
    let sections: [(&str, Vec<(String, String)>); 4] = [
        ("networks", stack.networks.iter().map(network).collect()),
        ("volumes", stack.volumes.iter().map(|volume| row(&volume.name, volume.external, &[&volume.driver])).collect()),
        ("secrets", stack.secrets.iter().map(|secret| row(&secret.name, secret.external, &[])).collect()),
        ("configs", stack.configs.iter().map(|config| row(&config.name, config.external, &[])).collect()),
    ];
    sections.into_iter().filter(|(_, rows)| !rows.is_empty()).map(|(what, rows)| section(what, rows)).collect()
}

/// Several stacks: a line for each, and how many fared how.
fn many(verdicts: &[Verdict], style: Style) -> String {
    let folder = common_folder(verdicts.iter().flat_map(|verdict| &verdict.files));
    let mut table = table(&["FILE", "VERDICT", "MESSAGE"]);
    let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
    for verdict in verdicts {
        *totals.entry(verdict.word()).or_default() += 1;
        let shown = |file: &PathBuf| file.strip_prefix(&folder).unwrap_or(file).display().to_string();
        let file = verdict.files.iter().map(shown).collect::<Vec<_>>().join(" + ");
        let message = match &verdict.outcome {
            Ok(stack) => match stack.warnings.len() {
                0 => String::new(),
                1 => "1 warning".to_string(),
                count => format!("{count} warnings"),
            },
            Err(problems) => match &problems[..] {
                [first, _, ..] => format!("{} (and {} more)", first.message, problems.len() - 1),
                all => all.iter().map(|problem| problem.message.clone()).collect(),
            },
        };
        table.add_row([file, verdict.word().to_string(), message].map(|cell| visible(&cell)));
    }
    let totals: Vec<String> = totals.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let summary = format!("{} stacks: {}", verdicts.len(), totals.join(", "));
    format!("{}\n{}\n", lines(&table), style.heading(&summary))
}

/// The deepest folder that all files are in.
fn common_folder<'a>(mut files: impl Iterator<Item = &'a PathBuf>) -> PathBuf {
    let first = files.next().and_then(|file| file.parent()).unwrap_or(Path::new("")).to_path_buf();
    files.fold(first, |folder, file| {
        let shared = folder.components().zip(file.components()).take_while(|(a, b)| a == b);
        shared.map(|(component, _)| component).collect()
    })
}

fn in_json(verdicts: &[Verdict]) -> Value {
    let stack = |verdict: &Verdict| {
        let files: Vec<String> = verdict.files.iter().map(|file| file.display().to_string()).collect();
        let mut out = json!({"name": verdict.name, "files": files, "verdict": verdict.word()});
        match &verdict.outcome {
            Ok(stack) => out["stack"] = compose::json::stack(stack),
            Err(problems) => out["problems"] = problems.iter().map(compose::json::problem).collect(),
        }
        out
    };
    json!({"stacks": verdicts.iter().map(stack).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_cpus_print_exactly() {
        assert_eq!(size(52_428_800), "50 MiB");
        assert_eq!(size(52_428_801), "52428801 B");
        assert_eq!(decimal(500_000_000), "0.5");
        assert_eq!(decimal(100_000), "0.0001");
        assert_eq!(decimal(2_000_000_000), "2");
    }
}
