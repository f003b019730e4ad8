//! Ingest: Prometheus remote write 1.0 and 2.0, OTLP and Influx's line protocol in, [`signal::WriteBatch`]es out.
//!
//! A body goes through [`snappy`], is read in place, checked against the tenant's limits and handed on as byte ranges: of itself where it
//! can stay as it came, else of what is written behind it. Every format goes through the same [`intake`].
//!
//! Knows no state of any series: what needs that is checked by [`crate::head`].

mod caller;
mod check;
pub mod config;
pub mod error;
mod fault;
pub mod ha;
mod histograms;
mod http;
mod influx;
pub(crate) mod intake;
mod labels;
pub(crate) mod metadata;
pub mod otlp;
mod peek;
pub mod protobuf;
mod refusals;
pub mod relabel;
pub(crate) mod request;
mod room;
pub(crate) mod series;
pub mod snappy;
pub mod version2;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::post;
use signal::{Receivers, Routes, WriteBatch, WriteSink};
use tenancy::{Budget, TenantId};

use crate::limits::MetricsLimits;
use crate::{Deps, NAME};
use check::{Checked, Rules};
pub use config::IngestConfig;
pub use error::PushError;
pub(crate) use error::ingester_text;
pub(crate) use fault::limit_text;
use http::Receiver;
use intake::Intake;

/// The format byte of batches: each item is a `prometheus.TimeSeries` message whose labels are UTF-8, sorted by name, each
/// once, none with an empty value. It may hold the field 15, a `prometheus.MetricMetadata` message of its metric, and is not without all of
/// samples, histograms, exemplars and metadata. An item with metadata alone may have the label `__name__` alone.
pub const FORMAT: u8 = 1;

/// Bytes of a push, compressed or not, at most, unless the configuration says otherwise: Mimir's `distributor.max-recv-msg-size`.
pub const MAX_BODY: usize = 100 << 20;

/// The receivers of the metrics signal.
#[derive(Clone, Debug)]
pub struct MetricsReceivers {
    deps: Deps,
}

impl MetricsReceivers {
    /// Receivers with what the process gives.
    #[must_use]
    pub fn new(deps: Deps) -> Self {
        Self { deps }
    }
}

/// What a push becomes, without a server around it: for benchmarks and tools. The text is that of the first part that was refused.
///
/// * `block`: a snappy block of at most [`MAX_BODY`] bytes with a `prometheus.WriteRequest` in it.
/// * `now`: the time, ms since the Unix epoch.
pub fn read(block: &[u8], tenant: &TenantId, limits: &MetricsLimits, now: i64) -> Result<(WriteBatch, Option<String>), PushError> {
    let mut memory = Budget::process("unlimited", None).reserve(0)?;
    let rules = Rules { tenant, limits, now, replica_label: None };
    Ok(taken(request::check(snappy::decompress(block, MAX_BODY)?, rules, &mut memory)?, tenant))
}

/// As [`read()`], of a `io.prometheus.write.v2.Request`.
pub fn read_version2(block: &[u8], tenant: &TenantId, limits: &MetricsLimits, now: i64) -> Result<(WriteBatch, Option<String>), PushError> {
    let mut memory = Budget::process("unlimited", None).reserve(0)?;
    let rules = Rules { tenant, limits, now, replica_label: None };
    Ok(taken(version2::check(&snappy::decompress(block, MAX_BODY)?, rules, &mut memory)?, tenant))
}

fn taken(checked: Checked, tenant: &TenantId) -> (WriteBatch, Option<String>) {
    let batch = WriteBatch { tenant: tenant.clone(), signal: NAME, format: FORMAT, items: checked.items, bytes: checked.bytes };
    (batch, checked.faults.into_iter().next().map(|fault| fault.text))
}

impl Receivers for MetricsReceivers {
    fn mount(&self, routes: &mut Routes, sink: Arc<dyn WriteSink>) {
        let intake = Arc::new(Intake::new(self.deps.clone(), sink));
        let receiver = Arc::new(Receiver::new(Arc::clone(&intake)));
        let route = |success: StatusCode| {
            let receiver = Arc::clone(&receiver);
            post(move |request: Request| async move { receiver.push(request, success).await })
        };
        if let Some(tracker) = &self.deps.ha {
            routes.open(ha::routes(tracker.clone()));
        }
        // Mimir answers 200, Prometheus 204.
        routes.tenant(Router::new().route("/api/v1/push", route(StatusCode::OK)).route("/api/prom/push", route(StatusCode::OK)));
        routes.alias_tenant("prometheus", Router::new().route("/api/v1/write", route(StatusCode::NO_CONTENT)));

        let receiver = Arc::new(otlp::HttpReceiver::new(Arc::clone(&intake)));
        let route = || {
            let receiver = Arc::clone(&receiver);
            post(move |request: Request| async move { receiver.push(request).await })
        };
        routes.tenant(Router::new().route("/otlp/v1/metrics", route()));
        // Where Prometheus itself takes it.
        routes.alias_tenant("prometheus", Router::new().route("/api/v1/otlp/v1/metrics", route()));
        routes.otlp_http(Router::new().route("/v1/metrics", route()));
        routes.otlp_grpc(otlp::GrpcReceiver::new(Arc::clone(&intake)).service());

        let receiver = Arc::new(influx::InfluxReceiver::new(intake));
        let push = post(move |request: Request| async move { receiver.push(request).await });
        routes.tenant(Router::new().route("/api/v1/push/influx/write", push));
    }
}

#[cfg(test)]
mod tests;
