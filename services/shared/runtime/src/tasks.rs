//! Owned tasks: whoever holds a [`Tasks`] can stop all of them and know that they ended.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, error, info_span};

use crate::error::Chain;

/// The tasks of one component. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// Tasks that had not ended when the grace was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} tasks were still running")]
pub struct StillRunning(pub usize);

impl Tasks {
    /// Runs `task`, which must end soon after [`Tasks::stopping`] fires and not before: if it returns an error or
    /// panics, everything else of this component is asked to stop too.
    pub fn spawn<E>(&self, name: &'static str, task: impl Future<Output = Result<(), E>> + Send + 'static)
    where
        E: std::error::Error + Send + 'static,
    {
        let guard: DropGuard = self.stop.clone().drop_guard();
        self.tracker.spawn(
            async move {
                let guard = guard;
                match task.await {
                    Ok(()) => {
                        guard.disarm();
                    }
                    // Dropping the guard stops the others; so does unwinding.
                    Err(err) => error!(error = %Chain(&err), "task failed"),
                }
            }
            .instrument(info_span!("task", name)),
        );
    }

    /// Runs a piece of work that may end at any time: a request that goes on after its client has left.
    pub fn detach(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(work.instrument(info_span!("work", name)));
    }

    /// Fires when the tasks are to end.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// A component below this one: stops with it, and can be stopped and waited for alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { tracker: TaskTracker::new(), stop: self.stop.child_token() }
    }

    /// Asks all tasks to end and waits for them at most `grace`.
    pub async fn stop(&self, grace: Duration) -> Result<(), StillRunning> {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.map_err(|_| StillRunning(self.tracker.len()))
    }
}
