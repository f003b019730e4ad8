//! What a head refuses, in Mimir's words.

use std::fmt;

use runtime::ErrorKind;
use signal::{InstanceLimit, Refusal};

use super::series::Shown;
use crate::ingest::limit_text;
use crate::model::{Exemplar, Labels};

/// How many refusals of one push name their series: the client is told of one.
const DETAILED: usize = 16;

/// The reason of series that would be one active series too many: distributors count them and tell all of a request at once.
pub(crate) const ACTIVE_SERIES_LIMIT: &str = "per_user_active_series_limit";

/// Why a sample is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Older than the newest sample of its series, and the tenant has no out-of-order window.
    OutOfOrder { t: i64, new: Shown, newest: i64, old: Shown },
    /// Older than the out-of-order window.
    TooOld { t: i64, new: Shown, newest: i64, old: Shown },
    /// Another value has that time.
    Duplicate { t: i64, new: Shown, old: Shown },
    /// The tenant's limit of series; the figure is the tenant's, not this ingester's share of it.
    SeriesPerUser { limit: u64 },
    /// The tenant's limit of active series.
    ActiveSeries { limit: u64 },
    /// The tenant's limit of series per metric.
    SeriesPerMetric { limit: u64 },
    /// Older than the newest exemplar of its series.
    ExemplarOutOfOrder { exemplar: Exemplar },
    /// An exemplar of a series that has no samples.
    ExemplarSeriesMissing { exemplar: Exemplar },
    /// The item is not what its format byte says.
    Malformed,
    /// The head has given all its numbers.
    Full,
    /// The ingester has no room for a new series, whosever it is.
    NoRoom,
}

impl Cause {
    const fn kind(&self) -> ErrorKind {
        match self {
            Self::OutOfOrder { .. } | Self::TooOld { .. } | Self::Duplicate { .. } => ErrorKind::BadInput,
            Self::ExemplarOutOfOrder { .. } | Self::ExemplarSeriesMissing { .. } => ErrorKind::BadInput,
            Self::SeriesPerUser { .. } | Self::SeriesPerMetric { .. } => ErrorKind::LimitExceeded,
            // As in Mimir: it may pass by itself.
            Self::ActiveSeries { .. } => ErrorKind::RateLimited,
            Self::Malformed | Self::Full => ErrorKind::Internal,
            Self::NoRoom => ErrorKind::Unavailable,
        }
    }

