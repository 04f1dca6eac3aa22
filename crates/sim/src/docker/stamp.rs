//! Ids and instants, made from the numbers of a run.

use std::fmt;

use rand_chacha::rand_core::Rng;
use sched::{NodeId, Row, ServiceId, Span, TaskId, Time};
use serde::{Serialize, Serializer};

use crate::engine::rng::{Seeds, Stream, entity};
use crate::order::FileKind;

/// The date at time zero of a run, in seconds since 1970: 2024-01-01T00:00:00Z. No clock is read.
pub const BEGINNING: u64 = 1_704_067_200;

/// Letters of an id.
const LENGTH: usize = 25;

/// An instant of a run, which JSON has as a date (RFC 3339, nanoseconds without trailing zeros).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stamp(pub Time);

impl Stamp {
    /// How long ago it was.
    pub fn age(self, now: Time) -> Span {
        now.since(self.0)
    }

    /// As Go prints a time: `2024-01-01 00:00:05.25 +0000 UTC`.
    pub fn in_go(self) -> String {
        let (date, clock) = self.parts();
        format!("{date} {clock} +0000 UTC")
    }

    fn parts(self) -> (String, String) {
        let nanos = self.0.as_nanos();
        let (seconds, fraction) = (BEGINNING + nanos / 1_000_000_000, nanos % 1_000_000_000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = date(days);
        let mut clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
        if fraction != 0 {
            let digits = format!("{fraction:09}");
            clock.push_str(&format!(".{}", digits.trim_end_matches('0')));
        }
        (format!("{year:04}-{month:02}-{day:02}"), clock)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, clock) = self.parts();
        write!(f, "{date}T{clock}Z")
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Year, month and day of a day since 1970, in the Gregorian calendar: 400 years have 146,097 days, and a year that begins in
/// March has the same days before each month.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The ids of a run. The same thing has the same id under every strategy of a replication.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    seeds: Seeds,
}

impl Ids {
    /// Ids of a run with these roots of chance.
    pub fn new(seeds: Seeds) -> Ids {
        Ids { seeds }
    }

    /// Of the swarm.
    pub fn cluster(self) -> String {
        self.id("cluster")
    }

    /// Of a node. One that left and joined again has another.
    pub fn node(self, node: NodeId) -> String {
        self.id(&format!("node {}", node.index()))
    }

    /// Of a service.
    pub fn service(self, service: ServiceId) -> String {
        self.id(&format!("service {}", service.index()))
    }

    /// Of a task.
    pub fn task(self, task: TaskId) -> String {
        self.id(&format!("task {task}"))
    }

    /// Of an overlay network, by its number.
    pub fn network(self, number: usize) -> String {
        self.id(&format!("network {number}"))
    }

    /// Of a config or secret.
    pub fn file(self, kind: FileKind, name: &str) -> String {
        self.id(&format!("{} {name}", kind.word()))
    }

    /// Of what is an engine's own, such as a container: 64 hexadecimal digits.
    pub fn of_engine(self, what: &str) -> String {
        let two = ["", "'"].map(|mark| format!("{:032x}", self.number(&format!("{what}{mark}"))));
        two.concat()
    }

    fn number(self, what: &str) -> u128 {
        let mut rng = self.seeds.stream(Stream::Identity, entity(what));
        u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())
    }

    /// 25 digits in base 36, as SwarmKit `identity` makes them.
    fn id(self, what: &str) -> String {
        const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let mut rng = self.seeds.stream(Stream::Identity, entity(what));
        let mut id = String::with_capacity(LENGTH);
        while id.len() < LENGTH {
            // Twelve digits of a word are as good as even.
            let word = rng.next_u64();
            let digits = (0..12).map(|place| DIGITS[(word / 36u64.pow(place) % 36) as usize]);
            id.extend(digits.map(char::from).take(LENGTH - id.len()));
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn at(secs: u64) -> String {
        Stamp(Time::ZERO + Span::from_secs(secs)).to_string()
    }

    #[test]
    fn a_date_is_that_of_the_calendar() {
        assert_eq!(at(0), "2024-01-01T00:00:00Z");
        assert_eq!(at(59 * 86_400), "2024-02-29T00:00:00Z");
        assert_eq!(at(60 * 86_400 - 1), "2024-02-29T23:59:59Z");
        assert_eq!(at(60 * 86_400), "2024-03-01T00:00:00Z");
        assert_eq!(at(366 * 86_400), "2025-01-01T00:00:00Z");
        assert_eq!(at(76 * 365 * 86_400 + 19 * 86_400), "2100-01-01T00:00:00Z");
        let odd = Stamp(Time::ZERO + Span::from_nanos(5_250_000_010));
        assert_eq!(odd.to_string(), "2024-01-01T00:00:05.25000001Z");
        assert_eq!(odd.in_go(), "2024-01-01 00:00:05.25000001 +0000 UTC");
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
    }

    #[test]
    fn ids_look_like_swarm_s_and_differ() {
        let ids = Ids::new(Seeds::of(1, 1));
        let mut seen = BTreeSet::new();
        for number in 0..1000 {
            for id in
                [ids.node(NodeId::from_index(number)), ids.service(ServiceId::from_index(number)), ids.network(number)]
            {
                assert!(id.len() == LENGTH && id.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase()), "{id}");
                assert!(seen.insert(id));
            }
        }
        assert_eq!(ids.of_engine("container").len(), 64);
        assert_eq!(ids.cluster(), Ids::new(Seeds::of(1, 1)).cluster());
        assert_ne!(ids.cluster(), Ids::new(Seeds::of(1, 2)).cluster());
        assert_ne!(ids.cluster(), Ids::new(Seeds::of(2, 1)).cluster());
    }
}
