//! `stack` and `[[stack]]`: Docker stack files.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sched::Time;
use sched::spec::ServiceSpec;

use super::complaint::Place;
use super::model::ipv4_network;
use super::value::{Entry, Table, Value};
use super::{Behaviour, NetworkPlan, Scripted, ServicePlan, StackParts};
use crate::compose::StackFile;
use crate::order::{FileKind, FilePlan, NewService, Order, StackPlan};
use crate::outside::{self, LARGEST_TEXT};

pub(super) const STACK: &[&str] = &["name", "files", "env", "env_file", "at", "prune"];

/// What a stack brings.
struct Stack {
    services: Vec<ServiceSpec>,
    networks: Vec<NetworkPlan>,
    files: Vec<FilePlan>,
}

/// Where a stack comes from.
struct Sources<'t> {
    name: String,
    /// Where its files are named.
    listed: Value<'t>,
    files: Vec<String>,
    env: BTreeMap<String, String>,
}

/// The one call into the stack reader.
fn read_stack(name: &str, files: &[PathBuf], env: &BTreeMap<String, String>) -> Result<Stack, Vec<String>> {
    let words = |problems: Vec<crate::compose::Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let stack = crate::compose::load(name, files, env).map_err(words)?;
    let networks = stack.networks.into_iter().filter(|network| network.driver == "overlay");
    Ok(Stack {
        services: stack.services.into_iter().map(|service| service.spec).collect(),
        networks: networks
            .map(|network| NetworkPlan {
                subnet: network.subnets.iter().find_map(|subnet| ipv4_network(subnet)),
                name: network.name,
                external: network.external,
            })
            .collect(),
        files: file(stack.secrets, FileKind::Secret).chain(file(stack.configs, FileKind::Config)).collect(),
    })
}

/// Many who have a stack file do not have what belongs to it: the content of a file that cannot be read is not known.
fn file(files: Vec<StackFile>, kind: FileKind) -> impl Iterator<Item = FilePlan> {
    let plan = move |file: StackFile| {
        let content = file.file.and_then(|path| outside::read_plain(&path, LARGEST_TEXT).ok()).map(Into::into);
        FilePlan { kind, name: file.name.into(), content, external: file.external }
    };
    files.into_iter().map(plan)
}

/// Reads the stacks of a scenario. Paths are relative to `folder`.
pub(super) struct Stacks<'a> {
    /// The folder of the scenario file.
    pub folder: &'a Path,
    /// Their services, each with the place to complain about.
    pub services: Vec<(ServicePlan, Place)>,
    /// Their networks.
    pub networks: Vec<NetworkPlan>,
    /// What they have beside that.
    pub parts: Vec<StackParts>,
    /// Stacks that are deployed again, each with the place to complain about.
    pub again: Vec<(Scripted, Place)>,
    names: BTreeSet<String>,
    /// Stacks that the script deploys, and the services that come with them.
    deployed: RefCell<BTreeSet<String>>,
    brought: RefCell<BTreeSet<String>>,
}

fn prunes(table: &Table<'_>) -> bool {
    table.read("prune", Value::boolean).unwrap_or(false)
}

