//! Merges blocks: by labels, series by series, a slab of each block in memory at a time. Exports read them the same way.

use std::collections::VecDeque;

use futures::future::try_join_all;
use signal::{MergeInput, MergeOptions, NewBlock};
use syntax::LabelMatcher;

use super::cut::SeriesRows;
use super::error::BlockError;
use super::reader::{OpenBlock, SlabReader, Want};
use super::scan;
use super::writer::BlocksWriter;
use crate::model::Labels;
use crate::wire::MetricMetadata;

/// Merges blocks of one tenant.
pub(super) async fn merge(inputs: Vec<MergeInput>, options: MergeOptions) -> Result<Vec<NewBlock>, BlockError> {
    let mut joined = Joined::open(inputs, &Selected::default()).await?;
    let mut writer = BlocksWriter::merging(&options);
    for input in &joined.inputs {
        writer.push_metadata(input.metadata()?);
    }
    while let Some(rows) = joined.next_series().await? {
        writer.push(rows)?;
    }
    writer.finish()
}

/// Which rows of blocks are read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selected {
    /// Series that meet all matchers of any of these sets; none: all series.
    pub sets: Vec<Vec<LabelMatcher>>,
    /// Chunks and exemplars that overlap `start..=end`, ms.
    pub start: i64,
    /// The last ms.
    pub end: i64,
    /// Whether exemplars are read too.
    pub exemplars: bool,
}

impl Default for Selected {
    /// Everything.
    fn default() -> Self {
        Self { sets: Vec::new(), start: i64::MIN, end: i64::MAX, exemplars: true }
    }
}

/// The series of several blocks, sorted by labels, each once: with the rows of all blocks, some of which may stand twice.
#[derive(Debug)]
pub(crate) struct Joined {
    inputs: Vec<Input>,
}

impl Joined {
    /// Reads the indexes of the blocks.
    pub(crate) async fn open(inputs: Vec<MergeInput>, selected: &Selected) -> Result<Self, BlockError> {
        let opened = inputs.into_iter().map(|input| Input::open(input, selected));
        Ok(Self { inputs: try_join_all(opened).await? })
    }

    /// The next series.
    pub(crate) async fn next_series(&mut self) -> Result<Option<SeriesRows>, BlockError> {
        if self.inputs.iter().any(Input::is_hungry) {
            try_join_all(self.inputs.iter_mut().map(Input::fill)).await?;
        }
        let first = self.inputs.iter().filter_map(|input| input.slab.front()).map(|series| &series.labels).min();
        let Some(labels) = first.cloned() else { return Ok(None) };
        let mut rows = SeriesRows { labels, chunks: Vec::new(), exemplars: Vec::new() };
        for input in &mut self.inputs {
            if let Some(series) = input.take(&rows.labels)? {
                rows.chunks.extend(series.chunks);
                rows.exemplars.extend(series.exemplars);
            }
        }
        Ok(Some(rows))
    }
}

/// One block that is merged.
#[derive(Debug)]
struct Input {
    block: OpenBlock,
    reader: SlabReader,
    slab: VecDeque<SeriesRows>,
    /// The series taken last.
    last: Option<Labels>,
    done: bool,
}

impl Input {
    async fn open(input: MergeInput, selected: &Selected) -> Result<Self, BlockError> {
        let block = OpenBlock::open(input.block).await?.without(&input.drops)?;
        let series = scan::select(&block, &scan::compile(&selected.sets)?)?.map_or_else(|| block.all(), Ok)?;
        let want = if selected.exemplars { Want::All } else { Want::Chunks };
        let reader = block.rows(series, selected.start, selected.end, want)?;
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
