//! Expressions as text, in one line: Prometheus' normal form. Read again it is the same tree.

use std::fmt::{self, Display, Formatter, Write};

use syntax::duration::format_duration;
use syntax::number::format_number;
use syntax::{MatchOp, Quoted, QuotedBytes, is_metric_name};

use super::METRIC_NAME;
use super::ast::{
    AggregateExpr, AtModifier, BinaryExpr, Call, DurationExpr, DurationLiteral, DurationOp, Expr, Extension, MatchCardinality,
    MatrixSelector, NumberLiteral, ParenExpr, StringLiteral, SubqueryExpr, UnaryExpr, VectorMatching, VectorSelector,
};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::String(string) => string.fmt(f),
            Self::Paren(paren) => paren.fmt(f),
            Self::Unary(unary) => unary.fmt(f),
            Self::Binary(binary) => binary.fmt(f),
            Self::Aggregate(aggregate) => aggregate.fmt(f),
            Self::Call(call) => call.fmt(f),
            Self::Vector(vector) => vector.fmt(f),
            Self::Matrix(matrix) => matrix.fmt(f),
            Self::Subquery(subquery) => subquery.fmt(f),
        }
    }
}

impl Display for NumberLiteral {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_duration { write_duration(f, self.value) } else { f.write_str(&format_number(self.value)) }
    }
}

impl Display for StringLiteral {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        QuotedBytes(&self.value).fmt(f)
    }
}

impl Display for ParenExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "({})", self.expr)
    }
}

impl Display for UnaryExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.op, self.expr)
    }
}

impl Display for BinaryExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.lhs, Infix(self), self.rhs)
    }
}

/// A binary operator with its modifiers.
pub(super) struct Infix<'a>(pub(super) &'a BinaryExpr);

impl Display for Infix<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.op.fmt(f)?;
        if self.0.return_bool {
            f.write_str(" bool")?;
        }
        self.0.matching.as_ref().map_or(Ok(()), |matching| matching.fmt(f))
    }
}

/// With a space before each modifier.
impl Display for VectorMatching {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let group = match self.card {
            MatchCardinality::ManyToOne => Some("left"),
            MatchCardinality::OneToMany => Some("right"),
            MatchCardinality::OneToOne | MatchCardinality::ManyToMany => None,
        };
        if self.on || !self.labels.is_empty() || group.is_some() {
            let on = if self.on { "on" } else { "ignoring" };
            write!(f, " {on} ({})", Labels(&self.labels))?;
        }
        if let Some(side) = group {
            write!(f, " group_{side} ({})", Labels(&self.include))?;
        }
        match (self.fill_left, self.fill_right) {
            (Some(left), Some(right)) if left.to_bits() == right.to_bits() => write!(f, " fill ({})", format_number(left)),
            (left, right) => {
                if let Some(left) = left {
                    write!(f, " fill_left ({})", format_number(left))?;
                }
                right.map_or(Ok(()), |right| write!(f, " fill_right ({})", format_number(right)))
            }
        }
    }
}

impl Display for AggregateExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", Aggregation(self))?;
        if let Some(param) = &self.param {
            write!(f, "{param}, ")?;
        }
        write!(f, "{})", self.expr)
    }
}

/// An aggregation's operator and grouping, up to the parenthesis.
pub(super) struct Aggregation<'a>(pub(super) &'a AggregateExpr);

impl Display for Aggregation<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(AggregateExpr { op, grouping, without, .. }) = self;
        if *without {
            write!(f, "{op} without ({}) ", Labels(grouping))
        } else if !grouping.is_empty() {
            write!(f, "{op} by ({}) ", Labels(grouping))
        } else {
            op.fmt(f)
        }
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.func.name, Separated(&self.args, ", "))
    }
}

impl Display for VectorSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_series(f, self)?;
        write_at(f, self.at)?;
        write_extension(f, self.extension)?;
        write_offset(f, self.offset.as_ref())
    }
}

