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
use ring::roles::QUERY_FRONTEND;
use runtime::grpc::Channels;
use runtime::{ErrorKind, Tasks};
use signal::{PartialStream, QueryError, TimeRange};
use tenancy::Tenants;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Channel;
use tracing::debug;

use crate::execute::{Execute, PartOfQuery};
use crate::metrics::QuerierMetrics;

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
    /// How many threads compute for them.
    pub threads: u32,
    /// As many jobs run at once as this has permits.
    pub slots: Arc<Semaphore>,
    /// Tells how many run.
    pub metrics: QuerierMetrics,
    /// Who owns the streams: when they are to end, no more work is asked for, and each ends when its jobs are done.
    pub streams: Tasks,
    /// Who owns the jobs; what still runs when they are to end is given up.
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
    /// Follows the membership until no more work is wanted.
    pub async fn run(self: Arc<Self>) {
        let (stop, drain) = (self.tasks.stopping(), self.streams.stopping());
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
                    self.streams.detach("frontend", self.clone().follow(process.grpc, token));
                }
            }
            tokio::select! {
                () = drain.cancelled() => return,
                view = changes.changed() => if view.is_none() { return },
            }
        }
    }

    /// Serves one query-frontend, again and again, until it is gone or this process stops.
    async fn follow(self: Arc<Self>, address: String, stop: CancellationToken) {
        let drain = self.streams.stopping();
        while !drain.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                served = self.serve(&address) => if let Err(err) = served {
                    debug!(address, error = %runtime::Chain(&err), "no work from a query-frontend");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = drain.cancelled() => return,
                () = tokio::time::sleep(self.reconnect) => {}
            }
        }
    }

    async fn say(&self, messages: &mpsc::Sender<pb::WorkerMessage>, credits: u32) {
        // Whose view of the catalog is too old keeps no place in the shards of tenants either: their queries would wait for it.
        let leaving = self.streams.stopping().is_cancelled() || !self.execute.may_work();
        let message = pb::WorkerMessage { worker: self.name.clone(), credits, threads: self.threads, leaving };
        // A stream that has ended is noticed where its items are read.
        let _ended = messages.send(message).await;
    }

    async fn serve(self: &Arc<Self>, address: &str) -> Result<(), StreamError> {
        let size = self.channels.max_message();
        let channel = self.channels.get(address)?;
        let mut client = QueueClient::new(channel).max_decoding_message_size(size).max_encoding_message_size(size);
        let (messages, outgoing) = mpsc::channel(8);
        self.say(&messages, 0).await;
        let mut items = client.work(ReceiverStream::new(outgoing)).await?.into_inner();
        let jobs = Jobs::default();
        let _end_with_the_stream = jobs.0.all.clone().drop_guard();
        let mut beat = tokio::time::interval(self.heartbeat);
        let drain = self.streams.stopping();
        let mut asked = false;
        // The job that came last and waits for a slot. What this process cannot run yet waits in the fair queue, not here: but for
        // this one, so that query-frontends without work keep no slot from those that have some.
        let mut waiting: Option<oneshot::Receiver<()>> = None;
        let mut draining = false;
        loop {
            if drain.is_cancelled() && jobs.is_empty() {
                return Ok(());
            }
            if !asked && waiting.is_none() && self.execute.may_work() && !drain.is_cancelled() {
                asked = true;
                self.say(&messages, 1).await;
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
                _ = beat.tick() => self.say(&messages, 0).await,
                () = drain.cancelled(), if !draining => {
                    draining = true;
                    self.say(&messages, 0).await;
                }
                () = jobs.0.ended.notified() => {}
                () = has_begun(&mut waiting) => waiting = None,
            }
        }
    }

    /// Runs a job in a task of its own. What is returned ends when the job has got its slot, or is over. The call that brings the
    /// answer is made at once: a query-frontend that begins to drain takes no new ones.
    fn begin(&self, jobs: &Jobs, client: QueueClient<Channel>, job: pb::Job) -> oneshot::Receiver<()> {
        let token = jobs.begin(job.id);
        let (begun, waiting) = oneshot::channel();
        let (jobs, id) = (jobs.clone(), job.id);
        let answer = bring(client, Chunks { job: id, begun: false, parts: Some(self.parts(job, begun)) });
        self.tasks.detach("job", async move {
            if let Some(Err(status)) = token.run_until_cancelled_owned(answer).await {
                debug!(job = id, error = status.message(), "an answer was not taken");
            }
            jobs.end(id);
        });
        waiting
    }

    /// The parts of a job's answer, which wait for a slot first and hold it to their end.
    fn parts(&self, job: pb::Job, begun: oneshot::Sender<()>) -> PartialStream {
        let (execute, slots, metrics) = (self.execute.clone(), self.slots.clone(), self.metrics.clone());
        let begin = async move {
            // The semaphore is never closed while there are workers.
            let slot = (slots.acquire_owned().await, metrics.begin());
            drop(begun);
            let parts = match query(&job) {
                Ok((signal, query)) => execute.run(signal, query, job.catalog_number).await,
                Err(err) => futures::stream::once(std::future::ready(Err(err))).boxed(),
            };
            parts.inspect(move |_| {
                let _held = &slot;
            })
        };
        futures::stream::once(begin).flatten().boxed()
    }
}

/// Ends when the job that waits has begun; never when none waits.
async fn has_begun(waiting: &mut Option<oneshot::Receiver<()>>) {
    match waiting {
        Some(begun) => {
            // The sender is dropped without a word, whatever becomes of the job.
            let _dropped = begun.await;
        }
        None => std::future::pending().await,
    }
}

/// Brings an answer to who gave the job, part by part. Boxed: the compiler cannot see through the client that this is Send.
fn bring(mut client: QueueClient<Channel>, chunks: Chunks) -> BoxFuture<'static, Result<(), Status>> {
    async move { client.result(chunks).await.map(drop) }.boxed()
}

/// The parts of an answer as messages, with a first one that says that it begins and a last one that says how it ended.
struct Chunks {
    job: u64,
    begun: bool,
    parts: Option<PartialStream>,
}

impl Stream for Chunks {
    type Item = pb::ResultChunk;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<pb::ResultChunk>> {
        if !self.begun {
            self.begun = true;
            return Poll::Ready(Some(pb::ResultChunk { job: self.job, part: None }));
        }
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
    let tenants = Tenants::parse(&job.tenant).map_err(|err| QueryError::new(ErrorKind::BadInput, err.to_string()))?;
    let part = PartOfQuery {
        tenants,
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
    /// Rung when one of them is over.
    ended: Notify,
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
        self.0.ended.notify_one();
    }

    fn is_empty(&self) -> bool {
        self.0.each.lock().is_empty()
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("name", &self.name).finish_non_exhaustive()
    }
}
