//! `cargo xtask charts`: the Helm charts are what they should be. Their schemas, tables of values and presets follow from their values, and what
//! Helm renders of them is checked object by object and against the schemas of Kubernetes.

mod checks;
mod effects;
mod generated;
mod helm;
mod kubernetes;
mod objects;
mod refusals;
mod settings;
mod start;
mod values;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::cluster::ClusterError;
use crate::http::HttpError;
use crate::tools::{self, ToolError};
use helm::Helm;
use objects::Release;

/// The charts of single components.
const COMPONENTS: [&str; 6] = ["distributor", "ingester", "querier", "query-frontend", "store-gateway", "compactor"];

/// The chart that installs all of them.
const UMBRELLA: &str = "quartet";

/// The chart of the all-in-one.
const ALL_IN_ONE: &str = "all-in-one";

/// Sizes for which there are values.
const PRESETS: [&str; 3] = ["small", "medium", "large"];

/// The namespace of everything that is rendered.
const NAMESPACE: &str = "monitoring";

/// Why the charts are not what they should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChartsError {
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{what}")]
    Io { what: String, source: io::Error },
    #[error("{}", path.display())]
    Yaml { path: PathBuf, source: serde_yaml_ng::Error },
    #[error("what Helm rendered of {release} is no YAML")]
    Rendered { release: String, source: serde_yaml_ng::Error },
    #[error("{}: line {line}: {problem}", path.display())]
    Values { path: PathBuf, line: usize, problem: String },
    #[error("docs/configuration.md has no settings")]
    NoSettings,
    #[error("{command}: {output}")]
    Failed { command: String, output: String },
    #[error("not as generated, run `cargo xtask charts --write`: {}", .0.join(", "))]
    Stale(Vec<String>),
    #[error("{} faults:\n{}", .0.len(), .0.join("\n"))]
    Faults(Vec<String>),
}

/// What is asked of the command.
#[derive(Debug, Default)]
pub(crate) struct Ask {
    /// Write what is generated instead of comparing it.
    pub write: bool,
    /// Where programs of Quartet are that check the configuration of each pod.
    pub programs: Option<PathBuf>,
    /// Whether they run, too.
    pub start: bool,
}

fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> ChartsError {
    let what = what.into();
    move |source| ChartsError::Io { what, source }
}

/// Where the charts stand.
fn folder() -> PathBuf {
    tools::root().join("charts")
}

/// Runs all checks; all faults of a step are told.
pub(crate) fn run(ask: &Ask) -> Result<(), ChartsError> {
    let settings = settings::read()?;
    generated::run(&settings, ask.write)?;
    if ask.write {
        return Ok(());
    }
    let helm = Helm::install()?;
    for chart in COMPONENTS.iter().chain([&ALL_IN_ONE, &UMBRELLA]) {
        helm.lint(chart)?;
    }
    let releases = render(&helm)?;
    let mut faults: Vec<String> = releases.iter().flat_map(|release| checks::release(release, &settings)).collect();
    faults.extend(checks::side_by_side(releases.iter().filter(|release| release.alone())));
    faults.extend(generated::versions()?);
    faults.extend(refusals::run(&helm)?);
    faults.extend(effects::run(&helm)?);
    faults.extend(notes(&helm)?);
    if let Some(programs) = &ask.programs {
        faults.extend(checks::with_programs(&releases, programs)?);
    }
    if !faults.is_empty() {
        return Err(ChartsError::Faults(faults));
    }
    kubernetes::validate(&releases)?;
    let objects: usize = releases.iter().map(|release| release.objects.len()).sum();
    println!("charts: {} releases with {objects} objects are as they should be", releases.len());
    match &ask.programs {
        Some(programs) if ask.start => {
            start::run(&helm.render(ALL_IN_ONE, ALL_IN_ONE, "alone", &[])?, programs)?;
            start::run(&one_of_each(&helm)?, programs)
        }
        _ => Ok(()),
    }
}

