//! SP: spread over nodes and over labels, and the memory of failures.

use crate::swarm::*;

fn five() -> Swarm {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b", "c", "d", "e"]);
    swarm
}

/// Scales in one go, or one by one.
fn grow(swarm: &mut Swarm, service: &str, from: u64, to: u64, one_by_one: bool) {
    for replicas in if one_by_one { from + 1..=to } else { to..=to } {
        swarm.scale(service, replicas);
        swarm.settle();
    }
}

#[test]
fn sp_01_to_04_sp_06_two_services_share_five_nodes() {
    for one_by_one in [false, true] {
        let mut swarm = five();
        // SP-01
        swarm.create(service("a").replicas(0));
        grow(&mut swarm, "a", 0, 18, one_by_one);
        let first = swarm.spread("a");
        assert_eq!(sorted(&first), [3, 3, 4, 4, 4]);
        // SP-02
        swarm.create(service("b").replicas(0));
        grow(&mut swarm, "b", 0, 2, one_by_one);
        let b: Vec<usize> = first.iter().map(|count| usize::from(*count == 3)).collect();
        assert_eq!(swarm.spread("b"), b, "exactly where a has three");
        // SP-03
        grow(&mut swarm, "a", 18, 21, one_by_one);
        let second = swarm.spread("a");
        assert_eq!(sorted(&second), [4, 4, 4, 4, 5]);
        let most = first.iter().zip(&second).map(|(before, after)| after - before).max();
        assert_eq!(most, Some(1), "never two new ones on a node");
        // SP-04
        grow(&mut swarm, "b", 2, 3, one_by_one);
        let third = swarm.spread("b");
        let new = (0..5).find(|node| third[*node] > b[*node]).expect("one more");
        assert_eq!(b[new], 0);
        assert_eq!(second[new], 4);
    }
}

#[test]
fn sp_05_an_emptied_node_gets_what_it_lacks() {
    let mut swarm = five();
    let a: Vec<(u32, &str)> = [("b", 4), ("c", 5), ("d", 4), ("e", 4)]
        .into_iter()
        .flat_map(|(node, count)| (0..count).map(move |_| node))
        .zip(1..)
        .map(|(node, slot)| (slot, node))
        .collect();
    swarm.adopt(service("a").replicas(17), &a);
    swarm.adopt(service("b").replicas(3), &[(1, "b"), (2, "d"), (3, "e")]);
    swarm.settle();
    swarm.scale("b", 5);
    swarm.scale("a", 21);
    swarm.settle();
    assert_eq!(swarm.spread("a"), [4, 4, 5, 4, 4]);
    assert_eq!(swarm.spread("b")[0], 1);
    assert_eq!(swarm.spread("b").iter().sum::<usize>(), 5);
}

#[test]
fn sp_07_zones_before_nodes() {
    let mut swarm = Swarm::new();
    for (name, zone) in [("a", "az1"), ("b", "az2"), ("c", "az2"), ("d", "az2"), ("e", "az2")] {
        swarm.add(node(name).label("az", zone));
    }
    swarm.create(service("web").replicas(8).spread_over("node.labels.az"));
    swarm.settle();
    assert_eq!(swarm.spread("web"), [4, 1, 1, 1, 1]);
}

#[test]
fn sp_08_zones_racks_and_scarce_resources() {
    let mut swarm = Swarm::new();
    let rows = [
        ("0", "az1", "rack1", 100, 1),
        ("1", "az1", "rack1", 1000, 10),
        ("2", "az2", "rack1", 1000, 6),
        ("3", "az2", "rack1", 1000, 6),
        ("4", "az2", "rack1", 1000, 6),
        ("5", "az2", "rack2", 1000, 6),
        ("6", "az2", "rack2", 1000, 6),
    ];
    for (name, zone, rack, memory, apples) in rows {
        swarm.add(node(name).label("az", zone).label("rack", rack).memory(memory * MB).count("apple", apples));
    }
    let web = service("web").replicas(12).memory(200 * MB).count("apple", 2);
    swarm.create(web.spread_over("node.labels.az").spread_over("node.labels.rack"));
    swarm.settle();
    let counts = swarm.spread("web");
    assert_eq!(counts[..2], [0, 5]);
    let (rack1, rack2) = (&counts[2..5], &counts[5..]);
    assert!([(4, 3), (3, 4)].contains(&(rack1.iter().sum(), rack2.iter().sum())), "{counts:?}");
    for rack in [rack1, rack2] {
        assert!(rack.iter().max().unwrap() - rack.iter().min().unwrap() <= 1, "{counts:?}");
    }
}

#[test]
fn sp_09_nested_spread_ends() {
    let mut swarm = Swarm::new();
    for (name, dc, rack) in [("11", "dc1", "r1"), ("12", "dc1", "r2"), ("21", "dc2", "r1")] {
        swarm.add(node(name).label("dc", dc).label("rack", rack));
    }
    let web = service("web").replicas(9).spread_over("node.labels.dc").spread_over("node.labels.rack");
    swarm.adopt(web, &[(1, "11"), (2, "11"), (3, "11"), (4, "12"), (5, "21"), (6, "21"), (7, "21")]);
    swarm.settle();
    let counts = swarm.spread("web");
    assert_eq!((counts[0], counts[1] + counts[2]), (3, 6), "{counts:?}");
}

