//! Docker's stack file format, versions 3.0 to 3.13, as a table.
//!
//! Each entry begins with the minor version since which the key exists. Read `FILE` first, from the bottom up.

use super::schema::Form::{Duration, Ports};
use super::schema::Kind::{Bool, Integer, Null, Number, Text};
use super::schema::Name::{Any, Extension, Lower, Resource};
use super::schema::{Keys, Rule};

/// The newest minor version, and what a file without a version is.
pub const NEWEST: u32 = 13;

type Known = &'static [(u32, &'static str, &'static Rule)];

const fn keys(known: Known) -> Keys {
    Keys { nullable: false, or_bool: false, known, required: &[], pattern: &[], open: None }
}

const fn map(known: Known) -> Rule {
    Rule::Map(keys(known))
}

/// Any keys beside the known ones.
const fn loose(known: Known) -> Rule {
    Rule::Map(Keys { open: Some(0), ..keys(known) })
}

const fn list(items: &'static Rule) -> Rule {
    Rule::List { items, unique: false }
}

const fn set(items: &'static Rule) -> Rule {
    Rule::List { items, unique: true }
}

/// A mapping from names to what `rule` says.
const fn named(pattern: &'static [(u32, super::schema::Name, &'static Rule)]) -> Rule {
    Rule::Map(Keys { pattern, ..keys(&[]) })
}

/// As [`named`], but other keys are not looked at.
const fn loosely_named(pattern: &'static [(u32, super::schema::Name, &'static Rule)]) -> Rule {
    Rule::Map(Keys { pattern, open: Some(0), ..keys(&[]) })
}

static ANY: Rule = Rule::Any;
static TEXT: Rule = Rule::Is(&[Text]);
static BOOL: Rule = Rule::Is(&[Bool]);
static INTEGER: Rule = Rule::Is(&[Integer]);
static NUMBER: Rule = Rule::Is(&[Number]);
static DURATION: Rule = Rule::Form(&[Text], Duration);
static TEXT_OR_NUMBER: Rule = Rule::Is(&[Text, Number]);
static NUMBER_OR_TEXT: Rule = Rule::Is(&[Number, Text]);
static TEXT_NUMBER_OR_NULL: Rule = Rule::Is(&[Text, Number, Null]);
static TEXT_OR_NULL: Rule = Rule::Is(&[Text, Null]);

static TEXTS: Rule = list(&TEXT);
static TEXT_SET: Rule = set(&TEXT);
static TEXT_OR_SET: Rule = Rule::OneOf(&[&TEXT, &TEXT_SET]);
static TEXT_OR_LIST: Rule = Rule::OneOf(&[&TEXT, &TEXTS]);
static PAIRS: Rule = Rule::OneOf(&[&named(&[(0, Any, &TEXT_NUMBER_OR_NULL)]), &TEXT_SET]);
static OPTIONS: Rule = loosely_named(&[(0, Any, &TEXT_OR_NUMBER)]);
static LOG_OPTIONS: Rule = loosely_named(&[(0, Any, &TEXT_NUMBER_OR_NULL)]);

static BUILD: Rule = Rule::OneOf(&[
    &TEXT,
    &Rule::Map(Keys {
        open: Some(11),
        ..keys(&[
            (0, "context", &TEXT),
            (0, "dockerfile", &TEXT),
            (0, "args", &PAIRS),
            (2, "cache_from", &TEXT_SET),
            (3, "labels", &PAIRS),
            (4, "network", &TEXT),
            (4, "target", &TEXT),
            (5, "shm_size", &Rule::Is(&[Integer, Text])),
            (9, "extra_hosts", &PAIRS),
        ])
    }),
]);

static FILE_REFERENCES: Rule = list(&Rule::OneOf(&[
    &TEXT,
    &loose(&[(0, "source", &TEXT), (0, "target", &TEXT), (0, "uid", &TEXT), (0, "gid", &TEXT), (0, "mode", &NUMBER)]),
]));

static SERVICE_NETWORK: Rule = Rule::OneOf(&[
    &map(&[
        (0, "aliases", &TEXT_SET),
        (13, "driver_opts", &OPTIONS),
        (0, "ipv4_address", &TEXT),
        (0, "ipv6_address", &TEXT),
    ]),
    &Rule::Is(&[Null]),
]);

static SERVICE_NETWORKS: Rule = Rule::OneOf(&[&TEXT_SET, &named(&[(0, Resource, &SERVICE_NETWORK)])]);

static PORTS: Rule = set(&Rule::Since(
    2,
    &Rule::Form(&[Text, Number], Ports),
    &Rule::OneOf(&[
        &Rule::Form(&[Number], Ports),
        &Rule::Form(&[Text], Ports),
        &map(&[(0, "mode", &TEXT), (0, "target", &INTEGER), (0, "published", &INTEGER), (0, "protocol", &TEXT)]),
    ]),
));

