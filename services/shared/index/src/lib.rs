//! The label index: from matchers to series, for all four signals.
//!
//! [`MutableIndex`] serves heads, [`IndexWriter`] and [`IndexReader`] the file `index` of blocks; both answer alike, by the
//! rules of [`Matcher`]. Series are 32-bit numbers that mean something only to their head or block.
//!
//! **Invariant:** knows labels, never samples, lines or spans; reads and writes bytes in memory, never files.

pub mod error;
pub mod format;
pub mod matcher;
pub mod mutable;
pub mod re2;
pub mod reader;
mod select;
pub mod writer;

pub use error::{IndexError, RegexError};
pub use matcher::Matcher;
pub use mutable::MutableIndex;
pub use reader::{IndexReader, SeriesCursor, SeriesEntry};
pub use roaring::RoaringBitmap;
pub use writer::IndexWriter;

#[cfg(test)]
mod tests;
