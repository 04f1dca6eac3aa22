//! Small stack files of chance, over all the grammar: keys, values, quoting, features of YAML, units, ports, volumes,
//! merges, variables and their files. Most are nearly right, so that both verdicts occur.

use rand::{Rng, RngExt};

/// The files of one case: stack files, each laid over those before it, and a file of variables for `env_file: x.env`.
pub struct Case {
    /// Stack files.
    pub files: Vec<String>,
    /// The file of variables.
    pub variables: String,
}

/// A case; the same generator gives the same.
pub fn case(rng: &mut impl Rng) -> Case {
    let files = if rng.random_ratio(1, 6) { 2 } else { 1 };
    Case { files: (0..files).map(|_| file(rng)).collect(), variables: variables(rng) }
}

/// One of several, rather one of the first, which are the usual ones.
fn one<'a>(rng: &mut impl Rng, of: &[&'a str]) -> &'a str {
    let most = if rng.random_ratio(9, 10) { of.len().div_ceil(3) } else { of.len() };
    of[rng.random_range(0..most)]
}

fn variables(rng: &mut impl Rng) -> String {
    const LINES: [&str; 12] =
        ["A=1", "B=", "C", "FOO", "  D=e f", "# x", "", "\u{feff}E=1", "F G=1", "=1", "H=é", "I=\"q\" # r"];
    let lines: Vec<&str> = (0..rng.random_range(0..4)).map(|_| one(rng, &LINES)).collect();
    lines.join(one(rng, &["\n", "\n", "\r\n"]))
}

fn file(rng: &mut impl Rng) -> String {
    let mut out = String::new();
    if rng.random_ratio(1, 20) {
        out.push_str(one(
            rng,
            &["\u{feff}", "%YAML 1.1\n---\n", "%YAML 1.2\n---\n", "%TAG ! tag:x,1:\n---\n", "%A\n", "# c\n"],
        ));
    }
    if rng.random_ratio(1, 4) {
        out.push_str(&format!(
            "version: {}\n",
            one(rng, &["'3.8'", "\"3.0\"", "'3'", "'3.13'", "3.8", "'2'", "'3.99'", "'3.3'"])
        ));
    }
    if rng.random_ratio(1, 4) {
        out.push_str("x-base: &base\n  image: base\n  labels: {l: m}\n");
    }
    let scalar = scalar(rng);
    if rng.random_ratio(1, 4) {
        out.push_str(&format!("x-any: {scalar}\n"));
    }
    out.push_str("services:\n");
    let most = if rng.random_ratio(1, 30) { 4 } else { 2 };
    for name in &["a", "b.c", "d_e", "é"][..rng.random_range(1..=most)] {
        out.push_str(&format!("  {name}:\n"));
        if out.contains("&base") && rng.random_ratio(1, 2) {
            out.push_str(one(
                rng,
                &["    <<: *base\n", "    <<: [*base]\n", "    <<: *bas\n", "    <<: x\n", "    \"<<\": *base\n"],
            ));
        } else {
            out.push_str("    image: x\n");
        }
        for _ in 0..rng.random_range(1..3) {
            out.push_str(&entry(rng));
        }
    }
    for section in ["networks", "volumes", "secrets", "configs"] {
        if rng.random_ratio(1, 4) {
            out.push_str(&format!("{section}:\n  n: {}\n", object(rng)));
        }
    }
    if rng.random_ratio(1, 5) {
        spoil(rng, &mut out);
    }
    if rng.random_ratio(1, 15) {
        out = out.replace('\n', "\r\n");
    }
    out
}

fn object(rng: &mut impl Rng) -> String {
    const PARTS: [&str; 18] = [
        "external: true",
        "external: false",
        "external: {name: o}",
        "name: m",
        "name: ${FOO}-m",
        "driver: d",
        "file: ./f",
        "labels: [l=1]",
        "driver_opts: {a: 1, b: c}",
        "attachable: true",
        "internal: true",
        "x-a: 1",
        "ipam: {driver: i}",
        "ipam: {config: [{subnet: 10.0.0.0/24}]}",
        "template_driver: golang",
        "foo: 1",
        "driver_opts: {a: true}",
        "labels: {a: }",
    ];
    match rng.random_range(0..8) {
        0 => one(rng, &["", "{}", "null", "[]", "x", "5"]).to_string(),
        1 => "{file: ./f}".to_string(),
        _ => {
            let parts: Vec<&str> = (0..rng.random_range(1..3)).map(|_| one(rng, &PARTS)).collect();
            format!("{{{}}}", parts.join(", "))
        }
    }
}

