//! The answer to one job as its handler reads it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{FutureExt, Stream};
use runtime::ErrorKind;
use signal::QueryError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep};

use super::{Dispatch, JobId};

/// A job that was put into the queue, as its handler holds it.
pub(crate) struct Queued {
    pub(super) id: JobId,
    pub(super) deadline: Instant,
    pub(super) parts: mpsc::Receiver<Bytes>,
    pub(super) end: oneshot::Receiver<Result<(), QueryError>>,
}

/// The parts of an answer, then its end. An answer that ends without a word is an error, never a short answer.
pub(crate) struct Answer {
    parts: mpsc::Receiver<Bytes>,
    end: oneshot::Receiver<Result<(), QueryError>>,
    deadline: Pin<Box<Sleep>>,
    job: Waiting,
    over: bool,
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

impl Answer {
    pub(crate) fn new(dispatch: Arc<Dispatch>, queued: Queued) -> Self {
        let Queued { id, deadline, parts, end } = queued;
        Self { parts, end, deadline: Box::pin(tokio::time::sleep_until(deadline)), job: Waiting { dispatch, id }, over: false }
    }

    /// The next part, or how the answer ended.
    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, QueryError>>> {
        match self.parts.poll_recv(context) {
            Poll::Ready(Some(part)) => return Poll::Ready(Some(Ok(part))),
            Poll::Ready(None) => {
                if let Poll::Ready(end) = self.end.poll_unpin(context) {
                    let lost = || QueryError::new(ErrorKind::Unavailable, "the answer to a part of the query was lost");
                    return Poll::Ready(end.unwrap_or_else(|_| Err(lost())).err().map(Err));
                }
            }
            Poll::Pending => {}
        }
        if self.deadline.as_mut().poll(context).is_ready() {
            self.job.dispatch.cancel(self.job.id);
            return Poll::Ready(Some(Err(QueryError::new(ErrorKind::Timeout, "query timed out in expression evaluation"))));
        }
        Poll::Pending
    }
}

impl Stream for Answer {
    type Item = Result<Bytes, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let part = std::task::ready!(self.poll_part(context));
        self.over = !matches!(part, Some(Ok(_)));
        Poll::Ready(part)
    }
}
