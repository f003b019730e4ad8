use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn intervals_are_a_set_of_numbers(inserted in prop::collection::vec((0u64..40, 0u64..12), 0..12)) {
        let mut intervals = Intervals::default();
        let mut model = BTreeSet::new();
        for (after, len) in inserted {
            intervals.insert(after, after + len);
            model.extend(after + 1..=after + len);
        }
        for seq in 0..60 {
            prop_assert_eq!(intervals.covers(seq), model.contains(&seq));
            for upto in seq..60 {
                let inside = model.iter().filter(|member| seq < **member && **member <= upto).count() as u64;
                prop_assert_eq!(intervals.count(seq, upto), inside);
                prop_assert_eq!(intervals.contains(seq, upto), inside == upto - seq);
            }
        }
        prop_assert!(intervals.0.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", intervals);
    }
}
