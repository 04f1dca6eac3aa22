//! How long the manager takes to notice that a node is silent.
//!
//! A healthy heartbeat is no event here: only the expiry after a crash is, and its time follows from where in its
//! heartbeat period the node was. On a weak link the next heartbeat that is lost is drawn ahead.

use rand_chacha::ChaCha8Rng;
use sched::{Span, Time};

use super::links::LinkImpairment;
use crate::engine::chance::unit;
use crate::engine::rng::{Seeds, Stream, entity, part};
use crate::fact::Context;

/// How a silent node is noticed (SwarmKit dispatcher).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeartbeatModel {
    /// Mean period: 5 s.
    pub period: Span,
    /// Each period is uniform in period ± jitter: 0.5 s.
    pub jitter: Span,
    /// Missed periods that make a node down: 3.
    pub grace: u32,
    /// How much longer than that the manager waits: not at all.
    pub slack: Span,
    /// How often the manager looks whether that is over; zero is at once.
    pub look: Span,
    /// How long a new leader waits for a node that it never heard of; nothing is twice `grace` periods.
    pub unknown: Option<Span>,
}

impl Default for HeartbeatModel {
    fn default() -> Self {
        HeartbeatModel {
            period: Span::from_secs(5),
            jitter: Span::from_millis(500),
            grace: 3,
            slack: Span::ZERO,
            look: Span::ZERO,
            unknown: None,
        }
    }
}

/// The grace period of a silent node is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expired {
    node: u32,
    session: u32,
}

/// A heartbeat that is not answered in time, unless the node registered anew; or the end of what was looked ahead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost {
    node: u32,
    session: u32,
}

/// SwarmKit `agent/session.go`: an answer that comes later does not count.
const TIMEOUT: Span = Span::from_secs(5);
/// So many heartbeats are looked ahead at a time.
const AHEAD: u32 = 1000;

/// The manager's side of all heartbeats.
#[derive(Clone, Debug)]
pub struct Heartbeats {
    model: HeartbeatModel,
    nodes: Vec<Watch>,
    seeds: Seeds,
}

#[derive(Clone, Debug)]
struct Watch {
    entity: u64,
    /// Counts registrations: an expiry of an earlier session is void.
    session: u32,
    /// Whether it is silent since it last registered, and since when.
    silent: bool,
    since: Time,
    /// When it is marked down, if it stays silent.
    expires: Time,
    crashes: u64,
    /// What its link does to heartbeats, if it is weak.
    weak: Option<Box<Weak>>,
}

/// The heartbeats of a node on a weak link.
#[derive(Clone, Debug)]
struct Weak {
    impairment: LinkImpairment,
    rng: ChaCha8Rng,
    /// When the grace period ends that the last heartbeat began, and whether the next one is lost.
    expires: Time,
    lost: bool,
}

