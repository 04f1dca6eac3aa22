//! The JSON Schema of scenario files, from which editors complete keys and explain them.
//!
//! It is made of what the reader itself goes by: the keys of each table are the reader's own, and what they mean stands in
//! `scenarios/README.md`. It says less than the reader does: what is no known key, no table or none of a few words is refused,
//! what is a wrong duration is not.

use serde_json::{Map, Value, json};

use super::read::{NETWORK, SCENARIO};
use super::service::SERVICE;
use super::stack::STACK;
use super::{expect, failure, image, join, model, operator, pool, scaler, script, service, strategy, unit, workload};
use crate::metrics::METRICS;

/// What every key means, for people.
const REFERENCE: &str = include_str!("../../../../scenarios/README.md");

/// What stands under a key.
#[derive(Clone, Copy)]
enum Form {
    /// A table.
    Table(&'static Section),
    /// A list of tables.
    Tables(&'static Section),
    /// A table, or something shorter.
    Or(&'static Section),
    /// A list whose entries are tables, or something shorter.
    ListOr(&'static Section),
    /// A table with a table under each name.
    Named(&'static Section),
    /// A table whose keys the user chooses.
    Any,
    /// Parameters of the failover policy of that name.
    Policy,
}
use Form::{Any, ListOr, Named, Or, Policy, Table, Tables};

/// A table that the reader knows.
pub(super) struct Section {
    /// Headings in the reference under which its keys are explained.
    pub headings: &'static [&'static str],
    /// Its keys.
    pub keys: &'static [&'static str],
    /// Keys under which there is more than a value.
    forms: &'static [(&'static str, Form)],
    /// Whether one key can stand for another that is required otherwise.
    has_alternatives: bool,
}

const fn section(headings: &'static [&'static str], keys: &'static [&'static str]) -> Section {
    Section { headings, keys, forms: &[], has_alternatives: false }
}

const fn with(section: Section, forms: &'static [(&'static str, Form)]) -> Section {
    Section { forms, ..section }
}

const fn or_else(section: Section) -> Section {
    Section { has_alternatives: true, ..section }
}

static RESOURCES: Section = with(section(&["`pool`"], service::RESOURCES), &[("generic", Any)]);
static RESTART: Section = section(&["`service.restart`"], service::RESTART);
static UPDATE: Section = section(&["`service.update`"], service::UPDATE);
static PORT: Section = section(&["`service.ports`"], service::PORT);
static EXITS: Section = or_else(section(&["`service.exits`"], service::EXITS));
static LEAK: Section = section(&["`service.leak`"], service::LEAK);
static STOPS: Section = or_else(section(&["`service.stops`"], service::STOPS));
static HEALTH: Section = section(&["`service.health`"], service::HEALTH);
static FAILOVER: Section = with(section(&["`service.failover`", "`strategy`"], strategy::FAILOVER), POLICIES);
static SERVICES: Section = with(section(&["`service`"], SERVICE), OF_SERVICE);
static CHANGE: Section = or_else(with(section(&["`service`", "`event.update`"], service::CHANGE), OF_SERVICE));
static ENTRIES: Section = section(&["`service`"], service::ENTRIES);
const OF_SERVICE: &[(&str, Form)] = &[
    ("reserve", Table(&RESOURCES)),
    ("limit", Table(&RESOURCES)),
    ("restart", Table(&RESTART)),
    ("update", Table(&UPDATE)),
    ("rollback", Table(&UPDATE)),
    ("ports", ListOr(&PORT)),
    ("exits", Table(&EXITS)),
    ("leak", Table(&LEAK)),
    ("stops", Table(&STOPS)),
    ("health", Table(&HEALTH)),
    ("failover", Or(&FAILOVER)),
    ("labels", Any),
    ("container_labels", Any),
    ("add", Table(&ENTRIES)),
    ("remove", Table(&ENTRIES)),
];
const POLICIES: &[(&str, Form)] = &[
    ("wait", Policy),
    ("standby", Policy),
    ("prepull", Policy),
    ("rebalance", Policy),
    ("drain-start-first", Policy),
    ("guarded", Policy),
    ("kubernetes", Policy),
    ("nomad", Policy),
    ("marathon", Policy),
    ("heartbeat", Table(&HEARTBEAT)),
    ("update", Table(&KNOBS)),
];
static KNOBS: Section = section(&["`service.update`"], strategy::KNOBS_OF_UPDATE);
static STRATEGY: Section = with(section(&["`strategy`"], strategy::STRATEGY), POLICIES);
static HEARTBEAT: Section = section(&["`heartbeat`"], model::HEARTBEAT);
static POOL: Section = with(
    section(&["`pool`"], pool::POOL),
    &[
        ("plugins", Table(&PLUGINS)),
        ("join", Table(&JOIN)),
        ("autoscale", Table(&AUTOSCALE)),
        ("labels", Any),
        ("engine_labels", Any),
        ("generic", Any),
    ],
);
static PLUGINS: Section = section(&["`pool.plugins`"], pool::PLUGINS);
static JOIN: Section = section(&["`pool.join`"], join::JOIN);
static AUTOSCALE: Section = section(&["`pool.autoscale`"], scaler::AUTOSCALE);
static IMAGE: Section =
    with(section(&["`image`"], image::IMAGE), &[("layers", ListOr(&LAYER)), ("exits", Table(&EXITS))]);
