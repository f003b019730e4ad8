//! The cache of results: what of a range query was computed before.
//!
//! A query's part lies within one interval; under its key stands one *extent*: the answer at all steps of a range. What of a request lies
//! in it is cut out of it, the rest is computed, and both together are the new extent.
//!
//! A value may change as long as the tenant's limits accept samples of its time: until then an extent lives for minutes, so that a
//! backlog after an outage appears. What changes old rows otherwise, a delete or a block of old rows, changes the tenant's
//! *generation* and so the key.

use std::time::Duration;

use bytes::Bytes;
use signal::QueryError;
use xxhash_rust::xxh3::xxh3_128;

use super::answer::{self, Part, Value};
use super::error::PromError;
use super::running::Running;
use crate::instruments::{Reason, RequestType};
use crate::model::Sample;
use crate::query::engine::{Evaluation, QueryResult, RangeSeries, ResultValue};
use crate::query::partial::{self, Fetched};
use crate::query::plan::splits;
use crate::wire::DecodeError;
use crate::wire::codec::{Reader, put_bytes, put_len, put_signed};
use crate::{NAME, query};

/// The version of an extent, and of the key.
const VERSION: u8 = 1;
/// Values younger than this can always change.
const SETTLED_AFTER: Duration = Duration::from_secs(2 * 3600);
/// The label of range queries.
const RANGE: RequestType = RequestType { request_type: "query_range" };

/// A query whose parts may be cached.
pub(super) struct Cached<'a> {
    running: &'a Running<'a>,
    /// Why no part of it is, if so.
    skipped: Option<&'static str>,
    /// All of the key but the interval and the alignment.
    key: String,
    now_ms: i64,
    /// Values up to this time, ms, are cached.
    fresh_ms: i64,
    /// Values up to this time, ms, do not change any more.
    settled_ms: i64,
    settled_ttl: Duration,
    ttl: Duration,
}

/// The answer of a query at all steps of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    start_ms: i64,
    end_ms: i64,
    /// Not to be used from this time on, ms.
    expires_ms: i64,
    frames: Vec<Bytes>,
}

/// A range of steps, both ends belonging to it.
type Steps = (i64, i64);

impl<'a> Cached<'a> {
    pub(super) fn of(running: &'a Running<'a>) -> Self {
        let (api, asked) = (running.api, running.asked);
        let limits: Vec<_> = asked.tenants.all().iter().map(|tenant| api.deps.limits.of(tenant)).collect();
        let now_ms = api.deps.clock.now_ms();
        let freshness = limits.iter().map(|limits| limits.max_cache_freshness.as_ms()).max().unwrap_or(0);
        // Without a bound nothing ever settles.
        let bounded = limits.iter().all(|limits| !limits.past_grace_period.is_zero());
        let accepted = |limits: &crate::limits::MetricsLimits| limits.past_grace_period.get() + limits.out_of_order_time_window.get();
        let accepted = limits.iter().map(|limits| accepted(limits)).max().unwrap_or_default().max(SETTLED_AFTER);
        let settled_ms = if bounded { now_ms.saturating_sub(ms(accepted)) } else { i64::MIN };
        let least = |of: fn(&crate::limits::MetricsLimits) -> Duration| limits.iter().map(|limits| of(limits)).min().unwrap_or_default();
        let generations: Vec<u64> = asked.tenants.all().iter().map(|tenant| api.exec.generation(tenant, NAME, accepted)).collect();
        let task = &asked.task;
        let key = format!(
            "{VERSION}\n{}\n{:?}\n{generations:?}\n{accepted:?} {bounded}\n{} {} {}\n{}",
            asked.tenants, asked.access, task.lookback_ms, task.subquery_step_ms, running.several, task.query
        );
        Self {
            running,
            skipped: asked.uncached.or_else(|| (!splits(running.expr)).then_some("has-modifiers")),
            key,
            now_ms,
            fresh_ms: now_ms.saturating_sub(freshness),
            settled_ms,
            settled_ttl: least(|limits| limits.results_cache_ttl.get()),
            ttl: least(|limits| limits.results_cache_ttl_for_out_of_order_time_window.get()),
        }
    }

