//! Who holds which segment, and which rows are in blocks: in memory, so that compaction need not read what it keeps.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::{FxHashMap, FxHashSet};
use tenancy::TenantId;

use super::frame::{Frame, Kind, PREAMBLE};
use super::mark::Mark;

/// The books of one log.
#[derive(Debug, Default)]
pub(super) struct Books {
    segments: BTreeMap<u64, SegmentBook>,
    tenants: FxHashMap<TenantId, Coverage>,
    /// Segments below are not written any more.
    closed_below: u64,
}

/// What one segment holds.
#[derive(Debug)]
pub(super) struct SegmentBook {
    bytes: u64,
    tenants: FxHashMap<TenantId, Held>,
    marks: Vec<MarkNote>,
}

/// Rows of one tenant in one segment.
#[derive(Clone, Copy, Debug)]
struct Held {
    first: u64,
    last: u64,
    bytes: u64,
}

/// A mark in a segment, without its ids.
#[derive(Debug)]
struct MarkNote {
    tenant: TenantId,
    seq: u64,
    second: bool,
    after: u64,
    upto: u64,
    at_ns: i64,
    bytes: u64,
}

/// Which rows of a tenant are in blocks.
#[derive(Clone, Debug, Default)]
struct Coverage {
    done: Intervals,
    /// Where first marks of this process end.
    firsts: BTreeSet<u64>,
}

/// Disjoint half-open intervals `(after, upto]`, ascending; those that touch are one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Intervals(Vec<(u64, u64)>);

/// What is to become of a segment.
#[derive(Debug)]
pub(super) enum Verdict {
    Keep,
    Delete,
    Rewrite(Needed),
}

/// What of a segment goes into its new version.
#[derive(Debug)]
pub(super) struct Needed {
    /// Rows that are in blocks, of the tenants of the segment.
    done: FxHashMap<TenantId, Intervals>,
    /// Sequences of marks.
    marks: FxHashSet<u64>,
}

impl Books {
    /// Adds a segment that was found on disk, with the second marks in it.
    pub(super) fn found(&mut self, segment: u64, book: SegmentBook) {
        for mark in book.marks.iter().filter(|mark| mark.second) {
            self.tenants.entry(mark.tenant.clone()).or_default().done.insert(mark.after, mark.upto);
        }
        self.segments.insert(segment, book);
        self.close(segment);
    }

    /// A new segment is written from now on.
    pub(super) fn opened(&mut self, segment: u64) {
        self.segments.insert(segment, SegmentBook::default());
        self.closed_below = self.closed_below.max(segment);
    }

    /// Nothing is written to `segment` any more.
    pub(super) fn close(&mut self, segment: u64) {
        self.closed_below = self.closed_below.max(segment + 1);
    }

    pub(super) fn replace(&mut self, segment: u64, book: SegmentBook) {
        self.segments.insert(segment, book);
    }

    pub(super) fn removed(&mut self, segment: u64) {
        self.segments.remove(&segment);
    }

    /// A record was written.
    pub(super) fn note(&mut self, segment: u64, frame: &Frame, mark: Option<&Mark>) {
        if let Some(book) = self.segments.get_mut(&segment) {
            book.note(frame, mark);
        }
    }

    /// Where the first mark up to `upto` begins: at the end of the one before it in this process, else at the beginning, since a cut
    /// takes everything that was not cut.
    pub(super) fn first_mark(&mut self, tenant: &TenantId, upto: u64) -> u64 {
        let coverage = self.tenants.entry(tenant.clone()).or_default();
        let after = coverage.begin(upto);
        coverage.firsts.insert(upto);
        after
    }

    /// Where the second mark up to `upto` begins; from now on its rows are in blocks.
    pub(super) fn second_mark(&mut self, tenant: &TenantId, upto: u64) -> u64 {
        let coverage = self.tenants.entry(tenant.clone()).or_default();
        let after = coverage.begin(upto);
        coverage.done.insert(after, upto);
        // Marks begin at or after the end of what is done without a hole.
        if let Some(&(0, end)) = coverage.done.0.first() {
            coverage.firsts.retain(|upto| *upto >= end);
            coverage.firsts.insert(end);
        }
        after
    }

