//! `distributor:` in the configuration.

use runtime::config::{ByteSize, HumanDuration};
use runtime::settings;

settings! {
    /// Settings of the distributor.
    pub struct DistributorConfig {
        /// How long a push may wait for a quorum of ingesters.
        pub push_timeout: HumanDuration = HumanDuration::from_secs(2),
        /// How much longer than `push_timeout` the slowest replica is given after the answer.
        pub straggler_timeout: HumanDuration = HumanDuration::from_secs(10),
        /// Bytes of batches that are being replicated at once; above it a push gets 503.
        pub max_inflight_bytes: ByteSize = ByteSize(512 << 20),
    }
}
