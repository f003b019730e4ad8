//! What is known of a request before it is checked: which replica of a high-availability pair sent it, and how much it holds.

use super::series::RawLabel;

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
