//! From a configuration to what `docker stack deploy` submits (docker/cli `cli/compose/convert`).

use std::collections::BTreeSet;
use std::path::Path;

use sched::spec::{
    ContainerSpec, EndpointMode, EndpointSpec, FailureAction, GenericResource, HealthCheck, Labels, Mode, Placement,
    Port, Protocol, PublishMode, Resources, RestartCondition, RestartPolicy, ServiceSpec, TaskSpec, Units,
    UpdateConfig, UpdateOrder,
};
use sched::{Reference, Span};

use super::canonical::int;
use super::sections::{Config, clean};
use super::units;
use super::yaml::{Map, Node, Place, Value};
use super::{Stack, StackFile, StackNetwork, StackService, StackVolume, Stage};

/// A refusal, with the place that it is about.
pub type Refusal = (Stage, Option<Place>, String);

/// The stack of files in a folder, and what stands in its way. With refusals the stack is of no use.
pub fn stack(name: &str, config: &Config, folder: &Path) -> (Stack, Vec<Refusal>) {
    let mut convert = Convert { stack: name, config, refusals: Vec::new() };
    convert.objects_without_files(folder);
    let mut services: Vec<StackService> = Vec::new();
    for (key, node) in &config.services {
        let spec = convert.service(key, node);
        services.push(StackService { key: key.clone(), spec });
    }
    services.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    let stack = Stack {
        name: name.to_string(),
        services,
        networks: convert.networks(),
        volumes: config.volumes.iter().map(|(key, node)| convert.volume(key, node)).collect(),
        secrets: config.secrets.iter().map(|(key, node)| convert.file(key, node)).collect(),
        configs: config.configs.iter().map(|(key, node)| convert.file(key, node)).collect(),
        warnings: Vec::new(),
    };
    (stack, convert.refusals)
}

struct Convert<'a> {
    stack: &'a str,
    config: &'a Config,
    refusals: Vec<Refusal>,
}

/// A path of keys into a tree.
fn at<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, key| node.get(key))
}

fn text(node: &Node, path: &[&str]) -> String {
    at(node, path).and_then(Node::text).unwrap_or_default().to_string()
}

fn texts(node: &Node, path: &[&str]) -> Vec<String> {
    list(node, path).iter().filter_map(|item| item.text().map(str::to_string)).collect()
}

fn list<'a>(node: &'a Node, path: &[&str]) -> &'a [Node] {
    at(node, path).and_then(Node::list).unwrap_or_default()
}

fn map<'a>(node: &'a Node, path: &[&str]) -> impl Iterator<Item = (&'a String, &'a Node)> {
    at(node, path).and_then(Node::map).into_iter().flatten()
}

fn count(node: &Node, path: &[&str]) -> Option<u64> {
    at(node, path).map(|node| int(&node.value) as u64)
}

fn labels(node: &Node, path: &[&str]) -> Labels {
    map(node, path).map(|(key, value)| (key.clone(), value.text().unwrap_or_default().to_string())).collect()
}

fn is_external(node: &Node) -> bool {
    at(node, &["external"]).is_some_and(|node| node.value == Value::Bool(true))
}