    /// The answer at some steps, in parts that follow each other.
    pub(super) async fn part(&self, evaluation: Evaluation) -> Result<Vec<Part>, PromError> {
        let running = self.running;
        let Evaluation::Range { start_ms, end_ms, step_ms } = evaluation else { return Ok(vec![running.compute(evaluation).await?]) };
        if let Some(reason) = self.skips(evaluation)? {
            running.api.deps.instruments.result_cache_skipped.get_or_create(&Reason { reason }).inc();
            return Ok(vec![running.compute(evaluation).await?]);
        }
        let key = self.key(start_ms, step_ms);
        running.api.deps.instruments.result_cache_requests.get_or_create(&RANGE).inc();
        let extent = self.recall(&key).await;
        let found = extent.as_ref().and_then(|extent| overlap((extent.start_ms, extent.end_ms), (start_ms, end_ms)));
        let range = |(start_ms, end_ms): Steps| Evaluation::Range { start_ms, end_ms, step_ms };
        let mut parts = Vec::new();
        match (&extent, found) {
            (Some(extent), Some(found)) => {
                running.api.deps.instruments.result_cache_hits.get_or_create(&RANGE).inc();
                let before = (start_ms < found.0).then(|| running.compute(range((start_ms, found.0 - step_ms))));
                let after = (found.1 < end_ms).then(|| running.compute(range((found.1 + step_ms, end_ms))));
                let computed = futures::future::try_join(maybe(before), maybe(after));
                let (before, after) = computed.await?;
                parts.extend(before);
                parts.push(self.cut(extent.clone(), found).await?);
                parts.extend(after);
            }
            _ => parts.push(running.compute(evaluation).await?),
        }
        self.remember(key, extent, (start_ms, end_ms), step_ms, parts).await
    }

    /// Why a part may not be cached, if so.
    fn skips(&self, evaluation: Evaluation) -> Result<Option<&'static str>, PromError> {
        let Evaluation::Range { start_ms, end_ms, step_ms } = evaluation else { return Ok(self.skipped) };
        if self.skipped.is_some() {
            return Ok(self.skipped);
        }
        if start_ms > self.fresh_ms {
            return Ok(Some("too-new"));
        }
        let unaligned = start_ms % step_ms != 0;
        let asked = self.running.asked;
        if unaligned && !asked.guard.limits.cache_unaligned_requests {
            return Ok(Some("unaligned-time-range"));
        }
        let plan = self.running.plan(evaluation)?;
        // Values that depend on younger samples than their own time says, or on samples that are no longer looked at soon.
        let (ahead, behind) = (|end: i64| end > end_ms, |start: i64| start < asked.task.oldest_ms);
        let outside = plan.selectors.iter().any(|selector| ahead(selector.end_ms) || behind(selector.start_ms));
        Ok(outside.then_some("has-modifiers"))
    }

    fn key(&self, start_ms: i64, step_ms: i64) -> String {
        let interval = self.running.api.deps.query.split_interval.as_ms();
        let number = if interval > 0 { start_ms.div_euclid(interval) } else { 0 };
        let text = format!("{number} {interval} {step_ms} {}\n{}", start_ms.rem_euclid(step_ms), self.key);
        format!("results:{:032x}", xxh3_128(text.as_bytes()))
    }

    async fn recall(&self, key: &str) -> Option<Extent> {
        let bytes = self.running.api.exec.recall(key).await?;
        // What cannot be read was written by another version.
        Extent::decode(&bytes).ok().filter(|extent| self.now_ms < extent.expires_ms)
    }

    /// What of an extent lies in a range.
    async fn cut(&self, extent: Extent, (start_ms, end_ms): Steps) -> Result<Part, PromError> {
        let api = self.running.api;
        if (extent.start_ms, extent.end_ms) == (start_ms, end_ms) {
            return Ok(Part::of(extent.frames, &api.memory)?);
        }
        let whole = Part::of(extent.frames, &api.memory)?;
        let frames = query::run(&api.deps.compute, move || {
            let mut result = matrix(&[whole])?;
            retain(&mut result, |t| (start_ms..=end_ms).contains(&t));
            Ok::<_, QueryError>(partial::encode(&result, Fetched::default(), None))
        });
        Ok(Part::of(frames.await??, &api.memory)?)
    }

    /// Keeps what of the answer at `asked` and of the extent before may be kept; gives the parts of the answer back.
    async fn remember(
        &self,
        key: String,
        before: Option<Extent>,
        asked: Steps,
        step_ms: i64,
        parts: Vec<Part>,
    ) -> Result<Vec<Part>, PromError> {
        let last = asked.1.min(asked.0 + (self.fresh_ms - asked.0) / step_ms * step_ms);
        let known = before.as_ref().is_some_and(|before| before.start_ms <= asked.0 && last <= before.end_ms);
        if known {
            return Ok(parts);
        }
        let ttl = if last <= self.settled_ms { self.settled_ttl } else { self.ttl };
        let mut extent = Extent { start_ms: asked.0, end_ms: last, expires_ms: self.now_ms.saturating_add(ms(ttl)), frames: Vec::new() };
        // One that lies apart gives way to the newer.
        let before = before.filter(|before| before.start_ms <= last + step_ms && asked.0 <= before.end_ms + step_ms);
        let api = self.running.api;
        let memory = api.memory.clone();
        let (parts, bytes) = query::run(&api.deps.compute, move || {
            let mut result = matrix(&parts)?;
            retain(&mut result, |t| t <= last);
            if let Some(before) = before {
                let asked = extent.start_ms..=extent.end_ms;
                extent.start_ms = extent.start_ms.min(before.start_ms);
                extent.end_ms = extent.end_ms.max(before.end_ms);
                extent.expires_ms = extent.expires_ms.min(before.expires_ms);
                let mut rest = matrix(&[Part::of(before.frames, &memory)?])?;
                retain(&mut rest, |t| !asked.contains(&t));
                join(&mut result, rest);
            }
            extent.frames = partial::encode(&result, Fetched::default(), None);
            Ok::<_, QueryError>((parts, extent.encode()))
        })
        .await??;
        api.exec.remember(&key, bytes);
        Ok(parts)
    }
}

