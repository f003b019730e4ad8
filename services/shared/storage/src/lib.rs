//! The object store, the layout of blocks, the catalog, caches and the WAL. Knows no signal and no role.

pub mod block;
pub mod error;
pub mod time;
pub mod wal;