impl Heartbeats {
    /// Every node has a session. The chance of a node belongs to its name.
    pub fn new<'n>(model: &HeartbeatModel, names: impl Iterator<Item = &'n str>, seeds: Seeds) -> Self {
        let node = |name| Watch {
            entity: entity(name),
            session: 0,
            silent: false,
            since: Time::ZERO,
            expires: Time::ZERO,
            crashes: 0,
            weak: None,
        };
        let nodes = names.map(node).collect();
        Heartbeats { model: model.clone(), nodes, seeds }
    }

    /// Heartbeats come in this period from now on, as far as they are not awaited already.
    pub fn set_period(&mut self, period: Span) {
        self.model.period = period;
        self.model.jitter = self.model.jitter.min(period);
    }

    /// A node falls silent, at once or after its next heartbeat, which still arrives; if it already is, because it did not
    /// come back so far, nothing changes.
    pub fn silent<E: From<Expired>>(&mut self, cx: &mut Context<E>, node: usize, once_more: bool) {
        let watch = &mut self.nodes[node];
        if std::mem::replace(&mut watch.silent, true) {
            return;
        }
        if watch.weak.is_some() {
            watch.session += 1; // What its link would do does not matter any more.
        }
        watch.crashes += 1;
        // One more heartbeat is heard within a period.
        let longest = self.model.period + self.model.jitter;
        watch.since = if once_more { cx.now() + longest } else { cx.now() };
        let mut rng = self.seeds.stream(Stream::Heartbeat, part(watch.entity, watch.crashes));
        let after = if once_more { late_expiry(&self.model, &mut rng) } else { expiry(&self.model, &mut rng) };
        let after = after + self.model.slack + look(&self.model, &mut rng);
        watch.expires = cx.now() + after;
        cx.after(after, Expired { node: node as u32, session: watch.session });
    }

    /// When a silent node is marked down, unless it registers before.
    pub fn expires(&self, node: usize) -> Time {
        self.nodes[node].expires
    }

    /// How long a new leader waits for a node of which it knows nothing but that it was there.
    pub fn patience(&self) -> Span {
        let grace = Span::from_nanos(self.model.period.as_nanos().saturating_mul(2 * u64::from(self.model.grace)));
        self.model.unknown.unwrap_or(grace)
    }

    /// There is no leader who would wait for anybody.
    pub fn forget(&mut self) {
        for watch in &mut self.nodes {
            watch.session += 1;
        }
    }

    /// A new leader waits for a node that it never heard of, for twice as long as for others (SwarmKit `AddUnknown`).
    pub fn unknown<E: From<Expired>>(&mut self, cx: &mut Context<E>, node: usize) {
        let watch = &mut self.nodes[node];
        watch.session += 1;
        watch.silent = true;
        watch.since = cx.now();
        watch.crashes += 1;
        let mut rng = self.seeds.stream(Stream::Heartbeat, part(watch.entity, watch.crashes));
        let grace = Span::from_secs_f64(2.0 * f64::from(self.model.grace) * period(&self.model, &mut rng));
        let grace = self.model.unknown.unwrap_or(grace);
        watch.expires = cx.now() + grace;
        cx.after(grace, Expired { node: node as u32, session: watch.session });
    }

    /// A node registers (again). Its first heartbeat follows at once.
    pub fn registered<E: From<Lost>>(&mut self, cx: &mut Context<E>, node: usize) {
        let watch = &mut self.nodes[node];
        watch.session += 1;
        watch.silent = false;
        if let Some(weak) = &mut watch.weak {
            let grace = f64::from(self.model.grace) * period(&self.model, &mut weak.rng);
            weak.expires = cx.now() + Span::from_secs_f64(grace);
            self.look_ahead(cx, node, cx.now());
        }
    }

    /// A node's link is weak from now on, or sound.
    pub fn degrade_link<E: From<Lost>>(
        &mut self,
        cx: &mut Context<E>,
        node: usize,
        impairment: Option<LinkImpairment>,
    ) {
        let seeds = self.seeds;
        let watch = &mut self.nodes[node];
        if !watch.silent {
            watch.session += 1;
        }
        let Some(impairment) = impairment else { return watch.weak = None };
        let rng = watch.weak.take().map_or_else(|| seeds.stream(Stream::Beat, watch.entity), |weak| weak.rng);
        let mut weak = Box::new(Weak { impairment, rng, expires: Time::ZERO, lost: false });
        let now = cx.now();
        let (period, past) = (long_period(&self.model, &mut weak.rng), unit(&mut weak.rng));
        weak.expires = now + Span::from_secs_f64(period * (f64::from(self.model.grace) - past));
        watch.weak = Some(weak);
        if !watch.silent {
            self.look_ahead(cx, node, now + Span::from_secs_f64(period * (1.0 - past)));
        }
    }

    /// A heartbeat of a node is lost, and it will be marked down unless it registers in time: its agent will give up the
    /// session.
    pub fn lost<E: From<Lost> + From<Expired>>(&mut self, cx: &mut Context<E>, lost: Lost) -> Option<usize> {
        let watch = &mut self.nodes[lost.node as usize];
        let weak = watch.weak.as_ref().filter(|_| watch.session == lost.session && !watch.silent)?;
        if !weak.lost {
            self.look_ahead(cx, lost.node as usize, cx.now());
            return None;
        }
        watch.silent = true;
        watch.since = cx.now();
        let slack = self.model.slack + look(&self.model, &mut self.seeds.stream(Stream::Heartbeat, watch.entity));
        watch.expires = weak.expires.max(cx.now()) + slack;
        cx.at(watch.expires, Expired { node: lost.node, session: watch.session });
        Some(lost.node as usize)
    }

    /// Looks which of the heartbeats from `at` on is the next that gets no answer.
    fn look_ahead<E: From<Lost>>(&mut self, cx: &mut Context<E>, node: usize, mut at: Time) {
        let watch = &mut self.nodes[node];
        let Some(weak) = &mut watch.weak else { return };
        let mut count = 0;
        weak.lost = loop {
            if weak.impairment.misses(&mut weak.rng) {
                break true;
            }
            let period = period(&self.model, &mut weak.rng);
            weak.expires = at + Span::from_secs_f64(f64::from(self.model.grace) * period);
            at += Span::from_secs_f64(period);
            count += 1;
            if count == AHEAD {
                break false;
            }
        };
        cx.at(at, Lost { node: node as u32, session: watch.session });
    }

    /// Nodes of which at least one heartbeat is overdue, as the managers know.
    pub fn late(&self, now: Time) -> impl Iterator<Item = usize> + '_ {
        let longest = self.model.period + self.model.jitter;
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(move |(_, watch)| watch.silent && watch.since + longest <= now).map(|(node, _)| node)
    }

    /// The node that is to be marked down, unless it registered in the meantime.
    pub fn handle(&mut self, expired: Expired) -> Option<usize> {
        let node = expired.node as usize;
        (self.nodes[node].session == expired.session).then_some(node)
    }
}

