//! Logs: lines on standard error, as text or JSON, with a level that can be changed while the process runs.

use std::fmt;
use std::io::IsTerminal;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::config::ConfigError;

crate::setting_enum! {
    /// How a line of the log looks.
    pub enum LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object per line.
        Json = "json",
    }
}

crate::settings! {
    /// `telemetry:` what the process says of itself.
    pub struct TelemetryConfig {
        /// What is logged: off, error, warn, info, debug or trace, also by module (`info,quartet_ring=debug`).
        pub log_level: String = "info".to_owned(),
        /// How a line of the log looks.
        pub log_format: LogFormat = LogFormat::Text,
    }
}

/// The log of this process. Clones share it.
#[derive(Clone)]
pub struct Telemetry {
    handle: Option<reload::Handle<EnvFilter, Registry>>,
    level: Arc<Mutex<String>>,
}

/// A text that names no log levels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unrecognized log level \"{0}\"")]
pub struct BadLevel(pub String);

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Starts the log of the process, once; panics are logged too. Errors: `telemetry.log_level` is none.
pub fn init(config: &TelemetryConfig) -> Result<Telemetry, ConfigError> {
    let filter = parse(&config.log_level).map_err(|err| ConfigError::invalid("telemetry.log_level", err.to_string()))?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let telemetry = Telemetry { handle: Some(handle), level: Arc::new(Mutex::new(config.log_level.clone())) };
    // Fails only where a log runs already: a test that started one keeps it.
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok() {
        std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panic")));
        return Ok(telemetry);
    }
    Ok(Telemetry { handle: None, ..telemetry })
}

impl Telemetry {
    /// Of a process whose log is none of ours: a test.
    #[must_use]
    pub fn detached() -> Self {
        Self { handle: None, level: Arc::new(Mutex::new("info".to_owned())) }
    }

    /// What is logged now.
    #[must_use]
    pub fn level(&self) -> String {
        self.level.lock().clone()
    }

    /// Changes what is logged.
    pub fn set_level(&self, level: &str) -> Result<(), BadLevel> {
        let filter = parse(level)?;
        if let Some(handle) = &self.handle {
            handle.reload(filter).map_err(|_| BadLevel(level.to_owned()))?;
        }
        level.clone_into(&mut self.level.lock());
        Ok(())
    }
}

/// A filter takes any word for a module: a level that is misspelt would go unnoticed.
fn parse(level: &str) -> Result<EnvFilter, BadLevel> {
    let bad = || BadLevel(level.to_owned());
    let known = |word: &str| LEVELS.iter().any(|known| known.eq_ignore_ascii_case(word.trim()));
    let directive = |part: &str| known(part.rsplit_once('=').map_or(part, |(_, word)| word));
    if !level.split(',').all(directive) {
        return Err(bad());
    }
    EnvFilter::try_new(level).map_err(|_| bad())
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("level", &self.level()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Telemetry;

    #[test]
    fn levels_are_checked() {
        let telemetry = Telemetry::detached();
        telemetry.set_level("warn,quartet_ring=debug").unwrap();
        assert_eq!(telemetry.level(), "warn,quartet_ring=debug");
        assert_eq!(telemetry.set_level("loud").unwrap_err().to_string(), "unrecognized log level \"loud\"");
        assert_eq!(telemetry.level(), "warn,quartet_ring=debug");
    }
}
