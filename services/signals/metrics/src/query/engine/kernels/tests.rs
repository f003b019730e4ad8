use super::{Each, extreme, mean, smoothed, sum, variance};
use crate::model::Labels;
use crate::model::Sample;
use crate::query::engine::batch::{Batch, SeriesKey, Steps};
use crate::query::engine::numbers::{general, label, plain, quantile};
use crate::query::engine::plan::Windows;
use proptest::prelude::*;

fn samples(values: &[f64]) -> Vec<Sample> {
    values.iter().zip(0..).map(|(v, t)| Sample { t: t * 1_000, v: *v }).collect()
}

#[test]
fn sums_keep_low_bits() {
    assert_eq!(sum(&samples(&[1.0, 1e100, 1.0, -1e100])), 2.0);
    assert_eq!(sum(&samples(&[f64::INFINITY, 1.0])), f64::INFINITY);
    assert_eq!(mean(&samples(&[1.0, 1e100, 1.0, -1e100])), Some(0.5));
    assert_eq!(mean(&samples(&[f64::MAX, f64::MAX])), Some(f64::MAX));
    let running = mean(&samples(&[-f64::MAX, -f64::MAX, 0.0])).expect("there are samples");
    assert!((running / (-f64::MAX / 3.0 * 2.0) - 1.0).abs() < 1e-15);
}

#[test]
fn spreads_and_extremes() {
    assert_eq!(variance(&samples(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])), 4.0);
    assert!(variance(&samples(&[1.0, f64::INFINITY])).is_nan());
    let greatest = extreme(&samples(&[f64::NAN, 3.0, 3.0, 1.0]), |value, so_far| value > so_far).expect("there are samples");
    assert_eq!((greatest.t, greatest.v), (1_000, 3.0));
}

#[test]
fn smoothing_follows_a_line() {
    assert_eq!(smoothed(&samples(&[1.0, 2.0, 3.0, 4.0]), 0.5, 0.5), Some(4.0));
    assert_eq!(smoothed(&samples(&[1.0]), 0.5, 0.5), None);
}

#[test]
fn quantiles_interpolate() {
    let of = |phi, values: &[f64]| quantile(phi, &mut values.to_vec());
    assert_eq!(of(0.5, &[3.0, 1.0, 2.0, 4.0]), 2.5);
    assert_eq!(of(-0.1, &[1.0]), f64::NEG_INFINITY);
    assert_eq!(of(1.1, &[1.0]), f64::INFINITY);
    assert_eq!(of(1.0, &[f64::NAN, 1.0]), 1.0);
    assert!(of(0.0, &[f64::NAN, 1.0]).is_nan());
    assert!(of(0.5, &[]).is_nan());
}

#[test]
fn floats_are_written_as_go_does() {
    for (value, text) in
        [(1e6, "1e+06"), (123_456.0, "123456"), (1.5e-7, "1.5e-07"), (0.0001, "0.0001"), (f64::INFINITY, "+Inf"), (-0.0, "-0")]
    {
        assert_eq!(general(value, None), text);
    }
    assert_eq!(general(0.012_34, Some(2)), "0.012");
    assert_eq!(general(12.0, Some(2)), "12");
    assert_eq!(general(123.0, Some(2)), "1.2e+02");
    assert_eq!(plain(1e21), "1000000000000000000000");
    assert_eq!((label(1.0), label(0.99)), ("1.0".to_owned(), "0.99".to_owned()));
}

proptest! {
    /// Each window holds what a search over all samples finds.
    #[test]
    fn windows_hold_their_samples(
        gaps in prop::collection::vec(1_i64..50, 0..200),
        start in -100_i64..3_000, step in 1_i64..200, count in 1_usize..80, range in 1_i64..500, offset in -100_i64..100,
    ) {
        let mut t = 0;
        let samples: Vec<Sample> = gaps.iter().map(|gap| { t += gap; Sample { t, v: 1.0 } }).collect();
        let steps = Steps { start, step, count };
        let windows = Windows { steps, range, offset, fixed: None };
        let mut batch = Batch::new(count);
        let mut found = vec![Vec::new(); count];
        batch.push_with(SeriesKey { labels: Labels::empty(), drop_name: false }, |row| {
            Each { samples: &samples, windows }.run(row, |window| {
                found[window.step] = window.samples.to_vec();
                assert_eq!(samples[window.first], window.samples[0]);
                Some(1.0)
            });
        });
        for (step, found) in found.iter().enumerate() {
            let end = steps.at(step) - offset;
            let expected: Vec<Sample> = samples.iter().filter(|sample| sample.t > end - range && sample.t <= end).copied().collect();
            prop_assert_eq!(found, &expected);
        }
    }

    /// A calendar that goes on day by day agrees.
    #[test]
    fn dates_follow_each_other(days in -800_000_i64..800_000) {
        use crate::query::engine::dates::Civil;
        let (today, tomorrow) = (Civil::of(days * 86_400), Civil::of((days + 1) * 86_400));
        prop_assert_eq!((today.day_of_week() + 1) % 7, tomorrow.day_of_week());
        if today.day_of_month() < today.days_in_month() {
            prop_assert_eq!((today.year(), today.month(), today.day_of_month() + 1), (tomorrow.year(), tomorrow.month(), tomorrow.day_of_month()));
            prop_assert_eq!(today.day_of_year() + 1, tomorrow.day_of_year());
        } else {
            prop_assert_eq!(tomorrow.day_of_month(), 1);
            prop_assert_eq!(today.year() * 12 + today.month(), tomorrow.year() * 12 + tomorrow.month() - 1);
        }
    }
}
