//! The way of every write request, whatever its format: limits of this distributor, the tenant's rates, the choice between replicas of a
//! high-availability pair, the checks, the sink.
//!
//! A receiver is admitted first, reads and reserves what it needs, and hands over how its body becomes a [`Message`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::request::Parts;
use runtime::ErrorKind;
use signal::{Refusal, WriteBatch, WriteSink};
use tenancy::{Budget, Rate, RateLimiter, Reservation, TenantId, TenantIdError, Tenants};

use super::FORMAT;
use super::caller::Caller;
use super::check::{Checked, Counts, Rules};
use super::error::{DecodeError, PushError};
use super::ha::{self, HaRefusal, HaTracker};
use super::otlp::{self, Starts};
use super::peek::{Pair, PairNames, Peek};
use super::refusals::{RefusalLog, Refused};
use super::request;
use super::series::RawSeries;
use super::version2;
use crate::head::ACTIVE_SERIES_LIMIT;
use crate::instruments::{Rejected, User, discard};
use crate::limits::MetricsLimits;
use crate::{Deps, NAME};

/// Takes write requests of all formats. One per process.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) deps: Deps,
    sink: Sink,
    requests: RateLimiter,
    items: RateLimiter,
    /// What this distributor takes, of all tenants together.
    own: RateLimiter,
    everybody: TenantId,
    /// Pushes that are on their way.
    inflight: Arc<AtomicU64>,
    /// Memory of bodies, until their push is answered.
    pub(super) budget: Budget,
    log: RefusalLog,
}

/// The sink, printed as nothing.
struct Sink(Arc<dyn WriteSink>);

/// A request that may go on. As long as it lives it counts as one that is on its way.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// What the tenant may do.
    pub(crate) limits: Arc<MetricsLimits>,
    caller: Caller,
    memory: Reservation,
    _inflight: Inflight,
}

/// A decompressed request.
#[derive(Debug)]
pub(crate) enum Message {
    /// A `prometheus.WriteRequest`. Its series may hold the private field [`super::series::METADATA_FIELD`].
    One(Vec<u8>),
    /// An `io.prometheus.write.v2.Request`.
    Two(Vec<u8>),
    /// A `prometheus.WriteRequest` that was made of metrics by OTLP, and where the counters in it began.
    Otlp(Vec<u8>, Starts),
}

/// What became of a request that did not fail as a whole.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// What is stored.
    pub(crate) counts: Counts,
    /// Why the rest is not: [`PushError::Refused`].
    pub(crate) refused: Option<PushError>,
    /// Whether nothing was refused but by ingesters, for what else they hold.
    pub(crate) soft: bool,
}

impl Intake {
    /// Over a sink.
    pub(crate) fn new(deps: Deps, sink: Arc<dyn WriteSink>) -> Self {
        let limit = deps.ingest.max_inflight_push_requests_bytes.0;
        let budget = Budget::process("ingest.metrics.max_inflight_push_requests_bytes", (limit > 0).then_some(limit));
        deps.instruments.show_instance_limits(&deps.ingest);
        Self {
            deps,
            sink: Sink(sink),
            requests: RateLimiter::default(),
            items: RateLimiter::default(),
            own: RateLimiter::default(),
            everybody: TenantId::anonymous(),
            inflight: Arc::default(),
            budget,
            log: RefusalLog::default(),
        }
    }

    /// Bytes of a request by remote write, compressed or not, at most.
    pub(crate) fn max_body(&self) -> usize {
        // Offsets of items have 32 bits, and what is mended stands behind the body.
        usize::try_from(self.deps.ingest.max_recv_msg_size.0).unwrap_or(usize::MAX).min(256 << 20)
    }

    /// Bytes of a request by OTLP, compressed or not, at most; offsets as above.
    pub(crate) fn max_otlp(&self) -> usize {
        usize::try_from(self.deps.ingest.max_otlp_request_size.0).unwrap_or(usize::MAX).min(256 << 20)
    }

    /// Bytes of a request of Influx's lines, compressed or not, at most; offsets as above.
    pub(crate) fn max_influx(&self) -> usize {
        usize::try_from(self.deps.ingest.max_influx_request_size.0).unwrap_or(usize::MAX).min(256 << 20)
    }

    /// Any number: it spreads clients that come again.
    pub(crate) fn jitter(&self) -> u64 {
        self.deps.clock.now_ns().unsigned_abs() / 1000
    }

    /// Lets a request over HTTP go on, or says why not. Its tenants are those that the door left in its extensions.
    pub(crate) fn admit(&self, parts: &Parts) -> Result<Admission, PushError> {
        let tenants = parts.extensions.get::<Tenants>().ok_or(TenantIdError::Missing)?;
        self.admit_as(tenants, Caller::of(parts))
    }

