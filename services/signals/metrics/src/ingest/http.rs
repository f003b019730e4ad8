//! The push routes: headers, body, limits of rate, and the way to the sink.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use runtime::ErrorKind;
use signal::{Refusal, WriteBatch, WriteSink};
use tenancy::{Budget, Rate, RateLimiter, Reservation, TenantId, TenantIdError, Tenants};
use tracing::debug;

use super::error::PushError;
use super::request::{self, Checked, Rules};
use super::{FORMAT, snappy};
use crate::instruments::{User, discard};
use crate::limits::MetricsLimits;
use crate::{Deps, NAME};

/// Bytes that are reserved for a body before any of it has come, at most.
const FIRST_RESERVE: usize = 1 << 20;

/// Takes pushes.
#[derive(Debug)]
pub(crate) struct Receiver {
    deps: Deps,
    sink: Sink,
    requests: RateLimiter,
    items: RateLimiter,
    /// Memory of bodies, until their push is answered.
    budget: Budget,
    /// Bytes of a body, compressed or not, at most.
    max_body: usize,
}

/// The sink, printed as nothing.
pub(crate) struct Sink(pub(crate) Arc<dyn WriteSink>);

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sink")
    }
}

impl Receiver {
    pub(crate) fn new(deps: Deps, sink: Arc<dyn WriteSink>, max_body: usize, budget: Budget) -> Self {
        Self { deps, sink: Sink(sink), requests: RateLimiter::default(), items: RateLimiter::default(), max_body, budget }
    }

    /// Answers one push; `success` is the status of one that was stored whole.
    pub(crate) async fn push(&self, request: Request, success: StatusCode) -> Response {
        let attempt = retry_attempt(request.headers());
        match self.receive(request).await {
            Ok(()) => success.into_response(),
            Err(err) => {
                debug!(error = %runtime::Chain(&err), "push refused");
                err.response(attempt, self.deps.clock.now_ns().unsigned_abs() / 1000)
            }
        }
    }

    async fn receive(&self, request: Request) -> Result<(), PushError> {
        let (parts, body) = request.into_parts();
        let tenants = parts.extensions.get::<Tenants>().ok_or(TenantIdError::Missing)?;
        let tenant = tenants.single()?.clone();
        let limits = self.deps.limits.of(&tenant);
        self.deps.instruments.requests_in.get_or_create(&User::from(&tenant)).inc();
        self.take_request(&tenant, &limits)?;
        negotiate(&parts.headers)?;
        let mut memory = self.budget.reserve(0)?;
        let block = read_body(&parts.headers, body, self.max_body, &mut memory).await?;
        memory.grow(snappy::declared_len(&block, self.max_body)? as u64)?;
        let checked = self.check(block, &tenant, &limits).await?;
        self.take_items(&tenant, &limits, &checked)?;
        self.deps.instruments.received_requests.get_or_create(&User::from(&tenant)).inc();
        self.write(tenant, checked).await
    }

    /// Decompresses, decodes and checks on the compute pool.
    async fn check(&self, block: Bytes, tenant: &TenantId, limits: &Arc<MetricsLimits>) -> Result<Checked, PushError> {
        let (max, now) = (self.max_body, self.deps.clock.now_ms());
        let (of, limits) = (tenant.clone(), Arc::clone(limits));
        let work = move || -> Result<Checked, PushError> {
            let body = snappy::decompress(&block, max)?;
            Ok(request::check(body, Rules { tenant: &of, limits: &limits, now })?)
        };
        let checked = self.deps.compute.run(work).await??;
        self.count(tenant, &checked);
        Ok(checked)
    }

    fn count(&self, tenant: &TenantId, checked: &Checked) {
        let instruments = &self.deps.instruments;
        let user = User::from(tenant);
        instruments.samples_in.get_or_create(&user).inc_by(checked.samples_in);
        instruments.exemplars_in.get_or_create(&user).inc_by(checked.exemplars_in);
        instruments.metadata_in.get_or_create(&user).inc_by(checked.metadata_in);
        for (reason, count) in &checked.discarded_samples {
            instruments.discard_samples(tenant, reason, *count);
        }
        for (reason, count) in &checked.discarded_exemplars {
            discard(&instruments.discarded_exemplars, tenant, reason, *count);
        }
        for (reason, count) in &checked.discarded_metadata {
            discard(&instruments.discarded_metadata, tenant, reason, *count);
        }
        for labels in &checked.label_counts {
            instruments.labels_per_series.observe(f64::from(*labels));
        }
    }

    /// The tenant's rate of requests.
    fn take_request(&self, tenant: &TenantId, limits: &MetricsLimits) -> Result<(), PushError> {
        let (rate, burst) = (limits.request_rate, limits.request_burst_size);
        if rate <= 0.0 || self.requests.allow(tenant, self.share(rate, burst), self.deps.clock.now_ns(), 1) {
            return Ok(());
        }
        discard(&self.deps.instruments.discarded_requests, tenant, "rate_limited", 1);
        Err(PushError::RequestRate { rate, burst })
    }

