//! Whether the index of a block tells of chunks as it should. The questions, and the words for what is wrong, are those that Mimir and
//! Thanos ask of a block.

use super::{TsdbBlock, TsdbError};

/// Figures about the chunks that an index tells of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Series.
    pub series: u64,
    /// Series one of whose chunks begins before another one has ended.
    pub disordered_series: u64,
    /// Chunks that begin before the one before them has ended.
    pub disordered_chunks: u64,
    /// Those of them that have the times of the one before them.
    pub repeated_chunks: u64,
    /// Chunks that are outside the times of the block in part.
    pub crossing_chunks: u64,
    /// Chunks that are outside the times of the block.
    pub outside_chunks: u64,
    /// Chunks that begin at the very end of the block, as an early release of Prometheus wrote them.
    pub chunks_at_end: u64,
}

impl Health {
    /// Looks at all series of a block. Heavy on the CPU for a large one.
    ///
    /// * `times`: first and last time that the block may hold, ms since the Unix epoch.
    pub fn of(block: &TsdbBlock, times: (i64, i64)) -> Result<Self, TsdbError> {
        let mut health = Self::default();
        for entry in block.series() {
            let before = health.disordered_chunks;
            let mut last: Option<(i64, i64)> = None;
            for chunk in entry?.chunks {
                let span = (chunk.min_time, chunk.max_time);
                if let Some(last) = last
                    && span.0 <= last.1
                {
                    health.disordered_chunks += 1;
                    health.repeated_chunks += u64::from(span == last);
                }
                health.place(span, times);
                last = Some(span);
            }
            health.series += 1;
            health.disordered_series += u64::from(health.disordered_chunks > before);
        }
        Ok(health)
    }

    /// Counts where a chunk is.
    fn place(&mut self, (min, max): (i64, i64), (first, last): (i64, i64)) {
        if min >= first && max <= last {
            return;
        }
        if min > last || max < first {
            self.outside_chunks += 1;
        } else if min == last {
            self.chunks_at_end += 1;
        } else {
            self.crossing_chunks += 1;
        }
    }

    /// What is wrong, in one line; none: nothing.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let mut faults = Vec::new();
        if self.crossing_chunks > 0 {
            faults.push(format!("found {} chunks non-completely outside the block time range", self.crossing_chunks));
        }
        if self.outside_chunks > 0 {
            faults.push(format!("found {} chunks completely outside the block time range", self.outside_chunks));
        }
        if self.chunks_at_end > 0 {
            let issue = "introduced by https://github.com/prometheus/tsdb/issues/347";
            faults.push(format!("found {} chunks outside the block time range {issue}", self.chunks_at_end));
        }
        if self.disordered_chunks > 0 {
            faults.push(format!(
                "{}/{} series have an average of {:.3} out-of-order chunks: {:.3} of these are exact duplicates (in terms of data and time range)",
                self.disordered_series,
                self.series,
                ratio(self.disordered_chunks, self.disordered_series),
                ratio(self.repeated_chunks, self.disordered_chunks),
            ));
        }
        (!faults.is_empty()).then(|| faults.join(", "))
    }
}

#[allow(clippy::cast_precision_loss, reason = "for people to read")]
fn ratio(part: u64, of: u64) -> f64 {
    part as f64 / of as f64
}

#[cfg(test)]
mod tests;