/// A key of a service with a value of its kind, or of none.
fn entry(rng: &mut impl Rng) -> String {
    const KEYS: [&str; 62] = [
        "build",
        "cap_add",
        "cap_drop",
        "cgroup_parent",
        "command",
        "configs",
        "container_name",
        "credential_spec",
        "depends_on",
        "deploy",
        "deploy",
        "deploy",
        "deploy",
        "devices",
        "dns",
        "dns_search",
        "domainname",
        "entrypoint",
        "env_file",
        "env_file",
        "environment",
        "environment",
        "expose",
        "external_links",
        "extra_hosts",
        "healthcheck",
        "healthcheck",
        "hostname",
        "image",
        "init",
        "ipc",
        "isolation",
        "labels",
        "links",
        "logging",
        "mac_address",
        "network_mode",
        "networks",
        "oom_score_adj",
        "pid",
        "ports",
        "ports",
        "ports",
        "privileged",
        "read_only",
        "restart",
        "secrets",
        "security_opt",
        "shm_size",
        "stdin_open",
        "stop_grace_period",
        "stop_signal",
        "sysctls",
        "tmpfs",
        "tty",
        "ulimits",
        "user",
        "volumes",
        "volumes",
        "working_dir",
        "x-own",
        "mem_limit",
    ];
    // The last key is one that Docker forbids.
    let most = KEYS.len() - usize::from(rng.random_ratio(9, 10));
    let key = KEYS[rng.random_range(0..most)];
    if rng.random_ratio(1, 20) {
        return format!("    {key}: {}\n", scalar(rng));
    }
    let value = match key {
        "deploy" => deploy(rng),
        "ports" => list(rng, port),
        "volumes" => list(rng, volume),
        "healthcheck" => mapping(
            rng,
            &[
                ("test", &["[CMD, x]", "x y", "[]", "[1]"]),
                ("interval", DURATIONS),
                ("timeout", DURATIONS),
                ("start_period", DURATIONS),
                ("start_interval", DURATIONS),
                ("retries", NUMBERS),
                ("disable", BOOLEANS),
            ],
        ),
        "environment" | "labels" | "sysctls" | "extra_hosts" => pairs(rng),
        "configs" | "secrets" => list(rng, |rng| {
            one(
                rng,
                &[
                    "n",
                    "{source: n}",
                    "{source: n, target: t, mode: 0440}",
                    "{source: n, uid: '1', gid: 1}",
                    "{foo: 1}",
                ],
            )
            .to_string()
        }),
        "networks" => one(
            rng,
            &[
                "[n]",
                "[n, default]",
                "{n: }",
                "{n: {aliases: [x]}}",
                "{n: {ipv4_address: 1.2.3.4}}",
                "[n, n]",
                "{n: {foo: 1}}",
            ],
        )
        .to_string(),
        "logging" => {
            one(rng, &["{driver: json-file}", "{driver: d, options: {a: 1}}", "{options: {a: true}}", "{}"]).to_string()
        }
        "ulimits" => {
            one(rng, &["{nofile: 5}", "{nofile: {soft: 1, hard: 2}}", "{nofile: {soft: 1}}", "{NOFILE: 1}", "{a: -1}"])
                .to_string()
        }
        "stop_grace_period" => one(rng, DURATIONS).to_string(),
        "env_file" => one(rng, &["x.env", "[x.env]", "[./x.env, x.env]", "y.env", "[]"]).to_string(),
        "command" | "entrypoint" => {
            one(rng, &["a b", "[a, b]", "a 'b c'", "\"a \\\"b\"", "a \"b", "[1]", "'a \\\\'", "[]", "\"\"", "a # b"])
                .to_string()
        }
        "build" => one(rng, &[".", "{context: .}", "{context: ., args: [A=1]}", "{foo: 1}"]).to_string(),
        "credential_spec" => one(rng, &["{file: f}", "{registry: r}", "{config: n}", "{}"]).to_string(),
        "expose" => one(rng, &["[1]", "['1/udp', 2]", "[1, '1']", "[1, 1]"]).to_string(),
        "init" | "privileged" | "read_only" | "stdin_open" | "tty" => one(rng, BOOLEANS).to_string(),
        "cap_add" | "cap_drop" | "depends_on" | "devices" | "dns" | "dns_search" | "external_links" | "links"
        | "security_opt" | "tmpfs" => {
            one(rng, &["[a]", "[a, b]", "[a, a]", "a", "[1]", "[]", "['${FOO}']"]).to_string()
        }
        "oom_score_adj" | "shm_size" => one(rng, NUMBERS).to_string(),
        _ if rng.random_ratio(4, 5) => {
            one(rng, &["x", "'x'", "\"x\"", "x y", "x:y", "é", "${FOO}", "'5'", ">-\n      a\n      b"]).to_string()
        }
        _ => scalar(rng),
    };
    format!("    {key}: {value}\n")
}

