//! Counts of what is done, for tests that hold how work grows. Other builds count nothing.

/// Something that is done often.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// Two specifications are compared.
    Comparison,
    /// A worker of an update is looked at.
    Worker,
    /// A group of waiting tasks is asked for.
    Group,
    /// A place in the list of a node's tasks is looked at.
    Place,
}

pub(crate) fn count(work: Work) {
    count_many(work, 1);
}

#[cfg(not(test))]
pub(crate) fn count_many(_: Work, _: usize) {}

#[cfg(test)]
pub(crate) use counts::{count_many, done};

#[cfg(test)]
mod counts {
    use std::cell::Cell;

    use super::Work;

    thread_local! {
        static DONE: [Cell<u64>; 4] = const { [const { Cell::new(0) }; 4] };
    }

    pub(crate) fn count_many(work: Work, times: usize) {
        DONE.with(|done| done[work as usize].update(|number| number + times as u64));
    }

    /// How often it was done in this thread.
    pub(crate) fn done(work: Work) -> u64 {
        DONE.with(|done| done[work as usize].get())
    }
}

#[cfg(test)]
mod tests {
    use super::{Work, done};
    use crate::lab::{CPU, Lab};
    use crate::spec::{Mode, ServiceSpec, UpdateConfig};
    use crate::{NodeId, Row, ServiceId, Task, TaskState};

    /// How often something is done in a story.
    fn count(work: Work, story: impl FnOnce()) -> u64 {
        let before = done(work);
        story();
        done(work) - before
    }

    #[test]
    fn an_update_of_all_slots_at_once_looks_at_few_workers_for_each() {
        let slots = 500;
        let mut lab = Lab::new(2);
        let all_at_once = Some(UpdateConfig { parallelism: 0, ..UpdateConfig::default() });
        let web = lab.create("web", slots, |spec| spec.update = all_at_once);
        lab.sleep(1);
        let looks = count(Work::Worker, || {
            lab.update(web, |spec| spec.task.container.image = "new".into());
            lab.sleep(10);
        });
        let is_new = |task: &Task| task.state == TaskState::Running && task.spec.task.container.image == "new";
        assert_eq!(lab.count(is_new), slots);
        assert!((slots..16 * slots).contains(&looks), "{looks} looks");
    }

    #[test]
    fn a_scaling_compares_specifications_once_for_all_tasks() {
        let mut lab = Lab::new(2);
        let web = lab.create("web", 100, |_| {});
        lab.sleep(1);
        let scalings = 50;
        let comparisons = count(Work::Comparison, || {
            for number in 0..scalings {
                lab.update(web, |spec| spec.mode = Mode::Replicated { replicas: 100 + number % 2 });
                lab.sleep(1);
            }
        });
        assert!(comparisons <= 2 * scalings, "{comparisons} comparisons");
        // Tasks of many versions that differ are compared by version, not by task.
        let comparisons = count(Work::Comparison, || {
            lab.update(web, |spec| spec.task.container.image = "new".into());
            lab.sleep(5);
            lab.update(web, |spec| spec.task.container.image = "newer".into());
        });
        assert!((1..=4 * 50).contains(&comparisons), "{comparisons} comparisons");
    }

    #[test]
    fn the_end_of_a_service_costs_the_same_for_each_task_of_a_crowded_node() {
        let replicas = 2000;
        let mut lab = Lab::new(1);
        let web = lab.create("web", replicas, |_| {});
        lab.sleep(1);
        let places = count(Work::Place, || {
            lab.manager.remove_service(lab.now, web, &mut lab.out).expect("it is there");
            lab.sleep(10);
        });
        assert_eq!(lab.count(|_| true), 0);
        assert!((replicas / 2..64 * replicas).contains(&places), "{places} places");
        assert_eq!(lab.manager.cluster().tasks_on(NodeId::from_index(0)).count(), 0);
    }

    #[test]
    fn services_that_found_no_place_for_the_same_reasons_are_asked_once() {
        let services = 200;
        let mut lab = Lab::new(1);
        let needs = |spec: &mut ServiceSpec| spec.task.reservations.nano_cpus = CPU;
        for number in 0..services {
            lab.create(&format!("s{number}"), 1, needs);
        }
        lab.sleep(1);
        let waiting = |task: &Task| task.state == TaskState::Pending;
        assert_eq!(lab.count(waiting), services - 4);
        // One ends at a time, and the oldest that waits takes its place.
        let ends = 20;
        let groups = count(Work::Group, || {
            for number in 0..ends {
                let service = ServiceId::from_index(number);
                lab.manager.remove_service(lab.now, service, &mut lab.out).expect("it is there");
                lab.sleep(1);
            }
        });
        assert_eq!(lab.count(waiting), services - 4 - ends as u64);
        let next = ServiceId::from_index(ends + 3);
        assert_eq!(lab.count(|task| task.service == next && task.state == TaskState::Running), 1);
        assert!((1..20 * ends as u64).contains(&groups), "{groups} groups");
    }
}