    /// Lets a request go on, or says why not.
    pub(crate) fn admit_as(&self, tenants: &Tenants, caller: Caller) -> Result<Admission, PushError> {
        let tenant = tenants.single()?.clone();
        let limits = self.deps.limits.of(&tenant);
        self.deps.instruments.requests_in.get_or_create(&User::from(&tenant)).inc();
        let inflight = self.count_inflight()?;
        self.take_request(&tenant, &limits)?;
        let memory = self.budget.reserve(0)?;
        Ok(Admission { tenant, limits, caller, memory, _inflight: inflight })
    }

    fn count_inflight(&self) -> Result<Inflight, PushError> {
        let limit = self.deps.ingest.max_inflight_push_requests;
        let before = self.inflight.fetch_add(1, Ordering::Relaxed);
        let counted = Inflight(self.inflight.clone());
        if limit > 0 && before >= limit {
            self.deps.instruments.reject(Rejected::Inflight);
            return Err(PushError::Inflight);
        }
        Ok(counted)
    }

    /// Decodes, checks and writes a request.
    ///
    /// * `decode`: makes the message; runs on the compute pool, and holds what it takes in the reservation.
    /// * Errors: nothing is stored, or it is not known whether anything is.
    pub(crate) async fn write<D>(&self, admission: Admission, decode: D) -> Result<Written, PushError>
    where
        D: FnOnce(&mut Reservation) -> Result<Message, PushError> + Send + 'static,
    {
        let Admission { tenant, limits, caller, memory, _inflight } = admission;
        let (checked, memory) = match self.deps.ha.as_ref().filter(|_| limits.accept_ha_samples) {
            None => self.check(&tenant, &limits, memory, decode, false).await?,
            Some(tracker) => {
                let (message, memory, elected) = self.elect(tracker, &tenant, &limits, memory, decode).await?;
                self.check(&tenant, &limits, memory, move |_| Ok(message), elected).await?
            }
        };
        self.count(&tenant, &checked);
        self.take_items(&tenant, &limits, &checked)?;
        self.deps.instruments.received_requests.get_or_create(&User::from(&tenant)).inc();
        let written = self.hand_on(tenant, &limits, &caller, checked).await;
        drop(memory);
        written
    }

    /// Decodes and checks on the compute pool. `elected`: the label of the replica is taken off.
    async fn check<D>(
        &self,
        tenant: &TenantId,
        limits: &Arc<MetricsLimits>,
        mut memory: Reservation,
        decode: D,
        elected: bool,
    ) -> Result<(Checked, Reservation), PushError>
    where
        D: FnOnce(&mut Reservation) -> Result<Message, PushError> + Send + 'static,
    {
        let (now, tenant, limits) = (self.deps.clock.now_ms(), tenant.clone(), limits.clone());
        let work = move || -> Result<(Checked, Reservation), PushError> {
            let replica_label = elected.then_some(limits.ha_replica_label.as_str());
            let rules = Rules { tenant: &tenant, limits: &limits, now, replica_label };
            Ok((decode(&mut memory)?.check(rules, &mut memory)?, memory))
        };
        self.deps.compute.run(work).await?
    }

    /// Decodes a request, and asks whether the replica that sent it is the elected one of its pair. `false`: it came from no replica.
    async fn elect<D>(
        &self,
        tracker: &HaTracker,
        tenant: &TenantId,
        limits: &Arc<MetricsLimits>,
        mut memory: Reservation,
        decode: D,
    ) -> Result<(Message, Reservation, bool), PushError>
    where
        D: FnOnce(&mut Reservation) -> Result<Message, PushError> + Send + 'static,
    {
        let under = limits.clone();
        let work = move || -> Result<(Message, Peek, Reservation), PushError> {
            let message = decode(&mut memory)?;
            let names =
                PairNames { cluster: &under.ha_cluster_label, replica: &under.ha_replica_label, max_value: under.max_label_value_length };
            let peek = message.peek(names, &mut memory)?;
            Ok((message, peek, memory))
        };
        let (message, Peek { pair, points }, memory) = self.deps.compute.run(work).await??;
        let ha = &self.deps.instruments.ha;
        let Some(Pair { cluster, replica }) = pair else {
            ha.non_ha_samples.get_or_create(&User::from(tenant)).inc_by(points);
            return Ok((message, memory, false));
        };
        match tracker.check(tenant, &cluster, &replica, limits.ha_max_clusters).await {
            Ok(()) => Ok((message, memory, true)),
            Err(refusal) => {
                let user = User::from(tenant);
                self.deps.instruments.samples_in.get_or_create(&user).inc_by(points);
                match refusal {
                    HaRefusal::NotElected { .. } => {
                        ha.deduped_samples.get_or_create(&ha::instruments::Pair { cluster, user: user.user }).inc_by(points);
                    }
                    HaRefusal::TooManyClusters { .. } => self.deps.instruments.discard_samples(tenant, "too_many_ha_clusters", points),
                    _ => {}
                }
                Err(refusal.into())
            }
        }
    }

