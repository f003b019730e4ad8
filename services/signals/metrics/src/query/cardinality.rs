//! Cardinalities: what heads tell of series and values, each counted once whatever the number of replicas.
//!
//! Exact as long as no two of a tenant's series, or of a label's values, share a hash of 64 bits.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use runtime::ErrorKind;
use rustc_hash::{FxHashMap, FxHashSet};
use signal::{LeafBatch, Leaves, QueryError, Scan, Source, TimeRange};
use xxhash_rust::xxh3::xxh3_64;

use super::gather::{broken, run};
use super::partial::{self, Count, Fetched};
use super::scope::{Part, Scope};
use crate::Deps;
use crate::model::Labels;
use crate::wire::{CardinalityQuery, Counted, Group, LeafQuery, LeafRows};

/// The times that are asked for: no block has rows there, so that heads alone are asked. They answer of what they hold, whatever its
/// times.
const HEADS_ONLY: TimeRange = TimeRange { start: i64::MAX - 1, end: i64::MAX };
/// What a member takes in memory, bytes, about.
const MEMBER_BYTES: u64 = 24;

/// Answers a question of cardinality.
pub(super) async fn count(deps: &Deps, scope: &Scope, query: CardinalityQuery, leaves: Arc<dyn Leaves>) -> Result<Vec<Bytes>, QueryError> {
    let mut counting = Counting::default();
    for Part { tenant, matchers } in scope.sets(&query.sets)? {
        let question = CardinalityQuery { sets: matchers, ..query.clone() };
        let mut batches = leaves.scan(Scan { tenant, range: HEADS_ONLY, payload: LeafQuery::Cardinality(question).encode() });
        while let Some(batch) = batches.next().await {
            let LeafBatch { source, payload } = batch?;
            let leaves = leaves.clone();
            let head = match (&query.what, source) {
                (Counted::Head, Source::Head(name)) => Some(xxh3_64(name.as_bytes())),
                _ => None,
            };
            counting = run(&deps.compute, move || counting.take(&payload, head, &*leaves).map(|()| counting)).await??;
        }
    }
    run(&deps.compute, move || match query.what {
        Counted::Labels => {
            let mut series: Vec<Labels> = counting.series.into_iter().collect();
            series.sort_unstable();
            let fetched = Fetched { series: series.len() as u64, ..Fetched::default() };
            partial::encode_series(series, fetched)
        }
        _ => partial::encode_counts(&counting.counts()),
    })
    .await
}

/// A group as a head tells it of itself.
fn told_by(group: Group, head: Option<u64>) -> Group {
    match head {
        Some(head) => Group { members: vec![head; group.members.len().min(1)], ..group },
        None => group,
    }
}

#[derive(Default)]
struct Counting {
    /// Members by name and value, with the size of each.
    groups: BTreeMap<(String, String), FxHashMap<u64, u64>>,
    series: FxHashSet<Labels>,
}

impl Counting {
    /// Takes an answer. `head`: what its only members are told by, where heads speak of themselves.
    fn take(&mut self, batch: &Bytes, head: Option<u64>, leaves: &dyn Leaves) -> Result<(), QueryError> {
        let bytes = match LeafRows::decode(batch).map_err(|err| broken(&err))? {
            LeafRows::Groups(groups) => {
                groups.into_iter().map(|group| self.join(told_by(group, head))).fold(0, |sum, fresh| sum + fresh * MEMBER_BYTES)
            }
            LeafRows::Series(series) => {
                let size = |labels: &Labels| labels.heap_bytes() as u64;
                series
                    .into_iter()
                    .map(|labels| (size(&labels), self.series.insert(labels)))
                    .filter(|(_, new)| *new)
                    .map(|(size, _)| size)
                    .sum()
            }
            _ => return Err(QueryError::new(ErrorKind::Internal, "a leaf answered another question")),
        };
        leaves.reserve(bytes)
    }

    /// Takes the members of a group; of what replicas say of one the greater size counts. Returns how many are new.
    fn join(&mut self, group: Group) -> u64 {
        let known = self.groups.entry((group.name, group.value)).or_default();
        let before = known.len();
        let sizes = group.sizes.into_iter().chain(std::iter::repeat(0));
        for (member, size) in group.members.into_iter().zip(sizes) {
            let known = known.entry(member).or_default();
            *known = (*known).max(size);
        }
        (known.len() - before) as u64
    }

    fn counts(self) -> Vec<Count> {
        let count = |((name, value), members): ((String, String), FxHashMap<u64, u64>)| Count {
            name,
            value,
            members: members.len() as u64,
            // What is no count, as a time of a head, may be near the end of all numbers.
            sum: members.values().fold(0, |sum: u64, size| sum.saturating_add(*size)),
            min: members.values().copied().min().unwrap_or_default(),
            max: members.values().copied().max().unwrap_or_default(),
        };
        self.groups.into_iter().map(count).collect()
    }
}

#[cfg(test)]
mod tests;
