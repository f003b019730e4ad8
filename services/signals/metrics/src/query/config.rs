//! `queries.metrics:` in the configuration.

use runtime::config::{ByteSize, HumanDuration};
use runtime::settings;

settings! {
    /// How queries for metrics are planned and evaluated.
    pub struct QueryConfig {
        /// Range queries are split at multiples of this; `0s` leaves them whole.
        pub split_interval: HumanDuration = HumanDuration::from_secs(24 * 3600),
        /// How long a query may take; a query can ask for less.
        pub timeout: HumanDuration = HumanDuration::from_secs(120),
        /// How old a sample may be to count for an instant; a query can ask for another.
        pub lookback_delta: HumanDuration = HumanDuration::from_secs(300),
        /// The step of subqueries that name none.
        pub default_evaluation_interval: HumanDuration = HumanDuration::from_secs(60),
        /// Queries that take longer are named in the log once more, as slow; `0s`: none is.
        pub log_queries_longer_than: HumanDuration = HumanDuration::from_secs(0),
        /// The most samples that the evaluation of one query may hold at once.
        pub max_samples: usize = 50_000_000,
        /// Samples that a shard of a query is worth: one that read fewer when it ran last is not sharded.
        pub samples_per_shard: u64 = 500_000,
        /// Bytes that the answers of all queries may take in a query-frontend at once; a query that does not fit gets 503.
        pub max_answer_memory: ByteSize = ByteSize(1 << 30),
        /// Samples that an answer of remote read may have where the client takes no stream; 0 is any number.
        pub remote_read_sample_limit: u64 = 50_000_000,
    }
}
