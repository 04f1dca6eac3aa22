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
    /// A task in the list of those of its group that wait is looked at.
    Waiting,
    /// A record or a node of a job is looked at, or a number for a new task.
    Record,
    /// A node or a task is looked at for a move that makes a service more even.
    Target,
    /// A task of a slot is looked at by a failover policy.
    Slot,
    /// A task on a drained node is looked at by a policy that drains step by step.
    Drained,
    /// A slot is looked at to bring a replicated service to its scale.
    Scale,
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
        static DONE: [Cell<u64>; 10] = const { [const { Cell::new(0) }; 10] };
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
    use crate::failover::{self, FAILOVERS, Part, Value};
    use crate::lab::{CPU, Lab};
    use crate::spec::{Availability, Mode, ServiceSpec, UpdateConfig};
    use crate::{Choice, Config, DesiredState, Event, NodeId, Row, Span, Task, TaskId, TaskState};

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
        // One ends at a time, and one of those that wait takes its place, by chance.
        let ends = 20;
        let groups = count(Work::Group, || {
            for _ in 0..ends {
                let mut tasks = lab.manager.cluster().tasks();
                let running = tasks.find(|(_, task)| task.state == TaskState::Running).expect("four run");
                let service = running.1.service;
                drop(tasks);
                lab.manager.remove_service(lab.now, service, &mut lab.out).expect("it is there");
                lab.sleep(1);
            }
        });
        assert_eq!(lab.count(waiting), services - 4 - ends);
        assert_eq!(lab.count(|task| task.state == TaskState::Running), 4);
        assert!((1..20 * ends).contains(&groups), "{groups} groups");
    }

    #[test]
    fn a_node_that_comes_and_goes_costs_nothing_for_each_task_that_waits() {
        let (nodes, replicas) = (20, 5000);
        let mut lab = Lab::new(nodes);
        let web = lab.create("web", replicas, |spec| spec.task.reservations.nano_cpus = CPU);
        lab.sleep(2);
        let waiting = |task: &Task| task.found_no_node();
        assert_eq!(lab.count(waiting), replicas - 4 * nodes as u64);
        let churns = 20;
        let mut told = 0;
        let looks = count(Work::Waiting, || {
            for number in 0..churns {
                let node = NodeId::from_index(number % nodes);
                lab.handle(Event::NodeDown(node));
                lab.out.clear();
                lab.sleep(10);
                lab.handle(Event::NodeUp(node));
                lab.sleep(10);
                told += lab.out.len();
            }
        });
        // Everybody waits for the reasons of today all the same.
        assert_eq!(lab.count(waiting), replicas - 4 * nodes as u64);
        lab.handle(Event::NodeDown(NodeId::from_index(3)));
        lab.sleep(2);
        let cluster = lab.manager.cluster();
        let texts = cluster.tasks().filter(|(_, task)| task.service == web && waiting(task));
        let mut texts: Vec<&str> = texts.map(|(_, task)| &**cluster.error(task).expect("it was told")).collect();
        assert_eq!(texts.len() as u64, replicas - 4 * (nodes as u64 - 1));
        texts.dedup();
        assert_eq!(
            texts,
            ["no suitable node (insufficient resources on 19 nodes; 1 node not available for new tasks)"]
        );
        assert!((1..200 * churns as u64).contains(&looks), "{looks} looks");
        assert!((1..200 * churns).contains(&told), "{told} commands");
    }
    #[test]
    fn the_end_of_a_task_of_a_job_costs_the_same_however_large_the_job_is() {
        let size = 400;
        let large = Mode::ReplicatedJob { max_concurrent: size, total_completions: 2 * size };
        for (mode, nodes, tasks) in [(large, 10, 2 * size), (Mode::GlobalJob, size as usize, size)] {
            let mut lab = Lab::new(nodes);
            lab.create("job", 0, |spec| spec.mode = mode);
            let records = count(Work::Record, || {
                while lab.count(|task| task.state == TaskState::Complete) < tasks {
                    lab.sleep(1);
                    let runs = |task: &Task| task.node.is_some() && task.state < TaskState::Complete;
                    let all = lab.manager.cluster().tasks().filter(|(_, task)| runs(task));
                    // Those that were created last end first, one after the other.
                    let running: Vec<TaskId> = all.map(|(id, _)| id).collect();
                    for task in running.into_iter().rev() {
                        lab.handle(Event::TaskStatus { task, state: TaskState::Complete, error: None });
                    }
                }
            });
            assert_eq!(lab.count(|_| true), tasks);
            assert!((tasks..20 * tasks).contains(&records), "{records} records and nodes of {tasks} tasks");
        }
    }

    /// A lab whose manager does what a policy says.
    fn lab_with(policy: Part, nodes: usize) -> Lab {
        let name = policy.name.clone();
        let build = move |seed| failover::build(std::slice::from_ref(&policy), seed).expect("it is a policy");
        Lab::with(Config { failover: Choice::own(name, build), ..Config::default() }, nodes)
    }

    #[test]
    fn a_move_that_evens_out_looks_at_a_few_nodes_for_each_task() {
        let nodes = 200;
        let mut lab = lab_with(Part::named("rebalance"), nodes);
        let web = lab.create("web", 2 * nodes as u64, |spec| {
            spec.task.placement.preferences = vec!["node.labels.rack".into()];
        });
        lab.sleep(1);
        lab.handle(Event::NodeDown(NodeId::from_index(0)));
        lab.sleep(20);
        let targets = count(Work::Target, || {
            lab.handle(Event::NodeUp(NodeId::from_index(0)));
            lab.sleep(60);
        });
        let back = lab.count(|task| task.service == web && task.node == Some(NodeId::from_index(0)) && runs(task));
        assert_eq!(back, 2);
        // It looks three times: for each of two moves, and to find that there is no third.
        assert!((nodes as u64..16 * nodes as u64).contains(&targets), "{targets} nodes and tasks");
    }

    fn runs(task: &Task) -> bool {
        task.desired == DesiredState::Running && task.state == TaskState::Running
    }

    #[test]
    fn nodes_that_return_beside_their_replacements_cost_the_same_for_each_task() {
        let patient = Part::named("nomad").with("lost_after", Value::Span(Span::from_secs(600)));
        for policy in [Part::named("marathon"), patient] {
            let (nodes, replicas, name) = (20, 2000, policy.name.clone());
            let mut lab = lab_with(policy, nodes);
            lab.create("web", replicas, |_| {});
            lab.sleep(1);
            let half = || (0..nodes / 2).map(NodeId::from_index);
            half().for_each(|node| lab.handle(Event::NodeDown(node)));
            lab.sleep(20);
            let looks = count(Work::Slot, || {
                half().for_each(|node| lab.handle(Event::NodeUp(node)));
                lab.sleep(700);
            });
            assert_eq!(lab.count(runs), replicas, "{name}");
            assert!((replicas / 2..8 * replicas).contains(&looks), "{looks} looks of {name}");
        }
    }

    #[test]
    fn a_drain_step_by_step_looks_at_a_task_a_few_times() {
        let (nodes, services, replicas) = (20, 20, 50);
        let mut lab = lab_with(Part::named("nomad"), nodes);
        for number in 0..services {
            lab.create(&format!("s{number}"), replicas, |_| {});
        }
        lab.sleep(1);
        let looks = count(Work::Drained, || {
            for node in 0..nodes / 2 {
                let node = NodeId::from_index(node);
                lab.manager.set_availability(lab.now, node, Availability::Drain, &mut lab.out).expect("it is there");
                lab.sleep(1);
            }
            lab.sleep(3000);
        });
        let left = |task: &Task| runs(task) && task.node.is_some_and(|node| node.index() < nodes / 2);
        assert_eq!((lab.count(left), lab.count(runs)), (0, services * replicas));
        assert!((services * replicas / 2..4 * services * replicas).contains(&looks), "{looks} looks");
    }

    #[test]
    fn records_of_tasks_that_are_lost_twice_are_deleted_without_a_look_at_all_slots() {
        for policy in FAILOVERS {
            let (nodes, replicas, name) = (8, 2000, policy.name);
            let build = move |seed| failover::build(&[Part::named(name)], seed).expect("it is a policy");
            let failover = Choice::own(name, build);
            let mut lab = Lab::with(Config { failover, task_history: 1, ..Config::default() }, nodes);
            lab.create("web", replicas, |_| {});
            lab.sleep(1);
            let all = || (0..nodes).map(NodeId::from_index);
            let slots = count(Work::Scale, || {
                for node in all() {
                    lab.handle(Event::NodeDown(node));
                    lab.sleep(1);
                }
                all().for_each(|node| lab.handle(Event::NodeUp(node)));
                // They had no power.
                let tasks = lab.manager.cluster().tasks();
                let lost: Vec<TaskId> = tasks.filter(|(_, task)| runs(task)).map(|(id, _)| id).collect();
                for task in lost {
                    lab.handle(Event::TaskStatus { task, state: TaskState::Failed, error: None });
                }
                lab.sleep(700);
            });
            assert_eq!(lab.count(runs), replicas, "{name}");
            assert!(slots <= 16 * replicas, "{slots} slots are looked at with {name}");
        }
    }
}
