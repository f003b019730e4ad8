//! Selectors by which ingesters count active series.

use std::collections::BTreeMap;

use runtime::config::{Setting, SettingDoc};
use serde::{Deserialize, Serialize};
use syntax::LabelMatcher;

use crate::query::promql::parse_selector;

/// `active_series_custom_trackers:` of a tenant: selectors by the names under which their series are counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct CustomTrackers(BTreeMap<String, Tracked>);

/// Which series one of them counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracked {
    /// As it was written.
    pub selector: String,
    /// The selector, read once.
    pub matchers: Vec<LabelMatcher>,
}

/// A selector that cannot be read, or whose expressions do not compile.
#[derive(Debug, thiserror::Error)]
#[error("active series tracker {name:?}, selector {selector:?}: {reason}")]
struct TrackerError {
    name: String,
    selector: String,
    reason: String,
}

impl CustomTrackers {
    /// Those of both; of two with one name that of `others` holds.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        let mut both = self.clone();
        both.0.extend(others.0.iter().map(|(name, tracked)| (name.clone(), tracked.clone())));
        both
    }

    /// Names and selectors, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tracked)> {
        self.0.iter().map(|(name, tracked)| (name.as_str(), tracked))
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<String, String>> for CustomTrackers {
    type Error = String;

    fn try_from(map: BTreeMap<String, String>) -> Result<Self, String> {
        let one = |(name, selector): (String, String)| match read(&selector) {
            Ok(matchers) => Ok((name, Tracked { selector, matchers })),
            Err(reason) => Err(TrackerError { name, selector, reason }.to_string()),
        };
        Ok(Self(map.into_iter().map(one).collect::<Result<_, _>>()?))
    }
}

/// Reads a selector; Mimir takes one without its braces too.
fn read(selector: &str) -> Result<Vec<LabelMatcher>, String> {
    let text = selector.trim();
    let matchers = if text.starts_with('{') { parse_selector(text) } else { parse_selector(&format!("{{{text}}}")) };
    let matchers = matchers.map_err(|err| err.to_string())?;
    index::Matcher::compile_all(&matchers).map_err(|err| err.to_string())?;
    Ok(matchers)
}

impl From<CustomTrackers> for BTreeMap<String, String> {
    fn from(trackers: CustomTrackers) -> Self {
        trackers.0.into_iter().map(|(name, tracked)| (name, tracked.selector)).collect()
    }
}

impl Setting for CustomTrackers {
    fn describe(&self, at: &str, doc: &str, out: &mut Vec<SettingDoc>) {
        let default = serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned());
        // As in Mimir: a tenant's selectors take the place of those for all.
        out.push(SettingDoc::leaf(at, doc, default, "whole map"));
    }
}

#[cfg(test)]
mod tests {
    use runtime::config::patch;

    use super::*;
    use crate::limits::MetricsLimits;

    fn trackers(json: &str) -> Result<CustomTrackers, String> {
        serde_json::from_str(json).map_err(|err| err.to_string())
    }

    #[test]
    fn selectors_are_read_with_and_without_braces() {
        let read = trackers(r#"{"dev": "{namespace=~\"dev-.*\"}", "bare": "a=\"b\",c!=\"d\"", "all": "{}"}"#).unwrap();
        let matchers: Vec<_> = read.iter().map(|(name, tracked)| (name, tracked.matchers.len())).collect();
        assert_eq!(matchers, [("all", 0), ("bare", 2), ("dev", 1)]);
        assert_eq!(trackers(&serde_json::to_string(&read).unwrap()).unwrap(), read);
        assert!(!read.is_empty() && CustomTrackers::default().is_empty());
    }

    #[test]
    fn a_wrong_selector_is_named() {
        for selector in ["{a=", "{a=~\\\"(\\\"}", "m{a=\\\"b\\\"}"] {
            let err = trackers(&format!(r#"{{"dev": "{selector}"}}"#)).unwrap_err();
            assert!(err.starts_with("active series tracker \"dev\", selector "), "{err}");
        }
    }

    #[test]
    fn a_tenants_take_the_place_of_those_for_all() {
        let limits = |base: &MetricsLimits, yaml: &str| patch(base, serde_yaml_ng::from_str(yaml).unwrap(), "a file").unwrap();
        let names = |limits: &MetricsLimits| {
            let of = |trackers: &CustomTrackers| trackers.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
            (of(&limits.active_series_custom_trackers), of(&limits.active_series_additional_custom_trackers))
        };
        let all = limits(&MetricsLimits::default(), "active_series_custom_trackers: {a: '{x=\"1\"}', b.c: '{x=\"2\"}'}");
        assert_eq!(names(&all), (vec!["a".to_owned(), "b.c".to_owned()], vec![]));
        let tenant = limits(&all, "active_series_additional_custom_trackers: {d: '{x=\"1\"}'}");
        assert_eq!(names(&tenant), (vec!["a".to_owned(), "b.c".to_owned()], vec!["d".to_owned()]));
        assert_eq!(names(&limits(&all, "active_series_custom_trackers: {e: '{x=\"1\"}'}")).0, ["e"]);
        assert_eq!(names(&limits(&all, "active_series_custom_trackers: {}")).0, Vec::<String>::new());
    }

    #[test]
    fn the_other_of_two_with_one_name_holds() {
        let base = trackers(r#"{"a": "{x=\"1\"}", "b": "{x=\"2\"}"}"#).unwrap();
        let both = base.with(&trackers(r#"{"b": "{x=\"3\"}", "c": "{x=\"4\"}"}"#).unwrap());
        let selectors: Vec<_> = both.iter().map(|(name, tracked)| (name, tracked.selector.as_str())).collect();
        assert_eq!(selectors, [("a", "{x=\"1\"}"), ("b", "{x=\"3\"}"), ("c", "{x=\"4\"}")]);
    }
}
