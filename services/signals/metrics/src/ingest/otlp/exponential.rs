//! Exponential histograms: native histograms of a schema that is their scale, or the nearest that there is.

use proto::opentelemetry::proto::metrics::v1::ExponentialHistogramDataPoint;
use proto::opentelemetry::proto::metrics::v1::exponential_histogram_data_point;

use super::exemplars;
use super::native::{Buckets, Native, NativeError};
use super::points::{is_stale, millis};
use super::series::Collected;
use super::translate::{Family, PointError};
use crate::histogram::{MAX_SCHEMA, MIN_SCHEMA};

/// The width of the bucket around zero. OpenTelemetry's has no width unless a point tells one, and Prometheus's must have some; what
/// a point tells is not used, as in the original.
const ZERO_THRESHOLD: f64 = 1e-128;

/// Adds points of an exponential histogram.
pub(crate) fn add(points: &[ExponentialHistogramDataPoint], family: &Family<'_>, out: &mut Collected<'_>) -> Result<(), PointError> {
    for point in points {
        let message = message(point, family.delta)?;
        let series = out.series(family.name, family.labels(&point.attributes)?)?;
        series.histogram(&message);
        series.start_of_histogram(family.start(point.start_time_unix_nano, millis(point.time_unix_nano)));
        for exemplar in &point.exemplars {
            series.exemplar(&exemplars::message(exemplar));
        }
    }
    Ok(())
}

fn message(point: &ExponentialHistogramDataPoint, delta: bool) -> Result<Vec<u8>, NativeError> {
    if point.scale < MIN_SCHEMA {
        return Err(NativeError::Scale { scale: point.scale });
    }
    let schema = point.scale.min(MAX_SCHEMA);
    let merged = (point.scale - schema).unsigned_abs();
    let buckets = |side: &Option<exponential_histogram_data_point::Buckets>| match side {
        // The first bucket of an offset of 0 ends at the base, in Prometheus's counting that is number 1.
        Some(side) => Buckets::new(&side.bucket_counts, side.offset, merged).map(|buckets| buckets.shifted(1)),
        None => Ok(Buckets::default()),
    };
    let native = Native {
        t: millis(point.time_unix_nano),
        stale: is_stale(point.flags),
        gauge: delta,
        schema,
        count: point.count,
        sum: point.sum.unwrap_or_default(),
        zero: Some((ZERO_THRESHOLD, point.zero_count)),
        positive: buckets(&point.positive)?,
        negative: buckets(&point.negative)?,
        bounds: &[],
    };
    native.message()
}
