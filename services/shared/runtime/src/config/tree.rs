//! Settings as a tree of YAML values: which keys there are, and values laid over defaults.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_yaml_ng::{Mapping, Number, Value};

use super::{ConfigError, Setting, SettingDoc, error, join};

/// The keys of a configuration.
#[derive(Debug)]
pub(super) struct Known {
    leaves: BTreeMap<String, SettingDoc>,
    sections: BTreeSet<String>,
}

/// One value that somebody gave.
#[derive(Clone, Debug)]
pub(super) struct Given {
    key: String,
    /// Keys from the root down. Not `key` split at its dots: an entry of a map may hold dots.
    path: Vec<String>,
    kind: String,
    value: Value,
    origin: String,
}

/// What stands at a key.
enum Place<'a> {
    Section,
    Leaf(&'a SettingDoc),
    /// An entry of a map, by the map and the entry's own key.
    Entry(&'a SettingDoc, &'a str),
    Nothing,
}

impl Known {
    pub(super) fn of(settings: &impl Setting) -> Self {
        let mut docs = Vec::new();
        settings.describe("", "", &mut docs);
        let mut sections = BTreeSet::from([String::new()]);
        for doc in &docs {
            sections.extend(doc.key.match_indices('.').map(|(dot, _)| doc.key[..dot].to_owned()));
        }
        Self { leaves: docs.into_iter().map(|doc| (doc.key.clone(), doc)).collect(), sections }
    }

    pub(super) fn leaf(&self, key: &str) -> Option<&SettingDoc> {
        self.leaves.get(key)
    }

    /// True for settings that are either true or false.
    pub(super) fn is_switch(&self, key: &str) -> bool {
        self.leaf(key).is_some_and(|doc| doc.kind == "true or false")
    }

    fn place<'a>(&'a self, key: &'a str) -> Place<'a> {
        if let Some(doc) = self.leaves.get(key) {
            return Place::Leaf(doc);
        }
        if self.sections.contains(key) {
            return Place::Section;
        }
        let entry = |(dot, _): (usize, _)| self.leaves.get(&key[..dot]).filter(|doc| doc.kind == "map").map(|doc| (doc, &key[dot + 1..]));
        key.match_indices('.').find_map(entry).map_or(Place::Nothing, |(doc, entry)| Place::Entry(doc, entry))
    }

    fn unknown(&self, key: &str, origin: &str) -> ConfigError {
        let keys = self.leaves.keys().chain(&self.sections).map(String::as_str).filter(|key| !key.is_empty());
        let nearest = error::nearest(key, keys).map(str::to_owned);
        ConfigError::Unknown { key: key.to_owned(), nearest, origin: origin.to_owned() }
    }

    /// A value given as text, by a flag or a variable.
    pub(super) fn text(&self, key: &str, text: &str, origin: &str) -> Result<Given, ConfigError> {
        let (doc, path, value) = match self.place(key) {
            Place::Leaf(doc) => (doc, split(&doc.key), from_text(&doc.kind, text)),
            Place::Entry(doc, entry) => (doc, [split(&doc.key), vec![entry.to_owned()]].concat(), any(text)),
            Place::Section => return Err(ConfigError::NotSection { key: key.to_owned(), origin: origin.to_owned() }),
            Place::Nothing => return Err(self.unknown(key, origin)),
        };
        Ok(Given { key: key.to_owned(), path, kind: doc.kind.clone(), value, origin: origin.to_owned() })
    }

    /// The values of a YAML tree whose root stands at `at`.
    pub(super) fn values(&self, at: &str, value: Value, origin: &str, out: &mut Vec<Given>) -> Result<(), ConfigError> {
        let doc = match self.place(at) {
            Place::Section => return self.section(at, value, origin, out),
            Place::Leaf(doc) => doc,
            Place::Entry(..) | Place::Nothing => return Err(self.unknown(at, origin)),
        };
        let given = |key: String, path, value| Given { key, path, kind: doc.kind.clone(), value, origin: origin.to_owned() };
        match value {
            Value::Mapping(entries) if doc.kind == "map" => {
                for (entry, value) in entries {
                    let entry =
                        key_text(&entry).ok_or_else(|| ConfigError::NotSection { key: at.to_owned(), origin: origin.to_owned() })?;
                    out.push(given(join(at, &entry), [split(at), vec![entry]].concat(), value));
                }
            }
            value => out.push(given(at.to_owned(), split(at), coerce(&doc.kind, value))),
        }
        Ok(())
    }

