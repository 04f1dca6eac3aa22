//! PF and PO: platforms, plugins, replicas per node and host ports.

use crate::swarm::*;

#[test]
fn pf_01_to_06_platforms() {
    let three = || {
        let mut swarm = Swarm::new();
        swarm.add(bare("unknown"));
        swarm.add(node("windows").platform("windows", "amd64"));
        swarm.add(node("linux").platform("linux", "x86_64"));
        swarm
    };
    let image = || service("web");
    let all = [1, 1, 1];
    let cases: Vec<(&str, ServiceBuilder, [usize; 3])> = vec![
        ("PF-01", image().platform("linux", "amd64"), [0, 0, 3]),
        ("PF-03", image(), all),
        ("PF-04", image().platform("linux", ""), [0, 0, 3]),
        ("PF-05", image().platform("linux", "amd64").platform("windows", "amd64"), [0, 2, 1]),
    ];
    for (case, image, expected) in cases {
        let mut swarm = three();
        swarm.create(image.replicas(3));
        swarm.settle();
        assert_eq!(swarm.spread("web"), expected, "{case}");
    }
    // PF-02
    let mut swarm = three();
    swarm.create(image().platform("linux", "arm"));
    swarm.settle();
    assert_eq!(swarm.why("web.1"), "no suitable node (unsupported platform on 3 nodes)");
    // PF-06
    for (own, wanted) in [("aarch64", "arm64"), ("arm64", "aarch64"), ("x86_64", "amd64")] {
        let mut swarm = Swarm::new();
        swarm.add(node("a").platform("linux", own));
        swarm.create(image().platform("linux", wanted));
        swarm.settle();
        assert_eq!(swarm.place("web.1"), "a", "{own} is {wanted}");
    }
    // An engine that says nothing of its platform has one: an entry that asks for nothing matches it.
    for (wanted, expected) in [(("", ""), [0, 1]), (("linux", ""), [0, 0])] {
        let mut swarm = Swarm::new();
        swarm.add(bare("unknown"));
        swarm.add(node("silent"));
        swarm.create(image().platform(wanted.0, wanted.1));
        swarm.settle();
        assert_eq!(swarm.spread("web"), expected, "{wanted:?}");
    }
}

#[test]
fn pf_07_to_15_plugins() {
    let volume = |name: &str| node("a").plugin(PluginKind::Volume, name);
    let log = |name: &str| node("a").plugin(PluginKind::Log, name);
    let web = || service("web");
    let cases: Vec<(&str, NodeBuilder, ServiceBuilder, bool)> = vec![
        ("PF-07", volume("fast"), web().volume_driver("fast"), true),
        ("PF-07", node("a"), web().volume_driver("fast"), false),
        ("PF-08", node("a"), web(), true),
        ("PF-09", volume("fast"), web().volume_driver("fast").volume_driver("safe"), false),
        (
            "PF-09",
            volume("fast").plugin(PluginKind::Volume, "safe"),
            web().volume_driver("fast").volume_driver("safe"),
            true,
        ),
        ("PF-10", node("a").plugin(PluginKind::Network, "weave"), web().network_driver("weave"), true),
        ("PF-10", volume("weave"), web().network_driver("weave"), false),
        ("PF-11", log("file"), web().log_driver("journal"), false),
        ("PF-12", log("file"), web().log_driver("none"), true),
        ("PF-13", log("file"), web().log_driver(""), true),
        ("PF-14", node("a"), web().log_driver("journal"), true),
        ("PF-15", node("a"), web().volume_driver("").volume_driver("local"), true),
        ("PF-15", bare("a"), web().volume_driver("fast"), true),
        ("PF-15", volume("fast:latest"), web().volume_driver("fast"), true),
        ("PF-15", volume("fast:v2"), web().volume_driver("fast"), false),
    ];
    for (case, node, web, placed) in cases {
        let mut swarm = Swarm::new();
        swarm.add(node);
        swarm.create(web);
        swarm.settle();
        let expected = if placed { "" } else { "no suitable node (missing plugin on 1 node)" };
        assert_eq!(swarm.why("web.1"), expected, "{case}");
    }
}

