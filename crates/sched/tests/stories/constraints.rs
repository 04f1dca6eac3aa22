//! CF: what constraint expressions mean, seen by whether the only node of a swarm takes the task.

use crate::swarm::*;

/// Whether the node takes a task with these constraints, past the API.
fn takes(node: &NodeBuilder, constraints: &[&str]) -> bool {
    let mut swarm = Swarm::new();
    swarm.add(node.clone());
    swarm.create_unchecked(constraints.iter().fold(service("web"), |service, text| service.constraint(text)));
    swarm.settle();
    let why = swarm.why("web.1");
    assert!(why.is_empty() || why == "no suitable node (scheduling constraints not satisfied on 1 node)", "{why}");
    why.is_empty()
}

/// What the API says of a constraint.
fn api(constraint: &str) -> Result<(), String> {
    Swarm::new().try_create(service("web").constraint(constraint))
}

#[test]
fn constraints_hold_or_not() {
    let plain = || bare("plain");
    let ip = |address: &str| bare("x").ip(address);
    let zone = |value: &str| bare("x").label("zone", value);
    let engine = |value: &str| node("x").engine_label("disk", value);
    let cases: Vec<(&str, NodeBuilder, &[&str], bool)> = vec![
        ("CF-01", plain(), &[], true),
        ("CF-02", plain(), &["node.labels.zone == x"], false),
        ("CF-03", plain(), &["node.abc.bcd == x"], false),
        ("CF-03", plain(), &["node.abc.bcd != x"], false),
        ("CF-04", plain(), &["node.hostname != box"], true),
        ("CF-05", node("x").hostname("other"), &["node.hostname != box"], true),
        ("CF-05", node("x").hostname("box"), &["node.hostname != box"], false),
        ("CF-05", node("x").hostname("BOX"), &["node.hostname != box"], false),
        ("CF-06", plain(), &["node.hostname == plain"], false),
        ("CF-07", ip("10.1.2.3"), &["node.ip == 10.1.2.3"], true),
        ("CF-07", ip("10.1.2.3"), &["node.ip != 10.1.2.3"], false),
        ("CF-08", ip("10.1.2.3"), &["node.ip == 10.1.2.4"], false),
        ("CF-09", ip("10.1.2.3"), &["node.ip == 10.1.2.0/24"], true),
        ("CF-09", ip("10.1.2.3"), &["node.ip == 10.1.2.99/24"], true),
        ("CF-09", ip("10.1.2.3"), &["node.ip == 10.1.3.0/24"], false),
        ("CF-10", ip("10.1.2.3"), &["node.ip == 10.1.2.0/34"], false),
        ("CF-11", ip("10.1.2.3"), &["node.ip != 10.1.266.4"], false),
        ("CF-12", ip("10.1.2.3"), &["node.ip != 0.0.0.0"], true),
        ("CF-13", plain(), &["node.ip == "], true),
        ("CF-13", plain(), &["node.labels.zone == x", "node.ip =="], true),
        ("CF-14", ip("10.1.2.3"), &["node.ip == home"], false),
        ("CF-15", ip("2001:db8::2"), &["node.ip == 2001:db8:0:0:0:0:0:2"], true),
        ("CF-16", ip("2001:db8::2"), &["node.ip != 2001:db8::2/128"], false),
        ("CF-16", ip("2001:db8::2"), &["node.ip == 2001:db8::/64"], true),
        ("CF-16", ip("2001:db8::2"), &["node.ip == 2001:db9::/64"], false),
        ("CF-16", ip("2001:db8::2"), &["node.ip != 2001:db9::/64"], true),
        ("CF-17", plain(), &["node.ip == 0.0.0.0"], false),
        ("CF-17", plain(), &["node.ip != 0.0.0.0"], true),
        ("CF-18", bare("n1"), &["node.id == n1"], true),
        ("CF-18", bare("n1"), &["node.id == n12"], false),
        ("CF-18", bare("n12"), &["node.id == n1"], false),
        ("CF-19", plain(), &["node.role == worker"], true),
        ("CF-19", plain(), &["node.role == manager"], false),
        ("CF-19", plain(), &["node.role == worker-manager"], false),
        ("CF-19", plain().manager(), &["node.role == Manager"], true),
        ("CF-20", plain(), &["node.platform.os == linux"], false),
        ("CF-20", node("x").platform("linux", ""), &["node.platform.os == linux"], true),
        ("CF-20", node("x").platform("windows", ""), &["node.platform.os == linux"], false),
        ("CF-21", node("x").platform("linux", "x86_64"), &["node.platform.arch == amd64"], false),
        ("CF-21", node("x").platform("linux", "x86_64"), &["node.platform.arch != amd64"], true),
        ("CF-22", plain(), &["node.labels.disk == ssd"], false),
        ("CF-22", engine("ssd"), &["node.labels.disk == ssd"], false),
        ("CF-22", plain().label("disk", "ssd"), &["node.labels.disk == ssd"], true),
        ("CF-23", plain(), &["engine.labels.disk != ssd"], true),
        ("CF-23", plain().label("disk", "ssd"), &["engine.labels.disk != ssd"], true),
        ("CF-23", engine("ssd"), &["engine.labels.disk != ssd"], false),
        ("CF-23", engine("ssd").engine_label("more", "y"), &["engine.labels.disk != ssd"], false),
        ("CF-24", zone("x"), &["node.labels.zone == x", "node.role == manager"], false),
        ("CF-24", zone("x").manager(), &["node.labels.zone == x", "node.role == manager"], true),
        ("CF-25", zone("upper floor east"), &["node.labels.zone != Upper Floor EAST"], false),
        ("CF-25", zone("upper floor"), &["node.labels.zone != Upper Floor EAST"], true),
        ("CF-26", zone("x"), &["node.labels.zone == x", "node.id == x", "node.labels.disk == ssd"], false),
        (
            "CF-26",
            zone("x").label("disk", "hdd"),
            &["node.labels.zone == x", "node.id == x", "node.labels.disk == ssd"],
            false,
        ),
        (
            "CF-26",
            zone("x").label("disk", "ssd"),
            &["node.labels.zone == x", "node.id == x", "node.labels.disk == ssd"],
            true,
        ),
        ("CF-27", zone("x"), &["node.labels.Zone == x"], false),
        ("CF-28", zone("west"), &["node.labels.zone == w*"], false),
        ("CF-28", zone("w*"), &["node.labels.zone == w*"], true),
        ("CF-28", zone("west"), &["node.labels.zone == we.t"], false),
        ("CF-28", zone("west"), &["node.labels.zone == west$"], false),
        ("CF-28", zone("west"), &["node.labels.zone == [w]est"], false),
        ("CF-30", zone("west"), &["node.labels.zone != wes"], true),
        ("CF-30", zone("west"), &["node.labels.zone != west1"], true),
        ("CF-31", zone("x"), &["NODE.Labels.zone == x"], true),
        ("CF-31", bare("x").label("Zone", "x"), &["NODE.LABELS.Zone == x"], true),
        ("CF-31", bare("x").label("Zone", "x"), &["NODE.LABELS.zone == x"], false),
        ("CF-32", zone("x"), &["node.labels. == x"], false),
        ("CF-32", zone("x"), &["node.labels. != x"], false),
    ];
    for (case, node, constraints, expected) in cases {
        assert_eq!(takes(&node, constraints), expected, "{case}: {constraints:?}");
    }
}