const DURATIONS: &[&str] =
    &["10s", "1h30m", "1.5s", "0s", "-5s", "1d", "10", "'0'", "1m0.5s", "300ms", "''", "${FOO}s", "5us", ".5s"];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "5",
    "-1",
    "1.5",
    "'5'",
    "0x1F",
    "0440",
    "1e3",
    "1_000",
    "${NUM}",
    "'${NUM}'",
    "99999999999999999999",
    "1.0",
];
const BOOLEANS: &[&str] = &["true", "false", "True", "yes", "'true'", "${YES}", "\"${YES}\"", "1", "on", "~"];
const SIZES: &[&str] = &[
    "50M",
    "512Mi",
    "1Gi",
    "1.5g",
    "'300'",
    "300",
    "50 mb",
    ".5m",
    "5.m",
    "'1e3'",
    "'+5m'",
    "'1_000'",
    "-5m",
    "1kib",
    "''",
    "${NUM}M",
    "1e3k",
    "0x10k",
    "'0x1p4'",
    "5  k",
    "1.2.3k",
    "inf",
    "5bytes",
    "1T",
    "9e18",
    "99999999999P",
];
const CPUS: &[&str] = &["'0.5'", "0.5", "'1'", "'1_0'", "'0b11'", "'0x1p-2'", "abc", "'1/4'", "\"${NUM}\"", "'1e-10'"];

fn mapping(rng: &mut impl Rng, known: &[(&str, &[&str])]) -> String {
    let mut parts = Vec::new();
    for _ in 0..rng.random_range(1..4) {
        let (key, values) = known[rng.random_range(0..known.len())];
        parts.push(format!("{key}: {}", one(rng, values)));
    }
    if rng.random_ratio(1, 15) {
        parts.push("foo: 1".to_string());
    }
    format!("{{{}}}", parts.join(", "))
}

fn list<R: Rng>(rng: &mut R, item: impl Fn(&mut R) -> String) -> String {
    let items: Vec<String> = (0..rng.random_range(1..4)).map(|_| item(rng)).collect();
    if rng.random_ratio(1, 2) {
        return format!("[{}]", items.join(", "));
    }
    let indent = one(rng, &["    ", "      ", "     "]);
    items.iter().map(|item| format!("\n{indent}- {item}")).collect()
}

