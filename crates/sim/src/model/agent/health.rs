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

/// When a container is well: from `ready` after its start until `unhealthy_after` after its start, if ever.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct HealthPlan {
    pub ready: Span,
    pub unhealthy_after: Option<Span>,
    /// Whether probes of an ill container hang until their timeout, or fail at once.
    pub probe_hangs: bool,
}

/// What the probes find, as times from the start.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct HealthOutcome {
    /// The first healthy probe.
    pub healthy: Option<Span>,
    /// The failing probe that makes the container unhealthy.
    pub unhealthy: Option<Span>,
}

/// The course of a container; `None` without a health check.
///
/// The gap to the next probe begins when the last one is over. While the container was never healthy, gaps within the
/// start period are those of `start_interval`, and failures within it do not count.
pub(super) fn course(spec: &ContainerSpec, plan: HealthPlan) -> Option<HealthOutcome> {
    let check = spec.health.as_ref()?;
    if check.test.first().is_none_or(|test| test == "NONE") {
        return None;
    }
    let given = |span: Option<Span>, default| span.filter(|&span| span != Span::ZERO).unwrap_or(default);
    let interval = given(check.interval, INTERVAL);
    let start_interval = given(check.start_interval, START_INTERVAL);
    let failure = if plan.probe_hangs { given(check.timeout, TIMEOUT) } else { Span::ZERO };
    let retries = if check.retries == 0 { RETRIES } else { check.retries };
    let HealthCheck { start_period, .. } = *check;

    let mut found = HealthOutcome { healthy: None, unhealthy: None };
    let (mut now, mut streak) = (Span::ZERO, 0);
    loop {
        let starting = found.healthy.is_none() && now < start_period;
        let gap = if starting { start_interval } else { interval };
        let is_well = |at: Span| plan.ready <= at && plan.unhealthy_after.is_none_or(|end| at < end);
        let is_hopeless = plan.unhealthy_after.is_some_and(|end| end <= now.max(plan.ready));
        // Probes that change nothing, and failures that are certain, are passed over at one stride.
        if starting {
            let quiet = if is_hopeless { start_period } else { plan.ready.min(start_period) };
            now = plus(now, times(plus(gap, failure), probes_before(quiet, now, plus(gap, failure))));
        } else if is_well(now) {
            if let (Some(_), Some(end)) = (found.healthy, plan.unhealthy_after) {
                now = plus(now, times(gap, probes_before(end, now, gap)));
            }
        } else {
            let left = retries - streak - 1;
            let certain = if is_hopeless { left } else { probes_before(plan.ready, now, plus(gap, failure)).min(left) };
            now = plus(now, times(plus(gap, failure), certain));
            streak += certain;
        }
        now = plus(now, gap);
        if is_well(now) {
            streak = 0;
            found.healthy.get_or_insert(now);
            if plan.unhealthy_after.is_none() {
                return Some(found);
            }
            continue;
        }
        // A probe counts by the time at which it began (`handleProbeResult` compares `result.Start`).
        let counts = found.healthy.is_some() || start_period <= now;
        now = plus(now, failure);
        if counts {
            streak += 1;
        }
        if retries <= streak {
            found.unhealthy = Some(now);
            return Some(found);
        }
    }
}

/// Whole strides from `now` that end before `end`, less one: the probe after them may be the first that differs.
fn probes_before(end: Span, now: Span, stride: Span) -> u64 {
    (end.as_nanos().saturating_sub(now.as_nanos()) / stride.as_nanos()).saturating_sub(1)
}