#[test]
fn constraints_parse_or_not() {
    let operator = || Err("constraint expected one operator from ==, !=".to_string());
    let key = |key: &str| Err(format!("key '{key}' is invalid"));
    let value = |value: &str| Err(format!("value '{value}' is invalid"));
    let cases = [
        ("CF-33", "", operator()),
        ("CF-33", "   ", operator()),
        ("CF-33", "nodeabc", operator()),
        ("CF-33", "node ~ abc", operator()),
        ("CF-33", "node = abc", operator()),
        ("CF-34", "1node==a2", key("1node")),
        ("CF-34", "no de==a", key("no de")),
        ("CF-34", "no*de==a", key("no*de")),
        ("CF-34", "no$de==a", key("no$de")),
        ("CF-34", "==a", key("")),
        ("CF-35", "node==", value("")),
        ("CF-35", "node!=  ", value("")),
        ("CF-36", "  node  ==  a  ", Ok(())),
        ("CF-37", "NoDe==a", Ok(())),
        ("CF-37", "no.de==a", Ok(())),
        ("CF-37", "_node==_a", Ok(())),
        ("CF-37", "no-de!=a", Ok(())),
        ("CF-38", "node==[a-b]+c*(n|b)/", Ok(())),
        ("CF-38", "node==a:b.c\\d^e$f?", Ok(())),
        ("CF-38", "node==a b  c", Ok(())),
        ("CF-39", "n==a", key("n")),
        ("CF-40", "node==a<b", value("a<b")),
        ("CF-40", "node==a>b", value("a>b")),
        ("CF-40", "node==a~b", value("a~b")),
        ("CF-40", "node==a=b", value("a=b")),
        ("CF-40", "node==a!b", value("a!b")),
        ("CF-40", "node==a@b", value("a@b")),
        ("CF-40", "node==a,b", value("a,b")),
        ("CF-40", "node=='a'", value("'a'")),
        ("CF-40", "node==\"a\"", value("\"a\"")),
        ("CF-40", "node==a\tb", Ok(())),
        ("CF-41", "node!=a==b", key("node!=a")),
        ("CF-41", "node==a!=b", value("a!=b")),
    ];
    for (case, text, expected) in cases {
        assert_eq!(api(text), expected, "{case}: '{text}'");
    }
}

/// Preserved text: the label of exactly that name is asked for, with the value as written but for its edges.
#[test]
fn cf_36_cf_37_keys_and_values_are_kept_as_written() {
    let node = bare("x").label("Zone_1.a-b", "two words");
    assert!(takes(&node, &["  node.labels.Zone_1.a-b  ==  two words  "]));
    assert!(!takes(&node, &["node.labels.Zone_1.a-b == two  words"]));
}

#[test]
fn cf_06_a_service_pinned_to_a_host_waits_and_says_why() {
    let mut swarm = Swarm::new();
    swarm.add(bare("a"));
    swarm.add(bare("b"));
    swarm.create(service("web").constraint("node.hostname == a"));
    swarm.settle();
    assert_eq!(swarm.why("web.1"), "no suitable node (scheduling constraints not satisfied on 2 nodes)");
}
