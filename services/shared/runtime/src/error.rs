//! Kinds of errors: what an API's edge turns into statuses, and what the internal API carries.

use std::error::Error;
use std::fmt;

/// What kind of failure an error is. The numbers are those of the internal API and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum ErrorKind {
    /// The request is wrong and will be wrong again.
    BadInput = 1,
    /// A limit of the tenant or of the process was met.
    LimitExceeded = 2,
    /// A rate was exceeded: the same request may pass later.
    RateLimited = 3,
    /// What was asked for is not there.
    NotFound = 4,
    /// A part that is needed is not there now.
    Unavailable = 5,
    /// The deadline has passed.
    Timeout = 6,
    /// Nobody waits for the answer any more.
    Cancelled = 7,
    /// Not built, or switched off.
    Unsupported = 8,
    /// The query was understood and failed while it ran.
    Execution = 9,
    /// The request conflicts with what is there.
    Conflict = 10,
    /// Ours to mend.
    Internal = 11,
}

impl ErrorKind {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The kind of a number; one that is not known is [`ErrorKind::Internal`].
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::BadInput,
            2 => Self::LimitExceeded,
            3 => Self::RateLimited,
            4 => Self::NotFound,
            5 => Self::Unavailable,
            6 => Self::Timeout,
            7 => Self::Cancelled,
            8 => Self::Unsupported,
            9 => Self::Execution,
            10 => Self::Conflict,
            _ => Self::Internal,
        }
    }

    /// True when the sender, not the system, is at fault: repeating the request as it is cannot help.
    #[must_use]
    pub const fn is_client(self) -> bool {
        matches!(self, Self::BadInput | Self::LimitExceeded | Self::RateLimited | Self::NotFound | Self::Execution | Self::Conflict)
    }
}

/// An error that knows its kind.
pub trait Classify {
    /// The kind.
    fn kind(&self) -> ErrorKind;

    /// True when the same request may pass if it is sent again.
    fn retryable(&self) -> bool {
        matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::RateLimited)
    }
}

/// Prints an error and its sources: `outer: inner: innermost`.
#[derive(Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn Error + 'a));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(err) = source {
            write!(f, ": {err}")?;
            source = err.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
