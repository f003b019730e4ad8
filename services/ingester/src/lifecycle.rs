//! The states of this member, from its log to its leave (DESIGN 4, 11.8).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use ring::{MemberState, Membership};
use tokio::sync::watch;

use crate::error::PushError;

/// This process as a member of the ring. The real one is the ring's; tests and the all-in-one have others.
pub trait SelfMember: Send + Sync + fmt::Debug {
    /// The name of this member.
    fn name(&self) -> String;

    /// When it appeared in the ring, ms since the Unix epoch; a restart keeps it. `None`: nobody else holds its rows or asks for
    /// them, so there is nobody who could know it too late, or another who could be asked.
    fn since_ms(&self) -> Option<i64>;

    /// What state its object says.
    fn state(&self) -> MemberState;

    /// Writes another state into its object and spreads it.
    fn set_state(&self, state: MemberState) -> BoxFuture<'_, Result<(), signal::SignalError>>;

    /// Removes its object: the member is gone for good.
    fn leave(&self) -> BoxFuture<'_, Result<(), signal::SignalError>>;
}

/// What the services ask before they do anything. Clones share it.
#[derive(Clone)]
pub struct Lifecycle {
    member: Arc<dyn SelfMember>,
    flags: Arc<Flags>,
}

struct Flags {
    start: watch::Sender<Start>,
    stopping: AtomicBool,
    to_go: AtomicBool,
}

/// How far the start of this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Start {
    /// The log is being read.
    Reading,
    /// Heads hold everything they should.
    Replayed,
    /// It has taken its place in the ring, or has given that up since it is to go.
    Done,
    /// The log could not be read: heads lack acknowledged rows, and this process never answers.
    Failed,
}

impl Lifecycle {
    /// Of a process that has not read its log yet.
    #[must_use]
    pub fn new(member: Arc<dyn SelfMember>) -> Self {
        let flags = Flags { start: watch::Sender::new(Start::Reading), stopping: AtomicBool::new(false), to_go: AtomicBool::new(false) };
        Self { member, flags: Arc::new(flags) }
    }

    /// This process in the ring.
    #[must_use]
    pub fn member(&self) -> &Arc<dyn SelfMember> {
        &self.member
    }

    /// The start has come so far.
    pub fn started(&self, start: Start) {
        self.flags.start.send_replace(start);
    }

    /// Waits until the start is over. True when heads hold everything they should.
    pub async fn start_is_over(&self) -> bool {
        let mut start = self.flags.start.subscribe();
        let over = start.wait_for(|start| *start >= Start::Done).await;
        // The sender lives as long as this value.
        over.is_ok_and(|start| *start == Start::Done)
    }

    /// True when heads hold everything they should.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        matches!(*self.flags.start.borrow(), Start::Replayed | Start::Done)
    }

    /// No push is taken any more.
    pub fn stopping(&self) {
        self.flags.stopping.store(true, Ordering::SeqCst);
    }

    /// Whether the member leaves for good at the next SIGTERM.
    #[must_use]
    pub fn is_to_go(&self) -> bool {
        self.flags.to_go.load(Ordering::SeqCst)
    }

    /// Orders the leave, or takes the order back.
    pub fn set_to_go(&self, to_go: bool) {
        self.flags.to_go.store(to_go, Ordering::SeqCst);
    }

    /// Whether pushes are taken.
    pub fn writable(&self) -> Result<(), PushError> {
        if self.flags.stopping.load(Ordering::SeqCst) {
            return Err(PushError::NotWritable { state: "stopping" });
        }
        if !self.is_replayed() {
            return Err(PushError::NotWritable { state: "reading its log" });
        }
        match self.member.state() {
            MemberState::Active => Ok(()),
            other => Err(PushError::NotWritable { state: other.as_str() }),
        }
    }
}

/// A member of a cluster that stands still: it is what it is from the start.
#[derive(Clone, Debug)]
pub struct FixedMember(pub String);

impl SelfMember for FixedMember {
    fn name(&self) -> String {
        self.0.clone()
    }

    fn since_ms(&self) -> Option<i64> {
        None
    }

    fn state(&self) -> MemberState {
        MemberState::Active
    }

    fn set_state(&self, _: MemberState) -> BoxFuture<'_, Result<(), signal::SignalError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn leave(&self) -> BoxFuture<'_, Result<(), signal::SignalError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A member of the real ring.
#[derive(Clone, Debug)]
pub struct RingMember(pub ring::Cluster);

impl RingMember {
    fn failed(err: &ring::ClusterError) -> signal::SignalError {
        signal::SignalError::new(runtime::Classify::kind(err), runtime::Chain(err).to_string())
    }
}

impl SelfMember for RingMember {
    fn name(&self) -> String {
        self.0.name().to_owned()
    }

    fn since_ms(&self) -> Option<i64> {
        let ring = self.0.view().ring(ring::roles::INGESTER);
        ring.find(self.0.name()).map(|id| ring.member(id).member.since_ms)
    }

    fn state(&self) -> MemberState {
        let ring = self.0.view().ring(ring::roles::INGESTER);
        ring.find(self.0.name()).map_or(MemberState::Joining, |id| ring.member(id).member.state)
    }

    fn set_state(&self, state: MemberState) -> BoxFuture<'_, Result<(), signal::SignalError>> {
        Box::pin(async move { self.0.set_state(state).await.map_err(|err| Self::failed(&err)) })
    }

    fn leave(&self) -> BoxFuture<'_, Result<(), signal::SignalError>> {
        Box::pin(async move { self.0.leave().await.map_err(|err| Self::failed(&err)) })
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle").field("member", &self.member).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
