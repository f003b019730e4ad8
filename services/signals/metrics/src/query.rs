//! Queries: PromQL's text, its tree and its evaluation.

pub mod engine;
pub mod promql;
