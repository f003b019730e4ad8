use super::{acosh, asinh, ln, log10};

#[test]
fn subnormal_numbers_have_the_logarithms_that_prometheus_gives() {
    assert_eq!(ln(5e-324), -709.089_565_712_824_1);
    assert_eq!(ln(1.5e-310), -709.082_846_984_854_8);
    assert_eq!(log10(5e-324), -307.953_685_564_252_8);
    assert_eq!(ln(f64::MIN_POSITIVE), f64::MIN_POSITIVE.ln());
    assert_eq!(ln(0.0), f64::NEG_INFINITY);
    assert!(ln(-1.0).is_nan());
}

#[test]
fn huge_numbers_do_not_overflow() {
    assert_eq!(asinh(1.7e308), 710.419_984_073_788_1);
    assert_eq!(asinh(-1.7e308), -710.419_984_073_788_1);
    assert_eq!(acosh(1.7e308), 710.419_984_073_788_1);
    assert_eq!(asinh(f64::INFINITY), f64::INFINITY);
    assert!((asinh(LARGE_ENOUGH) - LARGE_ENOUGH.asinh()).abs() < 1e-12);
}

const LARGE_ENOUGH: f64 = 1e9;
