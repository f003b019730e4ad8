//! Series as scrapes make them, from a fixed seed.

use quartet_metrics::model::Sample;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const START: i64 = 1_768_471_200_000;
const INTERVAL: i64 = 15_000;

/// Series of one kind.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    /// How many of a hundred series of a cluster are such.
    pub(crate) weight: u32,
    pub(crate) series: Vec<Vec<Sample>>,
}

/// All kinds, so many samples a series.
pub(crate) fn families(samples: usize) -> Vec<Family> {
    let mut make = Make { random: StdRng::seed_from_u64(42), samples, families: Vec::new() };
    counters(&mut make);
    buckets(&mut make);
    gauges(&mut make);
    jitter(&mut make);
    make.families
}

struct Make {
    random: StdRng,
    samples: usize,
    families: Vec<Family>,
}

impl Make {
    /// Adds series whose values `next` gives, one after the other, from the value before.
    fn add(
        &mut self,
        name: &'static str,
        weight: u32,
        count: u32,
        first: impl Fn(f64) -> f64,
        next: impl Fn(&mut StdRng, f64, f64) -> f64,
    ) {
        let series = (0..count).map(|index| {
            let index = f64::from(index);
            let mut value = first(index);
            let values = (0..self.samples).map(|_| {
                value = next(&mut self.random, index, value);
                value
            });
            steady(values)
        });
        let series = series.collect();
        self.families.push(Family { name, weight, series });
    }
}

fn steady(values: impl Iterator<Item = f64>) -> Vec<Sample> {
    values.zip(0i64..).map(|(v, n)| Sample { t: START + n * INTERVAL, v }).collect()
}

fn round(value: f64, digits: i32) -> f64 {
    let power = 10f64.powi(digits);
    (value * power).round() / power
}

#[expect(clippy::cast_possible_truncation, reason = "numbers of series are small")]
fn counters(make: &mut Make) {
    make.add("busy counter", 10, 40, |n| n * 24_571.0, |random, n, v| v + f64::from(random.random_range(0..3 + 12 * (n as u32 % 10))));
    make.add(
        "rare counter",
        15,
        40,
        |n| n * 257.0,
        |random, _, v| {
            if random.random_ratio(1, 20) { v + f64::from(random.random_range(1..4)) } else { v }
        },
    );
    make.add(
        "CPU seconds",
        5,
        40,
        |n| n * 1000.0,
        |random, n, v| {
            let share = [0.7, 0.2, 0.07, 0.03][n as usize % 4];
            round(v + 15.0 * share * random.random_range(0.5..1.5), 2)
        },
    );
    make.add("bytes", 5, 40, |n| n * 1e10, |random, _, v| v + (random.random::<f64>() * random.random::<f64>() * 3e6).floor());
}

/// Buckets of five histograms, and their sums.
fn buckets(make: &mut Make) {
    const BOUNDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, f64::INFINITY];
    let (mut buckets, mut sums) = (Vec::new(), Vec::new());
    for histogram in 0..5 {
        let (mut counts, mut sum) = ([0.0; BOUNDS.len()], 0.0);
        let mut series = vec![Vec::new(); BOUNDS.len()];
        let mut sum_values = Vec::new();
        for _ in 0..make.samples {
            for _ in 0..2 + 3 * histogram {
                let luck: f64 = make.random.random();
                let seconds = round(0.004 * (6.5 * luck * luck).exp(), 6);
                sum = round(sum + seconds, 6);
                for (count, bound) in counts.iter_mut().zip(BOUNDS) {
                    *count += if seconds <= bound { 1.0 } else { 0.0 };
                }
            }
            for (values, count) in series.iter_mut().zip(counts) {
                values.push(count);
            }
            sum_values.push(sum);
        }
        buckets.extend(series.into_iter().map(|values| steady(values.into_iter())));
        sums.push(steady(sum_values.into_iter()));
    }
    make.families.push(Family { name: "buckets", weight: 30, series: buckets });
    make.families.push(Family { name: "sums, 6 digits", weight: 3, series: sums });
}

fn gauges(make: &mut Make) {
    make.add("constant", 20, 40, |n| n % 3.0, |_, _, v| v);
    make.add("memory, noise", 3, 30, |_| 0.0, |random, n, _| (1e9 * (1.0 + n) * random.random_range(0.95..1.05) / 4096.0).floor() * 4096.0);
    make.add(
        "memory, walk",
        3,
        30,
        |n| 4096e5 * (1.0 + n),
        |random, _, v| {
            if random.random_ratio(1, 3) { v } else { ((v + random.random_range(-1e6..1e6)) / 4096.0).floor() * 4096.0 }
        },
    );
    make.add("load, 2 digits", 3, 30, |_| 1.0, |random, _, v| round((v + random.random_range(-0.2..0.2)).max(0.0), 2));
    // As TSBS makes the CPU of its devops set: a walk between 0 and 100, whole numbers.
    make.add("TSBS CPU", 5, 30, |n| 3.0 * n, |random, _, v| (v + random.random_range(-2.5..2.5)).round().clamp(0.0, 100.0));
    make.add("temperature", 2, 30, |_| 60.0, |random, _, v| round(v + f64::from(random.random_range(-2i32..3)) * 0.1, 1));
    make.add("goroutines", 3, 30, |_| 0.0, |random, _, _| 50.0 + (random.random::<f64>() * random.random::<f64>() * 30.0).floor());
    make.add("full doubles", 1, 20, |_| 0.0, |random, _, _| random.random());
}

/// Targets whose scrapes come up to 5 ms late; twelve series of each stand together, as those of a histogram do.
fn jitter(make: &mut Make) {
    let mut series = Vec::new();
    for _ in 0..4 {
        let late: Vec<i64> = (0..make.samples).map(|_| make.random.random_range(0..6)).collect();
        for _ in 0..12 {
            let mut value = 0.0;
            series.push(
                (0i64..)
                    .zip(&late)
                    .map(|(n, late)| {
                        value += f64::from(make.random.random_range(0u8..3));
                        Sample { t: START + n * INTERVAL + late, v: value }
                    })
                    .collect(),
            );
        }
    }
    make.families.push(Family { name: "jittering times", weight: 0, series });
}
