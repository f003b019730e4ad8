//! What few series have: late samples, and native histograms.

use super::files::MAX_SPAN;
use super::series::{Put, Value, within};
use crate::chunk::{self, Chunk, ChunkError, HistogramEncoder, MAX_SAMPLES};
use crate::histogram::HistogramSample;
use crate::merge::histogram_winner;
use crate::model::Sample;

/// Bytes at which an open chunk of histograms is full.
const MAX_OPEN_BYTES: usize = 2048;

/// The part of a series that is made when it is needed first.
#[derive(Debug, Default)]
pub(super) struct More {
    /// Float samples out of order, sorted by time, each time once.
    pub(super) late: Vec<Sample>,
    histograms: Option<Box<Histograms>>,
}

#[derive(Debug, Default)]
struct Histograms {
    /// Samples in order.
    open: HistogramEncoder,
    /// The newest that was committed in order.
    newest: Option<HistogramSample>,
    /// Samples out of order, sorted by time, each time once.
    late: Vec<HistogramSample>,
    /// Samples of pushes that are prepared and not committed, sorted by time.
    waiting: Vec<HistogramSample>,
}

impl More {
    pub(super) fn newest_t(&self) -> Option<i64> {
        Some(self.histograms.as_ref()?.newest.as_ref()?.t)
    }

    /// The newest histogram that was committed in order.
    pub(super) fn newest_histogram(&self) -> Option<&HistogramSample> {
        self.histograms.as_ref()?.newest.as_ref()
    }

