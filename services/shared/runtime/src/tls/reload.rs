//! What is made of files, and made again when they change.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use super::TlsError;
use crate::error::Chain;

/// Something that files are read for.
pub(super) struct Reloading<T> {
    paths: Vec<PathBuf>,
    build: Build<T>,
    current: ArcSwap<T>,
    seen: Mutex<Seen>,
}

type Build<T> = Box<dyn Fn() -> Result<Arc<T>, TlsError> + Send + Sync>;

/// The files at the last look, good or bad. Their times of change say nothing where a volume is a chain of links.
struct Seen {
    at: Instant,
    contents: Vec<Option<Vec<u8>>>,
}

impl<T> Reloading<T> {
    /// Reads the files for the first time; `build` reads them itself, `paths` (empty ones left out) are what is watched.
    pub(super) fn new(paths: &[&str], build: impl Fn() -> Result<Arc<T>, TlsError> + Send + Sync + 'static) -> Result<Self, TlsError> {
        let paths: Vec<PathBuf> = paths.iter().filter(|path| !path.is_empty()).map(PathBuf::from).collect();
        let seen = Mutex::new(Seen { at: Instant::now(), contents: contents(&paths) });
        Ok(Self { current: ArcSwap::new(build()?), paths, build: Box::new(build), seen })
    }

    /// What is in force.
    pub(super) fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Looks at the files, unless that was done less than `period` ago. What cannot be used leaves the last good one in
    /// force: half-written files are seen complete at a later look.
    pub(super) fn look(&self, period: Duration) {
        let mut seen = self.seen.lock();
        if seen.at.elapsed() < period {
            return;
        }
        seen.at = Instant::now();
        let now = contents(&self.paths);
        if seen.contents == now {
            return;
        }
        seen.contents = now;
        match (self.build)() {
            Ok(built) => {
                self.current.store(built);
                info!(files = ?self.paths, "certificates read again");
            }
            Err(err) => warn!(error = %Chain(&err), "keeping the certificates in force"),
        }
    }
}

fn contents(paths: &[PathBuf]) -> Vec<Option<Vec<u8>>> {
    paths.iter().map(|path| fs::read(path).ok()).collect()
}

impl<T> fmt::Debug for Reloading<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading").field("paths", &self.paths).finish_non_exhaustive()
    }
}
