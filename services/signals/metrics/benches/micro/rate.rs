//! `rate(m[5m])` over six hours of a series every 15 s, at a step of a minute.
//!
//! The limit is to read each sample once and to write a value for each step.

use divan::Bencher;
use divan::counter::ItemsCount;
use quartet_metrics::merge::SeriesSamples;
use quartet_metrics::model::Labels;
use quartet_metrics::query::engine::{Cancel, Evaluation, Options, Plan, plan};
use quartet_metrics::query::promql::parse;

use crate::data::{START, samples};

const SERIES: usize = 100;
const SAMPLES: usize = 6 * 240;
const STEPS: usize = SAMPLES / 4;

#[divan::bench]
fn rate(bencher: Bencher<'_, '_>) {
    evaluate(bencher, "rate(m[5m])");
}

/// Beside it: the last sample of each step, which is the least that a range query does.
#[divan::bench]
fn selector(bencher: Bencher<'_, '_>) {
    evaluate(bencher, "m");
}

#[divan::bench]
fn limit(bencher: Bencher<'_, '_>) {
    let series = series();
    bencher.counter(ItemsCount::new(SERIES * SAMPLES)).bench(|| {
        let one = |series: &SeriesSamples| {
            let sums = series.samples.chunks(4).map(|step| step.iter().map(|sample| sample.v).sum::<f64>() + step[0].t as f64);
            sums.collect::<Vec<f64>>()
        };
        divan::black_box(&series).iter().map(one).collect::<Vec<_>>()
    });
}

fn evaluate(bencher: Bencher<'_, '_>, query: &str) {
    let (plan, series) = (planned(query), [series()]);
    let found = plan.evaluate(&series, &Cancel::default()).expect("there is enough of it");
    assert!(matches!(found.value, quartet_metrics::query::engine::ResultValue::Matrix(matrix) if matrix.len() == SERIES));
    bencher.counter(ItemsCount::new(SERIES * SAMPLES)).bench(|| plan.evaluate(&series, &Cancel::default()));
}

fn planned(query: &str) -> Plan {
    let step_ms = 60_000;
    let evaluation = Evaluation::Range { start_ms: START, end_ms: START + (STEPS as i64 - 1) * step_ms, step_ms };
    plan(&parse(query).expect("PromQL"), evaluation, &Options::default()).expect("a vector")
}

/// Counters.
fn series() -> Vec<SeriesSamples> {
    let labels = |number: usize| Labels::from_pairs([("__name__", "m".to_owned()), ("n", format!("{number:03}"))]);
    (0..SERIES)
        .map(|number| SeriesSamples { labels: labels(number), samples: samples(number * 8, SAMPLES), histograms: Vec::new() })
        .collect()
}
