//! Why tasks wait for a node: every reason of every service, in Swarm's words, with how many waited for it and how long.

use std::collections::BTreeMap;
use std::sync::Arc;

use sched::Time;

/// Reasons that are kept: where nodes come and go each number of nodes makes another text.
const MOST: usize = 1000;

/// Tasks that wait, by why they do.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits {
    /// How many wait of a service with an error text, which has a row.
    groups: BTreeMap<(u32, u32), Group>,
    reasons: BTreeMap<(u32, Arc<str>), Reason>,
}

#[derive(Clone, Debug)]
struct Group {
    tasks: u64,
    since: Time,
}

/// What a reason has cost.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Reason {
    /// Tasks times nanoseconds.
    pub sum: u128,
    pub most: u64,
    pub first: Time,
    pub last: Time,
    pub open: u64,
}

impl Waits {
    /// One more or one less task of a service waits with the text of a row, which is this now.
    pub fn change(&mut self, now: Time, service: u32, row: u32, text: Option<&Arc<str>>, more: bool) {
        self.account(now, service, row, text);
        let group = self.groups.entry((service, row)).or_insert(Group { tasks: 0, since: now });
        group.tasks = if more { group.tasks + 1 } else { group.tasks - 1 };
        if group.tasks == 0 {
            self.groups.remove(&(service, row));
        }
    }

    /// What waited with the text of a row did so until now; from here on it may be another text.
    pub fn account(&mut self, now: Time, service: u32, row: u32, text: Option<&Arc<str>>) {
        let Some(group) = self.groups.get_mut(&(service, row)) else { return };
        let since = std::mem::replace(&mut group.since, now);
        let Some(text) = text else { return };
        let key = (service, Arc::clone(text));
        if MOST <= self.reasons.len() && !self.reasons.contains_key(&key) {
            return;
        }
        let reason = self.reasons.entry(key).or_insert(Reason { sum: 0, most: 0, first: since, last: since, open: 0 });
        reason.sum += u128::from((now - since).as_nanos()) * u128::from(group.tasks);
        (reason.most, reason.last) = (reason.most.max(group.tasks), now);
    }

    /// Counting begins anew.
    pub fn anew(&mut self, now: Time) {
        self.reasons.clear();
        self.groups.values_mut().for_each(|group| group.since = now);
    }

    /// Every reason of every service, at the end.
    pub fn close(mut self, now: Time, errors: &[Option<Arc<str>>]) -> BTreeMap<(u32, Arc<str>), Reason> {
        let open: Vec<((u32, u32), u64)> = self.groups.iter().map(|(key, group)| (*key, group.tasks)).collect();
        for ((service, row), tasks) in open {
            let text = errors[row as usize].as_ref();
            self.account(now, service, row, text);
            let reason = text.and_then(|text| self.reasons.get_mut(&(service, Arc::clone(text))));
            if let Some(reason) = reason {
                reason.open += tasks;
            }
        }
        self.reasons
    }
}

#[cfg(test)]
mod tests {
    use sched::Span;

    use super::*;

    #[test]
    fn a_reason_has_the_time_of_all_that_wait_for_it() {
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        let (one, other): (Arc<str>, Arc<str>) = ("no room".into(), "no rack".into());
        let mut waits = Waits::default();
        waits.change(at(0), 3, 1, Some(&one), true);
        waits.change(at(10), 3, 1, Some(&one), true);
        // After 20 s they are told something else, and one finds a node 5 s later.
        waits.account(at(20), 3, 1, Some(&one));
        waits.change(at(25), 3, 1, Some(&other), false);
        let reasons = waits.close(at(100), &[None, Some(Arc::clone(&other))]);
        let told: Vec<(&str, u128, u64, u64)> = reasons
            .iter()
            .map(|((_, text), reason)| (&**text, reason.sum / 1_000_000_000, reason.most, reason.open))
            .collect();
        assert_eq!(told, [("no rack", 2 * 5 + 75, 2, 1), ("no room", 10 + 2 * 10, 2, 0)]);
    }
}
