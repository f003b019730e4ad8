//! From tokens to a tree, by recursive descent with precedence climbing.
//!
//! Prometheus' parser is generated from a grammar. Which text an error gets is decided there by the innermost rule that catches
//! it: here by [`Context`], the part of the language that is being read.

mod call;
mod duration;
mod infix;
mod modifier;
mod selector;

use syntax::string::read_string;
use syntax::{Cursor, Span, climb};

use super::ast::{BinaryOp, Expr, NumberLiteral, ParenExpr, StringLiteral, UnaryExpr, UnaryOp};
use super::error::{ParseError, ParseErrorKind};
use super::lexer::Lexer;
use super::token::{Keyword, Token, TokenKind};
use super::{MAX_DEPTH, MAX_NESTING, ParseOptions};
use infix::Infixes;

type Parsed<T> = Result<T, ParseError>;

/// A part of the language that tells of itself where something unexpected stands in it.
#[derive(Clone, Copy, Debug)]
struct Context {
    place: &'static str,
    expected: &'static str,
}

const NOWHERE: Context = Context { place: "", expected: "" };

/// An expression and how many levels there are in its tree: what recurses over it needs as many frames. In a box, since all the
/// frames that read it hold it.
#[derive(Debug)]
struct Node {
    expr: Box<Expr>,
    depth: usize,
}

impl Node {
    fn leaf(expr: Expr) -> Self {
        Self { expr: Box::new(expr), depth: 1 }
    }
}

#[derive(Debug)]
pub(super) struct Parser<'a> {
    query: &'a str,
    lexer: Lexer<'a>,
    options: ParseOptions,
    /// The next token, once somebody has asked for it: a token that is wrong is not told of before.
    ahead: Option<Token>,
    /// The end of the last token that was taken.
    end: usize,
    context: Context,
    /// How many calls of [`Self::expression`] and of duration expressions are under way.
    nesting: usize,
    /// How many operators have been read in the duration that is being read.
    joined_durations: usize,
}

impl<'a> Parser<'a> {
    pub(super) const fn new(query: &'a str, options: ParseOptions) -> Self {
        Self { query, lexer: Lexer::new(query), options, ahead: None, end: 0, context: NOWHERE, nesting: 0, joined_durations: 0 }
    }

    /// Reads the whole query as an expression, whose types are still to be checked.
    pub(super) fn whole_expression(mut self) -> Parsed<Expr> {
        if self.peek()?.kind == TokenKind::End {
            return Err(self.error(ParseErrorKind::Empty, Span::new(0, 0)));
        }
        let node = self.expression(0)?;
        self.expect(TokenKind::End)?;
        Ok(*node.expr)
    }

    /// Reads an expression as far as operators hold it at least as strongly as `min`.
    fn expression(&mut self, min: u8) -> Parsed<Node> {
        self.enter()?;
        let node = climb(&mut Infixes(self), min)?;
        self.nesting -= 1;
        Ok(node)
    }

    /// Reads an operand: signs, what they stand before, and the modifiers after it.
    fn operand(&mut self) -> Parsed<Node> {
        match self.peek()?.kind {
            TokenKind::Operator(BinaryOp::Add) => self.signed(UnaryOp::Plus),
            TokenKind::Operator(BinaryOp::Sub) => self.signed(UnaryOp::Minus),
            _ => self.modified(),
        }
    }

    fn signed(&mut self, op: UnaryOp) -> Parsed<Node> {
        let sign = self.bump()?;
        let operand = self.expression(infix::SIGN.tighter())?;
        let span = sign.span.to(operand.expr.span());
        // A sign before a number is the number's own.
        if let Expr::Number(number) = *operand.expr {
            let value = if op == UnaryOp::Minus { -number.value } else { number.value };
            return Ok(Node::leaf(Expr::Number(NumberLiteral { value, span, ..number })));
        }
        self.above(operand.depth, Expr::Unary(UnaryExpr { op, expr: operand.expr, span }))
    }

    /// Reads an expression without operators and without what follows it.
    fn primary(&mut self) -> Parsed<Node> {
        let token = self.bump()?;
        match token.kind {
            TokenKind::LeftParen => self.parenthesized(token),
            TokenKind::Aggregate(op) if self.aggregation_follows()? => self.aggregation(op, token),
            kind if kind.is_function_name() && self.peek()?.kind == TokenKind::LeftParen => self.call(token),
            _ => self.leaf(token).map(Node::leaf),
        }
    }