impl Convert<'_> {
    fn refuse(&mut self, stage: Stage, place: Place, message: impl Into<String>) {
        self.refusals.push((stage, Some(place), message.into()));
    }

    /// Secrets and configs without a file, for which Docker tries to read the folder. Files are not looked at.
    fn objects_without_files(&mut self, folder: &Path) {
        let folder = clean(folder).display().to_string();
        for (section, has_driver) in [(&self.config.secrets, true), (&self.config.configs, false)] {
            for object in section.values().filter(|object| !is_external(object)) {
                let is_driven = has_driver && object.get("driver").is_some();
                if !is_driven && text(object, &["file"]) == folder {
                    self.refusals.push((Stage::Deploy, Some(object.at), format!("read {folder}: is a directory")));
                }
            }
        }
    }

    /// `<stack>_<key>` unless the object has a name of its own.
    fn name_of(&self, key: &str, object: Option<&Node>) -> String {
        match object.map(|object| text(object, &["name"])) {
            Some(name) if !name.is_empty() => name,
            _ => format!("{}_{key}", self.stack),
        }
    }

    fn stack_labels(&self, mut labels: Labels) -> Labels {
        labels.insert("com.docker.stack.namespace".to_string(), self.stack.to_string());
        labels
    }

    fn service(&mut self, key: &str, node: &Node) -> ServiceSpec {
        let files = self.files(key, node);
        let image = text(node, &["image"]);
        if let Some(why) = image_refusal(&image) {
            let at = node.get("image").map_or(node.at, |node| node.at);
            self.refuse(Stage::Deploy, at, format!("invalid image reference for service {key}: {why}"));
        }
        let mode = self.mode(key, node);
        let (mounts, volume_drivers) = self.mounts(key, node);
        let reservations = self.resources(key, node, "reservations");
        let limits = self.resources(key, node, "limits");
        let restart = self.restart(key, node);
        let health = self.health(key, node);
        if let Some(message) = credential_refusal(node) {
            self.refuse(Stage::Deploy, node.at, format!("service {key}: {message}"));
        }
        let (networks, network_drivers) = self.attachments(key, node);
        let log_driver = text(node, &["logging", "driver"]);
        let mut service_labels = self.stack_labels(labels(node, &["deploy", "labels"]));
        service_labels.insert("com.docker.stack.image".to_string(), image.clone());
        let env = map(node, &["environment"]).map(|(name, value)| match value.text() {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        });
        ServiceSpec {
            name: format!("{}_{key}", self.stack),
            labels: service_labels,
            mode,
            task: TaskSpec {
                container: ContainerSpec {
                    image,
                    command: texts(node, &["entrypoint"]),
                    args: texts(node, &["command"]),
                    env: env.collect(),
                    labels: self.stack_labels(labels(node, &["labels"])),
                    hostname: text(node, &["hostname"]),
                    stop_grace: at(node, &["stop_grace_period"]).map(|node| span(node).unwrap_or(WITHOUT_END)),
                    stop_signal: text(node, &["stop_signal"]),
                    health,
                    volume_drivers,
                    mounts,
                    files,
                },
                reservations,
                limits,
                restart,
                placement: Placement {
                    constraints: texts(node, &["deploy", "placement", "constraints"]),
                    preferences: list(node, &["deploy", "placement", "preferences"])
                        .iter()
                        .map(|preference| text(preference, &["spread"]))
                        .collect(),
                    max_replicas: count(node, &["deploy", "placement", "max_replicas_per_node"]).unwrap_or(0),
                    platforms: Vec::new(),
                },
                networks,
                network_drivers,
                log_driver: (!log_driver.is_empty()).then_some(log_driver),
                force_update: 0,
            },
            endpoint: self.endpoint(key, node),
            update: self.update(key, node, "update_config"),
            rollback: self.update(key, node, "rollback_config"),
            failover: None,
        }
    }

    /// Secrets and configs, each sorted by name in the cluster.
    fn files(&mut self, key: &str, node: &Node) -> Vec<String> {
        let config = self.config;
        let mut out = Vec::new();
        for (kind, section, known) in [("secret", "secrets", &config.secrets), ("config", "configs", &config.configs)] {
            let mut names = Vec::new();
            let credential = at(node, &["credential_spec", "config"]).filter(|_| kind == "config");
            let mut targets = BTreeSet::new();
            for reference in list(node, &[section]) {
                let (source, target) = (text(reference, &["source"]), text(reference, &["target"]));
                let target = if target.is_empty() { source.clone() } else { target };
                let Some(object) = known.get(&source) else { continue };
                if target.is_empty() {
                    let why = format!("malformed file {kind} reference, invalid target file name provided");
                    self.refuse(Stage::Engine, reference.at, format!("service {key}: {why}"));
                } else if !targets.insert(target) {
                    let why =
                        format!("duplicate {kind} target for {} not allowed", self.name_of(&source, Some(object)));
                    self.refuse(Stage::Deploy, reference.at, format!("service {key}: {why}"));
                }
            }
            let references =
                list(node, &[section]).iter().map(|reference| (reference.at, text(reference, &["source"])));
            for (place, source) in references
                .chain(credential.map(|credential| (credential.at, credential.text().unwrap_or_default().to_string())))
            {
                match known.get(&source) {
                    Some(object) => names.push(self.name_of(&source, Some(object))),
                    None => self.refuse(Stage::Deploy, place, format!("service {key}: undefined {kind} \"{source}\"")),
                }
            }
            names.sort();
            out.extend(names.into_iter().map(|name| format!("{kind}:{name}")));
        }
        out
    }

    fn mode(&mut self, key: &str, node: &Node) -> Mode {
        let replicas = count(node, &["deploy", "replicas"]);
        let place = at(node, &["deploy", "replicas"]).map_or(node.at, |node| node.at);
        let written = text(node, &["deploy", "mode"]);
        let mode = match written.as_str() {
            "" | "replicated" => return Mode::Replicated { replicas: replicas.unwrap_or(1) },
            "replicated-job" => {
                let replicas = replicas.unwrap_or(1);
                return Mode::ReplicatedJob { max_concurrent: replicas, total_completions: replicas };
            }
            "global" => Mode::Global,
            "global-job" => Mode::GlobalJob,
            other => {
                let place = at(node, &["deploy", "mode"]).map_or(node.at, |node| node.at);
                self.refuse(Stage::Deploy, place, format!("service {key}: Unknown mode: {other}"));
                return Mode::Global;
            }
        };
        if replicas.is_some() {
            let message = format!("service {key}: replicas can only be used with replicated or replicated-job mode");
            self.refuse(Stage::Deploy, place, message);
        }
        mode
    }

    fn mounts(&mut self, key: &str, node: &Node) -> (Vec<String>, Vec<String>) {
        let (mut mounts, mut drivers) = (Vec::new(), BTreeSet::new());
        for mount in list(node, &["volumes"]) {
            match self.mount(mount) {
                Ok((source, driver)) => {
                    mounts.push(format!("{source}:{}", text(mount, &["target"])));
                    drivers.extend((!driver.is_empty()).then_some(driver));
                }
                Err(why) => self.refuse(Stage::Deploy, mount.at, format!("service {key}: {why}")),
            }
        }
        (mounts, drivers.into_iter().collect())
    }

    /// The source of a mount and the driver of its volume.
    fn mount(&self, mount: &Node) -> Result<(String, String), String> {
        let written = text(mount, &["type"]);
        let kind = if written.is_empty() { "volume" } else { written.as_str() };
        if !matches!(kind, "volume" | "image" | "bind" | "tmpfs" | "npipe" | "cluster") {
            return Err("volume type must be volume, bind, tmpfs, npipe, or cluster".to_string());
        }
        let source = text(mount, &["source"]);
        if source.is_empty() && matches!(kind, "image" | "bind" | "npipe" | "cluster") {
            return Err(format!("invalid {kind} source, source cannot be empty"));
        }
        if !source.is_empty() && kind == "tmpfs" {
            return Err("invalid tmpfs source, source must be empty".to_string());
        }
        // The order in which Docker looks at options that belong to another kind.
        let foreign: &[&str] = match kind {
            "volume" => &["image", "tmpfs", "bind", "cluster"],
            "image" => &["volume", "bind", "tmpfs", "cluster"],
            "bind" => &["volume", "image", "tmpfs", "cluster"],
            "tmpfs" => &["bind", "volume", "image", "cluster"],
            "npipe" => &["volume", "image", "tmpfs"],
            _ => &["tmpfs", "bind", "volume"],
        };
        if let Some(option) = foreign.iter().find(|option| mount.get(option).is_some()) {
            let option = if (*option, kind) == ("image", "volume") { "images" } else { option };
            return Err(format!("{option} options are incompatible with type {kind}"));
        }
        let is_named = kind == "volume" || (kind == "cluster" && !source.starts_with("group:"));
        if !is_named || source.is_empty() {
            return Ok((source, String::new()));
        }
        let volume = self.config.volumes.get(&source).ok_or_else(|| format!("undefined volume \"{source}\""))?;
        let driver = if is_external(volume) { String::new() } else { text(volume, &["driver"]) };
        Ok((self.name_of(&source, Some(volume)), driver))
    }

    fn resources(&mut self, key: &str, node: &Node, which: &str) -> Resources {
        let path = ["deploy", "resources", which];
        let Some(node) = at(node, &path) else { return Resources::default() };
        let nano_cpus = match at(node, &["cpus"]) {
            Some(cpus) => units::nano_cpus(cpus.text().unwrap_or_default()).unwrap_or_else(|why| {
                self.refuse(Stage::Deploy, cpus.at, format!("service {key}: {why}"));
                0
            }),
            None => 0,
        };
        let generic = list(node, &["generic_resources"]).iter().filter_map(|node| node.get("discrete_resource_spec"));
        Resources {
            nano_cpus,
            memory: text(node, &["memory"]).parse().unwrap_or(0),
            generic: generic
                .map(|resource| GenericResource {
                    kind: text(resource, &["kind"]),
                    units: Units::Count(at(resource, &["value"]).map_or(0, |node| int(&node.value))),
                })
                .collect(),
        }
    }

    fn restart(&mut self, key: &str, node: &Node) -> Option<RestartPolicy> {
        if let Some(policy) = at(node, &["deploy", "restart_policy"]) {
            let condition = match text(policy, &["condition"]).as_str() {
                "none" => RestartCondition::None,
                "on-failure" => RestartCondition::OnFailure,
                "" | "any" => RestartCondition::Any,
                other => {
                    let place = at(policy, &["condition"]).map_or(policy.at, |node| node.at);
                    self.refuse(Stage::Engine, place, format!("service {key}: invalid RestartCondition: \"{other}\""));
                    RestartCondition::Any
                }
            };
            return Some(RestartPolicy {
                condition,
                delay: self.span(key, policy, &["delay"], "TaskSpec: restart-delay"),
                max_attempts: count(policy, &["max_attempts"]).unwrap_or(0),
                window: self.span(key, policy, &["window"], "TaskSpec: restart-window").unwrap_or(Span::ZERO),
            });
        }
        let written = at(node, &["restart"])?;
        match restart(written.text().unwrap_or_default()) {
            Ok(policy) => policy,
            Err(why) => {
                self.refuse(Stage::Deploy, written.at, format!("service {key}: {why}"));
                None
            }
        }
    }

    fn health(&mut self, key: &str, node: &Node) -> Option<HealthCheck> {
        let check = at(node, &["healthcheck"])?;
        let test = texts(check, &["test"]);
        let is_disabled = check.get("disable").is_some();
        if is_disabled && !test.is_empty() {
            let why = "test and disable can't be set at the same time";
            self.refuse(Stage::Deploy, check.at, format!("service {key}: {why}"));
        }
        let mut span = |name: &str| {
            // What a disabled check says is not sent.
            let written = at(check, &[key_of_span(name)]).filter(|_| !is_disabled)?;
            match self::span(written) {
                Some(span) => Some(span).filter(|span| *span != Span::ZERO),
                None => {
                    let why = format!("ContainerSpec: {name} in HealthConfig cannot be less than 1ms");
                    self.refuse(Stage::Engine, written.at, format!("service {key}: {why}"));
                    None
                }
            }
        };
        let (interval, timeout) = (span("Interval"), span("Timeout"));
        let (start_period, start_interval) = (span("StartPeriod"), span("StartInterval"));
        Some(HealthCheck {
            test: if is_disabled { vec!["NONE".to_string()] } else { test },
            interval,
            timeout,
            retries: count(check, &["retries"]).filter(|_| !is_disabled).unwrap_or(0),
            start_period: start_period.unwrap_or(Span::ZERO),
            start_interval,
        })
    }

    /// Names of the networks that a service joins, sorted, and the drivers that need a plugin.
    fn attachments(&mut self, key: &str, node: &Node) -> (Vec<String>, Vec<String>) {
        let mut joined: Vec<(&str, Place)> =
            map(node, &["networks"]).map(|(name, node)| (name.as_str(), node.at)).collect();
        if joined.is_empty() {
            joined.push(("default", node.at));
        }
        joined.sort_by_key(|(_, place)| *place);
        let (mut names, mut drivers) = (Vec::new(), BTreeSet::new());
        for (network, place) in joined {
            let known = self.config.networks.get(network);
            if known.is_none() && network != "default" {
                let message = format!("service {key}: undefined network \"{network}\"");
                self.refuse(Stage::Deploy, place, message);
            }
            names.push(self.name_of(network, known));
            let driver = known.map(|network| text(network, &["driver"])).unwrap_or_default();
            drivers.extend((!matches!(driver.as_str(), "" | "overlay")).then_some(driver));
        }
        names.sort();
        (names, drivers.into_iter().collect())
    }

    fn endpoint(&mut self, key: &str, node: &Node) -> EndpointSpec {
        let mode = match text(node, &["deploy", "endpoint_mode"]).to_lowercase().as_str() {
            "" | "vip" => EndpointMode::Vip,
            "dnsrr" => EndpointMode::DnsRoundRobin,
            other => {
                let place = at(node, &["deploy", "endpoint_mode"]).map_or(node.at, |node| node.at);
                self.refuse(Stage::Engine, place, format!("service {key}: invalid resolution mode: \"{other}\""));
                EndpointMode::Vip
            }
        };
        let mut ports = Vec::new();
        for port in list(node, &["ports"]) {
            match self::port(port) {
                Ok(port) => ports.push(port),
                Err(why) => self.refuse(Stage::Simulator, port.at, format!("service {key}: {why}")),
            }
        }
        ports.sort_by_key(|port| (port.published, port.target, port.protocol, port.mode == PublishMode::Ingress));
        EndpointSpec { mode, ports }
    }

    fn update(&mut self, key: &str, node: &Node, which: &str) -> Option<UpdateConfig> {
        let update = at(node, &["deploy", which])?;
        let failure_action = match text(update, &["failure_action"]).as_str() {
            "" | "pause" => FailureAction::Pause,
            "continue" => FailureAction::Continue,
            "rollback" => FailureAction::Rollback,
            other => {
                let place = at(update, &["failure_action"]).map_or(update.at, |node| node.at);
                let message = format!("service {key}: unrecognized update failure action {other}");
                self.refuse(Stage::Engine, place, message);
                FailureAction::Pause
            }
        };
        let order = match text(update, &["order"]).as_str() {
            "start-first" => UpdateOrder::StartFirst,
            _ => UpdateOrder::StopFirst,
        };
        let ratio = match at(update, &["max_failure_ratio"]).map(|node| &node.value) {
            Some(Value::Float(ratio)) => *ratio as f32,
            _ => 0.0,
        };
        // Of a rollback the engine does not look at the times, and less than no time is none.
        let mut span = |name: &str, what: &str| match which {
            "update_config" => self.span(key, update, &[name], what),
            _ => at(update, &[name]).map(|node| span(node).unwrap_or(Span::ZERO)),
        };
        Some(UpdateConfig {
            parallelism: count(update, &["parallelism"]).unwrap_or(1),
            delay: span("delay", "TaskSpec: update-delay").unwrap_or(Span::ZERO),
            failure_action,
            // The engine takes no time for none given.
            monitor: span("monitor", "TaskSpec: update-monitor").filter(|span| *span != Span::ZERO),
            max_failure_ratio: ratio,
            order,
        })
    }

    /// A duration that the cluster accepts; below zero it does not.
    fn span(&mut self, key: &str, node: &Node, path: &[&str], what: &str) -> Option<Span> {
        let written = at(node, path)?;
        let span = span(written);
        if span.is_none() {
            self.refuse(Stage::Engine, written.at, format!("service {key}: {what} cannot be negative"));
        }
        span
    }

    /// The networks that services use; `default` is one of them even if the file does not define it.
    fn networks(&self) -> Vec<StackNetwork> {
        let mut used = BTreeSet::new();
        for service in self.config.services.values() {
            let before = used.len();
            used.extend(map(service, &["networks"]).map(|(name, _)| name.as_str()));
            if used.len() == before && map(service, &["networks"]).next().is_none() {
                used.insert("default");
            }
        }
        let empty = Node { value: Value::Map(Map::new()), at: Place::default() };
        let network = |key: &str| {
            let node = self.config.networks.get(key).unwrap_or(&empty);
            let driver = text(node, &["driver"]);
            StackNetwork {
                key: key.to_string(),
                name: self.name_of(key, Some(node)),
                external: is_external(node),
                driver: if driver.is_empty() { "overlay".to_string() } else { driver },
                subnets: list(node, &["ipam", "config"]).iter().map(|config| text(config, &["subnet"])).collect(),
                attachable: node.get("attachable").is_some(),
                internal: node.get("internal").is_some(),
            }
        };
        used.into_iter().map(network).collect()
    }

    fn volume(&self, key: &str, node: &Node) -> StackVolume {
        StackVolume {
            key: key.to_string(),
            name: self.name_of(key, Some(node)),
            external: is_external(node),
            driver: text(node, &["driver"]),
        }
    }

    fn file(&self, key: &str, node: &Node) -> StackFile {
        let external = is_external(node);
        let has_file = !external && node.get("driver").is_none();
        let file = has_file.then(|| text(node, &["file"]).into());
        StackFile { key: key.to_string(), name: self.name_of(key, Some(node)), external, file }
    }
}

