//! Durations: the constants and expressions of ranges, steps and offsets.

use std::time::Duration;

use syntax::Span;

/// A duration. Its value is in seconds; a number without a unit is one of seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum DurationExpr {
    /// `5m`, `300`, `-5m` as a whole offset
    Literal(DurationLiteral),
    /// `step()`: the query's step, zero for an instant query.
    Step(Span),
    /// `range()`: the query's end less its start, zero for an instant query.
    Range(Span),
    /// `-step()`; the sign of a constant is part of the constant.
    Negated {
        /// What the sign stands before.
        expr: Box<DurationExpr>,
        /// Where it stands.
        span: Span,
    },
    /// `5m * 2`, `min_of(step(), 1m)`
    Binary {
        /// The operator.
        op: DurationOp,
        /// Its left side or first argument.
        lhs: Box<DurationExpr>,
        /// Its right side or second argument.
        rhs: Box<DurationExpr>,
        /// Where it stands.
        span: Span,
    },
    /// `(5m * 2)`; around a constant they are left out.
    Paren {
        /// What is in the parentheses.
        expr: Box<DurationExpr>,
        /// Where it stands, parentheses included.
        span: Span,
    },
}

/// A constant duration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DurationLiteral {
    /// Its value.
    pub seconds: f64,
    /// Whether it is written with units (`5m`) rather than as a number. Always so if it is not part of a larger expression:
    /// there the number's form has no meaning.
    pub has_unit: bool,
    /// Where it stands.
    pub span: Span,
}

/// What joins two durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DurationOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`: the remainder has the dividend's sign.
    Mod,
    /// `^`
    Pow,
    /// `min_of(,)`
    MinOf,
    /// `max_of(,)`
    MaxOf,
}

impl DurationOp {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::MinOf => "min_of",
            Self::MaxOf => "max_of",
        }
    }

    /// Whether it is written as a function.
    #[must_use]
    pub const fn is_function(self) -> bool {
        matches!(self, Self::MinOf | Self::MaxOf)
    }
}

/// What durations can refer to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryTimes {
    /// The step of a range query; zero for an instant query.
    pub step: Duration,
    /// The end of a range query less its start; zero for an instant query.
    pub range: Duration,
}

/// A duration that has no value. The text is Prometheus'; `span` is where to point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// A division by zero.
    #[error("division by zero")]
    DivisionByZero {
        /// Where.
        span: Span,
    },
    /// A remainder of a division by zero.
    #[error("modulo by zero")]
    ModuloByZero {
        /// Where.
        span: Span,
    },
    /// A range or step that is not positive.
    #[error("duration must be greater than 0")]
    NotPositive {
        /// Where.
        span: Span,
    },
    /// A value beyond 2^63 nanoseconds.
    #[error("duration is out of range")]
    OutOfRange {
        /// Where.
        span: Span,
    },
    /// No finite value.
    #[error("duration is NaN or infinite")]
    NotFinite {
        /// Where.
        span: Span,
    },
}

impl DurationError {
    /// Where the duration stands in the query.
    #[must_use]
    pub const fn span(&self) -> Span {
        match *self {
            Self::DivisionByZero { span }
            | Self::ModuloByZero { span }
            | Self::NotPositive { span }
            | Self::OutOfRange { span }
            | Self::NotFinite { span } => span,
        }
    }
}

/// The most seconds that Prometheus' durations, which count nanoseconds in 63 bits, can hold.
const MAX_SECONDS: f64 = (1_u64 << 63) as f64 / 1e9;

impl DurationExpr {
    /// A constant of so many seconds.
    #[must_use]
    pub const fn constant(seconds: f64, span: Span) -> Self {
        Self::Literal(DurationLiteral { seconds, has_unit: true, span })
    }

    /// Where it stands.
    #[must_use]
    pub const fn span(&self) -> Span {
        match self {
            Self::Literal(literal) => literal.span,
            Self::Step(span) | Self::Range(span) | Self::Negated { span, .. } | Self::Binary { span, .. } | Self::Paren { span, .. } => {
                *span
            }
        }
    }

    /// Its value as an offset: milliseconds, also negative ones.
    pub fn offset_ms(&self, times: QueryTimes) -> Result<i64, DurationError> {
        self.whole_ms(self.finite_seconds(times)?)
    }

    /// Its value as a range or step: milliseconds, more than zero.
    pub fn positive_ms(&self, times: QueryTimes) -> Result<i64, DurationError> {
        let seconds = self.finite_seconds(times)?;
        let not_positive = DurationError::NotPositive { span: self.span() };
        if seconds <= 0.0 {
            return Err(not_positive);
        }
        match self.whole_ms(seconds)? {
            ms if ms > 0 => Ok(ms),
            _ => Err(not_positive),
        }
    }

    fn finite_seconds(&self, times: QueryTimes) -> Result<f64, DurationError> {
        let seconds = self.seconds(times)?;
        if seconds.is_finite() { Ok(seconds) } else { Err(DurationError::NotFinite { span: self.span() }) }
    }

    /// Seconds as milliseconds. What is finer is cut off, of a constant beyond its nanoseconds.
    fn whole_ms(&self, seconds: f64) -> Result<i64, DurationError> {
        if seconds.abs() >= MAX_SECONDS {
            return Err(DurationError::OutOfRange { span: self.span() });
        }
        let ms = if matches!(self, Self::Literal(_)) { (seconds * 1e9).round() / 1e6 } else { seconds * 1000.0 };
        #[allow(clippy::cast_possible_truncation)] // Below 2^63 / 10^6 by the check above.
        Ok(ms as i64)
    }

    fn seconds(&self, times: QueryTimes) -> Result<f64, DurationError> {
        Ok(match self {
            Self::Literal(literal) => literal.seconds,
            Self::Step(_) => times.step.as_secs_f64(),
            Self::Range(_) => times.range.as_secs_f64(),
            Self::Negated { expr, .. } => -expr.seconds(times)?,
            Self::Paren { expr, .. } => expr.seconds(times)?,
            Self::Binary { op, lhs, rhs, span } => {
                let (lhs, rhs) = (lhs.seconds(times)?, rhs.seconds(times)?);
                match op {
                    DurationOp::Add => lhs + rhs,
                    DurationOp::Sub => lhs - rhs,
                    DurationOp::Mul => lhs * rhs,
                    DurationOp::Div if rhs == 0.0 => return Err(DurationError::DivisionByZero { span: *span }),
                    DurationOp::Div => lhs / rhs,
                    DurationOp::Mod if rhs == 0.0 => return Err(DurationError::ModuloByZero { span: *span }),
                    DurationOp::Mod => lhs % rhs,
                    DurationOp::Pow => lhs.powf(rhs),
                    DurationOp::MinOf => lhs.min(rhs),
                    DurationOp::MaxOf => lhs.max(rhs),
                }
            }
        })
    }
}
