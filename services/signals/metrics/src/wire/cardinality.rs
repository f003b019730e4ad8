//! The question how many series and values there are, and its answers.
//!
//! Series and values are told by their hashes, not by numbers of them: replicas hold the same series, and only what is known one by one
//! can be counted once.

use syntax::LabelMatcher;

use super::codec::{DecodeError, Reader, put_bytes, put_len, put_signed, put_varint};
use super::{put_sets, sets};

/// What is counted, of the series in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct CardinalityQuery {
    /// Of which series; no set is all.
    pub sets: Vec<Vec<LabelMatcher>>,
    /// Only series that got a sample since then, ms since the Unix epoch.
    pub since: Option<i64>,
    /// What is counted.
    pub what: Counted,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq)]
pub enum Counted {
    /// The values of each label.
    Values,
    /// The series of each value of these labels, and all series.
    Series {
        /// The labels.
        names: Vec<String>,
    },
    /// Nothing: the labels of the series themselves are wanted.
    Labels,
    /// The series of each metric whose newest sample is a native histogram, with their buckets.
    Histograms,
    /// What each head says of the tenant as a whole: groups of one member each, by the names of [`HeadFact`].
    Head,
}

/// A fact that a head tells of its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFact {
    /// How many series the cluster has, estimated from those of this head and its share of all.
    Series,
    /// How many samples a second the cluster was sent in the last minute, in thousandths, estimated likewise.
    MilliSamples,
    /// How many chunks the head has.
    Chunks,
    /// The first time of its rows, see [`ordered`].
    MinTime,
    /// The last time of its rows, see [`ordered`].
    MaxTime,
}

impl HeadFact {
    /// The name of the group.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Series => "series",
            Self::MilliSamples => "milli_samples",
            Self::Chunks => "chunks",
            Self::MinTime => "min_time",
            Self::MaxTime => "max_time",
        }
    }
}

/// A time, ms, as a number without a sign that has the same order.
#[must_use]
pub const fn ordered(ms: i64) -> u64 {
    ms.cast_unsigned() ^ (1 << 63)
}

/// The time of which [`ordered`] made a number.
#[must_use]
pub const fn unordered(number: u64) -> i64 {
    (number ^ (1 << 63)).cast_signed()
}

/// Things of one kind, by their hashes. Several groups of an answer may have the same names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The label, the metric or the fact; empty: all series.
    pub name: String,
    /// Its value, where series of values are counted.
    pub value: String,
    /// Hashes of values or series, sorted, each once.
    pub members: Vec<u64>,
    /// The buckets of each member, where histograms are counted; what is told of a head.
    pub sizes: Vec<u64>,
}

/// Appends a question.
pub(crate) fn put_query(out: &mut Vec<u8>, query: &CardinalityQuery) {
    put_sets(out, &query.sets, 0);
    out.push(u8::from(query.since.is_some()));
    put_signed(out, query.since.unwrap_or_default());
    match &query.what {
        Counted::Values => out.push(1),
        Counted::Series { names } => {
            out.push(2);
            put_len(out, names.len());
            names.iter().for_each(|name| put_bytes(out, name.as_bytes()));
        }
        Counted::Labels => out.push(3),
        Counted::Histograms => out.push(4),
        Counted::Head => out.push(5),
    }
}

/// Reads what [`put_query`] wrote.
pub(crate) fn read_query(from: &mut Reader<'_>) -> Result<CardinalityQuery, DecodeError> {
    let (sets, _) = sets(from)?;
    let any = from.byte()? == 1;
    let since = from.signed()?;
    let what = match from.byte()? {
        1 => Counted::Values,
        2 => {
            let count = from.count(1)?;
            Counted::Series { names: (0..count).map(|_| from.text().map(str::to_owned)).collect::<Result<_, _>>()? }
        }
        3 => Counted::Labels,
        4 => Counted::Histograms,
        5 => Counted::Head,
        tag => return Err(DecodeError::Tag { what: "cardinality", tag }),
    };
    Ok(CardinalityQuery { sets, since: any.then_some(since), what })
}

/// Appends a group.
pub(crate) fn put_group(out: &mut Vec<u8>, group: &Group) {
    put_bytes(out, group.name.as_bytes());
    put_bytes(out, group.value.as_bytes());
    put_len(out, group.members.len());
    let mut last = 0u64;
    for member in &group.members {
        put_varint(out, member.wrapping_sub(last));
        last = *member;
    }
    put_len(out, group.sizes.len());
    group.sizes.iter().for_each(|size| put_varint(out, *size));
}

/// Reads what [`put_group`] wrote.
pub(crate) fn read_group(from: &mut Reader<'_>) -> Result<Group, DecodeError> {
    let (name, value) = (from.text()?.to_owned(), from.text()?.to_owned());
    let count = from.count(1)?;
    let mut last = 0u64;
    let mut next = |from: &mut Reader<'_>| {
        last = last.wrapping_add(from.varint()?);
        Ok(last)
    };
    let members = (0..count).map(|_| next(from)).collect::<Result<Vec<_>, _>>()?;
    let count = from.count(1)?;
    if count != 0 && count != members.len() {
        return Err(DecodeError::Number { what: "sizes of a group" });
    }
    let sizes = (0..count).map(|_| from.varint()).collect::<Result<_, _>>()?;
    Ok(Group { name, value, members, sizes })
}
