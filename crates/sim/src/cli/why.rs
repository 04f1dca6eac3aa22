//! `simctl why`: why a task is where it is, or nowhere, and what would change that.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use comfy_table::{CellAlignment, ContentArrangement, Table};
use sched::why::{Decision, Refusal, Remedy, Standing, Tried};
use sched::{NodeId, ServiceId, TaskState, Time};
use serde_json::{Value, json};

use super::show::{LINES, counted};
use super::{Console, End};
use crate::outside;
use crate::report::text::paragraphs;
use crate::scenario::{self, Scenario};
use crate::simulation::{Simulation, Task};

/// `simctl why`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  simctl why scenarios/drain.toml task web.3
  simctl why scenarios/drain.toml task web.3 why-not node-2
  simctl why scenarios/rack-outage.toml service web --at 312s
  simctl why scenarios/drain.toml task web.3 --strategy binpack --format json")]
pub struct Args {
    /// Scenario file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// `task NAME.SLOT`, or `service NAME` for its task that waits longest; `why-not NODE` behind it asks of one node
    #[arg(required = true, num_args = 2..=4, value_names = ["task|service", "NAME", "why-not", "NODE"])]
    about: Vec<String>,
    /// The moment of the question, from the beginning of the run [default: its end]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The strategy under which it runs [default: the scenario's first]
    #[arg(long, short, value_name = "NAME")]
    strategy: Option<String>,
    /// The replication
    #[arg(long, short, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    replication: u32,
    /// Root of all random streams, instead of the scenario's own
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
    /// Show every node
    #[arg(long)]
    all: bool,
}

/// How an answer is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Shape {
    /// For people.
    Text,
    /// One document.
    Json,
}

/// So many nodes are shown unless all are asked for.
const SHOWN: usize = 6;
/// Letters in a line.
const WIDTH: usize = 80;

/// What is asked.
struct Question {
    service: String,
    /// What comes behind the point of a task's name.
    slot: Option<String>,
    not: Option<String>,
}

/// A task at the moment of the question, and what is known of its way.
struct Answer<'a> {
    run: &'a Simulation,
    task: &'a Task,
    /// How it was placed, or would be if it was asked again now.
    decision: Option<Decision>,
    remedies: Vec<Tried>,
    strategy: &'a str,
}

/// Runs the verb.
pub fn run(args: &Args, console: &mut Console) -> End {
    let scenario = match scenario::load(&args.file) {
        Ok(scenario) => scenario,
        Err(complaints) => {
            console.tell(complaints.to_string().trim_end());
            return End::WrongInput;
        }
    };
    match answer(args, scenario, console) {
        Ok(()) => End::Held,
        Err(why) => {
            console.tell(&format!("error: {why}"));
            End::WrongInput
        }
    }
}

fn answer(args: &Args, mut scenario: Scenario, console: &mut Console) -> Result<(), String> {
    let question = Question::parse(&args.about)?;
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    let strategy = args.strategy.clone().unwrap_or_else(|| scenario.strategies[0].clone());
    let at = match &args.at {
        Some(text) => scenario::moment(text, scenario.duration)?,
        None => Time::ZERO + scenario.duration,
    };
    let scenario = Arc::new(scenario);
    let begin = || Simulation::new(Arc::clone(&scenario), &strategy, args.replication);
    let mut run = begin()?;
    run.run_until(at);
    let task = find(&run, &question)?;
    let waits = task.state == TaskState::Pending;
    let (decision, remedies) = if waits {
        (run.would_decide(task.id), run.remedies(task.id))
    } else {
        // The same run again, in which the placement of this task is written down.
        let mut again = begin()?;
        again.follow(task.id);
        again.run_until(at);
        (again.decision().cloned(), Vec::new())
    };
    let answer = Answer { run: &run, task: &task, decision, remedies, strategy: &strategy };
    let not = question.not.as_deref().map(|name| answer.node_named(name)).transpose()?;
    match args.format {
        Shape::Json => console.say(&outside::json(&answer.json())),
        Shape::Text => console.say(&answer.text(not, args.all)),
    }
    Ok(())
}

