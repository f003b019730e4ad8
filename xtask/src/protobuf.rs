//! Generates `proto/src/gen` from the `.proto` files; what it writes is committed.

mod json;

use std::path::{Path, PathBuf};

const FILES: [&str; 10] = [
    "quartet/v1/ingest.proto",
    "quartet/v1/leaf.proto",
    "quartet/v1/queue.proto",
    "quartet/v1/admin.proto",
    "prometheus/remote.proto",
    "google/rpc.proto",
    "opentelemetry/common.proto",
    "opentelemetry/resource.proto",
    "opentelemetry/metrics.proto",
    "opentelemetry/collector/metrics.proto",
];

/// Why the code could not be generated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProtoError {
    #[error("parse the protobuf files: {0}")]
    Parse(#[from] protox::Error),
    #[error("write the generated code: {0}")]
    Write(#[from] std::io::Error),
}

/// The directory of the generated code.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/src/gen")
}

/// Writes the code into the crate `proto`.
pub(crate) fn generate() -> Result<(), ProtoError> {
    generate_into(&target())
}

/// Writes the code into `dir`.
pub(crate) fn generate_into(dir: &Path) -> Result<(), ProtoError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
    std::fs::create_dir_all(dir)?;
    let files = protox::compile(FILES.map(|file| root.join(file)), [&root])?;
    std::fs::write(dir.join("opentelemetry.json.rs"), json::tables(&files))?;
    let mut config = prost_build::Config::new();
    config.bytes(["."]);
    tonic_prost_build::configure().build_transport(false).out_dir(dir).compile_fds_with_config(files, config)?;
    Ok(())
}
