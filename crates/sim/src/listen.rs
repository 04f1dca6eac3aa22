//! Whoever wants to hear of everything that happens in a run: every [fact](crate::fact) and every order, in their order.
//!
//! A listener changes nothing. Runs that nobody listens to pay one comparison for each fact.

use sched::Time;

use crate::fact::Fact;
use crate::order::Record;

/// What is counted all the time, as `series.csv` has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Tasks that services want running.
    pub desired: u64,
    /// Tasks that really run.
    pub running: u64,
    /// Tasks that the manager believes to be running and wants.
    pub believed: u64,
    /// Tasks waiting for a node.
    pub pending: u64,
    /// Nodes without power.
    pub nodes_down: u64,
}

/// Hears of everything that happens in a run.
pub trait Listen: Send + Sync {
    /// Something happened now; afterwards the counts are these.
    fn fact(&mut self, now: Time, fact: &Fact, counts: Counts);

    /// An order was carried out or refused; what follows from it is told after it. Arrivals that are created as they should be
    /// are not told as orders: their facts say it.
    fn order(&mut self, record: &Record);

    /// The run ended; the registry had sent so many bytes.
    fn end(&mut self, now: Time, sent: u64);
}

/// Several who listen, in turn.
impl Listen for Vec<Box<dyn Listen>> {
    fn fact(&mut self, now: Time, fact: &Fact, counts: Counts) {
        self.iter_mut().for_each(|listener| listener.fact(now, fact, counts));
    }

    fn order(&mut self, record: &Record) {
        self.iter_mut().for_each(|listener| listener.order(record));
    }

    fn end(&mut self, now: Time, sent: u64) {
        self.iter_mut().for_each(|listener| listener.end(now, sent));
    }
}

/// The place of a listener in a run. A clone of the run has none: two runs would speak at once.
#[derive(Default)]
pub(crate) struct Ear {
    listener: Option<Box<dyn Listen>>,
    /// Orders that were heard.
    orders: usize,
}

impl Ear {
    /// Somebody listens.
    pub fn of(listener: Box<dyn Listen>) -> Ear {
        Ear { listener: Some(listener), orders: 0 }
    }

    /// Tells a fact.
    #[inline]
    pub fn hear(&mut self, now: Time, fact: &Fact, counts: impl FnOnce() -> [u64; 5]) {
        if let Some(listener) = &mut self.listener {
            let [desired, running, believed, pending, nodes_down] = counts();
            listener.fact(now, fact, Counts { desired, running, believed, pending, nodes_down });
        }
    }

    /// Tells those of all orders so far that were not told before.
    #[inline]
    pub fn hear_orders(&mut self, records: &[Record]) {
        if let Some(listener) = &mut self.listener {
            records[self.orders..].iter().for_each(|record| listener.order(record));
            self.orders = records.len();
        }
    }

    /// Tells the end, once.
    pub fn end(&mut self, now: Time, sent: impl FnOnce() -> u64) {
        if let Some(mut listener) = self.listener.take() {
            listener.end(now, sent());
        }
    }
}

impl Clone for Ear {
    fn clone(&self) -> Ear {
        Ear::default()
    }
}