impl Question {
    fn parse(words: &[String]) -> Result<Question, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (kind, name, not) = match words[..] {
            [kind, name] => (kind, name, None),
            [kind, name, "why-not", node] => (kind, name, Some(node.to_owned())),
            _ => return Err("expected `task NAME.SLOT` or `service NAME`, and maybe `why-not NODE`".into()),
        };
        match kind {
            "service" => Ok(Question { service: name.into(), slot: None, not }),
            "task" => {
                let parts = name.rsplit_once('.').filter(|(service, slot)| !service.is_empty() && !slot.is_empty());
                let Some((service, slot)) = parts else {
                    let name = outside::shown(name);
                    return Err(format!(
                        "a task is named like `web.3`, or like `agent.node-1` if its service is global, found `{name}`"
                    ));
                };
                Ok(Question { service: service.into(), slot: Some(slot.into()), not })
            }
            other => Err(format!("expected `task NAME.SLOT` or `service NAME`, found `{}`", outside::shown(other))),
        }
    }
}

/// The task that is asked about: of a slot the newest, of a service the one that waits longest, or else the newest.
fn find(run: &Simulation, question: &Question) -> Result<Task, String> {
    let (at, name) = (run.now(), outside::shown(&question.service));
    // Nodes have points in their names, too.
    let known = |name: &str| run.service(name).is_some();
    let (mut service, mut slot) = (question.service.clone(), question.slot.clone());
    while let (false, Some(inner), Some((outer, between))) = (known(&service), &slot, service.rsplit_once('.')) {
        (service, slot) = (outer.to_owned(), Some(format!("{between}.{inner}")));
    }
    if !known(&service) {
        let names: Vec<String> = run.services().map(|service| service.spec.name.clone()).collect();
        let near = scenario::suggest(&question.service, names.iter().map(String::as_str));
        let near = near.map_or(String::new(), |near| format!(": {near}"));
        return Err(format!("no service `{name}` at {at}{near}"));
    }
    let tasks = run.tasks(&service);
    let of_slot = |task: &&Task| slot.as_ref().is_none_or(|slot| plain_name(task) == format!("{service}.{slot}"));
    let mine: Vec<&Task> = tasks.iter().filter(of_slot).collect();
    let wanted = |task: &&&Task| task.desired <= sched::DesiredState::Complete;
    let waiting = mine.iter().filter(wanted).filter(|task| task.state == TaskState::Pending);
    let oldest = waiting.min_by_key(|task| task.created);
    let newest = mine.iter().filter(wanted).max_by_key(|task| task.created);
    let newest = newest.or_else(|| mine.iter().max_by_key(|task| task.created));
    match oldest.filter(|_| slot.is_none()).or(newest) {
        Some(task) => Ok((*task).clone()),
        None => {
            let mut slots: Vec<&str> = tasks.iter().map(plain_name).collect();
            slots.dedup();
            let rest = slots.len().saturating_sub(8);
            let list = slots.iter().take(8).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            let has = if slots.is_empty() { "it has no tasks".into() } else { format!("it has {list}{more}") };
            Err(format!("service `{}` has no such task at {at}: {has}", outside::shown(&service)))
        }
    }
}

