//! A whole cluster in one process: every role on ports of its own, over one bucket in memory.

// The name that the workspace gives the crate.
extern crate quartet_all_in_one as all_in_one;

mod bad_input;
mod blocks;
mod client;
mod cluster;
mod deletes;
mod drain;
mod formats;
mod leader;
mod limits;
mod packed;
mod pages;
mod replicas;
mod restart;
mod results;
mod uploads;
