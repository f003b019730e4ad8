//! Pulling work: a stream to every query-frontend, and a call of its own for each answer.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use parking_lot::Mutex;
use proto::quartet as pb;
use proto::quartet::queue_client::QueueClient;
use ring::Membership;
use runtime::grpc::Channels;
use runtime::{ErrorKind, Tasks};
use signal::{PartialStream, QueryError, TimeRange};
use tenancy::TenantId;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Channel;
use tracing::debug;

use crate::execute::{Execute, PartOfQuery};

/// The role of the processes that have work.
pub const QUERY_FRONTEND: &str = "query-frontend";

/// Keeps one stream to each query-frontend that the cluster knows.
pub struct Workers {
    /// The name of this querier.
    pub name: String,
    /// Who has work.
    pub membership: Arc<dyn Membership>,
    /// How they are reached.
    pub channels: Channels,
    /// Does the work.
    pub execute: Arc<Execute>,
    /// As many jobs run at once as this has permits.
    pub slots: Arc<Semaphore>,
    /// Who owns the streams and jobs.
    pub tasks: Tasks,
    /// Pause before a query-frontend that could not be reached is tried again.
    pub reconnect: Duration,
    /// How often each is told that this process is there.
    pub heartbeat: Duration,
}

/// Why a stream to a query-frontend ended.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error("connect")]
    Connect(#[from] runtime::grpc::ChannelError),
    #[error("the query-frontend said: {}", .0.message())]
    Status(#[from] Status),
}

impl Workers {
    /// Follows the membership until the tasks are stopped.
    pub async fn run(self: Arc<Self>) {
        let stop = self.tasks.stopping();
        let mut changes = self.membership.changes();
        let mut streams: HashMap<String, CancellationToken> = HashMap::new();
        loop {
            let frontends = self.membership.view().processes(QUERY_FRONTEND);
            streams.retain(|address, stop| {
                let still = frontends.iter().any(|process| process.grpc == *address);
                if !still {
                    stop.cancel();
                }
                still
            });
            for process in frontends {
                if !streams.contains_key(&process.grpc) {
                    let token = stop.child_token();
                    streams.insert(process.grpc.clone(), token.clone());
                    self.tasks.detach("frontend", self.clone().follow(process.grpc, token));
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                view = changes.changed() => if view.is_none() { return },
            }
        }
    }

    /// Serves one query-frontend, again and again, until it is gone or this process stops.
    async fn follow(self: Arc<Self>, address: String, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                served = self.serve(&address) => if let Err(err) = served {
                    debug!(address, error = %runtime::Chain(&err), "no work from a query-frontend");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.reconnect) => {}
            }
        }
    }

    async fn serve(self: &Arc<Self>, address: &str) -> Result<(), StreamError> {
        let size = self.channels.max_message();
        let channel = self.channels.get(address)?;
        let mut client = QueueClient::new(channel).max_decoding_message_size(size).max_encoding_message_size(size);
        let (messages, outgoing) = mpsc::channel(8);
        say(&messages, &self.name, 0).await;
        let mut items = client.work(ReceiverStream::new(outgoing)).await?.into_inner();
        let jobs = Jobs::default();
        let _end_with_the_stream = jobs.0.all.clone().drop_guard();
        let mut beat = tokio::time::interval(self.heartbeat);
        let mut asked = false;
        // The job that came last and waits for a slot. What this process cannot run yet waits in the fair queue, not here: but for
        // this one, so that query-frontends without work keep no slot from those that have some.
        let mut waiting: Option<oneshot::Receiver<()>> = None;
        loop {
            if !asked && waiting.is_none() && self.execute.may_work() {
                asked = true;
                say(&messages, &self.name, 1).await;
            }
            tokio::select! {
                biased;
                item = items.next() => match item {
                    None => return Ok(()),
                    Some(item) => match item?.item {
                        Some(pb::work_item::Item::Job(job)) => {
                            asked = false;
                            waiting = Some(self.begin(&jobs, client.clone(), job));
                        }
                        Some(pb::work_item::Item::Cancel(id)) => jobs.cancel(id),
                        None => {}
                    },
                },
                _ = beat.tick() => say(&messages, &self.name, 0).await,
                () = has_begun(&mut waiting) => waiting = None,
            }
        }
    }

    /// Runs a job in a task of its own. What is returned ends when the job has got its slot, or is over.
    fn begin(&self, jobs: &Jobs, client: QueueClient<Channel>, job: pb::Job) -> oneshot::Receiver<()> {
        let token = jobs.begin(job.id);
        let (execute, jobs, slots) = (self.execute.clone(), jobs.clone(), self.slots.clone());
        let (begun, waiting) = oneshot::channel::<()>();
        self.tasks.detach("job", async move {
            let id = job.id;
            let work = async move {
                let slot = slots.acquire_owned().await;
                drop(begun);
                // The semaphore is never closed while there are workers.
                if slot.is_ok() {
                    answer(execute, client, job).await;
                }
            };
            token.run_until_cancelled_owned(work.boxed()).await;
            jobs.end(id);
        });
        waiting
    }
}

