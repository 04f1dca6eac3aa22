//! A run as lines of JSON: each a fact or an order, in the order in which they happened. `results/README.md` describes them.

use std::fmt::Debug;
use std::io::Write as _;
use std::sync::Arc;

use sched::Time;

use super::Out;
use super::names::Names;
use crate::fact::{Fact, Reason};
use crate::listen::{Counts, Listen};
use crate::order::{Answer, Containers, Order, Receipt, Record, Registry};
use crate::scenario::Scenario;

pub(super) struct Writer {
    names: Names,
    out: Out,
    line: Vec<u8>,
}

impl Writer {
    pub fn new(scenario: &Arc<Scenario>, out: Out) -> Writer {
        Writer { names: Names::new(scenario), out, line: Vec::new() }
    }
}

impl Listen for Writer {
    fn fact(&mut self, now: Time, fact: &Fact, _: Counts) {
        self.names.see(now, fact);
        let mut line = Line::begin(&mut self.line, now, &snake(fact));
        fact_fields(&mut line, &self.names, fact);
        line.end();
        self.out.write(&self.line);
    }

    fn order(&mut self, record: &Record) {
        let (kind, parts) = parts(&self.names, &record.order);
        let mut line = Line::begin(&mut self.line, record.at, "order");
        line.text("by", &snake(record.by));
        line.text("order", &kind);
        for (key, words) in parts {
            line.texts(key, &words);
        }
        line.text("answer", &answer(&record.answer));
        line.end();
        self.out.write(&self.line);
    }

    fn end(&mut self, now: Time, sent: u64) {
        let mut line = Line::begin(&mut self.line, now, "end");
        line.number("bytes", sent);
        line.end();
        self.out.write(&self.line);
        self.out.end();
    }
}