impl<'a> Stacks<'a> {
    /// No stacks so far.
    pub fn new(folder: &'a Path) -> Stacks<'a> {
        Stacks {
            folder,
            services: Vec::new(),
            networks: Vec::new(),
            parts: Vec::new(),
            again: Vec::new(),
            names: BTreeSet::new(),
            deployed: RefCell::default(),
            brought: RefCell::default(),
        }
    }

    /// `stack = "a.yml"` or a list of such: every file is a stack with the name of the file.
    pub fn read_files(&mut self, value: &Value<'_>) {
        for file in value.list_or_one() {
            let Some(path) = file.text() else { continue };
            self.read(&file, &crate::compose::default_name(Path::new(path)), &[path], &BTreeMap::new(), Time::ZERO);
        }
    }

    /// `[[stack]]`. A stack that was there before is deployed again by the script.
    pub fn read_table(&mut self, table: &Table<'_>) {
        let at = Time::ZERO + table.read("at", Value::duration).unwrap_or_default();
        let Some(Sources { name, listed, files, env }) = self.sources(table) else { return };
        if self.names.contains(&name) {
            if let Some(plan) = self.plan(&listed, &name, &files, &env, prunes(table)) {
                let label = format!("{name} deployed again");
                self.again.push((Scripted::new(at, label, Order::DeployStack(plan.into())), listed.place));
            }
            return;
        }
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        self.read(&listed, &name, &files, &env, at);
    }

    /// What an event deploys.
    pub fn plan_of(&self, table: &Table<'_>) -> Option<StackPlan> {
        let Sources { name, listed, files, env } = self.sources(table)?;
        self.plan(&listed, &name, &files, &env, prunes(table))
    }

    fn sources<'t>(&self, table: &Table<'t>) -> Option<Sources<'t>> {
        let mut env = BTreeMap::new();
        if let Some(value) = table.get("env_file") {
            for file in value.list_or_one() {
                env.extend(self.read_env_file(&file).unwrap_or_default());
            }
        }
        let variable = |entry: Entry<'_>| entry.value.scalar().map(|text| (entry.key.to_string(), text));
        env.extend(table.get("env").iter().flat_map(Value::entries).filter_map(variable));
        let name = table.read("name", Value::text);
        let listed = table.need("files", |value| Some(value.clone()))?;
        let files: Vec<String> = listed.list_or_one().iter().filter_map(Value::text).map(str::to_string).collect();
        let Some(first) = files.first() else {
            listed.complain("expected at least one file");
            return None;
        };
        let name = name.map_or_else(|| crate::compose::default_name(Path::new(first)), str::to_string);
        Some(Sources { name, listed, files, env })
    }

    /// What `docker stack deploy` of these files brings.
    fn plan(
        &self,
        value: &Value<'_>,
        name: &str,
        files: &[String],
        env: &BTreeMap<String, String>,
        prune: bool,
    ) -> Option<StackPlan> {
        let paths: Vec<PathBuf> = files.iter().map(|file| self.folder.join(file)).collect();
        match read_stack(name, &paths, env) {
            Ok(stack) => {
                let service = |spec| NewService { stack: Some(name.into()), ..NewService::new(spec) };
                self.brought.borrow_mut().extend(stack.services.iter().map(|service| service.name.clone()));
                self.deployed.borrow_mut().insert(name.to_string());
                Some(StackPlan {
                    name: name.into(),
                    services: stack.services.into_iter().map(|spec| service(spec).into()).collect(),
                    networks: stack.networks.into_iter().map(Into::into).collect(),
                    files: stack.files.into_iter().map(Into::into).collect(),
                    prune,
                })
            }
            Err(problems) => {
                problems.iter().for_each(|problem| value.complain(problem));
                None
            }
        }
    }

    /// Whether a stack is deployed by the script, too.
    pub fn is_again(&self, name: &str) -> bool {
        self.deployed.borrow().contains(name)
    }

    /// Names of stacks that are deployed again, or by the script.
    pub fn names_again(&self) -> Vec<String> {
        self.deployed.borrow().iter().map(ToString::to_string).collect()
    }

    /// Whether a service comes with a stack that the script deploys.
    pub fn brings(&self, service: &str) -> bool {
        self.brought.borrow().contains(service)
    }

    fn read(&mut self, value: &Value<'_>, name: &str, files: &[&str], env: &BTreeMap<String, String>, at: Time) {
        let paths: Vec<PathBuf> = files.iter().map(|file| self.folder.join(file)).collect();
        let stack = match read_stack(name, &paths, env) {
            Ok(stack) => stack,
            Err(problems) => return problems.iter().for_each(|problem| value.complain(problem)),
        };
        self.names.insert(name.to_string());
        for spec in stack.services {
            let behaviour = Behaviour::default();
            let plan =
                ServicePlan { spec, failover: Vec::new(), stack: Some(name.to_string()), at, behaviour, quorum: None };
            self.services.push((plan, value.place));
        }
        let files = stack.files.into_iter().map(Into::into).collect();
        let own = stack.networks.iter().filter(|network| !network.external);
        let networks = own.map(|network| network.name.clone()).collect();
        self.parts.push(StackParts { name: name.into(), networks, files });
        self.networks.extend(stack.networks);
    }

    /// `NAME=value` lines; blank lines and those that begin with `#` say nothing.
    fn read_env_file(&self, value: &Value<'_>) -> Option<Vec<(String, String)>> {
        let name = value.text()?;
        let text = match outside::read_text(&self.folder.join(name), LARGEST_TEXT) {
            Ok(text) => text,
            Err(error) => {
                value.complain(format!("cannot read {name}: {error}"));
                return None;
            }
        };
        let mut variables = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once('=') {
                Some((variable, text)) if !variable.trim().is_empty() => {
                    variables.push((variable.trim().to_string(), text.trim().to_string()));
                }
                _ => value.complain(format!("{name}:{}: expected NAME=value", number + 1)),
            }
        }
        Some(variables)
    }
}
