//! Times, durations and other numbers in parameters.

use std::time::Duration;

use super::error::PromError;
use super::params::Params;

/// The farthest time from the Unix epoch that a query can speak of, ms: what nanoseconds in 64 bits can say, some 292 years.
pub(super) const FARTHEST_MS: i64 = 9_223_372_036_000;

/// The first time that nanoseconds in 64 bits can say, ms.
const EARLIEST_MS: i64 = i64::MIN / 1_000_000;

/// The first number of seconds that does not fit into 64 bits.
const SECONDS_END: f64 = 9_223_372_036_854_775_808.0;

/// How Prometheus writes the first and the last of its times; clients send them for "everything".
const MIN_TIME: &str = "-292273086-05-16T16:47:06Z";
const MAX_TIME: &str = "292277025-08-18T07:12:54.999999999Z";

/// A text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot parse {0:?} to a valid timestamp")]
pub struct TimeError(String);

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DurationError {
    #[error("cannot parse {0:?} to a valid duration")]
    Syntax(String),
    #[error("cannot parse {0:?} to a valid duration. It overflows int64")]
    Overflow(String),
}

/// Reads a time: seconds since the Unix epoch with a fraction, or RFC 3339. Returns ms since the Unix epoch; a NaN and what is beyond
/// 64 bits are the earliest time.
pub(crate) fn parse_time(text: &str) -> Result<i64, TimeError> {
    let invalid = || TimeError(text.to_owned());
    match text {
        MIN_TIME => return Ok(-FARTHEST_MS),
        MAX_TIME => return Ok(FARTHEST_MS),
        _ => {}
    }
    let ms = match text.parse::<f64>() {
        Ok(seconds) if seconds.is_infinite() && text.contains(|letter: char| letter.is_ascii_digit()) => return Err(invalid()),
        // What is no number of seconds in 64 bits is the earliest of all, as Go's conversion has it.
        Ok(seconds) if seconds.is_nan() || seconds.abs() >= SECONDS_END => return Ok(EARLIEST_MS),
        Ok(seconds) => {
            // To the nearest millisecond, the fraction apart so that the whole seconds stay exact.
            let ms = seconds.trunc() * 1000.0 + (seconds.fract() * 1000.0).round();
            whole(ms).ok_or_else(invalid)?
        }
        Err(_) => rfc3339(text).ok_or_else(invalid)?,
    };
    if ms.abs() <= FARTHEST_MS { Ok(ms) } else { Err(invalid()) }
}

/// A float that is a whole number, if it is near enough to the epoch to matter.
fn whole(ms: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the bound is far below 2^63")]
    (ms.abs() < 1e15).then_some(ms as i64)
}

/// Reads `2026-01-15T10:00:00.5Z` or with an offset, `+01:00`; what is finer than a millisecond is cut off.
fn rfc3339(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
    };
    let is = |at: usize, byte: u8| text.as_bytes().get(at) == Some(&byte);
    let shape = is(4, b'-') && is(7, b'-') && is(10, b'T') && is(13, b':') && is(16, b':');
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let possible = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day) && hour < 24 && minute < 60 && second < 60;
    if !shape || !possible {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut ms = 0;
    if let Some(fraction) = rest.strip_prefix('.').or_else(|| rest.strip_prefix(',')) {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        let first: String = fraction.get(..digits)?.chars().chain("000".chars()).take(3).collect();
        if digits == 0 {
            return None;
        }
        ms = first.parse().ok()?;
        rest = &fraction[digits..];
    }
    let days = days_from_civil(year, month, day);
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset(rest)?;
    Some(seconds * 1000 + ms)
}

