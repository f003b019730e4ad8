//! Sub-queries on their way: from the signal's handler through the queue to a querier, and the answer back.

mod answer;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use proto::quartet as pb;
use runtime::ErrorKind;
use signal::{QueryError, SubQuery};
use tenancy::Tenants;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::config::QueryFrontendConfig;
use crate::metrics::{FrontendMetrics, User};
use crate::queriers::Queriers;
use crate::queue::FairQueue;
pub(crate) use answer::Answer;
use answer::Queued;

/// The number of a job in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct JobId(u64);

/// The number of one attempt at a job: what a querier knows it by. A job that is given to another querier gets another one, so that
/// what comes late from the first cannot mix with the answer of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

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
    /// Rung for each job that is put into the queue: for one worker, or for all where not each may take it.
    arrived: Notify,
    /// Rung when a job is over, or has lost its worker.
    settled: Notify,
    max_retries: u32,
    metrics: FrontendMetrics,
    catalog_number: Arc<dyn Fn() -> u64 + Send + Sync>,
}

struct State {
    queue: FairQueue<JobId>,
    jobs: HashMap<JobId, Job>,
    /// The attempts that run.
    tickets: HashMap<Ticket, JobId>,
    workers: HashMap<WorkerId, Worker>,
    queriers: Queriers,
    next: u64,
    closed: bool,
}

/// A querier that is connected.
struct Worker {
    /// Gets its jobs that nobody waits for any more.
    cancelled: mpsc::UnboundedSender<Ticket>,
    /// What it is called, as long as it takes work; none before it has said anything.
    name: Option<String>,
    /// How many threads compute for its jobs, as it says.
    threads: u32,
}

struct Job {
    query: SubQuery,
    /// How many queriers work for its tenants; 0 is all.
    queriers: usize,
    deadline: Instant,
    queued: Instant,
    /// Where the parts of the answer go.
    parts: mpsc::Sender<Bytes>,
    /// How the answer ended; without a word it has not.
    end: oneshot::Sender<Result<(), QueryError>>,
    /// The attempt that runs; none while the job waits.
    attempt: Option<Attempt>,
    attempts: u32,
}

struct Attempt {
    ticket: Ticket,
    worker: WorkerId,
    /// The call that brings the answer has come.
    begun: bool,
    /// A part of the answer went out: the job cannot be given to another querier any more.
    answered: bool,
}

/// How many parts of an answer may wait for the handler.
const ANSWERS_AHEAD: usize = 8;

impl Dispatch {
    /// No jobs yet.
    #[must_use]
    pub fn new(config: &QueryFrontendConfig, metrics: FrontendMetrics, catalog_number: Arc<dyn Fn() -> u64 + Send + Sync>) -> Self {
        let state = State {
            queue: FairQueue::new(config.max_outstanding_per_tenant),
            jobs: HashMap::new(),
            tickets: HashMap::new(),
            workers: HashMap::new(),
            queriers: Queriers::new(config.querier_forget_delay.get()),
            next: 1,
            closed: false,
        };
        let (arrived, settled) = (Notify::new(), Notify::new());
        Self { state: Mutex::new(state), arrived, settled, max_retries: config.max_retries, metrics, catalog_number }
    }

