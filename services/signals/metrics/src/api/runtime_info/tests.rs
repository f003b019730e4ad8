use runtime::config::ByteSize;

use super::*;

#[test]
fn retention_is_that_of_tenants_or_of_the_process() {
    let (none, week, day) = (HumanDuration::default(), HumanDuration::from_secs(7 * 86_400), HumanDuration::from_secs(86_400));
    let of = |age, bytes| Retention { age, bytes: ByteSize(bytes) };
    assert_eq!(retention(none, of(none, 0)), "");
    assert_eq!(retention(none, of(week, 0)), "7d");
    assert_eq!(retention(day, of(week, 20 << 30)), "1d or 20GiB");
    assert_eq!(retention(none, of(none, 1 << 20)), "1MiB");
}
