//! What a query-frontend asks of a querier: [`signal::SubQuery::payload`]. The first byte is its version.

use bytes::Bytes;
use signal::TimeRange;
use syntax::{LabelMatcher, Span};

use super::access::Access;
use super::engine::{Evaluation, Merging};
use crate::wire::codec::{Reader, put_bytes, put_len, put_signed, put_varint};
use crate::wire::{self, DecodeError, LeafQuery, SeriesShard, put_shard, shard};

/// The version that is written.
const VERSION: u8 = 1;

/// What one querier is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Evaluate an expression.
    Evaluate(Evaluate),
    /// Evaluate a part of an expression, perhaps over a share of the series.
    Share(ShareOf),
    /// List names of labels, values of labels, series, exemplars or metadata. The range is the sub-query's.
    List(LeafQuery),
    /// Give series as they are stored.
    Read(Read),
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

/// A part of an expression to evaluate.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareOf {
    /// The whole.
    pub whole: Evaluate,
    /// Where the part stands in it.
    pub span: Span,
    /// What will become of its rows.
    pub merging: Merging,
    /// The share of the series; none is all.
    pub shard: Option<SeriesShard>,
}

/// Series to give as they are stored, staleness markers included.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// Which series.
    pub matchers: Vec<LabelMatcher>,
    /// The first ms, since the Unix epoch, whose samples are wanted.
    pub start_ms: i64,
    /// The last one.
    pub end_ms: i64,
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
                put_evaluate(&mut out, evaluate);
            }
            Self::Share(ShareOf { whole, span, merging, shard }) => {
                out.push(3);
                put_evaluate(&mut out, whole);
                put_len(&mut out, span.start);
                put_len(&mut out, span.end);
                out.push(merging_tag(*merging));
                put_len(&mut out, usize::from(shard.is_some()));
                shard.iter().for_each(|shard| put_shard(&mut out, *shard));
            }
            Self::List(query) => {
                out.push(2);
                put_bytes(&mut out, &query.encode());
            }
            Self::Read(read) => {
                out.push(6);
                wire::put_sets(&mut out, std::slice::from_ref(&read.matchers), 0);
                put_signed(&mut out, read.start_ms);
                put_signed(&mut out, read.end_ms);
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
            1 => Self::Evaluate(evaluate(&mut from)?),
            3 => Self::Share(ShareOf {
                whole: evaluate(&mut from)?,
                span: Span::new(place(&mut from)?, place(&mut from)?),
                merging: merging(from.byte()?)?,
                shard: if from.count(2)? == 0 { None } else { Some(shard(&mut from)?) },
            }),
            2 => Self::List(LeafQuery::decode(from.bytes()?)?),
            6 => {
                let [matchers] = <[_; 1]>::try_from(wire::sets(&mut from)?.0).map_err(|_| DecodeError::Number { what: "matchers" })?;
                Self::Read(Read { matchers, start_ms: from.signed()?, end_ms: from.signed()? })
            }
            tag => return Err(DecodeError::Tag { what: "sub-query", tag }),
        };
        from.end()?;
        Ok((task, access))
    }
}

fn put_evaluate(out: &mut Vec<u8>, evaluate: &Evaluate) {
    put_bytes(out, evaluate.query.as_bytes());
    put_evaluation(out, evaluate.evaluation);
    put_signed(out, evaluate.lookback_ms);
    put_signed(out, evaluate.subquery_step_ms);
    put_signed(out, evaluate.oldest_ms);
    out.push(u8::from(evaluate.stats));
}

fn evaluate(from: &mut Reader<'_>) -> Result<Evaluate, DecodeError> {
    Ok(Evaluate {
        query: from.text()?.to_owned(),
        evaluation: evaluation(from)?,
        lookback_ms: from.signed()?,
        subquery_step_ms: from.signed()?,
        oldest_ms: from.signed()?,
        stats: from.byte()? != 0,
    })
}

fn place(from: &mut Reader<'_>) -> Result<usize, DecodeError> {
    Ok(from.varint32("place")? as usize)
}

const MERGINGS: [Merging; 8] =
    [Merging::Series, Merging::Chosen, Merging::Sum, Merging::Mean, Merging::Count, Merging::Least, Merging::Greatest, Merging::Present];

/// The place in [`MERGINGS`].
const fn merging_tag(merging: Merging) -> u8 {
    match merging {
        Merging::Series => 0,
        Merging::Chosen => 1,
        Merging::Sum => 2,
        Merging::Mean => 3,
        Merging::Count => 4,
        Merging::Least => 5,
        Merging::Greatest => 6,
        Merging::Present => 7,
    }
}

fn merging(tag: u8) -> Result<Merging, DecodeError> {
    MERGINGS.get(usize::from(tag)).copied().ok_or(DecodeError::Tag { what: "merging", tag })
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
