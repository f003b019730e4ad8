//! Walks over series of an index.

use std::fmt;
use std::ops::Range;

use roaring::RoaringBitmap;
use roaring::bitmap::IntoIter;
use zstd::bulk::Decompressor;

use super::IndexReader;
use crate::error::IndexError;
use crate::format::{HEADER, MAX_PAGE, PAGE_ENTRY, PAGE_SERIES, Reader, part};

const WHAT: &str = "series page";

/// Series that were selected, in the order of their numbers. A page is decompressed once for all its series.
pub struct SeriesCursor {
    index: IndexReader,
    selected: IntoIter,
    decompressor: Decompressor<'static>,
    /// Which page is at hand, if any.
    page: Option<u32>,
    bytes: Vec<u8>,
    /// Position of the next series, and how many of the page come before it.
    at: usize,
    passed: u32,
    /// The series before it: number of the name and place of the value of each label, place of the payload.
    labels: Vec<(usize, Range<usize>)>,
    payload: Range<usize>,
}

/// One series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesEntry<'a> {
    /// Its number.
    pub series: u32,
    /// Its labels, sorted by name, each once, none empty.
    pub labels: Vec<(&'a str, &'a str)>,
    /// What the signal gave beside them.
    pub payload: &'a [u8],
}

impl SeriesCursor {
    pub(super) fn new(index: IndexReader, selected: RoaringBitmap) -> Result<Self, IndexError> {
        let decompressor = Decompressor::new().map_err(|_| IndexError::TooLarge { what: "decompressor" })?;
        let selected = selected.into_iter();
        Ok(Self { index, selected, decompressor, page: None, bytes: Vec::new(), at: 0, passed: 0, labels: Vec::new(), payload: 0..0 })
    }

    /// The next series; `None` after the last. After an error there is nothing more.
    pub fn next_series(&mut self) -> Result<Option<SeriesEntry<'_>>, IndexError> {
        let Some(series) = self.selected.next() else { return Ok(None) };
        if series >= self.index.0.series {
            return Err(IndexError::Corrupt { what: "postings name a series that is not there" });
        }
        self.load(series / PAGE_SERIES)?;
        while self.passed <= series % PAGE_SERIES {
            self.step()?;
        }
        let mut labels = Vec::with_capacity(self.labels.len());
        for (number, value) in &self.labels {
            let name = self.index.0.names.get(*number).ok_or(IndexError::Corrupt { what: WHAT })?.name.as_ref();
            let value = std::str::from_utf8(&self.bytes[value.clone()]).map_err(|_| IndexError::Corrupt { what: WHAT })?;
            if value.is_empty() || labels.last().is_some_and(|(before, _)| *before >= name) {
                return Err(IndexError::Labels { series });
            }
            labels.push((name, value));
        }
        Ok(Some(SeriesEntry { series, labels, payload: &self.bytes[self.payload.clone()] }))
    }

    fn load(&mut self, page: u32) -> Result<(), IndexError> {
        if self.page == Some(page) {
            return Ok(());
        }
        // A page that cannot be read is not taken for the one before.
        self.page = None;
        let inner = &self.index.0;
        let mut start = HEADER;
        let mut from = Reader::new(&inner.file, inner.pages + page as usize * PAGE_ENTRY, "page table");
        if page > 0 {
            start = Reader::new(&inner.file, from.at() - PAGE_ENTRY, "page table").fixed64()?;
        }
        let (end, crc) = (from.fixed64()?, from.fixed32()?);
        let len = end.checked_sub(start).ok_or(IndexError::Corrupt { what: "page table" })?;
        let stored = part(&inner.file, start, len, crc, WHAT)?;
        let mut from = Reader::new(stored, 0, WHAT);
        let raw = from.size()?;
        if raw > MAX_PAGE {
            return Err(IndexError::Corrupt { what: WHAT });
        }
        self.bytes = self.decompressor.decompress(&stored[from.at()..], raw).map_err(|_| IndexError::Corrupt { what: WHAT })?;
        self.page = Some(page);
        self.at = 0;
        self.passed = 0;
        self.labels.clear();
        Ok(())
    }

    /// Decodes one series of the page.
    fn step(&mut self) -> Result<(), IndexError> {
        let mut from = Reader::new(&self.bytes, self.at, WHAT);
        let (shared, own) = (from.size()?, from.size()?);
        if shared > self.labels.len() || own > self.bytes.len() {
            return Err(IndexError::Corrupt { what: WHAT });
        }
        self.labels.truncate(shared);
        for _ in 0..own {
            let number = from.size()?;
            let value = from.bytes()?.len();
            self.labels.push((number, from.at() - value..from.at()));
        }
        let payload = from.bytes()?.len();
        self.payload = from.at() - payload..from.at();
        self.at = from.at();
        self.passed += 1;
        Ok(())
    }
}

impl fmt::Debug for SeriesCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeriesCursor").field("left", &self.selected.len()).finish_non_exhaustive()
    }
}