impl Answer<'_> {
    fn name(&self, node: NodeId) -> String {
        let spec = &self.run.cluster().nodes()[node].spec;
        let host = spec.description.as_ref().map(|description| description.hostname.as_str());
        outside::shown(host.filter(|host| !host.is_empty()).unwrap_or(&spec.id)).to_string()
    }

    fn service_name(&self, service: ServiceId) -> String {
        let service = self.run.cluster().services().get(service);
        service.map_or("a service that is gone".into(), |service| outside::shown(&service.spec.name).to_string())
    }

    fn node_named(&self, name: &str) -> Result<NodeId, String> {
        let nodes = self.run.cluster().nodes();
        let ids: Vec<NodeId> = nodes.iter().filter(|(_, node)| !node.removed).map(|(id, _)| id).collect();
        let found = ids.iter().copied().find(|id| self.name(*id) == name || nodes[*id].spec.id == name);
        found.ok_or_else(|| {
            let names: Vec<String> = ids.iter().map(|id| self.name(*id)).collect();
            let near = scenario::suggest(name, names.iter().map(String::as_str));
            let near = near.map_or(String::new(), |near| format!(": {near}"));
            format!("no node `{}` at {}{near}", outside::shown(name), self.run.now())
        })
    }

    fn words(&self, remedy: &Remedy) -> String {
        remedy.words(&|node| self.name(node), &|service| self.service_name(service))
    }

    /// One sentence: where the task is, since when.
    fn head(&self) -> String {
        let Answer { task, run, .. } = self;
        let (name, now) = (outside::shown(plain_name(task)), seconds(run.now()));
        let node = task.node.map(|row| self.run.nodes().nth(row).map(|node| node.spec.id.clone()).unwrap_or_default());
        match (task.state, node) {
            (TaskState::New, _) => format!("{name} waits for an address in its networks at {now}."),
            (TaskState::Pending, None) => {
                format!("{name} has no node at {now}; it was created at {}.", seconds(task.created))
            }
            (TaskState::Pending, Some(node)) => {
                format!("{name} belongs to {}, which does not take it at {now}.", outside::shown(&node))
            }
            (state, Some(node)) => {
                let error = task.error.as_ref().map_or(String::new(), |why| format!(", \"{}\"", outside::shown(why)));
                let state = format!("{state}").to_lowercase();
                format!("{name} is {state} on {}, from {} on{error}.", outside::shown(&node), seconds(task.since))
            }
            (state, None) => format!("{name} is {} without a node.", format!("{state}").to_lowercase()),
        }
    }

    fn text(&self, not: Option<NodeId>, all: bool) -> String {
        let mut lines = vec![self.head()];
        match &self.decision {
            None if self.task.state == TaskState::New => {}
            None => lines.push("It was not placed in this run: it ran there when the run began.".into()),
            Some(decision) if self.task.state == TaskState::Pending => self.say_refused(decision, all, &mut lines),
            Some(decision) => self.say_placed(decision, all, &mut lines),
        }
        if let (Some(node), Some(decision)) = (not, &self.decision) {
            lines.push(String::new());
            lines.push(self.why_not(node, decision));
        }
        paragraphs(&lines, WIDTH)
    }

    fn say_refused(&self, decision: &Decision, all: bool, lines: &mut Vec<String>) {
        lines.push(match &self.task.error {
            Some(why) => format!("Swarm says: {}", outside::shown(why)),
            None => "No pass has looked at it yet.".into(),
        });
        lines.push(String::new());
        let fits: Vec<&Standing> = decision.standings.iter().filter(|standing| standing.refusals.is_empty()).collect();
        if !fits.is_empty() && !self.run.is_led() {
            lines.push("No manager leads, so nothing is placed.".into());
        } else if !fits.is_empty() {
            let names: Vec<String> = fits.iter().map(|standing| self.name(standing.node)).collect();
            lines.push(format!("It would fit on {}.", listed(&names)));
        }
        if decision.standings.is_empty() {
            lines.push("There is no node.".into());
        }
        lines.extend(self.refused_table(&decision.standings, all));
        lines.push(String::new());
        if self.remedies.is_empty() {
            let least = decision.standings.iter().filter(|standing| !standing.refusals.is_empty());
            match least.min_by_key(|standing| standing.refusals.len()) {
                Some(least) => {
                    let reasons: Vec<String> = least.refusals.iter().map(ToString::to_string).collect();
                    lines.push("No single change would place it. Least is in the way of this node:".into());
                    lines.push(format!("  {}: {}", self.name(least.node), reasons.join("; ")));
                }
                None => lines.push("No single change that was tried would place it.".into()),
            }
            return;
        }
        lines.push("What would place it (each was tried on a copy of the manager), the smallest first:".into());
        for tried in &self.remedies {
            let places =
                format!("places {} of {}", tried.placed, counted(tried.waiting, "task that waits", "tasks that wait"));
            let places = if tried.remedy == Remedy::Wait { String::new() } else { format!(" ({places})") };
            lines.push(format!("  {}{places}", self.words(&tried.remedy)));
        }
    }

    /// Nodes by what refuses them, most nodes first.
    fn refused_table(&self, standings: &[Standing], all: bool) -> Vec<String> {
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for standing in standings.iter().filter(|standing| !standing.refusals.is_empty()) {
            let reasons: Vec<String> = standing.refusals.iter().map(ToString::to_string).collect();
            groups.entry(reasons.join("; ")).or_default().push(self.name(standing.node));
        }
        let mut groups: Vec<(String, Vec<String>)> = groups.into_iter().collect();
        groups.sort_by_key(|(_, nodes)| std::cmp::Reverse(nodes.len()));
        let most = if all { usize::MAX } else { SHOWN };
        let rest: usize = groups.iter().skip(most).map(|(_, nodes)| nodes.len()).sum();
        let mut lines: Vec<String> = groups
            .iter()
            .take(most)
            .map(|(reason, nodes)| {
                let names = if all { nodes.join(", ") } else { listed(nodes) };
                format!("  {}: {reason} ({names})", counted(nodes.len(), "node", "nodes"))
            })
            .collect();
        if rest > 0 {
            lines.push(format!("  {}: other reasons (--all shows them)", counted(rest, "node", "nodes")));
        }
        lines
    }

    fn say_placed(&self, decision: &Decision, all: bool, lines: &mut Vec<String>) {
        let (at, strategy) = (seconds(decision.at), outside::shown(self.strategy));
        let Some(chosen) = decision.node else { return };
        if decision.is_bound {
            lines.push(format!("It belongs to {}: no other node was asked, at {at}.", self.name(chosen)));
            return;
        }
        let (before, of) = decision.position;
        let group =
            if of > 1 { format!(", as task {} of {of} that were placed together", before + 1) } else { String::new() };
        lines.push(format!("It was placed on {} at {at} by {strategy}{group}.", self.name(chosen)));
        lines.push(format!("Why: {}", self.reason(decision)));
        lines.push(String::new());
        let mut order = vec![chosen];
        order.extend(&decision.next_best);
        let mut rest: Vec<&Standing> = decision
            .standings
            .iter()
            .filter(|standing| standing.refusals.is_empty() && !order.contains(&standing.node))
            .collect();
        rest.sort_by_key(|standing| (standing.rank(), standing.tie));
        let fitting = order.len() + rest.len();
        order.extend(rest.into_iter().map(|standing| standing.node));
        if !all {
            order.truncate(SHOWN);
        }
        let by_node = |node: NodeId| decision.standings.iter().find(|standing| standing.node == node);
        let standings: Vec<&Standing> = order.iter().filter_map(|node| by_node(*node)).collect();
        let has_branches = standings.iter().any(|standing| !standing.branches.is_empty());
        let has_failures = standings.iter().any(|standing| standing.failures > 0);
        let mut table = Table::new();
        table.load_style(LINES).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH as u16);
        let mut header = vec!["node", "its tasks", "all tasks", "CPUs left", "GiB left"];
        if has_failures {
            header.insert(1, "failures");
        }
        if has_branches {
            header.insert(1, "branch");
        }
        header.insert(0, "");
        table.set_header(header);
        for (place, standing) in standings.iter().enumerate() {
            let mark = match place {
                0 => "chosen",
                1 if !decision.next_best.is_empty() => "next",
                _ => "",
            };
            let mut row = vec![mark.to_owned(), self.name(standing.node)];
            if has_branches {
                let branches =
                    standing.branches.iter().map(|(value, tasks)| format!("{}: {tasks}", outside::shown(value)));
                row.push(branches.collect::<Vec<_>>().join(", "));
            }
            if has_failures {
                row.push(standing.failures.to_string());
            }
            row.extend([standing.of_service.to_string(), standing.active.to_string()]);
            row.extend([cpus(standing.free.0), memory(standing.free.1)]);
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(if has_branches { 3 } else { 2 }) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        lines.extend(table.to_string().lines().map(str::to_owned));
        if fitting > order.len() {
            lines.push(format!(
                "and {} on which it fits (--all shows them)",
                counted(fitting - order.len(), "node", "nodes")
            ));
        }
        let refused = self.refused_table(&decision.standings, all);
        if !refused.is_empty() {
            lines.push("Refused:".into());
            lines.extend(refused);
        }
    }

    /// What told the chosen node from the runner-up.
    fn reason(&self, decision: &Decision) -> String {
        let by_node = |node: NodeId| decision.standings.iter().find(|standing| standing.node == node);
        let Some(chosen) = decision.node.and_then(by_node) else { return String::new() };
        let Some(second) = decision.next_best.first().and_then(|node| by_node(*node)) else {
            return "it is the only node on which the task fits.".into();
        };
        let other = self.name(second.node);
        let levels = chosen.branches.iter().zip(&second.branches).find(|(own, its)| own.0 != its.0);
        if let Some(((own, mine), (its, theirs))) = levels
            && mine < theirs
        {
            let (own, its) = (outside::shown(own), outside::shown(its));
            return format!("{own} has {mine} of its tasks, {its} has {theirs} (the runner-up is {other}).");
        }
        let (mine, theirs) = (chosen.rank(), second.rank());
        let is_by_rank = ["spread", "spread-even"].contains(&self.strategy);
        match () {
            () if is_by_rank && mine.0 < theirs.0 => {
                format!("it failed {} times there of late, {} times on {other}, the runner-up.", mine.0, theirs.0)
            }
            () if is_by_rank && (mine.0, mine.1) < (theirs.0, theirs.1) => {
                format!("it had {} of the service's tasks, {other}, the runner-up, had {}.", mine.1, theirs.1)
            }
            () if is_by_rank && mine < theirs => {
                format!(
                    "it had {} tasks, {other}, the runner-up, had {}; of its own service as many.",
                    mine.2, theirs.2
                )
            }
            () if mine == theirs && (chosen.free == second.free || is_by_rank) => {
                format!("{other}, the runner-up, is equal; between equals chance decides, by the seed.")
            }
            () if is_by_rank => {
                format!(
                    "the nodes are put in order once for all tasks that are placed together; {other} would have been next."
                )
            }
            () => format!(
                "{} takes it before {other}, the runner-up, by the numbers below.",
                outside::shown(self.strategy)
            ),
        }
    }

    fn why_not(&self, node: NodeId, decision: &Decision) -> String {
        let name = self.name(node);
        if decision.node == Some(node) {
            return format!("Why not {name}? It is there.");
        }
        if decision.is_bound {
            return format!("Why not {name}? The task belongs to another node; none but that was asked.");
        }
        let Some(standing) = decision.standings.iter().find(|standing| standing.node == node) else {
            return format!("Why not {name}? It was not in the cluster at {}.", seconds(decision.at));
        };
        if !standing.refusals.is_empty() {
            let reasons: Vec<String> = standing.refusals.iter().map(ToString::to_string).collect();
            return format!("Why not {name}? {}.", reasons.join("; "));
        }
        let place = decision.next_best.iter().position(|other| *other == node);
        let place = match place {
            Some(0) => "it is the runner-up".to_owned(),
            Some(1) => "one more node comes before it".to_owned(),
            Some(place) => format!("{place} more nodes come before it"),
            None if decision.node.is_none() => "it would fit there".to_owned(),
            None => "other nodes come before it".to_owned(),
        };
        let (own, all) = (standing.of_service, standing.active);
        format!(
            "Why not {name}? It fits there, but {place}: {} of its service, {} in all.",
            counted(own as usize, "task", "tasks"),
            counted(all as usize, "task", "tasks")
        )
    }

    fn json(&self) -> Value {
        let nodes = |nodes: &[NodeId]| nodes.iter().map(|node| self.name(*node)).collect::<Vec<_>>();
        let decision = self.decision.as_ref().map(|decision| {
            let standings: Vec<Value> = decision
                .standings
                .iter()
                .map(|standing| {
                    json!({
                        "node": self.name(standing.node),
                        "refused": standing.refusals.iter().map(refusal_json).collect::<Vec<_>>(),
                        "failures": standing.failures,
                        "tasks_of_service": standing.of_service,
                        "tasks": standing.active,
                        "free_nano_cpus": standing.free.0,
                        "free_memory_bytes": standing.free.1,
                        "branches": standing.branches.iter()
                            .map(|(value, tasks)| json!({ "value": value, "tasks_of_service": tasks }))
                            .collect::<Vec<_>>(),
                        "tie": standing.tie,
                    })
                })
                .collect();
            json!({
                "at_s": decision.at.since(Time::ZERO).as_secs_f64(),
                "node": decision.node.map(|node| self.name(node)),
                "bound": decision.is_bound,
                "position": decision.position.0 + 1,
                "of": decision.position.1,
                "next_best": nodes(&decision.next_best),
                "nodes": standings,
                "reason": decision.node.map(|_| self.reason(decision)),
            })
        });
        let remedies: Vec<Value> = self
            .remedies
            .iter()
            .map(|tried| json!({ "change": self.words(&tried.remedy), "places": tried.placed, "waiting": tried.waiting }))
            .collect();
        json!({
            "schema_version": 1,
            "task": plain_name(self.task),
            "at_s": self.run.now().since(Time::ZERO).as_secs_f64(),
            "strategy": self.strategy,
            "state": self.task.state.to_string(),
            "node": self.task.node.and_then(|row| self.run.nodes().nth(row)).map(|node| node.spec.id.clone()),
            "error": self.task.error.as_deref(),
            "decision": decision,
            "remedies": remedies,
        })
    }
}

