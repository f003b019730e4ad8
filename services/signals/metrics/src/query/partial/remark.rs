//! Remarks on the wire: their parts, not their texts, so that remarks of several parts of a query become one.

use crate::query::engine::{Annotation, ForcedMonotonicity};
use crate::query::promql::ast::BinaryOp;
use crate::wire::DecodeError;
use crate::wire::codec::{Reader, put_bytes, put_signed, put_varint};

/// Appends a remark.
pub(super) fn put(out: &mut Vec<u8>, annotation: &Annotation) {
    match annotation {
        Annotation::InvalidQuantile { phi } => {
            out.push(1);
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
        Annotation::IncompatibleTypes { operator } => {
            out.push(7);
            put_bytes(out, operator.as_bytes());
        }
    }
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
        7 => Annotation::IncompatibleTypes { operator: operator(from.text()?)? },
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