/// Seconds east of Greenwich of `Z` or `+01:30`.
fn offset(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let sign = match text.as_bytes() {
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let [a, b, b':', c, d] = text.as_bytes()[1..] else { return None };
    let digits = [a, b, c, d].map(|byte| i64::from(byte.wrapping_sub(b'0')));
    let (hours, minutes) = (digits[0] * 10 + digits[1], digits[2] * 10 + digits[3]);
    (digits.iter().all(|digit| *digit < 10) && hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn days_in(year: i64, month: i64) -> i64 {
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_from_civil(next.0, next.1, 1) - days_from_civil(year, month, 1)
}

/// Days since the Unix epoch of a date of the Gregorian calendar. The year is counted from March, so that the leap day is its last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Reads a duration: seconds with a fraction, or `5m`. Returns nanoseconds; a NaN is the least, as Go's conversion has it.
pub(super) fn parse_duration(text: &str) -> Result<i64, DurationError> {
    if let Ok(seconds) = text.parse::<f64>() {
        let ns = seconds * 1e9;
        if ns.abs() > 9_223_372_036_854_775_807.0 {
            return Err(DurationError::Overflow(text.to_owned()));
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked above; saturates")]
        return Ok(if ns.is_nan() { i64::MIN } else { ns as i64 });
    }
    let duration = syntax::duration::parse_duration(text).map_err(|_| DurationError::Syntax(text.to_owned()))?;
    Ok(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

/// The steps of a range query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RangeTimes {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) step_ms: i64,
}

/// The most steps of a range query.
const MAX_STEPS: i64 = 11_000;

/// `start`, `end` and `step` of a range query.
pub(super) fn range(params: &Params) -> Result<RangeTimes, PromError> {
    let time = |name: &str| parse_time(params.get(name)).map_err(|err| PromError::parameter(name, err));
    let (start_ms, end_ms) = (time("start")?, time("end")?);
    if end_ms < start_ms {
        return Err(end_before_start());
    }
    let step_ms = parse_duration(params.get("step")).map_err(|err| PromError::parameter("step", err))? / 1_000_000;
    if step_ms <= 0 {
        return Err(PromError::parameter("step", "zero or negative query resolution step widths are not accepted. Try a positive integer"));
    }
    if (end_ms - start_ms) / step_ms > MAX_STEPS {
        return Err(PromError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    Ok(RangeTimes { start_ms, end_ms, step_ms })
}

/// `time` of an instant query.
pub(super) fn instant(params: &Params, now_ms: i64) -> Result<i64, PromError> {
    optional(params, "time").map(|time| time.unwrap_or(now_ms))
}

/// `start` and `end` of a request that has a default for them: everything.
pub(super) fn window(params: &Params) -> Result<(i64, i64), PromError> {
    let start = optional(params, "start")?.unwrap_or(-FARTHEST_MS);
    let end = optional(params, "end")?.unwrap_or(FARTHEST_MS);
    if end < start { Err(end_before_start()) } else { Ok((start, end)) }
}

/// A time that may be left out.
fn optional(params: &Params, name: &str) -> Result<Option<i64>, PromError> {
    match params.get(name) {
        "" => Ok(None),
        text => {
            parse_time(text).map(Some).map_err(|err| PromError::parameter(name, format_args!("invalid time value for '{name}': {err}")))
        }
    }
}

fn end_before_start() -> PromError {
    PromError::parameter("end", "end timestamp must not be before start time")
}

/// `limit`: 0 and nothing are no limit.
pub(super) fn limit(params: &Params) -> Result<usize, PromError> {
    let text = params.get("limit");
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PromError::parameter("limit", format_args!("strconv.Atoi: parsing {text:?}: invalid syntax")));
    }
    let limit: i64 =
        text.parse().map_err(|_| PromError::parameter("limit", format_args!("strconv.Atoi: parsing {text:?}: value out of range")))?;
    usize::try_from(limit).map_err(|_| PromError::parameter("limit", "limit must be non-negative"))
}

/// `timeout`: never more than what the process allows.
pub(super) fn timeout(params: &Params, most: Duration) -> Result<Duration, PromError> {
    match params.get("timeout") {
        "" => Ok(most),
        text => {
            let ns = parse_duration(text).map_err(|err| PromError::parameter("timeout", err))?;
            Ok(Duration::from_nanos(u64::try_from(ns).unwrap_or(0)).min(most))
        }
    }
}

/// `lookback_delta`, ms.
pub(super) fn lookback(params: &Params, default_ms: i64) -> Result<i64, PromError> {
    match params.get("lookback_delta") {
        "" => Ok(default_ms),
        text => {
            let ns = parse_duration(text).map_err(|err| PromError::bad_data(format!("error parsing lookback delta duration: {err}")))?;
            // Prometheus takes a lookback of nothing as none given.
            Ok(if ns <= 0 { default_ms } else { (ns / 1_000_000).max(1) })
        }
    }
}

#[cfg(test)]
mod tests;
