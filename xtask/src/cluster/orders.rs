//! What a cluster is told to do at once instead of in its own time.

use std::time::Duration;

use super::process::Process;
use super::{Cluster, ClusterError};
use crate::http::{self, Answer};

/// How long a flush or a compaction may take.
const WORK: Duration = Duration::from_secs(180);

impl Cluster {
    /// Cuts the heads of every living ingester and waits until readers find the blocks.
    pub(crate) fn flush(&self) -> Result<(), ClusterError> {
        self.role("ingester").filter(|process| process.is_alive()).try_for_each(|ingester| flush(&ingester.http))
    }

    /// Has the leader compact until there is nothing left to do. Returns its name.
    pub(crate) fn compact(&self) -> Result<String, ClusterError> {
        let mut refusals = Vec::new();
        for compactor in self.role("compactor").filter(|process| process.is_alive()) {
            match compact_at(compactor)? {
                Answer { status: 200 | 204, .. } => return Ok(compactor.name.clone()),
                answer => refusals.push(format!("{}: {} {}", compactor.name, answer.status, answer.text())),
            }
        }
        Err(ClusterError::State(format!("no compactor compacts: {}", refusals.join("; "))))
    }
}

/// Orders one compactor to compact: the leader does, others refuse.
pub(crate) fn compact_at(compactor: &Process) -> Result<Answer, ClusterError> {
    http::post(&compactor.http, "/compactor/compact", WORK)
        .map_err(|source| ClusterError::Http { what: format!("{}: compaction", compactor.name), source })
}

/// Cuts every head of the process at an address and waits until readers find the blocks.
pub(crate) fn flush(address: &str) -> Result<(), ClusterError> {
    let answer = http::post(address, "/ingester/flush?wait=true", WORK)
        .map_err(|source| ClusterError::Http { what: format!("{address}: flush"), source })?;
    match answer.status {
        200 | 204 => Ok(()),
        status => Err(ClusterError::State(format!("{address}: the flush answered {status}: {}", answer.text()))),
    }
}
