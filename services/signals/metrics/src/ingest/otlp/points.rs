//! Points that become float samples: gauges, sums, summaries. Also what all points share.

use proto::opentelemetry::proto::metrics::v1::number_data_point::Value;
use proto::opentelemetry::proto::metrics::v1::{NumberDataPoint, SummaryDataPoint};

use super::exemplars;
use super::labels::LabelSet;
use super::series::Collected;
use super::translate::{Family, PointError};
use crate::model::stale_marker;

/// The bit of a point's flags that says that nothing was recorded: its series has ended.
const NO_RECORDED_VALUE: u32 = 1;

/// Milliseconds of a time in nanoseconds since the Unix epoch; both begin at 0 and are cut, not rounded.
pub(crate) fn millis(nanos: u64) -> i64 {
    i64::try_from(nanos / 1_000_000).expect("less than 2^44")
}

/// True for a point that only says that its series has ended.
pub(crate) const fn is_stale(flags: u32) -> bool {
    flags & NO_RECORDED_VALUE != 0
}

/// The value of a point, or the staleness marker.
pub(crate) fn value_or_stale(flags: u32, value: f64) -> f64 {
    if is_stale(flags) { stale_marker() } else { value }
}

/// A count as a sample's value: exact up to 2^53, as everywhere in Prometheus.
#[allow(clippy::cast_precision_loss, reason = "samples are doubles")]
pub(crate) fn count(count: u64) -> f64 {
    count as f64
}

/// A whole number as a sample's value.
#[allow(clippy::cast_precision_loss, reason = "samples are doubles")]
pub(crate) fn whole(value: i64) -> f64 {
    value as f64
}

/// Adds points of a gauge, or of a sum, whose exemplars are kept.
pub(crate) fn numbers(
    points: &[NumberDataPoint],
    family: &Family<'_>,
    with_exemplars: bool,
    out: &mut Collected<'_>,
) -> Result<(), PointError> {
    for point in points {
        let value = match point.value {
            Some(Value::AsDouble(value)) => value,
            Some(Value::AsInt(value)) => whole(value),
            None => 0.0,
        };
        let t = millis(point.time_unix_nano);
        let series = out.series(family.name, family.labels(&point.attributes)?)?;
        series.sample(t, value_or_stale(point.flags, value));
        series.start(family.start(point.start_time_unix_nano, t));
        if with_exemplars {
            for exemplar in &point.exemplars {
                series.exemplar(&exemplars::message(exemplar));
            }
        }
    }
    Ok(())
}

/// Adds points of a summary: a series per quantile, their sum and their count.
pub(crate) fn summaries(points: &[SummaryDataPoint], family: &Family<'_>, out: &mut Collected<'_>) -> Result<(), PointError> {
    let (sum, all) = (format!("{}_sum", family.name), format!("{}_count", family.name));
    for point in points {
        let (t, flags) = (millis(point.time_unix_nano), point.flags);
        let labels = family.labels(&point.attributes)?;
        let start = family.start(point.start_time_unix_nano, t);
        for (name, value) in [(&sum, point.sum), (&all, count(point.count))] {
            let series = out.series(name, labels.clone())?;
            series.sample(t, value_or_stale(flags, value));
            series.start(start);
        }
        for one in &point.quantile_values {
            let labels = with(&labels, "quantile", one.quantile);
            out.series(family.name, labels)?.sample(t, value_or_stale(flags, one.value));
        }
    }
    Ok(())
}

/// The labels and one more, a number without an exponent.
pub(crate) fn with<'a>(labels: &LabelSet<'a>, name: &'static str, number: f64) -> LabelSet<'a> {
    let mut labels = labels.clone();
    let text = if number == f64::INFINITY { "+Inf".to_owned() } else { number.to_string() };
    labels.set(name, text);
    labels
}
