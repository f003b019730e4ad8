//! Selections of series.

use index::re2;
use syntax::{LabelMatcher, MatchOp, Span};

use super::super::METRIC_NAME;
use super::super::ast::{BinaryOp, VectorSelector};
use super::super::token::{Token, TokenKind};
use super::{Context, Parsed, Parser};

const fn context(expected: &'static str) -> Context {
    Context { place: "label matching", expected }
}

impl Parser<'_> {
    /// Reads the whole query as a selector without modifiers, and gives its matchers.
    pub(in super::super) fn whole_selector(mut self) -> Parsed<Vec<LabelMatcher>> {
        let token = self.bump()?;
        let selector = match token.kind {
            TokenKind::LeftBrace => self.selector(None, token)?,
            kind if kind.is_metric_name() => self.named_selector(token)?,
            _ => return Err(self.unexpected(token)),
        };
        self.expect(TokenKind::End)?;
        Ok(selector.matchers)
    }

    /// Reads a selector whose name has been read.
    pub(super) fn named_selector(&mut self, name: Token) -> Parsed<VectorSelector> {
        if self.peek()?.kind == TokenKind::LeftBrace {
            let brace = self.bump()?;
            return self.selector(Some(name), brace);
        }
        Ok(self.assemble(Some(name), Vec::new(), name.span))
    }

    /// Reads a selector whose left brace has been read.
    pub(super) fn selector(&mut self, name: Option<Token>, brace: Token) -> Parsed<VectorSelector> {
        let mut matchers = Vec::new();
        while !self.eat(TokenKind::RightBrace)? {
            matchers.push(self.matcher()?);
            let next = self.peek()?;
            match next.kind {
                TokenKind::RightBrace => {}
                TokenKind::Comma => {
                    self.bump()?;
                }
                _ => return Err(self.unexpected_in(next, context("\",\" or \"}\""))),
            }
        }
        Ok(self.assemble(name, matchers, self.since(name.unwrap_or(brace).span)))
    }

    fn assemble(&self, name: Option<Token>, mut matchers: Vec<LabelMatcher>, span: Span) -> VectorSelector {
        let name = name.map_or_else(String::new, |name| name.span.of(self.query).to_owned());
        if !name.is_empty() {
            matchers.push(LabelMatcher::new(METRIC_NAME, MatchOp::Equal, name.clone()));
        }
        VectorSelector { name, matchers, offset: None, at: None, extension: None, span }
    }

    /// Reads `label="value"`, or a quoted metric's name.
    fn matcher(&mut self) -> Parsed<LabelMatcher> {
        let label = self.bump()?;
        let name = match label.kind {
            TokenKind::String => self.text(label),
            TokenKind::Identifier => label.span.of(self.query).to_owned(),
            _ => return Err(self.unexpected_in(label, context("identifier or \"}\""))),
        };
        let op = self.peek()?;
        let Some(op) = match_op(op.kind) else {
            return match label.kind {
                TokenKind::String => Ok(LabelMatcher::new(METRIC_NAME, MatchOp::Equal, name)),
                _ => Err(self.unexpected_in(op, context("label matching operator"))),
            };
        };
        self.bump()?;
        let value = self.bump()?;
        if value.kind != TokenKind::String {
            return Err(self.unexpected_in(value, context("string")));
        }
        let matcher = LabelMatcher::new(name, op, self.text(value));
        if op.is_regex() {
            re2::translate(&matcher.value).map_err(|error| self.error(error, label.span.to(value.span)))?;
        }
        Ok(matcher)
    }
}

const fn match_op(kind: TokenKind) -> Option<MatchOp> {
    match kind {
        TokenKind::Assign => Some(MatchOp::Equal),
        TokenKind::Operator(BinaryOp::Neq) => Some(MatchOp::NotEqual),
        TokenKind::Regex => Some(MatchOp::Regex),
        TokenKind::NotRegex => Some(MatchOp::NotRegex),
        _ => None,
    }
}
