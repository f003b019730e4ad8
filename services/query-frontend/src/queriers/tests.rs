use proptest::prelude::*;

use super::*;

const DELAY: Duration = Duration::from_secs(60);

fn tenant(name: &str) -> Tenants {
    Tenants::parse(name).unwrap()
}

fn with(names: &[String]) -> Queriers {
    let mut queriers = Queriers::new(DELAY);
    names.iter().for_each(|name| queriers.connected(name, Instant::now()));
    queriers
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("querier-{n}")).collect()
}

/// Those of `names` that may work for a tenant.
fn shard(queriers: &Queriers, names: &[String], of: &str, size: usize, now: Instant) -> Vec<String> {
    names.iter().filter(|name| queriers.may_serve(name, &tenant(of), size, now)).cloned().collect()
}

#[test]
fn tenants_are_spread() {
    let names = names(10);
    let queriers = with(&names);
    let mut tenants_of: HashMap<String, usize> = HashMap::new();
    for n in 0..500 {
        for name in shard(&queriers, &names, &format!("tenant-{n}"), 2, Instant::now()) {
            *tenants_of.entry(name).or_default() += 1;
        }
    }
    assert_eq!(tenants_of.len(), 10);
    assert!(tenants_of.values().all(|tenants| (60..=140).contains(tenants)), "{tenants_of:?}");
}

#[test]
fn a_querier_that_is_lost_keeps_its_places_for_a_while() {
    let names = names(6);
    let mut queriers = with(&names);
    let now = Instant::now();
    let before = shard(&queriers, &names, "t", 2, now);
    queriers.lost(&before[0], now);
    let there: Vec<String> = names.iter().filter(|name| **name != before[0]).cloned().collect();
    assert_eq!(shard(&queriers, &there, "t", 2, now), before[1..], "nobody takes its place at once");
    let later = now + DELAY;
    assert_eq!(shard(&queriers, &there, "t", 2, later).len(), 2, "somebody does when it does not come back");
    queriers.connected(&before[0], now);
    assert_eq!(shard(&queriers, &names, "t", 2, later), before, "back, it has its places again");
}

#[test]
fn a_tenant_whose_queriers_are_all_lost_gets_another() {
    let names = names(5);
    let mut queriers = with(&names);
    let now = Instant::now();
    let before = shard(&queriers, &names, "t", 2, now);
    before.iter().for_each(|name| queriers.lost(name, now));
    let there: Vec<String> = names.iter().filter(|name| !before.contains(name)).cloned().collect();
    assert_eq!(shard(&queriers, &there, "t", 2, now).len(), 1);
}

#[test]
fn a_querier_that_says_farewell_is_replaced_at_once() {
    let names = names(5);
    let mut queriers = with(&names);
    let now = Instant::now();
    let before = shard(&queriers, &names, "t", 2, now);
    queriers.departed(&before[0]);
    let there: Vec<String> = names.iter().filter(|name| **name != before[0]).cloned().collect();
    let after = shard(&queriers, &there, "t", 2, now);
    assert!(after.len() == 2 && after.contains(&before[1]));
}

#[test]
fn one_of_two_streams_may_end() {
    let names = names(3);
    let mut queriers = with(&names);
    let now = Instant::now();
    queriers.connected(&names[0], now);
    queriers.lost(&names[0], now);
    assert_eq!(queriers.known[&names[0]].streams, 1);
    assert_eq!(queriers.known[&names[0]].lost, None);
}

proptest! {
    #[test]
    fn a_shard_has_its_size_and_moves_little(count in 1usize..20, size in 0usize..25, of in "[a-z]{1,8}") {
        let names = names(count);
        let mut queriers = with(&names);
        let now = Instant::now();
        let before = shard(&queriers, &names, &of, size, now);
        prop_assert_eq!(before.len(), if size == 0 { count } else { size.min(count) });
        queriers.connected("newcomer", now);
        let after = shard(&queriers, &names, &of, size, now);
        let newcomer = usize::from(queriers.may_serve("newcomer", &tenant(&of), size, now));
        prop_assert!(after.iter().all(|name| before.contains(name)), "nobody but the newcomer takes a place");
        prop_assert!(before.len() - after.len() <= newcomer);
        queriers.departed("newcomer");
        prop_assert_eq!(shard(&queriers, &names, &of, size, now), before);
    }
}
