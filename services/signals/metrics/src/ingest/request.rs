//! A remote-write 1.0 request: decoded in place and checked against the tenant's limits.
//!
//! A series that came sorted and clean is handed on as the range of the body where it stands. One that had to be mended
//! (labels sorted, samples left out) is written again behind the end of the body, which is then one piece with it.
//!
//! Hot file: no allocation per series or sample that is good.

use bytes::Bytes;
use signal::Item;
use tenancy::TenantId;

use super::fault::Fault;
use super::protobuf::{Message, ProtobufError};
use super::series::{RawLabel, RawSeries, read_exemplar, read_metadata};
use crate::limits::{MetricsLimits, NameValidation};
use crate::model::{METRIC_NAME, is_legacy_metric_name, is_legacy_name, shard_key};

/// Most characters of an exemplar's labels, names and values together.
const EXEMPLAR_CHARACTERS: usize = 128;

/// What a request is checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) limits: &'a MetricsLimits,
    /// The time, ms since the Unix epoch.
    pub(crate) now: i64,
}

/// How many of what were refused, and why.
pub(crate) type Discarded = Vec<(&'static str, u64)>;

/// A request after its checks: the good part of it, and what is wrong with the rest.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// What goes on, in the order in which it came.
    pub(crate) items: Vec<Item>,
    /// What the items point into.
    pub(crate) bytes: Bytes,
    /// The text of the first fault.
    pub(crate) fault: Option<String>,
    /// Greatest timestamp of a good sample, ms.
    pub(crate) latest: Option<i64>,
    pub(crate) samples_in: u64,
    pub(crate) samples: u64,
    pub(crate) exemplars_in: u64,
    pub(crate) metadata_in: u64,
    pub(crate) metadata: u64,
    pub(crate) discarded_samples: Discarded,
    pub(crate) discarded_exemplars: Discarded,
    pub(crate) discarded_metadata: Discarded,
    /// How many labels each series has that was looked at.
    pub(crate) label_counts: Vec<u32>,
}

/// Decodes and checks a request. Errors: the body is not a `prometheus.WriteRequest`; nothing of it is used then.
pub(crate) fn check(mut body: Vec<u8>, rules: Rules<'_>) -> Result<Checked, ProtobufError> {
    let mut checked = Checked::default();
    let mut mended = Vec::new();
    let mut series = RawSeries::default();
    let mut message = Message::whole(&body);
    while let Some(field) = message.next()? {
        match field.number {
            1 => {
                let place = field.value.bytes("Timeseries")?;
                series.read(&body, place.clone())?;
                let clean = checked.series(&body, &mut series, rules)?;
                if series.samples.is_empty() {
                    continue;
                }
                let range = if clean {
                    place
                } else {
                    let start = mended.len();
                    series.write(&mut mended);
                    body.len() + start..body.len() + mended.len()
                };
                let at = |offset: usize| u32::try_from(offset).expect("bodies are limited far below 4 GiB");
                let key = shard_key(rules.tenant.as_str(), series.hash());
                checked.items.push(Item { key, start: at(range.start), end: at(range.end) });
            }
            3 => {
                let metadata = read_metadata(&body, field.value.bytes("Metadata")?)?;
                checked.metadata_in += 1;
                match check_metadata(metadata.metric, metadata.unit, rules.limits) {
                    Ok(()) => checked.metadata += 1,
                    Err(fault) => {
                        count(&mut checked.discarded_metadata, fault.reason(), 1);
                        checked.fault.get_or_insert_with(|| fault.text(&[]));
                    }
                }
            }
            _ => {}
        }
    }
    drop(series);
    body.append(&mut mended);
    checked.bytes = body.into();
    Ok(checked)
}