    /// The tenant's rate of samples and metadata. What was refused already does not count.
    fn take_items(&self, tenant: &TenantId, limits: &MetricsLimits, checked: &Checked) -> Result<(), PushError> {
        let (rate, burst) = (limits.ingestion_rate, limits.ingestion_burst_size);
        let items = checked.samples + checked.metadata;
        if items == 0 || self.items.allow(tenant, self.share(rate, burst), self.deps.clock.now_ns(), items) {
            return Ok(());
        }
        self.deps.instruments.discard_samples(tenant, "rate_limited", checked.samples);
        discard(&self.deps.instruments.discarded_metadata, tenant, "rate_limited", checked.metadata);
        Err(if items > burst { PushError::IngestionBurst { burst, items } } else { PushError::IngestionRate { rate, burst } })
    }

    /// This distributor's part of a rate. Bursts are not divided: each request comes to one distributor whole.
    fn share(&self, rate: f64, burst: u64) -> Rate {
        let writers = u32::try_from(self.sink.0.live_writers().max(1)).unwrap_or(u32::MAX);
        Rate { per_second: rate / f64::from(writers), burst }
    }

    /// Hands the good part on, and joins what was refused here with what comes back.
    async fn write(&self, tenant: TenantId, checked: Checked) -> Result<(), PushError> {
        let user = User::from(&tenant);
        let instruments = &self.deps.instruments;
        instruments.received_samples.get_or_create(&user).inc_by(checked.samples);
        instruments.received_metadata.get_or_create(&user).inc_by(checked.metadata);
        if let Some(latest) = checked.latest {
            let gauge = instruments.latest_sample.get_or_create(&user);
            let seconds = latest as f64 / 1000.0;
            if seconds > gauge.get() {
                gauge.set(seconds);
            }
        }
        let mut refused = Vec::new();
        if !checked.items.is_empty() {
            let batch = WriteBatch { tenant: tenant.clone(), signal: NAME, format: FORMAT, items: checked.items, bytes: checked.bytes };
            refused = self.sink.0.write(batch).await?.refused;
        }
        // As in Mimir: what an ingester says comes before what the distributor found.
        match (first(refused), checked.fault) {
            (Some(refusal), _) => {
                let text = format!("failed pushing to ingester: user={tenant}: {}", refusal.text);
                Err(PushError::Refused { kind: refusal.kind, text })
            }
            (None, Some(text)) => Err(PushError::Refused { kind: ErrorKind::BadInput, text }),
            (None, None) => Ok(()),
        }
    }
}

/// The refusal of the first item.
fn first(refused: Vec<Refusal>) -> Option<Refusal> {
    refused.into_iter().min_by_key(|refusal| refusal.item)
}

/// The number of the attempt that a client says this is.
fn retry_attempt(headers: &HeaderMap) -> u32 {
    headers.get("retry-attempt").and_then(|value| value.to_str().ok()).and_then(|text| text.trim().parse().ok()).unwrap_or(1)
}

/// Remote write 1.0 is taken, and no header at all means that.
fn negotiate(headers: &HeaderMap) -> Result<(), PushError> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned()).unwrap_or_default();
    let content_type = text(header::CONTENT_TYPE);
    let mut parts = content_type.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    if !media.is_empty() && !media.eq_ignore_ascii_case("application/x-protobuf") {
        return Err(PushError::MediaType { got: media.to_owned() });
    }
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        if !key.trim().eq_ignore_ascii_case("proto") {
            continue;
        }
        match value.trim().trim_matches('"') {
            "prometheus.WriteRequest" => {}
            "io.prometheus.write.v2.Request" => return Err(PushError::Version2),
            other => return Err(PushError::Message { got: other.to_owned() }),
        }
    }
    let encoding = text(header::CONTENT_ENCODING);
    if encoding.is_empty() || encoding.eq_ignore_ascii_case("snappy") { Ok(()) } else { Err(PushError::Encoding { got: encoding }) }
}

/// Takes a body of at most `limit` bytes; a longer one, or one that has no room in memory, is refused as soon as that is known.
async fn read_body(headers: &HeaderMap, body: Body, limit: usize, memory: &mut Reservation) -> Result<Bytes, PushError> {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<usize>().ok());
    if let Some(size) = declared.filter(|size| *size > limit) {
        return Err(PushError::TooLarge { size, limit });
    }
    memory.grow(declared.unwrap_or_default() as u64)?;
    let mut stream = body.into_data_stream();
    let mut whole = Vec::with_capacity(declared.unwrap_or_default().min(FIRST_RESERVE));
    while let Some(part) = stream.next().await {
        let part = part.map_err(PushError::Body)?;
        let size = whole.len() + part.len();
        if size > limit {
            return Err(PushError::TooLarge { size, limit });
        }
        // Without a declared length, or beyond it.
        memory.grow((size as u64).saturating_sub(memory.bytes()))?;
        whole.extend_from_slice(&part);
    }
    Ok(whole.into())
}

#[cfg(test)]
mod tests;
