//! PromQL's grammar: text to [tree](ast) and back.

pub mod ast;
pub mod functions;

pub use ast::Expr;
pub use functions::{Function, FunctionId};