impl LinkImpairment {
    /// Whether a call gets no answer in time: it is lost, or the ways there and back take too long.
    fn misses(&self, rng: &mut ChaCha8Rng) -> bool {
        let lost = unit(rng) < self.loss;
        let ways = self.delay.sample(rng) + self.delay.sample(rng);
        lost || TIMEOUT < ways
    }
}

/// From a crash to the expiry of the grace period.
///
/// With each beat the dispatcher draws a period p, uniform in period ± jitter, and waits `grace` times p for the next
/// (SwarmKit `manager/dispatcher/period.go`, `nodes.go`). A crash at a random instant meets long periods more often, and
/// meets any point of a period alike: `grace` p' - x, with p' length-biased and x uniform in [0, p'].
fn expiry(model: &HeartbeatModel, rng: &mut ChaCha8Rng) -> Span {
    let period = long_period(model, rng);
    Span::from_secs_f64(period * (f64::from(model.grace) - unit(rng)))
}

/// The same if the next heartbeat still arrives: what is left of the period, and `grace` times the next one.
fn late_expiry(model: &HeartbeatModel, rng: &mut ChaCha8Rng) -> Span {
    let left = long_period(model, rng) * unit(rng);
    Span::from_secs_f64(left + f64::from(model.grace) * period(model, rng))
}

/// From the end of the grace period to the next look at it.
fn look(model: &HeartbeatModel, rng: &mut ChaCha8Rng) -> Span {
    if model.look == Span::ZERO { Span::ZERO } else { Span::from_secs_f64(unit(rng) * model.look.as_secs_f64()) }
}

/// Seconds of the period that a random instant meets.
fn long_period(model: &HeartbeatModel, rng: &mut ChaCha8Rng) -> f64 {
    let (mean, jitter) = (model.period.as_secs_f64(), model.jitter.as_secs_f64());
    let (min, max) = ((mean - jitter).max(0.0), mean + jitter);
    (min * min + unit(rng) * (max * max - min * min)).sqrt()
}

