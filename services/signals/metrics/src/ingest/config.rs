//! `ingest.metrics:` in the configuration.

use runtime::config::{ByteSize, ConfigError, HumanDuration};
use runtime::settings;

settings! {
    /// How metrics are taken in: what holds for a distributor as a whole, whoever sends.
    pub struct IngestConfig {
        /// Bytes of a push by remote write, compressed or not.
        pub max_recv_msg_size: ByteSize = ByteSize(100 << 20),
        /// Bytes of a push by OTLP, compressed or not.
        pub max_otlp_request_size: ByteSize = ByteSize(100 << 20),
        /// Bytes of a push of Influx's line protocol, compressed or not.
        pub max_influx_request_size: ByteSize = ByteSize(100 << 20),
        /// Pushes that are on their way at once; above it a push gets 503. 0 is no limit.
        pub max_inflight_push_requests: u64 = 2000,
        /// Bytes that the bodies of pushes take that are on their way, compressed and not; above it a push gets 503. 0 is no limit.
        pub max_inflight_push_requests_bytes: ByteSize = ByteSize(1 << 30),
        /// Samples, exemplars and metadata per second that this distributor takes; above it a push gets 503. 0 is no limit.
        pub max_ingestion_rate: f64 = 0.0,
        /// How long a replica of a high-availability pair is taken as alive without a look at what other distributors have heard.
        pub ha_tracker_update_timeout: HumanDuration = HumanDuration::from_secs(15),
        /// How much longer or shorter that is, at most: a fixed part of it for each distributor.
        pub ha_tracker_update_timeout_jitter_max: HumanDuration = HumanDuration::from_secs(5),
        /// After this silence of the elected replica another one of the pair is elected.
        pub ha_tracker_failover_timeout: HumanDuration = HumanDuration::from_secs(30),
        /// How often distributors tell each other, through the bucket, which replicas they hear.
        pub ha_tracker_refresh: HumanDuration = HumanDuration::from_secs(3),
    }
}

impl IngestConfig {
    /// Complains about times that cannot work together.
    ///
    /// * `at`: the key of the section.
    pub fn check(&self, at: &str) -> Result<(), ConfigError> {
        let (update, jitter) = (self.ha_tracker_update_timeout.as_ms(), self.ha_tracker_update_timeout_jitter_max.as_ms());
        let failover = self.ha_tracker_failover_timeout;
        let invalid = |reason: String| Err(ConfigError::invalid(format!("{at}.ha_tracker_failover_timeout"), reason));
        if failover.as_ms() < update + jitter + 1000 {
            return invalid(format!("{failover} must be at least 1s greater than the update timeout and its greatest jitter"));
        }
        // What one distributor hears must reach the others well before they give the replica up.
        if failover.as_ms() < 3 * self.ha_tracker_refresh.as_ms() {
            return invalid(format!("{failover} must be at least three times ha_tracker_refresh"));
        }
        Ok(())
    }
}
