//! Operators between expressions, and their modifiers.

use syntax::{Binding, Operators, Span};

use super::super::ast::{BinaryExpr, BinaryOp, Expr, MatchCardinality, VectorMatching};
use super::super::error::{NotEnabled, ParseError};
use super::super::token::{Keyword, TokenKind};
use super::{Node, Parsed, Parser};

/// Signs hold as `*` does: less than `^`.
pub(super) const SIGN: Binding = binding(BinaryOp::Mul);

const fn binding(op: BinaryOp) -> Binding {
    match op {
        BinaryOp::Or => Binding::left(1),
        BinaryOp::And | BinaryOp::Unless => Binding::left(2),
        BinaryOp::Eql
        | BinaryOp::Neq
        | BinaryOp::Gtr
        | BinaryOp::Lss
        | BinaryOp::Gte
        | BinaryOp::Lte
        | BinaryOp::TrimUpper
        | BinaryOp::TrimLower => Binding::left(3),
        BinaryOp::Add | BinaryOp::Sub => Binding::left(4),
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod | BinaryOp::Atan2 => Binding::left(5),
        BinaryOp::Pow => Binding::right(6),
    }
}

/// An operator and its modifiers.
#[derive(Debug)]
pub(super) struct Infix {
    op: BinaryOp,
    return_bool: bool,
    matching: VectorMatching,
}

pub(super) struct Infixes<'p, 'a>(pub(super) &'p mut Parser<'a>);

impl Operators for Infixes<'_, '_> {
    type Expr = Node;
    type Op = Infix;
    type Error = ParseError;

    fn operand(&mut self) -> Parsed<Node> {
        self.0.operand()
    }

    fn operator(&mut self, min: u8) -> Parsed<Option<(Infix, Binding)>> {
        let TokenKind::Operator(op) = self.0.peek()?.kind else { return Ok(None) };
        let binding = binding(op);
        if !binding.takes(min) {
            return Ok(None);
        }
        self.0.bump()?;
        let return_bool = self.0.eat(TokenKind::Keyword(Keyword::Bool))?;
        Ok(Some((Infix { op, return_bool, matching: self.0.matching()? }, binding)))
    }

    fn right(&mut self, min: u8) -> Parsed<Node> {
        self.0.expression(min)
    }

    fn join(&mut self, lhs: Node, infix: Infix, rhs: Node) -> Parsed<Node> {
        let Infix { op, return_bool, matching } = infix;
        let span = lhs.expr.span().to(rhs.expr.span());
        if !self.0.options.fill_modifiers && (matching.fill_left.is_some() || matching.fill_right.is_some()) {
            return Err(self.0.error(NotEnabled::Fill, span));
        }
        let depth = lhs.depth.max(rhs.depth);
        let binary = BinaryExpr { op, lhs: *lhs.expr, rhs: *rhs.expr, return_bool, matching: Some(matching), span };
        self.0.above(depth, Expr::Binary(Box::new(binary)))
    }
}

impl Parser<'_> {
    /// Reads `on`, `ignoring`, `group_left`, `group_right` and the fills.
    fn matching(&mut self) -> Parsed<VectorMatching> {
        let mut matching = VectorMatching {
            card: MatchCardinality::OneToOne,
            on: false,
            labels: Vec::new(),
            include: Vec::new(),
            fill_left: None,
            fill_right: None,
        };
        if let TokenKind::Keyword(keyword @ (Keyword::On | Keyword::Ignoring)) = self.peek()?.kind {
            self.bump()?;
            matching.on = keyword == Keyword::On;
            matching.labels = self.labels()?;
            if let TokenKind::Keyword(keyword @ (Keyword::GroupLeft | Keyword::GroupRight)) = self.peek()?.kind {
                self.bump()?;
                matching.card = if keyword == Keyword::GroupLeft { MatchCardinality::ManyToOne } else { MatchCardinality::OneToMany };
                if self.peek()?.kind == TokenKind::LeftParen {
                    matching.include = self.labels()?;
                }
            }
        }
        self.fills(&mut matching)?;
        Ok(matching)
    }

    fn fills(&mut self, matching: &mut VectorMatching) -> Parsed<()> {
        if self.eat(TokenKind::Keyword(Keyword::Fill))? {
            let value = self.fill_value()?;
            matching.fill_left = Some(value);
            matching.fill_right = Some(value);
        } else if self.eat(TokenKind::Keyword(Keyword::FillLeft))? {
            matching.fill_left = Some(self.fill_value()?);
            if self.eat(TokenKind::Keyword(Keyword::FillRight))? {
                matching.fill_right = Some(self.fill_value()?);
            }
        } else if self.eat(TokenKind::Keyword(Keyword::FillRight))? {
            matching.fill_right = Some(self.fill_value()?);
            if self.eat(TokenKind::Keyword(Keyword::FillLeft))? {
                matching.fill_left = Some(self.fill_value()?);
            }
        }
        Ok(())
    }

    fn fill_value(&mut self) -> Parsed<f64> {
        self.expect(TokenKind::LeftParen)?;
        let value = self.signed_number()?;
        self.expect(TokenKind::RightParen)?;
        Ok(value)
    }

    /// Reads a number or duration with at most one sign.
    pub(super) fn signed_number(&mut self) -> Parsed<f64> {
        let negated = match self.peek()?.kind {
            TokenKind::Operator(BinaryOp::Sub) => true,
            TokenKind::Operator(BinaryOp::Add) => false,
            _ => return self.unsigned_number(),
        };
        self.bump()?;
        let value = self.unsigned_number()?;
        Ok(if negated { -value } else { value })
    }

    fn unsigned_number(&mut self) -> Parsed<f64> {
        let token = self.bump()?;
        match token.kind {
            TokenKind::Number | TokenKind::Duration => Ok(self.number(token)?.value),
            _ => Err(self.unexpected(token)),
        }
    }

    /// The bytes from `start` to the last token taken.
    pub(super) const fn since(&self, start: Span) -> Span {
        Span::new(start.start, self.end)
    }
}
