//! `values.yaml` with its comments: what the schemas and the tables of values are made of.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{ChartsError, io};

/// A value of a chart, or a group of them.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub key: String,
    /// The sentences before it.
    pub text: String,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A group: whatever is not in it is refused.
    Group(Vec<Node>),
    /// A value with what its schema says beside its type.
    Leaf { default: Value, schema: Map<String, Value> },
    /// Settings of Quartet.
    Configuration { default: Value },
}

/// What the comments before a key say.
#[derive(Default)]
struct Comments {
    text: Vec<String>,
    schema: Map<String, Value>,
    configuration: bool,
}

/// Reads a file of values.
pub(super) fn read(path: &Path) -> Result<Vec<Node>, ChartsError> {
    let text = fs::read_to_string(path).map_err(io(format!("read {}", path.display())))?;
    let values: Value = serde_yaml_ng::from_str(&text).map_err(|source| ChartsError::Yaml { path: path.to_path_buf(), source })?;
    let comments = comments(path, &text)?;
    // The keys in the order of the file, which a map of JSON does not keep.
    let order: Vec<&Vec<String>> = comments.iter().map(|(key, _)| key).collect();
    let said: BTreeMap<&Vec<String>, &Comments> = comments.iter().map(|(key, said)| (key, said)).collect();
    Ok(nodes(&[], &values, &order, &said))
}

fn nodes(at: &[String], values: &Value, order: &[&Vec<String>], said: &BTreeMap<&Vec<String>, &Comments>) -> Vec<Node> {
    let here = order.iter().filter(|path| path.len() == at.len() + 1 && path.starts_with(at));
    here.filter_map(|path| {
        let key = path.last()?.clone();
        let (comments, value) = (said.get(path)?, values.get(&key)?);
        let group = value.as_object().is_some_and(|map| !map.is_empty()) && comments.schema.is_empty();
        let kind = if comments.configuration {
            Kind::Configuration { default: value.clone() }
        } else if group {
            Kind::Group(nodes(path, value, order, said))
        } else {
            Kind::Leaf { default: value.clone(), schema: comments.schema.clone() }
        };
        Some(Node { key, text: comments.text.join(" "), kind })
    })
    .collect()
}

/// The comments of each key by its path, in the order of the file. Keys are those of block mappings, two blanks a level.
fn comments(path: &Path, text: &str) -> Result<Vec<(Vec<String>, Comments)>, ChartsError> {
    let mut found = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut now = Comments::default();
    for (number, line) in text.lines().enumerate() {
        let body = line.trim_start();
        if let Some(comment) = body.strip_prefix('#') {
            let problem = |problem: String| ChartsError::Values { path: path.to_path_buf(), line: number + 1, problem };
            now.read(comment.trim()).map_err(problem)?;
        } else if body.is_empty() {
            now = Comments::default();
        } else if let Some((key, _)) = body.split_once(':') {
            open.truncate((line.len() - body.len()) / 2);
            open.push(key.trim_matches('"').to_owned());
            found.push((open.clone(), std::mem::take(&mut now)));
        }
    }
    Ok(found)
}

impl Comments {
    fn read(&mut self, comment: &str) -> Result<(), String> {
        if let Some(schema) = comment.strip_prefix("@schema") {
            self.schema = serde_json::from_str(schema).map_err(|err| err.to_string())?;
        } else if comment == "@configuration" {
            self.configuration = true;
        } else {
            self.text.push(comment.to_owned());
        }
        Ok(())
    }
}

/// Lays values over others: groups are merged, everything else is replaced.
pub(super) fn lay_over(below: &mut Vec<Node>, above: Vec<Node>) {
    for node in above {
        match below.iter_mut().find(|old| old.key == node.key) {
            None => below.push(node),
            Some(old) => match (&mut old.kind, node.kind) {
                (Kind::Group(old), Kind::Group(new)) => lay_over(old, new),
                (kind, new) => {
                    *kind = new;
                    old.text = node.text;
                }
            },
        }
    }
}

/// The node at a path of groups.
pub(super) fn at<'a>(nodes: &'a [Node], path: &[&str]) -> &'a [Node] {
    let Some((first, rest)) = path.split_first() else { return nodes };
    match nodes.iter().find(|node| node.key == *first) {
        Some(Node { kind: Kind::Group(inner), .. }) => at(inner, rest),
        _ => &[],
    }
}

/// The schema of values, in draft 7 of JSON Schema; that of settings is referred to as a definition.
pub(super) fn schema(nodes: &[Node]) -> Value {
    let properties: Map<String, Value> = nodes.iter().map(|node| (node.key.clone(), node.schema())).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

impl Node {
    fn schema(&self) -> Value {
        match &self.kind {
            Kind::Group(inner) => schema(inner),
            Kind::Configuration { .. } => json!({ "$ref": "#/definitions/configuration" }),
            Kind::Leaf { default, schema } => {
                let mut whole = Map::new();
                whole.insert("description".to_owned(), json!(self.text));
                if !schema.contains_key("enum")
                    && let Some(kind) = kind_of(default)
                {
                    whole.insert("type".to_owned(), json!(kind));
                }
                whole.extend(schema.clone());
                Value::Object(whole)
            }
        }
    }

    /// Lines of a table: value, meaning, default.
    pub(super) fn rows(&self, at: &str, out: &mut Vec<String>) {
        let name = if at.is_empty() { self.key.clone() } else { format!("{at}.{}", self.key) };
        match &self.kind {
            Kind::Group(inner) => inner.iter().for_each(|node| node.rows(&name, out)),
            Kind::Leaf { default, .. } | Kind::Configuration { default } => {
                out.push(format!("| `{name}` | {} | `{default}` |", self.text.replace('|', "\\|")));
            }
        }
    }

    /// Names of all values.
    pub(super) fn names(&self, at: &str, out: &mut Vec<String>) {
        let name = if at.is_empty() { self.key.clone() } else { format!("{at}.{}", self.key) };
        match &self.kind {
            Kind::Group(inner) => inner.iter().for_each(|node| node.names(&name, out)),
            _ => out.push(name),
        }
    }

    /// The values as YAML, each with its comment.
    pub(super) fn yaml(&self, depth: usize, out: &mut String) {
        let pad = "  ".repeat(depth);
        for line in wrapped(&self.text, 118 - pad.len()) {
            out.push_str(&format!("{pad}# {line}\n"));
        }
        match &self.kind {
            Kind::Group(inner) => {
                out.push_str(&format!("{pad}{}:\n", self.key));
                inner.iter().for_each(|node| node.yaml(depth + 1, out));
            }
            Kind::Leaf { default, .. } | Kind::Configuration { default } => out.push_str(&plain(&self.key, default, depth)),
        }
    }
}

/// A value without comments: maps as blocks, all else on one line, as JSON, which is YAML.
fn plain(key: &str, value: &Value, depth: usize) -> String {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() => {
            let inner: String = map.iter().map(|(key, value)| plain(key, value, depth + 1)).collect();
            format!("{pad}{key}:\n{inner}")
        }
        _ => format!("{pad}{key}: {value}\n"),
    }
}

/// The words of a text in lines of at most so many characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn kind_of(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some("boolean"),
        Value::Number(number) => Some(if number.is_f64() { "number" } else { "integer" }),
        Value::String(_) => Some("string"),
        Value::Array(_) => Some("array"),
        Value::Object(_) => Some("object"),
    }
}

#[cfg(test)]
mod tests;
