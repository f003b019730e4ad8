//! Names: how a metric, a label or a unit of OpenTelemetry is called in Prometheus.
//!
//! Source of the rules: the OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", as Prometheus 3 follows it.

mod units;

use std::borrow::Cow;

use super::settings::Translation;

/// What a metric is, as far as its name depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Gauge,
    /// A sum that only grows.
    Counter,
    Other,
}

/// Why there is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("normalization for metric {0:?} resulted in empty name")]
    EmptyMetric(String),
    #[error("normalization for metric {0:?} resulted in invalid name {1:?}")]
    Metric(String, String),
    #[error("label name is empty")]
    EmptyLabel,
    #[error("normalization for label name {0:?} resulted in invalid name {1:?}")]
    Label(String, String),
}

/// The name of a metric.
pub(crate) fn metric(name: &str, unit: &str, kind: Kind, how: &Translation) -> Result<String, NameError> {
    let made = match (how.escape, how.suffixes) {
        (true, true) => with_suffixes(name, unit, kind),
        (true, false) => after_digits(name.split(|c: char| !is_metric_char(c) && c != '_').filter(|part| !part.is_empty())),
        (false, true) => appended(name, unit, kind),
        (false, false) => name.to_owned(),
    };
    if made.is_empty() {
        return Err(NameError::EmptyMetric(name.to_owned()));
    }
    if how.escape && made != name && made.chars().all(|c| c == '_') {
        return Err(NameError::Metric(name.to_owned(), made));
    }
    Ok(made)
}

/// The unit of a metric, as its metadata has it.
pub(crate) fn unit(unit: &str, how: &Translation) -> String {
    let (main, per) = units::translate(unit);
    let (main, per) = if how.escape { (clean_unit(&main), clean_unit(&per)) } else { (main.into_owned(), per.into_owned()) };
    let joined = [main, per].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_");
    joined.trim_matches('_').to_owned()
}

/// The name of a label that was an attribute.
pub(crate) fn label<'a>(name: &'a str, how: &Translation) -> Result<Cow<'a, str>, NameError> {
    if name.is_empty() {
        return Err(NameError::EmptyLabel);
    }
    let invalid = |made: &str| NameError::Label(name.to_owned(), made.to_owned());
    if !how.escape {
        return if name.chars().all(|c| c == '_') { Err(invalid(name)) } else { Ok(Cow::Borrowed(name)) };
    }
    let mut made = match name.strip_prefix("__").and_then(|rest| rest.strip_suffix("__")) {
        Some(inner) => Cow::Owned(format!("__{}__", underscored(inner, how))),
        None => underscored(name, how),
    };
    if made.chars().all(|c| c == '_') {
        return Err(invalid(&made));
    }
    if made.starts_with(|c: char| c.is_ascii_digit()) {
        made = Cow::Owned(format!("key_{made}"));
    } else if how.prefix_underscore && made.starts_with('_') && !made.starts_with("__") {
        made = Cow::Owned(format!("key{made}"));
    }
    Ok(made)
}

/// The name split into tokens, with the unit's tokens and that of the kind behind, each once.
fn with_suffixes(name: &str, unit: &str, kind: Kind) -> String {
    let mut tokens: Vec<Cow<'_, str>> = name.split(|c| !is_metric_char(c)).filter(|token| !token.is_empty()).map(Cow::from).collect();
    let (main, per) = units::translate(unit);
    let (mut main, per) = (clean_unit(&main), clean_unit(&per).trim_end_matches('_').to_owned());
    if !per.is_empty() {
        main.truncate(main.trim_end_matches('_').len());
    }
    for token in [main, per] {
        if !token.is_empty() && token != "per" && tokens.iter().all(|known| **known != *token) {
            tokens.push(Cow::Owned(token));
        }
    }
    if let Some(last) = suffix(unit, kind) {
        tokens.retain(|token| token != last);
        tokens.push(last.into());
    }
    after_digits(tokens.iter().map(AsRef::as_ref))
}

/// The name as it is, with suffixes that it does not have yet.
fn appended(name: &str, unit: &str, kind: Kind) -> String {
    let last = suffix(unit, kind);
    let mut made = last.and_then(|last| name.strip_suffix(last)).map_or(name, |rest| rest.trim_end_matches(['_', '.'])).to_owned();
    let (main, per) = units::translate(unit);
    for part in [main.as_ref(), per.as_ref()].into_iter().filter(|part| !part.is_empty()) {
        if !made.ends_with(part) {
            made.push('_');
            made.push_str(part);
        }
    }
    if let Some(last) = last {
        if !made.is_empty() {
            made.push('_');
        }
        made.push_str(last);
    }
    made
}

/// What ends the name of a metric of this kind. The unit 1 says `ratio` of gauges alone: many receivers give it to counts of things.
fn suffix(unit: &str, kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Counter => Some("total"),
        Kind::Gauge if unit == "1" => Some("ratio"),
        Kind::Gauge | Kind::Other => None,
    }
}

/// Tokens joined by underscores; a digit in front gets one too.
fn after_digits<'a>(tokens: impl Iterator<Item = &'a str>) -> String {
    let joined = tokens.collect::<Vec<_>>().join("_");
    if joined.starts_with(|c: char| c.is_ascii_digit()) { format!("_{joined}") } else { joined }
}

fn is_metric_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

/// A unit with runs of other characters as one underscore, none in front.
fn clean_unit(unit: &str) -> String {
    let mut out = String::with_capacity(unit.len());
    for c in unit.chars() {
        if is_metric_char(c) {
            out.push(c);
        } else if !out.ends_with('_') {
            out.push('_');
        }
    }
    out.trim_start_matches('_').to_owned()
}

/// An attribute's key with other characters as underscores; runs of them are one unless all are kept.
fn underscored<'a>(name: &'a str, how: &Translation) -> Cow<'a, str> {
    let clean = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if clean(name) && (how.keep_underscores || !name.contains("__")) {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if how.keep_underscores || !out.ends_with('_') {
            out.push('_');
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
