//! Checks of a series' labels against the tenant's limits, and what is done to values that are too long.

use std::borrow::Cow;

use blake2::Blake2b;
use blake2::digest::Digest;
use blake2::digest::consts::U32;

use super::fault::Fault;
use super::series::RawLabel;
use crate::limits::{MetricsLimits, NameValidation, OverLength};
use crate::model::{METRIC_NAME, is_legacy_metric_name, is_legacy_name};

/// Bytes of what stands in place of a value that is too long: `(hash:`, 64 digits, `)`.
pub(crate) const HASH_LEN: usize = 71;

/// Checks the labels of a series, which are sorted and have values. Values that are too long are no fault if the tenant has them shortened.
pub(super) fn check<'a>(labels: &[RawLabel<'a>], limits: &MetricsLimits) -> Result<(), Fault<'a>> {
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
        if value.len() > limits.max_label_value_length && limits.label_value_length_over_limit_strategy == OverLength::Error {
            return Err(Fault::LabelValueTooLong { name, value });
        }
        if before == Some(name) {
            return Err(Fault::DuplicateLabel { name });
        }
        before = Some(name);
    }
    Ok(())
}

/// True when a good series has a value that has to be shortened.
pub(super) fn has_long_value(labels: &[RawLabel<'_>], limits: &MetricsLimits) -> bool {
    limits.label_value_length_over_limit_strategy != OverLength::Error
        && labels.iter().any(|label| label.value.len() > limits.max_label_value_length)
}

/// The value that stands for one that may be too long: its beginning with a hash of the whole behind, or the hash alone.
/// The hash is BLAKE2b of 256 bits (RFC 7693), as in Mimir, so that series have the same names here and there.
pub(super) fn shortened<'a>(value: &'a [u8], limits: &MetricsLimits) -> Cow<'a, [u8]> {
    if value.len() <= limits.max_label_value_length {
        return Cow::Borrowed(value);
    }
    let kept = match limits.label_value_length_over_limit_strategy {
        OverLength::Error => return Cow::Borrowed(value),
        OverLength::Truncate => limits.max_label_value_length.saturating_sub(HASH_LEN),
        OverLength::Drop => 0,
    };
    // Not within a character.
    let kept = (0..=kept).rev().find(|end| value[*end] & 0xc0 != 0x80).unwrap_or(0);
    let mut short = value[..kept].to_vec();
    short.extend_from_slice(b"(hash:");
    for byte in Blake2b::<U32>::digest(value) {
        short.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
    }
    short.push(b')');
    Cow::Owned(short)
}

const fn hex_digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[nibble as usize]
}

fn is_name(bytes: &[u8], scheme: NameValidation, legacy: impl Fn(&str) -> bool) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(text) => !text.is_empty() && (scheme == NameValidation::Utf8 || legacy(text)),
        Err(_) => false,
    }
}
