//! Taking rows out of a series that somebody deleted.

use std::io;

use super::{ChunkRef, Files, Series};
use crate::chunk::{Chunk, ChunkError};
use crate::drops::{self, Span};

/// Why rows could not be deleted.
#[derive(Debug, thiserror::Error)]
pub(in crate::head) enum ThinError {
    /// The file of a chunk.
    #[error("read a chunk of the head")]
    Read(#[from] io::Error),
    /// A chunk that does not decode.
    #[error("chunk of the head")]
    Chunk(#[from] ChunkError),
}

impl Series {
    /// Drops samples of these times, also of chunks that cuts have taken. The newest time stays what late samples are measured by.
    pub(in crate::head) fn thin(&mut self, spans: &[Span], files: &Files) -> Result<(), ThinError> {
        let gone = |t| drops::drops(spans, t);
        let mut kept = Vec::new();
        for held in self.held.iter() {
            if !spans.iter().any(|span| held.overlaps(span.0, span.1)) {
                kept.push(held);
                continue;
            }
            let Some(stored) = files.stored(&held) else { continue };
            let mut rest = vec![stored.read()?];
            drops::thin(&mut rest, spans)?;
            kept.extend(rest.iter().map(|chunk| files.keep_beside(&held, &ChunkRef::from(chunk))));
        }
        self.held = kept.into_iter().collect();
        if let Some(chunk) = self.open_chunk().map(ChunkRef::to_chunk) {
            let mut samples = chunk.decode()?;
            let before = samples.len();
            samples.retain(|sample| !gone(sample.t));
            if samples.len() < before {
                // A chunk of its own: the encoder goes on knowing the newest sample.
                if let Some(chunk) = Chunk::encode(&samples) {
                    self.held.push(files.keep(&ChunkRef::from(&chunk)));
                }
                self.open.restart();
            }
        }
        if let Some(more) = &mut self.more {
            more.thin(gone)?;
            self.drop_more();
        }
        Ok(())
    }
}
