//! What a tenant's limits say of a read before it begins.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use signal::QueryError;
use tenancy::Tenants;

use super::caller::Caller;
use super::error::PromError;
use crate::Deps;
use crate::limits::{MetricsLimits, Stepping};
use crate::query::limit::LimitExceeded;
use crate::query::promql::{Experimental, Expr};

/// The limits of one read.
pub(super) struct Guard {
    pub(super) limits: Arc<MetricsLimits>,
    /// The time, ms since the Unix epoch, before which samples are not looked at.
    pub(super) oldest_ms: i64,
}

/// When queries that are limited ran last, by tenants and text: only queries that some tenant's limits name.
#[derive(Clone, Debug, Default)]
pub(super) struct LastRuns(Arc<Mutex<FxHashMap<(String, String), i64>>>);

impl Guard {
    pub(super) fn of(deps: &Deps, caller: &Caller) -> Self {
        let limits = MetricsLimits::of_all(&deps.limits, &caller.tenants);
        let oldest_ms = super::oldest(&limits, deps.clock.now_ms());
        Self { limits, oldest_ms }
    }

    /// Refuses a query whose text is too long.
    pub(super) fn check_size(&self, query: &str) -> Result<(), PromError> {
        let (size, limit) = (query.len() as u64, self.limits.max_query_expression_size_bytes);
        if limit > 0 && size > limit { Err(refused(LimitExceeded::ExpressionSize { size, limit })) } else { Ok(()) }
    }

    /// Refuses a query that is blocked. `stepping` is that of a range query.
    pub(super) fn check_blocked(&self, query: &str, length: Duration, stepping: Option<Stepping>) -> Result<(), PromError> {
        match self.limits.blocked_queries.0.iter().find(|blocked| blocked.blocks(query, length, stepping)) {
            Some(blocked) => Err(refused(LimitExceeded::Blocked { reason: blocked.reason.clone() })),
            None => Ok(()),
        }
    }

    /// Refuses a query with experimental parts that are not for all of its tenants.
    pub(super) fn check_experimental(deps: &Deps, tenants: &Tenants, expr: &Expr) -> Result<(), PromError> {
        for part in expr.experimental() {
            for tenant in tenants.all() {
                let limits = deps.limits.of(tenant);
                let enabled = match part {
                    Experimental::Modifier(_) => &limits.enabled_promql_extended_range_selectors,
                    Experimental::Function(_) | Experimental::Aggregation(_) => &limits.enabled_promql_experimental_functions,
                };
                if !enabled.allows(part.name()) {
                    return Err(PromError::parameter("query", format_args!("{part} is not enabled for tenant {tenant}")));
                }
            }
        }
        Ok(())
    }

    /// Refuses a query that ran a short while ago, if it is one that may not run often.
    pub(super) fn check_frequency(&self, query: &str, caller: &Caller, runs: &LastRuns, now_ms: i64) -> Result<(), PromError> {
        let limited = self.limits.limited_queries.0.iter().find(|limited| limited.query.trim() == query.trim());
        let Some(limited) = limited else { return Ok(()) };
        let mut runs = runs.0.lock();
        let last = runs.entry((caller.tenants.to_string(), limited.query.clone())).or_insert(i64::MIN);
        if now_ms.saturating_sub(*last) < limited.allowed_frequency.as_ms() {
            return Err(refused(LimitExceeded::Limited { frequency: limited.allowed_frequency.get() }));
        }
        *last = now_ms;
        Ok(())
    }

    /// Refuses a query over too long a range.
    pub(super) fn check_length(&self, start_ms: i64, end_ms: i64) -> Result<(), PromError> {
        let length = Duration::from_millis(end_ms.saturating_sub(start_ms).max(0).unsigned_abs());
        let limit = self.limits.max_total_query_length;
        if limit.is_zero() || length <= limit.get() {
            return Ok(());
        }
        Err(refused(LimitExceeded::TotalLength { length, limit: limit.get() }))
    }
}

fn refused(err: LimitExceeded) -> PromError {
    QueryError::from(err).into()
}
