//! The bytes of a segment: its header, and the frame around each record. All numbers are little-endian.
//!
//! ```text
//! segment = header header record*            the header stands twice, so that one bad byte does not cost the segment
//! header  = "QUARTWAL" version:u16 0:u16 salt:u32 segment:u64 base:u64 created_ns:i64 crc:u32
//! record  = "QWRC" len:u32 seq:u64 kind:u8 tenant_len:u8 0:u16 payload_crc:u32 head_crc:u32 tenant payload
//! ```
//!
//! `head_crc` covers the frame up to itself and the tenant, and begins with the segment's random salt instead of 0: bytes that a
//! client put into a payload are never taken for a record of another tenant when a reader looks for the next good frame.

use crc32fast::Hasher;
use tenancy::TenantId;

/// Version of the format that is written.
pub(super) const VERSION: u16 = 1;
/// Bytes of one header.
pub(super) const HEADER: usize = 8 + 2 + 2 + 4 + 8 + 8 + 8 + 4;
/// Bytes before the first record.
pub(super) const PREAMBLE: usize = 2 * HEADER;
/// Bytes of a frame before the tenant.
pub(super) const FRAME: usize = 4 + 4 + 8 + 1 + 1 + 2 + 4 + 4;
/// Longest payload that a reader believes.
pub(super) const MAX_PAYLOAD: usize = 1 << 30;
/// First bytes of a record.
pub(super) const MAGIC: [u8; 4] = *b"QWRC";

const SEGMENT_MAGIC: [u8; 8] = *b"QUARTWAL";

/// What the header of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// Initial value of the frames' checksums.
    pub(super) salt: u32,
    /// Number of the segment.
    pub(super) segment: u64,
    /// No record of the segment has a smaller sequence.
    pub(super) base: u64,
    /// When it was made.
    pub(super) created_ns: i64,
}

/// Why a segment cannot be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeaderError {
    /// Neither copy is whole.
    #[error("the header is damaged")]
    Damaged,
    /// Written by a later release.
    #[error("the format has version {0}")]
    Version(u16),
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What a head encoded.
    Rows,
    /// Rows went into blocks, which the catalog may or may not know.
    FirstMark,
    /// The blocks of a first mark were read back from the catalog.
    SecondMark,
    /// Something that a later release writes.
    Unknown(u8),
}

impl Kind {
    const fn number(self) -> u8 {
        match self {
            Self::Rows => 1,
            Self::FirstMark => 2,
            Self::SecondMark => 3,
            Self::Unknown(number) => number,
        }
    }

    const fn of(number: u8) -> Self {
        match number {
            1 => Self::Rows,
            2 => Self::FirstMark,
            3 => Self::SecondMark,
            other => Self::Unknown(other),
        }
    }
}

/// A frame without its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) seq: u64,
    pub(super) kind: Kind,
    pub(super) tenant: TenantId,
    /// Length of the payload.
    pub(super) len: u32,
    /// CRC-32 (IEEE) of the payload.
    pub(super) payload_crc: u32,
}

impl Frame {
    /// Bytes of frame, tenant and payload.
    pub(super) fn size(&self) -> u64 {
        FRAME as u64 + self.tenant.as_str().len() as u64 + u64::from(self.len)
    }

    /// The bytes that go before the payload.
    pub(super) fn encode(&self, salt: u32) -> Vec<u8> {
        let tenant = self.tenant.as_str().as_bytes();
        let tenant_len = u8::try_from(tenant.len()).expect("names of tenants have at most 150 bytes");
        let mut out = Vec::with_capacity(FRAME + tenant.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&[self.kind.number(), tenant_len, 0, 0]);
        out.extend_from_slice(&self.payload_crc.to_le_bytes());
        let crc = head_crc(salt, &out, tenant);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(tenant);
        out
    }

    /// Length of the tenant's name that follows a frame; `None` when `fixed` does not begin as a frame does.
    pub(super) fn tenant_len(fixed: &[u8; FRAME]) -> Option<usize> {
        fixed.starts_with(&MAGIC).then(|| usize::from(fixed[17]))
    }

    /// The frame of `fixed` and the tenant after it; `None` when the checksum does not agree.
    pub(super) fn decode(salt: u32, fixed: &[u8; FRAME], tenant: &[u8]) -> Option<Self> {
        let (covered, crc) = fixed.split_last_chunk::<4>()?;
        if head_crc(salt, covered, tenant) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (_, rest) = covered.split_first_chunk::<4>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let (kind, _) = rest.split_first()?;
        let (_, payload_crc) = covered.split_last_chunk::<4>()?;
        Some(Self {
            seq: u64::from_le_bytes(*seq),
            kind: Kind::of(*kind),
            tenant: TenantId::parse(std::str::from_utf8(tenant).ok()?).ok()?,
            len: u32::from_le_bytes(*len),
            payload_crc: u32::from_le_bytes(*payload_crc),
        })
    }
}

impl SegmentHeader {
    /// The header, twice.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PREAMBLE);
        out.extend_from_slice(&SEGMENT_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&self.salt.to_le_bytes());
        out.extend_from_slice(&self.segment.to_le_bytes());
        out.extend_from_slice(&self.base.to_le_bytes());
        out.extend_from_slice(&self.created_ns.to_le_bytes());
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_within(..);
        out
    }

    /// Reads either copy.
    pub(super) fn decode(bytes: &[u8; PREAMBLE]) -> Result<Self, HeaderError> {
        let (copies, _) = bytes.as_chunks::<HEADER>();
        match copies.iter().find_map(Self::decode_copy) {
            Some((VERSION, header)) => Ok(header),
            Some((version, _)) => Err(HeaderError::Version(version)),
            None => Err(HeaderError::Damaged),
        }
    }

    fn decode_copy(bytes: &[u8; HEADER]) -> Option<(u16, Self)> {
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(covered) != u32::from_le_bytes(*crc) {
            return None;
        }
        let rest = covered.strip_prefix(&SEGMENT_MAGIC)?;
        let (version, rest) = rest.split_first_chunk::<2>()?;
        let (_, rest) = rest.split_first_chunk::<2>()?;
        let (salt, rest) = rest.split_first_chunk::<4>()?;
        let (segment, rest) = rest.split_first_chunk::<8>()?;
        let (base, rest) = rest.split_first_chunk::<8>()?;
        let (created_ns, _) = rest.split_first_chunk::<8>()?;
        let header = Self {
            salt: u32::from_le_bytes(*salt),
            segment: u64::from_le_bytes(*segment),
            base: u64::from_le_bytes(*base),
            created_ns: i64::from_le_bytes(*created_ns),
        };
        Some((u16::from_le_bytes(*version), header))
    }
}

fn head_crc(salt: u32, frame: &[u8], tenant: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(salt);
    hasher.update(frame);
    hasher.update(tenant);
    hasher.finalize()
}
