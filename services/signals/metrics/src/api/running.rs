//! Computes the parts of a query: each by one querier, or by several that evaluate shards of it.

use bytes::Bytes;
use futures::StreamExt;
use futures::future::try_join_all;
use moka::sync::Cache;
use runtime::Classify;
use signal::{QueryError, SubQuery, TimeRange};
use tokio::sync::Semaphore;
use xxhash_rust::xxh3::xxh3_64;

use super::Api;
use super::answer::{Part, internal};
use super::error::PromError;
use super::evaluate::{Asked, bounds, refused};
use crate::NAME;
use crate::limits::MetricsLimits;
use crate::query::engine::{Annotations, Cancel, Elsewhere, Evaluation, Merging, Options, Plan, ShareRow, Usage, plan, plan_around};
use crate::query::limit::LimitExceeded;
use crate::query::partial::{self, Fetched, Frame};
use crate::query::promql::Expr;
use crate::query::shard::{self, Piece};
use crate::query::subquery::{Evaluate, ShareOf, Task};
use crate::query::{self, CancelOnDrop};
use crate::wire::SeriesShard;

/// How many queries are remembered with what they took.
const REMEMBERED: u64 = 20_000;

/// What queries took when they ran last.
#[derive(Clone, Debug)]
pub(super) struct History(Cache<u64, Cost>);

/// What one part of a query took.
#[derive(Clone, Copy, Debug)]
struct Cost {
    samples: u64,
    /// Some of it cannot be sharded, as was found when it ran.
    whole: bool,
}

impl Default for History {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

/// A query that is being computed.
pub(super) struct Running<'a> {
    pub(super) api: &'a Api,
    pub(super) asked: &'a Asked,
    pub(super) expr: &'a Expr,
    /// As many sub-queries run at once as this has permits.
    permits: Semaphore,
    pieces: Option<Vec<Piece>>,
    /// Shards of each piece; below 2 nothing is sharded.
    shards: u32,
    /// Whether the query's end lies behind its start.
    pub(super) several: bool,
    /// The query as the history knows it.
    key: u64,
}

/// What the shares of a query brought.
#[derive(Default)]
struct Brought {
    /// Of each piece the rows of its shares.
    rows: Vec<Vec<Vec<ShareRow>>>,
    annotations: Annotations,
    fetched: Fetched,
    usage: Option<Usage>,
    /// A piece cannot be evaluated in shares.
    whole_wanted: bool,
}

impl<'a> Running<'a> {
    /// A query of so many parts.
    pub(super) fn new(api: &'a Api, asked: &'a Asked, expr: &'a Expr, parts: usize) -> Self {
        let width = usize::try_from(asked.guard.limits.max_query_parallelism).unwrap_or(usize::MAX);
        let permits = Semaphore::new(width.clamp(1, Semaphore::MAX_PERMITS));
        let key = xxh3_64(format!("{}\n{}", asked.tenants, asked.task.query).as_bytes());
        let (start, end) = bounds(asked.task.evaluation);
        let mut running = Self { api, asked, expr, permits, pieces: None, shards: 0, several: start != end, key };
        if asked.guard.limits.query_sharding_total_shards > 1 {
            let all = &api.deps.instruments;
            all.sharding_attempted.inc();
            running.pieces = shard::pieces(expr);
            running.shards = running.wanted_shards(parts.max(1));
            if running.is_sharded() {
                all.sharding_succeeded.inc();
            }
        }
        running
    }

    /// True when some of the query is computed in shards.
    pub(super) const fn is_sharded(&self) -> bool {
        self.shards > 1
    }

    /// As many shards as there is work for, and somebody to do it.
    fn wanted_shards(&self, parts: usize) -> u32 {
        let sharded = self.pieces.iter().flatten().filter(|piece| piece.merging.is_some()).count();
        if sharded == 0 {
            return 0;
        }
        let limits = &self.asked.guard.limits;
        let (parts, queries) = (parts as u64, (parts * sharded) as u64);
        let most = match limits.query_sharding_max_sharded_queries {
            0 => u64::MAX,
            most => most / queries,
        };
        // The parts run beside each other already.
        let parallel = (self.api.exec.parallelism() as u64).div_ceil(parts);
        let worth = match self.api.history.0.get(&self.key) {
            None => u64::MAX,
            Some(Cost { whole: true, .. }) => 0,
            Some(Cost { samples, .. }) => samples / self.api.deps.query.samples_per_shard.max(1) + 1,
        };
        let shards = limits.query_sharding_total_shards.min(most).min(parallel).min(worth);
        u32::try_from(shards).unwrap_or(u32::MAX)
    }

    fn options(&self) -> Options {
        Options {
            lookback_ms: self.asked.task.lookback_ms,
            subquery_step_ms: self.asked.task.subquery_step_ms,
            max_samples: self.api.deps.query.max_samples,
            ..Options::default()
        }
    }

