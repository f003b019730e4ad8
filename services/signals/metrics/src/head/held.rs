//! The full chunks of a series: where each is, in about twelve bytes.
//!
//! Format, per chunk, numbers as [`codec`](crate::wire::codec) writes them: the number of its file and its place there, each minus that
//! of the chunk before, signed; its first time minus the last one of the chunk before, signed; milliseconds to its last time.

use super::files::Held;
use crate::wire::codec::{DecodeError, Reader, put_signed, put_varint};

/// Full chunks in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct HeldList {
    bytes: Box<[u8]>,
}

impl HeldList {
    /// The chunks.
    pub(super) fn iter(&self) -> impl Iterator<Item = Held> {
        let mut rest = Reader::new(&self.bytes);
        let mut before = Held::default();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            before = next(&mut rest, &before).expect("it was written here");
            Some(before)
        })
    }

    /// Adds a chunk. All are copied: it comes once in a hundred samples, and memory is what counts.
    pub(super) fn push(&mut self, held: Held) {
        let mut one = Vec::new();
        put(&mut one, &self.iter().last().unwrap_or_default(), &held);
        self.bytes = [&*self.bytes, &one].concat().into_boxed_slice();
    }

    /// Leaves only chunks that are wanted.
    pub(super) fn retain(&mut self, wanted: impl Fn(&Held) -> bool) {
        if self.iter().any(|held| !wanted(&held)) {
            *self = self.iter().filter(wanted).collect();
        }
    }

    /// True when there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Heap that the list takes, bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl FromIterator<Held> for HeldList {
    fn from_iter<I: IntoIterator<Item = Held>>(all: I) -> Self {
        let mut bytes = Vec::new();
        let mut before = Held::default();
        for held in all {
            put(&mut bytes, &before, &held);
            before = held;
        }
        Self { bytes: bytes.into_boxed_slice() }
    }
}

fn put(into: &mut Vec<u8>, before: &Held, held: &Held) {
    put_signed(into, i64::from(held.file) - i64::from(before.file));
    put_signed(into, held.at.wrapping_sub(before.at).cast_signed());
    put_signed(into, held.min_t.wrapping_sub(before.max_t()));
    put_varint(into, u64::from(held.span));
}

fn next(from: &mut Reader<'_>, before: &Held) -> Result<Held, DecodeError> {
    let file = i64::from(before.file) + from.signed()?;
    let file = u32::try_from(file).map_err(|_| DecodeError::Number { what: "file" })?;
    let at = before.at.wrapping_add(from.signed()?.cast_unsigned());
    let min_t = before.max_t().wrapping_add(from.signed()?);
    Ok(Held { min_t, span: from.varint32("span")?, file, at })
}

#[cfg(test)]
mod tests;
