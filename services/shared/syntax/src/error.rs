//! Errors that say where.

use std::fmt;

use crate::{Position, Span};

/// An error at a place of a query.
///
/// Its text is that of Prometheus: `1:5: parse error: what is wrong`. A language with another form writes its own from the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<E> {
    /// What is wrong.
    pub error: E,
    /// The bytes that are wrong.
    pub span: Span,
    /// Where they begin; `None` if the query is empty.
    pub position: Option<Position>,
}

impl<E> Located<E> {
    /// `error` at `span` of `query`.
    #[must_use]
    pub fn new(error: E, span: Span, query: &str) -> Self {
        let position = (!query.is_empty()).then(|| Position::of(query, span.start));
        Self { error, span, position }
    }
}

impl<E: fmt::Display> fmt::Display for Located<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "{position}: parse error: {}", self.error),
            None => write!(f, "unknown position: parse error: {}", self.error),
        }
    }
}

impl<E: std::error::Error> std::error::Error for Located<E> {}
