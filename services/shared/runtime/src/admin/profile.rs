//! CPU profiles of the process: stacks of its running threads, taken by a timer of CPU time, as a flame graph or for
//! `go tool pprof`.

mod flame;
mod pprof_file;
#[cfg(test)]
mod tests;

use std::time::{Duration, UNIX_EPOCH};

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use pprof::{ProfilerGuard, ProfilerGuardBuilder, Report, Symbol};
use serde::Deserialize;
use thiserror::Error;
use tracing::info;

/// The longest that stacks are taken, in seconds.
const MAX_SECONDS: u64 = 60;

/// The most stacks taken in a second of CPU time. More would be most of what the process does.
const MAX_FREQUENCY: i32 = 1_000;

/// Code in which no stack is taken. Unwinding takes locks of the loader and the allocator, and a thread that is
/// interrupted in these libraries may hold them already.
const NOT_UNWOUND: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];

/// How long and how often to take stacks.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
pub(super) struct Wish {
    /// How long to take stacks, in seconds, 1 to 60.
    seconds: u64,
    /// Stacks taken in a second of CPU time, 1 to 1,000. The default beats with no period that is a round number.
    frequency: i32,
}

/// Why there is no profile.
#[derive(Debug, Error)]
enum ProfileError {
    #[error("{0}")]
    Query(#[from] QueryRejection),
    #[error("seconds must be 1 to {MAX_SECONDS}, and frequency 1 to {MAX_FREQUENCY}")]
    Bounds,
    #[error("a profile of this process is being taken: ask again when it is done")]
    Busy,
    #[error("take stacks: {0}")]
    Profiler(pprof::Error),
    #[error("write the profile: {0}")]
    Write(#[from] std::io::Error),
    #[error("resolving the stacks was cut off: {0}")]
    Resolve(#[from] tokio::task::JoinError),
}

/// What a process did while stacks were taken.
#[derive(Debug, Default)]
struct Profile {
    stacks: Vec<Stack>,
    /// When taking began, in nanoseconds since the Unix epoch.
    start_ns: i64,
    duration: Duration,
    /// The CPU time between two stacks, in nanoseconds.
    period_ns: i64,
}

/// One way through the code, of one thread.
#[derive(Debug)]
struct Stack {
    thread: String,
    /// Innermost first, inlined functions as calls of their own.
    calls: Vec<Call>,
    /// How often it was found.
    count: i64,
}

/// A function, and where in it the call was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Call {
    function: String,
    /// Empty when the build has no line tables.
    file: String,
    line: u32,
}

/// Shows a flame graph.
pub(super) async fn flame_graph(wish: Result<Query<Wish>, QueryRejection>) -> Response {
    let svg = async {
        let profile = take(wish?.0).await?;
        Ok::<_, ProfileError>(flame::svg(&profile))
    };
    match svg.await {
        Ok(svg) => ([(CONTENT_TYPE, "image/svg+xml")], svg).into_response(),
        Err(err) => err.into_response(),
    }
}

/// Sends a profile that `go tool pprof` reads.
pub(super) async fn for_pprof(wish: Result<Query<Wish>, QueryRejection>) -> Response {
    let file = async {
        let profile = take(wish?.0).await?;
        Ok::<_, ProfileError>(pprof_file::gzipped(&profile)?)
    };
    match file.await {
        Ok(file) => {
            let headers = [(CONTENT_TYPE, "application/octet-stream"), (CONTENT_DISPOSITION, "attachment; filename=\"profile\"")];
            (headers, file).into_response()
        }
        Err(err) => err.into_response(),
    }
}

/// Takes stacks for as long as wished. Who goes away before ends it.
async fn take(wish: Wish) -> Result<Profile, ProfileError> {
    if !(1..=MAX_SECONDS).contains(&wish.seconds) || !(1..=MAX_FREQUENCY).contains(&wish.frequency) {
        return Err(ProfileError::Bounds);
    }
    info!(seconds = wish.seconds, frequency = wish.frequency, "take a CPU profile");
    let profiler = start(wish.frequency)?;
    tokio::time::sleep(Duration::from_secs(wish.seconds)).await;
    // Reads the line tables of the whole program.
    tokio::task::spawn_blocking(move || {
        let report = profiler.report().build().map_err(ProfileError::Profiler)?;
        drop(profiler);
        Ok(Profile::new(&report))
    })
    .await?
}

/// Starts the one profiler that a process has.
fn start(frequency: i32) -> Result<ProfilerGuard<'static>, ProfileError> {
    let builder = ProfilerGuardBuilder::default().frequency(frequency);
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    let builder = builder.blocklist(&NOT_UNWOUND);
    builder.build().map_err(|err| match err {
        pprof::Error::Running => ProfileError::Busy,
        err => ProfileError::Profiler(err),
    })
}

impl Default for Wish {
    fn default() -> Self {
        Self { seconds: 5, frequency: 99 }
    }
}

impl Profile {
    fn new(report: &Report) -> Self {
        let timing = &report.timing;
        let since_epoch = timing.start_time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let stacks = report.data.iter().map(|(frames, count)| Stack {
            thread: frames.thread_name_or_id(),
            calls: frames.frames.iter().flatten().map(Call::from).skip_while(Call::is_of_the_profiler).collect(),
            count: i64::try_from(*count).unwrap_or(i64::MAX),
        });
        Self {
            stacks: stacks.filter(|stack| !stack.calls.is_empty()).collect(),
            start_ns: i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX),
            duration: timing.duration,
            period_ns: 1_000_000_000 / i64::from(timing.frequency.max(1)),
        }
    }
}

impl Call {
    /// The profiler's handler of signals lies on top of each stack.
    fn is_of_the_profiler(&self) -> bool {
        let name = self.function.trim_start_matches('<');
        name.starts_with("backtrace::") || name.starts_with("pprof::")
    }
}

impl From<&Symbol> for Call {
    fn from(symbol: &Symbol) -> Self {
        let file = symbol.filename.as_ref().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
        Self { function: symbol.name(), file, line: symbol.lineno() }
    }
}

impl IntoResponse for ProfileError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Query(_) | Self::Bounds => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::CONFLICT,
            Self::Profiler(_) | Self::Write(_) | Self::Resolve(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, format!("{self}\n")).into_response()
    }
}
