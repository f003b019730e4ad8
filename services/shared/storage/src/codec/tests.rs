use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn round_trip(value in proptest::collection::vec(any::<(u64, String)>(), 0..20)) {
        let bytes = encode(Kind::Log, &value);
        let read: Vec<(u64, String)> = decode(Kind::Log, &bytes).unwrap();
        prop_assert_eq!(read, value);
    }

    #[test]
    fn a_flipped_bit_is_seen(value in proptest::collection::vec(any::<u64>(), 0..20), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = encode(Kind::Log, &value).to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(decode::<Vec<u64>>(Kind::Log, &bytes).is_err());
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(decode::<Vec<u64>>(Kind::Log, &bytes).is_err());
        let _ = decompress::<Vec<u64>>(&bytes);
    }
}

#[test]
fn another_kind_and_a_later_version_are_refused() {
    let mut bytes = encode(Kind::Root, &7u64).to_vec();
    assert!(matches!(decode::<u64>(Kind::Log, &bytes), Err(CodecError::Head)));
    bytes[3] = 2;
    let err = decode::<u64>(Kind::Root, &bytes).unwrap_err();
    assert_eq!(err.to_string(), "it has format version 2, this release reads up to 1");
}
