//! The settings of Quartet, as docs/configuration.md lists them, and the schema of those that charts leave to their users.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Map, Value, json};

use super::{ChartsError, io};
use crate::tools;

/// Settings that charts set themselves, or make from other values: one way to each. TLS is not among what charts can do yet.
const OWN: [&str; 31] = [
    "server.id",
    "server.listen_address",
    "server.http_port",
    "server.grpc_port",
    "server.advertise_address",
    "server.alias",
    "server.tls.cert_file",
    "server.tls.key_file",
    "server.tls.client_ca_file",
    "server.tls.reload_period",
    "client.tls.enabled",
    "client.tls.ca_file",
    "client.tls.cert_file",
    "client.tls.key_file",
    "client.tls.server_name",
    "client.tls.reload_period",
    "otlp.grpc_port",
    "otlp.http_port",
    "overrides.metrics",
    "cluster.id",
    "storage.url",
    "storage.prefix",
    "storage.s3.access_key_id",
    "storage.gcs.service_account_path",
    "ring.member",
    "ring.zone",
    "ring.zones",
    "ring.replication_factor",
    "ring.bind",
    "ring.advertise",
    "ingester.data_dir",
];

/// A setting.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// What the table says of its values: `duration`, `a | b` …
    values: String,
    /// Its default, as JSON where it is.
    pub default: String,
}

/// All settings by name.
#[derive(Debug)]
pub(super) struct Settings(pub BTreeMap<String, Setting>);

/// Reads the tables.
pub(super) fn read() -> Result<Settings, ChartsError> {
    let path = tools::root().join("docs/configuration.md");
    let text = fs::read_to_string(&path).map_err(io(format!("read {}", path.display())))?;
    let tables = text.split("## Defaults of the all-in-one").next().unwrap_or_default();
    let settings: BTreeMap<String, Setting> = tables.lines().filter_map(row).collect();
    if settings.is_empty() { Err(ChartsError::NoSettings) } else { Ok(Settings(settings)) }
}

fn row(line: &str) -> Option<(String, Setting)> {
    // An escaped bar belongs to its cell.
    let line = line.replace("\\|", "\u{1}");
    let cells: Vec<String> = line.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect();
    let [_, name, _, values, default, _] = &cells[..] else { return None };
    let name = name.strip_prefix('`')?.strip_suffix('`')?;
    Some((name.to_owned(), Setting { values: values.clone(), default: default.trim_matches('`').to_owned() }))
}

impl Settings {
    /// Whether there is a setting of this name; what a map holds is one.
    pub(super) fn has(&self, name: &str) -> bool {
        let mut at = name;
        loop {
            match self.0.get(at) {
                Some(setting) if at == name || setting.is_map() => return true,
                _ => match at.rsplit_once('.') {
                    Some((outer, _)) => at = outer,
                    None => return false,
                },
            }
        }
    }

    /// Whether this is a setting as a whole, with whatever it holds.
    pub(super) fn is_whole(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The schema of `config`: what charts leave to their users.
    pub(super) fn schema(&self) -> Value {
        let mut root = Group::default();
        for (name, setting) in self.0.iter().filter(|(name, _)| !OWN.contains(&name.as_str()) && name.as_str() != "overrides") {
            root.insert(name, setting.schema());
        }
        root.schema()
    }
}

impl Setting {
    fn is_map(&self) -> bool {
        self.values.ends_with("map")
    }

    fn schema(&self) -> Value {
        match self.values.as_str() {
            "integer" => json!({ "type": "integer" }),
            "number" => json!({ "type": "number" }),
            "true or false" => json!({ "type": "boolean" }),
            "list" => json!({ "type": ["array", "string"] }),
            "map" | "whole map" => json!({ "type": "object" }),
            "duration" | "bytes" => json!({ "type": ["string", "integer"] }),
            // Secrets come by reference: from a variable of the container.
            "secret" => json!({ "type": "string", "pattern": "^\\$\\{.+\\}$" }),
            values if values.contains('|') => json!({ "enum": values.split('|').map(str::trim).collect::<Vec<_>>() }),
            _ => json!({ "type": "string" }),
        }
    }
}

/// Settings below a name.
#[derive(Default)]
struct Group {
    leaves: Map<String, Value>,
    groups: BTreeMap<String, Group>,
}

impl Group {
    fn insert(&mut self, name: &str, schema: Value) {
        match name.split_once('.') {
            None => {
                self.leaves.insert(name.to_owned(), schema);
            }
            Some((group, rest)) => self.groups.entry(group.to_owned()).or_default().insert(rest, schema),
        }
    }

    fn schema(self) -> Value {
        let mut properties = self.leaves;
        properties.extend(self.groups.into_iter().map(|(name, group)| (name, group.schema())));
        json!({ "type": "object", "additionalProperties": false, "properties": properties })
    }
}

#[cfg(test)]
mod tests;
