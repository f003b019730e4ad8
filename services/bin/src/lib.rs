//! What the binaries have in common: the configuration of a process of a cluster, and the way from it to a running role. Only
//! the files below `bin/` bring roles and signals together.

pub mod catalog;
mod command;
pub mod config;
pub mod export;
pub mod import;
pub mod quartet;
pub mod roles;
