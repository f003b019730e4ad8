use std::sync::Arc;

use runtime::App;
use runtime::admin::Mode;

use super::{client, get};

#[tokio::test]
async fn readiness_names_the_parts_that_are_not_ready() {
    let app = App::for_test("test").await.unwrap();
    let readiness = app.readiness.clone();
    readiness.check("ring", || Err("no member of zone b".to_owned()));
    readiness.check("wal", || Ok(()));
    let running = app.serve().await;
    let starting = "Some services are not Running:\nStarting: 1\nthe process is starting\n";
    assert_eq!(get(&running, "/ready").await, (503, starting.to_owned()));
    running.ready();
    let ring = "Some services are not Running:\nStarting: 1\nring: no member of zone b\n";
    assert_eq!(get(&running, "/ready").await, (503, ring.to_owned()));
    let services = "test: Starting\nring: Starting (no member of zone b)\nwal: Running\n";
    assert_eq!(get(&running, "/services").await, (200, services.to_owned()));
}

#[tokio::test]
async fn pages_show_configuration_limits_and_each_other() {
    let mut config = super::Config::default();
    config.server.drain_delay = runtime::config::HumanDuration::from_secs(7);
    let mut app = super::bound(&config).await;
    app.page("/ring", "Members <of> the ring");
    app.runtime_config(Arc::new(|mode| (mode == Mode::Diff).then(|| "overrides: {}\n".to_owned())));
    let running = app.serve().await;
    assert!(get(&running, "/config").await.1.contains("  drain_delay: 7s\n"));
    assert_eq!(get(&running, "/config?mode=diff").await.1, "server:\n  drain_delay: 7s\n");
    assert!(get(&running, "/config?mode=defaults").await.1.contains("  drain_delay: 0s\n"));
    assert_eq!(get(&running, "/runtime_config").await.1, "runtime config file doesn't exist");
    assert_eq!(get(&running, "/runtime_config?mode=diff").await.1, "overrides: {}\n");
    let index = get(&running, "/").await.1;
    assert!(index.contains("<a href=\"/ring\">Members &lt;of&gt; the ring</a>") && index.contains("href=\"/metrics\""), "{index}");
    assert_eq!(get(&running, "/api/v1/status/flags").await.1, "{\"data\":{},\"status\":\"success\"}");
}

#[tokio::test]
async fn the_log_level_can_be_changed() {
    let running = App::for_test("test").await.unwrap().serve().await;
    assert!(get(&running, "/log_level").await.1.contains("Current log level is info"));
    let url = format!("http://{}/log_level", running.http);
    let form = client().post(&url).header("content-type", "application/x-www-form-urlencoded").body("log_level=debug");
    assert_eq!(form.send().await.unwrap().status(), 200);
    assert!(get(&running, "/log_level").await.1.contains("Current log level is debug"));
    assert_eq!(client().post(format!("{url}?log_level=warn")).send().await.unwrap().status(), 200);
    assert!(get(&running, "/log_level").await.1.contains("Current log level is warn"));
    let refused = client().post(format!("{url}?log_level=loud")).send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("unrecognized log level"));
}

#[tokio::test]
async fn metrics_tell_of_the_process_and_its_build() {
    let running = App::for_test("test").await.unwrap().serve().await;
    let (status, metrics) = get(&running, "/metrics").await;
    assert_eq!(status, 200);
    for name in [
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
        "process_open_fds ",
        "process_start_time_seconds ",
        "cortex_build_info{version=",
    ] {
        assert!(metrics.lines().any(|line| line.starts_with(name)), "{name}: {metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
}

#[tokio::test]
async fn several_processes_live_in_one() {
    let (a, b) = (App::for_test("a").await.unwrap(), App::for_test("b").await.unwrap());
    assert_ne!(a.grpc_addr(), b.grpc_addr());
    assert_eq!(a.host(), "127.0.0.1");
    let (address, a, b) = (a.http_addr(), a.serve().await, b.serve().await);
    assert_eq!(address, a.http.to_string());
    a.stop().await.unwrap();
    assert_eq!(get(&b, "/services").await, (200, "b: Starting\n".to_owned()));
}
