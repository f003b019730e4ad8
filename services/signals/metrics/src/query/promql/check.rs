//! Types, and the other rules that a grammar does not tell. They are looked at from the inside out, left before right, as
//! Prometheus does: the first that is broken is the one that is told.

use index::re2;
use syntax::{LabelMatcher, MatchOp, Span};

use super::METRIC_NAME;
use super::ast::{AggregateExpr, AggregateOp, BinaryExpr, Call, Expr, MatchCardinality, ValueType, VectorSelector};
use super::error::{BinaryError, CallError, ParseError, ParseErrorKind, SelectorError};
use super::functions::{FunctionId, Variadic};
use super::lexer::is_space;

type Checked = Result<ValueType, ParseError>;

/// Checks an expression of `query`, settles how its vectors match, and tells its type.
pub(super) fn check(expr: &mut Expr, query: &str) -> Checked {
    Checker { query }.expr(expr)
}

/// Whether a series without the label meets the matcher.
pub(super) fn meets_empty(matcher: &LabelMatcher) -> bool {
    match matcher.op {
        MatchOp::Equal => matcher.value.is_empty(),
        MatchOp::NotEqual => !matcher.value.is_empty(),
        MatchOp::Regex => regex_meets_empty(&matcher.value),
        MatchOp::NotRegex => !regex_meets_empty(&matcher.value),
    }
}

/// Whether an expression matches the empty text. One that cannot be compiled matches nothing; the index says why.
fn regex_meets_empty(pattern: &str) -> bool {
    re2::anchored(pattern).is_ok_and(|regex| regex.is_match(""))
}

struct Checker<'a> {
    query: &'a str,
}

