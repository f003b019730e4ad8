//! Aggregations, calls and lists of labels.

use syntax::Span;

use super::super::ast::{AggregateExpr, AggregateOp, Call, Expr};
use super::super::error::{CallError, NotEnabled};
use super::super::functions::Function;
use super::super::token::{Keyword, Token, TokenKind};
use super::{Context, Node, Parsed, Parser};

const AGGREGATION: Context = Context { place: "aggregation", expected: "" };

/// Labels, and whether they are those of `without`.
type Grouping = (Vec<String>, bool);

impl Parser<'_> {
    /// Reads an aggregation whose operator has been read.
    pub(super) fn aggregation(&mut self, op: AggregateOp, start: Token) -> Parsed<Node> {
        let outer = std::mem::replace(&mut self.context, AGGREGATION);
        let mut by = self.aggregation_modifier()?;
        let (arguments, below) = self.arguments()?;
        if by.is_none() {
            by = self.aggregation_modifier()?;
        }
        self.context = outer;
        let aggregate = self.aggregate(op, arguments, by, self.since(start.span))?;
        self.above(below, Expr::Aggregate(Box::new(aggregate)))
    }

    /// Makes an aggregation of what has been read of it.
    fn aggregate(&self, op: AggregateOp, mut arguments: Vec<Expr>, by: Option<Grouping>, span: Span) -> Parsed<AggregateExpr> {
        let (grouping, without) = by.unwrap_or_default();
        if arguments.is_empty() {
            return Err(self.error(CallError::NoArguments, span));
        }
        if op.is_experimental() && !self.options.experimental_functions {
            return Err(self.error(NotEnabled::Aggregation { op: op.as_str() }, span));
        }
        let expected = if op.takes_param() { 2 } else { 1 };
        let got = arguments.len();
        let (Some(expr), true) = (arguments.pop(), got == expected) else {
            return Err(self.error(CallError::AggregateArguments { expected, got }, span));
        };
        let param = arguments.pop();
        Ok(AggregateExpr { op, expr, param, grouping, without, span })
    }

    /// Reads `by` or `without` with its labels.
    fn aggregation_modifier(&mut self) -> Parsed<Option<Grouping>> {
        let TokenKind::Keyword(keyword @ (Keyword::By | Keyword::Without)) = self.peek()?.kind else { return Ok(None) };
        self.bump()?;
        Ok(Some((self.labels()?, keyword == Keyword::Without)))
    }

    /// Reads a call whose function's name has been read.
    pub(super) fn call(&mut self, name: Token) -> Parsed<Node> {
        let (args, below) = self.arguments()?;
        let text = name.span.of(self.query);
        let Some(func) = Function::by_name(text) else {
            return Err(self.error(CallError::UnknownFunction { name: text.to_owned() }, name.span));
        };
        if func.experimental && !self.options.experimental_functions {
            return Err(self.error(NotEnabled::Function { name: func.name }, name.span));
        }
        self.above(below, Expr::Call(Call { func, args, span: self.since(name.span) }))
    }

    /// Reads expressions in parentheses, and how many levels the deepest has.
    fn arguments(&mut self) -> Parsed<(Vec<Expr>, usize)> {
        self.expect(TokenKind::LeftParen)?;
        let mut args = Vec::new();
        let mut below = 0;
        if self.eat(TokenKind::RightParen)? {
            return Ok((args, below));
        }
        loop {
            let arg = self.expression(0)?;
            below = below.max(arg.depth);
            args.push(*arg.expr);
            let token = self.bump()?;
            match token.kind {
                TokenKind::RightParen => return Ok((args, below)),
                TokenKind::Comma if !self.peek()?.kind.begins_expression() => {
                    return Err(self.error(CallError::TrailingComma, token.span));
                }
                TokenKind::Comma => {}
                _ => return Err(self.unexpected(token)),
            }
        }
    }

    /// Reads labels in parentheses.
    pub(super) fn labels(&mut self) -> Parsed<Vec<String>> {
        const fn context(expected: &'static str) -> Context {
            Context { place: "grouping opts", expected }
        }
        let open = self.bump()?;
        if open.kind != TokenKind::LeftParen {
            return Err(self.unexpected_in(open, context("\"(\"")));
        }
        let mut labels = Vec::new();
        while !self.eat(TokenKind::RightParen)? {
            let token = self.bump()?;
            labels.push(match token.kind {
                TokenKind::String => self.quoted_label(token)?,
                kind if kind.is_label_name() => token.span.of(self.query).to_owned(),
                _ => return Err(self.unexpected_in(token, context("label"))),
            });
            let next = self.peek()?;
            match next.kind {
                TokenKind::RightParen => {}
                TokenKind::Comma => {
                    self.bump()?;
                }
                _ => return Err(self.unexpected_in(next, context("\",\" or \")\""))),
            }
        }
        Ok(labels)
    }

    fn quoted_label(&self, token: Token) -> Parsed<String> {
        let name = String::from_utf8(self.string(token)).unwrap_or_default();
        if name.is_empty() {
            let name = self.text(token);
            return Err(self.error(CallError::GroupingLabel { name }, token.span));
        }
        Ok(name)
    }
}
