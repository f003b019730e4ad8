//! Reads the file `index` of a block: see [`crate::format`].

mod series;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use fst::{IntoStreamer, Streamer};
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;

use crate::error::IndexError;
use crate::format::{HEADER, MAGIC, PAGE_ENTRY, PAGE_SERIES, Reader, TRAILER, VERSION, part};
use crate::matcher::{Matcher, Test};
use crate::select::{self, Postings};
pub use series::{SeriesCursor, SeriesEntry};

/// An open index. Cheap to clone. Parts are checked and decoded when a question needs them.
#[derive(Clone)]
pub struct IndexReader(Arc<Inner>);

struct Inner {
    file: Bytes,
    series: u32,
    /// Position of the page table.
    pages: usize,
    attachment: Part,
    names: Vec<Name>,
    numbers: FxHashMap<Box<str>, usize>,
}

struct Name {
    name: Box<str>,
    values: u64,
    /// Position of the postings.
    postings: usize,
    series: Part,
    dictionary: Part,
}

#[derive(Clone, Copy)]
struct Part {
    start: usize,
    len: usize,
    crc: u32,
}

impl IndexReader {
    /// Opens a file: reads its table of contents.
    pub fn open(file: Bytes) -> Result<Self, IndexError> {
        let trailer =
            file.len().checked_sub(TRAILER).filter(|start| *start >= HEADER).ok_or(IndexError::Corrupt { what: "file is too short" })?;
        if file[..4] != MAGIC || file[file.len() - 4..] != MAGIC {
            return Err(IndexError::Corrupt { what: "not an index" });
        }
        let version = u16::from_le_bytes([file[4], file[5]]);
        if version != VERSION {
            return Err(IndexError::Version { version, known: VERSION });
        }
        let mut from = Reader::new(&file, trailer, "trailer");
        let (start, len, crc) = (from.fixed64()?, from.fixed32()?, from.fixed32()?);
        let contents = part(&file, start, len as usize, crc, "table of contents")?;
        let mut from = Reader::new(contents, 0, "table of contents");
        let series = from.number32()?;
        let pages = from.size()?;
        let crc = from.fixed32()?;
        part(&file, pages, series.div_ceil(PAGE_SERIES) as usize * PAGE_ENTRY, crc, "page table")?;
        let attachment = Part::read(&mut from)?;
        let count = from.size()?;
        let mut names = Vec::with_capacity(count.min(contents.len() / 8));
        let mut numbers = FxHashMap::default();
        for number in 0..count {
            let name = Name::read(&mut from)?;
            numbers.insert(name.name.clone(), number);
            names.push(name);
        }
        Ok(Self(Arc::new(Inner { file, series, pages, attachment, names, numbers })))
    }

    /// How many series there are; their numbers count from 0.
    #[must_use]
    pub fn series_count(&self) -> u32 {
        self.0.series
    }

    /// Series that meet all matchers; all series when there are none.
    pub fn select(&self, matchers: &[Matcher]) -> Result<RoaringBitmap, IndexError> {
        select::select(self, matchers)
    }

