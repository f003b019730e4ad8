//! Ingest: Prometheus remote write 1.0 in, [`signal::WriteBatch`]es out.
//!
//! A body goes through [`snappy`], is read in place, checked against the tenant's limits and handed on as byte ranges of
//! itself. Exemplars, native histograms and metadata are checked and counted, and not stored yet; remote write 2.0 is refused
//! with 415.
//!
//! Knows no state of any series: what needs that is checked by [`crate::head`].

pub mod error;
mod fault;
mod http;
pub mod protobuf;
pub(crate) mod request;
pub(crate) mod series;
pub mod snappy;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::post;
use signal::{Receivers, Routes, WriteBatch, WriteSink};
use tenancy::{Budget, TenantId};

use crate::limits::MetricsLimits;
use crate::{Deps, NAME};
pub use error::PushError;
pub(crate) use fault::limit_text;
use http::Receiver;

/// The format byte of batches: each item is a `prometheus.TimeSeries` message whose labels are UTF-8, sorted by name, each
/// once, none with an empty value, with at least one float sample. Exemplars and native histograms in it are to be skipped.
pub const FORMAT: u8 = 1;

/// Bytes of a push, compressed or not, at most: Mimir's `distributor.max-recv-msg-size`.
pub const MAX_BODY: usize = 100 << 20;

/// The receivers of the metrics signal.
#[derive(Clone, Debug)]
pub struct MetricsReceivers {
    deps: Deps,
    max_body: usize,
    budget: Budget,
}

impl MetricsReceivers {
    /// Receivers with what the process gives.
    #[must_use]
    pub fn new(deps: Deps) -> Self {
        Self { deps, max_body: MAX_BODY, budget: Budget::process("distributor.max_inflight_push", None) }
    }

    /// The same with another limit of a push's size, bytes (at most 256 MiB are sensible; offsets have 32 bits).
    #[must_use]
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes.min(256 << 20);
        self
    }

    /// The same with a budget for bodies of pushes that are on their way, compressed and not: a push that does not fit is answered with 503.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }
}

/// What a push becomes, without a server around it: for benchmarks and tools. The text is that of the first part that was refused.
///
/// * `block`: a snappy block of at most [`MAX_BODY`] bytes with a `prometheus.WriteRequest` in it.
/// * `now`: the time, ms since the Unix epoch.
pub fn read(block: &[u8], tenant: &TenantId, limits: &MetricsLimits, now: i64) -> Result<(WriteBatch, Option<String>), PushError> {
    let checked = request::check(snappy::decompress(block, MAX_BODY)?, request::Rules { tenant, limits, now })?;
    let batch = WriteBatch { tenant: tenant.clone(), signal: NAME, format: FORMAT, items: checked.items, bytes: checked.bytes };
    Ok((batch, checked.fault))
}

impl Receivers for MetricsReceivers {
    fn mount(&self, routes: &mut Routes, sink: Arc<dyn WriteSink>) {
        let receiver = Arc::new(Receiver::new(self.deps.clone(), sink, self.max_body, self.budget.clone()));
        let route = |success: StatusCode| {
            let receiver = Arc::clone(&receiver);
            post(move |request: Request| async move { receiver.push(request, success).await })
        };
        // Mimir answers 200, Prometheus 204.
        routes.tenant(Router::new().route("/api/v1/push", route(StatusCode::OK)).route("/api/prom/push", route(StatusCode::OK)));
        routes.alias_tenant("prometheus", Router::new().route("/api/v1/write", route(StatusCode::NO_CONTENT)));
    }
}

#[cfg(test)]
mod tests;
