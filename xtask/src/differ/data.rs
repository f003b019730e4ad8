//! The data that both servers are given: two hours of series of every kind that has rules of its own.

use super::wire::{Histogram, STALE, Series, Value};
use crate::random::Random;

/// The first sample is not before this, ms since the Unix epoch: 2026-01-15T10:00:00Z.
pub(super) const BEGIN: i64 = 1_768_471_200_000;
/// How long the data is, ms.
pub(super) const LENGTH: i64 = 2 * 3_600_000;
const END: i64 = BEGIN + LENGTH;

/// Bounds of the classic histograms.
const BOUNDS: [&str; 7] = ["0.1", "0.25", "0.5", "1", "2.5", "10", "+Inf"];

/// All series of a seed.
pub(super) fn all(seed: u64) -> Vec<Series> {
    let mut set = Set { series: Vec::new(), random: Random::new(seed, 1) };
    set.counters();
    set.gauges();
    set.classic_histograms();
    set.native_histograms();
    set.others();
    set.series
}

/// The part of a series between two times; the second is not of it. `None`: there is none.
pub(super) fn part(series: &Series, from: i64, to: i64) -> Option<Series> {
    let within = |at: i64| (from..to).contains(&at);
    let part = Series {
        labels: series.labels.clone(),
        samples: series.samples.iter().filter(|(at, _)| within(*at)).cloned().collect(),
        exemplars: series.exemplars.iter().filter(|(at, ..)| within(*at)).cloned().collect(),
    };
    (!part.samples.is_empty()).then_some(part)
}

struct Set {
    series: Vec<Series>,
    random: Random,
}

impl Set {
    fn add(&mut self, name: &str, labels: &[(&str, &str)], samples: Vec<(i64, Value)>) {
        let mut labels: Vec<(String, String)> = labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        labels.push(("__name__".to_owned(), name.to_owned()));
        labels.sort_unstable();
        self.series.push(Series { labels, samples, exemplars: Vec::new() });
    }

    /// Times of samples: some series are punctual, some are not, most have gaps.
    fn times(&mut self, every: i64) -> Vec<i64> {
        let jitter = self.random.pick(&[0, 0, 40, 3000]);
        let mut at = BEGIN + self.random.between(0, every - 1) / self.random.pick(&[1, 15_000]);
        let mut times = Vec::new();
        while at < END {
            times.push(at + self.random.between(0, jitter));
            at += every;
            if self.random.below(150) == 0 {
                at += every * self.random.between(2, 40);
            }
        }
        times
    }

    fn floats(&mut self, every: i64, mut next: impl FnMut(&mut Random, i64) -> f64) -> Vec<(i64, Value)> {
        let times = self.times(every);
        times.into_iter().map(|at| (at, Value::Float(next(&mut self.random, at)))).collect()
    }

    fn counter(&mut self, fractional: bool) -> Vec<(i64, Value)> {
        let (rate, resets) = (self.random.between(0, 40), self.random.pick(&[0, 0, 60, 200]));
        let mut value = self.random.between(0, 100) as f64;
        self.floats(15_000, |random, _| {
            value += if fractional { random.unit() * rate as f64 } else { random.between(0, rate) as f64 };
            if resets > 0 && random.below(resets) == 0 {
                value = random.between(0, 3) as f64;
            }
            value
        })
    }

    fn counters(&mut self) {
        for job in ["api", "db"] {
            for instance in ["a:1", "b:1", "c:1"] {
                for code in ["200", "404", "500"] {
                    if self.random.percent(80) {
                        let samples = self.counter(false);
                        self.add("requests_total", &[("job", job), ("instance", instance), ("code", code)], samples);
                        self.exemplars(50);
                    }
                }
                let samples = self.counter(true);
                self.add("cpu_seconds_total", &[("job", job), ("instance", instance), ("mode", "user")], samples);
                let up = self.floats(15_000, |random, _| f64::from(u8::from(random.percent(90))));
                self.add("up", &[("job", job), ("instance", instance)], up);
                let version = self.random.pick(&["v1", "v2"]);
                self.info("build_info", &[("job", job), ("instance", instance)], ("version", version, "v3"));
                self.info("target_info", &[("job", job), ("instance", instance), ("env", "prod")], ("region", "eu", "us"));
            }
        }
    }

