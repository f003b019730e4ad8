//! Lines: `measurement,tag=value field=1,other=2i 1768471200000000000`.
//!
//! Source: InfluxDB's documentation of its line protocol. Errors are told in its words.

use std::borrow::Cow;
use std::fmt;

/// How much of a line an error shows.
const SHOWN: usize = 256;

/// The unit of timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Precision {
    /// Nanoseconds of one.
    nanos: i64,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point<'a> {
    pub(super) measurement: Cow<'a, str>,
    /// Each key once.
    pub(super) tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(super) fields: Vec<(Cow<'a, str>, FieldValue)>,
    /// Nanoseconds since the Unix epoch.
    pub(super) time: Option<i64>,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FieldValue {
    /// A float or a whole number.
    Number(f64),
    /// True or false.
    Truth(bool),
    /// A text, which nobody needs.
    Text,
}

/// A line that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse '{line}': {why}")]
pub(super) struct LineError {
    line: String,
    why: Why,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    NotText,
    Measurement,
    TagKey,
    TagValue,
    TagFormat,
    DuplicateTags,
    Fields,
    FieldKey,
    FieldFormat,
    FieldValue,
    Number,
    Truth,
    Quotes,
    Timestamp,
    Range,
}

impl Precision {
    /// By its word: nothing is nanoseconds. `None`: there is no such unit.
    pub(super) fn parse(word: &str) -> Option<Self> {
        let nanos = match word {
            "" | "n" | "ns" => 1,
            "u" | "us" | "µ" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        Some(Self { nanos })
    }
}

/// Reads the lines of a text. Empty ones and comments are nothing.
pub(super) fn points(text: &[u8], precision: Precision) -> impl Iterator<Item = Result<Point<'_>, LineError>> {
    Lines { rest: text }.filter_map(move |line| {
        let line = line.trim_ascii();
        if line.is_empty() || line[0] == b'#' {
            return None;
        }
        let read = std::str::from_utf8(line).map_err(|_| Why::NotText).and_then(|line| point(line, precision));
        Some(read.map_err(|why| LineError { line: shown(line), why }))
    })
}

fn shown(line: &[u8]) -> String {
    let mut shown = String::from_utf8_lossy(&line[..line.len().min(2 * SHOWN)]).into_owned();
    shown.truncate(shown.floor_char_boundary(SHOWN));
    shown
}

/// Splits at line breaks that do not stand in a quoted text of a field.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (mut quoted, mut escaped, mut spaces, mut after_equals) = (false, false, 0, false);
        let comment = self.rest.trim_ascii_start().first() == Some(&b'#');
        let end = self.rest.iter().position(|byte| {
            let (was_escaped, was_equals) = (std::mem::take(&mut escaped), std::mem::take(&mut after_equals));
            match byte {
                b'\n' => return !quoted,
                _ if comment => {}
                b'\\' => escaped = !was_escaped,
                // A text begins behind the `=` of a field: fields stand behind the first space.
                b'"' if quoted => quoted = was_escaped,
                b'"' if was_equals && spaces > 0 => quoted = true,
                b' ' if !was_escaped => spaces += 1,
                b'=' if !was_escaped => after_equals = true,
                _ => {}
            }
            false
        });
        let line;
        (line, self.rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &[][..]),
        };
        Some(line)
    }
}

fn point(line: &str, precision: Precision) -> Result<Point<'_>, Why> {
    let (series, rest) = cut(line, b' ');
    let (measurement, mut tags) = cut(series, b',');
    if measurement.is_empty() {
        return Err(Why::Measurement);
    }
    let mut point = Point { measurement: unescaped(measurement, MEASUREMENT), tags: Vec::new(), fields: Vec::new(), time: None };
    if series.len() > measurement.len() && tags.is_empty() {
        return Err(Why::TagKey);
    }
    while !tags.is_empty() {
        let (tag, more) = cut(tags, b',');
        if tag.len() < tags.len() && more.is_empty() {
            return Err(Why::TagKey);
        }
        tags = more;
        point.tags.push(self::tag(tag)?);
    }
    point.tags.sort();
    if point.tags.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(Why::DuplicateTags);
    }
    let rest = rest.trim_start_matches(' ');
    if rest.is_empty() {
        return Err(Why::Fields);
    }
    let time = fields(rest, &mut point.fields)?.trim_matches(' ');
    if !time.is_empty() {
        let units: i64 = time.parse().map_err(|_| Why::Timestamp)?;
        point.time = Some(units.checked_mul(precision.nanos).ok_or(Why::Range)?);
    }
    Ok(point)
}

fn tag(text: &str) -> Result<(Cow<'_, str>, Cow<'_, str>), Why> {
    let (key, value) = cut(text, b'=');
    match (key, value) {
        ("", _) => Err(Why::TagKey),
        (key, "") if key.len() == text.len() => Err(Why::TagValue),
        (_, "") => Err(Why::TagValue),
        // A second `=` that is not escaped.
        (_, value) if cut(value, b'=').0.len() < value.len() => Err(Why::TagFormat),
        (key, value) => Ok((unescaped(key, KEY), unescaped(value, KEY))),
    }
}