static ULIMIT: Rule = Rule::OneOf(&[
    &INTEGER,
    &Rule::Map(Keys { required: &["soft", "hard"], ..keys(&[(0, "hard", &INTEGER), (0, "soft", &INTEGER)]) }),
]);

static VOLUMES: Rule = Rule::Since(
    2,
    &TEXT_SET,
    &list(&Rule::OneOf(&[
        &TEXT,
        &Rule::Map(Keys {
            required: &["type"],
            ..keys(&[
                (0, "type", &TEXT),
                (0, "source", &TEXT),
                (0, "target", &TEXT),
                (0, "read_only", &BOOL),
                (0, "consistency", &TEXT),
                (0, "bind", &loose(&[(0, "propagation", &TEXT)])),
                (0, "volume", &loose(&[(0, "nocopy", &BOOL)])),
                (6, "tmpfs", &loose(&[(0, "size", &Rule::NotNegative)])),
            ])
        }),
    ])),
);

static INTERVAL: Rule = Rule::Since(4, &TEXT, &DURATION);

static HEALTHCHECK: Rule = map(&[
    (0, "disable", &BOOL),
    (0, "interval", &INTERVAL),
    (0, "retries", &NUMBER),
    (0, "test", &TEXT_OR_LIST),
    (0, "timeout", &INTERVAL),
    (4, "start_period", &DURATION),
    (12, "start_interval", &DURATION),
]);

static UPDATE: Rule = map(&[
    (0, "parallelism", &INTEGER),
    (0, "delay", &DURATION),
    (0, "failure_action", &TEXT),
    (0, "monitor", &DURATION),
    (0, "max_failure_ratio", &NUMBER),
    (4, "order", &Rule::OneText(&["start-first", "stop-first"])),
]);

static RESOURCES: Rule = map(&[
    (0, "limits", &map(&[(0, "cpus", &TEXT), (0, "memory", &TEXT), (9, "pids", &INTEGER)])),
    (
        0,
        "reservations",
        &map(&[
            (0, "cpus", &TEXT),
            (0, "memory", &TEXT),
            (
                5,
                "generic_resources",
                &list(&map(&[(0, "discrete_resource_spec", &map(&[(0, "kind", &TEXT), (0, "value", &NUMBER)]))])),
            ),
        ]),
    ),
]);

static DEPLOY: Rule = Rule::Map(Keys {
    nullable: true,
    ..keys(&[
        (0, "mode", &TEXT),
        (2, "endpoint_mode", &TEXT),
        (0, "replicas", &INTEGER),
        (0, "labels", &PAIRS),
        (7, "rollback_config", &UPDATE),
        (0, "update_config", &UPDATE),
        (0, "resources", &RESOURCES),
        (
            0,
            "restart_policy",
            &map(&[
                (0, "condition", &TEXT),
                (0, "delay", &DURATION),
                (0, "max_attempts", &INTEGER),
                (0, "window", &DURATION),
            ]),
        ),
        (
            0,
            "placement",
            &map(&[
                (0, "constraints", &TEXTS),
                (3, "preferences", &list(&map(&[(0, "spread", &TEXT)]))),
                (8, "max_replicas_per_node", &INTEGER),
            ]),
        ),
    ])
});

static SERVICE: Rule = Rule::Map(Keys {
    pattern: &[(7, Extension, &ANY)],
    ..keys(&[
        (0, "deploy", &DEPLOY),
        (0, "build", &BUILD),
        (0, "cap_add", &TEXT_SET),
        (0, "cap_drop", &TEXT_SET),
        (9, "cgroupns_mode", &TEXT),
        (0, "cgroup_parent", &TEXT),
        (0, "command", &TEXT_OR_LIST),
        (3, "configs", &FILE_REFERENCES),
        (0, "container_name", &TEXT),
        (3, "credential_spec", &map(&[(8, "config", &TEXT), (0, "file", &TEXT), (0, "registry", &TEXT)])),
        (0, "depends_on", &TEXT_SET),
        (0, "devices", &TEXT_SET),
        (0, "dns", &TEXT_OR_SET),
        (0, "dns_search", &TEXT_OR_SET),
        (0, "domainname", &TEXT),
        (0, "entrypoint", &TEXT_OR_LIST),
        (0, "env_file", &TEXT_OR_SET),
        (0, "environment", &PAIRS),
        (0, "expose", &set(&TEXT_OR_NUMBER)),
        (0, "external_links", &TEXT_SET),
        (0, "extra_hosts", &PAIRS),
        (0, "healthcheck", &HEALTHCHECK),
        (0, "hostname", &TEXT),
        (0, "image", &TEXT),
        (7, "init", &BOOL),
        (0, "ipc", &TEXT),
        (5, "isolation", &TEXT),
        (0, "labels", &PAIRS),
        (0, "links", &TEXT_SET),
        (0, "logging", &map(&[(0, "driver", &TEXT), (0, "options", &LOG_OPTIONS)])),
        (0, "mac_address", &TEXT),
        (0, "network_mode", &TEXT),
        (0, "networks", &SERVICE_NETWORKS),
        (13, "oom_score_adj", &INTEGER),
        (0, "pid", &TEXT_OR_NULL),
        (0, "ports", &PORTS),
        (0, "privileged", &BOOL),
        (0, "read_only", &BOOL),
        (0, "restart", &TEXT),
        (1, "secrets", &FILE_REFERENCES),
        (0, "security_opt", &TEXT_SET),
        (0, "shm_size", &NUMBER_OR_TEXT),
        (0, "stdin_open", &BOOL),
        (0, "stop_grace_period", &DURATION),
        (0, "stop_signal", &TEXT),
        (0, "sysctls", &PAIRS),
        (0, "tmpfs", &TEXT_OR_SET),
        (0, "tty", &BOOL),
        (0, "ulimits", &loosely_named(&[(0, Lower, &ULIMIT)])),
        (0, "user", &TEXT),
        (0, "userns_mode", &TEXT),
        (0, "volumes", &VOLUMES),
        (0, "working_dir", &TEXT),
    ])
});