    fn count(&self, tenant: &TenantId, checked: &Checked) {
        let instruments = &self.deps.instruments;
        let user = User::from(tenant);
        instruments.samples_in.get_or_create(&user).inc_by(checked.incoming.points());
        instruments.exemplars_in.get_or_create(&user).inc_by(checked.incoming.exemplars);
        instruments.metadata_in.get_or_create(&user).inc_by(checked.incoming.metadata);
        for (reason, count) in &checked.discarded_samples {
            instruments.discard_samples(tenant, reason, *count);
        }
        for (reason, count) in &checked.discarded_exemplars {
            discard(&instruments.discarded_exemplars, tenant, reason, *count);
        }
        for (reason, count) in &checked.discarded_metadata {
            discard(&instruments.discarded_metadata, tenant, reason, *count);
        }
        instruments.sample_delays.observe(&checked.delays);
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
        Err(PushError::RequestRate { rate, burst }.of_rate(limits))
    }

    /// The tenant's rate of samples, exemplars and metadata, and that of this distributor. What was refused already does not count.
    fn take_items(&self, tenant: &TenantId, limits: &MetricsLimits, checked: &Checked) -> Result<(), PushError> {
        let rate = limits.ingestion_rate;
        let mut share = self.share(rate, limits.ingestion_burst_size);
        let mut burst = share.burst;
        if limits.ingestion_burst_factor > 0.0 {
            // As in Mimir: the burst is divided with the rate, and told undivided.
            share.burst = whole(share.per_second * limits.ingestion_burst_factor);
            burst = whole(rate * limits.ingestion_burst_factor);
        }
        let (items, now) = (checked.good.all(), self.deps.clock.now_ns());
        if items == 0 {
            return Ok(());
        }
        if !self.items.allow(tenant, share, now, items) {
            self.deps.instruments.discard_samples(tenant, "rate_limited", checked.good.points());
            discard(&self.deps.instruments.discarded_exemplars, tenant, "rate_limited", checked.good.exemplars);
            discard(&self.deps.instruments.discarded_metadata, tenant, "rate_limited", checked.good.metadata);
            let above = match share.burst {
                most if items > most => PushError::IngestionBurst { burst: most, items },
                _ => PushError::IngestionRate { rate, burst },
            };
            return Err(above.of_rate(limits));
        }
        let own = self.deps.ingest.max_ingestion_rate;
        // One request always fits, however large: else it could never be sent.
        if own > 0.0 && !self.own.allow(&self.everybody, Rate { per_second: own, burst: whole(own) }, now, items.min(whole(own))) {
            self.deps.instruments.reject(Rejected::Rate);
            return Err(PushError::OwnRate);
        }
        Ok(())
    }

    /// This distributor's part of a rate. Bursts are not divided: each request comes to one distributor whole.
    fn share(&self, rate: f64, burst: u64) -> Rate {
        let writers = u32::try_from(self.sink.0.live_writers().max(1)).unwrap_or(u32::MAX);
        Rate { per_second: rate / f64::from(writers), burst }
    }

    /// Hands the good part on, and joins what was refused here with what comes back.
    async fn hand_on(&self, tenant: TenantId, limits: &MetricsLimits, caller: &Caller, checked: Checked) -> Result<Written, PushError> {
        self.count_good(&tenant, &checked);
        let mut written = Written { counts: checked.good, refused: None, soft: checked.faults.is_empty() };
        let mut refused = Vec::new();
        if !checked.items.is_empty() {
            let (items, bytes) = (checked.items.clone(), checked.bytes.clone());
            let batch = WriteBatch { tenant: tenant.clone(), signal: NAME, format: FORMAT, items, bytes };
            refused = self.sink.0.write(batch).await?.refused;
            refused.retain(|refusal| !checked.extras.contains(&refusal.item));
        }
        for refusal in &refused {
            written.counts = written.counts.without(checked.item_counts(refusal.item), u64::from(refusal.rows));
        }
        self.log_refusals(&tenant, caller, &checked, &refused);
        let all = refused.len();
        refused.retain(|refusal| refusal.reason != ACTIVE_SERIES_LIMIT);
        let inactive = all - refused.len();
        // As in Mimir: what an ingester says comes before what the distributor found.
        written.refused = match (first(refused), checked.faults.first()) {
            (Some(refusal), _) => {
                let text = format!("failed pushing to ingester: user={tenant}: {}", refusal.text);
                Some(PushError::Refused { kind: refusal.kind, text: signed(text, caller) })
            }
            (None, _) if inactive > 0 => {
                written.soft = false;
                let (limit, total) = (limits.max_active_series_per_user, checked.series_count());
                Some(PushError::ActiveSeries { limit, rejected: inactive, total }.of_rate(limits))
            }
            (None, Some(fault)) => Some(PushError::Refused { kind: ErrorKind::BadInput, text: signed(fault.text.clone(), caller) }),
            (None, None) => None,
        };
        Ok(written)
    }

