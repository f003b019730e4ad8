//! What follows an expression: ranges, subqueries, `offset`, `@`, `anchored`, `smoothed`.

use syntax::Span;

use super::super::ast::{AtModifier, DurationExpr, Expr, Extension, MatrixSelector, SubqueryExpr};
use super::super::error::{NotEnabled, SelectorError};
use super::super::token::{Keyword, TokenKind};
use super::{Context, Node, Parsed, Parser};

const RANGE: Context = Context { place: "subquery or range selector", expected: "number, duration, step(), or range()" };
const AFTER_RANGE: Context = Context { place: "subquery or range", expected: "\":\" or \"]\"" };
const STEP: Context = Context { place: "subquery selector", expected: "number, duration, step(), range(), or \"]\"" };
const AFTER_STEP: Context = Context { place: "subquery selector", expected: "\"]\"" };
const OFFSET: Context = Context { place: "offset", expected: "number, duration, step(), or range()" };
const AT: Context = Context { place: "@", expected: "timestamp" };

/// The modifiers of a selector or subquery, wherever they are kept.
struct Modifiers<'e> {
    offset: &'e mut Option<DurationExpr>,
    at: &'e mut Option<AtModifier>,
    span: &'e mut Span,
}

fn modifiers(expr: &mut Expr) -> Option<Modifiers<'_>> {
    match expr {
        Expr::Vector(vector) => Some(Modifiers { offset: &mut vector.offset, at: &mut vector.at, span: &mut vector.span }),
        Expr::Matrix(matrix) => Some(Modifiers { offset: &mut matrix.vector.offset, at: &mut matrix.vector.at, span: &mut matrix.span }),
        Expr::Subquery(subquery) => Some(Modifiers { offset: &mut subquery.offset, at: &mut subquery.at, span: &mut subquery.span }),
        _ => None,
    }
}

impl Parser<'_> {
    /// Reads an expression and all that follows it.
    pub(super) fn modified(&mut self) -> Parsed<Node> {
        let mut node = self.primary()?;
        loop {
            match self.peek()?.kind {
                TokenKind::LeftBracket => node = self.bracket(node)?,
                TokenKind::Keyword(Keyword::Offset) => self.offset(&mut node.expr)?,
                TokenKind::At => self.at(&mut node.expr)?,
                TokenKind::Keyword(Keyword::Anchored) => self.extension(&mut node.expr, Extension::Anchored)?,
                TokenKind::Keyword(Keyword::Smoothed) => self.extension(&mut node.expr, Extension::Smoothed)?,
                _ => return Ok(node),
            }
        }
    }

    /// Reads a range or the range and step of a subquery.
    fn bracket(&mut self, node: Node) -> Parsed<Node> {
        let open = self.bump()?;
        let range = self.within(RANGE, Self::positive_duration)?;
        if self.eat(TokenKind::Colon)? {
            let step = match self.peek()?.kind {
                TokenKind::RightBracket => None,
                _ => Some(self.within(STEP, Self::positive_duration)?),
            };
            self.within(AFTER_STEP, |parser| parser.expect(TokenKind::RightBracket))?;
            let span = self.since(node.expr.span());
            let subquery = SubqueryExpr { expr: *node.expr, range, step, offset: None, at: None, span };
            return self.above(node.depth, Expr::Subquery(Box::new(subquery)));
        }
        self.within(AFTER_RANGE, |parser| parser.expect(TokenKind::RightBracket))?;
        let brackets = self.since(open.span);
        match *node.expr {
            Expr::Vector(vector) if vector.offset.is_some() => Err(self.error(SelectorError::OffsetBeforeRange, brackets)),
            Expr::Vector(vector) if matches!(vector.at, Some(AtModifier::Timestamp(_))) => {
                Err(self.error(SelectorError::AtBeforeRange, brackets))
            }
            Expr::Vector(vector) => {
                let span = self.since(vector.span);
                Ok(Node::leaf(Expr::Matrix(MatrixSelector { vector, range, span })))
            }
            _ => Err(self.error(SelectorError::Range, brackets)),
        }
    }

    fn offset(&mut self, expr: &mut Expr) -> Parsed<()> {
        self.bump()?;
        let offset = self.within(OFFSET, Self::offset_duration)?;
        let (whole, end) = (expr.span(), self.end);
        let Some(modifiers) = modifiers(expr) else { return Err(self.error(SelectorError::Offset, whole)) };
        if modifiers.offset.is_some() {
            return Err(self.error(SelectorError::OffsetTwice, whole));
        }
        *modifiers.offset = match offset {
            DurationExpr::Literal(literal) if literal.seconds == 0.0 => None,
            offset => Some(offset),
        };
        modifiers.span.end = end;
        Ok(())
    }

    fn at(&mut self, expr: &mut Expr) -> Parsed<()> {
        self.bump()?;
        let whole = expr.span();
        let at = self.within(AT, |parser| parser.at_time(whole))?;
        let end = self.end;
        let Some(modifiers) = modifiers(expr) else { return Err(self.error(SelectorError::At, whole)) };
        if modifiers.at.is_some() {
            return Err(self.error(SelectorError::AtTwice, whole));
        }
        *modifiers.at = Some(at);
        modifiers.span.end = end;
        Ok(())
    }

    fn at_time(&mut self, whole: Span) -> Parsed<AtModifier> {
        let at = match self.peek()?.kind {
            TokenKind::Keyword(Keyword::Start) => AtModifier::Start,
            TokenKind::Keyword(Keyword::End) => AtModifier::End,
            _ => {
                let seconds = self.signed_number()?;
                // The bounds of Prometheus, which compares seconds with the bounds of 64 bits.
                if seconds.is_nan() || seconds.abs() >= i64::MAX as f64 {
                    let seconds = if seconds.is_finite() { format!("{seconds:.6}") } else { syntax::number::format_number(seconds) };
                    return Err(self.error(SelectorError::AtOutOfBounds { seconds }, whole));
                }
                #[allow(clippy::cast_possible_truncation)] // Saturates beyond 2^63 ms, where no sample is.
                return Ok(AtModifier::Timestamp((seconds * 1000.0).round() as i64));
            }
        };
        self.bump()?;
        self.expect(TokenKind::LeftParen)?;
        self.expect(TokenKind::RightParen)?;
        Ok(at)
    }

    fn extension(&mut self, expr: &mut Expr, extension: Extension) -> Parsed<()> {
        self.bump()?;
        let modifier = extension.as_str();
        let (whole, end) = (expr.span(), self.end);
        if !self.options.extended_range_selectors {
            return Err(self.error(NotEnabled::Extended { modifier }, whole));
        }
        let (kept, span) = match expr {
            Expr::Vector(vector) => (&mut vector.extension, &mut vector.span),
            Expr::Matrix(matrix) => (&mut matrix.vector.extension, &mut matrix.span),
            Expr::Subquery(_) => return Err(self.error(SelectorError::ExtendedSubquery { modifier }, whole)),
            _ => return Err(self.error(SelectorError::Extended { modifier }, whole)),
        };
        if kept.is_some_and(|kept| kept != extension) {
            return Err(self.error(SelectorError::AnchoredAndSmoothed, whole));
        }
        *kept = Some(extension);
        span.end = end;
        Ok(())
    }
}
