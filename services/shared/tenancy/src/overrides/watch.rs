//! Overrides files in a running process: read at the start, looked at again and again, shown on `/runtime_config`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use runtime::admin::{Mode, RuntimeConfigPage};
use runtime::config::{ConfigError, HumanDuration, Setting, SettingDoc, join, nearest};
use runtime::{App, Chain, Clock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};

use super::file::{OverridesError, parse, print};
use super::{Limits, Overrides, Reload};

/// `overrides:` the files that name limits of single tenants, by signal (`overrides.metrics: PATH`), and how often they
/// are looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OverridesConfig {
    /// How often files are looked at for changes.
    pub period: HumanDuration,
    /// The file of each signal that has one.
    #[serde(flatten)]
    pub files: BTreeMap<String, String>,
}

/// How long a changed file must stay as it is before it counts, if the period is not shorter. One that is written in place, not replaced,
/// is empty at first and then ends somewhere, mostly where it is still YAML: for a look at that moment tenants would have no limits.
const SETTLE: Duration = Duration::from_secs(1);

/// Whose overrides are read.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The signal: its key below `overrides`.
    pub signal: &'static str,
    /// What names of its metrics begin with: that of the original system (`cortex`, `loki` …).
    pub prefix: &'static str,
}

/// One file and what it put in force.
struct Watched<T> {
    path: PathBuf,
    base: T,
    overrides: Overrides<T>,
    clock: Arc<dyn Clock>,
    successful: Gauge,
    hash: Family<[(&'static str, String); 1], Gauge>,
    /// The content that was judged last, good or bad; `None` after it could not be read.
    seen: Option<Vec<u8>>,
    /// Another content that the last look found, and that counts if the next one finds it too.
    unsettled: Option<Vec<u8>>,
}

/// When a file is looked at next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// After the period.
    Usual,
    /// Soon: it has changed, and may not be written to its end.
    Soon,
}

impl Default for OverridesConfig {
    fn default() -> Self {
        Self { period: HumanDuration::from_secs(10), files: BTreeMap::new() }
    }
}

impl Setting for OverridesConfig {
    fn describe(&self, at: &str, doc: &str, out: &mut Vec<SettingDoc>) {
        self.period.describe(&join(at, "period"), "How often overrides files are looked at for changes.", out);
        self.files.describe(at, doc, out);
    }
}

impl OverridesConfig {
    /// Complains about a file of a signal that there is none of.
    pub fn check(&self, at: &str, signals: &[&'static str]) -> Result<(), ConfigError> {
        let Some(unknown) = self.files.keys().find(|signal| !signals.contains(&signal.as_str())) else { return Ok(()) };
        let keys = signals.iter().copied().chain(["period"]);
        let nearest = nearest(unknown, keys).map(|known| join(at, known));
        Err(ConfigError::Unknown { key: join(at, unknown), nearest, origin: "the overrides files".to_owned() })
    }

    /// The file of a signal.
    #[must_use]
    pub fn file(&self, signal: &str) -> Option<&Path> {
        self.files.get(signal).filter(|path| !path.is_empty()).map(Path::new)
    }
}

/// The limits of a signal: `defaults`, with the signal's overrides file laid over them if there is one. It is read again
/// every `overrides.period` as long as the process's tasks run; a bad one leaves the last good one in force.
///
/// Errors: a file that cannot be read or is wrong at the start.
pub fn start<T>(app: &mut App, source: Source, defaults: T, config: &OverridesConfig) -> Result<Overrides<T>, OverridesError>
where
    T: Setting + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let Some(path) = config.file(source.signal) else { return Ok(Overrides::fixed(defaults)) };
    let content = std::fs::read(path).map_err(|source| OverridesError::Read { path: path.to_owned(), source })?;
    let overrides = Overrides::new(read(&defaults, path, &content)?);
    let mut watched = Watched {
        path: path.to_owned(),
        base: defaults,
        overrides: overrides.clone(),
        clock: app.clock.clone(),
        successful: Gauge::default(),
        hash: Family::default(),
        seen: None,
        unsettled: None,
    };
    watched.show(&content);
    watched.seen = Some(content);
    let registry = app.registry.sub_registry_with_prefix(source.prefix);
    registry.register(
        "runtime_config_last_reload_successful",
        "Whether the last look at the overrides file was successful",
        watched.successful.clone(),
    );
    registry.register("runtime_config_hash", "Hash of the overrides file in force", watched.hash.clone());
    app.runtime_config(page(overrides.clone()));
    let (stop, period) = (app.tasks.stopping(), config.period.get().max(Duration::from_millis(10)));
    app.tasks.spawn("reload overrides", async move {
        let mut next = Next::Usual;
        while stop.run_until_cancelled(tokio::time::sleep(next.wait(period))).await.is_some() {
            next = watched.look().await;
        }
        Ok::<(), Infallible>(())
    });
    Ok(overrides)
}

/// The limits of a signal as they are now, for a command that ends soon: as [`start`], but the file is read once.
///
/// Errors: a file that cannot be read or is wrong.
pub fn load<T>(signal: &str, defaults: T, config: &OverridesConfig) -> Result<Overrides<T>, OverridesError>
where
    T: Setting + Serialize + DeserializeOwned,
{
    let Some(path) = config.file(signal) else { return Ok(Overrides::fixed(defaults)) };
    let content = std::fs::read(path).map_err(|source| OverridesError::Read { path: path.to_owned(), source })?;
    Ok(Overrides::new(read(&defaults, path, &content)?))
}

fn read<T>(base: &T, path: &Path, content: &[u8]) -> Result<Limits<T>, OverridesError>
where
    T: Setting + Serialize + DeserializeOwned,
{
    let text = std::str::from_utf8(content)
        .map_err(|err| OverridesError::Read { path: path.to_owned(), source: io::Error::new(io::ErrorKind::InvalidData, err) })?;
    parse(base, text, &path.display().to_string())
}

impl Next {
    fn wait(self, period: Duration) -> Duration {
        match self {
            Self::Usual => period,
            Self::Soon => period.min(SETTLE),
        }
    }
}

impl<T> Watched<T>
where
    T: Setting + Serialize + DeserializeOwned,
{
    /// Reads the file, and takes what it says if that has changed and two looks found the same. What was wrong is logged once, not at
    /// each look.
    async fn look(&mut self) -> Next {
        let content = match tokio::fs::read(&self.path).await {
            Ok(content) => content,
            Err(source) => {
                if self.seen.take().is_some() {
                    self.refused(&OverridesError::Read { path: self.path.clone(), source });
                }
                self.unsettled = None;
                return Next::Usual;
            }
        };
        let unsettled = self.unsettled.take();
        if self.seen.as_ref() == Some(&content) {
            return Next::Usual;
        }
        if unsettled.as_ref() != Some(&content) {
            self.unsettled = Some(content);
            return Next::Soon;
        }
        match read(&self.base, &self.path, &content) {
            Ok(limits) => {
                info!(path = %self.path.display(), tenants = limits.tenants.len(), "overrides read again");
                self.overrides.replace(limits);
                self.show(&content);
            }
            Err(err) => self.refused(&err),
        }
        self.seen = Some(content);
        Next::Usual
    }

    fn refused(&self, err: &OverridesError) {
        warn!(path = %self.path.display(), error = %Chain(err), "keeping the overrides in force");
        self.successful.set(0);
        if let Some(before) = self.overrides.last_reload() {
            self.overrides.reload.store(Some(Arc::new(Reload { successful: false, ..before })));
        }
    }

    fn show(&self, content: &[u8]) {
        self.successful.set(1);
        let reload = Reload { successful: true, in_force_since_ms: self.clock.now_ms() };
        self.overrides.reload.store(Some(Arc::new(reload)));
        self.hash.clear();
        self.hash.get_or_create(&[("sha256", runtime::tls::sha256(content))]).set(1);
    }
}

fn page<T: Serialize + Send + Sync + 'static>(overrides: Overrides<T>) -> RuntimeConfigPage {
    Arc::new(move |mode| {
        let printed = match mode {
            Mode::Effective | Mode::Diff => print(&overrides.all(), mode == Mode::Diff),
            Mode::Defaults => serde_yaml_ng::to_string(&*overrides.all().defaults),
        };
        printed.inspect_err(|err| error!(error = %Chain(err), "print the overrides")).ok()
    })
}

#[cfg(test)]
mod tests;
