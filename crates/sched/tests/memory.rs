//! What is removed leaves no memory. Bytes are counted for the whole process, so this test is alone in its file.

use std::alloc::System;

use sched::spec::*;
use sched::{Config, Event, Manager, ServiceId, Span, TaskId, TaskState, Time};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

struct Driver {
    manager: Manager,
    now: Time,
}

impl Driver {
    fn create(&mut self, name: String, mode: Mode) -> ServiceId {
        let spec = ServiceSpec { mode, ..ServiceSpec::new(name, "image") };
        self.manager.create_service(self.now, spec, &mut Vec::new()).expect("a good service")
    }

    fn run(&mut self, span: Span) {
        let until = self.now + span;
        while let Some(at) = self.manager.deadline().filter(|at| *at < until) {
            self.manager.handle(at, Event::Deadline, &mut Vec::new()).expect("never refused");
        }
        self.now = until;
    }
}

/// Services and jobs come, get their nodes and are removed, one after the other, beside one that stays.
#[test]
fn services_that_were_removed_leave_no_memory() {
    let manager = Manager::new(Config::default()).expect("spread");
    let mut driver = Driver { manager, now: Time::ZERO };
    for _ in 0..20 {
        let resources = Resources { nano_cpus: 8_000_000_000, memory: 32 << 30, generic: Vec::new() };
        let description = Some(Description { resources, ..Description::default() });
        driver.manager.add_node(Time::ZERO, NodeSpec { description, ..NodeSpec::default() }, &mut Vec::new());
    }
    driver.create("stays".into(), Mode::Replicated { replicas: 30 });
    let mut held = Vec::new();
    for number in 0..8000_u64 {
        let mode = match number % 3 {
            0 => Mode::ReplicatedJob { max_concurrent: 2, total_completions: 2 },
            1 => Mode::Replicated { replicas: 3 },
            _ => Mode::Replicated { replicas: 0 },
        };
        let service = driver.create(format!("service{number}"), mode);
        driver.run(Span::from_millis(100));
        let tasks: Vec<TaskId> = driver.manager.cluster().services()[service].tasks().collect();
        driver.manager.remove_service(driver.now, service, &mut Vec::new()).expect("it is there");
        let report = |task| Event::TaskStatus { task, state: TaskState::Shutdown, error: None };
        let reports = tasks.into_iter().map(report);
        driver.manager.handle_all(driver.now, reports, &mut Vec::new()).expect("they are there");
        driver.run(Span::from_millis(400));
        assert!(driver.manager.cluster().services().get(service).is_none(), "service {service} is still there");
        if number % 4000 == 3999 {
            let stats = ALLOCATOR.stats();
            held.push(stats.bytes_allocated as i64 - stats.bytes_deallocated as i64);
        }
    }
    assert_eq!(driver.manager.cluster().services().len(), 1);
    driver.manager.check();
    // A pointer for every 64 rows, of services and of what they hold, in lists that double.
    let left = held[1] - held[0];
    assert!(left <= 4000, "{left} bytes are left of 4000 services");
}