fn deploy(rng: &mut impl Rng) -> String {
    let update: &[(&str, &[&str])] = &[
        ("parallelism", NUMBERS),
        ("delay", DURATIONS),
        ("failure_action", &["rollback", "pause", "continue", "foo"]),
        ("monitor", DURATIONS),
        ("max_failure_ratio", &["0.5", "1", "5", "-1", "'0.1'", "1e-9", "${NUM}"]),
        ("order", &["start-first", "stop-first", "foo"]),
    ];
    let mut parts = Vec::new();
    for _ in 0..rng.random_range(1..3) {
        parts.push(match rng.random_range(0..9) {
            0 => format!("replicas: {}", one(rng, NUMBERS)),
            1 => format!("mode: {}", one(rng, &["global", "replicated", "replicated-job", "foo", "5"])),
            2 => format!("update_config: {}", mapping(rng, update)),
            3 => format!("rollback_config: {}", mapping(rng, update)),
            4 => {
                let which = one(rng, &["limits", "reservations"]);
                let of = mapping(rng, &[("memory", SIZES), ("cpus", CPUS), ("memory", SIZES), ("pids", NUMBERS)]);
                format!("resources: {{{which}: {of}}}")
            }
            5 => {
                let policy: &[(&str, &[&str])] = &[
                    ("condition", &["any", "none", "on-failure", "foo"]),
                    ("delay", DURATIONS),
                    ("max_attempts", NUMBERS),
                    ("window", DURATIONS),
                ];
                format!("restart_policy: {}", mapping(rng, policy))
            }
            6 => {
                let placement: &[(&str, &[&str])] = &[
                    ("constraints", &["[node.role==manager]", "[a, a]", "a", "[1]"]),
                    ("preferences", &["[{spread: node.labels.a}]", "[]", "[{}]", "[{foo: 1}]"]),
                    ("max_replicas_per_node", NUMBERS),
                ];
                format!("placement: {}", mapping(rng, placement))
            }
            7 => format!("labels: {}", pairs(rng)),
            _ => format!("endpoint_mode: {}", one(rng, &["vip", "dnsrr", "foo", "1"])),
        });
    }
    format!("{{{}}}", parts.join(", "))
}

fn port(rng: &mut impl Rng) -> String {
    let number =
        |rng: &mut _| one(rng, &["80", "8080", "0", "65535", "65536", "90-92", "9-8", "x", "80-82"]).to_string();
    match rng.random_range(0..6) {
        0 => one(rng, &["80", "5.5", "-1", "0x50", "70000", "'80'"]).to_string(),
        1 => format!("'{}'", number(rng)),
        2 => format!("\"{}:{}\"", number(rng), number(rng)),
        3 => format!("'{}:{}/{}'", number(rng), number(rng), one(rng, &["tcp", "udp", "sctp", "TCP", "x", ""])),
        4 => format!("'{}:{}:80'", one(rng, &["127.0.0.1", "[::1]", "::1", "0.0.0.0", "host"]), number(rng)),
        _ => mapping(
            rng,
            &[
                ("target", &["80", "0", "'80'", "80.0", "-1", "70000"]),
                ("published", &["80", "'80'", "0", "1.5"]),
                ("protocol", &["tcp", "udp", "bar", "1"]),
                ("mode", &["host", "ingress", "foo"]),
            ],
        ),
    }
}

fn volume(rng: &mut impl Rng) -> String {
    const SHORT: [&str; 22] = [
        "/a",
        "n:/a",
        "n:/a:ro",
        "./a:/b",
        "~/a:/b",
        "/a:/b:rw,nocopy",
        "a::b",
        "''",
        "n:/a:ro:x",
        "'C:\\a:/b'",
        "v:/data:",
        "'.:/x'",
        "../a:/b:rshared",
        "\"/a:\"",
        "n:/a:foo",
        "${FOO}:/a",
        "/a:/b:z,Z",
        "é:/a",
        "\\\\a\\b:/c",
        "a",
        "'a b:/c'",
        "a:b",
    ];
    if rng.random_ratio(1, 2) {
        return one(rng, &SHORT).to_string();
    }
    mapping(
        rng,
        &[
            ("type", &["volume", "bind", "tmpfs", "npipe", "cluster", "image", "foo"]),
            ("type", &["volume", "bind", "volume", "bind"]),
            ("source", &["n", "./a", "/a", "~", "''", "${FOO}"]),
            ("target", &["/a", "''", "1"]),
            ("read_only", BOOLEANS),
            ("bind", &["{propagation: rshared}", "{}", "{foo: 1}"]),
            ("volume", &["{nocopy: true}", "{}", "{nocopy: 1}"]),
            ("tmpfs", &["{size: 100}", "{size: -1}", "{size: 1M}"]),
            ("consistency", &["cached", "1"]),
        ],
    )
}

