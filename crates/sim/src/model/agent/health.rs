//! Health checks: when probes find a container healthy for the first time, and when they find it unhealthy (moby
//! `daemon/health.go`).
//!
//! What happens is decided when the container starts, so no probe is an event.

use sched::Span;
use sched::spec::{ContainerSpec, HealthCheck};

/// moby `daemon/health.go`: gap between probes, and within the start period; longest probe; failures in a row.
const INTERVAL: Span = Span::from_secs(30);
const START_INTERVAL: Span = Span::from_secs(5);
const TIMEOUT: Span = Span::from_secs(30);
const RETRIES: u64 = 3;

/// When a container is well: from `ready` after its start until `sick` after its start, if ever.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Condition {
    pub ready: Span,
    pub sick: Option<Span>,
    /// Whether probes of an ill container hang until their timeout, or fail at once.
    pub hangs: bool,
}

/// What the probes find, as times from the start.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Course {
    /// The first healthy probe.
    pub healthy: Option<Span>,
    /// The failing probe that makes the container unhealthy.
    pub unhealthy: Option<Span>,
}

/// The course of a container; `None` without a health check.
///
/// The gap to the next probe begins when the last one is over. While the container was never healthy, gaps within the
/// start period are those of `start_interval`, and failures within it do not count.
pub(super) fn course(spec: &ContainerSpec, condition: Condition) -> Option<Course> {
    let check = spec.health.as_ref()?;
    if check.test.first().is_none_or(|it| it == "NONE") {
        return None;
    }
    let given = |span: Option<Span>, default| span.filter(|&it| it != Span::ZERO).unwrap_or(default);
    let interval = given(check.interval, INTERVAL);
    let start_interval = given(check.start_interval, START_INTERVAL);
    let failure = if condition.hangs { given(check.timeout, TIMEOUT) } else { Span::ZERO };
    let retries = if check.retries == 0 { RETRIES } else { check.retries };
    let HealthCheck { start_period, .. } = *check;

    let mut found = Course { healthy: None, unhealthy: None };
    let (mut now, mut streak) = (Span::ZERO, 0);
    loop {
        let starting = found.healthy.is_none() && now < start_period;
        let gap = if starting { start_interval } else { interval };
        let is_well = |at: Span| condition.ready <= at && condition.sick.is_none_or(|sick| at < sick);
        // Probes that change nothing are passed over at one stride.
        let quiet = if starting {
            if start_period < condition.ready { start_period } else { condition.ready }
        } else if let (Some(_), Some(sick)) = (found.healthy, condition.sick) {
            sick
        } else {
            Span::ZERO
        };
        let left = quiet.as_nanos().saturating_sub(now.as_nanos());
        let stride = if starting { plus(gap, failure) } else { gap };
        let strides = (left / stride.as_nanos()).saturating_sub(1);
        now = Span::from_nanos(now.as_nanos().saturating_add(strides.saturating_mul(stride.as_nanos())));
        now = plus(now, gap);
        if is_well(now) {
            streak = 0;
            found.healthy.get_or_insert(now);
            if condition.sick.is_none() {
                return Some(found);
            }
            continue;
        }
        now = plus(now, failure);
        if found.healthy.is_none() && now < start_period {
            continue;
        }
        streak += 1;
        if retries <= streak {
            found.unhealthy = Some(now);
            return Some(found);
        }
    }
}

fn plus(a: Span, b: Span) -> Span {
    Span::from_nanos(a.as_nanos().saturating_add(b.as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Span {
        Span::from_secs(secs)
    }

    fn check(interval: u64, retries: u64, start_period: u64) -> ContainerSpec {
        let health = HealthCheck {
            test: vec!["CMD".into(), "true".into()],
            interval: Some(secs(interval)).filter(|it| *it != Span::ZERO),
            timeout: Some(secs(2)),
            retries,
            start_period: secs(start_period),
            start_interval: None,
        };
        ContainerSpec { health: Some(health), ..ContainerSpec::default() }
    }

    fn of(spec: &ContainerSpec, condition: Condition) -> (Option<u64>, Option<u64>) {
        let it = course(spec, condition).expect("there is a check");
        let secs = |span: Option<Span>| span.map(|it| it.as_nanos() / 1_000_000_000);
        (secs(it.healthy), secs(it.unhealthy))
    }

    #[test]
    fn a_good_container_is_healthy_after_one_gap_and_stays_so() {
        assert_eq!(of(&check(0, 0, 0), Condition::default()), (Some(30), None));
        assert_eq!(of(&check(10, 0, 0), Condition::default()), (Some(10), None));
        assert_eq!(of(&check(10, 0, 60), Condition::default()), (Some(5), None), "the start interval");
        assert_eq!(course(&ContainerSpec::default(), Condition::default()), None);
    }

    #[test]
    fn a_bad_container_is_unhealthy_after_as_many_gaps_as_retries() {
        let never = Condition { ready: secs(1_000_000_000), ..Condition::default() };
        assert_eq!(of(&check(0, 0, 0), never), (None, Some(90)));
        assert_eq!(of(&check(10, 2, 0), never), (None, Some(20)));
        assert_eq!(of(&check(10, 2, 0), Condition { hangs: true, ..never }), (None, Some(24)), "and two timeouts");
        // Probes at 5, 10, ... 60 s, the one at the end of the period counts; the next one comes a gap later.
        assert_eq!(of(&check(10, 2, 60), never), (None, Some(70)));
    }

    #[test]
    fn a_slow_starter_needs_a_start_period() {
        let slow = Condition { ready: secs(42), ..Condition::default() };
        assert_eq!(of(&check(10, 3, 0), slow), (None, Some(30)), "given up before it is ready");
        assert_eq!(of(&check(10, 3, 60), slow), (Some(45), None));
        assert_eq!(of(&check(10, 5, 0), slow), (Some(50), None));
    }

    #[test]
    fn what_falls_ill_is_found_after_its_retries() {
        let ill = Condition { sick: Some(secs(1000)), ..Condition::default() };
        // Healthy at 10, 20, ... 990 s; ill at 1000, 1010 and 1020 s.
        assert_eq!(of(&check(10, 3, 0), ill), (Some(10), Some(1020)));
        assert_eq!(of(&check(10, 3, 0), Condition { hangs: true, ..ill }), (Some(10), Some(1026)));
    }

    #[test]
    fn long_waits_cost_nothing() {
        let late = Condition { ready: secs(3_000_000_000), sick: Some(secs(3_100_000_000)), ..Condition::default() };
        assert_eq!(of(&check(1, 1, 3_000_000_000), late).1, Some(3_100_000_000));
    }
}
