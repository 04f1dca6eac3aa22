//! The manager as a whole in a snapshot, see [`crate::snapshot`].

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Config, Manager};
use crate::cluster::Cluster;
use crate::cluster::snapshot::Saved as SavedCluster;
use crate::failover;
use crate::orchestrator::global::Global;
use crate::orchestrator::reaper::Reaper;
use crate::orchestrator::replicated::Replicated;
use crate::orchestrator::{restart, update};
use crate::scheduler::TieBreak;
use crate::scheduler::snapshot::Saved as SavedScheduler;
use crate::snapshot::{COUNTER_MAX, RestoreError, damaged, open, seal};

/// What decisions are made with, so that nobody goes on with something else by mistake.
#[derive(PartialEq, Serialize, Deserialize)]
struct Settings {
    strategy: String,
    failover: String,
    ties: TieBreak,
    seed: u64,
}

impl Settings {
    fn of(config: &Config) -> Settings {
        let (strategy, failover) = (config.strategy.name().to_owned(), config.failover.name().to_owned());
        Settings { strategy, failover, ties: config.ties, seed: config.seed }
    }

    /// Says in what the configuration that is given differs, if it does.
    fn compare(&self, given: &Settings) -> Result<(), RestoreError> {
        let differ = |what: &str, old: &dyn fmt::Display, new: &dyn fmt::Display| {
            Err(RestoreError::Configuration(format!("its {what} is {old}, not {new}")))
        };
        if self.strategy != given.strategy {
            return differ("strategy", &self.strategy, &given.strategy);
        }
        if self.failover != given.failover {
            return differ("failover policy", &self.failover, &given.failover);
        }
        if self.ties != given.ties {
            return differ("choice between equals", &format!("{:?}", self.ties), &format!("{:?}", given.ties));
        }
        if self.seed != given.seed {
            return differ("seed", &self.seed, &given.seed);
        }
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Body<'a> {
    settings: Settings,
    #[serde(deserialize_with = "crate::snapshot::counter")]
    leaders: u64,
    cluster: SavedCluster<'a>,
    scheduler: SavedScheduler<'a>,
    /// The state of the placement strategy.
    strategy: String,
    replicated: Cow<'a, Replicated>,
    restarts: Cow<'a, restart::Supervisor>,
    updates: Cow<'a, update::Supervisor>,
    failover: failover::Memory,
    reaper: Cow<'a, Reaper>,
    downs: Cow<'a, [u64]>,
}

impl Manager {
    /// Everything that the manager knows and is about to do, the state of its strategy and its policies included. The same
    /// state gives the same bytes. It takes time in proportion to the cluster; see `docs/embedding.md` for when to call it.
    pub fn snapshot(&self) -> Vec<u8> {
        let Manager {
            config,
            leaders,
            cluster,
            scheduler,
            replicated,
            // The global services that are there.
            global: _,
            restarts,
            updates,
            failover: _,
            reaper,
            downs,
        } = self;
        let (strategy, failover) = self.policy_memory();
        let body = Body {
            settings: Settings::of(config),
            leaders: *leaders,
            cluster: cluster.save(),
            scheduler: scheduler.save(cluster),
            strategy,
            replicated: Cow::Borrowed(replicated),
            restarts: Cow::Borrowed(restarts),
            updates: Cow::Borrowed(updates),
            failover,
            reaper: Cow::Borrowed(reaper),
            downs: Cow::Borrowed(downs),
        };
        seal(&serde_json::to_vec(&body).expect("every key of a map is a text or a number"))
    }

    /// A manager that goes on where the one went on that gave the snapshot: the same calls get the same commands.
    ///
    /// The configuration holds what no snapshot can, the caller's own strategies and policies. Strategy, failover policy,
    /// ties and seed must be what they were; with another [`Config::task_history`], [`Config::allocation`] or
    /// [`Config::debounce`] it goes on with that.
    ///
    /// Refuses what is no snapshot, was cut off or changed, is of a later format, contradicts itself or does not belong to
    /// the configuration, and says why.
    pub fn restore(config: Config, snapshot: &[u8]) -> Result<Manager, RestoreError> {
        let body = open(snapshot)?;
        let body: Body<'_> = serde_json::from_slice(body).map_err(|error| damaged(error.to_string()))?;
        body.settings.compare(&Settings::of(&config))?;
        let mut manager = Manager::new(config).map_err(RestoreError::Configuration)?;
        manager.recall(body)?;
        Ok(manager)
    }

    /// Takes everything over; the manager is new.
    fn recall(&mut self, body: Body<'_>) -> Result<(), RestoreError> {
        self.leaders = body.leaders;
        self.cluster = Cluster::restore(body.cluster).map_err(damaged)?;
        let cluster = &self.cluster;
        self.scheduler = self.new_scheduler();
        self.scheduler.recall(cluster, body.scheduler).map_err(damaged)?;
        self.replicated = body.replicated.into_owned();
        self.global = Global::recalled(cluster);
        self.restarts = body.restarts.into_owned().recalled();
        self.updates = body.updates.into_owned().recalled(cluster).map_err(damaged)?;
        self.reaper = body.reaper.into_owned().recalled(self.config.task_history);
        self.downs = body.downs.into_owned();
        self.recall_policies(&body.strategy, &body.failover).map_err(RestoreError::Configuration)?;
        if self.downs.iter().any(|downs| *downs > COUNTER_MAX) {
            return Err(damaged("a node that went down too often"));
        }
        if self.downs.len() != self.cluster.nodes().len() {
            return Err(damaged(format!("downs: {} of {} nodes", self.downs.len(), self.cluster.nodes().len())));
        }
        Ok(())
    }
}
