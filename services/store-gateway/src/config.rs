//! `store_gateway:` in the configuration.

use runtime::settings;

settings! {
    /// Settings of the store-gateway.
    pub struct StoreGatewayConfig {
        /// Blocks of one request that are scanned at once.
        pub scan_concurrency: usize = 8,
        /// Scans that run at once in the process; others wait for their turn.
        pub max_scans: usize = 64,
    }
}
