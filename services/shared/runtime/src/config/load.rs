//! From files, variables and flags to one typed configuration.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::args::{Args, Text};
use super::expand::expand;
use super::tree::{Known, build};
use super::{ConfigError, Setting, print};

/// Variables that begin so are settings.
const PREFIX: &str = "QUARTET_";

/// What a command line asks for.
#[derive(Clone, Debug)]
pub enum Command<C> {
    /// To run with this configuration.
    Run(Box<C>),
    /// To check this configuration and exit: `--check-config`.
    Check(Box<C>),
    /// To print a text and exit: `--help`, `--version`, `--print-config`.
    Print(String),
}

/// The configuration of a process: defaults, then the files of `--config`, then `QUARTET_SECTION__KEY`, then
/// `--section.key=value` (or `--section.key value`); the later one wins, key by key.
///
/// * `role`: the name in the texts of [`ConfigError`] and `--help`.
/// * `args`: without the name of the program.
/// * `env`: all variables.
///
/// Errors: the first unknown key or bad value; [`ConfigError::OnlyText`] for `--help` and its like, which [`command`] answers.
pub fn load<C>(
    role: &str,
    args: impl IntoIterator<Item = String>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<C, ConfigError>
where
    C: Setting + Default + Serialize + DeserializeOwned,
{
    match command(role, args, env)? {
        Command::Run(config) | Command::Check(config) => Ok(*config),
        Command::Print(_) => Err(ConfigError::OnlyText),
    }
}

/// As [`load`], and answers the flags that ask for a text.
pub fn command<C>(
    role: &str,
    args: impl IntoIterator<Item = String>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Command<C>, ConfigError>
where
    C: Setting + Default + Serialize + DeserializeOwned,
{
    let base = C::default();
    let known = Known::of(&base);
    let args = Args::parse(args, &|key| known.is_switch(key))?;
    match args.text {
        Some(Text::Help) => return Ok(Command::Print(print::help(role, &base))),
        Some(Text::Version) => return Ok(Command::Print(format!("{role} {}\n", env!("CARGO_PKG_VERSION")))),
        Some(Text::PrintConfig | Text::Check) | None => {}
    }
    let env: BTreeMap<String, String> = env.into_iter().collect();
    let mut given = Vec::new();
    for path in &args.files {
        let origin = path.display().to_string();
        known.values("", read(path, &origin, &env)?, &origin, &mut given)?;
    }
    for (name, value) in &env {
        if let Some(key) = key_of(name, &known) {
            given.push(known.text(&key, value, name)?);
        }
    }
    for (key, value) in &args.set {
        given.push(known.text(key, value, &format!("--{key}"))?);
    }
    let config = build(&base, &known, &given)?;
    Ok(match args.text {
        Some(Text::PrintConfig) => Command::Print(print::annotated(&config)?),
        Some(_) => Command::Check(Box::new(config)),
        None => Command::Run(Box::new(config)),
    })
}

fn read(path: &Path, origin: &str, env: &BTreeMap<String, String>) -> Result<serde_yaml_ng::Value, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let text = expand(&text, origin, &|name| env.get(name).cloned())?;
    serde_yaml_ng::from_str(&text).map_err(|source| ConfigError::Yaml { origin: origin.to_owned(), source })
}

/// The key that a variable sets. A name without `__` counts only if there is such a setting: Kubernetes gives every
/// pod variables like `QUARTET_INGESTER_SERVICE_HOST` for services beside it.
fn key_of(name: &str, known: &Known) -> Option<String> {
    let key = name.strip_prefix(PREFIX)?.to_lowercase().replace("__", ".");
    (key.contains('.') || known.leaf(&key).is_some()).then_some(key)
}

#[cfg(test)]
mod tests;
