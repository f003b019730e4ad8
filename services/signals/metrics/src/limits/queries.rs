//! Lists of queries that a tenant may not ask, or not so often.

use std::time::Duration;

use regex::Regex;
use runtime::config::{HumanDuration, Setting, SettingDoc};
use serde::{Deserialize, Serialize};

/// `blocked_queries:` of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlockedQueries(pub Vec<BlockedQuery>);

/// One entry. A query that meets all its conditions is refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawBlockedQuery")]
pub struct BlockedQuery {
    /// The text of the query, or a regular expression for all of it; empty: every query.
    pub pattern: String,
    /// Whether `pattern` is a regular expression.
    pub regex: bool,
    /// Why, for whoever asks.
    pub reason: String,
    /// Only queries over a longer range; `0s`: of any length.
    pub time_range_longer_than: HumanDuration,
    /// Only queries with a shorter step; `0s`: with any.
    pub step_size_shorter_than: HumanDuration,
    /// Only range queries that do not begin and end at multiples of their step.
    pub unaligned_range_queries: bool,
    /// The expression, compiled once.
    #[serde(skip)]
    compiled: Compiled,
}

/// A regular expression that is equal to any other: it stands beside its text.
#[derive(Clone, Debug, Default)]
struct Compiled(Option<Regex>);

impl PartialEq for Compiled {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// An entry as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawBlockedQuery {
    pattern: String,
    regex: bool,
    reason: String,
    time_range_longer_than: HumanDuration,
    #[serde(alias = "minimum_step_size")]
    step_size_shorter_than: HumanDuration,
    unaligned_range_queries: bool,
}

/// The steps of a range query.
#[derive(Clone, Copy, Debug)]
pub struct Stepping {
    /// Between two of them.
    pub step: Duration,
    /// Whether it begins and ends at multiples of the step.
    pub aligned: bool,
}

impl TryFrom<RawBlockedQuery> for BlockedQuery {
    type Error = index::RegexError;

    fn try_from(raw: RawBlockedQuery) -> Result<Self, index::RegexError> {
        let RawBlockedQuery { pattern, regex, reason, time_range_longer_than, step_size_shorter_than, unaligned_range_queries } = raw;
        let compiled = Compiled(if regex { Some(index::re2::anchored(&pattern)?) } else { None });
        Ok(Self { pattern, regex, reason, time_range_longer_than, step_size_shorter_than, unaligned_range_queries, compiled })
    }
}

impl BlockedQuery {
    /// True for a query that meets all conditions. `stepping` is that of a range query.
    #[must_use]
    pub fn blocks(&self, query: &str, length: Duration, stepping: Option<Stepping>) -> bool {
        let named = match &self.compiled.0 {
            Some(regex) => regex.is_match(query),
            None => self.pattern.is_empty() || self.pattern.trim() == query.trim(),
        };
        let long = self.time_range_longer_than.is_zero() || length > self.time_range_longer_than.get();
        let fine = self.step_size_shorter_than.is_zero() || stepping.is_some_and(|of| of.step < self.step_size_shorter_than.get());
        let unaligned = !self.unaligned_range_queries || stepping.is_some_and(|of| !of.aligned);
        named && long && fine && unaligned
    }
}

/// `limited_queries:` of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LimitedQueries(pub Vec<LimitedQuery>);

/// A query that may run only so often.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitedQuery {
    /// The text of the query.
    pub query: String,
    /// The shortest time between two runs of it, in each query-frontend.
    pub allowed_frequency: HumanDuration,
}

/// Lists are shown as JSON.
macro_rules! list_setting {
    ($($list:ty),*) => { $(
        impl Setting for $list {
            fn describe(&self, at: &str, doc: &str, out: &mut Vec<SettingDoc>) {
                let default = serde_json::to_string(self).unwrap_or_else(|_| "[]".to_owned());
                out.push(SettingDoc::leaf(at, doc, default, "list"));
            }
        }
    )* };
}

list_setting!(BlockedQueries, LimitedQueries);

#[cfg(test)]
mod tests;
