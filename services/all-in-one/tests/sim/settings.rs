//! Periods of the simulated cluster: those of the real one, in their order, with minutes made seconds.

use std::sync::Arc;
use std::time::Duration;

use compactor::CompactorConfig;
use runtime::config::HumanDuration;
use storage::catalog::{Announcer, Catalog, CatalogConfig};

use crate::process::Life;

/// The periods.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) catalog: CatalogConfig,
    pub(crate) compactor: CompactorConfig,
    /// Lengths of windows in which blocks are merged, ns.
    pub(crate) windows_ns: Vec<i64>,
    /// Blocks do not cross multiples of this, ns.
    pub(crate) window_ns: i64,
    pub(crate) cut_after: Duration,
    pub(crate) cut_check: Duration,
    pub(crate) keep_after_upload: Duration,
    pub(crate) announce_again_after: Duration,
    pub(crate) leave_grace: Duration,
    pub(crate) join_grace: Duration,
    pub(crate) retry: Duration,
    pub(crate) push_timeout: Duration,
    pub(crate) leaf_timeout: Duration,
    pub(crate) query_timeout: Duration,
    pub(crate) ask_all_after: Duration,
    pub(crate) recent: Duration,
    pub(crate) max_catalog_age: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let secs = HumanDuration::from_secs;
        let catalog = CatalogConfig {
            follow_every: secs(1),
            roots_every: secs(20),
            announce_every: secs(1),
            office_pause: secs(5),
            inbox_max_age: secs(30),
            tombstones_for: secs(600),
            snapshot_numbers: 10,
            snapshot_every: secs(20),
            history: secs(30),
            removal_delay: secs(20),
            remove_every: secs(5),
            ..CatalogConfig::default()
        };
        let compactor = CompactorConfig {
            step: secs(1),
            plan_period: secs(4),
            settle: secs(4),
            job_timeout: secs(20),
            poll: secs(2),
            unpack_after: secs(60),
            ..CompactorConfig::default()
        };
        Self {
            catalog,
            compactor,
            windows_ns: vec![30_000_000_000, 120_000_000_000],
            window_ns: 30_000_000_000,
            cut_after: Duration::from_secs(10),
            cut_check: Duration::from_secs(1),
            keep_after_upload: Duration::from_secs(18),
            announce_again_after: Duration::from_secs(40),
            leave_grace: Duration::from_secs(18),
            join_grace: Duration::from_secs(18),
            retry: Duration::from_secs(1),
            push_timeout: Duration::from_secs(2),
            leaf_timeout: Duration::from_secs(2),
            query_timeout: Duration::from_secs(10),
            ask_all_after: Duration::from_millis(500),
            recent: Duration::from_secs(200),
            max_catalog_age: Duration::from_secs(6),
        }
    }
}

/// Follows the catalog as long as the process lives.
pub(crate) fn follow(life: &Life, catalog: &Arc<Catalog>) {
    let catalog = catalog.clone();
    life.spawn(async move {
        loop {
            // One that cannot be read now is read again.
            let _unread = catalog.refresh().await;
            tokio::time::sleep(catalog.config().follow_every.get()).await;
        }
    });
}

/// Writes announcements as long as the process lives.
pub(crate) fn announce(life: &Life, announcer: &Announcer, settings: &Settings) {
    let (announcer, every) = (announcer.clone(), settings.catalog.announce_every.get());
    life.spawn(async move {
        loop {
            tokio::time::sleep(every).await;
            // What was not written waits on.
            let _unwritten = announcer.flush().await;
        }
    });
}
