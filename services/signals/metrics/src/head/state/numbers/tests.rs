use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn it_finds_what_is_there(steps in prop::collection::vec((0u64..3, 0u32..8, any::<bool>()), 0..60)) {
        let mut numbers = Numbers::default();
        let mut there: BTreeSet<(u64, u32)> = BTreeSet::new();
        // Halves of a hash are what is told apart.
        let wide = |hash: u64| hash << 32;
        for (hash, number, add) in steps {
            if add && there.insert((hash, number)) {
                numbers.add(wide(hash), number);
            } else if !add {
                numbers.remove(wide(hash), number);
                there.remove(&(hash, number));
                numbers.shrink();
            }
            for hash in 0..3 {
                for number in 0..8 {
                    let expected = there.contains(&(hash, number)).then_some(number);
                    prop_assert_eq!(numbers.find(wide(hash), |known| known == number), expected);
                }
            }
        }
    }
}
