//! Relabeling: rules of a tenant that change or drop series before anything of them is checked.
//!
//! Source of the semantics: Prometheus's documentation of `relabel_config` and `metric_relabel_configs`.

use std::fmt;
use std::sync::Arc;

use index::RegexError;
use md5::{Digest, Md5};
use regex::Regex;
use runtime::config::{Setting, SettingDoc};
use serde::{Deserialize, Serialize};
use tenancy::TenantId;

use super::series::RawLabel;
use crate::limits::{MetricsLimits, NameValidation};
use crate::model::is_legacy_name;

/// The label that holds the tenant while rules are applied.
const TENANT_LABEL: &str = "__meta_tenant_id";

/// What a rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Action {
    /// Sets a label to what a match is expanded to; to nothing: takes it off.
    #[default]
    Replace,
    /// Drops series that do not match.
    Keep,
    /// Drops series that match.
    Drop,
    /// Keeps series whose sources are the value of the target.
    KeepEqual,
    /// Drops series whose sources are the value of the target.
    DropEqual,
    /// Sets a label to a remainder of a hash of the sources.
    HashMod,
    /// Copies labels whose names match to the names that they are expanded to.
    LabelMap,
    /// Takes off labels whose names match.
    LabelDrop,
    /// Takes off labels whose names do not match.
    LabelKeep,
    /// Sets a label to the sources in lower case.
    Lowercase,
    /// Sets a label to the sources in upper case.
    Uppercase,
}

/// A rule as it is written in an overrides file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RelabelConfig {
    /// Labels whose values are joined.
    pub source_labels: Vec<String>,
    /// What stands between them.
    pub separator: String,
    /// What has to match, as a whole.
    pub regex: String,
    /// What a hash is divided by.
    pub modulus: u64,
    /// The label that is set.
    pub target_label: String,
    /// What a match is expanded to.
    pub replacement: String,
    /// What is done.
    pub action: Action,
}