static LAYER: Section = section(&["`image.layers`"], image::LAYER);
static NETWORKS: Section = section(&["`network`"], NETWORK);
static STACKS: Section = with(section(&["`stack`"], STACK), &[("env", Any)]);
static ARRIVALS: Section = with(
    section(&["`arrivals`"], workload::ARRIVALS),
    &[
        ("service", Table(&SERVICES)),
        ("diurnal", Table(&DIURNAL)),
        ("bursty", Table(&BURSTY)),
        ("clients", Table(&CLIENTS)),
    ],
);
static DIURNAL: Section = section(&["`arrivals.diurnal`"], workload::DIURNAL);
static BURSTY: Section = section(&["`arrivals.bursty`"], workload::BURSTY);
static CLIENTS: Section = section(&["`arrivals.clients`"], workload::CLIENTS);
static QUEUE: Section = section(&["`queue`"], workload::QUEUE);
static REQUESTS: Section = with(
    section(&["`requests`", "`arrivals`"], workload::REQUESTS),
    &[("diurnal", Table(&DIURNAL)), ("bursty", Table(&BURSTY)), ("autoscale", Table(&REPLICAS))],
);
static REPLICAS: Section = section(&["`requests.autoscale`"], workload::AUTOSCALE);
static SCALING: Section = section(&["`scaling`"], operator::SCALING);
static RELEASE: Section = with(section(&["`release`"], operator::RELEASE), &[("exits", Table(&EXITS))]);
static EVENT: Section = with(
    section(&["`event`"], script::EVENT),
    &[
        ("weaken", Table(&WEAKEN)),
        ("slow", Table(&SLOW)),
        ("scale", Any),
        ("update_image", Any),
        ("update", Named(&CHANGE)),
        ("deploy", Table(&DEPLOY)),
        ("upgrade", Table(&UPGRADE)),
        ("node_labels", Table(&NODE_LABELS)),
        ("engine", Table(&ENGINE)),
        ("registry", Or(&REGISTRY_CHANGE)),
        ("remove_node", Or(&REMOVE_NODE)),
        ("swarm", Table(&SWARM)),
        ("init", Or(&INIT)),
        ("join", Or(&JOIN_AGAIN)),
        ("demote", Or(&DEMOTE)),
        ("create_network", Or(&CREATE_NETWORK)),
        ("create_config", Or(&CREATE_FILE)),
        ("create_secret", Or(&CREATE_FILE)),
        ("rotate_config", Table(&ROTATE_FILE)),
        ("rotate_secret", Table(&ROTATE_FILE)),
    ],
);
static WEAKEN: Section = section(&["`event`"], script::WEAKEN);
static SLOW: Section = section(&["`event`"], script::SLOW);
static DEPLOY: Section = with(section(&["`event.deploy`", "`stack`"], script::DEPLOY), &[("env", Any)]);
static UPGRADE: Section = section(&["`event.upgrade`"], script::UPGRADE);
static NODE_LABELS: Section = with(section(&["`event.node_labels`"], script::NODE_LABELS), &[("set", Any)]);
static ENGINE: Section =
    with(section(&["`event.engine`", "`pool`"], script::ENGINE), &[("generic", Any), ("labels", Any)]);
