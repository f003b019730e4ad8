//! Reads one segment, going on after damage.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::frame::{FRAME, Frame, HeaderError, MAGIC, MAX_PAYLOAD, PREAMBLE, SegmentHeader};

/// Bytes that are read at once.
const WINDOW: usize = 256 << 10;
/// Bytes that are searched at once for the next frame: far fewer, since a window is read anew when they reach beyond it.
const SEARCH: usize = 4 << 10;

/// A position in a segment that only moves forward.
#[derive(Debug)]
pub(super) struct SegmentReader {
    file: File,
    len: u64,
    header: SegmentHeader,
    /// Where the next frame is expected.
    at: u64,
    /// Where the payload of the last frame begins.
    payload_at: u64,
    last_seq: u64,
    window: Vec<u8>,
    window_at: u64,
}

/// What the reader found next.
#[derive(Debug)]
pub(super) enum Step {
    /// A good frame; its payload can be read, and need not be.
    Frame(Frame),
    /// Bytes that are no frame, followed by a good one.
    Gap,
    /// The end of the frames; `rest` bytes of a torn tail or of damage follow.
    End { rest: u64 },
}

/// Why a segment cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("read a segment")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("the file is shorter than a header")]
    Short,
}

impl SegmentReader {
    pub(super) fn open(path: &Path) -> Result<Self, ReadError> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        if len < PREAMBLE as u64 {
            return Err(ReadError::Short);
        }
        let mut preamble = [0; PREAMBLE];
        file.read_exact(&mut preamble)?;
        let header = SegmentHeader::decode(&preamble)?;
        let at = PREAMBLE as u64;
        let last_seq = header.base.saturating_sub(1);
        Ok(Self { file, len, header, at, payload_at: at, last_seq, window: Vec::new(), window_at: 0 })
    }

    pub(super) fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// Length of the file.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Where the next frame is expected: the end of the last one.
    pub(super) const fn position(&self) -> u64 {
        self.at
    }

    /// Moves on to the next good frame. A caller that got [`Step::Gap`] gets the frame with the next call.
    pub(super) fn step(&mut self) -> io::Result<Step> {
        if let Some(frame) = self.frame_at(self.at)? {
            self.payload_at = self.at + frame.size() - u64::from(frame.len);
            self.at += frame.size();
            self.last_seq = frame.seq;
            return Ok(Step::Frame(frame));
        }
        match self.find_frame(self.at + 1)? {
            Some(next) => {
                self.at = next;
                Ok(Step::Gap)
            }
            None => Ok(Step::End { rest: self.len.saturating_sub(self.at) }),
        }
    }

    /// The payload of the frame that was found last; `None` when its checksum does not agree.
    pub(super) fn payload(&mut self, frame: &Frame) -> io::Result<Option<Vec<u8>>> {
        // `frame_at` has compared the length with what is left of the file.
        let len = usize::try_from(frame.len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let Some(bytes) = self.bytes(self.payload_at, len)? else { return Ok(None) };
        Ok((crc32fast::hash(bytes) == frame.payload_crc).then(|| bytes.to_vec()))
    }

    /// The good frame that begins at `at`: head checksum right, all of it inside the file, later than the one before.
    fn frame_at(&mut self, at: u64) -> io::Result<Option<Frame>> {
        let Some(Ok(fixed)) = self.bytes(at, FRAME)?.map(<[u8; FRAME]>::try_from) else { return Ok(None) };
        let Some(tenant_len) = Frame::tenant_len(&fixed) else { return Ok(None) };
        let salt = self.header.salt;
        let Some(tenant) = self.bytes(at + FRAME as u64, tenant_len)? else { return Ok(None) };
        let frame = Frame::decode(salt, &fixed, tenant);
        Ok(frame.filter(|frame| frame.seq > self.last_seq && frame.len as usize <= MAX_PAYLOAD && frame.size() <= self.len - at))
    }

    /// The position of the first good frame at or after `from`.
    fn find_frame(&mut self, from: u64) -> io::Result<Option<u64>> {
        let mut at = from;
        while at + FRAME as u64 <= self.len {
            let chunk = usize::try_from(self.len - at).unwrap_or(SEARCH).min(SEARCH);
            let Some(bytes) = self.bytes(at, chunk)? else { return Ok(None) };
            match bytes.windows(MAGIC.len()).position(|window| window == MAGIC) {
                Some(offset) => {
                    let candidate = at + offset as u64;
                    if self.frame_at(candidate)?.is_some() {
                        return Ok(Some(candidate));
                    }
                    at = candidate + 1;
                }
                // The magic may stand across the border of two chunks.
                None => at += (chunk - (MAGIC.len() - 1)) as u64,
            }
        }
        Ok(None)
    }

    /// `len` bytes at `at`; `None` when the file is too short.
    fn bytes(&mut self, at: u64, len: usize) -> io::Result<Option<&[u8]>> {
        if at.checked_add(len as u64).is_none_or(|end| end > self.len) {
            return Ok(None);
        }
        let inside = at >= self.window_at && at + len as u64 <= self.window_at + self.window.len() as u64;
        if !inside {
            let left = usize::try_from(self.len - at).unwrap_or(usize::MAX);
            // Valid until the read below has succeeded: nothing.
            self.window.clear();
            let mut window = std::mem::take(&mut self.window);
            window.resize(len.max(WINDOW).min(left), 0);
            self.file.seek(SeekFrom::Start(at))?;
            self.file.read_exact(&mut window)?;
            // A long record must not hold its memory for the rest of the segment.
            if len <= WINDOW {
                window.shrink_to(WINDOW);
            }
            self.window = window;
            self.window_at = at;
        }
        let start = usize::try_from(at - self.window_at).map_err(|_| io::ErrorKind::OutOfMemory)?;
        Ok(Some(&self.window[start..start + len]))
    }
}
