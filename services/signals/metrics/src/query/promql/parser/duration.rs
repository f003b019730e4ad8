//! Durations of ranges, steps and offsets, with their arithmetic.

use syntax::{Binding, Operators, Span, climb};

use super::super::MAX_DEPTH;
use super::super::ast::{BinaryOp, DurationExpr, DurationLiteral, DurationOp};
use super::super::error::{DurationValueError, NotEnabled, ParseError, ParseErrorKind};
use super::super::token::{Keyword, Token, TokenKind};
use super::{Parsed, Parser};

/// Beyond it, Prometheus' durations, which count nanoseconds in 63 bits, overflow.
const MAX_SECONDS: f64 = (1_u64 << 63) as f64 / 1e9;

const fn operator(kind: TokenKind) -> Option<(DurationOp, Binding)> {
    let TokenKind::Operator(op) = kind else { return None };
    match op {
        BinaryOp::Add => Some((DurationOp::Add, Binding::left(1))),
        BinaryOp::Sub => Some((DurationOp::Sub, Binding::left(1))),
        BinaryOp::Mul => Some((DurationOp::Mul, SIGN)),
        BinaryOp::Div => Some((DurationOp::Div, SIGN)),
        BinaryOp::Mod => Some((DurationOp::Mod, SIGN)),
        BinaryOp::Pow => Some((DurationOp::Pow, Binding::right(3))),
        _ => None,
    }
}

/// Signs hold as `*` does.
const SIGN: Binding = Binding::left(2);

struct Durations<'p, 'a> {
    parser: &'p mut Parser<'a>,
    /// The first operand, if it has been read.
    first: Option<DurationExpr>,
}

impl Operators for Durations<'_, '_> {
    type Expr = DurationExpr;
    type Op = (DurationOp, Span);
    type Error = ParseError;

    fn operand(&mut self) -> Parsed<DurationExpr> {
        match self.first.take() {
            Some(first) => Ok(first),
            None => self.parser.duration_operand(),
        }
    }

    fn operator(&mut self, min: u8) -> Parsed<Option<(Self::Op, Binding)>> {
        let token = self.parser.peek()?;
        let Some((op, binding)) = operator(token.kind).filter(|(_, binding)| binding.takes(min)) else { return Ok(None) };
        self.parser.bump()?;
        Ok(Some(((op, token.span), binding)))
    }

    fn right(&mut self, min: u8) -> Parsed<DurationExpr> {
        self.parser.duration(min)
    }

    fn join(&mut self, lhs: DurationExpr, (op, at): Self::Op, rhs: DurationExpr) -> Parsed<DurationExpr> {
        let span = lhs.span().to(rhs.span());
        self.parser.duration_expressions_are_enabled(span)?;
        let zero = matches!(&rhs, DurationExpr::Literal(literal) if literal.seconds == 0.0);
        match op {
            DurationOp::Div if zero => Err(self.parser.error(DurationValueError::DivisionByZero, at)),
            DurationOp::Mod if zero => Err(self.parser.error(DurationValueError::ModuloByZero, at)),
            _ => self.parser.joined(op, lhs, rhs, span),
        }
    }
}