    /// A series of ones that has another label after an hour, sometimes with a marker at the end of the first.
    fn info(&mut self, name: &str, labels: &[(&str, &str)], (label, before, after): (&str, &str, &str)) {
        let times = self.times(30_000);
        let changes = self.random.percent(60);
        let marked = self.random.percent(50);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for at in times {
            if changes && at > BEGIN + LENGTH / 2 {
                if second.is_empty() && marked {
                    first.push((at, Value::Float(STALE)));
                }
                second.push((at, Value::Float(1.0)));
            } else {
                first.push((at, Value::Float(1.0)));
            }
        }
        self.add(name, &[labels, &[(label, before)]].concat(), first);
        if !second.is_empty() {
            self.add(name, &[labels, &[(label, after)]].concat(), second);
        }
    }

    fn gauges(&mut self) {
        const ODD: [f64; 9] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 1e308, 5e-324, -1e308, 1e-9];
        for instance in ["a:1", "b:1", "c:1", "d:1"] {
            let odd = self.random.percent(40);
            let mut value = 20.0;
            let samples = self.floats(15_000, |random, _| {
                value += random.unit() * 4.0 - 2.0;
                if odd && random.percent(3) { random.pick(&ODD) } else { value }
            });
            self.add("temperature", &[("instance", instance), ("room", "r1")], samples);
            let samples = self.floats(30_000, |random, _| random.between(0, 5) as f64);
            self.add("queue", &[("instance", instance), ("job", "api")], samples);
            let mut ends = 0;
            let samples = self.floats(15_000, |random, at| {
                if ends < at && random.below(40) == 0 {
                    ends = at + random.between(1, 20) * 60_000;
                    return STALE;
                }
                if at < ends { STALE } else { random.unit() }
            });
            self.add("flaky", &[("instance", instance)], samples);
            let samples = self.floats(330_000, |random, _| random.between(-9, 9) as f64);
            self.add("sparse", &[("instance", instance), ("job", "db")], samples);
            let odd = self.random.pick(&ODD);
            let samples = self.floats(60_000, |_, _| odd);
            self.add("special", &[("instance", instance), ("kind", "odd")], samples);
        }
    }

    fn classic_histograms(&mut self) {
        for (job, instance) in [("api", "a:1"), ("api", "b:1"), ("db", "a:1"), ("db", "c:1")] {
            let times = self.times(30_000);
            let fault = self.random.below(5);
            let mut counts = [0.0; BOUNDS.len()];
            let mut sum = 0.0;
            let mut rows: Vec<Vec<(i64, Value)>> = vec![Vec::new(); BOUNDS.len()];
            let (mut sums, mut totals) = (Vec::new(), Vec::new());
            for at in times {
                if self.random.below(120) == 0 {
                    counts = [0.0; BOUNDS.len()];
                }
                for _ in 0..self.random.below(8) {
                    let bucket = self.random.below(BOUNDS.len());
                    counts[bucket..].iter_mut().for_each(|count| *count += 1.0);
                    sum += bucket as f64 / 3.0;
                }
                for (row, &count) in rows.iter_mut().zip(&counts) {
                    let shaken = if fault == 1 && self.random.percent(5) { count * 1.01 + 1.0 } else { count };
                    row.push((at, Value::Float(shaken)));
                }
                sums.push((at, Value::Float(sum)));
                totals.push((at, Value::Float(counts[BOUNDS.len() - 1])));
            }
            for ((bound, row), index) in BOUNDS.into_iter().zip(rows).zip(0..) {
                let left_out = (fault == 2 && index == 2) || (fault == 3 && index == BOUNDS.len() - 1) || (fault == 4 && index > 0);
                if !left_out {
                    self.add("latency_bucket", &[("job", job), ("instance", instance), ("le", bound)], row);
                    self.exemplars(37);
                }
            }
            self.add("latency_sum", &[("job", job), ("instance", instance)], sums);
            self.add("latency_count", &[("job", job), ("instance", instance)], totals);
        }
    }

    /// Gives the last series an exemplar every so many samples. Not with the first: of a push by 1.0 Prometheus stores exemplars before
    /// histograms, and knows no series then.
    fn exemplars(&mut self, every: usize) {
        let Some(series) = self.series.last_mut() else { return };
        let times: Vec<i64> = series.samples.iter().map(|(at, _)| *at).step_by(every).skip(1).collect();
        for at in times {
            let label = ("trace_id".to_owned(), format!("t{}", self.random.below(1000)));
            series.exemplars.push((at, (self.random.unit() * 100.0).round() / 100.0, vec![label]));
        }
    }

    fn native_histograms(&mut self) {
        for instance in ["a:1", "b:1", "c:1"] {
            for job in ["api", "db"] {
                let shape = self.shape(false);
                let samples = self.histograms(shape, false);
                self.add("native", &[("job", job), ("instance", instance)], samples);
                self.exemplars(23);
            }
            let shape = self.shape(true);
            let samples = self.histograms(shape, false);
            self.add("native_custom", &[("instance", instance), ("job", "api")], samples);
            let shape = Histogram { gauge: true, ..self.shape(false) };
            let samples = self.histograms(shape, true);
            self.add("native_gauge", &[("instance", instance)], samples);
            let shape = self.shape(false);
            let mut samples = self.histograms(shape, false);
            for (index, (_, value)) in samples.iter_mut().enumerate() {
                if index % 40 < 15 {
                    *value = Value::Float(index as f64);
                }
            }
            self.add("mixed", &[("instance", instance)], samples);
        }
    }

    fn shape(&mut self, custom: bool) -> Histogram {
        let len = usize::try_from(self.random.between(3, 8)).expect("it is small");
        if custom {
            let bounds = if self.random.percent(70) { vec![0.1, 0.5, 1.0, 5.0, 10.0] } else { vec![0.5, 1.0, 2.0, 10.0] };
            let len = bounds.len() + 1;
            return Histogram { schema: -53, bounds, positive: (0, vec![0; len]), ..Histogram::default() };
        }
        let schema = i32::try_from(self.random.between(-1, 3)).expect("it is small");
        // The first bucket that may be there begins at 0.25, beyond every bucket around zero: what lies within one of those is counted
        // otherwise, as decided.
        let first = 1 - (1 << (1 + schema)) + i32::try_from(self.random.between(0, 6)).expect("it is small");
        let negative = if self.random.percent(40) { (first, vec![0; len / 2 + 1]) } else { (0, Vec::new()) };
        let zero_threshold = self.random.pick(&[1e-128, 0.001, 0.25]);
        Histogram { schema, zero_threshold, positive: (first, vec![0; len]), negative, ..Histogram::default() }
    }

    /// Counts that grow and are reset, or those of a gauge; now and then the resolution changes too.
    fn histograms(&mut self, shape: Histogram, gauge: bool) -> Vec<(i64, Value)> {
        let times = self.times(30_000);
        let mut now = shape.clone();
        let mut samples = Vec::with_capacity(times.len());
        for at in times {
            let event = self.random.below(150);
            if gauge || event == 0 {
                now = shape.clone();
            }
            if event == 1 && now.schema != -53 {
                now = Histogram { gauge, ..self.shape(false) };
            }
            if event == 2 {
                samples.push((at, Value::Histogram(Histogram { gauge, stale: true, ..Histogram::default() })));
                continue;
            }
            for _ in 0..self.random.below(9) {
                let bucket = self.random.below(now.positive.1.len());
                now.positive.1[bucket] += 1;
                now.sum += bucket as f64 + 0.5;
                if now.schema != -53 && self.random.percent(30) {
                    now.zero += 1;
                }
                if let Some(count) = now.negative.1.first_mut() {
                    *count += 1;
                    now.sum -= 1.25;
                }
            }
            samples.push((at, Value::Histogram(now.clone())));
        }
        samples
    }

    fn others(&mut self) {
        for (number, value) in ["plain", "quo\"te", "back\\slash", "new\nline", "ünï", ""].into_iter().enumerate() {
            let samples = self.floats(60_000, |_, _| number as f64);
            self.add("odd_values", &[("number", &number.to_string()), ("v", if value.is_empty() { "x y" } else { value })], samples);
            let samples = self.floats(60_000, |random, _| random.unit());
            self.add(
                "http.requests.ü",
                &[("label.with.dots", value), ("n", &number.to_string())].map(|(n, v)| (n, if v.is_empty() { "z" } else { v })),
                samples,
            );
        }
        for instance in ["a:1", "b:1"] {
            let samples = self.floats(60_000, |random, at| (at / 1000 - random.between(0, 400_000_000)) as f64);
            self.add("started_seconds", &[("instance", instance)], samples);
        }
        for job in ["api", "db", "cache"] {
            let samples = self.floats(60_000, |random, _| random.between(1, 3) as f64);
            self.add("job_limit", &[("job", job), ("team", if job == "db" { "two" } else { "one" })], samples);
        }
        self.add("single", &[], vec![(BEGIN + 1_234_567, Value::Float(42.0))]);
        let late = self.counter(false).split_off(200);
        self.add("late_total", &[("job", "api")], late);
    }
}
