//! The series that a script has loaded.

use std::collections::BTreeMap;

use index::Matcher;

use super::histogram;
use super::notation::Item;
use super::script::Load;
use crate::histogram::{Histogram, HistogramSample};
use crate::merge::SeriesSamples;
use crate::model::{Labels, Sample};
use crate::query::engine::{SelectorRequest, Starts};

/// Series by their labels.
#[derive(Debug, Default)]
pub(super) struct Store {
    series: BTreeMap<Labels, Stored>,
}

#[derive(Debug, Default)]
struct Stored {
    samples: Vec<Sample>,
    /// Histograms as they were loaded.
    loaded: Vec<HistogramSample>,
    /// Histograms with the hints of a database.
    histograms: Vec<HistogramSample>,
    /// Since when samples count, by their times.
    starts: BTreeMap<i64, i64>,
}

impl Store {
    /// Adds series.
    pub(super) fn load(&mut self, load: &Load) {
        for line in &load.series {
            let stored = self.series.entry(line.labels.clone()).or_default();
            for (t, item) in line.at(load.step) {
                match item {
                    Item::Float(v) => stored.samples.push(Sample { t, v: *v }),
                    Item::Histogram(written) => {
                        stored.loaded.push(HistogramSample { t, h: Histogram::clone(&written.histogram).into() });
                    }
                    Item::Gap => {}
                    Item::Start(after) => {
                        stored.starts.insert(t, t + after);
                    }
                }
            }
            stored.tidy();
        }
        if load.with_native {
            for (labels, histograms) in histogram::converted(load) {
                let stored = self.series.entry(labels).or_default();
                stored.loaded.extend(histograms);
                stored.tidy();
            }
        }
    }

    /// The series that a selector asks for.
    pub(super) fn select(&self, request: &SelectorRequest) -> Result<(Vec<SeriesSamples>, Vec<Starts>), String> {
        let matchers = Matcher::compile_all(&request.matchers).map_err(|err| err.to_string())?;
        let range = request.start_ms..=request.end_ms;
        let (mut found, mut starts) = (Vec::new(), Vec::new());
        for (labels, stored) in &self.series {
            if !matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default())) {
                continue;
            }
            let samples: Vec<Sample> = stored.samples.iter().filter(|sample| range.contains(&sample.t)).copied().collect();
            let histograms: Vec<HistogramSample> = stored.histograms.iter().filter(|sample| range.contains(&sample.t)).cloned().collect();
            if !samples.is_empty() || !histograms.is_empty() {
                starts.push(stored.starts_of(&samples, &histograms));
                found.push(SeriesSamples { labels: labels.clone(), samples, histograms });
            }
        }
        Ok((found, starts))
    }
}

impl Stored {
    fn starts_of(&self, samples: &[Sample], histograms: &[HistogramSample]) -> Starts {
        if self.starts.is_empty() {
            return Starts::default();
        }
        let start = |t: i64| self.starts.get(&t).copied().unwrap_or_default();
        Starts {
            floats: samples.iter().map(|sample| start(sample.t)).collect(),
            histograms: histograms.iter().map(|sample| start(sample.t)).collect(),
        }
    }

    /// Sorts samples; of several at one time the one loaded last stays.
    fn tidy(&mut self) {
        keep_last(&mut self.samples, |sample| sample.t);
        keep_last(&mut self.loaded, |sample| sample.t);
        self.histograms = histogram::hinted(&self.loaded, &self.samples);
    }
}

fn keep_last<T: Clone>(samples: &mut Vec<T>, time: impl Fn(&T) -> i64) {
    samples.sort_by_key(&time);
    samples.dedup_by(|next, kept| {
        let same = time(next) == time(kept);
        if same {
            *kept = next.clone();
        }
        same
    });
}