    const fn reason(&self) -> &'static str {
        match self {
            Self::OutOfOrder { .. } => "sample-out-of-order",
            Self::TooOld { .. } => "sample-timestamp-too-old",
            Self::Duplicate { .. } => "new-value-for-timestamp",
            Self::SeriesPerUser { .. } => "per_user_series_limit",
            Self::ActiveSeries { .. } => ACTIVE_SERIES_LIMIT,
            Self::SeriesPerMetric { .. } => "per_metric_series_limit",
            Self::ExemplarOutOfOrder { .. } => "exemplar-out-of-order",
            Self::ExemplarSeriesMissing { .. } => "exemplar-series-missing",
            Self::Malformed => "malformed",
            Self::Full => "head_full",
            Self::NoRoom => InstanceLimit::Series.word(),
        }
    }

    /// What the client is told, with the series or without.
    fn text(&self, series: Option<&Labels>) -> String {
        // Behind what Mimir says stands the pair that does not fit together.
        let sample = |what: &str, id: &str, t: i64, new: Shown, other: std::fmt::Arguments<'_>| match series {
            Some(labels) => {
                let time = Rfc3339(t);
                let affected = format!("The affected sample has timestamp {time} and is from series {labels}");
                format!("{what} (err-mimir-{id}). {affected}. Its value is {new}, {other}")
            }
            None => format!("{what} (err-mimir-{id})"),
        };
        match *self {
            Self::OutOfOrder { t, new, newest, old } => sample(
                "the sample has been rejected because another sample with a more recent timestamp has already been ingested and \
                 out-of-order samples are not allowed",
                "sample-out-of-order",
                t,
                new,
                format_args!("the newest sample of the series has timestamp {} and value {old}", Rfc3339(newest)),
            ),
            Self::TooOld { t, new, newest, old } => sample(
                "the sample has been rejected because its timestamp is too old",
                "sample-timestamp-too-old",
                t,
                new,
                format_args!("the newest sample of the series has timestamp {} and value {old}", Rfc3339(newest)),
            ),
            Self::Duplicate { t, new, old } => sample(
                "the sample has been rejected because another sample with the same timestamp, but a different value, has already been \
                 ingested",
                "sample-duplicate-timestamp",
                t,
                new,
                format_args!("the value that is stored at that timestamp is {old}"),
            ),
            Self::SeriesPerUser { limit } => limit_text(
                &format!("per-user series limit of {limit} exceeded"),
                "max-series-per-user",
                &["ingester.max-global-series-per-user"],
            ),
            Self::ActiveSeries { limit } => limit_text(
                &format!("the series has been rejected because the tenant exceeded the active series limit, set to {limit}"),
                "max-active-series",
                &["distributor.max-active-series-per-user"],
            ),
            Self::SeriesPerMetric { limit } => {
                let text = limit_text(
                    &format!("per-metric series limit of {limit} exceeded"),
                    "max-series-per-metric",
                    &["ingester.max-global-series-per-metric"],
                );
                match series {
                    Some(labels) => format!("{text} This is for series {labels}"),
                    None => text,
                }
            }
            Self::ExemplarOutOfOrder { ref exemplar } => {
                let (time, labels) = (Rfc3339(exemplar.t), series.cloned().unwrap_or_default());
                format!("err: out of order exemplar. timestamp={time}, series={labels}, exemplar={}", exemplar.labels)
            }
            Self::ExemplarSeriesMissing { ref exemplar } => {
                let (time, labels) = (Rfc3339(exemplar.t), series.cloned().unwrap_or_default());
                format!(
                    "the exemplar has been rejected because the related series has not been ingested yet \
                     (err-mimir-exemplar-series-missing). The affected exemplar is {} with timestamp {time} for series {labels}",
                    exemplar.labels
                )
            }
            Self::Malformed => "an item of the push is not a series".to_owned(),
            Self::Full => "the head cannot take more series before it is restarted".to_owned(),
            Self::NoRoom => InstanceLimit::Series.to_string(),
        }
    }
}

/// The refusals of one push: at most one for each item, with the first cause and all rows.
#[derive(Debug, Default)]
pub(super) struct Refusals(Vec<Refusal>);

impl Refusals {
    /// Counts `rows` rows of an item as refused.
    pub(super) fn add(&mut self, item: u32, cause: Cause, rows: u32, labels: impl FnOnce() -> Option<Labels>) {
        if let Some(known) = self.0.last_mut().filter(|known| known.item == item) {
            known.rows += rows;
            return;
        }
        let labels = if self.0.len() < DETAILED { labels() } else { None };
        let text = cause.text(labels.as_ref());
        self.0.push(Refusal { item, kind: cause.kind(), reason: cause.reason().to_owned(), text, rows });
    }

    pub(super) fn into_inner(self) -> Vec<Refusal> {
        self.0
    }
}

/// A time in ms as RFC 3339 writes it in UTC, with as many decimals as it needs. Years that RFC 3339 cannot say have more digits.
pub(crate) struct Rfc3339(pub(crate) i64);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match ms % 1000 {
            0 => {}
            ms if ms % 100 == 0 => write!(f, ".{}", ms / 100)?,
            ms if ms % 10 == 0 => write!(f, ".{:02}", ms / 10)?,
            ms => write!(f, ".{ms:03}")?,
        }
        f.write_str("Z")
    }
}

/// Year, month and day of a number of days since 1970-01-01 in the Gregorian calendar. Counts years from March, so that the
/// leap day is the last of its year, in eras of 400 years of 146 097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests;
