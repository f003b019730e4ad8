//! Bodies of requests: what they are written in, how they are compressed, and their bytes under a limit.

mod lz4;

use std::fmt;
use std::io::{self, Read};

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, header};
use prost::Message;
use tenancy::{BudgetExceeded, Reservation};

use crate::json::{self, JsonError};
pub use lz4::Lz4Error;

/// Bytes that are reserved for a body before any of it has come, at most.
const FIRST_RESERVE: usize = 1 << 20;

/// How much is decompressed before more memory is asked for.
const STEP: usize = 256 << 10;

/// How many bytes a decoded message takes for each of its wire format, roughly: lists, texts and their pointers.
const DECODED: u64 = 4;

/// What a message is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`.
    Protobuf,
    /// `application/json`.
    Json,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// `gzip` (RFC 1952), also several members.
    Gzip,
    /// `zstd` (RFC 8878).
    Zstd,
    /// `lz4`, in frames.
    Lz4,
}

/// What the headers say of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// What it is written in, and its answer too.
    pub encoding: Encoding,
    /// How it is compressed.
    pub compression: Compression,
}

/// Why a body is not the message that it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// Neither protobuf nor JSON.
    #[error("unsupported content type: {0}, supported: [application/json, application/x-protobuf]")]
    MediaType(String),
    /// A compression that is not known here.
    #[error("unsupported compression: {0}. Only \"gzip\", \"lz4\", \"zstd\", or no compression supported")]
    Compression(String),
    /// Longer than what is taken, compressed or not. What it is called and which setting that is, the signal's API says.
    #[error("the request is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Its size, if that is known.
        size: Option<u64>,
        /// What is taken.
        limit: usize,
    },
    /// There is no room for it now.
    #[error(transparent)]
    Busy(#[from] BudgetExceeded),
    /// The client stopped sending.
    #[error("the request's body did not come")]
    Broken(#[source] axum::Error),
    /// It does not decompress.
    #[error("decompress the request")]
    Corrupt(#[source] io::Error),
    /// It is no frame of LZ4.
    #[error(transparent)]
    Lz4(Lz4Error),
    /// Not JSON, or not the right one.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Not protobuf, or not the right one.
    #[error(transparent)]
    Protobuf(#[from] prost::DecodeError),
}

impl Encoding {
    /// Of a `Content-Type`; parameters do not matter. Errors: any other, and none at all.
    pub fn of(headers: &HeaderMap) -> Result<Self, BodyError> {
        let given = text(headers, header::CONTENT_TYPE);
        match given.split(';').next().unwrap_or_default().trim() {
            media if media.eq_ignore_ascii_case("application/x-protobuf") => Ok(Self::Protobuf),
            media if media.eq_ignore_ascii_case("application/json") => Ok(Self::Json),
            _ => Err(BodyError::MediaType(given)),
        }
    }

    /// The `Content-Type` of an answer.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

impl Format {
    /// By the headers of a request.
    pub fn of(headers: &HeaderMap) -> Result<Self, BodyError> {
        Ok(Self { encoding: Encoding::of(headers)?, compression: Compression::of(headers)? })
    }

    /// Decompresses and decodes a body: work for the compute pool.
    ///
    /// * `limit`: bytes of it decompressed, at most.
    /// * `memory`: grows before anything is allocated, and by an estimate of what the message takes.
    /// * `table`: how the message looks in JSON.
    pub fn decode<M: Message + Default>(
        self,
        body: Bytes,
        limit: usize,
        memory: &mut Reservation,
        table: &'static proto::json::Message,
    ) -> Result<M, BodyError> {
        let plain = self.compression.decompress(body, limit, memory)?;
        let wire = match self.encoding {
            Encoding::Protobuf => plain,
            Encoding::Json => {
                memory.grow(plain.len() as u64)?;
                json::to_protobuf(&plain, table)?.into()
            }
        };
        memory.grow((wire.len() as u64).saturating_mul(DECODED))?;
        Ok(M::decode(wire)?)
    }
}

impl Compression {
    /// Of a `Content-Encoding`; none at all is none. Errors: any other.
    pub fn of(headers: &HeaderMap) -> Result<Self, BodyError> {
        let given = text(headers, header::CONTENT_ENCODING);
        match given.to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            "lz4" => Ok(Self::Lz4),
            _ => Err(BodyError::Compression(given)),
        }
    }

    /// The plain bytes, at most `limit` of them.
    pub fn decompress(self, body: Bytes, limit: usize, memory: &mut Reservation) -> Result<Bytes, BodyError> {
        match self {
            Self::None => Ok(body),
            Self::Gzip => all(flate2::read::MultiGzDecoder::new(body.as_ref()), limit, memory),
            Self::Zstd => all(zstd::stream::read::Decoder::new(body.as_ref()).map_err(BodyError::Corrupt)?, limit, memory),
            Self::Lz4 => Ok(lz4::decompress(&body, limit, memory).map_err(|err| BodyError::of_lz4(err, limit))?.into()),
        }
    }
}

impl BodyError {
    fn of_lz4(err: Lz4Error, limit: usize) -> Self {
        match err {
            Lz4Error::TooLarge => Self::TooLarge { size: None, limit },
            Lz4Error::Busy(err) => Self::Busy(err),
            err => Self::Lz4(err),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        })
    }
}

/// Takes a body of at most `limit` bytes; a longer one, or one that has no room in memory, is refused as soon as that is known.
pub async fn read(headers: &HeaderMap, body: Body, limit: usize, memory: &mut Reservation) -> Result<Bytes, BodyError> {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if let Some(size) = declared.filter(|size| *size > limit as u64) {
        return Err(BodyError::TooLarge { size: Some(size), limit });
    }
    memory.grow(declared.unwrap_or_default())?;
    let mut whole = Vec::with_capacity(usize::try_from(declared.unwrap_or_default()).unwrap_or(usize::MAX).min(FIRST_RESERVE));
    let mut stream = body.into_data_stream();
    while let Some(part) = stream.next().await {
        let part = part.map_err(BodyError::Broken)?;
        let size = whole.len() + part.len();
        if size > limit {
            return Err(BodyError::TooLarge { size: None, limit });
        }
        // Without a declared length, or beyond it.
        memory.grow((size as u64).saturating_sub(memory.bytes()))?;
        whole.extend_from_slice(&part);
    }
    Ok(whole.into())
}

/// Reads to the end, step by step.
fn all(from: impl Read, limit: usize, memory: &mut Reservation) -> Result<Bytes, BodyError> {
    let mut plain = Vec::new();
    // One byte more than may come shows that there is more.
    let mut from = from.take(limit as u64 + 1);
    loop {
        memory.grow(STEP as u64)?;
        let read = from.by_ref().take(STEP as u64).read_to_end(&mut plain).map_err(BodyError::Corrupt)?;
        if plain.len() > limit {
            return Err(BodyError::TooLarge { size: None, limit });
        }
        if read < STEP {
            return Ok(plain.into());
        }
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
