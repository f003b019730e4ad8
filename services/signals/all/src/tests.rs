use std::collections::BTreeMap;
use std::io::Write;

use tenancy::TenantId;

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn start(signals: &[&str], overrides: &OverridesConfig) -> Result<Plugins, SignalsError> {
    let mut app = App::for_test("test").await.unwrap();
    let signals = names(signals);
    let (limits, ingest, queries) = (LimitsConfig::default(), IngestConfig::default(), QueriesConfig::default());
    enabled(
        &mut app,
        Sections { signals: &signals, limits: &limits, overrides, ingest: &ingest, queries: &queries, retention: Retention::default() },
        None,
    )
}

#[tokio::test]
async fn all_signals_are_served_unless_some_are_named() {
    let overrides = OverridesConfig::default();
    for signals in [&[][..], &["metrics"]] {
        let plugins = start(signals, &overrides).await.unwrap();
        assert_eq!(plugins.iter().map(|plugin| plugin.name.as_str()).collect::<Vec<_>>(), ["metrics"]);
    }
    let err = start(&["metric"], &overrides).await.unwrap_err();
    assert_eq!(err.to_string(), "signals: there is no signal metric; did you mean metrics?");
}

#[tokio::test]
async fn overrides_files_are_read_at_the_start() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "overrides: {{named: {{ingestion_tenant_shard_size: 3}}}}").unwrap();
    let path = |path: &std::path::Path| BTreeMap::from([("metrics".to_owned(), path.to_str().unwrap().to_owned())]);
    let mut overrides = OverridesConfig { files: path(file.path()), ..OverridesConfig::default() };
    let plugins = start(&[], &overrides).await.unwrap();
    let policy = &plugins.get("metrics").unwrap().policy;
    assert_eq!(policy.ingest_shard(&TenantId::parse("named").unwrap()), 3);
    assert_eq!(policy.ingest_shard(&TenantId::parse("other").unwrap()), 0);
    overrides.files = path(&file.path().with_extension("missing"));
    assert!(matches!(start(&[], &overrides).await, Err(SignalsError::Overrides { signal: "metrics", .. })));
    overrides.files = BTreeMap::from([("logs".to_owned(), String::new())]);
    assert!(matches!(start(&[], &overrides).await, Err(SignalsError::Config(_))));
}