impl Extent {
    fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        for time in [self.start_ms, self.end_ms, self.expires_ms] {
            put_signed(&mut out, time);
        }
        put_len(&mut out, self.frames.len());
        self.frames.iter().for_each(|frame| put_bytes(&mut out, frame));
        out.into()
    }

    fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut from = Reader::new(bytes);
        match from.byte()? {
            VERSION => {}
            version => return Err(DecodeError::Version { what: "cached result", version }),
        }
        let (start_ms, end_ms, expires_ms) = (from.signed()?, from.signed()?, from.signed()?);
        let count = from.count(1)?;
        let frames = (0..count).map(|_| from.shared(bytes)).collect::<Result<_, _>>()?;
        from.end()?;
        Ok(Self { start_ms, end_ms, expires_ms, frames })
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn overlap(one: Steps, other: Steps) -> Option<Steps> {
    let (start, end) = (one.0.max(other.0), one.1.min(other.1));
    (start <= end).then_some((start, end))
}

async fn maybe<T, E>(work: Option<impl Future<Output = Result<T, E>>>) -> Result<Option<T>, E> {
    match work {
        Some(work) => work.await.map(Some),
        None => Ok(None),
    }
}

/// The matrix that parts are together, with what is remarked about it.
fn matrix(parts: &[Part]) -> Result<QueryResult, QueryError> {
    let answer::Answer { value, annotations, .. } = answer::merge(parts)?;
    let Value::Matrix(series) = value else { return Err(answer::internal("a range query has a value that is no matrix")) };
    Ok(QueryResult { value: ResultValue::Matrix(series), annotations })
}

/// Leaves the samples whose times `keep` wants.
fn retain(result: &mut QueryResult, keep: impl Fn(i64) -> bool) {
    let ResultValue::Matrix(series) = &mut result.value else { return };
    for one in series.iter_mut() {
        one.samples.retain(|sample| keep(sample.t));
        one.histograms.retain(|sample| keep(sample.t));
    }
    series.retain(|one| !one.samples.is_empty() || !one.histograms.is_empty());
}

/// Adds the samples of other times.
fn join(result: &mut QueryResult, other: QueryResult) {
    result.annotations.merge(other.annotations);
    let (ResultValue::Matrix(series), ResultValue::Matrix(more)) = (&mut result.value, other.value) else { return };
    series.extend(more);
    series.sort_by(|one, other| one.labels.cmp(&other.labels));
    series.dedup_by(|next, kept| {
        let same = next.labels == kept.labels;
        if same {
            take_over(kept, next);
        }
        same
    });
}

fn take_over(kept: &mut RangeSeries, next: &mut RangeSeries) {
    kept.samples.append(&mut next.samples);
    kept.samples.sort_by_key(|sample: &Sample| sample.t);
    kept.histograms.append(&mut next.histograms);
    kept.histograms.sort_by_key(|sample| sample.t);
}
