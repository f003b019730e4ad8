//! Reads a tenant's samples out of blocks and writes them as plain columns that other tools understand.
//!
//! [`Samples`] joins the blocks of a stretch of time: what stands in several of them comes once, what was deleted does not come, as in a
//! query. [`Table`] writes it as Parquet.

mod table;

use signal::MergeInput;
use syntax::LabelMatcher;

use crate::api::{TimeError, parse_time};
use crate::block::{BlockError, Joined, Selected};
use crate::merge::{SeriesSamples, merge_replicas};
use crate::query::promql::{ParseError, parse_selector};
use crate::wire::SeriesChunks;

pub use table::{Table, TableError, Written};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Which samples are wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Series that meet all matchers of any set; none: all series.
    sets: Vec<Vec<LabelMatcher>>,
    /// The first ms; none: from the first sample on.
    start: Option<i64>,
    /// The last ms; none: up to the last sample.
    end: Option<i64>,
}

/// Words that select nothing that can be understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// A selector.
    #[error("read the selector {selector}")]
    Selector {
        /// As it was given.
        selector: String,
        /// What is wrong.
        source: ParseError,
    },
    /// A time.
    #[error(transparent)]
    Time(#[from] TimeError),
}

impl Selection {
    /// Reads selectors as `match[]` of the API has them, and times, both inclusive, as its `start` and `end`.
    pub fn parse(selectors: &[String], start: Option<&str>, end: Option<&str>) -> Result<Self, SelectionError> {
        let set = |text: &String| parse_selector(text).map_err(|source| SelectionError::Selector { selector: text.clone(), source });
        let sets = selectors.iter().map(set).collect::<Result<_, _>>()?;
        Ok(Self { sets, start: start.map(parse_time).transpose()?, end: end.map(parse_time).transpose()? })
    }

    /// What is wanted of `start..=end`, ms, as times of that range; `None`: nothing.
    #[must_use]
    pub fn within(&self, start: i64, end: i64) -> Option<(i64, i64)> {
        let (start, end) = (self.start.map_or(start, |own| own.max(start)), self.end.map_or(end, |own| own.min(end)));
        (start <= end).then_some((start, end))
    }
}

/// A day of UTC: exports take one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

impl Day {
    /// The day of a time, ms.
    #[must_use]
    pub const fn of(ms: i64) -> Self {
        Self(ms.div_euclid(DAY_MS))
    }

    /// Its first and its last millisecond.
    #[must_use]
    pub const fn range(self) -> (i64, i64) {
        (self.0.saturating_mul(DAY_MS), self.0.saturating_add(1).saturating_mul(DAY_MS).saturating_sub(1))
    }

    /// The days from this one on that begin up to another one's end.
    pub fn up_to(self, last: Self) -> impl Iterator<Item = Self> {
        (self.0..=last.0).map(Self)
    }
}

impl std::fmt::Display for Day {
    /// As `2026-11-25`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let midnight = crate::head::Rfc3339(self.range().0).to_string();
        f.write_str(midnight.split('T').next().unwrap_or_default())
    }
}

/// The samples of blocks, series by series.
#[derive(Debug)]
pub struct Samples {
    joined: Joined,
    range: (i64, i64),
    /// Samples of the chunks that were read.
    read: u64,
}

impl Samples {
    /// Reads the indexes of blocks of one tenant, to read what is selected of `range`, the first and the last ms.
    pub async fn open(blocks: Vec<MergeInput>, selection: &Selection, range: (i64, i64)) -> Result<Self, BlockError> {
        let selected = Selected { sets: selection.sets.clone(), start: range.0, end: range.1, exemplars: false };
        Ok(Self { joined: Joined::open(blocks, &selected).await?, range, read: 0 })
    }

    /// The next series that has samples, sorted by labels: each time once.
    pub async fn next_series(&mut self) -> Result<Option<SeriesSamples>, BlockError> {
        while let Some(rows) = self.joined.next_series().await? {
            self.read += rows.chunks.iter().map(|chunk| u64::from(chunk.count)).sum::<u64>();
            let series = rows.labels.to_string();
            let rows = SeriesChunks { labels: rows.labels, chunks: rows.chunks };
            let merged = merge_replicas([rows], self.range.0, self.range.1).map_err(|source| BlockError::Chunk { series, source })?;
            if let Some(series) = merged.into_iter().next() {
                return Ok(Some(series));
            }
        }
        Ok(None)
    }

    /// How many samples were read so far, with those that stand twice: the rows that the entries of the blocks count.
    #[must_use]
    pub const fn read(&self) -> u64 {
        self.read
    }
}

#[cfg(test)]
mod tests;
