use std::io::Write;

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn a_file_is_as_good_as_memory(bytes in prop::collection::vec(any::<u8>(), 0..300), start in 0..320_u64, len in 0..320_u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        // What follows is not a part of it.
        file.write_all(b"more").unwrap();
        let file = Contents::File(Arc::new(file), bytes.len() as u64);
        let memory = Contents::from(bytes.clone());
        prop_assert_eq!((file.len(), file.is_empty()), (memory.len(), bytes.is_empty()));
        prop_assert_eq!(file.to_bytes().unwrap(), bytes);
        let read = |contents: &Contents| contents.read(start..start + len).map_err(|err| err.kind());
        prop_assert_eq!(read(&file), read(&memory));
    }
}
