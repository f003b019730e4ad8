//! One series: the samples that wait, the open chunk, full chunks, and beside them what few series have.
//!
//! Hot file: no allocation per sample that comes in order. A head holds one of these for each active series: every field is counted
//! in bytes, see `examples/head_memory.rs`.

use std::fmt;
use std::num::NonZeroU32;

mod thin;
mod waiting;

use signal::{CutId, SegmentId};

use super::files::{ChunkRef, Files, MAX_SPAN, Stored};
use super::held::HeldList;
use super::more::More;
use crate::chunk::{self, Chunk, Encoding, MAX_SAMPLES, XorEncoder};
use crate::histogram::{Histogram, HistogramSample};
use crate::merge::winner;
use crate::model::{Labels, STALE_BITS, Sample};
use waiting::Waiting;

/// Bytes at which the open chunk is full, however few samples it has: values that do not compress shall not stay in memory. After a cut
/// the open chunks of all series fill at one pace, so that this is what a series may take, not twice of what it takes.
const MAX_OPEN_BYTES: usize = 256;

/// A series of the head.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) labels: Labels,
    /// Float samples in order: they are newer than all in order before them. When a cut has taken them it still knows the last.
    open: XorEncoder,
    /// Full chunks.
    held: HeldList,
    /// Samples of pushes that are prepared and not committed, sorted by time.
    waiting: Waiting,
    /// Late samples and native histograms.
    more: Option<Box<More>>,
    /// The last segment of which a committed record holds the labels, if there was no cut since: see [`short`].
    logged: Option<NonZeroU32>,
    /// When something was last committed, seconds since the Unix epoch.
    touched: u32,
    /// How many pushes refer to the series.
    pub(super) holders: u32,
    /// Whether something was ever committed: then it is in the index.
    pub(super) visible: bool,
    /// Whether a float sample was ever committed in order.
    any: bool,
}

/// What the head holds at one time of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// The same value.
    Same,
    /// Another value.
    Other(Shown),
}

/// A value as a refusal shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// A number, by its bits.
    Float(u64),
    /// A native histogram.
    Histogram,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float(bits) if *bits == STALE_BITS => f.write_str("a staleness marker"),
            Self::Float(bits) => write!(f, "{}", f64::from_bits(*bits)),
            Self::Histogram => f.write_str("a native histogram"),
        }
    }
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is stored.
    Stored,
    /// It was there.
    There,
}

/// The value of a sample.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Float(f64),
    Histogram(&'a Histogram),
}

impl Value<'_> {
    /// As a refusal shows it.
    pub(super) const fn shown(self) -> Shown {
        match self {
            Self::Float(value) => Shown::Float(value.to_bits()),
            Self::Histogram(_) => Shown::Histogram,
        }
    }

    fn is(self, other: Value<'_>) -> bool {
        match (self, other) {
            (Self::Float(one), Value::Float(other)) => one.to_bits() == other.to_bits(),
            (Self::Histogram(one), Value::Histogram(other)) => one.same_bits(other),
            _ => false,
        }
    }
}

impl Series {
    /// How many chunks of floats and histograms in order it has.
    pub(super) fn chunk_count(&self) -> usize {
        self.held.iter().count() + usize::from(self.open_chunk().is_some())
    }

    pub(super) fn new(labels: Labels) -> Self {
        Self {
            labels,
            open: XorEncoder::default(),
            held: HeldList::default(),
            waiting: Waiting::None,
            more: None,
            logged: None,
            touched: 0,
            holders: 0,
            visible: false,
            any: false,
        }
    }

    /// Takes note that something is committed at a time, ms since the Unix epoch.
    pub(super) fn touch(&mut self, now: i64) {
        self.touched = u32::try_from(now / 1000).unwrap_or(if now < 0 { 0 } else { u32::MAX });
    }

    /// Whether nothing was committed since a time, ms since the Unix epoch, or within a second before it.
    pub(super) fn is_idle_since(&self, before: i64) -> bool {
        i64::from(self.touched) * 1000 < before
    }

    /// Whether a committed record of a segment holds the labels.
    pub(super) fn is_logged_in(&self, segment: SegmentId) -> bool {
        self.logged == Some(short(segment)) && self.logged != Some(NonZeroU32::MAX)
    }

