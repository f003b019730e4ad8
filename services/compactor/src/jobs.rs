//! The leader's board of jobs: what is planned, who works on what, and which worker has been silent for too long. Pure.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use storage::block::BlockId;
use tokio::time::Instant;
use ulid::Ulid;

use crate::plan::Job;

/// Jobs that wait or run. Lost with the office: the next leader plans anew.
#[derive(Debug)]
pub struct Board {
    waiting: Vec<Job>,
    running: HashMap<Ulid, Running>,
    timeout: Duration,
}

#[derive(Debug)]
struct Running {
    job: Job,
    worker: String,
    since: Instant,
}

impl Board {
    /// An empty board; a job that runs longer than `timeout` is given to somebody else.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { waiting: Vec::new(), running: HashMap::new(), timeout }
    }

    /// Blocks that a job works on.
    #[must_use]
    pub fn busy(&self) -> HashSet<BlockId> {
        self.running.values().flat_map(|running| running.job.inputs.iter().map(|entry| entry.id)).collect()
    }

    /// Puts a new plan in the place of the one before; running jobs go on.
    pub fn replace(&mut self, jobs: Vec<Job>) {
        self.waiting = jobs;
    }

    /// Gives a job to a worker.
    pub fn take(&mut self, worker: &str, now: Instant) -> Option<Job> {
        let lost: Vec<Ulid> =
            self.running.iter().filter(|(_, running)| now.duration_since(running.since) > self.timeout).map(|(id, _)| *id).collect();
        for id in lost {
            if let Some(running) = self.running.remove(&id) {
                tracing::warn!(worker = running.worker, job = %id, "a job was not finished in time");
                self.waiting.push(running.job);
            }
        }
        let job = self.waiting.pop()?;
        self.running.insert(job.id, Running { job: job.clone(), worker: worker.to_owned(), since: now });
        Some(job)
    }

    /// A worker is done with a job, well or not.
    pub fn finish(&mut self, id: Ulid) {
        self.running.remove(&id);
    }

    /// Jobs that wait and that run.
    #[must_use]
    pub fn len(&self) -> (usize, usize) {
        (self.waiting.len(), self.running.len())
    }

    /// True when nothing waits and nothing runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: u128) -> Job {
        Job { id: Ulid::from(id), inputs: Vec::new(), window_ns: 1, target_bytes: 1, deletes: Vec::new(), delete_number: 0, shards: 0 }
    }

    #[test]
    fn a_job_of_a_silent_worker_is_given_to_another() {
        let mut board = Board::new(Duration::from_secs(10));
        let begun = Instant::now();
        board.replace(vec![job(1)]);
        assert_eq!(board.take("a", begun), Some(job(1)));
        assert_eq!(board.take("b", begun + Duration::from_secs(10)), None);
        assert_eq!(board.take("b", begun + Duration::from_secs(11)), Some(job(1)));
        board.finish(Ulid::from(1));
        assert!(board.is_empty());
    }
}
