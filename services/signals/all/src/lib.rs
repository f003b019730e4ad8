//! The list of the signals, and what a configuration says about them.
//!
//! The only place that knows all signals by name; binaries hand what it makes to the roles.

use std::sync::Arc;

pub use metrics::Retention;
use metrics::ingest::ha::HaTracker;
use metrics::instruments::Instruments;
use metrics::limits::MetricsLimits;
use metrics::policy::MetricsPolicy;
use metrics::query::QueryConfig;
use runtime::config::ConfigError;
use runtime::config::nearest;
use runtime::{App, settings};
use signal::{Plugin, Plugins};
use storage::bucket::Bucket;
use tenancy::overrides::{self, OverridesConfig, OverridesError, Source};

/// All signals, in the order in which pages and logs name them.
const NAMES: [&str; 1] = [metrics::NAME.as_str()];

settings! {
    /// `limits:` what every tenant may do, unless an overrides file says otherwise.
    pub struct LimitsConfig {
        /// Limits for metrics.
        pub metrics: MetricsLimits = MetricsLimits::default(),
    }
}

settings! {
    /// `ingest:` how write requests are taken in.
    pub struct IngestConfig {
        /// Writes of metrics.
        pub metrics: metrics::ingest::IngestConfig = metrics::ingest::IngestConfig::default(),
    }
}

settings! {
    /// `queries:` how queries are planned and evaluated.
    pub struct QueriesConfig {
        /// Queries for metrics.
        pub metrics: QueryConfig = QueryConfig::default(),
    }
}

/// The sections of the configuration that concern signals.
#[derive(Clone, Copy, Debug)]
pub struct Sections<'a> {
    /// `signals:` the signals that the process serves; empty is all.
    pub signals: &'a [String],
    /// `limits:`.
    pub limits: &'a LimitsConfig,
    /// `overrides:`.
    pub overrides: &'a OverridesConfig,
    /// `ingest:`.
    pub ingest: &'a IngestConfig,
    /// `queries:`.
    pub queries: &'a QueriesConfig,
    /// How long compactors keep what no tenant's limits speak of.
    pub retention: Retention,
}

/// Why the signals could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalsError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An overrides file cannot be used.
    #[error("overrides.{signal}")]
    Overrides {
        /// Whose.
        signal: &'static str,
        /// Why.
        source: Box<OverridesError>,
    },
}

impl Sections<'_> {
    /// Complains about signals that there are none of.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some(unknown) = self.signals.iter().find(|name| !NAMES.contains(&name.as_str())) {
            let hint = nearest(unknown, NAMES.into_iter()).map_or_else(String::new, |known| format!("; did you mean {known}?"));
            let reason = format!("there is no signal {unknown}{hint}");
            return Err(ConfigError::invalid("signals", reason));
        }
        self.ingest.metrics.check("ingest.metrics")?;
        self.overrides.check("overrides", &NAMES)
    }

    fn serves(&self, signal: &str) -> bool {
        self.signals.is_empty() || self.signals.iter().any(|name| name == signal)
    }
}

/// Sets up the signals that the process serves: reads their overrides files and registers their instruments.
///
/// * `shared`: what the processes that take writes share; only they are given it.
/// * Errors: a signal that there is none of, an overrides file that cannot be used.
pub fn enabled(app: &mut App, sections: Sections<'_>, shared: Option<Arc<dyn Bucket>>) -> Result<Plugins, SignalsError> {
    sections.check()?;
    let mut plugins = Vec::new();
    if sections.serves(metrics::NAME.as_str()) {
        plugins.push(metrics(app, sections, shared)?);
    }
    Ok(Plugins::new(plugins))
}

fn metrics(app: &mut App, sections: Sections<'_>, shared: Option<Arc<dyn Bucket>>) -> Result<Plugin, SignalsError> {
    let signal = metrics::NAME.as_str();
    let source = Source { signal, prefix: "cortex" };
    let limits = overrides::start(app, source, sections.limits.metrics.clone(), sections.overrides)
        .map_err(|source| SignalsError::Overrides { signal, source: Box::new(source) })?;
    let instruments = Instruments::register(&mut app.registry);
    let ingest = sections.ingest.metrics.clone();
    let ha = shared.map(|bucket| {
        let tracker = HaTracker::new(&ingest, bucket, &app.id, app.clock.clone(), instruments.ha.clone());
        tracker.start(&ingest, &app.tasks);
        app.page("/distributor/ha_tracker", "Replicas of high-availability pairs");
        tracker
    });
    let deps = metrics::Deps {
        limits,
        clock: app.clock.clone(),
        compute: app.compute.clone(),
        instruments,
        ingest,
        ha,
        query: sections.queries.metrics.clone(),
        retention: sections.retention,
    };
    Ok(metrics::plugin(&deps))
}

/// What the limits of metrics say to roles, for a command that reads a bucket: an overrides file is read once.
pub fn metrics_policy(limits: &LimitsConfig, overrides: &OverridesConfig) -> Result<MetricsPolicy, SignalsError> {
    let signal = metrics::NAME.as_str();
    let limits = overrides::load(signal, limits.metrics.clone(), overrides);
    Ok(MetricsPolicy::new(limits.map_err(|source| SignalsError::Overrides { signal, source: Box::new(source) })?))
}

#[cfg(test)]
mod tests;