fn refusal_json(refusal: &Refusal) -> Value {
    let filter = match refusal {
        Refusal::NotReady(..) => "ready",
        Refusal::Room { .. } => "resources",
        Refusal::Plugins(_) => "plugin",
        Refusal::Constraints(_) => "constraint",
        Refusal::Platform => "platform",
        Refusal::HostPorts(_) => "host-port",
        Refusal::MaxReplicas(_) => "max-replicas",
    };
    json!({ "filter": filter, "why": refusal.to_string() })
}

/// Three names at most.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first, second] => format!("{first}, {second}"),
        [first, second, third] => format!("{first}, {second}, {third}"),
        [first, second, rest @ ..] => format!("{first}, {second} and {} more", rest.len()),
    }
}

fn seconds(at: Time) -> String {
    let seconds = at.since(Time::ZERO).as_secs_f64();
    format!("{} s", crate::report::text::short(seconds))
}

fn cpus(nano: i64) -> String {
    crate::report::text::short(nano as f64 / 1e9)
}

fn memory(bytes: i64) -> String {
    crate::report::text::short(bytes as f64 / f64::from(1 << 30))
}

/// `web.3`: the task's name without the count of those before it.
fn plain_name(task: &Task) -> &str {
    task.name.split_once('#').map_or(task.name.as_str(), |(name, _)| name)
}
