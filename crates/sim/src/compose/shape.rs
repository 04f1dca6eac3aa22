//! What the parts of a checked stack file become, as a table: one form for each part, whichever way it was written.
//!
//! `canonical` walks this table to bring a file into the form that `docker stack config` prints, and `merge` walks it to
//! lay one file over another. A part that is empty (no text, zero, no items) is left out, for Docker does not tell it
//! from an absent one.

/// The one form of a part.
pub enum Shape {
    /// Text.
    Text,
    /// `true`, or absent.
    Flag,
    /// `true` or `false`.
    Bool,
    /// A whole number that is not zero.
    Int,
    /// A whole number, zero or more; absent if zero.
    Count,
    /// A whole number, zero or more.
    CountOrZero,
    /// A number in single precision that is not zero.
    Ratio,
    /// A duration that is not zero.
    Duration,
    /// A duration.
    DurationOrZero,
    /// A size in bytes, as text.
    Bytes,
    /// A command line: words, or text that is split into words. The later file's replaces the earlier's.
    Command,
    /// A probe: words, or text for the shell.
    Probe,
    /// A list of texts, or one text.
    Texts,
    /// A list of texts and numbers.
    Printed,
    /// A mapping from names to texts, written as a mapping or as `name=text`.
    Pairs,
    /// The same, where a name may stand without a text.
    Environment,
    /// Host names and addresses, joined by `:`.
    Hosts,
    /// Ports. Those of a later file replace those with the same published port.
    Ports,
    /// Mounts. Those of a later file replace those with the same target.
    Mounts,
    /// References to secrets or configs. Those of a later file replace those with the same source.
    References,
    /// The networks of a service.
    Attachments,
    /// Limits of the kernel.
    Ulimits,
    /// A driver and its options.
    Logging,
    /// Parts with names; absent if there is none.
    Parts(&'static [Part]),
    /// Parts with names.
    PartsOrEmpty(&'static [Part]),
    /// Text instead of parts stands for the first of them.
    TextOrParts(&'static [Part]),
    /// A list of things with parts.
    List(&'static [Part]),
    /// Where an object is that exists already.
    External,
}

/// A part of a thing: its key, the name by which Docker's errors call it, its form.
pub struct Part(pub &'static str, pub &'static str, pub Shape);

use Shape::*;

static UPDATE: &[Part] = &[
    Part("parallelism", "Parallelism", CountOrZero),
    Part("delay", "Delay", Duration),
    Part("failure_action", "failure_action", Text),
    Part("monitor", "Monitor", Duration),
    Part("max_failure_ratio", "max_failure_ratio", Ratio),
    Part("order", "Order", Text),
];

static DEPLOY: &[Part] = &[
    Part("mode", "Mode", Text),
    Part("replicas", "Replicas", CountOrZero),
    Part("labels", "Labels", Pairs),
    Part("update_config", "update_config", PartsOrEmpty(UPDATE)),
    Part("rollback_config", "rollback_config", PartsOrEmpty(UPDATE)),
    Part(
        "resources",
        "Resources",
        Parts(&[
            Part(
                "limits",
                "Limits",
                PartsOrEmpty(&[Part("cpus", "cpus", Text), Part("memory", "memory", Bytes), Part("pids", "pids", Int)]),
            ),
            Part(
                "reservations",
                "Reservations",
                PartsOrEmpty(&[
                    Part("cpus", "cpus", Text),
                    Part("memory", "memory", Bytes),
                    Part(
                        "generic_resources",
                        "generic_resources",
                        List(&[Part(
                            "discrete_resource_spec",
                            "discrete_resource_spec",
                            PartsOrEmpty(&[Part("kind", "Kind", Text), Part("value", "Value", Int)]),
                        )]),
                    ),
                ]),
            ),
        ]),
    ),
    Part(
        "restart_policy",
        "restart_policy",
        PartsOrEmpty(&[
            Part("condition", "Condition", Text),
            Part("delay", "Delay", DurationOrZero),
            Part("max_attempts", "max_attempts", CountOrZero),
            Part("window", "Window", DurationOrZero),
        ]),
    ),
    Part(
        "placement",
        "Placement",
        Parts(&[
            Part("constraints", "Constraints", Texts),
            Part("preferences", "Preferences", List(&[Part("spread", "Spread", Text)])),
            Part("max_replicas_per_node", "max_replicas_per_node", Count),
        ]),
    ),
    Part("endpoint_mode", "endpoint_mode", Text),
];

/// Long forms of mounts.
pub static MOUNT: &[Part] = &[
    Part("type", "Type", Text),
    Part("source", "Source", Text),
    Part("target", "Target", Text),
    Part("read_only", "read_only", Flag),
    Part("consistency", "Consistency", Text),
    Part("bind", "Bind", PartsOrEmpty(&[Part("propagation", "Propagation", Text)])),
    Part("volume", "Volume", PartsOrEmpty(&[Part("nocopy", "nocopy", Flag)])),
    Part("tmpfs", "Tmpfs", PartsOrEmpty(&[Part("size", "Size", Int)])),
];

/// Long forms of references to secrets and configs.
pub static REFERENCE: &[Part] = &[
    Part("source", "Source", Text),
    Part("target", "Target", Text),
    Part("uid", "UID", Text),
    Part("gid", "GID", Text),
    Part("mode", "Mode", CountOrZero),
];

/// A network as a service uses it.
pub static ATTACHMENT: &[Part] = &[
    Part("aliases", "Aliases", Texts),
    Part("driver_opts", "driver_opts", Pairs),
    Part("ipv4_address", "ipv4_address", Text),
    Part("ipv6_address", "ipv6_address", Text),
];

/// A log driver.
pub static LOGGING: &[Part] = &[Part("driver", "Driver", Text), Part("options", "Options", Pairs)];

/// A service.
pub static SERVICE: &[Part] = &[
    Part(
        "build",
        "Build",
        TextOrParts(&[
            Part("context", "Context", Text),
            Part("dockerfile", "Dockerfile", Text),
            Part("args", "Args", Environment),
            Part("labels", "Labels", Pairs),
            Part("cache_from", "cache_from", Texts),
            Part("extra_hosts", "extra_hosts", Hosts),
            Part("network", "Network", Text),
            Part("target", "Target", Text),
        ]),
    ),
    Part("cap_add", "cap_add", Texts),
    Part("cap_drop", "cap_drop", Texts),
    Part("cgroupns_mode", "cgroupns_mode", Text),
    Part("cgroup_parent", "cgroup_parent", Text),
    Part("command", "Command", Command),
    Part("configs", "Configs", References),
    Part("container_name", "container_name", Text),
    Part(
        "credential_spec",
        "credential_spec",
        Parts(&[Part("config", "Config", Text), Part("file", "File", Text), Part("registry", "Registry", Text)]),
    ),
    Part("depends_on", "depends_on", Texts),
    Part("deploy", "Deploy", Parts(DEPLOY)),
    Part("devices", "Devices", Texts),
    Part("dns", "DNS", Texts),
    Part("dns_search", "dns_search", Texts),
    Part("domainname", "domainname", Text),
    Part("entrypoint", "Entrypoint", Command),
    Part("environment", "Environment", Environment),
    Part("env_file", "env_file", Texts),
    Part("expose", "Expose", Printed),
    Part("external_links", "external_links", Texts),
    Part("extra_hosts", "extra_hosts", Hosts),
    Part("hostname", "Hostname", Text),
    Part(
        "healthcheck",
        "HealthCheck",
        PartsOrEmpty(&[
            Part("test", "Test", Probe),
            Part("timeout", "Timeout", DurationOrZero),
            Part("interval", "Interval", DurationOrZero),
            Part("retries", "Retries", CountOrZero),
            Part("start_period", "start_period", DurationOrZero),
            Part("start_interval", "start_interval", DurationOrZero),
            Part("disable", "Disable", Flag),
        ]),
    ),
    Part("image", "Image", Text),
    Part("init", "Init", Bool),
    Part("ipc", "Ipc", Text),
    Part("isolation", "isolation", Text),
    Part("labels", "Labels", Pairs),
    Part("links", "Links", Texts),
    Part("logging", "Logging", Logging),
    Part("mac_address", "mac_address", Text),
    Part("network_mode", "network_mode", Text),
    Part("networks", "Networks", Attachments),
    Part("pid", "Pid", Text),
    Part("ports", "Ports", Ports),
    Part("privileged", "Privileged", Flag),
    Part("read_only", "read_only", Flag),
    Part("restart", "Restart", Text),
    Part("secrets", "Secrets", References),
    Part("security_opt", "security_opt", Texts),
    Part("shm_size", "shm_size", Text),
    Part("stdin_open", "stdin_open", Flag),
    Part("stop_grace_period", "stop_grace_period", DurationOrZero),
    Part("stop_signal", "stop_signal", Text),
    Part("sysctls", "Sysctls", Pairs),
    Part("tmpfs", "Tmpfs", Texts),
    Part("tty", "Tty", Flag),
    Part("ulimits", "Ulimits", Ulimits),
    Part("user", "User", Text),
    Part("userns_mode", "userns_mode", Text),
    Part("volumes", "Volumes", Mounts),
    Part("working_dir", "working_dir", Text),
];

/// A network.
pub static NETWORK: &[Part] = &[
    Part("name", "Name", Text),
    Part("driver", "Driver", Text),
    Part("driver_opts", "driver_opts", Pairs),
    Part(
        "ipam",
        "Ipam",
        Parts(&[Part("driver", "Driver", Text), Part("config", "Config", List(&[Part("subnet", "Subnet", Text)]))]),
    ),
    Part("external", "External", External),
    Part("internal", "Internal", Flag),
    Part("attachable", "Attachable", Flag),
    Part("labels", "Labels", Pairs),
];

static TOPOLOGY: &[Part] = &[Part("segments", "Segments", Pairs)];

/// A volume.
pub static VOLUME: &[Part] = &[
    Part("name", "Name", Text),
    Part("driver", "Driver", Text),
    Part("driver_opts", "driver_opts", Pairs),
    Part("external", "External", External),
    Part("labels", "Labels", Pairs),
    Part(
        "x-cluster-spec",
        "x-cluster-spec",
        PartsOrEmpty(&[
            Part("group", "Group", Text),
            Part(
                "access_mode",
                "access_mode",
                PartsOrEmpty(&[
                    Part("scope", "Scope", Text),
                    Part("sharing", "Sharing", Text),
                    Part(
                        "mount_volume",
                        "mount_volume",
                        PartsOrEmpty(&[Part("fs_type", "fs_type", Text), Part("mount_flags", "mount_flags", Texts)]),
                    ),
                    Part("block_volume", "block_volume", PartsOrEmpty(&[])),
                ]),
            ),
            Part(
                "accessibility_requirements",
                "accessibility_requirements",
                PartsOrEmpty(&[
                    Part("requisite", "Requisite", List(TOPOLOGY)),
                    Part("preferred", "Preferred", List(TOPOLOGY)),
                ]),
            ),
            Part(
                "capacity_range",
                "capacity_range",
                PartsOrEmpty(&[
                    Part("required_bytes", "required_bytes", Bytes),
                    Part("limit_bytes", "limit_bytes", Bytes),
                ]),
            ),
            Part("secrets", "Secrets", List(&[Part("key", "Key", Text), Part("secret", "Secret", Text)])),
            Part("availability", "Availability", Text),
        ]),
    ),
];

/// A secret or a config.
pub static FILE_OBJECT: &[Part] = &[
    Part("name", "Name", Text),
    Part("file", "File", Text),
    Part("external", "External", External),
    Part("labels", "Labels", Pairs),
    Part("driver", "Driver", Text),
    Part("driver_opts", "driver_opts", Pairs),
    Part("template_driver", "template_driver", Text),
];
