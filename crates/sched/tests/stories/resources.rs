//! RS and GR: what tasks hold on their nodes.

use sched::Config;

use crate::swarm::*;

const FULL: &str = "no suitable node (insufficient resources on 1 node)";

#[test]
fn rs_01_reservations_must_fit() {
    let mut swarm = Swarm::new();
    swarm.add(node("small").memory(1000 * MB));
    swarm.create(service("web").memory(2000 * MB));
    swarm.settle();
    assert_eq!(swarm.why("web.1"), FULL);
    swarm.add(node("large").memory(8000 * MB));
    swarm.settle();
    assert_eq!(swarm.place("web.1"), "large");
}

#[test]
fn rs_02_resources_filter_and_do_not_rank() {
    let mut swarm = Swarm::new();
    swarm.add(node("tight").memory(1000 * MB));
    swarm.add(node("roomy").memory(16_000 * MB));
    let web = service("web").memory(500 * MB).replicas(6);
    swarm.adopt(web, &[(1, "tight"), (2, "roomy"), (3, "roomy"), (4, "roomy")]);
    swarm.settle();
    assert_eq!(swarm.spread("web"), [2, 4]);
}

#[test]
fn rs_03_rs_04_rs_05_what_ended_holds_nothing() {
    for end in [TaskState::Complete, TaskState::Shutdown, TaskState::Failed, TaskState::Rejected] {
        let mut swarm = Swarm::without_agents();
        swarm.add(node("a").memory(1000 * MB));
        swarm.create(service("first").memory(800 * MB).restart(RestartCondition::None));
        swarm.settle();
        swarm.create(service("second").memory(800 * MB));
        swarm.settle();
        assert_eq!(swarm.why("second.1"), FULL);
        swarm.report("first.1", end);
        swarm.settle();
        assert_eq!(swarm.place("second.1"), "a");
        assert_eq!(swarm.ps("first"), [format!("first.1#1 a Shutdown/{end}")], "the dead record stays there");
        swarm.remove("second");
        swarm.report("second.1", TaskState::Shutdown);
        swarm.settle();
        swarm.create(service("third").memory(1000 * MB));
        swarm.settle();
        assert_eq!(swarm.place("third.1"), "a");
    }
}

#[test]
fn rs_06_a_stopping_task_holds_its_resources_but_does_not_count() {
    let mut swarm = Swarm::new();
    swarm.stop = secs(30);
    swarm.add(node("a").memory(1000 * MB));
    swarm.add(node("b").memory(1000 * MB));
    swarm.create(service("old").memory(800 * MB).host_port(80, Protocol::Tcp));
    swarm.settle();
    swarm.remove("old");
    swarm.create(service("big").replicas(2).memory(600 * MB));
    swarm.create(service("port").replicas(2).host_port(80, Protocol::Tcp));
    swarm.create(service("plain"));
    swarm.settle();
    assert_eq!(swarm.spread("big"), [0, 1]);
    assert_eq!(swarm.spread("port"), [0, 1]);
    assert_eq!(swarm.spread("plain"), [1, 0], "the node counts as empty");
    swarm.after(secs(30));
    assert_eq!(swarm.spread("big"), [1, 1]);
    assert_eq!(swarm.spread("port"), [1, 1]);
}

#[test]
fn rs_07_rs_08_without_a_reservation_a_task_fits_anywhere() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").cpus(4).memory(4000 * MB));
    swarm.create(service("old").cpus(4));
    swarm.settle();
    swarm.pause("a");
    swarm.resize(node("a").cpus(2).memory(4000 * MB));
    // Paused, so that nothing is evicted; active again, it is.
    assert_eq!(swarm.ps("old"), ["old.1#1 a Running/Running"]);
    swarm.activate("a");
    swarm.settle();
    assert_eq!(swarm.state("old.1#1"), TaskState::Rejected);
    swarm.create(service("free"));
    swarm.create(service("fits").cpus(2));
    swarm.settle();
    assert_eq!(swarm.running("free"), 1);
    assert_eq!(swarm.running("fits"), 1, "2 - 4 + 4");
}

