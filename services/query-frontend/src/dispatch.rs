//! Sub-queries on their way: from the signal's handler through the queue to a querier, and the answer back.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use proto::quartet as pb;
use runtime::{ErrorKind, Tasks};
use signal::{PartialStream, QueryError, QueryExecutor, SubQuery};
use tenancy::TenantId;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::config::QueryFrontendConfig;
use crate::metrics::{FrontendMetrics, User};
use crate::queue::FairQueue;

/// The number of a job in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// The number of a connected querier in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u64);

/// A job that was taken from the queue for a worker.
#[derive(Debug)]
pub struct Taken {
    /// What the worker is sent.
    pub job: pb::Job,
}

/// The jobs of this process. Shared by the signals' handlers and the streams of queriers.
pub struct Dispatch {
    state: Mutex<State>,
    /// Rung for each job that is put into the queue.
    arrived: Notify,
    next_job: AtomicU64,
    max_retries: u32,
    metrics: FrontendMetrics,
    catalog_number: Arc<dyn Fn() -> u64 + Send + Sync>,
    tasks: Tasks,
}

struct State {
    queue: FairQueue<JobId>,
    jobs: HashMap<JobId, Job>,
    workers: HashMap<WorkerId, mpsc::UnboundedSender<JobId>>,
    next_worker: u64,
    closed: bool,
}

struct Job {
    query: SubQuery,
    deadline: Instant,
    queued: Instant,
    /// Where answers go.
    answers: mpsc::Sender<Result<Bytes, QueryError>>,
    /// Who works on it; none while it waits.
    worker: Option<WorkerId>,
    /// A part of the answer went out: the job cannot be given to another querier any more.
    answered: bool,
    attempts: u32,
}

/// How many parts of an answer may wait for the handler.
const ANSWERS_AHEAD: usize = 8;

impl Dispatch {
    /// No jobs yet.
    #[must_use]
    pub fn new(
        config: &QueryFrontendConfig,
        metrics: FrontendMetrics,
        catalog_number: Arc<dyn Fn() -> u64 + Send + Sync>,
        tasks: Tasks,
    ) -> Self {
        let state = State {
            queue: FairQueue::new(config.max_outstanding_per_tenant),
            jobs: HashMap::new(),
            workers: HashMap::new(),
            next_worker: 0,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            arrived: Notify::new(),
            next_job: AtomicU64::new(1),
            max_retries: config.max_retries,
            metrics,
            catalog_number,
            tasks,
        }
    }

    /// How many queriers are connected.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.state.lock().workers.len()
    }

    /// A querier has come. `cancelled` gets the jobs of this querier that nobody waits for any more.
    pub fn join(&self, cancelled: mpsc::UnboundedSender<JobId>) -> WorkerId {
        let mut state = self.state.lock();
        let id = WorkerId(state.next_worker);
        state.next_worker += 1;
        state.workers.insert(id, cancelled);
        self.metrics.workers.inc();
        id
    }

    /// A querier has gone: its jobs are given to others, unless a part of their answer has gone out.
    pub fn leave(&self, worker: WorkerId) {
        let mut state = self.state.lock();
        if state.workers.remove(&worker).is_some() {
            self.metrics.workers.dec();
        }
        let lost: Vec<JobId> = state.jobs.iter().filter(|(_, job)| job.worker == Some(worker)).map(|(id, _)| *id).collect();
        for id in lost {
            self.give_back(&mut state, id);
        }
    }

    fn give_back(&self, state: &mut State, id: JobId) {
        let State { queue, jobs, .. } = state;
        let Some(job) = jobs.get_mut(&id) else { return };
        if job.answered || job.attempts > self.max_retries {
            let job = jobs.remove(&id).expect("it was just there");
            self.metrics.in_progress.dec();
            let lost = QueryError::new(ErrorKind::Unavailable, "the querier that worked on the query is gone");
            // A full channel means a handler that reads; it finds the stream ended and says so itself.
            drop(job.answers.try_send(Err(lost)));
            return;
        }
        job.worker = None;
        queue.put_back(&job.query.tenant, id);
        self.metrics.retries.inc();
        self.metrics.queue_length.get_or_create(&user(&job.query.tenant)).inc();
        self.arrived.notify_one();
    }

    /// Waits for a job and gives it to a worker.
    pub async fn take(&self, worker: WorkerId) -> Taken {
        loop {
            // Registered before the look, so that a job that comes in between is not missed.
            let arrived = self.arrived.notified();
            if let Some(taken) = self.try_take(worker) {
                return taken;
            }
            arrived.await;
        }
    }

    fn try_take(&self, worker: WorkerId) -> Option<Taken> {
        let mut state = self.state.lock();
        let State { queue, jobs, .. } = &mut *state;
        while let Some(id) = queue.pop() {
            let Some(job) = jobs.get_mut(&id) else { continue };
            let now = Instant::now();
            self.metrics.queue_length.get_or_create(&user(&job.query.tenant)).dec();
            self.metrics.queue_duration.observe(now.duration_since(job.queued).as_secs_f64());
            job.worker = Some(worker);
            job.attempts += 1;
            let left = job.deadline.saturating_duration_since(now);
            return Some(Taken { job: encode(id, &job.query, left, (self.catalog_number)()) });
        }
        None
    }

    /// A part of the answer to a job; `false` when nobody waits for it any more.
    pub async fn answer(&self, id: JobId, part: Result<Bytes, QueryError>) -> bool {
        let answers = {
            let mut state = self.state.lock();
            let Some(job) = state.jobs.get_mut(&id) else { return false };
            job.answered = true;
            job.answers.clone()
        };
        answers.send(part).await.is_ok()
    }

    /// The answer to a job is complete.
    pub fn finish(&self, id: JobId) {
        if self.state.lock().jobs.remove(&id).is_some() {
            self.metrics.in_progress.dec();
        }
    }

    /// The result stream of a job broke off before its end.
    pub fn broken(&self, id: JobId) {
        self.give_back(&mut self.state.lock(), id);
    }

    /// Nobody waits for a job any more: takes it out of the queue, or tells its querier.
    fn cancel(&self, id: JobId) {
        let mut state = self.state.lock();
        let State { queue, jobs, workers, .. } = &mut *state;
        let Some(job) = jobs.remove(&id) else { return };
        self.metrics.in_progress.dec();
        match job.worker {
            None => {
                queue.remove(&job.query.tenant, |waiting| *waiting == id);
                self.metrics.queue_length.get_or_create(&user(&job.query.tenant)).dec();
            }
            Some(worker) => {
                if let Some(cancelled) = workers.get(&worker) {
                    // A worker that has just gone needs no telling.
                    let _gone = cancelled.send(id);
                }
            }
        }
    }

    /// Fails everything that waits or runs, and refuses what comes.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.queue.drain();
        for (_, job) in state.jobs.drain() {
            drop(job.answers.try_send(Err(stopping())));
        }
    }

    fn enqueue(&self, query: SubQuery, answers: mpsc::Sender<Result<Bytes, QueryError>>) -> Result<(JobId, Instant), QueryError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(stopping());
        }
        let id = JobId(self.next_job.fetch_add(1, Ordering::Relaxed));
        let now = Instant::now();
        let deadline = now + query.timeout;
        if let Err(err) = state.queue.push(&query.tenant, id) {
            self.metrics.discarded.get_or_create(&user(&query.tenant)).inc();
            return Err(QueryError::new(ErrorKind::RateLimited, err.to_string()).with_reason("too_many_requests"));
        }
        self.metrics.queue_length.get_or_create(&user(&query.tenant)).inc();
        self.metrics.in_progress.inc();
        state.jobs.insert(id, Job { query, deadline, queued: now, answers, worker: None, answered: false, attempts: 0 });
        drop(state);
        self.arrived.notify_one();
        Ok((id, deadline))
    }
}

