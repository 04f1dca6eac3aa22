//! How long the manager takes to notice that a node is silent.
//!
//! A healthy heartbeat is no event here: only the expiry after a crash is, and its time follows from where in its
//! heartbeat period the node was.

use rand_chacha::ChaCha8Rng;
use sched::Span;

use crate::engine::Queue;
use crate::engine::law::unit;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::scenario::HeartbeatModel;

/// The grace period of a silent node is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expired {
    node: u32,
    session: u32,
}

/// The manager's side of all heartbeats.
#[derive(Debug)]
pub struct Heartbeats<'a> {
    model: &'a HeartbeatModel,
    nodes: Vec<Node>,
    seeds: Seeds,
}

#[derive(Debug)]
struct Node {
    entity: u64,
    /// Counts registrations: an expiry of an earlier session is void.
    session: u32,
    /// Whether it is silent since it last registered.
    silent: bool,
    crashes: u64,
}

impl<'a> Heartbeats<'a> {
    /// Every node has a session. The chance of a node belongs to its name.
    pub fn new<'n>(model: &'a HeartbeatModel, names: impl Iterator<Item = &'n str>, seeds: Seeds) -> Self {
        let nodes = names.map(|name| Node { entity: entity(name), session: 0, silent: false, crashes: 0 }).collect();
        Heartbeats { model, nodes, seeds }
    }

    /// A node falls silent; if it already is, because it did not come back so far, nothing changes.
    pub fn silent<E: From<Expired>>(&mut self, queue: &mut Queue<E>, node: usize) {
        let it = &mut self.nodes[node];
        if std::mem::replace(&mut it.silent, true) {
            return;
        }
        it.crashes += 1;
        let mut rng = self.seeds.stream(Stream::Heartbeat, part(it.entity, it.crashes));
        queue.after(expiry(self.model, &mut rng), Expired { node: node as u32, session: it.session });
    }

    /// There is no leader who would wait for anybody.
    pub fn forget(&mut self) {
        for it in &mut self.nodes {
            it.session += 1;
        }
    }

    /// A new leader waits for a node that it never heard of, for twice as long as for others (SwarmKit `AddUnknown`).
    pub fn unknown<E: From<Expired>>(&mut self, queue: &mut Queue<E>, node: usize) {
        let it = &mut self.nodes[node];
        it.session += 1;
        it.silent = true;
        it.crashes += 1;
        let mut rng = self.seeds.stream(Stream::Heartbeat, part(it.entity, it.crashes));
        let (mean, jitter) = (self.model.period.as_secs_f64(), self.model.jitter.as_secs_f64());
        let period = mean + (2.0 * unit(&mut rng) - 1.0) * jitter;
        let grace = Span::from_secs_f64(2.0 * f64::from(self.model.grace) * period);
        queue.after(grace, Expired { node: node as u32, session: it.session });
    }

    /// A node registers (again).
    pub fn registered(&mut self, node: usize) {
        self.nodes[node].session += 1;
        self.nodes[node].silent = false;
    }

    /// The node that is to be marked down, unless it registered in the meantime.
    pub fn handle(&mut self, expired: Expired) -> Option<usize> {
        let node = expired.node as usize;
        (self.nodes[node].session == expired.session).then_some(node)
    }
}

/// From a crash to the expiry of the grace period.
///
/// With each beat the dispatcher draws a period p, uniform in period ± jitter, and waits `grace` times p for the next
/// (SwarmKit `manager/dispatcher/period.go`, `nodes.go`). A crash at a random instant meets long periods more often, and
/// meets any point of a period alike: `grace` p' - x, with p' length-biased and x uniform in [0, p'].
fn expiry(model: &HeartbeatModel, rng: &mut ChaCha8Rng) -> Span {
    let (mean, jitter) = (model.period.as_secs_f64(), model.jitter.as_secs_f64());
    let (min, max) = ((mean - jitter).max(0.0), mean + jitter);
    let period = (min * min + unit(rng) * (max * max - min * min)).sqrt();
    Span::from_secs_f64(period * (f64::from(model.grace) - unit(rng)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detection_takes_as_long_as_swarm_takes() {
        let model = HeartbeatModel::default();
        let mut rng = Seeds::of(1, 1).stream(Stream::Heartbeat, 0);
        let mut drawn: Vec<f64> = (0..400_000).map(|_| expiry(&model, &mut rng).as_secs_f64()).collect();
        drawn.sort_by(f64::total_cmp);
        let n = drawn.len() as f64;
        let mean = drawn.iter().sum::<f64>() / n;
        let sd = (drawn.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / n).sqrt();
        assert!((mean - 12.5417).abs() < 0.01, "{mean}");
        assert!((sd - 1.6196).abs() < 0.01, "{sd}");
        for (p, expected) in [(0.01, 9.447), (0.05, 10.0), (0.5, 12.5), (0.95, 15.275), (0.99, 15.952)] {
            let quantile = drawn[(p * n) as usize];
            assert!((quantile - expected).abs() < 0.02, "{p}: {quantile} instead of {expected}");
        }
        assert!(9.0 <= drawn[0] && drawn[drawn.len() - 1] <= 16.5);
    }

    #[test]
    fn a_new_leader_waits_twice_as_long_for_everybody() {
        let model = HeartbeatModel::default();
        let mut beats = Heartbeats::new(&model, ["a", "b"].into_iter(), Seeds::of(1, 1));
        let mut queue: Queue<Expired> = Queue::new();
        beats.silent(&mut queue, 0);
        beats.forget();
        beats.unknown(&mut queue, 0);
        beats.unknown(&mut queue, 1);
        beats.registered(1);
        let marked = |(now, it): (sched::Time, Expired)| beats.handle(it).map(|node| (node, now.as_secs_f64()));
        let marked: Vec<_> = std::iter::from_fn(|| queue.pop()).filter_map(marked).collect();
        assert!(marked.len() == 1 && marked[0].0 == 0 && (27.0..33.0).contains(&marked[0].1), "{marked:?}");
    }

    #[test]
    fn who_registers_in_time_is_not_marked_down() {
        let model = HeartbeatModel::default();
        let mut beats = Heartbeats::new(&model, ["a", "b"].into_iter(), Seeds::of(1, 1));
        let mut queue: Queue<Expired> = Queue::new();
        beats.silent(&mut queue, 0);
        beats.silent(&mut queue, 1);
        beats.silent(&mut queue, 1);
        beats.registered(0);
        let marked: Vec<_> = std::iter::from_fn(|| queue.pop()).filter_map(|(_, it)| beats.handle(it)).collect();
        assert_eq!(marked, [1]);
    }
}