/// While more is held than there is, even a reservation of something else does not fit; without one a task does.
#[test]
fn rs_08_an_overdrawn_node_takes_no_reservation() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").cpus(4).memory(4000 * MB));
    swarm.stop = secs(60);
    swarm.create(service("old").cpus(4));
    swarm.settle();
    // It stops, and so is not evicted, but holds on.
    swarm.remove("old");
    swarm.resize(node("a").cpus(2).memory(4000 * MB));
    swarm.create(service("memory").memory(10 * MB));
    swarm.create(service("free"));
    swarm.settle();
    assert_eq!(swarm.why("memory.1"), FULL);
    assert_eq!(swarm.running("free"), 1);
    swarm.after(secs(60));
    assert_eq!(swarm.running("memory"), 1);
}

#[test]
fn rs_09_a_report_that_is_no_news_changes_nothing() {
    let mut swarm = Swarm::without_agents();
    swarm.add(node("a").cpus(3));
    swarm.create(service("web").cpus(1));
    swarm.settle();
    for _ in 0..3 {
        swarm.report("web.1", TaskState::Running);
    }
    swarm.report("web.1", TaskState::Starting);
    assert_eq!(swarm.state("web.1"), TaskState::Running, "and none goes back");
    for _ in 0..3 {
        swarm.report("web.1#1", TaskState::Failed);
    }
    swarm.create(service("other").replicas(3).cpus(1));
    swarm.after(secs(1));
    assert_eq!(swarm.spread("other"), [2], "one each for two and the replacement");
}

#[test]
fn rs_10_rs_11_claims_come_back() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").cpus(8).memory(8000 * MB).count("apple", 5).named("orange", &["blue", "red"]));
    let picky = || service("picky").cpus(5).memory(5000 * MB).count("apple", 2).count("orange", 1);
    swarm.create(picky());
    swarm.settle();
    assert_eq!(swarm.units("picky.1"), ["apple=2", "orange=blue"]);
    swarm.create(service("apples").count("apple", 3));
    swarm.settle();
    assert_eq!(swarm.running("apples"), 1, "5 - 2 are left");
    swarm.create(service("oranges").count("orange", 2));
    swarm.settle();
    assert_eq!(swarm.why("oranges.1"), FULL);
    swarm.remove("picky");
    swarm.settle();
    assert_eq!(swarm.units("oranges.1"), ["orange=red", "orange=blue"], "what comes back goes to the end");
    swarm.create(service("all").cpus(8).memory(8000 * MB));
    swarm.settle();
    assert_eq!(swarm.running("all"), 1);
}

#[test]
fn rs_12_limits_do_not_matter() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").cpus(1).memory(100 * MB));
    swarm.create(service("web").replicas(3).limits(64, 64_000 * MB));
    swarm.settle();
    assert_eq!(swarm.running("web"), 3);
}

/// What a node has of a kind, what services ask for in turn, and what each gets; `None` waits.
#[test]
fn tasks_that_a_scheduler_finds_claim_their_units_anew() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").named("gpu", &["w", "x", "y", "z"]).count("apple", 5));
    // They ran before there was a scheduler; their records say nothing of units until it starts.
    swarm.adopt(service("old").count("gpu", 1).count("apple", 2).replicas(3), &[(1, "a"), (2, "a")]);
    swarm.settle();
    let mut held: Vec<String> = (1..=3).flat_map(|slot| swarm.units(&format!("old.{slot}"))).collect();
    held.sort_unstable();
    assert_eq!(
        held,
        ["apple=2", "apple=2", "gpu=w", "gpu=x"],
        "two hold what they claimed, and the third found too few apples"
    );
    // What a task holds goes back when it ends, and the next leader's scheduler deals all of it out anew.
    swarm.create(service("new").count("gpu", 2));
    swarm.settle();
    assert_eq!(swarm.units("new.1"), ["gpu=y", "gpu=z"]);
    swarm.scale("old", 1);
    swarm.settle();
    swarm.change_leader();
    swarm.up("a");
    swarm.settle();
    let mut held = [swarm.units("old.1"), swarm.units("new.1")].concat();
    held.sort_unstable();
    assert_eq!(
        held,
        ["apple=2", "gpu=w", "gpu=x", "gpu=y"],
        "from the beginning of the list, whoever held which before"
    );
}

