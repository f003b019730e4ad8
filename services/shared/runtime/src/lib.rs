//! What every process stands on: configuration, logs, metrics, servers, tasks, readiness, shutdown.
//! Knows no signal and no role.

pub mod admin;
pub mod app;
pub mod clock;
pub mod compute;
pub mod config;
pub mod error;
pub mod grpc;
pub mod http;
pub mod process;
pub mod readiness;
pub mod server;
pub mod tasks;
pub mod telemetry;
pub mod tls;

pub use app::{App, Role, Running, StartError, StopError, host_name};
pub use clock::{Clock, ManualClock, SystemClock};
pub use compute::Compute;
pub use error::{Chain, Classify, ErrorKind};
pub use process::main;
pub use readiness::{Readiness, ReadyCheck};
pub use tasks::{StillRunning, Tasks};
