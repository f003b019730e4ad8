//! The object store, the layout of blocks, the catalog, caches and the WAL. Knows no signal and no role.

pub mod block;
pub mod bucket;
pub mod cache;
pub mod catalog;
pub mod codec;
pub mod error;
pub mod flaky;
pub mod imported;
pub mod layout;
pub mod lock;
pub mod marker;
pub mod time;
pub mod wal;

#[cfg(test)]
mod testing;
