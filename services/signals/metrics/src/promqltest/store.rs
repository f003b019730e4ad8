//! The series that a script has loaded.

use std::collections::BTreeMap;

use index::Matcher;

use super::notation::Item;
use super::script::Load;
use crate::merge::SeriesSamples;
use crate::model::{Labels, METRIC_NAME, Sample};
use crate::query::engine::SelectorRequest;

/// Series by their labels.
#[derive(Debug, Default)]
pub(super) struct Store {
    series: BTreeMap<Labels, Stored>,
}

#[derive(Debug, Default)]
struct Stored {
    samples: Vec<Sample>,
    /// Times of samples that the engine cannot evaluate: histograms, or floats with a start timestamp.
    unsupported: Vec<i64>,
}

impl Store {
    /// Adds series.
    pub(super) fn load(&mut self, load: &Load) {
        for line in &load.series {
            let stored = self.series.entry(line.labels.clone()).or_default();
            for (item, t) in line.values.iter().zip((0..).map(|step: i64| step * load.step)) {
                match item {
                    Item::Float(v) => stored.samples.push(Sample { t, v: *v }),
                    Item::Gap => {}
                    Item::Unsupported => stored.unsupported.push(t),
                }
            }
            keep_last(&mut stored.samples);
            if load.with_native
                && let Some(labels) = native_labels(&line.labels)
            {
                let times = line.values.iter().zip((0..).map(|step: i64| step * load.step));
                let times = times.filter(|(item, _)| !matches!(item, Item::Gap)).map(|(_, t)| t);
                self.series.entry(labels).or_default().unsupported.extend(times);
            }
        }
    }

    /// The series that a selector asks for.
    pub(super) fn select(&self, request: &SelectorRequest) -> Result<Vec<SeriesSamples>, String> {
        let matchers = Matcher::compile_all(&request.matchers).map_err(|err| err.to_string())?;
        let range = request.start_ms..=request.end_ms;
        let mut found = Vec::new();
        for (labels, stored) in &self.series {
            if !matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default())) {
                continue;
            }
            if stored.unsupported.iter().any(|t| range.contains(t)) {
                return Err("native histograms and start timestamps are not implemented".to_owned());
            }
            let samples: Vec<Sample> = stored.samples.iter().filter(|sample| range.contains(&sample.t)).copied().collect();
            if !samples.is_empty() {
                found.push(SeriesSamples { labels: labels.clone(), samples, histograms: Vec::new() });
            }
        }
        Ok(found)
    }
}

/// Sorts samples; of several at one time the one loaded last stays.
fn keep_last(samples: &mut Vec<Sample>) {
    samples.sort_by_key(|sample| sample.t);
    samples.dedup_by(|next, kept| {
        let same = next.t == kept.t;
        if same {
            *kept = *next;
        }
        same
    });
}

/// The labels of the native histogram that a bucket of a classic one becomes part of.
fn native_labels(labels: &Labels) -> Option<Labels> {
    let name = labels.metric_name()?.strip_suffix("_bucket")?;
    labels.get("le")?;
    Some(labels.builder().set(METRIC_NAME, name).remove("le").build())
}
