//! The notation of native histograms, `{{schema:1 count:4 sum:5 buckets:[1 2 1]}}`, and what scripts do with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::notation::number;
use super::script::Load;
use crate::histogram::{Buckets, CUSTOM_SCHEMA, Histogram, HistogramSample, ResetHint, Span};
use crate::model::{Labels, METRIC_NAME, Sample, is_stale};

/// A histogram of a script.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// The histogram.
    pub(super) histogram: Histogram,
    /// Whether it names its hint: only then an answer must have the same.
    pub(super) hint: bool,
}

/// Reads what stands between the braces.
pub(super) fn written(text: &str) -> Option<Written> {
    let mut histogram = Histogram::default();
    let mut hint = false;
    let (mut offset, mut negative_offset) = (0, 0);
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (key, after) = rest.split_once(':')?;
        let (value, after) = match after.strip_prefix('[') {
            Some(list) => list.split_once(']')?,
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        match key {
            "schema" => histogram.schema = value.parse().ok()?,
            "count" => histogram.count = number(value)?,
            "sum" => histogram.sum = number(value)?,
            "z_bucket" => histogram.zero_count = number(value)?,
            "z_bucket_w" => histogram.zero_threshold = number(value)?,
            "offset" => offset = value.parse().ok()?,
            "n_offset" => negative_offset = value.parse().ok()?,
            "buckets" => histogram.positive.counts = numbers(value)?,
            "n_buckets" => histogram.negative.counts = numbers(value)?,
            "custom_values" => histogram.bounds = numbers(value)?.into(),
            "counter_reset_hint" => (hint, histogram.hint) = (true, hint_of(value)?),
            _ => return None,
        }
        rest = after.trim_start();
    }
    for (buckets, offset) in [(&mut histogram.positive, offset), (&mut histogram.negative, negative_offset)] {
        if !buckets.counts.is_empty() {
            buckets.spans = vec![Span { offset, length: u32::try_from(buckets.counts.len()).ok()? }];
        }
    }
    Some(Written { histogram, hint })
}

fn numbers(text: &str) -> Option<Vec<f64>> {
    text.split_whitespace().map(number).collect()
}

fn hint_of(text: &str) -> Option<ResetHint> {
    match text {
        "unknown" => Some(ResetHint::Unknown),
        "reset" => Some(ResetHint::Reset),
        "not_reset" => Some(ResetHint::NotReset),
        "gauge" => Some(ResetHint::Gauge),
        _ => None,
    }
}

/// True when numbers are almost equal and all else is.
pub(super) fn almost_same(expected: &Written, found: &Histogram, almost_equal: impl Fn(f64, f64) -> bool) -> bool {
    let (mut one, mut other) = (expected.histogram.clone(), found.clone());
    one.compact();
    other.compact();
    let same_buckets = |one: &Buckets, other: &Buckets| {
        one.counts.len() == other.counts.len()
            && one.indexed().zip(other.indexed()).all(|(one, other)| one.0 == other.0 && almost_equal(one.1, other.1))
    };
    one.schema == other.schema
        && one.zero_threshold == other.zero_threshold
        && (!one.is_custom() || one.bounds == other.bounds)
        && (!expected.hint || one.hint == other.hint)
        && almost_equal(one.count, other.count)
        && almost_equal(one.sum, other.sum)
        && almost_equal(one.zero_count, other.zero_count)
        && same_buckets(&one.positive, &other.positive)
        && same_buckets(&one.negative, &other.negative)
}

/// Gives histograms of a series the hints with which a database that looks for resets where samples come in gives them back: no reset
/// after the one before when it has the same layout and no larger count. Floats of the series stand between them.
pub(super) fn hinted(stored: &[HistogramSample], floats: &[Sample]) -> Vec<HistogramSample> {
    let mut floats = floats.iter().peekable();
    let mut before: Option<&Histogram> = None;
    let hinted = stored.iter().map(|sample| {
        while floats.next_if(|float| float.t < sample.t).is_some() {
            before = None;
        }
        let now = &*sample.h;
        let plain = |histogram: &&Histogram| histogram.hint != ResetHint::Gauge && !histogram.is_stale();
        if now.hint == ResetHint::Gauge || now.is_stale() {
            before = None;
            return sample.clone();
        }
        let same_chunk = before.filter(plain).is_some_and(|before| {
            now.schema == before.schema
                && now.zero_threshold == before.zero_threshold
                && now.bounds == before.bounds
                && !now.is_reset_after(before)
        });
        before = Some(now);
        let hint = if same_chunk { ResetHint::NotReset } else { ResetHint::Unknown };
        HistogramSample { t: sample.t, h: Arc::new(Histogram { hint, ..now.clone() }) }
    });
    hinted.collect()
}

/// A classic histogram at one time.
#[derive(Debug, Default)]
struct Classic {
    /// Cumulative counts by upper bounds, which rise.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

/// The classic histograms among series, as native ones with the same bounds.
pub(super) fn converted(load: &Load) -> Vec<(Labels, Vec<HistogramSample>)> {
    let mut found: BTreeMap<Labels, BTreeMap<i64, Classic>> = BTreeMap::new();
    for line in &load.series {
        let Some((labels, part)) = part_of(&line.labels) else { continue };
        let times = found.entry(labels).or_default();
        for (t, value) in line.floats(load.step).filter(|(_, value)| !is_stale(*value)) {
            let classic = times.entry(t).or_default();
            match part {
                Part::Bucket(bound) => classic.buckets.push((bound, value)),
                Part::Count => classic.count = Some(value),
                Part::Sum => classic.sum = value,
            }
        }
    }
    let native =
        |times: BTreeMap<i64, Classic>| times.into_iter().map(|(t, one)| HistogramSample { t, h: Arc::new(one.native()) }).collect();
    found.into_iter().map(|(labels, times)| (labels, native(times))).collect()
}

/// What a series is of a classic histogram.
enum Part {
    Bucket(f64),
    Count,
    Sum,
}

/// The classic histogram that a series belongs to, and what it is of it.
fn part_of(labels: &Labels) -> Option<(Labels, Part)> {
    let name = labels.metric_name()?;
    let (base, part) = if let Some(base) = name.strip_suffix("_bucket") {
        (base, Part::Bucket(number(labels.get("le")?).filter(|bound| !bound.is_nan())?))
    } else if let Some(base) = name.strip_suffix("_count") {
        (base, Part::Count)
    } else {
        (name.strip_suffix("_sum")?, Part::Sum)
    };
    Some((labels.builder().set(METRIC_NAME, base).remove("le").build(), part))
}

impl Classic {
    fn native(mut self) -> Histogram {
        self.buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        self.buckets.dedup_by_key(|(bound, _)| *bound);
        let count = self.count.or(self.buckets.last().map(|(_, count)| *count)).unwrap_or_default();
        if self.buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        let mut before = 0.0;
        let counts = self.buckets.iter().map(|(_, cumulative)| {
            let count = cumulative - before;
            before = *cumulative;
            count
        });
        let positive = Buckets::from_indexed((0..).zip(counts.collect::<Vec<_>>()));
        let bounds = self.buckets.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).collect();
        Histogram { schema: CUSTOM_SCHEMA, count, sum: self.sum, positive, bounds, ..Histogram::default() }
    }
}
