//! Writes the file `index` of a block: see [`crate::format`].

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use fst::MapBuilder;
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;
use zstd::bulk::Compressor;

use crate::error::IndexError;
use crate::format::{MAGIC, MAX_PAGE, PAGE_SERIES, VERSION, put_bytes, put_varint};

/// How hard pages are compressed: the default of zstd.
const LEVEL: i32 = 3;

/// Makes an index, series by series.
pub struct IndexWriter {
    out: Vec<u8>,
    names: Vec<Name>,
    numbers: FxHashMap<Box<str>, u32>,
    compressor: Compressor<'static>,
    /// The page in the making.
    page: Vec<u8>,
    /// Labels of the last series of the page: number of the name, and where the value stands in the page.
    last: Vec<(u32, Range<usize>)>,
    /// Ends and checksums of the pages.
    pages: Vec<(u64, u32)>,
    series: u32,
}

struct Name {
    name: Box<str>,
    values: BTreeMap<Box<str>, RoaringBitmap>,
    series: RoaringBitmap,
}

impl IndexWriter {
    /// An empty index. Errors: [`IndexError::TooLarge`] when there is no memory for the compressor.
    pub fn new() -> Result<Self, IndexError> {
        let compressor = Compressor::new(LEVEL).map_err(|_| IndexError::TooLarge { what: "compressor" })?;
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        Ok(Self {
            out,
            names: Vec::new(),
            numbers: FxHashMap::default(),
            compressor,
            page: Vec::new(),
            last: Vec::new(),
            pages: Vec::new(),
            series: 0,
        })
    }

    /// Adds a series with what the signal wants to read beside its labels, and returns its number: they count from 0. Labels
    /// are sorted by name, each once, none empty; else nothing is added.
    pub fn add<'a>(&mut self, labels: impl IntoIterator<Item = (&'a str, &'a str)>, payload: &[u8]) -> Result<u32, IndexError> {
        let series = self.series;
        let labels: Vec<(&str, &str)> = labels.into_iter().collect();
        if labels.iter().any(|(_, value)| value.is_empty()) || !labels.is_sorted_by(|one, other| one.0 < other.0) {
            return Err(IndexError::Labels { series });
        }
        self.series = series.checked_add(1).ok_or(IndexError::TooLarge { what: "series" })?;
        let mut own: Vec<(u32, &str)> = Vec::with_capacity(labels.len());
        for (name, value) in labels {
            let number = self.number(name)?;
            let known = &mut self.names[number as usize];
            known.series.insert(series);
            match known.values.get_mut(value) {
                Some(postings) => {
                    postings.insert(series);
                }
                None => {
                    known.values.insert(value.into(), RoaringBitmap::from([series]));
                }
            }
            own.push((number, value));
        }
        self.put_series(&own, payload);
        if self.series.is_multiple_of(PAGE_SERIES) {
            self.end_page()?;
        }
        Ok(series)
    }

    /// Bytes written so far; what [`IndexWriter::finish`] adds is not known before.
    #[must_use]
    pub fn written(&self) -> usize {
        self.out.len() + self.page.len()
    }

    /// The file, with what the signal wants to read beside all series (where pages of rows lie, say).
    pub fn finish(mut self, attachment: &[u8]) -> Result<Bytes, IndexError> {
        if !self.page.is_empty() {
            self.end_page()?;
        }
        let mut contents = Vec::new();
        put_varint(&mut contents, u64::from(self.series));
        let table = self.out.len();
        for (end, crc) in &self.pages {
            self.out.extend_from_slice(&end.to_le_bytes());
            self.out.extend_from_slice(&crc.to_le_bytes());
        }
        put_varint(&mut contents, table as u64);
        contents.extend_from_slice(&crc32fast::hash(&self.out[table..]).to_le_bytes());
        put_part(&mut self.out, &mut contents, attachment);
        put_varint(&mut contents, self.names.len() as u64);
        for name in &self.names {
            put_name(&mut self.out, &mut contents, name)?;
        }
        let len = u32::try_from(contents.len()).map_err(|_| IndexError::TooLarge { what: "names" })?;
        let start = self.out.len() as u64;
        self.out.extend_from_slice(&contents);
        self.out.extend_from_slice(&start.to_le_bytes());
        self.out.extend_from_slice(&len.to_le_bytes());
        self.out.extend_from_slice(&crc32fast::hash(&contents).to_le_bytes());
        self.out.extend_from_slice(&MAGIC);
        Ok(self.out.into())
    }

    fn number(&mut self, name: &str) -> Result<u32, IndexError> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = u32::try_from(self.names.len()).map_err(|_| IndexError::TooLarge { what: "names" })?;
        self.numbers.insert(name.into(), number);
        self.names.push(Name { name: name.into(), values: BTreeMap::new(), series: RoaringBitmap::new() });
        Ok(number)
    }

    /// Appends a series to the page.
    fn put_series(&mut self, labels: &[(u32, &str)], payload: &[u8]) {
        let page = &self.page;
        let pairs = self.last.iter().zip(labels);
        let shared = pairs.take_while(|((number, value), label)| *number == label.0 && page[value.clone()] == *label.1.as_bytes()).count();
        self.last.truncate(shared);
        put_varint(&mut self.page, shared as u64);
        put_varint(&mut self.page, (labels.len() - shared) as u64);
        for (number, value) in &labels[shared..] {
            put_varint(&mut self.page, u64::from(*number));
            put_bytes(&mut self.page, value.as_bytes());
            self.last.push((*number, self.page.len() - value.len()..self.page.len()));
        }
        put_bytes(&mut self.page, payload);
    }

    fn end_page(&mut self) -> Result<(), IndexError> {
        if self.page.len() > MAX_PAGE {
            return Err(IndexError::TooLarge { what: "series" });
        }
        let start = self.out.len();
        put_varint(&mut self.out, self.page.len() as u64);
        let frame = self.compressor.compress(&self.page).map_err(|_| IndexError::TooLarge { what: "series" })?;
        self.out.extend_from_slice(&frame);
        self.pages.push((self.out.len() as u64, crc32fast::hash(&self.out[start..])));
        self.page.clear();
        self.last.clear();
        Ok(())
    }
}