    /// The plan of the whole at some times.
    pub(super) fn plan(&self, evaluation: Evaluation) -> Result<Plan, PromError> {
        plan(self.expr, evaluation, &self.options()).map_err(|err| refused(&err))
    }

    /// The answer at some times.
    pub(super) async fn compute(&self, evaluation: Evaluation) -> Result<Part, PromError> {
        let evaluation = self.as_part(evaluation);
        // Also for what it refuses.
        let plan = self.plan(evaluation)?;
        if let Some(pieces) = self.pieces.as_ref().filter(|_| self.is_sharded())
            && let Some(part) = self.in_shards(evaluation, pieces).await?
        {
            return Ok(part);
        }
        let task = Task::Evaluate(Evaluate { evaluation, ..self.asked.task.clone() });
        self.fetch(self.sub_query(&task, &plan, evaluation)).await
    }

    /// One step of several, told apart from a query of one step by its end.
    fn as_part(&self, evaluation: Evaluation) -> Evaluation {
        match evaluation {
            Evaluation::Range { start_ms, end_ms, step_ms } if self.several && start_ms == end_ms => {
                Evaluation::Range { start_ms, end_ms: end_ms + i64::from(step_ms > 1), step_ms }
            }
            evaluation => evaluation,
        }
    }

    /// The answer by shares of the pieces; nothing where one of them has to be evaluated whole.
    async fn in_shards(&self, evaluation: Evaluation, pieces: &[Piece]) -> Result<Option<Part>, PromError> {
        let elsewhere: Vec<Elsewhere> = pieces.iter().map(Piece::elsewhere).collect();
        let around = plan_around(self.expr, evaluation, &self.options(), &elsewhere).map_err(|err| refused(&err))?;
        let mut shares = Vec::new();
        for (number, piece) in pieces.iter().enumerate() {
            for sub_query in self.shares(evaluation, piece)? {
                shares.push(async move { self.fetch(sub_query).await.map(|part| (number, part)) });
            }
        }
        self.api.deps.instruments.sharded_queries.observe(f64::from(u32::try_from(shares.len()).unwrap_or(u32::MAX)));
        let parts = try_join_all(shares).await?;
        let (count, query_limits) = (pieces.len(), self.asked.guard.limits.clone());
        let cancel = CancelOnDrop(Cancel::default());
        let flag = cancel.0.clone();
        let frames = query::run(&self.api.deps.compute, move || {
            let brought = Brought::of(count, &parts)?;
            drop(parts);
            brought.check(&query_limits)?;
            if brought.whole_wanted { Ok(None) } else { brought.combine(&around, &flag).map(Some) }
        });
        match frames.await?? {
            Some((frames, fetched)) => {
                self.took(fetched);
                Ok(Some(Part::of(frames, &self.api.memory)?))
            }
            None => {
                self.api.history.0.insert(self.key, Cost { samples: 0, whole: true });
                Ok(None)
            }
        }
    }

    /// The sub-queries of one piece: one for each shard, or one.
    fn shares(&self, evaluation: Evaluation, piece: &Piece) -> Result<Vec<SubQuery>, PromError> {
        let part = shard::at(self.expr, piece.span).ok_or_else(|| internal("a query has no such part"))?;
        let plan = plan(part, evaluation, &self.options()).map_err(|err| refused(&err))?;
        let of = self.shards;
        let shards: Vec<Option<SeriesShard>> = match piece.merging {
            Some(_) => (0..of).map(|index| Some(SeriesShard { index, of })).collect(),
            None => vec![None],
        };
        let merging = piece.merging.unwrap_or(Merging::Series);
        let whole = Evaluate { evaluation, ..self.asked.task.clone() };
        let tasks = shards.into_iter().map(|shard| Task::Share(ShareOf { whole: whole.clone(), span: piece.span, merging, shard }));
        Ok(tasks.map(|task| self.sub_query(&task, &plan, evaluation)).collect())
    }

    fn sub_query(&self, task: &Task, plan: &Plan, evaluation: Evaluation) -> SubQuery {
        let reads = plan.selectors.iter().map(|selector| TimeRange::from_ms(selector.start_ms, selector.end_ms));
        let (start, end) = bounds(evaluation);
        let range = reads.reduce(|one, other| one.union(&other)).unwrap_or(TimeRange::from_ms(start, end));
        let payload = task.encode(&self.asked.access);
        SubQuery { tenants: self.asked.tenants.clone(), signal: NAME, payload, range, timeout: self.asked.timeout }
    }

