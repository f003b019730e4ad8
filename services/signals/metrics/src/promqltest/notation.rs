//! The notation of series: `metric{label="value"} 0+10x5 _ stale NaN`.

use std::sync::Arc;

use super::histogram::{self, Written};
use crate::model::{Labels, LabelsBuilder, METRIC_NAME, stale_marker};

/// A series with one value per step.
#[derive(Clone, Debug)]
pub(super) struct SeriesLine {
    /// Who it is.
    pub(super) labels: Labels,
    /// Its values.
    pub(super) values: Vec<Item>,
}

impl SeriesLine {
    /// Its floats and their times, ms, with values `step` apart.
    pub(super) fn floats(&self, step: i64) -> impl Iterator<Item = (i64, f64)> {
        self.at(step).filter_map(|(t, item)| match item {
            Item::Float(v) => Some((t, *v)),
            _ => None,
        })
    }

    /// Its values and their times, ms.
    pub(super) fn at(&self, step: i64) -> impl Iterator<Item = (i64, &Item)> {
        (0..).map(move |place: i64| place * step).zip(&self.values)
    }
}

/// A value of a series.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A float.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Written>),
    /// No sample.
    Gap,
    /// Since when the sample at the same place of another line counts, ms after that sample.
    Start(i64),
}

/// A line that is not in the notation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at {found:?}")]
pub struct NotationError {
    expected: &'static str,
    found: String,
}

type Parsed<T> = Result<T, NotationError>;

/// Reads a line.
pub(super) fn series_line(line: &str) -> Parsed<SeriesLine> {
    let mut rest = Rest(line.trim());
    let labels = rest.labels()?;
    let start_timestamps = rest.eat("@st");
    let mut values = Vec::new();
    rest.blanks();
    while !rest.0.is_empty() {
        if start_timestamps {
            rest.start_timestamps(&mut values)?;
        } else {
            rest.values(&mut values)?;
        }
        rest.blanks();
    }
    Ok(SeriesLine { labels, values })
}

/// A number as it stands alone on a line: with sign, `Inf`, `NaN`.
pub(super) fn number(text: &str) -> Option<f64> {
    let mut rest = Rest(text.trim());
    let value = rest.number()?;
    rest.0.is_empty().then_some(value)
}

/// A duration in ms: `1h30m`, `5`, `-1m`, `100ms`. Without a unit it is in seconds.
pub(super) fn duration_ms(text: &str) -> Option<i64> {
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    if let Ok(seconds) = rest.parse::<i64>() {
        return Some(sign * seconds * 1_000);
    }
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|other: char| !other.is_ascii_digit())?;
        let count: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_end = rest.find(|other: char| other.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..unit_end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return None,
        };
        total = total.checked_add(count.checked_mul(unit)?)?;
        rest = &rest[unit_end..];
    }
    Some(sign * total)
}

