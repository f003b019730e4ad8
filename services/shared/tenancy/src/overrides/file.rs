//! An overrides file, as the original systems write it.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use runtime::config::print::diff;
use runtime::config::{ConfigError, Setting, nearest, patch};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_yaml_ng::{Mapping, Value};

use super::Limits;
use crate::{TenantId, TenantIdError};

/// A section that Mimir's file may have for its key-value store: there is none here, so whatever it says is done.
const WITHOUT_EFFECT: [&str; 1] = ["multi_kv_config"];

/// Sections of Mimir's file for limits of single processes: here they are settings of the process, and no file changes them while it runs.
const OF_PROCESSES: [&str; 2] = ["ingester_limits", "distributor_limits"];

/// Sections that are read.
const READ: [&str; 2] = ["limits", "overrides"];

/// Why an overrides file was refused, as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OverridesError {
    /// It cannot be read.
    #[error("read the overrides {path}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not one YAML document.
    #[error("the overrides are not valid YAML")]
    Yaml(#[source] serde_yaml_ng::Error),
    /// A section that no overrides file has.
    #[error("{section}: unknown section of the overrides{hint}", hint = .nearest.map_or_else(String::new, |known| format!("; did you mean {known}?")))]
    Section {
        /// The key.
        section: String,
        /// The most similar known one.
        nearest: Option<&'static str>,
    },
    /// A limit of single processes, which would be thought to be in force.
    #[error("{section}.{limit}: limits of a process are settings of its own configuration, and not read from the overrides")]
    OfProcess {
        /// The section.
        section: String,
        /// The limit.
        limit: String,
    },
    /// A section that is no mapping.
    #[error("{0}: expected a mapping")]
    NotMapping(String),
    /// A key of `overrides` that is not the name of a tenant.
    #[error("overrides.{name}")]
    Tenant {
        /// The key.
        name: String,
        /// Why.
        source: TenantIdError,
    },
    /// A wrong limit among the defaults.
    #[error("limits")]
    Defaults(#[source] ConfigError),
    /// A wrong limit of one tenant.
    #[error("overrides.{tenant}")]
    Limit {
        /// The tenant.
        tenant: TenantId,
        /// The limit and what is wrong with it.
        source: ConfigError,
    },
}

/// Reads an overrides file: `base` with `limits:` laid over it are the defaults; a tenant's are the defaults with
/// `overrides.<tenant>:` laid over them.
///
/// * `origin`: what errors call the text.
/// * Errors: anything that is not understood refuses the whole.
pub fn parse<T>(base: &T, text: &str, origin: &str) -> Result<Limits<T>, OverridesError>
where
    T: Setting + Serialize + DeserializeOwned,
{
    let tree: Value = serde_yaml_ng::from_str(text).map_err(OverridesError::Yaml)?;
    let mut limits = Value::Null;
    let mut overrides = Mapping::new();
    for (key, value) in mapping(tree, "the overrides")? {
        match key.as_str() {
            Some("limits") => limits = value,
            Some("overrides") => overrides = mapping(value, "overrides")?,
            Some(section) if WITHOUT_EFFECT.contains(&section) => {
                mapping(value, section)?;
            }
            Some(section) if OF_PROCESSES.contains(&section) => {
                if let Some((limit, _)) = mapping(value, section)?.iter().next() {
                    let limit = limit.as_str().map_or_else(|| format!("{limit:?}"), str::to_owned);
                    return Err(OverridesError::OfProcess { section: section.to_owned(), limit });
                }
            }
            _ => return Err(unknown_section(&key)),
        }
    }
    let defaults = patch(base, limits, origin).map_err(OverridesError::Defaults)?;
    let tenants = overrides.into_iter().map(|(name, limits)| tenant(&defaults, &name, limits, origin));
    let tenants = tenants.collect::<Result<HashMap<_, _>, _>>()?;
    Ok(Limits { defaults: Arc::new(defaults), tenants })
}

fn tenant<T>(defaults: &T, name: &Value, limits: Value, origin: &str) -> Result<(TenantId, Arc<T>), OverridesError>
where
    T: Setting + Serialize + DeserializeOwned,
{
    // A tenant may be called 42.
    let name = match name {
        Value::String(name) => name.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(OverridesError::NotMapping("overrides".to_owned())),
    };
    let tenant = TenantId::parse(&name).map_err(|source| OverridesError::Tenant { name, source })?;
    match patch(defaults, limits, origin) {
        Ok(limits) => Ok((tenant, Arc::new(limits))),
        Err(source) => Err(OverridesError::Limit { tenant, source }),
    }
}

fn mapping(value: Value, what: &str) -> Result<Mapping, OverridesError> {
    match value {
        Value::Mapping(entries) => Ok(entries),
        Value::Null => Ok(Mapping::new()),
        _ => Err(OverridesError::NotMapping(what.to_owned())),
    }
}

fn unknown_section(key: &Value) -> OverridesError {
    let section = key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned);
    let nearest = nearest(&section, READ.into_iter().chain(WITHOUT_EFFECT).chain(OF_PROCESSES));
    OverridesError::Section { section, nearest }
}

/// What is in force, in the form of the file: of each tenant all limits, or only those that are not the defaults'.
pub(super) fn print<T: Serialize>(limits: &Limits<T>, only_differences: bool) -> Result<String, serde_yaml_ng::Error> {
    let defaults = serde_yaml_ng::to_value(&*limits.defaults)?;
    let mut names: Vec<&TenantId> = limits.tenants.keys().collect();
    names.sort();
    let mut tenants = Mapping::new();
    for name in names {
        let all = serde_yaml_ng::to_value(&*limits.tenants[name])?;
        let shown = if only_differences { diff(&all, &defaults).unwrap_or_else(|| Mapping::new().into()) } else { all };
        tenants.insert(name.as_str().into(), shown);
    }
    serde_yaml_ng::to_string(&Mapping::from_iter([(Value::from("overrides"), Value::Mapping(tenants))]))
}