static REGISTRY_CHANGE: Section = with(
    section(&["`event.registry`", "`registry`"], script::REGISTRY),
    &[("limit", Table(&LIMIT)), ("move_tag", Any)],
);
static REMOVE_NODE: Section = section(&["`event`"], script::REMOVE_NODE);
static SWARM: Section = section(&["`event`"], script::SWARM);
static INIT: Section = section(&["`event`"], script::INIT);
static JOIN_AGAIN: Section = section(&["`event`"], script::JOIN_AGAIN);
static DEMOTE: Section = section(&["`event`"], script::DEMOTE);
static CREATE_NETWORK: Section = section(&["`event`"], script::CREATE_NETWORK);
static CREATE_FILE: Section = section(&["`event`"], script::CREATE_FILE);
static ROTATE_FILE: Section = section(&["`event`"], script::ROTATE_FILE);
static MAINTENANCE: Section = section(&["`maintenance`"], script::MAINTENANCE);
static FAILURE: Section = or_else(with(section(&["`failure`"], failure::FAILURE), &[("burst", Table(&BURST))]));
static BURST: Section = section(&["`failure.burst`"], failure::BURST);
static CREW: Section = section(&["`crew`"], failure::CREW);
static DAEMON: Section = section(&["`daemon`"], model::DAEMON);
static REGISTRY: Section = with(section(&["`registry`"], model::REGISTRY), &[("limit", Table(&LIMIT))]);
static LIMIT: Section = section(&["`registry`"], model::LIMIT);
static OVERLAY: Section = section(&["`overlay`"], model::OVERLAY);
static MANAGERS: Section = section(&["`managers`"], model::MANAGERS);
static GOSSIP: Section = section(&["`gossip`"], model::GOSSIP);
static EXPECT: Section = section(&["`expect`"], expect::BOUNDS);
static LAW: Section = with(
    section(&["Laws"], unit::LAWS),
    &[
        ("uniform", Table(&UNIFORM)),
        ("exponential", Table(&EXPONENTIAL)),
        ("lognormal", Table(&LOGNORMAL)),
        ("weibull", Table(&WEIBULL)),
        ("erlang", Table(&ERLANG)),
        ("hyperexponential", Table(&HYPEREXPONENTIAL)),
        ("pareto", Table(&PARETO)),
        ("empirical", ListOr(&EMPIRICAL)),
    ],
);
static UNIFORM: Section = section(&["Laws"], unit::UNIFORM);
static EXPONENTIAL: Section = section(&["Laws"], unit::EXPONENTIAL);
static LOGNORMAL: Section = section(&["Laws"], unit::LOGNORMAL);
static WEIBULL: Section = section(&["Laws"], unit::WEIBULL);
static ERLANG: Section = section(&["Laws"], unit::ERLANG);
static HYPEREXPONENTIAL: Section = section(&["Laws"], unit::HYPEREXPONENTIAL);
static PARETO: Section = section(&["Laws"], unit::PARETO);
static EMPIRICAL: Section = section(&["Laws"], unit::EMPIRICAL);

/// The file as a whole.
pub(super) static FILE: Section = with(
    section(&["The top level"], SCENARIO),
    &[
        ("strategy", Tables(&STRATEGY)),
        ("pool", Tables(&POOL)),
        ("image", Tables(&IMAGE)),
        ("network", Tables(&NETWORKS)),
        ("service", Tables(&SERVICES)),
        ("stack", ListOr(&STACKS)),
        ("arrivals", Tables(&ARRIVALS)),
        ("queue", Tables(&QUEUE)),
        ("requests", Tables(&REQUESTS)),
        ("scaling", Tables(&SCALING)),
        ("release", Tables(&RELEASE)),
        ("event", Tables(&EVENT)),
        ("maintenance", Tables(&MAINTENANCE)),
        ("failure", Tables(&FAILURE)),
        ("crew", Tables(&CREW)),
        ("daemon", Table(&DAEMON)),
        ("registry", Table(&REGISTRY)),
        ("overlay", Table(&OVERLAY)),
        ("heartbeat", Table(&HEARTBEAT)),
        ("managers", Table(&MANAGERS)),
        ("gossip", Table(&GOSSIP)),
        ("expect", Named(&EXPECT)),
    ],
);

