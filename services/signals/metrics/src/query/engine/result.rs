//! Answers.

use std::sync::Arc;

use super::annotations::Annotations;
use super::batch::{Batch, SeriesKey};
use super::eval::{Evaluator, Value};
use super::plan::{Kind, Plan, Windows};
use super::starts::Starts;
use super::usage::{Counting, Usage};
use super::{Cancel, EvalError, grouping, range};
use crate::histogram::{Histogram, HistogramSample};
use crate::merge::SeriesSamples;
use crate::model::{Labels, Sample};

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryResult {
    /// What was found.
    pub value: ResultValue,
    /// What is to be remarked about it.
    pub annotations: Annotations,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum ResultValue {
    /// A number.
    Scalar {
        /// The time of the evaluation, ms since the Unix epoch.
        t: i64,
        /// The number.
        v: f64,
    },
    /// A text.
    Text {
        /// The time of the evaluation, ms since the Unix epoch.
        t: i64,
        /// The text; what was not UTF-8 is U+FFFD.
        text: String,
    },
    /// The series of an instant query, in an order that means something where the query asks for one.
    Vector(Vec<InstantSample>),
    /// The series of a range query, or the range vector of an instant query, sorted by labels.
    Matrix(Vec<RangeSeries>),
}

/// What a series has at one time. Two floats are equal when their bits are.
#[derive(Clone, Debug)]
pub enum PointValue {
    /// A float.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

impl PartialEq for PointValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(one), Self::Float(other)) => one.to_bits() == other.to_bits(),
            (Self::Histogram(one), Self::Histogram(other)) => one == other,
            _ => false,
        }
    }
}

/// One series at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct InstantSample {
    /// Which series.
    pub labels: Labels,
    /// When, ms since the Unix epoch.
    pub t: i64,
    /// What it has.
    pub value: PointValue,
}

/// One series at several times.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeSeries {
    /// Which series.
    pub labels: Labels,
    /// Its float samples; times rise.
    pub samples: Vec<Sample>,
    /// Its samples that are native histograms; times rise, none of them is that of a float.
    pub histograms: Vec<HistogramSample>,
}

impl RangeSeries {
    /// A series of floats.
    #[must_use]
    pub fn of_floats(labels: Labels, samples: Vec<Sample>) -> Self {
        Self { labels, samples, histograms: Vec::new() }
    }
}

impl Plan {
    /// Evaluates the plan over the series of its selectors, which stand in the order of [`selectors`](Self::selectors); those of
    /// each are sorted by labels, their samples rise in time.
    ///
    /// Computes only: takes as long as it takes, unless `cancel` fires.
    pub fn evaluate(&self, series: &[Vec<SeriesSamples>], cancel: &Cancel) -> Result<QueryResult, EvalError> {
        self.run(series, &[], cancel, Counting::default()).map(|(result, _)| result)
    }

    /// As [`evaluate`](Self::evaluate), with the start timestamps of all series, in the same order.
    pub fn evaluate_started(
        &self,
        series: &[Vec<SeriesSamples>],
        starts: &[Vec<Starts>],
        cancel: &Cancel,
    ) -> Result<QueryResult, EvalError> {
        self.run(series, starts, cancel, Counting::default()).map(|(result, _)| result)
    }

    /// As [`evaluate`](Self::evaluate), and counts what is looked at, which takes longer.
    pub fn evaluate_counting(&self, series: &[Vec<SeriesSamples>], cancel: &Cancel) -> Result<(QueryResult, Usage), EvalError> {
        self.run(series, &[], cancel, Counting::of_steps(self.steps.count))
    }

    fn run(
        &self,
        series: &[Vec<SeriesSamples>],
        starts: &[Vec<Starts>],
        cancel: &Cancel,
        counting: Counting,
    ) -> Result<(QueryResult, Usage), EvalError> {
        let mut evaluator = Evaluator { starts, ..self.evaluator(series, Vec::new(), cancel, counting)? };
        let value = match &self.root.kind {
            Kind::Range(source) => ResultValue::Matrix(range::raw(&mut evaluator, source, Windows::of(source, self.steps), self.root.at)?),
            _ => {
                let value = evaluator.eval(&self.root, self.steps)?;
                self.finish(value)?
            }
        };
        Ok((QueryResult { value, annotations: evaluator.annotations }, evaluator.counting.finish()))
    }

    /// What walks the plan.
    pub(super) fn evaluator<'a>(
        &self,
        series: &'a [Vec<SeriesSamples>],
        elsewhere: Vec<Batch>,
        cancel: &'a Cancel,
        counting: Counting,
    ) -> Result<Evaluator<'a>, EvalError> {
        if series.len() != self.selectors.len() {
            return Err(EvalError::Selectors { wanted: self.selectors.len(), given: series.len() });
        }
        if elsewhere.len() != self.elsewhere.len() {
            return Err(EvalError::Shares);
        }
        Ok(Evaluator {
            data: series,
            starts: &[],
            elsewhere,
            lookback: self.lookback_ms,
            is_range: self.is_range,
            several: self.several,
            annotations: Annotations::default(),
            max_samples: self.max_samples,
            max_steps: self.max_steps,
            delayed_names: self.delayed_names,
            held: 0,
            counting,
            cancel,
        })
    }

    pub(super) fn finish(&self, value: Value) -> Result<ResultValue, EvalError> {
        let t = self.steps.start;
        Ok(match value {
            Value::Text(text) => ResultValue::Text { t, text: String::from_utf8_lossy(&text).into_owned() },
            Value::Scalar(values) if self.is_range => {
                let samples = self.steps.times().zip(values).map(|(t, v)| Sample { t, v }).collect();
                ResultValue::Matrix(vec![RangeSeries::of_floats(Labels::empty(), samples)])
            }
            Value::Scalar(values) => ResultValue::Scalar { t, v: values[0] },
            Value::Vector(batch) => {
                let batch = named(batch)?;
                if self.is_range {
                    let rows = (0..batch.len()).map(|row| RangeSeries {
                        labels: batch.key(row).labels.clone(),
                        samples: batch.row_samples(row, self.steps),
                        histograms: batch.row_histogram_samples(row, self.steps),
                    });
                    ResultValue::Matrix(sorted(rows.collect()))
                } else {
                    let rows = (0..batch.len()).map(|row| InstantSample {
                        labels: batch.key(row).labels.clone(),
                        t,
                        value: batch.values(row).point(0).to_value(),
                    });
                    ResultValue::Vector(rows.collect())
                }
            }
        })
    }
}

/// Drops the names that are to go. Series that this makes equal are one if their values complement each other.
pub(super) fn named(mut batch: Batch) -> Result<Batch, EvalError> {
    let all_differ = grouping::have_one_name(batch.keys());
    for key in batch.keys_mut().iter_mut().filter(|key| key.drop_name) {
        *key = SeriesKey { labels: grouping::without_name(&key.labels), drop_name: false };
    }
    if all_differ { Ok(batch) } else { batch.merge_same_labels() }
}

fn sorted(mut series: Vec<RangeSeries>) -> Vec<RangeSeries> {
    series.sort_by(|one, other| one.labels.cmp(&other.labels));
    series
}
