//! `join` of a pool: nodes that come later, with a token.

use std::sync::Arc;

use sched::spec::Role;
use sched::{Span, Time};

use super::pool::ROLES;
use super::unit::human;
use super::value::{Table, Value};
use super::{JoinPlan, NodePlan};
use crate::engine::law::Law;

pub(super) const JOIN: &[&str] = &["at", "every", "token", "fresh", "retry"];
/// What a pool's nodes have for a token; the last is none of this swarm.
pub(super) const TOKENS: &[(&str, Option<Role>)] =
    &[("worker", Some(Role::Worker)), ("manager", Some(Role::Manager)), ("wrong", None)];
/// Who is refused waits at least so long.
const SHORTEST: Span = Span::from_secs(1);

/// The pools whose nodes join, in order of the file. The token decides the role of a node.
/// Where nobody is in a swarm at the beginning, all of them must.
pub(super) fn joins(pools: &[Table<'_>], nodes: &mut [NodePlan], end: Time, founded: bool) -> Vec<JoinPlan> {
    let mut plans = Vec::new();
    for pool in pools {
        let Some(table) = pool.read("join", |value| value.table(JOIN)) else {
            if !founded && pool.get("join").is_none() {
                pool.complain("there is no swarm at the beginning: expected `join = {}`");
            }
            continue;
        };
        let name = pool.get("name").and_then(|value| value.as_text()).unwrap_or("");
        let at = table.read("at", Value::duration).map(|span| Time::ZERO + span);
        if let Some(at) = at.filter(|begin| end <= *begin) {
            let message = format!("{} is not before the end of the run", human(at.since(Time::ZERO)));
            table.get("at").iter().for_each(|value| value.complain(&message));
        }
        if let Some(every) = table.get("every").filter(|_| table.get("at").is_none()) {
            every.complain("`join.at` says when the first comes: it is missing");
        }
        let own = pool.get("role").and_then(|value| value.as_text());
        let role = own.and_then(|text| ROLES.iter().find(|role| role.0 == text)).map(|role| role.1);
        let given = table.read("token", |value| value.choice(TOKENS));
        if let (Some(own), Some(role), Some(Some(token))) = (own, role, given)
            && role != token
        {
            let message = format!("the token decides the role, and `role` is {own}");
            table.get("token").iter().for_each(|value| value.complain(&message));
        }
        let token = given.unwrap_or(Some(role.unwrap_or_default()));
        let mut rows = Vec::new();
        for (row, node) in nodes.iter_mut().enumerate().filter(|(_, node)| node.pool == name) {
            Arc::make_mut(&mut node.spec).role = token.unwrap_or_default();
            rows.push(row);
        }
        plans.push(JoinPlan {
            pool: name.to_string(),
            nodes: rows,
            present: 0,
            at,
            every: table.read("every", Value::law).unwrap_or(Law::Fixed(Span::ZERO)),
            token,
            fresh: table.read("fresh", Value::boolean).unwrap_or(false),
            retry: table.read("retry", |value| value.duration_from(SHORTEST)),
        });
    }
    let mut managers = nodes.iter().filter(|node| node.spec.role == Role::Manager).peekable();
    if founded && managers.peek().is_some() && managers.all(|node| plans.iter().any(|plan| plan.pool == node.pool)) {
        let pool = pools.iter().find(|pool| pool.get("join").is_some()).expect("a manager joins");
        pool.complain("every manager joins later: there is nobody whom it could join");
    }
    plans
}
