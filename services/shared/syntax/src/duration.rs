//! Durations as Prometheus writes them: `1h30m`.

use std::time::Duration;

use crate::{Cursor, Quoted, number};

/// A duration that is none. The texts are Prometheus'.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing written.
    #[error("empty duration string")]
    Empty,
    /// Not written as a duration is.
    #[error("not a valid duration string: {}", Quoted(text))]
    Syntax {
        /// What was written.
        text: String,
    },
    /// A unit that is none.
    #[error("unknown unit {} in duration {}", Quoted(unit), Quoted(text))]
    Unit {
        /// What stands in the unit's place.
        unit: String,
        /// What was written.
        text: String,
    },
    /// Longer than 2^63 nanoseconds, some 292 years.
    #[error("duration out of range")]
    Range,
}

/// The units from large to small, in milliseconds. A year has 365 days.
const UNITS: [(&str, u64); 7] =
    [("y", 31_536_000_000), ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// The most milliseconds: 2^63 - 1 nanoseconds.
const MAX_MS: u64 = i64::MAX.unsigned_abs() / 1_000_000;

/// Takes what is left of a duration after its first digits: a unit, then more digits and units.
///
/// Returns whether it looks like a duration; [`parse_duration`] decides. Where it does not, what was looked at is taken, as
/// Prometheus' lexer does, whose error quotes it.
pub fn scan_duration_tail(cursor: &mut Cursor<'_>) -> bool {
    if !cursor.eat_if(|c| matches!(c, 's' | 'm' | 'h' | 'd' | 'w' | 'y')) {
        return false;
    }
    cursor.eat('s');
    while cursor.eat_while(|c| c.is_ascii_digit()) {
        // A year comes first.
        if !cursor.eat_if(|c| matches!(c, 's' | 'm' | 'h' | 'd' | 'w')) {
            return false;
        }
        cursor.eat('s');
    }
    !cursor.eat_if(number::is_alphanumeric)
}

/// The value of a duration: whole numbers with units, each at most once, from large to small; or a bare `0`.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    match text {
        "" => return Err(DurationError::Empty),
        "0" => return Ok(Duration::ZERO),
        _ => {}
    }
    let invalid = || DurationError::Syntax { text: text.to_owned() };
    let mut cursor = Cursor::new(text);
    let mut smaller = 0;
    let mut total: u64 = 0;
    while cursor.peek().is_some() {
        let start = cursor.at();
        cursor.eat_while(|c| c.is_ascii_digit());
        let count: u64 = cursor.since(start).of(text).parse().map_err(|_| invalid())?;
        let start = cursor.at();
        if !cursor.eat_while(|c| !c.is_ascii_digit()) {
            return Err(invalid());
        }
        let unit = cursor.since(start).of(text);
        let unknown = || DurationError::Unit { unit: unit.to_owned(), text: text.to_owned() };
        let at = UNITS.iter().position(|(name, _)| *name == unit).ok_or_else(unknown)?;
        if at < smaller {
            return Err(invalid());
        }
        smaller = at + 1;
        let part = count.checked_mul(UNITS[at].1).ok_or(DurationError::Range)?;
        total = total.checked_add(part).filter(|total| *total <= MAX_MS).ok_or(DurationError::Range)?;
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration of whole milliseconds as Prometheus does: years and weeks only where nothing remains, `90d` before `12w6d`.
#[must_use]
pub fn format_duration(ms: u64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut left = ms;
    let mut out = String::new();
    for (unit, size) in UNITS {
        let exact_only = matches!(unit, "y" | "w");
        if left >= size && (!exact_only || left.is_multiple_of(size)) {
            out.push_str(&(left / size).to_string());
            out.push_str(unit);
            left %= size;
        }
    }
    out
}

#[cfg(test)]
mod tests;