    /// The rows that `mark` covers are in blocks.
    pub(super) fn cover(&mut self, mark: &Mark) {
        self.tenants.entry(mark.tenant.clone()).or_default().done.insert(mark.after.0, mark.upto.0);
    }

    /// True when the segments hold rows that `mark` covers and no second mark does.
    pub(super) fn is_open(&self, mark: &Mark) -> bool {
        let done = self.tenants.get(&mark.tenant).is_some_and(|coverage| coverage.done.contains(mark.after.0, mark.upto.0));
        !done && self.segments.values().any(|book| book.holds(&mark.tenant, mark.after.0, mark.upto.0))
    }

    /// Rows that are in blocks, of all tenants.
    pub(super) fn done(&self) -> FxHashMap<TenantId, Intervals> {
        self.tenants.iter().map(|(tenant, coverage)| (tenant.clone(), coverage.done.clone())).collect()
    }

    /// True when all rows of `segment` are in blocks.
    pub(super) fn is_done(&self, segment: u64) -> bool {
        self.segments.get(&segment).is_none_or(|book| self.live_bytes(book) == 0)
    }

    /// Segments that are not written any more, ascending. Never the newest one, not even when a failed write has closed it: it says
    /// where sequences go on.
    pub(super) fn closed(&self) -> Vec<u64> {
        let mut closed: Vec<u64> = self.segments.range(..self.closed_below).map(|(segment, _)| *segment).collect();
        closed.pop_if(|segment| self.segments.last_key_value().is_some_and(|(newest, _)| newest == segment));
        closed
    }

    /// Decides about a closed segment.
    ///
    /// * `recent_ns`: second marks that are younger are kept.
    /// * `rewrite_below`: the share of a segment at or below which it is rewritten.
    pub(super) fn decide(&self, segment: u64, recent_ns: i64, rewrite_below: f64) -> Verdict {
        let Some(book) = self.segments.get(&segment) else { return Verdict::Keep };
        let marks: Vec<&MarkNote> = book.marks.iter().filter(|mark| self.needs(segment, mark, recent_ns)).collect();
        let needed = self.live_bytes(book) + marks.iter().map(|mark| mark.bytes).sum::<u64>();
        if needed == 0 {
            return Verdict::Delete;
        }
        if as_f64(needed + PREAMBLE as u64) > as_f64(book.bytes) * rewrite_below {
            return Verdict::Keep;
        }
        let done = book.tenants.keys().filter_map(|tenant| Some((tenant.clone(), self.tenants.get(tenant)?.done.clone()))).collect();
        Verdict::Rewrite(Needed { done, marks: marks.iter().map(|mark| mark.seq).collect() })
    }

    /// A mark is needed while an older segment holds rows it covers, a first one also while its rows are wanted, a second one while it is recent.
    fn needs(&self, segment: u64, mark: &MarkNote, recent_ns: i64) -> bool {
        let wanted = if mark.second {
            mark.at_ns > recent_ns
        } else {
            !self.tenants.get(&mark.tenant).is_some_and(|coverage| coverage.done.contains(mark.after, mark.upto))
                && self.segments.range(..=segment).any(|(_, book)| book.holds(&mark.tenant, mark.after, mark.upto))
        };
        wanted || self.segments.range(..segment).any(|(_, book)| book.holds(&mark.tenant, mark.after, mark.upto))
    }

    /// About how many bytes of rows are not in blocks: of rows in part, by the share of their sequences.
    fn live_bytes(&self, book: &SegmentBook) -> u64 {
        let live = |(tenant, held): (&TenantId, &Held)| {
            let all = held.last - held.first + 1;
            let done = self.tenants.get(tenant).map_or(0, |coverage| coverage.done.count(held.first - 1, held.last));
            let share = u128::from(held.bytes) * u128::from(all - done) / u128::from(all);
            // Any row that is left counts.
            if all == done { 0 } else { u64::try_from(share).unwrap_or(u64::MAX).max(1) }
        };
        book.tenants.iter().map(live).sum()
    }

