//! Numbers, truths and enumerations: what JSON may write for them, and how protobuf writes them.

use proto::json::{Field, Kind};

use super::{put_tag, put_varint};

/// A value of JSON that stands for a number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number<'a> {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(&'a str),
}

/// Why a value does not fit its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NumberError {
    #[error("not a number that the field can hold")]
    Range,
    #[error("a value of another type")]
    Type,
}

/// Appends the field with a number.
pub(super) fn put(out: &mut Vec<u8>, field: &Field, number: Number<'_>) -> Result<(), NumberError> {
    let (wire, bits) = match field.kind {
        Kind::Double => (1, double(number)?.to_bits()),
        Kind::Fixed64 => (1, unsigned(number)?),
        Kind::Sfixed64 => (1, signed(number)?.cast_unsigned()),
        Kind::Int64 => (0, signed(number)?.cast_unsigned()),
        Kind::Uint64 => (0, unsigned(number)?),
        Kind::Int32 => (0, i64::from(small(number)?).cast_unsigned()),
        Kind::Uint32 => (0, u64::from(u32::try_from(unsigned(number)?).map_err(|_| NumberError::Range)?)),
        Kind::Sint32 => (0, zigzag(small(number)?)),
        Kind::Bool => (0, u64::from(truth(number)?)),
        Kind::Enum(values) => (0, i64::from(named(number, values)?).cast_unsigned()),
        Kind::Text | Kind::Base64 | Kind::Hex | Kind::Message(_) => return Err(NumberError::Type),
    };
    put_tag(out, field.number, wire);
    if wire == 1 {
        out.extend_from_slice(&bits.to_le_bytes())
    } else {
        put_varint(out, bits)
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "a double is what the field holds")]
fn double(number: Number<'_>) -> Result<f64, NumberError> {
    match number {
        Number::Float(value) => Ok(value),
        Number::Signed(value) => Ok(value as f64),
        Number::Unsigned(value) => Ok(value as f64),
        Number::Text("NaN") => Ok(f64::NAN),
        Number::Text("Infinity") => Ok(f64::INFINITY),
        Number::Text("-Infinity") => Ok(f64::NEG_INFINITY),
        Number::Text(text) => text.parse().map_err(|_| NumberError::Range),
        Number::Bool(_) => Err(NumberError::Type),
    }
}

fn signed(number: Number<'_>) -> Result<i64, NumberError> {
    match number {
        Number::Signed(value) => Ok(value),
        Number::Unsigned(value) => i64::try_from(value).map_err(|_| NumberError::Range),
        Number::Float(value) => whole(value).and_then(|value| i64::try_from(value).ok()).ok_or(NumberError::Range),
        Number::Text(text) => text.parse().map_err(|_| NumberError::Range),
        Number::Bool(_) => Err(NumberError::Type),
    }
}

fn unsigned(number: Number<'_>) -> Result<u64, NumberError> {
    match number {
        Number::Signed(value) => u64::try_from(value).map_err(|_| NumberError::Range),
        Number::Unsigned(value) => Ok(value),
        Number::Float(value) => whole(value).and_then(|value| u64::try_from(value).ok()).ok_or(NumberError::Range),
        Number::Text(text) => text.parse().map_err(|_| NumberError::Range),
        Number::Bool(_) => Err(NumberError::Type),
    }
}

fn small(number: Number<'_>) -> Result<i32, NumberError> {
    i32::try_from(signed(number)?).map_err(|_| NumberError::Range)
}

fn truth(number: Number<'_>) -> Result<bool, NumberError> {
    match number {
        Number::Bool(value) => Ok(value),
        Number::Text("true") => Ok(true),
        Number::Text("false") => Ok(false),
        _ => Err(NumberError::Type),
    }
}

fn named(number: Number<'_>, values: &[(&str, i32)]) -> Result<i32, NumberError> {
    let name = |text| values.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    match number {
        Number::Text(text) => name(text).map_or_else(|| small(number), Ok),
        number => small(number),
    }
}

/// A number like `5.0` or `1e3` without a fraction; doubles hold whole numbers exactly up to 2^53.
#[allow(clippy::cast_possible_truncation, reason = "bounded before")]
fn whole(value: f64) -> Option<i128> {
    (value.fract() == 0.0 && value.abs() < 1.9e19).then_some(value as i128)
}

/// Small numbers of either sign in few bytes: 0, -1, 1, -2 … become 0, 1, 2, 3 ….
fn zigzag(value: i32) -> u64 {
    u64::from(((value << 1) ^ (value >> 31)).cast_unsigned())
}
