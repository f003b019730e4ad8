//! Matchers, compiled.
//!
//! An absent label counts as an empty value. Regular expressions match whole values, line feeds included, and are read as RE2
//! reads them: see [`crate::re2`]. Expressions that are literals, alternatives, prefixes, suffixes or infixes in disguise never
//! reach the regex engine.

mod analyse;

use std::fmt;

use regex::Regex;
use syntax::{LabelMatcher, MatchOp};

use crate::error::RegexError;

/// A matcher of one label.
#[derive(Clone)]
pub struct Matcher {
    name: String,
    test: Test,
    negative: bool,
}

impl Matcher {
    /// Compiles a matcher. Errors: a regular expression that RE2 would not take.
    pub fn new(name: impl Into<String>, op: MatchOp, value: &str) -> Result<Self, RegexError> {
        let test = match op {
            MatchOp::Equal | MatchOp::NotEqual => Test::Literal(value.to_owned()),
            MatchOp::Regex | MatchOp::NotRegex => analyse::test(value)?,
        };
        Ok(Self { name: name.into(), test, negative: matches!(op, MatchOp::NotEqual | MatchOp::NotRegex) })
    }

    /// Compiles what a query language parsed.
    pub fn compile(matcher: &LabelMatcher) -> Result<Self, RegexError> {
        Self::new(matcher.name.as_str(), matcher.op, &matcher.value)
    }

    /// Compiles all matchers of a selector.
    pub fn compile_all<'a>(matchers: impl IntoIterator<Item = &'a LabelMatcher>) -> Result<Vec<Self>, RegexError> {
        matchers.into_iter().map(Self::compile).collect()
    }

    /// The label.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True when a series with this value of the label meets the matcher; an absent label is the empty value.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        self.test.holds(value) != self.negative
    }

    /// True when a series without the label meets the matcher.
    #[must_use]
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// True when a value that passes [`Matcher::test`] meets the matcher, false when it does not (`!=`, `!~`).
    pub(crate) fn matches_when_passing(&self) -> bool {
        !self.negative
    }

    /// What is asked of the value before `!` turns it round.
    pub(crate) fn test(&self) -> &Test {
        &self.test
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:?}", self.name, if self.negative { "!" } else { "=" }, self.test)
    }
}

/// What is asked of a value.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// Is it this?
    Literal(String),
    /// Is it one of these? Sorted, each once.
    Set(Vec<String>),
    /// Does it begin so?
    Prefix(String),
    /// Does it end so?
    Suffix(String),
    /// Does it hold this?
    Infix(String),
    /// Is it anything but empty?
    NonEmpty,
    /// Anything will do.
    Any,
    /// Does it match? Every value that does begins with the prefix.
    Regex {
        /// May be empty.
        prefix: String,
        /// Anchored.
        regex: Regex,
    },
}

impl Test {
    /// The answer for a value.
    pub(crate) fn holds(&self, value: &str) -> bool {
        match self {
            Self::Literal(literal) => value == literal,
            Self::Set(set) => set.binary_search_by(|one| one.as_str().cmp(value)).is_ok(),
            Self::Prefix(prefix) => value.starts_with(prefix),
            Self::Suffix(suffix) => value.ends_with(suffix),
            Self::Infix(infix) => value.contains(infix),
            Self::NonEmpty => !value.is_empty(),
            Self::Any => true,
            Self::Regex { prefix, regex } => value.starts_with(prefix) && regex.is_match(value),
        }
    }

    /// The values that can pass, where they can be listed.
    pub(crate) fn literals(&self) -> Option<&[String]> {
        match self {
            Self::Literal(literal) => Some(std::slice::from_ref(literal)),
            Self::Set(set) => Some(set),
            _ => None,
        }
    }

    /// What every value that passes begins with.
    pub(crate) fn prefix(&self) -> &str {
        match self {
            Self::Literal(prefix) | Self::Prefix(prefix) | Self::Regex { prefix, .. } => prefix,
            _ => "",
        }
    }

    /// How much work it is to find the values, compared with others.
    pub(crate) fn cost(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Set(_) => 1,
            Self::Any | Self::NonEmpty => 2,
            Self::Prefix(_) => 3,
            Self::Regex { prefix, .. } if !prefix.is_empty() => 4,
            Self::Suffix(_) | Self::Infix(_) => 5,
            Self::Regex { .. } => 6,
        }
    }
}

#[cfg(test)]
mod tests;