    /// Forgets tenants of whom nothing is left.
    pub(super) fn forget_idle(&mut self) {
        let segments = &self.segments;
        self.tenants.retain(|tenant, coverage| {
            let end = coverage.done.0.first().map_or(0, |(_, end)| *end);
            coverage.firsts.iter().any(|upto| *upto > end) || segments.values().any(|book| book.tenants.contains_key(tenant))
        });
    }

    pub(super) fn len(&self) -> usize {
        self.segments.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.values().map(|book| book.bytes).sum()
    }

    #[cfg(test)]
    pub(super) fn tenants(&self) -> usize {
        self.tenants.len()
    }
}

impl Default for SegmentBook {
    fn default() -> Self {
        Self { bytes: PREAMBLE as u64, tenants: FxHashMap::default(), marks: Vec::new() }
    }
}

impl SegmentBook {
    /// Adds a record; `mark` is what a mark's payload says.
    pub(super) fn note(&mut self, frame: &Frame, mark: Option<&Mark>) {
        self.bytes += frame.size();
        match (frame.kind, mark) {
            (Kind::Rows, _) => {
                let held = self.tenants.entry(frame.tenant.clone()).or_insert(Held { first: frame.seq, last: frame.seq, bytes: 0 });
                held.last = frame.seq;
                held.bytes += frame.size();
            }
            (Kind::FirstMark | Kind::SecondMark, Some(mark)) => self.marks.push(MarkNote {
                tenant: frame.tenant.clone(),
                seq: frame.seq,
                second: frame.kind == Kind::SecondMark,
                after: mark.after.0,
                upto: mark.upto.0,
                at_ns: mark.at_ns,
                bytes: frame.size(),
            }),
            (Kind::FirstMark | Kind::SecondMark | Kind::Unknown(_), _) => {}
        }
    }

    /// True when it may hold rows of the tenant in `(after, upto]`.
    fn holds(&self, tenant: &TenantId, after: u64, upto: u64) -> bool {
        self.tenants.get(tenant).is_some_and(|held| held.first <= upto && held.last > after)
    }
}

impl Coverage {
    fn begin(&self, upto: u64) -> u64 {
        self.firsts.range(..upto).next_back().copied().unwrap_or(0)
    }
}

impl Needed {
    pub(super) fn contains(&self, frame: &Frame) -> bool {
        match frame.kind {
            Kind::Rows => !self.done.get(&frame.tenant).is_some_and(|done| done.covers(frame.seq)),
            Kind::FirstMark | Kind::SecondMark => self.marks.contains(&frame.seq),
            Kind::Unknown(_) => false,
        }
    }
}

impl Intervals {
    pub(super) fn covers(&self, seq: u64) -> bool {
        let next = self.0.partition_point(|(_, upto)| *upto < seq);
        self.0.get(next).is_some_and(|(after, _)| *after < seq)
    }

    fn insert(&mut self, after: u64, upto: u64) {
        if after >= upto {
            return;
        }
        let from = self.0.partition_point(|(_, end)| *end < after);
        let to = self.0.partition_point(|(begin, _)| *begin <= upto);
        let (mut begin, mut end) = (after, upto);
        for (other_begin, other_end) in self.0.drain(from..to) {
            begin = begin.min(other_begin);
            end = end.max(other_end);
        }
        self.0.insert(from, (begin, end));
    }

    fn contains(&self, after: u64, upto: u64) -> bool {
        after >= upto || self.0.iter().any(|(begin, end)| *begin <= after && upto <= *end)
    }

    /// How many sequences of `(after, upto]` are inside.
    fn count(&self, after: u64, upto: u64) -> u64 {
        self.0.iter().map(|(begin, end)| (*end).min(upto).saturating_sub((*begin).max(after))).sum()
    }
}

#[allow(clippy::cast_precision_loss, reason = "a share of a file's length needs no precision")]
fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests;
