//! The tree of a PromQL expression, with the bytes of the query at which each part stands.
//!
//! The tree says what was written, not how it is evaluated: constants are not folded, and nothing here depends on the time of a
//! query. [`Display`](std::fmt::Display) writes it in one line.

mod duration;
mod operator;

use std::borrow::Cow;

use syntax::{LabelMatcher, Span};

pub use self::duration::{DurationError, DurationExpr, DurationLiteral, DurationOp, QueryTimes};
pub use self::operator::{AggregateOp, BinaryOp, UnaryOp};
use super::functions::Function;

/// The type of an expression's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// One number for each step.
    Scalar,
    /// A set of series with at most one sample for each step: an instant vector.
    Vector,
    /// A set of series with the samples of a range for each step: a range vector.
    Matrix,
    /// A text.
    String,
}

impl ValueType {
    /// As error texts call it.
    #[must_use]
    pub const fn documented(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        }
    }

    /// As `resultType` of the HTTP API calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::String => "string",
        }
    }
}

/// An expression that the parser has accepted: its types are right.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `1.5`, `0x1F`, `5m`
    Number(NumberLiteral),
    /// `"text"`
    String(StringLiteral),
    /// `(expr)`
    Paren(ParenExpr),
    /// `-expr`
    Unary(UnaryExpr),
    /// `lhs + on (label) rhs`
    Binary(Box<BinaryExpr>),
    /// `sum by (label) (expr)`
    Aggregate(Box<AggregateExpr>),
    /// `rate(expr)`
    Call(Call),
    /// `metric{label="value"}`
    Vector(VectorSelector),
    /// `metric[5m]`
    Matrix(MatrixSelector),
    /// `expr[1h:5m]`
    Subquery(Box<SubqueryExpr>),
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NumberLiteral {
    /// Its value; a duration's is in seconds.
    pub value: f64,
    /// Whether it was written as a duration (`5m`).
    pub is_duration: bool,
    /// Where it stands.
    pub span: Span,
}

/// A text. Escapes can make it what no UTF-8 is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringLiteral {
    /// What the quotes mean.
    pub value: Vec<u8>,
    /// Where it stands, quotes included.
    pub span: Span,
}

impl StringLiteral {
    /// The text, if it is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.value).ok()
    }

    /// The text; what is not UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.value)
    }
}

/// An expression in parentheses.
#[derive(Clone, Debug, PartialEq)]
pub struct ParenExpr {
    /// What is in them.
    pub expr: Box<Expr>,
    /// Where it stands, parentheses included.
    pub span: Span,
}

/// A sign before an expression, which is a scalar or an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct UnaryExpr {
    /// The sign.
    pub op: UnaryOp,
    /// What it stands before. Binds less than `^`: `-1 ^ 2` is `-(1 ^ 2)`.
    pub expr: Box<Expr>,
    /// Where it stands, the sign included.
    pub span: Span,
}

/// Two expressions and an operator between them; each is a scalar or an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct BinaryExpr {
    /// The operator.
    pub op: BinaryOp,
    /// What stands left of it.
    pub lhs: Expr,
    /// What stands right of it.
    pub rhs: Expr,
    /// Of a comparison: whether it answers 0 or 1 instead of dropping what does not meet it.
    pub return_bool: bool,
    /// How samples find each other; `None` unless both sides are vectors.
    pub matching: Option<VectorMatching>,
    /// Where it stands, from the left side's start to the right side's end.
    pub span: Span,
}

/// How many samples of either side may meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchCardinality {
    /// One and one.
    OneToOne,
    /// `group_left`: several of the left side, one of the right.
    ManyToOne,
    /// `group_right`: one of the left side, several of the right.
    OneToMany,
    /// Set operators.
    ManyToMany,
}

impl MatchCardinality {
    /// As the syntax tree's JSON and error texts call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneToOne => "one-to-one",
            Self::ManyToOne => "many-to-one",
            Self::OneToMany => "one-to-many",
            Self::ManyToMany => "many-to-many",
        }
    }
}

/// Which samples of two vectors belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorMatching {
    /// How many.
    pub card: MatchCardinality,
    /// Whether [`labels`](Self::labels) are those that count (`on`) or those that don't (`ignoring`).
    pub on: bool,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// The labels that `group_left` or `group_right` takes over from the side of which there is one.
    pub include: Vec<String>,
    /// `fill_left`: the value in place of a left sample that is missing.
    pub fill_left: Option<f64>,
    /// `fill_right`: the value in place of a right sample that is missing.
    pub fill_right: Option<f64>,
}

/// An aggregation of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateExpr {
    /// The operator.
    pub op: AggregateOp,
    /// The vector.
    pub expr: Expr,
    /// The parameter: of `count_values` a text, of other operators that [take one](AggregateOp::takes_param) a scalar.
    pub param: Option<Expr>,
    /// The labels of `by` or `without`.
    pub grouping: Vec<String>,
    /// Whether [`grouping`](Self::grouping) are the labels that are dropped rather than those that are kept.
    pub without: bool,
    /// Where it stands.
    pub span: Span,
}