    fn section(&self, at: &str, value: Value, origin: &str, out: &mut Vec<Given>) -> Result<(), ConfigError> {
        let entries = match value {
            Value::Null => return Ok(()),
            Value::Mapping(entries) => entries,
            _ => return Err(ConfigError::NotSection { key: at.to_owned(), origin: origin.to_owned() }),
        };
        for (key, value) in entries {
            let key = key_text(&key).ok_or_else(|| ConfigError::NotSection { key: at.to_owned(), origin: origin.to_owned() })?;
            self.values(&join(at, &key), value, origin, out)?;
        }
        Ok(())
    }
}

/// `base` with what `over` says, where `over` is a YAML mapping of some of its settings.
///
/// Errors: a key of `over` that there is no setting for, or a value that its setting cannot hold.
pub fn patch<T>(base: &T, over: Value, origin: &str) -> Result<T, ConfigError>
where
    T: Setting + Serialize + DeserializeOwned,
{
    let known = Known::of(base);
    let mut given = Vec::new();
    known.values("", over, origin, &mut given)?;
    build(base, &known, &given)
}

/// `base` with the given values laid over it, the last of each key winning.
pub(super) fn build<T>(base: &T, known: &Known, given: &[Given]) -> Result<T, ConfigError>
where
    T: Serialize + DeserializeOwned,
{
    let mut base = serde_yaml_ng::to_value(base).map_err(ConfigError::Print)?;
    // A secret prints as asterisks: its default is left to the type.
    for doc in known.leaves.values().filter(|doc| doc.kind == "secret") {
        remove(&mut base, &split(&doc.key));
    }
    let with = |given: &[Given]| {
        let mut tree = base.clone();
        given.iter().for_each(|one| set(&mut tree, &one.path, one.value.clone()));
        serde_yaml_ng::from_value::<T>(tree)
    };
    with(given).map_err(|err| {
        // Errors of serde do not say where they happened: the value that fails alone is it.
        let culprit = given.iter().rev().find_map(|one| with(std::slice::from_ref(one)).err().map(|err| one.refused(&err)));
        culprit.unwrap_or_else(|| ConfigError::invalid("configuration", err.to_string()))
    })
}

impl Given {
    fn refused(&self, err: &serde_yaml_ng::Error) -> ConfigError {
        let reason = if self.kind == "secret" { "a value of another type".to_owned() } else { err.to_string() };
        ConfigError::Value { key: self.key.clone(), expected: self.kind.clone(), reason, origin: self.origin.clone() }
    }
}

fn split(key: &str) -> Vec<String> {
    key.split('.').map(str::to_owned).collect()
}

fn key_text(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn set(tree: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *tree = value;
        return;
    };
    if !tree.is_mapping() {
        *tree = Value::Mapping(Mapping::new());
    }
    if let Value::Mapping(entries) = tree {
        set(entries.entry(Value::String(first.clone())).or_insert(Value::Null), rest, value);
    }
}

fn remove(tree: &mut Value, path: &[String]) {
    let (Value::Mapping(entries), Some((first, rest))) = (tree, path.split_first()) else { return };
    if rest.is_empty() {
        entries.remove(first.as_str());
    } else if let Some(below) = entries.get_mut(first.as_str()) {
        remove(below, rest);
    }
}

/// The value that a text stands for; one that does not fit stays a text and is refused with its name later.
fn from_text(kind: &str, text: &str) -> Value {
    let plain = || Value::String(text.to_owned());
    match kind {
        "integer" => {
            let signed = || text.parse::<i64>().map(Number::from);
            text.parse::<u64>().map(Number::from).or_else(|_| signed()).map_or_else(|_| plain(), Value::Number)
        }
        "number" => text.parse::<f64>().map_or_else(|_| plain(), |number| Value::Number(number.into())),
        "true or false" => text.parse().map_or_else(|_| plain(), Value::Bool),
        "list" if !text.trim_start().starts_with('[') => {
            Value::Sequence(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect())
        }
        "list" | "map" | "whole map" => any(text),
        _ => plain(),
    }
}

/// Any YAML; what is none is a text.
fn any(text: &str) -> Value {
    serde_yaml_ng::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Quoted numbers where numbers belong (an expanded variable often is), and numbers where a text belongs.
fn coerce(kind: &str, value: Value) -> Value {
    match value {
        Value::String(text) if matches!(kind, "integer" | "number" | "true or false") => from_text(kind, &text),
        Value::Number(number) if matches!(kind, "text" | "secret") => Value::String(number.to_string()),
        Value::Bool(truth) if matches!(kind, "text" | "secret") => Value::String(truth.to_string()),
        value => value,
    }
}