    /// A committed record of a segment holds the labels.
    pub(super) fn logged_in(&mut self, segment: SegmentId) {
        self.logged = self.logged.max(Some(short(segment)));
    }

    /// The last byte of the open chunk: where the next sample goes.
    pub(super) fn newest_byte(&self) -> u8 {
        self.open.bytes().last().copied().unwrap_or_default()
    }

    /// Time of the newest sample that was committed; stays when it is cut and forgotten.
    pub(super) fn newest_t(&self) -> Option<i64> {
        let float = self.any.then(|| self.open.max_t());
        float.max(self.more.as_ref().and_then(|more| more.newest_t()))
    }

    /// The value of the newest sample.
    pub(super) fn newest_shown(&self) -> Shown {
        let float = self.any && self.newest_t() == Some(self.open.max_t());
        if float { Value::Float(self.open.last_value()).shown() } else { Shown::Histogram }
    }

    /// The buckets of the newest sample, if that is a native histogram.
    pub(super) fn newest_buckets(&self) -> Option<usize> {
        let newest = self.more.as_ref()?.newest_histogram()?;
        let is_newest = !self.any || self.open.max_t() < newest.t;
        is_newest.then(|| newest.h.bucket_count())
    }

    /// Compares a sample with those that wait.
    pub(super) fn waits(&self, t: i64, value: Value<'_>) -> Known {
        let floats = at_time(self.waiting.as_slice(), t).iter().map(|sample| Value::Float(sample.v));
        let histograms = self.more.iter().flat_map(|more| more.waiting_at(t));
        compare(value, floats.chain(histograms))
    }

    /// A push refers to the series; its float samples, sorted by time, wait from now on.
    pub(super) fn hold(&mut self, samples: &[Sample]) {
        self.holders += 1;
        samples.iter().for_each(|sample| self.waiting.add(*sample));
    }

    /// Its histograms too.
    pub(super) fn hold_histograms(&mut self, samples: &[HistogramSample]) {
        if !samples.is_empty() {
            self.more.get_or_insert_default().hold(samples);
        }
    }

    /// The push is committed or gone: what waited waits no longer.
    pub(super) fn release(&mut self, samples: &[Sample], histograms: &[HistogramSample]) {
        debug_assert!(self.holders > 0 || std::thread::panicking(), "what is released was held");
        self.holders = self.holders.saturating_sub(1);
        if let Some(more) = &mut self.more {
            more.release(histograms);
        }
        if self.holders == 0 {
            self.waiting = Waiting::None;
        } else {
            self.waiting.remove(samples);
        }
    }

    /// Compares a sample with those that were committed and are still here, and with the newest.
    pub(super) fn holds(&self, t: i64, value: Value<'_>, files: &Files) -> Known {
        if self.newest_t().is_none_or(|newest| newest < t) {
            return Known::Nothing;
        }
        let mut found = Known::Nothing;
        if self.any && self.open.max_t() == t {
            found = compare(value, [Value::Float(self.open.last_value())]);
        }
        let mut look = |other: Known| {
            if found != Known::Same && other != Known::Nothing {
                found = other;
            }
        };
        if let Some(more) = &self.more {
            look(compare(value, more.committed_at(t)));
        }
        if self.open_overlaps(t, t) {
            look(self.open_chunk().map_or(Known::Nothing, |chunk| compare_in(t, value, &chunk.to_chunk())));
        }
        let open = self.more.iter().filter_map(|more| more.open_chunk_at(t));
        open.for_each(|chunk| look(compare_in(t, value, &chunk)));
        for held in self.held.iter().filter(|held| held.overlaps(t, t)) {
            // What cannot be read is passed over: a merge leaves each time once.
            if let Some(Ok(chunk)) = files.stored(&held).map(|stored| stored.read()) {
                look(compare_in(t, value, &chunk));
            }
        }
        found
    }

    /// Stores a float sample. Another value at its time stays beside it in another chunk, or the winner of the merge stays.
    pub(super) fn put(&mut self, sample: Sample, files: &Files) -> Put {
        if self.newest_t().is_some_and(|newest| newest >= sample.t) {
            return self.put_late(sample, files);
        }
        if self.open.count() > 0 && sample.t.saturating_sub(self.open.min_t()) > MAX_SPAN {
            self.close_open(files);
        }
        self.open.push(sample);
        self.any = true;
        if self.open.count() >= MAX_SAMPLES || self.open.bytes().len() >= MAX_OPEN_BYTES {
            self.close_open(files);
        }
        Put::Stored
    }

