//! `quartet.v1.Queue`: queriers pull jobs over a long stream and bring each answer on a call of its own.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use proto::quartet as pb;
use proto::quartet::queue_server::{Queue, QueueServer};
use runtime::{ErrorKind, Tasks};
use signal::QueryError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::config::QueryFrontendConfig;
use crate::dispatch::{Dispatch, Ticket, WorkerId};

/// The service.
#[derive(Debug)]
pub struct QueueService {
    dispatch: Arc<Dispatch>,
    tasks: Tasks,
    /// Fires when no new call reaches this process any more.
    draining: CancellationToken,
    worker_timeout: Duration,
    max_message_size: usize,
}

/// How many messages to one worker may wait for the network.
const MESSAGES_AHEAD: usize = 16;

impl QueueService {
    /// The service over the jobs of this process.
    #[must_use]
    pub fn new(dispatch: Arc<Dispatch>, tasks: Tasks, draining: CancellationToken, config: &QueryFrontendConfig) -> Self {
        let max_message_size = usize::try_from(config.max_message_size.0).unwrap_or(usize::MAX);
        Self { dispatch, tasks, draining, worker_timeout: config.worker_timeout.get(), max_message_size }
    }

    /// As tonic mounts it.
    #[must_use]
    pub fn server(self) -> QueueServer<Self> {
        let size = self.max_message_size;
        QueueServer::new(self).max_decoding_message_size(size).max_encoding_message_size(size)
    }
}

#[tonic::async_trait]
impl Queue for QueueService {
    type WorkStream = Pin<Box<dyn Stream<Item = Result<pb::WorkItem, Status>> + Send>>;

    async fn work(&self, request: Request<Streaming<pb::WorkerMessage>>) -> Result<Response<Self::WorkStream>, Status> {
        let (items, stream) = mpsc::channel(MESSAGES_AHEAD);
        let worker = Worker::new(self.dispatch.clone(), items, self.worker_timeout, self.draining.clone());
        let stop = self.tasks.stopping();
        let messages = request.into_inner();
        self.tasks.detach("worker", async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = worker.run(messages) => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(stream).boxed()))
    }

    async fn result(&self, request: Request<Streaming<pb::ResultChunk>>) -> Result<Response<pb::ResultAck>, Status> {
        let mut result = Incoming { dispatch: self.dispatch.clone(), job: None };
        let mut chunks = request.into_inner();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            let ticket = Ticket(chunk.job);
            if result.job.is_some_and(|job| job != ticket) {
                return Err(Status::invalid_argument("a result is of one job"));
            }
            result.job = Some(ticket);
            match chunk.part {
                Some(pb::result_chunk::Part::Payload(payload)) => {
                    if !self.dispatch.answer(ticket, payload).await {
                        result.job = None;
                        return Err(Status::cancelled("nobody waits for the job"));
                    }
                }
                Some(pb::result_chunk::Part::Failure(failure)) => {
                    let err = QueryError { kind: ErrorKind::from_number(failure.kind), reason: failure.reason, text: failure.text };
                    return Ok(result.done(Err(err)));
                }
                Some(pb::result_chunk::Part::Done(_)) => return Ok(result.done(Ok(()))),
                None => {
                    if !self.dispatch.begin(ticket) {
                        result.job = None;
                        return Err(Status::cancelled("nobody waits for the job"));
                    }
                }
            }
        }
        Err(Status::invalid_argument("a result has no end"))
    }
}

/// A result that comes in; dropped before its end, the job goes to another querier.
struct Incoming {
    dispatch: Arc<Dispatch>,
    job: Option<Ticket>,
}

impl Incoming {
    fn done(mut self, end: Result<(), QueryError>) -> Response<pb::ResultAck> {
        if let Some(job) = self.job.take() {
            self.dispatch.finish(job, end);
        }
        Response::new(pb::ResultAck {})
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            self.dispatch.broken(job);
        }
    }
}

/// One connected querier.
struct Worker {
    dispatch: Arc<Dispatch>,
    id: WorkerId,
    items: mpsc::Sender<Result<pb::WorkItem, Status>>,
    cancelled: mpsc::UnboundedReceiver<Ticket>,
    timeout: Duration,
    draining: CancellationToken,
}

impl Worker {
    fn new(
        dispatch: Arc<Dispatch>,
        items: mpsc::Sender<Result<pb::WorkItem, Status>>,
        timeout: Duration,
        draining: CancellationToken,
    ) -> Self {
        let (cancel, cancelled) = mpsc::unbounded_channel();
        let id = dispatch.join(cancel);
        Self { dispatch, id, items, cancelled, timeout, draining }
    }

    /// Serves the querier until it goes, or is silent for too long; while the process drains, until it has answered what it was given.
    async fn run(mut self, mut messages: Streaming<pb::WorkerMessage>) {
        let mut credits = 0u64;
        loop {
            let step = tokio::select! {
                biased;
                message = tokio::time::timeout(self.timeout, messages.next()) => match message {
                    Ok(Some(Ok(message))) => {
                        self.dispatch.hear(self.id, &message);
                        Step::Credits(message.credits)
                    }
                    // Gone, broken or silent.
                    Ok(None | Some(Err(_))) | Err(_) => return,
                },
                Some(job) = self.cancelled.recv() => Step::Cancel(job),
                () = drained(&self.draining, &self.dispatch, self.id) => return,
                taken = self.dispatch.take(self.id), if credits > 0 && !self.draining.is_cancelled() => Step::Job(taken.job),
            };
            let item = match step {
                Step::Credits(more) => {
                    credits = credits.saturating_add(u64::from(more));
                    continue;
                }
                Step::Cancel(job) => pb::work_item::Item::Cancel(job.0),
                Step::Job(job) => {
                    credits -= 1;
                    pb::work_item::Item::Job(job)
                }
            };
            // A job that cannot be sent is given back when the worker leaves, in `drop`.
            if self.items.send(Ok(pb::WorkItem { item: Some(item) })).await.is_err() {
                return;
            }
        }
    }
}

/// Ends when the process drains and a querier has no job of it any more.
async fn drained(draining: &CancellationToken, dispatch: &Dispatch, worker: WorkerId) {
    draining.cancelled().await;
    dispatch.idle(worker).await;
}

enum Step {
    Credits(u32),
    Cancel(Ticket),
    Job(pb::Job),
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.dispatch.leave(self.id);
    }
}
