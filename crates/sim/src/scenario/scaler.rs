//! `autoscale` of a pool: machines that are ordered and given back.

use sched::Span;
use sched::spec::Role;

use super::pool::NODES;
use super::value::{Table, Value};
use super::{JoinPlan, NodePlan, ScalerPlan};
use crate::engine::law::Law;

pub(super) const AUTOSCALE: &[&str] = &["min", "max", "every", "pending_for", "provision", "below", "idle_for"];
/// A machine whose join is refused, because there is no leader, tries again after this.
const RETRY: Span = Span::from_secs(10);

/// The nodes that a pool has at most, if it is scaled. What is wrong with the table is said later.
pub(super) fn most(pool: &Table<'_>) -> u64 {
    let entries = pool.get("autoscale").filter(Value::is_table).map(|value| value.entries()).unwrap_or_default();
    let max = entries.into_iter().find(|entry| entry.key == "max");
    max.and_then(|entry| entry.value.as_decimal()?.parse().ok()).filter(|count| *count <= NODES).unwrap_or(0)
}

/// The pools that are scaled, in order of the file. Who joins is added to `joins`.
pub(super) fn scalers(pools: &[Table<'_>], nodes: &[NodePlan], joins: &mut Vec<JoinPlan>) -> Vec<ScalerPlan> {
    let mut plans = Vec::new();
    for pool in pools {
        let Some(table) = pool.read("autoscale", |value| value.table(AUTOSCALE)) else { continue };
        let name = pool.get("name").and_then(|value| value.as_text()).unwrap_or("");
        if let Some(value) = pool.get("join") {
            value.complain("an autoscaler says when nodes of this pool join: leave it out");
            continue;
        }
        let min = table.read("min", |value| value.count(0..=NODES)).unwrap_or(1);
        let max = table.need("max", |value| value.count(min.max(1)..=NODES));
        let count = pool.get("count").and_then(|value| value.as_decimal()?.parse().ok()).unwrap_or(min.max(1));
        if let (Some(max), Some(value)) = (max, pool.get("count"))
            && !(min..=max).contains(&count)
        {
            value.complain(format!("the autoscaler keeps {min} to {max} nodes"));
        }
        let rows: Vec<usize> = nodes.iter().enumerate().filter(|node| node.1.pool == name).map(|node| node.0).collect();
        let Some(first) = rows.first().map(|row| &nodes[*row]) else { continue };
        if first.spec.role == Role::Manager {
            pool.get("role").iter().for_each(|value| value.complain("only workers are scaled"));
        }
        let resources = first.spec.description.as_ref().map(|description| &description.resources);
        let provision = Law::Lognormal { median: Span::from_secs(90), sigma: 0.3 };
        let present = usize::try_from(count).unwrap_or(usize::MAX).min(rows.len());
        joins.push(JoinPlan {
            pool: name.to_string(),
            nodes: rows.clone(),
            present,
            at: None,
            every: Law::Fixed(Span::ZERO),
            token: Some(Role::Worker),
            fresh: true,
            retry: Some(RETRY),
        });
        plans.push(ScalerPlan {
            pool: name.to_string(),
            nodes: rows,
            present,
            min: usize::try_from(min).unwrap_or(usize::MAX),
            room: resources.map_or((0, 0), |room| (room.nano_cpus, room.memory)),
            every: table.read("every", |value| value.duration_from(Span::from_secs(1))).unwrap_or(Span::from_secs(10)),
            pending_for: table.read("pending_for", Value::duration).unwrap_or(Span::from_secs(10)),
            provision: table.read("provision", Value::law).unwrap_or(provision),
            below: table.read("below", |value| value.number(0.0..=1.0)).unwrap_or(0.5),
            idle_for: table.read("idle_for", Value::duration).unwrap_or(Span::from_secs(600)),
        });
    }
    plans
}
