//! What is wrong with a configuration, said so that an operator finds the line.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;

/// Why a configuration was refused. Its text begins with the key where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read the configuration {path}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not YAML.
    #[error("{origin} is not valid YAML")]
    Yaml {
        /// The file.
        origin: String,
        /// Where and why.
        source: serde_yaml_ng::Error,
    },
    /// `${NAME}` without a value.
    #[error("{origin}, line {line}: ${{{name}}} is not set and has no default: write ${{{name}:default}}")]
    Unset {
        /// The variable.
        name: String,
        /// The file.
        origin: String,
        /// Its line, from 1.
        line: usize,
    },
    /// A key that no setting has.
    #[error("{key}: unknown setting{hint} (in {origin})", hint = hint(.nearest.as_deref()))]
    Unknown {
        /// The whole key.
        key: String,
        /// The most similar known key.
        nearest: Option<String>,
        /// File, variable or flag.
        origin: String,
    },
    /// A section where its settings should be.
    #[error("{key}: expected a section with settings below it (in {origin})")]
    NotSection {
        /// The whole key.
        key: String,
        /// File, variable or flag.
        origin: String,
    },
    /// A value that its setting cannot hold.
    #[error("{key}: expected {expected}: {reason} (in {origin})")]
    Value {
        /// The whole key.
        key: String,
        /// What values look like.
        expected: String,
        /// What is wrong with this one; names it, unless it is a secret.
        reason: String,
        /// File, variable or flag.
        origin: String,
    },
    /// A value that a role cannot work with.
    #[error("{key}: {reason}")]
    Invalid {
        /// The whole key.
        key: String,
        /// The value and what is wrong with it.
        reason: String,
    },
    /// An argument that is no flag.
    #[error("{0}: not a flag; settings are given as --section.key=value")]
    Argument(String),
    /// A flag whose value is missing.
    #[error("--{0}: a value must follow")]
    NoValue(String),
    /// `--help` and its like, where only a configuration is wanted.
    #[error("nothing to run: the arguments ask for a text")]
    OnlyText,
    /// The configuration cannot be written down.
    #[error("print the configuration")]
    Print(#[source] serde_yaml_ng::Error),
}

impl ConfigError {
    /// A complaint of a role's own check: `ingester.max_inflight_push: 0B is below the minimum of 1MiB`.
    pub fn invalid(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { key: key.into(), reason: reason.into() }
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |known| format!("; did you mean {known}?"))
}

/// Hands `value` on if it is at least `min`.
pub fn at_least<T: PartialOrd + Display>(key: &str, value: T, min: T) -> Result<T, ConfigError> {
    if value >= min { Ok(value) } else { Err(ConfigError::invalid(key, format!("{value} is below the minimum of {min}"))) }
}

/// Hands `value` on if it is at most `max`.
pub fn at_most<T: PartialOrd + Display>(key: &str, value: T, max: T) -> Result<T, ConfigError> {
    if value <= max { Ok(value) } else { Err(ConfigError::invalid(key, format!("{value} is above the maximum of {max}"))) }
}

/// The most similar of `known`, if any is similar enough to be what was meant: by edits of single letters, else by an
/// equal last part (`http_port` for `server.http_port`).
pub fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let most = (key.len() / 3).max(2);
    let close = known.clone().map(|candidate| (edits(key, candidate), candidate)).min().filter(|(edits, _)| *edits <= most);
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    close.map(|(_, candidate)| candidate).or_else(|| known.clone().find(|candidate| last(candidate) == last(key)))
}

/// Edits between two texts: letters put in, taken out or replaced (Levenshtein, 1966).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{edits, nearest};

    #[test]
    fn edits_are_counted() {
        for (a, b, count) in [("", "", 0), ("abc", "abc", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("period", "preiod", 2)] {
            assert_eq!((edits(a, b), edits(b, a)), (count, count), "{a} {b}");
        }
    }

    #[test]
    fn only_what_is_similar_is_named() {
        let known = ["server.http_port", "server.grpc_port", "ring.zones"];
        let found = |key| nearest(key, known.into_iter());
        assert_eq!(found("server.htp_port"), Some("server.http_port"));
        assert_eq!(found("zones"), Some("ring.zones"));
        assert_eq!(found("limits"), None);
    }
}
