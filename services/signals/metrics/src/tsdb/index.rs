//! The file `index`: symbols, and series with the places of their chunks. Its postings are not needed here.

use bytes::Bytes as Shared;

use super::TsdbError;
use super::bits::Bytes;
use super::chunks::ChunkReference;
use crate::model::Labels;

const FILE: &str = "index";
const MAGIC: u32 = 0xbaaa_d700;
/// Six places and a checksum.
const CONTENTS: usize = 6 * 8 + 4;
/// Series begin at multiples of so many bytes.
const ALIGNED: usize = 16;
/// Bytes of all names and values of one series at most: a few symbols can be named any number of times.
const LABEL_BYTES: usize = 16 << 20;

/// An opened index.
#[derive(Debug)]
pub(super) struct Index {
    file: Shared,
    version: u8,
    /// Places of the symbols' texts; in version 1 a reference is the place itself.
    symbols: Vec<(usize, usize)>,
    /// Where the series are.
    series: (usize, usize),
}

/// A series, and where its chunks are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesEntry {
    /// Its name among the series of the block, as tombstones have it.
    pub reference: u64,
    /// Its labels.
    pub labels: Labels,
    /// Its chunks, sorted by time.
    pub chunks: Vec<ChunkPlace>,
    /// The place in the file behind it, where the next series begins.
    pub next: u64,
}

/// A chunk, before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkPlace {
    /// Time of its first sample, ms.
    pub min_time: i64,
    /// Time of its last sample, ms.
    pub max_time: i64,
    /// Where it is.
    pub reference: ChunkReference,
}

impl ChunkPlace {
    /// Whether the times of its samples are as the index says. Errors: what is wrong.
    pub(super) fn check(&self, times: impl Iterator<Item = i64>) -> Result<(), &'static str> {
        let mut last = None;
        for t in times {
            if last.is_some_and(|last| t <= last) {
                return Err("samples of a chunk are not in the order of their times");
            }
            if !(self.min_time..=self.max_time).contains(&t) {
                return Err("a sample is outside the times that the index has of its chunk");
            }
            last = Some(t);
        }
        Ok(())
    }
}

impl Index {
    pub(super) fn open(file: Shared) -> Result<Self, TsdbError> {
        let mut from = Bytes::new(FILE, &file, 0, file.len())?;
        if from.u32()? != MAGIC {
            return Err(TsdbError::Corrupt { file: FILE, what: "no index", at: 0 });
        }
        let version = from.u8()?;
        if !matches!(version, 1 | 2) {
            return Err(TsdbError::Version { file: FILE, version });
        }
        let start = file.len().saturating_sub(CONTENTS);
        let mut from = Bytes::new(FILE, &file, start, file.len())?;
        let mut places = [0usize; 6];
        for place in &mut places {
            *place = usize::try_from(from.u64()?).unwrap_or(usize::MAX);
        }
        from.checksum(&file[start..start + CONTENTS - 4])?;
        let [symbols, series, ..] = places;
        // Whatever section comes next ends the series.
        let end = places[2..].iter().copied().filter(|place| *place >= series && *place > 0).min().unwrap_or(start);
        let symbols = read_symbols(&file, symbols)?;
        Ok(Self { file, version, symbols, series: (series, end) })
    }

