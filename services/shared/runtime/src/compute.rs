//! The pool for work that is heavy on the CPU, apart from the threads that wait for sockets.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Runs pieces of CPU work, as many at once as there are cores. Clones share the pool.
#[derive(Clone, Debug)]
pub struct Compute {
    slots: Arc<Semaphore>,
    threads: usize,
}

/// A piece of work panicked, or the pool is shutting down.
#[derive(Debug, thiserror::Error)]
#[error("a computation did not end")]
pub struct Lost(#[source] Option<tokio::task::JoinError>);

impl Compute {
    /// A pool that runs at most `width` pieces at once (at least one).
    #[must_use]
    pub fn new(width: usize) -> Self {
        let threads = width.max(1);
        Self { slots: Arc::new(Semaphore::new(threads)), threads }
    }

    /// How many pieces run at once.
    #[must_use]
    pub const fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `work` on the pool and waits for what it returns. Dropping the future does not stop work that has begun:
    /// long work looks at a flag of its own.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Lost> {
        let Ok(permit) = self.slots.clone().acquire_owned().await else {
            return Err(Lost(None));
        };
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        })
        .await
        .map_err(|err| Lost(Some(err)))
    }
}

impl Default for Compute {
    fn default() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }
}
