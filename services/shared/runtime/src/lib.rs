//! What every process stands on: configuration, logs, metrics, servers, tasks, readiness, shutdown.
//! Knows no signal and no role.

pub mod error;

pub use error::{Chain, Classify, ErrorKind};
