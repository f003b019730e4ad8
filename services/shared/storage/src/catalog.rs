//! The catalog: which blocks there are. A numbered log in the bucket that one leader writes and everybody follows.
//!
//! Writers *announce* what they uploaded in `catalog/inbox`; the leader checks it and appends what holds as objects
//! `catalog/log/<seq>`; readers apply the log, number by number, to a [`Map`].

pub mod entry;

pub use entry::{Change, Entry, FileRef, Record, RowDelete, Shard};