    fn put_late(&mut self, sample: Sample, files: &Files) -> Put {
        if self.holds(sample.t, Value::Float(sample.v), files) == Known::Same {
            return Put::There;
        }
        let late = &mut self.more.get_or_insert_default().late;
        match late.binary_search_by_key(&sample.t, |known| known.t) {
            Ok(at) => {
                late[at].v = winner(late[at].v, sample.v);
                return Put::There;
            }
            Err(at) => late.insert(at, sample),
        }
        if late.len() >= usize::from(MAX_SAMPLES) {
            self.close_late(files);
        }
        Put::Stored
    }

    /// Stores a histogram, likewise.
    pub(super) fn put_histogram(&mut self, sample: &HistogramSample, files: &Files) -> Put {
        let late = self.newest_t().is_some_and(|newest| newest >= sample.t);
        if late && self.holds(sample.t, Value::Histogram(&sample.h), files) == Known::Same {
            return Put::There;
        }
        let more = self.more.get_or_insert_default();
        let (put, full) = if late { more.put_late(sample) } else { (Put::Stored, more.put(sample)) };
        for chunk in full {
            self.held.push(files.keep(&ChunkRef::from(&chunk)));
        }
        put
    }

    fn open_overlaps(&self, start: i64, end: i64) -> bool {
        self.open.count() > 0 && self.open.min_t() <= end && start <= self.open.max_t()
    }

    /// The open chunk as it is now.
    fn open_chunk(&self) -> Option<ChunkRef<'_>> {
        (self.open.count() > 0).then(|| ChunkRef {
            min_t: self.open.min_t(),
            max_t: self.open.max_t(),
            count: self.open.count(),
            encoding: Encoding::Xor,
            bytes: self.open.bytes(),
        })
    }

    fn close_open(&mut self, files: &Files) {
        if let Some(chunk) = self.open_chunk() {
            let held = files.keep(&chunk);
            self.held.push(held);
            self.open.restart();
        }
    }

    fn close_late(&mut self, files: &Files) {
        let Some(more) = &mut self.more else { return };
        for chunk in late_chunks(&std::mem::take(&mut more.late)) {
            self.held.push(files.keep(&ChunkRef::from(&chunk)));
        }
        self.drop_more();
    }

    /// Gives back the memory of what is no longer there.
    fn drop_more(&mut self) {
        self.more.take_if(|more| more.is_empty());
    }

    /// Chunks with samples of `start..=end`, ms, and late samples, for readers.
    pub(super) fn view(&self, start: i64, end: i64, files: &Files) -> Option<View> {
        let held = self.held.iter().filter(|held| held.overlaps(start, end));
        let stored: Vec<Stored> = held.filter_map(|held| files.stored(&held)).collect();
        let mut chunks = Vec::new();
        if self.open_overlaps(start, end) {
            chunks.extend(self.open_chunk().map(ChunkRef::to_chunk));
        }
        let (mut late, mut late_histograms) = (Vec::new(), Vec::new());
        if let Some(more) = &self.more {
            late = within(&more.late, start, end, |sample| sample.t).to_vec();
            late_histograms = within(more.late_histograms(), start, end, |sample| sample.t).to_vec();
            chunks.extend(more.open_chunk_within(start, end));
        }
        let view = View { labels: self.labels.clone(), stored, chunks, late, late_histograms };
        (!view.is_empty()).then_some(view)
    }

    /// Whether a sample of `start..=end`, ms, may be here.
    pub(super) fn overlaps(&self, start: i64, end: i64) -> bool {
        self.open_overlaps(start, end)
            || self.held.iter().any(|held| held.overlaps(start, end))
            || self.more.as_ref().is_some_and(|more| more.overlaps(start, end))
    }

    /// Takes everything that no cut has taken; it stays here, in the file of the cut. Once the cut is in blocks, a restart does not
    /// read its records: what comes next says the labels again. False: there was nothing.
    pub(super) fn cut(&mut self, files: &Files) -> bool {
        self.logged = None;
        self.close_open(files);
        if let Some(more) = &mut self.more {
            for chunk in more.close() {
                self.held.push(files.keep(&ChunkRef::from(&chunk)));
            }
        }
        self.close_late(files);
        self.held.iter().any(|held| files.is_fresh(&held))
    }

    /// The chunks that a cut took.
    pub(super) fn taken(&self, cut: CutId, files: &Files) -> Vec<Stored> {
        let held = self.held.iter().filter(|held| held.cut() == cut);
        held.filter_map(|held| files.stored(&held)).collect()
    }

    /// Drops what a cut took.
    pub(super) fn forget(&mut self, id: CutId) {
        self.held.retain(|held| held.cut() != id);
    }

    /// True when there is nothing to read.
    pub(super) fn has_no_rows(&self) -> bool {
        self.open.count() == 0 && self.held.is_empty() && self.more.as_ref().is_none_or(|more| more.has_no_rows())
    }

    /// Heap of the rows that are in no file yet, bytes, about.
    pub(super) fn fresh_bytes(&self) -> usize {
        self.open.capacity() + self.more.as_ref().map_or(0, |more| more.heap_bytes())
    }

    /// Heap that the series takes, bytes, about.
    pub(super) fn heap_bytes(&self) -> usize {
        let waiting = self.waiting.heap_bytes();
        size_of::<Self>() + self.labels.heap_bytes() + self.held.heap_bytes() + self.fresh_bytes() + waiting
    }
}