/// Reads fields up to the first space behind them; returns what follows.
fn fields<'a>(text: &'a str, out: &mut Vec<(Cow<'a, str>, FieldValue)>) -> Result<&'a str, Why> {
    let mut rest = text;
    loop {
        let (key, value) = cut(rest, b'=');
        if key.len() == rest.len() {
            return Err(if key.is_empty() { Why::FieldKey } else { Why::FieldFormat });
        }
        if key.is_empty() {
            return Err(Why::FieldKey);
        }
        let end = value_end(value)?;
        out.push((unescaped(key, KEY), field_value(&value[..end])?));
        match value.as_bytes().get(end) {
            Some(b',') => rest = &value[end + 1..],
            _ => return Ok(&value[end..]),
        }
    }
}

/// Where a field's value ends: at a comma, a space, or the end. A text in quotes may hold both.
fn value_end(value: &str) -> Result<usize, Why> {
    if !value.starts_with('"') {
        return Ok(value.find([',', ' ']).unwrap_or(value.len()));
    }
    let mut escaped = false;
    let quote = value.bytes().skip(1).position(|byte| {
        let was_escaped = std::mem::take(&mut escaped);
        escaped = byte == b'\\' && !was_escaped;
        byte == b'"' && !was_escaped
    });
    let end = quote.ok_or(Why::Quotes)? + 2;
    match value.as_bytes().get(end) {
        None | Some(b',' | b' ') => Ok(end),
        Some(_) => Err(Why::FieldFormat),
    }
}

fn field_value(text: &str) -> Result<FieldValue, Why> {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (None, _) => Err(Why::FieldValue),
        (Some(b'"'), _) => Ok(FieldValue::Text),
        (Some(b't' | b'T' | b'f' | b'F'), _) => match text {
            "t" | "T" | "true" | "True" | "TRUE" => Ok(FieldValue::Truth(true)),
            "f" | "F" | "false" | "False" | "FALSE" => Ok(FieldValue::Truth(false)),
            _ => Err(Why::Truth),
        },
        (Some(_), Some(b'i')) => {
            text[..text.len() - 1].parse::<i64>().map(|whole| FieldValue::Number(signed(whole))).map_err(|_| Why::Number)
        }
        (Some(_), Some(b'u')) => {
            text[..text.len() - 1].parse::<u64>().map(|whole| FieldValue::Number(unsigned(whole))).map_err(|_| Why::Number)
        }
        // Words for infinity and for what is no number are none to the protocol.
        (Some(b'0'..=b'9' | b'-' | b'+' | b'.'), Some(b'0'..=b'9' | b'.')) => {
            let number: f64 = text.parse().map_err(|_| Why::Number)?;
            if number.is_finite() { Ok(FieldValue::Number(number)) } else { Err(Why::Number) }
        }
        _ => Err(Why::Number),
    }
}

#[allow(clippy::cast_precision_loss, reason = "samples are doubles")]
fn signed(whole: i64) -> f64 {
    whole as f64
}

#[allow(clippy::cast_precision_loss, reason = "samples are doubles")]
fn unsigned(whole: u64) -> f64 {
    whole as f64
}

/// What stands before and behind the first `separator` without a backslash; behind nothing where there is none.
fn cut(text: &str, separator: u8) -> (&str, &str) {
    let mut escaped = false;
    let at = text.bytes().position(|byte| {
        let was_escaped = std::mem::take(&mut escaped);
        escaped = byte == b'\\' && !was_escaped;
        byte == separator && !was_escaped
    });
    at.map_or((text, ""), |at| (&text[..at], &text[at + 1..]))
}

/// What a backslash takes its meaning from: in names of measurements, and in keys and values of tags.
const MEASUREMENT: [char; 2] = [',', ' '];
const KEY: [char; 3] = [',', '=', ' '];

/// The text without backslashes that escape something. Others are text.
fn unescaped<'a>(text: &'a str, special: impl AsRef<[char]>) -> Cow<'a, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next) if c == '\\' && special.as_ref().contains(next) => {
                out.push(*next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotText => "invalid UTF-8",
            Self::Measurement => "missing measurement",
            Self::TagKey => "missing tag key",
            Self::TagValue => "missing tag value",
            Self::TagFormat => "invalid tag format",
            Self::DuplicateTags => "duplicate tags",
            Self::Fields => "missing fields",
            Self::FieldKey => "missing field key",
            Self::FieldFormat => "invalid field format",
            Self::FieldValue => "missing field value",
            Self::Number => "invalid number",
            Self::Truth => "invalid boolean",
            Self::Quotes => "unbalanced quotes",
            Self::Timestamp => "bad timestamp",
            Self::Range => "time outside range",
        })
    }
}

#[cfg(test)]
mod tests;
