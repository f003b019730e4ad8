use std::sync::Arc;

use futures::FutureExt;

use super::{FixedMember, Lifecycle, Start};

fn lifecycle() -> Lifecycle {
    Lifecycle::new(Arc::new(FixedMember("ingester-0".to_owned())))
}

#[test]
fn a_leave_waits_for_the_log_and_for_the_place_in_the_ring() {
    let lifecycle = lifecycle();
    let mut over = Box::pin(lifecycle.start_is_over());
    assert_eq!(over.as_mut().now_or_never(), None, "the log is being read");
    lifecycle.started(Start::Replayed);
    assert!(lifecycle.is_replayed());
    assert_eq!(over.as_mut().now_or_never(), None, "what makes the member active is still to come");
    lifecycle.started(Start::Done);
    assert_eq!(over.now_or_never(), Some(true));
}

#[test]
fn an_unreadable_log_is_no_reason_to_leave() {
    let lifecycle = lifecycle();
    lifecycle.started(Start::Failed);
    assert_eq!(lifecycle.start_is_over().now_or_never(), Some(false));
    assert!(!lifecycle.is_replayed());
    assert!(lifecycle.writable().is_err());
}