/// Why a rule cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RelabelError {
    /// It needs a target.
    #[error("relabel configuration for {0} action requires 'target_label' value")]
    Target(Action),
    /// Its target cannot be the name of a label.
    #[error("{} is invalid 'target_label' for {action} action", syntax::Quoted(.target))]
    BadTarget {
        /// What is set.
        target: String,
        /// What is done.
        action: Action,
    },
    /// The names that it makes of others cannot be names of labels.
    #[error("{} is invalid 'replacement' for {action} action", syntax::Quoted(.replacement))]
    BadReplacement {
        /// What names are expanded to.
        replacement: String,
        /// What is done.
        action: Action,
    },
    /// It makes nothing of a match.
    #[error("'replacement' can not be set for {0} action")]
    Replacement(Action),
    /// Nothing to divide by.
    #[error("relabel configuration for hashmod requires non-zero modulus")]
    Modulus,
    /// It would have no effect, or another than its author thinks.
    #[error("{0} action requires only {1}, and no other fields")]
    Others(Action, &'static str),
    /// No action has this name.
    #[error("unknown relabel action \"{0}\"")]
    Action(String),
    /// A regular expression that RE2 would not take.
    #[error(transparent)]
    Regex(#[from] RegexError),
}

/// The rules of a tenant, in the order in which they are applied. Cheap to clone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<RelabelConfig>", into = "Vec<RelabelConfig>")]
pub struct RelabelConfigs(Arc<[Rule]>);

#[derive(Clone, Debug)]
struct Rule {
    config: RelabelConfig,
    regex: Regex,
}

/// The labels of a series after all rules.
#[derive(Debug, Default)]
pub(crate) struct Relabeled {
    labels: Vec<(String, String)>,
    /// The labels as they came: what is not text is not relabeled, and is refused later.
    raw: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Relabeled {
    /// Applies the rules of a tenant, and takes off the labels that it does not want. `None`: the series is dropped.
    pub(crate) fn new(labels: &[RawLabel<'_>], tenant: &TenantId, limits: &MetricsLimits) -> Option<Self> {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        let pairs: Option<Vec<_>> = labels.iter().map(|label| text(label.name).zip(text(label.value))).collect();
        let Some(labels) = pairs.filter(|pairs| !pairs.is_empty()) else {
            let raw = labels.iter().map(|label| (label.name.to_vec(), label.value.to_vec())).collect();
            return Some(Self { raw, ..Self::default() });
        };
        let mut relabeled = Self { labels, raw: Vec::new() };
        let rules = &limits.metric_relabel_configs.0;
        if limits.metric_relabeling_enabled && !rules.is_empty() {
            relabeled.set(TENANT_LABEL, tenant.as_str().to_owned());
            if !rules.iter().all(|rule| rule.apply(&mut relabeled, limits.name_validation_scheme)) {
                return None;
            }
            relabeled.remove(TENANT_LABEL);
        }
        relabeled.labels.retain(|(name, _)| !limits.drop_labels.contains(name));
        (!relabeled.labels.is_empty()).then_some(relabeled)
    }

    /// As a series holds them.
    pub(crate) fn labels(&self) -> Vec<RawLabel<'_>> {
        let labels = self.labels.iter().map(|(name, value)| RawLabel { name: name.as_bytes(), value: value.as_bytes() });
        labels.chain(self.raw.iter().map(|(name, value)| RawLabel { name, value })).collect()
    }

    fn get(&self, name: &str) -> &str {
        self.labels.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn set(&mut self, name: &str, value: String) {
        if value.is_empty() {
            return self.remove(name);
        }
        match self.labels.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.labels.push((name.to_owned(), value)),
        }
    }

    fn remove(&mut self, name: &str) {
        self.labels.retain(|(known, _)| known != name);
    }
}

impl Rule {
    /// Applies the rule. False: the series is dropped.
    fn apply(&self, series: &mut Relabeled, names: NameValidation) -> bool {
        let RelabelConfig { source_labels, separator, modulus, target_label, replacement, action, .. } = &self.config;
        let sources = || source_labels.iter().map(|name| series.get(name)).collect::<Vec<_>>().join(separator);
        match action {
            Action::Keep => return self.regex.is_match(&sources()),
            Action::Drop => return !self.regex.is_match(&sources()),
            Action::KeepEqual => return series.get(target_label) == sources(),
            Action::DropEqual => return series.get(target_label) != sources(),
            Action::Replace => self.replace(&sources(), series, names),
            Action::Lowercase => series.set(target_label, sources().chars().map(lower).collect()),
            Action::Uppercase => series.set(target_label, sources().chars().map(upper).collect()),
            Action::HashMod => {
                let hash: [u8; 16] = Md5::digest(sources().as_bytes()).into();
                let low = hash[8..].iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
                series.set(target_label, (low % (*modulus).max(1)).to_string());
            }
            Action::LabelMap => {
                for (name, value) in series.labels.clone() {
                    if let Some(found) = self.regex.captures(&name) {
                        let mut target = String::new();
                        found.expand(replacement, &mut target);
                        series.set(&target, value);
                    }
                }
            }
            Action::LabelDrop => series.labels.retain(|(name, _)| !self.regex.is_match(name)),
            Action::LabelKeep => series.labels.retain(|(name, _)| self.regex.is_match(name)),
        }
        true
    }

    fn replace(&self, sources: &str, series: &mut Relabeled, names: NameValidation) {
        let Some(found) = self.regex.captures(sources) else { return };
        let (mut target, mut value) = (String::new(), String::new());
        found.expand(&self.config.target_label, &mut target);
        if !is_label_name(&target, names) {
            return;
        }
        found.expand(&self.config.replacement, &mut value);
        series.set(&target, value);
    }
}

/// Lower case of one character for one, as Go has it: a sigma at the end of a word is like any other.
fn lower(char: char) -> char {
    let mut lower = char.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        // The only one that becomes two: a capital i with a dot, whose simple form is the plain letter.
        _ => 'i',
    }
}

/// Upper case of one character for one; what has none of its own stays, as the sharp s and ligatures do.
fn upper(char: char) -> char {
    let mut upper = char.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => char,
    }
}

/// True when a text may be expanded to the name of a label: no `$` in it stands for itself, and no brace is left over.
fn is_template(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(['$', '{', '}']) {
        let Some(behind) = rest[at..].strip_prefix('$') else { return false };
        rest = match behind.strip_prefix('{') {
            Some(inner) => match inner.find(['$', '{', '}']) {
                Some(end) if end > 0 && inner[end..].starts_with('}') => &inner[end + 1..],
                _ => return false,
            },
            None if behind.is_empty() || behind.starts_with(['$', '{', '}']) => return false,
            None => behind,
        };
    }
    !text.is_empty()
}

