//! Taking rows out of a series that somebody deleted.

use super::{Held, Series};
use crate::chunk::{ChunkError, XorEncoder};
use crate::drops::{self, Span};

impl Series {
    /// Drops samples of these times, also of chunks that cuts have taken. The newest time stays what late samples are measured by.
    pub(in crate::head) fn thin(&mut self, spans: &[Span]) -> Result<(), ChunkError> {
        let gone = |t| drops::drops(spans, t);
        let mut kept = Vec::with_capacity(self.chunks.len());
        for Held { cut, chunk } in self.chunks.drain(..) {
            let mut rest = vec![chunk];
            drops::thin(&mut rest, spans)?;
            kept.extend(rest.into_iter().map(|chunk| Held { cut, chunk }));
        }
        self.chunks = kept;
        let bytes = |held: &Held| size_of::<Held>() + held.chunk.bytes.len();
        self.chunk_bytes = self.chunks.iter().map(bytes).sum();
        self.fresh_bytes = self.chunks.iter().filter(|held| held.cut.is_none()).map(bytes).sum();
        if let Some(chunk) = self.open_chunk() {
            let samples = chunk.decode()?;
            if samples.iter().any(|sample| gone(sample.t)) {
                self.open = XorEncoder::default();
                samples.into_iter().filter(|sample| !gone(sample.t)).for_each(|sample| self.open.push(sample));
            }
        }
        self.late.retain(|sample| !gone(sample.t));
        Ok(())
    }
}
