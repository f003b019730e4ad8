//! Operators between operands: precedence climbing.

/// How strongly an operator holds the operands on either side. Of two operators with an operand between them, the one that
/// holds it more strongly takes it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    left: u8,
    right: u8,
}

impl Binding {
    /// Of an operator of the given level, of which the first of several is taken first: `a - b - c` is `(a - b) - c`.
    #[must_use]
    pub const fn left(level: u8) -> Self {
        Self { left: level * 2, right: level * 2 + 1 }
    }

    /// Of an operator of the given level, of which the last of several is taken first: `a ^ b ^ c` is `a ^ (b ^ c)`.
    #[must_use]
    pub const fn right(level: u8) -> Self {
        Self { left: level * 2, right: level * 2 }
    }

    /// Whether the operator takes the operand before it, given what [`Operators::operator`] was asked for.
    #[must_use]
    pub const fn takes(self, min: u8) -> bool {
        self.left >= min
    }

    /// The least strength with which an operator must hold an operand to take it before this one does; what a prefix operator
    /// hands to [`climb`] for its operand.
    #[must_use]
    pub const fn tighter(self) -> u8 {
        self.right
    }
}

/// A language's operands and operators.
pub trait Operators {
    /// What they make.
    type Expr;
    /// An operator with what belongs to it.
    type Op;
    /// What can be wrong.
    type Error;

    /// Reads an operand with its prefix and postfix operators.
    fn operand(&mut self) -> Result<Self::Expr, Self::Error>;

    /// Reads an operator if the next one [takes](Binding::takes) an operand at `min`, else leaves it.
    fn operator(&mut self, min: u8) -> Result<Option<(Self::Op, Binding)>, Self::Error>;

    /// Reads what stands right of an operator: [`climb`], and whatever bounds the recursion.
    fn right(&mut self, min: u8) -> Result<Self::Expr, Self::Error> {
        climb(self, min)
    }

    /// Joins two operands.
    fn join(&mut self, lhs: Self::Expr, op: Self::Op, rhs: Self::Expr) -> Result<Self::Expr, Self::Error>;
}

/// Reads operands and the operators between them that hold at least as strongly as `min`; 0 takes all.
///
/// Recurses through [`Operators::right`] for every rise of strength, and for every right-associative operator in a row.
pub fn climb<O: Operators + ?Sized>(operators: &mut O, min: u8) -> Result<O::Expr, O::Error> {
    let mut lhs = operators.operand()?;
    while let Some((op, binding)) = operators.operator(min)? {
        let rhs = operators.right(binding.right)?;
        lhs = operators.join(lhs, op, rhs)?;
    }
    Ok(lhs)
}

#[cfg(test)]
mod tests;
