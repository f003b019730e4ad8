//! `querier:` in the configuration.

use runtime::config::{ByteSize, HumanDuration};
use runtime::settings;

settings! {
    /// Settings of the querier.
    pub struct QuerierConfig {
        /// Sub-queries that run at once.
        pub max_concurrent: usize = 8,
        /// How long after the first zones were asked the others are asked too.
        pub ask_all_after: HumanDuration = HumanDuration::from_millis(500),
        /// How long one leaf may be silent.
        pub leaf_timeout: HumanDuration = HumanDuration::from_secs(30),
        /// How long rows may be held only by those ingesters that took them: the time until they are cut, and the grace after it.
        pub recent: HumanDuration = HumanDuration::from_secs(3600),
        /// Store-gateways that are asked for a block, one after the other.
        pub block_replicas: usize = 3,
        /// With a look at the catalog older than this the querier takes no work.
        pub max_catalog_age: HumanDuration = HumanDuration::from_secs(300),
        /// Bytes that all queries may hold at once; 0 is no limit.
        pub max_query_memory: ByteSize = ByteSize(4 << 30),
        /// Bytes that one query may hold where its tenant's limits say nothing; 0 is no limit.
        pub max_memory_per_query: ByteSize = ByteSize(1 << 30),
        /// How often a query-frontend that could not be reached is tried again.
        pub reconnect: HumanDuration = HumanDuration::from_secs(1),
        /// How often a query-frontend is told that this querier is there.
        pub heartbeat: HumanDuration = HumanDuration::from_secs(5),
    }
}
