//! CA: what the API refuses, and in which words.

use crate::swarm::*;

fn refusal(service: ServiceBuilder) -> String {
    Swarm::new().try_create(service).err().unwrap_or_default()
}

#[test]
fn ca_01_counts_that_are_negative_numbers_in_disguise() {
    const MOST: u64 = i64::MAX as u64;
    let cases = [
        (service("web").replicas(MOST + 1), "Number of replicas must be non-negative"),
        (service("web").replicas(u64::MAX), "Number of replicas must be non-negative"),
        (service("job").job(MOST + 1, 1), "Maximum concurrent jobs must not be negative"),
        (service("job").job(1, MOST + 1), "Total completed jobs must not be negative"),
        (service("job").job(MOST, 0), ""),
    ];
    for (service, text) in cases {
        assert_eq!(refusal(service), text);
    }
}

#[test]
fn ca_02_ca_03_ca_07_numbers_out_of_range() {
    let web = || service("web");
    let ratio = |max_failure_ratio| web().updating(UpdateConfig { max_failure_ratio, ..UpdateConfig::default() });
    let health = |change: fn(&mut HealthCheck)| {
        let mut service = web();
        let mut health = HealthCheck {
            test: vec!["true".into()],
            interval: None,
            timeout: None,
            retries: 0,
            start_period: Span::ZERO,
            start_interval: None,
        };
        change(&mut health);
        service.0.task.container.health = Some(health);
        service
    };
    let mounts = |mounts: &[&str]| {
        let mut service = web();
        service.0.task.container.mounts = mounts.iter().map(|mount| (*mount).into()).collect();
        service
    };
    let out_of_range = "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1";
    let twice = "EndpointSpec: duplicate published ports provided";
    let cases: Vec<(&str, ServiceBuilder, &str)> = vec![
        ("CA-02", ratio(-0.1), out_of_range),
        ("CA-02", ratio(1.1), out_of_range),
        ("CA-02", ratio(f32::NAN), out_of_range),
        ("CA-02", ratio(0.5), ""),
        ("CA-02", ratio(0.0), ""),
        ("CA-02", ratio(1.0), ""),
        (
            "CA-03",
            web().dns_round_robin().ingress_port(80, Protocol::Tcp),
            "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
        ),
        ("CA-03", web().dns_round_robin().host_port(80, Protocol::Tcp), ""),
        ("CA-03", web().ingress_port(80, Protocol::Tcp).ingress_port(80, Protocol::Tcp), twice),
        ("CA-03", web().ingress_port(80, Protocol::Tcp).host_port(80, Protocol::Tcp), twice),
        ("CA-03", web().ingress_port(80, Protocol::Tcp).ingress_port(80, Protocol::Udp), ""),
        ("CA-03", web().ingress_port(0, Protocol::Tcp).ingress_port(0, Protocol::Tcp), ""),
        ("CA-07", web().image(""), "ContainerSpec: image reference must be provided"),
        (
            "CA-07",
            health(|health| health.interval = Some(Span::from_nanos(999_999))),
            "ContainerSpec: Interval in HealthConfig cannot be less than 1ms",
        ),
        (
            "CA-07",
            health(|health| health.timeout = Some(Span::from_nanos(1))),
            "ContainerSpec: Timeout in HealthConfig cannot be less than 1ms",
        ),
        (
            "CA-07",
            health(|health| health.start_period = Span::from_nanos(1)),
            "ContainerSpec: StartPeriod in HealthConfig cannot be less than 1ms",
        ),
        ("CA-07", health(|health| health.interval = Some(millis(1))), ""),
        ("CA-07", health(|health| health.interval = Some(Span::ZERO)), ""),
        ("CA-07", mounts(&["one:/data", "two:/data"]), "ContainerSpec: duplicate mount point: /data"),
        ("CA-07", mounts(&["one:/data", "one:/more"]), ""),
        ("CA-07", mounts(&["/data", "/data"]), "ContainerSpec: duplicate mount point: /data"),
    ];
    for (case, service, text) in cases {
        assert_eq!(refusal(service), text, "{case}");
    }
}

#[test]
fn ca_04_published_ports_of_two_services() {
    use Protocol::{Tcp, Udp};
    let ingress = |name: &str, port, protocol| service(name).ingress_port(port, protocol);
    let host = |name: &str, port, protocol| service(name).host_port(port, protocol);
    let cases = [
        (ingress("a", 80, Tcp), ingress("b", 80, Tcp), "an ingress port"),
        (ingress("a", 80, Tcp), ingress("b", 80, Udp), ""),
        (ingress("a", 0, Tcp), ingress("b", 0, Tcp), ""),
        (host("a", 80, Tcp), host("b", 80, Tcp), ""),
        (host("a", 80, Tcp), ingress("b", 80, Tcp), "a host-published port"),
        (ingress("a", 80, Tcp), host("b", 80, Tcp), "an ingress port"),
    ];
    for (first, second, clash) in cases {
        let mut swarm = Swarm::new();
        swarm.create(first);
        let done = swarm.try_create(second);
        match clash {
            "" => assert_eq!(done, Ok(())),
            kind => {
                let text = done.expect_err("a clash");
                assert!(text.starts_with("port '80' is already in use by service 'a' ("), "{text}");
                assert!(text.ends_with(&format!(") as {kind}")), "{text}");
                // The name of the other one is free, and its port when it is gone.
                swarm.remove("a");
                assert_eq!(swarm.try_create(service("b").ingress_port(80, Tcp)), Ok(()));
            }
        }
    }
    // A service does not clash with itself.
    let mut swarm = Swarm::new();
    swarm.create(ingress("a", 80, Tcp));
    assert_eq!(swarm.try_update("a", |service| service.image("v2")), Ok(()));
}

#[test]
fn ca_06_names_and_modes_stay() {
    let mut swarm = Swarm::new();
    swarm.create(service("web"));
    swarm.create(service("all").global());
    let exists = "name conflicts with an existing object: service web already exists";
    let refused = swarm.try_create(service("web")).expect_err("refused");
    assert!(refused.ends_with(exists), "{refused}");
    let rename = swarm.try_update("web", |mut service| {
        service.0.name = "other".into();
        service
    });
    assert_eq!(rename, Err("renaming services is not supported".into()));
    let mode = swarm.try_update("web", ServiceBuilder::global);
    assert_eq!(mode, Err("service mode change is not allowed".into()));
    // Both: the mode is looked at first.
    let both = swarm.try_update("all", |mut service| {
        service.0.name = "web".into();
        service.replicas(1)
    });
    assert_eq!(both, Err("service mode change is not allowed".into()));
    for name in ["", "-web", "web-", "a.b", "größe"] {
        assert!(swarm.try_create(service(name)).is_err(), "'{name}'");
    }
    swarm.remove("web");
    assert_eq!(swarm.try_create(service("web")), Ok(()), "a name is free when its service is removed");
    assert_eq!(swarm.created("web"), 1);
}
