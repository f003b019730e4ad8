//! What travels between a querier and its leaves: the question ([`LeafQuery`]) and the rows ([`LeafRows`]).
//! The first byte of either is its version.

mod cardinality;
pub mod codec;
mod exemplar;
mod metadata;

use bytes::Bytes;
use smallvec::SmallVec;
use syntax::{LabelMatcher, MatchOp};

use crate::chunk::{Chunk, Encoding};
use crate::model::{Labels, shard_key};
pub use cardinality::{CardinalityQuery, Counted, Group, HeadFact, ordered, unordered};
pub use codec::DecodeError;
use codec::{Reader, put_bytes, put_len, put_signed, put_varint};
pub use exemplar::SeriesExemplars;
pub(crate) use exemplar::{put_exemplars, read_exemplars};
pub use metadata::{MetadataEntry, MetricMetadata};
pub(crate) use metadata::{put_metadata, read_metadata};

/// The version that is written.
const VERSION: u8 = 1;

/// What is asked of a leaf. The time range travels beside it, in [`signal::ScanQuery`].
///
/// A *matcher set* selects the series that meet all its matchers; several sets select what any of them does; no set at all
/// selects every series. A `limit` of 0 is none; with one a leaf may stop after so many.
#[derive(Clone, Debug, PartialEq)]
pub enum LeafQuery {
    /// Chunks of series.
    Chunks {
        /// All must be met.
        matchers: Vec<LabelMatcher>,
        /// Only series of this shard; none is all.
        shard: Option<SeriesShard>,
    },
    /// Names of labels.
    LabelNames {
        /// Of which series.
        sets: Vec<Vec<LabelMatcher>>,
        /// At most how many, 0: all.
        limit: u64,
    },
    /// Values of one label.
    LabelValues {
        /// The label.
        name: String,
        /// Of which series.
        sets: Vec<Vec<LabelMatcher>>,
        /// At most how many, 0: all.
        limit: u64,
    },
    /// Labels of series.
    Series {
        /// Which.
        sets: Vec<Vec<LabelMatcher>>,
        /// At most how many, 0: all.
        limit: u64,
    },
    /// Exemplars of the time range.
    Exemplars {
        /// Of which series.
        sets: Vec<Vec<LabelMatcher>>,
    },
    /// Metadata that was received in the time range, of the metrics that come first by name.
    Metadata {
        /// Of this metric alone.
        metric: Option<String>,
        /// At most so many metrics, 0: all.
        limit: u64,
        /// At most so many entries of each metric, those received last; 0: all.
        limit_per_metric: u64,
    },
    /// How many series and values there are in memory; blocks have nothing to say.
    Cardinality(CardinalityQuery),
}

impl LeafQuery {
    /// The bytes of [`signal::Scan::payload`].
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        match self {
            Self::Chunks { matchers, shard: None } => {
                out.push(1);
                put_matchers(&mut out, matchers);
            }
            Self::Chunks { matchers, shard: Some(shard) } => {
                out.push(5);
                put_shard(&mut out, *shard);
                put_matchers(&mut out, matchers);
            }
            Self::LabelNames { sets, limit } => {
                out.push(2);
                put_sets(&mut out, sets, *limit);
            }
            Self::LabelValues { name, sets, limit } => {
                out.push(3);
                put_bytes(&mut out, name.as_bytes());
                put_sets(&mut out, sets, *limit);
            }
            Self::Series { sets, limit } => {
                out.push(4);
                put_sets(&mut out, sets, *limit);
            }
            Self::Exemplars { sets } => {
                out.push(6);
                put_sets(&mut out, sets, 0);
            }
            Self::Metadata { metric, limit, limit_per_metric } => {
                out.push(7);
                out.push(u8::from(metric.is_some()));
                put_bytes(&mut out, metric.as_deref().unwrap_or_default().as_bytes());
                put_varint(&mut out, *limit);
                put_varint(&mut out, *limit_per_metric);
            }
            Self::Cardinality(query) => {
                out.push(8);
                cardinality::put_query(&mut out, query);
            }
        }
        out.into()
    }

    /// Reads [`LeafQuery::encode`]'s bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut from = versioned(bytes, "leaf query")?;
        let query = match from.byte()? {
            1 => Self::Chunks { matchers: matchers(&mut from)?, shard: None },
            5 => {
                let shard = Some(shard(&mut from)?);
                Self::Chunks { matchers: matchers(&mut from)?, shard }
            }
            2 => {
                let (sets, limit) = sets(&mut from)?;
                Self::LabelNames { sets, limit }
            }
            3 => {
                let name = from.text()?.to_owned();
                let (sets, limit) = sets(&mut from)?;
                Self::LabelValues { name, sets, limit }
            }
            4 => {
                let (sets, limit) = sets(&mut from)?;
                Self::Series { sets, limit }
            }
            6 => Self::Exemplars { sets: sets(&mut from)?.0 },
            7 => {
                let any = from.byte()? == 1;
                let metric = from.text()?.to_owned();
                Self::Metadata { metric: any.then_some(metric), limit: from.varint()?, limit_per_metric: from.varint()? }
            }
            8 => Self::Cardinality(cardinality::read_query(&mut from)?),
            tag => return Err(DecodeError::Tag { what: "leaf query", tag }),
        };
        from.end()?;
        Ok(query)
    }
}

