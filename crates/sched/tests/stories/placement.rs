//! Placement strategies that are not Swarm's, each in what is its own.

use sched::{Choice, Config, Reference, Strategy, strategy};

use crate::swarm::*;

fn placed_by(strategy: &str) -> Swarm {
    Swarm::with(Config { strategy: strategy.into(), ties: TieBreak::LowestId, ..Config::default() })
}

#[test]
fn worst_fit_keeps_room_on_every_node() {
    let mut swarm = placed_by("worst-fit");
    swarm.add(node("a").cpus(4));
    swarm.add(node("b").cpus(8));
    swarm.create(service("web").cpus(1).replicas(6));
    swarm.settle();
    // Shares of 1/4 and 1/8 each: after six tasks 2/4 and 4/8, and at no step is the fuller one chosen.
    assert_eq!(swarm.spread("web"), [2, 4]);
    // Fewest tasks would be the other way round.
    swarm.create(service("big").cpus(2).replicas(1));
    swarm.settle();
    assert_eq!(swarm.spread("big"), [1, 0], "of equal shares, the node with fewer tasks");
}

#[test]
fn dominant_fit_gives_memory_to_who_has_memory() {
    let mut swarm = placed_by("dominant-fit");
    swarm.add(node("cores").cpus(8).memory(8000 * MB));
    swarm.add(node("memory").cpus(8).memory(8000 * MB));
    swarm.create(service("base").cpus(4).constraint("node.hostname == memory"));
    swarm.create(service("cache").memory(4000 * MB).constraint("node.hostname == cores"));
    swarm.settle();
    // Half of the CPUs of one node are taken, and half of the memory of the other.
    swarm.create(service("hungry").memory(2000 * MB).replicas(1));
    swarm.create(service("busy").cpus(2).replicas(1));
    swarm.settle();
    assert_eq!((swarm.spread("hungry"), swarm.spread("busy")), (vec![0, 1], vec![1, 0]));
}

#[test]
fn domains_evens_out_racks_and_then_their_nodes() {
    let mut swarm = placed_by("domains");
    for (name, rack) in [("a", "r1"), ("b", "r2"), ("c", "r2"), ("d", "r2"), ("e", "r2")] {
        swarm.add(node(name).label("rack", rack));
    }
    swarm.create(service("web").replicas(6));
    swarm.settle();
    assert_eq!(swarm.spread("web"), [3, 1, 1, 1, 0], "three in each rack, without a preference of the service");
    let small = Choice::own("domains", |_| -> Box<dyn Strategy> { Box::new(strategy::Domains::new("zone")) });
    let mut swarm = Swarm::with(Config { strategy: small, ties: TieBreak::LowestId, ..Config::default() });
    swarm.add(node("a").cpus(1).label("zone", "x"));
    swarm.add(node("b").cpus(9).label("zone", "y"));
    swarm.create(service("web").cpus(1).replicas(4));
    swarm.settle();
    assert_eq!(swarm.spread("web"), [1, 3], "what is full is passed by");
    swarm.label("b", &[("zone", "x")]);
    swarm.create(service("api").replicas(2));
    swarm.settle();
    assert_eq!(swarm.spread("api"), [1, 1], "both are in one zone now: the node with least of the service");
}

#[test]
fn cache_aware_goes_where_the_image_is() {
    let mut swarm = placed_by("cache-aware");
    swarm.add_all(&["a", "b", "c"]);
    let image = Reference::name_of("web:2");
    swarm.lacks("b", &image, 30);
    swarm.lacks("c", &image, 10);
    swarm.create(service("web").image("web:2").replicas(2));
    swarm.settle();
    assert_eq!(swarm.spread("web"), [0, 0, 2], "fewest missing bytes first");
    swarm.lacks("b", &image, 0);
    swarm.change_leader();
    swarm.create(service("other").image("web:2").replicas(1));
    swarm.create(service("unknown").image("db").replicas(3));
    swarm.settle();
    assert_eq!(swarm.spread("other"), [0, 1, 0], "a new leader knows it too");
    assert_eq!(swarm.spread("unknown"), [2, 1, 0], "where nothing is known, fewest tasks");
}
