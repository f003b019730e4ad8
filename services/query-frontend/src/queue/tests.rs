use super::{FairQueue, TooMany};
use tenancy::Tenants;

fn tenant(name: &str) -> Tenants {
    Tenants::parse(name).unwrap()
}

fn pop<T>(queue: &mut FairQueue<T>) -> Option<T> {
    queue.pop(|_, _| true)
}

#[test]
fn tenants_take_turns() {
    let mut queue = FairQueue::new(10);
    for n in 0..4 {
        queue.push(&tenant("busy"), ("busy", n)).unwrap();
    }
    queue.push(&tenant("calm"), ("calm", 0)).unwrap();
    let order: Vec<_> = std::iter::from_fn(|| pop(&mut queue)).collect();
    assert_eq!(order, [("busy", 0), ("calm", 0), ("busy", 1), ("busy", 2), ("busy", 3)]);
}

#[test]
fn a_full_line_refuses_only_its_own_tenant() {
    let mut queue = FairQueue::new(2);
    queue.push(&tenant("a"), 1).unwrap();
    queue.push(&tenant("a"), 2).unwrap();
    assert_eq!(queue.push(&tenant("a"), 3), Err(TooMany));
    queue.push(&tenant("b"), 4).unwrap();
    assert_eq!((queue.len_of(&tenant("a")), queue.len_of(&tenant("b"))), (2, 1));
}

#[test]
fn what_is_put_back_comes_first() {
    let mut queue = FairQueue::new(1);
    queue.push(&tenant("a"), 1).unwrap();
    let taken = pop(&mut queue).unwrap();
    queue.push(&tenant("a"), 2).unwrap();
    queue.put_back(&tenant("a"), taken);
    assert_eq!(std::iter::from_fn(|| pop(&mut queue)).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_tenant_without_items_has_no_turn() {
    let mut queue = FairQueue::new(0);
    assert_eq!(queue.push(&tenant("a"), 1), Err(TooMany));
    assert_eq!(pop(&mut queue), None);
    let mut queue = FairQueue::new(5);
    queue.push(&tenant("a"), 1).unwrap();
    queue.remove(&tenant("a"), |item| *item == 1);
    queue.push(&tenant("b"), 2).unwrap();
    assert_eq!(pop(&mut queue), Some(2));
    assert_eq!(pop(&mut queue), None);
}

#[test]
fn what_somebody_may_not_take_keeps_its_turn() {
    let mut queue = FairQueue::new(10);
    for (name, item) in [("a", 1), ("b", 2), ("c", 3), ("a", 4), ("c", 5)] {
        queue.push(&tenant(name), item).unwrap();
    }
    let not_a = |of: &Tenants, _: &i32| *of != tenant("a");
    assert_eq!(queue.pop(not_a), Some(2));
    assert_eq!(queue.pop(not_a), Some(3));
    assert_eq!(pop(&mut queue), Some(1), "a is still the first");
    assert_eq!(queue.pop(not_a), Some(5));
    assert_eq!(queue.pop(not_a), None);
    assert_eq!(pop(&mut queue), Some(4));
}
