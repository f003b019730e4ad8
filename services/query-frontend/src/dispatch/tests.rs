use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use prometheus_client::registry::Registry;
use proto::quartet as pb;
use runtime::ErrorKind;
use signal::{PartialStream, SignalName, SubQuery, TimeRange};
use tenancy::{TenantId, Tenants};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Answer, Dispatch, Ticket, WorkerId};
use crate::config::QueryFrontendConfig;
use crate::metrics::FrontendMetrics;

fn dispatch(max_outstanding_per_tenant: usize) -> Arc<Dispatch> {
    let config = QueryFrontendConfig { max_outstanding_per_tenant, ..QueryFrontendConfig::default() };
    Arc::new(Dispatch::new(&config, FrontendMetrics::register(&mut Registry::default()), Arc::new(|| 7)))
}

fn run(dispatch: &Arc<Dispatch>, query: SubQuery) -> PartialStream {
    match dispatch.enqueue(query, 0) {
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

/// A querier that has said its name.
fn named(dispatch: &Dispatch, name: &str) -> WorkerId {
    let worker = dispatch.join(mpsc::unbounded_channel().0);
    dispatch.hear(worker, &pb::WorkerMessage { worker: name.to_owned(), credits: 1, threads: 1, leaving: false });
    worker
}

fn of(tenant: &str) -> SubQuery {
    SubQuery { tenants: Tenants::parse(tenant).unwrap(), ..query("x") }
}

#[tokio::test]
async fn a_flood_of_one_tenant_does_not_reach_the_queriers_of_others() {
    let dispatch = dispatch(1000);
    let workers: Vec<WorkerId> = (0..6).map(|n| named(&dispatch, &format!("querier-{n}"))).collect();
    let flood: Vec<_> = (0..100).map(|_| dispatch.enqueue(of("flood"), 2).unwrap()).collect();
    let _calm = dispatch.enqueue(of("calm"), 0).unwrap();
    let mut taken = vec![Vec::new(); 6];
    for _ in 0..flood.len() {
        for (worker, taken) in workers.iter().zip(&mut taken) {
            taken.extend(dispatch.try_take(*worker).map(|taken| taken.job.tenant));
        }
    }
    let busy: Vec<_> = taken.iter().filter(|jobs| jobs.iter().any(|tenant| tenant == "flood")).collect();
    assert_eq!(busy.len(), 2);
    assert_eq!(taken.iter().flatten().filter(|tenant| *tenant == "flood").count(), 100);
    assert_eq!(taken.iter().flatten().filter(|tenant| *tenant == "calm").count(), 1);
}

#[tokio::test]
async fn what_waits_for_queriers_that_leave_goes_to_others() {
    let dispatch = dispatch(10);
    let workers: Vec<WorkerId> = (0..3).map(|n| named(&dispatch, &format!("querier-{n}"))).collect();
    let _waits = dispatch.enqueue(of("t"), 1).unwrap();
    let may: Vec<bool> = workers.iter().map(|worker| dispatch.clone().take(*worker).now_or_never().is_some()).collect();
    let own = may.iter().position(|may| *may).expect("the shard of a tenant is never empty");
    assert_eq!(may.iter().filter(|may| **may).count(), 1, "and has one querier here");

    let others: Vec<WorkerId> = workers.iter().enumerate().filter(|(at, _)| *at != own).map(|(_, worker)| *worker).collect();
    let second = dispatch.enqueue(of("t"), 1).unwrap();
    let waiting = futures::future::select(Box::pin(dispatch.take(others[0])), Box::pin(dispatch.take(others[1])));
    tokio::pin!(waiting);
    assert!(waiting.as_mut().now_or_never().is_none(), "it is not theirs");
    // Lost: both jobs are somebody else's at once, though it keeps its place for a while.
    dispatch.leave(workers[own]);
    let (first, rest) = waiting.await.factor_first();
    assert_eq!(first.job.tenant, "t");
    drop((rest, second));
}

#[tokio::test]
async fn a_querier_that_says_farewell_is_given_nothing_that_waits_for_its_place() {
    let dispatch = dispatch(10);
    let (one, other) = (named(&dispatch, "one"), named(&dispatch, "other"));
    let _waits = dispatch.enqueue(of("t"), 1).unwrap();
    let (own, own_name, next) = if dispatch.state.lock().queriers.may_serve("one", &Tenants::parse("t").unwrap(), 1, Instant::now()) {
        (one, "one", other)
    } else {
        (other, "other", one)
    };
    assert!(dispatch.try_take(next).is_none());
    dispatch.hear(own, &pb::WorkerMessage { worker: own_name.to_owned(), credits: 0, threads: 1, leaving: true });
    assert!(dispatch.try_take(next).is_some());

    // It comes back: its view of the catalog was too old for a while.
    let _waits = dispatch.enqueue(of("t"), 1).unwrap();
    dispatch.hear(own, &pb::WorkerMessage { worker: own_name.to_owned(), credits: 0, threads: 1, leaving: false });
    assert!(dispatch.try_take(next).is_none());
    assert!(dispatch.try_take(own).is_some());
}
