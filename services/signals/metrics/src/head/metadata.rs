//! The metadata of a head: per metric, what was said about it, each once.

use rustc_hash::FxHashMap;
use signal::CutId;
use smallvec::SmallVec;

use crate::merge::merge_metadata;
use crate::model::Metadata;
use crate::wire::{MetadataEntry, MetricMetadata};

/// How often an entry that is sent again and again is stored anew, ms. Prometheus sends all of them every minute.
const REFRESH_MS: i64 = 5 * 60 * 1000;

/// Heap that an entry of the map takes beside its texts, bytes, about.
const METRIC_BYTES: usize = 96;

/// What is known about metrics.
#[derive(Debug, Default)]
pub(super) struct MetadataOfHead {
    metrics: FxHashMap<Box<str>, SmallVec<[Known; 1]>>,
    bytes: usize,
}

#[derive(Debug)]
struct Known {
    entry: MetadataEntry,
    /// The last cut that took it, if it was not received since.
    cut: Option<CutId>,
}

/// What one push brings that is to be stored: it counts towards the limits before it is there, and once.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    metrics: FxHashMap<Box<str>, SmallVec<[Metadata; 1]>>,
    /// Metrics among them of which nothing is known yet.
    new_metrics: u64,
}

/// How many metrics, and how many entries of a metric, there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct MetadataLimits {
    pub(super) metrics: u64,
    pub(super) per_metric: u64,
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is to be stored.
    New,
    /// It was received a moment ago.
    Known,
    /// There are too many metrics.
    TooManyMetrics,
    /// There are too many entries of this metric.
    TooManyOfMetric,
}

impl MetadataOfHead {
    /// Judges an entry that is received at `now`, ms, after others of its push. One that is to be stored is added to them.
    pub(super) fn judge(&self, metric: &str, metadata: &Metadata, now: i64, limits: MetadataLimits, awaited: &mut Awaited) -> Verdict {
        let known = self.metrics.get(metric).map_or(&[][..], |known| known.as_slice());
        let awaits = awaited.metrics.get(metric).map_or(&[][..], |awaits| awaits.as_slice());
        if awaits.contains(metadata) {
            return Verdict::Known;
        }
        let same = |metadata: &Metadata| known.iter().find(|known| known.entry.metadata == *metadata);
        match same(metadata) {
            Some(known) if known.cut.is_none() && known.entry.t.saturating_add(REFRESH_MS) > now => return Verdict::Known,
            Some(_) => {}
            None if known.is_empty() && awaits.is_empty() => {
                if self.metrics.len() as u64 + awaited.new_metrics >= limits.metrics {
                    return Verdict::TooManyMetrics;
                }
                awaited.new_metrics += 1;
            }
            None if (known.len() + awaits.iter().filter(|one| same(one).is_none()).count()) as u64 >= limits.per_metric => {
                return Verdict::TooManyOfMetric;
            }
            None => {}
        }
        match awaited.metrics.get_mut(metric) {
            Some(awaits) => awaits.push(metadata.clone()),
            None => {
                awaited.metrics.insert(metric.into(), SmallVec::from_iter([metadata.clone()]));
            }
        }
        Verdict::New
    }

    /// Stores an entry.
    pub(super) fn put(&mut self, metric: &str, entry: MetadataEntry) {
        let known = match self.metrics.get_mut(metric) {
            Some(known) => known,
            None => {
                self.bytes += metric.len() + METRIC_BYTES;
                self.metrics.entry(metric.into()).or_default()
            }
        };
        match known.iter_mut().find(|known| known.entry.metadata == entry.metadata) {
            Some(known) => {
                known.entry.t = known.entry.t.max(entry.t);
                known.cut = None;
            }
            None => {
                self.bytes += entry_bytes(&entry);
                known.push(Known { entry, cut: None });
            }
        }
    }

    /// Entries that were received last in `start..=end`, ms: of one metric or of all, as [`merge_metadata`] leaves them.
    pub(super) fn within(&self, start: i64, end: i64, metric: Option<&str>, limit: u64, limit_per_metric: u64) -> Vec<MetricMetadata> {
        let wanted = |known: &&Known| (start..=end).contains(&known.entry.t);
        let one = |metric: &str, known: &[Known]| MetricMetadata {
            metric: metric.to_owned(),
            entries: known.iter().filter(wanted).map(|known| known.entry.clone()).collect(),
        };
        match metric {
            Some(metric) => merge_metadata(self.metrics.get(metric).map(|known| one(metric, known)), limit, limit_per_metric),
            None => merge_metadata(self.metrics.iter().map(|(metric, known)| one(metric, known)), limit, limit_per_metric),
        }
    }

    /// Takes what no cut has taken, sorted by metric. It stays here, marked.
    pub(super) fn cut(&mut self, id: CutId) -> Vec<MetricMetadata> {
        let mut taken = Vec::new();
        for (metric, known) in &mut self.metrics {
            let mut entries = Vec::new();
            for known in known.iter_mut().filter(|known| known.cut.is_none()) {
                known.cut = Some(id);
                entries.push(known.entry.clone());
            }
            taken.push(MetricMetadata { metric: metric.to_string(), entries });
        }
        merge_metadata(taken, 0, 0)
    }

    /// Drops what a cut took and nobody sent since.
    pub(super) fn forget(&mut self, id: CutId) {
        let bytes = &mut self.bytes;
        self.metrics.retain(|metric, known| {
            known.retain(|known| {
                let gone = known.cut == Some(id);
                if gone {
                    *bytes = bytes.saturating_sub(entry_bytes(&known.entry));
                }
                !gone
            });
            if known.is_empty() {
                *bytes = bytes.saturating_sub(metric.len() + METRIC_BYTES);
            }
            !known.is_empty()
        });
    }

    /// Heap that the metadata takes, bytes, about.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes
    }
}

fn entry_bytes(entry: &MetadataEntry) -> usize {
    entry.metadata.text_bytes() + size_of::<Known>()
}

#[cfg(test)]
mod tests;
