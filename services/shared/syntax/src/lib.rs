//! What the query languages share: spans, a lexer's tools, literals, matchers, operator precedence, texts of errors, quoting.
//!
//! Knows no language. PromQL, LogQL and TraceQL build their own tokens, trees and types on it. The literals are those of Go,
//! since the languages' first implementations take them from Go's library.

pub mod duration;
pub mod number;
pub mod string;

mod cursor;
mod error;
mod matcher;
mod precedence;
mod quote;
mod span;

pub use cursor::Cursor;
pub use error::Located;
pub use matcher::{LabelMatcher, MatchOp};
pub use precedence::{Binding, Operators, climb};
pub use quote::{Escaped, Quoted, QuotedBytes, QuotedChar, is_label_name, is_metric_name};
pub use span::{Position, Span};