    async fn fetch(&self, sub_query: SubQuery) -> Result<Part, PromError> {
        let _permit = self.permits.acquire().await.map_err(|_| internal("the sub-queries of a query were closed"))?;
        Ok(Part::read(self.api.exec.run(sub_query), &self.api.memory).await?)
    }

    /// Remembers what a part took.
    pub(super) fn took(&self, fetched: Fetched) {
        let known = self.api.history.0.get(&self.key);
        // Much of it may have been cached this time: the figure falls slowly.
        let samples = known.map_or(0, |known| known.samples - known.samples / 64).max(fetched.samples);
        // What was found to want to be whole stays so.
        self.api.history.0.insert(self.key, Cost { samples, whole: known.is_some_and(|known| known.whole) });
    }

    /// The answers at several times, in order.
    pub(super) async fn parts(&self, evaluations: Vec<Evaluation>) -> Result<Vec<Part>, PromError> {
        let width = evaluations.len().max(1);
        let cached = super::cached::Cached::of(self);
        let running = futures::stream::iter(evaluations).map(|evaluation| cached.part(evaluation)).buffered(width);
        let parts: Vec<Vec<Part>> = futures::TryStreamExt::try_collect(running).await?;
        Ok(parts.into_iter().flatten().collect())
    }
}

impl Brought {
    /// Takes up the shares of so many pieces.
    fn of(count: usize, parts: &[(usize, Part)]) -> Result<Self, QueryError> {
        let mut brought = Self { rows: vec![Vec::new(); count], ..Self::default() };
        for (piece, part) in parts {
            let rows = brought.take(part)?;
            brought.rows[*piece].push(rows);
        }
        Ok(brought)
    }

    fn take(&mut self, part: &Part) -> Result<Vec<ShareRow>, QueryError> {
        let mut rows: Vec<ShareRow> = Vec::new();
        let mut whole = false;
        for frame in &part.frames {
            match Frame::decode(frame).map_err(|err| internal(&format!("a querier's answer cannot be read: {err}")))? {
                _ if whole => return Err(internal("a querier's answer goes on after its end")),
                Frame::Share(more) => more.into_iter().for_each(|row| append(&mut rows, row)),
                Frame::WholeWanted => self.whole_wanted = true,
                Frame::End { annotations, fetched, usage } => {
                    whole = true;
                    self.annotations.merge(annotations);
                    self.fetched.add(fetched);
                    self.count(usage);
                }
                _ => return Err(internal("a querier answered another question")),
            }
        }
        if whole { Ok(rows) } else { Err(internal("a querier's answer ends early")) }
    }

    /// What is looked at adds up over shares; held is what the greatest of them holds.
    fn count(&mut self, usage: Option<Usage>) {
        let Some(more) = usage else { return };
        let usage = self.usage.get_or_insert_default();
        usage.peak = usage.peak.max(more.peak);
        usage.per_step.resize(usage.per_step.len().max(more.per_step.len()), 0);
        usage.per_step.iter_mut().zip(more.per_step).for_each(|(sum, count)| *sum += count);
    }

    /// Holds what all shares read to the limits of one query.
    fn check(&self, limits: &MetricsLimits) -> Result<(), LimitExceeded> {
        let over = |count: u64, limit: u64| limit > 0 && count > limit;
        let Fetched { series, chunks, bytes, .. } = self.fetched;
        if over(series, limits.max_fetched_series_per_query) {
            return Err(LimitExceeded::Series { limit: limits.max_fetched_series_per_query });
        }
        if over(chunks, limits.max_fetched_chunks_per_query) {
            return Err(LimitExceeded::Chunks { limit: limits.max_fetched_chunks_per_query });
        }
        let limit = limits.max_fetched_chunk_bytes_per_query;
        if over(bytes, limit) { Err(LimitExceeded::ChunkBytes { limit }) } else { Ok(()) }
    }

    /// Evaluates what stands around the pieces.
    fn combine(self, around: &Plan, cancel: &Cancel) -> Result<(Vec<Bytes>, Fetched), QueryError> {
        let failed = |err: query::engine::EvalError| QueryError::new(err.kind(), err.to_string());
        let mut result = around.evaluate_around(&self.rows, cancel).map_err(failed)?;
        let mut annotations = self.annotations;
        annotations.merge(std::mem::take(&mut result.annotations));
        result.annotations = annotations;
        Ok((partial::encode(&result, self.fetched, self.usage.as_ref()), self.fetched))
    }
}

/// Adds a row, or goes on with the last.
fn append(rows: &mut Vec<ShareRow>, row: ShareRow) {
    match rows.last_mut() {
        Some(last) if last.lane == row.lane && last.drop_name == row.drop_name && last.series.labels == row.series.labels => {
            last.series.samples.extend(row.series.samples);
            last.series.histograms.extend(row.series.histograms);
        }
        _ => rows.push(row),
    }
}
