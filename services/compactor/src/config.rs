//! `compactor:` in the configuration.

use runtime::config::{ByteSize, HumanDuration};
use runtime::settings;

settings! {
    /// Settings of the compactor.
    pub struct CompactorConfig {
        /// True when no other compactor ever runs on this bucket: leads without an election, also where the store cannot create atomically.
        pub alone: bool = false,
        /// How often the leader looks at what writers announced.
        pub step: HumanDuration = HumanDuration::from_secs(1),
        /// How often the leader looks for blocks to merge and to retire.
        pub plan_period: HumanDuration = HumanDuration::from_secs(30),
        /// Blocks are merged within windows of these lengths of data time, the shortest first.
        pub windows: Vec<String> = vec!["2h".to_owned(), "12h".to_owned(), "1d".to_owned()],
        /// Blocks are left alone until all of a window have arrived so long ago: their replicas may still come.
        pub settle: HumanDuration = HumanDuration::from_secs(600),
        /// Blocks that one merge takes at most.
        pub max_inputs: usize = 32,
        /// About how large a merged block may become.
        pub target_bytes: ByteSize = ByteSize(512 << 20),
        /// A tenant's `compactor_split_and_merge_shards` is followed from this size of a merge on: that of its blocks together, of which those
        /// that ingesters cut count once for all their replicas. Smaller ones stay whole. Once split, a block's rows stay so.
        pub split_from_bytes: ByteSize = ByteSize(256 << 20),
        /// A small block that stands in one object with those of other tenants, and that no merge has taken by then, is written as an
        /// object of its own. Until then the object also holds rows that were deleted, or are over their retention.
        pub unpack_after: HumanDuration = HumanDuration::from_secs(12 * 3600),
        /// Merges that run at once in this process.
        pub concurrency: usize = 1,
        /// A worker that has not finished a job for so long has lost it.
        pub job_timeout: HumanDuration = HumanDuration::from_secs(1800),
        /// How often a worker that found no job asks again.
        pub poll: HumanDuration = HumanDuration::from_secs(2),
        /// Blocks of another system, uploaded by clients, that this process turns into its own at once; more are answered with 429. 0 is no
        /// limit.
        pub upload_concurrency: usize = 1,
        /// An uploaded block of which the compactor that works on it has said nothing for so long is taken over by another one.
        pub upload_takeover: HumanDuration = HumanDuration::from_secs(60),
        /// Members without data of their own that gossip has not shown for so long are forgotten.
        pub forget_after: HumanDuration = HumanDuration::from_secs(600),
        /// How long rows are kept whose tenant's limits say nothing; `0s` is for ever.
        pub default_retention: HumanDuration = HumanDuration::from_secs(0),
    }
}
