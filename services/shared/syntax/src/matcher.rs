//! Conditions on labels: the same in PromQL's and LogQL's braces.

use std::fmt;

use crate::quote::{Quoted, is_label_name};

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`: the expression is anchored at both ends.
    Regex,
    /// `!~`: the expression is anchored at both ends.
    NotRegex,
}

impl MatchOp {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }

    /// Whether the value is a regular expression.
    #[must_use]
    pub const fn is_regex(self) -> bool {
        matches!(self, Self::Regex | Self::NotRegex)
    }
}

/// A condition on one label. A series without the label has it with the empty value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelMatcher {
    /// The label.
    pub name: String,
    /// How to compare.
    pub op: MatchOp,
    /// With what: a text, or a regular expression if [`MatchOp::is_regex`].
    pub value: String,
}

impl LabelMatcher {
    /// A condition on the label `name`. Does not look into a regular expression: who compiles it does.
    pub fn new(name: impl Into<String>, op: MatchOp, value: impl Into<String>) -> Self {
        Self { name: name.into(), op, value: value.into() }
    }
}

/// As it is written within braces. A name that is no identifier is quoted.
impl fmt::Display for LabelMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_label_name(&self.name) {
            f.write_str(&self.name)?;
        } else {
            Quoted(&self.name).fmt(f)?;
        }
        write!(f, "{}{}", self.op.as_str(), Quoted(&self.value))
    }
}
