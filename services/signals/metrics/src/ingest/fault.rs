//! What can be wrong with a series, a sample or metadata before any state is known, in Mimir's words.

use std::borrow::Cow;
use std::fmt;

use super::series::RawLabel;
use crate::head::Rfc3339;
use crate::histogram::HistogramError;
use crate::model::METRIC_NAME;

/// How much of a series is shown.
const SHOWN: usize = 200;

/// Why something of a request is refused. `reason` is the label of the discarded counters; the text is made only when it is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault<'a> {
    MissingName,
    BadName { name: &'a [u8] },
    TooManyLabels { actual: usize, limit: usize, info: bool },
    LabelNameTooLong { name: &'a [u8] },
    BadLabelName { name: &'a [u8] },
    LabelValueTooLong { name: &'a [u8], value: &'a [u8] },
    BadLabelValue { name: &'a [u8], value: &'a [u8] },
    DuplicateLabel { name: &'a [u8] },
    TooFarInFuture { t: i64 },
    TooFarInPast { t: i64 },
    HistogramSchema { schema: i32 },
    Histogram { t: i64, error: HistogramError },
    TooManyBuckets { t: i64, buckets: usize, limit: usize },
    NotReducible { t: i64, buckets: usize, limit: usize },
    CustomNotReducible { t: i64, buckets: usize, limit: usize },
    MetadataWithoutName,
    MetadataNameTooLong { name: &'a [u8] },
    UnitTooLong { unit: &'a [u8], name: &'a [u8] },
    MetadataNotText { name: &'a [u8] },
}

impl Fault<'_> {
    /// The label `reason`.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::MissingName => "missing_metric_name",
            Self::BadName { .. } => "metric_name_invalid",
            Self::TooManyLabels { info: false, .. } => "max_label_names_per_series",
            Self::TooManyLabels { info: true, .. } => "max_label_names_per_info_series",
            Self::LabelNameTooLong { .. } => "label_name_too_long",
            Self::BadLabelName { .. } => "label_invalid",
            Self::LabelValueTooLong { .. } => "label_value_too_long",
            Self::BadLabelValue { .. } => "label_value_invalid",
            Self::DuplicateLabel { .. } => "duplicate_label_names",
            Self::TooFarInFuture { .. } => "too_far_in_future",
            Self::TooFarInPast { .. } => "too_far_in_past",
            Self::HistogramSchema { .. } => "invalid_native_histogram_schema",
            Self::Histogram { .. } => "invalid-native-histogram",
            Self::TooManyBuckets { .. } | Self::NotReducible { .. } | Self::CustomNotReducible { .. } => "max_native_histogram_buckets",
            Self::MetadataWithoutName => "metadata_missing_metric_name",
            Self::MetadataNameTooLong { .. } => "metric_name_too_long",
            Self::UnitTooLong { .. } => "unit_too_long",
            Self::MetadataNotText { .. } => "metadata_invalid",
        }
    }

    /// What stands behind `err-mimir-` in the text.
    fn id(&self) -> String {
        match self {
            Self::Histogram { error, .. } => error.id().to_owned(),
            Self::NotReducible { .. } => "not-reducible-native-histogram".to_owned(),
            Self::CustomNotReducible { .. } => "native-histogram-custom-buckets-not-reducible".to_owned(),
            other => other.reason().replace('_', "-"),
        }
    }

    /// The setting that an operator would change, where there is one.
    const fn flag(&self) -> Option<&'static str> {
        match self {
            Self::TooManyLabels { info: false, .. } => Some("validation.max-label-names-per-series"),
            Self::TooManyLabels { info: true, .. } => Some("validation.max-label-names-per-info-series"),
            Self::LabelNameTooLong { .. } => Some("validation.max-length-label-name"),
            Self::LabelValueTooLong { .. } => Some("validation.max-length-label-value"),
            Self::TooFarInFuture { .. } => Some("validation.create-grace-period"),
            Self::TooFarInPast { .. } => Some("validation.past-grace-period"),
            Self::MetadataNameTooLong { .. } | Self::UnitTooLong { .. } => Some("validation.max-metadata-length"),
            _ => None,
        }
    }

    /// What the client is told. `labels` are those of the series; metadata has none.
    pub(crate) fn text(&self, labels: &[RawLabel<'_>]) -> String {
        let series = Shown::series(labels);
        let what = match self {
            Self::MissingName => "received series has no metric name".to_owned(),
            Self::BadName { name } => format!("received a series with invalid metric name: '{}'", Shown::bytes(name)),
            Self::TooManyLabels { actual, limit, info } => {
                let kind = if *info { "an info series" } else { "a series" };
                let more = if series.cut { "\u{2026}" } else { "" };
                format!(
                    "received {kind} whose number of labels exceeds the limit (actual: {actual}, limit: {limit}) series: '{series}{more}'"
                )
            }
            Self::LabelNameTooLong { name } => {
                format!("received a series whose label name length exceeds the limit, label: '{}' series: '{series}'", Shown::bytes(name))
            }
            Self::BadLabelName { name } => {
                format!("received a series with an invalid label: '{}' series: '{series}'", Shown::bytes(name))
            }
            Self::LabelValueTooLong { name, value } => format!(
                "received a series whose label value length exceeds the limit, label: '{}', value: '{}' (truncated) series: '{series}'",
                String::from_utf8_lossy(name),
                Shown::bytes(value)
            ),
            Self::BadLabelValue { name, value } => format!(
                "received a series with invalid value in label '{}': '{}' metric: '{}'",
                Shown::bytes(name),
                Shown::bytes(value),
                Shown::bytes(metric_name(labels))
            ),
            Self::DuplicateLabel { name } => {
                format!("received a series with duplicate label name, label: '{}' series: '{series}'", Shown::bytes(name))
            }
            Self::TooFarInFuture { t } => {
                format!("received a sample whose timestamp is too far in the future, timestamp: {t} series: '{series}'")
            }
            Self::TooFarInPast { t } => {
                format!("received a sample whose timestamp is too far in the past, timestamp: {t} series: '{series}'")
            }
            Self::HistogramSchema { schema } => format!("received a native histogram sample with an invalid schema: {schema}"),
            Self::Histogram { t, error } => format!("err: {error}. timestamp={}, series={series}", Rfc3339(*t)),
            Self::TooManyBuckets { t, buckets, limit } => format!(
                "received a native histogram sample with too many buckets, timestamp: {t} series: {series}, buckets: {buckets}, limit: {limit}"
            ),
            Self::NotReducible { t, buckets, limit } => format!(
                "received a native histogram sample with too many buckets and cannot reduce, timestamp: {t} series: {series}, buckets: \
                 {buckets}, limit: {limit}"
            ),
            Self::CustomNotReducible { t, buckets, limit } => format!(
                "received a native histogram sample with more custom buckets than the limit, timestamp: {t} series: {series}, buckets: \
                 {buckets}, limit: {limit}"
            ),
            Self::MetadataWithoutName => "received a metric metadata with no metric name".to_owned(),
            Self::MetadataNameTooLong { name } => {
                format!("received a metric metadata whose metric name length exceeds the limit, metric name: '{}'", Shown::bytes(name))
            }
            Self::UnitTooLong { unit, name } => format!(
                "received a metric metadata whose unit name length exceeds the limit, unit: '{}' metric name: '{}'",
                Shown::bytes(unit),
                Shown::bytes(name)
            ),
            Self::MetadataNotText { name } => {
                format!("received a metric metadata that is not UTF-8, metric name: '{}'", Shown::bytes(name))
            }
        };
        let id = self.id();
        match self.flag() {
            Some(flag) => limit_text(&what, &id, &[flag]),
            // Mimir does not say which series it was.
            None if !self.shows_series() && !labels.is_empty() => format!("{what} (err-mimir-{id}). The affected series is {series}"),
            None => format!("{what} (err-mimir-{id})"),
        }
    }

    /// Whether the text in Mimir's words names the series.
    const fn shows_series(&self) -> bool {
        !matches!(self, Self::MissingName | Self::BadName { .. } | Self::BadLabelValue { .. } | Self::HistogramSchema { .. })
    }
}

/// A message about a limit of the tenant, with the flags that set it.
pub(crate) fn limit_text(what: &str, id: &str, flags: &[&str]) -> String {
    let limits = if flags.len() == 1 { "limit" } else { "limits" };
    let flags = flags.iter().map(|flag| format!("-{flag}")).collect::<Vec<_>>().join(" and ");
    format!("{what} (err-mimir-{id}). To adjust the related per-tenant {limits}, configure {flags}, or contact your service administrator.")
}

fn metric_name<'a>(labels: &[RawLabel<'a>]) -> &'a [u8] {
    labels.iter().find(|label| label.name == METRIC_NAME.as_bytes()).map_or(&[], |label| label.value)
}

