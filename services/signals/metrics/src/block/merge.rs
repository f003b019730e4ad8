//! Merges blocks: by labels, series by series, a slab of each block in memory at a time.

use std::collections::VecDeque;

use futures::future::try_join_all;
use signal::{MergeInput, MergeOptions, NewBlock};

use super::cut::SeriesRows;
use super::error::BlockError;
use super::reader::{OpenBlock, SlabReader, Want};
use super::writer::BlocksWriter;
use crate::model::Labels;
use crate::wire::MetricMetadata;

/// Merges blocks of one tenant.
pub(super) async fn merge(inputs: Vec<MergeInput>, options: MergeOptions) -> Result<Vec<NewBlock>, BlockError> {
    let mut inputs = try_join_all(inputs.into_iter().map(Input::open)).await?;
    let mut writer = BlocksWriter::merging(&options);
    for input in &inputs {
        writer.push_metadata(input.metadata()?);
    }
    loop {
        if inputs.iter().any(Input::is_hungry) {
            try_join_all(inputs.iter_mut().map(Input::fill)).await?;
        }
        let Some(labels) = inputs.iter().filter_map(|input| input.slab.front()).map(|series| &series.labels).min().cloned() else { break };
        let mut rows = SeriesRows { labels, chunks: Vec::new(), exemplars: Vec::new() };
        for input in &mut inputs {
            if let Some(series) = input.take(&rows.labels)? {
                rows.chunks.extend(series.chunks);
                rows.exemplars.extend(series.exemplars);
            }
        }
        writer.push(rows)?;
    }
    writer.finish()
}

/// One block that is merged.
struct Input {
    block: OpenBlock,
    reader: SlabReader,
    slab: VecDeque<SeriesRows>,
    /// The series taken last.
    last: Option<Labels>,
    done: bool,
}

impl Input {
    async fn open(input: MergeInput) -> Result<Self, BlockError> {
        let block = OpenBlock::open(input.block).await?.without(&input.drops)?;
        let reader = block.rows(block.all()?, i64::MIN, i64::MAX, Want::All)?;
        Ok(Self { block, reader, slab: VecDeque::new(), last: None, done: false })
    }

    /// What the block knows about metrics.
    fn metadata(&self) -> Result<Vec<MetricMetadata>, BlockError> {
        self.block.metadata()
    }

    /// True when the slab is used up and there may be another.
    fn is_hungry(&self) -> bool {
        self.slab.is_empty() && !self.done
    }

    /// Reads the next slab when the last one is used up.
    async fn fill(&mut self) -> Result<(), BlockError> {
        if self.is_hungry() {
            self.slab = self.reader.next_slab().await?.into();
            self.done = self.slab.is_empty();
        }
        Ok(())
    }

    /// The next series, when it is this one. `labels` are the smallest of all inputs.
    fn take(&mut self, labels: &Labels) -> Result<Option<SeriesRows>, BlockError> {
        let Some(series) = self.slab.pop_front_if(|series| series.labels == *labels) else { return Ok(None) };
        // Out of order, a series would come twice into one block.
        if self.last.as_ref().is_some_and(|last| *labels <= *last) {
            return Err(BlockError::Corrupt { block: self.block.id, what: "series out of order" });
        }
        self.last = Some(series.labels.clone());
        Ok(Some(series))
    }
}
