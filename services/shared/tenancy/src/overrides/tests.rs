use std::path::Path;
use std::time::Duration;

use runtime::config::{ByteSize, HumanDuration, load};
use runtime::{App, Chain, Running};

use super::file::parse;
use super::{Limits, Overrides, OverridesConfig, Source, start};
use crate::TenantId;

runtime::settings! {
    /// Some limits.
    struct Some {
        /// A rate.
        ingestion_rate: f64 = 10_000.0,
        /// A number.
        max_series: u64 = 150,
        /// A length of time.
        window: HumanDuration = HumanDuration::from_secs(0),
        /// A size.
        size: ByteSize = ByteSize(1 << 20),
    }
}

runtime::settings! {
    /// A configuration with overrides files.
    struct Config {
        /// Overrides file of each signal, by its name.
        overrides: OverridesConfig = OverridesConfig::default(),
    }
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn read(text: &str) -> Limits<Some> {
    parse(&Some::default(), text, "a file").unwrap()
}

fn refused(text: &str) -> String {
    Chain(&parse(&Some::default(), text, "a file").unwrap_err()).to_string()
}

#[test]
fn a_tenant_starts_from_the_defaults_of_the_file() {
    let text = "limits: {ingestion_rate: 5, window: 150m}\noverrides:\n  a: {max_series: 3}\n  42: {window: 0s}\n  idle:\n";
    let limits = Overrides::new(read(text));
    let defaults = Some { ingestion_rate: 5.0, window: HumanDuration::from_secs(9000), ..Some::default() };
    assert_eq!(*limits.of(&tenant("other")), defaults);
    assert_eq!(*limits.of(&tenant("idle")), defaults);
    assert_eq!(*limits.of(&tenant("a")), Some { max_series: 3, ..defaults.clone() });
    assert_eq!(*limits.of(&tenant("42")), Some { window: HumanDuration::default(), ..defaults });
}

#[test]
fn an_empty_file_and_sections_of_mimir_change_nothing() {
    for text in ["", "overrides:\n", "ingester_limits: {}\ndistributor_limits:\nmulti_kv_config: {primary: x}\n"] {
        let limits = read(text);
        assert_eq!(*limits.defaults, Some::default());
        assert!(limits.tenants.is_empty());
    }
}

#[test]
fn what_is_not_understood_refuses_the_whole_file() {
    for (text, expected) in [
        (
            "overrides: {good: {max_series: 1}, a: {max_serie: 1}}",
            "overrides.a: max_serie: unknown setting; did you mean max_series? (in a file)",
        ),
        (
            "overrides: {a: {window: soon}}",
            "overrides.a: window: expected duration: \"soon\" is not a duration: write 15s, 5m, 1h30m or 14d (in a file)",
        ),
        ("limits: {max_serie: 1}", "limits: max_serie: unknown setting; did you mean max_series? (in a file)"),
        ("override: {}", "override: unknown section of the overrides; did you mean overrides?"),
        ("overrides: {a/b: {}}", "overrides.a/b: tenant ID 'a/b' contains unsupported character '/'"),
        ("overrides: [a]", "overrides: expected a mapping"),
        ("just text", "the overrides: expected a mapping"),
        (
            "distributor_limits: {max_ingestion_rate: 5}",
            "distributor_limits.max_ingestion_rate: limits of a process are settings of its own configuration, and not read from the \
             overrides",
        ),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
    assert!(refused("overrides: {a: {}}\n---\noverrides: {}\n").starts_with("the overrides are not valid YAML: "));
    assert!(refused("overrides: {a: {}, a: {}}").starts_with("the overrides are not valid YAML: "));
}

#[test]
fn files_are_settings_by_signal() {
    let args = ["--overrides.metrics=m.yaml", "--overrides.period=1s"].map(str::to_owned);
    let Config { overrides } = load("test", args, [("QUARTET_OVERRIDES__LOGS".to_owned(), "l.yaml".to_owned())]).unwrap();
    assert_eq!(overrides.period, HumanDuration::from_secs(1));
    assert_eq!(overrides.file("metrics"), Some(Path::new("m.yaml")));
    assert_eq!(overrides.file("traces"), None);
    overrides.check("overrides", &["metrics", "logs"]).unwrap();
    let err = overrides.check("overrides", &["metrics"]).unwrap_err().to_string();
    assert_eq!(err, "overrides.logs: unknown setting (in the overrides files)");
}

/// A process that watches the file, and what is in force there.
async fn watching(path: &Path) -> (Running, Overrides<Some>) {
    let mut app = App::for_test("test").await.unwrap();
    let files = [("metrics".to_owned(), path.to_str().unwrap().to_owned())].into();
    let config = OverridesConfig { period: HumanDuration::from_millis(10), files };
    let source = Source { signal: "metrics", prefix: "cortex" };
    let overrides = start(&mut app, source, Some::default(), &config).unwrap();
    (app.serve().await, overrides)
}

/// A page of the process: one request on a connection of its own.
async fn page(running: &Running, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(running.http).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

async fn until(mut done: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

#[tokio::test]
async fn a_changed_file_counts_and_a_bad_one_does_not() {
    const GOOD: &str = "cortex_runtime_config_last_reload_successful 1\n";
    const BAD: &str = "cortex_runtime_config_last_reload_successful 0\n";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("overrides.yaml");
    // At once, as whoever changes a file that is read should: a file that is being written is one without overrides.
    let replace = |text: &str| {
        std::fs::write(path.with_extension("new"), text).unwrap();
        std::fs::rename(path.with_extension("new"), &path).unwrap();
    };
    replace("overrides: {a: {max_series: 1}}\n");
    let (running, overrides) = watching(&path).await;
    let series = || overrides.of(&tenant("a")).max_series;
    assert_eq!(series(), 1);
    let first = page(&running, "/metrics").await;
    assert!(first.contains(GOOD), "{first}");
    let hash = |metrics: &str| metrics.lines().find(|line| line.starts_with("cortex_runtime_config_hash{sha256=")).unwrap().to_owned();

    replace("overrides: {a: {max_series: 2}}\n");
    until(async || series() == 2).await;
    assert_ne!(hash(&first), hash(&page(&running, "/metrics").await));

    replace("overrides: {a: {max_serie: 3}}\n");
    until(async || page(&running, "/metrics").await.contains(BAD)).await;
    assert_eq!(series(), 2);

    replace("overrides: {a: {max_series: 2}}\n");
    until(async || page(&running, "/metrics").await.contains(GOOD)).await;
    std::fs::remove_file(&path).unwrap();
    until(async || page(&running, "/metrics").await.contains(BAD)).await;
    assert_eq!(series(), 2);

    assert_eq!(page(&running, "/runtime_config?mode=diff").await, "overrides:\n  a:\n    max_series: 2\n");
    assert!(page(&running, "/runtime_config").await.contains("    ingestion_rate: 10000.0\n    max_series: 2\n"));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_bad_file_at_the_start_is_an_error_and_none_is_fine() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("overrides.yaml");
    let mut app = App::for_test("test").await.unwrap();
    let source = Source { signal: "metrics", prefix: "cortex" };
    let files = [("metrics".to_owned(), path.to_str().unwrap().to_owned())].into();
    let config = OverridesConfig { files, ..OverridesConfig::default() };
    let missing = start(&mut app, source, Some::default(), &config).unwrap_err();
    assert_eq!(missing.to_string(), format!("read the overrides {}", path.display()));
    std::fs::write(&path, "x: 1").unwrap();
    assert!(start(&mut app, source, Some::default(), &config).is_err());
    let fixed = start(&mut app, source, Some::default(), &OverridesConfig::default()).unwrap();
    assert_eq!(*fixed.of(&tenant("a")), Some::default());
}
