//! What every process stands on: configuration, logs, metrics, servers, tasks, readiness, shutdown.
//! Knows no signal and no role.

pub mod app;
pub mod clock;
pub mod compute;
pub mod config;
pub mod error;
pub mod grpc;
pub mod http;
pub mod readiness;
pub mod tasks;

pub use app::{App, StartError};
pub use clock::{Clock, ManualClock, SystemClock};
pub use compute::Compute;
pub use error::{Chain, Classify, ErrorKind};
pub use readiness::{Readiness, ReadyCheck};
pub use tasks::{StillRunning, Tasks};