    /// Histograms that wait at one time.
    pub(super) fn waiting_at(&self, t: i64) -> impl Iterator<Item = Value<'_>> {
        let at = self.histograms.iter().flat_map(move |all| within(&all.waiting, t, t, |sample| sample.t));
        at.map(|sample| Value::Histogram(&sample.h))
    }

    /// What is known at one time without decoding a chunk: late samples, and the newest histogram.
    pub(super) fn committed_at(&self, t: i64) -> impl Iterator<Item = Value<'_>> {
        let floats = within(&self.late, t, t, |sample| sample.t).iter().map(|sample| Value::Float(sample.v));
        let all = self.histograms.iter();
        let late = all.clone().flat_map(move |all| within(&all.late, t, t, |sample| sample.t));
        let newest = all.filter_map(|all| all.newest.as_ref()).filter(move |newest| newest.t == t);
        floats.chain(late.chain(newest).map(|sample| Value::Histogram(&sample.h)))
    }

    pub(super) fn hold(&mut self, samples: &[HistogramSample]) {
        let waiting = &mut self.histograms.get_or_insert_default().waiting;
        for sample in samples {
            let at = waiting.partition_point(|known| known.t <= sample.t);
            waiting.insert(at, sample.clone());
        }
    }

    /// Samples that were held wait no longer.
    pub(super) fn release(&mut self, samples: &[HistogramSample]) {
        let Some(all) = &mut self.histograms else { return };
        let mut gone = samples.iter().peekable();
        all.waiting.retain(|known| {
            let leaves = gone.peek().is_some_and(|sample| sample.t == known.t);
            if leaves {
                gone.next();
            }
            !leaves
        });
        if all.waiting.is_empty() {
            all.waiting = Vec::new();
        }
    }

    /// Stores a histogram that is newer than all samples; returns the chunks that are full.
    pub(super) fn put(&mut self, sample: &HistogramSample) -> Vec<Chunk> {
        let all = self.histograms.get_or_insert_default();
        let mut full = Vec::new();
        if all.open.count() > 0 && sample.t.saturating_sub(all.open.min_t()) > MAX_SPAN {
            full.extend(all.close_open());
        }
        all.open.push(sample.t, &sample.h);
        all.newest = Some(sample.clone());
        if all.open.count() >= MAX_SAMPLES || all.open.byte_len() >= MAX_OPEN_BYTES {
            full.extend(all.close_open());
        }
        full
    }

    /// Stores a histogram that is not, likewise. Of two at one time the winner of the merge stays.
    pub(super) fn put_late(&mut self, sample: &HistogramSample) -> (Put, Vec<Chunk>) {
        let all = self.histograms.get_or_insert_default();
        match all.late.binary_search_by_key(&sample.t, |known| known.t) {
            Ok(at) => {
                all.late[at] = histogram_winner(all.late[at].clone(), sample.clone());
                return (Put::There, Vec::new());
            }
            Err(at) => all.late.insert(at, sample.clone()),
        }
        let full = if all.late.len() >= usize::from(MAX_SAMPLES) { all.close_late() } else { Vec::new() };
        (Put::Stored, full)
    }

    pub(super) fn late_histograms(&self) -> &[HistogramSample] {
        self.histograms.as_ref().map_or(&[], |all| &all.late)
    }

    /// A copy of the open chunk of histograms, if it may hold something of `start..=end`, ms.
    pub(super) fn open_chunk_within(&self, start: i64, end: i64) -> Option<Chunk> {
        self.histograms.as_ref()?.open_chunk().filter(|chunk| chunk.overlaps(start, end))
    }

    pub(super) fn open_chunk_at(&self, t: i64) -> Option<Chunk> {
        let open = &self.histograms.as_ref()?.open;
        (open.count() > 0 && open.min_t() <= t && t <= open.max_t()).then(|| self.open_chunk_within(t, t))?
    }

    /// Whether a sample of `start..=end`, ms, may be here.
    pub(super) fn overlaps(&self, start: i64, end: i64) -> bool {
        let open = |all: &Histograms| all.open.count() > 0 && all.open.min_t() <= end && start <= all.open.max_t();
        !within(&self.late, start, end, |sample| sample.t).is_empty()
            || !within(self.late_histograms(), start, end, |sample| sample.t).is_empty()
            || self.histograms.as_deref().is_some_and(open)
    }

    /// Takes all histograms out as chunks.
    pub(super) fn close(&mut self) -> Vec<Chunk> {
        let Some(all) = &mut self.histograms else { return Vec::new() };
        let mut chunks: Vec<Chunk> = all.close_open().into_iter().collect();
        chunks.extend(all.close_late());
        chunks
    }

    /// Drops samples of these times.
    pub(super) fn thin(&mut self, gone: impl Fn(i64) -> bool) -> Result<(), ChunkError> {
        self.late.retain(|sample| !gone(sample.t));
        let Some(all) = &mut self.histograms else { return Ok(()) };
        all.late.retain(|sample| !gone(sample.t));
        if let Some(chunk) = all.open_chunk() {
            let mut samples = Vec::new();
            chunk.decode_histograms_into(&mut samples)?;
            if samples.iter().any(|sample| gone(sample.t)) {
                all.open = HistogramEncoder::default();
                samples.iter().filter(|sample| !gone(sample.t)).for_each(|sample| all.open.push(sample.t, &sample.h));
            }
        }
        Ok(())
    }

    /// True when there is nothing to read.
    pub(super) fn has_no_rows(&self) -> bool {
        self.late.is_empty() && self.histograms.as_ref().is_none_or(|all| all.open.count() == 0 && all.late.is_empty())
    }

    /// True when it can be dropped.
    pub(super) fn is_empty(&self) -> bool {
        self.late.is_empty() && self.histograms.is_none()
    }

    /// Heap that it takes, bytes, about.
    pub(super) fn heap_bytes(&self) -> usize {
        let of = |all: &[HistogramSample]| all.iter().map(|sample| size_of::<HistogramSample>() + sample.h.heap_bytes()).sum::<usize>();
        let histograms = self.histograms.as_ref().map_or(0, |all| {
            let newest = all.newest.as_ref().map_or(0, |newest| newest.h.heap_bytes());
            size_of::<Histograms>() + all.open.heap_bytes() + newest + of(&all.late) + of(&all.waiting)
        });
        size_of::<Self>() + self.late.capacity() * size_of::<Sample>() + histograms
    }
}

impl Histograms {
    fn open_chunk(&self) -> Option<Chunk> {
        self.open.chunk()
    }

    fn close_open(&mut self) -> Option<Chunk> {
        let chunk = self.open_chunk();
        self.open = HistogramEncoder::default();
        chunk
    }

    fn close_late(&mut self) -> Vec<Chunk> {
        late_chunks(&std::mem::take(&mut self.late))
    }
}

/// Chunks of late histograms: like all chunks of a head they span no more than [`MAX_SPAN`].
pub(super) fn late_chunks(samples: &[HistogramSample]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut rest = samples;
    while let Some(first) = rest.first() {
        let (run, after) = rest.split_at(rest.partition_point(|sample| sample.t.saturating_sub(first.t) <= MAX_SPAN));
        chunks.extend(chunk::encode_histogram_run(run));
        rest = after;
    }
    chunks
}
