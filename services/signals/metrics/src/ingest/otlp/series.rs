//! Collects samples by series and writes them as a `prometheus.WriteRequest`.

use std::collections::{HashMap, HashSet};

use rustc_hash::FxHashMap;
use tenancy::Reservation;

use super::labels::LabelSet;
use crate::ingest::check::Start;
use crate::ingest::protobuf::{put_bytes, put_varint, varint_len};
use crate::ingest::room::{Room, RoomError};
use crate::model::{Metadata, Sample};

/// The series of a request, in the order in which they first came.
#[derive(Debug)]
pub(crate) struct Collected<'m> {
    room: Room<'m>,
    series: Vec<Series>,
    /// Place of a series by its labels, as they are written. Clients choose the keys: the hash must not be one that they know.
    known: HashMap<Vec<u8>, usize>,
    metadata: Vec<(String, Metadata)>,
    described: HashSet<String>,
}

/// A series in the making; everything is a field of a `prometheus.TimeSeries`.
#[derive(Debug, Default)]
pub(crate) struct Series {
    labels: Vec<u8>,
    samples: Vec<Sample>,
    histograms: Vec<u8>,
    exemplars: Vec<u8>,
    /// Where its counter began, as far as that is told.
    start: Start,
}

/// Where counters began, by the number of their series in the request.
pub(crate) type Starts = FxHashMap<usize, Start>;

/// Bytes that a series takes beside its labels, which stand in three places before it is all written: roughly.
const SERIES: usize = 256;
const MORE_COPIES: usize = 2;

/// Bytes that a sample takes, in memory and written: roughly.
const SAMPLE: usize = 48;

impl<'m> Collected<'m> {
    /// Nothing yet.
    pub(crate) fn new(memory: &'m mut Reservation) -> Self {
        Self { room: Room::new(memory), series: Vec::new(), known: HashMap::new(), metadata: Vec::new(), described: HashSet::new() }
    }

    /// Holds room for so many samples more than the one that each series is asked for.
    pub(crate) fn hold_samples(&mut self, more: usize) -> Result<(), RoomError> {
        self.room.take(more.saturating_mul(SAMPLE))
    }

    /// The series with these labels, new or known, for a sample, a histogram or exemplars that the request holds.
    pub(crate) fn series<'a>(&mut self, name: &'a str, mut labels: LabelSet<'a>) -> Result<&mut Series, RoomError> {
        let mut written = Vec::with_capacity(64);
        labels.write(name, &mut written);
        // Labels count each time: many points of one series take as long as many series.
        self.room.take(SAMPLE + written.len())?;
        let place = match self.known.get(&written) {
            Some(place) => *place,
            None => {
                self.room.take(SERIES + written.len() * MORE_COPIES)?;
                self.series.push(Series { labels: written.clone(), ..Series::default() });
                self.known.insert(written, self.series.len() - 1);
                self.series.len() - 1
            }
        };
        Ok(&mut self.series[place])
    }

    /// What a metric says about itself; the first to come stands.
    pub(crate) fn metadata(&mut self, name: &str, metadata: Metadata) {
        if self.described.insert(name.to_owned()) {
            self.metadata.push((name.to_owned(), metadata));
        }
    }

    /// True if there is nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.series.is_empty() && self.metadata.is_empty()
    }

    /// The whole as a `prometheus.WriteRequest`, and where the counters in it began.
    pub(crate) fn write(mut self) -> (Vec<u8>, Starts) {
        drop(self.known);
        let mut out = Vec::new();
        let mut starts = Starts::default();
        let mut message = Vec::new();
        for (place, series) in self.series.iter_mut().enumerate() {
            message.clear();
            series.write(&mut message);
            put_bytes(&mut out, 1, &message);
            if !series.start.is_empty() {
                series.start.samples.sort_by_key(|start| start.t);
                series.start.samples.dedup();
                starts.insert(place, std::mem::take(&mut series.start));
            }
        }
        for (name, metadata) in &self.metadata {
            message.clear();
            put_varint(&mut message, 1 << 3);
            put_varint(&mut message, u64::from(metadata.kind.number()));
            put_bytes(&mut message, 2, name.as_bytes());
            put_bytes(&mut message, 4, metadata.help.as_bytes());
            put_bytes(&mut message, 5, metadata.unit.as_bytes());
            put_bytes(&mut out, 3, &message);
        }
        (out, starts)
    }
}

impl Series {
    /// Adds a sample.
    pub(crate) fn sample(&mut self, t: i64, v: f64) {
        self.samples.push(Sample { t, v });
    }

    /// Says when the counter of a sample began, if that is `Some`.
    pub(crate) fn start(&mut self, t: Option<i64>) {
        self.start.samples.extend(t.map(|t| Sample { t, v: 0.0 }));
    }

    /// Says when the counter of a histogram began, if that is `Some`. The first one counts: it is the oldest, as a rule.
    pub(crate) fn start_of_histogram(&mut self, t: Option<i64>) {
        if let (0, Some(t)) = (self.start.histogram, t) {
            self.start.histogram = t;
        }
    }

    /// Adds a `prometheus.Histogram` message.
    pub(crate) fn histogram(&mut self, message: &[u8]) {
        put_bytes(&mut self.histograms, 4, message);
    }

    /// Adds a `prometheus.Exemplar` message.
    pub(crate) fn exemplar(&mut self, message: &[u8]) {
        put_bytes(&mut self.exemplars, 3, message);
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.labels);
        // Points of one series need not come in order. The same point twice is one.
        self.samples.sort_by_key(|sample| sample.t);
        self.samples.dedup();
        for sample in &self.samples {
            let t = sample.t.cast_unsigned();
            put_varint(out, 2 << 3 | 2);
            put_varint(out, (10 + varint_len(t)) as u64);
            out.push(1 << 3 | 1);
            out.extend_from_slice(&sample.v.to_bits().to_le_bytes());
            out.push(2 << 3);
            put_varint(out, t);
        }
        out.extend_from_slice(&self.exemplars);
        out.extend_from_slice(&self.histograms);
    }
}
