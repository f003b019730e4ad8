//! LZ4 frames, decompressed in safe Rust and under a limit.
//!
//! Format: "LZ4 Frame Format Description" 1.6 and "LZ4 Block Format Description". Written here because the decoder that is in the tree for
//! Parquet trusts its input. Checksums of frames and blocks are not compared: the connection has its own, and what is no message is refused.

use tenancy::{BudgetExceeded, Reservation};

/// What a frame begins with.
const MAGIC: u32 = 0x184d_2204;
/// What a frame to be skipped begins with, apart from the last four bits.
const SKIPPED: u32 = 0x184d_2a50;
/// How far back a block may copy from.
const WINDOW: usize = 64 << 10;

/// Why bytes are no frames of LZ4, or too many.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lz4Error {
    /// They are none.
    #[error("lz4: corrupt input")]
    Corrupt,
    /// They need a dictionary that is not in them.
    #[error("lz4: dictionaries are not known")]
    Dictionary,
    /// They hold more than the limit.
    #[error("lz4: more than the limit")]
    TooLarge,
    /// There is no room for them now.
    #[error(transparent)]
    Busy(#[from] BudgetExceeded),
}

/// Bytes that are read one after the other.
struct Input<'a>(&'a [u8]);

/// What a frame's head says.
struct Head {
    independent: bool,
    block_checksums: bool,
    checksum: bool,
    max_block: usize,
}

/// All frames of `input`, one after the other: at most `limit` bytes.
///
/// * `memory`: grows before each block by what that may become.
pub(super) fn decompress(input: &[u8], limit: usize, memory: &mut Reservation) -> Result<Vec<u8>, Lz4Error> {
    let mut input = Input(input);
    let mut out = Vec::new();
    while !input.0.is_empty() {
        match input.u32()? {
            MAGIC => frame(&mut input, &mut out, limit, memory)?,
            other if other & !0xf == SKIPPED => {
                let len = input.u32()?;
                input.take(len as usize)?;
            }
            _ => return Err(Lz4Error::Corrupt),
        }
    }
    Ok(out)
}

fn frame(input: &mut Input<'_>, out: &mut Vec<u8>, limit: usize, memory: &mut Reservation) -> Result<(), Lz4Error> {
    let head = Head::read(input)?;
    let begin = out.len();
    loop {
        let size = input.u32()?;
        let len = (size & 0x7fff_ffff) as usize;
        if size == 0 {
            break;
        }
        if len > head.max_block {
            return Err(Lz4Error::Corrupt);
        }
        let bytes = input.take(len)?;
        memory.grow(head.max_block.min(limit - out.len()) as u64)?;
        let most = out.len().saturating_add(head.max_block).min(limit);
        if size & 0x8000_0000 != 0 {
            if out.len() + bytes.len() > most {
                return Err(Lz4Error::TooLarge);
            }
            out.extend_from_slice(bytes);
        } else {
            let first = if head.independent { out.len() } else { begin.max(out.len().saturating_sub(WINDOW)) };
            block(&mut Input(bytes), out, first, most)?;
        }
        if head.block_checksums {
            input.u32()?;
        }
    }
    if head.checksum {
        input.u32()?;
    }
    Ok(())
}

/// Sequences of bytes that stand there and bytes to copy from before; those may begin at `first` and the whole may become `most` long.
fn block(input: &mut Input<'_>, out: &mut Vec<u8>, first: usize, most: usize) -> Result<(), Lz4Error> {
    loop {
        let token = input.u8()?;
        let literals = input.length(token >> 4)?;
        let bytes = input.take(literals)?;
        if bytes.len() > most - out.len() {
            return Err(Lz4Error::TooLarge);
        }
        out.extend_from_slice(bytes);
        // The last sequence has nothing to copy.
        if input.0.is_empty() {
            return Ok(());
        }
        let offset = usize::from(u16::from_le_bytes([input.u8()?, input.u8()?]));
        let len = input.length(token & 0xf)?.saturating_add(4);
        if offset == 0 || offset > out.len() - first {
            return Err(Lz4Error::Corrupt);
        }
        if len > most - out.len() {
            return Err(Lz4Error::TooLarge);
        }
        copy(out, offset, len);
    }
}

/// Appends `len` bytes from `offset` back; they may reach into what is being appended.
fn copy(out: &mut Vec<u8>, offset: usize, len: usize) {
    let from = out.len() - offset;
    let mut left = len;
    while left > 0 {
        // Each round doubles what there is to copy from.
        let step = left.min(out.len() - from);
        out.extend_from_within(from..from + step);
        left -= step;
    }
}

