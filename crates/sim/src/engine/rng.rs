//! Named streams of random numbers: one for each source of chance and each entity that it belongs to.
//!
//! A stream depends on the scenario's seed, the replication, its name and its entity, and on nothing else. So all
//! strategies of a replication meet the same chance, and a new stream or another entity shifts no draw of the others.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::chance::hash;

/// The sources of chance. The numbers are part of the results: they are never given to another source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Up times and repair times; the entity is the failing unit.
    Failure = 1,
    /// Phase of the heartbeat at a crash; the entity is the node.
    Heartbeat = 2,
    /// How long the steps of a task take; the entity is the task: service, slot and number in the slot.
    Task = 3,
    /// Delays between manager and agents; the entity is the node.
    Latency = 4,
    /// Random choices of placement; there is one entity, 0.
    Placement = 5,
    /// Time from power on to registration; the entity is the node.
    Boot = 6,
    /// Arrivals, their kinds and lifetimes; the entity is a part of the stream of arrivals.
    Arrival = 20,
    /// Patience of managers without a leader; the entity is the node.
    Election = 21,
    /// Who tells whom; the entity is the piece of news.
    Gossip = 22,
    /// Time until a manager is back; the entity is the node.
    ManagerBoot = 23,
    /// When an agent calls a new leader; the entity is the node and the number of the leader.
    Rejoin = 24,
    /// Requests, where they enter and how long they take, and lags of the mesh; the entity is a part of the service.
    Request = 25,
    /// When nodes join, and how long they wait for a certificate; the entity is a part of the pool, or of the node.
    Join = 26,
    /// When operators act and what they want; the entity is a part of the service.
    Operator = 27,
    /// Time until an ordered machine is there; the entity is a part of the pool.
    Provision = 28,
    /// When the dispatcher commits its first batch; there is one entity, 0.
    Dispatcher = 7,
    /// Heartbeats on a weak link; the entity is the node.
    Beat = 29,
    /// Heartbeats and calls of an agent around a cut of its network; the entity is the node.
    Link = 8,
    /// Which nodes a selector takes at random; the entity is the name of the event.
    Pick = 30,
    /// Pauses between dials of a manager to another; the entity is a part of both nodes.
    Dial = 31,
    /// How slow all machines of a run are; there is one entity, 0.
    RunPace = 40,
    /// How slow a machine is within a run; the entity is the node.
    MachinePace = 41,
    /// How slow the uplink of the registry is in a run; there is one entity, 0.
    LinePace = 42,
    /// Which container is killed; there is one entity for each row of the script.
    Kill = 9,
    /// The id by which Docker's API shows something; the entity is its kind and name. Nothing is decided by it.
    Identity = 43,
}

/// The root of all streams of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seeds {
    seed: u64,
    replication: u32,
}

impl Seeds {
    /// The streams of a replication.
    pub fn of(seed: u64, replication: u32) -> Seeds {
        Seeds { seed, replication }
    }

    /// The beginning of a stream.
    pub fn stream(&self, stream: Stream, entity: u64) -> ChaCha8Rng {
        // ChaCha is made to give unrelated outputs for related keys: the names are the key as they are.
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..12].copy_from_slice(&self.replication.to_le_bytes());
        key[12..16].copy_from_slice(&(stream as u32).to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(entity);
        rng
    }
}

/// The number of an entity that has a name: an entity keeps its chance when others come, go or change places.
pub fn entity(name: &str) -> u64 {
    // Mixed, so that neighbours are far apart.
    mix(hash(name.as_bytes()))
}

/// The number of the part `part` of an entity.
pub fn part(entity: u64, part: u64) -> u64 {
    mix(entity.wrapping_add(part.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// SplitMix64's finalizer: a bijection.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_chacha::rand_core::Rng;

    use super::*;

    #[test]
    fn the_streams_are_these() {
        let seeds = Seeds::of(42, 1);
        let first = |stream, entity| seeds.stream(stream, entity).next_u64();
        let goldens = [first(Stream::Failure, 0), first(Stream::Failure, 1), first(Stream::Task, entity("web"))];
        assert_eq!(
            goldens,
            [440751136538151991, 18002561682949801908, 7194208614218842164],
            "a release that draws other numbers gives other results"
        );
    }

    #[test]
    fn every_name_has_its_own_numbers() {
        let mut seen = BTreeSet::new();
        for (seed, replication) in [(1, 1), (1, 2), (2, 1)] {
            for stream in [Stream::Failure, Stream::Heartbeat, Stream::Task, Stream::Latency, Stream::Placement] {
                for number in 0..50 {
                    let mut rng = Seeds::of(seed, replication).stream(stream, part(entity("node"), number));
                    assert!(seen.insert(rng.next_u64()) && seen.insert(rng.next_u64()));
                }
            }
        }
    }

    #[test]
    fn a_stream_does_not_depend_on_what_others_drew() {
        let seeds = Seeds::of(7, 3);
        let alone: Vec<u64> = (0..4)
            .map({
                let mut rng = seeds.stream(Stream::Task, 5);
                move |_| rng.next_u64()
            })
            .collect();
        let (mut rng, mut other) = (seeds.stream(Stream::Task, 5), seeds.stream(Stream::Failure, 5));
        let beside: Vec<u64> = (0..4)
            .map(|_| {
                other.next_u64();
                rng.next_u64()
            })
            .collect();
        assert_eq!(alone, beside);
    }
}
