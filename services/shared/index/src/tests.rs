//! The two indexes answer alike, and as a filter over all series would.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use syntax::MatchOp;

use super::*;

type Labels = BTreeMap<String, String>;

fn series() -> impl Strategy<Value = Vec<Labels>> {
    let label = ("[abc]", "[xyzé]{0,2}");
    prop::collection::vec(prop::collection::btree_map(label.0, label.1, 0..4), 0..200)
        .prop_map(|all| all.into_iter().map(|labels| labels.into_iter().filter(|(_, value)| !value.is_empty()).collect()).collect())
}

fn matchers() -> impl Strategy<Value = Vec<Matcher>> {
    let op = prop_oneof![Just(MatchOp::Equal), Just(MatchOp::NotEqual), Just(MatchOp::Regex), Just(MatchOp::NotRegex)];
    let value = prop_oneof!["[xyz]{0,2}", Just("x.*".to_owned()), Just(".*".to_owned()), Just(".+".to_owned()), Just("x|y|".to_owned())];
    let value = prop_oneof![value, Just("(x|y)z?".to_owned()), Just(".*z".to_owned()), Just("x[^y]*".to_owned()), Just(".*é.*".to_owned())];
    let matcher = ("[abcd]", op, value).prop_map(|(name, op, value)| Matcher::new(name, op, &value).unwrap());
    prop::collection::vec(matcher, 0..4)
}

fn pairs(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

fn mutable(all: &[Labels]) -> MutableIndex {
    let index = MutableIndex::new();
    for (series, labels) in (0..).zip(all) {
        index.add(series, pairs(labels));
    }
    index
}

fn written(all: &[Labels]) -> Bytes {
    let mut writer = IndexWriter::new().unwrap();
    for (series, labels) in (0u32..).zip(all) {
        assert_eq!(writer.add(pairs(labels), &series.to_le_bytes()).unwrap(), series);
    }
    writer.finish(b"beside").unwrap()
}

fn naive(all: &[Labels], matchers: &[Matcher]) -> RoaringBitmap {
    let meets = |labels: &Labels| matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name()).map_or("", String::as_str)));
    (0..).zip(all).filter(|(_, labels)| meets(labels)).map(|(series, _)| series).collect()
}

