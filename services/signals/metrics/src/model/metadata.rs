//! Metadata: what a metric says about itself.

use std::sync::Arc;

/// The type of a metric; the numbers are those of `prometheus.MetricMetadata.MetricType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MetricType {
    /// Nothing was said.
    #[default]
    Unknown = 0,
    /// A counter.
    Counter = 1,
    /// A gauge.
    Gauge = 2,
    /// A histogram, classic or native.
    Histogram = 3,
    /// A histogram of what is there now.
    GaugeHistogram = 4,
    /// A summary.
    Summary = 5,
    /// Facts that stand in labels.
    Info = 6,
    /// A set of states.
    Stateset = 7,
}

impl MetricType {
    /// All of them, by their numbers.
    const ALL: [Self; 8] =
        [Self::Unknown, Self::Counter, Self::Gauge, Self::Histogram, Self::GaugeHistogram, Self::Summary, Self::Info, Self::Stateset];

    /// The type of a number; one that is not known is [`MetricType::Unknown`].
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        usize::try_from(number).ok().and_then(|number| Self::ALL.get(number)).copied().unwrap_or_default()
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// As Prometheus's API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::Stateset => "stateset",
        }
    }
}

/// One thing that is said about a metric: two entries are equal when type, help and unit are. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Metadata {
    /// The type.
    pub kind: MetricType,
    /// What it is, for people.
    pub help: Arc<str>,
    /// The unit of its values.
    pub unit: Arc<str>,
}

impl Metadata {
    /// Bytes of its texts.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.help.len() + self.unit.len()
    }
}