    /// How many queriers are connected.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.state.lock().workers.len()
    }

    /// A querier has come. `cancelled` gets the jobs of this querier that nobody waits for any more.
    pub fn join(&self, cancelled: mpsc::UnboundedSender<Ticket>) -> WorkerId {
        let mut state = self.state.lock();
        let id = WorkerId(state.number());
        state.workers.insert(id, Worker { cancelled, name: None, threads: 1 });
        self.metrics.workers.inc();
        id
    }

    /// A querier says what it is called, how many threads compute for its jobs, and whether it takes no more of them.
    pub fn hear(&self, worker: WorkerId, message: &pb::WorkerMessage) {
        let mut state = self.state.lock();
        let State { workers, queriers, .. } = &mut *state;
        let Some(worker) = workers.get_mut(&worker) else { return };
        worker.threads = message.threads.max(1);
        match (&worker.name, message.leaving) {
            (None, false) => {
                queriers.connected(&message.worker, Instant::now());
                worker.name = Some(message.worker.clone());
            }
            (Some(name), true) => {
                queriers.departed(name);
                worker.name = None;
                // Others may take now what waits for it.
                self.arrived.notify_waiters();
            }
            _ => {}
        }
    }

    /// How many threads compute for the jobs of this process.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.state.lock().workers.values().map(|worker| worker.threads as usize).sum()
    }

    /// A querier has gone: its jobs are given to others, unless a part of their answer has gone out.
    pub fn leave(&self, worker: WorkerId) {
        let mut state = self.state.lock();
        if let Some(gone) = state.workers.remove(&worker) {
            self.metrics.workers.dec();
            if let Some(name) = gone.name {
                state.queriers.lost(&name, Instant::now());
                self.arrived.notify_waiters();
            }
        }
        for ticket in state.held_by(worker) {
            self.give_back(&mut state, ticket);
        }
    }

    /// Ends when a querier has no job of this process any more.
    pub async fn idle(&self, worker: WorkerId) {
        let settled = self.settled.notified();
        tokio::pin!(settled);
        loop {
            // Registered before the look, so that a change that comes in between is not missed.
            settled.as_mut().enable();
            if self.state.lock().held_by(worker).is_empty() {
                return;
            }
            settled.as_mut().await;
            settled.set(self.settled.notified());
        }
    }

    /// An attempt has failed for a reason of its querier's.
    fn give_back(&self, state: &mut State, ticket: Ticket) {
        let Some(id) = state.tickets.remove(&ticket) else { return };
        let closed = state.closed;
        let Some(job) = state.jobs.get_mut(&id) else { return };
        let answered = job.attempt.take().is_some_and(|attempt| attempt.answered);
        if answered || closed || job.attempts > self.max_retries {
            let lost = || QueryError::new(ErrorKind::Unavailable, "the querier that worked on the query is gone");
            self.end(state, id, Err(if closed { stopping() } else { lost() }));
            return;
        }
        let (tenants, queriers) = (job.query.tenants.clone(), job.queriers);
        state.queue.put_back(&tenants, id);
        self.metrics.retries.inc();
        self.metrics.queue_length.get_or_create(&user(&tenants)).inc();
        self.settled.notify_waiters();
        self.ring(queriers);
    }

    /// A job waits that so many queriers may take.
    fn ring(&self, queriers: usize) {
        match queriers {
            0 => self.arrived.notify_one(),
            _ => self.arrived.notify_waiters(),
        }
    }

    /// A job is over: tells its handler how.
    fn end(&self, state: &mut State, id: JobId, result: Result<(), QueryError>) {
        let Some(job) = state.jobs.remove(&id) else { return };
        if let Some(attempt) = job.attempt {
            state.tickets.remove(&attempt.ticket);
        }
        self.metrics.in_progress.dec();
        // A handler that has gone needs no telling.
        let _gone = job.end.send(result);
        self.settled.notify_waiters();
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
        loop {
            let now = Instant::now();
            let State { queue, jobs, workers, queriers, .. } = &mut *state;
            let name = workers.get(&worker)?.name.as_deref().unwrap_or_default();
            let size = |id: &JobId| jobs.get(id).map_or(0, |job| job.queriers);
            let id = queue.pop(|tenants, id| queriers.may_serve(name, tenants, size(id), now))?;
            let ticket = Ticket(state.number());
            let State { jobs, tickets, .. } = &mut *state;
            let Some(job) = jobs.get_mut(&id) else { continue };
            self.metrics.queue_length.get_or_create(&user(&job.query.tenants)).dec();
            self.metrics.queue_duration.observe(now.duration_since(job.queued).as_secs_f64());
            job.attempt = Some(Attempt { ticket, worker, begun: false, answered: false });
            job.attempts += 1;
            tickets.insert(ticket, id);
            let left = job.deadline.saturating_duration_since(now);
            return Some(Taken { job: encode(ticket, &job.query, left, (self.catalog_number)()) });
        }
    }

    /// The call that brings the answer to a job has come; `false` when nobody waits for it any more.
    pub fn begin(&self, ticket: Ticket) -> bool {
        let mut state = self.state.lock();
        let Some(attempt) = state.job(ticket).and_then(|job| job.attempt.as_mut()) else { return false };
        attempt.begun = true;
        true
    }

    /// A part of the answer to a job; `false` when nobody waits for it any more.
    pub async fn answer(&self, ticket: Ticket, part: Bytes) -> bool {
        let parts = {
            let mut state = self.state.lock();
            let Some(job) = state.job(ticket) else { return false };
            if let Some(attempt) = &mut job.attempt {
                attempt.answered = true;
            }
            job.parts.clone()
        };
        parts.send(part).await.is_ok()
    }

    /// The answer to a job is complete, or the querier could not give it.
    pub fn finish(&self, ticket: Ticket, result: Result<(), QueryError>) {
        let mut state = self.state.lock();
        if let Some(id) = state.tickets.get(&ticket).copied() {
            self.end(&mut state, id, result);
        }
    }

    /// The result stream of a job broke off before its end.
    pub fn broken(&self, ticket: Ticket) {
        self.give_back(&mut self.state.lock(), ticket);
    }

    /// Nobody waits for a job any more: takes it out of the queue, or tells its querier.
    fn cancel(&self, id: JobId) {
        let mut state = self.state.lock();
        let Some(job) = state.jobs.get(&id) else { return };
        let tenants = job.query.tenants.clone();
        match job.attempt.as_ref().map(|attempt| (attempt.worker, attempt.ticket)) {
            None => {
                state.queue.remove(&tenants, |waiting| *waiting == id);
                self.metrics.queue_length.get_or_create(&user(&tenants)).dec();
            }
            Some((worker, ticket)) => {
                if let Some(worker) = state.workers.get(&worker) {
                    // A worker that has just gone needs no telling.
                    let _gone = worker.cancelled.send(ticket);
                }
            }
        }
        self.end(&mut state, id, Err(stopping()));
    }

    /// Refuses what comes, and fails what waits: no querier could begin an answer any more. What runs goes on.
    pub fn drain(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        for id in state.queue.drain() {
            if let Some(job) = state.jobs.get(&id) {
                self.metrics.queue_length.get_or_create(&user(&job.query.tenants)).dec();
            }
            self.end(&mut state, id, Err(stopping()));
        }
    }

    /// Fails what was given out and whose answer has not begun to come: no new call reaches a process that drains.
    pub fn fail_unbegun(&self) {
        let mut state = self.state.lock();
        let unbegun = state.jobs.iter().filter(|(_, job)| job.attempt.as_ref().is_some_and(|attempt| !attempt.begun));
        for id in unbegun.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end(&mut state, id, Err(stopping()));
        }
    }

    /// Fails everything that waits or runs, and refuses what comes.
    pub fn close(&self) {
        self.drain();
        let mut state = self.state.lock();
        let running: Vec<JobId> = state.jobs.keys().copied().collect();
        for id in running {
            self.end(&mut state, id, Err(stopping()));
        }
    }

    /// Puts a sub-query into the queue, for so many queriers; 0 is all.
    pub(crate) fn enqueue(&self, query: SubQuery, queriers: usize) -> Result<Queued, QueryError> {
        let (parts, parts_of) = mpsc::channel(ANSWERS_AHEAD);
        let (end, end_of) = oneshot::channel();
        let mut state = self.state.lock();
        if state.closed {
            return Err(stopping());
        }
        let id = JobId(state.number());
        let now = Instant::now();
        let deadline = now + query.timeout;
        if let Err(err) = state.queue.push(&query.tenants, id) {
            self.metrics.discarded.get_or_create(&user(&query.tenants)).inc();
            return Err(QueryError::new(ErrorKind::RateLimited, err.to_string()).with_reason("too_many_requests"));
        }
        self.metrics.queue_length.get_or_create(&user(&query.tenants)).inc();
        self.metrics.in_progress.inc();
        state.jobs.insert(id, Job { query, queriers, deadline, queued: now, parts, end, attempt: None, attempts: 0 });
        drop(state);
        self.ring(queriers);
        Ok(Queued { id, deadline, parts: parts_of, end: end_of })
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn job(&mut self, ticket: Ticket) -> Option<&mut Job> {
        self.jobs.get_mut(self.tickets.get(&ticket)?)
    }

    fn held_by(&self, worker: WorkerId) -> Vec<Ticket> {
        let attempts = self.jobs.values().filter_map(|job| job.attempt.as_ref());
        attempts.filter(|attempt| attempt.worker == worker).map(|attempt| attempt.ticket).collect()
    }
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("workers", &self.workers()).finish_non_exhaustive()
    }
}

fn encode(ticket: Ticket, query: &SubQuery, left: std::time::Duration, catalog_number: u64) -> pb::Job {
    pb::Job {
        id: ticket.0,
        tenant: query.tenants.to_string(),
        signal: query.signal.as_str().to_owned(),
        payload: query.payload.clone(),
        start_ns: query.range.start,
        end_ns: query.range.end,
        timeout_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        catalog_number,
    }
}

fn user(tenants: &Tenants) -> User {
    User { user: tenants.to_string() }
}

fn stopping() -> QueryError {
    QueryError::new(ErrorKind::Unavailable, "the query-frontend is stopping")
}

#[cfg(test)]
mod tests;
