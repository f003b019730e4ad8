//! What a head hands over for a block.

use crate::wire::SeriesChunks;

/// The rows of one cut: the type inside of [`signal::Cut::data`].
///
/// Each series stands once, sorted by labels. Its chunks are of any size and may overlap (out-of-order samples).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CutData {
    /// The series with their chunks.
    pub series: Vec<SeriesChunks>,
}
