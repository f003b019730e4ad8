//! Experimental parts of the language that a query uses: a tenant's limits say which it may.

use std::fmt;

use super::ast::{AggregateOp, Expr, Extension};

/// An experimental part of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Experimental {
    /// A function, by its name.
    Function(&'static str),
    /// An aggregation.
    Aggregation(AggregateOp),
    /// `anchored` or `smoothed`.
    Modifier(Extension),
}

impl Experimental {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Function(name) => name,
            Self::Aggregation(op) => op.as_str(),
            Self::Modifier(extension) => extension.as_str(),
        }
    }
}

/// As Mimir speaks of it: `function "info"`.
impl fmt::Display for Experimental {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Function(_) => "function",
            Self::Aggregation(_) => "aggregate",
            Self::Modifier(_) => "extended range selector modifier",
        };
        write!(f, "{kind} {:?}", self.name())
    }
}

impl Expr {
    /// The experimental functions, aggregations and modifiers of selectors in it, from the outside in.
    #[must_use]
    pub fn experimental(&self) -> Vec<Experimental> {
        let mut found = Vec::new();
        self.find_experimental(&mut found);
        found
    }

    fn find_experimental(&self, found: &mut Vec<Experimental>) {
        let part = match self {
            Self::Call(call) => call.func.experimental.then_some(Experimental::Function(call.func.name)),
            Self::Aggregate(aggregate) => aggregate.op.is_experimental().then_some(Experimental::Aggregation(aggregate.op)),
            Self::Vector(vector) => vector.extension.map(Experimental::Modifier),
            Self::Matrix(matrix) => matrix.vector.extension.map(Experimental::Modifier),
            _ => None,
        };
        found.extend(part);
        self.children().into_iter().for_each(|child| child.find_experimental(found));
    }
}