impl Parser<'_> {
    /// Reads a range or step. If it is a constant, it is more than zero.
    pub(super) fn positive_duration(&mut self) -> Parsed<DurationExpr> {
        self.joined_durations = 0;
        match self.duration(0)? {
            DurationExpr::Literal(literal) if literal.seconds <= 0.0 => Err(self.error(DurationValueError::NotPositive, literal.span)),
            duration => Ok(whole(duration)),
        }
    }

    /// Reads an offset. Without parentheses it is as short as it can be: `a offset 5m * 2` is `(a offset 5m) * 2`.
    pub(super) fn offset_duration(&mut self) -> Parsed<DurationExpr> {
        self.joined_durations = 0;
        let duration = match self.peek()?.kind {
            TokenKind::Operator(BinaryOp::Add | BinaryOp::Sub) => self.signed_duration()?,
            TokenKind::LeftParen => self.duration(0)?,
            _ => self.duration_operand()?,
        };
        Ok(whole(duration))
    }

    /// Reads a sign and what it stands before; a second sign makes it an expression of its own.
    fn signed_duration(&mut self) -> Parsed<DurationExpr> {
        let sign = self.bump()?;
        let double = matches!(self.peek()?.kind, TokenKind::Operator(BinaryOp::Add | BinaryOp::Sub));
        let operand = if double { self.duration(SIGN.tighter())? } else { self.duration_operand()? };
        let first = self.signed_operand(sign, operand)?;
        if double { climb(&mut Durations { parser: self, first: Some(first) }, 0) } else { Ok(first) }
    }

    /// Reads an expression as far as operators hold it at least as strongly as `min`.
    fn duration(&mut self, min: u8) -> Parsed<DurationExpr> {
        self.enter()?;
        let duration = climb(&mut Durations { parser: self, first: None }, min)?;
        self.nesting -= 1;
        Ok(duration)
    }

    fn duration_operand(&mut self) -> Parsed<DurationExpr> {
        let token = self.bump()?;
        match token.kind {
            TokenKind::Operator(BinaryOp::Add | BinaryOp::Sub) => {
                let operand = self.duration(SIGN.tighter())?;
                self.signed_operand(token, operand)
            }
            TokenKind::Number | TokenKind::Duration => {
                let number = self.number(token)?;
                self.literal(number.value, number.is_duration, number.span)
            }
            TokenKind::LeftParen => {
                let inner = self.duration(0)?;
                self.expect(TokenKind::RightParen)?;
                let span = self.since(token.span);
                self.duration_expressions_are_enabled(span)?;
                Ok(match inner {
                    // Parentheses around a constant mean nothing.
                    DurationExpr::Literal(literal) => DurationExpr::Literal(DurationLiteral { span, ..literal }),
                    inner => DurationExpr::Paren { expr: Box::new(inner), span },
                })
            }
            TokenKind::Keyword(keyword @ (Keyword::Step | Keyword::Range)) => {
                self.expect(TokenKind::LeftParen)?;
                self.expect(TokenKind::RightParen)?;
                let span = self.since(token.span);
                self.duration_expressions_are_enabled(span)?;
                Ok(if keyword == Keyword::Step { DurationExpr::Step(span) } else { DurationExpr::Range(span) })
            }
            TokenKind::Keyword(keyword @ (Keyword::MinOf | Keyword::MaxOf)) => {
                self.expect(TokenKind::LeftParen)?;
                let lhs = self.duration(0)?;
                self.expect(TokenKind::Comma)?;
                let rhs = self.duration(0)?;
                self.expect(TokenKind::RightParen)?;
                let span = self.since(token.span);
                self.duration_expressions_are_enabled(span)?;
                let op = if keyword == Keyword::MinOf { DurationOp::MinOf } else { DurationOp::MaxOf };
                self.joined(op, lhs, rhs, span)
            }
            _ => Err(self.unexpected(token)),
        }
    }

    fn signed_operand(&self, sign: Token, operand: DurationExpr) -> Parsed<DurationExpr> {
        let negated = sign.kind == TokenKind::Operator(BinaryOp::Sub);
        let span = sign.span.to(operand.span());
        Ok(match operand {
            DurationExpr::Literal(literal) => {
                let seconds = if negated { -literal.seconds } else { literal.seconds };
                DurationExpr::Literal(DurationLiteral { seconds, span, ..literal })
            }
            operand if negated => {
                self.duration_expressions_are_enabled(span)?;
                DurationExpr::Negated { expr: Box::new(operand), span }
            }
            operand => operand,
        })
    }

    fn literal(&self, seconds: f64, has_unit: bool, span: Span) -> Parsed<DurationExpr> {
        if seconds.is_nan() || seconds > MAX_SECONDS {
            return Err(self.error(DurationValueError::OutOfRange, span));
        }
        Ok(DurationExpr::Literal(DurationLiteral { seconds, has_unit, span }))
    }

    /// Joins two durations, if there are not so many of them that their tree could be too deep.
    fn joined(&mut self, op: DurationOp, lhs: DurationExpr, rhs: DurationExpr, span: Span) -> Parsed<DurationExpr> {
        self.joined_durations += 1;
        if self.joined_durations > MAX_DEPTH {
            return Err(self.error(ParseErrorKind::TooDeep { limit: MAX_DEPTH }, span));
        }
        Ok(DurationExpr::Binary { op, lhs: Box::new(lhs), rhs: Box::new(rhs), span })
    }

    fn duration_expressions_are_enabled(&self, span: Span) -> Parsed<()> {
        if self.options.duration_expressions { Ok(()) } else { Err(self.error(NotEnabled::DurationExpression, span)) }
    }
}

/// A constant that is the whole duration has a unit, whether written or not.
fn whole(duration: DurationExpr) -> DurationExpr {
    match duration {
        DurationExpr::Literal(literal) => DurationExpr::Literal(DurationLiteral { has_unit: true, ..literal }),
        duration => duration,
    }
}