impl Checker<'_> {
    fn expr(&self, expr: &mut Expr) -> Checked {
        match expr {
            Expr::Number(_) => Ok(ValueType::Scalar),
            Expr::String(_) => Ok(ValueType::String),
            Expr::Paren(paren) => self.expr(&mut paren.expr),
            Expr::Unary(unary) => match self.expr(&mut unary.expr)? {
                operand @ (ValueType::Scalar | ValueType::Vector) => Ok(operand),
                got => Err(self.error(ParseErrorKind::Unary { got }, unary.span)),
            },
            Expr::Binary(binary) => self.binary(binary),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Call(call) => self.call(call),
            Expr::Vector(vector) => self.selector(vector, false),
            Expr::Matrix(matrix) => {
                self.selector(&matrix.vector, false)?;
                Ok(ValueType::Matrix)
            }
            Expr::Subquery(subquery) => match self.expr(&mut subquery.expr)? {
                ValueType::Vector => Ok(ValueType::Matrix),
                got => Err(self.error(ParseErrorKind::Subquery { got }, subquery.span)),
            },
        }
    }

    fn aggregate(&self, aggregate: &mut AggregateExpr) -> Checked {
        self.aggregate_part(&mut aggregate.expr, ValueType::Vector, "aggregation expression")?;
        if let Some(param) = &mut aggregate.param {
            let expected = if aggregate.op == AggregateOp::CountValues { ValueType::String } else { ValueType::Scalar };
            self.aggregate_part(param, expected, "aggregation parameter")?;
        }
        Ok(ValueType::Vector)
    }

    fn aggregate_part(&self, expr: &mut Expr, expected: ValueType, place: &'static str) -> Result<(), ParseError> {
        match self.expr(expr)? {
            got if got == expected => Ok(()),
            got => Err(self.error(CallError::AggregateType { place, expected, got }, expr.span())),
        }
    }

    fn binary(&self, binary: &mut BinaryExpr) -> Checked {
        let types = (self.expr(&mut binary.lhs)?, self.expr(&mut binary.rhs)?);
        let (op, whole) = (binary.op, binary.span);
        let fail = |error, span| Err(self.error(error, span));
        if binary.return_bool && !op.is_comparison() {
            return fail(BinaryError::Bool, self.operator(binary));
        }
        if op.is_comparison() && !binary.return_bool && types == (ValueType::Scalar, ValueType::Scalar) {
            return fail(BinaryError::ScalarComparison, self.operator(binary));
        }
        let matching = binary.matching.as_ref();
        if let Some(label) =
            matching.and_then(|matching| matching.labels.iter().find(|label| matching.on && matching.include.contains(label)))
        {
            return fail(BinaryError::LabelTwice { label: label.clone() }, self.operator(binary));
        }
        for (side, side_type) in [(&binary.lhs, types.0), (&binary.rhs, types.1)] {
            if !matches!(side_type, ValueType::Scalar | ValueType::Vector) {
                return fail(BinaryError::OperandType, side.span());
            }
        }
        let fills = matching.is_some_and(|matching| matching.fill_left.is_some() || matching.fill_right.is_some());
        if types != (ValueType::Vector, ValueType::Vector) {
            if matching.is_some_and(|matching| !matching.labels.is_empty()) {
                return fail(BinaryError::Matching, whole);
            }
            if fills {
                return fail(BinaryError::Fill, whole);
            }
            if op.is_set() {
                return fail(BinaryError::SetScalar { op: op.as_str() }, whole);
            }
            binary.matching = None;
        } else if op.is_set() {
            if matching.is_some_and(|matching| matching.card != MatchCardinality::OneToOne) {
                return fail(BinaryError::SetGrouping { op: op.as_str() }, whole);
            }
            if fills {
                return fail(BinaryError::SetFill, whole);
            }
            if let Some(matching) = &mut binary.matching {
                matching.card = MatchCardinality::ManyToMany;
            }
        }
        Ok(if types == (ValueType::Scalar, ValueType::Scalar) { ValueType::Scalar } else { ValueType::Vector })
    }

    /// Where an operator and its modifiers stand.
    fn operator(&self, binary: &BinaryExpr) -> Span {
        let between = Span::new(binary.lhs.span().end, binary.rhs.span().start);
        let text = between.of(self.query);
        let start = between.start + (text.len() - text.trim_start_matches(is_space).len());
        Span::new(start, start + text.trim_matches(is_space).len())
    }

    fn call(&self, call: &mut Call) -> Checked {
        let (func, got, span) = (call.func, call.args.len(), call.span);
        let (function, expected) = (func.name, func.min_args());
        if func.variadic == Variadic::No && got != expected {
            return Err(self.error(CallError::Arguments { function, expected, got }, span));
        }
        if got < expected {
            return Err(self.error(CallError::TooFewArguments { function, expected, got }, span));
        }
        if let Some(expected) = func.max_args().filter(|most| got > *most) {
            return Err(self.error(CallError::TooManyArguments { function, expected, got }, span));
        }
        let is_info = func.id == FunctionId::Info;
        if is_info && let Some(selector) = call.args.get(1) {
            self.info_selector(selector, span)?;
        }
        for (index, arg) in call.args.iter_mut().enumerate() {
            let got = match &*arg {
                // It picks among the info metrics: it may pick them all.
                Expr::Vector(vector) if is_info && index == 1 => self.selector(vector, true)?,
                _ => self.expr(arg)?,
            };
            if let Some(expected) = func.arg_type(index).filter(|expected| *expected != got) {
                return Err(self.error(CallError::ArgumentType { function, expected, got }, arg.span()));
            }
        }
        Ok(func.returns)
    }

    fn info_selector(&self, selector: &Expr, call: Span) -> Result<(), ParseError> {
        let got = selector.value_type();
        if got != ValueType::Vector {
            let error = CallError::ArgumentType { function: "info", expected: ValueType::Vector, got };
            return Err(self.error(error, call));
        }
        match selector {
            Expr::Vector(vector) if vector.name.is_empty() => Ok(()),
            Expr::Vector(vector) => Err(self.error(CallError::InfoName, vector.span)),
            other => Err(self.error(CallError::InfoSelector, other.span())),
        }
    }

    fn selector(&self, vector: &VectorSelector, may_select_everything: bool) -> Checked {
        if vector.name.is_empty() {
            if !may_select_everything && vector.matchers.iter().all(meets_empty) {
                return Err(self.error(SelectorError::Everything, vector.span));
            }
            return Ok(ValueType::Vector);
        }
        // The last is the name before the braces.
        let within = vector.matchers.split_last().map_or(&[][..], |(_, within)| within);
        match within.iter().find(|matcher| matcher.name == METRIC_NAME) {
            Some(second) => {
                let error = SelectorError::NameTwice { first: vector.name.clone(), second: second.value.clone() };
                Err(self.error(error, vector.span))
            }
            None => Ok(ValueType::Vector),
        }
    }

    fn error(&self, kind: impl Into<ParseErrorKind>, span: Span) -> ParseError {
        ParseError::new(kind.into(), span, self.query)
    }
}