impl fmt::Debug for IndexWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexWriter").field("series", &self.series).field("names", &self.names.len()).finish_non_exhaustive()
    }
}

/// Appends postings and dictionary of a name to the file, and its entry to the table of contents.
fn put_name(out: &mut Vec<u8>, contents: &mut Vec<u8>, name: &Name) -> Result<(), IndexError> {
    let postings = out.len();
    let mut dictionary = MapBuilder::memory();
    for (value, series) in &name.values {
        let place = match (series.len(), series.min()) {
            (1, Some(only)) => u64::from(only) << 1 | 1,
            _ => {
                let offset = (out.len() - postings) as u64;
                let bitmap = serialized(series)?;
                put_varint(out, bitmap.len() as u64);
                out.extend_from_slice(&crc32fast::hash(&bitmap).to_le_bytes());
                out.extend_from_slice(&bitmap);
                offset << 1
            }
        };
        dictionary.insert(value.as_bytes(), place).map_err(|_| IndexError::TooLarge { what: "values" })?;
    }
    put_bytes(contents, name.name.as_bytes());
    put_varint(contents, name.values.len() as u64);
    put_varint(contents, postings as u64);
    put_part(out, contents, &serialized(&name.series)?);
    put_part(out, contents, &dictionary.into_inner().map_err(|_| IndexError::TooLarge { what: "values" })?);
    Ok(())
}

/// Appends a part to the file, and its position, length and checksum to the table of contents.
fn put_part(out: &mut Vec<u8>, contents: &mut Vec<u8>, part: &[u8]) {
    put_varint(contents, out.len() as u64);
    put_varint(contents, part.len() as u64);
    contents.extend_from_slice(&crc32fast::hash(part).to_le_bytes());
    out.extend_from_slice(part);
}

fn serialized(series: &RoaringBitmap) -> Result<Vec<u8>, IndexError> {
    let mut bytes = Vec::with_capacity(series.serialized_size());
    series.serialize_into(&mut bytes).map_err(|_| IndexError::TooLarge { what: "postings" })?;
    Ok(bytes)
}