/// The schema of scenario files: JSON Schema draft 7, in one document that refers to nothing outside.
pub fn schema() -> Value {
    let mut file = table(&FILE);
    // What must come out is said of metrics, or of strategies and classes whose names only the scenario knows.
    let metrics = METRICS.iter().map(|metric| {
        let expectation = json!({ "$ref": "#/definitions/expectation" });
        (metric.name.to_string(), json!({ "allOf": [expectation], "description": metric.definition }))
    });
    file["properties"]["expect"] = json!({
        "type": "object",
        "description": described(&FILE, "expect").0,
        "properties": metrics.collect::<Map<_, _>>(),
        "additionalProperties": true,
    });
    let bounds = json!({ "anyOf": [{ "type": "number" }, table(&EXPECT)] });
    let expectation = json!({ "anyOf": [{ "type": "number" }, table(&EXPECT), { "type": "array", "items": bounds }] });
    let selector = json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] });
    let mut law = table(&LAW);
    law["minProperties"] = 1.into();
    law["maxProperties"] = 1.into();
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "a scenario of simctl",
        "definitions": {
            "law": { "anyOf": [{ "type": "string" }, law] },
            "selector": selector,
            "expectation": expectation,
        },
    });
    let (Value::Object(mut schema), Value::Object(file)) = (schema, file) else { unreachable!("both are objects") };
    schema.extend(file);
    Value::Object(schema)
}

/// The schema of a table.
fn table(section: &Section) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in section.keys {
        let (description, value, default) = described(section, key);
        let mut property = match section.forms.iter().find(|(name, _)| name == key) {
            Some((_, form)) => in_form(*form, key),
            None => of_value(&value, &default),
        };
        let Value::Object(entries) = &mut property else { unreachable!("a schema is an object") };
        entries.insert("description".into(), description.into());
        if let Some(default) = as_value(&default) {
            entries.insert("default".into(), default);
        }
        if default == "required" && !section.has_alternatives {
            required.push(Value::from(*key));
        }
        properties.insert(key.to_string(), property);
    }
    let mut table = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if !required.is_empty() {
        table["required"] = required.into();
    }
    table
}

fn in_form(form: Form, key: &str) -> Value {
    let short = || vec![json!({ "type": "string" }), json!({ "type": "array" })];
    match form {
        Form::Table(section) => table(section),
        Form::Tables(section) => json!({ "type": "array", "items": table(section) }),
        Form::Or(section) => {
            let mut forms = vec![table(section)];
            forms.extend(short());
            json!({ "anyOf": forms })
        }
        Form::ListOr(section) => {
            let entry = json!({ "anyOf": [table(section), { "type": ["string", "number"] }] });
            json!({ "anyOf": [{ "type": "array", "items": entry }, { "type": "string" }, table(section)] })
        }
        Form::Named(section) => json!({ "type": "object", "additionalProperties": table(section) }),
        Form::Any => json!({ "type": ["object", "array"], "additionalProperties": true }),
        Form::Policy => policy(key),
    }
}

/// The parameters of a failover policy.
fn policy(name: &str) -> Value {
    let entry = sched::FAILOVERS.iter().find(|entry| entry.name == name);
    let parameters = entry.map_or(&[][..], |entry| entry.parameters).iter().map(|parameter| {
        let description =
            format!("{} ({}; default {})", parameter.meaning, parameter.kind.expected(), parameter.default);
        (parameter.name.to_string(), json!({ "description": description }))
    });
    json!({ "type": "object", "additionalProperties": false, "properties": parameters.collect::<Map<_, _>>() })
}

/// What may stand under a key, as far as the words of the reference tell.
fn of_value(value: &str, default: &str) -> Value {
    if default == "`false`" || default == "`true`" {
        return json!({ "type": "boolean" });
    }
    if value == "law" || value.starts_with("law:") || value.starts_with("law ") {
        // Beside a reference draft 7 allows nothing.
        return json!({ "allOf": [{ "$ref": "#/definitions/law" }] });
    }
    if value == "selector" || value.starts_with("selector:") {
        return json!({ "allOf": [{ "$ref": "#/definitions/selector" }] });
    }
    match choices(value) {
        Some(words) => json!({ "enum": words }),
        None => json!({}),
    }
}

