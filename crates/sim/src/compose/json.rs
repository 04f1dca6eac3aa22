//! Stacks and problems in JSON, services with the names and units of Docker's API.

use sched::Span;
use sched::spec::{
    EndpointMode, FailureAction, Mode, Protocol, PublishMode, Resources, RestartCondition, ServiceSpec, Units,
    UpdateConfig, UpdateOrder,
};
use serde_json::{Value, json};

use super::{Problem, Stack, StackFile, Stage};

/// A stack with all of its services.
pub fn stack(stack: &Stack) -> Value {
    let file = |file: &StackFile| json!({"key": file.key, "name": file.name, "external": file.external});
    json!({
        "services": stack.services.iter().map(|entry| service(&entry.spec)).collect::<Vec<_>>(),
        "networks": stack.networks.iter().map(|network| json!({
            "key": network.key, "name": network.name, "external": network.external, "driver": network.driver,
            "subnets": network.subnets,
            "attachable": network.attachable, "internal": network.internal,
        })).collect::<Vec<_>>(),
        "volumes": stack.volumes.iter().map(|volume| json!({
            "key": volume.key, "name": volume.name, "external": volume.external, "driver": volume.driver,
        })).collect::<Vec<_>>(),
        "secrets": stack.secrets.iter().map(file).collect::<Vec<_>>(),
        "configs": stack.configs.iter().map(file).collect::<Vec<_>>(),
        "warnings": stack.warnings,
    })
}

/// A problem; what is not known is null.
pub fn problem(problem: &Problem) -> Value {
    let stage = match problem.stage {
        Stage::Load => "load",
        Stage::Deploy => "deploy",
        Stage::Engine => "engine",
        Stage::Simulator => "simulator",
    };
    json!({
        "file": problem.file.display().to_string(), "line": problem.place.map(|at| at.line),
        "column": problem.place.map(|at| at.column), "stage": stage, "message": problem.message,
    })
}

/// The text for a protocol.
pub fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

/// The text for a restart condition.
pub fn restart_condition(condition: RestartCondition) -> &'static str {
    match condition {
        RestartCondition::None => "none",
        RestartCondition::OnFailure => "on-failure",
        RestartCondition::Any => "any",
    }
}

/// The text for an order of update.
pub fn update_order(order: UpdateOrder) -> &'static str {
    match order {
        UpdateOrder::StopFirst => "stop-first",
        UpdateOrder::StartFirst => "start-first",
    }
}

/// The text for what an update does on failure.
pub fn failure_action(action: FailureAction) -> &'static str {
    match action {
        FailureAction::Pause => "pause",
        FailureAction::Continue => "continue",
        FailureAction::Rollback => "rollback",
    }
}

/// A service: durations in nanoseconds, CPUs in billionths, sizes in bytes.
pub fn service(spec: &ServiceSpec) -> Value {
    let nanos = |span: Option<Span>| span.map(Span::as_nanos);
    let resources = |resources: &Resources| {
        let generic = resources.generic.iter().map(|generic| match &generic.units {
            Units::Count(count) => json!({"DiscreteResourceSpec": {"Kind": generic.kind, "Value": count}}),
            Units::Named(name) => json!({"NamedResourceSpec": {"Kind": generic.kind, "Value": name}}),
        });
        json!({"NanoCPUs": resources.nano_cpus, "MemoryBytes": resources.memory, "GenericResources": generic.collect::<Vec<_>>()})
    };
    let update = |update: UpdateConfig| {
        json!({
            "Parallelism": update.parallelism, "Delay": update.delay.as_nanos(), "Monitor": nanos(update.monitor),
            "FailureAction": failure_action(update.failure_action), "MaxFailureRatio": update.max_failure_ratio,
            "Order": update_order(update.order),
        })
    };
    let container = &spec.task.container;
    let placement = &spec.task.placement;
    json!({
        "Name": spec.name,
        "Labels": spec.labels,
        "Mode": match spec.mode {
            Mode::Replicated { replicas } => json!({"Replicated": {"Replicas": replicas}}),
            Mode::Global => json!({"Global": {}}),
            Mode::ReplicatedJob { max_concurrent, total_completions } => {
                json!({"ReplicatedJob": {"MaxConcurrent": max_concurrent, "TotalCompletions": total_completions}})
            }
            Mode::GlobalJob => json!({"GlobalJob": {}}),
        },
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": container.image, "Command": container.command, "Args": container.args, "Env": container.env,
                "Labels": container.labels, "Hostname": container.hostname,
                "StopGracePeriod": nanos(container.stop_grace), "StopSignal": container.stop_signal,
                "Healthcheck": container.health.as_ref().map(|health| json!({
                    "Test": health.test, "Interval": nanos(health.interval), "Timeout": nanos(health.timeout),
                    "Retries": health.retries, "StartPeriod": health.start_period.as_nanos(),
                    "StartInterval": nanos(health.start_interval),
                })),
                "Mounts": container.mounts, "VolumeDrivers": container.volume_drivers, "Files": container.files,
            },
            "Resources": {"Limits": resources(&spec.task.limits), "Reservations": resources(&spec.task.reservations)},
            "RestartPolicy": spec.task.restart.map(|restart| json!({
                "Condition": restart_condition(restart.condition), "Delay": nanos(restart.delay),
                "MaxAttempts": restart.max_attempts, "Window": restart.window.as_nanos(),
            })),
            "Placement": {
                "Constraints": placement.constraints, "MaxReplicas": placement.max_replicas,
                "Preferences": (placement.preferences.iter())
                    .map(|preference| json!({"Spread": {"SpreadDescriptor": preference}})).collect::<Vec<_>>(),
            },
            "Networks": spec.task.networks, "NetworkDrivers": spec.task.network_drivers,
            "LogDriver": spec.task.log_driver, "ForceUpdate": spec.task.force_update,
        },
        "UpdateConfig": spec.update.map(update),
        "RollbackConfig": spec.rollback.map(update),
        "EndpointSpec": {
            "Mode": match spec.endpoint.mode { EndpointMode::Vip => "vip", EndpointMode::DnsRoundRobin => "dnsrr" },
            "Ports": spec.endpoint.ports.iter().map(|port| json!({
                "Protocol": protocol(port.protocol), "TargetPort": port.target, "PublishedPort": port.published,
                "PublishMode": match port.mode { PublishMode::Ingress => "ingress", PublishMode::Host => "host" },
            })).collect::<Vec<_>>(),
        },
    })
}
