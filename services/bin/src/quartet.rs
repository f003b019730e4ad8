//! The all-in-one: its start, and what it says to a newcomer.

use all_in_one::{AllInOne, Roles};
use node::Node;
use runtime::{App, StartError};

use crate::config::AllInOneConfig;
use crate::roles;

/// Starts every role in this process.
pub async fn start(app: &mut App, config: &AllInOneConfig) -> Result<AllInOne, StartError> {
    let config = &config.0;
    let plugins = |app: &mut App, node: &Node| roles::writing_plugins(app, config, node.bucket.clone());
    let sections = Roles {
        auth: &config.auth,
        tenant_federation: &config.tenant_federation,
        wal: &config.wal,
        distributor: &config.distributor,
        ingester: &config.ingester,
        querier: &config.querier,
        query_frontend: &config.query_frontend,
        store_gateway: &config.store_gateway,
        compactor: &config.compactor,
        otlp: &config.otlp,
        self_scrape: &config.self_scrape,
    };
    let running = all_in_one::start(app, config.node(), sections, plugins).await?;
    greet(app, config);
    Ok(running)
}

/// What listens where, how long data stays, and a line to try.
fn greet(app: &App, config: &crate::config::Config) {
    let http = app.http_addr();
    let retention = match config.compactor.default_retention {
        keep if keep.is_zero() => "for ever".to_owned(),
        keep => format!("for {keep}"),
    };
    let room = match config.storage.max_bytes() {
        bytes if bytes.0 == 0 => String::new(),
        bytes => format!(", and at most {bytes} of blocks (the oldest go first)"),
    };
    println!("Quartet serves metrics:");
    println!("  http://{http}/api/v1/push          Prometheus remote write");
    println!("  http://{http}/prometheus           Prometheus query API, the URL of a Grafana data source");
    for (name, port) in &config.server.alias {
        println!("  :{port} serves the API of {name} at the root");
    }
    let otlp = [("gRPC", config.otlp.grpc_port), ("HTTP", config.otlp.http_port)];
    for (protocol, port) in otlp.into_iter().filter(|(_, port)| *port != 0) {
        println!("  :{port} OpenTelemetry protocol over {protocol}");
    }
    println!("  {} internal gRPC; http://{http}/ lists the admin pages", app.grpc_addr());
    println!("Data is in {} and {}; it is kept {retention}{room}.", config.ingester.data_dir, config.storage.url);
    println!("Try, after a few seconds: its own memory in use");
    println!("  curl 'http://{http}/prometheus/api/v1/query?query=process_resident_memory_bytes'");
}
