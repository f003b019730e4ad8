use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::future;
use runtime::{Compute, ManualClock};
use signal::{LeafBatch, LeafStream, Scan, Source, TimeRange};
use tenancy::{Overrides, TenantId};

use super::*;
use crate::chunk::encode_run;
use crate::instruments::{Instruments, QueryInstruments, Rejection};
use crate::model::{Labels, Sample};
use crate::query::QueryConfig;
use crate::query::access::Access;
use crate::query::partial::{Fetched, Frame};
use crate::wire::{LeafRows, SeriesChunks};

/// Leaves that send given rows, and then end or stay silent.
struct Given {
    rows: Vec<LeafRows>,
    silent: bool,
    budget: u64,
    reserved: AtomicU64,
    dropped: Arc<AtomicBool>,
}

impl Given {
    fn new(rows: Vec<LeafRows>) -> Self {
        Self { rows, silent: false, budget: u64::MAX, reserved: AtomicU64::default(), dropped: Arc::default() }
    }
}

/// Sets a flag when it goes.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Leaves for Given {
    fn scan(&self, _: Scan) -> LeafStream {
        let batches = self.rows.iter().map(|rows| Ok(LeafBatch { source: Source::Head("a".to_owned()), payload: rows.encode() }));
        let batches = stream::iter(batches.collect::<Vec<_>>());
        let guard = Dropped(self.dropped.clone());
        if !self.silent {
            return batches.boxed();
        }
        let silence = stream::once(async move {
            let _guard = guard;
            future::pending().await
        });
        batches.chain(silence).boxed()
    }

    fn reserve(&self, bytes: u64) -> Result<(), QueryError> {
        let all = self.reserved.fetch_add(bytes, Ordering::SeqCst) + bytes;
        if all > self.budget { Err(QueryError::new(ErrorKind::LimitExceeded, "too much")) } else { Ok(()) }
    }
}

fn series(job: &str, values: std::ops::Range<i64>) -> SeriesChunks {
    let samples: Vec<Sample> = values.map(|t| Sample { t: t * 1000, v: 1.0 }).collect();
    SeriesChunks { labels: Labels::from_pairs([("__name__", "up"), ("job", job)]), chunks: encode_run(&samples).collect() }
}

fn run_with(limits: MetricsLimits, query: &str, evaluation: Evaluation, leaves: Arc<dyn Leaves>) -> PartialStream {
    run_counted(limits, query, evaluation, leaves, &Instruments::default())
}

fn run_counted(
    limits: MetricsLimits,
    query: &str,
    evaluation: Evaluation,
    leaves: Arc<dyn Leaves>,
    instruments: &Instruments,
) -> PartialStream {
    let deps = Deps {
        limits: Overrides::fixed(limits),
        clock: Arc::new(ManualClock::default()),
        compute: Compute::new(1),
        instruments: instruments.clone(),
        ingest: crate::ingest::IngestConfig::default(),
        ha: None,
        retention: crate::Retention::default(),
        query: QueryConfig::default(),
    };
    let query = query.to_owned();
    let task = Evaluate { query, evaluation, lookback_ms: 300_000, subquery_step_ms: 60_000, oldest_ms: i64::MIN, stats: false };
    let query = SubQuery {
        tenants: TenantId::anonymous().into(),
        signal: crate::NAME,
        payload: Task::Evaluate(task).encode(&Access::default()),
        range: TimeRange::ALL,
        timeout: Duration::from_secs(10),
    };
    execute(Arc::new(deps), query, leaves)
}

async fn ask(limits: MetricsLimits, leaves: Arc<dyn Leaves>) -> Result<Vec<Frame>, QueryError> {
    let evaluation = Evaluation::Range { start_ms: 0, end_ms: 600_000, step_ms: 1000 };
    let frames: Vec<Bytes> = run_with(limits, "count_over_time(up[10m])", evaluation, leaves).try_collect().await?;
    Ok(frames.iter().map(|frame| Frame::decode(frame).unwrap()).collect())
}

fn fetched(frames: &[Frame]) -> Fetched {
    let Some(Frame::End { fetched, .. }) = frames.last() else { panic!("an answer has an end") };
    *fetched
}

#[tokio::test]
async fn what_replicas_send_twice_is_read_once() {
    let rows = LeafRows::Chunks(vec![series("a", 0..240), series("b", 0..240)]);
    let once = ask(MetricsLimits::default(), Arc::new(Given::new(vec![rows.clone()]))).await.unwrap();
    let thrice = ask(MetricsLimits::default(), Arc::new(Given::new(vec![rows.clone(), rows.clone(), rows]))).await.unwrap();
    assert_eq!(once, thrice);
    let Fetched { series, chunks, samples, .. } = fetched(&thrice);
    assert_eq!((series, chunks, samples), (2, 4, 480));
}