impl Display for MatrixSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_series(f, &self.vector)?;
        write!(f, "[{}]", self.range)?;
        write_extension(f, self.vector.extension)?;
        write_at(f, self.vector.at)?;
        write_offset(f, self.vector.offset.as_ref())
    }
}

impl Display for SubqueryExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.expr, Range(self))
    }
}

/// A subquery's range with all that follows it.
pub(super) struct Range<'a>(pub(super) &'a SubqueryExpr);

impl Display for Range<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(SubqueryExpr { range, step, offset, at, .. }) = self;
        write!(f, "[{range}:")?;
        if let Some(step) = step {
            step.fmt(f)?;
        }
        f.write_char(']')?;
        write_at(f, *at)?;
        write_offset(f, offset.as_ref())
    }
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => literal.fmt(f),
            Self::Step(_) => f.write_str("step()"),
            Self::Range(_) => f.write_str("range()"),
            Self::Negated { expr, .. } => write!(f, "-{expr}"),
            Self::Binary { op, lhs, rhs, .. } if op.is_function() => write!(f, "{op}({lhs}, {rhs})"),
            Self::Binary { op, lhs, rhs, .. } => write!(f, "{lhs} {op} {rhs}"),
            Self::Paren { expr, .. } => write!(f, "({expr})"),
        }
    }
}

impl Display for DurationLiteral {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.has_unit { write_duration(f, self.seconds) } else { f.write_str(&format_number(self.seconds)) }
    }
}

impl Display for DurationOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Labels with commas between them, quoted where they must be.
struct Labels<'a>(&'a [String]);

impl Display for Labels<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, label) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            if is_metric_name(label) { f.write_str(label)? } else { Quoted(label).fmt(f)? }
        }
        Ok(())
    }
}

struct Separated<'a, T>(&'a [T], &'static str);

impl<T: Display> Display for Separated<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { self.1 })?;
            item.fmt(f)?;
        }
        Ok(())
    }
}

/// The name and the matchers, these sorted as texts.
fn write_series(f: &mut Formatter<'_>, vector: &VectorSelector) -> fmt::Result {
    f.write_str(&vector.name)?;
    let is_name = |name: &str, op, value: &str| name == METRIC_NAME && op == MatchOp::Equal && value == vector.name;
    let mut matchers: Vec<String> = vector
        .matchers
        .iter()
        .filter(|matcher| vector.name.is_empty() || !is_name(&matcher.name, matcher.op, &matcher.value))
        .map(ToString::to_string)
        .collect();
    matchers.sort_unstable();
    // Without a name and matchers it is all series, as `info`'s second argument may be.
    if matchers.is_empty() && !vector.name.is_empty() {
        return Ok(());
    }
    write!(f, "{{{}}}", Separated(&matchers, ","))
}

fn write_at(f: &mut Formatter<'_>, at: Option<AtModifier>) -> fmt::Result {
    match at {
        None => Ok(()),
        Some(AtModifier::Start) => f.write_str(" @ start()"),
        Some(AtModifier::End) => f.write_str(" @ end()"),
        Some(AtModifier::Timestamp(ms)) => {
            let sign = if ms < 0 { "-" } else { "" };
            let ms = ms.unsigned_abs();
            write!(f, " @ {sign}{}.{:03}", ms / 1000, ms % 1000)
        }
    }
}

fn write_extension(f: &mut Formatter<'_>, extension: Option<Extension>) -> fmt::Result {
    extension.map_or(Ok(()), |extension| write!(f, " {}", extension.as_str()))
}

fn write_offset(f: &mut Formatter<'_>, offset: Option<&DurationExpr>) -> fmt::Result {
    offset.map_or(Ok(()), |offset| write!(f, " offset {offset}"))
}

/// A duration with its sign, in whole milliseconds.
fn write_duration(f: &mut Formatter<'_>, seconds: f64) -> fmt::Result {
    // What has a unit was parsed as whole milliseconds of at most 2^63 nanoseconds.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let ms = (seconds.abs() * 1000.0).round() as u64;
    write!(f, "{}{}", if seconds < 0.0 { "-" } else { "" }, format_duration(ms))
}
