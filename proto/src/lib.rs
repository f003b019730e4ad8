//! The wire: Quartet's internal services and the public protocols it speaks.
//!
//! Everything below `gen/` is generated from the `.proto` files by `cargo xtask proto` and committed.

pub mod json;
mod leaf;

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

/// The body of an error of OTLP over HTTP.
pub mod google {
    /// Statuses of remote calls.
    #[allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic)]
    pub mod rpc {
        include!("gen/google.rpc.rs");
    }
}

/// The OpenTelemetry protocol, version 1: the modules are the packages of its public definition.
#[allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod opentelemetry {
    pub mod proto {
        pub mod common {
            pub mod v1 {
                include!("gen/opentelemetry.proto.common.v1.rs");
            }
        }
        pub mod resource {
            pub mod v1 {
                include!("gen/opentelemetry.proto.resource.v1.rs");
            }
        }
        pub mod metrics {
            pub mod v1 {
                include!("gen/opentelemetry.proto.metrics.v1.rs");
            }
        }
        pub mod collector {
            pub mod metrics {
                pub mod v1 {
                    include!("gen/opentelemetry.proto.collector.metrics.v1.rs");
                }
            }
        }
    }
}
