//! What all simulated processes are: they run, stand still or end, and talk over a network that delays, loses and cuts.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use ring::sim::World;
use runtime::{Clock, ManualClock, Tasks};
use tonic::Status;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Whether a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Paused,
    Ended,
}

/// One start of a process: everything that it does runs within. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    state: Arc<Mutex<State>>,
    tasks: Tasks,
}

/// Wakers are kept in the order in which their work began: a channel would wake them in a random one.
#[derive(Debug)]
struct State {
    phase: Phase,
    begun: u64,
    waiting: BTreeMap<u64, Waker>,
}

/// Forgets the waker of a work that is over.
struct Waiting {
    state: Arc<Mutex<State>>,
    number: u64,
}

/// The network. Fates of messages follow from the seed, the two ends and how many messages went before: not from what else goes on.
#[derive(Debug)]
pub(crate) struct Net {
    world: Arc<Mutex<World>>,
    seed: u64,
    sent: Mutex<BTreeMap<(String, String), u64>>,
}

/// What becomes of one request and its answer.
#[derive(Clone, Copy, Debug)]
struct Trip {
    there: Duration,
    back: Duration,
    request_lost: bool,
    answer_lost: bool,
}

impl Life {
    pub(crate) fn new(tasks: &Tasks) -> Self {
        let state = State { phase: Phase::Running, begun: 0, waiting: BTreeMap::new() };
        Self { state: Arc::new(Mutex::new(state)), tasks: tasks.clone() }
    }

    /// Does `work` while the process runs; none: the process ended before it was done.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let number = {
            let mut state = self.state.lock();
            state.begun += 1;
            state.begun
        };
        let waiting = Waiting { state: self.state.clone(), number };
        tokio::pin!(work);
        std::future::poll_fn(|context| {
            let phase = waiting.wait(context.waker());
            match phase {
                Phase::Ended => Poll::Ready(None),
                Phase::Paused => Poll::Pending,
                Phase::Running => work.as_mut().poll(context).map(Some),
            }
        })
        .await
    }

    /// Does `work` beside everything else.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let life = self.clone();
        self.tasks.detach("process", async move {
            let _ended_before = life.run(Box::pin(work)).await;
        });
    }

    pub(crate) fn pause(&self) {
        self.change(Phase::Running, Phase::Paused);
    }

    pub(crate) fn resume(&self) {
        self.change(Phase::Paused, Phase::Running);
    }

    pub(crate) fn end(&self) {
        self.change(Phase::Running, Phase::Ended);
        self.change(Phase::Paused, Phase::Ended);
    }

    fn change(&self, from: Phase, to: Phase) {
        let mut state = self.state.lock();
        if state.phase == from {
            state.phase = to;
            state.waiting.values().for_each(Waker::wake_by_ref);
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().phase == Phase::Ended
    }

    pub(crate) fn runs(&self) -> bool {
        self.state.lock().phase == Phase::Running
    }
}

impl Waiting {
    fn wait(&self, waker: &Waker) -> Phase {
        let mut state = self.state.lock();
        state.waiting.insert(self.number, waker.clone());
        state.phase
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.state.lock().waiting.remove(&self.number);
    }
}

impl Net {
    pub(crate) fn new(world: Arc<Mutex<World>>, seed: u64) -> Self {
        Self { world, seed, sent: Mutex::default() }
    }

    /// A number that follows from the seed and what is asked for.
    pub(crate) fn dice(&self, what: &str, number: u64) -> u64 {
        xxh3_64_with_seed(format!("{what}/{number}").as_bytes(), self.seed)
    }

    /// A number of this moment.
    pub(crate) fn now_dice(&self, what: &str, clock: &ManualClock) -> u64 {
        self.dice(what, u64::try_from(clock.now_ns()).unwrap_or(0))
    }

    fn trip(&self, from: &str, to: &str) -> Trip {
        let mut sent = self.sent.lock();
        let number = sent.entry((from.to_owned(), to.to_owned())).or_default();
        *number += 1;
        let dice = self.dice(&format!("{from}>{to}"), *number);
        let delay = |dice: u64| match dice % 100 {
            // Slower than a querier waits before it asks all zones.
            0..5 => Duration::from_millis(500 + dice / 100 % 1000),
            5..20 => Duration::from_millis(20 + dice / 100 % 200),
            _ => Duration::from_millis(1 + dice / 100 % 10),
        };
        let lost = |dice: u64| dice.is_multiple_of(200);
        Trip { there: delay(dice), back: delay(dice >> 16), request_lost: lost(dice >> 32), answer_lost: lost(dice >> 48) }
    }

    /// Brings a request to the process `to`, which works on it to the end whoever waits, and its answer back.
    ///
    /// * `life`: that of the process which is asked.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        from: &str,
        to: &str,
        life: impl FnOnce() -> Option<Life>,
        work: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<T, Status> {
        let trip = self.trip(from, to);
        tokio::time::sleep(trip.there).await;
        let Some(life) = life().filter(|life| !life.is_over()) else { return Err(Status::unavailable("nobody is there")) };
        if trip.request_lost || !self.reaches(from, to) {
            return std::future::pending().await;
        }
        let (answer, answered) = tokio::sync::oneshot::channel();
        life.spawn(async move {
            let _nobody_waits = answer.send(work.await);
        });
        let answer = answered.await.map_err(|_| Status::unavailable("the connection broke"))?;
        tokio::time::sleep(trip.back).await;
        if trip.answer_lost || !self.reaches(from, to) {
            return std::future::pending().await;
        }
        answer
    }

    /// True when messages pass now; a process that stands still gets none.
    pub(crate) fn reaches(&self, from: &str, to: &str) -> bool {
        self.world.lock().reaches(from, to)
    }
}