#[tokio::test]
async fn each_limit_has_its_text() {
    let rows = LeafRows::Chunks(vec![series("a", 0..240), series("b", 0..240)]);
    let text = async |limits: MetricsLimits, budget: u64| {
        let leaves = Given { budget, ..Given::new(vec![rows.clone()]) };
        let err = ask(limits, Arc::new(leaves)).await.unwrap_err();
        assert_eq!(err.kind, ErrorKind::LimitExceeded);
        // What the counter of refused queries goes by.
        let instruments = QueryInstruments::default();
        instruments.failed(&err.reason);
        let counted = Rejection::ALL.iter().map(|limit| instruments.rejected(*limit)).sum::<u64>();
        assert_eq!(counted, u64::from(err.text.contains("-per-query, or contact")), "{}", err.text);
        err.text
    };
    let none = MetricsLimits::default;
    let all = u64::MAX;
    assert!(text(MetricsLimits { max_fetched_series_per_query: 1, ..none() }, all).await.contains("err-mimir-max-series-per-query"));
    assert!(text(MetricsLimits { max_fetched_chunks_per_query: 3, ..none() }, all).await.contains("err-mimir-max-chunks-per-query"));
    assert!(
        text(MetricsLimits { max_fetched_chunk_bytes_per_query: 9, ..none() }, all).await.contains("err-mimir-max-chunks-bytes-per-query")
    );
    let partial = MetricsLimits { max_partial_query_length: runtime::config::HumanDuration::from_secs(1000), ..none() };
    assert!(text(partial, all).await.contains("(query length: 19m59.999s, limit: 16m40s) (err-mimir-max-query-length)"));
    let memory = MetricsLimits { max_estimated_memory_consumption_per_query: 1000, ..none() };
    assert!(text(memory, 1000).await.contains("err-mimir-max-estimated-memory-consumption-per-query"));
    assert_eq!(text(none(), 1000).await, "too much");
    let enough = MetricsLimits { max_fetched_series_per_query: 2, max_fetched_chunks_per_query: 4, ..none() };
    assert!(ask(enough, Arc::new(Given::new(vec![rows.clone()]))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_silent_leaf_ends_with_the_timeout() {
    let leaves = Given { silent: true, ..Given::new(vec![LeafRows::Chunks(vec![series("a", 0..10)])]) };
    let dropped = leaves.dropped.clone();
    let err = ask(MetricsLimits::default(), Arc::new(leaves)).await.unwrap_err();
    assert_eq!((err.kind, err.text.as_str()), (ErrorKind::Timeout, "query timed out in expression evaluation"));
    assert!(dropped.load(Ordering::SeqCst), "the scan ends with the query");
}

#[tokio::test]
async fn dropping_the_stream_ends_the_scan() {
    let leaves = Given { silent: true, ..Given::new(Vec::new()) };
    let dropped = leaves.dropped.clone();
    let mut answer = run_with(MetricsLimits::default(), "up", Evaluation::Instant { at_ms: 0 }, Arc::new(leaves));
    assert!(futures::poll!(answer.next()).is_pending());
    assert!(!dropped.load(Ordering::SeqCst));
    drop(answer);
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn an_answer_to_another_question_is_an_error() {
    for rows in [LeafRows::Strings(vec!["up".to_owned()]), LeafRows::Series(vec![Labels::empty()])] {
        let err = ask(MetricsLimits::default(), Arc::new(Given::new(vec![rows]))).await.unwrap_err();
        assert_eq!(err.kind, ErrorKind::Internal);
    }
}

#[tokio::test]
async fn answers_are_counted_by_route_and_status() {
    let mut registry = prometheus_client::registry::Registry::default();
    let instruments = Instruments::register(&mut registry);
    let range = Evaluation::Range { start_ms: 0, end_ms: 600_000, step_ms: 1000 };
    for (evaluation, query) in [(range, "up"), (range, "up"), (Evaluation::Instant { at_ms: 0 }, "up"), (range, "up{")] {
        let leaves = Arc::new(Given::new(Vec::new()));
        let answer: Result<Vec<Bytes>, QueryError> =
            run_counted(MetricsLimits::default(), query, evaluation, leaves, &instruments).try_collect().await;
        assert_eq!(answer.is_ok(), query == "up");
    }
    let mut shown = String::new();
    prometheus_client::encoding::text::encode(&mut shown, &registry).unwrap();
    for (route, status, count) in [("query_range", 200, 2), ("query", 200, 1), ("query_range", 400, 1)] {
        let labels = format!("method=\"gRPC\",route=\"prometheus_api_v1_{route}\",status_code=\"{status}\",ws=\"false\"");
        let line = format!("cortex_querier_request_duration_seconds_count{{{labels}}} {count}\n");
        assert!(shown.contains(&line), "{line}{shown}");
    }
}