/// Of what Windows knows of accounts one thing can be given.
fn credential_refusal(node: &Node) -> Option<String> {
    let given: Vec<&str> = [("config", "\"Config\""), ("file", "\"File\""), ("registry", "\"Registry\"")]
        .into_iter()
        .filter(|(key, _)| !text(node, &["credential_spec", key]).is_empty())
        .map(|(_, name)| name)
        .collect();
    match given.as_slice() {
        [a, b] => Some(format!("invalid credential spec: cannot specify both {a} and {b}")),
        [a, b, c] => Some(format!("invalid credential spec: cannot specify both {a}, {b}, and {c}")),
        _ => None,
    }
}

/// What a stop does not wait for the end of: a hundred years.
const WITHOUT_END: Span = Span::from_secs(100 * 365 * 86_400);

/// A duration, unless it is below zero.
fn span(written: &Node) -> Option<Span> {
    let nanos = units::duration(written.text().unwrap_or_default()).unwrap_or(0);
    u64::try_from(nanos).ok().map(Span::from_nanos)
}

/// The key of a health check that has a name in the engine.
fn key_of_span(name: &str) -> &'static str {
    match name {
        "Interval" => "interval",
        "Timeout" => "timeout",
        "StartPeriod" => "start_period",
        _ => "start_interval",
    }
}

