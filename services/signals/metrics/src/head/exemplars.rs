//! The exemplars of a head: a ring over all series, as large as the tenant's share of its limit. The oldest arrival goes first.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use signal::CutId;

use crate::model::Exemplar;

/// Exemplars in the order in which they were committed.
#[derive(Debug, Default)]
pub(super) struct Exemplars {
    ring: VecDeque<Kept>,
    /// By number of the series.
    series: FxHashMap<u32, OfSeries>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    series: u32,
    /// The cut that took it.
    cut: Option<CutId>,
    exemplar: Exemplar,
}

/// What is known of the exemplars of a series.
#[derive(Debug)]
struct OfSeries {
    newest: Exemplar,
    count: u32,
}

/// What becomes of an exemplar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is to be stored.
    New,
    /// It is the newest one of its series: nothing is to be done.
    Known,
    /// It is older than the newest one of its series.
    OutOfOrder,
}

impl Exemplars {
    /// Judges an exemplar by the newest one of its series.
    ///
    /// Those of one instant are told apart by value and labels, in an order of their own: a native histogram has several, and a
    /// request that is sent again must not store them again.
    pub(super) fn judge(&self, series: u32, exemplar: &Exemplar) -> Verdict {
        match self.series.get(&series) {
            Some(known) if known.newest == *exemplar => Verdict::Known,
            Some(known) if known.newest > *exemplar => Verdict::OutOfOrder,
            _ => Verdict::New,
        }
    }

    /// Stores an exemplar, and lets go of the oldest while there are more than `limit`. False: it is there already.
    pub(super) fn put(&mut self, series: u32, exemplar: Exemplar, limit: u64) -> bool {
        match self.series.get_mut(&series) {
            Some(known) => {
                // Only what was committed in another order than it was prepared in is looked for.
                let is_it = |kept: &Kept| kept.series == series && kept.exemplar == exemplar;
                if known.newest >= exemplar && self.ring.iter().any(is_it) {
                    return false;
                }
                known.count += 1;
                if known.newest < exemplar {
                    known.newest = exemplar.clone();
                }
            }
            None => {
                self.series.insert(series, OfSeries { newest: exemplar.clone(), count: 1 });
            }
        }
        self.bytes += heap_bytes(&exemplar);
        self.ring.push_back(Kept { series, cut: None, exemplar });
        while self.ring.len() as u64 > limit
            && let Some(oldest) = self.ring.pop_front()
        {
            self.gone(&oldest);
        }
        true
    }

    fn gone(&mut self, kept: &Kept) {
        self.bytes = self.bytes.saturating_sub(heap_bytes(&kept.exemplar));
        if let Some(known) = self.series.get_mut(&kept.series) {
            known.count -= 1;
            if known.count == 0 {
                self.series.remove(&kept.series);
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    /// How many series have any.
    pub(super) fn series_count(&self) -> usize {
        self.series.len()
    }

    /// The time of the one that came first, ms.
    pub(super) fn oldest(&self) -> Option<i64> {
        self.ring.front().map(|kept| kept.exemplar.t)
    }

    /// Whether a series has exemplars here.
    pub(super) fn has(&self, series: u32) -> bool {
        self.series.contains_key(&series)
    }

    /// Exemplars of `start..=end`, ms, of series that are wanted, in no order.
    pub(super) fn within(&self, start: i64, end: i64, wanted: impl Fn(u32) -> bool) -> impl Iterator<Item = (u32, &Exemplar)> {
        let kept = self.ring.iter().filter(move |kept| (start..=end).contains(&kept.exemplar.t) && wanted(kept.series));
        kept.map(|kept| (kept.series, &kept.exemplar))
    }

    /// Takes what no cut has taken: exemplars by the number of their series, sorted. They stay here, marked.
    pub(super) fn cut(&mut self, id: CutId) -> FxHashMap<u32, Vec<Exemplar>> {
        let mut taken: FxHashMap<u32, Vec<Exemplar>> = FxHashMap::default();
        for kept in self.ring.iter_mut().filter(|kept| kept.cut.is_none()) {
            kept.cut = Some(id);
            taken.entry(kept.series).or_default().push(kept.exemplar.clone());
        }
        taken.values_mut().for_each(|exemplars| exemplars.sort());
        taken
    }

    /// Drops what a cut took.
    pub(super) fn forget(&mut self, id: CutId) {
        self.keep_where(|kept| kept.cut != Some(id));
    }

    /// Keeps those of which `wanted` holds, by the number of the series and the time.
    pub(super) fn retain(&mut self, wanted: impl Fn(u32, i64) -> bool) {
        self.keep_where(|kept| wanted(kept.series, kept.exemplar.t));
    }

    fn keep_where(&mut self, wanted: impl Fn(&Kept) -> bool) {
        for kept in std::mem::take(&mut self.ring) {
            if wanted(&kept) {
                self.ring.push_back(kept);
            } else {
                self.gone(&kept);
            }
        }
    }

    /// Heap that the exemplars take, bytes, about.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes + self.ring.capacity() * size_of::<Kept>() + self.series.capacity() * size_of::<(u32, OfSeries)>()
    }
}

fn heap_bytes(exemplar: &Exemplar) -> usize {
    exemplar.labels.heap_bytes()
}

#[cfg(test)]
mod tests;
