//! What is known of a request before it is checked: which replica of a high-availability pair sent it, and how much it holds.

use super::protobuf::{Message, ProtobufError};
use super::series::RawLabel;

/// The numbers of the fields on the way to times that the versions of remote write choose differently.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    /// Of the request: its series.
    pub(crate) series: u64,
    /// Of a series: its native histograms.
    pub(crate) histograms: u64,
}

/// Where samples stand in a series, and where the time stands in a sample and in a native histogram, in both versions.
const SAMPLES: u64 = 2;
const SAMPLE_TIME: u64 = 2;
const HISTOGRAM_TIME: u64 = 15;

/// The labels that name pair and replica.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairNames<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) replica: &'a str,
    /// Bytes of a label's value, at most: what is longer names nothing.
    pub(crate) max_value: usize,
}

/// A request that was looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Peek {
    /// Who sent it, by the labels of its first series.
    pub(crate) pair: Option<Pair>,
    /// Samples and histograms.
    pub(crate) points: u64,
}

/// A replica of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) cluster: String,
    pub(crate) replica: String,
}

impl Pair {
    /// The replica that labels name; none if one of both is missing.
    pub(crate) fn of(labels: &[RawLabel<'_>], names: PairNames<'_>) -> Option<Self> {
        let value = |name: &str| {
            let label = labels.iter().find(|label| label.name == name.as_bytes() && !label.value.is_empty())?;
            let text = std::str::from_utf8(label.value).ok()?;
            (text.len() <= names.max_value).then(|| text.to_owned())
        };
        Some(Self { cluster: value(names.cluster)?, replica: value(names.replica)? })
    }
}

/// When the earliest sample of a request is, ms; none if it has no sample.
pub(crate) fn earliest(body: &[u8], fields: Fields) -> Result<Option<i64>, ProtobufError> {
    let mut earliest: Option<i64> = None;
    let mut message = Message::whole(body);
    while let Some(field) = message.next()? {
        if field.number != fields.series {
            continue;
        }
        let mut parts = Message::at(body, field.value.bytes("Timeseries")?);
        while let Some(part) = parts.next()? {
            let time = match part.number {
                SAMPLES => SAMPLE_TIME,
                number if number == fields.histograms => HISTOGRAM_TIME,
                _ => continue,
            };
            let mut t = 0;
            let mut point = Message::at(body, part.value.bytes("Samples")?);
            while let Some(field) = point.next()? {
                if field.number == time {
                    t = field.value.varint("Timestamp")?.cast_signed();
                }
            }
            earliest = Some(earliest.map_or(t, |earliest| earliest.min(t)));
        }
    }
    Ok(earliest)
}
