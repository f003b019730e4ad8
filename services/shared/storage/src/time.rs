//! Ranges of time as roles and the catalog see them: nanoseconds, whatever the signal counts in.

use serde::{Deserialize, Serialize};

/// Nanoseconds since the Unix epoch; both ends belong to the range. A signal that counts in milliseconds
/// converts with saturation, which keeps the order and so every overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimeRange {
    /// First instant.
    pub start: i64,
    /// Last instant.
    pub end: i64,
}

impl TimeRange {
    /// Everything.
    pub const ALL: Self = Self { start: i64::MIN, end: i64::MAX };

    /// A range in milliseconds, saturating at the ends of what nanoseconds can say.
    #[must_use]
    pub const fn from_ms(start: i64, end: i64) -> Self {
        Self { start: start.saturating_mul(1_000_000), end: end.saturating_mul(1_000_000).saturating_add(999_999) }
    }

    /// True when the two share an instant.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    /// The smallest range that holds both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// True when no instant belongs to it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start > self.end
    }
}
