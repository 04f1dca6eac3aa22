//! Published ports of all services of a scenario: what Swarm's API would refuse of one because of another.

use sched::spec::{Protocol, PublishMode, ServiceSpec};

/// Published ports of all services so far: a port of the mesh belongs to one service, and to no host.
#[derive(Default)]
pub(super) struct Ports(std::collections::BTreeMap<(Protocol, u16), (PublishMode, String)>);

impl Ports {
    /// Takes the ports of a service; says which are taken already.
    pub fn take(&mut self, spec: &ServiceSpec) -> Vec<String> {
        let mut refusals = Vec::new();
        for port in spec.endpoint.ports.iter().filter(|port| port.published != 0) {
            let key = (port.protocol, port.published);
            match self.0.get(&key) {
                Some((PublishMode::Host, _)) if port.mode == PublishMode::Host => {}
                Some((mode, service)) if *service != spec.name => {
                    let how = match mode {
                        PublishMode::Ingress => "as an ingress port",
                        PublishMode::Host => "as a host-published port",
                    };
                    let number = port.published;
                    refusals.push(format!("port '{number}' is already in use by service '{service}' ({how})"));
                }
                _ => {
                    self.0.insert(key, (port.mode, spec.name.clone()));
                }
            }
        }
        refusals
    }
}
