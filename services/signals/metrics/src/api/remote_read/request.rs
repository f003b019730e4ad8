//! `prometheus.ReadRequest`.

use std::fmt::Write;
use std::ops::Range;

use index::Matcher;
use syntax::{LabelMatcher, MatchOp};

use crate::ingest::protobuf::{Message, ProtobufError, Value};

/// What a client asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ReadRequest {
    pub(super) queries: Vec<Query>,
    /// Numbers of the forms that the client takes, those that it likes best first.
    accepted: Vec<u64>,
}

/// One selection.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Query {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) matchers: Vec<LabelMatcher>,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseType {
    /// One message with all samples.
    Samples,
    /// A stream of frames with chunks.
    StreamedChunks,
}

/// Why a request cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Protobuf(#[from] ProtobufError),
    #[error("string field contains invalid UTF-8")]
    Utf8,
    #[error("invalid matcher type: {0}")]
    MatcherType(u64),
    #[error("{0}")]
    Regex(#[from] index::RegexError),
    #[error("server does not support any of the requested response types: {asked:?}; supported: [SAMPLES, STREAMED_XOR_CHUNKS]")]
    ResponseTypes { asked: Vec<u64> },
}

impl ReadRequest {
    /// The first form of the client's that is known here; clients that name none take samples.
    pub(super) fn form(&self) -> Result<ResponseType, RequestError> {
        if self.accepted.is_empty() {
            return Ok(ResponseType::Samples);
        }
        let known = |number: &u64| match number {
            0 => Some(ResponseType::Samples),
            1 => Some(ResponseType::StreamedChunks),
            _ => None,
        };
        self.accepted.iter().find_map(known).ok_or_else(|| RequestError::ResponseTypes { asked: self.accepted.clone() })
    }
}

impl Query {
    /// The selection as PromQL has it: for the log, and for the patterns of queries that are blocked.
    pub(super) fn text(&self) -> String {
        let mut text = String::from("{");
        for (index, matcher) in self.matchers.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(text, "{comma}{matcher}").expect("memory takes all that is written");
        }
        text.push('}');
        text
    }
}

/// Reads a request. Hints about what the client does with the answer are left aside: it is given all that it selects.
pub(super) fn decode(body: &[u8]) -> Result<ReadRequest, RequestError> {
    let mut request = ReadRequest::default();
    let mut message = Message::whole(body);
    while let Some(field) = message.next()? {
        match (field.number, field.value) {
            (1, value) => request.queries.push(query(body, value.bytes("ReadRequest.Queries")?)?),
            (2, Value::Varint(number)) => request.accepted.push(number),
            (2, value) => packed(body, value.bytes("ReadRequest.AcceptedResponseTypes")?, &mut request.accepted)?,
            _ => {}
        }
    }
    Ok(request)
}

/// Numbers one after the other.
fn packed(body: &[u8], place: Range<usize>, into: &mut Vec<u64>) -> Result<(), RequestError> {
    let mut from = crate::wire::codec::Reader::new(&body[place]);
    while !from.is_empty() {
        into.push(from.varint().map_err(|_| ProtobufError::Short)?);
    }
    Ok(())
}

fn query(body: &[u8], place: Range<usize>) -> Result<Query, RequestError> {
    let mut query = Query::default();
    let mut message = Message::at(body, place);
    while let Some(field) = message.next()? {
        match field.number {
            1 => query.start_ms = field.value.varint("Query.StartTimestampMs")?.cast_signed(),
            2 => query.end_ms = field.value.varint("Query.EndTimestampMs")?.cast_signed(),
            3 => query.matchers.push(matcher(body, field.value.bytes("Query.Matchers")?)?),
            _ => {}
        }
    }
    Matcher::compile_all(&query.matchers)?;
    Ok(query)
}

fn matcher(body: &[u8], place: Range<usize>) -> Result<LabelMatcher, RequestError> {
    let (mut op, mut name, mut value) = (0, "", "");
    let text = |place: Range<usize>| std::str::from_utf8(&body[place]).map_err(|_| RequestError::Utf8);
    let mut message = Message::at(body, place);
    while let Some(field) = message.next()? {
        match field.number {
            1 => op = field.value.varint("LabelMatcher.Type")?,
            2 => name = text(field.value.bytes("LabelMatcher.Name")?)?,
            3 => value = text(field.value.bytes("LabelMatcher.Value")?)?,
            _ => {}
        }
    }
    let op = match op {
        0 => MatchOp::Equal,
        1 => MatchOp::NotEqual,
        2 => MatchOp::Regex,
        3 => MatchOp::NotRegex,
        other => return Err(RequestError::MatcherType(other)),
    };
    Ok(LabelMatcher::new(name, op, value))
}
