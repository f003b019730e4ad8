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
///
/// `ascii`: all names and values are known to be; else it is looked at whether they are UTF-8.
pub(super) fn check<'a>(labels: &[RawLabel<'a>], ascii: bool, limits: &MetricsLimits) -> Result<(), Fault<'a>> {
    let is_text = |bytes: &[u8]| ascii || std::str::from_utf8(bytes).is_ok();
    let legacy = limits.name_validation_scheme == NameValidation::Legacy;
    let is_name = |name: &[u8], is_legacy: fn(&[u8]) -> bool| if legacy { is_legacy(name) } else { !name.is_empty() && is_text(name) };
    let name = labels.iter().find(|label| label.name == METRIC_NAME.as_bytes()).ok_or(Fault::MissingName)?.value;
    if !is_name(name, |name| is_legacy_metric_name(name)) {
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
        if !is_name(name, |name| is_legacy_name(name)) {
            return Err(Fault::BadLabelName { name });
        }
        if name.len() > limits.max_label_name_length {
            return Err(Fault::LabelNameTooLong { name });
        }
        if !is_text(value) {
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