/// What a reader sees of a series. Made under the lock, read and encoded outside of it.
#[derive(Debug)]
pub(super) struct View {
    pub(super) labels: Labels,
    /// Chunks that are in files.
    pub(super) stored: Vec<Stored>,
    /// Copies of open chunks.
    pub(super) chunks: Vec<Chunk>,
    pub(super) late: Vec<Sample>,
    pub(super) late_histograms: Vec<HistogramSample>,
}

impl View {
    fn is_empty(&self) -> bool {
        self.stored.is_empty() && self.chunks.is_empty() && self.late.is_empty() && self.late_histograms.is_empty()
    }
}

/// Chunks of late samples: like all chunks of a head they span no more than [`MAX_SPAN`].
pub(super) fn late_chunks(samples: &[Sample]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut rest = samples;
    while let Some(first) = rest.first() {
        let (run, after) = rest.split_at(rest.partition_point(|sample| sample.t.saturating_sub(first.t) <= MAX_SPAN));
        chunks.extend(chunk::encode_run(run));
        rest = after;
    }
    chunks
}

/// The number of a segment after this one, in 32 bits: a log of as many segments would hold more than a hundred petabytes. The last
/// number stands for all above it, of which none is said to hold labels that an earlier one does not.
fn short(segment: SegmentId) -> NonZeroU32 {
    u32::try_from(segment.0).ok().and_then(|number| number.checked_add(1)).and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX)
}

/// Compares a value with others of its time. With several of them any that is the same is enough.
pub(super) fn compare<'a>(value: Value<'_>, others: impl IntoIterator<Item = Value<'a>>) -> Known {
    let mut found = Known::Nothing;
    for other in others {
        if value.is(other) {
            return Known::Same;
        }
        found = Known::Other(other.shown());
    }
    found
}

/// Compares a value with what a chunk holds at its time.
fn compare_in(t: i64, value: Value<'_>, chunk: &Chunk) -> Known {
    if chunk.encoding == Encoding::Histogram {
        let mut samples = Vec::new();
        if chunk.decode_histograms_into(&mut samples).is_err() {
            return Known::Nothing;
        }
        return compare(value, samples.iter().filter(|sample| sample.t == t).map(|sample| Value::Histogram(&sample.h)));
    }
    let samples = chunk.decode().unwrap_or_default();
    compare(value, at_time(&samples, t).iter().map(|sample| Value::Float(sample.v)))
}

/// Samples of one time, of a sorted run.
fn at_time(run: &[Sample], t: i64) -> &[Sample] {
    within(run, t, t, |sample| sample.t)
}

/// The part of a sorted run that lies in `start..=end`.
pub(super) fn within<T>(run: &[T], start: i64, end: i64, t: impl Fn(&T) -> i64) -> &[T] {
    let first = run.partition_point(|one| t(one) < start);
    let last = run.partition_point(|one| t(one) <= end);
    run.get(first..last).unwrap_or_default()
}