/// The words of a value that is one of some: `` `a`, `b` (what that is), `c` ``, perhaps with a colon and more about them.
fn choices(value: &str) -> Option<Vec<&str>> {
    let mut words = Vec::new();
    let mut rest = value;
    while let Some((word, after)) = rest.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
        words.push(word);
        let after = after.trim_start();
        let after = match after.strip_prefix('(') {
            Some(aside) => aside.split_once(')')?.1,
            None => after,
        };
        match after.strip_prefix(',') {
            Some(more) => rest = more.trim_start().strip_prefix("or ").unwrap_or(more.trim_start()),
            None => {
                let ends = after.is_empty() || after.starts_with(':');
                return (ends && words.len() > 1).then_some(words);
            }
        }
    }
    None
}

/// A default that is written as a value.
fn as_value(default: &str) -> Option<Value> {
    let text = default.strip_prefix('`').and_then(|text| text.strip_suffix('`')).unwrap_or(default);
    serde_json::from_str(text).ok().or_else(|| (text.len() + 2 == default.len()).then(|| text.into()))
}

/// What the reference says about a key: all of it as a text, its value, and its default.
fn described(section: &Section, key: &str) -> (String, String, String) {
    let quoted = format!("`{key}`");
    for heading in section.headings {
        for line in lines(heading) {
            let cells = cells(line);
            if let [keys, rest @ ..] = cells.as_slice()
                && keys.split(", ").any(|name| name == quoted)
            {
                let value = rest.first().copied().unwrap_or("");
                let default = rest.get(1).copied().unwrap_or("");
                let text = match default {
                    "" => value.to_string(),
                    "required" => format!("{value} (required)"),
                    default => format!("{value} (default: {default})"),
                };
                return (text, value.to_string(), default.to_string());
            }
        }
        // Tables of events are explained by a list, or in the row of the event.
        for line in lines(heading) {
            let Some((keys, text)) = line.strip_prefix("- ").and_then(|line| line.split_once(": ")) else { continue };
            if keys.split(", ").any(|name| name == quoted) {
                return (text.to_string(), String::new(), String::new());
            }
        }
        if let Some(line) = lines(heading).find(|line| line.starts_with('|') && line.contains(&quoted)) {
            let text = cells(line).into_iter().skip(1).collect::<Vec<_>>().join("; ");
            return (text, String::new(), String::new());
        }
    }
    let prose = section.headings.iter().flat_map(|heading| lines(heading)).find(|line| line.contains(&quoted));
    (prose.unwrap_or("").trim_start_matches("- ").to_string(), String::new(), String::new())
}

/// The lines of a part of the reference.
fn lines(heading: &str) -> impl Iterator<Item = &'static str> {
    let start = format!("### {heading}");
    REFERENCE.lines().skip_while(move |line| *line != start).skip(1).take_while(|line| !line.starts_with("### "))
}

/// The cells of a row of a table.
fn cells(line: &str) -> Vec<&str> {
    match line.strip_prefix("| ").map(|line| line.trim_end().strip_suffix('|').unwrap_or(line)) {
        Some(row) => row.split(" | ").map(str::trim).collect(),
        None => Vec::new(),
    }
}

/// The keys of every table that is in the schema.
#[cfg(test)]
pub(super) fn lists() -> Vec<&'static [&'static str]> {
    tests::sections().into_iter().map(|section| section.keys).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every table of the schema.
    pub fn sections() -> Vec<&'static Section> {
        let mut found: Vec<&'static Section> = vec![&FILE, &LAW];
        let mut next = 0;
        while let Some(section) = found.get(next) {
            for (_, form) in section.forms {
                match form {
                    Table(inner) | Tables(inner) | Or(inner) | ListOr(inner) | Named(inner) => {
                        if !found.iter().any(|known| std::ptr::eq(*known, *inner)) {
                            found.push(inner);
                        }
                    }
                    Any | Policy => {}
                }
            }
            next += 1;
        }
        found
    }

    #[test]
    fn the_reference_explains_every_key() {
        for section in sections() {
            for key in section.keys {
                let description = described(section, key).0;
                assert!(!description.is_empty(), "{:?}: {key} is not explained", section.headings);
            }
        }
    }

    #[test]
    fn the_words_of_a_value_are_found() {
        assert_eq!(choices("`a`, `b` (what that is), `c`"), Some(vec!["a", "b", "c"]));
        assert_eq!(choices("`worker`, `manager`, or `wrong`: not a token"), Some(vec!["worker", "manager", "wrong"]));
        for text in ["`up`: every unit is up; `new`: its first", "`worker`, `manager`, or both in a list", "a text", ""]
        {
            assert_eq!(choices(text), None, "{text}");
        }
    }
}