/// The executor that signals are given.
#[derive(Clone, Debug)]
pub struct Executor(pub Arc<Dispatch>);

impl QueryExecutor for Executor {
    fn run(&self, query: SubQuery) -> PartialStream {
        let (answers, parts) = mpsc::channel(ANSWERS_AHEAD);
        match self.0.enqueue(query, answers) {
            Err(err) => futures::stream::once(async move { Err(err) }).boxed(),
            Ok((id, deadline)) => Answer {
                parts,
                deadline: Box::pin(tokio::time::sleep_until(deadline)),
                job: Waiting { dispatch: self.0.clone(), id },
                failed: false,
            }
            .boxed(),
        }
    }
}

/// The answer to one job as its handler reads it.
struct Answer {
    parts: mpsc::Receiver<Result<Bytes, QueryError>>,
    deadline: Pin<Box<tokio::time::Sleep>>,
    job: Waiting,
    failed: bool,
}

/// Somebody waits for the job as long as this lives.
struct Waiting {
    dispatch: Arc<Dispatch>,
    id: JobId,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.dispatch.cancel(self.id);
    }
}

impl Stream for Answer {
    type Item = Result<Bytes, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.failed {
            return Poll::Ready(None);
        }
        match self.parts.poll_recv(context) {
            Poll::Ready(Some(part)) => {
                self.failed = part.is_err();
                return Poll::Ready(Some(part));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        if self.deadline.as_mut().poll(context).is_ready() {
            self.failed = true;
            self.job.dispatch.cancel(self.job.id);
            return Poll::Ready(Some(Err(QueryError::new(ErrorKind::Timeout, "query timed out in expression evaluation"))));
        }
        Poll::Pending
    }
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("workers", &self.workers()).field("tasks", &self.tasks).finish_non_exhaustive()
    }
}

fn encode(id: JobId, query: &SubQuery, left: std::time::Duration, catalog_number: u64) -> pb::Job {
    pb::Job {
        id: id.0,
        tenant: query.tenant.as_str().to_owned(),
        signal: query.signal.as_str().to_owned(),
        payload: query.payload.clone(),
        start_ns: query.range.start,
        end_ns: query.range.end,
        timeout_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        catalog_number,
    }
}

fn user(tenant: &TenantId) -> User {
    User { user: tenant.as_str().to_owned() }
}

fn stopping() -> QueryError {
    QueryError::new(ErrorKind::Unavailable, "the query-frontend is stopping")
}

#[cfg(test)]
mod tests;