/// Seconds of a period.
fn period(model: &HeartbeatModel, rng: &mut ChaCha8Rng) -> f64 {
    let (mean, jitter) = (model.period.as_secs_f64(), model.jitter.as_secs_f64());
    mean + (2.0 * unit(rng) - 1.0) * jitter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::law::Law;

    #[test]
    fn detection_takes_as_long_as_swarm_takes() {
        let model = HeartbeatModel::default();
        let mut rng = Seeds::of(1, 1).stream(Stream::Heartbeat, 0);
        let mut drawn: Vec<f64> = (0..400_000).map(|_| expiry(&model, &mut rng).as_secs_f64()).collect();
        drawn.sort_by(f64::total_cmp);
        let n = drawn.len() as f64;
        let mean = drawn.iter().sum::<f64>() / n;
        let sd = (drawn.iter().map(|seconds| (seconds - mean) * (seconds - mean)).sum::<f64>() / n).sqrt();
        assert!((mean - 12.5417).abs() < 0.01, "{mean}");
        assert!((sd - 1.6196).abs() < 0.01, "{sd}");
        for (p, expected) in [(0.01, 9.447), (0.05, 10.0), (0.5, 12.5), (0.95, 15.275), (0.99, 15.952)] {
            let quantile = drawn[(p * n) as usize];
            assert!((quantile - expected).abs() < 0.02, "{p}: {quantile} instead of {expected}");
        }
        assert!(9.0 <= drawn[0] && drawn[drawn.len() - 1] <= 16.5);
    }

    #[test]
    fn other_orchestrators_detect_as_they_do() {
        let secs = Span::from_secs;
        let base = HeartbeatModel::default();
        // Kubernetes, Nomad up to 500 nodes, Mesos: mean, least, most.
        let laws = [
            (
                HeartbeatModel { period: secs(10), jitter: secs(0), grace: 4, look: secs(5), ..base.clone() },
                37.5,
                30.0,
                45.0,
            ),
            (
                HeartbeatModel { period: secs(15), jitter: secs(5), grace: 1, slack: secs(10), ..base.clone() },
                17.7778,
                10.0,
                30.0,
            ),
            (HeartbeatModel { period: secs(15), jitter: secs(0), grace: 6, ..base }, 82.5, 75.0, 90.0),
        ];
        for (model, mean, least, most) in laws {
            let mut beats = Heartbeats::new(&model, ["a"].into_iter(), Seeds::of(1, 1));
            let mut cx: Context<Both> = Context::new();
            let mut drawn = Vec::new();
            for _ in 0..20_000 {
                let silent = cx.now();
                beats.silent(&mut cx, 0, false);
                let (now, _) = cx.pop().expect("it expires");
                drawn.push((now - silent).as_secs_f64());
                beats.registered(&mut cx, 0);
            }
            let found = drawn.iter().sum::<f64>() / drawn.len() as f64;
            assert!((found - mean).abs() < 0.15, "{found} instead of {mean}");
            assert!(drawn.iter().all(|seconds| (least..=most).contains(seconds)), "{mean}");
        }
    }

    #[test]
    fn a_node_that_does_not_hear_is_heard_once_more() {
        let model = HeartbeatModel::default();
        let mut rng = Seeds::of(1, 1).stream(Stream::Heartbeat, 0);
        let mean = (0..200_000).map(|_| late_expiry(&model, &mut rng).as_secs_f64()).sum::<f64>() / 200_000.0;
        // E[p^2] / (2 E[p]) + 3 E[p].
        assert!((mean - 17.5083).abs() < 0.02, "{mean}");
    }

    #[derive(Clone, Copy, Debug)]
    enum Both {
        Lost(Lost),
        Expired(Expired),
    }

    impl From<Lost> for Both {
        fn from(lost: Lost) -> Both {
            Both::Lost(lost)
        }
    }

    impl From<Expired> for Both {
        fn from(expired: Expired) -> Both {
            Both::Expired(expired)
        }
    }

    #[test]
    fn on_a_weak_link_a_share_of_heartbeats_is_lost() {
        let model = HeartbeatModel::default();
        let mut beats = Heartbeats::new(&model, ["a"].into_iter(), Seeds::of(1, 1));
        let mut cx: Context<Both> = Context::new();
        let late = Law::Exponential { mean: Span::from_secs(1) };
        beats.degrade_link(&mut cx, 0, Some(LinkImpairment { loss: 0.1, delay: late }));
        let (mut lost, mut marked) = (0, 0);
        while let Some((now, event)) = cx.pop().filter(|next| next.0 < Time::ZERO + Span::from_secs(1_000_000)) {
            match event {
                Both::Lost(beat) if beats.lost(&mut cx, beat).is_some() => {
                    lost += 1;
                    // It registers at once, and is not marked down.
                    beats.registered(&mut cx, 0);
                }
                Both::Expired(expired) => marked += usize::from(beats.handle(expired).is_some()),
                Both::Lost(_) => {}
            }
            assert!(now >= cx.now());
        }
        // Lost by themselves, or both ways together, a gamma law of shape 2, take more than 5 s: 6 e^-5. A registration is
        // followed by a heartbeat at once, so a period is left out for each that is lost.
        let chance = 0.1 + 0.9 * 6.0 * (-5.0f64).exp();
        let expected = 1_000_000.0 / 5.0 * chance / (1.0 - chance);
        assert!((f64::from(lost) / expected - 1.0).abs() < 0.02 && marked == 0, "{lost} of {expected}, {marked}");
    }

    #[test]
    fn a_new_leader_waits_twice_as_long_for_everybody() {
        let model = HeartbeatModel::default();
        let mut beats = Heartbeats::new(&model, ["a", "b"].into_iter(), Seeds::of(1, 1));
        let mut cx: Context<Both> = Context::new();
        beats.silent(&mut cx, 0, false);
        beats.forget();
        beats.unknown(&mut cx, 0);
        beats.unknown(&mut cx, 1);
        beats.registered(&mut cx, 1);
        let marked = |(now, event): (Time, Both)| match event {
            Both::Expired(expired) => beats.handle(expired).map(|node| (node, now.as_secs_f64())),
            Both::Lost(_) => None,
        };
        let marked: Vec<_> = std::iter::from_fn(|| cx.pop()).filter_map(marked).collect();
        assert!(marked.len() == 1 && marked[0].0 == 0 && (27.0..33.0).contains(&marked[0].1), "{marked:?}");
    }

    #[test]
    fn who_registers_in_time_is_not_marked_down() {
        let model = HeartbeatModel::default();
        let mut beats = Heartbeats::new(&model, ["a", "b"].into_iter(), Seeds::of(1, 1));
        let mut cx: Context<Both> = Context::new();
        beats.silent(&mut cx, 0, false);
        beats.silent(&mut cx, 1, false);
        beats.silent(&mut cx, 1, false);
        beats.registered(&mut cx, 0);
        let marked = |(_, event): (Time, Both)| match event {
            Both::Expired(expired) => beats.handle(expired),
            Both::Lost(_) => None,
        };
        let marked: Vec<_> = std::iter::from_fn(|| cx.pop()).filter_map(marked).collect();
        assert_eq!(marked, [1]);
    }
}
