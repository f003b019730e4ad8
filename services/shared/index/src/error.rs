//! What can be wrong with an index or with a regular expression.

/// Why an index could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// Bytes that no writer makes.
    #[error("index is corrupt: {what}")]
    Corrupt {
        /// The part, and what is wrong with it.
        what: &'static str,
    },
    /// Written by a newer version.
    #[error("index has version {version}, the newest known here is {known}")]
    Version {
        /// Its version.
        version: u16,
        /// The newest known here.
        known: u16,
    },
    /// More than the format can hold.
    #[error("index would hold too many or too large {what}")]
    TooLarge {
        /// Of what.
        what: &'static str,
    },
    /// Labels that are not sorted by name, stand twice or have an empty value.
    #[error("labels of series {series} are out of order")]
    Labels {
        /// The number of the series.
        series: u32,
    },
}

/// A regular expression that cannot be used; the text is the one that Go's `regexp` gives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {problem}: `{fragment}`")]
pub struct RegexError {
    /// What is wrong.
    pub problem: &'static str,
    /// The part of the expression that it is wrong with.
    pub fragment: String,
}

impl RegexError {
    /// An error about a part of an expression.
    #[must_use]
    pub fn new(problem: &'static str, fragment: &str) -> Self {
        Self { problem, fragment: fragment.to_owned() }
    }
}
