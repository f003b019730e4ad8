use super::{bound, custom_bound};

#[test]
#[expect(clippy::approx_constant, reason = "the bound is a unit in the last place below the root of two")]
fn bounds_are_those_of_the_standard() {
    for (schema, index, expected) in [
        (0, 0, 1.0),
        (0, 1, 2.0),
        (0, -1, 0.5),
        (0, 1023, 8.98846567431158e307),
        (0, 1024, f64::MAX),
        (0, 1025, f64::INFINITY),
        (0, -1074, 5e-324),
        (0, -1075, 0.0),
        (-1, 512, f64::MAX),
        (-1, 513, f64::INFINITY),
        (-4, 0, 1.0),
        (-4, 1, 65_536.0),
        (-4, 64, f64::MAX),
        (-4, 65, f64::INFINITY),
        (-4, -68, 0.0),
        (2, 2, 1.414213562373095),
        (3, 8191, 1.6484918731100238e308),
        (3, 8192, f64::MAX),
        (3, 8193, f64::INFINITY),
        (8, 262_144, f64::MAX),
        (8, 255, 1.9945921121709396),
        (8, -256, 0.5),
        (5, 48, 2.82842712474619),
    ] {
        assert_eq!(bound(schema, index).to_bits(), f64::to_bits(expected), "schema {schema}, index {index}: {}", bound(schema, index));
    }
}

#[test]
fn bounds_rise_and_no_index_panics() {
    for schema in -4..=8 {
        for index in -3000..3000 {
            assert!(bound(schema, index) <= bound(schema, index + 1), "schema {schema}, index {index}");
        }
        assert_eq!(bound(schema, i32::MIN), 0.0);
        assert_eq!(bound(schema, i32::MAX), f64::INFINITY);
    }
    assert_eq!(custom_bound(&[1.0, 2.0], -1), f64::NEG_INFINITY);
    assert_eq!(custom_bound(&[1.0, 2.0], 1), 2.0);
    assert_eq!(custom_bound(&[1.0, 2.0], 2), f64::INFINITY);
    assert_eq!(custom_bound(&[], i32::MAX), f64::INFINITY);
}
