//! A run in 128 bits: two runs have the same digest if the same things happened in them at the same times.
//!
//! Every fact goes in with its time, and every order with its answer. What is for people only (marks, points of the series)
//! does not, and neither does who looked at the run or when it was stopped: so a run that was driven by hand has the digest
//! of the same orders in a file. It tells runs apart and is no defence against malice.

use std::fmt;
use std::hash::{Hash, Hasher};

use sched::spec::{Mode, ServiceSpec};
use sched::{Row, Slot, Time};

use crate::fact::{Fact, Reason};
use crate::order::{Answer, Order};

/// An odd number without a pattern: the golden ratio in 128 bits.
const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// What happened so far. Written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    state: u128,
    /// The time of what went in last, which goes in once for all that happens then.
    at: Time,
}

impl Digest {
    /// Nothing has happened.
    pub const NOTHING: Digest = Digest { state: 0x243f_6a88_85a3_08d3_1319_8a2e_0370_7344, at: Time::ZERO };

    /// One word more. Every word leads to another digest.
    #[inline]
    fn mix(&mut self, word: u64) {
        self.state = (self.state ^ u128::from(word)).wrapping_mul(FACTOR).rotate_left(61);
    }

    /// What follows happened at this time.
    #[inline]
    fn at(&mut self, now: Time) {
        if self.at != now {
            self.at = now;
            self.mix(now.as_nanos());
        }
    }

    /// Something happened.
    #[inline]
    pub(crate) fn see(&mut self, now: Time, fact: &Fact) {
        if matches!(fact, Fact::Note(_) | Fact::Sampled(_)) {
            return;
        }
        self.at(now);
        let kind = Kind::of(fact);
        match fact {
            Fact::TaskAssigned(task, node) | Fact::ImageWanted(task, node) | Fact::ImageUnwanted(task, node) => {
                // Nodes are fewer than 2^24, and so the kind has room above both.
                self.mix(kind ^ (*node as u64) << 32 ^ u64::from(task.0));
            }
            Fact::TaskWanted(task, desired) => self.mix(kind ^ (*desired as u64) << 32 ^ u64::from(task.0)),
            Fact::TaskRecord { task, state, desired, reason } => {
                self.mix(kind ^ (*state as u64) << 40 ^ (*desired as u64) << 32 ^ u64::from(task.0));
                match reason {
                    Reason::None => {}
                    Reason::Own(text) => text.hash(self),
                    Reason::Shared { version } => self.mix(*version),
                }
            }
            Fact::Reported { task, at, state, error } => {
                self.mix(kind ^ (*state as u64) << 32 ^ u64::from(task.0));
                self.mix(at.as_nanos());
                if let Some(error) = error {
                    error.hash(self);
                }
            }
            Fact::TaskRemoved(task)
            | Fact::ImageReady(task)
            | Fact::Prepared(task)
            | Fact::Started(task)
            | Fact::Leaving(task)
            | Fact::Ended(task)
            | Fact::Allocated(task)
            | Fact::Attached(task) => self.mix(kind ^ u64::from(task.0)),
            Fact::TaskCreated { task, service, slot, desired } => {
                self.mix(kind ^ (*desired as u64) << 32 ^ u64::from(task.0));
                let slot = match slot {
                    Slot::Number(number) => u64::from(*number),
                    Slot::Spare(number) => 1 << 32 | u64::from(*number),
                    Slot::Node(node) => 2 << 32 | node.index() as u64,
                };
                self.mix((service.index() as u64) << 40 ^ slot);
            }
            Fact::NewsHeard { task, serves, node } => {
                self.mix(kind ^ u64::from(*serves) << 55 ^ (*node as u64) << 32 ^ u64::from(task.0));
            }
            Fact::RequestServed(span) => self.mix(kind ^ span.as_nanos()),
            _ => self.see_rare(kind, fact),
        }
    }

