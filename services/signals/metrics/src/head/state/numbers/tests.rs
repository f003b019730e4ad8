use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn it_finds_what_is_there(steps in prop::collection::vec((0u64..3, 0u32..8, any::<bool>()), 0..60)) {
        let mut numbers = Numbers::default();
        let mut there: BTreeSet<(u64, u32)> = BTreeSet::new();
        for (hash, number, add) in steps {
            if add && there.insert((hash, number)) {
                numbers.add(hash, number);
            } else if !add {
                numbers.remove(hash, number);
                there.remove(&(hash, number));
            }
            for hash in 0..3 {
                for number in 0..8 {
                    let expected = there.contains(&(hash, number)).then_some(number);
                    prop_assert_eq!(numbers.find(hash, |known| known == number), expected);
                }
            }
        }
        prop_assert!(numbers.others.values().all(|others| !others.is_empty()));
    }
}