    fn parenthesized(&mut self, open: Token) -> Parsed<Node> {
        let inner = self.expression(0)?;
        self.expect(TokenKind::RightParen)?;
        let span = self.since(open.span);
        self.above(inner.depth, Expr::Paren(ParenExpr { expr: inner.expr, span }))
    }

    /// Reads what has no expressions in it.
    fn leaf(&mut self, token: Token) -> Parsed<Expr> {
        match token.kind {
            TokenKind::String => Ok(Expr::String(StringLiteral { value: self.string(token), span: token.span })),
            TokenKind::Number | TokenKind::Duration => Ok(Expr::Number(self.number(token)?)),
            TokenKind::LeftBrace => Ok(Expr::Vector(self.selector(None, token)?)),
            kind if kind.is_metric_name() => Ok(Expr::Vector(self.named_selector(token)?)),
            _ => Err(self.unexpected(token)),
        }
    }

    fn aggregation_follows(&mut self) -> Parsed<bool> {
        Ok(matches!(self.peek()?.kind, TokenKind::LeftParen | TokenKind::Keyword(Keyword::By | Keyword::Without)))
    }

    /// The value of a number or duration.
    fn number(&self, token: Token) -> Parsed<NumberLiteral> {
        let text = token.span.of(self.query);
        let is_duration = token.kind == TokenKind::Duration;
        let value = if is_duration {
            syntax::duration::parse_duration(text).map(|value| value.as_secs_f64()).map_err(ParseErrorKind::Duration)
        } else {
            syntax::number::parse_number(text).map_err(ParseErrorKind::Number)
        };
        Ok(NumberLiteral { value: value.map_err(|kind| self.error(kind, token.span))?, is_duration, span: token.span })
    }

    /// The bytes that a string means.
    fn string(&self, token: Token) -> Vec<u8> {
        read_string(&mut Cursor::new(token.span.of(self.query))).expect("the lexer has read the string to its end")
    }

    /// The text that a string means; what is not UTF-8 becomes U+FFFD, as no label holds anything else.
    fn text(&self, token: Token) -> String {
        String::from_utf8(self.string(token)).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned())
    }
}

/// Tokens, errors, and how deep it goes.
impl Parser<'_> {
    fn peek(&mut self) -> Parsed<Token> {
        match self.ahead {
            Some(token) => Ok(token),
            None => Ok(*self.ahead.insert(self.lexer.next_token()?)),
        }
    }

    fn bump(&mut self) -> Parsed<Token> {
        let token = self.peek()?;
        self.ahead = None;
        self.end = token.span.end;
        Ok(token)
    }

    /// Takes the next token if it is of `kind`.
    fn eat(&mut self, kind: TokenKind) -> Parsed<bool> {
        let found = self.peek()?.kind == kind;
        if found {
            self.bump()?;
        }
        Ok(found)
    }

    fn expect(&mut self, kind: TokenKind) -> Parsed<Token> {
        let token = self.bump()?;
        if token.kind == kind { Ok(token) } else { Err(self.unexpected(token)) }
    }

    /// Reads a part of which `context` tells.
    fn within<T>(&mut self, context: Context, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let outer = std::mem::replace(&mut self.context, context);
        let part = read(self)?;
        self.context = outer;
        Ok(part)
    }

    /// Begins a part that may have such parts in it, if it is not too deep. Who calls it lowers `nesting` at the part's end.
    fn enter(&mut self) -> Parsed<()> {
        if self.nesting == MAX_NESTING {
            let at = self.peek()?.span;
            return Err(self.error(ParseErrorKind::TooDeep { limit: MAX_NESTING }, at));
        }
        self.nesting += 1;
        Ok(())
    }

    /// An expression above others, of which the deepest has `below` levels.
    fn above(&self, below: usize, expr: Expr) -> Parsed<Node> {
        if below >= MAX_DEPTH {
            return Err(self.error(ParseErrorKind::TooDeep { limit: MAX_DEPTH }, expr.span()));
        }
        Ok(Node { expr: Box::new(expr), depth: below + 1 })
    }

    fn unexpected(&self, token: Token) -> ParseError {
        self.unexpected_in(token, self.context)
    }

    fn unexpected_in(&self, token: Token, Context { place, expected }: Context) -> ParseError {
        self.error(ParseErrorKind::Unexpected { found: token.describe(self.query), place, expected }, token.span)
    }

    fn error(&self, kind: impl Into<ParseErrorKind>, span: Span) -> ParseError {
        ParseError::new(kind.into(), span, self.query)
    }
}
