//! An answer in frames that is made while those of queriers come in: no more of it is held than one of their frames and one series.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use runtime::Compute;
use signal::{PartialStream, QueryError, QueryExecutor, SubQuery};
use tenancy::{Budget, Reservation};

use super::write;
use crate::api::Api;
use crate::api::answer::{MEMORY_PER_BYTE, internal, refused};
use crate::api::error::PromError;
use crate::api::log::QueryLog;
use crate::query::engine::RangeSeries;
use crate::query::partial::{Fetched, Frame};

/// A query that was checked and is still to be asked.
pub(super) struct Question {
    /// Its number in the request.
    pub(super) number: usize,
    /// What is asked; none: nothing of it may be read.
    pub(super) part: Option<SubQuery>,
    pub(super) log: QueryLog,
}

/// The frames of an answer to several queries, one query after the other.
pub(super) struct Answering {
    exec: Arc<dyn QueryExecutor>,
    compute: Compute,
    memory: Budget,
    rest: std::vec::IntoIter<Question>,
    current: Option<(Reading, QueryLog)>,
}

impl Answering {
    pub(super) fn new(api: &Api, questions: Vec<Question>) -> Self {
        let (exec, compute, memory) = (api.exec.clone(), api.deps.compute.clone(), api.memory.clone());
        Self { exec, compute, memory, rest: questions.into_iter(), current: None }
    }

    /// The next frame; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, PromError> {
        loop {
            let Some((reading, log)) = &mut self.current else {
                let Some(Question { number, part, mut log }) = self.rest.next() else { return Ok(None) };
                match part {
                    Some(part) => {
                        let reading = Reading::new(number, self.exec.run(part), self.compute.clone(), &self.memory);
                        let reading = log.outcome(reading.map_err(PromError::from))?;
                        self.current = Some((reading, log));
                    }
                    None => log.outcome(Ok(()))?,
                }
                continue;
            };
            match reading.next().await {
                Ok(Some(frame)) => return Ok(Some(frame)),
                Ok(None) => {
                    log.fetched(reading.fetched);
                    log.outcome(Ok(()))?;
                    self.current = None;
                }
                Err(err) => return log.outcome(Err(err.into())),
            }
        }
    }

    /// The frames as a body. It breaks off where an error comes: a client sees that the answer is not whole.
    pub(super) fn frames(self) -> impl Stream<Item = Result<Bytes, PromError>> {
        stream::try_unfold(self, async |mut answering| Ok(answering.next().await?.map(|frame| (frame, answering))))
    }
}

/// The answer to one query.
struct Reading {
    number: usize,
    parts: PartialStream,
    compute: Compute,
    /// Of what is held: frames that are ready, and the series that may go on.
    memory: Reservation,
    ready: VecDeque<Bytes>,
    /// The last series that came: the next frame may go on with it.
    open: Option<RangeSeries>,
    /// Bytes that it takes, at most.
    open_bytes: u64,
    fetched: Fetched,
    whole: bool,
}

impl Reading {
    fn new(number: usize, parts: PartialStream, compute: Compute, memory: &Budget) -> Result<Self, QueryError> {
        let (memory, ready) = (memory.reserve(0).map_err(refused)?, VecDeque::new());
        Ok(Self { number, parts, compute, memory, ready, open: None, open_bytes: 0, fetched: Fetched::default(), whole: false })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, QueryError> {
        while self.ready.is_empty() && !self.whole {
            self.take().await?;
        }
        Ok(self.ready.pop_front())
    }

    /// Takes a frame of the querier's, and makes frames of the series that are whole now.
    async fn take(&mut self) -> Result<(), QueryError> {
        self.memory.shrink_to(self.open_bytes);
        let frame = self.parts.next().await.ok_or_else(|| internal("a querier's answer ends early"))??;
        let bytes = (frame.len() as u64).saturating_mul(MEMORY_PER_BYTE);
        self.memory.grow(bytes).map_err(refused)?;
        let (number, open) = (self.number, self.open.take());
        let taken = crate::query::run(&self.compute, move || take(number, &frame, open)).await??;
        self.open_bytes = match (&taken.open, taken.frames.is_empty()) {
            (None, _) => 0,
            (Some(_), true) => self.open_bytes.saturating_add(bytes),
            (Some(_), false) => bytes,
        };
        self.ready.extend(taken.frames);
        self.open = taken.open;
        if let Some(fetched) = taken.end {
            (self.fetched, self.whole) = (fetched, true);
        }
        Ok(())
    }
}

/// What was made of a querier's frame.
struct Taken {
    frames: Vec<Bytes>,
    open: Option<RangeSeries>,
    /// Given with the last one.
    end: Option<Fetched>,
}

fn take(number: usize, frame: &Bytes, open: Option<RangeSeries>) -> Result<Taken, QueryError> {
    let frame = Frame::decode(frame).map_err(|err| internal(&format!("a querier's answer cannot be read: {err}")))?;
    let (series, open, end) = match frame {
        Frame::Matrix(runs) => {
            let (series, open) = join(open, runs)?;
            (series, open, None)
        }
        Frame::End { fetched, .. } => (open.into_iter().collect(), None, Some(fetched)),
        _ => return Err(internal("a querier read something else than series")),
    };
    Ok(Taken { frames: write::Stream::new(number, series).collect(), open, end })
}

/// Joins runs of series that follow each other: those that are whole, and the last one.
fn join(open: Option<RangeSeries>, runs: Vec<RangeSeries>) -> Result<(Vec<RangeSeries>, Option<RangeSeries>), QueryError> {
    let (mut whole, mut last) = (Vec::new(), open);
    for run in runs {
        match &mut last {
            Some(open) if open.labels == run.labels => {
                open.samples.extend(run.samples);
                open.histograms.extend(run.histograms);
            }
            Some(open) if open.labels > run.labels => return Err(internal("the series of a querier's answer are not in order")),
            _ => whole.extend(last.replace(run)),
        }
    }
    Ok((whole, last))
}

#[cfg(test)]
mod tests;