static EXTERNAL: Rule = Rule::Map(Keys { or_bool: true, ..keys(&[(0, "name", &TEXT)]) });
static LOOSE_EXTERNAL: Rule = Rule::Map(Keys { or_bool: true, open: Some(0), ..keys(&[(0, "name", &TEXT)]) });

static NETWORK: Rule = Rule::Map(Keys {
    nullable: true,
    pattern: &[(7, Extension, &ANY)],
    ..keys(&[
        (5, "name", &TEXT),
        (0, "driver", &TEXT),
        (0, "driver_opts", &OPTIONS),
        (0, "ipam", &map(&[(0, "driver", &TEXT), (0, "config", &list(&map(&[(0, "subnet", &TEXT)])))])),
        (0, "external", &EXTERNAL),
        (0, "internal", &BOOL),
        (2, "attachable", &BOOL),
        (0, "labels", &PAIRS),
    ])
});

static TOPOLOGIES: Rule = list(&loose(&[(0, "segments", &PAIRS)]));

static CLUSTER_VOLUME: Rule = loose(&[
    (0, "group", &TEXT),
    (
        0,
        "access_mode",
        &loose(&[
            (0, "scope", &TEXT),
            (0, "sharing", &TEXT),
            (0, "block_volume", &loose(&[])),
            (0, "mount_volume", &loose(&[(0, "fs_type", &TEXT), (0, "mount_flags", &TEXTS)])),
        ]),
    ),
    (0, "accessibility_requirements", &loose(&[(0, "requisite", &TOPOLOGIES), (0, "preferred", &TOPOLOGIES)])),
    (0, "capacity_range", &loose(&[(0, "required_bytes", &TEXT), (0, "limit_bytes", &TEXT)])),
    (0, "availability", &TEXT),
]);

static VOLUME: Rule = Rule::Map(Keys {
    nullable: true,
    pattern: &[(7, Extension, &ANY)],
    ..keys(&[
        (4, "name", &TEXT),
        (0, "driver", &TEXT),
        (0, "driver_opts", &OPTIONS),
        (0, "external", &EXTERNAL),
        (0, "labels", &PAIRS),
        (10, "x-cluster-spec", &CLUSTER_VOLUME),
    ])
});

static SECRET: Rule = Rule::Map(Keys {
    pattern: &[(7, Extension, &ANY)],
    ..keys(&[
        (5, "name", &TEXT),
        (0, "file", &TEXT),
        (0, "external", &LOOSE_EXTERNAL),
        (0, "labels", &PAIRS),
        (8, "driver", &TEXT),
        (8, "driver_opts", &OPTIONS),
        (8, "template_driver", &TEXT),
    ])
});

static CONFIG: Rule = Rule::Map(Keys {
    pattern: &[(7, Extension, &ANY)],
    ..keys(&[
        (5, "name", &TEXT),
        (0, "file", &TEXT),
        (0, "external", &LOOSE_EXTERNAL),
        (0, "labels", &PAIRS),
        (8, "template_driver", &TEXT),
    ])
});

/// A whole file.
pub static FILE: Rule = Rule::Map(Keys {
    pattern: &[(4, Extension, &ANY)],
    ..keys(&[
        (0, "version", &TEXT),
        (0, "services", &named(&[(0, Resource, &SERVICE)])),
        (0, "networks", &loosely_named(&[(0, Resource, &NETWORK)])),
        (0, "volumes", &named(&[(0, Resource, &VOLUME)])),
        (1, "secrets", &named(&[(0, Resource, &SECRET)])),
        (3, "configs", &named(&[(0, Resource, &CONFIG)])),
    ])
});
