use super::*;

struct NoLimit;

impl Leaves for NoLimit {
    fn scan(&self, _: Scan) -> signal::LeafStream {
        futures::stream::empty().boxed()
    }

    fn reserve(&self, _: u64) -> Result<(), QueryError> {
        Ok(())
    }
}

fn group(name: &str, value: &str, members: &[u64], sizes: &[u64]) -> Group {
    Group { name: name.to_owned(), value: value.to_owned(), members: members.to_vec(), sizes: sizes.to_vec() }
}

#[test]
fn replicas_count_once() {
    let mut counting = Counting::default();
    let first = LeafRows::Groups(vec![group("job", "api", &[1, 5, u64::MAX], &[]), group("h", "", &[1, 2], &[4, 8])]).encode();
    let other = LeafRows::Groups(vec![group("job", "api", &[5, 7], &[]), group("h", "", &[2, 3], &[9, 1])]).encode();
    for batch in [&first, &first, &other] {
        counting.take(batch, None, &NoLimit).unwrap();
    }
    let counts = counting.counts();
    assert_eq!((counts[0].name.as_str(), counts[0].members, counts[0].sum, counts[0].min, counts[0].max), ("h", 3, 14, 1, 9));
    assert_eq!((counts[1].value.as_str(), counts[1].members), ("api", 4));
}

#[test]
fn heads_that_speak_of_themselves_count_one_by_one() {
    let mut counting = Counting::default();
    let batch = |series: u64| LeafRows::Groups(vec![group("series", "", &[0], &[series])]).encode();
    counting.take(&batch(10), Some(1), &NoLimit).unwrap();
    counting.take(&batch(14), Some(2), &NoLimit).unwrap();
    let counts = counting.counts();
    assert_eq!((counts[0].name.as_str(), counts[0].members, counts[0].sum, counts[0].max), ("series", 2, 24, 14));
}
