//! Active series that selectors of the tenant count.
//!
//! Labels of a series do not change, so each series is looked at once for each selector; what is active among those that one selects is
//! an intersection of bitmaps.

use index::{Matcher, RoaringBitmap};

use super::series::Series;
use crate::limits::{CustomTrackers, MetricsLimits};
use crate::model::Labels;

/// The selectors of a tenant, and what is known of the series of a head.
#[derive(Debug, Default)]
pub(super) struct Trackers {
    /// What is in force, to see when that changes.
    base: CustomTrackers,
    additional: CustomTrackers,
    all: Vec<Tracker>,
    /// Series with smaller numbers were looked at.
    seen: u32,
    /// What is active, as far as it was counted.
    active: RoaringBitmap,
    /// Those whose newest sample is a native histogram, with its buckets.
    histograms: Vec<(u32, usize)>,
}

#[derive(Debug)]
struct Tracker {
    name: String,
    matchers: Vec<Matcher>,
    /// The series that it selects.
    members: RoaringBitmap,
}

/// What one selector counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tracked {
    pub(super) name: String,
    pub(super) series: u64,
    /// Those whose newest sample is a native histogram.
    pub(super) histograms: u64,
    /// Buckets of those samples.
    pub(super) buckets: u64,
}

impl Trackers {
    /// Takes over the tenant's selectors. When they are others than before, nothing is counted yet, and the names of those before are
    /// returned.
    pub(super) fn update(&mut self, limits: &MetricsLimits) -> Option<Vec<String>> {
        let (base, additional) = (&limits.active_series_custom_trackers, &limits.active_series_additional_custom_trackers);
        if (&self.base, &self.additional) == (base, additional) {
            return None;
        }
        let tracker = |(name, tracked): (&str, &crate::limits::Tracked)| {
            let matchers = Matcher::compile_all(&tracked.matchers).ok()?;
            Some(Tracker { name: name.to_owned(), matchers, members: RoaringBitmap::new() })
        };
        // They compiled when they were read.
        let all = base.with(additional).iter().filter_map(tracker).collect();
        let new = Self { base: base.clone(), additional: additional.clone(), all, ..Self::default() };
        let before = std::mem::replace(self, new);
        Some(before.all.into_iter().map(|tracker| tracker.name).collect())
    }

    /// Looks at a series, or at a number that no series has any more. `buckets`: those of its newest sample, if it is active and that is a
    /// native histogram.
    pub(super) fn look(&mut self, number: u32, series: Option<&Series>, active: bool, buckets: Option<usize>) {
        if self.all.is_empty() {
            return;
        }
        if number >= self.seen {
            self.seen = number + 1;
            for tracker in &mut self.all {
                if series.is_some_and(|series| meets(&series.labels, &tracker.matchers)) {
                    tracker.members.insert(number);
                }
            }
        } else if series.is_none() {
            for tracker in &mut self.all {
                tracker.members.remove(number);
            }
        }
        if active {
            self.active.insert(number);
            self.histograms.extend(buckets.map(|buckets| (number, buckets)));
        }
    }

    /// What the selectors counted since this was asked last.
    pub(super) fn take(&mut self) -> Vec<Tracked> {
        let active = std::mem::take(&mut self.active);
        let histograms = std::mem::take(&mut self.histograms);
        let count = |tracker: &Tracker| {
            let mine = || histograms.iter().filter(|(number, _)| tracker.members.contains(*number));
            Tracked {
                name: tracker.name.clone(),
                series: tracker.members.intersection_len(&active),
                histograms: mine().count() as u64,
                buckets: mine().map(|(_, buckets)| *buckets as u64).sum(),
            }
        };
        self.all.iter().map(count).collect()
    }

    /// The names of the selectors.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|tracker| tracker.name.as_str())
    }
}

/// Whether labels meet all matchers.
fn meets(labels: &Labels, matchers: &[Matcher]) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default()))
}
