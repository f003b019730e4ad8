//! What can be wrong with a query's text.

use index::RegexError;
use runtime::{Classify, ErrorKind};
use syntax::duration::DurationError as DurationTextError;
use syntax::number::NumberError;
use syntax::string::StringError;
use syntax::{Located, Position, Quoted, QuotedChar, Span};

use super::ast::ValueType;

/// A query that is none, and where. Only the first thing that is wrong is told.
///
/// The text is Prometheus': `1:5: parse error: unexpected character: '%'`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct ParseError(Box<Located<ParseErrorKind>>);

impl Classify for ParseError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::BadInput
    }
}

impl ParseError {
    pub(super) fn new(kind: ParseErrorKind, span: Span, query: &str) -> Self {
        Self(Box::new(Located::new(kind, span, query)))
    }

    /// What is wrong.
    #[must_use]
    pub fn reason(&self) -> &ParseErrorKind {
        &self.0.error
    }

    /// Which bytes of the query are wrong.
    #[must_use]
    pub fn span(&self) -> Span {
        self.0.span
    }

    /// Where they begin; `None` if the query is empty.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }
}

/// What is wrong with a query's text. The texts are Prometheus', but for what it does not limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Nothing but space and comments.
    #[error("no expression found in input")]
    Empty,
    /// A token that cannot stand where it stands.
    #[error("unexpected {found}{}{}", Within(place), Expecting(expected))]
    Unexpected {
        /// The token.
        found: String,
        /// The part of the language that it stands in; empty for none in particular.
        place: &'static str,
        /// What can stand there; empty for too much to tell.
        expected: &'static str,
    },
    /// A character that begins no token.
    #[error(transparent)]
    Character(#[from] CharacterError),
    /// A malformed string.
    #[error(transparent)]
    String(#[from] StringError),
    /// A token that is neither a number nor a duration.
    #[error("bad number or duration syntax: {}", Quoted(text))]
    NumberOrDuration {
        /// What was written.
        text: String,
    },
    /// A malformed number.
    #[error("error parsing number: {0}")]
    Number(NumberError),
    /// A malformed duration.
    #[error(transparent)]
    Duration(#[from] DurationTextError),
    /// A malformed regular expression.
    #[error(transparent)]
    Regex(#[from] RegexError),
    /// A duration that has no value where it must have one.
    #[error(transparent)]
    DurationValue(#[from] DurationValueError),
    /// A function's or aggregation's arguments.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A binary operator's operands or modifiers.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// A selector's matchers or modifiers.
    #[error(transparent)]
    Selector(#[from] SelectorError),
    /// A sign before something that has none.
    #[error("unary expression only allowed on expressions of type scalar or instant vector, got {}", Quoted(got.documented()))]
    Unary {
        /// What it stands before.
        got: ValueType,
    },
    /// A subquery of something other than an instant vector.
    #[error("subquery is only allowed on instant vector, got {} instead", got.as_str())]
    Subquery {
        /// Of what.
        got: ValueType,
    },
    /// A part of the language that is not switched on.
    #[error(transparent)]
    NotEnabled(#[from] NotEnabled),
    /// More parentheses, calls and operators within each other than are allowed. Prometheus has no such limit.
    #[error("expression is nested too deeply: at most {limit} levels are allowed")]
    TooDeep {
        /// How many are allowed.
        limit: usize,
    },
}

/// A character that begins no token where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CharacterError {
    /// Anywhere.
    #[error("unexpected character: {}", QuotedChar(Some(*.0)))]
    Unexpected(char),
    /// After `=`, outside of braces.
    #[error("unexpected character after '=': {}", QuotedChar(Some(*.0)))]
    AfterEqual(char),
    /// After `!`, outside of braces; `None` is the end.
    #[error("unexpected character after '!': {}", QuotedChar(*.0))]
    AfterNot(Option<char>),
    /// After `!`, within braces; `None` is the end.
    #[error("unexpected character after '!' inside braces: {}", QuotedChar(*.0))]
    AfterNotInBraces(Option<char>),
    /// Within braces.
    #[error("unexpected character inside braces: {}", QuotedChar(Some(*.0)))]
    InBraces(char),
    /// At the start of a range.
    #[error("unexpected character in duration expression: {}", QuotedChar(Some(*.0)))]
    InDuration(char),
    /// After a range's duration.
    #[error("unexpected character: {}, expected ':'", QuotedChar(Some(*.0)))]
    AfterDuration(char),
    /// `{` within braces.
    #[error("unexpected left brace '{{'")]
    LeftBrace,
    /// `[` within brackets.
    #[error("unexpected left bracket '['")]
    LeftBracket,
    /// `]` without `[`.
    #[error("unexpected right bracket ']'")]
    RightBracket,
    /// `)` without `(`.
    #[error("unexpected right parenthesis ')'")]
    RightParen,
    /// `:` before a range's duration.
    #[error("unexpected colon before duration in duration expression")]
    ColonFirst,
    /// A second `:` in a range.
    #[error("unexpected colon ':'")]
    Colon,
    /// The end within braces.
    #[error("unexpected end of input inside braces")]
    UnclosedBrace,
    /// The end after `[`.
    #[error("unexpected end of input in duration expression")]
    UnfinishedDuration,
    /// The end within parentheses.
    #[error("unclosed left parenthesis")]
    UnclosedParen,
    /// The end within brackets.
    #[error("unclosed left bracket")]
    UnclosedBracket,
}

/// A constant duration that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationValueError {
    /// A range or step that is not positive.
    #[error("duration must be greater than 0")]
    NotPositive,
    /// Beyond 2^63 nanoseconds.
    #[error("duration out of range")]
    OutOfRange,
    /// `/ 0`
    #[error("division by zero")]
    DivisionByZero,
    /// `% 0`
    #[error("modulo by zero")]
    ModuloByZero,
}

/// Arguments that do not suit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No such function.
    #[error("unknown function with name {}", Quoted(name))]
    UnknownFunction {
        /// What was called.
        name: String,
    },
    /// A comma after the last argument.
    #[error("trailing commas not allowed in function call args")]
    TrailingComma,
    /// An aggregation of nothing.
    #[error("no arguments for aggregate expression provided")]
    NoArguments,
    /// Too many or too few arguments of an aggregation.
    #[error("wrong number of arguments for aggregate expression provided, expected {expected}, got {got}")]
    AggregateArguments {
        /// How many it takes.
        expected: usize,
        /// How many it was given.
        got: usize,
    },
    /// Too many or too few arguments of a function that takes a fixed number.
    #[error("expected {expected} argument(s) in call to {}, got {got}", Quoted(function))]
    Arguments {
        /// The function.
        function: &'static str,
        /// How many it takes.
        expected: usize,
        /// How many it was given.
        got: usize,
    },
    /// Too few arguments.
    #[error("expected at least {expected} argument(s) in call to {}, got {got}", Quoted(function))]
    TooFewArguments {
        /// The function.
        function: &'static str,
        /// The fewest that it takes.
        expected: usize,
        /// How many it was given.
        got: usize,
    },
    /// Too many arguments.
    #[error("expected at most {expected} argument(s) in call to {}, got {got}", Quoted(function))]
    TooManyArguments {
        /// The function.
        function: &'static str,
        /// The most that it takes.
        expected: usize,
        /// How many it was given.
        got: usize,
    },
    /// An argument of the wrong type.
    #[error("expected type {} in call to function {}, got {}", expected.documented(), Quoted(function), got.documented())]
    ArgumentType {
        /// The function.
        function: &'static str,
        /// What it takes.
        expected: ValueType,
        /// What it was given.
        got: ValueType,
    },
    /// An aggregation of the wrong type, or its parameter.
    #[error("expected type {} in {place}, got {}", expected.documented(), got.documented())]
    AggregateType {
        /// Which part of it.
        place: &'static str,
        /// What it takes.
        expected: ValueType,
        /// What it was given.
        got: ValueType,
    },
    /// `info`'s second argument has a metric's name before its braces.
    #[error("expected label selectors only, got vector selector instead")]
    InfoName,
    /// `info`'s second argument is no selector.
    #[error("expected label selectors only")]
    InfoSelector,
    /// A label that is none.
    #[error("invalid label name for grouping: {}", Quoted(name))]
    GroupingLabel {
        /// What was written.
        name: String,
    },
}

/// Operands or modifiers of a binary operator that do not suit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BinaryError {
    /// `bool` at an operator that does not compare.
    #[error("bool modifier can only be used on comparison operators")]
    Bool,
    /// A comparison of scalars would have to drop one.
    #[error("comparisons between scalars must use BOOL modifier")]
    ScalarComparison,
    /// A label that is matched on and included.
    #[error("label {} must not occur in ON and GROUP clause at once", Quoted(label))]
    LabelTwice {
        /// The label.
        label: String,
    },
    /// An operand that is a text or a range vector.
    #[error("binary expression must contain only scalar and instant vector types")]
    OperandType,
    /// `on` or `ignoring` with a scalar.
    #[error("vector matching only allowed between instant vectors")]
    Matching,
    /// `fill` with a scalar.
    #[error("filling in missing series only allowed between instant vectors")]
    Fill,
    /// `group_left` or `group_right` at a set operator.
    #[error("no grouping allowed for \"{op}\" operation")]
    SetGrouping {
        /// The operator.
        op: &'static str,
    },
    /// `fill` at a set operator.
    #[error("filling in missing series not allowed for set operators")]
    SetFill,
    /// A set operator with a scalar.
    #[error("set operator \"{op}\" not allowed in binary scalar expression")]
    SetScalar {
        /// The operator.
        op: &'static str,
    },
}

/// Matchers or modifiers of a selector that do not suit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// It would select everything.
    #[error("vector selector must contain at least one non-empty matcher")]
    Everything,
    /// Two names.
    #[error("metric name must not be set twice: {} or {}", Quoted(first), Quoted(second))]
    NameTwice {
        /// The one before the braces.
        first: String,
        /// The one within.
        second: String,
    },
    /// A range of something other than a selector.
    #[error("ranges only allowed for vector selectors")]
    Range,
    /// `offset` before a range.
    #[error("no offset modifiers allowed before range")]
    OffsetBeforeRange,
    /// `@` before a range.
    #[error("no @ modifiers allowed before range")]
    AtBeforeRange,
    /// `offset` of something that has none.
    #[error("offset modifier must be preceded by an instant vector selector or range vector selector or a subquery")]
    Offset,
    /// `offset` twice.
    #[error("offset may not be set multiple times")]
    OffsetTwice,
    /// `@` of something that has none.
    #[error("@ modifier must be preceded by an instant vector selector or range vector selector or a subquery")]
    At,
    /// `@` twice.
    #[error("@ <timestamp> may not be set multiple times")]
    AtTwice,
    /// A timestamp that is none.
    #[error("timestamp out of bounds for @ modifier: {seconds}")]
    AtOutOfBounds {
        /// What was written, with six decimals.
        seconds: String,
    },
    /// `anchored` and `smoothed`.
    #[error("anchored and smoothed modifiers cannot be used together")]
    AnchoredAndSmoothed,
    /// `anchored` or `smoothed` of a subquery.
    #[error("{modifier} modifier is not supported for subqueries")]
    ExtendedSubquery {
        /// Which of them.
        modifier: &'static str,
    },
    /// `anchored` or `smoothed` of something else.
    #[error("{modifier} modifier not implemented")]
    Extended {
        /// Which of them.
        modifier: &'static str,
    },
}

/// An experimental part of the language that is not switched on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEnabled {
    /// A function.
    #[error("function {} is not enabled", Quoted(name))]
    Function {
        /// Which.
        name: &'static str,
    },
    /// An aggregation operator.
    #[error("{op}() is experimental and must be enabled with --enable-feature=promql-experimental-functions")]
    Aggregation {
        /// Which.
        op: &'static str,
    },
    /// Arithmetic with durations.
    #[error("experimental duration expression is not enabled")]
    DurationExpression,
    /// `anchored` or `smoothed`.
    #[error("{modifier} modifier is experimental and not enabled")]
    Extended {
        /// Which of them.
        modifier: &'static str,
    },
    /// `fill`
    #[error("binop fill modifiers are experimental and not enabled")]
    Fill,
}

/// ` in PLACE`, or nothing.
struct Within(&'static str);

impl std::fmt::Display for Within {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " in {}", self.0) }
    }
}

/// `, expected WHAT`, or nothing.
struct Expecting(&'static str);

impl std::fmt::Display for Expecting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ", expected {}", self.0) }
    }
}