/// A share of a tenant's series: those whose shard key modulo `of` is `index`.
///
/// The key is the one that places series on the ring and in the shards of compacted blocks: a block of one shard of m holds nothing
/// of most shards of a multiple of m.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeriesShard {
    /// Below `of`.
    pub index: u32,
    /// How many shards there are; at least 1.
    pub of: u32,
}

impl SeriesShard {
    /// True for a series of this shard; `series_hash` is that of all its labels, see [`Labels::hash`].
    #[must_use]
    pub fn holds(&self, tenant: &str, series_hash: u64) -> bool {
        shard_key(tenant, series_hash) % self.of == self.index
    }
}

/// Chunks of one series from one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesChunks {
    /// Which series.
    pub labels: Labels,
    /// Its chunks; of one source they may overlap (out-of-order samples). Whole: samples outside the wanted range may stand in them.
    pub chunks: Vec<Chunk>,
}

/// A batch of a leaf's answer. Batches of one source are disjoint except for lists, which may repeat themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeafRows {
    /// Of [`LeafQuery::Chunks`].
    Chunks(Vec<SeriesChunks>),
    /// Of [`LeafQuery::LabelNames`] and [`LeafQuery::LabelValues`]: sorted within the batch.
    Strings(Vec<String>),
    /// Of [`LeafQuery::Series`].
    Series(Vec<Labels>),
    /// Of [`LeafQuery::Exemplars`]: those of a series sorted; a series may come in several batches.
    Exemplars(Vec<SeriesExemplars>),
    /// Of [`LeafQuery::Metadata`]: sorted by metric; a metric may come in several batches.
    Metadata(Vec<MetricMetadata>),
    /// Of [`LeafQuery::Cardinality`], but for labels of series.
    Groups(Vec<Group>),
}

/// About how many bytes a leaf puts into one batch: far below the limit of a message, large enough to be worth one.
pub const BATCH_BYTES: usize = 1 << 20;

impl LeafRows {
    /// The bytes of a batch.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        match self {
            Self::Chunks(series) => {
                out.push(1);
                put_len(&mut out, series.len());
                for one in series {
                    put_labels(&mut out, &one.labels);
                    put_len(&mut out, one.chunks.len());
                    for chunk in &one.chunks {
                        put_chunk(&mut out, chunk);
                    }
                }
            }
            Self::Strings(strings) => {
                out.push(2);
                put_len(&mut out, strings.len());
                for one in strings {
                    put_bytes(&mut out, one.as_bytes());
                }
            }
            Self::Series(series) => {
                out.push(3);
                put_len(&mut out, series.len());
                for one in series {
                    put_labels(&mut out, one);
                }
            }
            Self::Exemplars(series) => {
                out.push(4);
                put_len(&mut out, series.len());
                for one in series {
                    put_labels(&mut out, &one.labels);
                    put_exemplars(&mut out, &one.exemplars);
                }
            }
            Self::Metadata(metrics) => {
                out.push(5);
                put_len(&mut out, metrics.len());
                for one in metrics {
                    put_bytes(&mut out, one.metric.as_bytes());
                    put_metadata(&mut out, &one.entries);
                }
            }
            Self::Groups(groups) => {
                out.push(6);
                put_len(&mut out, groups.len());
                groups.iter().for_each(|group| cardinality::put_group(&mut out, group));
            }
        }
        out.into()
    }

    /// Reads a batch. Chunks are slices of `bytes`: they keep the whole batch in memory.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut from = versioned(bytes, "leaf rows")?;
        let rows = match from.byte()? {
            1 => {
                let mut series = Vec::with_capacity(from.count(2)?);
                for _ in 0..series.capacity() {
                    let labels = labels(&mut from)?;
                    let count = from.count(5)?;
                    let chunks = (0..count).map(|_| chunk(&mut from, bytes)).collect::<Result<_, _>>()?;
                    series.push(SeriesChunks { labels, chunks });
                }
                Self::Chunks(series)
            }
            2 => {
                let count = from.count(1)?;
                Self::Strings((0..count).map(|_| from.text().map(str::to_owned)).collect::<Result<_, _>>()?)
            }
            3 => {
                let count = from.count(1)?;
                Self::Series((0..count).map(|_| labels(&mut from)).collect::<Result<_, _>>()?)
            }
            4 => {
                let count = from.count(2)?;
                let one = |from: &mut Reader<'_>| Ok(SeriesExemplars { labels: labels(from)?, exemplars: read_exemplars(from)? });
                Self::Exemplars((0..count).map(|_| one(&mut from)).collect::<Result<_, _>>()?)
            }
            5 => {
                let count = from.count(2)?;
                let one = |from: &mut Reader<'_>| Ok(MetricMetadata { metric: from.text()?.to_owned(), entries: read_metadata(from)? });
                Self::Metadata((0..count).map(|_| one(&mut from)).collect::<Result<_, _>>()?)
            }
            6 => {
                let count = from.count(4)?;
                Self::Groups((0..count).map(|_| cardinality::read_group(&mut from)).collect::<Result<_, _>>()?)
            }
            tag => return Err(DecodeError::Tag { what: "leaf rows", tag }),
        };
        from.end()?;
        Ok(rows)
    }
}