fn pairs(rng: &mut impl Rng) -> String {
    let in_map = rng.random_ratio(1, 2);
    let mut parts = Vec::new();
    for _ in 0..rng.random_range(1..4) {
        let key = one(rng, &["A", "FOO", "b-c", "d.e", "EMPTY", "'q r'", "h"]);
        let value = scalar(rng);
        let is_flow = !value.contains(['\n', '{', '[', '&', '*', '#', '|', '>', '%', '@', '`', ',']) && value != "- a";
        let value = if is_flow { value.as_str() } else { "v" };
        parts.push(match in_map {
            true => format!("{key}: {value}"),
            false => one(rng, &["A=1", "FOO", "B=", "'C=d e'", "=x", "h:1.2.3.4", "h=::1", "EMPTY", "1"]).to_string(),
        });
    }
    let parts = parts.join(", ");
    if in_map { format!("{{{parts}}}") } else { format!("[{parts}]") }
}

/// Any value, in any form of YAML.
fn scalar(rng: &mut impl Rng) -> String {
    const SCALARS: [&str; 78] = [
        "x",
        "'x'",
        "\"x\"",
        "x y",
        "5",
        "-5",
        "0440",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "1e3",
        "1.50",
        ".5",
        "5.",
        ".inf",
        "-.inf",
        ".nan",
        "true",
        "yes",
        "no",
        "on",
        "~",
        "null",
        "Null",
        "''",
        "\"\"",
        "2001-01-01",
        "2001-01-01T10:10:10Z",
        "12:30:45",
        "\"\\u00e9\"",
        "\"\\x41\"",
        "\"\\q\"",
        "\"a\\\n      b\"",
        "'it''s'",
        "é",
        "a#b",
        "a #b",
        "a: b",
        "a:b",
        "\"a: b\"",
        "- a",
        "[a, b]",
        "[a, b",
        "{a: b}",
        "{a: b, c}",
        "{a}",
        "[a: b]",
        "[? a : b]",
        "{? a : b}",
        "{a: [b]}",
        "&an x",
        "*an",
        "&a.b x",
        "!!str 5",
        "!!int x",
        "!!int 5",
        "!foo x",
        "!!binary aGk=",
        "!<tag:yaml.org,2002:str> 5",
        "! 5",
        "|\n      a\n      b",
        ">-\n      a\n\n      b",
        "|2\n        a",
        "|\n\ta",
        "%a",
        "@a",
        "`a`",
        "$$x",
        "${FOO}",
        "${NO:-d}",
        "${NO?e}",
        "${FOO",
        "$",
        "${NUM}",
        "a\tb",
        "<<",
        "?a",
    ];
    one(rng, &SCALARS).to_string()
}

/// What hands do wrong: lines that are indented, doubled, lost or cut, a tab, a sign.
fn spoil(rng: &mut impl Rng, text: &mut String) {
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    let at = rng.random_range(0..lines.len());
    match rng.random_range(0..9) {
        0 => lines[at].insert_str(0, one(rng, &[" ", "  ", "\t", "   "])),
        1 => lines.insert(at, lines[at].clone()),
        2 => _ = lines.remove(at),
        3 => lines.insert(
            at,
            one(rng, &["", "\t", "   ", "# c", "\t# c", "---", "...", "- a", "foo", "? a", ": b", "'"]).to_string(),
        ),
        4 => {
            let end = rng.random_range(0..=lines[at].chars().count());
            lines[at] = lines[at].chars().take(end).collect();
        }
        5 => lines[at] = lines[at].trim_start().to_string(),
        6 => lines[at].push_str(one(rng, &[" # c", "#c", " ", "\t", ":", ",", "]", "}", "'", " &x", "\u{85}"])),
        7 => {
            let sign = rng.random_range(0..=lines[at].chars().count());
            let byte = lines[at].char_indices().nth(sign).map_or(lines[at].len(), |(byte, _)| byte);
            lines[at].insert_str(
                byte,
                one(rng, &[":", ": ", "[", "{", "\"", "#", "\t", "&", "*", "!", "|", "%", "$", "\u{2028}", "\u{7}"]),
            );
        }
        _ => lines
            .push(one(rng, &["---\nfoo: [", "...\n%", "--- a", "x-z: *no", "services: {}", "networks:\n"]).to_string()),
    }
    *text = lines.join("\n");
    if rng.random_ratio(3, 4) {
        text.push('\n');
    }
}
