//! `ingester:` in the configuration.

use runtime::config::{ByteSize, HumanDuration};
use runtime::settings;

settings! {
    /// Settings of the ingester.
    pub struct IngesterConfig {
        /// Where the write-ahead log and what heads keep outside memory stand.
        pub data_dir: String = "./data".to_owned(),
        /// Rows go into blocks at the latest so long after they arrived.
        pub cut_after: HumanDuration = HumanDuration::from_secs(900),
        /// A head that takes more memory is cut earlier.
        pub cut_bytes: ByteSize = ByteSize(256 << 20),
        /// How often heads are looked at for a cut.
        pub cut_check: HumanDuration = HumanDuration::from_secs(15),
        /// Blocks do not cross multiples of this length of data time.
        pub block_window: HumanDuration = HumanDuration::from_secs(7200),
        /// How many heads are written as blocks at once.
        pub cut_concurrency: usize = 4,
        /// Blocks of a cut that are smaller go up together with those of other tenants, as one object below `packed/`; `0B`: none does.
        pub packed_block_size: ByteSize = ByteSize(1 << 20),
        /// The largest such object. Up to twice as many bytes of small blocks are in memory while they wait for their upload.
        pub packed_object_size: ByteSize = ByteSize(32 << 20),
        /// Blocks in one such object at most.
        pub packed_blocks: usize = 1000,
        /// How long a small block waits for those of other tenants that are cut at the same time.
        pub packed_wait: HumanDuration = HumanDuration::from_secs(10),
        /// How long rows stay in memory after readers were seen to find them in blocks.
        pub keep_after_upload: HumanDuration = HumanDuration::from_secs(900),
        /// How long an announced block may be missing in the catalog until its rows are uploaded again under another name.
        pub announce_again_after: HumanDuration = HumanDuration::from_secs(4 * 86_400),
        /// How long an ingester that lost its disk counts as missing for reads: until the other replicas have cut what it had acknowledged.
        pub refuse_after_loss: HumanDuration = HumanDuration::from_secs(3600),
        /// Pause between two tries of an upload.
        pub upload_retry: HumanDuration = HumanDuration::from_secs(5),
        /// Bytes of pushes held in memory at once; above it a push gets 503 and is sent again by its sender. `0B` is no limit.
        pub max_inflight_push: ByteSize = ByteSize(256 << 20),
        /// Pushes on their way at once; above it a push gets 503. 0 is no limit.
        pub max_inflight_push_requests: u64 = 30_000,
        /// Rows per second that it stores, of all tenants, as a moving average; above it pushes get 503. 0 is no limit.
        pub max_ingestion_rate: f64 = 0.0,
        /// Tenants with recent rows of one signal; pushes of others get 503. 0 is no limit.
        pub max_tenants: u64 = 0,
        /// Series, streams or live traces of one signal in memory, of all tenants; pushes with new ones get 503. 0 is no limit.
        pub max_series: u64 = 0,
        /// Scans for queries that run at once; above it a scan is refused, and the query asks other replicas. 0 is no limit.
        pub max_inflight_reads: u64 = 0,
        /// How long an ingester that leaves is still read after its last block is served.
        pub leave_grace: HumanDuration = HumanDuration::from_secs(360),
        /// How often the log is cleared of what is in blocks.
        pub wal_compact_period: HumanDuration = HumanDuration::from_secs(60),
    }
}
