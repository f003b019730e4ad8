//! Remarks on the wire: their parts, not their texts, so that remarks of several parts of a query become one.

use crate::query::engine::{Annotation, Extreme, ForcedMonotonicity, NanEffect, Operation, SampleKind};
use crate::query::promql::ast::{AggregateOp, BinaryOp};
use crate::wire::DecodeError;
use crate::wire::codec::{Reader, put_bytes, put_signed, put_varint};

/// Appends a remark.
pub(super) fn put(out: &mut Vec<u8>, annotation: &Annotation) {
    match annotation {
        Annotation::InvalidQuantile { phi } => {
            out.push(1);
            put_float(out, *phi);
        }
        Annotation::InvalidQuantiles { end, phi } => {
            out.extend([21, place(&EXTREMES, *end)]);
            put_float(out, *phi);
        }
        Annotation::InvalidRatio { ratio, capped } => {
            out.push(2);
            put_float(out, *ratio);
            put_float(out, *capped);
        }
        Annotation::BadBucketLabel { value, metric } => {
            out.push(3);
            put_bytes(out, value.as_bytes());
            put_bytes(out, metric.as_bytes());
        }
        Annotation::SortInRange => out.push(4),
        Annotation::PossibleNonCounter { metric } => {
            out.push(5);
            put_bytes(out, metric.as_bytes());
        }
        Annotation::ForcedMonotonicity(forced) => {
            let ForcedMonotonicity { metric, min_bucket, max_bucket, max_diff, min_t, max_t, count } = forced;
            out.push(6);
            put_bytes(out, metric.as_bytes());
            for float in [min_bucket, max_bucket, max_diff] {
                put_float(out, *float);
            }
            put_signed(out, *min_t);
            put_signed(out, *max_t);
            put_varint(out, *count);
        }
        Annotation::IncompatibleTypes { lhs, operator, rhs } => {
            out.extend([7, place(&KINDS, *lhs), place(&KINDS, *rhs)]);
            put_bytes(out, operator.as_bytes());
        }
        Annotation::IncompatibleBuckets { operator } => put_text(out, 8, operator),
        Annotation::MixedRange { metric } => put_text(out, 9, metric),
        Annotation::MixedAggregation => out.push(10),
        Annotation::MixedClassicNative { metric } => put_text(out, 11, metric),
        Annotation::MixedBuckets { metric } => put_text(out, 12, metric),
        Annotation::NotCounter { metric } => put_text(out, 13, metric),
        Annotation::NotGauge { metric } => put_text(out, 14, metric),
        Annotation::ResetCollision { operation } => out.extend([15, place(&OPERATIONS, *operation)]),
        Annotation::StartOverlap { metric } => put_text(out, 16, metric),
        Annotation::ReconciledBounds { operation } => out.extend([17, place(&OPERATIONS, *operation)]),
        Annotation::IgnoredInAggregation { aggregation } => out.extend([18, place(&AggregateOp::ALL, *aggregation)]),
        Annotation::IgnoredInRange { metric } => put_text(out, 19, metric),
        Annotation::NanObservations { metric, effect } => {
            out.extend([20, place(&EFFECTS, *effect)]);
            put_bytes(out, metric.as_bytes());
        }
    }
}

const KINDS: [SampleKind; 2] = [SampleKind::Float, SampleKind::Histogram];
const OPERATIONS: [Operation; 3] = [Operation::Addition, Operation::Subtraction, Operation::Aggregation];
const EXTREMES: [Extreme; 2] = [Extreme::Greatest, Extreme::Least];
const EFFECTS: [NanEffect; 3] = [NanEffect::QuantileIsNan, NanEffect::QuantileIsHigher, NanEffect::NotInFraction];

/// The place of a value among all that it can be.
fn place<T: Copy + PartialEq>(all: &[T], value: T) -> u8 {
    let place = all.iter().position(|one| *one == value).and_then(|place| u8::try_from(place).ok());
    place.expect("the list has all values, and there are few")
}

/// The value at a place.
fn at<T: Copy>(all: &[T], from: &mut Reader<'_>) -> Result<T, DecodeError> {
    let tag = from.byte()?;
    all.get(usize::from(tag)).copied().ok_or(DecodeError::Tag { what: "remark", tag })
}

fn put_text(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    put_bytes(out, text.as_bytes());
}

fn text(from: &mut Reader<'_>) -> Result<String, DecodeError> {
    Ok(from.text()?.to_owned())
}

/// Reads a remark.
pub(super) fn read(from: &mut Reader<'_>) -> Result<Annotation, DecodeError> {
    Ok(match from.byte()? {
        1 => Annotation::InvalidQuantile { phi: float(from)? },
        2 => Annotation::InvalidRatio { ratio: float(from)?, capped: float(from)? },
        3 => Annotation::BadBucketLabel { value: from.text()?.to_owned(), metric: from.text()?.to_owned() },
        4 => Annotation::SortInRange,
        5 => Annotation::PossibleNonCounter { metric: from.text()?.to_owned() },
        6 => Annotation::ForcedMonotonicity(ForcedMonotonicity {
            metric: from.text()?.to_owned(),
            min_bucket: float(from)?,
            max_bucket: float(from)?,
            max_diff: float(from)?,
            min_t: from.signed()?,
            max_t: from.signed()?,
            count: from.varint()?,
        }),
        7 => {
            let (lhs, rhs) = (at(&KINDS, from)?, at(&KINDS, from)?);
            Annotation::IncompatibleTypes { lhs, operator: operator(from.text()?)?, rhs }
        }
        8 => Annotation::IncompatibleBuckets { operator: operator(from.text()?)? },
        9 => Annotation::MixedRange { metric: text(from)? },
        10 => Annotation::MixedAggregation,
        11 => Annotation::MixedClassicNative { metric: text(from)? },
        12 => Annotation::MixedBuckets { metric: text(from)? },
        13 => Annotation::NotCounter { metric: text(from)? },
        14 => Annotation::NotGauge { metric: text(from)? },
        15 => Annotation::ResetCollision { operation: at(&OPERATIONS, from)? },
        16 => Annotation::StartOverlap { metric: text(from)? },
        17 => Annotation::ReconciledBounds { operation: at(&OPERATIONS, from)? },
        18 => Annotation::IgnoredInAggregation { aggregation: at(&AggregateOp::ALL, from)? },
        19 => Annotation::IgnoredInRange { metric: text(from)? },
        20 => {
            let effect = at(&EFFECTS, from)?;
            Annotation::NanObservations { metric: text(from)?, effect }
        }
        21 => {
            let end = at(&EXTREMES, from)?;
            Annotation::InvalidQuantiles { end, phi: float(from)? }
        }
        tag => return Err(DecodeError::Tag { what: "remark", tag }),
    })
}

fn operator(name: &str) -> Result<&'static str, DecodeError> {
    BinaryOp::ALL.iter().map(|op| op.as_str()).find(|known| *known == name).ok_or(DecodeError::Number { what: "operator" })
}

fn put_float(out: &mut Vec<u8>, value: f64) {
    out.extend(value.to_bits().to_le_bytes());
}

fn float(from: &mut Reader<'_>) -> Result<f64, DecodeError> {
    Ok(f64::from_bits(from.u64_le()?))
}
