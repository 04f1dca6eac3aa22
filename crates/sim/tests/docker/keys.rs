//! Every key that a real swarm gave is given, or is named here with the reason why not.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use sim::docker::engine::Engine;
use sim::docker::filters::Filters;
use sim::order::FileKind;
use sim::simulation::Simulation;

use super::rich;

/// Keys that are not modelled: the object or `*`, the end or a part of the path, and why.
const NOT_MODELLED: &[(&str, &str, &str)] = &[
    ("*", "TLSInfo", "certificates are not simulated"),
    ("*", "ContainerSpec.CapabilityAdd", "nothing in a run depends on it, and scenarios do not keep it"),
    ("*", "ContainerSpec.CapabilityDrop", "the same"),
    ("*", "ContainerSpec.DNSConfig.Nameservers", "the same"),
    ("*", "ContainerSpec.DNSConfig.Options", "the same"),
    ("*", "ContainerSpec.DNSConfig.Search", "the same"),
    ("*", "ContainerSpec.Dir", "the same"),
    ("*", "ContainerSpec.Groups", "the same"),
    ("*", "ContainerSpec.Hosts", "the same"),
    ("*", "ContainerSpec.Privileges.CredentialSpec.Config", "the same"),
    ("*", "ContainerSpec.Privileges.CredentialSpec.File", "the same"),
    ("*", "ContainerSpec.Privileges.CredentialSpec.Registry", "the same"),
    ("*", "ContainerSpec.ReadOnly", "the same"),
    ("*", "ContainerSpec.Sysctls", "the same"),
    ("*", "ContainerSpec.TTY", "the same"),
    ("*", "ContainerSpec.Ulimits", "the same"),
    ("*", "ContainerSpec.User", "the same"),
    ("*", "Mounts[].ReadOnly", "the same"),
    ("*", "Mounts[].VolumeOptions", "the same"),
    ("*", "LogDriver.Options", "the same"),
    ("*", "Networks[].DriverOpts", "the same"),
    ("*", "Limits.Pids", "the same"),
    ("*", "Templating", "contents of configs and secrets are not expanded"),
    ("Network", "IPAM.Config[].IPRange", "addresses are given out from the whole subnet"),
    ("Network", "Services", "`network inspect --verbose` is not there"),
    ("Task", "Network.Spec.Attachable", "only services join networks"),
    ("Task", "Network.Spec.Internal", "packets are not simulated"),
    ("Task", "Network.Spec.IPAMOptions", "the subnet that was asked for is not kept beside the one that was given"),
    ("Info", "Swarm.Warnings", "the number of managers is not judged"),
    ("Info", "BridgeNfIp6tables", "the host of an engine is not simulated"),
    ("Info", "BridgeNfIptables", "the same"),
    ("Info", "CPUSet", "the same"),
    ("Info", "CPUShares", "the same"),
    ("Info", "CgroupDriver", "the same"),
    ("Info", "CgroupVersion", "the same"),
    ("Info", "ContainerdCommit", "the same"),
    ("Info", "CpuCfsPeriod", "the same"),
    ("Info", "CpuCfsQuota", "the same"),
    ("Info", "Debug", "the same"),
    ("Info", "DefaultRuntime", "the same"),
    ("Info", "DockerRootDir", "the same"),
    ("Info", "Driver", "the same"),
    ("Info", "DriverStatus", "the same"),
    ("Info", "ExperimentalBuild", "the same"),
    ("Info", "HttpProxy", "the same"),
    ("Info", "HttpsProxy", "the same"),
    ("Info", "IPv4Forwarding", "the same"),
    ("Info", "IndexServerAddress", "the same"),
    ("Info", "InitBinary", "the same"),
    ("Info", "InitCommit", "the same"),
    ("Info", "Isolation", "the same"),
    ("Info", "KernelMemory", "the same"),
    ("Info", "KernelMemoryTCP", "the same"),
    ("Info", "KernelVersion", "the same"),
    ("Info", "LiveRestoreEnabled", "the same"),
    ("Info", "LoggingDriver", "the same"),
    ("Info", "MemoryLimit", "the same"),
    ("Info", "NEventsListener", "the same"),
    ("Info", "NFd", "the same"),
    ("Info", "NGoroutines", "the same"),
    ("Info", "NoProxy", "the same"),
    ("Info", "OSVersion", "the same"),
    ("Info", "OomKillDisable", "the same"),
    ("Info", "OperatingSystem", "the same"),
    ("Info", "PidsLimit", "the same"),
    ("Info", "RegistryConfig", "the same"),
    ("Info", "RuncCommit", "the same"),
    ("Info", "Runtimes", "the same"),
    ("Info", "SecurityOptions", "the same"),
    ("Info", "SwapLimit", "the same"),
];

