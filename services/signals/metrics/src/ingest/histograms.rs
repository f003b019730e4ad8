//! Checks of the native histograms of a series.

use std::borrow::Cow;
use std::sync::Arc;

use super::fault::Fault;
use super::protobuf::{Message, ProtobufError};
use crate::histogram::{Histogram, HistogramError, HistogramSample, protobuf};
use crate::limits::MetricsLimits;

/// A native histogram that was read and checked.
#[derive(Debug)]
pub(super) struct Good<'a> {
    /// When, ms.
    pub(super) t: i64,
    /// Its message, in a coarser resolution if the tenant's limit asks for that.
    pub(super) message: Cow<'a, [u8]>,
}

/// Reads and checks a `prometheus.Histogram` message.
///
/// * Errors: it is no such message. A fault: it is, and is refused.
pub(super) fn check<'a>(
    message: Cow<'a, [u8]>,
    limits: &MetricsLimits,
    time: impl FnOnce(i64) -> Option<Fault<'static>>,
) -> Result<Result<Good<'a>, Fault<'static>>, ProtobufError> {
    let sample = protobuf::read(&message, 0..message.len())?;
    let t = sample.t;
    if let Some(fault) = time(t) {
        return Ok(Err(fault));
    }
    if let Err(error) = sample.h.check() {
        return Ok(Err(match error {
            HistogramError::Schema { schema } => Fault::HistogramSchema { schema },
            error => Fault::Histogram { t, error },
        }));
    }
    let limit = usize::try_from(limits.max_native_histogram_buckets).unwrap_or(usize::MAX);
    if limit == 0 || sample.h.bucket_count() <= limit {
        return Ok(Ok(Good { t, message }));
    }
    match reduced(&sample, limit, limits.reduce_native_histogram_over_max_buckets) {
        Ok(coarser) => Ok(Ok(Good { t, message: Cow::Owned(encode(&coarser)?) })),
        Err(fault) => Ok(Err(fault)),
    }
}

/// A histogram in the finest resolution that has not more buckets than `limit`.
fn reduced(sample: &HistogramSample, limit: usize, reduce: bool) -> Result<HistogramSample, Fault<'static>> {
    let (t, buckets) = (sample.t, sample.h.bucket_count());
    if sample.h.is_custom() {
        return Err(Fault::CustomNotReducible { t, buckets, limit });
    }
    if !reduce {
        return Err(Fault::TooManyBuckets { t, buckets, limit });
    }
    let mut coarser = Histogram::clone(&sample.h);
    if !coarser.limit_buckets(limit) {
        return Err(Fault::NotReducible { t, buckets, limit });
    }
    Ok(HistogramSample { t, h: Arc::new(coarser) })
}

/// The message of a histogram.
pub(super) fn encode(sample: &HistogramSample) -> Result<Vec<u8>, ProtobufError> {
    let mut field = Vec::new();
    protobuf::put(&mut field, 1, sample);
    let place = match Message::whole(&field).next()? {
        Some(field) => field.value.bytes("Histogram")?,
        None => 0..0,
    };
    field.truncate(place.end);
    field.drain(..place.start);
    Ok(field)
}

/// The message of a histogram without observations, as the one of `message` was when its counter began at `t`. `None`: it is no counter.
pub(super) fn zero(message: &[u8], t: i64) -> Result<Option<Vec<u8>>, ProtobufError> {
    let sample = protobuf::read(message, 0..message.len())?;
    if t <= 0 || t >= sample.t || sample.h.hint == crate::histogram::ResetHint::Gauge {
        return Ok(None);
    }
    let Histogram { schema, integer, zero_threshold, bounds, .. } = &*sample.h;
    let zero =
        Histogram { schema: *schema, integer: *integer, zero_threshold: *zero_threshold, bounds: bounds.clone(), ..Histogram::default() };
    encode(&HistogramSample { t, h: Arc::new(zero) }).map(Some)
}
