//! The format of `go tool pprof`: a gzipped message of `profile.proto` (github.com/google/pprof), in which every string
//! is a place in one table.

use std::collections::HashMap;
use std::hash::Hash;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use super::{Call, Profile};

/// Writes a profile: how often each stack was found, and the CPU time that this stands for.
pub(super) fn gzipped(profile: &Profile) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&message(profile).encode_to_vec())?;
    gzip.finish()
}

fn message(profile: &Profile) -> File {
    let mut tables = Tables::default();
    // The first string of the table must be empty.
    tables.string("");
    let cpu = ValueType { r#type: tables.string("cpu"), unit: tables.string("nanoseconds") };
    let samples = ValueType { r#type: tables.string("samples"), unit: tables.string("count") };
    let thread = tables.string("thread");
    let sample = profile.stacks.iter().map(|stack| Sample {
        location_id: stack.calls.iter().map(|call| tables.location(call)).collect(),
        value: vec![stack.count, stack.count.saturating_mul(profile.period_ns)],
        label: vec![Label { key: thread, str: tables.string(&stack.thread) }],
    });
    let sample = sample.collect();
    File {
        sample_type: vec![samples, cpu],
        sample,
        // Says that names are known, so that nobody looks for them in a binary.
        mapping: vec![Mapping { id: 1, has_functions: true, has_filenames: true, has_line_numbers: true }],
        location: tables.locations,
        function: tables.functions,
        string_table: tables.strings,
        time_nanos: profile.start_ns,
        duration_nanos: i64::try_from(profile.duration.as_nanos()).unwrap_or(i64::MAX),
        period_type: Some(cpu),
        period: profile.period_ns,
    }
}

/// The tables of a profile, each with the places of what is in it already. Identifiers begin at 1, places of strings at 0.
#[derive(Default)]
struct Tables {
    strings: Vec<String>,
    functions: Vec<Function>,
    locations: Vec<Location>,
    string_places: HashMap<String, usize>,
    function_places: HashMap<(String, String), usize>,
    location_places: HashMap<Call, usize>,
}

impl Tables {
    fn string(&mut self, text: &str) -> i64 {
        let place = place(&mut self.string_places, text.to_owned());
        if place == self.strings.len() {
            self.strings.push(text.to_owned());
        }
        i64::try_from(place).expect("a table in memory has fewer places")
    }

    fn function(&mut self, call: &Call) -> u64 {
        let place = place(&mut self.function_places, (call.function.clone(), call.file.clone()));
        let id = place as u64 + 1;
        if place == self.functions.len() {
            let (name, filename) = (self.string(&call.function), self.string(&call.file));
            self.functions.push(Function { id, name, system_name: name, filename });
        }
        id
    }

    fn location(&mut self, call: &Call) -> u64 {
        let place = place(&mut self.location_places, call.clone());
        let id = place as u64 + 1;
        if place == self.locations.len() {
            let line = vec![Line { function_id: self.function(call), line: i64::from(call.line) }];
            self.locations.push(Location { id, mapping_id: 1, line });
        }
        id
    }
}

/// The place of `key`: the next one for a new key.
fn place<K: Eq + Hash>(places: &mut HashMap<K, usize>, key: K) -> usize {
    let next = places.len();
    *places.entry(key).or_insert(next)
}

/// The message `Profile`, as far as it is written here.
#[derive(Clone, PartialEq, Message)]
pub(super) struct File {
    #[prost(message, repeated, tag = "1")]
    pub(super) sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    pub(super) sample: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(super) mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    pub(super) location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    pub(super) function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    pub(super) string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    pub(super) time_nanos: i64,
    #[prost(int64, tag = "10")]
    pub(super) duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    pub(super) period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    pub(super) period: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct ValueType {
    #[prost(int64, tag = "1")]
    pub(super) r#type: i64,
    #[prost(int64, tag = "2")]
    pub(super) unit: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Sample {
    /// Innermost first.
    #[prost(uint64, repeated, tag = "1")]
    pub(super) location_id: Vec<u64>,
    /// One for each of `File::sample_type`.
    #[prost(int64, repeated, tag = "2")]
    pub(super) value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    pub(super) label: Vec<Label>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Label {
    #[prost(int64, tag = "1")]
    pub(super) key: i64,
    #[prost(int64, tag = "2")]
    pub(super) str: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Mapping {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(bool, tag = "7")]
    pub(super) has_functions: bool,
    #[prost(bool, tag = "8")]
    pub(super) has_filenames: bool,
    #[prost(bool, tag = "9")]
    pub(super) has_line_numbers: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Location {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(uint64, tag = "2")]
    pub(super) mapping_id: u64,
    #[prost(message, repeated, tag = "4")]
    pub(super) line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Line {
    #[prost(uint64, tag = "1")]
    pub(super) function_id: u64,
    #[prost(int64, tag = "2")]
    pub(super) line: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Function {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(int64, tag = "2")]
    pub(super) name: i64,
    #[prost(int64, tag = "3")]
    pub(super) system_name: i64,
    #[prost(int64, tag = "4")]
    pub(super) filename: i64,
}
