//! The real membership: sockets on the loopback, members in a bucket in memory.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod gossip;
mod pages;
mod support;
mod tls;
mod watch;
