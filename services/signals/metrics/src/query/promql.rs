//! PromQL's grammar: text to [tree](ast) and back.
//!
//! [`parse`] reads the whole language of Prometheus 3.14, refuses what Prometheus refuses, and says so in the same words at the
//! same place. What it accepts has the right types. [`Display`](std::fmt::Display) writes an expression in one line,
//! [`Expr::pretty`] over several, [`Expr::to_json`] as the tree that an API's client is shown.

pub mod ast;
pub mod functions;

mod check;
mod error;
mod experimental;
mod json;
mod lexer;
mod parser;
mod pretty;
mod printer;
mod token;

use syntax::LabelMatcher;

pub use ast::Expr;
pub use error::{BinaryError, CallError, CharacterError, DurationValueError, NotEnabled, ParseError, ParseErrorKind, SelectorError};
pub use experimental::Experimental;
pub use functions::{Function, FunctionId};
use parser::Parser;

/// The label that holds a metric's name.
const METRIC_NAME: &str = "__name__";

/// The most levels of an expression's tree: what recurses over one can rely on it. Prometheus has no such limit; its stack grows.
pub const MAX_DEPTH: usize = 250;

/// The most parentheses, calls and right operands that may be read within each other; less than [`MAX_DEPTH`], since reading
/// takes more of the stack. Of left operands, as in `a or b or c`, each is only a level.
pub const MAX_NESTING: usize = 100;

/// Which experimental parts of the language are understood. By default all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseOptions {
    /// Functions that are [experimental](Function::experimental), and `limitk` and `limit_ratio`.
    pub experimental_functions: bool,
    /// Arithmetic with durations.
    pub duration_expressions: bool,
    /// `anchored` and `smoothed`.
    pub extended_range_selectors: bool,
    /// `fill`, `fill_left` and `fill_right`.
    pub fill_modifiers: bool,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self { experimental_functions: true, duration_expressions: true, extended_range_selectors: true, fill_modifiers: true }
    }
}

/// Reads an expression with all experimental parts of the language.
pub fn parse(query: &str) -> Result<Expr, ParseError> {
    parse_with(query, ParseOptions::default())
}

/// Reads an expression.
pub fn parse_with(query: &str, options: ParseOptions) -> Result<Expr, ParseError> {
    let mut expr = Parser::new(query, options).whole_expression()?;
    check::check(&mut expr, query)?;
    Ok(expr)
}

/// Reads a selector without modifiers, as `match[]` has it: what it selects must meet all the matchers.
///
/// Unlike an expression it may select everything: whether that is allowed is the endpoint's to say, see [`selects_everything`].
pub fn parse_selector(query: &str) -> Result<Vec<LabelMatcher>, ParseError> {
    Parser::new(query, ParseOptions::default()).whole_selector()
}

/// Whether all matchers are met by a series without labels, so that they might select everything.
#[must_use]
pub fn selects_everything(matchers: &[LabelMatcher]) -> bool {
    matchers.iter().all(check::meets_empty)
}

#[cfg(test)]
mod tests;