    /// What does not happen for every task, piece of news and request.
    fn see_rare(&mut self, kind: u64, fact: &Fact) {
        self.mix(kind);
        match fact {
            Fact::Service { service, spec, quorum } => {
                service.hash(self);
                quorum.hash(self);
                specification(spec, self);
            }
            Fact::ServiceRemoved(service) => service.hash(self),
            Fact::UpdateStatus(service, status) => {
                service.hash(self);
                if let Some(status) = status {
                    self.mix(status.state as u64);
                    status.message.hash(self);
                }
            }
            Fact::TaskPromoted(task, slot) => {
                self.mix(u64::from(task.0));
                slot.hash(self);
            }
            Fact::TasksExplained { service, version, text } => {
                service.hash(self);
                self.mix(*version);
                text.hash(self);
            }
            Fact::ImageFailed(task, error) => {
                self.mix(u64::from(task.0));
                error.hash(self);
            }
            Fact::ImageOrdered(node, image) => {
                self.mix(*node as u64);
                image.hash(self);
            }
            Fact::NodeEligible(node, yes) | Fact::NodeMember(node, yes) | Fact::Ghost(node, yes) => {
                self.mix((*node as u64) << 1 | u64::from(*yes));
            }
            Fact::Power { node, up } => self.mix((*node as u64) << 1 | u64::from(*up)),
            Fact::NodeDetected(node)
            | Fact::NodeRegistered(node)
            | Fact::NodeRemoved(node)
            | Fact::LeaderElected(node)
            | Fact::EngineRestarted(node)
            | Fact::AgentGone(node)
            | Fact::NodeLeft(node)
            | Fact::ManagerLocked(node)
            | Fact::AgentBack(node)
            | Fact::Reachable(node)
            | Fact::AgentCalled(node)
            | Fact::NodeCreated(node)
            | Fact::ManagerJoined(node)
            | Fact::NodeCertified(node)
            | Fact::MachineOrdered(node)
            | Fact::MachineProvisioned(node)
            | Fact::MachineUnneeded(node)
            | Fact::MachineEmpty(node) => self.mix(*node as u64),
            Fact::Majority(there) => self.mix(u64::from(*there)),
            Fact::Overloaded(node, on) => self.mix(u64::from(*node) << 1 | u64::from(*on)),
            Fact::LinksChanged(nodes) => nodes.hash(self),
            Fact::Unreachable(node, fault) => self.mix((*node as u64) << 8 | *fault as u64),
            Fact::FailureNoticed { plan, unit } | Fact::FailureRepaired { plan, unit } => {
                self.mix(u64::from(*plan) << 32 | u64::from(*unit));
            }
            Fact::NewsSpread(rounds, span) => {
                self.mix(u64::from(*rounds));
                self.mix(span.as_nanos());
            }
            Fact::ReplicasWanted { plan, replicas } => {
                self.mix(u64::from(*plan));
                self.mix(*replicas);
            }
            // Of which class a job is follows from the scenario, on which node it runs from the task.
            Fact::JobArrived(job, _)
            | Fact::JobLost(job)
            | Fact::JobDue(job)
            | Fact::JobStarted(job, _)
            | Fact::JobOver(job)
            | Fact::JobDone(job)
            | Fact::JobAbandoned(job) => self.mix(u64::from(job.0)),
            Fact::JoinRefused(node, why) => {
                self.mix(*node as u64);
                why.hash(self);
            }
            _ => {}
        }
    }
}

/// The number of a fact's kind, above all that it says.
struct Kind(u64);

impl Kind {
    #[inline]
    fn of(fact: &Fact) -> u64 {
        let mut kind = Kind(0);
        std::mem::discriminant(fact).hash(&mut kind);
        kind.0 << 56
    }
}

impl Hasher for Kind {
    fn write(&mut self, _: &[u8]) {}

    fn write_isize(&mut self, number: isize) {
        self.0 = number as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Digest {
    /// Somebody ordered something. Whoever it was, and what the order says beyond its kind and its name, shows in the facts
    /// that follow.
    pub(crate) fn order(&mut self, now: Time, order: &Order, answer: &Answer) {
        self.at(now);
        std::mem::discriminant(order).hash(self);
        if let Some(name) = order.service() {
            name.hash(self);
        }
        match answer {
            Ok(_) => self.mix(0),
            Err(refusal) => refusal.texts.hash(self),
        }
    }
}

/// What decides over the tasks of a service.
fn specification(spec: &ServiceSpec, digest: &mut Digest) {
    spec.name.hash(digest);
    spec.labels.hash(digest);
    match spec.mode {
        Mode::Replicated { replicas } => digest.mix(replicas),
        Mode::ReplicatedJob { max_concurrent, total_completions } => {
            digest.mix(max_concurrent);
            digest.mix(total_completions);
        }
        Mode::Global | Mode::GlobalJob => {}
    }
    let task = &spec.task;
    task.container.image.hash(digest);
    task.container.env.hash(digest);
    task.container.files.hash(digest);
    task.networks.hash(digest);
    task.placement.constraints.hash(digest);
    task.placement.preferences.hash(digest);
    digest.mix(task.placement.max_replicas);
    digest.mix(task.force_update);
    for resources in [&task.reservations, &task.limits] {
        digest.mix(resources.nano_cpus.cast_unsigned());
        digest.mix(resources.memory.cast_unsigned());
    }
    spec.endpoint.ports.iter().for_each(|port| digest.mix(u64::from(port.published) << 16 | u64::from(port.target)));
}

/// Checkpoints that a run keeps at most.
const CHECKPOINTS: usize = 64;

/// The digests of a run on its way: at checkpoints, and after every event if somebody wants to know exactly where another
/// run differs.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Trace {
    /// Events of the run.
    pub events: u64,
    /// The digest at its end.
    pub digest: Digest,
    /// Events from one checkpoint to the next.
    pub every: u64,
    /// The digests after so many events, twice as many, and so on.
    pub checkpoints: Vec<Digest>,
    /// The last 16 bits of the digest after each event, if they are kept.
    pub fine: Option<Vec<u16>>,
    /// After how many events the next checkpoint is.
    next: u64,
}

impl Trace {
    /// Of a run that begins; `is_fine` keeps something after every event, two bytes.
    pub fn new(is_fine: bool) -> Trace {
        Trace { every: 1, next: 1, fine: is_fine.then(Vec::new), ..Trace::default() }
    }

