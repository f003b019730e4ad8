//! `target_info`: a series per resource that holds its attributes, to be joined with the others by `job` and `instance`.

use proto::opentelemetry::proto::common::v1::KeyValue;
use proto::opentelemetry::proto::metrics::v1::Metric;
use proto::opentelemetry::proto::metrics::v1::metric::Data;

use super::labels::{IDENTIFYING, LabelSet, identity};
use super::points::millis;
use super::series::Collected;
use super::settings::Translation;
use super::translate::PointError;
use crate::model::{Metadata, MetricType};

const NAME: &str = "target_info";

/// Half of the time that a query looks back: so the series is found at every time at which the resource had points.
const INTERVAL_MS: i64 = 150_000;

/// Samples of one resource and request at most, the latest of them: two days of points. A point that is dated 1970 would make millions.
const MAX_SAMPLES: i64 = 1152;

/// Earliest and latest time of the points of a resource, ms since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span(Option<(i64, i64)>);

impl Span {
    /// Takes in the points of a metric.
    pub(crate) fn add(&mut self, metric: &Metric) {
        match &metric.data {
            Some(Data::Gauge(data)) => self.times(data.data_points.iter().map(|point| point.time_unix_nano)),
            Some(Data::Sum(data)) => self.times(data.data_points.iter().map(|point| point.time_unix_nano)),
            Some(Data::Histogram(data)) => self.times(data.data_points.iter().map(|point| point.time_unix_nano)),
            Some(Data::ExponentialHistogram(data)) => self.times(data.data_points.iter().map(|point| point.time_unix_nano)),
            Some(Data::Summary(data)) => self.times(data.data_points.iter().map(|point| point.time_unix_nano)),
            None => {}
        }
    }

    fn times(&mut self, times: impl Iterator<Item = u64>) {
        for t in times.map(millis) {
            let (first, last) = self.0.unwrap_or((t, t));
            self.0 = Some((first.min(t), last.max(t)));
        }
    }

    /// When there are samples: every half lookback from the first time on, and at the last.
    fn samples(self) -> Vec<i64> {
        let Some((first, last)) = self.0 else { return Vec::new() };
        let steps = (last - first + INTERVAL_MS - 1) / INTERVAL_MS;
        let mut times: Vec<i64> = (steps.saturating_sub(MAX_SAMPLES).max(0)..steps).map(|step| first + step * INTERVAL_MS).collect();
        times.push(last);
        times
    }
}

/// Adds the series of a resource, if it has an attribute that says more than which one it is, and one that says which.
pub(crate) fn add(attributes: &[KeyValue], span: Span, how: &Translation, out: &mut Collected<'_>) -> Result<(), PointError> {
    if attributes.iter().all(|attribute| IDENTIFYING.contains(&attribute.key.as_str())) {
        return Ok(());
    }
    let times = span.samples();
    let kept = |attribute: &&KeyValue| how.keep_identifying || !IDENTIFYING.contains(&attribute.key.as_str());
    let labels = LabelSet::of(attributes.iter().filter(kept), how)?.under(identity(attributes));
    let known = |name| labels.get(name).is_some_and(|value| !value.is_empty());
    if times.is_empty() || !(known("job") || known("instance")) {
        return Ok(());
    }
    out.hold_samples(times.len())?;
    let series = out.series(NAME, labels)?;
    for t in times {
        series.sample(t, 1.0);
    }
    out.metadata(NAME, Metadata { kind: MetricType::Gauge, help: "Target metadata".into(), unit: "".into() });
    Ok(())
}