#[test]
fn generic_units_are_counted_or_named() {
    type Request<'a> = (&'a str, i64, Option<&'a [&'a str]>);
    let counted = |count| node("a").count("apple", count);
    let named = |names: &[&str]| node("a").named("gpu", names);
    let cases: Vec<(&str, NodeBuilder, Vec<Request>)> = vec![
        (
            "GR-01",
            counted(3),
            vec![("apple", 2, Some(&["apple=2"])), ("apple", 2, None), ("apple", 1, Some(&["apple=1"]))],
        ),
        ("GR-02", counted(3), vec![("apple", 3, Some(&["apple=3"])), ("apple", 1, None)]),
        (
            "GR-03",
            counted(3).count("pear", 2).count("plum", 1),
            vec![
                ("apple", 3, Some(&["apple=3"])),
                ("pear", 1, Some(&["pear=1"])),
                ("plum", 1, Some(&["plum=1"])),
                ("pear", 1, Some(&["pear=1"])),
            ],
        ),
        (
            "GR-04",
            named(&["d", "a", "c", "b"]),
            vec![("gpu", 2, Some(&["gpu=d", "gpu=a"])), ("gpu", 3, None), ("gpu", 2, Some(&["gpu=c", "gpu=b"]))],
        ),
        (
            "GR-05",
            named(&["1", "2", "3", "4", "5", "6", "7", "8"]).named("fpga", &["x", "y", "z", "w"]),
            vec![
                ("gpu", 4, Some(&["gpu=1", "gpu=2", "gpu=3", "gpu=4"])),
                ("fpga", 2, Some(&["fpga=x", "fpga=y"])),
                ("gpu", 5, None),
                ("gpu", 4, Some(&["gpu=5", "gpu=6", "gpu=7", "gpu=8"])),
                ("fpga", 2, Some(&["fpga=z", "fpga=w"])),
            ],
        ),
        (
            "GR-15",
            counted(5),
            vec![("apple", 6, None), ("apple", 1, Some(&["apple=1"])), ("apple", 4, Some(&["apple=4"]))],
        ),
        ("GR-15", counted(5), vec![("apple", 5, Some(&["apple=5"])), ("pear", 1, None)]),
    ];
    for (case, node, requests) in cases {
        let mut swarm = Swarm::new();
        swarm.add(node);
        for (index, (kind, count, got)) in requests.into_iter().enumerate() {
            let name = format!("s{index}");
            swarm.create(service(&name).count(kind, count));
            swarm.settle();
            let task = format!("{name}.1");
            match got {
                Some(units) => assert_eq!(swarm.units(&task), units, "{case}"),
                None => assert_eq!(swarm.why(&task), FULL, "{case}"),
            }
        }
    }
}

#[test]
fn gr_06_amounts_that_come_back_add_up() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").count("apple", 5));
    for name in ["one", "two"] {
        swarm.create(service(name).count("apple", 2));
        swarm.settle();
    }
    swarm.create(service("all").count("apple", 5));
    swarm.settle();
    swarm.remove("one");
    swarm.settle();
    assert_eq!(swarm.why("all.1"), FULL);
    swarm.remove("two");
    swarm.settle();
    assert_eq!(swarm.units("all.1"), ["apple=5"]);
}

/// What comes back comes to what is there, be it nothing; a name comes back as often as it was given, and then counts as
/// often.
#[test]
fn gr_07_gr_08_gr_09_what_comes_back_is_offered_again() {
    let mut swarm = Swarm::new();
    let names = ["1", "2", "3", "4"];
    swarm.add(node("a").named("gpu", &names).named("fpga", &["x"]).count("apple", 3).count("pear", 2));
    let all = |name: &str| service(name).count("gpu", 4).count("fpga", 1).count("apple", 3).count("pear", 2);
    swarm.create(all("first"));
    swarm.settle();
    swarm.create(service("next").count("pear", 1));
    swarm.settle();
    assert_eq!(swarm.why("next.1"), FULL);
    swarm.remove("first");
    swarm.settle();
    assert_eq!(swarm.units("next.1"), ["pear=1"], "GR-07");
    swarm.create(service("some").count("gpu", 2).count("apple", 1));
    swarm.settle();
    swarm.remove("next");
    swarm.remove("some");
    swarm.settle();
    swarm.create(all("last"));
    swarm.settle();
    let units = ["gpu=3", "gpu=4", "gpu=1", "gpu=2", "fpga=x", "apple=3", "pear=2"];
    assert_eq!(swarm.units("last.1"), units, "GR-09");

    let mut swarm = Swarm::new();
    swarm.add(node("a").named("gpu", &["x", "y"]));
    swarm.create(service("twice").count("gpu", 1).count("gpu", 1));
    swarm.settle();
    swarm.remove("twice");
    swarm.settle();
    swarm.create(service("three").count("gpu", 3));
    swarm.settle();
    assert_eq!(swarm.units("three.1"), ["gpu=y", "gpu=x", "gpu=x"], "GR-08");
}

