//! Settings of the WAL.

use runtime::config::{ByteSize, HumanDuration};

runtime::setting_enum! {
    /// When a record counts as durable.
    pub enum Fsync {
        /// After the fsync of its group.
        Always = "always",
        /// When it is written; an fsync follows within `fsync_interval`.
        Interval = "interval",
        /// When it is written; the operating system decides about the rest.
        Never = "never",
    }
}

runtime::settings! {
    /// `wal:` in the YAML.
    pub struct WalConfig {
        /// When a push is acknowledged: `always` after the fsync of its group of records, `interval` and `never` once it is written.
        pub fsync: Fsync = Fsync::Always,
        /// With `fsync: interval`, how long written records may wait for their fsync.
        pub fsync_interval: HumanDuration = HumanDuration::from_secs(1),
        /// Size at which a segment is closed and the next is opened.
        pub segment_size: ByteSize = ByteSize(128 << 20),
        /// Longest record; a push that makes a longer one is refused.
        pub max_record: ByteSize = ByteSize(64 << 20),
        /// Records that may wait for the disk; above it pushes are refused until it catches up.
        pub max_queued: ByteSize = ByteSize(256 << 20),
        /// A closed segment is rewritten without what is already in blocks once no more than this share of it is needed.
        pub rewrite_below: f64 = 0.25,
        /// How long the ids of blocks that were read back are kept for a restart: twice the ingester's grace.
        pub keep_read_back: HumanDuration = HumanDuration::from_secs(1800),
        /// How long the log waits after a failed write before it tries the disk again.
        pub retry_after: HumanDuration = HumanDuration::from_secs(1),
    }
}
