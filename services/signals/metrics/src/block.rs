//! Blocks: what a head's cut becomes.

pub mod cut;
