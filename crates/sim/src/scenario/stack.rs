//! `stack` and `[[stack]]`: Docker stack files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sched::Time;
use sched::spec::ServiceSpec;

use super::complaint::Place;
use super::model::ipv4_network;
use super::reader::{Entry, Table, Value};
use super::{Behaviour, NetworkPlan, ServicePlan};
use crate::outside::{self, LARGEST_TEXT};

pub(super) const STACK: &[&str] = &["name", "files", "env", "env_file", "at"];

/// What a stack brings.
struct Stack {
    services: Vec<ServiceSpec>,
    networks: Vec<NetworkPlan>,
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
    })
}

/// Reads the stacks of a scenario. Paths are relative to `folder`.
pub(super) struct Stacks<'a> {
    /// The folder of the scenario file.
    pub folder: &'a Path,
    /// Their services, each with the place to complain about.
    pub services: Vec<(ServicePlan, Place)>,
    /// Their networks.
    pub networks: Vec<NetworkPlan>,
}

impl Stacks<'_> {
    /// `stack = "a.yml"` or a list of such: every file is a stack with the name of the file.
    pub fn read_files(&mut self, value: &Value<'_>) {
        for file in value.list_or_one() {
            let Some(path) = file.text() else { continue };
            self.read(&file, &crate::compose::default_name(Path::new(path)), &[path], &BTreeMap::new(), Time::ZERO);
        }
    }

    /// `[[stack]]`.
    pub fn read_table(&mut self, table: &Table<'_>) {
        let mut env = BTreeMap::new();
        if let Some(value) = table.get("env_file") {
            for file in value.list_or_one() {
                env.extend(self.read_env_file(&file).unwrap_or_default());
            }
        }
        let variable = |entry: Entry<'_>| entry.value.scalar().map(|text| (entry.key.to_string(), text));
        env.extend(table.get("env").iter().flat_map(Value::entries).filter_map(variable));
        let at = Time::ZERO + table.read("at", Value::duration).unwrap_or_default();
        let name = table.read("name", Value::text);
        let listed = table.need("files", |value| Some(value.clone()));
        let Some(listed) = listed else { return };
        let items = listed.list_or_one();
        let files: Vec<&str> = items.iter().filter_map(Value::text).collect();
        let Some(first) = files.first() else {
            listed.complain("expected at least one file");
            return;
        };
        let default = crate::compose::default_name(Path::new(first));
        self.read(&listed, name.unwrap_or(&default), &files, &env, at);
    }

    fn read(&mut self, value: &Value<'_>, name: &str, files: &[&str], env: &BTreeMap<String, String>, at: Time) {
        let paths: Vec<PathBuf> = files.iter().map(|file| self.folder.join(file)).collect();
        let stack = match read_stack(name, &paths, env) {
            Ok(stack) => stack,
            Err(problems) => return problems.iter().for_each(|problem| value.complain(problem)),
        };
        for spec in stack.services {
            let behaviour = Behaviour::default();
            let plan =
                ServicePlan { spec, failover: Vec::new(), stack: Some(name.to_string()), at, behaviour, quorum: None };
            self.services.push((plan, value.place));
        }
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
