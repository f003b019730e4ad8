//! The items of a push, decoded: before the head is locked.
//!
//! Hot file: no allocation per series or float sample once the buffers have grown.

use std::ops::Range;

use signal::Push;

use super::{AllParts, Run};
use crate::head::refuse::{Cause, Refusals};
use crate::histogram::protobuf as histogram;
use crate::ingest::FORMAT;
use crate::ingest::metadata::RawMetadata;
use crate::ingest::series::{RawLabel, RawSeries};
use crate::model::{Exemplar, Labels, Metadata, MetricType, SeriesHash};
use crate::wire::MetadataEntry;

/// The items of a push.
#[derive(Debug, Default)]
pub(super) struct Items<'a> {
    pub(super) items: Vec<Decoded>,
    pub(super) labels: Vec<(&'a [u8], &'a [u8])>,
    pub(super) parts: AllParts,
    /// Metrics and what is said about them; the times are not set.
    pub(super) metadata: Vec<(Box<str>, MetadataEntry)>,
}

/// One item: where its parts are.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) index: u32,
    pub(super) hash: u64,
    pub(super) labels: Range<usize>,
    pub(super) start: Run,
    pub(super) end: Run,
}

impl<'a> Items<'a> {
    /// Decodes what the receivers encoded. An item that is not as they make it is refused; the others are taken.
    pub(super) fn decode(push: &'a Push, refusals: &mut Refusals) -> Self {
        let mut all = Self::default();
        let mut series = RawSeries::default();
        for (index, item) in (0u32..).zip(&push.items) {
            let (labels, start) = (all.labels.len(), all.parts.end(0));
            let read = series.read(&item.bytes, 0..item.bytes.len()).is_ok() && push.format == FORMAT;
            let Some(hash) = read.then(|| all.take(&series)).flatten() else {
                all.labels.truncate(labels);
                all.parts.truncate(start);
                let rows = series.samples.len() + series.histograms.len();
                refusals.add(index, Cause::Malformed, u32::try_from(rows).unwrap_or(u32::MAX), || None);
                continue;
            };
            let end = all.parts.end(0);
            let run = &mut all.parts.samples[start.samples..];
            if !run.is_sorted_by_key(|sample| sample.t) {
                // Stable: of two values with one time the first stays the first.
                run.sort_by_key(|sample| sample.t);
            }
            all.parts.histograms[start.histograms..].sort_by_key(|sample| sample.t);
            all.items.push(Decoded { index, hash, labels: labels..all.labels.len(), start, end });
        }
        all
    }

    /// Takes the parts of a series; returns the hash of its labels. `None`: they are not as they should be.
    fn take(&mut self, series: &RawSeries<'a>) -> Option<u64> {
        let mut hash = SeriesHash::default();
        let mut before: Option<&[u8]> = None;
        for label in &series.labels {
            if label.value.is_empty() || before.is_some_and(|before| before >= label.name) {
                return None;
            }
            before = Some(label.name);
            hash.add(label.name, label.value);
            self.labels.push((label.name, label.value));
        }
        self.parts.samples.extend_from_slice(&series.samples);
        for message in &series.histograms {
            self.parts.histograms.push(histogram::read(message, 0..message.len()).ok()?);
        }
        for exemplar in &series.exemplars {
            let labels = exemplar_labels(series.labels_of(exemplar))?;
            self.parts.exemplars.push(Exemplar { labels, value: exemplar.sample.v, t: exemplar.sample.t });
        }
        if let Some(message) = &series.metadata {
            self.metadata.push(metadata(message)?);
        }
        Some(hash.finish())
    }
}

impl AllParts {
    fn truncate(&mut self, end: Run) {
        self.samples.truncate(end.samples);
        self.histograms.truncate(end.histograms);
        self.exemplars.truncate(end.exemplars);
    }
}

/// Labels of a request as the head keeps them; `None` if they are not UTF-8.
pub(super) fn to_labels(pairs: &[(&[u8], &[u8])]) -> Option<Labels> {
    let pairs: Option<Vec<(&str, &str)>> = pairs.iter().map(|(name, value)| text(name).zip(text(value))).collect();
    Some(Labels::from_sorted(pairs?))
}

/// Labels of an exemplar, which come in any order.
fn exemplar_labels(labels: &[RawLabel<'_>]) -> Option<Labels> {
    let pairs: Option<Vec<(&str, &str)>> = labels.iter().map(|label| text(label.name).zip(text(label.value))).collect();
    Some(Labels::from_pairs(pairs?))
}

fn metadata(message: &[u8]) -> Option<(Box<str>, MetadataEntry)> {
    let raw = RawMetadata::read(message, 0..message.len()).ok()?;
    let metadata = Metadata { kind: MetricType::from_number(raw.kind), help: text(raw.help)?.into(), unit: text(raw.unit)?.into() };
    Some((text(raw.metric)?.into(), MetadataEntry { t: 0, metadata }))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