#[test]
fn pf_09_pf_10_pf_11_a_capable_node_joins_later() {
    let cases = [
        ("PF-09", PluginKind::Volume, service("web").volume_driver("special")),
        ("PF-10", PluginKind::Network, service("web").network_driver("special")),
        ("PF-11", PluginKind::Log, service("web").log_driver("special")),
    ];
    for (case, kind, web) in cases {
        let mut swarm = Swarm::new();
        for name in ["a", "b", "c"] {
            swarm.add(node(name).plugin(kind, "usual"));
        }
        swarm.create(web);
        swarm.settle();
        assert_eq!(swarm.why("web.1"), "no suitable node (missing plugin on 3 nodes)", "{case}");
        swarm.add(node("d").plugin(kind, "usual").plugin(kind, "special"));
        swarm.settle();
        swarm.scale("web", 2);
        swarm.settle();
        assert_eq!(swarm.spread("web"), [0, 0, 0, 2], "{case}");
    }
}

#[test]
fn pf_16_pf_17_at_most_so_many_per_node() {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b"]);
    swarm.create(service("web").replicas(3).max_per_node(1));
    swarm.settle();
    assert_eq!(swarm.spread("web"), [1, 1]);
    assert_eq!(swarm.why("web.3"), "no suitable node (max replicas per node limit exceed)");
    swarm.add(node("c"));
    swarm.settle();
    assert_eq!(swarm.spread("web"), [1, 1, 1]);
}

#[test]
fn pf_18_a_stopping_task_does_not_count_any_more() {
    let mut swarm = Swarm::new();
    swarm.stop = secs(20);
    swarm.add(node("a"));
    swarm.create(service("web").max_per_node(1));
    swarm.settle();
    swarm.update("web", |service| service.image("v2"));
    swarm.settle();
    assert_eq!(swarm.ps("web"), ["web.1#1 a Shutdown/Running", "web.1#2 a Ready/Ready"]);
    // Start-first, the old task of another version counts until the new one runs: it never does.
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    let order = UpdateOrder::StartFirst;
    swarm.create(service("web").max_per_node(1).updating(UpdateConfig { order, ..UpdateConfig::default() }));
    swarm.settle();
    swarm.update("web", |service| service.image("v2"));
    swarm.after(secs(100));
    assert_eq!(swarm.ps("web"), ["web.1#1 a Running/Running", "web.1#2 - Running/Pending"]);
}

#[test]
fn po_01_po_02_host_ports_are_per_protocol() {
    let mut swarm = Swarm::new();
    swarm.create(service("tcp").host_port(58, Protocol::Tcp));
    swarm.create(service("udp").host_port(58, Protocol::Udp));
    swarm.settle();
    assert_eq!(swarm.why("tcp.1"), "no suitable node");
    swarm.add_all(&["a", "b"]);
    swarm.settle();
    assert_eq!((swarm.place("tcp.1"), swarm.place("udp.1")), ("a", "b"));
    swarm.create(service("both").host_port(58, Protocol::Tcp).host_port(58, Protocol::Udp));
    swarm.settle();
    assert_eq!(swarm.why("both.1"), "no suitable node (host-mode port already in use on 2 nodes)");
    swarm.create(service("more").replicas(2).host_port(58, Protocol::Sctp));
    swarm.settle();
    assert_eq!(swarm.spread("more"), [1, 1]);
}

#[test]
fn po_03_po_04_only_fixed_host_ports_conflict() {
    let mut swarm = Swarm::new();
    swarm.add(node("a"));
    swarm.create(service("dynamic").replicas(3).host_port(0, Protocol::Tcp));
    swarm.create(service("ingress").replicas(3).ingress_port(58, Protocol::Tcp));
    swarm.settle();
    assert_eq!(swarm.running("dynamic"), 3);
    assert_eq!(swarm.running("ingress"), 3);
}
