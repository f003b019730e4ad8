use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use prometheus_client::registry::Registry;
use runtime::ErrorKind;
use signal::{PartialStream, SignalName, SubQuery, TimeRange};
use tenancy::TenantId;
use tokio::sync::mpsc;

use super::{Answer, Dispatch, Ticket};
use crate::config::QueryFrontendConfig;
use crate::metrics::FrontendMetrics;

fn dispatch(max_outstanding_per_tenant: usize) -> Arc<Dispatch> {
    let config = QueryFrontendConfig { max_outstanding_per_tenant, ..QueryFrontendConfig::default() };
    Arc::new(Dispatch::new(&config, FrontendMetrics::register(&mut Registry::default()), Arc::new(|| 7)))
}

fn run(dispatch: &Arc<Dispatch>, query: SubQuery) -> PartialStream {
    match dispatch.enqueue(query) {
        Err(err) => futures::stream::once(async move { Err(err) }).boxed(),
        Ok(queued) => Answer::new(dispatch.clone(), queued).boxed(),
    }
}

fn query(text: &'static str) -> SubQuery {
    SubQuery {
        tenants: TenantId::anonymous().into(),
        signal: SignalName::new("test"),
        payload: Bytes::from_static(text.as_bytes()),
        range: TimeRange { start: 1, end: 2 },
        timeout: Duration::from_secs(60),
    }
}

#[tokio::test]
async fn an_answer_comes_back_to_who_asked() {
    let dispatch = dispatch(10);
    let worker = dispatch.join(mpsc::unbounded_channel().0);
    let mut answer = run(&dispatch, query("a"));
    let job = dispatch.take(worker).await.job;
    assert_eq!((job.payload.as_ref(), job.catalog_number), (&b"a"[..], 7));
    assert!(dispatch.answer(Ticket(job.id), Bytes::from_static(b"one")).await);
    assert!(dispatch.answer(Ticket(job.id), Bytes::from_static(b"two")).await);
    dispatch.finish(Ticket(job.id), Ok(()));
    assert_eq!(answer.next().await.unwrap().unwrap().as_ref(), b"one");
    assert_eq!(answer.next().await.unwrap().unwrap().as_ref(), b"two");
    assert!(answer.next().await.is_none());
}

#[tokio::test]
async fn a_job_of_a_lost_querier_goes_to_another() {
    let dispatch = dispatch(10);
    let (first, second) = (dispatch.join(mpsc::unbounded_channel().0), dispatch.join(mpsc::unbounded_channel().0));
    let mut answer = run(&dispatch, query("a"));
    let job = dispatch.take(first).await.job;
    dispatch.leave(first);
    let again = dispatch.take(second).await.job;
    // What the first still says does not count.
    assert!(!dispatch.answer(Ticket(job.id), Bytes::from_static(b"late")).await);
    dispatch.broken(Ticket(job.id));
    dispatch.finish(Ticket(job.id), Ok(()));
    dispatch.answer(Ticket(again.id), Bytes::from_static(b"x")).await;
    // Part of the answer is out: a repetition would stand twice in it.
    dispatch.leave(second);
    assert_eq!(answer.next().await.unwrap().unwrap().as_ref(), b"x");
    assert_eq!(answer.next().await.unwrap().unwrap_err().kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_dropped_answer_cancels_its_job() {
    let dispatch = dispatch(1);
    let (cancel, mut cancelled) = mpsc::unbounded_channel();
    let worker = dispatch.join(cancel);
    let running = run(&dispatch, query("running"));
    let job = dispatch.take(worker).await.job;
    let waiting = run(&dispatch, query("waiting"));
    drop(waiting);
    drop(running);
    assert_eq!(cancelled.recv().await, Some(Ticket(job.id)));
    assert!(dispatch.try_take(worker).is_none(), "the waiting job has left the queue");
}

#[tokio::test]
async fn too_many_waiting_are_refused() {
    let dispatch = dispatch(1);
    let _waits = run(&dispatch, query("a"));
    let err = run(&dispatch, query("b")).next().await.unwrap().unwrap_err();
    assert_eq!((err.kind, err.text.as_str()), (ErrorKind::RateLimited, "too many outstanding requests"));
}

#[tokio::test(start_paused = true)]
async fn a_job_times_out() {
    let dispatch = dispatch(1);
    let err = run(&dispatch, query("a")).next().await.unwrap().unwrap_err();
    assert_eq!(err.kind, ErrorKind::Timeout);
    // Its place in the queue is free again.
    let _waits = run(&dispatch, query("b"));
    assert_eq!(dispatch.metrics.in_progress.get(), 1);
}

#[tokio::test]
async fn an_answer_without_an_end_is_an_error() {
    let dispatch = dispatch(1);
    let worker = dispatch.join(mpsc::unbounded_channel().0);
    let mut answer = run(&dispatch, query("a"));
    let job = dispatch.take(worker).await.job;
    // More parts than may wait: there is no room for another word among them.
    for _ in 0..super::ANSWERS_AHEAD {
        assert!(dispatch.answer(Ticket(job.id), Bytes::from_static(b"x")).await);
    }
    dispatch.leave(worker);
    for _ in 0..super::ANSWERS_AHEAD {
        assert!(answer.next().await.unwrap().is_ok());
    }
    assert_eq!(answer.next().await.unwrap().unwrap_err().kind, ErrorKind::Unavailable);
    assert!(answer.next().await.is_none());
}

#[tokio::test]
async fn a_drain_fails_what_waits_and_lets_finish_what_runs() {
    let dispatch = dispatch(2);
    let worker = dispatch.join(mpsc::unbounded_channel().0);
    let mut running = run(&dispatch, query("running"));
    let job = dispatch.take(worker).await.job;
    let mut waiting = run(&dispatch, query("waiting"));
    dispatch.drain();
    assert_eq!(waiting.next().await.unwrap().unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(run(&dispatch, query("new")).next().await.unwrap().unwrap_err().kind, ErrorKind::Unavailable);
    assert!(dispatch.begin(Ticket(job.id)));
    dispatch.fail_unbegun();
    assert!(dispatch.idle(worker).now_or_never().is_none(), "its answer comes");
    dispatch.finish(Ticket(job.id), Ok(()));
    dispatch.idle(worker).await;
    assert!(running.next().await.is_none());
    assert_eq!(dispatch.metrics.in_progress.get(), 0);
}

#[tokio::test]
async fn a_drain_fails_what_was_given_out_and_cannot_be_answered() {
    let dispatch = dispatch(2);
    let worker = dispatch.join(mpsc::unbounded_channel().0);
    let mut given = run(&dispatch, query("given"));
    let job = dispatch.take(worker).await.job;
    dispatch.drain();
    dispatch.fail_unbegun();
    assert_eq!(given.next().await.unwrap().unwrap_err().kind, ErrorKind::Unavailable);
    dispatch.idle(worker).await;
    assert!(!dispatch.begin(Ticket(job.id)));
}
