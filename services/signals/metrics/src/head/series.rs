//! One series: the samples that wait, the open chunk, full chunks, late samples.
//!
//! Hot file: no allocation per sample that comes in order.

mod thin;

use signal::{CutId, SegmentId};
use smallvec::SmallVec;

use crate::chunk::{self, Chunk, MAX_SAMPLES, XorEncoder};
use crate::merge::winner;
use crate::model::{Labels, Sample};

/// A series of the head.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) labels: Labels,
    /// Samples in order; they are newer than all in order before them.
    open: XorEncoder,
    /// Full chunks, and those of cuts.
    chunks: Vec<Held>,
    /// Samples out of order, sorted by time, each time once.
    late: Vec<Sample>,
    /// The newest sample that was committed; stays when it is cut and forgotten.
    newest: Option<Sample>,
    /// Samples of pushes that are prepared and not committed, sorted by time.
    waiting: SmallVec<[Sample; 1]>,
    /// How many pushes refer to the series.
    pub(super) holders: u32,
    /// The last segment of which a committed record holds the labels, if there was no cut since.
    pub(super) logged: Option<SegmentId>,
    /// Whether something was ever committed: then it is in the index.
    pub(super) visible: bool,
    /// When something was last committed, ms since the Unix epoch.
    pub(super) touched: i64,
    /// Heap of `chunks`.
    chunk_bytes: usize,
    /// The part of it that no cut has taken.
    fresh_bytes: usize,
}

/// A chunk and the cut that took it.
#[derive(Debug)]
struct Held {
    cut: Option<CutId>,
    chunk: Chunk,
}

/// What the head holds at one time of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// The same value.
    Same,
    /// Another value.
    Other,
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is stored.
    Stored,
    /// It was there.
    There,
}

impl Series {
    pub(super) fn new(labels: Labels) -> Self {
        Self {
            labels,
            open: XorEncoder::default(),
            chunks: Vec::new(),
            late: Vec::new(),
            newest: None,
            waiting: SmallVec::new(),
            holders: 0,
            logged: None,
            visible: false,
            touched: 0,
            chunk_bytes: 0,
            fresh_bytes: 0,
        }
    }

    /// The newest sample that was committed.
    pub(super) fn newest(&self) -> Option<Sample> {
        self.newest
    }

    /// Compares a sample with those that wait.
    pub(super) fn waits(&self, sample: Sample) -> Known {
        if self.waiting.last().is_none_or(|last| last.t < sample.t) {
            return Known::Nothing;
        }
        known(&self.waiting, sample)
    }

    /// Takes note of samples, sorted by time, that wait from now on.
    pub(super) fn hold(&mut self, samples: &[Sample]) {
        self.holders += 1;
        for sample in samples {
            let at = self.waiting.partition_point(|known| known.t <= sample.t);
            self.waiting.insert(at, *sample);
        }
    }

    /// The same samples wait no longer.
    pub(super) fn release(&mut self, samples: &[Sample]) {
        debug_assert!(self.holders > 0, "what is released was held");
        self.holders = self.holders.saturating_sub(1);
        if self.holders == 0 {
            self.waiting = SmallVec::new();
            return;
        }
        let mut gone = samples.iter().peekable();
        self.waiting.retain(|known| {
            let leaves = gone.peek().is_some_and(|sample| sample.t == known.t);
            if leaves {
                gone.next();
            }
            !leaves
        });
    }

    /// Compares a sample with those that were committed and are still here.
    pub(super) fn holds(&self, sample: Sample) -> Known {
        match self.newest {
            Some(newest) if newest.t == sample.t => return same(newest, sample),
            Some(newest) if newest.t > sample.t => {}
            _ => return Known::Nothing,
        }
        let late = known(&self.late, sample);
        if late != Known::Nothing {
            return late;
        }
        let mut decoded = Vec::new();
        let mut look = |chunk: &Chunk| {
            decoded.clear();
            chunk.decode_into(&mut decoded).expect("a head reads what it wrote itself");
            known(&decoded, sample)
        };
        for held in self.chunks.iter().filter(|held| held.chunk.overlaps(sample.t, sample.t)) {
            let found = look(&held.chunk);
            if found != Known::Nothing {
                return found;
            }
        }
        if self.open_overlaps(sample.t, sample.t) {
            return self.open_chunk().map_or(Known::Nothing, |chunk| look(&chunk));
        }
        Known::Nothing
    }

    /// Stores a sample. Another value at its time stays beside it in another chunk, or the winner of the merge stays.
    pub(super) fn put(&mut self, sample: Sample) -> Put {
        match self.newest {
            Some(newest) if newest.t >= sample.t => return self.put_late(sample),
            _ => {}
        }
        self.newest = Some(sample);
        self.open.push(sample);
        if self.open.count() >= MAX_SAMPLES {
            self.close_open();
        }
        Put::Stored
    }

    fn put_late(&mut self, sample: Sample) -> Put {
        if self.holds(sample) == Known::Same {
            return Put::There;
        }
        match self.late.binary_search_by_key(&sample.t, |known| known.t) {
            Ok(at) => {
                let value = winner(self.late[at].v, sample.v);
                self.late[at].v = value;
                return Put::There;
            }
            Err(at) => self.late.insert(at, sample),
        }
        if self.late.len() >= usize::from(MAX_SAMPLES) {
            self.close_late();
        }
        Put::Stored
    }

