//! `query_frontend:` in the configuration.

use runtime::config::{ByteSize, HumanDuration};
use runtime::settings;
use storage::cache::{CacheConfig, MemcachedConfig};

settings! {
    /// `query_frontend.results_cache:` in the YAML.
    pub struct ResultsCacheConfig {
        /// Bytes kept in memory; `0B` keeps none.
        pub memory_bytes: ByteSize = ByteSize(128 << 20),
        /// Servers that several query-frontends share.
        pub memcached: MemcachedConfig = MemcachedConfig::default(),
    }
}

impl ResultsCacheConfig {
    /// As caches are opened.
    #[must_use]
    pub fn cache(&self) -> CacheConfig {
        CacheConfig { memory_bytes: self.memory_bytes, memcached: self.memcached.clone(), ..CacheConfig::default() }
    }
}

settings! {
    /// Settings of the query-frontend.
    pub struct QueryFrontendConfig {
        /// Sub-queries of one tenant that may wait; above it a query gets 429.
        pub max_outstanding_per_tenant: usize = 800,
        /// Where results are kept.
        pub results_cache: ResultsCacheConfig = ResultsCacheConfig::default(),
        /// How often a sub-query is given to another querier when the first one is lost.
        pub max_retries: u32 = 5,
        /// A querier that does not say anything for so long is gone.
        pub worker_timeout: HumanDuration = HumanDuration::from_secs(30),
        /// A querier that is lost without a farewell keeps its place among the queriers of a tenant (`max_queriers_per_tenant`) for so long.
        pub querier_forget_delay: HumanDuration = HumanDuration::from_secs(60),
        /// Bytes of one message from a querier.
        pub max_message_size: ByteSize = ByteSize(100 << 20),
    }
}
