//! Bad days of the S3: what stands between it and the roles.

use std::sync::{Mutex, PoisonError};

use http::request::Parts;
use http::{Method, StatusCode};

use crate::relay::{Fate, Policy};

/// Passes requests on to the S3, until it is told otherwise.
#[derive(Debug)]
pub(crate) struct Faults {
    upstream: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    refuse: bool,
    refused: usize,
    lose: Vec<String>,
    lost: Vec<String>,
}

impl Faults {
    /// Before the S3 at an address.
    pub(crate) fn new(upstream: String) -> Self {
        Self { upstream, state: Mutex::default() }
    }

    /// From now on every request gets 503, or none does.
    pub(crate) fn refuse(&self, refuse: bool) {
        let mut state = self.lock();
        state.refuse = refuse;
        state.refused = 0;
    }

    /// How many got 503 since that began.
    pub(crate) fn refused(&self) -> usize {
        self.lock().refused
    }

    /// The answer to the next put of an object whose key holds this text is lost.
    pub(crate) fn lose(&self, key_part: &str) {
        self.lock().lose.push(key_part.to_owned());
    }

    /// What of [`Self::lose`] has happened, by path; forgotten thereby.
    pub(crate) fn take_lost(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().lost)
    }

    /// Everything passes again.
    pub(crate) fn heal(&self) {
        *self.lock() = State::default();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Policy for Faults {
    fn fate(&self, head: &Parts) -> Fate {
        let mut state = self.lock();
        if state.refuse {
            state.refused += 1;
            return Fate::Answer(StatusCode::SERVICE_UNAVAILABLE, "a drill");
        }
        let path = head.uri.path();
        if head.method == Method::PUT
            && let Some(at) = state.lose.iter().position(|part| path.contains(part.as_str()))
        {
            state.lose.remove(at);
            state.lost.push(path.to_owned());
            return Fate::Lose(self.upstream.clone());
        }
        Fate::Forward(vec![self.upstream.clone()])
    }
}
