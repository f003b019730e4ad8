//! What the query languages share: spans, a lexer's tools, literals, matchers, operator precedence, texts of errors, quoting.
//!
//! Knows no language. PromQL, LogQL and TraceQL build their own tokens, trees and types on it.

mod matcher;
mod quote;
mod span;

pub use matcher::{LabelMatcher, MatchOp};
pub use quote::{Quoted, is_label_name, is_metric_name};
pub use span::{Position, Span};
