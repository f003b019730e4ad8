//! `catalog:` in the configuration.

use runtime::config::HumanDuration;
use runtime::settings;

settings! {
    /// Periods of the catalog. `catalog:` in the YAML. The same in all processes of a cluster.
    pub struct CatalogConfig {
        /// How often the log is asked for its next number.
        pub follow_every: HumanDuration = HumanDuration::from_secs(1),
        /// How often the newest snapshot is looked for, and after which pause of its own a process looks at once.
        pub roots_every: HumanDuration = HumanDuration::from_secs(60),
        /// The least time between two announcements of one process.
        pub announce_every: HumanDuration = HumanDuration::from_secs(5),
        /// After which pause of its own a leader reads the log as at its start, and how long one that lost the office waits.
        pub office_pause: HumanDuration = HumanDuration::from_secs(10),
        /// Announcements that are older by the store's clock are dropped.
        pub inbox_max_age: HumanDuration = HumanDuration::from_secs(3 * 86_400),
        /// How long it is remembered that a block was taken out.
        pub tombstones_for: HumanDuration = HumanDuration::from_secs(7 * 86_400),
        /// A snapshot is made after this many numbers.
        pub snapshot_numbers: u64 = 1000,
        /// A snapshot is made after this time, if there is anything new.
        pub snapshot_every: HumanDuration = HumanDuration::from_secs(600),
        /// Logs and parts below a snapshot of this age are removed.
        pub history: HumanDuration = HumanDuration::from_secs(2 * 86_400),
        /// How long the files of a block stay after it was taken out.
        pub removal_delay: HumanDuration = HumanDuration::from_secs(1800),
        /// How often files of removed blocks are looked for.
        pub remove_every: HumanDuration = HumanDuration::from_secs(300),
        /// How often the whole bucket is looked through for files that belong to nothing.
        pub orphans_every: HumanDuration = HumanDuration::from_secs(6 * 3600),
        /// Files that belong to nothing are removed at this age.
        pub orphans_after: HumanDuration = HumanDuration::from_secs(7 * 86_400),
        /// Nothing is removed while the clocks of the leader and the store are further apart.
        pub max_clock_skew: HumanDuration = HumanDuration::from_secs(300),
    }
}