/// Ends when the job that waits has begun; never when none waits.
async fn has_begun(waiting: &mut Option<oneshot::Receiver<()>>) {
    match waiting {
        // The sender is dropped, whatever becomes of the job.
        Some(begun) => drop(begun.await),
        None => std::future::pending().await,
    }
}

async fn say(messages: &mpsc::Sender<pb::WorkerMessage>, worker: &str, credits: u32) {
    // A stream that has ended is noticed where its items are read.
    drop(messages.send(pb::WorkerMessage { worker: worker.to_owned(), credits }).await);
}

/// Runs a job and brings its answer to who gave it, part by part.
async fn answer(execute: Arc<Execute>, client: QueueClient<Channel>, job: pb::Job) {
    let id = job.id;
    let parts = match query(&job) {
        Ok((signal, query)) => execute.run(signal, query, job.catalog_number).await,
        Err(err) => futures::stream::once(std::future::ready(Err(err))).boxed(),
    };
    if let Err(status) = bring(client, Chunks { job: id, parts: Some(parts) }).await {
        debug!(job = id, error = status.message(), "an answer was not taken");
    }
}

/// Boxed: the compiler cannot see through the client that this is Send.
fn bring(mut client: QueueClient<Channel>, chunks: Chunks) -> BoxFuture<'static, Result<(), Status>> {
    async move { client.result(chunks).await.map(drop) }.boxed()
}

/// The parts of an answer as messages, with a last one that says how it ended.
struct Chunks {
    job: u64,
    parts: Option<PartialStream>,
}

impl Stream for Chunks {
    type Item = pb::ResultChunk;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<pb::ResultChunk>> {
        let Some(parts) = &mut self.parts else { return Poll::Ready(None) };
        let part = match ready!(parts.poll_next_unpin(context)) {
            Some(Ok(payload)) => pb::result_chunk::Part::Payload(payload),
            Some(Err(err)) => {
                self.parts = None;
                pb::result_chunk::Part::Failure(failure(err))
            }
            None => {
                self.parts = None;
                pb::result_chunk::Part::Done(true)
            }
        };
        Poll::Ready(Some(pb::ResultChunk { job: self.job, part: Some(part) }))
    }
}

fn failure(err: QueryError) -> pb::QueryFailure {
    pb::QueryFailure { kind: err.kind.number(), reason: err.reason, text: err.text }
}

fn query(job: &pb::Job) -> Result<(String, PartOfQuery), QueryError> {
    let tenant = TenantId::parse(&job.tenant).map_err(|err| QueryError::new(ErrorKind::BadInput, err.to_string()))?;
    let part = PartOfQuery {
        tenant,
        payload: job.payload.clone(),
        range: TimeRange { start: job.start_ns, end: job.end_ns },
        timeout: Duration::from_millis(job.timeout_ms),
    };
    Ok((job.signal.clone(), part))
}

/// The jobs that run for one query-frontend. They end with its stream: nobody would take their answers.
#[derive(Clone, Default)]
struct Jobs(Arc<RunningJobs>);

#[derive(Default)]
struct RunningJobs {
    all: CancellationToken,
    each: Mutex<HashMap<u64, CancellationToken>>,
}

impl Jobs {
    fn begin(&self, id: u64) -> CancellationToken {
        let token = self.0.all.child_token();
        self.0.each.lock().insert(id, token.clone());
        token
    }

    fn cancel(&self, id: u64) {
        if let Some(token) = self.0.each.lock().remove(&id) {
            token.cancel();
        }
    }

    fn end(&self, id: u64) {
        self.0.each.lock().remove(&id);
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("name", &self.name).finish_non_exhaustive()
    }
}