/// A task holds units while its node comes to declare others; then it ends. What can the next one get?
#[test]
fn units_that_a_node_does_not_declare_any_more_do_not_come_back() {
    type Got<'a> = Option<&'a [&'a str]>;
    let counted = |count| node("a").count("apple", count);
    let named = |names: &[&str]| node("a").named("apple", names);
    let cases: Vec<(&str, NodeBuilder, i64, NodeBuilder, i64, Got)> = vec![
        ("GR-10", counted(3), 2, node("a"), 1, None),
        ("GR-11", counted(5), 3, counted(2), 3, None),
        ("GR-11", counted(5), 3, counted(2), 2, Some(&["apple=2"])),
        ("GR-11", counted(5), 3, counted(7), 7, Some(&["apple=7"])),
        ("GR-12", named(&["x", "y"]), 1, named(&["y", "z"]), 3, None),
        ("GR-12", named(&["x", "y"]), 1, named(&["y", "z"]), 2, Some(&["apple=y", "apple=z"])),
        ("GR-13", counted(3), 2, named(&["x", "y"]), 2, Some(&["apple=x", "apple=y"])),
        ("GR-13", counted(3), 2, named(&["x", "y"]), 3, None),
        ("GR-14", named(&["x", "y"]), 2, counted(4), 4, Some(&["apple=4"])),
        ("GR-14", named(&["x", "y"]), 2, counted(4), 5, None),
        // Consumed: what is held is taken out of what is declared now, here only the held name and amount.
        ("GR-16", named(&["x", "y"]), 1, named(&["z", "x"]), 2, Some(&["apple=z", "apple=x"])),
        ("GR-16", counted(5), 3, counted(3), 3, Some(&["apple=3"])),
    ];
    for (case, before, held, after, wanted, got) in cases {
        let mut swarm = Swarm::new();
        swarm.stop = secs(5);
        swarm.add(before);
        swarm.create(service("holder").count("apple", held));
        swarm.settle();
        swarm.remove("holder");
        swarm.resize(after);
        swarm.create(service("next").count("apple", wanted));
        swarm.after(secs(10));
        match got {
            Some(units) => assert_eq!(swarm.units("next.1"), units, "{case}"),
            None => assert_eq!(swarm.why("next.1"), FULL, "{case}"),
        }
    }
}

/// It is not remembered how much is held beyond what is declared: what comes back is offered while others hold it.
#[test]
fn gr_11_a_node_that_shrank_gives_out_too_much() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").count("apple", 5));
    for (name, count) in [("three", 3), ("two", 2)] {
        swarm.create(service(name).count("apple", count));
        swarm.settle();
    }
    // Paused, so that nothing is evicted.
    swarm.pause("a");
    swarm.resize(node("a").count("apple", 4));
    swarm.activate("a");
    assert_eq!(swarm.state("two.1#1"), TaskState::Rejected, "active again, it has to go");
    let mut swarm = Swarm::new();
    swarm.stop = secs(10);
    swarm.add(node("a").count("apple", 5));
    for (name, count) in [("three", 3), ("two", 2)] {
        swarm.create(service(name).count("apple", count));
        swarm.settle();
    }
    swarm.remove("three");
    // What stops is not evicted, and does not count for those that stay.
    swarm.resize(node("a").count("apple", 3));
    swarm.create(service("next").count("apple", 3));
    swarm.after(secs(20));
    assert_eq!(swarm.units("two.1"), ["apple=2"]);
    assert_eq!(swarm.units("next.1"), ["apple=3"], "two and three of three");
}