/// An object on its way into a buffer.
struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    fn begin<'a>(to: &'a mut Vec<u8>, now: Time, kind: &str) -> Line<'a> {
        to.clear();
        let nanos = now.as_nanos();
        let mut line = Line(to);
        line.add(format_args!("{{\"t\":{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000));
        line.text("kind", kind);
        line
    }

    /// Nothing goes wrong when memory is written to.
    fn add(&mut self, words: std::fmt::Arguments) {
        let _ = self.0.write_fmt(words);
    }

    fn json(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        let _ = serde_json::to_writer(&mut *self.0, value);
    }

    fn text(&mut self, key: &str, text: &str) {
        self.add(format_args!(",\"{key}\":"));
        self.json(text);
    }

    fn texts(&mut self, key: &str, texts: &[String]) {
        self.add(format_args!(",\"{key}\":"));
        self.json(texts);
    }

    fn number(&mut self, key: &str, number: u64) {
        self.add(format_args!(",\"{key}\":{number}"));
    }

    fn seconds(&mut self, key: &str, nanos: u64) {
        self.add(format_args!(",\"{key}\":{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000));
    }

    fn flag(&mut self, key: &str, flag: bool) {
        self.add(format_args!(",\"{key}\":{flag}"));
    }

    fn end(self) {
        self.0.extend(b"}\n");
    }
}

/// What there is to say about a fact beside its time and kind. It ends with what the fact says is new.
fn fact_fields(line: &mut Line, names: &Names, fact: &Fact) {
    match fact {
        Fact::Service { service, spec, quorum } => {
            line.text("service", names.service(*service));
            line.text("image", &spec.task.container.image);
            line.text("mode", &snake(spec.mode));
            quorum.iter().for_each(|quorum| line.number("quorum", *quorum));
        }
        Fact::ServiceRemoved(service) => line.text("service", names.service(*service)),
        Fact::UpdateStatus(service, status) => {
            line.text("service", names.service(*service));
            if let Some(status) = status {
                line.text("state", &snake(status.state));
                line.text("message", &status.message);
            }
        }
        Fact::TaskCreated { task, service, desired, .. } => {
            line.text("task", &names.task(*task));
            line.text("service", names.service(*service));
            line.text("desired", &lower(desired));
        }
        Fact::TaskRecord { task, state, desired, reason } => {
            line.text("task", &names.task(*task));
            line.text("state", &lower(state));
            line.text("desired", &lower(desired));
            match reason {
                Reason::None => {}
                Reason::Own(text) => line.text("reason", text),
                Reason::Shared { version } => line.number("reason_version", *version),
            }
        }
        Fact::TasksExplained { service, version, text } => {
            line.text("service", names.service(*service));
            line.number("reason_version", *version);
            line.text("reason", text);
        }
        Fact::TaskWanted(task, desired) => {
            line.text("task", &names.task(*task));
            line.text("desired", &lower(desired));
        }
        Fact::TaskAssigned(task, node) | Fact::ImageWanted(task, node) | Fact::ImageUnwanted(task, node) => {
            line.text("task", &names.task(*task));
            line.text("node", names.node(*node));
        }
        Fact::TaskPromoted(task, _)
        | Fact::TaskRemoved(task)
        | Fact::ImageReady(task)
        | Fact::Prepared(task)
        | Fact::Started(task)
        | Fact::Leaving(task)
        | Fact::Ended(task)
        | Fact::Allocated(task)
        | Fact::Attached(task) => line.text("task", &names.task(*task)),
        Fact::ImageFailed(task, why) => {
            line.text("task", &names.task(*task));
            line.text("reason", why);
        }
        Fact::Reported { task, at, state, error } => {
            line.text("task", &names.task(*task));
            line.text("state", &lower(state));
            line.seconds("noted_s", at.as_nanos());
            error.iter().for_each(|error| line.text("reason", error));
        }
        Fact::ImageOrdered(node, image) => {
            line.text("node", names.node(*node));
            line.text("image", image);
        }
        Fact::NodeEligible(node, is) | Fact::NodeMember(node, is) | Fact::Ghost(node, is) => {
            line.text("node", names.node(*node));
            line.flag("is", *is);
        }
        Fact::Power { node, up } => {
            line.text("node", names.node(*node));
            line.flag("is", *up);
        }
        Fact::Overloaded(node, is) => {
            line.text("node", names.node(*node as usize));
            line.flag("is", *is);
        }
        Fact::NodeDetected(node)
        | Fact::NodeRegistered(node)
        | Fact::NodeRemoved(node)
        | Fact::LeaderElected(node)
        | Fact::EngineRestarted(node)
        | Fact::AgentGone(node)
        | Fact::NodeLeft(node)
        | Fact::AgentBack(node)
        | Fact::Reachable(node)
        | Fact::AgentCalled(node)
        | Fact::NodeCreated(node)
        | Fact::ManagerJoined(node)
        | Fact::NodeCertified(node)
        | Fact::MachineOrdered(node)
        | Fact::MachineProvisioned(node)
        | Fact::MachineUnneeded(node)
        | Fact::MachineEmpty(node)
        | Fact::ManagerLocked(node) => line.text("node", names.node(*node)),
        Fact::Unreachable(node, fault) => {
            line.text("node", names.node(*node));
            line.text("fault", &snake(fault));
        }
        Fact::JoinRefused(node, why) => {
            line.text("node", names.node(*node));
            line.text("reason", why);
        }
        Fact::LinksChanged(nodes) => {
            let nodes: Vec<String> = nodes.iter().map(|node| names.node(*node).to_string()).collect();
            line.texts("nodes", &nodes);
        }
        Fact::Majority(is) => line.flag("is", *is),
        Fact::LeaderStalled | Fact::LeaderResumed | Fact::LeaderLost | Fact::RequestFailed => {}
        Fact::FailureNoticed { plan, unit } | Fact::FailureRepaired { plan, unit } => {
            line.number("failure", u64::from(*plan) + 1);
            line.number("unit", u64::from(*unit) + 1);
        }
        Fact::NewsHeard { task, serves, node } => {
            line.text("task", &names.task(*task));
            line.text("node", names.node(*node));
            line.flag("is", *serves);
        }
        Fact::NewsSpread(rounds, took) => {
            line.number("rounds", u64::from(*rounds));
            line.seconds("took_s", took.as_nanos());
        }
        Fact::RequestServed(took) => line.seconds("took_s", took.as_nanos()),
        Fact::ReplicasWanted { plan, replicas } => {
            let scenario = names.scenario();
            let service = scenario.requests.get(*plan as usize).and_then(|plan| scenario.services.get(plan.service));
            line.text("service", service.map_or("", |service| &service.spec.name));
            line.number("replicas", *replicas);
        }
        Fact::JobArrived(job, class) => {
            line.number("job", job.row() as u64 + 1);
            let class = names.scenario().arrivals.get(*class as usize);
            line.text("class", class.map_or("", |class| &class.name));
        }
        Fact::JobStarted(job, node) => {
            line.number("job", job.row() as u64 + 1);
            node.iter().for_each(|node| line.text("node", names.node(*node)));
        }
        Fact::JobLost(job) | Fact::JobDue(job) | Fact::JobOver(job) | Fact::JobDone(job) | Fact::JobAbandoned(job) => {
            line.number("job", job.row() as u64 + 1)
        }
        Fact::Note(note) => {
            line.text("mark", note.kind);
            line.text("label", &note.label);
        }
        Fact::Sampled(sent) => line.number("bytes", *sent),
    }
}

/// The kind of an order, and the names of those whom it is about, by what they are.
pub(super) fn parts(names: &Names, order: &Order) -> (String, Vec<(&'static str, Vec<String>)>) {
    let one = |key: &'static str, name: &str| vec![(key, vec![name.to_string()])];
    let containers = |which: &Containers| match which {
        Containers::Some(service, count) => {
            vec![("services", vec![service.to_string()]), ("count", vec![count.to_string()])]
        }
        Containers::Of(task) => one("tasks", task),
    };
    let parts = match order {
        Order::CreateService(new) => one("services", &new.spec.name),
        Order::UpdateService(name, _)
        | Order::Force(name)
        | Order::Rollback(name)
        | Order::RemoveService(name)
        | Order::UnpauseContainers(name) => one("services", name),
        Order::Scale(name, to) => {
            vec![("services", vec![name.to_string()]), ("replicas", vec![to.to_string()])]
        }
        Order::DeployStack(plan) => one("stacks", &plan.name),
        Order::RollbackStack(name) | Order::RemoveStack(name) => one("stacks", name),
        Order::CreateNetwork(plan) => one("networks", &plan.name),
        Order::RemoveNetwork(name) => one("networks", name),
        Order::CreateFile(plan) => one("files", &plan.name),
        Order::RemoveFile(_, name) => one("files", name),
        Order::RotateFile { from, to } => vec![("files", vec![from.to_string(), to.name.to_string()])],
        Order::Submit(job) | Order::Finish(job) => one("jobs", &(job.row() + 1).to_string()),
        Order::SetAvailability(nodes, to) => {
            vec![("nodes", names.nodes(nodes)), ("availability", vec![lower(to)])]
        }
        Order::Label(nodes, _)
        | Order::Promote(nodes)
        | Order::Demote(nodes)
        | Order::DemoteGhosts(nodes)
        | Order::RemoveNode(nodes, _)
        | Order::RemoveGhosts(nodes, _)
        | Order::Join(nodes, _)
        | Order::Leave(nodes)
        | Order::ForceNewCluster(nodes)
        | Order::Describe(nodes, _)
        | Order::PowerOff(nodes)
        | Order::PowerOn(nodes)
        | Order::StopEngine(nodes)
        | Order::KillEngine(nodes)
        | Order::StartEngine(nodes)
        | Order::RestartEngine(nodes)
        | Order::RestartEngineLive(nodes)
        | Order::CrashEngine(nodes)
        | Order::Reboot(nodes)
        | Order::Mend(nodes)
        | Order::Weaken(nodes, _)
        | Order::Slow(nodes, _)
        | Order::Init(nodes, _)
        | Order::Unlock(nodes) => vec![("nodes", names.nodes(nodes))],
        Order::Break(fault, nodes) => vec![("nodes", names.nodes(nodes)), ("fault", vec![snake(fault)])],
        Order::RotateToken(role) => one("role", &lower(role)),
        Order::UpdateSwarm(_) => Vec::new(),
        Order::Kill(which) | Order::RestartContainers(which) | Order::PauseContainers(which) => containers(which),
        Order::Fail(unit) => {
            let numbers = [unit.plan, unit.unit].map(|row| (u64::from(row) + 1).to_string());
            vec![
                ("failure", vec![numbers[0].clone()]),
                ("unit", vec![numbers[1].clone()]),
                ("failed", vec![unit.failed.to_string()]),
            ]
        }
        Order::Registry(change) => match change {
            Registry::Answers(answers) => one("answers", &answers.to_string()),
            Registry::Has(image, has) => {
                vec![("images", vec![image.to_string()]), ("has", vec![has.to_string()])]
            }
            Registry::MoveTag(image, other) => vec![("images", vec![image.to_string(), other.to_string()])],
            Registry::Bandwidth(_) | Registry::Latency(_) | Registry::Limit(_) => one("registry", &snake(change)),
        },
    };
    (snake(order), parts)
}

/// What came of an order: `done`, `waits`, or the refusal in its words.
pub(super) fn answer(answer: &Answer) -> String {
    match answer {
        Ok(Receipt::Waits) => "waits".into(),
        Ok(Receipt::Done | Receipt::Service(_) | Receipt::Containers(_)) => "done".into(),
        Err(refusal) => refusal.to_string(),
    }
}

/// The name of a variant as `word_and_word`.
pub(super) fn snake(variant: impl Debug) -> String {
    let mut snake = String::new();
    for letter in Name::of(&variant).chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// A state in small letters.
pub(super) fn lower(variant: impl Debug) -> String {
    Name::of(&variant).to_ascii_lowercase()
}

/// Takes the name of a variant from what it says of itself for those who look for faults, and stops it there: what follows
/// may be long.
struct Name(String);

impl Name {
    fn of(variant: &impl Debug) -> String {
        let mut name = Name(String::new());
        // It ends with an error where the name ends.
        let _ = std::fmt::write(&mut name, format_args!("{variant:?}"));
        name.0
    }
}

impl std::fmt::Write for Name {
    fn write_str(&mut self, words: &str) -> std::fmt::Result {
        let name = words.find(|letter: char| !letter.is_ascii_alphanumeric());
        self.0.push_str(&words[..name.unwrap_or(words.len())]);
        if name.is_some() || words.is_empty() { Err(std::fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_gives_its_name() {
        assert_eq!(snake(Fact::RequestFailed), "request_failed");
        assert_eq!(snake(Fact::Power { node: 1, up: true }), "power");
        assert_eq!(snake(Fact::NewsSpread(1, sched::Span::ZERO)), "news_spread");
        assert_eq!(lower(sched::TaskState::Running), "running");
    }
}