fn is_label_name(name: &str, names: NameValidation) -> bool {
    !name.is_empty() && (names == NameValidation::Utf8 || is_legacy_name(name))
}

impl RelabelConfig {
    fn check(self) -> Result<Rule, RelabelError> {
        let Self { source_labels, separator, modulus, target_label, replacement, action, .. } = &self;
        let (action, default) = (*action, Self::default());
        let needs_target = matches!(
            action,
            Action::Replace | Action::HashMod | Action::Lowercase | Action::Uppercase | Action::KeepEqual | Action::DropEqual
        );
        if needs_target && target_label.is_empty() {
            return Err(RelabelError::Target(action));
        }
        let expands = action == Action::Replace;
        if needs_target && target_label.contains('$') && !(expands && is_template(target_label)) {
            return Err(RelabelError::BadTarget { target: target_label.clone(), action });
        }
        if action == Action::HashMod && *modulus == 0 {
            return Err(RelabelError::Modulus);
        }
        let others = *separator != default.separator || *modulus != default.modulus || *replacement != default.replacement;
        match action {
            Action::Lowercase | Action::Uppercase | Action::KeepEqual | Action::DropEqual if *replacement != default.replacement => {
                return Err(RelabelError::Replacement(action));
            }
            Action::LabelMap if !is_template(replacement) => {
                return Err(RelabelError::BadReplacement { replacement: replacement.clone(), action });
            }
            Action::LabelDrop | Action::LabelKeep if !source_labels.is_empty() || !target_label.is_empty() || others => {
                return Err(RelabelError::Others(action, "'regex'"));
            }
            Action::KeepEqual | Action::DropEqual if self.regex != default.regex || others => {
                return Err(RelabelError::Others(action, "'source_labels' and 'target_label'"));
            }
            _ => {}
        }
        let regex = index::re2::anchored(&self.regex)?;
        Ok(Rule { config: self, regex })
    }
}

impl Default for RelabelConfig {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: ";".to_owned(),
            regex: "(.*)".to_owned(),
            modulus: 0,
            target_label: String::new(),
            replacement: "$1".to_owned(),
            action: Action::default(),
        }
    }
}

impl RelabelConfigs {
    /// Rules that can be used.
    pub fn new(configs: Vec<RelabelConfig>) -> Result<Self, RelabelError> {
        configs.into_iter().map(RelabelConfig::check).collect::<Result<Vec<_>, _>>().map(|rules| Self(rules.into()))
    }

    /// True without any rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<RelabelConfig>> for RelabelConfigs {
    type Error = RelabelError;

    fn try_from(configs: Vec<RelabelConfig>) -> Result<Self, RelabelError> {
        Self::new(configs)
    }
}

impl From<RelabelConfigs> for Vec<RelabelConfig> {
    fn from(configs: RelabelConfigs) -> Self {
        configs.0.iter().map(|rule| rule.config.clone()).collect()
    }
}

impl PartialEq for RelabelConfigs {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().map(|rule| &rule.config).eq(other.0.iter().map(|rule| &rule.config))
    }
}

impl Setting for RelabelConfigs {
    fn describe(&self, at: &str, doc: &str, out: &mut Vec<SettingDoc>) {
        out.push(SettingDoc::leaf(at, doc, "[]", "list"));
    }
}

impl Action {
    const ALL: [Self; 11] = [
        Self::Replace,
        Self::Keep,
        Self::Drop,
        Self::KeepEqual,
        Self::DropEqual,
        Self::HashMod,
        Self::LabelMap,
        Self::LabelDrop,
        Self::LabelKeep,
        Self::Lowercase,
        Self::Uppercase,
    ];

    /// The word in a rule; upper case is read too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::KeepEqual => "keepequal",
            Self::DropEqual => "dropequal",
            Self::HashMod => "hashmod",
            Self::LabelMap => "labelmap",
            Self::LabelDrop => "labeldrop",
            Self::LabelKeep => "labelkeep",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
        }
    }
}

impl TryFrom<String> for Action {
    type Error = RelabelError;

    fn try_from(word: String) -> Result<Self, RelabelError> {
        Self::ALL.into_iter().find(|action| action.as_str().eq_ignore_ascii_case(&word)).ok_or(RelabelError::Action(word))
    }
}

impl From<Action> for &'static str {
    fn from(action: Action) -> Self {
        action.as_str()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