#[test]
fn sp_10_nodes_without_the_label_are_a_branch() {
    let mut swarm = Swarm::new();
    swarm.add(node("east").label("az", "east"));
    swarm.add(node("west").label("az", "west"));
    for name in ["c", "d", "e", "f", "g", "h"] {
        swarm.add(node(name));
    }
    swarm.create(service("web").replicas(6).spread_over("node.labels.az").spread_over("node.labels.rack"));
    swarm.settle();
    assert_eq!(swarm.spread("web"), [2, 2, 1, 1, 0, 0, 0, 0]);
}

/// The tree counts 12: dc1 5 (r1 3, r2 2), dc2 4, without a label 3. Seen by what 6 more tasks even out.
#[test]
fn sp_11_a_branch_counts_what_is_below_it() {
    let mut swarm = Swarm::new();
    swarm.add(node("1").label("dc", "dc1").label("rack", "r1"));
    swarm.add(node("2").label("dc", "dc1").label("rack", "r2"));
    swarm.add(node("3").label("dc", "dc2").label("rack", "r2"));
    swarm.add(node("4"));
    swarm.add(node("5"));
    let places = ["1", "1", "1", "2", "2", "3", "3", "3", "3", "4", "4", "5"];
    let running: Vec<(u32, &str)> = (1..).zip(places).collect();
    let web = service("web").replicas(18).spread_over("node.labels.dc").spread_over("node.labels.rack");
    swarm.adopt(web, &running);
    swarm.settle();
    assert_eq!(swarm.spread("web"), [3, 3, 6, 3, 3]);
}

#[test]
fn sp_12_an_unknown_descriptor_is_no_level() {
    let mut swarm = Swarm::new();
    for (name, zone) in [("a", "az1"), ("b", "az2"), ("c", "az2")] {
        swarm.add(node(name).label("az", zone));
    }
    let web = service("web").replicas(4).spread_over("node.hostname").spread_over("NODE.LABELS.az");
    swarm.create(web.spread_over("node.labels."));
    swarm.settle();
    assert_eq!(swarm.spread("web"), [2, 1, 1]);
}

#[test]
fn sp_13_what_a_full_branch_cannot_take_goes_to_the_others() {
    let mut swarm = Swarm::new();
    for (name, cpus) in [("a", 2), ("b", 2), ("c", 50), ("d", 50)] {
        swarm.add(node(name).label("az", name).cpus(cpus));
    }
    swarm.create(service("web").replicas(20).cpus(1).spread_over("node.labels.az"));
    swarm.settle();
    assert_eq!(swarm.spread("web"), [2, 2, 8, 8]);
}

/// Two nodes, with so many failures of the service, tasks of the service and tasks of others each: which is better?
#[test]
fn sp_14_the_order_of_two_nodes() {
    let cases = [
        ("failures first, if there are five", (5, 0, 0), (4, 3, 9), "b"),
        ("fewer of many failures", (5, 9, 9), (6, 0, 0), "a"),
        ("four failures are none", (4, 0, 0), (0, 1, 0), "a"),
        ("tasks of the service before all tasks", (0, 1, 0), (0, 0, 9), "b"),
        ("equal failures: tasks of the service", (5, 1, 0), (5, 0, 9), "b"),
        ("all tasks last", (0, 1, 3), (0, 1, 2), "b"),
        ("else the one that joined first", (0, 1, 2), (0, 1, 2), "a"),
    ];
    for (what, a, b, better) in cases {
        let mut swarm = Swarm::new();
        swarm.add_all(&["a", "b"]);
        let on = |counts: [u32; 2]| -> Vec<(u32, &str)> {
            let places = (0..counts[0]).map(|_| "a").chain((0..counts[1]).map(|_| "b"));
            (1..).zip(places).collect()
        };
        let (own, others) = (on([a.1, b.1]), on([a.2, b.2]));
        swarm.adopt(service("other").replicas(u64::from(a.2 + b.2)), &others);
        let web = service("web").replicas(u64::from(a.1 + b.1 + 1));
        swarm.adopt_with_failures(web, &own, &[("a", a.0), ("b", b.0)]);
        swarm.settle();
        let (before, after) = ([a.1 as usize, b.1 as usize], swarm.spread("web"));
        let expected = if better == "a" { vec![before[0] + 1, before[1]] } else { vec![before[0], before[1] + 1] };
        assert_eq!(after, expected, "{what}");
    }
}

/// Slot 1 runs on `a`; slot 2 fails wherever it goes and is replaced at once. Where does it go?
fn rounds(swarm: &mut Swarm, count: usize) -> String {
    let mut places = String::new();
    for _ in 0..count {
        swarm.settle();
        places.push_str(swarm.place("web.2"));
        swarm.fail("web.2");
    }
    swarm.settle();
    places
}

