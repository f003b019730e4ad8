//! The messages of a leaf's answer.

use bytes::Bytes;

use crate::quartet::scan_response::Message;
use crate::quartet::{BlockDone, LeafHeader, Rows, ScanResponse};

impl ScanResponse {
    /// What an ingester says before its rows.
    #[must_use]
    pub fn header(header: LeafHeader) -> Self {
        Self { message: Some(Message::Header(header)) }
    }

    /// Rows of the head.
    #[must_use]
    pub fn head_rows(payload: Bytes) -> Self {
        Self::block_rows(String::new(), payload)
    }

    /// Rows of a block.
    #[must_use]
    pub fn block_rows(block: String, payload: Bytes) -> Self {
        Self { message: Some(Message::Rows(Rows { block, payload })) }
    }

    /// There are no more rows of a block; `gone`: since its files are.
    #[must_use]
    pub fn block_done(block: String, gone: bool) -> Self {
        Self { message: Some(Message::Done(BlockDone { block, gone })) }
    }
}
