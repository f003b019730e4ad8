use proptest::prelude::*;
use runtime::{Classify, ErrorKind};

use super::{Budget, Budgets, Reservation, Scope};
use crate::TenantId;

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

#[test]
fn a_refusal_names_the_limit_and_takes_nothing() {
    let process = Budget::process("memory.limit", Some(100));
    let signal = process.within("memory.metrics", Some(80), Scope::Process);
    let query = signal.within("max_estimated_memory_consumption_per_query", Some(50), Scope::Tenant);
    let held = query.reserve(50).unwrap();
    let err = query.reserve(1).unwrap_err();
    let text = "1 more bytes would exceed the limit max_estimated_memory_consumption_per_query of 50 bytes";
    assert_eq!((err.to_string().as_str(), err.kind()), (text, ErrorKind::LimitExceeded));
    let err = signal.within("other", None, Scope::Tenant).reserve(31).unwrap_err();
    assert_eq!((err.name, err.limit, err.kind()), ("memory.metrics", 80, ErrorKind::Unavailable));
    assert_eq!((process.used(), signal.used(), query.used()), (50, 50, 50));
    drop(held);
    assert_eq!((process.used(), signal.used(), query.used()), (0, 0, 0));
}

#[test]
fn a_reservation_grows_and_shrinks() {
    let budget = Budget::process("memory.limit", Some(100));
    let mut held = budget.reserve(10).unwrap();
    held.grow(90).unwrap();
    assert!(held.grow(1).is_err() && held.grow(u64::MAX).is_err());
    assert_eq!((held.bytes(), budget.used()), (100, 100));
    held.shrink_to(30);
    held.shrink_to(40);
    assert_eq!((held.bytes(), budget.used()), (30, 30));
}

#[test]
fn what_is_alone_fits_whatever_its_size() {
    let process = Budget::process("memory.limit", Some(100));
    let budget = process.within("inflight", Some(10), Scope::Process);
    let alone = budget.reserve_or_alone(60).unwrap();
    assert_eq!((budget.used(), process.used()), (60, 60));
    assert!(budget.reserve_or_alone(1).is_err() && budget.reserve(0).is_err());
    drop(alone);
    assert_eq!(budget.reserve_or_alone(101).unwrap_err().name, "memory.limit");
    let first = budget.reserve_or_alone(1).unwrap();
    assert_eq!(budget.reserve_or_alone(10).unwrap_err().limit, 10);
    assert!(budget.reserve_or_alone(9).is_ok());
    drop(first);
    assert_eq!((budget.used(), process.used()), (0, 0));
}

#[test]
fn a_tenant_has_one_budget_while_it_is_used() {
    let budgets = Budgets::new(Budget::process("memory.limit", None), "tenant.memory");
    let a = budgets.of(&tenant("a"), Some(10));
    let held = budgets.of(&tenant("a"), Some(99)).reserve(8).unwrap();
    assert!(a.reserve(3).is_err());
    assert!(budgets.of(&tenant("b"), Some(10)).reserve(10).is_ok());
    drop((a, held));
    assert_eq!(budgets.of(&tenant("a"), Some(99)).limit(), Some(99));
    for n in 0..10_000 {
        drop(budgets.of(&tenant(&format!("t{n}")), None));
    }
    assert!(budgets.tenants.lock().len() < 100);
}

#[test]
fn threads_never_pass_the_limit() {
    let process = Budget::process("memory.limit", Some(1000));
    std::thread::scope(|scope| {
        for n in 1..=4 {
            let budget = process.within("share", Some(700), Scope::Process);
            let process = &process;
            scope.spawn(move || {
                for _ in 0..20_000 {
                    let held = budget.reserve(n * 100);
                    assert!(process.used() <= 1000 && budget.used() <= 700);
                    drop(held);
                }
            });
        }
    });
    assert_eq!(process.used(), 0);
}

proptest! {
    /// However reservations come and go, each budget counts what is held below it and stays within its limit.
    #[test]
    fn budgets_count_what_is_held(steps in proptest::collection::vec((0usize..4, 0u64..60, any::<bool>()), 1..200)) {
        let process = Budget::process("process", Some(150));
        let tenants = [process.within("a", Some(100), Scope::Tenant), process.within("b", None, Scope::Tenant)];
        let queries: Vec<Budget> = (0..4).map(|n| tenants[n % 2].within("query", Some(70), Scope::Tenant)).collect();
        let mut held: Vec<(usize, Reservation)> = Vec::new();
        for (query, bytes, give_back) in steps {
            if give_back && !held.is_empty() {
                drop(held.swap_remove(query % held.len()));
            } else if let Ok(reservation) = queries[query].reserve(bytes) {
                held.push((query, reservation));
            }
            let sum = |of: &dyn Fn(usize) -> bool| held.iter().filter(|(query, _)| of(*query)).map(|(_, held)| held.bytes()).sum::<u64>();
            prop_assert_eq!(process.used(), sum(&|_| true));
            for (n, tenant) in tenants.iter().enumerate() {
                prop_assert_eq!(tenant.used(), sum(&|query| query % 2 == n));
            }
            for (n, query) in queries.iter().enumerate() {
                prop_assert_eq!(query.used(), sum(&|query| query == n));
                prop_assert!(query.used() <= 70);
            }
            prop_assert!(process.used() <= 150 && tenants[0].used() <= 100);
        }
    }
}