    /// Names of labels, sorted: those that the series `of` have, or all.
    pub fn label_names(&self, of: Option<&RoaringBitmap>) -> Result<Vec<String>, IndexError> {
        let mut names = Vec::new();
        for name in &self.0.names {
            if match of {
                None => true,
                Some(of) => !self.bitmap(name.series, "series of a name")?.is_disjoint(of),
            } {
                names.push(name.name.clone().into_string());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Values of a label, sorted: those that the series `of` have, or all.
    pub fn label_values(&self, name: &str, of: Option<&RoaringBitmap>) -> Result<Vec<String>, IndexError> {
        let mut values = Vec::new();
        self.for_each_value(name, "", |name, value, place| {
            if match of {
                None => true,
                Some(of) => match self.postings(name, place)? {
                    Found::One(series) => of.contains(series),
                    Found::Many(series) => !series.is_disjoint(of),
                },
            } {
                values.push(value.to_owned());
            }
            Ok(true)
        })?;
        Ok(values)
    }

    /// How many different values a label has.
    #[must_use]
    pub fn value_count(&self, name: &str) -> u64 {
        self.name(name).map_or(0, |name| name.values)
    }

    /// What the signal wrote beside all series.
    pub fn attachment(&self) -> Result<&[u8], IndexError> {
        self.part(self.0.attachment, "attachment")
    }

    /// Labels and payloads of series, in the order of their numbers.
    pub fn series(&self, selected: RoaringBitmap) -> Result<SeriesCursor, IndexError> {
        SeriesCursor::new(self.clone(), selected)
    }

    fn name(&self, name: &str) -> Option<&Name> {
        self.0.numbers.get(name).and_then(|number| self.0.names.get(*number))
    }

    fn part(&self, part: Part, what: &'static str) -> Result<&[u8], IndexError> {
        crate::format::part(&self.0.file, part.start, part.len, part.crc, what)
    }

    fn bitmap(&self, part: Part, what: &'static str) -> Result<RoaringBitmap, IndexError> {
        RoaringBitmap::deserialize_from(self.part(part, what)?).map_err(|_| IndexError::Corrupt { what })
    }

    fn dictionary(&self, name: &Name) -> Result<fst::Map<&[u8]>, IndexError> {
        fst::Map::new(self.part(name.dictionary, "dictionary")?).map_err(|_| IndexError::Corrupt { what: "dictionary" })
    }

    /// The series of a value from what the dictionary says.
    fn postings(&self, name: &Name, place: u64) -> Result<Found, IndexError> {
        const WHAT: &str = "postings";
        let corrupt = || IndexError::Corrupt { what: WHAT };
        if place & 1 == 1 {
            return u32::try_from(place >> 1).map(Found::One).map_err(|_| corrupt());
        }
        let start = usize::try_from(place >> 1).ok().and_then(|offset| name.postings.checked_add(offset)).ok_or_else(corrupt)?;
        let mut from = Reader::new(&self.0.file, start, WHAT);
        let (len, crc) = (from.size()?, from.fixed32()?);
        self.bitmap(Part { start: from.at(), len, crc }, WHAT).map(Found::Many)
    }

    /// Calls `each` with the values of a label from `from` on, in their order, until it returns false.
    fn for_each_value(
        &self,
        name: &str,
        from: &str,
        mut each: impl FnMut(&Name, &str, u64) -> Result<bool, IndexError>,
    ) -> Result<(), IndexError> {
        let Some(name) = self.name(name) else { return Ok(()) };
        let dictionary = self.dictionary(name)?;
        let mut values = dictionary.range().ge(from).into_stream();
        while let Some((value, place)) = values.next() {
            let value = std::str::from_utf8(value).map_err(|_| IndexError::Corrupt { what: "value is not UTF-8" })?;
            if !each(name, value, place)? {
                break;
            }
        }
        Ok(())
    }
}

enum Found {
    One(u32),
    Many(RoaringBitmap),
}

impl Found {
    fn add_to(self, found: &mut RoaringBitmap) {
        match self {
            Self::One(series) => {
                found.insert(series);
            }
            Self::Many(series) => *found |= series,
        }
    }
}

impl Name {
    fn read(from: &mut Reader<'_>) -> Result<Self, IndexError> {
        Ok(Self {
            name: from.text()?.into(),
            values: from.varint()?,
            postings: from.size()?,
            series: Part::read(from)?,
            dictionary: Part::read(from)?,
        })
    }
}

impl Part {
    fn read(from: &mut Reader<'_>) -> Result<Self, IndexError> {
        Ok(Self { start: from.size()?, len: from.size()?, crc: from.fixed32()? })
    }
}

impl Postings for IndexReader {
    type Error = IndexError;

    fn all(&self) -> Result<RoaringBitmap, IndexError> {
        let mut all = RoaringBitmap::new();
        all.insert_range(0..self.0.series);
        Ok(all)
    }

    fn with_name(&self, name: &str) -> Result<RoaringBitmap, IndexError> {
        self.name(name).map_or_else(|| Ok(RoaringBitmap::new()), |name| self.bitmap(name.series, "series of a name"))
    }

    fn passing(&self, name: &str, test: &Test) -> Result<RoaringBitmap, IndexError> {
        if matches!(test, Test::Any | Test::NonEmpty) {
            return self.with_name(name);
        }
        let mut found = RoaringBitmap::new();
        if let Some(literals) = test.literals() {
            let Some(name) = self.name(name) else { return Ok(found) };
            let dictionary = self.dictionary(name)?;
            for literal in literals {
                if let Some(place) = dictionary.get(literal) {
                    self.postings(name, place)?.add_to(&mut found);
                }
            }
            return Ok(found);
        }
        let prefix = test.prefix();
        self.for_each_value(name, prefix, |name, value, place| {
            if !value.starts_with(prefix) {
                return Ok(false);
            }
            if test.holds(value) {
                self.postings(name, place)?.add_to(&mut found);
            }
            Ok(true)
        })?;
        Ok(found)
    }
}

impl fmt::Debug for IndexReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexReader").field("series", &self.0.series).field("names", &self.0.names.len()).finish_non_exhaustive()
    }
}