/// What is rendered: every chart with its defaults, with each preset, and with everything switched on.
fn render(helm: &Helm) -> Result<Vec<Release>, ChartsError> {
    let mut releases = Vec::new();
    let bucket = ["--set", "global.storage.url=s3://metrics"];
    let everything = everything()?;
    let everything = everything.to_string_lossy();
    for chart in COMPONENTS {
        releases.push(helm.render(chart, chart, "alone", &bucket)?);
        releases.push(helm.render(chart, chart, "everything", &[&bucket[..], &["-f", &everything]].concat())?);
    }
    for chart in COMPONENTS.iter().chain([&UMBRELLA]) {
        for preset in PRESETS {
            let values = folder().join(chart).join("presets").join(preset).with_extension("yaml");
            releases.push(helm.render(chart, chart, preset, &[&bucket[..], &["-f", &values.to_string_lossy()]].concat())?);
        }
    }
    releases.push(helm.render(UMBRELLA, "lgtm", "defaults", &bucket)?);
    releases.push(helm.render(ALL_IN_ONE, ALL_IN_ONE, "alone", &[])?);
    releases.push(helm.render(ALL_IN_ONE, ALL_IN_ONE, "bucket", &bucket)?);
    Ok(releases)
}

/// The smallest cluster with three copies.
fn one_of_each(helm: &Helm) -> Result<Release, ChartsError> {
    let single = COMPONENTS.iter().filter(|chart| **chart != "ingester").map(|chart| format!("{chart}.replicas=1"));
    let sets: Vec<String> = single.chain(["global.storage.url=s3://metrics".to_owned()]).collect();
    helm.render(UMBRELLA, UMBRELLA, "one of each", &["--set", &sets.join(",")])
}

/// Charts that do not say what to do next.
fn notes(helm: &Helm) -> Result<Vec<String>, ChartsError> {
    let mut faults = Vec::new();
    for chart in COMPONENTS.iter().chain([&ALL_IN_ONE, &UMBRELLA]) {
        let notes = helm.notes(chart, &["--set", "global.storage.url=s3://metrics"])?;
        if !notes.contains(&format!("helm test {chart} --namespace {NAMESPACE}")) {
            faults.push(format!("{chart}: the notes do not say how to test it: {notes}"));
        }
    }
    Ok(faults)
}

/// Values that switch on what is off, in a file.
fn everything() -> Result<PathBuf, ChartsError> {
    let values = serde_json::json!({
        "global": {
            "image": { "registry": "registry.example.com/mirror", "pullSecrets": [{ "name": "registry" }] },
            "cluster": { "id": "eu-1", "zones": [{ "name": "zone-a", "topology": "eu-1a" }, { "name": "zone-b" }, { "name": "zone-c" }] },
            "storage": {
                "url": "s3://metrics", "prefix": "quartet",
                "s3": { "endpoint": "https://s3.example.com", "pathStyle": true },
                "credentials": { "secretName": "bucket" },
            },
            "memcached": { "addresses": ["memcached-0.memcached:11211", "memcached-1.memcached:11211"] },
            "overrides": { "metrics": { "tenant-alpha": { "max_global_series_per_user": 1_500_000, "ingestion_rate": 50_000 } } },
            "config": { "telemetry": { "log_format": "json" }, "limits": { "metrics": { "max_global_series_per_user": 1_500_000 } } },
            "serviceMonitor": { "enabled": true, "labels": { "release": "prometheus" } },
            "networkPolicy": { "enabled": true, "metricsFrom": [{ "namespaceSelector": { "matchLabels": { "name": "prometheus" } } }] },
        },
        "serviceAccount": { "annotations": { "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/quartet" } },
        "podLabels": { "azure.workload.identity/use": "true" },
        "podAnnotations": { "team": "observability" },
        "priorityClassName": "high",
        "nodeSelector": { "disk": "ssd" },
        "tolerations": [{ "key": "observability", "operator": "Exists" }],
        "extraArgs": { "telemetry.log_level": "debug" },
        "extraEnv": [{ "name": "RUST_BACKTRACE", "value": "1" }],
        "extraVolumes": [{ "name": "scratch", "emptyDir": {} }],
        "extraVolumeMounts": [{ "name": "scratch", "mountPath": "/scratch" }],
        "extraObjects": [{ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "{{ .Release.Name }}-extra" } }],
    });
    let path = tools::target().join("charts/everything.yaml");
    std::fs::create_dir_all(tools::target().join("charts")).map_err(io("make the directory of the charts"))?;
    let text = serde_yaml_ng::to_string(&values).map_err(|source| ChartsError::Yaml { path: path.clone(), source })?;
    std::fs::write(&path, text).map_err(io("write the values that switch on everything"))?;
    Ok(path)
}

/// A document of YAML by its keys.
type Map = BTreeMap<String, serde_json::Value>;
