//! What the hot paths cost, each with its limit beside it: `cargo bench -p quartet-metrics`.
//!
//! A limit is what no implementation can do without: a copy of the same bytes, the same values read from a form without compression, one
//! look-up and one append. Compare the lines of one run, and of one module: figures of two machines say nothing about each other.
//! Nothing here is asserted about time.

mod chunks;
mod data;
mod head;
mod postings;
mod rate;
mod wire;

fn main() {
    divan::main();
}
