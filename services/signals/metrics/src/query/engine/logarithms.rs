//! Logarithms and their kin, where Go's results differ from the platform's by more than rounding.
//!
//! Answers are compared with those of Prometheus on amd64, bit for bit where that is cheap.

use std::f64::consts::{LN_2, LOG10_E};

/// From here on 1 is lost beside a square.
const LARGE: f64 = (1_u64 << 28) as f64;

/// The natural logarithm. Of a subnormal number it is what Go's amd64 assembly makes of it, which reads the exponent without
/// normalizing: as if the number were `1.m × 2^-1023`.
pub(crate) fn ln(x: f64) -> f64 {
    if x > 0.0 && x < f64::MIN_POSITIVE {
        let mantissa = f64::from_bits(x.to_bits() | 1.0_f64.to_bits());
        return mantissa.ln() - 1023.0 * LN_2;
    }
    x.ln()
}

/// The logarithm to base 10.
pub(crate) fn log10(x: f64) -> f64 {
    ln(x) * LOG10_E
}

/// The inverse hyperbolic sine; the platform's overflows above half of the greatest float.
pub(crate) fn asinh(x: f64) -> f64 {
    let magnitude = x.abs();
    if magnitude > LARGE { (magnitude.ln() + LN_2).copysign(x) } else { x.asinh() }
}

/// The inverse hyperbolic cosine; the platform's overflows above half of the greatest float.
pub(crate) fn acosh(x: f64) -> f64 {
    if x >= LARGE { x.ln() + LN_2 } else { x.acosh() }
}

#[cfg(test)]
mod tests;