#[test]
fn gr_16_what_is_held_is_not_offered_again_by_a_new_declaration() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").count("apple", 5).named("gpu", &["x", "y"]));
    swarm.create(service("holder").count("apple", 3).count("gpu", 1));
    swarm.settle();
    swarm.resize(node("a").count("apple", 4).named("gpu", &["z", "x"]));
    swarm.create(service("apples").count("apple", 2));
    swarm.create(service("gpus").count("gpu", 2));
    swarm.create(service("less").count("apple", 1).count("gpu", 1));
    swarm.settle();
    assert_eq!((swarm.why("apples.1"), swarm.why("gpus.1")), (FULL, FULL));
    assert_eq!(swarm.units("less.1"), ["apple=1", "gpu=z"]);
}

/// Two requests for one kind are met with the same unit, which is taken once; a name that is declared twice is one unit.
#[test]
fn gr_17_a_name_is_taken_once() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").named("gpu", &["x", "y", "z"]));
    swarm.create(service("twice").count("gpu", 1).count("gpu", 1));
    swarm.settle();
    assert_eq!(swarm.units("twice.1"), ["gpu=x", "gpu=x"]);
    swarm.create(service("rest").count("gpu", 2));
    swarm.settle();
    assert_eq!(swarm.units("rest.1"), ["gpu=y", "gpu=z"]);
    let mut swarm = Swarm::new();
    swarm.add(node("a").named("gpu", &["x", "x", "y"]));
    for (name, units) in [("first", ["gpu=x"]), ("second", ["gpu=y"])] {
        swarm.create(service(name).count("gpu", 1));
        swarm.settle();
        assert_eq!(swarm.units(&format!("{name}.1")), units);
    }
}

#[test]
fn gr_19_every_kind_must_be_enough() {
    let mut swarm = Swarm::new();
    swarm.add(node("short").named("orange", &["blue"]).count("apple", 9));
    swarm.create(service("web").count("orange", 2).count("apple", 2));
    swarm.settle();
    assert_eq!(swarm.why("web.1"), FULL);
    swarm.add(node("enough").named("orange", &["blue", "red"]).count("apple", 2));
    swarm.settle();
    assert_eq!(swarm.place("web.1"), "enough");
}

#[test]
fn units_that_come_back_are_never_more_than_the_node_has_by_now() {
    let mut swarm = Swarm::new();
    swarm.add(node("a").count("gpu", 4));
    swarm.create(service("old").count("gpu", 2).replicas(2));
    swarm.settle();
    assert_eq!(swarm.running("old"), 2);
    swarm.resize(node("a").count("gpu", 3));
    swarm.remove("old");
    swarm.after(secs(20));
    swarm.create(service("new").count("gpu", 1).replicas(4));
    swarm.settle();
    assert_eq!(swarm.running("new"), 3);
}

/// SwarmKit ranges over a map of groups in every pass: which of the services that wait gets what becomes free is chance.
#[test]
fn of_four_services_that_wait_each_is_next_in_a_quarter_of_the_cases() {
    let mut first = [0_u32; 4];
    for seed in 0..400 {
        let mut swarm = Swarm::with(Config { seed, ..Config::default() });
        swarm.add(node("a").cpus(1));
        swarm.create(service("runs").cpus(1));
        swarm.settle();
        let names = ["s0", "s1", "s2", "s3"];
        for name in names {
            swarm.create(service(name).cpus(1));
            swarm.after(secs(1));
        }
        swarm.remove("runs");
        swarm.settle();
        let running: Vec<usize> = (0..4).filter(|number| swarm.running(names[*number]) == 1).collect();
        assert_eq!(running.len(), 1, "one CPU became free");
        first[running[0]] += 1;
    }
    // 100 of 400 each, within 4 standard deviations of 8.7.
    assert!(first.iter().all(|count| (65..=135).contains(count)), "{first:?}");
    let mut swarm = Swarm::new();
    swarm.add(node("a").cpus(1));
    swarm.create(service("runs").cpus(1));
    swarm.settle();
    for name in ["s0", "s1"] {
        swarm.create(service(name).cpus(1));
        swarm.after(secs(1));
    }
    swarm.remove("runs");
    swarm.settle();
    assert_eq!((swarm.running("s0"), swarm.running("s1")), (1, 0), "without chance the one that waits longest");
}