fn versioned<'a>(bytes: &'a [u8], what: &'static str) -> Result<Reader<'a>, DecodeError> {
    let mut from = Reader::new(bytes);
    match from.byte()? {
        VERSION => Ok(from),
        version => Err(DecodeError::Version { what, version }),
    }
}

fn put_matchers(out: &mut Vec<u8>, matchers: &[LabelMatcher]) {
    put_len(out, matchers.len());
    for matcher in matchers {
        out.push(match matcher.op {
            MatchOp::Equal => 0,
            MatchOp::NotEqual => 1,
            MatchOp::Regex => 2,
            MatchOp::NotRegex => 3,
        });
        put_bytes(out, matcher.name.as_bytes());
        put_bytes(out, matcher.value.as_bytes());
    }
}

fn matchers(from: &mut Reader<'_>) -> Result<Vec<LabelMatcher>, DecodeError> {
    let count = from.count(3)?;
    (0..count)
        .map(|_| {
            let op = match from.byte()? {
                0 => MatchOp::Equal,
                1 => MatchOp::NotEqual,
                2 => MatchOp::Regex,
                3 => MatchOp::NotRegex,
                tag => return Err(DecodeError::Tag { what: "matcher", tag }),
            };
            let (name, value) = (from.text()?, from.text()?);
            Ok(LabelMatcher::new(name, op, value))
        })
        .collect()
}

/// Appends a shard: its number, then that of all.
pub(crate) fn put_shard(out: &mut Vec<u8>, shard: SeriesShard) {
    put_varint(out, u64::from(shard.index));
    put_varint(out, u64::from(shard.of));
}

/// Reads what [`put_shard`] wrote.
pub(crate) fn shard(from: &mut Reader<'_>) -> Result<SeriesShard, DecodeError> {
    let shard = SeriesShard { index: from.varint32("shard")?, of: from.varint32("shard")? };
    if shard.index < shard.of { Ok(shard) } else { Err(DecodeError::Number { what: "shard" }) }
}

pub(crate) fn put_sets(out: &mut Vec<u8>, sets: &[Vec<LabelMatcher>], limit: u64) {
    put_varint(out, limit);
    put_len(out, sets.len());
    for set in sets {
        put_matchers(out, set);
    }
}

pub(crate) fn sets(from: &mut Reader<'_>) -> Result<(Vec<Vec<LabelMatcher>>, u64), DecodeError> {
    let limit = from.varint()?;
    let count = from.count(1)?;
    Ok(((0..count).map(|_| matchers(from)).collect::<Result<_, _>>()?, limit))
}

/// Appends labels: their count, then each name and value behind its length.
pub(crate) fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put_len(out, labels.len());
    for (name, value) in labels.iter() {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value.as_bytes());
    }
}

/// Reads what [`put_labels`] wrote, and checks that it is sorted.
pub(crate) fn labels(from: &mut Reader<'_>) -> Result<Labels, DecodeError> {
    let count = from.count(2)?;
    let mut pairs: SmallVec<[(&str, &str); 32]> = SmallVec::new();
    for _ in 0..count {
        let pair = (from.text()?, from.text()?);
        if pair.1.is_empty() || pairs.last().is_some_and(|last| last.0 >= pair.0) {
            return Err(DecodeError::Labels);
        }
        pairs.push(pair);
    }
    Ok(Labels::from_sorted(pairs))
}

fn put_chunk(out: &mut Vec<u8>, chunk: &Chunk) {
    out.push(chunk.encoding.tag());
    put_varint(out, u64::from(chunk.count));
    put_signed(out, chunk.min_t);
    put_signed(out, chunk.max_t.wrapping_sub(chunk.min_t));
    put_bytes(out, &chunk.bytes);
}

fn chunk(from: &mut Reader<'_>, whole: &Bytes) -> Result<Chunk, DecodeError> {
    let tag = from.byte()?;
    let encoding = Encoding::from_tag(tag).map_err(|_| DecodeError::Tag { what: "chunk", tag })?;
    let count = u16::try_from(from.varint()?).map_err(|_| DecodeError::Number { what: "chunk" })?;
    let min_t = from.signed()?;
    let max_t = min_t.wrapping_add(from.signed()?);
    Ok(Chunk { min_t, max_t, count, encoding, bytes: from.shared(whole)? })
}

#[cfg(test)]
pub(crate) mod tests;
