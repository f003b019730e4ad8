//! From matchers to series, among 200,000: `{__name__="http_requests_7_total", namespace="team-3", status="500"}`.
//!
//! The limit keeps nothing: each series of the shortest of the three lists is looked up in the two others, which lie as plain bits.

use divan::Bencher;
use index::{IndexReader, IndexWriter, Matcher, MutableIndex, RoaringBitmap};
use syntax::MatchOp;

use crate::data::labels;

const SERIES: usize = 200_000;
const WANTED: [(&str, &str); 3] = [("__name__", "http_requests_7_total"), ("namespace", "team-3"), ("status", "500")];

#[divan::bench]
fn head(bencher: Bencher<'_, '_>) {
    let (index, matchers) = (MutableIndex::new(), matchers());
    for (number, series) in (0..).zip(0..SERIES) {
        index.add(number, labels(series).iter().map(|(name, value)| (*name, value.as_str())));
    }
    assert_eq!(index.select(&matchers), bare(&lists()));
    bencher.bench(|| index.select(&matchers));
}

#[divan::bench]
fn block(bencher: Bencher<'_, '_>) {
    let (index, matchers) = (block_index(), matchers());
    assert_eq!(index.select(&matchers).expect("it was written here").len(), bare(&lists()).len());
    bencher.bench(|| index.select(&matchers));
}

#[divan::bench]
fn limit(bencher: Bencher<'_, '_>) {
    let mut lists = lists();
    lists.sort_by_key(RoaringBitmap::len);
    let [shortest, others @ ..] = &lists;
    let (shortest, others) = (shortest.iter().collect::<Vec<_>>(), others.each_ref().map(plain));
    let both = |series: u32| others.iter().all(|bits| bits[series as usize / 64] >> (series % 64) & 1 == 1);
    assert_eq!(shortest.iter().filter(|series| both(**series)).count() as u64, bare(&lists).len());
    bencher.bench(|| divan::black_box(&shortest).iter().filter(|series| both(**series)).count());
}

/// A bit for each series.
fn plain(list: &RoaringBitmap) -> Vec<u64> {
    let mut bits = vec![0; SERIES.div_ceil(64)];
    list.iter().for_each(|series| bits[series as usize / 64] |= 1 << (series % 64));
    bits
}

fn matchers() -> Vec<Matcher> {
    WANTED.iter().map(|(name, value)| Matcher::new(*name, MatchOp::Equal, value).expect("no expression")).collect()
}

fn block_index() -> IndexReader {
    let mut sorted: Vec<_> = (0..SERIES).map(labels).collect();
    sorted.sort();
    let mut writer = IndexWriter::new().expect("memory for an index");
    for labels in &sorted {
        writer.add(labels.iter().map(|(name, value)| (*name, value.as_str())), &[]).expect("sorted, each once");
    }
    IndexReader::open(writer.finish(&[]).expect("small enough")).expect("it was written here")
}

/// Series by the label and value that is wanted, as they are numbered in a head.
fn lists() -> [RoaringBitmap; 3] {
    WANTED.map(|(name, value)| {
        let has = |series: usize| labels(series).iter().any(|(known, text)| *known == name && text == value);
        (0..).zip(0..SERIES).filter(|(_, series)| has(*series)).map(|(number, _)| number).collect()
    })
}

fn bare(lists: &[RoaringBitmap; 3]) -> RoaringBitmap {
    let [one, two, three] = lists;
    let mut found = one & two;
    found &= three;
    found
}
