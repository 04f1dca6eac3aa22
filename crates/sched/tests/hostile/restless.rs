//! A strategy and a policy whose every decision depends on all that they were ever asked and told: if a restored manager
//! asked or told them anything else than the one that was written down, they would do something else.

use sched::failover::*;
use sched::{Board, Choice, NodeId, ServiceId, Span, Strategy};

/// Begins with another node each time that it is asked.
#[derive(Clone, Default)]
struct Turning {
    asked: usize,
}

pub fn strategy() -> Choice<dyn Strategy> {
    Choice::own("turning", |_| -> Box<dyn Strategy> { Box::<Turning>::default() })
}

impl Strategy for Turning {
    fn place(&mut self, board: &mut Board<'_>) {
        self.asked += 1;
        let nodes: Vec<NodeId> = board.nodes().collect();
        for place in 0..nodes.len() {
            let node = nodes[(self.asked + place) % nodes.len()];
            while board.waiting() > 0 && board.fits(node) {
                board.place(node);
            }
        }
    }

    fn save(&self) -> String {
        self.asked.to_string()
    }

    fn load(&mut self, state: &str) -> Result<(), String> {
        self.asked = state.parse().map_err(|_| format!("{state:?} is no number"))?;
        Ok(())
    }
}

/// Does now this and now that, with everything that a policy can do.
#[derive(Clone, Default)]
struct Restless {
    heard: u64,
}

pub fn policy() -> Choice<dyn Failover> {
    Choice::own("restless", |_| -> Box<dyn Failover> { Box::<Restless>::default() })
}

impl Restless {
    /// A number below `limit` that depends on everything up to these words.
    fn hear(&mut self, words: &dyn std::fmt::Debug, limit: u64) -> u64 {
        for byte in format!("{words:?}").bytes() {
            self.heard = (self.heard ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        (self.heard >> 32) % limit
    }

    fn replacement(&mut self, node: Option<NodeId>) -> Replacement {
        let order = [Order::StopFirst, Order::StartFirst, Order::Both][self.hear(&node, 3) as usize];
        let delay = [None, Some(Span::ZERO), Some(Span::from_secs(2))][self.hear(&order, 3) as usize];
        Replacement { delay, node, order }
    }

    fn act(&mut self, view: &View<'_>, service: ServiceId, actions: &mut Actions) {
        let candidates = view.candidates(service);
        let node = (!candidates.is_empty()).then(|| candidates[self.hear(&service, candidates.len() as u64) as usize]);
        let task = view.tasks_of(service).next();
        let spares: Vec<_> = view.spares_of(service).collect();
        match (self.hear(&"act", 24), task, node) {
            (0, ..) if spares.len() < 2 => actions.push(Action::AddSpare { service, node }),
            (1, Some(task), _) => actions.push(Action::Replace { task, how: self.replacement(node) }),
            (2, _, Some(node)) => actions.push(Action::Pull { service, node }),
            (3, Some(task), _) => actions.push(Action::Stop(task)),
            (4, ..) => actions.extend(spares.first().map(|spare| Action::Stop(*spare))),
            (5, Some(of), _) => {
                let order = self.replacement(node).order;
                actions.extend(spares.first().map(|spare| Action::Promote { spare: *spare, of, order }));
            }
            (6, ..) => {
                let (at, token) = (view.now() + Span::from_secs(self.hear(&6, 9)), self.hear(&6, 3));
                actions.push(Action::Wake { at, token });
            }
            _ => {}
        }
    }
}

impl Failover for Restless {
    fn interests(&self) -> Interests {
        Interests { nodes: true, tasks: true, services: true, moves: true, late: true }
    }

    fn decide(&mut self, view: &View<'_>, loss: &Loss, actions: &mut Actions) -> Decision {
        let choice = self.hear(loss, 6);
        let spare = view.spares_of(loss.service).next();
        match (choice, spare) {
            (0, _) => {
                actions.push(Action::Wake { at: view.now() + Span::from_secs(1), token: 7 });
                Decision::Keep
            }
            (1, _) => Decision::Replace(self.replacement(loss.node)),
            (2 | 3, Some(spare)) => Decision::Promote(spare, self.replacement(None).order),
            _ => Decision::Swarm,
        }
    }

    fn observe(&mut self, view: &View<'_>, news: &News, actions: &mut Actions) {
        self.hear(news, 1);
        self.hear(&view.services().count(), 1);
        match news {
            News::Task { service, .. } | News::Service { service, .. } => self.act(view, *service, actions),
            News::Node { node, .. } => {
                self.hear(&view.down_since(*node), 1);
                let services: Vec<ServiceId> = view.services().collect();
                services.into_iter().for_each(|service| self.act(view, service, actions));
            }
            News::Timer(7) => {
                let tasks: Vec<_> = view.services().flat_map(|service| view.tasks_of(service)).take(3).collect();
                actions.extend(tasks.into_iter().map(|task| Action::Replace { task, how: self.replacement(None) }));
            }
            _ => {}
        }
    }

    fn save(&self) -> String {
        self.heard.to_string()
    }

    fn load(&mut self, state: &str) -> Result<(), String> {
        self.heard = state.parse().map_err(|_| format!("{state:?} is no number"))?;
        Ok(())
    }
}
