//! Settings of caches.

use runtime::config::{ByteSize, HumanDuration};

runtime::settings! {
    /// `cache:` in the YAML.
    pub struct CacheConfig {
        /// Bytes kept in memory; `0B` keeps none.
        pub memory_bytes: ByteSize = ByteSize(256 << 20),
        /// Parts of files are cached in pages of this size; memcached servers must accept values of it.
        pub page_bytes: ByteSize = ByteSize(256 << 10),
        /// A cache on a local disk.
        pub disk: DiskCacheConfig = DiskCacheConfig::default(),
        /// Servers that several processes share.
        pub memcached: MemcachedConfig = MemcachedConfig::default(),
    }
}

runtime::settings! {
    /// `cache.disk:` in the YAML.
    pub struct DiskCacheConfig {
        /// Where the files go; empty: no disk cache.
        pub directory: String = String::new(),
        /// Bytes kept there.
        pub bytes: ByteSize = ByteSize(10 << 30),
    }
}

runtime::settings! {
    /// `cache.memcached:` in the YAML.
    pub struct MemcachedConfig {
        /// Servers, `host:port` each, version 1.6 or later; empty: none. The order does not matter.
        pub addresses: Vec<String> = Vec::new(),
        /// How long to wait for a connection and for an answer.
        pub timeout: HumanDuration = HumanDuration::from_millis(200),
        /// Connections to each server, each with a thread.
        pub connections: usize = 4,
        /// Operations that may wait for each server; above it reads find nothing and writes are dropped.
        pub max_queued: usize = 1000,
        /// Longer values are not sent.
        pub max_value: ByteSize = ByteSize(1 << 20),
        /// How long servers keep values.
        pub expiry: HumanDuration = HumanDuration::from_secs(7 * 86_400),
        /// How long a server that does not answer is left alone.
        pub skip_dead_for: HumanDuration = HumanDuration::from_secs(10),
    }
}
