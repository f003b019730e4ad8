//! Limits of one query, with Mimir's texts.

use std::fmt;
use std::time::Duration;

use runtime::{Classify, ErrorKind};
use signal::QueryError;

use crate::instruments::Rejection;

/// What fetches too much can do about it.
const STRATEGY: &str = "Consider reducing the time range and/or number of series selected by the query. One way to reduce the number of \
                        selected series is to add more label matchers to the query. Otherwise, to adjust the related per-tenant limit, configure";
/// What ends each text.
const CONTACT: &str = "or contact your service administrator.";

/// A query that a limit of its tenant refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitExceeded {
    /// Too many series.
    #[error(
        "the query exceeded the maximum number of series (limit: {limit} series) (err-mimir-max-series-per-query). {STRATEGY} \
         -querier.max-fetched-series-per-query, {CONTACT}"
    )]
    Series {
        /// `max_fetched_series_per_query`.
        limit: u64,
    },
    /// Too many chunks.
    #[error(
        "the query exceeded the maximum number of chunks (limit: {limit} chunks) (err-mimir-max-chunks-per-query). {STRATEGY} \
         -querier.max-fetched-chunks-per-query, {CONTACT}"
    )]
    Chunks {
        /// `max_fetched_chunks_per_query`.
        limit: u64,
    },
    /// Too many bytes of chunks.
    #[error(
        "the query exceeded the aggregated chunks size limit (limit: {limit} bytes) (err-mimir-max-chunks-bytes-per-query). {STRATEGY} \
         -querier.max-fetched-chunk-bytes-per-query, {CONTACT}"
    )]
    ChunkBytes {
        /// `max_fetched_chunk_bytes_per_query`.
        limit: u64,
    },
    /// Too much memory.
    #[error(
        "the query exceeded the maximum allowed estimated amount of memory consumed by a single query (limit: {limit} bytes) \
         (err-mimir-max-estimated-memory-consumption-per-query). {STRATEGY} -querier.max-estimated-memory-consumption-per-query, {CONTACT}"
    )]
    Memory {
        /// `max_estimated_memory_consumption_per_query`.
        limit: u64,
    },
    /// Too long a part of a query, what its selectors look back to included.
    #[error(
        "the query time range exceeds the limit (query length: {}, limit: {}) (err-mimir-max-query-length). To adjust the related \
         per-tenant limit, configure -querier.max-partial-query-length, {CONTACT}",
        GoDuration(*length), GoDuration(*limit)
    )]
    PartialLength {
        /// How long it is.
        length: Duration,
        /// `max_partial_query_length`.
        limit: Duration,
    },
    /// Too long a range.
    #[error(
        "the total query time range exceeds the limit (query length: {}, limit: {}) (err-mimir-max-total-query-length). To adjust the \
         related per-tenant limit, configure -query-frontend.max-total-query-length, {CONTACT}",
        GoDuration(*length), GoDuration(*limit)
    )]
    TotalLength {
        /// How long it is.
        length: Duration,
        /// `max_total_query_length`.
        limit: Duration,
    },
    /// A query that nobody may ask.
    #[error("the request has been blocked by the cluster administrator{} (err-mimir-query-blocked)", Because(reason))]
    Blocked {
        /// What the entry of `blocked_queries` says; may be empty.
        reason: String,
    },
    /// A query that runs too often.
    #[error(
        "the query has been limited by the cluster administrator, and is being called more frequently than the allowed frequency {} \
         (err-mimir-query-limited)",
        GoDuration(*frequency)
    )]
    Limited {
        /// `allowed_frequency` of the entry of `limited_queries`.
        frequency: Duration,
    },
    /// Too long a text.
    #[error(
        "the raw query size in bytes exceeds the limit (query size: {size}, limit: {limit}) (err-mimir-max-query-expression-size-bytes). \
         To adjust the related per-tenant limit, configure -query-frontend.max-query-expression-size-bytes, {CONTACT}"
    )]
    ExpressionSize {
        /// Bytes of the text.
        size: u64,
        /// `max_query_expression_size_bytes`.
        limit: u64,
    },
}

impl Classify for LimitExceeded {
    /// What can be said of a request before it runs is a fault of the request.
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TotalLength { .. } | Self::ExpressionSize { .. } | Self::Blocked { .. } => ErrorKind::BadInput,
            Self::Limited { .. } => ErrorKind::RateLimited,
            _ => ErrorKind::LimitExceeded,
        }
    }
}

impl LimitExceeded {
    /// The limit, where it refused a query that was running.
    #[must_use]
    pub const fn rejection(&self) -> Option<Rejection> {
        match self {
            Self::Series { .. } => Some(Rejection::Series),
            Self::Chunks { .. } => Some(Rejection::Chunks),
            Self::ChunkBytes { .. } => Some(Rejection::ChunkBytes),
            Self::Memory { .. } => Some(Rejection::Memory),
            _ => None,
        }
    }
}

impl From<LimitExceeded> for QueryError {
    fn from(err: LimitExceeded) -> Self {
        let reason = err.rejection().map_or("", Rejection::reason);
        Self::new(err.kind(), err.to_string()).with_reason(reason)
    }
}

/// A reason behind a colon, if there is one.
struct Because<'a>(&'a str);

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

/// A duration as Go prints it: `1h0m0s`, `1.5s`, `250ms`.
struct GoDuration(Duration);

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        if ms == 0 {
            return f.write_str("0s");
        }
        if ms < 1000 {
            return write!(f, "{ms}ms");
        }
        let (hours, minutes, seconds, rest) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        write!(f, "{seconds}")?;
        if rest > 0 {
            write!(f, ".{}", format!("{rest:03}").trim_end_matches('0'))?;
        }
        f.write_str("s")
    }
}

#[cfg(test)]
mod tests;