/// The older way to say when a service restarts, which counts if there is no restart policy.
fn restart(written: &str) -> Result<Option<RestartPolicy>, String> {
    let (name, attempts) = match written.split_once(':') {
        Some(("", _)) => return Err("invalid restart policy format: no policy provided before colon".to_string()),
        Some((name, attempts)) => (name, attempts),
        None => (written, ""),
    };
    let attempts: i64 = match attempts {
        "" => 0,
        attempts => attempts
            .parse()
            .map_err(|_| "invalid restart policy format: maximum retry count must be an integer".to_string())?,
    };
    let (condition, max_attempts) = match name {
        "" | "no" => return Ok(None),
        "always" | "unless-stopped" => (RestartCondition::Any, 0),
        // Below zero it becomes a number without end, as there.
        "on-failure" => (RestartCondition::OnFailure, attempts as u64),
        _ => return Err(format!("unknown restart policy: {written}")),
    };
    Ok(Some(RestartPolicy { condition, max_attempts, ..RestartPolicy::default() }))
}

/// A port. What the engine does not know of protocols and modes is the first of them, as there.
fn port(node: &Node) -> Result<Port, String> {
    let number = |name: &str| {
        let number = at(node, &[name]).map_or(0, |node| int(&node.value));
        u16::try_from(number).map_err(|_| format!("{name} {number} of a port is larger than 65535"))
    };
    let protocol = match text(node, &["protocol"]).to_lowercase().as_str() {
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => Protocol::Tcp,
    };
    let mode = match text(node, &["mode"]).to_lowercase().as_str() {
        "host" => PublishMode::Host,
        _ => PublishMode::Ingress,
    };
    Ok(Port { protocol, target: number("target")?, published: number("published")?, mode })
}

/// What `docker stack deploy` says about an image reference before it asks the cluster.
fn image_refusal(image: &str) -> Option<String> {
    if image.is_empty() {
        return Some("no image specified".to_string());
    }
    // A bare digest passes here, and the cluster refuses it.
    Reference::parse(image).err().filter(|_| !Reference::is_digest(image))
}