impl Head {
    fn read(input: &mut Input<'_>) -> Result<Self, Lz4Error> {
        let (flags, sizes) = (input.u8()?, input.u8()?);
        // Version 1, reserved bits as they must be.
        if flags >> 6 != 1 || flags & 2 != 0 || sizes & 0x8f != 0 || sizes >> 4 < 4 {
            return Err(Lz4Error::Corrupt);
        }
        if flags & 1 != 0 {
            return Err(Lz4Error::Dictionary);
        }
        let content_size = if flags & 8 != 0 { 8 } else { 0 };
        input.take(content_size)?;
        // The head's checksum.
        input.u8()?;
        Ok(Self {
            independent: flags & 0x20 != 0,
            block_checksums: flags & 0x10 != 0,
            checksum: flags & 4 != 0,
            max_block: 1 << (8 + 2 * (sizes >> 4)),
        })
    }
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Lz4Error> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Lz4Error::Corrupt)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, Lz4Error> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<u32, Lz4Error> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A length of which a token says the first four bits; bytes follow as long as they are 255.
    fn length(&mut self, token: u8) -> Result<usize, Lz4Error> {
        let mut length = usize::from(token);
        if token == 15 {
            loop {
                let more = self.u8()?;
                length = length.saturating_add(usize::from(more));
                if more != 255 {
                    break;
                }
            }
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tenancy::{Budget, Reservation};

    use super::{Lz4Error, decompress};

    /// What the library `lz4` 1.10 makes of a request, with the length of the content and all checksums.
    const REQUEST: &str = "04224d187c4050000000000000005430000000ff167b227265736f757263654d657472696373223a205b7b22736368656d6155726c223a20226101\
                           00135061227d5d7de2472ef200000000fef237d4";
    /// The same library's frame of two blocks, of which the second copies from the first.
    const LINKED: &str = "04224d1844405e100000006e68656c6c6f20060060776f726c64200a0000000f1e000b50616761696e00000000ac1e4a71";

    fn memory() -> Reservation {
        Budget::process("test", None).reserve(0).expect("no limit")
    }

    fn bytes(hex: &str) -> Vec<u8> {
        hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("digits")).collect()
    }

    #[test]
    fn frames_of_the_original() {
        let request = format!(r#"{{"resourceMetrics": [{{"schemaUrl": "{}"}}]}}"#, "a".repeat(40));
        let frame = bytes(REQUEST);
        assert_eq!(decompress(&frame, 1000, &mut memory()), Ok(request.clone().into_bytes()));
        assert_eq!(decompress(&frame, request.len() - 1, &mut memory()), Err(Lz4Error::TooLarge));
        let linked = b"hello hello hello hello world hello hello hello hello world again".to_vec();
        assert_eq!(decompress(&bytes(LINKED), 1000, &mut memory()), Ok(linked.clone()));
        let both = [bytes(LINKED), bytes("502a4d180200000000ff"), bytes(LINKED)].concat();
        assert_eq!(decompress(&both, 1000, &mut memory()), Ok([linked.clone(), linked].concat()));
        assert_eq!(decompress(b"", 1000, &mut memory()), Ok(Vec::new()));
    }

    #[test]
    fn a_frame_that_is_cut_is_corrupt() {
        let frame = bytes(REQUEST);
        for end in 1..frame.len() {
            assert_eq!(decompress(&frame[..end], 1000, &mut memory()), Err(Lz4Error::Corrupt), "{end}");
        }
    }

    #[test]
    fn there_must_be_room() {
        let mut little = Budget::process("test", Some(100)).reserve(0).expect("nothing yet");
        assert!(matches!(decompress(&bytes(LINKED), 1 << 20, &mut little), Err(Lz4Error::Busy(_))));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(tail in prop::collection::vec(any::<u8>(), 0..100), place in 0usize..80, byte: u8) {
            let mut changed = bytes(REQUEST);
            let place = place.min(changed.len() - 1);
            changed[place] = byte;
            for input in [changed, [&bytes("04224d186040820a000000")[..], &tail].concat()] {
                if let Ok(plain) = decompress(&input, 10_000, &mut memory()) {
                    prop_assert!(plain.len() <= 10_000);
                }
            }
        }
    }
}
