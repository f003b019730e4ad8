//! A request by OTLP into a `prometheus.WriteRequest`.

use proto::opentelemetry::proto::collector::metrics::v1::ExportMetricsServiceRequest;
use proto::opentelemetry::proto::common::v1::KeyValue;
use proto::opentelemetry::proto::metrics::v1::metric::Data;
use proto::opentelemetry::proto::metrics::v1::{AggregationTemporality, Metric, ResourceMetrics};
use tenancy::Reservation;

use super::labels::{Common, LabelSet};
use super::names::{self, Kind, NameError};
use super::native::NativeError;
use super::series::{Collected, Starts};
use super::settings::Translation;
use super::target::{self, Span};
use super::{exponential, histogram, points};
use crate::ingest::room::RoomError;
use crate::model::{Metadata, MetricType};

/// Complaints that are kept: the text of an answer is cut anyway.
const COMPLAINTS: usize = 16;

/// A request in its new form.
#[derive(Debug, Default)]
pub(crate) struct Translated {
    /// A `prometheus.WriteRequest`.
    pub(crate) body: Vec<u8>,
    /// Where counters in it began.
    pub(crate) starts: Starts,
    /// How many metrics, or parts of them, were left out.
    pub(crate) dropped: u64,
    /// Why, of the first of them.
    pub(crate) complaints: Vec<PointError>,
}

/// Why something was left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PointError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Native(NativeError),
    #[error("invalid temporality and type combination for metric {0:?}")]
    Temporality(String),
    #[error("unsupported metric type")]
    Type,
    /// The whole request fails.
    #[error(transparent)]
    Room(#[from] RoomError),
}

/// A metric on its way: what its points have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family<'a> {
    /// Its name in Prometheus.
    pub(crate) name: &'a str,
    /// Whether its points are differences.
    pub(crate) delta: bool,
    /// Whether it begins with 0 and only grows until it begins anew.
    counter: bool,
    common: &'a Common<'a>,
    how: &'a Translation,
}

impl Family<'_> {
    /// The labels of a point, without the metric's name.
    pub(crate) fn labels<'b>(&'b self, attributes: &'b [KeyValue]) -> Result<LabelSet<'b>, NameError> {
        self.common.labels(attributes, self.how)
    }

    /// When the counter of a point at `t` began, if it is one, if that is told, and if the tenant wants to see it.
    pub(crate) fn start(&self, start_time_unix_nano: u64, t: i64) -> Option<i64> {
        let start = points::millis(start_time_unix_nano);
        (self.how.zeros && self.counter && !self.delta && start > 0 && start < t).then_some(start)
    }
}

/// Translates a request. What cannot be is left out and told. Errors: there is no room for what it becomes.
pub(crate) fn translate(
    request: &ExportMetricsServiceRequest,
    how: &Translation,
    memory: &mut Reservation,
) -> Result<Translated, RoomError> {
    let mut translation = Running { how, out: Collected::new(memory), done: Translated::default() };
    for resource in &request.resource_metrics {
        translation.resource(resource)?;
    }
    let Running { out, mut done, .. } = translation;
    if !out.is_empty() {
        (done.body, done.starts) = out.write();
    }
    Ok(done)
}

struct Running<'a, 'm> {
    how: &'a Translation,
    out: Collected<'m>,
    done: Translated,
}

impl Running<'_, '_> {
    fn complain(&mut self, err: impl Into<PointError>) -> Result<(), RoomError> {
        let err = match err.into() {
            PointError::Room(err) => return Err(err),
            err => err,
        };
        self.done.dropped += 1;
        if self.done.complaints.len() < COMPLAINTS {
            self.done.complaints.push(err);
        }
        Ok(())
    }

    fn resource(&mut self, from: &ResourceMetrics) -> Result<(), RoomError> {
        let how = self.how;
        let common = match Common::of_resource(from.resource.as_ref(), how) {
            Ok(common) => common,
            Err(err) => return self.complain(err),
        };
        let mut span = Span::default();
        for scope in &from.scope_metrics {
            let common = match common.with_scope(scope.scope.as_ref(), &scope.schema_url, how) {
                Ok(common) => common,
                Err(err) => {
                    self.complain(err)?;
                    continue;
                }
            };
            for metric in &scope.metrics {
                span.add(metric);
                if let Err(err) = self.metric(metric, &common) {
                    self.complain(err)?;
                }
            }
        }
        let attributes = from.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
        match target::add(attributes, span, how, &mut self.out) {
            Ok(()) => Ok(()),
            Err(err) => self.complain(err),
        }
    }

    fn metric(&mut self, metric: &Metric, common: &Common<'_>) -> Result<(), PointError> {
        let data = metric.data.as_ref().ok_or(PointError::Type)?;
        let delta = match temporality(data) {
            None | Some(AggregationTemporality::Cumulative) => false,
            Some(AggregationTemporality::Delta) if self.how.allow_delta => true,
            Some(_) => return Err(PointError::Temporality(metric.name.clone())),
        };
        let kind = match data {
            Data::Gauge(_) => Kind::Gauge,
            Data::Sum(sum) if sum.is_monotonic => Kind::Counter,
            _ => Kind::Other,
        };
        let name = names::metric(&metric.name, &metric.unit, kind, self.how)?;
        let counter = !matches!(data, Data::Gauge(_)) && !matches!(data, Data::Sum(sum) if !sum.is_monotonic);
        let family = Family { name: &name, delta, counter, common, how: self.how };
        let out = &mut self.out;
        let (filled, kind) = match data {
            Data::Gauge(gauge) => {
                points::numbers(&gauge.data_points, &family, false, out)?;
                (!gauge.data_points.is_empty(), MetricType::Gauge)
            }
            Data::Sum(sum) => {
                points::numbers(&sum.data_points, &family, true, out)?;
                (!sum.data_points.is_empty(), if sum.is_monotonic { MetricType::Counter } else { MetricType::Gauge })
            }
            Data::Histogram(data) => {
                let add = if self.how.custom_buckets { histogram::custom } else { histogram::classic };
                add(&data.data_points, &family, out)?;
                (!data.data_points.is_empty(), MetricType::Histogram)
            }
            Data::ExponentialHistogram(data) => {
                exponential::add(&data.data_points, &family, out)?;
                (!data.data_points.is_empty(), MetricType::Histogram)
            }
            Data::Summary(summary) => {
                points::summaries(&summary.data_points, &family, out)?;
                (!summary.data_points.is_empty(), MetricType::Summary)
            }
        };
        if filled {
            // There is no type for differences.
            let kind = if delta { MetricType::Unknown } else { kind };
            let (help, unit) = (metric.description.as_str().into(), names::unit(&metric.unit, self.how).into());
            self.out.metadata(&name, Metadata { kind, help, unit });
        }
        Ok(())
    }
}

/// How the points of a metric relate to those before; gauges and summaries have no such thing.
fn temporality(data: &Data) -> Option<AggregationTemporality> {
    let given = match data {
        Data::Gauge(_) | Data::Summary(_) => return None,
        Data::Sum(sum) => sum.aggregation_temporality,
        Data::Histogram(histogram) => histogram.aggregation_temporality,
        Data::ExponentialHistogram(histogram) => histogram.aggregation_temporality,
    };
    Some(AggregationTemporality::try_from(given).unwrap_or(AggregationTemporality::Unspecified))
}

#[cfg(test)]
mod tests;