impl Checked {
    /// Checks one series and takes out of it what is refused. True when the series can go on as it stands in the body.
    fn series<'a>(&mut self, body: &'a [u8], series: &mut RawSeries<'a>, rules: Rules<'_>) -> Result<bool, ProtobufError> {
        let came = series.samples.len() as u64;
        self.samples_in += came;
        self.exemplars(body, series)?;
        count(&mut self.discarded_samples, "native_histograms_not_stored", series.histograms);
        let mut clean = series.tidy();
        self.label_counts.push(u32::try_from(series.labels.len()).unwrap_or(u32::MAX));
        if let Err(fault) = check_labels(&series.labels, rules.limits) {
            count(&mut self.discarded_samples, fault.reason(), came);
            self.fault.get_or_insert_with(|| fault.text(&series.labels));
            series.samples.clear();
            return Ok(false);
        }
        let times = Times::new(rules);
        if let Some(first) = series.samples.iter().find_map(|sample| times.check(sample.t)) {
            clean = false;
            self.fault.get_or_insert_with(|| first.text(&series.labels));
            let discarded = &mut self.discarded_samples;
            series.samples.retain(|sample| match times.check(sample.t) {
                Some(fault) => {
                    count(discarded, fault.reason(), 1);
                    false
                }
                None => true,
            });
        }
        self.samples += series.samples.len() as u64;
        self.latest = series.samples.iter().map(|sample| sample.t).fold(self.latest, |latest, t| latest.max(Some(t)));
        Ok(clean)
    }

    /// Bad exemplars are counted under what is wrong with them; a bad one does not refuse its series. None are stored yet.
    fn exemplars(&mut self, body: &[u8], series: &RawSeries<'_>) -> Result<(), ProtobufError> {
        for place in &series.exemplars {
            let exemplar = read_exemplar(body, place.clone())?;
            self.exemplars_in += 1;
            let reason = match exemplar {
                one if one.labels == 0 => "exemplar_labels_missing",
                one if one.t == 0 => "exemplar_timestamp_invalid",
                one if one.characters > EXEMPLAR_CHARACTERS => "exemplar_labels_too_long",
                _ => "exemplars_not_stored",
            };
            count(&mut self.discarded_exemplars, reason, 1);
        }
        Ok(())
    }
}

/// The times that a sample may have.
#[derive(Clone, Copy)]
struct Times {
    latest: i64,
    earliest: Option<i64>,
}

impl Times {
    fn new(rules: Rules<'_>) -> Self {
        let past = rules.limits.past_grace_period.as_ms();
        let earliest = rules.now.saturating_sub(past).saturating_sub(rules.limits.out_of_order_time_window.as_ms());
        Self { latest: rules.now.saturating_add(rules.limits.creation_grace_period.as_ms()), earliest: (past > 0).then_some(earliest) }
    }

    fn check(self, t: i64) -> Option<Fault<'static>> {
        if t > self.latest {
            return Some(Fault::TooFarInFuture { t });
        }
        self.earliest.is_some_and(|earliest| t < earliest).then_some(Fault::TooFarInPast { t })
    }
}

/// Checks the labels of a series, which are sorted and have values.
fn check_labels<'a>(labels: &[RawLabel<'a>], limits: &MetricsLimits) -> Result<(), Fault<'a>> {
    let name = labels.iter().find(|label| label.name == METRIC_NAME.as_bytes()).ok_or(Fault::MissingName)?.value;
    if !is_name(name, limits.name_validation_scheme, is_legacy_metric_name) {
        return Err(Fault::BadName { name });
    }
    if labels.len() > limits.max_label_names_per_series {
        let info = name.ends_with(b"_info");
        let limit = if info { limits.max_label_names_per_info_series } else { limits.max_label_names_per_series };
        if labels.len() > limit {
            return Err(Fault::TooManyLabels { actual: labels.len(), limit, info });
        }
    }
    let mut before: Option<&[u8]> = None;
    for RawLabel { name, value } in labels.iter().copied() {
        if !is_name(name, limits.name_validation_scheme, is_legacy_name) {
            return Err(Fault::BadLabelName { name });
        }
        if name.len() > limits.max_label_name_length {
            return Err(Fault::LabelNameTooLong { name });
        }
        if std::str::from_utf8(value).is_err() {
            return Err(Fault::BadLabelValue { name, value });
        }
        if value.len() > limits.max_label_value_length {
            return Err(Fault::LabelValueTooLong { name, value });
        }
        if before == Some(name) {
            return Err(Fault::DuplicateLabel { name });
        }
        before = Some(name);
    }
    Ok(())
}

fn is_name(bytes: &[u8], scheme: NameValidation, legacy: impl Fn(&str) -> bool) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(text) => !text.is_empty() && (scheme == NameValidation::Utf8 || legacy(text)),
        Err(_) => false,
    }
}

fn check_metadata<'a>(metric: &'a [u8], unit: &'a [u8], limits: &MetricsLimits) -> Result<(), Fault<'a>> {
    if metric.is_empty() {
        return Err(Fault::MetadataWithoutName);
    }
    if metric.len() > limits.max_metadata_length {
        return Err(Fault::MetadataNameTooLong { name: metric });
    }
    if unit.len() > limits.max_metadata_length {
        return Err(Fault::UnitTooLong { unit, name: metric });
    }
    Ok(())
}

fn count(counts: &mut Discarded, reason: &'static str, more: u64) {
    if more == 0 {
        return;
    }
    match counts.iter_mut().find(|(known, _)| *known == reason) {
        Some((_, count)) => *count += more,
        None => counts.push((reason, more)),
    }
}

#[cfg(test)]
pub(crate) mod tests;
