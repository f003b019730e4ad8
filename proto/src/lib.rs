//! The wire: Quartet's internal services and the public protocols it speaks.
//!
//! Everything below `gen/` is generated from the `.proto` files by `cargo xtask proto` and committed.

/// Quartet's internal services, version 1.
#[allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod quartet {
    include!("gen/quartet.v1.rs");
}

/// Prometheus remote write 1.0.
#[allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod prometheus {
    include!("gen/prometheus.rs");
}