    fn count_good(&self, tenant: &TenantId, checked: &Checked) {
        let (instruments, user) = (&self.deps.instruments, User::from(tenant));
        instruments.received_samples.get_or_create(&user).inc_by(checked.good.points());
        instruments.received_exemplars.get_or_create(&user).inc_by(checked.good.exemplars);
        instruments.received_metadata.get_or_create(&user).inc_by(checked.good.metadata);
        if let Some(latest) = checked.latest {
            let gauge = instruments.latest_sample.get_or_create(&user);
            let seconds = latest as f64 / 1000.0;
            if seconds > gauge.get() {
                gauge.set(seconds);
            }
        }
    }

    fn log_refusals(&self, tenant: &TenantId, caller: &Caller, checked: &Checked, refused: &[Refusal]) {
        let now = self.deps.clock.now_ns();
        let here = checked.faults.iter().map(|fault| (fault.reason, fault.text.as_str()));
        let mut seen: Vec<&str> = Vec::new();
        for (reason, text) in here.chain(refused.iter().map(|refusal| (refusal.reason.as_str(), refusal.text.as_str()))) {
            if !seen.contains(&reason) {
                seen.push(reason);
                self.log.log(now, Refused { tenant, caller, reason, text });
            }
        }
    }
}

impl Admission {
    /// Holds `bytes` more of memory, or says that there is no room for them.
    pub(crate) fn reserve(&mut self, bytes: usize) -> Result<(), PushError> {
        Ok(self.memory.grow(bytes as u64)?)
    }

    /// What is held.
    pub(crate) fn memory(&mut self) -> &mut Reservation {
        &mut self.memory
    }
}

impl Message {
    fn check(self, rules: Rules<'_>, memory: &mut Reservation) -> Result<Checked, DecodeError> {
        match self {
            Self::One(body) => request::check(body, rules, memory),
            Self::Two(body) => version2::check(&body, rules, memory),
            Self::Otlp(body, starts) => otlp::check(body, &starts, rules, memory),
        }
    }

    fn peek(&self, names: PairNames<'_>, memory: &mut Reservation) -> Result<Peek, DecodeError> {
        match self {
            Self::One(body) | Self::Otlp(body, _) => request::peek(body, names),
            Self::Two(body) => version2::peek(body, names, memory),
        }
    }
}

impl Checked {
    /// How many series go on.
    fn series_count(&self) -> usize {
        let items = (0u32..).take(self.items.len()).filter(|item| !self.extras.contains(item));
        items.map(|item| self.item_counts(item)).filter(|counts| counts.points() + counts.exemplars > 0).count()
    }

    /// What an item holds.
    fn item_counts(&self, item: u32) -> Counts {
        let Some(item) = self.items.get(item as usize) else { return Counts::default() };
        let mut series = RawSeries::default();
        match series.read(&self.bytes, item.start as usize..item.end as usize) {
            Ok(()) => Counts::of(&series),
            // It was written or checked here.
            Err(_) => Counts::default(),
        }
    }
}

impl Counts {
    /// Less the `rows` samples of an item that were refused; an item whose samples were all refused is not stored at all.
    fn without(self, item: Self, rows: u64) -> Self {
        let samples = item.samples.min(rows);
        let histograms = item.histograms.min(rows - samples);
        let whole = rows >= item.points();
        Self {
            samples: self.samples.saturating_sub(samples),
            histograms: self.histograms.saturating_sub(histograms),
            exemplars: self.exemplars.saturating_sub(if whole { item.exemplars } else { 0 }),
            metadata: self.metadata.saturating_sub(if whole { item.metadata } else { 0 }),
        }
    }
}

/// A push on its way, as long as this lives.
#[derive(Debug)]
struct Inflight(Arc<AtomicU64>);

impl Drop for Inflight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The refusal of the first item.
fn first(refused: Vec<Refusal>) -> Option<Refusal> {
    refused.into_iter().min_by_key(|refusal| refusal.item)
}

/// What a client is told, and behind it who sent the request: between a sender and its distributor stand agents and proxies.
fn signed(text: String, caller: &Caller) -> String {
    let stop = if text.ends_with('.') { "" } else { "." };
    format!("{text}{stop} The request was sent by {caller}")
}

/// A rate as a number of tokens, at least one.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn whole(rate: f64) -> u64 {
    (rate.ceil() as u64).max(1)
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sink")
    }
}
