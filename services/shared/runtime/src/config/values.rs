//! Values that people write in a configuration: durations, sizes, secrets, and the plain ones.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Setting, SettingDoc};

/// A length of time, written `1h30m`, `15s`, `250ms`, `14d` or `0`; never negative, to the millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration {
    ms: u64,
}

/// A number of bytes, written `64MiB`, `20GiB`, `10MB`, `1024` or `0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A text that pages and logs never show.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// A text that is not the value it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not a duration.
    #[error("\"{0}\" is not a duration: write 15s, 5m, 1h30m or 14d")]
    Duration(String),
    /// Not a size.
    #[error("\"{0}\" is not a size: write 64MiB, 20GiB or a number of bytes")]
    Size(String),
}

const DURATION_UNITS: [(&str, u64); 7] =
    [("y", 31_536_000_000), ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("B", 1),
];

impl HumanDuration {
    /// Of seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self { ms: secs.saturating_mul(1000) }
    }

    /// Of milliseconds.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self { ms }
    }

    /// As the standard library has it.
    #[must_use]
    pub const fn get(self) -> Duration {
        Duration::from_millis(self.ms)
    }

    /// Milliseconds, saturating.
    #[must_use]
    pub fn as_ms(self) -> i64 {
        i64::try_from(self.ms).unwrap_or(i64::MAX)
    }

    /// Nanoseconds, saturating.
    #[must_use]
    pub fn as_ns(self) -> i64 {
        self.as_ms().saturating_mul(1_000_000)
    }

    /// True for `0s`, which many settings read as "off".
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.ms == 0
    }
}

impl FromStr for HumanDuration {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let bad = || ValueError::Duration(text.to_owned());
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.is_empty() {
            return Err(bad());
        }
        let mut ms = 0u64;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
            let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (_, factor) = DURATION_UNITS.iter().find(|(unit, _)| *unit == &rest[..letters]).ok_or_else(bad)?;
            rest = &rest[letters..];
            let product = number * as_f64(*factor);
            if !product.is_finite() || product >= as_f64(u64::MAX / 2) {
                return Err(bad());
            }
            ms = ms.checked_add(rounded(product)).ok_or_else(bad)?;
        }
        Ok(Self { ms })
    }
}

#[allow(clippy::cast_precision_loss, reason = "units are far below 2^53")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked by the caller: finite, not negative, below 2^63")]
fn rounded(number: f64) -> u64 {
    number.round() as u64
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ms == 0 {
            return f.write_str("0s");
        }
        let mut left = self.ms;
        // Years and weeks are read and not written: 13 months are clearer as days.
        for (unit, factor) in &DURATION_UNITS[2..] {
            let count = left / factor;
            left %= factor;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for ByteSize {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let bad = || ValueError::Size(text.to_owned());
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let unit = text[digits..].trim();
        let factor = match unit {
            "" => 1,
            unit => SIZE_UNITS.iter().find(|(known, _)| known.eq_ignore_ascii_case(unit)).ok_or_else(bad)?.1,
        };
        match text[..digits].parse::<u64>() {
            Ok(whole) => whole.checked_mul(factor).map(Self).ok_or_else(bad),
            Err(_) => {
                let product = text[..digits].parse::<f64>().map_err(|_| bad())? * as_f64(factor);
                if product >= as_f64(u64::MAX / 2) { Err(bad()) } else { Ok(Self(rounded(product))) }
            }
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) =
            SIZE_UNITS[..4].iter().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor)).unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

/// Reads a text, or a number where people write one.
struct Text<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = ValueError>> de::Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number with its unit")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        number.to_string().parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        number.to_string().parse().map_err(E::custom)
    }
}

macro_rules! text_value {
    ($name:ident, $kind:literal) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_any(Text(std::marker::PhantomData))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl Setting for $name {
            fn describe(&self, at: &str, doc: &str, out: &mut Vec<SettingDoc>) {
                out.push(SettingDoc::leaf(at, doc, self.to_string(), $kind));
            }
        }
    };
}

text_value!(HumanDuration, "duration");
text_value!(ByteSize, "bytes");

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "" } else { "********" })
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{self:?}"))
    }
}

impl Setting for Secret {
    fn describe(&self, at: &str, doc: &str, out: &mut Vec<SettingDoc>) {
        out.push(SettingDoc::leaf(at, doc, "\"\"", "secret"));
    }
}

macro_rules! plain {
    ($kind:literal: $($ty:ty),*) => { $(
        impl Setting for $ty {
            fn describe(&self, at: &str, doc: &str, out: &mut Vec<SettingDoc>) {
                out.push(SettingDoc::leaf(at, doc, self.to_string(), $kind));
            }
        }
    )* };
}

plain!("integer": u16, u32, u64, usize, i64);
plain!("number": f64);
plain!("true or false": bool);

impl Setting for String {
    fn describe(&self, at: &str, doc: &str, out: &mut Vec<SettingDoc>) {
        out.push(SettingDoc::leaf(at, doc, format!("{self:?}"), "text"));
    }
}

impl Setting for Vec<String> {
    fn describe(&self, at: &str, doc: &str, out: &mut Vec<SettingDoc>) {
        out.push(SettingDoc::leaf(at, doc, format!("{self:?}"), "list"));
    }
}

impl<V: Serialize> Setting for BTreeMap<String, V> {
    fn describe(&self, at: &str, doc: &str, out: &mut Vec<SettingDoc>) {
        let default = serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned());
        out.push(SettingDoc::leaf(at, doc, default, "map"));
    }
}

#[cfg(test)]
mod tests;
