//! What a role is to the process that runs it.

use std::error::Error;

use futures::future::BoxFuture;

use crate::tasks::StillRunning;

/// A started role. Dropping it is no stop.
pub trait Role: Send + 'static {
    /// Does what must be done while the process still serves: one that leaves its cluster for good hands over what it holds.
    /// Called once, after readiness has failed and before the listeners close. Takes as long as it needs.
    fn leave(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Ends it in good order, after the last request has been answered: what was acknowledged is kept, then this returns.
    /// Takes as long as it needs.
    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), StopError>>;
}

/// A role that has nothing to end.
impl Role for () {
    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), StopError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Role for Box<dyn Role> {
    fn leave(&mut self) -> BoxFuture<'_, ()> {
        (**self).leave()
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), StopError>> {
        (*self).stop()
    }
}

/// Why a process could not start.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StartError {
    /// What was being started.
    pub what: String,
    /// Why it failed.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl StartError {
    /// A failure of a part with its cause.
    pub fn new(what: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { what: what.into(), source: Some(source.into()) }
    }
}

/// Work that a stopped process left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// Requests that did not end within the grace.
    #[error("requests in flight were not finished")]
    Requests(#[source] StillRunning),
    /// Tasks that did not end within the grace.
    #[error("tasks did not end")]
    Tasks(#[source] StillRunning),
    /// The role failed.
    #[error("{what}")]
    Role {
        /// What was being ended.
        what: &'static str,
        /// Why it failed.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl StopError {
    /// A failure of a part of the role with its cause.
    pub fn role(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Role { what, source: source.into() }
    }
}
