//! Retention of some series only.

use runtime::config::{HumanDuration, Setting, SettingDoc};
use serde::{Deserialize, Serialize};
use syntax::LabelMatcher;

use crate::query::promql::parse_selector;

/// `retention_series:` of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RetentionRules(pub Vec<RetentionRule>);

/// How long series that meet a selector are kept. Of several rules that a series meets the one with the highest priority holds, of equals
/// the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawRule")]
pub struct RetentionRule {
    /// Which series, as PromQL selects them.
    pub selector: String,
    /// How long; `0s` is for ever.
    pub period: HumanDuration,
    /// Above those of other rules: this one holds.
    pub priority: i64,
    /// The selector, read once.
    #[serde(skip)]
    pub matchers: Vec<LabelMatcher>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    selector: String,
    period: HumanDuration,
    #[serde(default)]
    priority: i64,
}

/// A selector that cannot be read, or whose expressions do not compile.
#[derive(Debug, thiserror::Error)]
#[error("selector {selector:?}: {reason}")]
struct SelectorError {
    selector: String,
    reason: String,
}

impl TryFrom<RawRule> for RetentionRule {
    type Error = String;

    fn try_from(RawRule { selector, period, priority }: RawRule) -> Result<Self, String> {
        let wrong = |reason: String| SelectorError { selector: selector.clone(), reason }.to_string();
        let matchers = parse_selector(&selector).map_err(|err| wrong(err.to_string()))?;
        index::Matcher::compile_all(&matchers).map_err(|err| wrong(err.to_string()))?;
        Ok(Self { selector, period, priority, matchers })
    }
}

impl RetentionRules {
    /// The rules, those that hold before others first.
    #[must_use]
    pub fn by_priority(&self) -> Vec<&RetentionRule> {
        let mut rules: Vec<&RetentionRule> = self.0.iter().collect();
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.priority));
        rules
    }

    /// The longest that any sample is kept, where all others are kept for `others`; `0s` is for ever.
    #[must_use]
    pub fn longest(&self, others: HumanDuration) -> HumanDuration {
        let all = || self.0.iter().map(|rule| rule.period).chain([others]);
        if all().any(|period| period.is_zero()) {
            return HumanDuration::from_secs(0);
        }
        all().max_by_key(|period| period.get()).unwrap_or(others)
    }
}

impl Setting for RetentionRules {
    fn describe(&self, at: &str, doc: &str, out: &mut Vec<SettingDoc>) {
        let default = serde_json::to_string(self).unwrap_or_else(|_| "[]".to_owned());
        out.push(SettingDoc::leaf(at, doc, default, "list"));
    }
}