    fn open_overlaps(&self, start: i64, end: i64) -> bool {
        self.open.count() > 0 && self.open.min_t() <= end && start <= self.open.max_t()
    }

    /// The open chunk as it is now.
    fn open_chunk(&self) -> Option<Chunk> {
        (self.open.count() > 0).then(|| Chunk {
            min_t: self.open.min_t(),
            max_t: self.open.max_t(),
            count: self.open.count(),
            encoding: chunk::Encoding::Xor,
            bytes: self.open.finish(),
        })
    }

    fn close_open(&mut self) {
        if let Some(chunk) = self.open_chunk() {
            self.keep(chunk);
            self.open = XorEncoder::default();
        }
    }

    fn close_late(&mut self) {
        for chunk in chunk::encode_run(&std::mem::take(&mut self.late)) {
            self.keep(chunk);
        }
    }

    fn keep(&mut self, chunk: Chunk) {
        self.chunk_bytes += size_of::<Held>() + chunk.bytes.len();
        self.fresh_bytes += size_of::<Held>() + chunk.bytes.len();
        self.chunks.push(Held { cut: None, chunk });
    }

    /// Chunks with samples of `start..=end`, ms, and late samples, for readers.
    pub(super) fn view(&self, start: i64, end: i64) -> Option<View> {
        let mut chunks: Vec<Chunk> =
            self.chunks.iter().filter(|held| held.chunk.overlaps(start, end)).map(|held| held.chunk.clone()).collect();
        if self.open_overlaps(start, end) {
            chunks.extend(self.open_chunk());
        }
        let late = within(&self.late, start, end).to_vec();
        (!chunks.is_empty() || !late.is_empty()).then(|| View { labels: self.labels.clone(), chunks, late })
    }

    /// Whether a sample of `start..=end`, ms, may be here.
    pub(super) fn overlaps(&self, start: i64, end: i64) -> bool {
        self.open_overlaps(start, end)
            || self.chunks.iter().any(|held| held.chunk.overlaps(start, end))
            || !within(&self.late, start, end).is_empty()
    }

    /// Takes everything that no cut has taken; it stays here, marked. Once the cut is in blocks, a restart does not read its records:
    /// what comes next says the labels again.
    pub(super) fn cut(&mut self, id: CutId) -> Vec<Chunk> {
        self.logged = None;
        self.close_open();
        self.close_late();
        self.fresh_bytes = 0;
        let fresh = self.chunks.iter_mut().filter(|held| held.cut.is_none());
        fresh
            .map(|held| {
                held.cut = Some(id);
                held.chunk.clone()
            })
            .collect()
    }

    /// Drops what a cut took.
    pub(super) fn forget(&mut self, id: CutId) {
        self.chunks.retain(|held| held.cut != Some(id));
        self.chunks.shrink_to_fit();
        self.chunk_bytes = self.chunks.iter().map(|held| size_of::<Held>() + held.chunk.bytes.len()).sum();
    }

    /// True when there is nothing to read.
    pub(super) fn has_no_rows(&self) -> bool {
        self.open.count() == 0 && self.chunks.is_empty() && self.late.is_empty()
    }

    /// Heap of the rows that no cut has taken, bytes, about.
    pub(super) fn fresh_bytes(&self) -> usize {
        self.open.capacity() + self.fresh_bytes + self.late.capacity() * size_of::<Sample>()
    }

    /// Heap that the series takes, bytes, about.
    pub(super) fn heap_bytes(&self) -> usize {
        let waiting = if self.waiting.spilled() { self.waiting.capacity() * size_of::<Sample>() } else { 0 };
        size_of::<Self>()
            + self.labels.heap_bytes()
            + self.open.capacity()
            + self.chunk_bytes
            + self.late.capacity() * size_of::<Sample>()
            + waiting
    }
}

/// What a reader sees of a series. Made under the lock, encoded outside of it.
#[derive(Debug)]
pub(super) struct View {
    pub(super) labels: Labels,
    pub(super) chunks: Vec<Chunk>,
    pub(super) late: Vec<Sample>,
}

fn same(one: Sample, other: Sample) -> Known {
    if one == other { Known::Same } else { Known::Other }
}

/// Looks for the time of a sample in a sorted run. With several values at that time any that is the same is enough.
fn known(run: &[Sample], sample: Sample) -> Known {
    let first = run.partition_point(|known| known.t < sample.t);
    let mut at_its_time = run[first..].iter().take_while(|known| known.t == sample.t).peekable();
    if at_its_time.peek().is_none() {
        return Known::Nothing;
    }
    if at_its_time.any(|known| *known == sample) { Known::Same } else { Known::Other }
}

fn within(run: &[Sample], start: i64, end: i64) -> &[Sample] {
    let first = run.partition_point(|sample| sample.t < start);
    let last = run.partition_point(|sample| sample.t <= end);
    run.get(first..last).unwrap_or_default()
}