fn faulty() -> Swarm {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b"]);
    swarm.adopt(service("web").replicas(2).delay(Span::ZERO), &[(1, "a")]);
    swarm
}

#[test]
fn sp_15_five_failures_move_a_service_away() {
    assert_eq!(rounds(&mut faulty(), 8), "bbbbbaaa");
}

#[test]
fn sp_16_failures_of_global_tasks_are_not_remembered() {
    let mut swarm = Swarm::new();
    swarm.add_all(&["a", "b"]);
    // It counts one on each node.
    swarm.create(service("all").global().delay(Span::ZERO));
    swarm.adopt(service("web").replicas(2).delay(Span::ZERO), &[(1, "a")]);
    let mut places = String::new();
    for _ in 0..8 {
        places.push_str(&rounds(&mut swarm, 1));
        swarm.fail("all.a");
        swarm.settle();
    }
    assert_eq!(places, "bbbbbaaa");
    assert_eq!(swarm.spread("all"), [1, 1]);
}

#[test]
fn sp_17_another_version_begins_anew() {
    let mut swarm = faulty();
    assert_eq!(rounds(&mut swarm, 6), "bbbbba");
    swarm.touch("web");
    // The running task is of the old version still; its replacement is of the new one.
    assert_eq!(rounds(&mut swarm, 1), "a");
    assert_eq!(rounds(&mut swarm, 8), "bbbbbaaa");
}

#[test]
fn sp_18_failures_are_forgotten_after_five_minutes() {
    let mut swarm = faulty();
    assert_eq!(rounds(&mut swarm, 6), "bbbbba");
    swarm.after(secs(300));
    assert_eq!(rounds(&mut swarm, 2), "ab", "all but those of a are forgotten");
}

#[test]
fn sp_19_only_failures_count_and_only_once() {
    let mut swarm = faulty();
    for _ in 0..8 {
        swarm.settle();
        assert_eq!(swarm.place("web.2"), "b");
        swarm.complete("web.2");
    }
    swarm.settle();
    for _ in 0..8 {
        assert_eq!(swarm.place("web.2"), "b");
        swarm.update("web", ServiceBuilder::force);
        swarm.after(secs(20));
    }
    // Reported twice, each failure counts once; a rejection counts too.
    let mut swarm = faulty();
    for round in 0..5 {
        swarm.settle();
        assert_eq!(swarm.place("web.2"), "b", "round {round}");
        let state = if round == 0 { TaskState::Rejected } else { TaskState::Failed };
        swarm.report("web.2", state);
        swarm.report(&format!("web.2#{}", round + 1), state);
    }
    swarm.settle();
    assert_eq!(swarm.place("web.2"), "a");
}

/// Flat: nodes with so many tasks of the service and of others; how many of the new ones each gets.
#[test]
fn sp_20_how_a_group_is_laid_out() {
    type Case = (&'static str, [u32; 3], [u32; 3], u64, [usize; 3]);
    let cases: [Case; 4] = [
        ("stay until the next is better", [0, 1, 3], [0, 0, 0], 4, [2, 2, 0]),
        ("then one each in turn", [0, 0, 0], [0, 10, 5], 3, [1, 1, 1]),
        ("totals only break ties", [0, 0, 9], [0, 10, 0], 3, [1, 2, 0]),
        ("level first, then in turn", [1, 0, 2], [0, 0, 0], 6, [2, 3, 1]),
    ];
    for (what, own, others, new, expected) in cases {
        let mut swarm = Swarm::new();
        swarm.add_all(&["a", "b", "c"]);
        let on = |counts: [u32; 3]| -> Vec<(u32, &str)> {
            let places = ["a", "b", "c"].into_iter().zip(counts);
            (1..).zip(places.flat_map(|(node, count)| (0..count).map(move |_| node))).collect()
        };
        swarm.adopt(service("other").replicas(others.iter().map(|n| u64::from(*n)).sum()), &on(others));
        let replicas: u64 = own.iter().map(|n| u64::from(*n)).sum();
        swarm.adopt(service("web").replicas(replicas), &on(own));
        swarm.settle();
        swarm.scale("web", replicas + new);
        swarm.settle();
        let added: Vec<usize> =
            swarm.spread("web").iter().zip(own).map(|(after, before)| after - before as usize).collect();
        assert_eq!(added, expected, "{what}");
    }
}

#[test]
fn sp_21_a_node_that_is_full_is_skipped_and_the_rest_waits() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").cpus(1));
    swarm.add(node("b").cpus(3));
    swarm.create(service("web").replicas(6).cpus(1));
    swarm.settle();
    assert_eq!(swarm.spread("web"), [1, 3]);
    for task in ["web.5", "web.6"] {
        assert_eq!(swarm.why(task), "no suitable node (insufficient resources on 2 nodes)");
    }
}

fn sorted(counts: &[usize]) -> Vec<usize> {
    let mut counts = counts.to_vec();
    counts.sort_unstable();
    counts
}