/// A function's call. Number and types of the arguments are right.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function.
    pub func: &'static Function,
    /// Its arguments.
    pub args: Vec<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// The time of `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtModifier {
    /// Milliseconds since the Unix epoch.
    Timestamp(i64),
    /// The start of the query's range.
    Start,
    /// The end of the query's range.
    End,
}

/// How a range is taken beyond its own samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extension {
    /// `anchored`: the last sample before each border stands at the border.
    Anchored,
    /// `smoothed`: the value at each border is interpolated between the samples around it.
    Smoothed,
}

impl Extension {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anchored => "anchored",
            Self::Smoothed => "smoothed",
        }
    }
}

/// A selection of series.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSelector {
    /// The name written before the braces; empty if there is none. It is among the matchers.
    pub name: String,
    /// The conditions, all of which must be met: as written, the name's last.
    pub matchers: Vec<LabelMatcher>,
    /// How far to look back; a constant of zero is `None`.
    pub offset: Option<DurationExpr>,
    /// The time to look at in place of the evaluation's.
    pub at: Option<AtModifier>,
    /// `anchored` or `smoothed`.
    pub extension: Option<Extension>,
    /// Where it stands, its modifiers included.
    pub span: Span,
}

/// A selection of series with the samples of a range. `offset`, `@` and the extension are its vector selector's.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSelector {
    /// Which series.
    pub vector: VectorSelector,
    /// How long the range is.
    pub range: DurationExpr,
    /// Where it stands, its modifiers included.
    pub span: Span,
}

/// An instant vector evaluated at the steps of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct SubqueryExpr {
    /// The vector.
    pub expr: Expr,
    /// How long the range is.
    pub range: DurationExpr,
    /// The distance of its steps; `None` is the engine's default.
    pub step: Option<DurationExpr>,
    /// How far to look back; a constant of zero is `None`.
    pub offset: Option<DurationExpr>,
    /// The time to look at in place of the evaluation's.
    pub at: Option<AtModifier>,
    /// Where it stands, its modifiers included.
    pub span: Span,
}

impl Expr {
    /// The type of its value.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Number(_) => ValueType::Scalar,
            Self::String(_) => ValueType::String,
            Self::Paren(paren) => paren.expr.value_type(),
            Self::Unary(unary) => unary.expr.value_type(),
            Self::Binary(binary) if binary.is_scalar() => ValueType::Scalar,
            Self::Binary(_) | Self::Aggregate(_) | Self::Vector(_) => ValueType::Vector,
            Self::Call(call) => call.func.returns,
            Self::Matrix(_) | Self::Subquery(_) => ValueType::Matrix,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Number(number) => number.span,
            Self::String(string) => string.span,
            Self::Paren(paren) => paren.span,
            Self::Unary(unary) => unary.span,
            Self::Binary(binary) => binary.span,
            Self::Aggregate(aggregate) => aggregate.span,
            Self::Call(call) => call.span,
            Self::Vector(vector) => vector.span,
            Self::Matrix(matrix) => matrix.span,
            Self::Subquery(subquery) => subquery.span,
        }
    }

    /// The expressions directly below it, in the order in which they are written. A matrix selector has none: its vector
    /// selector is a part of it.
    #[must_use]
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Number(_) | Self::String(_) | Self::Vector(_) | Self::Matrix(_) => Vec::new(),
            Self::Paren(paren) => vec![&paren.expr],
            Self::Unary(unary) => vec![&unary.expr],
            Self::Binary(binary) => vec![&binary.lhs, &binary.rhs],
            Self::Aggregate(aggregate) => aggregate.param.iter().chain([&aggregate.expr]).collect(),
            Self::Call(call) => call.args.iter().collect(),
            Self::Subquery(subquery) => vec![&subquery.expr],
        }
    }

    /// The expression without the parentheses around it.
    #[must_use]
    pub fn unparenthesized(&self) -> &Expr {
        let mut expr = self;
        while let Self::Paren(paren) = expr {
            expr = &paren.expr;
        }
        expr
    }

    /// All selections of series in it, those of matrix selectors included, in the order in which they are written.
    #[must_use]
    pub fn selectors(&self) -> Vec<&VectorSelector> {
        fn collect<'a>(expr: &'a Expr, into: &mut Vec<&'a VectorSelector>) {
            match expr {
                Expr::Vector(vector) => into.push(vector),
                Expr::Matrix(matrix) => into.push(&matrix.vector),
                _ => expr.children().into_iter().for_each(|child| collect(child, into)),
            }
        }
        let mut found = Vec::new();
        collect(self, &mut found);
        found
    }
}

impl BinaryExpr {
    /// Whether both sides are scalars, and so its value.
    #[must_use]
    pub fn is_scalar(&self) -> bool {
        self.lhs.value_type() == ValueType::Scalar && self.rhs.value_type() == ValueType::Scalar
    }
}
