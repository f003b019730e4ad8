use proptest::prelude::*;

use super::*;
use crate::fixtures::{member, stateful_set};

/// The share of each member of the ring, as the gaps before its tokens say.
fn shares(members: &[Member]) -> Vec<f64> {
    let mut tokens = Tokens::default();
    let mut all: Vec<(u32, usize)> =
        members.iter().enumerate().flat_map(|(n, member)| tokens.of(member).into_iter().map(move |token| (token, n))).collect();
    all.sort_unstable();
    let mut owned = vec![0u64; members.len()];
    for (at, &(token, owner)) in all.iter().enumerate() {
        let before = if at == 0 { all.last().map_or(0, |last| last.0) } else { all[at - 1].0 };
        let width = u64::from(token.wrapping_sub(before));
        owned[owner] += if width == 0 && all.len() == 1 { RING } else { width };
    }
    owned.into_iter().map(|width| width as f64 / RING as f64).collect()
}

/// How far the worst share is from the mean, as a part of the mean.
fn unfairness(members: &[Member]) -> f64 {
    let mean = 1.0 / members.len() as f64;
    shares(members).into_iter().map(|share| (share / mean - 1.0).abs()).fold(0.0, f64::max)
}

#[test]
fn ordinals_own_equal_shares_at_every_size() {
    for count in (1..40).chain([64, 100, 171, 333]) {
        let members: Vec<Member> = (0..count).map(|n| member(&format!("ingester-zone-a-{n}"), "zone-a")).collect();
        let unfair = unfairness(&members);
        assert!(unfair < 0.02, "{count} members: {unfair}");
    }
}

#[test]
fn each_ordinal_has_all_its_tokens_and_shares_none() {
    let mut tokens = Tokens::default();
    let mut all: Vec<u32> = stateful_set(50, &["zone-a"]).iter().flat_map(|member| tokens.of(member)).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 50 * TOKENS);
}

#[test]
fn zones_place_the_same_ordinal_alike_and_releases_do_not() {
    let mut tokens = Tokens::default();
    let a = tokens.of(&member("ingester-zone-a-3", "zone-a"));
    assert_eq!(a, tokens.of(&member("ingester-zone-b-3", "zone-b")));
    assert_ne!(a, tokens.of(&member("other-zone-a-3", "zone-a")));
    assert_ne!(a, tokens.of(&member("ingester-zone-a-2", "zone-a")));
}

#[test]
fn the_order_of_asking_does_not_matter() {
    let (mut up, mut down) = (Tokens::default(), Tokens::default());
    let members = stateful_set(8, &["zone-a"]);
    let rising: Vec<_> = members.iter().map(|member| up.of(member)).collect();
    let mut falling: Vec<_> = members.iter().rev().map(|member| down.of(member)).collect();
    falling.reverse();
    assert_eq!(rising, falling);
}

/// Tokens are stored nowhere: a release that computes others would move every item of every tenant.
#[test]
fn tokens_never_change() {
    let mut tokens = Tokens::default();
    let mut sum = |name: &str| {
        let bytes: Vec<u8> = tokens.of(&member(name, "zone-a")).iter().flat_map(|token| token.to_be_bytes()).collect();
        xxh3_64(&bytes)
    };
    let sums = ["ingester-zone-a-0", "ingester-zone-a-1", "ingester-zone-a-17", "some-host"].map(&mut sum);
    assert_eq!(sums, [9_901_528_333_538_756_459, 4_013_847_982_449_996_693, 5_295_088_915_834_007_912, 9_919_039_940_045_387_681]);
}

#[test]
fn names_say_places() {
    let place = |name: &str, zone: &str| match Place::of(&member(name, zone)) {
        Place::Ordinal { release, ordinal } => format!("{release} {ordinal}"),
        Place::Name(name) => name.to_owned(),
    };
    assert_eq!(place("ingester-zone-a-3", "zone-a"), "ingester 3");
    assert_eq!(place("q-ingester-zone-a-0", "a"), "q-ingester-zone 0");
    assert_eq!(place("ingester-12", ""), "ingester 12");
    assert_eq!(place("ingester-07", ""), "ingester-07");
    assert_eq!(place("ingester-+7", ""), "ingester-+7");
    assert_eq!(place("node-99999", ""), "node-99999");
    assert_eq!(place("node-4294967296", ""), "node-4294967296");
    assert_eq!(place("laptop", ""), "laptop");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn members_without_ordinal_own_fair_shares(prefix in "[a-z]{1,12}", count in 2usize..80) {
        let members: Vec<Member> = (0..count).map(|n| member(&format!("{prefix}{n}"), "")).collect();
        let unfair = unfairness(&members);
        prop_assert!(unfair < 0.15, "{} members: {}", count, unfair);
    }
}
