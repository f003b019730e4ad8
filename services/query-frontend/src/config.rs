//! `query_frontend:` in the configuration.

use runtime::config::{ByteSize, HumanDuration};
use runtime::settings;

settings! {
    /// Settings of the query-frontend.
    pub struct QueryFrontendConfig {
        /// Sub-queries of one tenant that may wait; above it a query gets 429.
        pub max_outstanding_per_tenant: usize = 800,
        /// How often a sub-query is given to another querier when the first one is lost.
        pub max_retries: u32 = 5,
        /// A querier that does not say anything for so long is gone.
        pub worker_timeout: HumanDuration = HumanDuration::from_secs(30),
        /// Bytes of one message from a querier.
        pub max_message_size: ByteSize = ByteSize(100 << 20),
    }
}
