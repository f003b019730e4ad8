//! Where buckets end.

mod mantissas;

use mantissas::MANTISSAS;

use super::{CUSTOM_SCHEMA, MAX_SCHEMA, MIN_SCHEMA};

/// The exponent of the power of two that is just too large for a float: `2^1024`.
const OVERFLOW: i64 = 1024;

/// The upper bound of the positive bucket `index` of an exponential schema. The lower bound is that of the bucket before; buckets of
/// negative observations mirror both.
///
/// Bit-equal to what other implementations of the specification compute. The bucket that ends with the largest finite float is
/// followed by that of infinity. A schema out of range is taken for the nearest one.
#[must_use]
pub fn bound(schema: i32, index: i32) -> f64 {
    let schema = schema.clamp(MIN_SCHEMA, MAX_SCHEMA);
    let index = i64::from(index);
    if schema < 0 {
        let exponent = index << schema.unsigned_abs();
        return if exponent == OVERFLOW { f64::MAX } else { scaled(1.0, exponent) };
    }
    let place = index & ((1 << schema) - 1);
    let exponent = (index >> schema) + 1;
    // The mantissa of place 0 is one half: here the bound is 2^1024.
    if place == 0 && exponent == OVERFLOW + 1 {
        return f64::MAX;
    }
    let mantissa = usize::try_from(place << (MAX_SCHEMA - schema)).map_or(1.0, |place| MANTISSAS[place]);
    scaled(mantissa, exponent)
}

/// The upper bound of the custom bucket `index`: -Inf before the first, +Inf from the last on.
#[must_use]
pub fn custom_bound(bounds: &[f64], index: i32) -> f64 {
    match usize::try_from(index) {
        Ok(index) => bounds.get(index).copied().unwrap_or(f64::INFINITY),
        Err(_) => f64::NEG_INFINITY,
    }
}

/// The upper bound of a bucket of any schema.
#[must_use]
pub(super) fn any_bound(schema: i32, bounds: &[f64], index: i32) -> f64 {
    if schema == CUSTOM_SCHEMA { custom_bound(bounds, index) } else { bound(schema, index) }
}

/// `mantissa * 2^exponent`, rounded once.
fn scaled(mantissa: f64, exponent: i64) -> f64 {
    // Beyond it the result is zero or infinity anyway. Halves of it are exponents of normal floats, so that only the last
    // multiplication can round.
    let exponent = exponent.clamp(-1200, 1200);
    let half = exponent / 2;
    mantissa * power(half) * power(exponent - half)
}

/// `2^exponent` for exponents of normal floats.
fn power(exponent: i64) -> f64 {
    f64::from_bits((exponent + 1023).cast_unsigned() << 52)
}

#[cfg(test)]
mod tests;
