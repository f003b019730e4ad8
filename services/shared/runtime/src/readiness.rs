//! Whether a process can serve: what `/ready` answers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// Looks at one part: `Err` says what is not ready, in words for an operator.
pub type ReadyCheck = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The parts of a process that must be ready before it is. Clones share them.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Inner>);

#[derive(Default)]
struct Inner {
    started: AtomicBool,
    stopping: AtomicBool,
    checks: Mutex<Vec<(&'static str, ReadyCheck)>>,
}

impl Readiness {
    /// Adds a part that is asked at each request.
    pub fn check(&self, part: &'static str, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        self.0.checks.lock().push((part, Box::new(check)));
    }

    /// Everything has been started.
    pub fn started(&self) {
        self.0.started.store(true, Ordering::SeqCst);
    }

    /// The process is going: never ready again.
    pub fn stopping(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
    }

    /// `Ok` when every part is ready, else a line for each that is not.
    pub fn get(&self) -> Result<(), Vec<String>> {
        if self.0.stopping.load(Ordering::SeqCst) {
            return Err(vec!["the process is stopping".to_owned()]);
        }
        if !self.0.started.load(Ordering::SeqCst) {
            return Err(vec!["the process is starting".to_owned()]);
        }
        let not_ready: Vec<String> =
            self.parts().into_iter().filter_map(|(part, state)| state.err().map(|why| format!("{part}: {why}"))).collect();
        if not_ready.is_empty() { Ok(()) } else { Err(not_ready) }
    }

    /// Each part and what it lacks.
    #[must_use]
    pub fn parts(&self) -> Vec<(&'static str, Result<(), String>)> {
        self.0.checks.lock().iter().map(|(part, check)| (*part, check())).collect()
    }

    /// The state of the whole, in Mimir's words.
    #[must_use]
    pub fn state(&self) -> &'static str {
        if self.0.stopping.load(Ordering::SeqCst) {
            "Stopping"
        } else if self.get().is_ok() {
            "Running"
        } else {
            "Starting"
        }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").finish_non_exhaustive()
    }
}