fn times(span: Span, count: u64) -> Span {
    Span::from_nanos(span.as_nanos().saturating_mul(count))
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
            interval: Some(secs(interval)).filter(|span| *span != Span::ZERO),
            timeout: Some(secs(2)),
            retries,
            start_period: secs(start_period),
            start_interval: None,
        };
        ContainerSpec { health: Some(health), ..ContainerSpec::default() }
    }

    fn of(spec: &ContainerSpec, plan: HealthPlan) -> (Option<u64>, Option<u64>) {
        let course = course(spec, plan).expect("there is a check");
        let secs = |span: Option<Span>| span.map(|span| span.as_nanos() / 1_000_000_000);
        (secs(course.healthy), secs(course.unhealthy))
    }

    #[test]
    fn a_good_container_is_healthy_after_one_gap_and_stays_so() {
        assert_eq!(of(&check(0, 0, 0), HealthPlan::default()), (Some(30), None));
        assert_eq!(of(&check(10, 0, 0), HealthPlan::default()), (Some(10), None));
        assert_eq!(of(&check(10, 0, 60), HealthPlan::default()), (Some(5), None), "the start interval");
        assert_eq!(course(&ContainerSpec::default(), HealthPlan::default()), None);
    }

    #[test]
    fn a_bad_container_is_unhealthy_after_as_many_gaps_as_retries() {
        let never = HealthPlan { ready: secs(1_000_000_000), ..HealthPlan::default() };
        assert_eq!(of(&check(0, 0, 0), never), (None, Some(90)));
        assert_eq!(of(&check(10, 2, 0), never), (None, Some(20)));
        assert_eq!(
            of(&check(10, 2, 0), HealthPlan { probe_hangs: true, ..never }),
            (None, Some(24)),
            "and two timeouts"
        );
        // Probes at 5, 10, ... 60 s, the one at the end of the period counts; the next one comes a gap later.
        assert_eq!(of(&check(10, 2, 60), never), (None, Some(70)));
    }

    #[test]
    fn a_slow_starter_needs_a_start_period() {
        let slow = HealthPlan { ready: secs(42), ..HealthPlan::default() };
        assert_eq!(of(&check(10, 3, 0), slow), (None, Some(30)), "given up before it is ready");
        assert_eq!(of(&check(10, 3, 60), slow), (Some(45), None));
        assert_eq!(of(&check(10, 5, 0), slow), (Some(50), None));
    }

    #[test]
    fn what_falls_ill_is_found_after_its_retries() {
        let ill = HealthPlan { unhealthy_after: Some(secs(1000)), ..HealthPlan::default() };
        // Healthy at 10, 20, ... 990 s; ill at 1000, 1010 and 1020 s.
        assert_eq!(of(&check(10, 3, 0), ill), (Some(10), Some(1020)));
        assert_eq!(of(&check(10, 3, 0), HealthPlan { probe_hangs: true, ..ill }), (Some(10), Some(1026)));
    }

    #[test]
    fn a_probe_that_begins_within_the_start_period_does_not_count_however_long_it_hangs() {
        let never = HealthPlan { ready: secs(1_000_000_000), probe_hangs: true, ..HealthPlan::default() };
        // Probes hang for 2 s and begin at 5, 12, 19 and 26 s: the period of 20 s ends while the third one hangs, whose gap
        // was a short one; the fourth one begins a gap of 10 s after that, at 31 s, and is the first that counts.
        assert_eq!(of(&check(10, 1, 20), never), (None, Some(33)));
        // With a period of 18 s the third one begins after its end and counts.
        assert_eq!(of(&check(10, 1, 18), never), (None, Some(21)));
    }

    #[test]
    fn long_waits_cost_nothing() {
        // Ill before it is ever ready, in a start period of a hundred years; and a million failures in a row.
        let doomed = HealthPlan { ready: secs(20), unhealthy_after: Some(secs(10)), probe_hangs: true };
        assert_eq!(of(&check(10, 1, 3_000_000_000), doomed).0, None);
        assert_eq!(of(&check(10, 1_000_000_000, 0), doomed), (None, Some(12_000_000_000)));
        let late = HealthPlan {
            ready: secs(3_000_000_000),
            unhealthy_after: Some(secs(3_100_000_000)),
            ..HealthPlan::default()
        };
        assert_eq!(of(&check(1, 1, 3_000_000_000), late).1, Some(3_100_000_000));
    }
}
