//! A configuration as text: `--help`, `--print-config`, the page `/config`, the reference of the documentation.

use std::fmt::Write;

use serde::Serialize;
use serde_yaml_ng::{Mapping, Value};

use super::{ConfigError, Setting, SettingDoc, join};

fn docs(settings: &impl Setting) -> Vec<SettingDoc> {
    let mut docs = Vec::new();
    settings.describe("", "", &mut docs);
    docs
}

/// What `--help` prints.
pub(super) fn help(role: &str, settings: &impl Setting) -> String {
    let mut out = format!(
        "usage: {role} [--config FILE]... [--section.key=value]...\n\n  \
         --config FILE     read settings from a YAML file; ${{NAME}} and ${{NAME:default}} stand for variables\n  \
         --print-config    print the configuration in force, with comments, and exit\n  \
         --check-config    read and check the configuration, and exit\n  \
         --help, --version\n\n\
         Later wins: defaults, files, variables (QUARTET_SECTION__KEY), flags.\n\n"
    );
    for doc in docs(settings) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  --{}={}\n        {} (default {})", doc.key, placeholder(&doc.kind), doc.doc, doc.default);
    }
    out
}

fn placeholder(kind: &str) -> String {
    kind.replace(" or ", "|").replace(" | ", "|").to_uppercase()
}

/// Every setting as a Markdown page: a table for each section.
#[must_use]
pub fn reference<C: Setting + Default>() -> String {
    let mut out = String::from(
        "# Configuration\n\nEvery setting with its default. A setting `section.key` is given in a YAML file (`--config FILE`), as the variable \
         `QUARTET_SECTION__KEY`, or as the flag `--section.key=value`; the later of these wins.\n",
    );
    let mut sections: Vec<(String, Vec<SettingDoc>)> = Vec::new();
    for doc in docs(&C::default()) {
        let (above, _) = doc.key.rsplit_once('.').unwrap_or_default();
        // The settings of a group may stand around a smaller group.
        match sections.iter_mut().find(|(section, _)| section == above) {
            Some((_, settings)) => settings.push(doc),
            None => sections.push((above.to_owned(), vec![doc])),
        }
    }
    for (section, settings) in sections {
        let title = if section.is_empty() { "General" } else { &section };
        let _ = write!(out, "\n## {title}\n\n| Setting | Meaning | Values | Default |\n| --- | --- | --- | --- |\n");
        for doc in settings {
            let cell = |text: &str| text.replace('|', "\\|");
            let _ = writeln!(out, "| `{}` | {} | {} | `{}` |", doc.key, cell(&doc.doc), cell(&doc.kind), cell(&doc.default));
        }
    }
    out
}

/// The configuration as YAML, each setting with its sentence, kind and default above it. Secrets are masked.
pub(super) fn annotated<C: Setting + Default + Serialize>(config: &C) -> Result<String, ConfigError> {
    let mut out = String::new();
    let tree = serde_yaml_ng::to_value(config).map_err(ConfigError::Print)?;
    annotate("", &tree, &docs(&C::default()), 0, &mut out);
    Ok(out)
}

fn annotate(at: &str, tree: &Value, docs: &[SettingDoc], depth: usize, out: &mut String) {
    let Value::Mapping(entries) = tree else { return };
    let indent = "  ".repeat(depth);
    for (key, value) in entries {
        let Some(name) = key.as_str() else { continue };
        let whole = join(at, name);
        if let Some(doc) = docs.iter().find(|doc| doc.key == whole) {
            let _ = writeln!(out, "{indent}# {}\n{indent}# {}, default {}", doc.doc, doc.kind, doc.default);
            let _ = writeln!(out, "{indent}{name}: {}", flow(value));
        } else {
            let _ = writeln!(out, "{indent}{name}:");
            annotate(&whole, value, docs, depth + 1, out);
        }
    }
}

/// A value on one line: JSON is YAML's flow style.
fn flow(value: &Value) -> String {
    match value {
        Value::Mapping(_) | Value::Sequence(_) => serde_json::to_string(value).unwrap_or_default(),
        _ => {
            let text = serde_yaml_ng::to_string(value).unwrap_or_default();
            let text = text.trim_end();
            if text.contains('\n') { serde_json::to_string(value).unwrap_or_default() } else { text.to_owned() }
        }
    }
}

/// The texts of the page `/config`.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    /// What is in force.
    pub effective: String,
    /// What would be without files, variables and flags.
    pub defaults: String,
    /// What of the effective configuration is not the default.
    pub diff: String,
}

impl Pages {
    /// Prints a configuration. Secrets are masked.
    pub fn of<C: Default + Serialize>(config: &C) -> Result<Self, ConfigError> {
        let effective = serde_yaml_ng::to_value(config).map_err(ConfigError::Print)?;
        let defaults = serde_yaml_ng::to_value(C::default()).map_err(ConfigError::Print)?;
        let text = |value: &Value| serde_yaml_ng::to_string(value).map_err(ConfigError::Print);
        let diff = diff(&effective, &defaults).unwrap_or_else(|| Value::Mapping(Mapping::new()));
        Ok(Self { effective: text(&effective)?, defaults: text(&defaults)?, diff: text(&diff)? })
    }
}

/// What of `now` differs from `then`; `None` if nothing does.
#[must_use]
pub fn diff(now: &Value, then: &Value) -> Option<Value> {
    match (now, then) {
        (Value::Mapping(now), Value::Mapping(then)) => {
            let changed = |(key, value): (&Value, &Value)| {
                let changed = then.get(key).map_or_else(|| Some(value.clone()), |old| diff(value, old))?;
                Some((key.clone(), changed))
            };
            let changed: Mapping = now.iter().filter_map(changed).collect();
            (!changed.is_empty()).then_some(Value::Mapping(changed))
        }
        _ => (now != then).then(|| now.clone()),
    }
}
