//! What a query-frontend asks of a querier: [`signal::SubQuery::payload`]. The first byte is its version.

use bytes::Bytes;
use signal::TimeRange;

use super::access::Access;
use super::engine::Evaluation;
use crate::wire::codec::{Reader, put_bytes, put_signed, put_varint};
use crate::wire::{DecodeError, LeafQuery};

/// The version that is written.
const VERSION: u8 = 1;

/// What one querier is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Evaluate an expression.
    Evaluate(Evaluate),
    /// List names of labels, values of labels, or series. The range is the sub-query's.
    List(LeafQuery),
}

/// An expression to evaluate.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluate {
    /// The expression as the user wrote it: remarks about the answer name places in it.
    pub query: String,
    /// At which times.
    pub evaluation: Evaluation,
    /// How old a sample may be, ms, to count for an instant.
    pub lookback_ms: i64,
    /// The step of subqueries that name none, ms.
    pub subquery_step_ms: i64,
    /// Samples before this time, ms since the Unix epoch, are not looked at.
    pub oldest_ms: i64,
    /// Whether to count what is looked at.
    pub stats: bool,
}

impl Task {
    /// The bytes of [`signal::SubQuery::payload`]: the task, and what of the data it may see.
    #[must_use]
    pub fn encode(&self, access: &Access) -> Bytes {
        let mut out = vec![VERSION];
        access.put(&mut out);
        match self {
            Self::Evaluate(evaluate) => {
                out.push(1);
                put_bytes(&mut out, evaluate.query.as_bytes());
                put_evaluation(&mut out, evaluate.evaluation);
                put_signed(&mut out, evaluate.lookback_ms);
                put_signed(&mut out, evaluate.subquery_step_ms);
                put_signed(&mut out, evaluate.oldest_ms);
                out.push(u8::from(evaluate.stats));
            }
            Self::List(query) => {
                out.push(2);
                put_bytes(&mut out, &query.encode());
            }
        }
        out.into()
    }

    /// Reads [`Task::encode`]'s bytes.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Access), DecodeError> {
        let mut from = Reader::new(bytes);
        match from.byte()? {
            VERSION => {}
            version => return Err(DecodeError::Version { what: "sub-query", version }),
        }
        let access = Access::read(&mut from)?;
        let task = match from.byte()? {
            1 => Self::Evaluate(Evaluate {
                query: from.text()?.to_owned(),
                evaluation: evaluation(&mut from)?,
                lookback_ms: from.signed()?,
                subquery_step_ms: from.signed()?,
                oldest_ms: from.signed()?,
                stats: from.byte()? != 0,
            }),
            2 => Self::List(LeafQuery::decode(from.bytes()?)?),
            tag => return Err(DecodeError::Tag { what: "sub-query", tag }),
        };
        from.end()?;
        Ok((task, access))
    }
}

fn put_evaluation(out: &mut Vec<u8>, evaluation: Evaluation) {
    match evaluation {
        Evaluation::Instant { at_ms } => {
            out.push(1);
            put_signed(out, at_ms);
        }
        Evaluation::Range { start_ms, end_ms, step_ms } => {
            out.push(2);
            put_signed(out, start_ms);
            put_varint(out, end_ms.abs_diff(start_ms));
            put_signed(out, step_ms);
        }
    }
}

fn evaluation(from: &mut Reader<'_>) -> Result<Evaluation, DecodeError> {
    Ok(match from.byte()? {
        1 => Evaluation::Instant { at_ms: from.signed()? },
        2 => {
            let start_ms = from.signed()?;
            let end_ms = start_ms.checked_add_unsigned(from.varint()?).ok_or(DecodeError::Number { what: "range" })?;
            Evaluation::Range { start_ms, end_ms, step_ms: from.signed()? }
        }
        tag => return Err(DecodeError::Tag { what: "evaluation", tag }),
    })
}

/// The times, ms since the Unix epoch, between which a range of nanoseconds has whole milliseconds; both belong to it.
#[must_use]
pub const fn milliseconds(range: TimeRange) -> (i64, i64) {
    (crate::model::TimestampMs::ceil_ns(range.start).0, crate::model::TimestampMs::floor_ns(range.end).0)
}

#[cfg(test)]
mod tests;