    /// All series from a place on, in the order in which they stand: that of their labels.
    pub(super) fn series(&self, from: u64) -> impl Iterator<Item = Result<SeriesEntry, TsdbError>> + '_ {
        let mut at = usize::try_from(from).unwrap_or(usize::MAX).max(self.series.0.next_multiple_of(ALIGNED));
        std::iter::from_fn(move || {
            // Zeros before the next section are padding, not a series: a series has a length.
            if at >= self.series.1 || self.file.get(at).is_none_or(|byte| *byte == 0) {
                return None;
            }
            let entry = self.entry(at);
            at = entry.as_ref().map_or(usize::MAX, |entry| usize::try_from(entry.next).unwrap_or(usize::MAX));
            Some(entry)
        })
    }

    /// The series at a place.
    fn entry(&self, at: usize) -> Result<SeriesEntry, TsdbError> {
        let mut from = Bytes::new(FILE, &self.file, at, self.file.len())?;
        let len = from.len()?;
        let (start, end) = (from.at(), from.at() + len);
        let mut body = Bytes::new(FILE, &self.file, start, end)?;
        let labels = self.labels(&mut body)?;
        let chunks = chunks(&mut body)?;
        let mut rest = Bytes::new(FILE, &self.file, end, self.file.len())?;
        rest.checksum(&self.file[start..end])?;
        let reference = if self.version == 1 { at as u64 } else { (at / ALIGNED) as u64 };
        Ok(SeriesEntry { reference, labels, chunks, next: rest.at().next_multiple_of(ALIGNED) as u64 })
    }

    fn labels(&self, body: &mut Bytes<'_>) -> Result<Labels, TsdbError> {
        let count = body.len()?;
        let mut pairs = Vec::with_capacity(count.min(64));
        let mut bytes = 0;
        for _ in 0..count {
            let (name, value) = (body.uvarint()?, body.uvarint()?);
            let pair = (self.symbol(name)?, self.symbol(value)?);
            bytes += pair.0.len() + pair.1.len();
            if bytes > LABEL_BYTES {
                return Err(body.corrupt("a series with too much text"));
            }
            pairs.push(pair);
        }
        Ok(Labels::from_pairs(pairs))
    }

    fn symbol(&self, reference: u64) -> Result<&str, TsdbError> {
        let reference = usize::try_from(reference).unwrap_or(usize::MAX);
        let place = if self.version == 1 {
            let mut from = Bytes::new(FILE, &self.file, reference.min(self.file.len()), self.file.len())?;
            let len = from.len()?;
            Some((from.at(), from.at() + len))
        } else {
            self.symbols.get(reference).copied()
        };
        let wrong = |what| TsdbError::Corrupt { file: FILE, what, at: reference };
        let (start, end) = place.ok_or_else(|| wrong("a symbol that is not there"))?;
        std::str::from_utf8(&self.file[start..end]).map_err(|_| wrong("a symbol that is no UTF-8"))
    }
}

fn read_symbols(file: &Shared, at: usize) -> Result<Vec<(usize, usize)>, TsdbError> {
    let mut from = Bytes::new(FILE, file, at, file.len())?;
    let len = from.u32()? as usize;
    let start = from.at();
    let end = start.checked_add(len).ok_or_else(|| from.corrupt("a length beyond the file's end"))?;
    let mut body = Bytes::new(FILE, file, start, end)?;
    let count = body.u32()? as usize;
    if count > len {
        return Err(body.corrupt("more symbols than bytes"));
    }
    let mut symbols = Vec::with_capacity(count);
    for _ in 0..count {
        let len = body.len()?;
        symbols.push((body.at(), body.at() + len));
        body.take(len)?;
    }
    Bytes::new(FILE, file, end, file.len())?.checksum(&file[start..end])?;
    Ok(symbols)
}

/// The first chunk stands whole, each other as its difference from the one before.
fn chunks(body: &mut Bytes<'_>) -> Result<Vec<ChunkPlace>, TsdbError> {
    let count = body.len()?;
    let mut chunks: Vec<ChunkPlace> = Vec::with_capacity(count.min(1024));
    let mut reference = 0u64;
    for _ in 0..count {
        let chunk = match chunks.last() {
            None => {
                let min_time = body.varint()?;
                let max_time = min_time.wrapping_add_unsigned(body.uvarint()?);
                reference = body.uvarint()?;
                ChunkPlace { min_time, max_time, reference: ChunkReference::of(reference) }
            }
            Some(last) => {
                let min_time = last.max_time.wrapping_add_unsigned(body.uvarint()?);
                let max_time = min_time.wrapping_add_unsigned(body.uvarint()?);
                reference = reference.wrapping_add_signed(body.varint()?);
                ChunkPlace { min_time, max_time, reference: ChunkReference::of(reference) }
            }
        };
        chunks.push(chunk);
    }
    Ok(chunks)
}
