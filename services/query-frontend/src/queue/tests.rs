use super::{FairQueue, TooMany};
use tenancy::Tenants;

fn tenant(name: &str) -> Tenants {
    Tenants::parse(name).unwrap()
}

#[test]
fn tenants_take_turns() {
    let mut queue = FairQueue::new(10);
    for n in 0..4 {
        queue.push(&tenant("busy"), ("busy", n)).unwrap();
    }
    queue.push(&tenant("calm"), ("calm", 0)).unwrap();
    let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
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
    let taken = queue.pop().unwrap();
    queue.push(&tenant("a"), 2).unwrap();
    queue.put_back(&tenant("a"), taken);
    assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_tenant_without_items_has_no_turn() {
    let mut queue = FairQueue::new(0);
    assert_eq!(queue.push(&tenant("a"), 1), Err(TooMany));
    assert_eq!(queue.pop(), None);
    let mut queue = FairQueue::new(5);
    queue.push(&tenant("a"), 1).unwrap();
    queue.remove(&tenant("a"), |item| *item == 1);
    queue.push(&tenant("b"), 2).unwrap();
    assert_eq!(queue.pop(), Some(2));
    assert_eq!(queue.pop(), None);
}
