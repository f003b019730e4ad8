//! Histograms with explicit bounds: a series per bucket, or a native histogram with custom bounds.

use proto::opentelemetry::proto::metrics::v1::HistogramDataPoint;

use super::exemplars;
use super::native::{Buckets, Native, NativeError};
use super::points::{count, is_stale, millis, value_or_stale, with};
use super::series::Collected;
use super::translate::{Family, PointError};
use crate::histogram::CUSTOM_SCHEMA;

/// Adds the classic form: `_bucket` with `le`, `_count`, and `_sum` where the point has one.
pub(crate) fn classic(points: &[HistogramDataPoint], family: &Family<'_>, out: &mut Collected<'_>) -> Result<(), PointError> {
    let [bucket, sum, all] = ["_bucket", "_sum", "_count"].map(|suffix| format!("{}{suffix}", family.name));
    for point in points {
        let (t, flags) = (millis(point.time_unix_nano), point.flags);
        let labels = family.labels(&point.attributes)?;
        let start = family.start(point.start_time_unix_nano, t);
        for (name, value) in [(&sum, point.sum), (&all, Some(count(point.count)))] {
            if let Some(value) = value {
                let series = out.series(name, labels.clone())?;
                series.sample(t, value_or_stale(flags, value));
                series.start(start);
            }
        }
        let mut left: Vec<_> = point.exemplars.iter().filter(|exemplar| !exemplars::value(exemplar).is_nan()).collect();
        // Each goes into the first bucket that holds its value: the greatest first, to be taken from the end.
        left.sort_by(|one, other| exemplars::value(other).total_cmp(&exemplars::value(one)));
        let mut reached = 0u64;
        let finite = point.explicit_bounds.iter().zip(&point.bucket_counts).filter(|(bound, _)| bound.is_finite());
        let buckets = finite.map(|(bound, inside)| {
            reached = reached.saturating_add(*inside);
            (*bound, reached)
        });
        // The last bucket has all, whatever the others say.
        for (bound, reached) in buckets.chain([(f64::INFINITY, point.count)]) {
            let series = out.series(&bucket, with(&labels, "le", bound))?;
            series.sample(t, value_or_stale(flags, count(reached)));
            series.start(start);
            while let Some(exemplar) = left.pop_if(|exemplar| exemplars::value(exemplar) <= bound) {
                series.exemplar(&exemplars::message(exemplar));
            }
        }
    }
    Ok(())
}

/// Adds native histograms whose bounds are those of the points.
pub(crate) fn custom(points: &[HistogramDataPoint], family: &Family<'_>, out: &mut Collected<'_>) -> Result<(), PointError> {
    for point in points {
        let counts = match point.bucket_counts.as_slice() {
            // Buckets that were not recorded are one from -Inf to +Inf.
            [] if point.explicit_bounds.is_empty() => std::slice::from_ref(&point.count),
            counts => counts,
        };
        let native = Native {
            t: millis(point.time_unix_nano),
            stale: is_stale(point.flags),
            gauge: family.delta,
            schema: CUSTOM_SCHEMA,
            count: point.count,
            sum: point.sum.unwrap_or_default(),
            zero: None,
            positive: Buckets::new(counts, 0, 0)?,
            negative: Buckets::default(),
            bounds: &point.explicit_bounds,
        };
        let message = native.message()?;
        let series = out.series(family.name, family.labels(&point.attributes)?)?;
        series.histogram(&message);
        series.start_of_histogram(family.start(point.start_time_unix_nano, millis(point.time_unix_nano)));
        for exemplar in &point.exemplars {
            series.exemplar(&exemplars::message(exemplar));
        }
    }
    Ok(())
}

impl From<NativeError> for PointError {
    fn from(err: NativeError) -> Self {
        Self::Native(err)
    }
}
