use std::time::Duration;

use super::*;
use crate::block::BlockId;
use crate::bucket::FlakyConfig;
use crate::catalog::Change;
use crate::flaky::{Fault, Flaky};
use crate::testing::{clock, memory, metrics, tenant};

fn record(number: u128) -> Record {
    Record { tenant: tenant("a"), signal: metrics(), change: Change::Remove { ids: vec![BlockId(Ulid::from(number))] } }
}

async fn announced(bucket: &dyn Bucket) -> Vec<Vec<Record>> {
    let mut all = Vec::new();
    for object in bucket.list(layout::INBOX, None).await.unwrap() {
        let announcement: Announcement = codec::decode(Kind::Inbox, &bucket.get(&object.key).await.unwrap()).unwrap();
        assert_eq!(announcement.from, "writer");
        all.push(announcement.records);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn what_comes_together_is_one_object() {
    let (clock, tasks) = (clock(), Tasks::default());
    let bucket = memory(&clock);
    let announcer = Announcer::start(Arc::new(bucket.clone()), &CatalogConfig::default(), clock.clone(), "writer", &tasks);
    announcer.announce(record(1));
    tokio::time::sleep(Duration::from_millis(10)).await;
    clock.advance(1_000_000_000);
    for number in 2..5 {
        announcer.announce(record(number));
    }
    tokio::time::sleep(Duration::from_millis(4900)).await;
    assert_eq!(announced(&bucket).await, [vec![record(1)]]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(announced(&bucket).await, [vec![record(1)], vec![record(2), record(3), record(4)]]);
    // What is left at the end is written.
    clock.advance(1_000_000_000);
    announcer.announce(record(5));
    tasks.stop(Duration::from_secs(1)).await.unwrap();
    assert_eq!(announced(&bucket).await.last().unwrap(), &[record(5)]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_announcement_is_made_again() {
    let clock = clock();
    let flaky = Flaky::new(Arc::new(memory(&clock)), &FlakyConfig::default());
    let announcer = Announcer::new(Arc::new(flaky.clone()), clock, "writer");
    flaky.order("put", "inbox", Fault::Fail);
    announcer.announce(record(1));
    announcer.flush().await.unwrap_err();
    announcer.announce(record(2));
    announcer.flush().await.unwrap();
    announcer.flush().await.unwrap();
    assert_eq!(announced(&flaky).await, [vec![record(1), record(2)]]);
}
