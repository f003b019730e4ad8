//! The catalog: which blocks there are. A numbered log in the bucket that one leader writes and everybody follows.
//!
//! Writers *announce* what they uploaded in `catalog/inbox` ([`Announcer`]); the [`Leader`] checks it and appends what
//! holds as objects `catalog/log/<seq>`; readers ([`Catalog`]) apply the log, number by number, to a [`Map`].

mod announcer;
mod config;
mod entry;
mod error;
mod leader;
mod log;
mod map;
mod metrics;
mod probe;
mod reader;
mod rebuild;
mod survey;
mod sweep;

pub use announcer::Announcer;
pub use config::CatalogConfig;
pub use entry::{Change, DELETES_KEPT_MS, Entry, FileRef, Record, RowDelete, RulesApplied, Shard};
pub use error::{CatalogError, CodecError};
pub use leader::Leader;
pub use map::{Map, NumberedDelete, ShardSize, Status, Tombstone};
pub use metrics::LeaderMetrics;
pub use probe::create_is_atomic;
pub use reader::Catalog;
pub use rebuild::{Rebuilt, Report, rebuild, verify};
pub use sweep::{Halt, Sweeper, Swept};

#[cfg(test)]
mod golden;
#[cfg(test)]
mod world;