/// The first 200 characters of a text.
struct Shown<'a> {
    text: Cow<'a, str>,
    /// Whether there are more.
    cut: bool,
}

impl<'a> Shown<'a> {
    /// Of bytes that may not be UTF-8: what is not is replaced.
    fn bytes(bytes: &'a [u8]) -> Self {
        // Four bytes a character at most: what stands behind them is not shown, however long it is.
        let (start, cut) = match bytes.get(..4 * SHOWN) {
            Some(start) => (start, bytes.len() > start.len()),
            None => (bytes, false),
        };
        Self { text: String::from_utf8_lossy(start), cut }.limit()
    }

    /// Of a series: `name{label="value", …}`.
    fn series(labels: &[RawLabel<'_>]) -> Self {
        let mut text = String::from_utf8_lossy(metric_name(labels)).into_owned();
        let mut others = labels.iter().filter(|label| label.name != METRIC_NAME.as_bytes()).peekable();
        if others.peek().is_some() || text.is_empty() {
            text.push('{');
            for (index, label) in others.enumerate() {
                if text.len() > 4 * SHOWN {
                    break;
                }
                let comma = if index == 0 { "" } else { ", " };
                let value = String::from_utf8_lossy(label.value);
                text.push_str(&format!("{comma}{}={}", String::from_utf8_lossy(label.name), syntax::Quoted(&value)));
            }
            text.push('}');
        }
        Self { text: Cow::Owned(text), cut: false }.limit()
    }

    fn limit(mut self) -> Self {
        if let Some((end, _)) = self.text.char_indices().nth(SHOWN) {
            self.cut = true;
            self.text = match self.text {
                Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
                Cow::Owned(mut text) => {
                    text.truncate(end);
                    Cow::Owned(text)
                }
            };
        }
        self
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
