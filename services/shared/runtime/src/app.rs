//! A process in the making: what every role is handed when it starts.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use crate::clock::Clock;
use crate::compute::Compute;
use crate::readiness::Readiness;
use crate::tasks::Tasks;

/// What the parts of one process share. Roles take what they need out of it and add their routes, instruments, tasks and checks.
#[derive(Debug)]
pub struct App {
    /// `distributor`, `ingester` …, or `all-in-one`.
    pub role: &'static str,
    /// The name of this process among those of its role: `server.id`, by default the host's name.
    pub id: String,
    /// Instruments of `/metrics`.
    pub registry: Registry,
    /// The tasks of the process.
    pub tasks: Tasks,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// The pool for heavy computation.
    pub compute: Compute,
    /// What `/ready` asks.
    pub readiness: Readiness,
    /// HTTP routes that will be served.
    pub http: crate::http::Routes,
    /// gRPC services that will be served.
    pub grpc: crate::grpc::Routes,
}

/// Why a process could not start.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StartError {
    /// What was being started.
    pub what: String,
    /// Why it failed.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StartError {
    /// A failure of a part with its cause.
    pub fn new(what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { what: what.into(), source: Some(source.into()) }
    }
}