/// A quoted text and what stands behind it.
pub(super) fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\'' | '`'))?;
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, next)) = chars.next() {
        match next {
            next if next == quote => return Some((out, &text[at + next.len_utf8()..])),
            '\\' if quote != '`' => match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    None
}

/// What is left of a line.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn blanks(&mut self) {
        self.0 = self.0.trim_start();
    }

    fn eat(&mut self, text: &str) -> bool {
        let Some(rest) = self.0.strip_prefix(text) else { return false };
        self.0 = rest;
        true
    }

    fn error<T>(&self, expected: &'static str) -> Parsed<T> {
        Err(NotationError { expected, found: self.0.to_owned() })
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|next: char| !belongs(next)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn quoted(&mut self) -> Parsed<String> {
        let Some((text, rest)) = quoted(self.0) else { return self.error("a quoted text") };
        self.0 = rest;
        Ok(text)
    }

    fn labels(&mut self) -> Parsed<Labels> {
        let mut labels = LabelsBuilder::default();
        let name = self.take_while(|next| next.is_alphanumeric() || matches!(next, '_' | ':' | '.'));
        labels.set(METRIC_NAME, name);
        if !self.eat("{") {
            return if name.is_empty() { self.error("a metric") } else { Ok(labels.build()) };
        }
        loop {
            self.blanks();
            if self.eat("}") {
                return Ok(labels.build());
            }
            let quoted = self.0.starts_with('"');
            let name = if quoted {
                self.quoted()?
            } else {
                self.take_while(|next| next.is_alphanumeric() || matches!(next, '_' | '.')).to_owned()
            };
            self.blanks();
            if self.eat("=") {
                self.blanks();
                labels.set(&name, &self.quoted()?);
            } else if quoted {
                labels.set(METRIC_NAME, &name);
            } else {
                return self.error("a label");
            }
            self.blanks();
            if !self.eat(",") && !self.0.starts_with('}') {
                return self.error("`,` or `}`");
            }
        }
    }

    /// One value or run of values.
    fn values(&mut self, values: &mut Vec<Item>) -> Parsed<()> {
        if self.eat("_") {
            let count = if self.eat("x") { self.count()? } else { 1 };
            values.extend(std::iter::repeat_n(Item::Gap, count));
            return Ok(());
        }
        if self.eat("stale") {
            let more = if self.eat("x") { self.count()? } else { 0 };
            values.extend(std::iter::repeat_n(Item::Float(stale_marker()), more + 1));
            return Ok(());
        }
        if self.0.starts_with("{{") {
            return self.histograms(values);
        }
        let Some(start) = self.number() else { return self.error("a value") };
        let step = if self.0.starts_with(['+', '-']) {
            let Some(step) = self.number() else { return self.error("a step") };
            step
        } else {
            0.0
        };
        let more = if self.eat("x") { self.count()? } else { 0 };
        let mut value = start;
        for _ in 0..=more {
            values.push(Item::Float(value));
            value += step;
        }
        Ok(())
    }

    /// One histogram, several that are the same, or such as rise or fall by another one.
    fn histograms(&mut self, values: &mut Vec<Item>) -> Parsed<()> {
        let mut written = self.histogram()?;
        let step = match self.0.chars().next() {
            Some(sign @ ('+' | '-')) => {
                self.eat(if sign == '+' { "+" } else { "-" });
                Some((sign, self.histogram()?))
            }
            _ => None,
        };
        let more = if self.eat("x") { self.count()? } else { 0 };
        if let Some((_, step)) = &step {
            written.hint = step.hint;
        }
        values.push(Item::Histogram(Arc::new(written.clone())));
        for _ in 0..more {
            if let Some((sign, Written { histogram: step, .. })) = &step {
                let histogram = &mut written.histogram;
                let joined = if *sign == '+' { histogram.add(step) } else { histogram.sub(step) };
                if joined.is_err() {
                    return self.error("histograms that can be added");
                }
            }
            values.push(Item::Histogram(Arc::new(written.clone())));
        }
        Ok(())
    }

    fn histogram(&mut self) -> Parsed<Written> {
        let parsed = self.0.strip_prefix("{{").and_then(|rest| {
            let (text, rest) = rest.split_once("}}")?;
            Some((histogram::written(text)?, rest))
        });
        let Some((written, rest)) = parsed else { return self.error("a histogram") };
        self.0 = rest;
        Ok(written)
    }

    /// One start timestamp or a run of them: `-30s`, `0-1mx4`, `_x3`.
    fn start_timestamps(&mut self, values: &mut Vec<Item>) -> Parsed<()> {
        if self.0.starts_with('_') {
            return self.values(values);
        }
        let mut start = self.offset()?;
        let step = if self.0.starts_with(['+', '-']) { self.offset()? } else { 0 };
        let more = if self.eat("x") { self.count()? } else { 0 };
        for _ in 0..=more {
            values.push(Item::Start(start));
            start += step;
        }
        Ok(())
    }

    /// A duration with a sign, ms.
    fn offset(&mut self) -> Parsed<i64> {
        let sign = if self.eat("-") {
            -1
        } else {
            self.eat("+");
            1
        };
        let before = self.0;
        let text = self.take_while(|next| next.is_ascii_digit() || "mshdwy".contains(next));
        match duration_ms(text) {
            Some(ms) => Ok(sign * ms),
            None => {
                self.0 = before;
                self.error("a duration")
            }
        }
    }

    fn count(&mut self) -> Parsed<usize> {
        let digits = self.take_while(|next| next.is_ascii_digit());
        match digits.parse::<usize>() {
            Ok(count) if count <= 1_000_000 => Ok(count),
            _ => self.error("a count of at most 1000000"),
        }
    }

    fn number(&mut self) -> Option<f64> {
        let before = self.0;
        let negative = self.eat("-");
        if !negative {
            self.eat("+");
        }
        let magnitude = self.magnitude();
        match magnitude {
            Some(value) => Some(if negative { -value } else { value }),
            None => {
                self.0 = before;
                None
            }
        }
    }

    fn magnitude(&mut self) -> Option<f64> {
        for (word, value) in [("Inf", f64::INFINITY), ("inf", f64::INFINITY), ("NaN", f64::NAN), ("nan", f64::NAN)] {
            if self.eat(word) {
                return Some(value);
            }
        }
        let text = self.0;
        self.take_while(|next| next.is_ascii_digit());
        if self.eat(".") {
            self.take_while(|next| next.is_ascii_digit());
        }
        let mantissa = self.0;
        if self.eat("e") || self.eat("E") {
            let _ = self.eat("+") || self.eat("-");
            if self.take_while(|next| next.is_ascii_digit()).is_empty() {
                self.0 = mantissa;
            }
        }
        text[..text.len() - self.0.len()].parse().ok()
    }
}