/// Types of values by object and path.
type Keys = BTreeMap<(String, String), BTreeSet<&'static str>>;

fn collect(keys: &mut Keys, object: &str, value: &impl Serialize) {
    walk(keys, object, "", &serde_json::to_value(value).expect("objects are JSON"));
}

fn walk(keys: &mut Keys, object: &str, path: &str, value: &Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                // What has names of its own for keys.
                let is_free = ["Labels", "Options"].iter().any(|end| path.ends_with(end));
                if is_free {
                    continue;
                }
                let key = if path.ends_with("Containers") { "*" } else { key };
                let path = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
                let kind = match value {
                    Value::Null => "null",
                    Value::Bool(_) => "bool",
                    Value::Number(_) => "number",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                };
                keys.entry((object.to_string(), path.clone())).or_default().insert(kind);
                walk(keys, object, &path, value);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| walk(keys, object, &format!("{path}[]"), value)),
        _ => {}
    }
}

fn look(keys: &mut Keys, run: &Simulation) {
    let engine = Engine::leading(run);
    let all = Filters::new();
    for service in engine.services(&all, true).expect("there is a swarm") {
        collect(keys, "Service", &service);
        collect(keys, "Service", &engine.service(&service.meta.id, true).expect("it is in the list"));
    }
    engine.tasks(&all).expect("there is a swarm").iter().for_each(|task| collect(keys, "Task", task));
    engine.nodes(&all).expect("there is a swarm").iter().for_each(|node| collect(keys, "Node", node));
    for network in engine.networks(&all).expect("there is a swarm") {
        collect(keys, "Network", &network);
        collect(keys, "Network", &engine.network(&network.id).expect("it is in the list"));
    }
    for (kind, object) in [(FileKind::Config, "Config"), (FileKind::Secret, "Secret")] {
        engine.files(kind, &all).expect("there is a swarm").iter().for_each(|file| collect(keys, object, file));
    }
    collect(keys, "Info", &engine.info());
}

fn reason(object: &str, path: &str) -> Option<usize> {
    NOT_MODELLED.iter().position(|(of, part, _)| {
        let begins = |at: usize| at == 0 || path.as_bytes()[at - 1] == b'.';
        let ends = |at: usize| path[at + part.len()..].is_empty() || path[at + part.len()..].starts_with(['.', '[']);
        // A name of an object's own is meant at its beginning only.
        let at = if *of == "Info" { path.starts_with(part).then_some(0) } else { path.find(part) };
        (*of == "*" || *of == object) && at.is_some_and(|at| begins(at) && ends(at))
    })
}

#[test]
fn every_key_of_a_real_swarm_is_given_or_named_with_the_reason() {
    let mut keys = Keys::new();
    for at in [3, 30, 65, 68, 85, 130, 300] {
        look(&mut keys, &rich(at));
    }
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in include_str!("data/keys.tsv").lines().filter(|line| !line.starts_with('#')) {
        let [object, path, kinds] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let found = keys.get(&(object.to_string(), path.to_string()));
        match (found, reason(object, path)) {
            (None, Some(row)) => {
                used.insert(row);
            }
            (None, None) => wrong.push(format!("{object} {path} is not given")),
            (Some(_), Some(row)) => wrong.push(format!("{object} {path} is given, and named: {}", NOT_MODELLED[row].2)),
            (Some(found), None) => {
                let known: BTreeSet<&str> = kinds.split('|').collect();
                let others: Vec<&&str> = found.iter().filter(|kind| !known.contains(**kind)).collect();
                // What is empty is `null` in one place of the API and left out in another.
                if others.iter().any(|kind| !["null", "array"].contains(kind)) {
                    wrong.push(format!("{object} {path} is {others:?}, not {kinds}"));
                }
            }
        }
    }
    for (row, (object, part, _)) in NOT_MODELLED.iter().enumerate() {
        if !used.contains(&row) {
            wrong.push(format!("{object} {part} is named, and no swarm gave it"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