    /// An event was handled.
    #[inline]
    pub(crate) fn note(&mut self, digest: &Digest) {
        self.events += 1;
        if let Some(fine) = &mut self.fine {
            fine.push(digest.short());
        }
        if self.events == self.next {
            self.check_point(*digest);
        }
    }

    /// The run is over, with this digest.
    pub(crate) fn end(self, digest: Digest) -> Trace {
        Trace { digest, ..self }
    }

    fn check_point(&mut self, digest: Digest) {
        self.checkpoints.push(digest);
        if self.checkpoints.len() == CHECKPOINTS {
            // Every second one is enough from here on.
            let mut row = 0;
            self.checkpoints.retain(|_| {
                row += 1;
                row % 2 == 0
            });
            self.every *= 2;
        }
        self.next = self.events + self.every;
    }
}

impl Digest {
    /// The last 16 bits: what differs, differs there too but for one time in 65,536.
    pub fn short(self) -> u16 {
        self.state as u16
    }

    /// Whether this is the digest of 32 hexadecimal digits.
    pub fn is(self, text: &str) -> bool {
        text.len() == 32 && u128::from_str_radix(text, 16) == Ok(self.state)
    }
}

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.mix(number as u64);
    }

    fn finish(&self) -> u64 {
        (self.state >> 64) as u64 ^ self.state as u64
    }
}

impl Default for Digest {
    fn default() -> Self {
        Digest::NOTHING
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.state)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::TaskNo;

    fn of(facts: &[(u64, Fact)]) -> Digest {
        let mut digest = Digest::NOTHING;
        facts.iter().for_each(|(at, fact)| digest.see(Time::from_nanos(*at), fact));
        digest
    }

    #[test]
    fn another_fact_time_or_order_is_another_digest() {
        let (one, two) = (Fact::Started(TaskNo(1)), Fact::Ended(TaskNo(1)));
        let all = [
            of(&[]),
            of(&[(1, one.clone())]),
            of(&[(2, one.clone())]),
            of(&[(1, two.clone())]),
            of(&[(1, Fact::Started(TaskNo(2)))]),
            of(&[(1, one.clone()), (1, two.clone())]),
            of(&[(1, two), (1, one)]),
        ];
        for (row, digest) in all.iter().enumerate() {
            assert!(all[..row].iter().all(|before| before != digest), "{row}");
        }
    }

    #[test]
    fn what_is_said_to_people_does_not_count() {
        let (mut said, silent) = (Digest::NOTHING, Digest::NOTHING);
        said.see(Time::ZERO, &Fact::Sampled(3));
        assert_eq!(said, silent);
    }

    #[test]
    fn a_trace_keeps_few_checkpoints_evenly() {
        let mut trace = Trace::new(true);
        let mut digests = Vec::new();
        for number in 0..1000 {
            let digest = of(&[(number, Fact::RequestFailed)]);
            digests.push(digest);
            trace.note(&digest);
        }
        let trace = trace.end(digests[999]);
        assert_eq!((trace.events, trace.every), (1000, 16));
        let kept: Vec<Digest> = digests.iter().copied().skip(15).step_by(16).collect();
        assert_eq!(trace.checkpoints, kept);
        assert!(trace.digest.is(&digests[999].to_string()) && !trace.digest.is(&digests[998].to_string()));
        assert!(!trace.digest.is("") && !trace.digest.is("+0000000000000000000000000000001"));
        assert_eq!(trace.fine.expect("it is kept")[999], digests[999].short());
    }
}
