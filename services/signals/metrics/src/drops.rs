//! Rows that are no more, in this signal's words: series that meet matchers, within times.
//!
//! [`RowDrop::what`] is JSON: a list of matcher sets, each a list of `[name, operator, value]`, operators as in PromQL. A series is meant
//! when it meets all matchers of any set; empty text means all series. Or an object with two such lists, `any` and `none`: what meets a set
//! of `none` is not meant.

use index::{Matcher, RegexError};
use serde::{Deserialize, Serialize};
use signal::RowDrop;
use syntax::{LabelMatcher, MatchOp};

use crate::chunk::{Chunk, ChunkError};
use crate::model::{Labels, TimestampMs};

/// A drop could not be understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DropError {
    /// No list of matchers.
    #[error("read matchers of dropped rows")]
    Words(#[from] serde_json::Error),
    /// An operator of a later version.
    #[error("unknown operator {0:?} in matchers of dropped rows")]
    Operator(String),
    /// A regular expression that does not compile.
    #[error(transparent)]
    Matcher(#[from] RegexError),
}

/// Drops, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Drops(Vec<One>);

#[derive(Clone, Debug)]
struct One {
    /// Series that meet one of these are meant,
    sets: Vec<Vec<Matcher>>,
    /// but for those that meet one of these.
    except: Vec<Vec<Matcher>>,
    /// First and last ms.
    range: Span,
}

/// First and last ms that belong to it.
pub type Span = (i64, i64);

/// A matcher as it stands in [`RowDrop::what`].
type Words = (String, String, String);

/// Matcher sets as they are written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Said {
    Any(Vec<Vec<Words>>),
    Except { any: Vec<Vec<Words>>, none: Vec<Vec<Words>> },
}

/// Says which series are meant.
#[must_use]
pub fn encode(sets: &[Vec<LabelMatcher>]) -> String {
    serde_json::to_string(&Said::Any(words(sets))).expect("lists of texts are JSON")
}

/// Says which series are meant: those of `any` set that are of none of `none`.
#[must_use]
pub fn encode_except(any: &[Vec<LabelMatcher>], none: &[Vec<LabelMatcher>]) -> String {
    serde_json::to_string(&Said::Except { any: words(any), none: words(none) }).expect("lists of texts are JSON")
}

fn words(sets: &[Vec<LabelMatcher>]) -> Vec<Vec<Words>> {
    let word = |op| match op {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Regex => "=~",
        MatchOp::NotRegex => "!~",
    };
    let words = |matcher: &LabelMatcher| (matcher.name.clone(), word(matcher.op).to_owned(), matcher.value.clone());
    sets.iter().map(|set| set.iter().map(words).collect()).collect()
}

/// Sets of matchers.
type Sets = Vec<Vec<Matcher>>;

/// The sets of which any has to be met, and those of which none may be.
fn decode(what: &str) -> Result<(Sets, Sets), DropError> {
    if what.is_empty() {
        return Ok((vec![Vec::new()], Vec::new()));
    }
    let compile = |(name, op, value): Words| {
        let op = match op.as_str() {
            "=" => MatchOp::Equal,
            "!=" => MatchOp::NotEqual,
            "=~" => MatchOp::Regex,
            "!~" => MatchOp::NotRegex,
            _ => return Err(DropError::Operator(op)),
        };
        Ok(Matcher::new(name, op, &value)?)
    };
    let compile_all =
        |sets: Vec<Vec<Words>>| -> Result<_, DropError> { sets.into_iter().map(|set| set.into_iter().map(compile).collect()).collect() };
    let (any, none) = match serde_json::from_str(what)? {
        Said::Any(any) => (any, Vec::new()),
        Said::Except { any, none } => (any, none),
    };
    Ok((compile_all(any)?, compile_all(none)?))
}

impl Drops {
    /// Compiles what crossed the seam.
    pub fn compile(drops: &[RowDrop]) -> Result<Self, DropError> {
        let compile = |drop: &RowDrop| {
            // A time that has nanoseconds in it is never a sample's.
            let start = if drop.range.start == i64::MIN { i64::MIN } else { TimestampMs::ceil_ns(drop.range.start).0 };
            let end = if drop.range.end == i64::MAX { i64::MAX } else { TimestampMs::floor_ns(drop.range.end).0 };
            let (sets, except) = decode(&drop.what)?;
            Ok(One { sets, except, range: (start, end) })
        };
        drops.iter().map(compile).collect::<Result<_, _>>().map(Self)
    }

    /// True when nothing is dropped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The matcher sets of all drops.
    pub fn sets(&self) -> impl Iterator<Item = &[Matcher]> {
        self.0.iter().flat_map(|one| one.sets.iter().map(Vec::as_slice))
    }

    /// Times of a series that are dropped: sorted, without overlaps.
    #[must_use]
    pub fn of(&self, labels: &Labels) -> Vec<Span> {
        let meets = |matcher: &Matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default());
        let any = |sets: &[Vec<Matcher>]| sets.iter().any(|set| set.iter().all(meets));
        let meant = self.0.iter().filter(|one| one.range.0 <= one.range.1 && any(&one.sets) && !any(&one.except));
        let mut spans: Vec<Span> = meant.map(|one| one.range).collect();
        spans.sort_unstable();
        spans.dedup_by(|next, kept| {
            let touches = next.0 <= kept.1.saturating_add(1);
            if touches {
                kept.1 = kept.1.max(next.1);
            }
            touches
        });
        spans
    }
}

/// True when all of `start..=end` is dropped.
#[must_use]
pub fn covers(spans: &[Span], start: i64, end: i64) -> bool {
    spans.iter().any(|span| span.0 <= start && end <= span.1)
}

fn touches(spans: &[Span], start: i64, end: i64) -> bool {
    spans.iter().any(|span| span.0 <= end && start <= span.1)
}

/// True when this time is dropped.
#[must_use]
pub fn drops(spans: &[Span], t: i64) -> bool {
    touches(spans, t, t)
}

/// Takes samples out of chunks. Chunks that lose none stay as they are.
pub fn thin(chunks: &mut Vec<Chunk>, spans: &[Span]) -> Result<(), ChunkError> {
    if spans.is_empty() {
        return Ok(());
    }
    let mut failed = None;
    chunks.retain_mut(|chunk| {
        if !touches(spans, chunk.min_t, chunk.max_t) {
            return true;
        }
        match chunk.without(|t| drops(spans, t)) {
            Ok(Some(rest)) => *chunk = rest,
            Ok(None) => return false,
            Err(err) => failed = Some(err),
        }
        true
    });
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