/// Everything that can be read from an index, or the first error.
fn read_all(file: Bytes, matchers: &[Matcher]) -> Result<Vec<Labels>, IndexError> {
    let index = IndexReader::open(file)?;
    let selected = index.select(matchers)?;
    for name in index.label_names(Some(&selected))? {
        index.label_values(&name, Some(&selected))?;
    }
    let mut all = Vec::new();
    let mut cursor = index.series(selected)?;
    while let Some(entry) = cursor.next_series()? {
        all.push(entry.labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
    }
    Ok(all)
}

proptest! {
    #[test]
    fn both_answer_as_a_filter_would(all in series(), matchers in matchers()) {
        let expected = naive(&all, &matchers);
        let (mutable, immutable) = (mutable(&all), IndexReader::open(written(&all)).unwrap());
        prop_assert_eq!(&mutable.select(&matchers), &expected);
        prop_assert_eq!(&immutable.select(&matchers).unwrap(), &expected);

        let selected: Vec<&Labels> = expected.iter().map(|series| &all[series as usize]).collect();
        let names: BTreeSet<String> = selected.iter().flat_map(|labels| labels.keys().cloned()).collect();
        let names: Vec<String> = names.into_iter().collect();
        prop_assert_eq!(&mutable.label_names(Some(&expected)), &names);
        prop_assert_eq!(&immutable.label_names(Some(&expected)).unwrap(), &names);
        prop_assert_eq!(mutable.label_names(None), immutable.label_names(None).unwrap());
        for name in ["a", "b", "missing"] {
            let values: BTreeSet<String> = selected.iter().filter_map(|labels| labels.get(name).cloned()).collect();
            let values: Vec<String> = values.into_iter().collect();
            prop_assert_eq!(&mutable.label_values(name, Some(&expected)), &values);
            prop_assert_eq!(&immutable.label_values(name, Some(&expected)).unwrap(), &values);
            prop_assert_eq!(mutable.label_values(name, None), immutable.label_values(name, None).unwrap());
        }
    }

    #[test]
    fn series_come_back(all in series(), matchers in matchers()) {
        let index = IndexReader::open(written(&all)).unwrap();
        prop_assert_eq!(index.series_count() as usize, all.len());
        prop_assert_eq!(index.attachment().unwrap(), b"beside");
        let selected = naive(&all, &matchers);
        let mut cursor = index.series(selected.clone()).unwrap();
        for series in &selected {
            let entry = cursor.next_series().unwrap().unwrap();
            prop_assert_eq!(entry.series, series);
            prop_assert_eq!(entry.labels, pairs(&all[series as usize]).collect::<Vec<_>>());
            prop_assert_eq!(entry.payload, series.to_le_bytes());
        }
        prop_assert_eq!(cursor.next_series().unwrap(), None);
    }

    #[test]
    fn what_was_removed_is_gone(all in series(), matchers in matchers(), gone in prop::collection::vec(any::<bool>(), 1..20)) {
        let index = mutable(&all);
        let is_gone = |series: u32| gone[series as usize % gone.len()];
        for (series, labels) in (0..).zip(&all).filter(|(series, _)| is_gone(*series)) {
            index.remove(series, pairs(labels));
        }
        let expected: RoaringBitmap = naive(&all, &matchers).into_iter().filter(|series| !is_gone(*series)).collect();
        prop_assert_eq!(index.select(&matchers), expected);
        for (series, labels) in (0..).zip(&all) {
            index.remove(series, pairs(labels));
        }
        prop_assert_eq!((index.series(), index.heap_bytes()), (0, 0));
        prop_assert_eq!(index.label_names(None), Vec::<String>::new());
    }

    #[test]
    fn garbage_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300), matchers in matchers()) {
        prop_assert!(read_all(bytes.into(), &matchers).is_err());
    }

    /// A damaged file gives an error, or, where the damage was not touched, the right answer; never a panic, never another answer.
    #[test]
    fn damage_is_found(all in series(), matchers in matchers(), at in any::<prop::sample::Index>(), bits in 1u8.., cut in any::<bool>()) {
        let good = written(&all);
        let mut bad = good.to_vec();
        let at = at.index(bad.len());
        if cut { bad.truncate(at) } else { bad[at] ^= bits }
        if let Ok(answer) = read_all(bad.into(), &matchers) {
            prop_assert_eq!(answer, read_all(good, &matchers).unwrap());
        }
    }
}

#[test]
fn labels_out_of_order_are_refused() {
    let mut writer = IndexWriter::new().unwrap();
    assert_eq!(writer.add([("b", "1"), ("a", "1")], &[]), Err(IndexError::Labels { series: 0 }));
    assert_eq!(writer.add([("b", "")], &[]), Err(IndexError::Labels { series: 0 }));
}

#[test]
fn a_newer_version_is_named() {
    let mut bytes = written(&[]).to_vec();
    bytes[4] = 9;
    assert_eq!(IndexReader::open(bytes.into()).unwrap_err().to_string(), "index has version 9, the newest known here is 1");
}

#[test]
fn more_values_than_one_step_of_the_lock() {
    let index = MutableIndex::new();
    for series in 0..5000 {
        index.add(series, [("host", format!("h{series:04}").as_str()), ("job", "node")]);
    }
    let matcher = Matcher::new("host", MatchOp::Regex, "h.*9").unwrap();
    assert_eq!(index.select(&[matcher]).len(), 500);
    assert_eq!(index.label_values("host", None).len(), 5000);
    let names = index.name_cardinality();
    assert_eq!(
        names.iter().map(|name| (name.text.as_str(), name.values, name.series)).collect::<Vec<_>>(),
        [("host", 5000, 5000), ("job", 1, 5000)]
    );
    assert_eq!(index.value_cardinality("job")[0].series, 5000);
}
